#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs train predict
. "$SM_ROOT/tests/stage/tiny.sh"
# Few steps of it find all labels.
sed -i "s/dice_bce/soft_dice/" "$T/m.yaml"
run training "$T/train"
[ "$CODE" -eq 0 ] || fail_all "the training failed: $(cat "$ERR")"

# predict OUT ARGS...
predict() {
	predict_out=$1
	shift
	case " $* " in *" --manifest "*) ;; *) set -- --manifest "$T/m.yaml" "$@" ;; esac
	case " $* " in *" --in "*) ;; *) set -- --in "$T/preprocess" "$@" ;; esac
	case " $* " in *" --model "* | *" --checkpoint "*) ;; *) set -- --model "$T/train" "$@" ;; esac
	sm predict --split "$T/split" --out "$predict_out" "$@"
}
test_key=$(grep '"fold":"test"' "$T/split/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/')

exits "the test fold" 0 predict "$T/one" --jobs 1
is "is one case" "$(cd "$T/one" && ls *.nii.gz)" "$test_key.nii.gz"
like "the ledger names image and checkpoint" "$(cat "$T/one/ledger.jsonl")" \
	'"inputs":\[\{"path":"'"$test_key"'/image.nii.gz",.*"path":"best.hdf5","role":"checkpoint"'
like "the patient and the labels found" "$(cat "$T/one/ledger.jsonl")" '"patient":"'"$test_key"'".*"voxels":\{'
like "the forecast is told" "$(cat "$ERR")" 'memory forecast of the network [0-9]+ MiB'
unlike "no kernels unasked" "$(cat "$ERR")" 'kernel|plain loops'
exits "on one thread, with --log debug" 0 predict "$T/debug" --jobs 1 --log debug
is "each convolution's kernel is told, of the forward pass alone" "$(grep 'predict: debug: kernel: ' "$ERR" | grep -c ', forward: ') \
$(grep -c 'gradient of' "$ERR")" "15 0"

other_folds=$(grep -o '"fold":"\(train\|valid\)"' "$T/split/ledger.jsonl" | wc -l | tr -d ' ')
is "the cases of other folds are listed" "$(head -n 1 "$T/one/ledger.jsonl" | grep -o '"other_folds":\[[^]]*' | grep -o BraTS | wc -l | tr -d ' ')" "$other_folds"
sed 's/^split:/predict: {fold: all, seen: allow}\nsplit:/' "$T/m.yaml" >"$T/all.yaml"
exits "all cases, without a split" 0 sm predict --manifest "$T/all.yaml" --in "$T/preprocess" --model "$T/train" \
	--out "$T/all" --jobs 1 --probabilities
is "are four, with probabilities of each class" "$(find "$T/all" -name '*.nii.gz' | wc -l | tr -d ' ')" 16
ok "and nothing else is left" test -z "$(find "$T/all" -name '.*' -type f ! -name '.lock*')"
exits "two threads" 0 predict "$T/all2" --manifest "$T/all.yaml" --jobs 2 --probabilities
is "give the same volumes" "$(hashes "$T/all" | grep nii)" "$(hashes "$T/all2" | grep nii)"
is "the test case is the same as alone" "$(sha256sum <"$T/one/$test_key.nii.gz")" \
	"$(sha256sum <"$T/all/$test_key.nii.gz")"
exits "several windows at once" 0 predict "$T/batch" --manifest "$T/all.yaml" --batch 4
is "give the same labels" "$(hashes "$T/all" | grep -v prob | grep nii)" "$(hashes "$T/batch" | grep nii)"
exits "again with --resume" 0 predict "$T/all2" --manifest "$T/all.yaml" --probabilities --resume
like "reuses all" "$(cat "$ERR")" '4 reused'
exits "one output lost" 0 sh -c 'rm "$1/'"$test_key"'.nii.gz"; shift; "$@"' x "$T/all2" "$SM_BIN/scanmill-predict" \
	--manifest "$T/all.yaml" --in "$T/preprocess" --split "$T/split" --model "$T/train" --out "$T/all2" --probabilities --resume
like "is made again" "$(cat "$ERR")" '3 reused'
is "the same" "$(hashes "$T/all" | grep nii)" "$(hashes "$T/all2" | grep nii)"

# Cut and padded volumes come back to the source's grid.
sed 's/    - relabel/    - pad_crop: {size: [28, 40, 13]}\n    - relabel/' "$T/all.yaml" >"$T/crop.yaml"
exits "cut and padded" 0 sm preprocess --manifest "$T/crop.yaml" --in "$T/ingest" --out "$T/crop"
exits "are predicted" 0 predict "$T/cropped" --manifest "$T/crop.yaml" --in "$T/crop" --probabilities --other-steps

# So do those that were turned and resampled.
sed 's/    - relabel/    - orient: {axes: SLA}\n    - resample: {spacing: [0.9, 1.1, 0.8]}\n    - relabel/' "$T/all.yaml" >"$T/turn.yaml"
exits "turned and resampled" 0 sm preprocess --manifest "$T/turn.yaml" --in "$T/ingest" --out "$T/turn"
exits "are predicted" 0 predict "$T/turned" --manifest "$T/turn.yaml" --in "$T/turn" --probabilities --other-steps

# A merged label cannot be told apart again: it stays as it is, and the record says so.
sed 's/relabel: .*/relabel: {from: [4], to: [2], merge: true}/' "$T/all.yaml" >"$T/merge.yaml"
exits "merged labels" 0 sm preprocess --manifest "$T/merge.yaml" --in "$T/ingest" --out "$T/merge"
exits "are predicted" 0 predict "$T/merged" --manifest "$T/merge.yaml" --in "$T/merge" --other-steps
like "with a warning" "$(cat "$ERR")" 'label 2 stands for several original labels: it stays 2'
unlike "and nothing becomes 4" "$(cat "$T/merged/ledger.jsonl")" '"voxels":\{[^}]*"4"'
like "label 2 is there" "$(cat "$T/merged/ledger.jsonl")" '"voxels":\{("1":[0-9]+,)?"2":'

if has_python nibabel numpy; then
	ok "grids, types and label numbers are the source's" "$PYTHON" - "$T" <<'END'
import glob, os, sys, numpy as np, nibabel as nib
T = sys.argv[1]
for folder in ("all", "cropped", "turned"):
    files = [f for f in glob.glob(f"{T}/{folder}/*.nii.gz") if "_prob" not in f]
    assert len(files) == 4
    found = set()
    for f in files:
        key = os.path.basename(f)[:-7]
        seg, out = nib.load(f"{T}/ingest/{key}/seg.nii.gz"), nib.load(f)
        probs = [nib.load(f"{T}/{folder}/{key}_probability_{c}.nii.gz") for c in (1, 2, 3)]
        assert np.array_equal(seg.affine, out.affine) and out.shape == seg.shape == (32, 32, 16)
        for prob in probs:
            assert np.array_equal(seg.affine, prob.affine) and prob.shape == seg.shape
            assert out.get_data_dtype() == np.uint8 and prob.get_data_dtype() == np.float32
        p, l = np.stack([np.asarray(q.dataobj) for q in probs], axis=3), np.asarray(out.dataobj)
        best = p.argmax(axis=3) + 1
        assert np.array_equal(np.where(p.max(axis=3) > 0.5, np.array([0, 1, 2, 4])[best], 0), l)
        found |= set(np.unique(l))
        if folder == "cropped":  # x 32 -> 28 leaves 2 at both ends, z 16 -> 13 leaves 1 or 2
            assert p[:2].max() == p[-2:].max() == p[..., 0, :].max() == p[..., -1, :].max() == 0
            assert (p[2:-2, :, 2:-2].max(axis=3) > 0).all()
    assert found <= {0, 1, 2, 4} and len(found) > 1, found
END
else
	skip "grids, types and label numbers are the source's" "no nibabel"
fi

if has_python torch h5py nibabel numpy; then
	ok "PyTorch with the same weights gives the same probabilities" "$PYTHON" "$SM_ROOT/scripts/check_predict.py" \
		"$T/train/best.hdf5" "$T/preprocess/$test_key/image.nii.gz" "$T/all/${test_key}_probability" 0.5
else
	skip "PyTorch with the same weights gives the same probabilities" "no torch"
fi

# What cannot be predicted.
exits "neither model nor checkpoint" 2 sm predict --manifest "$T/all.yaml" --in "$T/preprocess" --out "$T/bad"
exits "fold test without a split" 2 sm predict --manifest "$T/m.yaml" --in "$T/preprocess" --model "$T/train" --out "$T/bad"
sed 's/fold: all/fold: tset/' "$T/all.yaml" >"$T/fold.yaml"
exits "an unknown fold" 2 predict "$T/bad" --manifest "$T/fold.yaml"
like "is told with those allowed" "$(cat "$ERR")" "predict.fold: found 'tset', allowed is one of train.test.valid.all.cross_validation"
mkdir "$T/lacking"
grep -v "\"key\":\"$test_key\"" "$T/preprocess/ledger.jsonl" >"$T/lacking/ledger.jsonl"
exits "a fold without cases" 3 sm predict --manifest "$T/m.yaml" --in "$T/lacking" --split "$T/split" \
	--model "$T/train" --out "$T/bad"
like "is told" "$(cat "$ERR")" 'fold test: has 0 cases'
head -c 20000 "$T/train/best.hdf5" >"$T/cut.hdf5"
exits "a cut checkpoint" 3 predict "$T/bad" --checkpoint "$T/cut.hdf5"
like "is told" "$(cat "$ERR")" 'cut.hdf5: cannot be opened, is no HDF5 file, or is cut off'
exits "the last checkpoint by name" 0 predict "$T/last" --checkpoint "$T/train/last.hdf5"

# What the log says of a checkpoint is of its own epoch, not of the best one up to there.
edit 's/learning_rate: 0.003/learning_rate: 0.3/' "$T/rough.yaml"
exits "a training that gets worse" 0 training "$T/rough" --manifest "$T/rough.yaml"
worse=$(awk -F, 'NR > 1 { if (low != "" && $4 > low) { print $1, $4; exit } if (low == "" || $4 < low) low = $4 }' \
	"$T/rough/model_history_log.csv")
ok "has an epoch above its best" test -n "$worse"
edit 's/learning_rate: 0.003/learning_rate: 0.3/; s/checkpoint_every: 2/checkpoint_every: 1/' "$T/rough.yaml"
exits "again with all checkpoints" 0 training "$T/rough" --manifest "$T/rough.yaml"
exits "its checkpoint" 0 predict "$T/worse" --checkpoint "$(ls "$T"/rough/model-000"${worse% *}"-*.hdf5)"
like "has its epoch's val_loss in the log" "$(cat "$ERR")" "after epoch ${worse% *}, val_loss $(printf %.4f "${worse#* }");"

# Volumes that went through other steps than the training's.
sed 's/^    - stack:.*/&\n    - normalise: {method: min_max}/' "$T/m.yaml" >"$T/steps.yaml"
exits "preprocess with another step" 0 sm preprocess --manifest "$T/steps.yaml" --in "$T/ingest" --out "$T/preprocess2"
exits "its volumes" 3 sm predict --manifest "$T/m.yaml" --in "$T/preprocess2" --split "$T/split" --model "$T/train" --out "$T/bad"
like "are refused" "$(cat "$ERR")" 'went through preprocess settings .* preprocess as for the training'

exits "preprocess of fewer steps" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/preprocess3" --upto 1
exits "its volumes too" 3 sm predict --manifest "$T/m.yaml" --in "$T/preprocess3" --split "$T/split" --model "$T/train" --out "$T/bad"

# Another split: its test cases may be what the network was trained on.
exits "the split again with another seed" 0 sm split --manifest "$T/m.yaml" --in "$T/preprocess" --out "$T/split2" --seed 2
own=$(sha256sum <"$T/split/ledger.jsonl" | cut -c 1-12)
other=$(sha256sum <"$T/split2/ledger.jsonl" | cut -c 1-12)
isnt "is another one" "$own" "$other"
for with in "--model $T/train" "--checkpoint $T/train/best.hdf5"; do
	# shellcheck disable=SC2086 # two words
	for manifest in m all; do
		exits "is refused with ${with%% *}, manifest $manifest" 3 sm predict --manifest "$T/$manifest.yaml" \
			--in "$T/preprocess" --split "$T/split2" --out "$T/leak" $with
		like "with both named" "$(cat "$ERR")" "split2 is split $other, .*${with#* } was trained with split $own"
	done
	# shellcheck disable=SC2086
	exits "and on a dry run" 3 sm predict --manifest "$T/m.yaml" --in "$T/preprocess" --split "$T/split2" \
		--out "$T/leak" --dry-run $with
done
ok "and nothing is written" test ! -e "$T/leak/ledger.jsonl"
cp -r "$T/train" "$T/train3"
sed "1s/${own}[0-9a-f]*/$(printf '0%.0s' $(seq 64))/" "$T/train/ledger.jsonl" >"$T/train3/ledger.jsonl"
exits "nor one that the ledger of train does not name" 3 predict "$T/leak" --model "$T/train3"
cp -r "$T/train" "$T/train2"
cp "$T/train/model-0002"*.hdf5 "$T/train2/best.hdf5"
exits "a best checkpoint that is not what train wrote" 3 predict "$T/bad" --model "$T/train2"
like "is told" "$(cat "$ERR")" 'best.hdf5: content is not what the ledger of train says: run train again'
sed 's/\[flair, t1ce, t1, t2\]/[t1, t1ce, flair, t2]/' "$T/all.yaml" >"$T/order.yaml"
run sm preprocess --manifest "$T/order.yaml" --in "$T/ingest" --out "$T/order"
exits "channels in another order" 3 predict "$T/bad" --manifest "$T/order.yaml" --in "$T/order" --other-steps
like "are rejected by name" "$(cat "$ERR")" 'channel 0 is t1, the network was trained with flair'
cp -r "$T/preprocess" "$T/changed"
other=$(grep '"fold":"valid"' "$T/split/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/')
cp "$T/preprocess/$other/image.nii.gz" "$T/changed/$test_key/image.nii.gz"
exits "a changed image" 1 predict "$T/bad" --manifest "$T/all.yaml" --in "$T/changed"
like "is rejected, the others predicted" "$(cat "$ERR")" '4 cases: 3 good, 1 rejected'
like "with a sentence" "$(cat "$T/bad/ledger.jsonl")" 'content is not what the ledger of preprocess says: run preprocess again'
exits "too little memory" 3 predict "$T/bad" --memory 4
exits "dry run" 0 predict "$T/dry" --dry-run
ok "writes nothing" test ! -e "$T/dry"
done_testing
