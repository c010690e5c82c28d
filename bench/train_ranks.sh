#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two ranks of one thread (MPI) against one process of two threads on the same training: epochs of basic_unet3d on
# tiles of a phantom, in turn. Prints samples a second and processor seconds of each, and the ratio of medians
# and of the best (the least disturbed by what else runs).
#   bench/train_ranks.sh [REPEATS]       needs make MPI=1 and mpirun
set -eu
repeats=${1:-3}
root=$(cd "$(dirname "$0")/.." && pwd)
bin=${SM_BIN:-$root/build/release/bin}
if [ ! -x "$bin/scanmill-train-mpi" ] || ! command -v mpirun >/dev/null; then
	echo "left out: needs make MPI=1 and mpirun"
	exit 0
fi
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cat >"$T/m.yaml" <<'END'
schema: 1
name: ranks
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 50, test: 25, valid: 25}
tile: {size: [96, 96, 16], per_case: 4, max_background: 1.01}
train: {model: basic_unet3d, loss: dice_ce, batch: 4, micro_batch: 2, steps_per_epoch: 6, valid_tiles: 2, epochs: 1}
END
{
	"$bin/scanmill-phantom" --cases 4 --size 112,112,32 --empty-et 0 --out "$T/raw"
	"$bin/scanmill-ingest" --in "$T/raw" --out "$T/ingest"
	"$bin/scanmill-preprocess" --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/preprocess"
	"$bin/scanmill-split" --manifest "$T/m.yaml" --in "$T/preprocess" --out "$T/split"
	"$bin/scanmill-tile" --manifest "$T/m.yaml" --in "$T/preprocess" --out "$T/tile"
} >/dev/null 2>&1
# one NAME COMMAND...: a line "NAME samples/s cpu-seconds".
one() {
	name=$1
	shift
	rm -rf "$T/out"
	/usr/bin/env time -f 'CPU %U %S' "$@" --manifest "$T/m.yaml" --in "$T/tile" --split "$T/split" --out "$T/out" 2>"$T/log"
	awk -v name="$name" '/samples\/s/ {split($0, a, "; "); v = a[2] + 0} /^CPU/ {c = $2 + $3} END {print name, v, c}' "$T/log"
}
i=0
while [ $i -lt "$repeats" ]; do
	one threads "$bin/scanmill-train" --jobs 2
	one ranks mpirun -n 2 --oversubscribe --allow-run-as-root --bind-to none "$bin/scanmill-train" --jobs 1
	i=$((i + 1))
done | tee "$T/rows"
# of NAME COLUMN RANK: the RANKth of the values from below; half = the median.
of() {
	awk -v name="$1" -v col="$2" '$1 == name {print $col}' "$T/rows" | sort -n |
		awk -v k="$3" '{v[NR] = $1} END {print v[k == "half" ? int((NR + 1) / 2) : NR]}'
}
echo "processor seconds, median: threads $(of threads 3 half), ranks $(of ranks 3 half)"
for k in half best; do
	echo "samples/s, $k: $(of threads 2 $k) $(of ranks 2 $k)" | awk '{printf "%s %s threads %s, ranks %s: %.3f of the speed\n", $1, $2, $3, $4, $4 / $3}'
done
