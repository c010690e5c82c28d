#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs explore preprocess split tile pair slice verify
. "$SM_ROOT/tests/stage/cohort.sh"

manifest "$T/m.yaml"
cat >>"$T/m.yaml" <<'END'
split: {train: 50, valid: 25, test: 25}
tile: {size: [24, 24, 8], per_case: 3, max_background: 1}
pair: {a: t1, b: flair, mode: aligned}
END
explore() {
	sm explore --manifest "$T/m.yaml" "$@"
}
for stage in preprocess split; do
	in=$([ $stage = split ] && echo preprocess || echo ingest)
	sm $stage --manifest "$T/m.yaml" --in "$T/$in" --out "$T/$stage" >"$OUT" 2>"$ERR" || fail_all "$stage: $(cat "$ERR")"
done
for stage in tile pair; do
	sm $stage --manifest "$T/m.yaml" --in "$T/preprocess" --split "$T/split" --out "$T/$stage" >"$OUT" 2>"$ERR" ||
		fail_all "$stage: $(cat "$ERR")"
done

all="--in $T/preprocess --raw $T/ingest --split $T/split --data $T/tile"
# shellcheck disable=SC2086 # words
exits "a page of a data set of tiles" 0 explore $all --out "$T/one" --jobs 1
# shellcheck disable=SC2086
exits "on three threads" 0 explore $all --out "$T/three" --jobs 3
same_tree "no byte depends on the threads" "$T/one" "$T/three"
exits "verify knows every file" 0 sm verify "$T/one"
page=$T/one/explore.html
is "the page is one file: nothing is run or loaded" \
	"$(grep -Ec '<script|<link|@import|(src|href)="(http|/|\.)' "$page")" 0
is "and names no folder of this machine" "$(cat "$page" "$T"/one/*.csv "$T/one/ledger.jsonl" | grep -cF "$T")" 0
is "four cases are shown, before and after" "$(grep -o '>as ingested</text>' "$page" | wc -l) $(grep -o '>preprocessed</text>' "$page" | wc -l)" "4 4"
like "ledgers stand there by hash" "$(cat "$page")" "id=\"ledger-split\".*$(sha256sum "$T/split/ledger.jsonl" | cut -c 1-64)"
like "steps stand there in words" "$(cat "$page")" '<b>relabel</b>: numbers of the label volume. from \[4\]'
like "nobody was rejected" "$(cat "$page")" 'No stage rejected a case'
is "folds are counted in cases, patients, samples" \
	"$(grep -Eo '[0-9]+ cases?, [0-9]+ patients?, [0-9]+ samples' "$page" | tr '\n' ';')" \
	"2 cases, 2 patients, 6 samples;1 case, 1 patient, 3 samples;1 case, 1 patient, 3 samples;"
is "a histogram counts the foreground of every case" \
	"$(awk -F, '$1 == "ingest" && $2 == "t1" { n += $6 } END { print n }' "$T/one/histograms.csv")" \
	"$(awk -F, '$3 == "ingest" && $4 == "t1" { n += $6 } END { print n }' "$T/one/intensities.csv")"
if has_python nibabel numpy; then
	ok "numbers are numpy's" "$PYTHON" "$SM_ROOT/tests/stage/explore_check.py" "$T/one" "$T/ingest" "$T/preprocess"
else
	skip "numbers are numpy's" "no nibabel"
fi
if "$PYTHON" -c 'import xml.dom.minidom' 2>/dev/null; then
	ok "every drawing is whole XML" "$PYTHON" -c 'import sys, xml.dom.minidom
for f in sys.argv[1:]: xml.dom.minidom.parse(f)' "$T"/one/sheet/*.svg "$T"/one/samples/*.svg
else
	skip "every drawing is whole XML" "no python3"
fi

# shellcheck disable=SC2086
exits "resume" 0 explore $all --out "$T/one" --resume
like "keeps all cases" "$(cat "$ERR")" '4 reused'
same_tree "and changes nothing" "$T/one" "$T/three"
{ cat "$T/m.yaml" && echo 'explore: {cases: 2, slices: 1}'; } >"$T/two.yaml"
# shellcheck disable=SC2086
exits "fewer cases on the sheets" 0 sm explore --manifest "$T/two.yaml" $all --out "$T/one" --resume
is "leave no drawing behind" "$(find "$T/one/sheet" "$T/one/samples" -type f | wc -l | tr -d ' ')" 4
is "but the numbers are of all" "$(awk -F, '$3 == "ingest" && $4 == "t1"' "$T/one/intensities.csv" | wc -l | tr -d ' ')" 4
cmp -s "$T/one/intensities.csv" "$T/three/intensities.csv"
is "and the same ones" $? 0

exits "pairs" 0 explore --in "$T/preprocess" --data "$T/pair" --split "$T/split" --out "$T/pairs"
like "stand side by side" "$(cat "$T/pairs/explore.html")" '>t1</text>'
like "and are counted" "$(cat "$T/pairs/explore.html")" '4 cases, 96 samples'
exits "ingest alone" 0 explore --in "$T/ingest" --out "$T/raw_only"
unlike "has no row after preprocess" "$(cat "$T/raw_only/explore.html")" 'preprocessed'
ok "and no split.csv" test ! -e "$T/raw_only/split.csv"
edit_manifest 's/format: hdf5//' "$T/png.yaml"
echo 'slice: {format: png}' >>"$T/png.yaml"
run sm slice --manifest "$T/png.yaml" --in "$T/preprocess" --out "$T/slice"
exits "pictures of slices" 0 explore --in "$T/preprocess" --data "$T/slice" --out "$T/slices"
is "are shown, too" "$(find "$T/slices/samples" -name '*.svg' | wc -l | tr -d ' ')" 4

# What is wrong with scans is told.
if has_python nibabel numpy; then
	cp -r "$T/raw" "$T/bad"
	"$PYTHON" - "$T/bad" <<'END'
import glob, sys, nibabel as nib, numpy as np
cases = sorted(glob.glob(sys.argv[1] + "/BraTS*"))
def change(case, what):
    p = glob.glob(case + "/*_t1.nii*")[0]
    i = nib.load(p)
    a = np.asarray(i.dataobj).copy()
    what(a)
    nib.save(nib.Nifti1Image(a, i.affine, i.header), p)
def gap(a): a[:, :, 12] = 0
def flat(a): a[:] = 5
def clip(a): np.minimum(a, np.percentile(a[a > 0], 70).astype(a.dtype), out=a)
for case, what in zip(cases, (gap, flat, clip)):
    change(case, what)
END
	run sm ingest --in "$T/bad" --out "$T/bad_ingest"
	exits "scans with artefacts" 0 explore --in "$T/bad_ingest" --out "$T/odd"
	odd=$(awk -F, '$4 == "t1" { print $1 ": " $NF }' "$T/odd/intensities.csv" | tr -d '\r')
	like "a gap" "$odd" '_001: constant slices between others$'
	like "a constant volume" "$odd" '_002: one value in the whole volume$'
	like "a clipped one" "$odd" '_003: clipped values$'
	like "and a good one" "$odd" '_004: $'
else
	skip "artefacts" "no nibabel"
fi

# Bad input.
cp -r "$T/preprocess" "$T/other"
sed 1s/}/,\"x\":1}/ "$T/preprocess/ledger.jsonl" >"$T/other/ledger.jsonl"
exits "a split of another run" 3 explore --in "$T/other" --split "$T/split" --out "$T/no"
like "is named" "$(cat "$ERR")" 'split ledger: was made from the preprocess ledger .* run stage split again'
exits "folders exchanged" 2 explore --in "$T/ingest" --raw "$T/ingest" --out "$T/no"
exits "a folder that holds no samples" 2 explore --in "$T/preprocess" --data "$T/split" --out "$T/no"
like "is said" "$(cat "$ERR")" "allowed are tile, slice and pair"
rm "$T/preprocess/BraTS20_Training_003/label.nii.gz"
exits "a case that is damaged" 1 explore --in "$T/preprocess" --out "$T/less"
like "is on the page with its reason" "$(cat "$T/less/explore.html")" 'BraTS20_Training_003.*is missing'
exits "and verify is content" 0 sm verify "$T/less"
done_testing
