#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage report in a browser: two models side by side, with the viewer where its library was fetched
# (make viewer), with and without JavaScript, narrow, and as PDF. SM_KEEP=1 keeps the pictures.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
command -v chromium >/dev/null || skip_all "chromium is not installed"
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/w" 9 || exit 1
cd "$T/w" || exit 1
# A second model: every case gets the prediction of the case with half its number, so it is better.
"$PYTHON" - <<'EOS' || exit 1
import gzip, hashlib, json, os, shutil
lines = [json.loads(x) for x in open("predict/ledger.jsonl")]
path = {r["key"]: next(o["path"] for o in r["outputs"] if o["role"] == "prediction") for r in lines[1:]}
for i, r in enumerate(lines[1:]):
    source, own = os.path.join("predict", path["case%02d" % (i // 2)]), os.path.join("second", path[r["key"]])
    os.makedirs(os.path.dirname(own), exist_ok=True)
    shutil.copy(source, own)
    r["outputs"][0]["sha256"] = hashlib.sha256(gzip.open(source).read()).hexdigest()
with open("second/ledger.jsonl", "w") as f:
    f.writelines(json.dumps(x, sort_keys=True, separators=(",", ":")) + "\n" for x in lines)
EOS
sm evaluate --in predict --truth ingest --out one >/dev/null 2>&1 || exit 1
sm evaluate --in second --truth ingest --out two >/dev/null 2>&1 || exit 1
cat >m.yaml <<'EOS'
schema: 1
name: boxes
report:
  title: "Two models </script> & 3 < 4"
  montage_cases: 2
  montage_slices: 2
  viewer_cases: 2
  published: [{name: "3-D U-Net", source: "a paper, table 2", row: wt, metric: dice, value: 0.889, cases: 66}]
EOS
library=
for f in "$SM_ROOT"/build/viewer/niivue-*.umd.js "$SM_BIN"/niivue-*.umd.js; do
	test -f "$f" && library=$f && break
done
all="--in one --models UNet3D=one,VNet=two --train train --predict predict --truth ingest --split split --manifest m.yaml"
# shellcheck disable=SC2086 # $all is a list
exits "a report of two models" 0 sm report $all ${library:+--viewer "$library"} --out r1 --jobs 1
# shellcheck disable=SC2086
exits "again with two threads" 0 sm report $all ${library:+--viewer "$library"} --out r2 --jobs 2
same_tree "same bytes" r1 r2
# shellcheck disable=SC2086
ok "well-formed and complete in itself" "$PYTHON" "$SM_ROOT/tests/stage/report_check.py" r1/report.html 4 ${library:+viewer}
echo 'var niivue' >other.js
# shellcheck disable=SC2086
exits "another library" 3 sm report $all --viewer other.js --out r3
like "is refused by its hash" "$(cat "$ERR")" 'other.js: has hash .*needed is NiiVue .* run make viewer'
# shellcheck disable=SC2086
exits "one that is missing" 4 sm report $all --viewer no.js --out r3
sed 's/viewer_cases: 2/viewer: false/' m.yaml >without.yaml
# shellcheck disable=SC2086
exits "a manifest without viewer" 0 sm report ${all%m.yaml}without.yaml --out r4
ok "has none" "$PYTHON" "$SM_ROOT/tests/stage/report_check.py" r4/report.html 4

exits "a browser opens it" 0 "$PYTHON" "$SM_ROOT/tests/stage/report_browser.py" r1/report.html "$T"
found=$(cat "$OUT")
# found NAME: what report_browser.py says of it.
found() {
	printf '%s\n' "$found" | sed -n "s/^$1: //p"
}
n=$(found tables | sed 's/ of.*//')
is "all tables have rows" "$(found tables)" "$n of $n"
ok "many of them" test "${n:-0}" -ge 15
n=$(found drawings | sed 's/ of.*//')
is "all drawings have a size" "$(found drawings)" "$n of $n"
ok "boxes, violins, volumes, curves, pictures, flow" test "${n:-0}" -ge 28
is "nothing is wider than the window" "$(found 'wider than the window')" 0
is "nor than a larger one" "$(found 'wider than a screen')" 0
is "nor than a telephone" "$(found 'wider than a telephone')" 0
is "cases are in their order" "$(found cases)" "case00 case01 case02 case03 case04 case05 case06 case07 case08"
is "a click on Dice sorts" "$(found 'sorted upwards')" "0.000 0.125 0.250 0.375 0.500 0.625 0.750 0.875 1.000"
is "and tells readers so" "$(found 'told to readers')" ascending
is "a second click turns it" "$(found 'sorted downwards')" "1.000 0.875 0.750 0.625 0.500 0.375 0.250 0.125 0.000"
is "names sort, too" "$(found 'sorted by name')" "$(found cases)"
is "what has no number is last" "$(found 'upwards without numbers')" "0.000 0.125 0.250 0.375 0.500 0.625 0.750 ∞ –"
is "either way" "$(found 'downwards without numbers')" "∞ 0.750 0.625 0.500 0.375 0.250 0.125 0.000 –"
is "a mean leads to its line" "$(found 'a mean leads to its line')" WT/UNet3D/dice
if [ -n "$library" ]; then
	is "the viewer is there" "$(found 'viewer state')" shown
	for what in "viewer note is hidden" "canvas shows a scan" "canvas shows labels" "without labels no colour" \
		"truth is drawn" "difference is drawn" "an axial slice alone" "a view in 3-D" "another case"; do
		is "$what" "$(found "$what")" True
	done
	is "labels have names" "$(found 'legend of labels')" "label 1 (NCR)label 2 (ED)label 4 (ET)"
	is "one case is held at a time" "$(found 'volumes held')" 4
	is "without JavaScript a sentence stands there" "$(found 'without script: note')" True
	is "and no empty frame" "$(found 'without script: frame')" 0
else
	skip "the viewer" "its library was not fetched (make viewer)"
fi
is "nothing is asked for elsewhere" "$(found 'requests elsewhere')" "[]"
is "no error in the console" "$(found problems)" "[]"
is "without JavaScript all tables are there" "$(found 'without script: tables')" "$(found tables)"
is "and all drawings" "$(found 'without script: drawings')" "$(found drawings)"
is "and all cases" "$(found 'without script: cases')" "$(found cases)"
is "and nothing that does nothing" "$(found 'without script: buttons')" 0
ok "the picture is not blank" test "$(size "$T/page.png")" -gt 100000
like "a PDF" "$(head -c 5 "$T/page.pdf")" '^%PDF-'
ok "of many pages" test "$(grep -c '/Type */Page\b' "$T/page.pdf")" -ge 5
done_testing
