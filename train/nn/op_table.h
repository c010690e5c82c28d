/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators. A row: identifier, name in tables and sentences, ONNX operator (or ""),
 * and OP_ flags. Each identifier `x` has a `const struct op_impl op_x` in one of the op_*.c files,
 * and at least one gradient case in tests/unit/test_nn_ops.c unless it has OP_NO_GRAD: that suite
 * walks this table and fails on a row without one.
 */
#ifndef SM_TRAIN_OP_TABLE_H
#define SM_TRAIN_OP_TABLE_H

enum {
	OP_NO_GRAD = 1, /* nothing goes back through it */
	OP_ACC = 2,     /* backward can add to a gradient that is already there */
	OP_LOSS = 4,    /* output is one value a sample, the start of backward */
	OP_KERNEL = 8,  /* has convolution kernels to choose and to time by pass */
};

#define OP_TABLE(X) \
	X(input, "input", "", OP_NO_GRAD) \
	X(conv, "conv", "Conv", OP_KERNEL) \
	X(conv_t, "conv_t", "ConvTranspose", OP_KERNEL) \
	X(batch_norm, "batch_norm", "BatchNormalization", OP_ACC) \
	X(instance_norm, "instance_norm", "InstanceNormalization", OP_ACC) \
	X(max_pool, "max_pool", "MaxPool", OP_ACC) \
	X(upsample, "upsample", "Resize", OP_ACC) \
	X(concat, "concat", "Concat", OP_ACC) \
	X(add, "add", "Add", OP_ACC) \
	X(relu, "relu", "Relu", OP_ACC) \
	X(leaky_relu, "leaky_relu", "LeakyRelu", OP_ACC) \
	X(sigmoid, "sigmoid", "Sigmoid", OP_ACC) \
	X(softmax, "softmax", "Softmax", OP_ACC) \
	X(dropout, "dropout", "Dropout", OP_ACC) \
	X(detach, "detach", "Identity", OP_NO_GRAD) \
	X(loss_dice, "loss_dice", "", OP_ACC | OP_LOSS) \
	X(loss_bce, "loss_bce", "", OP_ACC | OP_LOSS)

enum op_kind {
#define X(id, name, onnx, flags) OP_KIND_##id,
	OP_TABLE(X)
#undef X
	    OP_KINDS
};

#endif
