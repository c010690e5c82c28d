#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares intensities.csv and labels.csv of stage explore with numpy: explore_check.py EXPLORE INGEST PREPROCESS."""
import csv
import json
import sys

import nibabel as nib
import numpy as np


def records(folder):
    lines = [json.loads(line) for line in open(folder + "/ledger.jsonl", encoding="utf-8")]
    return {r["key"]: r for r in lines[1:] if r["status"] == "ok"}


out, folders = sys.argv[1], {"ingest": sys.argv[2], "preprocess": sys.argv[3]}
ledgers = {stage: records(folder) for stage, folder in folders.items()}


def read(stage, case, role):
    for o in ledgers[stage][case]["outputs"]:
        if o["role"] == role:
            image = nib.load(folders[stage] + "/" + o["path"])
            return np.asarray(image.get_fdata(dtype=np.float64)), image.affine
    raise SystemExit(f"{stage} {case} has no {role}")


def image(stage, case, name):
    record = ledgers[stage][case]
    if name in record.get("channels", []):
        return read(stage, case, "image")[0][..., record["channels"].index(name)]
    return read(stage, case, name)[0]


def check(what, found, wanted, tol=1e-6):
    if abs(float(found) - wanted) > tol * max(1, abs(wanted)):
        raise SystemExit(f"{what}: found {found}, wanted {wanted}")


rows = 0
for r in csv.DictReader(open(out + "/intensities.csv", encoding="utf-8", newline="")):
    v = image(r["stage"], r["case"], r["image"])
    what = " ".join((r["stage"], r["case"], r["image"]))
    fore = v[v != float(r["background"])] if r["background"] else v
    check(what + " voxels", r["voxels"], v.size)
    check(what + " foreground", r["foreground"], fore.size)
    check(what + " min", r["min"], v.min())
    check(what + " max", r["max"], v.max())
    check(what + " mean", r["mean"], fore.mean())
    check(what + " sd", r["sd"], fore.std())
    flat = [(v[:, :, z] == v[0, 0, z]).all() for z in range(v.shape[2])]
    check(what + " constant slices", r["constant_slices"], sum(flat))
    step = (fore.max() - fore.min()) / 16384
    for p in (1, 50, 99):
        wanted = np.sort(fore.ravel())[int(p / 100 * (fore.size - 1))]
        if abs(float(r[f"p{p}"]) - wanted) > step:
            raise SystemExit(f"{what} p{p}: found {r[f'p{p}']}, wanted {wanted}")
    rows += 1
for r in csv.DictReader(open(out + "/labels.csv", encoding="utf-8", newline="")):
    v, affine = read(r["stage"], r["case"], "seg" if r["stage"] == "ingest" else "label")
    here = v == int(r["label"])
    what = " ".join((r["stage"], r["case"], "label", r["label"]))
    check(what + " voxels", r["voxels"], here.sum())
    check(what + " slices", r["slices"], here.any(axis=(0, 1)).sum())
    check(what + " cm3", r["cm3"], here.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)
    rows += 1
print(rows, "rows agree")
sys.exit(rows < 20)
