#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Names, numbers, dates and UIDs are planted wherever a raw file, its name or its folder can hold some;
# none of them may come out of any stage: not in a file, a file's name, a ledger, a sidecar, a picture, a log line or
# the table on the terminal. See docs/personal-data.md.
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom preprocess split tile slice
has_python struct || skip_all "no Python"
plant=$SM_ROOT/tests/stage/plant.py

# clean NAME PATH...: none of the planted things stands below any path.
clean() {
	tap_name=$1
	shift
	ok "$tap_name" "$PYTHON" "$plant" find "$T/planted.secrets" "$@"
}

printf 'Pepper, at least sixteen bytes of it' >"$T/salt"
chmod 600 "$T/salt"
run sm phantom --out "$T/ct" --kind ct_head --cases 1 --size 32,32,8 --spacing 6,6,8
run sm phantom --out "$T/brats" --cases 3 --size 24,24,16
ok "a planted DICOM tree" "$PYTHON" "$plant" dicom "$T/ct/CT_001" "$T/planted" "$SM_ROOT/tests/golden/text_tags.txt"
ok "a planted NIfTI tree" "$PYTHON" "$plant" nifti "$T/brats" "$T/brats_planted"
not_ok "the search finds what is planted in DICOM files" "$PYTHON" "$plant" find "$T/planted.secrets" "$T/planted"
cp "$T/brats_planted/BraTS20_Training_001/BraTS20_Training_001_t1.nii.gz" "$T/one.nii.gz"
not_ok "and in NIfTI files" "$PYTHON" "$plant" find "$T/planted.secrets" "$T/one.nii.gz"

# DICOM, good and spoilt, with every word of the log.
mkdir "$T/logs"
for salted in yes no; do
	[ $salted = yes ] && with="--salt-file $T/salt" || with=
	# shellcheck disable=SC2086 # a list of options
	run sm index --in "$T/planted" --out "$T/index_$salted" --log debug $with
	is "index lists the tree and what it cannot read, salt: $salted" "$CODE" 1
	cp "$OUT" "$T/logs/index.$salted.out"
	cp "$ERR" "$T/logs/index.$salted.err"
	# shellcheck disable=SC2086
	run sm ingest --in "$T/planted" --out "$T/ingest_$salted" --log debug $with
	is "ingest goes on past what it rejects, salt: $salted" "$CODE" 1
	cp "$OUT" "$T/logs/ingest.$salted.out"
	cp "$ERR" "$T/logs/ingest.$salted.err"
done
like "something is rejected" "$(cat "$T/logs/ingest.yes.err")" ' rejected: '
ok "and something is not" test -n "$(find "$T/ingest_yes" -name image.json)"
clean "nothing planted in what index wrote" "$T/index_yes"
clean "nothing planted in what ingest wrote" "$T/ingest_yes"
clean "nothing planted in what they printed" "$T/logs"

# PET reads other elements: weights, times of day, radiopharmaceuticals.
run sm phantom --out "$T/pet" --kind pet_dynamic --cases 1 --size 24,24,8 --spacing 8,8,6
ok "a planted PET tree" "$PYTHON" "$plant" dicom "$T/pet/PET_001" "$T/planted_pet" "$SM_ROOT/tests/golden/text_tags.txt"
cat "$T/planted_pet.secrets" >>"$T/planted.secrets"
run sm ingest --in "$T/planted_pet" --out "$T/pet_out" --log debug --salt-file "$T/salt"
is "its good series are read" "$CODE" 1
cp "$ERR" "$T/logs/pet.err"
ok "with a frame table" grep -q FrameTimesStart "$(find "$T/pet_out" -name image.json | head -n 1)"
clean "nothing planted comes out of it" "$T/pet_out"

printf 'schema: 1\nname: x\ningest: {pet_units: suvbw}\n' >"$T/suv.yaml"
run sm index --in "$T/planted_pet" --out "$T/pet_index" --manifest "$T/suv.yaml" --log debug --salt-file "$T/salt"
is "and listed, with what has no SUV" "$CODE" 1
cat "$OUT" "$ERR" >"$T/logs/pet_index"
clean "nothing planted comes out of that" "$T/pet_index" "$T/logs/pet_index"

# NIfTI: file names are keys and stay; nothing else does.
run sm ingest --in "$T/brats_planted" --out "$T/cases" --log debug --salt-file "$T/salt"
is "the planted NIfTI cases are read" "$CODE" 0
cp "$OUT" "$T/logs/cases.out"
cp "$ERR" "$T/logs/cases.err"
clean "nothing planted in what ingest made of them" "$T/cases"
for file in "$T"/brats_planted/*002/*; do
	head -c $(($(size "$file") * 2 / 3)) "$file" >"$T/cut" && mv "$T/cut" "$file"
done
printf 'Zarathustra Quill' >"$T/brats_planted/BraTS20_Training_003/BraTS20_Training_003_t1.nii.gz"
run sm ingest --in "$T/brats_planted" --out "$T/cases_bad" --log debug --salt-file "$T/salt"
is "damaged ones are rejected" "$CODE" 1
cp "$ERR" "$T/logs/cases_bad.err"
clean "nothing planted in their records" "$T/cases_bad"

# Pictures: text chunks, EXIF, comments.
ok "planted pictures" "$PYTHON" "$plant" pictures "$T/pictures"
printf 'schema: 1\nname: x\ningest: {layout: images, pairing: none}\n' >"$T/images.yaml"
run sm ingest --in "$T/pictures" --out "$T/pictures_out" --manifest "$T/images.yaml" --log debug --salt-file "$T/salt"
cp "$ERR" "$T/logs/pictures.err"
is "every planted picture is read" "$(find "$T/pictures_out" -name '*.png' | wc -l)" "$(find "$T/pictures" -type f | wc -l)"
not_ok "the search finds what is planted in pictures" "$PYTHON" "$plant" find "$T/planted.secrets" "$T/pictures"
clean "nothing planted in what ingest made of them" "$T/pictures_out"

# Down the road: tiles, pictures, ledgers of every later stage.
cat >"$T/m.yaml" <<'END'
schema: 1
name: planted
ingest: {layout: brats}
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 1, test: 1, valid: 1, seed: 1}
tile: {size: [16, 16, 8], per_case: 2, max_background: 1.01}
END
run sm preprocess --manifest "$T/m.yaml" --in "$T/cases" --out "$T/prep" --log debug
is "preprocess" "$CODE" 0
cp "$ERR" "$T/logs/preprocess.err"
run sm split --manifest "$T/m.yaml" --in "$T/prep" --out "$T/split" --log debug
is "split" "$CODE" 0
cp "$ERR" "$T/logs/split.err"
run sm tile --manifest "$T/m.yaml" --in "$T/prep" --out "$T/tiles" --log debug
is "tile" "$CODE" 0
cp "$ERR" "$T/logs/tile.err"
run sm slice --in "$T/ingest_yes" --out "$T/slices" --log debug
is "slice" "$CODE" 0
cp "$ERR" "$T/logs/slice.err"
clean "nothing planted in any of it" "$T/prep" "$T/split" "$T/tiles" "$T/slices" "$T/logs"

# The salt: a secret that must not travel with the data.
cp "$T/salt" "$T/ct/salt"
exits "a salt in the raw tree is refused" 2 sm ingest --in "$T/ct" --out "$T/salted" --salt-file "$T/ct/salt"
like "which is told" "$(cat "$ERR")" 'salt-file: lies in the folder of --in, allowed is a place outside'
rm "$T/ct/salt"
mkdir -p "$T/salted"
cp "$T/salt" "$T/salted/salt"
exits "a salt in the output is refused" 2 sm ingest --in "$T/ct" --out "$T/salted" --salt-file "$T/salted/salt"
exits "and by index" 2 sm index --in "$T/ct" --out "$T/salted" --salt-file "$T/salted/salt"
run sm ingest --in "$T/ct" --out "$T/salt_good" --salt-file "$T/salt"
unlike "a good salt is no reason to warn" "$(cat "$ERR")" 'salt'
printf '0123456789abcde' >"$T/short"
chmod 644 "$T/short"
exits "a short salt that all may read" 0 sm ingest --in "$T/ct" --out "$T/salt_short" --salt-file "$T/short"
like "is called guessable" "$(cat "$ERR")" 'warning: .*salt-file: 15 bytes can be guessed; 16 or more cannot'
like "and open" "$(cat "$ERR")" 'warning: .*salt-file: everybody on this machine may read it'
unlike "the salt is nowhere" "$(cat "$T"/salt_short/ledger.jsonl "$T"/salt_short/*/*.json "$ERR")" '0123456789abcde'

# The tree under a name: absolute paths stay out of files whatever they are called.
mkdir "$T/Quill_Zarathustra"
mv "$T/planted" "$T/Quill_Zarathustra/Oyler"
run sm ingest --in "$T/Quill_Zarathustra/Oyler" --out "$T/named" --salt-file "$T/salt"
same_tree "where the tree stands changes nothing" "$T/ingest_yes" "$T/named"

# A real scan with everything planted into it.
if [ -d "$SM_SHARED_DATA/mr_t1_philips" ] && has_python pydicom; then
	cat >"$T/real.py" <<'END'
import glob, os, sys
import pydicom
source, out, tags = sys.argv[1:]
text = [(int(l.split()[0], 16), l.split()[1]) for l in open(tags)]
kept = {0x00080005, 0x00080008, 0x00080016, 0x00080060, 0x00280004}
value = {"DA": "19570314", "TM": "031459", "DT": "19570314031459", "AS": "087Y", "UI": "1.2.826.0.1.99991.5",
         "CS": "QUILL", "AE": "OYLER", "UR": "http://quill.example"}
os.makedirs(out)
for k, path in enumerate(sorted(glob.glob(source + "/**/*", recursive=True))):
    try:
        d = pydicom.dcmread(path)
        d.PixelData
    except Exception:
        continue
    for tag, vr in text:
        if tag >> 16 != 4 and tag not in kept:
            d.add_new(tag, vr, value.get(vr, "Zarathustra Quill"))
    d.SOPInstanceUID = f"1.2.826.0.1.99991.77.{k}"
    d.file_meta.SourceApplicationEntityTitle = "OYLER"
    d.preamble = b"Zarathustra Quill".ljust(128)
    for e in d:
        if e.tag.is_private and e.VR in ("LO", "SH", "LT", "UN", "PN", "ST", "CS"):
            e.value = b"Quill" if e.VR == "UN" else "QUILL"
    d.save_as(f"{out}/Quill{k}")
END
	ok "a planted real scan" "$PYTHON" "$T/real.py" "$SM_SHARED_DATA/mr_t1_philips" "$T/real" \
		"$SM_ROOT/tests/golden/text_tags.txt"
	exits "is read" 0 sm ingest --in "$T/real" --out "$T/real_out" --log debug --salt-file "$T/salt"
	cp "$ERR" "$T/logs/real.err"
	clean "and nothing planted comes out" "$T/real_out" "$T/logs/real.err"
else
	skip "a planted real scan" "no real data or no pydicom"
fi

done_testing
