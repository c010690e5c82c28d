/* SPDX-License-Identifier: Apache-2.0 */
#include "train/onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/stage.h"
#include "train/onnx_build.h"

#define LIMIT ((size_t)INT32_MAX) /* of a protobuf message */

/* Field numbers of onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER, MODEL_VERSION, MODEL_DOC = 6, MODEL_GRAPH, MODEL_OPSET,
       MODEL_META = 14 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION };
enum { GRAPH_NAME = 2, GRAPH_CONSTANT = 5, GRAPH_DOC = 10, GRAPH_INPUT, GRAPH_OUTPUT };
enum { TENSOR_DIMS = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_RAW };
enum { VALUE_NAME = 1, VALUE_TYPE, VALUE_DOC };
enum { TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM };
enum { META_KEY = 1, META_VALUE };
enum { ELEMENT_FLOAT = 1 };

bool sm_onnx_flat(const struct sm_net *net)
{
	for (int i = 0; i < net->g->nodes; i++)
		if (!onnx_op_is_flat(net->g, &net->g->node[i]))
			return false;
	return true;
}

static int find_tensor(const struct sm_graph *g, const char *name)
{
	for (int i = 0; i < g->tensors; i++)
		if (g->tensor[i].name && strcmp(g->tensor[i].name, name) == 0)
			return i;
	return -1;
}

/* Marks the nodes that tensor t needs. */
static void mark(const struct sm_graph *g, int t, bool *needed)
{
	memset(needed, 0, (size_t)g->nodes * sizeof *needed);
	needed[g->tensor[t].producer] = true;
	for (int i = g->nodes - 1; i >= 0; i--)
		for (int k = 0; needed[i] && k < g->node[i].nin; k++)
			needed[g->tensor[g->node[i].in[k]].producer] = true;
}

/* ---- the parts of the file ------------------------------------------------------------------ */

static void add_dim(struct sm_proto *shape, const char *name, int value)
{
	struct sm_proto dim = {0};
	if (name)
		sm_proto_text(&dim, DIM_PARAM, name);
	else
		sm_proto_int(&dim, DIM_VALUE, value);
	sm_proto_message(shape, SHAPE_DIM, &dim);
}

/* An input or output of the graph. */
static void add_value(const struct onnx_build *b, struct sm_proto *tail, int field, int t,
		      const char *doc)
{
	char name[ONNX_NAME];
	struct sm_shape s = b->g->tensor[t].shape;
	struct sm_proto shape = {0}, tensor = {0}, type = {0}, value = {0};
	add_dim(&shape, "N", 0);
	add_dim(&shape, NULL, s.c);
	if (!b->flat)
		add_dim(&shape, NULL, s.d);
	add_dim(&shape, NULL, s.h);
	add_dim(&shape, NULL, s.w);
	sm_proto_int(&tensor, TENSOR_ELEMENT, ELEMENT_FLOAT);
	sm_proto_message(&tensor, TENSOR_SHAPE, &shape);
	sm_proto_message(&type, TYPE_TENSOR, &tensor);
	sm_proto_text(&value, VALUE_NAME, onnx_tensor(b, t, name));
	sm_proto_message(&value, VALUE_TYPE, &type);
	sm_proto_text(&value, VALUE_DOC, doc);
	sm_proto_message(tail, field, &value);
}

/* A tensor of constants up to its bytes. */
static void constant_head(const struct onnx_const *c, struct sm_proto *head)
{
	for (int i = 0; i < c->rank; i++)
		sm_proto_int(head, TENSOR_DIMS, c->dims[i]);
	sm_proto_int(head, TENSOR_TYPE, ELEMENT_FLOAT);
	sm_proto_text(head, TENSOR_NAME, c->name);
	sm_proto_begin_bytes(head, TENSOR_RAW, c->count * sizeof(float));
}

/* Head of the field in the graph, and of the tensor. */
static void constant_field(const struct onnx_const *c, struct sm_proto *out)
{
	struct sm_proto head = {0};
	constant_head(c, &head);
	sm_proto_begin_bytes(out, GRAPH_CONSTANT, head.n + c->count * sizeof(float));
	sm_proto_append(out, &head);
}

static void add_meta(struct sm_proto *model, const json_t *meta)
{
	const char *key;
	json_t *value, *all = json_deep_copy(meta);
	/* Sorted: the order of an object's keys is that of their making. */
	char *line = json_dumps(all, JSON_SORT_KEYS);
	json_decref(all);
	all = line ? json_loads(line, 0, NULL) : NULL;
	free(line);
	model->failed |= !all;
	json_object_foreach(all, key, value)
	{
		struct sm_proto entry = {0};
		sm_proto_text(&entry, META_KEY, key);
		sm_proto_text(&entry, META_VALUE, json_string_value(value));
		sm_proto_message(model, MODEL_META, &entry);
	}
	json_decref(all);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool put(FILE *to, const void *bytes, size_t n)
{
	return n == 0 || fwrite(bytes, 1, n, to) == n;
}

/* head, graph's nodes, constants, the graph's tail, the model's tail. */
static enum sm_status put_all(const char *path, const struct onnx_build *b,
			      const struct sm_proto part[4], struct sm_err *err)
{
	struct sm_outfile out = {0};
	enum sm_status st;
	SM_TRY(sm_outfile_begin(&out, path, true, err));
	errno = 0;
	bool good = put(out.stream, part[0].v, part[0].n) && put(out.stream, part[1].v, part[1].n);
	for (size_t i = 0; good && i < b->constants; i++) {
		const struct onnx_const *c = &b->constant[i];
		struct sm_proto head = {0};
		constant_field(c, &head);
		good = !head.failed && put(out.stream, head.v, head.n) &&
		       put(out.stream, c->data ? c->data : c->own, c->count * sizeof(float));
		sm_proto_clear(&head);
	}
	good = good && put(out.stream, part[2].v, part[2].n) &&
	       put(out.stream, part[3].v, part[3].n);
	st = good ? sm_outfile_commit(&out, err)
		  : SM_FAIL(err, SM_IO, "%s: cannot be written: %s", path,
			    errno ? strerror(errno) : "out of memory");
	sm_outfile_abandon(&out);
	return st;
}

/* Bytes of the constants; at least SIZE_MAX / 2 when there is no memory to tell. */
static size_t constants_size(const struct onnx_build *b)
{
	size_t sum = 0;
	for (size_t i = 0; i < b->constants; i++) {
		struct sm_proto head = {0};
		constant_field(&b->constant[i], &head);
		sum += head.failed ? SIZE_MAX / 2 : head.n + b->constant[i].count * sizeof(float);
		sm_proto_clear(&head);
	}
	return sum;
}

static enum sm_status write_model(const char *path, struct onnx_build *b, int x, int p,
				  const struct sm_onnx_about *about, struct sm_err *err)
{
	struct sm_proto part[4] = {{0}}, opset = {0};
	enum sm_status st = SM_OK;
	sm_proto_text(&b->graph, GRAPH_NAME, about->name);
	sm_proto_text(&part[2], GRAPH_DOC, about->doc);
	add_value(b, &part[2], GRAPH_INPUT, x, "channels first, scaled as in training");
	add_value(b, &part[2], GRAPH_OUTPUT, p, "one channel each of the task");
	if (b->logits >= 0)
		add_value(b, &part[2], GRAPH_OUTPUT, b->logits, "before the last activation");
	size_t constants = constants_size(b), graph = b->graph.n + part[2].n;
	if (constants >= LIMIT - graph)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: the weights need %zu MiB, ONNX files hold less than 2048: give "
			     "--format safetensors",
			     path, constants >> 20);
	sm_proto_int(&part[0], MODEL_IR, SM_ONNX_IR);
	sm_proto_text(&part[0], MODEL_PRODUCER, "scanmill");
	sm_proto_text(&part[0], MODEL_VERSION, SM_VERSION);
	sm_proto_text(&part[0], MODEL_DOC, about->doc);
	sm_proto_begin_bytes(&part[0], MODEL_GRAPH, graph + constants);
	part[1] = b->graph;
	sm_proto_text(&opset, OPSET_DOMAIN, "");
	sm_proto_int(&opset, OPSET_VERSION, SM_ONNX_OPSET);
	sm_proto_message(&part[3], MODEL_OPSET, &opset);
	add_meta(&part[3], about->meta);
	for (int i = 0; st == SM_OK && i < 4; i++)
		if (part[i].failed)
			st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	if (st == SM_OK)
		st = put_all(path, b, part, err);
	sm_proto_clear(&part[0]);
	sm_proto_clear(&part[2]);
	sm_proto_clear(&part[3]);
	return st;
}

enum sm_status sm_onnx_write(const char *path, struct sm_net *net,
			     const struct sm_onnx_about *about, struct sm_err *err)
{
	const struct sm_graph *g = net->g;
	struct onnx_build b = {.net = net, .g = g, .flat = sm_onnx_flat(net), .logits = -1};
	int x = find_tensor(g, "x"), p = find_tensor(g, "p");
	enum sm_status st;
	if (x < 0 || p < 0 || !net->weights)
		return SM_FAIL(err, SM_INTERNAL, "ONNX: the network has no x, no p or no weights");
	const struct node *last = &g->node[g->tensor[p].producer];
	if (last->kind == OP_KIND_softmax || last->kind == OP_KIND_sigmoid)
		b.logits = last->in[0];
	bool *needed = calloc((size_t)g->nodes, sizeof *needed);
	if (!needed)
		return SM_FAIL(err, SM_BUDGET, "ONNX: out of memory");
	mark(g, p, needed);
	for (int i = 0; i < g->nodes; i++)
		if (needed[i])
			onnx_emit(&b, &g->node[i]);
	st = b.err.code;
	if (st == SM_OK)
		st = write_model(path, &b, x, p, about, err);
	else if (err)
		*err = b.err;
	sm_proto_clear(&b.graph);
	free(b.constant);
	free(needed);
	return st;
}
