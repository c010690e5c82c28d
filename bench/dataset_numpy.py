#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The originals' way from 4 .nii.gz and a label to 25 stored tiles: nibabel, numpy, h5py; for bench/dataset.sh.

Written fairly: float32 throughout, every file read once, files in two threads (inflating releases the interpreter), the
same
rule of tiles, the same standardisation by channel and z slice, one HDF5 file a tile with x (4,X,Y,Z) float32 and y (3,X,Y,Z) uint8 one-hot.
Nothing is hashed or synced. Tiles are centred on labelled voxels; gzip
as h5py does by default (level 4), with or without its shuffle filter.
Usage: dataset_numpy.py OUT GZIP_LEVEL|0 SHUFFLE FLAIR T1CE T1 T2 SEG
"""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import nibabel as nib
import numpy as np

SIZE = (160, 160, 16)
TILES = 25


def read(path):
    return np.asarray(nib.load(path).dataobj, dtype=np.float32)


def starts(label, rng):
    room = [n - s for n, s in zip(label.shape, SIZE)]
    spots = np.flatnonzero(label)
    for spot in zip(*np.unravel_index(spots[rng.integers(len(spots), size=TILES)], label.shape)):
        yield [int(min(max(p - s // 2, 0), r)) for p, s, r in zip(spot, SIZE, room)]


def main():
    out, level, shuffle = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"
    os.makedirs(out)
    with ThreadPoolExecutor(2) as pool:
        *volumes, label = pool.map(read, sys.argv[4:9])
    label = label.astype(np.uint8)
    label[label == 4] = 3
    image = np.stack(volumes)
    del volumes
    rng = np.random.default_rng(1)
    more = {"compression": "gzip", "compression_opts": level, "shuffle": shuffle} if level else {}
    for k, (sx, sy, sz) in enumerate(starts(label, rng)):
        window = np.s_[sx : sx + SIZE[0], sy : sy + SIZE[1], sz : sz + SIZE[2]]
        x = image[(slice(None), *window)].copy()
        mean = x.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
        std = x.std(axis=(1, 2), keepdims=True, dtype=np.float32)
        x -= mean
        x /= np.where(std > 0, std, 1)
        y = (label[window][None] == np.array([1, 2, 3], np.uint8)[:, None, None, None]).astype(np.uint8)
        with h5py.File(f"{out}/case_total.nii_{k}_x{sx}_y{sy}_z{sz}.h5", "w") as f:
            f.create_dataset("x", data=x, **more)
            f.create_dataset("y", data=y, **more)


main()
