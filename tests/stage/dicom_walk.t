#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every file of the malformed, odd, codec and vendor sets gets its verdict, in two seconds and one GiB.
# tests/golden/dicom_verdicts.txt holds one line a file or series: path, exit code, what stderr must
# say (a regular expression; "-" = no error line). scripts/golden_verdicts.sh prints the lines anew;
# each was judged by hand against the README of its set.
. "$(dirname "$0")/../lib.sh"
needs ingest

data=$SM_SHARED_DATA
if [ ! -d "$data/malformed/dicom" ]; then
	skip "the walk over malformed and odd files" "no $data"
	done_testing
	exit
fi
printf 'schema: 1\nname: walk\ningest: {min_slices: 1, burned_text: keep}\n' >"$T/walk.yaml"
# A sanitizer reserves terabytes of addresses.
case $SM_BIN in
*address* | *thread* | *clang*) limit=unlimited ;;
*) limit=1048576 ;;
esac
(
	tab=$(printf '\t')
	walked=0
	while IFS=$tab read -r path code says; do
		case $path in '' | '#'*) continue ;; esac
		rm -rf "$T/one" "$T/out"
		mkdir "$T/one"
		ln -s "$data/$path" "$T/one/$(basename "$path")"
		[ -d "$data/$path" ] && { rmdir "$T/one" 2>/dev/null || rm -r "$T/one"; ln -s "$data/$path" "$T/one"; }
		(
			# shellcheck disable=SC3045 # dash and bash have it
			ulimit -v "$limit"
			# Single files as pictures, series by the rules that everybody gets.
			rules="--manifest $T/walk.yaml"
			[ -d "$data/$path" ] && rules=
			# shellcheck disable=SC2086 # two words or none
			# 14 million pixels of JPEG 2000 are no malformed file.
			seconds=${SM_WALK_SECONDS:-2}
			case $path in mammo_*) seconds=20 ;; esac
			exec timeout "$seconds" "$SM_BIN/scanmill-ingest" $rules \
				--in "$T/one" --out "$T/out" --jobs 2
		) >"$OUT" 2>"$ERR"
		got=$?
		said=$(grep -v 'no --salt-file' "$ERR" | grep -E 'error|warning|set aside' | cut -c1-400)
		if [ "$got" != "$code" ]; then
			fail "$path: exit code $code"
			diag "got $got: $said"
		elif [ "$says" = - ] && [ "$code" = 0 ]; then
			pass "$path: read"
		else
			like "$path: $says" "$said" "$says"
		fi
		walked=$((walked + 1))
	done <"$SM_ROOT/tests/golden/dicom_verdicts.txt"
	ok "the table names every file" test "$walked" -ge 180
	done_testing
)
