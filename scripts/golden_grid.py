#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/grid.txt: voxels of real scans after each operation of preprocess that moves or
interpolates them, worked out by scipy, nibabel, Pillow, scikit-image and SimpleITK.

    golden_grid.py ../shared/data >tests/golden/grid.txt

Lines: `case NAME`, `take ROLE FILE`, `op NAME KEY=VALUE...` (_ stands for a blank), `grid ROLE X Y Z T`
with twelve numbers of the affine, `at ROLE X Y Z T VALUE TOLERANCE`, and where the other program says
something of every voxel `all ROLE MEAN MEAN-SQUARE TOLERANCE` (of the mean). Needs numpy, scipy, nibabel,
Pillow, scikit-image, SimpleITK.
"""
import itertools
import sys

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.processing import resample_from_to
from PIL import Image
from scipy import ndimage as ndi
from skimage import transform

ROOT = sys.argv[1]
FLA = "brats_tcga_fg_6692/brats_space/TCGA-FG-6692_fla.nii.gz"
SEG = "brats_tcga_fg_6692/segmentations/fusion_mav.nii.gz"
BRAIN = "tumour_pyradiomics/brain1_image.nii.gz"
BRAIN_LABEL = "tumour_pyradiomics/brain1_label.nii.gz"
CT = "sts_ct_mr_pet/nifti/STS_008/CT_image.nii.gz"
CT_MASK = "sts_ct_mr_pet/nifti/STS_008/CT_mask.nii.gz"
PET = "sts_ct_mr_pet/nifti/STS_008/PET_image.nii.gz"
AXIAL = "mr_siemens_orient/Ref/ax_asc_35sl_6.nii"
CORONAL = "mr_siemens_orient/Ref/cor_desc_36sl_14.nii"
SAGITTAL = "mr_siemens_orient/Ref/sag_asc_35sl_22.nii"
OBLIQUE = "mr_ct_vendors/hitachi/anatomical/001_ground_truth.nii.gz"
rng = np.random.default_rng(4)


def load(name):
    image = nib.load(f"{ROOT}/{name}")
    return np.asarray(image.dataobj).astype(np.float64), image.affine


def case(name, takes, op):
    print("case", name)
    for role, file in takes:
        print("take", role, file)
    print("op", op)


def expect(role, v, affine, tolerance, inside=None, n=24):
    """Prints the grid and n voxels: corners, edges and random ones among those where `inside`."""
    shape = v.shape + (1,) * (4 - v.ndim)
    v = v.reshape(shape).astype(np.float64)
    print("grid", role, *shape, *("%.12g" % x for x in np.asarray(affine)[:3].ravel()))
    places = list(itertools.product(*[(0, s - 1) if s > 1 else (0,) for s in shape[:3]]))
    places = [p + (shape[3] - 1,) for p in places[:: max(1, len(places) // 4)]]
    bright = np.argwhere(np.abs(v) > np.abs(v).mean())
    for _ in range(n):
        places.append(tuple(rng.integers(0, s) for s in shape))
        places.append(tuple(bright[rng.integers(0, len(bright))]))
    for p in places:
        if inside is None or inside[p[:3]]:
            print("at", role, *p, "%.9g" % v[p], "%.3g" % tolerance)
    if inside is None:
        print("all", role, "%.12g %.12g" % (v.mean(), (v * v).mean()),
              "%.3g" % max(tolerance / 10, 1e-9 * abs(v).max()))


def span(v):
    return float(v.max() - v.min())


def rounding(v):
    """Half a step of float32 at the largest value: what sums in double differ by, rounded once."""
    return 6.1e-8 * float(np.abs(v).max())


def axis_coordinates(n, m, step):
    """Old index of each of m new voxels around the old grid's middle."""
    return ((n - 1) - (m - 1) * step) / 2 + np.arange(m) * step


def at_axes(v, coordinates, order):
    """scipy at a lattice; the outermost half voxel takes the edge's value."""
    clipped = [np.clip(u, 0, n - 1) for u, n in zip(coordinates, v.shape)]
    grid = np.meshgrid(*clipped, indexing="ij")
    mode = "mirror" if order == 3 else "nearest"
    return ndi.map_coordinates(v, grid, order=order, mode=mode)


def moved(affine, step, start):
    m = np.eye(4)
    m[range(3), range(3)] = step
    m[:3, 3] = start
    return affine @ m


def spacing(name, file, wanted, method, order, extra=""):
    v, affine = load(file)
    old = np.sqrt((affine[:3, :3] ** 2).sum(0))
    step = np.array([w / s if w else 1 for w, s in zip(wanted, old)])
    dim = np.floor(np.array(v.shape) / step + 0.5).astype(int)
    u = [axis_coordinates(n, m, s) for n, m, s in zip(v.shape, dim, step)]
    out = at_axes(v, u, order)
    case(name, [("a", file)],
         f"resample spacing={'_'.join('%g' % w for w in wanted)} method={method}{extra}")
    expect("a", out, moved(affine, step, [x[0] for x in u]), rounding(v) if order else 0)


def votes(labels, coordinates):
    grid = np.meshgrid(*[np.clip(u, 0, n - 1) for u, n in zip(coordinates, labels.shape)],
                       indexing="ij")
    values = np.unique(labels)
    share = [ndi.map_coordinates((labels == k).astype(float), grid, order=1, mode="nearest")
             for k in values]
    # shares that are equal but for rounding: the smallest label
    share = np.round(np.stack(share), 9)
    return values[np.argmax(share, 0)]


def resample_with_labels():
    v, affine = load(BRAIN)
    label, _ = load(BRAIN_LABEL)
    old = np.sqrt((affine[:3, :3] ** 2).sum(0))
    step = 2 / old
    dim = np.floor(np.array(v.shape) / step + 0.5).astype(int)
    u = [axis_coordinates(n, m, s) for n, m, s in zip(v.shape, dim, step)]
    for method in ("vote", "nearest"):
        case(f"brain-2mm-{method}", [("a", BRAIN), ("label", BRAIN_LABEL)],
             f"resample spacing=2_2_2 method=linear labels={method}")
        expect("a", at_axes(v, u, 1), moved(affine, step, [x[0] for x in u]), rounding(v), n=4)
        out = votes(label, u) if method == "vote" else at_axes(label, u, 0)
        expect("label", out, moved(affine, step, [x[0] for x in u]), 0, n=60)


def like(name, moving, fixed, method, order, extra_role=None):
    image = nib.load(f"{ROOT}/{moving}")
    target = nib.load(f"{ROOT}/{fixed}")
    v = np.asarray(image.dataobj).astype(np.float64)
    # nibabel takes volumes of three axes: frame by frame
    frames = v[..., None] if v.ndim == 3 else v
    shape = target.shape[:3]
    out = np.stack([resample_from_to(nib.Nifti1Image(frames[..., t], image.affine),
                                     (shape, target.affine), order=order, cval=0,
                                     mode="constant").get_fdata()
                    for t in range(frames.shape[3])], -1)
    index = np.stack(np.meshgrid(*[np.arange(s) for s in shape], indexing="ij"), -1)
    m = np.linalg.inv(image.affine) @ target.affine
    u = index @ m[:3, :3].T + m[:3, 3]
    edge = np.array(v.shape[:3]) - 1
    # nibabel ends at the outermost centres, we half a voxel further: that rim is left out.
    inner = ((u >= 0.01) & (u <= edge - 0.01)).all(-1)
    far = ((u < -0.51) | (u > edge + 0.51)).any(-1)
    if order == 0:
        part = np.abs(u + 0.5 - np.round(u + 0.5)).min(-1)
        inner &= part > 1e-3
    takes = [("a", moving), ("b", fixed)]
    case(name, takes, f"resample like=b method={method}")
    expect("a", out, target.affine, 1e-6 * span(v) if order else 0, inner | far, n=60)


def sinc():
    """SimpleITK's windowed sinc has 4 lobes here and does not make the weights' sum 1."""
    v, affine = load(BRAIN)
    image = sitk.ReadImage(f"{ROOT}/{BRAIN}", sitk.sitkFloat64)
    old = np.sqrt((affine[:3, :3] ** 2).sum(0))
    step = np.array([1.5, 1.5, 6.5]) / old
    step[2] = 1
    dim = np.floor(np.array(v.shape) / step + 0.5).astype(int)
    u = [axis_coordinates(n, m, s) for n, m, s in zip(v.shape, dim, step)]
    grid = sitk.Image([int(d) for d in dim], sitk.sitkFloat64)
    grid.SetSpacing([float(s * o) for s, o in zip(step, image.GetSpacing())])
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([float(x[0]) for x in u]))
    grid.SetDirection(image.GetDirection())
    out = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLanczosWindowedSinc, 0.0,
                        sitk.sitkFloat64)
    out = sitk.GetArrayFromImage(out).transpose(2, 1, 0)
    inside = np.zeros(out.shape, bool)
    inside[5:-5, 5:-5, :] = True
    case("brain-sinc", [("a", BRAIN)], "resample spacing=1.5_1.5_0 method=sinc lobes=4")
    expect("a", out, moved(affine, step, [x[0] for x in u]), 0.01 * span(v), inside)


def resize(name, file, size, op, planes, tolerance=3e-7):
    """planes: function of one xy plane (rows are x) and the new size."""
    v, affine = load(file)
    out = np.stack([planes(v[:, :, k]) for k in range(v.shape[2])], -1)
    step = np.array([v.shape[0] / size[0], v.shape[1] / size[1], 1])
    case(name, [("a", file)], op)
    expect("a", out, moved(affine, step, (step - 1) / 2), tolerance * span(v))


def pillow(size, how):
    def plane(v):
        image = Image.fromarray(v.T.astype(np.float32))
        return np.asarray(image.resize(size, how)).T.astype(np.float64)
    return plane


def half_pixel(size, order):
    def plane(v):
        u = [(np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(v.shape, size)]
        return at_axes(v, u, order)
    return plane


def resizes():
    down, up = (100, 90), (300, 280)
    resize("resize-linear", BRAIN, down, "resize size=100_90_0", half_pixel(down, 1))
    resize("resize-linear-up", BRAIN, up, "resize size=300_280", half_pixel(up, 1))
    resize("resize-cubic-up", BRAIN, up, "resize size=300_280 method=cubic", half_pixel(up, 3))
    resize("pil-bilinear-down", BRAIN, down, "resize size=100_90_0 antialias=kernel",
           pillow(down, Image.BILINEAR))
    resize("pil-bicubic-down", BRAIN, down,
           "resize size=100_90 antialias=kernel method=catmull_rom", pillow(down, Image.BICUBIC))
    resize("pil-lanczos-down", BRAIN, down,
           "resize size=100_90 antialias=kernel method=sinc lobes=3", pillow(down, Image.LANCZOS))
    resize("pil-bicubic-up", BRAIN, up, "resize size=300_280 method=catmull_rom",
           pillow(up, Image.BICUBIC))
    resize("pil-lanczos-up", BRAIN, up, "resize size=300_280 method=sinc",
           pillow(up, Image.LANCZOS))
    resize("area-down", BRAIN, down, "resize size=100_90 antialias=area",
           lambda v: transform.resize_local_mean(v, down, preserve_range=True))
    resize("gaussian-down", BRAIN, down, "resize size=100_90 antialias=gaussian",
           lambda v: transform.resize(v, down, order=1, mode="reflect", anti_aliasing=True,
                                      preserve_range=True))
    v, affine = load(FLA)
    size = (128, 96, 64)
    step = np.array(v.shape) / size
    u = [(np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(v.shape, size)]
    case("resize-3d-labels", [("a", FLA), ("label", SEG)], "resize size=128_96_64")
    expect("a", at_axes(v, u, 1), moved(affine, step, (step - 1) / 2), rounding(v))
    label, _ = load(SEG)
    expect("label", at_axes(label, u, 0), moved(affine, step, (step - 1) / 2), 0, n=60)


def orient(name, file, axes):
    image = nib.load(f"{ROOT}/{file}")
    if axes == "RAS":
        out = nib.as_closest_canonical(image)
    else:
        now = nib.orientations.io_orientation(image.affine)
        wanted = nib.orientations.axcodes2ornt(axes)
        out = image.as_reoriented(nib.orientations.ornt_transform(now, wanted))
    case(name, [("a", file)], f"orient axes={axes}")
    expect("a", np.asarray(out.dataobj).astype(np.float64), out.affine, 0)


def rotate(k):
    v, affine = load(CT)
    out = np.rot90(v, k)
    # the affine that puts each voxel where it was
    index = np.moveaxis(np.indices(v.shape), 0, -1)
    turned = np.rot90(index, k)
    m = np.eye(4)
    m[:3, 3] = turned[0, 0, 0]
    for a in range(3):
        one = [0, 0, 0]
        one[a] = 1
        m[:3, a] = turned[tuple(one)] - turned[0, 0, 0]
    case(f"rotate-{k}", [("a", CT), ("label", CT_MASK)], f"rotate90 k={k}")
    expect("a", out, affine @ m, 0)
    mask, _ = load(CT_MASK)
    expect("label", np.rot90(mask, k), affine @ m, 0)


def cuts():
    v, affine = load(AXIAL)
    for frames, size in ((v, (80, 50, 36)),):
        now = np.array(v.shape[:3])
        low = [(s - n) // 2 if s >= n else -((n - s) // 2) for s, n in zip(size, now)]
        out = np.full(size + v.shape[3:], 7.0)
        to = tuple(slice(max(0, a), min(s, a + n)) for a, s, n in zip(low, size, now))
        source = tuple(slice(t.start - a, t.stop - a) for t, a in zip(to, low))
        out[to] = frames[source]
        case("pad-crop", [("a", AXIAL)], "pad_crop size=80_50_36 fill=7")
        expect("a", out, moved(affine, [1, 1, 1], [-a for a in low]), 0)
    v, affine = load(FLA)
    box = ndi.find_objects((v != 0).astype(int))[0]
    box = tuple(slice(max(0, b.start - 3), min(n, b.stop + 3)) for b, n in zip(box, v.shape))
    case("crop-foreground", [("a", FLA), ("label", SEG)], "crop_foreground margin=3")
    start = moved(affine, [1, 1, 1], [b.start for b in box])
    expect("a", v[box], start, 0)
    expect("label", load(SEG)[0][box], start, 0)


spacing("fla-0.8-linear", FLA, (0.8, 0.8, 0.8), "linear", 1)
spacing("fla-1.7-cubic", FLA, (1.7, 1.1, 0.9), "cubic", 3)
spacing("fla-0.8-nearest", FLA, (0.8, 0.7, 0), "nearest", 0)
spacing("brain-cubic-thick", BRAIN, (0.5, 0.6, 3.1), "cubic", 3)
resample_with_labels()
like("pet-like-ct-linear", PET, CT, "linear", 1)
like("pet-like-ct-cubic", PET, CT, "cubic", 3)
like("coronal-like-axial-linear", CORONAL, AXIAL, "linear", 1)
like("coronal-like-axial-cubic", CORONAL, AXIAL, "cubic", 3)
like("sagittal-like-coronal-nearest", SAGITTAL, CORONAL, "nearest", 0)
like("hitachi-like-axial-linear", OBLIQUE, OBLIQUE.replace("_truth", "_truth_reoriented"), "linear", 1)
sinc()
resizes()
for code in ("RAS", "LPS", "AIR", "SRP"):
    orient(f"axial-{code}", AXIAL, code)
    orient(f"hitachi-{code}", OBLIQUE, code)
orient("sagittal-RAS", SAGITTAL, "RAS")
for turns in (1, 2, 3, -1):
    rotate(turns)
cuts()
