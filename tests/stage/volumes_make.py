# SPDX-License-Identifier: Apache-2.0
"""Series for volumes.t: `volumes_make.py OUT` writes them, `list DIR`, `grid DIR`
and `fields DIR NAME...` print what ingest made of one."""
import glob
import hashlib
import json
import os
import sys

import nibabel
import numpy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

SOP = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}


def uid(*text):
    return "2.25." + str(int(hashlib.sha256("/".join(map(str, text)).encode()).hexdigest()[:24], 16))


class Series:
    def __init__(self, out, name, modality):
        self.dir, self.name, self.modality, self.n = f"{out}/{name}", name, modality, 0
        os.makedirs(self.dir)

    def slice(self, z, value, ori=(1, 0, 0, 0, 1, 0), pos=None, **extra):
        self.n += 1
        d, meta = Dataset(), FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = d.SOPClassUID = SOP[self.modality]
        meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID = uid(self.name, self.n)
        d.file_meta = meta
        d.StudyInstanceUID, d.SeriesInstanceUID = uid(self.name, "study"), uid(self.name, "series")
        d.FrameOfReferenceUID = uid(self.name, "frame")
        d.Modality, d.PatientID, d.StudyDate, d.InstanceNumber = self.modality, "P", "20200101", self.n
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if self.modality == "CT" else "M"]
        d.Rows = d.Columns = 8
        d.PixelSpacing, d.SliceThickness = [1, 1], 2
        d.ImageOrientationPatient = list(ori)
        d.ImagePositionPatient = list(pos) if pos else [-4, -4, float(z)]
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
        if self.modality == "CT":
            d.RescaleSlope, d.RescaleIntercept = 1, 0
        else:
            d.EchoTime, d.RepetitionTime = 10, 2000
        d.PixelData = numpy.full((8, 8), value, "<u2").tobytes()
        for key, v in extra.items():
            setattr(d, key, v)
        d.save_as(f"{self.dir}/{self.n:04d}.dcm", write_like_original=False)
        return d


def enhanced_ct(out):
    s = Series(out, "enhanced_ct", "CT")
    d = s.slice(0, 0)
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    for key in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope",
                "RescaleIntercept"):
        delattr(d, key)

    def item(**keys):
        one = Dataset()
        for key, v in keys.items():
            setattr(one, key, v)
        return one

    frames, pixels = [], []
    for z in range(6):
        for kv in ((80, 140) if z % 2 else (140, 80)):
            frames.append(item(
                PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2.0 * z])],
                CTXRayDetailsSequence=[item(KVP=kv)]))
            pixels.append(numpy.full((8, 8), 10 * kv, "<u2").tobytes())
    d.NumberOfFrames, d.PixelData = len(frames), b"".join(pixels)
    d.SharedFunctionalGroupsSequence = [item(
        PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness=2)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")],
        CTReconstructionSequence=[item(ConvolutionKernel="B30f")])]
    d.PerFrameFunctionalGroupsSequence = frames
    d.save_as(f"{s.dir}/0001.dcm", write_like_original=False)


def make(out):
    s = Series(out, "dual", "CT")
    for z in range(6):
        for kv in ((80, 140) if z % 2 else (140, 80)):
            s.slice(2 * z, 10 * kv, KVP=kv)
    s = Series(out, "kernels", "CT")
    for kernel, value, off in (("B70f", 70, 1), ("B30f", 30, 0)):
        for z in range(6):
            s.slice(2 * z + off, value, ConvolutionKernel=kernel)
    enhanced_ct(out)
    s = Series(out, "dixon", "MR")
    for z in range(6):
        for value, word in enumerate(("WATER", "FAT", "IN_PHASE", "OUT_PHASE"), 1):
            s.slice(2 * z, value, ImageType=["DERIVED", "PRIMARY", "DIXON", word])
    s = Series(out, "last_digit", "MR")
    for z in range(6):
        s.slice(2 * z, 1, EchoTime=2.980 + 0.002 * (z % 2), InversionTime=2500 + 0.01 * (z % 2))
    s = Series(out, "jitter", "MR")
    for t in range(3):
        for z in range(6):
            s.slice(2 * z + 0.004 * ((t * 7 + z) % 3 - 1), 0, TemporalPositionIdentifier=t + 1)
    s = Series(out, "cine", "MR")
    for t in range(12):
        s.slice(0, 0, TriggerTime=40 * t)
    s = Series(out, "slabs", "CT")
    for z in range(6):
        s.slice(2 * z, 0, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"] + (["ADD"] if z < 3 else []))
    s = Series(out, "mixed", "MR")
    for z in range(6):
        for flip in ((5, 30) if z % 2 else (30, 5)):
            s.slice(2 * z, flip, FlipAngle=flip)
    s = Series(out, "flips", "MR")
    for t, flip in enumerate((20, 5, 12.5)):
        for z in range(6):
            s.slice(2 * z, 0, AcquisitionNumber=t + 1, FlipAngle=flip, RepetitionTime=15 + t, SAR=0.1 * (z + 1))
    s = Series(out, "scout", "MR")
    for axes, across in (((1, 0, 0, 0, 1, 0), 2), ((1, 0, 0, 0, 0, -1), 1), ((0, 1, 0, 0, 0, -1), 0)):
        for k in range(3):
            pos = [-4.0, -4.0, -4.0]
            pos[across] = 10.0 * k
            s.slice(0, 0, ori=axes, pos=pos)
    s = Series(out, "drift", "MR")
    for z in range(24):
        e = 1.6e-3 * z / 23
        s.slice(2 * z, z, ori=(1, e, 0, -e, 1, 0))


def volumes(folder):
    for path in sorted(glob.glob(folder + "/*/image.nii*")):
        yield os.path.basename(os.path.dirname(path)).split("-", 2)[2:], nibabel.load(path)


if sys.argv[1] == "fields":
    side = json.load(open(glob.glob(sys.argv[2] + "/*/image.json")[0]))
    print(" ".join(f"{key}={side.get(key)}" for key in sys.argv[3:]))
elif sys.argv[1] == "list":
    print(" ".join(f"{tail[0] if tail else '-'}={'x'.join(map(str, v.shape))}:{int(v.dataobj[(0,) * v.ndim])}"
                   + ("" if len(numpy.unique(v.dataobj)) == 1 else " mixed") for tail, v in volumes(sys.argv[2])))
elif sys.argv[1] == "grid":
    print(" ".join(f"{tail} {v.shape} {v.affine.tobytes().hex()} "
                   f"{hashlib.sha256(numpy.asarray(v.dataobj).tobytes()).hexdigest()}"
                   for tail, v in volumes(sys.argv[2])))
else:
    make(sys.argv[1])
