/* SPDX-License-Identifier: Apache-2.0 */
/* One function an operator: what it is in ONNX. The axes are N,C,D,H,W; those of a flat network
 * N,C,H,W, so that everything that is given along D,H,W loses its first entry. */
#include <stdlib.h>
#include <string.h>

#include "train/onnx.h"
#include "train/onnx_build.h"

/* Field numbers of onnx.proto. */
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE };
enum { ATTR_NAME = 1, ATTR_F, ATTR_I, ATTR_S, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };
enum { GRAPH_NODE = 1 };

const char *onnx_tensor(const struct onnx_build *b, int t, char name[ONNX_NAME])
{
	const struct tensor *x = &b->g->tensor[t];
	if (x->name && strcmp(x->name, "x") == 0)
		snprintf(name, ONNX_NAME, "image");
	else if (x->name && strcmp(x->name, "p") == 0)
		snprintf(name, ONNX_NAME, "probabilities");
	else if (t == b->logits)
		snprintf(name, ONNX_NAME, "logits");
	else
		snprintf(name, ONNX_NAME, "%s.out", b->g->node[x->producer].name);
	return name;
}

/* ---- attributes ----------------------------------------------------------------------------- */

static void attr_end(struct sm_proto *node, struct sm_proto *attr, int type)
{
	sm_proto_int(attr, ATTR_TYPE, type);
	sm_proto_message(node, NODE_ATTRIBUTE, attr);
}

static void attr_float(struct sm_proto *node, const char *name, float value)
{
	struct sm_proto a = {0};
	sm_proto_text(&a, ATTR_NAME, name);
	sm_proto_float(&a, ATTR_F, value);
	attr_end(node, &a, TYPE_FLOAT);
}

static void attr_int(struct sm_proto *node, const char *name, int64_t value)
{
	struct sm_proto a = {0};
	sm_proto_text(&a, ATTR_NAME, name);
	sm_proto_int(&a, ATTR_I, value);
	attr_end(node, &a, TYPE_INT);
}

static void attr_text(struct sm_proto *node, const char *name, const char *value)
{
	struct sm_proto a = {0};
	sm_proto_text(&a, ATTR_NAME, name);
	sm_proto_text(&a, ATTR_S, value);
	attr_end(node, &a, TYPE_STRING);
}

/* Numbers along D,H,W, then (NULL = none) others along D,H,W. */
static void attr_axes(const struct onnx_build *b, struct sm_proto *node, const char *name,
		      const int *v, const int *more)
{
	struct sm_proto a = {0};
	sm_proto_text(&a, ATTR_NAME, name);
	for (int i = b->flat; i < 3; i++)
		sm_proto_int(&a, ATTR_INTS, v[i]);
	for (int i = b->flat; more && i < 3; i++)
		sm_proto_int(&a, ATTR_INTS, more[i]);
	attr_end(node, &a, TYPE_INTS);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* A node at work: texts of inputs are added as they come. */
static void node_end(struct onnx_build *b, struct sm_proto *n, const char *op, const char *output)
{
	char name[ONNX_NAME];
	sm_proto_text(n, NODE_OUTPUT, output);
	if (b->extra)
		snprintf(name, sizeof name, "%s.%d", b->node->name, b->extra);
	else
		snprintf(name, sizeof name, "%s", b->node->name);
	b->extra++;
	sm_proto_text(n, NODE_NAME, name);
	sm_proto_text(n, NODE_OP, op);
	sm_proto_message(&b->graph, GRAPH_NODE, n);
}

static void input_tensor(const struct onnx_build *b, struct sm_proto *n, int i)
{
	char name[ONNX_NAME];
	sm_proto_text(n, NODE_INPUT, onnx_tensor(b, b->node->in[i], name));
}

static struct onnx_const *constant(struct onnx_build *b, const char *name)
{
	struct onnx_const *c = NULL;
	if (b->constants == b->room) {
		size_t room = 2 * b->room + 16;
		c = realloc(b->constant, room * sizeof *c);
		if (!c) {
			SM_FAIL(&b->err, SM_BUDGET, "ONNX: out of memory");
			return NULL;
		}
		b->constant = c;
		b->room = room;
	}
	c = &b->constant[b->constants++];
	*c = (struct onnx_const){.count = 1};
	snprintf(c->name, sizeof c->name, "%s", name);
	return c;
}

/* A parameter (or running statistic) as an input of n; `ones` axes of size 1 are put behind a
 * vector. A shared one is written once. */
static void input_param(struct onnx_build *b, struct sm_proto *n, const struct sm_param *p,
			const float *values, int ones)
{
	sm_proto_text(n, NODE_INPUT, p->name);
	for (size_t i = 0; i < b->constants; i++)
		if (strcmp(b->constant[i].name, p->name) == 0)
			return;
	struct onnx_const *c = constant(b, p->name);
	if (!c)
		return;
	for (int i = 0; i < p->rank; i++)
		if (!(b->flat && p->rank == 5 && i == 2))
			c->dims[c->rank++] = p->shape[i];
	for (int i = 0; i < ones; i++)
		c->dims[c->rank++] = 1;
	c->count = p->count;
	c->data = values + p->offset;
}

static void input_weight(struct onnx_build *b, struct sm_proto *n, int i, int ones)
{
	int at = b->node->param[i];
	if (at >= 0)
		input_param(b, n, &b->g->param[at].pub, b->net->weights, ones);
}

static void input_state(struct onnx_build *b, struct sm_proto *n, int i, int ones)
{
	input_param(b, n, &b->g->state[b->node->state[i]].pub, b->net->state, ones);
}

/* Values of our own as an input, named after the node. rank 0: a number. */
static void input_own(struct onnx_build *b, struct sm_proto *n, const char *what, int rank,
		      const float *v, size_t count)
{
	char name[ONNX_NAME];
	snprintf(name, sizeof name, "%s.%s", b->node->name, what);
	sm_proto_text(n, NODE_INPUT, name);
	struct onnx_const *c = constant(b, name);
	if (!c)
		return;
	c->rank = rank;
	c->dims[0] = (int64_t)count;
	c->count = count;
	memcpy(c->own, v, count * sizeof *v);
}

/* Name of the tensor between the nodes that one operator becomes. */
static const char *between(const struct onnx_build *b, char name[ONNX_NAME])
{
	snprintf(name, ONNX_NAME, "%s.part%d", b->node->name, b->extra);
	return name;
}

/* Ends node n and puts the fused activation behind it. */
static void end_with_act(struct onnx_build *b, struct sm_proto *n, enum sm_fuse fuse, float slope)
{
	char out[ONNX_NAME], part[ONNX_NAME];
	const char *op = op_row(b->node->kind)->onnx;
	struct sm_proto act = {0};
	onnx_tensor(b, b->node->out, out);
	if (fuse == SM_FUSE_NONE) {
		node_end(b, n, op, out);
		return;
	}
	between(b, part);
	node_end(b, n, op, part);
	sm_proto_text(&act, NODE_INPUT, part);
	if (fuse == SM_FUSE_LEAKY_RELU)
		attr_float(&act, "alpha", slope);
	node_end(b, &act, op_row(fuse == SM_FUSE_RELU ? OP_KIND_relu : OP_KIND_leaky_relu)->onnx,
		 out);
}

/* ---- the operators -------------------------------------------------------------------------- */

static void emit_conv(struct onnx_build *b)
{
	const struct sm_conv *c = &b->node->attr.conv;
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	input_weight(b, &n, 0, 0);
	input_weight(b, &n, 1, 0);
	attr_axes(b, &n, "kernel_shape", c->k, NULL);
	attr_axes(b, &n, "pads", c->pad_lo, c->pad_hi);
	attr_axes(b, &n, "strides", c->stride, NULL);
	end_with_act(b, &n, c->fuse, 0);
}

static void emit_batch_norm(struct onnx_build *b)
{
	const struct sm_norm *o = &b->node->attr.norm;
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	input_weight(b, &n, 0, 0);
	input_weight(b, &n, 1, 0);
	input_state(b, &n, 0, 0);
	input_state(b, &n, 1, 0);
	attr_float(&n, "epsilon", o->eps);
	end_with_act(b, &n, o->fuse, o->slope);
}

static void emit_instance_norm(struct onnx_build *b)
{
	const struct sm_norm *o = &b->node->attr.norm;
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	input_weight(b, &n, 0, 0);
	input_weight(b, &n, 1, 0);
	attr_float(&n, "epsilon", o->eps);
	end_with_act(b, &n, o->fuse, o->slope);
}

/* One of the nodes of a norm over the depth: takes `in` and a second input that the caller adds. */
static void depth_end(struct onnx_build *b, struct sm_proto *n, const char *op, char in[ONNX_NAME])
{
	between(b, in);
	node_end(b, n, op, in);
}

/* (x - mean) / sqrt(var + eps) * weight + bias, all of them (D,1,1). */
static void emit_depth_norm(struct onnx_build *b)
{
	struct sm_proto n = {0};
	char x[ONNX_NAME], sd[ONNX_NAME], out[ONNX_NAME];
	input_tensor(b, &n, 0);
	input_state(b, &n, 0, 2);
	depth_end(b, &n, "Sub", x);
	input_state(b, &n, 1, 2);
	input_own(b, &n, "eps", 0, b->node->attr.value, 1);
	depth_end(b, &n, "Add", sd);
	sm_proto_text(&n, NODE_INPUT, sd);
	depth_end(b, &n, "Sqrt", sd);
	sm_proto_text(&n, NODE_INPUT, x);
	sm_proto_text(&n, NODE_INPUT, sd);
	depth_end(b, &n, "Div", x);
	sm_proto_text(&n, NODE_INPUT, x);
	input_weight(b, &n, 0, 2);
	depth_end(b, &n, "Mul", x);
	sm_proto_text(&n, NODE_INPUT, x);
	input_weight(b, &n, 1, 2);
	node_end(b, &n, "Add", onnx_tensor(b, b->node->out, out));
}

static void emit_max_pool(struct onnx_build *b)
{
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	attr_axes(b, &n, "kernel_shape", b->node->attr.window, NULL);
	attr_axes(b, &n, "strides", b->node->attr.window, NULL);
	end_with_act(b, &n, SM_FUSE_NONE, 0);
}

static void emit_upsample(struct onnx_build *b)
{
	struct sm_proto n = {0};
	float scale[5] = {1, 1};
	size_t at = 2;
	for (int i = b->flat; i < 3; i++)
		scale[at++] = (float)b->node->attr.window[i];
	input_tensor(b, &n, 0);
	sm_proto_text(&n, NODE_INPUT, ""); /* roi */
	input_own(b, &n, "scales", 1, scale, at);
	attr_text(&n, "coordinate_transformation_mode", "asymmetric");
	attr_text(&n, "mode", "nearest");
	attr_text(&n, "nearest_mode", "floor");
	end_with_act(b, &n, SM_FUSE_NONE, 0);
}

/* All inputs, and of what goes over the channels the axis. */
static void emit_plain(struct onnx_build *b)
{
	enum op_kind kind = b->node->kind;
	struct sm_proto n = {0};
	for (int i = 0; i < b->node->nin; i++)
		input_tensor(b, &n, i);
	if (kind == OP_KIND_concat || kind == OP_KIND_softmax)
		attr_int(&n, "axis", 1);
	if (kind == OP_KIND_leaky_relu)
		attr_float(&n, "alpha", b->node->attr.value[0]);
	end_with_act(b, &n, SM_FUSE_NONE, 0);
}

/* Does nothing in inference; the rate is told for those who train on. */
static void emit_dropout(struct onnx_build *b)
{
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	input_own(b, &n, "rate", 0, b->node->attr.value, 1);
	end_with_act(b, &n, SM_FUSE_NONE, 0);
}

static void emit_prelu(struct onnx_build *b)
{
	struct sm_proto n = {0};
	input_tensor(b, &n, 0);
	input_weight(b, &n, 0, b->flat ? 2 : 3);
	end_with_act(b, &n, SM_FUSE_NONE, 0);
}

static void emit_nothing(struct onnx_build *b)
{
	(void)b;
}

/* By kind; NULL = has no form in ONNX. */
static void (*const emit[OP_KINDS])(struct onnx_build *b) = {
	[OP_KIND_input] = emit_nothing,
	[OP_KIND_conv] = emit_conv,
	[OP_KIND_conv_t] = emit_conv,
	[OP_KIND_batch_norm] = emit_batch_norm,
	[OP_KIND_instance_norm] = emit_instance_norm,
	[OP_KIND_depth_norm] = emit_depth_norm,
	[OP_KIND_max_pool] = emit_max_pool,
	[OP_KIND_upsample] = emit_upsample,
	[OP_KIND_concat] = emit_plain,
	[OP_KIND_add] = emit_plain,
	[OP_KIND_relu] = emit_plain,
	[OP_KIND_leaky_relu] = emit_plain,
	[OP_KIND_sigmoid] = emit_plain,
	[OP_KIND_softmax] = emit_plain,
	[OP_KIND_dropout] = emit_dropout,
	[OP_KIND_detach] = emit_plain,
	[OP_KIND_prelu] = emit_prelu,
	[OP_KIND_tanh] = emit_plain,
};

bool sm_onnx_knows(int kind)
{
	return kind >= 0 && kind < OP_KINDS && emit[kind];
}

void onnx_emit(struct onnx_build *b, const struct node *n)
{
	if (b->err.code != SM_OK)
		return;
	if (!emit[n->kind]) {
		SM_FAIL(&b->err, SM_INPUT, "ONNX: operator %s of layer %s has no form in it",
			op_row(n->kind)->name, n->name);
		return;
	}
	b->node = n;
	b->extra = 0;
	emit[n->kind](b);
}

bool onnx_op_is_flat(const struct sm_graph *g, const struct node *n)
{
	const struct sm_conv *c = &n->attr.conv;
	switch (n->kind) {
	case OP_KIND_conv:
	case OP_KIND_conv_t:
		return c->k[0] == 1 && c->stride[0] == 1 && !c->pad_lo[0] && !c->pad_hi[0];
	case OP_KIND_max_pool:
	case OP_KIND_upsample:
		return n->attr.window[0] == 1;
	case OP_KIND_instance_norm:
		return op_in_shape(g, n, 0).d == 1;
	case OP_KIND_depth_norm:
	case OP_KIND_sample:
		return false;
	default:
		return true;
	}
}
