#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# verify, diff and trace hold one stage's ledger at a time: what a run of many stages takes is what one stage takes.
. "$(dirname "$0")/../lib.sh"
needs verify diff trace

STAGES=10
CASES=1500
# A chain of stages by hand: each case was made from the same case of the stage before, and has a long fact.
echo "a file" >"$T/file"
hash=$(sha256sum <"$T/file" | cut -c 1-64)
settings=$(printf '{"seed":1}' | sha256sum | cut -c 1-64)
make_work() { # WORK STAGES
	parents=
	for s in $(seq "$2"); do
		dir=$1/stage$(printf %02d "$s")
		mkdir -p "$dir"
		awk -v n="$CASES" -v stage="stage$s" -v parents="$parents" -v settings="$settings" -v hash="$hash" 'BEGIN {
			printf "{\"parents\":{%s},\"schema\":1,\"settings\":{\"seed\":1},\"settings_sha256\":\"%s\",\"stage\":\"%s\",\"version\":1}\n", parents, settings, stage
			for (k = 0; k < 200; k++)
				fact = fact (k ? "," : "") k
			for (i = 1; i <= n; i++)
				printf "{\"inputs\":[{\"path\":\"case%05d\",\"role\":\"x\",\"sha256\":\"%s\"}],\"key\":\"case%05d\",\"numbers\":[%s],\"outputs\":[{\"path\":\"case%05d\",\"role\":\"x\",\"sha256\":\"%s\"}],\"status\":\"ok\"}\n", i, hash, i, fact, i, hash
		}' >"$dir/ledger.jsonl"
		parents="\"stage$s\":\"$(sha256sum <"$dir/ledger.jsonl" | cut -c 1-64)\""
	done
}
make_work "$T/one" 1
make_work "$T/all" "$STAGES"
# least PATTERN PROGRAM ARGS...: the least address space in MiB, in steps, in which the program prints that.
least() {
	pattern=$1
	program=$SM_BIN/scanmill-$2
	shift 2
	for mb in 32 48 64 96 128 192 256 384 512 768 1024 2048; do
		OMP_NUM_THREADS=1 prlimit --core=0 --as=$((mb << 20)) "$program" --jobs 1 --log error "$@" >"$OUT" 2>"$ERR"
		if grep -q "$pattern" "$OUT"; then
			echo "$mb"
			return
		fi
	done
	echo none
}
if ! prlimit --as=$((1 << 30)) "$SM_BIN/scanmill-verify" --help >/dev/null 2>&1; then
	skip "memory of long ledgers" "no prlimit, or a build that does not run in 1 GiB of addresses"
	done_testing
	exit
fi
for what in verify diff trace; do
	case $what in
	verify) one=$(least "^stage1 " verify "$T/one") all=$(least "^stage$STAGES " verify "$T/all") ;;
	diff)
		one=$(least "^stage1 .* $CASES items the same" diff "$T/one" "$T/one")
		all=$(least "^stage$STAGES .* $CASES items the same" diff "$T/all" "$T/all")
		;;
	trace)
		one=$(least '^stage1  case00007' trace "$T/one" case00007)
		all=$(least '^ *stage1  case00007' trace "$T/all" case00007)
		;;
	esac
	diag "$what: one stage $one MiB, $STAGES stages $all MiB"
	ok "$what: its size is known" test "$one" != none
	ok "$what: $STAGES stages take no more than twice as much" test "$all" -le "$((2 * one))"
done
done_testing
