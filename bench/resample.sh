#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# resample.sh [THREADS [RUNS]]: a 240x240x155 volume to 0.8 mm with each method, and with SimpleITK
# where $PYTHON has it. The volume is the real FLAIR of ../shared/data, or a phantom's.
set -eu
cd "$(dirname "$0")/.."
threads=${1:-2} runs=${2:-5}
make -s build/release/bin/bench_resample build/release/bin/scanmill-phantom build/release/bin/scanmill
flair=${SM_SHARED_DATA:-../shared/data}/brats_tcga_fg_6692/brats_space/TCGA-FG-6692_fla.nii.gz
if [ ! -f "$flair" ]; then
	dir=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
	trap 'rm -rf "$dir"' EXIT
	build/release/bin/scanmill phantom --cases 1 --size 240,240,155 --out "$dir" >/dev/null
	flair=$dir/BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz
fi
build/release/bin/bench_resample "$flair" 0.8 "$threads" "$runs"
if "${PYTHON:-python3}" -c 'import SimpleITK' 2>/dev/null; then
	"${PYTHON:-python3}" bench/resample.py "$flair" 0.8 "$threads" "$runs"
else
	echo "SimpleITK: not there (PYTHON names a python3 that has it)"
fi
