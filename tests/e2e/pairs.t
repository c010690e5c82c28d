#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Image translation by `make` alone: raw scans of MR and CT to the table of scores and the page, series and finer scans;
# a second run finds nothing to do. Then slice triplets in folds of slices, and their network between the slices.
. "$(dirname "$0")/../lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL
needs phantom index ingest preprocess split pair train predict evaluate report interpolate dicom verify manifest

printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\n' "$SM_BIN" "$SM_ROOT/scripts/pipeline.mk" >"$T/road.mk"
cat >"$T/m.yaml" <<'END1'
schema: 1
name: pairs
dataset: pair
phantom: {kind: mr_ct_pair, cases: 6, size: [32, 32, 12], spacing: [8, 8, 16]}
ingest: {layout: files, sources: [{role: mr, pattern: "{case}/mr.nii*"}, {role: ct, pattern: "{case}/ct.nii*"}]}
preprocess:
  steps:
    - {window: {range: [-1024, 2048], to: [-1, 1]}, when: ct}
    - {normalise: {method: percentile, percentiles: [0.5, 99.5], range: [-1, 1]}, when: mr}
split: {train: 4, valid: 0, test: 2, near_duplicates: off}
pair: {mode: aligned, a: mr, b: ct}
translate: {levels: 3, width: 0.0625, discriminator_width: 0.0625, epochs: 2, jitter: 0, checkpoint_every: 1, sample_images: 1}
evaluate: {metrics: [mae, rmse]}
END1
road() {
	make -s -f "$T/road.mk" "$@" MANIFEST="$T/m.yaml" RAW="$T/raw" WORK="$T/work" JOBS=1
}
# stamps: bytes, age and place of all outputs; ledgers are written anew by each run.
stamps() {
	(cd "$T/work" && find train predict evaluate report interpolate dicom -type f \
		'(' -name '*.hdf5' -o -name '*.csv' -o -name '*.png' -o -name '*.nii.gz' -o -name '*.json' -o -name '*.dcm' ')' \
		! -path 'evaluate/summary.*' ! -path 'evaluate/scores.csv' ! -path 'report/*' | sort | xargs stat -c '%n %i %Y %Z')
}
stage_reused() {
	sed -n "s/^$1: info: \([0-9]*\) \(items\|cases\|case\|item\): .* \([0-9]*\) reused.*/\3 of \1/p" "$ERR"
}

run sm phantom --manifest "$T/m.yaml" --out "$T/raw" --jobs 1
[ "$CODE" -eq 0 ] || fail_all "no phantom: $(cat "$ERR")"
exits "one line from the scans to the report" 0 road all-stages
for stage in index ingest preprocess split pair train predict evaluate report; do
	ok "$stage wrote its ledger" test -s "$T/work/$stage/ledger.jsonl"
done
for stage in tile slice; do
	ok "$stage is not needed" test ! -e "$T/work/$stage"
done
ok "two epochs were trained" test -s "$T/work/train/epoch-0002.hdf5"
is "the test cases are predicted" "$(find "$T/work/predict" -name ct.nii.gz | wc -l | tr -d ' ')" 2
is "and scored beside the baselines" "$(cut -d, -f1,2 "$T/work/evaluate/summary.csv" | tr -d '"' | sort -u | tr '\n' ' ')" \
	"body_constant,yes body_mean_image,yes identity,yes mean_image,yes model,no row,baseline white,yes "
like "the table has the error in HU" "$(cat "$T/work/report/table.md")" 'HU'
like "the page its curves and pictures" "$(cat "$T/work/report/report.html")" '<svg'
like "of input and output" "$(cat "$T/work/report/report.html")" 'data:image/png;base64,'
is "a page of slices for each case" "$(find "$T/work/report/slices" -name '*.html' | wc -l | tr -d ' ')" 2

exits "series of what was predicted" 0 road dicom
is "a file a slice" "$(find "$T/work/dicom" -name '*.dcm' | wc -l | tr -d ' ')" 24
exits "slices in between" 0 road interpolate FACTOR=3 METHOD=cubic
like "three times as many" "$(grep '"key":' "$T/work/interpolate/ledger.jsonl" | head -n 1)" '"predicted_slices":22'
exits "twice as many" 0 road interpolate
like "replace these" "$(grep '"key":' "$T/work/interpolate/ledger.jsonl" | head -n 1)" '"predicted_slices":11'
exits "verify of all" 0 road verify
is "looks at every stage" "$(wc -l <"$OUT" | tr -d ' ')" 11

hashes "$T/work" >"$T/good"
stamps >"$T/before"
exits "all of it again" 0 road all-stages dicom interpolate
is "no byte is another" "$(hashes "$T/work" | diff "$T/good" - | head -n 3)" ""
is "no file was written again" "$(stamps | diff "$T/before" - | head -n 3)" ""
for line in 'pair:6 of 6' 'predict:2 of 2' 'evaluate:2 of 2' 'dicom:2 of 2' 'interpolate:6 of 6'; do
	is "${line%:*} keeps all" "$(stage_reused "${line%:*}")" "${line#*:}"
done
unlike "nothing is trained" "$(cat "$ERR")" 'epoch [0-9]+ of'

sed -i 's/epochs: 2/epochs: 3/' "$T/m.yaml"
exits "an epoch more" 0 road all-stages
like "is trained" "$(cat "$ERR")" 'epoch 3 of 3'
unlike "alone" "$(cat "$ERR")" 'epoch [12] of 3'
is "and predicted from" "$(stage_reused predict)" "0 of 2"

# Folds of slices: every case has some that were held out, so that all are predicted and scored.
cat >"$T/m.yaml" <<'END1'
schema: 1
name: between
dataset: pair
phantom: {kind: ct_stack, cases: 2, size: [32, 32, 14], spacing: [8, 8, 5]}
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1024, 3071], to: [-1, 1]}, when: ct}
split: {train: 50, valid: 0, test: 50, near_duplicates: off}
pair: {mode: triplets, a: ct, split: slices}
translate: {levels: 3, width: 0.0625, discriminator_width: 0.0625, epochs: 1, jitter: 0, checkpoint_every: 0, sample_images: 0}
evaluate: {metrics: [mae]}
END1
rm -r "$T/raw" "$T/work"
run sm phantom --manifest "$T/m.yaml" --out "$T/raw" --jobs 1
exits "triplets: from the scans to the report, and to finer series" 0 \
	road all-stages interpolate dicom DICOM_OF=interpolate INTERPOLATE_OF=preprocess METHOD=network FACTOR=2
is "both cases are predicted" "$(find "$T/work/predict" -name '*.nii.gz' | wc -l | tr -d ' ')" 2
like "and scored" "$(tail -n +2 "$T/work/evaluate/ledger.jsonl" | grep -c '"status":"ok"')" '^2$'
ok "by some of their slices" test "$(sed -n 's/.*"slices":\[\([0-9,]*\)\].*/\1/p' "$T/work/evaluate/ledger.jsonl" | tr ',' '\n' | wc -l)" -lt 24
is "27 slices a case" "$(find "$T/work/dicom-interpolate" -name '*.dcm' | wc -l | tr -d ' ')" 54
like "by the network" "$(tail -n 1 "$T/work/interpolate/ledger.jsonl")" '"role":"checkpoint"'
hashes "$T/work/interpolate" >"$T/good"
exits "series of them once more, without a word of how they were made" 0 road dicom DICOM_OF=interpolate
is "the network's volumes stay" "$(hashes "$T/work/interpolate" | diff "$T/good" - | head -n 3)" ""
is "and so do their series" "$(stage_reused dicom)" "2 of 2"
done_testing
