#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a training can be asked for: schedules, accumulation, moving average, regions, metrics, names, early stop, time
# budget, pictures, k folds, slices.
. "$(dirname "$0")/../lib.sh"
needs train slice verify
. "$SM_ROOT/tests/stage/tiny.sh"

# with OUT LINES: the training of $T/m.yaml with these lines more in section train, and less of what they repeat.
with() {
	with_out=$1
	shift
	printf '%s\n' "$1" | sed 's/^/  /' >"$T/lines"
	with_keys=$(sed -n 's/^ *\([a-z_]*\):.*/\1/p' "$T/lines" | tr '\n' '|')
	sed -E "/^train:/,\$ { /^  (${with_keys}nothing):/d; }; /^train:/r $T/lines" "$T/m.yaml" >"$T/with.yaml"
	shift
	training "$with_out" --manifest "$T/with.yaml" "$@"
}
header() {
	head -n 1 "$1/ledger.jsonl"
}
column() {
	awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) k = i; next } { print $k }' "$1"
}
last() {
	hashes "$1" | sed -n 's|  ./last.hdf5$||p'
}

# ---- the rate
exits "a polynomial schedule with warm-up" 0 with "$T/poly" 'schedule: polynomial
warmup: 1
power: 0.9
learning_rate: 0.004'
is "its rates stand in the history" "$(column "$T/poly/model_history_log.csv" rate | tr '\n' ' ')" \
	"0.004 0.004 0.00277701265 0.00148816423 "
like "and in the log" "$(cat "$ERR")" 'epoch 3 of 4: .*, rate 0.00278'
exits "a plateau that falls at once" 0 with "$T/plateau" 'schedule: plateau
plateau: {factor: 0.5, patience: 1, min_delta: 1000, min_rate: 0.001}'
is "has the rates of its rule" "$(column "$T/plateau/model_history_log.csv" rate | tr '\n' ' ')" "0.003 0.003 0.0015 0.001 "
exits "power with another schedule" 2 with "$T/bad" 'power: 2'
like "is refused" "$(cat "$ERR")" 'train.power: .*schedule polynomial'
exits "a warm-up as long as the training" 2 with "$T/bad" 'warmup: 4'
like "is refused, too" "$(cat "$ERR")" 'warmup: found 4, allowed is less than epochs \(4\)'

# ---- numbers that do not count, and numbers that do
refuse() { # NAME LINES SENTENCE
	exits "$1" 2 with "$T/bad" "$2"
	like "is refused" "$(cat "$ERR")" "$3"
}
refuse "focal_gamma with another loss" 'focal_gamma: 3' 'train.focal_gamma: is given, but counts only with loss dice_focal'
refuse "tversky_alpha" 'tversky_alpha: 0.5' 'train.tversky_alpha: is given, but counts only with loss tversky'
refuse "a plateau of a constant rate" 'plateau: {factor: 0.5}' 'train.plateau: is given, but counts only with schedule plateau'
refuse "the start of no warm-up" 'warmup_start: 0.1' 'train.warmup_start: is given, but counts only with any warmup'
refuse "what no decay decays" 'decay_norm: false' 'train.decay_norm: is given, but counts only with any weight_decay'
refuse "a lowest rate above the rate" 'schedule: cosine
min_rate: 1' 'train: min_rate: found 1, allowed is at most learning_rate .0.003.'
refuse "a plateau's, too" 'schedule: plateau
plateau: {min_rate: 0.01}' 'train: plateau.min_rate: found 0.01, allowed is at most learning_rate .0.003.'
refuse "a 64th class beside the background" 'classes: 64
head: softmax' 'train: classes: found 64, allowed are 1 to 63'
run sm manifest --describe
like "which the description says" "$(cat "$OUT")" 'labels 1 to classes are the foreground; with softmax outputs, which have the background, too, at most 63'
refuse "a metric twice" 'metrics: [accuracy, mean_iou, accuracy]' "train.metrics.2.: found 'accuracy', but a name before it stands for the same"
refuse "a metric beside all" 'metrics: [all, accuracy]' "train.metrics.1.: found 'accuracy', but a name before it"
refuse "all beside a metric" 'metrics: [accuracy, all]' "train.metrics.1.: found 'all', but a name before it"
refuse "the spacing of a network without it" 'spacing: [1, 1, 3]' 'train.spacing: is given, but counts only with model nnunet3d'
refuse "batch_dice without Dice" 'loss: bce
batch_dice: true' 'train.batch_dice: is given, but counts only with loss soft_dice'
refuse "a background of sigmoids" 'loss: soft_dice
background: true' 'train: background: found true, allowed with sigmoid outputs, which have none, is false'
refuse "a weight of the background that is left out" 'head: softmax
loss: tversky
class_weight: [100, 1, 1, 1]' 'train: class_weight.0.: found 100, allowed are 0 and 1: loss tversky leaves the background out'
for lines in 'head: softmax
loss: tversky
background: true
class_weight: [100, 1, 1, 1]' 'loss: dice_ce
class_weight: [100, 1, 1, 1]' 'weight_decay: 0.1
decay_norm: false' 'warmup: 1
warmup_start: 0.1'; do
	exits "$(echo "$lines" | tail -n 1) where it counts" 0 with "$T/dry" "$lines" --dry-run
done
exits "a focal loss with exponent 0" 0 with "$T/focal0" 'loss: dice_focal
focal_gamma: 0
epochs: 2'
exits "is cross-entropy" 0 with "$T/focal_ce" 'loss: dice_ce
epochs: 2'
is "to the last digit" "$(cat "$T/focal0/model_history_log.csv")" "$(cat "$T/focal_ce/model_history_log.csv")"
exits "a Tversky loss with weights 0" 0 with "$T/tversky0" 'loss: tversky
tversky_alpha: 0
tversky_beta: 0
epochs: 1'
is "is 0" "$(column "$T/tversky0/model_history_log.csv" loss | sed 's/e-.*//; s/^-*[0-9.]*$/0/')" 0
exits "a loss of the batch" 0 with "$T/batch_dice" 'loss: dice_ce
batch_dice: true
smooth: 0.1
epochs: 2'
isnt "is another" "$(column "$T/batch_dice/model_history_log.csv" loss)" "$(column "$T/focal_ce/model_history_log.csv" loss)"

# ---- outputs of its own
refuse "unet2d is a softmax as its original was" 'model: unet2d
loss: soft_dice
class_weight: [1, 1]' 'class_weight: found 2 numbers, allowed are none or 4, one an output, the background first'
refuse "but sigmoids by a loss of sigmoids" 'model: unet2d
loss: bce
class_weight: [1, 1]' 'class_weight: found 2 numbers, allowed are none or 3, one an output$'
refuse "unet3d is sigmoids" 'loss: soft_dice
class_weight: [1, 1]' 'class_weight: found 2 numbers, allowed are none or 3, one an output$'

# ---- steps
exits "the whole batch at once" 0 with "$T/whole" 'micro_batch: 0'
exits "the same by SGD, which does not magnify rounding" 0 with "$T/sgd" 'optimiser: sgd'
exits "and in micro-batches" 0 with "$T/micro" 'micro_batch: 1
optimiser: sgd'
ok "gives the same losses to rounding" sh -c "
	paste -d, '$T/micro/model_history_log.csv' '$T/sgd/model_history_log.csv' |
	awk -F, 'NR > 1 { for (i = 2; i <= 8; i++) { d = \$i - \$(i + 9); if (d < -1e-4 || d > 1e-4) bad = 1 } } END { exit bad || NR != 5 }'"
exits "a micro-batch larger than the batch" 2 with "$T/bad" 'micro_batch: 4'
like "is refused" "$(cat "$ERR")" 'micro_batch: found 4, allowed is at most batch \(3\)'
exits "Nesterov's momentum" 0 with "$T/nesterov" 'optimiser: sgd
nesterov: true'
isnt "is another step" "$(last "$T/nesterov")" "$(last "$T/sgd")"
exits "of sgd alone" 2 with "$T/bad" 'nesterov: true'
like "is told" "$(cat "$ERR")" 'train.nesterov: .*optimiser sgd'
exits "a case a step" 0 with "$T/case" 'batch_of: case
batch: 3'
exits "optimiser, decay, clipping, moving average" 0 with "$T/ema" 'optimiser: adamw
weight_decay: 0.01
clip_norm: 1
ema: 0.9
metrics: [all]'
exits "the same killed after two epochs" 0 with "$T/ema2" 'optimiser: adamw
weight_decay: 0.01
clip_norm: 1
ema: 0.9
metrics: [all]
epochs: 2'
exits "and gone on" 0 training "$T/ema2" --manifest "$T/with.yaml" --resume
sed 's/epochs: 2/epochs: 4/' "$T/with.yaml" >"$T/four.yaml"
exits "to four" 0 training "$T/ema2" --manifest "$T/four.yaml" --resume
is "has the weights of one that never stopped" "$(last "$T/ema2")" "$(last "$T/ema")"
is "metrics are columns" "$(head -n 1 "$T/ema/model_history_log.csv" | tr ',' '\n' | sed -n '9,17p' | tr '\n' ' ')" \
	"accuracy mean_iou dice_coef dice_coef_1 dice_coef_2 dice_coef_3 precision sensitivity specificity "
is "for validation, too" "$(head -n 1 "$T/ema/model_history_log.csv" | tr ',' '\n' | sed -n '18,27p' | tr '\n' ' ')" \
	"val_accuracy val_mean_iou val_dice_coef val_dice_coef_1 val_dice_coef_2 val_dice_coef_3 val_precision val_sensitivity val_specificity rate "
exits "a metric that is not known" 2 with "$T/bad" 'metrics: [auc]'
like "is told with those that are" "$(cat "$ERR")" "train.metrics.0.: found 'auc', allowed is one of accuracy, mean_iou"

# ---- killed at any moment, with all that has a state
everything='model: unet2d
norm: batch
dropout: 0.2
micro_batch: 2
batch: 4
optimiser: adamw
weight_decay: 0.01
ema: 0.9
schedule: plateau
plateau: {factor: 0.5, patience: 1, min_delta: 0.05}
warmup: 1
loss: dice_ce
metrics: [all]
sample_pictures: 1
checkpoint_every: 1
epochs: 12'
exits "everything at once" 0 with "$T/all" "$everything"
exits "on two threads" 0 with "$T/all2" "$everything" --jobs 2
same_tree "has the same bytes" "$T/all" "$T/all2"
kills=0
while [ $kills -lt 5 ]; do
	"$SM_BIN/scanmill-train" --manifest "$T/with.yaml" --in "$T/tile" --split "$T/split" --out "$T/killed" \
		--jobs 1 --resume >/dev/null 2>>"$T/killed.log" &
	waits=0 # until one epoch more is done, and then a moment
	while ! grep -q "epoch $((kills + 1)) of 12: loss" "$T/killed.log" && [ $waits -lt 1500 ]; do
		waits=$((waits + 1))
		sleep 0.02
	done
	sleep "0.0$((kills * 7 % 10))"
	kill -9 $! 2>/dev/null && kills=$((kills + 1))
	wait $! 2>/dev/null
	[ -f "$T/killed/ledger.jsonl" ] && break
done
exits "killed $kills times it goes on" 0 training "$T/killed" --manifest "$T/with.yaml" --resume
same_tree "and has the same bytes" "$T/all" "$T/killed"
ok "it was killed five times" test $kills -eq 5
ok "and went on from where it was" test "$(cat "$T/killed.log" "$ERR" | grep -c 'goes on after epoch')" -ge 4

# ---- outputs
exits "regions" 0 with "$T/regions" 'regions:
  - {name: WT, labels: [1, 2, 3]}
  - {name: TC, labels: [1, 3]}
  - {name: ET, labels: [3]}'
like "name the columns" "$(head -n 1 "$T/regions/model_history_log.csv")" 'val_dice_WT,val_dice_TC,val_dice_ET'
exits "a larger region behind a smaller one" 2 with "$T/bad" 'regions:
  - {name: TC, labels: [1, 3]}
  - {name: WT, labels: [1, 2, 3]}'
like "is refused" "$(cat "$ERR")" "train: regions.0.: all labels of 'TC' stand in later regions"
exits "regions that exclude each other" 2 with "$T/bad" 'head: softmax
regions:
  - {name: WT, labels: [1, 2, 3]}'
like "are refused" "$(cat "$ERR")" 'head: found softmax, allowed with regions'
exits "softmax, by the loss" 0 with "$T/softmax" 'loss: dice_ce
class_weight: [0.5, 1, 1, 2]'
like "with a column for each class but the background" "$(head -n 1 "$T/softmax/model_history_log.csv")" 'val_dice,val_dice_1,val_dice_2,val_dice_3,rate'
exits "weights of another number of outputs" 2 with "$T/bad" 'class_weight: [1, 1]'
like "are told" "$(cat "$ERR")" 'train: class_weight: found 2 numbers, allowed are none or 3'

# ---- the end of an epoch
exits "names and log of the 2-D original" 0 with "$T/names" 'checkpoint_names: unet2d
checkpoint_every: 1
csv_name: training.log'
ok "a checkpoint whenever val_loss is the lowest" sh -c "
	awk -F, 'NR > 1 && (NR == 2 || \$4 < v) { v = \$4; printf \"model_.%02d-%.6f.m5\n\", \$1, \$4 }' '$T/names/training.log' >'$T/want'
	cd '$T/names' && ls model_.* | cmp - '$T/want'"
exits "verify knows them" 0 sm verify "$T/names"
exits "pictures each two epochs" 0 with "$T/pictures" 'sample_pictures: 2'
is "are there" "$(cd "$T/pictures" && ls sample-*)" "sample-0002.png
sample-0004.png"
is "and change no weight" "$(last "$T/pictures")" "$(last "$T/whole" | sed 's/.*/&/')"
like "and stand in the ledger" "$(grep sample-0004 "$T/pictures/ledger.jsonl")" '"role":"picture"'
exits "without pictures they leave" 0 with "$T/pictures" 'sample_pictures: 0' --resume
is "by themselves" "$(find "$T/pictures" -name 'sample-*')" ""
exits "an early stop" 0 with "$T/early" 'early_stop: 1
learning_rate: 0'
is "ends after the first epoch without a better loss" "$(column "$T/early/model_history_log.csv" epoch | tr '\n' ' ')" "1 2 "
like "and says so" "$(header "$T/early")" '"epochs":2,.*"stopped":"early_stop"'
exits "gone on with" 0 training "$T/early" --manifest "$T/with.yaml" --resume
is "it stays so" "$(column "$T/early/model_history_log.csv" epoch | tr '\n' ' ')" "1 2 "
exits "a time budget" 0 with "$T/time" 'time_budget: 0.000001'
like "stops after one epoch" "$(header "$T/time")" '"epochs":1,.*"stopped":"time_budget"'
like "with the way on" "$(cat "$ERR")" 'stopped by train.time_budget after epoch 1 of 4: --resume goes on'
exits "another run" 0 training "$T/time" --manifest "$T/with.yaml" --resume
like "goes one epoch further" "$(header "$T/time")" '"epochs":2,'
exits "and without a budget to the end" 0 with "$T/time" 'seed: 1' --resume
is "with the weights of one that never stopped" "$(last "$T/time")" "$(last "$T/whole")"
exits "rows of before" 0 with "$T/append" 'csv: append
epochs: 1'
exits "stay above those of a training from the beginning" 0 training "$T/append" --manifest "$T/with.yaml" --seed 2
is "with csv append" "$(column "$T/append/model_history_log.csv" epoch | tr '\n' ' ')" "1 1 "
exits "a csv in the way of another file" 2 with "$T/bad" 'csv_name: last.hdf5'
like "is refused" "$(cat "$ERR")" "csv_name: found 'last.hdf5'"

# ---- memory
exits "too little memory for the batch" 3 with "$T/bad" 'batch: 128' --memory 40
like "is told" "$(cat "$ERR")" 'train: 128 samples at once: needs [0-9]+ MiB, 40 MiB are allowed'
forecast=$(sed -n 's/.*memory forecast \([0-9]*\) MiB.*/\1/p' "$ERR")
room=$(sed -n 's/.*needs \([0-9]*\) MiB.*/\1/p' "$ERR")
is "what is needed is what is forecast" "$room" "$forecast"
exits "so much is enough" 0 with "$T/fits" 'batch: 128' --memory "${room:-0}" --dry-run
exits "a MiB less is not" 3 with "$T/fits" 'batch: 128' --memory $((${room:-40} - 1)) --dry-run
room=$((${room:-40} - 10))
exits "with less" 3 with "$T/bad" 'batch: 128' --memory $room
like "the largest that fits is named" "$(cat "$ERR")" 'allowed; the largest train.micro_batch that fits is [0-9]+'
fits=$(sed -n 's/.*train.micro_batch that fits is \([0-9]*\).*/\1/p' "$ERR")
exits "which does" 0 with "$T/fits" "batch: 128
epochs: 1
micro_batch: ${fits:-0}" --memory $room
exits "and one more does not" 3 with "$T/bad" "batch: 128
epochs: 1
micro_batch: $((${fits:-0} + 1))" --memory $room

# Parts of a step need an array of all gradients, a step in one part does not: between the two stands a batch in one part.
# What a number of samples needs may be less than what fewer do, whose kernels are others.
planned() { # LINES MiB
	with "$T/planned" "width: 0.5
$1" --memory "$2" --dry-run
}
needed() { # LINES
	planned "$1" 12 2>&1 | sed -n 's/.*needs \([0-9]*\) MiB.*/\1/p'
}
largest() { # FILE N MiB: the largest of the first N that does not need more.
	n=$2
	while [ "$n" -gt 0 ] && [ "$(sed -n "${n}p" "$1")" -gt "$3" ]; do
		n=$((n - 1))
	done
	echo "$n"
}
for n in 1 2 3 4 5; do
	needed "batch: $n" >>"$T/one_part"
	[ $n = 5 ] || needed "batch: 5
micro_batch: $n" >>"$T/parts"
done
is "each says what it needs" "$(cat "$T/one_part" "$T/parts" | wc -l | tr -d ' ')" 9
parts=$(sort -n "$T/parts" | head -n 1)
least=$(sort -n "$T/one_part" | head -n 1)
ok "one part needs less" test "$least" -lt "$parts"
in_one_part() { # NAME LINES MiB LARGEST
	exits "$1" 3 planned "$2" "$3"
	like "names the largest batch in one part" "$(cat "$ERR")" \
		"needs [0-9]+ MiB, $3 MiB are allowed; the largest train.batch that fits is $4, in one part \(without micro_batch\)"
}
fits=$(largest "$T/one_part" 4 $((parts - 1)))
in_one_part "room for no part of a step" 'batch: 5' $((parts - 1)) "$fits"
exits "which does fit" 0 planned "batch: $fits" $((parts - 1))
exits "and one more is not" 3 planned "batch: $((fits + 1))" $((parts - 1))
in_one_part "room for the least" 'batch: 5' "$least" "$(largest "$T/one_part" 4 "$least")"
in_one_part "parts where the whole fits" 'batch: 2
micro_batch: 1' $((parts - 1)) "$(largest "$T/one_part" 2 $((parts - 1)))"
exits "room for nothing" 3 planned 'batch: 5' $((least - 1))
like "is told" "$(cat "$ERR")" 'MiB are allowed, and not even one sample fits'

micro=$(largest "$T/parts" 4 "$parts")
fits=$(largest "$T/one_part" 5 "$parts")
ok "more fit in one part than as a part" test "$fits" -gt "$micro"
exits "room for both" 3 planned 'batch: 5' "$parts"
like "both are named" "$(cat "$ERR")" "$parts MiB are allowed; the largest train.micro_batch that fits is $micro \(same gradients, but for rounding, batch norm, batch_dice and unequal class_weight\); the largest train.batch that fits is $fits, in one part \(without micro_batch\)"
exits "the parts do fit" 0 planned "batch: 5
micro_batch: $micro" "$parts"
exits "the batch in one part, too" 0 planned "batch: $fits" "$parts"
exits "with an average of the weights, which no step in one part spares" 3 planned 'batch: 5
ema: 0.9' "$parts"
unlike "one part is not offered" "$(cat "$ERR")" 'in one part'

# What is written at the end of an epoch needs no more: the least budget is enough for all of a training.
exits "the least that is allowed" 0 with "$T/whole_budget" 'width: 0.5
batch: 1
epochs: 1' --memory "$(sed -n 1p "$T/one_part")"

# ---- a full disk
exits "two epochs" 0 with "$T/full" 'epochs: 2'
before=$(hashes "$T/full")
exits "and then a disk that is full" 4 full_disk with "$T/full" 'epochs: 4' --resume
like "is told" "$(cat "$ERR")" 'epoch 3: (best|last|numbered): .*hdf5: cannot be written: File too large'
is "what was there is whole" "$(hashes "$T/full" | grep hdf5)" "$(printf '%s\n' "$before" | grep hdf5)"
exits "with room again it goes on" 0 with "$T/full" 'epochs: 4' --resume
is "to the same weights" "$(last "$T/full")" "$(last "$T/whole")"

# ---- labels
sed 's/to: \[3\]}/to: [3]}\n    - relabel: {from: [1, 2, 3], to: [0, 0, 0], merge: true}/; s/, tumour_share: 0.75//' "$T/m.yaml" >"$T/empty.yaml"
exits "volumes without a label" 0 sm preprocess --manifest "$T/empty.yaml" --in "$T/ingest" --out "$T/empty_pre"
exits "are cut" 0 sm tile --manifest "$T/empty.yaml" --in "$T/empty_pre" --out "$T/empty"
exits "but not trained on" 3 sm train --manifest "$T/empty.yaml" --in "$T/empty" --split "$T/split" --out "$T/bad"
like "with a sentence" "$(cat "$ERR")" 'fold train: none of its 16 tiles has a voxel with a label above 0, needed is at least one'
exits "labels outside the classes" 3 with "$T/outside" 'classes: 2'
like "are told with case and tile before the training" "$(cat "$ERR")" \
	'error: BraTS20_Training_00[0-9]\.h5: tile [0-9]+: holds label 3, allowed are 0 to 2 \(train\.classes\)$'
unlike "not after an epoch" "$(cat "$ERR")" 'epoch 1'
ok "and no folder is made" test ! -e "$T/outside"

# ---- k folds
# A case whose one tile shows nothing but background: which, hangs on the seed.
sed 's/^split: .*/split: {folds: 4}/' "$T/m.yaml" >"$T/four.yaml"
run sm split --manifest "$T/four.yaml" --in "$T/preprocess" --out "$T/split4"
late=
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	sed "s/^tile: .*/tile: {size: [16, 16, 8], per_case: 1, max_background: 1.01, seed: $seed}/" "$T/four.yaml" >"$T/late.yaml"
	rm -rf "$T/late"
	run sm tile --manifest "$T/late.yaml" --in "$T/preprocess" --out "$T/late"
	run sm train --manifest "$T/late.yaml" --in "$T/late" --split "$T/split4" --out "$T/latefolds" --fold all --dry-run
	case $(cat "$ERR") in *'error: fold '[1-3]:*) late=1 && break ;; esac
done
ok "a fold behind the first has no label" test -n "$late"
exits "it is refused before the folds before it are trained" 3 sm train --manifest "$T/late.yaml" --in "$T/late" \
	--split "$T/split4" --out "$T/latefolds" --fold all
like "with its number" "$(cat "$ERR")" 'error: fold [1-3]: fold valid: none of its 1 tiles has a voxel with a label above 0'
unlike "and nothing has begun" "$(cat "$ERR")" 'epoch'
ok "nor been written" test ! -e "$T/latefolds"
sed 's/^split: .*/split: {folds: 3}/' "$T/m.yaml" >"$T/folds.yaml"
exits "a split of three folds" 0 sm split --manifest "$T/folds.yaml" --in "$T/preprocess" --out "$T/split3"
exits "all folds, with --dry-run --log debug" 0 with "$T/kfold0" 'folds: all' --split "$T/split3" --dry-run --log debug
is "tell their one network's kernels once" "$(grep -c 'kernel: enc0.conv1 .*, forward: ' "$ERR")" 1
ok "and write nothing" test ! -e "$T/kfold0"
exits "all folds in one command" 0 with "$T/kfold" 'folds: all
epochs: 2' --split "$T/split3"
like "says mean and spread" "$(cat "$ERR")" '3 folds: val_loss [0-9.]+ \+- [0-9.]+, val_dice'
is "a folder each" "$(cd "$T/kfold" && ls -d fold*/ | tr '\n' ' ')" "fold0/ fold1/ fold2/ "
is "and a summary" "$(cut -d, -f1 "$T/kfold/folds.csv" | tr '\n' ' ')" "fold 0 1 2 mean sd "
like "all in the ledger" "$(grep -o '"key":"[^"]*"' "$T/kfold/ledger.jsonl" | tr '\n' ' ')" 'fold0-best.*fold2-last.*folds'
ok "every case validates once" sh -c "[ \$(sed -n 's/.*\([0-9]\) validation tiles of \([0-9]\) cases/\2/p' '$ERR' | paste -sd+ | bc) = 4 ]"
exits "verify looks into all folders" 0 sm verify "$T/kfold"
exits "one of them alone" 0 with "$T/fold1" 'epochs: 2' --split "$T/split3" --fold 1
is "is that of all" "$(last "$T/fold1")" "$(hashes "$T/kfold" | sed -n 's|  ./fold1/last.hdf5$||p')"
head -n 1 "$T/kfold/ledger.jsonl" >"$T/kfold/.journal.partial" # as a killed run leaves it
rm -r "$T/kfold/fold1" "$T/kfold/ledger.jsonl" "$T/kfold/fold2/best.hdf5" "$T/kfold/fold2/last.hdf5"
cp -r "$T/kfold" "$T/kfold2"
exits "killed folds are gone on with" 0 with "$T/kfold2" 'folds: all
epochs: 2' --split "$T/split3" --resume
is "the first is not trained again" "$(grep -c 'epoch 1 of 2' "$ERR")" 2
exits "as if never" 0 with "$T/kfold3" 'folds: all
epochs: 2' --split "$T/split3" --jobs 2
same_tree "killed" "$T/kfold3" "$T/kfold2"
budget='folds: all
epochs: 2
time_budget: 0.000001'
exits "folds with a time budget" 0 with "$T/kfold4" "$budget" --split "$T/split3"
like "end early" "$(header "$T/kfold4")" '"stopped":"time_budget"'
ok "without a summary" test ! -e "$T/kfold4/folds.csv"
for run in 1 2 3 4 5; do
	training "$T/kfold4" --manifest "$T/with.yaml" --split "$T/split3" --resume >/dev/null 2>&1
done
is "and come to the same end" "$(hashes "$T/kfold4" | grep -E 'last|csv')" "$(hashes "$T/kfold3" | grep -E 'last|csv')"
exits "folds of a split without folds" 2 with "$T/bad" 'folds: all'
like "are told" "$(cat "$ERR")" 'folds: found all, but the split has no folds'
exits "a fold that is not there" 2 with "$T/bad" 'epochs: 2' --split "$T/split3" --fold 3
like "is told" "$(cat "$ERR")" "fold: found '3', allowed are all and 0 to 2"

# ---- bfloat16; a CPU without it says so
if grep -q avx512bw /proc/cpuinfo; then
	exits "bf16 between the operators" 0 with "$T/half" 'precision: bf16'
	isnt "is another training" "$(last "$T/half")" "$(last "$T/whole")"
	exits "on two threads" 0 with "$T/half2" 'precision: bf16' --jobs 2
	is "it has the same bits" "$(last "$T/half2")" "$(last "$T/half")"
	exits "killed after two epochs" 0 with "$T/half3" 'precision: bf16
epochs: 2'
	exits "and gone on" 0 with "$T/half3" 'precision: bf16' --resume
	is "it comes to the same end" "$(last "$T/half3")" "$(last "$T/half")"
fi

# ---- whole volumes
exits "whole volumes each two epochs" 0 with "$T/volumes" 'valid_volumes: 2' --volumes "$T/preprocess"
told=$(grep -o 'memory forecast .*' "$ERR" | sed 's/([^)]*)//g')
like "are a part of the forecast" "$told" ', validation volumes [0-9]+, the program'
is "whose parts add up to it" "$(printf '%s' "$told" | grep -o '[0-9][0-9]*' | awk 'NR > 1 { sum += $1 } END { print sum }')" \
	"$(printf '%s' "$told" | sed 's/memory forecast \([0-9]*\).*/\1/')"
is "change no weight but in the head of the file" "$(hashes "$T/volumes" | wc -l)" "$(hashes "$T/whole" | wc -l)"
is "have columns" "$(head -n 1 "$T/volumes/model_history_log.csv" | tr ',' '\n' | sed -n '9,12p' | tr '\n' ' ')" \
	"volume_dice volume_dice_1 volume_dice_2 volume_dice_3 "
like "empty in the epochs between" "$(column "$T/volumes/model_history_log.csv" volume_dice | tr '\n' ' ')" '^nan [0-9][^ ]* nan [0-9][^ ]* $'
exits "without the folder" 2 with "$T/bad" 'valid_volumes: 2'
like "they are refused" "$(cat "$ERR")" 'volumes: is missing, train.valid_volumes needs'

# ---- slices
sed 's/^name: tiny/name: tiny\ndataset: slice\nslice: {format: hdf5, standardise: slice}/' "$T/m.yaml" >"$T/slice.yaml"
exits "slices" 0 sm slice --manifest "$T/slice.yaml" --in "$T/preprocess" --out "$T/slice"
cat >>"$T/slice.yaml" <<'END'
  model: unet2d
  batch_of: case
  metrics: [accuracy, mean_iou, dice_coef_class]
END
sed -i 's/loss: dice_bce/loss: ce/; s/batch: 3/batch: 8/; s/rate: 0.003/rate: 0.001/' "$T/slice.yaml"
exits "train a 2-D network, a patient a step" 0 sm train --manifest "$T/slice.yaml" --in "$T/slice" --split "$T/split" --out "$T/unet2d" --jobs 1
like "on all slices" "$(header "$T/unet2d")" '"train_tiles":32,"valid_tiles":16'
like "with the metrics asked for" "$(head -n 1 "$T/unet2d/model_history_log.csv")" ',accuracy,mean_iou,dice_coef_1,dice_coef_2,dice_coef_3,val_accuracy,'
exits "tiles in place of slices" 3 sm train --manifest "$T/slice.yaml" --in "$T/tile" --split "$T/split" --out "$T/bad" --jobs 1
like "are told" "$(cat "$ERR")" "slice"
done_testing
