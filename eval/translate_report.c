/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/translate_page.h"

enum sm_status sm_report_write(struct sm_item *item, const char *name, const char *role,
			       const struct sm_text *text, struct sm_err *err)
{
	char hex[65], *path = NULL, *dir = NULL;
	const size_t folder = (size_t)(sm_path_base(name) - name);
	enum sm_status st;
	SM_TRY(sm_text_check(text, name, err));
	path = sm_path_join(item->run->out, name);
	dir = folder ? sm_strf("%s/%.*s", item->run->out, (int)folder - 1, name) : NULL;
	if (!path || (folder && !dir))
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", name));
	if (dir)
		SM_GOTO(st, sm_mkdirs(dir, err));
	SM_GOTO(st, sm_file_write(path, text->data, text->n, err));
	sm_sha256_bytes(text->data, text->n, hex);
	st = sm_item_output(item, role, name, hex, err);
out:
	free(path);
	free(dir);
	return st;
}

/* The settings that the scores were made with, from the header's summary. */
static enum sm_status read_settings(const json_t *header, struct sm_image_settings *out,
				    struct sm_err *err)
{
	const json_t *summary = json_object_get(header, "summary");
	const json_t *row = json_array_get(json_object_get(summary, "rows"), 0);
	const json_t *own =
		json_object_get(json_object_get(json_object_get(row, "scores"), "own"), "whole");
	const char *unit = sm_json_text(summary, "unit"),
		   *rule = sm_json_text(summary, "range_rule");
	*out = sm_image_settings_default();
	if (!unit || !rule || !json_is_object(own))
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: has no summary of image scores: no case was "
			       "scored, or it was not of dataset: pair");
	out->unit = unit;
	out->rule = strcmp(rule, "given") == 0 ? SM_RANGE_GIVEN : SM_RANGE_TRUTH;
	out->range = json_number_value(json_object_get(summary, "range"));
	out->bone = json_number_value(json_object_get(summary, "bone"));
	out->ink = json_number_value(json_object_get(summary, "ink"));
	out->bright_ink = json_is_true(json_object_get(summary, "bright_ink"));
	out->bins = (int)json_integer_value(json_object_get(summary, "bins"));
	const json_t *low = json_object_get(summary, "ssim_low");
	out->from_low = low != NULL;
	out->low = json_number_value(low);
	out->clip = json_is_true(json_object_get(summary, "clip"));
	out->seed = (uint64_t)json_integer_value(json_object_get(summary, "seed"));
	out->resamples = (size_t)json_integer_value(json_object_get(summary, "resamples"));
	sm_json_get_floats(summary, "window", out->window, 2);
	out->which = 0;
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (json_object_get(own, sm_image_metrics[m].key))
			out->which |= SM_IMAGE_BIT(m);
	return sm_image_settings_check(out, err);
}

/* 1, 2 or 5 times a power of ten, not below v. */
static double nice(double v)
{
	double step = 1;
	static const double steps[] = {1, 2, 5, 10};
	if (!(v > 0 && isfinite(v)))
		return 1;
	while (step > v)
		step /= 10;
	while (step * 10 <= v)
		step *= 10;
	for (size_t i = 0; i < SM_COUNT(steps); i++)
		if (step * steps[i] >= v)
			return step * steps[i];
	return step * 10;
}

struct ranked {
	double value;
	size_t index;
};

/* The largest first, what has none last; ties by key, which is the order of cases. */
static int by_error(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (isnan(x->value) != isnan(y->value))
		return isnan(x->value) ? 1 : -1;
	if (x->value < y->value || x->value > y->value)
		return x->value > y->value ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static enum sm_status rank_cases(struct sm_translate_report *r, struct sm_err *err)
{
	const size_t n = r->table.cases;
	const struct sm_image_scores *scores = r->table.rows[0].scores;
	/* Without the MAE any score that is low where it is good. */
	const int by =
		r->settings->which & SM_IMAGE_BIT(SM_IMAGE_MAE) ? SM_IMAGE_MAE : SM_IMAGE_RMSE;
	struct ranked *ranked = sm_alloc(NULL, n, sizeof *ranked, "list of cases", err);
	r->order = sm_arena_alloc(&r->base->run->arena, (n + 1) * sizeof *r->order);
	if (!ranked || !r->order) {
		sm_free(ranked);
		return SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	}
	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){scores[i].value[SM_IMAGE_OWN][SM_IMAGE_WHOLE][by], i};
	qsort(ranked, n, sizeof *ranked, by_error);
	for (size_t i = 0; i < n; i++)
		r->order[i] = ranked[i].index;
	sm_free(ranked);
	return SM_OK;
}

/* The ends of the error maps. Never from the network's own errors: a worse one would look the same.
 */
static void find_reach(struct sm_translate_report *r)
{
	const struct sm_image_table *t = &r->table.table;
	double best = NAN;
	r->reach = r->base->settings->error_scale;
	r->reach_of = NULL;
	if (r->reach > 0)
		return;
	for (size_t i = 0; i < t->rows; i++) {
		const double mae =
			t->cells[i].at[SM_IMAGE_OWN][SM_IMAGE_WHOLE][SM_IMAGE_MAE].stat.mean;
		if (!t->row[i].baseline || !(mae > 0) || mae >= best)
			continue;
		best = mae;
		r->reach_of = t->row[i].name;
	}
	r->reach_mae = best;
	/* Without any baseline: a share of the range of values. */
	r->reach = nice(isfinite(best)           ? 2 * best
			: r->settings->range > 0 ? r->settings->range / 8
						 : 1);
}

static bool holds_pictures(const struct sm_translations *t)
{
	struct sm_err ignored = {0};
	json_t *record = t->cases.count ? sm_cases_record(&t->cases, 0, &ignored) : NULL;
	const bool yes = json_is_true(json_object_get(record, "pictures"));
	json_decref(record);
	return yes;
}

/* ---- jumps ----------------------------------------------------------------------------------- */

static enum sm_status read_jumps(const struct sm_translate_report *r, const char *key,
				 struct sm_trainlog *out, struct sm_err *err)
{
	json_t *record = sm_ledger_get(&r->base->from[SM_FROM_EVALUATE], key);
	const json_t *output = sm_record_output(record, "jumps");
	const char *name = sm_json_text(output, "path"), *known = sm_json_text(output, "sha256");
	unsigned char *bytes = NULL;
	char hex[65], *path = NULL;
	size_t n = 0;
	enum sm_status st = SM_OK;
	*out = (struct sm_trainlog){0};
	if (!name || !known || !sm_path_is_inside(name))
		goto out;
	path = sm_path_join(r->base->dir[SM_FROM_EVALUATE], name);
	if (!path)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", name));
	SM_GOTO(st, sm_file_read(path, (size_t)64 << 20, &r->base->run->mem, &bytes, &n, err));
	sm_sha256_bytes(bytes, n, hex);
	if (strcmp(hex, known) != 0)
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT,
				"%s: its content is not what the evaluate ledger says: run stage "
				"evaluate again",
				name));
	st = sm_trainlog_parse((const char *)bytes, n, name, out, err);
out:
	sm_free(bytes);
	free(path);
	json_decref(record);
	return st;
}

static void draw_jumps(const struct sm_translate_report *r, const char *key,
		       const struct sm_trainlog *j, struct sm_text *out)
{
	static const int colours[] = {SM_SKY, SM_ORANGE, SM_GREEN, SM_PURPLE, SM_VERMILION};
	struct sm_svg_series series[2 + SM_COUNT(colours)];
	const double *x = sm_trainlog_find(j, "slice");
	size_t n = 0;
	if (!x || j->rows < 2)
		return;
	for (size_t c = 1; c < j->columns && n < SM_COUNT(series); c++) {
		const bool truth = strcmp(j->name[c], "truth") == 0,
			   model = strcmp(j->name[c], "model") == 0;
		/* Copies of one image do not jump: a line at 0 tells nothing. */
		if (strcmp(j->name[c], "mean_image") == 0 || strcmp(j->name[c], "constant") == 0)
			continue;
		series[n] = (struct sm_svg_series){
			model ? r->model : j->name[c],
			truth   ? "currentColor"
			: model ? sm_okabe_ito[SM_BLUE]
				: sm_okabe_ito[colours[n % SM_COUNT(colours)]],
			x,
			j->column[c],
			j->rows,
			!truth && !model};
		n++;
	}
	const struct sm_svg_chart chart = {.label = "Change from slice to slice",
					   .x_title = "slice",
					   .width = 520,
					   .height = 300,
					   .y_low = 0,
					   .y_high = NAN,
					   .mark = NAN,
					   .series = series,
					   .count = n};
	sm_text_str(out, "<figure class=\"chart\">\n<figcaption>");
	sm_text_html(out, key);
	sm_text_str(out, "</figcaption>\n");
	sm_svg_lines(out, &chart);
	sm_text_str(out, "</figure>\n");
}

/* The same cases as in the pictures. */
static enum sm_status jumps(const struct sm_translate_report *r, struct sm_text *out,
			    struct sm_err *err)
{
	const size_t n = r->table.cases, at[3] = {0, n / 2, n - 1};
	struct sm_text charts = {0};
	enum sm_status st = SM_OK;
	for (size_t i = 0; st == SM_OK && i < 3; i++) {
		struct sm_trainlog j;
		if (i && at[i] == at[i - 1])
			continue;
		const char *key = r->table.keys[r->order[at[i]]];
		st = read_jumps(r, key, &j, err);
		if (st == SM_OK)
			draw_jumps(r, key, &j, &charts);
		sm_trainlog_clear(&j);
	}
	if (st == SM_OK && charts.n) {
		sm_text_str(out, "<section id=\"jumps\">\n<h2>From slice to slice</h2>\n<p>Mean "
				 "absolute change from each slice to the next. A made volume that "
				 "flickers stands above the truth, one that is too smooth below "
				 "it.</p>\n<div class=\"charts\">\n");
		sm_text_add(out, charts.data, charts.n);
		sm_text_str(out, "</div>\n</section>\n");
	}
	out->failed |= charts.failed;
	sm_text_clear(&charts);
	return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum sm_status make_page(const struct sm_translate_report *r, struct sm_text *out,
				struct sm_err *err)
{
	sm_translate_head(r, out);
	sm_translate_scores(r, out);
	sm_published_html(&r->published, out);
	SM_TRY(sm_report_curves(r->base, out, err));
	SM_TRY(sm_translate_pictures(r, out, err));
	SM_TRY(jumps(r, out, err));
	sm_translate_cases(r, out);
	sm_report_origin(r->base, out);
	sm_translate_definitions(r, out);
	sm_text_f(out, "</main>\n<footer>Made by scanmill %s.</footer>\n</body>\n</html>\n",
		  SM_VERSION);
	return sm_text_check(out, "report.html", err);
}

static enum sm_status write_all(const struct sm_translate_report *r, struct sm_item *item,
				struct sm_err *err)
{
	struct sm_text page = {0}, csv = {0}, tex = {0}, md = {0};
	enum sm_status st;
	SM_GOTO(st, make_page(r, &page, err));
	sm_image_table_csv(&r->table.table, &csv);
	sm_image_table_md(&r->table.table, &md);
	if (r->published.rows)
		sm_text_str(&md, "\n### Beside published numbers\n");
	sm_published_md(&r->published, &md);
	sm_translate_tex(r, &tex);
	sm_published_tex(&r->published, &tex);
	SM_GOTO(st, sm_run_begin(item->run, err));
	SM_GOTO(st, sm_report_write(item, "report.html", "page", &page, err));
	SM_GOTO(st, sm_report_write(item, "table.csv", "csv", &csv, err));
	SM_GOTO(st, sm_report_write(item, "table.tex", "latex", &tex, err));
	SM_GOTO(st, sm_report_write(item, "table.md", "markdown", &md, err));
	st = sm_scroll_pages(r, item, err);
out:
	sm_text_clear(&page);
	sm_text_clear(&csv);
	sm_text_clear(&tex);
	sm_text_clear(&md);
	return st;
}

static enum sm_status read_all(struct sm_translate_report *r, const char *truth, struct sm_err *err)
{
	const struct sm_report *base = r->base;
	const json_t *header = base->from[SM_FROM_EVALUATE].header;
	struct sm_image_settings settings;
	r->source = sm_json_text(header, "source");
	r->target = sm_json_text(header, "target");
	r->model = sm_json_text(header, "model");
	SM_TRY(read_settings(header, &settings, err));
	if (!r->source || !r->target || !r->model)
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: lacks source, target or model: run stage evaluate "
			       "again");
	SM_TRY(sm_translate_table_read(base->from[SM_FROM_EVALUATE].records, r->model, &settings,
				       &r->table, err));
	r->settings = &r->table.settings;
	if (!r->table.cases)
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: has no good case, needed is at least 1");
	SM_TRY(rank_cases(r, err));
	find_reach(r);
	SM_TRY(sm_translate_published(r, err));
	if (!base->dir[SM_FROM_PREDICT] || !truth)
		return SM_OK;
	SM_TRY(sm_translations_open(base->run, base->dir[SM_FROM_PREDICT], truth, &r->t, err));
	r->pictured = true;
	r->pictures = holds_pictures(&r->t);
	return SM_OK;
}

enum sm_status sm_translate_report(const struct sm_report *base, const char *truth,
				   struct sm_item *item, struct sm_err *err)
{
	struct sm_translate_report r = {.base = base};
	enum sm_status st = read_all(&r, truth, err);
	if (st == SM_OK && r.pictured)
		st = sm_item_input(item, "preprocess", SM_LEDGER_NAME, r.t.cases.parent.sha256,
				   err);
	if (st == SM_OK && base->run->dry_run)
		sm_info(&base->run->log, NULL, "report of %zu cases would be made", r.table.cases);
	else if (st == SM_OK)
		st = write_all(&r, item, err);
	sm_translate_table_clear(&r.table);
	sm_translations_close(&r.t);
	return st;
}
