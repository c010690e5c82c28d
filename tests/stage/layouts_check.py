# SPDX-License-Identifier: Apache-2.0
"""Compares outputs of ingest with what the trees were made of.

    layouts_check.py decathlon RAW OUT    voxels of every split channel
    layouts_check.py pictures IN OUT      pixels of every picture, read by PIL
"""
import glob
import json
import os
import sys

import numpy

kind, source, out = sys.argv[1:]
bad = 0
seen = 0


def compare(name, a, b):
    global bad, seen
    seen += 1
    if a.shape != b.shape or not numpy.array_equal(a, b):
        print("differs:", name, a.shape, b.shape)
        bad += 1


if kind == "decathlon":
    import nibabel
    cases = sorted(d for d in os.listdir(source) if os.path.isdir(os.path.join(source, d)))
    for i, case in enumerate(cases[:3]):
        for ours, theirs in {"flair": "flair", "t1w": "t1", "t1gd": "t1ce", "t2w": "t2", "seg": "seg"}.items():
            truth = nibabel.load(glob.glob(f"{source}/{case}/{case}_{theirs}.nii*")[0])
            got = nibabel.load(f"{out}/BRATS_{i + 1:03d}/{ours}.nii.gz")
            compare(f"{case} {ours}", got.get_fdata(), truth.get_fdata())
            if not numpy.allclose(got.affine, truth.affine):
                print("affine differs:", case, ours)
                bad += 1
else:
    from PIL import Image
    for line in open(f"{out}/ledger.jsonl", encoding="utf-8").read().splitlines()[1:]:
        record = json.loads(line)
        inputs = {f["role"]: f["path"] for f in record["inputs"]}
        for f in record.get("outputs", []):
            if f["role"] == "sidecar":
                continue
            ours = numpy.asarray(Image.open(f"{out}/{f['path']}")).astype("int64")
            image = Image.open(f"{source}/{inputs[f['role']]}")
            theirs = numpy.asarray(image.convert("RGB") if image.mode == "P" else image).astype("int64")
            if image.mode in ("LA", "RGBA"):
                theirs = theirs[..., :-1] if image.mode == "RGBA" else theirs[..., 0]
            compare(f["path"], ours, theirs)
print(f"{seen} compared, {bad} differ")
sys.exit(bad > 0 or seen == 0)
