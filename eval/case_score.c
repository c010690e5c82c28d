/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/case_score.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/nii.h"
#include "core/par.h"
#include "eval/box.h"
#include "eval/surface.h"

struct reading {
	const char *path[2];
	struct sm_vol *vol[2];
	struct sm_mem *mem;
};

static enum sm_status read_one(void *ctx, size_t i, struct sm_err *err)
{
	const struct reading *r = ctx;
	/* Without a place for it no hash is taken: a third of the time. */
	return sm_nii_read(r->path[i], r->mem, r->vol[i], NULL, err);
}

enum sm_status sm_pair_read(const struct sm_pair_files *files, struct sm_mem *mem, int jobs,
			    struct sm_vol *truth, struct sm_vol *prediction, struct sm_err *err)
{
	struct reading r = {{files->truth, files->prediction}, {truth, prediction}, mem};
	*truth = *prediction = (struct sm_vol){0};
	return sm_par_for(2, jobs, read_one, &r, err);
}

const struct sm_lesion_rule *sm_lesion_rule_of(const struct sm_evaluate_section *section)
{
	return &sm_lesion_rules[section->lesions ? section->lesions - 1 : SM_LESIONS_GLI];
}

static enum sm_status check_frames(const struct sm_vol *vol, const char *name, struct sm_err *err)
{
	if (vol->dim[3] == 1)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT, "%s: has %lld frames, a label volume has 1", name,
		       (long long)vol->dim[3]);
}

/* Every finite value becomes the label or 0. */
static enum sm_status cut(struct sm_vol *vol, double threshold, uint8_t label, struct sm_mem *mem,
			  const char *name, struct sm_err *err)
{
	size_t n = sm_vol_count(vol);
	uint8_t *out = sm_alloc(mem, n, 1, "mask", err);
	if (!out)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		double v = sm_vol_at(vol, i);
		if (!isfinite(v)) {
			size_t x = (size_t)vol->dim[0], y = (size_t)vol->dim[1];
			sm_free(out);
			return SM_FAIL(err, SM_INPUT,
				       "%s: value %g at voxel (%zu, %zu, %zu): allowed are finite "
				       "numbers",
				       name, v, i % x, i / x % y, i / x / y);
		}
		out[i] = v > threshold ? label : 0;
	}
	sm_free(vol->data);
	vol->data = out;
	vol->dtype = SM_U8;
	vol->slope = 1;
	vol->inter = 0;
	vol->meaning = SM_MEANING_LABEL;
	return SM_OK;
}

/* Only what can hold other than whole numbers is ever cut. */
static enum sm_status to_labels(struct sm_vol *vol, const struct sm_case_rules *r, const char *name,
				struct sm_err *err)
{
	double threshold = r->section->threshold;
	bool whole = vol->dtype != SM_F32 && vol->dtype != SM_F64 && vol->slope == 1 &&
		     vol->inter == floor(vol->inter);
	struct sm_err why = {0};
	enum sm_status st = sm_vol_to_labels(vol, r->mem, name, &why);
	if (st == SM_OK)
		return SM_OK;
	if (st == SM_INPUT && !whole && !isnan(threshold))
		return cut(vol, threshold, r->map->value[1], r->mem, name, err);
	return SM_FAIL(err, st, "%s%s", why.text,
		       st == SM_INPUT && !whole ? "; others need evaluate.threshold (--threshold)"
						: "");
}

/* What the families found, row by row; NULL where no column asks. */
struct found {
	const struct sm_case_rules *rules;
	const struct sm_vol *truth, *prediction;
	struct sm_regions boxes;
	struct sm_surface *surface;
	struct sm_lesions *lesions;
	struct sm_parts_counts parts[SM_BYS];
};

static void clear(struct found *f)
{
	sm_free(f->surface);
	sm_free(f->lesions);
	for (int by = 0; by < SM_BYS; by++)
		sm_parts_counts_clear(&f->parts[by]);
}

/* One row's lesions in the ledger. */
static json_t *list_to_json(const struct sm_lesion *list, size_t n, const struct sm_box *box)
{
	json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_object(), *first = json_array();
		for (int a = 0; a < 3; a++)
			json_array_append_new(first, json_integer(list[i].first[a] + box->low[a]));
		json_object_set_new(one, "first_voxel", first);
		json_object_set_new(one, "mm3", json_real(list[i].mm3));
		json_object_set_new(one, "dice", json_real(list[i].dice));
		json_object_set_new(one, "hd95", json_real(list[i].hd95));
		json_object_set_new(one, "parts", json_integer(list[i].components));
		json_object_set_new(one, "left_out", json_boolean(list[i].filtered));
		json_array_append_new(all, one);
	}
	return all;
}

static enum sm_status find_lesions(struct found *f, size_t row, const double spacing[3],
				   struct sm_err *err)
{
	const struct sm_case_rules *r = f->rules;
	const struct sm_box *box = &f->boxes.both[row];
	const struct sm_lesion_rule *rule = sm_lesion_rule_of(r->section);
	struct sm_lesion *list = NULL;
	uint8_t *mask[2] = {0};
	const int64_t *dim = f->truth->dim;
	const bool flat[3] = {dim[0] == 1, dim[1] == 1, dim[2] == 1};
	size_t n = (size_t)box->n[0] * (size_t)box->n[1] * (size_t)box->n[2];
	enum sm_status st = SM_BUDGET;
	for (int k = 0; k < 2; k++) {
		mask[k] = sm_alloc(r->mem, n, 1, "mask of a region", err);
		if (!mask[k])
			goto out;
		sm_region_cut(r->map, row, k ? f->prediction->data : f->truth->data, f->truth->dim,
			      box, 0, mask[k]);
	}
	st = sm_lesions_list(mask[0], mask[1], box->n, spacing, flat, rule, r->section->match_iou,
			     r->jobs, r->mem, &f->lesions[row], &list, err);
	if (st == SM_OK && r->lesions)
		json_object_set_new(r->lesions, r->map->row[row].key,
				    list_to_json(list, f->lesions[row].truth, box));
out:
	sm_free(list);
	sm_free(mask[0]);
	sm_free(mask[1]);
	return st;
}

/* A row above this one that is the same union of labels. */
static size_t twin_of(const struct sm_label_map *map, size_t row)
{
	size_t twin = 0;
	while (map->row[twin].members != map->row[row].members)
		twin++;
	return twin;
}

static enum sm_status measure_lesions(struct found *f, const double spacing[3], struct sm_err *err)
{
	const struct sm_label_map *map = f->rules->map;
	f->lesions = sm_calloc(f->rules->mem, map->n, sizeof *f->lesions, "lesions", err);
	if (!f->lesions)
		return SM_BUDGET;
	for (size_t row = 0; row < map->n; row++) {
		size_t twin = twin_of(map, row);
		if (f->boxes.both[row].n[0] == 0)
			continue;
		if (twin == row)
			SM_TRY(find_lesions(f, row, spacing, err));
		else
			f->lesions[row] = f->lesions[twin];
	}
	return SM_OK;
}

static enum sm_status measure_surfaces(struct found *f, const double spacing[3], struct sm_err *err)
{
	const struct sm_case_rules *r = f->rules;
	struct sm_surface_settings settings = {
		.spacing = {spacing[0], spacing[1], spacing[2]},
		.tolerance_mm = r->columns->tolerance_mm,
		.tolerances = r->columns->tolerances,
		.families = r->columns->families,
		.mem = r->mem,
		.jobs = r->jobs,
	};
	f->surface = sm_calloc(r->mem, r->map->n, sizeof *f->surface, "surfaces", err);
	if (!f->surface)
		return SM_BUDGET;
	return sm_surface_regions(r->map, f->truth->data, f->prediction->data, f->truth->dim,
				  &f->boxes, &settings, f->surface, err);
}

static enum sm_status measure_parts(struct found *f, struct sm_err *err)
{
	const struct sm_case_rules *r = f->rules;
	const struct sm_vol *t = f->truth;
	if (r->columns->units >> SM_BY_SLICE & 1)
		SM_TRY(sm_slice_counts(r->map, t->data, f->prediction->data, t->dim,
				       sm_slice_axis(r->section, t->affine), r->jobs, r->mem,
				       &f->parts[SM_BY_SLICE], err));
	if (r->columns->units >> SM_BY_TILE & 1 && r->tiles)
		SM_TRY(sm_tile_counts(r->map, t->data, f->prediction->data, t->dim, r->tiles,
				      r->jobs, r->mem, &f->parts[SM_BY_TILE], err));
	return SM_OK;
}

static struct sm_cell cell_of(const struct found *f, const struct sm_case_scores *s, size_t row,
			      const struct sm_column *column)
{
	const struct sm_metric *metric = column->metric;
	enum sm_policy policy = (enum sm_policy)f->rules->section->empty;
	enum sm_situation situation = (enum sm_situation)s->situation[row];
	double v = NAN;
	if (column->by != SM_BY_VOXEL)
		return sm_parts_cell(policy,
				     column->by == SM_BY_TILE ? SM_SLICES_ALL
							      : f->rules->section->slices,
				     metric, &f->parts[column->by], row);
	switch (metric->family) {
	case SM_FROM_COUNTS:
	case SM_FROM_VOLUMES:
		return sm_overlap_cell(policy, metric, &s->counts[row], s->voxel_mm3);
	case SM_FROM_SURFACE:
	case SM_FROM_SURFELS:
		if (situation == SM_BOTH_FULL)
			v = sm_surface_value(column, &f->surface[row]);
		break;
	default:
		if (situation != SM_BOTH_EMPTY)
			v = sm_lesions_value(metric->key, &f->lesions[row]);
		else if (metric->empty == SM_EMPTY_COUNT)
			v = 0;
	}
	enum sm_why why = sm_policy_value(policy, metric, situation, &v);
	return (struct sm_cell){v, (uint8_t)why};
}

/* The two grids are one and everything in them is a label. */
static enum sm_status check_pair(const struct sm_case_rules *r, struct sm_vol *truth,
				 const char *truth_name, struct sm_vol *prediction,
				 const char *prediction_name, struct sm_err *err)
{
	SM_TRY(check_frames(truth, truth_name, err));
	SM_TRY(check_frames(prediction, prediction_name, err));
	SM_TRY(sm_vol_same_grid(truth, truth_name, prediction, prediction_name,
				r->section->grid_tolerance, err));
	SM_TRY(to_labels(truth, r, truth_name, err));
	return to_labels(prediction, r, prediction_name, err);
}

static enum sm_status measure(struct found *f, const char *truth_name, const char *prediction_name,
			      struct sm_case_scores *out, struct sm_err *err)
{
	const struct sm_case_rules *r = f->rules;
	const unsigned surfaces = 1u << SM_FROM_SURFACE | 1u << SM_FROM_SURFELS;
	const unsigned lesions = 1u << SM_FROM_LESIONS;
	struct sm_joint joint;
	SM_TRY(sm_scan_pair(r->map, f->truth->data, truth_name, f->prediction->data,
			    prediction_name, f->truth->dim, r->jobs, &joint, &f->boxes, err));
	sm_vol_spacing(f->truth, out->spacing);
	if (r->columns->families & (surfaces | lesions))
		SM_TRY(sm_surface_spacing(f->truth, truth_name, out->spacing, err));
	if (r->columns->families & surfaces)
		SM_TRY(measure_surfaces(f, out->spacing, err));
	if (r->columns->families & lesions)
		SM_TRY(measure_lesions(f, out->spacing, err));
	SM_TRY(measure_parts(f, err));
	for (size_t row = 0; row < r->map->n; row++) {
		out->counts[row] = sm_joint_region(&joint, r->map->row[row].members);
		out->situation[row] = (uint8_t)sm_situation_of(&out->counts[row]);
		for (size_t c = 0; c < r->columns->n; c++) {
			struct sm_cell cell = cell_of(f, out, row, &r->columns->at[c]);
			out->cell[row * out->columns + c].v = cell.v;
			out->cell[row * out->columns + c].why = cell.why;
		}
	}
	return SM_OK;
}

enum sm_status sm_case_measure(const struct sm_case_rules *rules, struct sm_vol *truth,
			       const char *truth_name, struct sm_vol *prediction,
			       const char *prediction_name, struct sm_case_scores *out,
			       struct sm_err *err)
{
	struct found f = {.rules = rules, .truth = truth, .prediction = prediction};
	*out = (struct sm_case_scores){0};
	SM_TRY(check_pair(rules, truth, truth_name, prediction, prediction_name, err));
	SM_TRY(sm_case_scores_init(out, rules->map->n, rules->columns->n, err));
	out->voxel_mm3 = sm_voxel_mm3(truth);
	enum sm_status st = measure(&f, truth_name, prediction_name, out, err);
	clear(&f);
	if (st != SM_OK)
		sm_case_scores_clear(out);
	return st;
}

enum sm_status sm_case_score(struct sm_vol *truth, const char *truth_name,
			     struct sm_vol *prediction, const char *prediction_name,
			     const struct sm_evaluate_section *section,
			     const struct sm_label_map *map, const struct sm_columns *columns,
			     struct sm_mem *mem, int jobs, struct sm_case_scores *out,
			     struct sm_err *err)
{
	const struct sm_case_rules rules = {
		.section = section, .map = map, .columns = columns, .mem = mem, .jobs = jobs};
	return sm_case_measure(&rules, truth, truth_name, prediction, prediction_name, out, err);
}
