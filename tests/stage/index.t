#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom verify

ct="--kind ct_head --cases 2 --size 32,32,8 --spacing 6,6,8"
# shellcheck disable=SC2086 # a list of options
run sm phantom --out "$T/raw" $ct
run sm phantom --out "$T/raw/brats" --cases 1 --size 24,24,16
printf 'notes' >"$T/raw/notes.txt"
printf 'pepper' >"$T/salt"

exits "a mixed tree" 0 sm index --in "$T/raw" --out "$T/one" --jobs 1
cp "$OUT" "$T/table"
is "two series in the table" "$(grep -c '^ct-[0-9a-f]* .* 32x32x8 .* 6x6x8 .* ok$' "$T/table")" 2
like "and the case" "$(cat "$T/table")" '^BraTS20_Training_001 .* case .* ok$'
like "and the kinds of files" "$(cat "$T/table")" '^16 dicom files$'
like "an empty salt is told" "$(cat "$ERR")" 'no --salt-file'
exits "the same with two threads" 0 sm index --in "$T/raw" --out "$T/two" --jobs 2
same_tree "gives the same bytes" "$T/one" "$T/two"
is "and the same table" "$(cat "$OUT")" "$(cat "$T/table")"
exits "without --out only the table" 0 sm index --in "$T/raw"
is "is printed" "$(cat "$OUT")" "$(cat "$T/table")"

exits "with a salt" 0 sm index --in "$T/raw" --out "$T/salted" --salt-file "$T/salt"
unlike "no warning" "$(cat "$ERR")" 'no --salt-file'
unlike "other keys" "$(cat "$T/salted/ledger.jsonl")" "$(sed -n 's/^\(ct-[0-9a-f]*\) .*/\1/p' "$T/table" | head -n 1)"
unlike "the salt is not in the ledger" "$(cat "$T/salted/ledger.jsonl")" 'pepper|salt_file'
: >"$T/nosalt"
exits "an empty salt file is refused" 2 sm index --in "$T/raw" --salt-file "$T/nosalt"
like "by the option's name" "$(cat "$ERR")" '--salt-file: the file is empty'
head -c 5000 /dev/zero >"$T/bigsalt"
exits "so is a long one" 2 sm index --in "$T/raw" --salt-file "$T/bigsalt"
like "by the option's name" "$(cat "$ERR")" '--salt-file: .*5000 bytes long, allowed are at most 4096'

# Two slices swapped in name: the same series, the same ledger.
cp -r "$T/raw" "$T/renamed"
dir=$T/renamed/CT_001
first=$(find "$dir" -type f | sort | head -n 1)
last=$(find "$dir" -type f | sort | tail -n 1)
mv "$first" "$T/swap" && mv "$last" "$first" && mv "$T/swap" "$last"
exits "names of files do not matter" 0 sm index --in "$T/renamed" --out "$T/three"
same_tree "for the result" "$T/one" "$T/three"

# The log tells listing from use; a dry run prints the same.
like "all of it is usable" "$(cat "$ERR")" '^index: info: 3 items: 3 usable, 0 refused, 0 set aside'
exits "a dry run" 0 sm index --in "$T/raw" --out "$T/dry" --dry-run
is "prints the same table" "$(cat "$OUT")" "$(cat "$T/table")"
ok "and writes nothing" test ! -e "$T/dry"

# Headers of NIfTI files and pictures: what ingest refuses by them has its verdict here.
brats=$T/raw/brats/BraTS20_Training_001/BraTS20_Training_001
mkdir "$T/nifti"
cp "${brats}_t1.nii.gz" "$T/nifti/good.nii.gz"
gzip -dc "${brats}_t1.nii.gz" >"$T/nifti/plain.nii"
head -c 100 "$T/nifti/plain.nii" >"$T/nifti/short.nii"
head -c 5000 "$T/nifti/plain.nii" >"$T/nifti/cut.nii"
: >"$T/nifti/empty.nii"
printf 'no gzip' >"$T/nifti/word.nii.gz"
exits "NIfTI files" 0 sm index --in "$T/nifti" --out "$T/nifti_index"
like "with size and spacing" "$(cat "$OUT")" '^good .* case .* 24x24x16 .* [0-9.]+x[0-9.]+x[0-9.]+ +ok$'
like "a short one" "$(cat "$OUT")" '^short .* broken: short.nii: 100 bytes are too short for a NIfTI header'
like "one with a part of its voxels" "$(cat "$OUT")" '^cut .* broken: cut.nii: 5000 bytes in the file cannot hold'
like "an empty one" "$(cat "$OUT")" '^empty .* broken: empty.nii: 0 bytes'
like "one that is no gzip file" "$(cat "$OUT")" '^word .* broken: word.nii.gz: the content is no gzip data'
like "are counted" "$(cat "$ERR")" '6 items: 2 usable, 4 refused, 0 set aside'
exits "and ingest agrees" 1 sm ingest --in "$T/nifti" --out "$T/nifti_out"
is "item by item" "$(sed -n 's/.*"key":"\([a-z]*\)".*"usable":false.*/\1/p' "$T/nifti_index/ledger.jsonl")" \
	"$(sed -n 's/.*"key":"\([a-z]*\)".*"status":"rejected".*/\1/p' "$T/nifti_out/ledger.jsonl")"
exits "a header mended" 0 cp "$T/nifti/plain.nii" "$T/nifti/short.nii"
exits "is seen" 0 sm index --in "$T/nifti" --out "$T/nifti_index" --resume
like "with --resume" "$(cat "$OUT")" '^short .* ok$'
like "which keeps the others" "$(cat "$ERR")" '6 listed, 0 rejected, 5 reused'
cp -r "$T/raw/brats" "$T/grid"
mv "$T/grid/BraTS20_Training_001/BraTS20_Training_001_t2.nii.gz" "$T/kept.nii.gz"
run sm phantom --out "$T/other" --cases 1 --size 16,16,16
cp "$T/other/BraTS20_Training_001/BraTS20_Training_001_t2.nii.gz" "$T/grid/BraTS20_Training_001/"
exits "roles of two grids" 0 sm index --in "$T/grid"
like "are refused" "$(cat "$OUT")" '^BraTS20_Training_001 .* refused: .*_t2.nii.gz: size along x is 16, but .* has 24'
mkdir -p "$T/pairs/A" "$T/pairs/B"
printf 'P5 3 2 255\nabcdef' >"$T/pairs/A/x.pgm"
printf 'P5 3 2 255\nabcdef' >"$T/pairs/A/y.pgm"
printf 'P5 3 2 255\nabcdef' >"$T/pairs/B/x.pgm"
printf 'P5 2 3 255\nabcdef' >"$T/pairs/B/y.pgm"
exits "pairs of pictures" 0 sm index --in "$T/pairs"
like "with their size" "$(cat "$OUT")" '^x .* case .* 3x2 .* ok$'
like "which must be one" "$(cat "$OUT")" '^y .* refused: B/y.pgm has 2 x 3 pixels, A/y.pgm has 3 x 2'
mkdir -p "$T/deep/one/two"
cp "$T/nifti/good.nii.gz" "$T/deep/one/two/a.nii.gz"
exits "a NIfTI file in a subfolder" 3 sm index --in "$T/deep"
like "needs a pattern" "$(cat "$ERR")" '1 of 1 files are NIfTI, but in subfolders: .*ingest.sources'

# A broken file, and how to find it without its name in any output.
mkdir "$T/raw/Doe^Jane"
head -c 600 "$last" >"$T/raw/Doe^Jane/whole.dcm"
exits "a slice cut between two elements" 0 sm index --in "$T/raw"
like "is no report to be set aside" "$(cat "$OUT")" '^ct-.* (no_size: Rows and Columns are missing|no_series: )'
rm "$T/raw/Doe^Jane/whole.dcm"
head -c 613 "$last" >"$T/raw/Doe^Jane/cut.dcm"
exits "a broken file ends with 1" 1 sm index --in "$T/raw" --out "$T/broken"
key=$(sed -n 's/^\(file-[0-9a-f]*\) .*broken: .*/\1/p' "$OUT")
like "it is named by a hash" "$key" '^file-[0-9a-f]{12}$'
like "its record tells why" "$(grep "$key" "$T/broken/ledger.jsonl")" '"reason":"the file is no whole DICOM file'
unlike "its path is in no output" "$(cat "$OUT" "$ERR" "$T/broken/ledger.jsonl")" 'Jane|cut.dcm'
exits "--find" 0 sm index --in "$T/raw" --find "$key"
is "prints the path" "$(cat "$OUT")" 'Doe^Jane/cut.dcm'
exits "the catalogue with it as CSV" 1 sm index --in "$T/raw" --format csv
is "is what stands in the file" "$(cat "$OUT")" "$(cat "$T/broken/catalogue.csv")"
exits "and as JSON" 1 sm index --in "$T/raw" --format json
is "too" "$(cat "$OUT")" "$(cat "$T/broken/catalogue.json")"
unlike "neither is a setting" "$(head -n 1 "$T/broken/ledger.jsonl")" '"(format|find)"'
run sm index --help
like "and --help calls them what they are" "$(tr '\n' ' ' <"$OUT")" '--find TEXT .*--format NAME '
for word in zz "${key}0" 00000000000G; do
	exits "--find $word" 2 sm index --in "$T/raw" --find "$word"
	like "is no hash" "$(cat "$ERR")" '--find: found .*allowed are 1 to 12 hex digits'
done
exits "--find of nothing" 3 sm index --in "$T/raw" --find 000000000000
exits "--find makes no ledger" 2 sm index --in "$T/raw" --out "$T/x" --find "$key"

# --resume sees what changed in the tree, and reuses the rest.
cp -r "$T/renamed" "$T/grown"
exits "an index of a tree" 0 sm index --in "$T/grown" --out "$T/resumed"
exits "again with --resume" 0 sm index --in "$T/grown" --out "$T/resumed" --resume
like "reuses all" "$(cat "$ERR")" '3 listed, 0 rejected, 3 reused'
rm "$(find "$T/grown/CT_001" -type f | sort | sed -n 4p)"
mv "$T/grown/brats/BraTS20_Training_001/BraTS20_Training_001_t2.nii.gz" "$T/grown/lost"
exits "a slice and a role gone" 0 sm index --in "$T/grown" --out "$T/resumed" --resume
like "are looked at again" "$(cat "$ERR")" '3 listed, 0 rejected, 1 reused'
exits "a fresh index of it" 0 sm index --in "$T/grown" --out "$T/fresh"
same_tree "is the same" "$T/fresh" "$T/resumed"

# A file whose path, size and time of change are the same is not opened again.
like "a first look opens every file" "$(cat "$ERR")" '[1-9][0-9]* files, [1-9][0-9]* of them opened'
cp -rp "$T/grown" "$T/cached"
exits "an index of it" 0 sm index --in "$T/cached" --out "$T/kept"
touch "$(find "$T/cached" -name '*.dcm' | sort | head -n 1)"
exits "again" 0 sm index --in "$T/cached" --out "$T/kept" --resume
like "opens the one that was touched" "$(cat "$ERR")" ' files, 1 of them opened'
same_tree "and finds the same" "$T/fresh" "$T/kept"
one=$(find "$T/cached" -name '*.dcm' | sort | head -n 1)
cp -p "$one" "$T/time"
flip "$one" $(($(size "$one") - 1))
touch -r "$T/time" "$one"
is "another file of the same size and time" "$(stat -c '%s %Y' "$one")" "$(stat -c '%s %Y' "$T/time")"
exits "again" 0 sm index --in "$T/cached" --out "$T/kept" --resume
like "is opened" "$(cat "$ERR")" ' files, 1 of them opened'
cp -p "$T/time" "$one"
exits "the old one" 0 sm index --in "$T/cached" --out "$T/kept" --resume
same_tree "is back" "$T/fresh" "$T/kept"
flip "$T/kept/.heads.cache" 700
exits "a damaged cache" 0 sm index --in "$T/cached" --out "$T/kept" --resume
unlike "is not used" "$(cat "$ERR")" ' files, 0 of them opened'
exits "another salt" 0 sm index --in "$T/cached" --out "$T/kept" --resume --salt-file "$T/salt"
unlike "does not use it either" "$(cat "$ERR")" ' files, 0 of them opened'
unlike "no path or identifier in the cache" "$(strings "$T/kept/.heads.cache")" 'brats|CT_00|PHANTOM|Phantom|1\.2\.826'
exits "verify does not miss it" 0 sm verify --in "$T/kept"

# The catalogue.
exits "as CSV" 0 sm index --in "$T/grown" --format csv
is "is what stands in the file" "$(cat "$OUT")" "$(cat "$T/fresh/catalogue.csv")"
is "one line an item and one of names" "$(wc -l <"$OUT" | tr -d ' ')" "$(($(wc -l <"$T/fresh/ledger.jsonl")))"
exits "as JSON" 0 sm index --in "$T/grown" --format json
is "is what stands in the file" "$(cat "$OUT")" "$(cat "$T/fresh/catalogue.json")"
exits "in no known form" 2 sm index --in "$T/grown" --format xml

# Series without a UID have the key of their content, not one key for all trees.
if has_python pydicom; then
	"$PYTHON" - "$T/raw" "$T" <<'END'
import glob, os, sys, pydicom
for i, case in enumerate(("CT_001", "CT_002")):
    d = pydicom.dcmread(sorted(glob.glob(f"{sys.argv[1]}/{case}/*.dcm"))[0])
    del d.SeriesInstanceUID
    os.mkdir(f"{sys.argv[2]}/nouid{i}")
    d.save_as(f"{sys.argv[2]}/nouid{i}/a.dcm")
END
	exits "a file without SeriesInstanceUID" 0 sm index --in "$T/nouid0"
	first_key=$(sed -n 's/^\(ct-[0-9a-f]*\) .* no_series: .*/\1/p' "$OUT")
	like "has a key" "$first_key" '^ct-[0-9a-f]{12}$'
	mv "$T/nouid0/a.dcm" "$T/nouid0/b.dcm"
	exits "under another name" 0 sm index --in "$T/nouid0"
	like "has the same" "$(cat "$OUT")" "^$first_key "
	exits "another file without it" 0 sm index --in "$T/nouid1"
	like "is no series either" "$(cat "$OUT")" '^ct-[0-9a-f]{12} .* no_series: '
	unlike "and has another key" "$(cat "$OUT")" "^$first_key "
	mkdir "$T/nouid"
	cp "$T/nouid0/b.dcm" "$T/nouid/1.dcm"
	cp "$T/nouid0/b.dcm" "$T/nouid/3.dcm"
	cp "$T/nouid1/a.dcm" "$T/nouid/0.dcm"
	exits "both, and a copy, in one tree" 0 sm index --in "$T/nouid"
	is "are two items" "$(grep -c '^ct-[0-9a-f]* .* no_series: ' "$OUT")" 2
	like "with the same key" "$(cat "$OUT")" "^$first_key "
	exits "again" 0 sm index --in "$T/nouid" --out "$T/nouid_index"
	exits "and with --resume" 0 sm index --in "$T/nouid" --out "$T/nouid_index" --resume
	like "which opens none of them" "$(cat "$ERR")" ' files, 0 of them opened'
	like "the same" "$(cat "$OUT")" "^$first_key "

	# What headers say of burned-in text, a missing PatientID, and an object without pictures.
	"$PYTHON" - "$T/raw" "$T" <<'END'
import glob, os, sys, pydicom
slices = [pydicom.dcmread(p) for p in sorted(glob.glob(f"{sys.argv[1]}/CT_001/*.dcm"))]
def save(name, change):
    os.mkdir(f"{sys.argv[2]}/{name}")
    for i, d in enumerate(slices):
        d = pydicom.dcmread(d.filename)
        change(d)
        d.save_as(f"{sys.argv[2]}/{name}/{i}.dcm")
def burned(d): d.BurnedInAnnotation = "YES"
def nobody(d): d.PatientID = ""
def raw(d):
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66"
    for k in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(d, k)
save("burned", burned)
save("nobody", nobody)
save("rawdata", raw)
END
	exits "text in the pixels by the header" 0 sm index --in "$T/burned"
	like "is the verdict" "$(cat "$OUT")" '^ct-.* burned_in: BurnedInAnnotation is YES \(ingest.burned_text: keep'
	like "and no usable series" "$(cat "$ERR")" '[^0-9]1 item: 0 usable, 1 refused'
	printf 'schema: 1\nname: x\ningest: {burned_text: keep}\n' >"$T/keep.yaml"
	exits "unless the manifest keeps it" 0 sm index --in "$T/burned" --manifest "$T/keep.yaml"
	like "then it is good" "$(cat "$OUT")" '^ct-.* ok$'
	exits "files without PatientID" 0 sm index --in "$T/nobody" --out "$T/nobody_index"
	like "are told" "$(cat "$ERR")" 'warning: 1 of 1 series have no PatientID: the study stands for the patient'
	like "and noted" "$(cat "$T/nobody_index/ledger.jsonl")" '"patient":"p[0-9a-f]{12}","patient_from":"study"'
	unlike "which those with one are not" "$(cat "$T/fresh/ledger.jsonl")" 'patient_from'
	exits "raw data of a scanner" 0 sm index --in "$T/rawdata"
	like "are no pictures" "$(cat "$OUT")" '^ct-.* not_image: modality CT, but the object holds no picture: it is raw data'
	like "and set aside" "$(cat "$ERR")" '[^0-9]1 item: 0 usable, 0 refused, 1 set aside'
	exits "nothing to convert" 3 sm ingest --in "$T/rawdata" --out "$T/rawdata_out"
	like "is told with its number" "$(cat "$ERR")" 'nothing to convert: all of its 1 series are no scans and were set aside'
	ok "and leaves no ledger" test ! -e "$T/rawdata_out/ledger.jsonl"
else
	skip "series without a UID" "no pydicom"
fi

# What cannot be read now may be readable next time: it is not kept. Root reads everything.
as_nobody=
[ "$(id -u)" = 0 ] && as_nobody="setpriv --reuid 65534 --clear-groups"
if [ -z "$as_nobody" ] || [ -n "$(command -v setpriv)" ]; then
	cp -r "$T/raw/CT_001" "$T/closed"
	chmod 000 "$(find "$T/closed" -type f | sort | head -n 1)"
	mkdir "$T/closed_index"
	chmod 755 "$T"
	chmod 777 "$T/closed_index"
	for try in first second; do
		# shellcheck disable=SC2086 # no word or some
		exits "a closed file, $try look" 1 $as_nobody "$SM_BIN/scanmill-index" --in "$T/closed" --out "$T/closed_index" --resume
		like "cannot be opened" "$(cat "$OUT")" '^file-[0-9a-f]* .* broken: the file cannot be opened'
	done
	like "and is tried again" "$(cat "$ERR")" ' files, 1 of them opened'
else
	skip "a closed file" "no setpriv"
fi

mkdir "$T/empty"
exits "an empty tree" 3 sm index --in "$T/empty" --out "$T/none"
like "is told" "$(cat "$ERR")" 'none of 0 files is what layout auto looks for'
ok "and leaves no ledger" test ! -e "$T/none/ledger.jsonl"
exits "a folder that is not there" 2 sm index --in "$T/nowhere"

data=$SM_SHARED_DATA
if [ -d "$data/malformed/dicom" ]; then
	exits "the malformed corpus is walked" 1 sm index --in "$data/malformed/dicom" --out "$T/mal"
	like "with verdicts" "$(cat "$OUT")" '^mr-.* no_spacing: PixelSpacing'
	exits "real series of three modalities" 0 sm index --in "$data/sts_ct_mr_pet/dicom"
	is "all six are good" "$(grep -c ' ok$' "$OUT")" 6
	is "contours are no pictures" "$(grep -c ' not_image: ' "$OUT")" 6
	unlike "no patient's name" "$(cat "$OUT" "$ERR")" 'STS_0'
	exits "codecs" 0 sm index --in "$data/codecs"
	like "labels are refused by name" "$(cat "$OUT")" 'segmentation: modality SEG with BitsAllocated 1'
	like "so are frames without groups" "$(cat "$OUT")" 'bad_frames: NumberOfFrames is 10 and PerFrame'
	like "and colour" "$(cat "$OUT")" 'colour: 3 samples a pixel, RGB'
	exits "vendors" 0 sm index --in "$data/mr_ct_vendors"
	like "a missing slice" "$(cat "$OUT")" 'gap: 1 slices? (is|are) missing: slice distances from 5 to 10 mm'
else
	skip "real scans" "no $data"
fi
done_testing
