/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters along the axes of one channel for augmentation: Gaussian blur, and low resolution as a
 * filter whose few weights differ from voxel to voxel.
 */
#ifndef SM_TRAIN_AUGMENT_FILTER_H
#define SM_TRAIN_AUGMENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Convolves x (z,y,x) with a Gaussian, cut at 4 sigma, mirrored at the borders (d c b a | a b c d),
 * along all axes or along y and x. spare holds as many numbers as x, work 2 * 65 n + 128 with n the
 * longest axis. */
void sm_filter_gaussian(float *x, const int64_t size[3], double sigma, bool plane, float *spare,
			float *work);

/* Leaves round(zoom n) of n voxels (nearest) of an axis and interpolates back, linearly or by
 * Keys's cubic (a = -1/2), beyond the border the nearest. Buffers as above. */
void sm_filter_low_resolution(float *x, const int64_t size[3], double zoom, bool cubic, bool plane,
			      float *spare, float *work);

#endif
