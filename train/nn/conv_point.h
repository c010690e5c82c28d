/* SPDX-License-Identifier: Apache-2.0
 *
 * 1x1x1 convolutions to 1 to 8 channels: what stands between the driver (conv_point.c) and its
 * inner loops (conv_point_body.h, one table for each instruction set).
 */
#ifndef SM_TRAIN_CONV_POINT_H
#define SM_TRAIN_CONV_POINT_H

#include "train/nn/conv.h"

#define POINT_LANES 16
#define POINT_VOXELS 4
#define POINT_GROUP 4                /* outputs a group, a quarter of the lanes */
#define POINT_MOST (2 * POINT_GROUP) /* outputs */

/* What all voxels share. */
struct point {
	const struct conv_plan *p;
	const struct conv_args *a;
	_Alignas(64) float bias[2 * POINT_LANES]; /* of lanes (group, voxel, of 4) */
	_Alignas(64) int order[2 * POINT_LANES];  /* from these lanes to memory's order */
	bool stream;
};

struct point_isa {
	const char *name;
	/* Voxels [from, to), by the number of groups less one and whether x is bfloat16. */
	void (*rows[2][2])(const struct point *q, size_t from, size_t to);
};

/* NULL where not compiled. */
extern const struct point_isa *const point_isa_avx512, *const point_isa_avx2;

#endif
