/* SPDX-License-Identifier: Apache-2.0
 *
 * The picture of a prediction: one plane as the image, the truth, all classes, and each class, side
 * by side with titles, as a radiologist looks at it.
 */
#ifndef SM_TRAIN_PANELS_H
#define SM_TRAIN_PANELS_H

#include "core/png.h"
#include "core/vol.h"
#include "train/task.h"
#include "train/way_back.h"

struct sm_panels {
	const struct sm_vol *image;      /* float32 (x,y,z,channel) */
	int64_t channel;                 /* of it */
	const char *name;                /* of the channel; NULL = none */
	const struct sm_vol *truth;      /* uint8, on the grid that preprocess wrote; NULL = none */
	const struct sm_vol *prediction; /* uint8 in the network's numbers, on the source's grid */
	const struct sm_way_back *way;   /* source -> image */
	bool turned;                     /* image is not on the grid that preprocess wrote */
	const struct sm_task *task;
};

/* Draws the z plane of image with the most labelled voxels of the truth, without one of the
 * prediction (the middle plane when there are none), in panels, three a row: image, truth (empty
 * with a note when there is none), prediction, then the prediction of each output but the
 * background. Colours as in the report, which people with any colour vision can tell apart. The
 * caller clears *out. */
enum sm_status sm_panels_draw(const struct sm_panels *p, struct sm_image *out, struct sm_mem *mem,
			      struct sm_err *err);

#endif
