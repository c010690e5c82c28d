/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and transposed convolution over the kernels of conv.h. The transposed one is the
 * convolution that leads from its output back to its input, with forward and backward-data
 * exchanged; PyTorch's weight order (I,O,k) is then exactly that convolution's (O,I,k). */
#include "train/nn/conv.h"
#include "train/nn/op.h"

#include <omp.h>
#include <string.h>

static size_t round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

/* Puts defaults in place of zeros and padding numbers in place of "same". */
static enum sm_status settle(struct node *n, struct sm_shape in, bool transposed,
			     struct sm_err *err)
{
	struct sm_conv *c = &n->attr.conv;
	const int size[3] = {in.d, in.h, in.w};
	if (c->out < 1)
		return SM_FAIL(err, SM_USAGE, "layer %s: %d output channels, must be >= 1", n->name,
			       c->out);
	if (c->fuse == SM_FUSE_LEAKY_RELU)
		return SM_FAIL(err, SM_USAGE,
			       "layer %s: leaky ReLU is fused with a norm only", n->name);
	for (int i = 0; i < 3; i++) {
		c->k[i] = c->k[i] ? c->k[i] : 1;
		c->stride[i] = c->stride[i] ? c->stride[i] : 1;
		if (c->k[i] < 1 || c->stride[i] < 1 || c->k[i] > 1024 || c->stride[i] > 1024)
			return SM_FAIL(err, SM_USAGE,
				       "layer %s: kernel %d, stride %d, allowed are 1 to 1024",
				       n->name, c->k[i], c->stride[i]);
		if (c->pad == SM_PAD_EXPLICIT)
			continue;
		/* The larger side: input of a convolution, output of a transposed one. */
		int64_t large = transposed ? (int64_t)size[i] * c->stride[i] : size[i];
		int64_t small = (large + c->stride[i] - 1) / c->stride[i];
		int64_t total = (small - 1) * c->stride[i] + c->k[i] - large;
		total = total > 0 ? total : 0;
		c->pad_lo[i] = (int)(total / 2);
		c->pad_hi[i] = (int)(total - total / 2);
	}
	return SM_OK;
}

/* The convolution of a node whose input and output shapes are known. */
static struct conv_desc desc_of(const struct node *n, struct sm_shape x, struct sm_shape y)
{
	const struct sm_conv *c = &n->attr.conv;
	bool t = n->kind == OP_KIND_conv_t;
	struct sm_shape from = t ? y : x, to = t ? x : y;
	struct conv_desc d = {.n = x.n,
			      .ic = from.c,
			      .oc = to.c,
			      .in = {from.d, from.h, from.w},
			      .out = {to.d, to.h, to.w},
			      .bias = !t && !c->no_bias,
			      .relu = !t && c->fuse == SM_FUSE_RELU,
			      .up = n->up};
	memcpy(d.k, c->k, sizeof d.k);
	memcpy(d.stride, c->stride, sizeof d.stride);
	memcpy(d.lo, c->pad_lo, sizeof d.lo);
	memcpy(d.hi, c->pad_hi, sizeof d.hi);
	return d;
}

static enum sm_status conv_params(struct sm_graph *g, struct node *n, int in, bool transposed,
				  struct sm_err *err)
{
	const struct sm_conv *c = &n->attr.conv;
	const int shape[5] = {transposed ? in : c->out, transposed ? c->out : in, c->k[0], c->k[1],
			      c->k[2]};
	double taps = (double)c->k[0] * c->k[1] * c->k[2];
	/* PyTorch's reading of a weight tensor: fan-in from its second axis. */
	n->param[0] = graph_param(g, n->name, "weight", 5, shape, c->init ? c->init : "he_normal",
				  shape[1] * taps, shape[0] * taps, err);
	if (n->param[0] < 0)
		return err->code;
	if (c->no_bias)
		return SM_OK;
	const int bias[5] = {c->out};
	n->param[1] = graph_param(g, n->name, "bias", 1, bias, "zeros", 1, 1, err);
	return n->param[1] < 0 ? err->code : SM_OK;
}

static enum sm_status conv_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape x = op_in_shape(g, n, 0);
	bool t = n->kind == OP_KIND_conv_t;
	SM_TRY(settle(n, x, t, err));
	const struct sm_conv *c = &n->attr.conv;
	const int size[3] = {x.d, x.h, x.w};
	int y[3];
	for (int i = 0; i < 3; i++) {
		int64_t pad = (int64_t)c->pad_lo[i] + c->pad_hi[i];
		int64_t o = t ? ((int64_t)size[i] - 1) * c->stride[i] + c->k[i] - pad
			      : (size[i] + pad - c->k[i]) / c->stride[i] + 1;
		if (o < 1 || o > INT32_MAX || (!t && size[i] + pad < c->k[i]))
			return SM_FAIL(err, SM_USAGE,
				       "layer %s: axis of size %d is too small for kernel %d",
				       n->name, size[i], c->k[i]);
		y[i] = (int)o;
	}
	*out = (struct sm_shape){x.n, y[0], y[1], y[2], c->out};
	struct conv_desc d = desc_of(n, x, *out);
	if (conv_desc_check(&d, err) != SM_OK)
		return sm_err_prefix(err, "layer %s", n->name);
	SM_TRY(conv_params(g, n, x.c, t, err));
	n->needs_x = true;
	n->needs_y = c->fuse == SM_FUSE_RELU;
	return SM_OK;
}

/* Kernel pass that does pass p of the node. */
static enum sm_pass kernel_pass(const struct node *n, enum sm_pass p)
{
	if (n->kind == OP_KIND_conv || p == SM_BACKWARD_WEIGHTS)
		return p;
	return p == SM_FORWARD ? SM_BACKWARD_DATA : SM_FORWARD;
}

/* The tensors that are x and y of the node's convolution; x in parts is their concatenation. */
static struct tensor *conv_x(const struct sm_graph *g, const struct node *n)
{
	int x = n->up ? n->src[0] : n->in[0];
	return &g->tensor[n->kind == OP_KIND_conv ? x : n->out];
}

static struct tensor *conv_y(const struct sm_graph *g, const struct node *n)
{
	return &g->tensor[n->kind == OP_KIND_conv ? n->out : n->in[0]];
}

/* Workspace for a tensor where the kernel wants another type. */
static size_t copy_bytes(const struct tensor *t, enum elem e)
{
	return t->elem == e ? 0 : round64(t->count * elem_size(e));
}

/* With opt.bf16 a kernel that multiplies bfloat16 where there is one, else a float32 one. */
static enum sm_status plan_pass(const struct op_env *env, struct node *n, const struct conv_desc *d,
				enum sm_pass p, struct sm_err *err)
{
	enum sm_pass pass = kernel_pass(n, p);
	enum sm_status st = SM_USAGE;
	if (env->opt->bf16) {
		struct conv_desc half = *d;
		half.xe = pass == SM_BACKWARD_DATA ? conv_x(env->graph, n)->elem : ELEM_BF16;
		half.ye = pass == SM_FORWARD ? conv_y(env->graph, n)->elem : ELEM_BF16;
		st = conv_plan_create(env->conv, &half, pass, env->opt->kernel, &n->plan[p], err);
	}
	if (st == SM_USAGE)
		st = conv_plan_create(env->conv, d, pass, env->opt->kernel, &n->plan[p], err);
	return st == SM_OK ? st : sm_err_prefix(err, "layer %s", n->name);
}

static bool takes(const struct op_env *env, const struct node *n, bool up)
{
	const struct sm_graph *g = env->graph;
	enum elem e = env->opt->bf16 ? ELEM_BF16 : ELEM_F32;
	if (n->kind != OP_KIND_conv || conv_x(g, n)->elem != e)
		return false;
	struct conv_desc d = desc_of(n, op_in_shape(g, n, 0), op_out_shape(g, n));
	d.threads = env->opt->threads;
	d.up = up;
	for (int p = 0; p < (env->opt->train ? SM_PASSES : 1); p++) {
		d.xe = e;
		d.ye = p == SM_FORWARD ? conv_y(g, n)->elem : e;
		const struct conv_kernel *k = conv_kernel_for(&d, p, env->opt->kernel);
		if (!k || !(up ? k->up : k->parts))
			return false;
	}
	return true;
}

bool op_conv_takes_parts(const struct op_env *env, const struct node *n)
{
	return takes(env, n, false);
}

bool op_conv_takes_source(const struct op_env *env, const struct node *n)
{
	return takes(env, n, true);
}

/* Whether a gradient goes to anything that the node reads. */
static bool gives_grad(const struct sm_graph *g, const struct node *n)
{
	bool gives = false;
	for (int k = 0; k < n->nsrc; k++)
		gives |= g->tensor[n->src[k]].gets_grad;
	return gives;
}

static enum sm_status conv_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	const struct sm_graph *g = env->graph;
	struct sm_shape y = op_out_shape(g, n);
	struct conv_desc d = desc_of(n, op_in_shape(g, n, 0), y);
	d.threads = env->opt->threads;
	struct tensor *x = conv_x(g, n), *y_tensor = conv_y(g, n);
	for (int p = 0; p < SM_PASSES; p++) {
		bool wanted = p == SM_FORWARD ||
			      (n->runs_backward &&
			       (p == SM_BACKWARD_WEIGHTS ? n->param[0] >= 0 : gives_grad(g, n)));
		if (!wanted)
			continue;
		SM_TRY(plan_pass(env, n, &d, p, err));
		size_t ws = round64(n->plan[p]->ws), packed = round64(n->plan[p]->packed);
		ws += copy_bytes(x, n->plan[p]->d.xe) + copy_bytes(y_tensor, n->plan[p]->d.ye);
		if (p == SM_FORWARD && !env->opt->train)
			n->packed = packed, packed = 0;
		size_t *to = p == SM_FORWARD ? &n->ws_forward : &n->ws_backward;
		*to = ws + packed > *to ? ws + packed : *to;
	}
	size_t partial = (size_t)OP_BLOCKS * y.c * sizeof(double);
	if (n->runs_backward && partial > n->ws_backward)
		n->ws_backward = partial;
	return SM_OK;
}

/* The operand at `from` in the kernel's type: itself, or a copy in the workspace, which then starts
 * behind it. */
static float *in_type(const struct op_run *r, const struct tensor *t, float *from, enum elem e,
		      bool read, void **ws)
{
	if (t->elem == e)
		return from;
	float *to = *ws;
	*ws = (char *)*ws + copy_bytes(t, e);
	if (read)
		elem_convert(to, e, from, t->elem, t->count, r->threads);
	return to;
}

/* Runs one kernel; its packed weights stand in the net's own copy or before its workspace. */
static enum sm_status run_pass(const struct op_run *r, enum sm_pass pass, struct conv_args *a,
			       struct sm_err *err)
{
	const struct conv_plan *p = r->node->plan[pass];
	const struct tensor *x = conv_x(r->graph, r->node), *y = conv_y(r->graph, r->node);
	double start = r->profile ? omp_get_wtime() : 0;
	float *out = p->pass == SM_FORWARD ? a->y : a->x;
	a->w = r->w[0];
	a->ws = r->ws;
	a->x = in_type(r, x, a->x, p->d.xe, p->pass != SM_BACKWARD_DATA, &a->ws);
	a->y = in_type(r, y, a->y, p->d.ye, p->pass != SM_FORWARD, &a->ws);
	if (p->packed) {
		bool kept = pass == SM_FORWARD && r->packed;
		a->packed = kept ? r->packed : a->ws;
		if (!kept)
			a->ws = (char *)a->ws + round64(p->packed);
		if (!kept || r->repack)
			SM_TRY(p->kernel->pack(p, a, err));
	}
	SM_TRY(conv_plan_run(p, a, err));
	if (p->pass == SM_FORWARD && a->y != out)
		elem_convert(out, y->elem, a->y, p->d.ye, y->count, r->threads);
	if (p->pass == SM_BACKWARD_DATA && a->x != out)
		elem_convert(out, x->elem, a->x, p->d.xe, x->count, r->threads);
	if (r->profile) {
		r->node->seconds[pass] += omp_get_wtime() - start;
		r->node->runs[pass]++;
	}
	return SM_OK;
}

/* The parts of x that a convolution reads (or writes: gx), if it is in parts. */
static void set_parts(const struct op_run *r, float *const *x, struct conv_part *part,
		      struct conv_args *a)
{
	const struct node *n = r->node;
	for (int k = 0; k < n->nsrc; k++)
		part[k] = (struct conv_part){x[k], r->graph->tensor[n->src[k]].shape.c};
	a->part = part;
	a->parts = n->nsrc > 1 ? n->nsrc : 0;
}

static enum sm_status conv_forward(const struct op_run *r, struct sm_err *err)
{
	const struct node *n = r->node;
	struct conv_part part[OP_MAX_IN];
	if (n->kind == OP_KIND_conv) {
		struct conv_args a = {.x = (float *)r->x[0], .y = r->y, .bias = r->w[1]};
		set_parts(r, (float *const *)r->x, part, &a);
		return run_pass(r, SM_FORWARD, &a, err);
	}
	struct conv_args a = {.y = (float *)r->x[0], .x = r->y};
	SM_TRY(run_pass(r, SM_FORWARD, &a, err));
	bool relu = n->attr.conv.fuse == SM_FUSE_RELU;
	struct sm_shape y = op_out_shape(r->graph, n);
	if (r->w[1] || relu)
		op_bias_act(r->y, r->ye, r->w[1], op_rows(y), y.c, relu, r->threads);
	return SM_OK;
}

static enum sm_status conv_late(const struct op_run *r, struct sm_err *err)
{
	bool t = r->node->kind == OP_KIND_conv_t;
	float *x = (float *)r->x[0];
	struct conv_part part[OP_MAX_IN];
	struct conv_args w = {.x = t ? r->gy : x, .y = t ? x : r->gy, .gw = r->gw[0]};
	set_parts(r, (float *const *)r->x, part, &w);
	return run_pass(r, SM_BACKWARD_WEIGHTS, &w, err);
}

static enum sm_status conv_backward(const struct op_run *r, struct sm_err *err)
{
	const struct node *n = r->node;
	struct sm_shape s = op_out_shape(r->graph, n);
	bool relu = n->attr.conv.fuse == SM_FUSE_RELU, t = n->kind == OP_KIND_conv_t;
	struct conv_part part[OP_MAX_IN];
	bool wanted = false;
	if (relu || r->gw[1])
		op_mask_bias_grad(r->gy, relu ? r->y : NULL, r->ye, op_rows(s), s.c, r->gw[1],
				  r->ws, r->threads);
	if (r->gw[0])
		SM_TRY(conv_late(r, err));
	for (int k = 0; k < n->nsrc; k++)
		wanted |= r->gx[k] != NULL;
	if (!wanted)
		return SM_OK;
	struct conv_args d = {.x = t ? r->gy : r->gx[0], .y = t ? r->gx[0] : r->gy};
	set_parts(r, r->gx, part, &d);
	return run_pass(r, SM_BACKWARD_DATA, &d, err);
}

static double flops(const struct sm_graph *g, const struct node *n, enum sm_pass pass)
{
	struct conv_desc d = desc_of(n, op_in_shape(g, n, 0), op_out_shape(g, n));
	return n->plan[pass] ? conv_flops(&d) : 0;
}

static void release(struct node *n)
{
	for (int p = 0; p < SM_PASSES; p++)
		conv_plan_free(n->plan[p]);
}

/* A transposed layer's kernel for BACKWARD_DATA is a forward convolution without bias. */
const struct op_impl op_conv = {.shape = conv_shape,
				.prepare = conv_prepare,
				.forward = conv_forward,
				.backward = conv_backward,
				.late = conv_late,
				.again = conv_forward,
				.flops = flops,
				.release = release};
const struct op_impl op_conv_t = {.shape = conv_shape,
				  .prepare = conv_prepare,
				  .forward = conv_forward,
				  .backward = conv_backward,
				  .late = conv_late,
				  .again = conv_forward,
				  .flops = flops,
				  .release = release};

/* n values from column `column` on; n reaches over several rows only from column 0. */
SM_CLONES static void mask_sum(float *gy, const float *y, enum elem e, size_t at, size_t n,
			       size_t column, size_t c, double *restrict sum)
{
	float a[ELEM_PIECE], b[ELEM_PIECE];
	float *g = y ? elem_modify(gy, e, at, n, a) : (float *)elem_read(gy, e, at, n, a);
	if (y) {
		const float *v = elem_read(y, e, at, n, b);
#pragma omp simd
		for (size_t j = 0; j < n; j++)
			g[j] = v[j] > 0 ? g[j] : 0.0f;
		elem_end(gy, e, at, n, g);
	}
	for (size_t i = 0, w = c - column < n ? c - column : n; i < n; i += w)
		for (size_t j = 0; j < w; j++)
			sum[column + j] += (double)g[i + j];
}

/* Up to so many sums are added apart: side by side those of several threads share cache lines. */
#define OWN_SUMS 64

void op_mask_bias_grad(float *gy, const float *y, enum elem e, size_t rows, int channels, float *gb,
		       double *partial, int threads)
{
	size_t c = (size_t)channels;
	OP_FOR(OP_BLOCKS, threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t from = op_block_start(rows, b) * c, to = op_block_start(rows, b + 1) * c;
		double own[OWN_SUMS] = {0}, *sum = c <= OWN_SUMS ? own : partial + b * c;
		if (sum != own)
			memset(sum, 0, c * sizeof *sum);
		for (size_t i = from, n; i < to; i += n) {
			n = op_piece(i, to, c);
			mask_sum(gy, y, e, i, n, i % c, c, sum);
		}
		if (sum == own)
			memcpy(partial + b * c, own, c * sizeof *own);
	}
	if (!gb)
		return;
	for (size_t j = 0; j < c; j++) {
		double sum = 0;
		for (int b = 0; b < OP_BLOCKS; b++)
			sum += partial[b * c + j];
		gb[j] += (float)sum;
	}
}

SM_CLONES static void bias_act(float *y, enum elem e, size_t at, size_t n, const float *bias,
			       size_t c, bool relu)
{
	float a[ELEM_PIECE];
	float *v = elem_modify(y, e, at, n, a);
	size_t column = at % c, w = c - column < n ? c - column : n;
	for (size_t i = 0; bias && i < n; i += w)
		for (size_t j = 0; j < w; j++)
			v[i + j] += bias[column + j];
	if (relu)
#pragma omp simd
		for (size_t j = 0; j < n; j++)
			v[j] = v[j] <= 0 ? 0.0f : v[j]; /* NaN stays */
	elem_end(y, e, at, n, v);
}

void op_bias_act(float *y, enum elem e, const float *bias, size_t rows, int channels, bool relu,
		 int threads)
{
	size_t c = (size_t)channels;
	OP_FOR(OP_BLOCKS, threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t from = op_block_start(rows, b) * c, to = op_block_start(rows, b + 1) * c;
		for (size_t i = from, n; i < to; i += n) {
			n = op_piece(i, to, c);
			bias_act(y, e, i, n, bias, c, relu);
		}
	}
}
