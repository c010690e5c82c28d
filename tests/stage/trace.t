#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scanmill trace and scanmill diff on real runs of a small cohort.
. "$(dirname "$0")/../lib.sh"
needs trace diff phantom ingest preprocess split tile

cat >"$T/m.yaml" <<'END'
schema: 1
name: trace
ingest: {layout: brats}
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 1, valid: 1, test: 0}
tile: {size: [24, 24, 12], per_case: 2, max_background: 1.01}
END
sed 's/per_case: 2/per_case: 3/' "$T/m.yaml" >"$T/more.yaml"
# make_run WORK MANIFEST: from $T/raw to tiles.
make_run() {
	run sm ingest --manifest "$2" --in "$T/raw" --out "$1/ingest"
	run sm preprocess --manifest "$2" --in "$1/ingest" --out "$1/preprocess"
	run sm split --manifest "$2" --in "$1/preprocess" --out "$1/split"
	run sm tile --manifest "$2" --in "$1/preprocess" --split "$1/split" --out "$1/tile"
}
run sm phantom --out "$T/raw" --cases 3 --size 24,24,12
make_run "$T/one" "$T/m.yaml"
make_run "$T/more" "$T/more.yaml"
cp -r "$T/one" "$T/two"
CASE=BraTS20_Training_002

exits "trace of a case" 0 sm trace "$T/one" "$CASE"
like "begins with the last stage, patient and fold" "$(head -n 1 "$OUT")" "^tile  $CASE  patient $CASE  fold (train|valid)$"
for line in 'shard +[0-9a-f]{12}  tile/BraTS20_Training_002.h5' '  preprocess  BraTS20_Training_002 ' \
	'image +[0-9a-f]{12}  preprocess/BraTS20_Training_002/image.nii.gz' '    ingest  BraTS20_Training_002 ' \
	'seg +[0-9a-f]{12}  RAW/BraTS20_Training_002/BraTS20_Training_002_seg.nii.gz'; do
	like "goes through $line" "$(cat "$OUT")" "$line"
done
raw=$(sha256sum "$T/raw/$CASE/${CASE}_t2.nii.gz" | cut -c 1-12)
ledger=$(sed -n 's/.*"path":"'"$CASE"'\/'"$CASE"'_t2.nii.gz","role":"t2","sha256":"\([0-9a-f]\{12\}\).*/\1/p' "$T/one/ingest/ledger.jsonl")
like "a scan's hash is the one in ingest's ledger" "$(cat "$OUT")" "t2 +$ledger  RAW/"
like "which is that of the file's bytes" "$raw" "^$ledger$"
exits "trace of one file" 0 sm trace "$T/one" "preprocess/$CASE/label.nii.gz"
like "shows that file" "$(cat "$OUT")" 'label +[0-9a-f]{12}  preprocess/'
unlike "and not its sister" "$(cat "$OUT")" 'preprocess/.*/image.nii.gz'
exits "as JSON" 0 sm trace --json "$T/one" "$CASE"
like "with the chain" "$(cat "$OUT")" '"stage": "ingest"'
exits "an item that nobody knows" 2 sm trace "$T/one" nobody
like "is named" "$(cat "$ERR")" 'nobody: no ledger here knows it'
exits "a path that leaves the folder" 2 sm trace "$T/one" "tile/../../tile/$CASE.h5"
like "is named as it was typed" "$(cat "$ERR")" "tile/../../tile/$CASE.h5: no ledger here knows it"
exits "too few arguments" 2 sm trace "$T/one"
# A path as a person types it, from where he stands.
for path in "$T/one/tile/$CASE.h5" "./tile/$CASE.h5" "$CASE.h5" "tile/../tile/$CASE.h5" "tile/.//$CASE.h5" "tile/x/../$CASE.h5" \
	"preprocess/../tile/$CASE.h5" "$T/two/../one/tile/$CASE.h5" "./tile/./a/b/../../$CASE.h5"; do
	exits "trace of $path" 0 sm trace "$T/one" "$path"
	like "is the tile" "$(cat "$OUT")" "shard +[0-9a-f]{12}  tile/$CASE.h5"
done
(cd "$T" && "$SM_BIN/scanmill-trace" ./one one/tile/$CASE.h5 && "$SM_BIN/scanmill-trace" one "./one/tile/$CASE.h5" &&
	cd one/tile && "$SM_BIN/scanmill-trace" .. "$CASE.h5") >"$OUT" 2>"$ERR"
is "from other places too" "$(grep -c "^  shard .*tile/$CASE.h5" "$OUT")" 3
(cd "$T/one/tile" && "$SM_BIN/scanmill-trace" . "$T/one/tile/$CASE.h5") >"$OUT" 2>"$ERR"
is "also with the folder called ." "$(grep -c "^  shard .*tile/$CASE.h5" "$OUT")" 1
exits "trace of an output of no item" 0 sm trace "$T/one" tile/config.json
like "tells how many items it is of" "$(cat "$OUT")" 'all 3 items here, from the ledger of split [0-9a-f]{12}$'
like "and its hash" "$(cat "$OUT")" '[0-9a-f]{12}  tile/config.json'
# A page shows data, and nothing is made of it: it begins only when it is asked for.
mkdir "$T/one/explore"
sed -e 's/"stage":"tile"/"stage":"explore"/' -e "s/\"parents\":{[^}]*}/\"parents\":{\"tile\":\"$(sha256sum <"$T/one/tile/ledger.jsonl" | cut -c 1-64)\"}/" \
	"$T/one/tile/ledger.jsonl" >"$T/one/explore/ledger.jsonl"
exits "trace beside a page of explore" 0 sm trace "$T/one" "$CASE"
like "begins with the data" "$(head -n 1 "$OUT")" "^tile  $CASE "
exits "unless the page is named" 0 sm trace "$T/one" "explore/$CASE"
like "then with it" "$(head -n 1 "$OUT")" "^explore  $CASE "
rm -r "$T/one/explore"
# A report reads the ledgers of its parents as a whole.
mkdir "$T/one/report"
tile=$(sha256sum <"$T/one/tile/ledger.jsonl" | cut -c 1-64)
gone=$(echo gone | sha256sum | cut -c 1-64)
other=$(echo other | sha256sum | cut -c 1-64)
cat >"$T/one/report/ledger.jsonl" <<END
{"parents":{"evaluate":"$gone","tile":"$tile"},"schema":1,"settings":{},"settings_sha256":"$gone","stage":"report","version":1}
{"inputs":[{"path":"ledger.jsonl","role":"tile","sha256":"$tile"},{"path":"ledger.jsonl","role":"evaluate","sha256":"$gone"},{"path":"x","role":"x","sha256":"$other"}],"key":"page","outputs":[{"path":"index.html","role":"page","sha256":"$other"}],"status":"ok"}
END
exits "trace of a report" 0 sm trace "$T/one" report/page
like "names its parent's ledger" "$(cat "$OUT")" "^  ledger +$(echo "$tile" | cut -c 1-12)  tile/ledger.jsonl$"
is "and that of a missing one under the stage" "$(grep -A 1 'the run of evaluate' "$OUT" | tail -n 1 | tr -s ' ')" \
	" ledger $(echo "$gone" | cut -c 1-12) evaluate/ledger.jsonl"
is "only what nobody made is unresolved" "$(sed -n '/unresolved/,$p' "$OUT" | wc -l | tr -d ' ')" 2
exits "as JSON" 0 sm trace --json "$T/one" report/page
is "ledgers and others are apart" "$(tr -d ' \n' <"$OUT" | grep -Eo '"(ledgers|unresolved)":\[[^]]*' | grep -o '"path"' | wc -l | tr -d ' ')" 3
rm -r "$T/one/report"

# A folder that may not be looked at stops only who needs it.
as_nobody=
[ "$(id -u)" = 0 ] && as_nobody="setpriv --reuid 65534 --clear-groups"
if [ -z "$as_nobody" ] || [ -n "$(command -v setpriv)" ]; then
	chmod 755 "$T"
	mkdir "$T/one/predict"
	chmod 0 "$T/one/predict"
	# shellcheck disable=SC2086 # a command in words
	exits "trace beside a closed folder" 0 $as_nobody "$SM_BIN/scanmill-trace" "$T/one" "$CASE"
	like "warns" "$(cat "$ERR")" 'passed over: .*predict/ledger.jsonl: cannot be examined'
	# shellcheck disable=SC2086
	exits "an item that may be there" 4 $as_nobody "$SM_BIN/scanmill-trace" "$T/one" nobody
	# shellcheck disable=SC2086
	exits "diff beside a closed folder" 0 $as_nobody "$SM_BIN/scanmill-diff" "$T/one" "$T/two"
	chmod 755 "$T/one/predict"
	rmdir "$T/one/predict"
	chmod 0 "$T/one/preprocess"
	# shellcheck disable=SC2086
	exits "trace through a closed folder" 4 $as_nobody "$SM_BIN/scanmill-trace" "$T/one" "$CASE"
	like "names it" "$(cat "$ERR")" 'preprocess/ledger.jsonl: cannot be examined: Permission denied'
	# shellcheck disable=SC2086
	exits "diff of a closed folder" 4 $as_nobody "$SM_BIN/scanmill-diff" "$T/one" "$T/two"
	like "compares the others" "$(cat "$OUT")" '^tile +3 items the same'
	unlike "and calls none lone" "$(cat "$OUT")" 'preprocess'
	chmod 755 "$T/one/preprocess"
else
	skip "folders that may not be looked at" "no setpriv"
fi
rm -rf "$T/two/ingest"
exits "a stage that is gone" 0 sm trace "$T/two" "$CASE"
like "is told" "$(cat "$OUT")" 'the run of ingest that this was made from is not here'

# Files of the stage that is gone are no raw scans.
mv "$T/two/preprocess" "$T/gone"
exits "a stage in the middle that is gone" 0 sm trace "$T/two" "$CASE"
like "is told" "$(cat "$OUT")" 'the run of preprocess that this was made from is not here'
like "with the files it made" "$(cat "$OUT")" "image +[0-9a-f]{12}  preprocess/$CASE/image.nii.gz"
unlike "which are not called raw" "$(cat "$OUT")" 'raw|RAW'
exits "as JSON" 0 sm trace --json "$T/two" "$CASE"
is "raw is empty" "$(grep -c '"raw": \[\]' "$OUT")" "$(grep -c '"raw": ' "$OUT")"
like "and the files are unresolved" "$(cat "$OUT")" '"unresolved": \[$'
mv "$T/gone" "$T/two/preprocess"

cp -r "$T/one/ingest" "$T/two/ingest"
exits "diff of a run and its copy" 0 sm diff "$T/one" "$T/two"
like "finds every item the same" "$(cat "$OUT")" '^tile +3 items the same, 0 changed'
exits "another setting" 1 sm diff "$T/one" "$T/more"
like "names the setting" "$(cat "$OUT")" 'setting manifest.tile.per_case: 2 -> 3'
like "and the items it changed" "$(cat "$OUT")" "changed: $CASE, because of settings"
like "other stages are the same" "$(cat "$OUT")" '^preprocess +3 items the same, 0 changed'

# One changed scan: one item changes in every stage, because of its input.
gzip -dc "$T/raw/$CASE/${CASE}_t2.nii.gz" >"$T/plain.nii"
flip "$T/plain.nii" 5000
gzip -n -c "$T/plain.nii" >"$T/raw/$CASE/${CASE}_t2.nii.gz"
make_run "$T/changed" "$T/m.yaml"
exits "one changed scan" 1 sm diff "$T/one" "$T/changed"
like "changes one case" "$(cat "$OUT")" '^ingest +2 items the same, 1 changed, 0 only in the first, 0 only in the second'
like "because of its input" "$(cat "$OUT")" "changed: $CASE, because of inputs"
like "which is named" "$(cat "$OUT")" "input +$CASE/${CASE}_t2.nii.gz: [0-9a-f]{12} -> [0-9a-f]{12}"
like "up to the tiles" "$(cat "$OUT")" '^tile +2 items the same, 1 changed'
exits "two ledgers" 1 sm diff "$T/one/tile/ledger.jsonl" "$T/changed/tile/ledger.jsonl"
exits "as JSON" 1 sm diff --json "$T/one/tile" "$T/changed/tile"
like "with the reason" "$(cat "$OUT")" '"why": "inputs"'
rm -rf "${T:?}/raw/$CASE"
make_run "$T/fewer" "$T/m.yaml"
exits "a case that is gone" 1 sm diff "$T/one/ingest" "$T/fewer/ingest"
like "is named" "$(cat "$OUT")" "only in the first: $CASE"
# Other folds: no file of split tells, and config.json changes because of them.
cp -r "$T/one" "$T/folds"
rm -rf "$T/folds/split" "$T/folds/tile"
for seed in 1 2 3 4 5 6 7 8 9; do
	rm -rf "$T/folds/split"
	run sm split --seed "$seed" --manifest "$T/m.yaml" --in "$T/folds/preprocess" --out "$T/folds/split"
	[ "$(tail -n 3 "$T/folds/split/ledger.jsonl" | grep -o '"fold":"[a-z]*"')" = \
		"$(tail -n 3 "$T/one/split/ledger.jsonl" | grep -o '"fold":"[a-z]*"')" ] || break
done
run sm tile --manifest "$T/m.yaml" --in "$T/folds/preprocess" --split "$T/folds/split" --out "$T/folds/tile"
exits "other folds" 1 sm diff "$T/one" "$T/folds"
like "are named" "$(cat "$OUT")" '^    fold: "(train|valid)" -> "(train|valid)"$'
like "with their reason" "$(cat "$OUT")" 'changed: BraTS20_Training_00[1-3], because of settings$'
like "which is the seed" "$(cat "$OUT")" "setting seed: [0-9]+ -> $seed"
like "the list of folds is explained by its parent" "$(cat "$OUT")" 'changed: what belongs to no item, because of parents$'
like "which is named" "$(cat "$OUT")" 'parent  split: [0-9a-f]{12} -> [0-9a-f]{12}'
like "with the file" "$(cat "$OUT")" 'output  config.json: [0-9a-f]{12} -> [0-9a-f]{12}'
# What no ledger explains: an output's hash changed by hand.
sed 's/\("path":"'"$CASE"'.h5","role":"shard","sha256":"\)......../\100000000/' "$T/one/tile/ledger.jsonl" >"$T/forged.jsonl"
exits "an output without a reason" 1 sm diff "$T/one/tile/ledger.jsonl" "$T/forged.jsonl"
like "is said not to repeat" "$(cat "$OUT")" 'the stage did not repeat itself'
exits "two stages" 2 sm diff "$T/one/tile" "$T/one/split"
done_testing
