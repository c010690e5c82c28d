/* SPDX-License-Identifier: Apache-2.0
 *
 * Uneven and tilted stacks to an orthogonal even grid (see dcm_volume.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "ingest/series/dcm_volume.h"

/* Sideways shifts below this share of a pixel are none: no blur for what is rounding of positions.
 */
#define SHIFT_PIXELS 0.01
/* An even grid may have this many times the voxels of the slices. */
#define GROWTH 16

struct regrid {
	const float *from;
	float *to;
	size_t nx, ny, nz; /* old grid */
	size_t mx, my, mz; /* new grid */
	double *along;     /* mm of each old slice along the normal, from the first */
	double *shift;     /* x, y of each old slice in pixels, from the first */
	int64_t low[2];    /* index of the new grid's first column and row on the old one */
	double gap;
	float fill;
	size_t *filled; /* by new slice */
};

/* Value of an old slice at a fractional pixel; false outside. */
static bool sample(const struct regrid *r, size_t k, double x, double y, double *out)
{
	const float *slice = r->from + k * r->nx * r->ny; /* k counts through the time points */
	double fx = floor(x), fy = floor(y), wx = x - fx, wy = y - fy;
	if (x < 0 || y < 0 || x > (double)(r->nx - 1) || y > (double)(r->ny - 1))
		return false;
	size_t x0 = (size_t)fx, y0 = (size_t)fy;
	size_t x1 = x0 + (wx > 0), y1 = y0 + (wy > 0);
	double top = (1 - wx) * slice[y0 * r->nx + x0] + wx * slice[y0 * r->nx + x1];
	double low = (1 - wx) * slice[y1 * r->nx + x0] + wx * slice[y1 * r->nx + x1];
	*out = wy > 0 ? (1 - wy) * top + wy * low : top;
	return true;
}

/* One new slice: between the old slices `below` and `below + 1`, weight w on the upper one. */
static enum sm_status new_slice(void *ctx, size_t z, struct sm_err *err)
{
	struct regrid *r = ctx;
	size_t base = z / r->mz * r->nz, below = 0; /* first old slice of the time point */
	double s = (double)(z % r->mz) * r->gap, w = 0;
	(void)err;
	while (below + 1 < r->nz && r->along[below + 1] <= s)
		below++;
	size_t above = below + 1 < r->nz ? below + 1 : below;
	if (above > below)
		w = (s - r->along[below]) / (r->along[above] - r->along[below]);
	/* Where an old slice lies on the new one but for rounding, it is taken as it is. */
	w = w < 1e-9 ? 0 : w > 1 - 1e-9 ? 1 : w;
	for (size_t j = 0; j < r->my; j++)
		for (size_t i = 0; i < r->mx; i++) {
			double x = (double)((int64_t)i + r->low[0]),
			       y = (double)((int64_t)j + r->low[1]);
			double a = r->fill, b = r->fill;
			bool in = true;
			if (w < 1)
				in = sample(r, base + below, x - r->shift[2 * below],
					    y - r->shift[2 * below + 1], &a);
			if (w > 0)
				in = sample(r, base + above, x - r->shift[2 * above],
					    y - r->shift[2 * above + 1], &b) &&
				     in;
			double v = w > 0 && w < 1 ? (1 - w) * a + w * b : w > 0 ? b : a;
			r->to[(z * r->my + j) * r->mx + i] = (float)v;
			r->filled[z] += !in;
		}
	return SM_OK;
}

/* Places of the old slices relative to the first one, and the new grid's size. */
static void lay_out(struct regrid *r, const struct sm_stack *stack,
		    const struct sm_dcm_frame *const *frames)
{
	double lo[2] = {0, 0}, hi[2] = {0, 0};
	for (size_t k = 0; k < r->nz; k++) {
		double d[3];
		for (int a = 0; a < 3; a++)
			d[a] = frames[k]->position[a] - stack->origin[a];
		r->along[k] = sm_dot3(d, stack->normal);
		r->shift[2 * k] = sm_dot3(d, stack->across) / stack->spacing[0];
		r->shift[2 * k + 1] = sm_dot3(d, stack->down) / stack->spacing[1];
		for (int a = 0; a < 2; a++) {
			double t = r->shift[2 * k + a];
			lo[a] = t < lo[a] ? t : lo[a];
			hi[a] = t > hi[a] ? t : hi[a];
		}
	}
	int64_t grow[2] = {0, 0};
	for (int a = 0; a < 2; a++) {
		if (hi[a] - lo[a] < SHIFT_PIXELS) {
			for (size_t k = 0; k < r->nz; k++)
				r->shift[2 * k + a] = 0;
			continue;
		}
		r->low[a] = (int64_t)floor(lo[a]);
		grow[a] = (int64_t)ceil(hi[a]) - r->low[a];
	}
	r->gap = stack->gap_typical;
	r->mx = r->nx + (size_t)grow[0];
	r->my = r->ny + (size_t)grow[1];
	r->mz = (size_t)floor(r->along[r->nz - 1] / r->gap + SM_EVEN_SHARE) + 1;
}

static void set_affine(struct sm_vol *vol, const struct regrid *r, const struct sm_stack *stack)
{
	struct sm_stack even = *stack;
	for (int a = 0; a < 3; a++) {
		even.step[a] = stack->normal[a] * r->gap;
		even.origin[a] += (double)r->low[0] * stack->spacing[0] * stack->across[a] +
				  (double)r->low[1] * stack->spacing[1] * stack->down[a];
	}
	sm_stack_affine(&even, vol->affine);
}

enum sm_status sm_stack_regrid(struct sm_series_volume *v, const struct sm_stack *stack,
			       const struct sm_dcm_frame *const *frames, struct sm_mem *mem, int jobs,
			       struct sm_err *err)
{
	struct sm_vol made = {0};
	size_t nz = (size_t)v->vol.dim[2], bad;
	double min, max;
	struct regrid r = {
		.from = v->vol.data,
		.nx = (size_t)v->vol.dim[0],
		.ny = (size_t)v->vol.dim[1],
		.nz = nz,
		.along = calloc(nz, sizeof(double)),
		.shift = calloc(nz, 2 * sizeof(double)),
	};
	enum sm_status st = SM_OK;
	if (!r.along || !r.shift)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory"));
	lay_out(&r, stack, frames);
	sm_vol_range(&v->vol, &min, &max, &bad);
	r.fill = (float)min;
	/* Also keeps hostile positions from making a grid of nothing. */
	if ((double)r.mx * (double)r.my * (double)r.mz >
	    GROWTH * (double)r.nx * (double)r.ny * (double)r.nz)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "the even grid would have %zu x %zu x %zu voxels, allowed is %d "
				    "times the series' %zu x %zu x %zu",
				    r.mx, r.my, r.mz, GROWTH, r.nx, r.ny, r.nz));
	size_t times = (size_t)v->vol.dim[3];
	int64_t dim[4] = {(int64_t)r.mx, (int64_t)r.my, (int64_t)r.mz, v->vol.dim[3]};
	SM_GOTO(st, sm_vol_init(&made, dim, SM_F32, mem, "even grid of the series", err));
	r.to = made.data;
	r.filled = calloc(r.mz * times, sizeof *r.filled);
	if (!r.filled)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory"));
	SM_GOTO(st, sm_par_for(r.mz * times, jobs, new_slice, &r, err));
	made.meaning = v->vol.meaning;
	made.frame_seconds = v->vol.frame_seconds;
	set_affine(&made, &r, stack);
	sm_vol_clear(&v->vol);
	v->vol = made;
	made = (struct sm_vol){0};
	v->regridded = true;
	v->grid_mm = r.gap;
	v->fill = min;
	for (size_t z = 0; z < r.mz * times; z++)
		v->filled += r.filled[z];
out:
	sm_vol_clear(&made);
	free(r.along);
	free(r.shift);
	free(r.filled);
	return st;
}
