#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes docs/report-example from the folders that `make demo` leaves: its report without the viewer's library, which would be
# most of the page. Usage: scripts/report_example.sh WORK BIN OUT
set -eu
work=$1
bin=$2
out=$3
manifest=$(mktemp "${TMPDIR:-/tmp}/scanmill-example.XXXXXX")
trap 'rm -f "$manifest"' EXIT
sed 's/^report: {/report: {viewer: false, /' manifests/demo.yaml >"$manifest"
grep -q 'viewer: false' "$manifest"
rm -rf "$out"
"$bin/scanmill-report" --manifest "$manifest" --in "$work/evaluate" --train "$work/train" --predict "$work/predict" \
	--truth "$work/ingest" --split "$work/split" --out "$out"
