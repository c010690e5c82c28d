#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes eval/surfel_table.c: the surface inside a cube of 2 x 2 x 2 voxel centres for each of the 256 ways to set them.

From first principles (marching cubes, Lorensen and Cline 1987): the surface cuts an edge of the cube half way where one
of its ends is set and the other is not. On a face with two set corners across, the corners of the rarer kind are cut off,
each alone (with four of each kind the set ones). The cuts form closed polygons, and a polygon is divided into the
triangles of greatest total area. Areas of these triangles are those of DeepMind's surface-distance for every code and
every spacing (tests/unit/test_surface.c holds them to it), and they do not change under flips, turns of the axes and the
exchange of set and empty.

A triangle enters by the size of its normal along x, y and z in eighths of a voxel's face, parallel ones added up.

usage: scripts/make_surfels.py > eval/surfel_table.c"""
import itertools
import math

CORNERS = list(itertools.product((0, 1), repeat=3))


def bit(corner):
    return 128 >> (4 * corner[0] + 2 * corner[1] + corner[2])


def faces():
    for axis in range(3):
        u, v = [a for a in range(3) if a != axis]
        for side in (0, 1):
            ring = []
            for p, q in ((0, 0), (1, 0), (1, 1), (0, 1)):
                corner = [0, 0, 0]
                corner[axis], corner[u], corner[v] = side, p, q
                ring.append(tuple(corner))
            yield ring


def cuts(code):
    """Pairs of cut points (twice their place, so whole numbers) that a face joins."""
    rare = bin(code).count("1") <= 4
    for ring in faces():
        inside = [bool(code & bit(c)) for c in ring]
        middle = [tuple(a + b for a, b in zip(ring[i], ring[(i + 1) % 4])) for i in range(4)]
        cut = [i for i in range(4) if inside[i] != inside[(i + 1) % 4]]
        if len(cut) == 2:
            yield middle[cut[0]], middle[cut[1]]
        elif len(cut) == 4:
            for i in range(4):
                if inside[i] == rare:
                    yield middle[i - 1], middle[i]


def polygons(code):
    beside = {}
    for a, b in cuts(code):
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    while beside:
        start = min(beside)
        ring, before, at = [start], None, start
        while True:
            after = [p for p in beside[at] if p != before]
            before, at = at, min(after) if before is None else after[0]
            if at == start:
                break
            ring.append(at)
        for p in ring:
            del beside[p]
        yield ring


def divisions(first, last):
    """All ways to divide a convex ring first..last into triangles."""
    if last - first < 2:
        yield []
    for middle in range(first + 1, last):
        for left in divisions(first, middle):
            for right in divisions(middle, last):
                yield left + right + [(first, middle, last)]


def normal(a, b, c):
    """Eighths: half of the cross product of sides that are measured in halves."""
    u, v = [q - p for p, q in zip(a, b)], [q - p for p, q in zip(a, c)]
    return tuple(abs(u[i - 2] * v[i - 1] - u[i - 1] * v[i - 2]) for i in range(3))


def pieces(ring):
    best, most = None, -1
    for division in divisions(0, len(ring) - 1):
        normals = [normal(*(ring[i] for i in t)) for t in division]
        area = sum(math.sqrt(sum(x * x for x in n)) for n in normals)
        if area > most + 1e-9:
            best, most = normals, area
    return best


def merged(normals):
    total = {}
    for n in normals:
        step = math.gcd(*n)
        direction = tuple(x // step for x in n)
        total[direction] = total.get(direction, 0) + step
    return [tuple(x * k for x in d) for d, k in sorted(total.items())]


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by scripts/make_surfels.py: do not edit. */")
    print('#include "eval/surfel.h"\n')
    print("/* clang-format off */")
    print("const uint8_t sm_surfel_normals[256][SM_SURFEL_PIECES][3] = {")
    for code in range(1, 255):
        normals = merged([n for ring in polygons(code) for n in pieces(ring)])
        assert len(normals) <= 3
        print("\t[%d] = {%s}," % (code, ", ".join("{%d, %d, %d}" % n for n in normals)))
    print("};")


main()
