/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions of sixteen taps: what stands between the driver (conv_columns.c), which shares out
 * the work, and what is done with a share (conv_columns_body.h, one table for each instruction
 * set).
 */
#ifndef SM_TRAIN_CONV_COLUMNS_H
#define SM_TRAIN_CONV_COLUMNS_H

#include "train/nn/conv.h"

#define COLUMNS_TAPS 16
#define COLUMNS_LANES 16
#define COLUMNS_GROUP (COLUMNS_LANES * COLUMNS_TAPS) /* columns of K of 16 channels */
#define COLUMNS_WIDE 64                              /* a panel */
#define COLUMNS_SPAN 256                             /* pixels of a forward job, 64 a panel */
#define COLUMNS_STRETCH 128 /* pixels of the other passes at a time, at most */

struct columns_shape {
	size_t ic, oc, k, pixels, groups;
	size_t line; /* pixels of an output plane */
};

/* Outputs [o0, o1) of pixels [from, from + count). */
struct columns_part {
	size_t from, count, o0, o1;
};

/* Rows [y0, y1) of a plane of x, group g. */
struct columns_band {
	size_t g, plane;
	int y0, y1;
};

static inline size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct columns_isa {
	const char *name;
	void (*forward)(const struct conv_desc *d, const struct columns_shape *s,
			const struct conv_args *a, const struct columns_part *job, float *own);
	/* Of few pixels, by all threads. */
	void (*few)(const struct conv_desc *d, const struct columns_shape *s,
		    const struct conv_args *a, float *patch);
	/* gw of group g, outputs [o0, o1). */
	void (*weights)(const struct conv_desc *d, const struct columns_shape *s,
			const struct conv_args *a, size_t g, size_t o0, size_t o1, float *own);
	void (*data)(const struct conv_desc *d, const struct columns_shape *s,
		     const struct conv_args *a, const struct columns_band *b, float *own);
};

/* NULL where not compiled. */
extern const struct columns_isa *const columns_isa_avx512, *const columns_isa_avx2;

#endif
