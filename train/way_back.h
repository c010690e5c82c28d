/* SPDX-License-Identifier: Apache-2.0
 *
 * Probabilities on the grid that the network saw become labels, or probabilities, on the source's
 * grid, in the source's numbers.
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

/* True when the way is made of flips, axis swaps and whole shifts only: results are then copied voxel
 * by voxel. Otherwise probabilities are interpolated linearly at the source's voxel centres (up to
 * half a voxel outside the outermost centres they are those of the edge). */
bool sm_way_back_exact(const struct sm_way_back *way);

/* The original number of each label 0..classes: that of the one pair which leads to it, or itself
 * (a label that others were merged into has a pair with itself, so several lead to it).
 * Returns the first label that several pairs lead to (it stays as it is), or -1. */
int sm_way_back_labels(const struct sm_way_back *way, int classes, uint8_t original[256]);

/* Labels (uint8, the source's grid and affine): of each voxel the class of largest probability if
 * that is above threshold (the first of equals), else 0, in original numbers. Source voxels outside
 * the preprocessed grid are 0. counts (256 values, or NULL) receives voxels a label. prob is
 * (x,y,z,class) float32. The caller clears *out. */
enum sm_status sm_infer_labels(const struct sm_vol *prob, const struct sm_way_back *way,
			       double threshold, const uint8_t original[256], struct sm_mem *mem,
			       struct sm_vol *out, int64_t counts[256], struct sm_err *err);

/* prob on the source's grid; 0 outside. The caller clears *out. */
enum sm_status sm_infer_place(const struct sm_vol *prob, const struct sm_way_back *way,
			      struct sm_mem *mem, struct sm_vol *out, struct sm_err *err);

#endif
