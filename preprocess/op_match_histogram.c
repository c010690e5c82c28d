/* SPDX-License-Identifier: Apache-2.0
 *
 * match_histogram: the values of a volume become those of another with the same share of voxels at
 * or below. With F the share of kept voxels <= x and Q the quantiles of the target,
 *	x -> Q(F(x)),  Q linear between the points (F_target(v), v) of its values v and constant
 * before the first: Gonzalez and Woods, Digital Image Processing, "histogram specification", as in
 * skimage.exposure.match_histograms. The target is another volume of the case (`reference`), or the
 * numbers in `quantiles`: Q at equally spaced shares from 0 to 1. preprocess --learn prints them as
 * the mean of the cases' own quantiles (the barycentre of one-dimensional distributions: Agueh and
 * Carlier, SIAM J. Math. Anal. 43, 2011). Voxels outside the scope stay as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "preprocess/learn.h"
#include "preprocess/quantile.h"
#include "preprocess/view.h"

struct match_histogram {
	struct sm_learnable base;
	char *reference;
	int64_t points;
};

#define AT(member) .offset = offsetof(struct match_histogram, member)
static const struct sm_field fields[] = {
	{"reference", SM_F_STRING, AT(reference),
	 .doc = "volume or channel of the same case that the others become alike"},
	{"quantiles", SM_F_LIST, AT(base.learnt), .of = &sm_learnt_fields,
	 .doc = "instead: quantiles at equally spaced shares from 0 to 1, by volume or channel"},
	{"points", SM_F_INT, AT(points), "101", 2, 4096,
	 .doc = "quantiles a volume that preprocess --learn prints",
	 .only = "no reference"},
	{"scope", SM_F_CHOICE, AT(base.scope), "volume", .choices = SM_SCOPE_CHOICES,
	 .doc = "voxels that are compared and changed"},
	{"roles", SM_F_STRINGS, AT(base.roles),
	 .doc = "volumes or channels to work on; absent = all but the reference"},
};
const struct sm_fieldset sm_op_match_histogram_fields = SM_FIELDSET(
	"match_histogram", struct match_histogram, fields, "histogram of another volume");

enum sm_status sm_op_match_histogram_check(const void *params, struct sm_err *err)
{
	const struct match_histogram *p = params;
	if (p->reference && p->base.learnt.n)
		return SM_FAIL(err, SM_USAGE,
			       "reference and quantiles are both given, allowed is one of them");
	return sm_learnt_check(&p->base, "quantiles", 0, err);
}

static size_t learn_points(const void *params)
{
	return (size_t)((const struct match_histogram *)params)->points;
}

static enum sm_status measure(const void *params, const float *sorted, size_t kept, double *values,
			      struct sm_err *err)
{
	size_t n = learn_points(params);
	(void)err;
	for (size_t k = 0; k < n; k++)
		values[k] = sm_percentile_sorted(sorted, kept, 100 * ((double)k / (double)(n - 1)));
	return SM_OK;
}

static enum sm_status ready(const void *params, struct sm_err *err)
{
	const struct match_histogram *p = params;
	if (p->reference || p->base.learnt.n)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "neither reference nor quantiles are given (preprocess --learn prints "
		       "quantiles)");
}

const struct sm_learner sm_match_histogram_learner = {.op = SM_OP_match_histogram,
						      .key = "quantiles",
						      .points = learn_points,
						      .ready = ready,
						      .measure = measure};

/* The points of Q in rising order: the runs of equal values of a sorted volume, or given ones. */
struct curve {
	const struct sm_ranked *ranked; /* NULL = given */
	const double *given;
	size_t n, at;              /* points or voxels, and how many were passed */
	double share[2], value[2]; /* the point before and the point behind */
};

static bool next_point(struct curve *q)
{
	if (q->at == q->n)
		return false;
	q->share[0] = q->share[1];
	q->value[0] = q->value[1];
	if (!q->ranked) {
		q->share[1] = (double)q->at / (double)(q->n - 1);
		q->value[1] = q->given[q->at++];
		return true;
	}
	uint32_t key = q->ranked[q->at].key;
	q->value[1] = (double)sm_ranked_value(q->ranked[q->at]);
	while (q->at < q->n && q->ranked[q->at].key == key)
		q->at++;
	q->share[1] = (double)q->at / (double)q->n;
	return true;
}

/* Q at a share that is not below any asked for before; numpy.interp's arithmetic. */
static double quantile(struct curve *q, double share, bool *before_first)
{
	while (share >= q->share[1] && next_point(q))
		*before_first = false;
	if (*before_first || share >= q->share[1])
		return q->value[1];
	double slope = (q->value[1] - q->value[0]) / (q->share[1] - q->share[0]);
	return slope * (share - q->share[0]) + q->value[0];
}

static void match(float *v, const struct sm_ranked *ranked, size_t n, struct curve q)
{
	bool before_first = true;
	next_point(&q);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from; to < n && ranked[to].key == ranked[from].key; to++)
			;
		float x = (float)quantile(&q, (double)to / (double)n, &before_first);
		for (size_t i = from; i < to; i++)
			v[ranked[i].index] = x;
	}
}

struct job {
	const struct match_histogram *p;
	const struct sm_case *c;
	const struct sm_block *blocks;
	const struct sm_ranked *target; /* of the reference */
	size_t target_count;
};

static enum sm_status rank(const struct sm_case *c, const struct sm_block *b, int scope,
			   struct sm_ranked **ranked, size_t *count, struct sm_err *err)
{
	struct sm_kept kept;
	SM_TRY(sm_scope_keep(c, b, scope, &kept, err));
	*count = kept.count;
	enum sm_status st = kept.count
				    ? sm_rank_f32(b->v, kept.keep, sm_block_count(b), kept.count,
						  c->mem, ranked, err)
				    : SM_FAIL(err, SM_INPUT, "%s: no voxel of %s lies in the scope",
					      c->key, b->name);
	sm_kept_clear(&kept);
	return st;
}

static bool wanted(const struct match_histogram *p, const char *name)
{
	return sm_roles_hold(&p->base.roles, name) &&
	       !(p->reference && strcmp(p->reference, name) == 0);
}

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	struct curve q = {.ranked = job->target, .n = job->target_count};
	struct sm_ranked *ranked = NULL;
	size_t count = 0;
	if (!wanted(job->p, b->name))
		return SM_OK;
	if (!job->p->reference) {
		const struct sm_floats *given = sm_learnt_find(&job->p->base, b->name);
		if (!given)
			return SM_FAIL(err, SM_INPUT, "%s: quantiles lists no volume '%s'",
				       job->c->key, b->name);
		q.given = given->v;
		q.n = given->n;
	}
	SM_TRY(rank(job->c, b, job->p->base.scope, &ranked, &count, err));
	match(b->v, ranked, count, q);
	sm_free(ranked);
	return SM_OK;
}

/* A reference that the step's `when` hides: sorted from a copy, within its own mask. */
static enum sm_status take_aside(struct job *job, const struct sm_role_vol *reference,
				 struct sm_ranked **target, struct sm_err *err)
{
	struct sm_case whole = *job->c; /* what it points to is only read */
	const struct sm_vol *mask = sm_view_reference_mask(job->c, reference);
	struct sm_vol real;
	whole.mask = mask ? *mask : (struct sm_vol){0};
	if (job->p->base.scope == SM_SCOPE_MASK && (!mask || reference->vol.dim[3] != 1))
		return SM_FAIL(err, SM_INPUT,
			       "%s: scope is mask, but %s, which is the reference, has %s",
			       whole.key, reference->role, mask ? "several frames" : "none");
	SM_TRY(sm_vol_copy(&real, &reference->vol, whole.mem, err));
	enum sm_status st = sm_vol_to_f32(&real, whole.mem, whole.jobs, err);
	const struct sm_block block = {.v = real.data,
				       .nx = real.dim[0],
				       .ny = real.dim[1],
				       .nz = real.dim[2] * real.dim[3],
				       .name = reference->role};
	if (st == SM_OK)
		st = rank(&whole, &block, job->p->base.scope, target, &job->target_count, err);
	sm_vol_clear(&real);
	job->target = *target;
	return st;
}

/* Sorts the reference once for all. */
static enum sm_status take_target(struct job *job, size_t n, struct sm_ranked **target,
				  struct sm_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(job->blocks[i].name, job->p->reference) == 0) {
			SM_TRY(rank(job->c, &job->blocks[i], job->p->base.scope, target,
				    &job->target_count, err));
			job->target = *target;
			return SM_OK;
		}
	const struct sm_role_vol *aside = sm_view_reference(job->c, job->p->reference);
	if (aside)
		return take_aside(job, aside, target, err);
	return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s', which is the reference", job->c->key,
		       job->p->reference);
}

enum sm_status sm_op_match_histogram(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct match_histogram *p = params;
	struct sm_block *blocks = NULL;
	struct sm_ranked *target = NULL;
	size_t n = 0;
	SM_TRY(sm_op_match_histogram_check(params, err));
	SM_TRY(ready(params, err));
	SM_TRY(sm_scope_check(c, p->base.scope, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	struct job job = {.p = p, .c = c, .blocks = blocks};
	if (st == SM_OK)
		st = sm_roles_check(c, &p->base.roles, blocks, n, err);
	if (st == SM_OK && p->reference)
		st = take_target(&job, n, &target, err);
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	sm_case_rescaled(c, &p->base.roles, p->reference);
	sm_free(target);
	free(blocks);
	return st;
}
