/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume as a network of slices sees it: turned as the slice stage cut its training's slices.
 */
#ifndef SM_TRAIN_TURNED_H
#define SM_TRAIN_TURNED_H

#include "preprocess/slice.h"
#include "train/checkpoint.h"

/* How the volume is to be turned; false when it stays as it is (also for a network of tiles).
 * Slices of all planes mean axial ones. */
bool sm_turned_plan(const struct sm_checkpoint *about, const struct sm_vol *vol,
		    struct sm_slice_view *view);

/* One frame of dim (x,y,z) into (column, row, slice) of the view: width x height x count values.
 * pause, when not NULL, is called behind each 16 slices. */
void sm_turned_frame(const float *frame, const int64_t dim[3], const struct sm_slice_view *view,
		     float *out, void (*pause)(void *ctx), void *ctx);

/* Image (float32, all its frames) and its label (uint8) in place; needs memory for one frame. */
enum sm_status sm_turned_case(const struct sm_checkpoint *about, struct sm_vol *image,
			      struct sm_vol *label, struct sm_mem *mem, struct sm_err *err);

#endif
