/* SPDX-License-Identifier: Apache-2.0 */
/* 1x1x1 convolutions to few channels for AVX-512. */
#include "train/nn/conv_point.h"

#ifdef __AVX512F__
#include "train/nn/simd_avx512.h"

#define VN 1
#define AT_ONCE 2
#define QUARTER(x, k) _mm512_permute_ps(x, (k) * 0x55)
#define POINT_INLINE static inline __attribute__((always_inline))

/* Lanes (voxel, output): the sums over the quarters of four voxels. */
POINT_INLINE void turned(__m512 a[POINT_VOXELS][VN], __m512 r[VN])
{
	__m512 s = _mm512_add_ps(_mm512_shuffle_f32x4(a[0][0], a[1][0], 0x44),
				 _mm512_shuffle_f32x4(a[0][0], a[1][0], 0xee));
	__m512 t = _mm512_add_ps(_mm512_shuffle_f32x4(a[2][0], a[3][0], 0x44),
				 _mm512_shuffle_f32x4(a[2][0], a[3][0], 0xee));
	r[0] = _mm512_add_ps(_mm512_shuffle_f32x4(s, t, 0x88), _mm512_shuffle_f32x4(s, t, 0xdd));
}

POINT_INLINE __m512 ordered(const struct point *q, int g, __m512 a, __m512 b)
{
	return _mm512_permutex2var_ps(a, _mm512_loadu_si512(q->order + g * POINT_LANES), b);
}

POINT_INLINE void put(const struct point *q, size_t at, int n, const int groups, __m512 r[2][VN])
{
	const struct conv_desc *d = &q->p->d;
	if (q->stream && n == POINT_VOXELS) { /* 4 or 8 outputs */
		float *y = q->a->y + at * d->oc;
		for (int g = 0; g < groups; g++)
			_mm512_stream_ps(y + g * POINT_LANES,
					 groups == 1 ? r[0][0] : ordered(q, g, r[0][0], r[1][0]));
		return;
	}
	float out[2 * POINT_LANES];
	for (int g = 0; g < groups; g++)
		v_store(out + g * POINT_LANES, ordered(q, g, r[0][0], r[groups - 1][0]));
	elem_move(q->a->y, d->ye, at * d->oc, out, ELEM_F32, 0, (size_t)n * d->oc);
}

#include "train/nn/conv_point_body.h"

static const struct point_isa isa = POINT_ISA("avx512");
const struct point_isa *const point_isa_avx512 = &isa;
#else
const struct point_isa *const point_isa_avx512 = NULL;
#endif
