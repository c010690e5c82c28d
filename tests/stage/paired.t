#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Statistics of pairs by evaluate, report and compare: ties whatever the voxel size, missed regions in
# Wilcoxon's ranks, what stands beside the pairs that are left out, and repeated scans of a patient.
. "$(dirname "$0")/../lib.sh"
needs evaluate report compare
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
cd "$T" || exit 1

# Volumes that differ by the same voxels, of 1 mm and of 0.7 mm.
"$PYTHON" - <<'END_MAKE' || fail_all "the volumes cannot be made"
import os
import nibabel as nib
import numpy as np
def save(path, n, spacing, at=0):
    m = np.zeros((10, 10, 10), np.uint8)
    m.ravel()[at:at + n] = 4
    os.makedirs(os.path.dirname(path), exist_ok=True)
    nib.save(nib.Nifti1Image(m, np.diag([spacing, spacing, spacing, 1])), path)
for name, spacing in (("s10", 1.0), ("s07", 0.7)):
    for i, apart in enumerate((1, 1, -1, 2, 2, -2, 3, 3, -3, 4, 4, 5)):
        b = 100 + i * 53 % 300
        for who, n in (("t", b + 7), ("b", b), ("a", b + apart)):
            save(f"{name}/{who}/c{i:02}.nii.gz", n, spacing)
# Both find the region of case 0, B the nearer; A alone finds those of 1 to 6; both miss that of 7; in
# case 8 there is none, and none is found.
for i in range(9):
    save(f"miss/t/c{i}.nii.gz", 0 if i == 8 else 100, 1.0)
    save(f"miss/a/c{i}.nii.gz", 0 if i >= 7 else 100, 1.0, 300 if i == 0 else 10 * i)
    save(f"miss/b/c{i}.nii.gz", 0 if i >= 1 else 100, 1.0, 10)
END_MAKE
p_of() {
	for m in a b; do
		run sm evaluate --pred "$1/$m" --truth "$1/t" --metrics volume_difference --out "$1/e$m"
	done
	run sm report --models "A=$1/ea,B=$1/eb" --out "$1/r"
	"$PYTHON" -c 'import csv, sys
(r,) = [r for r in csv.DictReader(open(sys.argv[1])) if r["region"] == "et"]
print(*(r[k] for k in ("wilcoxon", "wilcoxon_p", "permutation_p", "n", "wilcoxon_n", "left_out")))' "$1/r/tests.csv"
}
# scipy's wilcoxon and permutation_test of the whole numbers.
is "1 mm: the p of the voxels" "$(p_of s10)" "15 0.064453125 0.0688476562 12 12 0"
is "0.7 mm: the same" "$(p_of s07)" "15 0.064453125 0.0688476562 12 12 0"

# A region that a model misses.
of() {
	"$PYTHON" -c 'import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    if (r["region"], r["metric"]) == ("et", sys.argv[2]):
        print(*(r[k] or "-" for k in ("n", "left_out", "no_number", "infinite", "wilcoxon_n", "wilcoxon_p", "permutation_p")))' "$@"
}
for policy in strict nnunet brats2020; do
	for m in a b; do
		run sm evaluate --pred "miss/$m" --truth miss/t --metrics hd95,dice --empty $policy --out "miss/$policy/e$m"
	done
	exits "a report by $policy" 0 sm report --models "A=miss/$policy/ea,B=miss/$policy/eb" --out "miss/$policy/r"
	run sm compare --raters miss/a,miss/b --truth miss/t --metrics hd95,dice --empty $policy --out "miss/$policy/c"
	is "compare has the same tests" "$(of "miss/$policy/c/tests.csv" hd95 | cut -d' ' -f1-5)" \
		"$(of "miss/$policy/r/tests.csv" hd95 | cut -d' ' -f1-5)"
done
# Case 0 has rank 1, the six misses 4.5 each; 7 (infinite in both) and 8 (0 in both) are no difference.
# p = 2 * (1 + 1) / 2^7. The mean's test knows nothing of the misses.
is "strict: six misses have ranks" "$(of miss/strict/r/tests.csv hd95)" "2 7 0 7 9 0.03125 1"
is "nnunet: they are left out" "$(of miss/nnunet/r/tests.csv hd95)" "1 8 8 0 1 1 1"
is "brats2020: they have a number" "$(of miss/brats2020/r/tests.csv hd95 | cut -d' ' -f1-5)" "9 0 0 0 9"
is "overlap has numbers" "$(of miss/strict/r/tests.csv dice | cut -d' ' -f1-5)" "9 0 0 0 9"
cells='<td class="n">2</td><td class="n">7</td><td class="n">0</td><td class="n">7</td>'
like "the page counts them" "$(cat miss/strict/r/report.html)" "$cells"
like "and says what they are" "$(cat miss/strict/r/report.html)" 'Left out are the other cases of either model: .*infinite in one'
like "so does Markdown" "$(cat miss/strict/r/table.md)" '^\| ET \| A \| B \| 2 \| 7 \(0 no number, 7 infinite\) \|'
like "what they are" "$(cat miss/strict/r/table.md)" 'in brackets those of them where a model has no number, or an infinite one'
like "and LaTeX" "$(cat miss/strict/r/table.tex)" '2 & 7 \(0 --, 7 \$.infty\$\) &'
like "without a number" "$(cat miss/nnunet/r/table.md)" '^\| ET \| A \| B \| 1 \| 8 \(8 no number, 0 infinite\) \|'
like "cells.jsonl has them" "$(cat miss/strict/r/cells.jsonl)" '"infinite":7,"kind":"test","left_out":7,"metric":"hd95","n":2,"no_number":0'

# Six cases of six patients, then of three: the same bias, limits that know it.
"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" w 6 || fail_all "fixture"
volumes() {
	"$PYTHON" -c 'import csv, sys
(r,) = [r for r in csv.DictReader(open(sys.argv[1])) if r["region"] == "wt"]
print(*(r[k] for k in ("n", "patients", "bias_ml")))' "$1"
}
exits "a patient each" 0 sm evaluate --in w/predict --truth w/ingest --out w/alone
exits "a report" 0 sm report --in w/alone --out w/ra
like "page: a patient a case" "$(cat w/ra/report.html)" 'by Student.s t; n cases of 6 patients\.</caption>'
sed -i 's/"patient":"[^"]*[01]"/"patient":"P1"/; s/"patient":"[^"]*[23]"/"patient":"P2"/; s/"patient":"[^"]*[45]"/"patient":"P3"/' \
	w/ingest/ledger.jsonl w/predict/ledger.jsonl
sed -i "s/\"ingest\":\"[0-9a-f]*\"/\"ingest\":\"$(sha256sum <w/ingest/ledger.jsonl | cut -c 1-64)\"/" w/predict/ledger.jsonl
exits "two scans each" 0 sm evaluate --in w/predict --truth w/ingest --out w/twice
exits "a report" 0 sm report --in w/twice --out w/rt
is "volumes.csv: patients" "$(volumes w/alone/volumes.csv)" "6 6 0.000000"
is "of two scans each" "$(volumes w/twice/volumes.csv)" "6 3 0.000000"
like "the page tells" "$(cat w/rt/report.html)" 'n cases of 3 patients\. Patients have several cases: SD is that between and inside patients'
done_testing
