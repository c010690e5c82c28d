/* SPDX-License-Identifier: Apache-2.0 */
/* Max-pool with stride = kernel and nearest up-sampling by 2. Gradients go to places that no other
 * output touches, so threads never share an element. */
#include "train/nn/op.h"

#include <string.h>

#include "train/nn/vec.h"

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

/* Values of the buffers in which a run of windows is reduced: both fit the first cache. */
#define RUN ((size_t)2048)

/* Takes row t into the maxima so far. The first of equal maxima wins; NaN wins over all wherever it
 * stands, as in PyTorch: a network that went wrong must not look right behind a pool. A function of
 * its own: gcc otherwise joins two rows to one scalar loop. */
SM_CLONES __attribute__((noinline)) static void pool_row(const float *restrict v, int32_t t,
							 float *restrict top, int32_t *restrict at,
							 size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++) {
		/* top NaN compares false with all: it stays */
		int32_t more = (v[i] > top[i]) | (v[i] != v[i]);
		top[i] = more ? v[i] : top[i];
		at[i] = more ? t : at[i];
	}
}

/* Maxima and their numbers over `rows` rows that start at x + tap[0], x + tap[stride] .. */
static void pool_rows(const float *x, enum elem e, size_t from, const size_t *tap, int rows,
		      int stride, float *top, int32_t *at, size_t n)
{
	float v[RUN];
	elem_move(top, ELEM_F32, 0, x, e, from + tap[0], n);
	memset(at, 0, n * sizeof *at);
	for (int t = 1; t < rows; t++) {
		if (e == ELEM_F32) {
			pool_row(x + from + tap[t * stride], t, top, at, n);
			continue;
		}
		elem_move(v, ELEM_F32, 0, x, e, from + tap[t * stride], n);
		pool_row(v, t, top, at, n);
	}
}

/* The same along the rows: window o's kw groups of n channels stand behind each other. */
SM_CLONES static void pool_along(const float *restrict top, const int32_t *restrict at, int kw,
				 size_t n, float *restrict y, unsigned char *restrict index)
{
	int32_t best[LANES];
	for (size_t c = 0; c < n; c += LANES) {
		size_t m = n - c < LANES ? n - c : LANES;
		for (size_t i = 0; i < m; i++) {
			y[c + i] = top[c + i];
			best[i] = at[c + i] * kw;
		}
		for (int w = 1; w < kw; w++) {
			const float *restrict v = top + w * n + c;
			const int32_t *restrict a = at + w * n + c;
#pragma omp simd
			for (size_t i = 0; i < m; i++) {
				float old = y[c + i];
				int32_t t = a[i] * kw + w;
				int32_t more = (v[i] > old) | ((v[i] != v[i]) & (old == old)) |
					       ((v[i] == old) & (t < best[i]));
				y[c + i] = more ? v[i] : old;
				best[i] = more ? t : best[i];
			}
		}
		for (size_t i = 0; index && i < m; i++)
			index[c + i] = (unsigned char)best[i];
	}
}

static void pool_line(const struct op_run *r, const struct pool_line *l, const int *k, size_t first,
		      unsigned char *index)
{
	float top[RUN], by[RUN];
	int32_t at[RUN];
	size_t kw = (size_t)k[2], c = l->channels, tile = c * kw <= RUN ? c : RUN / kw;
	size_t windows = tile == c ? RUN / (c * kw) : 1;
	int rows = k[0] * k[1];
	for (size_t o = 0, n; o < (size_t)l->outputs; o += n) {
		n = (size_t)l->outputs - o < windows ? (size_t)l->outputs - o : windows;
		for (size_t from = 0; from < c; from += tile) {
			size_t m = c - from < tile ? c - from : tile;
			if (m == c)
				pool_rows(r->x[0], r->xe[0], o * l->step, l->tap, rows, k[2], top,
					  at, n * kw * c);
			else
				for (size_t w = 0; w < kw; w++)
					pool_rows(r->x[0], r->xe[0], o * l->step + w * c + from,
						  l->tap, rows, k[2], top + w * m, at + w * m, m);
			/* Windows one behind the other: more than one only of whole channels. */
			size_t to = o * c + from;
			float *y = elem_begin(r->y, r->ye, first + to, by);
			for (size_t i = 0; i < n; i++)
				pool_along(top + i * kw * m, at + i * kw * m, k[2], m, y + i * m,
					   index ? index + to + i * m : NULL);
			if (r->ye != ELEM_F32)
				elem_move(r->y, r->ye, first + to, y, ELEM_F32, 0, n * m);
		}
	}
}

/* Channels in whole vectors: each window by itself, its taps in order, so that the maxima stay in
 * registers. The first of equal maxima wins; NaN wins over all. */
SM_INLINE void pool_vectors(enum elem e, int taps, const struct op_run *r,
			    const struct pool_line *l, size_t first, unsigned char *index)
{
	for (size_t i = 0, o = 0; o < (size_t)l->outputs; o++)
		for (size_t c = 0; c < l->channels; c += VEC, i += VEC) {
			size_t x = o * l->step + c;
			float top[VEC], bx[VEC];
			int32_t at[VEC] = {0};
			vec_buffer(top, r->x[0], e, x + l->tap[0]);
			for (int t = 1; t < taps; t++) {
				vec_buffer(bx, r->x[0], e, x + l->tap[t]);
#pragma omp simd
				for (size_t j = 0; j < VEC; j++) {
					int32_t more = (bx[j] > top[j]) | (bx[j] != bx[j]);
					top[j] = more ? bx[j] : top[j];
					at[j] = more ? t : at[j];
				}
			}
			if (r->ye == ELEM_F32)
				memcpy(r->y + first + i, top, sizeof top);
			else
				elem_end(r->y, r->ye, first + i, VEC, top);
			for (size_t j = 0; index && j < VEC; j++)
				index[i + j] = (unsigned char)at[j];
		}
}

/* Each voxel of the windows gets the gradient or nothing. */
SM_INLINE void back_vectors(enum elem e, int taps, const struct op_run *r,
			    const struct pool_line *l, size_t first, const unsigned char *index,
			    bool acc, bool stream)
{
	for (size_t i = 0, o = 0; o < (size_t)l->outputs; o++)
		for (size_t c = 0; c < l->channels; c += VEC, i += VEC) {
			float g[VEC], part[VEC];
			int32_t at[VEC];
			vec_buffer(g, r->gy, r->ye, first + i);
			for (size_t j = 0; j < VEC; j++)
				at[j] = index[i + j];
			for (int t = 0; t < taps; t++) {
				size_t x = o * l->step + c + l->tap[t];
				vec v, old;
#pragma omp simd
				for (size_t j = 0; j < VEC; j++)
					part[j] = at[j] == t ? g[j] : 0.0f;
				vec_load(&v, part);
				if (acc) {
					vec_read(&old, r->gx[0], e, x, 0);
					v = old + v;
				}
				if (stream)
					vec_stream(r->gx[0], e, x, &v);
				else
					vec_write(r->gx[0], e, x, &v);
			}
		}
}

/* Calls f with the usual element type and windows as constants. */
#define BY_WINDOW(f, e, taps, ...) \
	do { \
		if ((e) == ELEM_F32 && (taps) == 8) \
			f(ELEM_F32, 8, __VA_ARGS__); \
		else if ((e) == ELEM_F32 && (taps) == 4) \
			f(ELEM_F32, 4, __VA_ARGS__); \
		else if ((e) == ELEM_F32) \
			f(ELEM_F32, taps, __VA_ARGS__); \
		else \
			f(ELEM_BF16, taps, __VA_ARGS__); \
	} while (0)

SM_CLONES static void pool_line_vectors(const struct op_run *r, const struct pool_line *l,
					size_t first, unsigned char *index)
{
	BY_WINDOW(pool_vectors, ELEM_F32, l->taps, r, l, first, index);
}

SM_CLONES static void pool_back_vectors(const struct op_run *r, const struct pool_line *l,
					size_t first, const unsigned char *index, bool stream)
{
	if (r->node->acc[0])
		BY_WINDOW(back_vectors, r->xe[0], l->taps, r, l, first, index, true, false);
	else if (stream)
		BY_WINDOW(back_vectors, r->xe[0], l->taps, r, l, first, index, false, true);
	else
		BY_WINDOW(back_vectors, r->xe[0], l->taps, r, l, first, index, false, false);
	if (stream)
		stream_end();
}

static enum sm_status pool_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	size_t lines = (size_t)o.n * o.d * o.h, size = (size_t)o.w * o.c;
	const int *k = r->node->attr.window;
	unsigned char *index = r->save;
	OP_FOR(lines, r->threads)
	for (size_t i = 0; i < lines; i++) {
		struct pool_line l = line_of(s, o, k, i);
		/* bfloat16 by longer runs: gcc converts single vectors through memory. */
		if (o.c % VEC == 0 && r->xe[0] == ELEM_F32)
			pool_line_vectors(r, &l, i * size, index ? index + i * size : NULL);
		else
			pool_line(r, &l, k, i * size, index ? index + i * size : NULL);
	}
	return SM_OK;
}

SM_CLONES static void pool_back_line(const struct op_run *r, const struct pool_line *l,
				     size_t first, const unsigned char *index)
{
	float bg[LANES], bx[LANES];
	int32_t at[LANES];
	bool acc = r->node->acc[0];
	for (int o = 0; o < l->outputs; o++)
		for (size_t c = 0; c < l->channels; c += LANES) {
			size_t n = l->channels - c < LANES ? l->channels - c : LANES;
			size_t from = (size_t)o * l->channels + c;
			const float *g = elem_read(r->gy, r->ye, first + from, n, bg);
			for (size_t i = 0; i < n; i++)
				at[i] = index[from + i];
			for (int t = 0; t < l->taps; t++) {
				size_t x = (size_t)o * l->step + l->tap[t] + c;
				float *to = acc ? elem_modify(r->gx[0], r->xe[0], x, n, bx)
						: elem_begin(r->gx[0], r->xe[0], x, bx);
				if (acc)
					for (size_t i = 0; i < n; i++)
						to[i] += at[i] == t ? g[i] : 0.0f;
				else
					for (size_t i = 0; i < n; i++)
						to[i] = at[i] == t ? g[i] : 0.0f;
				elem_end(r->gx[0], r->xe[0], x, n, to);
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
	bool stream = !acc && op_rows(s) * s.c >= STREAM_MIN &&
		      stream_fits(r->gx[0], s.c * elem_size(r->xe[0]) / sizeof(float));
	/* Voxels behind the last whole window get nothing. */
	if (!acc && (s.d % k[0] || s.h % k[1] || s.w % k[2]))
		memset(r->gx[0], 0, op_rows(s) * s.c * elem_size(r->xe[0]));
	OP_FOR(lines, r->threads)
	for (size_t i = 0; i < lines; i++) {
		struct pool_line l = line_of(s, o, k, i);
		if (o.c % VEC == 0)
			pool_back_vectors(r, &l, i * size, index + i * size, stream);
		else
			pool_back_line(r, &l, i * size, index + i * size);
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
	if (f[0] < 1 || f[1] < 1 || f[2] < 1 || (int64_t)f[0] * f[1] > MAX_TAPS / f[2] ||
	    s.d > INT32_MAX / f[0] || s.h > INT32_MAX / f[1] || s.w > INT32_MAX / f[2])
		return SM_FAIL(err, SM_USAGE,
			       "upsample: factors %dx%dx%d on input %dx%dx%d, must be >= 1, their "
			       "product at most %d",
			       f[0], f[1], f[2], s.d, s.h, s.w, MAX_TAPS);
	*out = (struct sm_shape){s.n, s.d * f[0], s.h * f[1], s.w * f[2], s.c};
	return SM_OK;
}

static enum sm_status up_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *f = r->node->attr.window;
	size_t c = (size_t)s.c, lines = (size_t)o.n * o.d * o.h;
	OP_FOR(lines, r->threads)
	for (size_t i = 0; i < lines; i++) {
		size_t h = i % o.h / f[1], d = i / o.h % o.d / f[0], n = i / o.h / o.d;
		size_t x = ((n * s.d + d) * s.h + h) * s.w * c, y = i * o.w * c;
		for (int w = 0; w < o.w; w++)
			elem_move(r->y, r->ye, y + w * c, r->x[0], r->xe[0], x + w / f[2] * c, c);
	}
	return SM_OK;
}

/* The gradient of one line of inputs: each voxel's sum over its window, whose taps start at the
 * values tap[] of gy. */
SM_CLONES static void up_back_line(const struct op_run *r, const struct pool_line *l, size_t first)
{
	float bg[LANES], bx[LANES];
	bool acc = r->node->acc[0];
	size_t c = l->channels;
	for (size_t o = 0; o < (size_t)l->outputs; o++)
		for (size_t from = 0, n; from < c; from += n) {
			size_t x = first + o * c + from;
			n = c - from < LANES ? c - from : LANES;
			float *gx = acc ? elem_modify(r->gx[0], r->xe[0], x, n, bx)
					: elem_begin(r->gx[0], r->xe[0], x, bx);
			for (int t = 0; t < l->taps; t++) {
				const float *g = elem_read(r->gy, r->ye,
							   o * l->step + l->tap[t] + from, n, bg);
				if (t == 0 && !acc)
					for (size_t i = 0; i < n; i++)
						gx[i] = g[i];
				else
					for (size_t i = 0; i < n; i++)
						gx[i] += g[i];
			}
			elem_end(r->gx[0], r->xe[0], x, n, gx);
		}
}

static enum sm_status up_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	const int *f = r->node->attr.window;
	size_t lines = (size_t)s.n * s.d * s.h;
	OP_FOR(lines, r->threads)
	for (size_t i = 0; i < lines; i++) {
		struct pool_line l = line_of(o, s, f, i);
		up_back_line(r, &l, i * s.w * s.c);
	}
	return SM_OK;
}

const struct op_impl op_upsample = {
    .shape = up_shape, .forward = up_forward, .backward = up_backward, .again = up_forward};
