/* SPDX-License-Identifier: Apache-2.0
 *
 * Overlap scores and volumes from the four counts of a region: of a whole volume, and as means over
 * its slices or tiles.
 */
#ifndef SM_EVAL_OVERLAP_H
#define SM_EVAL_OVERLAP_H

#include "eval/scores.h"

/* The formula's value of a metric of family SM_FROM_COUNTS or SM_FROM_VOLUMES, NaN where it has
 * none. Products of counts are taken in 128 bits: exact for any volume that fits into memory. */
double sm_overlap_value(const struct sm_metric *metric, const struct sm_counts *counts,
			double voxel_mm3);

/* The same under a policy. SM_POLICY_SEED smooths: Dice (2 TP + 1) / (2 TP + FP + FN + 1), IoU
 * alike, the other shares part / (whole + 1e-7), as the original study's training metrics. */
struct sm_cell sm_overlap_cell(enum sm_policy policy, const struct sm_metric *metric,
			       const struct sm_counts *counts, double voxel_mm3);

/* Parts of a volume, each with its own counts of every row: part p of row r is
 * counts[p * rows + r]. Slices of a volume, or tiles, which may overlap. */
struct sm_parts_counts {
	size_t parts, rows;
	struct sm_counts *counts; /* sm_alloc memory */
};
void sm_parts_counts_clear(struct sm_parts_counts *parts);

/* The grid axis (0..2) whose slices are the patient's axial planes: the one nearest to feet - head;
 * or the one that the section names. */
int sm_slice_axis(const struct sm_evaluate_section *section, const double affine[4][4]);

/* Counts by slice across an axis, on up to `jobs` threads. The labels have been looked at: each is
 * one of the map. SM_BUDGET. */
enum sm_status sm_slice_counts(const struct sm_label_map *map, const uint8_t *truth,
			       const uint8_t *prediction, const int64_t dim[3], int axis, int jobs,
			       struct sm_mem *mem, struct sm_parts_counts *out, struct sm_err *err);

/* Counts by tile: size voxels from each start (which may lie outside of the volume, where there is
 * nothing). */
struct sm_tile_list {
	int64_t size[3];
	int64_t (*start)[3]; /* malloc memory */
	size_t n;
};
enum sm_status sm_tile_counts(const struct sm_label_map *map, const uint8_t *truth,
			      const uint8_t *prediction, const int64_t dim[3],
			      const struct sm_tile_list *tiles, int jobs, struct sm_mem *mem,
			      struct sm_parts_counts *out, struct sm_err *err);

/* The mean of a metric over the parts of a row that count (enum sm_slices) and have a value under
 * the policy; a part without value is left out. When no part counts, what the policy says of a
 * region that is empty on both sides. */
struct sm_cell sm_parts_cell(enum sm_policy policy, int which, const struct sm_metric *metric,
			     const struct sm_parts_counts *parts, size_t row);

#endif
