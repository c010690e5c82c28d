#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The stages as Make targets: a stage whose items are all rejected keeps its ledger, fails, and runs again.
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom manifest

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

# The manifest's root key says where \`make dataset\` ends.
for stage in tile slice pair; do
	printf "schema: 1\nname: x\ndataset: '%s' # why\n" "$stage" >"$T/m.yaml"
	like "dataset: $stage" "$(road -n dataset | tail -n 1)" "scanmill-$stage "
done
printf 'schema: 1\nname: x\n"dataset": "slice"\n' >"$T/m.yaml"
like "a quoted key counts" "$(road -n dataset | tail -n 1)" "scanmill-slice "
# Before anything is built nobody knows: make builds and asks then.
mkdir "$T/fresh"
# shellcheck disable=SC2016 # make's
printf '.DELETE_ON_ERROR:\nall:\n\tcp %s/scanmill-* $(BIN)\nBIN = %s\ninclude %s\n' "$SM_BIN" "$T/fresh" \
	"$SM_ROOT/scripts/pipeline.mk" >"$T/fresh.mk"
exits "before anything is built" 2 make -C "$T" -f fresh.mk dataset MANIFEST=m.yaml RAW=none WORK=fresh/work JOBS=1
ok "make builds" test -x "$T/fresh/scanmill-slice"
like "and begins with the first stage" "$(cat "$ERR")" 'index: error: '
like "then the manifest decides" "$(make -C "$T" --no-print-directory -f fresh.mk -n dataset MANIFEST=m.yaml RAW=none WORK=fresh/work | tail -n 1)" "fresh/scanmill-slice "
rm -r "$T/fresh"
mkdir "$T/fresh"
printf 'schema: 1\nname: x\ndataset: pair\n' >"$T/m.yaml"
run make -C "$T" --no-print-directory -f fresh.mk all-stages MANIFEST=m.yaml RAW=none WORK=fresh/work JOBS=1
ok "so it does on the way to the report" test -x "$T/fresh/scanmill-slice"
is "with the first stage behind it" "$(grep -c 'index: error: ' "$ERR")" 1
rm -r "$T/fresh"

# How the later stages are called follows from it, too.
# called STAGE: the options of its line.
called() {
	called_stage=$1
	shift
	road -n all-stages dicom "$@" | sed -e ':a' -e '/\\$/N; s/\\\n\t*//; ta' | sed -n "s/.*scanmill-$called_stage  *\(.*\) --out .*/\1/p" | tr -s ' ' | sed 's/ $//'
}
common="--manifest m.yaml --jobs 1 --resume"
is "train of pairs" "$(called train)" "$common --in work/pair"
is "with VGG-19" "$(: >"$T/vgg.h5" && called train VGG=vgg.h5)" "$common --in work/pair --vgg vgg.h5"
is "predict" "$(called predict)" "$common --in work/preprocess --split work/split --model work/train"
is "evaluate" "$(called evaluate)" "$common --in work/predict --truth work/preprocess --pairs work/pair"
is "report" "$(called report)" "$common --in work/evaluate --train work/train --predict work/predict --truth work/preprocess"
is "dicom" "$(called dicom)" "--jobs 1 --resume --in work/predict"
is "dicom of finer scans" "$(called dicom DICOM_OF=interpolate)" "--jobs 1 --resume --in work/interpolate"
is "in a folder of their own" "$(road -n dicom DICOM_OF=interpolate | grep -o 'scanmill-dicom .*' | grep -o -e '--out .*')" \
	"--out work/dicom-interpolate || { e=\$?; test \$e -eq 1 || { touch -c -t 198001020000 work/dicom-interpolate/ledger.jsonl; exit \$e; }; }"
like "where those of translated volumes are not" "$(road -n dicom | grep -o 'scanmill-dicom .*')" ' --out work/dicom [|]'
is "which it takes as they are" "$(called interpolate DICOM_OF=interpolate)" ""
exits "or not at all" 2 road dicom DICOM_OF=interpolate
like "when they are not there" "$(cat "$ERR")" 'dicom: error: work/interpolate/ledger.jsonl: is not there, make interpolate .* makes it'
ok "then nothing is made" test ! -e "$T/work/interpolate" -a ! -e "$T/work/dicom" -a ! -e "$T/work/dicom-interpolate"
is "of a modality that no sidecar tells" "$(called dicom MODALITY=mr)" "--jobs 1 --resume --modality mr --in work/predict"
is "these, asked for by name" "$(called interpolate interpolate DICOM_OF=interpolate FACTOR=4 METHOD=network)" \
	"--jobs 1 --resume --factor 4 --method network --model work/train --in work/ingest"
is "come before their series" "$(road -n dicom interpolate DICOM_OF=interpolate | grep -o 'scanmill-[a-z]* --jobs' | tr '\n' ' ')" \
	"scanmill-interpolate --jobs scanmill-dicom --jobs "
unlike "no tiles" "$(road -n all-stages)" 'scanmill-tile'
printf 'schema: 1\nname: x\ndataset: pair\npair: {split: slices}\n' >"$T/m.yaml"
is "in folds of slices all cases are predicted" "$(called predict)" "$common --in work/preprocess --model work/train"
printf 'schema: 1\nname: x\ndataset: slice\n' >"$T/m.yaml"
is "train of slices" "$(called train)" "$common --in work/slice --split work/split --volumes work/preprocess"
is "evaluate of labels" "$(called evaluate)" "$common --in work/predict --truth work/ingest"
is "their series are of finer scans" "$(called dicom)" "--jobs 1 --resume --in work/interpolate"
exits "an unknown method" 2 road -n interpolate METHOD=spline
like "is told" "$(cat "$ERR")" "METHOD='spline': found another word, allowed are nearest linear cubic network"
exits "that nobody asks for" 0 road -n dataset METHOD=GET
printf 'schema: 1\nname: x\n' >"$T/m.yaml"
like "tiles are the default" "$(road -n dataset | tail -n 1)" "scanmill-tile "

# What the shell would read as more than a name is refused.
for name in 'a b' 'a;b' 'a*' "a'b" 'a&b' '~a' 'a\b' 'a"b' 'a(b' 'a|b' 'a<b' 'a`b'; do
	for v in RAW WORK SALT; do
		exits "$v=$name" 2 make -C "$T" -n index MANIFEST=m.yaml RAW=raw WORK=work "$v=$name"
		like "is refused" "$(cat "$ERR")" "$v='.*': found (a blank|another character) in a path, allowed"
	done
done
exits "a colon in a work folder" 2 make -C "$T" -n index MANIFEST=m.yaml WORK=a:b
like "is refused" "$(cat "$ERR")" "WORK='a:b': found another character in a path"
like "in that of the scans it is not" "$(make -C "$T" -n index MANIFEST=m.yaml WORK=w RAW=/x/A-b_c.d+e=f,g:h@i%j/0)" \
	'--in /x/A-b_c\.d\+e=f,g:h@i%j/0 '

printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\ninclude %s\n' "$SM_BIN" "$SM_ROOT/scripts/pipeline.mk" \
	"$SM_ROOT/scripts/datasets.mk" >"$T/all.mk"
again() {
	make -C "$T" -f all.mk --no-print-directory rederive "$@"
}
printf 'schema: 1\nname: x\ningest: {uneven: regrid}\n' >"$T/m.yaml"
exits "rederive without MANIFEST" 2 again WORK=work RAW=raw
like "is refused" "$(cat "$ERR")" 'MANIFEST is missing: rederive needs the one that work was made with'
exits "with a misspelt RAW" 2 again MANIFEST=m.yaml WORK=work RAW=rwa
like "is refused too" "$(cat "$ERR")" 'verify: error: --raw: .*rwa: is no folder'
like "the table goes along" "$(again -n MANIFEST=m.yaml WORK=work TABLE=t.csv)" '--table t.csv '
unlike "no scans where none are named" "$(again -n MANIFEST=m.yaml WORK=work)" '--raw'

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
is "compare" "$(road -n compare RATERS=a,b TRUTH=t | sed -n "s/.*scanmill-compare  *\(.*\) --out .*/\1/p" | tr -s ' ')" \
	"$common --raters a,b --truth t"
exits "compare of nobody" 2 road -n compare
like "asks for raters" "$(cat "$ERR")" 'RATERS is missing'
done_testing
