/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/resample.h"

#define PI 3.14159265358979323846
#define LANES 16

double sm_kernel_support(const struct sm_resample *how)
{
	switch (how->method) {
	case SM_NEAREST:
		return 0.5;
	case SM_LINEAR:
		return 1;
	case SM_SINC:
		return how->lobes;
	default:
		return 2;
	}
}

double sm_kernel(const struct sm_resample *how, double t)
{
	if (t >= sm_kernel_support(how))
		return 0;
	switch (how->method) {
	case SM_LINEAR:
		return 1 - t;
	case SM_CUBIC:
		return t < 1 ? 2.0 / 3 - t * t + t * t * t / 2 : (2 - t) * (2 - t) * (2 - t) / 6;
	case SM_CATMULL_ROM:
		return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((2.5 - 0.5 * t) * t - 4) * t + 2;
	case SM_SINC:
		if (t < 1e-9)
			return 1;
		return how->lobes * sm_sinpi(t) * sm_sinpi(t / how->lobes) / (PI * PI * t * t);
	default:
		return 1;
	}
}

static int64_t mirrored(int64_t i, int64_t n)
{
	if (n == 1)
		return 0;
	i = (i < 0 ? -i : i) % (2 * n - 2);
	return i < n ? i : 2 * n - 2 - i;
}

int sm_kernel_weights(const struct sm_resample *how, double u, double scale, int64_t n, int room,
		      int64_t *first, double *weight)
{
	bool spline = how->method == SM_CUBIC;
	if (spline)
		u = u < 0 ? 0 : u > (double)(n - 1) ? (double)(n - 1) : u;
	double width = sm_kernel_support(how) * scale, sum = 0;
	int64_t low = (int64_t)floor(u - width) + 1, taps = (int64_t)ceil(2 * width);
	int64_t kept = taps < n ? taps : n;
	kept = kept < room ? kept : room;
	*first = low < 0 ? 0 : low > n - kept ? n - kept : low;
	memset(weight, 0, (size_t)kept * sizeof *weight);
	for (int64_t j = low; j < low + taps; j++) {
		double w = sm_kernel(how, fabs((double)j - u) / scale);
		int64_t at = spline ? mirrored(j, n) : j;
		if (at < *first || at >= *first + kept)
			continue;
		weight[at - *first] += w;
		sum += w;
	}
	for (int64_t k = 0; !spline && sum != 0 && k < kept; k++)
		weight[k] /= sum;
	return (int)kept;
}

/* ---- filters along the lines of an axis, LANES lines at a time
 * ----------------------------------- */

struct lines {
	double *v;
	int64_t n, inner, outer; /* v is (outer, n, inner) */
	int64_t groups;          /* of LANES lines, in one outer index; for inner 1 in all */
	const double *weight;    /* NULL = B-spline coefficients */
	int64_t radius;
	struct sm_mem *mem;
};

/* Unser, Aldroubi, Eden 1993, part II, with the ends mirrored at the outermost voxels. */
static void spline(double *c, int64_t n)
{
	const double z = sqrt(3.0) - 2;
	double zn = 1, zi = 1;
	if (n == 1)
		return;
	for (int64_t i = 0; i < n * LANES; i++)
		c[i] *= 6;
	for (int64_t i = 0; i < n - 1; i++)
		zn *= z;
	double first[LANES];
	for (int l = 0; l < LANES; l++)
		first[l] = c[l] + zn * c[(n - 1) * LANES + l];
	/* z^64 is below 1e-36: what comes behind it changes no bit. */
	for (int64_t i = 1; i < n - 1 && i < 64; i++) {
		zi *= z;
		for (int l = 0; l < LANES; l++)
			first[l] += zi * (c[i * LANES + l] + zn * c[(n - 1 - i) * LANES + l]);
	}
	for (int l = 0; l < LANES; l++)
		c[l] = first[l] / (1 - zn * zn);
	for (int64_t i = 1; i < n; i++)
		for (int l = 0; l < LANES; l++)
			c[i * LANES + l] += z * c[(i - 1) * LANES + l];
	double *last = c + (n - 1) * LANES;
	for (int l = 0; l < LANES; l++)
		last[l] = (z * last[l - LANES] + last[l]) * z / (z * z - 1);
	for (int64_t i = n - 2; i >= 0; i--)
		for (int l = 0; l < LANES; l++)
			c[i * LANES + l] = z * (c[(i + 1) * LANES + l] - c[i * LANES + l]);
}

static void smooth(const struct lines *j, const double *in, double *out)
{
	for (int64_t i = 0; i < j->n; i++) {
		double *to = out + i * LANES;
		for (int l = 0; l < LANES; l++)
			to[l] = j->weight[0] * in[i * LANES + l];
		for (int64_t k = 1; k <= j->radius; k++) {
			const double *a = in + mirrored(i - k, j->n) * LANES;
			const double *b = in + mirrored(i + k, j->n) * LANES;
			for (int l = 0; l < LANES; l++)
				to[l] += j->weight[k] * (a[l] + b[l]);
		}
	}
}

static enum sm_status some_lines(void *ctx, size_t item, struct sm_err *err)
{
	const struct lines *j = ctx;
	int64_t n = j->n, group = (int64_t)item % j->groups, o = (int64_t)item / j->groups;
	int64_t lines = j->inner == 1 ? j->outer : j->inner, from = group * LANES;
	int64_t lanes = lines - from < LANES ? lines - from : LANES;
	/* line l, voxel i stands at base + l * across + i * along */
	int64_t along = j->inner, across = j->inner == 1 ? n : 1;
	double *base = j->v + (j->inner == 1 ? from * n : o * n * j->inner + from);
	double *buf = sm_alloc(j->mem, (size_t)n * LANES, 2 * sizeof *buf, "lines", err);
	if (!buf)
		return SM_BUDGET;
	double *out = buf;
	for (int64_t i = 0; i < n; i++)
		for (int64_t l = 0; l < LANES; l++)
			buf[i * LANES + l] =
				l < lanes ? base[l * across + i * along] : 0;
	if (j->weight)
		smooth(j, buf, out = buf + n * LANES);
	else
		spline(buf, n);
	/* Beside a black background the coefficients fade by 0.27 a voxel, down to denormal
	 * numbers, which processors take a hundred times longer for. Far below float32's smallest
	 * step they change nothing. */
	for (int64_t i = 0; i < n; i++)
		for (int64_t l = 0; l < lanes; l++) {
			double v = out[i * LANES + l];
			base[l * across + i * along] = fabs(v) < 1e-60 ? 0 : v;
		}
	sm_free(buf);
	return SM_OK;
}

static enum sm_status run_lines(struct lines *j, const int64_t dim[4], int a, int jobs,
				struct sm_err *err)
{
	j->n = dim[a];
	j->inner = a == 0 ? 1 : a == 1 ? dim[0] : dim[0] * dim[1];
	j->outer = dim[3] * (a == 0 ? dim[1] * dim[2] : a == 1 ? dim[2] : 1);
	int64_t lines = j->inner == 1 ? j->outer : j->inner;
	j->groups = (lines + LANES - 1) / LANES;
	int64_t items = j->inner == 1 ? j->groups : j->groups * j->outer;
	return sm_par_for((size_t)items, jobs, some_lines, j, err);
}

double *sm_widen(const float *v, size_t n, struct sm_mem *mem, struct sm_err *err)
{
	double *wide = sm_alloc(mem, n, sizeof *wide, "volume in double", err);
	for (size_t i = 0; wide && i < n; i++)
		wide[i] = (double)v[i];
	return wide;
}

enum sm_status sm_spline_axis(double *v, const int64_t dim[4], int a, struct sm_mem *mem, int jobs,
			      struct sm_err *err)
{
	struct lines j = {.v = v, .mem = mem};
	return dim[a] == 1 ? SM_OK : run_lines(&j, dim, a, jobs, err);
}

enum sm_status sm_smooth_step(double *v, const int64_t dim[4], int a, double step,
			      struct sm_mem *mem, int jobs, struct sm_err *err)
{
	double sigma = (fabs(step) - 1) / 2, sum = 0;
	int64_t radius = (int64_t)(4 * sigma + 0.5);
	if (sigma <= 0)
		return SM_OK;
	double *w = sm_alloc(mem, (size_t)radius + 1, sizeof *w, "smoothing", err);
	struct lines j = {.v = v, .mem = mem, .weight = w, .radius = radius};
	if (!w)
		return SM_BUDGET;
	for (int64_t k = 0; k <= radius; k++) {
		w[k] = sm_exp(-0.5 / (sigma * sigma) * (double)(k * k));
		sum += k ? 2 * w[k] : w[k];
	}
	for (int64_t k = 0; k <= radius; k++)
		w[k] /= sum;
	enum sm_status st = run_lines(&j, dim, a, jobs, err);
	sm_free(w);
	return st;
}
