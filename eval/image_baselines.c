/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/image_baselines.h"

#include <math.h>
#include <string.h>

#include "core/par.h"
#include "preprocess/resample.h"

#define WHOLE 1e-9 /* of a slice: a place this near to one is that slice */
#define TAPS 4
/* Slices that a spline's ends are continued by: what lies beyond them has faded by (2 - sqrt 3)^16
 * = 7e-10. */
#define BEYOND 16

const struct sm_baseline sm_baselines[SM_BASELINES] = {
	[SM_BASE_IDENTITY] = {"identity", "Identity",
			      "the source image, its range mapped to the target's", false, -1,
			      false},
	[SM_BASE_MEAN] = {"mean_image", "Mean image", "the mean of the training targets", false, -1,
			  false},
	[SM_BASE_WHITE] = {"white", "White image", "the target's largest value everywhere", false,
			   -1, false},
	[SM_BASE_CONSTANT] = {"constant", "Mean value",
			      "the mean value of all training targets everywhere", false, -1,
			      false},
	[SM_BASE_BODY_MEAN] = {"body_mean_image", "Mean image of the body",
			       "the mean of the training targets in whose body the pixel lies, "
			       "where it lies in none the mean of the body",
			       false, -1, true},
	[SM_BASE_BODY_CONSTANT] = {"body_constant", "Mean of the body",
				   "the mean value inside the body of the training targets, "
				   "everywhere",
				   false, -1, true},
	[SM_BASE_AVERAGE] = {"average", "(A+C)/2", "the mean of the slices before and behind", true,
			     -1, false},
	[SM_BASE_NEAREST] = {"nearest", "Nearest", "the nearest known slice", true, SM_NEAREST,
			     false},
	[SM_BASE_LINEAR] = {"linear", "Linear", "a line between the slices before and behind", true,
			    SM_LINEAR, false},
	[SM_BASE_CATMULL_ROM] = {"catmull_rom", "Cubic (Catmull-Rom)",
				 "cubic convolution of four slices, a = -1/2", true, SM_CATMULL_ROM,
				 false},
	[SM_BASE_SPLINE] = {"spline", "Cubic (natural spline)",
			    "the natural cubic spline through all slices", true, SM_CUBIC, false},
};

enum sm_status sm_baseline_identity(const float *source, size_t n, const double from[2],
				    const double to[2], bool clip, float *out, struct sm_err *err)
{
	const double slope = (to[1] - to[0]) / (from[1] - from[0]);
	const double low = to[0] < to[1] ? to[0] : to[1], high = to[0] < to[1] ? to[1] : to[0];
	if (!isfinite(slope) || !isfinite(from[0]) || !isfinite(to[0]))
		return SM_FAIL(err, SM_USAGE,
			       "baseline identity: range %g to %g cannot be mapped to %g to %g: "
			       "allowed are finite "
			       "numbers, the first two different",
			       from[0], from[1], to[0], to[1]);
	for (size_t i = 0; i < n; i++) {
		double v = to[0] + ((double)source[i] - from[0]) * slope;
		out[i] = (float)(!clip ? v : v < low ? low : v > high ? high : v);
	}
	return SM_OK;
}

void sm_baseline_white(float value, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = value;
}

void sm_baseline_average(const float *a, const float *c, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float)(((double)a[i] + (double)c[i]) / 2);
}

enum sm_status sm_mean_image_init(struct sm_mean_image *mean, size_t n, struct sm_mem *mem,
				  struct sm_err *err)
{
	*mean = (struct sm_mean_image){.n = n};
	mean->sum = sm_calloc(mem, n ? n : 1, sizeof *mean->sum, "mean image", err);
	return mean->sum ? SM_OK : SM_BUDGET;
}

enum sm_status sm_mean_image_add(struct sm_mean_image *mean, const float *v, size_t n,
				 const char *name, struct sm_err *err)
{
	if (n != mean->n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has %zu values, the images before it have %zu: a mean image "
			       "needs one size",
			       name, n, mean->n);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return SM_FAIL(
				err, SM_INPUT,
				"%s: value number %zu is %s: a mean image needs finite numbers",
				name, i, isnan(v[i]) ? "NaN" : "infinite");
	for (size_t i = 0; i < n; i++)
		mean->sum[i] += (double)v[i];
	mean->images++;
	return SM_OK;
}

enum sm_status sm_mean_image_get(const struct sm_mean_image *mean, float *out, struct sm_err *err)
{
	if (!mean->images)
		return SM_FAIL(err, SM_INPUT,
			       "mean image: there is no training image to take the mean of");
	for (size_t i = 0; i < mean->n; i++)
		out[i] = (float)(mean->sum[i] / (double)mean->images);
	return SM_OK;
}

void sm_mean_image_clear(struct sm_mean_image *mean)
{
	sm_free(mean->sum);
	*mean = (struct sm_mean_image){0};
}

/* ---- between slices
 * ------------------------------------------------------------------------------ */

struct between {
	const float *v;
	const double *spline; /* coefficients instead of v, of BEYOND slices more on each side */
	int64_t nz;
	size_t plane;
	const double *place;
	struct sm_resample how;
	float *out;
};

#define COMBINE(NAME, IN) \
	static void NAME(const IN *in, const double *w, int taps, size_t plane, \
			 float *restrict out) \
	{ \
		for (size_t i = 0; i < plane; i++) { \
			double sum = w[0] * (double)in[i]; \
			for (int k = 1; k < taps; k++) \
				sum += w[k] * (double)in[(size_t)k * plane + i]; \
			out[i] = (float)sum; \
		} \
	}
COMBINE(combine_values, float)
COMBINE(combine_coefficients, double)

/* Catmull-Rom's weights at u of the slices from *first on; what lies beyond an end is made of those
 * inside. */
static int keys_weights(const struct sm_resample *how, double u, int64_t n, int64_t *first,
			double *w)
{
	const int64_t low = (int64_t)floor(u) - 1;
	const int taps = n < TAPS ? (int)n : TAPS;
	*first = low < 0 ? 0 : low > n - taps ? n - taps : low;
	memset(w, 0, TAPS * sizeof *w);
	for (int64_t j = low; j < low + TAPS; j++) {
		const double share = sm_kernel(how, fabs((double)j - u));
		const int64_t at = j - *first, end = j < 0 ? 0 : taps - 1, inward = j < 0 ? 1 : -1;
		if (at >= 0 && at < taps) {
			w[at] += share;
		} else if (taps == 2) {
			w[end] += 2 * share;
			w[end + inward] -= share;
		} else {
			w[end] += 3 * share;
			w[end + inward] -= 3 * share;
			w[end + 2 * inward] += share;
		}
	}
	return taps;
}

static enum sm_status make_slice(void *ctx, size_t i, struct sm_err *err)
{
	const struct between *b = ctx;
	const double u = b->place[i], near = floor(u + 0.5);
	float *out = b->out + i * b->plane;
	double w[TAPS];
	int64_t first;
	(void)err;
	if (b->how.method == SM_NEAREST || fabs(u - near) <= WHOLE) {
		memcpy(out, b->v + (size_t)near * b->plane, b->plane * sizeof *out);
		return SM_OK;
	}
	if (b->spline) {
		int taps = sm_kernel_weights(&b->how, u + BEYOND, 1, b->nz + 2 * BEYOND, TAPS,
					     &first, w);
		combine_coefficients(b->spline + (size_t)first * b->plane, w, taps, b->plane, out);
		return SM_OK;
	}
	int taps = b->how.method == SM_CATMULL_ROM
			   ? keys_weights(&b->how, u, b->nz, &first, w)
			   : sm_kernel_weights(&b->how, u, 1, b->nz, TAPS, &first, w);
	combine_values(b->v + (size_t)first * b->plane, w, taps, b->plane, out);
	return SM_OK;
}

/* Slice z of n, beyond the ends by point reflection there: the continuation of a natural spline.
 * *turns and *ends come out so that its value is turns * slice + ends[0] * first + ends[1] * last.
 */
static int64_t reflected(int64_t z, int64_t n, double *turns, double ends[2])
{
	*turns = 1;
	ends[0] = ends[1] = 0;
	while (z < 0 || z > n - 1) {
		ends[z > 0] += 2 * *turns;
		*turns = -*turns;
		z = z < 0 ? -z : 2 * (n - 1) - z;
	}
	return z;
}

struct widen {
	const float *v;
	int64_t nz;
	size_t plane;
	double *out;
};

static enum sm_status widen_slice(void *ctx, size_t i, struct sm_err *err)
{
	const struct widen *j = ctx;
	double turns, ends[2];
	const int64_t z = reflected((int64_t)i - BEYOND, j->nz, &turns, ends);
	const float *v = j->v + (size_t)z * j->plane, *last = j->v + (size_t)(j->nz - 1) * j->plane;
	double *out = j->out + i * j->plane;
	(void)err;
	for (size_t k = 0; k < j->plane; k++)
		out[k] = turns * (double)v[k] + ends[0] * (double)j->v[k] +
			 ends[1] * (double)last[k];
	return SM_OK;
}

static enum sm_status make_spline(struct between *b, const int64_t dim[3], double **wide,
				  struct sm_mem *mem, int jobs, struct sm_err *err)
{
	const int64_t flat[4] = {dim[0], dim[1], dim[2] + 2 * BEYOND, 1};
	struct widen job = {.v = b->v, .nz = dim[2], .plane = b->plane};
	job.out = *wide =
		sm_alloc(mem, (size_t)flat[2], b->plane * sizeof **wide, "spline of slices", err);
	if (!job.out)
		return SM_BUDGET;
	SM_TRY(sm_par_for((size_t)flat[2], jobs, widen_slice, &job, err));
	b->spline = job.out;
	return sm_spline_axis(*wide, flat, 2, mem, jobs, err);
}

enum sm_status sm_slices_at(const float *v, const int64_t dim[3], const double *place,
			    int64_t count, int method, struct sm_mem *mem, int jobs, float *out,
			    struct sm_err *err)
{
	const size_t plane = (size_t)(dim[0] * dim[1]);
	struct between b = {.v = v,
			    .nz = dim[2],
			    .plane = plane,
			    .place = place,
			    .how = {.method = method},
			    .out = out};
	double *wide = NULL;
	enum sm_status st = SM_OK;
	if (method != SM_NEAREST && method != SM_LINEAR && method != SM_CUBIC &&
	    method != SM_CATMULL_ROM)
		return SM_FAIL(err, SM_USAGE,
			       "slices between slices: method number %d, allowed are nearest, "
			       "linear, B-spline and "
			       "Catmull-Rom",
			       method);
	for (int64_t i = 0; i < count; i++)
		if (!(place[i] >= -WHOLE && place[i] <= (double)(dim[2] - 1) + WHOLE))
			return SM_FAIL(err, SM_INPUT,
				       "slices between slices: place %g, allowed are 0 to %lld: "
				       "nothing is made "
				       "beyond the first and the last slice",
				       place[i], (long long)(dim[2] - 1));
	if (method == SM_CUBIC && dim[2] > 1)
		SM_GOTO(st, make_spline(&b, dim, &wide, mem, jobs, err));
	st = sm_par_for((size_t)count, jobs, make_slice, &b, err);
out:
	sm_free(wide);
	return st;
}

enum sm_status sm_slices_between(const float *v, const int64_t dim[3], int factor, int method,
				 struct sm_mem *mem, int jobs, float *out, struct sm_err *err)
{
	const int64_t count = (dim[2] - 1) * factor + 1;
	if (factor < 1 || factor > 64)
		return SM_FAIL(err, SM_USAGE,
			       "slices between slices: factor is %d, allowed are 1 to 64", factor);
	double *place = sm_alloc(mem, (size_t)count, sizeof *place, "places of slices", err);
	if (!place)
		return SM_BUDGET;
	for (int64_t i = 0; i < count; i++)
		place[i] = (double)(i / factor) + (double)(i % factor) / (double)factor;
	enum sm_status st = sm_slices_at(v, dim, place, count, method, mem, jobs, out, err);
	sm_free(place);
	return st;
}
