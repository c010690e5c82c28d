#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lesion-wise scores by other programs: tests/golden/lesions.txt for tests/unit/test_lesions.c.

usage: golden_lesions.py [DATA] >tests/golden/lesions.txt    (DATA = folder of real scans, ../shared/data)
needs numpy, scipy, connected-components-3d, surface-distance, panoptica, nibabel, from PyPI.

The challenge's scores are written here from its published definition (lesions by dilation with 18 neighbours and components
of 26, HD95 of surface-distance, 374 mm for what is missed or false, truth lesions up to a volume left out), panoptic quality
is panoptica's. Lines:
made NX NY NZ SX SY SZ SEED RULE  numbers     boxes made of a linear congruential generator, see boxes()
real TRUTH PREDICTION ROW RULE    numbers     label files below DATA/brats_tcga_fg_6692/segmentations
numbers: truth predicted tp fp fn filtered dice hd95, of each match rule found missed right wrong, pq sq rq
"""
import contextlib
import io
import os
import sys

import cc3d
import nibabel
import numpy as np
from scipy import ndimage

np.Inf = np.inf  # surface-distance 0.1 is older than numpy 2
import surface_distance  # noqa: E402
from panoptica import InputType, NaiveThresholdMatching, Panoptica_Evaluator, ConnectedComponentsInstanceApproximator  # noqa: E402

RULES = {"gli": (3, 50), "ssa": (3, 50), "ped": (3, 50), "men": (1, 50), "met": (1, 2)}
FAR = 374


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 16) % n


def boxes(shape, seed):
    """Truth and prediction, arrays [x, y, z]; the same numbers as in the test."""
    lcg = Lcg(seed)
    masks = [np.zeros(shape, bool), np.zeros(shape, bool)]

    def fill(mask, low, size):
        low, high = np.maximum(low, 0), np.minimum(np.add(low, size), shape)
        mask[tuple(slice(a, max(a, b)) for a, b in zip(low, high))] = True

    for _ in range(lcg.below(6)):
        low = [lcg.below(n) for n in shape]
        size = [1 + lcg.below(6) for _ in range(3)]
        fill(masks[0], low, size)
        if lcg.below(4) == 0:
            continue
        low = [a + lcg.below(5) - 2 for a in low]
        size = [a + lcg.below(3) - 1 for a in size]
        fill(masks[1], low, size)
    for _ in range(lcg.below(3)):
        low = [lcg.below(n) for n in shape]
        size = [1 + lcg.below(4) for _ in range(3)]
        fill(masks[1], low, size)
    return masks


def components(mask):
    return cc3d.connected_components(mask.astype(np.uint8), connectivity=26).astype(np.int64)


def hd95(truth, prediction, spacing):
    with np.errstate(all="ignore"):
        d = surface_distance.compute_surface_distances(truth, prediction, spacing)
        return surface_distance.compute_robust_hausdorff(d, 95)


def by_rule(truth, prediction, spacing, rule):
    steps, least = RULES[rule]
    step = ndimage.generate_binary_structure(3, 2)
    grown = components(ndimage.binary_dilation(truth, step, iterations=steps))
    parts = components(prediction)
    lesions = grown * truth
    touched, kept = set(), []
    tp = fn = filtered = 0
    for k in range(1, grown.max() + 1):
        lesion = lesions == k
        around = ndimage.binary_dilation(lesion, step, iterations=steps)
        mine = set(np.unique(parts[around])) - {0}
        touched |= mine
        of_it = np.isin(parts, list(mine))
        if lesion.sum() * np.prod(spacing) <= least:
            filtered += 1
            continue
        tp += bool(mine)
        fn += not mine
        dice = 2 * (lesion & of_it).sum() / (lesion.sum() + of_it.sum())
        kept.append((dice, hd95(lesion, of_it, spacing) if mine else FAR))
    fp = parts.max() - len(touched)
    n = len(kept) + fp
    dice = sum(d for d, _ in kept) / n if n else 1
    distance = (sum(h for _, h in kept) + FAR * fp) / n if n else 0
    return [grown.max(), parts.max(), tp, fp, fn, filtered], [dice, distance]


def detection(truth, prediction):
    """found, missed, right, wrong by any overlap, by IoU of at least a half one to one, by centroid."""
    t, p = components(truth), components(prediction)
    nt, np_ = t.max(), p.max()
    found, right = set(np.unique(t[prediction])) - {0}, set(np.unique(p[truth])) - {0}
    rows = [(len(found), nt - len(found), len(right), np_ - len(right))]
    pairs = []
    for i in range(1, nt + 1):
        for k in set(np.unique(p[t == i])) - {0}:
            both = ((t == i) & (p == k)).sum()
            pairs.append((-both / ((t == i) | (p == k)).sum(), i, k))
    used_t, used_p = set(), set()
    for iou, i, k in sorted(pairs):
        if -iou >= 0.5 and i not in used_t and k not in used_p:
            used_t.add(i)
            used_p.add(k)
    rows.append((len(used_t), nt - len(used_t), len(used_p), np_ - len(used_p)))
    found, right = set(), set()
    for k in range(1, np_ + 1):
        at = tuple(np.floor(np.argwhere(p == k).mean(axis=0) + 0.5).astype(int))
        if t[at]:
            found.add(t[at])
            right.add(k)
    rows.append((len(found), nt - len(found), len(right), np_ - len(right)))
    return [v for row in rows for v in row]


def panoptic(truth, prediction):
    if not truth.any() or not prediction.any():
        return [np.nan] * 3 if not truth.any() and not prediction.any() else [0.0] * 3
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC, instance_approximator=ConnectedComponentsInstanceApproximator(),
        instance_matcher=NaiveThresholdMatching(), log_times=False, verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        out = evaluator.evaluate(prediction.astype(np.uint8), truth.astype(np.uint8))
    out = next(iter(out.values()))
    out = out[0] if isinstance(out, tuple) else out
    if out.tp == 0:
        return [0.0, 0.0, 0.0]
    return [float(out.pq), float(out.sq), float(out.rq)]


def line(head, truth, prediction, spacing, rule):
    whole, shares = by_rule(truth, prediction, spacing, rule)
    numbers = whole + [f"{v:.12g}" for v in shares] + detection(truth, prediction)
    print(*head, *numbers, *(f"{v:.12g}" for v in panoptic(truth, prediction)))


def main():
    data = sys.argv[1] if len(sys.argv) > 1 else "../shared/data"
    rules = list(RULES)
    grids = [((24, 20, 18), (1, 1, 1)), ((31, 17, 12), (0.75, 1.5, 2)), ((40, 40, 30), (1, 1, 1)), ((9, 40, 7), (3, 1, 1))]
    for seed in range(1, 61):
        shape, spacing = grids[seed % 4]
        truth, prediction = boxes(shape, seed)
        line(["made", *shape, *spacing, seed, rules[seed % 5]], truth, prediction, spacing, rules[seed % 5])
    folder = os.path.join(data, "brats_tcga_fg_6692", "segmentations")
    volumes = {}
    rows = {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
    for truth, prediction in (("fusion_mav", "isen-20"), ("fusion_mav", "scan-20"), ("hnfnetv1-20", "yixinmpl-20")):
        for name in (truth, prediction):
            if name not in volumes:
                image = nibabel.load(os.path.join(folder, name + ".nii.gz"))
                volumes[name] = np.asarray(image.dataobj), [float(v) for v in image.header.get_zooms()]
        for row, values in rows.items():
            for rule in ("gli", "met"):
                line(["real", truth, prediction, row, rule], np.isin(volumes[truth][0], values),
                     np.isin(volumes[prediction][0], values), volumes[truth][1], rule)


main()
