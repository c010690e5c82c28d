#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training step of the same networks in PyTorch, for bench/train.sh: loss, backward, Adam, as many
threads as told. Prints the line that bench_train_step ends with, without forecast and bound.

usage: train_torch.py NET BATCH D H W IN OUT LOSS THREADS STEPS [last] [bf16] [compile]
last: channels-last weights and activations; bf16: autocast; compile: torch.compile"""
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
import golden_models as models


class Fast:
    """The golden networks without what slows them: the search for kinks, padding as a pass of its own."""

    def near(self, x):
        pass

    def conv(self, x, name, out, k, stride=1, bias=True, pad="keras", scaled=True):
        out = self.width(out) if scaled else out
        k = (k,) * 3 if isinstance(k, int) else tuple(k)
        stride = (stride,) * 3 if isinstance(stride, int) else tuple(stride)
        flat = x.dim() == 4
        if flat:
            k, stride = k[1:], stride[1:]
        w = self.parameter(name + ".weight", (out, x.shape[1]) + k)
        b = self.parameter(name + ".bias", (out,)) if bias else None
        total = [max((-(-n // s) - 1) * s + kk - n, 0) for n, kk, s in zip(x.shape[2:], k, stride)]
        if pad == "torch":
            total = [n // 2 * 2 for n in k]
        f = F.conv2d if flat else F.conv3d
        if any(t % 2 for t in total):
            x = F.pad(x, [p for t in reversed(total) for p in (t // 2, t - t // 2)])
            total = [0] * len(total)
        return f(x, w, b, stride, tuple(t // 2 for t in total))

    relu = staticmethod(lambda x: F.relu(x, inplace=True))
    leaky = staticmethod(lambda x: F.leaky_relu(x, 0.01, inplace=True))


class Flat:
    """UNet2D with 2-D operators: slices are samples."""

    def forward(self, x):
        up, pool = (lambda x: F.interpolate(x, scale_factor=2, mode="nearest")), F.max_pool2d
        a = self.pair(x, "enc0", 32)
        b = self.pair(pool(a, 2), "enc1", 64)
        c = self.pair(pool(b, 2), "enc2", 128)
        d = self.pair(pool(c, 2), "enc3", 256)
        x = self.pair(pool(d, 2), "bottom", 512)
        for l, width, skip in ((3, 256, d), (2, 128, c), (1, 64, b), (0, 32, a)):
            x = self.relu(self.conv(up(x), f"up{l}.conv1", width, (1, 2, 2)))
            x = self.pair(torch.cat([skip, x], 1), f"dec{l}", width)
        return [self.head(x)]


NETS = {"unet3d": (models.UNet3D, None), "resunet3d": (models.ResUNet3D, "batch"),
        "vnet": (models.VNet, "batch"), "unet2d": (models.UNet2D, None),
        "nnunet3d": (models.NnUNet3D, "instance"), "basic_unet3d": (models.BasicUNet3D, "instance")}


def soft_dice(z, t):
    p, axes, e = torch.sigmoid(z), tuple(range(2, z.dim())), 1e-5
    return 1 - ((2 * (p * t).sum(axes) + e) / ((t * t).sum(axes) + (p * p).sum(axes) + e)).mean()


def ce(z, t):
    return F.cross_entropy(z, t.argmax(1))


def dice_ce(z, t):
    p, axes, e = torch.softmax(z, 1), tuple(range(2, z.dim())), 1e-5
    dice = (2 * (p * t).sum(axes) + e) / (t.sum(axes) + p.sum(axes) + e)
    return F.cross_entropy(z, t.argmax(1)) + 1 - dice[:, 1:].mean()


def over_heads(loss, logits, t):
    use = logits[:-1] if len(logits) > 2 else logits
    w = [2.0 ** -i for i in range(len(use))]
    return sum(wi / sum(w) * loss(z.float(), t if z.shape == t.shape else
                                  F.interpolate(t, z.shape[2:], mode="nearest-exact"))
               for wi, z in zip(w, use))


def main():
    name = sys.argv[1]
    n, d, h, w, cin, cout = map(int, sys.argv[2:8])
    loss = {"soft_dice": soft_dice, "ce": ce, "dice_ce": dice_ce}[sys.argv[8]]
    threads, steps, flags = int(sys.argv[9]), int(sys.argv[10]), sys.argv[11:]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base, norm = NETS[name]
    flat = name == "unet2d"
    shape = (n * d, cin, h, w) if flat else (n, cin, d, h, w)
    net = type("Net", (Flat, Fast, base) if flat else (Fast, base), {})(cout, 1.0, norm, None)
    x, t = torch.randn(shape), torch.zeros((shape[0], cout) + shape[2:])
    t.scatter_(1, torch.randint(0, cout, (shape[0], 1) + shape[2:]), 1.0)
    with torch.no_grad():
        net(x[:1])  # makes the layers
        for p in net.parameters():
            p.normal_(0, (2 / p[0].numel()) ** 0.5) if p.dim() > 1 else None
        for key, p in net.named.items():
            if ".norm" in key and key.endswith(".weight"):
                p.fill_(1.0)
    if "last" in flags:
        layout = torch.channels_last if flat else torch.channels_last_3d
        x, t = x.contiguous(memory_format=layout), t.contiguous(memory_format=layout)
        with torch.no_grad():
            for p in net.parameters():
                if p.dim() == len(shape):
                    p.data = p.data.contiguous(memory_format=layout)
    opt = torch.optim.Adam(net.parameters(), 1e-4)
    run = torch.compile(net) if "compile" in flags else net

    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in flags):
            z = run(x)
        value = over_heads(loss, z, t)
        value.backward()
        opt.step()
        return value.item()

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
