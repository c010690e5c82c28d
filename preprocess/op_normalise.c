/* SPDX-License-Identifier: Apache-2.0
 *
 * normalise: intensities of each channel to a common scale, with statistics of the volume.
 *	min_max     low + (high - low) * (x - min) / (max - min)
 *	percentile  the same with two percentiles in place of min and max, clipped when `clip`
 *	max         high * x / max (MedCycleGAN's MR, UNet-2D's X)
 *	clip        x held between the two percentiles, scale unchanged
 *	zscore      (x - mean) / std, std with divisor n
 * Statistics come from the whole volume, from each z slice by itself (the original's PET: min_max
 * or max, slice, [0, 255]), from the mask, from voxels that are not 0, or from those above the
 * mean. With the last three, voxels outside become what a constant region becomes, or go by the
 * same formula (`outside`). A constant region becomes `low` (min_max, percentile), 0 (zscore),
 * stays as it is (clip), or rejects the case (`constant`); for max only max <= 0 is one, and
 *becomes 0. Sums run in double in a fixed order, percentiles are exact (preprocess/quantile.h) and
 *those of Hyndman and Fan 1996, type 7, as numpy's. Slices of tiles are normalised by the tile
 *stage (tile.standardise: slice, core/standardise.h), since predict must do the same to its
 *windows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/op_table.h"
#include "preprocess/quantile.h"
#include "preprocess/scope.h"

struct normalise {
	int method, scope, outside, constant;
	struct sm_floats range, percentiles;
	struct sm_strings roles;
	bool clip;
};
enum { MIN_MAX, PERCENTILE, ZSCORE, MAX, CLIP };
enum { VOLUME, SLICE, MASK, NONZERO, ABOVE_MEAN };
enum { FILL, SCALE };
enum { KEEP, REJECT };

#define AT(member) .offset = offsetof(struct normalise, member)
static const struct sm_field fields[] = {
	{"method", SM_F_CHOICE, AT(method), "min_max",
	 .choices = "min_max|percentile|zscore|max|clip", .doc = "formula"},
	{"scope", SM_F_CHOICE, AT(scope), "volume",
	 .choices = "volume|slice|mask|nonzero|above_mean",
	 .doc = "voxels that the statistics come from, per channel"},
	{"range", SM_F_FLOATS, AT(range), "0 1", -1e6, 1e6, .count = 2,
	 .doc = "low and high end: [0,1], [0,255], [-1,1], ...; max takes the high one, zscore "
		"and clip none",
	 .only = "method min_max|percentile|max"},
	{"percentiles", SM_F_FLOATS, AT(percentiles), "0.5 99.5", 0, 100, .count = 2,
	 .doc = "percentiles at the low and high end, for methods percentile and clip",
	 .only = "method percentile|clip"},
	{"clip", SM_F_BOOL, AT(clip), "true",
	 .doc = "method percentile, and min_max with outside scale: values outside the range "
		"become "
		"its ends",
	 .only = "method min_max|percentile"},
	{"outside", SM_F_CHOICE, AT(outside), "fill", .choices = "fill|scale",
	 .doc = "voxels outside the scope: what a constant region becomes, or the same formula",
	 .only = "scope mask|nonzero|above_mean"},
	{"constant", SM_F_CHOICE, AT(constant), "keep", .choices = "keep|reject",
	 .doc = "a region without contrast: takes the documented value, or rejects the case"},
	{"roles", SM_F_STRINGS, AT(roles), .doc = "volumes or channels to work on; absent = all"},
};
const struct sm_fieldset sm_op_normalise_fields =
	SM_FIELDSET("normalise", struct normalise, fields, "intensity scale");

enum sm_status sm_op_normalise_check(const void *params, struct sm_err *err)
{
	const struct normalise *p = params;
	bool percentiles = p->method == PERCENTILE || p->method == CLIP;
	if (p->method != ZSCORE && p->method != CLIP && p->range.v[0] >= p->range.v[1])
		return SM_FAIL(err, SM_USAGE, "range is %g to %g, allowed is low < high",
			       p->range.v[0], p->range.v[1]);
	if (p->method == MAX && p->range.v[0] != 0)
		return SM_FAIL(
			err, SM_USAGE,
			"range is %g to %g, but method max is high * x / max: allowed low is 0",
			p->range.v[0], p->range.v[1]);
	if (percentiles && p->percentiles.v[0] >= p->percentiles.v[1])
		return SM_FAIL(err, SM_USAGE, "percentiles are %g and %g, allowed is low < high",
			       p->percentiles.v[0], p->percentiles.v[1]);
	return SM_OK;
}

struct stats {
	size_t kept;
	double a, b; /* min and max, two percentiles, or mean and std */
	bool flat;   /* all kept values are equal, or b - a is 0, or the maximum is not positive */
};

struct job {
	const struct normalise *p;
	const struct sm_case *c;
	const struct sm_block *blocks;
	struct stats *stats; /* of each block; of the last slice for scope slice */
};

static void min_max(const float *v, const uint8_t *keep, size_t n, struct stats *s)
{
	double lo = 0, hi = 0;
	s->kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (keep && !keep[i])
			continue;
		double x = (double)v[i];
		lo = !s->kept || x < lo ? x : lo;
		hi = !s->kept || x > hi ? x : hi;
		s->kept++;
	}
	s->a = lo;
	s->b = hi;
}

static void mean_std(const float *v, const uint8_t *keep, size_t n, struct stats *s)
{
	double sum = 0, squares = 0;
	for (size_t i = 0; i < n; i++)
		if (!keep || keep[i])
			sum += (double)v[i];
	double mean = sum / (double)s->kept;
	for (size_t i = 0; i < n; i++)
		if (!keep || keep[i])
			squares += ((double)v[i] - mean) * ((double)v[i] - mean);
	s->a = mean;
	s->b = sqrt(squares / (double)s->kept);
}

static void measure(const struct normalise *p, const float *v, const uint8_t *keep, size_t n,
		    struct stats *s)
{
	min_max(v, keep, n, s);
	/* Decided on the values: rounding of a mean must not turn a constant region into noise. */
	s->flat = p->method == MAX ? s->b <= 0 : s->a == s->b;
	if (s->flat)
		return;
	if (p->method == PERCENTILE || p->method == CLIP) {
		s->a = sm_percentile_f32(v, keep, n, s->kept, p->percentiles.v[0]);
		s->b = sm_percentile_f32(v, keep, n, s->kept, p->percentiles.v[1]);
		s->flat = s->a == s->b;
	} else if (p->method == ZSCORE) {
		mean_std(v, keep, n, s);
		s->flat = s->b == 0; /* squares below the smallest double */
	} else if (p->method == MAX) {
		s->a = 0;
	}
}

static void apply(const struct normalise *p, float *v, const uint8_t *keep, size_t n,
		  const struct stats *s)
{
	double low = p->method == ZSCORE || p->method == MAX ? 0 : p->range.v[0];
	double high = p->method == ZSCORE ? 1 : p->range.v[1];
	double width = p->method == ZSCORE ? s->b : s->b - s->a;
	bool clip = p->clip && (p->method == PERCENTILE || p->method == MIN_MAX);
	if (p->outside == SCALE)
		keep = NULL;
	if (p->method == CLIP) {
		for (size_t i = 0; s->kept && i < n; i++) {
			double x = (double)v[i];
			v[i] = keep && !keep[i] ? v[i]
						: (float)(x < s->a   ? s->a
							  : x > s->b ? s->b
								     : x);
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (s->flat || (keep && !keep[i])) {
			v[i] = (float)low;
			continue;
		}
		double u = ((double)v[i] - s->a) / width;
		if (clip)
			u = u < 0 ? 0 : u > 1 ? 1 : u;
		v[i] = (float)(low + (high - low) * u);
	}
}

/* A whole block, or one of its slices (z >= 0). */
static enum sm_status region(const struct job *job, const struct sm_block *b, float *v,
			     const uint8_t *keep, size_t n, int64_t z, struct stats *s,
			     struct sm_err *err)
{
	char slice[40] = "";
	measure(job->p, v, keep, n, s);
	if (s->flat && job->p->constant == REJECT) {
		if (z >= 0)
			snprintf(slice, sizeof slice, "slice %lld of ", (long long)z);
		if (!s->kept)
			return SM_FAIL(err, SM_INPUT, "%s: no voxel of %s lies in the scope",
				       job->c->key, b->name);
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s%s has no contrast in the scope (%zu voxels, %g to %g), and "
			       "constant is reject",
			       job->c->key, slice, b->name, s->kept, s->a, s->b);
	}
	apply(job->p, v, keep, n, s);
	return SM_OK;
}

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	static const enum sm_scope scopes[] = {SM_SCOPE_VOLUME, SM_SCOPE_VOLUME, SM_SCOPE_MASK,
					       SM_SCOPE_NONZERO, SM_SCOPE_ABOVE_MEAN};
	struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	size_t plane = (size_t)(b->nx * b->ny);
	struct sm_kept kept;
	if (!sm_roles_hold(&job->p->roles, b->name))
		return SM_OK;
	for (int64_t z = 0; job->p->scope == SLICE && z < b->nz; z++)
		SM_TRY(region(job, b, b->v + (size_t)z * plane, NULL, plane, z, &job->stats[i],
			      err));
	if (job->p->scope == SLICE)
		return SM_OK;
	SM_TRY(sm_scope_keep(job->c, b, scopes[job->p->scope], &kept, err));
	enum sm_status st =
		region(job, b, b->v, kept.keep, sm_block_count(b), -1, &job->stats[i], err);
	sm_kept_clear(&kept);
	return st;
}

/* What the statistics were, so that the scale can be undone. */
static void note(struct sm_case *c, const struct job *job, size_t n)
{
	static const char *const names[] = {"low, high", "low, high", "mean, std", "0, maximum",
					    "low, high"};
	json_t *all = json_object();
	for (size_t i = 0; i < n; i++)
		if (sm_roles_hold(&job->p->roles, job->blocks[i].name))
			json_object_set_new(all, job->blocks[i].name,
					    json_pack("[ff]", job->stats[i].a, job->stats[i].b));
	sm_case_fact(c, "normalise",
		     json_pack("{s:s, s:o}", "stats", names[job->p->method], "channels", all));
}

enum sm_status sm_op_normalise(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct sm_block *blocks = NULL;
	size_t n = 0;
	struct job job = {.p = params, .c = c};
	SM_TRY(sm_op_normalise_check(params, err));
	SM_TRY(sm_scope_check(c, job.p->scope == MASK ? SM_SCOPE_MASK : SM_SCOPE_VOLUME, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	if (st == SM_OK)
		st = sm_roles_check(c, &job.p->roles, blocks, n, err);
	if (st == SM_OK && !(job.stats = calloc(n, sizeof *job.stats)))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	if (st == SM_OK && job.p->scope != SLICE)
		note(c, &job, n);
	if (job.p->method != CLIP)
		sm_case_rescaled(c, &job.p->roles, NULL);
	free(job.stats);
	free(blocks);
	return st;
}
