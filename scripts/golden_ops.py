#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/ops.txt: the operators of train/nn in PyTorch (float64): output and gradients
behind a binary cross-entropy, for tests/unit/test_nn_torch.c, which walks tests/unit/nn_cases.c.
Inputs, weights and targets are made here and there by the same counter hash.

usage: scripts/golden_ops.py > tests/golden/ops.txt"""
import numpy as np
import torch
import torch.nn.functional as F


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


def conv(out, k, stride=(1, 1, 1), bias=True, pad=None):
    def f(x, w):
        y = x[0]
        size = y.shape[2:]
        zeros = pad
        if zeros is None:
            total = [max((-(-n // s) - 1) * s + q - n, 0) for n, q, s in zip(size, k, stride)]
            zeros = [(t // 2, t - t // 2) for t in total]
        flat = [v for lo, hi in reversed(zeros) for v in (lo, hi)]
        return F.conv3d(F.pad(y, flat), w[0], w[1] if bias else None, stride)
    return f, lambda c: [(out, c) + k] + ([(out,)] if bias else [])


def conv_t(out, k, stride, bias=True, pad=None):
    def f(x, w):
        y = F.conv_transpose3d(x[0], w[0], w[1] if bias else None, stride)
        zeros = pad
        if zeros is None:
            total = [max(q - s, 0) for q, s in zip(k, stride)]
            zeros = [(t // 2, t - t // 2) for t in total]
        cut = [slice(lo, n - hi) for (lo, hi), n in zip(zeros, y.shape[2:])]
        return y[(slice(None), slice(None), *cut)]
    return f, lambda c: [(c, out) + k] + ([(out,)] if bias else [])


def relu(layer):
    f, params = layer
    return lambda x, w: F.relu(f(x, w)), params


def batch(x, w):
    return F.batch_norm(x[0], None, None, w[0], w[1], True, 0.1, 1e-3)


def instance(x, w):
    return F.instance_norm(x[0], None, None, w[0], w[1], True, 0.1, 1e-3)


def depth(x, w):
    y = F.batch_norm(x[0].transpose(1, 2), None, None, w[0], w[1], True, 0.1, 1e-3)
    return y.transpose(1, 2)


def up(k):
    return lambda x, w: F.interpolate(x[0], scale_factor=k, mode="nearest")


def none(c):
    return []


def scale(c):
    return [(c,), (c,)]


# label (operator/case of nn_cases.c), shapes of inputs (N,D,H,W,C), function, shapes of parameters
def gram(x, w):
    v = x[0].flatten(2)
    g = v @ v.transpose(1, 2) / v.shape[2]
    return g.view(g.shape[0], g.shape[1], 1, 1, g.shape[2])


CASES = [
    ("conv/3x3x3_same", [(2, 3, 3, 2, 2)], *conv(3, (3, 3, 3))),
    ("conv/1x1x1", [(1, 2, 3, 3, 4)], *conv(2, (1, 1, 1), bias=False)),
    ("conv/2-D_5x5_same", [(2, 1, 4, 5, 2)], *conv(2, (1, 5, 5))),
    ("conv/2x4x3_stride_2", [(1, 4, 5, 4, 2)], *conv(2, (2, 4, 3), (2, 2, 2))),
    ("conv/explicit_uneven_padding", [(1, 2, 4, 4, 3)],
     *conv(2, (1, 3, 2), (1, 2, 1), pad=[(0, 0), (2, 1), (0, 1)])),
    ("conv/3x3x3_with_ReLU", [(2, 3, 4, 5, 2)], *relu(conv(3, (3, 3, 3)))),
    ("conv/3x3x3_with_ReLU,_16_channels", [(1, 2, 4, 4, 16)], *relu(conv(3, (3, 3, 3)))),
    ("conv_t/2x2x2_with_ReLU", [(1, 2, 2, 3, 4)], *relu(conv_t(3, (2, 2, 2), (2, 2, 2)))),
    ("conv_t/2x2x2_stride_2", [(1, 2, 2, 3, 4)], *conv_t(3, (2, 2, 2), (2, 2, 2))),
    ("conv_t/2-D_4x4_stride_2", [(2, 1, 3, 3, 2)], *conv_t(2, (1, 4, 4), (1, 2, 2))),
    ("conv_t/explicit_padding", [(1, 2, 3, 3, 2)],
     *conv_t(2, (1, 3, 3), (1, 2, 2), False, [(0, 0), (1, 0), (0, 1)])),
    ("batch_norm/", [(3, 1, 4, 3, 2)], batch, scale),
    ("batch_norm/leaky_ReLU", [(3, 1, 4, 3, 2)], lambda x, w: F.leaky_relu(batch(x, w), 0.2),
     scale),
    ("instance_norm/", [(2, 2, 4, 3, 2)], instance, scale),
    ("instance_norm/ReLU", [(2, 2, 4, 3, 2)], lambda x, w: F.relu(instance(x, w)), scale),
    ("depth_norm/", [(2, 3, 4, 3, 2)], depth, lambda c: [(3,), (3,)]),
    ("max_pool/2x2x2_odd_sizes", [(1, 3, 4, 5, 2)], lambda x, w: F.max_pool3d(x[0], 2), none),
    ("max_pool/1x3x2", [(2, 1, 6, 4, 3)], lambda x, w: F.max_pool3d(x[0], (1, 3, 2)), none),
    ("upsample/2x2x2", [(1, 2, 2, 3, 3)], up((2, 2, 2)), none),
    ("upsample/1x3x2", [(2, 1, 3, 3, 2)], up((1, 3, 2)), none),
    ("concat/", [(1, 2, 2, 3, 2), (1, 2, 2, 3, 5)], lambda x, w: torch.cat(x, 1), none),
    ("sample/coarser_and_finer", [(2, 5, 4, 3, 3)],
     lambda x, w: F.interpolate(x[0].detach(), (2, 5, 3), mode="nearest-exact"), none),
    ("detach/", [(2, 2, 3, 3, 3)], lambda x, w: x[0].detach(), none),
    ("add/", [(2, 1, 3, 3, 3)] * 2, lambda x, w: x[0] + x[1], none),
    ("relu/", [(2, 2, 2, 3, 4)], lambda x, w: F.relu(x[0]), none),
    ("leaky_relu/", [(2, 2, 2, 3, 4)], lambda x, w: F.leaky_relu(x[0], 0.3), none),
    ("sigmoid/", [(2, 2, 2, 3, 4)], lambda x, w: torch.sigmoid(x[0]), none),
    ("softmax/", [(1, 2, 3, 3, 4)], lambda x, w: torch.softmax(x[0], 1), none),
    ("prelu/", [(2, 2, 2, 3, 4)], lambda x, w: F.prelu(x[0], w[0]), lambda c: [(c,)]),
    ("tanh/", [(2, 2, 2, 3, 4)], lambda x, w: torch.tanh(x[0]), none),
    ("reflect_pad/2_rows,_3_columns", [(2, 1, 3, 5, 2)],
     lambda x, w: F.pad(x[0], (3, 3, 2, 2, 0, 0), mode="reflect"), none),
    ("reflect_pad/1_row", [(1, 2, 2, 3, 3)],
     lambda x, w: F.pad(x[0], (0, 0, 1, 1, 0, 0), mode="reflect"), none),
    ("gram/", [(2, 1, 3, 4, 3)], gram, none),
    ("gram/11_channels", [(1, 2, 3, 2, 11)], gram, none),
]


def show(label, what, v, last=False):
    v = v.detach()
    v = (v.permute(0, 2, 3, 4, 1) if last else v).contiguous().view(-1)
    n = v.numel()
    picks = " ".join(f"{v[(q * n) // 5].item():.9e}" for q in range(5))
    print(f"{label} {what} {n} {v.norm().item():.9e} {picks}")


def main():
    version = torch.__version__.split("+")[0]
    print(f"# torch {version}, float64")
    print("# OPERATOR/CASE y | x0 | x1 | w0 | w1 COUNT NORM and 5 values at q * COUNT / 5")
    for label, shapes, f, params in CASES:
        x, w = [], []
        for i, s in enumerate(shapes):
            v = hashed(int(np.prod(s)), 10 ** 6 * (i + 1)) * 4 - 2
            v = torch.from_numpy(v.astype(np.float32).astype(np.float64)).view(s)
            x.append(v.permute(0, 4, 1, 2, 3).contiguous().requires_grad_())
        for i, s in enumerate(params(shapes[0][4])):
            v = hashed(int(np.prod(s)), 10 ** 6 * (i + 5)) * 2 - 1
            w.append(torch.from_numpy(v).view(s).requires_grad_())
        y = f(x, w)
        n, c, d, h, k = y.shape
        t = torch.from_numpy(hashed(y.numel(), 9 * 10 ** 6)).view(n, d, h, k, c)
        t = t.permute(0, 4, 1, 2, 3)
        show(label, "y", y, True)
        if not y.requires_grad:
            continue
        F.binary_cross_entropy_with_logits(y, t, reduction="sum").backward()
        for i, v in enumerate(x):
            show(label, f"x{i}", v.grad, True)
        for i, v in enumerate(w):
            show(label, f"w{i}", v.grad)


main()
