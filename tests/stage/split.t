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
# ---- k folds, lists, cases left out, strata ---------------------------------------------------
sm_yaml() {
	printf 'schema: 1\nname: s\nsplit: {%s}\n' "$1" >"$T/m.yaml"
}
sm_yaml "folds: 5, fold: 2"
exits "five folds" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/k2"
is "are of equal size" "$(sed -n 's/.*"fold_index":\([0-9]\).*"patient":"\([^"]*\)".*/\1 \2/p' "$T/k2/ledger.jsonl" | sort -u | cut -d ' ' -f 1 | uniq -c | tr -s ' \n' ' ')" " 11 0 10 1 10 2 10 3 10 4 "
sm_yaml "folds: 5, fold: 4"
exits "another fold tests" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/k4"
indices() {
	sed -n 's/.*"fold_index":\([0-9]\).*"key":"\([^"]*\)".*/\2 \1/p' "$1/ledger.jsonl"
}
is "of the same folds" "$(indices "$T/k2")" "$(indices "$T/k4")"
isnt "with other roles" "$(fold "$T/k2")" "$(fold "$T/k4")"
sm_yaml "folds: 5, fold: 5"
exits "a fold that is none" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is named" "$(cat "$ERR")" 'folds and fold: found 5 and 5, allowed are'

# ---- a fixed test list beside k folds
sm_yaml "folds: 5, fold: 2, test_cases: [p60, case_101, p77]"
exits "a test list beside folds" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/held"
is "holds the cases named" "$(fold "$T/held" | grep ' test$' | tr '\n' ' ')" \
	"case_101 test case_120 test case_121 test case_154 test case_155 test "
is "and is counted" "$(sed -n '2,4p' "$OUT" | tr '\n\t' '  ')" "train 38 75 test 3 5 valid 10 20 "
unlike "in none of the folds" "$(indices "$T/held")" 'case_(101|12[01]|15[45]) '
is "the rest is dealt evenly" "$(sed -n 's/.*"fold_index":\([0-9]\).*"patient":"\([^"]*\)".*/\1 \2/p' "$T/held/ledger.jsonl" | sort -u | cut -d ' ' -f 1 | uniq -c | tr -s ' \n' ' ')" " 10 0 10 1 10 2 9 3 9 4 "
is "fold 2 validates" "$(sed -n '/"fold":"valid"/s/.*"fold_index":\([0-9]\).*/\1/p' "$T/held/ledger.jsonl" | sort -u)" 2
exits "--check takes it" 0 sm split --check "$T/held"
sed '/"key":"case_120"/s/"fold":"test"/"fold":"train","fold_index":0/' "$T/held/ledger.jsonl" >"$T/moved/ledger.jsonl"
exits "and finds a patient on both sides" 3 sm split --check "$T/moved"
like "by name" "$(cat "$ERR")" 'patient p60 stands in two folds: case case_120 in fold 0 \(train\) and case case_121 in test'
sed '/"key":"case_200"/s/"patient":"p100"/"patient":"p99"/; /"key":"case_19[89]"/s/"fold_index":./"fold_index":0/; /"key":"case_19[89]"/s/"fold":"[a-z]*"/"fold":"train"/; /"key":"case_200"/{s/"fold_index":./"fold_index":1/;s/"fold":"[a-z]*"/"fold":"train"/;}' \
	"$T/held/ledger.jsonl" >"$T/moved/ledger.jsonl"
exits "one in two folds that both train" 3 sm split --check "$T/moved"
like "is told by number" "$(cat "$ERR")" 'patient p99 stands in two folds: case case_199 in fold 0 \(train\) and case case_200 in fold 1 \(train\)'
sm_yaml "folds: 5, test_cases: [case_120]"
exits "half a patient" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is told" "$(cat "$ERR")" "split.test_cases: case case_120 of patient p60 is named, but not the patient's case case_121: name all cases"
sm_yaml "folds: 5, test_cases: [case_120], leave_out: [case_121]"
exits "its other half left out" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/half"
sm_yaml "folds: 5, test_cases: [case_120, case_121, case_101], leave_out: [case_121]"
exits "a case in both lists" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is told" "$(cat "$ERR")" 'split.test_cases: case_121 is named in leave_out, too'
sm_yaml "folds: 5, test_cases: [p60], leave_out: [case_120, case_121]"
exits "a patient of whom nothing is left" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is told" "$(cat "$ERR")" 'split.test_cases: p60 is named in leave_out, too'
sm_yaml "folds: 5, test_cases: [p60], leave_out: [case_121]"
exits "a patient without one case" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/part"
is "tests with the other" "$(fold "$T/part" | grep ' test$' | tr '\n' ' ')" "case_120 test "
sm_yaml "folds: 5, test_cases: [nobody]"
exits "a stranger" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is told" "$(cat "$ERR")" 'split.test_cases: nobody is no case and no patient here'
sm_yaml "folds: 5, test_cases: [p60, case_121]"
exits "a case named twice" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is told" "$(cat "$ERR")" 'split.test_cases: case_121 names case case_121, which is named before'
sm_yaml "test_cases: [p60]"
exits "a test list beside shares" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "is refused" "$(cat "$ERR")" 'split: test_cases: found 1 names without folds'
sm_yaml "folds: 2"
exits "an image in two folds that train" 3 sm split --manifest "$T/m.yaml" --in "$T/twin" --out "$T/x"
sm_yaml "folds: 5, near_duplicates: off"
exits "or in two of five" 3 sm split --manifest "$T/m.yaml" --in "$T/twin" --out "$T/x"
like "is told by number" "$(cat "$ERR")" 'in fold [0-4] \([a-z]*\) and case case_[0-9]* in fold [0-4]'

ledger "$T/six" preprocess
for i in 1 2 3 4 5 6; do
	case_ "case_$i" "p$i" "hash_$i"
done >>"$T/six/ledger.jsonl"
sm_yaml "lists: {train: [p1, p2, p3], test: [p5], valid: [p4]}, leave_out: [case_6, case_9]"
exits "fixed lists" 0 sm split --manifest "$T/m.yaml" --in "$T/six" --out "$T/lists"
is "are kept, and what is left out is recorded" "$(fold "$T/lists" | tr '\n' ' ')" \
	"case_1 train case_2 train case_3 train case_4 valid case_5 test case_6 none "
like "and counted" "$(cat "$OUT")" 'none \(left out\)	-	1'
like "a key that is nobody's is told" "$(cat "$ERR")" 'leave_out: case_9 is no case'
exits "--check knows cases left out" 0 sm split --check "$T/lists"
sm_yaml "lists: {train: [p1, p2, p3, p5, p6], test: [p5], valid: [p4]}"
exits "a patient in two lists" 3 sm split --manifest "$T/m.yaml" --in "$T/six" --out "$T/x"
like "is named" "$(cat "$ERR")" 'patient p5 stands in train and again in test, allowed is once'
sm_yaml "lists: {train: [p1, p2, p3], test: [p5], valid: [p4]}"
exits "a patient in no list" 3 sm split --manifest "$T/m.yaml" --in "$T/six" --out "$T/x"
like "is named" "$(cat "$ERR")" 'patient p6 stands in none of train, test and valid'
sm_yaml "lists: {train: [p1, p2, p3, p6], test: [p5, p7], valid: [p4]}"
exits "a patient that is nobody" 3 sm split --manifest "$T/m.yaml" --in "$T/six" --out "$T/x"
like "is named" "$(cat "$ERR")" 'split.lists.test: patient p7 is in no case'

# Who was rejected before is known; only a stranger is an error.
cp -r "$T/six" "$T/seven"
printf '{"key":"case_7","outputs":[],"patient":"p7","reason":"case_7: damaged","status":"rejected"}\n' >>"$T/seven/ledger.jsonl"
sm_yaml "lists: {train: [p1, p2, p3, p6], test: [p7], valid: [p4, p5]}"
exits "a patient whose cases were rejected" 0 sm split --manifest "$T/m.yaml" --in "$T/seven" --out "$T/seven_out"
like "is warned of" "$(cat "$ERR")" 'warning: split.lists.test: all cases of patient p7 were rejected before'
like "and so is the fold without any" "$(cat "$ERR")" 'warning: fold test has no patient left'
sm_yaml "folds: 2, test_cases: [case_7, p1]"
exits "one of a test list that was rejected" 0 sm split --manifest "$T/m.yaml" --in "$T/seven" --out "$T/gone"
like "is warned of" "$(cat "$ERR")" 'warning: split.test_cases: case_7 was rejected before'
sm_yaml "folds: 2, test_cases: [p7]"
exits "a test list all of which was" 0 sm split --manifest "$T/m.yaml" --in "$T/seven" --out "$T/gone"
like "too" "$(cat "$ERR")" 'warning: fold test has no case left'
sm_yaml "lists: {train: [p1, p2, p3, p6], test: [p7], valid: [p4, p5]}"
like "the header names him" "$(head -n 1 "$T/seven_out/ledger.jsonl")" '"rejected_before":\[\{"key":"case_7","patient":"p7"\}\]'
sed '1s/"schema"/"rejected_before":[{"key":"case_7","patient":"p7"}],"schema"/' "$T/six/ledger.jsonl" >"$T/seven/ledger.jsonl"
exits "also two stages before" 0 sm split --manifest "$T/m.yaml" --in "$T/seven" --out "$T/seven_out"

{
	printf 'patient,"grade, WHO",age\r\n'
	for i in $(seq 50 100); do
		printf 'p%d,"%s",%d\r\n' "$i" "$([ $((i % 3)) -eq 0 ] && echo 'high ""4""' || echo low)" "$i"
	done
} >"$T/table.csv"
sm_yaml 'stratify: "grade, WHO"'
exits "strata" 0 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/strata" --table "$T/table.csv"
is "have exact shares in all" "$(sed -n '2,4p' "$OUT" | cut -f 1,2 | tr '\n\t' '  ')" "train 35 test 7 valid 9 "
like "and in each, as the table tells" "$(cat "$OUT")" 'high "4"	2[24]	[46]	6'
is "the table's hash stands in the ledger" "$(sed -n '1s/.*"table_sha256":"\([0-9a-f]*\)".*/\1/p' "$T/strata/ledger.jsonl")" "$(sha256sum <"$T/table.csv" | cut -d ' ' -f 1)"
exits "strata without a table" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
exits "a table without strata" 2 sm split --in "$T/in" --out "$T/x" --table "$T/table.csv"
grep -v '^p77,' "$T/table.csv" >"$T/less.csv"
exits "a patient without a row" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x" --table "$T/less.csv"
like "is named" "$(cat "$ERR")" "less.csv: has no row for patient 'p77'"
sed 's/^p77,.*/p77,"low,7/' "$T/table.csv" >"$T/bad.csv"
exits "a quote left open" 3 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x" --table "$T/bad.csv"
like "is named with its row" "$(cat "$ERR")" 'bad.csv: row 29 is no CSV'
sm_yaml "stratify: sex"
exits "a column that is none" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x" --table "$T/table.csv"
like "is named" "$(cat "$ERR")" "table.csv: has no column 'sex'"

# ---- look-alike images: the same anatomy with other noise -------------------------------------
needs phantom ingest
run sm phantom --cases 3 --size 48,48,24 --out "$T/raw"
run sm phantom --cases 1 --size 48,48,24 --noise 0.05 --out "$T/raw2"
mv "$T/raw2/BraTS20_Training_001" "$T/raw/BraTS20_Training_009"
for f in "$T"/raw/BraTS20_Training_009/*; do
	mv "$f" "$(echo "$f" | sed 's/_001_/_009_/')"
done
run sm ingest --in "$T/raw" --out "$T/ingest"
sm_yaml "near_duplicates: refuse, train: 1, test: 1, valid: 0, seed: 1"
s=1
while [ "$s" -lt 20 ]; do # a seed that parts the two
	run sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/near" --seed $s
	[ "$CODE" -eq 0 ] || break
	s=$((s + 1))
done
is "look-alike images in two folds are refused" "$CODE" 3
like "and named" "$(cat "$ERR")" 'look-alike images \((flair|t1|t1ce|t2), 0\.[01][0-9]+ of the bits differ\) stand in two folds: case BraTS20_Training_001 in (train|test) and case BraTS20_Training_009'
sm_yaml "near_duplicates: warn, train: 1, test: 1, valid: 0"
exits "or lead to a warning" 0 sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/warn" --seed $s
like "of the two" "$(cat "$ERR")" 'warning: cases BraTS20_Training_001 and BraTS20_Training_009 look alike'
like "one pair stands in the header" "$(head -n 1 "$T/warn/ledger.jsonl")" '"near_duplicates":\[\{"a":"BraTS20_Training_001","b":"BraTS20_Training_009","distance":0.[0-9]*,"flip":0,"role":"[a-z0-9]*"\}\]'
sm_yaml "near_duplicates: join, train: 1, test: 1, valid: 0"
exits "or are kept together" 0 sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/join" --seed $s --jobs 1
is "in one fold" "$(fold "$T/join" | grep -E '_00[19] ' | cut -d ' ' -f 2 | uniq | wc -l | tr -d ' ')" 1
exits "on two threads" 0 sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/join2" --seed $s --jobs 2
same_tree "with the same bytes" "$T/join" "$T/join2"
exits "--check compares the hashes" 0 sm split --check "$T/join"
# Many copies are one group, not all their pairs.
for k in 010 011 012; do
	cp -r "$T/raw/BraTS20_Training_009" "$T/raw/BraTS20_Training_$k"
	for f in "$T/raw/BraTS20_Training_$k"/*; do
		mv "$f" "$(echo "$f" | sed "s/_009_/_${k}_/")"
	done
done
run sm ingest --in "$T/raw" --out "$T/copies"
sm_yaml "near_duplicates: warn, train: 1, test: 0, valid: 0"
exits "copies" 0 sm split --manifest "$T/m.yaml" --in "$T/copies" --out "$T/group"
is "are one warning" "$(grep -c 'warning: .*look alike' "$ERR")" 1
like "of a group" "$(cat "$ERR")" 'warning: 5 cases look alike, BraTS20_Training_001 and others, in 10 pairs; the nearest are BraTS20_Training_009 and BraTS20_Training_010: '
like "which the header lists once" "$(head -n 1 "$T/group/ledger.jsonl")" '"near_duplicates":\[\{"a":"BraTS20_Training_009","b":"BraTS20_Training_010","cases":\["BraTS20_Training_001","BraTS20_Training_009","BraTS20_Training_010","BraTS20_Training_011","BraTS20_Training_012"\],"distance":0.0,"flip":0,"pairs":10,'
sm_yaml "near_duplicates: join, folds: 4"
exits "more folds than groups" 3 sm split --manifest "$T/m.yaml" --in "$T/copies" --out "$T/x"
like "are told" "$(cat "$ERR")" 'found 4 folds, but the 7 patients make 3 groups that stay together'
sm_yaml "folds: 5, train: 80"
exits "shares beside folds" 2 sm split --manifest "$T/m.yaml" --in "$T/in" --out "$T/x"
like "do not count" "$(cat "$ERR")" 'split.train: is given, but counts only with no lists, no folds'
cp -r "$T/join" "$T/parted"
sed '/"key":"BraTS20_Training_009"/{s/"fold":"train"/"fold":"tset"/;s/"fold":"test"/"fold":"train"/;s/"tset"/"test"/}' "$T/join/ledger.jsonl" >"$T/parted/ledger.jsonl"
exits "and finds them in two folds" 3 sm split --check "$T/parted"
like "by name" "$(cat "$ERR")" 'look-alike images'
done_testing
