#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs UNet-2D in PyTorch with the weights of checkpoints trained on slices of each plane over the slices that the slice
stage would cut of a case, and compares with the probabilities that scanmill-predict wrote. For
tests/stage/predict_options.t.

usage: check_predict_slices.py FOLDER KEY     (FOLDER/net-PLANE, FOLDER/pred-PLANE, FOLDER/preprocess)
"""
import json
import os
import sys

import h5py
import nibabel
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden_models as models

# direction in which columns and rows of a picture go
VIEWS = {"axial": "LP", "coronal": "LI", "sagittal": "PI"}


def main():
    folder, key = sys.argv[1:]
    for plane, want in VIEWS.items():
        f = h5py.File(f"{folder}/net-{plane}/best.hdf5", "r")
        meta = json.loads(f.attrs["meta"])
        assert meta["plane"] == 1 + list(VIEWS).index(plane) and not meta["stored"] and meta["standardise"] == 1
        image = nibabel.load(f"{folder}/preprocess/{key}/image.nii.gz")
        axes = nibabel.aff2axcodes(image.affine)
        v = np.asarray(image.dataobj, dtype=np.float64)
        order, flips = [], []
        for letter in want:
            for a, code in enumerate(axes):
                pair = next(p for p in ("RL", "AP", "IS") if letter in p)
                if code in pair:
                    order.append(a)
                    flips.append(code != letter)
        order.append(3 - sum(order))
        flips.append(False)
        v = v.transpose(order + [3])
        for a, flip in enumerate(flips):
            v = np.flip(v, a) if flip else v
        v = v.transpose(2, 3, 1, 0)  # slice, channel, row, column
        mean, std = v.mean((2, 3), keepdims=True), v.std((2, 3), keepdims=True)
        x = np.where(std > 0, (v - mean) / np.where(std > 0, std, 1), 0).astype(np.float32)
        net = models.UNet2D(len(meta["task"]["channels"]), meta["width"], None, None)
        with torch.no_grad():
            x5 = torch.from_numpy(np.ascontiguousarray(x)).transpose(0, 1)[None]  # 1, channel, slice, row, column
            net(x5)
            for name, p in net.named.items():
                p.copy_(torch.from_numpy(f["parameters/" + name][...]).reshape(p.shape))
            p = torch.softmax(net(x5)[0], 1)[0].numpy()  # output, slice, row, column
        p = p.transpose(3, 2, 1, 0)  # column, row, slice, output
        for a, flip in enumerate(flips):
            p = np.flip(p, a) if flip else p
        p = p.transpose(list(np.argsort(order)) + [3])
        names = [c["name"] for c in meta["task"]["channels"]]
        got = np.stack([np.asarray(nibabel.load(f"{folder}/pred-{plane}/{key}_probability_{n}.nii.gz").dataobj)
                        for n in names], axis=3)
        gap = np.abs(got - p).max()
        print(f"{plane}: largest difference {gap:.2e}")
        assert gap < 1e-4 and got.std() > 1e-3
        label = np.asarray(nibabel.load(f"{folder}/pred-{plane}/{key}.nii.gz").dataobj)
        assert (np.array([0, 1, 2, 4])[got.argmax(3)] == label).all()


main()
