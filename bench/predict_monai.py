#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MONAI's sliding_window_inference over the volume that bench_predict left in DIR, with the same weights; prints the
time and the largest difference of the probabilities.

usage: predict_monai.py DIR BATCH THREADS OVERLAP NX NY NZ [last] [uniform]
last: channels-last; uniform: all windows weigh the same (MONAI's Gaussian is no smaller than 0.001 anywhere, so that at
the borders of a volume its blending is another)"""
import json
import os
import resource
import sys
import time

import h5py
import monai
import numpy as np
import torch
from monai.inferers import sliding_window_inference

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from train_torch import NETS, Fast, Flat


def main():
    folder, flags = sys.argv[1], sys.argv[8:]
    batch, threads, overlap = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    nx, ny, nz = map(int, sys.argv[5:8])
    torch.set_num_threads(threads)
    f = h5py.File(os.path.join(folder, "best.hdf5"), "r")
    meta = json.loads(f.attrs["meta"])
    name, cin, task = meta["model"], meta["in_channels"], meta["task"]
    cout, roi = len(task["channels"]), meta["tile_size"][::-1]
    base, norm = NETS[name]
    flat = name == "unet2d"
    net = type("Net", (Flat, Fast, base) if flat else (Fast, base), {})(cout, 1.0, norm, None)
    image = torch.from_numpy(np.fromfile(os.path.join(folder, "image.f32"), np.float32).reshape(1, cin, nz, ny, nx))
    if flat:  # slices are samples
        image, roi = image[0].transpose(0, 1).contiguous(), roi[1:]
    with torch.inference_mode():
        net(image[(slice(0, 1), slice(None)) + tuple(slice(0, r) for r in roi)])
        for key, p in net.named.items():
            value = torch.from_numpy(f["parameters/" + key][...])
            p.data = value.reshape(p.shape)
        layout = torch.channels_last if flat else torch.channels_last_3d
        if "last" in flags:
            for p in net.parameters():
                if p.dim() == image.dim():
                    p.data = p.data.contiguous(memory_format=layout)
        end = (lambda z: torch.softmax(z, 1)) if task["head"] == "softmax" else torch.sigmoid

        def run(x):
            if "last" in flags:
                x = x.contiguous(memory_format=layout)
            return end(net(x)[0])

        window = image[(slice(0, 1), slice(None)) + tuple(slice(0, r) for r in roi)]
        run(window.expand((batch,) + window.shape[1:]).contiguous())
        start, cpu = time.perf_counter(), time.process_time()
        out = sliding_window_inference(image, roi, batch, run, overlap=overlap, 
                                       mode="constant" if "uniform" in flags else "gaussian")
        start, cpu = time.perf_counter() - start, time.process_time() - cpu
    ours = np.fromfile(os.path.join(folder, "prob.f32"), np.float32).reshape(cout, nz, ny, nx)
    theirs = (out.transpose(0, 1) if flat else out[0]).numpy()
    print(f"result seconds {start:.3f} cpu {cpu:.3f} rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"
          f" gap {np.abs(ours - theirs).max():.2e} monai {monai.__version__} torch {torch.__version__}")


main()
