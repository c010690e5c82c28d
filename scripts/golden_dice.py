#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/dice.txt: voxel counts, Dice, sensitivity and specificity of real tumour masks by numpy, for
tests/unit/test_metrics.c. Truth is the fusion of five algorithms, predictions are the algorithms.

usage: scripts/golden_dice.py ../shared/data/brats_tcga_fg_6692/segmentations > tests/golden/dice.txt"""
import os
import sys

import nibabel
import numpy as np

REGIONS = [("wt", (1, 2, 4)), ("tc", (1, 4)), ("et", (4,)), ("tc_original", (1,)), ("label_1", (1,)),
           ("label_2", (2,)), ("label_4", (4,))]
TRUTH = "fusion_mav.nii.gz"


def load(folder, name):
    return np.asarray(nibabel.load(os.path.join(folder, name)).dataobj).astype(np.int64)


def main():
    folder = sys.argv[1]
    truth = load(folder, TRUTH)
    print("# file region tp fp fn tn dice sensitivity specificity")
    for name in sorted(os.listdir(folder)):
        if not name.endswith("-20.nii.gz"):
            continue
        prediction = load(folder, name)
        for region, labels in REGIONS:
            t, p = np.isin(truth, labels), np.isin(prediction, labels)
            tp, fp = int((t & p).sum()), int((~t & p).sum())
            fn, tn = int((t & ~p).sum()), int((~t & ~p).sum())
            dice, sens, spec = 2 * tp / (2 * tp + fp + fn), tp / (tp + fn), tn / (tn + fp)
            print(f"{name} {region} {tp} {fp} {fn} {tn} {dice!r} {sens!r} {spec!r}")


main()
