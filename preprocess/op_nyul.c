/* SPDX-License-Identifier: Apache-2.0
 *
 * nyul: MR intensities to a standard scale. The landmarks m_k of a volume are percentiles of its
 * foreground; between two of them the line that brings them to s_k and s_k+1 of the standard scale,
 *	x -> s_k + (s_k+1 - s_k) * (x - m_k) / (m_k+1 - m_k)
 * and beyond the first and last the first and last line go on (`tails: extrapolate`) or end
 * (`clip`). The scale is learnt: each training volume's landmarks are brought to `range` by one
 *line through the first and last, then averaged; preprocess --learn prints it and it stands in the
 * manifest. L. G. Nyul and J. K. Udupa, Magn. Reson. Med. 42 (1999) 1072-1081; L. G. Nyul, J. K.
 * Udupa and X. Zhang, IEEE Trans. Med. Imaging 19 (2000) 143-150 (percentile landmarks, foreground
 * above the mean). Landmarks that coincide become one, at the mean of their places on the scale.
 */
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/learn.h"
#include "preprocess/quantile.h"

#define MAX_LANDMARKS 256

struct nyul {
	struct sm_learnable base;
	struct sm_floats percentiles, range;
	int tails, outside;
};
enum { EXTRAPOLATE, CLIP };
enum { SCALE, KEEP };

#define AT(member) .offset = offsetof(struct nyul, member)
static const struct sm_field fields[] = {
	{"scales", SM_F_LIST, AT(base.learnt), .of = &sm_learnt_fields,
	 .doc = "standard scale by volume or channel: a value a percentile"},
	{"percentiles", SM_F_FLOATS, AT(percentiles), "1 10 20 30 40 50 60 70 80 90 99", 0, 100,
	 .doc = "landmarks, rising"},
	{"range", SM_F_FLOATS, AT(range), "1 100", -1e6, 1e6, .count = 2,
	 .doc = "ends of the standard scale when it is learnt"},
	{"scope", SM_F_CHOICE, AT(base.scope), "above_mean", .choices = SM_SCOPE_CHOICES,
	 .doc = "voxels that the landmarks come from"},
	{"tails", SM_F_CHOICE, AT(tails), "extrapolate", .choices = "extrapolate|clip",
	 .doc = "values beyond the first and last landmark"},
	{"outside", SM_F_CHOICE, AT(outside), "scale", .choices = "scale|keep",
	 .doc = "voxels outside the scope: the same lines, or unchanged",
	 .only = "scope mask|nonzero|above_mean"},
	{"roles", SM_F_STRINGS, AT(base.roles),
	 .doc = "volumes or channels to work on; absent = all"},
};
const struct sm_fieldset sm_op_nyul_fields =
	SM_FIELDSET("nyul", struct nyul, fields, "standard scale of MR");

enum sm_status sm_op_nyul_check(const void *params, struct sm_err *err)
{
	const struct nyul *p = params;
	const struct sm_floats *at = &p->percentiles;
	if (at->n < 2 || at->n > MAX_LANDMARKS)
		return SM_FAIL(err, SM_USAGE, "percentiles lists %zu values, allowed are 2 to %d",
			       at->n, MAX_LANDMARKS);
	for (size_t i = 1; i < at->n; i++)
		if (at->v[i] <= at->v[i - 1])
			return SM_FAIL(err, SM_USAGE,
				       "percentiles lists %g behind %g, allowed are rising ones",
				       at->v[i], at->v[i - 1]);
	if (p->range.v[0] >= p->range.v[1])
		return SM_FAIL(err, SM_USAGE, "range is %g to %g, allowed is low < high",
			       p->range.v[0], p->range.v[1]);
	return sm_learnt_check(&p->base, "scales", at->n, err);
}

static size_t learn_points(const void *params)
{
	return ((const struct nyul *)params)->percentiles.n;
}

static enum sm_status measure(const void *params, const float *sorted, size_t kept, double *values,
			      struct sm_err *err)
{
	const struct nyul *p = params;
	size_t n = p->percentiles.n;
	for (size_t k = 0; k < n; k++)
		values[k] = sm_percentile_sorted(sorted, kept, p->percentiles.v[k]);
	double low = values[0], width = values[n - 1] - low;
	if (width <= 0)
		return SM_FAIL(err, SM_INPUT, "its first and last landmark are both %g", low);
	for (size_t k = 0; k < n; k++)
		values[k] = p->range.v[0] +
			    (p->range.v[1] - p->range.v[0]) * ((values[k] - low) / width);
	return SM_OK;
}

static enum sm_status ready(const void *params, struct sm_err *err)
{
	if (((const struct nyul *)params)->base.learnt.n)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "scales is missing (preprocess --learn prints the step with it)");
}

const struct sm_learner sm_nyul_learner = {.op = SM_OP_nyul,
					   .key = "scales",
					   .points = learn_points,
					   .ready = ready,
					   .measure = measure};

/* Landmarks that differ, and their places. */
struct lines {
	double at[MAX_LANDMARKS], to[MAX_LANDMARKS], slope[MAX_LANDMARKS];
	size_t n;
};

static void make_lines(struct lines *l, const struct nyul *p, const double *scale,
		       const float *sorted, size_t kept)
{
	size_t same = 0;
	l->n = 0;
	for (size_t k = 0; k < p->percentiles.n; k++) {
		double m = sm_percentile_sorted(sorted, kept, p->percentiles.v[k]);
		if (l->n && l->at[l->n - 1] == m) {
			same++;
			l->to[l->n - 1] += (scale[k] - l->to[l->n - 1]) / (double)(same + 1);
			continue;
		}
		same = 0;
		l->at[l->n] = m;
		l->to[l->n++] = scale[k];
	}
	for (size_t k = 0; k + 1 < l->n; k++)
		l->slope[k] = (l->to[k + 1] - l->to[k]) / (l->at[k + 1] - l->at[k]);
}

static void apply(float *v, const uint8_t *keep, size_t n, const struct lines *l, int tails)
{
	size_t last = l->n - 1;
	for (size_t i = 0; i < n; i++) {
		double x = (double)v[i];
		size_t k = 0;
		if (keep && !keep[i])
			continue;
		if (tails == CLIP)
			x = x < l->at[0] ? l->at[0] : x > l->at[last] ? l->at[last] : x;
		while (k + 1 < last && x > l->at[k + 1])
			k++;
		v[i] = (float)(l->slope[k] * (x - l->at[k]) + l->to[k]);
	}
}

struct job {
	const struct nyul *p;
	const struct sm_case *c;
	const struct sm_block *blocks;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct nyul *p = job->p;
	const struct sm_block *b = &job->blocks[i];
	const struct sm_floats *scale = sm_learnt_find(&p->base, b->name);
	size_t n = sm_block_count(b);
	struct sm_kept kept;
	struct lines lines;
	float *sorted = NULL;
	if (!sm_roles_hold(&p->base.roles, b->name))
		return SM_OK;
	if (!scale)
		return SM_FAIL(err, SM_INPUT, "%s: scales lists no volume '%s'", job->c->key,
			       b->name);
	SM_TRY(sm_scope_keep(job->c, b, p->base.scope, &kept, err));
	enum sm_status st =
		kept.count ? sm_sort_f32(b->v, kept.keep, n, kept.count, job->c->mem, &sorted, err)
			   : SM_FAIL(err, SM_INPUT, "%s: no voxel of %s lies in the scope",
				     job->c->key, b->name);
	if (st == SM_OK) {
		make_lines(&lines, p, scale->v, sorted, kept.count);
		if (lines.n < 2)
			st = SM_FAIL(err, SM_INPUT,
				     "%s: all landmarks of %s are %g: no contrast in the scope",
				     job->c->key, b->name, lines.at[0]);
	}
	if (st == SM_OK)
		apply(b->v, p->outside == KEEP ? kept.keep : NULL, n, &lines, p->tails);
	sm_free(sorted);
	sm_kept_clear(&kept);
	return st;
}

enum sm_status sm_op_nyul(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct job job = {.p = params, .c = c};
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_op_nyul_check(params, err));
	SM_TRY(ready(params, err));
	SM_TRY(sm_scope_check(c, job.p->base.scope, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_roles_check(c, &job.p->base.roles, blocks, n, err);
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	sm_case_rescaled(c, &job.p->base.roles, NULL);
	free(blocks);
	return st;
}
