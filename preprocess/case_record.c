/* SPDX-License-Identifier: Apache-2.0
 *
 * What the record of stage preprocess says of a case beside its files, written and read back.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "preprocess/cases.h"
#include "preprocess/grid.h"

/* ---- writing --------------------------------------------------------------------------------- */

static enum sm_status save_as(const struct sm_case *c, const char *out, const char *file,
			      const char *role, const struct sm_vol *vol, int level,
			      struct sm_item *item, struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s/%s.nii%s", c->key, file, level ? ".gz" : "");
	char *path = name ? sm_path_join(out, name) : NULL;
	enum sm_status st = path ? sm_nii_write(path, vol, level, c->jobs, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	if (st == SM_OK)
		st = sm_item_output(item, role, name, hex, err);
	free(path);
	free(name);
	return st;
}

static enum sm_status save_one(const struct sm_case *c, const char *out, const char *role,
			       const struct sm_vol *vol, int level, struct sm_item *item,
			       struct sm_err *err)
{
	return save_as(c, out, role, role, vol, level, item, err);
}

static json_t *grid_json(const int64_t dim[3], double affine[4][4])
{
	json_t *grid = json_object();
	json_object_set_new(grid, "dim", sm_json_ints(dim, 3));
	json_object_set_new(grid, "affine", sm_json_floats(&affine[0][0], 16));
	return grid;
}

/* {role: {dim, affine, way}} of every volume, or NULL when all are the first's. */
static json_t *grids_json(struct sm_case *c)
{
	json_t *grids = json_object();
	bool differ = false;
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *v = &c->vols[i], *first = &c->vols[0];
		json_t *one = grid_json(v->source_dim, v->source_affine);
		json_object_set_new(one, "way", sm_json_floats(&v->way[0][0], 16));
		json_object_set_new(grids, v->role, one);
		differ = differ || memcmp(v->source_dim, first->source_dim, sizeof v->source_dim) ||
			 memcmp(v->source_affine, first->source_affine, sizeof v->source_affine) ||
			 memcmp(v->way, first->way, sizeof v->way);
	}
	if (differ)
		return grids;
	json_decref(grids);
	return NULL;
}

static json_t *names_json(char (*names)[SM_ROLE_MAX], int64_t n)
{
	json_t *list = json_array();
	for (int64_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *slices_json(const uint8_t *keep, int64_t depth)
{
	json_t *slices = json_array();
	for (int64_t z = 0; z < depth; z++)
		if (keep[z])
			json_array_append_new(slices, json_integer(z));
	return slices;
}

/* "slices" when all volumes have the same choice, otherwise "volume_slices" by role. */
static void describe_slices(const struct sm_case *c, json_t *record)
{
	const struct sm_role_vol *first = &c->vols[0];
	json_t *own = json_object();
	bool shared = first->keep != NULL;
	for (size_t i = 0; i < c->count; i++) {
		const struct sm_role_vol *v = &c->vols[i];
		if (v->keep)
			json_object_set_new(own, v->role, slices_json(v->keep, v->vol.dim[2]));
		shared = shared && v->keep && v->vol.dim[2] == first->vol.dim[2] &&
			 memcmp(v->keep, first->keep, (size_t)v->vol.dim[2]) == 0;
	}
	if (shared)
		json_object_set(record, "slices", json_object_get(own, first->role));
	else if (json_object_size(own))
		json_object_set(record, "volume_slices", own);
	json_decref(own);
}

static void describe(struct sm_case *c, json_t *record)
{
	json_t *map = json_array(), *grids = grids_json(c);
	for (size_t i = 0; i < c->label_map_count; i++)
		json_array_append_new(map,
				      json_pack("[ii]", c->label_map[i][0], c->label_map[i][1]));
	json_object_set_new(record, "channels",
			    names_json(c->channels, c->stacked ? c->vols[0].vol.dim[3] : 0));
	json_object_set_new(record, "label_map", map);
	json_object_set_new(record, "source_grid", grid_json(c->source_dim, c->source_affine));
	json_object_set_new(record, "way", sm_json_floats(&c->way[0][0], 16));
	json_object_set_new(record, "dim", sm_json_ints(c->vols[0].vol.dim, 4));
	json_object_set(record, "facts", c->facts);
	if (grids)
		json_object_set_new(record, "grids", grids);
	if (c->pictures)
		json_object_set_new(record, "pictures", json_true());
	if (*c->modality)
		json_object_set_new(record, "modality", json_string(c->modality));
	if (c->regions.data)
		json_object_set_new(record, "region_names",
				    names_json(c->region_names, c->regions.dim[3]));
	describe_slices(c, record);
}

/* Masks of volumes that lie on other grids than the case's: for people to look at. */
static enum sm_status save_masks(const struct sm_case *c, const char *out, int level,
				 struct sm_item *item, struct sm_err *err)
{
	char name[SM_ROLE_MAX + 8];
	for (size_t i = 0; i < c->count; i++) {
		if (!c->vols[i].mask.data || sm_case_one_grid(c, NULL) == SM_OK)
			continue;
		snprintf(name, sizeof name, "mask_%s", c->vols[i].role);
		SM_TRY(save_as(c, out, name, "volume_mask", &c->vols[i].mask, level, item, err));
	}
	return SM_OK;
}

enum sm_status sm_case_save(struct sm_case *c, const char *out, int level, struct sm_item *item,
			    struct sm_err *err)
{
	const struct {
		const char *role;
		const struct sm_vol *vol;
	} beside[] = {{"label", &c->label}, {"mask", &c->mask}, {"regions", &c->regions}};
	char *dir = sm_path_join(out, c->key);
	enum sm_status st =
		dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	free(dir);
	for (size_t i = 0; st == SM_OK && i < c->count; i++) {
		struct sm_vol *v = &c->vols[i].vol;
		/* NIfTI holds the scaling as float32: writing real values keeps what tile would
		 * see. */
		if (v->slope != 1 || v->inter != 0 || v->dtype == SM_F64)
			st = sm_vol_to_f32(v, c->mem, c->jobs, err);
		if (st == SM_OK)
			st = save_one(c, out, c->vols[i].role, v, level, item, err);
	}
	for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
		if (st == SM_OK && beside[i].vol->data)
			st = save_one(c, out, beside[i].role, beside[i].vol, level, item, err);
	if (st == SM_OK)
		st = save_masks(c, out, level, item, err);
	if (st == SM_OK)
		describe(c, item->record);
	return st;
}

void sm_case_warnings(const struct sm_case *c, struct sm_item *item)
{
	size_t i;
	json_t *fact;
	json_array_foreach(c->facts, i, fact)
	{
		const char *text = sm_json_text(fact, "warning");
		if (text)
			sm_item_warn(item, "%s: %s", sm_json_text(fact, "op"), text);
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Names of a list into a table of n; SM_INPUT unless there are n usable ones. */
static enum sm_status read_names(const struct sm_case *c, const json_t *names, const char *what,
				 int64_t n, char (*out)[SM_ROLE_MAX], struct sm_err *err)
{
	if ((int64_t)json_array_size(names) != n)
		return SM_FAIL(err, SM_INPUT, "%s: record lists %zu %ss, the volume holds %lld",
			       c->key, json_array_size(names), what, (long long)n);
	for (int64_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(names, (size_t)i));
		if (!name || strlen(name) >= SM_ROLE_MAX)
			return SM_FAIL(err, SM_INPUT, "%s: %s %lld has no usable name", c->key,
				       what, (long long)i);
		memcpy(out[i], name, strlen(name) + 1);
	}
	return SM_OK;
}

static bool read_grid(const json_t *grid, const json_t *way_of, struct sm_role_vol *v)
{
	double affine[16], way[16];
	if (!sm_json_get_ints(grid, "dim", v->source_dim, 3) ||
	    !sm_json_get_floats(grid, "affine", affine, 16) ||
	    !sm_json_get_floats(way_of, "way", way, 16))
		return false;
	memcpy(v->source_affine, affine, sizeof affine);
	memcpy(v->way, way, sizeof way);
	return true;
}

static enum sm_status read_grids(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	const json_t *grids = json_object_get(record, "grids");
	struct sm_role_vol whole;
	if (!read_grid(json_object_get(record, "source_grid"), record, &whole))
		return SM_FAIL(err, SM_INPUT,
			       "%s: record lacks source_grid or way: run preprocess again", c->key);
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *v = &c->vols[i];
		const json_t *own = json_object_get(grids, v->role);
		memcpy(v->source_dim, whole.source_dim, sizeof v->source_dim);
		memcpy(v->source_affine, whole.source_affine, sizeof v->source_affine);
		memcpy(v->way, whole.way, sizeof v->way);
		if (grids && !read_grid(own, own, v))
			return SM_FAIL(err, SM_INPUT,
				       "%s: record lacks the grid of %s: run preprocess again",
				       c->key, v->role);
	}
	memcpy(c->source_dim, whole.source_dim, sizeof c->source_dim);
	memcpy(c->source_affine, whole.source_affine, sizeof c->source_affine);
	memcpy(c->way, whole.way, sizeof c->way);
	return SM_OK;
}

static enum sm_status read_list(struct sm_case *c, const json_t *slices, int64_t depth,
				uint8_t **keep, struct sm_err *err)
{
	if (!slices)
		return SM_OK;
	*keep = calloc((size_t)depth, 1);
	if (!*keep)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < json_array_size(slices); i++) {
		json_int_t z = json_integer_value(json_array_get(slices, i));
		if (z < 0 || z >= depth)
			return SM_FAIL(err, SM_INPUT,
				       "%s: record lists slice %lld, the volume has %lld", c->key,
				       (long long)z, (long long)depth);
		(*keep)[z] = 1;
	}
	return SM_OK;
}

static enum sm_status read_slices(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	const json_t *shared = json_object_get(record, "slices"),
		     *own = json_object_get(record, "volume_slices");
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *v = &c->vols[i];
		const json_t *list = shared ? shared : json_object_get(own, v->role);
		SM_TRY(read_list(c, list, v->vol.dim[2], &v->keep, err));
	}
	return SM_OK;
}

static enum sm_status read_regions(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	if (!c->regions.data)
		return SM_OK;
	c->region_names = calloc((size_t)c->regions.dim[3], sizeof *c->region_names);
	if (!c->region_names)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	return read_names(c, json_object_get(record, "region_names"), "region", c->regions.dim[3],
			  c->region_names, err);
}

enum sm_status sm_case_restore(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	const json_t *channels = json_object_get(record, "channels");
	json_t *map = json_object_get(record, "label_map"), *pair;
	size_t i, n = json_array_size(map);
	SM_TRY(read_grids(c, record, err));
	SM_TRY(read_slices(c, record, err));
	SM_TRY(read_regions(c, record, err));
	c->label_map = calloc(n + 1, sizeof *c->label_map);
	if (!c->label_map)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	json_array_foreach(map, i, pair)
	{
		c->label_map[i][0] = (int)json_integer_value(json_array_get(pair, 0));
		c->label_map[i][1] = (int)json_integer_value(json_array_get(pair, 1));
	}
	c->label_map_count = n;
	if (!json_array_size(channels))
		return SM_OK; /* was not stacked */
	if (c->count != 1 || c->vols[0].vol.dim[3] > SM_CASE_VOLS)
		return SM_FAIL(err, SM_INPUT,
			       "%s: record lists channels, but there are %zu volumes", c->key,
			       c->count);
	SM_TRY(read_names(c, channels, "channel", c->vols[0].vol.dim[3], c->channels, err));
	c->stacked = true;
	return SM_OK;
}
