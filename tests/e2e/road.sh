# SPDX-License-Identifier: Apache-2.0
#
# The whole road on a tiny cohort, for the end-to-end tests. Source it after tests/lib.sh.
# $M = manifest, $RAW = raw tree, $W = work folder; a test may change them between steps.

M=$SM_ROOT/tests/e2e/tiny.yaml
RAW=$T/raw
W=$T/work

DATA_STAGES="index ingest preprocess split tile slice pair"
ROAD_STAGES="$DATA_STAGES train predict evaluate report"

# shellcheck disable=SC2086 # a list
needs phantom $ROAD_STAGES

# step STAGE OPTIONS...: one stage of the road from the folders below $W.
step() {
	step_stage=$1
	shift
	case $step_stage in
	index) set -- --in "$RAW" "$@" ;;
	ingest) set -- --in "$RAW" --index "$W/index" "$@" ;;
	preprocess | slice) set -- --in "$W/ingest" "$@" ;;
	split) set -- --in "$W/preprocess" "$@" ;;
	tile | pair) set -- --in "$W/preprocess" --split "$W/split" "$@" ;;
	train) set -- --in "$W/tile" --split "$W/split" "$@" ;;
	predict) set -- --in "$W/preprocess" --split "$W/split" --model "$W/train" "$@" ;;
	evaluate) set -- --in "$W/predict" --truth "$W/ingest" "$@" ;;
	report) set -- --in "$W/evaluate" --train "$W/train" --predict "$W/predict" \
		--truth "$W/ingest" "$@" ;;
	esac
	# With STEP_EXEC set the program takes the place of the shell, so that $! is its own id.
	${STEP_EXEC:+exec} "$SM_BIN/scanmill-$step_stage" --manifest "$M" --out "$W/$step_stage" "$@"
}

make_raw() {
	run sm phantom --manifest "$M" --out "$RAW"
	[ "$CODE" -eq 0 ] || fail_all "the phantom failed: $(cat "$ERR")"
}

# whole_or_absent NAME REFERENCE DIR: every file under a final name in DIR stands in REFERENCE with
# the same bytes; a ledger may only stand there when the run had finished.
whole_or_absent() {
	hashes "$2" >"$T/.reference"
	bad=$(hashes "$3" | grep -v '\.partial$' | grep -vxFf "$T/.reference")
	if [ -z "$bad" ]; then
		pass "$1"
	else
		fail "$1"
		diag "not whole: $bad"
	fi
}
