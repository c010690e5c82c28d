#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/intensity.txt: what numpy, scipy, scikit-image and intensity-normalization make of real scans, for
tests/unit/test_op_golden.c. Each operation is written here anew from its definition or taken from one of them.

usage: scripts/golden_intensity.py ../shared/data > tests/golden/intensity.txt
       scripts/golden_intensity.py ../shared/data --compare build/release/bin   (every voxel, by the programs themselves)
needs: pip install numpy scipy nibabel scikit-image intensity-normalization==3.0.1

A line: volumes "role=path,..." | steps as YAML, parted by ";;" | what to compare | tolerance as a share of the range |
source | numbers. For "vol:ROLE" the numbers are smallest, largest, sum, then every STRIDE-th value; for "keep" the kept
slices; for "regions" the voxel count of each region."""
import os
import subprocess
import sys
import tempfile

import nibabel
import numpy as np
import scipy.stats
from intensity_normalization.adapters.images import NumpyImageAdapter
from intensity_normalization.normalizers.population.nyul import NyulNormalizer
from skimage.exposure import match_histograms

SAMPLES = 149
BRATS = "brats_tcga_fg_6692/brats_space/TCGA-FG-6692_"
STS = "sts_ct_mr_pet/nifti/STS_"
FOUR_D = "nifti_variants/example4d.nii.gz"
WINDOWS = {"brain": (40, 80), "subdural": (75, 215), "stroke": (40, 40), "bone": (400, 1800), "lung": (-600, 1500),
           "mediastinum": (50, 350), "abdomen": (50, 400), "liver": (30, 150), "soft_tissue": (50, 400),
           "angio": (300, 600)}
root = sys.argv[1]
programs = os.path.abspath(sys.argv[3]) if sys.argv[2:3] == ["--compare"] else None


def load(path):
    """Real values as float32 holds them, x fastest."""
    return nibabel.load(f"{root}/{path}").get_fdata(dtype=np.float64).astype(np.float32).astype(np.float64)


def emit(volumes, steps, what, tolerance, source, numbers):
    if programs:
        return
    where = ",".join(f"{role}={path}" for role, path in volumes.items())
    print(" | ".join([where, ";;".join(steps), what, repr(tolerance), source, " ".join(numbers)]))


def run_programs(volumes, steps, role):
    """The volume as scanmill ingest and preprocess write it; None for what they cannot do alone: cases with a mask,
    tiles of a whole volume."""
    if "mask" in volumes or steps[0].startswith("tile."):
        return None
    with tempfile.TemporaryDirectory() as t:
        os.makedirs(f"{t}/raw/case")
        with open(f"{t}/m.yaml", "w") as m:
            m.write("schema: 1\nname: compare\ningest:\n  layout: files\n  sources:\n")
            for name, path in volumes.items():
                os.symlink(os.path.abspath(f"{root}/{path}"), f"{t}/raw/case/{name}.nii.gz")
                m.write(f"    - {{role: {name}, pattern: '{{case}}/{name}.nii.gz'}}\n")
            m.write("preprocess:\n  compression: 0\n  steps:\n" + "".join(f"    - {s}\n" for s in steps))
        for stage, a, b in (("ingest", "raw", "in"), ("preprocess", "in", "out")):
            subprocess.run([f"{programs}/scanmill-{stage}", "--manifest", f"{t}/m.yaml", "--in", f"{t}/{a}", "--out",
                            f"{t}/{b}"], check=True, stderr=subprocess.DEVNULL)
        return nibabel.load(f"{t}/out/case/{role}.nii").get_fdata(dtype=np.float64)


def compare(volumes, steps, role, out, source):
    got = run_programs(volumes, steps, role)
    if got is None:
        return
    out = np.asarray(out, dtype=np.float64).reshape(got.shape)
    width, worst = out.max() - out.min(), np.abs(got - out).max()
    print(f"{worst / width:.2g} of the range, {(got == out.astype(np.float32)).mean():.6f} of {got.size} equal in float32"
          f" | {' ;; '.join(steps)[:90]} | {source}", flush=True)


def volume(volumes, steps, role, out, source, tolerance=1e-6):
    if programs:
        compare(volumes, steps, role, out, source)
        return
    v = np.asarray(out, dtype=np.float64).flatten(order="F")
    picked = v[:: max(1, v.size // SAMPLES)]
    numbers = [f"{x:.12g}" for x in (v.min(), v.max(), v.sum())] + [f"{x:.8g}" for x in picked]
    emit(volumes, steps, f"vol:{role}", tolerance, source, numbers)


def ranged(x, a, b, low, high, clip=True):
    u = (x - a) / (b - a)
    return low + (high - low) * (np.clip(u, 0, 1) if clip else u)


def normalise():
    ct, mr, pet, flair = STS + "025/CT_image.nii.gz", STS + "025/MR_T1_image.nii.gz", STS + "025/PET_image.nii.gz", \
        BRATS + "fla.nii.gz"
    mask = STS + "025/CT_mask.nii.gz"
    x = load(ct)
    volume({"ct": ct}, ["normalise: {range: [0, 255]}"], "ct", ranged(x, x.min(), x.max(), 0, 255), "numpy")
    m = load(mask) != 0
    volume({"ct": ct, "mask": mask}, ["normalise: {method: zscore, scope: mask, outside: scale}"], "ct",
           (x - x[m].mean()) / x[m].std(), "numpy")
    z = scipy.stats.zscore(x[m])
    out = np.zeros_like(x)
    out[m] = z
    volume({"ct": ct, "mask": mask}, ["normalise: {method: zscore, scope: mask}"], "ct", out, "scipy.stats.zscore")
    volume({"ct": ct}, ["normalise: {method: zscore}"], "ct", scipy.stats.zscore(x, axis=None), "scipy.stats.zscore")
    volume({"ct": ct}, ["normalise: {method: zscore, scope: slice}"], "ct", scipy.stats.zscore(x, axis=(0, 1)),
           "scipy.stats.zscore")
    volume({"ct": ct}, ["normalise: {range: [0, 255]}", "remove_band: {}"], "ct",
           (lambda u: np.where((u >= 80) & (u <= 110), 0, u))(ranged(x, x.min(), x.max(), 0, 255)
                                                              .astype(np.float32).astype(np.float64)), "numpy")
    x = load(mr)
    volume({"mr": mr}, ["normalise: {method: max, range: [0, 255]}"], "mr", 255 * x / x.max(), "numpy")
    lo, hi = np.percentile(x, [1, 99])
    volume({"mr": mr}, ["normalise: {method: clip, percentiles: [1, 99]}"], "mr", np.clip(x, lo, hi), "numpy.percentile")
    x = load(flair)
    lo, hi = np.percentile(x, [0.5, 99.5])
    volume({"flair": flair}, ["normalise: {method: percentile, range: [-1, 1]}"], "flair", ranged(x, lo, hi, -1, 1),
           "numpy.percentile")
    inside = x != 0
    out = np.zeros_like(x)
    out[inside] = scipy.stats.zscore(x[inside])
    volume({"flair": flair}, ["normalise: {method: zscore, scope: nonzero}"], "flair", out, "scipy.stats.zscore")
    std = x.std(axis=(0, 1))
    volume({"flair": flair}, ["tile.standardise: slice"], "flair",
           np.where(std > 0, (x - x.mean(axis=(0, 1))) / np.where(std > 0, std, 1), 0), "numpy")
    volume({"flair": flair}, ["tile.standardise: tile"], "flair", scipy.stats.zscore(x, axis=None), "scipy.stats.zscore")
    x = load(pet)
    lo, hi = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    flat = lo == hi
    u = np.where(flat, 0, 255 * (x - lo) / np.where(flat, 1, hi - lo))
    volume({"pet": pet}, ["normalise: {scope: slice, range: [0, 255]}"], "pet", u, "numpy")


def lines():
    mr, ct = STS + "008/MR_T1_image.nii.gz", STS + "008/CT_image.nii.gz"
    x = load(mr)
    volume({"mr": mr}, ["scale: {divide: 127.5, add: -1}"], "mr", x / 127.5 - 1, "numpy")
    volume({"mr": mr}, ["scale: {divide: 128, add: -1, clip: [-1, 1]}"], "mr", np.clip(x / 128 - 1, -1, 1), "numpy")
    volume({"mr": mr}, ["scale: {multiply: -0.25, add: 3}"], "mr", -0.25 * x + 3, "numpy")
    x = load(ct)
    for name, (centre, width) in WINDOWS.items():
        volume({"ct": ct}, [f"window: {{preset: {name}, to: [0, 255]}}"], "ct",
               ranged(x, centre - width / 2, centre + width / 2, 0, 255), "numpy")
    volume({"ct": ct}, ["window: {range: [-1024, 2048], to: [-1, 1]}"], "ct", ranged(x, -1024, 2048, -1, 1), "numpy")


def matched():
    flair, t1 = BRATS + "fla.nii.gz", BRATS + "t1.nii.gz"
    a, b = load(flair).astype(np.float32), load(t1).astype(np.float32)
    volume({"flair": flair, "t1": t1}, ["match_histogram: {reference: t1}"], "flair", match_histograms(a, b),
           "skimage.exposure.match_histograms")
    out = a.copy()
    out[a != 0] = match_histograms(a[a != 0], b[b != 0])
    volume({"flair": flair, "t1": t1}, ["match_histogram: {reference: t1, scope: nonzero}"], "flair", out,
           "skimage.exposure.match_histograms")
    mr, other = STS + "008/MR_T1_image.nii.gz", STS + "002/MR_T1_image.nii.gz"
    q = np.quantile(load(other), np.linspace(0, 1, 21))
    x = load(mr)
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    out = np.interp(np.cumsum(counts) / x.size, np.linspace(0, 1, 21), q)[inverse].reshape(x.shape)
    text = ", ".join(repr(float(v)) for v in q)
    volume({"mr": mr}, [f"match_histogram: {{quantiles: [{{role: mr, values: [{text}]}}]}}"], "mr", out, "numpy.interp")


def nyul():
    train = [STS + f"{n}/MR_T1_image.nii.gz" for n in ("002", "008", "012")]
    mr = STS + "025/MR_T1_image.nii.gz"
    n = NyulNormalizer(output_min_value=0, output_max_value=100)
    n.fit_population([NumpyImageAdapter(load(p)) for p in train])
    scale = n.standard_scale
    out = n.transform(NumpyImageAdapter(load(mr))).get_data()
    text = ", ".join(repr(float(v)) for v in scale)
    volume({"mr": mr}, [f"nyul: {{scope: nonzero, scales: [{{role: mr, values: [{text}]}}]}}"], "mr", out,
           "intensity_normalization.NyulNormalizer")
    emit({f"mr{i}": p for i, p in enumerate(train)}, ["nyul: {scope: nonzero, range: [0, 100]}"], "learn", 1e-9,
         "intensity_normalization.NyulNormalizer", [repr(float(v)) for v in scale])
    q = np.mean([np.quantile(load(p), np.linspace(0, 1, 21)) for p in train], axis=0)
    emit({f"mr{i}": p for i, p in enumerate(train)}, ["match_histogram: {points: 21}"], "learn", 1e-9, "numpy.quantile",
         [repr(float(v)) for v in q])


def frames():
    x = load(FOUR_D)
    n = x.shape[3]
    volume({"pet": FOUR_D}, ["sum_frames: {method: mean}"], "pet", x.mean(axis=3), "numpy")
    volume({"pet": FOUR_D}, ["sum_frames: {method: sum}"], "pet", x.sum(axis=3), "numpy")
    d = [30 + 45 * k for k in range(n)]
    volume({"pet": FOUR_D}, [f"sum_frames: {{method: weighted, durations: {d}}}"], "pet",
           np.average(x, axis=3, weights=d), "numpy.average")
    volume({"pet": FOUR_D}, ["select_frames: {first: 1, last: 1}"], "pet", x[..., 1:2], "numpy")


def labels():
    seg = "brats_tcga_fg_6692/segmentations/fusion_mav.nii.gz"
    flair, ct = BRATS + "fla.nii.gz", STS + "025/CT_image.nii.gz"
    y = load(seg)
    emit({"flair": flair, "label": seg}, ["one_hot: {labels: [1, 2, 4]}"], "regions", 0, "numpy",
         [str(int((y == v).sum())) for v in (1, 2, 4)])
    emit({"flair": flair, "label": seg},
         ["regions: {unions: [{name: WT, labels: [1, 2, 4]}, {name: TC, labels: [1, 4]}, {name: ET, labels: [4]}]}"],
         "regions", 0, "numpy.isin", [str(int(np.isin(y, v).sum())) for v in ((1, 2, 4), (1, 4), (4,))])
    x = load(flair)

    def kept(volumes, step, good, source):
        emit(volumes, [step], "keep", 0, source, ["".join("01"[int(g)] for g in good)])

    kept({"flair": flair}, "select_slices: {first: 22, last: 121}", [22 <= z <= 121 for z in range(x.shape[2])], "numpy")
    kept({"flair": flair}, "select_slices: {min_foreground: 0.1}",
         ((x != scipy.stats.mode(x, axis=None).mode).mean(axis=(0, 1)) >= 0.1), "scipy.stats.mode")
    kept({"flair": flair}, "select_slices: {min_foreground: 0.02, foreground: above, above: 200}",
         ((x > 200).mean(axis=(0, 1)) >= 0.02), "numpy")
    kept({"flair": flair, "label": seg}, "select_slices: {min_foreground: 0.001, foreground: label}",
         ((y != 0).mean(axis=(0, 1)) >= 0.001), "numpy")
    for path, role, bits in ((flair, "flair", 2.5), (ct, "ct", 5.5)):
        x = load(path)
        entropies = [scipy.stats.entropy(np.histogram(x[:, :, z], bins=256, range=(x.min(), x.max()))[0], base=2)
                     for z in range(x.shape[2])]
        # A limit in the middle of the widest gap near `bits`, so that no last bit decides.
        near = sorted(e for e in entropies if abs(e - bits) < 0.5)
        gap, limit = max((b - a, (a + b) / 2) for a, b in zip(near, near[1:]))
        kept({role: path}, f"select_slices: {{min_entropy: {limit:.6f}}}", [e >= round(limit, 6) for e in entropies],
             "scipy.stats.entropy")


if not programs:
    print("# made by scripts/golden_intensity.py; see there")
normalise()
lines()
matched()
nyul()
frames()
labels()
