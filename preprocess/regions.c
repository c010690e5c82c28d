/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/par.h"
#include "preprocess/view.h"

enum sm_status sm_region_map_add(struct sm_region_map *map, const char *name,
				 const struct sm_ints *labels, struct sm_err *err)
{
	if (map->n == SM_REGIONS_MAX)
		return SM_FAIL(err, SM_USAGE, "more than %d regions", SM_REGIONS_MAX);
	if (strlen(name) >= SM_ROLE_MAX || !sm_key_is_safe(name))
		return SM_FAIL(
			err, SM_USAGE,
			"region '%s': allowed are names of letters, digits, '_', '-' and '.'",
			name);
	for (size_t r = 0; r < map->n; r++)
		if (strcmp(map->name[r], name) == 0)
			return SM_FAIL(err, SM_USAGE, "region '%s' stands twice", name);
	if (!labels->n)
		return SM_FAIL(err, SM_USAGE, "region '%s' lists no label", name);
	for (size_t i = 0; i < labels->n; i++) {
		uint64_t *of = &map->of[labels->v[i]];
		if (*of >> map->n & 1)
			return SM_FAIL(err, SM_USAGE, "region '%s' lists label %lld twice", name,
				       (long long)labels->v[i]);
		*of |= (uint64_t)1 << map->n;
	}
	snprintf(map->name[map->n++], SM_ROLE_MAX, "%s", name);
	return SM_OK;
}

size_t sm_unknown_labels(const size_t count[256], const bool known[256], char *out, size_t room)
{
	size_t used = 0, n = 0;
	*out = 0;
	for (int l = 0; l < 256; l++) {
		if (known[l] || !count[l])
			continue;
		int w = used >= room
				? 0
				: snprintf(out + used, room - used, "%s%d (%zu voxel%s)",
					   n ? ", " : "", l, count[l], count[l] > 1 ? "s" : "");
		used += w > 0 ? (size_t)w : 0;
		n++;
	}
	return n;
}

/* Labels that belong to nothing, by name and count. */
static enum sm_status check_labels(const struct sm_case *c, const struct sm_region_map *map,
				   struct sm_err *err)
{
	size_t count[256] = {0}, n = sm_vol_count(&c->label);
	const uint8_t *v = c->label.data;
	bool known[256];
	char text[300];
	for (size_t i = 0; i < n; i++)
		count[v[i]]++;
	for (int l = 0; l < 256; l++)
		known[l] = l == 0 || map->of[l];
	n = sm_unknown_labels(count, known, text, sizeof text);
	if (n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: label%s %s belong%s to no region (others: ignore lets "
			       "%s pass)",
			       c->key, n > 1 ? "s" : "", text, n > 1 ? "" : "s",
			       n > 1 ? "them" : "it");
	return SM_OK;
}

struct job {
	const uint8_t *label;
	uint8_t *out;
	size_t n;
	const struct sm_region_map *map;
};

static enum sm_status one(void *ctx, size_t r, struct sm_err *err)
{
	const struct job *j = ctx;
	uint8_t lut[256];
	(void)err;
	for (int l = 0; l < 256; l++)
		lut[l] = j->map->of[l] >> r & 1;
	for (size_t i = 0; i < j->n; i++)
		j->out[r * j->n + i] = lut[j->label[i]];
	return SM_OK;
}

static json_t *counts(const struct sm_case *c)
{
	json_t *all = json_object();
	size_t n = sm_vol_frame_count(&c->regions);
	for (int64_t r = 0; r < c->regions.dim[3]; r++) {
		const uint8_t *v = (const uint8_t *)c->regions.data + (size_t)r * n;
		json_int_t sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += v[i];
		json_object_set_new(all, c->region_names[r], json_integer(sum));
	}
	return all;
}

enum sm_status sm_case_make_regions(struct sm_case *c, const struct sm_region_map *map, bool others,
				    const char *op, struct sm_err *err)
{
	const int64_t dim[4] = {c->label.dim[0], c->label.dim[1], c->label.dim[2], (int64_t)map->n};
	SM_TRY(sm_view_needs_label(c, err));
	if (c->regions.data)
		return SM_FAIL(err, SM_INPUT, "%s: has regions already", c->key);
	if (!c->label.data)
		return SM_OK;
	if (!others)
		SM_TRY(check_labels(c, map, err));
	free(c->region_names);
	c->region_names = calloc(map->n, sizeof *c->region_names);
	if (!c->region_names)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	memcpy(c->region_names, map->name, map->n * sizeof *c->region_names);
	SM_TRY(sm_vol_init(&c->regions, dim, SM_U8, c->mem, "regions", err));
	memcpy(c->regions.affine, c->label.affine, sizeof c->regions.affine);
	c->regions.form_code = c->label.form_code;
	c->regions.meaning = SM_MEANING_LABEL;
	struct job job = {.label = c->label.data,
			  .out = c->regions.data,
			  .n = sm_vol_count(&c->label),
			  .map = map};
	SM_TRY(sm_par_for(map->n, c->jobs, one, &job, err));
	sm_case_fact(c, op, json_pack("{s:o}", "voxels", counts(c)));
	return SM_OK;
}
