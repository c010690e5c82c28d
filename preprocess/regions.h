/* SPDX-License-Identifier: Apache-2.0
 *
 * Regions of a label volume: named sets of labels, each a volume of 0 and 1 on the fourth axis of
 * struct sm_case.regions. Shared by the operations one_hot and regions.
 */
#ifndef SM_PREPROCESS_REGIONS_H
#define SM_PREPROCESS_REGIONS_H

#include "core/field.h"
#include "preprocess/case.h"

#define SM_REGIONS_MAX 64

struct sm_region_map {
	size_t n;
	char name[SM_REGIONS_MAX][SM_ROLE_MAX];
	uint64_t of[256]; /* bit r: the label belongs to region r */
};

/* Adds a region. SM_USAGE when there are too many, the name is no plain word of letters, digits,
 * '_', '-' and '.', or stands already, or a label stands twice. */
enum sm_status sm_region_map_add(struct sm_region_map *map, const char *name,
				 const struct sm_ints *labels, struct sm_err *err);

/* "4 (12 voxels), 7 (1 voxel)" of the labels that are there (count) and not known, in out; how many
 * these are. */
size_t sm_unknown_labels(const size_t count[256], const bool known[256], char *out, size_t room);

/* Makes c->regions of c->label. Labels other than 0 that belong to no region are refused with their
 * counts unless `others`. A case without label gets none. SM_INPUT when it has regions already. */
enum sm_status sm_case_make_regions(struct sm_case *c, const struct sm_region_map *map, bool others,
				    const char *op, struct sm_err *err);

#endif
