#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Memory of predict is that of the window and of the label map, not of the volume and its channels.
. "$(dirname "$0")/../lib.sh"
needs train predict
. "$SM_ROOT/tests/stage/tiny.sh"
has_python nibabel numpy || skip_all "python3-nibabel is not installed"
if ! prlimit --as=$((1 << 30)) "$SM_BIN/scanmill-predict" --help >/dev/null 2>&1; then
	skip "memory of a short and a long volume" "a build with memory of its own"
	done_testing
	exit
fi
run training "$T/train"
[ "$CODE" -eq 0 ] || fail_all "the training failed: $(cat "$ERR")"
key=$(grep '"fold":"test"' "$T/split/ledger.jsonl" | sed 's/.*"key":"\([^"]*\)".*/\1/')

# longer FOLDER TIMES: the preprocess folder with the case's volumes repeated along z.
longer() {
	cp -r "$T/preprocess" "$1"
	"$PYTHON" - "$1" "$key" "$2" <<'END'
import glob, gzip, hashlib, sys, numpy as np, nibabel as nib
folder, key, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(f"{folder}/ledger.jsonl").read()
for path in glob.glob(f"{folder}/{key}/*.nii.gz"):
    v = nib.load(path)
    old = hashlib.sha256(gzip.open(path).read()).hexdigest()
    data = np.asarray(v.dataobj)
    image = nib.Nifti1Image(np.concatenate([data] * times, 2), v.affine)
    image.header.set_xyzt_units("mm")
    raw = image.to_bytes()
    with gzip.open(path, "wb", 1) as f:
        f.write(raw)
    text = text.replace(old, hashlib.sha256(raw).hexdigest())
open(f"{folder}/ledger.jsonl", "w").write(text)
END
}

# peak FOLDER ARGS...: MiB that the program itself reports at its end, to $PEAK.
printf 'predict: {fold: all, seen: allow, overlap: 0}\n' | cat "$T/m.yaml" - >"$T/with.yaml"
peak() {
	folder=$1
	shift
	exits "$folder: predicted" 0 sm predict --manifest "$T/with.yaml" --in "$T/$folder" --model "$T/train" --other-steps \
		--out "$T/$folder-out" --case "$key" --jobs 1 "$@"
	PEAK=$(sed -n 's/.*peak memory \([0-9]*\) MiB.*/\1/p' "$ERR")
	diag "$folder: $PEAK MiB"
}
# 32 x 32 x 16 voxels of four channels are 0.25 MiB as float32, and 1024 times that is 256 MiB.
longer "$T/short" 8
longer "$T/long" 512
peak short
short=$PEAK
peak long
long=$PEAK
# 128 MiB of image, of probabilities 96 MiB, and 8 MiB of labels; room is for the labels and as much again.
ok "126 MiB more of image take at most 16 MiB more" test "$((long - short))" -le 16
rm -rf "$T/short-out" "$T/long-out"
peak short --probabilities
short=$PEAK
peak long --probabilities
long=$PEAK
ok "with 96 MiB of probability maps too" test "$((long - short))" -le 16
done_testing
