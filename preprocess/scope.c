/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/scope.h"

#include <string.h>

#include "preprocess/grid.h"

enum sm_status sm_scope_check(const struct sm_case *c, enum sm_scope scope, struct sm_err *err)
{
	if (scope != SM_SCOPE_MASK)
		return SM_OK;
	if (!c->mask.data)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: scope is mask, but the case has none for this step (remove_background "
			"makes one; with `when`, one with the same `when`)",
			c->key);
	for (size_t i = 0; !c->stacked && i < c->count; i++)
		if (c->vols[i].vol.dim[3] != 1)
			return SM_FAIL(err, SM_INPUT, "%s: %s has %lld frames, scope mask allows 1",
				       c->key, c->vols[i].role, (long long)c->vols[i].vol.dim[3]);
	SM_TRY(sm_case_one_grid(c, err));
	return sm_case_on_grid(c, &c->mask, "the mask", err);
}

/* The mean's last bits only matter between two values, of which no voxel has any. */
static double mean_of(const float *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)v[i];
	return sum / (double)n;
}

enum sm_status sm_scope_keep(const struct sm_case *c, const struct sm_block *b, enum sm_scope scope,
			     struct sm_kept *kept, struct sm_err *err)
{
	size_t n = sm_block_count(b);
	*kept = (struct sm_kept){.count = n};
	if (scope == SM_SCOPE_VOLUME)
		return SM_OK;
	kept->count = 0;
	if (scope == SM_SCOPE_MASK) {
		kept->keep = c->mask.data;
	} else {
		kept->own = sm_alloc(c->mem, n, 1, "foreground of a volume", err);
		if (!kept->own)
			return SM_BUDGET;
		double mean = scope == SM_SCOPE_ABOVE_MEAN ? mean_of(b->v, n) : 0;
		for (size_t i = 0; i < n; i++)
			kept->own[i] =
				scope == SM_SCOPE_NONZERO ? b->v[i] != 0 : (double)b->v[i] > mean;
		kept->keep = kept->own;
	}
	for (size_t i = 0; i < n; i++)
		kept->count += kept->keep[i] != 0;
	return SM_OK;
}

void sm_kept_clear(struct sm_kept *kept)
{
	sm_free(kept->own);
	*kept = (struct sm_kept){0};
}

bool sm_roles_hold(const struct sm_strings *roles, const char *name)
{
	for (size_t i = 0; i < roles->n; i++)
		if (strcmp(roles->v[i], name) == 0)
			return true;
	return !roles->n;
}

enum sm_status sm_roles_check(const struct sm_case *c, const struct sm_strings *roles,
			      const struct sm_block *blocks, size_t n, struct sm_err *err)
{
	for (size_t i = 0; i < roles->n; i++) {
		bool found = false;
		for (size_t k = 0; k < n; k++)
			found = found || strcmp(blocks[k].name, roles->v[i]) == 0;
		if (!found)
			return SM_FAIL(err, SM_INPUT, "%s: %s no volume '%s', but roles lists it",
				       c->key, c->aside ? "`when` lets the step see" : "has",
				       roles->v[i]);
	}
	return SM_OK;
}

void sm_case_rescaled(struct sm_case *c, const struct sm_strings *roles, const char *except)
{
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *rv = &c->vols[i];
		if (!c->stacked &&
		    (!sm_roles_hold(roles, rv->role) || (except && strcmp(except, rv->role) == 0)))
			continue;
		rv->vol.meaning = SM_MEANING_ARBITRARY;
		if (!rv->sidecar)
			continue;
		json_object_set_new(rv->sidecar, "SUVbwMissing",
				    json_string("an earlier step changed the intensities"));
		json_object_set_new(rv->sidecar, "Meaning", json_string("arbitrary"));
		json_object_del(rv->sidecar, "Units");
		json_object_del(rv->sidecar, "SUVbwFactor");
		json_object_del(rv->sidecar, "SUVbwApplied");
	}
}
