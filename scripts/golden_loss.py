#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/loss.txt: the losses of train/nn in PyTorch (float64), value and gradient, for
tests/unit/test_nn_loss.c. Logits and targets are made here and there by the same counter hash.

usage: scripts/golden_loss.py > tests/golden/loss.txt"""
import numpy as np
import torch
import torch.nn.functional as F

N, C, D, H, W = 2, 3, 8, 32, 40
WEIGHT = (0.5, 2.0, 1.25)


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


def dice(p, t, w, e=1e-5, squared=False, batch=False, first=0):
    axes = (0, 2, 3, 4) if batch else (2, 3, 4)
    top = (p * t).sum(axes)
    below = (p * p).sum(axes) + (t * t).sum(axes) if squared else p.sum(axes) + t.sum(axes)
    v = ((2 * top + e) / (below + e))[..., first:]
    w = w[first:]
    return (1 - (v * w).sum(-1) / w.sum()).mean()


def generalised(p, t, w, e=1e-5):
    axes = (2, 3, 4)
    v = t.sum(axes) ** -2
    v = v / v.max(1, keepdim=True).values * w
    top = (v * (p * t).sum(axes)).sum(1)
    below = (v * (p.sum(axes) + t.sum(axes))).sum(1)
    return (1 - (2 * top + e) / (below + e)).mean()


def tversky(p, t, w, alpha=0.3, beta=0.7, e=1e-5, first=0):
    axes = (2, 3, 4)
    tp, fp, fn = (p * t).sum(axes), (p * (1 - t)).sum(axes), ((1 - p) * t).sum(axes)
    v = ((tp + e) / (tp + alpha * fp + beta * fn + e))[:, first:]
    return (1 - (v * w[first:]).sum(1) / w[first:].sum()).mean()


def ce(z, t, w):
    return F.cross_entropy(z, t.argmax(1), weight=w)


def bce(z, t, w):
    each = F.binary_cross_entropy_with_logits(z, t, reduction="none").mean((0, 2, 3, 4))
    return (each * w).sum() / w.sum()


def focal_softmax(z, t, w, gamma):
    log = F.log_softmax(z, 1)
    wt = t * w.view(1, -1, 1, 1, 1)
    return -(wt * (1 - log.exp()) ** gamma * log).sum() / wt.sum()


def focal_sigmoid(z, t, w, gamma):
    p = torch.sigmoid(z)
    one = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    q = p * t + (1 - p) * (1 - t)
    return (((1 - q) ** gamma * one).mean((0, 2, 3, 4)) * w).sum() / w.sum()


def sm(z):
    return torch.softmax(z, 1)


ONE = torch.ones(C, dtype=torch.float64)
CW = torch.tensor(WEIGHT, dtype=torch.float64)
sig = torch.sigmoid
# name, softmax, function of (logits, target)
CASES = [
    ("soft_dice", 0, lambda z, t: dice(sig(z), t, ONE, squared=True)),
    ("soft_dice:weights", 0, lambda z, t: dice(sig(z), t, CW, squared=True)),
    ("dice:batch", 1, lambda z, t: dice(sm(z), t, ONE, squared=True, batch=True, first=1)),
    ("generalised_dice", 1, lambda z, t: generalised(sm(z), t, ONE)),
    ("generalised_dice:weights", 0, lambda z, t: generalised(sig(z), t, CW)),
    ("dice_ce", 1, lambda z, t: dice(sm(z), t, ONE, first=1) + ce(z, t, ONE)),
    ("dice_ce:weights", 1, lambda z, t: dice(sm(z), t, CW, first=1) + ce(z, t, CW)),
    ("dice_ce:batch", 1, lambda z, t: dice(sm(z), t, ONE, batch=True, first=1) + ce(z, t, ONE)),
    ("dice_ce:background", 1, lambda z, t: dice(sm(z), t, ONE) + ce(z, t, ONE)),
    ("dice_ce", 0, lambda z, t: dice(sig(z), t, ONE) + bce(z, t, ONE)),
    ("dice_bce:weights", 0, lambda z, t: dice(sig(z), t, CW) + bce(z, t, CW)),
    ("dice_focal", 1, lambda z, t: dice(sm(z), t, ONE, first=1) + focal_softmax(z, t, ONE, 2)),
    ("dice_focal:gamma", 1,
     lambda z, t: dice(sm(z), t, ONE, first=1) + focal_softmax(z, t, ONE, 1.5)),
    ("dice_focal:weights", 1,
     lambda z, t: dice(sm(z), t, CW, first=1) + focal_softmax(z, t, CW, 2)),
    ("dice_focal", 0, lambda z, t: dice(sig(z), t, ONE) + focal_sigmoid(z, t, ONE, 2)),
    ("dice_focal:gamma", 0, lambda z, t: dice(sig(z), t, ONE) + focal_sigmoid(z, t, ONE, 1.5)),
    ("ce", 1, lambda z, t: ce(z, t, ONE)),
    ("ce:weights", 1, lambda z, t: ce(z, t, CW)),
    ("bce", 0, lambda z, t: bce(z, t, ONE)),
    ("bce:weights", 0, lambda z, t: bce(z, t, CW)),
    ("tversky", 0, lambda z, t: tversky(sig(z), t, ONE)),
    ("tversky:alpha", 1, lambda z, t: tversky(sm(z), t, ONE, 0.8, 0.5, first=1)),
]


def target(softmax):
    u = torch.from_numpy(hashed(N * D * H * W * C, 2 * 10 ** 7)).view(N, D, H, W, C)
    if softmax:
        label = ((u[..., 0] * u[..., 1]) * 3.99).long().clamp(max=C - 1)
        t = F.one_hot(label, C).double()
    else:
        t = (u * u < 0.1).double()
    return t.permute(0, 4, 1, 2, 3)


def logits(start, d, h, w):
    z = (hashed(N * d * h * w * C, start) * 8 - 4).astype(np.float32).astype(np.float64)
    return torch.from_numpy(z).view(N, d, h, w, C).permute(0, 4, 1, 2, 3).clone()


def show(name, softmax, loss, grads):
    loss.backward()
    print(f"{name} {softmax} {loss.item():.12e}", end="")
    for z in grads:
        v = z.grad.permute(0, 2, 3, 4, 1).contiguous().view(-1)
        n = v.numel()
        picks = " ".join(f"{v[(q * n) // 5 + q].item():.9e}" for q in range(5))
        print(f" {v.norm().item():.9e} {picks}", end="")
    print()


def main():
    version = torch.__version__.split("+")[0]
    print(f"# losses of {N}x{D}x{H}x{W}x{C}; torch {version}, float64")
    print("# NAME[:OPTION] SOFTMAX VALUE, then gradient NORM and values at q * COUNT / 5 + q")
    for name, softmax, f in CASES:
        z = logits(10 ** 7, D, H, W).requires_grad_()
        show(name, softmax, f(z, target(softmax)), [z])
    # Three heads: the coarsest is left out, the others weigh 2/3 and 1/3.
    z = [logits(10 ** 7, D, H, W), logits(3 * 10 ** 7, D // 2, H // 4, W // 3),
         logits(4 * 10 ** 7, D // 4, H // 8, W // 8)]
    for v in z:
        v.requires_grad_()
    t = target(1)
    total = 0
    for v, share in ((z[0], 2 / 3), (z[1], 1 / 3)):
        near = F.interpolate(t, size=v.shape[2:], mode="nearest-exact")
        total = total + share * (dice(sm(v), near, ONE, first=1) + ce(v, near, ONE))
    show("dice_ce:heads", 1, total, z[:2])


main()
