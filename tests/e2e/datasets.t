#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The twelve data sets on small phantoms: `make dataset` on one thread, on two, and from another place gives the hashes
# that manifests/expected/ holds, and each can be derived again.
. "$(dirname "$0")/../lib.sh"
needs phantom index ingest preprocess split tile slice pair verify

NAMES=$(sh "$SM_ROOT/scripts/dataset_phantom.sh" --list)
is "every manifest of a data set has its hashes" "$(cd "$SM_ROOT/manifests/expected" && ls | tr '\n' ' ')" \
	"$(for name in $NAMES; do echo "$name.sha256"; done | sort | tr '\n' ' ')"

# build NAME JOBS
build() {
	sh "$SM_ROOT/scripts/dataset_phantom.sh" "$1" "$T/$2/$1" "$2" >"$T/$1.$2"
}
for name in $NAMES; do
	expected=$SM_ROOT/manifests/expected/$name.sha256
	for jobs in 1 2; do
		if exits "$name on $jobs thread(s)" 0 build "$name" $jobs; then
			is "$name on $jobs thread(s): the expected hashes" "$(diff "$expected" "$T/$name.$jobs" | head -n 4)" ""
		fi
	done
	same_tree "$name: the same ledgers and bytes" "$T/1/$name/work" "$T/2/$name/work"
	exits "$name: derived again" 0 sm verify --rederive --sample 2 --manifest "$T/2/$name/manifest.yaml" \
		--raw "$T/2/$name/raw" --salt-file "$T/2/$name/salt" "$T/2/$name/work"
	is "$name: every stage of it" "$(grep -c 'derived again: .* good$' "$OUT")" \
		"$(find "$T/2/$name/work" -name ledger.jsonl | wc -l | tr -d ' ')"
	unlike "$name: no place or host in a ledger" "$(cat "$T/2/$name/work"/*/ledger.jsonl)" "$T|$(hostname)"
	unlike "$name: nor the name of a phantom's patient" \
		"$(cat "$T/2/$name/work"/*/ledger.jsonl)" 'PHANTOM\^|Phantom\^'
done

# The programs at another path, started from another folder by another user's shell.
mkdir -p "$T/home"
for part in manifests scripts; do
	cp -r "$SM_ROOT/$part" "$T/home/$part"
done
cp -r "$SM_BIN" "$T/home/bin"
elsewhere() {
	cd / && umask 027 && env -i PATH="$PATH" HOME="$T/home" TZ=Pacific/Auckland LC_ALL=C OMP_NUM_THREADS=1 \
		SM_BIN="$T/home/bin" sh "$T/home/scripts/dataset_phantom.sh" ct2ct-strict "$T/home/out" 2 >"$T/elsewhere.txt"
}
exits "from another place" 0 elsewhere
is "the expected hashes" "$(diff "$SM_ROOT/manifests/expected/ct2ct-strict.sha256" "$T/elsewhere.txt" | head -n 4)" ""
same_tree "the same ledgers and bytes" "$T/1/ct2ct-strict/work" "$T/home/out/work"
done_testing
