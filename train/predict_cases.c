/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of stage predict: which, and their volumes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/predict.h"
#include "train/turned.h"

const json_t *sm_predict_image(const json_t *record)
{
	size_t i, others = 0;
	json_t *output, *found = sm_record_output(record, "image"), *only = NULL;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *role = sm_json_text(output, "role");
		if (!role || strcmp(role, "label") == 0 || strcmp(role, "mask") == 0 ||
		    strcmp(role, "regions") == 0)
			continue;
		only = output;
		others++;
	}
	return found ? found : others == 1 ? only : NULL;
}

enum sm_status sm_predict_channels(const struct sm_predicting *p, const json_t *record,
				   const char *who, struct sm_err *err)
{
	json_t *want = p->infer.about.channels, *have = json_object_get(record, "channels");
	size_t n = json_array_size(want);
	if (!n || !json_array_size(have) || json_equal(want, have))
		return SM_OK;
	for (size_t i = 0; i < n || i < json_array_size(have); i++) {
		const char *a = json_string_value(json_array_get(have, i));
		const char *b = json_string_value(json_array_get(want, i));
		if (!a || !b || strcmp(a, b) != 0)
			return SM_FAIL(err, SM_INPUT,
				       "%s: channel %zu is %s, the network was trained with %s",
				       who, i, a ? a : "missing", b ? b : "none");
	}
	return SM_OK;
}

static enum sm_status read_way_back(const json_t *record, const char *who, struct sm_way_back *way,
				    struct sm_err *err)
{
	const json_t *grid = json_object_get(record, "source_grid");
	json_t *map = json_object_get(record, "label_map"), *pair;
	double affine[16], walk[16];
	size_t i;
	if (!sm_json_get_ints(grid, "dim", way->dim, 3) ||
	    !sm_json_get_floats(grid, "affine", affine, 16) ||
	    !sm_json_get_floats(record, "way", walk, 16))
		return SM_FAIL(err, SM_INPUT,
			       "%s: record lacks source_grid or way: run preprocess again", who);
	for (int a = 0; a < 16; a++)
		if (!(fabs(walk[a]) <= INT32_MAX) || (a < 3 && way->dim[a] > INT32_MAX))
			return SM_FAIL(err, SM_INPUT, "%s: source_grid or way is out of range",
				       who);
	memcpy(way->affine, affine, sizeof affine);
	memcpy(way->way, walk, sizeof walk);
	way->pairs = calloc(json_array_size(map) + 1, sizeof *way->pairs);
	if (!way->pairs)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", who);
	json_array_foreach(map, i, pair)
	{
		way->pairs[i][0] = (int)json_integer_value(json_array_get(pair, 0));
		way->pairs[i][1] = (int)json_integer_value(json_array_get(pair, 1));
	}
	way->pair_count = json_array_size(map);
	return SM_OK;
}

/* One sentence for all that is wrong before the network sees a value. */
static enum sm_status spool_image(const struct sm_predicting *p, struct sm_predict_case *c,
				  struct sm_err *err)
{
	const json_t *output = sm_predict_image(c->record);
	const char *name = sm_json_text(output, "path");
	struct sm_nii_info info = {0};
	char *path = sm_path_join(p->run->in, name);
	enum sm_status st = path ? sm_nii_spool(path, p->run->out, &c->image, &info, &c->spool, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	if (strcmp(info.sha256, sm_json_text(output, "sha256")) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of preprocess says: run "
			       "preprocess again",
			       name);
	if (info.not_finite)
		return SM_FAIL(err, SM_INPUT,
			       "%s: holds %zu values that are NaN or infinite, allowed are 0", name,
			       info.not_finite);
	return SM_OK;
}

/* Source -> slices: what leads to the volume's indices, then what turns them. */
static void turn_way(struct sm_way_back *way, const struct sm_slice_view *v)
{
	const int from[3] = {v->column, v->row, v->normal};
	const bool flip[3] = {v->flip_column, v->flip_row, false};
	const int64_t n[3] = {v->width, v->height, v->count};
	double old[4][4];
	memcpy(old, way->way, sizeof old);
	for (int a = 0; a < 3; a++)
		for (int k = 0; k < 4; k++) {
			double shift = k == 3 ? (double)(n[a] - 1) : 0;
			way->way[a][k] = flip[a] ? shift - old[from[a]][k] : old[from[a]][k];
		}
}

struct two {
	const struct sm_mapped *a, *b;
};

static void let_go(void *ctx)
{
	const struct two *both = ctx;
	sm_mapped_let_go(both->a);
	sm_mapped_let_go(both->b);
}

/* The volume as its slices were cut for the training: columns, rows, slices. */
static enum sm_status turn(const struct sm_predicting *p, struct sm_predict_case *c,
			   struct sm_err *err)
{
	struct sm_slice_view v;
	struct sm_mapped turned;
	struct two both = {&turned, &c->spool};
	if (!sm_turned_plan(&p->infer.about, &c->image, &v))
		return SM_OK;
	SM_TRY(sm_mapped_open(&turned, p->run->out, c->spool.bytes, c->key, err));
	size_t frame = sm_vol_frame_count(&c->image);
	for (int64_t k = 0; k < c->image.dim[3]; k++)
		sm_turned_frame((const float *)c->image.data + (size_t)k * frame, c->image.dim, &v,
				(float *)turned.data + (size_t)k * frame, let_go, &both);
	sm_mapped_close(&c->spool);
	c->spool = turned;
	c->image.data = turned.data;
	c->image.dim[0] = v.width;
	c->image.dim[1] = v.height;
	c->image.dim[2] = v.count;
	turn_way(&c->way, &v);
	return SM_OK;
}

enum sm_status sm_predict_read(const struct sm_predicting *p, struct sm_predict_case *c,
			       struct sm_err *err)
{
	SM_TRY(sm_predict_channels(p, c->record, c->key, err));
	SM_TRY(read_way_back(c->record, c->key, &c->way, err));
	SM_TRY(spool_image(p, c, err));
	return turn(p, c, err);
}

void sm_predict_case_clear(struct sm_predict_case *c)
{
	free(c->way.pairs);
	sm_mapped_close(&c->spool);
	sm_mapped_close(&c->maps);
	sm_placer_clear(&c->placer);
	*c = (struct sm_predict_case){0};
}
