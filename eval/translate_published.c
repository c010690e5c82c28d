/* SPDX-License-Identifier: Apache-2.0
 *
 * Published numbers of made images: whole image and body, metrics in the own unit by their keys, in
 * normalised units with _normalised behind.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/translate_page.h"

/* Columns of a block in LaTeX, as in translate_tex.c. */
enum { BLOCK = 4, KNOWN = 300 };

static const char behind[] = "_normalised";

/* One number for units and metric, as the column of a grid has. */
static size_t column_of(int scale, int metric)
{
	return (size_t)(scale * SM_IMAGE_METRICS + metric);
}

static bool find_metric(const char *text, int *scale, int *metric)
{
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		const size_t n = strlen(sm_image_metrics[m].key);
		if (strncmp(text, sm_image_metrics[m].key, n) != 0)
			continue;
		const bool normalised =
			sm_image_metrics[m].normalised && strcmp(text + n, behind) == 0;
		if (text[n] && !normalised)
			continue;
		*scale = normalised ? SM_IMAGE_NORMALISED : SM_IMAGE_OWN;
		*metric = m;
		return true;
	}
	return false;
}

static void list_metrics(bool normalised, char known[KNOWN])
{
	size_t n = 0;
	known[0] = 0;
	for (int m = 0; m < SM_IMAGE_METRICS && n < KNOWN; m++)
		if (!normalised || sm_image_metrics[m].normalised)
			n += (size_t)snprintf(known + n, KNOWN - n, "%s%s", n ? ", " : "",
					      sm_image_metrics[m].key);
}

static enum sm_status no_metric(const struct sm_report_published *e, struct sm_err *err)
{
	char all[KNOWN], both[KNOWN];
	list_metrics(false, all);
	list_metrics(true, both);
	return SM_FAIL(err, SM_USAGE,
		       "report.published: %s: '%s' is no metric, allowed are %s; in normalised "
		       "units %s with %s behind (mae%s)",
		       e->name, e->metric, all, both, behind, behind);
}

/* "MAE (HU)", "PSNR, normalised (dB)" */
static const char *head_of(const struct sm_translate_report *r, int scale, int metric)
{
	const char *unit = sm_image_unit(r->settings, scale, metric);
	return sm_arena_strf(&r->base->run->arena, "%s%s%s%s%s", sm_image_metrics[metric].name,
			     scale == SM_IMAGE_NORMALISED ? ", normalised" : "", *unit ? " (" : "",
			     unit, *unit ? ")" : "");
}

static enum sm_status find_column(const void *scores, const struct sm_report_published *e,
				  struct sm_published_column *out, struct sm_err *err)
{
	static const char *const words[SM_IMAGE_REGIONS] = {"Whole image", "Body"};
	const struct sm_translate_report *r = scores;
	int g = 0, s, m;
	while (g < SM_IMAGE_REGIONS && strcmp(sm_image_region_keys[g], e->row) != 0)
		g++;
	if (g == SM_IMAGE_REGIONS)
		return SM_FAIL(err, SM_USAGE,
			       "report.published: %s: row '%s' is no region of an image, allowed "
			       "are %s and %s",
			       e->name, e->row, sm_image_region_keys[SM_IMAGE_WHOLE],
			       sm_image_region_keys[SM_IMAGE_BODY]);
	if (!find_metric(e->metric, &s, &m))
		return no_metric(e, err);
	const bool measured = sm_image_shown(&r->table.table, s, g, m);
	*out = (struct sm_published_column){.region = (size_t)g,
					    .column = measured ? column_of(s, m) : SM_NONE,
					    .metric = e->metric,
					    .head = {words[g], head_of(r, s, m)},
					    .decimals = sm_image_metrics[m].decimals[s]};
	if (!out->head[1])
		return SM_FAIL(err, SM_BUDGET, "report.published: out of memory");
	return SM_OK;
}

enum sm_status sm_translate_published(struct sm_translate_report *r, struct sm_err *err)
{
	struct sm_published *p = &r->published;
	/* Models alone: no paper's number is of a baseline. */
	SM_TRY(sm_published_grid(r->base, find_column, r, 1, p, err));
	p->cases = r->table.cases;
	p->block = BLOCK;
	if (!p->rows)
		return SM_OK;
	p->model[0] = (struct sm_published_model){r->model, r->table.cases};
	for (size_t c = 0; c < p->columns; c++) {
		const struct sm_published_column *k = &p->column[c];
		if (k->column == SM_NONE)
			continue;
		const struct sm_image_cell *own =
			&r->table.table.cells[0].at[k->column / SM_IMAGE_METRICS][k->region]
						   [k->column % SM_IMAGE_METRICS];
		p->own[c] = (struct sm_published_value){own->stat.mean, own->stat.sd,
							own->infinite > 0};
	}
	return SM_OK;
}
