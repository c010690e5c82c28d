/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report_published.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_ROWS = 600 };

/* What may stand behind a metric's key: nothing, "_by_slice" and "_by_tile" of one that has means
 * over them, "_2mm" of one with a tolerance, written as the columns of scores.csv are. */
static bool is_column_of(const struct sm_metric *m, const char *text)
{
	const size_t n = strlen(m->key);
	char again[32], *end;
	if (strncmp(m->key, text, n) != 0)
		return false;
	text += n;
	if (!m->per_tolerance)
		return !*text || (m->per_unit && (strcmp(text, "_by_slice") == 0 ||
						  strcmp(text, "_by_tile") == 0));
	if (*text != '_')
		return false;
	const double mm = strtod(text + 1, &end);
	snprintf(again, sizeof again, "_%gmm", mm);
	return end > text + 1 && isfinite(mm) && mm > 0 && strcmp(again, text) == 0;
}

/* By its key, or as tables print it. map->n: none. */
static size_t find_row(const struct sm_label_map *map, const char *text)
{
	for (size_t r = 0; r < map->n; r++)
		if (strcmp(map->row[r].key, text) == 0)
			return r;
	for (size_t r = 0; r < map->n; r++)
		if (strcmp(map->row[r].name, text) == 0)
			return r;
	return map->n;
}

static enum sm_status no_row(const struct sm_report *report, const struct sm_report_published *e,
			     struct sm_err *err)
{
	const struct sm_label_map *map = &report->map;
	char known[KNOWN_ROWS] = "";
	for (size_t r = 0; r < map->n; r++) {
		const size_t n = strlen(known);
		snprintf(known + n, sizeof known - n, "%s%s", r ? ", " : "", map->row[r].key);
	}
	return SM_FAIL(err, SM_USAGE,
		       "report.published: %s: row '%s' is no region or label of this evaluation, "
		       "allowed are %s",
		       e->name, e->row, known);
}

static enum sm_status find_column(const struct sm_report *report,
				  const struct sm_report_published *e,
				  struct sm_published_column *out, struct sm_err *err)
{
	const size_t r = find_row(&report->map, e->row);
	const size_t c = sm_column_find(&report->columns, e->metric);
	bool known = c < report->columns.n;
	if (r == report->map.n)
		return no_row(report, e, err);
	for (size_t k = 0; k < sm_metric_count && !known; k++)
		known = is_column_of(&sm_metric_rows[k], e->metric);
	if (!known)
		return SM_FAIL(err, SM_USAGE,
			       "report.published: %s: '%s' is no metric, allowed are those of "
			       "docs/metrics.md, overlaps with _by_slice or _by_tile, NSD with its "
			       "tolerance (nsd_2mm)",
			       e->name, e->metric);
	*out = (struct sm_published_column){r, c < report->columns.n ? c : SM_NONE, e->metric};
	return SM_OK;
}

static size_t row_of(struct sm_published *p, const struct sm_report_published *e)
{
	size_t r = 0, s = 0;
	while (r < p->rows &&
	       (strcmp(p->row[r]->name, e->name) != 0 || strcmp(p->row[r]->source, e->source) != 0))
		r++;
	if (r < p->rows)
		return r;
	while (s < p->sources && strcmp(p->source_text[s], e->source) != 0)
		s++;
	if (s == p->sources)
		p->source_text[p->sources++] = e->source;
	p->row[p->rows] = e;
	p->source[p->rows++] = s;
	return r;
}

enum sm_status sm_published_make(const struct sm_report *report, struct sm_published *out,
				 struct sm_err *err)
{
	const struct sm_list *list = &report->settings->published;
	const struct sm_report_published *e = list->items;
	struct sm_arena *arena = &report->run->arena;
	const size_t n = list->n;
	*out = (struct sm_published){0};
	if (!n)
		return SM_OK;
	out->row = sm_arena_alloc(arena, n * sizeof *out->row);
	out->source = sm_arena_alloc(arena, n * sizeof *out->source);
	out->source_text = sm_arena_alloc(arena, n * sizeof *out->source_text);
	out->column = sm_arena_alloc(arena, n * sizeof *out->column);
	out->at = sm_arena_alloc(arena, n * n * sizeof *out->at);
	if (!out->row || !out->source || !out->source_text || !out->column || !out->at)
		return SM_FAIL(err, SM_BUDGET, "report.published: out of memory");
	memset((void *)out->at, 0, n * n * sizeof *out->at);
	for (size_t i = 0; i < n; i++) {
		struct sm_published_column c;
		size_t k = 0;
		SM_TRY(find_column(report, &e[i], &c, err));
		const size_t r = row_of(out, &e[i]);
		while (k < out->columns && (out->column[k].row != c.row ||
					    strcmp(out->column[k].metric, c.metric) != 0))
			k++;
		if (k == out->columns)
			out->column[out->columns++] = c;
		/* n columns a row while it is filled. */
		if (out->at[r * n + k])
			return SM_FAIL(err, SM_USAGE,
				       "report.published: %s has two numbers for %s of %s, needed "
				       "is one",
				       e[i].name, e[i].metric, e[i].row);
		out->at[r * n + k] = &e[i];
	}
	for (size_t r = 0; r < out->rows; r++)
		memmove((void *)&out->at[r * out->columns], (const void *)&out->at[r * n],
			out->columns * sizeof *out->at);
	return SM_OK;
}

static int decimals_of(const struct sm_report *report, const struct sm_published_column *c)
{
	return c->column == SM_NONE ? 3 : report->columns.at[c->column].metric->decimals;
}

static const char *column_name(const struct sm_report *report, const struct sm_published_column *c)
{
	return c->column == SM_NONE ? c->metric : report->columns.at[c->column].name;
}

static void published_number(const struct sm_report *report, const struct sm_published *p, size_t r,
			     size_t c, const char *none, struct sm_text *out)
{
	const struct sm_report_published *e = p->at[r * p->columns + c];
	sm_text_number(out, e ? e->value : NAN, decimals_of(report, &p->column[c]), none);
}

/* Mean and its spread over cases. */
static void own_number(const struct sm_report *report, size_t model,
		       const struct sm_published_column *c, const char *sign, const char *none,
		       struct sm_text *out)
{
	if (c->column == SM_NONE) {
		sm_text_str(out, none);
		return;
	}
	const struct sm_spread *s =
		&sm_summary_at(&report->models.v[model].summary, c->row, c->column)->s;
	sm_text_number(out, s->mean, decimals_of(report, c), none);
	if (isfinite(s->sd))
		sm_text_f(out, "%s%.*f", sign, decimals_of(report, c), s->sd);
}

static const char warning[] =
	"Published numbers come from other cases, and may have other definitions: only a test on "
	"the same cases compares models.";

enum sm_status sm_report_published(const struct sm_report *report, struct sm_text *out,
				   struct sm_err *err)
{
	struct sm_published p;
	SM_TRY(sm_published_make(report, &p, err));
	if (!p.rows)
		return SM_OK;
	sm_text_f(out,
		  "<section id=\"published\">\n<h2>Beside published numbers</h2>\n<div "
		  "class=\"wide\" tabindex=\"0\"><table>\n<caption>%s Ours: mean ± standard "
		  "deviation over %zu case%s.</caption>\n<thead><tr><th scope=\"col\">Model</th>"
		  "<th scope=\"col\">Source</th>",
		  warning, report->count, report->count == 1 ? "" : "s");
	for (size_t c = 0; c < p.columns; c++) {
		sm_text_str(out, "<th scope=\"col\" class=\"n\">");
		sm_text_html(out, report->map.row[p.column[c].row].name);
		sm_text_str(out, "<br/>");
		sm_text_html(out, column_name(report, &p.column[c]));
		sm_text_str(out, "</th>");
	}
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < p.rows; r++) {
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, p.row[r]->name);
		sm_text_str(out, "</th><td>");
		sm_text_html(out, p.row[r]->source);
		if (p.row[r]->cases)
			sm_text_f(out, "; n = %lld", (long long)p.row[r]->cases);
		sm_text_str(out, "</td>");
		for (size_t c = 0; c < p.columns; c++) {
			sm_text_str(out, "<td class=\"n\">");
			published_number(report, &p, r, c, "–", out);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	for (size_t m = 0; m < report->models.n; m++) {
		sm_text_str(out, "<tr><th scope=\"row\"><b>");
		sm_text_html(out, report->models.v[m].name);
		sm_text_f(out, "</b></th><td>this page; n = %zu</td>",
			  sm_scorebook_cases(report->models.v[m].book));
		for (size_t c = 0; c < p.columns; c++) {
			sm_text_str(out, "<td class=\"n\">");
			own_number(report, m, &p.column[c], " ± ", "–", out);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
	return SM_OK;
}

void sm_report_md_text(struct sm_text *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			sm_text_str(out, "\\|");
		else if (*text == '\n')
			sm_text_str(out, " ");
		else
			sm_text_add(out, text, 1);
	}
}

void sm_published_md(const struct sm_report *report, const struct sm_published *p,
		     struct sm_text *out)
{
	if (!p->rows)
		return;
	sm_text_str(out, "\n| Model |");
	for (size_t c = 0; c < p->columns; c++)
		sm_text_f(out, " %s %s |", report->map.row[p->column[c].row].name,
			  column_name(report, &p->column[c]));
	sm_text_str(out, "\n|---|");
	for (size_t c = 0; c < p->columns; c++)
		sm_text_str(out, "---:|");
	for (size_t r = 0; r < p->rows; r++) {
		sm_text_str(out, "\n| ");
		sm_report_md_text(out, p->row[r]->name);
		sm_text_f(out, ", published [%zu] |", p->source[r] + 1);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " ");
			published_number(report, p, r, c, "--", out);
			sm_text_str(out, " |");
		}
	}
	for (size_t m = 0; m < report->models.n; m++) {
		sm_text_f(out, "\n| %s, here |", report->models.v[m].name);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " ");
			own_number(report, m, &p->column[c], " ± ", "--", out);
			sm_text_str(out, " |");
		}
	}
	sm_text_f(out, "\n\n%s", warning);
	for (size_t s = 0; s < p->sources; s++)
		sm_text_f(out, " [%zu] %s.", s + 1, p->source_text[s]);
	sm_text_str(out, "\n");
}

void sm_published_tex(const struct sm_report *report, const struct sm_published *p,
		      struct sm_text *out)
{
	if (!p->rows)
		return;
	sm_text_str(out, "\n\\begin{table}\n\\centering\n\\caption{Published numbers beside those "
			 "of this work (mean $\\pm$ standard deviation). ");
	sm_text_str(out, warning);
	for (size_t s = 0; s < p->sources; s++) {
		sm_text_f(out, " $^{%zu}$ ", s + 1);
		sm_text_tex(out, p->source_text[s]);
		sm_text_str(out, ".");
	}
	sm_text_str(out, "}\n\\label{tab:published}\n\\begin{tabular}{l");
	for (size_t c = 0; c < p->columns; c++)
		sm_text_str(out, "r");
	sm_text_str(out, "}\n\\toprule\nModel");
	for (size_t c = 0; c < p->columns; c++) {
		sm_text_str(out, " & ");
		sm_text_tex(out, report->map.row[p->column[c].row].name);
	}
	sm_text_str(out, " \\\\\n");
	for (size_t c = 0; c < p->columns; c++) {
		sm_text_str(out, " & ");
		sm_text_tex(out, column_name(report, &p->column[c]));
	}
	sm_text_str(out, " \\\\\n\\midrule\n");
	for (size_t r = 0; r < p->rows; r++) {
		sm_text_tex(out, p->row[r]->name);
		sm_text_f(out, "$^{%zu}$", p->source[r] + 1);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " & ");
			published_number(report, p, r, c, "--", out);
		}
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\midrule\n");
	for (size_t m = 0; m < report->models.n; m++) {
		sm_text_tex(out, report->models.v[m].name);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " & ");
			own_number(report, m, &p->column[c], " $\\pm$ ", "--", out);
		}
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
}
