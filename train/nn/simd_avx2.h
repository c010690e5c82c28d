/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of one instruction set by the names that bodies written once are given them (VL floats a
 * vector): AVX2 with FMA. Included by files that are compiled for it alone.
 */
#ifndef SM_TRAIN_SIMD_AVX2_H
#define SM_TRAIN_SIMD_AVX2_H

#include <immintrin.h>

#include "train/nn/elem.h"

#define VL 8
typedef __m256 vec;
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, a) _mm256_storeu_ps(p, a)
#define v_set1(x) _mm256_set1_ps(x)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_fnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define v_relu(a) _mm256_max_ps(_mm256_setzero_ps(), a)

static inline __m256i v_mask(int n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec v_load_n(const float *p, int n)
{
	return _mm256_maskload_ps(p, v_mask(n));
}
static inline void v_store_n(float *p, vec a, int n)
{
	_mm256_maskstore_ps(p, v_mask(n), a);
}

/* bfloat16 as elem.h converts it. */
static inline vec v_load_h(const elem_half *p)
{
	__m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
	return _mm256_castsi256_ps(_mm256_slli_epi32(u, 16));
}
static inline void v_store_h(elem_half *p, vec a)
{
	float t[VL];
	v_store(t, a);
	elem_narrow(t, p, VL);
}

/* max(a, 0) where 0 is +0 and NaN stays. */
static inline vec v_positive(vec a)
{
	return _mm256_andnot_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LE_OQ), a);
}

#endif
