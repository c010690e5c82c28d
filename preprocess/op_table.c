/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/op_table.h"

#include <string.h>

#include "core/par.h"
#include "preprocess/grid.h"
#include "preprocess/learn.h"
#include "preprocess/view.h"

#define ROW(name_, doc_, check_) \
	[SM_OP_##name_] = {.name = #name_, \
			   .doc = doc_, \
			   .params = &sm_op_##name_##_fields, \
			   .check = check_, \
			   .apply = sm_op_##name_},
const struct sm_op sm_ops[SM_OP_COUNT] = {SM_OPS(ROW)};
#undef ROW

#define ROW(name_, doc_, check_) \
	[SM_OP_##name_] = {.key = #name_, \
			   .kind = SM_F_MAPPING, \
			   .offset = SM_OP_##name_ * sizeof(void *), \
			   .of = &sm_op_##name_##_fields, \
			   .doc = doc_},
static const struct sm_field fields[SM_OP_COUNT] = {SM_OPS(ROW)};
#undef ROW

const struct sm_fieldset sm_ops_fieldset = {
	.name = "steps",
	.size = SM_OP_COUNT * sizeof(void *),
	.fields = fields,
	.count = SM_OP_COUNT,
	.doc = "operations on a case",
};

const struct sm_op *sm_op_find(const char *name)
{
	for (size_t i = 0; i < SM_OP_COUNT; i++)
		if (strcmp(sm_ops[i].name, name) == 0)
			return &sm_ops[i];
	return NULL;
}

/* How many steps `upto` means. */
static enum sm_status count_steps(const struct sm_steps *steps, int64_t upto, size_t *n,
				  struct sm_err *err)
{
	if (upto < 0 || (size_t)upto > steps->n)
		return SM_FAIL(err, SM_USAGE,
			       "preprocess.upto: found %lld, allowed is 0 to %zu (number of steps)",
			       (long long)upto, steps->n);
	*n = upto ? (size_t)upto : steps->n;
	return SM_OK;
}

/* A second step that makes regions of a case that has some already. */
static enum sm_status regions_once(const struct sm_steps *steps, size_t at, struct sm_err *err)
{
	const struct sm_step *own = &steps->v[at];
	if (own->which != SM_OP_one_hot && own->which != SM_OP_regions)
		return SM_OK;
	for (size_t i = 0; i < at; i++) {
		const struct sm_step *s = &steps->v[i];
		/* Of two kinds of cases each may have its own step. */
		bool apart = s->when || own->when;
		if (s->when && own->when && strcmp(s->when, own->when) == 0)
			apart = false;
		if ((s->which == SM_OP_one_hot || s->which == SM_OP_regions) && !apart)
			return SM_FAIL(
				err, SM_USAGE,
				"step %zu (%s) made regions already, allowed is one such step",
				i + 1, sm_ops[s->which].name);
	}
	return SM_OK;
}

enum sm_status sm_ops_check(const struct sm_steps *steps, int64_t upto, size_t learnt,
			    struct sm_err *err)
{
	size_t n = 0;
	SM_TRY(count_steps(steps, upto, &n, err));
	for (size_t i = 0; i < n; i++) {
		const struct sm_op *op = &sm_ops[steps->v[i].which];
		const void *params = steps->v[i].params;
		const struct sm_learner *learner = sm_learner_find(steps->v[i].which);
		enum sm_status st = op->check ? op->check(params, err) : SM_OK;
		if (st == SM_OK && learner && i < learnt)
			st = learner->ready(params, err);
		if (st == SM_OK)
			st = regions_once(steps, i, err);
		if (st != SM_OK)
			return sm_err_prefix(err, "steps: step %zu (%s)", i + 1, op->name);
	}
	return sm_when_check(steps, n, NULL, NULL, err);
}

#define BLOCK (1 << 20)

struct looking {
	const float *v;
	size_t n;
	uint8_t *bad; /* of each block */
};

static enum sm_status look(void *ctx, size_t block, struct sm_err *err)
{
	const struct looking *l = ctx;
	const float *v = l->v + block * BLOCK;
	size_t left = l->n - block * BLOCK, n = left < BLOCK ? left : BLOCK;
	uint32_t bad = 0;
	(void)err;
	for (size_t i = 0; i < n; i++)
		bad |= v[i] - v[i] != 0;
	l->bad[block] = bad != 0;
	return SM_OK;
}

/* Values near the ends of float32 may leave it in any operation that computes. */
static enum sm_status finite(const struct sm_case *c, struct sm_err *err)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct sm_vol *v = &c->vols[i].vol;
		struct looking l = {.v = v->data, .n = sm_vol_count(v)};
		const size_t blocks = (l.n + BLOCK - 1) / BLOCK;
		if (v->dtype != SM_F32)
			continue;
		l.bad = sm_alloc(c->mem, blocks, 1, "blocks of a volume", err);
		enum sm_status st = l.bad ? sm_par_for(blocks, c->jobs, look, &l, err) : SM_BUDGET;
		bool good = st == SM_OK && !memchr(l.bad, 1, blocks);
		sm_free(l.bad);
		SM_TRY(st);
		if (good)
			continue;
		double lo, hi;
		size_t bad;
		sm_vol_range(v, &lo, &hi, &bad);
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s has %zu values that are NaN or infinite after it, allowed are 0 "
			"(the others are %g to %g)",
			c->key, c->vols[i].role, bad, lo, hi);
	}
	return SM_OK;
}

static enum sm_status run_step(struct sm_case *c, const struct sm_step *step, struct sm_err *err)
{
	const struct sm_op *op = &sm_ops[step->which];
	struct sm_view view;
	if (!step->when)
		return op->apply(c, step->params, err);
	SM_TRY(sm_view_open(c, step->when, &view, err));
	if (!view.seen) {
		sm_case_fact(c, op->name, json_pack("{s:s}", "not_for_this_case", step->when));
		return SM_OK;
	}
	enum sm_status st = op->apply(c, step->params, err);
	enum sm_status closed = sm_view_close(c, &view, st == SM_OK ? err : NULL);
	return st == SM_OK ? closed : st;
}

/* Whether step i sees the whole case, and the steps behind it look at no image. */
static bool labels_only(const struct sm_steps *steps, size_t i, size_t n)
{
	bool only = !steps->v[i].when;
	while (++i < n)
		only = only && !steps->v[i].when &&
		       sm_ops[steps->v[i].which].apply == sm_op_relabel;
	return only;
}

enum sm_status sm_ops_run(struct sm_case *c, const struct sm_steps *steps, int64_t upto,
			  struct sm_err *err)
{
	size_t n = 0;
	SM_TRY(count_steps(steps, upto, &n, err));
	const bool may_stay_apart = c->may_stay_apart;
	for (size_t i = 0; i < n; i++) {
		const struct sm_op *op = &sm_ops[steps->v[i].which];
		c->may_stay_apart = may_stay_apart && labels_only(steps, i, n);
		enum sm_status st = run_step(c, &steps->v[i], err);
		if (st == SM_OK)
			st = finite(c, err);
		if (st != SM_OK)
			return sm_err_prefix(err, "step %zu (%s)", i + 1, op->name);
	}
	return sm_case_check_grids(c, err);
}
