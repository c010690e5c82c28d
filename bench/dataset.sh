#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# From 4 .nii.gz and a label to 25 stored tiles of 160x160x16, one HDF5 file a tile: `scanmill tile` against the originals'
# way (bench/dataset_numpy.py: nibabel, numpy, h5py) on a phantom and on the real case of $SM_SHARED_DATA. Uncompressed, and
# gzip (ours level 1, theirs h5py's default level 4, without and with its shuffle filter). Rounds take turns; printed are the shortest wall
# clock and processor time and the peak memory, and how many times theirs is ours. Ours is hashed (inputs, tiles, files) and synced to the
# disk, theirs neither; on /dev/shm, where syncing costs nothing, the disk is left out of both. Then the gzip inflate of
# the NIfTI reader against libdeflate's own. Usage: bench/dataset.sh [JOBS] [ROUNDS] [FOLDER...], folders for the outputs
set -eu
JOBS=${1:-2}
ROUNDS=${2:-3}
[ $# -lt 2 ] || shift 2
[ $# -gt 0 ] || set -- "${TMPDIR:-/tmp}" /dev/shm
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
PYTHON=${PYTHON:-/usr/bin/python3}
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}/brats_tcga_fg_6692
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
OUTS=$T
trap 'rm -rf $OUTS' EXIT

# manifest REAL LEVEL: settings.
manifest() {
	cat <<'END'
schema: 1
name: bench
END
	[ "$1" != real ] || cat <<'END'
ingest:
  layout: files
  sources:
    - {role: flair, pattern: "brats_space/{case}_fla.nii.gz"}
    - {role: t1, pattern: "brats_space/{case}_t1.nii.gz"}
    - {role: t1ce, pattern: "brats_space/{case}_t1c.nii.gz"}
    - {role: t2, pattern: "brats_space/{case}_t2.nii.gz"}
    - {role: seg, pattern: "segmentations/fusion_mav.nii.gz", label: true}
END
	cat <<END
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
tile: {tumour_share: 1, layout: files, compression: $2}
END
}

# measure NAME COMMAND...: adds wall seconds, processor seconds and peak KiB to $T/NAME.times.
measure() {
	name=$1
	shift
	/usr/bin/time -f "%e %U %S %M" -o "$T/time" "$@"
	awk '{ print $1, $2 + $3, $4 }' "$T/time" >>"$T/$name.times"
}

# column NAME FIELD: its least: other work on the machine only adds. Of memory its most.
column() {
	sort -n -k "$2,$2" "$T/$1.times" | awk -v f="$2" '{ v[NR] = $f } END { print v[f == 3 ? NR : 1] }'
}

# line TEXT OURS THEIRS: one line of the table.
line() {
	echo "$(column "$2" 1) $(column "$2" 2) $(column "$2" 3) $(column "$3" 1) $(column "$3" 2) $(column "$3" 3)" |
		awk -v t="$1" '{ printf "| %s | %.2f | %.2f | **%.1f** | %.2f | %.2f | **%.1f** | %.0f | %.0f | %.2f |\n",
			t, $1, $4, $4 / $1, $2, $5, $5 / $2, $3 / 1024, $6 / 1024, $3 / $6 }'
}

# bench KIND RAW: both ways; the scans are in $FLAIR and so on.
bench() {
	for l in 0 1; do
		manifest "$1" $l >"$T/$1$l.yaml"
	done
	"$BIN/scanmill-ingest" --manifest "$T/${1}0.yaml" --in "$2" --out "$T/ingest-$1" --jobs "$JOBS" --log error
	for where; do
		case $where in "$1" | "$2") continue ;; esac
		O=$(mktemp -d "$where/scanmill-bench.XXXXXX")
		OUTS="$OUTS $O"
		rm -f "$T"/*.times
		i=0
		while [ "$i" -lt "$ROUNDS" ]; do
			for l in 0 1; do
				measure "ours$l" "$BIN/scanmill-tile" --manifest "$T/$1$l.yaml" --in "$T/ingest-$1" --out "$O/ours" \
					--jobs "$JOBS" --log error
				rm -rf "$O/ours"
			done
			for way in "0 0" "4 0" "4 1"; do
				# shellcheck disable=SC2086
				measure "theirs$(echo $way | tr -d ' ')" env OMP_NUM_THREADS="$JOBS" "$PYTHON" "$ROOT/bench/dataset_numpy.py" \
					"$O/theirs" $way "$FLAIR" "$T1CE" "$T1" "$T2" "$SEG"
				rm -rf "$O/theirs"
			done
			i=$((i + 1))
		done
		line "$1, $(df --output=fstype "$where" | tail -n 1), plain" ours0 theirs00
		line "$1, $(df --output=fstype "$where" | tail -n 1), gzip" ours1 theirs40
		line "$1, $(df --output=fstype "$where" | tail -n 1), gzip and shuffle" ours1 theirs41
	done
}

echo "shortest of $ROUNDS rounds, $JOBS threads, load $(cut -d ' ' -f 1 /proc/loadavg) on $(nproc) cores"
echo "| case, file system, tiles | ours, s | theirs, s | times | processor, ours | theirs | times | peak MiB, ours | theirs | share |"
echo "|---|---|---|---|---|---|---|---|---|---|"
"$BIN/scanmill-phantom" --cases 1 --seed 1 --size 240,240,155 --out "$T/raw" --log error >/dev/null
P=$T/raw/BraTS20_Training_001/BraTS20_Training_001_
FLAIR=${P}flair.nii.gz T1CE=${P}t1ce.nii.gz T1=${P}t1.nii.gz T2=${P}t2.nii.gz SEG=${P}seg.nii.gz
bench phantom "$T/raw" "$@"
if [ -d "$DATA" ]; then
	P=$DATA/brats_space/TCGA-FG-6692_
	FLAIR=${P}fla.nii.gz T1CE=${P}t1c.nii.gz T1=${P}t1.nii.gz T2=${P}t2.nii.gz SEG=$DATA/segmentations/fusion_mav.nii.gz
	bench real "$DATA" "$@"
fi
if [ -x "$BIN/bench_inflate" ]; then
	"$BIN/bench_inflate" "$FLAIR" "$T1" "$T/raw"/*/*_flair.nii.gz "$T/raw"/*/*_t2.nii.gz
fi
