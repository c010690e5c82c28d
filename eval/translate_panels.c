/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/png.h"
#include "eval/translate_page.h"

enum { BINS = 4096, MAX_SLICES = 50, REPORT_PIXELS = 256, REPORT_SHOWN = 232 };

const char *const sm_panel_names[SM_PANELS] = {"input", "output", "target", "output - target"};

/* ---- loading --------------------------------------------------------------------------------- */

/* The slices that evaluate has scored. */
static enum sm_status only_scored(const void *ctx, const char *key, uint8_t *use, int64_t count,
				  struct sm_err *err)
{
	const struct sm_translate_report *r = ctx;
	json_t *record = sm_ledger_get(&r->base->from[SM_FROM_EVALUATE], key), *number;
	size_t i;
	memset(use, 0, (size_t)count);
	json_array_foreach(json_object_get(record, "slices"), i, number)
	{
		const json_int_t z = json_integer_value(number);
		if (z >= 0 && z < count)
			use[z] = 1;
	}
	json_decref(record);
	return sm_records_check(r->base->from[SM_FROM_EVALUATE].records, err);
}

/* From 0.5 to 99.5 % of the values, by a histogram. */
static enum sm_status percentiles(const float *v, size_t n, double window[2], struct sm_err *err)
{
	double low = INFINITY, high = -INFINITY;
	size_t seen = 0;
	for (size_t i = 0; i < n; i++) {
		low = v[i] < low ? v[i] : low;
		high = v[i] > high ? v[i] : high;
	}
	window[0] = low;
	window[1] = high > low ? high : low + 1;
	if (!(high > low))
		return SM_OK;
	size_t *bin = sm_calloc(NULL, BINS, sizeof *bin, "histogram", err);
	if (!bin)
		return SM_BUDGET;
	const double scale = (BINS - 1) / (high - low);
	for (size_t i = 0; i < n; i++)
		bin[(size_t)((v[i] - low) * scale)]++;
	for (size_t b = 0; b < BINS; b++) {
		const size_t before = seen;
		seen += bin[b];
		if (before * 200 <= n && seen * 200 > n)
			window[0] = low + (double)b / scale;
		if (before * 200 < n * 199 && seen * 200 >= n * 199)
			window[1] = low + (double)(b + 1) / scale;
	}
	sm_free(bin);
	return SM_OK;
}

static enum sm_status find_look(const struct sm_translate_report *r, const struct sm_made *c,
				struct sm_look *look, struct sm_err *err)
{
	static const double hu[2] = {-1000, 1000};
	const struct sm_floats *given = &r->base->settings->window;
	const size_t n = (size_t)(c->width * c->height * c->n);
	look->reach = r->reach;
	look->most = REPORT_PIXELS;
	look->shown = REPORT_SHOWN;
	if (c->pictures) {
		look->window[0][0] = -1;
		look->window[0][1] = 1;
		memcpy(look->window[1], r->t.range, sizeof look->window[1]);
		return SM_OK;
	}
	if (given->n == 2)
		memcpy(look->window[1], given->v, sizeof look->window[1]);
	else if (strcmp(r->t.unit, "HU") == 0)
		memcpy(look->window[1], hu, sizeof look->window[1]);
	else
		SM_TRY(percentiles(c->truth, n * (size_t)c->channels, look->window[1], err));
	/* (A + C) / 2 is in the target's unit; other sources are as the network had them. */
	if (!r->t.triplets)
		return percentiles(c->source, n * (size_t)c->source_channels, look->window[0], err);
	memcpy(look->window[0], look->window[1], sizeof look->window[0]);
	return SM_OK;
}

enum sm_status sm_translate_load(const struct sm_translate_report *r, const char *key,
				 struct sm_made *c, struct sm_look *look, struct sm_err *err)
{
	struct sm_run *run = r->base->run;
	json_t *record = sm_ledger_get(&r->t.predict, key);
	enum sm_status st;
	*c = (struct sm_made){0};
	if (!record)
		return SM_FAIL(
			err, SM_INPUT,
			"case %s: is in the evaluate ledger but not in that of stage predict", key);
	SM_GOTO(st, sm_made_load(&r->t, record, only_scored, r, run->jobs, c, err));
	if (!c->source) {
		c->source_channels = c->channels;
		c->source = sm_alloc(&run->mem, (size_t)(c->width * c->height * c->n),
				     (size_t)c->channels * sizeof *c->source, "the input", err);
		if (!c->source)
			SM_GOTO(st, SM_BUDGET);
		SM_GOTO(st,
			sm_made_base(&r->t, NULL, c, SM_BASE_AVERAGE, run->jobs, c->source, err));
	}
	st = find_look(r, c, look, err);
out:
	json_decref(record);
	if (st != SM_OK)
		sm_made_clear(c);
	return st;
}

/* ---- painting -------------------------------------------------------------------------------- */

static size_t plane_of(const struct sm_made *c)
{
	return (size_t)(c->width * c->height);
}

double sm_slice_mae(const struct sm_made *c, int64_t k)
{
	const size_t n = plane_of(c);
	double sum = 0;
	for (int64_t ch = 0; ch < c->channels; ch++) {
		const size_t at = (size_t)(ch * c->n + k) * n;
		for (size_t i = 0; i < n; i++)
			sum += fabs((double)c->test[at + i] - c->truth[at + i]);
	}
	return sum / (double)(n * (size_t)c->channels);
}

/* A block of pixels of the slice as one: the mean; of errors, over the channels too, the mean size
 * with the sign of the mean, since errors that cancel out are errors. */
static double block(const struct sm_made *c, enum sm_panel panel, int64_t channel, int64_t k,
		    int64_t x0, int64_t y0, int64_t side)
{
	const int64_t x1 = x0 + side < c->width ? x0 + side : c->width;
	const int64_t y1 = y0 + side < c->height ? y0 + side : c->height;
	const bool error = panel == SM_PANEL_ERROR;
	const int64_t first = error ? 0 : channel, last = error ? c->channels - 1 : channel;
	const float *v = panel == SM_PANEL_INPUT    ? c->source
			 : panel == SM_PANEL_TARGET ? c->truth
						    : c->test;
	double sum = 0, size = 0;
	for (int64_t ch = first; ch <= last; ch++) {
		const size_t at = (size_t)(ch * c->n + k) * plane_of(c);
		for (int64_t y = y0; y < y1; y++)
			for (int64_t x = x0; x < x1; x++) {
				const size_t i = at + (size_t)(y * c->width + x);
				const double one = error ? (double)v[i] - c->truth[i] : v[i];
				sum += one;
				size += fabs(one);
			}
	}
	const double n = (double)((x1 - x0) * (y1 - y0) * (last - first + 1));
	return error ? copysign(size, sum) / n : sum / n;
}

static uint8_t gray(double v, const double window[2])
{
	const double g = (v - window[0]) / (window[1] - window[0]) * 255;
	return g >= 255 ? 255 : g > 0 ? (uint8_t)(g + 0.5) : 0;
}

/* Blue below, nearly white at 0, vermilion above: Okabe and Ito's, told apart by all readers. */
static const uint8_t ends[3][3] = {{0, 114, 178}, {247, 247, 247}, {213, 94, 0}};

static void error_colour(double v, double reach, uint8_t out[3])
{
	double t = v / reach;
	t = t > 1 ? 1 : t > -1 ? t : -1;
	const uint8_t *end = ends[t < 0 ? 0 : 2];
	for (int k = 0; k < 3; k++)
		out[k] = (uint8_t)(ends[1][k] + fabs(t) * (end[k] - ends[1][k]) + 0.5);
}

static void paint(const struct sm_made *c, const struct sm_look *look, enum sm_panel panel,
		  int64_t k, int64_t side, struct sm_image *image)
{
	const double *window = look->window[panel != SM_PANEL_INPUT];
	uint8_t *out = image->data;
	for (int64_t y = 0; y < image->height; y++)
		for (int64_t x = 0; x < image->width; x++, out += image->channels) {
			if (panel == SM_PANEL_ERROR) {
				error_colour(block(c, panel, 0, k, x * side, y * side, side),
					     look->reach, out);
				continue;
			}
			for (int ch = 0; ch < image->channels; ch++)
				out[ch] = gray(block(c, panel, ch, k, x * side, y * side, side),
					       window);
		}
}

enum sm_status sm_panel_add(const struct sm_translate_report *r, const struct sm_made *c,
			    const struct sm_look *look, enum sm_panel panel, int64_t k,
			    struct sm_text *out, struct sm_err *err)
{
	const int64_t longest = c->width > c->height ? c->width : c->height;
	const int64_t side = (longest + look->most - 1) / look->most;
	const int64_t channels = panel == SM_PANEL_INPUT ? c->source_channels : c->channels;
	struct sm_image image = {0};
	unsigned char *png = NULL;
	size_t n = 0;
	enum sm_status st;
	SM_GOTO(st,
		sm_image_init(&image, (c->width + side - 1) / side, (c->height + side - 1) / side,
			      panel == SM_PANEL_ERROR || channels == 3 ? 3 : 1, 8,
			      &r->base->run->mem, err));
	paint(c, look, panel, k, side, &image);
	SM_GOTO(st, sm_png_encode(&image, &png, &n, err));
	/* The shape in mm, whatever the voxels' is. */
	const double mm[2] = {c->view.pixel_mm[0] * (double)c->width,
			      c->view.pixel_mm[1] * (double)c->height};
	const double most = mm[0] > mm[1] ? mm[0] : mm[1], shown = look->shown;
	sm_text_f(out, "<img alt=\"%s, slice %lld\" width=\"%.0f\" height=\"%.0f\" src=\"",
		  sm_panel_names[panel], (long long)c->slice[k], mm[0] / most * shown,
		  mm[1] / most * shown);
	sm_text_str(out, "data:image/png;base64,");
	sm_text_base64(out, png, n);
	sm_text_str(out, "\"/>");
out:
	free(png);
	sm_image_clear(&image);
	return st;
}

void sm_panel_legend(const struct sm_translate_report *r, struct sm_text *out)
{
	const char *unit = strcmp(r->settings->unit, "1") ? r->settings->unit : "";
	sm_text_str(out, "<p class=\"scale\">output - target: ");
	sm_text_f(out, "%g <i style=\"background:linear-gradient(90deg", -r->reach);
	for (int k = 0; k < 3; k++)
		sm_text_f(out, ",rgb(%d,%d,%d)", ends[k][0], ends[k][1], ends[k][2]);
	sm_text_f(out,
		  ")\"></i> %g %s; 0 is the light middle, what is beyond has the end's colour",
		  r->reach, unit);
	if (r->reach_of) {
		sm_text_str(out, ". The scale is twice the MAE of the best baseline, rounded up (");
		sm_text_html(out, r->reach_of);
		sm_text_f(out, ", %.4g %s)", r->reach_mae, unit);
	}
	sm_text_str(out, "</p>\n");
}

void sm_panel_window(const struct sm_translate_report *r, const struct sm_look *look,
		     struct sm_text *out)
{
	const char *unit = strcmp(r->settings->unit, "1") ? r->settings->unit : "";
	sm_text_f(out,
		  "<p class=\"scale\">Black to white: output and target %.4g to %.4g%s%s, input "
		  "%.4g to %.4g%s%s</p>\n",
		  look->window[1][0], look->window[1][1], *unit ? " " : "", unit,
		  look->window[0][0], look->window[0][1], r->t.triplets && *unit ? " " : "",
		  r->t.triplets ? unit : " as the network had it");
}

/* ---- the section ----------------------------------------------------------------------------- */

/* The slice with the largest error, and others spread through the case, ascending. */
static size_t choose_slices(const struct sm_made *c, size_t want, int64_t *out, int64_t *worst)
{
	int64_t spread[MAX_SLICES];
	size_t n, m = 0;
	double most = -1;
	*worst = 0;
	for (int64_t k = 0; k < c->n; k++) {
		const double mae = sm_slice_mae(c, k);
		if (mae > most) {
			most = mae;
			*worst = k;
		}
	}
	want = want < MAX_SLICES ? want : MAX_SLICES;
	n = want > 1 ? sm_spread_slices(0, c->n - 1, want - 1, spread) : 0;
	bool in = false;
	for (size_t i = 0; i < n; i++) {
		if (!in && *worst <= spread[i]) {
			in = true;
			if (*worst < spread[i])
				out[m++] = *worst;
		}
		out[m++] = spread[i];
	}
	if (!in)
		out[m++] = *worst;
	return m;
}

static void caption(const struct sm_translate_report *r, size_t at, const char *tag,
		    struct sm_text *out)
{
	const struct sm_image_settings *s = r->settings;
	const struct sm_image_scores *scores = &r->table.rows[0].scores[at];
	static const int told[] = {SM_IMAGE_MAE, SM_IMAGE_PSNR, SM_IMAGE_SSIM};
	sm_text_str(out, "<figcaption><b>");
	sm_text_html(out, r->table.keys[at]);
	sm_text_f(out, "</b> <span class=\"tag\">%s</span>", tag);
	for (size_t i = 0; i < SM_COUNT(told); i++) {
		if (!(s->which >> told[i] & 1))
			continue;
		const struct sm_image_metric *m = &sm_image_metrics[told[i]];
		sm_text_f(out, " &nbsp;%s ", m->name);
		sm_text_number(out, scores->value[SM_IMAGE_OWN][SM_IMAGE_WHOLE][told[i]],
			       m->decimals[SM_IMAGE_OWN], "–");
		sm_text_f(out, " %s", sm_image_unit(s, SM_IMAGE_OWN, told[i]));
	}
	char *name = sm_scroll_name(r, r->table.keys[at]);
	if (name) {
		sm_text_str(out, " &nbsp;<a href=\"");
		sm_text_html(out, name);
		sm_text_str(out, r->pictures ? "\">all pictures</a>" : "\">all slices</a>");
	}
	out->failed |= !name;
	free(name);
	sm_text_str(out, "</figcaption>\n");
}

static enum sm_status one_case(const struct sm_translate_report *r, size_t at, const char *tag,
			       struct sm_text *out, struct sm_err *err)
{
	struct sm_made c;
	struct sm_look look;
	int64_t slices[MAX_SLICES + 1], worst;
	SM_TRY(sm_translate_load(r, r->table.keys[at], &c, &look, err));
	const size_t n =
		choose_slices(&c, (size_t)r->base->settings->montage_slices, slices, &worst);
	enum sm_status st = SM_OK;
	sm_text_str(out, "<figure>\n");
	caption(r, at, tag, out);
	sm_panel_window(r, &look, out);
	sm_text_str(
		out,
		"<div class=\"wide\" tabindex=\"0\"><table class=\"panels\"><thead><tr><th></th>");
	for (int p = 0; p < SM_PANELS; p++)
		sm_text_f(out, "<th scope=\"col\">%s</th>", sm_panel_names[p]);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; st == SM_OK && i < n; i++) {
		sm_text_str(out, "<tr><th scope=\"row\">");
		if (!c.pictures)
			sm_text_f(out, "slice %lld%s<br/>", (long long)c.slice[slices[i]],
				  slices[i] == worst && c.n > 1 ? ", the worst" : "");
		sm_text_f(out, "<span class=\"quiet\">MAE %.*f</span></th>",
			  sm_image_metrics[SM_IMAGE_MAE].decimals[SM_IMAGE_OWN],
			  sm_slice_mae(&c, slices[i]));
		for (int p = 0; st == SM_OK && p < SM_PANELS; p++) {
			sm_text_str(out, "<td>");
			st = sm_panel_add(r, &c, &look, (enum sm_panel)p, slices[i], out, err);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n</figure>\n");
	sm_made_clear(&c);
	return st;
}

enum sm_status sm_translate_pictures(const struct sm_translate_report *r, struct sm_text *out,
				     struct sm_err *err)
{
	const size_t n = r->table.cases, want = (size_t)r->base->settings->montage_cases;
	const size_t at[3] = {0, n / 2, n - 1};
	static const char *const tags[] = {"worst case by MAE", "median", "best case by MAE"};
	if (!r->pictured || !want)
		return SM_OK;
	sm_text_f(
		out,
		"<section id=\"pictures\">\n<h2>Input, output, target, error</h2>\n<p>The cases "
		"with "
		"the largest, the median and the smallest mean absolute error%s. Output and target "
		"have the same window of gray.</p>\n",
		r->pictures ? ""
			    : "; slices spread through each, and the one with the largest error, "
			      "as the network saw them");
	sm_panel_legend(r, out);
	for (size_t i = 0; i < 3 && i < want; i++) {
		if (i && at[i] == at[i - 1])
			continue;
		SM_TRY(one_case(r, r->order[at[i]], n == 1 ? "the only case" : tags[i], out, err));
	}
	sm_text_str(out, "</section>\n");
	return SM_OK;
}
