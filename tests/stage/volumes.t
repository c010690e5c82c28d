#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What makes several volumes of one series, and what makes one: series made by pydicom.
. "$(dirname "$0")/../lib.sh"
needs ingest
has_python pydicom nibabel numpy || skip_all "python with pydicom, nibabel and numpy"

printf 'pepper, at least sixteen bytes' >"$T/salt1"
printf 'rosemary and thyme, sixteen or more' >"$T/salt2"
chmod 600 "$T/salt1" "$T/salt2"
"$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" "$T/in" || exit 1

# $1 = series; then KEY-TAIL=SIZE of each volume, "-" = no tail.
volumes() {
	series=$1
	shift
	exits "$series" 0 sm ingest --in "$T/in/$series" --out "$T/out/$series" --salt-file "$T/salt1"
	is "$series: its volumes" "$("$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" list "$T/out/$series")" "$*"
}
mkdir "$T/out"
volumes dual 140kv=8x8x6:1400 80kv=8x8x6:800
volumes kernels k1=8x8x6:30 k2=8x8x6:70
volumes enhanced_ct 140kv=8x8x6:1400 80kv=8x8x6:800
volumes dixon fat=8x8x6:2 inphase=8x8x6:3 outphase=8x8x6:4 water=8x8x6:1
volumes last_digit -=8x8x6:1
volumes jitter -=8x8x6x3:0
volumes cine -=8x8x1x12:0
volumes slabs -=8x8x6:0
volumes flips -=8x8x6x3:0
is "flips: what parts its volumes, by volume" \
	"$("$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" fields "$T/out/flips" FlipAngle RepetitionTime EchoTime \
		VaryingFields TimePointsOrderedBy)" \
	"FlipAngle=[20, 5, 12.5] RepetitionTime=[0.015, 0.016, 0.017] EchoTime=0.01 VaryingFields=['SAR'] \
TimePointsOrderedBy=AcquisitionNumber"
is "jitter: its temporal positions" \
	"$("$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" fields "$T/out/jitter" TemporalPositionIdentifier)" \
	"TemporalPositionIdentifier=[1, 2, 3]"
is "cine: its trigger times" "$("$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" fields "$T/out/cine" TriggerTime)" \
	"TriggerTime=[0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.44]"

exits "numbers alone, taken differently" 3 sm ingest --in "$T/in/mixed" --out "$T/out/mixed" --salt-file "$T/salt1"
like "are refused" "$(cat "$ERR")" 'repeated_positions: 2 slices at each of 6 positions'
exits "three steep planes" 3 sm ingest --in "$T/in/scout" --out "$T/out/scout" --salt-file "$T/salt1"
like "are a localiser" "$(cat "$ERR")" \
	'set aside: three planes about perpendicular to each other with at most 3 slices each'

# No verdict and no bit of the geometry may depend on the salt.
for series in drift jitter kernels; do
	exits "$series with another salt" 0 \
		sm ingest --in "$T/in/$series" --out "$T/out/${series}2" --salt-file "$T/salt2"
	is "$series: the same volumes" "$("$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" grid "$T/out/${series}2")" \
		"$(run sm ingest --in "$T/in/$series" --out "$T/out/$series" --salt-file "$T/salt1"
		"$PYTHON" "$SM_ROOT/tests/stage/volumes_make.py" grid "$T/out/$series")"
done
done_testing
