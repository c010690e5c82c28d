#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Few descriptors, a disk that fails between two names: finished items that wait for the disk hold no files open,
# running out of descriptors is never the fault of a scan, and no file stays that nobody recorded.
. "$(dirname "$0")/../lib.sh"
needs ingest index phantom verify

# few N COMMAND...: at most N open files. Exit code 127 when the program itself cannot be loaded with so few.
few() {
	(
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- # a harness leaves some open
		# shellcheck disable=SC3045 # dash and bash have it
		ulimit -n "$1"
		shift
		"$@"
	)
}

printf 'pepper' >"$T/salt"
# Many small volumes: items are done faster than the disk takes them.
mkdir -p "$T/nii"
"$PYTHON" - "$T/nii" <<'P' || fail_all "numpy and nibabel are needed"
import os, sys
import nibabel, numpy
for case in range(12):
    folder = "%s/sub-%02d/func" % (sys.argv[1], case)
    os.makedirs(folder)
    for run in range(20):
        voxels = numpy.arange(64, dtype=numpy.int16).reshape(4, 4, 4) + run
        nibabel.save(nibabel.Nifti1Image(voxels, numpy.eye(4)), "%s/sub-%02d_task-x_run-%02d_bold.nii.gz" % (folder, case, run))
P
cat >"$T/bids.yaml" <<'M'
schema: 1
name: few
ingest:
  layout: bids
M
exits "many volumes" 0 sm ingest --in "$T/nii" --out "$T/many" --manifest "$T/bids.yaml" --salt-file "$T/salt" --jobs 2
exits "many volumes, few descriptors" 0 few 32 sm ingest --in "$T/nii" --out "$T/many32" --manifest "$T/bids.yaml" \
	--salt-file "$T/salt" --jobs 2
same_tree "the same files" "$T/many" "$T/many32"

run sm phantom --out "$T/raw" --kind ct_head --cases 3 --size 64,64,12 --spacing 4,4,12
for what in "raw " "nii $T/bids.yaml"; do
	in=${what%% *}
	manifest=${what#* }
	wrong=
	refused=0
	for n in 3 4 5 6 7 8 9 10 11 12 14 16 20; do
		for stage in ingest index; do
			rm -rf "$T/few"
			run few "$n" sm "$stage" --in "$T/$in" --out "$T/few" ${manifest:+--manifest "$manifest"} --salt-file "$T/salt" \
				--jobs 1
			case $CODE in
			0) ;;
			4) refused=$((refused + 1)) ;;
			127) [ "$n" -lt 5 ] || wrong="$wrong $stage:$n:$CODE" ;;
			*) wrong="$wrong $stage:$n:$CODE" ;;
			esac
			! grep -q 'rejected: \|broken' "$ERR" || wrong="$wrong $stage:$n:rejects"
		done
	done
	is "$in: too few descriptors are no fault of a scan" "$wrong" ""
	ok "$in: and are told" test "$refused" -gt 2
done

# A disk that fails after the first of an item's files has its name: a folder stands in the way of the second.
exits "three scans" 0 sm ingest --in "$T/raw" --out "$T/one" --salt-file "$T/salt"
two=$(find "$T/raw" -name '*.dcm' | sed 's,/[^/]*$,,' | sort -u | head -n 2)
mkdir "$T/less"
for folder in $two; do
	cp -r "$folder" "$T/less/$(basename "$(dirname "$folder")")-$(basename "$folder")"
done
exits "two of them" 0 sm ingest --in "$T/less" --out "$T/two" --salt-file "$T/salt"
extra=$(cd "$T/one" && for k in */; do [ -d "$T/two/$k" ] || echo "${k%/}"; done)
is "one is left" "$(printf '%s\n' "$extra" | wc -w | tr -d ' ')" 1
mkdir -p "$T/two/$extra/image.json/x"
exits "the third cannot get its second name" 4 sm ingest --in "$T/raw" --out "$T/two" --salt-file "$T/salt" --resume
ok "it has its first" test -e "$T/two/$extra/image.nii.gz"
rm -r "$T/two/$extra/image.json"
exits "the two again" 0 sm ingest --in "$T/less" --out "$T/two" --salt-file "$T/salt" --resume
ok "the file without a record is gone" test ! -e "$T/two/$extra"
exits "and verify is content" 0 sm verify "$T/two"

# Which item a full disk met.
full() {
	(
		trap '' XFSZ
		ulimit -f 8
		"$@"
	)
}
run sm phantom --out "$T/large" --kind ct_head --cases 1 --size 96,96,24 --spacing 2,2,6
exits "a full disk" 4 full sm ingest --in "$T/large" --out "$T/full" --salt-file "$T/salt"
like "is told with the item" "$(cat "$ERR")" 'error: .*/[a-z]*-[0-9a-f]*/image\.nii\.gz: '
done_testing
