#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden values for test_augment: moves of a small sample by scipy.ndimage, one resampling each.

  /usr/bin/python3 scripts/golden_augment.py > tests/golden/augment.txt

Picture and labels are made by formulas that the test has too. A voxel whose label is not clear
(two shares within 1e-4) is written as -1.
"""
import numpy as np
from scipy import ndimage

D, H, W = 5, 8, 9
z, y, x = np.meshgrid(np.arange(D), np.arange(H), np.arange(W), indexing="ij")
picture = ((7 * z + 13 * y + 29 * x + 3 * z * x + y * y) % 101) / 100.0
labels = (z // 2 + y // 3 + x // 4) % 4
middle = np.array([(D - 1) / 2, (H - 1) / 2, (W - 1) / 2])


def rotation(about_z, about_y, about_x):
    def turn(b, c, degrees):
        m = np.eye(3)
        a = np.deg2rad(degrees)
        m[b, b] = m[c, c] = np.cos(a)
        m[b, c], m[c, b] = -np.sin(a), np.sin(a)
        return m

    return turn(1, 2, about_z) @ turn(0, 2, about_y) @ turn(0, 1, about_x)


def bspline(d):
    d = np.abs(d)
    return np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, np.where(d < 2, (2 - d) ** 3 / 6, 0.0))


def displacement(control, spacing):
    """control: (3, gz, gy, gx); point k stands at (k - 1) spacing."""
    u = np.zeros((3, D, H, W))
    weights = []
    for n, points in zip((D, H, W), control.shape[1:]):
        at = np.arange(n)[:, None] / spacing - (np.arange(points)[None, :] - 1)
        weights.append(np.ones((n, 1)) if points == 1 else bspline(at))
    for c in range(3):
        u[c] = np.einsum("abc,za,yb,xc->zyx", control[c], *weights)
    return u


def write(name, m, t, control=None, spacing=4.0, zero=False):
    grid = np.stack([z, y, x]).astype(float)
    u = displacement(control, spacing) if control is not None else 0
    rel = grid - middle[:, None, None, None] + u
    at = np.einsum("ab,bzyx->azyx", m, rel) + (middle + t)[:, None, None, None]
    mode = "constant" if zero else "nearest"
    moved = ndimage.map_coordinates(picture, at, order=1, mode=mode, cval=0.0)
    shares = np.stack(
        [ndimage.map_coordinates((labels == k).astype(float), at, order=1, mode=mode, cval=float(k == 0)) for k in range(4)]
    )
    best = shares.argmax(0)
    ordered = np.sort(shares, 0)
    best[ordered[-1] - ordered[-2] < 1e-4] = -1
    shape = control.shape[1:] if control is not None else (0, 0, 0)
    print(name, int(zero), spacing, *shape)
    print(*[repr(float(v)) for v in np.asarray(m).ravel()], *[float(v) for v in t])
    if control is not None:
        print(*[repr(float(v)) for v in control.ravel()])
    print(*["%.7g" % v for v in moved.ravel()])
    print(*best.ravel())


def main():
    rng = np.random.RandomState(5)
    still = np.zeros(3)
    plane = rng.normal(0, 0.9, (3, 1, 5, 6)).clip(-1.6, 1.6)
    plane[0] = 0
    solid = rng.normal(0, 0.9, (3, 5, 5, 6)).clip(-1.6, 1.6)
    print(D, H, W)
    write("rotation", rotation(20, -15, 33), still)
    write("rotation_plane", rotation(77, 0, 0), still, zero=True)
    write("scaling", np.diag([0.8, 0.8, 0.8]), still)
    write("scaling_axes", np.diag([1.3, 0.75, 1.1]), still, zero=True)
    write("translation", np.eye(3), np.array([0.4, -2.25, 3.7]))
    write("elastic", np.eye(3), still, solid)
    write("elastic_plane", np.eye(3), still, plane)
    write("all", rotation(-25, 12, 8) @ np.diag([1.2, 0.9, 0.9]), np.array([0.3, 1.1, -0.6]), solid)
    for sigma in (0.5, 1.1, 2.0):
        print("blur", sigma)
        blurred = ndimage.gaussian_filter(picture, sigma, mode="reflect", truncate=4.0)
        print(*["%.7g" % v for v in blurred.ravel()])
    for zoom in (0.5, 0.62, 0.9):
        print("lower", zoom)
        size = [max(1, int(n * zoom + 0.5)) for n in (D, H, W)]
        take = [np.floor((np.arange(m) + 0.5) * n / m).astype(int) for m, n in zip(size, (D, H, W))]
        small = picture[np.ix_(*take)]
        back = np.meshgrid(*[(np.arange(n) + 0.5) * m / n - 0.5 for m, n in zip(size, (D, H, W))], indexing="ij")
        print(*["%.7g" % v for v in ndimage.map_coordinates(small, back, order=1, mode="nearest").ravel()])


main()
