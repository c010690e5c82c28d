/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as large as their stride for AVX2 with FMA: the same bits as AVX-512. */
#include "train/nn/conv_patch.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "train/nn/simd_avx2.h"

/* 16 registers: 6 outputs by one block of channels (two vectors), its weights and a broadcast
 * value. */
#define PATCH_ROWS 6
#define PATCH_ROW_SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define PATCH_DEPTH 6
#define PATCH_DEPTH_SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6)
/* The two halves of a line are stored one behind the other. */
#define PATCH_STREAM(p, a) _mm256_stream_ps(p, a)

/* Never streamed: a block is half a line. */
static inline __attribute__((always_inline)) void put_half(const struct patch_product *p, size_t at,
							   const int vecs, const __m256 *s)
{
	for (int i = 0; i < vecs; i++)
		v_store_h((elem_half *)p->to[0] + at + i * VL, s[i]);
}

#include "train/nn/conv_patch_body.h"

static const struct patch_isa isa = PATCH_ISA("avx2");
const struct patch_isa *const patch_isa_avx2 = &isa;
#else
const struct patch_isa *const patch_isa_avx2 = NULL;
#endif
