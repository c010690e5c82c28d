/* SPDX-License-Identifier: Apache-2.0
 *
 * Do predicted volumes agree with true ones: Bland and Altman's plot and limits, by region.
 */
#include <math.h>
#include <stdio.h>

#include "core/svg_spread.h"
#include "eval/report_parts.h"

struct room {
	struct sm_counts *counts;
	double *voxel, *x, *y;
};

static enum sm_status plot(const struct sm_report *report, size_t m, size_t r, struct room *room,
			   struct sm_text *out, struct sm_err *err)
{
	const struct sm_model *model = &report->models.v[m];
	const struct sm_agreement *a = &model->summary.volume[r];
	size_t n = sm_scorebook_cases(model->book);
	char label[160], bias[48], low[48], high[48];
	SM_TRY(sm_scorebook_counts(model->book, r, room->counts, err));
	for (size_t i = 0; i < n; i++) {
		const struct sm_counts *c = &room->counts[i];
		double truth = (double)(c->tp + c->fn) * room->voxel[i] / 1000;
		double made = (double)(c->tp + c->fp) * room->voxel[i] / 1000;
		room->x[i] = (truth + made) / 2;
		room->y[i] = made - truth;
	}
	snprintf(label, sizeof label, "Bland-Altman plot of the volumes of %s, mL",
		 report->map.row[r].name);
	snprintf(bias, sizeof bias, "bias %.2f", a->bias);
	snprintf(low, sizeof low, "%.2f", a->low);
	snprintf(high, sizeof high, "%.2f", a->high);
	struct sm_svg_level levels[] = {
		{a->high, high, true}, {a->bias, bias, false}, {a->low, low, true}};
	struct sm_svg_series series = {report->map.row[r].name,
				       sm_region_colour(&report->map, r),
				       room->x,
				       room->y,
				       n,
				       false};
	struct sm_svg_chart chart = {.label = label,
				     .x_title = "mean of both volumes, mL",
				     .width = 520,
				     .height = 300,
				     .y_low = NAN,
				     .y_high = NAN,
				     .mark = NAN,
				     .series = &series,
				     .count = 1};
	sm_text_str(out, "<figure class=\"chart\">\n<figcaption><b>");
	sm_text_html(out, report->map.row[r].name);
	sm_text_str(out, "</b></figcaption>\n");
	sm_svg_scatter(out, &chart, "predicted − true, mL", levels, SM_COUNT(levels));
	sm_text_str(out, "</figure>\n");
	return SM_OK;
}

static void interval(struct sm_text *out, const double ci[2])
{
	sm_text_str(out, "<td class=\"n\">");
	sm_text_number(out, ci[0], 2, "–");
	if (isfinite(ci[0]) && isfinite(ci[1]))
		sm_text_f(out, " to %.2f", ci[1]);
	sm_text_str(out, "</td>");
}

static void table(const struct sm_report *report, size_t m, struct sm_text *out)
{
	static const char *const heads[] = {
		"n",           "Patients",   "Bias",        "95 % of it", "SD",
		"Lower limit", "95 % of it", "Upper limit", "95 % of it"};
	const struct sm_summary *s = &report->models.v[m].summary;
	sm_report_table(out, NULL);
	sm_text_f(out,
		  "Predicted minus true volume, mL: bias, and limits of agreement (bias ± 1.96 SD), "
		  "with 95 %% intervals by Student's t; n cases of %zu patient%s.",
		  s->patients, s->patients == 1 ? "" : "s");
	if (s->patients < s->cases)
		sm_text_str(out, " Patients have several cases: SD is that between and inside "
				 "patients together (variance components, Bland and Altman 2007).");
	sm_text_str(out, "</caption>\n<thead><tr>");
	sm_report_head(out, "Region", false);
	for (size_t i = 0; i < SM_COUNT(heads); i++)
		sm_report_head(out, heads[i], true);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < report->map.shown; r++) {
		const struct sm_agreement *a = &report->models.v[m].summary.volume[r];
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_report_key(out, sm_region_colour(&report->map, r), report->map.row[r].name);
		sm_text_f(out, "</th><td class=\"n\">%zu</td><td class=\"n\">%zu</td>", a->n,
			  a->patients);
		sm_report_number(out, a->bias, 2);
		interval(out, a->bias_ci);
		sm_report_number(out, a->sd, 2);
		sm_report_number(out, a->low, 2);
		interval(out, a->low_ci);
		sm_report_number(out, a->high, 2);
		interval(out, a->high_ci);
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
}

static enum sm_status one_model(const struct sm_report *report, size_t m, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_scorebook *book = report->models.v[m].book;
	size_t n = sm_scorebook_cases(book) + 1;
	struct sm_mem *mem = &report->run->mem;
	double *v = sm_alloc(mem, 3 * n, sizeof *v, "volumes", err);
	struct room room = {.counts = sm_alloc(mem, n, sizeof *room.counts, "volumes", err)};
	enum sm_status st = SM_OK;
	if (!v || !room.counts)
		SM_GOTO(st, SM_BUDGET);
	room.voxel = v;
	room.x = v + n;
	room.y = v + 2 * n;
	SM_GOTO(st, sm_scorebook_voxels(book, room.voxel, err));
	if (report->models.n > 1) {
		sm_text_str(out, "<h3>");
		sm_report_key(out, sm_model_colour(m), report->models.v[m].name);
		sm_text_str(out, "</h3>\n");
	}
	sm_text_str(out, "<div class=\"charts\">\n");
	for (size_t r = 0; st == SM_OK && r < report->map.main; r++)
		st = plot(report, m, r, &room, out, err);
	sm_text_str(out, "</div>\n");
	table(report, m, out);
out:
	sm_free(v);
	sm_free(room.counts);
	return st;
}

enum sm_status sm_report_volumes(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err)
{
	bool any = false;
	for (size_t m = 0; m < report->models.n; m++)
		any |= report->models.v[m].summary.volume[0].n > 0;
	if (!any)
		return SM_OK;
	sm_text_str(out, "<section id=\"volumes\">\n<h2>Volumes</h2>\n<p>Difference of the "
			 "predicted from the true volume against the mean of both (Bland and "
			 "Altman); the full line is the bias, broken lines are the limits of "
			 "agreement.</p>\n");
	for (size_t m = 0; m < report->models.n; m++)
		SM_TRY(one_model(report, m, out, err));
	sm_text_str(out, "</section>\n");
	return SM_OK;
}
