/* SPDX-License-Identifier: Apache-2.0
 *
 * A network for inference as an ONNX file (opset 17, IR 8): the static graph, channels first, with
 * its weights inside. One input "image" (N,C,D,H,W), outputs "probabilities" and "logits"; networks
 * that are flat along the depth get (N,C,H,W). The batch axis N is free, the other sizes are fixed.
 */
#ifndef SM_TRAIN_ONNX_H
#define SM_TRAIN_ONNX_H

#include <jansson.h>

#include "core/err.h"
#include "train/nn/nn.h"

#define SM_ONNX_OPSET 17
#define SM_ONNX_IR 8

/* Whether no operator looks along the depth: each slice is an image on its own. */
bool sm_onnx_flat(const struct sm_net *net);

/* Whether operator `kind` of train/nn/op_table.h can be written. */
bool sm_onnx_knows(int kind);

struct sm_onnx_about {
	const char *name;   /* of the graph */
	const char *doc;    /* for people */
	const json_t *meta; /* object of texts: metadata_props, sorted by key */
};

/* Writes what leads from "x" to "p" of an allocated net, atomically. SM_INPUT: an operator without
 * an ONNX form, or 2 GiB and more, which protobuf cannot hold. */
enum sm_status sm_onnx_write(const char *path, struct sm_net *net,
			     const struct sm_onnx_about *about, struct sm_err *err);

#endif
