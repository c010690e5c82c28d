/* SPDX-License-Identifier: Apache-2.0
 *
 * Planes of a sample side by side in a picture: grey values, labels in colour half over them.
 */
#ifndef SM_TRAIN_PAINT_H
#define SM_TRAIN_PAINT_H

#include "core/png.h"

#define SM_PAINT_GAP 4 /* pixels between the parts */

struct sm_slice_view {
	int64_t width, height;
	const float *x;  /* its voxels in rows */
	float low, high; /* what is black and white */
};

/* Sets low and high to the smallest and the largest value. */
void sm_view_range(struct sm_slice_view *p);

/* A black picture for so many planes side by side. */
enum sm_status sm_paint_begin(struct sm_image *image, const struct sm_slice_view *p, int parts,
			      struct sm_mem *mem, struct sm_err *err);

/* Paints part 0.. of the picture; label NULL = grey alone. */
void sm_paint(const struct sm_slice_view *p, const uint8_t *label, struct sm_image *image,
	      int part);

#endif
