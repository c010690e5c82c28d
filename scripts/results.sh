#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# results.sh NAME OUT [JOBS]: raw scans -> data set once, then train, predict and evaluate for each network and seed, and the
# table of docs/results.md in OUT/table.md and on the screen. What is done already is kept: a second run goes on where the
# first stopped, and adds its time. NAME: hippocampus, phantom, brats-real (segmentation), mammo-a2b, mammo-b2a, ct2ct,
# mr2ct, pet2ct (images made of images).
# Environment: SEEDS ("1"), RAW (folder of the scans), NETS (phantom: the networks), EPOCHS and STEPS (instead of the manifest's:
# a trial), SM_BIN (folder of the programs).
set -eu
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS MAKELEVEL
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
if [ $# -lt 2 ]; then
	echo "usage: sh scripts/results.sh hippocampus|phantom|brats-real|mammo-a2b|mammo-b2a|ct2ct|mr2ct|pet2ct OUT [JOBS]" >&2
	exit 2
fi
name=$1
jobs=${3:-0}
seeds=${SEEDS:-1}
nets=
case $name in
hippocampus) manifest=hippocampus nets=nnunet3d ;;
phantom) manifest=phantom-brats nets=${NETS:-unet3d resunet3d vnet unet2d} ;;
brats-real) manifest=brats-real nets=unet3d EPOCHS=${EPOCHS:-16} ;;
mammo-a2b | mammo-b2a) manifest=mammo-pairs-${name#mammo-} ;;
ct2ct | mr2ct | pet2ct) manifest=sts-$name ;;
*)
	echo "results.sh: found '$name', allowed are hippocampus, phantom, brats-real, mammo-a2b, mammo-b2a, ct2ct, mr2ct, pet2ct" >&2
	exit 2
	;;
esac
mkdir -p "$2"
out=$(cd "$2" && pwd)

# Wall-clock seconds and the processor seconds of what this shell started, so far.
clock() {
	times >"$out/times"
	awk -v now="$(date +%s)" 'NR == 2 {
		for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += t[1] * 60 + t[2] }
		print now, s }' "$out/times"
	rm -f "$out/times"
}

# timed FILE COMMAND..: appends what it took; the sum of the lines counts, for a run that was stopped and gone on with.
timed() {
	file=$1
	shift
	clock >"$out/before"
	e=0
	"$@" || e=$?
	clock >"$out/after"
	paste -d ' ' "$out/before" "$out/after" | awk '{ print $3 - $1, $4 - $2 }' >>"$file"
	rm -f "$out/before" "$out/after"
	[ "$e" -eq 0 ] || exit "$e"
}

spent() { awk -v c="$2" '{ s += $c } END { printf "%.1f", s / 60 }' "$1"; }
# mean_of SUMMARY REGION: the mean Dice; the labels before it may hold commas.
mean_of() {
	awk -F, -v r="$2" '$1 == r && match($0, /,dice,1,[^,]*/) { print substr($0, RSTART + 8, RLENGTH - 8) + 0 }' "$1"
}

data() {
	cp "$ROOT/manifests/$manifest.yaml" "$out/$manifest.yaml"
	if [ "$name" = phantom ]; then
		raw=$out/raw
		[ -e "$raw/phantom.json" ] || "$BIN/scanmill-phantom" --manifest "$out/$manifest.yaml" --out "$raw" \
			--jobs "$jobs" ${CASES:+--cases "$CASES"} >&2
	else
		raw=${RAW:?the folder of the scans}
	fi
	raw=$(cd "$raw" && pwd)
	printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\n' "$BIN" "$ROOT/scripts/pipeline.mk" >"$out/road.mk"
	make -s -f "$out/road.mk" dataset MANIFEST="$out/$manifest.yaml" RAW="$raw" WORK="$out/data" JOBS="$jobs" >&2
}

# settle DIR [NET]: the manifest of one training, and the options of its stages.
settle() {
	mkdir -p "$1"
	sed ${2:+-e "s/^  model: .*/  model: $2/"} ${EPOCHS:+-e "s/^  epochs: .*/  epochs: $EPOCHS/" \
		-e "s/^  linear_from: .*/  linear_from: $((EPOCHS / 2))/"} \
		${STEPS:+-e "s/^  steps_per_epoch: .*/  steps_per_epoch: $STEPS/"} -e '' "$out/$manifest.yaml" >"$1/manifest.yaml"
	common="--manifest $1/manifest.yaml --jobs $jobs --resume"
}

# one NET SEED: a training and its scores in OUT/NET-sSEED.
one() {
	dir=$out/$1-s$2
	settle "$dir" "$1"
	# shellcheck disable=SC2086 # options
	{
		timed "$dir/train.time" "$BIN/scanmill-train" $common --seed "$2" --in "$out/data/tile" \
			--split "$out/data/split" --volumes "$out/data/preprocess" --out "$dir/train" >&2
		timed "$dir/predict.time" "$BIN/scanmill-predict" $common --in "$out/data/preprocess" \
			--split "$out/data/split" --model "$dir/train" --out "$dir/predict" >&2
		"$BIN/scanmill-evaluate" $common --in "$dir/predict" --truth "$out/data/ingest" --out "$dir/evaluate" >&2
	}
}

# made SEED: generators of images, trained and scored in OUT/sSEED.
made() {
	dir=$out/s$1
	settle "$dir"
	# shellcheck disable=SC2086 # options
	{
		timed "$dir/train.time" "$BIN/scanmill-train" $common --seed "$1" --in "$out/data/pair" --out "$dir/train" >&2
		timed "$dir/predict.time" "$BIN/scanmill-predict" $common --in "$out/data/preprocess" \
			--split "$out/data/split" --model "$dir/train" --out "$dir/predict" >&2
		"$BIN/scanmill-evaluate" $common --in "$dir/predict" --truth "$out/data/preprocess" \
			--pairs "$out/data/pair" --out "$dir/evaluate" >&2
	}
}

# row NET SEED: a line "net seed minutes cpu-minutes predict-minutes mean..." of the regions asked for.
row() {
	dir=$out/$1-s$2
	printf '%s %s %s %s %s' "$1" "$2" "$(spent "$dir/train.time" 1)" "$(spent "$dir/train.time" 2)" \
		"$(spent "$dir/predict.time" 1)"
	shift 2
	for region in "$@"; do
		printf ' %s' "$(mean_of "$dir/evaluate/summary.csv" "$region")"
	done
	echo
}

# Mean of columns 6 and 7 of each seed, then mean and standard deviation (divisor n - 1) over the seeds.
table_hippocampus() {
	echo "| seed | Dice anterior | Dice posterior | mean | training, min | processor, min | prediction, min |"
	echo "| --- | --- | --- | --- | --- | --- | --- |"
	awk '{
		m = ($6 + $7) / 2
		printf "| %s | %.4f | %.4f | %.4f | %s | %s | %s |\n", $2, $6, $7, m, $3, $4, $5
		n++; v[1, n] = $6; v[2, n] = $7; v[3, n] = m
	}
	END {
		for (k = 1; k <= 3; k++) {
			s = q = 0
			for (i = 1; i <= n; i++) s += v[k, i]
			for (i = 1; i <= n; i++) q += (v[k, i] - s / n) ^ 2
			t[k] = n > 1 ? sprintf("%.4f (SD %.4f)", s / n, sqrt(q / (n - 1))) : sprintf("%.4f", s / n)
		}
		printf "| mean of %d | %s | %s | %s | | | |\n", n, t[1], t[2], t[3]
	}' "$out/rows"
}

table_brats() {
	echo "| network | seed | WT | ET | TC (BraTS: 1 + 4) | TC (original: channel 0) | training, min | processor, min | prediction, min |"
	echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
	awk '{ printf "| %s | %s | %.3f | %.3f | %.3f | %.3f | %s | %s | %s |\n", $1, $2, $6, $7, $8, $9, $3, $4, $5 }' "$out/rows"
}

# What evaluate says of one seed, in the target's own unit, and what the training took.
table_made() {
	awk '/^### / { on = $2 != "Normalised" } /^Mean / { on = 1 } on && !/^- [^:]*: no case in common/ { print } /^Mean / { exit }' \
		"$out/s$1/evaluate/table.md"
	printf '\nSeed %s: %s min of training, %s of processor time; %s min of prediction.\n' "$1" \
		"$(spent "$out/s$1/train.time" 1)" "$(spent "$out/s$1/train.time" 2)" "$(spent "$out/s$1/predict.time" 1)"
	sed -n -e '1p' -e '$p' "$out/s$1/train/training.csv"
}

# First and last loss of the history.
loss_of() {
	awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "loss") c = i; next }
		{ if (NR == 2) first = $c; last = $c }
		END { printf "loss of epoch 1: %.4f, of epoch %d: %.4f\n", first, NR - 1, last }' "$1"
}

data
: >"$out/rows"
case $name in
hippocampus) regions="anterior posterior" ;;
*) regions="wt et tc tc_original" ;;
esac
[ -n "$nets" ] || for seed in $seeds; do
	made "$seed"
done
for net in $nets; do
	for seed in $seeds; do
		one "$net" "$seed"
		# shellcheck disable=SC2086 # a list
		row "$net" "$seed" $regions >>"$out/rows"
	done
done
{
	case $name in
	hippocampus) table_hippocampus ;;
	phantom | brats-real) table_brats ;;
	*) for seed in $seeds; do
		table_made "$seed"
	done ;;
	esac
	echo
	for net in $nets; do
		for seed in $seeds; do
			echo "$net, seed $seed: $(loss_of "$out/$net-s$seed/train/model_history_log.csv")"
		done
	done
	[ "$jobs" -gt 0 ] || jobs=$(nproc)
	echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $jobs threads"
} >"$out/table.md"
cat "$out/table.md"
