/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections of the page that hold numbers of the cohort: intensities and labels.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/explore.h"
#include "eval/summary.h"

enum { KEYS_SHOWN = 6, ROWS_SHOWN = 200 };

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static const char *said(const char *when)
{
	return strcmp(when, "ingest") == 0 ? "as ingested" : "preprocessed";
}

static void cell(struct sm_text *out, double v)
{
	/* Four digits that count, never in powers of ten for what people compare. */
	double size = fabs(v);
	sm_text_str(out, "<td class=\"n\">");
	sm_text_number(out, v + 0.0,
		       size >= 1000 || v == 0 ? 0
		       : size >= 100          ? 1
		       : size >= 10           ? 2
					      : 3,
		       "–");
	sm_text_str(out, "</td>");
}

/* ---- histograms ------------------------------------------------------------------------------ */

static size_t count(const struct sm_explore *x)
{
	return sm_records_count(x->run->ledger.records);
}

/* Numbers of all cases in the channel, sorted; returns how many. */
static size_t numbers(const struct sm_explore *x, const struct sm_channel *c, enum sm_number which,
		      double *v)
{
	size_t n = 0;
	for (size_t i = 0; i < count(x); i++)
		if (c->of[i].has && isfinite(c->of[i].v[which]))
			v[n++] = c->of[i].v[which];
	qsort(v, n, sizeof *v, ascending);
	return n;
}

static double middle(const double *v, size_t n)
{
	return !n ? NAN : n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void one_histogram(const struct sm_explore *x, const struct sm_channel *c, double *v,
			  struct sm_text *out)
{
	char words[256];
	snprintf(words, sizeof words, "Histogram of %.60s, %s", c->name, said(c->when));
	size_t n = numbers(x, c, SM_N_P50, v);
	sm_text_str(out, "<figure class=\"chart\">\n<figcaption><b>");
	sm_text_html(out, c->name);
	sm_text_f(out, "</b>, %s (%zu case%s", said(c->when), c->drawn, c->drawn == 1 ? "" : "s");
	if (c->drawn < c->cases)
		sm_text_f(out, "; the values of %zu more lie far outside", c->cases - c->drawn);
	sm_text_str(out, ")</figcaption>\n");
	sm_chart_hist(out, &c->hist,
		      sm_okabe_ito[strcmp(c->when, "ingest") == 0 ? SM_ORANGE : SM_SKY], words, v,
		      n);
	sm_text_str(out, "</figure>\n");
}

static const struct sm_channel *find(const struct sm_explore *x, const char *when, const char *name)
{
	for (size_t i = 0; i < x->channel_count; i++)
		if (strcmp(x->channels[i].when, when) == 0 &&
		    strcmp(x->channels[i].name, name) == 0)
			return &x->channels[i];
	return NULL;
}

static void intensity_table(const struct sm_explore *x, double *v, struct sm_text *out)
{
	static const enum sm_number columns[] = {SM_N_MIN, SM_N_P1,   SM_N_P50, SM_N_P99,
						 SM_N_MAX, SM_N_MEAN, SM_N_SD};
	sm_text_str(
		out,
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Medians over the cases of "
		"each case's number; lowest and highest over all voxels, the rest over the "
		"foreground. <code>intensities.csv</code> holds every case.</caption>\n"
		"<thead><tr><th scope=\"col\">Image</th><th scope=\"col\">Stage</th>"
		"<th scope=\"col\" class=\"n\">Cases</th><th scope=\"col\" class=\"n\">Lowest</th>"
		"<th scope=\"col\" class=\"n\">1 %</th><th scope=\"col\" class=\"n\">Median</th>"
		"<th scope=\"col\" class=\"n\">99 %</th><th scope=\"col\" class=\"n\">Highest</th>"
		"<th scope=\"col\" class=\"n\">Mean</th><th scope=\"col\" class=\"n\">SD</th>"
		"</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < x->channel_count; i++) {
		const struct sm_channel *c = &x->channels[i];
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, c->name);
		sm_text_f(out, "</th><td>%s</td><td class=\"n\">%zu</td>", said(c->when), c->cases);
		for (size_t k = 0; k < SM_COUNT(columns); k++)
			cell(out, middle(v, numbers(x, c, columns[k], v)));
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
}

/* One finding: in how many cases, and which. */
static void odd_row(const struct sm_explore *x, const struct sm_channel *c, int kind,
		    struct sm_text *out)
{
	size_t n = 0, shown = 0, all = count(x);
	for (size_t i = 0; i < all; i++)
		n += c->of[i].odd >> kind & 1;
	if (!n)
		return;
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_text_html(out, c->name);
	sm_text_f(out, "</th><td>%s</td><td>%s</td><td class=\"n\">%zu of %zu</td><td>",
		  said(c->when), sm_odd_words[kind], n, c->cases);
	for (size_t i = 0; i < all && n * 2 <= c->cases; i++) {
		if (!(c->of[i].odd >> kind & 1) || shown == KEYS_SHOWN)
			continue;
		sm_text_str(out, shown++ ? ", " : "");
		sm_text_html(out, sm_records_key(x->run->ledger.records, i));
	}
	if (n * 2 > c->cases)
		sm_text_str(
			out,
			"<span class=\"quiet\">most cases: how the data are, hardly a defect of "
			"single ones</span>");
	else if (n > shown)
		sm_text_f(out, " <span class=\"quiet\">and %zu more</span>", n - shown);
	sm_text_str(out, "</td></tr>\n");
}

static void odd_table(const struct sm_explore *x, struct sm_text *out)
{
	struct sm_text rows = {0};
	for (size_t c = 0; c < x->channel_count; c++)
		for (int k = 0; k < SM_ODD_KINDS; k++)
			odd_row(x, &x->channels[c], k, &rows);
	sm_text_str(out, "<h3>To look at</h3>\n");
	if (rows.n)
		sm_text_f(
			out,
			"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Clipped: at least 1 "
			"%% of "
			"the foreground has its lowest or highest value, and more than four times "
			"as "
			"many voxels as the values beside it. Far from the cohort's: more than %g "
			"robust standard deviations (1.4826 MAD) from the median of all cases, and "
			"more "
			"than a quarter of a case's usual spread."
			"</caption>\n<thead><tr><th scope=\"col\">Image</th><th scope=\"col\">Stage"
			"</th><th scope=\"col\">What</th><th scope=\"col\" class=\"n\">Cases</th>"
			"<th "
			"scope=\"col\">Which</th></tr></thead>\n<tbody>\n%s</tbody></table></"
			"div>\n",
			x->s->outlier, rows.data);
	else
		sm_text_str(out,
			    "<p>No constant or mostly empty volume, no gap, no clipped values, no "
			    "case far from the others.</p>\n");
	out->failed = out->failed || rows.failed;
	sm_text_clear(&rows);
}

enum sm_status sm_explore_histograms(const struct sm_explore *x, struct sm_text *out,
				     struct sm_err *err)
{
	double *v = sm_alloc(&x->run->mem, count(x) + 1, sizeof *v, "numbers of the cohort", err);
	if (!v)
		return SM_BUDGET;
	sm_text_str(out,
		    "<section id=\"intensities\">\n<h2>Intensities</h2>\n<p>Voxels of all cases by "
		    "value, without the background (the value that most corners of a volume have, "
		    "when more than a tenth of its voxels have it) and without the lowest and the "
		    "highest 0.1 % of each case. Each stroke under a chart is the median of one "
		    "case: far apart where scanners differ, close together once they are "
		    "normalised.</p>\n<div class=\"charts pairs\">\n");
	for (size_t i = 0; i < x->channel_count; i++) {
		const struct sm_channel *c = &x->channels[i], *other;
		if (strcmp(c->when, x->whens[0]) != 0) {
			if (!find(x, x->whens[0], c->name)) /* a name that only preprocess knows */
				one_histogram(x, c, v, out);
			continue;
		}
		one_histogram(x, c, v, out);
		other = x->when_count > 1 ? find(x, x->whens[1], c->name) : NULL;
		if (other)
			one_histogram(x, other, v, out);
	}
	sm_text_str(out, "</div>\n");
	intensity_table(x, v, out);
	sm_free(v);
	odd_table(x, out);
	sm_text_str(out, "</section>\n");
	return SM_OK;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* "3 (4 in the scans)": from the first case that maps labels. */
static void label_name(const struct sm_explore *x, int label, struct sm_text *out)
{
	size_t k, more = 0;
	json_t *pair;
	sm_text_f(out, "%d", label);
	json_array_foreach(x->label_map, k, pair)
	{
		json_int_t was = json_integer_value(json_array_get(pair, 0));
		if (json_integer_value(json_array_get(pair, 1)) == label && was != label)
			sm_text_f(out, "%s%lld", more++ ? ", " : " (", (long long)was);
	}
	sm_text_str(out, more ? " in the scans)" : "");
}

static void class_table(const struct sm_explore *x, struct sm_text *out)
{
	double all = 0;
	for (int k = 0; k < SM_EX_LABELS; k++)
		all += !k || x->holds[k] ? x->labels[k].voxels : 0;
	for (int k = 0; k < SM_EX_LABELS; k++) {
		const struct sm_label_sums *l = &x->labels[k];
		if (k && !x->holds[k])
			continue;
		sm_text_str(out, "<tr><th scope=\"row\">");
		if (k)
			sm_text_f(out, "<i class=\"key\" style=\"background:%s\"></i>",
				  sm_label_colour(k));
		label_name(x, k, out);
		sm_text_f(out,
			  "</th><td class=\"n\">%zu of %zu</td><td class=\"n\">%.0f</td>"
			  "<td class=\"n\">%.0f</td><td class=\"n\">%.3f %%</td>",
			  l->cases, x->labelled, l->slices, l->voxels,
			  all > 0 ? l->voxels / all * 100 : 0);
		cell(out, l->n ? l->v[0] : NAN);
		cell(out, middle(l->v, l->n));
		cell(out, l->n ? l->v[l->n - 1] : NAN);
		sm_text_str(out, "</tr>\n");
	}
}

static void case_row(const struct sm_explore *x, const json_t *record, struct sm_text *out)
{
	double sum = 0;
	char *fold = sm_explore_fold(x, sm_record_key(record));
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_text_html(out, sm_record_key(record));
	sm_text_f(out, "</th><td>%s</td>", fold ? fold : "–");
	free(fold);
	for (int k = 1; k < SM_EX_LABELS; k++) {
		if (!x->holds[k])
			continue;
		double d = sm_explore_real(sm_explore_label(record, x->whens[x->when_count - 1], k),
					   x->cm3 ? "cm3" : "voxels");
		cell(out, d);
		sum += isfinite(d) ? d : 0;
	}
	cell(out, sum);
	sm_text_str(out, "</tr>\n");
}

static void case_rows(const struct sm_explore *x, struct sm_text *out)
{
	size_t all = count(x), shown = all < ROWS_SHOWN ? all : ROWS_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		size_t at = shown < 2 ? 0 : i * (all - 1) / (shown - 1);
		json_t *record = sm_records_get(x->run->ledger.records, at);
		if (record && sm_record_ok(record))
			case_row(x, record, out);
		json_decref(record);
	}
}

static void case_table(const struct sm_explore *x, struct sm_text *out)
{
	size_t all = count(x);
	sm_text_f(
		out,
		"<details%s><summary>%s of every case%s</summary>\n"
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>%s; a dash: the case has no "
		"such label.%s</caption>\n<thead><tr><th scope=\"col\">Case</th>"
		"<th scope=\"col\">Fold</th>",
		all <= 30 ? " open" : "", x->cm3 ? "Volumes" : "Areas",
		all > ROWS_SHOWN ? " (200 of them)" : "", x->cm3 ? "cm³" : "Pixels",
		all > ROWS_SHOWN ? " 200 cases, evenly chosen; <code>labels.csv</code> holds all."
				 : "");
	for (int k = 1; k < SM_EX_LABELS; k++) {
		if (!x->holds[k])
			continue;
		sm_text_f(out,
			  "<th scope=\"col\" class=\"n\"><i class=\"key\" "
			  "style=\"background:%s\"></i>",
			  sm_label_colour(k));
		label_name(x, k, out);
		sm_text_str(out, "</th>");
	}
	sm_text_str(out, "<th scope=\"col\" class=\"n\">All labels</th></tr></thead>\n<tbody>\n");
	case_rows(x, out);
	sm_text_str(out, "</tbody></table></div></details>\n");
}

static void volume_chart(const struct sm_explore *x, struct sm_text *out)
{
	struct sm_strip strips[12];
	size_t n = 0;
	for (int k = 1; k < SM_EX_LABELS && n < SM_COUNT(strips); k++) {
		if (!x->holds[k])
			continue;
		struct sm_strip *s = &strips[n++];
		*s = (struct sm_strip){
			.colour = sm_label_colour(k), .v = x->labels[k].v, .n = x->labels[k].n};
		snprintf(s->name, sizeof s->name, "label %d", k);
	}
	sm_text_f(out, "<figure class=\"chart broad\">\n<figcaption>A dot a case that holds the "
		       "label; the "
		       "bar is the median</figcaption>\n");
	sm_chart_strips(out,
			x->cm3 ? "Volume of each label in every case"
			       : "Area of each label in every case",
			x->cm3 ? "cm³" : "pixels", strips, n);
	sm_text_str(out, "</figure>\n");
}

enum sm_status sm_explore_labels(const struct sm_explore *x, struct sm_text *out,
				 struct sm_err *err)
{
	bool any = false;
	const char *unit = x->cm3 ? "cm³" : "pixels";
	for (int k = 1; k < SM_EX_LABELS; k++)
		any = any || x->holds[k];
	if (!any)
		return SM_OK;
	sm_text_f(
		out,
		"<section id=\"labels\">\n<h2>Labels</h2>\n"
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Classes of the labels, %s; "
		"%zu of %zu cases have a label volume</caption>\n<thead><tr><th "
		"scope=\"col\">Label</th>"
		"<th scope=\"col\" class=\"n\">Cases</th><th scope=\"col\" class=\"n\">Slices</th>"
		"<th scope=\"col\" class=\"n\">Voxels</th><th scope=\"col\" class=\"n\">Share</th>"
		"<th scope=\"col\" class=\"n\">Smallest, %s</th><th scope=\"col\" "
		"class=\"n\">Median, "
		"%s</th><th scope=\"col\" class=\"n\">Largest, %s</th></tr></thead>\n<tbody>\n",
		said(x->whens[x->when_count - 1]), x->labelled, count(x), unit, unit, unit);
	class_table(x, out);
	sm_text_str(out, "</tbody></table></div>\n");
	volume_chart(x, out);
	case_table(x, out);
	sm_text_str(out, "</section>\n");
	return sm_records_check(x->run->ledger.records, err);
}
