#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The stages as Make targets: a stage whose items are all rejected keeps its ledger, fails, and runs again.
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom

printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\n' "$SM_BIN" "$SM_ROOT/scripts/pipeline.mk" >"$T/Makefile"
printf 'schema: 1\nname: x\n' >"$T/m.yaml"
run sm phantom --out "$T/raw" --kind ct_head --cases 1 --size 32,32,9 --spacing 6,6,5 --defect gap
road() {
	make -C "$T" --no-print-directory "$@" MANIFEST=m.yaml RAW=raw WORK=work JOBS=1
}

for try in first second; do
	exits "all items rejected, $try run: make fails" 2 road ingest
	like "with the reason" "$(cat "$ERR")" 'rejected: gap: '
	like "the ledger stays" "$(cat "$T/work/ingest/ledger.jsonl")" '"status":"rejected"'
done
exits "nothing is built on it" 2 road preprocess
ok "no folder" test ! -e "$T/work/preprocess"
printf 'schema: 1\nname: x\ningest: {uneven: regrid}\n' >"$T/m.yaml"
exits "with a manifest that takes the item: make is content" 0 road ingest
like "the item is good" "$(cat "$T/work/ingest/ledger.jsonl")" '"status":"ok"'
ok "and has its volume" test -n "$(find "$T/work/ingest" -name image.nii.gz)"

# A ledger that somebody took away leaves nothing but our own files.
printf 'schema: 1\nname: x\n' >"$T/m.yaml"
run sm ingest --in "$T/raw" --out "$T/lost"
rm "$T/lost/ledger.jsonl"
: >"$T/lost/.heads.cache"
exits "a folder of our own files" 3 sm ingest --in "$T/raw" --out "$T/lost"
ok "is used again" test -f "$T/lost/ledger.jsonl"
rm "$T/lost/ledger.jsonl"
: >"$T/lost/notes.txt"
exits "one with other files is not" 2 sm ingest --in "$T/raw" --out "$T/lost"
done_testing
