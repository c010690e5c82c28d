#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints what `scanmill ingest` says today of every file of the malformed, odd and codec sets and of
# every vendor series: path, exit code, sentence. A person compares it with the README of each set
# before a line goes to tests/golden/dicom_verdicts.txt.
#   scripts/golden_verdicts.sh ../shared/data build/release/bin
set -u
data=$1
bin=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'schema: 1\nname: walk\ningest: {min_slices: 1, burned_text: keep}\n' >"$work/walk.yaml"
{
	(cd "$data" && find malformed/dicom dicom_odd codecs nifti_variants/dicom_csa pet_acrin_flt mammo_mg_dicom -type f ! -name '*.md')
	(cd "$data" && find mr_ct_vendors mr_siemens_mosaic mr_siemens_orient mr_enhanced ct_head_ge mr_t1_philips mr_tumour_dicom sts_ct_mr_pet/dicom \
		-type f \( -name '*.dcm' -o -name '*.IMA' -o -name 'IM*' \) -printf '%h\n' | sort -u)
} | LC_ALL=C sort | while read -r path; do
	rm -rf "$work/one" "$work/out"
	if [ -d "$data/$path" ]; then
		ln -s "$(realpath "$data/$path")" "$work/one"
	else
		mkdir "$work/one"
		ln -s "$(realpath "$data/$path")" "$work/one/$(basename "$path")"
	fi
	# Single files as pictures, series by the rules that everybody gets.
	rules="--manifest $work/walk.yaml"
	[ -d "$data/$path" ] && rules=
	# shellcheck disable=SC2086 # two words or none
	timeout 10 "$bin/scanmill-ingest" $rules --in "$work/one" --out "$work/out" >/dev/null 2>"$work/err"
	printf '%s\t%d\t%s\n' "$path" "$?" "$(grep -v 'no --salt-file' "$work/err" | grep -E 'error|warning|set aside' |
		sed 's/^ingest: //; s/\(error\|info\|warning\): [^ ]*: //' | head -n 2 | tr '\n' ' ' | cut -c1-260)"
	rm -f "$work/one" 2>/dev/null || rm -r "$work/one"
done
