/* SPDX-License-Identifier: Apache-2.0
 *
 * Distances between the surfaces of two masks in mm, by two definitions of a surface:
 * edge voxels, those that a 6-neighbour erosion takes away (scipy's binary_erosion; MONAI, MedPy,
 * panoptica), and surface elements between voxels weighted by their area (surface-distance).
 * Outside of the image is background by both.
 */
#ifndef SM_EVAL_SURFACE_H
#define SM_EVAL_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/vol.h"
#include "eval/box.h"
#include "eval/column.h"

/* A distance is within a tolerance when it is not longer by more than this share of it: spacings
 * come from affines in float32. */
#define SM_TOLERANCE_SLACK 1e-6

struct sm_surface_settings {
	double spacing[3]; /* mm */
	const double *tolerance_mm;
	size_t tolerances; /* at most SM_TOLERANCES */
	unsigned families; /* bits 1 << SM_FROM_SURFACE, 1 << SM_FROM_SURFELS */
	bool flat[3]; /* axes along which the whole image has one voxel: it is 2-D, and a region
			 has no surface along them. sm_surface_regions finds them itself. */
	struct sm_mem *mem;
	int jobs;
};

/* Pairs are [0] from the truth's surface to the prediction's, [1] back. Families that were not
 * asked for are 0. */
struct sm_surface {
	size_t n[2];    /* edge voxels; n[0] = 0 or n[1] = 0: nothing was measured */
	double hd[2];   /* longest */
	double hd95[2]; /* 95th percentile, linear between two (numpy's type 7) */
	double mean[2];
	double pooled95, pooled_mean; /* of the distances of both directions together */
	double nsd[SM_TOLERANCES]; /* edge voxels within the tolerance, of both, by all of both */
	double surfel_hd[2];
	double surfel_hd95[2]; /* least distance within which 95 % of the area lie */
	double surfel_mean[2]; /* weighted by area */
	double surfel_area[2]; /* mm2 of the truth's surface, of the prediction's */
	double surfel_nsd[SM_TOLERANCES];
};

/* Masks of one box, x fastest, bytes that are not 0; outside of it is background, so no margin is
 * needed (one does no harm). Both not empty (else SM_INTERNAL). Thread-safe; SM_BUDGET. */
enum sm_status sm_surface_measure(const uint8_t *truth, const uint8_t *prediction,
				  const int64_t n[3], const struct sm_surface_settings *settings,
				  struct sm_surface *out, struct sm_err *err);

/* The same of every row of a label map in few parallel loops: out[0..map->n). Where a region is
 * missing in either volume its n[0] = n[1] = 0. regions: sm_scan_pair's. */
enum sm_status sm_surface_regions(const struct sm_label_map *map, const uint8_t *truth,
				  const uint8_t *prediction, const int64_t dim[3],
				  const struct sm_regions *regions,
				  const struct sm_surface_settings *settings,
				  struct sm_surface *out, struct sm_err *err);

/* The value of a column of family SM_FROM_SURFACE or SM_FROM_SURFELS; NaN when nothing was
 * measured or the metric is not of these. */
double sm_surface_value(const struct sm_column *column, const struct sm_surface *surface);

/* Spacing in mm of a volume whose axes stand at right angles; SM_INPUT names the volume, the two
 * axes and their angle otherwise: distances along the axes of a sheared grid do not add up. */
#define SM_SQUARE_AXES 1e-4 /* largest cosine */
enum sm_status sm_surface_spacing(const struct sm_vol *vol, const char *name, double spacing[3],
				  struct sm_err *err);

#endif
