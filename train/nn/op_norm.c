/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm (one group of rows: all samples) and instance norm (one group a sample).
 *   xhat = (x - mean) rstd,  y = gamma xhat + beta,  rstd = 1 / sqrt(var + eps), var without Bessel
 *   gx = gamma rstd (gy - mean(gy) - xhat mean(gy xhat))
 * Sums go over OP_BLOCKS fixed blocks of rows in double. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

static enum sm_status norm_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const int shape[5] = {s.c};
	if (!(n->attr.value[0] > 0))
		return SM_FAIL(err, SM_USAGE, "layer %s: eps %g, must be > 0", n->name,
			       (double)n->attr.value[0]);
	n->param[0] = graph_param(g, n->name, "weight", 1, shape, "ones", 1, 1, err);
	if (n->param[0] < 0)
		return err->code;
	n->param[1] = graph_param(g, n->name, "bias", 1, shape, "zeros", 1, 1, err);
	if (n->param[1] < 0)
		return err->code;
	n->needs_x = true;
	*out = s;
	return SM_OK;
}

static enum sm_status batch_norm_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				       struct sm_err *err)
{
	int c = op_in_shape(g, n, 0).c;
	if (!(n->attr.value[1] >= 0 && n->attr.value[1] <= 1))
		return SM_FAIL(err, SM_USAGE, "layer %s: momentum %g, must be in [0, 1]", n->name,
			       (double)n->attr.value[1]);
	SM_TRY(norm_shape(g, n, out, err));
	n->state[0] = graph_state(g, n->name, "running_mean", c, 0.0f, err);
	if (n->state[0] < 0)
		return err->code;
	n->state[1] = graph_state(g, n->name, "running_var", c, 1.0f, err);
	return n->state[1] < 0 ? err->code : SM_OK;
}

/* Saved: mean and rstd of each group and channel. Workspace: two partial sums a block and channel.
 */
static enum sm_status norm_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(env->graph, n);
	n->save = (size_t)s.n * s.c * 2 * sizeof(float);
	n->ws_forward = n->ws_backward = (size_t)OP_BLOCKS * s.c * 2 * sizeof(double);
	return SM_OK;
}

SM_CLONES static void sums_block(const float *x, size_t rows, size_t c, double *restrict s0,
				 double *restrict s1)
{
	memset(s0, 0, c * sizeof *s0);
	memset(s1, 0, c * sizeof *s1);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++) {
			double v = (double)x[i * c + j];
			s0[j] += v;
			s1[j] += v * v;
		}
}

SM_CLONES static void back_sums_block(const float *x, const float *gy, const float *mean,
				      const float *rstd, size_t rows, size_t c, double *restrict s0,
				      double *restrict s1)
{
	memset(s0, 0, c * sizeof *s0);
	memset(s1, 0, c * sizeof *s1);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++) {
			double g = (double)gy[i * c + j];
			s0[j] += g;
			s1[j] += g * (double)((x[i * c + j] - mean[j]) * rstd[j]);
		}
}

SM_CLONES static void apply_rows(const float *x, float *y, const float *mean, const float *rstd,
				 const float *gamma, const float *beta, size_t rows, size_t c)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++)
			y[i * c + j] = gamma[j] * ((x[i * c + j] - mean[j]) * rstd[j]) + beta[j];
}

SM_CLONES static void back_rows(const float *x, const float *gy, float *gx, const float *mean,
				const float *rstd, const float *gamma, const double *m0,
				const double *m1, size_t rows, size_t c, bool acc)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++) {
			float xhat = (x[i * c + j] - mean[j]) * rstd[j];
			float v = gamma[j] * rstd[j] *
				  (gy[i * c + j] - (float)m0[j] - xhat * (float)m1[j]);
			gx[i * c + j] = acc ? gx[i * c + j] + v : v;
		}
}

/* Adds the blocks' sums in index order into block 0. */
static void fold(double *partial, size_t c)
{
	for (int b = 1; b < OP_BLOCKS; b++)
		for (size_t j = 0; j < 2 * c; j++)
			partial[j] += partial[b * 2 * c + j];
}

/* Mean and rstd of one group of rows; *var gets the biased variance in partial's second half. */
static void group_stats(const float *x, size_t rows, size_t c, float eps, double *partial,
			float *mean, float *rstd, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t from = op_block_start(rows, b), to = op_block_start(rows, b + 1);
		sums_block(x + from * c, to - from, c, partial + b * 2 * c,
			   partial + b * 2 * c + c);
	}
	fold(partial, c);
	for (size_t j = 0; j < c; j++) {
		double m = partial[j] / (double)rows, var = partial[c + j] / (double)rows - m * m;
		partial[j] = m;
		partial[c + j] = var > 0 ? var : 0;
		mean[j] = (float)m;
		rstd[j] = (float)(1.0 / sqrt(partial[c + j] + (double)eps));
	}
}

static void group_apply(const struct op_run *r, size_t from, size_t rows, const float *mean,
			const float *rstd)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = from + op_block_start(rows, b), e = from + op_block_start(rows, b + 1);
		apply_rows(r->x[0] + a * c, r->y + a * c, mean, rstd, r->w[0], r->w[1], e - a, c);
	}
}

static void group_backward(const struct op_run *r, size_t from, size_t rows, const float *mean,
			   const float *rstd)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	double *partial = r->ws;
	const float *x = r->x[0] + from * c, *gy = r->gy + from * c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1);
		back_sums_block(x + a * c, gy + a * c, mean, rstd, e - a, c, partial + b * 2 * c,
				partial + b * 2 * c + c);
	}
	fold(partial, c);
	for (size_t j = 0; j < c; j++) {
		r->gw[1][j] += (float)partial[j];
		r->gw[0][j] += (float)partial[c + j];
		partial[j] /= (double)rows;
		partial[c + j] /= (double)rows;
	}
	if (!r->gx[0])
		return;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1);
		back_rows(x + a * c, gy + a * c, r->gx[0] + (from + a) * c, mean, rstd, r->w[0],
			  partial, partial + c, e - a, c, r->node->acc[0]);
	}
}

static enum sm_status instance_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c;
	for (int n = 0; n < s.n; n++) {
		float *mean = (float *)r->save + n * 2 * c;
		group_stats(r->x[0] + n * rows * c, rows, c, r->node->attr.value[0], r->ws, mean,
			    mean + c, r->threads);
		group_apply(r, n * rows, rows, mean, mean + c);
	}
	return SM_OK;
}

static enum sm_status instance_norm_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c;
	for (int n = 0; n < s.n; n++) {
		const float *mean = (const float *)r->save + n * 2 * c;
		group_backward(r, n * rows, rows, mean, mean + c);
	}
	return SM_OK;
}

const struct op_impl op_instance_norm = {.shape = norm_shape,
					 .prepare = norm_prepare,
					 .forward = instance_norm_forward,
					 .backward = instance_norm_backward};

/* Samples that do not count (a partial last batch) stay out of the batch's statistics. */
static enum sm_status batch_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t all = op_rows(s), rows = all / s.n * r->valid, c = (size_t)s.c;
	float *mean = r->save, *rstd = mean + c, eps = r->node->attr.value[0];
	if (r->train) {
		double *stats = r->ws, m = (double)r->node->attr.value[1];
		double bessel = rows > 1 ? (double)rows / (double)(rows - 1) : 1.0;
		group_stats(r->x[0], rows, c, eps, stats, mean, rstd, r->threads);
		for (size_t j = 0; j < c; j++) {
			float *rm = &r->state[0][j], *rv = &r->state[1][j];
			*rm = (float)((1 - m) * (double)*rm + m * stats[j]);
			*rv = (float)((1 - m) * (double)*rv + m * stats[c + j] * bessel);
		}
	} else {
		for (size_t j = 0; j < c; j++) {
			mean[j] = r->state[0][j];
			rstd[j] = (float)(1.0 / sqrt((double)r->state[1][j] + (double)eps));
		}
	}
	group_apply(r, 0, all, mean, rstd);
	return SM_OK;
}

static enum sm_status batch_norm_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t all = op_rows(s), rows = all / s.n * r->valid, c = (size_t)s.c;
	const float *mean = r->save;
	group_backward(r, 0, rows, mean, mean + c);
	if (r->gx[0] && rows < all && !r->node->acc[0])
		memset(r->gx[0] + rows * c, 0, (all - rows) * c * sizeof(float));
	return SM_OK;
}

const struct op_impl op_batch_norm = {.shape = batch_norm_shape,
				      .prepare = norm_prepare,
				      .forward = batch_norm_forward,
				      .backward = batch_norm_backward};
