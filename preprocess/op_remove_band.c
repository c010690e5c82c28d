/* SPDX-License-Identifier: Apache-2.0
 *
 * remove_band: every intensity with low <= x <= high becomes `value`. The original CT preparation
 * of MedCycleGAN set 80..110 of 0..255 to 0 as a crude removal of noise: there the step follows
 * normalise with range [0, 255]. Source: the original's notebook.
 */
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/op_table.h"
#include "preprocess/scope.h"

struct remove_band {
	double low, high, value;
	struct sm_strings roles;
};

#define AT(member) .offset = offsetof(struct remove_band, member)
static const struct sm_field fields[] = {
	{"low", SM_F_FLOAT, AT(low), "80", -1e9, 1e9, .doc = "smallest value removed"},
	{"high", SM_F_FLOAT, AT(high), "110", -1e9, 1e9, .doc = "largest value removed"},
	{"value", SM_F_FLOAT, AT(value), "0", -1e9, 1e9, .doc = "what they become"},
	{"roles", SM_F_STRINGS, AT(roles), .doc = "volumes or channels to work on; absent = all"},
};
const struct sm_fieldset sm_op_remove_band_fields =
	SM_FIELDSET("remove_band", struct remove_band, fields, "a band of intensities");

enum sm_status sm_op_remove_band_check(const void *params, struct sm_err *err)
{
	const struct remove_band *p = params;
	if (p->low > p->high)
		return SM_FAIL(err, SM_USAGE, "low %g is above high %g, allowed is low <= high",
			       p->low, p->high);
	return SM_OK;
}

struct job {
	const struct sm_block *blocks;
	const struct remove_band *p;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	size_t n = sm_block_count(b);
	(void)err;
	if (!sm_roles_hold(&job->p->roles, b->name))
		return SM_OK;
	for (size_t k = 0; k < n; k++)
		if ((double)b->v[k] >= job->p->low && (double)b->v[k] <= job->p->high)
			b->v[k] = (float)job->p->value;
	return SM_OK;
}

enum sm_status sm_op_remove_band(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct job job = {.p = params};
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_op_remove_band_check(params, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_roles_check(c, &job.p->roles, blocks, n, err);
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	free(blocks);
	return st;
}
