#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Non-local means on 256x256x150 float32 (patches of 3x3x3): `denoise` against ANTs (antspyx), scikit-image (fast mode)
# and ITK (PatchBasedDenoising with 200 sampled patches, which has no search cube) on the same number of threads.
# Prints wall and processor seconds of each run, least of RUNS, and how many times faster ours is. PYTHON needs nibabel and
# whichever of antspyx, scikit-image, SimpleITK is to be compared. Usage: bench/nlm.sh [THREADS] [RUNS] [SEARCH...]
# PEERS="ants skimage itk" chooses (itk takes minutes: not by default).
set -eu
THREADS=${1:-2}
RUNS=${2:-2}
[ $# -lt 2 ] || shift 2
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
PYTHON=${PYTHON:-/usr/bin/python3}
PEERS=${PEERS:-ants skimage}
HEAD=${SM_SHARED_DATA:-$ROOT/../shared/data}/t1_head_nifti/colin27_ch2.nii.gz
[ -n "${SM_BIN:-}" ] || make -s -C "$ROOT" build/release/bin/bench_nlm
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
NOISE=5
H=7.0710678
export OMP_NUM_THREADS="$THREADS"

[ -f "$HEAD" ] && "$PYTHON" "$ROOT/bench/nlm_peers.py" make "$T/in.nii" "$HEAD" ||
	"$PYTHON" "$ROOT/bench/nlm_peers.py" make "$T/in.nii"
for S in ${*:-2 5}; do
	"$BIN/bench_nlm" "$T/in.nii" "$T/out.nii" "$THREADS" "$RUNS" "$H" "$S"
	for P in $PEERS; do
		"$PYTHON" "$ROOT/bench/nlm_peers.py" "$P" "$T/in.nii" "$S" "$THREADS" "$RUNS" "$H" "$NOISE"
	done
done | tee "$T/times"
awk -v threads="$THREADS" '
	$2 == "missing" { next }
	{ key = $1 " " $2
	  if (!(key in wall) || $3 < wall[key]) wall[key] = $3
	  if (!(key in cpu) || $4 < cpu[key]) cpu[key] = $4
	  if (!(key in seen)) { order[++n] = key; seen[key] } }
	END { printf "%-10s %6s %10s %10s %12s %12s   (%d threads)\n", "", "search", "wall s", "cpu s", "ours faster", "by cpu", threads
	  for (i = 1; i <= n; i++) { k = order[i]; split(k, p, " "); o = "scanmill " p[2]
	    printf "%-10s %6s %10.2f %10.2f %11.1fx %11.1fx\n", p[1], p[2], wall[k], cpu[k], wall[k] / wall[o], cpu[k] / cpu[o] } }' "$T/times"
