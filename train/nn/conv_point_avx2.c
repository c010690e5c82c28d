/* SPDX-License-Identifier: Apache-2.0 */
/* 1x1x1 convolutions to few channels for AVX2 with FMA: the same bits as AVX-512. */
#include "train/nn/conv_point.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "train/nn/simd_avx2.h"

#define VN 2
#define AT_ONCE 1 /* 8 sums; those of two groups would leave no register for anything else */
#define QUARTER(x, k) _mm256_permute_ps(x, (k) * 0x55)
#define POINT_INLINE static inline __attribute__((always_inline))

/* Lanes (voxel, output): the sums over the quarters of four voxels, two voxels a vector. */
POINT_INLINE void turned(__m256 a[POINT_VOXELS][VN], __m256 r[VN])
{
	for (int l = 0; l < VN; l++) {
		__m256 s = v_add(a[2 * l][0], a[2 * l][1]);
		__m256 t = v_add(a[2 * l + 1][0], a[2 * l + 1][1]);
		r[l] = v_add(_mm256_permute2f128_ps(s, t, 0x20),
			     _mm256_permute2f128_ps(s, t, 0x31));
	}
}

/* The first `count` of 4 lanes. */
static void store_few(float *to, __m128 a, int count)
{
	float few[POINT_GROUP];
	_mm_storeu_ps(few, a);
	for (int i = 0; i < count; i++)
		to[i] = few[i];
}

POINT_INLINE void put(const struct point *q, size_t at, int n, const int groups, __m256 r[2][VN])
{
	const struct conv_desc *d = &q->p->d;
	float out[2 * POINT_LANES], *y = d->ye == ELEM_F32 ? q->a->y + at * d->oc : out;
	if (q->stream && n == POINT_VOXELS) { /* 4 or 8 outputs */
		for (int l = 0; l < VN; l++) {
			__m256 a = r[0][l], b = r[groups - 1][l];
			if (groups > 1) {
				a = _mm256_permute2f128_ps(r[0][l], b, 0x20);
				b = _mm256_permute2f128_ps(r[0][l], b, 0x31);
				_mm256_stream_ps(y + (2 * l + 1) * VL, b);
			}
			_mm256_stream_ps(y + groups * l * VL, a);
		}
		return;
	}
	/* What is written behind a voxel's outputs the next ones write again. */
	for (int v = 0; v < n; v++)
		for (int g = 0; g < groups; g++) {
			__m256 two = r[g][v / 2];
			__m128 a = v % 2 ? _mm256_extractf128_ps(two, 1)
					 : _mm256_castps256_ps128(two);
			int to = v * d->oc + g * POINT_GROUP, left = d->oc - g * POINT_GROUP;
			if (to + POINT_GROUP <= n * d->oc)
				_mm_storeu_ps(y + to, a);
			else
				store_few(y + to, a, left < POINT_GROUP ? left : POINT_GROUP);
		}
	if (d->ye != ELEM_F32)
		elem_move(q->a->y, d->ye, at * d->oc, out, ELEM_F32, 0, (size_t)n * d->oc);
}

#include "train/nn/conv_point_body.h"

static const struct point_isa isa = POINT_ISA("avx2");
const struct point_isa *const point_isa_avx2 = &isa;
#else
const struct point_isa *const point_isa_avx2 = NULL;
#endif
