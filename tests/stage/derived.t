#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Slices between slices, and DICOM series of what was made: the stages interpolate and dicom.
. "$(dirname "$0")/../lib.sh"
needs interpolate dicom ingest phantom
has_python pydicom nibabel numpy || skip_all "python with pydicom, nibabel and numpy"
check() {
	"$PYTHON" "$SM_ROOT/tests/stage/derived_check.py" "$@"
}

# --- a CT from DICOM to DICOM and back -------------------------------------------------------------
run sm phantom --kind ct_head --cases 2 --size 24,20,8 --spacing 1,1.25,3 --out "$T/raw"
run sm ingest --in "$T/raw" --out "$T/ct"
exits "between the slices of two scans" 0 sm interpolate --in "$T/ct" --out "$T/two" --jobs 1
ok "originals, places and marks" check between "$T/ct" "$T/two" 2
exits "with two threads" 0 sm interpolate --in "$T/ct" --out "$T/two2" --jobs 2
same_tree "no byte depends on the threads" "$T/two" "$T/two2"
exits "as DICOM" 0 sm dicom --in "$T/two" --out "$T/dicom" --jobs 1
exits "as DICOM with two threads" 0 sm dicom --in "$T/two" --out "$T/dicom2" --jobs 2
same_tree "no byte depends on the threads there" "$T/dicom" "$T/dicom2"
ok "pydicom reads the same voxels at the same places, and the marks" check series "$T/two" "$T/dicom"
exits "ingest takes it" 0 sm ingest --in "$T/dicom" --out "$T/back"
ok "and has the same volumes, copies and predictions in one" check again "$T/two" "$T/back"
exits "nothing is done twice" 0 sm dicom --in "$T/two" --out "$T/dicom" --resume
like "and it says so" "$(cat "$ERR")" '2 reused'
if command -v dcm2niix >/dev/null; then
	mkdir -p "$T/n2/x"
	ok "dcm2niix converts it" dcm2niix -z y -b n -f "%s_%j" -o "$T/n2/x" "$T/dicom"
	ok "and has the same volumes" check again "$T/two" "$T/n2"
else
	skip "dcm2niix converts it" "no dcm2niix"
	skip "and has the same volumes" "no dcm2niix"
fi
if command -v dciodvfy >/dev/null; then
	dciodvfy "$(find "$T/dicom" -name 00002.dcm | head -n 1)" >"$T/verify" 2>&1
	unlike "dciodvfy finds no error" "$(cat "$T/verify")" '^Error'
else
	skip "dciodvfy finds no error" "no dciodvfy"
fi
unlike "no PatientID of the raw files" "$(cat "$T"/dicom/*/image/00001.dcm | tr -c '[:print:]' '\n')" 'PHANTOM-|Phantom\^'
exits "slices across the scan's own" 0 sm dicom --axis y --in "$T/two" --out "$T/coronal"
is "are as thick as they are apart, and AXIAL as any cross-section" "$("$PYTHON" -c "
import glob, sys, pydicom
for root in sys.argv[1:]:
    d = pydicom.dcmread(sorted(glob.glob(root + '/*/image/00002.dcm'))[0])
    print(float(d.SliceThickness), float(d.SpacingBetweenSlices), d.ImageType[2])" "$T/dicom" "$T/coronal")" "3.0 1.5 AXIAL
1.25 1.25 AXIAL"
exits "as MR, against its sidecar" 3 sm dicom --modality mr --in "$T/two" --out "$T/r0"
like "is a contradiction, too" "$(cat "$ERR")" '--modality asks for MR, but its sidecar says another one'
like "the derivation is told" "$(cat "$T"/dicom/*/image/00001.dcm | tr -c '[:print:]' '\n')" 'interpolate linear, factor 2'

for factor in 3 10; do
	exits "factor $factor" 0 sm interpolate --factor $factor --method cubic --in "$T/ct" --out "$T/f$factor"
	ok "keeps the originals of factor $factor" check between "$T/ct" "$T/f$factor" $factor
done
exits "nearest" 0 sm interpolate --method nearest --in "$T/ct" --out "$T/near"
exits "interpolated again" 0 sm interpolate --factor 2 --in "$T/two" --out "$T/four"
ok "lists both times' predictions" "$PYTHON" -c "
import json, glob, sys
for p in glob.glob(sys.argv[1] + '/*/image.json'):
    side = json.load(open(p))
    assert side['predicted_slices']['index'] == [i for i in range(29) if i % 4], side['predicted_slices']
    assert len(side['Derivation']) == 2
" "$T/four"

# --- single files, other axes, other types -----------------------------------------------------------
"$PYTHON" - "$T" <<'END'
import sys, json, numpy as np, nibabel as nib
t = sys.argv[1]
rng = np.random.default_rng(1)
turn = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
affine = np.eye(4)
affine[:3, :3] = turn @ np.diag([-2.0, 0.7, -0.9])
affine[:3, 3] = [40, -31.5, 12]
def save(name, data, affine=affine):
    nib.save(nib.Nifti1Image(data, affine), f"{t}/{name}.nii.gz")
save("oblique", rng.integers(-1000, 2000, (6, 9, 7)).astype(np.int16))
save("float", rng.normal(size=(6, 9, 7)).astype(np.float32))
save("moving", np.zeros((4, 4, 4, 3), np.int16))
save("flat", np.zeros((4, 4, 1), np.int16))
save("nan", np.full((4, 4, 4), np.nan, np.float32))
sheared = affine.copy(); sheared[:3, 1] += 0.3 * affine[:3, 0]
save("sheared", np.zeros((4, 4, 4), np.int16), sheared)
json.dump({"Modality": "CT", "Meaning": "label"}, open(f"{t}/flat.json", "w"))
END
mkdir "$T/from"
mkdir -p "$T/from/oblique" "$T/from/float"
cp "$T/oblique.nii.gz" "$T/from/oblique/image.nii.gz"
cp "$T/float.nii.gz" "$T/from/float/image.nii.gz"
exits "one file along x" 0 sm interpolate --factor 5 --axis x --method cubic --in "$T/oblique.nii.gz" --out "$T/ox"
ok "keeps the originals" check between "$T/from" "$T/ox" 5 0
exits "an oblique series along x, reversed" 0 sm dicom --modality ct --in "$T/ox" --out "$T/oxd"
ok "is the same by pydicom" check series "$T/ox" "$T/oxd"
exits "is taken by ingest" 0 sm ingest --in "$T/oxd" --out "$T/oxb"
ok "and comes back" check again "$T/ox" "$T/oxb"
exits "float32 along z" 0 sm interpolate --factor 4 --axis z --in "$T/float.nii.gz" --out "$T/fz"
ok "keeps its bits" check between "$T/from" "$T/fz" 4
for modality in mr pt; do
	exits "float32 as $modality" 0 sm dicom --modality $modality --in "$T/fz" --out "$T/fz$modality"
	if [ $modality = pt ]; then
		echo '{"Modality": "PT", "Synthetic": true, "PatientPosition": "FFP"}' >"$T/float.json"
		exits "a PET that says how the patient lay" 0 sm dicom --in "$T/float.nii.gz" --out "$T/ffp"
		is "has the codes of it" "$("$PYTHON" -c "
import sys, pydicom
d = pydicom.dcmread(sys.argv[1])
o, g = d.PatientOrientationCodeSequence, d.PatientGantryRelationshipCodeSequence
m = o[0].PatientOrientationModifierCodeSequence
print(*(f'{len(s)} {s[0].CodeValue} {s[0].CodingSchemeDesignator} {s[0].CodeMeaning}' for s in (o, m, g)), sep=', ')" "$T/ffp/float/image/00001.dcm")" \
			"1 F-10450 SRT recumbent, 1 F-10310 SRT prone, 1 F-10480 SRT feet-first"
		rm "$T/float.json"
		run sm dicom --modality pt --in "$T/fz" --out "$T/fzpt"
	fi
	like "tells its steps" "$(cat "$ERR")" 'rounded to steps of'
	ok "is within half a step" check series "$T/fz" "$T/fz$modality"
done
exits "auto fills z and wonders" 0 sm interpolate --in "$T/oblique.nii.gz" --out "$T/auto"
like "about the thick axis" "$(cat "$ERR")" 'slices along x are 2 mm apart.*--axis x'

# --- refusals ------------------------------------------------------------------------------------------
exits "a fourth axis" 3 sm interpolate --in "$T/moving.nii.gz" --out "$T/r1"
like "is refused" "$(cat "$ERR")" 'fourth axis of 3 volumes'
exits "one slice" 3 sm interpolate --in "$T/flat.nii.gz" --out "$T/r2" --method nearest
like "is refused, too" "$(cat "$ERR")" 'one slice along axis 2'
exits "labels" 3 sm interpolate --in "$T/flat.nii.gz" --out "$T/r3"
like "have nothing between" "$(cat "$ERR")" 'holds labels'
exits "a network" 2 sm interpolate --method network --in "$T/oblique.nii.gz" --out "$T/r4"
exits "factor 11" 2 sm interpolate --factor 11 --in "$T/oblique.nii.gz" --out "$T/r5"
like "says what is allowed" "$(cat "$ERR")" '2 to 10'
exits "a file that is no NIfTI" 2 sm interpolate --in "$T/flat.json" --out "$T/r6"
exits "DICOM of nobody knows what" 3 sm dicom --modality ct --in "$T/oblique.nii.gz" --out "$T/r7"
like "wants to know whether it is synthetic" "$(cat "$ERR")" '--synthetic all or none'
exits "of no modality" 3 sm dicom --synthetic all --in "$T/oblique.nii.gz" --out "$T/r8"
like "wants to know it" "$(cat "$ERR")" '--modality does'
exits "all synthetic" 0 sm dicom --modality ct --synthetic all --in "$T/oblique.nii.gz" --out "$T/all"
like "says so in each slice" "$(grep -lc 'AXIAL.SYNTHETIC' "$T"/all/oblique/image/*.dcm | wc -l)" '^ *7$'
long=$(printf 'case%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
cp "$T/oblique.nii.gz" "$T/$long.nii.gz"
exits "a name longer than a PatientID may be" 0 sm dicom --modality ct --synthetic all --in "$T/$long.nii.gz" --out "$T/long"
unlike "is hashed" "$(tr -c '[:print:]' '\n' <"$T/long/$long/image/00001.dcm")" 'casecase'
exits "not synthetic, against its sidecar" 3 sm dicom --synthetic none --in "$T/two" --out "$T/r9"
like "is a contradiction" "$(cat "$ERR")" 'the opposite'
exits "NaN" 3 sm dicom --modality mr --synthetic all --in "$T/nan.nii.gz" --out "$T/r10"
exits "a sheared plane" 3 sm dicom --modality mr --synthetic all --in "$T/sheared.nii.gz" --out "$T/r11"
like "has no words in DICOM" "$(cat "$ERR")" 'not perpendicular'
flip "$(find "$T/two2" -name image.json | head -n 1)" 20
exits "a sidecar that was changed" 1 sm dicom --in "$T/two2" --out "$T/r12"
like "is not trusted" "$(cat "$ERR")" 'not what the ledger says'

# --- cases of files: labels stay out ----------------------------------------------------------------------
run sm phantom --cases 1 --size 16,16,8 --out "$T/brats"
run sm ingest --in "$T/brats" --out "$T/cases"
exits "a case of four scans and a label" 0 sm interpolate --in "$T/cases" --out "$T/cases2"
is "has four finer scans" "$(find "$T/cases2" -name '*.nii.gz' | wc -l | tr -d ' ')" 4
like "and says what was left out" "$(cat "$T/cases2/ledger.jsonl")" '"left_out":\["seg"\]'
ok "with originals, places and marks" check between "$T/cases" "$T/cases2" 2
exits "one of them as DICOM" 0 sm dicom --modality mr --role t1 --in "$T/cases2" --out "$T/cases3"
is "and no other" "$(cd "$T/cases3" && ls ./*/ | tr '\n' ' ')" "t1 "

# --- real scans ------------------------------------------------------------------------------------------
real=$SM_SHARED_DATA/sts_ct_mr_pet/dicom/STS_025
if [ -d "$real" ]; then
	exits "a real CT, MR and PET of one patient" 0 sm ingest --in "$real" --out "$T/sts"
	exits "between their slices" 0 sm interpolate --factor 2 --in "$T/sts" --out "$T/sts2"
	ok "originals, places and marks of these" check between "$T/sts" "$T/sts2" 2
	exits "as DICOM again" 0 sm dicom --in "$T/sts2" --out "$T/sts3"
	ok "the same by pydicom" check series "$T/sts2" "$T/sts3"
	exits "and by" 0 sm ingest --in "$T/sts3" --out "$T/sts4"
	ok "ingest" check again "$T/sts2" "$T/sts4"
	is "which sees one patient, one study, one space" "$("$PYTHON" -c "
import json, sys
r = [json.loads(line) for line in open(sys.argv[1] + '/ledger.jsonl')][1:]
print(len(r), *(len({x[k] for x in r}) for k in ('patient', 'study', 'frame_of_reference')))" "$T/sts4")" "3 1 1 1"
else
	skip "a real CT, MR and PET of one patient" "no shared data"
fi
done_testing
