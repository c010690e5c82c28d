/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/compare.h"

/* Columns that get a matrix each: Dice and HD95 where they are among the columns, else the first
 * one. */
static size_t shown_columns(const struct sm_comparing *c, size_t out[2])
{
	static const char *const wanted[2] = {"dice", "hd95"};
	size_t n = 0;
	for (size_t i = 0; i < 2; i++) {
		size_t k = sm_column_find(&c->columns, wanted[i]);
		if (k < c->columns.n)
			out[n++] = k;
	}
	if (!n)
		out[n++] = 0;
	return n;
}

static const char *unit_of(const struct sm_column *column)
{
	return strcmp(column->metric->unit, "1") == 0 ? "" : column->metric->unit;
}

static void put_spread(struct sm_grid *g, size_t row, size_t column, const struct sm_spread *s,
		       int decimals)
{
	if (!s->n)
		sm_grid_put(g, row, column, s->infinite ? "inf" : "--");
	else if (isfinite(s->sd))
		sm_grid_put(g, row, column, "%.*f \xc2\xb1 %.*f", decimals, s->mean, decimals,
			    s->sd);
	else
		sm_grid_put(g, row, column, "%.*f", decimals, s->mean);
}

/* References down, compared ones across. */
static void matrix(const struct sm_comparing *c, size_t row, size_t column, struct sm_grid *g)
{
	size_t across = 1;
	sm_grid_init(g, c->members + 1, 1 + c->members - (c->truth != SM_NONE));
	sm_grid_put(g, 0, 0, "reference");
	for (size_t m = 0; m < c->members; m++) {
		sm_grid_put(g, m + 1, 0, "%s", c->member[m].name);
		if (m == c->truth)
			continue;
		sm_grid_put(g, 0, across, "%s", c->member[m].name);
		for (size_t r = 0; r < c->members; r++) {
			const struct sm_rated *p = sm_compare_pair(c, r, m);
			if (p)
				put_spread(g, r + 1, across,
					   &sm_summary_at(&p->summary, row, column)->s,
					   c->columns.at[column].metric->decimals);
		}
		across++;
	}
}

/* Over the pairs of a matrix: of how many cases its means are, and of which kind. Empty text of one
 * case. */
static void cases_behind(const struct sm_comparing *c, size_t row, size_t column, char *out,
			 size_t room)
{
	static const char *const words[] = {"n", "both empty", "reference empty", "compared empty",
					    "infinite"};
	size_t low[SM_COUNT(words)], high[SM_COUNT(words)] = {0}, used = 0;
	*out = 0;
	memset(low, 0xff, sizeof low);
	for (size_t p = 0; p < c->pairs; p++) {
		const struct sm_summary_cell *cell =
			sm_summary_at(&c->pair[p].summary, row, column);
		const size_t n[] = {cell->s.n, cell->situation[SM_BOTH_EMPTY],
				    cell->situation[SM_TRUTH_EMPTY],
				    cell->situation[SM_PREDICTION_EMPTY], cell->s.infinite};
		for (size_t i = 0; i < SM_COUNT(words); i++) {
			low[i] = n[i] < low[i] ? n[i] : low[i];
			high[i] = n[i] > high[i] ? n[i] : high[i];
		}
	}
	for (size_t i = 0; sm_compare_cases(c) > 1 && i < SM_COUNT(words) && used < room; i++)
		used += (size_t)(low[i] == high[i]
					 ? snprintf(out + used, room - used, "%s%s %zu",
						    i ? ", " : "cases: ", words[i], low[i])
					 : snprintf(out + used, room - used, "%s%s %zu to %zu",
						    i ? ", " : "cases: ", words[i], low[i],
						    high[i]));
}

/* Every member against one reference, all columns. */
static void against(const struct sm_comparing *c, size_t reference, size_t row, struct sm_grid *g)
{
	size_t line = 1, columns = c->columns.n;
	static const char *const heads[] = {"$n$", "$E_{rc}$", "$E_r$", "$E_c$", "$\\infty$"};
	sm_grid_init(g, 1 + c->members, columns + 6);
	g->tail = SM_COUNT(heads);
	g->tail_heads = heads;
	sm_grid_put(g, 0, 0, "compared");
	static const char *const counts[] = {"n", "both empty", "reference empty", "compared empty",
					     "infinite"};
	for (size_t k = 0; k < columns; k++)
		sm_grid_put(g, 0, k + 1, "%s%s%s", c->columns.at[k].name,
			    *unit_of(&c->columns.at[k]) ? ", " : "", unit_of(&c->columns.at[k]));
	for (size_t i = 0; i < SM_COUNT(counts); i++)
		sm_grid_put(g, 0, columns + 1 + i, "%s", counts[i]);
	for (size_t m = 0; m < c->members; m++) {
		const struct sm_rated *p = sm_compare_pair(c, reference, m);
		size_t infinite = 0, least = SIZE_MAX, most = 0;
		if (!p)
			continue;
		sm_grid_put(g, line, 0, "%s", c->member[m].name);
		for (size_t k = 0; k < columns; k++) {
			const struct sm_spread *s = &sm_summary_at(&p->summary, row, k)->s;
			put_spread(g, line, k + 1, s, c->columns.at[k].metric->decimals);
			infinite = s->infinite > infinite ? s->infinite : infinite;
			least = s->n < least ? s->n : least;
			most = s->n > most ? s->n : most;
		}
		const size_t *n = sm_summary_at(&p->summary, row, 0)->situation;
		if (least == most)
			sm_grid_put(g, line, columns + 1, "%zu", most);
		else
			sm_grid_put(g, line, columns + 1, "%zu to %zu", least, most);
		sm_grid_put(g, line, columns + 2, "%zu", n[SM_BOTH_EMPTY]);
		sm_grid_put(g, line, columns + 3, "%zu", n[SM_TRUTH_EMPTY]);
		sm_grid_put(g, line, columns + 4, "%zu", n[SM_PREDICTION_EMPTY]);
		sm_grid_put(g, line++, columns + 5, "%zu", infinite);
	}
	/* The lines of members that are not compared with it; they were allocated in vain. */
	g->rows = line;
}

static void qualities(const struct sm_comparing *c, size_t rows, struct sm_grid *g)
{
	sm_grid_init(g, 1 + c->raters, 1 + 3 * rows);
	g->group = 3;
	sm_grid_put(g, 0, 0, "rater");
	for (size_t r = 0; r < rows; r++) {
		sm_grid_put(g, 0, 1 + 3 * r, "%s sensitivity", c->map.row[r].name);
		sm_grid_put(g, 0, 2 + 3 * r, "specificity");
		sm_grid_put(g, 0, 3 + 3 * r, "n");
	}
	for (size_t m = 0; m < c->raters; m++) {
		sm_grid_put(g, m + 1, 0, "%s", c->member[m].name);
		for (size_t r = 0; r < rows; r++) {
			const struct sm_rater_quality *q = &c->quality[r * c->raters + m];
			put_spread(g, m + 1, 1 + 3 * r, &q->sensitivity, 3);
			put_spread(g, m + 1, 2 + 3 * r, &q->specificity, 5);
			sm_grid_put(g, m + 1, 3 + 3 * r, "%zu", q->sensitivity.n);
		}
	}
}

static void put_p(struct sm_grid *g, size_t row, size_t column, double p)
{
	if (!isfinite(p))
		sm_grid_put(g, row, column, "--");
	else if (p < 0.001)
		sm_grid_put(g, row, column, "<0.001");
	else
		sm_grid_put(g, row, column, "%.3f", p);
}

static void test_table(const struct sm_comparing *c, size_t column, struct sm_grid *g)
{
	static const char *const head[] = {
		"raters",     "region", "mean difference", "95 %", "n", "left out",
		"Wilcoxon p", "Holm",   "permutation p",   "Holm"};
	size_t line = 1;
	int decimals = c->columns.at[column].metric->decimals;
	sm_grid_init(g, c->tests + 1, SM_COUNT(head));
	g->lead = 2;
	for (size_t i = 0; i < SM_COUNT(head); i++)
		sm_grid_put(g, 0, i, "%s", head[i]);
	for (size_t i = 0; i < c->tests; i++) {
		const struct sm_rater_test *t = &c->test[i];
		if (t->column != column)
			continue;
		sm_grid_put(g, line, 0, "%s - %s", c->member[t->a].name, c->member[t->b].name);
		sm_grid_put(g, line, 1, "%s", c->map.row[t->row].name);
		if (isfinite(t->difference))
			sm_grid_put(g, line, 2, "%.*f", decimals, t->difference);
		if (isfinite(t->low))
			sm_grid_put(g, line, 3, "%.*f to %.*f", decimals, t->low, decimals,
				    t->high);
		sm_grid_put(g, line, 4, "%zu", t->n);
		sm_grid_put(g, line, 5, "%zu", t->left_out);
		put_p(g, line, 6, t->wilcoxon.p);
		put_p(g, line, 7, t->holm_wilcoxon);
		put_p(g, line, 8, t->permutation.p);
		put_p(g, line++, 9, t->holm_permutation);
	}
	g->rows = line;
}

static void add_table(struct sm_compare_pages *out, struct sm_grid *g, const char *caption)
{
	sm_text_f(&out->md, "\n%s\n\n", caption);
	sm_grid_md(g, &out->md);
	sm_grid_tex(g, caption, &out->tex);
	sm_text_str(&out->tex, "\n");
	sm_grid_clear(g);
}

static void add_matrices(const struct sm_comparing *c, struct sm_compare_pages *out)
{
	size_t shown[2], n = shown_columns(c, shown);
	struct sm_grid g;
	char caption[512], cases[256];
	for (size_t r = 0; r < c->map.shown; r++)
		for (size_t k = 0; k < n; k++) {
			const struct sm_column *column = &c->columns.at[shown[k]];
			matrix(c, r, shown[k], &g);
			cases_behind(c, r, shown[k], cases, sizeof cases);
			snprintf(caption, sizeof caption,
				 "%s of %s%s%s: row as reference, column compared with it%s%s",
				 column->name, c->map.row[r].name, *unit_of(column) ? ", " : "",
				 unit_of(column), *cases ? "; " : "", cases);
			add_table(out, &g, caption);
		}
}

static void add_references(const struct sm_comparing *c, struct sm_compare_pages *out)
{
	struct sm_grid g;
	char caption[256];
	for (size_t m = 0; m < c->members; m++)
		for (size_t r = 0; r < c->map.shown; r++) {
			against(c, m, r, &g);
			snprintf(caption, sizeof caption, "%s, against %s", c->map.row[r].name,
				 c->member[m].name);
			add_table(out, &g, caption);
		}
}

static void add_tests(const struct sm_comparing *c, struct sm_compare_pages *out)
{
	size_t shown[2], n = shown_columns(c, shown);
	struct sm_grid g;
	char caption[256];
	for (size_t k = 0; k < n && c->tests; k++) {
		test_table(c, shown[k], &g);
		snprintf(caption, sizeof caption,
			 "Paired tests of %s against the truth, corrected by Holm over pairs and "
			 "regions; left out: no number, or infinite, which Wilcoxon's ranks count",
			 c->columns.at[shown[k]].name);
		add_table(out, &g, caption);
	}
}

void sm_compare_pages_make(const struct sm_comparing *c, struct sm_compare_pages *out)
{
	size_t n = sm_compare_cases(c);
	struct sm_grid g;
	sm_text_str(&out->tex, "% needs \\usepackage{booktabs}\n");
	sm_text_f(&out->md,
		  "# Comparison of %zu raters, %zu case%s\n\nMean \xc2\xb1 standard "
		  "deviation over cases. Empty regions: %s (%s).\n",
		  c->raters, n, n == 1 ? "" : "s", sm_policy_names[c->section.empty],
		  sm_policy_words[c->section.empty]);
	add_matrices(c, out);
	if (c->staple != SM_NONE) {
		qualities(c, c->map.shown, &g);
		add_table(out, &g, "Raters by STAPLE (Warfield 2004), each region by itself");
	}
	add_tests(c, out);
	add_references(c, out);
}

void sm_compare_print(const struct sm_comparing *c, struct sm_text *out)
{
	size_t shown[2];
	struct sm_grid g;
	char cases[256];
	shown_columns(c, shown);
	for (size_t r = 0; r < c->map.main; r++) {
		sm_text_f(out, "%s%s of %s\n", r ? "\n" : "", c->columns.at[shown[0]].name,
			  c->map.row[r].name);
		matrix(c, r, shown[0], &g);
		sm_grid_plain(&g, out);
		sm_grid_clear(&g);
		cases_behind(c, r, shown[0], cases, sizeof cases);
		if (*cases)
			sm_text_f(out, "(%s)\n", cases);
	}
	if (c->staple == SM_NONE)
		return;
	sm_text_str(out, "\nSTAPLE\n");
	qualities(c, c->map.main, &g);
	sm_grid_plain(&g, out);
	sm_grid_clear(&g);
}
