/* SPDX-License-Identifier: Apache-2.0 */
/* Losses: one value a sample. Inputs are (prediction, target); no gradient goes to the target. Sums
 * go over OP_BLOCKS fixed blocks of a sample's voxels in double, so they do not depend on the
 * threads. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#define DICE_EPS 1e-5

static enum sm_status loss_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape p = op_in_shape(g, n, 0), t = op_in_shape(g, n, 1);
	if (memcmp(&p, &t, sizeof p) != 0)
		return SM_FAIL(err, SM_USAGE,
			       "loss: prediction is %dx%dx%dx%dx%d, target is %dx%dx%dx%dx%d", p.n,
			       p.d, p.h, p.w, p.c, t.n, t.d, t.h, t.w, t.c);
	if (!isfinite(n->attr.value[0]))
		return SM_FAIL(err, SM_USAGE, "loss: weight is not a number");
	n->needs_x = true;
	*out = (struct sm_shape){p.n, 1, 1, 1, 1};
	return SM_OK;
}

/* Saved: sums a sample and class (t p, t^2 + p^2); workspace: the same a block. */
static enum sm_status loss_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(env->graph, n, 0);
	n->save = (size_t)s.n * s.c * 2 * sizeof(double);
	n->ws_forward = (size_t)OP_BLOCKS * s.c * 2 * sizeof(double);
	return SM_OK;
}

/* Weight of one sample's value in the net's loss. */
static float sample_weight(const struct op_run *r, int n)
{
	return n < r->valid ? r->node->attr.value[0] / (float)r->valid : 0.0f;
}

static void dice_block(const float *p, const float *t, size_t rows, size_t c, double *s)
{
	memset(s, 0, 2 * c * sizeof *s);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++) {
			double a = (double)p[i * c + j], b = (double)t[i * c + j];
			s[j] += a * b;
			s[c + j] += a * a + b * b;
		}
}

static enum sm_status dice_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t rows = op_rows(s) / s.n, c = (size_t)s.c;
	double *partial = r->ws;
	for (int n = 0; n < s.n; n++) {
		const float *p = r->x[0] + n * rows * c, *t = r->x[1] + n * rows * c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
		for (int b = 0; b < OP_BLOCKS; b++) {
			size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1);
			dice_block(p + a * c, t + a * c, e - a, c, partial + b * 2 * c);
		}
		double *sum = (double *)r->save + n * 2 * c, mean = 0;
		memcpy(sum, partial, 2 * c * sizeof *sum);
		for (int b = 1; b < OP_BLOCKS; b++)
			for (size_t j = 0; j < 2 * c; j++)
				sum[j] += partial[b * 2 * c + j];
		for (size_t j = 0; j < c; j++)
			mean += (2 * sum[j] + DICE_EPS) / (sum[c + j] + DICE_EPS);
		r->loss[n] = 1.0 - mean / (double)c;
		r->y[n] = (float)r->loss[n];
	}
	return SM_OK;
}

/* With I = sum t p, U = sum t^2 + p^2 + e: d/dp = -(1/C) (2 t / U - 2 p (2 I + e) / U^2). */
static enum sm_status dice_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t rows = op_rows(s), each = rows / s.n, c = (size_t)s.c;
	bool acc = r->node->acc[0];
	const double *sum = r->save;
	const float *p = r->x[0], *t = r->x[1];
	float *g = r->gx[0];
	if (!g)
		return SM_OK;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < rows; i++) {
		size_t n = i / each;
		double w = (double)sample_weight(r, (int)n) / (double)c;
		for (size_t j = 0; j < c; j++) {
			double u = sum[n * 2 * c + c + j] + DICE_EPS,
			       v = 2 * sum[n * 2 * c + j] + DICE_EPS;
			double d =
			    w * (2 * (double)p[i * c + j] * (v / u) - 2 * (double)t[i * c + j]) / u;
			g[i * c + j] = (acc ? g[i * c + j] : 0.0f) + (float)d;
		}
	}
	return SM_OK;
}

const struct op_impl op_loss_dice = {.shape = loss_shape,
				     .prepare = loss_prepare,
				     .forward = dice_forward,
				     .backward = dice_backward};

static double bce_block(const float *z, const float *t, size_t count)
{
	double s = 0;
	for (size_t i = 0; i < count; i++) {
		double a = (double)z[i];
		s += (a > 0 ? a : 0) - a * (double)t[i] + log1p(exp(-fabs(a)));
	}
	return s;
}

static enum sm_status bce_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t each = op_rows(s) / s.n * s.c;
	double *partial = r->ws;
	for (int n = 0; n < s.n; n++) {
#pragma omp parallel for schedule(static) num_threads(r->threads)
		for (int b = 0; b < OP_BLOCKS; b++) {
			size_t a = op_block_start(each, b), e = op_block_start(each, b + 1);
			partial[b] =
			    bce_block(r->x[0] + n * each + a, r->x[1] + n * each + a, e - a);
		}
		double sum = 0;
		for (int b = 0; b < OP_BLOCKS; b++)
			sum += partial[b];
		r->loss[n] = sum / (double)each;
		r->y[n] = (float)r->loss[n];
	}
	return SM_OK;
}

static enum sm_status bce_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t count = r->graph->tensor[r->node->in[0]].count, each = count / s.n;
	bool acc = r->node->acc[0];
	const float *z = r->x[0], *t = r->x[1];
	float *g = r->gx[0];
	if (!g)
		return SM_OK;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < count; i++) {
		float w = sample_weight(r, (int)(i / each)) / (float)each, e = expf(-fabsf(z[i]));
		float sig = z[i] >= 0 ? 1.0f / (1.0f + e) : e / (1.0f + e);
		g[i] = (acc ? g[i] : 0.0f) + w * (sig - t[i]);
	}
	return SM_OK;
}

const struct op_impl op_loss_bce = {
    .shape = loss_shape, .prepare = loss_prepare, .forward = bce_forward, .backward = bce_backward};

int sm_g_loss_dice(struct sm_graph *g, int p, int target, float weight)
{
	struct op_attr attr = {.value = {weight, 0}};
	return graph_add(g, OP_KIND_loss_dice, NULL, (int[]){p, target}, 2, &attr);
}

int sm_g_loss_bce(struct sm_graph *g, int logits, int target, float weight)
{
	struct op_attr attr = {.value = {weight, 0}};
	return graph_add(g, OP_KIND_loss_bce, NULL, (int[]){logits, target}, 2, &attr);
}

/* The table of losses: a row is a weighted sum of loss operators. */
static const struct {
	const char *name;
	float dice, bce;
} losses[] = {
    {"dice", 1, 0},
    {"soft_dice", 1, 0}, /* the name in manifests */
    {"bce", 0, 1},
    {"dice_bce", 1, 1},
};
#define LOSSES (sizeof losses / sizeof *losses)

const char *sm_loss_name(size_t i)
{
	return i < LOSSES ? losses[i].name : NULL;
}

int sm_g_loss(struct sm_graph *g, const char *name, int logits, int prob)
{
	for (size_t i = 0; i < LOSSES; i++) {
		if (strcmp(losses[i].name, name) != 0)
			continue;
		int t = sm_g_input(g, "target", sm_graph_shape(g, prob)), last = -1;
		if (losses[i].dice > 0)
			last = sm_g_loss_dice(g, prob, t, losses[i].dice);
		if (losses[i].bce > 0)
			last = sm_g_loss_bce(g, logits, t, losses[i].bce);
		return last;
	}
	char known[128] = "";
	size_t at = 0;
	for (size_t i = 0; i < LOSSES && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
				       losses[i].name);
	return sm_graph_fail(g, "loss \"%s\" is unknown; known are %s", name, known);
}
