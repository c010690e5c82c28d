/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume on another grid. Flips, axis swaps, cuts and pads copy voxels; everything else
 * interpolates: axis by axis where the axes of both grids line up, otherwise voxel by voxel.
 */
#ifndef SM_PREPROCESS_RESAMPLE_H
#define SM_PREPROCESS_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"

/* With t = distance in voxels of the old grid:
 *	NEAREST      the voxel at floor(u + 0.5)
 *	LINEAR       1 - |t|
 *	CUBIC        interpolating cubic B-spline, coefficients by the recursive filter of Unser,
 *	             Aldroubi and Eden (IEEE Trans. Signal Process. 41, 1993) with mirrored ends: as
 *	             scipy's order 3 with prefilter and mode "mirror"
 *	CATMULL_ROM  Keys' cubic convolution with a = -1/2 (IEEE Trans. ASSP 29, 1981)
 *	SINC         sinc(t) sinc(t / lobes), |t| < lobes (Lanczos)
 * LINEAR, CATMULL_ROM and SINC leave out voxels beyond the edge and make the weights' sum 1. */
enum sm_method { SM_NEAREST, SM_LINEAR, SM_CUBIC, SM_CATMULL_ROM, SM_SINC };

/* Along an axis whose step is above one old voxel:
 *	KERNEL    the kernel is widened by the step, as PIL does (LINEAR, CATMULL_ROM, SINC)
 *	AREA      mean over the new voxel's extent instead of the kernel, as OpenCV's INTER_AREA
 *	GAUSSIAN  the old grid is smoothed first with sigma = (step - 1) / 2 voxels, cut at 4 sigma,
 *	          ends mirrored, as scikit-image's resize */
enum sm_antialias { SM_ALIAS_NONE, SM_ALIAS_KERNEL, SM_ALIAS_AREA, SM_ALIAS_GAUSSIAN };

struct sm_resample {
	int method;    /* enum sm_method */
	int lobes;     /* of SINC, 1 to 8 */
	int antialias; /* enum sm_antialias */
	bool vote;   /* labels: the label with the largest linearly interpolated share, the smallest
		      * of equals; otherwise nearest */
	double fill; /* real value of new voxels whose centre is outside the old grid, that is more
		      * than half a voxel beyond its outermost centres; labels get 0 */
};

/* A new grid for a volume. */
struct sm_target {
	int64_t dim[3];
	double map[4][4];    /* new voxel index -> old voxel index; last row 0 0 0 1 */
	double affine[4][4]; /* of the new grid */
};

/* The target of a map: its affine is the volume's times map. */
void sm_target_map(const struct sm_vol *v, const int64_t dim[3], double map[4][4],
		   struct sm_target *t);

/* The target that is the grid of `like`. A map that is within 0.001 voxel of one with whole or no
 * components over the whole grid gets these. SM_INPUT when the volume's affine is singular. */
enum sm_status sm_target_like(const struct sm_vol *v, const struct sm_vol *like,
			      struct sm_target *t, struct sm_err *err);

/* True for flips, axis swaps and whole shifts: nothing is interpolated. */
bool sm_target_exact(const struct sm_target *t);
/* True when, besides, nothing moves. */
bool sm_target_same(const struct sm_vol *v, const struct sm_target *t);

/* The map backwards: old voxel index -> new. Exact for sm_target_exact. False when singular. */
bool sm_target_back(const struct sm_target *t, double back[4][4]);

/* product = a * b, 4 x 4; product may be neither. */
void sm_affine_product(double a[4][4], double b[4][4], double product[4][4]);

/* Replaces the volume (every frame by itself). Exact targets and NEAREST keep the type, the others
 * make it float32 real values, as does a fill that the type's numbers do not hold. Interpolation
 * runs in double throughout and is rounded to float32 once, at the end: a constant stays what it is
 * to the last bit. Peak memory: two double grids. Results do not depend on jobs. SM_BUDGET;
 * SM_INPUT for KERNEL and AREA when the axes do not line up. */
enum sm_status sm_vol_resample(struct sm_vol *v, const struct sm_target *t,
			       const struct sm_resample *how, struct sm_mem *mem, int jobs,
			       struct sm_err *err);

/* The same for a uint8 volume of labels (nearest or vote). */
enum sm_status sm_labels_resample(struct sm_vol *v, const struct sm_target *t, bool vote,
				  struct sm_mem *mem, int jobs, struct sm_err *err);

/* Inside: the kernel at t >= 0 and its half width. */
double sm_kernel(const struct sm_resample *how, double t);
double sm_kernel_support(const struct sm_resample *how);

/* Inside: weights at old position u of an axis of n voxels, widened by scale >= 1: taps of the old
 * voxels *first and up, their count returned (at most `room`). u is within the axis. */
int sm_kernel_weights(const struct sm_resample *how, double u, double scale, int64_t n, int room,
		      int64_t *first, double *weight);

/* Inside: a copy of n values in double; sm_free it. NULL: SM_BUDGET. */
double *sm_widen(const float *v, size_t n, struct sm_mem *mem, struct sm_err *err);

/* Inside: B-spline coefficients, or smoothing for a step (GAUSSIAN), along axis a of each frame, in
 * place. */
enum sm_status sm_spline_axis(double *v, const int64_t dim[4], int a, struct sm_mem *mem, int jobs,
			      struct sm_err *err);
enum sm_status sm_smooth_step(double *v, const int64_t dim[4], int a, double step,
			      struct sm_mem *mem, int jobs, struct sm_err *err);

/* Inside: float32 volumes with and without lined up axes. *out is allocated. */
enum sm_status sm_resample_axes(struct sm_vol *v, const struct sm_target *t,
				const struct sm_resample *how, struct sm_mem *mem, int jobs,
				struct sm_vol *out, struct sm_err *err);
enum sm_status sm_resample_oblique(struct sm_vol *v, const struct sm_target *t,
				   const struct sm_resample *how, struct sm_mem *mem, int jobs,
				   struct sm_vol *out, struct sm_err *err);

#endif
