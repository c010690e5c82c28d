#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs phantom ingest index
has_python nibabel numpy || skip_all "python with nibabel and numpy"

printf 'pepper, at least sixteen bytes' >"$T/salt"
chmod 600 "$T/salt"
pet="--kind pet_dynamic --cases 1 --size 14,12,9 --spacing 4,4,5"
# shellcheck disable=SC2086 # a list of options
run sm phantom --out "$T/raw" $pet --jobs 1
# shellcheck disable=SC2086
run sm phantom --out "$T/raw2" $pet --jobs 2
same_tree "no byte of the phantom depends on the threads" "$T/raw" "$T/raw2"
is "five frames of nine slices" "$(find "$T/raw" -name '*.dcm' | wc -l | tr -d ' ')" 45
exits "a dynamic PET" 0 sm ingest --in "$T/raw" --out "$T/out" --salt-file "$T/salt" --jobs 1
exits "with two threads" 0 sm ingest --in "$T/raw" --out "$T/two" --salt-file "$T/salt" --jobs 2
same_tree "no byte depends on the threads" "$T/out" "$T/two"
unlike "without a warning" "$(cat "$ERR")" warning

cat >"$T/check.py" <<'END'
import glob, json, math, sys
import nibabel, numpy

raw, out, applied = sys.argv[1], sys.argv[2], sys.argv[3] == 'suv'
facts = json.load(open(raw + '/phantom.json'))
case, size = facts['cases'][0], facts['settings']['size']
image = nibabel.load(glob.glob(out + '/*/image.nii*')[0])
side = json.load(open(glob.glob(out + '/*/image.json')[0]))
v = numpy.asarray(image.dataobj, dtype=numpy.float64)
frames = case['frames']
assert v.shape == tuple(size) + (len(frames),), v.shape
factor = 70 * 1000 / (350e6 * 2 ** (-10 / 6586.2))

# Voxels: the region's activity as a whole multiple of the slice's slope.
counts = None
for t, f in enumerate(frames):
    for z in range(size[2]):
        slope = 0.75 + 0.125 * ((3 * z + 5 * t) % 16)
        body = math.floor(f['body'] / slope + 0.5) * slope
        lesion = math.floor(f['lesion'] / slope + 0.5) * slope
        allowed = numpy.array([0, body, lesion]) * (factor if applied else 1)
        plane = v[:, :, z, t]
        nearest = numpy.abs(plane[..., None] - allowed)
        assert (nearest.min(-1) <= 2e-7 * plane).all(), (t, z)
    if t == 1:
        lesion = numpy.abs(v[..., t] - frames[1]['lesion'] * (factor if applied else 1)) < 2 * (factor if applied else 1)
        assert lesion.sum() == case['voxels']['lesion'], lesion.sum()
        assert (v[..., t] > 0).sum() == case['voxels']['lesion'] + case['voxels']['body']

assert side['FrameTimesStart'] == [f['start'] for f in frames], side['FrameTimesStart']
assert side['FrameDuration'] == [f['duration'] for f in frames]
for f, got in zip(frames, side['DecayCorrectionFactor']):
    x = math.log(2) / 6586.2 * f['duration']
    want = 2 ** (f['start'] / 6586.2) * x / (1 - math.exp(-x))
    assert abs(got / want - 1) < 1e-8, (got, want)
assert side['InjectionStart'] == -10 and side['ScanStart'] == 0
assert side['ImageDecayCorrected'] is True and side['ImageDecayCorrectionTime'] == 0
assert side['TracerName'] == 'FDG' and side['TracerRadionuclide'] == 'F18'
assert side['ReconMethodParameterValues'] == [3, 21] and side['ReconFilterSize'] == 5
if applied:
    assert side['Units'] == 'g/mL' and side['Meaning'] == 'SUV' and side['SUVbwApplied'] is True
    assert side['UnitsDICOM'] == 'GML' and 'SUVbwFactor' not in side
    assert side.get('RescaleType') in (None, 'GML'), side['RescaleType']
else:
    assert side['Units'] == 'Bq/mL' and side['Meaning'] == 'Bq/ml'
    assert abs(side['SUVbwFactor'] / factor - 1) < 1e-11, (side['SUVbwFactor'], factor)
# Factor and dose together would give the weight.
for key in ('LeftOut', 'MissingBIDS'):
    assert 'InjectedRadioactivity' in side[key], key
assert 'InjectedRadioactivity' not in side
assert not any('Weight' in k for k in side)
END
ok "voxels, times and factors in closed form" "$PYTHON" "$T/check.py" "$T/raw" "$T/out" stored
# Without the hashes, whose digits may be any.
plain() {
	sed -E 's/[0-9a-f]{12,}//g' "$@"
}
unlike "no date, time of day, weight or name" "$(plain "$T"/out/*/image.json "$T/out/ledger.jsonl")" \
	'2000-?01|2359|23:59|235850|[^0-9.]70(\.0)?[^0-9.]|Phantom|PHANTOM|pepper'

printf 'schema: 1\nname: x\ningest: {pet_units: suvbw}\n' >"$T/suv.yaml"
exits "as SUV" 0 sm ingest --in "$T/raw" --out "$T/suv" --salt-file "$T/salt" --manifest "$T/suv.yaml"
ok "is the same times the factor" "$PYTHON" "$T/check.py" "$T/raw" "$T/suv" suv

# One slope for all slices stands in the sidecar: the step of the numbers over it is the factor, and times
# the dose the weight.
cat >"$T/level.py" <<'END'
import glob, os, re, struct, sys
for path in glob.glob(sys.argv[1] + '/**/*.dcm', recursive=True):
    data = open(path, 'rb').read()
    at = data.index(b'\x28\x00\x53\x10DS')
    n = struct.unpack('<H', data[at + 6:at + 8])[0]
    data = data[:at + 8] + b'2'.ljust(n) + data[at + 8 + n:]
    unit = b'\x28\x00\x54\x10LO'
    if unit not in data:
        data = data[:at + 8 + n] + unit + struct.pack('<H', 4) + b'BQML' + data[at + 8 + n:]
    open(path, 'wb').write(data)
END
cat >"$T/recover.py" <<'END'
import glob, json, sys
import nibabel, numpy
side = json.load(open(glob.glob(sys.argv[1] + '/*/image.json')[0]))
v = numpy.asarray(nibabel.load(glob.glob(sys.argv[1] + '/*/image.nii*')[0]).dataobj, dtype=float)
top = v.max()
factor = top / round(top / side['RescaleSlope'] / (70e3 / 350e6 * 2 ** (10 / 6586.2))) / side['RescaleSlope']
weight = factor * 350e6 * 2 ** (-10 / 6586.2) / 1000
assert abs(weight - 70) < 0.01, weight  # with a dose it works
dose = side.get('InjectedRadioactivity')
assert dose is None, factor * dose * 1e3 * 2 ** (side['InjectionStart'] / 6586.2)
assert side['Units'] == 'g/mL' and side['UnitsDICOM'] == 'GML' and 'RescaleType' not in side, side
END
cp -r "$T/raw" "$T/level"
ok "one slope" "$PYTHON" "$T/level.py" "$T/level"
exits "as SUV of one slope" 0 sm ingest --in "$T/level" --out "$T/level_suv" --salt-file "$T/salt" --manifest "$T/suv.yaml"
ok "does not give the weight" "$PYTHON" "$T/recover.py" "$T/level_suv"
exits "as Bq/ml of one slope" 0 sm ingest --in "$T/level" --out "$T/level_out" --salt-file "$T/salt"
like "has the files' unit" "$(cat "$T"/level_out/*/image.json)" '"RescaleType": "BQML"'

# Without the weight: the unit is kept and the reason told; asked for SUV, the item is refused.
cat >"$T/strip.py" <<'END'
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith('.dcm'):
            path = os.path.join(folder, name)
            data = open(path, 'rb').read()
            old = b'\x10\x00\x30\x10DS\x02\x0070'
            assert data.count(old) == 1
            open(path, 'wb').write(data.replace(old, old[:8] + b'0 '))
END
cp -r "$T/raw" "$T/light"
ok "weight 0" "$PYTHON" "$T/strip.py" "$T/light"
exits "is converted" 0 sm ingest --in "$T/light" --out "$T/light_out" --salt-file "$T/salt"
like "with the reason" "$(cat "$T"/light_out/*/image.json)" '"SUVbwMissing": "PatientWeight is absent, 0 or'
like "and the dose" "$(cat "$T"/light_out/*/image.json)" '"InjectedRadioactivity": 350'
exits "but not to SUV" 3 sm ingest --in "$T/light" --out "$T/light_suv" --salt-file "$T/salt" --manifest "$T/suv.yaml"
like "with the same reason" "$(cat "$ERR")" 'rejected: no_suv: no SUV can be computed: PatientWeight is absent, 0 or .*pet_units: stored'
# Foreseen from the headers, with the sentence that ingest ends with; also when no header is opened for the listing.
sentence=$(sed -n 's/.*rejected: no_suv: //p' "$ERR")
exits "a dry run" 0 sm ingest --in "$T/light" --out "$T/light_dry" --dry-run --salt-file "$T/salt" --manifest "$T/suv.yaml"
is "tells the same" "$(sed -n 's/.*would be refused: no_suv: //p' "$ERR")" "$sentence"
for again in "" --resume; do
	# shellcheck disable=SC2086 # none or one option
	exits "the index $again" 0 sm index --in "$T/light" --out "$T/index" --format csv --salt-file "$T/salt" \
		--manifest "$T/suv.yaml" $again
	like "and says so, too" "$(cat "$OUT")" ",no_suv,no,$(printf %s "$sentence" | sed 's/[().]/\\&/g; s/^/"/; s/$/"/')"
done
like "though no file was opened for it" "$(cat "$ERR")" '46 files, 0 of them opened'
exits "the index of a PET with a weight" 0 sm index --in "$T/raw" --format csv --manifest "$T/suv.yaml"
like "is usable" "$(cat "$OUT")" ',ok,yes,$'
exits "the index without SUV" 0 sm index --in "$T/light" --format csv
like "is usable, too" "$(cat "$OUT")" ',ok,yes,$'

# No person's weight: infinite voxels and none would be written.
cat >"$T/heavy.py" <<'END'
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith('.dcm'):
            path = os.path.join(folder, name)
            data = open(path, 'rb').read()
            old = b'\x10\x00\x30\x10DS\x02\x0070'
            assert data.count(old) == 1
            open(path, 'wb').write(data.replace(old, old[:6] + b'\x06\x0070e003'))
END
cp -r "$T/raw" "$T/heavy"
ok "weight in grams" "$PYTHON" "$T/heavy.py" "$T/heavy"
exits "is no weight" 3 sm ingest --in "$T/heavy" --out "$T/heavy_suv" --salt-file "$T/salt" --manifest "$T/suv.yaml"
like "and told" "$(cat "$ERR")" "no_suv: no SUV can be computed: PatientWeight is not within 1 to 500: it cannot be a person's in kg"

# Slices in different units: index, dry run and ingest tell the same, under suvbw too.
cat >"$T/units.py" <<'END'
import glob, sys
paths = sorted(glob.glob(sys.argv[1] + '/**/*.dcm', recursive=True))
for path in paths[:7]:
    data = open(path, 'rb').read()
    old = b'\x54\x00\x01\x10CS\x04\x00BQML'
    assert data.count(old) == 1
    open(path, 'wb').write(data.replace(old, old[:8] + b'CNTS'))
END
cp -r "$T/raw" "$T/units"
ok "two units" "$PYTHON" "$T/units.py" "$T/units"
printf 'schema: 1\nname: x\n' >"$T/stored.yaml"
for kind in stored suv; do
	exits "two units, $kind" 3 sm ingest --in "$T/units" --out "$T/units_$kind" --salt-file "$T/salt" --manifest "$T/$kind.yaml"
	like "are refused with a code" "$(cat "$ERR")" \
		'rejected: bad_rescale: slices differ in what their numbers mean \(rescale, RescaleType or Units\)'
	sentence=$(sed -n 's/.*rejected: bad_rescale: //p' "$ERR")
	exits "a dry run, $kind" 0 sm ingest --in "$T/units" --out "$T/units_dry" --dry-run --salt-file "$T/salt" \
		--manifest "$T/$kind.yaml"
	is "tells the same" "$(sed -n 's/.*would be refused: bad_rescale: //p' "$ERR")" "$sentence"
	exits "the index, $kind" 0 sm index --in "$T/units" --format csv --manifest "$T/$kind.yaml"
	like "tells it, too" "$(cat "$OUT")" ",bad_rescale,no,\"$(printf %s "$sentence" | sed 's/[().]/\\&/g')\""
done

# Peak memory: of a PET with one slope, and of a .nii.gz file of noise, which is as large as its voxels.
case $SM_BIN in
*/release*)
	cat >"$T/large.py" <<'END'
import gzip, os, resource, struct, subprocess, sys
if sys.argv[1] == 'peak':  # before numpy: what this process has counts for its children
    subprocess.run(sys.argv[3:], check=True, stdout=subprocess.DEVNULL)
    kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print('peak', kib, 'KiB')
    sys.exit(kib > int(sys.argv[2]))
import numpy as np
v = np.random.default_rng(3).integers(-30000, 30000, (96, 512, 512)).astype('<i2')
head = bytearray(352)
struct.pack_into('<i', head, 0, 348)
struct.pack_into('<8h', head, 40, 3, 512, 512, 96, 1, 1, 1, 1)
struct.pack_into('<2h', head, 70, 4, 16)
struct.pack_into('<8f', head, 76, 1, 1, 1, 1, 1, 0, 0, 0)
struct.pack_into('<f', head, 108, 352)
head[123] = 2
struct.pack_into('<h', head, 254, 1)
struct.pack_into('<12f', head, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
head[344:348] = b'n+1\0'
os.mkdir(sys.argv[2])
with gzip.open(sys.argv[2] + '/noise.nii.gz', 'wb', 1) as f:
    f.write(bytes(head) + v.tobytes())
END
	ok "a volume of noise" "$PYTHON" "$T/large.py" make "$T/noise"
	ok "takes 48 MiB and little more" "$PYTHON" "$T/large.py" peak 67000 "$SM_BIN/scanmill-ingest" --in "$T/noise" \
		--out "$T/noise_out" --jobs 2 --log error
	sed 's/ingest: {/&compression: 1, /' "$T/suv.yaml" >"$T/fast.yaml"
	ok "a wide PET" "$SM_BIN/scanmill-phantom" --out "$T/wide" --kind pet_dynamic --cases 1 --size 512,512,9 \
		--spacing 1,1,5 --jobs 2
	ok "of one slope" "$PYTHON" "$T/level.py" "$T/wide"
	ok "in SUV takes 45 MiB and little more" "$PYTHON" "$T/large.py" peak 60000 "$SM_BIN/scanmill-ingest" \
		--in "$T/wide" --out "$T/wide_out" --jobs 2 --log error --manifest "$T/fast.yaml"
	;;
*) skip "peak memory" "a sanitizer has its own" ;;
esac

# A frame that is not there is told: the header counts five.
cp -r "$T/raw" "$T/four"
for file in "$T"/four/PET_001/*.dcm; do
	grep -q '359747.420' "$file" && rm "$file"
done
exits "four of five frames" 0 sm ingest --in "$T/four" --out "$T/four_out" --salt-file "$T/salt"
like "is told" "$(cat "$ERR")" 'warning: .*NumberOfTimeSlices is not the number of time points found'

# The same frames as the gates of a heart, all acquired over the same time.
if has_python pydicom; then
	cat >"$T/gate.py" <<'END'
import glob, sys, pydicom
paths = sorted(glob.glob(sys.argv[1] + '/**/*.dcm', recursive=True))
sets = [(p, pydicom.dcmread(p)) for p in paths]
first = min((d for _, d in sets), key=lambda d: d.FrameReferenceTime)
times = sorted({d.FrameReferenceTime for _, d in sets})
for p, d in sets:
    d.SeriesType = ['GATED', 'IMAGE']
    d.TriggerTime = 200 * times.index(d.FrameReferenceTime)
    d.NumberOfTimeSlices = None
    for key in ('AcquisitionDate', 'AcquisitionTime', 'FrameReferenceTime', 'ActualFrameDuration', 'DecayFactor'):
        setattr(d, key, first.get(key))
    d.save_as(p)
END
	cp -r "$T/raw" "$T/gated"
	ok "five gates" "$PYTHON" "$T/gate.py" "$T/gated"
	exits "a gated PET" 0 sm ingest --in "$T/gated" --out "$T/gated_out" --salt-file "$T/salt"
	unlike "without a warning" "$(cat "$ERR")" warning
	side=$(tr -d ' \n' <"$(find "$T/gated_out" -name image.json)")
	like "is told as gates" "$side" '"Gates":5,'
	like "in the order of the trigger" "$side" \
		'"TimePointStart":\[0.0,0.2,0.4,0.6,0.8\],"TimePoints":5,"TimePointsOrderedBy":"TriggerTime"'
	unlike "which have no start" "$side" '"FrameTimes(Start|From)":'
else
	skip "a gated PET" "no pydicom"
fi

real=$SM_SHARED_DATA/sts_ct_mr_pet/dicom/STS_008/PET
if [ -d "$real" ]; then
	exits "a real PET in SUV" 0 sm ingest --in "$real" --out "$T/real" --salt-file "$T/salt"
	side=$(cat "$T"/real/pt-*/image.json)
	like "says so" "$side" '"SUVbwFactor": 1.0'
	like "with its tracer" "$side" '"TracerName": "FDG"'
	like "its injection before the scan" "$side" '"InjectionStart": -3937.0'
	like "and its dose" "$side" '"InjectedRadioactivity": 386.818624'
	unlike "without dates, times, weight, names" "$(plain "$T"/real/*/image.json)" \
		'2001|2019|1620|16:20|1515|[^0-9.]55(\.0)?[^0-9.]|STS|IBSI|Weight'
else
	skip "a real PET in SUV" "no shared data"
fi
done_testing
