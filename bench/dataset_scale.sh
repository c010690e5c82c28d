#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Does the cost grow linearly with the cases, and the memory not at all? Phantom cases of 40x40x24 through ingest, preprocess,
# split (with the search for look-alikes, whose comparisons alone grow with the square), and tile: seconds, milliseconds a case and peak memory of each.
# Usage: bench/dataset_scale.sh [JOBS] [CASES...], by default 10 to 1000 cases
set -eu
JOBS=${1:-2}
[ $# -lt 1 ] || shift
[ $# -gt 0 ] || set -- 10 30 100 300 1000
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
cat >"$T/m.yaml" <<'END'
schema: 1
name: scale
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
    - normalise: {method: zscore, scope: nonzero}
split: {near_duplicates: warn}
tile: {size: [24, 24, 16], per_case: 4, max_background: 1.01, tumour_share: 0.5, standardise: none}
END

# stage NAME OPTIONS...: its wall seconds and peak KiB to $T/cells, wall, processor and memory.
stage() {
	name=$1
	shift
	/usr/bin/time -f "%e %U %S %M" -o "$T/time" "$BIN/scanmill-$name" "$@" --out "$T/$name" --jobs "$JOBS" --log error >/dev/null 2>&1
	tail -n 1 "$T/time" | awk -v n="$N" '{ printf " %.2f, %.2f, %.0f |", 1000 * $1 / n, 1000 * ($2 + $3) / n, $4 / 1024 }' >>"$T/cells"
}

echo "each: wall ms a case, processor ms a case, peak MiB; $JOBS threads, load $(cut -d ' ' -f 1 /proc/loadavg) on $(nproc) cores"
echo "| cases | ingest | preprocess | split | tile | all, s |"
echo "|---|---|---|---|---|---|"
for N; do
	rm -rf "$T"/raw "$T"/ingest "$T"/preprocess "$T"/split "$T"/tile "$T/cells"
	"$BIN/scanmill-phantom" --cases "$N" --size 40,40,24 --out "$T/raw" --jobs "$JOBS" --log error >/dev/null
	from=$(date +%s.%N)
	stage ingest --manifest "$T/m.yaml" --in "$T/raw"
	stage preprocess --manifest "$T/m.yaml" --in "$T/ingest"
	stage split --manifest "$T/m.yaml" --in "$T/preprocess"
	stage tile --manifest "$T/m.yaml" --in "$T/preprocess" --split "$T/split"
	echo "| $N |$(cat "$T/cells") $(date +%s.%N | awk -v a="$from" '{ printf "%.1f", $1 - a }') |"
done
