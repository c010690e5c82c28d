/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool one_size(const struct sm_vol *a, const struct sm_vol *b)
{
	return memcmp(a->dim, b->dim, 3 * sizeof *a->dim) == 0;
}

bool sm_case_same_grid(const struct sm_case *c, const struct sm_vol *a, const struct sm_vol *b)
{
	return one_size(a, b) && (c->pictures || sm_vol_gap_mm(a, b) <= c->grid_tolerance);
}

enum sm_status sm_case_on_grid(const struct sm_case *c, const struct sm_vol *v, const char *name,
			       struct sm_err *err)
{
	const struct sm_vol *first = &c->vols[0].vol;
	const char *role = c->vols[0].role;
	if (!v->data || sm_case_same_grid(c, first, v))
		return SM_OK;
	for (int a = 0; a < 3; a++)
		if (v->dim[a] != first->dim[a])
			return SM_FAIL(
				err, SM_INPUT,
				"%s: %s has %lld voxels along %c, %s has %lld: must be equal",
				c->key, name, (long long)v->dim[a], "xyz"[a], role,
				(long long)first -> dim[a]);
	return SM_FAIL(
		err, SM_INPUT,
		"%s: the voxels of %s lie up to %.4g mm away from those of %s, allowed are %g mm "
		"(preprocess.grid_tolerance): a step `resample: {like: %s}` brings them there, and "
		"a step with `when` sees one volume alone",
		c->key, name, sm_vol_gap_mm(first, v), role, c->grid_tolerance, role);
}

enum sm_status sm_case_one_grid(const struct sm_case *c, struct sm_err *err)
{
	if (!c->count)
		return SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	for (size_t i = 1; i < c->count; i++)
		SM_TRY(sm_case_on_grid(c, &c->vols[i].vol, c->vols[i].role, err));
	return SM_OK;
}

size_t sm_case_home(const struct sm_case *c, const struct sm_vol *v)
{
	size_t i = 0;
	while (i < c->count && !sm_case_same_grid(c, &c->vols[i].vol, v))
		i++;
	return i;
}

/* What is wrong with a companion that lies on no volume's grid: told of the volume that is
 * nearest. */
static enum sm_status no_home(const struct sm_case *c, const struct sm_vol *v, const char *name,
			      struct sm_err *err)
{
	const struct sm_role_vol *best = &c->vols[0];
	double least = INFINITY;
	for (size_t i = 0; i < c->count; i++) {
		double gap =
			one_size(&c->vols[i].vol, v) ? sm_vol_gap_mm(&c->vols[i].vol, v) : INFINITY;
		if (gap < least) {
			least = gap;
			best = &c->vols[i];
		}
	}
	const int64_t *d = best->vol.dim;
	const char *role = best->role;
	if (least < INFINITY)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s lies on no volume's grid: its voxels are up to %.4g mm away "
			       "from those of %s, allowed are %g mm (a step `resample: {like: %s}` "
			       "brings it there)",
			       c->key, name, least, role, c->grid_tolerance, role);
	return SM_FAIL(err, SM_INPUT,
		       "%s: %s lies on no volume's grid: it has %lld x %lld x %lld voxels, %s has "
		       "%lld x %lld x %lld (a step `resample: {like: %s}` brings it there)",
		       c->key, name, (long long)v->dim[0], (long long)v->dim[1],
		       (long long)v->dim[2], role, (long long)d[0], (long long)d[1],
		       (long long)d[2], role);
}

static enum sm_status companion(const struct sm_case *c, const struct sm_vol *v, const char *name,
				const struct sm_plan *plan, struct sm_target *t, struct sm_err *err)
{
	double map[4][4];
	if (!v->data)
		return SM_OK;
	size_t home = sm_case_home(c, v);
	if (home == c->count)
		return no_home(c, v, name, err);
	if (!plan)
		return SM_OK;
	memcpy(map, plan->vol[home].map, sizeof map);
	sm_target_map(v, plan->vol[home].dim, map, t);
	return SM_OK;
}

enum sm_status sm_plan_companions(const struct sm_case *c, struct sm_plan *plan,
				  struct sm_err *err)
{
	SM_TRY(companion(c, &c->label, "the label", plan, &plan->label, err));
	SM_TRY(companion(c, &c->mask, "the mask", plan, &plan->mask, err));
	return companion(c, &c->regions, "the regions", plan, &plan->regions, err);
}

enum sm_status sm_case_check_grids(const struct sm_case *c, struct sm_err *err)
{
	if (!c->count)
		return SM_OK;
	SM_TRY(companion(c, &c->label, "the label", NULL, NULL, err));
	SM_TRY(companion(c, &c->mask, "the mask", NULL, NULL, err));
	return companion(c, &c->regions, "the regions", NULL, NULL, err);
}

static enum sm_status move_keep(const struct sm_case *c, struct sm_role_vol *v,
				const struct sm_target *t, struct sm_err *err)
{
	if (!v->keep)
		return SM_OK;
	const double *row = t->map[2];
	if (row[0] != 0 || row[1] != 0)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: slices of %s were chosen along z, which is now another axis: choose "
			"them behind this step",
			c->key, v->role);
	uint8_t *keep = calloc((size_t)t->dim[2], 1);
	if (!keep)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (int64_t z = 0; z < t->dim[2]; z++) {
		double from = floor(row[2] * (double)z + row[3] + 0.5);
		keep[z] = from >= 0 && from < (double)v->vol.dim[2] && v->keep[(int64_t)from];
	}
	free(v->keep);
	v->keep = keep;
	return SM_OK;
}

static enum sm_status move_way(const struct sm_case *c, struct sm_role_vol *v,
			       const struct sm_target *t, struct sm_err *err)
{
	double back[4][4], way[4][4];
	if (!sm_target_back(t, back))
		return SM_FAIL(err, SM_INPUT, "%s: %s: the new grid has no way back", c->key,
			       v->role);
	memcpy(way, v->way, sizeof way);
	sm_affine_product(back, way, v->way);
	return SM_OK;
}

enum sm_status sm_case_move(struct sm_case *c, const struct sm_plan *plan,
			    const struct sm_resample *how, struct sm_err *err)
{
	static const struct sm_resample nearest = {.method = SM_NEAREST};
	for (size_t i = 0; i < c->count; i++) {
		SM_TRY(move_way(c, &c->vols[i], &plan->vol[i], err));
		SM_TRY(move_keep(c, &c->vols[i], &plan->vol[i], err));
		if (c->vols[i].mask.data)
			SM_TRY(sm_vol_resample(&c->vols[i].mask, &plan->vol[i], &nearest, c->mem,
					       c->jobs, err));
		if (sm_vol_resample(&c->vols[i].vol, &plan->vol[i], how, c->mem, c->jobs, err) !=
		    SM_OK)
			return sm_err_prefix(err, "%s: %s", c->key, c->vols[i].role);
	}
	if (c->label.data)
		SM_TRY(sm_labels_resample(&c->label, &plan->label, how->vote, c->mem, c->jobs,
					  err));
	if (c->mask.data)
		SM_TRY(sm_vol_resample(&c->mask, &plan->mask, &nearest, c->mem, c->jobs, err));
	if (c->regions.data)
		SM_TRY(sm_vol_resample(&c->regions, &plan->regions, &nearest, c->mem, c->jobs,
				       err));
	if (c->count)
		sm_case_set_source(c, &c->vols[0]);
	return SM_OK;
}

enum sm_status sm_case_move_each(struct sm_case *c, sm_plan_fn plan_one, const void *ctx,
				 const struct sm_resample *how, struct sm_err *err)
{
	struct sm_plan *plan = calloc(1, sizeof *plan);
	if (!plan)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < c->count; i++)
		plan_one(ctx, &c->vols[i].vol, &plan->vol[i]);
	enum sm_status st = sm_plan_companions(c, plan, err);
	if (st == SM_OK)
		st = sm_case_move(c, plan, how, err);
	free(plan);
	return st;
}

enum sm_status sm_case_regrid(struct sm_case *c, const int64_t dim[3], const int64_t shift[3],
			      double fill, struct sm_err *err)
{
	const struct sm_resample how = {.method = SM_NEAREST, .fill = fill};
	double map[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
	SM_TRY(sm_case_one_size(c, err));
	struct sm_plan *plan = calloc(1, sizeof *plan);
	if (!plan)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (int a = 0; a < 3; a++)
		map[a][3] = -(double)shift[a];
	for (size_t i = 0; i < c->count; i++)
		sm_target_map(&c->vols[i].vol, dim, map, &plan->vol[i]);
	sm_target_map(&c->label, dim, map, &plan->label);
	sm_target_map(&c->mask, dim, map, &plan->mask);
	sm_target_map(&c->regions, dim, map, &plan->regions);
	enum sm_status st = sm_case_move(c, plan, &how, err);
	free(plan);
	return st;
}

enum sm_status sm_interpolation_check(const struct sm_interpolation *p, struct sm_err *err)
{
	if (p->antialias == SM_ALIAS_KERNEL && p->method == SM_CUBIC)
		return SM_FAIL(err, SM_USAGE,
			       "antialias: found kernel with method cubic, allowed are none, area "
			       "and gaussian (or method catmull_rom)");
	if (p->antialias != SM_ALIAS_NONE && p->method == SM_NEAREST)
		return SM_FAIL(err, SM_USAGE,
			       "antialias: must be none with method nearest, which chooses voxels");
	return SM_OK;
}

struct sm_resample sm_interpolation_how(const struct sm_interpolation *p)
{
	return (struct sm_resample){.method = p->method,
				    .lobes = (int)p->lobes,
				    .antialias = p->antialias,
				    .vote = p->labels == 1};
}
