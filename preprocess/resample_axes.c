/* SPDX-License-Identifier: Apache-2.0
 *
 * Interpolation axis by axis, where each new axis runs along one old axis: the weights of an axis
 * depend on the index along it alone.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "preprocess/resample.h"

#define LANES 8
/* Vector code for the CPU at hand; every clone gives the same bits. Sanitizers cannot run the
 * resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif
#define SLACK 1e-6 /* voxels: a centre on the very edge of the old grid is inside */

/* New index i along an axis lies at old index start + i * step. */
struct axis {
	int64_t n, m; /* old and new voxels */
	double start, step;
	bool same; /* every new voxel is the old one of its index */
	int taps;
	int64_t *first; /* of m */
	double *weight; /* m * taps */
	uint8_t *outside;
};

static void axis_clear(struct axis *x)
{
	free(x->first);
	free(x->weight);
	free(x->outside);
	*x = (struct axis){0};
}

/* Shares of old voxels in the extent u - width / 2 to u + width / 2. */
static int area_weights(double u, double width, int64_t n, int room, int64_t *first, double *weight)
{
	double from = u - width / 2, to = u + width / 2, sum = 0;
	int64_t low = (int64_t)floor(from + 0.5);
	int kept = room < n ? room : (int)n;
	*first = low < 0 ? 0 : low > n - kept ? n - kept : low;
	for (int k = 0; k < kept; k++) {
		double a = (double)(*first + k) - 0.5, b = a + 1;
		double share = (b < to ? b : to) - (a > from ? a : from);
		weight[k] = share > 0 ? share : 0;
		sum += weight[k];
	}
	for (int k = 0; sum > 0 && k < kept; k++)
		weight[k] /= sum;
	return kept;
}

static enum sm_status axis_init(struct axis *x, const struct sm_resample *how, struct sm_err *err)
{
	double width = fabs(x->step);
	bool shrinks = width > 1 + 1e-9;
	bool area = shrinks && how->antialias == SM_ALIAS_AREA;
	double scale = shrinks && how->antialias == SM_ALIAS_KERNEL ? width : 1;
	int room = area ? (int)ceil(width) + 1 : (int)ceil(2 * sm_kernel_support(how) * scale);
	x->same = x->n == x->m && x->step == 1 && x->start == 0;
	x->taps = room < x->n ? room : (int)x->n;
	x->first = calloc((size_t)x->m, sizeof *x->first);
	x->weight = calloc((size_t)x->m * (size_t)x->taps, sizeof *x->weight);
	x->outside = calloc((size_t)x->m, 1);
	double *w = calloc((size_t)room, sizeof *w);
	if (!x->first || !x->weight || !x->outside || !w) {
		free(w);
		return SM_FAIL(err, SM_BUDGET, "resampling: out of memory");
	}
	for (int64_t i = 0; i < x->m; i++) {
		double u = x->start + (double)i * x->step;
		if (u < -0.5 - SLACK || u > (double)x->n - 0.5 + SLACK) {
			x->outside[i] = 1;
			continue;
		}
		int taps = area ? area_weights(u, width, x->n, room, &x->first[i], w)
				: sm_kernel_weights(how, u, scale, x->n, room, &x->first[i], w);
		for (int k = 0; k < taps; k++)
			x->weight[i * x->taps + k] = w[k];
	}
	free(w);
	return SM_OK;
}

/* ---- one axis after the other ---------------------------------------------------------------- */

/* Sums run in double. What one pass hands to the next is double too: float32 are only the first
 * pass's input and the last one's output. */
struct pass {
	const struct axis *x;
	const void *in; /* (outer, n, inner) */
	void *out;      /* (outer, m, inner) */
	int64_t inner, outer;
};

#define ROWS 64 /* an item along the axis whose voxels are neighbours */

/* combine: out[l] = sum over taps of w[k] * in[k * stride + l]
 * across:  one new index of one outer index: whole rows are combined
 * along:   the axis whose voxels are neighbours, ROWS rows */
#define PASSES(NAME, IN, OUT) \
	CLONES static void combine_##NAME(OUT *restrict out, const IN *restrict in, \
					  int64_t stride, const double *w, int taps, int64_t n) \
	{ \
		int64_t l = 0; \
		for (; l + LANES <= n; l += LANES) { \
			double sum[LANES]; \
			for (int j = 0; j < LANES; j++) \
				sum[j] = w[0] * (double)in[l + j]; \
			for (int k = 1; k < taps; k++) \
				for (int j = 0; j < LANES; j++) \
					sum[j] += w[k] * (double)in[k * stride + l + j]; \
			for (int j = 0; j < LANES; j++) \
				out[l + j] = (OUT)sum[j]; \
		} \
		for (; l < n; l++) { \
			double sum = w[0] * (double)in[l]; \
			for (int k = 1; k < taps; k++) \
				sum += w[k] * (double)in[k * stride + l]; \
			out[l] = (OUT)sum; \
		} \
	} \
	static enum sm_status across_##NAME(void *ctx, size_t item, struct sm_err *err) \
	{ \
		const struct pass *p = ctx; \
		const struct axis *x = p->x; \
		int64_t o = (int64_t)item / x->m, i = (int64_t)item % x->m; \
		(void)err; \
		combine_##NAME((OUT *)p->out + (o * x->m + i) * p->inner, \
			       (const IN *)p->in + (o * x->n + x->first[i]) * p->inner, p->inner, \
			       x->weight + i * x->taps, x->taps, p->inner); \
		return SM_OK; \
	} \
	static enum sm_status along_##NAME(void *ctx, size_t item, struct sm_err *err) \
	{ \
		const struct pass *p = ctx; \
		const struct axis *x = p->x; \
		int64_t from = (int64_t)item * ROWS, to = from + ROWS; \
		(void)err; \
		for (int64_t o = from; o < (to < p->outer ? to : p->outer); o++) { \
			const IN *in = (const IN *)p->in + o * x->n; \
			OUT *out = (OUT *)p->out + o * x->m; \
			for (int64_t i = 0; i < x->m; i++) { \
				const double *w = x->weight + i * x->taps; \
				const IN *v = in + x->first[i]; \
				double sum = w[0] * (double)v[0]; \
				for (int k = 1; k < x->taps; k++) \
					sum += w[k] * (double)v[k]; \
				out[i] = (OUT)sum; \
			} \
		} \
		return SM_OK; \
	}
PASSES(ff, float, float)
PASSES(fd, float, double)
PASSES(df, double, float)
PASSES(dd, double, double)

typedef enum sm_status pass_function(void *ctx, size_t item, struct sm_err *err);
static pass_function *const across[2][2] = {{across_ff, across_fd}, {across_df, across_dd}};
static pass_function *const along[2][2] = {{along_ff, along_fd}, {along_df, along_dd}};

/* Float32 or double values. */
struct values {
	void *v;
	bool wide;
};

/* Puts a through axis x: dim[a] becomes x->m. The values are replaced; the last pass makes
 * float32. */
static enum sm_status one_pass(struct values *v, int64_t dim[4], int a, const struct axis *x,
			       bool last, struct sm_mem *mem, int jobs, struct sm_err *err)
{
	int64_t inner = a == 0 ? 1 : a == 1 ? dim[0] : dim[0] * dim[1];
	int64_t outer = dim[3] * (a == 0 ? dim[1] * dim[2] : a == 1 ? dim[2] : 1);
	struct pass p = {.x = x, .in = v->v, .inner = inner, .outer = outer};
	size_t rows = (size_t)outer * (size_t)x->m;
	p.out = sm_alloc(mem, rows, (size_t)inner * (last ? sizeof(float) : sizeof(double)),
			 "resampled volume", err);
	if (!p.out)
		return SM_BUDGET;
	enum sm_status st = inner == 1 ? sm_par_for((size_t)(outer + ROWS - 1) / ROWS, jobs,
						    along[v->wide][!last], &p, err)
				       : sm_par_for(rows, jobs, across[v->wide][!last], &p, err);
	sm_free(v->v);
	v->v = p.out;
	v->wide = !last;
	dim[a] = x->m;
	return st;
}

/* ---- what surrounds the passes --------------------------------------------------------------- */

struct filling {
	float *v;
	const struct axis *x; /* three, in the order of the new axes */
	float fill;
};

static enum sm_status fill_plane(void *ctx, size_t plane, struct sm_err *err)
{
	const struct filling *f = ctx;
	const struct axis *x = f->x;
	bool whole = x[2].outside[(int64_t)plane % x[2].m];
	float *v = f->v + (int64_t)plane * x[0].m * x[1].m;
	(void)err;
	for (int64_t y = 0; y < x[1].m; y++)
		for (int64_t i = 0; i < x[0].m; i++)
			if (whole || x[1].outside[y] || x[0].outside[i])
				v[y * x[0].m + i] = f->fill;
	return SM_OK;
}

static bool any_outside(const struct axis *x)
{
	return memchr(x->outside, 1, (size_t)x->m);
}

/* The axes in which to pass: what shrinks most first, x first of equals. */
static void order_of(const struct axis x[3], int order[3])
{
	for (int k = 0; k < 3; k++)
		order[k] = k;
	for (int k = 0; k < 2; k++)
		for (int j = 0; j < 2 - k; j++) {
			const struct axis *p = &x[order[j]], *q = &x[order[j + 1]];
			if ((double)q->m * (double)p->n < (double)p->m * (double)q->n) {
				int t = order[j];
				order[j] = order[j + 1];
				order[j + 1] = t;
			}
		}
}

/* Smoothing and the spline's coefficients, where the method asks for them. */
static enum sm_status prepare(struct values *v, const int64_t dim[4], const struct axis x[3],
			      const struct sm_resample *how, struct sm_mem *mem, int jobs,
			      struct sm_err *err)
{
	bool smooth = how->antialias == SM_ALIAS_GAUSSIAN, spline = how->method == SM_CUBIC;
	for (int a = 0; a < 3; a++) {
		bool smoothed = smooth && fabs(x[a].step) > 1, cubic = spline && !x[a].same;
		if (!v->wide && (smoothed || cubic)) {
			size_t n = (size_t)(dim[0] * dim[1] * dim[2] * dim[3]);
			double *wide = sm_widen(v->v, n, mem, err);
			if (!wide)
				return SM_BUDGET;
			sm_free(v->v);
			*v = (struct values){wide, true};
		}
		if (smoothed)
			SM_TRY(sm_smooth_step(v->v, dim, a, x[a].step, mem, jobs, err));
		if (cubic)
			SM_TRY(sm_spline_axis(v->v, dim, a, mem, jobs, err));
	}
	return SM_OK;
}

enum sm_status sm_resample_axes(struct sm_vol *v, const struct sm_target *t,
				const struct sm_resample *how, struct sm_mem *mem, int jobs,
				struct sm_vol *out, struct sm_err *err)
{
	struct axis x[3] = {0};
	int64_t dim[4] = {v->dim[0], v->dim[1], v->dim[2], v->dim[3]};
	int order[3], passes = 0;
	enum sm_status st = SM_OK;
	struct values data = {.v = v->data};
	v->data = NULL;
	for (int a = 0; a < 3; a++) {
		x[a] = (struct axis){.n = dim[a],
				     .m = t->dim[a],
				     .start = t->map[a][3],
				     .step = t->map[a][a]};
		SM_GOTO(st, axis_init(&x[a], how, err));
	}
	SM_GOTO(st, prepare(&data, dim, x, how, mem, jobs, err));
	order_of(x, order);
	for (int a = 0; a < 3; a++)
		passes += !x[a].same;
	for (int k = 0; k < 3; k++)
		if (!x[order[k]].same)
			SM_GOTO(st, one_pass(&data, dim, order[k], &x[order[k]], --passes == 0, mem,
					     jobs, err));
	struct filling f = {.v = data.v, .x = x, .fill = (float)how->fill};
	if (any_outside(&x[0]) || any_outside(&x[1]) || any_outside(&x[2]))
		st = sm_par_for((size_t)(dim[2] * dim[3]), jobs, fill_plane, &f, err);
	*out = (struct sm_vol){.dtype = SM_F32, .slope = 1, .data = data.v};
	memcpy(out->dim, dim, sizeof dim);
	data.v = NULL;
out:
	for (int a = 0; a < 3; a++)
		axis_clear(&x[a]);
	sm_free(data.v);
	return st;
}
