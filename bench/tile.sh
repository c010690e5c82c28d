#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tiling one 240x240x155 BraTS case from 4 .nii.gz + label into 25 tiles of 160x160x16: seconds and peak
# memory of `scanmill tile` straight from the ingested files, and of preprocess and tile one after the other:
# the median of RUNS runs and their range. Twice: the manifest's defaults (the background rule alone) on a phantom
# whose tumour is large enough for 25 such tiles, and tiles centred on the tumour on the real case of $SM_SHARED_DATA,
# whose tumour is not; without it on the phantom. Usage: bench/tile.sh [JOBS] [RUNS]
set -eu
JOBS=${1:-2}
RUNS=${2:-5}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}/brats_tcga_fg_6692
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT

# manifest NAME TILE: settings of $CASE in $T/NAME.yaml, TILE a line of them.
manifest() {
	cat >"$T/$1.yaml" <<'END'
schema: 1
name: bench
END
	if [ "$CASE" = real ]; then
		cat >>"$T/$1.yaml" <<'END'
ingest:
  layout: files
  sources:
    - {role: flair, pattern: "brats_space/{case}_fla.nii.gz"}
    - {role: t1, pattern: "brats_space/{case}_t1.nii.gz"}
    - {role: t1ce, pattern: "brats_space/{case}_t1c.nii.gz"}
    - {role: t2, pattern: "brats_space/{case}_t2.nii.gz"}
    - {role: seg, pattern: "segmentations/fusion_mav.nii.gz", label: true}
END
	fi
	cat >>"$T/$1.yaml" <<'END'
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
END
	echo "$2" >>"$T/$1.yaml"
}

# measure NAME COMMAND...: adds wall and processor seconds and peak KiB to $T/NAME.times.
measure() {
	name=$1
	shift
	/usr/bin/time -f "%e %U %M" -o "$T/time" "$@" --jobs "$JOBS" --log error
	cat "$T/time" >>"$T/$name.times"
}

# column NAME FIELD: median, least and most of one column.
column() {
	sort -n -k "$2,$2" "$T/$1.times" | awk -v f="$2" '{ v[NR] = $f }
		END { m = int((NR + 1) / 2); print (NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2), v[1], v[NR] }'
}

# summary NAME TEXT: one line of the table.
summary() {
	echo "$2;$(column "$1" 1) $(column "$1" 2) $(column "$1" 3)" | awk -F ';' '{ split($2, v, " ")
		printf "%-28s wall %5.2f s (%.2f to %.2f)  processor %5.2f s (%.2f to %.2f)  peak %4.0f MiB (%.0f to %.0f)\n",
			$1, v[1], v[2], v[3], v[4], v[5], v[6], v[7] / 1024, v[8] / 1024, v[9] / 1024 }'
}

# bench RAW TITLE: all ways with the settings in $T/m.yaml.
bench() {
	rm -rf "$T/ingest" "$T"/*.times
	"$BIN/scanmill-ingest" --manifest "$T/m.yaml" --in "$1" --out "$T/ingest" --jobs "$JOBS" --log error
	i=0
	while [ "$i" -lt "$RUNS" ]; do
		rm -rf "$T/direct" "$T/pre" "$T/tile"
		measure direct "$BIN/scanmill-tile" --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/direct"
		measure pre "$BIN/scanmill-preprocess" --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/pre"
		measure tile "$BIN/scanmill-tile" --manifest "$T/m.yaml" --in "$T/pre" --out "$T/tile"
		i=$((i + 1))
	done
	grep -q '"tiles":25,' "$T/direct/ledger.jsonl" || {
		echo "$2: the case does not give 25 tiles" >&2
		exit 1
	}
	cmp "$T"/direct/*.h5 "$T"/tile/*.h5
	echo "$2; median of $RUNS runs (range), $JOBS threads"
	summary direct "tile (from ingest)"
	summary pre "preprocess"
	summary tile "tile (from preprocess)"
	echo "both ways give the same bytes"
}

"$BIN/scanmill-phantom" --cases 1 --seed 1 --size 240,240,155 --out "$T/raw" --log error >/dev/null
CASE=phantom
manifest m ""
bench "$T/raw" "25 tiles by the background rule alone (the manifest's defaults), a phantom"
if [ -d "$DATA" ]; then
	CASE=real
	manifest m "tile: {tumour_share: 1}"
	bench "$DATA" "25 tiles centred on the tumour (tumour_share 1), the real case TCGA-FG-6692"
else
	manifest m "tile: {tumour_share: 1}"
	bench "$T/raw" "25 tiles centred on the tumour (tumour_share 1), the same phantom"
fi
