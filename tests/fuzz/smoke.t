#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every fuzz target for a moment: SM_FUZZ_SECONDS (60) for all together, from the seeds in
# tests/fuzz/seeds. No crash, hang (5 s), leak or more than 1 GiB. `make check` builds the targets
# first; without clang's fuzzer there is nothing to run.
. "$(dirname "$0")/../lib.sh"

bin=${SM_FUZZ_BIN:-$SM_ROOT/build/fuzzer-clang/bin}
targets=$(find "$bin" -name 'fuzz_*' -type f -perm -u+x 2>/dev/null | sort)
if [ -z "$targets" ]; then
	skip "fuzz targets" "none built in $bin"
	done_testing
	exit
fi
count=$(printf '%s\n' "$targets" | wc -l)
seconds=$((${SM_FUZZ_SECONDS:-60} / count))
[ "$seconds" -ge 1 ] || seconds=1
for target in $targets; do
	name=$(basename "$target")
	mkdir -p "$T/$name"
	seeds=$SM_ROOT/tests/fuzz/seeds/$name
	[ -d "$seeds" ] || seeds=
	# shellcheck disable=SC2086 # an optional folder
	run "$target" -max_total_time="$seconds" -seed=1 -max_len=16384 -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="$T/$name-" "$T/$name" $seeds
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$ERR")
	if [ "$CODE" = 0 ] && [ "${runs:-0}" -gt 0 ]; then
		pass "$name: $runs executions in $seconds s"
	else
		fail "$name: exit code $CODE"
		tail -n 25 "$ERR" | sed 's/^/# /'
	fi
done
done_testing
