#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs train
. "$SM_ROOT/tests/stage/tiny.sh"

exits "a training" 0 training "$T/one"
like "tells its parameters and memory" "$(cat "$ERR")" 'unet3d: [0-9]+ parameters; memory forecast [0-9]+ MiB'
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
exits "a best.hdf5 of another epoch" 0 training "$T/longer" --resume
like "starts from the beginning" "$(cat "$ERR")" 'replaced: its best.hdf5 is of another training'
same_tree "with the same end" "$T/one" "$T/longer"

edit 's/rate: 0.003/rate: 0.002/' "$T/rate.yaml"
exits "other settings" 0 training "$T/longer" --manifest "$T/rate.yaml" --resume
like "start from the beginning, with a warning" "$(cat "$ERR")" 'is replaced: its settings or tiles were others'
is "and leave no checkpoint of before" "$(find "$T/longer" -name "*hdf5" | wc -l)" 4

# Files that are not what they were.
head -c 30000 "$T/one/last.hdf5" >"$T/three/last.hdf5"
exits "a cut last.hdf5" 3 training "$T/three" --resume
like "is told" "$(cat "$ERR")" 'last.hdf5: cannot be opened, is no HDF5 file, or is cut off'
cp "$T/seed/best.hdf5" "$T/again/best.hdf5"
exits "a best.hdf5 of another training" 0 training "$T/again" --resume
like "is not gone on with" "$(cat "$ERR")" 'replaced: its best.hdf5 is of another training'
same_tree "but trained again" "$T/one" "$T/again"

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
exits "labels above the classes" 3 training "$T/bad" --manifest "$T/classes.yaml"
like "are told" "$(cat "$ERR")" 'holds label 3, allowed are 0 to 2'
exits "too little memory" 3 training "$T/bad" --memory 12
like "is told before anything is trained" "$(cat "$ERR")" 'needs [0-9]+ MiB, [0-9]+ MiB are allowed'
edit 's/rate: 0.003/rate: 10/; s/^train:/train:\n  optimiser: sgd/' "$T/nan.yaml"
exits "a loss that is not finite" 3 training "$T/nan" --manifest "$T/nan.yaml"
like "stops with a sentence" "$(cat "$ERR")" 'the (loss|gradient) is not finite at step [0-9]+ of epoch 1, first in the [a-z]+ .*no checkpoint was written yet'
ok "and without a ledger" test ! -e "$T/nan/ledger.jsonl"
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
