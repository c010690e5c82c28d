/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of one instruction set by the names that bodies written once are given them (VL floats a
 * vector): AVX-512. Included by files that are compiled for it alone.
 */
#ifndef SM_TRAIN_SIMD_AVX512_H
#define SM_TRAIN_SIMD_AVX512_H

#include <immintrin.h>

#include "train/nn/elem.h"

#define VL 16
typedef __m512 vec;
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, a) _mm512_storeu_ps(p, a)
#define v_stream(p, a) _mm512_stream_ps(p, a)
#define v_stream_end() _mm_sfence()
#define v_set1(x) _mm512_set1_ps(x)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)         /* a b + c */
#define v_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c)       /* c - a b */
#define v_relu(a) _mm512_max_ps(_mm512_setzero_ps(), a) /* NaN: the second operand */

static inline __mmask16 v_mask(int n)
{
	return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}
static inline vec v_load_n(const float *p, int n)
{
	return _mm512_maskz_loadu_ps(v_mask(n), p);
}
static inline void v_store_n(float *p, vec a, int n)
{
	_mm512_mask_storeu_ps(p, v_mask(n), a);
}

/* bfloat16 as elem.h converts it. */
static inline vec v_load_h(const elem_half *p)
{
	__m512i u = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
	return _mm512_castsi512_ps(_mm512_slli_epi32(u, 16));
}
static inline void v_store_h(elem_half *p, vec a)
{
	__m512i u = _mm512_castps_si512(a), top = _mm512_srli_epi32(u, 16);
	__m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
	__m512i near = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
	__mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
	near = _mm512_srli_epi32(near, 16);
	near = _mm512_mask_or_epi32(near, nan, top, _mm512_set1_epi32(0x40));
	_mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(near));
}

/* max(a, 0) where 0 is +0 and NaN stays. */
static inline vec v_positive(vec a)
{
	const vec zero = _mm512_setzero_ps();
	return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(a, zero, _CMP_LE_OQ), zero);
}

#endif
