#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a user's data may have wrong: one clear sentence (file, field, found, allowed), the right exit
# code, and the good cases go on.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"

make_raw
case_dir() {
	echo "$RAW/BraTS20_Training_00$1"
}
file() {
	echo "$RAW/BraTS20_Training_00$1/BraTS20_Training_00$1_$2.nii.gz"
}

# Six cases, five of them broken in different ways.
rm "$(file 1 t2)"
head -c $(($(size "$(file 2 flair)") / 2)) "$(file 2 flair)" >"$T/cut"
mv "$T/cut" "$(file 2 flair)"
flip "$(file 3 t1)" $(($(size "$(file 3 t1)") / 2))
printf 'no image' >"$(file 4 seg)"
run sm phantom --out "$T/other" --cases 1 --size 40,48,24
cp "$T/other/BraTS20_Training_001/BraTS20_Training_001_t1ce.nii.gz" "$(file 5 t1ce)"

exits "index of a tree with broken cases goes on" 0 step index
run step ingest
is "ingest ends with 1: some cases rejected" "$CODE" 1
cp "$ERR" "$T/ingest.err"
ledger=$W/ingest/ledger.jsonl
record() {
	grep "\"key\":\"BraTS20_Training_00$1\"" "$ledger"
}
reason() {
	record "$1" | sed 's/.*"reason":"\([^"]*\)".*/\1/'
}
for n in 1 2 3 4 5; do
	like "case $n is rejected in the ledger" "$(record $n)" '"status":"rejected"'
	like "case $n: with a code" "$(record $n)" '"code":"input"'
	like "case $n: and on stderr" "$(cat "$T/ingest.err")" "BraTS20_Training_00$n: rejected: "
	ok "case $n: no volume of it stands there" test -z "$(find "$W/ingest" -path "*00$n*" -name '*.nii.gz')"
	unlike "case $n: no path of this machine" "$(record $n)" "$T"
done
like "a missing modality names role and pattern" "$(reason 1)" 't2'
like "a truncated file names the file" "$(reason 2)" 'BraTS20_Training_002_flair.nii.gz: '
like "a damaged file names the file" "$(reason 3)" 'BraTS20_Training_003_t1.nii.gz: '
like "a file that is no image names the file" "$(reason 4)" 'BraTS20_Training_004_seg.nii.gz: '
like "another grid names the file and both sizes" "$(reason 5)" 't1ce.*(40|48)'
like "the good case is there" "$(record 6)" '"status":"ok"'

exits "--strict stops at the first" 3 step ingest --strict
like "and says so" "$(cat "$ERR")" 'ingest: error: BraTS20_Training_00[1-5]: .*--strict'
ok "without a ledger" test ! -e "$ledger"

# Repaired, the same command finishes the work.
run sm phantom --manifest "$M" --out "$T/fresh"
step ingest >"$OUT" 2>"$ERR"
for n in 1 2 3 4 5; do
	rm -rf "$(case_dir $n)"
	cp -r "$T/fresh/BraTS20_Training_00$n" "$(case_dir $n)"
done
exits "index of the repaired tree" 0 step index --resume
exits "ingest of the repaired tree" 0 step ingest --resume
like "keeps what was good" "$(cat "$ERR")" '6 good, 0 rejected, 1 reused'

# Nothing good at all: the stage as a whole had bad input.
RAW=$T/empty
W=$T/empty_work
mkdir "$RAW"
run step index
run step ingest
ok "an empty tree is not good" test "$CODE" -ne 0
ok "nor an internal error" test "$CODE" -ne 5
like "and is told" "$(cat "$ERR")" '^ingest: error: '

# A DICOM folder with two series.
RAW=$T/two
W=$T/two_work
run sm phantom --out "$RAW" --kind ct_head --cases 1 --size 64,64,9 --spacing 3,3,5 --defect two_series
M=$T/dicom.yaml
printf 'schema: 1\nname: ct\ningest: {layout: dicom}\n' >"$M"
exits "index of a folder with two series" 0 step index
exits "ingest keeps them apart" 0 step ingest
is "as two volumes" "$(find "$W/ingest" -name 'image.nii.gz' | wc -l | tr -d ' ')" 2
if has_python nibabel; then
	# shellcheck disable=SC2046 # names without blanks
	shapes=$("$PYTHON" -c "import nibabel, sys
print(sorted(nibabel.load(f).shape for f in sys.argv[1:]))" $(find "$W/ingest" -name 'image.nii.gz'))
	is "of 9 and 5 slices" "$shapes" "[(64, 64, 5), (64, 64, 9)]"
fi
unlike "no name or number of a person in the outputs" \
	"$(cat "$W"/*/ledger.jsonl "$W"/ingest/*/*.json)" 'Phantom|PHANTOM|CT_001|IM0'

# The other defects of a series: each rejected (or taken) with its own word.
defect() {
	RAW=$T/$1
	W=$T/$1_work
	run sm phantom --out "$RAW" --kind ct_head --cases 1 --size 64,64,9 --spacing 3,3,5 --defect "$1"
	run step index
	run step ingest
	is "a series with $1: exit code" "$CODE" "$2"
	like "a series with $1: is told" "$(cat "$ERR" "$W/ingest/ledger.jsonl" 2>/dev/null)" "$3"
}
defect gap 3 'gap|uneven|missing'
defect duplicate 3 'duplicate|twice|same position'
defect uneven 3 'uneven|spac|gap'
defect tilt 3 'tilt'

# A misspelt key stops every stage before it touches anything.
M=$T/misspelt.yaml
printf 'schema: 1\nname: x\ntile:\n  per_cas: 3\n' >"$M"
W=$T/never
for stage in $ROAD_STAGES phantom; do
	if [ "$stage" = phantom ]; then
		exits "$stage with a misspelt key" 2 sm phantom --manifest "$M" --out "$T/never"
	else
		exits "$stage with a misspelt key" 2 sm "$stage" --manifest "$M" --in "$RAW" --out "$T/never"
	fi
	like "$stage names line and key" "$(cat "$ERR")" "misspelt.yaml:4: unknown key 'per_cas' .did you mean 'per_case'"
	ok "$stage makes nothing" test ! -e "$T/never"
done
done_testing
