/* SPDX-License-Identifier: Apache-2.0
 *
 * Interpolation where the axes of the grids do not line up: the three kernels of each new voxel are
 * worked out for it alone.
 */
#include <math.h>
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/resample.h"

#define SLACK 1e-6
#define MAX_TAPS 16 /* 2 * 8 lobes */

struct work {
	const struct sm_vol *in;
	const double *wide; /* its values, smoothed or as coefficients; NULL = as they are */
	struct sm_vol *out;
	const struct sm_target *t;
	const struct sm_resample *how;
};

/* Away from the edges the kernels' closed forms, with f = the part of u behind the point. */
static void inner_weights(const struct sm_resample *how, double f, double *w)
{
	double g = 1 - f, sum = 0, s;
	int lobes = how->lobes;
	switch (how->method) {
	case SM_LINEAR:
		w[0] = g;
		w[1] = f;
		break;
	case SM_CUBIC:
		w[0] = g * g * g / 6;
		w[1] = 2.0 / 3 - f * f * (2 - f) / 2;
		w[2] = 2.0 / 3 - g * g * (2 - g) / 2;
		w[3] = f * f * f / 6;
		break;
	case SM_CATMULL_ROM:
		w[0] = -0.5 * f * g * g;
		w[1] = (1.5 * f - 2.5) * f * f + 1;
		w[2] = (1.5 * g - 2.5) * g * g + 1;
		w[3] = -0.5 * g * f * f;
		break;
	default:
		/* sin(pi (f - k)) is sin(pi f) with the sign of (-1)^k; constant factors go with
		 * the sum. */
		s = sm_sinpi(f);
		for (int k = 0; k < 2 * lobes; k++) {
			double t = f - (k - lobes + 1);
			w[k] = (k % 2 ? -s : s) * sm_sinpi(t / lobes) / (t * t);
			sum += w[k];
		}
		for (int k = 0; k < 2 * lobes; k++)
			w[k] /= sum;
	}
}

/* Weights at position u of an axis of n voxels; returns the taps. */
static int weights_at(const struct sm_resample *how, double u, int64_t n, int64_t *first, double *w)
{
	int half = (int)sm_kernel_support(how);
	int64_t low = u < 0 ? -1 : (int64_t)u;
	double f = u - (double)low;
	/* On a voxel the sinc's closed form is 0 / 0. */
	if (low < half - 1 || low + half >= n || (how->method == SM_SINC && f < 1e-6))
		return sm_kernel_weights(how, u, 1, n, MAX_TAPS, first, w);
	*first = low - half + 1;
	inner_weights(how, f, w);
	return 2 * half;
}

static double mix(double a, double b, double f)
{
	return a + (b - a) * f;
}

/* value_at:  any method
 * linear_at: LINEAR between the outermost centres; false elsewhere */
#define VALUES(NAME, IN) \
	static float value_at_##NAME(const struct work *w, const IN *in, const double u[3]) \
	{ \
		const int64_t *d = w->in->dim; \
		double weight[3][MAX_TAPS], sum = 0; \
		int64_t first[3]; \
		int taps[3]; \
		for (int a = 0; a < 3; a++) \
			taps[a] = weights_at(w->how, u[a], d[a], &first[a], weight[a]); \
		for (int k = 0; k < taps[2]; k++) \
			for (int j = 0; j < taps[1]; j++) { \
				const IN *row = in + \
						((first[2] + k) * d[1] + first[1] + j) * d[0] + \
						first[0]; \
				double part = 0; \
				for (int i = 0; i < taps[0]; i++) \
					part += weight[0][i] * (double)row[i]; \
				sum += weight[2][k] * weight[1][j] * part; \
			} \
		return (float)sum; \
	} \
	static bool linear_at_##NAME(const int64_t d[3], const IN *in, const double u[3], \
				     float *out) \
	{ \
		double f[3]; \
		int64_t low[3]; \
		for (int a = 0; a < 3; a++) { \
			if (!(u[a] >= 0 && u[a] < (double)(d[a] - 1))) \
				return false; \
			low[a] = (int64_t)u[a]; \
			f[a] = u[a] - (double)low[a]; \
		} \
		const IN *p = in + (low[2] * d[1] + low[1]) * d[0] + low[0], *q = p + d[0]; \
		const IN *r = p + d[0] * d[1], *s = r + d[0]; \
		double near = mix(mix((double)p[0], (double)p[1], f[0]), \
				  mix((double)q[0], (double)q[1], f[0]), f[1]); \
		double far = mix(mix((double)r[0], (double)r[1], f[0]), \
				 mix((double)s[0], (double)s[1], f[0]), f[1]); \
		*out = (float)mix(near, far, f[2]); \
		return true; \
	}
VALUES(f, float)
VALUES(d, double)

/* One row of one frame. */
static enum sm_status row(void *ctx, size_t item, struct sm_err *err)
{
	const struct work *w = ctx;
	const int64_t *n = w->t->dim, *d = w->in->dim;
	bool linear = w->how->method == SM_LINEAR;
	double last[3], start[3];
	int64_t y = (int64_t)item % n[1], plane = (int64_t)item / n[1];
	int64_t z = plane % n[2], frame = plane / n[2];
	const size_t at = (size_t)frame * sm_vol_frame_count(w->in);
	const double *wide = w->wide ? w->wide + at : NULL;
	const float *in = (const float *)w->in->data + at;
	float *out = (float *)w->out->data + item * (size_t)n[0];
	(void)err;
	for (int a = 0; a < 3; a++)
		last[a] = (double)d[a] - 0.5 + SLACK;
	for (int r = 0; r < 3; r++)
		start[r] = w->t->map[r][1] * (double)y + w->t->map[r][2] * (double)z +
			   w->t->map[r][3];
	for (int64_t x = 0; x < n[0]; x++) {
		double u[3];
		bool inside = true;
		for (int r = 0; r < 3; r++) {
			u[r] = w->t->map[r][0] * (double)x + start[r];
			inside = inside && u[r] >= -0.5 - SLACK && u[r] <= last[r];
		}
		if (linear &&
		    (wide ? linear_at_d(d, wide, u, &out[x]) : linear_at_f(d, in, u, &out[x])))
			continue;
		out[x] = !inside ? (float)w->how->fill
			 : wide  ? value_at_d(w, wide, u)
				 : value_at_f(w, in, u);
	}
	return SM_OK;
}

/* Length of the step between new voxels along old axis a: what one new voxel spans of it. */
static double span(const struct sm_target *t, int a)
{
	double sum = 0;
	for (int c = 0; c < 3; c++)
		sum += t->map[a][c] * t->map[a][c];
	return sqrt(sum);
}

enum sm_status sm_resample_oblique(struct sm_vol *v, const struct sm_target *t,
				   const struct sm_resample *how, struct sm_mem *mem, int jobs,
				   struct sm_vol *out, struct sm_err *err)
{
	const int64_t dim[4] = {t->dim[0], t->dim[1], t->dim[2], v->dim[3]};
	struct work w = {.in = v, .out = out, .t = t, .how = how};
	if (how->antialias == SM_ALIAS_KERNEL || how->antialias == SM_ALIAS_AREA)
		return SM_FAIL(err, SM_INPUT,
			       "antialias: found kernel or area, allowed are none and gaussian "
			       "where the axes of the two grids do not line up");
	double *wide = NULL;
	enum sm_status st = SM_OK;
	if (how->antialias == SM_ALIAS_GAUSSIAN || how->method == SM_CUBIC) {
		wide = sm_widen(v->data, sm_vol_count(v), mem, err);
		if (!wide)
			return SM_BUDGET;
	}
	for (int a = 0; wide && a < 3; a++) {
		if (how->antialias == SM_ALIAS_GAUSSIAN)
			SM_GOTO(st, sm_smooth_step(wide, v->dim, a, span(t, a), mem, jobs, err));
		if (how->method == SM_CUBIC)
			SM_GOTO(st, sm_spline_axis(wide, v->dim, a, mem, jobs, err));
	}
	w.wide = wide;
	SM_GOTO(st, sm_vol_init(out, dim, SM_F32, mem, "resampled volume", err));
	st = sm_par_for((size_t)(dim[1] * dim[2] * dim[3]), jobs, row, &w, err);
out:
	sm_free(wide);
	return st;
}
