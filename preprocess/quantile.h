/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact percentiles by radix selection: three passes over the bits, no sort, no copy, and no random
 * pivot, so time is linear whatever the values are. For many percentiles of one volume, and for
 * histogram matching, a radix sort of the same keys.
 */
#ifndef SM_PREPROCESS_QUANTILE_H
#define SM_PREPROCESS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

/* The value of rank k (0 = smallest) among those v[i], i < n, with keep[i] != 0 (keep NULL = all).
 * The values must be finite and more than k of them be kept. */
float sm_select_f32(const float *v, const uint8_t *keep, size_t n, size_t k);

/* The percentile p (0..100) of the `kept` values: with h = p / 100 * (kept - 1) it lies between
 * ranks floor(h) and floor(h) + 1 linearly (type 7 of Hyndman and Fan, 1996; numpy's default). */
double sm_percentile_f32(const float *v, const uint8_t *keep, size_t n, size_t kept, double p);

/* The same from sorted values. */
double sm_percentile_sorted(const float *sorted, size_t kept, double p);

/* A value and the index that it had. */
struct sm_ranked {
	uint32_t key, index; /* key orders as the value does */
};
float sm_ranked_value(struct sm_ranked r);

/* The kept values with their indices in rising order, equal ones by index; -0 counts as 0. *out is
 * sm_alloc memory of the caller, `kept` long. SM_INPUT when n does not fit 32 bits, SM_BUDGET. */
enum sm_status sm_rank_f32(const float *v, const uint8_t *keep, size_t n, size_t kept,
			   struct sm_mem *mem, struct sm_ranked **out, struct sm_err *err);

/* The kept values alone, sorted. */
enum sm_status sm_sort_f32(const float *v, const uint8_t *keep, size_t n, size_t kept,
			   struct sm_mem *mem, float **out, struct sm_err *err);

#endif
