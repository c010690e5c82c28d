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
