#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/models.txt for tests/unit/test_models.c: for each network of train/models, written
here once more in plain PyTorch, the number of parameters at full width, and of a narrow one on a small
input the losses of 10 Adam steps, the gradient of each parameter at the first step, and how far each has moved
after the first and the tenth, in float64. Adam's eps is 1e-4, about the size of the gradients: where a gradient is
zero but for rounding a weight then stays, so that float32 can be held to tight bounds, and eps shows in the numbers.
Input, target and weights come from the same counter hash on both sides, keyed by the parameter's name.
Of 24 hash offsets the one is taken at which no activation stands near its kink (`margin`: the smallest
|input| of an activation over the layer's root mean square), so that float32 can be held to tight bounds.

usage: scripts/golden_models.py > tests/golden/models.txt      (--counts: only the counts, as a table)"""
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

LR, EPS, STEPS, OFFSETS = 1e-3, 1e-4, 10, 24


def hashed(n, start):
    """n numbers in [0, 1), number i from a 32-bit hash of start + i (Wang)."""
    m = np.uint64(0xFFFFFFFF)
    v = (np.arange(n, dtype=np.uint64) + np.uint64(start & 0xFFFFFFFF)) & m
    v = ((v ^ np.uint64(61)) ^ (v >> np.uint64(16))) & m
    v = (v * np.uint64(9)) & m
    v = v ^ (v >> np.uint64(4))
    v = (v * np.uint64(0x27D4EB2D)) & m
    v = v ^ (v >> np.uint64(15))
    return (v >> np.uint64(8)).astype(np.float64) / 2 ** 24


def fnv(text):
    h = 2166136261
    for byte in text.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return h


class Net(nn.Module):
    """Layers come into being at their first use, so that forward() reads like the figure."""

    def __init__(self, outputs, width=1.0, norm=None, spacing=None):
        super().__init__()
        self.outputs, self.factor, self.kind, self.spacing = outputs, width, norm, spacing
        self.named = {}      # name.leaf -> parameter, in order of first use
        self.margin = np.inf

    base = 16  # channels of the first layer at width 1: all others are multiples

    def width(self, c):
        return c // self.base * max(1, int(np.floor(self.base * self.factor + 0.5)))

    def parameter(self, name, shape):
        if name not in self.named:
            p = nn.Parameter(torch.zeros(shape))
            self.named[name] = p
            self.register_parameter(name.replace(".", "_"), p)
        return self.named[name]

    def conv(self, x, name, out, k, stride=1, bias=True, pad="keras", scaled=True):
        out = self.width(out) if scaled else out
        k = (k,) * 3 if isinstance(k, int) else tuple(k)
        stride = (stride,) * 3 if isinstance(stride, int) else tuple(stride)
        w = self.parameter(name + ".weight", (out, x.shape[1]) + k)
        b = self.parameter(name + ".bias", (out,)) if bias else None
        if pad == "torch":
            return F.conv3d(x, w, b, stride, tuple(n // 2 for n in k))
        sides = []  # Keras' padding="same": the odd zero behind
        for n, kk, s in zip(x.shape[2:], k, stride):
            total = max((-(-n // s) - 1) * s + kk - n, 0)
            sides = [total // 2, total - total // 2] + sides
        return F.conv3d(F.pad(x, sides), w, b, stride)

    def conv_t(self, x, name, out, k, bias=True):
        out = self.width(out)
        k = (k,) * 3 if isinstance(k, int) else tuple(k)
        w = self.parameter(name + ".weight", (x.shape[1], out) + k)
        return F.conv_transpose3d(x, w, self.parameter(name + ".bias", (out,)) if bias else None, k)

    def norm(self, x, name):
        if self.kind is None:
            return x
        c = x.shape[2 if self.kind == "depth" else 1]
        w, b = self.parameter(name + ".weight", (c,)), self.parameter(name + ".bias", (c,))
        if self.kind == "instance":
            return F.instance_norm(x, weight=w, bias=b, eps=1e-5)
        if self.kind == "depth":  # BatchNormalization(axis=-1) where the last axis is the depth
            return F.batch_norm(x.transpose(1, 2), None, None, w, b, True, 0.0, 1e-3).transpose(1, 2)
        return F.batch_norm(x, None, None, w, b, True, 0.0, 1e-3)

    def near(self, x):
        rms = x.detach().pow(2).mean().sqrt()
        self.margin = min(self.margin, (x.detach().abs().min() / rms).item())

    def relu(self, x):
        self.near(x)
        return F.relu(x)

    def leaky(self, x):
        self.near(x)
        return F.leaky_relu(x, 0.01)

    def prelu(self, x, name):
        self.near(x)
        return F.prelu(x, self.parameter(name + ".weight", (x.shape[1],)))

    def head(self, x, name="head"):
        return self.conv(x, name, self.outputs, 1, scaled=False)


def up2(x, f=(2, 2, 2)):
    return F.interpolate(x, scale_factor=f, mode="nearest")


class UNet3D(Net):
    base = 32

    def pair(self, x, s, a, b):
        x = self.relu(self.conv(x, s + ".conv1", a, 3))
        return self.relu(self.conv(x, s + ".conv2", b, 3))

    def forward(self, x):
        a = self.pair(x, "enc0", 32, 64)
        b = self.pair(F.max_pool3d(a, 2), "enc1", 64, 128)
        c = self.pair(F.max_pool3d(b, 2), "enc2", 128, 256)
        x = self.pair(F.max_pool3d(c, 2), "bottom", 256, 512)
        x = self.pair(torch.cat([c, up2(x)], 1), "dec2", 256, 256)
        x = self.pair(torch.cat([b, up2(x)], 1), "dec1", 128, 128)
        x = self.pair(torch.cat([a, up2(x)], 1), "dec0", 64, 64)
        return [self.head(x)]


class ResUNet3D(Net):
    base = 64

    def block(self, x, s, c, stride):
        y = self.conv(self.relu(self.norm(x, s + ".norm1")), s + ".conv1", c, 3, stride)
        y = self.conv(self.relu(self.norm(y, s + ".norm2")), s + ".conv2", c, 3)
        return y + self.conv(x, s + ".shortcut", c, 1, stride)

    def forward(self, x):
        y = self.relu(self.norm(self.conv(x, "stem.conv1", 64, 3), "stem.norm1"))
        a = self.conv(y, "stem.conv2", 64, 3) + self.conv(x, "stem.shortcut", 64, 1)
        b = self.block(a, "enc1", 128, 2)
        c = self.block(b, "enc2", 256, 2)
        x = self.block(c, "bottom", 512, 2)
        x = self.block(torch.cat([up2(x), c], 1), "dec2", 256, 1)
        x = self.block(torch.cat([up2(x), b], 1), "dec1", 128, 1)
        x = self.block(torch.cat([up2(x), a], 1), "dec0", 64, 1)
        return [self.head(x)]


class VNet(Net):
    def block(self, x, s, c):
        y = self.relu(self.norm(self.conv(x, s + ".conv1", c, 5), s + ".norm1"))
        y = self.relu(self.norm(self.conv(y, s + ".conv2", c, 5), s + ".norm2"))
        return x + y

    def down(self, x, l, c):
        return self.conv(x, f"down{l}", c, 2, 2)

    def forward(self, x):
        a = self.conv(x, "stem", 16, 5)
        b = self.block(self.down(a, 1, 32), "enc1", 32)
        c = self.block(self.down(b, 2, 64), "enc2", 64)
        d = self.block(self.down(c, 3, 128), "enc3", 128)
        x = self.block(self.down(d, 4, 256), "bottom", 256)
        x = self.block(torch.cat([self.conv_t(x, "up3", 128, 2), d], 1), "dec3", 256)
        x = self.block(torch.cat([self.conv_t(x, "up2", 64, 2), c], 1), "dec2", 128)
        x = self.block(torch.cat([self.conv_t(x, "up1", 32, 2), b], 1), "dec1", 64)
        x = torch.cat([self.conv_t(x, "up0", 16, 2), a], 1)
        return [self.head(self.conv(x, "last", 32, 5) + x)]


class VNetPaper(Net):
    def stage(self, x, s, n, c, identity=None):
        y = x
        for i in range(1, n):
            y = self.prelu(self.conv(y, f"{s}.conv{i}", c, 5), f"{s}.act{i}")
        y = self.conv(y, f"{s}.conv{n}", c, 5) + (x if identity is None else identity)
        return self.prelu(y, f"{s}.act{n}")

    def down(self, x, l, c):
        return self.prelu(self.conv(x, f"down{l}", c, 2, 2), f"down{l}.act0")

    def up(self, x, l, c, skip):
        return torch.cat([self.prelu(self.conv_t(x, f"up{l}", c, 2), f"up{l}.act0"), skip], 1)

    def forward(self, x):
        a = self.stage(x, "enc0", 1, 16, x.repeat(1, self.width(16) // x.shape[1], 1, 1, 1))
        b = self.stage(self.down(a, 1, 32), "enc1", 2, 32)
        c = self.stage(self.down(b, 2, 64), "enc2", 3, 64)
        d = self.stage(self.down(c, 3, 128), "enc3", 3, 128)
        x = self.stage(self.down(d, 4, 256), "bottom", 3, 256)
        x = self.stage(self.up(x, 3, 128, d), "dec3", 3, 256)
        x = self.stage(self.up(x, 2, 64, c), "dec2", 3, 128)
        x = self.stage(self.up(x, 1, 32, b), "dec1", 2, 64)
        x = self.stage(self.up(x, 0, 16, a), "dec0", 1, 32)
        return [self.head(x)]


class UNet2D(Net):
    base = 32

    def pair(self, x, s, c):
        x = self.relu(self.conv(x, s + ".conv1", c, (1, 3, 3)))
        return self.relu(self.conv(x, s + ".conv2", c, (1, 3, 3)))

    def up(self, x, l, c, skip):
        x = self.relu(self.conv(up2(x, (1, 2, 2)), f"up{l}.conv1", c, (1, 2, 2)))
        return self.pair(torch.cat([skip, x], 1), f"dec{l}", c)

    def forward(self, x):
        pool = (1, 2, 2)
        a = self.pair(x, "enc0", 32)
        b = self.pair(F.max_pool3d(a, pool), "enc1", 64)
        c = self.pair(F.max_pool3d(b, pool), "enc2", 128)
        d = self.pair(F.max_pool3d(c, pool), "enc3", 256)
        x = self.pair(F.max_pool3d(d, pool), "bottom", 512)
        for l, c_, skip in ((3, 256, d), (2, 128, c), (1, 64, b), (0, 32, a)):
            x = self.up(x, l, c_, skip)
        return [self.head(x)]


class NnUNet3D(Net):
    base = 32

    def levels(self, size):
        """Kernels and strides by nnU-Net's rule, at most 5 poolings."""
        spacing, size = list(self.spacing or (1, 1, 1)), list(size)
        kernel, kernels, strides = [1, 1, 1], [], [(1, 1, 1)]
        while len(strides) < 6:
            axes = [i for i in range(3) if size[i] >= 8]
            if axes:
                finest = min(spacing[i] for i in axes)
                axes = [i for i in axes if spacing[i] / finest < 2]
            if not axes or (len(axes) == 1 and size[axes[0]] < 12):
                break
            kernel = [3 if k == 3 or s / min(spacing) < 2 else 1 for k, s in zip(kernel, spacing)]
            kernels.append(tuple(kernel))
            strides.append(tuple(2 if i in axes else 1 for i in range(3)))
            for i in axes:
                spacing[i] *= 2
                size[i] = -(-size[i] // 2)
        return kernels + [(3, 3, 3)], strides

    def pair(self, x, s, c, kernel, stride=1):
        for i, st in ((1, stride), (2, 1)):
            x = self.conv(x, f"{s}.conv{i}", c, kernel, st, pad="torch")
            x = self.leaky(self.norm(x, f"{s}.norm{i}"))
        return x

    def forward(self, x):
        width, (kernels, strides) = [32, 64, 128, 256, 320, 320], self.levels(x.shape[2:])
        skip, logits = [], []
        for l, (k, s) in enumerate(zip(kernels, strides)):
            x = self.pair(x, f"enc{l}", width[l], k, s)
            skip.append(x)
        for l in range(len(kernels) - 2, -1, -1):
            up = self.conv_t(x, f"up{l}", width[l], strides[l + 1])
            x = self.pair(torch.cat([up, skip[l]], 1), f"dec{l}", width[l], kernels[l])
            logits.insert(0, self.head(x, f"head{l}" if l else "head"))
        return logits


class BasicUNet3D(Net):
    def pair(self, x, s, c):
        for i in (1, 2):
            x = self.conv(x, f"{s}.conv{i}", c, 3, bias=False)
            x = self.relu(self.norm(x, f"{s}.norm{i}"))
        return x

    def forward(self, x):
        skip = []
        for l, c in enumerate((16, 32, 64, 128, 256)):
            x = self.pair(F.max_pool3d(x, 2) if l else x, f"enc{l}", c)
            skip.append(x)
        for l, c in ((3, 128), (2, 64), (1, 32), (0, 16)):
            up = self.conv_t(x, f"up{l}", c, 2, bias=False)
            x = self.pair(torch.cat([skip[l], up], 1), f"dec{l}", c)
        return [self.head(x)]


# ---- losses ----

def soft_dice(z, t):
    p, e, axes = torch.sigmoid(z), 1e-5, (2, 3, 4)
    return 1 - ((2 * (p * t).sum(axes) + e) / ((t * t).sum(axes) + (p * p).sum(axes) + e)).mean()


def ce(z, t):
    return -(t * torch.log_softmax(z, 1)).sum(1).mean()


def dice_ce(z, t):
    p, e, axes = torch.softmax(z, 1), 1e-5, (2, 3, 4)
    dice = (2 * (p * t).sum(axes) + e) / (t.sum(axes) + p.sum(axes) + e)
    return ce(z, t) + 1 - dice[:, 1:].mean()


def over_heads(loss, logits, t):
    """nnU-Net: weights 1, 1/2, 1/4.. scaled to sum 1; with more than two heads the coarsest is left out."""
    use = logits[:-1] if len(logits) > 2 else logits
    w = [2.0 ** -i for i in range(len(use))]
    return sum(wi / sum(w) * loss(z, F.interpolate(t, z.shape[2:], mode="nearest-exact"))
               for wi, z in zip(w, use))


# name in train/models, its class, norm as in the manifest, batch, channels, outputs, D, H, W, width,
# spacing, loss; then channels, outputs, depth of the full-width count.
CASES = [
    ("unet3d", UNet3D, None, 2, 4, 3, 8, 16, 16, 0.125, None, soft_dice, (4, 3)),
    ("resunet3d", ResUNet3D, "batch", 2, 4, 3, 8, 16, 16, 0.0625, None, soft_dice, (4, 3)),
    ("resunet3d", ResUNet3D, "depth", 2, 4, 3, 8, 16, 16, 0.0625, None, soft_dice, (4, 3)),
    ("vnet", VNet, "batch", 2, 4, 3, 16, 32, 16, 0.125, None, soft_dice, (4, 3)),
    ("vnet", VNet, "depth", 2, 4, 3, 16, 32, 16, 0.125, None, soft_dice, (4, 3)),
    ("vnet_paper", VNetPaper, None, 2, 1, 2, 16, 16, 16, 0.125, None, ce, (1, 2)),
    ("unet2d", UNet2D, None, 2, 2, 4, 2, 32, 32, 0.125, None, ce, (2, 4)),
    ("nnunet3d", NnUNet3D, "instance", 2, 2, 3, 8, 32, 32, 0.125, None, dice_ce, (4, 4)),
    ("nnunet3d", NnUNet3D, "instance", 2, 1, 2, 8, 16, 16, 0.125, (3, 1, 1), dice_ce, (1, 2)),
    ("basic_unet3d", BasicUNet3D, "instance", 1, 4, 4, 16, 32, 64, 0.25, None, dice_ce, (4, 4)),
]


def fill(net, offset):
    with torch.no_grad():
        for name, p in net.named.items():
            u = hashed(p.numel(), fnv(name) + offset) * 2 - 1
            if p.dim() > 1:
                v = u.astype(np.float32) * np.float32(np.sqrt(6.0 / p[0].numel()))
            else:
                base, scale = 0.0, 0.05
                if name.endswith(".weight"):
                    base, scale = (1.0, 0.2) if ".norm" in name else (0.25, 0.1)
                v = np.float32(base) + np.float32(scale) * u.astype(np.float32)
            p.copy_(torch.from_numpy(v.astype(np.float64)).view(p.shape))


def data(case, offset):
    n, c, k, d, h, w = case[3:9]
    x = (hashed(n * c * d * h * w, 10 ** 7 + offset) * 4 - 2).astype(np.float32)
    x = torch.from_numpy(x.astype(np.float64)).view(n, c, d, h, w)
    u = hashed(n * d * h * w, 2 * 10 ** 7 + offset)
    label = torch.from_numpy(np.floor(u * (k + (case[11] is soft_dice))).astype(np.int64))
    t = F.one_hot(label).double().view(n, d, h, w, -1).permute(0, 4, 1, 2, 3)
    return x, (t[:, 1:] if case[11] is soft_dice else t).contiguous()


def build(case, x, width):
    net = case[1](case[5] if width < 1 else case[12][1], width, case[2], case[10])
    with torch.no_grad():
        net(x.float())  # makes the layers
    net.double()
    net.named = {name: getattr(net, name.replace(".", "_")) for name in net.named}
    return net


def count(case):
    """Parameters at full width; 16 slices, the smallest allowed rows and columns that all levels fit in."""
    size = 160 if case[0] == "nnunet3d" else 32
    x = torch.zeros(1, case[12][0], 16, size, size)
    net = case[1](case[12][1], 1.0, case[2], case[10])
    with torch.no_grad():
        net(x)
    return sum(p.numel() for p in net.parameters())


def measured(v):
    """Norm, and the product with the hash."""
    v = v.contiguous().view(-1).numpy()
    return np.linalg.norm(v), np.dot(v, hashed(v.size, 3 * 10 ** 7) * 2 - 1)


def moves(net, start):
    return {key: measured(p.detach() - start[key]) for key, p in net.named.items()}


def run(case):
    name, loss, width = case[0], case[11], case[9]
    best = (-1, 0)
    for o in range(OFFSETS):
        offset = o * 1000003
        x, t = data(case, offset)
        net = build(case, x, width)
        fill(net, offset)
        net.margin = np.inf
        with torch.no_grad():
            net(x)
        best = max(best, (net.margin, offset))
    x, t = data(case, best[1])
    net = build(case, x, width)
    fill(net, best[1])
    n, c, k, d, h, w = case[3:9]
    spacing = case[10] or (0, 0, 0)
    print(f"net {name} {case[2] or 'none'} {loss.__name__} {n} {c} {k} {d} {h} {w} {width} "
          f"{spacing[0]} {spacing[1]} {spacing[2]} {best[1]}")
    print(f"# margin {best[0]:.1e}")
    print(f"count {case[12][0]} {case[12][1]} {count(case)}")
    opt = torch.optim.Adam(net.parameters(), LR, eps=EPS)
    start = {key: p.detach().clone() for key, p in net.named.items()}
    first = {}
    for step in range(STEPS):
        opt.zero_grad()
        value = over_heads(loss, net(x), t)
        value.backward()
        print(f"loss {step} {value.item():.9e}")
        for key, p in net.named.items() if step == 0 else ():
            g = torch.zeros_like(p) if p.grad is None else p.grad
            print(f"grad {key} {p.numel()} %.7e %.7e" % measured(g))
        opt.step()
        if step == 0:
            first = moves(net, start)
    last = moves(net, start)
    for key in net.named:
        print(f"move {key} %.5e %.5e %.5e %.5e" % (first[key] + last[key]))


def main():
    if sys.argv[1:] == ["--counts"]:
        for case in CASES:
            if case[10] is None:
                print(f"{case[0]:14} {case[2] or 'none':9} {case[12][0]} in, {case[12][1]} out: {count(case)}")
        return
    version = torch.__version__.split("+")[0]
    print(f"# scripts/golden_models.py, torch {version}, float64, {STEPS} steps of Adam {LR}, eps {EPS}")
    print("# net NAME NORM LOSS N C OUT D H W WIDTH SPACING(3) OFFSET; count IN OUT PARAMETERS at width 1")
    print("# loss STEP VALUE; grad NAME COUNT NORM DOT (with the hash); move NAME NORM DOT NORM DOT (weights less those")
    print("# at the start, after step 1 and after step 10)")
    for case in CASES:
        run(case)


if __name__ == "__main__":
    main()
