/* SPDX-License-Identifier: Apache-2.0
 *
 * Published numbers of segmentations: regions and labels, columns of scores.csv.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report_published.h"

enum { KNOWN_ROWS = 600, DECIMALS = 3 };

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

static enum sm_status find_column(const void *scores, const struct sm_report_published *e,
				  struct sm_published_column *out, struct sm_err *err)
{
	const struct sm_report *report = scores;
	const size_t r = find_row(&report->map, e->row);
	const size_t c = sm_column_find(&report->columns, e->metric);
	const bool measured = c < report->columns.n;
	bool known = measured;
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
	*out = (struct sm_published_column){
		.region = r,
		.column = measured ? c : SM_NONE,
		.metric = e->metric,
		.head = {report->map.row[r].name,
			 measured ? report->columns.at[c].name : e->metric},
		.decimals = measured ? report->columns.at[c].metric->decimals : DECIMALS};
	return SM_OK;
}

enum sm_status sm_published_make(const struct sm_report *report, struct sm_published *out,
				 struct sm_err *err)
{
	SM_TRY(sm_published_grid(report, find_column, report, report->models.n, out, err));
	out->cases = report->count;
	for (size_t m = 0; m < out->models; m++) {
		const struct sm_model *model = &report->models.v[m];
		out->model[m] =
			(struct sm_published_model){model->name, sm_scorebook_cases(model->book)};
		for (size_t c = 0; c < out->columns; c++) {
			const struct sm_published_column *k = &out->column[c];
			if (k->column == SM_NONE)
				continue;
			const struct sm_spread *s =
				&sm_summary_at(&model->summary, k->region, k->column)->s;
			out->own[m * out->columns + c] =
				(struct sm_published_value){.mean = s->mean, .sd = s->sd};
		}
	}
	return SM_OK;
}

enum sm_status sm_report_published(const struct sm_report *report, struct sm_text *out,
				   struct sm_err *err)
{
	struct sm_published p;
	SM_TRY(sm_published_make(report, &p, err));
	sm_published_html(&p, out);
	return SM_OK;
}
