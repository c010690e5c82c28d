/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks of one bit a voxel, 64 voxels of a row in a word, and the two surfaces of a mask: its edge
 * voxels and the corner points between voxels that its surface passes. Every grid has a margin of
 * one empty voxel on all sides, so no step asks where the volume ends: outside is background.
 */
#ifndef SM_EVAL_EDGE_H
#define SM_EVAL_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "eval/box.h"

/* n with the margin; row (y, z) starts at bit[(z * n[1] + y) * words]. */
struct sm_bits {
	int64_t n[3];
	size_t words;  /* a row */
	uint64_t *bit; /* owned */
};

/* An empty grid for a box of n voxels. SM_BUDGET. */
enum sm_status sm_bits_init(struct sm_bits *bits, const int64_t n[3], struct sm_mem *mem,
			    struct sm_err *err);
void sm_bits_clear(struct sm_bits *bits);

/* Sets the bits of a box of the volume whose values are members; voxel (0, 0, 0) of the box lies at
 * (1, 1, 1). bits is made for the box's size. */
void sm_bits_cut(struct sm_bits *bits, const uint8_t *value, const int64_t dim[3],
		 const struct sm_box *box, const uint8_t member[256]);

/* For images of one voxel along an axis, which have no inside or outside along it: fills the margin
 * there with what is beside it. Before edges and corner points are made. An image of one voxel in
 * all is left alone. */
void sm_bits_flatten(struct sm_bits *bits, const bool flat[3]);

/* Edge voxels: set voxels one of whose 6 neighbours is not. Both grids of one size. */
void sm_bits_edge(const struct sm_bits *mask, struct sm_bits *edge);

/* Corner points with set and empty voxels among the 8 around: point (x, y, z) lies between voxels
 * (x - 1, y - 1, z - 1) and (x, y, z). Both grids of one size. */
void sm_bits_corners(const struct sm_bits *mask, struct sm_bits *corner);

/* Bits that are set in rows from..to-1. */
size_t sm_bits_count(const struct sm_bits *bits, size_t from, size_t to);

static inline unsigned sm_bits_at(const struct sm_bits *b, int64_t x, int64_t y, int64_t z)
{
	return (unsigned)(b->bit[(size_t)(z * b->n[1] + y) * b->words + (size_t)(x >> 6)] >>
			  (x & 63)) &
	       1;
}

#endif
