# SPDX-License-Identifier: Apache-2.0
"""Trees for tests/stage/layouts.t out of a phantom cohort: layouts_trees.py RAW OUT."""
import gzip
import json
import os
import shutil
import sys

import nibabel
import numpy

raw, out = sys.argv[1:]
cases = sorted(d for d in os.listdir(raw) if os.path.isdir(os.path.join(raw, d)))
ROLES = ["flair", "t1", "t1ce", "t2"]


def source(case, role):
    folder = os.path.join(raw, case)
    return os.path.join(folder, next(f for f in os.listdir(folder) if f.startswith(f"{case}_{role}.")))


def put(path, image):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    nibabel.save(image, path)


def text(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


def stacked(case, roles):
    images = [nibabel.load(source(case, r)) for r in roles]
    data = numpy.stack([numpy.asanyarray(i.dataobj) for i in images], axis=-1)
    return nibabel.Nifti1Image(data, images[0].affine)


# decathlon: three good cases, one whose label is missing, one with a channel too few, strangers, a hidden file
d = f"{out}/decathlon"
listed = []
for i, case in enumerate(cases):
    name = f"BRATS_{i + 1:03d}.nii.gz"
    put(f"{d}/imagesTr/{name}", stacked(case, ROLES[:3] if i == 4 else ROLES))
    if i != 3:
        shutil.copy(source(case, "seg"), f"{d}/label.tmp")
        put(f"{d}/labelsTr/{name}", nibabel.load(source(case, "seg")))
    listed.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
os.remove(f"{d}/label.tmp")
put(f"{d}/imagesTs/BRATS_900.nii.gz", stacked(cases[0], ROLES))
put(f"{d}/imagesTr/stranger.nii.gz", stacked(cases[0], ROLES))
text(f"{d}/imagesTr/._BRATS_001.nii.gz", "Mac OS X")
head = {"name": "phantom", "description": "Doe^Jane", "modality": dict(enumerate(["FLAIR", "T1w", "t1gd", "T2w"])),
        "labels": {"0": "background", "1": "necrosis", "2": "oedema", "4": "enhancing"}}
text(f"{d}/dataset.json", head | {"numTraining": len(cases) + 1, "numTest": 1, "training": listed,
                                  "test": ["./imagesTs/BRATS_900.nii.gz"]})

# nnU-Net's form: a file a channel, no list
n = f"{out}/nnunet"
for i, case in enumerate(cases[:2]):
    for k, role in enumerate(ROLES[:2]):
        put(f"{n}/imagesTr/P{i}_{k:04d}.nii.gz", nibabel.load(source(case, role)))
    put(f"{n}/labelsTr/P{i}.nii.gz", nibabel.load(source(case, "seg")))
os.remove(f"{n}/imagesTr/P1_0001.nii.gz")
text(f"{n}/dataset.json", {"channel_names": {"0": "FLAIR", "1": "T1"}, "numTraining": 2, "file_ending": ".nii.gz",
                           "labels": {"background": 0, "whole": [1, 2, 4], "core": 1}})

# BIDS: two subjects, one with two sessions, other grids in one session, derivatives, a wrong name
b = f"{out}/bids"
text(f"{b}/dataset_description.json", {"Name": "Doe^Jane", "BIDSVersion": "1.8.0"})
text(f"{b}/participants.tsv", "participant_id\tname\tage\nsub-01\tDoe^Jane\t44\nsub-03\tDoe^John\t7\n")
text(f"{b}/T1w.json", {"RepetitionTime": 2.5, "EchoTime": 0.001, "InstitutionName": "Doe Hospital", "FlipAngle": "9"})
text(f"{b}/sub-01/ses-1/anat/sub-01_ses-1_run-2_T1w.json", {"EchoTime": 0.003, "AcquisitionTime": "12:00:00",
                                                            "SliceTiming": [0, 0.5], "PatientName": "Doe^Jane"})
text(f"{b}/sub-01/ses-1/anat/sub-01_ses-1_T2w.json", "no json")
t1, t2 = nibabel.load(source(cases[0], "t1")), nibabel.load(source(cases[0], "t2"))
bold = nibabel.Nifti1Image(numpy.zeros((6, 5, 4, 3), "i2") + 7, numpy.diag([3, 3, 3, 1]))
bold.header.set_xyzt_units("mm", "sec")
bold.header["pixdim"][4] = 2
for run in (1, 2):
    put(f"{b}/sub-01/ses-1/anat/sub-01_ses-1_run-{run}_T1w.nii.gz", t1)
put(f"{b}/sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz", t2)
put(f"{b}/sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz", bold)
put(f"{b}/sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", t1)
put(f"{b}/sub-02/anat/sub-02_T1w.nii.gz", t1)
put(f"{b}/sub-02/anat/sub-02_label-tumour_mask.nii.gz", nibabel.load(source(cases[0], "seg")))
put(f"{b}/sub-04/anat/sub-05_T1w.nii.gz", t1)
put(f"{b}/sub-01/ses-2/dwi/sub-01_ses-2_dwi.nii.gz", bold)
text(f"{b}/sub-01/ses-2/dwi/sub-01_ses-2_dwi.bval", "0 1000 1000\n")
text(f"{b}/sub-01/ses-2/dwi/sub-01_ses-2_dwi.bvec", "0 1 0\n0 0 1\n0 0 0\n")
put(f"{b}/sub-02/dwi/sub-02_dwi.nii.gz", bold)
text(f"{b}/sub-02/dwi/sub-02_dwi.bval", "0 1000 x\n")
put(f"{b}/derivatives/x/sub-01/anat/sub-01_T1w.nii.gz", t1)
put(f"{b}/sub-01/ses-1/meg/sub-01_ses-1_T1w.nii.gz", t1)
with gzip.open(f"{b}/sub-02/anat/._sub-02_T1w.nii.gz", "wb") as f:
    f.write(b"Mac OS X")
