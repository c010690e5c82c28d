/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact Euclidean distances to the nearest site of a grid of any spacing, where they are asked for.
 *
 * The square of a distance is (sx dx)^2 + ((sy dy)^2 + (sz dz)^2) in double; the least over all
 * sites is found as if every site had been tried. With equal spacing the squares are whole numbers
 * until the end and every bit is right; otherwise the last bit of a far one may be rounded another
 * way.
 *
 * A point first looks along the rows around it, nearest rows first; the nearest site of a row is
 * found by counting bits. Points whose sites are far are left to planes of one x, solved by
 * lower envelopes of parabolas (Felzenszwalb and Huttenlocher, "Distance transforms of sampled
 * functions", Theory of Computing 8, 2012), so the work never grows beyond the voxels of the box.
 */
#ifndef SM_EVAL_EDT_H
#define SM_EVAL_EDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "eval/edge.h"

struct sm_edt_grid {
	int64_t n[3];
	double spacing[3]; /* mm */
	struct sm_mem *mem;
	int jobs;
};

/* Squared mm from each voxel to the nearest site, a byte that is not 0; out has n[0] n[1] n[2]
 * values, x fastest, infinite when there is no site. SM_BUDGET. Thread-safe. */
enum sm_status sm_edt_squared(const uint8_t *site, const struct sm_edt_grid *g, double *out,
			      struct sm_err *err);

/* The same at the voxels where[0..count) alone. */
enum sm_status sm_edt_at(const uint8_t *site, const struct sm_edt_grid *g, const uint32_t *where,
			 size_t count, double *squared, struct sm_err *err);

/* From here on: many searches in one loop, for eval/surface.c. */

/* Squares of whole steps along each axis, and the rows around a point, nearest first. */
struct sm_rows_near {
	size_t count;
	struct sm_row_near *row; /* owned */
	double reach;            /* every row nearer than this (squared) is among them */
	double scale;            /* mm of a unit: the spacing where it is equal, otherwise 1 */
	double step[3];          /* units a step */
};
struct sm_row_near {
	double square; /* units */
	int32_t dy, dz;
};
/* For grids of at most n points. SM_INTERNAL: a spacing that is no length. */
enum sm_status sm_rows_near_init(struct sm_rows_near *rows, const double spacing[3],
				 const int64_t n[3], struct sm_mem *mem, struct sm_err *err);
void sm_rows_near_clear(struct sm_rows_near *rows);

/* One search: from each set bit of `from` to the nearest of `to`, grids of one size. out[i] is the
 * distance in mm, or its square, of the i-th set bit in the order of the rows. */
struct sm_search {
	const struct sm_bits *from, *to;
	double *out; /* sm_bits_count(from) values */
	bool squared;
};

/* Searches in one parallel loop. `to` with no bit: infinite. SM_BUDGET. */
enum sm_status sm_search_all(const struct sm_search *search, size_t n,
			     const struct sm_rows_near *near, struct sm_mem *mem, int jobs,
			     struct sm_err *err);

#endif
