#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/surface.txt: surface distances by MONAI, surface-distance, MedPy and panoptica on real tumour masks
and on small random ones, for tests/unit/test_surface.c. Needs these four, nibabel, numpy and scipy.

Lines: "versions ..."; "real FILE REGION SX SY SZ" or "mask NX NY NZ SX SY SZ TRUTH PREDICTION" (bits, x fastest, four a
hexadecimal digit, the first the highest) open a pair; "TOOL KEY VALUE" and "TOOL KEY TOLERANCE VALUE" are its scores, under
the keys of eval/column.c. (panoptica's NSD is left out: the mean of the two shares, each of its own surface.) Distances do not depend on what lies around a mask: real ones are cut to their box first.

usage: scripts/golden_surface.py [../shared/data] > tests/golden/surface.txt"""
import importlib
import importlib.metadata
import os
import sys
import warnings

import nibabel
import numpy as np

np.Inf = np.inf  # surface-distance 0.1 asks numpy 2 for it
warnings.filterwarnings("ignore")
import medpy.metric.binary as medpy  # noqa: E402
import monai.metrics as monai  # noqa: E402
import scipy.ndimage as nd  # noqa: E402
import surface_distance as sd  # noqa: E402
import torch  # noqa: E402

nd.filters, nd.morphology = nd, nd  # names of surface-distance's time
REGIONS = {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
TOLERANCES = (1.0, 2.5)
TRUTH = "fusion_mav.nii.gz"


def pano_function(module, name):
    return getattr(importlib.import_module("panoptica.metrics." + module), name)


def edge_distances(of, to, spacing):
    edge = [m & ~nd.binary_erosion(m) for m in (of, to)]
    return nd.distance_transform_edt(~edge[1], sampling=spacing)[edge[0]]


def scores(t, p, spacing):
    T, P = (torch.from_numpy(m.copy())[None, None].float() for m in (t, p))
    kw = dict(include_background=True, spacing=list(spacing))
    yield "monai", "hd", monai.compute_hausdorff_distance(P, T, **kw)
    yield "monai", "hd95", monai.compute_hausdorff_distance(P, T, percentile=95, **kw)
    yield "monai", "assd", monai.compute_average_surface_distance(P, T, symmetric=True, **kw)
    yield "monai", "masd_prediction", monai.compute_average_surface_distance(P, T, **kw)
    # MONAI finds the rank of its percentile in float32, a few millionths off with thousands of edge voxels.
    both = edge_distances(t, p, spacing), edge_distances(p, t, spacing)
    yield "scipy", "hd95", max(np.percentile(d, 95) for d in both)
    d = sd.compute_surface_distances(t, p, spacing)
    yield "surface-distance", "hd_surfel", sd.compute_robust_hausdorff(d, 100)
    yield "surface-distance", "hd95_surfel", sd.compute_robust_hausdorff(d, 95)
    first, second = sd.compute_average_surface_distance(d)
    yield "surface-distance", "asd_surfel_truth", first
    yield "surface-distance", "asd_surfel_prediction", second
    yield "MedPy", "hd", medpy.hd(p, t, spacing)
    yield "MedPy", "hd95_pooled", medpy.hd95(p, t, spacing)
    yield "MedPy", "assd", medpy.assd(p, t, spacing)
    yield "MedPy", "masd_truth", medpy.asd(t, p, spacing)
    yield "MedPy", "masd_prediction", medpy.asd(p, t, spacing)
    yield "panoptica", "hd", pano_function("hausdorff_distance", "_compute_hausdorff_distance")(t, p, spacing)
    yield "panoptica", "hd95_pooled", pano_function("hausdorff_distance", "_compute_hausdorff_distance95")(t, p, spacing)
    yield "panoptica", "assd_mean", pano_function("assd", "_average_symmetric_surface_distance")(t, p, spacing)
    for mm in TOLERANCES:
        yield "monai", f"nsd {mm}", monai.compute_surface_dice(P, T, [mm], **kw)
        yield "monai", f"nsd_surfel {mm}", monai.compute_surface_dice(P, T, [mm], use_subvoxels=True, **kw)
        yield "surface-distance", f"nsd_surfel {mm}", sd.compute_surface_dice_at_tolerance(d, mm)


def put(t, p, spacing):
    for tool, key, value in scores(t, p, spacing):
        print(tool, key, repr(float(value)))


def hexed(mask):
    bits = "".join("1" if v else "0" for v in mask.ravel(order="F"))
    bits += "0" * (-len(bits) % 4)
    return "".join("%x" % int(bits[i:i + 4], 2) for i in range(0, len(bits), 4))


def real(folder):
    truth = np.asarray(nibabel.load(os.path.join(folder, TRUTH)).dataobj)
    pairs = [(n, (1.0, 1.0, 1.0)) for n in sorted(os.listdir(folder)) if n.endswith("-20.nii.gz")]
    pairs.append(("isen-20.nii.gz", (0.9375, 0.9375, 3.0)))  # as if it were: the definitions, not the scan, are tried
    for name, spacing in pairs:
        prediction = np.asarray(nibabel.load(os.path.join(folder, name)).dataobj)
        for region, labels in REGIONS.items():
            t, p = np.isin(truth, labels), np.isin(prediction, labels)
            at = np.argwhere(t | p)
            cut = tuple(slice(a - 1, b + 2) for a, b in zip(at.min(0), at.max(0)))
            print("real", name, region, *spacing)
            put(t[cut], p[cut], spacing)


def blob(rng, n):
    return nd.gaussian_filter(rng.standard_normal(n), 1.2) > 0.15


def small():
    rng = np.random.default_rng(7)
    spacings = [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.5, 1.25, 3.0), (2.0, 0.9, 0.9), (0.9375, 0.9375, 5.0)]
    for k in range(15):
        n = tuple(int(v) for v in rng.integers(3, 12, 3))
        make = (lambda: rng.random(n) < 0.3) if k % 3 == 0 else (lambda: blob(rng, n))
        t, p = make(), make()
        if k % 5 == 4:  # one voxel
            t = np.zeros(n, bool)
            t[tuple(rng.integers(0, n))] = True
        t.flat[0] |= not t.any()
        p.flat[-1] |= not p.any()
        spacing = spacings[k % len(spacings)]
        # Peers differ in what a mask at the border of the image is: a margin settles it.
        print("mask", *n, *spacing, hexed(t), hexed(p))
        put(np.pad(t, 1), np.pad(p, 1), spacing)
    for k in range(4):  # one slice: peers get an image of two axes
        n = tuple(int(v) for v in rng.integers(5, 25, 2))
        t, p, spacing = blob(rng, n), blob(rng, n), spacings[k]
        print("mask", *n, 1, *spacing, hexed(t), hexed(p))
        put(np.pad(t, 1), np.pad(p, 1), spacing[:2])


def main():
    names = ("monai", "surface-distance", "MedPy", "panoptica", "numpy", "scipy")
    print("versions", *(f"{n} {importlib.metadata.version(n)}" for n in names), sep=", ")
    real(os.path.join(sys.argv[1] if len(sys.argv) > 1 else "../shared/data", "brats_tcga_fg_6692", "segmentations"))
    small()


main()
