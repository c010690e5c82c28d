/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the norms over one block of rows; op_norm.c has the formulas and says what is done
 * with the blocks. Values are counted in elements of the tensors.
 */
#ifndef SM_TRAIN_NORM_ROWS_H
#define SM_TRAIN_NORM_ROWS_H

#include "train/nn/op.h"

/* What belongs to a channel, each repeated along a line. KEEP: what backward takes away, the mean
 * of g and of g (x - mean) over the variance. */
enum { NORM_MEAN, NORM_SCALE, NORM_SHIFT, NORM_KEEP0, NORM_KEEP1, NORM_VALUES };

/* Values of a line: the least multiple of the channels and of a vector from 128 on. */
size_t norm_line(size_t c);
/* Fills a line from its first c values. */
void norm_repeat(float *to, size_t c);

/* The tensors of a call. slope: behind zero, 1 = no activation. */
struct norm_rows {
	const void *x, *gy;
	void *y, *gx;
	enum elem xe, ye;
	float slope;
	bool stream_y, stream_gx; /* results too large for the caches, not over an input */
	bool acc;                 /* gx is added to */
	size_t c, line;
	const float *value; /* NORM_VALUES lines */
};

/* Bytes of the sums of one block: 2c doubles, behind them room of the loops. */
static inline size_t norm_sums_bytes(size_t c)
{
	return 2 * c * sizeof(double) + 2 * norm_line(c) * sizeof(float);
}

/* Values [at, at + count), whole rows.
 * sum[2c]: of x - shift and of its square; shift is NORM_MEAN's line. */
void norm_sums(const struct norm_rows *g, size_t at, size_t count, double *sum);
/* sum[2c]: of g and of g (x - mean). */
void norm_back_sums(const struct norm_rows *g, size_t at, size_t count, double *sum);
void norm_apply(const struct norm_rows *g, size_t at, size_t count);
void norm_back(const struct norm_rows *g, size_t at, size_t count);

/* The same for one instruction set; NULL when compiled for another architecture. */
struct norm_isa {
	void (*sums)(const struct norm_rows *g, size_t at, size_t count, double *sum);
	void (*back_sums)(const struct norm_rows *g, size_t at, size_t count, double *sum);
	void (*apply)(const struct norm_rows *g, size_t at, size_t count);
	void (*back)(const struct norm_rows *g, size_t at, size_t count);
};
extern const struct norm_isa *const norm_isa_avx512, *const norm_isa_avx2;
extern const struct norm_isa norm_isa_portable;

#endif
