#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A few kills of `make dataset` at random moments; scripts/kill_test.sh 100 makes many.
. "$(dirname "$0")/../lib.sh"
needs phantom index ingest preprocess split tile slice pair verify

exits "five kills" 0 sh "$SM_ROOT/scripts/kill_test.sh" 5 7 brats3d ct2ct
like "have struck" "$(cat "$OUT")" '^kill test: 5 kills .* all ended with the bytes of the undisturbed ones$'
like "some before other settings or cases" "$(cat "$OUT")" "^kill test: [1-9][0-9]* builds went on with something else after a kill: "
done_testing
