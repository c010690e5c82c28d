#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs slice preprocess split
. "$SM_ROOT/tests/stage/cohort.sh"
manifest "$T/m.yaml"
echo 'slice: {first: 10, last: 12}' >>"$T/m.yaml"
C=BraTS20_Training_002

exits "a good run without manifest" 0 sm slice --in "$T/ingest" --out "$T/all"
is "every slice of every image" "$(find "$T/all" -name '*.png' | wc -l | tr -d ' ')" $((4 * 4 * 24))
exits "some slices" 0 sm slice --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/one" --jobs 1
is "are as many as asked for" "$(find "$T/one" -name '*.png' | wc -l | tr -d ' ')" $((4 * 4 * 3))
exits "two threads" 0 sm slice --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/two" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
like "names" "$(ls "$T/one/$C")" "^${C}_t1ce_0010\.png$"
run sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/pre"
exits "from preprocess" 0 sm slice --manifest "$T/m.yaml" --in "$T/pre" --out "$T/pre_slices"
is "channels give the same pictures" "$(hashes "$T/pre_slices" | grep png)" "$(hashes "$T/one" | grep png)"
exits "labels by role" 0 sm slice --manifest "$T/m.yaml" --role label --in "$T/pre" --out "$T/labels"
like "the picture is 16 bit gray" "$(od -An -tu1 -j 24 -N 2 "$T/one/$C/${C}_t1_0011.png" | tr -s ' ')" '^ 16 0$'
like "a label's is 8 bit gray" "$(od -An -tu1 -j 24 -N 2 "$T/labels/$C/${C}_label_0011.png" | tr -s ' ')" '^ 8 0$'

if has_python numpy nibabel; then
	ok "pixels are the windowed voxels in radiological orientation" "$PYTHON" - "$T" $C <<'END'
import sys, zlib, struct, numpy as np, nibabel as nib
t, key = sys.argv[1:]
def png(path):
    data, at, idat = open(path, "rb").read(), 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        if kind == b"IHDR":
            w, h, bits = struct.unpack(">IIB", body[:9])
        idat += body if kind == b"IDAT" else b""
        at += 12 + n
    step = bits // 8
    raw = np.frombuffer(zlib.decompress(idat), np.uint8).reshape(h, 1 + w * step)
    out = np.zeros((h, w * step), np.int64)
    for r in range(h):
        f, line, up = raw[r, 0], raw[r, 1:].astype(np.int64), out[r - 1] if r else np.zeros(w * step, np.int64)
        for i in range(w * step):
            a = out[r, i - step] if i >= step else 0
            b, c = up[i], up[i - step] if i >= step else 0
            p = a + b - c
            d = [abs(p - a), abs(p - b), abs(p - c)]
            guess = [0, a, b, (a + b) // 2, [a, b, c][d.index(min(d))]][f]
            out[r, i] = (line[i] + guess) % 256
    return out[:, ::2] * 256 + out[:, 1::2] if step == 2 else out
image = nib.as_closest_canonical(nib.load(f"{t}/ingest/{key}/t1.nii.gz"))
v = np.asarray(image.dataobj).astype(float)
z = nib.load(f"{t}/ingest/{key}/t1.nii.gz").affine[2, 2] > 0 and 11 or v.shape[2] - 12
plane = v[::-1, ::-1, z].T  # RAS: columns to the left, rows to the back
want = np.floor(65535 * (plane - v.min()) / (v.max() - v.min()) + 0.5)
assert np.array_equal(png(f"{t}/one/{key}/{key}_t1_0011.png"), want)
seg = np.asarray(nib.as_closest_canonical(nib.load(f"{t}/pre/{key}/label.nii.gz")).dataobj)
assert np.array_equal(png(f"{t}/labels/{key}/{key}_label_0011.png"), seg[::-1, ::-1, z].T)
END
else
	skip "pixels are the windowed voxels" "no nibabel"
fi

exits "one channel" 0 sm slice --manifest "$T/m.yaml" --role flair --in "$T/pre" --out "$T/flair"
is "only its pictures" "$(find "$T/flair" -name '*.png' | wc -l | tr -d ' ')" $((4 * 3))
exits "a role that is not there" 3 sm slice --role pet --in "$T/pre" --out "$T/bad"
like "is named" "$(cat "$ERR")" "has no volume or channel 'pet'"
edit_manifest 's/last: 12/last: 24/' "$T/bad.yaml"
exits "slices out of range" 3 sm slice --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "are named with what is there" "$(cat "$ERR")" 'has slices 0 to 23, first and last ask for 10 to 24'
edit_manifest 's/first: 10/window: [5, 5], first: 10/' "$T/bad.yaml"
exits "an empty window" 2 sm slice --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named" "$(cat "$ERR")" 'slice: window: found 5 to 5, allowed is low < high'
edit_manifest 's/first: 10/window: [9, 5], first: 10/' "$T/bad.yaml"
exits "a window upside down" 2 sm slice --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
edit_manifest 's/last: 12/last: 9/' "$T/bad.yaml"
exits "last before first" 2 sm slice --manifest "$T/bad.yaml" --in "$T/ingest" --out "$T/bad"
like "is named with what is allowed" "$(cat "$ERR")" 'slice: last: found 9, allowed is -1 .to the end. or from 10 .first.'
edit_manifest 's/first: 10, last: 12/last: 0/' "$T/zero.yaml"
exits "slice 0 alone" 0 sm slice --manifest "$T/zero.yaml" --role flair --in "$T/ingest" --out "$T/zero"
is "is one picture a case" "$(find "$T/zero" -name '*_flair_0000.png' | wc -l | tr -d ' ') $(find "$T/zero" -name '*.png' | wc -l | tr -d ' ')" "4 4"
edit_manifest 's/first: 10, last: 12/first: 22, last: -1/' "$T/end.yaml"
exits "to the end" 0 sm slice --manifest "$T/end.yaml" --role flair --in "$T/ingest" --out "$T/end"
is "is two pictures a case" "$(find "$T/end" -name '*.png' | wc -l | tr -d ' ')" 8
edit_manifest 's/first: 10/plane: coronal, bits: 8, first: 10/' "$T/cor.yaml"
exits "coronal, 8 bits" 0 sm slice --manifest "$T/cor.yaml" --in "$T/ingest" --out "$T/cor"
is "width 48 and height 24" "$(od -An -tu1 -j 16 -N 10 "$T/cor/$C/${C}_t1_0010.png" | tr -s ' ')" ' 0 0 0 48 0 0 0 24 8 0'
# HDF5.
edit_manifest 's/first: 10, last: 12/format: both, first: 4/' "$T/both.yaml"
exits "HDF5 and pictures" 0 sm slice --manifest "$T/both.yaml" --in "$T/pre" --out "$T/both" --jobs 1
exits "on two threads" 0 sm slice --manifest "$T/both.yaml" --in "$T/pre" --out "$T/both2" --jobs 2
same_tree "the same bytes" "$T/both" "$T/both2"
exits "straight from ingest" 0 sm slice --manifest "$T/both.yaml" --in "$T/ingest" --out "$T/both3"
is "the steps run in memory, with the same files" "$(hashes "$T/both3" | grep -Ev "ledger|files.sha256")" \
	"$(hashes "$T/both" | grep -Ev "ledger|files.sha256")"
edit_manifest 's/first: 10, last: 12/format: hdf5, plane: all/' "$T/planes.yaml"
exits "three planes" 0 sm slice --manifest "$T/planes.yaml" --in "$T/pre" --out "$T/planes"
is "are three files a case" "$(cd "$T/planes" && ls "$C"*)" "${C}_axial.h5
${C}_coronal.h5
${C}_sagittal.h5"
exits "verify knows every file" 0 sm verify "$T/both" "$T/planes"
if has_python h5py nibabel numpy PIL; then
	for dir in both planes; do
		ok "values, labels and checksums are as documented: $dir" "$PYTHON" "$SM_ROOT/scripts/check_shards.py" "$T/$dir" "$T/pre"
	done
	edit_manifest 's/first: 10, last: 12/format: hdf5, standardise: slice, view: stored/' "$T/std.yaml"
	exits "standardised, as stored" 0 sm slice --manifest "$T/std.yaml" --in "$T/pre" --out "$T/std"
	ok "each slice of each channel has mean 0 and std 1" "$PYTHON" - "$T" $C <<'END'
import sys, h5py, numpy as np, nibabel as nib
t, key = sys.argv[1:]
f = h5py.File(f"{t}/std/{key}.h5")
v = np.asarray(nib.load(f"{t}/pre/{key}/image.nii.gz").dataobj).astype(np.float64)
assert f["x"].shape == (24, 4, 1, 48, 48)
for k in range(24):
    for c in range(4):
        p = v[:, :, k, c].T
        want = (p - p.mean()) / p.std() if p.std() > 0 else 0 * p
        assert np.abs(f["x"][k, c, 0] - want).max() < 1e-5
assert np.array_equal(f["y"][:, 0], np.asarray(nib.load(f"{t}/pre/{key}/label.nii.gz").dataobj).transpose(2, 1, 0))
END
else
	skip "values are as documented" "no h5py, nibabel or PIL"
fi
flip "$T/both2/$C.h5" $(($(size "$T/both2/$C.h5") / 2))
exits "a flipped bit" 3 sm verify "$T/both2"
like "is found" "$(cat "$OUT")" "$C.h5: has changed"
run sm split --manifest "$T/m.yaml" --in "$T/pre" --out "$T/split"
exits "with a split" 0 sm slice --manifest "$T/planes.yaml" --in "$T/pre" --split "$T/split" --out "$T/folds"
like "config.json lists the files by fold" "$(tr -d ' \n' <"$T/folds/config.json")" '"train":\["Bra[^]]*_axial.h5"'
printf 'schema: 1\nname: x\nslice: {format: hdf5}\n' >"$T/apart.yaml"
exits "volumes that are not stacked" 3 sm slice --manifest "$T/apart.yaml" --in "$T/ingest" --out "$T/apart"
like "have no common HDF5" "$(cat "$ERR")" 'has 4 volumes that are not stacked: preprocess.steps needs a stack'
exits "but one of them does" 0 sm slice --manifest "$T/apart.yaml" --role t1 --in "$T/ingest" --out "$T/apart"

# x and y of a shard lie on one grid in mm; other volumes have no say.
sed 's/format: hdf5/format: hdf5, first: 20/' "$T/apart.yaml" >"$T/turned.yaml"
printf 'preprocess: {steps: [{rotate90: {k: 2}, when: t1}, {pad_crop: {size: [40, 48, 24]}, when: t2}]}\n' >>"$T/turned.yaml"
exits "a volume that was turned alone" 3 sm slice --manifest "$T/turned.yaml" --role t1 --in "$T/ingest" --out "$T/turned"
like "does not lie where the label lies" "$(cat "$ERR")" 'the label: a corner voxel lies .* mm from where it lies in t1'
exits "one that stayed" 0 sm slice --manifest "$T/turned.yaml" --role flair --in "$T/ingest" --out "$T/stayed"
is "has its labels" "$(find "$T/stayed" -name '*.h5' | wc -l | tr -d ' ')" 4
printf 'schema: 1\nname: x\ningest: {layout: files, sources: [{role: t1, pattern: "{case}.nii.gz"}]}\n' >"$T/when.yaml"
printf 'preprocess: {steps: [{normalise: {}, when: t2}]}\n' >>"$T/when.yaml"
exits "a step for a role that no case has" 2 sm slice --manifest "$T/when.yaml" --in "$T/ingest" --out "$T/when"
like "is told" "$(cat "$ERR")" "preprocess: steps: step 1 .normalise.: when: found 't2', allowed is a role of ingest.sources or a modality"

printf 'schema: 1\nname: x\npreprocess: {steps: [{window: {range: [100000, 200000], to: [0, 1]}, when: t2}]}\nslice: {first: 20}\n' >"$T/const.yaml"
exits "a constant volume" 3 sm slice --manifest "$T/const.yaml" --in "$T/ingest" --out "$T/const"
like "is refused as in tile and pair" "$(cat "$ERR")" 't2 has the same value in every voxel, so it shows nothing'
exits "but not when another is asked for" 0 sm slice --manifest "$T/const.yaml" --role t1 --in "$T/ingest" --out "$T/const"
run sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/split_one"
cp -r "$T/ingest" "$T/ingest_one"
sed 's/"patient":"[^"]*"/"patient":"one"/' "$T/ingest/ledger.jsonl" >"$T/ingest_one/ledger.jsonl"
exits "a patient in two folds of an altered ledger" 3 sm slice --manifest "$T/m.yaml" --in "$T/ingest_one" --split "$T/split_one" --out "$T/const"
like "is named" "$(cat "$ERR")" 'patient one stands in two folds: case'

# Slices chosen for one volume.
printf 'schema: 1\nname: x\npreprocess: {steps: [{select_slices: {first: 3, last: 9}, when: t1}]}\n' >"$T/own.yaml"
run sm preprocess --manifest "$T/own.yaml" --in "$T/ingest" --out "$T/pre_own"
like "are recorded as its own" "$(record "$T/pre_own" "$C")" '"volume_slices":{"t1":\[3,4,5,6,7,8,9\]}'
exits "and read back" 0 sm slice --in "$T/pre_own" --out "$T/own"
is "for it alone" "$(find "$T/own/$C" -name '*_t1_*' | wc -l | tr -d ' ') $(find "$T/own/$C" -name '*_t2_*' | wc -l | tr -d ' ')" "7 24"
sed 's/, when: t1//' "$T/own.yaml" >"$T/all.yaml"
run sm preprocess --manifest "$T/all.yaml" --in "$T/ingest" --out "$T/pre_all"
like "of all volumes they stand once" "$(record "$T/pre_all" "$C")" '"slices":\[3,4,5,6,7,8,9\]'
exits "and are read back" 0 sm slice --in "$T/pre_all" --out "$T/all_own"
is "for each" "$(find "$T/all_own/$C" -name '*.png' | wc -l | tr -d ' ')" 28

# Slices that preprocess has chosen.
sed 's/^slice.*/    - select_slices: {first: 3, last: 9}/' "$T/m.yaml" >"$T/keep.yaml"
echo 'slice: {format: both, first: 5}' >>"$T/keep.yaml"
run sm preprocess --manifest "$T/keep.yaml" --in "$T/ingest" --out "$T/pre_keep"
exits "chosen slices" 0 sm slice --manifest "$T/keep.yaml" --in "$T/pre_keep" --out "$T/keep"
is "are written alone" "$(cd "$T/keep/$C" && find . -name '*_t1_*' | sort | sed 's/.*_//' | tr '\n' ' ')" "0005.png 0006.png 0007.png 0008.png 0009.png "
exits "straight from ingest" 0 sm slice --manifest "$T/keep.yaml" --in "$T/ingest" --out "$T/keep2"
is "the same" "$(hashes "$T/keep2" | grep -Ev "ledger|files.sha256")" "$(hashes "$T/keep" | grep -Ev "ledger|files.sha256")"
sed 's/first: 5}/first: 12}/' "$T/keep.yaml" >"$T/none.yaml"
exits "none of which is asked for" 3 sm slice --manifest "$T/none.yaml" --in "$T/pre_keep" --out "$T/none"
like "is told" "$(cat "$ERR")" 'has no slice left: preprocess keeps none of those that slice.first and slice.last ask for'
exits "resume" 0 sm slice --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/one" --resume
like "keeps all" "$(cat "$ERR")" '4 reused'
done_testing
