#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs export
make_checkpoint=$SM_BIN/make_checkpoint
[ -x "$make_checkpoint" ] || fail_all "make_checkpoint is not built"

# full_disk COMMAND...: no file can grow above 64 KiB.
full_disk() {
	(
		trap '' XFSZ
		ulimit -f 128
		"$@"
	)
}
"$make_checkpoint" nnunet3d auto auto 1 2 3 8 32 32 0.25 "$T" || fail_all "no checkpoint was made"

exits "a checkpoint" 0 sm export --checkpoint "$T/best.hdf5" --out "$T/a"
like "what the network takes is told" "$(cat "$ERR")" 'Input: 2 channels; tiles of 32 x 32 x 8 voxels'
is "becomes two files" "$(ls "$T/a" | tr '\n' ' ')" "best.onnx best.safetensors "
exits "again" 0 sm export --checkpoint "$T/best.hdf5" --out "$T/b" --jobs 2
same_tree "the same bytes" "$T/a" "$T/b"
header=$(tail -c +9 "$T/a/best.safetensors" | head -c 12000 | tr -d '\0')
like "MONAI's names" "$header" '"input_block.conv1.conv.weight":\{"data_offsets"'
like "what the channels mean" "$header" '\\"head\\":\\"softmax\\"'
unlike "no path" "$(tr -d '\0' <"$T/a/best.onnx" | grep -ao "$T" | head -n 1)" .

exits "one format, another name" 0 sm export --checkpoint "$T/best.hdf5" --format onnx --name net --out "$T/c"
is "one file" "$(ls "$T/c")" net.onnx
ok "the same as the other" cmp "$T/c/net.onnx" "$T/a/best.onnx"
exits "a dry run" 0 sm export --checkpoint "$T/best.hdf5" --out "$T/d" --dry-run
not_ok "writes nothing" test -e "$T/d/best.onnx"

exits "a file that exists" 2 sm export --checkpoint "$T/best.hdf5" --out "$T/c" --format onnx --name net
like "is named" "$(cat "$ERR")" 'net.onnx: exists already'
rm "$T/b/best.onnx"
exits "one of two that exists" 2 sm export --checkpoint "$T/best.hdf5" --out "$T/b"
not_ok "the other is not written" test -e "$T/b/best.onnx"
exits "an unknown format" 2 sm export --checkpoint "$T/best.hdf5" --out "$T/e" --format pickle
like "the known ones" "$(cat "$ERR")" "safetensors\|onnx\|both"
exits "no checkpoint" 2 sm export --out "$T/e"
exits "a name that leaves the folder" 2 sm export --checkpoint "$T/best.hdf5" --out "$T/e" --name ../x
exits "a missing checkpoint" 3 sm export --checkpoint "$T/none.hdf5" --out "$T/e"
for part in 100 5000 200000; do
	head -c "$part" "$T/best.hdf5" >"$T/cut.hdf5"
	exits "a checkpoint of $part bytes" 3 sm export --checkpoint "$T/cut.hdf5" --out "$T/e"
	like "is told" "$(cat "$ERR")" 'export: error: .*cut.hdf5'
done
printf 'no checkpoint' >"$T/text.hdf5"
exits "no HDF5 file" 3 sm export --checkpoint "$T/text.hdf5" --out "$T/e"
is "none of these wrote a file" "$(find "$T/e" -type f 2>/dev/null)" ""
# A file whose fields do not go together is refused before anything is planned or allocated by it.
if has_python h5py numpy; then
	# damage FILE EXPRESSION: a copy of best.hdf5 with f (its HDF5 file) and meta (its fields) changed.
	damage() {
		cp "$T/best.hdf5" "$1"
		"$PYTHON" - "$1" "$2" <<'END'
import h5py, json, sys, numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    text = f.attrs["meta"]
    meta = json.loads(text.decode() if isinstance(text, bytes) else text)
    exec(sys.argv[2])
    f.attrs["meta"] = np.bytes_(json.dumps(meta))
END
	}
	damage "$T/wide.hdf5" 'meta["width"] = 16'
	exits "another width" 3 sm export --checkpoint "$T/wide.hdf5" --out "$T/g"
	like "is told" "$(cat "$ERR")" 'model nnunet3d of width 16 has [0-9]+ weights, the checkpoint says [0-9]+'
	damage "$T/more.hdf5" 'meta["width"] = 16; meta["parameters"] = 7764620684'
	exits "more weights than the file has bytes for" 3 sm export --checkpoint "$T/more.hdf5" --out "$T/g"
	like "are told" "$(cat "$ERR")" 'says it has 7764620684 weights, its [0-9]+ bytes hold at most'
	damage "$T/nan.hdf5" 'f["parameters/enc1.conv1.weight"][0, 0, 0, 0, 0] = np.nan'
	exits "a weight that is NaN" 3 sm export --checkpoint "$T/nan.hdf5" --out "$T/g"
	like "is told with its tensor" "$(cat "$ERR")" 'nan.hdf5: enc1.conv1.weight holds a value that is NaN or infinite'
	not_ok "nothing is left of them" test -e "$T/g"
	damage "$T/coronal.hdf5" 'meta["plane"] = 2; meta["size"] = [32, 32, 8]'
	exits "a network of slices" 0 sm export --checkpoint "$T/coronal.hdf5" --out "$T/h"
	like "says how they lie" "$(cat "$ERR")" 'coronal slices of 32 x 32 voxels .*H from the head to the feet, W from the patient.s right to left'
	for end in safetensors onnx; do
		like "plane and view in $end" "$(head -c 20000 "$T/h/coronal.$end" | tr -d '\0' | tr '\n' ' '; tail -c 20000 "$T/h/coronal.$end" | tr -d '\0' | tr '\n' ' ')" \
			'plane[^a-z]*coronal.*view[^a-z]*radiological'
	done
fi
for format in safetensors onnx; do
	exits "a full disk, $format" 4 full_disk sm export --checkpoint "$T/best.hdf5" --format "$format" --out "$T/f"
	like "is told" "$(cat "$ERR")" "best.$format: .*(cannot be written|failed).*: File too large"
	is "leaves nothing" "$(find "$T/f" -type f 2>/dev/null)" ""
done
done_testing
