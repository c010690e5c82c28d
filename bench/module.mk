# bench/: benchmark programs, built on demand (make build/release/bin/bench_NAME) and run by the scripts here.
EXES += bench_train_step
bench_train_step_SRC := bench/train_step.c
bench_train_step_USE := models nn core
bench_train_step_LD := -ldnnl

EXES += bench_burned_text
bench_burned_text_SRC := bench/burned_text.c
bench_burned_text_USE := ingest core
bench_burned_text_LD :=
