/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sm_status sm_case_init(struct sm_case *c, const char *key, struct sm_mem *mem, int jobs,
			    struct sm_err *err)
{
	*c = (struct sm_case){
		.mem = mem, .jobs = jobs < 1 ? 1 : jobs, .grid_tolerance = SM_GRID_MM};
	snprintf(c->key, sizeof c->key, "%s", key);
	c->vols = calloc(SM_CASE_VOLS, sizeof *c->vols);
	c->channels = calloc(SM_CASE_VOLS, sizeof *c->channels);
	c->facts = json_array();
	if (!c->vols || !c->channels || !c->facts) {
		sm_case_clear(c);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	}
	for (int i = 0; i < 4; i++)
		c->source_affine[i][i] = c->way[i][i] = 1;
	return SM_OK;
}

void sm_role_vol_clear(struct sm_role_vol *vol)
{
	sm_vol_clear(&vol->vol);
	sm_vol_clear(&vol->mask);
	free(vol->keep);
	json_decref(vol->sidecar);
	*vol = (struct sm_role_vol){0};
}

void sm_case_clear(struct sm_case *c)
{
	for (size_t i = 0; c->vols && i < c->count; i++)
		sm_role_vol_clear(&c->vols[i]);
	sm_vol_clear(&c->label);
	sm_vol_clear(&c->mask);
	sm_vol_clear(&c->regions);
	free(c->region_names);
	free(c->vols);
	free(c->channels);
	free(c->label_map);
	json_decref(c->facts);
	*c = (struct sm_case){0};
}

void sm_case_set_source(struct sm_case *c, const struct sm_role_vol *vol)
{
	memcpy(c->source_dim, vol->source_dim, sizeof c->source_dim);
	memcpy(c->source_affine, vol->source_affine, sizeof c->source_affine);
	memcpy(c->way, vol->way, sizeof c->way);
}

enum sm_status sm_case_take(struct sm_case *c, const char *role, struct sm_vol *vol,
			    struct sm_err *err)
{
	enum sm_status st = SM_OK;
	size_t at = 0;
	while (at < c->count && strcmp(c->vols[at].role, role) < 0)
		at++;
	if (strlen(role) >= SM_ROLE_MAX)
		st = SM_FAIL(err, SM_INPUT, "%s: role '%s' has %zu bytes, allowed are %d", c->key,
			     role, strlen(role), SM_ROLE_MAX - 1);
	else if (c->count == SM_CASE_VOLS)
		st = SM_FAIL(err, SM_INPUT, "%s: more than %d volumes", c->key, SM_CASE_VOLS);
	else if (at < c->count && strcmp(c->vols[at].role, role) == 0)
		st = SM_FAIL(err, SM_INPUT, "%s: two volumes have the role %s", c->key, role);
	if (st != SM_OK) {
		sm_vol_clear(vol);
		return st;
	}
	memmove(&c->vols[at + 1], &c->vols[at], (c->count - at) * sizeof *c->vols);
	c->vols[at] = (struct sm_role_vol){.vol = *vol};
	snprintf(c->vols[at].role, SM_ROLE_MAX, "%s", role);
	memcpy(c->vols[at].source_dim, vol->dim, sizeof c->source_dim);
	memcpy(c->vols[at].source_affine, vol->affine, sizeof c->source_affine);
	for (int i = 0; i < 4; i++)
		c->vols[at].way[i][i] = 1;
	*vol = (struct sm_vol){0};
	c->count++;
	sm_case_set_source(c, &c->vols[0]);
	return SM_OK;
}

struct sm_vol *sm_case_find(const struct sm_case *c, const char *role)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->vols[i].role, role) == 0)
			return &c->vols[i].vol;
	return NULL;
}

enum sm_status sm_case_blocks(struct sm_case *c, struct sm_block **blocks, size_t *n,
			      struct sm_err *err)
{
	*blocks = NULL;
	*n = 0;
	if (!c->count)
		return SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	for (size_t i = 0; i < c->count; i++)
		SM_TRY(sm_vol_to_f32(&c->vols[i].vol, c->mem, c->jobs, err));
	struct sm_vol *image = &c->vols[0].vol;
	size_t count = c->stacked ? (size_t)image->dim[3] : c->count;
	struct sm_block *b = calloc(count, sizeof *b);
	if (!b)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < count; i++) {
		struct sm_vol *v = c->stacked ? image : &c->vols[i].vol;
		b[i].nx = v->dim[0];
		b[i].ny = v->dim[1];
		b[i].nz = c->stacked ? v->dim[2] : v->dim[2] * v->dim[3];
		b[i].v = (float *)v->data + (c->stacked ? i * sm_vol_frame_count(v) : 0);
		b[i].name = c->stacked ? c->channels[i] : c->vols[i].role;
	}
	*blocks = b;
	*n = count;
	return SM_OK;
}

static enum sm_status check_size(const struct sm_case *c, const struct sm_vol *v, const char *name,
				 struct sm_err *err)
{
	const struct sm_vol *first = &c->vols[0].vol;
	for (int a = 0; v->data && a < 3; a++)
		if (v->dim[a] != first->dim[a])
			return SM_FAIL(
				err, SM_INPUT,
				"%s: %s has %lld voxels along %c, %s has %lld: must be equal",
				c->key, name, (long long)v->dim[a], "xyz"[a], c->vols[0].role,
				(long long)first->dim[a]);
	return SM_OK;
}

enum sm_status sm_case_one_size(const struct sm_case *c, struct sm_err *err)
{
	if (!c->count)
		return SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	for (size_t i = 1; i < c->count; i++)
		SM_TRY(check_size(c, &c->vols[i].vol, c->vols[i].role, err));
	SM_TRY(check_size(c, &c->label, "label", err));
	SM_TRY(check_size(c, &c->regions, "regions", err));
	return check_size(c, &c->mask, "mask", err);
}

enum sm_status sm_case_named(const struct sm_case *c, const char *op, const char *role,
			     struct sm_err *err)
{
	if (c->stacked)
		return SM_FAIL(err, SM_INPUT, "%s: is stacked already: %s must stand before stack",
			       c->key, op);
	if (role && !sm_case_find(c, role))
		return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s'", c->key, role);
	return SM_OK;
}

enum sm_status sm_case_frames(const struct sm_case *c, const char *op, const char *role,
			      struct sm_err *err)
{
	if (c->pictures && !c->stacked)
		return SM_FAIL(err, SM_INPUT, "%s: the fourth axis of pictures is colour, not time",
			       c->key);
	return sm_case_named(c, op, role, err);
}

void sm_case_fact(struct sm_case *c, const char *op, json_t *fact)
{
	json_object_set_new(fact, "op", json_string(op));
	json_array_append_new(c->facts, fact);
}
