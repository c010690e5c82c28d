#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A disk that is full, a folder that cannot be written: one sentence, exit code 4, nothing half under a
# final name, and a second run that finishes the work.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"
needs interpolate dicom

# limited BLOCKS COMMAND...: files may grow to BLOCKS * 512 bytes; writing more fails as on a full
# disk. The signal that goes with it is ignored, as a full disk sends none.
limited() {
	(
		trap '' XFSZ
		ulimit -f "$1"
		shift
		"$@"
	)
}

exits "phantom with room for the small files only" 4 limited 8 sm phantom --manifest "$M" --out "$RAW"
is "is told in one line" "$(grep -c ' error: ' "$ERR")" 1
like "with the file's name" "$(cat "$ERR")" '_t1.*\.nii\.gz: .*(too large|No space)|_flair.nii.gz: |_t2.nii.gz: '
exits "a second phantom" 0 sm phantom --manifest "$M" --out "$RAW"
exits "a phantom without trouble" 0 sm phantom --manifest "$M" --out "$T/raw2"
same_tree "ends the same" "$RAW" "$T/raw2"

for stage in $ROAD_STAGES; do
	exits "$stage with room" 0 step "$stage" --jobs 2
done
REFERENCE=$W

for stage in $ROAD_STAGES; do
	W=$T/full
	rm -rf "$W"
	mkdir "$W"
	for other in $ROAD_STAGES; do
		[ "$other" = "$stage" ] || [ ! -d "$REFERENCE/$other" ] || ln -s "$REFERENCE/$other" "$W/$other"
	done
	# Half the largest output: something fits and something does not.
	largest=$(find "$REFERENCE/$stage" -type f -printf '%s\n' | sort -n | tail -n 1)
	exits "$stage on a full disk" 4 limited $((largest / 1024)) step "$stage" --jobs 2
	like "$stage says why" "$(cat "$ERR")" "^$stage: error: .*(too large|No space|writing failed)"
	ok "$stage leaves no ledger" test ! -e "$W/$stage/ledger.jsonl"
	[ "$stage" = train ] ||
		whole_or_absent "$stage leaves nothing half" "$REFERENCE/$stage" "$W/$stage"
	exits "$stage with room again" 0 step "$stage" --jobs 2 --resume
	same_tree "$stage ends the same" "$REFERENCE/$stage" "$W/$stage"
done

# Image translation: slices between slices, and what is made of the network and of its volumes.
P=$T/pairs
cat >"$T/pairs.yaml" <<'END'
schema: 1
name: pairs
dataset: pair
phantom: {kind: ct_stack, cases: 2, size: [32, 32, 9], spacing: [8, 8, 12]}
ingest: {layout: mixed}
preprocess:
  steps:
    - {window: {range: [-1024, 3071], to: [-1, 1]}, when: ct}
split: {train: 50, test: 50, valid: 0}
pair: {mode: triplets, a: ct}
translate: {levels: 3, width: 0.0625, discriminator_width: 0.0625, epochs: 1, jitter: 0, sample_images: 1}
END
# pairs STAGE OUT OPTIONS...: from the folders below $P.
pairs() {
	pairs_stage=$1 pairs_out=$2
	shift 2
	case $pairs_stage in
	phantom) ;;
	ingest) set -- --in "$P/phantom" "$@" ;;
	preprocess) set -- --in "$P/ingest" "$@" ;;
	split) set -- --in "$P/preprocess" "$@" ;;
	pair) set -- --in "$P/preprocess" --split "$P/split" "$@" ;;
	train) set -- --in "$P/pair" "$@" ;;
	predict) set -- --in "$P/preprocess" --split "$P/split" --model "$P/train" "$@" ;;
	esac
	case $pairs_stage in
	interpolate) set -- --method network --model "$P/train" --factor 2 --in "$P/ingest" "$@" ;;
	dicom) set -- --in "$P/predict" "$@" ;;
	*) set -- --manifest "$T/pairs.yaml" "$@" ;;
	esac
	sm "$pairs_stage" "$@" --out "$pairs_out"
}
for stage in phantom ingest preprocess split pair train predict interpolate dicom; do
	exits "$stage of pairs with room" 0 pairs $stage "$P/$stage"
done
for stage in pair train predict interpolate dicom; do
	largest=$(find "$P/$stage" -type f -printf '%s\n' | sort -n | tail -n 1)
	exits "$stage of pairs on a full disk" 4 limited $((largest / 1024)) pairs $stage "$P/full.$stage" --jobs 2
	like "$stage says why" "$(cat "$ERR")" "^$stage: error: .*(too large|No space|writing failed)"
	ok "$stage leaves no ledger" test ! -e "$P/full.$stage/ledger.jsonl"
	[ "$stage" = train ] ||
		whole_or_absent "$stage leaves nothing half" "$P/$stage" "$P/full.$stage"
	exits "$stage with room again" 0 pairs $stage "$P/full.$stage" --jobs 2
	same_tree "$stage ends the same" "$P/$stage" "$P/full.$stage"
	echo >"$P/file"
	exits "$stage with a file in place of its folder" 4 pairs $stage "$P/file"
done

# A real file system without room, where mounting is allowed.
mkdir "$T/small"
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=64k none "$T/small" 2>/dev/null; then
	exits "phantom on a full file system" 4 sm phantom --out "$T/small/raw" --cases 1 --size 64,64,32
	like "is told" "$(cat "$ERR")" 'No space left on device'
	umount "$T/small"
else
	skip "phantom on a full file system" "mounting is not allowed"
	skip "is told" "mounting is not allowed"
fi

# Folders that cannot be written. Root may write anywhere, so a file stands in the way there.
for stage in $ROAD_STAGES; do
	W=$T/full
	rm -rf "${W:?}/$stage"
	echo >"$W/$stage"
	exits "$stage with a file in place of its folder" 4 step "$stage"
	like "$stage names it" "$(cat "$ERR")" "^$stage: error: .*/$stage: "
	rm "$W/$stage"
	ln -s "$REFERENCE/$stage" "$W/$stage"
done
if [ "$(id -u)" -ne 0 ]; then
	mkdir "$T/closed"
	chmod a-w "$T/closed"
	exits "a folder without permission" 4 sm phantom --out "$T/closed" --cases 1 --size 16,16,8
	like "is named" "$(cat "$ERR")" "closed"
elif command -v setpriv >/dev/null; then
	mkdir "$T/closed"
	chmod 755 "$T" "$T/closed"
	exits "a folder without permission" 4 setpriv --reuid 65534 --clear-groups \
		"$SM_BIN/scanmill-phantom" --out "$T/closed" --cases 1 --size 16,16,8
	like "is named" "$(cat "$ERR")" "closed"
else
	skip "a folder without permission" "no setpriv"
	skip "is named" "no setpriv"
fi
done_testing
