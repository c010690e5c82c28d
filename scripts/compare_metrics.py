#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scores of real masks by scanmill and by other programs: the table of docs/metrics.md.

usage: compare_metrics.py [DATA [BIN]]      (DATA = folder of real scans, ../shared/data; BIN = bin)
needs monai, surface-distance, MedPy, panoptica, scikit-learn, nibabel, torch from PyPI.

Five networks' label volumes of one patient, each against their fusion, as stored (1 mm) and with the voxels made 0.7 x 1.1 x
3 mm; regions WT, TC, ET. Peers get masks cut to the box of both with a margin of 2 voxels, which changes no distance;
overlap gets whole volumes. Prints a line a definition: how many numbers, and the largest difference, of the value for
distances above 1. MONAI takes its percentile in float32, where the rank is off by up to a thousandth: its HD95 is also made
of its own distances in double.
"""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version

import nibabel
import numpy as np

np.Inf = np.inf  # surface-distance 0.1 is older than numpy 2
warnings.filterwarnings("ignore")
import surface_distance as sd  # noqa: E402
import torch  # noqa: E402
from medpy.metric import binary as medpy  # noqa: E402
from monai.metrics import (compute_average_surface_distance, compute_dice, compute_hausdorff_distance,  # noqa: E402
                           compute_iou, compute_surface_dice)
from monai.metrics.utils import get_edge_surface_distance  # noqa: E402
from panoptica import (ConnectedComponentsInstanceApproximator, InputType, Metric, NaiveThresholdMatching,  # noqa: E402
                       Panoptica_Evaluator)
from sklearn import metrics as sk  # noqa: E402

REGIONS = {"wt": (1, 2, 4), "tc": (1, 4), "et": (4,)}
RATERS = ("hnfnetv1-20", "isen-20", "sanet0-20", "scan-20", "yixinmpl-20")
SPACINGS = ((1.0, 1.0, 1.0), (0.7, 1.1, 3.0))
TOLERANCE = 1.0


def cut(a, b):
    where = np.argwhere(a | b)
    low, high = np.maximum(where.min(0) - 2, 0), where.max(0) + 3
    box = tuple(slice(x, y) for x, y in zip(low, high))
    return a[box], b[box]


def by_monai(t, p, small, spacing):
    def five(x):
        return torch.from_numpy(np.ascontiguousarray(x))[None, None].float()
    T, P = five(small[0]), five(small[1])
    with_spacing = {"include_background": True, "spacing": list(spacing)}
    whole = five(t), five(p)
    return {
        "dice": compute_dice(whole[1], whole[0], include_background=True),
        "iou": compute_iou(whole[1], whole[0], include_background=True),
        "hd": compute_hausdorff_distance(P, T, **with_spacing),
        "hd95": compute_hausdorff_distance(P, T, percentile=95, **with_spacing),
        "assd": compute_average_surface_distance(P, T, symmetric=True, **with_spacing),
        "masd_prediction": compute_average_surface_distance(P, T, **with_spacing),
        "nsd_1mm": compute_surface_dice(P, T, [TOLERANCE], **with_spacing),
    }


def by_monai_in_double(t, p, small, spacing):
    with contextlib.redirect_stderr(io.StringIO()):
        _, distances, _ = get_edge_surface_distance(torch.from_numpy(small[1].copy()), torch.from_numpy(small[0].copy()),
                                                    spacing=list(spacing), symmetric=True)
    return {"hd95": max(np.quantile(d.numpy().astype(np.float64), 0.95) for d in distances)}


def by_medpy(t, p, small, spacing):
    a, b = small
    return {
        "dice": medpy.dc(p, t), "iou": medpy.jc(p, t), "sensitivity": medpy.recall(p, t),
        "specificity": medpy.specificity(p, t), "precision": medpy.precision(p, t),
        "hd": medpy.hd(b, a, spacing), "hd95_pooled": medpy.hd95(b, a, spacing), "assd": medpy.assd(b, a, spacing),
        "masd_truth": medpy.asd(a, b, spacing), "masd_prediction": medpy.asd(b, a, spacing),
    }


def by_surface_distance(t, p, small, spacing):
    d = sd.compute_surface_distances(small[0], small[1], spacing)
    to, back = sd.compute_average_surface_distance(d)
    return {
        "dice": sd.compute_dice_coefficient(t, p),
        "hd_surfel": sd.compute_robust_hausdorff(d, 100), "hd95_surfel": sd.compute_robust_hausdorff(d, 95),
        "asd_surfel_truth": to, "asd_surfel_prediction": back,
        "nsd_surfel_1mm": sd.compute_surface_dice_at_tolerance(d, TOLERANCE),
    }


def by_sklearn(t, p, small, spacing):
    a, b = (0, 0, 1, 1), (0, 1, 0, 1)
    n = {"sample_weight": [float(np.count_nonzero((t == x) & (p == y))) for x, y in zip(a, b)]}
    return {"accuracy": sk.accuracy_score(a, b, **n), "balanced_accuracy": sk.balanced_accuracy_score(a, b, **n),
            "kappa": sk.cohen_kappa_score(a, b, **n), "mcc": sk.matthews_corrcoef(a, b, **n)}


def by_panoptica(t, p, small, spacing):
    with contextlib.redirect_stdout(io.StringIO()):
        parts = Panoptica_Evaluator(
            expected_input=InputType.SEMANTIC, instance_approximator=ConnectedComponentsInstanceApproximator(),
            instance_matcher=NaiveThresholdMatching()).evaluate(small[1].astype(np.uint8), small[0].astype(np.uint8))
        one = Panoptica_Evaluator(
            expected_input=InputType.MATCHED_INSTANCE,
            instance_metrics=[Metric.DSC, Metric.ASSD, Metric.HD, Metric.HD95, Metric.RVD],
            global_metrics=[]).evaluate(small[1].astype(np.uint8), small[0].astype(np.uint8), voxelspacing=spacing)
    parts, one = parts["ungrouped"], one["ungrouped"]
    return {"pq": parts.pq, "sq": parts.sq, "rq": parts.rq, "dice": one.sq_dsc, "assd_mean": one.sq_assd,
            "hd": one.sq_hd, "hd95_pooled": one.sq_hd95, "volume_difference_relative": one.sq_rvd}


PEERS = (("MONAI", "monai", by_monai), ("MONAI, percentile in double,", "monai", by_monai_in_double),
         ("MedPy", "MedPy", by_medpy),
         ("surface-distance", "surface-distance", by_surface_distance), ("panoptica", "panoptica", by_panoptica),
         ("scikit-learn", "scikit-learn", by_sklearn))


def ours(program, truth, prediction, out):
    subprocess.run([program, "--pred", prediction, "--truth", truth, "--metrics", "all", "--out", out],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The ledger has all digits.
    with open(os.path.join(out, "ledger.jsonl")) as f:
        return json.loads(f.readlines()[1])["scores"]


def main():
    data = sys.argv[1] if len(sys.argv) > 1 else "../shared/data"
    program = os.path.join(sys.argv[2] if len(sys.argv) > 2 else "bin", "scanmill-evaluate")
    folder = os.path.join(data, "brats_tcga_fg_6692", "segmentations")
    worst = {}
    with tempfile.TemporaryDirectory() as work:
        for k, (rater, spacing) in enumerate((r, s) for s in SPACINGS for r in RATERS):
            volumes, files = [], []
            for name in ("fusion_mav", rater):
                labels = np.asarray(nibabel.load(os.path.join(folder, name + ".nii.gz")).dataobj).astype(np.uint8)
                volumes.append(labels)
                files.append(os.path.join(work, name + ".nii.gz"))
                nibabel.save(nibabel.Nifti1Image(labels, np.diag(spacing + (1.0,))), files[-1])
            have = ours(program, files[0], files[1], os.path.join(work, str(k)))
            for region, members in REGIONS.items():
                t, p = (np.isin(v, members) for v in volumes)
                small = cut(t, p)
                for peer, package, scores in PEERS:
                    for key, value in scores(t, p, small, spacing).items():
                        value = float(np.asarray(value).ravel()[0])
                        off = abs(have[region][key] - value) / max(1.0, abs(value))
                        n, most, at = worst.get((key, peer), (0, -1.0, None))
                        worst[key, peer] = (n + 1, max(most, off), at if most >= off else (rater, region, spacing, value))
    print("| column | other program | numbers | largest difference |\n|---|---|---:|---:|")
    for (key, peer), (n, most, _) in worst.items():
        package = next(q for name, q, _ in PEERS if name == peer)
        print(f"| `{key}` | {peer} {version(package)} | {n} | {'0' if most == 0 else format(most, '.0e')} |")
    bad = {k: v for k, v in worst.items() if v[1] > (1e-5 if k == ("hd95", "MONAI") else 1e-6)}
    for (key, peer), (n, most, at) in bad.items():
        print(f"differs: {key} of {peer}: {most:g} at {at}", file=sys.stderr)
    return 1 if bad else 0


sys.exit(main())
