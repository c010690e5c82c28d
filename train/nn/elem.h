/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types of stored tensors. Operators compute in float: they read a piece of a tensor as
 * floats and write floats to a piece, and these helpers convert where the tensor holds bfloat16
 * (round to nearest even, NaN stays NaN, the same bits on every CPU). With float32 they cost
 * nothing: the piece itself is read and written.
 */
#ifndef SM_TRAIN_ELEM_H
#define SM_TRAIN_ELEM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "train/nn/vmath.h"

enum elem { ELEM_F32 = 0, ELEM_BF16 };

/* Values of the buffers that operators convert in: two or three fit the first cache. */
#define ELEM_PIECE ((size_t)2048)

typedef uint16_t elem_half __attribute__((may_alias));

static inline size_t elem_size(enum elem e)
{
	return e == ELEM_BF16 ? sizeof(elem_half) : sizeof(float);
}

/* Address of value number `at` of a stored tensor. */
static inline void *elem_at(const void *p, enum elem e, size_t at)
{
	return (char *)p + at * elem_size(e);
}

SM_INLINE void elem_widen(const elem_half *restrict src, float *restrict dst, size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		dst[i] = vm_float((uint32_t)src[i] << 16);
}

SM_INLINE void elem_narrow(const float *restrict src, elem_half *restrict dst, size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++) {
		uint32_t u = vm_bits(src[i]), near = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
		uint32_t nan = u >> 16 | 0x40u;
		dst[i] = (elem_half)(src[i] == src[i] ? near : nan);
	}
}

/* The values [at, at + n) of the tensor at p as floats: in place, or converted into buffer. */
SM_INLINE const float *elem_read(const void *p, enum elem e, size_t at, size_t n, float *buffer)
{
	if (e == ELEM_F32)
		return (const float *)p + at;
	elem_widen((const elem_half *)p + at, buffer, n);
	return buffer;
}

/* Where the values from `at` on are to be written: the tensor, or buffer, which elem_end brings
 * there. elem_modify: with their present values. */
SM_INLINE float *elem_begin(void *p, enum elem e, size_t at, float *buffer)
{
	return e == ELEM_F32 ? (float *)p + at : buffer;
}
SM_INLINE float *elem_modify(void *p, enum elem e, size_t at, size_t n, float *buffer)
{
	if (e == ELEM_F32)
		return (float *)p + at;
	elem_widen((const elem_half *)p + at, buffer, n);
	return buffer;
}
SM_INLINE void elem_end(void *p, enum elem e, size_t at, size_t n, const float *buffer)
{
	if (e == ELEM_BF16)
		elem_narrow(buffer, (elem_half *)p + at, n);
}

/* dst[at ..] = src[from ..], n values, on one thread. */
void elem_move(void *dst, enum elem de, size_t at, const void *src, enum elem se, size_t from,
	       size_t n);
/* dst = src, all of it. */
void elem_convert(void *dst, enum elem de, const void *src, enum elem se, size_t count,
		  int threads);
/* dst += src; the sum is rounded once. */
void elem_add(void *dst, enum elem de, const void *src, enum elem se, size_t count, int threads);

#endif
