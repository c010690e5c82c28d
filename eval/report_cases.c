/* SPDX-License-Identifier: Apache-2.0
 *
 * Every case: a table a region, which sorts where a script runs, and the cases without a score or
 * without a prediction.
 */
#include <math.h>
#include <string.h>

#include "eval/report_missing.h"
#include "eval/report_parts.h"

/* assumed: it has no prediction, an empty one was scored. */
static void case_row(const struct sm_report *report, const char *key, bool assumed, size_t m,
		     size_t r, const struct sm_case_scores *s, struct sm_text *out)
{
	const struct sm_counts *c = &s->counts[r];
	sm_text_f(out, "<tr><th scope=\"row\"><a href=\"#files-%zu\">", m);
	sm_text_html(out, key);
	sm_text_f(out, "</a>%s</th>", assumed ? " <small>no prediction</small>" : "");
	for (size_t k = 0; k < report->columns.n; k++) {
		const struct sm_cell *cell = &s->cell[r * s->columns + k];
		sm_text_str(out, "<td class=\"n\">");
		if (cell->why == SM_IS_INFINITE)
			sm_text_str(out, "∞");
		else
			sm_text_number(out, cell->v, report->columns.at[k].metric->decimals, "–");
		sm_text_str(out, "</td>");
	}
	sm_report_number(out,
			 s->voxel_mm3 > 0 ? (double)(c->tp + c->fn) * s->voxel_mm3 / 1000 : NAN, 2);
	sm_report_number(out,
			 s->voxel_mm3 > 0 ? (double)(c->tp + c->fp) * s->voxel_mm3 / 1000 : NAN, 2);
	sm_text_f(out, "<td class=\"nw\">%s</td></tr>\n", sm_situation_names[s->situation[r]]);
}

/* The names as keys, which are found at once. */
static json_t *keys_of(json_t *names)
{
	json_t *keys = json_object();
	for (size_t i = 0; i < json_array_size(names); i++)
		json_object_set_new(keys, json_string_value(json_array_get(names, i)), json_true());
	json_decref(names);
	return keys;
}

static enum sm_status region_table(const struct sm_report *report, size_t m, size_t r,
				   const json_t *assumed, struct sm_case_scores *scores,
				   struct sm_text *out, struct sm_err *err)
{
	const struct sm_model *model = &report->models.v[m];
	sm_text_f(out, "<details%s><summary>", r ? "" : " open=\"open\"");
	sm_report_key(out, sm_region_colour(&report->map, r), report->map.row[r].name);
	sm_text_f(out, ": %zu cases</summary>\n", sm_scorebook_cases(model->book));
	sm_report_table(out, "sorts");
	sm_text_html(out, report->map.row[r].name);
	sm_text_str(out, ", ");
	sm_text_html(out, model->name);
	sm_text_str(out, ". – no value: undefined, or left out by the rule for empty regions; ∞ a "
			 "distance from or to nothing.");
	if (model->assumed)
		sm_text_f(out,
			  " %zu case%s without a prediction: scored as an empty one, and marked.",
			  model->assumed, model->assumed == 1 ? " is" : "s are");
	sm_text_str(out, "</caption>\n<thead><tr>");
	sm_report_head(out, "Case", false);
	for (size_t k = 0; k < report->columns.n; k++) {
		const struct sm_column *column = &report->columns.at[k];
		sm_text_str(out, "<th scope=\"col\" class=\"n\">");
		sm_text_html(out, column->name);
		sm_report_unit(column, out);
		sm_text_str(out, "</th>");
	}
	sm_report_head(out, "True mL", true);
	sm_report_head(out, "Predicted mL", true);
	sm_report_head(out, "Region", false);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < sm_scorebook_cases(model->book); i++) {
		SM_TRY(sm_scorebook_case(model->book, i, scores, err));
		const char *key = sm_scorebook_key(model->book, i);
		case_row(report, key, json_object_get(assumed, key), m, r, scores, out);
	}
	sm_text_str(out, "</tbody></table></div>\n</details>\n");
	return SM_OK;
}

static enum sm_status rejected_table(const struct sm_model *model, struct sm_text *out,
				     struct sm_err *err)
{
	size_t i;
	json_t *record;
	if (!model->rejected)
		return SM_OK;
	sm_report_table(out, NULL);
	sm_text_f(out,
		  "%zu case%s could not be scored and %s in no figure of this "
		  "page</caption>\n<thead><tr>",
		  model->rejected, model->rejected == 1 ? "" : "s",
		  model->rejected == 1 ? "is" : "are");
	sm_report_head(out, "Case", false);
	sm_report_head(out, "Why", false);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	sm_records_foreach(model->evaluate.records, i, record)
	{
		if (sm_record_ok(record))
			continue;
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, sm_record_key(record));
		sm_text_str(out, "</th><td>");
		sm_text_html(out, sm_json_text(record, "reason"));
		sm_text_str(out, "</td></tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
	return sm_records_check(model->evaluate.records, err);
}

/* Truths that nothing was predicted of; those of other folds are not missing. */
static void missing_table(const struct sm_model *model, struct sm_text *out)
{
	struct sm_lack why[SM_MISSINGS];
	const size_t n = sm_missing_list(model->evaluate.header, why),
		     count = sm_missing_count(model->evaluate.header);
	if (!count)
		return;
	sm_report_table(out, NULL);
	sm_text_f(out,
		  "%zu case%s no prediction and %s in no figure of this page</caption>\n"
		  "<thead><tr>",
		  count, count == 1 ? " has" : "s have", count == 1 ? "is" : "are");
	sm_report_head(out, "Case", false);
	sm_report_head(out, "Why", false);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; !why[k].folded && i < json_array_size(why[k].names); i++) {
			sm_text_str(out, "<tr><th scope=\"row\">");
			sm_text_html(out, json_string_value(json_array_get(why[k].names, i)));
			sm_text_str(out, "</th><td>");
			sm_text_html(out, why[k].words);
			sm_text_str(out, "</td></tr>\n");
		}
	sm_text_str(out, "</tbody></table></div>\n");
}

/* Tables of one model. */
static enum sm_status model_tables(const struct sm_report *report, size_t m,
				   struct sm_case_scores *scores, struct sm_text *out,
				   struct sm_err *err)
{
	const struct sm_model *model = &report->models.v[m];
	json_t *assumed = model->assumed ? keys_of(sm_missing_assumed(&model->evaluate)) : NULL;
	enum sm_status st = SM_OK;
	for (size_t r = 0; st == SM_OK && r < report->map.shown; r++)
		st = region_table(report, m, r, assumed, scores, out, err);
	json_decref(assumed);
	SM_TRY(st);
	SM_TRY(rejected_table(model, out, err));
	missing_table(model, out);
	return SM_OK;
}

enum sm_status sm_report_cases(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err)
{
	struct sm_case_scores scores = {0};
	enum sm_status st = sm_case_scores_init(&scores, report->map.n, report->columns.n, err);
	if (st != SM_OK)
		goto out;
	sm_text_str(out, "<section id=\"cases\">\n<h2>Every case</h2>\n");
	for (size_t m = 0; m < report->models.n; m++) {
		if (report->models.n > 1) {
			sm_text_str(out, "<h3>");
			sm_report_key(out, sm_model_colour(m), report->models.v[m].name);
			sm_text_str(out, "</h3>\n");
		}
		SM_GOTO(st, model_tables(report, m, &scores, out, err));
	}
	sm_text_str(out, "</section>\n");
out:
	sm_case_scores_clear(&scores);
	return st;
}
