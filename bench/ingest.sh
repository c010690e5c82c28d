#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# `scanmill ingest` against dcm2niix on the same series, and `scanmill index` on many headers: a classic CT of 240
# slices made by `scanmill phantom`, and the real series of $SM_SHARED_DATA when it is there. Each round runs every
# program once on the warm files, one after the other; the table has medians of RUNS rounds. dcm2niix compresses by
# its own zlib and, when pigz is found, by pigz; its folders are not synced to the disk, ours are. It turns 3-D
# acquisitions to canonical axes before it writes, which makes another order of the voxels and so another size: the
# sizes are compared with `-x i` (neither cropped nor turned), too, when the axes are then as long as ours.
# Usage: bench/ingest.sh [JOBS] [RUNS]
# ONLY=sts takes only the series whose names have it.
set -eu
JOBS=${1:-2}
RUNS=${2:-5}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}
INDEX_CASES=${INDEX_CASES:-42}
command -v dcm2niix >/dev/null || {
	echo "skipped: dcm2niix is not installed (apt-get install dcm2niix pigz)"
	exit 0
}
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
printf 'salt of the benchmark, of no other use' >"$T/salt"
printf 'schema: 1\nname: bench\ningest: {compression: 0}\n' >"$T/plain.yaml"
printf 'schema: 1\nname: bench\ningest: {compression: 6}\n' >"$T/gz.yaml"

# measure NAME COMMAND...: adds microseconds and peak KiB to $T/NAME.times. Rejected items (exit codes 1 and 3) are
# not a failure: row says so.
measure() {
	name=$1
	shift
	code=0
	from=$(date +%s%N)
	/usr/bin/time -q -f %M -o "$T/kib" "$@" >"$T/said" 2>&1 || code=$?
	to=$(date +%s%N)
	[ "$code" -le 1 ] || [ "$code" -eq 3 ] || {
		cat "$T/said" >&2
		exit 1
	}
	echo "$(((to - from) / 1000)) $(cat "$T/kib")" >>"$T/$name.times"
}

# median NAME FIELD
median() {
	sort -n -k "$2,$2" "$T/$1.times" | awk -v f="$2" '{ v[NR] = $f }
		END { m = int((NR + 1) / 2); print NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'
}

# bytes FOLDER END: of the files with that end.
bytes() {
	find "$1" -type f -name "*$2" -printf '%s\n' | awk '{ s += $1 } END { printf "%.0f\n", s }'
}

# largest FOLDER END N: bytes of the N largest.
largest() {
	find "$1" -type f -name "*$2" -printf '%s\n' | sort -rn | head -n "$3" | awk '{ s += $1 } END { printf "%.0f\n", s }'
}

ours() {
	rm -rf "$T/$1"
	measure "$1" "$BIN/scanmill-ingest" --manifest "$T/${1#ours_}.yaml" --in "$SRC" --out "$T/$1" --salt-file "$T/salt" \
		--jobs "$JOBS" --log error
}

# theirs NAME OPTIONS
theirs() {
	rm -rf "$T/$1"
	mkdir "$T/$1"
	name=$1
	shift
	measure "$name" dcm2niix "$@" -o "$T/$name" "$SRC"
}

# axes FOLDER: lengths of the volumes' axes, sorted, from the headers (dim, 8 int16 at byte 40).
axes() {
	find "$1" -name '*.nii.gz' | while read -r volume; do
		gzip -dc "$volume" 2>/dev/null | od -An -tu2 -j 40 -N 10
	done | sort
}

round() {
	ours ours_plain
	theirs theirs_n -z n
	ours ours_gz
	theirs theirs_i -z i
	[ -z "$PIGZ" ] || theirs theirs_y -z y
}

# row NAME FOLDER: one line of the table.
row() {
	case $1 in *"${ONLY:-}"*) ;; *) return ;; esac
	SRC=$2
	round
	rm -f "$T"/*.times
	volumes=$(largest "$T/ours_plain" .nii "$JOBS")
	[ -n "$volumes" ] && [ "$volumes" -gt 0 ] || {
		echo "| $1 | refused: $(sed -n 's/.*"reason":"\([^"]*\)".*/\1/p' "$T/ours_plain/ledger.jsonl" | head -n 1) |"
		return
	}
	i=0
	while [ "$i" -lt "$RUNS" ]; do
		round
		i=$((i + 1))
	done
	theirs unturned -z i -x i
	{
		for n in ours_plain theirs_n ours_gz theirs_i; do median "$n" 1; done
		if [ -n "$PIGZ" ]; then median theirs_y 1; else echo 0; fi
		bytes "$T/ours_gz" .nii.gz
		bytes "$T/theirs_i" .nii.gz
		find "$T/ours_plain" -name '*.nii' -exec gzip -6 -c {} \; | wc -c
		median ours_plain 2
		median ours_gz 2
		echo "$volumes"
		bytes "$T/ours_plain" .nii
		bytes "$T/theirs_n" .nii
		if [ "$(axes "$T/ours_gz")" = "$(axes "$T/unturned")" ]; then bytes "$T/unturned" .nii.gz; else echo 0; fi
	} | awk -v name="$1" -v base="$BASE" '{ v[NR] = $1 }
		function ratio(a, b) { return b ? sprintf("%.1f", a / b) : "-" }
		END {
			printf "| %s | %.1f", name, v[12] / 1e6
			if (v[13] > 1.2 * v[12] || v[13] < v[12] / 1.2) printf " (theirs %.1f)", v[13] / 1e6
			printf " | %.3f | %.3f | **%s** | %.3f | %.3f | **%s** | ", v[1] / 1e6, v[2] / 1e6, ratio(v[2], v[1]),
				v[3] / 1e6, v[4] / 1e6, ratio(v[4], v[3])
			if (v[5]) printf "%.3f | **%s** | ", v[5] / 1e6, ratio(v[5], v[3])
			else printf "- | - | "
			printf "%.3f | ", v[6] / v[7]
			printf "%s | ", v[14] ? sprintf("%.3f", v[6] / v[14]) : "other axes"
			printf "%.3f | ", v[6] / v[8]
			printf "%.0f, %.0f | %.2f, %.2f |\n", v[9] / 1024, v[10] / 1024, (v[9] - base) * 1024 / v[11],
				(v[10] - base) * 1024 / v[11]
		}'
}

PIGZ=$(command -v pigz || true)
phantom() {
	"$BIN/scanmill-phantom" --kind ct_head --seed 1 --log error "$@" >/dev/null
}
began=$(date +%s%N)
phantom --cases 1 --size 512,512,240 --spacing 0.45,0.45,0.625 --out "$T/ct"
ended=$(date +%s%N)
phantom --cases 1 --size 32,32,8 --spacing 4,4,20 --out "$T/small"
SRC=$T/small
for i in 1 2 3; do ours ours_gz; done
BASE=$(median ours_gz 2)

echo "Machine: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -sr); $JOBS threads, medians of $RUNS rounds."
echo "Versions: $("$BIN/scanmill-ingest" --version); dcm2niix $(dcm2niix -v | tail -n 1)${PIGZ:+; $(pigz --version 2>&1 | head -n 1)}."
echo "Load when it began: $(cut -d ' ' -f 1-3 /proc/loadavg). Base of the memory columns, a series of 8 slices of 32x32: $((BASE / 1024)) MiB."
echo "The phantom took $(((ended - began) / 1000000)) ms to write."
echo
echo "| series | MB | .nii, s | dcm2niix -z n, s | times | .nii.gz, s | -z i, s | times | -z y (pigz), s | times | size to -z i | the same, axes not turned (-x i) | size to gzip -6 of the same voxels | peak MiB (.nii, .nii.gz) | volumes above the base |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
row "CT phantom, 240 x 512x512" "$T/ct"
for s in mr_t1_philips/dicom mr_siemens_orient/In mr_tumour_dicom sts_ct_mr_pet/dicom ct_head_ge/dicom; do
	[ -d "$DATA/$s" ] && row "${s%/*}" "$DATA/$s"
done

phantom --cases "$INDEX_CASES" --size 64,64,120 --spacing 3,3,1 --out "$T/many"
rm -f "$T"/*.times
i=0
while [ "$i" -le "$RUNS" ]; do
	rm -rf "$T/index"
	measure index "$BIN/scanmill-index" --in "$T/many" --out "$T/index" --salt-file "$T/salt" --jobs "$JOBS" --log error
	[ "$i" -gt 0 ] || rm -f "$T/index.times"
	i=$((i + 1))
done
files=$(find "$T/many" -name '*.dcm' | wc -l)
echo
echo "scanmill index: $files headers in $(median index 1 | awk '{ printf "%.2f", $1 / 1e6 }') s, $(median index 1 |
	awk -v n="$files" '{ printf "%.0f", n / $1 * 1e6 }') headers/s, peak $(($(median index 2) / 1024)) MiB."
