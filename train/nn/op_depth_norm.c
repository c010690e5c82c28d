/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm over the wrong axis: mean, variance, scale and shift belong to a depth index, over all
 * samples, rows, columns and channels of it. It is what Keras' BatchNormalization() (axis = -1)
 * does to channels-first volumes whose last axis is the depth; kept so that results obtained that
 * way can be reproduced. Formulas as in op_norm.c; sums go over PIECES fixed pieces of each slice
 * in double, pieces then samples in index order. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#define PIECES 16

/* The statistics of one depth index. */
struct pair {
	double a, b;
};

static enum sm_status depth_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				  struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const int shape[5] = {s.d};
	if (!(n->attr.value[0] > 0))
		return SM_FAIL(err, SM_USAGE, "layer %s: eps %g, must be > 0", n->name,
			       (double)n->attr.value[0]);
	if (!(n->attr.value[1] >= 0 && n->attr.value[1] <= 1))
		return SM_FAIL(err, SM_USAGE, "layer %s: momentum %g, must be in [0, 1]", n->name,
			       (double)n->attr.value[1]);
	n->param[0] = graph_param(g, n->name, "weight", 1, shape, "ones", 1, 1, err);
	if (n->param[0] < 0)
		return err->code;
	n->param[1] = graph_param(g, n->name, "bias", 1, shape, "zeros", 1, 1, err);
	if (n->param[1] < 0)
		return err->code;
	n->state[0] = graph_state(g, n->name, "running_mean", s.d, 0.0f, err);
	if (n->state[0] < 0)
		return err->code;
	n->state[1] = graph_state(g, n->name, "running_var", s.d, 1.0f, err);
	n->needs_x = true;
	*out = s;
	return n->state[1] < 0 ? err->code : SM_OK;
}

static enum sm_status depth_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(env->graph, n);
	n->save = (size_t)s.d * 2 * sizeof(float);
	n->ws_forward = n->ws_backward = (size_t)s.n * s.d * PIECES * sizeof(struct pair);
	return SM_OK;
}

/* Piece p of the slice `size` values long. */
static size_t piece_start(size_t size, int p)
{
	return size / PIECES * p + (size % PIECES) * p / PIECES;
}

/* The next values of [i, n) that are converted at a time. */
static inline size_t some(size_t i, size_t n)
{
	return n - i < ELEM_PIECE ? n - i : ELEM_PIECE;
}

SM_CLONES static struct pair piece_sums(const void *x, enum elem e, size_t at, size_t n)
{
	float buffer[ELEM_PIECE];
	double a[8] = {0}, b[8] = {0};
	for (size_t from = 0, m; from < n; from += m) {
		m = some(from, n);
		const float *p = elem_read(x, e, at + from, m, buffer);
		for (size_t i = 0; i < m; i++) {
			double v = (double)p[i];
			a[i % 8] += v;
			b[i % 8] += v * v;
		}
	}
	return (struct pair){((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7])),
			     ((b[0] + b[1]) + (b[2] + b[3])) + ((b[4] + b[5]) + (b[6] + b[7]))};
}

SM_CLONES static struct pair piece_back_sums(const struct op_run *r, size_t at, size_t n,
					     float mean, float rstd)
{
	float bx[ELEM_PIECE], bg[ELEM_PIECE];
	struct pair s = {0, 0};
	for (size_t from = 0, m; from < n; from += m) {
		m = some(from, n);
		const float *x = elem_read(r->x[0], r->xe[0], at + from, m, bx);
		const float *gy = elem_read(r->gy, r->ye, at + from, m, bg);
		for (size_t i = 0; i < m; i++) {
			s.a += (double)gy[i];
			s.b += (double)gy[i] * (double)((x[i] - mean) * rstd);
		}
	}
	return s;
}

/* Adds the pieces of depth index d over the samples that count. */
static struct pair fold(const struct pair *part, struct sm_shape s, int valid, int d)
{
	struct pair sum = {0, 0};
	for (int n = 0; n < valid; n++)
		for (int p = 0; p < PIECES; p++) {
			const struct pair *q = &part[((size_t)n * s.d + d) * PIECES + p];
			sum.a += q->a;
			sum.b += q->b;
		}
	return sum;
}

static void batch_statistics(const struct op_run *r, struct sm_shape s, float *mean, float *rstd)
{
	struct pair *part = r->ws;
	size_t slice = (size_t)s.h * s.w * s.c, count = slice * r->valid;
	double m = (double)r->node->attr.value[1], eps = (double)r->node->attr.value[0];
	double bessel = count > 1 ? (double)count / (double)(count - 1) : 1.0;
	OP_FOR((size_t)r->valid * s.d * PIECES, r->threads)
	for (size_t i = 0; i < (size_t)r->valid * s.d * PIECES; i++) {
		size_t from = piece_start(slice, (int)(i % PIECES));
		size_t to = piece_start(slice, (int)(i % PIECES) + 1);
		part[i] = piece_sums(r->x[0], r->xe[0], i / PIECES * slice + from, to - from);
	}
	for (int d = 0; d < s.d; d++) {
		struct pair sum = fold(part, s, r->valid, d);
		double mu = sum.a / (double)count, var = sum.b / (double)count - mu * mu;
		var = var > 0 ? var : 0;
		mean[d] = (float)mu;
		rstd[d] = (float)(1.0 / sqrt(var + eps));
		float *rm = &r->state[0][d], *rv = &r->state[1][d];
		*rm = (float)((1 - m) * (double)*rm + m * mu);
		*rv = (float)((1 - m) * (double)*rv + m * var * bessel);
	}
}

/* The values [at, at + n), all of depth index d. */
SM_CLONES static void row_forward(const struct op_run *r, size_t at, size_t n, size_t d, float mean,
				  float rstd)
{
	float bx[ELEM_PIECE], by[ELEM_PIECE], g = r->w[0][d], b = r->w[1][d];
	for (size_t end = at + n, m; at < end; at += m) {
		m = some(at, end);
		const float *x = elem_read(r->x[0], r->xe[0], at, m, bx);
		float *y = elem_begin(r->y, r->ye, at, by);
#pragma omp simd
		for (size_t i = 0; i < m; i++)
			y[i] = g * ((x[i] - mean) * rstd) + b;
		elem_end(r->y, r->ye, at, m, y);
	}
}

static enum sm_status depth_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	float *mean = r->save, *rstd = mean + s.d;
	if (r->train)
		batch_statistics(r, s, mean, rstd);
	else
		for (int d = 0; d < s.d; d++) {
			mean[d] = r->state[0][d];
			rstd[d] = (float)(1.0 / sqrt((double)r->state[1][d] +
						     (double)r->node->attr.value[0]));
		}
	OP_FOR((size_t)s.n * s.d * s.h, r->threads)
	for (size_t row = 0; row < (size_t)s.n * s.d * s.h; row++) {
		size_t d = row / s.h % s.d, width = (size_t)s.w * s.c;
		row_forward(r, row * width, width, d, mean[d], rstd[d]);
	}
	return SM_OK;
}

/* keep: the means of g and of g xhat; scale is 0 for samples that do not count, whatever stands
 * there. */
SM_CLONES static void row_backward(const struct op_run *r, size_t at, size_t n, float mean,
				   float rstd, struct pair keep, float scale, bool counts)
{
	float bx[ELEM_PIECE], bg[ELEM_PIECE], to[ELEM_PIECE];
	float m0 = (float)keep.a, m1 = (float)keep.b;
	bool acc = r->node->acc[0];
	for (size_t end = at + n, m; at < end; at += m) {
		m = some(at, end);
		const float *x = elem_read(r->x[0], r->xe[0], at, m, bx);
		const float *gy = elem_read(r->gy, r->ye, at, m, bg);
		float *gx = acc ? elem_modify(r->gx[0], r->xe[0], at, m, to)
				: elem_begin(r->gx[0], r->xe[0], at, to);
#pragma omp simd
		for (size_t i = 0; i < m; i++) {
			float xhat = (x[i] - mean) * rstd;
			float v = counts ? scale * (gy[i] - m0 - xhat * m1) : 0.0f;
			gx[i] = acc ? gx[i] + v : v;
		}
		elem_end(r->gx[0], r->xe[0], at, m, gx);
	}
}

static enum sm_status depth_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t slice = (size_t)s.h * s.w * s.c, width = (size_t)s.w * s.c;
	double count = (double)(slice * r->valid);
	const float *mean = r->save, *rstd = mean + s.d;
	struct pair *part = r->ws;
	OP_FOR((size_t)r->valid * s.d * PIECES, r->threads)
	for (size_t i = 0; i < (size_t)r->valid * s.d * PIECES; i++) {
		size_t from = piece_start(slice, (int)(i % PIECES));
		size_t to = piece_start(slice, (int)(i % PIECES) + 1);
		size_t at = i / PIECES * slice + from, d = i / PIECES % s.d;
		part[i] = piece_back_sums(r, at, to - from, mean[d], rstd[d]);
	}
	/* The means go where the first sample's first piece of this depth stood. */
	for (int d = 0; d < s.d; d++) {
		struct pair sum = fold(part, s, r->valid, d);
		if (r->gw[0]) {
			r->gw[1][d] += (float)sum.a;
			r->gw[0][d] += (float)sum.b;
		}
		part[(size_t)d * PIECES] = (struct pair){sum.a / count, sum.b / count};
	}
	if (!r->gx[0])
		return SM_OK;
	OP_FOR((size_t)s.n * s.d * s.h, r->threads)
	for (size_t row = 0; row < (size_t)s.n * s.d * s.h; row++) {
		size_t d = row / s.h % s.d;
		bool counts = row / s.h / s.d < (size_t)r->valid;
		float scale = counts ? r->w[0][d] * rstd[d] : 0.0f;
		row_backward(r, row * width, width, mean[d], rstd[d], part[d * PIECES], scale,
			     counts);
	}
	return SM_OK;
}

const struct op_impl op_depth_norm = {.shape = depth_shape,
				      .prepare = depth_prepare,
				      .forward = depth_forward,
				      .backward = depth_backward};
