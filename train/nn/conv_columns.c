/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sixteen taps (4x4: generators and discriminators of images), one image at a time or
 * few: their deep levels have millions of weights and few pixels, so that whoever puts weights into an
 * order of his own, as libraries do, moves more memory than he computes. Here weights stay in PyTorch's
 * order (O, I, taps) and each pixel's patch is written beside them in the same order, (I, taps), sixteen
 * taps a vector: then all three passes are plain products of matrices with rows of K = 16 I floats:
 *   forward            y (P x O)  = patches (P x K) times weights (O x K) transposed
 *   backward, weights  gw (O x K) += gy (P x O) transposed times patches
 *   backward, data     patches' gradients (P x K) = gy times weights, then added up in x
 * P pixels in pieces whose patches fit the caches. AVX-512 only; every sum belongs to one thread and runs in
 * order: bits do not depend on the number of threads. */
#include "train/nn/conv.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "train/nn/gemm.h"

#ifdef __x86_64__

#define TAPS 16
#define PATCH_BYTES ((size_t)4 << 20) /* of a piece's patches */
#define MOST_PIXELS 1024
#define DEEP 512 /* values of K that a forward product takes at a time: panels in the second cache */

struct shape {
	size_t ic, oc, k, pixels, piece; /* piece: pixels at a time */
	size_t line;                     /* pixels of an output plane */
};

static struct shape shape_of(const struct conv_desc *d)
{
	struct shape s = {.ic = (size_t)d->ic, .oc = (size_t)d->oc, .k = (size_t)d->ic * TAPS};
	s.line = (size_t)d->out[1] * d->out[2];
	s.pixels = (size_t)d->n * d->out[0] * s.line;
	s.piece = PATCH_BYTES / (s.k * sizeof(float));
	s.piece = s.piece < GEMM_ROWS ? GEMM_ROWS : s.piece > MOST_PIXELS ? MOST_PIXELS : s.piece;
	s.piece = s.piece < s.pixels ? s.piece : s.pixels;
	return s;
}

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return __builtin_cpu_supports("avx512f") && !d->up && d->k[0] == 1 && d->k[1] * d->k[2] == TAPS &&
	       d->stride[0] == 1 && !d->lo[0] && !d->hi[0];
}

/* Bytes rounded to whole lines. */
static size_t lines(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	struct shape s = shape_of(&p->d);
	(void)err;
	p->ws = lines(s.piece * s.k * sizeof(float));
	if (p->pass == SM_BACKWARD_DATA)
		p->ws += p->d.threads * lines(s.oc * GEMM_WIDE * sizeof(float));
	snprintf(p->impl, sizeof p->impl, "columns avx512");
	return SM_OK;
}

/* Places of a pixel's taps in x, -1 in the padding. */
GEMM_INLINE void taps_of(const struct conv_desc *d, size_t pixel, ptrdiff_t at[TAPS])
{
	size_t plane = pixel / ((size_t)d->out[1] * d->out[2]);
	int y = (int)(pixel / d->out[2] % d->out[1]), x = (int)(pixel % d->out[2]);
	for (int t = 0; t < TAPS; t++) {
		int iy = y * d->stride[1] + t / d->k[2] - d->lo[1];
		int ix = x * d->stride[2] + t % d->k[2] - d->lo[2];
		bool in = iy >= 0 && iy < d->in[1] && ix >= 0 && ix < d->in[2];
		at[t] = in ? (ptrdiff_t)(((plane * d->in[1] + iy) * d->in[2] + ix) * d->ic) : -1;
	}
}

/* Channels [c, c + n) of a pixel's patch; n <= 16. */
GEMM_INLINE void gather(const float *x, const ptrdiff_t at[TAPS], size_t c, size_t n, float *to)
{
	__mmask16 m = (__mmask16)((1u << n) - 1);
	__m512 r[16];
GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		r[t] = at[t] < 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m, x + at[t] + c);
	gemm_turn16(r);
GEMM_UNROLL
	for (int i = 0; i < 16; i++)
		if ((size_t)i < n)
			_mm512_storeu_ps(to + i * TAPS, r[i]);
}

GEMM_INLINE void scatter(const float *from, const ptrdiff_t at[TAPS], size_t c, size_t n, float *x)
{
	__mmask16 m = (__mmask16)((1u << n) - 1);
	__m512 r[16];
GEMM_UNROLL
	for (int i = 0; i < 16; i++)
		r[i] = (size_t)i < n ? _mm512_loadu_ps(from + i * TAPS) : _mm512_setzero_ps();
	gemm_turn16(r);
GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		if (at[t] >= 0) {
			float *to = x + at[t] + c;
			_mm512_mask_storeu_ps(to, m, _mm512_add_ps(_mm512_maskz_loadu_ps(m, to), r[t]));
		}
}

/* Patches of pixels [from, from + count), shared out over the team. */
GEMM_AVX512 static void patches(const struct conv_desc *d, const struct shape *s, const float *x,
				size_t from, size_t count, float *to)
{
#pragma omp for schedule(static)
	for (size_t p = 0; p < count; p++) {
		ptrdiff_t at[TAPS];
		taps_of(d, from + p, at);
		for (size_t c = 0; c < s->ic; c += 16) {
			size_t n = s->ic - c < 16 ? s->ic - c : 16;
			gather(x, at, c, n, to + p * s->k + c * TAPS);
		}
	}
}

/* Their gradients back, by blocks of channels: each belongs to one thread. */
GEMM_AVX512 static void back(const struct conv_desc *d, const struct shape *s, const float *from,
			     size_t first, size_t count, float *gx)
{
#pragma omp for schedule(static)
	for (size_t c = 0; c < s->ic; c += 16) {
		size_t n = s->ic - c < 16 ? s->ic - c : 16;
		for (size_t p = 0; p < count; p++) {
			ptrdiff_t at[TAPS];
			taps_of(d, first + p, at);
			scatter(from + p * s->k + c * TAPS, at, c, n, gx);
		}
	}
}

static size_t rest(size_t all, size_t at, size_t most)
{
	return all - at < most ? all - at : most;
}

/* A job is some outputs of all pixels of the piece. */
#define OUTPUTS 32

GEMM_AVX512 static void forward_piece(const struct shape *s, const float *patch, size_t count,
				      const struct conv_args *a, bool relu, float *y)
{
	size_t jobs = (s->oc + OUTPUTS - 1) / OUTPUTS;
#pragma omp for schedule(static)
	for (size_t j = 0; j < jobs; j++) {
		size_t o = j * OUTPUTS, n = rest(s->oc, o, OUTPUTS);
		for (size_t p = 0; p < count; p++)
			for (size_t i = 0; i < n; i++)
				y[p * s->oc + o + i] = a->bias ? a->bias[o + i] : 0;
		for (size_t k = 0; k < s->k; k += DEEP)
			gemm_nt(count, n, rest(s->k, k, DEEP), patch + k, s->k, a->w + o * s->k + k,
				s->k, y + o, s->oc);
		for (size_t p = 0; relu && p < count; p++)
			for (size_t i = 0; i < n; i++) {
				float *v = y + p * s->oc + o + i;
				*v = *v <= 0 ? 0.0f : *v; /* NaN stays */
			}
	}
}

GEMM_AVX512 static void weights_piece(const struct shape *s, const float *patch, size_t count,
				      const float *gy, float *gw)
{
	size_t wide = (s->k + GEMM_WIDE - 1) / GEMM_WIDE, parts = wide < 8 ? 8 : 1;
	size_t each = (s->oc + parts - 1) / parts;
#pragma omp for schedule(static)
	for (size_t j = 0; j < wide * parts; j++) {
		size_t k = j / parts * GEMM_WIDE, o = j % parts * each;
		if (o < s->oc)
			gemm_panel(rest(s->oc, o, each), rest(s->k, k, GEMM_WIDE), count, gy + o, 1,
				   s->oc, patch + k, s->k, gw + o * s->k + k, s->k, 1);
	}
}

GEMM_AVX512 static void data_piece(const struct shape *s, const float *gy, size_t count,
				   const float *w, float *panel, float *patch)
{
	size_t wide = (s->k + GEMM_WIDE - 1) / GEMM_WIDE;
#pragma omp for schedule(static)
	for (size_t j = 0; j < wide; j++) {
		size_t k = j * GEMM_WIDE, n = rest(s->k, k, GEMM_WIDE);
		/* Rows of a panel stand a page and more apart: together they are read faster. */
		for (size_t o = 0; o < s->oc; o++)
			memcpy(panel + o * n, w + o * s->k + k, n * sizeof *panel);
		gemm_panel(count, n, s->oc, gy, s->oc, 1, panel, n, patch + k, s->k, 0);
	}
}

static enum sm_status run(const struct conv_plan *plan, const struct conv_args *a, struct sm_err *err)
{
	const struct conv_desc *d = &plan->d;
	const struct shape s = shape_of(d);
	float *patch = a->ws;
	size_t room = lines(s.oc * GEMM_WIDE * sizeof(float)) / sizeof(float);
	size_t values = (size_t)d->n * d->in[0] * d->in[1] * d->in[2] * s.ic;
	(void)err;
#pragma omp parallel num_threads(d->threads)
	{
		float *panel = patch + lines(s.piece * s.k * sizeof(float)) / sizeof(float) +
			       (size_t)omp_get_thread_num() * room;
		if (plan->pass == SM_BACKWARD_DATA) {
#pragma omp for schedule(static)
			for (size_t i = 0; i < values; i += 4096)
				memset(a->x + i, 0, rest(values, i, 4096) * sizeof *a->x);
		}
		for (size_t p = 0; p < s.pixels; p += s.piece) {
			size_t count = rest(s.pixels, p, s.piece);
			float *y = a->y + p * s.oc;
			if (plan->pass != SM_BACKWARD_DATA)
				patches(d, &s, a->x, p, count, patch);
			if (plan->pass == SM_FORWARD)
				forward_piece(&s, patch, count, a, d->relu, y);
			else if (plan->pass == SM_BACKWARD_WEIGHTS)
				weights_piece(&s, patch, count, y, a->gw);
			else
				data_piece(&s, y, count, a->w, panel, patch);
			if (plan->pass == SM_BACKWARD_DATA)
				back(d, &s, patch, p, count, a->x);
		}
	}
	return SM_OK;
}

#else

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	(void)pass;
	return false;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	(void)p;
	return SM_FAIL(err, SM_USAGE, "columns: not on this processor");
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)p;
	(void)a;
	return SM_FAIL(err, SM_INTERNAL, "columns: not on this processor");
}

#endif

static void destroy(struct conv_plan *p)
{
	(void)p;
}

const struct conv_kernel conv_columns = {
	.name = "columns", .fits = fits, .create = create, .run = run, .destroy = destroy};
