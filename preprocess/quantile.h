/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact percentiles by radix selection: three passes over the bits, no sort, no copy, and no random
 * pivot, so time is linear whatever the values are.
 */
#ifndef SM_PREPROCESS_QUANTILE_H
#define SM_PREPROCESS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/* The value of rank k (0 = smallest) among those v[i], i < n, with keep[i] != 0 (keep NULL = all).
 * The values must be finite and more than k of them be kept. */
float sm_select_f32(const float *v, const uint8_t *keep, size_t n, size_t k);

/* The percentile p (0..100) of the `kept` values: with h = p / 100 * (kept - 1) it lies between
 * ranks floor(h) and floor(h) + 1 linearly (type 7 of Hyndman and Fan, 1996; numpy's default). */
double sm_percentile_f32(const float *v, const uint8_t *keep, size_t n, size_t kept, double p);

#endif
