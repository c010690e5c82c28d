/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/image_summary.h"

static const char *const arrows[] = {
	[SM_BETTER_HIGH] = "↑",
	[SM_BETTER_LOW] = "↓",
	[SM_BETTER_ONE] = "→ 1",
	[SM_BETTER_ZERO] = "→ 0",
};

static void csv_number(struct sm_text *out, double v)
{
	if (isinf(v))
		sm_text_str(out, "inf");
	else
		sm_text_number(out, v, 6, "");
}

static void csv_verdict(struct sm_text *out, const struct sm_image_table *t,
			const struct sm_image_verdict *v)
{
	if (v->outcome == SM_OUTCOME_NONE) {
		sm_text_str(out, ",,,");
		return;
	}
	sm_text_f(out, "%s,", sm_image_outcomes[v->outcome]);
	sm_text_csv(out, t->row[v->against].key);
	sm_text_f(out, ",%zu,%zu", v->wins, v->cases);
}

static void csv_more(struct sm_text *out, const struct sm_image_cell *c,
		     const struct sm_image_verdict *v)
{
	const double more[] = {
		c->stat.low95,       c->stat.high95, c->stat.q1,       c->stat.q3,
		c->stat.min,         c->stat.max,    v->lead,          v->lead_interval[0],
		v->lead_interval[1], v->wilcoxon.p,  v->holm_wilcoxon, v->permutation.p,
		v->holm_permutation};
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		sm_text_str(out, ",");
		csv_number(out, more[i]);
	}
	sm_text_str(out, "\n");
}

void sm_image_table_csv(const struct sm_image_table *t, struct sm_text *out)
{
	sm_text_str(out, "row,baseline,units,region,metric,mean,sd,median,n,infinite,missing,"
			 "outcome,against,"
			 "wins,cases,ci_low,ci_high,q1,q3,min,max,lead,lead_low,lead_high,"
			 "wilcoxon_p,wilcoxon_holm,permutation_p,permutation_holm\n");
	for (size_t i = 0; i < t->rows; i++)
		for (int s = 0; s < SM_IMAGE_SCALES; s++)
			for (int r = 0; r < SM_IMAGE_REGIONS; r++)
				for (int m = 0; m < SM_IMAGE_METRICS; m++) {
					const struct sm_image_cell *c = &t->cells[i].at[s][r][m];
					const struct sm_image_verdict *v =
						&t->cells[i].verdict[s][r][m];
					if (!sm_image_shown(t, s, r, m) ||
					    !sm_image_row_shown(t, i, s, r))
						continue;
					sm_text_csv(out, t->row[i].key);
					sm_text_f(out, ",%s,%s,%s,%s,",
						  t->row[i].baseline ? "yes" : "no",
						  sm_image_scale_keys[s], sm_image_region_keys[r],
						  sm_image_metrics[m].key);
					csv_number(out, c->stat.mean);
					sm_text_str(out, ",");
					csv_number(out, c->stat.sd);
					sm_text_str(out, ",");
					csv_number(out, c->stat.median);
					sm_text_f(out, ",%zu,%zu,%zu,", c->stat.n, c->infinite,
						  c->missing);
					csv_verdict(out, t, v);
					csv_more(out, c, v);
				}
}

static bool any_shown(const struct sm_image_table *t, int scale, int region)
{
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (sm_image_shown(t, scale, region, m))
			return true;
	return false;
}

void sm_image_cases_csv(const struct sm_image_table *t, struct sm_text *out)
{
	sm_text_str(out, "case,row,units,region");
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		sm_text_f(out, ",%s", sm_image_metrics[m].key);
	sm_text_str(out, ",why\n");
	for (size_t c = 0; c < t->cases; c++)
		for (size_t i = 0; i < t->rows; i++)
			for (int k = 0; k < SM_IMAGE_SCALES * SM_IMAGE_REGIONS; k++) {
				const int s = k / SM_IMAGE_REGIONS, r = k % SM_IMAGE_REGIONS;
				const struct sm_image_scores *v = &t->row[i].scores[c];
				struct sm_text why = {0};
				if (!any_shown(t, s, r) || !sm_image_row_shown(t, i, s, r))
					continue;
				sm_text_csv(out, t->key[c]);
				sm_text_str(out, ",");
				sm_text_csv(out, t->row[i].key);
				sm_text_f(out, ",%s,%s", sm_image_scale_keys[s],
					  sm_image_region_keys[r]);
				for (int m = 0; m < SM_IMAGE_METRICS; m++) {
					sm_text_str(out, ",");
					csv_number(out, v->value[s][r][m]);
					if (isnan(v->value[s][r][m]) && sm_image_shown(t, s, r, m))
						sm_text_f(&why, "%s%s: %s", why.n ? "; " : "",
							  sm_image_metrics[m].key,
							  sm_image_reasons[v->why[s][r][m]]);
				}
				sm_text_str(out, ",");
				sm_text_csv(out, why.data);
				sm_text_str(out, "\n");
				out->failed |= why.failed;
				sm_text_clear(&why);
			}
}

/* ---- Markdown
 * ------------------------------------------------------------------------------------ */

/* Names come from manifests: nothing in them may end a cell or a line. */
static void md_name(struct sm_text *out, const char *name)
{
	for (const char *c = name; *c; c++) {
		if (strchr("|\\*_`<>[]", *c))
			sm_text_str(out, "\\");
		sm_text_add(out, (unsigned char)*c < ' ' ? "?" : c, 1);
	}
}

static void md_cell(struct sm_text *out, const struct sm_image_cell *c, int decimals)
{
	sm_text_number(out, c->stat.mean, decimals, c->infinite ? "inf" : "--");
	if (isfinite(c->stat.sd))
		sm_text_f(out, " ± %.*f", decimals, c->stat.sd);
	if (c->infinite && c->stat.n)
		sm_text_f(out, " (%zu inf)", c->infinite);
	if (c->missing && (c->stat.n || c->infinite))
		sm_text_f(out, " (n %zu)", c->stat.n + c->infinite);
}

static void md_rows(const struct sm_image_table *t, int s, int r, struct sm_text *out)
{
	sm_text_str(out, "| Image |");
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (sm_image_shown(t, s, r, m)) {
			const char *unit = sm_image_unit(t->settings, s, m);
			sm_text_f(out, " %s%s%s%s %s |", sm_image_metrics[m].name,
				  *unit ? " (" : "", unit, *unit ? ")" : "",
				  arrows[sm_image_metrics[m].better]);
		}
	sm_text_str(out, "\n|---|");
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (sm_image_shown(t, s, r, m))
			sm_text_str(out, "---:|");
	sm_text_str(out, "\n");
	for (int baseline = 0; baseline < 2; baseline++)
		for (size_t i = 0; i < t->rows; i++) {
			const char *mark = baseline ? "" : "**";
			if (t->row[i].baseline != baseline || !sm_image_row_shown(t, i, s, r))
				continue;
			sm_text_f(out, "| %s", mark);
			md_name(out, t->row[i].name);
			sm_text_f(out, "%s |", mark);
			for (int m = 0; m < SM_IMAGE_METRICS; m++)
				if (sm_image_shown(t, s, r, m)) {
					sm_text_str(out, " ");
					md_cell(out, &t->cells[i].at[s][r][m],
						sm_image_metrics[m].decimals[s]);
					sm_text_str(out, " |");
				}
			sm_text_str(out, "\n");
		}
}

int sm_image_telling(double a, double b, int decimals)
{
	char x[64], y[64];
	for (int d = decimals; d < decimals + 4; d++) {
		snprintf(x, sizeof x, "%.*f", d, a);
		snprintf(y, sizeof y, "%.*f", d, b);
		if (strcmp(x, y) != 0)
			return d;
	}
	return decimals + (a == b ? 0 : 4);
}

/* Why the models, or the baselines, have no such score: each reason once, in brackets. */
static void md_why(const struct sm_image_table *t, bool baselines, int s, int r, int m,
		   struct sm_text *out)
{
	const char *before = " (";
	for (unsigned why = 1; why < SM_IMAGE_REASONS; why++) {
		bool found = false;
		if (why == SM_WHY_BODY_ONLY)
			continue;
		for (size_t i = 0; i < t->rows * t->cases; i++)
			found |= t->row[i / t->cases].baseline == baselines &&
				 t->row[i / t->cases].scores[i % t->cases].why[s][r][m] == why;
		if (!found)
			continue;
		sm_text_f(out, "%s%s", before, sm_image_reasons[why]);
		before = "; ";
	}
	if (*before == ';')
		sm_text_str(out, ")");
}

void sm_image_table_no_duel(const struct sm_image_table *t, size_t row, int s, int r, int m,
			    struct sm_text *out)
{
	size_t own = 0, theirs = 0;
	for (size_t i = 0; i < t->rows; i++) {
		const struct sm_image_cell *c = &t->cells[i].at[s][r][m];
		own += i == row ? c->stat.n + c->infinite : 0;
		theirs += t->row[i].baseline ? c->stat.n + c->infinite : 0;
	}
	if (own && theirs) {
		sm_text_str(out, "no case in common with a baseline");
		return;
	}
	sm_text_str(out, own ? "no baseline has the score" : "no case has the score");
	md_why(t, own != 0, s, r, m, out);
}

void sm_image_tests_words(const struct sm_image_verdict *v, bool counted, int digits,
			  struct sm_text *out)
{
	if (isfinite(v->lead_interval[0]))
		sm_text_f(out, "; %s by %.*f, 95 %% %.*f to %.*f", v->lead < 0 ? "behind" : "ahead",
			  digits, fabs(v->lead), digits,
			  v->lead < 0 ? 0 - v->lead_interval[1] : v->lead_interval[0], digits,
			  v->lead < 0 ? 0 - v->lead_interval[0] : v->lead_interval[1]);
	if (!counted || !isfinite(v->wilcoxon.p) || v->wilcoxon.n < 2)
		return;
	sm_text_f(out, "; Wilcoxon p %.2g, by Holm %.2g", v->wilcoxon.p, v->holm_wilcoxon);
	if (isfinite(v->permutation.p))
		sm_text_f(out, "; permutation p %.2g, by Holm %.2g", v->permutation.p,
			  v->holm_permutation);
}

/* "- MAE: not better than Linear (41.20 against 38.10 HU; better in 1 of 8 cases)" */
static void md_verdict(const struct sm_image_table *t, size_t row, int s, int r, int m,
		       struct sm_text *out)
{
	const struct sm_image_verdict *v = &t->cells[row].verdict[s][r][m];
	const struct sm_image_metric *metric = &sm_image_metrics[m];
	const char *unit = sm_image_unit(t->settings, s, m);
	sm_text_f(out, "- %s: ", metric->name);
	if (v->outcome == SM_OUTCOME_NONE) {
		sm_image_table_no_duel(t, row, s, r, m, out);
		sm_text_str(out, "\n");
		return;
	}
	sm_text_str(out, v->outcome == SM_OUTCOME_BETTER
				 ? "better than every baseline, the best is "
				 : "**not better than** ");
	md_name(out, t->row[v->against].name);
	sm_text_str(out, " (");
	const int digits = sm_image_telling(v->model, v->baseline, metric->decimals[s]);
	sm_text_number(out, v->model, digits, "inf");
	sm_text_str(out, " against ");
	sm_text_number(out, v->baseline, digits, "inf");
	sm_text_f(out, "%s%s%s; better in %zu of %zu case%s", *unit ? " " : "", unit,
		  metric->better == SM_BETTER_ONE    ? " from 1"
		  : metric->better == SM_BETTER_ZERO ? " from 0"
						     : "",
		  v->wins, v->cases, v->cases == 1 ? "" : "s");
	sm_image_tests_words(v, metric->counted, digits, out);
	sm_text_str(out, ")");
	if (!metric->counted)
		sm_text_str(out, "; not counted above");
	if (v->unmatched)
		sm_text_f(out, "; %zu baseline%s without a case in common", v->unmatched,
			  v->unmatched == 1 ? "" : "s");
	sm_text_str(out, "\n");
}

static void md_verdicts(const struct sm_image_table *t, int s, int r, struct sm_text *out)
{
	bool any = false;
	for (size_t i = 0; i < t->rows; i++)
		any |= t->row[i].baseline;
	for (size_t i = 0; i < t->rows; i++) {
		size_t better = 0, of = 0;
		if (t->row[i].baseline)
			continue;
		sm_text_str(out, "\n**");
		md_name(out, t->row[i].name);
		if (!any) {
			sm_text_str(out, "**: no baseline was scored, so nothing shows that it is "
					 "better than none.\n");
			continue;
		}
		for (int m = 0; m < SM_IMAGE_METRICS; m++)
			if (sm_image_metrics[m].counted && sm_image_shown(t, s, r, m)) {
				better += t->cells[i].verdict[s][r][m].outcome == SM_OUTCOME_BETTER;
				of += t->cells[i].verdict[s][r][m].outcome != SM_OUTCOME_NONE;
			}
		sm_text_f(out, "** is better than every baseline in %zu of %zu scores:\n\n", better,
			  of);
		for (int m = 0; m < SM_IMAGE_METRICS; m++)
			if (sm_image_shown(t, s, r, m))
				md_verdict(t, i, s, r, m, out);
	}
}

static void md_legend(const struct sm_image_table *t, struct sm_text *out)
{
	const struct sm_image_settings *s = t->settings;
	sm_text_f(out,
		  "\nMean ± standard deviation over %zu case%s; -- no case has the score, inf the "
		  "images are equal. X "
		  "is the image in question, Y the true one. ",
		  t->cases, t->cases == 1 ? "" : "s");
	if (s->rule == SM_RANGE_GIVEN)
		sm_text_f(out, "L = %g %s.", s->range, strcmp(s->unit, "1") ? s->unit : "");
	else
		sm_text_str(out, "L = maximum - minimum of the true image.");
	if (s->from_low)
		sm_text_f(out, " SSIM and MS-SSIM are of X - (%g) and Y - (%g).", s->low, s->low);
	if (s->window[1] > s->window[0])
		sm_text_f(out, " Normalised units: %g -> -1, %g -> 1%s; there L = 2.", s->window[0],
			  s->window[1], s->clip ? ", cut there" : "");
	sm_text_str(out, "\n\n");
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		if (!sm_image_shown(t, SM_IMAGE_OWN, SM_IMAGE_WHOLE, m))
			continue;
		sm_text_f(out, "- %s: %s", sm_image_metrics[m].name, sm_image_metrics[m].formula);
		if (m == SM_IMAGE_MI)
			sm_text_f(out, " (%d)", s->bins);
		if (m == SM_IMAGE_BONE)
			sm_text_f(out, " (%g %s)", s->bone, s->unit);
		if (m == SM_IMAGE_INK)
			sm_text_f(out, " (%s %g %s)", s->bright_ink ? "above" : "at or below",
				  s->ink, s->unit);
		sm_text_str(out, "\n");
	}
}

/* Why cases lack a score: each reason once. */
static void md_missing(const struct sm_image_table *t, struct sm_text *out)
{
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		for (unsigned why = 1; why < SM_IMAGE_REASONS; why++) {
			size_t found = 0;
			for (size_t i = 0; i < t->rows * t->cases; i++)
				for (int k = 0; k < SM_IMAGE_SCALES * SM_IMAGE_REGIONS; k++) {
					const int s = k / SM_IMAGE_REGIONS,
						  r = k % SM_IMAGE_REGIONS;
					found += sm_image_shown(t, s, r, m) &&
						 why != SM_WHY_EQUAL && why != SM_WHY_BODY_ONLY &&
						 t->row[i / t->cases]
								 .scores[i % t->cases]
								 .why[s][r][m] == why;
				}
			if (found)
				sm_text_f(out, "- %s has no value %zu times: %s\n",
					  sm_image_metrics[m].name, found, sm_image_reasons[why]);
		}
}

void sm_image_table_md(const struct sm_image_table *t, struct sm_text *out)
{
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
			if (!any_shown(t, s, r))
				continue;
			sm_text_f(out, "### %s, %s\n\n",
				  s == SM_IMAGE_NORMALISED         ? "Normalised units [-1, 1]"
				  : strcmp(t->settings->unit, "1") ? t->settings->unit
								   : "The images' own unit",
				  r == SM_IMAGE_WHOLE ? "whole image" : "inside the body");
			md_rows(t, s, r, out);
			md_verdicts(t, s, r, out);
			sm_text_str(out, "\n");
		}
	md_legend(t, out);
	md_missing(t, out);
}
