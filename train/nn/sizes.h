/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of the own kernels' pieces and buffers.
 */
#ifndef SM_TRAIN_SIZES_H
#define SM_TRAIN_SIZES_H

#include <stddef.h>

#include "train/nn/conv_wino.h"

static inline int ceil_div(int a, int b)
{
	return (a + b - 1) / b;
}

static inline size_t ceil_div_size(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* Floats made an odd number of blocks, so that streams that far apart do not meet in the same sets
 * of the caches. */
static inline size_t spread(size_t floats)
{
	return (floats / WINO_LANES | 1) * WINO_LANES;
}

#endif
