# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# TAP helpers for the stage and end-to-end tests, in POSIX sh. Use:
#
#	#!/bin/sh
#	. "$(dirname "$0")/../lib.sh"
#	exits "a good run" 0 sm tile --in "$T/in" --out "$T/out"
#	like "says how many" "$(cat "$ERR")" '12 cases'
#	done_testing
#
# $T is a fresh folder, removed at the end (kept with SM_KEEP=1). Binaries come from $SM_BIN, or
# from build/release/bin. $OUT and $ERR hold what the last `exits` or `run` printed.

set -u
LC_ALL=C
export LC_ALL
SM_ROOT=$(cd "$(dirname "$0")/../.." && pwd)
SM_BIN=${SM_BIN:-$SM_ROOT/build/release/bin}
SM_SHARED_DATA=${SM_SHARED_DATA:-$SM_ROOT/../shared/data}
PYTHON=${PYTHON:-/usr/bin/python3}
export SM_BIN SM_ROOT PYTHON
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-test.XXXXXX") || exit 1
OUT=$T/.stdout
ERR=$T/.stderr
TAP_COUNT=0
TAP_FAILED=0

cleanup() {
	if [ -z "${SM_KEEP:-}" ]; then
		chmod -R u+rwx "$T" 2>/dev/null
		rm -rf "$T"
	fi
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# Comment lines.
diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# pass NAME, fail NAME: the two lines that everything else prints through.
pass() {
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s\n' "$TAP_COUNT" "$1"
}
fail() {
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok %d - %s\n' "$TAP_COUNT" "$1"
	return 1
}

# sm STAGE ARGS...: runs scanmill-STAGE.
sm() {
	sm_program=$SM_BIN/scanmill-$1
	shift
	"$sm_program" "$@"
}

# run COMMAND...: its output goes to $OUT and $ERR, its exit code to $CODE.
run() {
	"$@" >"$OUT" 2>"$ERR"
	CODE=$?
	return 0
}

# ok NAME COMMAND...: passes when the command succeeds. $OUT and $ERR stay what they were.
ok() {
	tap_name=$1
	shift
	if "$@" >"$T/.ok" 2>&1; then
		pass "$tap_name"
	else
		fail "$tap_name"
		diag "failed: $*"
		tail -n 20 "$T/.ok" | sed 's/^/# /'
		return 1
	fi
}

# not_ok NAME COMMAND...: passes when the command fails by itself (not by a signal).
not_ok() {
	tap_name=$1
	shift
	run "$@"
	if [ "$CODE" -ne 0 ] && [ "$CODE" -lt 126 ]; then
		pass "$tap_name"
	else
		fail "$tap_name"
		diag "exit code $CODE of: $*"
	fi
}

# exits NAME CODE COMMAND...: passes when the command's exit code is CODE.
exits() {
	tap_name=$1
	tap_code=$2
	shift 2
	run "$@"
	if [ "$CODE" -eq "$tap_code" ]; then
		pass "$tap_name"
	else
		fail "$tap_name"
		diag "exit code $CODE, wanted $tap_code, of: $*"
		tail -n 20 "$OUT" "$ERR" | sed 's/^/# /'
		return 1
	fi
}

# is NAME GOT WANTED: equal texts.
is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		diag "   got: $2"
		diag "wanted: $3"
		return 1
	fi
}

# isnt NAME GOT UNWANTED.
isnt() {
	if [ "$2" != "$3" ]; then
		pass "$1"
	else
		fail "$1"
		diag "both are: $2"
		return 1
	fi
}

# like NAME TEXT PATTERN: an extended regular expression matches a line of TEXT.
like() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		pass "$1"
	else
		fail "$1"
		diag "   got: $2"
		diag "wanted: $3"
		return 1
	fi
}

# unlike NAME TEXT PATTERN.
unlike() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		fail "$1"
		diag "     got: $2"
		diag "unwanted: $3"
		return 1
	fi
	pass "$1"
}

# skip NAME REASON: one test that cannot run here.
skip() {
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$1" "$2"
}

# skip_all REASON: leaves the script. For what the machine lacks, never for what scanmill failed to do.
skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# fail_all REASON: a failed test that ends the script: what the tests need could not be made.
fail_all() {
	fail "what the tests need"
	diag "$1"
	done_testing
}

# needs STAGE...: fails the whole script when one of the programs is not built.
needs() {
	for tap_stage; do
		[ -x "$SM_BIN/scanmill-$tap_stage" ] || fail_all "scanmill-$tap_stage is not built"
	done
}

# has_python MODULE...: true when $PYTHON can import them.
has_python() {
	for tap_module; do
		"$PYTHON" -c "import $tap_module" 2>/dev/null || return 1
	done
}

# hashes DIR: SHA-256 and relative path of every file below DIR, sorted: equal folders give equal
# texts.
hashes() {
	(cd "$1" && find . -type f ! -name '.*.cache' | sort | xargs -r -d '\n' sha256sum)
}

# same_tree NAME DIR DIR: both hold at least one file, and the same files.
same_tree() {
	tap_a=$(hashes "$2")
	tap_b=$(hashes "$3")
	if [ -n "$tap_a" ] && [ "$tap_a" = "$tap_b" ]; then
		pass "$1"
	else
		fail "$1"
		printf '%s\n' "$tap_a" >"$T/.tree_a"
		printf '%s\n' "$tap_b" >"$T/.tree_b"
		diff "$T/.tree_a" "$T/.tree_b" | head -n 20 | sed 's/^/# /'
		return 1
	fi
}

# flip FILE OFFSET: inverts one byte.
flip() {
	tap_byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the octal escape is the point
	printf "\\$(printf %o $((255 - tap_byte)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# size FILE: bytes.
size() {
	wc -c <"$1" | tr -d ' '
}

# done_testing: prints the plan; the exit code tells whether all passed.
done_testing() {
	printf '1..%d\n' "$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ]
	exit $?
}
