#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cases without a prediction in a report: counted and named where they are left out, told beside every mean where
# an empty prediction was scored in their place; and models that treat them differently, side by side.
. "$(dirname "$0")/../lib.sh"
needs evaluate report
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" "$T/w" 6 || fail_all "fixture"
cd "$T/w" || exit 1
# Six truths; two lack a prediction, one prediction is broken.
mkdir truth all some
for i in 0 1 2 3 4 5; do
	cp "ingest/case0$i/seg.nii.gz" "truth/case0$i.nii.gz"
	cp "predict/case0$i.nii.gz" all/ 2>/dev/null || cp "truth/case0$i.nii.gz" "all/case0$i.nii.gz"
done
cp all/case0[2345].nii.gz some/
printf 'broken' >some/case02.nii.gz
cat >m.yaml <<'END'
schema: 1
name: lack
evaluate: {empty: strict, metrics: [dice, hd95]}
report: {viewer: false, montage_cases: 0}
END
claim() { # FOLDER ITEM: its line
	grep "^| CLAIM $2 |" "$1/checklist.md"
}
# row FOLDER STEP: its row of the case flow
row() {
	grep "<th scope=\"row\">$2</th><td class=\"n\">" "$1/report.html"
}
exits "listed alone" 1 sm evaluate --pred some --truth truth --manifest m.yaml --missing list --out e_list
exits "a report of these" 0 sm report --in e_list --manifest m.yaml --out r_list
like "all six truths are to be scored" "$(row r_list 'To be scored')" \
	'<td class="n">6</td>.*<td>2 without a predicted file of their name, 1 rejected by evaluate</td>'
like "three are" "$(row r_list Scored)" '<td class="n">3</td>'
like "CLAIM 8 counts them" "$(claim r_list 8)" 'To be scored: 6, of these 2 without a predicted file of their name, 1 rejected by evaluate; Scored: 3;'
like "CLAIM 12 names them" "$(claim r_list 12)" \
	'without prediction: list; 3 cases could not be scored: 1 rejected by evaluate \(case02\), 2 without a predicted file of their name \(case00, case01\) \|$'
like "the page does" "$(cat r_list/report.html)" '2 cases have no prediction and are in no figure of this page</caption>'
like "each of them" "$(cat r_list/report.html)" '<th scope="row">case01</th><td>without a predicted file of their name</td>'
unlike "nothing is made up" "$(cat r_list/report.html r_list/table.md r_list/table.tex)" 'scored as|no prediction</small>'

# The other reasons, those of predict's ledger.
mkdir why
cp predict/*.nii.gz why/
sed 's/"other_folds":\[[^]]*\],"rejected":\[\]/"other_folds":["case06"],"rejected":["case05"]/; /"key":"case0[45]"/d' predict/ledger.jsonl >why/ledger.jsonl
like "the fixture says so" "$(head -n 1 why/ledger.jsonl)" '"rejected":\["case05"\]'
exits "ledgers" 0 sm evaluate --in why --truth ingest --manifest m.yaml --out e_why
head=$(head -n 1 e_why/ledger.jsonl)
like "one is not told" "$head" '"not_told":\["case04"\]'
like "one was rejected" "$head" '"rejected_by_preprocess":\["case05"\]'
like "one is of another fold" "$head" '"other_folds":\["case06"\]'
exits "a report of the scores alone" 0 sm report --in e_why --manifest m.yaml --out r_why
like "counts them" "$(row r_why 'To be scored')" \
	'<td class="n">6</td>.*<td>1 of other folds beside them</td><td>1 rejected by preprocess, 1 not named in the ledger of predict</td>'
like "names them" "$(claim r_why 12)" \
	'2 cases could not be scored: 1 rejected by preprocess \(case05\), 1 not named in the ledger of predict \(case04\); 1 of other folds, not to be scored \|$'
exits "with predict's ledger" 0 sm report --in e_why --predict why --manifest m.yaml --out r_why2
like "counts them before it" "$(row r_why2 'To be scored')" '<td class="n">6</td>.*<td>1 rejected by preprocess, 1 not named in the ledger of predict</td>'
like "which has the others" "$(row r_why2 Predicted)" '<td class="n">4</td>.*<td>–</td></tr>$'
exits "with the truths' ledger" 0 sm report --in e_why --truth ingest --manifest m.yaml --out r_why3
like "counts what ingest has" "$(row r_why3 'Read and checked')" \
	'<td class="n">7</td>.*<td>1 of other folds, 1 rejected by preprocess, 1 not named in the ledger of predict</td>'
like "to the last" "$(row r_why3 Scored)" '<td class="n">4</td>'

# An empty prediction in their place.
exits "scored as the worst" 1 sm evaluate --pred some --truth truth --manifest m.yaml --missing worst --out e_worst
like "the table says so" "$(cat "$OUT")" '^\(without a prediction, scored as an empty one: 2 of 5\)$'
like "the log warns" "$(cat "$ERR")" 'warning: 2 cases have no prediction and are scored as an empty one \(evaluate\.missing: worst\)'
like "the ledger's summary counts them" "$(head -n 1 e_worst/ledger.jsonl)" '"summary":\{[^{]*\{[^}]*\}[^{]*"prediction_missing":2,'
is "summary.json marks them" "$(grep -c '"prediction_missing":true' e_worst/summary.json)" 2
exits "a report of these" 0 sm report --in e_worst --manifest m.yaml --out r_worst
page=$(cat r_worst/report.html)
told='Mean over 5 cases; 2 cases without a prediction are scored as empty ones; under it'
like "beside the page's means" "$page" "<caption>$told"
like "beside those of table.md" "$(cat r_worst/table.md)" '^Mean ± standard deviation over 5 cases; 2 cases without a prediction are scored as empty ones; empty regions'
like "beside those of table.tex" "$(cat r_worst/table.tex)" 'of the mean; 5 cases; 2 cases without a prediction are scored as empty ones; empty regions'
like "in table.json" "$(cat r_worst/table.json)" '"prediction_missing": 2'
like "in the checklist" "$(claim r_worst 12)" '1 case could not be scored: 1 rejected by evaluate \(case02\); 2 cases without a prediction scored as empty \(case00, case01\) \|$'
like "in the case flow" "$(row r_worst Scored)" '<td class="n">5</td>.*<td>2 not predicted, scored as empty</td>'
like "which adds up" "$(row r_worst 'To be scored')" '<td class="n">6</td>.*<td>1 rejected by evaluate</td>'
is "the cases are marked in each of the page's tables" "$(grep -o '>case0[0-9]</a> <small>no prediction</small>' r_worst/report.html | sort | uniq -c | tr -s ' \n' ' ')" \
	' 4 >case00</a> <small>no prediction</small> 4 >case01</a> <small>no prediction</small> '

# Infinite distances are counted where there are some.
like "an infinite distance is counted" "$page" '<br/>2 infinite'
unlike "none is not" "$page" '>0 infinite'

# Models that treat them differently.
exits "all of them" 0 sm evaluate --pred all --truth truth --manifest m.yaml --out e_all
models="--models A=e_all,B=e_list,C=e_worst"
# shellcheck disable=SC2086 # $models is a list
exits "side by side" 0 sm report $models --manifest m.yaml --out r_models
apart='3 to 6 cases, not the same ones for every model; cases without a prediction are scored as empty ones: 2 of C; '
like "how many cases, on the page" "$(cat r_models/report.html)" "<caption>Mean over ${apart}under it"
like "in table.md" "$(cat r_models/table.md)" "^Mean ± standard deviation over ${apart}empty"
like "in table.tex" "$(cat r_models/table.tex)" "of the mean; ${apart}empty"
differ='score of a predicted case: evaluate\.missing, what becomes of a truth without prediction \(A reject, B list, C worst\)\.'
like "the settings that differ, on the page" "$(cat r_models/report.html)" "$differ"
like "in table.md " "$(cat r_models/table.md)" "$differ"
is "B's number of cases is B's" "$("$PYTHON" -c 'import json; print([m["cases"] for m in json.load(open("r_models/table.json"))["models"]])')" '[6, 3, 5]'
# other SETTINGS: the scores of e_all by them.
other() {
	sed "s/{empty: strict, metrics: \[dice, hd95\]}/{$1}/" m.yaml >other.yaml
	sm evaluate --pred all --truth truth --manifest other.yaml --out e_other >/dev/null 2>&1
	run sm report --models "A=e_all,B=e_other" --manifest m.yaml --out r_other
}
other 'empty: strict, metrics: [dice, hd95], resamples: 500, bone: 200, grid_tolerance: 0.02'
is "what changes no score may differ" "$CODE" 0
like "and is told where it counts for labels" "$(cat r_other/report.html)" \
	'case: evaluate\.resamples, draws of the bootstrap behind an interval \(A 10000, B 500\); evaluate\.grid_tolerance, mm from which on a pair is refused \(A 0\.01, B 0\.02\)\.'
like "all scored the same cases" "$(cat r_other/table.md)" '^Mean ± standard deviation over 6 cases; empty'
for setting in 'empty: brats2020, metrics: [dice, hd95]' 'empty: strict, metrics: [dice, hd95], match_iou: 0.3' \
	'empty: strict, metrics: [dice, hd95], threshold: 0.5' 'empty: strict, metrics: [dice, hd95], slices: all'; do
	other "$setting"
	is "what changes scores is refused: $setting" "$CODE" 3
	like "by its name" "$(cat "$ERR")" 'evaluate\.(empty|match_iou|threshold|slices) of model B is not that of model A'
done
other 'empty: strict, metrics: [dice, hd95]'
is "the same settings" "$CODE" 0
unlike "need no word" "$(cat r_other/report.html r_other/table.md)" 'other settings that change no'
done_testing
