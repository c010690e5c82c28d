#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of fuzz_j2k: invented pictures of 9 x 9 pixels (coc: 17 x 17) as JPEG 2000 and HTJ2K.

usage: golden_j2k_seeds.py SEEDS_DIRECTORY    (needs imagecodecs from PyPI: OpenJPEG and OpenJPH)
"""
import os
import sys

import imagecodecs
import numpy

folder = os.path.join(sys.argv[1], "fuzz_j2k")
os.makedirs(folder, exist_ok=True)
y, x, s = numpy.mgrid[0:9, 0:9, 0:3]
v = x * y * 7 + s * 31 + (x > 4) * 90
gray, colour = (v[..., 0] % 256).astype("u1"), (v % 256).astype("u1")
deep, signed = (v[..., 0] * 50).astype("u2"), (v[..., 0] * 50 - 900).astype("i2")

# What the third byte of an input means (tests/fuzz/fuzz_j2k.c).
COLOUR, WIDE, SIGNED = 1, 2, 4
# The MEL code of HTJ2K never begins with 0xff 0x9f: OpenJPEG asserts that.
broken = bytearray(imagecodecs.htj2k_encode(deep))
broken[209:211] = b"\xff\x9f"
plain = {"codecformat": "j2k", "reversible": True, "level": 0}
# The number of levels in COC alone: COD says one less, with precincts of its own.
y, x = numpy.mgrid[0:17, 0:17]
coc = imagecodecs.jpeg2k_encode((x * y % 19 * 50).astype("u2"), **plain)
at = coc.find(b"\xff\x52")
cod = coc[at:at + 14]
coc = (coc[:at] + cod[:3] + bytes([12 + cod[9], 1]) + cod[5:9] + bytes([cod[9] - 1]) + cod[10:14] + b"\x88" * cod[9]
       + b"\xff\x53\x00\x09\x00\x00" + cod[9:14] + coc[at + 14:])
for name, form, stream in (
        ("gray", 0, imagecodecs.jpeg2k_encode(gray, **plain)),
        ("colour", COLOUR, imagecodecs.jpeg2k_encode(colour, **plain)),
        ("deep", WIDE, imagecodecs.jpeg2k_encode(deep, **plain)),
        ("signed", WIDE | SIGNED, imagecodecs.jpeg2k_encode(signed, **plain)),
        ("lossy", WIDE, imagecodecs.jpeg2k_encode(deep, codecformat="j2k", reversible=False, level=40)),
        ("flat", 0, imagecodecs.jpeg2k_encode(gray, resolutions=1, **plain)),
        ("coc", WIDE, coc),
        ("boxes", 0, imagecodecs.jpeg2k_encode(gray, codecformat="jp2", reversible=True, level=0)),
        ("ht", WIDE, imagecodecs.htj2k_encode(deep)),
        ("assertion", WIDE, broken),
        ("ht_signed", WIDE | SIGNED, imagecodecs.htj2k_encode(signed)),
        ("ht_colour", COLOUR, imagecodecs.htj2k_encode(colour))):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(bytes([16, 16, form] if name == "coc" else [8, 8, form]) + bytes(stream))
