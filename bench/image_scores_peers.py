#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The other side of bench/image_scores.sh: makes the two volumes, and times scikit-image and torchmetrics on them.

usage: bench/image_scores_peers.py make TEST.nii TRUTH.nii [X Y Z]
       bench/image_scores_peers.py skimage|torchmetrics TEST.nii TRUTH.nii RANGE THREADS RUNS
A run prints "NAME METRIC wall-seconds processor-seconds VALUE". Needs nibabel and the package in question; prints "NAME missing"
without it. SSIM of both is slice by slice, by the formula of eval/image_metrics.c; scikit-image works in double (float32 would
be 1.5 times faster and a hundred thousand times further from the others), torchmetrics in float32."""
import sys
import time


def make(test, truth, size=(512, 512, 100)):
    import nibabel
    import numpy as np
    from scipy.ndimage import gaussian_filter
    rng = np.random.default_rng(7)
    y, x = np.mgrid[-1:1:size[1] * 1j, -1:1:size[0] * 1j]
    a = np.empty(size, np.float32)
    b = np.empty(size, np.float32)
    for z in range(size[2]):
        body = np.where(x * x + (y * 1.3 + 0.001 * z) ** 2 < 0.7, 40, -1000)
        body[(x - 0.3) ** 2 + y * y < 0.02 + 1e-4 * z] = 900
        t = body + gaussian_filter(rng.standard_normal(x.shape), 1) * 60
        a[:, :, z] = t.T
        b[:, :, z] = (gaussian_filter(t, 0.8) + 10 * rng.standard_normal(x.shape) + 5).T
    for v, name in ((b, test), (a, truth)):
        nibabel.save(nibabel.Nifti1Image(v, np.diag([0.8, 0.8, 2, 1])), name)


def skimage_runs(x, y, L, threads):
    import numpy as np
    from skimage.metrics import mean_squared_error, normalized_mutual_information, peak_signal_noise_ratio
    from skimage.metrics import structural_similarity
    x, y = x.astype(np.float64), y.astype(np.float64)
    how = dict(data_range=L, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(threads) as pool:
        yield "ssim", lambda: np.mean(list(pool.map(lambda p: structural_similarity(*p, **how), zip(x, y))))
        yield "ssim_3d", lambda: structural_similarity(x, y, **how)
        yield "mae", lambda: np.abs(x - y).mean()
        yield "rmse", lambda: mean_squared_error(x, y) ** 0.5
        yield "psnr", lambda: peak_signal_noise_ratio(y, x, data_range=L)
        yield "ncc", lambda: np.corrcoef(x.ravel(), y.ravel())[0, 1]
        yield "mi", lambda: normalized_mutual_information(x, y, bins=64)


def torch_runs(x, y, L, threads):
    import torch
    from torchmetrics.functional.image import (multiscale_structural_similarity_index_measure,
                                               peak_signal_noise_ratio, structural_similarity_index_measure)
    torch.set_num_threads(threads)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    slices = [(a[None, None], b[None, None]) for a, b in zip(x, y)]

    def mean(f, **more):  # slice by slice: all at once takes twice the memory of the machine
        return float(sum(f(a, b, data_range=L, **more) for a, b in slices)) / len(slices)

    yield "ssim", lambda: mean(structural_similarity_index_measure)
    yield "ms_ssim", lambda: mean(multiscale_structural_similarity_index_measure)
    yield "mae", lambda: float((x - y).abs().mean())
    yield "psnr", lambda: float(peak_signal_noise_ratio(x, y, data_range=L))


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3], tuple(map(int, sys.argv[4:7])) or (512, 512, 100))
        return
    import nibabel
    import numpy as np
    name, L, threads, runs = sys.argv[1], float(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    x, y = (np.ascontiguousarray(np.asarray(nibabel.load(p).dataobj, dtype=np.float32).T) for p in sys.argv[2:4])
    try:
        for metric, run in (skimage_runs if name == "skimage" else torch_runs)(x, y, L, threads):
            for _ in range(runs):
                wall, cpu = time.monotonic(), time.process_time()
                value = run()
                print(f"{name} {metric} {time.monotonic() - wall:.3f} {time.process_time() - cpu:.3f} {value:.12g}",
                      flush=True)
    except ImportError as e:
        print(name, "missing", e)


main()
