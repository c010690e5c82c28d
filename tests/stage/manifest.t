#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs manifest

cat >"$T/good.yaml" <<'END'
schema: 1
name: test
tile:
  size: [32, 32, 8]
  max_background: 0.9
END
exits "a good manifest" 0 sm manifest "$T/good.yaml"
cp "$OUT" "$T/resolved.json"
like "comes back as written" "$(cat "$T/resolved.json")" '"max_background": 0.9,'
like "with defaults filled in" "$(cat "$T/resolved.json")" '"per_case": 25,'
if has_python json; then
	ok "as JSON" "$PYTHON" -m json.tool "$T/resolved.json" /dev/null
else
	skip "as JSON" "no python"
fi
exits "by --manifest" 0 sm manifest --manifest "$T/good.yaml"
is "the same" "$(cat "$OUT")" "$(cat "$T/resolved.json")"

# bad NAME PATTERN: a manifest on standard input that must be refused.
bad() {
	cat >"$T/bad.yaml"
	exits "$1" 2 sm manifest "$T/bad.yaml"
	like "is named" "$(cat "$ERR")" "$2"
}
bad "a misspelt key" "bad.yaml:4: unknown key 'per_caes' .did you mean 'per_case'" <<'END'
schema: 1
name: test
tile:
  per_caes: 3
END
bad "a misspelt section" "bad.yaml:3: unknown key 'tiel' .did you mean 'tile'" <<'END'
schema: 1
name: test
tiel:
  per_case: 3
END
bad "a metric that is none" "evaluate.metrics: found 'dize', allowed are all, dice, iou, " <<'END'
schema: 1
name: x
evaluate: {metrics: [dize]}
END

bad "and of images" "evaluate.metrics: found 'dice', allowed are mae, rmse, psnr, ssim" <<'END'
schema: 1
name: x
dataset: pair
evaluate: {metrics: [dice]}
END

bad "a value out of range" "bad.yaml:4: train.batch: found '0', allowed is a whole number from 1" <<'END'
schema: 1
name: test
train:
  batch: 0
END
bad "a value of another type" "predict.overlap: found 'half', allowed is a number" <<'END'
schema: 1
name: test
predict:
  overlap: half
END
bad "a choice that is none" "predict.blend: found 'median', allowed is one of uniform.gaussian" <<'END'
schema: 1
name: test
predict:
  blend: median
END
bad "an unknown model" "train.model: found 'unet4d', allowed is one of unet3d" <<'END'
schema: 1
name: test
train:
  model: unet4d
END
bad "an unknown loss" "train.loss: found 'hinge', allowed is one of soft_dice.dice.generalised_dice" <<'END'
schema: 1
name: test
train:
  loss: hinge
END
bad "an unknown optimiser" "train.optimiser: found 'lion', allowed is one of adam.adamw.sgd" <<'END'
schema: 1
name: test
train:
  optimiser: lion
END
bad "an unknown fold" "predict.fold: found 'tset', allowed is one of train.test.valid.all" <<'END'
schema: 1
name: test
predict:
  fold: tset
END
bad "a list of the wrong length" "tile.size: found 2 values, allowed are exactly 3" <<'END'
schema: 1
name: test
tile:
  size: [32, 32]
END
bad "a role that leads elsewhere" "ingest: sources.0..role: found '../../evil', allowed are letters" <<'END'
schema: 1
name: test
ingest:
  layout: files
  sources: [{role: "../../evil", pattern: "{case}_t1.nii"}]
END
bad "a role that stands twice" "ingest: sources.1..role: found 't1' again" <<'END'
schema: 1
name: test
ingest:
  layout: files
  sources: [{role: t1, pattern: "{case}_t1.nii"}, {role: t1, pattern: "{case}_t2.nii"}]
END
bad "files without sources" "ingest: sources: is missing" <<'END'
schema: 1
name: test
ingest: {layout: files}
END
bad "no shares" "split: train, test and valid: found 0" <<'END'
schema: 1
name: test
split: {train: 0, test: 0, valid: 0}
END
bad "a window upside down" "slice: window: found 80 to 0, allowed is low < high" <<'END'
schema: 1
name: test
slice: {window: [80, 0]}
END
bad "a relabelling twice" "preprocess: steps: step 1 .relabel." <<'END'
schema: 1
name: test
preprocess:
  steps:
    - relabel: {from: [1, 1], to: [2, 3]}
END
bad "no name" "name: is missing" <<'END'
schema: 1
END
bad "another schema" "schema: found '2'" <<'END'
schema: 2
name: test
END
bad "a key that stands twice" "bad.yaml.*(twice|duplicate|name|Mapping|already)" <<'END'
schema: 1
name: test
name: again
END
bad "broken YAML" "bad.yaml:[0-9]+" <<'END'
schema: 1
name: [test
END
bad "an unknown operation" "unknown key 'normalize' .did you mean 'normalise'" <<'END'
schema: 1
name: test
preprocess:
  steps:
    - normalize: {method: zscore}
END
bad "two operations in one entry" "steps.0.: found 2 operations" <<'END'
schema: 1
name: test
preprocess:
  steps:
    - normalise: {method: zscore}
      relabel: {from: [4], to: [3]}
END
bad "an empty list where the default is not empty" "bad.yaml:6: preprocess.steps.stack: roles: found an empty list" <<'END'
schema: 1
name: test
preprocess:
  steps:
    - stack:
        roles: []
END
bad "a channel that stands twice" "step 1 .stack.: roles lists 'a' twice" <<'END'
schema: 1
name: test
preprocess:
  steps:
    - stack: {roles: [a, b, a]}
END
bad "a range upside down" "step 1 .normalise.: range is 1 to 0" <<'END'
schema: 1
name: test
preprocess:
  steps:
    - normalise: {range: [1, 0]}
END
# A step for a role that no volume can have: where the manifest tells all roles.
for layout in mixed files images auto; do
	bad "layout $layout: a step for a role that no source has" "step 2 .normalise.: when: found 't2', allowed is a role of ingest.sources or a modality" <<END
schema: 1
name: test
ingest: {layout: $layout, sources: [{role: t1, pattern: "{case}.nii.gz"}, {role: seg, pattern: "{case}_s.nii.gz"}]}
preprocess: {steps: [{normalise: {}, when: t1}, {normalise: {}, when: t2}]}
END
	sed 's/when: t2/when: seg/' "$T/bad.yaml" >"$T/seg.yaml"
	exits "layout $layout: or for the label" 2 sm manifest "$T/seg.yaml"
	sed 's/when: t2/when: rtdose/' "$T/bad.yaml" >"$T/modality.yaml"
	exits "layout $layout: for a modality" 0 sm manifest "$T/modality.yaml"
done
for layout in 'mixed:a role of ingest.sources' 'brats:flair, t1, t1ce, t2' 'dicom:image'; do
	bad "layout ${layout%:*}: a step for another role" "when: found 'ctt', allowed is ${layout#*:} or a modality" <<END
schema: 1
name: test
ingest: {layout: ${layout%:*}}
preprocess: {steps: [{normalise: {}, when: ctt}]}
END
	sed "s/ctt/ct/" "$T/bad.yaml" >"$T/ct.yaml"
	exits "layout ${layout%:*}: for ct" 0 sm manifest "$T/ct.yaml"
done
for layout in auto bids decathlon images; do # the tree alone tells
	sed "s/layout: dicom/layout: $layout/" "$T/bad.yaml" >"$T/open.yaml"
	exits "layout $layout: the tree tells the roles" 0 sm manifest "$T/open.yaml"
done
bad "an empty file" "bad.yaml" </dev/null
exits "a file that is not there" 4 sm manifest "$T/nowhere.yaml"
exits "no manifest" 2 sm manifest
exits "two manifests" 2 sm manifest "$T/good.yaml" "$T/good.yaml"

printf 'schema: 1\nname: test\n"dataset": pair\n' >"$T/quoted.yaml"
exits "--get" 0 sm manifest --get dataset "$T/quoted.yaml"
is "prints a value" "$(cat "$OUT")" pair
exits "--get of a list" 0 sm manifest --get tile.size "$T/good.yaml"
is "prints it as JSON" "$(cat "$OUT")" '[32,32,8]'
exits "--get of nothing" 2 sm manifest --get tile.siez "$T/good.yaml"
like "is named" "$(cat "$ERR")" "--get: found 'tile.siez', no key"
exits "--help" 0 sm manifest --help
like "names every section" "$(cat "$OUT")" 'read: name dataset .* report explore '
exits "--describe" 0 sm manifest --describe
like "names the keys" "$(cat "$OUT")" '"key": "per_case"'
for file in "$SM_ROOT"/manifests/*.yaml; do
	[ -e "$file" ] || continue
	exits "${file##*/} is good" 0 sm manifest "$file"
done
# What is printed is a manifest itself, with the same meaning.
for m in "$SM_ROOT"/manifests/*.yaml; do
	name=$(basename "$m")
	run sm manifest "$m"
	cp "$OUT" "$T/printed.json"
	exits "$name printed is a manifest" 0 sm manifest "$T/printed.json"
	is "$name means the same" "$(cat "$OUT")" "$(cat "$T/printed.json")"
done
# Numbers of any length, and texts that YAML does not take as they stand, mean the same, too.
cat >"$T/odd.yaml" <<'END'
schema: 1
name: "a\x01\x7f\x80\N\L\P\uFEFF\uFFFE\uFFFF\t\r\n\"\\b\U0001F600é ~ 0.30000000000000004"
predict: {overlap: 0.3333333333333333}
tile: {max_background: 0.30000000000000004}
train: {learning_rate: 1.2345678901234568e-5, weight_decay: 1e-5}
END
exits "odd numbers and texts" 0 sm manifest "$T/odd.yaml"
cp "$OUT" "$T/odd.json"
for line in '"overlap": 0.3333333333333333,?' '"max_background": 0.30000000000000004,?' '"learning_rate": 1.2345678901234568e-5,?' \
	'"weight_decay": 1e-5,?'; do
	like "come back: $line" "$(cat "$T/odd.json")" "^ *$line$"
done
exits "printed are a manifest" 0 sm manifest "$T/odd.json"
is "which means the same" "$(cat "$OUT")" "$(cat "$T/odd.json")"
run sm manifest --get name "$T/odd.yaml"
cp "$OUT" "$T/name"
run sm manifest --get name "$T/odd.json"
ok "with the same text" cmp "$OUT" "$T/name"
is "of all its bytes" "$(od -An -tx1 "$T/name" | tr -d ' \n')" "$(printf 'a\001\177\302\200\302\205\342\200\250\342\200\251\357\273\277\357\277\276\357\277\277\t\r\n"\\b\360\237\230\200é ~ 0.30000000000000004\n' | od -An -tx1 | tr -d ' \n')"
exits "--get of a long number" 0 sm manifest --get predict.overlap "$T/odd.yaml"
is "has all digits" "$(cat "$OUT")" 0.3333333333333333
printf 'schema: 1\nname: a\ntrain: {learning_rate: 1.2345678901234567}\n' >"$T/rate.yaml"
run sm manifest "$T/rate.yaml"
like "so has one above 1" "$(cat "$OUT")" '"learning_rate": 1\.2345678901234567,'
# Steps behind upto count nowhere.
cat >"$T/upto.yaml" <<'END'
schema: 1
name: test
ingest: {layout: brats}
preprocess:
  upto: 1
  steps:
    - normalise: {}
    - normalise: {}
      when: t9
END
exits "a step behind upto is not looked at" 0 sm manifest "$T/upto.yaml"
sed 's/upto: 1/upto: 2/' "$T/upto.yaml" >"$T/upto2.yaml"
exits "one before it is" 2 sm manifest "$T/upto2.yaml"
like "is named" "$(cat "$ERR")" "upto2.yaml: preprocess: steps: step 2 .normalise.: when: found 't9', allowed is flair"
sed 's/t9/5/' "$T/upto.yaml" >"$T/upto3.yaml"
exits "no role at all" 2 sm manifest "$T/upto3.yaml"
like "is named in the same shape" "$(cat "$ERR")" "upto3.yaml: preprocess: steps: step 2 .normalise.: when: found '5', allowed is"
done_testing
