/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as large as their stride for AVX-512. */
#include "train/nn/conv_patch.h"

#ifdef __AVX512F__
#include "train/nn/simd_avx512.h"

/* 32 registers: 12 outputs by two vectors of channels, their weights and a broadcast value. */
#define PATCH_ROWS 12
#define PATCH_ROW_SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define PATCH_DEPTH 8
#define PATCH_DEPTH_SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define PATCH_STREAM(p, a) v_stream(p, a)

/* 16 floats as bfloat16, as elem_narrow. */
static inline __attribute__((always_inline)) __m256i narrow(__m512 x)
{
	__m512i u = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
	__m512i near = _mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff));
	__m512i nan = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
	near = _mm512_mask_mov_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), nan);
	return _mm512_cvtepi32_epi16(_mm512_srli_epi32(near, 16));
}

static inline __attribute__((always_inline)) void put_half(const struct patch_product *p, size_t at,
							   const int vecs, const __m512 *s)
{
	elem_half *to[2] = {(elem_half *)p->to[0] + at, (elem_half *)p->to[vecs - 1] + at};
	if (p->stream) { /* they stand side by side */
		__m512i both = _mm512_castsi256_si512(narrow(s[0]));
		both = _mm512_inserti64x4(both, narrow(s[vecs - 1]), 1);
		_mm512_stream_si512((__m512i *)(void *)to[0], both);
		return;
	}
	for (int i = 0; i < vecs; i++)
		_mm256_storeu_si256((__m256i *)(void *)to[i], narrow(s[i]));
}

#include "train/nn/conv_patch_body.h"

static const struct patch_isa isa = PATCH_ISA("avx512");
const struct patch_isa *const patch_isa_avx512 = &isa;
#else
const struct patch_isa *const patch_isa_avx512 = NULL;
#endif
