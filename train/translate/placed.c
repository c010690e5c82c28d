/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/placed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"

/* Voxels: what an index is off a whole number by rounding. */
#define SLACK 1e-6

enum sm_status sm_placing_read(const json_t *record, const char *key, const char *role,
			       struct sm_placing *p, struct sm_err *err)
{
	const json_t *grids = json_object_get(record, "grids"), *own = json_object_get(grids, role);
	const json_t *grid = grids ? own : json_object_get(record, "source_grid");
	double affine[16], way[16];
	if (!sm_json_get_ints(grid, "dim", p->dim, 3) ||
	    !sm_json_get_floats(grid, "affine", affine, 16) ||
	    !sm_json_get_floats(grids ? own : record, "way", way, 16))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its record lacks the grid of %s or the way from it: run "
			       "preprocess again",
			       key, role);
	for (int i = 0; i < 16; i++)
		if (!(fabs(way[i]) <= INT32_MAX) || !isfinite(affine[i]) ||
		    (i < 3 && (p->dim[i] < 1 || p->dim[i] > INT32_MAX)))
			return SM_FAIL(err, SM_INPUT,
				       "%s: the grid of %s in its record, or the way from it, is "
				       "out of range",
				       key, role);
	memcpy(p->affine, affine, sizeof affine);
	memcpy(p->way, way, sizeof way);
	return SM_OK;
}

bool sm_placing_is_identity(const struct sm_placing *p)
{
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			if (fabs(p->way[r][c] - (r == c)) > SLACK)
				return false;
	return memcmp(p->dim, p->made->dim, sizeof p->dim) == 0;
}

void sm_placed_clear(struct sm_placed *placed)
{
	free(placed->kind);
	*placed = (struct sm_placed){0};
}

/* ---- one voxel ------------------------------------------------------------------------------- */

/* Where the eight voxels around a place are, and how much of each. */
struct around {
	int64_t low[3];
	double f[3]; /* share of the one above */
};

/* False beyond the volume. */
static bool bracket(int64_t n, double at, int64_t *low, double *f)
{
	double last = (double)(n - 1), near = floor(at + 0.5);
	if (!(at >= -0.5 - SLACK && at <= last + 0.5 + SLACK))
		return false;
	if (fabs(at - near) <= SLACK)
		at = near;
	at = at < 0 ? 0 : at > last ? last : at;
	*low = (int64_t)at;
	*f = at - (double)*low;
	return true;
}

/* Leaves slices out that nobody made; false when the nearer one is such. */
static bool made_here(const struct sm_placing *p, struct around *a)
{
	int64_t *low = &a->low[p->normal];
	double *f = &a->f[p->normal];
	bool here = p->kind[*low] != SM_MADE_NOT,
	     above = *f > 0 ? p->kind[*low + 1] != SM_MADE_NOT : here;
	if (here && above)
		return true;
	if (here ? *f > 0.5 : !above || *f < 0.5)
		return false;
	*low += here ? 0 : 1;
	*f = 0;
	return true;
}

static uint8_t kind_of(const struct sm_placing *p, const struct around *a)
{
	int64_t low = a->low[p->normal];
	bool above = a->f[p->normal] > 0 && p->kind[low + 1] == SM_MADE_PREDICTED;
	return above ? SM_MADE_PREDICTED : p->kind[low];
}

static float value(const struct sm_vol *v, const float *frame, const struct around *a)
{
	const size_t step[3] = {1, (size_t)v->dim[0], (size_t)v->dim[0] * (size_t)v->dim[1]};
	size_t at = 0;
	double sum = 0;
	for (int k = 0; k < 3; k++)
		at += (size_t)a->low[k] * step[k];
	if (a->f[0] == 0 && a->f[1] == 0 && a->f[2] == 0)
		return frame[at];
	for (int i = 0; i < 8; i++) {
		double w = 1;
		size_t here = at;
		for (int k = 0; k < 3; k++) {
			w *= i >> k & 1 ? a->f[k] : 1 - a->f[k];
			here += i >> k & 1 ? step[k] : 0;
		}
		if (w > 0)
			sum += w * (double)frame[here];
	}
	return (float)sum;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void place_row(const struct sm_placing *p, int64_t y, int64_t z, float *out,
		      struct sm_placed *placed)
{
	const size_t frame = sm_vol_frame_count(p->made),
		     own = (size_t)p->dim[0] * (size_t)p->dim[1] * (size_t)p->dim[2],
		     row = (size_t)(z * p->dim[1] + y) * (size_t)p->dim[0];
	for (int64_t x = 0; x < p->dim[0]; x++) {
		const int64_t scan[3] = {x, y, z};
		struct around a;
		bool made = true;
		for (int k = 0; k < 3 && made; k++) {
			const double *m = p->way[k];
			double at = m[0] * (double)x + m[1] * (double)y + m[2] * (double)z + m[3];
			made = bracket(p->made->dim[k], at, &a.low[k], &a.f[k]);
		}
		made = made && made_here(p, &a);
		placed->outside += !made;
		uint8_t *kind = &placed->kind[scan[placed->axis]];
		if (made && *kind != SM_MADE_PREDICTED)
			*kind = kind_of(p, &a);
		for (int64_t c = 0; c < p->made->dim[3]; c++)
			out[(size_t)c * own + row + (size_t)x] =
				made ? value(p->made,
					     (const float *)p->made->data + (size_t)c * frame, &a)
				     : p->fill;
	}
}

enum sm_status sm_placing_run(const struct sm_placing *p, float *out, struct sm_placed *placed,
			      struct sm_err *err)
{
	*placed = (struct sm_placed){0};
	for (int a = 1; a < 3; a++)
		if (fabs(p->way[p->normal][a]) >= fabs(p->way[p->normal][placed->axis]))
			placed->axis = a;
	placed->kind = calloc((size_t)p->dim[placed->axis], 1);
	if (!placed->kind)
		return SM_FAIL(err, SM_BUDGET, "slices: out of memory");
	for (int64_t z = 0; z < p->dim[2]; z++) {
		for (int64_t y = 0; y < p->dim[1]; y++)
			place_row(p, y, z, out, placed);
		if (p->let_go && z % 16 == 15)
			p->let_go(p->ctx);
	}
	return SM_OK;
}
