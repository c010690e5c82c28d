#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/dice.txt: voxel counts by numpy and overlap scores of real tumour masks by the textbook's formulas in
exact fractions (rounded once, MCC's root in 60 digits), for tests/unit/test_metrics.c. Truth is the fusion of five algorithms, predictions are the algorithms.

usage: scripts/golden_dice.py ../shared/data/brats_tcga_fg_6692/segmentations > tests/golden/dice.txt"""
import os
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

import nibabel
import numpy as np

REGIONS = [("wt", (1, 2, 4)), ("tc", (1, 4)), ("et", (4,)), ("tc_original", (1,)), ("label_1", (1,)),
           ("label_2", (2,)), ("label_4", (4,))]
TRUTH = "fusion_mav.nii.gz"
NAMES = "dice iou sensitivity specificity precision npv accuracy balanced_accuracy kappa mcc volume_difference_relative"
getcontext().prec = 60


def scores(tp, fp, fn, tn):
    """In the order of NAMES."""
    n = tp + fp + fn + tn
    sensitivity, specificity = Fraction(tp, tp + fn), Fraction(tn, tn + fp)
    observed = Fraction(tp + tn, n)
    chance = Fraction((tp + fp) * (tp + fn) + (tn + fp) * (tn + fn), n * n)
    mcc = Decimal(tp * tn - fp * fn) / Decimal((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)).sqrt()
    return [Fraction(2 * tp, 2 * tp + fp + fn), Fraction(tp, tp + fp + fn), sensitivity, specificity,
            Fraction(tp, tp + fp), Fraction(tn, tn + fn), observed, (sensitivity + specificity) / 2,
            (observed - chance) / (1 - chance), mcc, Fraction(fp - fn, tp + fn)]


def load(folder, name):
    return np.asarray(nibabel.load(os.path.join(folder, name)).dataobj).astype(np.int64)


def main():
    folder = sys.argv[1]
    truth = load(folder, TRUTH)
    print("# file region tp fp fn tn " + NAMES)
    for name in sorted(os.listdir(folder)):
        if not name.endswith("-20.nii.gz"):
            continue
        prediction = load(folder, name)
        for region, labels in REGIONS:
            t, p = np.isin(truth, labels), np.isin(prediction, labels)
            tp, fp = int((t & p).sum()), int((~t & p).sum())
            fn, tn = int((t & ~p).sum()), int((~t & ~p).sum())
            print(name, region, tp, fp, fn, tn, *[repr(float(v)) for v in scores(tp, fp, fn, tn)])


main()
