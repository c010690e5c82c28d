#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Published numbers beside those of made images (dataset: pair): page, Markdown, LaTeX, bad entries.
. "$(dirname "$0")/../lib.sh"
needs evaluate phantom ingest preprocess split pair report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
cd "$T" || exit 1
(umask 077 && echo 'salt of the test tree' >salt)
cat >base.yaml <<'END'
schema: 1
name: mr
dataset: pair
phantom: {kind: mr_ct_pair, cases: 4, size: [32, 40, 12], spacing: [7, 6, 14]}
ingest: {layout: files, sources: [{role: mr, pattern: "{case}/mr.nii*"}, {role: ct, pattern: "{case}/ct.nii*"}]}
preprocess:
  steps:
    - {window: {range: [-1024, 2048], to: [-1, 1]}, when: ct}
    - {normalise: {method: percentile, percentiles: [0.5, 99.5], range: [-1, 1]}, when: mr}
split: {train: 50, test: 50, valid: 0, near_duplicates: off}
pair: {mode: unpaired, a: mr, b: ct, split: patient, format: hdf5}
evaluate: {metrics: [mae, rmse, psnr, ssim, jump], range: 2000}
END
cat base.yaml - >m.yaml <<'END'
report:
  published:
    - {name: "A | B_2", source: "first <paper> & table", row: whole, metric: mae, value: 40.125, cases: 58}
    - {name: "A | B_2", source: "first <paper> & table", row: body, metric: mae, value: 71.5}
    - {name: "A | B_2", source: "first <paper> & table", row: whole, metric: psnr_normalised, value: 27}
    - {name: "[7]", source: "second", row: whole, metric: mae_normalised, value: 0.0413}
    - {name: "[7]", source: "second", row: body, metric: ssim, value: 0.91}
    - {name: "[7]", source: "second", row: whole, metric: ncc, value: 0.5}
END
{
	sm phantom --manifest base.yaml --out raw && sm ingest --manifest base.yaml --in raw --out ingest --salt-file salt &&
		sm preprocess --manifest base.yaml --in ingest --out pre && sm split --manifest base.yaml --in pre --out split &&
		sm pair --manifest base.yaml --in pre --split split --out pair
} >road.log 2>&1 || fail_all "$(tail -n 3 road.log)"
# scored OUT ERROR: scores of the truth plus a known error.
scored() {
	"$PYTHON" "$SM_ROOT/tests/stage/translate_fixture.py" pre "predict$2" mr ct HU -1024 2048 "$2" || fail_all "fixture"
	exits "scores of an error of $2" 0 sm evaluate --manifest base.yaml --in "predict$2" --truth pre --pairs pair --out "$1"
}
scored evaluate 30
model=$(sed -n '1s/.*"model":"\([^"]*\)".*/\1/p' evaluate/ledger.jsonl)
# ours UNITS REGION METRIC DECIMALS: mean and SD of the network as evaluate wrote them.
ours() {
	awk -F, -v u="$1" -v g="$2" -v m="$3" -v d="$4" \
		'{ gsub(/"/, "") } $1 == "model" && $3 == u && $4 == g && $5 == m { printf "%.*f ± %.*f", d, $6, d, $7 }' evaluate/summary.csv
}
is "the fixture's network has a name" "$(test -n "$model" && echo yes)" yes
exits "a report" 0 sm report --manifest m.yaml --in evaluate --jobs 1 --out r
exits "again with two threads" 0 sm report --manifest m.yaml --in evaluate --jobs 2 --out again
same_tree "the same bytes" r again
exits "and without published numbers" 0 sm report --manifest base.yaml --in evaluate --out none
unlike "no table of them" "$(cat none/report.html none/table.md none/table.tex)" '[Pp]ublished'
is "what stands before it is the same" "$(head -c "$(wc -c <none/table.md)" r/table.md | cksum)" "$(cksum <none/table.md)"
ok "nor is table.csv another" cmp r/table.csv none/table.csv

# Markdown.
md=$(sed -n '/^### Beside published numbers/,$p' r/table.md)
like "a column an entry's region, metric and units" "$md" \
	'^\| Model \| Whole image MAE \(HU\) \| Body MAE \(HU\) \| Whole image PSNR, normalised \(dB\) \| Whole image MAE, normalised \| Body SSIM \| Whole image NCC \|$'
like "the manifest's values with the metric's decimals" "$md" '^\| A \\\| B_2, published \[1\] \| 40\.12 \| 71\.50 \| 27\.00 \| -- \| -- \| -- \|$'
like "in their columns" "$md" '^\| \[7\], published \[2\] \| -- \| -- \| -- \| 0\.0413 \| 0\.9100 \| 0\.5000 \|$'
is "ours beside them, as summary.csv has them; NCC was not measured" "$(printf "%s\n" "$md" | grep ', here |')" \
	"| $model, here | $(ours own whole mae 2) | $(ours own body mae 2) | $(ours normalised whole psnr 2) | $(ours normalised whole mae 4) | $(ours own body ssim 4) | -- |"
is "no baseline among them" "$(printf "%s\n" "$md" | grep -c '^| ')" 4
like "with the warning and the sources" "$md" '^Published numbers come from other cases, .*: only a test on the same cases compares models\. \[1\] first <paper> & table\. \[2\] second\.$'

# The page.
page=$(sed -n '/<section id="published">/,/<.section>/p' r/report.html)
like "a section of the page" "$page" '<h2>Beside published numbers</h2>'
like "with the same warning" "$page" 'only a test on the same cases compares models\. Ours: mean ± standard deviation over 2 cases\.'
like "heads of two lines" "$page" '<th scope="col" class="n">Body<br/>MAE \(HU\)</th><th scope="col" class="n">Whole image<br/>PSNR, normalised \(dB\)</th>'
like "published values, escaped" "$page" 'A \| B_2</th><td>first &lt;paper&gt; &amp; table; n = 58</td><td class="n">40\.12</td><td class="n">71\.50</td>'
like "ours" "$page" "<b>$model</b></th><td>this page; n = 2</td><td class=\"n\">$(ours own whole mae 2)</td>"
is "which is led to" "$(grep -c '<a href="#published">Published</a>' r/report.html) $(grep -c '#published' none/report.html)" "1 0"

# LaTeX, in blocks that fit the text.
tex=$(sed -n '/caption{Published numbers/,/end{table}/p' r/table.tex)
like "LaTeX has the values" "$tex" '^A \\textbar\{\} B\\_2\$\^\{1\}\$ & 40\.12 & 71\.50 & 27\.00 & -- \\\\$'
like "and ours" "$tex" "^$model & $(ours own whole mae 2 | sed 's/±/.*/') & "
is "four columns a block, then the rest" "$(printf "%s\n" "$tex" | grep -c 'begin{tabular}') $(printf "%s\n" "$tex" | grep -c '^\\begin{tabular}{lrrrr}$') $(printf "%s\n" "$tex" | grep -c '^\\begin{tabular}{lrr}$')" "2 1 1"
if command -v pdflatex >/dev/null && kpsewhich booktabs.sty >/dev/null; then
	printf '%s\n' '\documentclass{article}' '\usepackage{booktabs}' '\begin{document}' '\input{r/table.tex}' '\end{document}' >paper.tex
	exits "it compiles" 0 env TEXMFVAR="$T/texmf" pdflatex -interaction=nonstopmode -halt-on-error paper.tex
	unlike "within the text of an article" "$(cat paper.log)" 'Overfull|Missing character'
else
	skip "it compiles" "pdflatex or booktabs is not installed"
fi

# An error of 0: the PSNR is infinite, and no number.
sed 's/psnr_normalised/psnr/' m.yaml >equal.yaml
scored exact 0
exits "a report of equal images" 0 sm report --manifest equal.yaml --in exact --out r0
like "says inf, as its other tables" "$(cat r0/table.md)" '^\| .*, here \| 0\.00 ± 0\.00 \| 0\.00 ± 0\.00 \| inf \| 0\.0000 ± 0\.0000 \| 1\.0000 ± 0\.0000 \| -- \|$'

# Without a body mask a number of the body has none beside it.
sed 's/range: 2000/range: 2000, body: off/' m.yaml >off.yaml
exits "scores without a body" 0 sm evaluate --manifest off.yaml --in predict30 --truth pre --pairs pair --out bodyless
exits "their report" 0 sm report --manifest off.yaml --in bodyless --out r1
like "has none of it" "$(cat r1/table.md)" "^\| $model, here \| [0-9.]* ± [0-9.]* \| -- \| [0-9.]* ± [0-9.]* \| [0-9.]* ± [0-9.]* \| -- \| -- \|$"

# Bad entries: one sentence each.
bad() {
	sed "s/$2/$3/" m.yaml >bad.yaml
	exits "$1" 2 sm report --manifest bad.yaml --in evaluate --out bad
	is "is one sentence" "$(grep -c . "$ERR")" 1
}
bad "a region that is none" 'row: body, metric: ssim' 'row: wt, metric: ssim'
like "is named" "$(cat "$ERR")" "report\.published: \[7\]: row 'wt' is no region of an image, allowed are whole and body$"
for metric in dice mae_normalized ncc_normalised mae_ ma mae_hu maes; do
	bad "misspelt: $metric" 'metric: mae_normalised' "metric: $metric"
	like "is named with those allowed" "$(cat "$ERR")" "\[7\]: '$metric' is no metric, allowed are mae, rmse, psnr, ssim, ssim_3d, ms_ssim, ncc, mi, dice_bone, dice_ink, jump, bias; in normalised units mae, rmse, psnr, ssim, ssim_3d, ms_ssim, bias with _normalised behind \(mae_normalised\)$"
done
bad "a number twice" 'row: body, metric: mae' 'row: whole, metric: mae'
like "is named" "$(cat "$ERR")" 'A . B_2 has two numbers for mae of whole, needed is one$'
bad "a dry run finds it, too" 'metric: ncc' 'metric: beauty'
exits "before anything is written" 2 sm report --manifest bad.yaml --in evaluate --dry-run --out bad
ok "nothing is left of these" test ! -e bad/report.html
done_testing
