/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions whose kernel is as large as their stride (2x2x2 by 2 down, transposed up, 1x1x1):
 * every input voxel belongs to one output, so that each pass is one matrix product between the rows
 * of outputs and those of patches, done on the tensors where they lie.
 * AVX-512 only; lanes are channels, sums run over channels in order: bits do not depend on the
 * number of threads. bfloat16 is storage: it is widened before and rounded behind the sums, as
 * memory is the limit here, and products of bfloat16 are on some CPUs slower than of floats. */
#include "train/nn/conv_patch.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/op.h"
#include "train/nn/stream.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VOXELS 12 /* outputs in one block of registers, by two vectors of channels */
#define RUN 48    /* outputs that go through a panel of weights together */
#define AVX512 __attribute__((target("avx512f")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f")))

static size_t weights_of(const struct conv_desc *d)
{
	return (size_t)patch_taps(d) * d->ic * d->oc;
}

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	if (!__builtin_cpu_supports("avx512f") || patch_taps(d) > PATCH_MOST_TAPS)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] != d->stride[i] || d->lo[i] || d->hi[i] ||
		    d->in[i] != d->out[i] * d->k[i])
			return false;
	if (weights_of(d) > INT32_MAX / 2)
		return false;
	if (pass == SM_BACKWARD_WEIGHTS)
		return patch_grad_fits(d);
	return (pass == SM_FORWARD ? d->oc : d->ic) % PATCH_LANES == 0;
}

/* Channels written: forward those of an output, backward those of a patch. */
static size_t written(const struct conv_plan *p)
{
	return p->pass == SM_FORWARD ? (size_t)p->d.oc : (size_t)patch_taps(&p->d) * p->d.ic;
}

static size_t panels(const struct conv_plan *p)
{
	return (written(p) + PATCH_PANEL - 1) / PATCH_PANEL;
}

/* Products in each sum. */
static size_t depth_of(const struct conv_plan *p)
{
	return p->pass == SM_FORWARD ? (size_t)patch_taps(&p->d) * p->d.ic : (size_t)p->d.oc;
}

/* A run of the operand is made floats first. */
static bool staged(const struct conv_plan *p)
{
	return (p->pass == SM_FORWARD ? p->d.xe : p->d.ye) == ELEM_BF16;
}

static size_t staged_bytes(const struct conv_plan *p)
{
	return staged(p) ? (RUN * depth_of(p) * sizeof(float) + 63) / 64 * 64 : 0;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	(void)err;
	bool grad = p->pass == SM_BACKWARD_WEIGHTS;
	p->packed = grad ? 0 : panels(p) * depth_of(p) * PATCH_PANEL * sizeof(float);
	p->ws = grad ? patch_grad_bytes(&p->d) : p->d.threads * staged_bytes(p);
	snprintf(p->impl, sizeof p->impl, "patches avx512");
	return SM_OK;
}

/* (panel, summed, 32): forward sums (tap, ic), backward oc; channels behind the last are 0. */
static void pack_forward(const struct conv_desc *d, const float *w, size_t panel, float *to)
{
	size_t taps = (size_t)patch_taps(d), ic = (size_t)d->ic, first = panel * PATCH_PANEL;
	size_t count = d->oc - first < PATCH_PANEL ? d->oc - first : PATCH_PANEL;
	to += panel * taps * ic * PATCH_PANEL;
	for (size_t i = 0; i < ic; i++)
		for (size_t j = 0; j < PATCH_PANEL; j++)
			for (size_t t = 0; t < taps; t++)
				to[(t * ic + i) * PATCH_PANEL + j] =
				    j < count ? w[((first + j) * ic + i) * taps + t] : 0;
}

static void pack_backward(const struct conv_desc *d, const float *w, size_t o, float *to)
{
	size_t taps = (size_t)patch_taps(d), ic = (size_t)d->ic, oc = (size_t)d->oc, c = 0;
	for (size_t t = 0; t < taps; t++)
		for (size_t i = 0; i < ic; i++, c++)
			to[(c / PATCH_PANEL * oc + o) * PATCH_PANEL + c % PATCH_PANEL] =
			    w[(o * ic + i) * taps + t];
	for (; c % PATCH_PANEL; c++)
		to[(c / PATCH_PANEL * oc + o) * PATCH_PANEL + c % PATCH_PANEL] = 0;
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	bool fwd = p->pass == SM_FORWARD;
	size_t count = fwd ? panels(p) : (size_t)d->oc;
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t q = 0; q < count; q++) {
		if (fwd)
			pack_forward(d, a->w, q, a->packed);
		else
			pack_backward(d, a->w, q, a->packed);
	}
	return SM_OK;
}

/* One register block: sums over taps and k of a[v * lda + at[tap] + k] times rows of a panel. */
struct product {
	const float *a, *b;
	size_t lda, n; /* n values of k a tap */
	const size_t *at;
	int taps;
	ptrdiff_t ahead; /* values to what is read later and asked for meanwhile; 0 = nothing */
	/* Where the sums go: two vectors of channels, the second maybe elsewhere. */
	void *to[2];
	size_t step; /* values from row to row */
	enum elem e;
	const float *bias; /* or NULL */
	bool relu, stream;
};

/* 16 floats as bfloat16, as elem_narrow. */
AVX512_INLINE __m256i narrow(__m512 x)
{
	__m512i u = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
	__m512i near = _mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff));
	__m512i nan = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
	near = _mm512_mask_mov_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), nan);
	return _mm512_cvtepi32_epi16(_mm512_srli_epi32(near, 16));
}

AVX512_INLINE __m512 rectified(__m512 x) /* NaN stays */
{
	const __m512 zero = _mm512_setzero_ps();
	return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LE_OQ), zero);
}

AVX512_INLINE void put(const struct product *p, size_t v, const int cols, const __m512 *s)
{
	size_t at = v * p->step;
	if (p->e == ELEM_F32) {
		for (int i = 0; i < cols; i++)
			if (p->stream)
				_mm512_stream_ps((float *)p->to[i] + at, s[i]);
			else
				_mm512_storeu_ps((float *)p->to[i] + at, s[i]);
		return;
	}
	elem_half *to[2] = {(elem_half *)p->to[0] + at, (elem_half *)p->to[cols - 1] + at};
	if (p->stream) { /* they stand side by side */
		__m512i both = _mm512_castsi256_si512(narrow(s[0]));
		both = _mm512_inserti64x4(both, narrow(s[cols - 1]), 1);
		_mm512_stream_si512((__m512i *)(void *)to[0], both);
		return;
	}
	for (int i = 0; i < cols; i++)
		_mm256_storeu_si256((__m256i *)(void *)to[i], narrow(s[i]));
}

AVX512_INLINE void product_of(const struct product *p, const int count, const int cols)
{
	__m512 s[VOXELS][2];
	const float *b = p->b;
	size_t lda = p->lda;
	_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
		_Pragma("GCC unroll 2") for (int i = 0; i < cols; i++) s[v][i] =
			p->bias ? _mm512_loadu_ps(p->bias + i * PATCH_LANES) : _mm512_setzero_ps();
	for (int t = 0; t < p->taps; t++) {
		const float *a = p->a + p->at[t];
		if (p->ahead)
			for (size_t k = 0; k < p->n; k += PATCH_LANES)
				_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
					__builtin_prefetch(a + v * lda + k + p->ahead);
		for (size_t k = 0; k < p->n; k++, b += PATCH_PANEL) {
			__m512 w0 = _mm512_loadu_ps(b), w1 = _mm512_loadu_ps(b + PATCH_LANES);
			/* Rows by threes: one address register each. */
			const float *row[] = {a + k, a + k + 3 * lda, a + k + 6 * lda,
					      a + k + 9 * lda};
			_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
			{
				__m512 x = _mm512_set1_ps(row[v / 3][v % 3 * lda]);
				s[v][0] = _mm512_fmadd_ps(x, w0, s[v][0]);
				if (cols > 1)
					s[v][1] = _mm512_fmadd_ps(x, w1, s[v][1]);
			}
		}
	}
	_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
	{
		if (p->relu)
			_Pragma("GCC unroll 2") for (int i = 0; i < cols; i++) s[v][i] =
				rectified(s[v][i]);
		put(p, (size_t)v, cols, s[v]);
	}
}

#define SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define PRODUCT(count) \
	AVX512 static void product_##count(const struct product *p, int cols) \
	{ \
		if (cols > 1) \
			product_of(p, count, 2); \
		else \
			product_of(p, count, 1); \
	}
SIZES(PRODUCT)

static void product(const struct product *p, int rows, int cols)
{
#define CASE(count) \
	case count: \
		product_##count(p, cols); \
		break;
	switch (rows) {
		SIZES(CASE)
	default:
		break;
	}
}

/* Rows [w, w + n) through one panel, a few at a time. */
static void rows_of(struct product m, int n, int cols)
{
	int blocks = (n + VOXELS - 1) / VOXELS;
	for (int b = 0; b < blocks; b++) {
		int from = n * b / blocks, to = n * (b + 1) / blocks;
		struct product part = m;
		part.a += from * m.lda;
		for (int i = 0; i < cols; i++)
			part.to[i] = elem_at(m.to[i], m.e, from * m.step);
		product(&part, to - from, cols);
	}
}

/* Rows of taps of a run of patches as floats, one behind the other. */
static const float *stage_patches(const struct conv_desc *d, const float *x, size_t first, int n,
				  float *to)
{
	size_t width = n * patch_step(d), lines = (size_t)d->k[0] * d->k[1];
	for (size_t l = 0; l < lines; l++) {
		size_t z = l / d->k[1], h = l % d->k[1];
		size_t from = first + (z * d->in[1] + h) * d->in[2] * d->ic;
		elem_move(to, ELEM_F32, l * width, x, d->xe, from, width);
	}
	return to;
}

/* n outputs of a line; their first value and that of their patches. */
struct run {
	ptrdiff_t x, y;
	int n;
};

/* Run i where a line is cut into `runs`. */
static struct run run_at(const struct conv_desc *d, size_t i, size_t runs)
{
	size_t line = i / runs, b = i % runs, w = d->out[2] * b / runs;
	return (struct run){.x = (ptrdiff_t)(patch_line(d, line) + w * patch_step(d)),
			    .y = (ptrdiff_t)((line * d->out[2] + w) * d->oc),
			    .n = (int)(d->out[2] * (b + 1) / runs - w)};
}

/* y = bias + sum over taps and ic; the next run is `ahead` values on. */
static void gather(const struct conv_plan *p, const struct conv_args *a, const size_t *tap,
		   const struct run *run, ptrdiff_t ahead, float *stage)
{
	const struct conv_desc *d = &p->d;
	size_t oc = (size_t)d->oc, step = patch_step(d), at[PATCH_MOST_TAPS];
	size_t first = (size_t)run->x, y = (size_t)run->y;
	int n = run->n;
	bool copy = staged(p);
	size_t line_up = d->ye == ELEM_F32 ? PATCH_LANES : PATCH_PANEL;
	bool stream = patch_lines(d) * d->out[2] * oc >= STREAM_MIN && oc % line_up == 0 &&
		      stream_fits(a->y, PATCH_LANES);
	const float *from = copy ? stage_patches(d, a->x, first, n, stage) : a->x + first;
	/* Taps along the width stand side by side: one long tap. */
	for (int t = 0; t < d->k[0] * d->k[1]; t++)
		at[t] = copy ? t * n * step : tap[t * d->k[2]];
	struct product m = {.a = from,
			    .lda = step,
			    .n = step,
			    .at = at,
			    .taps = d->k[0] * d->k[1],
			    .step = oc,
			    .e = d->ye,
			    .relu = d->relu,
			    .stream = stream};
	for (size_t q = 0; q < panels(p); q++) {
		size_t o = q * PATCH_PANEL;
		m.ahead = q || copy ? 0 : ahead;
		m.b = (const float *)a->packed + q * depth_of(p) * PATCH_PANEL;
		m.bias = d->bias ? a->bias + o : NULL;
		m.to[0] = elem_at(a->y, d->ye, y + o);
		m.to[1] = elem_at(a->y, d->ye, y + o + PATCH_LANES);
		rows_of(m, n, oc - o > PATCH_LANES ? 2 : 1);
	}
}

/* Channel c of a patch. */
static size_t channel_at(const struct conv_desc *d, const size_t *tap, size_t c)
{
	return tap[c / d->ic] + c % d->ic;
}

/* Patches x = sum over oc. */
static void scatter(const struct conv_plan *p, const struct conv_args *a, const size_t *tap,
		    const struct run *run, ptrdiff_t ahead, float *stage)
{
	const struct conv_desc *d = &p->d;
	const size_t none = 0, all = written(p);
	size_t oc = (size_t)d->oc, step = patch_step(d), first = (size_t)run->x, y = (size_t)run->y;
	int n = run->n;
	bool half = d->xe == ELEM_BF16;
	bool stream = (size_t)d->n * d->in[0] * d->in[1] * d->in[2] * d->ic >= STREAM_MIN &&
		      stream_fits(a->x, PATCH_LANES);
	if (staged(p))
		elem_move(stage, ELEM_F32, 0, a->y, d->ye, y, n * oc);
	struct product m = {.a = staged(p) ? stage : a->y + y,
			    .lda = oc,
			    .n = oc,
			    .at = &none,
			    .taps = 1,
			    .step = step,
			    .e = d->xe};
	for (size_t q = 0; q < panels(p); q++) {
		size_t c = q * PATCH_PANEL, e = c + PATCH_LANES;
		m.ahead = q || staged(p) ? 0 : ahead;
		int cols = all > e ? 2 : 1;
		size_t x0 = first + channel_at(d, tap, c);
		size_t x1 = cols > 1 ? first + channel_at(d, tap, e) : x0;
		bool lines = x1 == x0 + PATCH_LANES && x0 % PATCH_PANEL == 0 &&
			     step % PATCH_PANEL == 0;
		m.b = (const float *)a->packed + q * depth_of(p) * PATCH_PANEL;
		m.to[0] = elem_at(a->x, d->xe, x0);
		m.to[1] = elem_at(a->x, d->xe, x1);
		m.stream = stream && (!half || lines);
		rows_of(m, n, cols);
	}
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		patch_grad(d, a);
		return SM_OK;
	}
	size_t tap[PATCH_MOST_TAPS], runs = ((size_t)d->out[2] + RUN - 1) / RUN;
	size_t items = patch_lines(d) * runs, bytes = staged_bytes(p);
	patch_taps_at(d, tap);
#pragma omp parallel num_threads(d->threads)
	{
		float *stage = (float *)(void *)((char *)a->ws + omp_get_thread_num() * bytes);
#pragma omp for schedule(static)
		for (size_t i = 0; i < items; i++) {
			struct run at = run_at(d, i, runs);
			struct run next = i + 1 < items ? run_at(d, i + 1, runs) : at;
			if (p->pass == SM_FORWARD)
				gather(p, a, tap, &at, next.x - at.x, stage);
			else
				scatter(p, a, tap, &at, next.y - at.y, stage);
		}
		stream_end();
	}
	return SM_OK;
}

/* By steps of bench/train.sh --layers. bfloat16: nearly always, the library's is slower than its
 * float32 here. Else up to so many weights (the next size was as fast or faster in the library),
 * and where that may use no more than one thread (conv_slab.c); one tap: where one side has few
 * channels. */
static bool wins(const struct conv_desc *d, enum sm_pass pass)
{
	static const size_t most[SM_PASSES] = {
	    [SM_FORWARD] = 1 << 13, [SM_BACKWARD_DATA] = 1 << 20, [SM_BACKWARD_WEIGHTS] = 1 << 16};
	if (d->xe == ELEM_BF16 || d->ye == ELEM_BF16) /* half a line a voxel is not streamed */
		return pass != SM_BACKWARD_DATA || patch_taps(d) > 1 || d->ic > PATCH_LANES;
	if (patch_taps(d) == 1)
		return pass == SM_FORWARD ? d->ic < PATCH_LANES : d->oc <= PATCH_LANES / 2;
	size_t weights = (size_t)d->ic * d->oc * patch_taps(d);
	bool alone = pass == SM_BACKWARD_WEIGHTS && d->n == 1 && d->out[0] == 1;
	return weights <= most[pass] || alone;
}

const struct conv_kernel conv_patch = {.name = "patch",
				       .fits = fits,
				       .create = create,
				       .pack = pack,
				       .run = run,
				       .destroy = conv_destroy_none,
				       .wins = wins,
				       .bf16 = true};

#else

const struct conv_kernel conv_patch = {
	.name = "patch", .fits = conv_fits_none, .destroy = conv_destroy_none};

#endif
