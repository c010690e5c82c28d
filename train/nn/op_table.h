/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators. A row: identifier, name in tables and sentences, ONNX operator (or ""),
 * and OP_ flags. Each identifier `x` has a `const struct op_impl op_x` in one of the op_*.c files,
 * and at least one gradient case in tests/unit/test_nn_ops.c unless it has OP_NO_GRAD: that suite
 * walks this table and fails on a row without one, test_nn_bf16.c on one whose bfloat16 is wrong.
 */
#ifndef SM_TRAIN_OP_TABLE_H
#define SM_TRAIN_OP_TABLE_H

enum {
	OP_NO_GRAD = 1, /* nothing goes back through it */
	OP_ACC = 2,     /* backward can add to a gradient that is already there */
	OP_LOSS = 4,    /* output is one value a sample, the start of backward */
	OP_KERNEL = 8,  /* has convolution kernels to choose and to time by pass */
	OP_OVER = 16,   /* forward may write y over an input of its shape, backward gx[0] over gy */
	OP_OVER_X = 32, /* backward may write gx over x: it reads all of x before */
	OP_FLOAT = 64,  /* what it reads and writes stays float32: inputs, losses and their kin. All
			   others know bfloat16, each tensor as its own r->xe[k], r->ye tells */
};

#define OP_TABLE(X) \
	X(input, "input", "", OP_NO_GRAD | OP_FLOAT) \
	X(conv, "conv", "Conv", OP_KERNEL | OP_OVER_X) \
	X(conv_t, "conv_t", "ConvTranspose", OP_KERNEL | OP_OVER_X) \
	X(batch_norm, "batch_norm", "BatchNormalization", OP_ACC | OP_OVER) \
	X(instance_norm, "instance_norm", "InstanceNormalization", OP_ACC | OP_OVER) \
	X(depth_norm, "depth_norm", "", OP_ACC | OP_OVER) \
	X(max_pool, "max_pool", "MaxPool", OP_ACC) \
	X(upsample, "upsample", "Resize", OP_ACC) \
	X(concat, "concat", "Concat", OP_ACC) \
	X(add, "add", "Add", OP_ACC | OP_OVER) \
	X(relu, "relu", "Relu", OP_ACC | OP_OVER) \
	X(leaky_relu, "leaky_relu", "LeakyRelu", OP_ACC | OP_OVER) \
	X(sigmoid, "sigmoid", "Sigmoid", OP_ACC | OP_OVER | OP_FLOAT) \
	X(softmax, "softmax", "Softmax", OP_ACC | OP_OVER | OP_FLOAT) \
	X(dropout, "dropout", "Dropout", OP_ACC | OP_OVER) \
	X(detach, "detach", "Identity", OP_NO_GRAD) \
	X(prelu, "prelu", "PRelu", OP_ACC | OP_OVER) \
	X(sample, "sample", "", OP_NO_GRAD | OP_FLOAT) \
	X(tanh, "tanh", "Tanh", OP_ACC | OP_OVER | OP_FLOAT) \
	X(reflect_pad, "reflect_pad", "", OP_ACC) \
	X(gram, "gram", "", OP_ACC | OP_FLOAT) \
	X(distance, "distance", "", OP_ACC | OP_LOSS | OP_FLOAT) \
	X(adversarial, "adversarial", "", OP_ACC | OP_LOSS | OP_FLOAT) \
	X(loss, "loss", "", OP_ACC | OP_LOSS | OP_FLOAT)

enum op_kind {
#define X(id, name, onnx, flags) OP_KIND_##id,
	OP_TABLE(X)
#undef X
	    OP_KINDS
};

#endif
