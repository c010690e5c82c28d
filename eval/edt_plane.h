/* SPDX-License-Identifier: Apache-2.0
 *
 * The distances of a whole plane of one x, by rows, then along y, then along z: for eval/edt.c.
 */
#ifndef SM_EVAL_EDT_PLANE_H
#define SM_EVAL_EDT_PLANE_H

#include "eval/edt.h"

/* Scratch of one thread for planes of n[1] x n[2] points. */
struct sm_edt_plane {
	int64_t n[3];
	const double *square[3];  /* (i steps)^2 along each axis, units; borrowed */
	const double *inverse[3]; /* 1 / (2 i step^2) */
	double *at;               /* owned, as what follows: [y * n[2] + z] squared units */
	double *line, *bound;
	int32_t *of;
};
enum sm_status sm_edt_plane_init(struct sm_edt_plane *plane, struct sm_mem *mem,
				 struct sm_err *err);
void sm_edt_plane_clear(struct sm_edt_plane *plane);

/* Fills plane->at for the lines of y that are wanted. */
void sm_edt_plane_solve(struct sm_edt_plane *plane, const struct sm_bits *site, int64_t x,
			const uint8_t *wanted);

/* Steps along x from x to the nearest set bit of a row, or -1. */
static inline int64_t sm_row_nearest(const uint64_t *row, size_t words, int64_t x)
{
	const size_t i = (size_t)x >> 6;
	const unsigned shift = (unsigned)x & 63;
	const uint64_t above = row[i] >> shift, below = row[i] << (63 - shift);
	int64_t up = -1, down = -1;
	if (above)
		up = __builtin_ctzll(above);
	if (below)
		down = __builtin_clzll(below);
	if (words > 1) {
		for (size_t k = i + 1; up < 0 && k < words; k++)
			if (row[k])
				up = (int64_t)k * 64 - x + __builtin_ctzll(row[k]);
		for (size_t k = i; down < 0 && k > 0; k--)
			if (row[k - 1])
				down = x - (int64_t)k * 64 + 1 + __builtin_clzll(row[k - 1]);
	}
	return up < 0 ? down : down < 0 || up < down ? up : down;
}

#endif
