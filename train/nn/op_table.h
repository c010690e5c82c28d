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
	OP_OVER = 16,   /* forward may write y over an input of its shape, backward gx[0] over gy */
	OP_BF16 = 32,   /* reads and writes bfloat16 tensors; without it they pass through a
			   float32 workspace */
	OP_OVER_X = 128, /* backward may write gx over x: it reads all of x before */
	OP_FLOAT = 64,  /* what it reads and writes stays float32: inputs, losses and their kin */
};

#define OP_TABLE(X) \
	X(input, "input", "", OP_NO_GRAD | OP_FLOAT) \
	X(conv, "conv", "Conv", OP_KERNEL | OP_BF16 | OP_OVER_X) \
	X(conv_t, "conv_t", "ConvTranspose", OP_KERNEL | OP_BF16 | OP_OVER_X) \
	X(batch_norm, "batch_norm", "BatchNormalization", OP_ACC | OP_OVER | OP_BF16) \
	X(instance_norm, "instance_norm", "InstanceNormalization", OP_ACC | OP_OVER | OP_BF16) \
	X(depth_norm, "depth_norm", "", OP_ACC | OP_OVER | OP_BF16) \
	X(max_pool, "max_pool", "MaxPool", OP_ACC | OP_BF16) \
	X(upsample, "upsample", "Resize", OP_ACC | OP_BF16) \
	X(concat, "concat", "Concat", OP_ACC | OP_BF16) \
	X(add, "add", "Add", OP_ACC | OP_OVER | OP_BF16) \
	X(relu, "relu", "Relu", OP_ACC | OP_OVER | OP_BF16) \
	X(leaky_relu, "leaky_relu", "LeakyRelu", OP_ACC | OP_OVER | OP_BF16) \
	X(sigmoid, "sigmoid", "Sigmoid", OP_ACC | OP_OVER | OP_FLOAT) \
	X(softmax, "softmax", "Softmax", OP_ACC | OP_OVER | OP_FLOAT) \
	X(dropout, "dropout", "Dropout", OP_ACC | OP_OVER | OP_BF16) \
	X(detach, "detach", "Identity", OP_NO_GRAD | OP_BF16) \
	X(prelu, "prelu", "PRelu", OP_ACC | OP_OVER | OP_BF16) \
	X(sample, "sample", "", OP_NO_GRAD | OP_FLOAT) \
	X(loss, "loss", "", OP_ACC | OP_LOSS | OP_FLOAT)

enum op_kind {
#define X(id, name, onnx, flags) OP_KIND_##id,
	OP_TABLE(X)
#undef X
	    OP_KINDS
};

#endif
