/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void anchor_part(struct sm_text *out, const char *part)
{
	for (; *part; part++) {
		char c = *part;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			c = '_';
		sm_text_add(out, &c, 1);
	}
}

void sm_cell_anchor(struct sm_text *out, const char *row, const char *model, const char *column)
{
	sm_text_str(out, "cell-");
	anchor_part(out, row);
	sm_text_str(out, "-");
	anchor_part(out, model);
	sm_text_str(out, "-");
	anchor_part(out, column);
}

void sm_cell_link(const struct sm_report *report, size_t model, size_t row, size_t column,
		  struct sm_text *out)
{
	sm_text_str(out, "<a class=\"cell\" href=\"#");
	sm_cell_anchor(out, report->map.row[row].key, report->models.v[model].name,
		       report->columns.at[column].key);
	sm_text_str(out, "\">");
}

/* Adds a line and frees the value. */
static void add_line(struct sm_text *out, json_t *value)
{
	char *line = value ? sm_json_line(value) : NULL;
	if (line) {
		sm_text_str(out, line);
		sm_text_str(out, "\n");
	} else {
		out->failed = true;
	}
	free(line);
	json_decref(value);
}

static json_t *number_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static enum sm_status case_lines(const struct sm_model *m, size_t number, struct sm_text *out,
				 struct sm_err *err)
{
	size_t i, n = 0;
	json_t *record;
	sm_records_foreach(m->evaluate.records, i, record)
	{
		if (!sm_record_ok(record))
			continue;
		add_line(out, json_pack("{s:s, s:I, s:I, s:s, s:O?}", "kind", "case", "model",
					(json_int_t)number, "case", (json_int_t)n++, "key",
					sm_record_key(record), "files",
					json_object_get(record, "inputs")));
	}
	return sm_records_check(m->evaluate.records, err);
}

/* The cell's line without values. */
static json_t *cell_json(const struct sm_report *report, size_t model, size_t row, size_t column)
{
	const struct sm_model *m = &report->models.v[model];
	const struct sm_column *c = &report->columns.at[column];
	const struct sm_summary_cell *s = sm_summary_at(&m->summary, row, column);
	char *name = sm_strf("%s/%s/%s", report->map.row[row].key, m->name, c->key);
	json_t *situations = json_object();
	for (int k = 0; k < SM_SITUATIONS; k++)
		json_object_set_new(situations, sm_situation_keys[k],
				    json_integer((json_int_t)s->situation[k]));
	json_t *cell = json_pack(
		"{s:s, s:s*, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "kind",
		"cell", "cell", name, "row", report->map.row[row].key, "row_name",
		report->map.row[row].name, "model", (json_int_t)model, "model_name", m->name,
		"metric", c->key, "metric_name", c->name, "unit", c->metric->unit, "n",
		(json_int_t)s->s.n, "infinite", (json_int_t)s->s.infinite, "left_out",
		(json_int_t)s->s.left_out, "situations", situations);
	free(name);
	json_object_set_new(cell, "mean", number_or_null(s->s.mean));
	json_object_set_new(cell, "median", number_or_null(s->s.median));
	if (c->metric->per_tolerance)
		json_object_set_new(cell, "tolerance_mm", json_real(c->tolerance_mm));
	return cell;
}

static enum sm_status cell_line(const struct sm_report *report, size_t model, size_t row,
				size_t column, struct sm_cell *cells, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_scorebook *book = report->models.v[model].book;
	SM_TRY(sm_scorebook_column(book, row, column, cells, err));
	json_t *cell = cell_json(report, model, row, column), *values = json_array(),
	       *whys = json_object();
	for (size_t i = 0; i < sm_scorebook_cases(book); i++) {
		json_array_append_new(values, number_or_null(cells[i].v));
		if (cells[i].why == SM_HAS_VALUE)
			continue;
		char number[24];
		snprintf(number, sizeof number, "%zu", i);
		json_object_set_new(whys, number, json_string(sm_why_keys[cells[i].why]));
	}
	json_object_set_new(cell, "values", values);
	json_object_set_new(cell, "why", whys);
	add_line(out, cell);
	return SM_OK;
}

/* The tests between models; their cases are those that both have. */
static void test_lines(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	for (size_t i = 0; i < m->duels; i++) {
		const struct sm_duel *d = &m->duel[i];
		json_t *test = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "kind", "test",
					 "row", report->map.row[d->row].key, "metric",
					 report->columns.at[d->column].key, "a", (json_int_t)d->a,
					 "b", (json_int_t)d->b, "n", (json_int_t)d->n, "left_out",
					 (json_int_t)d->left_out);
		json_object_set_new(test, "no_number", json_integer((json_int_t)d->no_number));
		json_object_set_new(test, "infinite", json_integer((json_int_t)d->infinite));
		json_object_set_new(test, "difference", number_or_null(d->difference));
		json_object_set_new(test, "wilcoxon_p_holm", number_or_null(d->holm_wilcoxon));
		json_object_set_new(test, "permutation_p_holm",
				    number_or_null(d->holm_permutation));
		add_line(out, test);
	}
}

enum sm_status sm_cells_write(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err)
{
	const struct sm_models *m = &report->models;
	enum sm_status st = SM_OK;
	size_t most = 0;
	add_line(out, json_pack("{s:s, s:i, s:I}", "kind", "cells", "schema", SM_CELLS_SCHEMA,
				"models", (json_int_t)m->n));
	for (size_t i = 0; i < m->n; i++) {
		const size_t n = sm_scorebook_cases(m->v[i].book);
		most = n > most ? n : most;
		add_line(out, json_pack("{s:s, s:I, s:s, s:s, s:I}", "kind", "model", "model",
					(json_int_t)i, "name", m->v[i].name, "ledger",
					m->v[i].evaluate.sha256, "cases", (json_int_t)n));
		SM_TRY(case_lines(&m->v[i], i, out, err));
	}
	struct sm_cell *cells = sm_alloc(&report->run->mem, most + 1, sizeof *cells, "cells", err);
	if (!cells)
		return SM_BUDGET;
	for (size_t i = 0; i < m->n; i++)
		for (size_t r = 0; r < report->map.n; r++)
			for (size_t c = 0; c < report->columns.n; c++)
				SM_GOTO(st, cell_line(report, i, r, c, cells, out, err));
	test_lines(report, out);
	st = sm_text_check(out, SM_CELLS_NAME, err);
out:
	sm_free(cells);
	return st;
}

/* The page. */

static void count_cell(struct sm_text *out, size_t n)
{
	sm_text_f(out, "<td class=\"n\">%zu</td>", n);
}

static enum sm_status cell_row(const struct sm_report *report, size_t model, size_t row,
			       size_t column, struct sm_cell *cells, struct sm_text *out,
			       struct sm_err *err)
{
	const struct sm_model *m = &report->models.v[model];
	const struct sm_column *c = &report->columns.at[column];
	const struct sm_summary_cell *s = sm_summary_at(&m->summary, row, column);
	bool any = false;
	SM_TRY(sm_scorebook_column(m->book, row, column, cells, err));
	sm_text_str(out, "<tr id=\"");
	sm_cell_anchor(out, report->map.row[row].key, m->name, c->key);
	sm_text_str(out, "\"><th scope=\"row\"><code>");
	sm_text_html(out, report->map.row[row].name);
	sm_text_str(out, "/");
	sm_text_html(out, m->name);
	sm_text_f(out, "/%s</code></th><td class=\"n\">", c->key);
	sm_text_number(out, s->s.mean, c->metric->decimals + 2, "–");
	sm_text_str(out, "</td>");
	count_cell(out, s->s.n);
	count_cell(out, s->s.infinite);
	count_cell(out, s->s.left_out);
	sm_text_str(out, "<td>");
	for (size_t i = 0; i < sm_scorebook_cases(m->book); i++) {
		if (cells[i].why == SM_HAS_VALUE)
			continue;
		sm_text_str(out, any ? ", " : "");
		sm_text_html(out, sm_scorebook_key(m->book, i));
		sm_text_f(out, " (%s)", sm_why_keys[cells[i].why]);
		any = true;
	}
	sm_text_str(out, any ? "</td></tr>\n" : "–</td></tr>\n");
	return SM_OK;
}

static void file_cell(struct sm_text *out, const json_t *inputs, const char *role)
{
	size_t i;
	json_t *file;
	sm_text_str(out, "<td>");
	json_array_foreach(inputs, i, file)
	{
		const char *have = sm_json_text(file, "role");
		if (!have || strcmp(have, role) != 0)
			continue;
		sm_text_html(out, sm_json_text(file, "path"));
		sm_text_str(out, "<br/><code>");
		sm_text_html(out, sm_json_text(file, "sha256"));
		sm_text_str(out, "</code>");
	}
	sm_text_str(out, "</td>");
}

static enum sm_status file_table(const struct sm_report *report, size_t model, struct sm_text *out,
				 struct sm_err *err)
{
	const struct sm_model *m = &report->models.v[model];
	size_t i;
	json_t *record;
	sm_text_f(out,
		  "<div class=\"wide\" id=\"files-%zu\" tabindex=\"0\"><table>\n<caption>Cases "
		  "of ",
		  model);
	sm_text_html(out, m->name);
	sm_text_f(
		out,
		": what was compared, with its SHA-256; evaluate ledger <code>%s</code></caption>\n"
		"<thead><tr><th scope=\"col\">Case</th><th scope=\"col\">Prediction</th>"
		"<th scope=\"col\">Truth</th></tr></thead>\n<tbody>\n",
		m->evaluate.sha256);
	sm_records_foreach(m->evaluate.records, i, record)
	{
		if (!sm_record_ok(record))
			continue;
		const json_t *inputs = json_object_get(record, "inputs");
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, sm_record_key(record));
		sm_text_str(out, "</th>");
		file_cell(out, inputs, "prediction");
		file_cell(out, inputs, "truth");
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
	return sm_records_check(m->evaluate.records, err);
}

static enum sm_status cell_table(const struct sm_report *report, size_t model,
				 struct sm_cell *cells, struct sm_text *out, struct sm_err *err)
{
	sm_text_str(out, "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Every figure of ");
	sm_text_html(out, report->models.v[model].name);
	sm_text_f(out,
		  ": <a href=\"#files-%zu\">all its cases</a> stand behind each one, but for those "
		  "without a number; cases with a value that is not the formula's are "
		  "named.</caption>\n"
		  "<thead><tr><th scope=\"col\">Figure</th><th scope=\"col\" class=\"n\">Mean</th>"
		  "<th scope=\"col\" class=\"n\">n</th><th scope=\"col\" class=\"n\">Infinite</th>"
		  "<th scope=\"col\" class=\"n\">Left out</th>"
		  "<th scope=\"col\">Not by the formula</th></tr></thead>\n<tbody>\n",
		  model);
	for (size_t r = 0; r < report->map.n; r++)
		for (size_t c = 0; c < report->columns.n; c++)
			SM_TRY(cell_row(report, model, r, c, cells, out, err));
	sm_text_str(out, "</tbody></table></div>\n");
	return SM_OK;
}

enum sm_status sm_cells_section(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_models *m = &report->models;
	enum sm_status st = SM_OK;
	size_t most = 0;
	for (size_t i = 0; i < m->n; i++)
		if (sm_scorebook_cases(m->v[i].book) > most)
			most = sm_scorebook_cases(m->v[i].book);
	struct sm_cell *cells = sm_alloc(&report->run->mem, most + 1, sizeof *cells, "cells", err);
	if (!cells)
		return SM_BUDGET;
	sm_text_str(out, "<section id=\"cells\">\n<h2>Where every figure comes from</h2>\n"
			 "<p>A figure of the tables leads to its line here. "
			 "<code>scanmill trace WORK --cell ");
	sm_text_html(out, report->map.row[0].name);
	sm_text_str(out, "/");
	sm_text_html(out, m->v[m->main].name);
	sm_text_f(out,
		  "/%s</code> prints its cases with their values, and each one's way back to the "
		  "scans; <code>" SM_CELLS_NAME "</code> beside this page holds the same.</p>\n",
		  report->columns.at[0].key);
	for (size_t i = 0; i < m->n; i++) {
		sm_text_str(out, "<details><summary>");
		sm_text_html(out, m->v[i].name);
		sm_text_f(out, ": %zu figures, %zu cases</summary>\n",
			  report->map.n * report->columns.n, sm_scorebook_cases(m->v[i].book));
		SM_GOTO(st, cell_table(report, i, cells, out, err));
		SM_GOTO(st, file_table(report, i, out, err));
		sm_text_str(out, "</details>\n");
	}
	sm_text_str(out, "</section>\n");
out:
	sm_free(cells);
	return st;
}
