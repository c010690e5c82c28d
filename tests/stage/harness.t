#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A broken or missing program must fail the tests that need it, never skip them.
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/bin" "$T/tests/stage"
ln -s "$SM_ROOT/tests/lib.sh" "$T/tests/lib.sh"
# verdict NAME SCRIPT: the script's own tests fail, and none of it is skipped.
verdict() {
	printf '. "%s/tests/lib.sh"\nSM_ROOT=%s\n%s\npass "the end"\ndone_testing\n' "$SM_ROOT" "$SM_ROOT" "$2" \
		>"$T/tests/stage/probe"
	run env SM_BIN="$T/bin" sh "$T/tests/stage/probe"
	isnt "$1: fails" "$CODE" 0
	like "$1: is a failed test" "$(cat "$OUT")" '^not ok 1 '
	unlike "$1: is not skipped" "$(cat "$OUT")" 'SKIP|the end'
}

verdict "a program that is not built" 'needs split'
for stage in phantom index ingest preprocess split tile slice pair train predict evaluate report; do
	printf '#!/bin/sh\nexit 5\n' >"$T/bin/scanmill-$stage"
	chmod +x "$T/bin/scanmill-$stage"
done
verdict "a cohort that cannot be made" ". '$SM_ROOT/tests/stage/cohort.sh'"
verdict "tiles that cannot be made" ". '$SM_ROOT/tests/stage/tiny.sh'"
verdict "a raw tree that cannot be made" ". '$SM_ROOT/tests/e2e/road.sh'
make_raw"
done_testing
