#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Time of each convolution layer of the networks, by the kernel that the rule takes (or the one
# named), against oneDNN's float32, and the errors of both.
# usage: bench/conv.sh [THREADS] [KERNEL|rule] [REPEATS] [WHAT: a part of a line, as vnet, "64>64" or bwd_w]
set -eu
cd "$(dirname "$0")/.."
make --no-print-directory build/release/bin/bench_conv >&2
exec build/release/bin/bench_conv "${1:-1}" "${2:-rule}" "${3:-5}" ${4:+"$4"}
