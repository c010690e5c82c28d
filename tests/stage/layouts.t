#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs index ingest phantom verify pair

printf 'schema: 1\nname: x\ningest: {layout: %s}\n' decathlon >"$T/decathlon.yaml"
printf 'schema: 1\nname: x\ningest: {layout: decathlon, test_images: take}\n' >"$T/take.yaml"
printf 'schema: 1\nname: x\ningest: {layout: images}\n' >"$T/images.yaml"
printf 'schema: 1\nname: x\ningest: {layout: images, pairing: none}\n' >"$T/unpaired.yaml"

# ledger KEY DIR: the record of one item.
record() {
	grep "\"key\":\"$1\"" "$2/ledger.jsonl"
}

# Decathlon, nnU-Net and BIDS trees out of a phantom cohort.
volumes() {
	run sm phantom --cases 5 --size 24,20,16 --spacing 8,8,8 --out "$T/raw"
	[ "$CODE" -eq 0 ] || fail_all "the phantom was not made: $(cat "$ERR")"
	"$PYTHON" "$SM_ROOT/tests/stage/layouts_trees.py" "$T/raw" "$T" >"$T/.trees" 2>&1 ||
		fail_all "the trees were not made: $(cat "$T/.trees")"

	exits "a Decathlon tree with two bad cases" 1 sm ingest --in "$T/decathlon" --out "$T/d" --jobs 1
	log=$(cat "$ERR")
	like "auto knows it" "$log" 'dataset.json is there: layout decathlon'
	like "a listed file that is missing" "$log" \
		'BRATS_004: rejected: case BRATS_004: labelsTr/BRATS_004.nii.gz is missing, which dataset.json lists'
	like "a channel too few" "$log" 'BRATS_005.nii.gz: the fourth axis has 3 volumes, .* 4 channels'
	like "a file that is not listed" "$log" '1 NIfTI files are not listed .*imagesTr/stranger.nii.gz'
	like "a wrong count" "$log" 'numTraining is 6, found are 5'
	like "test images are left out" "$log" '1 images of the test part have no labels and are left out'
	head=$(head -n 1 "$T/d/ledger.jsonl")
	like "labels are recorded" "$head" '"labels":\{"0":"background","1":"necrosis","2":"oedema","4":"enhancing"\}'
	like "so are channels" "$head" '"channels":\{"0":"FLAIR",'
	like "the hidden file is counted" "$head" '"hidden_files":1'
	unlike "free texts stay behind" "$(cat "$T/d/ledger.jsonl" "$T"/d/*/case.json)" 'Doe'
	is "a volume a channel, and labels" "$(ls "$T/d/BRATS_001" | tr '\n' ' ')" \
		"case.json flair.nii.gz seg.nii.gz t1gd.nii.gz t1w.nii.gz t2w.nii.gz "
	ok "voxels and affines are the phantom's" "$PYTHON" "$SM_ROOT/tests/stage/layouts_check.py" \
		decathlon "$T/raw" "$T/d"
	exits "with two threads" 1 sm ingest --in "$T/decathlon" --out "$T/d2" --jobs 2
	same_tree "no byte depends on the threads" "$T/d" "$T/d2"
	exits "test images on request" 1 sm ingest --in "$T/decathlon" --out "$T/d3" --manifest "$T/take.yaml"
	ok "are a case without labels" test -f "$T/d3/BRATS_900/t1gd.nii.gz" -a ! -e "$T/d3/BRATS_900/seg.nii.gz"
	exits "the index lists the same" 0 sm index --in "$T/decathlon" --out "$T/di"
	like "with the verdict" "$(cat "$OUT")" '^BRATS_004 .*incomplete: .*is missing'
	exits "and ingest can be checked against it" 1 sm ingest --in "$T/decathlon" --index "$T/di" --out "$T/d"

	cp "$T/decathlon/dataset.json" "$T/good.json"
	while read -r change wanted; do
		sed "$change" "$T/good.json" >"$T/decathlon/dataset.json"
		exits "dataset.json, $change" 3 sm ingest --in "$T/decathlon" --out "$T/dx"
		like "is told" "$(cat "$ERR")" "$wanted"
	done <<'END'
s/"modality":.*"labels"/"labels"/ modality names 0 channels, allowed are 1 to 64
s/"T1w"/"FLAIR"/ channels 0 and 1 of modality both become the role flair
s/"oedema"/true/ labels has "2" that is no number from 0 to 255 with a name
s/"4":/"400":/ labels has "400" that is no number
s/"labels":/"marks":/ labels is missing or empty
s|./imagesTr/BRATS_002|../BRATS_002| training.1. has no image that is a path inside
s/"training":/"trainees":/ training is no list
s/^{/[/ line 1 is no JSON
s/BRATS_002/BRATS_001/g two case names become
END
	exits "dataset.json is missing" 3 sm ingest --in "$T/raw" --out "$T/dx" --manifest "$T/decathlon.yaml"
	like "and that is told" "$(cat "$ERR")" 'dataset.json: is missing: .*ingest.layout: files'

	exits "nnU-Net's form, one channel missing" 1 sm ingest --in "$T/nnunet" --out "$T/n"
	like "names it" "$(cat "$ERR")" 'P1: rejected: .*imagesTr/P1_0001.nii.gz is missing'
	is "roles are channel names" "$(ls "$T/n/P0" | tr '\n' ' ')" "case.json flair.nii.gz seg.nii.gz t1.nii.gz "
	like "regions are recorded" "$(head -n 1 "$T/n/ledger.jsonl")" '"regions":\{"whole":\[1,2,4\]\}'

	exits "a BIDS tree with one bad name" 1 sm ingest --in "$T/bids" --out "$T/b"
	log=$(cat "$ERR")
	like "auto knows it" "$log" 'dataset_description.json is there: layout bids'
	like "the bad name" "$log" 'sub-04: rejected: .*sub-05_T1w.nii.gz does not begin with sub-04_'
	like "derivatives are counted" "$log" '1 NIfTI files below derivatives are left out'
	like "and other places" "$log" '1 NIfTI files outside sub-NAME'
	like "a table without a scan" "$log" 'lists 1 subjects of whom there is no scan .the first is sub-03'
	like "a scan without a row" "$log" 'does not list 2 subjects who have scans .the first is sub-02'
	like "a damaged sidecar" "$log" '1 JSON sidecars are damaged .*ses-1_T2w.json'
	like "a damaged gradient table" "$log" 'sub-02/dwi/sub-02_dwi.nii.gz: no gradient table'
	is "a case a session" "$(find "$T/b" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | tr '\n' ' ')" "sub-01_ses-1 sub-01_ses-2 sub-02 "
	is "roles are names without subject and session" "$(ls "$T/b/sub-01_ses-1" | tr '\n' ' ')" \
		"T2w.nii.gz case.json run-1_T1w.nii.gz run-2_T1w.nii.gz task-rest_bold.nii.gz "
	like "sessions share a patient" "$(record sub-01_ses-2 "$T/b")" '"patient":"sub-01"'
	like "a mask is a label" "$(cat "$T/b/sub-02/case.json")" '"voxels": \{'
	ok "numbers are inherited, the nearer ones win" "$PYTHON" - "$T/b" <<'END'
import json, sys
files = json.load(open(sys.argv[1] + '/sub-01_ses-1/case.json'))['Files']
assert files['run-1_T1w']['sidecar'] == {'RepetitionTime': 2.5, 'EchoTime': 0.001}, files['run-1_T1w']
assert files['run-2_T1w']['sidecar'] == {'RepetitionTime': 2.5, 'EchoTime': 0.003, 'SliceTiming': [0, 0.5]}
assert 'sidecar' not in files['T2w'] and 'sidecar' not in files['task-rest_bold']
dwi = json.load(open(sys.argv[1] + '/sub-01_ses-2/case.json'))['Files']['dwi']['sidecar']
assert dwi == {'bval': [0, 1000, 1000], 'bvec': [[0, 1, 0], [0, 0, 1], [0, 0, 0]]}, dwi
assert files['task-rest_bold']['geometry']['dim'] == [6, 5, 4, 3]
END
	unlike "no person and no time of day" "$(cat "$T"/b/ledger.jsonl "$T"/b/*/case.json)" 'Doe|12:00|"age"|sub-03.44'
	exits "again with --resume" 1 sm ingest --in "$T/bids" --out "$T/b" --resume
	like "reuses all" "$(cat "$ERR")" '3 good, 1 rejected, 3 reused'
	printf '{"RepetitionTime": 3}' >"$T/bids/T1w.json"
	exits "after a sidecar changed" 1 sm ingest --in "$T/bids" --out "$T/b" --resume
	like "none of its heirs is reused" "$(cat "$ERR")" '3 good, 1 rejected, 0 reused'
}
if has_python nibabel numpy; then
	volumes
else
	skip "Decathlon and BIDS trees" "no nibabel"
fi

# Pictures, written by hand: pgm FILE WIDTH HEIGHT
pgm() {
	mkdir -p "$(dirname "$1")"
	awk -v w="$2" -v h="$3" 'BEGIN { print "P2", w, h, 4095; for (i = 0; i < w * h; i++) print (i * 37) % 4096 }' >"$1"
}
for i in 1 2 3; do
	pgm "$T/pairs/A/$i.pgm" 9 $((4 + i))
	pgm "$T/pairs/B/$i.pgm" 9 $((4 + i))
done
pgm "$T/pairs/A/only.pgm" 5 5
pgm "$T/pairs/A/size.pgm" 5 5
pgm "$T/pairs/B/size.pgm" 6 5
printf 'GIF89a.........' >"$T/pairs/A/gif.gif"
printf 'GIF89a.........' >"$T/pairs/B/gif.gif"
exits "pairs of pictures, three of them bad" 1 sm ingest --in "$T/pairs" --out "$T/p" --jobs 1
log=$(cat "$ERR")
like "an unpaired name" "$log" "only: rejected: .*no picture of this name in folder 'B', while A/only.pgm is there"
like "unequal sizes" "$log" 'B/size.pgm has 6 x 5 pixels, A/size.pgm has 5 x 5'
like "another format" "$log" 'A/gif.gif: is a GIF picture, allowed are PNG, JPEG, PGM and PPM'
like "the others are good" "$log" '3 good, 3 rejected'
is "two pictures a case" "$(ls "$T/p/1" | tr '\n' ' ')" "A.png B.png case.json "
side=$(tr -d ' \n' <"$T/p/1/case.json")
like "maxval and range" "$side" '"maxval":4095,"range":\[0,1628\],"size":\[9,5\]'
like "bits" "$side" '"bits":16,.*"source_bits":12'
exits "with two threads" 1 sm ingest --in "$T/pairs" --out "$T/p2" --jobs 2
same_tree "no byte depends on the threads" "$T/p" "$T/p2"
exits "verify agrees" 0 sm verify "$T/p"
flip "$T/p/1/A.png" 60
exits "and sees a changed byte" 3 sm verify "$T/p"
exits "--resume too" 1 sm ingest --in "$T/pairs" --out "$T/p" --resume
like "one is made again" "$(cat "$ERR")" '3 good, 3 rejected, 2 reused'
exits "the index lists pictures" 0 sm index --in "$T/pairs" --out "$T/pi"
like "with their folders' roles" "$(record 2 "$T/pi")" '"files":\{"A":"A/2.pgm","B":"B/2.pgm"\}'
exits "without pairs" 1 sm ingest --in "$T/pairs" --out "$T/u" --manifest "$T/unpaired.yaml"
ok "each picture is a case" test -f "$T/u/A_only/A.png" -a -f "$T/u/B_3/B.png"
mkdir "$T/one" && cp -r "$T/pairs/A" "$T/one/A" && pgm "$T/one/B/1.pgm" 9 5
exits "a domain of one picture" 3 sm ingest --in "$T/one" --out "$T/o"
like "is refused" "$(cat "$ERR")" '1: rejected: case 1: role B has 1 picture in all, allowed are 2 or more'
mkdir -p "$T/empty/x/B" && cp -r "$T/pairs/A" "$T/empty/x/A" && rm "$T/empty/x/A/gif.gif" && : >"$T/empty/x/B/.DS_Store"
for how in images unpaired; do
	exits "an empty folder of the other side, $how" 3 sm ingest --in "$T/empty" --out "$T/o" --manifest "$T/$how.yaml"
	like "is told of each picture" "$(cat "$ERR")" "1: rejected: .*folder 'x/B' holds 0 pictures, while x/A/1.pgm is there"
done
mv "$T/empty/x/A" "$T/empty/x/swap" && mv "$T/empty/x/B" "$T/empty/x/A" && mv "$T/empty/x/swap" "$T/empty/x/B"
exits "or of this side" 3 sm ingest --in "$T/empty" --out "$T/o"
like "by its name" "$(cat "$ERR")" "folder 'x/A' holds 0 pictures, while x/B/1.pgm is there"
echo notes >"$T/empty/x/A/notes.txt"
exits "a folder of other files is none" 0 sm ingest --in "$T/empty" --out "$T/o2" --manifest "$T/images.yaml"
rm -r "$T/empty/x/A"
exits "nor is one folder alone" 0 sm ingest --in "$T/empty" --out "$T/o3" --manifest "$T/images.yaml"
printf 'schema: 1\nname: x\ndataset: pair\nsplit: {train: 70, valid: 0, test: 30, near_duplicates: off}\npair: {mode: aligned, a: A, b: B, split: slices}\n' >"$T/sides.yaml"
exits "pair, of pictures of one folder" 3 sm pair --in "$T/o3" --out "$T/o4" --manifest "$T/sides.yaml"
like "says that both sides are missing" "$(cat "$ERR")" "1: rejected: .*no volume, channel or modality 'A' .pair.a. and none of 'B' .pair.b., but 'image' alone, the role of pictures that lie in one folder"
pgm "$T/one/C/1.pgm" 9 5
exits "three folders" 3 sm ingest --in "$T/one" --out "$T/o" --manifest "$T/images.yaml"
like "are no pairs" "$(cat "$ERR")" "pictures lie in 3 folders \('A', 'B', 'C', ...\), allowed are one folder"
exits "no picture at all" 3 sm ingest --in "$T/raw" --out "$T/o" --manifest "$T/images.yaml"
printf 'schema: 1\nname: x\ningest:\n  sources:\n    - {role: photo, pattern: "A/{case}.pgm"}\n    - {role: mask, pattern: "B/{case}.pgm", label: true, optional: true}\n' >"$T/sources.yaml"
exits "pictures by patterns" 1 sm ingest --in "$T/pairs" --out "$T/s" --manifest "$T/sources.yaml"
like "a label of 16 bits" "$(cat "$ERR")" 'B/1.pgm: a label picture of 1 channels and 16 bits, allowed is gray of 8'
ok "roles are the sources'" test -f "$T/s/only/photo.png"

# Pictures of every kind that PIL writes.
if has_python PIL numpy; then
	mkdir "$T/pil"
	"$PYTHON" - "$T/pil" <<'END' || fail_all "PIL did not write its pictures"
import sys
import numpy
from PIL import Image
out = sys.argv[1] + "/"
y, x = numpy.mgrid[0:33, 0:47]
g = Image.fromarray(((x * 5 + y * 3 + (x * y) % 7) % 256).astype("uint8"))
rgb = Image.merge("RGB", [g, g.transpose(0), g.transpose(1)])
for name, image in {"gray": g, "rgb": rgb, "bit": g.point(lambda v: v > 90, "1"), "la": g.convert("LA"),
                    "rgba": rgb.convert("RGBA"), "palette": rgb.quantize(50), "few": rgb.quantize(3)}.items():
    image.save(f"{out}{name}.png")
Image.fromarray((x * 1000 + y).astype("uint16")).save(out + "deep.png")
g.save(out + "g.jpg", quality=80)
rgb.save(out + "c420.jpg", quality=70)
rgb.save(out + "c444.jpg", quality=95, subsampling=0)
rgb.save(out + "prog.jpg", quality=70, progressive=True, comment=b"Doe^Jane")
rgb.save(out + "opt.jpeg", quality=30, optimize=True, subsampling=1)
g.save(out + "p5.pgm")
rgb.save(out + "p6.ppm")
clear = rgb.convert("RGBA")
clear.putpixel((3, 4), (1, 2, 3, 200))
clear.save(out + "clear.png")
rgb.convert("CMYK").save(out + "cmyk.jpg")
exif = Image.Exif()
exif[0x0112] = 6
exif[0x010e] = "Doe^Jane"
rgb.save(out + "turned.jpg", exif=exif)
exif[0x0112] = 1
rgb.save(out + "upright.jpg", exif=exif)
g.save(out + "tiff.tif")
g.save(out + "bmp.bmp")
END
	exits "pictures by PIL, five of them bad" 1 sm ingest --in "$T/pil" --out "$T/pilo" --manifest "$T/images.yaml"
	log=$(cat "$ERR")
	like "sixteen good" "$log" '16 good, 5 rejected'
	like "transparent" "$log" 'clear.png: 1 pixels are transparent, allowed is none'
	like "CMYK" "$log" 'cmyk.jpg: JPEG of four inks'
	like "turned" "$log" 'turned.jpg: EXIF orientation is 6, allowed is 1'
	like "TIFF" "$log" 'tiff.tif: is a TIFF picture'
	like "BMP" "$log" 'bmp.bmp: is a BMP picture'
	ok "PIL reads the same pixels from both" "$PYTHON" "$SM_ROOT/tests/stage/layouts_check.py" pictures "$T/pil" "$T/pilo"
	not_ok "no text left" grep -rq Doe "$T/pilo"
else
	skip "pictures of every kind" "no PIL"
fi

# Real data, when it is there.
real() {
	if [ ! -d "$SM_SHARED_DATA/$1" ]; then
		skip "$1" "not there"
		return 1
	fi
}
if real hippocampus_msd; then
	exits "hippocampus by patterns" 0 sm ingest --in "$SM_SHARED_DATA/hippocampus_msd" --out "$T/h" \
		--manifest "$SM_ROOT/manifests/hippocampus-real.yaml"
	like "all cases" "$(cat "$ERR")" '60 good, 0 rejected'
	like "labels are counted" "$(tr -d ' \n' <"$T/h/hippocampus_001/case.json")" '"voxels":\{"0":[0-9]*,"1":[0-9]*,"2":'
fi
if real mammo_pairs; then
	mkdir -p "$T/some/A" "$T/some/B"
	for i in 96 474 68 197 56; do
		cp "$SM_SHARED_DATA/mammo_pairs/A/$i.png" "$T/some/A"
		cp "$SM_SHARED_DATA/mammo_pairs/B/$i.png" "$T/some/B"
	done
	exits "real pairs" 0 sm ingest --in "$T/some" --out "$T/rp" --manifest "$SM_ROOT/manifests/mammo-pairs-real.yaml"
	if has_python PIL numpy; then
		ok "PIL sees the same pixels" "$PYTHON" "$SM_ROOT/tests/stage/layouts_check.py" pictures "$T/some" "$T/rp"
	else
		skip "PIL sees the same pixels" "no PIL"
	fi
fi
if real mammo_mias; then
	exits "real PGM" 0 sm ingest --in "$SM_SHARED_DATA/mammo_mias" --out "$T/rm"
	if has_python PIL numpy; then
		ok "PIL sees the same pixels here too" "$PYTHON" "$SM_ROOT/tests/stage/layouts_check.py" pictures \
			"$SM_SHARED_DATA/mammo_mias" "$T/rm"
	else
		skip "PIL sees the same pixels here too" "no PIL"
	fi
fi
done_testing
