/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores past the caches for results larger than them: a plain store first reads the line it
 * overwrites (copies of 16 to 64 MB: 1.4 to 1.9 times faster, measured). Same bits either way.
 */
#ifndef SM_TRAIN_STREAM_H
#define SM_TRAIN_STREAM_H

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Results of at least this many values are streamed. */
#define STREAM_MIN ((size_t)1 << 20)

/* Whether rows of n values at dst can be streamed in whole cache lines. */
static inline int stream_fits(const void *dst, size_t n)
{
#ifdef __SSE2__
	return n % 16 == 0 && (uintptr_t)dst % 64 == 0;
#else
	(void)dst;
	(void)n;
	return 0;
#endif
}

/* memcpy for which stream_fits holds; src needs no alignment. */
static inline void stream_copy(float *dst, const float *src, size_t n)
{
#ifdef __SSE2__
	for (size_t i = 0; i < n; i += 16) {
		__m128 a = _mm_loadu_ps(src + i), b = _mm_loadu_ps(src + i + 4);
		__m128 c = _mm_loadu_ps(src + i + 8), d = _mm_loadu_ps(src + i + 12);
		_mm_stream_ps(dst + i, a);
		_mm_stream_ps(dst + i + 4, b);
		_mm_stream_ps(dst + i + 8, c);
		_mm_stream_ps(dst + i + 12, d);
	}
#else
	memcpy(dst, src, n * sizeof *dst);
#endif
}

/* To be called by each thread behind its last stream_copy. */
static inline void stream_end(void)
{
#ifdef __SSE2__
	_mm_sfence();
#endif
}

#endif
