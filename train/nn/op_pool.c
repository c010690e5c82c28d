/* SPDX-License-Identifier: Apache-2.0 */
/* Max-pool with stride = kernel and nearest up-sampling by 2. Gradients go to places that no other
 * output touches, so threads never share an element. */
#include "train/nn/op.h"

#include <string.h>

static enum sm_status pool_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const int *k = n->attr.window;
	if (k[0] < 1 || k[1] < 1 || k[2] < 1 || (int64_t)k[0] * k[1] * k[2] > 255)
		return SM_FAIL(err, SM_USAGE, "max_pool: window %dx%dx%d, allowed are 1 to 255 elements",
			       k[0], k[1], k[2]);
	if (s.d < k[0] || s.h < k[1] || s.w < k[2])
		return SM_FAIL(err, SM_USAGE, "max_pool: input %dx%dx%d is smaller than its window %dx%dx%d",
			       s.d, s.h, s.w, k[0], k[1], k[2]);
	*out = (struct sm_shape){s.n, s.d / k[0], s.h / k[1], s.w / k[2], s.c};
	return SM_OK;
}

static enum sm_status pool_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	n->save = env->opt->train ? env->graph->tensor[n->out].count : 0;
	return SM_OK;
}

/* The first of equal maxima wins, as in PyTorch; NaN wins over all. */
SM_CLONES static void pool_row(const float *x, float *y, unsigned char *index, size_t c,
			       unsigned char at, bool first)
{
	if (first) {
		memcpy(y, x, c * sizeof *y);
		if (index)
			memset(index, 0, c);
	} else if (index) {
		for (size_t i = 0; i < c; i++) {
			bool more = x[i] > y[i] || x[i] != x[i];
			y[i] = more ? x[i] : y[i];
			index[i] = more ? at : index[i];
		}
	} else {
		for (size_t i = 0; i < c; i++)
			y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
	}
}

/* Start of the input row that belongs to tap t of output row `row`. */
static size_t tap_row(struct sm_shape s, struct sm_shape o, const int *k, size_t row, int t)
{
	size_t w = row % o.w, h = row / o.w % o.h, d = row / o.w / o.h % o.d, n = row / o.w / o.h / o.d;
	int tw = t % k[2], th = t / k[2] % k[1], td = t / k[2] / k[1];
	return ((n * s.d + d * k[0] + td) * s.h + h * k[1] + th) * s.w + w * k[2] + tw;
}

static enum sm_status pool_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *k = r->node->attr.window;
	int taps = k[0] * k[1] * k[2];
	size_t rows = op_rows(o), c = (size_t)s.c;
	unsigned char *index = r->save;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < rows; i++)
		for (int t = 0; t < taps; t++)
			pool_row(r->x[0] + tap_row(s, o, k, i, t) * c, r->y + i * c,
				 index ? index + i * c : NULL, c, (unsigned char)t, t == 0);
	return SM_OK;
}

SM_CLONES static void pool_back_row(float *gx, const float *gy, const unsigned char *index, size_t c,
				    unsigned char at, bool acc)
{
	if (acc)
		for (size_t i = 0; i < c; i++)
			gx[i] += index[i] == at ? gy[i] : 0.0f;
	else
		for (size_t i = 0; i < c; i++)
			gx[i] = index[i] == at ? gy[i] : 0.0f;
}

static enum sm_status pool_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *k = r->node->attr.window;
	int taps = k[0] * k[1] * k[2];
	size_t rows = op_rows(o), c = (size_t)s.c;
	const unsigned char *index = r->save;
	bool acc = r->node->acc[0];
	/* Voxels behind the last whole window get nothing. */
	if (!acc && (s.d % k[0] || s.h % k[1] || s.w % k[2]))
		memset(r->gx[0], 0, op_rows(s) * c * sizeof(float));
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < rows; i++)
		for (int t = 0; t < taps; t++)
			pool_back_row(r->gx[0] + tap_row(s, o, k, i, t) * c, r->gy + i * c, index + i * c, c,
				      (unsigned char)t, acc);
	return SM_OK;
}

const struct op_impl op_max_pool = {.shape = pool_shape,
				    .prepare = pool_prepare,
				    .forward = pool_forward,
				    .backward = pool_backward};

/* ---- nearest up-sampling by whole factors ---- */

static enum sm_status up_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
			       struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const int *f = n->attr.window;
	if (f[0] < 1 || f[1] < 1 || f[2] < 1 || s.d > INT32_MAX / f[0] || s.h > INT32_MAX / f[1] ||
	    s.w > INT32_MAX / f[2])
		return SM_FAIL(err, SM_USAGE, "upsample: factors %dx%dx%d on input %dx%dx%d, must be >= 1",
			       f[0], f[1], f[2], s.d, s.h, s.w);
	*out = (struct sm_shape){s.n, s.d * f[0], s.h * f[1], s.w * f[2], s.c};
	return SM_OK;
}

static enum sm_status up_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *f = r->node->attr.window;
	size_t c = (size_t)s.c, lines = (size_t)o.n * o.d * o.h;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < lines; i++) {
		size_t h = i % o.h / f[1], d = i / o.h % o.d / f[0], n = i / o.h / o.d;
		const float *x = r->x[0] + ((n * s.d + d) * s.h + h) * s.w * c;
		float *y = r->y + i * o.w * c;
		for (int w = 0; w < o.w; w++)
			memcpy(y + w * c, x + w / f[2] * c, c * sizeof *y);
	}
	return SM_OK;
}

/* gx = sum of one line of gy over its groups of f voxels; added to gx unless first. */
SM_CLONES static void up_back_line(float *gx, const float *gy, size_t w, size_t c, size_t f, bool first)
{
	for (size_t i = 0; i < w; i++)
		for (size_t k = 0; k < f; k++) {
			const float *a = gy + (i * f + k) * c;
			float *g = gx + i * c;
			if (first && k == 0)
				memcpy(g, a, c * sizeof *g);
			else
				for (size_t j = 0; j < c; j++)
					g[j] += a[j];
		}
}

static enum sm_status up_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *f = r->node->attr.window;
	size_t c = (size_t)s.c, lines = (size_t)s.n * s.d * s.h;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < lines; i++) {
		size_t h = i % s.h, d = i / s.h % s.d, n = i / s.h / s.d;
		for (int t = 0; t < f[0] * f[1]; t++) {
			size_t od = d * f[0] + t / f[1], oh = h * f[1] + t % f[1];
			up_back_line(r->gx[0] + i * s.w * c, r->gy + ((n * o.d + od) * o.h + oh) * o.w * c,
				     (size_t)s.w, c, (size_t)f[2], t == 0 && !r->node->acc[0]);
		}
	}
	return SM_OK;
}

const struct op_impl op_upsample = {
	.shape = up_shape, .forward = up_forward, .backward = up_backward};
