#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peers of bench/evaluate.sh: Dice, HD95, ASSD and NSD (1 mm) of WT, TC and ET of two label volumes, as each tool has them.

  evaluate_peers.py fill FOLDER                        two pairs that fill a 240x240x155 grid: solid (a grid full of labels
                                                       and one without its rim), noise (random labels, all voxels edges)
  evaluate_peers.py masks FOLDER TRUTH PREDICTION      truth-wt.nii.gz ... for tools that take masks
  evaluate_peers.py TOOL TRUTH PREDICTION THREADS RUNS one line: TOOL WHAT wall-ms processor-ms REGION DICE HD95 ASSD NSD ...

Masks are boolean arrays, ready before the clock starts; TOOL-cut cuts them to their common box first, in the time taken.
The definitions of HD95 and of a surface are each tool's own (docs/metrics.md); what it does not have is nan."""
import os
import sys
import time
import warnings

import nibabel
import numpy as np

warnings.filterwarnings("ignore")
np.Inf = np.inf
REGIONS = {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
SHAPE = (240, 240, 155)


def blobs(rng, sigma=3):
    """The largest of four smooth random fields: blobs of every label, none of them near another mask's."""
    k = [np.exp(-2 * (np.pi * sigma * f) ** 2) for f in (*(np.fft.fftfreq(n) for n in SHAPE[:2]), np.fft.rfftfreq(SHAPE[2]))]
    low = k[0][:, None, None] * k[1][:, None] * k[2]
    fields = [np.fft.irfftn(np.fft.rfftn(rng.standard_normal(SHAPE)) * low, SHAPE) for _ in range(4)]
    return np.array((0, 1, 2, 4))[np.argmax(fields, axis=0)]


def fill(folder):
    rng = np.random.default_rng(1)
    rim = np.zeros(SHAPE)
    rim[2:-2, 3:-3, 2:-2] = 4
    for name, array in (("solid-truth", np.full(SHAPE, 4)), ("solid-prediction", rim),
                        ("noise-truth", rng.choice((0, 1, 2, 4), SHAPE)),
                        ("noise-prediction", rng.choice((0, 1, 2, 4), SHAPE)),
                        ("blobs-truth", blobs(rng)), ("blobs-prediction", blobs(rng))):
        nibabel.save(nibabel.Nifti1Image(array.astype(np.uint8), np.eye(4)), os.path.join(folder, name + ".nii"))


def load(path):
    image = nibabel.load(path)
    return np.asarray(image.dataobj).astype(np.uint8), tuple(float(v) for v in image.header.get_zooms()[:3]), image.affine


def masks(folder, *paths):
    for name, path in zip(("truth", "prediction"), paths):
        labels, _, affine = load(path)
        for region, members in REGIONS.items():
            mask = np.isin(labels, members).astype(np.uint8)
            nibabel.save(nibabel.Nifti1Image(mask, affine), os.path.join(folder, f"{name}-{region}.nii.gz"))


def surface_distance(t, p, mm):
    import scipy.ndimage
    import surface_distance as sd
    scipy.ndimage.filters = scipy.ndimage.morphology = scipy.ndimage  # names of its time
    d = sd.compute_surface_distances(t, p, mm)
    return (sd.compute_dice_coefficient(t, p), sd.compute_robust_hausdorff(d, 95),
            sum(sd.compute_average_surface_distance(d)) / 2, sd.compute_surface_dice_at_tolerance(d, 1))


def monai(t, p, mm):
    import monai.metrics as m
    import torch
    t, p = (torch.from_numpy(a)[None, None] for a in (t, p))
    kw = dict(include_background=True, spacing=list(mm))
    return (float(m.compute_dice(p, t, include_background=True)), float(m.compute_hausdorff_distance(p, t, percentile=95, **kw)),
            float(m.compute_average_surface_distance(p, t, symmetric=True, **kw)),
            float(m.compute_surface_dice(p, t, [1.0], **kw)))


def medpy(t, p, mm):
    from medpy.metric import binary as b
    return b.dc(p, t), b.hd95(p, t, mm), b.assd(p, t, mm), float("nan")


def scipy(t, p, mm):
    """By hand: the definition of docs/metrics.md in a few lines of scipy, each distance transform once."""
    from scipy import ndimage as nd
    edge = [m & ~nd.binary_erosion(m) for m in (t, p)]
    d = [nd.distance_transform_edt(~edge[1 - k], sampling=mm)[edge[k]] for k in (0, 1)]
    both = np.hstack(d)
    return (2 * np.count_nonzero(t & p) / (np.count_nonzero(t) + np.count_nonzero(p)), max(np.percentile(v, 95) for v in d),
            both.mean(), np.mean(both <= 1))


def simpleitk(t, p, mm):
    import SimpleITK as sitk
    images = []
    for mask in (t, p):
        images.append(sitk.GetImageFromArray(mask.astype(np.uint8).transpose(2, 1, 0)))
        images[-1].SetSpacing(mm)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(images[1], images[0])
    d = []
    for k in (0, 1):
        far = sitk.Abs(sitk.SignedMaurerDistanceMap(images[1 - k], squaredDistance=False, useImageSpacing=True))
        d.append(sitk.GetArrayViewFromImage(far)[sitk.GetArrayViewFromImage(sitk.LabelContour(images[k])) > 0])
    both = np.hstack(d)
    if not d[0].size or not d[1].size:  # its contours leave out the border of the image
        return overlap.GetDiceCoefficient(), float("nan"), float("nan"), float("nan")
    return overlap.GetDiceCoefficient(), max(np.percentile(v, 95) for v in d), both.mean(), np.mean(both <= 1)


def cut(t, p):
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        at = np.flatnonzero((t | p).any(axis=others))
        box.append(slice(max(at[0] - 1, 0), at[-1] + 2))
    return tuple(np.ascontiguousarray(np.pad(m[tuple(box)], 1)) for m in (t, p))


TOOLS = {"surface-distance": surface_distance, "monai": monai, "medpy": medpy, "scipy": scipy, "simpleitk": simpleitk}


def ready(tool, threads):
    if tool == "simpleitk":
        import SimpleITK as sitk
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    if tool == "monai":
        import torch
        torch.set_num_threads(threads)


def run(name, truth, prediction, threads, runs):
    tool, cropped = name.removesuffix("-cut"), name.endswith("-cut")
    measure = TOOLS[tool]
    (t, mm, _), (p, _, _) = load(truth), load(prediction)
    pairs = [(np.isin(t, members), np.isin(p, members)) for members in REGIONS.values()]
    try:
        ready(tool, threads)
        small = np.zeros((8, 8, 8), bool)
        small[2:5, 2:5, 2:5] = True
        measure(small, small, mm)  # imports
    except ImportError as e:
        print(name, "missing", e)
        return
    best = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        values = [measure(*(cut(*pair) if cropped else pair), mm) for pair in pairs]
        best.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    words = " ".join(f"{r} " + " ".join("%.6f" % v for v in vs) for r, vs in zip(REGIONS, values))
    print(f"{name} {'surfels' if tool == 'surface-distance' else 'surface'} {min(b[0] for b in best):.1f} "
          f"{min(b[1] for b in best):.1f} {words}")


def main():
    if sys.argv[1] == "fill":
        fill(sys.argv[2])
    elif sys.argv[1] == "masks":
        masks(*sys.argv[2:5])
    else:
        run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))


main()
