# train/: tiles, loader, checkpoints, the fit loop, prediction of whole volumes. An event of the fit loop is a
# row in callbacks.c.
LIBS += train
train_SRC := \
	train/callbacks.c \
	train/checkpoint.c \
	train/fit.c \
	train/infer.c \
	train/loader.c \
	train/network.c \
	train/tensors.c \
	train/tiles.c \
	train/way_back.c \
	train/window.c

EXES += scanmill-train
scanmill-train_SRC := train/train_main.c
scanmill-train_USE := train models nn manifest ops core
scanmill-train_LD := -ldnnl
EXES += scanmill-predict
scanmill-predict_SRC := train/predict_main.c
scanmill-predict_USE := train models nn prep manifest ops core
scanmill-predict_LD := -ldnnl

# Sums over voxels in fixed blocks, and blending.
train_fit_CFLAGS := -O3
train_infer_CFLAGS := -O3
