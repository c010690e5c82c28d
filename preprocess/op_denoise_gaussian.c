/* SPDX-License-Identifier: Apache-2.0
 *
 * Gaussian axis by axis, x first: weights exp(-k^2 / (2 sigma^2)) for |k| <= int(truncate sigma +
 * 0.5), divided by their sum; sums in double, centre first and then pairs from far to near, float
 * between the axes, as scipy does.
 */
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/op_denoise.h"

struct gauss {
	const struct sm_frame *f;
	const double *w; /* w[k], k = 0..reach */
	int64_t reach;
	int axis;
};

/* w[0..reach] into fresh memory. */
static double *kernel(const struct sm_frame *f, double sigma, double truncate, int64_t *reach,
		      struct sm_err *err)
{
	*reach = (int64_t)(truncate * sigma + 0.5);
	double *w = sm_alloc(f->mem, (size_t)*reach + 1, sizeof *w, "Gaussian", err);
	if (!w)
		return NULL;
	double sum = 0;
	for (int64_t k = -*reach; k <= *reach; k++) {
		double e = sm_exp(-0.5 / (sigma * sigma) * (double)(k * k));
		sum += e;
		if (k >= 0)
			w[k] = e;
	}
	for (int64_t k = 0; k <= *reach; k++)
		w[k] /= sum;
	return w;
}

SM_DENOISE_CLONES static void scale(double *restrict acc, const float *restrict a, double w,
				    int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		acc[i] = (double)a[i] * w;
}

SM_DENOISE_CLONES static void add_pair(double *restrict acc, const float *restrict a,
				       const float *restrict b, double w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		acc[i] += ((double)a[i] + (double)b[i]) * w;
}

/* `lines` lines of n values side by side (step values from one place of the line to the next) are
 * copied to `copy`, filtered and written back. */
static void filter(const struct gauss *g, float *v, int64_t n, int64_t step, int64_t lines,
		   float *copy, double *acc)
{
	for (int64_t i = -g->reach; i < n + g->reach; i++)
		memcpy(copy + (i + g->reach) * lines,
		       v + sm_border_index(i, n, SM_BORDER_HALF) * step, (size_t)lines * sizeof *v);
	for (int64_t i = 0; i < n; i++) {
		const float *at = copy + (i + g->reach) * lines;
		scale(acc, at, g->w[0], lines);
		for (int64_t k = g->reach; k > 0; k--)
			add_pair(acc, at - k * lines, at + k * lines, g->w[k], lines);
		for (int64_t x = 0; x < lines; x++)
			v[i * step + x] = (float)acc[x];
	}
}

/* Along x the line itself is the vector: copy with its borders, then shifted sums. */
static void filter_row(const struct gauss *g, float *v, int64_t n, float *copy, double *acc)
{
	for (int64_t i = -g->reach; i < n + g->reach; i++)
		copy[i + g->reach] = v[sm_border_index(i, n, SM_BORDER_HALF)];
	const float *at = copy + g->reach;
	scale(acc, at, g->w[0], n);
	for (int64_t k = g->reach; k > 0; k--)
		add_pair(acc, at - k, at + k, g->w[k], n);
	for (int64_t x = 0; x < n; x++)
		v[x] = (float)acc[x];
}

/* Item: a z plane for the axes x and y, a y row of all planes for z. */
static enum sm_status one_item(void *ctx, size_t at, struct sm_err *err)
{
	const struct gauss *g = ctx;
	const int64_t nx = g->f->n[0], ny = g->f->n[1], n = g->f->n[g->axis];
	float *copy = sm_alloc(g->f->mem, (size_t)((n + 2 * g->reach) * (g->axis ? nx : 1)),
			       sizeof *copy, "lines", err);
	double *acc = copy ? sm_alloc(g->f->mem, (size_t)nx, sizeof *acc, "sums", err) : NULL;
	enum sm_status st = acc ? SM_OK : SM_BUDGET;
	if (acc && g->axis == 0)
		for (int64_t y = 0; y < ny; y++)
			filter_row(g, g->f->v + ((int64_t)at * ny + y) * nx, nx, copy, acc);
	else if (acc && g->axis == 1)
		filter(g, g->f->v + (int64_t)at * ny * nx, ny, nx, nx, copy, acc);
	else if (acc)
		filter(g, g->f->v + (int64_t)at * nx, n, ny * nx, nx, copy, acc);
	sm_free(acc);
	sm_free(copy);
	return st;
}

enum sm_status sm_denoise_gaussian(const struct sm_frame *f, const struct denoise *p,
				   struct sm_err *err)
{
	double sigma[3];
	sm_denoise_sigma(f, p, sigma);
	for (int a = 0; a < 3; a++) {
		struct gauss g = {.f = f, .axis = a};
		if (!(sigma[a] > 1e-15))
			continue;
		double *w = kernel(f, sigma[a], p->truncate, &g.reach, err);
		if (!w)
			return SM_BUDGET;
		g.w = w;
		enum sm_status st =
			sm_par_for((size_t)f->n[a == 2 ? 1 : 2], f->jobs, one_item, &g, err);
		sm_free(w);
		SM_TRY(st);
	}
	return SM_OK;
}
