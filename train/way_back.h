/* SPDX-License-Identifier: Apache-2.0
 *
 * How a result on the grid that the network saw comes back to the source's grid and numbers:
 * train/placer.h goes the way.
 */
#ifndef SM_TRAIN_WAY_BACK_H
#define SM_TRAIN_WAY_BACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"

/* How to bring a result back: what the preprocess stage recorded. */
struct sm_way_back {
	int64_t dim[3]; /* of the source */
	double affine[4][4];
	double way[4][4]; /* source voxel index -> voxel index of the preprocessed grid */
	int (*pairs)[2];  /* original label, label in the network's numbering */
	size_t pair_count;
};

/* True when the way is made of flips, axis swaps and whole shifts only: results are then copied
 * voxel by voxel. Otherwise probabilities are interpolated linearly at the source's voxel centres
 * (up to half a voxel outside the outermost centres they are those of the edge). */
bool sm_way_back_exact(const struct sm_way_back *way);

/* The original number of each label 0..classes: that of the one pair which leads to it, or itself
 * (a label that others were merged into has a pair with itself, so several lead to it).
 * Returns the first label that several pairs lead to (it stays as it is), or -1. */
int sm_way_back_labels(const struct sm_way_back *way, int classes, uint8_t original[256]);

#endif
