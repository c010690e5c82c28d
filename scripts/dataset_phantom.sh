#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dataset_phantom.sh NAME OUT [JOBS]: the reference build of manifests/NAME.yaml: a small phantom in OUT/raw, `make dataset`
# into OUT/work. Prints hash and name of every output, sorted by name: what manifests/expected/NAME.sha256 holds.
# With NAME --list: the names of all reference builds. $SM_BIN = folder of the programs.
set -eu
LC_ALL=C
export LC_ALL
# Settings of a make that started this are none of ours.
unset MAKEFLAGS MFLAGS MAKELEVEL
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
NAMES="brats3d brats3d-strict unet2d unet2d-strict mr2ct mr2ct-strict pet2ct pet2ct-strict ct2ct ct2ct-strict mammo mammo-strict"
if [ "${1:-}" = --list ]; then
	echo "$NAMES"
	exit 0
fi
if [ $# -lt 2 ]; then
	echo "usage: sh scripts/dataset_phantom.sh NAME OUT [JOBS]" >&2
	exit 2
fi
name=$1
out=$2
jobs=${3:-0}

# A grid that is small, and as deep as the manifest's slices ask for. Only the tiles of 160x160x16 have no room
# in one: they are cut smaller.
small=
case $name in
brats3d*)
	size="--cases 3 --size 64,64,40 --spacing 3.75,3.75,3.875"
	small='s/size: \[160, 160, 16\]/size: [32, 32, 16]/; s/per_case: 25/per_case: 5/'
	;;
unet2d) size="--cases 3 --size 48,48,124 --spacing 5,5,1.25" ;;
unet2d-strict) size="--cases 3 --size 48,48,32 --spacing 5,5,5" ;;
mr2ct) size="--cases 3 --size 48,64,64 --spacing 3,3,3 --ct-size 64,64,16" ;;
mr2ct-strict) size="--cases 3 --size 48,64,24 --spacing 3,3,6 --ct-size 64,64,16" ;;
pet2ct*) size="--cases 3 --size 32,32,16 --spacing 8,8,10 --frames 3" ;;
ct2ct*) size="--cases 3 --size 48,48,12 --spacing 5,5,5" ;;
mammo*) size="--cases 6 --size 64,64,1" ;;
*)
	echo "dataset_phantom.sh: found '$name', allowed are $NAMES" >&2
	exit 2
	;;
esac

mkdir -p "$out"
out=$(cd "$out" && pwd)
cp "$ROOT/manifests/$name.yaml" "$out/manifest.yaml"
[ -z "$small" ] || sed "$small" "$ROOT/manifests/$name.yaml" >"$out/manifest.yaml"
# DICOM items are named by salted hashes: the salt is a part of the reference.
[ -e "$out/salt" ] || (umask 077 && echo 'the salt of the reference builds' >"$out/salt")
# shellcheck disable=SC2086 # a list
"$BIN/scanmill-phantom" --manifest "$out/manifest.yaml" --out "$out/raw" --jobs "$jobs" --log warning $size >&2
# The stages alone: the programs are built already.
printf '.DELETE_ON_ERROR:\nall:\nBIN = %s\ninclude %s\n' "$BIN" "$ROOT/scripts/pipeline.mk" >"$out/road.mk"
make -s -f "$out/road.mk" dataset MANIFEST="$out/manifest.yaml" RAW="$out/raw" WORK="$out/work" \
	SALT="$out/salt" JOBS="$jobs" >&2
"$BIN/scanmill-verify" --list --log warning "$out/work" >"$out/verify.txt"
grep -E '^[0-9a-f]{64}  ' "$out/verify.txt" | sort -k 2
