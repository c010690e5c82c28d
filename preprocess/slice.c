/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/slice.h"

#include <math.h>
#include <string.h>

/* Direction in which columns and rows of the picture must go, and the normal's axis. */
static const struct {
	char column, row;
	const char *normal;
} views[] = {
	[SM_PLANE_AXIAL] = {'L', 'P', "SI"},
	[SM_PLANE_CORONAL] = {'L', 'I', "AP"},
	[SM_PLANE_SAGITTAL] = {'P', 'I', "RL"},
};

static char opposite(char c)
{
	static const char pairs[] = "RLAPSI";
	return pairs[(strchr(pairs, c) - pairs) ^ 1];
}

void sm_slice_plan(const struct sm_vol *vol, enum sm_plane plane, struct sm_slice_view *view)
{
	char axes[4];
	double spacing[3];
	sm_vol_axes(vol, axes);
	sm_vol_spacing(vol, spacing);
	*view = (struct sm_slice_view){0};
	for (int a = 0; a < 3; a++) {
		if (axes[a] == views[plane].column || opposite(axes[a]) == views[plane].column) {
			view->column = a;
			view->flip_column = axes[a] != views[plane].column;
		} else if (axes[a] == views[plane].row || opposite(axes[a]) == views[plane].row) {
			view->row = a;
			view->flip_row = axes[a] != views[plane].row;
		} else {
			view->normal = a;
		}
	}
	view->width = vol->dim[view->column];
	view->height = vol->dim[view->row];
	view->count = vol->dim[view->normal];
	view->pixel_mm[0] = spacing[view->column];
	view->pixel_mm[1] = spacing[view->row];
	view->slice_mm = spacing[view->normal];
}

/* Index of the first pixel's voxel, and the steps to the next column and row. */
struct walk {
	int64_t first, column, row;
};

static struct walk walk_of(const int64_t dim[3], const struct sm_slice_view *v, int64_t index)
{
	const int64_t stride[3] = {1, dim[0], dim[0] * dim[1]};
	struct walk w = {index * stride[v->normal], stride[v->column], stride[v->row]};
	if (v->flip_column) {
		w.first += (v->width - 1) * w.column;
		w.column = -w.column;
	}
	if (v->flip_row) {
		w.first += (v->height - 1) * w.row;
		w.row = -w.row;
	}
	return w;
}

void sm_slice_draw(const float *frame, const int64_t dim[3], const struct sm_slice_view *view,
		   int64_t index, double low, double high, struct sm_image *image)
{
	struct walk w = walk_of(dim, view, index);
	double white = image->bits == 8 ? 255 : 65535;
	for (int64_t y = 0; y < view->height; y++)
		for (int64_t x = 0; x < view->width; x++) {
			double v = (double)frame[w.first + y * w.row + x * w.column];
			double u = high > low ? (v - low) / (high - low) : 0;
			u = floor(white * (u < 0 ? 0 : u > 1 ? 1 : u) + 0.5);
			if (image->bits == 8)
				((uint8_t *)image->data)[y * view->width + x] = (uint8_t)u;
			else
				((uint16_t *)image->data)[y * view->width + x] = (uint16_t)u;
		}
}

void sm_slice_draw_labels(const uint8_t *labels, const int64_t dim[3],
			  const struct sm_slice_view *view, int64_t index, struct sm_image *image)
{
	struct walk w = walk_of(dim, view, index);
	for (int64_t y = 0; y < view->height; y++)
		for (int64_t x = 0; x < view->width; x++)
			((uint8_t *)image->data)[y * view->width + x] =
				labels[w.first + y * w.row + x * w.column];
}
