#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Image scores of a 512x512x100 float32 volume against scikit-image (slices on as many threads) and torchmetrics. Prints
# wall and processor seconds, least of RUNS, how many times faster ours is, and the values. PYTHON needs nibabel, scipy
# and whichever of scikit-image, torchmetrics is to be compared. Usage: bench/image_scores.sh [THREADS] [RUNS] [X Y Z]
set -eu
THREADS=${1:-2}
RUNS=${2:-2}
[ $# -lt 2 ] || shift 2
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
PYTHON=${PYTHON:-/usr/bin/python3}
PEERS=${PEERS:-skimage torchmetrics}
[ -n "${SM_BIN:-}" ] || make -s -C "$ROOT" build/release/bin/bench_image_scores
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
RANGE=4000
export OMP_NUM_THREADS="$THREADS"

"$PYTHON" "$ROOT/bench/image_scores_peers.py" make "$T/test.nii" "$T/truth.nii" "$@"
{
	"$BIN/bench_image_scores" "$T/test.nii" "$T/truth.nii" "$RANGE" "$THREADS" "$RUNS"
	for P in $PEERS; do
		"$PYTHON" "$ROOT/bench/image_scores_peers.py" "$P" "$T/test.nii" "$T/truth.nii" "$RANGE" "$THREADS" "$RUNS"
	done
} > "$T/times"
awk -v threads="$THREADS" '
	$2 == "missing" { print; next }
	{ key = $1 " " $2; value[key] = $5
	  if (!(key in wall) || $3 < wall[key]) wall[key] = $3
	  if (!(key in cpu) || $4 < cpu[key]) cpu[key] = $4
	  if (!(key in seen)) { order[++n] = key; seen[key] } }
	END { printf "%-13s %-10s %9s %9s %12s %8s  %-16s (%d threads)\n", "", "score", "wall s", "cpu s", "ours faster", "by cpu", "value", threads
	  for (i = 1; i <= n; i++) { k = order[i]; split(k, p, " "); o = "scanmill " p[2]
	    printf "%-13s %-10s %9.3f %9.3f %11.1fx %7.1fx  %s\n", p[1], p[2], wall[k], cpu[k], wall[k] / wall[o], cpu[k] / cpu[o], value[k] } }' "$T/times"
