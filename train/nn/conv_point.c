/* SPDX-License-Identifier: Apache-2.0 */
/* Forward pass of 1x1x1 convolutions to 1 to 8 channels, as the heads of networks: too few for
 * lanes of their own, so that 16 lanes are four quarters of the sum by four outputs; the quarters
 * of four voxels are added and turned at the end. AVX-512 only; every output is one sum in a fixed
 * order. bfloat16 is storage, as in conv_patch.c. */
#include "train/nn/conv.h"

#include <stdio.h>
#include <string.h>

#include "train/nn/op.h"
#include "train/nn/stream.h"

#ifdef __x86_64__
#include <immintrin.h>

#define LANES 16
#define VOXELS 4
#define GROUP 4                  /* outputs a vector */
#define MOST (2 * GROUP)         /* outputs */
#define ITEM ((size_t)16 << 10)  /* input values of an item of work */
#define AHEAD 4096               /* bytes from a load to the line asked for meanwhile */
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f")))

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	if (!__builtin_cpu_supports("avx512f") || pass != SM_FORWARD || d->ic % LANES ||
	    d->oc > MOST)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] != 1 || d->stride[i] != 1 || d->in[i] != d->out[i])
			return false;
	return true;
}

static int groups_of(const struct conv_desc *d)
{
	return (d->oc + GROUP - 1) / GROUP;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	(void)err;
	p->packed = (size_t)p->d.ic * groups_of(&p->d) * GROUP * sizeof(float);
	snprintf(p->impl, sizeof p->impl, "points avx512");
	return SM_OK;
}

/* (block of 16 channels, channel in a quarter, group): lanes (quarter, output). */
static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	float *to = a->packed;
	int groups = groups_of(&p->d);
	for (int c = 0; c < p->d.ic; c += LANES)
		for (int k = 0; k < GROUP; k++)
			for (int g = 0; g < groups; g++)
				for (int l = 0; l < LANES; l++) {
					int o = g * GROUP + l % GROUP,
					    i = c + l / GROUP * GROUP + k;
					*to++ = o < p->d.oc ? a->w[(size_t)o * p->d.ic + i] : 0;
				}
	return SM_OK;
}

AVX512_INLINE __m512 load(const void *p, size_t at, const bool half)
{
	if (!half)
		return _mm512_loadu_ps((const float *)p + at);
	__m256i h = _mm256_loadu_si256((const __m256i *)(const void *)((const elem_half *)p + at));
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Lanes (voxel, output): the sums over the quarters of four voxels. */
AVX512_INLINE __m512 turned(const __m512 a[VOXELS])
{
	__m512 s = _mm512_add_ps(_mm512_shuffle_f32x4(a[0], a[1], 0x44),
				 _mm512_shuffle_f32x4(a[0], a[1], 0xee));
	__m512 t = _mm512_add_ps(_mm512_shuffle_f32x4(a[2], a[3], 0x44),
				 _mm512_shuffle_f32x4(a[2], a[3], 0xee));
	return _mm512_add_ps(_mm512_shuffle_f32x4(s, t, 0x88), _mm512_shuffle_f32x4(s, t, 0xdd));
}

/* What all voxels share. */
struct point {
	const struct conv_plan *p;
	const struct conv_args *a;
	__m512 bias[2];
	__m512i order[2]; /* from lanes (group, voxel, of 4) to memory's order */
	bool stream;
};

/* Voxels [at, at + n), n <= 4. */
AVX512_INLINE void voxels(const struct point *q, size_t at, int n, const int groups,
			  const bool half)
{
	const struct conv_desc *d = &q->p->d;
	const float *w = q->a->packed;
	__m512 s[2][VOXELS], r[2];
	size_t ic = (size_t)d->ic, row[VOXELS];
	for (int v = 0; v < VOXELS; v++) {
		row[v] = (at + (v < n ? v : 0)) * ic;
		s[0][v] = s[1][v] = _mm512_setzero_ps();
	}
	for (size_t c = 0; c < ic; c += LANES) {
#define STEP(k) \
	s[g][v] = _mm512_fmadd_ps(_mm512_permute_ps(x, (k) * 0x55), \
				  _mm512_loadu_ps(w + ((k) * groups + g) * LANES), s[g][v]);
		_Pragma("GCC unroll 4") for (int v = 0; v < VOXELS; v++)
		{
			__builtin_prefetch((char *)elem_at(q->a->x, d->xe, row[v] + c) + AHEAD);
			__m512 x = load(q->a->x, row[v] + c, half);
			_Pragma("GCC unroll 2") for (int g = 0; g < groups; g++)
			{
				STEP(0) STEP(1) STEP(2) STEP(3)
			}
		}
#undef STEP
		w += GROUP * groups * LANES;
	}
	for (int g = 0; g < groups; g++) {
		r[g] = _mm512_add_ps(turned(s[g]), q->bias[g]);
		if (d->relu) /* NaN stays */
			r[g] = _mm512_mask_mov_ps(
			    r[g], _mm512_cmp_ps_mask(r[g], _mm512_setzero_ps(), _CMP_LE_OQ),
			    _mm512_setzero_ps());
	}
	if (q->stream && n == VOXELS) { /* 4 or 8 outputs */
		float *y = q->a->y + at * d->oc;
		for (int g = 0; g < groups; g++)
			_mm512_stream_ps(
			    y + g * LANES,
			    groups == 1 ? r[0] : _mm512_permutex2var_ps(r[0], q->order[g], r[1]));
		return;
	}
	float out[2 * LANES];
	for (int g = 0; g < groups; g++)
		_mm512_storeu_ps(out + g * LANES,
				 _mm512_permutex2var_ps(r[0], q->order[g], r[groups - 1]));
	elem_move(q->a->y, d->ye, at * d->oc, out, ELEM_F32, 0, (size_t)n * d->oc);
}

#define ROWS(groups, half) \
	__attribute__((target("avx512f"))) static void rows_##groups##half( \
	    const struct point *q, size_t from, size_t to) \
	{ \
		for (size_t i = from; i < to; i += VOXELS) \
			voxels(q, i, to - i < VOXELS ? (int)(to - i) : VOXELS, groups, half); \
	}
ROWS(1, 0)
ROWS(1, 1)
ROWS(2, 0)
ROWS(2, 1)

__attribute__((target("avx512f"))) static struct point point_of(const struct conv_plan *p,
								const struct conv_args *a,
								size_t rows)
{
	const struct conv_desc *d = &p->d;
	float bias[2 * LANES] = {0};
	int order[2 * LANES] = {0};
	struct point q = {.p = p, .a = a};
	for (int l = 0; l < 2 * LANES; l++) {
		int o = l / LANES * GROUP + l % GROUP, v = l / d->oc, c = l % d->oc;
		if (d->bias && o < d->oc)
			bias[l] = a->bias[o];
		if (v < VOXELS)
			order[l] = c / GROUP * LANES + v * GROUP + c % GROUP;
	}
	for (int g = 0; g < 2; g++) {
		q.bias[g] = _mm512_loadu_ps(bias + g * LANES);
		q.order[g] = _mm512_loadu_si512(order + g * LANES);
	}
	q.stream = d->ye == ELEM_F32 && d->oc % GROUP == 0 && rows * d->oc >= STREAM_MIN &&
		   stream_fits(a->y, LANES);
	return q;
}

__attribute__((target("avx512f"))) static enum sm_status
run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	size_t rows = (size_t)d->n * d->in[0] * d->in[1] * d->in[2];
	size_t each = (ITEM / d->ic + VOXELS) / VOXELS * VOXELS, items = (rows + each - 1) / each;
	const struct point q = point_of(p, a, rows);
	bool half = d->xe == ELEM_BF16;
	void (*go)(const struct point *, size_t, size_t) =
	    groups_of(d) == 1 ? (half ? rows_11 : rows_10) : (half ? rows_21 : rows_20);
#pragma omp parallel num_threads(d->threads)
	{
#pragma omp for schedule(static)
		for (size_t i = 0; i < items; i++)
			go(&q, i * each, (i + 1) * each < rows ? (i + 1) * each : rows);
		stream_end();
	}
	return SM_OK;
}

const struct conv_kernel conv_point = {.name = "point",
				       .fits = fits,
				       .create = create,
				       .pack = pack,
				       .run = run,
				       .destroy = conv_destroy_none,
				       .bf16 = true};

#else

const struct conv_kernel conv_point = {
	.name = "point", .fits = conv_fits_none, .destroy = conv_destroy_none};

#endif
