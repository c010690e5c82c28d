#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# From a scan to images that lie on it: a real MR into a CT with its geometry, its place in the scanner, and no slice that
# nobody made; the same of slice triplets. The networks have learnt next to nothing.
. "$(dirname "$0")/../lib.sh"
needs phantom ingest preprocess split pair train predict interpolate dicom verify
has_python pydicom nibabel numpy scipy || skip_all "python with pydicom, nibabel, numpy and scipy"
check() {
	"$PYTHON" "$SM_ROOT/tests/stage/translate_check.py" "$@"
}
# road NAME RAW: $T/NAME.yaml up to predict.
road() {
	mkdir -p "$T/$1"
	road_of="--manifest $T/$1.yaml --jobs 1 --in"
	# shellcheck disable=SC2086 # options and their values
	sm ingest $road_of "$2" --out "$T/$1/ingest" &&
		sm preprocess $road_of "$T/$1/ingest" --out "$T/$1/prep" &&
		sm split $road_of "$T/$1/prep" --out "$T/$1/split" &&
		sm pair $road_of "$T/$1/prep" --split "$T/$1/split" --out "$T/$1/pair" &&
		sm train $road_of "$T/$1/pair" --out "$T/$1/train" &&
		sm predict $road_of "$T/$1/prep" --split "$T/$1/split" --model "$T/$1/train" --out "$T/$1/predict"
}

# --- slices that nobody predicted, of a volume whose other slices are copies ----------------------------
cat >"$T/ct.yaml" <<'END'
schema: 1
name: ct
dataset: pair
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1024, 3071], to: [-1, 1]}, when: ct}
split: {train: 50, test: 50, valid: 0, near_duplicates: off}
pair: {mode: triplets, a: ct, first: 2, last: 6}
translate: {levels: 3, width: 0.0625, discriminator_width: 0.0625, epochs: 1, jitter: 0, sample_images: 0, checkpoint_every: 0}
END
run sm phantom --kind ct_stack --cases 2 --size 32,32,9 --out "$T/raw"
exits "triplets of a part of the slices" 0 road ct "$T/raw"
# shellcheck disable=SC2016 # no shell
facts='
import glob, json, sys
side = json.load(open(glob.glob(sys.argv[1] + "/*/ct.json")[0]))
print(*(side.get(k, {}).get("index") for k in ("predicted_slices", "filled_slices")), side.get("PatientPosition"), side.get("SliceThickness"))'
is "copies are no holes, and the scan's place stays" "$("$PYTHON" -c "$facts" "$T/ct/predict")" "[3, 4, 5] None HFS 0.75"
like "it stands in the ledger of preprocess" "$(cat "$T/ct/prep/ledger.jsonl")" '"scans":.*"PatientPosition":"HFS"'
exits "their series" 0 sm dicom --in "$T/ct/predict" --out "$T/ct/dicom"
is "has all slices" "$(find "$T/ct/dicom" -name '*.dcm' | wc -l | tr -d ' ')" 9
# Windowed by preprocess: own slices of the scan, and no copies of it.
# shellcheck disable=SC2016 # no shell
kinds='
import glob, json, sys, pydicom
folder, volumes = sys.argv[1:3]
for path in glob.glob(volumes + "/*/ct.json"):
    side = json.load(open(path))
    print(side["predicted_slices"]["index"], side["processed_slices"])
f = [pydicom.dcmread(p) for p in sorted(glob.glob(folder + "/*/ct/*.dcm"))]
print(*(d.ImageType[-1][:3] for d in f))
print(*sorted({str(d.ImageComments)[:24] for d in f}), sep="; ")
print("others PROCESSED or copies" in f[0].DerivationDescription)'
is "which calls none a copy that is none" "$("$PYTHON" -c "$kinds" "$T/ct/dicom" "$T/ct/predict")" \
	"[3, 4, 5] {'axis': 2, 'index': [0, 1, 2, 6, 7, 8]}
PRO PRO PRO SYN SYN SYN PRO PRO PRO
SYNTHETIC: predicted, no; processed, not predicted
True"
exits "ingest reads it" 0 sm ingest --in "$T/ct/dicom" --out "$T/ct/again"
is "as one volume" "$(find "$T/ct/again" -name '*.nii.gz' | wc -l | tr -d ' ')" 1
exits "between its slices" 0 sm interpolate --in "$T/ct/predict" --out "$T/ct/finer"
exits "and their series" 0 sm dicom --in "$T/ct/finer" --out "$T/ct/finer_dicom"
is "nothing becomes a copy there" "$("$PYTHON" -c "$kinds" "$T/ct/finer_dicom" "$T/ct/finer" | sed -n 2p)" \
	"PRO SYN PRO SYN PRO SYN SYN SYN SYN SYN SYN SYN PRO SYN PRO SYN PRO"
exits "between slices of preprocess" 0 sm interpolate --in "$T/ct/prep" --out "$T/ct/between"
is "no original is a copy of the scan either" "$(cat "$T"/ct/between/*/*.json | tr -d ' \n' | grep -o '"processed_slices":{[^}]*}' | sort -u)" \
	'"processed_slices":{"axis":2,"index":[0,2,4,6,8,10,12,14,16]}'

# --- a real MR ------------------------------------------------------------------------------------------------
cat >"$T/sts.yaml" <<'END'
schema: 1
name: sts
dataset: pair
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1000, 1600], to: [-1, 1]}, when: ct}
    - {window: {range: [0, 1000], to: [-1, 1]}, when: mr}
    - {pad_crop: {size: [112, 64, 0], fill: -1}, when: ct}
    - {pad_crop: {size: [112, 64, 0], fill: -1}, when: mr}
split: {train: 50, valid: 0, test: 50, near_duplicates: off}
pair: {mode: unpaired, a: mr, b: ct, first: 5, last: 20}
translate: {system: cyclegan, generator: resnet, discriminator: judge3, blocks: 1, width: 0.0625, discriminator_width: 0.0625,
  epochs: 1, steps_per_epoch: 2, pool: 0, checkpoint_every: 0, sample_images: 0, jitter: 0}
END
real=$SM_SHARED_DATA/sts_ct_mr_pet/dicom
if [ -d "$real" ]; then
	exits "a real MR, slices 5 to 20" 0 road sts "$real"
	case=$(basename "$(dirname "$(ls "$T"/sts/predict/*/ct.nii.gz)")")
	ok "becomes a CT on its grid" check on_scan "$T/sts/predict" ct "$T/sts/ingest" mr
	is "that says which slices were predicted, and where it lay" "$("$PYTHON" -c "$facts" "$T/sts/predict" | tr -d ' ')" \
		"[5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]$("$PYTHON" -c "
import json, sys
side = json.load(open(sys.argv[1]))
print([k for k in range(len(side['SliceMap'])) if k < 5 or k > 20], side['PatientPosition'], round(side['SliceThickness'], 14))" "$T/sts/ingest/$case/mr.json" | tr -d ' ')"
	exits "its series" 0 sm dicom --in "$T/sts/predict" --out "$T/sts/dicom"
	is "has the predicted slices alone" "$(find "$T/sts/dicom" -name '*.dcm' | wc -l | tr -d ' ')" 16
	like "the record counts the others" "$(cat "$T/sts/dicom/ledger.jsonl")" '"empty_slices":(9|12),.*"slices":16,'
	ok "each where its voxels are" check series "$T/sts/predict" ct "$T/sts/dicom"
	ok "and where the scanner's slice was, in the same position" check sources "$T/sts/dicom" "$real"
	exits "verify knows the files" 0 sm verify "$T/sts/predict" "$T/sts/dicom"
	mkdir -p "$T/from/CT_image" && cp "$real/../nifti/STS_012/CT_image.nii.gz" "$T/from/CT_image/image.nii.gz"
	exits "a real CT of 159 x 155, by a network of multiples of 8" 0 sm interpolate --method network --model "$T/ct/train" \
		--in "$real/../nifti/STS_012/CT_image.nii.gz" --out "$T/finer"
	like "which saw 160 x 160" "$(cat "$T/finer/ledger.jsonl")" '"padded":.*\[160,160\]'
	ok "keeps each bit of its own slices" "$PYTHON" "$SM_ROOT/tests/stage/derived_check.py" between "$T/from" "$T/finer" 2
else
	skip "a real MR" "no shared data"
fi
done_testing
