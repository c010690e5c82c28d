/* SPDX-License-Identifier: Apache-2.0
 *
 * A trained network over whole volumes: windows of the training's tile size, each scaled as the
 * tile stage scaled the tiles, blended into probabilities, then labels on the source's grid.
 */
#ifndef SM_TRAIN_INFER_H
#define SM_TRAIN_INFER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"
#include "train/checkpoint.h"
#include "train/nn/nn.h"

struct sm_infer {
	struct sm_net *net; /* planned for inference */
	struct sm_checkpoint about;
	int batch; /* windows a run */
	double overlap;
	bool gaussian;
	pthread_mutex_t lock; /* of net: one run at a time */
};

/* Opens a checkpoint and loads its network. *infer must stay where it is; the caller closes it
 * (also after a failure). SM_INPUT as sm_checkpoint_open and _load, SM_BUDGET when the network does
 * not fit. */
enum sm_status sm_infer_open(struct sm_infer *infer, const char *path, int batch, int threads,
			     struct sm_mem *mem, struct sm_err *err);
void sm_infer_close(struct sm_infer *infer);

/* Probabilities of image (x,y,z,channel float32): *prob (x,y,z,class float32) on the same grid; the
 * caller clears it. The windows are added in a fixed order. Volumes smaller than a window are
 * padded with zeros first. Thread-safe. */
enum sm_status sm_infer_volume(struct sm_infer *infer, const struct sm_vol *image,
			       struct sm_mem *mem, struct sm_vol *prob, struct sm_err *err);

/* How to bring a result back: what the preprocess stage recorded. */
struct sm_way_back {
	int64_t dim[3]; /* of the source */
	double affine[4][4];
	int64_t offset[3]; /* index of source voxel (0,0,0) in the preprocessed grid */
	int (*pairs)[2];   /* original label, label in the network's numbering */
	size_t pair_count;
};

/* The original number of each label 0..classes: that of the one pair which leads to it, or itself
 * (a label that others were merged into has a pair with itself, so several lead to it).
 * Returns the first label that several pairs lead to (it stays as it is), or -1. */
int sm_way_back_labels(const struct sm_way_back *way, int classes, uint8_t original[256]);

/* Labels (uint8, the source's grid and affine): of each voxel the class of largest probability if
 * that is above threshold (the first of equals), else 0, in original numbers. Source voxels outside
 * the preprocessed grid are 0. counts (256 values, or NULL) receives voxels a label. The caller
 * clears *out. */
enum sm_status sm_infer_labels(const struct sm_vol *prob, const struct sm_way_back *way,
			       double threshold, const uint8_t original[256], struct sm_mem *mem,
			       struct sm_vol *out, int64_t counts[256], struct sm_err *err);

/* prob on the source's grid; 0 outside. The caller clears *out. */
enum sm_status sm_infer_place(const struct sm_vol *prob, const struct sm_way_back *way,
			      struct sm_mem *mem, struct sm_vol *out, struct sm_err *err);

#endif
