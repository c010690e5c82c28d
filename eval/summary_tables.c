/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

/* In a table of a case, metrics stand side by side up to here, beyond below each other. */
enum { SIDE_BY_SIDE = 10 };

void sm_text_cell(struct sm_text *out, const struct sm_cell *cell, int decimals,
		  const char *missing)
{
	sm_text_number(out, sm_cell_number(cell), decimals,
		       cell->why == SM_IS_INFINITE ? "inf" : missing);
}

void sm_region_labels(const struct sm_label_map *map, size_t row, char out[SM_REGION_LABELS])
{
	size_t n = 0;
	out[0] = '\0';
	for (size_t c = 0; c < map->classes; c++)
		if (map->row[row].members >> c & 1)
			n += (size_t)snprintf(out + n, SM_REGION_LABELS - n, "%s%u", n ? "," : "",
					      (unsigned)map->value[c]);
}

/* Widths of the first columns of a table: the names', the labels', the metrics'. */
struct widths {
	int name, labels, metric;
};

static int longer(int a, const char *text)
{
	int n = (int)strlen(text);
	return n > a ? n : a;
}

static bool has_unit(const struct sm_column *c)
{
	return strcmp(c->metric->unit, "1") != 0;
}

/* "HD95, mm" */
enum { LABEL = sizeof((struct sm_column *)0)->name + 16 };
static const char *label_of(const struct sm_column *c, char out[LABEL])
{
	snprintf(out, LABEL, has_unit(c) ? "%s, %s" : "%s", c->name, c->metric->unit);
	return out;
}

static struct widths find_widths(const struct sm_label_map *map, const struct sm_columns *columns,
				 size_t rows)
{
	struct widths w = {6, 6, 6};
	for (size_t r = 0; r < rows; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		w.name = longer(w.name, map->row[r].name);
		w.labels = longer(w.labels, labels);
	}
	char label[LABEL];
	for (size_t c = 0; c < columns->n; c++)
		w.metric = longer(w.metric, label_of(&columns->at[c], label));
	return w;
}

/* Right-aligned in its column. */
static void number(struct sm_text *out, double v, int decimals, int width)
{
	if (isfinite(v))
		sm_text_f(out, "  %*.*f", width, decimals, v);
	else
		sm_text_f(out, "  %*s", width, isinf(v) ? "inf" : "-");
}

/* A digit more than in tables for print. */
static int decimals_of(const struct sm_column *c)
{
	return c->metric->decimals + (c->metric->decimals > 0);
}

static void summary_line(struct sm_text *out, const struct sm_column *column,
			 const struct sm_summary_cell *cell)
{
	const struct sm_spread *s = &cell->s;
	const int decimals = decimals_of(column);
	char interval[64] = "-";
	if (isfinite(s->low95))
		snprintf(interval, sizeof interval, "%.*f to %.*f", decimals, s->low95, decimals,
			 s->high95);
	number(out, s->mean, decimals, 9);
	sm_text_f(out, "  %20s", interval);
	number(out, s->sd, decimals, 9);
	number(out, s->median, decimals, 9);
	sm_text_f(out, "  %5zu", s->n);
	for (size_t k = SM_BOTH_EMPTY; k < SM_SITUATIONS; k++)
		sm_text_f(out, "  %*zu", (int)strlen(sm_situation_names[k]), cell->situation[k]);
	sm_text_f(out, "  %8zu\n", s->infinite);
}

void sm_summary_print(const struct sm_label_map *map, const struct sm_columns *columns,
		      struct sm_text *out, const struct sm_summary *s)
{
	const size_t rows = map->shown && map->shown < map->n ? map->shown : map->n;
	const struct widths w = find_widths(map, columns, rows);
	sm_text_f(out, "%zu %s", s->cases, s->cases == 1 ? "case" : "cases");
	if (s->patients < s->cases)
		sm_text_f(out, " of %zu %s", s->patients,
			  s->patients == 1 ? "patient" : "patients");
	sm_text_f(out, "\n\n%-*s  %-*s  %-*s  %9s  %20s  %9s  %9s  %5s", w.name, "region", w.labels,
		  "labels", w.metric, "metric", "mean", "95 % interval", "SD", "median", "n");
	for (size_t k = SM_BOTH_EMPTY; k < SM_SITUATIONS; k++)
		sm_text_f(out, "  %s", sm_situation_names[k]);
	sm_text_f(out, "  %8s\n", "infinite");
	for (size_t r = 0; r < rows; r++) {
		char labels[SM_REGION_LABELS], label[LABEL];
		sm_region_labels(map, r, labels);
		for (size_t c = 0; c < columns->n; c++) {
			sm_text_f(out, "%-*s  %-*s  %-*s", w.name, map->row[r].name, w.labels,
				  labels, w.metric, label_of(&columns->at[c], label));
			summary_line(out, &columns->at[c], sm_summary_at(s, r, c));
		}
	}
}

static const struct sm_cell *cell_at(const struct sm_case_scores *s, size_t row, size_t column)
{
	return &s->cell[row * s->columns + column];
}

static int width_of(const struct sm_column *c)
{
	char label[LABEL];
	return longer(8, label_of(c, label));
}

static void heading(struct sm_text *out, const struct sm_column *c, int width)
{
	char label[LABEL];
	sm_text_f(out, width < 0 ? "%-*s" : "  %*s", width < 0 ? -width : width,
		  label_of(c, label));
}

/* A line a row of the map. */
static void print_rows(const struct sm_label_map *map, const struct sm_columns *columns,
		       struct sm_text *out, const struct sm_case_scores *s)
{
	const struct widths w = find_widths(map, columns, map->n);
	sm_text_f(out, "%-*s  %-*s", w.name, "region", w.labels, "labels");
	for (size_t c = 0; c < columns->n; c++)
		heading(out, &columns->at[c], width_of(&columns->at[c]));
	sm_text_f(out, "  %10s  %10s\n", "truth", "prediction");
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts *n = &s->counts[r];
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_f(out, "%-*s  %-*s", w.name, map->row[r].name, w.labels, labels);
		for (size_t c = 0; c < columns->n; c++)
			number(out, sm_cell_number(cell_at(s, r, c)), decimals_of(&columns->at[c]),
			       width_of(&columns->at[c]));
		sm_text_f(out, "  %10" PRIu64 "  %10" PRIu64 "\n", n->tp + n->fn, n->tp + n->fp);
	}
}

/* A line a metric. */
static void print_columns(const struct sm_label_map *map, const struct sm_columns *columns,
			  struct sm_text *out, const struct sm_case_scores *s)
{
	int width = 10;
	for (size_t c = 0; c < columns->n; c++)
		width = width_of(&columns->at[c]) > width ? width_of(&columns->at[c]) : width;
	sm_text_f(out, "%-*s", width, "metric");
	for (size_t r = 0; r < map->n; r++)
		sm_text_f(out, "  %*s", longer(10, map->row[r].name), map->row[r].name);
	for (size_t c = 0; c < columns->n; c++) {
		sm_text_str(out, "\n");
		heading(out, &columns->at[c], -width);
		for (size_t r = 0; r < map->n; r++)
			number(out, sm_cell_number(cell_at(s, r, c)), decimals_of(&columns->at[c]),
			       longer(10, map->row[r].name));
	}
	for (int k = 0; k < 2; k++) {
		sm_text_f(out, "\n%-*s", width, k ? "prediction" : "truth");
		for (size_t r = 0; r < map->n; r++)
			sm_text_f(out, "  %*" PRIu64, longer(10, map->row[r].name),
				  s->counts[r].tp + (k ? s->counts[r].fp : s->counts[r].fn));
	}
	sm_text_str(out, "\n");
}

void sm_scores_print(const struct sm_label_map *map, const struct sm_columns *columns,
		     struct sm_text *out, const struct sm_case_scores *s)
{
	if (columns->n <= SIDE_BY_SIDE)
		print_rows(map, columns, out, s);
	else
		print_columns(map, columns, out, s);
	sm_text_str(out, "(truth, prediction: voxels)\n");
}

static void csv_row(const struct sm_label_map *map, struct sm_text *out, size_t row)
{
	char labels[SM_REGION_LABELS];
	sm_region_labels(map, row, labels);
	sm_text_f(out, "%s,", map->row[row].key);
	sm_text_csv(out, labels);
}

static void csv_numbers(struct sm_text *out, const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sm_text_str(out, ",");
		sm_text_number(out, v[i], 6, "");
	}
}

void sm_summary_csv(const struct sm_label_map *map, const struct sm_columns *columns,
		    struct sm_text *out, const struct sm_summary *s)
{
	sm_text_str(out, "region,labels,metric,unit,mean,sd,median,q1,q3,min,max,ci_low,ci_high,n");
	for (size_t k = SM_BOTH_EMPTY; k < SM_SITUATIONS; k++)
		sm_text_f(out, ",%s", sm_situation_keys[k]);
	sm_text_str(out, ",infinite,left_out,no_interval\n");
	for (size_t r = 0; r < s->rows; r++)
		for (size_t c = 0; c < s->columns; c++) {
			const struct sm_summary_cell *cell = sm_summary_at(s, r, c);
			const struct sm_spread *d = &cell->s;
			const double v[] = {d->mean, d->sd,  d->median, d->q1,    d->q3,
					    d->min,  d->max, d->low95,  d->high95};
			csv_row(map, out, r);
			sm_text_f(out, ",%s,%s", columns->at[c].key, columns->at[c].metric->unit);
			csv_numbers(out, v, sizeof v / sizeof *v);
			sm_text_f(out, ",%zu", d->n);
			for (size_t k = SM_BOTH_EMPTY; k < SM_SITUATIONS; k++)
				sm_text_f(out, ",%zu", cell->situation[k]);
			sm_text_f(out, ",%zu,%zu,", d->infinite, d->left_out);
			sm_text_csv(out, sm_interval_words[d->why_no_interval]);
			sm_text_str(out, "\n");
		}
}

enum sm_status sm_worst_csv(const struct sm_scorebook *book, const struct sm_label_map *map,
			    const struct sm_columns *columns, const struct sm_summary *s,
			    struct sm_text *out, struct sm_err *err)
{
	struct sm_cell *cell = sm_alloc(NULL, s->cases + 1, sizeof *cell, "worst cases", err);
	enum sm_status st = cell ? SM_OK : SM_BUDGET;
	sm_text_str(out, "region,labels,metric,rank,case,value\n");
	for (size_t r = 0; r < s->rows; r++)
		for (size_t c = 0; st == SM_OK && c < s->columns; c++) {
			const size_t *worst = sm_summary_at(s, r, c)->worst;
			st = sm_scorebook_column(book, r, c, cell, err);
			for (size_t k = 0; st == SM_OK && k < SM_WORST && worst[k] != SM_NONE;
			     k++) {
				csv_row(map, out, r);
				sm_text_f(out, ",%s,%zu,", columns->at[c].key, k + 1);
				sm_text_csv(out, sm_scorebook_key(book, worst[k]));
				sm_text_str(out, ",");
				sm_text_cell(out, &cell[worst[k]], 6, "");
				sm_text_str(out, "\n");
			}
		}
	sm_free(cell);
	return st;
}

void sm_volumes_csv(const struct sm_label_map *map, struct sm_text *out, const struct sm_summary *s)
{
	sm_text_str(out, "region,labels,n,bias_ml,sd_ml,low_ml,high_ml,bias_ci_low,bias_ci_high,"
			 "low_ci_low,low_ci_high,high_ci_low,high_ci_high,slope,patients\n");
	for (size_t r = 0; r < s->rows; r++) {
		const struct sm_agreement *g = &s->volume[r];
		const double v[] = {g->bias,       g->sd,         g->low,       g->high,
				    g->bias_ci[0], g->bias_ci[1], g->low_ci[0], g->low_ci[1],
				    g->high_ci[0], g->high_ci[1], g->slope};
		csv_row(map, out, r);
		sm_text_f(out, ",%zu", g->n);
		csv_numbers(out, v, sizeof v / sizeof *v);
		sm_text_f(out, ",%zu\n", g->patients);
	}
}

void sm_scores_csv_head(const struct sm_columns *columns, struct sm_text *out)
{
	sm_text_str(out, "case,region,labels");
	for (size_t c = 0; c < columns->n; c++)
		sm_text_f(out, ",%s", columns->at[c].key);
	sm_text_str(out, ",situation,tp,fp,fn,tn\n");
}

void sm_scores_csv(const struct sm_label_map *map, const struct sm_columns *columns,
		   struct sm_text *out, const char *key, const struct sm_case_scores *s)
{
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts *n = &s->counts[r];
		sm_text_csv(out, key);
		sm_text_str(out, ",");
		csv_row(map, out, r);
		for (size_t c = 0; c < columns->n; c++) {
			sm_text_str(out, ",");
			sm_text_cell(out, cell_at(s, r, c), 6, "");
		}
		sm_text_f(out, ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
			  sm_situation_keys[s->situation[r]], n->tp, n->fp, n->fn, n->tn);
	}
}
