/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at two label volumes: the joint counts and the box of every region. What comes after
 * works in the boxes alone, a few hundredths of a scan.
 */
#ifndef SM_EVAL_BOX_H
#define SM_EVAL_BOX_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "eval/metrics.h"
#include "manifests/label_map.h"

/* First voxel and voxels along x, y, z; n[0] = n[1] = n[2] = 0 when there is none. */
struct sm_box {
	int64_t low[3], n[3];
};

/* One box a row of the label map; `both` holds what is in either. Plain data. */
struct sm_regions {
	size_t rows;
	struct sm_box truth[SM_MAP_ROWS], prediction[SM_MAP_ROWS], both[SM_MAP_ROWS];
};

/* Counts every pair of labels and finds the boxes in one pass over dim[0] x dim[1] x dim[2] voxels
 * (x fastest), on up to `jobs` threads with the same result for any number. SM_INPUT names the
 * volume by what it is called, a label outside the map, its voxel and the labels allowed; *joint
 * and *regions are zero on failure. Thread-safe. */
enum sm_status sm_scan_pair(const struct sm_label_map *map, const uint8_t *truth,
			    const char *truth_name, const uint8_t *prediction,
			    const char *prediction_name, const int64_t dim[3], int jobs,
			    struct sm_joint *joint, struct sm_regions *regions, struct sm_err *err);

/* True for the label values of row `row`. */
void sm_region_members(const struct sm_label_map *map, size_t row, uint8_t member[256]);

/* The mask of a region (bytes 0 and 1) in a box with a margin of background voxels on every side:
 * out has (n[0] + 2 margin) (n[1] + 2 margin) (n[2] + 2 margin) bytes, x fastest. */
void sm_region_cut(const struct sm_label_map *map, size_t row, const uint8_t *labels,
		   const int64_t dim[3], const struct sm_box *box, int64_t margin, uint8_t *out);

/* Smallest box of bytes that are not 0. */
struct sm_box sm_box_of(const uint8_t *mask, const int64_t dim[3]);

/* Smallest box that holds both; an empty one adds nothing. */
struct sm_box sm_box_join(const struct sm_box *a, const struct sm_box *b);

#endif
