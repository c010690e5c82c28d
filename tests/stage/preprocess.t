#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs preprocess tile
. "$SM_ROOT/tests/stage/cohort.sh"
manifest "$T/m.yaml"
# a case with enhancing tumour
C=$(awk '$9 > 0 { print $1; exit }' "$T/regions")

exits "a good run" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/one" --jobs 1
like "counts its cases" "$(cat "$ERR")" '4 cases: 4 good, 0 rejected'
exits "two threads" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/two" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
is "image and label of each case" "$(find "$T/one" -name '*.nii.gz' | wc -l | tr -d ' ')" 8
like "channels in order" "$(record "$T/one" "$C")" '"channels":\["flair","t1ce","t1","t2"\]'
like "the way back of labels" "$(record "$T/one" "$C")" '"label_map":\[\[4,3\]\]'
like "the source grid" "$(record "$T/one" "$C")" '"source_grid":\{"affine":\[-1.*"dim":\[48,48,24\]'
like "the patient" "$(record "$T/one" "$C")" "\"patient\":\"$C\""

exits "a prefix" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/prefix" --upto 1
like "has not relabelled" "$(record "$T/prefix" "$C")" '"label_map":\[\]'
exits "a prefix longer than the list" 2 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/prefix" --upto 3
like "names the number" "$(cat "$ERR")" 'upto: found 3, allowed is 0 to 2'
exits "no manifest" 0 sm preprocess --in "$T/ingest" --out "$T/plain"
is "passes every volume on" "$(find "$T/plain" -name '*.nii.gz' | wc -l | tr -d ' ')" 20

if has_python nibabel numpy; then
	ok "the stack holds the sources, the label 3 for 4, the affine" "$PYTHON" - "$T/ingest/$C" "$T/one/$C" <<'END'
import sys, numpy as np, nibabel as nib
src, out = sys.argv[1:]
image = nib.load(out + "/image.nii.gz")
for i, role in enumerate(["flair", "t1ce", "t1", "t2"]):
    v = nib.load(f"{src}/{role}.nii.gz")
    assert np.array_equal(np.asarray(v.dataobj), np.asarray(image.dataobj)[..., i]), role
    assert np.array_equal(v.affine, image.affine)
seg = np.asarray(nib.load(f"{src}/seg.nii.gz").dataobj)
label = np.asarray(nib.load(out + "/label.nii.gz").dataobj)
assert 4 in seg and np.array_equal(np.where(seg == 4, 3, seg), label)
END
else
	skip "the stack holds the sources" "no nibabel"
fi

cat >>"$T/m.yaml" <<'END'
    - remove_background: {role: flair, threshold: value, value: 1}
    - crop_foreground: {margin: 1}
    - normalise: {method: percentile, scope: mask, range: [-1, 1]}
    - pad_crop: {size: [56, 40, 24]}
END
exits "a long list of operations" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/long" --jobs 1
exits "on two threads" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/long2" --jobs 2
same_tree "gives the same bytes" "$T/long" "$T/long2"
like "has the size" "$(record "$T/long" "$C")" '"dim":\[56,40,24,4\]'
like "and says what it found" "$(record "$T/long" "$C")" '"op":"remove_background"'
if has_python nibabel numpy; then
	ok "source_grid and way bring a voxel back to its place" "$PYTHON" - "$T/long" "$T/ingest" "$C" <<'END'
import sys, json, numpy as np, nibabel as nib
out, src, key = sys.argv[1:]
record = [r for r in map(json.loads, open(out + "/ledger.jsonl")) if r.get("key") == key][0]
label = nib.load(f"{out}/{key}/label.nii.gz")
seg = nib.load(f"{src}/{key}/seg.nii.gz")
way = np.array(record["way"]).reshape(4, 4)
assert any(way[:3, 3]) and np.array_equal(way[:3, :3], np.eye(3))
offset = way[:3, 3].astype(int)
affine = np.array(record["source_grid"]["affine"]).reshape(4, 4)
assert np.allclose(affine, seg.affine)
moved = affine @ np.linalg.inv(way)
assert np.allclose(moved, label.affine, atol=1e-4)
a, b = np.asarray(label.dataobj), np.asarray(seg.dataobj)
at = np.argwhere(a == 3) - offset
assert len(at) and (b[tuple(at.T)] == 4).all()
image = np.asarray(nib.load(f"{out}/{key}/image.nii.gz").dataobj)
mask = np.asarray(nib.load(f"{out}/{key}/mask.nii.gz").dataobj)
assert image.min() == -1 and image.max() == 1
# outside the mask is the low end; what pad_crop added is its own fill, 0
assert set(np.unique(image[mask == 0])) <= {-1, 0}
END
else
	skip "source_grid and way" "no nibabel"
fi

edit_manifest 's/pad_crop/pad_corp/' "$T/bad.yaml"
exits "a misspelt operation" 2 sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named with its line" "$(cat "$ERR")" "bad.yaml:10: unknown key 'pad_corp'.*pad_crop"
edit_manifest 's/margin: 1/margin: -1/' "$T/bad.yaml"
exits "a value out of range" 2 sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named with what is allowed" "$(cat "$ERR")" "margin: found '-1', allowed is a whole number from 0"
edit_manifest 's/t1ce, t1,/t1ce, t1x,/' "$T/bad.yaml"
exits "a modality that no case has" 3 sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named with the case" "$(cat "$ERR")" "$C: has no volume 't1x'"
edit_manifest 's/known: \[0, 1, 2, 4\]/known: [0, 1, 2]/' "$T/bad.yaml"
run sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
is "one case has no label 4: the others are rejected" "$CODE" 1
like "an unknown label is named" "$(cat "$ERR")" 'label 4 \([0-9]+ voxels\) is not among'
ok "the ledger says so too" grep -q '"status":"rejected".*' "$T/bad/ledger.jsonl"

# What the parameters alone tell is told for the stage, whatever the cases hold.
edit_manifest 's/to: \[3\]/to: [1]/' "$T/bad.yaml"
exits "a merge that was not asked for" 2 sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named with the step" "$(cat "$ERR")" 'steps: step 2 \(relabel\): labels 1 and 4 would both become 1'
exits "by tile from ingest too" 2 sm tile --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
edit_manifest 's/to: \[3\], known.*\]/to: [1]/' "$T/bad.yaml"
exits "without known every case tells" 3 sm preprocess --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
edit_manifest 's/known.*\]/merge: true/; s/to: \[3\]/to: [1]/' "$T/merge.yaml"
exits "a merge that was asked for" 0 sm preprocess --manifest "$T/merge.yaml" --in "$T/ingest" --out "$T/merge"
like "the ledger tells of both" "$(record "$T/merge" "$C")" '"label_map":\[\[4,1\],\[1,1\]\]'
edit_manifest 's/^    - stack/    - pad_crop: {size: [40, 44, 20], at: corner}\n    - stack/' "$T/corner.yaml"
exits "cut at the high side before stack" 0 sm preprocess --manifest "$T/corner.yaml" --in "$T/ingest" --out "$T/corner" --upto 3
like "the source grid is that of the source" "$(record "$T/corner" "$C")" '"dim":\[40,44,20,4\].*"source_grid":.*"dim":\[48,48,24\].*"way":\[1.0,0.0,0.0,0.0,'

cp -r "$T/ingest" "$T/damaged"
rm "$T/damaged/BraTS20_Training_001/t1.nii.gz"
flip "$T/damaged/BraTS20_Training_002/t2.nii.gz" 2000
cp "$T/ingest/BraTS20_Training_004/t1.nii.gz" "$T/damaged/BraTS20_Training_003/t1.nii.gz"
exits "three damaged cases of four" 1 sm preprocess --manifest "$T/m.yaml" --in "$T/damaged" --out "$T/d"
like "a missing file is named" "$(cat "$ERR")" '001/t1.nii.gz: is missing, but the ledger of ingest names it'
like "a flipped byte is named" "$(cat "$ERR")" '002: rejected: t2.nii.gz: '
like "another case's file is named" "$(cat "$ERR")" '003/t1.nii.gz: content is not what the ledger of ingest says'
is "only the whole case is there" "$(ls "$T/d")" "$(printf 'BraTS20_Training_004\nfiles.sha256\nledger.jsonl')"
exits "and --strict stops" 3 sm preprocess --manifest "$T/m.yaml" --in "$T/damaged" --out "$T/d" --strict
if has_python nibabel numpy; then
	cp -r "$T/raw" "$T/raw_nan"
	"$PYTHON" - "$T/raw_nan/$C/${C}_t1.nii.gz" <<'END'
import sys, numpy as np, nibabel as nib
v = nib.load(sys.argv[1])
data = np.asarray(v.dataobj).astype(np.float32)
data[3, 4, 5] = np.nan
data[3, 4, 6] = np.inf
nib.save(nib.Nifti1Image(data, v.affine), sys.argv[1])
END
	run sm ingest --in "$T/raw_nan" --out "$T/nan"
	exits "values that are no numbers" 1 sm preprocess --manifest "$T/m.yaml" --in "$T/nan" --out "$T/nan_out"
	like "are counted, with case and role" "$(cat "$ERR")" "$C: t1 holds 2 values that are NaN or infinite"
else
	skip "values that are no numbers" "no nibabel"
fi
exits "an ingest folder without ledger" 3 sm preprocess --manifest "$T/m.yaml" --in "$T/raw" --out "$T/e"
like "is named" "$(cat "$ERR")" 'ledger.jsonl'
exits "the table of operations" 0 sm preprocess --describe-ops
like "lists them" "$(cat "$OUT")" '"name": "remove_background"'

exits "resume" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/long" --resume
like "keeps all" "$(cat "$ERR")" '4 reused'
rm "$T/long/$C/image.nii.gz"
exits "resume after a loss" 0 sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/long" --resume
like "redoes one" "$(cat "$ERR")" '3 reused'
same_tree "and ends the same" "$T/long" "$T/long2"
# A threshold that fell into muscle.
scan=$SM_SHARED_DATA/sts_ct_mr_pet/nifti/STS_012/MR_T1_image.nii.gz
if [ -r "$scan" ]; then
	mkdir "$T/legs"
	cp "$scan" "$T/legs/leg.nii.gz"
	printf 'schema: 1\nname: l\ningest: {layout: files, sources: [{role: mr, pattern: "{case}.nii.gz"}]}\npreprocess: {steps: [{remove_background: {preset: head}}]}\n' >"$T/leg.yaml"
	run sm ingest --manifest "$T/leg.yaml" --in "$T/legs" --out "$T/leg_ingest"
	exits "a leg taken for a head" 0 sm preprocess --manifest "$T/leg.yaml" --in "$T/leg_ingest" --out "$T/leg_pre"
	like "is warned of" "$(cat "$ERR")" 'warning: leg: remove_background: voxels below the threshold .* are brighter than background'
	like "in the record, too" "$(cat "$T/leg_pre/ledger.jsonl")" '"warnings":\["remove_background: voxels below'
else
	skip "a leg taken for a head" "no $scan"
fi
done_testing
