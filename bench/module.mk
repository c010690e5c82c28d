# bench/: benchmark programs, built on demand (make build/release/bin/bench_NAME) and run by the scripts here.
EXES += bench_train_step
bench_train_step_SRC := bench/train_step.c bench/train_turns.c
bench_train_step_USE := models nn core
bench_train_step_LD := -ldnnl

EXES += bench_burned_text
bench_burned_text_SRC := bench/burned_text.c
bench_burned_text_USE := ingest core
bench_burned_text_LD :=

EXES += bench_read_tiles
bench_read_tiles_SRC := bench/read_tiles.c
bench_read_tiles_USE := core
bench_read_tiles_LD :=

EXES += bench_resample
bench_resample_SRC := bench/resample.c
bench_resample_USE := ops core
bench_resample_LD :=

EXES += bench_nlm
bench_nlm_SRC := bench/nlm.c
bench_nlm_USE := ops core
bench_nlm_LD :=

EXES += bench_inflate
bench_inflate_SRC := bench/inflate.c
bench_inflate_USE := core
bench_inflate_LD :=

EXES += bench_conv
bench_conv_SRC := bench/conv.c
bench_conv_USE := nn core
bench_conv_LD := -ldnnl

EXES += bench_networks
bench_networks_SRC := bench/networks.c
bench_networks_USE := models nn core
bench_networks_LD := -ldnnl

EXES += bench_predict
bench_predict_SRC := bench/predict.c
bench_predict_USE := train models nn core
bench_predict_LD := -ldnnl

EXES += bench_augment
bench_augment_SRC := bench/augment.c
bench_augment_USE := train nn core
bench_augment_LD :=

EXES += bench_image_scores
bench_image_scores_SRC := bench/image_scores.c
bench_image_scores_USE := eval manifest ops core
bench_image_scores_LD :=

EXES += bench_translate
bench_translate_SRC := bench/translate.c
bench_translate_USE := translate models nn core
bench_translate_LD := -ldnnl

EXES += bench_evaluate
bench_evaluate_SRC := bench/evaluate.c
bench_evaluate_USE := eval manifest ops core
bench_evaluate_LD :=
