#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rebuild_elsewhere.sh [NAME...]: copies the sources (nothing built) to a new folder under another path, builds them there,
# makes the reference data sets and compares their hashes with manifests/expected/. Takes minutes. NAME: reference
# builds of scripts/dataset_phantom.sh; none = all. JOBS = threads (2).
set -eu
LC_ALL=C
export LC_ALL
ROOT=$(cd "$(dirname "$0")/.." && pwd)
jobs=${JOBS:-2}
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-elsewhere.XXXXXX")
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT TERM HUP
unset MAKEFLAGS MFLAGS MAKELEVEL SM_BIN
# Another depth and another length of the path than here.
clone=$T/a/rather/long/path/of/its/own/scanmill
mkdir -p "$clone"
(cd "$ROOT" && git ls-files -co --exclude-standard | while read -r file; do
	[ ! -f "$file" ] || printf '%s\n' "$file"
done | tar cf - -T -) | (cd "$clone" && tar xf -)
make -s -C "$clone" -j "$jobs" all >"$T/build.log" 2>&1 || {
	tail -n 20 "$T/build.log" >&2
	exit 1
}
# shellcheck disable=SC2046 # a list
[ $# -gt 0 ] || set -- $(sh "$clone/scripts/dataset_phantom.sh" --list)
bad=0
for name; do
	if (cd / && sh "$clone/scripts/dataset_phantom.sh" "$name" "$T/$name" "$jobs") >"$T/list" 2>"$T/log" &&
		diff "$ROOT/manifests/expected/$name.sha256" "$T/list" >"$T/diff"; then
		echo "$name: $(wc -l <"$T/list" | tr -d ' ') outputs, all as expected"
	else
		bad=1
		echo "$name: differs" >&2
		tail -n 3 "$T/log" >&2
		head -n 5 "$T/diff" >&2
	fi
	rm -rf "${T:?}/$name"
done
exit $bad
