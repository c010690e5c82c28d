/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows that cover a whole volume: evenly spaced along each axis, so that neighbours overlap by
 * at least the asked share, with separable weights for blending.
 */
#ifndef SM_TRAIN_WINDOW_H
#define SM_TRAIN_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Along one axis. */
struct sm_window_axis {
	int64_t dim, size; /* voxels of the volume, of a window */
	int64_t pad;   /* zeros in front of a volume smaller than the window (half of those missing,
			* rounded down, as the tile stage pads) */
	int64_t count; /* of windows */
	int64_t *start; /* of each, in the padded volume: 0 .. max(dim, size) - size */
	float *weight;  /* of each voxel of a window */
	float *total;   /* sum of the weights over each voxel of the padded volume */
};

struct sm_windows {
	struct sm_window_axis axis[3]; /* x, y, z */
	int64_t count;                 /* of all three axes; x runs fastest */
};

/* Lays the windows: count = ceil((dim - size) / max(1, floor(size (1 - overlap)))) + 1 along an
 * axis, starts spread evenly and rounded to the nearest voxel. Weights are 1, or a Gaussian about
 * the window's centre with sigma = size / 8 (Isensee et al., nnU-Net, 2021). The exponential is
 * made of IEEE basic operations. overlap is in [0, 1). The caller clears *w. */
enum sm_status sm_windows_init(struct sm_windows *w, const int64_t dim[3], const int64_t size[3],
			       double overlap, bool gaussian, struct sm_err *err);
void sm_windows_clear(struct sm_windows *w);

/* Start x, y, z of window i. */
void sm_windows_start(const struct sm_windows *w, int64_t i, int64_t start[3]);

#endif
