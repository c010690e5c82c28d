#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs pair split preprocess slice
. "$SM_ROOT/tests/stage/cohort.sh"
C=BraTS20_Training_002

# settings PAIR [SPLIT] [STEPS...]: a manifest in $T/m.yaml.
settings() {
	{
		printf 'schema: 1\nname: pairs\nsplit: {%s}\npair: {%s}\n' "${2:-train: 50, test: 25, valid: 25}" "$1"
		printf 'preprocess:\n  steps:\n'
		[ $# -ge 3 ] || echo '    - relabel: {from: [4], to: [3], known: [0, 1, 2, 4]}'
		while [ $# -ge 3 ]; do
			echo "    - $3"
			shift
		done
	} >"$T/m.yaml"
}
pair() {
	sm pair --manifest "$T/m.yaml" --in "$T/ingest" "$@"
}
# config FOLD DIR: how many samples config.json lists there.
config() {
	awk -v fold="\"$1\"" '/^ "/ { here = index($0, fold) } here && /"slice"/ { n++ } END { print n + 0 }' "$2/config.json"
}
# agrees NAME DIR IN: every value is that of the volumes.
agrees() {
	if has_python h5py nibabel numpy PIL; then
		ok "$1" "$PYTHON" "$SM_ROOT/scripts/check_shards.py" "$2" "$3"
	else
		skip "$1" "no h5py, nibabel or PIL"
	fi
}

settings 'mode: aligned, a: t1, b: flair, format: both'
run sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/split"
exits "aligned pairs" 0 pair --split "$T/split" --out "$T/one" --jobs 1
like "are counted by fold" "$(cat "$OUT")" '^pairs	train	48$'
exits "two threads" 0 pair --split "$T/split" --out "$T/two" --jobs 2
same_tree "no byte depends on the threads" "$T/one" "$T/two"
exits "verify knows every file" 0 sm verify "$T/one"
agrees "values, folds and checksums are as documented" "$T/one" "$T/ingest"
is "pictures stand by fold and side" "$(cd "$T/one" && ls -d ./*[AB])" "./testA
./testB
./trainA
./trainB
./validA
./validB"
is "A and B are as many" "$(cd "$T/one" && find . -path '*A/*.png' | wc -l | tr -d ' ') $(cd "$T/one" && find . -path '*B/*.png' | wc -l | tr -d ' ')" "96 96"
exits "resume" 0 pair --split "$T/split" --out "$T/one" --resume
like "keeps all" "$(cat "$ERR")" '4 reused'
same_tree "and changes nothing" "$T/one" "$T/two"
sed 's/train: 50, test: 25, valid: 25/train: 1, test: 0, valid: 0/' "$T/m.yaml" >"$T/all.yaml"
run sm split --manifest "$T/all.yaml" --in "$T/ingest" --out "$T/split_all"
exits "another split" 0 pair --split "$T/split_all" --out "$T/one" --resume
like "moves the cases of other folds" "$(cat "$ERR")" '4 good, 0 rejected, 2 reused'
ok "and leaves none of their old pictures" test ! -e "$T/one/testA/$C""_0003.png"
is "nor of any other fold" "$(find "$T/one" -path '*/testA/*' -o -path '*/validB/*' | wc -l | tr -d ' ')" 0

settings 'mode: aligned, a: t1, b: flair, format: both' '' 'stack: {roles: [flair, t1ce, t1, t2]}'
run sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/pre"
exits "channels of a stacked image" 0 sm pair --manifest "$T/m.yaml" --in "$T/pre" --split "$T/split" --out "$T/chan"
exits "from ingest the steps run in memory" 0 pair --split "$T/split" --out "$T/direct"
is "with the same files" "$(hashes "$T/direct" | grep -Ev "ledger|files.sha256")" "$(hashes "$T/chan" | grep -Ev "ledger|files.sha256")"
is "which are those of the single volumes" "$(hashes "$T/chan" | grep png)" "$(hashes "$T/two" | grep png)"
settings 'mode: aligned, a: t1, b: flair, direction: b_to_a, bits: 8, format: png, window: [0, 500], plane: coronal'
exits "the other direction, 8 bits, coronal" 0 pair --split "$T/split" --out "$T/back"
agrees "swaps A and B, and clips to the window" "$T/back" "$T/ingest"
ok "there is no HDF5" test ! -e "$T/back/$C.h5"

settings 'mode: triplets, a: t1, split: slices, format: both, bits: 8'
exits "triplets with slices at random" 0 pair --out "$T/triplets"
like "the log says that this leaks" "$(cat "$ERR")" 'warning: slices of 4 patients stand in several folds .pair.split: slices, as the original'
like "the ledger, too" "$(head -n 1 "$T/triplets/ledger.jsonl")" '"shared_patients":4'
agrees "x is the mean of the neighbours of b" "$T/triplets" "$T/ingest"
is "shares are right to a sample a case" "$(config train "$T/triplets") $(config test "$T/triplets") $(config valid "$T/triplets")" "44 22 22"
settings 'mode: triplets, a: t1, split: slices, format: both, bits: 8, seed: 2'
exits "another seed" 0 pair --out "$T/seed"
isnt "gives other folds" "$(sha256sum <"$T/seed/config.json")" "$(sha256sum <"$T/triplets/config.json")"

settings 'mode: triplets, a: t1, split: blocks, block: 4'
exits "triplets in blocks" 0 pair --out "$T/blocks"
agrees "are as documented" "$T/blocks" "$T/ingest"
like "blocks lose the slices of gaps" "$(record "$T/blocks" $C)" '"left_out":[1-9]'
if has_python json; then
	ok "no slice stands in two folds" "$PYTHON" - "$T/blocks" <<'END'
import json, sys
for line in list(open(sys.argv[1] + "/ledger.jsonl"))[1:]:
    t = json.loads(line)["sets"][0]
    used = {f: {i + d for k in ks for i in [t["slices"][k]] for d in (-1, 0, 1)} for f, ks in t["folds"].items()}
    assert sum(map(len, used.values())) == len(set().union(*used.values())), line
END
else
	skip "no slice stands in two folds" "no Python"
fi

settings 'mode: unpaired, a: t1, b: t2, split: first, held_out: 30, format: both, first: 2, last: 21'
exits "two domains, the first samples held out" 0 pair --out "$T/first"
agrees "are as documented" "$T/first" "$T/ingest"
is "held out are as many as asked for, of each domain" "$(config test "$T/first") $(config train "$T/first")" "60 100"
like "the log says that a patient is on both sides" "$(cat "$ERR")" 'warning: slices of 1 patients stand in several folds .pair.split: first'
ok "shards stand by domain" test -f "$T/first/A/$C.h5" -a -f "$T/first/B/$C.h5" -a -f "$T/first/A/${C}_0002.png"
exits "resume of this" 0 pair --out "$T/first" --resume
is "gives the same folds" "$(config test "$T/first")" 60
unlike "which stand in no record, for they depend on other cases" "$(sed 1d "$T/first/ledger.jsonl")" '"folds"'
exits "one case alone" 0 pair --only "$C" --out "$T/only"
is "has the same record" "$(record "$T/only" $C)" "$(record "$T/first" $C)"
settings 'mode: unpaired, a: t1, b: t2'
exits "two domains by patient" 0 pair --split "$T/split" --out "$T/unpaired"
agrees "are as documented, with folds" "$T/unpaired" "$T/ingest"
exits "verify knows the folders" 0 sm verify "$T/unpaired"

# What a split leaves out is left out here, too; folds of k folds are folds.
settings 'mode: aligned, a: t1, b: t2' "leave_out: [$C], train: 1, test: 1, valid: 1"
run sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/split_less"
exits "a split that leaves a case out" 0 pair --split "$T/split_less" --out "$T/less"
is "leaves it out" "$(find "$T/less" -name '*.h5' | wc -l | tr -d ' ') $(config train "$T/less") $(find "$T/less" -name "$C*" | wc -l | tr -d ' ')" "3 24 0"
settings 'mode: aligned, a: t1, b: t2' 'folds: 2'
run sm split --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/split_k"
exits "two folds" 0 pair --split "$T/split_k" --out "$T/k"
is "are half and half" "$(config train "$T/k") $(config test "$T/k")" "48 48"

# One case more is one case's work.
settings 'mode: unpaired, a: t1, b: t2, split: blocks, format: both'
cp -r "$T/raw" "$T/raw_less"
rm -r "$T/raw_less/$C"
run sm ingest --in "$T/raw_less" --out "$T/ingest_less"
run sm pair --manifest "$T/m.yaml" --in "$T/ingest_less" --out "$T/grow"
exits "a case more" 0 pair --out "$T/grow" --resume
like "is the only one made" "$(cat "$ERR")" '4 good, 0 rejected, 3 reused'
run pair --out "$T/at_once"
same_tree "and all is as if made at once" "$T/grow" "$T/at_once"

# Bad input: one sentence each.
bad() {
	bad_name=$1 bad_code=$2 bad_pattern=$3
	shift 3
	exits "$bad_name" "$bad_code" pair --out "$T/bad" "$@"
	like "is told in one sentence" "$(grep -E 'error' "$ERR" | head -n 1)" "$bad_pattern"
}
settings 'mode: aligned, a: t1, b: pet'
bad "a role that is not there" 3 "BraTS20_Training_00[1-4]: rejected: .*: has no volume, channel or modality 'pet' .pair.b." --split "$T/split"
bad "no split for folds by patient" 2 '--split: is missing, pair.split: patient takes the folds of stage split'
settings 'mode: aligned, a: t1'
bad "one side only" 2 'pair.b: is missing, mode aligned needs a and b' --split "$T/split"
settings 'mode: aligned, a: t1, b: t1'
bad "the same side twice" 2 "pair: b: found 't1' as for a, allowed is another" --split "$T/split"
settings 'mode: triplets, a: t1, b: t2, split: slices'
bad "two volumes of triplets" 2 "pair: b: found 't2', allowed is none: triplets come from one volume"
settings 'mode: triplets, split: slices'
bad "triplets of one volume, which is not named" 3 'has 4 volumes, pair.a must say which is meant'
settings 'mode: triplets, a: t1, split: blocks, gap: 1'
bad "a gap that triplets would bridge" 2 'pair: gap: found 1, triplets need at least 2: neighbouring folds would share slices'
settings 'mode: triplets, a: t1, split: blocks, block: 3, gap: 3'
bad "a gap as long as a block" 2 'pair: gap: found 3, allowed is less than block .3.'
settings 'mode: unpaired, a: t1, b: t2, direction: b_to_a'
bad "a direction without pairs" 2 'pair: direction: found b_to_a, allowed with mode triplets or unpaired is a_to_b'
V=$(sed -n 's/.*"fold":"valid".*"key":"\([^"]*\)".*/\1/p' "$T/split/ledger.jsonl")
cp -r "$T/ingest" "$T/ingest_less"
flip "$T/ingest_less/$V/t1.nii.gz" 3000
settings 'mode: aligned, a: t1, b: t2'
exits "the only case of a fold rejected" 1 sm pair --manifest "$T/m.yaml" --in "$T/ingest_less" --split "$T/split" --out "$T/less"
like "is warned of" "$(cat "$ERR")" 'warning: fold valid has no sample: none of its 1 cases gave one'
settings 'mode: aligned, a: t1, b: t2, window: [1, 3]'
bad "a window without pictures" 2 'pair.window: is given, but counts only with format png.both' --split "$T/split"
settings 'mode: aligned, a: t1, b: t2' '' '{window: {range: [100000, 200000], to: [0, 1]}, when: t2}'
bad "a constant volume" 3 't2 has the same value in every voxel, so it shows nothing' --split "$T/split"
settings 'mode: aligned, a: t1, b: flair'
sed "s/\"patient\":\"[^\"]*\"/\"patient\":\"one\"/" "$T/ingest/ledger.jsonl" >"$T/one_patient"
cp -r "$T/ingest" "$T/ingest_one"
cp "$T/one_patient" "$T/ingest_one/ledger.jsonl"
exits "a patient in two folds of an altered ledger" 3 sm pair --manifest "$T/m.yaml" --in "$T/ingest_one" --split "$T/split" --out "$T/bad"
like "is named" "$(cat "$ERR")" 'patient one stands in two folds: case'
settings 'mode: aligned, a: t1, b: t2, format: both, window_b: [3, 1]'
bad "a window upside down" 2 'pair: window_b: found 3 to 1, allowed is low < high' --split "$T/split"
settings 'mode: aligned, a: t1, b: t2, last: 40'
bad "slices out of range" 3 't1 has slices 0 to 23, first and last ask for 0 to 40' --split "$T/split"
settings 'mode: triplets, a: t1, split: slices, first: 4, last: 5'
bad "two slices of which a triplet is to be made" 3 't1 has no three consecutive slices left among the slices that preprocess keeps and'
settings 'mode: aligned, a: t1, b: t2' '' '{pad_crop: {size: [40, 48, 24]}, when: t1}'
bad "grids that differ" 3 't1 has 40 x 48 x 24 voxels, t2 48 x 48 x 24: must be equal .the step .resample: .like: t2.. makes them so.' --split "$T/split"
settings 'mode: aligned, a: t1, b: t2' '' '{rotate90: {k: 2}, when: t1}'
bad "grids of one size" 3 'the voxels of t1 lie up to .* mm away from those of t2, allowed are 0.01 mm .pair.grid_tolerance.: the step .resample: .like: t2.. brings them together' --split "$T/split"
settings 'mode: triplets, a: t1, split: slices' '' '{pad_crop: {size: [48, 48, 2]}}'
bad "a volume of two slices" 3 't1 has 2 slices, triplets need at least 3'
settings 'mode: unpaired, a: t1, b: pet, split: slices'
bad "a domain without samples" 3 "pair.b: domain 'pet' has 0 samples, needed are at least 2"
settings 'mode: unpaired, a: t1, b: t2, split: first, held_out: 96'
bad "all held out" 3 "pair.held_out: found 96, domain 't1' has 96 samples: allowed is less, or nothing is left for training"
settings 'mode: unpaired, a: t1, b: t2, split: first, held_out: 96, held_out_share: 0.25'
exits "a bound on what is held out" 0 pair --out "$T/bound"
like "is told" "$(cat "$ERR")" "pair.held_out: 96 is more than pair.held_out_share of the 96 samples of 't1': the first 24 are held out"
is "and kept" "$(config test "$T/bound") $(config train "$T/bound")" "48 144"
settings 'mode: aligned, a: image, b: t1, format: png' '' 'stack: {roles: [flair, t1ce, t1, t2]}'
bad "four channels as a picture" 3 'image has 4 channels, a picture has 1 or 3: pair.format allowed is hdf5' --split "$T/split"

# Pictures. picture FILE WIDTH HEIGHT SEED: colours that rise from left to right and from the top.
picture() {
	mkdir -p "$(dirname "$1")"
	{
		printf 'P3\n%d %d\n255\n' "$2" "$3"
		awk -v w="$2" -v h="$3" -v s="$4" 'BEGIN { for (y = 0; y < h; y++) for (x = 0; x < w; x++)
			print (5 * x + s) % 256, (3 * y + s) % 256, (x + y) % 256 }'
	} >"$T/picture.txt"
	{
		printf 'P6\n%d %d\n255\n' "$2" "$3"
		# shellcheck disable=SC2059 # the octal escapes are the point
		printf "$(sed 1,3d "$T/picture.txt" | tr ' ' '\n' | awk '{ printf "\\%03o", $1 }')"
	} >"$1"
}
for k in 1 2 3; do
	picture "$T/pictures/A/$k.ppm" 20 12 "$k"
	picture "$T/pictures/B/$k.ppm" 20 12 $((k + 50))
done
printf 'schema: 1\nname: p\ningest: {layout: images}\nsplit: {train: 1, test: 1, valid: 0}\n' >"$T/p.yaml"
cp "$T/p.yaml" "$T/m.yaml"
echo 'pair: {mode: aligned, a: A, b: B, format: both, bits: 8, split: slices}' >>"$T/m.yaml"
run sm ingest --manifest "$T/p.yaml" --in "$T/pictures" --out "$T/ingest_p"
[ "$CODE" -eq 0 ] || diag "$(cat "$ERR")"
exits "pairs of pictures" 0 sm pair --manifest "$T/m.yaml" --in "$T/ingest_p" --out "$T/pictures_out"
is "each is one sample" "$(($(config train "$T/pictures_out") + $(config test "$T/pictures_out")))" 3
{
	cat "$T/m.yaml"
	printf 'preprocess:\n  steps:\n    - {pad_crop: {size: [18, 12, 0]}, when: A}\n'
} >"$T/size.yaml"
exits "pictures of other sizes" 3 sm pair --manifest "$T/size.yaml" --in "$T/ingest_p" --out "$T/bad"
like "are told" "$(cat "$ERR")" '3: rejected: 3: A is 18 x 12 pixels, B is 20 x 12: must be equal .the step resize makes them so.'
for side in A B; do
	found=$(find "$T/pictures_out" -path "*$side/1_0000.png")
	exits "ingest of $side's picture" 0 sm slice --in "$T/ingest_p" --role $side --out "$T/slice_$side" --manifest "$T/p.yaml"
	like "is an RGB picture of 8 or 16 bits" "$(od -An -tu1 -j 16 -N 10 "$found" | tr -s ' ')" '^ 0 0 0 20 0 0 0 12 8 2$'
done
if has_python numpy PIL; then
	ok "pixels are those of the source" "$PYTHON" - "$T" <<'END'
import glob, sys, numpy as np
from PIL import Image
for side in "AB":
    for k in "12":
        out, = glob.glob(f"{sys.argv[1]}/pictures_out/*{side}/{k}_0000.png")
        assert np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(f"{sys.argv[1]}/pictures/{side}/{k}.ppm")))
END
else
	skip "pixels are those of the source" "no PIL"
fi
sed 's/split: slices/split: slices, plane: coronal/' "$T/m.yaml" >"$T/cor.yaml"
exits "a picture from the side" 3 sm pair --manifest "$T/cor.yaml" --in "$T/ingest_p" --out "$T/bad"
like "is told" "$(cat "$ERR")" '1: is a picture, pair.plane is coronal, allowed is axial'
printf 'slice: {plane: sagittal}\n' >>"$T/p.yaml"
exits "and in slice" 3 sm slice --manifest "$T/p.yaml" --in "$T/ingest_p" --out "$T/bad_slice"
like "is told, too" "$(cat "$ERR")" '1: is a picture, slice.plane is sagittal, allowed is axial'

# A tree of CT and MR: for triplets of the CT the MR is not meant, and no bad item.
run sm phantom --kind mr_ct --cases 1 --size 16,16,8 --spacing 8,8,8 --out "$T/mixed"
cat >"$T/mixed.yaml" <<'END'
schema: 1
name: mixed
ingest:
  layout: mixed
  sources: [{role: mr, pattern: "{case}/mr.nii*"}]
pair: {mode: triplets, a: ct, split: blocks, format: hdf5}
END
(umask 077 && echo 'salt of the mixed tree' >"$T/mixed.salt")
run sm ingest --manifest "$T/mixed.yaml" --in "$T/mixed" --salt-file "$T/mixed.salt" --out "$T/mixed_in"
run sm preprocess --manifest "$T/mixed.yaml" --in "$T/mixed_in" --out "$T/mixed_pre"
exits "triplets of one modality of a mixed tree" 0 sm pair --manifest "$T/mixed.yaml" --in "$T/mixed_pre" --out "$T/mixed_pair"
like "leave the other out" "$(cat "$ERR")" '1 case with neither pair.a nor pair.b left out'
like "by name in the ledger" "$(head -n 1 "$T/mixed_pair/ledger.jsonl")" '"left_out":."MR_001".'
sed 's/a: ct/a: us/' "$T/mixed.yaml" >"$T/none.yaml"
exits "a modality that no case has" 3 sm pair --manifest "$T/none.yaml" --in "$T/mixed_pre" --out "$T/bad_mixed"
like "is told of each" "$(cat "$ERR")" "MR_001: has no volume, channel or modality 'us' .pair.a."
done_testing
