# bench/: benchmark programs, built on demand (make build/release/bin/bench_NAME) and run by the scripts here.
EXES += bench_train_step
bench_train_step_SRC := bench/train_step.c
bench_train_step_USE := models nn core
bench_train_step_LD := -ldnnl
