#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs split

# ledger DIR STAGE: starts a ledger by hand; case KEY PATIENT SHA: one record (in order of keys).
ledger() {
	mkdir -p "$1"
	printf '{"parents":{},"schema":1,"settings":{},"stage":"%s","version":1}\n' "$2" >"$1/ledger.jsonl"
}
case_() {
	printf '{"key":"%s","outputs":[{"path":"%s/image.nii.gz","role":"image","sha256":"%s"},%s],"patient":"%s","status":"ok"}\n' \
		"$1" "$1" "$3" "{\"path\":\"$1/label.nii.gz\",\"role\":\"label\",\"sha256\":\"empty\"}" "$2"
}
fold() {
	sed -n 's/.*"fold":"\([a-z]*\)".*"key":"\([^"]*\)".*/\2 \1/p' "$1/ledger.jsonl"
}

ledger "$T/in" preprocess
for i in $(seq 101 200); do
	case_ "case_$i" "p$((i / 2))" "hash_$i"
done >>"$T/in/ledger.jsonl"
exits "a hundred cases of 51 patients" 0 sm split --in "$T/in" --out "$T/one"
is "has exact shares" "$(cut -f 1,2 "$OUT" | tail -n 3 | tr '\n\t' '  ')" "train 35 test 7 valid 9 "
is "a fold for each case" "$(fold "$T/one" | wc -l | tr -d ' ')" 100
exits "again" 0 sm split --in "$T/in" --out "$T/two" --jobs 1
same_tree "is the same" "$T/one" "$T/two"
exits "another seed" 0 sm split --in "$T/in" --out "$T/seed" --seed 2
isnt "is another split" "$(fold "$T/one")" "$(fold "$T/seed")"
printf 'schema: 1\nname: s\nsplit: {train: 1, test: 0, valid: 1, seed: 2}\n' >"$T/m.yaml"
exits "shares of the manifest" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/half"
is "are kept" "$(cut -f 1,2 "$OUT" | tail -n 3 | tr '\n\t' '  ')" "train 26 test 0 valid 25 "
exits "--check finds nothing" 0 sm split --check "$T/one"
exits "--check writes nothing" 2 sm split --check "$T/one" --out "$T/x"

# case_101 and case_200 are alone with their patient
victim=$(fold "$T/one" | awk '$2 == "train" && $1 != "case_101" { print $1; exit }')
cp -r "$T/one" "$T/moved"
sed "/\"key\":\"$victim\"/s/\"fold\":\"train\"/\"fold\":\"test\"/" "$T/one/ledger.jsonl" >"$T/moved/ledger.jsonl"
exits "a patient in two folds" 3 sm split --check "$T/moved"
like "is named" "$(cat "$ERR")" "patient p[0-9]+ stands in two folds: case"

ledger "$T/twin" preprocess
for i in $(seq 101 140); do
	case_ "case_$i" "p$i" "hash_$((i / 2))"
done >>"$T/twin/ledger.jsonl"
exits "the same image of two patients" 3 sm split --in "$T/twin" --out "$T/twin_out"
like "is named" "$(cat "$ERR")" 'the same image .* stands in two folds: case case_[0-9]+ in [a-z]+ and case case_'
ok "and nothing is written" test ! -e "$T/twin_out/ledger.jsonl"

ledger "$T/none" preprocess
exits "no case at all" 3 sm split --in "$T/none" --out "$T/none_out"
like "says so" "$(cat "$ERR")" 'holds no good case'
ledger "$T/few" ingest
case_ case_1 p1 h1 >>"$T/few/ledger.jsonl"
exits "one patient" 0 sm split --in "$T/few" --out "$T/few_out"
like "warns about empty folds" "$(cat "$ERR")" 'fold valid has share 17 but no patient'
printf 'schema: 1\nname: s\nsplit: {train: 0, test: 0, valid: 0}\n' >"$T/m.yaml"
exits "shares that are all 0" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "are named" "$(cat "$ERR")" 'split: train, test and valid: found 0, at least one must be positive'
exits "another stage's folder" 3 sm split --in "$T/one" --out "$T/x"
like "is named" "$(cat "$ERR")" "of stage 'split', allowed are ingest and preprocess"
done_testing
