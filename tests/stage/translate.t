#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Image translation from raw scans to volumes, pictures and series: train, predict, interpolate, dicom with
# `dataset: pair`, at 64x64 and with narrow networks.
. "$(dirname "$0")/../lib.sh"
needs phantom ingest preprocess split pair train predict evaluate interpolate dicom export
has_python pydicom nibabel numpy || skip_all "python with pydicom, nibabel and numpy"
check() {
	"$PYTHON" "$SM_ROOT/tests/stage/translate_check.py" "$@"
}

# road NAME: $T/NAME.yaml over $T/NAME/raw up to pair.
road() {
	road_in="--manifest $T/$1.yaml --in $T/$1"
	# shellcheck disable=SC2086 # two options and their values
	sm ingest $road_in/raw --out "$T/$1/ingest" &&
		sm preprocess $road_in/ingest --out "$T/$1/prep" &&
		sm split $road_in/prep --out "$T/$1/split" &&
		sm pair $road_in/prep --split "$T/$1/split" --out "$T/$1/pair"
}
train() {
	name=$1
	shift
	sm train --manifest "$T/$name.yaml" --in "$T/$name/pair" --jobs 1 "$@"
}
predict() {
	name=$1
	shift
	sm predict --manifest "$T/$name.yaml" --in "$T/$name/prep" "$@"
}
header() {
	head -n 1 "$1/ledger.jsonl"
}

# --- pictures, both directions ---------------------------------------------------------------------
cat >"$T/mammo.yaml" <<'END'
schema: 1
name: mammo
dataset: pair
ingest: {layout: images, burned_text: keep}
preprocess:
  steps:
    - scale: {divide: 127.5, add: -1}
split: {train: 70, valid: 0, test: 30, near_duplicates: warn}
pair: {mode: aligned, a: A, b: B}
translate: {levels: 6, width: 0.0625, discriminator_width: 0.0625, pool: 2, epochs: 2, checkpoint_every: 1, jitter: 6, sample_images: 1}
END
run sm phantom --kind mammo --cases 6 --size 64,64,1 --out "$T/mammo/raw"
run road mammo
[ "$CODE" -eq 0 ] || fail_all "the pairs could not be made: $(cat "$ERR")"
exits "pix2pix trains" 0 train mammo --out "$T/mammo/train"
is "a row an epoch" "$(wc -l <"$T/mammo/train/training.csv")" 3
sed 's/epochs: 2/time_budget: 0.00001, &/' "$T/mammo.yaml" >"$T/budget.yaml"
exits "a time budget that is over at once" 0 sm train --manifest "$T/budget.yaml" --in "$T/mammo/pair" --jobs 1 --out "$T/mammo/budget"
is "stops behind one epoch" "$(wc -l <"$T/mammo/budget/training.csv")" 2
like "and says so" "$(header "$T/mammo/budget")" '"epochs":1,.*"stopped":"time_budget"'
exits "the next run goes on" 0 sm train --manifest "$T/budget.yaml" --in "$T/mammo/pair" --jobs 1 --resume --out "$T/mammo/budget"
is "by one more, with the pool's pairs: the same bytes as in one go" "$(sha256sum <"$T/mammo/budget/last.hdf5")" "$(sha256sum <"$T/mammo/train/last.hdf5")"
sed 's/epochs: 2/generator_steps: 9, &/' "$T/mammo.yaml" >"$T/never.yaml"
exits "discriminators that would never be trained" 2 sm train --manifest "$T/never.yaml" --in "$T/mammo/pair" --out "$T/no"
like "are refused" "$(cat "$ERR")" 'generator_steps: found 9, allowed is at most 8, the steps of the whole training'
sed 's/epochs: 2/generator_steps: 5, &/' "$T/mammo.yaml" >"$T/seldom.yaml"
exits "seldom is allowed" 0 sm train --manifest "$T/seldom.yaml" --in "$T/mammo/pair" --jobs 1 --out "$T/mammo/seldom"
like "an epoch without them has empty cells" "$(sed -n 2p "$T/mammo/seldom/training.csv")" '^1,0.0002,[0-9.]*,,'
unlike "and no nan" "$(cat "$T/mammo/seldom/training.csv" "$ERR")" 'nan'
exits "--vgg without a loss that takes it" 2 train mammo --vgg "$T/mammo.yaml" --out "$T/no"
like "is refused" "$(cat "$ERR")" '--vgg: was given, but no loss takes it'
exits "--vgg with labels" 2 sm train --vgg "$T/mammo.yaml" --in "$T/mammo/pair" --out "$T/no"
like "is refused, too" "$(cat "$ERR")" '--vgg: is given, allowed with dataset: pair alone'
ok "a picture of what it makes" test -s "$T/mammo/train/sample-0002.png"
exits "and predicts the test cases" 0 predict mammo --split "$T/mammo/split" --model "$T/mammo/train" --jobs 1 --out "$T/mammo/p1"
exits "with two threads, too" 0 predict mammo --split "$T/mammo/split" --model "$T/mammo/train" --jobs 2 --out "$T/mammo/p2"
same_tree "no byte depends on the threads" "$T/mammo/p1" "$T/mammo/p2"
is "two pictures" "$(find "$T/mammo/p1" -name '*.png' | wc -l)" 2
like "of greys" "$(header "$T/mammo/p1")" '"high":255.0,"low":0.0'
like "the ledger says of what" "$(header "$T/mammo/p1")" '"direction":"a_to_b".*"source":"A".*"target":"B","triplets":false,"unit":"grey"'
exits "nothing is done twice" 0 predict mammo --split "$T/mammo/split" --model "$T/mammo/train" --jobs 2 --out "$T/mammo/p2" --resume
like "and it says so" "$(cat "$ERR")" '2 reused'
exits "a numbered checkpoint" 0 predict mammo --split "$T/mammo/split" --model "$T/mammo/train/epoch-0001.hdf5" --jobs 1 --out "$T/mammo/p3"
isnt "makes other pictures" "$(cat "$T"/mammo/p3/*.png | sha256sum)" "$(cat "$T"/mammo/p1/*.png | sha256sum)"
sed 's/^pair:/predict: {test_dropout: on}\n&/' "$T/mammo.yaml" >"$T/drop.yaml"
for i in 1 2; do
	run sm predict --manifest "$T/drop.yaml" --in "$T/mammo/prep" --split "$T/mammo/split" --model "$T/mammo/train" --jobs $i --out "$T/mammo/drop$i"
done
same_tree "drop-out at test time is drawn from the seed" "$T/mammo/drop1" "$T/mammo/drop2"
isnt "and is on" "$(cat "$T"/mammo/drop1/*.png | sha256sum)" "$(cat "$T"/mammo/p1/*.png | sha256sum)"
if has_python PIL; then
	grey=$(check middle_grey "$T/mammo/p1")
	sed "s/^pair:/predict: {mask_threshold: $grey}\n&/" "$T/mammo.yaml" >"$T/mask.yaml"
	for i in 1 2; do
		exits "masks of the ink, $i threads" 0 sm predict --manifest "$T/mask.yaml" --in "$T/mammo/prep" --split "$T/mammo/split" --model "$T/mammo/train" --jobs $i --out "$T/mammo/mask$i"
	done
	same_tree "no byte of them depends on the threads" "$T/mammo/mask1" "$T/mammo/mask2"
	ok "a label picture of 0 and 1, and the same as polygons" check masks "$T/mammo/mask1" "$T/mammo/p1" "$grey" dark
	like "the header tells the threshold" "$(header "$T/mammo/mask1")" "\"mask_ink\":\"dark\",\"mask_threshold\":$grey.0"
	exits "verify knows the files" 0 sm verify "$T/mammo/mask1"
	sed "s/^pair:/predict: {mask_threshold: $grey, mask_ink: bright}\n&/" "$T/mammo.yaml" >"$T/bright.yaml"
	exits "bright ink" 0 sm predict --manifest "$T/bright.yaml" --in "$T/mammo/prep" --split "$T/mammo/split" --model "$T/mammo/train" --jobs 1 --out "$T/mammo/bright"
	ok "lies above it" check masks "$T/mammo/bright" "$T/mammo/p1" "$grey" bright
	exits "without the key in the same folder" 0 predict mammo --split "$T/mammo/split" --model "$T/mammo/train" --jobs 1 --out "$T/mammo/mask2"
	is "the ledger has the pictures alone" "$(grep -c 'mask' "$T/mammo/mask2/ledger.jsonl") $(grep -o '"role":"[a-z]*","sha' "$T/mammo/mask2/ledger.jsonl" | sort -u | grep -c outlines)" "1 0"
	for side in A B; do
		mkdir -p "$T/named/raw/$side" && cp "$T/mammo/raw/$side/1.png" "$T/named/raw/$side/z.mask.png" && cp "$T/mammo/raw/$side/2.png" "$T/named/raw/$side/"
	done
	run sm ingest --manifest "$T/mask.yaml" --in "$T/named/raw" --out "$T/named/ingest"
	run sm preprocess --manifest "$T/mask.yaml" --in "$T/named/ingest" --out "$T/named/prep"
	exits "a key that ends as masks do is refused" 3 sm predict --manifest "$T/mask.yaml" --in "$T/named/prep" --model "$T/mammo/train" --out "$T/no"
	like "for its picture would have a mask's name" "$(cat "$ERR")" "z.mask: its picture would have the name of another case's mask"
	mkdir "$T/labelled" && for f in "$T"/mammo/mask1/*.mask.png; do
		key=$(basename "$f" .mask.png)
		mkdir "$T/labelled/$key" && cp "$f" "$T/labelled/$key/mask.png" && cp "$T/mammo/raw/A/$key.png" "$T/labelled/$key/image.png"
	done
	printf '%s\n' 'schema: 1' 'name: labelled' 'ingest: {layout: images, burned_text: keep, sources: [{role: image, pattern: "{case}/image.png"}, {role: mask, pattern: "{case}/mask.png", label: true}]}' 'preprocess: {steps: [{scale: {divide: 127.5, add: -1}}]}' >"$T/labelled.yaml"
	exits "the masks come in again as labels" 0 sm ingest --manifest "$T/labelled.yaml" --in "$T/labelled" --out "$T/labelled.in"
	exits "and are such behind preprocess" 0 sm preprocess --manifest "$T/labelled.yaml" --in "$T/labelled.in" --out "$T/labelled.prep"
	is "two of them" "$(grep -c '"role":"label"' "$T/labelled.prep/ledger.jsonl")" 2
fi
run sm predict --manifest "$T/drop.yaml" --in "$T/mammo/prep" --case "$(basename "$(find "$T/mammo/p1" -name '*.png' | sort | tail -n 1)" .png)" --model "$T/mammo/train" --jobs 1 --out "$T/mammo/alone"
same=$(cd "$T/mammo/alone" && for f in *.png; do cmp "$f" "../drop1/$f" && echo same; done)
is "a case alone has the same picture" "$same" same
exits "cases that were trained on are rejected" 1 predict mammo --model "$T/mammo/train" --jobs 1 --out "$T/mammo/all"
like "in a sentence" "$(cat "$ERR")" 'last.hdf5 was trained on it.*predict.seen: allow'
sed 's/^pair:/predict: {seen: allow}\n&/' "$T/mammo.yaml" >"$T/allow.yaml"
exits "allowed" 0 sm predict --manifest "$T/allow.yaml" --in "$T/mammo/prep" --model "$T/mammo/train" --jobs 1 --out "$T/mammo/allowed"
is "the ledger tells which" "$(grep -c '"seen":true' "$T/mammo/allowed/ledger.jsonl")" 4
sed 's/b: B}/b: B, direction: b_to_a}/; s/epochs: 2/epochs: 1/' "$T/mammo.yaml" >"$T/back.yaml"
run sm pair --manifest "$T/back.yaml" --in "$T/mammo/prep" --split "$T/mammo/split" --out "$T/mammo/back"
exits "the other direction trains" 0 sm train --manifest "$T/back.yaml" --in "$T/mammo/back" --jobs 1 --out "$T/mammo/btrain"
exits "and predicts" 0 sm predict --manifest "$T/back.yaml" --in "$T/mammo/prep" --split "$T/mammo/split" --model "$T/mammo/btrain" --jobs 1 --out "$T/mammo/b1"
like "B into A" "$(header "$T/mammo/b1")" '"direction":"b_to_a".*"source":"B".*"target":"A"'
exits "a manifest of the other direction is refused" 3 predict mammo --split "$T/mammo/split" --model "$T/mammo/btrain" --out "$T/no"
like "with both" "$(cat "$ERR")" 'turns B into A, .* ask for A into B'

# --- what was held out ---------------------------------------------------------------------------------
# score PREDICTION PAIR: with the manifest of the first direction.
score() {
	sm evaluate --manifest "$T/mammo.yaml" --in "$T/mammo/$1" --truth "$T/mammo/prep" --pairs "$T/mammo/$2" --jobs 1 --out "$T/mammo/scores"
}
hash=$(sha256sum <"$T/mammo/pair/ledger.jsonl" | cut -c1-64)
like "predict tells which samples were trained on" "$(header "$T/mammo/p1")" "\"pair\":\"$hash\".*\"samples\":\"[0-9a-f]{64}\""
exits "they are the ones to score with" 0 score p1 pair
cp "$T/mammo/scores/scores.csv" "$T/first.csv"
sed 's/near_duplicates: warn/near_duplicates: off/' "$T/mammo.yaml" >"$T/again.yaml"
run sm split --manifest "$T/again.yaml" --in "$T/mammo/prep" --out "$T/mammo/again.split"
run sm pair --manifest "$T/again.yaml" --in "$T/mammo/prep" --split "$T/mammo/again.split" --out "$T/mammo/again"
isnt "pairs of another split ledger have another ledger" "$(sha256sum <"$T/mammo/again/ledger.jsonl" | cut -c1-64)" "$hash"
exits "but the same samples, which do as well" 0 score p1 again
is "and give the same scores" "$(cat "$T/mammo/scores/scores.csv")" "$(cat "$T/first.csv")"
run sm split --manifest "$T/mammo.yaml" --seed 5 --in "$T/mammo/prep" --out "$T/mammo/other.split"
run sm pair --manifest "$T/mammo.yaml" --in "$T/mammo/prep" --split "$T/mammo/other.split" --out "$T/mammo/other"
isnt "another seed holds out others" "$(cat "$T/mammo/other/config.json")" "$(cat "$T/mammo/pair/config.json")"
exits "which may have been trained on" 3 score p1 other
like "and are refused" "$(cat "$ERR")" 'pairs: the network was trained on the samples of another folder'
exits "no training goes on with them" 2 sm train --manifest "$T/mammo.yaml" --in "$T/mammo/other" --jobs 1 --resume --out "$T/mammo/train"
like "as it says" "$(cat "$ERR")" 'resume: the ledger of pair is .* but the training in the output folder'
exits "images of the other direction" 3 score b1 back
like "have no scores with this manifest" "$(cat "$ERR")" 'pair.direction: found a_to_b, the predict ledger is of b_to_a'

# --- slices between slices -------------------------------------------------------------------------
cat >"$T/ct.yaml" <<'END'
schema: 1
name: ct
dataset: pair
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1024, 3071], to: [-1, 1]}, when: ct}
split: {train: 50, test: 50, valid: 0}
pair: {mode: triplets, a: ct}
translate: {levels: 4, width: 0.0625, discriminator_width: 0.0625, l1: 50, slope: 0.3, epochs: 2, jitter: 0, sample_images: 0}
END
run sm phantom --kind ct_stack --cases 2 --size 64,64,9 --out "$T/ct/raw"
run road ct
exits "a network of middle slices trains" 0 train ct --out "$T/ct/train"
exits "predicts inner slices from their neighbours" 0 predict ct --split "$T/ct/split" --model "$T/ct/train" --jobs 1 --out "$T/ct/p"
like "in HU" "$(header "$T/ct/p")" '"high":3071.0,"low":-1024.0.*"triplets":true,"unit":"HU"'
like "the record lists them" "$(cat "$T/ct/p/ledger.jsonl")" '"slices":\[1,2,3,4,5,6,7\]'
ok "ends stay, the rest is new" check triplets "$T/ct/p" "$T/ct/prep"
exits "interpolates scans of ingest" 0 sm interpolate --method network --model "$T/ct/train" --factor 2 --in "$T/ct/ingest" --jobs 1 --out "$T/ct/two"
ok "originals stay bit for bit" "$PYTHON" "$SM_ROOT/tests/stage/derived_check.py" between "$T/ct/ingest" "$T/ct/two" 2
exits "with two threads" 0 sm interpolate --method network --model "$T/ct/train" --factor 2 --in "$T/ct/ingest" --jobs 2 --out "$T/ct/two2"
same_tree "no byte depends on the threads there" "$T/ct/two" "$T/ct/two2"
like "marks name the checkpoint" "$(cat "$T"/ct/two/*/*.json)" '"Model": "[0-9a-f]{64}"'
exits "three times as many of preprocess' volumes" 0 sm interpolate --method network --model "$T/ct/train/last.hdf5" --factor 3 --in "$T/ct/prep" --out "$T/ct/three"
ok "keep theirs, too" "$PYTHON" "$SM_ROOT/tests/stage/derived_check.py" between "$T/ct/prep" "$T/ct/three" 3
mkdir "$T/one" && cp -r "$(dirname "$(ls "$T"/ct/p/*/ct.nii.gz)")" "$T/one/case" && rm "$T/one/case/ct.json"
case=$(basename "$(dirname "$(ls "$T"/ct/p/*/ct.nii.gz)")")
mkdir "$T/half" && cp -r "$T/ct/prep/$case" "$T/half/"
ok "every second slice" check halve "$T/half" "$T/half.nii.gz"
exits "interpolated from a file" 0 sm interpolate --method network --model "$T/ct/train" --in "$T/half.nii.gz" --out "$T/ct/file"
like "whose unit it has to believe" "$(cat "$ERR")" 'taken for HU'
ok "gives the slices that predict gives" check agrees "$T/one" "$T/ct/file"
exits "a network of another system is refused" 3 sm interpolate --method network --model "$T/mammo/train" --in "$T/ct/ingest" --out "$T/no_slices"
like "saying what it is" "$(cat "$ERR")" 'turns A into B, allowed is a network of middle slices'
exits "along another axis" 3 sm interpolate --method network --model "$T/ct/train" --axis x --in "$T/ct/ingest" --out "$T/no_slices"
like "the right one is told" "$(cat "$ERR")" 'trained on axial ones.*allowed is --axis z'
"$PYTHON" - "$T" <<'END'
import sys, numpy as np, nibabel as nib
t = sys.argv[1]
nib.save(nib.Nifti1Image(np.zeros((7, 64, 4), np.float32), np.eye(4)), f"{t}/odd.nii.gz")
nib.save(nib.Nifti1Image(np.zeros((7, 150, 4), np.float32), np.eye(4)), f"{t}/narrow.nii.gz")
nib.save(nib.Nifti1Image(np.full((64, 64, 4), np.nan, np.float32), np.eye(4)), f"{t}/nan.nii.gz")
END
exits "a size that would be padding for the most part" 3 sm interpolate --method network --model "$T/ct/train" --in "$T/odd.nii.gz" --out "$T/no_slices"
like "the least that fits is told" "$(cat "$ERR")" 'image width is 7, the least that the network takes is [0-9]*: padded to it the image would more than double'
exits "one side alone too small" 3 sm interpolate --method network --model "$T/ct/train" --in "$T/narrow.nii.gz" --out "$T/no_slices"
like "is the one that is named, not the other, which padding helps" "$(cat "$ERR")" 'image width is 7, the least'
ok "no multiple of the network's" check odd "$T/half.nii.gz" "$T/odd" "$T/wide.nii.gz"
exits "is padded" 0 sm interpolate --method network --model "$T/ct/train" --in "$T/odd/small/image.nii.gz" --out "$T/ct/odd"
exits "as by hand" 0 sm interpolate --method network --model "$T/ct/train" --in "$T/wide.nii.gz" --out "$T/ct/edges"
ok "with its edges, and cut back" check padded "$T/ct/odd" "$T/ct/edges" "$T/odd"
exits "NaN" 3 sm interpolate --method network --model "$T/ct/train" --in "$T/nan.nii.gz" --out "$T/no_slices"
like "is counted" "$(cat "$ERR")" '16384 values that are NaN'
for said in '{"Modality": "MR", "Meaning": "arbitrary"}' '{"Meaning": "arbitrary"}'; do
	echo "$said" >"$T/half.json"
	exits "a sidecar that says $said" 3 sm interpolate --method network --model "$T/ct/train" --in "$T/half.nii.gz" --out "$T/no_slices"
	like "is believed" "$(cat "$ERR")" 'is MR, the network was trained on ct alone|its values are arbitrary, the network knows HU alone'
done
rm "$T/half.json"
cat >"$T/both.yaml" <<'END'
schema: 1
name: both
dataset: pair
ingest:
  layout: files
  sources:
    - {role: mr, pattern: "{case}/mr.nii*"}
    - {role: ct, pattern: "{case}/ct.nii*", optional: true}
END
run sm phantom --kind mr_ct_pair --cases 1 --size 64,64,8 --out "$T/both/raw"
run sm ingest --manifest "$T/both.yaml" --in "$T/both/raw" --out "$T/both/ingest"
exits "a case of MR and CT" 0 sm interpolate --method network --model "$T/ct/train" --in "$T/both/ingest" --out "$T/both/two"
is "has its CT filled alone" "$(cd "$T/both/two" && ls ./*/ | tr '\n' ' ')" "ct.json ct.nii.gz "
like "and says that the MR was left out" "$(cat "$T/both/two/ledger.jsonl")" '"left_out":\["mr"\]'
rm "$T"/both/raw/*/ct.nii*
run sm ingest --manifest "$T/both.yaml" --in "$T/both/raw" --out "$T/both/alone"
exits "a case of MR alone" 3 sm interpolate --method network --model "$T/ct/train" --in "$T/both/alone" --out "$T/no_slices"
like "is rejected" "$(cat "$ERR")" "has no volume of the role or modality 'ct', which alone the network was trained on"
exits "no model" 2 sm interpolate --method network --in "$T/ct/ingest" --out "$T/no_slices"
sed 's/^pair:/predict: {mask_threshold: 128}\n&/' "$T/ct.yaml" >"$T/ctmask.yaml"
exits "masks of volumes are refused" 2 sm predict --manifest "$T/ctmask.yaml" --in "$T/ct/prep" --split "$T/ct/split" --model "$T/ct/train" --out "$T/no"
like "with what is allowed" "$(cat "$ERR")" 'predict.mask_threshold: found 128, allowed is 0 .off.: .* is a volume'
sed 's/a: ct}/a: ct, split: slices}/' "$T/ct.yaml" >"$T/by_slices.yaml"
run sm pair --manifest "$T/by_slices.yaml" --in "$T/ct/prep" --out "$T/ct/by_slices"
run sm train --manifest "$T/by_slices.yaml" --in "$T/ct/by_slices" --jobs 1 --out "$T/ct/btrain"
exits "with folds of slices every case is predicted" 0 sm predict --manifest "$T/by_slices.yaml" --in "$T/ct/prep" --model "$T/ct/btrain" --jobs 1 --out "$T/ct/bp"
is "and marked as seen" "$(grep -c '"seen":true' "$T/ct/bp/ledger.jsonl")" 2
sed 's/window: {range: \[-1024, 3071\], to: \[-1, 1\]}/pad_crop: {size: [72, 64, 0]}/' "$T/ct.yaml" >"$T/wide.yaml"
run sm preprocess --manifest "$T/wide.yaml" --in "$T/ct/ingest" --out "$T/ct/wide"
exits "other steps are refused" 3 sm predict --manifest "$T/ct.yaml" --in "$T/ct/wide" --split "$T/ct/split" --model "$T/ct/train" --out "$T/no"
like "with both hashes" "$(cat "$ERR")" 'went through preprocess settings'
exits "sizes that do not fit reject their cases" 3 sm predict --manifest "$T/ct.yaml" --in "$T/ct/wide" --split "$T/ct/split" --model "$T/ct/train" --other-steps --out "$T/no"
like "with the nearest" "$(cat "$ERR")" 'width is 72, must be a multiple of 16; the nearest are 64 and 80'
sed 's/pad_crop: {size: \[72/pad_crop: {size: [80/' "$T/wide.yaml" >"$T/wider.yaml"
run sm preprocess --manifest "$T/wider.yaml" --in "$T/ct/ingest" --out "$T/ct/wider"
exits "other sizes that do fit are taken" 0 sm predict --manifest "$T/ct.yaml" --in "$T/ct/wider" --split "$T/ct/split" --model "$T/ct/train" --other-steps --out "$T/ct/pwide"

# --- two domains without pairs, oblique ---------------------------------------------------------------
cat >"$T/mr.yaml" <<'END'
schema: 1
name: mr
dataset: pair
ingest:
  layout: mixed
  sources:
    - {role: mr, pattern: "{case}/mr.nii*", optional: true}
    - {role: ct, pattern: "{case}/ct.nii*", optional: true}
preprocess:
  steps:
    - {window: {range: [-1024, 2048], to: [-1, 1]}, when: ct}
    - {normalise: {method: percentile, percentiles: [0, 100], range: [-1, 1]}, when: mr}
    - {pad_crop: {size: [64, 64, 0], fill: -1}}
split: {train: 50, test: 50, valid: 0}
pair: {mode: unpaired, a: mr, b: ct}
translate: {system: cyclegan, generator: casnet, discriminator: judge3, levels: 4, chain: 1, width: 0.0625, discriminator_width: 0.0625, epochs: 4, steps_per_epoch: 6, pool: 3, checkpoint_every: 0, sample_images: 1, jitter: 4}
END
run sm phantom --kind mr_ct --cases 4 --size 60,62,8 --out "$T/mr/raw"
ok "oblique volumes" check oblique "$T/mr/raw"
run road mr
exits "cyclegan trains" 0 train mr --out "$T/mr/train"
exits "MR to CT" 0 predict mr --split "$T/mr/split" --model "$T/mr/train" --jobs 1 --out "$T/mr/ct"
ok "on the network's grid" check same_grid "$T/mr/ct" ct.preprocess "$T/mr/prep" mr
ok "and on that of the scan" check on_scan "$T/mr/ct" ct "$T/mr/ingest" mr
exits "verify knows both" 0 sm verify "$T/mr/ct"
like "in HU" "$(header "$T/mr/ct")" '"high":2048.0,"low":-1024.0.*"source":"mr".*"target":"ct".*"unit":"HU"'
like "cases without an MR are left out" "$(header "$T/mr/ct")" '"no_source":\["ct-'
sed 's/^pair:/predict: {direction: b_to_a}\n&/' "$T/mr.yaml" >"$T/mrback.yaml"
exits "CT to MR" 0 sm predict --manifest "$T/mrback.yaml" --in "$T/mr/prep" --split "$T/mr/split" --model "$T/mr/train" --jobs 1 --out "$T/mr/mr"
ok "on its grid" check same_grid "$T/mr/mr" mr.preprocess "$T/mr/prep" ct
ok "and on that of its scan" check on_scan "$T/mr/mr" mr "$T/mr/ingest" ct
like "without a unit" "$(header "$T/mr/mr")" '"high":null,"low":null.*"unit":"normalised"'
exits "as DICOM" 0 sm dicom --in "$T/mr/ct" --out "$T/mr/dicom"
ok "marked as synthetic" check synthetic "$T/mr/dicom" ct
ok "with the scan's geometry" check series "$T/mr/ct" ct "$T/mr/dicom"
sed 's/^pair:/predict: {grid: preprocess}\n&/' "$T/mr.yaml" >"$T/mrgrid.yaml"
exits "on the network's grid alone" 0 sm predict --manifest "$T/mrgrid.yaml" --in "$T/mr/prep" --split "$T/mr/split" --model "$T/mr/train" --jobs 1 --out "$T/mr/grid"
is "is one file" "$(cd "$T/mr/grid" && ls ./*/ | grep '[.]nii' | sort -u)" "ct.nii.gz"
is "with the same voxels" "$(cat "$T"/mr/grid/*/ct.nii.gz | sha256sum)" "$(cat "$T"/mr/ct/*/ct.preprocess.nii.gz | sha256sum)"
# Resampled, cut in one direction, padded in another, and slices 2 to 9 alone.
sed 's/- {pad_crop:.*/- resample: {spacing: [1, 1.1, 0.61]}\n    - {pad_crop: {size: [64, 64, 0], fill: -1}}/; s/b: ct}/b: ct, first: 2, last: 9}/' "$T/mr.yaml" >"$T/mrcut.yaml"
run sm preprocess --manifest "$T/mrcut.yaml" --in "$T/mr/ingest" --out "$T/mr/cut"
exits "a part of a scan, resampled" 0 sm predict --manifest "$T/mrcut.yaml" --in "$T/mr/cut" --split "$T/mr/split" --model "$T/mr/train" --other-steps --jobs 1 --out "$T/mr/pcut"
ok "comes back to its place, and what nobody made is marked" check on_scan "$T/mr/pcut" ct "$T/mr/ingest" mr
exits "with two threads" 0 sm predict --manifest "$T/mrcut.yaml" --in "$T/mr/cut" --split "$T/mr/split" --model "$T/mr/train" --other-steps --jobs 2 --out "$T/mr/pcut2"
same_tree "the same bytes" "$T/mr/pcut" "$T/mr/pcut2"
exits "its series" 0 sm dicom --in "$T/mr/pcut" --out "$T/mr/dcut"
ok "has the predicted slices alone" check series "$T/mr/pcut" ct "$T/mr/dcut"
exits "between its slices" 0 sm interpolate --in "$T/mr/pcut" --method cubic --out "$T/mr/fcut"
exits "and their series" 0 sm dicom --in "$T/mr/fcut" --out "$T/mr/dfcut"
ok "nobody predicts beside what nobody made" check series "$T/mr/fcut" ct "$T/mr/dfcut"
sed 's/^pair:/predict: {direction: b_to_a}\n&/' "$T/ct.yaml" >"$T/ctback.yaml"
exits "pix2pix has no way back" 2 sm predict --manifest "$T/ctback.yaml" --in "$T/ct/prep" --model "$T/ct/train" --out "$T/no"
exits "a checkpoint of another data set is refused" 3 predict mr --model "$T/ct/train" --out "$T/no"
like "by its mode" "$(cat "$ERR")" 'trained with pair.mode triplets, the manifest has unpaired'
exits "nor is any exported" 3 sm export --checkpoint "$T/ct/train/last.hdf5" --out "$T/no"
like "in plain words" "$(cat "$ERR")" 'last.hdf5: is a checkpoint of image translation .*whose networks are not exported'
sed '/^dataset/d' "$T/mr.yaml" >"$T/tiles.yaml"
exits "nor does it label anything" 3 sm predict --manifest "$T/tiles.yaml" --in "$T/mr/prep" --split "$T/mr/split" --checkpoint "$T/ct/train/last.hdf5" --out "$T/no"
like "in plain words, too" "$(cat "$ERR")" 'last.hdf5: is a checkpoint of image translation .*allowed is one of segmentation'
mkdir "$T/labels"
run "$SM_BIN/make_checkpoint" nnunet3d auto auto 1 2 3 8 32 32 0.25 "$T/labels"
[ "$CODE" -eq 0 ] || fail_all "make_checkpoint is not built"
exits "and a network of labels makes no images" 3 predict mr --model "$T/labels/best.hdf5" --out "$T/no"
like "as plainly" "$(cat "$ERR")" 'best.hdf5: is a checkpoint of segmentation, allowed is one of image translation'
cp "$T/mr.yaml" "$T/no.hdf5"
exits "a file that is no checkpoint" 3 predict mr --model "$T/no.hdf5" --out "$T/no"

# --- passes kept, or made again in backward --------------------------------------------------------------
sed 's/epochs: 4/memory: fast, time_budget: 0.00001, &/' "$T/mr.yaml" >"$T/fast.yaml"
exits "an epoch that keeps its passes" 0 sm train --manifest "$T/fast.yaml" --in "$T/mr/pair" --jobs 1 --out "$T/mr/fast"
like "stopped" "$(header "$T/mr/fast")" '"stopped":"time_budget"'
exits "gone on with by one that makes them again" 0 train mr --resume --out "$T/mr/fast"
is "the same bytes as without" "$(sha256sum <"$T/mr/fast/last.hdf5")" "$(sha256sum <"$T/mr/train/last.hdf5")"

# --- stopped and gone on with ------------------------------------------------------------------------
: >"$T/killed.log"
kills=0
for i in 1 2 3; do
	"$SM_BIN/scanmill-train" --manifest "$T/mr.yaml" --in "$T/mr/pair" --jobs 1 --resume --out "$T/mr/killed" 2>>"$T/killed.log" &
	pid=$!
	waits=0
	while [ "$(grep -c 'epoch [0-9]* of 4' "$T/killed.log")" -lt $i ] && kill -0 $pid 2>/dev/null && [ $waits -lt 3000 ]; do
		waits=$((waits + 1))
		sleep 0.01
	done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $? -eq 137 ] && kills=$((kills + 1))
done
isnt "killed while it trained" $kills 0
exits "gone on with" 0 train mr --resume --out "$T/mr/killed"
is "the same bytes as in one go" "$(sha256sum <"$T/mr/killed/last.hdf5")" "$(sha256sum <"$T/mr/train/last.hdf5")"
is "and the same history" "$(cat "$T/mr/killed/training.csv")" "$(cat "$T/mr/train/training.csv")"

# --- what cannot be trained on ------------------------------------------------------------------------
sed 's/b: ct}/b: ct, first: 2, last: 2}/; s/epochs: 4/epochs: 1/; s/split: {train: 50, test: 50/split: {train: 20, test: 80/' "$T/mr.yaml" >"$T/few.yaml"
run sm split --manifest "$T/few.yaml" --in "$T/mr/prep" --out "$T/mr/fsplit"
run sm pair --manifest "$T/few.yaml" --in "$T/mr/prep" --split "$T/mr/fsplit" --out "$T/mr/few"
exits "a domain with one image" 3 sm train --manifest "$T/few.yaml" --in "$T/mr/few" --jobs 1 --out "$T/no_training"
like "is counted" "$(cat "$ERR")" 'has [01] images of domain a, needed are at least 2'
sed 's/- scale: .*/- scale: {multiply: 1e12}\n    - scale: {multiply: 1e12}/; s/levels: 6/levels: 6, norm: none, adversarial: lsgan/' "$T/mammo.yaml" >"$T/nan.yaml"
run sm preprocess --manifest "$T/nan.yaml" --in "$T/mammo/ingest" --out "$T/mammo/hprep"
run sm pair --manifest "$T/nan.yaml" --in "$T/mammo/hprep" --split "$T/mammo/split" --out "$T/mammo/huge"
exits "a loss that is not finite" 3 sm train --manifest "$T/nan.yaml" --in "$T/mammo/huge" --jobs 1 --out "$T/mammo/nan"
like "says whose and when" "$(cat "$ERR")" 'step [0-9]+: (the loss|a gradient) of the (generators|discriminators) is not finite'
ok "no checkpoint comes of it" test ! -e "$T/mammo/nan/last.hdf5"
done_testing
