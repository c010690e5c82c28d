/* SPDX-License-Identifier: Apache-2.0
 *
 * Planes of a volume as pictures in radiological orientation: axial and coronal show the patient's
 * right on the picture's left, sagittal the front on the left; axial has the front at the top, the
 * others the head. The index axis nearest to each direction is taken; oblique volumes are not
 * interpolated, and pixels are voxels, whatever their shape in mm. With SM_VIEW_STORED columns and
 * rows are the first and second of the volume's other index axes, in index order.
 */
#ifndef SM_PREPROCESS_SLICE_H
#define SM_PREPROCESS_SLICE_H

#include "core/err.h"
#include "core/png.h"
#include "core/vol.h"
#include "manifests/schema.h"
#include "preprocess/case.h"

struct sm_slice_view {
	int column, row, normal; /* index axes 0..2 of the volume */
	bool flip_column, flip_row;
	int64_t width, height, count; /* count slices along normal, in index order */
	double pixel_mm[2], slice_mm; /* column, row; distance of slices along the index axis */
};

/* "axial", "coronal", "sagittal". */
const char *sm_plane_name(enum sm_plane plane);

/* How to look at a volume; depends on its dims and affine only. */
void sm_slice_plan(const struct sm_vol *vol, enum sm_plane plane, enum sm_view_kind kind,
		   struct sm_slice_view *view);

/* Indices of the slices first..last (last -1 = to the end) that the case keeps, in order: *index is
 * malloc memory of the caller with room for view->count, *n their number, perhaps 0. The choices
 * are of z slices: they count only when the view's normal is the z axis. Of a label or mask those
 * slices are kept that one of the volumes on its grid keeps. SM_INPUT when the volume has not so
 * many slices; `name` calls it. */
enum sm_status sm_slice_choose(const struct sm_case *c, const struct sm_vol *vol,
			       const struct sm_slice_view *view, const char *name, int64_t first,
			       int64_t last, int64_t **index, size_t *n, struct sm_err *err);

/* True when preprocess has left out z slices of this volume. */
bool sm_slice_chosen(const struct sm_case *c, const struct sm_vol *vol);

/* Takes out of index the slices that another volume's choice leaves out (aligned pairs). */
void sm_slice_choose_also(const struct sm_case *c, const struct sm_vol *vol,
			  const struct sm_slice_view *view, int64_t *index, size_t *n);

/* Copies slice `index` (0..count-1) of one frame of values (x fastest, the three sizes of the
 * volume that was planned) into out, rows top to bottom. */
void sm_slice_cut(const float *frame, const int64_t dim[3], const struct sm_slice_view *view,
		  int64_t index, float *out);
void sm_slice_cut_labels(const uint8_t *labels, const int64_t dim[3],
			 const struct sm_slice_view *view, int64_t index, uint8_t *out);
/* The reverse: puts a picture into its place in the frame. Thread-safe for different slices. */
void sm_slice_put(const float *picture, const int64_t dim[3], const struct sm_slice_view *view,
		  int64_t index, float *frame);

/* Draws planes, one behind the other for each channel of image (8 or 16 bits): low and below is 0,
 * high and above is white, round(white * (v - low) / (high - low)) between; all 0 when low = high;
 * NaN is 0. */
void sm_slice_paint(const float *planes, double low, double high, struct sm_image *image);

/* Smallest and largest of n >= 1 values. */
void sm_slice_range(const float *v, size_t n, double *low, double *high);

/* True for pictures that are still stored as they came: *low and *high are then the range of their
 * bits, which black and white stand for when the manifest states no window. */
bool sm_slice_picture_range(const struct sm_case *c, const struct sm_vol *vol, double *low,
			    double *high);

/* Writes one PNG below out (its folder must be there) and its identity into hex. */
enum sm_status sm_slice_save(const char *out, const char *path, const struct sm_image *image,
			     char hex[65], struct sm_err *err);

#endif
