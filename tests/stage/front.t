#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
[ -x "$SM_BIN/scanmill" ] || fail_all "scanmill is not built"
front=$SM_BIN/scanmill

exits "--help" 0 "$front" --help
for stage in index ingest preprocess split tile slice pair train predict evaluate report phantom verify \
	manifest; do
	like "lists $stage" "$(cat "$OUT")" "^  $stage +[A-Za-z]"
done
exits "--version" 0 "$front" --version
like "is a version" "$(cat "$OUT")" '^scanmill [0-9]+\.[0-9]+\.[0-9]+$'
exits "no stage" 2 "$front"
like "prints the help" "$(cat "$ERR")" '^Usage: scanmill STAGE'
exits "an unknown stage" 2 "$front" evaluat
like "has a suggestion" "$(cat "$ERR")" "no stage 'evaluat', did you mean 'evaluate'"
exits "a name with slashes is no stage" 2 "$front" ../../bin/true

exits "a stage's own help" 0 "$front" phantom --help
like "comes through" "$(cat "$OUT")" '^Usage: scanmill phantom'
exits "a stage's exit code comes through" 2 "$front" phantom --cases 0 --out "$T/x"
mkdir "$T/bin"
cp "$front" "$T/bin/"
exits "a stage that is not built" 2 "$T/bin/scanmill" train
like "is told" "$(cat "$ERR")" 'scanmill-train is not built'
ln -s "$front" "$T/link"
exits "a link to the program finds its stages" 0 "$T/link" phantom --help
if [ -c /dev/full ]; then
	exits "a full disk behind stdout" 4 sh -c "\"$front\" --help >/dev/full"
fi

# Every program that is built has a row, a help text, a version and a description.
for program in "$SM_BIN"/scanmill-*; do
	name=${program##*/scanmill-}
	[ "$name" = train-mpi ] && continue # stage train for mpirun, where make MPI=1 built it
	run "$front" --help
	like "$name has a row" "$(cat "$OUT")" "^  $name "
	summary=$("$program" --help | head -n 1)
	is "$name has the same summary there" "$(grep "^  $name " "$OUT" | sed 's/^  [a-z]* *//')" \
		"${summary#scanmill "$name": }"
	exits "$name --version" 0 "$program" --version
	exits "$name --describe" 0 "$program" --describe
	if has_python json; then
		cp "$OUT" "$T/description"
		ok "is JSON" "$PYTHON" -m json.tool "$T/description" /dev/null
	fi
	exits "$name refuses an unknown option" 2 "$program" --no-such-option
done
done_testing
