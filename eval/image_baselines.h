/* SPDX-License-Identifier: Apache-2.0
 *
 * Images that need no learning, beside which every model is scored: the source itself, the mean of
 * the training targets, white, and interpolation between slices. Plain functions on float arrays, x
 * fastest.
 */
#ifndef SM_EVAL_IMAGE_BASELINES_H
#define SM_EVAL_IMAGE_BASELINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

enum {
	SM_BASE_IDENTITY,
	SM_BASE_MEAN,
	SM_BASE_WHITE,
	SM_BASE_CONSTANT,
	SM_BASE_BODY_MEAN,
	SM_BASE_BODY_CONSTANT,
	SM_BASE_AVERAGE,
	SM_BASE_NEAREST,
	SM_BASE_LINEAR,
	SM_BASE_CATMULL_ROM,
	SM_BASE_SPLINE,
	SM_BASELINES
};

struct sm_baseline {
	const char *key, *name;
	const char *what; /* in words, for tables and pages */
	bool between;     /* for slices between slices: needs known neighbours along z */
	int method; /* enum sm_method of sm_slices_at where it is one of interpolation; else -1 */
	bool body;  /* stands for the inside of the body alone */
};
extern const struct sm_baseline sm_baselines[SM_BASELINES];

/* The source itself, from[0] -> to[0] and from[1] -> to[1] on a line (to the target's range), cut
 * there when `clip`. out may be source. SM_USAGE when from[0] == from[1] or a number is not finite.
 */
enum sm_status sm_baseline_identity(const float *source, size_t n, const double from[2],
				    const double to[2], bool clip, float *out, struct sm_err *err);

/* n times the value: white is +1 in [-1, 1], or the target's maximum. */
void sm_baseline_white(float value, size_t n, float *out);

/* (A + C) / 2, rounded once. out may be a or c. */
void sm_baseline_average(const float *a, const float *c, size_t n, float *out);

/* The mean of images of n values each, added one after the other in double: the order of adding is
 * part of the result's last bits. sm_mean_image_clear frees; a zeroed struct is fine to clear. */
struct sm_mean_image {
	double *sum;
	size_t n;
	uint64_t images;
};
enum sm_status sm_mean_image_init(struct sm_mean_image *mean, size_t n, struct sm_mem *mem,
				  struct sm_err *err);
/* SM_INPUT, naming `name`, when its size is another or a value is not finite; the mean is then as
 * before. */
enum sm_status sm_mean_image_add(struct sm_mean_image *mean, const float *v, size_t n,
				 const char *name, struct sm_err *err);
/* SM_INPUT before the first image. */
enum sm_status sm_mean_image_get(const struct sm_mean_image *mean, float *out, struct sm_err *err);
void sm_mean_image_clear(struct sm_mean_image *mean);

/* Slices at `count` places along z of v (dim voxels), in steps of its slices: 0 is the first,
 * dim[2] - 1 the last, 0.5 midway between the first two. method: enum sm_method of
 * preprocess/resample.h without SINC:
 *	NEAREST      the nearest slice, the later of two equally near
 *	LINEAR
 *	CATMULL_ROM  Keys' cubic convolution of four slices, a = -1/2; a slice that is missing
 *	             beyond an end is 3 f(0) - 3 f(1) + f(2), as in his paper (of two slices
 *	             2 f(0) - f(1))
 *	CUBIC        the interpolating cubic spline through all slices, natural: its second
 *	             derivative is 0 at both ends (B-spline coefficients of the slices continued
 *	             by 2 f(0) - f(-z))
 * so that no method flattens at the ends, where a weak baseline would flatter the model. A place
 * within 1e-9 of a whole number is a copy of that slice bit for bit, whatever the method. out:
 * count slices, not v. Working memory of CUBIC: 8 bytes a voxel of v and of 32 slices more.
 * SM_INPUT for a place beyond the slices; SM_USAGE, SM_BUDGET. */
enum sm_status sm_slices_at(const float *v, const int64_t dim[3], const double *place,
			    int64_t count, int method, struct sm_mem *mem, int jobs, float *out,
			    struct sm_err *err);

/* factor - 1 slices between each two: (dim[2] - 1) * factor + 1 slices in all, of which each
 * factor-th from the first on is one of v. factor 1 to 64. */
enum sm_status sm_slices_between(const float *v, const int64_t dim[3], int factor, int method,
				 struct sm_mem *mem, int jobs, float *out, struct sm_err *err);

#endif
