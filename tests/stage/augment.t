#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Training with augmentation: told, the same bits with other threads and after a kill, another
# training when its settings change.
. "$(dirname "$0")/../lib.sh"
needs train
. "$SM_ROOT/tests/stage/tiny.sh"

exits "without augmentation" 0 training "$T/plain"
edit 's/^train:/train:\n  augment: nnunet/' "$T/nnunet.yaml"
exits "nnU-Net's preset" 0 training "$T/one" --manifest "$T/nnunet.yaml"
like "is told" "$(cat "$ERR")" 'training samples are augmented: rotation, scaling, flip, gaussian_noise, .*gamma, gamma'
like "with the wait for tiles" "$(cat "$ERR")" 'waited [0-9.]+ s for tiles, [0-9.]+ % of the training'
isnt "it changes what is learnt" "$(hashes "$T/plain" | grep last)" "$(hashes "$T/one" | grep last)"
exits "with two threads" 0 training "$T/two" --manifest "$T/nnunet.yaml" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"

sed 's/epochs: 4/epochs: 2/' "$T/nnunet.yaml" >"$T/short.yaml"
exits "half of the epochs" 0 training "$T/longer" --manifest "$T/short.yaml"
exits "then the rest" 0 training "$T/longer" --manifest "$T/nnunet.yaml" --resume
like "goes on" "$(cat "$ERR")" 'goes on after epoch 2'
same_tree "and has the same bytes as one that never stopped" "$T/one" "$T/longer"

edit 's/^train:/train:\n  augmentations:\n    - {rotation: {degrees: 30, p: 0.2}}\n    - gaussian_noise: {p: 0.5}/' "$T/list.yaml"
exits "a list" 2 training "$T/longer" --manifest "$T/list.yaml" --resume
like "is another training" "$(cat "$ERR")" '--resume: train.augment is "none", but the training in .* has "nnunet": --restart'
exits "which takes its place when asked to" 0 training "$T/longer" --manifest "$T/list.yaml" --restart
like "and stands in the ledger" "$(head -n 1 "$T/longer/ledger.jsonl")" '"augmentations":\[\{"rotation":\{"axes":"auto","degrees":30'
edit 's/^train:/train:\n  augmentations: [{scaling: {range: [1.4, 0.7]}}]/' "$T/wrong.yaml"
exits "a range the wrong way round" 2 training "$T/wrong" --manifest "$T/wrong.yaml"
like "is refused" "$(cat "$ERR")" 'scaling.*range: found 1.4 to 0.7, allowed is the lower number first'


needs preview
preview() {
	sm preview --manifest "$T/nnunet.yaml" --in "$T/tile" --split "$T/split" "$@"
}
exits "pictures of the first samples" 0 preview --out "$T/pictures" --count 3
is "are there" "$(cd "$T/pictures" && ls | tr '\n' ' ')" "preview-0001.png preview-0002.png preview-0003.png "
exits "the same again" 0 preview --out "$T/pictures2" --count 3
ok "gives the same bytes" cmp -s "$T/pictures/preview-0001.png" "$T/pictures2/preview-0001.png"
exits "another epoch" 0 preview --out "$T/pictures3" --count 3 --epoch 2
not_ok "gives others" cmp -s "$T/pictures/preview-0001.png" "$T/pictures3/preview-0001.png"
exits "without a split" 2 sm preview --manifest "$T/nnunet.yaml" --in "$T/tile" --out "$T/none"

done_testing
