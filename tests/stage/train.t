#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs train
. "$SM_ROOT/tests/stage/tiny.sh"

exits "a training" 0 training "$T/one"
like "tells its parameters and memory" "$(cat "$ERR")" 'unet3d: [0-9]+ parameters; memory forecast [0-9]+ MiB'
# parts_add_up NAME: the parts of the last forecast are its whole.
parts_add_up() {
	told=$(grep -o 'memory forecast .*' "$ERR" | sed 's/([^)]*)//g' | grep -o '[0-9][0-9]*' | tr '\n' ' ')
	ok "$1" awk -v told="$told" 'BEGIN { n = split(told, v); for (i = 2; i <= n; i++) sum += v[i]
		exit !(n >= 5 && sum == v[1]) }'
}
parts_add_up "whose parts add up to it"
like "and the peak beside it" "$(cat "$ERR")" 'peak memory [0-9]+ MiB, [0-9.]+ of the forecast'
is "checkpoints with the original's names" "$(cd "$T/one" && ls model-* | sed 's/-0\.[0-9]\{4\}\.\|-1\.[0-9]\{4\}\./-LOSS./')" \
	"model-0002-LOSS.hdf5
model-0004-LOSS.hdf5"
csv=$T/one/model_history_log.csv
is "the history's columns" "$(head -n 1 "$csv")" \
	"epoch,loss,dice,val_loss,val_dice,val_dice_1,val_dice_2,val_dice_3,rate"
is "one row an epoch" "$(cut -d, -f1 "$csv" | tr '\n' ' ')" "epoch 1 2 3 4 "
ok "the loss falls" awk -F, 'NR == 2 { a = $2 } NR > 1 { b = $2 } END { exit !(b < 0.8 * a) }' "$csv"
is "the ledger names every file" "$(grep -o '"path":"[^"]*"' "$T/one/ledger.jsonl" | wc -l | tr -d ' ')" 5
like "and what was trained" "$(head -n 1 "$T/one/ledger.jsonl")" '"epochs":4,.*"parameters":[0-9]+.*"train_tiles":16,"valid_tiles":8'
best=$(awk -F, 'NR == 2 || NR > 1 && $4 < v { v = $4; e = $1 } END { print e }' "$csv")
like "the best epoch is that of the lowest val_loss" "$(head -n 1 "$T/one/ledger.jsonl")" "\"best_epoch\":$best,"

# Which kernel runs what is told on request; a network of ours leaves nothing to slow code.
unlike "no kernels are told unasked" "$(cat "$ERR")" 'enc0.conv1|plain loops'
exits "a training with --log debug" 0 training "$T/debug" --log debug
same_tree "is the same training" "$T/one" "$T/debug"
kernels=$(grep 'train: debug: kernel: ' "$ERR")
is "each pass of each of the 15 convolutions is told once; the first layer's input wants no gradient" \
	"$(printf '%s\n' "$kernels" | wc -l | tr -d ' ') $(printf '%s\n' "$kernels" | sort -u | wc -l | tr -d ' ')" "44 44"
like "with its shape and its kernel" "$kernels" \
	'kernel: enc0.conv1 .conv 3x3x3 stride 1x1x1, 3x8x16x16x4 to 3x8x16x16x2., forward: [a-z0-9_]+ .[^)]+.'
like "and its gradients" "$kernels" 'kernel: head .conv 1x1x1 .*, gradient of the weights: [a-z0-9_]+ '
like "and what was passed over" "$kernels" '; passed over: [a-z0-9_]+ .[^)]+.'
ok "before the first epoch" awk '/kernel: head/ { at = NR } /epoch 1 of/ && !epoch { epoch = NR }
	END { exit !(at && epoch > at) }' "$ERR"

exits "the same again" 0 training "$T/again"
same_tree "gives the same bytes" "$T/one" "$T/again"
exits "with two threads" 0 training "$T/threads" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/threads"
edit 's/^train:/train:\n  seed: 2/' "$T/seed.yaml"
exits "another seed" 0 training "$T/seed" --manifest "$T/seed.yaml"
isnt "gives another network" "$(hashes "$T/one" | grep last)" "$(hashes "$T/seed" | grep last)"
if [ -x "$SM_BIN/scanmill-verify" ]; then
	exits "verify recomputes the hashes" 0 sm verify "$T/one"
fi

# Killed at any moment, again and again.
kills=0
tries=0
while [ ! -f "$T/killed/ledger.jsonl" ] && [ $tries -lt 40 ]; do
	tries=$((tries + 1))
	"$SM_BIN/scanmill-train" --manifest "$T/m.yaml" --in "$T/tile" --split "$T/split" --out "$T/killed" \
		--jobs 1 --resume >/dev/null 2>>"$T/killed.log" &
	sleep "0.$((1 + kills))$((kills * 7 % 10))"
	kill -9 $! 2>/dev/null && kills=$((kills + 1))
	wait $! 2>/dev/null
	[ $kills -ge 5 ] && break
done
exits "a training killed $kills times goes on" 0 training "$T/killed" --resume
same_tree "and ends with the same bytes" "$T/one" "$T/killed"
ok "it was killed at least once" test $kills -ge 1

# Killed between best.hdf5 and last.hdf5: the state after two epochs, best already of the third.
edit 's/epochs: 4/epochs: 2/' "$T/two.yaml"
exits "two epochs" 0 training "$T/longer" --manifest "$T/two.yaml"
edit 's/epochs: 4/epochs: 3/' "$T/three.yaml"
exits "three epochs" 0 training "$T/three" --manifest "$T/three.yaml"
cp "$T/three/best.hdf5" "$T/longer/best.hdf5"
head -n 1 "$T/three/ledger.jsonl" >"$T/longer/.journal.partial" # as a killed run leaves it
rm "$T/longer/ledger.jsonl"
exits "a finished training is made longer" 0 training "$T/longer" --resume
like "from where it was" "$(cat "$ERR")" 'goes on after epoch 2'
same_tree "and has the same bytes as one that never stopped" "$T/one" "$T/longer"
rm "$T/longer/model_history_log.csv"
exits "resuming what is finished" 0 training "$T/longer" --resume
unlike "trains nothing" "$(cat "$ERR")" 'epoch [0-9] of'
same_tree "and changes nothing" "$T/one" "$T/longer"
[ "$best" = 4 ] && other=model-0002 || other=model-0004
cp "$T/longer/$other"*.hdf5 "$T/longer/best.hdf5"
exits "a best.hdf5 of another epoch" 3 training "$T/longer" --resume
like "is not gone on with" "$(cat "$ERR")" 'best.hdf5: is of another training than last.hdf5 beside it: --restart starts'
exits "asked to, it starts from the beginning" 0 training "$T/longer" --resume --restart
like "with a warning" "$(cat "$ERR")" 'is replaced: --restart was given'
same_tree "with the same end" "$T/one" "$T/longer"

# best.hdf5 is lost: what stands beside it can mend it.
edit 's/epochs: 4/epochs: 5/' "$T/five.yaml"
exits "five epochs" 0 training "$T/five" --manifest "$T/five.yaml"
cp -r "$T/one" "$T/nobest"
[ "$best" = 4 ] && twin=$(cd "$T/one" && ls model-0004*) || twin=$(cd "$T/one" && ls model-0002*)
head -c 30000 "$T/one/best.hdf5" >"$T/nobest/best.hdf5"
hashes "$T/nobest" >"$T/before"
exits "a cut best.hdf5" 3 training "$T/nobest" --manifest "$T/five.yaml" --resume
like "is told with what mends it" "$(cat "$ERR")" \
	"nobest/best.hdf5: cannot be opened, .* or is cut off; last.hdf5 beside it is whole: a copy of $twin as best.hdf5 mends it"
is "nothing was touched" "$(hashes "$T/nobest")" "$(cat "$T/before")"
cp "$T/nobest/$twin" "$T/nobest/best.hdf5"
exits "which it does" 0 training "$T/nobest" --manifest "$T/five.yaml" --resume
same_tree "to the same end" "$T/five" "$T/nobest"
cp -r "$T/one" "$T/nobest2"
rm "$T/nobest2/best.hdf5" "$T/nobest2"/model-*
exits "a best.hdf5 that is gone, without a twin" 3 training "$T/nobest2" --manifest "$T/five.yaml" --resume
like "is told with its epoch" "$(cat "$ERR")" \
	"best.hdf5: does not exist; last.hdf5 beside it is whole, but no numbered checkpoint holds the best epoch, $best: another copy"

# A damaged ledger is made anew, and not in silence.
cp -r "$T/one" "$T/cutledger"
head -n 3 "$T/one/ledger.jsonl" | head -c -9 >"$T/cutledger/ledger.jsonl"
exits "a cut ledger" 0 training "$T/cutledger" --manifest "$T/five.yaml" --resume
like "is told" "$(cat "$ERR")" 'warning: .*cutledger/ledger.jsonl: line 3: is cut short: it is written anew from the checkpoints'
same_tree "and made anew" "$T/five" "$T/cutledger"
cp -r "$T/one" "$T/noledger"
: >"$T/noledger/ledger.jsonl"
exits "an empty ledger" 2 training "$T/noledger" --manifest "$T/five.yaml" --resume
like "is refused as such" "$(cat "$ERR")" 'noledger holds files but an empty ledger.jsonl, allowed is'

# last.hdf5 of another network.
edit 's/^train:/train:\n  model: resunet3d/; s/epochs: 4/epochs: 1/' "$T/other.yaml"
exits "another network" 0 training "$T/other" --manifest "$T/other.yaml"
cp -r "$T/one" "$T/mixed"
cp "$T/other/last.hdf5" "$T/mixed/last.hdf5"
hashes "$T/mixed" >"$T/before"
exits "whose last.hdf5 came into the folder" 2 training "$T/mixed" --manifest "$T/five.yaml" --resume
like "is named" "$(cat "$ERR")" 'train.model is "unet3d", but the training in [^ ]*mixed .1 epochs. has "resunet3d"'
is "and nothing was touched" "$(hashes "$T/mixed")" "$(cat "$T/before")"
if has_python h5py; then
	cp -r "$T/one" "$T/renamed"
	"$PYTHON" -c "import h5py, sys
h5py.File(sys.argv[1], 'r+')['parameters'].move('enc0.conv1.weight', 'enc0.conv9.weight')" "$T/renamed/last.hdf5"
	hashes "$T/renamed" >"$T/before"
	exits "a tensor with another name" 3 training "$T/renamed" --manifest "$T/five.yaml" --resume
	like "is named" "$(cat "$ERR")" 'last.hdf5: has no parameters/enc0.conv1.weight, which the network needs: is of another network'
	is "and nothing was touched" "$(hashes "$T/renamed")" "$(cat "$T/before")"
fi

# A training is days of work: settings that decide weights are not changed under it.
hashes "$T/longer" >"$T/before"
edit 's/rate: 0.003/rate: 0.002/' "$T/rate.yaml"
exits "another learning rate" 2 training "$T/longer" --manifest "$T/rate.yaml" --resume
like "is told with both values and the way on" "$(cat "$ERR")" \
	'--resume: train.learning_rate is 0.002, but the training in [^ ]*longer .4 epochs. has 0.003: --restart replaces it'
edit 's/^train:/train:\n  valid_tiles: 3/' "$T/tiles3.yaml"
exits "other validation tiles, which decide what is best" 2 training "$T/longer" --manifest "$T/tiles3.yaml" --resume
like "are told" "$(cat "$ERR")" 'train.valid_tiles is 3, .* has 0:'
edit 's/^train:/train:\n  class_weight: [1, 2, 3]/' "$T/weights.yaml"
exits "a list" 2 training "$T/longer" --manifest "$T/weights.yaml" --resume
like "is told" "$(cat "$ERR")" 'train.class_weight is .1.0,2.0,3.0., .* has ..:'
exits "another seed" 2 training "$T/longer" --seed 5 --resume
like "is told, too" "$(cat "$ERR")" '--seed is 5, .* has 1:'
sed 's/"tries":[0-9]*/"tries":77/' "$T/tile/ledger.jsonl" >"$T/tile.jsonl"
mv "$T/tile/ledger.jsonl" "$T/tile.was" && cp "$T/tile.jsonl" "$T/tile/ledger.jsonl"
exits "other tiles" 2 training "$T/longer" --resume
like "are told by their hashes, cut but closed" "$(cat "$ERR")" \
	'the ledger of tile is "[0-9a-f]{50,}[.]{3}", .* has "[0-9a-f]{50,}[.]{3}": '
mv "$T/tile.was" "$T/tile/ledger.jsonl"
is "and no file was touched" "$(hashes "$T/longer" | grep -v journal)" "$(cat "$T/before")"

# Those that decide no weight are.
edit 's/checkpoint_every: 2/checkpoint_every: 3\n  checkpoint_names: epoch\n  metrics: [accuracy]/; s/epochs: 4/epochs: 6/' "$T/shown.yaml"
exits "other names and metrics, and two epochs more" 0 training "$T/longer" --manifest "$T/shown.yaml" --resume
like "go on" "$(cat "$ERR")" 'goes on after epoch 4'
is "the checkpoints of before stay" "$(cd "$T/longer" && ls model-* epoch-* | cut -c1-10 | tr '\n' ' ')" "epoch-0006 model-0002 model-0004 "
is "in the ledger" "$(grep -o '"key":"kept[^"]*"' "$T/longer/ledger.jsonl" | tr '\n' ' ')" '"key":"kept-model-0002" "key":"kept-model-0004" '
is "a new column has no number in the epochs before" "$(cut -d, -f10 "$T/longer/model_history_log.csv" | sed 's/0\..*/N/' | tr '\n' ' ')" \
	"val_accuracy nan nan nan nan N N "
exits "six epochs in one go" 0 training "$T/six" --manifest "$T/shown.yaml"
is "have the same weights" "$("$PYTHON" -c "import h5py, sys
f = [h5py.File(p, 'r') for p in sys.argv[1:]]
print(all((f[0]['parameters'][k][()] == f[1]['parameters'][k][()]).all() for k in f[0]['parameters']))" \
	"$T/six/last.hdf5" "$T/longer/last.hdf5")" True
cp "$T/longer/model-0002"* "$T/longer/model-final.hdf5"
cp "$T/one/best.hdf5" "$T/longer/model-0099-0.1234.hdf5"
cp "$T/seed/best.hdf5" "$T/longer/model-0003-0.1234.hdf5"
cp "$T/seed/best.hdf5" "$T/longer/epoch-0002.hdf5"
exits "replaced by a training with another rate" 0 training "$T/longer" --manifest "$T/rate.yaml" --resume --restart
is "it takes its own checkpoints away, and no other file" "$(cd "$T/longer" && ls *.hdf5 | sed 's/-[01]\.[0-9]*\.hdf5//' | sort | tr '\n' ' ')" \
	"best.hdf5 epoch-0002.hdf5 last.hdf5 model-0002 model-0003 model-0004 model-final.hdf5 "

# Files that are not what they were.
head -c 30000 "$T/one/last.hdf5" >"$T/three/last.hdf5"
exits "a cut last.hdf5" 3 training "$T/three" --resume
like "is told" "$(cat "$ERR")" 'last.hdf5: cannot be opened, is no HDF5 file, or is cut off'
cp -r "$T/one" "$T/nolast"
rm "$T/nolast/last.hdf5"
cp "$(ls "$T/one"/model-0004-*.hdf5)" "$T/nolast/best.hdf5"
hashes "$T/nolast" >"$T/before"
exits "a last.hdf5 that was lost" 3 training "$T/nolast" --manifest "$T/five.yaml" --resume
like "is told with what mends it" "$(cat "$ERR")" \
	'last.hdf5 is missing in [^ ]*nolast, whose best.hdf5 holds epoch 4: another copy .* a copy of best.hdf5 under that name goes on'
is "and nothing was touched" "$(hashes "$T/nolast")" "$(cat "$T/before")"
cp "$T/seed/best.hdf5" "$T/again/best.hdf5"
exits "a best.hdf5 of another training" 3 training "$T/again" --resume
like "is not gone on with" "$(cat "$ERR")" 'best.hdf5: is of another training than last.hdf5'

# Numbers in the history that no training writes: files are named by them.
if has_python h5py numpy; then
	cp -r "$T/one" "$T/nanrow"
	"$PYTHON" -c "import h5py, sys
f = h5py.File(sys.argv[1], 'r+'); h = f['history']; v = h[()]; v[0, 3] = float('nan'); h[...] = v" "$T/nanrow/last.hdf5"
	hashes "$T/nanrow" >"$T/before"
	exits "a history with a hole" 3 training "$T/nanrow" --manifest "$T/five.yaml" --resume
	like "is refused" "$(cat "$ERR")" 'last.hdf5: history, row 0: found 1, .*, nan, .* allowed is epoch 1 and numbers that are finite'
	is "and nothing was touched" "$(hashes "$T/nanrow" | grep -v journal)" "$(cat "$T/before")"
	cp -r "$T/one" "$T/two_schema"
	for f in "$T/two_schema"/*.hdf5; do
		"$PYTHON" -c "import h5py, numpy, sys
f = h5py.File(sys.argv[1], 'r+'); h = f['history'][()]
n = f.attrs['history_columns'] if 'history_columns' in f.attrs else None
del f['history'], f.attrs['settings'], f.attrs['schema']
f['history'] = h; f.attrs['schema'] = numpy.bytes_('scanmill-checkpoint 2')" "$f"
	done
	exits "a training of an earlier version of the format" 2 training "$T/two_schema" --manifest "$T/rate.yaml" --resume
	like "is told to be one" "$(cat "$ERR")" 'is of another version of this program: --restart'
fi

cp -r "$T/tile" "$T/tile2"
first=$(ls "$T/tile2"/*.h5 | head -n 1)
for f in "$T/tile2"/*.h5; do [ "$f" = "$first" ] || cp "$first" "$f"; done
exits "tiles of another case under a name" 3 sm train --manifest "$T/m.yaml" --in "$T/tile2" --split "$T/split" --out "$T/bad"
like "are told" "$(cat "$ERR")" 'content is not what the ledger of tile says: run tile again'
ok "and leave no checkpoint" test ! -e "$T/bad/last.hdf5"

# What cannot be trained.
sed 's/"fold":"valid"/"fold":"test"/' "$T/split/ledger.jsonl" >"$T/novalid.jsonl"
exits "a fold without tiles" 3 training "$T/bad" --split "$T/novalid.jsonl"
like "is told" "$(cat "$ERR")" 'fold valid: has 0 tiles, needed is at least 1'
edit 's/epochs: 4/epochs: 2/; s/^train:/train:\n  valid_fold: train/' "$T/ontrain.yaml"
exits "validation on the training tiles" 0 training "$T/bad" --split "$T/novalid.jsonl" --manifest "$T/ontrain.yaml"
like "is possible, with a warning" "$(cat "$ERR")" 'validation runs on the training tiles'
exits "no split" 2 sm train --manifest "$T/m.yaml" --in "$T/tile" --out "$T/bad"
edit 's/^train:/train:\n  model: unet4d/' "$T/model.yaml"
exits "an unknown model" 2 training "$T/bad" --manifest "$T/model.yaml"
like "is told with those that are known" "$(cat "$ERR")" "train.model: found 'unet4d', allowed is one of unet3d"
edit 's/dice_bce/hinge/' "$T/loss.yaml"
exits "an unknown loss" 2 training "$T/bad" --manifest "$T/loss.yaml"
like "is told with those that are known" "$(cat "$ERR")" "train.loss: found 'hinge', allowed is one of soft_dice.dice"
edit 's/^train:/train:\n  optimiser: lion/' "$T/optimiser.yaml"
exits "an unknown optimiser" 2 training "$T/bad" --manifest "$T/optimiser.yaml"
like "is told with those that are known" "$(cat "$ERR")" "train.optimiser: found 'lion', allowed is one of adam.adamw.sgd"
cp -r "$T/tile" "$T/tile20"
sed 's/"size":\[16,16,8\]/"size":[16,20,8]/' "$T/tile/ledger.jsonl" >"$T/tile20/ledger.jsonl"
rm "$T/tile20"/*.h5
exits "tiles of a size that the model cannot take" 2 sm train --manifest "$T/m.yaml" --in "$T/tile20" --split "$T/split" --out "$T/bad"
like "are refused before one is read" "$(cat "$ERR")" \
	'train: model unet3d: input size H is 20, must be a multiple of 8'
edit 's/^train:/train:\n  classes: 2/' "$T/classes.yaml"
exits "labels above the classes" 3 training "$T/refused" --manifest "$T/classes.yaml"
like "are told" "$(cat "$ERR")" 'holds label 3, allowed are 0 to 2'
ok "and leave no folder" test ! -e "$T/refused"
exits "too little memory" 3 training "$T/bad" --memory 12
like "is told before anything is trained" "$(cat "$ERR")" 'needs [0-9]+ MiB, [0-9]+ MiB are allowed'
edit 's/rate: 0.003/rate: 10/; s/^train:/train:\n  optimiser: sgd/' "$T/nan.yaml"
exits "a loss that is not finite" 3 training "$T/nan" --manifest "$T/nan.yaml"
like "stops with a sentence" "$(cat "$ERR")" 'the (loss|gradient) is not finite at step [0-9]+ of epoch 1, first in the [a-z]+ .*no checkpoint was written yet'
# Samples that no network can take are named; a lower rate would not help.
if has_python nibabel numpy; then
	cp -r "$T/preprocess" "$T/hugein"
	for huge_key in $(grep '"fold":"train"' "$T/split/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/'); do
		"$PYTHON" - "$T/hugein" "$huge_key" <<'END'
import gzip, hashlib, sys, numpy as np, nibabel as nib
folder, key = sys.argv[1:]
path = f"{folder}/{key}/image.nii.gz"
v = nib.load(path)
x = np.asarray(v.dataobj).astype(np.float32)
old = hashlib.sha256(gzip.open(path).read()).hexdigest()
x[..., 0] = np.where(x[..., 0] != 0, 3e38, 0)
nib.save(nib.Nifti1Image(x, v.affine), path)
new = hashlib.sha256(gzip.open(path).read()).hexdigest()
text = open(f"{folder}/ledger.jsonl").read().replace(old, new)
open(f"{folder}/ledger.jsonl", "w").write(text)
END
	done
	edit 's/^tile: {/tile: {standardise: none, /' "$T/huge.yaml"
	exits "huge values" 0 sm tile --manifest "$T/huge.yaml" --in "$T/hugein" --out "$T/hugetile"
	exits "cannot be trained on" 3 sm train --manifest "$T/huge.yaml" --in "$T/hugetile" --split "$T/split" --out "$T/hugeout"
	like "which names the case" "$(cat "$ERR")" 'a sample of case [A-Za-z0-9_]+ holds values of up to 3e.38'
	unlike "and no rate" "$(cat "$ERR")" 'learning_rate'
fi
ok "and without a folder" test ! -e "$T/nan"
cp -r "$T/one" "$T/nanover"
exits "in place of an earlier training" 3 training "$T/nanover" --manifest "$T/nan.yaml" --resume --restart
is "it leaves that as it was" "$(hashes "$T/nanover")" "$(hashes "$T/one")"
cp -r "$T/one" "$T/fullover"
exits "a full disk in place of an earlier training" 4 full_disk training "$T/fullover" --manifest "$T/rate.yaml" --resume --restart
is "leaves that as it was, too" "$(hashes "$T/fullover")" "$(hashes "$T/one")"
is "and nothing half written" "$(ls -A "$T/fullover")" "$(ls -A "$T/one")"
exits "which can still be replaced" 0 training "$T/fullover" --manifest "$T/rate.yaml" --resume --restart
exits "by the same bytes" 0 training "$T/ratenew" --manifest "$T/rate.yaml"
is "as in an empty folder" "$(hashes "$T/fullover" | grep hdf5)" "$(hashes "$T/ratenew" | grep hdf5)"
edit 's/rate: 0.003/rate: 10/; s/steps_per_epoch: 0/steps_per_epoch: 2/; s/^train:/train:\n  optimiser: sgd\n  weight_decay: 10\n  ema: 0.5/' \
	"$T/nanema.yaml"
sed -i 's/epochs: 4/epochs: 40/' "$T/nanema.yaml"
exits "while the average is validated" 3 training "$T/nanema" --manifest "$T/nanema.yaml"
like "too, with the layer" "$(cat "$ERR")" 'validation loss is not finite at step [0-9]+ of epoch [0-9]+, first in the (output|parameter) '
exits "a full disk" 4 full_disk training "$T/full"
like "is told" "$(cat "$ERR")" 'hdf5: cannot be written: File too large'
is "and leaves nothing that is not whole" "$(ls "$T/full" | wc -l | tr -d ' ')" 0
exits "dry run" 0 training "$T/dry" --dry-run
ok "writes nothing" test ! -e "$T/dry"

if has_python h5py numpy; then
	ok "h5py reads a checkpoint" "$PYTHON" - "$T/one" "$T/split" <<'END'
import glob, hashlib, json, sys, h5py, numpy
for path in glob.glob(sys.argv[1] + "/*.hdf5"):
    f = h5py.File(path, "r")
    meta = json.loads(f.attrs["meta"])
    assert meta["model"] == "unet3d" and meta["channels"] == ["flair", "t1ce", "t1", "t2"]
    assert meta["task"]["head"] == "sigmoid" and [c["labels"] for c in meta["task"]["channels"]] == [[1], [2], [3]]
    assert meta["tile_size"] == [16, 16, 8] and meta["in_channels"] == 4 and meta["optimiser"] == "adam"
    split = hashlib.sha256(open(sys.argv[2] + "/ledger.jsonl", "rb").read()).hexdigest()
    assert meta["split"] == split
    p = f["parameters"]
    assert p["enc0.conv1.weight"].shape == (2, 4, 3, 3, 3) and p["head.weight"].shape == (3, 4, 1, 1, 1)
    assert sum(d.size for d in p.values()) == meta["parameters"]
    assert all(f["optimiser/adam.m"][k].shape == d.shape for k, d in p.items())
    assert f["history"].shape == (meta["epoch"], 9)
    assert meta["best_val_loss"] == f["history"][:, 3].min()
END
else
	skip "h5py reads a checkpoint" "no h5py"
fi
done_testing
