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
bad "a metric that is none" 'metric: hd95' 'metric: beauty'
like "is named" "$(cat "$ERR")" "'beauty' is no metric"
bad "a number twice" 'row: et' 'row: wt'
like "is named" "$(cat "$ERR")" 'A . B has two numbers for dice of wt'
ok "nothing is left of these" test ! -e bad/report.html

# Case flow: 6 found, 5 read, 6 in the split of the fixture, 5 predicted, 4 scored.
like "found" "$page" '<th scope="row">Found in the raw data</th><td class="n">6</td><td class="n">–</td><td>–</td><td>1 rejected by ingest'
like "split" "$page" '<th scope="row">Split by patient</th><td class="n">6</td><td class="n">6</td><td>1 training, 5 test</td><td>1 of other folds</td>'
like "scored" "$page" '<th scope="row">Predicted</th><td class="n">5</td><td class="n">5</td><td>–</td><td>1 rejected by evaluate</td>'
like "in the end" "$page" '<th scope="row">Scored</th><td class="n">4</td><td class="n">4</td>'

# Checklist.
is "all 44 items of CLAIM, once and in order" "$(sed -n 's/^| CLAIM \([0-9]*\) |.*/\1/p' r/checklist.md | tr '\n' ' ')" "$(seq -s ' ' 44) "
like "who is included" "$(cat r/checklist.md)" '^\| CLAIM 35 \| .* \| Found in the raw data: 6, of these 1 rejected by ingest; .*; Scored: 4 \(4 patients\);'
like "where the data come from" "$(cat r/checklist.md)" "^\| CLAIM 7 \| .* \| every file read has its SHA-256 in the ledger of ingest \($hash\)"
like "what is not known is the authors'" "$(cat r/checklist.md)" '^\| CLAIM 44 \| Funding \| to be filled in by the authors \|$'
like "no clock, no host" "$(cat r/checklist.md)" '^\| Hardware \| .* \| threads are not part of any number .*; hardware: to be filled in by the authors \|$'
like "the distances asked for" "$(cat r/checklist.md)" '^\| Metrics 4 \| .* \| in mm, with the voxels. spacing: HD95 \|$'
like "the page has it too" "$page" '<th scope="row">CLAIM 44</th>'
done_testing
