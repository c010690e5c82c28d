/* SPDX-License-Identifier: Apache-2.0
 *
 * Contact sheets: planes as small PNGs in the shape that they have in mm, outlines of labels as
 * vector paths on top.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/png.h"
#include "eval/explore.h"
#include "eval/report.h"
#include "preprocess/quantile.h"
#include "preprocess/slice.h"

/* Places on the drawing. */
enum { PANEL = 150, GAP = 6, SIDE = 20, LINE = 14, MAX_PANELS = 24 };

const char *sm_label_colour(int label)
{
	/* Blue and green last: they are dark on a gray picture. */
	if (label <= 0) /* merged into the background */
		return "#bbbbbb";
	static const int order[] = {SM_ORANGE, SM_SKY,       SM_YELLOW, SM_PURPLE,
				    SM_GREEN,  SM_VERMILION, SM_BLUE};
	return sm_okabe_ito[order[(size_t)(label - 1) % SM_COUNT(order)]];
}

/* Share of source pixel i that output pixel o of `out` covers, when n pixels become out. */
static double cover(int64_t i, int64_t o, int64_t n, int64_t out)
{
	double size = (double)n / (double)out, from = (double)o * size, to = from + size;
	double low = from > (double)i ? from : (double)i;
	double high = to < (double)(i + 1) ? to : (double)(i + 1);
	return high > low ? high - low : 0;
}

/* Mean over the pixels that output pixel (x, y) covers. */
static double mean_at(const struct sm_panel *p, const float *plane, int64_t x, int64_t y, int64_t w,
		      int64_t h)
{
	double sum = 0, weight = 0;
	int64_t y0 = y * p->height / h, x0 = x * p->width / w;
	for (int64_t j = y0; j < p->height; j++) {
		double wy = cover(j, y, p->height, h);
		if (wy <= 0 && j > y0)
			break;
		for (int64_t i = x0; i < p->width; i++) {
			double wx = cover(i, x, p->width, w);
			if (wx <= 0 && i > x0)
				break;
			sum += wx * wy * plane[j * p->width + i];
			weight += wx * wy;
		}
	}
	return weight > 0 ? sum / weight : 0;
}

static enum sm_status add_picture(const struct sm_sheet *sheet, const struct sm_panel *p,
				  struct sm_text *out, struct sm_err *err)
{
	int64_t longest = p->width > p->height ? p->width : p->height, w = p->width, h = p->height;
	struct sm_image picture = {0};
	unsigned char *png = NULL;
	size_t n = 0;
	enum sm_status st;
	if (longest > sheet->pixels) {
		w = (w * sheet->pixels + longest / 2) / longest;
		h = (h * sheet->pixels + longest / 2) / longest;
		w = w ? w : 1;
		h = h ? h : 1;
	}
	SM_GOTO(st, sm_image_init(&picture, w, h, p->colours, 8, sheet->mem, err));
	double scale = p->high > p->low ? 255 / (p->high - p->low) : 0;
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++)
			for (int c = 0; c < p->colours; c++) {
				const float *plane =
					p->v + (size_t)c * (size_t)(p->width * p->height);
				double g = (mean_at(p, plane, x, y, w, h) - p->low) * scale;
				((uint8_t *)picture.data)[(y * w + x) * p->colours + c] =
					g >= 255 ? 255
					: g > 0  ? (uint8_t)(g + 0.5)
						 : 0;
			}
	SM_GOTO(st, sm_png_encode(&picture, &png, &n, err));
	sm_text_base64(out, png, n);
out:
	free(png);
	sm_image_clear(&picture);
	return st;
}

static enum sm_status add_outlines(const struct sm_sheet *sheet, const struct sm_panel *p,
				   struct sm_text *out, struct sm_err *err)
{
	size_t n = (size_t)(p->width * p->height);
	bool here[SM_EX_LABELS] = {0};
	if (!p->label)
		return SM_OK;
	uint8_t *mask = sm_alloc(sheet->mem, n, 1, "outline", err);
	if (!mask)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++)
		here[p->label[i]] = true;
	enum sm_status st = SM_OK;
	for (int k = 1; st == SM_OK && k < SM_EX_LABELS; k++) {
		if (!here[k])
			continue;
		for (size_t i = 0; i < n; i++)
			mask[i] = p->label[i] == k;
		sm_text_f(out,
			  "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.2\" "
			  "vector-effect=\"non-scaling-stroke\" transform=\"scale(",
			  sm_label_colour(p->now ? p->now[k] : k));
		sm_svg_number(out, p->pixel_mm[0]);
		sm_text_str(out, " ");
		sm_svg_number(out, p->pixel_mm[1]);
		sm_text_str(out, ")\" d=\"");
		st = sm_svg_outline(out, mask, p->width, p->height, err);
		sm_text_str(out, "\"/>");
	}
	sm_free(mask);
	return st;
}

static enum sm_status add_panel(struct sm_sheet *sheet, const struct sm_panel *p, double x,
				double y, double height, struct sm_err *err)
{
	struct sm_text *out = &sheet->body;
	double w = (double)p->width * p->pixel_mm[0], h = (double)p->height * p->pixel_mm[1];
	sm_text_str(out, "<svg x=\"");
	sm_svg_number(out, x);
	sm_text_str(out, "\" y=\"");
	sm_svg_number(out, y);
	sm_text_f(out, "\" width=\"%d\" height=\"", PANEL);
	sm_svg_number(out, height);
	sm_text_str(out, "\" viewBox=\"0 0 ");
	sm_svg_number(out, w);
	sm_text_str(out, " ");
	sm_svg_number(out, h);
	sm_text_str(out, "\"><image width=\"");
	sm_svg_number(out, w);
	sm_text_str(out, "\" height=\"");
	sm_svg_number(out, h);
	sm_text_str(out, "\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,");
	SM_TRY(add_picture(sheet, p, out, err));
	sm_text_str(out, "\"/>");
	SM_TRY(add_outlines(sheet, p, out, err));
	/* A frame: drawings on white would have no edge on a white page. */
	sm_text_str(out, "<rect fill=\"none\" stroke=\"#888\" stroke-opacity=\".5\" "
			 "vector-effect=\"non-scaling-stroke\" width=\"");
	sm_svg_number(out, w);
	sm_text_str(out, "\" height=\"");
	sm_svg_number(out, h);
	sm_text_str(out, "\"/></svg>\n");
	return SM_OK;
}

enum sm_status sm_sheet_row(struct sm_sheet *sheet, const char *name, const struct sm_panel *panels,
			    size_t n, struct sm_err *err)
{
	struct sm_text *out = &sheet->body;
	double height = 0, width = SIDE + (double)n * (PANEL + GAP) - GAP;
	for (size_t i = 0; i < n; i++) {
		double h = PANEL * ((double)panels[i].height * panels[i].pixel_mm[1]) /
			   ((double)panels[i].width * panels[i].pixel_mm[0]);
		height = h > height ? h : height;
	}
	int lines = 0;
	for (size_t i = 0; i < n; i++)
		lines = *panels[i].caption[1] ? 2 : !lines && *panels[i].caption[0] ? 1 : lines;
	height = height > 1.5 * PANEL ? 1.5 * PANEL : height < 30 ? 30 : height;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 2; k++) {
			if (!*panels[i].caption[k])
				continue;
			sm_text_str(out, "<text text-anchor=\"middle\" x=\"");
			sm_svg_number(out, SIDE + (double)i * (PANEL + GAP) + PANEL / 2.0);
			sm_text_str(out, "\" y=\"");
			sm_svg_number(out, sheet->y + LINE * (k + 1) - 3);
			sm_text_f(out, "\"%s>", k ? " fill-opacity=\".7\"" : "");
			sm_text_html(out, panels[i].caption[k]);
			sm_text_str(out, "</text>\n");
		}
	double y = sheet->y + lines * LINE;
	if (name) {
		sm_text_str(out, "<text text-anchor=\"middle\" transform=\"translate(13 ");
		sm_svg_number(out, y + height / 2);
		sm_text_str(out, ") rotate(-90)\">");
		sm_text_html(out, name);
		sm_text_str(out, "</text>\n");
	}
	for (size_t i = 0; i < n; i++)
		SM_TRY(add_panel(sheet, &panels[i], SIDE + (double)i * (PANEL + GAP), y, height,
				 err));
	sheet->y = y + height + GAP;
	sheet->width = width > sheet->width ? width : sheet->width;
	return SM_OK;
}

enum sm_status sm_sheet_finish(struct sm_sheet *sheet, const char *words, struct sm_text *out,
			       struct sm_err *err)
{
	sm_text_f(out,
		  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		  "style=\"max-width:100%%\" viewBox=\"0 0 ",
		  (int)sheet->width);
	sm_svg_number(out, sheet->width);
	sm_text_str(out, " ");
	sm_svg_number(out, sheet->y);
	sm_text_str(out, "\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11.5\" "
			 "fill=\"currentColor\" aria-label=\"");
	sm_text_html(out, words);
	sm_text_str(out, "\">\n");
	enum sm_status st = sm_text_check(&sheet->body, "sheet", err);
	sm_text_add(out, sheet->body.data ? sheet->body.data : "", sheet->body.n);
	sm_text_str(out, "</svg>\n");
	sm_sheet_clear(sheet);
	return st == SM_OK ? sm_text_check(out, "sheet", err) : st;
}

void sm_sheet_clear(struct sm_sheet *sheet)
{
	sm_text_clear(&sheet->body);
}

/* ---- the rows of a case ---------------------------------------------------------------------- */

/* One image that can be shown: a volume, or a channel of the stacked one. */
struct shown {
	const char *name;
	const struct sm_vol *vol;
	const float *v; /* its frame, or its first colour */
	int colours;
	double low, high;
	struct sm_slice_view view;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct shown *)a)->name, ((const struct shown *)b)->name);
}

static size_t list_shown(const struct sm_case *c, struct shown *list, size_t room)
{
	size_t n = 0, count = c->stacked ? (size_t)c->vols[0].vol.dim[3] : c->count;
	for (size_t i = 0; i < count && n < room; i++) {
		const struct sm_vol *vol = &c->vols[c->stacked ? 0 : i].vol;
		struct shown *s = &list[n++];
		size_t frame = sm_vol_frame_count(vol), first = c->stacked ? i : 0;
		*s = (struct shown){.name = c->stacked ? c->channels[i] : c->vols[i].role,
				    .vol = vol,
				    .colours =
					    c->pictures && !c->stacked && vol->dim[3] == 3 ? 3 : 1};
		if (!c->stacked && s->colours == 1)
			first = (size_t)vol->dim[3] / 2;
		s->v = (const float *)vol->data + first * frame;
		sm_slice_plan(vol, SM_PLANE_AXIAL, SM_VIEW_RADIOLOGICAL, &s->view);
	}
	/* The same order in every row, whatever that of the channels is. */
	qsort(list, n, sizeof *list, by_name);
	return n;
}

/* Black and white: 0.5 and 99.5 % of the plane's values that differ from its first corner's, so
 * that dark surroundings do not decide; pictures get their whole range. */
static enum sm_status find_window(const struct sm_case *c, struct shown *s, struct sm_err *err)
{
	size_t n = sm_vol_frame_count(s->vol) * (size_t)s->colours, kept = 0;
	if (c->pictures) {
		sm_slice_range(s->v, n, &s->low, &s->high);
		return SM_OK;
	}
	uint8_t *keep = sm_alloc(c->mem, n, 1, "gray window", err);
	if (!keep)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++)
		kept += keep[i] = s->v[i] != s->v[0];
	if (kept) {
		s->low = sm_percentile_f32(s->v, keep, n, kept, 0.5);
		s->high = sm_percentile_f32(s->v, keep, n, kept, 99.5);
	}
	/* A background far below (CT) or above is black or white anyway; one within keeps its gray.
	 */
	if (kept < n && s->v[0] < s->low && s->low - s->v[0] < 0.1 * (s->high - s->low))
		s->low = s->v[0];
	sm_free(keep);
	return SM_OK;
}

static void to_mm(const struct sm_vol *vol, const struct sm_slice_view *view, int64_t slice,
		  double mm[3])
{
	double at[3];
	for (int k = 0; k < 3; k++)
		at[k] = (double)(vol->dim[k] - 1) / 2;
	at[view->normal] = (double)slice;
	for (int r = 0; r < 3; r++)
		mm[r] = vol->affine[r][0] * at[0] + vol->affine[r][1] * at[1] +
			vol->affine[r][2] * at[2] + vol->affine[r][3];
}

/* The slice of vol nearest to the place: the index along the normal, by Cramer's rule. */
static int64_t to_slice(const struct sm_vol *vol, const struct sm_slice_view *view,
			const double mm[3])
{
	const double(*a)[4] = vol->affine;
	double m[3][3], d[2];
	for (int pass = 0; pass < 2; pass++) {
		for (int r = 0; r < 3; r++)
			for (int k = 0; k < 3; k++)
				m[r][k] = pass && k == view->normal ? mm[r] - a[r][3] : a[r][k];
		d[pass] = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
			  m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
			  m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
	}
	double at = d[0] != 0 ? floor(d[1] / d[0] + 0.5) : 0;
	return at < 0 ? 0 : at >= (double)view->count ? view->count - 1 : (int64_t)at;
}

static enum sm_status cut_panel(const struct sm_case *c, const struct shown *s, int64_t slice,
				struct sm_panel *p, struct sm_err *err)
{
	size_t n = (size_t)(s->view.width * s->view.height), frame = sm_vol_frame_count(s->vol);
	const struct sm_vol *label = &c->label;
	*p = (struct sm_panel){.width = s->view.width,
			       .height = s->view.height,
			       .pixel_mm = {s->view.pixel_mm[0], s->view.pixel_mm[1]},
			       .colours = s->colours,
			       .low = s->low,
			       .high = s->high};
	snprintf(p->caption[0], sizeof p->caption[0], "%s", s->name);
	if (s->view.count > 1)
		snprintf(p->caption[1], sizeof p->caption[1], "slice %lld of %lld",
			 (long long)slice + 1, (long long)s->view.count);
	else
		snprintf(p->caption[1], sizeof p->caption[1], "%lld × %lld",
			 (long long)s->view.width, (long long)s->view.height);
	p->v = sm_alloc(c->mem, n, (size_t)s->colours * sizeof *p->v, "a slice", err);
	if (!p->v)
		return SM_BUDGET;
	for (int k = 0; k < s->colours; k++)
		sm_slice_cut(s->v + (size_t)k * frame, s->vol->dim, &s->view, slice,
			     p->v + (size_t)k * n);
	if (!label->data || sm_vol_same_grid(label, "label", s->vol, s->name, 1, NULL) != SM_OK)
		return SM_OK;
	uint8_t *cut = sm_alloc(c->mem, n, 1, "a slice's labels", err);
	if (!cut)
		return SM_BUDGET;
	sm_slice_cut_labels(label->data, label->dim, &s->view, slice, cut);
	p->label = cut;
	return SM_OK;
}

/* Slices of the first image: of the first row by span, of the next ones at the same places. */
static size_t choose(const struct sm_case *c, const struct shown *s, const int64_t span[2],
		     size_t want, struct sm_cuts *cuts, int64_t slices[SM_EX_SLICES])
{
	size_t n = cuts->n;
	if (n) {
		for (size_t i = 0; i < n; i++)
			slices[i] = cuts->world ? to_slice(s->vol, &s->view, cuts->mm[i]) : 0;
		return n;
	}
	bool along = s->view.normal == 2;
	want = want > SM_EX_SLICES ? SM_EX_SLICES : want;
	n = sm_spread_slices(along ? span[0] : 0, along ? span[1] : s->view.count - 1, want,
			     slices);
	cuts->n = n;
	cuts->world = !c->pictures;
	for (size_t i = 0; i < n; i++)
		to_mm(s->vol, &s->view, slices[i], cuts->mm[i]);
	return n;
}

/* Colours of the scans' labels, from the case that steps have worked on. */
static void note_labels(const struct sm_case *c, struct sm_cuts *cuts)
{
	cuts->mapped = true;
	for (int k = 0; k < SM_EX_LABELS; k++)
		cuts->now[k] = k;
	for (size_t i = 0; i < c->label_map_count; i++)
		if (c->label_map[i][0] >= 0 && c->label_map[i][0] < SM_EX_LABELS)
			cuts->now[c->label_map[i][0]] = c->label_map[i][1];
}

enum sm_status sm_sheet_case(struct sm_sheet *sheet, const char *name, const struct sm_case *c,
			     const int64_t span[2], size_t want, struct sm_cuts *cuts,
			     struct sm_err *err)
{
	struct shown list[MAX_PANELS];
	struct sm_panel panels[MAX_PANELS] = {0};
	int64_t slices[SM_EX_SLICES];
	size_t n = list_shown(c, list, MAX_PANELS - SM_EX_SLICES), count = 0;
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < n; i++)
		SM_TRY(find_window(c, &list[i], err));
	size_t cut = choose(c, &list[0], span, want, cuts, slices);
	for (size_t k = 0; k < cut; k++)
		SM_GOTO(st, cut_panel(c, &list[0], slices[k], &panels[count++], err));
	for (size_t i = 1; i < n; i++) {
		int64_t slice =
			cuts->world ? to_slice(list[i].vol, &list[i].view, cuts->mm[cut / 2]) : 0;
		SM_GOTO(st, cut_panel(c, &list[i], slice, &panels[count++], err));
	}
	for (size_t i = 0; i < count; i++)
		panels[i].now = cuts->mapped ? cuts->now : NULL;
	if (!cuts->mapped)
		note_labels(c, cuts);
	st = sm_sheet_row(sheet, name, panels, count, err);
out:
	for (size_t i = 0; i < count; i++) {
		sm_free(panels[i].v);
		sm_free((void *)(uintptr_t)panels[i].label);
	}
	return st;
}
