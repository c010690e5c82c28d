/* SPDX-License-Identifier: Apache-2.0
 *
 * Probabilities of the grid that the network saw, plane by plane as train/infer.h finishes them,
 * become labels, and maps when asked, on the source's grid.
 */
#ifndef SM_TRAIN_PLACER_H
#define SM_TRAIN_PLACER_H

#include "train/infer.h"
#include "train/way_back.h"

struct sm_placer {
	/* filled by the caller */
	const struct sm_way_back *way;
	const struct sm_task *task;
	double threshold;
	int64_t dim[3]; /* of the grid that the planes are of */
	float *map;     /* (channel,z,y,x) on the source's grid, zeros; NULL = none */
	/* called behind each run of planes, when not NULL */
	void (*let_go)(void *ctx);
	void *ctx;

	struct sm_vol label; /* on the source's grid, the network's numbers */
	/* inside */
	bool exact;
	int64_t bases;  /* interpolation: voxels between planes below this one are placed */
	float *carry;   /* the last plane, at its end */
	float *row;     /* of the source */
	int64_t *where; /* x of each voxel in row */
};

/* Voxels of the source outside the network's grid are label 0 and probability 0. Between voxels
 * probabilities are interpolated linearly before they become labels. SM_BUDGET. The caller clears.
 */
enum sm_status sm_placer_begin(struct sm_placer *p, struct sm_mem *mem, struct sm_err *err);
void sm_placer_clear(struct sm_placer *p);

/* Bytes that it allocates, the label map among them. */
size_t sm_placer_bytes(const struct sm_way_back *way, const struct sm_task *task,
		       const int64_t dim[3]);

/* For struct sm_infer_sink; ctx is the placer. */
enum sm_status sm_placer_planes(void *ctx, int64_t z, int64_t n, const float *p,
				struct sm_err *err);

#endif
