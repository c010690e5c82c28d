/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/elem.h"

#include "train/nn/op.h"

SM_CLONES static void widen(const elem_half *src, float *dst, size_t n)
{
	elem_widen(src, dst, n);
}

SM_CLONES static void narrow(const float *src, elem_half *dst, size_t n)
{
	elem_narrow(src, dst, n);
}

void elem_move(void *dst, enum elem de, size_t at, const void *src, enum elem se, size_t from,
	       size_t n)
{
	if (de == se)
		memcpy(elem_at(dst, de, at), elem_at(src, se, from), n * elem_size(de));
	else if (de == ELEM_F32)
		widen((const elem_half *)src + from, (float *)dst + at, n);
	else
		narrow((const float *)src + from, (elem_half *)dst + at, n);
}

void elem_convert(void *dst, enum elem de, const void *src, enum elem se, size_t count, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
	for (size_t i = 0; i < count; i += ELEM_PIECE)
		elem_move(dst, de, i, src, se, i, count - i < ELEM_PIECE ? count - i : ELEM_PIECE);
}

SM_CLONES static void add_piece(void *dst, enum elem de, const void *src, enum elem se, size_t at,
				size_t n)
{
	float a[ELEM_PIECE], b[ELEM_PIECE];
	float *to = elem_modify(dst, de, at, n, a);
	const float *from = elem_read(src, se, at, n, b);
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
	elem_end(dst, de, at, n, to);
}

void elem_add(void *dst, enum elem de, const void *src, enum elem se, size_t count, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
	for (size_t i = 0; i < count; i += ELEM_PIECE)
		add_piece(dst, de, src, se, i, count - i < ELEM_PIECE ? count - i : ELEM_PIECE);
}
