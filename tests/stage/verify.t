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

# What looks like a stage's folder and has no ledger is named.
make_work
ln -s nowhere "$T/w/pair"
exits "a link that leads nowhere" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" '^pair: is a link that leads nowhere'
like "the others are looked at" "$(cat "$OUT")" '^tile .* good$'
make_work
rm "$T/w/tile/ledger.jsonl"
exits "a ledger that is gone" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" '^tile: has no ledger.jsonl, but a files.sha256'
exits "also when its folder is named itself" 3 sm verify "$T/w/ingest" "$T/w/tile"
like "in a sentence" "$(cat "$ERR")" 'tile: has no ledger.jsonl, but a files.sha256'
rm "$T/w/tile/files.sha256"
exits "outputs alone" 3 sm verify "$T/w"
like "are named" "$(cat "$OUT")" '^tile: holds files, but no ledger.jsonl'
mkdir "$T/w/tile/ledger.jsonl"
exits "a ledger that is a folder" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" '^tile: its ledger.jsonl is no regular file'
rm -r "$T/w/tile"
ln -s tile "$T/w/tile"
exits "a link in a circle" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" '^tile: is a link that leads nowhere'
like "the others are looked at" "$(cat "$OUT")" '^ingest +2 outputs .* good$'
rm "$T/w/tile"
# What has another name is nobody's business.
mkdir "$T/w/notes" "$T/w/lists" "$T/w/odd" "$T/w/odd/ledger.jsonl"
echo mine >"$T/w/notes/a.txt"
echo mine >"$T/w/lists/files.sha256"
echo mine >"$T/w/lists/.journal.partial"
ln -s nowhere "$T/w/latest"
ln -s circle "$T/w/circle"
echo mine >"$T/w/files.sha256"
exits "folders, links and lists of another name" 0 sm verify "$T/w"
is "are passed over" "$(wc -l <"$OUT" | tr -d ' ')" 1
rm -r "$T/w/ingest"
exits "a list alone" 3 sm verify "$T/w"
like "is no stage" "$(cat "$ERR")" 'w: has no ledger.jsonl, but a files.sha256'
as_nobody=
[ "$(id -u)" = 0 ] && as_nobody="setpriv --reuid 65534 --clear-groups"
if [ -z "$as_nobody" ] || [ -n "$(command -v setpriv)" ]; then
	make_work
	chmod 755 "$T"
	chmod 0 "$T/w/tile"
	# shellcheck disable=SC2086 # a command in words
	exits "a folder that may not be looked at" 4 $as_nobody "$SM_BIN/scanmill-verify" "$T/w"
	like "is named" "$(cat "$ERR")" 'tile/ledger.jsonl: cannot be examined: Permission denied'
	like "the others are looked at" "$(cat "$OUT")" '^ingest +2 outputs .* good$'
	chmod 755 "$T/w/tile"
	chmod 0 "$T/w/ingest"
	# shellcheck disable=SC2086
	exits "so is the parent" 4 $as_nobody "$SM_BIN/scanmill-verify" "$T/w"
	like "whose child is good" "$(cat "$OUT")" '^tile +1 outputs .* good$'
	chmod 755 "$T/w/ingest"
	chmod 0 "$T/w/ingest/ledger.jsonl"
	# shellcheck disable=SC2086
	exits "a ledger that may not be read" 4 $as_nobody "$SM_BIN/scanmill-verify" "$T/w"
	like "is one, too" "$(cat "$OUT")" '^tile +1 outputs .* good$'
	chmod 644 "$T/w/ingest/ledger.jsonl"
	chmod 0 "$T/w/ingest/a"
	# shellcheck disable=SC2086
	exits "a folder in a stage that may not be read" 4 $as_nobody "$SM_BIN/scanmill-verify" "$T/w"
	like "does not stop it either" "$(cat "$OUT")" '^tile +1 outputs .* good$'
	chmod 755 "$T/w/ingest/a"
	mkdir "$T/w/mine"
	chmod 0 "$T/w/mine"
	# shellcheck disable=SC2086
	exits "a closed folder of another name" 0 $as_nobody "$SM_BIN/scanmill-verify" "$T/w"
	chmod 755 "$T/w/mine"
else
	skip "folders that may not be looked at" "no setpriv"
fi

# A ledger that changes while it is read, at any read: never a list that is cut off without a word. Each pread from
# the n-th on gives another byte.
cat >"$T/pp.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int reads;
static ssize_t changed(const char *name, int fd, void *b, size_t n, off_t at)
{
	ssize_t (*real)(int, void *, size_t, off_t) = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, name);
	ssize_t got = real(fd, b, n, at);
	if (got > 0 && ++reads >= atoi(getenv("PP_FROM")))
		((char *)b)[got / 2] ^= 1;
	return got;
}
ssize_t pread(int fd, void *b, size_t n, off_t at) { return changed("pread", fd, b, n, at); }
ssize_t pread64(int fd, void *b, size_t n, off_t at) { return changed("pread64", fd, b, n, at); }
END
make_work
run sm verify --list --jobs 1 "$T/w"
grep -E '^[0-9a-f]{64}' "$OUT" | sort >"$T/whole"
if cc -shared -fPIC -o "$T/pp.so" "$T/pp.c" -ldl 2>/dev/null &&
	PP_FROM=9999 LD_PRELOAD=$T/pp.so "$SM_BIN/scanmill-verify" --version >/dev/null 2>&1; then
	silent=0 told=0
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		PP_FROM=$n LD_PRELOAD=$T/pp.so run sm verify --list --jobs 1 "$T/w"
		grep -E '^[0-9a-f]{64}' "$OUT" | sort >"$T/list"
		[ "$CODE" -ne 0 ] || cmp -s "$T/list" "$T/whole" || silent=$((silent + 1))
		[ "$CODE" -ne 4 ] || ! grep -q 'has changed while it was read' "$ERR" || told=$((told + 1))
	done
	is "no list is cut off silently" "$silent" 0
	ok "the change is told" test "$told" -gt 1
else
	skip "no list is cut off silently" "no compiler, or a build that takes no other pread"
	skip "the change is told" "as above"
fi

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
# A stage's folder itself: what stands behind the link is good, but nobody's that the work folder answers for.
make_work
mv "$T/w/tile" "$T/outside/tile"
ln -s "$T/outside/tile" "$T/w/tile"
exits "a stage's folder replaced by a link" 3 sm verify "$T/w"
like "is named" "$(cat "$OUT")" '^  tile: tile: is a link, needed is the folder that the stage made'
is "in one sentence" "$(grep -c 'tile: ' "$OUT")" 1
like "the others are looked at" "$(cat "$OUT")" '^ingest +2 outputs .* good$'
exits "also under --in" 3 sm verify --in "$T/w"
exits "a link that is named itself is good" 0 sm verify "$T/w/tile" "$T/w/ingest"
ln -s "$T/w" "$T/w_link"
rm "$T/w/tile"
mv "$T/outside/tile" "$T/w/tile"
exits "so is a link to the work folder" 0 sm verify "$T/w_link"
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
