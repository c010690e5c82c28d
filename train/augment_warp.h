/* SPDX-License-Identifier: Apache-2.0
 *
 * One resampling of a sample: rotation, scaling, translation, mirroring and elastic displacement
 * together. Linear for values; for a label the share of each label among the neighbours, linearly
 * weighted, and the largest wins (the smaller label when equal).
 */
#ifndef SM_TRAIN_AUGMENT_WARP_H
#define SM_TRAIN_AUGMENT_WARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Axes are z, y, x. A voxel o of the result takes what stands at c + m (o - c + u(o)) + t, c the
 * middle of the sample. u is a cubic B-spline: point k of an axis stands at (k - 1) spacing voxels;
 * an axis with one point does not change u. */
struct sm_warp {
	double m[3][3], t[3];
	double spacing;
	int grid[3];      /* points of the control grid along each axis; grid[2] == 0 = no u */
	double *control;  /* [3][grid z][grid y][grid x], voxels; component z, y, x */
	bool zero;        /* outside is 0; else as the nearest voxel inside */
};

/* Nothing moves; control is kept. */
void sm_warp_reset(struct sm_warp *w);

/* What stands in the picture behind `w` is moved by m, t (a change of the result's coordinates). */
void sm_warp_then(struct sm_warp *w, const double m[3][3], const double t[3]);

/* Whether every voxel stays where it is. */
bool sm_warp_is_nothing(const struct sm_warp *w);

/* Points that a grid needs for n voxels. */
int sm_warp_points(int64_t n, double spacing);

/* Bytes of `work` for samples of that width and grids of so many points along x. */
size_t sm_warp_work(int64_t width, int grid_x);

/* Resamples x (C,D,H,W) and y (D,H,W) of size {D,H,W} to out_x and out_y. Moves that are mirrorings
 * and quarter turns are exact copies. */
void sm_warp_run(const struct sm_warp *w, const int64_t size[3], int64_t channels, const float *x,
		 const uint8_t *y, float *out_x, uint8_t *out_y, void *work);

#endif
