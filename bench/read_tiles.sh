#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Reading tiles as training does, in random order from a warm cache: uncompressed GB a second from stored and from
# gzip-compressed shards of 25 tiles of 160x160x16 with 4 channels a case. Usage: bench/read_tiles.sh [JOBS] [ROUNDS]
set -eu
JOBS=${1:-2}
ROUNDS=${2:-5}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${SM_BIN:-$ROOT/build/release/bin}
T=$(mktemp -d "${TMPDIR:-/tmp}/scanmill-bench.XXXXXX")
trap 'rm -rf "$T"' EXIT
make -s -C "$ROOT" build/release/bin/bench_read_tiles >/dev/null
"$BIN/scanmill-phantom" --cases 3 --seed 1 --size 240,240,155 --out "$T/raw" --log error >/dev/null
"$BIN/scanmill-ingest" --in "$T/raw" --out "$T/ingest" --log error
for level in 0 1 6; do
	cat >"$T/m.yaml" <<END
schema: 1
name: bench
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
tile: {max_background: 1.01, compression: $level}
END
	"$BIN/scanmill-tile" --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/tile$level" --jobs "$JOBS" --log error
	echo "gzip level $level (0 = stored), $(du -sm "$T/tile$level" | cut -f 1) MiB on disk"
	"$ROOT/build/release/bin/bench_read_tiles" "$ROUNDS" "$JOBS" "$T/tile$level"/*.h5
	rm -r "$T/tile$level"
done
