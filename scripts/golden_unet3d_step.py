#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/unet3d_step.txt: loss, gradients and weights of three Adam steps of UNet3D at
width 0.125 in PyTorch (float64), for tests/unit/test_nn_unet3d.c. Input, target and first weights
are made here and there by the same counter hash, so that only results need to be stored.

usage: scripts/golden_unet3d_step.py > tests/golden/unet3d_step.txt"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

N, C, K, D, H, W, WIDTH, LR = 2, 4, 3, 8, 16, 16, 0.125, 1e-3


def hashed(n, start):
    """n numbers in [0, 1), number i from a 32-bit hash of start + i (Wang)."""
    v = (np.arange(n, dtype=np.uint64) + start) & 0xFFFFFFFF
    m = np.uint64(0xFFFFFFFF)
    v = ((v ^ np.uint64(61)) ^ (v >> np.uint64(16))) & m
    v = (v * np.uint64(9)) & m
    v = v ^ (v >> np.uint64(4))
    v = (v * np.uint64(0x27D4EB2D)) & m
    v = v ^ (v >> np.uint64(15))
    return (v >> np.uint64(8)).astype(np.float64) / 2 ** 24


def width(c):
    return max(1, int(np.floor(c * WIDTH + 0.5)))


class UNet3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = []
        at = C
        skips = []
        down = [("enc0", 32), ("enc1", 64), ("enc2", 128), ("bottom", 256)]
        for name, a in down:
            b = 2 * a
            self.pair(name, at, width(a), width(b))
            at = width(b)
            skips.append(at)
        for l, c in [(2, 256), (1, 128), (0, 64)]:
            self.pair(f"dec{l}", at + skips[l], width(c), width(c))
            at = width(c)
        self.conv("head", at, K, 1)

    def conv(self, name, i, o, k):
        self.stages.append((name, nn.Conv3d(i, o, k, padding=k // 2)))
        self.add_module(name.replace(".", "_"), self.stages[-1][1])

    def pair(self, name, i, a, b):
        self.conv(f"{name}.conv1", i, a, 3)
        self.conv(f"{name}.conv2", a, b, 3)

    def forward(self, x):
        m = dict(self.stages)

        def pair(x, s):
            return F.relu(m[s + ".conv2"](F.relu(m[s + ".conv1"](x))))

        skip = []
        for l in range(3):
            skip.append(pair(x, f"enc{l}"))
            x = F.max_pool3d(skip[-1], 2)
        x = pair(x, "bottom")
        for l in (2, 1, 0):
            up = F.interpolate(x, scale_factor=2, mode="nearest")
            x = pair(torch.cat([skip[l], up], 1), f"dec{l}")
        return torch.sigmoid(m["head"](x))


def dice_loss(p, t, eps=1e-5):
    axes = (2, 3, 4)
    v = (2 * (p * t).sum(axes) + eps) / ((t * t).sum(axes) + (p * p).sum(axes) + eps)
    return (1 - v.mean(1)).mean()


def show(kind, net, get):
    for name, layer in net.stages:
        for leaf in ("weight", "bias"):
            v = get(getattr(layer, leaf)).detach().contiguous().view(-1)
            n = v.numel()
            picks = " ".join(f"{v[(q * n) // 5].item():.9e}" for q in range(5))
            print(f"{kind} {name}.{leaf} {n} {v.norm().item():.9e} {picks}")


def main():
    torch.manual_seed(0)
    net = UNet3D().double()
    start = 0
    with torch.no_grad():
        for _, layer in net.stages:
            for p in (layer.weight, layer.bias):
                u = hashed(p.numel(), start) * 2 - 1
                scale = np.sqrt(6.0 / p[0].numel()) if p.dim() > 1 else 0.05
                w = (u.astype(np.float32) * np.float32(scale)).astype(np.float64)
                p.copy_(torch.from_numpy(w).view(p.shape))
                start += p.numel()
    # Channels first here; the engine's test transposes.
    x = (hashed(N * C * D * H * W, 10 ** 7) * 4 - 2).astype(np.float32)
    x = torch.from_numpy(x.astype(np.float64))
    t = torch.from_numpy((hashed(N * K * D * H * W, 2 * 10 ** 7) < 0.3).astype(np.float64))
    x, t = x.view(N, C, D, H, W), t.view(N, K, D, H, W)
    opt = torch.optim.Adam(net.parameters(), LR)
    version = torch.__version__.split("+")[0]
    print(f"# UNet3D width {WIDTH}, {N}x{C}x{D}x{H}x{W}, Adam {LR}; torch {version}, float64")
    print("# loss STEP VALUE; grad|w1|w3 NAME COUNT NORM and 5 values at q * COUNT / 5")
    for step in range(3):
        opt.zero_grad()
        loss = dice_loss(net(x), t)
        loss.backward()
        print(f"loss {step} {loss.item():.9e}")
        if step == 0:
            show("grad", net, lambda p: p.grad)
        opt.step()
        if step in (0, 2):
            show(f"w{step + 1}", net, lambda p: p)


main()
