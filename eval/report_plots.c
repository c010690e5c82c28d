/* SPDX-License-Identifier: Apache-2.0
 *
 * How the scores of the cases spread: a box plot and a violin a metric, by region and model.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/svg_spread.h"
#include "eval/report_parts.h"

/* Metrics whose plots are seen at once; those behind them are folded up. */
enum { UNFOLDED = 12, ABREAST = 18 /* boxes in half the width */ };

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Room for one metric's values of all shown regions and models. */
struct room {
	struct sm_cell *cell; /* of one model's cases */
	double *value;
	struct sm_svg_column column[SM_MAP_ROWS * SM_MODELS_MAX];
	const char *group[SM_MAP_ROWS], *note[SM_MAP_ROWS], *name[SM_MODELS_MAX];
	size_t undrawn; /* of the region at hand */
	char notes[SM_MAP_ROWS][160];
};

/* A distance that is no measurement, but what the rule for empty regions sets: it would squeeze all
 * others into one end of the axis. */
static bool is_drawn(const struct sm_metric *metric, const struct sm_cell *cell)
{
	bool set = cell->why == SM_BY_POLICY && metric->empty == SM_EMPTY_DISTANCE;
	return isfinite(cell->v) && !set;
}

/* "n 14, 13 (1)": the number of values of each model, or "n 14" where all have as many; in brackets
 * how many are not drawn. */
static void write_note(struct room *room, size_t r, size_t models)
{
	const struct sm_svg_column *c = &room->column[r * models];
	char *note = room->notes[r];
	size_t size = sizeof room->notes[r];
	bool same = true;
	for (size_t m = 1; m < models; m++)
		same &= c[m].n == c[0].n;
	snprintf(note, size, "n %zu", c[0].n);
	for (size_t m = 1; m < models && !same; m++)
		snprintf(note + strlen(note), size - strlen(note), ", %zu", c[m].n);
	if (same && models > 1)
		snprintf(note + strlen(note), size - strlen(note), " each");
	if (room->undrawn)
		snprintf(note + strlen(note), size - strlen(note), " (%zu)",
			 room->undrawn);
	room->note[r] = note;
}

/* The values to be drawn, sorted. */
static enum sm_status gather(const struct sm_report *report, size_t column, struct room *room,
			     struct sm_err *err)
{
	const struct sm_models *models = &report->models;
	double *at = room->value;
	for (size_t m = 0; m < models->n; m++)
		room->name[m] = models->v[m].name;
	for (size_t r = 0; r < report->map.shown; r++) {
		room->group[r] = report->map.row[r].name;
		room->undrawn = 0;
		for (size_t m = 0; m < models->n; m++) {
			const struct sm_scorebook *book = models->v[m].book;
			size_t n = 0, cases = sm_scorebook_cases(book);
			SM_TRY(sm_scorebook_column(book, r, column, room->cell, err));
			for (size_t i = 0; i < cases; i++)
				if (is_drawn(report->columns.at[column].metric, &room->cell[i]))
					at[n++] = room->cell[i].v;
			qsort(at, n, sizeof *at, ascending);
			room->column[r * models->n + m] = (struct sm_svg_column){
				report->map.row[r].name,
				models->n > 1 ? sm_model_colour(m)
					      : sm_region_colour(&report->map, r),
				at, n};
			room->undrawn += cases - n;
			at += n;
		}
		write_note(room, r, models->n);
	}
	return SM_OK;
}

/* Shares get an axis that ends at 1 and begins at 0, or with the values where all are high;
 * distances begin at 0. */
static void choose_axis(const struct sm_metric *metric, const struct room *room, size_t n,
			double *low, double *high)
{
	double least = INFINITY, most = -INFINITY;
	for (size_t i = 0; i < n; i++)
		if (room->column[i].n) {
			const struct sm_svg_column *c = &room->column[i];
			least = c->y[0] < least ? c->y[0] : least;
			most = c->y[c->n - 1] > most ? c->y[c->n - 1] : most;
		}
	*low = metric->better == SM_IS_ZERO || least < 0 ? NAN : 0;
	*high = NAN;
	if (strcmp(metric->unit, "1") != 0 || most > 1)
		return;
	*high = 1;
	if (least >= 0.9)
		*low = NAN;
}

static void draw(const struct sm_report *report, size_t column, const struct room *room,
		 struct sm_text *out)
{
	const struct sm_column *c = &report->columns.at[column];
	const char *unit = strcmp(c->metric->unit, "1") == 0 ? NULL : c->metric->unit;
	/* Many columns get the whole width, the violins below the boxes. */
	bool wide = report->map.shown * report->models.n > ABREAST;
	char label[160];
	struct sm_svg_groups g = {
		.label = label,
		.y_title = unit,
		.width = wide ? 1120 : 540,
		.height = 280,
		.groups = report->map.shown,
		.series = report->models.n,
		.column = room->column,
		.group = room->group,
		.note = room->note,
		.name = report->models.n > 1 ? room->name : NULL,
	};
	choose_axis(c->metric, room, g.groups * g.series, &g.low, &g.high);
	sm_text_f(out, "<figure class=\"pair%s\">\n<figcaption><b>", wide ? " one" : "");
	sm_text_html(out, c->name);
	sm_report_unit(c, out);
	sm_text_f(out, "</b>: %s</figcaption>\n<div class=\"charts\">\n<div class=\"chart\">",
		  sm_report_better(c->metric));
	snprintf(label, sizeof label, "Box plots of %s by region%s", c->name,
		 report->models.n > 1 ? " and model" : "");
	sm_svg_boxes(out, &g);
	sm_text_str(out, "</div>\n<div class=\"chart\">");
	snprintf(label, sizeof label, "Violins of %s by region%s", c->name,
		 report->models.n > 1 ? " and model" : "");
	sm_svg_violins(out, &g);
	sm_text_str(out, "</div>\n</div>\n</figure>\n");
}

enum sm_status sm_report_plots(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err)
{
	size_t most = 0, all = 0;
	for (size_t m = 0; m < report->models.n; m++) {
		size_t n = sm_scorebook_cases(report->models.v[m].book);
		most = n > most ? n : most;
		all += n;
	}
	struct sm_mem *mem = &report->run->mem;
	struct room *room = sm_calloc(mem, 1, sizeof *room, "spread of scores", err);
	enum sm_status st = room ? SM_OK : SM_BUDGET;
	if (st != SM_OK)
		return st;
	room->cell = sm_alloc(mem, most + 1, sizeof *room->cell, "spread of scores", err);
	room->value = sm_alloc(mem, all * report->map.shown + 1, sizeof *room->value,
			       "spread of scores", err);
	if (!room->cell || !room->value)
		SM_GOTO(st, SM_BUDGET);
	sm_text_str(
		out,
		"<section id=\"spread\">\n<h2>How the scores spread</h2>\n<p>"
		"Box plots: first to third quartile and median, whiskers to the outermost values "
		"within 1.5 times the box, a dot a case (of more than 60 cases those beyond the "
		"whiskers). Violins: density of the values, with quartiles (bar) and median (dot). "
		"Below: numbers of values, in brackets how many are not drawn: infinite and "
		"undefined values, and distances that the rule for empty regions sets.</p>\n");
	for (size_t c = 0; c < report->columns.n; c++) {
		if (c == UNFOLDED)
			sm_text_str(out, "<details><summary>The other metrics</summary>\n");
		SM_GOTO(st, gather(report, c, room, err));
		draw(report, c, room, out);
	}
	sm_text_str(out,
		    report->columns.n > UNFOLDED ? "</details>\n</section>\n" : "</section>\n");
out:
	sm_free(room->cell);
	sm_free(room->value);
	sm_free(room);
	return st;
}
