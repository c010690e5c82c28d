#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Dice, HD95, ASSD and NSD of WT, TC and ET of a real 240x240x155 case against MONAI, surface-distance, MedPy, scipy and
# SimpleITK (arrays in memory), and as whole commands against plastimatch and CMTK where installed (one pair of masks a
# call, files read); then masks that fill the grid. Least of RUNS by wall and by processor time.
# PYTHON needs nibabel, numpy and whichever peer is to be compared. Usage: bench/evaluate.sh [THREADS] [RUNS] [TRUTH PREDICTION]
set -eu
THREADS=${1:-2}
RUNS=${2:-5}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}/brats_tcga_fg_6692/segmentations
TRUTH=${3:-$DATA/fusion_mav.nii.gz}
PREDICTION=${4:-$DATA/isen-20.nii.gz}
BIN=${SM_BIN:-$ROOT/build/release/bin}
PYTHON=${PYTHON:-/usr/bin/python3}
PEERS=${PEERS-surface-distance scipy-cut monai monai-cut medpy-cut simpleitk}
SLOW=${SLOW-medpy}
FULL=${FULL-surface-distance scipy}
CMTK=${CMTK:-/usr/lib/cmtk/bin}
[ -n "${SM_BIN:-}" ] || make -s -C "$ROOT" build/release/bin/bench_evaluate build/release/bin/scanmill-evaluate
[ -f "$TRUTH" ] || { echo "$TRUTH is not there: nothing to measure"; exit 0; }
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
export OMP_NUM_THREADS="$THREADS"

table() {
	awk -v threads="$THREADS" '
		$2 == "missing" { print; next }
		$1 == "scanmill" { ours[$2] = $3; used[$2] = $4 }
		{ o = $2 in ours ? $2 : "surface"
		  printf "%-18s %-8s %10.1f ms %10.1f ms", $1, $2, $3, $4
		  if ($1 != "scanmill") printf "  ours faster %7.1fx %7.1fx", $3 / ours[o], $4 / used[o]; else printf "%30s", ""
		  for (i = 5; i <= NF; i++) printf " %s", $i
		  print "" }' "$1"
}

peers() { # TRUTH PREDICTION RUNS TOOL...
	t=$1 p=$2 r=$3
	shift 3
	for tool; do "$PYTHON" "$ROOT/bench/evaluate_peers.py" "$tool" "$t" "$p" "$THREADS" "$r"; done
}

# Wall milliseconds of a command, least of RUNS.
clock() {
	"$PYTHON" - "$RUNS" "$@" <<-'EOF'
		import subprocess, sys, time
		best = 1e9
		for _ in range(int(sys.argv[1])):
		    start = time.perf_counter()
		    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
		    best = min(best, time.perf_counter() - start)
		print("%.1f" % (best * 1e3))
	EOF
}

echo "== $(basename "$PREDICTION") against $(basename "$TRUTH"), $THREADS threads: wall, processor time; region Dice HD95 ASSD NSD"
{
	"$BIN/bench_evaluate" "$TRUTH" "$PREDICTION" "$THREADS" "$((RUNS * 20))"
	peers "$TRUTH" "$PREDICTION" "$RUNS" $PEERS
	peers "$TRUTH" "$PREDICTION" 1 $SLOW
} > "$T/times"
table "$T/times"

echo "== whole commands, files read, wall"
"$PYTHON" "$ROOT/bench/evaluate_peers.py" masks "$T" "$TRUTH" "$PREDICTION"
printf '%-40s %s ms\n' "scanmill evaluate, all three regions" \
	"$(clock "$BIN/scanmill-evaluate" --jobs "$THREADS" --pred "$PREDICTION" --truth "$TRUTH")"
if command -v plastimatch > /dev/null; then
	for r in wt tc et; do
		printf '%-40s %s ms\n' "plastimatch dice --all, $r" \
			"$(clock plastimatch dice --all "$T/truth-$r.nii.gz" "$T/prediction-$r.nii.gz")"
	done
fi
if [ -x "$CMTK/hausdorff" ]; then
	for r in wt tc et; do
		printf '%-40s %s ms\n' "CMTK hausdorff, $r" \
			"$(clock "$CMTK/hausdorff" "$T/truth-$r.nii.gz" "$T/prediction-$r.nii.gz")"
		printf '%-40s %s ms\n' "CMTK overlap, $r" \
			"$(clock "$CMTK/overlap" "$T/truth-$r.nii.gz" "$T/prediction-$r.nii.gz")"
	done
fi

"$PYTHON" "$ROOT/bench/evaluate_peers.py" fill "$T"
for pair in solid noise blobs; do
	echo "== masks that fill 240x240x155: $pair"
	{
		"$BIN/bench_evaluate" "$T/$pair-truth.nii" "$T/$pair-prediction.nii" "$THREADS" 3
		# Noise keeps them busy for minutes: millions of surface points, sorted in Python.
		[ "$pair" != solid ] || peers "$T/$pair-truth.nii" "$T/$pair-prediction.nii" 1 $FULL
	} > "$T/times"
	table "$T/times"
done
