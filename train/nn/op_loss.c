/* SPDX-License-Identifier: Apache-2.0 */
/* The loss operator: one value a sample from (output, target); no gradient goes to the target. A
 * region part (Dice and its kin: a function of three sums a channel) plus a point part (a sum over
 * voxels), with softmax or sigmoid inside: one pass forward, one backward. Sums go over OP_BLOCKS
 * fixed blocks of a sample's voxels, so they do not depend on the threads. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

static enum sm_status loss_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape p = op_in_shape(g, n, 0), t = op_in_shape(g, n, 1);
	const struct loss_attr *l = &n->attr.loss;
	double weight = 0;
	if (memcmp(&p, &t, sizeof p) != 0)
		return SM_FAIL(err, SM_USAGE,
			       "loss: prediction is %dx%dx%dx%dx%d, target is %dx%dx%dx%dx%d", p.n,
			       p.d, p.h, p.w, p.c, t.n, t.d, t.h, t.w, t.c);
	if (p.c > SM_LOSS_CHANNELS)
		return SM_FAIL(err, SM_USAGE, "loss: %d channels, must be at most %d", p.c,
			       SM_LOSS_CHANNELS);
	if (!isfinite(n->attr.value[0]))
		return SM_FAIL(err, SM_USAGE, "loss: weight is not a number");
	if (l->act == LOSS_SOFTMAX && p.c < 2)
		return SM_FAIL(err, SM_USAGE, "loss: softmax over one channel");
	for (int j = 0; j < p.c; j++) {
		if (!(l->weight[j] >= 0 && l->weight[j] < 1e12f))
			return SM_FAIL(err, SM_USAGE,
				       "loss: class weight %g of channel %d, must be >= 0",
				       (double)l->weight[j], j);
		weight += j >= l->first || l->region == REGION_NONE ? (double)l->weight[j] : 0;
	}
	if (!(weight > 0))
		return SM_FAIL(err, SM_USAGE, "loss: all class weights are 0");
	if (!(l->alpha >= 0 && l->beta >= 0 && isfinite(l->alpha + l->beta)))
		return SM_FAIL(err, SM_USAGE, "loss: alpha %g and beta %g, must be >= 0",
			       (double)l->alpha, (double)l->beta);
	if (!(l->gamma >= 0 && l->gamma <= 100) || !(l->eps > 0 && l->eps <= 1))
		return SM_FAIL(err, SM_USAGE,
			       "loss: gamma %g must be in [0, 100], smooth %g in (0, 1]",
			       (double)l->gamma, (double)l->eps);
	n->needs_x = true;
	*out = (struct sm_shape){p.n, 1, 1, 1, 1};
	return SM_OK;
}

/* Saved: the sums of each sample, then those of the batch; workspace: the sums of a block. */
static enum sm_status loss_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(env->graph, n, 0);
	n->save = (size_t)(s.n + 1) * LOSS_SUMS(s.c) * sizeof(double);
	n->ws_forward = (size_t)s.n * OP_BLOCKS * LOSS_SUMS(s.c) * sizeof(double);
	return SM_OK;
}

/* Sudre's weights: 1 / volume^2 over the largest, times the class weight. */
static void volume_weights(const struct loss_attr *l, int c, const double *t, double *w)
{
	double least = INFINITY;
	for (int j = l->first; j < c; j++)
		least = t[j] > 0 && t[j] < least ? t[j] : least;
	for (int j = l->first; j < c; j++) {
		double share = t[j] > 0 ? least / t[j] : 1.0;
		w[j] = share * share * (double)l->weight[j];
	}
}

/* The region part's value, and with slope its derivatives times scale. */
static double region(const struct loss_attr *l, int c, const double *s, double scale,
		     struct loss_slope *f)
{
	const double *both = s, *ps = s + c, *ts = s + 2 * c;
	double e = (double)l->eps, al = (double)l->alpha, be = (double)l->beta, mean = 0, total = 0;
	double w[SM_LOSS_CHANNELS], num = e, den = e;
	if (l->region == REGION_GENERALISED) {
		volume_weights(l, c, ts, w);
		for (int j = l->first; j < c; j++) {
			num += 2 * w[j] * both[j];
			den += w[j] * (ps[j] + ts[j]);
		}
		for (int j = l->first; f && j < c; j++) {
			f->a[j] = (float)(-scale * 2 * w[j] / den);
			f->d[j] = (float)(scale * num * w[j] / (den * den));
		}
		return 1 - num / den;
	}
	for (int j = l->first; j < c; j++)
		total += (double)l->weight[j];
	for (int j = l->first; j < c; j++) {
		double part = (double)l->weight[j] / total, k = part * scale;
		double cross = 2, of_p = 1;
		if (l->region == REGION_TVERSKY) {
			num = both[j] + e;
			den = (1 - al - be) * both[j] + al * ps[j] + be * ts[j] + e;
			cross = 1 - num / den * (1 - al - be);
			of_p = al;
		} else {
			num = 2 * both[j] + e;
			den = ps[j] + ts[j] + e;
		}
		mean += part * num / den;
		if (!f)
			continue;
		double back = k * of_p * num / (den * den);
		f->a[j] = (float)(-k * cross / den);
		if (l->region == REGION_SQUARED)
			f->b[j] = (float)(2 * back);
		else
			f->d[j] = (float)back;
	}
	return 1 - mean;
}

/* What the point part's sum of a sample is divided by; of a softmax the mean weight of the samples
 * that count, so that the mean over them is divided by the weight of them all, as PyTorch's. */
static double point_norm(const struct loss_attr *l, int c, size_t rows, const double *batch,
			 int valid)
{
	double total = 0;
	if (l->act == LOSS_SOFTMAX)
		return batch[3 * c + 1] / valid;
	for (int j = 0; j < c; j++)
		total += (double)l->weight[j];
	return total * (double)rows;
}

static enum sm_status loss_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	const struct loss_attr *l = &r->node->attr.loss;
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c, each = LOSS_SUMS(c);
	double *partial = r->ws, *batch = (double *)r->save + s.n * each;
	int jobs = r->valid * OP_BLOCKS;
	OP_FOR(jobs, r->threads)
	for (int i = 0; i < jobs; i++) {
		size_t a = op_block_start(rows, i % OP_BLOCKS),
		       e = op_block_start(rows, i % OP_BLOCKS + 1),
		       at = ((size_t)(i / OP_BLOCKS) * rows + a) * c;
		loss_rows_forward(l, s.c, r->x[0] + at, r->x[1] + at, e - a, partial + i * each);
	}
	memset(r->save, 0, (s.n + 1) * each * sizeof(double));
	for (int i = 0; i < jobs; i++)
		for (size_t j = 0; j < each; j++)
			((double *)r->save)[i / OP_BLOCKS * each + j] += partial[i * each + j];
	for (int n = 0; n < r->valid; n++)
		for (size_t j = 0; j < each; j++)
			batch[j] += ((double *)r->save)[n * each + j];
	for (int n = 0; n < s.n; n++) {
		const double *sum = (double *)r->save + n * each;
		double value = 0, norm = point_norm(l, s.c, rows, batch, r->valid);
		if (n < r->valid && l->region != REGION_NONE)
			value = region(l, s.c, l->batch ? batch : sum, 0, NULL);
		if (n < r->valid && l->point != POINT_NONE && norm != 0)
			value += sum[3 * c] / norm;
		r->loss[n] = value;
		r->y[n] = (float)value;
	}
	return SM_OK;
}

static enum sm_status loss_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	const struct loss_attr *l = &r->node->attr.loss;
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c, each = LOSS_SUMS(c);
	bool acc = r->node->acc[0];
	if (!r->gx[0])
		return SM_OK;
	for (int n = 0; n < r->valid; n++) {
		struct loss_slope f = {.point = 0};
		const double *sum = (const double *)r->save + n * each,
			     *batch = (const double *)r->save + s.n * each;
		double scale = (double)r->node->attr.value[0] * r->weight,
		       norm = point_norm(l, s.c, rows, batch, r->valid);
		/* The batch's Dice is each sample's: its gradient counts as often. */
		if (l->region != REGION_NONE)
			region(l, s.c, l->batch ? batch : sum, l->batch ? scale * r->valid : scale,
			       &f);
		if (l->point != POINT_NONE && norm != 0)
			f.point = (float)(scale / norm);
		OP_FOR(OP_BLOCKS, r->threads)
		for (int b = 0; b < OP_BLOCKS; b++) {
			size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1),
			       at = (n * rows + a) * c;
			loss_rows_backward(l, s.c, r->x[0] + at, r->x[1] + at, &f, e - a, acc,
					   r->gx[0] + at);
		}
	}
	if (!acc)
		memset(r->gx[0] + r->valid * rows * c, 0,
		       (s.n - r->valid) * rows * c * sizeof(float));
	return SM_OK;
}

const struct op_impl op_loss = {.shape = loss_shape,
				.prepare = loss_prepare,
				.forward = loss_forward,
				.backward = loss_backward};
