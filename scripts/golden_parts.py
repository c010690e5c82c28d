#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Connected parts of made-up masks by scipy.ndimage.label: tests/golden/parts.txt for tests/unit/test_components.c.

usage: golden_parts.py >tests/golden/parts.txt
Each line: nx ny nz seed share(of 1000) neighbours, number of parts, voxels, and the sizes of the parts, largest first, up to 8.
"""
import numpy as np
from scipy import ndimage


def mask(nx, ny, nz, seed, share):
    """The same numbers as in the test: a 32-bit LCG, x fastest."""
    out = np.empty(nx * ny * nz, np.uint8)
    state = seed
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = (state >> 16) % 1000 < share
    return out.reshape(nz, ny, nx)


for shape in ((7, 5, 3), (31, 17, 12), (64, 40, 9), (1, 20, 20), (50, 1, 1)):
    for seed, share in ((1, 100), (2, 250), (3, 320), (4, 500), (5, 900)):
        for rank, name in ((1, 6), (2, 18), (3, 26)):
            m = mask(*shape, seed, share)
            parts, n = ndimage.label(m, ndimage.generate_binary_structure(3, rank))
            sizes = sorted(np.bincount(parts.ravel())[1:], reverse=True)[:8]
            print(*shape, seed, share, name, n, int(m.sum()), *sizes)
