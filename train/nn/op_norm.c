/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm (one group of rows: all samples) and instance norm (one group a sample), each with the
 * activation behind it.
 *   xhat = (x - mean) rstd,  y = act(gamma xhat + beta),  rstd = 1 / sqrt(var + eps), var without
 *   Bessel;  g = gy act'(gamma xhat + beta),  gx = gamma rstd (g - mean(g) - xhat mean(g xhat))
 * Forward reads twice and writes once, backward reads four times and writes once (over gy where the
 * plan allows); xhat and the sign of y are computed again, never stored.
 * Sums go over OP_BLOCKS fixed blocks of rows; inside a block some lines are summed in float, those
 * sums in double (norm_rows_body.h). Values are shifted by the group's first row before they are
 * squared, so that a mean far from zero costs no digits. A "line" is some rows, as many values as
 * make a loop: what belongs to a channel is repeated along it. */
#include "train/nn/norm_rows.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "train/nn/share.h"
#include "train/nn/stream.h"

static enum sm_status norm_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const struct sm_norm *o = &n->attr.norm;
	const int shape[5] = {s.c};
	if (!(o->eps > 0))
		return SM_FAIL(err, SM_USAGE, "layer %s: eps %g, must be > 0", n->name,
			       (double)o->eps);
	if (o->fuse == SM_FUSE_LEAKY_RELU && !(o->slope >= 0 && o->slope <= 1))
		return SM_FAIL(err, SM_USAGE, "layer %s: slope %g, must be in [0, 1]", n->name,
			       (double)o->slope);
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
	if (!(n->attr.norm.momentum >= 0 && n->attr.norm.momentum <= 1))
		return SM_FAIL(err, SM_USAGE, "layer %s: momentum %g, must be in [0, 1]", n->name,
			       (double)n->attr.norm.momentum);
	SM_TRY(norm_shape(g, n, out, err));
	n->state[0] = graph_state(g, n->name, "running_mean", c, 0.0f, err);
	if (n->state[0] < 0)
		return err->code;
	n->state[1] = graph_state(g, n->name, "running_var", c, 1.0f, err);
	return n->state[1] < 0 ? err->code : SM_OK;
}

/* Workspace: the blocks' sums, behind them the repeated values. */
static double *block_sums(void *ws, size_t c, int b)
{
	return (double *)(void *)((char *)ws + b * norm_sums_bytes(c));
}

static float *repeated(void *ws, size_t c, int which)
{
	return (float *)(void *)((char *)ws + OP_BLOCKS * norm_sums_bytes(c)) +
	       which * norm_line(c);
}

/* Saved: mean and rstd of each group and channel. */
static enum sm_status norm_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(env->graph, n);
	size_t c = (size_t)s.c;
	n->save = s.n * c * 2 * sizeof(float);
	n->ws_forward = n->ws_backward =
	    OP_BLOCKS * norm_sums_bytes(c) + NORM_VALUES * norm_line(c) * sizeof(float);
	return SM_OK;
}

/* Adds the blocks' sums in index order into block 0. */
static double *fold(void *ws, size_t c)
{
	double *sum = block_sums(ws, c, 0);
	for (int b = 1; b < OP_BLOCKS; b++) {
		const double *add = block_sums(ws, c, b);
		for (size_t j = 0; j < 2 * c; j++)
			sum[j] += add[j];
	}
	return sum;
}

static float slope_of(const struct op_run *r)
{
	const struct sm_norm *o = &r->node->attr.norm;
	return o->fuse == SM_FUSE_NONE ? 1.0f : o->fuse == SM_FUSE_RELU ? 0.0f : o->slope;
}

static struct norm_rows rows_of(const struct op_run *r, size_t rows)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	bool large = rows * c >= STREAM_MIN, acc = r->node->acc[0];
	return (struct norm_rows){.x = r->x[0],
				  .gy = r->gy,
				  .y = r->y,
				  .gx = r->gx[0],
				  .xe = r->xe[0],
				  .ye = r->ye,
				  .slope = slope_of(r),
				  .stream_y = large && r->x[0] != r->y,
				  .stream_gx = large && !acc && r->gx[0] != r->gy,
				  .acc = acc,
				  .c = c,
				  .line = norm_line(c),
				  .value = repeated(r->ws, c, 0)};
}

/* Rows of a call: [first, first + rows) have common statistics, `all` from there on are written. */
struct group {
	size_t first, rows, all;
	float *mean, *rstd; /* saved */
	bool sum;           /* forward: the statistics are to be computed */
};

/* Means and rstd from the sums; the workspace's first 2c doubles become mean and biased variance.
 */
static void finish_stats(const struct op_run *r, const struct group *q)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	const float *shift = repeated(r->ws, c, NORM_MEAN);
	double *sum = fold(r->ws, c), eps = (double)r->node->attr.norm.eps, n = (double)q->rows;
	for (size_t j = 0; j < c; j++) {
		double m = sum[j] / n, var = sum[c + j] / n - m * m;
		sum[j] = m + (double)shift[j];
		sum[c + j] = var > 0 || isnan(var) ? var : 0;
		q->mean[j] = (float)sum[j];
		q->rstd[j] = (float)(1.0 / sqrt(sum[c + j] + eps));
	}
}

static void fill_values(const struct op_run *r, const struct group *q)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	float *m = repeated(r->ws, c, NORM_MEAN), *scale = repeated(r->ws, c, NORM_SCALE);
	float *shift = repeated(r->ws, c, NORM_SHIFT);
	for (size_t j = 0; j < c; j++) {
		m[j] = q->mean[j];
		scale[j] = r->w[0][j] * q->rstd[j];
		shift[j] = r->w[1][j];
	}
	norm_repeat(m, c);
	norm_repeat(scale, c);
	norm_repeat(shift, c);
}

/* Block number i of a group of so many rows when blocks are taken by height (share.h): first all
 * planes' uppermost. Where blocks and planes do not go together (a number of planes that does not
 * divide OP_BLOCKS) they are taken as they stand. */
static int block_at(const struct op_run *r, size_t rows, int i)
{
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t planes = rows / ((size_t)s.h * s.w);
	if (!planes || OP_BLOCKS % planes)
		return i;
	int n = (int)planes, each = OP_BLOCKS / n;
	return i % n * each + i / n;
}

/* Both passes in one parallel region. The second begins with the blocks that were read last: the
 * caches have them. */
static void group_forward(const struct op_run *r, const struct group *q)
{
	const struct norm_rows g = rows_of(r, q->all);
	size_t c = g.c;
	if (q->sum) {
		float *shift = repeated(r->ws, c, NORM_MEAN);
		elem_move(shift, ELEM_F32, 0, g.x, g.xe, q->first * c, c);
		norm_repeat(shift, c);
	}
	struct share sums, apply;
	share_begin(&sums, q->sum ? OP_BLOCKS : 0, r->threads, false);
	share_begin(&apply, OP_BLOCKS, r->threads, true);
#pragma omp parallel num_threads(r->threads)
	{
		int thread = omp_get_thread_num();
		for (int i; (i = share_take(&sums, thread)) >= 0;) {
			int b = block_at(r, q->rows, i);
			size_t from = op_block_start(q->rows, b);
			size_t to = op_block_start(q->rows, b + 1);
			norm_sums(&g, (q->first + from) * c, (to - from) * c,
				  block_sums(r->ws, c, b));
		}
#pragma omp barrier
#pragma omp single
		{
			if (q->sum)
				finish_stats(r, q);
			fill_values(r, q);
		}
		for (int i; (i = share_take(&apply, thread)) >= 0;) {
			int b = block_at(r, q->all, i);
			size_t from = op_block_start(q->all, b);
			size_t to = op_block_start(q->all, b + 1);
			norm_apply(&g, (q->first + from) * c, (to - from) * c);
		}
	}
}

/* The group's gradients of shift and scale take the place of mean and rstd; the values that
 * norm_back takes away. */
static void finish_backward(const struct op_run *r, const struct group *q)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	float *keep0 = repeated(r->ws, c, NORM_KEEP0), *keep1 = repeated(r->ws, c, NORM_KEEP1);
	const double *sum = fold(r->ws, c);
	for (size_t j = 0; j < c; j++) {
		double s = (double)q->rstd[j];
		q->mean[j] = (float)sum[j];
		q->rstd[j] = (float)(s * sum[c + j]);
		keep0[j] = (float)(sum[j] / (double)q->rows);
		keep1[j] = (float)(s * s * sum[c + j] / (double)q->rows);
	}
	norm_repeat(keep0, c);
	norm_repeat(keep1, c);
}

static void group_backward(const struct op_run *r, const struct group *q)
{
	const struct norm_rows g = rows_of(r, q->rows);
	size_t c = g.c;
	fill_values(r, q);
	struct share sums, back;
	share_begin(&sums, OP_BLOCKS, r->threads, false);
	share_begin(&back, r->gx[0] ? OP_BLOCKS : 0, r->threads, true);
#pragma omp parallel num_threads(r->threads)
	{
		int thread = omp_get_thread_num();
		for (int i; (i = share_take(&sums, thread)) >= 0;) {
			int b = block_at(r, q->rows, i);
			size_t from = op_block_start(q->rows, b);
			size_t to = op_block_start(q->rows, b + 1);
			norm_back_sums(&g, (q->first + from) * c, (to - from) * c,
				       block_sums(r->ws, c, b));
		}
#pragma omp barrier
#pragma omp single
		finish_backward(r, q);
		for (int i; (i = share_take(&back, thread)) >= 0;) {
			int b = block_at(r, q->rows, i);
			size_t from = op_block_start(q->rows, b);
			size_t to = op_block_start(q->rows, b + 1);
			norm_back(&g, (q->first + from) * c, (to - from) * c);
		}
	}
}

/* Sums over the groups go once to gw, so that micro-batches add up to the bits of ranks
 * (train/mpi.h). */
static void add_gradients(const struct op_run *r, int groups)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	float *sum = r->save;
	for (int n = 1; n < groups; n++)
		for (size_t j = 0; j < 2 * c; j++)
			sum[j] += sum[n * 2 * c + j];
	for (size_t j = 0; r->gw[0] && j < c; j++) {
		r->gw[1][j] += sum[j];
		r->gw[0][j] += sum[c + j];
	}
}

/* Group n of an instance norm. */
static struct group sample_of(const struct op_run *r, int n, bool sum)
{
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s) / s.n;
	float *mean = (float *)r->save + (size_t)n * 2 * s.c;
	return (struct group){n * rows, rows, rows, mean, mean + s.c, sum};
}

static enum sm_status instance_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	for (int n = 0; n < op_out_shape(r->graph, r->node).n; n++) {
		struct group q = sample_of(r, n, true);
		group_forward(r, &q);
	}
	return SM_OK;
}

static enum sm_status instance_norm_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	for (int n = 0; n < s.n; n++) {
		struct group q = sample_of(r, n, false);
		group_backward(r, &q);
	}
	add_gradients(r, s.n);
	return SM_OK;
}

static enum sm_status instance_norm_again(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	for (int n = 0; n < op_out_shape(r->graph, r->node).n; n++) {
		struct group q = sample_of(r, n, false);
		group_forward(r, &q);
	}
	return SM_OK;
}

const struct op_impl op_instance_norm = {.shape = norm_shape,
					 .prepare = norm_prepare,
					 .forward = instance_norm_forward,
					 .backward = instance_norm_backward,
					 .again = instance_norm_again};

/* The group of a batch norm. Samples that do not count (a partial last batch) stay out of the
 * batch's statistics. */
static struct group batch_of(const struct op_run *r, bool sum)
{
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t all = op_rows(s);
	float *mean = r->save;
	return (struct group){0, all / s.n * r->valid, all, mean, mean + s.c, sum};
}

static enum sm_status batch_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	struct group q = batch_of(r, r->train);
	for (size_t j = 0; !r->train && j < c; j++) {
		double eps = (double)r->node->attr.norm.eps;
		q.mean[j] = r->state[0][j];
		q.rstd[j] = (float)(1.0 / sqrt((double)r->state[1][j] + eps));
	}
	group_forward(r, &q);
	if (r->train) {
		const double *stats = block_sums(r->ws, c, 0);
		double m = (double)r->node->attr.norm.momentum;
		double bessel = q.rows > 1 ? (double)q.rows / (double)(q.rows - 1) : 1.0;
		for (size_t j = 0; j < c; j++) {
			float *rm = &r->state[0][j], *rv = &r->state[1][j];
			*rm = (float)((1 - m) * (double)*rm + m * stats[j]);
			*rv = (float)((1 - m) * (double)*rv + m * stats[c + j] * bessel);
		}
	}
	return SM_OK;
}

static enum sm_status batch_norm_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	struct group q = batch_of(r, false);
	group_backward(r, &q);
	add_gradients(r, 1);
	if (r->gx[0] && q.rows < q.all && !r->node->acc[0])
		memset(elem_at(r->gx[0], r->xe[0], q.rows * c), 0,
		       (q.all - q.rows) * c * elem_size(r->xe[0]));
	return SM_OK;
}

static enum sm_status batch_norm_again(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct group q = batch_of(r, false);
	group_forward(r, &q);
	return SM_OK;
}

const struct op_impl op_batch_norm = {.shape = batch_norm_shape,
				      .prepare = norm_prepare,
				      .forward = batch_norm_forward,
				      .backward = batch_norm_backward,
				      .again = batch_norm_again};
