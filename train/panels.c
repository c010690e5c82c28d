/* SPDX-License-Identifier: Apache-2.0 */
#include "train/panels.h"

#include "preprocess/slice.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define ACROSS 3
#define GAP 6
#define LETTER 6 /* pixels a letter is wide with its gap, times the scale */
#define TALL 7
#define SMALLEST 160 /* panels are drawn larger until they are so wide */

/* Okabe and Ito 2008. */
static const uint8_t colour[][3] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115}, {240, 228, 66},
				    {0, 114, 178}, {213, 94, 0},   {204, 121, 167}};

/* 5 x 7 letters by columns, the top pixel lowest. */
static const uint8_t digits[10][5] = {
	{0x3e, 0x51, 0x49, 0x45, 0x3e}, {0x00, 0x42, 0x7f, 0x40, 0x00},
	{0x42, 0x61, 0x51, 0x49, 0x46}, {0x21, 0x41, 0x45, 0x4b, 0x31},
	{0x18, 0x14, 0x12, 0x7f, 0x10}, {0x27, 0x45, 0x45, 0x45, 0x39},
	{0x3c, 0x4a, 0x49, 0x49, 0x30}, {0x01, 0x71, 0x09, 0x05, 0x03},
	{0x36, 0x49, 0x49, 0x49, 0x36}, {0x06, 0x49, 0x49, 0x29, 0x1e}};
static const uint8_t letters[26][5] = {
	{0x7e, 0x11, 0x11, 0x11, 0x7e}, {0x7f, 0x49, 0x49, 0x49, 0x36},
	{0x3e, 0x41, 0x41, 0x41, 0x22}, {0x7f, 0x41, 0x41, 0x22, 0x1c},
	{0x7f, 0x49, 0x49, 0x49, 0x41}, {0x7f, 0x09, 0x09, 0x09, 0x01},
	{0x3e, 0x41, 0x49, 0x49, 0x7a}, {0x7f, 0x08, 0x08, 0x08, 0x7f},
	{0x00, 0x41, 0x7f, 0x41, 0x00}, {0x20, 0x40, 0x41, 0x3f, 0x01},
	{0x7f, 0x08, 0x14, 0x22, 0x41}, {0x7f, 0x40, 0x40, 0x40, 0x40},
	{0x7f, 0x02, 0x0c, 0x02, 0x7f}, {0x7f, 0x04, 0x08, 0x10, 0x7f},
	{0x3e, 0x41, 0x41, 0x41, 0x3e}, {0x7f, 0x09, 0x09, 0x09, 0x06},
	{0x3e, 0x41, 0x51, 0x21, 0x5e}, {0x7f, 0x09, 0x19, 0x29, 0x46},
	{0x46, 0x49, 0x49, 0x49, 0x31}, {0x01, 0x01, 0x7f, 0x01, 0x01},
	{0x3f, 0x40, 0x40, 0x40, 0x3f}, {0x1f, 0x20, 0x40, 0x20, 0x1f},
	{0x3f, 0x40, 0x38, 0x40, 0x3f}, {0x63, 0x14, 0x08, 0x14, 0x63},
	{0x07, 0x08, 0x70, 0x08, 0x07}, {0x61, 0x51, 0x49, 0x45, 0x43}};
static const uint8_t dash[5] = {8, 8, 8, 8, 8}, low_line[5] = {0x40, 0x40, 0x40, 0x40, 0x40};

static const uint8_t *shape_of(char c)
{
	unsigned char u = (unsigned char)toupper((unsigned char)c);
	return u >= '0' && u <= '9'   ? digits[u - '0']
	       : u >= 'A' && u <= 'Z' ? letters[u - 'A']
	       : u == '-'	      ? dash
	       : u == '_'	      ? low_line
				      : NULL;
}

static void put(struct sm_image *image, int64_t x, int64_t y, const uint8_t rgb[3])
{
	if (x >= 0 && y >= 0 && x < image->width && y < image->height)
		memcpy((uint8_t *)image->data + 3 * (y * image->width + x), rgb, 3);
}

static void write_text(struct sm_image *image, int64_t x, int64_t y, int64_t room, const char *text,
		       const uint8_t rgb[3])
{
	for (; *text && room >= LETTER; text++, x += LETTER, room -= LETTER) {
		const uint8_t *shape = shape_of(*text);
		for (int i = 0; shape && i < 5; i++)
			for (int j = 0; j < TALL; j++)
				if (shape[i] >> j & 1)
					put(image, x + i, y + j, rgb);
	}
}

/* One plane at work. */
struct plane {
	const struct sm_panels *p;
	int64_t w, h, z, scale;
	float low, high;
	const float *pixels;
	uint8_t *truth, *label; /* of the plane; members of the task's labels */
};

/* Where source voxel (x, y, z) lies, nearest; false outside. */
static bool lies_at(const struct sm_panels *p, int64_t x, int64_t y, int64_t z, int64_t at[3])
{
	for (int a = 0; a < 3; a++) {
		const double *m = p->way->way[a];
		double v =
			floor(m[0] * (double)x + m[1] * (double)y + m[2] * (double)z + m[3] + 0.5);
		if (!(v >= 0 && v < (double)p->image->dim[a]))
			return false;
		at[a] = (int64_t)v;
	}
	return true;
}

/* Inverse of the way; false when it is singular. */
static bool invert(const struct sm_way_back *way, double inv[3][4])
{
	const double (*m)[4] = way->way;
	double c[3][3], det = 0;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			int a = (i + 1) % 3, b = (i + 2) % 3, u = (j + 1) % 3, v = (j + 2) % 3;
			c[j][i] = m[a][u] * m[b][v] - m[a][v] * m[b][u];
		}
	for (int j = 0; j < 3; j++)
		det += m[0][j] * c[j][0];
	for (int i = 0; i < 3; i++) {
		inv[i][3] = 0;
		for (int j = 0; j < 3; j++) {
			inv[i][j] = c[i][j] / det;
			inv[i][3] -= inv[i][j] * m[j][3];
		}
	}
	return isfinite(1 / det);
}

/* Prediction of the plane, by the nearest voxel of the source. */
static void take_prediction(struct plane *q)
{
	const int64_t *s = q->p->way->dim;
	const uint8_t *from = q->p->prediction->data;
	double inv[3][4];
	memset(q->label, 0, (size_t)(q->w * q->h));
	if (!invert(q->p->way, inv))
		return;
	for (int64_t y = 0; y < q->h; y++)
		for (int64_t x = 0; x < q->w; x++) {
			int64_t at[3];
			bool inside = true;
			for (int a = 0; a < 3; a++) {
				double v = floor(inv[a][0] * (double)x + inv[a][1] * (double)y +
						 inv[a][2] * (double)q->z + inv[a][3] + 0.5);
				inside = inside && v >= 0 && v < (double)s[a];
				at[a] = inside ? (int64_t)v : 0;
			}
			if (inside)
				q->label[y * q->w + x] =
					from[(at[2] * s[1] + at[1]) * s[0] + at[0]];
		}
}

/* The plane with the most voxels of the prediction; of the middle when there are none. */
static enum sm_status busiest(const struct sm_panels *p, const struct sm_vol *truth, int64_t *z,
			      struct sm_mem *mem, struct sm_err *err)
{
	int64_t n = p->image->dim[2];
	const int64_t *d = truth ? truth->dim : p->way->dim;
	const uint8_t *v = truth ? truth->data : p->prediction->data;
	int64_t *found = sm_calloc(mem, (size_t)n, sizeof *found, "a picture", err);
	if (!found)
		return SM_BUDGET;
	for (int64_t c = 0; c < d[2]; c++)
		for (int64_t b = 0; b < d[1]; b++)
			for (int64_t a = 0; a < d[0]; a++) {
				int64_t at[3] = {a, b, c};
				if (v[(c * d[1] + b) * d[0] + a] &&
				    (truth || lies_at(p, a, b, c, at)) && at[2] < n)
					found[at[2]]++;
			}
	*z = n / 2;
	for (int64_t i = 0; i < n; i++)
		*z = found[i] > found[*z] ? i : *z;
	sm_free(found);
	return SM_OK;
}

static const float *pixels_of(const struct plane *q)
{
	const int64_t *d = q->p->image->dim;
	return (const float *)q->p->image->data + (q->p->channel * d[2] + q->z) * d[1] * d[0];
}

/* Panel `at` with its title; label NULL = image alone, only = this output. */
static void panel(const struct plane *q, struct sm_image *image, int at, const char *title,
		  const uint8_t *label, const uint8_t *member)
{
	static const uint8_t white[3] = {255, 255, 255};
	int64_t w = q->w * q->scale, h = q->h * q->scale;
	int64_t left = GAP + at % ACROSS * (w + GAP),
		top = at / ACROSS * (h + TALL + 2 * GAP) + GAP;
	const float *x = q->pixels;
	float span = q->high > q->low ? q->high - q->low : 1;
	write_text(image, left, top, w, title, white);
	top += TALL + GAP / 2;
	for (int64_t j = 0; j < h; j++)
		for (int64_t i = 0; i < w; i++) {
			int64_t k = j / q->scale * q->w + i / q->scale;
			float v = (x[k] - q->low) / span;
			uint8_t grey = (uint8_t)(255 * (v < 0 ? 0 : v > 1 ? 1 : v) + 0.5f);
			uint8_t rgb[3] = {grey, grey, grey}, l = label ? label[k] : 0;
			for (int c = 0; c < 3 && l && (!member || member[l]); c++)
				rgb[c] = (uint8_t)((grey + 2 * colour[(l - 1) % 7][c]) / 3);
			put(image, left + i, top + j, rgb);
		}
}

static void empty_panel(const struct plane *q, struct sm_image *image, int at, const char *note)
{
	static const uint8_t grey[3] = {160, 160, 160};
	int64_t w = q->w * q->scale, h = q->h * q->scale;
	int64_t left = GAP + at % ACROSS * (w + GAP);
	write_text(image, left, GAP, w, "truth", grey);
	write_text(image, left + GAP, GAP + TALL + h / 2, w - GAP, note, grey);
}

static void draw_all(const struct plane *q, struct sm_image *image)
{
	const struct sm_task *task = q->p->task;
	int at = 3;
	memset(image->data, 0, (size_t)(image->width * image->height) * 3);
	panel(q, image, 0, q->p->name ? q->p->name : "image", NULL, NULL);
	if (q->truth)
		panel(q, image, 1, "truth", q->truth, NULL);
	else
		empty_panel(q, image, 1, "no truth");
	panel(q, image, 2, "all classes", q->label, NULL);
	for (int c = sm_task_first(task); c < task->channels; c++) {
		char title[SM_TASK_NAME + 8];
		snprintf(title, sizeof title, "class %s", task->name[c]);
		panel(q, image, at++, title, q->label, task->member[c]);
	}
}

/* How to look at the z planes of the image: as a radiologist does where the image is a volume; one
 * that was turned for a network of slices stands so already. */
static struct sm_slice_view view_of(const struct sm_panels *p)
{
	static const enum sm_plane planes[] = {SM_PLANE_AXIAL, SM_PLANE_CORONAL, SM_PLANE_SAGITTAL};
	struct sm_slice_view view = {.column = 0, .row = 1, .normal = 2};
	for (size_t i = 0; i < 3 && !p->turned; i++) {
		sm_slice_plan(p->image, planes[i], SM_VIEW_RADIOLOGICAL, &view);
		if (view.normal == 2)
			break;
	}
	view.width = p->image->dim[view.column];
	view.height = p->image->dim[view.row];
	view.count = 1;
	return view;
}

/* From index order to how the plane is looked at; scratch has room for one plane of labels. */
static void look(struct plane *q, float *pixels, uint8_t *scratch)
{
	const int64_t dim[3] = {q->w, q->h, 1};
	const struct sm_slice_view view = view_of(q->p);
	size_t n = (size_t)(q->w * q->h);
	sm_slice_cut(pixels_of(q), dim, &view, 0, pixels);
	q->pixels = pixels;
	uint8_t *const labels[2] = {q->label, q->truth};
	for (int i = 0; i < 2 && labels[i]; i++) {
		sm_slice_cut_labels(labels[i], dim, &view, 0, scratch);
		memcpy(labels[i], scratch, n);
	}
	q->w = view.width;
	q->h = view.height;
}

enum sm_status sm_panels_draw(const struct sm_panels *p, struct sm_image *out, struct sm_mem *mem,
			      struct sm_err *err)
{
	struct plane q = {.p = p, .w = p->image->dim[0], .h = p->image->dim[1]};
	const struct sm_vol *truth = p->turned ? NULL : p->truth;
	size_t n = (size_t)(q.w * q.h);
	bool fits = truth && memcmp(truth->dim, p->image->dim, 3 * sizeof(int64_t)) == 0;
	float *pixels = sm_alloc(mem, n, sizeof *pixels + 3, "a picture", err);
	if (!pixels)
		return SM_BUDGET;
	uint8_t *labels = (uint8_t *)(pixels + n);
	q.label = labels;
	enum sm_status st = busiest(p, fits ? truth : NULL, &q.z, mem, err);
	if (st != SM_OK)
		goto out;
	if (fits) {
		q.truth = labels + n;
		memcpy(q.truth, (const uint8_t *)truth->data + (size_t)q.z * n, n);
	}
	take_prediction(&q);
	look(&q, pixels, labels + 2 * n);
	q.low = INFINITY;
	q.high = -INFINITY;
	for (size_t i = 0; i < n; i++) {
		q.low = fminf(q.low, pixels[i]);
		q.high = fmaxf(q.high, pixels[i]);
	}
	q.scale = (SMALLEST + q.w - 1) / q.w;
	int64_t panels = 3 + p->task->channels - sm_task_first(p->task),
		rows = (panels + ACROSS - 1) / ACROSS;
	SM_GOTO(st, sm_image_init(out, GAP + ACROSS * (q.w * q.scale + GAP),
				  rows * (q.h * q.scale + TALL + 2 * GAP) + GAP, 3, 8, mem, err));
	draw_all(&q, out);
out:
	sm_free(pixels);
	return st;
}
