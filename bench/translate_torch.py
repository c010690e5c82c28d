#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same round, or image through a generator, in PyTorch, for bench/translate.sh: prints the line that
bench_translate ends with, without forecast.

usage: translate_torch.py SYSTEM SIDE THREADS STEPS [last] [fused | foreach]
last: channels-last weights and activations; fused, foreach: kinds of Adam (else PyTorch's own choice)"""
import os
import resource
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
import translate_nets as nets

ZERO = dict(adversarial=1, l1=0, cycle=0, identity=0, perceptual=0, content=0, style=0, by="bce")
SYSTEMS = {
    "mammo": dict(ZERO, cycle_game=False, generator="pix2pix", judge="patch94", channels=(3, 3), l1=100,
                  judge_weight=1, generator_opt=dict(dropout=0.5), judge_opt={}),
    "medcyclegan": dict(ZERO, cycle_game=True, generator="casnet", judge="judge3", channels=(1, 1), cycle=10,
                        identity=5, judge_weight=0.5, generator_opt={}, judge_opt={}),
}


def lay_out(x, last):
    return x.contiguous(memory_format=torch.channels_last) if last else x


def inference(name, side, last):
    """Batch norm by running statistics, folded into scale and shift by PyTorch's own kernel."""
    channels = 1 if name == "casnet" else 3
    store = nets.Store("normal", torch.float32, fast=True, last=last)
    x = lay_out(torch.rand(1, channels, side, side) * 2 - 1, last)

    def norm(self, x, layer):
        if self.o["norm"] == "instance":
            return nets.F.instance_norm(x, weight=self.param(layer + ".weight", (x.shape[1],)),
                                        bias=self.param(layer + ".bias", (x.shape[1],)), eps=1e-5)
        c = (x.shape[1],)
        if layer not in running:
            running[layer] = (torch.zeros(c), torch.ones(c))
        return torch.batch_norm(x, self.param(layer + ".weight", c), self.param(layer + ".bias", c),
                                *running[layer], False, 0.01, 1e-3, False)

    running = {}
    nets.Net.norm = norm

    def step():
        with torch.inference_mode():
            return nets.run(store, name, "g", x, channels=channels, dropout=0.0)[0].mean().item()

    with torch.no_grad():
        nets.run(store, name, "g", x, channels=channels, dropout=0.0)
    return step


def training(name, side, last, flags):
    o = SYSTEMS[name]
    store = nets.Store("normal", torch.float32, fast=True, last=last)
    game = nets.Game(store, o)
    a, b = (lay_out(torch.rand(1, c, side, side) * 2 - 1, last) for c in o["channels"])
    game.make(a, b)
    how = {k: True for k in ("fused", "foreach") if k in flags}
    game.optimise(2e-4, **how)
    return lambda: game.round(a, b)["g"]


def main():
    name, flags = sys.argv[1], sys.argv[5:]
    side, threads, steps = map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    last = "last" in flags
    step = training(name, side, last, flags) if name in SYSTEMS else inference(name, side, last)
    step()
    times, cpu = [], time.process_time()
    for _ in range(steps):
        start = time.perf_counter()
        value = step()
        times.append((time.perf_counter() - start) * 1e3)
    cpu = (time.process_time() - cpu) / steps * 1e3
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"result step_ms {statistics.median(times):.1f} least_ms {min(times):.1f} cpu_ms {cpu:.1f} "
          f"rss_mib {rss:.0f} version {torch.__version__} loss {value:.6f}")


if __name__ == "__main__":
    main()
