#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same manifest on one thread and on two gives the same bytes in every stage, network included.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"
needs verify

make_raw
for jobs in 1 2; do
	W=$T/work$jobs
	for stage in $ROAD_STAGES; do
		exits "$stage on $jobs thread(s)" 0 step "$stage" --jobs $jobs
	done
done
for stage in $ROAD_STAGES; do
	same_tree "$stage: the same bytes" "$T/work1/$stage" "$T/work2/$stage"
done

exits "verify" 0 sm verify "$T/work1"
cp "$OUT" "$T/good.txt"
is "has a line for each stage" "$(wc -l <"$T/good.txt" | tr -d ' ')" \
	"$(find "$T/work1" -name ledger.jsonl | wc -l | tr -d ' ')"
shard=$(find "$T/work1/tile" -name '*.h5' | sort | head -n 1)
flip "$shard" $(($(size "$shard") / 2))
exits "verify after one changed byte of a shard" 3 sm verify "$T/work1"
like "names the file" "$(cat "$OUT")" "tile: $(basename "$shard"): "

# Nothing of the place or time of the run is in an output.
unlike "no place of this machine in a ledger" "$(cat "$T"/work2/*/ledger.jsonl)" "$T|$(hostname)"
mkdir "$T/elsewhere"
mv "$T/work2" "$T/elsewhere/w"
mv "$RAW" "$T/elsewhere/r"
RAW=$T/elsewhere/r
W=$T/elsewhere/w
exits "the stages stay good in another place" 0 sm verify "$W"
exits "and are kept on --resume" 0 step ingest --resume
like "all of them" "$(cat "$ERR")" '6 reused from an earlier run'
done_testing
