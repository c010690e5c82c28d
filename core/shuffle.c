/* SPDX-License-Identifier: Apache-2.0 */
#include "core/h5base.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* 16 values at a time: three rounds of byte interleaving sort the bytes by their place. */
static size_t shuffle_sse2(const unsigned char *in, unsigned char *out, size_t n)
{
	const __m128i low = _mm_set1_epi16(0x00ff);
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		const __m128i *p = (const __m128i *)(const void *)(in + 4 * i);
		__m128i a = _mm_loadu_si128(p), b = _mm_loadu_si128(p + 1);
		__m128i c = _mm_loadu_si128(p + 2), d = _mm_loadu_si128(p + 3);
		/* even bytes (0 and 2 of each value) and odd bytes (1 and 3) */
		__m128i even0 = _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low));
		__m128i even1 = _mm_packus_epi16(_mm_and_si128(c, low), _mm_and_si128(d, low));
		__m128i odd0 = _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
		__m128i odd1 = _mm_packus_epi16(_mm_srli_epi16(c, 8), _mm_srli_epi16(d, 8));
		__m128i b0 = _mm_packus_epi16(_mm_and_si128(even0, low), _mm_and_si128(even1, low));
		__m128i b2 = _mm_packus_epi16(_mm_srli_epi16(even0, 8), _mm_srli_epi16(even1, 8));
		__m128i b1 = _mm_packus_epi16(_mm_and_si128(odd0, low), _mm_and_si128(odd1, low));
		__m128i b3 = _mm_packus_epi16(_mm_srli_epi16(odd0, 8), _mm_srli_epi16(odd1, 8));
		_mm_storeu_si128((__m128i *)(void *)(out + i), b0);
		_mm_storeu_si128((__m128i *)(void *)(out + n + i), b1);
		_mm_storeu_si128((__m128i *)(void *)(out + 2 * n + i), b2);
		_mm_storeu_si128((__m128i *)(void *)(out + 3 * n + i), b3);
	}
	return i;
}

static size_t unshuffle_sse2(const unsigned char *in, unsigned char *out, size_t n)
{
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		__m128i b0 = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
		__m128i b1 = _mm_loadu_si128((const __m128i *)(const void *)(in + n + i));
		__m128i b2 = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * n + i));
		__m128i b3 = _mm_loadu_si128((const __m128i *)(const void *)(in + 3 * n + i));
		__m128i l01 = _mm_unpacklo_epi8(b0, b1), h01 = _mm_unpackhi_epi8(b0, b1);
		__m128i l23 = _mm_unpacklo_epi8(b2, b3), h23 = _mm_unpackhi_epi8(b2, b3);
		__m128i *p = (__m128i *)(void *)(out + 4 * i);
		_mm_storeu_si128(p, _mm_unpacklo_epi16(l01, l23));
		_mm_storeu_si128(p + 1, _mm_unpackhi_epi16(l01, l23));
		_mm_storeu_si128(p + 2, _mm_unpacklo_epi16(h01, h23));
		_mm_storeu_si128(p + 3, _mm_unpackhi_epi16(h01, h23));
	}
	return i;
}
#else
static size_t shuffle_sse2(const unsigned char *in, unsigned char *out, size_t n)
{
	(void)in, (void)out, (void)n;
	return 0;
}

static size_t unshuffle_sse2(const unsigned char *in, unsigned char *out, size_t n)
{
	(void)in, (void)out, (void)n;
	return 0;
}
#endif

void sm_shuffle4(const unsigned char *in, unsigned char *out, size_t n)
{
	for (size_t i = shuffle_sse2(in, out, n); i < n; i++)
		for (size_t p = 0; p < 4; p++)
			out[p * n + i] = in[4 * i + p];
}

void sm_unshuffle4(const unsigned char *in, unsigned char *out, size_t n)
{
	for (size_t i = unshuffle_sse2(in, out, n); i < n; i++)
		for (size_t p = 0; p < 4; p++)
			out[4 * i + p] = in[p * n + i];
}
