/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/op.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct op_row rows[] = {
#define X(id, name, onnx, flags) {name, onnx, flags, &op_##id},
    OP_TABLE(X)
#undef X
};

const struct op_row *op_row(enum op_kind kind)
{
	return &rows[kind];
}

size_t sm_shape_count(struct sm_shape s)
{
	size_t a, b;
	if (s.n <= 0 || s.d <= 0 || s.h <= 0 || s.w <= 0 || s.c <= 0)
		return 0;
	if (!sm_mul3((size_t)s.n, (size_t)s.d, (size_t)s.h, &a) ||
	    !sm_mul3(a, (size_t)s.w, (size_t)s.c, &b))
		return 0;
	return b;
}

struct sm_graph *sm_graph_create(void)
{
	return calloc(1, sizeof(struct sm_graph));
}

void sm_graph_free(struct sm_graph *g)
{
	if (!g)
		return;
	for (int i = 0; i < g->nodes; i++) {
		const struct op_impl *impl = op_row(g->node[i].kind)->impl;
		if (impl->release)
			impl->release(&g->node[i]);
		free(g->node[i].name);
	}
	for (int i = 0; i < g->tensors; i++)
		free(g->tensor[i].name);
	for (int i = 0; i < g->params; i++)
		free(g->param[i].name);
	for (int i = 0; i < g->states; i++)
		free(g->state[i].name);
	for (int i = 0; i < g->fixeds; i++)
		free(g->fixed[i].name);
	for (int i = 0; i < g->frozens; i++)
		free(g->frozen[i]);
	free(g->node);
	free(g->tensor);
	free(g->param);
	free(g->state);
	free(g->fixed);
	free(g);
}

enum sm_status sm_graph_status(const struct sm_graph *g, struct sm_err *err)
{
	if (g->err.code != SM_OK && err)
		*err = g->err;
	return g->err.code;
}

int sm_graph_fail(struct sm_graph *g, const char *fmt, ...)
{
	if (g->err.code == SM_OK) {
		char text[SM_ERR_TEXT];
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(text, sizeof text, fmt, ap);
		va_end(ap);
		SM_FAIL(&g->err, SM_USAGE, "%s", text);
	}
	return -1;
}

struct sm_shape sm_graph_shape(const struct sm_graph *g, int x)
{
	struct sm_shape none = {0};
	return x >= 0 && x < g->tensors ? g->tensor[x].shape : none;
}

/* Makes room for one more element; arrays grow by doubling at powers of two. */
static bool grow(void **array, int count, size_t size)
{
	if (count & (count - 1))
		return true;
	void *p = realloc(*array, (size_t)(count ? 2 * count : 1) * size);
	if (!p)
		return false;
	*array = p;
	return true;
}

static int add_param(struct param **array, int *count, size_t *total, struct param *p,
		     struct sm_err *err)
{
	p->pub.count = 1;
	for (int i = 0; i < p->pub.rank; i++)
		if (!sm_mul(p->pub.count, (size_t)p->pub.shape[i], &p->pub.count))
			return SM_FAIL(err, SM_USAGE, "parameter %s: size overflows", p->name), -1;
	for (int i = 0; i < *count; i++) {
		if (strcmp((*array)[i].name, p->name) != 0)
			continue;
		if (memcmp((*array)[i].pub.shape, p->pub.shape, sizeof p->pub.shape) != 0)
			return SM_FAIL(err, SM_USAGE,
				       "parameter %s: used before with another shape", p->name),
			       -1;
		free(p->name);
		return i;
	}
	if (!grow((void **)array, *count, sizeof **array))
		return SM_FAIL(err, SM_BUDGET, "network graph: out of memory"), -1;
	p->lender = -1;
	p->pub.name = p->name;
	p->pub.offset = *total;
	*total += p->pub.count;
	(*array)[*count] = *p;
	return (*count)++;
}

/* What graph_param adds to the number of a parameter that is not trained, until graph_add parts the
 * two kinds: operators need not know them. */
#define NOT_TRAINED (1 << 24)

void sm_graph_freeze(struct sm_graph *g, const char *prefix)
{
	if (g->frozens == GRAPH_FROZEN) {
		sm_graph_fail(g, "network graph: more than %d frozen prefixes", GRAPH_FROZEN);
		return;
	}
	char *copy = sm_strf("%s", prefix);
	if (!copy)
		SM_FAIL(&g->err, SM_BUDGET, "network graph: out of memory");
	else
		g->frozen[g->frozens++] = copy;
}

void sm_graph_stage_begin(struct sm_graph *g)
{
	g->stage = ++g->stages;
}

void sm_graph_stage_end(struct sm_graph *g)
{
	g->stage = 0;
}

static bool is_frozen(const struct sm_graph *g, const char *name)
{
	for (int i = 0; i < g->frozens; i++) {
		size_t n = strlen(g->frozen[i]);
		if (strncmp(name, g->frozen[i], n) == 0 && name[n] == '.')
			return true;
	}
	return false;
}

static void part_fixed(struct node *n)
{
	for (int k = 0; k < 2; k++) {
		n->fixed[k] = -1;
		if (n->param[k] < NOT_TRAINED)
			continue;
		n->fixed[k] = n->param[k] - NOT_TRAINED;
		n->param[k] = -1;
	}
}

int graph_param(struct sm_graph *g, const char *prefix, const char *leaf, int rank,
		const int shape[5], const char *init, double fan_in, double fan_out,
		struct sm_err *err)
{
	struct param p = {.init = init_find(init), .fan_in = fan_in, .fan_out = fan_out};
	if (!p.init)
		return SM_FAIL(err, SM_USAGE, "layer %s: unknown initialiser \"%s\"", prefix, init),
		       -1;
	p.name = sm_strf("%s.%s", prefix, leaf);
	if (!p.name)
		return SM_FAIL(err, SM_BUDGET, "network graph: out of memory"), -1;
	p.pub.rank = rank;
	memcpy(p.pub.shape, shape, (size_t)rank * sizeof *shape);
	bool fixed = p.frozen = is_frozen(g, p.name);
	int i = fixed ? add_param(&g->fixed, &g->fixeds, &g->fixed_count, &p, err)
		      : add_param(&g->param, &g->params, &g->param_count, &p, err);
	if (i < 0)
		free(p.name);
	return i >= 0 && fixed ? i + NOT_TRAINED : i;
}

int graph_state(struct sm_graph *g, const char *prefix, const char *leaf, int channels, float value,
		struct sm_err *err)
{
	struct param p = {.value = value, .pub = {.rank = 1, .shape = {channels}}};
	p.name = sm_strf("%s.%s", prefix, leaf);
	if (!p.name)
		return SM_FAIL(err, SM_BUDGET, "network graph: out of memory"), -1;
	p.frozen = is_frozen(g, p.name);
	int i = add_param(&g->state, &g->states, &g->state_count, &p, err);
	if (i < 0)
		free(p.name);
	return i;
}

static int add_tensor(struct sm_graph *g, struct sm_shape shape, int producer)
{
	if (!grow((void **)&g->tensor, g->tensors, sizeof *g->tensor)) {
		SM_FAIL(&g->err, SM_BUDGET, "network graph: out of memory");
		return -1;
	}
	g->tensor[g->tensors] = (struct tensor){.shape = shape,
						.count = sm_shape_count(shape),
						.producer = producer,
						.block = -1,
						.grad_block = -1};
	return g->tensors++;
}

int graph_add(struct sm_graph *g, enum op_kind kind, const char *name, const int *in, int nin,
	      const struct op_attr *attr)
{
	if (g->err.code != SM_OK)
		return -1;
	struct node n = {.kind = kind,
			 .nin = nin,
			 .stage = g->stage,
			 .param = {-1, -1},
			 .state = {-1, -1}};
	n.save_block = n.ws_forward_block = n.ws_backward_block = -1;
	for (int i = 0; i < nin; i++) {
		if (in[i] < 0 || in[i] >= g->tensors)
			return sm_graph_fail(g, "operator %s: input %d is not a tensor",
					     rows[kind].name, i);
		n.in[i] = n.src[i] = in[i];
	}
	n.nsrc = nin;
	for (int i = 0; i < OP_MAX_IN; i++)
		n.add_block[i] = -1;
	if (attr)
		n.attr = *attr;
	n.name = name ? sm_strf("%s", name) : sm_strf("%s%d", rows[kind].name, g->nodes);
	if (!n.name || !grow((void **)&g->node, g->nodes, sizeof *g->node)) {
		free(n.name);
		SM_FAIL(&g->err, SM_BUDGET, "network graph: out of memory");
		return -1;
	}
	struct sm_shape out = {0};
	struct sm_err err = {0};
	enum sm_status st = rows[kind].impl->shape(g, &n, &out, &err);
	/* oneDNN counts in int here and there: with more it divides by zero (2.6.3). */
	if (st == SM_OK && (sm_shape_count(out) == 0 || sm_shape_count(out) > INT32_MAX))
		st = SM_FAIL(&err, SM_USAGE,
			     "layer %s: output of %dx%dx%dx%dx%d is empty or too large (above %d "
			     "values)",
			     n.name, out.n, out.d, out.h, out.w, out.c, INT32_MAX);
	if (st != SM_OK) {
		free(n.name);
		g->err = err;
		return -1;
	}
	part_fixed(&n);
	n.out = add_tensor(g, out, g->nodes);
	if (n.out < 0) {
		free(n.name);
		return -1;
	}
	g->node[g->nodes++] = n;
	return n.out;
}

static bool name_taken(const struct sm_graph *g, const char *name)
{
	for (int i = 0; i < g->tensors; i++)
		if (g->tensor[i].name && strcmp(g->tensor[i].name, name) == 0)
			return true;
	return false;
}

static int name_tensor(struct sm_graph *g, int x, const char *name)
{
	if (x < 0 || x >= g->tensors || g->err.code != SM_OK)
		return -1;
	if (g->tensor[x].name || name_taken(g, name))
		return sm_graph_fail(g, "tensor \"%s\": named twice", name);
	g->tensor[x].name = sm_strf("%s", name);
	return g->tensor[x].name ? x : sm_graph_fail(g, "network graph: out of memory");
}

int sm_g_input(struct sm_graph *g, const char *name, struct sm_shape s)
{
	struct op_attr attr = {.window = {s.d, s.h, s.w}, .conv = {.out = s.c, .k = {s.n}}};
	return name_tensor(g, graph_add(g, OP_KIND_input, name, NULL, 0, &attr), name);
}

int sm_g_output(struct sm_graph *g, int x, const char *name)
{
	x = name_tensor(g, x, name);
	if (x >= 0)
		g->tensor[x].is_output = true;
	return x;
}

/* An input has no work: its shape is carried by the attributes. */
static enum sm_status input_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				  struct sm_err *err)
{
	(void)g;
	(void)err;
	*out = (struct sm_shape){n->attr.conv.k[0], n->attr.window[0], n->attr.window[1],
				 n->attr.window[2], n->attr.conv.out};
	return SM_OK;
}

static enum sm_status input_forward(const struct op_run *r, struct sm_err *err)
{
	(void)r;
	(void)err;
	return SM_OK;
}

const struct op_impl op_input = {.shape = input_shape, .forward = input_forward};

int sm_g_conv(struct sm_graph *g, int x, const char *name, struct sm_conv conv)
{
	struct op_attr attr = {.conv = conv};
	return graph_add(g, OP_KIND_conv, name, &x, 1, &attr);
}

int sm_g_conv_transposed(struct sm_graph *g, int x, const char *name, struct sm_conv conv)
{
	struct op_attr attr = {.conv = conv};
	return graph_add(g, OP_KIND_conv_t, name, &x, 1, &attr);
}

int sm_g_norm(struct sm_graph *g, int x, const char *name, struct sm_norm norm)
{
	struct op_attr attr = {.norm = norm};
	return graph_add(g, norm.batch ? OP_KIND_batch_norm : OP_KIND_instance_norm, name, &x, 1,
			 &attr);
}

int sm_g_batch_norm(struct sm_graph *g, int x, const char *name, float eps, float momentum)
{
	return sm_g_norm(g, x, name,
			 (struct sm_norm){.batch = true, .eps = eps, .momentum = momentum});
}

int sm_g_instance_norm(struct sm_graph *g, int x, const char *name, float eps)
{
	return sm_g_norm(g, x, name, (struct sm_norm){.eps = eps});
}

int sm_g_depth_norm(struct sm_graph *g, int x, const char *name, float eps, float momentum)
{
	struct op_attr attr = {.value = {eps, momentum}};
	return graph_add(g, OP_KIND_depth_norm, name, &x, 1, &attr);
}

int sm_g_max_pool(struct sm_graph *g, int x, int kd, int kh, int kw)
{
	struct op_attr attr = {.window = {kd, kh, kw}};
	return graph_add(g, OP_KIND_max_pool, NULL, &x, 1, &attr);
}

int sm_g_upsample(struct sm_graph *g, int x, int fd, int fh, int fw)
{
	struct op_attr attr = {.window = {fd, fh, fw}};
	return graph_add(g, OP_KIND_upsample, NULL, &x, 1, &attr);
}

int sm_g_concat(struct sm_graph *g, const int *x, int count)
{
	if (count < 2 || count > OP_MAX_IN)
		return sm_graph_fail(g, "concat: %d inputs, allowed are 2 to %d", count, OP_MAX_IN);
	return graph_add(g, OP_KIND_concat, NULL, x, count, NULL);
}

int sm_g_add(struct sm_graph *g, int a, int b)
{
	return graph_add(g, OP_KIND_add, NULL, (int[]){a, b}, 2, NULL);
}

int sm_g_relu(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_relu, NULL, &x, 1, NULL);
}

int sm_g_leaky_relu(struct sm_graph *g, int x, float slope)
{
	struct op_attr attr = {.value = {slope, 0}};
	return graph_add(g, OP_KIND_leaky_relu, NULL, &x, 1, &attr);
}

int sm_g_sigmoid(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_sigmoid, NULL, &x, 1, NULL);
}

int sm_g_softmax(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_softmax, NULL, &x, 1, NULL);
}

int sm_g_dropout(struct sm_graph *g, int x, float rate)
{
	struct op_attr attr = {.value = {rate, 0}};
	return graph_add(g, OP_KIND_dropout, NULL, &x, 1, &attr);
}

int sm_g_detach(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_detach, NULL, &x, 1, NULL);
}
