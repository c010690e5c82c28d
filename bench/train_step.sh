#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A training step of UNet3D on 4x16x160x160, at full width and at a quarter: GF/s of each
# convolution, share of the measured fp32 peak, forecast and peak memory.
# usage: bench/train_step.sh [THREADS]
set -eu
cd "$(dirname "$0")/.."
threads=${1:-$(nproc)}
make --no-print-directory build/release/bin/bench_train_step >&2
for width in 1 0.25; do
	echo "== UNet3D width $width, 4x16x160x160, batch 1"
	build/release/bin/bench_train_step "$threads" "$width" 2
done
