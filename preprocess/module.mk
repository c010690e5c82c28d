# preprocess/: operations (a row of op_table.h and a file op_<name>.c each), split, tiles, slices.
LIBS += ops
ops_SRC := \
	preprocess/case.c \
	preprocess/op_crop_foreground.c \
	preprocess/op_normalise.c \
	preprocess/op_pad_crop.c \
	preprocess/op_relabel.c \
	preprocess/op_remove_background.c \
	preprocess/op_remove_band.c \
	preprocess/op_stack.c \
	preprocess/op_sum_frames.c \
	preprocess/op_table.c \
	preprocess/op_window.c \
	preprocess/quantile.c

# Shared by the stages: cases of an earlier stage, and the split, tile and slice rules themselves.
LIBS += prep
prep_SRC := \
	preprocess/cases.c \
	preprocess/slice.c \
	preprocess/split.c \
	preprocess/tile.c

EXES += scanmill-preprocess
scanmill-preprocess_SRC := preprocess/preprocess_main.c
scanmill-preprocess_USE := prep manifest ops core
EXES += scanmill-split
scanmill-split_SRC := preprocess/split_main.c
scanmill-split_USE := prep manifest ops core
EXES += scanmill-slice
scanmill-slice_SRC := preprocess/slice_main.c
scanmill-slice_USE := prep manifest ops core

EXES += scanmill-tile
scanmill-tile_SRC := preprocess/tile_main.c
scanmill-tile_USE := prep manifest ops core

# Sums in fixed lanes are written for the vectoriser, which -O2 mostly leaves out.
preprocess_tile_CFLAGS := -O3
preprocess_op_normalise_CFLAGS := -O3
