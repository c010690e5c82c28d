#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small HTJ2K DICOM files with closed-form pixels for tests/unit: 37 columns x 23 rows, value(x, y) =
((7 x + 13 y) ^ (x y)) & 0xfff, minus 1024 in the signed files. Code streams by OpenJPH through
imagecodecs (pip install imagecodecs), which shares no code with the OpenJPEG that reads them here.

    python3 scripts/golden_htj2k.py tests/golden
"""
import struct
import sys

import imagecodecs
import numpy

COLUMNS, ROWS = 37, 23


def picture(signed):
    y, x = numpy.mgrid[0:ROWS, 0:COLUMNS]
    value = ((7 * x + 13 * y) ^ (x * y)) & 0xFFF
    return (value - 1024).astype(numpy.int16) if signed else value.astype(numpy.uint16)


def element(group, number, vr, value):
    if isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    if isinstance(value, int):
        value = struct.pack("<H", value)
    if vr in ("OB", "OW"):
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def dicom(syntax, signed, stream):
    uid = f"2.25.77{syntax.split('.')[-1]}{int(signed)}"
    meta = element(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.4") + element(2, 3, "UI", uid) + element(2, 0x10, "UI", syntax)
    meta = element(2, 0, "UL", struct.pack("<I", len(meta))) + meta
    body = (
        element(0x08, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.4")
        + element(0x08, 0x18, "UI", uid)
        + element(0x08, 0x60, "CS", "MR")
        + element(0x18, 0x50, "DS", "2")
        + element(0x20, 0x0D, "UI", uid + ".1")
        + element(0x20, 0x0E, "UI", uid + ".2")
        + element(0x20, 0x32, "DS", "0\\0\\0")
        + element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0")
        + element(0x28, 0x02, "US", 1)
        + element(0x28, 0x04, "CS", "MONOCHROME2")
        + element(0x28, 0x10, "US", ROWS)
        + element(0x28, 0x11, "US", COLUMNS)
        + element(0x28, 0x30, "DS", "1\\1")
        + element(0x28, 0x100, "US", 16)
        + element(0x28, 0x101, "US", 16)
        + element(0x28, 0x102, "US", 15)
        + element(0x28, 0x103, "US", int(signed))
    )
    stream += b"\0" * (len(stream) % 2)
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    pixels += struct.pack("<HHI", 0xFFFE, 0xE000, len(stream)) + stream + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return b"\0" * 128 + b"DICM" + meta + body + pixels


for signed in (False, True):
    stream = imagecodecs.htj2k_encode(picture(signed))
    again = imagecodecs.htj2k_decode(stream)
    assert (again == picture(signed)).all()
    for last in ("201", "202", "203"):
        name = f"{sys.argv[1]}/htj2k_{last}_{'i16' if signed else 'u16'}.dcm"
        with open(name, "wb") as out:
            out.write(dicom("1.2.840.10008.1.2.4." + last, signed, bytes(stream)))
        print(name, len(stream))
