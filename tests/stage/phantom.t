#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs phantom

small="--cases 3 --size 48,40,24 --empty-et 0.34"
# shellcheck disable=SC2086 # a list of options
exits "a small cohort" 0 sm phantom --out "$T/one" $small --jobs 1
is "one line a case" "$(wc -l <"$OUT" | tr -d ' ')" 3
like "volumes on stdout" "$(cat "$OUT")" '^BraTS20_Training_003 +brain [0-9.]+ .* cm3$'
# shellcheck disable=SC2086
exits "the same with two threads" 0 sm phantom --out "$T/two" $small --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
is "five files a case and the facts" "$(find "$T/one" -type f | wc -l | tr -d ' ')" 16
# shellcheck disable=SC2086
exits "another seed" 0 sm phantom --out "$T/seed" $small --seed 2
isnt "gives another cohort" "$(hashes "$T/one" | grep flair)" "$(hashes "$T/seed" | grep flair)"

# shellcheck disable=SC2086
exits "again into the same folder" 0 sm phantom --out "$T/two" $small
same_tree "changes nothing" "$T/one" "$T/two"
exits "another cohort into the same folder is refused" 2 sm phantom --out "$T/two" --cases 2
like "by name" "$(cat "$ERR")" 'phantom.json: belongs to a cohort with other settings'

# What a killed run leaves: cases and the mark, no facts.
cp -r "$T/one" "$T/half"
rm -r "$T/half/phantom.json" "$T/half/BraTS20_Training_003"
# shellcheck disable=SC2086
exits "files without phantom.json are refused" 2 sm phantom --out "$T/half" $small
like "with a count" "$(cat "$ERR")" 'holds 10 files but no phantom.json, allowed is an empty folder'
"$SM_BIN/scanmill-phantom" --out "$T/killed" --cases 3 --size 96,96,48 >/dev/null 2>&1 &
pid=$!
while [ ! -e "$T/killed/.phantom.partial" ] && kill -0 $pid 2>/dev/null; do
	:
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
is "a killed run" $? 137
ok "leaves its settings" test -s "$T/killed/.phantom.partial"
exits "another cohort does not go on there" 2 sm phantom --out "$T/killed" --cases 2 --size 96,96,48
like "by name" "$(cat "$ERR")" '.phantom.partial: belongs to a cohort with other settings'
exits "the same does" 0 sm phantom --out "$T/killed" --cases 3 --size 96,96,48
ok "and takes the mark away" test ! -e "$T/killed/.phantom.partial" -a -s "$T/killed/phantom.json"

cat >"$T/m.yaml" <<'END'
schema: 1
name: small
phantom:
  cases: 2
  size: [32, 32, 16]
  empty_et: 0
END
exits "settings from a manifest" 0 sm phantom --manifest "$T/m.yaml" --out "$T/m"
is "are taken" "$(find "$T/m" -name '*_seg.nii.gz' | wc -l | tr -d ' ')" 2
exits "an option beats the manifest" 0 sm phantom --manifest "$T/m.yaml" --cases 1 --out "$T/m1"
is "for its own key only" "$(find "$T/m1" -name '*_seg.nii.gz' | wc -l | tr -d ' ')" 1
is "the rest stays" "$(sha256sum <"$T/m/BraTS20_Training_001/BraTS20_Training_001_t1.nii.gz")" \
	"$(sha256sum <"$T/m1/BraTS20_Training_001/BraTS20_Training_001_t1.nii.gz")"

exits "a size out of range" 2 sm phantom --out "$T/bad" --size 4,32,32
like "is told with what is allowed" "$(cat "$ERR")" "size.*'4'.*from 8 to 4096"
exits "a defect of a BraTS cohort" 2 sm phantom --out "$T/bad" --defect gap
exits "an unknown option" 2 sm phantom --out "$T/bad" --sized 4
exits "dry run" 0 sm phantom --out "$T/dry" --dry-run
ok "makes no folder" test ! -e "$T/dry"
exits "no output folder" 2 sm phantom --cases 1

ct="--kind ct_head --cases 1 --size 64,64,9 --spacing 3,3,5"
# shellcheck disable=SC2086
exits "a CT head" 0 sm phantom --out "$T/ct1" $ct --jobs 1
# shellcheck disable=SC2086
exits "with two threads" 0 sm phantom --out "$T/ct2" $ct --jobs 2
same_tree "no byte depends on the threads" "$T/ct1" "$T/ct2"
is "one file a slice" "$(ls "$T/ct1/CT_001" | wc -l | tr -d ' ')" 9

# The kinds with heads of several scanners, and pictures.
grid="--size 32,24,16 --spacing 6,6,10"
for kind in mr_ct mr_ct_pair pet_ct "pet_ct_pair --frames 2" ct_stack "pet_dynamic --frames 11" mammo; do
	case $kind in mammo) options="--size 96,80,1" ;; *) options=$grid ;; esac
	name=${kind%% *}
	# shellcheck disable=SC2086
	exits "kind $kind" 0 sm phantom --kind $kind --cases 2 $options --out "$T/$name.1" --jobs 1
	# shellcheck disable=SC2086
	run sm phantom --kind $kind --cases 2 $options --out "$T/$name.2" --jobs 2
	same_tree "no byte depends on the threads" "$T/$name.1" "$T/$name.2"
done
is "MR and CT of different patients" "$(ls "$T/mr_ct.1" | tr '\n' ' ')" "CT_001 CT_002 MR_001 MR_002 phantom.json "
is "a pair in one folder" "$(ls "$T/mr_ct_pair.1/PAIR_002" | tr '\n' ' ')" "ct.nii.gz mr.nii.gz "
is "a PET and its CT in one folder" "$(ls "$T/pet_ct_pair.1/PAIR_002" | tr '\n' ' ')" "ct.nii.gz pet.json pet.nii.gz "
is "PET beside CT" "$(ls "$T/pet_ct.1/PET_001" | tr '\n' ' ')" "pet.json pet.nii.gz "
is "eleven frames of sixteen slices" "$(ls "$T/pet_dynamic.1/PET_001" | wc -l | tr -d ' ')" 176
is "pictures in two folders" "$(cd "$T/mammo.1" && ls A B | tr '\n' ' ')" "A: 1.png 2.png  B: 1.png 2.png "
exits "the grid of the CTs" 0 sm phantom --kind mr_ct --cases 1 --size 32,24,16 --ct-size 40,40,10 --out "$T/ct_size"
is "is its own" "$(ls "$T/ct_size/CT_001" | wc -l | tr -d ' ')" 10
exits "frames of a kind without" 2 sm phantom --kind mr_ct --frames 5 --out "$T/bad"
like "are refused" "$(cat "$ERR")" 'frames: allowed with kind mr_ct is only 0'
exits "a CT grid of a kind without" 2 sm phantom --kind ct_stack --ct-size 9,9,9 --out "$T/bad"
like "is refused" "$(cat "$ERR")" 'ct_size: is given, allowed with kind ct_stack is none'
exits "pictures of several slices" 2 sm phantom --kind mammo --size 64,64,2 --out "$T/bad"
like "are refused" "$(cat "$ERR")" "size: found '2', allowed with kind mammo is from 1 to 1"
exits "pictures with a spacing" 2 sm phantom --kind mammo --spacing 1,1,1 --out "$T/bad"
exits "25 frames" 2 sm phantom --kind pet_ct --frames 25 --out "$T/bad"
ok "nothing was made" test ! -e "$T/bad/phantom.json"
exits "a kind without a size" 0 sm phantom --kind mammo --cases 1 --out "$T/plain"
like "has its own, which the truth names" "$(tr -d ' \n' <"$T/plain/phantom.json")" '"size":\[256,256,1\]'

if has_python nibabel numpy; then
	cat >"$T/kinds.py" <<'END'
import json, sys
import nibabel, numpy
root = sys.argv[1]
facts = {c["key"]: c for c in json.load(open(root + "/pet_ct.1/phantom.json"))["cases"]}
assert sorted(facts) == ["CT_001", "CT_002", "PET_001", "PET_002"]
one = facts["PET_001"]
pet = nibabel.load(root + "/pet_ct.1/PET_001/pet.nii.gz")
v = numpy.asarray(pet.dataobj).astype(float)
assert v.shape == (32, 24, 16, 11) and "".join(nibabel.aff2axcodes(pet.affine)) == "ALS"
numpy.testing.assert_array_equal(v.sum((0, 1, 2)), [f["sum"] for f in one["frames"]])
grey = v.sum(3) == one["frame_sums"]["grey"]
assert grey.sum() == one["voxels"]["grey"] > 0
seconds = numpy.array([f["duration"] for f in one["frames"]])
times = json.load(open(root + "/pet_ct.1/PET_001/pet.json"))
assert times["FrameDuration"] == list(seconds) and times["FrameTimesStart"] == [f["start"] for f in one["frames"]]
weighted = (v[grey] * seconds).sum(1) / seconds.sum()
numpy.testing.assert_allclose(weighted, one["frame_weighted_means"]["grey"], rtol=1e-14)
heads = [numpy.asarray(nibabel.load(f"{root}/mr_ct.1/MR_00{i}/mr.nii.gz").dataobj).astype(float) for i in (1, 2)]
assert numpy.corrcoef(heads[0].ravel(), heads[1].ravel())[0, 1] < 0.97
assert (heads[0] > 0).mean() > 0.99, "air without noise"
mr, ct = (nibabel.load(f"{root}/mr_ct_pair.1/PAIR_001/{m}.nii.gz") for m in ("mr", "ct"))
assert (mr.affine == ct.affine).all() and mr.shape == ct.shape
pet, ct = (nibabel.load(f"{root}/pet_ct_pair.1/PAIR_001/{m}.nii.gz") for m in ("pet", "ct"))
assert (pet.affine == ct.affine).all() and pet.shape == ct.shape + (2,)
v, ct = numpy.asarray(pet.dataobj), numpy.asarray(ct.dataobj)
assert (ct[v[..., 0] > 0] > -400).mean() > 0.99 and 0.1 < (v[..., 0] > 0).mean() < 0.9, "the same head"
END
	ok "the volumes hold what the facts say" "$PYTHON" "$T/kinds.py" "$T"
else
	skip "the volumes hold what the facts say" "no nibabel"
fi

if has_python nibabel numpy; then
	cat >"$T/check.py" <<'END'
import json, sys
import nibabel, numpy
root = sys.argv[1]
facts = json.load(open(root + "/phantom.json"))
empty = 0
for case in facts["cases"]:
    key = case["key"]
    seg = nibabel.load(f"{root}/{key}/{key}_seg.nii.gz")
    labels = numpy.asarray(seg.dataobj)
    assert labels.dtype == numpy.uint8 and labels.shape == (48, 40, 24)
    assert set(numpy.unique(labels)) <= {0, 1, 2, 4}
    assert (seg.affine == [[-1, 0, 0, 0], [0, -1, 0, 39], [0, 0, 1, 0], [0, 0, 0, 1]]).all()
    assert (labels > 0).sum() == case["voxels"]["wt"] and (labels == 4).sum() == case["voxels"]["et"]
    empty += case["voxels"]["et"] == 0
    flair = nibabel.load(f"{root}/{key}/{key}_flair.nii.gz")
    assert flair.get_data_dtype() == numpy.int16
    v = numpy.asarray(flair.dataobj).astype(float)
    healthy = v[(v > 0) & (labels == 0)]
    assert v[labels == 2].mean() > healthy.mean() + 2 * healthy.std()
assert empty == 1, empty
END
	ok "nibabel reads what the facts say" "$PYTHON" "$T/check.py" "$T/one"
else
	skip "nibabel reads what the facts say" "no nibabel"
fi

if has_python pydicom numpy; then
	cat >"$T/dicom.py" <<'END'
import glob, json, sys
import numpy, pydicom
root, defect = sys.argv[1:3]
files = sorted(glob.glob(root + "/CT_001/*"))
sets = [pydicom.dcmread(f) for f in files]
assert len({d.SOPInstanceUID for d in sets}) == len(sets)
assert all(d.SOPInstanceUID == d.file_meta.MediaStorageSOPInstanceUID for d in sets)
z = [float(d.ImagePositionPatient[2]) for d in sets]
assert z != sorted(z) and z != sorted(z, reverse=True), "names follow the slices"
series = {d.SeriesInstanceUID for d in sets}
assert len(series) == (2 if defect == "two_series" else 1)
first = sorted((d for d in sets if d.SeriesNumber == 1), key=lambda d: d.ImagePositionPatient[2])
steps = numpy.diff([float(d.ImagePositionPatient[2]) for d in first])
want = {"none": {5}, "gap": {5, 10}, "duplicate": {0, 5}, "two_series": {5}, "tilt": {5},
        "uneven": {5, 10}}[defect]
assert set(steps.round(6)) == want, steps
if defect == "tilt":
    assert list(first[0].ImageOrientationPatient) == [1, 0, 0, 0, 0.96, 0.28]
v = numpy.stack([d.pixel_array.astype(int) + int(d.RescaleIntercept) for d in first])
assert -1024 <= v.min() < -1000 and 1000 < v.max() < 2500
if defect == "none":
    middle = v[4]
    assert abs(numpy.median(middle[(middle > 0) & (middle < 80)]) - 33) < 6
    facts = json.load(open(root + "/phantom.json"))["cases"][0]
    assert abs((v > 700).sum() / facts["voxels"]["skull"] - 1) < 0.05
END
	for defect in none gap duplicate two_series tilt uneven; do
		run sm phantom --out "$T/ct_$defect" --kind ct_head --cases 1 --size 64,64,9 \
			--spacing 3,3,5 --defect $defect
		ok "pydicom reads a series with defect $defect" "$PYTHON" "$T/dicom.py" "$T/ct_$defect" $defect
	done
else
	skip "pydicom reads the series" "no pydicom"
fi
if command -v dcmftest >/dev/null; then
	ok "dcmftest accepts every slice" dcmftest "$T"/ct1/CT_001/*
else
	skip "dcmftest accepts every slice" "no dcmftest"
fi
done_testing
