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

/* New slices for each thread that are made before the old ones behind them are let go. */
#define SLAB 4

struct regrid {
	const struct sm_vol *from;
	float *to;
	size_t nx, ny, nz; /* old grid */
	size_t mx, my, mz; /* new grid */
	double *along;     /* mm of each old slice along the normal, from the first */
	double *shift;     /* x, y of each old slice in pixels, from the first */
	int64_t low[2];    /* index of the new grid's first column and row on the old one */
	double gap;
	float fill;
	size_t *filled; /* by new slice */
	size_t slab;    /* the first new slice of those at work */
};

/* The old slices on both sides of a new one, counted through the time points; weight w on the
 * upper. */
struct between {
	size_t below, above;
	double w;
};

static struct between between_of(const struct regrid *r, size_t z)
{
	size_t base = z / r->mz * r->nz, below = 0; /* first old slice of the time point */
	double s = (double)(z % r->mz) * r->gap, w = 0;
	while (below + 1 < r->nz && r->along[below + 1] <= s)
		below++;
	size_t above = below + 1 < r->nz ? below + 1 : below;
	if (above > below)
		w = (s - r->along[below]) / (r->along[above] - r->along[below]);
	/* Where an old slice lies on the new one but for rounding, it is taken as it is. */
	w = w < 1e-9 ? 0 : w > 1 - 1e-9 ? 1 : w;
	return (struct between){base + below, base + above, w};
}

/* Row y of old slice k as real values: where they stand, or in `room`. */
static const float *row_of(const struct regrid *r, size_t k, size_t y, float *room)
{
	size_t at = (k * r->ny + y) * r->nx;
	if (r->from->dtype == SM_F32)
		return (const float *)r->from->data + at;
	sm_vol_run_f32(r->from, at, r->nx, room);
	return room;
}

/* New row j of an old slice alone; room is for two rows. in[i] is cleared where the slice does not
 * reach. */
static void new_row(const struct regrid *r, size_t k, size_t j, float *room, double *out, bool *in)
{
	const double *shift = &r->shift[k % r->nz * 2];
	double y = (double)((int64_t)j + r->low[1]) - shift[1], fy = floor(y), wy = y - fy;
	bool outside = y < 0 || y > (double)(r->ny - 1);
	const float *a = NULL, *b = NULL;
	if (!outside) {
		a = row_of(r, k, (size_t)fy, room);
		b = wy > 0 ? row_of(r, k, (size_t)fy + 1, room + r->nx) : a;
	}
	for (size_t i = 0; i < r->mx; i++) {
		double x = (double)((int64_t)i + r->low[0]) - shift[0], fx = floor(x), wx = x - fx;
		if (outside || x < 0 || x > (double)(r->nx - 1)) {
			out[i] = r->fill;
			in[i] = false;
			continue;
		}
		size_t x0 = (size_t)fx, x1 = x0 + (wx > 0);
		double top = (1 - wx) * a[x0] + wx * a[x1];
		double low = (1 - wx) * b[x0] + wx * b[x1];
		out[i] = wy > 0 ? (1 - wy) * top + wy * low : top;
	}
}

static enum sm_status new_slice(void *ctx, size_t i, struct sm_err *err)
{
	struct regrid *r = ctx;
	size_t z = r->slab + i;
	struct between k = between_of(r, z);
	double *a = malloc(r->mx * sizeof *a), *b = malloc(r->mx * sizeof *b);
	float *room = malloc(2 * r->nx * sizeof *room);
	bool *in = malloc(r->mx);
	enum sm_status st = SM_OK;
	if (!a || !b || !room || !in)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory"));
	for (size_t j = 0; j < r->my; j++) {
		float *to = r->to + (z * r->my + j) * r->mx;
		memset(in, 1, r->mx);
		if (k.w < 1)
			new_row(r, k.below, j, room, a, in);
		if (k.w > 0)
			new_row(r, k.above, j, room, b, in);
		for (size_t x = 0; x < r->mx; x++) {
			double v = k.w > 0 && k.w < 1 ? (1 - k.w) * a[x] + k.w * b[x]
				   : k.w > 0          ? b[x]
						      : a[x];
			to[x] = (float)v;
			r->filled[z] += !in[x];
		}
	}
out:
	free(a);
	free(b);
	free(room);
	free(in);
	return st;
}

/* All new slices in order. Old ones that no later one needs are let go: so the memory of both grids
 * is hardly more than that of the larger. */
static enum sm_status new_slices(struct regrid *r, size_t n, int jobs, struct sm_err *err)
{
	size_t slice = r->nx * r->ny * sm_dtype_size(r->from->dtype), gone = 0;
	size_t most = SLAB * (size_t)(jobs < 1 ? 1 : jobs);
	for (r->slab = 0; r->slab < n; r->slab += most) {
		size_t needed = between_of(r, r->slab).below;
		sm_let_go((const char *)r->from->data + gone * slice, (needed - gone) * slice);
		gone = needed;
		SM_TRY(sm_par_for(n - r->slab < most ? n - r->slab : most, jobs, new_slice, r,
				  err));
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
			       const struct sm_dcm_frame *const *frames, struct sm_mem *mem,
			       int jobs, struct sm_err *err)
{
	struct sm_vol made = {0};
	size_t nz = (size_t)v->vol.dim[2], bad;
	double min, max;
	struct regrid r = {
		.from = &v->vol,
		.nx = (size_t)v->vol.dim[0],
		.ny = (size_t)v->vol.dim[1],
		.nz = nz,
		.along = calloc(nz, sizeof(double)),
		.shift = calloc(nz, 2 * sizeof(double)),
	};
	enum sm_status st = SM_OK;
	if (!r.along || !r.shift)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory"));
	/* Whole numbers become real ones row by row: as float32 they would take twice the
	 * memory. */
	if (v->vol.dtype == SM_F32)
		SM_GOTO(st, sm_vol_to_f32(&v->vol, mem, jobs, err));
	SM_GOTO(st, sm_vol_fits_f32(&v->vol, err));
	lay_out(&r, stack, frames);
	sm_vol_range(&v->vol, &min, &max, &bad);
	r.fill = (float)min;
	/* Also keeps hostile positions from making a grid of nothing. */
	if ((double)r.mx * (double)r.my * (double)r.mz >
	    GROWTH * (double)r.nx * (double)r.ny * (double)r.nz)
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT,
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
	SM_GOTO(st, new_slices(&r, r.mz * times, jobs, err));
	made.meaning = v->vol.meaning;
	made.frame_seconds = v->vol.frame_seconds;
	set_affine(&made, &r, stack);
	sm_vol_clear(&v->vol);
	v->vol = made;
	made = (struct sm_vol){0};
	v->regridded = true;
	v->grid_mm = r.gap;
	v->fill = (double)r.fill;
	for (size_t z = 0; z < r.mz * times; z++)
		v->filled += r.filled[z];
out:
	sm_vol_clear(&made);
	free(r.along);
	free(r.shift);
	free(r.filled);
	return st;
}
