#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Does the cost grow linearly with the cases, and the memory not at all? Phantom cases of 24x24x16 with four modalities through
# all stages of a data set (the search for look-alikes alone has comparisons that grow with the square), the tools that read
# its ledgers, and the resumed runs of a finished folder ("again"). Prints two tables: milliseconds a case of wall and
# processor time, and peak memory. The disk counts: $TMPDIR says where.
# Usage: bench/dataset_scale.sh [JOBS] [CASES...], by default 10 to 1000 cases
set -eu
LC_ALL=C
export LC_ALL
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
tile: {size: [16, 16, 8], per_case: 4, max_background: 1.01, tumour_share: 0.5, standardise: none}
END

# measure ROW PROGRAM ARGS...: cases, row, wall s, user s, system s, peak KiB to $T/cells.
measure() {
	row=$1
	program=$BIN/scanmill-$2
	shift 2
	if ! /usr/bin/time -f "%e %U %S %M" -o "$T/time" "$program" "$@" --log error >/dev/null 2>"$T/err"; then
		echo "dataset_scale.sh: $row, $N cases: $(tail -n 1 "$T/err")" >&2
		exit 1
	fi
	echo "$N,$row,$(tail -n 1 "$T/time" | tr ' ' ',')" >>"$T/cells"
}
# stage ROW NAME ARGS...: a stage into its folder.
stage() {
	row=$1
	name=$2
	shift 2
	measure "$row" "$name" --manifest "$T/m.yaml" --out "$W/$name" --jobs "$JOBS" "$@"
}

from=$(date +%s)
load=$(cut -d ' ' -f 1 /proc/loadavg)
W=$T/work
for N; do
	rm -rf "$T/raw" "$W"
	"$BIN/scanmill-phantom" --cases "$N" --size 24,24,16 --out "$T/raw" --jobs "$JOBS" --log error >/dev/null
	stage index index --in "$T/raw"
	stage ingest ingest --in "$T/raw"
	stage preprocess preprocess --in "$W/ingest"
	stage split split --in "$W/preprocess"
	stage tile tile --in "$W/preprocess" --split "$W/split"
	stage slice slice --in "$W/preprocess" --split "$W/split"
	stage explore explore --in "$W/preprocess" --raw "$W/ingest" --split "$W/split" --data "$W/tile"
	measure verify verify --jobs "$JOBS" "$W"
	measure diff diff "$W" "$W"
	measure trace trace "$W" "tile/$(cd "$W/tile" && find . -name '*.h5' | sort | tail -n 1 | cut -c 3-)"
	stage "ingest again" ingest --in "$T/raw" --resume
	stage "preprocess again" preprocess --in "$W/ingest" --resume
	stage "tile again" tile --in "$W/preprocess" --split "$W/split" --resume
	stage "slice again" slice --in "$W/preprocess" --split "$W/split" --resume
done

# table TITLE EXPRESSION: a row a stage, a column a number of cases.
table() {
	echo
	echo "$1"
	echo
	awk -F, -v OFS=, "{ print \$1, \$2, $2 }" "$T/cells" | awk -F, '
		!($1 in n) { n[$1]; cases[++c] = $1 }
		!($2 in r) { r[$2]; rows[++k] = $2 }
		{ cell[$1, $2] = $3 }
		END {
			head = "| stage |"; rule = "|---|"
			for (i = 1; i <= c; i++) { head = head " " cases[i] (i == 1 ? " cases" : "") " |"; rule = rule "---|" }
			print head; print rule
			for (j = 1; j <= k; j++) {
				line = "| " rows[j] " |"
				for (i = 1; i <= c; i++) line = line " " cell[cases[i], rows[j]] " |"
				print line
			}
		}'
}
echo "$JOBS threads, load $load before the run, $(nproc) cores, $(($(date +%s) - from)) s in all"
table "Milliseconds a case: wall / processor" 'sprintf("%.1f / %.1f", 1000 * $3 / $1, 1000 * ($4 + $5) / $1)'
table "Peak MiB" 'sprintf("%.1f", $6 / 1024)'
