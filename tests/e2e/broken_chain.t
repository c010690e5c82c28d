#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What stands between two stages may be damaged, missing, or another stage's: each stage says so, and
# names the file and the stage to run again.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"

make_raw
for stage in $ROAD_STAGES; do
	exits "$stage" 0 step "$stage"
done
REFERENCE=$W

# parent STAGE: the stage whose folder is its --in.
parent() {
	case $1 in
	preprocess | slice) echo ingest ;;
	split | tile | pair) echo preprocess ;;
	train) echo tile ;;
	predict) echo preprocess ;;
	evaluate) echo predict ;;
	report) echo evaluate ;;
	esac
}

# fresh STAGE: a work folder with a copy of the stage's parent and links to the rest.
fresh() {
	W=$T/chain
	rm -rf "$W"
	mkdir "$W"
	for other in $ROAD_STAGES; do
		[ "$other" = "$1" ] || [ ! -d "$REFERENCE/$other" ] || ln -s "$REFERENCE/$other" "$W/$other"
	done
	rm "$W/$(parent "$1")"
	cp -r "$REFERENCE/$(parent "$1")" "$W/$(parent "$1")"
}

for stage in preprocess split tile slice pair train predict evaluate report; do
	before=$(parent "$stage")

	fresh "$stage"
	rm "$W/$before/ledger.jsonl"
	exits "$stage: no ledger of $before" 3 step "$stage"
	like "$stage says that $before has not finished" "$(cat "$ERR")" \
		"^$stage: error: .*/$before/ledger.jsonl: does not exist: .* finished there"
	ok "$stage writes no ledger" test ! -e "$W/$stage/ledger.jsonl"

	fresh "$stage"
	printf 'x' >>"$W/$before/ledger.jsonl"
	exits "$stage: a damaged ledger of $before" 3 step "$stage"
	like "$stage names its line" "$(cat "$ERR")" "ledger.jsonl: line [0-9]+: "

	fresh "$stage"
	rm -rf "${W:?}/$before"
	cp -r "$REFERENCE/index" "$W/$before"
	exits "$stage: the folder of another stage" 3 step "$stage"
	like "$stage names both" "$(cat "$ERR")" "stage 'index', (needed|allowed)"

	# One changed byte of content in the first output that the stage reads. split reads ledgers only.
	[ "$stage" != split ] || continue
	fresh "$stage"
	case $stage in
	train) name=$(cd "$W/$before" && find . -name '*.h5' | sort | head -n 1) ;;
	report) continue ;;
	*) name=$(cd "$W/$before" && find . -name '*.nii.gz' ! -name 'mask*' | sort | head -n 1) ;;
	esac
	flip "$W/$before/$name" $(($(size "$W/$before/$name") / 2))
	run step "$stage"
	ok "$stage: a damaged $name is not taken (exit code $CODE)" test "$CODE" -eq 1 -o "$CODE" -eq 3
	like "$stage names the file" "$(cat "$ERR")" "$(basename "$name")"

	# The same, well formed, but other content than the ledger says.
	case $name in
	*.nii.gz)
		fresh "$stage"
		gzip -dc "$W/$before/$name" >"$T/plain"
		flip "$T/plain" $(($(size "$T/plain") / 2))
		gzip -nc "$T/plain" >"$W/$before/$name"
		run step "$stage"
		ok "$stage: a changed $name is not taken (exit code $CODE)" \
			test "$CODE" -eq 1 -o "$CODE" -eq 3
		like "$stage names the file and the stage to run again" "$(cat "$ERR")" \
			"$(basename "$name").*$before"
		;;
	esac

	fresh "$stage"
	rm "$W/$before/$name"
	run step "$stage"
	ok "$stage: a missing $name is told (exit code $CODE)" test "$CODE" -ge 1 -a "$CODE" -le 4
	like "$stage names the missing file" "$(cat "$ERR")" "$(basename "$name")"
done
done_testing
