/* SPDX-License-Identifier: Apache-2.0
 *
 * scale: a line through the intensities,
 *	x * multiply / divide + add
 * in double, then float32. x / 127.5 - 1 (MedCycleGAN, pix2pix: 0..255 to [-1,1]) is divide 127.5,
 * add -1; x / 128 - 1 (CT2CT) divide 128, add -1; any a * x + b multiply a, add b. With
 * `clip` the results stay between two values. Source: none needed; numpy's float64 arithmetic gives
 * the same float32.
 */
#include <math.h>
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/op_table.h"
#include "preprocess/scope.h"

struct scale {
	double multiply, divide, add;
	struct sm_floats clip;
	struct sm_strings roles;
};

#define AT(member) .offset = offsetof(struct scale, member)
static const struct sm_field fields[] = {
	{"multiply", SM_F_FLOAT, AT(multiply), "1", -1e12, 1e12, .doc = "what x is multiplied by"},
	{"divide", SM_F_FLOAT, AT(divide), "1", -1e12, 1e12,
	 .doc = "what the product is divided by, not 0"},
	{"add", SM_F_FLOAT, AT(add), "0", -1e12, 1e12, .doc = "what is added then"},
	{"clip", SM_F_FLOATS, AT(clip), NULL, -1e12, 1e12, .count = 2,
	 .doc = "smallest and largest result; absent = no clipping"},
	{"roles", SM_F_STRINGS, AT(roles), .doc = "volumes or channels to work on; absent = all"},
};
const struct sm_fieldset sm_op_scale_fields =
	SM_FIELDSET("scale", struct scale, fields, "a line through the intensities");

enum sm_status sm_op_scale_check(const void *params, struct sm_err *err)
{
	const struct scale *p = params;
	if (p->divide == 0)
		return SM_FAIL(err, SM_USAGE, "divide is 0, allowed is any other number");
	if (p->multiply == p->divide && p->add == 0 && !p->clip.n)
		return SM_FAIL(
			err, SM_USAGE,
			"multiply, divide, add: found x * %g / %g + 0 without clip, which changes "
			"nothing",
			p->multiply, p->divide);
	if (p->clip.n && p->clip.v[0] >= p->clip.v[1])
		return SM_FAIL(err, SM_USAGE, "clip is %g to %g, allowed is low < high",
			       p->clip.v[0], p->clip.v[1]);
	return SM_OK;
}

struct job {
	const struct sm_case *c;
	const struct sm_block *blocks;
	const struct scale *p;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	const struct scale *p = job->p;
	size_t n = sm_block_count(b), bad = 0;
	if (!sm_roles_hold(&p->roles, b->name))
		return SM_OK;
	for (size_t k = 0; k < n; k++) {
		double u = (double)b->v[k] * p->multiply / p->divide + p->add;
		if (p->clip.n)
			u = u < p->clip.v[0] ? p->clip.v[0] : u > p->clip.v[1] ? p->clip.v[1] : u;
		b->v[k] = (float)u;
		bad += !isfinite(b->v[k]);
	}
	if (bad)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %zu values of %s lie beyond float32 after scaling, allowed are 0",
			job->c->key, bad, b->name);
	return SM_OK;
}

enum sm_status sm_op_scale(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct job job = {.c = c, .p = params};
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_op_scale_check(params, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_roles_check(c, &job.p->roles, blocks, n, err);
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	sm_case_rescaled(c, &job.p->roles, NULL);
	free(blocks);
	return st;
}
