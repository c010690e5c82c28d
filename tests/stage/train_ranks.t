#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../lib.sh"
needs train

# As a launcher would start two ranks: a program without MPI says so instead of training twice.
if [ ! -x "$SM_BIN/scanmill-train-mpi" ]; then
	exits "two ranks without MPI" 2 env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$SM_BIN/scanmill-train" --help
	like "says what to do" "$(cat "$ERR")" 'built without MPI: .* make MPI=1'
	done_testing
fi
command -v mpirun >/dev/null || skip_all "no mpirun"
. "$SM_ROOT/tests/stage/tiny.sh"

# ranks N OUT ARGS...: the training by N processes of one thread.
ranks() {
	ranks_n=$1
	ranks_out=$2
	shift 2
	case " $* " in *" --manifest "*) ;; *) set -- --manifest "$T/m.yaml" "$@" ;; esac
	case " $* " in *" --in "*) ;; *) set -- --in "$T/tile" "$@" ;; esac
	mpirun -n "$ranks_n" --oversubscribe --allow-run-as-root --bind-to none "$SM_BIN/scanmill-train" --jobs 1 \
		--split "$T/split" --out "$ranks_out" "$@"
}

# The same micro-batches in one process and in two: the same bits. Batches of 3, the last of an epoch smaller.
edit 's/^  batch: 3/  batch: 3\n  micro_batch: 2\n  metrics: [all]/; s/epochs: 4/epochs: 3/' "$T/m.yaml.new" && mv "$T/m.yaml.new" "$T/m.yaml"
exits "one process" 0 training "$T/one"
exits "two ranks" 0 ranks 2 "$T/two"
is "one log" "$(grep -c 'epoch 3 of 3: loss' "$ERR")" 1
same_tree "the same files" "$T/one" "$T/two"
edit 's/micro_batch: 2/micro_batch: 1/' "$T/three.yaml"
exits "one process, three parts a step" 0 training "$T/one3" --manifest "$T/three.yaml"
exits "three ranks" 0 ranks 3 "$T/three" --manifest "$T/three.yaml"
same_tree "the same files" "$T/one3" "$T/three"
exits "four ranks, one without a part" 0 ranks 4 "$T/four" --manifest "$T/three.yaml"
same_tree "the same files" "$T/one3" "$T/four"

edit 's/epochs: 3/epochs: 2/' "$T/short.yaml"
exits "two epochs by two ranks" 0 ranks 2 "$T/go" --manifest "$T/short.yaml"
exits "the third by one process" 0 training "$T/go" --resume
is "the checkpoint of all by one" "$(sha256sum <"$T/go/last.hdf5")" "$(sha256sum <"$T/one/last.hdf5")"
exits "two epochs by one process" 0 training "$T/back" --manifest "$T/short.yaml"
exits "the third by two ranks" 0 ranks 2 "$T/back" --resume
is "the checkpoint of all by one" "$(sha256sum <"$T/back/last.hdf5")" "$(sha256sum <"$T/one/last.hdf5")"

edit 's/^train:/train:\n  model: resunet3d\n  ema: 0.9\n  clip_norm: 0.5/; s/width: 0.0625/width: 0.03125/' "$T/norm.yaml"
exits "batch norm, average, clipping: one process" 0 training "$T/n1" --manifest "$T/norm.yaml"
exits "two ranks" 0 ranks 2 "$T/n2" --manifest "$T/norm.yaml"
cut -d, -f1,2 "$T/n1/model_history_log.csv" >"$T/n1.csv"
cut -d, -f1,2 "$T/n2/model_history_log.csv" >"$T/n2.csv"
ok "the same losses" cmp "$T/n1.csv" "$T/n2.csv"
ok "validation to rounding" awk -F, 'NR == FNR {v[FNR] = $4; next} FNR > 1 {d = v[FNR] - $4; if (d < 0) d = -d; if (d > 1e-5) exit 1}' \
	"$T/n1/model_history_log.csv" "$T/n2/model_history_log.csv"

exits "tiles straight from volumes: one process" 0 training "$T/v1" --in "$T/preprocess"
exits "two ranks" 0 ranks 2 "$T/v2" --in "$T/preprocess"
same_tree "the same files" "$T/v1" "$T/v2"

# Folds and a time budget: all ranks end behind the same fold.
sed 's/^split: .*/split: {folds: 3}/' "$T/m.yaml" >"$T/split3.yaml"
exits "a split of three folds" 0 sm split --manifest "$T/split3.yaml" --in "$T/preprocess" --out "$T/split3"
edit 's/^train:/train:\n  folds: all\n  time_budget: 0.000001/; s/epochs: 3/epochs: 2/' "$T/budget.yaml"
for run in 1 2 3 4 5; do
	exits "folds with a time budget by two ranks, run $run" 0 timeout 60 mpirun -n 2 --oversubscribe --allow-run-as-root \
		--bind-to none "$SM_BIN/scanmill-train" --jobs 1 --manifest "$T/budget.yaml" --split "$T/split3" --in "$T/tile" \
		--out "$T/folds" --resume
	[ -e "$T/folds/folds.csv" ] && break
done
is "the fourth ends the third fold" "$run" 4
edit 's/^train:/train:\n  folds: all/; s/epochs: 3/epochs: 2/' "$T/folds.yaml"
exits "the folds by one process" 0 training "$T/folds1" --manifest "$T/folds.yaml" --split "$T/split3"
is "have the same weights" "$(hashes "$T/folds" | grep last)" "$(hashes "$T/folds1" | grep last)"

exits "a dry run" 0 ranks 2 "$T/dry" --dry-run
not_ok "writes nothing" test -e "$T/dry"

# A rank that dies ends the others.
edit 's/epochs: 3/epochs: 10000/; s/width: 0.0625/width: 0.25/' "$T/long.yaml"
mpirun -n 2 --oversubscribe --allow-run-as-root --bind-to none "$SM_BIN/scanmill-train" --jobs 1 --manifest "$T/long.yaml" \
	--split "$T/split" --in "$T/tile" --out "$T/dead" >"$OUT" 2>"$ERR" &
launcher=$!
waited=0
while [ ! -e "$T/dead/last.hdf5" ] && [ $waited -lt 100 ]; do
	sleep 0.2
	waited=$((waited + 1))
done
kill -9 "$(ps -o pid= --ppid "$launcher" | tail -n 1)"
wait "$launcher"
CODE=$?
isnt "a killed rank ends the training" "$CODE" 0
like "and the launcher says so" "$(cat "$ERR")" 'exited on signal 9'
exits "what it left is gone on with" 0 ranks 2 "$T/dead" --manifest "$T/m.yaml" --dry-run

not_ok "an unknown option" ranks 2 "$T/nan" --strange
like "ends all" "$(cat "$ERR")" 'rank 0 of 2 failed: all ranks end'
is "is told once" "$(grep -c -e '--strange: unknown option' "$ERR")" 1
done_testing
