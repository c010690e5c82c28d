#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/denoise.txt: filters, masks, thresholds and a bias field of volumes that test_denoise.c makes by
the same formula, computed by scipy, scikit-image, SimpleITK, or by numpy as the formula says. With --compare it runs
`scanmill preprocess` on whole real scans and prints how far it is from the same peers.

usage: scripts/golden_denoise.py > tests/golden/denoise.txt
       scripts/golden_denoise.py --compare ../shared/data build/release/bin
Needs numpy, scipy, scikit-image, SimpleITK, and nibabel to compare."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import scipy.ndimage as nd
import SimpleITK as sitk
from skimage.filters import threshold_otsu, threshold_triangle
from skimage.restoration import denoise_nl_means

SITK_BINS = 2000


def noise(n, seed):
    """n numbers of [0, 1) from a linear congruence, x fastest."""
    out, s = np.empty(n), seed
    for i in range(n):
        s = (s * 1664525 + 1013904223) & 0xffffffff
        out[i] = (s >> 8) / 16777216
    return out


def grain():
    """14 x 12 x 10: a bright ball on a dim ramp, with noise."""
    x, y, z = np.meshgrid(*[np.arange(n) for n in (14, 12, 10)], indexing="ij")
    u = noise(x.size, 1).reshape(x.shape, order="F")
    base = np.where((x - 6)**2 + (y - 5)**2 + (z - 4)**2 < 20, 100, 20)
    return (base + 2 * x + 20 * u).astype(np.float32)


def shaded():
    """36 x 32 x 28: three tissues in a box of air under a field that is a polynomial."""
    n = (36, 32, 28)
    x, y, z = np.meshgrid(*[np.arange(k) * 2 / (k - 1) - 1 for k in n], indexing="ij")
    r = x * x + y * y + z * z
    u = noise(r.size, 7).reshape(n, order="F")
    tissue = np.where(r < 0.2, 140, np.where(r < 0.55, 100, np.where(r < 0.9, 60, 0)))
    field = 1 + 0.3 * x - 0.2 * y * z + 0.15 * z * z
    return np.where(tissue > 0, tissue * field + 4 * u, 0).astype(np.float32), field


def otsu_edge(a):
    """Upper edge of Otsu's bin of 1024."""
    return threshold_otsu(a, nbins=1024) + (float(a.max()) - float(a.min())) / 2048


def sigma_noise(a):
    a = a.astype(np.float64)
    mean = sum(np.roll(a, s, k) for k in range(3) for s in (1, -1)) / 6
    e = (np.sqrt(6 / 7) * (a - mean))[1:-1, 1:-1, 1:-1][(a > otsu_edge(a))[1:-1, 1:-1, 1:-1]]
    return np.median(np.abs(e - np.median(e))) / 0.6744897501960817


def bilateral(a, sigma, spread):
    reach = [max(2, int(np.ceil(3 * s))) if s else 0 for s in sigma]
    a = a.astype(np.float64)
    pad = np.pad(a, [(r, r) for r in reach], mode="symmetric")
    num, den = np.zeros(a.shape), np.zeros(a.shape)
    for i in np.ndindex(*[2 * r + 1 for r in reach]):
        b = pad[tuple(slice(k, k + n) for k, n in zip(i, a.shape))]
        w = np.exp(-sum((k - r)**2 / (2 * s * s) for k, r, s in zip(i, reach, sigma) if s))
        w = w * np.exp(-(a - b)**2 / (2 * spread**2))
        num, den = num + w * b, den + w
    return num / den


def nlm(a, h, patch=1, search=2, sigma=0.0, subtract=False, cutoff=80, rician=False, flat=False, low=0):
    """low = 1 leaves out the first voxel of a patch along each axis but divides by all, as scikit-image's fast mode."""
    p, s = [patch, patch, 0 if flat else patch], [search, search, 0 if flat else search]
    pad = [x + y + 1 for x, y in zip(p, s)]
    x = np.pad(a.astype(np.float64), [(k, k) for k in pad], mode="reflect")
    u = x * x if rician else x
    num, den = np.zeros(a.shape), np.zeros(a.shape)
    taps = np.prod([2 * k + 1 for k in p])
    for t in np.ndindex(*[2 * k + 1 for k in s]):
        t = [i - k for i, k in zip(t, s)]
        d = (x - np.roll(x, [-k for k in t], range(3)))**2 - (2 * sigma**2 if subtract else 0)
        total = np.zeros(a.shape)
        for q in np.ndindex(*[2 * k + 1 - low for k in p]):
            total += d[tuple(slice(o - k + low + i, o - k + low + i + n) for o, k, i, n in zip(pad, p, q, a.shape))]
        d = np.maximum(total, 0) / taps / h**2
        w = np.where(d > cutoff, 0, np.exp(-d))
        num += w * u[tuple(slice(o + k, o + k + n) for o, k, n in zip(pad, t, a.shape))]
        den += w
    return np.sqrt(np.maximum(num / den - 2 * sigma**2, 0)) if rician else num / den


def ball(radius, spacing):
    reach = [int(radius / s + 1e-6) for s in spacing]
    at = np.meshgrid(*[np.arange(-r, r + 1) * s for r, s in zip(reach, spacing)], indexing="ij")
    return sum(g * g for g in at) <= radius**2 * (1 + 1e-6)


def n4(a, mask, levels, rounds, threshold, shrink=1):
    f = sitk.N4BiasFieldCorrectionImageFilter()
    f.SetMaximumNumberOfIterations([rounds] * levels)
    f.SetConvergenceThreshold(threshold)
    image = sitk.GetImageFromArray(a.astype(np.float32))
    m = sitk.GetImageFromArray(mask.astype(np.uint8))
    f.Execute(sitk.Shrink(image, [shrink] * 3), sitk.Shrink(m, [shrink] * 3))
    return sitk.GetArrayFromImage(f.GetLogBiasFieldAsImage(image))


def line(what, steps, tolerance, source, numbers):
    print(what, steps, tolerance, source, " ".join(f"{v:.9g}" for v in numbers), sep=" | ")


def bits(mask):
    return np.packbits(mask.ravel(order="F")).tobytes().hex()


def golden():
    print("# made by scripts/golden_denoise.py; see there")
    a = grain()
    every = slice(0, None, 7)

    def volume(step, tolerance, source, b):
        line("grain", "denoise: {" + step + "}", tolerance, source, b.ravel(order="F")[every])

    volume("method: median", 0, "scipy", nd.median_filter(a, 3, mode="reflect"))
    volume("method: median, radius: 3", 0, "scipy", nd.median_filter(a, 7, mode="reflect"))
    volume("method: median, radius: 2, in_plane: true", 0, "scipy", nd.median_filter(a, (5, 5, 1), mode="reflect"))
    volume("method: gaussian, sigma: [1.2, 0.8, 2]", 1e-5, "scipy",
           nd.gaussian_filter(a, (1.2, 0.8, 1), mode="reflect", truncate=4))
    volume("method: gaussian, sigma: [6], unit: voxel, truncate: 2.5", 1e-5, "scipy",
           nd.gaussian_filter(a, 6, mode="reflect", truncate=2.5))
    volume("method: bilateral, sigma: [1], unit: voxel, range: 15", 5e-4, "numpy", bilateral(a, (1, 1, 1), 15))
    volume("method: bilateral, sigma: [1.5], range: 30, in_plane: true", 5e-4, "numpy", bilateral(a, (1.5, 1.5, 0), 30))
    volume("h: 8, search: 2", 5e-4, "numpy", nlm(a, 8))
    volume("h: 8, search: 1, patch: 3", 5e-4, "numpy", nlm(a, 8, 3, 1))
    volume("h: 8, search: 3, patch: 2, in_plane: true", 5e-4, "numpy", nlm(a, 8, 2, 3, flat=True))
    volume("h: 5, noise: 6, search: 2, subtract: true, cutoff: 5", 5e-4, "numpy", nlm(a, 5, sigma=6, subtract=True, cutoff=5))
    volume("noise: 6, search: 2, rician: true", 5e-4, "numpy", nlm(a, np.sqrt(2) * 6, sigma=6, rician=True))
    sigma = sigma_noise(a)
    volume("search: 2", 5e-4, f"numpy, noise {sigma:.6g} estimated", nlm(a, np.sqrt(2) * sigma))
    line("thresholds", "otsu triangle", 1e-6, "scikit-image", [otsu_edge(a), threshold_triangle(a)])
    mask = a > 70
    for spacing, radius in (((1, 1, 1), 1), ((1, 1, 1), 2.5), ((1, 0.7, 2), 2.1), ((3, 1, 1), 2)):
        b = ball(radius, spacing)
        r = [n // 2 for n in b.shape]
        grown = nd.binary_dilation(mask, b)
        shrunk = nd.binary_erosion(mask, b, border_value=1)
        wide = np.pad(mask, [(2 * k, 2 * k) for k in r])
        closed = nd.binary_erosion(nd.binary_dilation(wide, b), b, border_value=1)
        closed = closed[tuple(slice(2 * k, 2 * k + n) for k, n in zip(r, mask.shape))]
        where = " ".join(map(str, (*spacing, radius)))
        for name, m in (("dilate", grown), ("erode", shrunk), ("open", nd.binary_dilation(shrunk, b)), ("close", closed)):
            print(name, where, 0, "scipy", bits(m), sep=" | ")
    ragged = a > 45
    label, count = nd.label(ragged)
    sizes = nd.sum_labels(ragged, label, range(1, count + 1))
    print("largest", count, 0, "scipy", bits(label == 1 + np.argmax(sizes)), sep=" | ")
    print("fill", "volume", 0, "scipy", bits(nd.binary_fill_holes(ragged)), sep=" | ")
    for k, name in enumerate("xyz"):
        b = np.stack([nd.binary_fill_holes(p) for p in np.moveaxis(ragged, k, 0)])
        print("fill", name, 0, "scipy", bits(np.moveaxis(b, 0, k)), sep=" | ")
    s, field = shaded()
    f = n4(s, s > 0, 3, 20, 0.0)[s > 0]
    line("shaded", "bias_field: {shrink: 1, levels: 3, iterations: 20, convergence: 0}", 0.001, "SimpleITK N4",
         (f - f.mean())[::97])


def scanmill(binaries, path, steps, jobs=2):
    """The volume after steps, its mask or None, and its ledger's facts."""
    import nibabel
    with tempfile.TemporaryDirectory() as t:
        os.makedirs(f"{t}/raw/c")
        os.symlink(os.path.abspath(path), f"{t}/raw/c/c_a.nii" + (".gz" if path.endswith(".gz") else ""))
        with open(f"{t}/m.yaml", "w") as f:
            f.write("schema: 1\nname: compare\ningest:\n  layout: files\n  sources:\n"
                    "    - {role: a, pattern: \"{case}/{case}_a.nii*\"}\npreprocess:\n  steps:\n    - stack: {roles: [a]}\n")
            f.writelines(f"    - {s}\n" for s in steps)
        for stage, source in (("ingest", "raw"), ("preprocess", "ingest")):
            subprocess.run([f"{binaries}/scanmill-{stage}", "--manifest", f"{t}/m.yaml", "--in", f"{t}/{source}", "--out",
                            f"{t}/{stage}", "--jobs", str(jobs), "--log", "error"], check=True)
        found = [os.path.join(d, n) for d, _, names in os.walk(f"{t}/preprocess") for n in names]
        get = lambda name: [np.asarray(nibabel.load(p).dataobj) for p in found if p.endswith(name)]
        image, mask = get("image.nii.gz")[0], get("mask.nii.gz")
        return np.squeeze(image).astype(np.float64), np.squeeze(mask[0]) if mask else None


def compare(data, binaries):
    import nibabel
    scans = [("Colin27 T1", "t1_head_nifti/colin27_ch2.nii.gz"),
             ("BraTS FLAIR", "brats_tcga_fg_6692/brats_space/TCGA-FG-6692_fla.nii.gz"),
             ("CT, leg", "sts_ct_mr_pet/nifti/STS_002/CT_image.nii.gz")]
    for name, path in scans:
        path = os.path.join(data, path)
        a = np.asarray(nibabel.load(path).dataobj).astype(np.float32)
        width = float(a.max()) - float(a.min())

        def report(what, step, wanted):
            got, _ = scanmill(binaries, path, [f"denoise: {{{step}}}"])
            d = np.abs(got - wanted)
            print(f"{name} | {what} | largest {d.max() / width:.2g} of the range, {100 * np.mean(d == 0):.4g} % equal", flush=True)

        report("median 3x3x3, scipy", "method: median", nd.median_filter(a, 3, mode="reflect"))
        report("median 5x5 in plane, scipy", "method: median, radius: 2, in_plane: true",
               nd.median_filter(a, (5, 5, 1), mode="reflect"))
        report("gaussian 1.5 voxels, scipy", "method: gaussian, sigma: [1.5], unit: voxel",
               nd.gaussian_filter(a, 1.5, mode="reflect"))
        cut = tuple(slice(n // 2 - 24, n // 2 + 24) for n in a.shape)
        part = nibabel.Nifti1Image(np.ascontiguousarray(a[cut]), np.eye(4))
        with tempfile.TemporaryDirectory() as t:
            path = f"{t}/part.nii"
            nibabel.save(part, path)
            b, h = a[cut], 0.03 * width
            common = f"h: {h!r}, search: 2"
            a_, width_ = b, width
            report("bilateral, the formula in numpy (48^3)", f"method: bilateral, sigma: [1], unit: voxel, range: {h!r}",
                   bilateral(b, (1, 1, 1), h))
            itk = sitk.Bilateral(sitk.GetImageFromArray(b), 1.0, h, SITK_BINS)
            report("bilateral, SimpleITK (48^3; ends at 2.5 sigma)", f"method: bilateral, sigma: [1], unit: voxel, range: {h!r}",
                   sitk.GetArrayFromImage(itk))
            report("nlm, the formula in numpy (48^3)", common, nlm(b, h))
            peer = denoise_nl_means(b.astype(np.float64), patch_size=3, patch_distance=2, h=h, preserve_range=True)
            report("nlm, scikit-image fast (48^3; patch of 2x2x2 / 27)", common + ", cutoff: 5", peer)
            d = np.abs(nlm(b, h, cutoff=5, low=1) - peer).max() / width
            print(f"{name} | the same formula with that patch, scikit-image | largest {d:.2g} of the range")
    for name, path, low in (("Colin27 T1", scans[0][1], 40),
                            ("BraTS T1", "brats_tcga_fg_6692/brats_space/TCGA-FG-6692_t1.nii.gz", 20),
                            ("BraTS T2", "brats_tcga_fg_6692/brats_space/TCGA-FG-6692_t2.nii.gz", 20)):
        path = os.path.join(data, path)
        a = np.asarray(nibabel.load(path).dataobj).astype(np.float32)
        got, mask = scanmill(binaries, path, [f"remove_background: {{threshold: value, value: {low}, largest: false, fill_holes: "
                                              "false, only_mask: true}", "bias_field: {}"])
        inside = (a > low) & (mask > 0)
        ours, itk = np.log(a[inside] / got[inside]), n4(a, a > low, 4, 50, 0.001, 4)[inside]
        ours, itk = ours - ours.mean(), itk - itk.mean()
        print(f"{name} | bias_field, SimpleITK N4 (shrink 4) | log fields: correlation {np.corrcoef(ours, itk)[0, 1]:.4f}, "
              f"rms {np.sqrt(np.mean((ours - itk)**2)):.4f}, sd {itk.std():.4f}", flush=True)


if len(sys.argv) == 4 and sys.argv[1] == "--compare":
    compare(sys.argv[2], sys.argv[3])
else:
    golden()
