#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a training of image translation and its prediction can be asked for: batches, bfloat16, resize-convolutions, rare
# discriminator steps and pictures, running norms, VGG-19, memory. Pictures of 32x32, one or a few epochs each.
. "$(dirname "$0")/../lib.sh"
needs phantom ingest preprocess split pair train predict
cd "$T" || exit 1
cat >base.yaml <<'END'
schema: 1
name: mammo
dataset: pair
phantom: {kind: mammo, cases: 6, size: [32, 32, 1]}
ingest: {layout: images, burned_text: keep}
preprocess:
  steps:
    - scale: {divide: 127.5, add: -1}
split: {train: 70, valid: 0, test: 30, near_duplicates: off}
pair: {mode: aligned, a: A, b: B}
translate: {levels: 3, width: 0.125, discriminator_width: 0.0625, dropout: 0, jitter: 0, epochs: 1, checkpoint_every: 0, sample_images: 2}
END
{
	sm phantom --manifest base.yaml --out raw &&
		sm ingest --manifest base.yaml --in raw --out ingest &&
		sm preprocess --manifest base.yaml --in ingest --out prep &&
		sm split --manifest base.yaml --in prep --out split &&
		sm pair --manifest base.yaml --in prep --split split --out pair
} >log 2>&1 || fail_all "the pairs could not be made: $(tail -n 3 log)"

# train OUT KEYS ARGS...: with these keys in section translate.
train() {
	out=$1
	sed "s/epochs: 1/$2/" base.yaml >"$out.yaml"
	shift 2
	sm train --manifest "$out.yaml" --in pair --out "$out" "$@"
}
# predict OUT MODEL KEYS: with section predict.
predict() {
	sed "s/^pair:/predict: {$3}\n&/" base.yaml >"$1.yaml"
	sm predict --manifest "$1.yaml" --in prep --split split --model "$2" --jobs 1 --out "$1"
}
pictures() {
	(cd "$1" && cat ./*.png | sha256sum)
}
last() {
	sha256sum <"$1/last.hdf5"
}
# value FILE COLUMN: of the last epoch.
value() {
	awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) k = i } END { if (k) print $k }' "$1/training.csv"
}
parameters() {
	sed -n '1s/.*"parameters":\[\([0-9,]*\)\].*/\1/p' "$1/ledger.jsonl"
}
steps() {
	"$PYTHON" -c 'import h5py, sys
f = h5py.File(sys.argv[1])
print(*(f[p]["optimiser"].attrs["steps"].decode() for p in ("generators", "discriminators")))' "$1/last.hdf5"
}

# --- several at once: two steps an epoch of three images, of four at hand -----------------------------------
many='epochs: 4, batch: 3, generator_steps: 4, upsampling: resize, sample_every: 3'
exits "batches, resize-convolutions, rare discriminator steps and pictures" 0 train plain "epochs: 1" --jobs 1
exits "together" 0 train many "$many" --jobs 1
is "pictures of every third epoch" "$(cd many && echo sample-*.png)" "sample-0003.png"
isnt "a 3x3 convolution for a transposed 4x4 one" "$(parameters many)" "$(parameters plain)"
is "the discriminators are the same" "$(parameters many | cut -d, -f2)" "$(parameters plain | cut -d, -f2)"
is "rows with discriminator losses: two steps an epoch, one in four" \
	"$(awk -F, 'NR > 1 { print ($4 == "" ? "none" : "one") }' many/training.csv | tr '\n' ' ')" "none one none one "
if has_python h5py; then
	is "batches of three: eight steps, of the discriminators two" "$(steps many)" "8 2"
	is "of single images: four of each" "$(steps plain)" "4 4"
else
	skip "numbers of steps" "no h5py"
fi
exits "on two threads" 0 train many2 "$many" --jobs 2
is "they give the same bytes" "$(last many2)" "$(last many)"
if grep -q avx512bw /proc/cpuinfo; then
	exits "bfloat16 between the operators" 0 train half "$many, precision: bf16" --jobs 1
	isnt "is another training" "$(last half)" "$(last many)"
	ok "that ends nearly where the other one does ($(value half l1), $(value many l1))" \
		awk -v a="$(value half l1)" -v b="$(value many l1)" 'BEGIN { exit !(a > 0 && b > 0 && a < 1.05 * b && b < 1.05 * a) }'
else
	exits "bfloat16 on a CPU without" 2 train half "$many, precision: bf16" --jobs 1
fi

# --- norms at test time ---------------------------------------------------------------------------------
exits "norms by the image itself" 0 predict by_image many "test_norm: batch"
exits "norms by the training's statistics" 0 predict running many "test_norm: running"
isnt "are other pictures" "$(pictures running)" "$(pictures by_image)"
exits "the first is the default" 0 predict default many "test_dropout: off"
is "with the same pictures" "$(pictures default)" "$(pictures by_image)"
exits "instance norms" 0 train instance "epochs: 1, norm: instance" --jobs 1
for norm in batch running; do
	run predict "instance_$norm" instance "test_norm: $norm"
done
is "have no statistics of the training" "$(pictures instance_running)" "$(pictures instance_batch)"

# --- VGG-19 ---------------------------------------------------------------------------------------------
losses='epochs: 1, steps_per_epoch: 1, sample_every: 0, content: 0.001, style: 0.001'
exits "content and style without the file" 2 train no "$losses"
like "say what is missing and where it is" "$(cat "$ERR")" '--vgg: is missing, .*vgg19_weights.*storage.googleapis.com'
exits "a file that is not there" 3 train no "$losses" --vgg "$T/nowhere.h5"
like "is named" "$(cat "$ERR")" 'nowhere.h5: is not there; VGG-19.s weights are .*storage.googleapis.com'
exits "a file that is no HDF5" 3 train no "$losses" --vgg "$T/base.yaml"
like "is told from one" "$(cat "$ERR")" 'base.yaml: is no HDF5 file'
exits "HDF5 of something else" 3 train no "$losses" --vgg "$T/plain/last.hdf5"
like "lacks the layers" "$(cat "$ERR")" 'last.hdf5: has no layer block1_conv1: not VGG-19'
if has_python h5py numpy; then
	# Means of what lies around: no value is stored, HDF5 has them from the fill value.
	cat >vgg.py <<'END'
import sys
import h5py
name, width, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
inputs = 3
with h5py.File(name, "w") as f:
    for block, (convs, outputs) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (1, width)), 1):
        for i in range(1, convs + 1):
            layer = f"block{block}_conv{i}"
            f.create_dataset(f"{layer}/{layer}_W_1:0", (3, 3, inputs, outputs), kind, fillvalue=1 / (9 * inputs))
            f.create_dataset(f"{layer}/{layer}_b_1:0", (outputs,), kind, fillvalue=0)
            inputs = outputs
END
	for file in "vgg.h5 512 f4" "wide.h5 513 f4" "whole.h5 512 i4"; do
		# shellcheck disable=SC2086 # three arguments
		"$PYTHON" vgg.py $file || fail_all "no file of VGG: $file"
	done
	exits "a layer of another shape" 3 train no "$losses" --vgg "$T/wide.h5"
	like "is refused" "$(cat "$ERR")" 'wide.h5: layer block5_conv1 has another shape than 3x3x512x512 and 512'
	exits "whole numbers" 3 train no "$losses" --vgg "$T/whole.h5"
	like "are refused" "$(cat "$ERR")" 'whole.h5: layer block1_conv1 does not hold floating-point numbers'
	exits "the right one" 0 train vgg "$losses" --vgg "$T/vgg.h5" --jobs 1
	ok "content and style count ($(value vgg content), $(value vgg style))" awk -v c="$(value vgg content)" -v s="$(value vgg style)" \
		-v g="$(value vgg g)" -v a="$(value vgg adversarial)" -v l="$(value vgg l1)" \
		'BEGIN { r = g - a - 100 * l; w = (c + s) / 1000; exit !(c > 0 && s > 0 && r > 0.9 * w && r < 1.1 * w) }'
	"$PYTHON" -c 'import h5py; h5py.File("vgg.h5", "a").attrs["other"] = 1'
	exits "to go on with another file" 2 train vgg "$losses" --vgg "$T/vgg.h5" --resume
	like "is another training" "$(cat "$ERR")" '--resume: .*vgg'
else
	skip "files of VGG" "no h5py"
fi
ok "nothing was trained with the wrong ones" test ! -e no/last.hdf5

# --- memory ---------------------------------------------------------------------------------------------
forecast() {
	sed -n 's/.*memory forecast \([0-9]*\) MiB.*/\1/p' "$ERR"
}
run train small "pool: 0, epochs: 1" --jobs 1 --dry-run
small=$(forecast)
run train pools "pool: 1000, epochs: 1" --jobs 1 --dry-run
need=$(forecast)
# 1000 pairs of 32x32 pixels of three colours: 23.4 MiB.
ok "the forecast counts the pool ($small, $need)" test $((need - small)) -ge 23 -a $((need - small)) -le 25
exits "a MiB less" 3 train pools "pool: 1000, epochs: 1" --memory $((need - 1)) --jobs 1
like "is refused with the same figure" "$(cat "$ERR")" "error: .*needs $need MiB, $((need - 1)) MiB are allowed"
ok "before anything is trained" test ! -e pools/last.hdf5 -a ! -e pools/training.csv
exits "so much is enough" 0 train pools "pool: 1000, epochs: 1" --memory "$need" --jobs 1
peak=$(sed -n 's/.*peak memory \([0-9]*\) MiB.*/\1/p' "$ERR")
exits "to go on, too" 0 train pools "pool: 1000, epochs: 2" --memory "$need" --jobs 1 --resume
again=$(sed -n 's/.*peak memory \([0-9]*\) MiB.*/\1/p' "$ERR")
if prlimit --as=$((1 << 30)) "$SM_BIN/scanmill-train" --help >/dev/null 2>&1; then
	# Of so small a training the program is the most, and its pages hang on what the system has read.
	ok "the peak is not above it by more than 5 % ($peak, $again)" test $((100 * peak)) -le $((105 * need)) -a $((100 * again)) -le $((105 * need))
	ok "nor far below ($peak, $need)" test $((100 * peak)) -ge $((75 * need))
else
	skip "peak memory" "a build with memory of its own"
fi
done_testing
