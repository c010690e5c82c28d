#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The LaTeX of a report compiles: one model and two, every metric, names with characters that mean
# something there, published numbers.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
command -v pdflatex >/dev/null || skip_all "pdflatex is not installed (texlive-latex-base)"
kpsewhich booktabs.sty >/dev/null || skip_all "booktabs is not installed (texlive-latex-recommended)"
cd "$T" || exit 1
# Fonts that TeX makes on the way stay here, too.
TEXMFVAR=$T/texmf
export TEXMFVAR
cat >m.yaml <<'END'
schema: 1
name: tex
evaluate:
  empty: strict
  metrics: [all]
  labels: [{value: 1, name: "core_1"}, {value: 2, name: "B"}, {value: 4, name: "C"}]
  regions: [{name: "all_of-it", labels: [1, 2, 4]}]
report:
  title: "100 % of {it} \\ & #1 _ ^ ~ $"
  viewer: false
  published:
    - {name: "U_Net & 50 %", source: "{A} & B_C, 10 % of $x^2$ \\ ~ #3", row: all_of-it, metric: dice, value: 0.889}
    - {name: "U_Net & 50 %", source: "{A} & B_C, 10 % of $x^2$ \\ ~ #3", row: C, metric: dice, value: 0.5}
    - {name: "V-Net", source: "other", row: all_of-it, metric: hd95, value: 7.5, cases: 58}
END
for more in 0 1; do
	"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "w$more" 4 LPS $more || fail_all "fixture"
	run sm evaluate --in w$more/predict --truth w$more/ingest --manifest m.yaml --out w$more/evaluate
	[ "$CODE" -eq 0 ] || fail_all "$(cat "$ERR")"
	run sm evaluate --in w$more/predict --truth w$more/ingest --out w$more/plain
	[ "$CODE" -eq 0 ] || fail_all "$(cat "$ERR")"
done

# compiles NAME DIR: its table.tex inside of a paper gives a PDF without an error or an open reference.
compiles() {
	mkdir -p "pdf-$2"
	cat >"pdf-$2/paper.tex" <<END
\\documentclass{article}
\\usepackage{booktabs}
\\begin{document}
Table~\\ref{tab:scores-1}.
\\input{../$2/table.tex}
\\end{document}
END
	(cd "pdf-$2" && pdflatex -interaction=nonstopmode -halt-on-error paper.tex >first.log &&
		pdflatex -interaction=nonstopmode -halt-on-error paper.tex >second.log) 2>/dev/null
	is "$1 compiles" "$?" 0 || tail -n 20 "pdf-$2/first.log" | sed 's/^/# /'
	ok "to a PDF" test -s "pdf-$2/paper.pdf"
	unlike "without a warning of references or characters" "$(cat "pdf-$2/second.log")" 'undefined|Missing character'
	is "nothing is 5 pt wider than the text" "$(sed -n 's/^Overfull .hbox (\([0-9]*\)\..*/\1/p' "pdf-$2/second.log" | awk '$1 >= 5')" ""
	is "one page after the other holds all tables" "$(grep -c '^.begin{table}' "$2/table.tex")" "$(grep -c '^.end{table}' "$2/table.tex")"
}

exits "the usual metrics" 0 sm report --in w0/plain --out plain
like "means and spread" "$(cat plain/table.tex)" '^WT & 0\.812 \$\\pm\$ 0\.161 & '
like "with the counts that policies need" "$(cat plain/table.tex)" '\$n\$ & \$E_\{tp\}\$ & \$E_t\$ & \$E_p\$ & \$\\infty\$'
compiles "the usual table" plain
unlike "within the width of the text" "$(cat pdf-plain/second.log)" 'Overfull .hbox'
exits "every metric, odd names, published numbers" 0 sm report --in w0/evaluate --manifest m.yaml --out odd
like "names are escaped" "$(cat odd/table.tex)" 'U\\_Net \\& 50 \\%'
like "published numbers stand beside ours" "$(cat odd/table.tex)" '\$\^\{1\}\$ & 0\.889 & 0\.500 & --'
compiles "this" odd
exits "two models" 0 sm report --models "U_1=w0/evaluate,V#2=w1/evaluate" --manifest m.yaml --out two
like "have a table of tests" "$(cat two/table.tex)" 'label\{tab:tests\}'
like "in which both are named" "$(cat two/table.tex)" '^all\\_of-it & U\\_1 & V\\#2 & 4 & 0 & 0\.'
compiles "this too" two
done_testing
