/* SPDX-License-Identifier: Apache-2.0 */
/* Losses of image translation: the distance of two images, and what a discriminator's map is worth
 * against one label. Means over all values of a sample; sums go over OP_BLOCKS fixed blocks, so
 * they do not depend on the threads. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#include "train/nn/vmath.h"

#define LANES 16

SM_INLINE float sign_of(float x)
{
	return (float)((x > 0) - (x < 0)) + x * 0.0f; /* NaN stays */
}

/* Value and slope of one term: x against t, an image or a label. A term is one row here. */
SM_INLINE float l1_value(float x, float t)
{
	return vm_abs(x - t);
}
SM_INLINE float l1_slope(float x, float t)
{
	return sign_of(x - t);
}
SM_INLINE float l2_value(float x, float t)
{
	return (x - t) * (x - t);
}
SM_INLINE float l2_slope(float x, float t)
{
	return 2.0f * (x - t);
}
/* Of logits: -t log s(x) - (1 - t) log(1 - s(x)). */
SM_INLINE float bce_value(float x, float t)
{
	return (x > 0 ? x : x * 0.0f) - x * t + vm_log1p(vm_exp(-vm_abs(x)));
}
SM_INLINE float bce_slope(float x, float t)
{
	return vm_sigmoid(x, vm_exp(-vm_abs(x))) - t;
}

/* t: another image, or NULL for the label. */
#define TERM(id) \
	SM_CLONES static void id##_sum(const float *x, const float *t, float label, size_t n, \
				       double *restrict sum) \
	{ \
		float v[LANES]; \
		for (size_t i = 0; i < n; i += LANES) { \
			size_t m = n - i < LANES ? n - i : LANES; \
			for (size_t k = 0; k < m; k++) \
				v[k] = id##_value(x[i + k], t ? t[i + k] : label); \
			for (size_t k = 0; k < m; k++) \
				sum[k] += (double)v[k]; \
		} \
	} \
	SM_CLONES static void id##_back(const float *x, const float *t, float label, size_t n, \
					float scale, bool acc, float *gx) \
	{ \
		for (size_t i = 0; i < n; i++) { \
			float g = scale * id##_slope(x[i], t ? t[i] : label); \
			gx[i] = acc ? gx[i] + g : g; \
		} \
	}
TERM(l1)
TERM(l2)
TERM(bce)

static const struct {
	void (*sum)(const float *x, const float *t, float label, size_t n, double *sum);
	void (*back)(const float *x, const float *t, float label, size_t n, float scale, bool acc,
		     float *gx);
} terms[] = {
	[SM_DISTANCE_L1] = {l1_sum, l1_back},
	[SM_DISTANCE_L2] = {l2_sum, l2_back},
	[SM_DISTANCE_BCE] = {bce_sum, bce_back},
};

static enum sm_status image_loss_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				       struct sm_err *err)
{
	struct sm_shape x = op_in_shape(g, n, 0);
	if (n->nin > 1) {
		struct sm_shape t = op_in_shape(g, n, 1);
		if (memcmp(&x, &t, sizeof x) != 0)
			return SM_FAIL(err, SM_USAGE,
				       "loss %s: image is %dx%dx%dx%dx%d, target is %dx%dx%dx%dx%d",
				       n->name, x.n, x.d, x.h, x.w, x.c, t.n, t.d, t.h, t.w, t.c);
	}
	if (!isfinite(n->attr.value[0]) || !isfinite(n->attr.value[1]))
		return SM_FAIL(err, SM_USAGE, "loss %s: weight or label is not a number", n->name);
	n->needs_x = true;
	*out = (struct sm_shape){x.n, 1, 1, 1, 1};
	return SM_OK;
}

/* Workspace: the sums of a block. */
static enum sm_status image_loss_prepare(const struct op_env *env, struct node *n,
					 struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(env->graph, n, 0);
	n->ws_forward = (size_t)s.n * OP_BLOCKS * sizeof(double);
	return SM_OK;
}

static enum sm_status image_loss_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	const struct op_attr *a = &r->node->attr;
	size_t count = sm_shape_count(s) / s.n;
	double *partial = r->ws;
	int jobs = r->valid * OP_BLOCKS;
	OP_FOR(jobs, r->threads)
	for (int i = 0; i < jobs; i++) {
		size_t from = op_block_start(count, i % OP_BLOCKS),
		       to = op_block_start(count, i % OP_BLOCKS + 1),
		       at = (size_t)(i / OP_BLOCKS) * count + from;
		double lane[LANES] = {0}, sum = 0;
		terms[a->window[0]].sum(r->x[0] + at, r->x[1] ? r->x[1] + at : NULL, a->value[1],
					to - from, lane);
		for (int k = 0; k < LANES; k++)
			sum += lane[k];
		partial[i] = sum;
	}
	for (int n = 0; n < s.n; n++) {
		double sum = 0;
		for (int b = 0; n < r->valid && b < OP_BLOCKS; b++)
			sum += partial[n * OP_BLOCKS + b];
		r->loss[n] = sum / (double)count;
		r->y[n] = (float)r->loss[n];
	}
	return SM_OK;
}

static enum sm_status image_loss_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	const struct op_attr *a = &r->node->attr;
	size_t each = sm_shape_count(s) / s.n, count = each * r->valid;
	float scale = (float)((double)a->value[0] * r->weight / (double)each);
	bool acc = r->node->acc[0];
	if (!r->gx[0])
		return SM_OK;
	OP_FOR(count / ELEM_PIECE, r->threads)
	for (size_t i = 0; i < count; i += ELEM_PIECE)
		terms[a->window[0]].back(r->x[0] + i, r->x[1] ? r->x[1] + i : NULL, a->value[1],
					 count - i < ELEM_PIECE ? count - i : ELEM_PIECE, scale,
					 acc, r->gx[0] + i);
	if (!acc)
		memset(r->gx[0] + count, 0, (s.n * each - count) * sizeof(float));
	return SM_OK;
}

const struct op_impl op_distance = {.shape = image_loss_shape,
				    .prepare = image_loss_prepare,
				    .forward = image_loss_forward,
				    .backward = image_loss_backward};
const struct op_impl op_adversarial = {.shape = image_loss_shape,
				       .prepare = image_loss_prepare,
				       .forward = image_loss_forward,
				       .backward = image_loss_backward};

int sm_g_loss_distance(struct sm_graph *g, const char *name, int x, int target,
		       enum sm_distance by, float weight)
{
	struct op_attr attr = {.window = {(int)by}, .value = {weight, 0}};
	if (by != SM_DISTANCE_L1 && by != SM_DISTANCE_L2)
		return sm_graph_fail(g, "loss %s: images are compared by L1 or L2", name);
	return graph_add(g, OP_KIND_distance, name, (int[]){x, target}, 2, &attr);
}

int sm_g_loss_adversarial(struct sm_graph *g, const char *name, int x, bool real,
			  enum sm_distance by, float weight)
{
	struct op_attr attr = {.window = {(int)by}, .value = {weight, real ? 1.0f : 0.0f}};
	if (by != SM_DISTANCE_BCE && by != SM_DISTANCE_L2)
		return sm_graph_fail(g, "loss %s: maps are compared by cross-entropy or L2", name);
	return graph_add(g, OP_KIND_adversarial, name, &x, 1, &attr);
}
