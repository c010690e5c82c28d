#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the HDF5 files and pictures of stage slice or pair with h5py and PIL and compares every value with the
NIfTI volumes they were cut from, in an independent way (nibabel's canonical orientation).

Usage: check_shards.py STAGE_FOLDER INPUT_FOLDER   (INPUT_FOLDER: the --in of the stage; no operations in memory)
Prints what was compared; exits with 1 at the first difference."""
import hashlib
import json
import os
import sys
import zlib

import h5py
import nibabel as nib
import numpy as np
from PIL import Image

FOLDS = ["train", "test", "valid"]
PLANES = ["axial", "coronal", "sagittal"]
AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}


def ledger(folder):
    with open(os.path.join(folder, "ledger.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    return lines[0], [r for r in lines[1:] if r["status"] == "ok"]


class Volume:
    """Slices of a NIfTI file as pictures: (channels, rows, columns)."""

    def __init__(self, path):
        image = nib.load(path)
        flips = nib.io_orientation(image.affine)
        v = np.asarray(nib.as_closest_canonical(image).dataobj).astype(np.float32)
        self.v = v if v.ndim == 4 else v[..., None]
        self.flip = {int(axis): sign < 0 for axis, sign in flips}

    def slice(self, plane, index):
        axis = AXIS[plane]
        if self.flip[axis]:
            index = self.v.shape[axis] - 1 - index
        p = np.take(self.v, index, axis)[::-1, ::-1]  # L and P, L and I, P and I grow
        return np.moveaxis(p.swapaxes(0, 1), 2, 0)


def check_head(path, f):
    """Checksums and digests of a shard as docs/formats.md states them."""
    sets = [n for n in ("x", "y", "b") if n in f]
    tables = ["index" if "index" in f else "start"] + (["fold"] if "fold" in f else [])
    crc = f["crc32"][:]
    k = len(f["x"])
    assert crc.shape == (k, len(sets) + len(tables)), path
    for column, name in enumerate(sets + tables):
        d = f[name][:]
        assert len(d) == k, (path, name)
        for i in range(k):
            assert zlib.crc32(np.ascontiguousarray(d[i]).tobytes()) == crc[i, column], (path, name, i)
        if name in sets:
            parts = "".join(hashlib.sha256(np.ascontiguousarray(d[i]).tobytes()).hexdigest() for i in range(k))
            found = f.attrs[name + "_sha256"].decode()
            assert hashlib.sha256(parts.encode()).hexdigest() == found, (path, name)


def drawn(path, planes, window):
    picture = np.asarray(Image.open(path)).astype(np.int64)
    white = 65535 if Image.open(path).mode.startswith("I") else 255
    low, high = window
    u = np.clip((planes.astype(np.float64) - low) / (high - low), 0, 1) if high > low else 0 * planes
    want = np.floor(white * u + 0.5).astype(np.int64)
    assert np.array_equal(picture, want[0] if len(want) == 1 else np.moveaxis(want, 0, 2)), path


def volumes(record, folder, stacked):
    out = {}
    for f in record["inputs"]:
        if f["path"].endswith((".nii", ".nii.gz")):
            out[f["role"]] = Volume(os.path.join(folder, f["path"]))
    image = out.get("image")
    if stacked and image:
        for i, name in enumerate(stacked):
            v = object.__new__(Volume)
            v.v, v.flip = image.v[..., i:i + 1], image.flip
            out[name] = v
    return out


def check_pair(folder, source, head, records, channels, count):
    s = head["settings"]["manifest"]["pair"]
    config = json.load(open(os.path.join(folder, "config.json")))
    listed = {(e.get("domain", ""), e["slice"], e.get("file"), e.get("a"), e.get("b"))
              for entries in config.values() for e in entries}
    assert len(listed) == sum(len(e) for e in config.values())
    for r in records:
        vols = volumes(r, source, channels.get(r["key"]))
        for t in r["sets"]:
            side = [vols.get(n) or vols["image"] for n in t["images"]]
            fold = {k: f for f, ks in t.get("folds", {}).items() for k in ks}
            assert sorted(fold) == list(range(len(t["slices"]))) or s["split"] == "first"
            domain = t["domain"]
            name = (domain.upper() + "/" if domain else "") + r["key"] + ".h5"
            f = h5py.File(os.path.join(folder, name)) if s["format"] != "png" else None
            if f:
                check_head(name, f)
                assert f["x"].dtype == np.float32 and f.attrs["case"].decode() == r["key"]
                assert ("b" in f) == (s["mode"] != "unpaired") and "y" not in f
                assert ("fold" in f) == (s["split"] != "first")
            for k, i in enumerate(t["slices"]):
                x = side[0].slice(s["plane"], i)
                b = side[1].slice(s["plane"], i) if len(side) == 2 else None
                if s["mode"] == "triplets":
                    before, after = (side[0].slice(s["plane"], i + d) for d in (-1, 1))
                    x = np.float32(0.5) * before + np.float32(0.5) * after
                if f:
                    assert tuple(f["index"][k]) == (i, PLANES.index(s["plane"]))
                    assert np.array_equal(f["x"][k][:, 0], x), (name, k)
                    assert b is None or np.array_equal(f["b"][k][:, 0], b), (name, k)
                    assert "fold" not in f or FOLDS[f["fold"][k]] == fold[k]
                for letter, planes, window in zip(domain.upper() or "AB", (x, b), t["windows"]):
                    if s["format"] != "hdf5":
                        where = ("" if s["split"] == "first" else fold[k]) + letter
                        drawn(f"{folder}/{where}/{r['key']}_{i:04d}.png", planes, window)
                        count["pictures"] += 1
                count["samples"] += 1


def check_slice(folder, source, head, records, channels, count):
    s = head["settings"]["manifest"]["slice"]
    every = s["plane"] == "all"
    for r in records:
        vols = volumes(r, source, channels.get(r["key"]))
        label = next((v for n, v in vols.items() if n in ("seg", "label")), None)
        for t in r["planes"]:
            plane = t["plane"]
            tail = "_" + plane if every else ""
            for name, window in r.get("windows", {}).items():
                for i in t["slices"]:
                    drawn(f"{folder}/{r['key']}/{r['key']}_{name}{tail}_{i:04d}.png", vols[name].slice(plane, i), window)
                    count["pictures"] += 1
            if s["format"] == "png":
                continue
            name = r["key"] + tail + ".h5"
            f = h5py.File(os.path.join(folder, name))
            check_head(name, f)
            assert ("y" in f) == (label is not None)
            for k, i in enumerate(t["slices"]):
                assert tuple(f["index"][k]) == (i, PLANES.index(plane))
                v = vols[t["name"]] if t["name"] in vols else vols["image"]
                x = np.concatenate([vols[n].slice(plane, i) for n in r["channels"]]) if len(r["channels"]) > 1 and \
                    all(n in vols for n in r["channels"]) else v.slice(plane, i)
                if s["standardise"] == "none":
                    assert np.array_equal(f["x"][k][:, 0], x), (name, k)
                assert label is None or np.array_equal(f["y"][k][0], label.slice(plane, i)[0]), (name, k)
                count["samples"] += 1


def main():
    folder, source = sys.argv[1:]
    head, records = ledger(folder)
    channels = {r["key"]: r.get("channels") for r in ledger(source)[1]}
    count = {"samples": 0, "pictures": 0}
    assert records
    assert head["settings"]["manifest"][head["stage"]]["view"] == "radiological", "compares radiological views only"
    (check_pair if head["stage"] == "pair" else check_slice)(folder, source, head, records, channels, count)
    print(f"{len(records)} cases, {count['samples']} samples and {count['pictures']} pictures are as documented")


if __name__ == "__main__":
    main()
