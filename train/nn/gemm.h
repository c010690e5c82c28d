/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products for conv_columns_body.h over the vectors of an instruction set: rows of floats
 * where they lie, no operand is packed but one (nn). Sums run in order, each by one call: bits do
 * not depend on how calls share out the rows, nor on the width of vectors. The set's file says how
 * many vectors by GEMM_ROWS fit the registers (GEMM_VECS; where these are no whole panel also
 * GEMM_DEEP, the longest sum), how many dots (DOT_ROWS by DOT_COLUMNS, chosen by DOT_BY_ROWS), and
 * how the 16 sums of a dot become one (gemm_sum).
 */
#ifndef SM_TRAIN_GEMM_H
#define SM_TRAIN_GEMM_H

#include <stddef.h>

#define GEMM_ROWS 6 /* of the result, in one block of registers */
#define GEMM_WIDE 64 /* columns of a panel */
#define VN (16 / VL)
#define GEMM_WHOLE (GEMM_VECS * VL == GEMM_WIDE) /* a panel at once */
#ifdef __clang__
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#endif
#define GEMM_INLINE static inline __attribute__((always_inline))

/* The block c (rows x vecs * VL) = or += the sum over k of a[row * ar + k * ak] * b[k * ldb +
 * column]. What the block below it starts with is asked for meanwhile: rows of a that lie along k
 * (in pieces gemm_pieces asks), and c. */
GEMM_INLINE void gemm_block(int rows, int vecs, size_t k, const float *a, size_t ar, size_t ak,
			    const float *b, size_t ldb, float *c, size_t ldc, int add)
{
	vec sum[GEMM_ROWS][GEMM_VECS];
	GEMM_UNROLL
	for (int r = 0; add && r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v += VN)
		__builtin_prefetch(c + (r + rows) * ldc + VL * v);
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v++)
		sum[r][v] = add ? v_load(c + r * ldc + VL * v) : v_set1(0);
	for (size_t i = 0; i < k; i++) {
		vec x[GEMM_VECS];
		if (GEMM_WHOLE && ak == 1 && i % 16 == 0)
			GEMM_UNROLL
		for (int r = 0; r < rows; r++)
			__builtin_prefetch(a + (r + rows) * ar + i);
		GEMM_UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = v_load(b + i * ldb + VL * v);
		GEMM_UNROLL
		for (int r = 0; r < rows; r++) {
			vec s = v_set1(a[r * ar + i * ak]);
			GEMM_UNROLL
			for (int v = 0; v < vecs; v++)
				sum[r][v] = v_fma(s, x[v], sum[r][v]);
		}
	}
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int v = 0; v < vecs; v++)
		v_store(c + r * ldc + VL * v, sum[r][v]);
}

#define GEMM_CASE(fn, r, ...) \
	case r: \
		fn(r, __VA_ARGS__); \
		break;
#define GEMM_BY_3(fn, rows, ...) \
	switch (rows) { \
		GEMM_CASE(fn, 1, __VA_ARGS__) \
		GEMM_CASE(fn, 2, __VA_ARGS__) \
	default: \
		fn(3, __VA_ARGS__); \
	}
#define GEMM_BY_6(fn, rows, ...) \
	switch (rows) { \
		GEMM_CASE(fn, 1, __VA_ARGS__) \
		GEMM_CASE(fn, 2, __VA_ARGS__) \
		GEMM_CASE(fn, 3, __VA_ARGS__) \
		GEMM_CASE(fn, 4, __VA_ARGS__) \
		GEMM_CASE(fn, 5, __VA_ARGS__) \
	default: \
		fn(6, __VA_ARGS__); \
	}

#if !GEMM_WHOLE
/* A few rows of a panel in pieces, k <= GEMM_DEEP. Rows of a that lie along k are read by each of
 * these, and may stand so that all fall into one set of the first cache (weights of 64 channels and
 * more): they are copied, which also leaves one address for all of them, and those below them asked
 * for. */
GEMM_INLINE void gemm_pieces(size_t rows, size_t n, size_t k, const float *a, size_t ar, size_t ak,
			     const float *b, size_t ldb, float *c, size_t ldc, int add)
{
	float near[GEMM_ROWS * GEMM_DEEP];
	if (ak == 1) {
		for (size_t r = 0; r < rows; r++) {
			const float *from = a + r * ar;
			float *to = near + r * GEMM_DEEP;
			size_t i = 0;
			for (; i + 16 <= k; i += 16) {
				__builtin_prefetch(from + rows * ar + i);
				v_store(to + i, v_load(from + i));
				v_store(to + i + VL, v_load(from + i + VL));
			}
			for (; i < k; i++)
				to[i] = from[i];
		}
		a = near;
		ar = GEMM_DEEP;
	}
	for (size_t q = 0; q < n; q += GEMM_VECS * VL)
		GEMM_BY_6(gemm_block, rows, GEMM_VECS, k, a, ar, ak, b + q, ldb, c + q, ldc, add)
}
#endif

/* c (m x n) = or += a b, n <= GEMM_WIDE a multiple of 16; a by its two strides. */
GEMM_INLINE void gemm_panel(size_t m, size_t n, size_t k, const float *a, size_t ar, size_t ak,
			    const float *b, size_t ldb, float *c, size_t ldc, int add)
{
	for (size_t r = 0; r < m; r += GEMM_ROWS) {
		size_t rows = m - r < GEMM_ROWS ? m - r : GEMM_ROWS;
		const float *ra = a + r * ar;
		float *rc = c + r * ldc;
#if GEMM_WHOLE
		switch (n / VL) {
		case 1:
			GEMM_BY_6(gemm_block, rows, 1, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		case 2:
			GEMM_BY_6(gemm_block, rows, 2, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		case 3:
			GEMM_BY_6(gemm_block, rows, 3, k, ra, ar, ak, b, ldb, rc, ldc, add)
			break;
		default:
			GEMM_BY_6(gemm_block, rows, 4, k, ra, ar, ak, b, ldb, rc, ldc, add)
		}
#else
		gemm_pieces(rows, n, k, ra, ar, ak, b, ldb, rc, ldc, add);
#endif
	}
}

/* c[row * ldc + column] += the sum over k (a multiple of 16) of a[row][k] * b[column][k]. */
GEMM_INLINE void gemm_dots(int rows, int columns, size_t k, const float *a, size_t lda,
			   const float *b, size_t ldb, float *c, size_t ldc)
{
	vec sum[DOT_ROWS][DOT_COLUMNS][VN];
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int q = 0; q < columns; q++)
		GEMM_UNROLL
	for (int l = 0; l < VN; l++)
		sum[r][q][l] = v_set1(0);
	for (size_t i = 0; i < k; i += 16) {
		GEMM_UNROLL
		for (int l = 0; l < VN; l++) {
			vec x[DOT_COLUMNS];
			GEMM_UNROLL
			for (int q = 0; q < columns; q++)
				x[q] = v_load(b + q * ldb + i + VL * l);
			GEMM_UNROLL
			for (int r = 0; r < rows; r++) {
				vec s = v_load(a + r * lda + i + VL * l);
				GEMM_UNROLL
				for (int q = 0; q < columns; q++)
					sum[r][q][l] = v_fma(s, x[q], sum[r][q][l]);
			}
		}
	}
	GEMM_UNROLL
	for (int r = 0; r < rows; r++)
		GEMM_UNROLL
	for (int q = 0; q < columns; q++)
		c[r * ldc + q] += gemm_sum(sum[r][q]);
}

/* The same for m rows and n columns. */
GEMM_INLINE void gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
			 size_t ldb, float *c, size_t ldc)
{
	for (size_t q = 0; q < n; q += DOT_COLUMNS)
		for (size_t r = 0; r < m; r += DOT_ROWS) {
			size_t rows = m - r < DOT_ROWS ? m - r : DOT_ROWS;
			const float *ra = a + r * lda, *qb = b + q * ldb;
			float *rc = c + r * ldc + q;
			switch (n - q < DOT_COLUMNS ? n - q : DOT_COLUMNS) {
			case 1:
				DOT_BY_ROWS(gemm_dots, rows, 1, k, ra, lda, qb, ldb, rc, ldc)
				break;
#if DOT_COLUMNS > 2
			case 2:
				DOT_BY_ROWS(gemm_dots, rows, 2, k, ra, lda, qb, ldb, rc, ldc)
				break;
			case 3:
				DOT_BY_ROWS(gemm_dots, rows, 3, k, ra, lda, qb, ldb, rc, ldc)
				break;
#endif
			default:
				DOT_BY_ROWS(gemm_dots, rows, DOT_COLUMNS, k, ra, lda, qb, ldb, rc,
					    ldc)
			}
		}
}

#endif
