#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill_test.sh [N [SEED [NAME...]]]: N times (100) kill -9 of a running `make dataset` and all that it started, at random
# moments drawn from SEED (1). After each kill no file with a final name may differ from that of an undisturbed build;
# after one to three kills the build is resumed to its end, and its bytes and folders must be those of the undisturbed
# one. In every other build each kill is followed by other settings (seed, sizes), a case less or a case more: what was
# begun with the ones goes on with the others. NAME: reference builds of scripts/dataset_phantom.sh, taken in turn.
# $SM_BIN = folder of the programs.
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
# Files and folders of a build that has ended.
whole() {
	hashes "$1"
	(cd "$1" && find . -mindepth 1 \( -type d -o -name '*.partial' \) | sort)
}
# What a build can be of: the reference, other settings, one case less.
STATES="full settings fewer"
# dataset DIR STATE WORK: the program takes the place of the shell, so that $! is its own id.
dataset() {
	manifest=$1/manifest.yaml raw=$1/raw
	[ "$2" != settings ] || manifest=$1/settings.yaml
	[ "$2" != fewer ] || raw=$1/fewer
	exec setsid make -s -f "$1/road.mk" dataset MANIFEST="$manifest" RAW="$raw" WORK="$3" SALT="$1/salt" JOBS=2
}
# another_state: one of the states but $now, into $now.
another_state() {
	was=$now
	while [ "$now" = "$was" ]; do
		draw 3
		# shellcheck disable=SC2086 # a list
		now=$(pick $drawn $STATES)
	done
}
pick() {
	shift "$(($1 + 1))"
	echo "$1"
}
# The scans and the manifest of the other states.
make_states() {
	sed 's/^split: {/&seed: 9, /; s/size: \[32, 32, 16\]/size: [24, 40, 8]/; s/^  per_case: 5/  seed: 99\n  per_case: 4/
		s/size: \[128, 128, 0\]/size: [96, 112, 0]/; s/size: \[256, 256, 0\]/size: [192, 160, 0]/
		s/divide: 128/divide: 100/' "$1/manifest.yaml" >"$1/settings.yaml"
	cp -r "$1/raw" "$1/fewer"
	if [ -d "$1/fewer/A" ]; then # pictures: a case is a name in both
		last=$(find "$1/fewer/A" -type f | sort | tail -n 1)
		rm "$1/fewer/A/${last##*/}" "$1/fewer/B/${last##*/}"
	else
		rm -r "$(find "$1/fewer" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1)"
	fi
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
	make_states "$T/$name"
	for now in $STATES; do
		start=$(now_ms)
		(dataset "$T/$name" "$now" "$T/timed") >/dev/null 2>"$T/log" ||
			fail "$name: the undisturbed build ($now) failed: $(tail -n 3 "$T/log")"
		[ "$now" != full ] || echo $(($(now_ms) - start)) >"$T/$name/took"
		hashes "$T/timed" >"$T/$name/hashes.$now"
		whole "$T/timed" >"$T/$name/whole.$now"
		rm -rf "$T/timed"
		[ "$now" = full ] || ! cmp -s "$T/$name/hashes.$now" "$T/$name/reference" ||
			fail "$name: '$now' is the same data set"
	done
	cmp -s "$T/$name/hashes.full" "$T/$name/reference" || fail "$name: two undisturbed builds differ"
done

struck=0 missed=0 rounds=0 inside=0 turned=0 to_settings=0 to_fewer=0 to_full=0
while [ $struck -lt "$wanted" ]; do
	name=$1
	shift
	set -- "$@" "$name"
	took=$(cat "$T/$name/took")
	work=$T/work
	rm -rf "$work"
	now=full
	changing=$((rounds % 2)) changed=0
	[ $changing -eq 0 ] || another_state
	draw 3
	kills=$((drawn + 1))
	cat "$T/$name/hashes.$now" >"$T/may"
	while [ $kills -gt 0 ] && [ $struck -lt "$wanted" ]; do
		kills=$((kills - 1))
		draw "$took"
		dataset "$T/$name" "$now" "$work" >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '%d.%03d' $((drawn / 1000)) $((drawn % 1000)))"
		kill -s KILL -- -$pid 2>/dev/null || :
		code=0
		wait $pid 2>/dev/null || code=$?
		gone $pid
		if [ $code -ne 137 ]; then
			missed=$((missed + 1))
			[ $missed -lt $((20 + 5 * wanted)) ] || fail "too many kills came too late"
			if [ $changing -eq 1 ] && [ $changed -eq 0 ]; then # it shall be half a build that goes on
				kills=$((kills + 1))
				rm -rf "$work"
			fi
			continue
		fi
		struck=$((struck + 1))
		if [ -d "$work" ]; then
			[ -z "$(find "$work" -name '.journal.partial')" ] || inside=$((inside + 1))
			half=$(hashes "$work" | grep -vxFf "$T/may" || :)
			[ -z "$half" ] || fail "$name: kill $struck after $drawn ms left what no build makes: $half"
		fi
		[ $changing -eq 1 ] || continue
		another_state
		cat "$T/$name/hashes.$now" >>"$T/may"
		changed=1
		case $now in
		settings) to_settings=$((to_settings + 1)) ;;
		fewer) to_fewer=$((to_fewer + 1)) ;;
		*) to_full=$((to_full + 1)) ;;
		esac
	done
	(dataset "$T/$name" "$now" "$work") >"$T/log" 2>&1 || fail "$name: the run after $struck kills failed: $(tail -n 3 "$T/log")"
	whole "$work" >"$T/after"
	cmp -s "$T/after" "$T/$name/whole.$now" ||
		fail "$name: after $struck kills the bytes differ from those of '$now': $(diff "$T/after" "$T/$name/whole.$now" | head -n 5)"
	rounds=$((rounds + 1))
	turned=$((turned + changed))
done
echo "kill test: $turned builds went on with something else after a kill: $to_settings times other settings, $to_fewer times a case less, $to_full times all cases and the first settings"
echo "kill test: $struck kills ($inside while a stage was writing; $missed more came too late) in $rounds builds: all ended with the bytes of the undisturbed ones"
