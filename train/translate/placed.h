/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume that was made slice by slice, brought to the grid of the scan that it was made of: the
 * way back of preprocess' steps that move voxels. Of labels train/placer.h goes that way.
 */
#ifndef SM_TRANSLATE_PLACED_H
#define SM_TRANSLATE_PLACED_H

#include <jansson.h>

#include "core/vol.h"

/* What a slice holds: nothing, a prediction, or the scan's own as preprocess left it. */
enum sm_made { SM_MADE_NOT, SM_MADE_PREDICTED, SM_MADE_PROCESSED };

struct sm_placing {
	/* The scan: its size, and its voxel index -> that of the made volume. */
	int64_t dim[3];
	double affine[4][4], way[4][4];
	const struct sm_vol *made; /* float32 (x,y,z,channel), slope 1 */
	int normal;                /* its slices lie along this axis, */
	const uint8_t *kind;       /* enum sm_made of each */
	float fill;                /* of voxels that nobody made */
	/* called behind each run of the scan's planes, when not NULL */
	void (*let_go)(void *ctx);
	void *ctx;
};

/* Reads the way of a record of preprocess: that of volume `role` under "grids", else the case's.
 * SM_INPUT, with the key before the sentence, when the record has none or one out of range. */
enum sm_status sm_placing_read(const json_t *record, const char *key, const char *role,
			       struct sm_placing *p, struct sm_err *err);

/* True when the made volume lies on the scan's grid voxel by voxel. */
bool sm_placing_is_identity(const struct sm_placing *p);

/* What became of the scan's slices. */
struct sm_placed {
	int axis;       /* of the scan: the one nearest to the made slices' normal */
	uint8_t *kind;  /* enum sm_made of each of its slices: predicted when any voxel is */
	size_t outside; /* voxels (of one channel) that nobody made */
};
void sm_placed_clear(struct sm_placed *placed);

/* Linear interpolation at the centres of the scan's voxels into out (x,y,z,channel, dim's sizes);
 * whole shifts, flips and swaps copy bit for bit. Up to half a voxel beyond the outermost centres
 * the edge goes on, and so it does half a slice beyond a slice whose neighbour nobody made; what
 * lies farther out is fill. SM_BUDGET. The caller clears *placed. */
enum sm_status sm_placing_run(const struct sm_placing *p, float *out, struct sm_placed *placed,
			      struct sm_err *err);

#endif
