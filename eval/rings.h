/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact distances of a few voxels, for 64 points of a row at a time. A ring is all offsets of one
 * length; words of sites are shifted by the offsets of the nearest ring, then of the next, and the
 * points that meet a site are counted there. Where sites are dense, as in noise, next to nothing is
 * left, and no distance of any point is written down. What is left is for eval/edt.h, whose squares
 * are the same doubles: it does not matter to a result which of the two finds a distance.
 */
#ifndef SM_EVAL_RINGS_H
#define SM_EVAL_RINGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "eval/edge.h"
#include "eval/edt.h"

enum { SM_RINGS = 32, SM_RING_ROWS = 96, SM_RING_LOOKS = 192 };

/* Plain data. */
struct sm_rings {
	size_t count;           /* at least one: the point itself, 0 mm */
	double mm[SM_RINGS];    /* ascending; no offset but theirs is as short as the last */
	uint16_t end[SM_RINGS]; /* behind the last look of each */
	struct {
		uint8_t row, dx; /* dx both ways */
	} look[SM_RING_LOOKS];
	struct {
		int32_t dy, dz;
	} row[SM_RING_ROWS];
	size_t rows;
};
void sm_rings_init(struct sm_rings *rings, const struct sm_rows_near *near);

/* One search: from each set bit of `from` to the nearest of `to`, grids of one size. With a mask,
 * `from` are its corner points, and they are counted by the codes of the voxels around. */
struct sm_ring_search {
	const struct sm_bits *from, *to, *mask; /* mask may be NULL */
	uint64_t *count;                        /* owned; [ring * sm_ring_kinds + kind] */
	struct sm_bits rest;                    /* owned; points that were not found */
	size_t left;                            /* their number */
};

/* 1, or with a mask SM_SURFEL_CODES. */
size_t sm_ring_kinds(const struct sm_ring_search *search);

/* Searches in one parallel loop; fills count, rest and left. SM_BUDGET. */
enum sm_status sm_rings_all(struct sm_ring_search *search, size_t n, const struct sm_rings *rings,
			    struct sm_mem *mem, int jobs, struct sm_err *err);
void sm_ring_search_clear(struct sm_ring_search *search);

#endif
