/* SPDX-License-Identifier: Apache-2.0 */
/* Operators without parameters that work element by element or copy: add, activations, dropout,
 * detach, concat. Rows are voxels, C channels a row; all loops write only to their own element. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"

#define CHUNK ((size_t)16384)

enum fn { FN_RELU, FN_LEAKY, FN_SIGMOID };

SM_CLONES static void leaky(const float *x, float *y, size_t n, float slope)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

SM_CLONES static void leaky_back(const float *y, const float *gy, float *gx, size_t n, float slope,
				 bool acc)
{
	if (acc)
		for (size_t i = 0; i < n; i++)
			gx[i] += y[i] > 0 ? gy[i] : slope * gy[i];
	else
		for (size_t i = 0; i < n; i++)
			gx[i] = y[i] > 0 ? gy[i] : slope * gy[i];
}

/* The two branches keep exp's argument negative: no overflow, no loss of digits near 0. */
static void sigmoid(const float *x, float *y, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float e = expf(-fabsf(x[i]));
		y[i] = x[i] >= 0 ? 1.0f / (1.0f + e) : e / (1.0f + e);
	}
}

SM_CLONES static void sigmoid_back(const float *y, const float *gy, float *gx, size_t n, bool acc)
{
	if (acc)
		for (size_t i = 0; i < n; i++)
			gx[i] += gy[i] * y[i] * (1.0f - y[i]);
	else
		for (size_t i = 0; i < n; i++)
			gx[i] = gy[i] * y[i] * (1.0f - y[i]);
}

SM_CLONES static void add_to(float *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] += src[i];
}

SM_CLONES static void add_two(const float *a, const float *b, float *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = a[i] + b[i];
}

void op_add_to(float *dst, const float *src, size_t count, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
	for (size_t i = 0; i < count; i += CHUNK)
		add_to(dst + i, src + i, count - i < CHUNK ? count - i : CHUNK);
}

static enum sm_status same_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	(void)err;
	*out = op_in_shape(g, n, 0);
	return SM_OK;
}

/* ---- activations: backward reads y alone, so that x need not be kept ---- */

static enum sm_status act_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err)
{
	n->needs_y = true;
	if (!(n->attr.value[0] >= 0))
		return SM_FAIL(err, SM_USAGE, "leaky ReLU: slope %g, must be >= 0",
			       (double)n->attr.value[0]);
	return same_shape(g, n, out, err);
}

static enum sm_status act_forward(const struct op_run *r, enum fn fn)
{
	size_t count = r->graph->tensor[r->node->out].count;
	float slope = fn == FN_LEAKY ? r->node->attr.value[0] : 0.0f;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i += CHUNK) {
		size_t n = count - i < CHUNK ? count - i : CHUNK;
		if (fn == FN_SIGMOID)
			sigmoid(r->x[0] + i, r->y + i, n);
		else
			leaky(r->x[0] + i, r->y + i, n, slope);
	}
	return SM_OK;
}

static enum sm_status act_backward(const struct op_run *r, enum fn fn)
{
	size_t count = r->graph->tensor[r->node->out].count;
	float slope = fn == FN_LEAKY ? r->node->attr.value[0] : 0.0f;
	bool acc = r->node->acc[0];
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i += CHUNK) {
		size_t n = count - i < CHUNK ? count - i : CHUNK;
		if (fn == FN_SIGMOID)
			sigmoid_back(r->y + i, r->gy + i, r->gx[0] + i, n, acc);
		else
			leaky_back(r->y + i, r->gy + i, r->gx[0] + i, n, slope, acc);
	}
	return SM_OK;
}

#define ACTIVATION(id, fn) \
	static enum sm_status id##_forward(const struct op_run *r, struct sm_err *err) \
	{ \
		(void)err; \
		return act_forward(r, fn); \
	} \
	static enum sm_status id##_backward(const struct op_run *r, struct sm_err *err) \
	{ \
		(void)err; \
		return act_backward(r, fn); \
	} \
	const struct op_impl op_##id = { \
	    .shape = act_shape, .forward = id##_forward, .backward = id##_backward}

ACTIVATION(relu, FN_RELU);
ACTIVATION(leaky_relu, FN_LEAKY);
ACTIVATION(sigmoid, FN_SIGMOID);

/* ---- softmax over channels ---- */

static enum sm_status softmax_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < rows; i++) {
		const float *x = r->x[0] + i * c;
		float *y = r->y + i * c, top = x[0], sum = 0;
		for (size_t k = 1; k < c; k++)
			top = x[k] > top ? x[k] : top;
		for (size_t k = 0; k < c; k++)
			sum += y[k] = expf(x[k] - top);
		for (size_t k = 0; k < c; k++)
			y[k] /= sum;
	}
	return SM_OK;
}

/* gx = y (gy - sum_k gy_k y_k) */
static enum sm_status softmax_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
	bool acc = r->node->acc[0];
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < rows; i++) {
		const float *y = r->y + i * c, *gy = r->gy + i * c;
		float *gx = r->gx[0] + i * c, dot = 0;
		for (size_t k = 0; k < c; k++)
			dot += gy[k] * y[k];
		for (size_t k = 0; k < c; k++)
			gx[k] = (acc ? gx[k] : 0) + y[k] * (gy[k] - dot);
	}
	return SM_OK;
}

const struct op_impl op_softmax = {
    .shape = act_shape, .forward = softmax_forward, .backward = softmax_backward};

/* ---- add ---- */

static enum sm_status add_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err)
{
	struct sm_shape a = op_in_shape(g, n, 0), b = op_in_shape(g, n, 1);
	if (memcmp(&a, &b, sizeof a) != 0)
		return SM_FAIL(err, SM_USAGE,
			       "add: shapes %dx%dx%dx%dx%d and %dx%dx%dx%dx%d differ", a.n, a.d,
			       a.h, a.w, a.c, b.n, b.d, b.h, b.w, b.c);
	*out = a;
	return SM_OK;
}

static enum sm_status add_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i += CHUNK)
		add_two(r->x[0] + i, r->x[1] + i, r->y + i, count - i < CHUNK ? count - i : CHUNK);
	return SM_OK;
}

static enum sm_status add_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	for (int k = 0; k < 2; k++) {
		if (!r->gx[k])
			continue;
		bool acc = r->node->acc[k];
#pragma omp parallel for schedule(static) num_threads(r->threads)
		for (size_t i = 0; i < count; i += CHUNK) {
			size_t n = count - i < CHUNK ? count - i : CHUNK;
			if (acc)
				add_to(r->gx[k] + i, r->gy + i, n);
			else
				memcpy(r->gx[k] + i, r->gy + i, n * sizeof(float));
		}
	}
	return SM_OK;
}

const struct op_impl op_add = {
    .shape = add_shape, .forward = add_forward, .backward = add_backward};

/* ---- detach ---- */

static enum sm_status detach_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	memcpy(r->y, r->x[0], r->graph->tensor[r->node->out].count * sizeof(float));
	return SM_OK;
}

const struct op_impl op_detach = {.shape = same_shape, .forward = detach_forward};

/* ---- dropout: one random stream for each 4096 elements, named by layer, step and place ---- */

#define DROP_CHUNK ((size_t)4096)

static enum sm_status dropout_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				    struct sm_err *err)
{
	float rate = n->attr.value[0];
	if (!(rate >= 0 && rate < 1))
		return SM_FAIL(err, SM_USAGE, "dropout: rate %g, must be in [0, 1)", (double)rate);
	return same_shape(g, n, out, err);
}

static enum sm_status dropout_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	n->save = env->opt->train ? env->graph->tensor[n->out].count : 0;
	return SM_OK;
}

static enum sm_status dropout_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	if (!r->train) {
		memcpy(r->y, r->x[0], count * sizeof(float));
		return SM_OK;
	}
	float rate = r->node->attr.value[0], scale = 1.0f / (1.0f - rate);
	unsigned char *keep = r->save;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i += DROP_CHUNK) {
		size_t end = i + DROP_CHUNK < count ? i + DROP_CHUNK : count;
		struct sm_rng rng;
		sm_rng_init(&rng, r->seed, "dropout", r->node->name, r->step, i / DROP_CHUNK);
		for (size_t k = i; k < end; k++) {
			keep[k] = sm_rng_f32(&rng) >= rate;
			r->y[k] = keep[k] ? r->x[0][k] * scale : 0.0f;
		}
	}
	return SM_OK;
}

static enum sm_status dropout_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	float scale = 1.0f / (1.0f - r->node->attr.value[0]);
	const unsigned char *keep = r->save;
	bool acc = r->node->acc[0];
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i++)
		r->gx[0][i] = (acc ? r->gx[0][i] : 0.0f) + (keep[i] ? r->gy[i] * scale : 0.0f);
	return SM_OK;
}

const struct op_impl op_dropout = {.shape = dropout_shape,
				   .prepare = dropout_prepare,
				   .forward = dropout_forward,
				   .backward = dropout_backward};

/* ---- concat over channels ---- */

static enum sm_status concat_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				   struct sm_err *err)
{
	struct sm_shape a = op_in_shape(g, n, 0);
	for (int i = 1; i < n->nin; i++) {
		struct sm_shape b = op_in_shape(g, n, i);
		if (a.n != b.n || a.d != b.d || a.h != b.h || a.w != b.w)
			return SM_FAIL(err, SM_USAGE,
				       "concat: input 0 is %dx%dx%dx%d, input %d is %dx%dx%dx%d",
				       a.n, a.d, a.h, a.w, i, b.n, b.d, b.h, b.w);
		if (b.c > INT32_MAX - a.c)
			return SM_FAIL(err, SM_USAGE, "concat: too many channels");
		a.c += b.c;
	}
	*out = a;
	return SM_OK;
}

static enum sm_status concat_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), at = 0;
	for (int k = 0; k < r->node->nin; k++) {
		size_t c = (size_t)op_in_shape(r->graph, r->node, k).c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
		for (size_t i = 0; i < rows; i++)
			memcpy(r->y + i * s.c + at, r->x[k] + i * c, c * sizeof(float));
		at += c;
	}
	return SM_OK;
}

static enum sm_status concat_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), at = 0;
	for (int k = 0; k < r->node->nin; k++) {
		size_t c = (size_t)op_in_shape(r->graph, r->node, k).c;
		bool acc = r->node->acc[k];
		float *gx = r->gx[k];
		const float *gy = r->gy + at;
		at += c;
		if (!gx)
			continue;
#pragma omp parallel for schedule(static) num_threads(r->threads)
		for (size_t i = 0; i < rows; i++)
			if (acc)
				for (size_t j = 0; j < c; j++)
					gx[i * c + j] += gy[i * s.c + j];
			else
				memcpy(gx + i * c, gy + i * s.c, c * sizeof(float));
	}
	return SM_OK;
}

const struct op_impl op_concat = {
    .shape = concat_shape, .forward = concat_forward, .backward = concat_backward};
