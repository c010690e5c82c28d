#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tiles straight from the volumes of preprocess, without stage tile.
. "$(dirname "$0")/../lib.sh"
needs train predict
. "$SM_ROOT/tests/stage/tiny.sh"

# volumes OUT ARGS...: a training whose --in is the folder of preprocess.
volumes() {
	volumes_out=$1
	shift
	training "$volumes_out" --in "$T/preprocess" "$@"
}
# row N CSV: the history's row of epoch N.
row() {
	sed -n "$(($1 + 1))p" "$2"
}

exits "a training on tiles" 0 training "$T/tiles"
exits "one on volumes" 0 volumes "$T/volumes"
like "says what it cuts tiles from" "$(cat "$ERR")" '24 training tiles|16 training tiles'
csv=model_history_log.csv
is "sees in its first epoch the tiles that stage tile cut" "$(row 1 "$T/volumes/$csv")" "$(row 1 "$T/tiles/$csv")"
isnt "and others in the second" "$(row 2 "$T/volumes/$csv" | cut -d, -f2)" "$(row 2 "$T/tiles/$csv" | cut -d, -f2)"
like "its ledger holds the section tile" "$(head -n 1 "$T/volumes/ledger.jsonl")" '"manifest":\{"tile":\{.*"size":\[16,16,8\]'
like "and its parent" "$(head -n 1 "$T/volumes/ledger.jsonl")" '"parents":\{"preprocess":"[0-9a-f]{64}"'
exits "two threads" 0 volumes "$T/threads" --jobs 2
same_tree "give the same bytes" "$T/volumes" "$T/threads"
exits "two epochs" 0 volumes "$T/longer" --manifest "$(edit 's/epochs: 4/epochs: 2/' "$T/two.yaml" && echo "$T/two.yaml")"
exits "made longer" 0 volumes "$T/longer" --resume
same_tree "have the bytes of one that never stopped" "$T/volumes" "$T/longer"
edit 's/^tile: {/tile: {seed: 2, /' "$T/seed.yaml"
exits "another seed of section tile" 0 volumes "$T/seed" --manifest "$T/seed.yaml"
isnt "draws other tiles" "$(row 1 "$T/seed/$csv")" "$(row 1 "$T/volumes/$csv")"
exits "is refused with --resume" 2 volumes "$T/volumes" --manifest "$T/seed.yaml" --resume
like "with its name" "$(cat "$ERR")" 'tile\.seed is 2, but the training .* has 1'
edit 's/^tile: {/tile: {layout: files, /' "$T/layout.yaml"
exits "how stage tile would write them does not count" 0 volumes "$T/volumes" --manifest "$T/layout.yaml" --resume
is "and no file stays behind in the temporary folder" "$(TMPDIR=$T/tmp && mkdir -p "$TMPDIR" && export TMPDIR &&
	volumes "$T/temporary" >/dev/null 2>&1 && ls -A "$TMPDIR")" ""

# A rule that draws nothing: every epoch is that of the tiles.
for rule in 'size: [16, 16, 8], rule: grid, overlap: 0.25' 'size: [40, 16, 24], rule: grid, small: pad' \
	'size: [16, 16, 8], per_case: 8, rule: balanced, class_shares: [0.25, 0.25, 0.25, 0.25]'; do
	edit "s/^tile: .*/tile: {$rule}/" "$T/rule.yaml"
	rm -rf "$T/ruletile" "$T/fromtiles" "$T/fromvolumes"
	exits "stage tile, $rule" 0 sm tile --manifest "$T/rule.yaml" --in "$T/preprocess" --out "$T/ruletile"
	exits "a training on its tiles" 0 training "$T/fromtiles" --manifest "$T/rule.yaml" --in "$T/ruletile"
	exits "and on volumes" 0 volumes "$T/fromvolumes" --manifest "$T/rule.yaml"
	case $rule in
	*grid*) ok "have the same history" cmp "$T/fromtiles/$csv" "$T/fromvolumes/$csv" ;;
	*) is "have the same first epoch" "$(row 1 "$T/fromvolumes/$csv")" "$(row 1 "$T/fromtiles/$csv")" ;;
	esac
done

edit 's/^train:/train:\n  valid_volumes: 4/' "$T/whole.yaml"
exits "validation on whole volumes needs no --volumes" 0 volumes "$T/whole" --manifest "$T/whole.yaml"
like "and is in the fourth epoch" "$(row 4 "$T/whole/$csv" | cut -d, -f9-12)" '^[0-9.]+,[0-9.]+,[0-9.]+,[0-9.]+$'
is "alone" "$(row 3 "$T/whole/$csv" | cut -d, -f9-12)" nan,nan,nan,nan
exits "predict takes the network" 0 sm predict --manifest "$T/m.yaml" --in "$T/preprocess" --split "$T/split" \
	--model "$T/volumes" --out "$T/predict"

# What is refused.
refuses() {
	name=$1 code=$2 text=$3
	shift 3
	exits "$name" "$code" "$@"
	like "$name: the sentence" "$(tail -n 1 "$ERR")" "$text"
	ok "$name: no folder" test ! -e "$T/refused"
}
edit 's/^train:/train:\n  classes: 1\n  head: softmax/; s/loss: dice_bce/loss: dice_ce/' "$T/classes.yaml"
refuses "a label outside the classes" 3 'BraTS20_Training_00[0-9].*holds label [23], allowed are 0 to 1' \
	volumes "$T/refused" --manifest "$T/classes.yaml"
edit 's/size: \[16, 16, 8\]/size: [16, 16, 32]/' "$T/small.yaml"
refuses "a case smaller than a tile" 3 'has 16 voxels along z, a tile needs 32 \(tile.small: pad adds zeros\)' \
	volumes "$T/refused" --manifest "$T/small.yaml"
edit 's/- relabel: {from: \[4\], to: \[3\]}/&\n    - normalise: {method: zscore}/' "$T/z.yaml"
run sm preprocess --manifest "$T/z.yaml" --in "$T/ingest" --out "$T/zscored"
refuses "validation on other volumes" 3 '--volumes: .*zscored is not the folder of preprocess that the samples in .* come from' \
	volumes "$T/refused" --manifest "$T/whole.yaml" --volumes "$T/zscored"
refuses "also beside tiles" 3 '--volumes: .*zscored is not the folder of preprocess' \
	training "$T/refused" --manifest "$T/whole.yaml" --volumes "$T/zscored"
edit 's/^train:/dataset: slice\ntrain:/' "$T/slice.yaml"
refuses "volumes for slices" 3 "was written by stage 'preprocess', needed is 'slice'" \
	volumes "$T/refused" --manifest "$T/slice.yaml"
TMPDIR=$T/nowhere
export TMPDIR
refuses "no temporary folder" 4 'nowhere: no file can be made there: No such file' volumes "$T/refused"
unset TMPDIR
refuses "a full disk" 4 'BraTS20_Training_00[0-9]: temporary folder: writing failed: File too large' \
	full_disk volumes "$T/refused"
cp -r "$T/preprocess" "$T/kept"
first=$(find "$T/preprocess" -name image.nii.gz | sort | head -n 1)
last=$(find "$T/preprocess" -name image.nii.gz | sort | tail -n 1)
cp "$last" "$first"
refuses "an image of another content" 3 'image.nii.gz.*preprocess' volumes "$T/refused"
rm -r "$T/preprocess"
mv "$T/kept" "$T/preprocess"
done_testing
