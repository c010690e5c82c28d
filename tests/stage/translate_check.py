# SPDX-License-Identifier: Apache-2.0
"""What stages predict and interpolate made with a trained generator.

oblique RAW                        gives every volume below RAW an oblique affine
same_grid MADE NAME FROM SOURCE    <case>/NAME.nii.gz lies on the grid of <case>/SOURCE.nii.gz, float32, bit for bit
triplets MADE FROM                 ends are the source's, what lies between is not, all lie in the window
halve FROM OUT                     every second slice of the only volume below FROM, in HU
agrees MADE BETWEEN                slices that interpolate predicted are those of predict
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
        assert d.Modality == "CT" and d.pixel_array.shape == (64, 64)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
