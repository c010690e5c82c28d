#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage evaluate: known scores, one pair of files, two folders, policies, tiles, resume, threads.
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
like "the table has the known mean" "$(cat "$OUT")" '^WT +1,2,4 +Dice +0\.7500 .* 0\.1976 +0\.7500 +5 +0 +0 +0 +0$'
like "the other core is named apart" "$(cat "$OUT")" '^TC \(original\) +1 '
like "the empty region is counted" "$(cat "$OUT")" '^ET +4 +Dice +0\.8500 .* 5 +1 +0 +0 +0$'
like "shifts of 2 mm are told" "$(cat "$OUT")" '^WT +1,2,4 +HD95(, mm)? +4\.000 '
like "and the policy" "$(cat "$OUT")" 'empty regions: brats2020: '
like "a case has its Dice" "$(cat e1/scores.csv)" '^case02,wt,"1,2,4",0\.750000,0\.600000,0\.750000,'
like "the columns are named" "$(head -n 1 e1/scores.csv)" \
	'^case,region,labels,dice,iou,sensitivity,specificity,precision,hd95,assd,nsd_1mm,volume_difference,situation,tp,fp,fn,tn$'
like "the situation stands beside" "$(cat e1/scores.csv)" '^case04,et,4,1\.000000,.*,0\.000000,.*,both_empty,0,0,0,19200$'
like "a distance" "$(cat e1/scores.csv)" '^case03,wt,.*,6\.000000,'
like "summary.csv has the mean" "$(cat e1/summary.csv)" '^et,4,dice,1,0\.850000,'
like "the worst case stands first" "$(cat e1/worst.csv)" '^wt,"1,2,4",dice,1,case04,0\.500000$'
like "volumes agree" "$(cat e1/volumes.csv)" '^wt,"1,2,4",5,0\.000000,'
ok "summary.json is JSON of nnU-Net's shape" "$PYTHON" - e1/summary.json <<'EOS'
import json, sys
s = json.load(open(sys.argv[1]))
assert sorted(s) == ["foreground_mean", "mean", "metric_per_case"], sorted(s)
assert len(s["metric_per_case"]) == 5
EOS
ok "the ledger says why a cell is what it is" "$PYTHON" - e1/ledger.jsonl <<'EOS'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
et = lines[5]["scores"]["et"]
assert et["situation"] == "both_empty" and et["dice"] == 1 and et["why"]["dice"] == "policy", et
assert lines[0]["columns"][5]["key"] == "hd95" and "percentiles" in lines[0]["columns"][5]["formula"]
assert lines[0]["settings"]["manifest"]["evaluate"]["empty"] == "brats2020"
assert lines[1]["spacing"] == [2, 2, 3] and lines[1]["voxel_mm3"] == 12
EOS
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

exits "two files" 0 sm evaluate --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "their Dice" "$(cat "$OUT")" '^WT +1,2,4 +0\.7500 +0\.6000 +0\.7500'
like "their voxels" "$(cat "$OUT")" '^ET .* 96 +96$'
exits "two files into a folder" 0 sm evaluate --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz --out s1
like "have their hashes" "$(cat s1/ledger.jsonl)" '"path":"case02.nii.gz","role":"prediction","sha256":"[0-9a-f]{64}"'

# Two folders without ledgers.
mkdir flat
for i in 0 1 2 3 4; do cp ingest/case0$i/seg.nii.gz flat/case0$i.nii.gz; done
exits "two folders" 0 sm evaluate --pred predict --truth flat --out f1 --jobs 1
is "score as the ledgers do" "$(cat f1/scores.csv)" "$(cat e1/scores.csv)"
exits "on two threads" 0 sm evaluate --pred predict --truth flat --out f2 --jobs 2
same_tree "the same bytes" f1 f2
exits "and resumed" 0 sm evaluate --pred predict --truth flat --out f2 --resume
like "all is kept" "$(cat "$ERR")" '5 reused'
same_tree "and the same" f1 f2

# Empty regions by each policy: by the manifest and by the command line alike.
"$PYTHON" - predict/case01.nii.gz <<'EOS'
import sys, nibabel, numpy as np
i = nibabel.load(sys.argv[1])
a = np.asarray(i.dataobj).copy()
a[a == 4] = 1
nibabel.save(nibabel.Nifti1Image(a, i.affine), "missed.nii.gz")
EOS
for policy in nnunet strict seed; do
	printf 'schema: 1\nname: p\nevaluate: {empty: %s}\n' $policy >$policy.yaml
	exits "policy $policy" 0 sm evaluate --manifest $policy.yaml --in predict --truth ingest --out m_$policy
	exits "the same by option" 0 sm evaluate --empty $policy --in predict --truth ingest --out o_$policy
	same_tree "is the same" m_$policy o_$policy
done
like "nnunet leaves the case out" "$(sm evaluate --empty nnunet --in predict --truth ingest --out m_nnunet 2>/dev/null)" \
	'^ET +4 +Dice +0\.8125 .* 4 +1 +0 +0 +0$'
like "seed smooths" "$(cat m_seed/scores.csv)" '^case02,wt,"1,2,4",0\.750325,'
exits "a missed region" 0 sm evaluate --pred missed.nii.gz --truth ingest/case01/seg.nii.gz --metrics dice,hd95
like "is 373.1287 mm off by brats2020" "$(cat "$OUT")" '^ET +4 +0\.0000 +373\.129 '
exits "infinitely far by strict" 0 sm evaluate --pred missed.nii.gz --truth ingest/case01/seg.nii.gz --metrics dice,hd95 --empty strict
like "and says so" "$(cat "$OUT")" '^ET +4 +0\.0000 +inf '
exits "by nnunet" 0 sm evaluate --pred missed.nii.gz --truth ingest/case01/seg.nii.gz --metrics dice,hd95 --empty nnunet
like "Dice is 0 and the distance left out" "$(cat "$OUT")" '^ET +4 +0\.0000 +- '
mkdir lost
cp predict/*.nii.gz lost/
cp missed.nii.gz lost/case01.nii.gz
exits "infinite ones are counted in the mean's line" 0 sm evaluate --pred lost --truth flat --out m_inf --empty strict --metrics hd95
like "and never averaged" "$(cat "$OUT")" '^ET +4 +HD95(, mm)? +2\.500 .* 4 +1 +0 +1 +1$'

# Metrics, units, tolerances, lesions.
exits "all metrics, by slice too" 0 sm evaluate --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz \
	--metrics all --by voxel,slice --tolerances 1,3.5
like "NSD at each tolerance" "$(cat "$OUT")" '^NSD 3\.5 mm '
like "Dice by slice is that of the volume: all slices are alike" "$(cat "$OUT")" '^Dice by slice +0\.7500 '
like "kappa" "$(cat "$OUT")" '^Kappa '
exits "lesions" 0 sm evaluate --in predict --truth ingest --out l1 --lesions met --jobs 2
like "have a file" "$(cat l1/lesions.csv)" '^case02,wt,1,10,11,7,4608\.000,0\.75'
like "and columns" "$(head -n 1 l1/scores.csv)" 'lesion_dice,lesion_hd95,.*,pq,sq,rq,situation'
exits "BraTS 2023 labels" 3 sm evaluate --map brats2023 --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "have no 4" "$(cat "$ERR")" 'label 4 .*allowed are 0, 1, 2, 3$'
"$PYTHON" - <<'EOS'
import nibabel, numpy as np
for name, out in (("predict/case02.nii.gz", "p3.nii.gz"), ("ingest/case02/seg.nii.gz", "t3.nii.gz")):
    i = nibabel.load(name)
    a = np.asarray(i.dataobj).copy()
    a[a == 4] = 3
    nibabel.save(nibabel.Nifti1Image(a, i.affine), out)
EOS
sm evaluate --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz 2>/dev/null >four.txt
exits "are scored by their map" 0 sm evaluate --map brats2023 --pred p3.nii.gz --truth t3.nii.gz
is "to the same numbers" "$(sed -n '2,4s/ 1,[0-9,]* \| [34] / /p' "$OUT" | tr -s ' ')" "$(sed -n '2,4s/ 1,[0-9,]* \| [34] / /p' four.txt | tr -s ' ')"

# Tiles: known places on the preprocessed grid, which was cut at (2, 0, 0) and flipped along y.
mkdir -p tile preprocess
"$PYTHON" - <<'EOS'
import hashlib, json
def ledger(folder, stage, more, field):
    head = {"schema": 1, "stage": stage, "version": 1, "settings": {"manifest": more, "options": {}, "seed": 1}, "parents": {},
            "settings_sha256": "0" * 64}
    with open(folder + "/ledger.jsonl", "w") as f:
        f.write(json.dumps(head, sort_keys=True) + "\n")
        for i in range(6):
            f.write(json.dumps({"key": f"case{i:02d}", "status": "ok", **field}, sort_keys=True) + "\n")
ledger("tile", "tile", {"tile": {"size": [8, 8, 6]}}, {"outputs": [{"role": "shard", "path": "a.h5", "sha256": "1" * 64}], "starts": [[8, 11, 7], [10, 11, 7], [0, 0, 0]]})
ledger("preprocess", "preprocess", {}, {"way": [1, 0, 0, -2, 0, -1, 0, 29, 0, 0, 1, 0, 0, 0, 0, 1]})
EOS
exits "scores by tile" 0 sm evaluate --in predict --truth ingest --tiles tile --preprocess preprocess --out t1 --metrics dice,accuracy --empty seed --jobs 2
ok "are means over the tiles" "$PYTHON" - t1/ledger.jsonl <<'EOS'
import json, sys
sys.argv
import nibabel, numpy as np
lines = [json.loads(l) for l in open(sys.argv[1])]
def load(p): return np.asarray(nibabel.load(p).dataobj)
for r in lines[1:]:
    t, p = load(f"ingest/{r['key']}/seg.nii.gz") > 0, load(f"predict/{r['key']}.nii.gz") > 0
    t, p = t[2:, ::-1], p[2:, ::-1]
    dice, accuracy = [], []
    for x, y, z in ((8, 11, 7), (10, 11, 7), (0, 0, 0)):
        a, b = t[x:x + 8, y:y + 8, z:z + 6], p[x:x + 8, y:y + 8, z:z + 6]
        dice.append((2 * (a & b).sum() + 1) / (a.sum() + b.sum() + 1))
        accuracy.append((a == b).mean())
    wt = r["scores"]["wt"]
    assert abs(wt["dice_by_tile"] - np.mean(dice)) < 1e-12, (r["key"], wt["dice_by_tile"], np.mean(dice))
    assert abs(wt["accuracy_by_tile"] - np.mean(accuracy)) < 1e-12
EOS
like "the tiles are inputs" "$(cat t1/ledger.jsonl)" '"path":"a.h5","role":"tiles"'
exits "tiles of two folders of files" 0 sm evaluate --pred predict --truth flat --tiles tile --preprocess preprocess --out t3 --metrics dice,accuracy --empty seed
is "score the same" "$(cat t3/scores.csv)" "$(cat t1/scores.csv)"
exits "the same tiles" 0 sm evaluate --in predict --truth ingest --tiles tile --preprocess preprocess --out t1 --metrics dice,accuracy --empty seed --resume
like "are kept" "$(cat "$ERR")" '5 reused'
sed -i 's/"sha256": "1/"sha256": "2/; s/\[0, 0, 0\]/[1, 0, 0]/' tile/ledger.jsonl
exits "other tiles" 0 sm evaluate --in predict --truth ingest --tiles tile --preprocess preprocess --out t1 --metrics dice,accuracy --empty seed --resume
like "are not" "$(cat "$ERR")" ' 0 reused'
exits "tiles need the grid" 2 sm evaluate --in predict --truth ingest --tiles tile --out t2
like "which preprocess tells" "$(cat "$ERR")" '^evaluate: error: --preprocess: is missing, --tiles needs it'
sed -i 's/"way": \[1,/"way": [2,/' preprocess/ledger.jsonl
exits "a case that was resampled" 3 sm evaluate --in predict --truth ingest --tiles tile --preprocess preprocess --out t2
like "has no tiles on its grid" "$(cat "$ERR")" 'case00: preprocess resampled it'

# Outputs on their own: probabilities as predict --probabilities leaves them, which may overlap.
"$PYTHON" - <<'EOS'
import gzip, hashlib, json, os
import nibabel, numpy as np
os.makedirs("outputs", exist_ok=True)
lines = [json.loads(l) for l in open("predict/ledger.jsonl")]
for r in lines[1:]:
    i = nibabel.load("predict/" + r["key"] + ".nii.gz")
    a = np.asarray(i.dataobj)
    for k, label in enumerate((1, 2, 4)):
        p = np.where(a == label, 0.9, 0.1).astype(np.float32)
        if label == 4:  # label 1's output says so, too, in half of it
            q = np.where((a == 1) | ((a == 4) & (np.indices(a.shape)[2] < 10)), 0.7, 0.2).astype(np.float32)
            name = r["key"] + "_probability_1.nii.gz"
            data = gzip.compress(nibabel.Nifti1Image(q, i.affine).to_bytes(), 1, mtime=0)
            open("outputs/" + name, "wb").write(data)
            r["outputs"].insert(1, {"role": "probability_1", "path": name, "sha256": hashlib.sha256(gzip.decompress(data)).hexdigest()})
        if label == 1:
            continue
        name = f"{r['key']}_probability_{k + 1}.nii.gz"
        data = gzip.compress(nibabel.Nifti1Image(p, i.affine).to_bytes(), 1, mtime=0)
        open("outputs/" + name, "wb").write(data)
        r["outputs"].append({"role": f"probability_{k + 1}", "path": name, "sha256": hashlib.sha256(gzip.decompress(data)).hexdigest()})
    # as predict writes them: in the order of the network's outputs
    r["outputs"] = [r["outputs"][0]] + sorted(r["outputs"][1:], key=lambda o: o["role"])
with open("outputs/ledger.jsonl", "w") as f:
    for l in lines:
        f.write(json.dumps(l, sort_keys=True) + "\n")
EOS
exits "the outputs of the network" 0 sm evaluate --in outputs --truth ingest --outputs 1,2,4 --out u1 --jobs 2
is "their union is the label volume's" "$(grep ',wt,' u1/scores.csv)" "$(grep ',wt,' e1/scores.csv)"
is "and so is what no other output covers" "$(grep ',et,' u1/scores.csv)" "$(grep ',et,' e1/scores.csv)"
like "label 1 has what its own output says" "$(cat u1/scores.csv)" '^case00,tc_original,1,0\.800000,.*,full,96,48,0,19056$'
like "the files are inputs" "$(cat u1/ledger.jsonl)" '"path":"case00_probability_1.nii.gz","role":"probability_1"'
exits "another threshold" 0 sm evaluate --in outputs --truth ingest --outputs 1,2,4 --threshold 0.8 --out u2
like "takes another part" "$(cat u2/scores.csv)" '^case00,tc_original,1,0\.000000,.*,prediction_empty,0,0,96,19104$'
exits "fewer labels than outputs" 3 sm evaluate --in outputs --truth ingest --outputs 1,2 --out u3
like "are refused" "$(cat "$ERR")" 'evaluate.outputs names 2 outputs, its record of stage predict has another number'
exits "without probabilities" 3 sm evaluate --in predict --truth ingest --outputs 1,2,4 --out u3
like "the option of predict is told" "$(cat "$ERR")" 'has none: run predict with --probabilities'
exits "an output of no label" 2 sm evaluate --in outputs --truth ingest --outputs 1,2,3 --out u3
like "is refused too" "$(cat "$ERR")" 'outputs: found 3, allowed are the values of labels'

# Another task: labels and regions of the manifest.
cat >other.yaml <<'EOS'
schema: 1
name: other
evaluate:
  labels: [{value: 1, name: anterior}, {value: 2, name: posterior}, {value: 4, name: tail}]
  regions: [{name: hippocampus, labels: [1, 2]}]
EOS
exits "a label map of the manifest" 0 sm evaluate --manifest other.yaml --in predict --truth ingest --out o1 --jobs 2
is "names the rows" "$(sed -n '4,$s/ .*//p' "$OUT" | grep -v '^(' | uniq | tr '\n' ' ')" 'hippocampus '
is "in both files" "$(cut -d, -f2 o1/scores.csv | sort -u | tr '\n' ' ')" 'anterior hippocampus posterior region tail '
unlike "and none of BraTS's" "$(cat "$OUT" o1/*)" '[Tt][Cc]_?(\(| )?orig|WT|"wt"|label_1'
like "the region is their union" "$(cat o1/summary.csv)" '^hippocampus,"1,2",dice,'
exits "one file by it" 0 sm evaluate --manifest other.yaml --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "has its names" "$(cat "$OUT")" '^tail +4 .* 96 +96$'
exits "a report of it" 0 sm report --in o1 --predict predict --truth ingest --out o2
like "has its names too" "$(cat o2/report.html)" 'Dice, hippocampus'
like "and the single labels" "$(cat o2/table.md)" '^\| tail \| 4 \|'
unlike "and none of BraTS's either" "$(cat o2/table.*)" 'BraTS regions|WT|TC|tumour'
sed -i 's/, {value: 4, name: tail}//' other.yaml
exits "a label that the map does not name" 3 sm evaluate --manifest other.yaml --in predict --truth ingest --out o3 --strict
like "is refused by file, value found and values allowed" "$(cat "$ERR")" \
	'truth case00/seg.nii.gz: label 4 at voxel number [0-9]+ is not in the label map: allowed are 0, 1, 2$'
exits "in a single file" 3 sm evaluate --manifest other.yaml --pred predict/case02.nii.gz --truth ingest/case02/seg.nii.gz
like "too" "$(cat "$ERR")" 'seg.nii.gz: label 4 .*allowed are 0, 1, 2$'
sed -i 's/labels: \[1, 2\]/labels: [1, 3]/' other.yaml
exits "a region of an unknown label" 2 sm evaluate --manifest other.yaml --in predict --truth ingest --out o3
like "is refused by its key" "$(cat "$ERR")" 'regions\[0\].labels: found 3, allowed are the values of labels'

# Asked for all cases, a truth without prediction is a fault.
mkdir bad
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
exits "listed by policy" 0 sm evaluate --in why --truth ingest --out e8 --missing list
like "with its reason" "$(head -n 1 e8/ledger.jsonl)" '"rejected_by_preprocess":\["case05"\]'
exits "or scored as an empty prediction" 0 sm evaluate --in why --truth ingest --out e8 --missing worst
like "with the worst scores" "$(cat e8/scores.csv)" '^case05,wt,"1,2,4",0\.000000,.*,prediction_empty,'
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
