#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tiling one 240x240x155 BraTS case from 4 .nii.gz + label into 25 tiles of 160x160x16: seconds and peak
# memory of `scanmill tile` straight from the ingested files, and of preprocess and tile one after the other.
# The real case of $SM_SHARED_DATA when it is there, a phantom otherwise. Usage: bench/tile.sh [JOBS] [RUNS]
set -eu
JOBS=${1:-2}
RUNS=${2:-3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}/brats_tcga_fg_6692
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT

# Tiles are centred on the tumour: the original's background rule has no 25 windows in a small one.
cat >"$T/m.yaml" <<'END'
schema: 1
name: bench
END
if [ -d "$DATA" ]; then
	cat >>"$T/m.yaml" <<'END'
ingest:
  layout: files
  sources:
    - {role: flair, pattern: "brats_space/{case}_fla.nii.gz"}
    - {role: t1, pattern: "brats_space/{case}_t1.nii.gz"}
    - {role: t1ce, pattern: "brats_space/{case}_t1c.nii.gz"}
    - {role: t2, pattern: "brats_space/{case}_t2.nii.gz"}
    - {role: seg, pattern: "segmentations/fusion_mav.nii.gz", label: true}
END
	RAW=$DATA
	echo "case: a real one, TCGA-FG-6692"
else
	"$BIN/scanmill-phantom" --cases 1 --size 240,240,155 --out "$T/raw" --log error >/dev/null
	RAW=$T/raw
	echo "case: a phantom"
fi
cat >>"$T/m.yaml" <<'END'
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
tile: {tumour_share: 1}
END
"$BIN/scanmill-ingest" --manifest "$T/m.yaml" --in "$RAW" --out "$T/ingest" --jobs "$JOBS" --log error

# measure NAME COMMAND...: wall and processor seconds, peak memory.
measure() {
	name=$1
	shift
	/usr/bin/time -f "%e %U %M" -o "$T/time" "$@" --manifest "$T/m.yaml" --jobs "$JOBS" --log error
	awk -v name="$name" '{ printf "%-28s %6.2f s wall %6.2f s cpu %7.0f MiB\n", name, $1, $2, $3 / 1024 }' "$T/time"
}

i=0
while [ "$i" -lt "$RUNS" ]; do
	rm -rf "$T/direct" "$T/pre" "$T/tile"
	measure "tile (from ingest)" "$BIN/scanmill-tile" --in "$T/ingest" --out "$T/direct"
	measure "preprocess" "$BIN/scanmill-preprocess" --in "$T/ingest" --out "$T/pre"
	measure "tile (from preprocess)" "$BIN/scanmill-tile" --in "$T/pre" --out "$T/tile"
	i=$((i + 1))
done
cmp "$T"/direct/*.h5 "$T"/tile/*.h5 && echo "both ways give the same bytes"
