/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm (one group of rows: all samples) and instance norm (one group a sample), each with the
 * activation behind it.
 *   xhat = (x - mean) rstd,  y = act(gamma xhat + beta),  rstd = 1 / sqrt(var + eps), var without
 *   Bessel;  g = gy act'(gamma xhat + beta),  gx = gamma rstd (g - mean(g) - xhat mean(g xhat))
 * Forward reads twice and writes once, backward reads four times and writes once (over gy where the
 * plan allows); xhat and the sign of y are computed again, never stored.
 * Sums go over OP_BLOCKS fixed blocks of rows; inside a block FLUSH lines are summed in float, those
 * sums in double. Values are shifted by the group's first row before they are squared, so that a
 * mean far from zero costs no digits. A "line" is as many rows as make a loop of LINE values: all
 * loops run over a line, and what belongs to a channel is repeated along it. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#include "train/nn/stream.h"

#define LINE ((size_t)128)
#define FLUSH ((size_t)64)

/* Values of a line: a multiple of the channels. */
static size_t line_of(size_t c)
{
	return c >= LINE ? c : (LINE + c - 1) / c * c;
}

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

/* What the loops over lines read, each a line long. */
enum { MEAN, SCALE, SHIFT, KEEP0, KEEP1, VALUES };

/* Workspace: per block two sums in double for each channel, then two in float for a line; behind
 * the blocks the repeated values. */
static size_t block_bytes(size_t c)
{
	return 2 * c * sizeof(double) + 2 * line_of(c) * sizeof(float);
}

static double *block_sums(void *ws, size_t c, int b)
{
	return (double *)(void *)((char *)ws + b * block_bytes(c));
}

static float *repeated(void *ws, size_t c, int which)
{
	return (float *)(void *)((char *)ws + OP_BLOCKS * block_bytes(c)) + which * line_of(c);
}

/* Saved: mean and rstd of each group and channel. */
static enum sm_status norm_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(env->graph, n);
	size_t c = (size_t)s.c;
	n->save = s.n * c * 2 * sizeof(float);
	n->ws_forward = n->ws_backward =
	    OP_BLOCKS * block_bytes(c) + VALUES * line_of(c) * sizeof(float);
	return SM_OK;
}

/* Adds a line's float sums to the channels' double sums and clears them. */
static void flush(float *restrict f, double *restrict sum, size_t line, size_t c)
{
	for (size_t i = 0; i < line; i += c)
		for (size_t j = 0; j < c; j++)
			sum[j] += (double)f[i + j];
	memset(f, 0, line * sizeof *f);
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The tensors of a call. slope: behind zero, 1 = no activation. */
struct group {
	const void *x, *gy;
	void *y, *gx;
	enum elem xe, ye;
	float slope;
	bool large, acc; /* y may be streamed; gx is added to */
};

SM_CLONES static void sums_block(const struct group *g, size_t at, const float *restrict shift,
				 size_t count, size_t line, size_t c, double *restrict sum)
{
	float *restrict f0 = (float *)(sum + 2 * c), *restrict f1 = f0 + line, bx[ELEM_PIECE];
	memset(sum, 0, 2 * c * sizeof *sum);
	memset(f0, 0, 2 * line * sizeof *f0);
	for (size_t k = 0, n; count; k++, at += n) {
		n = lesser(count, line);
		for (size_t from = 0, m; from < n; from += m) {
			m = lesser(n - from, ELEM_PIECE);
			const float *x = elem_read(g->x, g->xe, at + from, m, bx);
			const float *restrict s = shift + from;
			float *restrict a = f0 + from, *restrict b = f1 + from;
			for (size_t j = 0; j < m; j++) {
				float v = x[j] - s[j];
				a[j] += v;
				b[j] += v * v;
			}
		}
		count -= n;
		if (!count || k % FLUSH == FLUSH - 1) {
			flush(f0, sum, line, c);
			flush(f1, sum + c, line, c);
		}
	}
}

/* Sums of g and g (x - mean). */
SM_CLONES static void back_sums_block(const struct group *g, size_t at,
				      const float *restrict value, size_t count, size_t line,
				      size_t c, double *restrict sum)
{
	float *restrict f0 = (float *)(sum + 2 * c), *restrict f1 = f0 + line, slope = g->slope;
	float bx[ELEM_PIECE], by[ELEM_PIECE];
	memset(sum, 0, 2 * c * sizeof *sum);
	memset(f0, 0, 2 * line * sizeof *f0);
	for (size_t k = 0, n; count; k++, at += n) {
		n = lesser(count, line);
		for (size_t from = 0, m; from < n; from += m) {
			m = lesser(n - from, ELEM_PIECE);
			const float *x = elem_read(g->x, g->xe, at + from, m, bx);
			const float *gy = elem_read(g->gy, g->ye, at + from, m, by);
			const float *restrict mean = value + MEAN * line + from;
			const float *restrict scale = value + SCALE * line + from;
			const float *restrict shift = value + SHIFT * line + from;
			float *restrict a = f0 + from, *restrict b = f1 + from;
			for (size_t j = 0; j < m; j++) {
				float z = x[j] - mean[j], y = z * scale[j] + shift[j];
				float v = y > 0 ? gy[j] : slope * gy[j];
				a[j] += v;
				b[j] += v * z;
			}
		}
		count -= n;
		if (!count || k % FLUSH == FLUSH - 1) {
			flush(f0, sum, line, c);
			flush(f1, sum + c, line, c);
		}
	}
}

/* Streams values that were made in the first cache. */
SM_INLINE void stream_values(void *y, enum elem e, size_t at, const float *from, size_t n)
{
	elem_half half[ELEM_PIECE] __attribute__((aligned(64)));
	if (e == ELEM_BF16) {
		elem_narrow(from, half, n);
		stream_copy(elem_at(y, e, at), (const float *)(const void *)half, n / 2);
	} else {
		stream_copy(elem_at(y, e, at), from, n);
	}
}

SM_CLONES static void apply_block(const struct group *g, size_t at, const float *restrict value,
				  size_t count, size_t line)
{
	float bx[ELEM_PIECE], by[ELEM_PIECE], slope = g->slope;
	size_t words = line * elem_size(g->ye) / sizeof(float);
	bool stream = g->large && line <= ELEM_PIECE && line % 2 == 0 &&
		      stream_fits(elem_at(g->y, g->ye, at), words);
	for (size_t n; count; count -= n, at += n) {
		n = lesser(count, line);
		bool past = stream && n == line;
		for (size_t from = 0, m; from < n; from += m) {
			m = lesser(n - from, ELEM_PIECE);
			const float *x = elem_read(g->x, g->xe, at + from, m, bx);
			const float *restrict mean = value + MEAN * line + from;
			const float *restrict scale = value + SCALE * line + from;
			const float *restrict shift = value + SHIFT * line + from;
			float *y = past ? by : elem_begin(g->y, g->ye, at + from, by);
#pragma omp simd
			for (size_t j = 0; j < m; j++) {
				float v = (x[j] - mean[j]) * scale[j] + shift[j];
				y[j] = v > 0 ? v : slope * v;
			}
			if (past)
				stream_values(g->y, g->ye, at, by, m);
			else
				elem_end(g->y, g->ye, at + from, m, y);
		}
	}
	if (stream)
		stream_end();
}

SM_CLONES static void back_block(const struct group *g, size_t at, const float *restrict value,
				 size_t count, size_t line)
{
	float bx[ELEM_PIECE], by[ELEM_PIECE], bg[ELEM_PIECE], slope = g->slope;
	for (size_t n; count; count -= n, at += n) {
		n = lesser(count, line);
		for (size_t from = 0, m; from < n; from += m) {
			m = lesser(n - from, ELEM_PIECE);
			const float *x = elem_read(g->x, g->xe, at + from, m, bx);
			const float *gy = elem_read(g->gy, g->ye, at + from, m, by);
			const float *restrict mean = value + MEAN * line + from;
			const float *restrict scale = value + SCALE * line + from;
			const float *restrict shift = value + SHIFT * line + from;
			const float *restrict m0 = value + KEEP0 * line + from;
			const float *restrict m1 = value + KEEP1 * line + from;
			float *gx = g->acc ? elem_modify(g->gx, g->xe, at + from, m, bg)
					   : elem_begin(g->gx, g->xe, at + from, bg);
			if (g->acc) {
#pragma omp simd
				for (size_t j = 0; j < m; j++) {
					float z = x[j] - mean[j], y = z * scale[j] + shift[j];
					float v = y > 0 ? gy[j] : slope * gy[j];
					gx[j] += scale[j] * (v - m0[j] - z * m1[j]);
				}
			} else {
#pragma omp simd
				for (size_t j = 0; j < m; j++) {
					float z = x[j] - mean[j], y = z * scale[j] + shift[j];
					float v = y > 0 ? gy[j] : slope * gy[j];
					gx[j] = scale[j] * (v - m0[j] - z * m1[j]);
				}
			}
			elem_end(g->gx, g->xe, at + from, m, gx);
		}
	}
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

static void repeat(float *to, size_t c)
{
	for (size_t i = c, line = line_of(c); i < line; i++)
		to[i] = to[i - c];
}

static float slope_of(const struct op_run *r)
{
	const struct sm_norm *o = &r->node->attr.norm;
	return o->fuse == SM_FUSE_NONE ? 1.0f : o->fuse == SM_FUSE_RELU ? 0.0f : o->slope;
}

static struct group group_of(const struct op_run *r, size_t rows)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	return (struct group){.x = r->x[0],
			      .gy = r->gy,
			      .y = r->y,
			      .gx = r->gx[0],
			      .xe = r->xe[0],
			      .ye = r->ye,
			      .slope = slope_of(r),
			      .large = rows * c >= STREAM_MIN && r->x[0] != r->y,
			      .acc = r->node->acc[0]};
}

/* Mean and rstd of the group of rows from row `first` on; the workspace's first 2c doubles become mean and biased
 * variance. */
static void group_stats(const struct op_run *r, size_t first, size_t rows, float *mean, float *rstd)
{
	const struct group g = group_of(r, rows);
	size_t c = (size_t)op_out_shape(r->graph, r->node).c, line = line_of(c);
	float *shift = repeated(r->ws, c, MEAN), eps = r->node->attr.norm.eps;
	elem_move(shift, ELEM_F32, 0, g.x, g.xe, first * c, c);
	repeat(shift, c);
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t from = op_block_start(rows, b), to = op_block_start(rows, b + 1);
		sums_block(&g, (first + from) * c, shift, (to - from) * c, line, c,
			   block_sums(r->ws, c, b));
	}
	double *sum = fold(r->ws, c);
	for (size_t j = 0; j < c; j++) {
		double m = sum[j] / (double)rows, var = sum[c + j] / (double)rows - m * m;
		sum[j] = m + (double)shift[j];
		sum[c + j] = var > 0 || isnan(var) ? var : 0;
		mean[j] = (float)sum[j];
		rstd[j] = (float)(1.0 / sqrt(sum[c + j] + (double)eps));
	}
}

static void fill_values(const struct op_run *r, const float *mean, const float *rstd)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	float *m = repeated(r->ws, c, MEAN), *scale = repeated(r->ws, c, SCALE);
	float *shift = repeated(r->ws, c, SHIFT);
	for (size_t j = 0; j < c; j++) {
		m[j] = mean[j];
		scale[j] = r->w[0][j] * rstd[j];
		shift[j] = r->w[1][j];
	}
	repeat(m, c);
	repeat(scale, c);
	repeat(shift, c);
}

static void group_apply(const struct op_run *r, size_t from, size_t rows, const float *mean,
			const float *rstd)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c, line = line_of(c);
	const float *value = repeated(r->ws, c, 0);
	const struct group g = group_of(r, rows);
	fill_values(r, mean, rstd);
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = from + op_block_start(rows, b), e = from + op_block_start(rows, b + 1);
		apply_block(&g, a * c, value, (e - a) * c, line);
	}
}

/* saved: the group's mean and rstd, in whose place its gradients of shift and scale stand behind. */
static void group_backward(const struct op_run *r, size_t from, size_t rows, float *saved)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c, line = line_of(c);
	float *value = repeated(r->ws, c, 0), *mean = saved, *rstd = saved + c;
	const struct group g = group_of(r, rows);
	fill_values(r, mean, rstd);
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = from + op_block_start(rows, b), e = from + op_block_start(rows, b + 1);
		back_sums_block(&g, a * c, value, (e - a) * c, line, c, block_sums(r->ws, c, b));
	}
	double *sum = fold(r->ws, c);
	for (size_t j = 0; j < c; j++) {
		double s = (double)rstd[j];
		mean[j] = (float)sum[j];
		rstd[j] = (float)(s * sum[c + j]);
		value[KEEP0 * line + j] = (float)(sum[j] / (double)rows);
		value[KEEP1 * line + j] = (float)(s * s * sum[c + j] / (double)rows);
	}
	repeat(value + KEEP0 * line, c);
	repeat(value + KEEP1 * line, c);
	if (!r->gx[0])
		return;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = from + op_block_start(rows, b), e = from + op_block_start(rows, b + 1);
		back_block(&g, a * c, value, (e - a) * c, line);
	}
}

/* Sums over the groups go once to gw, so that micro-batches add up to the bits of ranks (train/mpi.h). */
static void add_gradients(const struct op_run *r, int groups)
{
	size_t c = (size_t)op_out_shape(r->graph, r->node).c;
	float *sum = r->save;
	for (int n = 1; n < groups; n++)
		for (size_t j = 0; j < 2 * c; j++)
			sum[j] += sum[n * 2 * c + j];
	for (size_t j = 0; j < c; j++) {
		r->gw[1][j] += sum[j];
		r->gw[0][j] += sum[c + j];
	}
}

static enum sm_status instance_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c;
	for (int n = 0; n < s.n; n++) {
		float *mean = (float *)r->save + n * 2 * c;
		group_stats(r, n * rows, rows, mean, mean + c);
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
		group_backward(r, n * rows, rows, (float *)r->save + n * 2 * c);
	}
	add_gradients(r, s.n);
	return SM_OK;
}

static enum sm_status instance_norm_again(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c;
	for (int n = 0; n < s.n; n++) {
		const float *mean = (const float *)r->save + n * 2 * c;
		group_apply(r, n * rows, rows, mean, mean + c);
	}
	return SM_OK;
}

const struct op_impl op_instance_norm = {.shape = norm_shape,
					 .prepare = norm_prepare,
					 .forward = instance_norm_forward,
					 .backward = instance_norm_backward,
					 .again = instance_norm_again};

/* Samples that do not count (a partial last batch) stay out of the batch's statistics. */
static enum sm_status batch_norm_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t all = op_rows(s), rows = all / s.n * r->valid, c = (size_t)s.c;
	float *mean = r->save, *rstd = mean + c, eps = r->node->attr.norm.eps;
	if (r->train) {
		double *stats = block_sums(r->ws, c, 0), m = (double)r->node->attr.norm.momentum;
		double bessel = rows > 1 ? (double)rows / (double)(rows - 1) : 1.0;
		group_stats(r, 0, rows, mean, rstd);
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
	group_backward(r, 0, rows, r->save);
	add_gradients(r, 1);
	if (r->gx[0] && rows < all && !r->node->acc[0])
		memset(elem_at(r->gx[0], r->xe[0], rows * c), 0,
		       (all - rows) * c * elem_size(r->xe[0]));
	return SM_OK;
}

static enum sm_status batch_norm_again(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	const float *mean = r->save;
	group_apply(r, 0, op_rows(s), mean, mean + s.c);
	return SM_OK;
}

const struct op_impl op_batch_norm = {.shape = batch_norm_shape,
				      .prepare = norm_prepare,
				      .forward = batch_norm_forward,
				      .backward = batch_norm_backward,
				      .again = batch_norm_again};
