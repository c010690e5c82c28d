/* SPDX-License-Identifier: Apache-2.0 */
#include "core/standardise.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Vector code for the CPU at hand; every clone gives the same bits. Sanitizers cannot run the
 * resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

/* Eight interleaved sums keep the adders busy; their order is part of the result. */
#define LANES 8

static double fold(const double lane[LANES])
{
	return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
	       ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

CLONES static double sum(const float *v, size_t n)
{
	double lane[LANES] = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += (double)v[i + (size_t)l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += (double)v[i];
	return fold(lane);
}

CLONES static double sum_squares(const float *v, size_t n, double mean)
{
	double lane[LANES] = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double d = (double)v[i + (size_t)l] - mean;
			lane[l] += d * d;
		}
	for (int l = 0; i < n; i++, l++)
		lane[l] += ((double)v[i] - mean) * ((double)v[i] - mean);
	return fold(lane);
}

static void extremes(const float *v, size_t n, float *lo, float *hi)
{
	*lo = *hi = v[0];
	for (size_t i = 1; i < n; i++) {
		*lo = v[i] < *lo ? v[i] : *lo;
		*hi = v[i] > *hi ? v[i] : *hi;
	}
}

CLONES static void shift_and_scale(float *v, size_t n, double from, double factor)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(((double)v[i] - from) * factor);
}

#define RUN 256

CLONES static bool all_same(const float *v, size_t n)
{
	for (size_t at = 0; at < n; at += RUN) {
		size_t end = n - at < RUN ? n : at + RUN;
		uint32_t other = 0;
		for (size_t i = at; i < end; i++)
			other |= v[i] != v[0];
		if (other)
			return false;
	}
	return true;
}

/* To mean 0 and std 1. Constant is decided on the values: rounding of the mean must not turn a
 * constant slice into noise. */
static void to_zscore(float *v, size_t n)
{
	if (all_same(v, n)) {
		memset(v, 0, n * sizeof *v);
		return;
	}
	double mean = sum(v, n) / (double)n;
	double std = sqrt(sum_squares(v, n, mean) / (double)n);
	shift_and_scale(v, n, mean, 1 / std);
}

static void to_unit(float *v, size_t n)
{
	float lo, hi;
	extremes(v, n, &lo, &hi);
	if (lo == hi)
		memset(v, 0, n * sizeof *v);
	else
		shift_and_scale(v, n, (double)lo, 1 / ((double)hi - (double)lo));
}

const char *sm_standardise_name(size_t how)
{
	static const char *const names[] = {[SM_STANDARDISE_NONE] = "none",
					    [SM_STANDARDISE_SLICE] = "slice",
					    [SM_STANDARDISE_TILE] = "tile",
					    [SM_STANDARDISE_UNIT] = "unit"};
	return how < sizeof names / sizeof *names ? names[how] : NULL;
}

void sm_standardise(float *x, const int64_t size[3], int64_t channels, enum sm_standardise how)
{
	size_t plane = (size_t)(size[0] * size[1]), tile = plane * (size_t)size[2];
	for (int64_t c = 0; c < channels; c++) {
		float *v = x + (size_t)c * tile;
		if (how == SM_STANDARDISE_SLICE)
			for (int64_t z = 0; z < size[2]; z++)
				to_zscore(v + (size_t)z * plane, plane);
		else if (how == SM_STANDARDISE_TILE)
			to_zscore(v, tile);
		else if (how == SM_STANDARDISE_UNIT)
			to_unit(v, tile);
	}
}
