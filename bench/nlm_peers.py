#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The other side of bench/nlm.sh: makes the volume, and times non-local means of other packages on it.

usage: bench/nlm_peers.py make OUT.nii [HEAD.nii.gz]
       bench/nlm_peers.py ants|skimage|itk IN.nii SEARCH THREADS RUNS H SIGMA
A run prints "NAME SEARCH wall-seconds processor-seconds". Needs nibabel and the package in question
(antspyx, scikit-image, SimpleITK); prints "NAME missing" without it."""
import os
import sys
import time


def make(out, head=None):
    import nibabel
    import numpy as np
    rng = np.random.default_rng(2)
    if head:
        a = np.asarray(nibabel.load(head).dataobj).astype(np.float32)
        a = np.pad(a, [(0, max(0, n - s)) for n, s in zip((256, 256, 150), a.shape)])[:256, :256, 15:165]
    else:
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (256, 256, 150)], indexing="ij")
        r = np.sqrt(x * x + y * y + z * z)
        a = np.where(r < 0.5, 160, np.where(r < 0.8, 110, np.where(r < 0.9, 40, 0))) + 20 * x * (r < 0.9)
    a = (a + 5 * rng.standard_normal(a.shape)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(a, np.eye(4)), out)


def filters(name, path, search, threads, h, sigma):
    import nibabel
    import numpy as np
    data = np.ascontiguousarray(np.asarray(nibabel.load(path).dataobj, dtype=np.float32))
    if name == "skimage":
        from skimage.restoration import denoise_nl_means
        return lambda: denoise_nl_means(data, patch_size=3, patch_distance=search, h=h, fast_mode=True)
    if name == "ants":
        os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
        import ants
        image = ants.from_numpy(data)
        return lambda: ants.denoise_image(image, p=1, r=search, noise_model="Gaussian")
    import SimpleITK
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    image = SimpleITK.GetImageFromArray(data)
    f = SimpleITK.PatchBasedDenoisingImageFilter()
    f.SetPatchRadius(1)
    f.SetNumberOfIterations(1)
    f.SetNumberOfSamplePatches(200)
    f.SetNumberOfThreads(threads)
    f.SetNoiseModel(f.GAUSSIAN)
    f.SetNoiseSigma(sigma)
    return lambda: f.Execute(image)


def main():
    if sys.argv[1] == "make":
        make(*sys.argv[2:])
        return
    name, path, search, threads, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    try:
        run = filters(name, path, search, threads, float(sys.argv[6]), float(sys.argv[7]))
    except ImportError as e:
        print(name, "missing", e)
        return
    for _ in range(runs):
        wall, cpu = time.monotonic(), time.process_time()
        run()
        print(name, search, f"{time.monotonic() - wall:.2f} {time.process_time() - cpu:.2f}", flush=True)


main()
