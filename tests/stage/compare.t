#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stage compare: files and folders of raters, the same scores as evaluate, fusions, tests, bad input, resume, threads.
# shellcheck disable=SC2086 # $all and $few are two words
. "$(dirname "$0")/../lib.sh"
needs compare evaluate verify
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
cd "$T" || exit 1

# Six cases of a ball with three labels, shifted and with holes by three raters; case5 has no label 4.
cat >make.py <<'EOS'
import os
import nibabel, numpy as np
M = np.array([[-1.0, 0, 0, 20], [0, -1.5, 0, 15], [0, 0, 2.0, -12], [0, 0, 0, 1]])
x, y, z = np.indices((30, 24, 16))
def ball(dx, dy, r, enhancing):
    d = (x - 14 - dx) ** 2 + (1.5 * (y - 11 - dy)) ** 2 + (2 * (z - 8)) ** 2
    a = np.where(d < r ** 2, 2, 0).astype(np.uint8)
    a[d < (r - 2) ** 2] = 1
    if enhancing:
        a[d < (r - 4) ** 2] = 4
    return a
rng = np.random.default_rng(1)
for i in range(6):
    for name, shift, grow in (("truth", 0, 0), ("a", 0, 0), ("b", 1, 1), ("c", 2 + i % 2, -1)):
        os.makedirs(name, exist_ok=True)
        v = ball(shift, 0, 9 + grow, i != 5)
        if name != "truth":
            v[rng.random(v.shape) < 0.02] = 0
        image = nibabel.Nifti1Image(v, M)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, f"{name}/case{i}.nii.gz")
EOS
"$PYTHON" make.py || fail_all "the volumes cannot be made"
printf 'schema: 1\nname: x\nevaluate: {metrics: [all], lesions: gli, resamples: 50}\n' >all.yaml
printf 'schema: 1\nname: x\nevaluate: {resamples: 50}\n' >few.yaml
all="--manifest all.yaml"
few="--manifest few.yaml"

exits "three folders and a truth" 0 sm compare --raters a,b,c --truth truth $all --out o1 --jobs 2
for f in pairs.csv summary.csv staple.csv tests.csv table.md table.tex summary.json ledger.jsonl majority/case3.nii.gz \
	staple/case5.nii.gz; do
	ok "writes $f" test -s "o1/$f"
done
like "prints the Dice of all pairs" "$(cat "$OUT")" '^reference +a +b +c +majority +staple$'
like "and the raters' sensitivity" "$(cat "$OUT")" '^rater +WT sensitivity +specificity'
is "a row a case, pair and region" "$(tail -n +2 o1/pairs.csv | wc -l | tr -d ' ')" $((6 * (6 + 5 + 8) * 7))

# The same numbers as evaluate.
exits "evaluate of one of them" 0 sm evaluate --pred b --truth truth $all --out e1
ok "a rater against the truth is what evaluate says" "$PYTHON" - <<'EOS'
import csv
key = lambda r: (r["case"], r["region"])
mine = {key(r): r for r in csv.DictReader(open("o1/pairs.csv")) if (r["reference"], r["compared"]) == ("truth", "b")}
theirs = {key(r): r for r in csv.DictReader(open("e1/scores.csv"))}
assert mine.keys() == theirs.keys() and len(mine) == 42
for k, r in theirs.items():
    for name, v in r.items():
        assert mine[k][name] == v or abs(float(mine[k][name]) - float(v)) < 2e-6, (k, name, v, mine[k][name])
# Dice is symmetric, sensitivity is the other way's precision.
both = {(r["case"], r["region"], r["reference"], r["compared"]): r for r in csv.DictReader(open("o1/pairs.csv"))}
n = 0
for (case, region, a, b), r in both.items():
    if (case, region, b, a) in both:
        o = both[case, region, b, a]
        assert r["dice"] == o["dice"] and r["sensitivity"] == o["precision"] and r["hd95"] == o["hd95"]
        n += 1
assert n == 6 * 7 * 8, n
EOS

# Fusions: by hand and in place.
ok "the majority is what most say, in the raters' place" "$PYTHON" - <<'EOS'
import json, nibabel, numpy as np
records = {r["key"]: r for r in map(json.loads, open("o1/ledger.jsonl")) if "key" in r}
for i in range(6):
    v = [np.asarray(nibabel.load(f"{n}/case{i}.nii.gz").dataobj) for n in "abc"]
    votes = np.stack([sum(w == k for w in v) for k in (0, 1, 2, 4)])
    want = np.array([0, 1, 2, 4])[votes.argmax(0)]
    tied = (votes == votes.max(0)).sum(0) > 1
    want[tied] = 0
    image = nibabel.load(f"o1/majority/case{i}.nii.gz")
    assert (np.asarray(image.dataobj) == want).all() and image.get_data_dtype() == np.uint8
    assert np.allclose(image.affine, nibabel.load(f"a/case{i}.nii.gz").affine)
    assert records[f"case{i}"]["fused"]["majority"]["tied"] == int(tied.sum())
    staple = nibabel.load(f"o1/staple/case{i}.nii.gz")
    assert np.allclose(staple.affine, image.affine) and set(np.unique(staple.dataobj)) <= {0, 1, 2, 4}
    q = records[f"case{i}"]["staple"]["wt"]["raters"]
    assert all(0.5 < q[n][k] <= 1 for n in "abc" for k in ("sensitivity", "specificity")), q
et = records["case5"]["staple"]["et"]
assert et["raters"]["a"] == {"sensitivity": None, "specificity": 1.0} and et["iterations"] == 0
EOS
exits "the fusions' folder is a rater too" 0 sm compare $few --raters a,o1/majority --names a,both --truth truth --out o2
exits "and a truth for evaluate" 0 sm evaluate --manifest all.yaml --pred a --truth o1/staple --out e2
is "with the same numbers" "$(grep '^case3,wt,' e2/scores.csv)" \
	"$(grep '^case3,staple,a,wt,' o1/pairs.csv | sed 's/,staple,a,/,/')"
ok "two raters are not fused by themselves" test ! -e o2/majority
exits "unless asked" 0 sm compare $few --raters a,b --fuse both --ties first --out o3
like "with a warning" "$(cat "$ERR")" 'STAPLE of two raters has no single answer'
ok "without a truth there are no tests" test ! -e o3/tests.csv
exits "verify finds all as it was written" 0 sm verify o1

# Tests in pairs.
ok "the tests are those of scipy" "$PYTHON" - <<'EOS'
import csv
try:
    from scipy.stats import wilcoxon
except ImportError:
    raise SystemExit(0)
score = {(r["compared"], r["region"], r["case"]): float(r["dice"]) for r in csv.DictReader(open("o1/pairs.csv"))
         if r["reference"] == "truth" and r["dice"]}
rows = [r for r in csv.DictReader(open("o1/tests.csv")) if r["metric"] == "dice"]
assert len(rows) == 3 * 4, len(rows)
for r in rows:
    a = [score[r["a"], r["region"], f"case{i}"] for i in range(6)]
    b = [score[r["b"], r["region"], f"case{i}"] for i in range(6)]
    d = [x - y for x, y in zip(a, b)]
    assert abs(float(r["difference"]) - sum(d) / 6) < 2e-6
    if 0 not in d:
        assert abs(float(r["wilcoxon_p"]) - wilcoxon(d).pvalue) < 2e-6, r
    assert float(r["wilcoxon_holm"]) >= float(r["wilcoxon_p"])
EOS

# One case as files.
exits "two files" 0 sm compare --raters a/case0.nii.gz,b/case0.nii.gz --names x,y
like "named" "$(cat "$OUT")" '^reference +x +y'
exits "three files, written" 0 sm compare --raters a/case0.nii.gz,b/case0.nii.gz,c/case0.nii.gz --names a,b,c \
	--truth truth/case0.nii.gz $all --out o4
ok "have their fusion" test -s o4/staple/case.nii.gz
is "with the numbers of the folder" "$(grep '^case,a,b,' o4/pairs.csv | cut -d, -f2-)" \
	"$(grep '^case0,a,b,' o1/pairs.csv | cut -d, -f2-)"
ok "and no tests of one case" test ! -e o4/tests.csv

# Folders of stage predict and ingest.
for w in one two; do
	"$PYTHON" "$SM_ROOT/tests/stage/eval_fixture.py" $w 4 || fail_all "folders of stages cannot be made"
done
sed -i '1s/}$/,"other":1}/' two/predict/ledger.jsonl # another run
exits "two runs of predict" 0 sm compare $few --raters one/predict,two/predict --truth one/ingest --out o5
like "are called by the folders around" "$(cat "$OUT")" '^reference +one +two'
is "equal ones differ nowhere" "$(grep -c ',0.000000,' o5/tests.csv | tr -d ' ')" \
	"$(tail -n +2 o5/tests.csv | wc -l | tr -d ' ')"
like "what was read is in the ledger" "$(cat o5/ledger.jsonl)" '"path":"case00.nii.gz","role":"one","sha256":"[0-9a-f]{64}"'
like "and the ledgers' hashes" "$(head -n 1 o5/ledger.jsonl)" '"ledger_sha256":"[0-9a-f]{64}"'
if [ -x "$SM_BIN/scanmill-trace" ]; then
	exits "a trace of a case of both" 0 sm trace o5 case00 --also one,two
	is "goes into the run of each rater" "$(sed -n 's/^ *\(predict  case00\).*rater \(.*\)$/\1 \2/p' "$OUT" | tr '\n' ';')" "predict  case00 one;predict  case00 two;"
	exits "one of them is not here" 0 sm trace o5 case00 --also one
	like "is said" "$(cat "$OUT")" 'the run of predict that this was made from is not here'
	unlike "no rater is mistaken for the other" "$(cat "$OUT")" 'rater two'
fi
printf x >>two/predict/case01.nii.gz
"$PYTHON" - <<'EOS'
import nibabel, numpy as np
i = nibabel.load("two/predict/case02.nii.gz")
a = np.asarray(i.dataobj).copy()
a[0, 0, 0] = 1
nibabel.save(nibabel.Nifti1Image(a, i.affine), "two/predict/case02.nii.gz")
EOS
exits "a prediction that was changed" 1 sm compare $few --raters one/predict,two/predict --truth one/ingest --out o6
like "is refused" "$(cat o6/ledger.jsonl)" 'two: case02.nii.gz: its content has hash'

# Any number of threads, resumed or not.
exits "one thread" 0 sm compare --raters a,b,c --truth truth $all --out o7 --jobs 1
same_tree "the same bytes" o1 o7
exits "again" 0 sm compare --raters a,b,c --truth truth $all --out o7 --jobs 1 --resume
like "keeps all" "$(cat "$ERR")" '6 reused'
same_tree "and its bytes" o1 o7
cp b/case1.nii.gz a/case1.nii.gz
exits "one rater changed his mind" 0 sm compare --raters a,b,c --truth truth $all --out o7 --resume
like "one case is done again" "$(cat "$ERR")" '5 reused'
exits "--dry-run writes nothing" 0 sm compare $few --raters a,b,c --out o8 --dry-run
ok "indeed" test ! -e o8/ledger.jsonl

# Bad input: never a number from volumes that do not fit.
edit() {
	"$PYTHON" - "$1" "$2" "$3" <<'EOS'
import sys
import nibabel, numpy as np
i = nibabel.load(sys.argv[1])
a, m = np.asarray(i.dataobj).copy(), i.affine.copy()
exec(sys.argv[3])
nibabel.save(nibabel.Nifti1Image(a, m), sys.argv[2])
EOS
}
good=b/case0.nii.gz
bad() {
	edit a/case0.nii.gz bad.nii.gz "$2"
	exits "$1" 3 sm compare --raters bad.nii.gz,$good --names bad,good
	like "$1: is said" "$(cat "$ERR")" "$3"
}
bad "another size" "a = a[1:]" '29.*30|30.*29'
bad "another place" "m[0, 3] += 0.5" '0\.5.*mm'
bad "a label that is none" "a[3, 4, 5] = 3" 'label 3.*allowed are 0, 1, 2, 4'
bad "half labels" "a = a.astype(np.float32); a[3, 4, 5] = 0.5" '0\.5'
bad "NaN" "a = a.astype(np.float32); a[3, 4, 5] = np.nan" 'nan'
bad "frames" "a = np.stack([a, a], 3)" 'has 2 frames'
# Masks of probabilities, where a threshold is given.
for r in a b c; do
	edit $r/case0.nii.gz "soft_$r.nii.gz" "a = np.where(a > 0, 0.7, 0.2).astype(np.float32)"
	edit $r/case0.nii.gz "hard_$r.nii.gz" "a = (a > 0).astype(np.uint8)"
done
exits "probabilities without a threshold" 3 sm compare --raters soft_a.nii.gz,soft_b.nii.gz
exits "and with one" 0 sm compare $few --raters soft_a.nii.gz,soft_b.nii.gz,soft_c.nii.gz --names a,b,c --threshold 0.5 --out o15
exits "as the masks" 0 sm compare $few --raters hard_a.nii.gz,hard_b.nii.gz,hard_c.nii.gz --names a,b,c --threshold 0.5 --out o16
ok "the same scores" cmp o15/pairs.csv o16/pairs.csv
ok "the same fusion" cmp o15/staple/case.nii.gz o16/staple/case.nii.gz

exits "one rater" 2 sm compare --raters $good
like "is too few" "$(cat "$ERR")" '\-\-raters: found 1, allowed are 2 to 32'
exits "a rater that is not there" 2 sm compare --raters $good,none.nii.gz
exits "a file beside a folder" 2 sm compare --raters $good,a
like "is refused" "$(cat "$ERR")" 'files alone or folders alone'
exits "two raters of one name" 2 sm compare --raters a/case0.nii.gz,b/case0.nii.gz
like "need names" "$(cat "$ERR")" "two raters are called 'case0'"
exits "a rater called truth" 2 sm compare $few --raters a,b --names a,truth --out o10
exits "a blank in a name" 2 sm compare $few --raters a,b --names "x y,z" --out o10
like "does not part it" "$(cat "$ERR")" "found 'x y'"
exits "too few names" 2 sm compare $few --raters a,b --names a --out o10
exits "folders without --out" 2 sm compare --raters a,b
mkdir none
exits "a folder without files" 3 sm compare $few --raters a,none --out o10

# A case that one of them lacks.
rm c/case4.nii.gz
exits "a missing case" 1 sm compare $few --raters a,b,c --truth truth --out o11
like "is rejected by name" "$(cat o11/ledger.jsonl)" 'case case4: c has no file of that name'
is "and in no table" "$(grep -c '^case4,' o11/pairs.csv)" 0
for r in a b; do
	cp $r/case3.nii.gz "$r/of J D.nii.gz"
	cp $r/case3.nii.gz "$r/sums.csv.nii.gz"
done
exits "names that are no names of cases" 1 sm compare $few --raters a,b --truth truth --out o17
is "are rejected one by one" "$(grep -c 'the name .* is no name of a case' o17/ledger.jsonl)" 2
like "and the others stand" "$(cat o17/pairs.csv)" '^case3,'
printf 'schema: 1\nname: x\nevaluate: {missing: list, resamples: 50}\n' >m.yaml
exits "also where missing cases are listed" 1 sm compare --manifest m.yaml --raters a,b,c --truth truth --out o18
is "one by one" "$(grep -c 'the name .* is no name of a case' o18/ledger.jsonl)" 2
rm a/of* b/of* a/sums* b/sums*
printf 'schema: 1\nname: x\nevaluate: {missing: list, resamples: 50}\n' >m.yaml
exits "or listed, as the manifest says" 0 sm compare --manifest m.yaml --raters a,b,c --truth truth --out o12
like "in the header" "$(head -n 1 o12/ledger.jsonl)" '"missing":\{"c":\["case4"\]\}'
printf 'schema: 1\nname: x\nevaluate: {missing: worst}\n' >m.yaml
exits "worst is for evaluate" 2 sm compare --manifest m.yaml --raters a,b,c --out o13
printf 'schema: 1\nname: x\ncompare: {fuse: majority}\nevaluate: {missing: list, resamples: 50, labels: [{value: 1, name: core}, {value: 2, name: rim}, {value: 4, name: hot}]}\n' >m.yaml
exits "other labels" 0 sm compare --manifest m.yaml --raters a,b,c --truth truth --out o14
like "name the rows" "$(cat o14/table.md)" '^Dice of core: row as reference'
ok "one fusion alone" test ! -e o14/staple -a -e o14/majority
unlike "no place of this machine is in an output" "$(cat o1/ledger.jsonl o1/summary.json o1/table.md)" "$T|/tmp/"

# LaTeX takes the tables.
if command -v pdflatex >/dev/null && kpsewhich booktabs.sty >/dev/null 2>&1; then
	printf '\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n\\input{o5/table.tex}\n\\end{document}\n' >t.tex
	ok "the tables compile" pdflatex -interaction=nonstopmode -halt-on-error t.tex
	is "within the text width" "$(sed -n 's/^Overfull .hbox (\([0-9]*\)\..*/\1/p' t.log | awk '$1 >= 5')" ""
else
	skip "the tables compile" "pdflatex or booktabs is not installed"
fi
done_testing
