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
		return SM_FAIL(err, SM_USAGE,
			       "max_pool: window %dx%dx%d, allowed are 1 to 255 elements", k[0],
			       k[1], k[2]);
	if (s.d < k[0] || s.h < k[1] || s.w < k[2])
		return SM_FAIL(err, SM_USAGE,
			       "max_pool: input %dx%dx%d is smaller than its window %dx%dx%d", s.d,
			       s.h, s.w, k[0], k[1], k[2]);
	*out = (struct sm_shape){s.n, s.d / k[0], s.h / k[1], s.w / k[2], s.c};
	return SM_OK;
}

static enum sm_status pool_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	n->save = env->opt->train ? env->graph->tensor[n->out].count : 0;
	return SM_OK;
}

/* Channels worked on at a time, in buffers that stay in registers or the first cache. */
#define LANES 64
#define MAX_TAPS 255

/* Where the taps of one line of outputs start in the input; the next output's are `step` further.
 */
struct pool_line {
	size_t tap[MAX_TAPS];
	int taps, outputs;
	size_t step, channels;
};

static struct pool_line line_of(struct sm_shape s, struct sm_shape o, const int *k, size_t line)
{
	struct pool_line l = {.taps = k[0] * k[1] * k[2],
			      .outputs = o.w,
			      .step = (size_t)k[2] * s.c,
			      .channels = (size_t)s.c};
	size_t h = line % o.h, d = line / o.h % o.d, n = line / o.h / o.d;
	for (int t = 0; t < l.taps; t++) {
		int tw = t % k[2], th = t / k[2] % k[1], td = t / k[2] / k[1];
		size_t row = (n * s.d + d * k[0] + td) * s.h + h * k[1] + th;
		l.tap[t] = (row * s.w + tw) * s.c;
	}
	return l;
}

/* The first of equal maxima wins; NaN wins over all wherever it stands, as in PyTorch: a network
 * that went wrong must not look right behind a pool. */
SM_CLONES static void pool_line(const struct pool_line *l, const float *x, float *y,
				unsigned char *index)
{
	float top[LANES];
	int32_t at[LANES];
	for (int o = 0; o < l->outputs; o++, x += l->step)
		for (size_t c = 0; c < l->channels; c += LANES) {
			size_t n = l->channels - c < LANES ? l->channels - c : LANES;
			for (size_t i = 0; i < n; i++) {
				top[i] = x[l->tap[0] + c + i];
				at[i] = 0;
			}
			for (int t = 1; t < l->taps; t++) {
				const float *v = x + l->tap[t] + c;
				for (size_t i = 0; i < n; i++) {
					/* top NaN compares false with all: it stays */
					int32_t more = v[i] > top[i] || v[i] != v[i];
					top[i] = more ? v[i] : top[i];
					at[i] = more ? t : at[i];
				}
			}
			size_t to = (size_t)o * l->channels + c;
			memcpy(y + to, top, n * sizeof *y);
			for (size_t i = 0; index && i < n; i++)
				index[to + i] = (unsigned char)at[i];
		}
}

static enum sm_status pool_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	size_t lines = (size_t)o.n * o.d * o.h, size = (size_t)o.w * o.c;
	unsigned char *index = r->save;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < lines; i++) {
		struct pool_line l = line_of(s, o, r->node->attr.window, i);
		pool_line(&l, r->x[0], r->y + i * size, index ? index + i * size : NULL);
	}
	return SM_OK;
}

SM_CLONES static void pool_back_line(const struct pool_line *l, float *gx, const float *gy,
				     const unsigned char *index, bool acc)
{
	int32_t at[LANES];
	for (int o = 0; o < l->outputs; o++, gx += l->step)
		for (size_t c = 0; c < l->channels; c += LANES) {
			size_t n = l->channels - c < LANES ? l->channels - c : LANES;
			size_t from = (size_t)o * l->channels + c;
			const float *g = gy + from;
			for (size_t i = 0; i < n; i++)
				at[i] = index[from + i];
			for (int t = 0; t < l->taps; t++) {
				float *to = gx + l->tap[t] + c;
				if (acc)
					for (size_t i = 0; i < n; i++)
						to[i] += at[i] == t ? g[i] : 0.0f;
				else
					for (size_t i = 0; i < n; i++)
						to[i] = at[i] == t ? g[i] : 0.0f;
			}
		}
}

static enum sm_status pool_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *k = r->node->attr.window;
	size_t lines = (size_t)o.n * o.d * o.h, size = (size_t)o.w * o.c;
	const unsigned char *index = r->save;
	bool acc = r->node->acc[0];
	/* Voxels behind the last whole window get nothing. */
	if (!acc && (s.d % k[0] || s.h % k[1] || s.w % k[2]))
		memset(r->gx[0], 0, op_rows(s) * s.c * sizeof(float));
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (size_t i = 0; i < lines; i++) {
		struct pool_line l = line_of(s, o, k, i);
		pool_back_line(&l, r->gx[0], r->gy + i * size, index + i * size, acc);
	}
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
		return SM_FAIL(err, SM_USAGE,
			       "upsample: factors %dx%dx%d on input %dx%dx%d, must be >= 1", f[0],
			       f[1], f[2], s.d, s.h, s.w);
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
SM_CLONES static void up_back_line(float *gx, const float *gy, size_t w, size_t c, size_t f,
				   bool first)
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
			up_back_line(r->gx[0] + i * s.w * c,
				     r->gy + ((n * o.d + od) * o.h + oh) * o.w * c, (size_t)s.w, c,
				     (size_t)f[2], t == 0 && !r->node->acc[0]);
		}
	}
	return SM_OK;
}

const struct op_impl op_upsample = {
    .shape = up_shape, .forward = up_forward, .backward = up_backward};
