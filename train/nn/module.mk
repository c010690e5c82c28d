# train/nn: the network engine. An operator is one row in op_table.h and its code in an op_*.c file;
# a convolution kernel one row in conv.c and one file.
LIBS += nn
nn_SRC := \
	train/nn/conv.c \
	train/nn/conv_dnnl.c \
	train/nn/conv_portable.c \
	train/nn/conv_slab.c \
	train/nn/graph.c \
	train/nn/init.c \
	train/nn/layout.c \
	train/nn/net.c \
	train/nn/net_info.c \
	train/nn/net_run.c \
	train/nn/op_conv.c \
	train/nn/op_loss.c \
	train/nn/op_norm.c \
	train/nn/op_pool.c \
	train/nn/op_simple.c \
	train/nn/optim.c \
	train/nn/plan.c \
	train/nn/process.c
nn_LDFLAGS := -ldnnl

# The plain loops of the operators are written for the vectoriser.
$(foreach f,conv_portable op_conv op_loss op_norm op_pool op_simple optim,$(eval train_nn_$(f)_CFLAGS := -O3))
