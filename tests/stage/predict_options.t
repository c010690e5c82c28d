#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Further ways to predict: one case, several checkpoints, mirrors, parts removed, pictures, slices, limits.
. "$(dirname "$0")/../lib.sh"
needs train predict slice
. "$SM_ROOT/tests/stage/tiny.sh"
run training "$T/train"
[ "$CODE" -eq 0 ] || fail_all "the training failed: $(cat "$ERR")"

# with OUT PREDICT-SECTION ARGS...: all cases by the manifest with this section
with() {
	with_out=$1
	printf 'predict: {fold: all, seen: allow, %s}\n' "$2" | cat "$T/m.yaml" - >"$T/with.yaml"
	shift 2
	case " $* " in *" --in "*) ;; *) set -- --in "$T/preprocess" "$@" ;; esac
	sm predict --manifest "$T/with.yaml" --model "$T/train" --out "$with_out" "$@"
}
key=$(grep '"fold":"test"' "$T/split/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/')
trained=$(grep '"fold":"train"' "$T/split/ledger.jsonl" | head -n 1 | sed 's/.*"key":"\([^"]*\)".*/\1/')

# ---- one case
exits "all cases" 0 with "$T/all" "threshold: 0.5" --probabilities --jobs 2
exits "one case" 0 with "$T/one" "threshold: 0.5" --case "$trained"
is "is one volume" "$(ls "$T/one" | grep nii)" "$trained.nii.gz"
is "the same as among all" "$(sha256sum <"$T/one/$trained.nii.gz")" "$(sha256sum <"$T/all/$trained.nii.gz")"
like "the others are listed" "$(head -n 1 "$T/one/ledger.jsonl")" '"not_asked":\["[^]]*,[^]]*,[^]]*\]'
like "that the network was trained on it, too" "$(tail -n 1 "$T/one/ledger.jsonl")" '"trained_on_by":\["best.hdf5"\]'
unlike "only of those that it was" "$(grep "\"key\":\"$key\"" "$T/all/ledger.jsonl")" 'trained_on_by'
# A case that a network was trained on is no test of it, whatever its fold is called.
exits "one of fold train, without a split" 3 sm predict --manifest "$T/m.yaml" --in "$T/preprocess" \
	--model "$T/train" --out "$T/one2" --case "$trained"
like "is rejected" "$(cat "$T/one2/ledger.jsonl")" 'best.hdf5 was trained on it, .*predict.seen: allow'
sed '$a predict: {fold: train}' "$T/m.yaml" >"$T/seen.yaml"
exits "fold train" 3 sm predict --manifest "$T/seen.yaml" --in "$T/preprocess" --split "$T/split" \
	--checkpoint "$T/train/best.hdf5" --out "$T/one3"
exits "dry run foresees it" 0 sm predict --manifest "$T/seen.yaml" --in "$T/preprocess" --split "$T/split" \
	--checkpoint "$T/train/best.hdf5" --out "$T/one4" --dry-run
like "case by case" "$(cat "$ERR")" '0 would be made, 2 would be refused'
exits "an unknown case" 2 with "$T/bad" "threshold: 0.5" --case nobody
like "is told" "$(cat "$ERR")" "case: found 'nobody'"

# ---- several checkpoints
best="$T/train/best.hdf5"
exits "one checkpoint three times" 0 sm predict --manifest "$T/with.yaml" --in "$T/preprocess" --out "$T/thrice" \
	--checkpoint "$best,$best,$best" --probabilities
is "labels as of one" "$(hashes "$T/thrice" | grep nii | grep -v prob)" "$(hashes "$T/all" | grep nii | grep -v prob)"
like "all stand in the ledger" "$(tail -n 1 "$T/thrice/ledger.jsonl")" 'best.hdf5.*best.hdf5.*best.hdf5'
second=$(ls "$T"/train/model-0002-*.hdf5)
exits "an early and the last one" 0 sm predict --manifest "$T/with.yaml" --in "$T/preprocess" --out "$T/mean" \
	--checkpoint "$second,$T/train/last.hdf5" --probabilities --jobs 1
exits "on two threads" 0 sm predict --manifest "$T/with.yaml" --in "$T/preprocess" --out "$T/mean2" \
	--checkpoint "$second,$T/train/last.hdf5" --probabilities --jobs 2
is "the same bits" "$(hashes "$T/mean" | grep nii)" "$(hashes "$T/mean2" | grep nii)"
sed 's/width: 0.0625/width: 0.03125/' "$T/m.yaml" >"$T/narrow.yaml"
exits "another network" 0 training "$T/narrow" --manifest "$T/narrow.yaml"
exits "does not go with the first" 3 sm predict --manifest "$T/with.yaml" --in "$T/preprocess" --out "$T/bad" \
	--checkpoint "$best,$T/narrow/best.hdf5"
like "which is told" "$(cat "$ERR")" 'has another width than the first checkpoint'

# ---- folds of a cross validation
sed 's/^split: .*/split: {folds: 2}/; s/epochs: 4/epochs: 2/' "$T/m.yaml" >"$T/k.yaml"
exits "a split with folds" 0 sm split --manifest "$T/k.yaml" --in "$T/preprocess" --out "$T/ksplit"
exits "all of them trained" 0 sm train --manifest "$T/k.yaml" --in "$T/tile" --split "$T/ksplit" --out "$T/k" --fold all
forecasts=$(sed -n 's/.*memory forecast \([0-9]*\) MiB.*/\1/p' "$ERR" | sort -u | wc -l)
is "each fold's memory is forecast alike" "$forecasts" 1
# folds OUT PREDICT-SECTION ARGS...
folds() {
	folds_out=$1
	sed "\$a predict: {$2}" "$T/k.yaml" >"$T/kp.yaml"
	shift 2
	case " $* " in *" --checkpoint "* | *" --model "*) ;; *) set -- --model "$T/k" "$@" ;; esac
	sm predict --manifest "$T/kp.yaml" --in "$T/preprocess" --split "$T/ksplit" --out "$folds_out" "$@"
}
exits "the mean over fold test" 3 folds "$T/kbad" "fold: test"
like "is none of networks that did not see it" "$(cat "$T/kbad/ledger.jsonl")" \
	'1 of the 2 checkpoints \(fold1/best.hdf5\) were trained on it, .*predict.fold: cross_validation'
exits "unless allowed" 0 folds "$T/kpred" "fold: test, seen: allow"
like "as the mean of all" "$(cat "$ERR")" 'mean of 2 checkpoints'
like "which the ledger names" "$(tail -n 1 "$T/kpred/ledger.jsonl")" 'fold0/best.hdf5.*fold1/best.hdf5.*"trained_on_by":\["fold1/best.hdf5"\]'
exits "each case by the network that did not see it" 0 folds "$T/kout" "fold: cross_validation" --probabilities --jobs 2
is "all four of them" "$(find "$T/kout" -name '*.nii.gz' ! -name '*prob*' | wc -l | tr -d ' ')" 4
for f in 0 1; do
	exits "by one network alone" 0 folds "$T/kout$f" "fold: cross_validation" --probabilities --jobs 1 \
		--checkpoint "$T/k/fold$f/best.hdf5"
	is "are the cases of its fold" "$(cd "$T/kout$f" && ls ./*.nii.gz | grep -v prob | tr -cd '0-9\n' | sort)" \
		"$(grep "\"fold_index\":$f" "$T/ksplit/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/' | tr -cd '0-9\n' | sort)"
done
is "with the same bits" "$( (hashes "$T/kout0"; hashes "$T/kout1") | grep nii | sort)" "$(hashes "$T/kout" | grep nii | sort)"
unlike "none was trained on its case" "$(cat "$T/kout/ledger.jsonl")" 'trained_on_by'
exits "a network without folds" 2 sm predict --manifest "$T/kp.yaml" --in "$T/preprocess" --split "$T/split" --out "$T/bad" --model "$T/train"
like "is told" "$(cat "$ERR")" 'predict.fold: found cross_validation, but best.hdf5 was not trained on k folds'
# A fixed test list beside the folds: no network saw it, all of them predict it.
held=$(sed -n 's/.*"key":"\([^"]*\)".*/\1/p' "$T/ksplit/ledger.jsonl" | head -n 1)
sed -i "s/^split: .*/split: {folds: 2, test_cases: [$held]}/" "$T/k.yaml"
exits "a split with folds and a test list" 0 sm split --manifest "$T/k.yaml" --in "$T/preprocess" --out "$T/ksplit"
exits "is trained" 0 sm train --manifest "$T/k.yaml" --in "$T/tile" --split "$T/ksplit" --out "$T/kheld" --fold all
exits "one fold alone" 0 sm train --manifest "$T/k.yaml" --in "$T/tile" --split "$T/ksplit" --out "$T/kheld1" --fold 1
is "with the same bits" "$(sha256sum <"$T/kheld1/last.hdf5")" "$(sha256sum <"$T/kheld/fold1/last.hdf5")"
exits "its test list" 0 folds "$T/kheld_test" "fold: test" --model "$T/kheld"
is "is predicted" "$(ls "$T/kheld_test" | grep nii)" "$held.nii.gz"
like "by the mean of all" "$(cat "$ERR")" 'mean of 2 checkpoints'
unlike "none of which was trained on it" "$(cat "$T/kheld_test/ledger.jsonl")" 'trained_on_by'
exits "and the folds" 0 folds "$T/kheld_folds" "fold: cross_validation" --model "$T/kheld"
is "without it" "$(ls "$T/kheld_folds" | grep -c "nii")" 3
unlike "by name" "$(ls "$T/kheld_folds")" "$held"
like "which is said" "$(cat "$ERR")" '1 cases of the test list beside the folds are left out: predict.fold: test'
like "and listed" "$(head -n 1 "$T/kheld_folds/ledger.jsonl")" "\"other_folds\":\[\"$held\"\]"
exits "asked for by name, it" 2 folds "$T/kbad2" "fold: cross_validation" --model "$T/kheld" --case "$held"
like "is no case of a fold" "$(cat "$ERR")" "allowed are the good cases of preprocess that a fold holds"
exits "a folder of one fold" 3 folds "$T/kbad2" "fold: test" --model "$T/k/fold0"
like "is no --model" "$(cat "$ERR")" 'fold0 is one fold of a training: give the folder above it, or --checkpoint .*fold0/best.hdf5'
not_ok "and no folder is left" test -e "$T/kbad2"

# ---- mirrors
exits "mirrored" 0 with "$T/mirror" "mirror: xyz" --probabilities --case "$key"
isnt "gives other probabilities" "$(hashes "$T/mirror" | grep prob)" "$(hashes "$T/all" | grep "${key}_prob")"
exits "on another number of threads" 0 with "$T/mirror2" "mirror: xyz" --probabilities --case "$key" --jobs 1
is "the same" "$(hashes "$T/mirror" | grep nii)" "$(hashes "$T/mirror2" | grep nii)"

# ---- bfloat16 between the operators; a CPU without it says so
if grep -q avx512bw /proc/cpuinfo; then
	exits "bf16" 0 with "$T/half" "precision: bf16" --probabilities --case "$key" --jobs 2
	isnt "gives other probabilities" "$(hashes "$T/half" | grep prob)" "$(hashes "$T/all" | grep "${key}_prob")"
	like "which the ledger tells" "$(head -n 1 "$T/half/ledger.jsonl")" '"precision":"bf16"'
	exits "on one thread" 0 with "$T/half2" "precision: bf16" --probabilities --case "$key" --jobs 1
	is "the same" "$(hashes "$T/half" | grep nii)" "$(hashes "$T/half2" | grep nii)"
fi

# ---- parts
exits "cleaned" 0 with "$T/clean" "threshold: 0.3, clean: [{labels: [1, 2, 3], largest: true}, {region: '2', min_size: 20, unit: mm3, neighbours: 6}]"
exits "the same without" 0 with "$T/plain" "threshold: 0.3"
like "the ledger says how many voxels" "$(cat "$T/clean/ledger.jsonl")" \
	'"cleaned":\[\{"min_voxels":0,"neighbours":"26","parts_removed":[0-9]+,"voxels_removed":[0-9]+\},\{"min_voxels":20,"neighbours":"6"'
if has_python scipy nibabel numpy; then
	ok "scipy removes the same" "$PYTHON" - "$T" <<'END'
import glob, json, os, sys, numpy as np, nibabel as nib
from scipy import ndimage
T = sys.argv[1]
removed = {}
for line in open(f"{T}/clean/ledger.jsonl"):
    r = json.loads(line)
    if "cleaned" in r:
        removed[r["key"]] = [c["voxels_removed"] for c in r["cleaned"]]
total = 0
for f in glob.glob(f"{T}/clean/*.nii.gz"):
    key = os.path.basename(f)[:-7]
    got, was = (np.asarray(nib.load(p).dataobj) for p in (f, f"{T}/plain/{key}.nii.gz"))
    parts, n = ndimage.label(was.T > 0, np.ones((3, 3, 3)))  # numbered x fastest
    want = was.copy()
    if n:
        sizes = np.bincount(parts.ravel())[1:]
        want[(parts.T != 0) & (parts.T != sizes.argmax() + 1)] = 0
    first = int((want != was).sum())
    parts, n = ndimage.label(want == 2)
    for i in range(1, n + 1):
        if (parts == i).sum() < 20:
            want[parts == i] = 0
    assert np.array_equal(got, want), key
    assert removed[key] == [first, int((want != was).sum()) - first], (key, removed[key], first)
    total += int((want != was).sum())
assert total > 0
END
else
	skip "scipy removes the same" "no scipy"
fi
exits "a region that the network does not have" 2 with "$T/bad" "clean: [{region: WT, largest: true}]"
like "is told" "$(cat "$ERR")" "predict.clean.0..region: found 'WT', allowed are the network's outputs"
exits "a label too many" 2 with "$T/bad" "clean: [{labels: [4], largest: true}]"
exits "a rule that removes nothing" 2 with "$T/bad" "clean: [{labels: [1]}]"
exits "a rule for nothing" 2 with "$T/bad" "clean: [{largest: true}]"

# ---- pictures
exits "with pictures" 0 with "$T/pictures" "threshold: 0.4" --pictures
is "one a case" "$(ls "$T/pictures" | grep -c png)" 4
exits "again" 0 with "$T/pictures2" "threshold: 0.4" --pictures --jobs 1
is "of the same pixels" "$(hashes "$T/pictures" | grep png)" "$(hashes "$T/pictures2" | grep png)"
mkdir "$T/blind"
cp -r "$T/preprocess/." "$T/blind"
sed -i "/\"key\":\"$key\"/s/\"role\":\"label\"/\"role\":\"regions\"/" "$T/blind/ledger.jsonl"
exits "a case without truth" 0 with "$T/pictures3" "threshold: 0.4" --in "$T/blind" --pictures --case "$key"
like "is told" "$(cat "$ERR")" "has no label: the picture's truth is empty"
ok "and drawn" test -s "$T/pictures3/$key.png"

# ---- limits
# As if the disk were full: no file can grow above 512 bytes.
small_disk() {
	(
		trap '' XFSZ
		ulimit -f 1
		"$@"
	)
}
exits "no room" 4 small_disk sm predict --manifest "$T/with.yaml" --in "$T/preprocess" --model "$T/train" --out "$T/full"
like "is told in a unit that fits" "$(cat "$ERR")" 'no room for a temporary file of [1-9][0-9]* KiB'
exits "too little memory for the labels" 3 with "$T/bad" "threshold: 0.5" --memory 3
unlike "leaves no temporary file" "$(ls -A "$T/bad" 2>/dev/null)" 'spool'
if has_python nibabel numpy; then
	cp -r "$T/preprocess" "$T/nan"
	"$PYTHON" - "$T/nan" "$key" <<'END'
import gzip, hashlib, sys, numpy as np, nibabel as nib
folder, key = sys.argv[1:]
path = f"{folder}/{key}/image.nii.gz"
v = nib.load(path)
x = np.asarray(v.dataobj).astype(np.float32)
old = hashlib.sha256(gzip.open(path).read()).hexdigest()
x[1, 2, 3, 0] = np.nan
nib.save(nib.Nifti1Image(x, v.affine), path)
new = hashlib.sha256(gzip.open(path).read()).hexdigest()
text = open(f"{folder}/ledger.jsonl").read().replace(old, new)
open(f"{folder}/ledger.jsonl", "w").write(text)
END
	exits "a volume with NaN" 1 with "$T/nanned" "threshold: 0.5" --in "$T/nan"
	like "is rejected in a sentence" "$(cat "$T/nanned/ledger.jsonl")" "$key/image.nii.gz: holds 1 values that are NaN or infinite"
else
	skip "a volume with NaN" "no nibabel"
	skip "is rejected in a sentence" "no nibabel"
fi

# ---- tiles
exits "tiles" 0 with "$T/tiles" "threshold: 0.5" --in "$T/tile" --tiles --probabilities --jobs 2
is "one file a case and output" "$(ls "$T/tiles" | grep -c nii)" 16
sed 's/^tile: {/tile: {standardise: none, /' "$T/m.yaml" >"$T/unscaled.yaml"
run sm tile --manifest "$T/unscaled.yaml" --in "$T/preprocess" --out "$T/unscaled"
exits "tiles scaled otherwise" 3 with "$T/bad" "threshold: 0.5" --in "$T/unscaled" --tiles
like "are refused" "$(cat "$ERR")" 'made with tile.standardise none, best.hdf5 was trained on slice'
exits "on one thread" 0 with "$T/tiles2" "threshold: 0.5" --in "$T/tile" --tiles --probabilities --jobs 1
is "the same" "$(hashes "$T/tiles" | grep nii)" "$(hashes "$T/tiles2" | grep nii)"
like "the ledger counts them" "$(tail -n 1 "$T/tiles/ledger.jsonl")" '"samples":8'
exits "volumes in place of tiles" 3 with "$T/bad" "threshold: 0.5" --tiles
exits "pictures of tiles" 2 with "$T/bad" "threshold: 0.5" --in "$T/tile" --tiles --pictures

# ---- slices
for plane in axial coronal sagittal; do
	sed "s/^name: tiny/name: tiny\ndataset: slice\nslice: {format: hdf5, standardise: slice, plane: $plane}/" "$T/m.yaml" >"$T/slice.yaml"
	printf '  model: unet2d\n' >>"$T/slice.yaml"
	sed -i 's/width: 0.0625/width: 0.125/' "$T/slice.yaml"
	sed -i 's/loss: dice_bce/loss: ce/; s/batch: 3/batch: 8/; s/epochs: 4/epochs: 2/' "$T/slice.yaml"
	printf 'predict: {fold: all, seen: allow}\n' >>"$T/slice.yaml"
	run sm slice --manifest "$T/slice.yaml" --in "$T/preprocess" --out "$T/slice-$plane"
	exits "a network of $plane slices" 0 sm train --manifest "$T/slice.yaml" --in "$T/slice-$plane" --split "$T/split" \
		--out "$T/net-$plane"
	exits "predicts volumes" 0 sm predict --manifest "$T/slice.yaml" --in "$T/preprocess" --model "$T/net-$plane" \
		--out "$T/pred-$plane" --probabilities --batch 4 --pictures
done
# Validation on whole volumes turns them as predict does: its figure is that of the labels predicted.
if has_python nibabel numpy; then
	sed 's/plane: sagittal/plane: coronal/; s/^train:/train:\n  valid_volumes: 6/; s/epochs: 2/epochs: 6/
		s/learning_rate: 0.003/learning_rate: 0.005/; s/loss: ce/loss: ce\n  class_weight: [0.05, 1, 1, 1]/' "$T/slice.yaml" >"$T/whole.yaml"
	exits "whole volumes of coronal slices" 0 sm train --manifest "$T/whole.yaml" --in "$T/slice-coronal" --split "$T/split" \
		--out "$T/net-whole" --volumes "$T/preprocess"
	exits "predicted by the last one" 0 sm predict --manifest "$T/whole.yaml" --in "$T/preprocess" --out "$T/pred-whole" \
		--checkpoint "$T/net-whole/last.hdf5"
	ok "volume_dice is that of predict" "$PYTHON" - "$T" <<'END'
import csv, json, sys, numpy as np, nibabel as nib
T = sys.argv[1]
row = list(csv.DictReader(open(f"{T}/net-whole/model_history_log.csv")))[-1]
keys = [r["key"] for r in map(json.loads, open(f"{T}/split/ledger.jsonl")) if r.get("fold") == "valid"]
dice = []
for label in (1, 2, 4):
    each = []
    for key in keys:
        p, t = (np.asarray(nib.load(f).dataobj) == label
                for f in (f"{T}/pred-whole/{key}.nii.gz", f"{T}/ingest/{key}/seg.nii.gz"))
        each.append(2 * (p & t).sum() / (p.sum() + t.sum()) if p.any() or t.any() else 1)
    dice.append(np.mean(each))
assert abs(np.mean(dice) - float(row["volume_dice"])) < 1e-6 and np.mean(dice) > 0, (dice, row["volume_dice"])
END
else
	skip "volume_dice is that of predict" "no nibabel"
fi
exits "networks of other planes" 3 sm predict --manifest "$T/slice.yaml" --in "$T/preprocess" --out "$T/bad" \
	--checkpoint "$T/net-axial/best.hdf5,$T/net-coronal/best.hdf5"
like "are no ensemble" "$(cat "$ERR")" 'has another plane than the first checkpoint'
exits "slices of another plane" 3 sm predict --manifest "$T/slice.yaml" --in "$T/slice-axial" --tiles --out "$T/bad" \
	--model "$T/net-coronal"
like "are refused" "$(cat "$ERR")" 'slice.plane axial, best.hdf5 was trained on coronal'
if has_python torch h5py nibabel numpy; then
	ok "PyTorch with the same weights says the same of each slice" "$PYTHON" "$SM_ROOT/scripts/check_predict_slices.py" "$T" "$key"
else
	skip "PyTorch with the same weights says the same of each slice" "no torch"
fi
done_testing
