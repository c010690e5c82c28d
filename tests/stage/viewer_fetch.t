#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/fetch_viewer.sh: nothing but the pinned library is ever kept, and what was fetched once needs no network.
. "$(dirname "$0")/../lib.sh"
mkdir -p "$T/scripts" "$T/tools" "$T/bin"
cp "$SM_ROOT/scripts/fetch_viewer.sh" "$T/scripts/"
name=$(sed -n 's/^version=//p' "$T/scripts/fetch_viewer.sh")
file=niivue-$name.umd.js

is "its hash is the one that report wants" "$(sed -n 's/^file_sha256=//p' "$T/scripts/fetch_viewer.sh")" \
	"$(sed -n 's/.*SM_VIEWER_SHA256 "\(.*\)"/\1/p' "$SM_ROOT/eval/viewer.h")"
is "and its name" "$file" "$(sed -n 's/.*SM_VIEWER_FILE "\([^"]*\)".*/\1/p' "$SM_ROOT/eval/viewer.h")"

# A registry that gives another package.
cat >"$T/tools/npm" <<'EOS'
#!/bin/sh
mkdir -p package/dist
echo 'alert(1)' >package/dist/niivue.umd.js
tar -czf "niivue-niivue-$SM_VERSION_WANTED.tgz" package
EOS
chmod +x "$T/tools/npm"
SM_VERSION_WANTED=$name
export SM_VERSION_WANTED
exits "another package" 1 env PATH="$T/tools:$PATH" sh "$T/scripts/fetch_viewer.sh" "$T/bin"
like "is refused" "$(cat "$ERR")" 'the package has another hash .*not taken'
is "and nothing is kept" "$(find "$T/bin" "$T/build" -type f 2>/dev/null)" ""

printf '#!/bin/sh\nexit 1\n' >"$T/tools/npm"
exits "no network" 1 env PATH="$T/tools:$PATH" sh "$T/scripts/fetch_viewer.sh" "$T/bin"
like "is said" "$(cat "$ERR")" 'npm could not fetch'

library=$SM_ROOT/build/viewer/$file
if [ -f "$library" ]; then
	mkdir -p "$T/build/viewer"
	cp "$library" "$T/build/viewer/"
	exits "what was fetched once needs no network" 0 env PATH="$T/tools:$PATH" sh "$T/scripts/fetch_viewer.sh" "$T/bin"
	ok "and stands beside the programs" cmp "$library" "$T/bin/$file"
	exits "again" 0 env PATH="$T/tools:$PATH" sh "$T/scripts/fetch_viewer.sh" "$T/bin"
	like "nothing is to be done" "$(cat "$OUT")" 'is there'
	echo damaged >>"$T/bin/$file"
	exits "a damaged copy" 0 env PATH="$T/tools:$PATH" sh "$T/scripts/fetch_viewer.sh" "$T/bin"
	ok "is replaced" cmp "$library" "$T/bin/$file"
else
	skip "what was fetched once needs no network" "the library was not fetched (make viewer)"
fi
done_testing
