#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs slice preprocess
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
like "are named with what is there" "$(cat "$ERR")" 'has slices 0 to 23, slice.first and slice.last ask for 10 to 24'
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
exits "resume" 0 sm slice --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/one" --resume
like "keeps all" "$(cat "$ERR")" '4 reused'
done_testing
