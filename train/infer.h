/* SPDX-License-Identifier: Apache-2.0
 *
 * A trained network, or several of one kind, over whole volumes: windows of the training's tile
 * size, each scaled as the tile stage scaled the tiles, blended into probabilities, which come slab
 * by slab. train/placer.h brings them to the source's grid.
 */
#ifndef SM_TRAIN_INFER_H
#define SM_TRAIN_INFER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"
#include "train/checkpoint.h"
#include "train/nn/nn.h"

#define SM_INFER_MEMBERS 64

struct sm_infer {
	struct sm_net *net; /* planned for inference */
	struct sm_checkpoint about;
	int batch; /* windows a run */
	double overlap;
	bool gaussian;
	unsigned mirror; /* mean over the flips of these axes too, alone and together: 1 x, 2 y, 4 z
			  */
	/* Weights and running statistics of each member of an ensemble; count 0: those in net
	 * alone. */
	float *member[SM_INFER_MEMBERS];
	int members, loaded; /* loaded: whose weights are in net */
	pthread_mutex_t lock; /* of net: one volume at a time */
};

/* Opens a checkpoint and loads its network. *infer must stay where it is; the caller closes it
 * (also after a failure). SM_INPUT as sm_checkpoint_open and _load, SM_BUDGET when the network does
 * not fit. */
enum sm_status sm_infer_open(struct sm_infer *infer, const char *path, int batch, int threads,
			     struct sm_mem *mem, struct sm_err *err);

/* The same with values between the operators stored as bfloat16 (sm_net_opt); the network's output
 * stays float32. SM_USAGE too: a CPU without AVX-512. */
enum sm_status sm_infer_open_as(struct sm_infer *infer, const char *path, int batch, int threads,
				bool bf16, struct sm_mem *mem, struct sm_err *err);

/* Adds a further checkpoint: results are the mean of the members' probabilities. SM_INPUT when its
 * network, tile size, scaling, plane, channels or outputs are not those of the first. */
enum sm_status sm_infer_add(struct sm_infer *infer, const char *path, struct sm_mem *mem,
			    struct sm_err *err);
void sm_infer_close(struct sm_infer *infer);

/* Takes the finished planes z..z+n-1, each plane once and in order: p is (n, y, x, channel) and
 * lives during the call. */
struct sm_infer_sink {
	enum sm_status (*planes)(void *ctx, int64_t z, int64_t n, const float *p,
				 struct sm_err *err);
	void *ctx;
	uint64_t members; /* bits of the members whose mean is taken; 0 = all */
};

/* Probabilities of image (x,y,z,channel float32) into sink. The windows are added in a fixed order,
 * so that bits do not depend on threads. Volumes smaller than a window are padded with zeros. Takes
 * sm_infer_bytes. SM_INPUT: another number of channels, a value of the network that is not finite.
 * Thread-safe. */
enum sm_status sm_infer_stream(struct sm_infer *infer, const struct sm_vol *image,
			       struct sm_mem *mem, const struct sm_infer_sink *sink,
			       struct sm_err *err);

/* What sm_infer_stream allocates for a volume of this size, besides the network: one slab of
 * windows. */
size_t sm_infer_bytes(const struct sm_infer *infer, const int64_t dim[3]);

/* The same into a volume: *prob is (x,y,z,channel float32) on the image's grid; the caller clears
 * it. */
enum sm_status sm_infer_volume(struct sm_infer *infer, const struct sm_vol *image,
			       struct sm_mem *mem, struct sm_vol *prob, struct sm_err *err);

#endif
