#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make dataset` builds by content: one case more is one case of work, one less leaves nothing behind, a touched file
# nothing to do, a damaged output is made again; a disk that fills up on the way leaves nothing half.
. "$(dirname "$0")/../lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL
needs phantom index ingest preprocess split tile verify

printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\n' "$SM_BIN" "$SM_ROOT/scripts/pipeline.mk" >"$T/road.mk"
cat >"$T/m.yaml" <<'END'
schema: 1
name: grown
ingest: {layout: brats}
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 1, valid: 1, test: 0}
tile: {size: [24, 24, 12], per_case: 2, max_background: 1.01, compression: 0}
END
# dataset RAW WORK
dataset() {
	make -s -f "$T/road.mk" dataset MANIFEST="$T/m.yaml" RAW="$1" WORK="$2" JOBS=2
}
# reused STAGE: how many of how many items were kept, as the log says.
reused() {
	sed -n "s/^$1: info: \([0-9]*\) \(items\|cases\|case\|item\): .* \([0-9]*\) reused.*/\3 of \1/p" "$ERR"
}
# kept NAME WANTED: in each stage that writes.
kept() {
	for stage in ingest preprocess tile; do
		is "$1: $stage keeps $2" "$(reused $stage)" "$2"
	done
}
stamps() {
	(cd "$1" && find . -name '*.h5' -o -name '*.nii.gz' | sort | xargs stat -c '%n %i %Y %Z')
}

run sm phantom --out "$T/all" --cases 4 --size 32,32,16 --spacing 7,7,9
mkdir "$T/raw"
for k in 1 2 3; do
	cp -r "$T/all/BraTS20_Training_00$k" "$T/raw/"
done
exits "three cases" 0 dataset "$T/raw" "$T/w"
kept "the first build" "0 of 3"
stamps "$T/w" >"$T/before"
exits "the same again" 0 dataset "$T/raw" "$T/w"
kept "the same again" "3 of 3"
find "$T/raw" -type f -exec touch {} +
exits "touched scans" 0 dataset "$T/raw" "$T/w"
kept "touched scans" "3 of 3"
stamps "$T/w" >"$T/after"
is "no file was written again" "$(diff "$T/before" "$T/after")" ""

cp -r "$T/all/BraTS20_Training_004" "$T/raw/"
exits "one case more" 0 dataset "$T/raw" "$T/w"
kept "one case more" "3 of 4"
exits "four cases at once" 0 dataset "$T/raw" "$T/w4"
same_tree "the same bytes as grown" "$T/w4" "$T/w"

rm -r "$T/raw/BraTS20_Training_002"
exits "one case less" 0 dataset "$T/raw" "$T/w"
kept "one case less" "3 of 3"
is "nothing of it is left" "$(find "$T/w" -name '*Training_002*')" ""
unlike "nor named" "$(cat "$T"/w/*/ledger.jsonl "$T"/w/tile/config.json)" 'Training_002'
exits "which verify finds good" 0 sm verify "$T/w"
exits "three others at once" 0 dataset "$T/raw" "$T/w3"
same_tree "the same bytes as shrunk" "$T/w3" "$T/w"

cp "$T/all/BraTS20_Training_002/BraTS20_Training_002_t1.nii.gz" "$T/raw/BraTS20_Training_003/BraTS20_Training_003_t1.nii.gz"
exits "one changed scan" 0 dataset "$T/raw" "$T/w"
kept "one changed scan" "2 of 3"
sed -i 's/per_case: 2/per_case: 3/' "$T/m.yaml"
exits "another number of tiles" 0 dataset "$T/raw" "$T/w"
is "is work for tile" "$(reused tile)" "0 of 3"
is "alone" "$(reused preprocess)" "3 of 3"

# Damage of every stage's outputs is found, and mended by the next build.
hashes "$T/w" >"$T/good"
# mended WHAT FILE
mended() {
	exits "$1 in $2" 3 sm verify "$T/w"
	like "is named" "$(cat "$OUT")" "^  ${2%%/*}: ${2#*/}: "
	exits "the next build" 0 dataset "$T/raw" "$T/w"
	is "mends it" "$(hashes "$T/w" | diff "$T/good" - | head -n 3)" ""
	is "with a file of its own" "$(find "$T/w" -type l)" ""
}
for file in ingest/BraTS20_Training_001/t2.nii.gz preprocess/BraTS20_Training_003/image.nii.gz \
	preprocess/BraTS20_Training_004/label.nii.gz tile/BraTS20_Training_001.h5 tile/BraTS20_Training_004.h5; do
	flip "$T/w/$file" $(($(size "$T/w/$file") * 2 / 3))
	mended "a flipped byte" "$file"
done
# Bytes that belong to no content: between the structures of HDF5, behind a gzip stream.
for at in 100 1020 1500 2000; do
	flip "$T/w/tile/BraTS20_Training_001.h5" $at
	mended "a flipped byte at $at" tile/BraTS20_Training_001.h5
done
for file in ingest/BraTS20_Training_001/t1.nii.gz preprocess/BraTS20_Training_001/image.nii.gz \
	tile/BraTS20_Training_001.h5; do
	printf 'PatientName^Doe' >>"$T/w/$file"
	mended "appended bytes" "$file"
done
mv "$T/w/tile/BraTS20_Training_003.h5" "$T/elsewhere.h5"
ln -s "$T/elsewhere.h5" "$T/w/tile/BraTS20_Training_003.h5"
mended "a link" tile/BraTS20_Training_003.h5
mkdir -p "$T/w/ingest/one/more"
mended "empty folders" ingest/one/more
is "and without these" "$(find "$T/w" -type d -empty)" ""

# A killed run has no list of bytes: its journal has them. By it two are kept, and the damaged one is not; without
# them nothing is.
killed() {
	{
		cat "$T/w/tile/ledger.jsonl"
		[ -z "$1" ] || sed -n 's/^\(.\{64\}\)  \(.*\.h5\)$/{"bytes":{"\2":"\1"}}/p' "$T/w/tile/files.sha256"
	} >"$T/w/tile/.journal.partial"
	rm "$T/w/tile/ledger.jsonl" "$T/w/tile/files.sha256"
}
killed with
flip "$T/w/tile/BraTS20_Training_004.h5" 1500
exits "after a killed run and damage" 0 dataset "$T/raw" "$T/w"
is "two are kept" "$(reused tile)" "2 of 3"
is "and all is mended" "$(hashes "$T/w" | diff "$T/good" - | head -n 3)" ""
killed ""
exits "without the hashes" 0 dataset "$T/raw" "$T/w"
is "none is kept" "$(reused tile)" "0 of 3"

# An input that was changed under its ledger gives the same with --resume as without.
tile() {
	sm tile --manifest "$T/m.yaml" --in "$T/w/preprocess" --jobs 2 "$@"
}
exits "tiles of their own" 0 tile --out "$T/own"
image=$T/w/preprocess/BraTS20_Training_001/image.nii.gz
cp "$image" "$T/image"
gzip -dc "$T/image" | gzip -1 -n >"$image"
exits "other bytes of the same content" 0 tile --out "$T/own" --resume
is "are the same input" "$(reused tile)" "3 of 3"
cp "$T/w/preprocess/BraTS20_Training_003/image.nii.gz" "$image"
exits "another input with --resume" 1 tile --out "$T/own" --resume
like "is seen" "$(cat "$ERR")" 'BraTS20_Training_001/image.nii.gz: content is not what the ledger of preprocess says'
is "by that case alone" "$(reused tile)" "2 of 3"
exits "and without" 1 tile --out "$T/fresh"
same_tree "the same outputs" "$T/fresh" "$T/own"
cp "$T/image" "$image"

# Names that stages have for themselves.
mkdir "$T/named"
for name in good files.sha256 ledger.jsonl Config.JSON good.h5; do
	mkdir "$T/named/$name"
	cp "$T/all/BraTS20_Training_001/BraTS20_Training_001_t1.nii.gz" "$T/named/$name/t1.nii.gz"
done
printf 'schema: 1\nname: x\ningest: {sources: [{role: t1, pattern: "{case}/t1.nii.gz"}]}\n' >"$T/named.yaml"
exits "cases with names of the stages' own" 1 sm ingest --manifest "$T/named.yaml" --in "$T/named" --out "$T/n"
is "are rejected alone" "$(grep -c '"status":"rejected"' "$T/n/ledger.jsonl") $(grep -c '"status":"ok"' "$T/n/ledger.jsonl")" "4 1"
like "with the reason" "$(cat "$T/n/ledger.jsonl")" '"key":"files.sha256","reason":"the name files.sha256 ends as'
exits "verify finds the rest good" 0 sm verify "$T/n"
exits "--dry-run" 0 sm ingest --manifest "$T/named.yaml" --in "$T/named" --out "$T/n2" --dry-run
is "foresees it" "$(grep -c 'would be refused: the name' "$ERR")" 4
exits "index" 0 sm index --manifest "$T/named.yaml" --in "$T/named" --out "$T/n3"
is "too" "$(grep -c 'the name .* ends as those' "$T/n3/ledger.jsonl")" 4

# A disk without room for all: a sentence, no half file; with more room the build goes on.
mkdir "$T/disk"
if mount -t tmpfs -o size=900k none "$T/disk" 2>/dev/null; then
	trap 'umount "$T/disk" 2>/dev/null; cleanup' EXIT
	for room in 100k 300k 500k; do
		mount -o "remount,size=$room" "$T/disk"
		exits "a disk of $room" 2 dataset "$T/raw" "$T/disk/w"
		like "a sentence of the stage" "$(cat "$ERR")" '^[a-z]+: error: .*No space left on device'
		like "exit code 4" "$(cat "$ERR")" 'Error 4'
		is "nothing half" "$(hashes "$T/disk/w" | grep -v '\.partial$' | grep -vxFf "$T/good")" ""
	done
	mount -o remount,size=64m "$T/disk"
	exits "with more room" 0 dataset "$T/raw" "$T/disk/w"
	is "it ends with the same bytes" "$(hashes "$T/disk/w" | diff "$T/good" - | head -n 3)" ""
	umount "$T/disk"
else
	skip "a full disk" "mounting is not allowed"
fi
done_testing
