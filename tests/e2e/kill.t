#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill -9 at any moment: nothing half stands under a final name, and a second run finishes with the
# bytes of an undisturbed one.
. "$(dirname "$0")/../lib.sh"
. "$SM_ROOT/tests/e2e/road.sh"

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# An undisturbed run of the road, with the time each stage takes.
make_raw
for stage in $ROAD_STAGES; do
	start=$(now_ms)
	exits "$stage undisturbed" 0 step "$stage" --jobs 2
	eval "took_$stage=$(($(now_ms) - start))"
done
REFERENCE=$W

# killed_run STAGE MS: starts the stage and kills it after so many milliseconds, or with MS "work" as
# soon as it writes. Sets $KILLED.
killed_run() {
	STEP_EXEC=1
	step "$1" --jobs 2 >/dev/null 2>&1 &
	pid=$!
	STEP_EXEC=
	if [ "$2" = work ]; then
		# No program is started here: the smallest stages write for a few milliseconds only.
		while [ ! -e "$W/$1/.journal.partial" ] && [ ! -e "$W/$1/ledger.jsonl" ] && kill -0 $pid 2>/dev/null; do
			:
		done
	else
		sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
	fi
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	if [ $? -eq 137 ]; then
		KILLED=yes
	else
		KILLED=no
	fi
}

# The phantom tool is no stage of the road, but its cohort is as whole or absent.
start=$(now_ms)
exits "phantom undisturbed" 0 sm phantom --out "$T/raw1" --cases 4 --size 96,96,48
took=$(($(now_ms) - start))
for part in 3 6; do
	rm -rf "$T/raw2"
	("$SM_BIN/scanmill-phantom" --out "$T/raw2" --cases 4 --size 96,96,48 >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '0.%03d' $((took * part / 10)))"
		kill -9 $pid
		wait $pid) 2>/dev/null
	whole_or_absent "phantom killed at $part/10: nothing half" "$T/raw1" "$T/raw2"
	exits "phantom killed at $part/10: the second run" 0 sm phantom --out "$T/raw2" --cases 4 --size 96,96,48
	same_tree "phantom killed at $part/10: ends with the same bytes" "$T/raw1" "$T/raw2"
done

for stage in $ROAD_STAGES; do
	eval "took=\$took_$stage"
	hits=0
	W=$T/killed
	for part in work 2 5 8; do
		for try in 1 2 3 4 5 6 7 8 9 10; do
			rm -rf "$W"
			mkdir "$W"
			# The earlier stages' folders are those of the undisturbed run.
			for other in $ROAD_STAGES; do
				[ "$other" = "$stage" ] || [ ! -d "$REFERENCE/$other" ] ||
					ln -s "$REFERENCE/$other" "$W/$other"
			done
			if [ $part = work ]; then
				killed_run "$stage" work
			else
				killed_run "$stage" $((took * part / 10))
			fi
			# Only the kill at work must strike; a stage may be faster than a part of its time.
			[ $KILLED = no ] && [ $part = work ] || break
		done
		[ $KILLED = yes ] && hits=$((hits + 1))
		[ $part != work ] || is "$stage killed at work: the kill struck (try $try)" $KILLED yes
		# A checkpoint under the name last or best changes from epoch to epoch; what stands there must
		# be whole, which the second run shows.
		if [ "$stage" != train ] && [ -d "$W/$stage" ]; then
			whole_or_absent "$stage killed at $part/10: nothing half" "$REFERENCE/$stage" "$W/$stage"
		fi
		exits "$stage killed at $part/10: the second run" 0 step "$stage" --jobs 2 --resume
		same_tree "$stage killed at $part/10: ends with the same bytes" "$REFERENCE/$stage" \
			"$W/$stage"
	done
	diag "$stage: took $took ms, $hits of 4 kills struck"
done
done_testing
