/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the ONNX writer: what the operators' functions (onnx_ops.c) add to.
 */
#ifndef SM_TRAIN_ONNX_BUILD_H
#define SM_TRAIN_ONNX_BUILD_H

#include "train/nn/net.h"
#include "train/onnx_proto.h"

#define ONNX_NAME 128

/* A tensor of constants: weights of the net, or a few own values. */
struct onnx_const {
	char name[ONNX_NAME];
	int64_t dims[5];
	int rank;
	const float *data; /* of the net; NULL = own */
	float own[5];
	size_t count;
};

struct onnx_build {
	struct sm_net *net;
	const struct sm_graph *g;
	bool flat;
	int logits; /* tensor before the last activation; -1 = none */
	struct sm_proto graph; /* its nodes */
	struct onnx_const *constant;
	size_t constants, room;
	const struct node *node; /* at work */
	int extra;               /* nodes and tensors that it has added beside its own */
	struct sm_err err;       /* the first failure */
};

/* Adds the nodes of n: the row of the operators' table. */
void onnx_emit(struct onnx_build *b, const struct node *n);

/* Name of tensor t of the graph. */
const char *onnx_tensor(const struct onnx_build *b, int t, char name[ONNX_NAME]);

/* Whether an operator of the graph keeps slices apart. */
bool onnx_op_is_flat(const struct sm_graph *g, const struct node *n);

#endif
