#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Statistics by scipy and numpy, for tests/golden/stats.txt.

Samples are made from small whole numbers, which the test makes again. The draws of the bootstrap and of the permutation
test are those of core/rng.h, made again here, so that scipy's intervals of the same draws can be compared to the last
digits. Lines: what, its arguments, values. Run: scripts/golden_stats.py > tests/golden/stats.txt
"""
import mpmath
import numpy as np
import scipy
from scipy import special, stats

M64 = (1 << 64) - 1


def sample(n, which, steps):
    """n values in 0..1; steps > 0: only multiples of 1/steps, so that there are ties."""
    i = np.arange(n)
    v = (i * (7919 + 613 * which) + i * i * (31 + 17 * which) + which * 104729) % 1009
    return v * (steps + 1) // 1009 / steps if steps else v / 1009


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def absorb(h, text):
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & M64
    return mix((h + len(text)) & M64)


class Stream:
    """core/rng.h: sm_rng_init, sm_rng_u32, sm_rng_below."""

    def __init__(self, seed, purpose, item, index):
        h = absorb(absorb(0xCBF29CE484222325, purpose), item)
        h = mix(h ^ mix(0x9E3779B97F4A7C15))
        h = mix(h ^ mix((index + 0xD1B54A32D192ED03) & M64))
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.high = (h & 0xFFFFFFFF, h >> 32)
        self.block, self.words = 0, []

    def u32(self):
        if not self.words:
            c = [self.block & 0xFFFFFFFF, self.block >> 32, *self.high]
            k0, k1 = self.key
            for _ in range(10):
                p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
                c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
                k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
            self.block += 1
            self.words = c
        return self.words.pop(0)

    def below(self, n):
        m = self.u32() * n
        if m & 0xFFFFFFFF < n:
            floor = ((1 << 32) - n) % n
            while m & 0xFFFFFFFF < floor:
                m = self.u32() * n
        return m >> 32


class Drawn:
    def __init__(self, values):
        self.bootstrap_distribution = values


def bca(sums, counts, seed, name, resamples):
    n = len(sums)
    draws = np.empty(resamples)
    for b in range(resamples):
        s = Stream(seed, "bootstrap", name, b)
        k = [s.below(n) for _ in range(n)]
        draws[b] = sums[k].sum() / counts[k].sum()

    def mean(k, axis=-1):
        return sums[k].sum(axis=axis) / counts[k].sum(axis=axis)

    r = stats.bootstrap((np.arange(n),), mean, n_resamples=0, bootstrap_result=Drawn(draws), method="BCa",
                        vectorized=True, confidence_level=0.95)
    return r.confidence_interval


def t_quantile(p, df):
    """scipy's stats.t.ppf is right to 1e-10 only; made exact here."""
    with mpmath.workdps(40):
        def above(t):
            x = df / (df + t * t)
            return mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, x, regularized=True) / 2 - (1 - mpmath.mpf(p))
        return float(mpmath.findroot(above, float(stats.t.ppf(p, df))))


def show(*words):
    print(*[("%.17g" % w) if isinstance(w, (float, np.floating)) else w for w in words])


print("# scipy", scipy.__version__, "numpy", np.__version__)
for n in (1, 2, 5, 10, 57):
    for q in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        show("quantile", n, q, np.quantile(sample(n, 1, 0), q))
for z in (-9.5, -4.25, -2.0, -1.0, -0.125, 0.0, 0.5, 1.96, 2.5, 3.0, 6.0, 8.5, 12.0):
    show("normal", z, stats.norm.cdf(z), stats.norm.sf(z))
for df in (1, 2, 3, 7, 10, 29, 100, 399, 401, 5000):
    for p in (0.6, 0.95, 0.975, 0.9995):
        show("student", df, p, t_quantile(p, df))
for n in (1, 2, 3, 6, 13, 14, 25, 50, 51, 200):
    for steps in (0, 4, 10, 50):
        a, b = sample(n, 1, steps), sample(n, 5, steps) * (0 if n == 3 else 1)
        # Of the whole numbers behind the samples: scipy ranks what it is given, and k/10 - j/10 differs by rounding.
        with np.errstate(all="ignore"):
            r = stats.wilcoxon(np.rint(a * (steps or 1009)) - np.rint(b * (steps or 1009)))
        show("wilcoxon", n, steps, float(r.statistic), float(r.pvalue))
for n in (2, 5, 9, 12, 13):
    for steps in (0, 4):
        a, b = sample(n, 2, steps), sample(n, 9, steps)
        r = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=10**6)
        show("signs", n, steps, float(r.statistic), float(r.pvalue))
for n in (20, 60):
    a, b = sample(n, 2, 0) * 0.8, sample(n, 9, 0)
    d, far, draws = a - b, 0, 2000
    for k in range(draws):
        s, word, total = Stream(7, "permutation", "wt/dice", k), 0, 0.0
        for i in range(n):
            word = word >> 1 if i % 32 else s.u32()
            total += -d[i] if word & 1 else d[i]
        far += abs(total) >= abs(d.sum()) * (1 - 1e-12)
    show("drawn", n, draws, d.mean(), (1 + far) / (1 + draws))
for n, seed, resamples in ((3, 0, 300), (10, 1, 1000), (40, 20261122, 1000), (100, 1 << 40, 600)):
    v = sample(n, 3, 0) ** 2
    show("bca", n, seed, resamples, *bca(v, np.ones(n), seed, "wt/dice", resamples))
for n, patients in ((12, 5), (60, 17)):
    v = sample(n, 3, 0)
    c = (np.arange(n) * 7 + 3) % patients
    sums = np.array([v[c == k].sum() for k in range(patients)])
    counts = np.array([(c == k).sum() for k in range(patients)])
    show("clusters", n, patients, 11, 800, *bca(sums, counts, 11, "et/hd95", 800))
for n in (2, 5, 30):
    a, b = sample(n, 1, 0) * 90, sample(n, 1, 0) * 100 + sample(n, 4, 0)
    d, mean = a - b, (a + b) / 2
    sd, t, z = d.std(ddof=1), t_quantile(0.975, n - 1), special.ndtri(0.975)
    half, out = t * sd / n**0.5, t * sd * (1 / n + z * z / (2 * (n - 1)))**0.5
    low, high = d.mean() - z * sd, d.mean() + z * sd
    show("agreement", n, d.mean(), sd, low, high, d.mean() - half, d.mean() + half, low - out, low + out, high - out,
         high + out, stats.linregress(mean, d).slope)
for n in (1, 2, 33):
    v = sample(n, 6, 0)
    show("spread", n, v.mean(), v.std(ddof=1) if n > 1 else float("nan"), np.median(v), *np.quantile(v, (0.25, 0.75)),
         v.min(), v.max())
