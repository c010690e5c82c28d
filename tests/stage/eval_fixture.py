# SPDX-License-Identifier: Apache-2.0
"""Makes folders as stages ingest, split, train and predict leave them, for the tests of evaluate
and report: eval_fixture.py OUT [CASES [AXES [MORE]]], AXES = storage order such as LPS or SAR, MORE = voxels by which
predictions are shifted further. The scores are known: truth and prediction are boxes.

Case caseNN: whole tumour = box of 8x8x6 voxels, core half of it, enhancing a quarter; the prediction
is the truth shifted by NN voxels along x, so the whole tumour's Dice is 1 - NN / 8. The last case
has no enhancing tumour in truth and prediction (label 4 nowhere).
"""
import gzip
import hashlib
import json
import os
import sys

import nibabel
import numpy as np

SHAPE = (32, 30, 20)
AFFINE = np.array([[-2.0, 0, 0, 31], [0, -2.0, 0, 29], [0, 0, 3.0, -30], [0, 0, 0, 1]])


def sha(data):
    return hashlib.sha256(data).hexdigest()


def save(folder, path, array, affine=AFFINE):
    full = os.path.join(folder, path)
    os.makedirs(os.path.dirname(full) or ".", exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    if len(sys.argv) > 3:
        have = nibabel.orientations.io_orientation(affine)
        want = nibabel.orientations.axcodes2ornt(tuple(sys.argv[3]))
        image = image.as_reoriented(nibabel.orientations.ornt_transform(have, want))
    image.header.set_xyzt_units("mm")
    data = image.to_bytes()
    with open(full, "wb") as f:
        f.write(gzip.compress(data, 1, mtime=0))
    return sha(data)


def ledger(folder, stage, records, parents=None, settings=None, more=None):
    os.makedirs(folder, exist_ok=True)
    settings = settings or {"options": {}, "seed": 1, "manifest": {}}
    header = {"schema": 1, "stage": stage, "version": 1, "settings": settings, "parents": parents or {},
              "settings_sha256": sha(json.dumps(settings).encode())}
    header.update(more or {})
    lines = [header] + sorted(records, key=lambda r: r["key"])
    text = "".join(json.dumps(x, sort_keys=True, separators=(",", ":")) + "\n" for x in lines)
    with open(os.path.join(folder, "ledger.jsonl"), "w") as f:
        f.write(text)
    return sha(text.encode())


def labels(shift, enhancing=True):
    a = np.zeros(SHAPE, np.uint8)
    x, y, z = 10 + shift, 11, 7
    a[x:x + 8, y:y + 8, z:z + 6] = 2
    a[x:x + 8, y:y + 4, z:z + 6] = 1
    if enhancing:
        a[x:x + 8, y:y + 2, z:z + 6] = 4
    return a


def brain():
    x, y, z = np.indices(SHAPE)
    inside = ((x - 15.5) / 13) ** 2 + ((y - 14.5) / 13) ** 2 + ((z - 9.5) / 9) ** 2 < 1
    return (inside * (200 + 7 * x + 3 * y)).astype(np.int16)


def main():
    out, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    more = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    ingest, predict, split = [], [], []
    for i in range(cases + 1):
        key = f"case{i:02d}"
        folds = {cases: "train"}
        truth = labels(0, i != cases - 1)
        outputs = []
        for role, data in (("flair", brain() + 3 * truth.astype(np.int16)), ("seg", truth)):
            path = f"{key}/{role}.nii.gz"
            outputs.append({"role": role, "path": path,
                            "sha256": save(os.path.join(out, "ingest"), path, data)})
        ingest.append({"key": key, "status": "ok", "patient": key, "outputs": outputs})
        split.append({"key": key, "status": "ok", "patient": key, "fold": folds.get(i, "test")})
        if i == cases:
            continue
        path = f"{key}.nii.gz"
        digest = save(os.path.join(out, "predict"), path, labels(i + more, i != cases - 1))
        predict.append({"key": key, "status": "ok", "patient": key,
                        "outputs": [{"role": "prediction", "path": path, "sha256": digest}]})
    h_ingest = ledger(os.path.join(out, "ingest"), "ingest", ingest)
    h_split = ledger(os.path.join(out, "split"), "split", split, {"preprocess": "0" * 64})
    h_train = ledger(os.path.join(out, "train"), "train", [], {"split": h_split, "tile": "1" * 64})
    ledger(os.path.join(out, "predict"), "predict", predict,
           {"train": h_train, "split": h_split, "preprocess": "0" * 64},
           {"options": {}, "seed": 1, "manifest": {"predict": {"fold": "test"}}},
           {"not_predicted": {"other_folds": [f"case{cases:02d}"], "rejected": []}})
    with open(os.path.join(out, "train", "model_history_log.csv"), "w") as f:
        f.write("epoch,loss,dice,val_loss,val_dice,val_dice_1,val_dice_2,val_dice_3\n")
        for e in range(1, 13):
            v = 0.2 + 0.6 / e + (0.004 * (e - 8) ** 2 if e > 8 else 0)
            f.write(f"{e},{0.15 + 0.7 / e:.6f},{0.85 - 0.6 / e:.6f},{v:.6f},{1 - v:.6f},"
                    f"{0.9 - v:.6f},{1 - v:.6f},{0.95 - v:.6f}\n")
    return h_ingest


main()
