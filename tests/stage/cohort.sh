# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A small ingested cohort for the tests of preprocess, split, tile and slice. Source it after
# tests/lib.sh: $T/ingest holds 4 cases of 48 x 48 x 24 voxels, $T/regions what the phantom said.

needs phantom ingest
run sm phantom --cases 4 --size 48,48,24 --empty-et 0.25 --out "$T/raw"
cp "$OUT" "$T/regions"
[ "$CODE" -eq 0 ] && run sm ingest --in "$T/raw" --out "$T/ingest"
[ "$CODE" -eq 0 ] || fail_all "the cohort could not be made: $(cat "$ERR")"

# manifest FILE: the road's settings for this cohort; more sections may be appended.
manifest() {
	cat >"$1" <<'END'
schema: 1
name: cohort
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3], known: [0, 1, 2, 4]}
END
}

# record DIR KEY: the line of a case in a ledger.
record() {
	grep "\"key\":\"$2\"" "$1/ledger.jsonl"
}

# edit_manifest SED-EXPRESSION FILE: a changed copy of $T/m.yaml.
edit_manifest() {
	sed "$1" "$T/m.yaml" >"$2"
}
