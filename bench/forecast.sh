#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Memory forecast of small whole trainings against their peak, as Markdown: the table of docs/benchmarks.md. Each is two
# epochs of four updates on phantom tiles or slices.
# usage: bench/forecast.sh [THREADS]
set -eu
cd "$(dirname "$0")/.."
jobs=${1:-2}
bin=$PWD/build/release/bin
for stage in phantom ingest preprocess split tile slice train; do
	make --no-print-directory "build/release/bin/scanmill-$stage" >&2
done
work=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-forecast.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >base.yaml <<'YAML'
schema: 1
name: forecast
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 50, test: 25, valid: 25}
slice: {format: hdf5, standardise: slice}
YAML
stage() {
	stage_name=$1
	shift
	"$bin/scanmill-$stage_name" "$@" --log warning >/dev/null
}
stage phantom --cases 4 --size 64,64,32 --empty-et 0 --out raw
stage ingest --in raw --out ingest
stage preprocess --manifest base.yaml --in ingest --out preprocess
stage split --manifest base.yaml --in preprocess --out split
{ cat base.yaml; echo "dataset: slice"; } >slices.yaml
stage slice --manifest slices.yaml --in preprocess --out slices
for size in 16x16x8 48x48x16 64x64x16; do
	{ cat base.yaml; echo "tile: {size: [$(echo $size | tr x ,)], per_case: 8, max_background: 1.01, tumour_share: 0.75}"; } >$size.yaml
	stage tile --manifest $size.yaml --in preprocess --out $size
done

# row DATA MODEL WIDTH BATCH [LINE...]: one training.
row() {
	data=$1 model=$2 width=$3 batch=$4
	shift 4
	loss=dice_bce
	[ "$data" = slices ] && loss=ce
	{
		cat "$data.yaml"
		printf '%s\n' "train:" "  model: $model" "  width: $width" "  batch: $batch" "  loss: $loss" "  epochs: 2" "  steps_per_epoch: 4"
		for line; do echo "  $line"; done
	} >m.yaml
	rm -rf out
	"$bin/scanmill-train" --manifest m.yaml --in "$data" --split split --out out --jobs "$jobs" >/dev/null 2>log
	program=$(sed -n 's/.*, the program \([0-9]*\)$/\1/p' log)
	forecast=$(sed -n 's/.*memory forecast \([0-9]*\) MiB.*/\1/p' log)
	sed -n "s/.*peak memory \([0-9]*\) MiB, \([0-9.]*\) of.*/| $data | $model | $width | $batch | $(echo "$*" | sed 's/ema.*/ema, clip_norm/') | $program | $forecast | \1 | \2 |/p" log
}
echo "| data | network | width | batch | more | the program, MiB | forecast, MiB | peak, MiB | peak / forecast |"
echo "|---|---|---|---|---|---|---|---|---|"
for width in 0.0625 0.25 0.5; do
	row slices unet2d $width 8 "optimiser: sgd"
	row slices unet2d $width 8
done
for model in unet3d resunet3d vnet nnunet3d basic_unet3d; do
	for width in 0.125 0.25 0.5; do
		row 48x48x16 $model $width 2
	done
done
row 48x48x16 vnet_paper 0.25 2
row 48x48x16 nnunet3d 0.25 2 "optimiser: sgd"
row 48x48x16 nnunet3d 0.5 2 "optimiser: sgd"
row 48x48x16 unet3d 0.25 8 "micro_batch: 2"
row 48x48x16 vnet 0.25 2 "ema: 0.99" "clip_norm: 1"
row 16x16x8 unet3d 0.0625 2
row 64x64x16 unet3d 1 2
row 64x64x16 nnunet3d 1 2
