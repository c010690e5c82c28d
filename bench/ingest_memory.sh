#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Peak memory of `scanmill ingest` of one series: what the process has at most in memory, above what the program
# has at rest (`scanmill-ingest --help`), and that in volumes, the bytes of the largest uncompressed volume it
# writes. Written plain and as .nii.gz; the median of RUNS runs each, with JOBS threads. Uneven and tilted series are
# put on an even grid, text in the pixels is searched for. Series: a CT of `scanmill phantom`; with Debian's pydicom
# (PYTHON) CTs of 512x512 and 100 and 20 slices (tilted, uneven, one object uncompressed, deflated, RLE), a PET of one
# slope turned to SUV, .nii.gz files of noise (as large as their voxels) and of a float32 volume; and each series of
# $SM_SHARED_DATA when it is there.
# Usage: bench/ingest_memory.sh [JOBS] [RUNS]
set -eu
JOBS=${1:-2}
RUNS=${2:-3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
DATA=${SM_SHARED_DATA:-$ROOT/../shared/data}
PYTHON=${PYTHON:-/usr/bin/python3}
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
printf 'salt of the benchmark, of no other use' >"$T/salt"
for level in 0 6; do
	printf 'schema: 1\nname: bench\ningest: {compression: %s, uneven: regrid, burned_text: keep, min_slices: 1}\n' \
		"$level" >"$T/$level.yaml"
	sed 's/ingest: {/&pet_units: suvbw, /' "$T/$level.yaml" >"$T/suv$level.yaml"
	sed 's/ingest: {/&sources: [{role: image, pattern: "{case}.nii.gz"}], /' "$T/$level.yaml" >"$T/nii$level.yaml"
done

# peak COMMAND...: KiB; the programs' words go to $T/said.
peak() {
	/usr/bin/time -q -f %M -o "$T/kib" "$@" >"$T/said" 2>&1 || :
	tail -n 1 "$T/kib"
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

rest() {
	i=0
	while [ "$i" -lt 5 ]; do
		peak "$BIN/scanmill-ingest" --help
		i=$((i + 1))
	done | median
}

# ingest MANIFEST FOLDER: KiB
ingest() {
	i=0
	while [ "$i" -lt "$RUNS" ]; do
		rm -rf "$T/out"
		peak "$BIN/scanmill-ingest" --manifest "$T/$1.yaml" --in "$2" --out "$T/out" --salt-file "$T/salt" --jobs "$JOBS" \
			--log error
		i=$((i + 1))
	done | median
}

# row NAME FOLDER [suv|nii]: one line of the table; what gives no volume is left out.
row() {
	plain=$(ingest "${3:-}0" "$2")
	volume=$(find "$T/out" -name '*.nii' -printf '%s\n' | sort -rn | head -n 1)
	[ -n "$volume" ] || return 0
	gz=$(ingest "${3:-}6" "$2")
	echo "$1|$volume|$plain|$gz" | awk -F '|' -v base="$BASE" '{
		printf "| %s | %.2f | %.1f | **%.2f** | %.1f | **%.2f** |\n", $1, $2 / 1e6, ($3 - base) / 1024,
			($3 - base) * 1024 / $2, ($4 - base) / 1024, ($4 - base) * 1024 / $2 }'
}

# The series of $1, each in a folder of its own below $2.
split() {
	"$PYTHON" - "$1" "$2" <<'EOF'
import os, shutil, sys
import pydicom
found = {}
for folder, _, files in sorted(os.walk(sys.argv[1])):
    for f in sorted(files):
        path = os.path.join(folder, f)
        try:
            uid = pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID
        except Exception:
            continue
        found.setdefault((uid, folder), []).append(path)
for n, paths in enumerate(found.values(), 1):
    os.makedirs(f'{sys.argv[2]}/{n:02d}')
    for k, p in enumerate(paths):
        shutil.copyfile(p, f'{sys.argv[2]}/{n:02d}/{k:05d}.dcm')
EOF
}

# CTs of $2 slices below $1.
make_cts() {
	"$PYTHON" - "$1" "$2" <<'EOF'
import os, sys
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid
root, n = sys.argv[1], int(sys.argv[2])
y, x = np.mgrid[:512, :512]
head = (((x - 256) / 190) ** 2 + ((y - 256) / 230) ** 2 < 1) * 1040
noise = np.random.default_rng(1).integers(0, 60, (8, 512, 512))
slices = [np.roll((head + noise[k % 8]).astype('<u2'), k // 8, 1).tobytes() for k in range(n)]

def start(name, k, sop, syntax='1.2.840.10008.1.2.1'):
    d, m = Dataset(), FileMetaDataset()
    d.file_meta, m.TransferSyntaxUID = m, syntax
    d.SOPClassUID = m.MediaStorageSOPClassUID = sop
    d.SOPInstanceUID = m.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, str(k)])
    d.SeriesInstanceUID = generate_uid(entropy_srcs=[name])
    d.StudyInstanceUID = d.FrameOfReferenceUID = generate_uid(entropy_srcs=[name, 'study'])
    d.Modality, d.PatientID, d.InstanceNumber, d.ImageType = 'CT', 'bench', k + 1, ['ORIGINAL', 'PRIMARY', 'AXIAL']
    d.Rows = d.Columns = 512
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, 'MONOCHROME2', 0
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 12, 11
    return d

def save(d, name, k):
    os.makedirs(f'{root}/{name}', exist_ok=True)
    d['PixelData'].VR, d.is_implicit_VR, d.is_little_endian = 'OW', False, True
    d.save_as(f'{root}/{name}/{k:05d}.dcm', write_like_original=False)

for name, down, z in (('tilted', (0, 0.955336, 0.295520), lambda k: 2.0 * k),
                      ('uneven', (0, 1, 0), lambda k: 2 * k + 0.9 * (k % 3 == 0))):
    for k in range(n):
        d = start(name, k, '1.2.840.10008.5.1.4.1.1.2')
        d.PixelSpacing, d.SliceThickness, d.RescaleSlope, d.RescaleIntercept = [0.5, 0.5], 2, 1, -1024
        d.ImageOrientationPatient, d.ImagePositionPatient = [1, 0, 0, *down], [-128, -128, z(k)]
        d.PixelData = slices[k]
        save(d, name, k)

def group(**fields):
    d = Dataset()
    for key, value in fields.items():
        setattr(d, key, value)
    return d

for name, syntax in (('object', '1.2.840.10008.1.2.1'), ('object_deflated', '1.2.840.10008.1.2.1.99'),
                     ('object_rle', '1.2.840.10008.1.2.1')):
    d = start(name, 0, '1.2.840.10008.5.1.4.1.1.2.1', syntax)
    d.NumberOfFrames, d.PixelData = n, b''.join(slices)
    d.SharedFunctionalGroupsSequence = [group(
        PixelMeasuresSequence=[group(PixelSpacing=[0.5, 0.5], SliceThickness=2)],
        PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelValueTransformationSequence=[group(RescaleSlope=1, RescaleIntercept=-1024, RescaleType='HU')])]
    d.PerFrameFunctionalGroupsSequence = [group(
        PlanePositionSequence=[group(ImagePositionPatient=[-128, -128, 2.0 * k])]) for k in range(n)]
    save(d, name, 0)
EOF
	# RLE by DCMTK: pydicom takes minutes.
	if command -v dcmcrle >/dev/null; then
		dcmcrle "$1/object_rle/00000.dcm" "$T/rle.dcm"
		mv "$T/rle.dcm" "$1/object_rle/00000.dcm"
	else
		rm -r "$1/object_rle"
	fi
}

# A PET of 80 slices in int16 with one slope below $1/pet; NIfTI files in folders of their own below $1/nii.
make_others() {
	"$PYTHON" - "$1" <<'EOF'
import gzip, os, struct, sys
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import generate_uid
root = sys.argv[1]
random = np.random.default_rng(2)

os.makedirs(f'{root}/pet')
for k in range(80):
    d, m = Dataset(), FileMetaDataset()
    d.file_meta, m.TransferSyntaxUID = m, '1.2.840.10008.1.2.1'
    d.SOPClassUID = m.MediaStorageSOPClassUID = '1.2.840.10008.5.1.4.1.1.128'
    d.SOPInstanceUID = m.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=['pet', str(k)])
    d.SeriesInstanceUID, d.StudyInstanceUID = (generate_uid(entropy_srcs=['pet', x]) for x in 'ab')
    d.FrameOfReferenceUID = d.StudyInstanceUID
    d.Modality, d.PatientID, d.InstanceNumber, d.ImageType = 'PT', 'bench', k + 1, ['ORIGINAL', 'PRIMARY']
    d.Rows = d.Columns = 512
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PixelRepresentation = 1, 'MONOCHROME2', 1
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
    d.PixelSpacing, d.SliceThickness, d.RescaleSlope, d.RescaleIntercept = [1, 1], 2, 0.5, 0
    d.ImageOrientationPatient, d.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 2 * k]
    d.Units, d.DecayCorrection, d.CorrectedImage, d.PatientWeight = 'BQML', 'START', ['DECY', 'ATTN'], 70
    d.SeriesDate = d.AcquisitionDate = '20200102'
    d.SeriesTime, d.AcquisitionTime, d.ActualFrameDuration = '110000', '110000', 600000
    item = Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife, item.RadiopharmaceuticalStartTime = 3.5e8, 6586.2, '100000'
    d.RadiopharmaceuticalInformationSequence = [item]
    d.PixelData = random.integers(0, 30000, (512, 512)).astype('<i2').tobytes()
    d['PixelData'].VR, d.is_implicit_VR, d.is_little_endian = 'OW', False, True
    d.save_as(f'{root}/pet/{k:05d}.dcm', write_like_original=False)

def nifti(name, v):
    head = bytearray(352)
    struct.pack_into('<i', head, 0, 348)
    struct.pack_into('<8h', head, 40, 3, *v.shape[::-1], 1, 1, 1, 1)
    struct.pack_into('<2h', head, 70, {'u1': 2, 'i2': 4, 'f4': 16}[v.dtype.str[1:]], 8 * v.itemsize)
    struct.pack_into('<8f', head, 76, 1, 1, 1, 1, 1, 0, 0, 0)
    struct.pack_into('<f', head, 108, 352)
    head[123] = 2
    struct.pack_into('<h', head, 254, 1)
    struct.pack_into('<12f', head, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    head[344:348] = b'n+1\0'
    os.makedirs(f'{root}/nii/{name}')
    with gzip.open(f'{root}/nii/{name}/case.nii.gz', 'wb', 1) as f:
        f.write(bytes(head) + v.tobytes())

nifti('noise_int16', random.integers(-32768, 32768, (264, 272, 272)).astype('<i2'))
nifti('noise_uint8', random.integers(0, 256, (264, 272, 272)).astype('u1'))
v = np.zeros((150, 256, 256), '<f4')
v[20:120, 40:200, 40:200] = random.normal(100, 10, (100, 160, 160))
nifti('brain_float32', v)
EOF
}

BASE=$(rest)
echo "$("$BIN/scanmill-ingest" --version); $JOBS threads, medians of $RUNS runs. At rest: $(awk -v k="$BASE" 'BEGIN {
	printf "%.1f", k / 1024 }') MiB."
echo
echo "| series | volume, MB | .nii: MiB above rest | volumes | .nii.gz: MiB above rest | volumes |"
echo "|---|---|---|---|---|---|"
"$BIN/scanmill-phantom" --kind ct_head --seed 1 --log error --cases 1 --size 512,512,240 --spacing 0.45,0.45,0.625 \
	--out "$T/ct" >/dev/null
row "CT phantom, 240 x 512x512" "$T/ct"
rm -rf "$T/ct"
if "$PYTHON" -c 'import numpy, pydicom' 2>/dev/null; then
	for n in 100 20; do
		make_cts "$T/cts" "$n"
		for folder in "$T"/cts/*; do
			row "made: $(basename "$folder" | tr _ ' '), $n x 512x512" "$folder"
		done
		rm -rf "$T/cts"
	done
	make_others "$T/others"
	row "made: PET of one slope, SUV, 80 x 512x512" "$T/others/pet" suv
	for folder in "$T"/others/nii/*; do
		row "made: .nii.gz, $(basename "$folder" | tr _ ' ')" "$folder" nii
	done
	rm -rf "$T/others"
	for s in ct_head_ge/dicom mr_t1_philips/dicom mr_tumour_dicom sts_ct_mr_pet/dicom mr_siemens_orient/In mr_ct_vendors \
		mr_enhanced/In mr_siemens_mosaic/In pet_acrin_flt; do
		[ -d "$DATA/$s" ] || continue
		split "$DATA/$s" "$T/split"
		for folder in "$T"/split/*; do
			row "${s%%/*} $(basename "$folder")" "$folder"
		done
		rm -rf "$T/split"
	done
else
	echo "skipped: $PYTHON has no numpy or pydicom"
fi
