#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training metrics by the original notebook's formulas in numpy, for tests/golden/metrics.txt.

Two steps of softmax (4 channels) and of sigmoid (3 channels); outputs and targets are made from small whole numbers,
which the test makes again. Lines: head, then name value. Run: scripts/golden_metrics.py > tests/golden/metrics.txt
"""
import numpy as np


def data(channels, voxels, step, softmax):
    i = np.arange(voxels * channels).reshape(voxels, channels)
    raw = ((i * 7919 + step * 104729) % 1009 + 1).astype(np.float32)
    p = raw / raw.sum(1, keepdims=True) if softmax else raw / np.float32(1010)
    label = (np.arange(voxels) * 31 + step * 17) % 97 % 4
    first = 0 if softmax else 1
    t = np.stack([(label == c + first) for c in range(channels)], 1).astype(np.float32)
    return p.astype(np.float32).astype(np.float64), t.astype(np.float64)


def rnd(v):
    return np.round(np.clip(v, 0, 1))  # as K.round: half to even


def step_values(p, t, first):
    out = {"dice_coef": np.mean([(2 * (t[:, c] * p[:, c]).sum() + 1) / (t[:, c].sum() + p[:, c].sum() + 1)
                                 for c in range(p.shape[1])])}
    for c in range(first, p.shape[1]):
        out["dice_coef_%d" % (c + 1 - first)] = 2 * (t[:, c] * p[:, c]).sum() / (
            (t[:, c] ** 2).sum() + (p[:, c] ** 2).sum() + 1e-6)
    tp = rnd(t * p).sum()
    out["precision"] = tp / (rnd(p).sum() + 1e-7)
    out["sensitivity"] = tp / (rnd(t).sum() + 1e-7)
    out["specificity"] = rnd((1 - t) * (1 - p)).sum() / (rnd(1 - t).sum() + 1e-7)
    return out


for softmax in (True, False):
    k = 4 if softmax else 3
    sizes = (500, 300)
    values, ps, ts = [], [], []
    for s, n in enumerate(sizes):
        p, t = data(k, n, s, softmax)
        values.append(step_values(p, t, 1 if softmax else 0))
        ps.append(p)
        ts.append(t)
    p, t = np.concatenate(ps), np.concatenate(ts)
    print("softmax" if softmax else "sigmoid", k)
    if softmax:
        pick, truth = p.argmax(1), t.argmax(1)
        accuracy = (pick == truth).mean()
        both = [((pick == c) & (truth == c)).sum() for c in range(k)]
        either = [((pick == c) | (truth == c)).sum() for c in range(k)]
    else:
        accuracy = ((p > 0.5) == (t > 0.5)).mean()
        both = [((p[:, c] > 0.5) & (t[:, c] > 0.5)).sum() for c in range(k)]
        either = [((p[:, c] > 0.5) | (t[:, c] > 0.5)).sum() for c in range(k)]
    print("accuracy %.15g" % accuracy)
    print("mean_iou %.15g" % np.mean([b / e for b, e in zip(both, either) if e]))
    for name in values[0]:  # steps of 5 and 3 samples
        print("%s %.15g" % (name, (5 * values[0][name] + 3 * values[1][name]) / 8))
