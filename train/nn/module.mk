# train/nn: the network engine. An operator is one row in op_table.h and its code in an op_*.c file;
# a convolution kernel one row in conv.c and one file.
LIBS += nn
nn_SRC := \
	train/nn/conv.c \
	train/nn/conv_columns.c \
	train/nn/conv_columns_avx2.c \
	train/nn/conv_columns_avx512.c \
	train/nn/conv_dnnl.c \
	train/nn/conv_patch.c \
	train/nn/conv_patch_avx2.c \
	train/nn/conv_patch_avx512.c \
	train/nn/conv_patch_grad.c \
	train/nn/conv_point.c \
	train/nn/conv_point_avx2.c \
	train/nn/conv_point_avx512.c \
	train/nn/conv_portable.c \
	train/nn/conv_slab.c \
	train/nn/conv_stride.c \
	train/nn/conv_stride_grad.c \
	train/nn/conv_up.c \
	train/nn/conv_wino.c \
	train/nn/conv_wino_avx2.c \
	train/nn/conv_wino_avx512.c \
	train/nn/conv_wino_grad.c \
	train/nn/conv_wino_portable.c \
	train/nn/conv_wino_run.c \
	train/nn/elem.c \
	train/nn/graph.c \
	train/nn/init.c \
	train/nn/layout.c \
	train/nn/loss.c \
	train/nn/loss_rows.c \
	train/nn/net.c \
	train/nn/net_elem.c \
	train/nn/net_fused.c \
	train/nn/net_info.c \
	train/nn/net_kernels.c \
	train/nn/net_lend.c \
	train/nn/net_memory.c \
	train/nn/net_peak.c \
	train/nn/net_ranks.c \
	train/nn/net_run.c \
	train/nn/net_threads.c \
	train/nn/net_update.c \
	train/nn/net_watch.c \
	train/nn/norm_rows.c \
	train/nn/norm_rows_avx2.c \
	train/nn/norm_rows_avx512.c \
	train/nn/norm_rows_portable.c \
	train/nn/op_conv.c \
	train/nn/op_depth_norm.c \
	train/nn/op_loss.c \
	train/nn/op_prelu.c \
	train/nn/op_sample.c \
	train/nn/op_gram.c \
	train/nn/op_image_loss.c \
	train/nn/op_norm.c \
	train/nn/op_pad.c \
	train/nn/op_tanh.c \
	train/nn/op_pool.c \
	train/nn/op_simple.c \
	train/nn/optim.c \
	train/nn/plan.c \
	train/nn/share.c \
	train/nn/process.c
nn_LDFLAGS := -ldnnl

# The plain loops of the operators are written for the vectoriser.
$(foreach f,conv_portable elem op_conv op_depth_norm loss_rows norm_rows_portable op_norm op_pool op_prelu op_simple op_tanh op_gram op_image_loss optim,$(eval train_nn_$(f)_CFLAGS := -O3))

# One body for three instruction sets; which one runs is asked of the processor.
ifeq ($(shell uname -m),x86_64)
train_nn_conv_wino_avx2_CFLAGS := -mavx2 -mfma
train_nn_conv_wino_avx512_CFLAGS := -mavx512f
train_nn_norm_rows_avx2_CFLAGS := -mavx2 -O3
train_nn_norm_rows_avx512_CFLAGS := -mavx512f -O3
train_nn_conv_patch_avx2_CFLAGS := -mavx2 -mfma
train_nn_conv_patch_avx512_CFLAGS := -mavx512f
train_nn_conv_point_avx2_CFLAGS := -mavx2 -mfma
train_nn_conv_point_avx512_CFLAGS := -mavx512f
train_nn_conv_columns_avx2_CFLAGS := -mavx2 -mfma
train_nn_conv_columns_avx512_CFLAGS := -mavx512f
endif

# Sanitizers: the check behind every access of the unrolled kernels costs gcc 20 minutes at -O2.
ifneq ($(SAN),none)
$(foreach f,avx2 avx512 portable,$(eval train_nn_conv_wino_$(f)_CFLAGS += -O1))
endif
