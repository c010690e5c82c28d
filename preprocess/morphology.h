/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks on a voxel grid: growing and shrinking by a ball in mm, connected components, holes. A mask
 * is one byte a voxel, x fastest, 0 = outside, anything else = inside; results are 0 and 1. Two
 * voxels are neighbours when they share a face. Beyond the grid there is nothing that grows or eats
 * into a mask. All results are independent of `jobs`.
 */
#ifndef SM_PREPROCESS_MORPHOLOGY_H
#define SM_PREPROCESS_MORPHOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

struct sm_grid {
	int64_t n[3];       /* voxels along x, y, z */
	double spacing[3];  /* mm */
	struct sm_mem *mem; /* for working memory; may be NULL */
	int jobs;
};

/* Every voxel whose centre is at most `radius` mm from the centre of an inside voxel becomes
 * inside. A radius of 0 or less changes nothing. Working memory: 4 bytes a voxel. SM_BUDGET. */
enum sm_status sm_mask_dilate(uint8_t *mask, const struct sm_grid *g, double radius,
			      struct sm_err *err);
/* Every voxel at most `radius` mm from an outside voxel becomes outside. */
enum sm_status sm_mask_erode(uint8_t *mask, const struct sm_grid *g, double radius,
			     struct sm_err *err);
/* Erosion, then dilation: takes away what a ball of this radius does not fit into. */
enum sm_status sm_mask_open(uint8_t *mask, const struct sm_grid *g, double radius,
			    struct sm_err *err);
/* Dilation, then erosion: fills gaps that a ball of this radius does not fit into. Done on a grid
 * with a margin of the radius, lest gaps to the grid's faces count as gaps. */
enum sm_status sm_mask_close(uint8_t *mask, const struct sm_grid *g, double radius,
			     struct sm_err *err);

/* Numbers the components of the voxels whose byte is `value` 1, 2, ... in the order of their first
 * voxel (x fastest): labels[i] is the number or 0. *count is how many there are. SM_BUDGET. */
enum sm_status sm_mask_components(const uint8_t *mask, uint8_t value, const struct sm_grid *g,
				  uint32_t *labels, size_t *count, struct sm_err *err);

/* Keeps the component with the most voxels, the first in voxel order among equals. *kept (may be
 * NULL) = its voxels, 0 for an empty mask. */
enum sm_status sm_mask_largest(uint8_t *mask, const struct sm_grid *g, size_t *kept,
			       struct sm_err *err);

/* Outside voxels that hang together with no face of the grid become inside. An axis of one voxel
 * has no faces, so that a picture's holes are those of the plane. */
enum sm_status sm_mask_fill(uint8_t *mask, const struct sm_grid *g, struct sm_err *err);
/* The same in each plane at right angles to `axis` (0 = x) by itself. */
enum sm_status sm_mask_fill_planes(uint8_t *mask, const struct sm_grid *g, int axis,
				   struct sm_err *err);

size_t sm_mask_count(const uint8_t *mask, const struct sm_grid *g);

#endif
