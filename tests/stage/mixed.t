#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Layout mixed: DICOM series and NIfTI cases in one tree, and alternatives in patterns.
. "$(dirname "$0")/../lib.sh"
needs phantom index ingest verify

head -c 32 /dev/urandom >"$T/salt"
chmod 600 "$T/salt"
cat >"$T/m.yaml" <<'END'
schema: 1
name: mixed
ingest:
  layout: mixed
  sources:
    - {role: mr, pattern: "{case}/mr.nii* | {case}/MR_T1_image.nii*", optional: true}
    - {role: ct, pattern: "{case}/ct.nii* | {case}/CT_image.nii*", optional: true}
END
printf 'schema: 1\nname: series\ningest: {layout: mixed}\n' >"$T/series.yaml"

# ingest MANIFEST RAW OUT ARGS...
ingest() {
	ingest_m=$1 ingest_raw=$2 ingest_out=$3
	shift 3
	sm ingest --manifest "$T/$ingest_m.yaml" --in "$T/$ingest_raw" --out "$T/$ingest_out" --salt-file "$T/salt" "$@"
}

small="--size 24,20,12 --spacing 8,8,12"
# shellcheck disable=SC2086
run sm phantom --kind mr_ct --cases 2 $small --out "$T/raw"
# shellcheck disable=SC2086
run sm phantom --kind mr_ct_pair --cases 1 $small --out "$T/pair"
run sm phantom --kind pet_dynamic --cases 1 --size 14,12,9 --spacing 4,4,5 --out "$T/pet"
cp -r "$T/pair/PAIR_001" "$T/pet/PET_001" "$T/raw/"
# A DICOM file that a pattern would fit belongs to its series.
mv "$T/raw/CT_001/IM00001.dcm" "$T/raw/CT_001/mr.nii"

exits "series and cases" 0 ingest m raw out --jobs 2
is "one item each" "$(grep -c '"key"' "$T/out/ledger.jsonl")" 6
is "CT volumes are named ct" "$(find "$T"/out/ct-* -type f | sed 's|.*/||' | sort -u | tr '\n' ' ')" "ct.json ct.nii.gz "
is "the DICOM PET is named pet" "$(ls "$T"/out/pt-*/ | tr '\n' ' ')" "pet.json pet.nii.gz "
is "a case by patterns has what is there" "$(ls "$T"/out/MR_001/ | tr '\n' ' ')" "case.json mr.nii.gz "
is "or both" "$(ls "$T"/out/PAIR_001/ | tr '\n' ' ')" "case.json ct.nii.gz mr.nii.gz "
like "roles in the ledger" "$(grep '"key":"ct-' "$T/out/ledger.jsonl" | head -n 1)" '"modality":"CT".*"role":"ct","sha256"'
cat >"$T/head.yaml" <<'END_HEAD'
schema: 1
name: head
preprocess:
  steps:
    - {remove_background: {preset: head}, when: ct}
END_HEAD
exits "the preset head" 0 sm preprocess --manifest "$T/head.yaml" --in "$T/out" --out "$T/heads"
like "takes CT of DICOM by its HU" "$(grep '"key":"ct-' "$T/heads/ledger.jsonl" | head -n 1)" '"rule":"HU"'
like "and CT of files by its role" "$(grep '"key":"PAIR_001"' "$T/heads/ledger.jsonl")" '"rule":"HU"'
like "the record's role" "$(grep '"key":"pt-' "$T/out/ledger.jsonl")" '"role":"pet","slice_mm"'
like "a series' patient is a salted hash" "$(grep '"key":"pt-' "$T/out/ledger.jsonl")" '"patient":"p[0-9a-f]{12}"'
like "a case's patient is its key" "$(grep '"key":"MR_002"' "$T/out/ledger.jsonl")" '"patient":"MR_002"'
unlike "no path of a DICOM file" "$(cat "$T/out/ledger.jsonl" "$T"/out/*/*.json)" 'IM000|CT_001'
exits "verify" 0 sm verify "$T/out"
exits "one thread" 0 ingest m raw one --jobs 1
same_tree "makes the same bytes" "$T/out" "$T/one"
exits "again" 0 ingest m raw out --resume
like "nothing is done twice" "$(cat "$ERR")" '6 good, 0 rejected, 6 reused'
exits "dry run" 0 ingest m raw dry --dry-run
ok "writes nothing" test ! -e "$T/dry"

exits "index" 0 sm index --manifest "$T/m.yaml" --in "$T/raw" --out "$T/index" --salt-file "$T/salt"
is "the catalogue has them all" "$(grep -c ',ok,yes,' "$T/index/catalogue.csv")" 6
like "with sizes" "$(cat "$T/index/catalogue.csv")" '^PAIR_001,PAIR_001,case,,24x20x12,'
exits "ingest holds the tree against it" 0 ingest m raw checked --index "$T/index"

exits "without sources: the series alone" 0 ingest series raw series_out
is "three of them" "$(grep -c '"key"' "$T/series_out/ledger.jsonl")" 3
like "the rest is counted" "$(cat "$ERR")" '4 NIfTI files belong to no series and no case'
exits "layout auto names volumes image" 0 sm ingest --in "$T/raw/CT_002" --out "$T/auto" --salt-file "$T/salt"
is "as ever" "$(ls "$T"/auto/ct-*/ | tr '\n' ' ')" "image.json image.nii.gz "
is "with the same voxels" "$(gzip -dc "$T"/auto/ct-*/image.nii.gz | sha256sum)" \
	"$(for f in "$T"/out/ct-*; do [ -d "$T/auto/${f##*/}" ] && gzip -dc "$f/ct.nii.gz" | sha256sum; done)"

# Times of frames come along from a JSON file beside the volume.
# shellcheck disable=SC2086
run sm phantom --kind pet_ct --cases 1 $small --out "$T/pet_ct"
sed 's/role: mr, pattern: "[^"]*"/role: pet, pattern: "{case}\/pet.nii*"/' "$T/m.yaml" >"$T/pet.yaml"
exits "a PET with its frames beside it" 0 ingest pet pet_ct pet_out
like "has their times" "$(tr -d ' \n' <"$T/pet_out/PET_001/case.json")" \
	'"sidecar":\{"FrameDuration":\[30(\.0)?,30(\.0)?,60(\.0)?,120'

# A later alternative beside an earlier one is left, told and recorded.
cp "$T/raw/MR_001/mr.nii.gz" "$T/raw/MR_001/MR_T1_image.nii.gz"
exits "two alternatives fit" 0 ingest m raw two
like "the first is taken, with a warning" "$(cat "$ERR")" \
	'warning: MR_001: role mr: MR_001/mr.nii.gz was taken; MR_001/MR_T1_image.nii.gz, which fits a later alternative'
like "and a record" "$(grep '"key":"MR_001"' "$T/two/ledger.jsonl")" \
	'"not_taken":\[\{"path":"MR_001/MR_T1_image.nii.gz","role":"mr"\}\]'
unlike "other cases have none" "$(grep '"key":"MR_002"' "$T/two/ledger.jsonl")" 'not_taken'
exits "index tells it too" 0 sm index --manifest "$T/m.yaml" --in "$T/raw" --out "$T/index2" --salt-file "$T/salt"
like "in its record" "$(grep '"key":"MR_001"' "$T/index2/ledger.jsonl")" '"not_taken":\[\{'
mv "$T/raw/MR_001/mr.nii.gz" "$T/away.nii.gz"
exits "the later one alone" 0 ingest m raw later
is "is as good" "$(gzip -dc "$T/later/MR_001/mr.nii.gz" | sha256sum)" "$(gzip -dc "$T/out/MR_001/mr.nii.gz" | sha256sum)"
unlike "and no warning" "$(cat "$ERR")" 'alternative'
cp "$T/away.nii.gz" "$T/raw/MR_001/MR_T1_image.nii"
exits "two files of one alternative are refused" 1 ingest m raw clash
like "by name" "$(cat "$ERR")" 'case MR_001: 2 files fit role mr \(MR_001/MR_T1_image.nii, MR_001/MR_T1_image.nii.gz\)'

sed 's/| {case}.CT_image.nii\*/|/' "$T/m.yaml" >"$T/empty.yaml"
exits "an empty alternative" 2 ingest empty raw bad
like "is told" "$(cat "$ERR")" "the pattern '.case./ct.nii\* |' of role ct has an empty alternative"
mkdir "$T/none"
echo text >"$T/none/notes.txt"
exits "a tree with nothing" 3 ingest m none bad
like "names what it looked for" "$(cat "$ERR")" 'layout mixed looks for \(DICOM files, and what the patterns of ingest.sources fit\)'

data=$SM_SHARED_DATA
if [ -d "$data/sts_ct_mr_pet" ]; then
	exits "real series" 0 sm ingest --manifest "$T/m.yaml" --in "$data/sts_ct_mr_pet/dicom" --out "$T/sts" --salt-file "$T/salt"
	is "two CT, two MR, two PET" "$(ls "$T"/sts/*/*.nii.gz | sed 's|.*/||' | sort | uniq -c | tr -s ' \n' ' ')" \
		" 2 ct.nii.gz 2 mr.nii.gz 2 pet.nii.gz "
	exits "real cases of two grids" 0 sm ingest --manifest "$T/m.yaml" --in "$data/sts_ct_mr_pet/nifti" --out "$T/nifti" --salt-file "$T/salt"
	is "seven of each" "$(ls "$T"/nifti/*/*.nii.gz | sed 's|.*/||' | sort | uniq -c | tr -s ' \n' ' ')" \
		" 7 ct.nii.gz 7 mr.nii.gz "
else
	skip "real series" "no $data"
fi
done_testing
