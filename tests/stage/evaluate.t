#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage evaluate: known scores, one pair of files, bad input, resume, threads.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/w" 5 || exit 1
cd "$T/w" || exit 1

# edit NAME CODE: runs Python with a (the volume's data) and i (the image) of NAME, saves a.
edit() {
	"$PYTHON" - "$1" "$2" "$3" <<'EOS'
import sys
import nibabel, numpy as np
i = nibabel.load(sys.argv[1])
a, m = np.asarray(i.dataobj).copy(), i.affine.copy()
exec(sys.argv[3])
nibabel.save(nibabel.Nifti1Image(a, m), sys.argv[2])
EOS
}

exits "a cohort is scored" 0 sm evaluate --in predict --truth ingest --out e1 --jobs 1
like "the table has the known mean" "$(cat "$OUT")" '^WT +1,2,4 +0\.7500 +0\.1976 +0\.7500'
like "the other core is named apart" "$(cat "$OUT")" '^TC \(original\) +1 '
like "the empty region is counted" "$(cat "$OUT")" '^ET +4 +0\.8500 .* 5 +1$'
like "a case has its Dice" "$(cat e1/scores.csv)" '^case02,wt,"1,2,4",0\.750000,0\.750000,'
like "summary.csv has the mean" "$(cat e1/summary.csv)" '^et,4,dice,0\.850000,.*,5,1,1,0$'
like "cases of other folds are listed" "$(head -n 1 e1/ledger.jsonl)" '"not_predicted":\{"not_told":\[\],"other_folds":\["case05"\],'
like "and counted" "$(cat "$ERR")" '1 case was not predicted and not scored: of other folds'
unlike "not as rejected ones" "$(cat "$ERR")" 'rejected by'
exits "two threads" 0 sm evaluate --in predict --truth ingest --out e2 --jobs 2
same_tree "threads change no byte" e1 e2
exits "resume" 0 sm evaluate --in predict --truth ingest --out e2 --resume
like "resume reuses the cases" "$(cat "$ERR")" '5 reused'
same_tree "resume changes no byte" e1 e2
ls -A e1 >"$T/names"
unlike "nothing is left over" "$(cat "$T/names")" 'partial'

cat >skip.yaml <<'EOS'
schema: 1
name: skip
evaluate: {empty: skip}
EOS
exits "policy skip" 0 sm evaluate --manifest skip.yaml --in predict --truth ingest --out e3
like "the empty region is left out" "$(cat "$OUT")" '^ET +4 +0\.8125 .* 4 +1$'

exits "two files" 0 sm evaluate --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "their Dice" "$(cat "$OUT")" '^WT +1,2,4 +0\.7500 +0\.7500'
like "their voxels" "$(cat "$OUT")" '^ET .* 96 +96$'

# Another task: labels and regions of the manifest.
cat >other.yaml <<'EOS'
schema: 1
name: other
evaluate:
  labels: [{value: 1, name: anterior}, {value: 2, name: posterior}, {value: 4, name: tail}]
  regions: [{name: hippocampus, labels: [1, 2]}]
EOS
exits "a label map of the manifest" 0 sm evaluate --manifest other.yaml --in predict --truth ingest --out o1 --jobs 2
is "names the rows" "$(sed -n '4,$s/ .*//p' "$OUT" | tr '\n' ' ')" 'hippocampus anterior posterior tail '
is "in both files" "$(cut -d, -f2 o1/scores.csv | sort -u | tr '\n' ' ')" 'anterior hippocampus posterior region tail '
unlike "and none of BraTS's" "$(cat "$OUT" o1/*)" '[Tt][Cc]_?(\(| )?orig|WT|"wt"|label_1'
like "the region is their union" "$(cat o1/summary.csv)" '^hippocampus,"1,2",dice,'
exits "one file by it" 0 sm evaluate --manifest other.yaml --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "has its names" "$(cat "$OUT")" '^tail +4 .* 96 +96$'
exits "a report of it" 0 sm report --in o1 --predict predict --truth ingest --out o2
like "has its names too" "$(cat o2/report.html)" 'Dice, hippocampus'
like "and the single labels" "$(cat o2/table.md)" '^\| tail \| 4 \|'
unlike "and none of BraTS's either" "$(cat o2/report.html o2/table.*)" 'BraTS regions|WT|TC|tumour'
sed -i 's/, {value: 4, name: tail}//' other.yaml
exits "a label that the map does not name" 3 sm evaluate --manifest other.yaml --in predict --truth ingest --out o3 --strict
like "is refused by file, value found and values allowed" "$(cat "$ERR")" \
	'truth case00/seg.nii.gz: label 4 at voxel number [0-9]+ is not in the label map: allowed are 0, 1, 2$'
exits "in a single file" 3 sm evaluate --manifest other.yaml --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "too" "$(cat "$ERR")" 'seg.nii.gz: label 4 .*allowed are 0, 1, 2$'
sed -i 's/labels: \[1, 2\]/labels: [1, 3]/' other.yaml
exits "a region of an unknown label" 2 sm evaluate --manifest other.yaml --in predict --truth ingest --out o3
like "is refused by its key" "$(cat "$ERR")" 'regions\[0\].labels: found 3, allowed are the values of labels'

# One pair, each kind of bad input.
truth=ingest/case00/seg.nii.gz
edit predict/case00.nii.gz moved.nii.gz 'm[0, 3] += 2.5'
exits "moved grid" 3 sm evaluate --pred moved.nii.gz --truth $truth
like "names the distance" "$(cat "$ERR")" 'lies 2\.5 mm from where it lies in truth .*allowed are 0\.01 mm'
edit predict/case00.nii.gz small.nii.gz 'a = a[:, :-1]'
exits "other size" 3 sm evaluate --pred small.nii.gz --truth $truth
like "names the sizes" "$(cat "$ERR")" 'size along y is 29, but truth .* has 30'
edit predict/case00.nii.gz three.nii.gz 'a[a == 4] = 3'
exits "label outside the map" 3 sm evaluate --pred three.nii.gz --truth $truth
like "names the label" "$(cat "$ERR")" 'prediction three.nii.gz: label 3 .*allowed are 0, 1, 2, 4'
edit predict/case00.nii.gz float.nii.gz 'a = a.astype(np.float32) * 0.3'
exits "probabilities instead of labels" 3 sm evaluate --pred float.nii.gz --truth $truth
like "says what a label is" "$(cat "$ERR")" 'is no label: allowed are whole numbers'
edit predict/case00.nii.gz nan.nii.gz 'a = a.astype(np.float32); a[3, 3, 3] = np.nan'
exits "NaN" 3 sm evaluate --pred nan.nii.gz --truth $truth
like "names the voxel" "$(cat "$ERR")" 'value -?nan at voxel \(3, 3, 3\)'
edit predict/case00.nii.gz whole.nii.gz 'a = a.astype(np.float32)'
exits "whole numbers stored as float are labels" 0 sm evaluate --pred whole.nii.gz --truth $truth
edit predict/case00.nii.gz four.nii.gz 'a = np.stack([a, a], 3)'
exits "four dimensions" 3 sm evaluate --pred four.nii.gz --truth $truth
like "names the frames" "$(cat "$ERR")" 'has 2 frames'
exits "missing file" 2 sm evaluate --pred nowhere.nii.gz --truth $truth
exits "no truth" 2 sm evaluate --pred predict/case00.nii.gz
exits "no prediction" 2 sm evaluate --truth ingest
exits "no ledger" 3 sm evaluate --in ingest/case00 --truth ingest --out e4
like "says which stage is missing" "$(cat "$ERR")" 'stage predict has not finished'
exits "swapped folders" 3 sm evaluate --in ingest --truth predict --out e4
like "says whose ledger it is" "$(cat "$ERR")" "written by stage 'ingest', needed is 'predict'"

# A cohort where some cases are bad: the others are scored.
cp -r predict bad
cp -r ingest truth
cp bad/case01.nii.gz bad/case00.nii.gz
rm bad/case01.nii.gz
head -c 300 predict/case02.nii.gz >bad/case02.nii.gz
grep -v '"key":"case03"' ingest/ledger.jsonl >truth/ledger.jsonl
exits "bad cases are rejected, the rest is scored" 1 sm evaluate --in bad --truth truth --out e5
like "a changed file names the stage to run again" "$(cat "$ERR")" \
	'case00: rejected: case00.nii.gz: its content has hash .*run stage predict again'
like "a missing file" "$(cat "$ERR")" 'case01: rejected: case01.nii.gz: is missing'
like "a cut file" "$(cat "$ERR")" 'case02: rejected: case02.nii.gz'
like "a case without truth" "$(cat "$ERR")" 'case03 has a prediction but no record'
like "the good one counts alone" "$(cat "$OUT")" '^1 case$'
is "each has a record" "$(grep -c '"status":"rejected"' e5/ledger.jsonl)" 4
exits "strict stops" 3 sm evaluate --in bad --truth truth --out e6 --strict
ok "strict leaves no ledger" test ! -e e6/ledger.jsonl

# Asked for all cases, a truth without prediction is a fault.
sed 's/"fold":"test"/"fold":"all"/' predict/ledger.jsonl >bad/ledger.jsonl
cp predict/*.nii.gz bad/
exits "fold all: every truth needs a prediction" 1 sm evaluate --in bad --truth ingest --out e7
like "the case is named" "$(cat "$ERR")" 'case05: rejected: case case05 has a truth but no record'

# Why a truth has no prediction: the ledgers tell.
mkdir why why_truth
cp predict/*.nii.gz why/
cp -r ingest/case* why_truth/
sed 's/"other_folds":\["case05"\],"rejected":\[\]/"other_folds":[],"rejected":["case05"]/' predict/ledger.jsonl >why/ledger.jsonl
exits "rejected by preprocess" 0 sm evaluate --in why --truth ingest --out e8
like "is said" "$(cat "$ERR")" '1 case was not predicted and not scored: rejected by preprocess'
unlike "and not blamed on the folds" "$(cat "$ERR")" 'other folds'
like "the ledger says so" "$(head -n 1 e8/ledger.jsonl)" '"rejected_by_preprocess":\["case05"\]'
sed -i 's/"fold":"test"/"fold":"all"/' why/ledger.jsonl
exits "also when all were asked for" 1 sm evaluate --in why --truth ingest --out e8
like "is the reason" "$(cat "$ERR")" 'case05: rejected: case case05 was rejected by preprocess'
sed '/"key":"case05"/s/"status":"ok"/"code":"input","reason":"torn","status":"rejected"/' ingest/ledger.jsonl >why_truth/ledger.jsonl
exits "rejected by ingest" 0 sm evaluate --in predict --truth why_truth --out e9
like "is said too" "$(cat "$ERR")" '1 case was not predicted and not scored: rejected by ingest'
sed 's/"not_predicted":{[^}]*},//' predict/ledger.jsonl >why/ledger.jsonl
exits "no word about it" 0 sm evaluate --in why --truth ingest --out e8
like "is no guess" "$(cat "$ERR")" '1 case was not predicted and not scored: not named in the predict ledger'

# The truth under another role, as the manifest of ingest named it.
mkdir named
cp -r ingest/case* named/
sed 's/"role":"seg"/"role":"truth"/; s/"manifest":{}/"manifest":{"ingest":{"sources":[{"label":true,"role":"truth"}]}}/' \
	ingest/ledger.jsonl >named/ledger.jsonl
exits "a truth of another role" 0 sm evaluate --in predict --truth named --out e10
ok "scores the same" cmp e1/scores.csv e10/scores.csv
like "is an input of each case" "$(cat e10/ledger.jsonl)" '"path":"case00/seg.nii.gz","role":"truth"'
exits "and in the report" 0 sm report --in e10 --predict predict --truth named --out r10
sed 's/"label":true/"label":false/' named/ledger.jsonl >named/l && mv named/l named/ledger.jsonl
exits "without the mark there is no truth" 3 sm evaluate --in predict --truth named --out e11
like "what a truth is, is said" "$(cat "$ERR")" 'case00: stage ingest wrote no label volume: its role is seg, label, or'
done_testing
