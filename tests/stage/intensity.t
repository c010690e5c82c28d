#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Operations on intensities and labels by the stage: learning from cases, PET with ingest's sidecars.
. "$(dirname "$0")/../lib.sh"
needs preprocess split
. "$SM_ROOT/tests/stage/cohort.sh"

steps() {
	printf 'schema: 1\nname: test\npreprocess:\n  steps:\n' >"$T/m.yaml"
	cat >>"$T/m.yaml"
}
prep() {
	sm preprocess --manifest "$T/m.yaml" "$@"
}

steps <<'END_STEPS'
    - stack: {roles: [flair, t1]}
    - nyul: {scope: nonzero, range: [0, 100]}
END_STEPS
exits "a step without its scale" 2 prep --in "$T/ingest" --out "$T/bad"
like "says how to learn it" "$(cat "$ERR")" 'step 2 \(nyul\): scales is missing \(preprocess --learn'
exits "learning" 0 prep --in "$T/ingest" --learn 2 --jobs 1
cp "$OUT" "$T/learnt"
like "tells from how many" "$(cat "$T/learnt")" '# learnt from 4 cases, 0 left out'
exits "on two threads" 0 prep --in "$T/ingest" --learn 2 --jobs 2
is "prints the same" "$(cat "$OUT")" "$(cat "$T/learnt")"
{
	sed '/nyul/d' "$T/m.yaml"
	cat "$T/learnt"
} >"$T/with.yaml"
mv "$T/with.yaml" "$T/m.yaml"
exits "what it prints is a step" 0 prep --in "$T/ingest" --out "$T/nyul"
exits "the split" 0 sm split --in "$T/ingest" --out "$T/split" --manifest "$T/m.yaml"
exits "learning from the training fold" 0 prep --in "$T/ingest" --learn 2 --split "$T/split"
trained=$(grep -c '"fold":"train"' "$T/split/ledger.jsonl")
like "counts its cases" "$(cat "$OUT")" "learnt from $trained cases? of fold train"
exits "a step that learns nothing" 2 prep --in "$T/ingest" --learn 1
like "is named" "$(cat "$ERR")" 'step 1 is stack, allowed are match_histogram and nyul'
exits "a step that is not there" 2 prep --in "$T/ingest" --learn 3
like "is counted" "$(cat "$ERR")" 'found 3, allowed is 1 to 2'
exits "learning has no --out" 2 prep --in "$T/ingest" --learn 2 --out "$T/x"
exits "--split is for learning" 2 prep --in "$T/ingest" --split "$T/split" --out "$T/x"
cp -r "$T/ingest" "$T/three"
rm "$T/three/BraTS20_Training_002/t1.nii.gz"
exits "a case that cannot be read" 0 prep --in "$T/three" --learn 2
like "is left out with a warning" "$(cat "$ERR")" 'left out: .*002/t1.nii.gz: is missing'
like "and counted" "$(cat "$OUT")" 'learnt from 3 cases, 1 left out'
exits "or stops it" 3 prep --in "$T/three" --learn 2 --strict
if has_python nibabel numpy; then
	ok "the scale is that of numpy" "$PYTHON" - "$T/ingest" "$T/learnt" <<'END_CHECK'
import glob, re, sys, numpy as np, nibabel as nib
text = open(sys.argv[2]).read()
learnt = {role: [float(v) for v in values.split(",")]
          for role, values in re.findall(r"role: (\w+)\s+values: \[([^]]*)\]", text)}
assert set(learnt) == {"flair", "t1"}
at = [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99]
for role, values in learnt.items():
    all = []
    for path in sorted(glob.glob(f"{sys.argv[1]}/*/{role}.nii.gz")):
        x = np.asarray(nib.load(path).dataobj).astype(np.float64)
        m = np.percentile(x[x != 0], at)
        all.append(100 * (m - m[0]) / (m[-1] - m[0]))
    assert len(all) == 4 and np.allclose(np.mean(all, axis=0), values, atol=1e-9), role
END_CHECK
else
	skip "the scale is that of numpy" "no nibabel"
fi

# Regions and kept slices reach the output; labels outside the map reject the case.
steps <<'END_STEPS'
    - stack: {roles: [flair, t1]}
    - regions:
        unions:
          - {name: WT, labels: [1, 2, 4]}
          - {name: ET, labels: [4]}
    - select_slices: {min_foreground: 0.05}
    - normalise: {method: zscore, scope: nonzero}
END_STEPS
exits "regions and slices" 0 prep --in "$T/ingest" --out "$T/sets" --jobs 1
exits "on two threads" 0 prep --in "$T/ingest" --out "$T/sets2" --jobs 2
same_tree "gives the same bytes" "$T/sets" "$T/sets2"
like "the record lists the slices" "$(record "$T/sets" BraTS20_Training_001)" '"slices":\[[0-9]'
is "each case has its regions" "$(find "$T/sets" -name 'regions.nii.gz' | wc -l | tr -d ' ')" 4
steps <<'END_STEPS'
    - one_hot: {labels: [1, 2]}
END_STEPS
run prep --in "$T/ingest" --out "$T/bad"
like "a label outside the map is named and counted" "$(cat "$ERR")" \
	'label 4 \([0-9]+ voxels\) belongs to no region'

# Dynamic PET: what ingest's sidecar says comes along.
run sm phantom --out "$T/raw_pet" --kind pet_dynamic --cases 1 --size 14,12,9 --spacing 4,4,5
exits "a dynamic PET" 0 sm ingest --in "$T/raw_pet" --out "$T/pet"
steps <<'END_STEPS'
    - select_frames: {first: 1}
    - suv: {}
    - sum_frames: {method: weighted}
END_STEPS
exits "frames, SUV, weighted mean" 0 prep --in "$T/pet" --out "$T/suv"
like "the sidecar is an input" "$(cat "$T/suv/ledger.jsonl")" '"path":"[^"]*image.json","role":"sidecar"'
if has_python nibabel numpy; then
	ok "is that of numpy" "$PYTHON" - "$T/pet" "$T/suv" <<'END_CHECK'
import glob, json, sys, numpy as np, nibabel as nib
source = nib.load(glob.glob(sys.argv[1] + "/*/image.nii.gz")[0]).get_fdata()
side = json.load(open(glob.glob(sys.argv[1] + "/*/image.json")[0]))
out = nib.load(glob.glob(sys.argv[2] + "/*/image.nii.gz")[0]).get_fdata()
want = np.average(source[..., 1:], axis=3, weights=side["FrameDuration"][1:]) * side["SUVbwFactor"]
assert len(set(side["FrameDuration"][1:])) > 1
assert out.shape == want.shape and want.max() > 0
assert np.abs(out - want).max() <= 2e-7 * want.max(), np.abs(out - want).max()
END_CHECK
else
	skip "is that of numpy" "no nibabel"
fi
if has_python nibabel numpy; then
	mkdir -p "$T/bids/sub-01/pet"
	"$PYTHON" - "$T/bids" <<'END_MAKE'
import json, sys, numpy as np, nibabel as nib
root = sys.argv[1]
json.dump({"Name": "x", "BIDSVersion": "1.8.0"}, open(root + "/dataset_description.json", "w"))
x = np.arange(2 * 3 * 4 * 3, dtype=np.int16).reshape(2, 3, 4, 3)
nib.save(nib.Nifti1Image(x, np.diag([2, 2, 2, 1])), root + "/sub-01/pet/sub-01_pet.nii.gz")
json.dump({"FrameDuration": [10, 20, 50], "FrameTimesStart": [0, 10, 30], "Units": "Bq/mL"},
          open(root + "/sub-01/pet/sub-01_pet.json", "w"))
END_MAKE
	exits "PET of a BIDS tree" 0 sm ingest --in "$T/bids" --out "$T/bids_in"
	steps <<'END_STEPS'
    - select_frames: {seconds: [10, 80]}
    - sum_frames: {method: weighted}
END_STEPS
	exits "has its frame times too" 0 prep --in "$T/bids_in" --out "$T/bids_out"
	ok "and the mean that they give" "$PYTHON" - "$T/bids_out" <<'END_CHECK'
import glob, sys, numpy as np, nibabel as nib
x = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
out = nib.load(glob.glob(sys.argv[1] + "/*/*.nii.gz")[0]).get_fdata()
assert np.abs(out - (20 * x[..., 1] + 50 * x[..., 2]) / 70).max() < 1e-5
END_CHECK
	steps <<'END_STEPS'
    - suv: {role: pet}
END_STEPS
	exits "but no SUV factor" 3 prep --in "$T/bids_in" --out "$T/bad"
	like "which is said" "$(cat "$ERR")" "pet has no SUV factor: ingest's sidecar lacks SUVbwFactor"
	steps <<'END_STEPS'
    - select_frames: {first: 1}
    - suv: {}
    - sum_frames: {method: weighted}
END_STEPS
else
	skip "PET of a BIDS tree" "no nibabel"
fi
printf 'schema: 1\nname: test\ningest: {pet_units: suvbw}\n' >"$T/suvbw.yaml"
exits "a PET that ingest converted" 0 sm ingest --in "$T/raw_pet" --out "$T/pet_suv" --manifest "$T/suvbw.yaml"
exits "is not converted twice" 3 prep --in "$T/pet_suv" --out "$T/bad"
like "and says why" "$(cat "$ERR")" 'is SUV already'
cp -r "$T/pet" "$T/pet_bad"
printf ' ' >>"$(find "$T/pet_bad" -name image.json)"
exits "a sidecar that was changed" 3 prep --in "$T/pet_bad" --out "$T/bad"
like "is named" "$(cat "$ERR")" 'image.json: content is not what the ledger of ingest says'
rm "$(find "$T/pet_bad" -name image.json)"
exits "one that is missing" 3 prep --in "$T/pet_bad" --out "$T/bad"
like "too" "$(cat "$ERR")" 'image.json: is missing'
done_testing
