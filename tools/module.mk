# tools/: programs that are no stage of the road: the front program, manifest check, verify.
EXES += scanmill scanmill-manifest scanmill-verify
scanmill_SRC := tools/scanmill.c
scanmill_USE := core
scanmill_LD :=
scanmill-manifest_SRC := tools/manifest_main.c
scanmill-manifest_USE := manifest ops core
scanmill-manifest_LD :=
scanmill-verify_SRC := tools/verify_main.c tools/verify.c
scanmill-verify_USE := core
# Tile files are known by a weak name (core/content.c): here nothing else asks for it.
scanmill-verify_LD := -Wl,-u,sm_h5_content_sha256
