#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/optim.txt: ten updates of each optimiser of train/nn in PyTorch (float64) with
given gradients, for tests/unit/test_nn_optim.c. Weights and gradients are made here and there by
the same counter hash.

usage: scripts/golden_optim.py > tests/golden/optim.txt"""
import numpy as np
import torch

STEPS, MATRIX, BIAS = 10, 12, 3


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


def single(a):
    return torch.from_numpy(a.astype(np.float32).astype(np.float64))


def adam(p, **k):
    return torch.optim.Adam(p, lr=1, **k)


def adamw(p, weight_decay=0.0, **k):
    return torch.optim.AdamW(p, lr=1, weight_decay=weight_decay, **k)


def sgd(p, **k):
    return torch.optim.SGD(p, lr=1, **k)


# label, optimiser, settings, clip norm (0 = off), decay of the bias too
CASES = [
    ("adam", adam, {}, 0, True),
    ("adam:decay", adam, {"weight_decay": 0.1}, 0, True),
    ("adam:clip", adam, {}, 0.7, True),
    ("adam:mild", adam, {}, 2.2, True),
    ("adam:betas", adam, {"betas": (0.8, 0.95), "eps": 1e-3}, 0, True),
    ("adamw", adamw, {}, 0, True),
    ("adamw:decay", adamw, {"weight_decay": 0.1}, 0, True),
    ("adamw:partly", adamw, {"weight_decay": 0.1}, 0, False),
    ("sgd", sgd, {"momentum": 0.9}, 0, True),
    ("sgd:plain", sgd, {}, 0, True),
    ("sgd:nesterov", sgd, {"momentum": 0.9, "nesterov": True}, 0, True),
    ("sgd:decay", sgd, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, 0.7, True),
    ("sgd:partly", sgd, {"momentum": 0.9, "weight_decay": 0.1}, 0, False),
]


def run(label, make, settings, clip, everywhere):
    n = MATRIX + BIAS
    start = hashed(n, 100) * 2 - 1
    w = [single(start[:MATRIX]).requires_grad_(), single(start[MATRIX:]).requires_grad_()]
    groups = [{"params": [w[0]]}, {"params": [w[1]]}]
    if not everywhere:
        groups[1]["weight_decay"] = 0.0
    opt = make(groups, **settings)
    ema = torch.cat(w).detach().clone()
    for step in range(STEPS):
        g = single(hashed(n, 1000 * (step + 1)) * 2 - 1)
        w[0].grad, w[1].grad = g[:MATRIX].clone(), g[MATRIX:].clone()
        if clip:
            torch.nn.utils.clip_grad_norm_(w, clip)
        for group in opt.param_groups:
            group["lr"] = 0.01 * (1 - step / 20)
        opt.step()
        keep = min(0.5, (2 + step) / (11 + step))
        ema = keep * ema + (1 - keep) * torch.cat(w).detach()
        if step in (0, STEPS - 1):
            print(label, step + 1, " ".join(f"{v:.9e}" for v in torch.cat(w).detach()))
    print(f"{label} ema", " ".join(f"{v:.9e}" for v in ema))


version = torch.__version__.split("+")[0]
print(f"# {STEPS} updates of {MATRIX} weights and {BIAS} biases; torch {version}, float64")
print("# NAME[:OPTION] UPDATES (or ema: moving average, decay 0.5 with warm-up) and all weights")
for case in CASES:
    run(*case)
