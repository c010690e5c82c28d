#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of fuzz_dicom and fuzz_dicom_jpeg: small invented pictures in every syntax.

usage: golden_dicom_seeds.py SEEDS_DIRECTORY    (needs pydicom and DCMTK's dcmcjpeg, dcmcjpls, dcmcrle)
"""
import os
import subprocess
import sys
import tempfile

import numpy
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_pixel_data_frame
from pydicom.sequence import Sequence

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def picture(syntax, bits, samples, frames, size=9):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.file_meta.TransferSyntaxUID = syntax
    ds.is_little_endian, ds.is_implicit_VR = syntax != BIG, syntax == IMPLICIT
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.7", "1.2.3", "OT"
    item, inner = Dataset(), Dataset()
    inner.ImagePositionPatient = [1, 2.5, -3e1]
    item.PlanePositionSequence = Sequence([inner])
    ds.PerFrameFunctionalGroupsSequence = Sequence([item, item])
    block = ds.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0E, "FL", 1.5)
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.NumberOfFrames = size, size, samples, frames
    ds.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16 if bits > 8 else 8, bits, bits - 1
    ds.PixelRepresentation = 0
    y, x, s = numpy.mgrid[0:size * frames, 0:size, 0:samples]
    v = (x * y * 7 + s * 31 + (x > 4) * 90) % (1 << min(bits, 10))
    dtype = "u1" if bits <= 8 else ">u2" if syntax == BIG else "<u2"
    data = v.astype(dtype).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    return ds


def main():
    root = sys.argv[1]
    files, streams = os.path.join(root, "fuzz_dicom"), os.path.join(root, "fuzz_dicom_jpeg")
    for folder in (files, streams):
        os.makedirs(folder, exist_ok=True)
    for name, syntax, bits, samples, frames in (
            ("explicit", EXPLICIT, 12, 1, 2), ("implicit", IMPLICIT, 16, 1, 1), ("big", BIG, 16, 1, 2),
            ("deflated", DEFLATED, 8, 1, 2), ("colour", EXPLICIT, 8, 3, 1)):
        picture(syntax, bits, samples, frames).save_as(os.path.join(files, name),
                                                       write_like_original=False)
    with tempfile.TemporaryDirectory() as tmp:
        source, packed = os.path.join(tmp, "in"), os.path.join(tmp, "out")
        for name, bits, samples, ls, command in (
                ("baseline", 8, 1, 0, ["dcmcjpeg", "+eb"]), ("colour", 8, 3, 0, ["dcmcjpeg", "+eb"]),
                ("extended", 12, 1, 0, ["dcmcjpeg", "+ee"]), ("lossless", 16, 1, 0, ["dcmcjpeg", "+e1"]),
                ("lossless6", 12, 1, 0, ["dcmcjpeg", "+el", "+sv", "6"]),
                ("ls", 16, 1, 4, ["dcmcjpls"]), ("ls7", 8, 1, 4, ["dcmcjpls", "+en", "+md", "2"]),
                ("ls_colour", 8, 3, 4, ["dcmcjpls"]), ("rle", 16, 1, None, ["dcmcrle"])):
            picture(EXPLICIT, bits, samples, 2).save_as(source, write_like_original=False)
            subprocess.run(command + [source, packed], check=True)
            with open(packed, "rb") as f:
                whole = f.read()
            if ls is None or name in ("lossless", "ls"):
                with open(os.path.join(files, name), "wb") as f:
                    f.write(whole)
            if ls is None:
                continue
            ds = pydicom.dcmread(packed)
            frame = next(generate_pixel_data_frame(ds.PixelData, 2))
            form = (samples == 3) | (2 if bits > 8 else 0) | ls
            with open(os.path.join(streams, name), "wb") as f:
                f.write(bytes([8, 8, form]) + frame)


main()
