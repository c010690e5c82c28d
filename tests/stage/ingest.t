#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom

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

exits "an index" 0 sm index --in "$T/raw" --out "$T/index" --salt-file "$T/salt"
exits "checked against" 0 sm ingest --in "$T/raw" --index "$T/index" --out "$T/i" --salt-file "$T/salt"
like "is a parent" "$(head -n 1 "$T/i/ledger.jsonl")" '"parents":\{"index":"[0-9a-f]{64}"\}'
exits "another salt does not fit it" 3 sm ingest --in "$T/raw" --index "$T/index" --out "$T/j"
like "and that is told" "$(cat "$ERR")" 'not in the index .*run scanmill index again'

exits "--single with two series" 3 sm ingest --in "$T/raw" --single --out "$T/s"
like "names both" "$(cat "$ERR")" 'holds 2 series \(ct-[0-9a-f]*, ct-[0-9a-f]*\).*exactly one'
exits "--single with one" 0 sm ingest --in "$T/raw/CT_001" --single --out "$T/s"

# Uneven, tilted: refused or kept by default, interpolated on request.
printf 'schema: 1\nname: x\ningest: {uneven: regrid, compression: 0}\n' >"$T/regrid.yaml"
for defect in gap uneven tilt; do
	run sm phantom --out "$T/$defect" --kind ct_head --cases 1 --size 32,32,9 --spacing 6,6,5 --defect $defect
done
exits "a gap is refused" 3 sm ingest --in "$T/gap" --out "$T/gap_out"
like "with the numbers" "$(cat "$ERR")" 'rejected: gap: 1 slices are missing: slice distances from 5 to 10 mm, allowed'
exits "and regridded on request" 0 sm ingest --in "$T/gap" --out "$T/gap_out" --manifest "$T/regrid.yaml"
like "which is told" "$(cat "$ERR")" '8 slices with distances from 5 to 10 mm were interpolated to 9 slices every 5 mm'
like "and recorded" "$(cat "$T/gap_out/ledger.jsonl")" '"regrid":\{.*"reason":"gap"'
ok "plain .nii for compression 0" test -n "$(find "$T/gap_out" -name image.nii)"
exits "uneven is refused" 3 sm ingest --in "$T/uneven" --out "$T/u_out"
exits "and regridded on request" 0 sm ingest --in "$T/uneven" --out "$T/u_out" --manifest "$T/regrid.yaml"
exits "a tilt is kept in the affine" 0 sm ingest --in "$T/tilt" --out "$T/t_out"
like "with a warning" "$(cat "$ERR")" 'warning: .*tilted by 16.26 degrees: the affine is sheared'
exits "or taken out on request" 0 sm ingest --in "$T/tilt" --out "$T/t_even" --manifest "$T/regrid.yaml"
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
like "is left out aloud" "$(cat "$ERR")" '1 files are byte for byte copies'
flip "$T/copy/again" $(($(size "$one") - 1))
exits "a file with the same UID" 3 sm ingest --in "$T/copy" --out "$T/copy_out"
like "is refused" "$(cat "$ERR")" 'instance_clash: two different files'

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

data=$SM_SHARED_DATA
if [ -d "$data/ct_head_ge" ]; then
	exits "real uneven CT" 3 sm ingest --in "$data/ct_head_ge" --out "$T/ge"
	like "is refused with its distances" "$(cat "$ERR")" 'uneven: slice distances from 1.081 to 6.999 mm'
	exits "real CT, MR and PET" 0 sm ingest --in "$data/sts_ct_mr_pet/dicom" --out "$T/sts"
	is "six volumes" "$(find "$T/sts" -name image.nii.gz | wc -l | tr -d ' ')" 6
	unlike "no patient's name" "$(cat "$T/sts/ledger.jsonl" "$T"/sts/*/*.json)" 'STS_0|IBSI'
	exits "real BraTS-space case" 0 sm ingest --manifest "$SM_ROOT/manifests/brats-real.yaml" \
		--in "$data/brats_tcga_fg_6692" --out "$T/real"
	like "its labels are counted" "$(cat "$T"/real/*/case.json | tr -d ' \n')" \
		'"voxels":\{"0":8897821,"1":2477,"2":20862,"4":6840\}'
	exits "the malformed corpus" 3 sm ingest --in "$data/malformed/dicom" --out "$T/mal"
else
	skip "real scans" "no $data"
fi
done_testing
