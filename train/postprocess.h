/* SPDX-License-Identifier: Apache-2.0
 *
 * Connected parts of a label map, and what is removed of them after a prediction. Memory grows with
 * the number of runs of labelled voxels along x, not with the volume.
 */
#ifndef SM_TRAIN_POSTPROCESS_H
#define SM_TRAIN_POSTPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mem.h"

/* Neighbours of a voxel: those that share a face with it (6), an edge too (18), a corner too (26).
 */
enum sm_neighbours { SM_FACES, SM_EDGES, SM_CORNERS };

/* Voxels of one row that follow each other. */
struct sm_run_of_voxels {
	int32_t start, length; /* along x */
	uint32_t part;         /* 0.. */
};

struct sm_parts {
	struct sm_run_of_voxels *run;
	size_t *row;    /* first run of each row (y, z), and one more */
	int64_t *size;  /* voxels of each part */
	size_t runs, rows, count;
};

/* Finds the connected parts of the voxels of dim (x fastest) whose label is in `member`. They are
 * numbered by their first voxels. The caller clears. */
enum sm_status sm_parts_find(struct sm_parts *parts, const uint8_t *label, const int64_t dim[3],
			     const uint8_t member[256], enum sm_neighbours neighbours,
			     struct sm_mem *mem, struct sm_err *err);
void sm_parts_clear(struct sm_parts *parts);

/* What to remove: of the parts of the union of the member labels all but the largest (the first of
 * equals), and those with fewer than `least` voxels. */
struct sm_clean {
	uint8_t member[256];
	enum sm_neighbours neighbours;
	bool largest;
	int64_t least;
};

/* Voxels of what is removed become 0. *voxels and *parts are how many that were. */
enum sm_status sm_clean(uint8_t *label, const int64_t dim[3], const struct sm_clean *rule,
			struct sm_mem *mem, int64_t *voxels, int64_t *parts, struct sm_err *err);

#endif
