/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sixteen taps for AVX-512. */
#include "train/nn/conv_columns.h"

#ifdef __AVX512F__
#include "train/nn/simd_avx512.h"

/* 32 registers: 6 rows by 4 vectors of columns, these and a broadcast value; or as many dots. */
#define GEMM_VECS 4
#define DOT_ROWS 6
#define DOT_COLUMNS 4
#define DOT_BY_ROWS GEMM_BY_6
#define DEEP 128 /* of a sum at a time: a panel of as many rows fits the first cache */
#define STRETCH 128
/* Halves of 8 lanes are added, their halves of 4, the halves of these, and the last two. */
#define gemm_sum(s) _mm512_reduce_add_ps((s)[0])

#include "train/nn/gemm.h"

typedef __m512 row16;
typedef __mmask16 row_mask;
#define row_first(n) ((__mmask16)((1u << (n)) - 1))
#define row_zero() _mm512_setzero_ps()
#define row_load(p) _mm512_loadu_ps(p)
#define row_load_n(p, m) _mm512_maskz_loadu_ps(m, p)
#define row_store(p, r) _mm512_storeu_ps(p, r)
#define row_store_n(p, r, m) _mm512_mask_storeu_ps(p, m, r)
#define row_add(a, b) _mm512_add_ps(a, b)
#define row_positive(r) v_positive(r)

/* r[i][j] = r[j][i]. */
GEMM_INLINE void row_turn(row16 r[16])
{
	__m512 t[16];
	GEMM_UNROLL
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
	GEMM_UNROLL
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_castpd_ps(
			_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
		r[i + 1] = _mm512_castpd_ps(
			_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
		r[i + 2] = _mm512_castpd_ps(
			_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
		r[i + 3] = _mm512_castpd_ps(
			_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
	}
	GEMM_UNROLL
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
	}
	GEMM_UNROLL
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
		r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

#include "train/nn/conv_columns_body.h"

static const struct columns_isa isa = COLUMNS_ISA("avx512");
const struct columns_isa *const columns_isa_avx512 = &isa;
#else
const struct columns_isa *const columns_isa_avx512 = NULL;
#endif
