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

# Killed while it made fewer tiles in a folder of an earlier run: its journal holds both records of a case.
sed 's/per_case: 12/per_case: 5/' "$T/files.yaml" >"$T/fewer.yaml"
exits "fewer tiles" 0 sm tile --manifest "$T/fewer.yaml" --in "$T/pre" --split "$T/split" --out "$T/fewer"
cp -r "$T/files" "$T/replaced"
cp "$T/fewer/"*.h5 "$T/replaced"
cat "$T/files/ledger.jsonl" "$T/fewer/ledger.jsonl" >"$T/replaced/.journal.partial"
rm "$T/replaced/ledger.jsonl" "$T/replaced/files.sha256"
exits "resumed after a kill" 0 sm tile --manifest "$T/fewer.yaml" --in "$T/pre" --split "$T/split" --out "$T/replaced" --resume
same_tree "leaves no tile of the earlier settings" "$T/fewer" "$T/replaced"
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
like "is named" "$(cat "$ERR")" "$C: its fold in the split is missing"
sed "/$C/s/\"fold\":\"[a-z]*\"/\"fold\":5/" "$T/split/ledger.jsonl" >"$T/split2/ledger.jsonl"
exits "a fold that is no word" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split2" --out "$T/bad"
like "is told as it stands there" "$(cat "$ERR")" "$C: its fold in the split is 5, allowed are train"
mkdir "$T/split_folder" "$T/split_folder/ledger.jsonl"
exits "a ledger that is a folder" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split_folder" --out "$T/bad"
like "is called one" "$(cat "$ERR")" "ledger.jsonl: is a folder, not a regular file"
as_nobody=
[ "$(id -u)" = 0 ] && as_nobody="setpriv --reuid 65534 --clear-groups"
if [ -z "$as_nobody" ] || [ -n "$(command -v setpriv)" ]; then
	mkdir "$T/closed"
	chmod 755 "$T"
	chmod 0 "$T/closed"
	# shellcheck disable=SC2086 # a command in words
	exits "a folder without permission" 4 $as_nobody "$SM_BIN/scanmill-tile" --manifest "$T/m.yaml" --in "$T/closed" --out "$T/bad" --dry-run
	like "is called that" "$(cat "$ERR")" 'ledger.jsonl: cannot be opened: Permission denied'
	chmod 755 "$T/closed"
else
	skip "a folder without permission" "no setpriv"
	skip "is called that" "no setpriv"
fi

mv "$T/raw/$C/${C}_t1ce.nii.gz" "$T/"
run sm ingest --in "$T/raw" --out "$T/ingest2"
exits "a case that ingest rejected" 0 sm tile --manifest "$T/m.yaml" --in "$T/ingest2" --out "$T/three"
like "is left out with a warning" "$(cat "$ERR")" '1 cases that ingest rejected are left out'
is "the others stay" "$(find "$T/three" -name '*.h5' | wc -l | tr -d ' ')" 3

# Other rules
edit_manifest 's/per_case: 12, max_background: 0.9, tumour_share: 0.25/rule: grid, overlap: 0.5/' "$T/grid.yaml"
exits "a grid" 0 sm tile --manifest "$T/grid.yaml" --in "$T/pre" --split "$T/split" --out "$T/grid" --jobs 1
like "has tiles at every step up to the edges" "$(record "$T/grid" $C)" '"starts":\[\[0,0,0\],\[8,0,0\].*,\[32,36,16\]\].*"tiles":175,"tries":175'
sed 's/rule: grid/rule: grid, skip_background: true, max_background: 0.9/' "$T/grid.yaml" >"$T/skip.yaml"
exits "that leaves background out" 0 sm tile --manifest "$T/skip.yaml" --in "$T/pre" --out "$T/skip" --jobs 2
unlike "has fewer" "$(record "$T/skip" $C)" '"tiles":175'
edit_manifest 's/per_case: 12, max_background: 0.9, tumour_share: 0.25/rule: balanced, per_case: 10, class_shares: [2, 1, 1, 1]/' "$T/balanced.yaml"
exits "tiles by class" 0 sm tile --manifest "$T/balanced.yaml" --in "$T/pre" --out "$T/balanced" --jobs 1
like "as many as the shares tell" "$(record "$T/balanced" $C)" '"class_tiles":\[4,2,2,2\].*"tiles":10'
exits "on two threads" 0 sm tile --manifest "$T/balanced.yaml" --in "$T/pre" --out "$T/balanced2" --jobs 2
same_tree "are the same" "$T/balanced" "$T/balanced2"
sed 's/, 1\]/]/' "$T/balanced.yaml" >"$T/bad.yaml"
exits "a label outside the shares, in three of four cases" 1 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
like "is named" "$(cat "$ERR")" "has label 3, but tile.class_shares ends at label 2"
sed 's/, class_shares: [^]]*\]//' "$T/balanced.yaml" >"$T/bad.yaml"
exits "no shares" 2 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
like "are asked for" "$(cat "$ERR")" "class_shares: found 0 shares"
sed 's/relabel: .*/relabel: {from: [4, 1], to: [9, 8]}/; s/tile: {/&layout: files, /' "$T/m.yaml" >"$T/bad.yaml"
exits "labels that the file layout has no place for" 3 sm tile --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "are named" "$(cat "$ERR")" 'a label is above 3, the file layout holds 0..3'
ok "and no tile is left" test -z "$(find "$T/bad" -name '*.h5')"

# A case that split leaves out
sed 's/^tile:/split: {leave_out: [BraTS20_Training_003]}\n&/' "$T/m.yaml" >"$T/out.yaml"
run sm split --manifest "$T/out.yaml" --in "$T/pre" --out "$T/split3"
exits "a case that split leaves out" 0 sm tile --manifest "$T/out.yaml" --in "$T/pre" --split "$T/split3" --out "$T/left"
is "gets no tiles" "$(find "$T/left" -name '*.h5' | wc -l | tr -d ' ')" 3
like "which the log counts" "$(cat "$ERR")" '1 cases that split leaves out'

# A split that was changed by hand
cp -r "$T/pre" "$T/pre_one"
sed 's/"patient":"[^"]*"/"patient":"one"/' "$T/pre/ledger.jsonl" >"$T/pre_one/ledger.jsonl"
exits "a patient in two folds" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre_one" --split "$T/split" --out "$T/leak"
like "is named" "$(cat "$ERR")" 'patient one stands in two folds: case'
image=$(sed -n "s/.*\"path\":\"$C.image[^}]*\"sha256\":\"\([0-9a-f]*\)\".*/\1/p" "$T/pre/ledger.jsonl")
sed 's/\("path":"[^"]*image.nii[^}]*"sha256":"\)[0-9a-f]*/\1'"$image/" "$T/pre/ledger.jsonl" >"$T/pre_one/ledger.jsonl"
exits "an image in two folds" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre_one" --split "$T/split" --out "$T/leak"
like "is named" "$(cat "$ERR")" 'the same image .content .* stands in two folds'

mkdir "$T/split4"
sed 's/\("key":"'"$C"'".*"patient":"\)[^"]*/\1stranger/' "$T/split/ledger.jsonl" >"$T/split4/ledger.jsonl"
exits "another patient in the split than in the case's record" 3 sm tile --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split4" --out "$T/leak"
like "is told with both" "$(cat "$ERR")" "$C: its patient in the split is stranger, in preprocess it is $C, allowed is the same"
exits "also straight from ingest" 3 sm tile --manifest "$T/m.yaml" --in "$T/ingest" --split "$T/split4" --out "$T/leak"
like "is told there" "$(cat "$ERR")" "in the split is stranger, in ingest it is $C"

# Folds that rejections empty
V=$(sed -n 's/.*"fold":"valid".*"key":"\([^"]*\)".*/\1/p' "$T/split/ledger.jsonl")
rm -r "$T/pre_one"
cp -r "$T/pre" "$T/pre_one"
flip "$T/pre_one/$V/image.nii.gz" 3000
exits "the only case of a fold rejected" 1 sm tile --manifest "$T/m.yaml" --in "$T/pre_one" --split "$T/split" --out "$T/empty"
is "samples by fold are printed" "$(tr '\n\t' '  ' <"$OUT")" "fold cases samples train 3 36 test 0 0 valid 1 0 "
like "and the fold is warned of" "$(cat "$ERR")" 'warning: fold valid has no sample: none of its 1 cases gave one'
unlike "not one that had no case" "$(cat "$ERR")" 'fold test has no sample'

# Settings without effect, and what can be foreseen
for bad in 'overlap: 0.5' 'class_shares: [1, 1]' 'skip_background: true' 'rule: grid, overlap: 0.5'; do
	edit_manifest "s/^tile: {/&$bad, /" "$T/bad.yaml"
	exits "$bad that does not count" 2 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/bad"
	like "is told" "$(cat "$ERR")" 'tile\.[a-z_]*: is given, but counts only with rule (grid|balanced|random)'
done
edit_manifest 's/16, 12, 8/16, 64, 8/' "$T/bad.yaml"
exits "a dry run with nothing that would be made" 3 sm tile --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/dry" --dry-run
like "foresees volumes that are too small" "$(cat "$OUT" "$ERR")" 'has 48 voxels along y, a tile needs 64'
# foresees NAME SED...: the sentences of a dry run are those of the run behind it.
foresees() {
	name=$1
	edit_manifest "$2" "$T/bad.yaml"
	rm -rf "$T/foreseen"
	run sm tile --manifest "$T/bad.yaml" --in "${3:-$T/pre}" --out "$T/foreseen" --dry-run
	grep -Eo 'would be refused: .*|warning: .*tiles of.*' "$ERR" | sed 's/^would be refused: //; s/^warning: //' | sort >"$T/before"
	cp "$ERR" "$T/dry_log"
	dry_code=$CODE
	ok "$name: a dry run writes nothing" test ! -e "$T/foreseen"
	run sm tile --manifest "$T/bad.yaml" --in "${3:-$T/pre}" --out "$T/foreseen"
	is "$name: with the run's exit code" "$dry_code" "$CODE"
	grep -Eo 'rejected: .*|warning: .*tiles of.*' "$ERR" | sed 's/^rejected: //; s/^warning: //' | sort >"$T/behind"
	isnt "$name: something is refused or warned of" "$(cat "$T/behind")" ""
	is "$name: is foreseen" "$(cat "$T/before")" "$(cat "$T/behind")"
}
foresees "the background rule" 's/max_background: 0.9, tumour_share: 0.25/max_background: 0.3, tries: 50/'
like "tells how many" "$(cat "$T/dry_log")" '4 cases: 0 would be made, 4 would be refused'
like "and what it does not foresee" "$(cat "$T/dry_log")" 'not foreseen: .* constant volumes'
# Two of four cases, say: the run's code is 1, with --strict it stops at the first.
foresees "some cases of all" 's/max_background: 0.9, tumour_share: 0.25/max_background: 0.7, tries: 30/'
like "which are some" "$(cat "$T/dry_log")" '4 cases: [1-3] would be made'
exits "with --strict" 3 sm tile --strict --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/strict"
exits "its dry run ends so, too" 3 sm tile --strict --dry-run --manifest "$T/bad.yaml" --in "$T/pre" --out "$T/strict2"
like "and says why" "$(cat "$ERR")" '[1-3] cases would be refused, and --strict stops at the first'
exits "with nothing refused it is good" 0 sm tile --strict --dry-run --manifest "$T/m.yaml" --in "$T/pre" --out "$T/strict2"
foresees "fewer tiles than asked for" 's/max_background: 0.9, tumour_share: 0.25/max_background: 0.85, tries: 14/'
foresees "a padded volume" 's/16, 12, 8/16, 60, 8/; s/max_background: 0.9, tumour_share: 0.25/max_background: 0.5, small: pad, tries: 50/'
foresees "labels without a share" 's/tumour_share: 0.25/rule: balanced, class_shares: [1, 1]/; s/max_background: 0.9, //'
# Not stacked, and some without a label: the sentence is the one that the run comes to first.
edit_manifest '/stack/d' "$T/apart.yaml"
run sm preprocess --manifest "$T/apart.yaml" --in "$T/ingest" --out "$T/pre_apart"
sed '2s/"role":"label"/"role":"mask"/' "$T/pre_apart/ledger.jsonl" >"$T/less" && mv "$T/less" "$T/pre_apart/ledger.jsonl"
foresees "volumes that are not stacked" '/stack/d' "$T/pre_apart"
is "all of them" "$(grep -c 'would be refused: .*has 4 volumes that are not stacked' "$T/dry_log")" 4
like "and folds are said not to be foreseen" "$(cat "$T/dry_log")" 'not foreseen: .* folds without a sample'
exits "a dry run from ingest" 0 sm tile --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/dry" --dry-run
like "says that it foresees nothing" "$(cat "$ERR")" 'not foreseen: what the operations of preprocess .* do'

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
