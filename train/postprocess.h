/* SPDX-License-Identifier: Apache-2.0
 *
 * What is removed of a prediction's connected components (core/components.h).
 */
#ifndef SM_TRAIN_POSTPROCESS_H
#define SM_TRAIN_POSTPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/components.h"

/* What to remove: of the components of the union of the member labels all but the largest (the
 * first of equals), and those with fewer than `least` voxels. */
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
