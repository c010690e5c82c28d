# tools/: programs that are no stage of the road: the front program, manifest check, verify, diff, trace.
EXES += scanmill scanmill-manifest scanmill-verify scanmill-diff scanmill-trace
scanmill_SRC := tools/scanmill.c tools/child.c
scanmill_USE := core
scanmill_LD :=
scanmill-manifest_SRC := tools/manifest_main.c
scanmill-manifest_USE := eval manifest ops core
scanmill-manifest_LD :=
scanmill-verify_SRC := tools/verify_main.c tools/verify.c tools/strange.c tools/rederive.c tools/child.c tools/folders.c
scanmill-verify_USE := manifest ops core
# Tile files are known by a weak name (core/content.c): here nothing else asks for it.
scanmill-verify_LD := -Wl,-u,sm_h5_content_sha256
scanmill-diff_SRC := tools/diff_main.c tools/diff.c tools/folders.c
scanmill-diff_USE := core
scanmill-trace_SRC := tools/trace_main.c tools/trace.c tools/trace_cell.c tools/folders.c
scanmill-trace_USE := core
