/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "eval/case_score.h"
#include "eval/compare.h"

/* One case at work. */
struct work {
	struct sm_comparing *c;
	struct sm_item *item;
	struct sm_vol vol[SM_MEMBERS];
	char *name[SM_MEMBERS]; /* malloc texts */
	struct sm_patterns patterns;
	uint8_t *of_pattern;
	json_t *pairs, *fused;
};

/* ---- scores ---------------------------------------------------------------------------------- */

static enum sm_status score(struct work *w, size_t reference, size_t compared, struct sm_err *err)
{
	const struct sm_comparing *c = w->c;
	struct sm_case_scores s;
	SM_TRY(sm_case_score(&w->vol[reference], w->name[reference], &w->vol[compared],
			     w->name[compared], &c->section, &c->map, &c->columns, &c->run->mem,
			     w->item->jobs, &s, err));
	json_t *one = json_object();
	json_object_set_new(one, "reference", json_string(c->member[reference].name));
	json_object_set_new(one, "compared", json_string(c->member[compared].name));
	json_object_set_new(one, "scores", sm_case_scores_to_json(&c->map, &c->columns, &s));
	json_object_set_new(one, "voxel_mm3", json_real(s.voxel_mm3));
	json_object_set_new(one, "spacing", sm_json_floats(s.spacing, 3));
	json_array_append_new(w->pairs, one);
	sm_case_scores_clear(&s);
	return SM_OK;
}

/* Pairs with or without a fusion. Those without come first: they make labels of the volumes, and
 * refuse those that do not lie on one grid. */
static enum sm_status score_all(struct work *w, bool fusions, struct sm_err *err)
{
	const struct sm_comparing *c = w->c;
	for (size_t r = 0; r < c->members; r++)
		for (size_t m = 0; m < c->members; m++) {
			bool fused = c->member[r].kind > SM_MEMBER_TRUTH ||
				     c->member[m].kind > SM_MEMBER_TRUTH;
			if (fused == fusions && sm_members_meet(c, r, m))
				SM_TRY(score(w, r, m, err));
		}
	return SM_OK;
}

/* ---- fusions --------------------------------------------------------------------------------- */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* STAPLE of one row of the tables. */
static enum sm_status rate_row(const struct work *w, size_t row, double *p, json_t *out,
			       struct sm_err *err)
{
	const struct sm_comparing *c = w->c;
	const struct sm_label_map *map = &c->map;
	double sensitivity[SM_RATERS], specificity[SM_RATERS];
	struct sm_staple s = {.sensitivity = sensitivity, .specificity = specificity};
	uint8_t member[256] = {0};
	for (size_t k = 0; k < map->classes; k++)
		member[map->value[k]] = map->row[row].members >> k & 1;
	SM_TRY(sm_staple_of(&w->patterns, member, c->settings.prior > 0 ? c->settings.prior : NAN,
			    (int)c->settings.iterations, p, &s, err));
	json_t *one = json_object(), *raters = json_object();
	json_object_set_new(one, "prior", json_real(s.prior));
	json_object_set_new(one, "iterations", json_integer(s.iterations));
	json_object_set_new(one, "converged", json_boolean(s.converged));
	json_object_set_new(one, "raters", raters);
	for (size_t r = 0; r < c->raters; r++) {
		json_t *rater = json_object();
		json_object_set_new(rater, "sensitivity", number(sensitivity[r]));
		json_object_set_new(rater, "specificity", number(specificity[r]));
		json_object_set_new(raters, c->member[r].name, rater);
	}
	json_object_set_new(out, map->row[row].key, one);
	if (!s.converged)
		sm_item_warn(w->item, "STAPLE of %s still moves after %d rounds",
			     map->row[row].name, s.iterations);
	return SM_OK;
}

static enum sm_status rate_raters(const struct work *w, struct sm_err *err)
{
	json_t *rows = json_object();
	enum sm_status st = SM_OK;
	json_object_set_new(w->item->record, "staple", rows);
	double *p = sm_alloc(&w->c->run->mem, w->patterns.n + 1, sizeof *p, "STAPLE", err);
	if (!p)
		return SM_BUDGET;
	for (size_t row = 0; st == SM_OK && row < w->c->map.n; row++)
		st = rate_row(w, row, p, rows, err);
	sm_free(p);
	return st;
}

/* Writes OUT/majority/KEY.nii.gz: the folder is one that evaluate and compare take. */
static enum sm_status write_fusion(struct work *w, size_t m, struct sm_err *err)
{
	struct sm_run *run = w->c->run;
	const char *name = w->c->member[m].name;
	char hex[65], bytes[65];
	char *folder = sm_path_join(run->out, name);
	char *path = sm_strf("%s/%s.nii.gz", name, w->item->key);
	char *full = path ? sm_path_join(run->out, path) : NULL;
	enum sm_status st = folder && full ? sm_mkdirs(folder, err)
					   : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (st == SM_OK)
		st = sm_nii_write_in(&w->item->files, full, &w->vol[m], 0, w->item->jobs, hex,
				     bytes, err);
	if (st == SM_OK)
		st = sm_item_output(w->item, name, path, hex, err);
	if (st == SM_OK)
		st = sm_item_file_hash(w->item, path, bytes, err);
	free(folder);
	free(path);
	free(full);
	return st;
}

/* The volume of a fusion: labels by pattern, in the first rater's place. */
static enum sm_status fill_fusion(struct work *w, size_t m, struct sm_err *err)
{
	const struct sm_comparing *c = w->c;
	const struct sm_vol *from = &w->vol[0];
	const uint8_t *rater[SM_RATERS];
	struct sm_vol *vol = &w->vol[m];
	for (size_t r = 0; r < c->raters; r++)
		rater[r] = w->vol[r].data;
	SM_TRY(sm_vol_init(vol, from->dim, SM_U8, &c->run->mem, c->member[m].name, err));
	memcpy(vol->affine, from->affine, sizeof vol->affine);
	vol->form_code = from->form_code;
	vol->meaning = SM_MEANING_LABEL;
	sm_patterns_fill(&w->patterns, rater, sm_vol_count(vol), w->of_pattern, vol->data);
	return c->run->out ? write_fusion(w, m, err) : SM_OK;
}

static enum sm_status fuse_majority(struct work *w, struct sm_err *err)
{
	uint64_t tied;
	sm_majority_of(&w->patterns, (enum sm_ties)w->c->settings.ties, w->of_pattern, &tied);
	json_t *one = json_object();
	json_object_set_new(one, "tied", json_integer((json_int_t)tied));
	json_object_set_new(w->fused, "majority", one);
	return fill_fusion(w, w->c->majority, err);
}

static enum sm_status fuse_staple(struct work *w, struct sm_err *err)
{
	struct sm_staple_labels s;
	SM_TRY(sm_staple_labels(&w->patterns, (int)w->c->settings.iterations,
				(enum sm_ties)w->c->settings.ties, &w->c->run->mem, w->of_pattern,
				&s, err));
	json_t *one = json_object();
	json_object_set_new(one, "tied", json_integer((json_int_t)s.tied));
	json_object_set_new(one, "iterations", json_integer(s.iterations));
	json_object_set_new(one, "converged", json_boolean(s.converged));
	json_object_set_new(w->fused, "staple", one);
	if (!s.converged)
		sm_item_warn(w->item, "STAPLE of all labels still moves after %d rounds",
			     s.iterations);
	sm_staple_labels_clear(&s);
	return fill_fusion(w, w->c->staple, err);
}

static enum sm_status fuse(struct work *w, struct sm_err *err)
{
	const struct sm_comparing *c = w->c;
	const uint8_t *rater[SM_RATERS];
	for (size_t r = 0; r < c->raters; r++)
		rater[r] = w->vol[r].data;
	SM_TRY(sm_patterns_count(&w->patterns, rater, c->raters, sm_vol_count(&w->vol[0]),
				 &c->run->mem, err));
	w->of_pattern = sm_alloc(&c->run->mem, w->patterns.n + 1, 1, "fused labels", err);
	if (!w->of_pattern)
		return SM_BUDGET;
	w->fused = json_object();
	json_object_set_new(w->item->record, "fused", w->fused);
	if (c->majority != SM_NONE)
		SM_TRY(fuse_majority(w, err));
	if (c->staple != SM_NONE) {
		SM_TRY(fuse_staple(w, err));
		SM_TRY(rate_raters(w, err));
	}
	return SM_OK;
}

enum sm_status sm_compare_case(struct sm_comparing *c, struct sm_item *item, struct sm_err *err)
{
	struct work *w = calloc(1, sizeof *w);
	char *patient = sm_members_patient(c, item->key);
	enum sm_status st = SM_OK;
	if (!w) {
		free(patient);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	}
	w->c = c;
	w->item = item;
	w->pairs = json_array();
	json_object_set_new(item->record, "pairs", w->pairs);
	if (patient)
		json_object_set_new(item->record, "patient", json_string(patient));
	for (size_t m = 0; m < c->members; m++) {
		w->name[m] = sm_member_file(c, m, item->key);
		if (!w->name[m])
			SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key));
	}
	SM_GOTO(st, sm_members_read(c, item, w->vol, err));
	SM_GOTO(st, score_all(w, false, err));
	if (c->majority != SM_NONE || c->staple != SM_NONE) {
		SM_GOTO(st, fuse(w, err));
		st = score_all(w, true, err);
	}
out:
	for (size_t m = 0; m < c->members; m++) {
		sm_vol_clear(&w->vol[m]);
		free(w->name[m]);
	}
	sm_patterns_clear(&w->patterns);
	sm_free(w->of_pattern);
	free(patient);
	free(w);
	return st;
}
