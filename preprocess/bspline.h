/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform cubic B-splines on three axes: a smooth field from few numbers. Along an axis of `mesh`
 * cells (at most SM_MESH_MAX) there are mesh + 3 control points. Used for bias fields.
 */
#ifndef SM_PREPROCESS_BSPLINE_H
#define SM_PREPROCESS_BSPLINE_H

#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

#define SM_MESH_MAX 512

struct sm_lattice {
	int64_t mesh[3];
	int64_t points[3]; /* mesh + 3 */
	double *c;         /* points[0] * points[1] * points[2] values, x fastest */
};

/* Where the samples of one axis lie: cell[i] is the first control point, w[4 i ..] the weights of
 * four. */
struct sm_bspline_axis {
	int64_t n;
	int64_t *cell;
	double *w;
};

/* A lattice of zeros; sm_lattice_clear frees it. SM_BUDGET. */
enum sm_status sm_lattice_init(struct sm_lattice *l, const int64_t mesh[3], struct sm_mem *mem,
			       struct sm_err *err);
void sm_lattice_clear(struct sm_lattice *l);

/* Samples first, first + step, ... (n of them) of an axis on which 0..last is the whole of the
 * mesh; last 0 puts all at the start. sm_bspline_axis_clear frees it. */
enum sm_status sm_bspline_axis_init(struct sm_bspline_axis *a, int64_t n, double first, double step,
				    double last, int64_t mesh, struct sm_mem *mem,
				    struct sm_err *err);
void sm_bspline_axis_clear(struct sm_bspline_axis *a);

/* out[i] = the field at the samples, n[0] * n[1] * n[2] values of which only z planes z0..z1-1 are
 * written. */
void sm_lattice_evaluate(const struct sm_lattice *l, const struct sm_bspline_axis axis[3],
			 int64_t z0, int64_t z1, float *out);

/* S. Lee and others (IEEE TVCG 3, 1997), one level: control points that come near `value` at the
 * samples with mask != 0; each is the mean of what every sample alone would ask for, weighted by
 * the squared basis. Control points that no sample reaches are 0. The sums have one order whatever
 * `jobs` is. */
enum sm_status sm_lattice_fit(struct sm_lattice *l, const struct sm_bspline_axis axis[3],
			      const float *value, const uint8_t *mask, struct sm_mem *mem, int jobs,
			      struct sm_err *err);

/* The same field on a mesh of twice as many cells along every axis. */
enum sm_status sm_lattice_refine(struct sm_lattice *l, struct sm_mem *mem, struct sm_err *err);

#endif
