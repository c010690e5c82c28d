/* SPDX-License-Identifier: Apache-2.0
 *
 * Planes of a volume as pictures in radiological orientation: axial and coronal show the patient's
 * right on the picture's left, sagittal the front on the left; axial has the front at the top, the
 * others the head. The index axis nearest to each direction is taken; oblique volumes are not
 * interpolated, and pixels are voxels, whatever their shape in mm.
 */
#ifndef SM_PREPROCESS_SLICE_H
#define SM_PREPROCESS_SLICE_H

#include "core/err.h"
#include "core/png.h"
#include "core/vol.h"
#include "manifests/schema.h"

struct sm_slice_view {
	int column, row, normal; /* index axes 0..2 of the volume */
	bool flip_column, flip_row;
	int64_t width, height, count; /* count slices along normal, in index order */
	double pixel_mm[2], slice_mm; /* column, row; distance of slices along the index axis */
};

/* How to look at a volume; depends on its dims and affine only. */
void sm_slice_plan(const struct sm_vol *vol, enum sm_plane plane, struct sm_slice_view *view);

/* Draws slice `index` (0..count-1) of one frame of float32 values (x fastest, the three sizes of
 * the volume that was planned) into image (width x height, 1 channel, 8 or 16 bits): low and below
 * is 0, high and above is white, round(white * (v - low) / (high - low)) between; all 0 when low =
 * high. */
void sm_slice_draw(const float *frame, const int64_t dim[3], const struct sm_slice_view *view,
		   int64_t index, double low, double high, struct sm_image *image);

/* The same for labels: the numbers themselves, 8 bits. */
void sm_slice_draw_labels(const uint8_t *labels, const int64_t dim[3],
			  const struct sm_slice_view *view, int64_t index, struct sm_image *image);

#endif
