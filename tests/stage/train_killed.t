#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each network, killed five times at moments that chance picks: the same bytes as one that was never killed.
# (unet2d with all that has a state is in train_options.t.)
. "$(dirname "$0")/../lib.sh"
needs train
. "$SM_ROOT/tests/stage/tiny.sh"

EPOCHS=16
# chance N: a number from 0 to N - 1.
chance() {
	echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}

# epochs_done: how many the log counts by now.
epochs_done() {
	grep -c "epoch [0-9]* of $EPOCHS: loss" "$T/killed.log"
}

# killed_once: a run that is killed some milliseconds after its first epoch.
killed_once() {
	before=$(epochs_done)
	training_only --out "$T/killed" --resume >/dev/null 2>>"$T/killed.log" &
	pid=$!
	waits=0
	while [ "$(epochs_done)" -eq "$before" ] && [ $waits -lt 3000 ] && kill -0 $pid 2>/dev/null; do
		waits=$((waits + 1))
		sleep 0.01
	done
	wait_ms=$(chance 40)
	sleep "$(printf '0.%03d' "$wait_ms")"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $? -eq 137 ]
}

# The program takes the shell's place, so that the kill is its own.
training_only() {
	exec "$SM_BIN/scanmill-train" --manifest "$T/with.yaml" --in "$tiles" --split "$T/split" --jobs 1 "$@"
}

for model in unet2d resunet3d vnet nnunet3d; do
	sed "s/^train:/&\n  model: $model/; s/epochs: 4/epochs: $EPOCHS/; s/steps_per_epoch: 0/steps_per_epoch: 2/
		s/checkpoint_every: 2/checkpoint_every: 3/" "$T/m.yaml" >"$T/with.yaml"
	[ $model = nnunet3d ] && sed -i 's/loss: dice_bce/loss: dice_ce/' "$T/with.yaml"
	rm -rf "$T/whole" "$T/killed" "$T/killed.log"
	: >"$T/killed.log"
	tiles=$T/tile
	if [ $model = vnet ]; then # wants 16 planes
		tiles=$T/deep
		sed 's/size: \[16, 16, 8\], per_case: 8/size: [16, 16, 16], per_case: 4/' "$T/m.yaml" >"$T/deep.yaml"
		run sm tile --manifest "$T/deep.yaml" --in "$T/preprocess" --out "$T/deep"
	fi
	exits "$model undisturbed" 0 sm train --manifest "$T/with.yaml" --in "$tiles" --split "$T/split" --jobs 1 --out "$T/whole"
	kills=0
	tries=0
	moments=
	while [ $kills -lt 5 ] && [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		# One that reached its end before the fifth kill begins once more.
		[ ! -e "$T/killed/ledger.jsonl" ] || rm -rf "$T/killed"
		killed_once && kills=$((kills + 1)) && moments="$moments $wait_ms"
	done
	is "$model was killed five times" $kills 5
	diag "$model: killed$moments ms after the first epoch of a run"
	exits "$model goes on" 0 sm train --manifest "$T/with.yaml" --in "$tiles" --split "$T/split" --jobs 1 --out "$T/killed" \
		--resume
	same_tree "$model ends with the same bytes" "$T/whole" "$T/killed"
	like "$model was gone on with" "$(cat "$T/killed.log" "$ERR")" 'goes on after epoch [0-9]+'
done
done_testing
