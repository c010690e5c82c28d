/* SPDX-License-Identifier: Apache-2.0
 *
 * A trained network over whole volumes: windows of the training's tile size, each scaled as the
 * tile stage scaled the tiles, blended into probabilities. train/way_back.h brings them to the
 * source's grid.
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

#endif
