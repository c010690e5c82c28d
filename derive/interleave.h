/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices between the slices of a scan. Z slices and a factor f give (Z-1)*f+1 slices: the originals
 * at multiples of f, every stored bit of them, and f-1 predicted ones in each gap. Both end slices
 * stay; nothing is extrapolated. The original study speaks of 240 -> 480 slices; 479 is what keeps
 * both ends where they are.
 */
#ifndef SM_DERIVE_INTERLEAVE_H
#define SM_DERIVE_INTERLEAVE_H

#include <stdint.h>

#include "core/vol.h"

#define SM_FACTOR_MIN 2
#define SM_FACTOR_MAX 10

/* How the slices of a volume along one of its first three axes lie in memory: value (x, y) of slice
 * k is at x*step_x + y*step_y + k*step. x is the first of the two other axes. */
struct sm_planes {
	int axis;
	int64_t width, height, count;
	size_t step_x, step_y, step;
};
struct sm_planes sm_planes_of(const struct sm_vol *vol, int axis);

/* Slice k as real values (slope applied) in float32, out[y * width + x]. Thread-safe. */
void sm_planes_get(const struct sm_vol *vol, const struct sm_planes *planes, int64_t k, float *out);

/* The reverse. Of a whole-number type (value - inter) / slope is rounded half to even and clamped
 * to the type's range; NaN becomes the value nearest to 0. Thread-safe for different slices. */
void sm_planes_put(struct sm_vol *vol, const struct sm_planes *planes, int64_t k, const float *in);

/* A volume being interleaved. source is borrowed, out is owned. */
struct sm_interleave {
	const struct sm_vol *source;
	struct sm_vol out;
	struct sm_planes from, to;
	int factor;
	const bool *none; /* borrowed, of the caller; for each slice of the source whether it holds
			     nothing; NULL = all hold something. Gaps beside such a slice get its
			     values, and to other gaps it is as if the volume ended before it. */
};

/* Makes the new volume: data type, slope, intercept and meaning of the source, originals in place,
 * all other slices 0. Its affine has the slice axis' column divided by the factor and the same
 * origin, so that slice k*f lies where slice k lay; that holds for oblique, flipped and sheared
 * (tilted gantry) affines alike. name starts the sentences. SM_INPUT: a fourth axis, one slice;
 * SM_USAGE: axis beyond 0..2, factor beyond 2..10; SM_BUDGET. Clear with sm_interleave_clear. */
enum sm_status sm_interleave_begin(struct sm_interleave *il, const struct sm_vol *source, int axis,
				   int factor, const char *name, struct sm_mem *mem,
				   struct sm_err *err);
void sm_interleave_clear(struct sm_interleave *il);

enum sm_fill {
	SM_FILL_NEAREST, /* the nearer slice; of two equally near ones the later, as
			    SM_NEAREST of preprocess/resample.h */
	SM_FILL_LINEAR,  /* (1-t) A + t C */
	SM_FILL_CUBIC,   /* cubic convolution over four slices, see below */
	SM_FILL_MIDDLE,  /* a caller's function that predicts the middle of two slices */
};

/* SM_FILL_CUBIC: a = -1/2; beyond the ends the third-order continuation of Keys (IEEE Trans. ASSP
 * 29(6), 1981) p[-1] = 3 p[0] - 3 p[1] + p[2], of two slices p[-1] = 2 p[0] - p[1]: exact for
 * straight lines and parabolas up to the ends. */

/* Predicts the slice halfway between a and c (real values, width*height, row by row) into out,
 * which is neither. Called by one thread at a time. For gap 0, 1, 2, ... in order, and within a gap
 * always in the same order. */
typedef enum sm_status (*sm_middle)(void *ctx, const float *a, const float *c, float *out,
				    int64_t width, int64_t height, struct sm_err *err);

struct sm_filler {
	enum sm_fill method;
	sm_middle middle; /* of SM_FILL_MIDDLE */
	void *ctx;
};

/* Depth of halving for a factor: the least d with 2^d >= factor. */
int sm_interleave_depth(int factor);

/* Fills gap k (0 .. source slices - 2), positions j/f between slices k and k+1, j = 1..f-1.
 *
 * SM_FILL_MIDDLE halves the gap again and again: the middle of A and C, then that of A and the
 * middle, and so on to depth sm_interleave_depth(f). Where f is a power of two each position is one
 * of these slices. For other factors a position between two of them is blended linearly from these
 * two: 1/3 = 2/3 of the slice at 1/4 and 1/3 of the one at 1/2. A network knows the middle alone,
 * and each halving asks it about slices nearer to each other than any it was trained on and adds
 * its error to the one before; so the depth stops at the first grid that is as fine as the wanted
 * one, where a linear step is at most 1/f of the gap, and its error 1/f^2 of that of linear
 * interpolation across the gap. Slices that no position needs are not asked for. */
enum sm_status sm_interleave_gap(struct sm_interleave *il, int64_t k,
				 const struct sm_filler *filler, struct sm_mem *mem,
				 struct sm_err *err);

/* All gaps; SM_FILL_MIDDLE in one thread (a network has its own), others on up to `jobs`, with the
 * same bits. */
enum sm_status sm_interleave_fill(struct sm_interleave *il, const struct sm_filler *filler,
				  int jobs, struct sm_mem *mem, struct sm_err *err);

#endif
