#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage report: one well-formed page that needs nothing else, tables, chain of hashes, bad input.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/w" 5 || exit 1
cd "$T/w" || exit 1
sm evaluate --in predict --truth ingest --out evaluate >/dev/null 2>&1 || exit 1
cat >m.yaml <<'EOS'
schema: 1
name: boxes
report: {title: "Boxes <script>alert(1)</script> & 50 %", montage_cases: 3, montage_slices: 4,
  viewer: false}
EOS
all="--in evaluate --train train --predict predict --truth ingest --split split --manifest m.yaml"

# shellcheck disable=SC2086 # $all is a list
exits "a report is made" 0 sm report $all --out r1 --jobs 1
# shellcheck disable=SC2086
exits "again with two threads" 0 sm report $all --out r2 --jobs 2
same_tree "same bytes" r1 r2
page=r1/report.html

ok "the page is well-formed, complete in itself, and all its links lead somewhere" "$PYTHON" \
	"$SM_ROOT/tests/stage/report_check.py" $page 12
like "the title is escaped" "$(cat $page)" '<h1>Boxes &lt;script&gt;alert\(1\)&lt;/script&gt; &amp; 50 %</h1>'
like "the mean, its spread, interval and number of cases" "$(cat $page)" \
	'>0\.750</a><small>± 0\.198<br/>0\.[56][0-9]*; 0\.[89][0-9]*<br/>n 5</small>'
cat >numbers.py <<'EOS'
"""numbers.py PAGE SUMMARY: every mean and every other statistic of the page is that of summary.csv."""
import csv, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
rows = list(csv.DictReader(open(sys.argv[2])))
name = lambda s: re.sub("[^a-z0-9]", "_", s.lower())
means, lines = page.split("Every statistic of every region", 1)
count = 0
for text, whole in ((means, False), (lines.split("</table>", 1)[0], True)):
    cells = re.findall(r'<a [^>]*href="#cell-([^"]*)">([^<]*)</a>(.*?)</t%s>' % ("r" if whole else "d"), text)
    assert len(cells) == len(rows), (len(cells), len(rows))
    for (anchor, mean, rest), row in zip(cells, rows):
        assert anchor.startswith(name(row["region"]) + "-"), (anchor, row)
        assert anchor.endswith("-" + row["metric"]), (anchor, row)
        digits = len(mean.split(".")[1])
        shown = lambda key: "%.*f" % (digits, float(row[key])) if row[key] not in ("", "nan") else "–"
        assert abs(float(mean) - float(row["mean"])) <= 0.51 * 10 ** -digits, (anchor, mean, row["mean"])
        if whole:
            got = re.findall(r"<td[^>]*>([^<]*)</td>", rest)
            want = [shown(k) for k in ("sd", "ci_low", "ci_high", "median", "q1", "q3", "min", "max")]
            want += [row[k] for k in ("n", "both_empty", "truth_empty", "prediction_empty", "infinite", "left_out")]
            for g, w in zip(got, want):
                assert g == w or abs(float(g) - float(w)) <= 1.01 * 10 ** -digits, (anchor, got, want)
            assert len(got) == len(want), (got, want)
        else:
            assert "n " + row["n"] in rest, (anchor, rest)
        count += 1
print(count, "figures")
EOS
ok "all figures of the page are those of summary.csv" "$PYTHON" numbers.py $page evaluate/summary.csv
like "beside it the cases with an empty region" "$(cat $page)" '1 both empty<br/>0 truth empty<br/>0 prediction empty'
like "worst case first" "$(grep -o '<b>case0[0-9]</b>' $page | head -n 1)" 'case04'
is "two worst, and the median" "$(grep -o '<b>case0[0-9]</b>' $page | tr -d '\n')" \
	'<b>case04</b><b>case03</b><b>case02</b>'
like "curves" "$(cat $page)" 'lowest validation loss'
like "fold counts" "$(cat $page)" '<b>1</b> for training, <b>0</b> for validation, <b>5</b> for the test'
for stage in ingest split train predict evaluate; do
	hash=$(sha256sum $stage/ledger.jsonl | cut -d' ' -f1)
	like "the page names the ledger of $stage" "$(cat $page)" "$hash"
done
unlike "no place of this machine" "$(cat r1/*)" "$T|$SM_ROOT|$(date +%Y-%m-%d)"
like "what the original's core is worth here" "$(cat $page)" 'gets one label, that of the largest output, so this always equals label 1'
like "Markdown" "$(cat r1/table.md)" '^\| WT \| 1,2,4 \| 0\.750 ± 0\.198 \| 0\.633 ± 0\.264 \|'
like "LaTeX" "$(cat r1/table.tex)" '^WT & 0\.750 \$\\pm\$ 0\.198 & '
is "LaTeX braces are balanced" "$(tr -cd '{' <r1/table.tex | wc -c)" "$(tr -cd '}' <r1/table.tex | wc -c)"
ok "table.csv is the summary" cmp r1/table.csv evaluate/summary.csv
exits "the ledger's hashes" 0 sh -c 'grep -o "\"path\":\"[^\"]*\",\"role\":\"[^\"]*\",\"sha256\":\"[^\"]*\"" r1/ledger.jsonl |
	sed -n "s/\"path\":\"\(table[^\"]*\|cells.jsonl\|summary.json\|checklist.md\|report.html\)\".*\"sha256\":\"\(.*\)\"/\2  r1\/\1/p" >sums && test $(wc -l <sums) -eq 8 && sha256sum -c sums'

# The same heads stored in another order of the axes look the same.
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/turned" 5 SAR || exit 1
sm evaluate --in "$T/turned/predict" --truth "$T/turned/ingest" --out "$T/turned/e" >/dev/null 2>&1
exits "volumes stored S, A, R" 0 sm report --in "$T/turned/e" --predict "$T/turned/predict" \
	--truth "$T/turned/ingest" --manifest m.yaml --out r5
pictures() {
	grep -Eo 'base64,[^"]*|<path class="(o|ref)[^>]*>|slice [0-9]+' "$1" | sha256sum
}
is "give the same slices, pictures and outlines" "$(pictures r5/report.html)" "$(pictures $page)"

exits "scores alone are enough" 0 sm report --in evaluate --out r3
unlike "then there are no curves and pictures" "$(cat r3/report.html)" 'id="(training|pictures)"'

# A case that was not predicted, but scored as the worst, is shown with an empty prediction.
cp -r predict p6
"$PYTHON" - <<'EOS'
import json
lines = [json.loads(x) for x in open("predict/ledger.jsonl")]
lines[0]["not_predicted"]["rejected"] = ["case01"]
with open("p6/ledger.jsonl", "w") as f:
    f.writelines(json.dumps(x, sort_keys=True, separators=(",", ":")) + "\n" for x in lines if x.get("key") != "case01")
EOS
exits "scores with a missing prediction" 0 sm evaluate --in p6 --truth ingest --missing worst --out e6
exits "are shown" 0 sm report --in e6 --predict p6 --truth ingest --manifest m.yaml --out r6
is "the missing one is the worst" "$(grep -o '<b>case0[0-9]</b>' r6/report.html | head -n 1)" '<b>case01</b>'

# Bad input.
exits "no scores" 3 sm report --in predict --out r4
like "says what it needs" "$(cat "$ERR")" "needed is 'evaluate'"
cp -r train cut
printf 'epoch,loss\n1,0.5\n2\n' >cut/model_history_log.csv
exits "damaged log" 3 sm report --in evaluate --train cut --out r4
like "names the line" "$(cat "$ERR")" 'model_history_log.csv: line 3: must have 2 fields'
rm cut/model_history_log.csv
exits "missing log" 3 sm report --in evaluate --train cut --out r4
ok "no page is left" test ! -e r4/report.html -a ! -e r4/ledger.jsonl
cp -r predict other
sed 's/"fold":"test"/"fold":"valid"/' predict/ledger.jsonl >other/ledger.jsonl
exits "mixed runs" 3 sm report --in evaluate --predict other --truth ingest --out r4
like "names the stage to run again" "$(cat "$ERR")" 'evaluate ledger: was made from the predict ledger .*run stage evaluate again'
cp -r predict changed
cp predict/case03.nii.gz changed/case04.nii.gz
exits "a changed prediction" 3 sm report --in evaluate --predict changed --truth ingest --out r4
like "names the file" "$(cat "$ERR")" 'case04.nii.gz: its content has hash'

if command -v chromium >/dev/null; then
	exits "a browser shows it" 0 timeout 60 chromium --headless --no-sandbox --disable-gpu \
		--user-data-dir="$T/chromium" --window-size=1200,1600 --screenshot="$T/page.png" "file://$T/w/$page"
	exits "and the picture is not blank" 0 test "$(size "$T/page.png")" -gt 30000
else
	skip "a browser shows it" "chromium is not installed"
fi
done_testing
