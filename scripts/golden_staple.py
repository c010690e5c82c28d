#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fusions of raters by SimpleITK: tests/golden/staple.txt for tests/unit/test_staple.c.

usage: golden_staple.py [DATA] >tests/golden/staple.txt    (DATA = folder of real scans, ../shared/data)
needs SimpleITK and numpy. Not with two raters: they leave a line of solutions, and where on it an estimate ends
depends on where it begins. Lines:
made RATERS NX NY NZ SEED ...    raters made of a linear congruential generator, see raters()
real ROW ...                     the five masks of DATA/brats_tcga_fg_6692/segmentations
staple: iterations, voxels with probability of at least a half, sum of probabilities, each rater's sensitivity, specificity
labels: the voxels that LabelVoting gives each label 0 1 2 4 and none (255), and those of MultiLabelSTAPLE
"""
import os
import sys

import numpy as np
import SimpleITK as sitk

NAMES = ("hnfnetv1-20", "isen-20", "sanet0-20", "scan-20", "yixinmpl-20")
VALUES = (0, 1, 2, 4, 255)


def raters(count, shape, seed):
    """Masks [z, y, x] of a box with noise, as in the test: rater r is wrong in 40 + 30 r of 1000 voxels."""
    state, out = seed, []
    for r in range(count):
        mask = np.zeros(shape[::-1], np.uint8)
        for z in range(shape[2]):
            for y in range(shape[1]):
                for x in range(shape[0]):
                    state = (state * 1664525 + 1013904223) % 2**32
                    inside = 3 <= x < shape[0] - 2 and 2 <= y < shape[1] - 3 and 1 <= z < shape[2] - 1
                    mask[z, y, x] = inside ^ ((state >> 16) % 1000 < 40 + 30 * r)
        out.append(mask)
    return out


def staple(head, masks):
    f = sitk.STAPLEImageFilter()
    f.SetForegroundValue(1)
    f.SetMaximumIterations(1000)
    p = sitk.GetArrayFromImage(f.Execute([sitk.GetImageFromArray(m) for m in masks]))
    numbers = [v for s in zip(f.GetSensitivity(), f.GetSpecificity()) for v in s]
    print(*head, f.GetElapsedIterations(), int((p >= 0.5).sum()), f"{p.sum():.12g}", *(f"{v:.12g}" for v in numbers))


def labels(head, volumes):
    images = [sitk.GetImageFromArray(v) for v in volumes]
    vote = sitk.GetArrayFromImage(sitk.LabelVoting(images, 255))
    multi = sitk.MultiLabelSTAPLEImageFilter()
    multi.SetLabelForUndecidedPixels(255)
    multi.SetMaximumNumberOfIterations(1000)
    multi.SetTerminationUpdateThreshold(1e-9)
    fused = sitk.GetArrayFromImage(multi.Execute(images))
    print(*head, *(int((vote == v).sum()) for v in VALUES), *(int((fused == v).sum()) for v in VALUES))


def main():
    data = sys.argv[1] if len(sys.argv) > 1 else "../shared/data"
    for count, shape, seed in ((4, (12, 11, 9), 1), (3, (16, 12, 10), 2), (5, (20, 18, 9), 3), (8, (14, 14, 14), 4)):
        staple(["made", count, *shape, seed], raters(count, shape, seed))
    folder = os.path.join(data, "brats_tcga_fg_6692", "segmentations")
    volumes = [sitk.GetArrayFromImage(sitk.ReadImage(os.path.join(folder, n + ".nii.gz"))).astype(np.uint8) for n in NAMES]
    for row, values in (("wt", (1, 2, 4)), ("tc", (1, 4)), ("et", (4,)), ("label_1", (1,)), ("label_2", (2,))):
        staple(["real", row], [np.isin(v, values).astype(np.uint8) for v in volumes])
    labels(["labels", "all"], volumes)


main()
