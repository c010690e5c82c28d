#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a figure of a report's tables to its cases, files and scans; several models in one report.
. "$(dirname "$0")/../lib.sh"
needs evaluate report trace
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
fixture() {
	"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$1" 5 "${2:-LPS}" "${3:-0}" || fail_all "fixture"
	run sm evaluate --in "$1/predict" --truth "$1/ingest" --out "$1/evaluate"
	[ "$CODE" -eq 0 ] || fail_all "$(cat "$ERR")"
}
cd "$T" || exit 1
fixture work/one
fixture work/two LPS 1
printf 'schema: 1\nname: cells\nreport: {viewer: false}\n' >m.yaml
sm report --in work/one/evaluate --manifest m.yaml --out work/one/report >"$OUT" 2>"$ERR" || fail_all "$(cat "$ERR")"

# One figure.
exits "a figure" 0 sm trace work/one --cell WT/cells
like "names itself" "$(head -n 1 "$OUT")" '^cell  wt/cells/dice  Dice of WT, model cells$'
mean=$(sed -n 's/^wt,[^a-z]*,dice,1,\([0-9.]*\),.*/\1/p' work/one/report/table.csv)
like "its mean is that of the table, 0.75" "$(sed -n 2p "$OUT")" '^  cases 5, mean 0\.75, median 0\.75, n 5, infinite 0,'
is "which table.csv has" "$mean" "0.750000"
like "with the report's hash" "$(cat "$OUT")" "^  report +$(sha256sum <work/one/report/ledger.jsonl | cut -c 1-12)  "
like "and that of the cells" "$(cat "$OUT")" "^  cells +$(sha256sum <work/one/report/cells.jsonl | cut -c 1-12)  "
is "every case" "$(grep -c '^  case case0[0-4]  ' "$OUT")" 5
like "with its value" "$(cat "$OUT")" '^  case case03  0\.625$'
truth=$(sed -n 's/.*"path":"case03\/seg.nii.gz","role":"seg","sha256":"\([0-9a-f]\{12\}\).*/\1/p' work/one/ingest/ledger.jsonl)
made=$(sed -n 's/.*"path":"case03.nii.gz","role":"prediction","sha256":"\([0-9a-f]\{12\}\).*/\1/p' work/one/predict/ledger.jsonl)
[ -n "$truth$made" ] || fail_all "no hashes"
exits "one case of it" 0 sm trace work/one --cell wt/CELLS/Sensitivity --case case03
is "and no other" "$(grep -c '^  case ' "$OUT")" 1
like "with the truth" "$(cat "$OUT")" "seg +$truth  ingest/case03/seg.nii.gz"
like "and the prediction" "$(cat "$OUT")" "prediction +$made  predict/case03.nii.gz"
unlike "which is not taken for another case's equal file" "$(cat "$OUT")" 'predict  case00'
exits "as JSON" 0 sm trace work/one --cell et/cells/dice --json
ok "which is JSON with all values" "$PYTHON" -c '
import json, sys
c = json.load(open(sys.argv[1]))
assert c["cell"] == "et/cells/dice" and c["here"] is True, c
assert [o["value"] for o in c["of"]] == [1, .875, .75, .625, 1], [o["value"] for o in c["of"]]
assert c["of"][4]["why"] == "policy" and "why" not in c["of"][0]
assert c["situations"]["both_empty"] == 1 and c["situations"]["full"] == 4
assert all(len(f["sha256"]) == 64 for o in c["of"] for f in o["files"])
assert abs(sum(o["value"] for o in c["of"]) / 5 - c["mean"]) < 1e-12
assert c["of"][0]["chain"]["stage"] == "evaluate"' "$OUT"

# Every figure of the tables stands in cells.jsonl, and the page's links lead to it.
cat >check.py <<'END'
import csv, json, re, sys
lines = [json.loads(x) for x in open(sys.argv[1] + "/cells.jsonl")]
cells = {c["cell"]: c for c in lines if c["kind"] == "cell"}
rows = list(csv.DictReader(open(sys.argv[1] + "/table.csv")))
assert rows
for r in rows:
    model = r.get("model", sys.argv[2])
    c = cells.pop("%s/%s/%s" % (r["region"], model, r["metric"]))
    values = [v for v in c["values"] if v is not None]
    assert int(r["n"]) == c["n"] == len(values), r
    if values:
        assert abs(sum(values) / len(values) - float(r["mean"])) < 1e-6, (r, c)
    assert (c["mean"] is None) == (not values)
assert not cells, list(cells)
page = open(sys.argv[1] + "/report.html").read()
ids = set(re.findall(r'id="(cell-[^"]*)"', page))
links = set(re.findall(r'href="#(cell-[^"]*)"', page))
assert links and links <= ids, links - ids
assert len(ids) == len(rows), (len(ids), len(rows))
END
ok "cells.jsonl has every figure of table.csv, and the page links to it" "$PYTHON" check.py work/one/report cells

# What is not there.
exits "an unknown row" 2 sm trace work/one --cell XX/cells
like "says which there are" "$(cat "$ERR")" 'its rows are wt, tc, et, tc_original, label_1, label_2, label_4, its models cells, its metrics dice'
exits "an unknown metric" 2 sm trace work/one --cell wt/cells/beauty
exits "half a name" 2 sm trace work/one --cell wt
like "says the form" "$(cat "$ERR")" 'allowed is ROW/MODEL or ROW/MODEL/METRIC'
exits "an unknown case" 2 sm trace work/one --cell wt/cells --case case03,nobody
exits "--case alone" 2 sm trace work/one --case case03
cp -r work/one changed
sed -i 's/"mean":0.75,/"mean":0.85,/' changed/report/cells.jsonl
exits "a changed file" 3 sm trace changed --cell wt/cells
like "is told" "$(cat "$ERR")" 'cells.jsonl: its content has hash'
rm -r changed/report
exits "no report" 3 sm trace changed --cell wt/cells
like "is told" "$(cat "$ERR")" 'no folder of stage report is here'

# Without a folder: in work, or the one folder in it.
exits "no folder named" 0 sm trace --cell WT/cells --case case03
like "finds the report" "$(cat "$OUT")" 'case case03  0\.625'
(cd work/one && ln -s . work && sm trace --cell WT/cells --case case03) >"$OUT" 2>"$ERR"
like "also when work is the run itself" "$(cat "$OUT")" 'case case03  0\.625'
rm work/one/work

# Names that differ in small and large letters only.
cat >letters.yaml <<'END'
schema: 1
name: letters
evaluate:
  labels: [{value: 1, name: "a"}, {value: 2, name: "b"}, {value: 4, name: "TUMOUR"}]
  regions: [{name: "Tumour", labels: [1, 2, 4]}]
report: {viewer: false}
END
exits "two such names" 0 sm evaluate --in work/one/predict --truth work/one/ingest --manifest letters.yaml --out letters/evaluate
exits "their report" 0 sm report --in letters/evaluate --manifest letters.yaml --out letters/report
exits "one of them" 0 sm trace letters --cell Tumour/letters/dice
like "is that one" "$(head -n 1 "$OUT")" 'Dice of Tumour, model'
exits "the other" 0 sm trace letters --cell TUMOUR/letters/dice
like "is the other" "$(head -n 1 "$OUT")" 'Dice of TUMOUR, model'
exits "neither of them" 2 sm trace letters --cell tUMOUR/letters/dice
like "names both" "$(cat "$ERR")" 'both Tumour/letters/dice and TUMOUR/letters/dice'

# Two models side by side.
exits "two models" 0 sm report --models "UNet3D=work/one/evaluate,VNet=work/two/evaluate" --manifest m.yaml --out work/both/report
exits "again with two threads" 0 sm report --models "UNet3D=work/one/evaluate,VNet=work/two/evaluate" --manifest m.yaml --jobs 2 --out again
same_tree "the same bytes" work/both/report again
ok "every figure of both has its cell" "$PYTHON" check.py work/both/report none
is "each line of table.csv begins with a model" "$(cut -d, -f1 work/both/report/table.csv | sort -u | tr '\n' ' ')" "UNet3D VNet model "
like "the paired difference, 1/8 in every full case" "$(grep '^wt,dice,' work/both/report/tests.csv)" '^wt,dice,UNet3D,VNet,5,0,0\.125,'
like "the exact permutation test of 5 equal signs: 2/32" "$(grep '^wt,dice,' work/both/report/tests.csv)" ',yes,0\.0625,'
exits "a figure of the first" 0 sm trace work/both work/one --cell WT/UNet3D --case case03
like "leads to its run" "$(cat "$OUT")" "prediction +$made  predict/case03.nii.gz"
exits "a figure of the second" 0 sm trace work/both work/one --cell WT/VNet --case case03
like "whose run is not there" "$(cat "$OUT")" 'the run of evaluate of this model is not here: name its folder, too'
like "with its value and files all the same" "$(cat "$OUT")" '^  case case03  0\.5$'
exits "with its folder" 0 sm trace work/both work/one work/two --cell WT/VNet --case case03
like "leads to it" "$(cat "$OUT")" '^      predict  case03 '
exits "trace of the report" 0 sm trace work/both report
unlike "knows both runs" "$(cat "$OUT")" 'unresolved'

# Trainings of one network, and folds.
exits "two trainings" 0 sm report --models "Net#1=work/one/evaluate,Net#2=work/two/evaluate" --manifest m.yaml --out seeds
like "the spread between them: means 0.75 and 0.625" "$(cat seeds/groups.csv)" \
	'^Net,trainings,wt,dice,2,0\.6875,0\.0883883476,0\.625,0\.75,'
like "stands in the page" "$(cat seeds/report.html)" '<section id="groups">'
ok "no groups without such names" test ! -e again/groups.csv
sed 's/"fold":"test"/"fold":"test","fold_index":1/; s/\(.*"fold_index":\)1\(.*"key":"case0[01]".*\)/\10\2/' work/one/split/ledger.jsonl >split.jsonl
mkdir split && cp split.jsonl split/ledger.jsonl
exits "folds" 0 sm report --in work/one/evaluate --split split --manifest m.yaml --out folds
like "two folds, of 0.9375 and 0.625" "$(cat folds/groups.csv)" '^cells,folds,wt,dice,2,0\.78125,0\.220970869,0\.625,0\.9375,'

# What cannot stand side by side.
exits "a name twice" 2 sm report --models "A=work/one/evaluate,a=work/two/evaluate" --out bad
exits "no name" 2 sm report --models work/one/evaluate --out bad
exits "no folder at all" 2 sm report --out bad
exits "another stage" 3 sm report --models "A=work/one/evaluate,B=work/two/predict" --out bad
like "is named" "$(cat "$ERR")" 'model B: '
printf 'schema: 1\nname: x\nevaluate: {empty: strict}\n' >strict.yaml
sm evaluate --in work/two/predict --truth work/two/ingest --manifest strict.yaml --out strict >/dev/null 2>&1
exits "another policy" 3 sm report --models "A=work/one/evaluate,B=strict" --out bad
like "is named" "$(cat "$ERR")" 'evaluate.empty of model B is not that of model A'
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" work/three 5 SAR
sm evaluate --in work/three/predict --truth work/three/ingest --out work/three/evaluate >/dev/null 2>&1
exits "another truth" 3 sm report --models "A=work/one/evaluate,B=work/three/evaluate" --out bad
like "is named" "$(cat "$ERR")" 'case case00 of model B: its truth has hash'
ok "no page is left" test ! -e bad/report.html

# Two plain folders with the same names: which of the two a file lies in is told.
mkdir -p plain/pred plain/truth
for c in case00 case01 case03; do
	cp work/one/predict/$c.nii.gz plain/pred/
	cp work/one/ingest/$c/seg.nii.gz plain/truth/$c.nii.gz
done
run sm evaluate --pred plain/pred --truth plain/truth --out plain/evaluate
run sm report --in plain/evaluate --out plain/report
exits "a figure of two folders" 0 sm trace plain --cell WT/model/dice
like "the prediction" "$(cat "$OUT")" 'prediction +[0-9a-f]{12}  PREDICTIONS/case00.nii.gz'
like "and the truth" "$(cat "$OUT")" 'truth +[0-9a-f]{12}  TRUTHS/case00.nii.gz'
done_testing
