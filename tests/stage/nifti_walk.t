#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every NIfTI file of the test scans through ingest, each in a folder of its own, against the verdicts of
# tests/golden/nifti_walk.txt, within 2 seconds and 1 GiB; then files made here for what they lack.
. "$(dirname "$0")/../lib.sh"
needs ingest

data=$SM_SHARED_DATA
# A sanitizer maps terabytes and is slow: there only the verdicts count.
case $SM_BIN in
*/release*) limit="prlimit --as=1073741824 timeout 2" ;;
*) limit="timeout 60" ;;
esac

# ingest_one NAME FILE...: into $T/o/NAME from a folder that holds only these files.
ingest_one() {
	one=$1
	shift
	rm -rf "$T/i" "$T/o/$one"
	mkdir -p "$T/i" "$T/o"
	cp "$@" "$T/i/"
	# shellcheck disable=SC2086 # a command and its options
	run $limit "$SM_BIN/scanmill-ingest" --in "$T/i" --out "$T/o/$one" ${MANIFEST:+--manifest "$MANIFEST"}
}

# verdict NAME ok|rejected PATTERN: of the last ingest_one.
verdict() {
	case $2 in
	ok) is "$1 is taken" "$CODE" 0 ;;
	*) is "$1 is refused" "$CODE" 3 ;;
	esac
	if [ "$3" = - ]; then
		unlike "$1: without a warning" "$(cat "$ERR")" 'warning|error'
	else
		like "$1: says why" "$(cat "$ERR")" "$3"
	fi
	unlike "$1: no place of this machine" "$(cat "$ERR" "$T/o/$one/ledger.jsonl")" "$T"
}

if [ -d "$data/nifti_variants" ]; then
	table=$SM_ROOT/tests/golden/nifti_walk.txt
	(cd "$data" && find malformed/nifti nifti_variants -maxdepth 1 -type f ! -name README.md) | sort >"$T/there"
	grep -v '^#' "$table" | cut -d'|' -f1 | sort >"$T/listed"
	ok "the table lists every file" cmp "$T/there" "$T/listed"
	grep -v '^#' "$table" >"$T/rows"
	while IFS='|' read -r file want pattern; do
		ingest_one "$(basename "$file")" "$data/$file"
		verdict "$(basename "$file")" "$want" "$pattern"
	done <"$T/rows"
	side=$(tr -d ' \n' <"$T/o/example4d.nii.gz/example4d/case.json")
	like "extensions by code" "$side" '"extension_codes":\[6,6\],"extensions":2'
	like "codes by name" "$side" '"qform":"scanner","qform_code":1,"scl_inter":0.0,"scl_slope":1.0|"qform":"scanner"'
	like "frames in seconds" "$side" '"fourth_axis":\{"from":"frame","seconds":2000.0,"size":2,"step":2000.0,"unit":"s"\}'
	if has_python nibabel numpy; then
		cat >"$T/same.py" <<'END'
import glob, os, sys
import nibabel, numpy
data, out, rows = sys.argv[1:]
checked = 0
for row in open(rows):
    path, want, _ = row.split("|")
    if want != "ok":
        continue
    name = os.path.basename(path)
    found, = glob.glob(f"{out}/{name}/*/image.nii.gz")
    a, b = nibabel.load(f"{data}/{path}"), nibabel.load(found)
    numpy.testing.assert_array_equal(a.get_fdata(), b.get_fdata(), name)
    numpy.testing.assert_allclose(a.affine, b.affine, rtol=1e-6, atol=1e-5, err_msg=name)
    assert a.get_data_dtype().newbyteorder("=") == b.get_data_dtype(), name
    assert not b.header.extensions and not bytes(b.header["descrip"]).strip(b"\0"), name
    checked += 1
assert checked == 12, checked
END
		ok "the taken ones are what nibabel reads" "$PYTHON" "$T/same.py" "$data" "$T/o" "$T/rows"
	fi
else
	skip "the walk" "no $data"
fi

if ! has_python nibabel numpy; then
	skip "files made here" "no nibabel"
	done_testing
	exit
fi
cat >"$T/make.py" <<'END'
import gzip, os, sys, warnings
import nibabel, numpy
warnings.simplefilter("ignore")
out = sys.argv[1]
affine = numpy.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])
random = numpy.random.default_rng(1)

def save(name, array, kind=nibabel.Nifti1Image, units=("mm", "sec"), intent=None, qform=None, endian="<"):
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(array.dtype)
    image = kind(array, affine, header=header)
    image.header.set_xyzt_units(*units)
    if intent:
        image.header.set_intent(intent, name="Jane Doe")
    if qform is not None:
        image.set_qform(qform, 1)
    nibabel.save(image, os.path.join(out, name))

short = random.integers(-1000, 1000, (5, 6, 7)).astype(numpy.int16)
save("pair1.hdr", short, nibabel.Nifti1Pair)
save("pair1gz.hdr.gz", short, nibabel.Nifti1Pair)
save("pair2.hdr", short, nibabel.Nifti2Pair, endian=">")
save("single.nii", short)
with open(os.path.join(out, "pair1.hdr"), "rb") as f, gzip.open(os.path.join(out, "bomb.hdr.gz"), "wb") as g:
    g.write(f.read() + bytes(32 << 20))
for kind in "i1 u1 i2 u2 i4 u4 i8 u8 f4 f8".split():
    for endian in "<>":
        array = (random.integers(0, 100, (3, 4, 5)) + (0 if kind[0] == "u" else -50)).astype(endian + kind)
        order = "big" if endian == ">" else "little"
        for version, image in ((1, nibabel.Nifti1Image), (2, nibabel.Nifti2Image)):
            save(f"type_{kind}_{order}_{version}.nii", array, image, endian=endian)
save("vector.nii.gz", random.random((3, 4, 5, 1, 3)).astype("f4"), intent="vector")
save("five.nii.gz", numpy.zeros((3, 4, 5, 2, 3), "f4"))
save("whole.nii", numpy.arange(60, dtype="i8").reshape(3, 4, 5) + 2**53 - 9)
save("uint32.nii", numpy.arange(60, dtype="u4").reshape(3, 4, 5) + 2**31)
save("complex.nii", numpy.zeros((3, 4, 5), "c8"))
save("colour.nii", numpy.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")]))
hole = random.random((3, 4, 5)).astype("f4")
hole[1, 2, 3] = numpy.nan
hole[0, 0, 0] = numpy.inf
save("hole.nii", hole)
save("micron.nii", random.random((3, 4, 5, 2)).astype("f4"), units=("micron", "msec"))
moved = affine.copy()
moved[0, 3] += 2
save("moved.nii", short, qform=moved)
END
mkdir "$T/made"
ok "more files" "$PYTHON" "$T/make.py" "$T/made"
m=$T/made
# take NAME ok|rejected PATTERN FILE...
take() {
	name=$1 want=$2 pattern=$3
	shift 3
	ingest_one "$name" "$@"
	verdict "$name" "$want" "$pattern"
}
sha_of() {
	sed -n 's/.*"path":"[^"]*\/image.nii.gz","role":"image","sha256":"\([0-9a-f]*\)".*/\1/p' "$1/ledger.jsonl"
}
take single ok - "$m/single.nii"
for pair in pair1:hdr pair1gz:hdr.gz pair2:hdr; do
	name=${pair%:*}
	take "$name" ok - "$m/$name.${pair#*:}" "$m/$name.img${pair#*:hdr}"
	is "$name gives what the single file gives" "$(sha_of "$T/o/$name")" "$(sha_of "$T/o/single")"
done
like "which is a hash" "$(sha_of "$T/o/single")" '^[0-9a-f]{64}$'
cp "$m/pair1.img" "$T/bomb.img"
take bomb rejected 'bomb.hdr.gz: inflates to more than 16 MiB, the most that a .hdr file may have' "$m/bomb.hdr.gz" "$T/bomb.img"
cp "$m/pair1.img" "$T/single.img"
take stray ok - "$m/single.nii" "$T/single.img"
ingest_one pair1 "$m/pair1.hdr" "$m/pair1.img"
flip "$T/i/pair1.img" 20
exits "a changed .img, --resume" 0 sm ingest --in "$T/i" --out "$T/o/pair1" --resume
like "is read again" "$(cat "$ERR")" '1 good, 0 rejected, 0 reused'
isnt "with its new voxels" "$(sha_of "$T/o/pair1")" "$(sha_of "$T/o/single")"
exits "unchanged" 0 sm ingest --in "$T/i" --out "$T/o/pair1" --resume
like "it is kept" "$(cat "$ERR")" '1 good, 0 rejected, 1 reused'
rm -f "$T/i"/*
cp "$m/single.nii" "$T/i/x.nii"
cp "$m/pair1.hdr" "$T/i/x.hdr"
exits "two files of one name" 3 sm ingest --in "$T/i" --out "$T/o/x"
like "are not mixed" "$(cat "$ERR")" 'case x: the files x.nii and x.hdr have the same name but for their ends, allowed is one'

# All types, versions and byte orders in one run.
rm -rf "$T/i"
mkdir "$T/i"
cp "$m"/type_*.nii "$T/i/"
exits "ten types, two versions, two byte orders" 0 sm ingest --in "$T/i" --out "$T/types"
cat >"$T/all_types.py" <<'END'
import glob, sys
import nibabel, numpy
made, out = sys.argv[1:]
paths = sorted(glob.glob(made + "/type_*.nii"))
assert len(paths) == 40
for path in paths:
    key = path.split("/")[-1][:-4]
    a, b = nibabel.load(path), nibabel.load(f"{out}/{key}/image.nii.gz")
    x, y = numpy.asanyarray(a.dataobj), numpy.asanyarray(b.dataobj)
    assert x.dtype.newbyteorder("=") == y.dtype, key
    numpy.testing.assert_array_equal(x, y, key)
    numpy.testing.assert_allclose(a.affine, b.affine, atol=1e-5)
END
ok "return as they were" "$PYTHON" "$T/all_types.py" "$m" "$T/types"

take vector ok 'the 3 components of dim\[5\] became the fourth axis' "$m/vector.nii.gz"
like "vector: recorded" "$(tr -d ' \n' <"$T/o/vector/vector/case.json")" \
	'"fourth_axis":\{"from":"component","size":3,.*"intent":"Vector","intent_code":1007'
unlike "vector: without its free text" "$(cat "$T/o/vector/vector/case.json" "$T/o/vector/ledger.jsonl")" 'Jane'
take five rejected 'dim\[5\] is 3 beside dim\[4\] 2, allowed is one axis above 1' "$m/five.nii.gz"
take whole ok '50 whole numbers beyond 2\^53 are kept as int64' "$m/whole.nii"
take uint32 ok 'uint32 numbers beyond 2\^24 \(2147483648 to 2147483707\) are kept' "$m/uint32.nii"
cp "$m/single.nii" "$T/LOUD.NII"
gzip -c "$m/single.nii" >"$T/LOUDER.NII.GZ"
take LOUD ok - "$T/LOUD.NII"
take LOUDER ok - "$T/LOUDER.NII.GZ"
take complex rejected 'datatype is 32 \(complex64' "$m/complex.nii"
take colour rejected 'datatype is 128 \(RGB24' "$m/colour.nii"
take micron ok 'lengths in micron became mm' "$m/micron.nii"
like "micron: spacing in mm" "$(cat "$T/o/micron/ledger.jsonl")" '"spacing":\[0.0015,0.002,0.003'

for nan in keep refuse zero; do
	printf 'schema: 1\nname: x\ningest: {nan: %s}\n' $nan >"$T/nan_$nan.yaml"
done
MANIFEST=$T/nan_keep.yaml
take hole_keep ok '2 voxels are NaN or infinite and stay so' "$m/hole.nii"
MANIFEST=$T/nan_refuse.yaml
take hole_refuse rejected 'hole.nii: 2 voxels are NaN or infinite, allowed are none' "$m/hole.nii"
MANIFEST=$T/nan_zero.yaml
take hole_zero ok '2 voxels were NaN or infinite and became 0' "$m/hole.nii"
like "hole_zero: recorded" "$(tr -d ' \n' <"$T/o/hole_zero/hole/case.json")" '"not_finite":0,"not_finite_set_to_0":2'

for affine in sform qform agree; do
	printf 'schema: 1\nname: x\ningest: {affine: %s}\n' $affine >"$T/affine_$affine.yaml"
done
MANIFEST=$T/affine_sform.yaml
take moved_sform ok 'sform \(aligned\) and qform \(scanner\) differ by 2 mm; the sform was taken' "$m/moved.nii"
like "moved_sform: is where the sform says" "$(cat "$T/o/moved_sform/ledger.jsonl")" '"affine":\[-1.5,0.0,0.0,10.0,'
MANIFEST=$T/affine_qform.yaml
take moved_qform ok 'differ by 2 mm; the qform was taken' "$m/moved.nii"
like "moved_qform: is where the qform says" "$(cat "$T/o/moved_qform/ledger.jsonl")" '"affine":\[-1.5,0.0,0.0,12.0,'
MANIFEST=$T/affine_agree.yaml
take moved_agree rejected 'place a corner voxel 2 mm apart, allowed are 0.01 mm' "$m/moved.nii"
take agree ok - "$m/single.nii"
done_testing
