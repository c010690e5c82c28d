/* SPDX-License-Identifier: Apache-2.0
 *
 * Connected components of a label map. Memory grows with the number of runs of labelled voxels
 * along x, not with the volume.
 */
#ifndef SM_CORE_COMPONENTS_H
#define SM_CORE_COMPONENTS_H

#include <stdint.h>

#include "core/mem.h"

/* Neighbours of a voxel: those that share a face with it (6), an edge too (18), a corner too (26).
 */
enum sm_neighbours { SM_FACES, SM_EDGES, SM_CORNERS };

/* Voxels of one row that follow each other. */
struct sm_run_of_voxels {
	int32_t start, length; /* along x */
	uint32_t part;         /* number of its component, 0.. */
};

struct sm_components {
	struct sm_run_of_voxels *run;
	size_t *row;   /* first run of each row (y, z), and one more */
	int64_t *size; /* voxels of each component */
	size_t runs, rows, count;
};

/* Finds the connected components of the voxels of dim (x fastest) whose label is in `member`. They
 * are numbered by their first voxels. SM_BUDGET when the runs do not fit into memory. The caller
 * clears. Thread-safe. */
enum sm_status sm_components_find(struct sm_components *out, const uint8_t *label,
				  const int64_t dim[3], const uint8_t member[256],
				  enum sm_neighbours neighbours, struct sm_mem *mem,
				  struct sm_err *err);
void sm_components_clear(struct sm_components *components);

#endif
