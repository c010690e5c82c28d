# SPDX-License-Identifier: Apache-2.0
"""What stages predict and interpolate made with a trained generator.

oblique RAW                        gives every volume below RAW an oblique affine
same_grid MADE NAME FROM SOURCE    <case>/NAME.nii.gz lies on the grid of <case>/SOURCE.nii.gz, float32, bit for bit
on_scan MADE NAME FROM SOURCE      <case>/NAME.nii.gz lies on the grid of ingest's <case>/SOURCE.nii.gz and is NAME.preprocess.nii.gz there
series MADE NAME SERIES            a file for each slice of these that was predicted, at its place, with its voxels; none for the others
sources SERIES RAW                 each slice of SERIES lies where a slice of the DICOM files RAW lies, with the same patient position
triplets MADE FROM                 ends are the source's, what lies between is not, all lie in the window
halve FROM OUT                     every second slice of the only volume below FROM, in HU
agrees MADE BETWEEN                slices that interpolate predicted are those of predict
odd FROM SMALL WIDE                FROM cut to 60x58 (a case below SMALL), and that with its edges going on to 64x64
padded SMALL WIDE FROM             interpolated: SMALL is WIDE without its edges, and every second slice is FROM's
middle_grey MADE                   prints a whole number that parts the pixels of the pictures in MADE
masks MADE PICTURES GREY INK       <case>.mask.png is the ink of <case>.png, <case>.svg its outlines; <case>.png are PICTURES'
synthetic SERIES NAME              all slices of a series (by role image) say SYNTHETIC
"""
import glob
import json
import re
import sys

import nibabel as nib
import numpy as np

LOW, HIGH = -1024.0, 3071.0


def hu(v):
    return (LOW + (HIGH - LOW) * ((v.astype(np.float64) + 1) / 2)).astype(np.float32)


def oblique(raw):
    turn = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
    for path in glob.glob(f"{raw}/*/*.nii*"):
        image = nib.load(path)
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.diag([-1.3, 0.7, -0.9])
        affine[:3, 3] = [40, -31.5, 12]
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)


def same_grid(made, name, source_root, source):
    found = sorted(glob.glob(f"{made}/*/{name}.nii.gz"))
    assert found
    for path in found:
        case = path.split("/")[-2]
        new, old = nib.load(path), nib.load(f"{source_root}/{case}/{source}.nii.gz")
        assert new.shape == old.shape and new.get_data_dtype() == np.float32, path
        assert new.header.get_sform().tobytes() == old.header.get_sform().tobytes(), path
        assert source != "mr" or abs(new.affine[0, 1]) > 0.1, "is not oblique"
        v = new.get_fdata()
        assert np.isfinite(v).all() and v.std() > 0, path


def side_of(path):
    return json.load(open(path.replace(".nii.gz", ".json")))


def record_of(made, case):
    return next(r for r in map(json.loads, list(open(f"{made}/ledger.jsonl"))[1:]) if r["key"] == case)


def on_scan(made, name, source_root, source):
    from scipy.ndimage import map_coordinates

    found = sorted(glob.glob(f"{made}/*/{name}.nii.gz"))
    assert found
    low = json.loads(next(open(f"{made}/ledger.jsonl")))["low"]
    low = -1 if low is None else low
    for path in found:
        case = path.split("/")[-2]
        new, old = nib.load(path), nib.load(f"{source_root}/{case}/{source}.nii.gz")
        pre = nib.load(path.replace(".nii.gz", ".preprocess.nii.gz"))
        assert new.shape == old.shape and new.get_data_dtype() == np.float32, path
        assert new.header.get_sform().tobytes() == old.header.get_sform().tobytes(), path
        v, p, record = new.get_fdata(), pre.get_fdata(), record_of(made, case)
        axis, fill = record["axis"], low
        known = np.zeros(p.shape[axis], bool)
        known[record.get("slices", list(range(p.shape[axis])))] = True
        way = np.linalg.inv(pre.affine) @ new.affine
        at = np.tensordot(way[:3, :3], np.indices(v.shape), 1) + way[:3, 3][:, None, None, None]
        last = np.array(p.shape)[:, None, None, None] - 1
        inside = ((at >= -0.5 - 1e-4) & (at <= last + 0.5 + 1e-4)).all(0)
        at = np.clip(at, 0, last)
        at = np.where(np.abs(at - np.round(at)) < 1e-4, np.round(at), at)
        near = [known[np.clip(np.floor(at[axis] + s).astype(int), 0, last.flat[axis])] for s in (0.5, 0.499999)]
        both = known[np.floor(at[axis]).astype(int)] & known[np.ceil(at[axis]).astype(int)]
        is_made = inside & (near[0] | near[1])
        wanted = map_coordinates(p, at, order=1, mode="nearest")
        assert (inside & both).any()
        assert np.abs(v - wanted)[inside & both].max() <= 1e-3 * (p.max() - p.min()), path
        assert (v[~is_made] == fill).all()
        assert record["outside_voxels"] == (~is_made).sum(), (record["outside_voxels"], (~is_made).sum())
        side = side_of(path)
        lists = [side.get(k, {"index": []})["index"] for k in ("predicted_slices", "filled_slices")]
        made_slices = [k for k in range(v.shape[axis]) if np.take(is_made, k, axis).any()]
        every = len(made_slices) == v.shape[axis]
        assert lists[0] == ([] if every else made_slices), lists
        assert sorted(lists[0] + lists[1]) == ([] if every else list(range(v.shape[axis]))), lists


def series(made, name, root):
    import pydicom

    found = sorted(glob.glob(f"{made}/*/{name}.nii.gz"))
    assert found
    for path in found:
        case = path.split("/")[-2]
        image, side = nib.load(path), side_of(path)
        v = image.get_fdata()
        predicted = side.get("predicted_slices", {"index": list(range(v.shape[2]))})["index"]
        seen = {}
        for f in sorted(glob.glob(f"{root}/{case}/{name}/*.dcm")):
            d = pydicom.dcmread(f)
            place = np.array([-d.ImagePositionPatient[0], -d.ImagePositionPatient[1], d.ImagePositionPatient[2], 1])
            index = np.linalg.inv(image.affine) @ place
            k = int(round(index[2]))
            assert np.abs(index[:3] - [0, 0, k]).max() < 1e-3, index
            assert d.ImageType[-1] == "SYNTHETIC" and "predicted" in d.ImageComments, d.ImageType
            assert "SYNTHETIC, predicted and not measured" in d.DerivationDescription
            got = d.pixel_array.T * float(d.RescaleSlope) + float(d.RescaleIntercept)
            assert np.abs(got - v[:, :, k]).max() <= float(d.RescaleSlope) / 2 + 1e-6
            for field in ("BodyPartExamined", "PatientPosition"):
                assert getattr(d, field, "") == side.get(field, ""), field
            seen[k] = int(d.InstanceNumber)
        assert sorted(seen) == predicted, (sorted(seen), predicted)
        numbers = [seen[k] for k in sorted(seen)]
        assert numbers in ([k + 1 for k in predicted], [v.shape[2] - k for k in predicted]), numbers


def sources(root, raw):
    import pydicom

    def key(d):
        return tuple(np.round([float(x) for x in d.ImagePositionPatient], 3)), d.Rows, d.Columns, d.PatientPosition, \
            d.BodyPartExamined, tuple(float(x) for x in d.ImageOrientationPatient), float(d.SliceThickness)

    given = {key(pydicom.dcmread(f, stop_before_pixels=True)) for f in glob.glob(f"{raw}/**/*.dcm", recursive=True)
             if "mask" not in f}
    found = glob.glob(f"{root}/**/*.dcm", recursive=True)
    assert found and given
    for f in found:
        k = key(pydicom.dcmread(f, stop_before_pixels=True))
        assert any(g[1:6] == k[1:6] and abs(g[6] - k[6]) < 1e-5 and np.abs(np.subtract(g[0], k[0])).max() < 2e-3
                   for g in given), k


def only(root):
    found = glob.glob(f"{root}/*/*.nii.gz")
    assert len(found) == 1, found
    return nib.load(found[0]), found[0]


def triplets(made, source):
    image, path = only(made)
    case = path.split("/")[-2]
    old = nib.load(glob.glob(f"{source}/{case}/*.nii.gz")[0])
    v, s = image.get_fdata(dtype=np.float32), old.get_fdata(dtype=np.float32)
    for k in (0, v.shape[2] - 1):
        assert np.array_equal(v[..., k], hu(s[..., k])), k
    for k in range(1, v.shape[2] - 1):
        assert not np.allclose(v[..., k], hu(s[..., k]))
    assert v.min() >= LOW and v.max() <= HIGH
    side = json.load(open(path.replace(".nii.gz", ".json")))
    assert side["predicted_slices"]["index"] == list(range(1, v.shape[2] - 1)), side
    assert side["Meaning"] == "HU" and side["Modality"] == "CT" and side["Synthetic"] is True


def halve(source, out):
    image, _ = only(source)
    v = hu(image.get_fdata(dtype=np.float32))[:, :, ::2]
    affine = image.affine.copy()
    affine[:3, 2] *= 2
    nib.save(nib.Nifti1Image(v, affine), out)


def agrees(made, between):
    a, b = only(made)[0].get_fdata(), only(between)[0].get_fdata()
    n = b.shape[2]
    # last digits differ: here the volume went to HU and back
    gap = np.abs(a[:, :, 1:n:2] - b[:, :, 1::2]).max()
    assert gap < 2, gap
    assert np.abs(a[:, :, 1:n:2] - b[:, :, 0:n - 1:2]).max() > 20


def odd(source, small, wide):
    import os

    image = nib.load(source)
    v = np.asarray(image.dataobj, np.float32)[1:61, 4:62]
    os.makedirs(f"{small}/small")
    nib.save(nib.Nifti1Image(v, image.affine), f"{small}/small/image.nii.gz")
    nib.save(nib.Nifti1Image(np.pad(v, ((2, 2), (3, 3), (0, 0)), "edge"), image.affine), wide)


def padded(small, wide, source):
    a, b, s = (only(p)[0].get_fdata(dtype=np.float32) for p in (small, wide, source))
    assert a.shape[:2] == (60, 58) and b.shape[:2] == (64, 64), (a.shape, b.shape)
    assert np.array_equal(a, b[2:-2, 3:-3])
    assert np.array_equal(a[:, :, ::2], s)
    records = [json.loads(l) for l in open(f"{small}/ledger.jsonl")][1:]
    assert [r["padded"] for r in records] == [{"image": [64, 64]}], records


def picture(path):
    from PIL import Image

    v = np.asarray(Image.open(path))
    return v if v.ndim == 3 else v[:, :, None]


def middle_grey(made):
    found = sorted(glob.glob(f"{made}/*.png"))
    print(int(np.median(np.stack([picture(p).min(-1) for p in found]))))


def inside(path, width, height):
    """Pixels whose centre lies in path data of M, h, v and z by the even-odd rule."""
    edges, x, y, start = [], 0, 0, (0, 0)
    for command, rest in re.findall("([Mhvz])([-0-9 ]*)", path):
        n = [int(v) for v in rest.split()]
        old = x, y
        x, y = (n if command == "M" else (x + n[0], y) if command == "h" else
                (x, y + n[0]) if command == "v" else start)
        start = (x, y) if command == "M" else start
        if command != "M":
            assert (x == old[0]) != (y == old[1]), "along pixel edges"
            edges.append((*old, x, y))
    odd = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in edges:
        if x0 == x1:
            odd[min(y0, y1):max(y0, y1), x0:] ^= True
    return odd


def masks(made, pictures, grey, ink):
    records = [json.loads(l) for l in open(f"{made}/ledger.jsonl")][1:]
    assert len(records) == 2
    for r in records:
        key = r["key"]
        assert {o["role"]: o["path"] for o in r["outputs"]} == {
            "image": f"{key}.png", "mask": f"{key}.mask.png", "outlines": f"{key}.svg"}
        v = picture(f"{made}/{key}.png")
        assert np.array_equal(v, picture(f"{pictures}/{key}.png"))
        wanted = (v <= float(grey) if ink == "dark" else v > float(grey)).any(-1)
        mask = picture(f"{made}/{key}.mask.png")
        assert mask.shape == (*v.shape[:2], 1) and mask.dtype == np.uint8
        assert np.array_equal(mask[:, :, 0], wanted.astype(np.uint8))
        assert 0 < wanted.sum() < wanted.size and r["ink"] == wanted.sum()
        svg = open(f"{made}/{key}.svg").read()
        box = [int(n) for n in re.search('viewBox="0 0 ([0-9]+) ([0-9]+)"', svg).groups()]
        assert box == [v.shape[1], v.shape[0]] and 'fill-rule="evenodd"' in svg
        assert np.array_equal(inside(re.search(' d="([^"]*)"', svg)[1], *box), wanted)


def synthetic(series, name):
    import pydicom

    found = sorted(glob.glob(f"{series}/*/{name}/*.dcm"))
    assert found
    for path in found:
        d = pydicom.dcmread(path)
        assert "SYNTHETIC" in d.ImageType and d.ImageType[0] == "DERIVED", d.ImageType
        assert "SYNTHETIC" in d.DerivationDescription
        assert d.Modality == "CT" and d.pixel_array.shape == (62, 60)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
