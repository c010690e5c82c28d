/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/image_summary.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

const char *const sm_image_outcomes[] = {
	[SM_OUTCOME_NONE] = "none",
	[SM_OUTCOME_BETTER] = "better",
	[SM_OUTCOME_NOT_BETTER] = "not_better",
};

/* What a value is worth: more is better, whatever the metric. */
static double worth(int metric, double v)
{
	switch (sm_image_metrics[metric].better) {
	case SM_BETTER_HIGH:
		return v;
	case SM_BETTER_LOW:
		return -v;
	case SM_BETTER_ONE:
		return -fabs(v - 1);
	default:
		return -fabs(v);
	}
}

/* A model beside one baseline. */
struct duel {
	size_t cases, wins;
	size_t infinite[2];
	double sum[2]; /* of the finite worths of model and baseline, where both are finite */
	size_t finite;
};

static struct duel fight(const struct sm_image_table *t, size_t model, size_t baseline, int s,
			 int r, int m)
{
	struct duel d = {0};
	for (size_t i = 0; i < t->cases; i++) {
		double a = worth(m, t->row[model].scores[i].value[s][r][m]);
		double b = worth(m, t->row[baseline].scores[i].value[s][r][m]);
		if (isnan(a) || isnan(b))
			continue;
		d.cases++;
		d.wins += a > b;
		d.infinite[0] += isinf(a) != 0;
		d.infinite[1] += isinf(b) != 0;
		if (isfinite(a) && isfinite(b)) {
			d.sum[0] += a;
			d.sum[1] += b;
			d.finite++;
		}
	}
	return d;
}

/* By how much the model is ahead; infinite values (of PSNR alone) decide before the others. */
static double lead(const struct duel *d)
{
	if (d->infinite[0] != d->infinite[1])
		return d->infinite[0] > d->infinite[1] ? INFINITY : -INFINITY;
	return d->finite ? (d->sum[0] - d->sum[1]) / (double)d->finite : 0;
}

static double shown_mean(int metric, double sum, size_t n)
{
	double mean = n ? sum / (double)n : NAN;
	return sm_image_metrics[metric].better == SM_BETTER_HIGH ? mean : 0 - mean;
}

static void judge(struct sm_image_table *t, size_t model, int s, int r, int m)
{
	struct sm_image_verdict *v = &t->cells[model].verdict[s][r][m];
	double least = 0;
	*v = (struct sm_image_verdict){.model = NAN, .baseline = NAN};
	if (t->row[model].baseline)
		return;
	for (size_t b = 0; b < t->rows; b++) {
		if (!t->row[b].baseline)
			continue;
		const struct duel d = fight(t, model, b, s, r, m);
		if (!d.cases) {
			v->unmatched++;
			continue;
		}
		if (v->outcome != SM_OUTCOME_NONE && !(lead(&d) < least))
			continue;
		least = lead(&d);
		v->outcome = least > 0 ? SM_OUTCOME_BETTER : SM_OUTCOME_NOT_BETTER;
		v->against = b;
		v->cases = d.cases;
		v->wins = d.wins;
		v->model = shown_mean(m, d.sum[0], d.finite);
		v->baseline = shown_mean(m, d.sum[1], d.finite);
	}
}

static void summarise(struct sm_image_table *t, size_t row, int s, int r, int m, double *v)
{
	struct sm_image_cell *cell = &t->cells[row].at[s][r][m];
	for (size_t i = 0; i < t->cases; i++) {
		v[i] = t->row[row].scores[i].value[s][r][m];
		cell->infinite += isinf(v[i]) != 0;
		cell->missing += isnan(v[i]);
		v[i] = isfinite(v[i]) ? v[i] : NAN;
	}
	sm_stat_of(v, t->cases, &cell->stat);
}

enum sm_status sm_image_table_make(const struct sm_image_row *row, size_t rows,
				   const char *const *key, size_t cases,
				   const struct sm_image_settings *settings,
				   struct sm_image_table *out, struct sm_err *err)
{
	*out = (struct sm_image_table){
		.row = row, .key = key, .rows = rows, .cases = cases, .settings = settings};
	double *v = sm_alloc(NULL, cases ? cases : 1, sizeof *v, "image scores", err);
	out->cells = v ? sm_calloc(NULL, rows ? rows : 1, sizeof *out->cells, "image scores", err)
		       : NULL;
	if (!out->cells) {
		sm_free(v);
		return SM_BUDGET;
	}
	for (size_t i = 0; i < rows; i++)
		for (int s = 0; s < SM_IMAGE_SCALES; s++)
			for (int r = 0; r < SM_IMAGE_REGIONS; r++)
				for (int m = 0; m < SM_IMAGE_METRICS; m++) {
					summarise(out, i, s, r, m, v);
					judge(out, i, s, r, m);
				}
	sm_free(v);
	return SM_OK;
}

void sm_image_table_clear(struct sm_image_table *table)
{
	sm_free(table->cells);
	*table = (struct sm_image_table){0};
}

bool sm_image_shown(const struct sm_image_table *t, int scale, int region, int metric)
{
	if (!(t->settings->which >> metric & 1))
		return false;
	if (scale == SM_IMAGE_NORMALISED && (!sm_image_metrics[metric].normalised ||
					     !(t->settings->window[1] > t->settings->window[0])))
		return false;
	if (region == SM_IMAGE_WHOLE)
		return true;
	for (size_t i = 0; i < t->rows; i++)
		for (size_t c = 0; c < t->cases; c++)
			if (t->row[i].scores[c].why[scale][region][metric] != SM_WHY_NO_MASK)
				return true;
	return false;
}

const char *sm_image_unit(const struct sm_image_settings *s, int scale, int metric)
{
	const char *unit = sm_image_metrics[metric].unit;
	if (!unit)
		unit = scale == SM_IMAGE_OWN ? s->unit : "1";
	return strcmp(unit, "1") ? unit : "";
}
