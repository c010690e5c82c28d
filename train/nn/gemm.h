/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products for conv_columns.c, AVX-512: rows of floats where they lie, no operand is packed
 * but one (nn). Sums run in order, each by one call: bits do not depend on how calls share out the
 * rows.
 */
#ifndef SM_TRAIN_GEMM_H
#define SM_TRAIN_GEMM_H

#ifdef __x86_64__
#include <immintrin.h>
#include <stddef.h>

#define GEMM_ROWS 6 /* of the result, in one block of registers */
#define GEMM_VECS 4 /* by so many vectors of columns */
#define GEMM_WIDE (16 * GEMM_VECS)
#define GEMM_AVX512 __attribute__((target("avx512f")))
#ifdef __clang__
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#endif
#define GEMM_INLINE static inline __attribute__((always_inline, target("avx512f")))

/* The block c (rows x vecs * 16) = or += the sum over k of a[row * ar + k * ak] * b[k * ldb +
 * column]. What the block below it starts with is asked for meanwhile: rows of a that lie along k,
 * and c. */
GEMM_INLINE void gemm_block(int rows, int vecs, size_t k, const float *a, size_t ar, size_t ak,
			    const float *b, size_t ldb, float *c, size_t ldc, int add)
{
	__m512 sum[GEMM_ROWS][GEMM_VECS];
	GEMM_UNROLL
	for (int r = 0; add && r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v++)
		__builtin_prefetch(c + (r + rows) * ldc + 16 * v);
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v++)
		sum[r][v] = add ? _mm512_loadu_ps(c + r * ldc + 16 * v) : _mm512_setzero_ps();
	for (size_t i = 0; i < k; i++) {
		__m512 x[GEMM_VECS];
		if (ak == 1 && i % 16 == 0)
			GEMM_UNROLL
		for (int r = 0; r < rows; r++)
			__builtin_prefetch(a + (r + rows) * ar + i);
		GEMM_UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = _mm512_loadu_ps(b + i * ldb + 16 * v);
		GEMM_UNROLL
		for (int r = 0; r < rows; r++) {
			__m512 s = _mm512_set1_ps(a[r * ar + i * ak]);
			GEMM_UNROLL
			for (int v = 0; v < vecs; v++)
				sum[r][v] = _mm512_fmadd_ps(s, x[v], sum[r][v]);
		}
	}
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v++)
		_mm512_storeu_ps(c + r * ldc + 16 * v, sum[r][v]);
}

#define GEMM_CASE(fn, r, ...) \
	case r: \
		fn(r, __VA_ARGS__); \
		break;
#define GEMM_BY_ROWS(fn, rows, ...) \
	switch (rows) { \
		GEMM_CASE(fn, 1, __VA_ARGS__) \
		GEMM_CASE(fn, 2, __VA_ARGS__) \
		GEMM_CASE(fn, 3, __VA_ARGS__) \
		GEMM_CASE(fn, 4, __VA_ARGS__) \
		GEMM_CASE(fn, 5, __VA_ARGS__) \
	default: \
		fn(6, __VA_ARGS__); \
	}

/* c (m x n) = or += a b, n <= GEMM_WIDE a multiple of 16; a by its two strides. */
GEMM_INLINE void gemm_panel(size_t m, size_t n, size_t k, const float *a, size_t ar, size_t ak,
			    const float *b, size_t ldb, float *c, size_t ldc, int add)
{
	for (size_t r = 0; r < m; r += GEMM_ROWS) {
		size_t rows = m - r < GEMM_ROWS ? m - r : GEMM_ROWS;
		const float *ra = a + r * ar;
		float *rc = c + r * ldc;
		switch (n / 16) {
		case 1:
			GEMM_BY_ROWS(gemm_block, rows, 1, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		case 2:
			GEMM_BY_ROWS(gemm_block, rows, 2, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		case 3:
			GEMM_BY_ROWS(gemm_block, rows, 3, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		default:
			GEMM_BY_ROWS(gemm_block, rows, 4, k, ra, ar, ak, b, ldb, rc, ldc, add)
		}
	}
}

/* c[row * ldc + column] += the sum over k (a multiple of 16) of a[row][k] * b[column][k]: rows x 4.
 */
GEMM_INLINE void gemm_dots(int rows, int columns, size_t k, const float *a, size_t lda,
			   const float *b, size_t ldb, float *c, size_t ldc)
{
	__m512 sum[GEMM_ROWS][4];
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int q = 0; q < columns; q++)
		sum[r][q] = _mm512_setzero_ps();
	for (size_t i = 0; i < k; i += 16) {
		__m512 x[4];
		GEMM_UNROLL
		for (int q = 0; q < columns; q++)
			x[q] = _mm512_loadu_ps(b + q * ldb + i);
		GEMM_UNROLL
		for (int r = 0; r < rows; r++) {
			__m512 s = _mm512_loadu_ps(a + r * lda + i);
			GEMM_UNROLL
			for (int q = 0; q < columns; q++)
				sum[r][q] = _mm512_fmadd_ps(s, x[q], sum[r][q]);
		}
	}
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int q = 0; q < columns; q++)
		c[r * ldc + q] += _mm512_reduce_add_ps(sum[r][q]);
}

/* The same for m rows and n columns. */
GEMM_INLINE void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
			 size_t ldb, float *c, size_t ldc)
{
	for (size_t q = 0; q < n; q += 4)
		for (size_t r = 0; r < m; r += GEMM_ROWS) {
			size_t rows = m - r < GEMM_ROWS ? m - r : GEMM_ROWS;
			const float *ra = a + r * lda, *qb = b + q * ldb;
			float *rc = c + r * ldc + q;
			switch (n - q < 4 ? n - q : 4) {
			case 1:
				GEMM_BY_ROWS(gemm_dots, rows, 1, k, ra, lda, qb, ldb, rc, ldc)
				break;
			case 2:
				GEMM_BY_ROWS(gemm_dots, rows, 2, k, ra, lda, qb, ldb, rc, ldc)
				break;
			case 3:
				GEMM_BY_ROWS(gemm_dots, rows, 3, k, ra, lda, qb, ldb, rc, ldc)
				break;
			default:
				GEMM_BY_ROWS(gemm_dots, rows, 4, k, ra, lda, qb, ldb, rc, ldc)
			}
		}
}

/* dst[i][j] = src[j][i] of 16 x 16 floats; src by pointers to its rows. */
GEMM_INLINE void gemm_turn16(__m512 r[16])
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

#endif
#endif
