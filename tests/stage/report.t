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
report: {title: "Boxes <script>alert(1)</script> & 50 %", montage_cases: 3, montage_slices: 4}
EOS
all="--in evaluate --train train --predict predict --truth ingest --split split --manifest m.yaml"

# shellcheck disable=SC2086 # $all is a list
exits "a report is made" 0 sm report $all --out r1 --jobs 1
# shellcheck disable=SC2086
exits "again with two threads" 0 sm report $all --out r2 --jobs 2
same_tree "same bytes" r1 r2
page=r1/report.html

cat >check.py <<'EOS'
import base64, re, struct, sys
from html.parser import HTMLParser
import xml.etree.ElementTree as ET

text = open(sys.argv[1], encoding="utf-8").read()
void = {"meta", "br", "img", "hr"}
class Check(HTMLParser):
    def __init__(self):
        super().__init__(); self.open = []; self.ids = set(); self.refs = []; self.count = {}
    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        a = dict(attrs)
        if "id" in a:
            assert a["id"] not in self.ids, "id twice: " + a["id"]
            self.ids.add(a["id"])
        if "href" in a:
            self.refs.append(a["href"])
        assert not [k for k in a if k.startswith("on")], "event handler"
        if tag == "svg" and "svg" not in self.open:
            assert a.get("aria-label"), "drawing without words"
        if tag not in void:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in void:
            self.open.pop()
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()
c = Check(); c.feed(text); c.close()
assert not c.open, c.open
pictures = 0
for r in c.refs:
    if r.startswith("data:image/png;base64,"):
        raw = base64.b64decode(r.split(",", 1)[1], validate=True)
        assert raw[:8] == b"\x89PNG\r\n\x1a\n"
        w, h = struct.unpack(">II", raw[16:24])
        assert 20 <= w <= 32 and 20 <= h <= 30, (w, h)
        pictures += 1
    else:
        assert r.startswith("#") and r[1:] in c.ids, "leads nowhere: " + r
assert pictures == 12, pictures
assert "script" not in c.count and "link" not in c.count
assert c.count["caption"] == c.count["table"], "a table without a caption"
assert not re.search(r'(src|url)\s*[=(]', text), "loads something"
ET.fromstring(text.replace("<!DOCTYPE html>", "").replace("&nbsp;", " "))
print("good", c.count["svg"])
EOS
ok "the page is well-formed, complete in itself, and all its links lead somewhere" "$PYTHON" check.py $page
like "the title is escaped" "$(cat $page)" '<h1>Boxes &lt;script&gt;alert\(1\)&lt;/script&gt; &amp; 50 %</h1>'
like "the mean" "$(cat $page)" '<b>0\.750</b>'
like "worst case first" "$(grep -o '<b>case0[0-9]</b>' $page | head -n 1)" 'case04'
is "worst, median, best" "$(grep -o '<b>case0[0-9]</b>' $page | tr -d '\n')" \
	'<b>case04</b><b>case02</b><b>case00</b>'
like "curves" "$(cat $page)" 'lowest validation loss'
like "fold counts" "$(cat $page)" '<b>1</b> for training, <b>0</b> for validation, <b>5</b> for the test'
for stage in ingest split train predict evaluate; do
	hash=$(sha256sum $stage/ledger.jsonl | cut -d' ' -f1)
	like "the page names the ledger of $stage" "$(cat $page)" "$hash"
done
unlike "no place of this machine" "$(cat r1/*)" "$T|$SM_ROOT|$(date +%Y-%m-%d)"
like "what the original's core is worth here" "$(cat $page)" 'gets one label, that of the largest output, so this always equals label 1'
like "Markdown" "$(cat r1/table.md)" '^\| WT \| 1,2,4 \| 0\.750 ± 0\.198 \| 0\.750 \|'
like "LaTeX" "$(cat r1/table.tex)" '^WT & 1,2,4 & 0\.750 \$\\pm\$ 0\.198 & 0\.750 &'
is "LaTeX braces are balanced" "$(tr -cd '{' <r1/table.tex | wc -c)" "$(tr -cd '}' <r1/table.tex | wc -c)"
ok "table.csv is the summary" cmp r1/table.csv evaluate/summary.csv
exits "the ledger's hashes" 0 sh -c 'grep -o "\"path\":\"[^\"]*\",\"role\":\"[^\"]*\",\"sha256\":\"[^\"]*\"" r1/ledger.jsonl |
	sed -n "s/\"path\":\"\(table[^\"]*\|report.html\)\".*\"sha256\":\"\(.*\)\"/\2  r1\/\1/p" >sums && test $(wc -l <sums) -eq 4 && sha256sum -c sums'

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
cp predict/case03.nii.gz changed/case00.nii.gz
exits "a changed prediction" 3 sm report --in evaluate --predict changed --truth ingest --out r4
like "names the file" "$(cat "$ERR")" 'case00.nii.gz: its content has hash'

if command -v chromium >/dev/null; then
	exits "a browser shows it" 0 timeout 60 chromium --headless --no-sandbox --disable-gpu \
		--user-data-dir="$T/chromium" --window-size=1200,1600 --screenshot="$T/page.png" "file://$T/w/$page"
	exits "and the picture is not blank" 0 test "$(size "$T/page.png")" -gt 30000
else
	skip "a browser shows it" "chromium is not installed"
fi
done_testing
