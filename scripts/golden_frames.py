#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden places of DICOM frames, for tests/unit/test_frames.c: pixels by pydicom, places by other converters.

    scripts/golden_frames.py [DATA] > tests/golden/frames.txt

DATA is the folder of test scans (default: $SM_SHARED_DATA or ../shared/data). Each frame's pixels (by
pydicom) are looked for in a NIfTI volume that somebody else made of the same series (the data's reference
where there is one, else dcm2niix, which must be on the PATH); the affine of the volume then says where
the frame's first pixel lies. One line a frame (first, second and last of each file): path, frame, LPS
position, unit vectors across and down, spacing x and y, slope and intercept of the volume. Frames whose
pixels are found in no slice or in several are left out.
"""
import glob
import hashlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
import warnings

import nibabel
import numpy
import pydicom
from PIL import Image

warnings.simplefilter("ignore")

# files of the series, volumes made of it ("" = by dcm2niix), tiles of a mosaic (0 = none)
SERIES = [
    ("mr_enhanced/In/Philips/*.dcm", "mr_enhanced/Ref/Philips*.nii", 0),
    ("mr_enhanced/In/Siemens/XA10/*.dcm", "mr_enhanced/Ref/Siemens*.nii", 0),
    ("mr_siemens_mosaic/In/mr_0003/*.dcm", "mr_siemens_mosaic/Ref/EPI_PE=AP_3.nii", 5),
    ("mr_siemens_mosaic/In/mr_0004/*.dcm", "mr_siemens_mosaic/Ref/EPI_PE=PA_4.nii", 5),
    ("mr_siemens_orient/In/ax/axasc35/*", "mr_siemens_orient/Ref/ax_asc_35sl_6.nii", 35),
    ("mr_siemens_orient/In/cor/cordesc36/*", "mr_siemens_orient/Ref/cor_desc_36sl_14.nii", 36),
    ("mr_siemens_orient/In/sag/sagasc35/*", "mr_siemens_orient/Ref/sag_asc_35sl_22.nii", 35),
    ("mr_siemens_orient/In/axmb/AxAsc36mb2a/*", "mr_siemens_orient/Ref/fMRI_MB_asc_25.nii", 36),
    ("mr_siemens_orient/In/axmb/AxInt36mb/*", "mr_siemens_orient/Ref/fMRI_MB_int_26.nii", 36),
    ("mr_ct_vendors/siemens_multiframe/anatomical/001/*.dcm",
     "mr_ct_vendors/siemens_multiframe/anatomical/001_ground_truth.nii.gz", 0),
    ("mr_ct_vendors/ge/anatomical/001/*.dcm", "mr_ct_vendors/ge/anatomical/001_ground_truth.nii.gz", 0),
    ("mr_ct_vendors/hitachi/anatomical/001/*.dcm",
     "mr_ct_vendors/hitachi/anatomical/001_ground_truth.nii.gz", 0),
    ("mr_ct_vendors/generic/compressed_rle/001/*.dcm",
     "mr_ct_vendors/generic/compressed_rle/001_ground_truth.nii.gz", 0),
    ("mr_t1_philips/dicom/*.dcm", "", 0),
    ("pet_acrin_flt/pt_wholebody.dcm", "", 0),
    ("sts_ct_mr_pet/dicom/STS_008/MR_T1/image/*.dcm", "", 0),
]
LPS = numpy.diag([-1.0, -1.0, 1.0])


def convert(files, folder):
    source = os.path.join(folder, "in")
    os.mkdir(source)
    for number, path in enumerate(files):
        os.symlink(os.path.abspath(path), os.path.join(source, "%05d.dcm" % number))
    subprocess.run(["dcm2niix", "-b", "n", "-o", folder, source], check=True, stdout=subprocess.DEVNULL)
    return sorted(glob.glob(os.path.join(folder, "*.nii")))


def slices(paths):
    """Every slice across any axis, its pixels read in all eight ways, and the place of each."""
    found = {}
    for path in paths:
        image = nibabel.load(path)
        data = numpy.asarray(image.dataobj.get_unscaled())
        data = data.reshape(data.shape[:3] + (-1,))
        for normal in range(3):
            i, j = [axis for axis in range(3) if axis != normal]
            for k in range(data.shape[normal]):
                for t in range(data.shape[3]):
                    plane = numpy.take(data[..., t], k, axis=normal)
                    for swap, flip_i, flip_j in itertools.product((False, True), repeat=3):
                        a = plane[::-1] if flip_i else plane
                        a = a[:, ::-1] if flip_j else a
                        at = numpy.zeros(4)
                        at[i] = data.shape[i] - 1 if flip_i else 0
                        at[j] = data.shape[j] - 1 if flip_j else 0
                        at[normal], at[3] = k, 1
                        along_i = LPS @ image.affine[:3, i] * (-1 if flip_i else 1)
                        along_j = LPS @ image.affine[:3, j] * (-1 if flip_j else 1)
                        across, down = (along_j, along_i) if swap else (along_i, along_j)
                        rows = a if swap else a.T
                        place = (LPS @ (image.affine @ at)[:3], across, down,
                                 image.dataobj.slope, image.dataobj.inter)
                        found.setdefault(key_of(rows), []).append(place)
    return found


def key_of(rows):
    return rows.shape, hashlib.sha256(numpy.ascontiguousarray(rows, dtype=numpy.int32).tobytes()).digest()


def decode(data, path):
    """Uncompressed pixels by pydicom; JPEG by dcmdjpeg, JPEG 2000 by Pillow."""
    syntax = data.file_meta.TransferSyntaxUID
    if syntax in (pydicom.uid.JPEG2000Lossless, pydicom.uid.JPEG2000):
        stream = b"".join(pydicom.encaps.decode_data_sequence(data.PixelData))
        pixels = numpy.asarray(Image.open(io.BytesIO(stream))).astype(numpy.int32)
        return pixels >> (16 - data.BitsStored)  # Pillow fills 16 bits
    if syntax in pydicom.uid.JPEGTransferSyntaxes:
        with tempfile.TemporaryDirectory() as folder:
            plain = os.path.join(folder, "plain.dcm")
            subprocess.run(["dcmdjpeg", path, plain], check=True)
            return pydicom.dcmread(plain).pixel_array
    return data.pixel_array


def pictures(path, tiles):
    data = pydicom.dcmread(path)
    pixels = decode(data, path)
    if tiles:
        side = int(numpy.ceil(numpy.sqrt(tiles)))
        rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
        return [pixels[k // side * rows:k // side * rows + rows, k % side * columns:k % side * columns + columns]
                for k in range(tiles)]
    return list(pixels) if pixels.ndim == 3 else [pixels]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SM_SHARED_DATA", "../shared/data")
    print("# made by scripts/golden_frames.py with nibabel %s, pydicom %s" %
          (nibabel.__version__, pydicom.__version__))
    for pattern, reference, tiles in SERIES:
        files = sorted(glob.glob(os.path.join(root, pattern)))
        with tempfile.TemporaryDirectory() as folder:
            volumes = sorted(glob.glob(os.path.join(root, reference))) if reference else convert(files, folder)
            found = slices(volumes)
        if len(files) > 4:
            files = [files[0], files[1], files[-1]]
        for path in files:
            frames = pictures(path, tiles)
            for number in sorted({0, 1 % len(frames), len(frames) - 1}):
                frame = frames[number]
                places = found.get(key_of(frame), [])
                if len(places) != 1:
                    print("%s %d: found %d times" % (path, number, len(places)), file=sys.stderr)
                    continue
                position, across, down, slope, inter = places[0]
                spacing = [numpy.linalg.norm(across), numpy.linalg.norm(down)]
                numbers = [*position, *(across / spacing[0]), *(down / spacing[1]), *spacing, slope, inter]
                print(os.path.relpath(path, root), number, *("%.9g" % float(v) for v in numbers))


main()
