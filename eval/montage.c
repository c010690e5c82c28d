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
#include "eval/cases.h"
#include "eval/report.h"

enum { BINS = 4096, MAX_SLICES = 50, MAX_CASES = 100 };

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
	struct sm_vol image, truth, prediction;
	struct view view;
	double low, high; /* gray window */
	size_t id;        /* number of the case on the page */
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
	const float *image = s->image.data;
	const uint8_t *labels[2] = {s->truth.data, s->prediction.data};
	int64_t span[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	v->from[0] = v->size[0];
	v->from[1] = v->size[1];
	v->to[0] = v->to[1] = -1;
	for (int64_t z = 0; z < v->size[2]; z++)
		for (int64_t y = 0; y < v->size[1]; y++)
			for (int64_t x = 0; x < v->size[0]; x++) {
				size_t i = index_at(v, &s->image, x, y, z);
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

/* Gray window from 0.5 to 99.5 % of the values that are not 0, by a histogram. */
static enum sm_status find_window(struct scene *s, struct sm_err *err)
{
	const float *image = s->image.data;
	size_t n = sm_vol_count(&s->image), bad, count = 0, seen = 0;
	double low, high;
	sm_vol_range(&s->image, &low, &high, &bad);
	s->low = low;
	s->high = high > low ? high : low + 1;
	size_t *bin = sm_calloc(NULL, BINS, sizeof *bin, "histogram", err);
	if (!bin)
		return SM_BUDGET;
	double scale = (BINS - 1) / (s->high - s->low);
	for (size_t i = 0; i < n; i++)
		if (image[i] != 0 && isfinite(image[i])) {
			bin[(size_t)((image[i] - low) * scale)]++;
			count++;
		}
	double new_low = s->low, new_high = s->high;
	for (size_t b = 0; b < BINS; b++) {
		size_t before = seen;
		seen += bin[b];
		if (before * 200 <= count && seen * 200 > count)
			new_low = low + (double)b / scale;
		if (before * 200 < count * 199 && seen * 200 >= count * 199)
			new_high = low + (double)(b + 1) / scale;
	}
	if (new_high > new_low) {
		s->low = new_low;
		s->high = new_high;
	}
	sm_free(bin);
	return SM_OK;
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
			size_t i = index_at(v, &s->image, x + v->from[0], y + v->from[1], slice);
			double g = (((const float *)s->image.data)[i] - s->low) /
				   (s->high - s->low) * 255;
			((uint8_t *)picture.data)[y * w + x] = g >= 255 ? 255
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
		char head[64];
		uint64_t members = s->map->row[r].members;
		all |= members;
		snprintf(head, sizeof head, "class=\"o\" stroke=\"%s\"",
			 sm_region_colour(s->map, r));
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
	SM_TRY(add_outlines(s, &s->truth, slice, false, mem, out, err));
	sm_text_str(out, "</svg>\n");
	open_panel(s, x, HEAD + height + GAP, height, out);
	sm_text_f(out, "<use href=\"#c%zus%zu\"/>", s->id, k);
	SM_TRY(add_outlines(s, &s->prediction, slice, false, mem, out, err));
	SM_TRY(add_outlines(s, &s->truth, slice, true, mem, out, err));
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
	find_view(&s->image, &s->view);
	find_extent(s, &first, &last);
	SM_TRY(find_window(s, err));
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

/* The modality behind the outlines. */
static const char *background_role(const json_t *record)
{
	static const char *const roles[] = {"flair", "t2", "t1ce", "t1", "image"};
	for (size_t i = 0; i < SM_COUNT(roles); i++)
		if (sm_record_output(record, roles[i]))
			return roles[i];
	return "flair";
}

static enum sm_status read_scene(const struct sm_report *report, const char *key, const json_t *raw,
				 const json_t *made, struct scene *s, const char **role,
				 struct sm_err *err)
{
	struct sm_run *run = report->run;
	if (!raw || !made)
		return SM_FAIL(err, SM_INPUT,
			       "case %s: is in the evaluate ledger but not in that of stage %s",
			       key, raw ? "predict" : "ingest");
	*role = background_role(raw);
	SM_TRY(sm_output_read(report->dir[SM_FROM_INGEST], "ingest", raw, *role, &run->mem,
			      &s->image, err));
	SM_TRY(sm_truth_read(report->dir[SM_FROM_INGEST], &report->from[SM_FROM_INGEST], raw,
			     &run->mem, &s->truth, err));
	SM_TRY(sm_output_read(report->dir[SM_FROM_PREDICT], "predict", made, "prediction",
			      &run->mem, &s->prediction, err));
	SM_TRY(sm_vol_same_grid(&s->truth, "truth", &s->image, *role, 1, err));
	SM_TRY(sm_vol_same_grid(&s->truth, "truth", &s->prediction, "prediction", 1, err));
	SM_TRY(sm_vol_to_labels(&s->truth, &run->mem, "truth", err));
	SM_TRY(sm_vol_to_labels(&s->prediction, &run->mem, "prediction", err));
	return sm_vol_to_f32(&s->image, &run->mem, run->jobs, err);
}

static enum sm_status load_scene(const struct sm_report *report, const char *key, struct scene *s,
				 const char **role, struct sm_err *err)
{
	json_t *raw = sm_ledger_get(&report->from[SM_FROM_INGEST], key);
	json_t *made = sm_ledger_get(&report->from[SM_FROM_PREDICT], key);
	enum sm_status st = read_scene(report, key, raw, made, s, role, err);
	json_decref(raw);
	json_decref(made);
	return st;
}

static void caption(const struct sm_label_map *map, const struct sm_report_case *c, size_t rank,
		    size_t n, const char *role, struct sm_text *out)
{
	const char *by = map->row[0].name;
	sm_text_str(out, "<figcaption><b>");
	sm_text_html(out, c->key);
	sm_text_str(out, "</b>");
	if (n > 1) {
		if (rank == 0)
			sm_text_f(out, " <span class=\"tag\">lowest %s Dice</span>", by);
		else if (rank == n - 1)
			sm_text_f(out, " <span class=\"tag\">highest %s Dice</span>", by);
		else if (rank == (n - 1) / 2)
			sm_text_str(out, " <span class=\"tag\">median</span>");
		else
			sm_text_f(out, " <span class=\"tag\">%zu of %zu by %s Dice</span>",
				  rank + 1, n, by);
	}
	for (size_t r = 0; r < map->main; r++) {
		sm_text_f(out, " &nbsp;<i class=\"key\" style=\"background:%s\"></i>%s ",
			  sm_region_colour(map, r), map->row[r].name);
		sm_text_number(out, c->scores.value[r][SM_DICE], 3, "–");
	}
	sm_text_f(out, " &nbsp;<span class=\"quiet\">background: %s</span></figcaption>\n", role);
}

enum sm_status sm_report_montage(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err)
{
	size_t index[MAX_CASES], rank[MAX_CASES], n, want = (size_t)report->settings->montage_cases;
	SM_TRY(sm_report_choose(report->cases, report->count, want < MAX_CASES ? want : MAX_CASES,
				index, rank, &n, err));
	for (size_t i = 0; i < n; i++) {
		const struct sm_report_case *c = &report->cases[index[i]];
		struct scene scene = {.map = &report->map, .id = i};
		struct sm_text drawing = {0};
		const char *role = "";
		enum sm_status st = load_scene(report, c->key, &scene, &role, err);
		if (st == SM_OK)
			st = draw_scene(&scene, c->key, (size_t)report->settings->montage_slices,
					&report->run->mem, &drawing, err);
		if (st == SM_OK) {
			sm_text_str(out, "<figure>\n");
			caption(&report->map, c, rank[i], report->count, role, out);
			sm_text_add(out, drawing.data, drawing.n);
			sm_text_str(out, "</figure>\n");
			out->failed |= drawing.failed;
		}
		sm_text_clear(&drawing);
		sm_vol_clear(&scene.image);
		sm_vol_clear(&scene.truth);
		sm_vol_clear(&scene.prediction);
		SM_TRY(st);
	}
	return SM_OK;
}

struct ranked {
	double value;
	size_t index;
};

/* Cases are in order of their keys, so the index breaks ties. */
static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (isnan(x->value) != isnan(y->value))
		return isnan(x->value) ? 1 : -1;
	if (x->value < y->value || x->value > y->value)
		return x->value < y->value ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

enum sm_status sm_report_choose(const struct sm_report_case *cases, size_t n, size_t want,
				size_t *index, size_t *rank, size_t *count, struct sm_err *err)
{
	size_t m = want < n ? want : n;
	struct ranked *list = sm_alloc(NULL, n ? n : 1, sizeof *list, "ranks", err);
	*count = 0;
	if (!list)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct ranked){cases[i].scores.value[0][SM_DICE], i};
	qsort(list, n, sizeof *list, by_rank);
	for (size_t i = 0; i < m; i++) {
		size_t place = m > 1 ? i * (n - 1) / (m - 1) : 0;
		index[i] = list[place].index;
		rank[i] = place;
	}
	*count = m;
	sm_free(list);
	return SM_OK;
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
