/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A stream is named by what it is for, never by a thread
 * or an order of calls, so any number can be drawn anywhere at any time with the same result.
 */
#ifndef SM_CORE_RNG_H
#define SM_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* One stream; plain data, copy to fork. */
struct sm_rng {
	uint32_t key[2];
	uint32_t ctr[4];
	uint32_t out[4];
	unsigned have; /* unread words in out */
};

/* The bare block function of the paper: out = philox4x32-10(ctr, key). */
void sm_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* Names a stream: seed is the user's, purpose a literal such as "tile.start", item the case key
 * (may be ""), epoch and index numbers. Different names give independent streams. */
void sm_rng_init(struct sm_rng *rng, uint64_t seed, const char *purpose, const char *item,
		 uint64_t epoch, uint64_t index);

uint32_t sm_rng_u32(struct sm_rng *rng);

/* What n calls of sm_rng_u32 give, sooner. */
void sm_rng_fill(struct sm_rng *rng, uint32_t *out, size_t n);

/* Uniform in [0, n), unbiased; n >= 1. */
uint32_t sm_rng_below(struct sm_rng *rng, uint32_t n);

/* Uniform in [0, 1) with 24 (float) or 53 (double) random bits. */
float sm_rng_f32(struct sm_rng *rng);
double sm_rng_f64(struct sm_rng *rng);

/* The p quantile of the standard normal distribution, 0 < p < 1, by Wichura's AS 241 (1988) with a
 * logarithm made of IEEE basic operations only, so that the bits are the same on every machine. */
double sm_normal_quantile(double p);

/* Standard normal by inversion. */
double sm_rng_normal(struct sm_rng *rng);

/* Fisher-Yates: fills order[0..n) with a random permutation of 0..n-1. */
void sm_rng_permutation(struct sm_rng *rng, size_t *order, size_t n);

#endif
