#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same as bench_resample with SimpleITK: resample.py FILE MM THREADS RUNS. ITK's sinc is Lanczos
with 4 lobes (minutes; only with a fifth argument), its cubic B-spline includes the prefilter, as ours
does. The image is float32 before the clock starts."""
import sys
import time

import SimpleITK as sitk

file, mm, threads, runs = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
image = sitk.ReadImage(file, sitk.sitkFloat32)
size = [int(n * s / mm + 0.5) for n, s in zip(image.GetSize(), image.GetSpacing())]
start = [((n - 1) - (m - 1) * mm / s) / 2 for n, m, s in zip(image.GetSize(), size, image.GetSpacing())]
for name, method in (("nearest", sitk.sitkNearestNeighbor), ("linear", sitk.sitkLinear),
                     ("cubic", sitk.sitkBSpline), ("sinc", sitk.sitkLanczosWindowedSinc)):
    if name == "sinc" and len(sys.argv) < 6:
        continue
    f = sitk.ResampleImageFilter()
    f.SetNumberOfThreads(threads)
    f.SetSize(size)
    f.SetOutputSpacing([mm] * 3)
    f.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(start))
    f.SetOutputDirection(image.GetDirection())
    f.SetInterpolator(method)
    best = 1e9
    for _ in range(1 if name == "sinc" else runs):
        t = time.perf_counter()
        f.Execute(image)
        best = min(best, time.perf_counter() - t)
    print(f"SimpleITK spacing  {name:12s} {best:7.3f} s", flush=True)
    turn = sitk.AffineTransform(3)
    turn.SetMatrix([0.9800666, -0.1986693, 0, 0.1986693, 0.9800666, 0, 0, 0, 1])
    turn.SetTranslation([20, -15, 0.3])
    best = 1e9
    for _ in range(runs):
        t = time.perf_counter()
        sitk.Resample(image, image, turn, method, 0.0, sitk.sitkFloat32)
        best = min(best, time.perf_counter() - t)
    print(f"SimpleITK oblique  {name:12s} {best:7.3f} s", flush=True)
