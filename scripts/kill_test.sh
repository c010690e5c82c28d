#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill_test.sh [N [SEED [NAME...]]]: N times (100) kill -9 of a running `make dataset` and all that it started, at random
# moments drawn from SEED (1). After each kill no file with a final name may differ from that of an undisturbed build;
# after one to three kills the build is resumed to its end, and its bytes must be those of the undisturbed
# one. NAME: reference builds of scripts/dataset_phantom.sh, taken in turn. $SM_BIN = folder of the programs.
set -eu
LC_ALL=C
export LC_ALL
# Settings of a make that started this are none of ours.
unset MAKEFLAGS MFLAGS MAKELEVEL
ROOT=$(cd "$(dirname "$0")/.." && pwd)
wanted=${1:-100}
state=${2:-1}
[ $# -lt 2 ] || shift
[ $# -lt 1 ] || shift
[ $# -gt 0 ] || set -- brats3d unet2d ct2ct mammo pet2ct-strict
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-kill.XXXXXX")
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT TERM HUP

# draw N: a number from 0 to N - 1 in $drawn (the generator of C's standard, its upper bits).
draw() {
	state=$(((state * 1103515245 + 12345) % 2147483648))
	drawn=$((state / 65536 % $1))
}
now_ms() {
	echo $(($(date +%s%N) / 1000000))
}
hashes() {
	(cd "$1" && find . -type f ! -name '.*' | sort | xargs -r -d '\n' sha256sum)
}
# dataset DIR WORK: the program takes the place of the shell, so that $! is its own id.
dataset() {
	exec setsid make -s -f "$1/road.mk" dataset MANIFEST="$1/manifest.yaml" RAW="$1/raw" WORK="$2" SALT="$1/salt" JOBS=2
}
# Waits until nothing of the process group runs any more.
gone() {
	tries=0
	while [ $tries -lt 200 ] && ps -eo pgid=,stat= | awk -v g="$1" '$1 == g && $2 !~ /^Z/ { n++ } END { exit !n }'; do
		tries=$((tries + 1))
		sleep 0.01
	done
}
fail() {
	echo "kill test: $*" >&2
	exit 1
}

for name; do
	sh "$ROOT/scripts/dataset_phantom.sh" "$name" "$T/$name" 2 >/dev/null 2>"$T/log" ||
		fail "$name: the undisturbed build failed: $(tail -n 3 "$T/log")"
	hashes "$T/$name/work" >"$T/$name/reference"
	start=$(now_ms)
	(dataset "$T/$name" "$T/$name/timed") >/dev/null 2>&1 || fail "$name: the second build failed"
	echo $(($(now_ms) - start)) >"$T/$name/took"
	hashes "$T/$name/timed" | cmp -s - "$T/$name/reference" || fail "$name: two undisturbed builds differ"
done

struck=0 missed=0 rounds=0 inside=0
while [ $struck -lt "$wanted" ]; do
	name=$1
	shift
	set -- "$@" "$name"
	took=$(cat "$T/$name/took")
	work=$T/work
	rm -rf "$work"
	draw 3
	kills=$((drawn + 1))
	while [ $kills -gt 0 ] && [ $struck -lt "$wanted" ]; do
		kills=$((kills - 1))
		draw "$took"
		dataset "$T/$name" "$work" >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '%d.%03d' $((drawn / 1000)) $((drawn % 1000)))"
		kill -s KILL -- -$pid 2>/dev/null || :
		code=0
		wait $pid 2>/dev/null || code=$?
		gone $pid
		if [ $code -ne 137 ]; then
			missed=$((missed + 1))
			[ $missed -lt $((20 + 5 * wanted)) ] || fail "too many kills came too late"
			continue
		fi
		struck=$((struck + 1))
		[ -d "$work" ] || continue
		[ -z "$(find "$work" -name '.journal.partial')" ] || inside=$((inside + 1))
		half=$(hashes "$work" | grep -vxFf "$T/$name/reference" || :)
		[ -z "$half" ] || fail "$name: kill $struck after $drawn ms left what no build makes: $half"
	done
	(dataset "$T/$name" "$work") >"$T/log" 2>&1 || fail "$name: the run after $struck kills failed: $(tail -n 3 "$T/log")"
	hashes "$work" >"$T/after"
	cmp -s "$T/after" "$T/$name/reference" ||
		fail "$name: after $struck kills the bytes differ: $(diff "$T/after" "$T/$name/reference" | head -n 5)"
	rounds=$((rounds + 1))
done
echo "kill test: $struck kills ($inside while a stage was writing; $missed more came too late) in $rounds builds: all ended with the bytes of the undisturbed ones"
