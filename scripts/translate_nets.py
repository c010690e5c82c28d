# SPDX-License-Identifier: Apache-2.0
"""The networks and rounds of image translation (train/models/translate.h, train/translate/game.h) once more in
plain PyTorch, for golden_translate.py and bench/translate_torch.py. Parameters have the engine's names; with the
fill of Store they have the same values on both sides, from a counter hash of the name."""
import math

import numpy as np
import torch
import torch.nn.functional as F


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


class Store:
    """Parameters by name, made at their first use. fill: "hash", "normal" (N(0, 0.02), as trainings begin) or
    "none" (zeros: for counting). fast: PyTorch's own batch norm and in-place activations, for the benchmark; else
    the norm is written out."""

    def __init__(self, fill="hash", dtype=torch.float64, offset=0, fast=False, last=False):
        self.fill, self.dtype, self.offset, self.fast, self.last = fill, dtype, offset, fast, last
        self.named = {}
        self.margin = math.inf  # smallest |input| of an activation or of |.| over its layer's root mean square

    def near(self, x):
        if not self.fast:
            v = x.detach().abs()
            self.margin = min(self.margin, (v.min() / v.pow(2).mean().sqrt()).item())

    def value(self, name, shape):
        kind, leaf = name.split(".")[-2:]
        weight = leaf == "weight"
        if self.fill == "none":
            return torch.zeros(shape, dtype=self.dtype)
        if self.fill == "normal":
            if kind == "norm" or not weight:
                return torch.full(shape, 1.0 if weight else 0.0, dtype=self.dtype)
            return torch.empty(shape, dtype=self.dtype).normal_(0, 0.02)
        base, scale = (1.0, 0.2) if kind.startswith("norm") and weight else (0.0, 0.2)
        if len(shape) > 1:
            scale = math.sqrt(6 / (max(shape[0], shape[1]) * shape[2] * shape[3]))
        v = hashed(int(np.prod(shape)), fnv(name) + self.offset) * 2 - 1
        v = np.float32(base) + np.float32(scale) * v.astype(np.float32)
        return torch.from_numpy(v.astype(np.float32)).view(shape).to(self.dtype)

    def get(self, name, shape):
        if name not in self.named:
            v = self.value(name, shape)
            if self.last and v.dim() == 4:
                v = v.contiguous(memory_format=torch.channels_last)
            self.named[name] = v.requires_grad_()
        return self.named[name]

    def under(self, prefixes):
        return [p for n, p in self.named.items() if n.split(".")[0] in prefixes]


class Net:
    """Builds a network under a prefix; opt has the fields of sm_image_opt, settled."""

    def __init__(self, store, prefix, opt):
        self.store, self.prefix, self.o = store, prefix, opt
        self.features = []

    def width(self, c):
        return max(1, int(math.floor(c * self.o["width"] + 0.5)))

    def param(self, name, shape):
        return self.store.get(f"{self.prefix}.{name}", shape)

    def conv(self, x, name, out, k, stride=1, bias=True, pad=None):
        """pad: voxels on each side; None: TensorFlow's SAME, the odd zero behind."""
        w = self.param(name + ".weight", (out, x.shape[1], k, k))
        b = self.param(name + ".bias", (out,)) if bias else None
        if pad is None:
            total = [max((-(-n // stride) - 1) * stride + k - n, 0) for n in x.shape[2:]]
            if total[0] % 2 or total[1] % 2:
                h, v = total[1], total[0]
                x, pad = F.pad(x, (h // 2, h - h // 2, v // 2, v - v // 2)), 0
            else:
                pad = (total[0] // 2, total[1] // 2)
        return F.conv2d(x, w, b, stride, pad)

    def up(self, x, name, out, bias=True, k=4):
        """Twice as large: 4x4 transposed (k = 3: CycleGAN's), or nearest up-sampling and 3x3."""
        if self.o["resize"]:
            return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"), name, out, 3, bias=bias)
        w = self.param(name + ".weight", (x.shape[1], out, k, k))
        b = self.param(name + ".bias", (out,)) if bias else None
        return F.conv_transpose2d(x, w, b, 2, 1, k % 2)

    def norm(self, x, name):
        kind = self.o["norm"]
        if kind == "none":
            return x
        w, b = self.param(name + ".weight", (x.shape[1],)), self.param(name + ".bias", (x.shape[1],))
        eps = 1e-3 if kind == "batch" else 1e-5
        if self.store.fast and kind == "batch":  # not F.batch_norm: it refuses 1x1 images
            return torch.batch_norm(x, w, b, None, None, True, 0.01, eps, False)
        if self.store.fast and x.shape[2] * x.shape[3] > 1:
            return F.instance_norm(x, weight=w, bias=b, eps=eps)
        axes = (0, 2, 3) if kind == "batch" else (2, 3)
        d = x - x.mean(axes, keepdim=True)
        d = d / (d.pow(2).mean(axes, keepdim=True) + eps).sqrt()
        return d * w.view(1, -1, 1, 1) + b.view(1, -1, 1, 1)

    def act(self, x, slope=None):
        slope = self.o["slope"] if slope is None else slope
        self.store.near(x)
        if slope == 0:
            return F.relu(x, inplace=self.store.fast)
        return F.leaky_relu(x, slope, inplace=self.store.fast)

    # ---- generators

    def unet(self, x, stage, first_normed, up_normed):
        o, levels, skip = self.o, self.o["levels"], []
        count = lambda i: 64 << i if i < 3 else 512
        for i in range(levels):
            x = self.conv(x, f"{stage}down{i + 1}.conv", self.width(count(i)), 4, 2, bias=False)
            if i or first_normed:
                x = self.norm(x, f"{stage}down{i + 1}.norm")
            x = self.act(x)
            skip.append(x)
        for i in range(levels - 1):
            down = levels - 2 - i
            x = self.up(x, f"{stage}up{i + 1}.conv", self.width(count(down)), bias=False)
            if up_normed:
                x = self.norm(x, f"{stage}up{i + 1}.norm")
            if i < 3 and o["dropout"] > 0:
                x = F.dropout(x, o["dropout"])
            x = torch.cat([self.act(x, 0), skip[down]], 1)
        return torch.tanh(self.up(x, f"{stage}last", o["channels"]))

    def pix2pix(self, x):
        return self.unet(x, "", False, True)

    def casnet(self, x):
        for i in range(self.o["chain"]):
            x = self.unet(x, f"unet{i + 1}.", True, False)
        return x

    def mirrored(self, x, name, k, out):
        return self.conv(F.pad(x, (k // 2,) * 4, mode="reflect"), name, out, k, pad=0)

    def resnet(self, x):
        w = self.width(64)
        x = self.act(self.norm(self.mirrored(x, "first.conv", 7, w), "first.norm"))
        for i in (1, 2):
            x = self.act(self.norm(self.conv(x, f"down{i}.conv", w << i, 3, 2, pad=1), f"down{i}.norm"))
        for i in range(1, self.o["blocks"] + 1):
            y = self.act(self.norm(self.mirrored(x, f"block{i}.conv1", 3, 4 * w), f"block{i}.norm1"))
            x = x + self.norm(self.mirrored(y, f"block{i}.conv2", 3, 4 * w), f"block{i}.norm2")
        for i in (1, 2):
            x = self.act(self.norm(self.up(x, f"up{i}.conv", (4 * w) >> i, k=3), f"up{i}.norm"))
        return torch.tanh(self.mirrored(x, "last", 7, self.o["channels"]))

    # ---- discriminators

    def layer(self, x, i, out, k, stride, normed=True, bias=False, pad=None):
        x = self.conv(x, f"layer{i}.conv", self.width(out), k, stride, bias, pad)
        x = self.act(self.norm(x, f"layer{i}.norm") if normed else x)
        self.features.append(x)
        return x

    def patch94(self, x):
        for i in range(4):
            x = self.layer(x, i + 1, 64 << i, 4, 2, i > 0)
        return self.conv(x, "last", 1, 4)

    def patch70(self, x):
        for i in range(3):
            x = self.layer(x, i + 1, 64 << i, 4, 2, i > 0)
        return self.conv(self.layer(x, 4, 512, 4, 1, pad=1), "last", 1, 4, pad=1)

    def judge3(self, x):
        x = self.layer(x, 1, 64, 3, 2, bias=True)
        return self.conv(self.layer(x, 2, 128, 3, 2, bias=True), "last", 1, 2)


# What a network has when nothing is said (the table of train/models/translate.c).
OWN = {"pix2pix": dict(norm="batch", levels=8, slope=0.0, dropout=0.5),
       "casnet": dict(norm="batch", levels=8, chain=3, slope=0.3, dropout=0.0),
       "resnet": dict(norm="instance", blocks=9, slope=0.0, dropout=0.0),
       "patch94": dict(norm="batch", slope=0.3), "patch70": dict(norm="batch", slope=0.2),
       "judge3": dict(norm="batch", slope=0.3)}


def options(name, **given):
    return {**dict(width=1.0, resize=False, channels=1, dropout=0.0), **OWN[name], **given}


def run(store, name, prefix, x, **given):
    """The network's output and, of a discriminator, its hidden layers."""
    net = Net(store, prefix, options(name, **given))
    y = getattr(net, name)(x)
    return y, net.features


# ---- VGG-19

VGG = [("block1_conv1", 3, 64), ("block1_conv2", 64, 64), ("block2_conv1", 64, 128), ("block2_conv2", 128, 128),
       ("block3_conv1", 128, 256), ("block3_conv2", 256, 256), ("block3_conv3", 256, 256),
       ("block3_conv4", 256, 256), ("block4_conv1", 256, 512), ("block4_conv2", 512, 512),
       ("block4_conv3", 512, 512), ("block4_conv4", 512, 512), ("block5_conv1", 512, 512)]


def vgg_weights(offset, dtype=torch.float64):
    """The formula weights of the tests, indexed as Keras' files are: (kH,kW,I,O)."""
    weights = {}
    for name, i, o in VGG:
        scale = np.float32(math.sqrt(6 / (9 * i)))
        k = (hashed(9 * i * o, fnv(name + ".kernel") + offset) * 2 - 1).astype(np.float32) * scale
        b = (hashed(o, fnv(name + ".bias") + offset) * 2 - 1).astype(np.float32)
        weights[name] = (torch.from_numpy(k.reshape(3, 3, i, o)).permute(3, 2, 0, 1).contiguous().to(dtype),
                         torch.from_numpy(b).to(dtype))
    return weights


def vgg(weights, x, near=lambda x: None):
    """Content and the five styles' layers of images in [-1, 1]."""
    x = (x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x).flip(1) * 127.5 + 127.5
    x = x - torch.tensor([103.939, 116.779, 123.68], dtype=x.dtype).view(1, 3, 1, 1)
    content, styles = None, []
    for i, (name, _, _) in enumerate(VGG):
        if i and name.endswith("conv1"):
            x = F.max_pool2d(x, 2)
        w, b = weights[name]
        x = F.conv2d(x, w, b, padding=1)
        near(x)
        x = F.relu(x)
        if name.endswith("conv1"):
            styles.append(x)
        if name == "block4_conv2":
            content = x
    return content, styles


def gram(x):
    v = x.flatten(2)
    return v @ v.transpose(1, 2) / v.shape[2]


# ---- rounds

def adversarial(logits, real, by):
    if by == "l2":
        return (logits - (1.0 if real else 0.0)).pow(2).mean()
    return F.softplus(-logits if real else logits).mean()


class Game:
    """One training: o has generator, judge, by (bce, l2), the weights of sm_game_weights and the options of both
    networks (generator_opt, judge_opt, channels of a and b); weights of VGG-19 with content or style."""

    def __init__(self, store, o, vgg_weights=None):
        self.store, self.o, self.vgg = store, o, vgg_weights
        self.optims = None

    def l1(self, x, t):
        self.store.near(x - t)
        return (x - t).abs().mean()

    def generator(self, prefix, x, to):
        return run(self.store, self.o["generator"], prefix, x,
                   channels=self.o["channels"][to], **self.o["generator_opt"])[0]

    def judge(self, prefix, x):
        return run(self.store, self.o["judge"], prefix, x, **self.o["judge_opt"])

    def generators_losses(self, a, b):
        """Losses by name with their weights, and the images."""
        o, by = self.o, self.o["by"]
        if o["cycle_game"]:
            fake_b, fake_a = self.generator("g", a, 1), self.generator("f", b, 0)
            out = {}
            for d, fake, side in (("d", fake_b, "b"), ("e", fake_a, "a")):
                out["adversarial_" + side] = (adversarial(self.judge(d, fake)[0], True, by), o["adversarial"])
            if o["cycle"]:
                out["cycle_a"] = (self.l1(self.generator("f", fake_b, 0), a), o["cycle"])
                out["cycle_b"] = (self.l1(self.generator("g", fake_a, 1), b), o["cycle"])
            if o["identity"]:
                out["identity_a"] = (self.l1(self.generator("f", a, 0), a), o["identity"])
                out["identity_b"] = (self.l1(self.generator("g", b, 1), b), o["identity"])
            return out, (fake_b, fake_a)
        fake = self.generator("g", a, 1)
        z, features = self.judge("d", torch.cat([a, fake], 1))
        out = {"adversarial": (adversarial(z, True, by), o["adversarial"])}
        if o["l1"]:
            out["l1"] = (self.l1(fake, b), o["l1"])
        if o["perceptual"]:
            with torch.no_grad():
                real = self.judge("d", torch.cat([a, b], 1))[1]
            out["perceptual"] = (sum(self.l1(x, t) for x, t in zip(features, real)) / len(real), o["perceptual"])
        if o["content"] or o["style"]:
            of_fake = vgg(self.vgg, fake, self.store.near)
            with torch.no_grad():
                of_b = vgg(self.vgg, b)
            out["content"] = ((of_fake[0] - of_b[0]).pow(2).mean(), o["content"])
            out["style"] = (sum((gram(x) - gram(t)).pow(2).mean() for x, t in zip(of_fake[1], of_b[1])) / 5,
                            o["style"])
        return out, (fake,)

    def judges_losses(self, a, b, images):
        o, by, w = self.o, self.o["by"], self.o["judge_weight"]
        if o["cycle_game"]:
            sides = (("d", "_b", b, images[0]), ("e", "_a", a, images[1]))
        else:
            sides = (("d", "", torch.cat([a, b], 1), torch.cat([a, images[0]], 1)),)
        out = {}
        for d, side, real, fake in sides:
            out["real" + side] = (adversarial(self.judge(d, real)[0], True, by), w)
            out["fake" + side] = (adversarial(self.judge(d, fake)[0], False, by), w)
        return out

    def gradients(self, a, b):
        """Of one round: losses by name, "g" and "d" the totals; gradients stand in the parameters."""
        judges = self.store.under("de")
        for p in judges:
            p.requires_grad_(False)
        losses, images = self.generators_losses(a, b)
        total = sum(v * w for v, w in losses.values())
        total.backward()
        for p in self.store.under("de"):
            p.requires_grad_(True)
        of_judges = self.judges_losses(a, b, [i.detach() for i in images])
        second = sum(v * w for v, w in of_judges.values())
        second.backward()
        out = {"g": total, "d": second}
        out.update({n: v for n, (v, _) in {**losses, **of_judges}.items()})
        return {n: v.item() for n, v in out.items()}

    def make(self, a, b):
        """All parameters come into being."""
        with torch.no_grad():
            self.judges_losses(a, b, self.generators_losses(a, b)[1])

    def optimise(self, rate, beta1=0.5, **how):
        self.optims = [torch.optim.Adam(self.store.under(p), rate, betas=(beta1, 0.999), **how) for p in ("gf", "de")]

    def round(self, a, b):
        for optim in self.optims:
            optim.zero_grad(set_to_none=True)
        losses = self.gradients(a, b)
        for optim in self.optims:
            optim.step()
        return losses
