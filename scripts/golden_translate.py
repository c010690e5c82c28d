#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/translate_games.txt and tests/golden/translate_vgg.txt for tests/unit/test_translate_torch.c and
test_translate_vgg.c: the losses of three rounds of each system (Adam 2e-4, beta1 0.5, eps 1e-4: where a gradient is zero but for rounding a
weight then stays) and gradients of the first, narrow networks on small images, in float64 by PyTorch (translate_nets.py);
parameters of the networks at full width; VGG-19's features on a 32x32 image. Weights and images come from a counter
hash on both sides. Of 24 hash offsets that is taken at which no activation of the first round stands near its kink
(`margin` in translate_nets.py): float32 can then be held to tight bounds. VGG has a million of activations more, some always near:
with it that offset is taken whose gradients change least when the images do by a millionth.

usage: scripts/golden_translate.py tests/golden"""
import os
import sys

import numpy as np
import torch

import translate_nets as nets

OFFSETS, ROUNDS = 24, 3
ZERO = dict(adversarial=1.0, l1=0.0, cycle=0.0, identity=0.0, perceptual=0.0, content=0.0, style=0.0, judge=1.0)
U = dict(levels=6)

# name, side of the images, cyclegan, generator, its options, judge, its options, by, channels, weights
SYSTEMS = [
    ("mammo", 64, 0, "pix2pix", U, "patch94", {}, "bce", (3, 3), dict(l1=100)),
    ("paper", 64, 0, "pix2pix", dict(U, slope=0.2), "patch70", {}, "bce", (3, 3), dict(l1=100, judge=0.5)),
    ("medcyclegan", 64, 1, "casnet", dict(U, chain=3), "judge3", {}, "bce", (1, 1),
     dict(cycle=10, identity=5, judge=0.5)),
    ("lsgan", 32, 1, "resnet", dict(blocks=9), "patch70", dict(norm="instance"), "l2", (3, 3),
     dict(cycle=10, identity=5, judge=0.5)),
    ("ct2ct", 64, 0, "pix2pix", dict(U, slope=0.3), "patch94", {}, "bce", (1, 1), dict(l1=50)),
    ("medgan", 64, 0, "casnet", dict(U, chain=2), "patch70", {}, "bce", (1, 1), dict(perceptual=20)),
    ("resize", 32, 1, "resnet", dict(blocks=2, resize=True), "patch70", {}, "l2", (3, 1), dict(cycle=10, judge=0.5)),
    ("vgg", 64, 0, "pix2pix", dict(U, resize=True, norm="instance"), "patch94", {}, "bce", (3, 3),
     dict(l1=1, content=1e-3, style=1e-5)),
]
COUNTS = [("pix2pix", 3, 3, 0), ("pix2pix", 1, 1, 0), ("casnet", 1, 1, 3), ("casnet", 1, 1, 6), ("resnet", 3, 3, 0),
          ("patch94", 6, 0, 0), ("patch94", 2, 0, 0), ("patch70", 6, 0, 0), ("judge3", 1, 0, 0)]
WIDTH = 0.125


def image(channels, start, side, dtype=torch.float64):
    """Values in [-1, 1) by their place in (H,W,C)."""
    v = nets.hashed(side * side * channels, start) * 2 - 1
    v = torch.from_numpy(v.astype(np.float32)).view(1, side, side, channels)
    return v.permute(0, 3, 1, 2).contiguous().to(dtype)


def play(system, offset, dtype, rounds, other=0):
    """Losses of the rounds, the first round's gradients, and the margin; other: number of a noise of a millionth on the images."""
    name, side, cycle, generator, gopt, judge, jopt, by, channels, weights = system
    w = {**ZERO, **weights}
    o = dict(w, cycle_game=cycle, generator=generator, judge=judge, by=by, channels=channels,
             judge_weight=w["judge"], generator_opt=dict(gopt, width=WIDTH, dropout=0.0),
             judge_opt=dict(jopt, width=WIDTH))
    store = nets.Store("hash", dtype, offset)
    vgg = nets.vgg_weights(0, dtype) if w["content"] else None
    game = nets.Game(store, o, vgg)
    a, b = (image(channels[i], 10 ** 7 * (i + 1) + offset, side, dtype) for i in range(2))
    if other:
        noise = 1e-6 * image(1, 10 ** 8 * other, side, dtype)
        a, b = a * (1 + noise), b * (1 - noise)
    game.make(a, b)
    game.optimise(2e-4, eps=1e-4)
    losses, gradients = [], None
    for r in range(rounds):
        losses.append(game.round(a, b))
        if r == 0:
            gradients = {n: p.grad.detach().double().numpy().copy() for n, p in store.named.items()}
    return losses, gradients, store.margin


def drift(system, offset):
    """How far float32 is from float64 after all rounds, relative to the first round's losses."""
    x, y = (play(system, offset, t, ROUNDS)[0] for t in (torch.float32, torch.float64))
    return max(abs(x[r][n] - y[r][n]) / abs(y[0][n]) for r in range(ROUNDS) for n in y[0])


def chosen(gradients):
    """Of each player: parameters of the first and last layers, and a norm between."""
    out = []
    for player in "gfde":
        names = [n for n in gradients if n.startswith(player + ".")]
        norms = [n for n in names if ".norm" in n and n.endswith("weight")]
        for n in names[:1] + norms[len(norms) // 2:len(norms) // 2 + 1] + names[-2:]:
            if n not in out:
                out.append(n)
    return out


def moved(system, offset):
    """How far the gradients of chosen() go from their place by changes of the images that should not matter."""
    base, worst = play(system, offset, torch.float64, 1)[1], 0
    for k in range(1, 7):
        g = play(system, offset, torch.float64, 1, k)[1]
        worst = max([worst] + [np.abs(g[n] - base[n]).max() / np.sqrt(np.mean(base[n] ** 2)) for n in chosen(base)])
        if worst > 1e-3:
            break
    return worst


def show(out, tag, v):
    v = np.asarray(v).ravel()
    n = v.size
    out.write(f"{tag} {n} {np.linalg.norm(v):.9e} " + " ".join(f"{v[q * n // 5]:.9e}" for q in range(5)) + "\n")


def games(out):
    out.write(f"# torch {torch.__version__.split('+')[0]}, float64\n"
              "# count NETWORK IN OUT CHAIN PARAMETERS\n"
              "# game NAME SIDE CYCLE GENERATOR norm levels chain blocks slope resize JUDGE norm BY A B  adversarial l1 cycle "
              "identity perceptual content style judge OFFSET\n"
              "# loss NAME LOSS round 1 2 3;  grad NAME PARAMETER COUNT NORM and 5 values at q * COUNT / 5\n"
              "# all NAME PLAYER norm of all its gradients\n")
    for name, cin, cout, chain in COUNTS:
        store = nets.Store("none", torch.float32)
        with torch.no_grad():
            nets.run(store, name, "n", torch.zeros(1, cin, 256, 256), channels=cout, **({"chain": chain} if chain else {}))
        out.write(f"count {name} {cin} {cout} {chain} {sum(p.numel() for p in store.named.values())}\n")
    for system in SYSTEMS:
        name, side, cycle, generator, gopt, judge, jopt, by, channels, weights = system
        offsets = sorted(range(OFFSETS), key=lambda i: -play(system, i, torch.float64, 1)[2])
        # Instance norm of few voxels makes much of little in later rounds: of the best the least so.
        offset = min(offsets[:6], key=lambda i: drift(system, i)) if generator == "resnet" else offsets[0]
        if system[-1].get("content"):
            offset = min(range(OFFSETS), key=lambda i: moved(system, i))
        losses, gradients, margin = play(system, offset, torch.float64, ROUNDS)
        print(f"{name}: offset {offset}, margin {margin:.1e}, drift {drift(system, offset):.1e}", file=sys.stderr)
        w = {**ZERO, **weights}
        get = lambda o, key, none: o.get(key, none)
        out.write(f"game {name} {side} {cycle} {generator} {get(gopt, 'norm', 'auto')} {get(gopt, 'levels', 0)} "
                  f"{get(gopt, 'chain', 0)} {get(gopt, 'blocks', 0)} {get(gopt, 'slope', -1)} "
                  f"{int(get(gopt, 'resize', 0))} {judge} {get(jopt, 'norm', 'auto')} {by} {channels[0]} {channels[1]} "
                  + " ".join(f"{w[k]:g}" for k in ZERO) + f" {offset}\n")
        for n in losses[0]:
            out.write(f"loss {name} {n} " + " ".join(f"{l[n]:.9e}" for l in losses) + "\n")
        for n in chosen(gradients):
            show(out, f"grad {name} {n}", gradients[n])
        for player in "gfde":
            of = [np.sum(v ** 2) for n, v in gradients.items() if n.startswith(player + ".")]
            if of:
                out.write(f"all {name} {player} {np.sqrt(sum(of)):.9e}\n")


def features(out):
    out.write(f"# torch {torch.__version__.split('+')[0]}, float64: VGG-19 with formula weights on 32x32 images\n"
              "# CHANNELS LAYER COUNT NORM and 5 values at q * COUNT / 5 of (H,W,C), or of the Gram matrix\n")
    weights = nets.vgg_weights(0)
    for channels in (1, 3):
        content, styles = nets.vgg(weights, image(channels, 3 * 10 ** 7, 32))
        show(out, f"{channels} content", content.permute(0, 2, 3, 1).contiguous().numpy())
        for i, s in enumerate(styles):
            show(out, f"{channels} style{i + 1}", nets.gram(s).numpy())


def main():
    for name, make in (("translate_games.txt", games), ("translate_vgg.txt", features)):
        with open(os.path.join(sys.argv[1], name), "w") as out:
            make(out)


if __name__ == "__main__":
    main()
