#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers of real NIfTI files by nibabel, for tests/unit/test_nii_real.c.

    scripts/golden_nifti.py [DATA] > tests/golden/nifti.txt

DATA is the folder of test scans (default: $SM_SHARED_DATA or ../shared/data). One line a file:
path, four dims, stored type, axis letters, frame step in seconds, the affine's 12 numbers, smallest and
largest finite value, number of values that are not finite, and the sum of value * (1 + i mod 7) over
finite values in file order, which notices a wrong order as well as a wrong value.
"""
import math
import os
import sys

import nibabel
import numpy

FILES = """
nifti_variants/anatomical.nii
nifti_variants/example4d.nii.gz
nifti_variants/example_nifti2.nii.gz
nifti_variants/functional.nii
nifti_variants/reoriented_anat_moved.nii
nifti_variants/resampled_anat_moved.nii
nifti_variants/standard.nii.gz
malformed/nifti/byteswapped_valid.nii
malformed/nifti/scl_slope_zero_valid.nii
malformed/nifti/scl_slope_nan_valid.nii
malformed/nifti/two_members_valid.nii.gz
brats_tcga_fg_6692/brats_space/TCGA-FG-6692_t1.nii.gz
brats_tcga_fg_6692/segmentations/fusion_mav.nii.gz
hippocampus_msd/imagesTr/hippocampus_001.nii.gz
hippocampus_msd/labelsTr/hippocampus_001.nii.gz
t1_head_nifti/colin27_ch2.nii.gz
sts_ct_mr_pet/nifti/STS_002/CT_image.nii.gz
sts_ct_mr_pet/nifti/STS_002/PET_image.nii.gz
tumour_pyradiomics/brain1_image.nii.gz
mr_enhanced/Ref/Siemens_REST1_w_SMS_PF7-8_6.nii
mr_siemens_orient/Ref/sag_asc_35sl_22.nii
mr_siemens_orient/Ref/cor_desc_36sl_14.nii
mr_ct_vendors/hitachi/anatomical/001_ground_truth.nii.gz
""".split()


def line(root, path):
    image = nibabel.load(os.path.join(root, path))
    header = image.header
    shape = (list(image.shape) + [1, 1, 1, 1])[:4]
    values = numpy.asarray(image.get_fdata(dtype=numpy.float64)).ravel(order="F")
    finite = numpy.isfinite(values)
    weight = 1.0 + numpy.arange(values.size) % 7
    total = math.fsum((values * weight)[finite])
    scale = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(header.get_xyzt_units()[1], 0.0)
    step = float(header["pixdim"][4]) * scale if shape[3] > 1 else 0.0
    fields = [path, *shape, header.get_data_dtype().newbyteorder("=").name,
              "".join(nibabel.aff2axcodes(image.affine)), repr(step)]
    fields += [repr(float(v)) for v in image.affine[:3].ravel()]
    fields += [repr(float(values[finite].min())), repr(float(values[finite].max())),
               int((~finite).sum()), repr(total)]
    return " ".join(str(f) for f in fields)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SM_SHARED_DATA", "../shared/data")
    print("# made by scripts/golden_nifti.py with nibabel", nibabel.__version__)
    for path in FILES:
        print(line(root, path))


main()
