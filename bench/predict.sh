#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whole-volume prediction against MONAI's sliding_window_inference: the same network with the same weights, windows,
# overlap, blending and threads. Rounds in which the programs take turns, medians of time and of
# processor time (which a loaded machine changes less); the probabilities are compared once with uniform blending.
# usage: PYTHON=python-with-monai bench/predict.sh [THREADS] [ROUNDS]
# NETS chooses lines of the list below by their first word (default: all).
set -eu
cd "$(dirname "$0")/.."
program=build/release/bin/bench_predict
make --no-print-directory $program >&2
threads=${1:-2} rounds=${2:-3} python=${PYTHON:-python3}

# name, network, softmax, batch, window x y z, volume x y z, channels in, out
list='
basic-tile basic_unet3d 1 1 160 160 16 240 240 32 4 4
basic-tile4 basic_unet3d 1 4 160 160 16 240 240 32 4 4
basic-cube basic_unet3d 1 1 128 128 128 192 128 128 4 4
unet3d-tile unet3d 0 1 160 160 16 240 160 16 4 3
unet2d-slice unet2d 1 4 240 240 1 240 240 16 4 4'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# ours BLEND OUT; theirs BLEND FLAGS OUT
ours() {
	$program "$work" "$net" "$soft" "$batch" "$threads" 0.5 "$w" "$h" "$d" "$nx" "$ny" "$nz" "$in" "$out" "$1" >>"$2"
}
theirs() {
	# shellcheck disable=SC2086 # words
	GOMP_SPINCOUNT=10000 "$python" bench/predict_monai.py "$work" "$batch" "$threads" 0.5 "$nx" "$ny" "$nz" $2 \
		>"$work/one" 2>"$work/why" || { tail -n 1 "$work/why" >&2; return 0; }
	grep '^result' "$work/one" >>"$3"
}
# median FILE FIELD
median() {
	awk -v f="$2" '{ for (i = 2; i < NF; i += 2) if ($i == f) print $(i + 1) }' "$1" | sort -g |
		awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; else print "-" }'
}

echo "| volume | windows | ours s (cpu) | ours MiB | MONAI s (cpu) | channels-last | MONAI MiB | ratio | of cpu | largest difference |"
echo "|---|---|---|---|---|---|---|---|---|---|"
echo "$list" | while read -r name net soft batch w h d nx ny nz in out; do
	case " ${NETS:-$name} " in *" $name "*) ;; *) continue ;; esac
	[ -n "$name" ] || continue
	for f in a b c u; do : >"$work/$f.txt"; done
	ours uniform /dev/null
	theirs uniform uniform "$work/u.txt"
	for _ in $(seq "$rounds"); do
		ours gaussian "$work/a.txt"
		theirs gaussian "" "$work/b.txt"
		theirs gaussian last "$work/c.txt"
	done
	a=$(median "$work/a.txt" seconds) ac=$(median "$work/a.txt" cpu)
	b=$(median "$work/b.txt" seconds) bc=$(median "$work/b.txt" cpu)
	c=$(median "$work/c.txt" seconds) cc=$(median "$work/c.txt" cpu)
	# the better layout of the two
	ratio=$(echo "$a $b $c $ac $bc $cc" | awk '{ m = $3 < $2 ? $3 : $2; n = $6 < $5 ? $6 : $5; printf "%.1f | %.1f", m / $1, n / $4 }')
	echo "| $name, $net, $nx x $ny x $nz | $w x $h x $d, batch $batch | $a ($ac) | $(median "$work/a.txt" rss_mib) |" \
		"$b ($bc) | $c ($cc) | $(median "$work/b.txt" rss_mib) | $ratio | $(median "$work/u.txt" gap) |"
done
[ ! -s "$work/one" ] || sed -n 's/.*monai/MONAI/p' "$work/one"
