/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/image_summary.h"

#include <math.h>
#include <stdio.h>
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
	*v = (struct sm_image_verdict){.model = NAN,
				       .baseline = NAN,
				       .lead = NAN,
				       .lead_interval = {NAN, NAN},
				       .wilcoxon.p = NAN,
				       .permutation.p = NAN,
				       .holm_wilcoxon = NAN,
				       .holm_permutation = NAN};
	if (t->row[model].baseline)
		return;
	for (size_t b = 0; b < t->rows; b++) {
		if (!t->row[b].baseline)
			continue;
		const struct duel d = fight(t, model, b, s, r, m);
		if (!d.cases) {
			v->unmatched += sm_image_row_shown(t, b, s, r);
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

/* The stream of a score: "pix2pix/own/body/mae". */
static struct sm_resampling draws(const struct sm_image_table *t, size_t row, int s, int r, int m,
				  char *name, size_t room)
{
	snprintf(name, room, "%s/%s/%s/%s", t->row[row].key, sm_image_scale_keys[s],
		 sm_image_region_keys[r], sm_image_metrics[m].key);
	return (struct sm_resampling){.seed = t->settings->seed,
				      .name = name,
				      .resamples = t->settings->resamples,
				      .level = 0.95,
				      .jobs = t->settings->jobs};
}

enum { NAME = 128 };

static enum sm_status summarise(struct sm_image_table *t, size_t row, int s, int r, int m,
				double *v, struct sm_err *err)
{
	struct sm_image_cell *cell = &t->cells[row].at[s][r][m];
	char name[NAME];
	const struct sm_resampling how = draws(t, row, s, r, m, name, sizeof name);
	for (size_t i = 0; i < t->cases; i++) {
		v[i] = t->row[row].scores[i].value[s][r][m];
		cell->infinite += isinf(v[i]) != 0;
		cell->missing += isnan(v[i]);
		v[i] = isfinite(v[i]) ? v[i] : NAN;
	}
	return sm_spread_of(v, t->patient, t->cases, &how, &cell->stat, err);
}

/* The tests of a verdict; room for four numbers a case. */
static enum sm_status test(struct sm_image_table *t, size_t model, int s, int r, int m,
			   double *room, struct sm_err *err)
{
	struct sm_image_verdict *v = &t->cells[model].verdict[s][r][m];
	double *a = room, *b = a + t->cases, *mean_a = b + t->cases, *mean_b = mean_a + t->cases;
	char name[NAME];
	const struct sm_resampling how = draws(t, model, s, r, m, name, sizeof name);
	size_t units;
	if (v->outcome == SM_OUTCOME_NONE)
		return SM_OK;
	for (size_t i = 0; i < t->cases; i++) {
		a[i] = worth(m, t->row[model].scores[i].value[s][r][m]);
		b[i] = worth(m, t->row[v->against].scores[i].value[s][r][m]);
	}
	SM_TRY(sm_cluster_means(a, b, t->patient, t->cases, mean_a, mean_b, &units, err));
	SM_TRY(sm_wilcoxon(mean_a, mean_b, units, &v->wilcoxon, err));
	if (how.resamples)
		SM_TRY(sm_permutation(mean_a, mean_b, units, &how, &v->permutation, err));
	/* The interval is of the mean over cases, whole patients drawn. */
	struct sm_spread lead;
	for (size_t i = 0; i < t->cases; i++)
		a[i] = isfinite(a[i]) && isfinite(b[i]) ? a[i] - b[i] : NAN;
	SM_TRY(sm_spread_of(a, t->patient, t->cases, &how, &lead, err));
	v->lead = lead.mean;
	v->lead_interval[0] = lead.low95;
	v->lead_interval[1] = lead.high95;
	return SM_OK;
}

/* Holm's correction over the counted scores of a model in these units and this region. */
static enum sm_status adjust(struct sm_image_table *t, size_t model, int s, int r,
			     struct sm_err *err)
{
	double p[2][SM_IMAGE_METRICS];
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		const struct sm_image_verdict *v = &t->cells[model].verdict[s][r][m];
		p[0][m] = sm_image_metrics[m].counted ? v->wilcoxon.p : NAN;
		p[1][m] = sm_image_metrics[m].counted ? v->permutation.p : NAN;
	}
	SM_TRY(sm_holm(p[0], SM_IMAGE_METRICS, err));
	SM_TRY(sm_holm(p[1], SM_IMAGE_METRICS, err));
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		t->cells[model].verdict[s][r][m].holm_wilcoxon = p[0][m];
		t->cells[model].verdict[s][r][m].holm_permutation = p[1][m];
	}
	return SM_OK;
}

static enum sm_status fill(struct sm_image_table *t, double *room, struct sm_err *err)
{
	for (size_t i = 0; i < t->rows; i++)
		for (int s = 0; s < SM_IMAGE_SCALES; s++)
			for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
				for (int m = 0; m < SM_IMAGE_METRICS; m++) {
					SM_TRY(summarise(t, i, s, r, m, room, err));
					judge(t, i, s, r, m);
					SM_TRY(test(t, i, s, r, m, room, err));
				}
				SM_TRY(adjust(t, i, s, r, err));
			}
	return SM_OK;
}

enum sm_status sm_image_table_make(const struct sm_image_row *row, size_t rows,
				   const char *const *key, const uint32_t *patient, size_t cases,
				   const struct sm_image_settings *settings,
				   struct sm_image_table *out, struct sm_err *err)
{
	*out = (struct sm_image_table){.row = row,
				       .key = key,
				       .patient = patient,
				       .rows = rows,
				       .cases = cases,
				       .settings = settings};
	enum sm_status st = SM_BUDGET;
	double *room = sm_alloc(NULL, 4 * cases + 1, sizeof *room, "image scores", err);
	out->cells =
		room ? sm_calloc(NULL, rows ? rows : 1, sizeof *out->cells, "image scores", err)
		     : NULL;
	if (out->cells)
		st = fill(out, room, err);
	sm_free(room);
	if (st != SM_OK)
		sm_image_table_clear(out);
	return st;
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

bool sm_image_row_shown(const struct sm_image_table *t, size_t row, int scale, int region)
{
	bool none = true; /* no score of it is shown at all */
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		if (!sm_image_shown(t, scale, region, m))
			continue;
		none = false;
		for (size_t c = 0; c < t->cases; c++)
			if (t->row[row].scores[c].why[scale][region][m] != SM_WHY_BODY_ONLY &&
			    t->row[row].scores[c].why[scale][region][m] != SM_WHY_NOT_MADE)
				return true;
	}
	return none || !t->row[row].baseline;
}

const char *sm_image_unit(const struct sm_image_settings *s, int scale, int metric)
{
	const char *unit = sm_image_metrics[metric].unit;
	if (!unit)
		unit = scale == SM_IMAGE_OWN ? s->unit : "1";
	return strcmp(unit, "1") ? unit : "";
}
