#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom split

printf 'pepper' >"$T/salt"
ct="--kind ct_head --cases 2 --size 32,32,8 --spacing 6,6,8"
# shellcheck disable=SC2086 # a list of options
run sm phantom --out "$T/raw" $ct
exits "two DICOM series" 0 sm ingest --in "$T/raw" --out "$T/one" --jobs 1 --salt-file "$T/salt"
exits "with two threads" 0 sm ingest --in "$T/raw" --out "$T/two" --jobs 2 --salt-file "$T/salt"
same_tree "no byte depends on the threads" "$T/one" "$T/two"
is "a volume and a sidecar each" "$(find "$T/one" -name 'image.*' | wc -l | tr -d ' ')" 4
unlike "no person, date or path in any output" "$(cat "$T"/one/ledger.jsonl "$T"/one/*/image.json)" \
	"Phantom|PHANTOM|CT_00|$T|StudyDate|pepper"
side=$(cat "$T"/one/ct-*/image.json)
like "the slice map has hashes" "$side" '"sop_sha256": "[0-9a-f]{64}"'
like "the numbers are HU" "$side" '"Meaning": "HU"'

exits "again with --resume" 0 sm ingest --in "$T/raw" --out "$T/two" --resume --salt-file "$T/salt"
like "reuses all" "$(cat "$ERR")" '2 good, 0 rejected, 2 reused'
flip "$(find "$T/two" -name image.nii.gz | sort | head -n 1)" 200
exits "a damaged output" 0 sm ingest --in "$T/raw" --out "$T/two" --resume --salt-file "$T/salt"
like "is made again" "$(cat "$ERR")" '2 good, 0 rejected, 1 reused'
same_tree "as it was" "$T/one" "$T/two"

exits "other keys in the same folder" 0 sm ingest --in "$T/raw" --out "$T/two"
exits "and the first ones again" 0 sm ingest --in "$T/raw" --out "$T/two" --salt-file "$T/salt"
is "leave no folder of the others" "$(cd "$T/two" && find . -type d | sort)" "$(cd "$T/one" && find . -type d | sort)"
same_tree "and no file" "$T/one" "$T/two"

# The name of the folder is in no output, be it that of a folder inside it.
mkdir -p "$T/names/A/A" "$T/names/A/B"
printf 'P5 3 2 255\nabcdef' >"$T/names/A/A/x.pgm"
printf 'P5 2 3 255\nabcdef' >"$T/names/A/B/x.pgm"
printf 'P5 3 2 255\nabc' >"$T/names/A/A/y.pgm"
printf 'P5 3 2 255\nabcdef' >"$T/names/A/B/y.pgm"
cp -r "$T/names/A" "$T/names/other"
cd "$T/names" || exit 1
for folder in other A ./A A/ "$T/names/A" ../names/A; do
	exits "pairs in $folder" 3 sm ingest --in "$folder" --out "$T/names_out"
	[ "$folder" = other ] && cp "$T/names_out/ledger.jsonl" "$T/names.jsonl"
	is "give one ledger" "$(cat "$T/names_out/ledger.jsonl")" "$(cat "$T/names.jsonl")"
done
like "with the paths below it" "$(cat "$T/names.jsonl")" '"reason":"B/x.pgm has 2 x 3 pixels, A/x.pgm has 3 x 2'
cd "$SM_ROOT" || exit 1

exits "an index" 0 sm index --in "$T/raw" --out "$T/index" --salt-file "$T/salt"
exits "checked against" 0 sm ingest --in "$T/raw" --index "$T/index" --out "$T/i" --salt-file "$T/salt"
like "is a parent" "$(head -n 1 "$T/i/ledger.jsonl")" '"parents":\{"index":"[0-9a-f]{64}"\}'
exits "another salt does not fit it" 3 sm ingest --in "$T/raw" --index "$T/index" --out "$T/j"
like "and that is told" "$(cat "$ERR")" 'not in the index .*run scanmill index again'

exits "--single with two series" 3 sm ingest --in "$T/raw" --single --out "$T/s"
like "names both" "$(cat "$ERR")" 'holds 2 series \(ct-[0-9a-f]*, ct-[0-9a-f]*\).*exactly one'
exits "--single with one" 0 sm ingest --in "$T/raw/CT_001" --single --out "$T/s"

# Uneven, tilted: refused by default, interpolated on request; a tilt may be kept.
printf 'schema: 1\nname: x\ningest: {uneven: regrid, compression: 0}\n' >"$T/regrid.yaml"
for defect in gap uneven tilt; do
	run sm phantom --out "$T/$defect" --kind ct_head --cases 1 --size 32,32,9 --spacing 6,6,5 --defect $defect
done
exits "a gap is refused" 3 sm ingest --in "$T/gap" --out "$T/gap_out"
like "with the numbers" "$(cat "$ERR")" 'rejected: gap: 1 slice is missing: slice distances from 5 to 10 mm, allowed'
# What is known before any pixel is read.
mkdir "$T/three"
cp -r "$T/raw/CT_001" "$T/three/good"
cp -r "$T/gap" "$T/three/gap"
head -c 613 "$(find "$T/raw/CT_002" -type f | sort | head -n 1)" >"$T/three/cut.dcm"
exits "a dry run" 0 sm ingest --in "$T/three" --out "$T/dry" --dry-run
like "tells what headers say" "$(cat "$ERR")" 'warning: ct-.*: would be refused: gap: 1 slices? (is|are) missing'
like "of broken files, too" "$(cat "$ERR")" 'warning: file-.*: would be refused: the file is no whole DICOM file'
like "and counts it" "$(cat "$ERR")" '3 items: 1 would be made, 2 would be refused, 0 would be kept'
ok "and writes nothing" test ! -e "$T/dry"
exits "and with regrid" 0 sm ingest --in "$T/three" --out "$T/dry" --dry-run --manifest "$T/regrid.yaml"
like "the gap is none" "$(cat "$ERR")" '3 items: 2 would be made, 1 would be refused, 0 would be kept'
exits "--strict" 3 sm ingest --in "$T/gap" --out "$T/strict" --strict
is "tells the sentence once" "$(grep -c 'missing: slice distances' "$ERR")" 1
like "and that it stopped" "$(cat "$ERR")" 'error: ct-.*: rejected, and --strict stops at the first'

exits "and regridded on request" 0 sm ingest --in "$T/gap" --out "$T/gap_out" --manifest "$T/regrid.yaml"
like "which is told" "$(cat "$ERR")" '8 slices with distances from 5 to 10 mm were interpolated to 9 slices every 5 mm'
like "and recorded" "$(cat "$T/gap_out/ledger.jsonl")" '"regrid":\{.*"reason":"gap"'
ok "plain .nii for compression 0" test -n "$(find "$T/gap_out" -name image.nii)"
exits "uneven is refused" 3 sm ingest --in "$T/uneven" --out "$T/u_out"
exits "and regridded on request" 0 sm ingest --in "$T/uneven" --out "$T/u_out" --manifest "$T/regrid.yaml"
printf 'schema: 1\nname: x\ningest: {tilt: keep}\n' >"$T/keep.yaml"
exits "a tilt is refused" 3 sm ingest --in "$T/tilt" --out "$T/t_out"
like "with the angle and both ways out" "$(cat "$ERR")" \
	'rejected: tilt: the stack is tilted by 16.26 degrees.*ingest.uneven: regrid.*ingest.tilt: keep'
exits "kept in the affine on request" 0 sm ingest --in "$T/tilt" --out "$T/t_out" --manifest "$T/keep.yaml"
like "with a warning" "$(cat "$ERR")" 'warning: .*tilted by 16.26 degrees: the affine is sheared'
like "the ledger has two digits" "$(cat "$T/t_out/ledger.jsonl")" '"tilt_degrees":16.26[,}]'
exits "or taken out on request" 0 sm ingest --in "$T/tilt" --out "$T/t_even" --manifest "$T/regrid.yaml"
like "which is told as a tilt" "$(cat "$ERR")" 'warning: .*9 slices tilted by 16.26 degrees, 4.8 mm apart, were interpolated to'
if has_python nibabel numpy; then
	cat >"$T/tilt.py" <<'END'
import glob, sys
import nibabel, numpy
for folder, shear, q in ((sys.argv[1], True, 0), (sys.argv[2], False, 1)):
    image = nibabel.load(glob.glob(folder + '/*/image.nii*')[0])
    m = image.affine[:3, :3]
    m = m / numpy.linalg.norm(m, axis=0)
    assert (numpy.abs(m.T @ m - numpy.eye(3)).max() > 0.1) == shear, m
    assert int(image.header['qform_code']) == q
END
	ok "sheared with sform only, then orthogonal with both" "$PYTHON" "$T/tilt.py" "$T/t_out" "$T/t_even"
fi

# The same slice twice: a copy is left out with a warning, another file under the same UID is refused.
cp -r "$T/raw/CT_001" "$T/copy"
one=$(find "$T/copy" -type f | sort | sed -n 3p)
cp "$one" "$T/copy/again"
exits "a copied file" 0 sm ingest --in "$T/copy" --out "$T/copy_out"
like "is left out aloud" "$(cat "$ERR")" '1 file is a byte for byte copy of another'
flip "$T/copy/again" $(($(size "$one") - 1))
exits "a file with the same UID" 3 sm ingest --in "$T/copy" --out "$T/copy_out"
like "is refused" "$(cat "$ERR")" 'instance_clash: two different files'

# What other files decide is looked at again: a copy that comes or goes.
cp -r "$T/raw/CT_001" "$T/again"
exits "a series" 0 sm ingest --in "$T/again" --out "$T/again_out"
cp "$(find "$T/again" -type f | sort | sed -n 3p)" "$T/again/twin"
exits "with a copy, --resume" 0 sm ingest --in "$T/again" --out "$T/again_out" --resume
exits "and a fresh run" 0 sm ingest --in "$T/again" --out "$T/again_new"
same_tree "give the same ledger" "$T/again_out" "$T/again_new"
like "which counts the copy" "$(cat "$T/again_out/ledger.jsonl")" '"copies":1'

# A tight budget: the result is that of one thread.
run sm phantom --out "$T/wide" --kind ct_head --cases 1 --size 512,512,9 --spacing 0.5,0.5,5
for memory in 5 11; do
	run sm ingest --in "$T/wide" --out "$T/wide_$memory" --memory $memory --jobs 1
	cp "$T/wide_$memory/ledger.jsonl" "$T/wide.jsonl"
	for try in 1 2 3; do
		run sm ingest --in "$T/wide" --out "$T/wide_$memory" --memory $memory --jobs 4
		is "$memory MiB, four threads, try $try: the ledger of one thread" "$(cat "$T/wide_$memory/ledger.jsonl")" \
			"$(cat "$T/wide.jsonl")"
	done
done
like "11 MiB are enough for one thread" "$(cat "$T/wide.jsonl")" '"status":"ok"'
like "5 are not" "$(cat "$T/wide_5/ledger.jsonl")" '"code":"budget".*"reason":"[^"]*of the budget of 5.0 MiB'
unlike "no slice is blamed for it" "$(cat "$T/wide_5/ledger.jsonl")" '"reason":"[^"]*\(slice [0-9]'

# Numbers without a unit, and factors that are none.
if has_python pydicom; then
	cat >"$T/rescale.py" <<'END'
import glob, os, sys, pydicom
source, out = sys.argv[1:]
for kind in ("none", "empty", "word", "long", "one"):
    os.mkdir(f"{out}/rescale_{kind}")
    for i, path in enumerate(sorted(glob.glob(source + "/*.dcm"))):
        d = pydicom.dcmread(path)
        if kind == "none" or (kind == "one" and i == 3):
            del d.RescaleSlope, d.RescaleIntercept
        raw = {"empty": b"", "word": b"one ", "long": b"1." + b"0" * 77 + b"x"}.get(kind)
        if raw is not None:
            tag = pydicom.tag.Tag(0x0028, 0x1053)
            d[tag] = pydicom.dataelem.RawDataElement(tag, "DS", len(raw), raw, 0, False, True)
        d.save_as(f"{out}/rescale_{kind}/{i}.dcm")
END
	ok "series with odd factors" "$PYTHON" "$T/rescale.py" "$T/raw/CT_001" "$T"
	exits "a CT without rescale" 0 sm ingest --in "$T/rescale_none" --out "$T/rescale_out"
	like "is told" "$(cat "$ERR")" 'warning: .*no_rescale: CT without RescaleSlope and RescaleIntercept'
	like "is not called HU" "$(cat "$T"/rescale_out/ct-*/image.json)" '"Meaning": "arbitrary"'
	like "and noted" "$(cat "$T/rescale_out/ledger.jsonl")" '"notes":\["no_rescale"\]'
	for kind in empty word long; do
		exits "RescaleSlope: $kind" 3 sm ingest --in "$T/rescale_$kind" --out "$T/rescale_$kind.out"
		like "is refused" "$(cat "$ERR")" 'bad_rescale: RescaleSlope or RescaleIntercept is there but is not one number'
	done
	exits "one slice without rescale" 3 sm ingest --in "$T/rescale_one" --out "$T/rescale_one.out"
	like "is refused" "$(cat "$ERR")" 'slices differ in what their numbers mean'
	# Directions turn with the axes: ours run to the left, back and head, FSL's rule mirrors the first.
	cat >"$T/diffusion.py" <<'END'
import glob, os, sys, pydicom
source, out = sys.argv[1:]
os.mkdir(out)
for t, (b, v) in enumerate(((0, None), (1000, [1.0, 0.0, 0.0]), (1000, [0.0, 0.6, 0.8]))):
    for path in sorted(glob.glob(source + "/*.dcm")):
        d = pydicom.dcmread(path)
        d.Modality = "MR"
        d.SOPInstanceUID += f".{t}"
        d.AcquisitionNumber = t + 1
        d.add_new(0x00189087, "FD", float(b))
        if v:
            d.add_new(0x00189089, "FD", v)
        d.save_as(f"{out}/{t}_{os.path.basename(path)}")
END
	ok "a diffusion series" "$PYTHON" "$T/diffusion.py" "$T/raw/CT_001" "$T/diffusion"
	exits "b-values and directions" 0 sm ingest --in "$T/diffusion" --out "$T/diffusion_out"
	is "three b-values" "$(cat "$T"/diffusion_out/mr-*/image.bval)" "0 1000 1000"
	is "three directions" "$(cat "$T"/diffusion_out/mr-*/image.bvec)" "0 -1 0
0 0 0.6
0 0 0.8"
	like "the axis is named" "$(cat "$T/diffusion_out/ledger.jsonl")" '"fourth_axis":"diffusion"'
	like "the sidecar has both" "$(cat "$T"/diffusion_out/mr-*/image.json | tr -d ' \n')" \
		'"DiffusionBValues":\[0.0,1000.0,1000.0\],"DiffusionDirections":\[\[0.0,0.0,0.0\],\[1.0,0.0,0.0\]'
	mkdir "$T/weighted" "$T/plain"
	cp "$T"/diffusion/1_* "$T/weighted"
	cp "$T"/diffusion/0_* "$T/plain"
	exits "a series of one b-value" 0 sm ingest --in "$T/weighted" --out "$T/weighted_out"
	is "keeps it" "$(cat "$T"/weighted_out/mr-*/image.bval)" "1000"
	is "and its direction" "$(cat "$T"/weighted_out/mr-*/image.bvec)" "-1
0
0"
	like "in the sidecar too" "$(cat "$T"/weighted_out/mr-*/image.json | tr -d ' \n')" \
		'"DiffusionBValues":\[1000.0\],"DiffusionDirections":\[\[1.0,0.0,0.0\]\]'
	exits "a plain scan with b 0 in its header" 0 sm ingest --in "$T/plain" --out "$T/plain_out"
	is "is no diffusion" "$(find "$T/plain_out" -name '*.bv*')$(cat "$T"/plain_out/mr-*/image.json | grep Diffusion)" ""
	cat >"$T/undirected.py" <<'END'
import glob, sys, pydicom
for path in glob.glob(sys.argv[1] + "/*.dcm"):
    d = pydicom.dcmread(path)
    if 0x00189089 in d:
        d[0x00189087].value += 500.0 * (d.AcquisitionNumber - 2)
        del d[0x00189089]
        d.save_as(path)
END
	cp -r "$T/diffusion" "$T/undirected"
	ok "weighted without directions" "$PYTHON" "$T/undirected.py" "$T/undirected"
	exits "is converted" 0 sm ingest --in "$T/undirected" --out "$T/undirected_out"
	is "with its b-values" "$(cat "$T"/undirected_out/mr-*/image.bval)" "0 1000 1500"
	is "and no directions of zeros" \
		"$(find "$T/undirected_out" -name '*.bvec')$(cat "$T"/undirected_out/mr-*/image.json | grep DiffusionDirections)" ""
	cat >"$T/maps.py" <<'END'
import glob, os, sys, pydicom
for path in glob.glob(sys.argv[1] + "/*.dcm"):
    d = pydicom.dcmread(path)
    kind = ("M", "TRACEW", "ADC")[d.AcquisitionNumber - 1]
    d.ImageType = ["DERIVED" if d.AcquisitionNumber > 1 else "ORIGINAL", "PRIMARY", "DIFFUSION", kind]
    if 0x00189089 in d:
        del d[0x00189089]
    d.save_as(path)
END
	cp -r "$T/diffusion" "$T/maps"
	ok "b 0, a trace, a map" "$PYTHON" "$T/maps.py" "$T/maps"
	exits "are three volumes" 0 sm ingest --in "$T/maps" --out "$T/maps_out"
	is "the first two with a b-value" "$(cat "$T"/maps_out/mr-*/image.bval | sort | tr '\n' ' ')" "0 1000 "
	is "none with directions" "$(find "$T/maps_out" -name image.json | wc -l | tr -d ' ')$(find "$T/maps_out" -name '*.bvec')" "3"
	rm "$T/diffusion/2_$(basename "$(find "$T/raw/CT_001" -type f | sort | head -n 1)")"
	exits "a time point without its slice" 3 sm ingest --in "$T/diffusion" --out "$T/diffusion_out"
	like "is told" "$(cat "$ERR")" 'incomplete: time point 3 of 3 \(by AcquisitionNumber\) has 7 of 8 slices'
else
	skip "numbers without a unit" "no pydicom"
fi

# NIfTI trees.
run sm phantom --out "$T/brats" --cases 2 --size 24,24,16
mv "$T/brats/BraTS20_Training_002/BraTS20_Training_002_seg.nii.gz" \
	"$T/brats/BraTS20_Training_002/W39_1998.09.19_Segm.nii.gz"
exits "BraTS folders" 0 sm ingest --in "$T/brats" --out "$T/b1" --jobs 1
like "the ill-named label is taken aloud" "$(cat "$ERR")" 'BraTS20_Training_002: the label file has another name'
exits "with two threads" 0 sm ingest --in "$T/brats" --out "$T/b2" --jobs 2
same_tree "no byte depends on the threads" "$T/b1" "$T/b2"
like "the case is the patient" "$(cat "$T/b1/ledger.jsonl")" '"patient":"BraTS20_Training_001"'
is "five volumes and a sidecar a case" "$(find "$T/b1/BraTS20_Training_001" -type f | wc -l | tr -d ' ')" 6

# Follow-up scans are one patient, through to the split. Each case has voxels of its own.
run sm phantom --out "$T/scans" --cases 12 --size 16,16,8
for i in 01 02 03 04 05 06 07 08 09 10 11 12; do
	from=BraTS20_Training_0$i
	name=BraTS-GLI-000$(printf %02d $(((1$i - 99) / 2)))-00$((1$i % 2))
	mkdir -p "$T/follow/$name"
	for role in t2f:flair t1c:t1ce t1n:t1 t2w:t2 seg:seg; do
		cp "$T/scans/$from/${from}_${role#*:}.nii.gz" "$T/follow/$name/$name-${role%:*}.nii.gz"
	done
done
exits "BraTS names with time points" 0 sm ingest --in "$T/follow" --out "$T/follow_out"
is "twelve cases" "$(grep -c '"key":"BraTS-GLI-000[0-9]*-00[01]"' "$T/follow_out/ledger.jsonl")" 12
is "of six patients" "$(grep -o '"patient":"BraTS-GLI-000[0-9]*"' "$T/follow_out/ledger.jsonl" | sort -u | wc -l | tr -d ' ')" 6
printf 'schema: 1\nname: x\nsplit: {train: 1, test: 1, valid: 1}\n' >"$T/split.yaml"
for seed in 1 2 3; do
	exits "split $seed" 0 sm split --seed $seed --manifest "$T/split.yaml" --in "$T/follow_out" --out "$T/follow_split"
	is "split $seed: both time points are in one fold" "$(sed -n \
		's/.*"fold":"\([a-z]*\)".*"key":"\(BraTS-GLI-[0-9]*\)-.*/\2 \1/p' "$T/follow_split/ledger.jsonl" |
		sort -u | wc -l | tr -d ' ')" 6
done
cat >"$T/patient.yaml" <<'END'
schema: 1
name: x
ingest:
  layout: files
  sources:
    - {role: image, pattern: "{patient}/*/{case}_T1w.nii*"}
END
for session in sub-1/ses-a sub-1/ses-b sub-2/ses-a; do
	mkdir -p "$T/bids/$session"
	cp "$T/b1/BraTS20_Training_001/t1.nii.gz" "$T/bids/$session/$(echo $session | tr / _)_T1w.nii.gz"
done
exits "{patient} in a pattern" 0 sm ingest --manifest "$T/patient.yaml" --in "$T/bids" --out "$T/bids_out"
is "is the patient of both sessions" "$(grep -o '"patient":"[^"]*"' "$T/bids_out/ledger.jsonl" | tr '\n' ' ')" \
	'"patient":"sub-1" "patient":"sub-1" "patient":"sub-2" '

# NIfTI beside DICOM is not dropped without a word; its name may be a person's.
cp -r "$T/raw/CT_001" "$T/beside"
cp "$T/b1/BraTS20_Training_001/t1.nii.gz" "$T/beside/doe_jane.nii.gz"
exits "a NIfTI file beside DICOM" 0 sm ingest --in "$T/beside" --out "$T/beside_out"
like "is told" "$(cat "$ERR")" 'warning: 1 NIfTI files belong to no series and no case and are left out'
like "and counted" "$(head -n 1 "$T/beside_out/ledger.jsonl")" '"nifti_left_out":1'
unlike "without its name" "$(cat "$ERR" "$T/beside_out/ledger.jsonl")" 'jane'

data=$SM_SHARED_DATA
if [ -d "$data/ct_head_ge" ]; then
	exits "real uneven CT" 3 sm ingest --in "$data/ct_head_ge" --out "$T/ge"
	like "is refused with its distances" "$(cat "$ERR")" 'uneven: slice distances from 1.081 to 6.999 mm'
	exits "real CT, MR and PET" 0 sm ingest --in "$data/sts_ct_mr_pet/dicom" --out "$T/sts"
	is "six volumes" "$(find "$T/sts" -name image.nii.gz | wc -l | tr -d ' ')" 6
	unlike "no patient's name" "$(cat "$T/sts/ledger.jsonl" "$T"/sts/*/*.json)" 'STS_0|IBSI'
	exits "mosaics" 0 sm ingest --in "$data/mr_siemens_mosaic/In" --out "$T/mosaic"
	like "become volumes in time" "$(cat "$T/mosaic/ledger.jsonl")" '"dim":\[72,72,5,2\]'
	like "with the element that orders them" "$(cat "$T/mosaic/ledger.jsonl")" '"fourth_axis":"time",.*"ordered_by":"[A-Z]'
	exits "enhanced objects" 0 sm ingest --in "$data/mr_enhanced/In" --out "$T/enhanced"
	like "are pooled over files" "$(cat "$T/enhanced/ledger.jsonl")" '"dim":\[64,64,6,4\]'
	ok "and split by what they show" test -f "$(echo "$T"/enhanced/mr-*-fieldmap/image.nii.gz)"
	like "every frame is in the slice map" "$(cat "$T"/enhanced/mr-*-fieldmap/image.json | tr -d ' \n')" '{"frame":33,"index":0,'
	exits "two slices" 3 sm ingest --in "$data/mr_ct_vendors/failing/slicecount" --out "$T/few"
	like "are no volume" "$(cat "$ERR")" 'few_slices: 2 slices, allowed are 3 and more \(ingest.min_slices\)'
	printf 'schema: 1\nname: x\ningest: {min_slices: 1}\n' >"$T/few.yaml"
	exits "unless the manifest says so" 0 sm ingest --in "$data/mr_ct_vendors/failing/slicecount" --out "$T/few" \
		--manifest "$T/few.yaml"
	exits "a missing slice" 3 sm ingest --in "$data/mr_ct_vendors/failing/sliceincrement" --out "$T/few2"
	like "is a gap" "$(cat "$ERR")" 'gap: 1 slice is missing: slice distances from 5 to 10 mm'
	exits "two orientations" 3 sm ingest --in "$data/mr_ct_vendors/failing/sliceorientation" --out "$T/few3"
	like "are told" "$(cat "$ERR")" 'mixed_orientation: the series mixes slices of 2 orientations, and 2 positions'
	exits "a mammogram, a secondary capture" 3 sm ingest --in "$data/mammo_mg_dicom" --out "$T/flat"
	like "may carry text" "$(cat "$ERR")" 'burned_in: a secondary capture'
	printf 'schema: 1\nname: x\ningest: {burned_text: keep}\n' >"$T/keep.yaml"
	exits "and is taken on request" 0 sm ingest --in "$data/mammo_mg_dicom" --out "$T/flat" --manifest "$T/keep.yaml"
	like "is flat" "$(cat "$T/flat/ledger.jsonl")" '"notes":\["flat","burned_in"\]'
	exits "the scanner's own scale" 0 sm ingest --in "$data/mr_t1_philips" --out "$T/scale"
	like "of Philips" "$(cat "$T"/scale/*/image.json | tr -d ' \n')" '"slope":133.8815.*"source":"[^"]*Philips'
	printf 'schema: 1\nname: x\ningest: {philips_scale: display}\n' >"$T/display.yaml"
	exits "or the displayed one" 0 sm ingest --in "$data/mr_t1_philips" --out "$T/scale" --manifest "$T/display.yaml"
	like "by RescaleSlope" "$(cat "$T"/scale/*/image.json | tr -d ' \n')" '"slope":2.36166056166056,"source":"RescaleSlope'
	exits "real BraTS-space case" 0 sm ingest --manifest "$SM_ROOT/manifests/brats-real.yaml" \
		--in "$data/brats_tcga_fg_6692" --out "$T/real"
	like "its labels are counted" "$(cat "$T"/real/*/case.json | tr -d ' \n')" \
		'"voxels":\{"0":8897821,"1":2477,"2":20862,"4":6840\}'
	exits "the malformed corpus" 3 sm ingest --in "$data/malformed/dicom" --out "$T/mal"
else
	skip "real scans" "no $data"
fi
done_testing
