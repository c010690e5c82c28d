#!/bin/sh
# Puts the viewer's library (NiiVue, eval/assets/NIIVUE-LICENCE) into DIR, where scanmill-report looks
# for it: beside the program. Usage: scripts/fetch_viewer.sh DIR
# Version and hashes are pinned; a file with another hash is never kept. Once fetched it stands in
# build/viewer, and other folders get it from there without network.
set -eu

version=0.69.0
tarball_sha256=6e9a6a471b428eb3b258a0086beca9187d95e43a781a39e8a519c6da246af485
file_sha256=47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:?usage: scripts/fetch_viewer.sh DIR}
name=niivue-$version.umd.js
kept=$root/build/viewer/$name

# is FILE HASH
is() {
	[ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

put() {
	mkdir -p "$dir"
	cp "$kept" "$dir/.$name.partial"
	mv "$dir/.$name.partial" "$dir/$name"
	echo "viewer: $dir/$name"
}

if is "$dir/$name" "$file_sha256"; then
	echo "viewer: is there"
	exit 0
fi
if is "$kept" "$file_sha256"; then
	put
	exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
	echo "viewer: needs npm (Debian: apt-get install npm) to fetch @niivue/niivue $version" >&2
	exit 1
fi
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
(cd "$temp" && npm pack --silent --fetch-retries=0 --fetch-timeout=60000 "@niivue/niivue@$version" >/dev/null) || {
	echo "viewer: npm could not fetch @niivue/niivue $version" >&2
	exit 1
}
tarball=$temp/niivue-niivue-$version.tgz
if ! is "$tarball" "$tarball_sha256"; then
	echo "viewer: the package has another hash than $tarball_sha256: not taken" >&2
	exit 1
fi
tar -xzf "$tarball" -C "$temp" package/dist/niivue.umd.js
if ! is "$temp/package/dist/niivue.umd.js" "$file_sha256"; then
	echo "viewer: the library has another hash than $file_sha256: not taken" >&2
	exit 1
fi
mkdir -p "${kept%/*}"
cp "$temp/package/dist/niivue.umd.js" "$kept.partial"
mv "$kept.partial" "$kept"
put
