#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a report writes beside its page: tables, published numbers, checklist, case flow, nnU-Net's JSON.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/w" 5 || fail_all "fixture"
cd "$T/w" || exit 1
# Two cases cannot be scored: one has a broken prediction, one was rejected by ingest.
printf 'broken' >predict/case02.nii.gz
sed -i 's/"key":"case05",\(.*\)"status":"ok"/"code":"input","key":"case05",\1"reason":"a test","status":"rejected"/' ingest/ledger.jsonl
hash=$(sha256sum <ingest/ledger.jsonl | cut -c 1-64)
cat >m.yaml <<'END'
schema: 1
name: tables
evaluate: {empty: strict, metrics: [dice, hd95, volume_difference]}
report:
  viewer: false
  montage_cases: 0
  published:
    - {name: "A | B", source: "first <paper> & table", row: wt, metric: dice, value: 0.889, cases: 58}
    - {name: "A | B", source: "first <paper> & table", row: et, metric: dice, value: 0.737}
    - {name: C, source: "second", row: wt, metric: hd95, value: 7.25}
    - {name: C, source: "second", row: wt, metric: dice_by_tile, value: 0.5}
END
exits "scores of four cases of five" 1 sm evaluate --in predict --truth ingest --manifest m.yaml --out evaluate
all="--in evaluate --train train --predict predict --truth ingest --split split"
# shellcheck disable=SC2086 # $all is a list
exits "a report" 0 sm report $all --manifest m.yaml --out r
# shellcheck disable=SC2086
exits "again with two threads" 0 sm report $all --manifest m.yaml --jobs 2 --out again
same_tree "the same bytes" r again
unlike "no place of this machine" "$(cat r/*)" "$T|$SM_ROOT|$(hostname)|$(date +%Y-%m-%d)"

# Tables.
like "means beside their counts" "$(cat r/table.md)" '^\| WT \| 1,2,4 \| 0\.750 ± 0\.228 \| 4\.00 ± 3\.65 \| 0\.00 ± 0\.00 \| 4 \| 0 \| 0 \| 0 \| 0 \|$'
like "an empty region in both" "$(cat r/table.md)" '^\| ET \| 4 \| .* \| 4 \| 1 \| 0 \| 0 \| 0 \|$'
like "the policy by its name" "$(cat r/table.md)" '^Mean ± standard deviation over 4 held-out cases; empty regions by policy strict: '
ok "table.csv is evaluate's" cmp r/table.csv evaluate/summary.csv
ok "the JSON files are JSON" "$PYTHON" -c '
import json, math
def no(x): raise ValueError(x)
t = json.load(open("r/table.json"), parse_constant=no)
assert [c["key"] for c in t["columns"]] == ["dice", "hd95", "volume_difference"] and t["empty"] == "strict"
(m,) = t["models"]
assert m["name"] == "tables" and m["cases"] == 4 and m["rejected"] == 1 and len(m["ledger"]) == 64
assert abs(m["regions"]["wt"]["columns"]["dice"]["mean"] - 0.75) < 1e-12
s = json.load(open("r/summary.json"), parse_constant=no)
assert len(s["metric_per_case"]) == 4 and abs(s["mean"]["(1, 2, 4)"]["Dice"] - 0.75) < 1e-12
assert s["metric_per_case"][1]["metrics"]["(1, 2, 4)"]["TP"] == 8 * 8 * 6 * 7 // 8'

# Published numbers.
page=$(cat r/report.html)
like "stand in the page, escaped" "$page" 'A \| B</th><td>first &lt;paper&gt; &amp; table; n = 58</td>'
like "and in Markdown with their source" "$(cat r/table.md)" '^\| C, published \[2\] \| -- \| -- \| 7\.25 \| 0\.500 \|$'
like "beside ours; what was not measured is no number" "$(cat r/table.md)" '^\| tables, here \| 0\.750 ± 0\.228 \| .* \| 4\.00 ± 3\.65 \| -- \|$'
like "without a bar in a name" "$(cat r/table.md)" '^\| A \\\| B, published \[1\] \| 0\.889 \| 0\.737 \|'
bad() {
	sed "s/$2/$3/" m.yaml >bad.yaml
	exits "$1" 2 sm report --in evaluate --manifest bad.yaml --out bad
}
bad "a region that is none" 'row: et' 'row: nowhere'
like "is named" "$(cat "$ERR")" "A . B: row 'nowhere' is no region"
cp "$ERR" "$ERR.row"
bad "a metric that is none" 'metric: hd95' 'metric: beauty'
like "is named" "$(cat "$ERR")" "'beauty' is no metric"
like "the rows that are there" "$(cat "$ERR.row")" 'allowed are wt, tc, et, '
for metric in dice_by_til dice_tile hd95_by_tile nsd nsd_2 nsd_2.0mm nsd_-1mm dice_2mm; do
	bad "misspelt: $metric" 'metric: dice_by_tile' "metric: $metric"
	like "is named" "$(cat "$ERR")" "'$metric' is no metric"
done
sed 's/row: wt/row: WT/; s/dice_by_tile/nsd_2mm/' m.yaml >printed.yaml
exits "a row as tables print it, a tolerance" 0 sm report --in evaluate --manifest printed.yaml --out printed
like "is that row" "$(cat printed/table.md)" '^\| A \\\| B, published \[1\] \| 0\.889 \| 0\.737 \|'
bad "a number twice" 'row: et' 'row: wt'
like "is named" "$(cat "$ERR")" 'A . B has two numbers for dice of wt'
ok "nothing is left of these" test ! -e bad/report.html

# Case flow: 6 found, 5 read, 6 in the split of the fixture, 5 predicted, 4 scored.
like "found" "$page" '<th scope="row">Found in the raw data</th><td class="n">6</td><td class="n">–</td><td>–</td><td>1 rejected by ingest'
like "split" "$page" '<th scope="row">Split by patient</th><td class="n">6</td><td class="n">6</td><td>1 training, 5 test</td><td>1 of other folds</td>'
like "scored" "$page" '<th scope="row">Predicted</th><td class="n">5</td><td class="n">5</td><td>–</td><td>1 rejected by evaluate</td>'
like "in the end" "$page" '<th scope="row">Scored</th><td class="n">4</td><td class="n">4</td>'

# What predict rejected is lost once: evaluate repeats it as a rejection of its own.
cp -r predict p2
"$PYTHON" - <<'END'
import json
lines = [json.loads(x) for x in open("predict/ledger.jsonl")]
for x in lines:
    if x.get("key") == "case03":
        x.update(status="rejected", code="input", reason="a test", outputs=[])
open("p2/ledger.jsonl", "w").writelines(json.dumps(x, sort_keys=True, separators=(",", ":")) + "\n" for x in lines)
END
exits "scores where predict rejected a case" 1 sm evaluate --in p2 --truth ingest --manifest m.yaml --out e2
exits "a report of them" 0 sm report --in e2 --train train --predict p2 --truth ingest --split split --manifest m.yaml --out r2
like "lost by predict" "$(cat r2/report.html)" '<th scope="row">Split by patient</th>.*<td>1 of other folds, 1 rejected by predict</td>'
like "and not by evaluate again" "$(cat r2/report.html)" '<th scope="row">Predicted</th><td class="n">4</td><td class="n">4</td><td>–</td><td>1 rejected by evaluate</td>'
like "nor in CLAIM 35" "$(cat r2/checklist.md)" '^\| CLAIM 35 \| .*; Predicted: 4 \(4 patients\), of these 1 rejected by evaluate; Scored: 3 \(3 patients\);'
flows() {
	"$PYTHON" - "$1" <<'END'
import re, sys
page = open(sys.argv[1], encoding="utf-8").read().split('id="flow"')[1].split("</section>")[0]
rows = re.findall(r'<th scope="row">([^<]*)</th><td class="n">(\d+)</td>.*?<td>([^<]*)</td></tr>', page)
rows = [(n, int(c), sum(int(x) for x in re.findall(r"(\d+) ", lost))) for n, c, lost in rows]
# The fixture's split holds a case that its ingest rejected.
for (a, n, lost), (b, m, _) in zip(rows, rows[1:]):
    assert b == "Split by patient" or n - lost == m, rows
assert len(rows) > 2
END
}
exits "a box minus its losses is the next box" 0 flows r2/report.html
exits "with one rejection as well" 0 flows r/report.html
exits "without the ledgers of split and predict" 0 sm report --in e2 --truth ingest --manifest m.yaml --out r4

# Checklist.
is "all 44 items of CLAIM, once and in order" "$(sed -n 's/^| CLAIM \([0-9]*\) |.*/\1/p' r/checklist.md | tr '\n' ' ')" "$(seq -s ' ' 44) "
like "who is included" "$(cat r/checklist.md)" '^\| CLAIM 35 \| .* \| Found in the raw data: 6, of these 1 rejected by ingest; .*; Scored: 4 \(4 patients\);'
like "where the data come from" "$(cat r/checklist.md)" "^\| CLAIM 7 \| .* \| every file read has its SHA-256 in the ledger of ingest \($hash\)"
like "what is not known is the authors'" "$(cat r/checklist.md)" '^\| CLAIM 44 \| Funding \| to be filled in by the authors \|$'
like "no clock, no host" "$(cat r/checklist.md)" '^\| Hardware \| .* \| threads are not part of any number .*; hardware: to be filled in by the authors \|$'
like "the distances asked for" "$(cat r/checklist.md)" '^\| Metrics 4 \| .* \| in mm, with the voxels. spacing: HD95 \|$'
like "the page has it too" "$page" '<th scope="row">CLAIM 44</th>'

# claim FOLDER ITEM: its line.
claim() {
	grep "^| CLAIM $2 |" "$1/checklist.md"
}
# edit STAGE FROM TO CODE: the ledger of a stage with each line x (number i) changed by CODE.
edit() {
	mkdir -p "$3"
	"$PYTHON" - "$2/ledger.jsonl" "$3/ledger.jsonl" "$4" <<'END'
import json, sys
lines = [json.loads(x) for x in open(sys.argv[1])]
for i, x in enumerate(lines):
    exec(sys.argv[3])
open(sys.argv[2], "w").writelines(json.dumps(x, sort_keys=True, separators=(",", ":")) + "\n" for x in lines)
END
}
like "names of a layout are no hashes" "$(claim r 11)" 'names of the layout, as given'
unlike "and not said to be" "$(claim r 11)" 'hash'
unlike "no data set rebuilds without its raw files" "$(claim r 43)" rebuilds
like "patients are counted" "$(claim r 21)" '4 cases of 4 patients were scored;'
exits "the scores alone" 0 sm report --in evaluate --out r5
unlike "no manifest is claimed" "$(claim r5 42)" 'manifest'

# Hashes of DICOM patients, raw files, two averaged networks, all folds, more of the training.
edit ingest ingest i3 'if i: x["patient"] = "p%012x" % i; x["inputs"] = [{"role": "raw", "path": "a", "sha256": "0" * 64}]'
for case in ingest/case*; do ln -s "../$case" i3/; done
cp -r predict p3
edit predict predict p3 'if i == 0: x["settings"]["manifest"]["predict"]["fold"] = "all"
else: x["inputs"] = [{"role": "checkpoint", "path": "best.hdf5", "sha256": "a" * 64}, {"role": "checkpoint", "path": "b/best.hdf5", "sha256": "b" * 64}]'
edit split split s3 'if x.get("key") == "case01": x["fold"] = "valid"'
cp -r train t3
edit train train t3 'x["best_epoch"] = 8; x["settings"]["manifest"] = {"train": {"model": "unet", "ema": 0.99, "augmentations": [{"flip": {"p": 0.5}}]}}'
link() { # parents by what the ledgers are now
	"$PYTHON" - <<'END'
import hashlib, json
sha = lambda d: hashlib.sha256(open(d + "/ledger.jsonl", "rb").read()).hexdigest()
for d, parents in (("t3", {"split": "s3"}), ("p3", {"split": "s3", "train": "t3"})):
    lines = open(d + "/ledger.jsonl").read().split("\n", 1)
    head = json.loads(lines[0])
    head["parents"].update({k: sha(v) for k, v in parents.items()})
    open(d + "/ledger.jsonl", "w").write(json.dumps(head, sort_keys=True, separators=(",", ":")) + "\n" + lines[1])
END
}
link
run sm evaluate --in p3 --truth i3 --manifest m.yaml --out e3
again="--in e3 --train t3 --predict p3 --truth i3 --split s3 --manifest m.yaml"
# shellcheck disable=SC2086
exits "a report of these" 0 sm report $again --out r3
like "hashes where ingest hashed" "$(claim r3 11)" 'patients are keyed hashes'
like "a data set that rebuilds" "$(claim r3 43)" 'rebuilds from its manifest'
like "augmentations and moving average" "$(claim r3 25)" 'ema 0\.99; augmentations in order: \[\{"flip":\{"p":0\.5\}\}\]'
like "two networks" "$(claim r3 27)" 'mean of 2 networks'
like "both named" "$(claim r3 26)" 'checkpoint best.hdf5, .*; checkpoint b/best.hdf5, '
unlike "no epoch of one of them" "$(claim r3 26)" 'lowest validation loss'
like "folds of the scored cases" "$(claim r3 32)" '4 cases, fold all of the split: 0 of the training, 1 of the validation, 3 of the test fold'
one() { # PATH: the one network's
	edit predict p3 p3 "if i: x['inputs'] = [{'role': 'checkpoint', 'path': '$1', 'sha256': 'a' * 64}]"
	run sm evaluate --in p3 --truth i3 --manifest m.yaml --out "e$2"
	run sm report --in "e$2" --train t3 --predict p3 --truth i3 --split s3 --manifest m.yaml --out "r$2"
}
one best.hdf5 6
like "the best network's epoch" "$(claim r6 26)" 'lowest validation loss in epoch 8'
like "one network" "$(claim r6 27)" 'none: one network'
one epoch_12.hdf5 7
unlike "not of another checkpoint" "$(claim r7 26)" 'lowest validation loss'
edit ingest ingest i8 'x.pop("patient", None)'
for case in ingest/case*; do ln -s "../$case" i8/; done
run sm evaluate --in predict --truth i8 --manifest m.yaml --out e8
exits "without patients" 0 sm report --in e8 --out r8
like "they are not known" "$(claim r8 21)" '4 cases were scored, patients not known;'

# A case without a prediction that counts as an empty one is more than was predicted: it is told.
edit predict predict p10 'if i == 0: x["not_predicted"]["rejected"] = ["case01"]'
sed -i '/"key":"case01"/d' p10/ledger.jsonl
for case in predict/case*; do ln -s "../$case" p10/; done
run sm evaluate --in p10 --truth ingest --manifest m.yaml --missing worst --out e10
exits "a missing prediction scored as the worst" 0 sm report --in e10 --predict p10 --truth ingest --out r10
like "stands beside the scored ones" "$(claim r10 35)" 'Scored: 4 \(4 patients\) \[1 not predicted, scored as empty\]'

# Two models on other cases, without intervals.
sed 's/{empty: strict,/{empty: strict, resamples: 0,/' m.yaml >none.yaml
run sm evaluate --in predict --truth ingest --manifest none.yaml --out ea
run sm evaluate --in p2 --truth ingest --manifest none.yaml --out eb
exits "two models" 0 sm report --models "A=ea,B=eb" --manifest none.yaml --out r9
tests=$(grep '^wt,dice,' r9/tests.csv r9/*.csv 2>/dev/null | grep ',A,B,' | head -n 1 | sed 's/.*:wt/wt/')
like "the case that one has is counted, and there is no interval" "$tests" '^wt,dice,A,B,3,1,[-0-9.e]*,(nan)?,(nan)?,'
like "and told" "$(cat r9/report.html)" 'not scored on the same cases: 1 case is missing in some'
like "in Markdown" "$(cat r9/table.md)" "^n: pairs of cases that both models have a number for; left out: the other cases[^.]*\. The models were not scored on the same cases: 1 case is missing in some\.$"
like "and in LaTeX" "$(cat r9/table.tex)" "counted as left out.*\. The models were not scored on the same cases: 1 case is missing in some\."

# Another number of resamples: drawn by evaluate, told and taken over by the report.
sed 's/{empty: strict,/{empty: strict, resamples: 300,/' m.yaml >some.yaml
run sm evaluate --in predict --truth ingest --manifest some.yaml --out ec
exits "300 resamples" 0 sm report --in ec --manifest some.yaml --out r11
ok "the intervals are evaluate's" cmp r11/table.csv ec/summary.csv
ok "and others than those of 10000" test "$(cat ec/summary.csv)" != "$(cat evaluate/summary.csv)"
is "but for them nothing differs" "$(cut -d, -f1-7 ec/summary.csv)" "$(cut -d, -f1-7 evaluate/summary.csv)"
like "the checklist tells them" "$(cat r11/checklist.md)" 'BCa, 300 resamples of '
done_testing
