/* SPDX-License-Identifier: Apache-2.0
 *
 * The basis is a product over the axes, so that fitting and evaluation go axis by axis.
 */
#include "preprocess/bspline.h"

#include <stdlib.h>
#include <string.h>

#include "core/par.h"

enum sm_status sm_lattice_init(struct sm_lattice *l, const int64_t mesh[3], struct sm_mem *mem,
			       struct sm_err *err)
{
	size_t n = 0;
	*l = (struct sm_lattice){0};
	for (int a = 0; a < 3; a++) {
		l->mesh[a] = mesh[a];
		l->points[a] = mesh[a] + 3;
	}
	if (!sm_mul3((size_t)l->points[0], (size_t)l->points[1], (size_t)l->points[2], &n))
		return SM_FAIL(err, SM_BUDGET, "a B-spline mesh of %lld x %lld x %lld cells",
			       (long long)mesh[0], (long long)mesh[1], (long long)mesh[2]);
	l->c = sm_calloc(mem, n, sizeof *l->c, "B-spline mesh", err);
	return l->c ? SM_OK : SM_BUDGET;
}

void sm_lattice_clear(struct sm_lattice *l)
{
	sm_free(l->c);
	*l = (struct sm_lattice){0};
}

enum sm_status sm_bspline_axis_init(struct sm_bspline_axis *a, int64_t n, double first, double step,
				    double last, int64_t mesh, struct sm_mem *mem,
				    struct sm_err *err)
{
	*a = (struct sm_bspline_axis){.n = n};
	a->cell = sm_alloc(mem, (size_t)n, sizeof *a->cell, "B-spline samples", err);
	a->w = a->cell ? sm_alloc(mem, (size_t)n * 4, sizeof *a->w, "B-spline samples", err) : NULL;
	if (!a->w)
		return SM_BUDGET;
	for (int64_t i = 0; i < n; i++) {
		double u = last > 0 ? (first + step * (double)i) / last * (double)mesh : 0;
		u = u < 0 ? 0 : u > (double)mesh ? (double)mesh : u;
		int64_t cell = (int64_t)u;
		a->cell[i] = cell < mesh ? cell : mesh - 1;
		double t = u - (double)a->cell[i], s = 1 - t, *w = a->w + 4 * i;
		w[0] = s * s * s / 6;
		w[1] = (4 - 6 * t * t + 3 * t * t * t) / 6;
		w[2] = (4 - 6 * s * s + 3 * s * s * s) / 6;
		w[3] = t * t * t / 6;
	}
	return SM_OK;
}

void sm_bspline_axis_clear(struct sm_bspline_axis *a)
{
	sm_free(a->cell);
	sm_free(a->w);
	*a = (struct sm_bspline_axis){0};
}

/* Four control points, n values side by side each and `step` apart, mixed into one. */
static void mix(const double *w, const double *c, int64_t step, int64_t n, double *out)
{
	for (int64_t k = 0; k < n; k++)
		out[k] = w[0] * c[k] + w[1] * c[step + k] + w[2] * c[2 * step + k] +
			 w[3] * c[3 * step + k];
}

#define ON_STACK 4096

void sm_lattice_evaluate(const struct sm_lattice *l, const struct sm_bspline_axis axis[3],
			 int64_t z0, int64_t z1, float *out)
{
	const int64_t cx = l->points[0], cy = l->points[1], nx = axis[0].n, ny = axis[1].n;
	double plane[ON_STACK], row[ON_STACK];
	/* Mixed along z in strips of rows that fit. */
	const int64_t fit = ON_STACK / cx;
	for (int64_t z = z0; z < z1; z++) {
		int64_t have0 = 0, have1 = 0; /* rows of control points in `plane` */
		for (int64_t y = 0; y < ny; y++) {
			int64_t need = axis[1].cell[y];
			if (need < have0 || need + 4 > have1) {
				have0 = need;
				have1 = need + fit < cy ? need + fit : cy;
				mix(axis[2].w + 4 * z, l->c + (axis[2].cell[z] * cy + have0) * cx,
				    cx * cy, (have1 - have0) * cx, plane);
			}
			mix(axis[1].w + 4 * y, plane + (need - have0) * cx, cx, cx, row);
			float *to = out + (z * ny + y) * nx;
			for (int64_t x = 0; x < nx; x++) {
				const double *w = axis[0].w + 4 * x, *c = row + axis[0].cell[x];
				to[x] = (float)(w[0] * c[0] + w[1] * c[1] + w[2] * c[2] +
						w[3] * c[3]);
			}
		}
	}
}

struct fit {
	const struct sm_lattice *l;
	const struct sm_bspline_axis *axis;
	const double *share[3]; /* w^3 / sum of w^2, as axis[].w */
	const float *value;
	const uint8_t *mask;
	double *delta, *omega; /* cx * cy values a z plane */
	struct sm_mem *mem;
};

/* One z plane of samples summed onto the control points of x and y. */
static enum sm_status fit_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct fit *f = ctx;
	const int64_t cx = f->l->points[0], cy = f->l->points[1], nx = f->axis[0].n,
		      ny = f->axis[1].n;
	double *delta = f->delta + (int64_t)z * cx * cy, *omega = f->omega + (int64_t)z * cx * cy;
	double *rows = sm_alloc(f->mem, (size_t)cx * 2, sizeof *rows, "B-spline fit", err);
	if (!rows)
		return SM_BUDGET;
	memset(delta, 0, (size_t)(cx * cy) * sizeof *delta);
	memset(omega, 0, (size_t)(cx * cy) * sizeof *omega);
	for (int64_t y = 0; y < ny; y++) {
		const float *v = f->value + ((int64_t)z * ny + y) * nx;
		const uint8_t *m = f->mask + ((int64_t)z * ny + y) * nx;
		memset(rows, 0, (size_t)cx * 2 * sizeof *rows);
		for (int64_t x = 0; x < nx; x++) {
			if (!m[x])
				continue;
			const double *w = f->axis[0].w + 4 * x, *s = f->share[0] + 4 * x;
			double *d = rows + f->axis[0].cell[x], *o = d + cx;
			for (int k = 0; k < 4; k++) {
				d[k] += s[k] * (double)v[x];
				o[k] += w[k] * w[k];
			}
		}
		for (int k = 0; k < 4; k++) {
			double w = f->axis[1].w[4 * y + k], s = f->share[1][4 * y + k];
			int64_t at = (f->axis[1].cell[y] + k) * cx;
			for (int64_t a = 0; a < cx; a++) {
				delta[at + a] += s * rows[a];
				omega[at + a] += w * w * rows[cx + a];
			}
		}
	}
	sm_free(rows);
	return SM_OK;
}

/* Planes of samples summed onto the control points of z, one column of x and y after the other. */
static void fit_columns(const struct fit *f, struct sm_lattice *l, double *omega)
{
	const int64_t size = l->points[0] * l->points[1];
	const size_t all = (size_t)(size * l->points[2]);
	memset(l->c, 0, all * sizeof *l->c);
	memset(omega, 0, all * sizeof *omega);
	for (int64_t z = 0; z < f->axis[2].n; z++)
		for (int k = 0; k < 4; k++) {
			double w = f->axis[2].w[4 * z + k], s = f->share[2][4 * z + k];
			int64_t at = (f->axis[2].cell[z] + k) * size;
			for (int64_t a = 0; a < size; a++) {
				l->c[at + a] += s * f->delta[z * size + a];
				omega[at + a] += w * w * f->omega[z * size + a];
			}
		}
	for (size_t i = 0; i < all; i++)
		l->c[i] = omega[i] > 1e-30 ? l->c[i] / omega[i] : 0;
}

enum sm_status sm_lattice_fit(struct sm_lattice *l, const struct sm_bspline_axis axis[3],
			      const float *value, const uint8_t *mask, struct sm_mem *mem, int jobs,
			      struct sm_err *err)
{
	struct fit f = {.l = l, .axis = axis, .value = value, .mask = mask, .mem = mem};
	const size_t size = (size_t)(l->points[0] * l->points[1]), nz = (size_t)axis[2].n;
	double *share[3] = {NULL, NULL, NULL};
	double *sums = sm_alloc(mem, size * (2 * nz + (size_t)l->points[2]), sizeof *sums,
				"B-spline fit", err);
	enum sm_status st = SM_BUDGET;
	if (!sums)
		goto out;
	for (int a = 0; a < 3; a++) {
		share[a] =
			sm_alloc(mem, (size_t)axis[a].n * 4, sizeof **share, "B-spline fit", err);
		if (!share[a])
			goto out;
		for (int64_t i = 0; i < axis[a].n; i++) {
			const double *w = axis[a].w + 4 * i;
			double s = w[0] * w[0] + w[1] * w[1] + w[2] * w[2] + w[3] * w[3];
			for (int k = 0; k < 4; k++)
				share[a][4 * i + k] = w[k] * w[k] * w[k] / s;
		}
		f.share[a] = share[a];
	}
	f.delta = sums;
	f.omega = sums + size * nz;
	SM_GOTO(st, sm_par_for(nz, jobs, fit_plane, &f, err));
	fit_columns(&f, l, sums + 2 * size * nz);
out:
	for (int a = 0; a < 3; a++)
		sm_free(share[a]);
	sm_free(sums);
	return st;
}

/* Twice the cells along one axis: `before` values side by side, n control points, `after` times. */
static void refine_axis(const double *c, int64_t before, int64_t n, int64_t after, double *out)
{
	const int64_t wide = 2 * n - 3;
	for (int64_t b = 0; b < after; b++)
		for (int64_t i = 0; i < wide; i++)
			for (int64_t a = 0; a < before; a++) {
				const double *p = c + (b * n + i / 2) * before + a;
				double v = i % 2 ? (p[0] + 6 * p[before] + p[2 * before]) / 8
						 : (p[0] + p[before]) / 2;
				out[(b * wide + i) * before + a] = v;
			}
}

enum sm_status sm_lattice_refine(struct sm_lattice *l, struct sm_mem *mem, struct sm_err *err)
{
	for (int a = 0; a < 3; a++) {
		struct sm_lattice out;
		int64_t mesh[3] = {l->mesh[0], l->mesh[1], l->mesh[2]};
		mesh[a] *= 2;
		SM_TRY(sm_lattice_init(&out, mesh, mem, err));
		int64_t before = a == 0 ? 1 : a == 1 ? l->points[0] : l->points[0] * l->points[1];
		int64_t after = a == 2 ? 1 : a == 1 ? l->points[2] : l->points[1] * l->points[2];
		refine_axis(l->c, before, l->points[a], after, out.c);
		sm_lattice_clear(l);
		*l = out;
	}
	return SM_OK;
}
