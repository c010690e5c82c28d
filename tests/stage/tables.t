#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The table of the README that comes from one of docs/ by a command.
. "$(dirname "$0")/../lib.sh"

summary() {
	sh "$SM_ROOT/bench/train.sh" --summary "$@"
}
exits "the steps in docs/benchmarks.md" 0 summary "$SM_ROOT/docs/benchmarks.md"
is "are those of README.md" "$(grep -A 30 '^| network | step, ms | PyTorch' "$SM_ROOT/README.md" | awk '/^[|]/ { print; next } { exit }')" "$(cat "$OUT")"
cat >"$T/saved.md" <<'END'
a CPU, 2 threads

| network | program | step, ms | processor, ms | times ours | by processor time | peak MiB | forecast MiB | share of the direct bound: clock, processor |
|---|---|---|---|---|---|---|---|---|
| A, 2 | ours f32 | 100 | 190 | 1 | 1 | 30 | 31 (+1.0 %) | 1.50, 1.60 |
| A, 2 | ours bf16 | 120 | 200 | 1.20 | 1.05 | 20 | 21 (+1.0 %) | 2.50, 2.60 |
| A, 2 | f32, plain (torch 2) | 310 | 600 | 3.10 | 3.16 | 99 | | |
| A, 2 | bf16, channels last (torch 2) | 205 | 400 | 2.05 (1.7 of bf16) | 2.1 | 80 | | |
| A, 2 | f32, plain (torch 1) | 400 | 700 | 4.00 | 3.7 | 120 | | |
| B | ours f32 | 10 | 19 | 1 | 1 | 3 | 3 (+1.0 %) | 0.50, 0.60 |

| network | something else | 3 |
|---|---|---|
| A, 2 | ours f32 | 7 |
END
exits "a saved run" 0 summary "$T/saved.md"
is "the newest PyTorch counts, and it may be missing" "$(tail -n +3 "$OUT")" "| A, 2 | 100 | 310 | **3.1** | 2.0 | 1.50 | 30 | 99 |
| B | 10 |  |  |  | 0.50 | 3 |  |"
exits "a file without such a table" 1 summary "$SM_ROOT/LICENSE"
like "is told" "$(cat "$ERR")" 'has no row of bench/train.sh'
exits "no file" 2 summary
done_testing
