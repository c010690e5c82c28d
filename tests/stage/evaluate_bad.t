#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage evaluate and what it must not score: other grids, labels out of range, masks without threshold, NaN, missing cases.
. "$(dirname "$0")/../lib.sh"
needs evaluate
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

# One pair, each kind of bad input.
truth=ingest/case00/seg.nii.gz
mkdir LOUD QUIET
cp predict/case00.nii.gz LOUD/CASE.NII.GZ
cp $truth QUIET/CASE.nii.gz
exits "an ending in capitals" 0 sm evaluate --pred LOUD --truth QUIET --out loud
like "is scored" "$(cat loud/scores.csv)" '^"?CASE'
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


# Masks that are no whole numbers: a threshold must be given.
"$PYTHON" - <<'EOS'
import nibabel, numpy as np
i = nibabel.load("ingest/case00/seg.nii.gz")
t = (np.asarray(i.dataobj) > 0).astype(np.uint8)
p = (np.asarray(nibabel.load("predict/case02.nii.gz").dataobj) > 0).astype(np.float32) * np.float32(0.8) + np.float32(0.1)
n = p.copy(); n[3, 4, 5] = np.nan
for name, a in (("binary.nii.gz", t), ("soft.nii.gz", p), ("softnan.nii.gz", n)):
    nibabel.save(nibabel.Nifti1Image(a, i.affine), name)
EOS
exits "a probability without threshold" 3 sm evaluate --pred soft.nii.gz --truth binary.nii.gz
like "says how one is given" "$(cat "$ERR")" 'prediction soft.nii.gz: value 0\.1.* at voxel \(0, 0, 0\) is no label: .*evaluate\.threshold \(--threshold\)'
exits "with threshold" 0 sm evaluate --pred soft.nii.gz --truth binary.nii.gz --threshold 0.5
like "it is a mask" "$(cat "$OUT")" '^mask +1 +0\.7500 '
exits "a threshold above all" 0 sm evaluate --pred soft.nii.gz --truth binary.nii.gz --threshold 0.95
like "leaves nothing" "$(cat "$OUT")" '^mask +1 +0\.0000 .* 384 +0$'
exits "NaN with threshold" 3 sm evaluate --pred softnan.nii.gz --truth binary.nii.gz --threshold 0.5
like "is refused by its voxel" "$(cat "$ERR")" 'softnan.nii.gz: value nan at voxel \(3, 4, 5\): allowed are finite numbers'
"$PYTHON" - <<'EOS'
import nibabel, numpy as np
i = nibabel.load("soft.nii.gz")
nibabel.save(nibabel.Nifti1Image(np.asarray(i.dataobj) - np.float32(0.5), i.affine), "logits.nii.gz")
EOS
exits "the threshold 0 is a threshold" 0 sm evaluate --pred logits.nii.gz --truth binary.nii.gz --threshold 0
like "as any other" "$(cat "$OUT")" '^mask +1 +0\.7500 '
printf 'schema: 1\nname: t\nevaluate: {threshold: 0}\n' >zero.yaml
exits "also in a manifest" 0 sm evaluate --manifest zero.yaml --pred logits.nii.gz --truth binary.nii.gz
like "as any other" "$(cat "$OUT")" '^mask +1 +0\.7500 '
exits "which the word none takes back" 3 sm evaluate --manifest zero.yaml --pred logits.nii.gz --truth binary.nii.gz --threshold none
exits "other words are none" 2 sm evaluate --pred logits.nii.gz --truth binary.nii.gz --threshold nan
like "says what is allowed" "$(cat "$ERR")" "--threshold: found 'nan', allowed is a number from -1e\+09 to 1e\+09 or none"
printf 'schema: 1\nname: t\nevaluate: {threshold: 0.5, labels: [{value: 1, name: a}, {value: 2, name: b}]}\n' >two.yaml
exits "a threshold and two labels" 2 sm evaluate --manifest two.yaml --pred soft.nii.gz --truth binary.nii.gz
like "do not go together" "$(cat "$ERR")" 'threshold: is given with 2 labels, allowed is one'

# A header that contradicts itself: what was taken is told.
"$PYTHON" - <<'EOS'
import nibabel, numpy as np
i = nibabel.load("binary.nii.gz")
a = np.diag([2., 2, 2, 1])
n = nibabel.Nifti1Image(np.asarray(i.dataobj), a)
n.set_sform(a, 1)
n.set_qform(np.diag([1., 1, 1, 1]), 1)
nibabel.save(n, "two_forms.nii.gz")
EOS
exits "sform and qform apart" 0 sm evaluate --pred two_forms.nii.gz --truth two_forms.nii.gz --out forms
like "are told" "$(cat "$ERR")" 'prediction two_forms.nii.gz: sform \(scanner\) and qform \(scanner\) differ by [0-9.]* mm; the sform was taken'
like "voxel sizes too" "$(cat "$ERR")" 'truth two_forms.nii.gz: pixdim and the sform.s columns differ by up to 100 %'
like "also in the record" "$(cat forms/ledger.jsonl)" '"warnings":\[.*sform \(scanner\) and qform'
unlike "a plain header has none" "$(run sm evaluate --pred binary.nii.gz --truth binary.nii.gz; cat "$ERR")" 'was taken'

# A sheared grid has no distances.
edit predict/case00.nii.gz shear.nii.gz 'm[0, 1] += 0.5'
edit $truth sheart.nii.gz 'm[0, 1] += 0.5'
exits "a sheared grid" 3 sm evaluate --pred shear.nii.gz --truth sheart.nii.gz
like "is named by its angle" "$(cat "$ERR")" 'truth sheart.nii.gz: '
exits "but has overlap" 0 sm evaluate --pred shear.nii.gz --truth sheart.nii.gz --metrics dice,volume_difference
exits "an unknown metric" 2 sm evaluate --pred predict/case00.nii.gz --truth $truth --metrics dize
like "lists the known ones" "$(cat "$ERR")" "metrics: found 'dize', allowed are all, dice, iou, "
exits "an unknown unit" 2 sm evaluate --pred predict/case00.nii.gz --truth $truth --by cube
like "lists the known ones too" "$(cat "$ERR")" "by: found 'cube', allowed are voxel, slice and tile"
exits "an unknown policy" 2 sm evaluate --pred predict/case00.nii.gz --truth $truth --empty skip
like "lists the policies" "$(cat "$ERR")" 'allowed is one of brats2020\|nnunet\|strict\|seed'

# Two folders: what is missing on either side.
mkdir flat some
for i in 0 1 2 3 4; do cp ingest/case0$i/seg.nii.gz flat/case0$i.nii.gz; done
cp predict/case0[0-3].nii.gz some/
cp predict/case04.nii.gz some/case09.nii.gz
exits "missing cases on both sides" 1 sm evaluate --pred some --truth flat --out g1
like "a truth without prediction" "$(cat "$ERR")" 'case04: rejected: case case04 has a truth but no file case04.nii.gz or case04.nii in the folder of predictions'
like "a prediction without truth" "$(cat "$ERR")" 'case09: rejected: case case09 has a prediction but no file of its name in the folder of truths'
like "the others are scored" "$(cat "$OUT")" '^4 cases$'
exits "missing: list" 1 sm evaluate --pred some --truth flat --out g2 --missing list
like "lists the truth" "$(head -n 1 g2/ledger.jsonl)" '"no_file":\["case04"\]'
like "and says so" "$(cat "$ERR")" '1 case was not predicted and not scored: no file of that name'
is "only the prediction is rejected" "$(grep -c '"status":"rejected"' g2/ledger.jsonl)" 1
rm some/case09.nii.gz
exits "missing: worst" 0 sm evaluate --pred some --truth flat --out g3 --missing worst
like "scores an empty prediction" "$(cat g3/scores.csv)" '^case04,wt,"1,2,4",0\.000000,.*,373\.128664,.*,prediction_empty,0,0,384,18816$'
like "and the record says so" "$(cat g3/ledger.jsonl)" '"prediction_missing":true'
mkdir odd
cp some/*.nii.gz odd/
cp some/case00.nii.gz "odd/case 0 & MÃ¼ller.nii.gz"
cp some/case01.nii.gz "odd/b c.nii.gz"
printf x >odd/._case00.nii.gz # what other systems leave is no case
cp flat/case01.nii.gz "flat/b c.nii.gz"
exits "names that are none of a case" 1 sm evaluate --pred odd --truth flat --out g5 --missing list
like "are told" "$(cat "$ERR")" 'rejected: --pred: the name case 0 & M'
is "each is one record, truth and prediction together" "$(grep -c '"status":"rejected"' g5/ledger.jsonl)" 2
like "the others are scored" "$(cat "$OUT")" '^4 cases$'
rm "flat/b c.nii.gz"
cp predict/case00.nii.gz some/case00.nii
exits "one case in two files" 3 sm evaluate --pred some --truth flat --out g4
like "is refused" "$(cat "$ERR")" '--pred: has both case00\.nii(\.gz)? and case00\.nii(\.gz)?, allowed is one of them'
exits "a folder and a file" 2 sm evaluate --pred some --truth $truth --out g4
exits "folders without --out" 2 sm evaluate --pred some --truth flat
mkdir none
exits "an empty folder" 3 sm evaluate --pred none --truth flat --out g4
like "is said" "$(cat "$ERR")" '--pred: has no file whose name ends in'
done_testing
