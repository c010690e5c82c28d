/* SPDX-License-Identifier: Apache-2.0
 *
 * normalise: intensities of each channel to a common scale.
 *	min_max     low + (high - low) * (x - min) / (max - min)
 *	percentile  the same with two percentiles in place of min and max, clipped when `clip`
 *	zscore      (x - mean) / std, std with divisor n
 * Statistics come from the whole volume, from each z slice by itself, from the mask, or from voxels
 * that are not 0. With the last two, voxels outside become what a constant region becomes: `low`,
 * and 0 for zscore. Sums run in double in a fixed order, percentiles are exact
 * (preprocess/quantile.h).
 */
#include <math.h>
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/case.h"
#include "preprocess/op_table.h"
#include "preprocess/quantile.h"

struct normalise {
	int method, scope;
	struct sm_floats range, percentiles;
	bool clip;
};
enum { MIN_MAX, PERCENTILE, ZSCORE };
enum { VOLUME, SLICE, MASK, NONZERO };

#define AT(member) .offset = offsetof(struct normalise, member)
static const struct sm_field fields[] = {
	{"method", SM_F_CHOICE, AT(method), "min_max", .choices = "min_max|percentile|zscore",
	 .doc = "formula"},
	{"scope", SM_F_CHOICE, AT(scope), "volume", .choices = "volume|slice|mask|nonzero",
	 .doc = "voxels that the statistics come from, per channel"},
	{"range", SM_F_FLOATS, AT(range), "0 1", -1e6, 1e6, .count = 2,
	 .doc = "low and high end: [0,1], [0,255], [-1,1], ...; not for zscore"},
	{"percentiles", SM_F_FLOATS, AT(percentiles), "0.5 99.5", 0, 100, .count = 2,
	 .doc = "percentiles at the low and high end, for method percentile"},
	{"clip", SM_F_BOOL, AT(clip), "true",
	 .doc = "values outside the range become its ends; not for zscore"},
};
const struct sm_fieldset sm_op_normalise_fields =
	SM_FIELDSET("normalise", struct normalise, fields, "intensity scale");

struct stats {
	size_t kept;
	double a, b; /* min and max, two percentiles, or mean and std */
	bool flat;   /* all kept values are equal, or b - a is 0 */
};

struct job {
	const struct normalise *p;
	const struct sm_block *blocks;
	const uint8_t *mask;
	struct sm_mem *mem;
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
	s->flat = s->a == s->b;
	if (s->flat)
		return;
	if (p->method == PERCENTILE) {
		s->a = sm_percentile_f32(v, keep, n, s->kept, p->percentiles.v[0]);
		s->b = sm_percentile_f32(v, keep, n, s->kept, p->percentiles.v[1]);
		s->flat = s->a == s->b;
	} else if (p->method == ZSCORE) {
		mean_std(v, keep, n, s);
	}
}

static void apply(const struct normalise *p, float *v, const uint8_t *keep, size_t n,
		  const struct stats *s)
{
	double low = p->method == ZSCORE ? 0 : p->range.v[0];
	double high = p->method == ZSCORE ? 1 : p->range.v[1];
	double width = p->method == ZSCORE ? s->b : s->b - s->a;
	bool clip = p->clip && p->method != ZSCORE;
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

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	size_t plane = (size_t)(b->nx * b->ny), n = plane * (size_t)b->nz;
	uint8_t *own = NULL;
	const uint8_t *keep = job->p->scope == MASK ? job->mask : NULL;
	if (job->p->scope == SLICE) {
		for (int64_t z = 0; z < b->nz; z++) {
			measure(job->p, b->v + (size_t)z * plane, NULL, plane, &job->stats[i]);
			apply(job->p, b->v + (size_t)z * plane, NULL, plane, &job->stats[i]);
		}
		return SM_OK;
	}
	if (job->p->scope == NONZERO) {
		own = sm_alloc(job->mem, n, 1, "foreground of a volume", err);
		if (!own)
			return SM_BUDGET;
		for (size_t k = 0; k < n; k++)
			own[k] = b->v[k] != 0;
		keep = own;
	}
	measure(job->p, b->v, keep, n, &job->stats[i]);
	apply(job->p, b->v, keep, n, &job->stats[i]);
	sm_free(own);
	return SM_OK;
}

static enum sm_status check(const struct sm_case *c, const struct normalise *p, struct sm_err *err)
{
	if (p->range.v[0] >= p->range.v[1])
		return SM_FAIL(err, SM_USAGE, "%s: range is %g to %g, allowed is low < high",
			       c->key, p->range.v[0], p->range.v[1]);
	if (p->method == PERCENTILE && p->percentiles.v[0] >= p->percentiles.v[1])
		return SM_FAIL(err, SM_USAGE,
			       "%s: percentiles are %g and %g, allowed is low < high", c->key,
			       p->percentiles.v[0], p->percentiles.v[1]);
	if (p->scope != MASK)
		return SM_OK;
	if (!c->mask.data)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: scope is mask, but the case has none (remove_background makes one)",
			c->key);
	for (size_t i = 0; !c->stacked && i < c->count; i++)
		if (c->vols[i].vol.dim[3] != 1)
			return SM_FAIL(err, SM_INPUT, "%s: %s has %lld frames, scope mask allows 1",
				       c->key, c->vols[i].role, (long long)c->vols[i].vol.dim[3]);
	return sm_case_one_size(c, err);
}

/* What the statistics were, so that the scale can be undone. */
static void note(struct sm_case *c, const struct job *job, size_t n)
{
	json_t *all = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new(all, job->blocks[i].name,
				    json_pack("[ff]", job->stats[i].a, job->stats[i].b));
	sm_case_fact(c, "normalise",
		     json_pack("{s:s, s:o}", "stats",
			       job->p->method == ZSCORE ? "mean, std" : "low, high", "channels",
			       all));
}

enum sm_status sm_op_normalise(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct sm_block *blocks = NULL;
	size_t n = 0;
	struct job job = {.p = params, .mask = c->mask.data, .mem = c->mem};
	SM_TRY(check(c, params, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	if (st == SM_OK && !(job.stats = calloc(n, sizeof *job.stats)))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	if (st == SM_OK && job.p->scope != SLICE)
		note(c, &job, n);
	for (size_t i = 0; i < c->count; i++)
		c->vols[i].vol.meaning = SM_MEANING_ARBITRARY;
	free(job.stats);
	free(blocks);
	return st;
}
