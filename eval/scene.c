/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/case_score.h"

enum { BINS = 4096 };

bool sm_scene_possible(const struct sm_report *report)
{
	return report->dir[SM_FROM_INGEST] && report->dir[SM_FROM_PREDICT];
}

static enum sm_status find_window(struct sm_scene *s, struct sm_err *err)
{
	const float *image = s->image.data;
	size_t n = sm_vol_count(&s->image), bad, count = 0, seen = 0;
	double low, high;
	sm_vol_range(&s->image, &low, &high, &bad);
	s->low = low;
	s->high = high > low ? high : low + 1;
	size_t *bin = sm_calloc(NULL, BINS, sizeof *bin, "histogram", err);
	if (!bin)
		return SM_BUDGET;
	double scale = (BINS - 1) / (s->high - s->low);
	for (size_t i = 0; i < n; i++)
		if (image[i] != 0 && isfinite(image[i])) {
			bin[(size_t)((image[i] - low) * scale)]++;
			count++;
		}
	double new_low = s->low, new_high = s->high;
	for (size_t b = 0; b < BINS; b++) {
		size_t before = seen;
		seen += bin[b];
		if (before * 200 <= count && seen * 200 > count)
			new_low = low + (double)b / scale;
		if (before * 200 < count * 199 && seen * 200 >= count * 199)
			new_high = low + (double)(b + 1) / scale;
	}
	if (new_high > new_low) {
		s->low = new_low;
		s->high = new_high;
	}
	sm_free(bin);
	return SM_OK;
}

uint8_t sm_scene_gray(const struct sm_scene *s, float value)
{
	double g = (value - s->low) / (s->high - s->low) * 255;
	/* Not a number is black, too. */
	return g >= 255 ? 255 : g > 0 ? (uint8_t)(g + 0.5) : 0;
}

/* The modality behind the outlines. */
static const char *background_role(const json_t *record)
{
	static const char *const roles[] = {"flair", "t2", "t1ce", "t1", "image"};
	for (size_t i = 0; i < SM_COUNT(roles); i++)
		if (sm_record_output(record, roles[i]))
			return roles[i];
	return "flair";
}

/* A case without prediction that was scored all the same (evaluate.missing: worst): nothing is
 * predicted. */
static enum sm_status make_empty(const struct sm_vol *like, struct sm_mem *mem, struct sm_vol *out,
				 struct sm_err *err)
{
	SM_TRY(sm_vol_init(out, like->dim, SM_U8, mem, "prediction", err));
	memcpy(out->affine, like->affine, sizeof out->affine);
	memset(out->data, 0, sm_vol_count(out));
	return SM_OK;
}

/* Makes labels of both, as evaluate did, with its checks. */
static enum sm_status make_labels(const struct sm_report *report, struct sm_scene *s,
				  struct sm_err *err)
{
	const json_t *settings = json_object_get(report->from[SM_FROM_EVALUATE].header, "settings");
	const json_t *evaluate = json_object_get(json_object_get(settings, "manifest"), "evaluate");
	const json_t *tolerance = json_object_get(evaluate, "grid_tolerance");
	const struct sm_columns none = {0};
	struct sm_evaluate_section section = {
		.threshold = sm_json_number(evaluate, "threshold"),
		.grid_tolerance =
			json_is_number(tolerance) ? json_number_value(tolerance) : SM_GRID_MM,
	};
	struct sm_case_scores scores = {0};
	enum sm_status st = sm_case_score(&s->truth, "truth", &s->prediction, "prediction",
					  &section, &report->map, &none, &report->run->mem,
					  report->run->jobs, &scores, err);
	sm_case_scores_clear(&scores);
	return st;
}

static enum sm_status read_scene(const struct sm_report *report, const char *key, const json_t *raw,
				 const json_t *made, bool missing, struct sm_scene *s,
				 struct sm_err *err)
{
	struct sm_run *run = report->run;
	if (!raw || (!made && !missing))
		return SM_FAIL(err, SM_INPUT,
			       "case %s: is in the evaluate ledger but not in that of stage %s",
			       key, raw ? "predict" : "ingest");
	s->role = background_role(raw);
	SM_TRY(sm_output_read(report->dir[SM_FROM_INGEST], "ingest", raw, s->role, &run->mem,
			      &s->image, err));
	SM_TRY(sm_truth_read(report->dir[SM_FROM_INGEST], &report->from[SM_FROM_INGEST], raw,
			     &run->mem, &s->truth, err));
	if (missing)
		SM_TRY(make_empty(&s->truth, &run->mem, &s->prediction, err));
	else
		SM_TRY(sm_output_read(report->dir[SM_FROM_PREDICT], "predict", made, "prediction",
				      &run->mem, &s->prediction, err));
	SM_TRY(sm_vol_same_grid(&s->truth, "truth", &s->image, s->role, 1, err));
	SM_TRY(make_labels(report, s, err));
	return sm_vol_to_f32(&s->image, &run->mem, run->jobs, err);
}

enum sm_status sm_scene_load(const struct sm_report *report, const char *key, struct sm_scene *s,
			     struct sm_err *err)
{
	*s = (struct sm_scene){.role = ""};
	json_t *raw = sm_ledger_get(&report->from[SM_FROM_INGEST], key);
	json_t *made = sm_ledger_get(&report->from[SM_FROM_PREDICT], key);
	json_t *scored = sm_ledger_get(&report->from[SM_FROM_EVALUATE], key);
	bool missing = json_is_true(json_object_get(scored, "prediction_missing"));
	enum sm_status st = read_scene(report, key, raw, made, missing, s, err);
	json_decref(raw);
	json_decref(made);
	json_decref(scored);
	return st == SM_OK ? find_window(s, err) : st;
}

void sm_scene_clear(struct sm_scene *s)
{
	sm_vol_clear(&s->image);
	sm_vol_clear(&s->truth);
	sm_vol_clear(&s->prediction);
}

struct ranked {
	double badness;
	size_t index;
};

/* Cases are in order of their keys, so the number breaks ties. */
static int by_badness(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->badness < y->badness || x->badness > y->badness)
		return x->badness > y->badness ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static double badness(const struct sm_cell *c, enum sm_better better)
{
	if (c->why == SM_IS_INFINITE)
		return INFINITY;
	return better == SM_IS_HIGH ? -c->v : better == SM_IS_LOW ? c->v : fabs(c->v);
}

static void take(struct sm_chosen *out, const struct ranked *list, size_t from, size_t n,
		 bool median)
{
	for (size_t rank = from; rank < from + n; rank++)
		out->at[out->n++] = (struct sm_chosen_case){list[rank].index, rank, median};
}

enum sm_status sm_choose_cases(const struct sm_cell *cell, size_t n, const struct sm_choice *how,
			       struct sm_chosen *out, struct sm_err *err)
{
	size_t most = how->most < SM_CHOSEN_MAX ? how->most : SM_CHOSEN_MAX;
	struct ranked *list = sm_alloc(NULL, n ? n : 1, sizeof *list, "ranks", err);
	*out = (struct sm_chosen){0};
	if (!list)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++)
		if (cell[i].why == SM_IS_INFINITE || isfinite(cell[i].v))
			list[out->of++] = (struct ranked){badness(&cell[i], how->better), i};
	qsort(list, out->of, sizeof *list, by_badness);
	most = most < out->of ? most : out->of;
	/* The median ones give way to the worst, but for one of them. */
	size_t median = how->median < most ? how->median : most;
	size_t worst = how->worst < most ? how->worst : most;
	if (median + worst > most)
		median = worst == most && median ? 1 : most - worst;
	worst = worst + median > most ? most - median : worst;
	/* Around the middle, but behind the worst. */
	size_t from = out->of / 2 >= (median + 1) / 2 ? (out->of - median) / 2 : 0;
	from = from < worst ? worst : from;
	from = from + median > out->of ? out->of - median : from;
	take(out, list, 0, worst, false);
	take(out, list, from, median, true);
	sm_free(list);
	return SM_OK;
}

enum sm_status sm_report_choose(const struct sm_report *report, size_t worst, size_t median,
				size_t most, struct sm_chosen *out, struct sm_err *err)
{
	const struct sm_model *m = &report->models.v[report->models.main];
	struct sm_choice how = {worst, median, most, report->columns.at[0].metric->better};
	size_t n = sm_scorebook_cases(m->book);
	struct sm_cell *cell = sm_alloc(&report->run->mem, n + 1, sizeof *cell, "cells", err);
	if (!cell)
		return SM_BUDGET;
	enum sm_status st = sm_scorebook_column(m->book, 0, 0, cell, err);
	if (st == SM_OK)
		st = sm_choose_cases(cell, n, &how, out, err);
	sm_free(cell);
	return st;
}
