/* SPDX-License-Identifier: Apache-2.0
 *
 * resample: volumes to voxels of `spacing` mm, or to the grid of the volume `like`.
 *	spacing: along each axis with s mm and n voxels the new grid has round(n s / spacing) voxels
 *	         (half up, at least 1) and the old grid's middle; 0 keeps an axis
 *	like:    voxel i of the new grid lies where that volume's voxel i lies, by both affines
 * Methods, antialiasing and what happens at the edge: preprocess/resample.h. A label or mask that
 *is on a grid of its own is moved by its own affine with `like`, and refused with `spacing`.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess/grid.h"
#include "preprocess/op_table.h"
#include "preprocess/view.h"

struct resample {
	struct sm_floats spacing;
	char *like;
	struct sm_interpolation between;
	double fill;
};

#define AT(member) .offset = offsetof(struct resample, member)
static const struct sm_field fields[] = {
	{"spacing", SM_F_FLOATS, AT(spacing), NULL, 0, 1000, .count = 3,
	 .doc = "new x, y, z spacing in mm; 0 keeps an axis"},
	{"like", SM_F_STRING, AT(like),
	 .doc = "role of the volume whose grid the others get, also of one that `when` hides"},
	SM_INTERPOLATION_FIELDS(struct resample, between),
	{"fill", SM_F_FLOAT, AT(fill), "0", -1e9, 1e9,
	 .doc = "intensity of voxels outside the old grid"},
};
const struct sm_fieldset sm_op_resample_fields =
	SM_FIELDSET("resample", struct resample, fields, "to another grid");

enum sm_status sm_op_resample_check(const void *params, struct sm_err *err)
{
	const struct resample *p = params;
	if (!p->spacing.n == !p->like)
		return SM_FAIL(err, SM_USAGE, "spacing, like: %s given, exactly one must be",
			       p->like ? "both are" : "neither is");
	if (!p->like && p->spacing.v[0] == 0 && p->spacing.v[1] == 0 && p->spacing.v[2] == 0)
		return SM_FAIL(
			err, SM_USAGE,
			"spacing: found 0 for every axis, which changes nothing: at least one must "
			"be above 0");
	return sm_interpolation_check(&p->between, err);
}

static enum sm_status plan_spacing(const struct sm_case *c, const struct sm_vol *v,
				   const double wanted[3], struct sm_target *t, struct sm_err *err)
{
	double spacing[3], map[4][4] = {[3][3] = 1};
	int64_t dim[3];
	sm_vol_spacing(v, spacing);
	for (int a = 0; a < 3; a++) {
		double step = wanted[a] > 0 ? wanted[a] / spacing[a] : 1;
		/* Spacing read from float32 affines: a difference this small is none. */
		step = fabs(step - 1) < 1e-6 ? 1 : step;
		double n = floor((double)v->dim[a] / step + 0.5);
		if (!(n <= SM_GRID_MAX))
			return SM_FAIL(err, SM_INPUT,
				       "%s: %c would have %.0f voxels at %g mm, allowed are %d",
				       c->key, "xyz"[a], n, wanted[a], SM_GRID_MAX);
		dim[a] = n < 1 ? 1 : (int64_t)n;
		map[a][a] = step;
		map[a][3] = ((double)(v->dim[a] - 1) - (double)(dim[a] - 1) * step) / 2;
	}
	sm_target_map(v, dim, map, t);
	return SM_OK;
}

static enum sm_status plan_like(const struct sm_case *c, const struct sm_vol *like,
				struct sm_plan *plan, struct sm_err *err)
{
	for (size_t i = 0; i < c->count; i++)
		if (sm_target_like(&c->vols[i].vol, like, &plan->vol[i], err) != SM_OK)
			return sm_err_prefix(err, "%s: %s", c->key, c->vols[i].role);
	if (c->label.data)
		SM_TRY(sm_target_like(&c->label, like, &plan->label, err));
	if (c->mask.data)
		SM_TRY(sm_target_like(&c->mask, like, &plan->mask, err));
	if (c->regions.data)
		SM_TRY(sm_target_like(&c->regions, like, &plan->regions, err));
	return SM_OK;
}

enum sm_status sm_op_resample(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct resample *p = params;
	struct sm_resample how = sm_interpolation_how(&p->between);
	enum sm_status st = SM_OK;
	how.fill = p->fill;
	SM_TRY(sm_op_resample_check(params, err));
	const struct sm_role_vol *reference = p->like ? sm_view_reference(c, p->like) : NULL;
	const struct sm_vol *like = reference ? &reference->vol : NULL;
	if (p->like && !like)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s', but like names it", c->key,
			       p->like);
	struct sm_plan *plan = calloc(1, sizeof *plan);
	if (!plan)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; st == SM_OK && !like && i < c->count; i++)
		st = plan_spacing(c, &c->vols[i].vol, p->spacing.v, &plan->vol[i], err);
	if (st == SM_OK)
		st = like ? plan_like(c, like, plan, err) : sm_plan_companions(c, plan, err);
	if (st == SM_OK)
		st = sm_case_move(c, plan, &how, err);
	free(plan);
	return st;
}
