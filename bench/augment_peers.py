#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's augmentation by its own library (batchgenerators), one thread: milliseconds of processor time a sample.

  OMP_NUM_THREADS=1 python3 bench/augment_peers.py [D H W C] [samples]

The same probabilities and ranges as `augment: nnunet`; order_data 1 (linear, as ours) and 3 (nnU-Net's).
Needs: pip install batchgenerators.
"""
import sys
import time

import numpy as np
from batchgenerators.transforms.abstract_transforms import Compose
from batchgenerators.transforms.color_transforms import (
    BrightnessMultiplicativeTransform,
    ContrastAugmentationTransform,
    GammaTransform,
)
from batchgenerators.transforms.noise_transforms import GaussianBlurTransform, GaussianNoiseTransform
from batchgenerators.transforms.resample_transforms import SimulateLowResolutionTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform, SpatialTransform

D, H, W, C = (int(v) for v in (sys.argv[1:5] or (16, 160, 160, 4)))
samples = int(sys.argv[5]) if len(sys.argv) > 5 else 40
thin = max(H, W) > 3 * D


def pipeline(order):
    turn = np.pi if thin else np.pi / 6
    size = (H, W) if thin else (D, H, W)
    return SpatialTransform(
        size, patch_center_dist_from_border=None, do_elastic_deform=False, do_rotation=True,
        angle_x=(-turn, turn), angle_y=(-turn, turn), angle_z=(-turn, turn), do_scale=True, scale=(0.7, 1.4),
        border_mode_data="constant", border_cval_data=0, order_data=order, border_mode_seg="constant",
        border_cval_seg=0, order_seg=1, random_crop=False, p_el_per_sample=0, p_scale_per_sample=0.2,
        p_rot_per_sample=0.2, independent_scale_for_each_axis=False,
    ), Compose([
        GaussianNoiseTransform((0, 0.1), p_per_sample=0.15),
        GaussianBlurTransform((0.5, 1.5), different_sigma_per_channel=True, p_per_sample=0.2, p_per_channel=0.5),
        BrightnessMultiplicativeTransform((0.7, 1.3), p_per_sample=0.15),
        ContrastAugmentationTransform((0.65, 1.5), p_per_sample=0.15),
        SimulateLowResolutionTransform(zoom_range=(0.5, 1), per_channel=True, p_per_channel=0.5, order_downsample=0,
                                       order_upsample=3, p_per_sample=0.25, ignore_axes=(0,) if thin else None),
        GammaTransform((0.7, 1.5), True, True, retain_stats=True, p_per_sample=0.15),
        GammaTransform((0.7, 1.5), False, True, retain_stats=True, p_per_sample=0.15),
        MirrorTransform((0, 1, 2)),
    ])


np.random.seed(1)
x = np.random.normal(size=(1, C, D, H, W)).astype(np.float32)
y = (np.add.outer(np.arange(D), np.add.outer(np.arange(H), np.arange(W))) // 40 % 4).astype(np.float32)[None, None]
for order in (1, 3):
    spatial, rest = pipeline(order)
    started = time.process_time()
    for _ in range(samples):
        if thin:
            b = spatial(data=x.reshape(1, C * D, H, W).copy(), seg=y.reshape(1, D, H, W).copy())
            b = {"data": b["data"].reshape(x.shape), "seg": b["seg"].reshape(y.shape)}
        else:
            b = spatial(data=x.copy(), seg=y.copy())
        rest(**b)
    print(f"batchgenerators, order {order}: {1000 * (time.process_time() - started) / samples:.1f} ms a sample")
