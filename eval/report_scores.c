/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of means: an overview, every statistic, and the paired tests between models. Beside every
 * mean stand the cases behind it.
 */
#include <math.h>
#include <string.h>

#include "eval/cells.h"
#include "eval/report_missing.h"
#include "eval/report_parts.h"

/* Columns of the overview side by side; more make a further table. */
enum { ABREAST = 9 };

static const struct sm_summary_cell *cell_of(const struct sm_report *report, size_t m, size_t r,
					     size_t c)
{
	return sm_summary_at(&report->models.v[m].summary, r, c);
}

/* Mean, under it spread, interval, and how many cases they stand for. */
static void mean_cell(const struct sm_report *report, size_t m, size_t r, size_t c,
		      struct sm_text *out)
{
	const struct sm_spread *s = &cell_of(report, m, r, c)->s;
	int decimals = report->columns.at[c].metric->decimals;
	sm_text_str(out, "<td class=\"n\">");
	sm_cell_link(report, m, r, c, out);
	sm_text_number(out, s->mean, decimals, "–");
	sm_text_str(out, "</a><small>");
	if (isfinite(s->sd))
		sm_text_f(out, "± %.*f", decimals, s->sd);
	sm_text_str(out, "<br/>");
	if (isfinite(s->low95) && isfinite(s->high95))
		sm_text_f(out, "%.*f; %.*f", decimals, s->low95, decimals, s->high95);
	else
		sm_text_str(out, "no interval");
	sm_text_f(out, "<br/>n %zu", s->n);
	if (s->infinite)
		sm_text_f(out, "<br/>%zu infinite", s->infinite);
	if (s->left_out)
		sm_text_f(out, "<br/>%zu left out", s->left_out);
	sm_text_str(out, "</small></td>");
}

/* One line of a table: region, its labels under it, and where there are several the model. */
static void line_head(const struct sm_report *report, size_t m, size_t r, bool labels,
		      struct sm_text *out)
{
	const struct sm_label_map *map = &report->map;
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_report_key(out, sm_region_colour(map, r), map->row[r].name);
	if (labels) {
		char words[SM_REGION_LABELS];
		sm_region_labels(map, r, words);
		sm_text_f(out, "<small>%s %s</small>", strchr(words, ',') ? "labels" : "label",
			  words);
	}
	sm_text_str(out, "</th>");
	if (report->models.n > 1) {
		sm_text_str(out, "<td>");
		sm_report_key(out, sm_model_colour(m), report->models.v[m].name);
		sm_text_str(out, "</td>");
	}
}

static void situation_cells(const struct sm_summary_cell *c, struct sm_text *out)
{
	for (size_t s = SM_BOTH_EMPTY; s < SM_SITUATIONS; s++)
		sm_text_f(out, "<td class=\"n\">%zu</td>", c->situation[s]);
}

static void situation_heads(struct sm_text *out)
{
	for (size_t s = SM_BOTH_EMPTY; s < SM_SITUATIONS; s++)
		sm_report_head(out, sm_situation_names[s], true);
}

/* The same in one cell. */
static void empty_cell(const struct sm_summary_cell *c, struct sm_text *out)
{
	sm_text_str(out, "<td class=\"n\"><small>");
	for (size_t s = SM_BOTH_EMPTY; s < SM_SITUATIONS; s++)
		sm_text_f(out, "%s%zu %s", s > SM_BOTH_EMPTY ? "<br/>" : "", c->situation[s],
			  sm_situation_names[s]);
	sm_text_str(out, "</small></td>");
}

/* Rows from..to-1 under a line that says what they are; without any nothing. */
static void mean_rows(const struct sm_report *report, const char *whose, size_t from, size_t to,
		      size_t first, size_t last, struct sm_text *out)
{
	if (from == to)
		return;
	sm_text_f(out,
		  "<tbody>\n<tr class=\"group\"><th colspan=\"%zu\" "
		  "scope=\"rowgroup\">%s</th></tr>\n",
		  2 + (report->models.n > 1) + last - first, whose);
	for (size_t r = from; r < to; r++)
		for (size_t m = 0; m < report->models.n; m++) {
			line_head(report, m, r, true, out);
			for (size_t c = first; c < last; c++)
				mean_cell(report, m, r, c, out);
			empty_cell(cell_of(report, m, r, first), out);
			sm_text_str(out, "</tr>\n");
		}
	sm_text_str(out, "</tbody>\n");
}

/* Of columns first..last-1. */
static void overview(const struct sm_report *report, size_t first, size_t last, struct sm_text *out)
{
	const struct sm_label_map *map = &report->map;
	bool is_brats = map->singles > map->regions;
	sm_report_table(out, "means");
	sm_text_str(out, "Mean over ");
	sm_report_case_words(report, out);
	sm_report_assumed_words(report, out);
	sm_text_str(out,
		    "; under it the standard deviation (±), the 95 % interval of the mean, and "
		    "the number of cases in it. Last: in how many cases the region is empty. "
		    "Every mean leads to the cases, files and hashes behind it.</caption>\n"
		    "<thead><tr>");
	sm_report_head(out, "Region", false);
	if (report->models.n > 1)
		sm_report_head(out, "Model", false);
	for (size_t c = first; c < last; c++) {
		const struct sm_column *column = &report->columns.at[c];
		sm_text_f(out, "<th scope=\"col\" class=\"n\"><abbr title=\"%s\">",
			  sm_report_better(column->metric));
		sm_text_html(out, column->name);
		sm_report_unit(column, out);
		sm_text_str(out, "</abbr></th>");
	}
	sm_report_head(out, "Empty regions", true);
	sm_text_str(out, "</tr></thead>\n");
	mean_rows(report, is_brats ? "BraTS regions" : "Regions", 0, map->regions, first, last,
		  out);
	mean_rows(report, "The original study's core", map->regions, map->singles, first, last,
		  out);
	mean_rows(report, "Single labels", map->singles, map->n, first, last, out);
	sm_text_str(out, "</table></div>\n");
}

static void statistics_row(const struct sm_report *report, size_t m, size_t r, size_t c,
			   struct sm_text *out)
{
	const struct sm_column *column = &report->columns.at[c];
	const struct sm_summary_cell *cell = cell_of(report, m, r, c);
	const struct sm_spread *s = &cell->s;
	const double v[] = {s->mean, s->sd, s->low95, s->high95, s->median,
			    s->q1,   s->q3, s->min,   s->max};
	line_head(report, m, r, false, out);
	sm_text_str(out, "<td>");
	sm_text_html(out, column->name);
	sm_report_unit(column, out);
	sm_text_str(out, "</td>");
	for (size_t i = 0; i < SM_COUNT(v); i++)
		if (i)
			sm_report_number(out, v[i], column->metric->decimals);
		else {
			sm_text_str(out, "<td class=\"n\">");
			sm_cell_link(report, m, r, c, out);
			sm_text_number(out, v[i], column->metric->decimals, "–");
			sm_text_str(out, "</a></td>");
		}
	sm_text_f(out, "<td class=\"n\">%zu</td>", s->n);
	situation_cells(cell, out);
	sm_text_f(out, "<td class=\"n\">%zu</td><td class=\"n\">%zu</td></tr>\n", s->infinite,
		  s->left_out);
}

static void statistics(const struct sm_report *report, struct sm_text *out)
{
	static const char *const heads[] = {"Mean", "SD", "95 % from", "to",      "Median",
					    "Q1",   "Q3", "Lowest",    "Highest", "n"};
	sm_text_str(out, "<details><summary>Every statistic of every region and "
			 "metric</summary>\n");
	sm_report_table(out, "sorts");
	sm_text_str(out, "Intervals of the mean by bootstrap (BCa). Infinite distances are counted "
			 "and stand in no mean; median and quartiles are of finite values, too. "
			 "Left out: cases without a value of the metric.</caption>\n<thead><tr>");
	sm_report_head(out, "Region", false);
	if (report->models.n > 1)
		sm_report_head(out, "Model", false);
	sm_report_head(out, "Metric", false);
	for (size_t i = 0; i < SM_COUNT(heads); i++)
		sm_report_head(out, heads[i], true);
	situation_heads(out);
	sm_report_head(out, "infinite", true);
	sm_report_head(out, "left out", true);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < report->map.n; r++)
		for (size_t c = 0; c < report->columns.n; c++)
			for (size_t m = 0; m < report->models.n; m++)
				statistics_row(report, m, r, c, out);
	sm_text_str(out, "</tbody></table></div>\n</details>\n");
}

static void differences(const struct sm_report *report, struct sm_text *out)
{
	struct sm_text words = {0};
	sm_models_differences(&report->models, &words);
	if (words.n) {
		sm_text_str(out, "<p class=\"quiet\">The models were scored with other settings "
				 "that change no score of a predicted case: ");
		sm_text_html(out, words.data);
		sm_text_str(out, ".</p>\n");
	}
	out->failed = out->failed || words.failed;
	sm_text_clear(&words);
}

void sm_report_scores(const struct sm_report *report, struct sm_text *out)
{
	size_t n = report->columns.n, tables = (n + ABREAST - 1) / ABREAST;
	/* Tables of about one width; those behind the first are folded up. */
	for (size_t t = 0; t < tables; t++) {
		size_t first = t * n / tables, last = (t + 1) * n / tables;
		if (t) {
			sm_text_str(out, "<details><summary>");
			sm_text_html(out, report->columns.at[first].name);
			sm_text_str(out, " to ");
			sm_text_html(out, report->columns.at[last - 1].name);
			sm_text_str(out, "</summary>\n");
		}
		overview(report, first, last, out);
		sm_text_str(out, t ? "</details>\n" : "");
	}
	differences(report, out);
	statistics(report, out);
}

static void duel_row(const struct sm_report *report, const struct sm_duel *d, struct sm_text *out)
{
	const struct sm_models *models = &report->models;
	const struct sm_column *column = &report->columns.at[d->column];
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_text_html(out, column->name);
	sm_report_unit(column, out);
	sm_text_str(out, "</th><td>");
	sm_report_key(out, sm_region_colour(&report->map, d->row), report->map.row[d->row].name);
	sm_text_str(out, "</td><td>");
	sm_report_key(out, sm_model_colour(d->a), models->v[d->a].name);
	sm_text_str(out, "</td><td>");
	sm_report_key(out, sm_model_colour(d->b), models->v[d->b].name);
	sm_text_str(out, "</td>");
	sm_report_number(out, d->difference, column->metric->decimals + 1);
	const size_t counts[] = {d->n, d->left_out, d->no_number, d->infinite};
	for (size_t i = 0; i < SM_COUNT(counts); i++)
		sm_text_f(out, "<td class=\"n\">%zu</td>", counts[i]);
	sm_report_p(out, d->wilcoxon.p);
	sm_report_p(out, d->holm_wilcoxon);
	sm_report_p(out, d->permutation.p);
	sm_report_p(out, d->holm_permutation);
	sm_text_str(out, "</tr>\n");
}

/* Of columns first..last-1. */
static void duel_table(const struct sm_report *report, size_t first, size_t last,
		       struct sm_text *out)
{
	static const char *const heads[] = {
		"Mean of A − B", "Pairs",      "Left out",   "of these no number",
		"infinite",      "Wilcoxon p", "after Holm", "Permutation p",
		"after Holm"};
	sm_report_table(out, "sorts");
	sm_text_str(out,
		    "Paired tests, two-sided, on the cases that both models have a number for: "
		    "Wilcoxon's signed ranks, and the mean difference under changes of sign. "
		    "Holm's correction is over all pairs of models and all regions of a "
		    "metric. Left out are the other cases of either model: scored in one alone, "
		    "without a number in one (its formula has none, or the policy for empty "
		    "regions leaves it out), or infinite in one (by policy strict). Infinite ones "
		    "count in Wilcoxon's ranks, farther than every number, and in nothing else.");
	const size_t apart = sm_models_apart(&report->models);
	if (apart)
		sm_text_f(out,
			  " The models were not scored on the same cases: %zu case%s missing in "
			  "some, counted under Left out.",
			  apart, apart == 1 ? " is" : "s are");
	sm_text_str(out, "</caption>\n<thead><tr>");
	sm_report_head(out, "Metric", false);
	sm_report_head(out, "Region", false);
	sm_report_head(out, "Model A", false);
	sm_report_head(out, "Model B", false);
	for (size_t i = 0; i < SM_COUNT(heads); i++)
		sm_report_head(out, heads[i], true);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < report->models.duels; i++)
		if (report->models.duel[i].column >= first && report->models.duel[i].column < last)
			duel_row(report, &report->models.duel[i], out);
	sm_text_str(out, "</tbody></table></div>\n");
}

void sm_report_duels(const struct sm_report *report, struct sm_text *out)
{
	if (!report->models.duels)
		return;
	sm_text_str(out, "<section id=\"tests\">\n<h2>Models compared case by case</h2>\n");
	duel_table(report, 0, 1, out);
	if (report->columns.n > 1) {
		sm_text_str(out, "<details><summary>The other metrics</summary>\n");
		duel_table(report, 1, report->columns.n, out);
		sm_text_str(out, "</details>\n");
	}
	sm_text_str(out, "</section>\n");
}
