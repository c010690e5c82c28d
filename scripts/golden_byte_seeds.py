#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of fuzz_nii, fuzz_rle and fuzz_deflate: invented volumes, RLE frames, deflate streams.

usage: golden_byte_seeds.py SEEDS_DIRECTORY    (needs nibabel and pydicom)
"""
import gzip
import io
import os
import sys
import zlib

import nibabel
import numpy
from pydicom.pixel_data_handlers.rle_handler import rle_encode_frame

# What the first byte of a fuzz_nii input means (tests/fuzz/fuzz_nii.c).
GZ, PAIR, MADE, WRAPPED, SFORM, QFORM, LABELS = 1, 2, 4, 16, 32, 64, 128


def volume(kind, shape, dtype, header):
    data = (numpy.arange(numpy.prod(shape)) % 5).reshape(shape, order="F").astype(dtype)
    image = kind(data, None)
    for key, value in header.items():
        image.header[key] = value
    return image


def swapped(image):
    return type(image)(numpy.asanyarray(image.dataobj), None, image.header.as_byteswapped(">"))


def pair_of(image):
    """Header and data of a .hdr and .img pair."""
    files = {name: nibabel.FileHolder(fileobj=io.BytesIO()) for name in ("header", "image")}
    image.to_file_map(files)
    return [files[name].fileobj.getvalue() for name in ("header", "image")]


def nii():
    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    axes = {"sform_code": 1, "srow_x": [-2, 0, 0, 9], "srow_y": [0, 2, 0, -9], "srow_z": [0, 0, 3, 1]}
    turned = {"qform_code": 1, "quatern_b": 0.6, "quatern_c": 0.0, "quatern_d": 0.0, "xyzt_units": 10}
    plain = volume(one, (3, 2, 2), "i2", axes)
    both = volume(one, (3, 2, 2), "f4", {**axes, **turned})
    real = volume(one, (3, 2, 2), "f4", turned)
    four = volume(one, (2, 2, 2, 3), "u1", {**turned, "intent_code": 1002})
    second = volume(two, (3, 2, 2), "f8", axes)
    noted = volume(one, (3, 2, 2), "i2", axes)
    noted.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"invented"))
    scaled = bytearray(plain.to_bytes())
    scaled[112:120] = numpy.array([0.5, -1], "<f4").tobytes()
    nan = bytearray(real.to_bytes())
    nan[352:356] = numpy.array([numpy.nan], "<f4").tobytes()
    head, data = pair_of(volume(nibabel.Nifti1Pair, (3, 2, 2), "i2", axes))
    seeds = {
        "int16": (0, plain.to_bytes()), "disagree": (QFORM, both.to_bytes()), "time": (SFORM, four.to_bytes()),
        "nifti2": (0, second.to_bytes()), "big": (0, swapped(plain).to_bytes()), "note": (0, noted.to_bytes()),
        "scaled": (0, bytes(scaled)), "nan": (0, bytes(nan)), "labels": (LABELS, four.to_bytes()),
        "complex": (0, volume(one, (2, 2, 2), "c8", axes).to_bytes()),
        "gz": (GZ, gzip.compress(plain.to_bytes(), 6, mtime=0)), "wrapped": (WRAPPED, plain.to_bytes()),
        "pair": (PAIR, len(head).to_bytes(2, "little") + head + data),
    }
    # Good files of the target's own making, one a type; byte order, version, pair, gzip in turn.
    for kind in range(16):
        how = MADE | (PAIR if kind % 3 == 0 else 0) | (WRAPPED if kind % 5 == 0 else 0)
        form = bytes([kind | (16 if kind & 1 else 0) | (32 if kind & 2 else 0), 0xFF, 1, 0])
        seeds[f"made{kind}"] = (how, (b"\0\0" if how & PAIR else b"") + form)
    return {name: bytes([how]) + rest for name, (how, rest) in seeds.items()}


def rle():
    at = numpy.arange(64)
    out = {}
    mixed = numpy.where(at < 32, 7, at * 31)
    for name, values in (("runs", at // 16 * 37), ("noise", at * 97 % 251), ("mixed", mixed)):
        for width in (1, 2, 4):
            out[f"{name}{width}"] = rle_encode_frame(values.astype(f"<u{width}").reshape(8, 8))
    return {name: bytes(stream) for name, stream in out.items()}


def deflate():
    text = bytes(i * i // 7 % 64 for i in range(300)) + b"abcabcabc" * 12
    ways = {"stored": (0, 0), "fast": (1, 0), "best": (9, 0), "huffman": (6, zlib.Z_HUFFMAN_ONLY),
            "rle": (6, zlib.Z_RLE), "fixed": (6, zlib.Z_FIXED)}
    out = {}
    for name, (level, strategy) in ways.items():
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
        out[name] = packer.compress(text) + packer.flush()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    out["blocks"] = b"".join(packer.compress(text[i:i + 100]) + packer.flush(zlib.Z_FULL_FLUSH)
                             for i in range(0, 400, 100)) + packer.flush()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    out["empty"] = packer.flush()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out["long"] = packer.compress(bytes(40000) + text) + packer.flush()
    return out


for target, seeds in (("fuzz_nii", nii()), ("fuzz_rle", rle()), ("fuzz_deflate", deflate())):
    folder = os.path.join(sys.argv[1], target)
    os.makedirs(folder, exist_ok=True)
    for name, content in seeds.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content)
