/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/slice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "preprocess/grid.h"

/* Direction in which columns and rows of the picture must go, and the normal's axis. */
static const struct {
	char column, row;
	const char *normal;
} views[] = {
	[SM_PLANE_AXIAL] = {'L', 'P', "SI"},
	[SM_PLANE_CORONAL] = {'L', 'I', "AP"},
	[SM_PLANE_SAGITTAL] = {'P', 'I', "RL"},
};

const char *sm_plane_name(enum sm_plane plane)
{
	static const char *const names[SM_PLANES] = {"axial", "coronal", "sagittal"};
	return names[plane];
}

static char opposite(char c)
{
	static const char pairs[] = "RLAPSI";
	return pairs[(strchr(pairs, c) - pairs) ^ 1];
}

void sm_slice_plan(const struct sm_vol *vol, enum sm_plane plane, enum sm_view_kind kind,
		   struct sm_slice_view *view)
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
	if (kind == SM_VIEW_STORED) {
		view->column = view->normal == 0 ? 1 : 0;
		view->row = view->normal == 2 ? 1 : 2;
		view->flip_column = view->flip_row = false;
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

void sm_slice_cut(const float *frame, const int64_t dim[3], const struct sm_slice_view *view,
		  int64_t index, float *out)
{
	struct walk w = walk_of(dim, view, index);
	for (int64_t y = 0; y < view->height; y++)
		for (int64_t x = 0; x < view->width; x++)
			out[y * view->width + x] = frame[w.first + y * w.row + x * w.column];
}

void sm_slice_put(const float *picture, const int64_t dim[3], const struct sm_slice_view *view,
		  int64_t index, float *frame)
{
	struct walk w = walk_of(dim, view, index);
	for (int64_t y = 0; y < view->height; y++)
		for (int64_t x = 0; x < view->width; x++)
			frame[w.first + y * w.row + x * w.column] = picture[y * view->width + x];
}

void sm_slice_cut_labels(const uint8_t *labels, const int64_t dim[3],
			 const struct sm_slice_view *view, int64_t index, uint8_t *out)
{
	struct walk w = walk_of(dim, view, index);
	for (int64_t y = 0; y < view->height; y++)
		for (int64_t x = 0; x < view->width; x++)
			out[y * view->width + x] = labels[w.first + y * w.row + x * w.column];
}

void sm_slice_paint(const float *planes, double low, double high, struct sm_image *image)
{
	double white = image->bits == 8 ? 255 : 65535;
	int64_t n = image->width * image->height;
	for (int64_t c = 0; c < image->channels; c++)
		for (int64_t i = 0; i < n; i++) {
			double v = (double)planes[c * n + i];
			double u = high > low ? (v - low) / (high - low) : 0;
			/* NaN has no place in an integer: black */
			u = floor(white * (u > 0 ? (u > 1 ? 1 : u) : 0) + 0.5);
			if (image->bits == 8)
				((uint8_t *)image->data)[i * image->channels + c] = (uint8_t)u;
			else
				((uint16_t *)image->data)[i * image->channels + c] = (uint16_t)u;
		}
}

void sm_slice_range(const float *v, size_t n, double *low, double *high)
{
	float lo = v[0], hi = v[0];
	for (size_t i = 1; i < n; i++) {
		lo = v[i] < lo ? v[i] : lo;
		hi = v[i] > hi ? v[i] : hi;
	}
	*low = (double)lo;
	*high = (double)hi;
}

bool sm_slice_picture_range(const struct sm_case *c, const struct sm_vol *vol, double *low,
			    double *high)
{
	if (!c->pictures || (vol->dtype != SM_U8 && vol->dtype != SM_U16) || vol->slope != 1 ||
	    vol->inter != 0)
		return false;
	*low = 0;
	*high = vol->dtype == SM_U8 ? 255 : 65535;
	return true;
}

/* Whether slice z is of use. A label or mask has no choice of its own: its slice is of use when one
 * of the volumes on its grid keeps it. */
static bool is_kept(const struct sm_case *c, const struct sm_vol *vol, int64_t z)
{
	bool found = false;
	for (size_t i = 0; i < c->count; i++)
		if (vol == &c->vols[i].vol)
			return !c->vols[i].keep || c->vols[i].keep[z];
	for (size_t i = 0; i < c->count; i++) {
		if (!sm_case_same_grid(c, &c->vols[i].vol, vol))
			continue;
		if (!c->vols[i].keep || c->vols[i].keep[z])
			return true;
		found = true;
	}
	return !found;
}

bool sm_slice_chosen(const struct sm_case *c, const struct sm_vol *vol)
{
	for (int64_t z = 0; z < vol->dim[2]; z++)
		if (!is_kept(c, vol, z))
			return true;
	return false;
}

void sm_slice_choose_also(const struct sm_case *c, const struct sm_vol *vol,
			  const struct sm_slice_view *view, int64_t *index, size_t *n)
{
	size_t kept = 0;
	for (size_t k = 0; k < *n; k++)
		if (view->normal != 2 || is_kept(c, vol, index[k]))
			index[kept++] = index[k];
	*n = kept;
}

enum sm_status sm_slice_choose(const struct sm_case *c, const struct sm_vol *vol,
			       const struct sm_slice_view *view, const char *name, int64_t first,
			       int64_t last, int64_t **index, size_t *n, struct sm_err *err)
{
	*index = NULL;
	*n = 0;
	int64_t end = last >= 0 ? last : view->count - 1;
	if (first > end || end >= view->count)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has slices 0 to %lld, first and last ask for %lld to %lld",
			       c->key, name, (long long)view->count - 1, (long long)first,
			       (long long)end);
	*index = calloc((size_t)view->count, sizeof **index);
	if (!*index)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (int64_t i = first; i <= end; i++)
		(*index)[(*n)++] = i;
	sm_slice_choose_also(c, vol, view, *index, n);
	return SM_OK;
}

enum sm_status sm_slice_save(const char *out, const char *path, const struct sm_image *image,
			     char hex[65], struct sm_err *err)
{
	char *full = sm_path_join(out, path);
	enum sm_status st = full ? sm_png_write(full, image, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	if (st == SM_OK)
		sm_image_sha256(image, hex);
	free(full);
	return st;
}
