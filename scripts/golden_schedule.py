#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Learning rates of torch.optim.lr_scheduler for tests/golden/schedule.txt: one schedule a line group.

name rate epochs parameters...   then one line of rates, one an epoch.
plateau lines hold the validation losses before the rates. Run: scripts/golden_schedule.py > tests/golden/schedule.txt
"""
import torch

torch.set_default_dtype(torch.float64)


def optimiser(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates(opt, scheduler, epochs, losses=None):
    out = []
    for e in range(epochs):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step(losses[e]) if losses else scheduler.step()
    return out


def show(head, values):
    print(*head)
    print(" ".join("%.17g" % v for v in values))


def polynomial(opt, epochs, power):
    return torch.optim.lr_scheduler.LambdaLR(opt, lambda e: (1 - e / epochs) ** power)


for rate, epochs, power in ((0.01, 10, 0.9), (3e-4, 7, 2.0), (1.0, 1, 0.9)):
    o = optimiser(rate)
    make = getattr(torch.optim.lr_scheduler, "PolynomialLR", None)  # since torch 1.13
    s = make(o, total_iters=epochs, power=power) if make else polynomial(o, epochs, power)
    show(("polynomial", rate, epochs, power, 0), rates(o, s, epochs))
for rate, epochs, low in ((0.01, 10, 0.0), (1e-3, 13, 1e-5)):
    o = optimiser(rate)
    s = torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=epochs, eta_min=low)
    show(("cosine", rate, epochs, 0, low), rates(o, s, epochs))
for rate, epochs, low in ((0.01, 10, 0.0), (1e-3, 6, 1e-4)):
    o = optimiser(rate)
    s = torch.optim.lr_scheduler.LinearLR(o, 1.0, low / rate, epochs)
    show(("linear", rate, epochs, 0, low), rates(o, s, epochs))
generator = torch.Generator().manual_seed(5)
for rate, factor, patience, delta, low in ((1e-3, 0.2, 2, 1e-4, 1e-6), (0.1, 0.5, 1, 0.05, 1e-2), (1e-5, 0.2, 3, 0.0, 1e-6)):
    epochs = 24
    losses = [1.0 / (1 + e) + 0.3 * v for e, v in enumerate(torch.rand(epochs, generator=generator).tolist())]
    losses = [float("%.6f" % v) for v in losses]
    o = optimiser(rate)
    s = torch.optim.lr_scheduler.ReduceLROnPlateau(o, "min", factor, patience - 1, delta, "abs", 0, low, 0)
    show(("plateau", rate, epochs, factor, low, patience, delta), losses)
    print(" ".join("%.17g" % v for v in rates(o, s, epochs, losses)))
