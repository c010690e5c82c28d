/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sixteen taps for AVX2 with FMA: the same bits as AVX-512. */
#include "train/nn/conv_columns.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "train/nn/simd_avx2.h"

/* 16 registers: 6 rows by 2 vectors of columns, these and a broadcast value; or 3 by 2 dots of two
 * vectors. */
#define GEMM_VECS 2
#define DOT_ROWS 3
#define DOT_COLUMNS 2
#define DOT_BY_ROWS GEMM_BY_3
/* Half a panel of AVX-512: what stands beside it needs room in a first cache of 32 KiB. */
#define GEMM_DEEP 64
#define DEEP GEMM_DEEP
#define STRETCH GEMM_DEEP

/* The 16 lanes of a sum, two vectors here, in the order of _mm512_reduce_add_ps, so that both sets
 * give the same bits: halves of 8 lanes are added, their halves of 4, the halves of these, and the
 * last two. */
static inline float gemm_sum(const __m256 s[2])
{
	__m256 eight = _mm256_add_ps(s[1], s[0]);
	__m128 four = _mm_add_ps(_mm256_extractf128_ps(eight, 1), _mm256_castps256_ps128(eight));
	__m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
	return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "train/nn/gemm.h"

typedef struct {
	__m256 v[2];
} row16;
typedef int row_mask; /* its number: all 16 need none, and stores behind a mask are slow */
#define row_first(n) ((int)(n))

GEMM_INLINE row16 row_zero(void)
{
	return (row16){{_mm256_setzero_ps(), _mm256_setzero_ps()}};
}
GEMM_INLINE row16 row_load(const float *p)
{
	return (row16){{v_load(p), v_load(p + VL)}};
}
GEMM_INLINE row16 row_load_n(const float *p, row_mask n)
{
	return n == 16 ? row_load(p) : (row16){{v_load_n(p, n), v_load_n(p + VL, n - VL)}};
}
GEMM_INLINE void row_store(float *p, row16 r)
{
	v_store(p, r.v[0]);
	v_store(p + VL, r.v[1]);
}
GEMM_INLINE void row_store_n(float *p, row16 r, row_mask n)
{
	if (n == 16) {
		row_store(p, r);
		return;
	}
	v_store_n(p, r.v[0], n);
	v_store_n(p + VL, r.v[1], n - VL);
}
GEMM_INLINE row16 row_add(row16 a, row16 b)
{
	return (row16){{v_add(a.v[0], b.v[0]), v_add(a.v[1], b.v[1])}};
}
GEMM_INLINE row16 row_positive(row16 r)
{
	return (row16){{v_positive(r.v[0]), v_positive(r.v[1])}};
}

/* to[j] lane i of half h = from[i] lane j of half l: a block of 8 x 8. */
GEMM_INLINE void turn8(const row16 from[8], int l, row16 to[8], int h)
{
	__m256 t[8], u[8];
	GEMM_UNROLL
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_ps(from[i].v[l], from[i + 1].v[l]);
		t[i + 1] = _mm256_unpackhi_ps(from[i].v[l], from[i + 1].v[l]);
	}
	GEMM_UNROLL
	for (int i = 0; i < 8; i += 4) {
		u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
		u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
		u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
	GEMM_UNROLL
	for (int i = 0; i < 4; i++) {
		to[i].v[h] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
		to[i + 4].v[h] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
	}
}

/* r[i][j] = r[j][i]. */
GEMM_INLINE void row_turn(row16 r[16])
{
	row16 t[16];
	for (int i = 0; i < 16; i++)
		t[i] = r[i];
	turn8(t, 0, r, 0);
	turn8(t + 8, 0, r, 1);
	turn8(t, 1, r + 8, 0);
	turn8(t + 8, 1, r + 8, 1);
}

#include "train/nn/conv_columns_body.h"

static const struct columns_isa isa = COLUMNS_ISA("avx2");
const struct columns_isa *const columns_isa_avx2 = &isa;
#else
const struct columns_isa *const columns_isa_avx2 = NULL;
#endif
