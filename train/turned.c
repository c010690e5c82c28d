/* SPDX-License-Identifier: Apache-2.0 */
#include "train/turned.h"

#include <string.h>

bool sm_turned_plan(const struct sm_checkpoint *about, const struct sm_vol *vol,
		    struct sm_slice_view *v)
{
	if (!about->plane)
		return false;
	sm_slice_plan(vol,
		      about->plane > SM_PLANES ? SM_PLANE_AXIAL : (enum sm_plane)(about->plane - 1),
		      about->stored ? SM_VIEW_STORED : SM_VIEW_RADIOLOGICAL, v);
	return !(v->column == 0 && v->row == 1 && !v->flip_column && !v->flip_row);
}

void sm_turned_frame(const float *frame, const int64_t dim[3], const struct sm_slice_view *v,
		     float *out, void (*pause)(void *ctx), void *ctx)
{
	size_t plane = (size_t)(v->width * v->height);
	for (int64_t z = 0; z < v->count; z++) {
		sm_slice_cut(frame, dim, v, z, out + (size_t)z * plane);
		if (pause && z % 16 == 15)
			pause(ctx);
	}
}

enum sm_status sm_turned_case(const struct sm_checkpoint *about, struct sm_vol *image,
			      struct sm_vol *label, struct sm_mem *mem, struct sm_err *err)
{
	struct sm_slice_view v;
	if (!sm_turned_plan(about, image, &v))
		return SM_OK;
	size_t n = sm_vol_frame_count(image), plane = (size_t)(v.width * v.height);
	float *turned = sm_alloc(mem, n, sizeof *turned, "a volume that is turned", err);
	if (!turned)
		return SM_BUDGET;
	for (int64_t k = 0; k < image->dim[3]; k++) {
		float *frame = (float *)image->data + (size_t)k * n;
		sm_turned_frame(frame, image->dim, &v, turned, NULL, NULL);
		memcpy(frame, turned, n * sizeof *turned);
	}
	uint8_t *labels = (uint8_t *)turned;
	for (int64_t z = 0; z < v.count; z++)
		sm_slice_cut_labels(label->data, image->dim, &v, z, labels + (size_t)z * plane);
	memcpy(label->data, labels, n);
	sm_free(turned);
	const int64_t dim[3] = {v.width, v.height, v.count};
	memcpy(image->dim, dim, sizeof dim);
	memcpy(label->dim, dim, sizeof dim);
	return SM_OK;
}
