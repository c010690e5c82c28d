#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What no public data set of ours holds, in closed form: enhanced multi-frame CT, PET and MR, legacy
# converted objects, odd classic series, gzip-compressed files; voxels, places, names, verdicts and
# sidecars, and dcm2niix beside them where it reads the same.
. "$(dirname "$0")/../lib.sh"
needs index ingest
has_python pydicom numpy || skip_all "no pydicom and numpy for $PYTHON"

PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
here=$SM_ROOT/tests/stage
printf 'pepper' >"$T/salt"
printf 'schema: 1\nname: x\ningest: {compression: 0}\n' >"$T/plain.yaml"
ok "objects in closed form" "$PYTHON" "$here/enhanced_make.py" "$T/raw" || fail_all "no objects"

convert() {
	sm ingest --in "$T/raw/$1" --out "$T/out/$1" --salt-file "$T/salt" --manifest "$T/plain.yaml" --jobs 2
}
mkdir "$T/out" "$T/nii"
for folder in "$T"/raw/*; do
	case=$(basename "$folder")
	run convert "$case"
	cp "$ERR" "$T/out/$case.txt"
	want=0
	case $case in incomplete | short | twice_* | dimensions_mixed) want=3 ;; esac
	[ "$CODE" -eq "$want" ] || fail "$case: exit code $CODE, wanted $want" || diag "$(cat "$ERR")"
done
others=
if command -v dcm2niix >/dev/null 2>&1; then
	others=$T/nii
	for case in ct_implicit legacy_ct legacy_mr diffusion diffusion_oblique diffusion_philips echoes components maker_uih \
		maker_canon maker_hitachi maker_hyperfine maker_toshiba maker_fuji ge_axial_row ge_axial_col ge_oblique_row \
		ge_oblique_col ge_coronal_row ge_coronal_col ge_sagittal_row ge_sagittal_col ge_short uih order_plain \
		order_repeats order_trace; do
		mkdir "$others/$case"
		dcm2niix -z n -b n -f v -o "$others/$case" "$T/raw/$case" >"$others/$case.txt" 2>&1
	done
else
	skip "as dcm2niix" "it is not installed"
fi
# shellcheck disable=SC2086 # nothing, or one path
"$PYTHON" "$here/enhanced_check.py" "$T/out" $others >"$T/verdicts" 2>"$T/trace" || fail "the comparison ran" ||
	diag "$(tail -n 5 "$T/trace")"
tab=$(printf '\t')
while IFS=$tab read -r verdict name why; do
	if [ "$verdict" = ok ]; then
		pass "$name"
	else
		fail "$name" || diag "$why"
	fi
done <"$T/verdicts"
ok "nothing was passed over" test "$(wc -l <"$T/verdicts")" -ge 80

like "too few pixels are told" "$(cat "$T/out/short.txt")" "PixelData holds 336 bytes, 5 frames of 6 rows and 7 columns need 420"
like "a localiser is told" "$(cat "$T/out/localiser.txt")" 'info: ct-[0-9a-f]*: set aside: ImageType says LOCALIZER'
like "a flat picture is told" "$(cat "$T/out/mg.txt")" 'warning: mg-[0-9a-f]*: a flat picture: the volume has pixel sizes but no'
like "an inverted one too" "$(cat "$T/out/mg_inverse.txt")" 'warning: .*MONOCHROME1: numbers were inverted'
like "heartbeats are told" "$(cat "$T/out/heartbeats.txt")" 'warning: .*TriggerTime rises by other steps from slice to slice'
like "numbers alone are told" "$(cat "$T/out/clock_astray.txt")" 'warning: .*are ordered by InstanceNumber alone'
like "directions left out are told" "$(cat "$T/out/ge_feet.txt")" 'warning: .*PatientPosition HFS .*there is no image.bvec'
like "a rule for axial slices is told" "$(cat "$T/out/ge_coronal_col.txt")" 'warning: .*validated for axial slices only'
unlike "and not for these" "$(cat "$T/out/ge_axial_col.txt")" 'validated'
like "a trace is told" "$(cat "$T/out/order_trace.txt")" 'warning: .*-trace: .*the mean over the directions'
unlike "no name, number or path in any output" "$(cat "$T"/out/*.txt "$T"/out/*/ledger.jsonl "$T"/out/*/*/image.json)" \
	"Nemo|P-[a-z]|2001-?02-?03|$T|pepper"

# Enhanced objects on one and on two threads, and from one tree.
mkdir "$T/all"
for case in ct_implicit ct_rle ct_slopes pet_map mr_echoes diffusion_oblique; do
	cp -r "$T/raw/$case" "$T/all/$case"
done
exits "a tree of enhanced objects" 0 sm ingest --in "$T/all" --out "$T/one" --salt-file "$T/salt" --jobs 1
exits "with two threads" 0 sm ingest --in "$T/all" --out "$T/two" --salt-file "$T/salt" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
like "nine volumes" "$(cat "$ERR")" '9 good, 0 rejected'

# The unit of a real-world map becomes SUV, unless the numbers are of another line.
printf 'schema: 1\nname: x\ningest: {compression: 0, pet_units: suvbw}\n' >"$T/suv.yaml"
exits "enhanced PET as SUV" 0 sm ingest --in "$T/raw/pet_map" --out "$T/suv" --salt-file "$T/salt" --manifest "$T/suv.yaml"
cat >"$T/suv.py" <<'EOF'
import glob, json, sys
import numpy as np
side = json.load(open(glob.glob(sys.argv[1] + '/*/image.json')[0]))
v, w = (np.frombuffer(open(glob.glob(d + '/*/image.nii')[0], 'rb').read()[352:], '<f4') for d in sys.argv[1:])
factor = 70e3 / (3.5e8 * 2 ** (-3600 / 6586.2))
assert side['Meaning'] == 'SUV' and np.allclose(v, w * factor, rtol=1e-6), side['Meaning']
EOF
ok "is the same times the factor" "$PYTHON" "$T/suv.py" "$T/suv" "$T/out/pet_map"
exits "of another line" 3 sm ingest --in "$T/raw/pet_two_lines" --out "$T/suv2" --salt-file "$T/salt" --manifest "$T/suv.yaml"
like "is told" "$(cat "$ERR")" 'rejected: no_suv: no SUV can be computed: Units is absent, unknown'

# More pixels than 16 MiB are read picture by picture, words of big endian files turned on the way; deflated
# ones as they are inflated. Neither may take much more memory than the volume.
cat >"$T/large.py" <<'EOF'
import glob, os, resource, subprocess, sys
root = sys.argv[1]
if sys.argv[2] == 'peak':  # before numpy: what this process has counts for its children
    subprocess.run(sys.argv[4:], check=True, stdout=subprocess.DEVNULL)
    kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print('peak', kib, 'KiB')
    sys.exit(kib > int(sys.argv[3]))
import numpy as np
import pydicom
if sys.argv[2] == 'make':
    d = pydicom.dcmread(sorted(glob.glob(root + '/raw/ct_implicit/*'))[0])
    n, d.Rows, d.Columns = int(d.NumberOfFrames), 1024, (17 << 9) // int(d.NumberOfFrames)
    v = np.arange(n * d.Rows * d.Columns, dtype='<u4') * 2654435761 >> 20 & 1023
    for name, uid, kind in (('little', '1.2.840.10008.1.2.1', '<u2'), ('big', '1.2.840.10008.1.2.2', '>u2'),
                            ('deflated', '1.2.840.10008.1.2.1.99', '<u2')):
        os.makedirs(f'{root}/large_{name}')
        d.PixelData, d.file_meta.TransferSyntaxUID = v.astype(kind).tobytes(), uid
        d['PixelData'].VR, d.is_implicit_VR, d.is_little_endian = 'OW', False, name != 'big'
        assert len(d.PixelData) > 16 << 20
        d.save_as(f'{root}/large_{name}/1.dcm', write_like_original=False)
else:
    one, two, three = ([open(p, 'rb').read() for p in sorted(glob.glob(f'{root}/large_out_{k}/*/image.nii'))]
                       for k in ('little', 'big', 'deflated'))
    assert one == two == three, "other voxels"
    assert len(set(one[0][352::2])) > 64 and sum(map(len, one)) > 16 << 20, len(set(one[0][352::2]))
EOF
exits "a large object in both orders of bytes" 0 "$PYTHON" "$T/large.py" "$T" make
printf 'schema: 1\nname: x\ningest: {compression: 0}\n' >"$T/large.yaml"
kib=32768 # 17 MiB of volume, the program, two pictures, buffers
if grep -q __asan_init "$SM_BIN/scanmill-ingest"; then kib=99999999; fi
for kind in little big deflated; do
	exits "large, $kind" 0 "$PYTHON" "$T/large.py" "$T" peak "$kib" "$SM_BIN/scanmill-ingest" \
		--in "$T/large_$kind" --out "$T/large_out_$kind" --salt-file "$T/salt" --manifest "$T/large.yaml"
done
ok "give the same voxels" "$PYTHON" "$T/large.py" "$T" compare

# gzip: a file that ends early is an item of its own, rejected aloud.
cp -r "$T/raw/gz" "$T/short"
head -c 200 "$T/raw/gz/1.dcm.gz" >"$T/short/9.dcm.gz"
exits "a gzip-compressed file that ends early" 1 sm ingest --in "$T/short" --out "$T/short_out" --salt-file "$T/salt"
like "is told" "$(cat "$ERR")" 'rejected: the file .*gzip-compressed and ends early'
exits "index" 0 sm index --in "$T/raw/gz" --out "$T/gz_index"
like "counts them as DICOM" "$(cat "$OUT")" "^4 dicom files"
done_testing
