#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs tile split preprocess
. "$SM_ROOT/tests/stage/cohort.sh"
manifest "$T/m.yaml"
echo 'tile: {size: [16, 12, 8], per_case: 12, max_background: 0.9, tumour_share: 0.25}' >>"$T/m.yaml"
C=BraTS20_Training_002
run sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/pre"
run sm split --manifest "$T/m.yaml" --in "$T/pre" --out "$T/split"

exits "a good run" 0 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split" --out "$T/one" --jobs 1
exits "two threads" 0 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split" --out "$T/two" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
exits "straight from ingest" 0 sm tile --manifest "$T/m.yaml" --in "$T/ingest" --split "$T/split" --out "$T/direct" --jobs 2
# files.sha256 names the ledger, which tells of another parent.
is "gives the same tiles" "$(hashes "$T/direct" | grep -Ev "ledger|files.sha256")" "$(hashes "$T/one" | grep -Ev "ledger|files.sha256")"
is "one shard a case" "$(find "$T/one" -name '*.h5' | wc -l | tr -d ' ')" 4
like "the record counts tiles" "$(record "$T/one" $C)" '"tiles":12,"tries":[0-9]+,"tumour_tiles":3'
like "config.json has the folds" "$(tr -d ' \n' <"$T/one/config.json")" '\{"test":\[\],"train":\["Bra[^]]*\],"valid":\["Bra[^]]*\]\}'
! [ -x "$SM_BIN/scanmill-verify" ] || exits "verify knows every file" 0 sm verify "$T/one"

exits "another seed" 0 sm tile --manifest "$T/m.yaml" --in "$T/pre" --out "$T/seed" --seed 9
isnt "gives other tiles" "$(sha256sum <"$T/seed/$C.h5")" "$(sha256sum <"$T/one/$C.h5")"
ok "without a split there is no config.json" test ! -e "$T/seed/config.json"

edit_manifest 's/^tile: {/&layout: files, /' "$T/files.yaml"
exits "the original's layout" 0 sm tile --manifest "$T/files.yaml" --in "$T/pre" --split "$T/split" --out "$T/files" --jobs 1
exits "on two threads" 0 sm tile --manifest "$T/files.yaml" --in "$T/pre" --split "$T/split" --out "$T/files2" --jobs 2
same_tree "gives the same bytes" "$T/files" "$T/files2"
like "has its names" "$(ls "$T/files")" "^${C}_total\.nii_0_x[0-9]+_y[0-9]+_z[0-9]+\.h5$"

if has_python h5py nibabel numpy; then
	ok "tiles are the standardised windows of the volumes, in both layouts" "$PYTHON" - "$T" $C <<'END'
import sys, json, h5py, numpy as np, nibabel as nib
t, key = sys.argv[1:]
record = [r for r in map(json.loads, open(t + "/one/ledger.jsonl")) if r.get("key") == key][0]
image = np.asarray(nib.load(f"{t}/pre/{key}/image.nii.gz").dataobj).astype(np.float64)
label = np.asarray(nib.load(f"{t}/pre/{key}/label.nii.gz").dataobj)
f = h5py.File(f"{t}/one/{key}.h5")
assert f["x"].shape == (12, 4, 8, 12, 16) and f["y"].shape == (12, 8, 12, 16)
assert f["start"][:].tolist() == record["starts"]
for k, (sx, sy, sz) in enumerate(record["starts"]):
    w = np.s_[sx:sx + 16, sy:sy + 12, sz:sz + 8]
    lab = label[w]
    if k >= record["tumour_tiles"]:
        assert (lab == 0).mean() < 0.9
    else:
        assert lab.any()
    assert np.array_equal(f["y"][k], lab.transpose(2, 1, 0))
    one = h5py.File(f"{t}/files/{key}_total.nii_{k}_x{sx}_y{sy}_z{sz}.h5")
    assert one["x"].shape == (4, 16, 12, 8) and one["y"].shape == (3, 16, 12, 8)
    assert np.array_equal(one["x"][:], f["x"][k].transpose(0, 3, 2, 1))
    for c in range(3):
        assert np.array_equal(one["y"][c], lab == c + 1)
    for c in range(4):
        for z in range(8):
            plane = image[sx:sx + 16, sy:sy + 12, sz + z, c]
            std = plane.std()
            want = (plane - plane.mean()) / std if std > 0 else plane * 0
            assert np.allclose(f["x"][k, c, z].T, want, atol=1e-5), (k, c, z)
END
else
	skip "tiles are the standardised windows" "no h5py or nibabel"
fi

edit_manifest 's/max_background: 0.9,/max_background: 0.05, tries: 50,/; s/tumour_share: 0.25/tumour_share: 0/' "$T/bad.yaml"
exits "a rule that no window can meet" 3 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
like "says the rule, the tries and the best" "$(cat "$ERR")" 'none of 50 positions has a background share below 0.05 \(smallest found 0\.[0-9]+\)'
like "the ledger lists the lost patient with its tries" "$(record "$T/bad" $C)" '"patient":"Bra.*"reason":"'"$C"': none of 50 .*"status":"rejected".*"tries":50'
edit_manifest 's/16, 12, 8/16, 64, 8/' "$T/bad.yaml"
exits "a tile larger than the volume" 3 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
like "is named" "$(cat "$ERR")" 'has 48 voxels along y, a tile needs 64'
sed 's/per_case/small: pad, per_case/; s/max_background: 0.9,/max_background: 1.01,/' "$T/bad.yaml" >"$T/pad.yaml"
exits "unless it may be padded" 0 sm tile --manifest "$T/pad.yaml" --in "$T/pre" --out "$T/pad"
like "starts then lie before the volume" "$(record "$T/pad" $C)" '"starts":\[\[[0-9]+,-8,'
edit_manifest 's/tumour_share/tumor_share/' "$T/bad.yaml"
exits "a misspelt key" 2 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
like "is named with line and guess" "$(cat "$ERR")" "bad.yaml:7: unknown key 'tumor_share'.*'tumour_share'"
edit_manifest '/stack/d' "$T/bad.yaml"
exits "volumes that were not stacked" 3 sm tile --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "are named" "$(cat "$ERR")" 'has 4 volumes that are not stacked'
sed "/$C/d" "$T/split/ledger.jsonl" >"$T/less"
mkdir "$T/split2"
mv "$T/less" "$T/split2/ledger.jsonl"
exits "a case that the split does not know" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split2" --out "$T/bad"
like "is named" "$(cat "$ERR")" "$C: has fold none in the split"

mv "$T/raw/$C/${C}_t1ce.nii.gz" "$T/"
run sm ingest --in "$T/raw" --out "$T/ingest2"
exits "a case that ingest rejected" 0 sm tile --manifest "$T/m.yaml" --in "$T/ingest2" --out "$T/three"
like "is left out with a warning" "$(cat "$ERR")" '1 cases that ingest rejected are left out'
is "the others stay" "$(find "$T/three" -name '*.h5' | wc -l | tr -d ' ')" 3

# kill -9 while it works, then go on
"$SM_BIN/scanmill-tile" --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split" --out "$T/killed" --jobs 1 >/dev/null 2>&1 &
child=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ ! -e "$T/killed/BraTS20_Training_001.h5" ] || break
	sleep 0.01
done
kill -9 "$child" 2>/dev/null
wait "$child" 2>/dev/null
exits "a second run after kill -9" 0 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split" --out "$T/killed" --resume
same_tree "finishes the work" "$T/killed" "$T/one"
is "and leaves no partial file" "$(find "$T/killed" -name '*.partial' | wc -l | tr -d ' ')" 0
done_testing
