/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen floats (or VEC_VALUES) at a time in plain C (vectors of gcc and clang), read
 * from and written to tensors of either element type, with lines asked for ahead of their use:
 * loops over large tensors wait for memory, and the CPU's own prefetcher stops at each page.
 * Vectors are handed over by address: by value the ABI would depend on the CPU.
 */
#ifndef SM_TRAIN_VEC_H
#define SM_TRAIN_VEC_H

#include "train/nn/elem.h"
#include "train/nn/stream.h"
#ifdef __AVX__
#include <immintrin.h>
#endif

/* A file for one instruction set says before how many its vectors have. */
#ifndef VEC_VALUES
#define VEC_VALUES 16
#endif
#define VEC ((size_t)VEC_VALUES)
#define VEC_LINE (16 / VEC_VALUES)
/* Bytes from a load to the line asked for meanwhile, measured: 1 to 4 KiB serve alike. */
#define VEC_AHEAD 2048

typedef float vec __attribute__((vector_size(4 * VEC_VALUES)));
typedef uint32_t vec_bits __attribute__((vector_size(4 * VEC_VALUES)));
typedef int32_t vec_int __attribute__((vector_size(4 * VEC_VALUES)));

#ifdef __clang__
#define VEC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VEC_UNROLL _Pragma("GCC unroll 8")
#endif

SM_INLINE void vec_load(vec *v, const float *p)
{
	memcpy(v, p, sizeof *v);
}

SM_INLINE void vec_store(float *p, const vec *v)
{
	memcpy(p, v, sizeof *v);
}

/* Values [at, at + VEC) of the tensor at p; of the VEC_LINE vectors of a cache line the first asks
 * for what comes later. */
SM_INLINE void vec_read(vec *v, const void *p, enum elem e, size_t at, int k)
{
	const char *from = (const char *)p + at * elem_size(e);
	if (k % VEC_LINE == 0)
		__builtin_prefetch(from + VEC_AHEAD);
	if (e == ELEM_F32) {
		memcpy(v, from, sizeof *v);
	} else {
		float wide[VEC];
		elem_widen((const elem_half *)(const void *)from, wide, VEC);
		memcpy(v, wide, sizeof *v);
	}
}

/* The same as an array, for loops with comparisons. */
SM_INLINE void vec_buffer(float *to, const void *p, enum elem e, size_t at)
{
	vec v;
	vec_read(&v, p, e, at, 0);
	vec_store(to, &v);
}

SM_INLINE void vec_narrow(elem_half *half, const vec *v)
{
	float wide[VEC];
	memcpy(wide, v, sizeof wide);
	elem_narrow(wide, half, VEC);
}

SM_INLINE void vec_write(void *p, enum elem e, size_t at, const vec *v)
{
	char *to = (char *)p + at * elem_size(e);
	if (e == ELEM_F32)
		memcpy(to, v, sizeof *v);
	else
		vec_narrow((elem_half *)(void *)to, v);
}

/* Past the caches, to an address in a tensor's rows that stream_fits; stream_end after the last. */
SM_INLINE void vec_stream(void *p, enum elem e, size_t at, const vec *v)
{
#ifdef __SSE2__
	float *to = (float *)(void *)((char *)p + at * elem_size(e));
	__m128 part[VEC / 4];
#if defined(__AVX__) && VEC_VALUES == 8
	if (e == ELEM_F32) {
		__m256 all;
		memcpy(&all, v, sizeof all);
		_mm256_stream_ps(to, all);
		return;
	}
#endif
	if (e == ELEM_F32) {
		memcpy(part, v, sizeof part);
		for (int i = 0; i < VEC_VALUES / 4; i++)
			_mm_stream_ps(to + 4 * i, part[i]);
	} else if (VEC < 8) {
		vec_write(p, e, at, v);
	} else {
		elem_half half[VEC];
		vec_narrow(half, v);
		memcpy(part, half, sizeof half);
		for (int i = 0; i < VEC_VALUES / 8; i++)
			_mm_stream_ps(to + 4 * i, part[i]);
	}
#else
	vec_write(p, e, at, v);
#endif
}

/* v = sign > 0 (or a positive NaN) ? v : other. Without a comparison: those of vectors wider than
 * the CPU's gcc takes to single elements. */
SM_INLINE void vec_choose(vec *v, const vec *sign, const vec *other)
{
	vec_bits s = (vec_bits)*sign, where = (vec_bits)((vec_int)(-s & ~s) >> 31);
	*v = (vec)(((vec_bits)*v & where) | ((vec_bits)*other & ~where));
}

#endif
