/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures: axial slices as small gray PNGs, outlines as vector paths on top, so that they stay
 * sharp at any size and the picture's pixels stay the scan's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/png.h"
#include "eval/scene.h"

enum { MAX_SLICES = 50 };

/* Places on the page, in units of the drawing. */
enum { PANEL = 190, GAP = 6, SIDE = 22, HEAD = 20 };

/* How a volume is looked at: from the feet, the patient's right on the viewer's left, front up. */
struct view {
	int axis[3];  /* voxel axis of column, row, slice */
	bool flip[3]; /* index runs against the picture */
	int64_t size[3];
	int64_t from[2], to[2]; /* box of columns and rows shown */
	double mm[3];
};

struct scene {
	const struct sm_label_map *map;
	struct sm_scene of;
	struct view view;
	size_t id; /* number of the case on the page */
};

static void find_view(const struct sm_vol *vol, struct view *v)
{
	char letters[4];
	double spacing[3];
	static const char grows[3][3] = {"LR", "PA", "SI"}; /* along the picture, against it */
	sm_vol_axes(vol, letters);
	sm_vol_spacing(vol, spacing);
	for (int k = 0; k < 3; k++) {
		v->axis[k] = k;
		for (int i = 0; i < 3; i++)
			if (letters[i] && strchr(grows[k], letters[i])) {
				v->axis[k] = i;
				v->flip[k] = letters[i] == grows[k][1];
			}
		v->size[k] = vol->dim[v->axis[k]];
		v->mm[k] = spacing[v->axis[k]];
	}
}

static size_t index_at(const struct view *v, const struct sm_vol *vol, int64_t column, int64_t row,
		       int64_t slice)
{
	int64_t at[3], place[3] = {column, row, slice};
	for (int k = 0; k < 3; k++)
		at[v->axis[k]] = v->flip[k] ? v->size[k] - 1 - place[k] : place[k];
	return (size_t)(at[0] + vol->dim[0] * (at[1] + vol->dim[1] * at[2]));
}

/* Box of what is not 0 in image or labels, and the span of slices of all labels: of the
 * truth, else of the prediction, else of the image. */
static void find_extent(struct scene *s, int64_t *first, int64_t *last)
{
	struct view *v = &s->view;
	const float *image = s->of.image.data;
	const uint8_t *labels[2] = {s->of.truth.data, s->of.prediction.data};
	int64_t span[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	v->from[0] = v->size[0];
	v->from[1] = v->size[1];
	v->to[0] = v->to[1] = -1;
	for (int64_t z = 0; z < v->size[2]; z++)
		for (int64_t y = 0; y < v->size[1]; y++)
			for (int64_t x = 0; x < v->size[0]; x++) {
				size_t i = index_at(v, &s->of.image, x, y, z);
				bool in[3] = {labels[0][i] != 0, labels[1][i] != 0, image[i] != 0};
				if (!in[0] && !in[1] && !in[2])
					continue;
				for (int k = 0; k < 3; k++)
					if (in[k]) {
						span[k][0] = span[k][0] < 0 ? z : span[k][0];
						span[k][1] = z;
					}
				v->from[0] = x < v->from[0] ? x : v->from[0];
				v->to[0] = x > v->to[0] ? x : v->to[0];
				v->from[1] = y < v->from[1] ? y : v->from[1];
				v->to[1] = y > v->to[1] ? y : v->to[1];
			}
	*first = 0;
	*last = v->size[2] - 1;
	for (int k = 0; k < 3; k++)
		if (span[k][0] >= 0) {
			*first = span[k][0];
			*last = span[k][1];
			break;
		}
	for (int k = 0; k < 2; k++) {
		if (v->to[k] < 0) {
			v->from[k] = 0;
			v->to[k] = v->size[k] - 1;
		}
		v->from[k] = v->from[k] >= 2 ? v->from[k] - 2 : 0;
		v->to[k] = v->to[k] + 2 < v->size[k] ? v->to[k] + 2 : v->size[k] - 1;
	}
}

static enum sm_status add_picture(const struct scene *s, int64_t slice, struct sm_mem *mem,
				  struct sm_text *out, struct sm_err *err)
{
	const struct view *v = &s->view;
	int64_t w = v->to[0] - v->from[0] + 1, h = v->to[1] - v->from[1] + 1;
	struct sm_image picture = {0};
	unsigned char *png = NULL;
	size_t n = 0;
	enum sm_status st;
	SM_GOTO(st, sm_image_init(&picture, w, h, 1, 8, mem, err));
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++) {
			size_t i = index_at(v, &s->of.image, x + v->from[0], y + v->from[1], slice);
			((uint8_t *)picture.data)[y * w + x] =
				sm_scene_gray(&s->of, ((const float *)s->of.image.data)[i]);
		}
	SM_GOTO(st, sm_png_encode(&picture, &png, &n, err));
	sm_text_base64(out, png, n);
out:
	free(png);
	sm_image_clear(&picture);
	return st;
}

/* The outline of all voxels whose class is a member, in the words of `head`. */
static enum sm_status add_outline(const struct scene *s, const struct sm_vol *labels, int64_t slice,
				  uint64_t members, const char *head, struct sm_mem *mem,
				  struct sm_text *out, struct sm_err *err)
{
	const struct view *v = &s->view;
	int64_t w = v->to[0] - v->from[0] + 1, h = v->to[1] - v->from[1] + 1;
	bool in[256] = {0}, any = false;
	uint8_t *mask = sm_alloc(mem, (size_t)w, (size_t)h, "outline", err);
	if (!mask)
		return SM_BUDGET;
	for (size_t c = 0; c < s->map->classes; c++)
		in[s->map->value[c]] = members >> c & 1;
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++) {
			size_t i = index_at(v, labels, x + v->from[0], y + v->from[1], slice);
			mask[y * w + x] = in[((const uint8_t *)labels->data)[i]];
			any |= mask[y * w + x];
		}
	enum sm_status st = SM_OK;
	if (any) {
		sm_text_f(out, "<path %s d=\"", head);
		st = sm_svg_outline(out, mask, w, h, err);
		sm_text_str(out, "\"/>");
	}
	sm_free(mask);
	return st;
}

/* Outlines of the map's main rows, or of all of them together as one thin broken line. */
static enum sm_status add_outlines(const struct scene *s, const struct sm_vol *labels,
				   int64_t slice, bool reference, struct sm_mem *mem,
				   struct sm_text *out, struct sm_err *err)
{
	uint64_t all = 0;
	for (size_t r = 0; r < s->map->main; r++) {
		char head[96];
		uint64_t members = s->map->row[r].members;
		all |= members;
		/* Regions lie in one another, and their rims often on one line: the inner ones,
		 * which are drawn later, are thinner and leave a band of the outer one's colour. */
		snprintf(head, sizeof head, "class=\"o\" stroke=\"%s\" style=\"stroke-width:%.1f\"",
			 sm_region_colour(s->map, r),
			 1.7 + fmin(1.5, 6.0 / (double)s->map->main) *
				       (double)(s->map->main - 1 - r));
		if (!reference)
			SM_TRY(add_outline(s, labels, slice, members, head, mem, out, err));
	}
	return reference ? add_outline(s, labels, slice, all, "class=\"ref\"", mem, out, err)
			 : SM_OK;
}

static void open_panel(const struct scene *s, double x, double y, double height,
		       struct sm_text *out)
{
	const struct view *v = &s->view;
	sm_text_str(out, "<svg x=\"");
	sm_svg_number(out, x);
	sm_text_str(out, "\" y=\"");
	sm_svg_number(out, y);
	sm_text_f(out, "\" width=\"%d\" height=\"", PANEL);
	sm_svg_number(out, height);
	sm_text_f(out, "\" viewBox=\"0 0 %lld %lld\" preserveAspectRatio=\"none\">",
		  (long long)(v->to[0] - v->from[0] + 1), (long long)(v->to[1] - v->from[1] + 1));
}

static enum sm_status draw_slice(const struct scene *s, size_t k, int64_t slice, double height,
				 struct sm_mem *mem, struct sm_text *out, struct sm_err *err)
{
	double x = SIDE + (double)k * (PANEL + GAP);
	const struct view *v = &s->view;
	long long w = v->to[0] - v->from[0] + 1, h = v->to[1] - v->from[1] + 1;
	sm_text_str(out, "<text text-anchor=\"middle\" y=\"14\" x=\"");
	sm_svg_number(out, x + PANEL / 2.0);
	sm_text_f(out, "\">slice %lld of %lld</text>\n", (long long)slice + 1,
		  (long long)v->size[2]);
	open_panel(s, x, HEAD, height, out);
	sm_text_f(out,
		  "<image id=\"c%zus%zu\" width=\"%lld\" height=\"%lld\" "
		  "preserveAspectRatio=\"none\" "
		  "href=\"data:image/png;base64,",
		  s->id, k, w, h);
	SM_TRY(add_picture(s, slice, mem, out, err));
	sm_text_str(out, "\"/>");
	SM_TRY(add_outlines(s, &s->of.truth, slice, false, mem, out, err));
	sm_text_str(out, "</svg>\n");
	open_panel(s, x, HEAD + height + GAP, height, out);
	sm_text_f(out, "<use href=\"#c%zus%zu\"/>", s->id, k);
	SM_TRY(add_outlines(s, &s->of.prediction, slice, false, mem, out, err));
	SM_TRY(add_outlines(s, &s->of.truth, slice, true, mem, out, err));
	sm_text_str(out, "</svg>\n");
	return SM_OK;
}

static void row_name(struct sm_text *out, double y, const char *name)
{
	sm_text_str(out, "<text text-anchor=\"middle\" transform=\"translate(14 ");
	sm_svg_number(out, y);
	sm_text_f(out, ") rotate(-90)\">%s</text>\n", name);
}

static enum sm_status draw_scene(struct scene *s, const char *key, size_t want, struct sm_mem *mem,
				 struct sm_text *out, struct sm_err *err)
{
	int64_t first, last, slices[MAX_SLICES];
	find_view(&s->of.image, &s->view);
	find_extent(s, &first, &last);
	const struct view *v = &s->view;
	size_t n = sm_spread_slices(first, last, want < MAX_SLICES ? want : MAX_SLICES, slices);
	double height = PANEL * ((double)(v->to[1] - v->from[1] + 1) * v->mm[1]) /
			((double)(v->to[0] - v->from[0] + 1) * v->mm[0]);
	double width = SIDE + (double)n * (PANEL + GAP) - GAP;
	sm_text_f(out,
		  "<svg class=\"montage\" xmlns=\"http://www.w3.org/2000/svg\" "
		  "style=\"max-width:%dpx\" "
		  "viewBox=\"0 0 ",
		  (int)(width * 1.15));
	sm_svg_number(out, width);
	sm_text_str(out, " ");
	sm_svg_number(out, HEAD + 2 * height + GAP);
	sm_text_str(out, "\" role=\"img\" font-size=\"12\" fill=\"currentColor\" aria-label=\"");
	sm_text_f(out, "%zu axial slices of case ", n);
	sm_text_html(out, key);
	sm_text_str(
		out,
		": the upper row with the outlines of the truth, the lower row with those of the "
		"prediction\">\n");
	row_name(out, HEAD + height / 2, "truth");
	row_name(out, HEAD + height * 1.5 + GAP, "prediction");
	for (size_t k = 0; k < n; k++)
		SM_TRY(draw_slice(s, k, slices[k], height, mem, out, err));
	sm_text_str(out, "</svg>\n");
	return SM_OK;
}

/* What is special about a case, its first score, and that of the other regions. */
static void caption(const struct sm_report *report, const struct sm_chosen_case *c, size_t of,
		    const char *key, const struct sm_case_scores *scores, const char *role,
		    struct sm_text *out)
{
	const struct sm_label_map *map = &report->map;
	const struct sm_column *column = &report->columns.at[0];
	sm_text_str(out, "<figcaption><b>");
	sm_text_html(out, key);
	sm_text_str(out, "</b>");
	if (of > 1 && c->rank == 0)
		sm_text_f(out, " <span class=\"tag\">worst %s of %s</span>", column->name,
			  map->row[0].name);
	else if (of > 1 && c->median)
		sm_text_f(out, " <span class=\"tag\">about the median: %zu of %zu</span>",
			  c->rank + 1, of);
	else if (of > 1)
		sm_text_f(out, " <span class=\"tag\">%zu of %zu from the worst</span>", c->rank + 1,
			  of);
	for (size_t r = 0; r < map->main; r++) {
		sm_text_f(out, " &nbsp;<i class=\"key\" style=\"background:%s\"></i>%s ",
			  sm_region_colour(map, r), map->row[r].name);
		sm_text_cell(out, &scores->cell[r * scores->columns], column->metric->decimals,
			     "–");
	}
	sm_text_f(out, " &nbsp;<span class=\"quiet\">background: %s</span></figcaption>\n", role);
}

static enum sm_status add_case(const struct sm_report *report, const struct sm_chosen *chosen,
			       size_t i, struct sm_case_scores *scores, struct sm_text *out,
			       struct sm_err *err)
{
	struct sm_scorebook *book = report->models.v[report->models.main].book;
	const char *key = sm_scorebook_key(book, chosen->at[i].index);
	struct scene scene = {.map = &report->map, .id = i};
	enum sm_status st;
	SM_GOTO(st, sm_scorebook_case(book, chosen->at[i].index, scores, err));
	SM_GOTO(st, sm_scene_load(report, key, &scene.of, err));
	sm_text_str(out, "<figure>\n");
	caption(report, &chosen->at[i], chosen->of, key, scores, scene.of.role, out);
	SM_GOTO(st, draw_scene(&scene, key, (size_t)report->settings->montage_slices,
			       &report->run->mem, out, err));
	sm_text_str(out, "</figure>\n");
out:
	sm_scene_clear(&scene.of);
	return st;
}

enum sm_status sm_report_montage(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err)
{
	const struct sm_report_section *s = report->settings;
	struct sm_chosen chosen;
	struct sm_case_scores scores = {0};
	enum sm_status st;
	SM_TRY(sm_report_choose(report, (size_t)s->worst, (size_t)s->median,
				(size_t)s->montage_cases, &chosen, err));
	st = sm_case_scores_init(&scores, report->map.n, report->columns.n, err);
	for (size_t i = 0; st == SM_OK && i < chosen.n; i++)
		st = add_case(report, &chosen, i, &scores, out, err);
	sm_case_scores_clear(&scores);
	return st;
}

size_t sm_spread_slices(int64_t first, int64_t last, size_t want, int64_t *out)
{
	int64_t span = last - first + 1;
	if (span < 1)
		return 0;
	int64_t n = (int64_t)want < span ? (int64_t)want : span;
	for (int64_t i = 0; i < n; i++)
		out[i] = first + (2 * i + 1) * span / (2 * n);
	return (size_t)n;
}
