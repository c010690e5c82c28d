/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report_groups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which cases of which models make the groups: group[k] of each value. */
struct members {
	char name[SM_MODEL_NAME];
	bool folds;
	size_t models, model[SM_MODELS_MAX];
	size_t groups;
	uint32_t *fold; /* folds: of each case of the one model */
};

/* Letters before '#', 0 without one. */
static size_t stem(const char *name)
{
	const char *hash = strchr(name, '#');
	return hash ? (size_t)(hash - name) : 0;
}

static size_t cases_of(const struct sm_report *report, const struct members *g)
{
	size_t n = 0;
	for (size_t k = 0; k < g->models; k++)
		n += sm_scorebook_cases(report->models.v[g->model[k]].book);
	return n;
}

/* The models called as model m up to the '#', m the first of them; false when it is alone. */
static bool trainings(const struct sm_report *report, size_t m, struct members *g)
{
	const struct sm_models *all = &report->models;
	const size_t n = stem(all->v[m].name);
	*g = (struct members){0};
	for (size_t k = 0; n && k < all->n; k++) {
		if (stem(all->v[k].name) != n || memcmp(all->v[k].name, all->v[m].name, n) != 0)
			continue;
		if (k < m)
			return false;
		g->model[g->models++] = k;
	}
	memcpy(g->name, all->v[m].name, n);
	g->groups = g->models;
	return g->models > 1;
}

/* The folds of the split that the main model's cases lie in. */
static enum sm_status folds(const struct sm_report *report, struct members *g, struct sm_err *err)
{
	const struct sm_model *m = &report->models.v[report->models.main];
	const size_t n = sm_scorebook_cases(m->book);
	bool known = report->from[SM_FROM_SPLIT].header;
	*g = (struct members){.folds = true, .models = 1, .model = {report->models.main}};
	snprintf(g->name, sizeof g->name, "%s", m->name);
	g->fold = sm_alloc(NULL, n + 1, sizeof *g->fold, "folds", err);
	if (!g->fold)
		return SM_BUDGET;
	uint32_t seen[64] = {0};
	size_t distinct = 0;
	for (size_t i = 0; known && i < n; i++) {
		json_t *record =
			sm_ledger_get(&report->from[SM_FROM_SPLIT], sm_scorebook_key(m->book, i));
		const json_t *fold = json_object_get(record, "fold_index");
		const json_int_t v = json_is_integer(fold) ? json_integer_value(fold) : -1;
		known = v >= 0 && v < 64;
		if (known) {
			distinct += !seen[v]++;
			g->fold[i] = (uint32_t)v;
			g->groups = (size_t)v + 1 > g->groups ? (size_t)v + 1 : g->groups;
		}
		json_decref(record);
	}
	if (!known || distinct < 2)
		g->groups = 0;
	return report->from[SM_FROM_SPLIT].header
		       ? sm_records_check(report->from[SM_FROM_SPLIT].records, err)
		       : SM_OK;
}

/* Every region shown and every column of one set of groups. */
static enum sm_status measure(const struct sm_report *report, const struct members *g,
			      struct sm_groups *out, struct sm_err *err)
{
	const size_t n = cases_of(report, g);
	struct sm_cell *cells = sm_alloc(NULL, n + 1, sizeof *cells, "groups", err);
	double *v = sm_alloc(NULL, n + 1, sizeof *v, "groups", err);
	uint32_t *group = sm_alloc(NULL, n + 1, sizeof *group, "groups", err);
	struct sm_group each[64];
	enum sm_status st = cells && v && group ? SM_OK : SM_BUDGET;
	for (size_t r = 0; st == SM_OK && r < report->map.shown; r++)
		for (size_t c = 0; st == SM_OK && c < report->columns.n; c++) {
			size_t k = 0;
			for (size_t m = 0; st == SM_OK && m < g->models; m++) {
				const struct sm_scorebook *book =
					report->models.v[g->model[m]].book;
				st = sm_scorebook_column(book, r, c, cells + k, err);
				for (size_t i = 0; i < sm_scorebook_cases(book); i++, k++)
					group[k] = g->folds ? g->fold[i] : (uint32_t)m;
			}
			for (size_t i = 0; st == SM_OK && i < n; i++)
				v[i] = sm_cell_number(&cells[i]);
			struct sm_groups_row *row = &out->row[out->n];
			*row = (struct sm_groups_row){.folds = g->folds, .row = r, .column = c};
			memcpy(row->name, g->name, sizeof row->name);
			if (st == SM_OK)
				st = sm_between_groups(v, group, n, g->groups, each, &row->between,
						       err);
			out->n++;
		}
	sm_free(cells);
	sm_free(v);
	sm_free(group);
	return st;
}

enum sm_status sm_groups_make(const struct sm_report *report, struct sm_groups *out,
			      struct sm_err *err)
{
	const size_t block = report->map.shown * report->columns.n;
	struct members g;
	*out = (struct sm_groups){.row = sm_alloc(&report->run->mem,
						  block * (SM_MODELS_MAX / 2 + 1) + 1,
						  sizeof *out->row, "groups", err)};
	if (!out->row)
		return SM_BUDGET;
	enum sm_status st = SM_OK;
	for (size_t m = 0; st == SM_OK && m < report->models.n; m++)
		if (trainings(report, m, &g))
			st = measure(report, &g, out, err);
	if (st == SM_OK)
		st = folds(report, &g, err);
	else
		g.fold = NULL;
	if (st == SM_OK && g.groups)
		st = measure(report, &g, out, err);
	sm_free(g.fold);
	if (st != SM_OK)
		sm_groups_clear(out);
	return st;
}

void sm_groups_clear(struct sm_groups *g)
{
	sm_free(g->row);
	*g = (struct sm_groups){0};
}

static void number_cell(struct sm_text *out, double v, int decimals)
{
	sm_text_str(out, "<td class=\"n\">");
	sm_text_number(out, v, decimals, "–");
	sm_text_str(out, "</td>");
}

/* Of the first metric, or of the others. */
static void table(const struct sm_report *report, const struct sm_groups *g, bool first,
		  struct sm_text *out)
{
	sm_text_str(
		out,
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Mean of the groups' means, "
		"each group counting once, with its standard deviation (n − 1) between groups; "
		"beside it the pooled standard deviation of cases inside a group.</caption>\n"
		"<thead><tr><th scope=\"col\">Metric</th><th scope=\"col\">Region</th>"
		"<th scope=\"col\">Model</th><th scope=\"col\" class=\"n\">Groups</th>"
		"<th scope=\"col\" class=\"n\">Mean</th><th scope=\"col\" class=\"n\">SD "
		"between</th><th scope=\"col\" class=\"n\">Lowest</th><th scope=\"col\" "
		"class=\"n\">Highest</th><th scope=\"col\" class=\"n\">SD within</th></tr></thead>"
		"\n<tbody>\n");
	for (size_t i = 0; i < g->n; i++) {
		const struct sm_groups_row *row = &g->row[i];
		const struct sm_column *c = &report->columns.at[row->column];
		const struct sm_between *b = &row->between;
		const char *unit = c->metric->unit;
		if (first != (row->column == 0))
			continue;
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, c->name);
		sm_text_f(out, "%s%s</th><td>", strcmp(unit, "1") != 0 ? ", " : "",
			  strcmp(unit, "1") != 0 ? unit : "");
		sm_text_html(out, report->map.row[row->row].name);
		sm_text_str(out, "</td><td>");
		sm_text_html(out, row->name);
		sm_text_f(out, "</td><td class=\"n\">%zu %s</td>", b->groups,
			  row->folds ? "folds" : "trainings");
		number_cell(out, b->mean, c->metric->decimals);
		number_cell(out, b->sd, c->metric->decimals);
		number_cell(out, b->min, c->metric->decimals);
		number_cell(out, b->max, c->metric->decimals);
		number_cell(out, b->within, c->metric->decimals);
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
}

enum sm_status sm_report_groups(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err)
{
	struct sm_groups g;
	SM_TRY(sm_groups_make(report, &g, err));
	if (g.n) {
		sm_text_str(out, "<section id=\"groups\">\n<h2>Spread over trainings and "
				 "folds</h2>\n");
		table(report, &g, true, out);
		if (report->columns.n > 1) {
			sm_text_str(out, "<details><summary>The other metrics</summary>\n");
			table(report, &g, false, out);
			sm_text_str(out, "</details>\n");
		}
		sm_text_str(out, "</section>\n");
	}
	sm_groups_clear(&g);
	return SM_OK;
}

static void csv_number(struct sm_text *out, double v)
{
	if (isfinite(v))
		sm_text_f(out, ",%.9g", v);
	else
		sm_text_str(out, ",");
}

void sm_groups_csv(const struct sm_report *report, const struct sm_groups *g, struct sm_text *out)
{
	sm_text_str(out, "name,groups,region,metric,n_groups,mean,sd,min,max,sd_within\n");
	for (size_t i = 0; i < g->n; i++) {
		const struct sm_groups_row *row = &g->row[i];
		sm_text_csv(out, row->name);
		sm_text_f(out, ",%s,%s,%s,%zu", row->folds ? "folds" : "trainings",
			  report->map.row[row->row].key, report->columns.at[row->column].key,
			  row->between.groups);
		csv_number(out, row->between.mean);
		csv_number(out, row->between.sd);
		csv_number(out, row->between.min);
		csv_number(out, row->between.max);
		csv_number(out, row->between.within);
		sm_text_str(out, "\n");
	}
}
