# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Tiles of a tiny cohort for the tests of train and predict. Source it after tests/lib.sh: 4 cases of 32 x 32 x 16
# voxels in $T/ingest, $T/preprocess, $T/split (2 train, 1 valid, 1 test) and $T/tile, $T/m.yaml.

needs phantom ingest preprocess split tile
cat >"$T/m.yaml" <<'END'
schema: 1
name: tiny
preprocess:
  steps:
    - stack: {roles: [flair, t1ce, t1, t2]}
    - relabel: {from: [4], to: [3]}
split: {train: 50, test: 25, valid: 25}
tile: {size: [16, 16, 8], per_case: 8, max_background: 1.01, tumour_share: 0.75}
train:
  width: 0.0625
  loss: dice_bce
  learning_rate: 0.003
  batch: 3
  epochs: 4
  steps_per_epoch: 0
  checkpoint_every: 2
END

tiny() {
	sm phantom --cases 4 --size 32,32,16 --empty-et 0 --out "$T/raw" &&
		sm ingest --in "$T/raw" --out "$T/ingest" &&
		sm preprocess --manifest "$T/m.yaml" --in "$T/ingest" --out "$T/preprocess" &&
		sm split --manifest "$T/m.yaml" --in "$T/preprocess" --out "$T/split" &&
		sm tile --manifest "$T/m.yaml" --in "$T/preprocess" --out "$T/tile"
}
run tiny
[ "$CODE" -eq 0 ] || fail_all "the tiles could not be made: $(cat "$ERR")"

# edit SED-EXPRESSION FILE: a changed copy of $T/m.yaml.
edit() {
	sed "$1" "$T/m.yaml" >"$2"
}

# training OUT ARGS...: the training of $T/m.yaml on one thread; --manifest, --in, --split and --jobs in
# ARGS take the place of these.
training() {
	training_out=$1
	shift
	case " $* " in *" --manifest "*) ;; *) set -- --manifest "$T/m.yaml" "$@" ;; esac
	case " $* " in *" --split "*) ;; *) set -- --split "$T/split" "$@" ;; esac
	case " $* " in *" --jobs "*) ;; *) set -- --jobs 1 "$@" ;; esac
	case " $* " in *" --in "*) ;; *) set -- --in "$T/tile" "$@" ;; esac
	sm train --out "$training_out" "$@"
}

# full_disk COMMAND...: no file can grow above 64 KiB.
full_disk() {
	(
		trap '' XFSZ
		ulimit -f 128
		"$@"
	)
}
