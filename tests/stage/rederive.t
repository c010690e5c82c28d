#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scanmill verify --rederive and --only: is the ledger what the stages would write again?
. "$(dirname "$0")/../lib.sh"
needs verify phantom index ingest preprocess split tile

M=$T/m.yaml
cat >"$M" <<'END'
schema: 1
name: again
ingest: {layout: brats}
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 1, valid: 1, test: 0}
tile: {size: [16, 16, 8], per_case: 2, max_background: 1.01}
END
head -c 32 /dev/zero | tr '\0' s >"$T/salt"
chmod 600 "$T/salt"
run sm phantom --out "$T/raw" --cases 4 --size 16,16,8
stage() {
	name=$1
	shift
	exits "$name" 0 sm "$name" --manifest "$M" --out "$T/good/$name" "$@"
}
stage index --in "$T/raw" --salt-file "$T/salt"
stage ingest --in "$T/raw" --salt-file "$T/salt" --index "$T/good/index"
stage preprocess --in "$T/good/ingest"
stage split --in "$T/good/preprocess" --seed 1
stage tile --in "$T/good/preprocess" --split "$T/good/split"
CASE=BraTS20_Training_002
again() {
	mkdir -p "$T/scratch"
	sm verify --rederive --manifest "$M" --raw "$T/raw" --salt-file "$T/salt" --scratch "$T/scratch" --jobs 2 "$@"
}
fresh() {
	rm -rf "$T/w"
	cp -r "$T/good" "$T/w"
}
# byte list and ledger hash as somebody would make them who wants to hide a change
forge() {
	(cd "$1" && find . -type f ! -name files.sha256 ! -name '.*' | sed 's,^\./,,' | sort | xargs sha256sum >files.sha256)
}

exits "a good work folder" 0 again "$T/good"
for line in 'index +4 of 4' 'ingest +4 of 4' 'preprocess +4 of 4' 'split +4 of 4' 'tile +4 of 4'; do
	like "derives $line items" "$(cat "$OUT")" "^$line items derived again: 4 equal  good$"
done
is "leaves no scratch folder" "$(ls -A "$T/scratch")" ""
exits "a sample" 0 again --sample 2 "$T/good"
like "works on so many items" "$(cat "$OUT")" '^tile +2 of 4 items derived again: 2 equal  good$'
like "but on all of split" "$(cat "$OUT")" '^split +4 of 4 items'
exits "without the raw scans" 0 sm verify --rederive --manifest "$M" "$T/good"
like "says what is left out" "$(cat "$OUT")" '^ingest +not derived again: --raw is missing$'
exits "one stage alone has no parent" 3 sm verify --rederive --manifest "$M" "$T/good/tile"
like "which is said" "$(cat "$OUT")" 'not derived again: the folder of its parent stage is not there'
exits "without manifest" 2 sm verify --rederive "$T/good"
exits "options of --rederive alone" 2 sm verify --sample 2 "$T/good"
like "are named" "$(cat "$ERR")" '^verify: error: --sample: allowed only with --rederive'

exits "no place for a scratch folder" 4 sm verify --rederive --manifest "$M" --scratch "$T/nowhere" "$T/good"
like "is named" "$(cat "$ERR")" "nowhere/?[^ ]*: no folder can be made there"
if command -v prlimit >/dev/null; then
	exits "no room in it" 4 prlimit --fsize=20000 "$SM_BIN/scanmill-verify" --rederive --manifest "$M" --scratch "$T/scratch" "$T/good"
	is "leaves nothing there" "$(ls -A "$T/scratch")" ""
else
	skip "no room in it" "no prlimit"
fi

fresh
flip "$T/w/tile/$CASE.h5" $(($(size "$T/w/tile/$CASE.h5") / 2))
exits "a flipped bit in HDF5" 3 again "$T/w"
like "is found by its hash" "$(cat "$OUT")" "tile: $CASE.h5: (has changed|cannot be checked)"
like "while the ledger is as it was" "$(cat "$OUT")" '^tile +4 of 4 items derived again: 4 equal  good$'

# The content of an output, its entry in the ledger, the list of bytes: all forged alike.
fresh
label=$T/w/preprocess/$CASE/label.nii.gz
old=$(gzip -dc "$label" | sha256sum | cut -c 1-64)
gzip -dc "$label" >"$T/plain"
flip "$T/plain" 900
gzip -n -c "$T/plain" >"$label"
new=$(sha256sum <"$T/plain" | cut -c 1-64)
for stage in preprocess tile; do
	sed -i "s/$old/$new/g" "$T/w/$stage/ledger.jsonl"
	forge "$T/w/$stage"
done
before=$(sha256sum <"$T/good/preprocess/ledger.jsonl" | cut -c 1-64)
after=$(sha256sum <"$T/w/preprocess/ledger.jsonl" | cut -c 1-64)
for stage in split tile; do
	sed -i "s/$before/$after/g" "$T/w/$stage/ledger.jsonl"
	forge "$T/w/$stage"
done
before=$(sha256sum <"$T/good/split/ledger.jsonl" | cut -c 1-64)
after=$(sha256sum <"$T/w/split/ledger.jsonl" | cut -c 1-64)
sed -i "s/$before/$after/g" "$T/w/tile/ledger.jsonl"
forge "$T/w/tile"
exits "a forged output" 0 sm verify "$T/w"
exits "is found by deriving it" 3 again "$T/w"
like "and named" "$(cat "$OUT")" "preprocess: $CASE: $CASE/label.nii.gz: is derived with other content: SHA-256 [0-9a-f]{12}"
like "the other items are equal" "$(cat "$OUT")" '^preprocess +4 of 4 items derived again: 3 equal  1 differences'

# What belongs to no item is compared when all items are derived.
fresh
sed -i 's/_001/_003/' "$T/w/tile/config.json"
new=$(sha256sum <"$T/w/tile/config.json" | cut -c 1-64)
old=$(sha256sum <"$T/good/tile/config.json" | cut -c 1-64)
sed -i "s/$old/$new/" "$T/w/tile/ledger.jsonl"
forge "$T/w/tile"
exits "a forged list of folds" 3 again "$T/w"
like "is named" "$(cat "$OUT")" 'tile: header: config.json: is derived with other content'

# A raw scan that is no longer the one of then.
cp -r "$T/raw" "$T/keep"
cp "$T/raw/$CASE/${CASE}_t1.nii.gz" "$T/raw/$CASE/${CASE}_t2.nii.gz"
exits "a changed scan under an old ledger" 3 again "$T/good"
like "is named" "$(cat "$OUT")" "ingest: $CASE: input t2 .*: has changed: SHA-256 [0-9a-f]{12}"
rm -r "$T/raw/$CASE"
exits "a scan that is gone" 3 again --sample 4 "$T/good"
like "is told" "$(cat "$OUT")" 'ingest: cannot be derived again \(exit code 3\): ingest: error: --index: lists 4 items'
rm -r "$T/raw"
mv "$T/keep" "$T/raw"

# A changed input between two stages: the bytes of ingest under preprocess' old ledger.
fresh
cp "$T/w/ingest/$CASE/t1.nii.gz" "$T/w/ingest/$CASE/t2.nii.gz"
exits "a changed volume under an old ledger" 3 again "$T/w"
like "is found in its own stage" "$(cat "$OUT")" "ingest: $CASE/t2.nii.gz: has changed"

sed 's/per_case: 2/per_case: 3/' "$M" >"$T/other.yaml"
M=$T/other.yaml
exits "another manifest" 3 again "$T/good"
like "is named with its section" "$(cat "$OUT")" '^  tile: settings: manifest.tile.per_case: is 3, in the ledger 2$'
unlike "but not each item that it changes" "$(cat "$OUT")" "tile: $CASE: "
like "of which there is one word" "$(cat "$OUT")" '^  tile: the items are not compared: the settings are not those of the run$'
like "other stages are equal" "$(cat "$OUT")" '^preprocess .* 4 equal  good$'
sed 's/from: .4., to: .3./from: [3], to: [4]/' "$T/m.yaml" >"$T/other.yaml"
exits "a manifest that differs early" 3 again "$T/good"
like "is named" "$(cat "$OUT")" 'preprocess: settings: manifest.preprocess'
unlike "and nothing more is derived" "$(cat "$OUT")" '^tile .* derived again'
M=$T/m.yaml
exits "raw scans at a misspelt place" 2 sm verify --rederive --manifest "$M" --raw "$T/rwa" "$T/good"
like "are named" "$(cat "$ERR")" 'verify: error: --raw: .*/rwa: is no folder'

# A split in strata takes its column from the table of then.
sed 's/^split:.*/split: {train: 1, valid: 1, test: 0, stratify: site}/' "$T/m.yaml" >"$T/strata.yaml"
printf 'key,site\n' >"$T/table.csv"
for i in 1 2 3 4; do
	echo "BraTS20_Training_00$i,s$((i % 2))" >>"$T/table.csv"
done
mkdir "$T/strata"
cp -r "$T/good/index" "$T/good/ingest" "$T/good/preprocess" "$T/strata"
exits "a split in strata" 0 sm split --manifest "$T/strata.yaml" --in "$T/strata/preprocess" --table "$T/table.csv" --out "$T/strata/split"
exits "derived again with its table" 0 sm verify --rederive --manifest "$T/strata.yaml" --table "$T/table.csv" "$T/strata"
like "is equal" "$(cat "$OUT")" '^split +4 of 4 items derived again: 4 equal  good$'
exits "without it" 0 sm verify --rederive --manifest "$T/strata.yaml" "$T/strata"
like "is left out, which is said" "$(cat "$OUT")" '^split +not derived again: --table is missing'
sed 's/s1/s2/' "$T/table.csv" >"$T/other.csv"
exits "with another table" 3 sm verify --rederive --manifest "$T/strata.yaml" --table "$T/other.csv" "$T/strata"
like "which is told" "$(cat "$OUT")" 'split: the table is another one than then: SHA-256 [0-9a-f]{12}'
exits "a table that is not there" 2 sm verify --rederive --manifest "$M" --table "$T/none.csv" "$T/good"

# Long lists are cut.
fresh
for i in 1 2 3 4 5; do
	: >"$T/w/tile/extra$i"
done
exits "many differences" 3 sm verify --limit 2 "$T/w"
is "are listed as far as asked" "$(grep -c 'is not in the ledger' "$OUT")" 2
like "and counted" "$(cat "$OUT")" 'tile: \.\.\. 3 more differences'
exits "all of them" 3 sm verify --limit 0 "$T/w"
is "on demand" "$(grep -c 'is not in the ledger' "$OUT")" 5

# --only, on which it rests.
exits "--only" 0 sm preprocess --manifest "$M" --in "$T/good/ingest" --out "$T/part" --only "$CASE,BraTS20_Training_004"
is "makes these items" "$(grep -c '"key"' "$T/part/ledger.jsonl")" 2
like "and the ledger says so" "$(head -n 1 "$T/part/ledger.jsonl")" '"only":\["BraTS20_Training_002","BraTS20_Training_004"\]'
ok "the same bytes" cmp "$T/part/$CASE/image.nii.gz" "$T/good/preprocess/$CASE/image.nii.gz"
exits "its folder can be verified" 0 sm verify "$T/part"
exits "a whole run into it" 2 sm preprocess --manifest "$M" --in "$T/good/ingest" --out "$T/part" --resume
like "is refused" "$(cat "$ERR")" 'holds some items only'
exits "as a parent" 3 sm split --manifest "$M" --in "$T/part" --out "$T/s"
like "is refused too" "$(cat "$ERR")" 'holds some items only'
exits "--only into a whole run" 2 sm preprocess --manifest "$M" --in "$T/good/ingest" --out "$T/good/preprocess" --only "$CASE"
like "is refused as well" "$(cat "$ERR")" 'holds a whole run'
ok "and leaves it alone" test -f "$T/good/preprocess/ledger.jsonl"
exits "an unknown key" 2 sm preprocess --manifest "$M" --in "$T/good/ingest" --out "$T/none" --only nobody
like "is named" "$(cat "$ERR")" "found 'nobody', none of the 4 cases"
exits "a stage over all items" 2 sm split --manifest "$M" --in "$T/good/preprocess" --out "$T/none" --only "$CASE"
mv "$T/good/tile" "$T/far"
ln -s "$T/far" "$T/good/tile"
exits "a stage's folder that is a link" 3 again "$T/good"
like "is named, and nothing is run" "$(cat "$OUT" "$ERR")" 'good/tile: is a link, needed is the folder that the stage made'
exits "part of a part" 0 sm tile --manifest "$M" --in "$T/part" --out "$T/tiles" --only "$CASE"
done_testing
