# SPDX-License-Identifier: Apache-2.0
"""What the stages interpolate and dicom wrote, held against what they read.

between FROM TO FACTOR [AXIS]   every volume below TO against the one of that path below FROM
series VOLUMES SERIES           every <case>/<role>/*.dcm against <case>/<role>.nii.gz, by pydicom
again VOLUMES INGESTED          each volume below VOLUMES is one of those below INGESTED, place by place
"""
import glob
import json
import os
import sys

import nibabel as nib
import numpy as np


def volumes(root):
    found = sorted(glob.glob(f"{root}/*/*.nii.gz"))
    assert found, root
    return [(os.path.relpath(p, root), nib.load(p)) for p in found]


def stored(image):
    return np.asarray(image.dataobj.get_unscaled())


def between(source, result, factor, axis=2):
    for path, new in volumes(result):
        old = nib.load(f"{source}/{path}")
        a, b = stored(old), stored(new)
        index = [slice(None)] * 3
        index[axis] = slice(None, None, factor)
        assert b.shape[axis] == (a.shape[axis] - 1) * factor + 1 and a.dtype == b.dtype
        assert a.tobytes() == b[tuple(index)].tobytes(), path
        for corner in np.ndindex(2, 2, 2):
            at = np.array(corner) * (np.array(a.shape) - 1)
            to = at.copy()
            to[axis] *= factor
            gap = old.affine @ [*at, 1] - new.affine @ [*to, 1]
            assert np.abs(gap).max() < 1e-3, (path, gap)
        side = json.load(open(f"{result}/{path[:-7]}.json"))
        predicted = side["predicted_slices"]
        assert side["Synthetic"] is True and predicted["axis"] == axis
        assert predicted["index"] == [i for i in range(b.shape[axis]) if i % factor]
        assert np.allclose(predicted["position"], np.array(predicted["index"]) / factor)
        for entry in side.get("SliceMap", []):
            assert entry["index"] % factor == 0 or axis != 2


def read_series(folder):
    import pydicom

    files = [pydicom.dcmread(p) for p in sorted(glob.glob(f"{folder}/*.dcm"))]
    assert [int(f.InstanceNumber) for f in files] == list(range(1, len(files) + 1))
    first = files[0]
    for name in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "SOPClassUID"):
        assert len({f[name].value for f in files}) == 1, name
    uids = {f.SOPInstanceUID for f in files}
    assert len(uids) == len(files) and all(u.startswith("2.25.") and u.is_valid for u in uids)
    across = np.array(first.ImageOrientationPatient[:3], float)
    down = np.array(first.ImageOrientationPatient[3:], float)
    at = np.array([f.ImagePositionPatient for f in files], float)
    along = at @ np.cross(across, down)
    if len(files) > 1:
        steps = np.diff(along)
        assert (steps > 0).all() and np.allclose(steps, float(first.SpacingBetweenSlices), atol=1e-5)
    affine = np.eye(4)
    affine[:3, 0] = across * float(first.PixelSpacing[1])
    affine[:3, 1] = down * float(first.PixelSpacing[0])
    affine[:3, 2] = (at[-1] - at[0]) / max(len(files) - 1, 1)
    affine[:3, 3] = at[0]
    data = np.stack([f.pixel_array * float(f.get("RescaleSlope", 1)) + float(f.get("RescaleIntercept", 0))
                     for f in files], -1).transpose(1, 0, 2)
    return data, np.diag([-1, -1, 1, 1]) @ affine, files


def same(a, a_affine, b, b_affine, step):
    """Is b the same picture as a, perhaps with other order of axes or slices?"""
    way = np.linalg.inv(a_affine) @ b_affine
    whole = np.round(way)
    assert np.abs(way - whole).max() < 0.01, way
    where = whole @ np.stack([*np.indices(b.shape).reshape(3, -1), np.ones(b.size)])
    x, y, z = where[:3].astype(int)
    assert a.size == b.size and min(x.min(), y.min(), z.min()) >= 0
    off = np.abs(a[x, y, z] - b.ravel()).max()
    assert off <= step / 2 * 1.001 + np.abs(a).max() * 1e-6, (off, step)


def series(root, dicom):
    for path, image in volumes(root):
        data, affine, files = read_series(f"{dicom}/{path[:-7]}")
        exact = image.get_data_dtype().kind in "iu"
        same(image.get_fdata(), image.affine, data, affine, 0 if exact else float(files[0].get("RescaleSlope", 1)))
        side = json.load(open(f"{root}/{path[:-7]}.json"))
        axis = side["predicted_slices"]["axis"]
        marks = [i in set(side["predicted_slices"]["index"]) for i in range(image.shape[axis])]
        got = [f.ImageType[-1] == "SYNTHETIC" for f in files]
        assert got in (marks, marks[::-1])
        for f in files:
            assert f.ImageType[0] == "DERIVED" and f.ImageType[-1] in ("SYNTHETIC", "COPIED")
            assert str(f.ImageComments).startswith("SYNTHETIC") == (f.ImageType[-1] == "SYNTHETIC")
            assert "SYNTHETIC" in f.DerivationDescription and f.ContentQualification == "RESEARCH"
            assert f.BurnedInAnnotation == "NO" and f.PatientIdentityRemoved == "YES"
            assert f.PatientName == "" and f.PatientBirthDate == "" and f.StudyDate == ""
            assert f.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def again(root, ingested):
    left = [image for _, image in volumes(ingested)]
    for path, image in volumes(root):
        for k, other in enumerate(left):
            try:
                step = 0 if image.get_data_dtype().kind in "iu" else np.ptp(image.get_fdata()) / 32767
                same(image.get_fdata(), image.affine, other.get_fdata(), other.affine, step)
            except (AssertionError, IndexError):
                continue
            del left[k]
            break
        else:
            raise AssertionError(f"{path} did not come back")
    assert not left


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    {"between": between, "series": series, "again": again}[what](*rest[:2], *map(int, rest[2:]))
