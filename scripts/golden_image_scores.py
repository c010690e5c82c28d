#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Image scores by scikit-image, scikit-learn, torchmetrics, scipy and numpy, for tests/golden/image_scores.txt.

Images are made from whole numbers, which tests/unit/test_image_golden.c makes again. A line: case units region metric
value. SSIM is scikit-image's map (double); inside a mask it is averaged where the window lies wholly in the image.
MS-SSIM: contrast by torchmetrics in double, the last scale by scikit-image. Run:
scripts/golden_image_scores.py > tests/golden/image_scores.txt (needs scikit-image 0.26, scikit-learn, torchmetrics 1.9)
"""
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from scipy.interpolate import CubicSpline, interp1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import mutual_info_score
from torchmetrics.functional.image import structural_similarity_index_measure

BINS, BONE, RANGE, WINDOW = 64, 150, 2000.0, (-1000.0, 600.0)
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def made(nx, ny, nz, channels):
    """(channel, z, y, x): blocks and noise; the test image is shifted by a pixel, noisier and 7 above."""
    c, z, y, x = np.mgrid[0:channels, 0:nz, 0:ny, 0:nx].astype(np.int64)

    def blocks(x):
        return (x // 9 + (y + z) // 7 + 3 * c) % 8 * 230 - 1000

    truth = blocks(x) + (x * 7919 + y * 104729 + z * 15485 + c * 31) % 101
    test = blocks(x + 1) + (x * 6421 + y * 3571 + z * 9973 + c * 17) % 173 + 7
    mask = (2 * x - nx) ** 2 * ny * ny + (2 * y - ny) ** 2 * nx * nx < nx * nx * ny * ny * 7 // 10
    return test.astype(np.float64), truth.astype(np.float64), mask[0]


HOW = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True)


def inner(v):
    return v[tuple(slice(5, n - 5) for n in v.shape)]


def ssim(test, truth, mask, L):
    maps = [inner(structural_similarity(a, b, data_range=L, **HOW)[1])
            for a, b in zip(test.reshape(-1, *test.shape[2:]), truth.reshape(-1, *test.shape[2:]))]
    masks = [inner(m) for m in np.concatenate([mask] * len(test))]
    return np.mean(np.concatenate([v[m] for v, m in zip(maps, masks)]))


def ssim_3d(test, truth, mask, L):
    maps = [inner(structural_similarity(a, b, data_range=L, **HOW)[1]) for a, b in zip(test, truth)]
    return np.mean(np.concatenate([v[inner(mask)] for v in maps]))


def halved(v):
    return F.avg_pool2d(torch.from_numpy(v)[None, None], 2)[0, 0].numpy()


def ms_ssim(test, truth, mask, L):
    out = []
    for a, b, m in zip(test.reshape(-1, *test.shape[2:]), truth.reshape(-1, *test.shape[2:]),
                       np.concatenate([mask] * len(test))):
        product = 1.0
        for k, w in enumerate(WEIGHTS):
            if k:
                a, b = halved(a), halved(b)
                m = halved(m.astype(np.float64)) >= 0.5
            if k == 4:
                v = inner(structural_similarity(a, b, data_range=L, **HOW)[1])
            else:  # SSIM / luminance of the same windows: torchmetrics gives the mean contrast alone
                if m.all():
                    _, v = structural_similarity_index_measure(
                        torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None], data_range=L,
                        return_contrast_sensitivity=True)
                    product *= float(v) ** w
                    continue
                full = inner(structural_similarity(a, b, data_range=L, **HOW)[1])
                g = dict(sigma=1.5, truncate=3.5)
                p, q = inner(ndimage.gaussian_filter(a, **g)), inner(ndimage.gaussian_filter(b, **g))
                c1 = (0.01 * L) ** 2
                v = full / ((2 * p * q + c1) / (p * p + q * q + c1))
            product *= max(v[inner(m)].mean(), 0) ** w
        out.append(product)
    return np.mean(out)


def bin_of(v):
    return np.clip(np.floor((v - WINDOW[0]) * (BINS / (WINDOW[1] - WINDOW[0]))), 0, BINS - 1).astype(int)


def errors(x, y, L):
    yield "mae", np.abs(x - y).mean()
    yield "rmse", np.sqrt(((x - y) ** 2).mean())
    yield "psnr", peak_signal_noise_ratio(y, x, data_range=L)
    yield "bias", (x - y).mean()


def report(name, units, region, test, truth, mask, L):
    every = np.concatenate([mask[None]] * len(test))
    x, y = test[every], truth[every]
    rows = list(errors(x, y, L)) + [("ssim", ssim(test, truth, mask, L))]
    if test.shape[1] >= 11:
        rows.append(("ssim_3d", ssim_3d(test, truth, mask, L)))
    if min(test.shape[2:]) >= 176:
        rows.append(("ms_ssim", ms_ssim(test, truth, mask, L)))
    if units == "own":
        rows.append(("ncc", np.corrcoef(x, y)[0, 1]))
        rows.append(("mi", mutual_info_score(bin_of(y), bin_of(x))))
        rows.append(("dice_bone", 2 * ((x > BONE) & (y > BONE)).sum() / ((x > BONE).sum() + (y > BONE).sum())))
        if test.shape[1] > 1:
            both = np.concatenate([(mask[1:] & mask[:-1])[None]] * len(test))
            rows.append(("jump", np.abs(np.diff(test, axis=1))[both].mean() / np.abs(np.diff(truth, axis=1))[both].mean()))
    for metric, v in rows:
        print(f"{name} {units} {region} {metric} {v:.15g}")


def normalised(v):
    return np.clip((v - WINDOW[0]) * (2 / (WINDOW[1] - WINDOW[0])) - 1, -1, 1)


for name, size in (("volume", (40, 34, 13, 1)), ("slices", (181, 190, 2, 1)), ("colours", (30, 26, 1, 3))):
    test, truth, mask = made(*size)
    for region, m in (("whole", np.ones_like(mask)), ("body", mask)):
        report(name, "own", region, test, truth, m, RANGE)
        report(name, "normalised", region, normalised(test), normalised(truth), m, 2.0)
    if name == "volume":  # slices between: every second one from its neighbours, by scipy
        known = truth[0, ::2]
        zs = np.arange(13) / 2
        for word, v in (("linear", interp1d(np.arange(7), known, axis=0)(zs)),
                        ("spline", CubicSpline(np.arange(7), known, axis=0, bc_type="natural")(zs))):
            print(f"between own whole {word} {np.abs(v - truth[0]).mean():.15g}")
        body = truth[0] > -300
        lab, n = ndimage.label(body)
        body = lab == 1 + np.argmax(np.bincount(lab.ravel())[1:])
        body = np.stack([ndimage.binary_fill_holes(s) for s in body])
        print(f"body own whole voxels {body.sum()}")
