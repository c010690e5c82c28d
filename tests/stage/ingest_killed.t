#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill -9 at many moments: no file under its final name is cut, the journal names only what is there, --resume ends
# with the same bytes.
. "$(dirname "$0")/../lib.sh"
needs ingest phantom

printf 'pepper' >"$T/salt"
run sm phantom --out "$T/raw" --kind ct_head --cases 6 --size 128,128,24 --spacing 2,2,6
exits "a whole run" 0 sm ingest --in "$T/raw" --out "$T/one" --salt-file "$T/salt"
ok "the list of bytes is right" sh -c "cd '$T/one' && sha256sum -c --quiet files.sha256"

# good_files DIR: every named volume can be unpacked, every sidecar is closed, every output in the journal exists.
good_files() {
	[ -d "$1" ] || return 0 # killed before it began
	find "$1" -name '*.nii.gz' -exec gzip -t {} + 2>/dev/null || return 1
	for side in "$1"/*/image.json; do
		[ ! -e "$side" ] || [ "$(tail -n 1 "$side")" = "}" ] || return 1
	done
	[ -e "$1/.journal.partial" ] || return 0
	for path in $(grep -o '"path":"[^"]*image[^"]*"' "$1/.journal.partial" | cut -d '"' -f 4); do
		[ -e "$1/$path" ] || return 1
	done
}

kills=0
bad=0
for ms in 005 010 015 020 025 030 035 040 050 060 070 080; do
	[ $((kills % 4)) -ne 3 ] || rm -rf "$T/killed"
	"$SM_BIN/scanmill-ingest" --in "$T/raw" --out "$T/killed" --salt-file "$T/salt" --jobs 2 --resume >/dev/null 2>&1 &
	child=$!
	sleep "0.$ms"
	kill -9 $child 2>/dev/null && kills=$((kills + 1))
	wait $child 2>/dev/null
	good_files "$T/killed" || bad=$((bad + 1))
done
ok "some runs were killed" test $kills -ge 4
is "never a cut file, never one missing that the journal names" $bad 0
# On a busy machine the last kills may have come before the run began: what follows needs one that had.
"$SM_BIN/scanmill-ingest" --in "$T/raw" --out "$T/killed" --salt-file "$T/salt" --jobs 2 --resume >/dev/null 2>&1 &
child=$!
while [ ! -e "$T/killed/.journal.partial" ] && kill -0 $child 2>/dev/null; do
	:
done
kill -9 $child 2>/dev/null
wait $child 2>/dev/null
# As if it had been killed in the middle of an item that is not there any more.
mkdir -p "$T/killed/ct-gone" "$T/killed/other"
: >"$T/killed/ct-gone/.image.nii.gz.partial"
exits "the last run" 0 sm ingest --in "$T/raw" --out "$T/killed" --salt-file "$T/salt" --resume
same_tree "ends with the same bytes" "$T/one" "$T/killed"
is "and leaves no partial file" "$(find "$T/killed" -name '*.partial' | wc -l | tr -d ' ')" 0
ok "nor the empty folder of an item that is gone" test ! -e "$T/killed/ct-gone"
ok "as any empty folder there is" test ! -e "$T/killed/other"
done_testing
