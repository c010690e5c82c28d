#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Text in the pixels stops an item until the manifest says otherwise. See docs/personal-data.md.
. "$(dirname "$0")/../lib.sh"
needs ingest phantom
has_python struct || skip_all "no Python"

run sm phantom --out "$T/ct" --kind ct_head --cases 1 --size 128,128,10 --spacing 1.6,1.6,6
ok "series with text" "$PYTHON" "$SM_ROOT/tests/stage/plant.py" burn "$T/ct/CT_001" "$T/raw"
printf 'schema: 1\nname: x\ningest: {burned_text: keep}\n' >"$T/keep.yaml"
printf 'schema: 1\nname: x\ningest: {compression: 0, uneven: regrid}\n' >"$T/plain.yaml"

for name in clean denied; do
	exits "$name: nothing is found" 0 sm ingest --in "$T/raw/$name" --out "$T/$name"
done
refused() {
	exits "$1: refused" 3 sm ingest --in "$T/raw/$1" --out "$T/$1"
	like "$1: with the reason" "$(cat "$ERR")" "rejected: burned_in: $2"
	ok "$1: nothing of it is written" test -z "$(find "$T/$1" -name 'image.*')"
	exits "$1: kept when the manifest says so" 0 sm ingest --in "$T/raw/$1" --out "$T/$1" --manifest "$T/keep.yaml"
	like "$1: with a warning" "$(cat "$ERR")" "warning: .*burned_in: $2"
	like "$1: and a record" "$(cat "$T/$1/ledger.jsonl")" '"burned_text":\["'
}
refused one_slice 'text-like marks in the pixels: [0-9]+ bright letters about 1[01] pixels high in columns 6 to .*, slice 3[; ]'
refused every_slice 'text-like marks in the pixels: .*, slices 0 to 9'
refused padded 'text-like marks in the pixels: [0-9]+ bright letters about 1[01] pixels high in columns 4.*, slice 3[; ]'
refused declared 'BurnedInAnnotation is YES'
refused capture 'a secondary capture'

# Black and white: letters of one grey step, in one bit, in eight, in a mask. What is a label is not searched.
cat >"$T/steps.py" <<'END'
import os, struct, sys, zlib
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from plant import GLYPHS
out, w, h = sys.argv[2], 128, 96
v = [bytearray(w) for _ in range(h)]
for n, letter in enumerate("QUILLOYLER"):
    for r in range(10):
        for c in range(6):
            v[40 + r][20 + 8 * n + c] = int(GLYPHS[letter][r // 2]) >> (2 - c // 2) & 1

def save(name, data):
    os.makedirs(os.path.dirname(f"{out}/{name}"), exist_ok=True)
    open(f"{out}/{name}", "wb").write(data)

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\0" + bytes(sum(r[x + b] << (7 - b) for b in range(8)) for x in range(0, w, 8)) for r in v)
save("pictures/one_bit.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 1, 0, 0, 0, 0)) +
     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
save("pictures/steps.pgm", b"P5\n128 96\n1\n" + b"".join(v))
save("pictures/white.pgm", b"P5\n128 96\n255\n" + b"".join(bytes(254 + x for x in r) for r in v))
head = bytearray(352)
struct.pack_into("<i", head, 0, 348)
struct.pack_into("<8h", head, 40, 3, w, h, 9, 1, 1, 1, 1)
struct.pack_into("<2h", head, 70, 4, 16)
struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 0, 0, 0)
struct.pack_into("<f", head, 108, 352)
head[123] = 2
struct.pack_into("<h", head, 254, 1)
struct.pack_into("<12f", head, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
head[344:348] = b"n+1\0"
flat = b"".join(struct.pack("<h", x) for r in v for x in r)
save("masks/a.nii", bytes(head) + bytes(4 * len(flat)) + flat + bytes(4 * len(flat)))
END
ok "black and white" "$PYTHON" "$T/steps.py" "$SM_ROOT/tests/stage" "$T/steps"
printf 'schema: 1\nname: x\ningest: {layout: images}\n' >"$T/pictures.yaml"
exits "pictures: refused" 3 sm ingest --in "$T/steps/pictures" --out "$T/steps_out" --manifest "$T/pictures.yaml"
is "all three" "$(grep -c 'rejected: burned_in: .* text-like marks in the pixels: [0-9]* bright letters about 1[01] pixels' "$ERR")" 3
for label in false true; do
	printf 'schema: 1\nname: x\ningest: {layout: files, sources: [{role: mask, pattern: "{case}.nii", label: %s}]}\n' \
		$label >"$T/mask_$label.yaml"
done
exits "a mask as an image: refused" 3 sm ingest --in "$T/steps/masks" --out "$T/mask_image" --manifest "$T/mask_false.yaml"
like "for its letters" "$(cat "$ERR")" 'rejected: burned_in: a.nii: text-like marks in the pixels: .*, slice 4 '
exits "as a label it is not searched" 0 sm ingest --in "$T/steps/masks" --out "$T/mask_label" --manifest "$T/mask_true.yaml"
unlike "nor told of" "$(cat "$ERR" "$T/mask_label/ledger.jsonl")" 'burned_in|text-like'

# Real scans: none is stopped for text.
if [ -d "$SM_SHARED_DATA" ]; then
	for set in ct_head_ge mr_t1_philips mr_siemens_orient mr_siemens_mosaic mr_enhanced mr_ct_vendors sts_ct_mr_pet mr_tumour_dicom \
		hippocampus_msd brats_tcga_fg_6692 t1_head_nifti; do
		case $set in
		hippocampus_msd) manifest=$SM_ROOT/manifests/hippocampus-real.yaml ;;
		brats_tcga_fg_6692) manifest=$SM_ROOT/manifests/brats-real.yaml ;;
		*) manifest=$T/plain.yaml ;;
		esac
		run sm ingest --in "$SM_SHARED_DATA/$set" --out "$T/real_$set" --manifest "$manifest"
		unlike "$set: no false alarm" "$(cat "$ERR")" 'burned_in'
		ok "$set: something was read" test -n "$(find "$T/real_$set" -name '*.nii*' | head -n 1)"
		rm -rf "$T/real_$set"
	done
else
	skip "real scans" "no real data"
fi
done_testing
