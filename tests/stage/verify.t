#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs verify phantom

sha() {
	sha256sum | cut -c 1-64
}

# A work folder of two stages, made by hand: the ledger's form is part of the contract.
run sm phantom --out "$T/raw" --cases 1 --size 16,16,8
make_work() {
	rm -rf "$T/w"
	mkdir -p "$T/w/ingest/a" "$T/w/tile"
	cp "$T/raw/BraTS20_Training_001/BraTS20_Training_001_t1.nii.gz" "$T/w/ingest/a/t1.nii.gz"
	echo '{"side":"car"}' >"$T/w/ingest/a/t1.json"
	echo "tile" >"$T/w/tile/a.txt"
	volume=$(gzip -dc "$T/w/ingest/a/t1.nii.gz" | sha)
	car=$(sha <"$T/w/ingest/a/t1.json")
	tile=$(sha <"$T/w/tile/a.txt")
	settings=$(printf '{"seed":1}' | sha)
	cat >"$T/w/ingest/ledger.jsonl" <<END
{"parents":{},"schema":1,"settings":{"seed":1},"settings_sha256":"$settings","stage":"ingest","version":1}
{"key":"a","outputs":[{"path":"a/t1.nii.gz","role":"t1","sha256":"$volume"},{"path":"a/t1.json","role":"sidecar","sha256":"$car"}],"status":"ok"}
{"code":"input","key":"b","reason":"no","status":"rejected"}
END
	parent=$(sha <"$T/w/ingest/ledger.jsonl")
	cat >"$T/w/tile/ledger.jsonl" <<END
{"parents":{"ingest":"$parent"},"schema":1,"settings":{"seed":1},"settings_sha256":"$settings","stage":"tile","version":1}
{"key":"a","outputs":[{"path":"a.txt","role":"tile","sha256":"$tile"}],"status":"ok"}
END
	sums
}
sums() {
	(cd "$T/w/ingest" && sha256sum ledger.jsonl a/t1.json a/t1.nii.gz >files.sha256)
	(cd "$T/w/tile" && sha256sum ledger.jsonl a.txt >files.sha256)
}

make_work
exits "a good work folder" 0 sm verify "$T/w"
like "one line a stage" "$(cat "$OUT")" '^ingest +2 outputs .* 1 rejected items  good$'
like "in the order of names" "$(tail -n 1 "$OUT")" '^tile +1 outputs .* good$'
exits "the same by --in" 0 sm verify --in "$T/w"
exits "and by folders" 0 sm verify "$T/w/tile" "$T/w/ingest"
exits "--list" 0 sm verify --list "$T/w"
like "prints hash and name" "$(cat "$OUT")" "^$car  ingest/a/t1.json$"

gzip -dc "$T/w/ingest/a/t1.nii.gz" >"$T/plain"
gzip -9 -n -c "$T/plain" >"$T/w/ingest/a/t1.nii.gz"
exits "other compression of the same content" 3 sm verify "$T/w"
like "is told apart from a changed content" "$(cat "$OUT")" 'a/t1.nii.gz: has other bytes around the same content'
sums
exits "and is good where the list of bytes was made by that compressor" 0 sm verify "$T/w"
printf GARBAGE >>"$T/w/ingest/a/t1.nii.gz"
exits "bytes behind the content" 3 sm verify "$T/w"
rm "$T/w/tile/files.sha256"
exits "no list of bytes" 3 sm verify "$T/w/tile"
like "is named" "$(cat "$OUT")" 'files.sha256: is missing'
make_work
flip "$T/plain" 500
gzip -9 -n -c "$T/plain" >"$T/w/ingest/a/t1.nii.gz"
exits "one changed byte of content is not" 3 sm verify "$T/w"
like "and is named" "$(cat "$OUT")" 'ingest: a/t1.nii.gz: has changed: SHA-256 found [0-9a-f]{12}'
like "the other stage stays good" "$(cat "$OUT")" '^tile .* good$'

make_work
flip "$T/w/ingest/a/t1.nii.gz" 300
exits "a damaged gzip stream" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'a/t1.nii.gz: (cannot be checked|has changed)'

make_work
rm "$T/w/ingest/a/t1.json"
exits "a missing file" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'a/t1.json: is missing'

make_work
echo more >"$T/w/tile/extra.txt"
exits "a file too many" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'extra.txt: is not in the ledger'

# What is no regular file, is named, and not followed.
make_work
mkdir -p "$T/outside" "$T/w/tile/empty/er" "$T/w/tile/.git"
mv "$T/w/tile/a.txt" "$T/outside/"
ln -s "$T/outside/a.txt" "$T/w/tile/a.txt"
ln -s "$T/outside" "$T/w/tile/out"
ln -s "$T/outside/a.txt" "$T/w/tile/more.txt"
ln -s nowhere "$T/w/tile/lost"
mkfifo "$T/w/tile/pipe"
exits "links, pipes, empty and hidden folders" 3 sm verify "$T/w"
for what in 'a.txt: is no regular file' 'a.txt: is a link' 'out: is a link' 'more.txt: is a link' 'lost: is a link' \
	'pipe: is a pipe' 'empty/er: is an empty folder' '.git: is a hidden folder'; do
	like "$what" "$(cat "$OUT")" "tile: $what"
done
make_work
mv "$T/w/ingest/a" "$T/outside/"
ln -s "$T/outside/a" "$T/w/ingest/a"
exits "a folder replaced by a link" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'ingest: a: is a link'
make_work
rm "$T/w/tile/a.txt"
mkfifo "$T/w/tile/a.txt"
exits "an output replaced by a pipe" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'tile: a.txt: is a pipe'
for file in ledger.jsonl files.sha256; do
	make_work
	rm "$T/w/tile/$file"
	mkfifo "$T/w/tile/$file"
	exits "a pipe for $file" 3 timeout 20 "$SM_BIN/scanmill-verify" "$T/w/tile"
done

make_work
echo x >"$T/w/tile/.a.txt.partial"
exits "the rest of a killed run is none" 0 sm verify "$T/w"

make_work
sed -i 's/"reason":"no"/"reason":"so"/' "$T/w/ingest/ledger.jsonl"
exits "a changed ledger" 3 sm verify "$T/w/ingest"
like "is named" "$(cat "$OUT")" 'ledger.jsonl: has changed'
sums
exits "a parent that was run again" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" 'tile: was made from another run of stage ingest'
exits "but only when both are looked at" 0 sm verify "$T/w/tile"
rm -r "$T/w/ingest"
exits "a work folder without a parent stage" 3 sm verify "$T/w"
like "which is named" "$(cat "$OUT")" 'parent stage ingest is missing'

make_work
sed -i 's/{"seed":1}/{"seed":2}/' "$T/w/tile/ledger.jsonl"
exits "changed settings" 3 sm verify "$T/w/tile"
like "are named" "$(cat "$OUT")" 'the settings have changed'

make_work
sed -i 's,a\.txt,../ingest/a/t1.json,' "$T/w/tile/ledger.jsonl"
exits "a path out of the folder" 3 sm verify "$T/w/tile"
like "is not followed" "$(cat "$OUT")" 'lies outside the folder'

make_work
printf '{"cut' >>"$T/w/tile/ledger.jsonl"
exits "a cut ledger" 3 sm verify "$T/w/tile"
like "is named with its line" "$(cat "$ERR")" 'ledger.jsonl: line 3: is cut short'

mkdir "$T/none"
exits "a folder where no stage finished" 3 sm verify "$T/none"
exits "a folder that is not there" 2 sm verify "$T/nowhere"
exits "no folder at all" 2 sm verify
done_testing
