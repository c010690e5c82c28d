#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs UNet3D in PyTorch with the weights of a checkpoint over a whole volume and compares its probabilities with
those that scanmill-predict wrote.

usage: check_predict.py CHECKPOINT IMAGE PROBABILITIES OVERLAP   (PROBABILITIES_<output>.nii.gz are the maps)
"""
import json
import math
import sys

import h5py
import nibabel
import numpy as np
import torch
import torch.nn.functional as F


def unet(p, x):
    def conv(x, name):
        w = p[name + ".weight"]
        return F.conv3d(x, w, p[name + ".bias"], padding=w.shape[-1] // 2)

    def pair(x, stage):
        for i in (1, 2):
            x = F.relu(conv(x, f"{stage}.conv{i}"))
        return x

    skips = []
    for level in range(3):
        skips.append(pair(x, f"enc{level}"))
        x = F.max_pool3d(skips[-1], 2)
    x = pair(x, "bottom")
    for level in (2, 1, 0):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = pair(torch.cat([skips[level], x], 1), f"dec{level}")
    return torch.sigmoid(conv(x, "head"))


def starts(dim, size, overlap):
    step = max(1, math.floor(size * (1 - overlap)))
    n = math.ceil((dim - size) / step) + 1
    return [0] if n == 1 else [math.floor(i * (dim - size) / (n - 1) + 0.5) for i in range(n)]


def main():
    checkpoint, image, wanted, overlap = sys.argv[1:]
    f = h5py.File(checkpoint, "r")
    meta = json.loads(f.attrs["meta"])
    assert meta["standardise"] == 1, "this check knows scaling by slice only"
    params = {k: torch.from_numpy(d[...]) for k, d in f["parameters"].items()}
    v = np.asarray(nibabel.load(image).dataobj, dtype=np.float32).transpose(3, 2, 1, 0)  # c z y x
    size = meta["tile_size"][::-1]
    total = np.zeros((len(meta["task"]["channels"]),) + v.shape[1:])
    weight = np.zeros(v.shape[1:])
    axes = [np.exp(-(((np.arange(s) - (s - 1) / 2) / (s / 8)) ** 2) / 2) for s in size]
    window = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    for z in starts(v.shape[1], size[0], float(overlap)):
        for y in starts(v.shape[2], size[1], float(overlap)):
            for x in starts(v.shape[3], size[2], float(overlap)):
                at = (slice(z, z + size[0]), slice(y, y + size[1]), slice(x, x + size[2]))
                tile = v[(slice(None),) + at].astype(np.float64)
                mean, std = tile.mean(axis=(2, 3), keepdims=True), tile.std(axis=(2, 3), keepdims=True)
                tile = np.where(std > 0, (tile - mean) / np.where(std > 0, std, 1), 0).astype(np.float32)
                with torch.no_grad():
                    p = unet(params, torch.from_numpy(tile)[None])[0].numpy()
                total[(slice(None),) + at] += p * window
                weight[at] += window
    names = [c["name"] for c in meta["task"]["channels"]]
    got = np.stack([np.asarray(nibabel.load(f"{wanted}_{n}.nii.gz").dataobj) for n in names]).transpose(0, 3, 2, 1)
    gap = np.abs(got - total / weight).max()
    print(f"largest difference {gap:.2e}, probabilities from {got.min():.3f} to {got.max():.3f}")
    assert gap < 1e-4 and got.max() - got.min() > 0.1


main()
