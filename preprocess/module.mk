# preprocess/: operations (a row of op_table.h and a file op_<name>.c each), split, tiles, slices.
LIBS += ops
ops_SRC := \
	preprocess/bspline.c \
	preprocess/case.c \
	preprocess/grid.c \
	preprocess/kernel.c \
	preprocess/learn.c \
	preprocess/linear.c \
	preprocess/morphology.c \
	preprocess/op_bias_field.c \
	preprocess/op_bias_field_sharpen.c \
	preprocess/op_crop_foreground.c \
	preprocess/op_denoise.c \
	preprocess/op_denoise_bilateral.c \
	preprocess/op_denoise_gaussian.c \
	preprocess/op_denoise_median.c \
	preprocess/op_denoise_nlm.c \
	preprocess/op_denoise_noise.c \
	preprocess/op_match_histogram.c \
	preprocess/op_normalise.c \
	preprocess/op_nyul.c \
	preprocess/op_one_hot.c \
	preprocess/op_orient.c \
	preprocess/op_pad_crop.c \
	preprocess/op_regions.c \
	preprocess/op_relabel.c \
	preprocess/op_remove_background.c \
	preprocess/op_remove_band.c \
	preprocess/op_resample.c \
	preprocess/op_resize.c \
	preprocess/op_rotate90.c \
	preprocess/op_scale.c \
	preprocess/op_select_frames.c \
	preprocess/op_select_slices.c \
	preprocess/op_stack.c \
	preprocess/op_sum_frames.c \
	preprocess/op_suv.c \
	preprocess/op_table.c \
	preprocess/op_window.c \
	preprocess/quantile.c \
	preprocess/regions.c \
	preprocess/resample.c \
	preprocess/resample_axes.c \
	preprocess/resample_oblique.c \
	preprocess/scope.c \
	preprocess/sidecar.c \
	preprocess/threshold.c \
	preprocess/view.c

# Shared by the stages: cases of an earlier stage, and the split, tile and slice rules themselves.
LIBS += prep
prep_SRC := \
	preprocess/case_record.c \
	preprocess/cases.c \
	preprocess/foldlist.c \
	preprocess/learn_run.c \
	preprocess/pair.c \
	preprocess/pair_config.c \
	preprocess/pair_write.c \
	preprocess/slice.c \
	preprocess/near.c \
	preprocess/constant.c \
	preprocess/split.c \
	preprocess/split_cases.c \
	preprocess/split_check.c \
	preprocess/split_near.c \
	preprocess/split_table.c \
	preprocess/tile.c \
	preprocess/tile_case.c

EXES += scanmill-preprocess
scanmill-preprocess_SRC := preprocess/preprocess_main.c
scanmill-preprocess_USE := prep manifest ops core
EXES += scanmill-split
scanmill-split_SRC := preprocess/split_main.c
scanmill-split_USE := prep manifest ops core
EXES += scanmill-slice
scanmill-slice_SRC := preprocess/slice_main.c
scanmill-slice_USE := prep manifest ops core
EXES += scanmill-pair
scanmill-pair_SRC := preprocess/pair_main.c
scanmill-pair_USE := prep manifest ops core

EXES += scanmill-tile
scanmill-tile_SRC := preprocess/tile_main.c
scanmill-tile_USE := prep manifest ops core

# Sums in fixed lanes are written for the vectoriser, which -O2 mostly leaves out.
preprocess_tile_CFLAGS := -O3
preprocess_near_CFLAGS := -O3
preprocess_op_normalise_CFLAGS := -O3
preprocess_kernel_CFLAGS := -O3
preprocess_resample_axes_CFLAGS := -O3
preprocess_resample_oblique_CFLAGS := -O3
preprocess_morphology_CFLAGS := -O3
preprocess_bspline_CFLAGS := -O3
preprocess_op_denoise_median_CFLAGS := -O3
preprocess_op_denoise_gaussian_CFLAGS := -O3
preprocess_op_denoise_bilateral_CFLAGS := -O3
preprocess_op_denoise_nlm_CFLAGS := -O3
