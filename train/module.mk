# train/: tiles, loader, checkpoints, the fit loop, prediction of whole volumes. An event of the fit loop is a
# row in callbacks.c.
LIBS += train
train_SRC := \
	train/augment.c \
	train/augment_filter.c \
	train/augment_space.c \
	train/augment_values.c \
	train/augment_warp.c \
	train/callbacks.c \
	train/checkpoint.c \
	train/export.c \
	train/export_names.c \
	train/fit.c \
	train/fit_files.c \
	train/infer.c \
	train/loader.c \
	train/metrics.c \
	train/mpi_none.c \
	train/mpi_step.c \
	train/network.c \
	train/onnx.c \
	train/onnx_ops.c \
	train/onnx_proto.c \
	train/panels.c \
	train/paint.c \
	train/picture.c \
	train/placer.c \
	train/postprocess.c \
	train/safetensors.c \
	train/schedule.c \
	train/seen.c \
	train/settings.c \
	train/task.c \
	train/tensors.c \
	train/tile_labels.c \
	train/tiles.c \
	train/way_back.c \
	train/window.c

EXES += scanmill-train
scanmill-train_SRC := train/train_main.c train/training.c train/training_plan.c train/training_records.c \
	train/training_resume.c \
	train/tile_source.c \
	train/translate/fit.c \
	train/translate/picture.c \
	train/translate/training.c \
	train/turned.c \
	train/volumes.c
scanmill-train_USE := translate train models nn prep manifest ops core
scanmill-train_LD := -ldnnl
EXES += scanmill-preview
scanmill-preview_SRC := train/preview_main.c
scanmill-preview_USE := train nn manifest ops core
scanmill-preview_LD :=
EXES += scanmill-predict
scanmill-predict_SRC := train/predict_main.c train/predict_cases.c train/predict_models.c train/predict_pick.c \
	train/predict_tiles.c \
	train/predict_write.c train/turned.c \
	train/translate/predict.c \
	train/translate/predict_case.c \
	train/translate/predict_files.c \
	train/translate/predict_volume.c
scanmill-predict_USE := translate train models nn prep derive manifest ops core
scanmill-predict_LD := -ldnnl

# With MPI (make MPI=1) a program beside it, which several ranks run: its mpi.c comes before the library's
# mpi_none.c.
# one that was built once is kept up to date, lest ranks run an old one.
ifneq ($(filter 1,$(MPI))$(wildcard $(BIN)/scanmill-train-mpi),)
MPI_CFLAGS := $(or $(shell pkg-config --cflags ompi-c 2>/dev/null),$(shell mpicc --showme:compile 2>/dev/null),$(shell mpicc -compile_info 2>/dev/null | sed 's/^[^ ]* //'))
MPI_LIBS := $(or $(shell pkg-config --libs ompi-c 2>/dev/null),$(shell mpicc --showme:link 2>/dev/null),$(shell mpicc -link_info 2>/dev/null | sed 's/^[^ ]* //'))
ifeq ($(MPI_LIBS),)
$(error MPI=1: neither pkg-config nor mpicc knows an MPI (Debian: libopenmpi-dev))
endif
train_mpi_CFLAGS := $(MPI_CFLAGS)
EXES += scanmill-train-mpi
scanmill-train-mpi_SRC := $(scanmill-train_SRC) train/mpi.c
scanmill-train-mpi_USE := $(scanmill-train_USE)
scanmill-train-mpi_LD := $(scanmill-train_LD) $(MPI_LIBS)
endif
EXES += scanmill-export
scanmill-export_SRC := train/export_main.c
scanmill-export_USE := train models nn core
scanmill-export_LD := -ldnnl

# Sums over voxels in fixed blocks, and blending.
train_fit_CFLAGS := -O3
train_metrics_CFLAGS := -O3
train_infer_CFLAGS := -O3
train_augment_filter_CFLAGS := -O3
train_augment_values_CFLAGS := -O3
train_augment_warp_CFLAGS := -O3
train_placer_CFLAGS := -O3
