/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of stage predict: which, and their volumes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "preprocess/slice.h"
#include "train/predict.h"

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

/* A network takes channels by position: names must be those of the training. */
static enum sm_status check_channels(const struct sm_predicting *p, const json_t *record,
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
			return SM_FAIL(err, SM_INPUT, "%s: source_grid or way is out of range", who);
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
static enum sm_status spool_image(const struct sm_predicting *p, struct sm_predict_case *c, struct sm_err *err)
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

/* The volume as its slices were cut for the training: columns, rows, slices. */
static enum sm_status turn(const struct sm_predicting *p, struct sm_predict_case *c, struct sm_err *err)
{
	const struct sm_checkpoint *about = &p->infer.about;
	struct sm_slice_view v;
	struct sm_mapped turned;
	if (!about->plane)
		return SM_OK;
	sm_slice_plan(&c->image, about->plane > SM_PLANES ? SM_PLANE_AXIAL : (enum sm_plane)(about->plane - 1),
		      about->stored ? SM_VIEW_STORED : SM_VIEW_RADIOLOGICAL, &v);
	if (v.column == 0 && v.row == 1 && !v.flip_column && !v.flip_row)
		return SM_OK;
	SM_TRY(sm_mapped_open(&turned, p->run->out, c->spool.bytes, c->key, err));
	size_t frame = sm_vol_frame_count(&c->image), plane = (size_t)(v.width * v.height);
	for (int64_t k = 0; k < c->image.dim[3]; k++)
		for (int64_t z = 0; z < v.count; z++) {
			sm_slice_cut((const float *)c->image.data + (size_t)k * frame, c->image.dim, &v, z,
				     (float *)turned.data + (size_t)k * frame + (size_t)z * plane);
			if (z % 16 == 15) {
				sm_mapped_let_go(&turned);
				sm_mapped_let_go(&c->spool);
			}
		}
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
	SM_TRY(check_channels(p, c->record, c->key, err));
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

/* ---- which cases ----------------------------------------------------------------------------- */

/* Why a case is not predicted: NULL when it is. fold: that asked for; in: the case's. */
static const char *left_out(const struct sm_predicting *p, const char *key, const char *fold, const char *in)
{
	if (p->o->one_case)
		return strcmp(key, p->o->one_case) == 0 ? NULL : "not_asked";
	return strcmp(in, fold) == 0 ? NULL : "other_folds";
}

static enum sm_status pick(struct sm_predicting *p, size_t i, const char *in, const char *fold, json_t *why,
			   struct sm_err *err)
{
	const char *key = sm_records_key(p->cases.records, i);
	if (!sm_records_ok(p->cases.records, i)) {
		sm_warn(&p->run->log, key, "was rejected before and is left out");
		json_array_append_new(json_object_get(why, "rejected"), json_string(key));
		return SM_OK;
	}
	if (!in)
		SM_TRY(sm_records_check(p->split.records, err));
	if (!in && !p->o->one_case)
		return SM_FAIL(err, SM_INPUT, "%s: stands in no fold of the split: run split again", key);
	const char *reason = left_out(p, key, fold, in);
	if (reason)
		json_array_append_new(json_object_get(why, reason), json_string(key));
	else
		p->at[p->count++] = i;
	if (!reason && in && strcmp(in, "train") == 0)
		sm_warn(&p->run->log, key, "is of fold train: a score of its prediction says nothing");
	return SM_OK;
}

enum sm_status sm_predict_list(struct sm_predicting *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	bool all = p->s->fold == SM_PREDICT_ALL;
	const char *fold = all ? "all" : sm_fold_name((enum sm_fold)p->s->fold);
	if (!all && !p->o->split && !p->o->one_case)
		return SM_FAIL(err, SM_USAGE, "--split: is missing, fold %s needs it", fold);
	const struct sm_manifest_root *m = run->manifest;
	const char *samples = m->dataset == SM_LAST_SLICE ? "slice" : "tile";
	SM_TRY(sm_run_parent(run, run->in, p->o->tiles ? samples : "preprocess", &p->cases, err));
	if (p->o->split)
		SM_TRY(sm_run_parent(run, p->o->split, "split", &p->split, err));
	size_t count = sm_records_count(p->cases.records);
	p->at = calloc(count + 1, sizeof *p->at);
	if (!p->at)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	/* So that evaluate can tell why a truth has no prediction. */
	json_t *why = json_pack("{s:[], s:[]}", "other_folds", "rejected");
	if (p->o->one_case)
		json_object_set_new(why, "not_asked", json_array());
	json_object_set_new(run->ledger.header, "not_predicted", why);
	for (size_t i = 0; i < count; i++) {
		char *in = all || !p->o->split ? sm_strf("%s", fold)
					       : sm_ledger_text(&p->split, sm_records_key(p->cases.records, i), "fold");
		enum sm_status st = pick(p, i, in, fold, why, err);
		free(in);
		SM_TRY(st);
	}
	if (!p->count && p->o->one_case)
		return SM_FAIL(err, SM_USAGE, "--case: found '%s', allowed are the good cases of preprocess",
			       p->o->one_case);
	return p->count
		       ? SM_OK
		       : SM_FAIL(err, SM_INPUT, "fold %s: has 0 cases, needed is at least 1", fold);
}
