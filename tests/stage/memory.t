#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Memory is that of the cases at work: three times as many cases take next to no more, in any stage of a data set and any
# tool that looks at one.
. "$(dirname "$0")/../lib.sh"
needs phantom index ingest preprocess split tile explore verify diff trace

# What waits for the disk and what is sorted in memory has reached its bound at this many.
FEW=70
MANY=270
# What one case more may cost: 0 to 3 KB measured, and peaks waver by some pages. Kept parsed its records took 13 to 62 KB.
BYTES=8000
if ! [ -x /usr/bin/time ]; then
	skip "memory of few and many cases" "no /usr/bin/time"
	done_testing
	exit
fi
if ! prlimit --as=$((1 << 30)) "$SM_BIN/scanmill-verify" --help >/dev/null 2>&1; then
	skip "memory of few and many cases" "a build with memory of its own"
	done_testing
	exit
fi
cat >"$T/m.yaml" <<'END_YAML'
schema: 1
name: memory
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
    - normalise: {method: zscore, scope: nonzero}
split: {near_duplicates: warn}
tile: {size: [8, 8, 8], per_case: 2, max_background: 1.01, tumour_share: 0.5, standardise: none}
END_YAML

# peak NAME PROGRAM ARGS...: KiB to $T/NAME. One thread and one pool of memory: what is measured is the program's alone.
peak() {
	name=$1
	shift
	program=$SM_BIN/scanmill-$1
	shift
	MALLOC_ARENA_MAX=1 OMP_NUM_THREADS=1 /usr/bin/time -q -f %M -o "$T/kib" "$program" "$@" --jobs 1 --log error \
		>"$OUT" 2>"$ERR" || fail "$name: $(cat "$ERR")"
	tail -n 1 "$T/kib" >"$T/$name"
}

# all CASES: every stage and tool, peaks to $T/CASES-STAGE.
all() {
	n=$1
	w=$T/work$n
	run sm phantom --cases "$n" --size 16,16,8 --out "$T/raw$n" --jobs 2
	peak "$n-index" index --in "$T/raw$n" --out "$w/index"
	peak "$n-ingest" ingest --in "$T/raw$n" --index "$w/index" --out "$w/ingest"
	peak "$n-preprocess" preprocess --manifest "$T/m.yaml" --in "$w/ingest" --out "$w/preprocess"
	peak "$n-split" split --manifest "$T/m.yaml" --in "$w/preprocess" --out "$w/split"
	peak "$n-tile" tile --manifest "$T/m.yaml" --in "$w/preprocess" --split "$w/split" --out "$w/tile"
	peak "$n-explore" explore --manifest "$T/m.yaml" --in "$w/preprocess" --raw "$w/ingest" --split "$w/split" \
		--data "$w/tile" --out "$w/explore"
	peak "$n-verify" verify "$w"
	peak "$n-diff" diff "$w" "$w"
	peak "$n-trace" trace "$w" BraTS20_Training_007
	peak "$n-ingest-again" ingest --in "$T/raw$n" --index "$w/index" --out "$w/ingest" --resume
	peak "$n-preprocess-again" preprocess --manifest "$T/m.yaml" --in "$w/ingest" --out "$w/preprocess" --resume
	peak "$n-tile-again" tile --manifest "$T/m.yaml" --in "$w/preprocess" --split "$w/split" --out "$w/tile" --resume
}
all $FEW
all $MANY
for stage in index ingest preprocess split tile explore verify diff trace ingest-again preprocess-again tile-again; do
	few=$(cat "$T/$FEW-$stage")
	many=$(cat "$T/$MANY-$stage")
	diag "$stage: $few KiB for $FEW cases, $many KiB for $MANY"
	ok "$stage: a case more takes less than $BYTES bytes" test $(((many - few) * 1024 / (MANY - FEW))) -lt $BYTES
done
done_testing
