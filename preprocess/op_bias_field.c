/* SPDX-License-Identifier: Apache-2.0
 *
 * bias_field: the slow shading of MR images, by N4 (N. J. Tustison and others, IEEE TMI 29, 2010).
 * With v = log of the intensity inside the mask and the field f = 0 to begin with, on each level
 * again and again:
 *	u = v - f
 *	e = E(true intensity | u) from the sharpened histogram (op_bias_field_sharpen.c)
 *	f = f + B-spline approximation of u - e (one level of Lee's, bspline.c)
 * until the coefficient of variation of exp(f - f before) inside the mask is at most `convergence`;
 * then the mesh is refined to twice the cells. In the end x becomes x / exp(f) everywhere.
 *
 * f is estimated on every shrink-th voxel along each axis. The mask is the case's, or what is above
 * Otsu's threshold; voxels that are not above 0 do not count. Unlike ITK's, the field has mean 0
 * inside the mask, so that intensities keep their scale, and the shrunk grid keeps its place within
 * the whole one. Channels and frames one by one.
 */
#include "preprocess/op_bias_field.h"

#include <math.h>
#include <string.h>

#include "core/par.h"
#include "core/vol.h"
#include "preprocess/bspline.h"
#include "preprocess/case.h"
#include "core/elementary.h"
#include "preprocess/grid.h"
#include "preprocess/op_table.h"
#include "preprocess/threshold.h"

struct bias_field {
	int64_t shrink, levels, iterations, bins;
	struct sm_ints mesh;
	double convergence, fwhm, noise;
};

#define AT(member) .offset = offsetof(struct bias_field, member)
static const struct sm_field fields[] = {
	{"shrink", SM_F_INT, AT(shrink), "4", 1, 32,
	 .doc = "estimate on every so-manieth voxel along each axis"},
	{"levels", SM_F_INT, AT(levels), "4", 1, 8,
	 .doc = "meshes, each twice as fine as the last"},
	{"iterations", SM_F_INT, AT(iterations), "50", 1, 1000, .doc = "most on each level"},
	{"convergence", SM_F_FLOAT, AT(convergence), "0.001", 0, 1,
	 .doc = "a level ends when the field changes by less (coefficient of variation)"},
	{"mesh", SM_F_INTS, AT(mesh), "1 1 1", 1, 64, .count = 3,
	 .doc = "B-spline cells along x y z on the first level"},
	{"fwhm", SM_F_FLOAT, AT(fwhm), "0.15", 1e-3, 10,
	 .doc = "full width at half maximum of the field's spread, in log intensity"},
	{"noise", SM_F_FLOAT, AT(noise), "0.01", 1e-9, 10, .doc = "noise of Wiener's filter"},
	{"bins", SM_F_INT, AT(bins), "200", 16, SM_SHARPEN_BINS_MAX,
	 .doc = "bins of the histogram"},
};
const struct sm_fieldset sm_op_bias_field_fields =
	SM_FIELDSET("bias_field", struct bias_field, fields, "slow shading removed");

enum sm_status sm_op_bias_field_check(const void *params, struct sm_err *err)
{
	const struct bias_field *p = params;
	for (int a = 0; a < 3; a++)
		if (p->mesh.v[a] << (p->levels - 1) > SM_MESH_MAX)
			return SM_FAIL(
				err, SM_USAGE,
				"mesh: %lld cells along %c and %lld levels make more than %d cells",
				(long long)p->mesh.v[a], "xyz"[a], (long long)p -> levels,
				SM_MESH_MAX);
	return SM_OK;
}

struct work {
	const struct bias_field *p;
	struct sm_mem *mem;
	int jobs;
	int64_t n[3], first[3], step[3], whole[3]; /* shrunk grid within the whole one */
	size_t count;
	float *v, *u, *field,
		*change; /* log intensity; without the field; the field; u - e, next field */
	uint8_t *mask;
	struct sm_sharpen sharpen;
	struct sm_lattice lattice;
	struct sm_bspline_axis axis[3];
	int64_t iterations[8];
	double last_change;
};

static void clear(struct work *w)
{
	sm_free(w->v);
	sm_free(w->mask);
	sm_lattice_clear(&w->lattice);
	for (int a = 0; a < 3; a++)
		sm_bspline_axis_clear(&w->axis[a]);
}

/* The shrunk log image and its mask. */
static enum sm_status shrink(struct work *w, const float *x, const uint8_t *mask, double threshold,
			     struct sm_err *err)
{
	w->count = 1;
	for (int a = 0; a < 3; a++) {
		w->step[a] = w->p->shrink < w->whole[a] ? w->p->shrink : w->whole[a];
		w->n[a] = w->whole[a] / w->step[a];
		w->first[a] = (w->whole[a] - 1 - (w->n[a] - 1) * w->step[a]) / 2;
		w->count *= (size_t)w->n[a];
	}
	w->v = sm_alloc(w->mem, w->count * 4, sizeof *w->v, "log image", err);
	w->mask = w->v ? sm_alloc(w->mem, w->count, 1, "mask", err) : NULL;
	if (!w->mask)
		return SM_BUDGET;
	w->u = w->v + w->count;
	w->field = w->u + w->count;
	w->change = w->field + w->count;
	memset(w->field, 0, w->count * sizeof *w->field);
	for (size_t i = 0; i < w->count; i++) {
		int64_t at[3] = {(int64_t)i % w->n[0], (int64_t)i / w->n[0] % w->n[1],
				 (int64_t)i / w->n[0] / w->n[1]};
		for (int a = 0; a < 3; a++)
			at[a] = w->first[a] + at[a] * w->step[a];
		int64_t from = (at[2] * w->whole[1] + at[1]) * w->whole[0] + at[0];
		w->mask[i] = (mask ? mask[from] != 0 : (double)x[from] > threshold) && x[from] > 0;
		w->v[i] = w->mask[i] ? (float)sm_log((double)x[from]) : 0;
	}
	return SM_OK;
}

static enum sm_status axes(struct work *w, struct sm_err *err)
{
	for (int a = 0; a < 3; a++) {
		sm_bspline_axis_clear(&w->axis[a]);
		SM_TRY(sm_bspline_axis_init(&w->axis[a], w->n[a], (double)w->first[a],
					    (double)w->step[a], (double)(w->whole[a] - 1),
					    w->lattice.mesh[a], w->mem, err));
	}
	return SM_OK;
}

/* Coefficient of variation of exp(new - old) inside the mask. */
static double variation(const struct work *w, const float *now)
{
	double n = 0, mean = 0, spread = 0;
	for (size_t i = 0; i < w->count; i++)
		if (w->mask[i]) {
			double e = sm_exp((double)now[i] - (double)w->field[i]), gap = e - mean;
			n++;
			mean += gap / n;
			spread += gap * (e - mean);
		}
	return n > 1 ? sqrt(spread / (n - 1)) / mean : 0;
}

struct planes {
	struct work *w;
	float *out;
};

static enum sm_status evaluate_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct planes *p = ctx;
	(void)err;
	sm_lattice_evaluate(&p->w->lattice, p->w->axis, (int64_t)z, (int64_t)z + 1, p->out);
	return SM_OK;
}

static enum sm_status one_plane_residual(void *ctx, size_t z, struct sm_err *err)
{
	struct work *w = ctx;
	const size_t size = (size_t)(w->n[0] * w->n[1]);
	(void)err;
	for (size_t i = z * size; i < (z + 1) * size; i++)
		w->change[i] = w->mask[i] ? (float)((double)w->u[i] -
						    sm_sharpen_at(&w->sharpen, (double)w->u[i]))
					  : 0;
	return SM_OK;
}

/* One round; *done when the field stands still. */
static enum sm_status iterate(struct work *w, bool *done, struct sm_err *err)
{
	struct planes planes = {.w = w, .out = w->change};
	struct sm_lattice update;
	enum sm_status st;
	for (size_t i = 0; i < w->count; i++)
		w->u[i] = w->v[i] - w->field[i];
	*done = sm_sharpen_make(&w->sharpen, w->u, w->mask, w->count, (int)w->p->bins, w->p->fwhm,
				w->p->noise) != 0;
	if (*done)
		return SM_OK;
	SM_TRY(sm_par_for((size_t)w->n[2], w->jobs, one_plane_residual, w, err));
	SM_GOTO(st, sm_lattice_init(&update, w->lattice.mesh, w->mem, err));
	SM_GOTO(st, sm_lattice_fit(&update, w->axis, w->change, w->mask, w->mem, w->jobs, err));
	for (int64_t i = 0; i < update.points[0] * update.points[1] * update.points[2]; i++)
		w->lattice.c[i] += update.c[i];
	SM_GOTO(st, sm_par_for((size_t)w->n[2], w->jobs, evaluate_plane, &planes, err));
	w->last_change = variation(w, w->change);
	memcpy(w->field, w->change, w->count * sizeof *w->field);
	*done = w->last_change <= w->p->convergence;
out:
	sm_lattice_clear(&update);
	return st;
}

static enum sm_status estimate(struct work *w, struct sm_err *err)
{
	SM_TRY(sm_lattice_init(&w->lattice, w->p->mesh.v, w->mem, err));
	for (int64_t level = 0; level < w->p->levels; level++) {
		bool done = false;
		if (level)
			SM_TRY(sm_lattice_refine(&w->lattice, w->mem, err));
		SM_TRY(axes(w, err));
		for (int64_t i = 0; i < w->p->iterations && !done; i++) {
			SM_TRY(iterate(w, &done, err));
			w->iterations[level]++;
		}
	}
	return SM_OK;
}

struct divide {
	const struct work *w;
	float *x;
	double mean;
};

static enum sm_status divide_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct divide *d = ctx;
	const size_t size = (size_t)(d->w->whole[0] * d->w->whole[1]);
	float *x = d->x + z * size;
	float *field = sm_alloc(d->w->mem, size, sizeof *field, "bias field of a plane", err);
	struct sm_bspline_axis axis[3] = {d->w->axis[0], d->w->axis[1], d->w->axis[2]};
	if (!field)
		return SM_BUDGET;
	axis[2].cell += z;
	axis[2].w += 4 * z;
	sm_lattice_evaluate(&d->w->lattice, axis, 0, 1, field);
	for (size_t i = 0; i < size; i++)
		x[i] = (float)((double)x[i] * sm_exp(d->mean - (double)field[i]));
	sm_free(field);
	return SM_OK;
}

/* The field on the whole grid, taken off; what is noted of it goes to *fact. */
static enum sm_status take_off(struct work *w, float *x, json_t **fact, struct sm_err *err)
{
	struct divide d = {.w = w, .x = x};
	double n = 0, lo = 0, hi = 0, sum = 0;
	for (size_t i = 0; i < w->count; i++)
		if (w->mask[i]) {
			double f = (double)w->field[i];
			lo = n == 0 || f < lo ? f : lo;
			hi = n == 0 || f > hi ? f : hi;
			sum += f;
			n++;
		}
	d.mean = sum / n;
	json_t *rounds = json_array();
	for (int64_t i = 0; i < w->p->levels; i++)
		json_array_append_new(rounds, json_integer(w->iterations[i]));
	*fact = json_pack("{s:o, s:f, s:f, s:f}", "iterations", rounds, "change", w->last_change,
			  "least", sm_exp(lo - d.mean), "most", sm_exp(hi - d.mean));
	for (int a = 0; a < 3; a++) {
		w->n[a] = w->whole[a];
		w->first[a] = 0;
		w->step[a] = 1;
	}
	SM_TRY(axes(w, err));
	return sm_par_for((size_t)w->whole[2], w->jobs, divide_plane, &d, err);
}

static enum sm_status one_frame(struct work *w, float *x, const uint8_t *mask, json_t **fact,
				struct sm_err *err)
{
	const size_t count = (size_t)(w->whole[0] * w->whole[1] * w->whole[2]);
	double lo, hi;
	size_t inside = 0;
	sm_value_range(x, count, &lo, &hi);
	if (lo == hi)
		return SM_FAIL(err, SM_INPUT, "is %g everywhere: there is no field to see", lo);
	SM_TRY(shrink(w, x, mask, mask ? 0 : sm_threshold_otsu(x, count, lo, hi), err));
	for (size_t i = 0; i < w->count; i++)
		inside += w->mask[i];
	if (inside < 8)
		return SM_FAIL(
			err, SM_INPUT,
			"found %zu voxels above 0 inside the mask of the shrunk grid, needed are 8",
			inside);
	SM_TRY(estimate(w, err));
	return take_off(w, x, fact, err);
}

enum sm_status sm_op_bias_field(struct sm_case *c, const void *params, struct sm_err *err)
{
	SM_TRY(sm_op_bias_field_check(params, err));
	for (size_t i = 0; i < c->count; i++) {
		struct sm_vol *v = &c->vols[i].vol;
		bool masked = c->mask.data && sm_case_same_grid(c, &c->mask, v);
		SM_TRY(sm_vol_to_f32(v, c->mem, c->jobs, err));
		for (int64_t t = 0; t < v->dim[3]; t++) {
			struct work *w = sm_calloc(c->mem, 1, sizeof *w, "bias field", err);
			json_t *fact = NULL;
			if (!w)
				return SM_BUDGET;
			w->p = params;
			w->mem = c->mem;
			w->jobs = c->jobs;
			memcpy(w->whole, v->dim, sizeof w->whole);
			float *x = (float *)v->data + (size_t)t * sm_vol_frame_count(v);
			enum sm_status st =
				one_frame(w, x, masked ? c->mask.data : NULL, &fact, err);
			clear(w);
			sm_free(w);
			const char *name = c->stacked ? c->channels[t] : c->vols[i].role;
			if (st != SM_OK) {
				json_decref(fact);
				return sm_err_prefix(err, "%s: %s", c->key, name);
			}
			json_object_set_new(fact, "volume", json_string(name));
			sm_case_fact(c, "bias_field", fact);
		}
	}
	return SM_OK;
}
