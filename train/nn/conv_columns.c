/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sixteen taps (4x4: generators and discriminators of images), one image at a time
 * or few: products of matrices. A pixel's patch is a row of K = 16 I values in the order of
 * PyTorch's weights (O, I, taps), in which these stay: deep levels have millions of them and few
 * pixels, so that whoever puts them into an order of his own, as libraries do, moves more memory
 * than he computes. forward            y (P x O)  = patches (P x K) times weights (O x K)
 * transposed backward, weights  gw (O x K) += gy (P x O) transposed times patches backward, data
 * patches' gradients (P x K) = gy times weights, then added up in x Patches are made where they are
 * used: 16 channels (256 columns) of so many pixels, in panels of 64 columns (of 64 pixels for
 * forward, whose vectors are pixels) that stand together in the first cache. AVX-512 only; every
 * sum belongs to one thread and runs in the same order however the work is cut: bits do not depend
 * on the number of threads. */
#include "train/nn/conv.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "train/nn/gemm.h"

#ifdef __x86_64__

#define TAPS 16
#define LANES 16
#define GROUP (LANES * TAPS) /* columns of K of 16 channels */
#define PANELS (GROUP / GEMM_WIDE)
#define DEEP 128    /* of a sum at a time: a panel of as many rows fits the first cache */
#define SPAN 256    /* pixels of a forward job, 64 a panel */
#define STRETCH 128 /* pixels of the other passes at a time */
#define AHEAD 8     /* rows of weights that are asked for before they are copied */
#define FEW 32      /* pixels at most for sums along K, which need no transposed patches */

struct shape {
	size_t ic, oc, k, pixels, groups;
	size_t line; /* pixels of an output plane */
};

static struct shape shape_of(const struct conv_desc *d)
{
	struct shape s = {.ic = (size_t)d->ic, .oc = (size_t)d->oc, .k = (size_t)d->ic * TAPS};
	s.line = (size_t)d->out[1] * d->out[2];
	s.pixels = (size_t)d->n * d->out[0] * s.line;
	s.groups = (s.ic + LANES - 1) / LANES;
	return s;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return __builtin_cpu_supports("avx512f") && !d->up && d->k[0] == 1 &&
	       d->k[1] * d->k[2] == TAPS && d->stride[0] == 1 && !d->lo[0] && !d->hi[0];
}

/* Floats in whole lines. */
static size_t lines(size_t floats)
{
	return (floats + LANES - 1) / LANES * LANES;
}

/* Floats of a thread's own. */
static size_t own_floats(const struct shape *s, enum sm_pass pass)
{
	if (pass == SM_FORWARD && s->pixels <= FEW)
		return 0;
	if (pass == SM_FORWARD)
		return SPAN * (GROUP + lines(s->oc)) +
		       SPAN * TAPS * sizeof(ptrdiff_t) / sizeof(float);
	return (size_t)STRETCH * GROUP + (pass == SM_BACKWARD_DATA ? s->oc * GROUP : 0);
}

/* Floats of all threads: the patches of few pixels. */
static size_t shared_floats(const struct shape *s, enum sm_pass pass)
{
	return pass == SM_FORWARD && s->pixels <= FEW ? s->pixels * s->k : 0;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	struct shape s = shape_of(&p->d);
	(void)err;
	p->ws = (shared_floats(&s, p->pass) + p->d.threads * own_floats(&s, p->pass)) *
		sizeof(float);
	snprintf(p->impl, sizeof p->impl, "columns avx512");
	return SM_OK;
}

/* ---- patches -------------------------------------------------------------------------------- */

/* Places of a pixel's taps in x, -1 in the padding and outside of rows [y0, y1). */
GEMM_INLINE void taps_of(const struct conv_desc *d, size_t pixel, int y0, int y1,
			 ptrdiff_t at[TAPS])
{
	size_t line = (size_t)d->out[1] * d->out[2], plane = pixel / line;
	int in_plane = (int)(pixel % line), w = d->in[2];
	int top = in_plane / d->out[2] * d->stride[1] - d->lo[1];
	int left = in_plane % d->out[2] * d->stride[2] - d->lo[2];
	ptrdiff_t first = ((ptrdiff_t)plane * d->in[1] + top) * w + left;
	for (int t = 0, r = 0; r < d->k[1]; r++)
		for (int c = 0; c < d->k[2]; c++, t++) {
			bool in = top + r >= y0 && top + r < y1 && left + c >= 0 && left + c < w;
			at[t] = in ? (first + (ptrdiff_t)r * w + c) * d->ic : -1;
		}
}

/* Channels [c, c + n) of a pixel's patch, n <= 16: of each its taps. */
GEMM_INLINE void gather(const float *x, const ptrdiff_t at[TAPS], size_t c, size_t n,
			__m512 r[LANES])
{
	__mmask16 m = (__mmask16)((1u << n) - 1);
	GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		r[t] = at[t] < 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(m, x + at[t] + c);
	gemm_turn16(r);
}

/* The reverse, added; r: of each channel its taps. */
GEMM_INLINE void scatter(__m512 r[LANES], const ptrdiff_t at[TAPS], size_t c, size_t n, float *x)
{
	__mmask16 m = (__mmask16)((1u << n) - 1);
	gemm_turn16(r);
	GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		if (at[t] >= 0) {
			float *to = x + at[t] + c;
			_mm512_mask_storeu_ps(to, m,
					      _mm512_add_ps(_mm512_maskz_loadu_ps(m, to), r[t]));
		}
}

/* ---- forward -------------------------------------------------------------------------------- */

/* Outputs [o0, o1) of pixels [from, from + count). */
struct part {
	size_t from, count, o0, o1;
};

/* Channels [c, c + n) of `count` pixels: columns in rows of 64 pixels, a panel behind the other. */
GEMM_AVX512 static void columns_of(const float *x, const ptrdiff_t *at, size_t count, size_t c,
				   size_t n, float *to)
{
	__mmask16 m = (__mmask16)((1u << n) - 1);
	for (size_t p = 0; p < count; p += LANES) {
		float *panel = to + p / GEMM_WIDE * GROUP * GEMM_WIDE + p % GEMM_WIDE;
		for (size_t t = 0; t < TAPS; t++) {
			__m512 r[LANES];
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++) {
				ptrdiff_t a = p + i < count ? at[(p + i) * TAPS + t] : -1;
				r[i] = a < 0 ? _mm512_setzero_ps()
					     : _mm512_maskz_loadu_ps(m, x + a + c);
			}
			gemm_turn16(r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				if (i < n)
					_mm512_storeu_ps(panel + (i * TAPS + t) * GEMM_WIDE, r[i]);
		}
	}
}

/* Sums of a part, outputs in rows of pixels, to y with what comes behind them. */
GEMM_AVX512 static void write_part(const struct shape *s, const struct part *job, const float *sum,
				   const float *bias, bool relu, float *y)
{
	size_t outputs = job->o1 - job->o0;
	for (size_t p = 0; p < job->count; p += LANES) {
		const float *panel = sum + p / GEMM_WIDE * outputs * GEMM_WIDE + p % GEMM_WIDE;
		for (size_t o = 0; o < outputs; o += LANES) {
			size_t n = least(outputs - o, LANES);
			__mmask16 m = (__mmask16)((1u << n) - 1);
			__m512 r[LANES], b = _mm512_setzero_ps(), zero = _mm512_setzero_ps();
			if (bias)
				b = _mm512_maskz_loadu_ps(m, bias + job->o0 + o);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				r[i] = i < n ? _mm512_loadu_ps(panel + (o + i) * GEMM_WIDE) : zero;
			gemm_turn16(r);
			for (size_t i = 0; i < LANES && p + i < job->count; i++) {
				__m512 v = _mm512_add_ps(r[i], b);
				if (relu) /* NaN stays */
					v = _mm512_mask_mov_ps(
						v, _mm512_cmp_ps_mask(v, zero, _CMP_LE_OQ), zero);
				_mm512_mask_storeu_ps(y + (job->from + p + i) * s->oc + job->o0 + o,
						      m, v);
			}
		}
	}
}

GEMM_AVX512 static void forward_part(const struct conv_desc *d, const struct shape *s,
				     const struct conv_args *a, const struct part *job, float *own)
{
	ptrdiff_t *at = (ptrdiff_t *)(void *)own;
	float *column = own + SPAN * TAPS * sizeof *at / sizeof *own, *sum = column + SPAN * GROUP;
	size_t outputs = job->o1 - job->o0;
	for (size_t p = 0; p < job->count; p++)
		taps_of(d, job->from + p, 0, d->in[1], at + p * TAPS);
	for (size_t g = 0; g < s->groups; g++) {
		size_t n = least(s->ic - g * LANES, LANES), depth = n * TAPS;
		columns_of(a->x, at, job->count, g * LANES, n, column);
		for (size_t p = 0; p < job->count; p += GEMM_WIDE) {
			size_t wide =
				(least(job->count - p, GEMM_WIDE) + LANES - 1) / LANES * LANES;
			for (size_t k = 0; k < depth; k += DEEP)
				gemm_panel(outputs, wide, least(depth - k, DEEP),
					   a->w + job->o0 * s->k + g * GROUP + k, s->k, 1,
					   column + (p * GROUP + k * GEMM_WIDE), GEMM_WIDE,
					   sum + p * outputs, GEMM_WIDE, g || k);
		}
	}
	write_part(s, job, sum, a->bias, d->relu, a->y);
}

static void forward(const struct conv_desc *d, const struct shape *s, const struct conv_args *a,
		    float *own)
{
	size_t threads = (size_t)d->threads, panels = (s->pixels + GEMM_WIDE - 1) / GEMM_WIDE;
	/* Fewer panels than threads: these share out the outputs. */
	size_t cuts = panels < threads ? threads : 1;
	size_t each = ((s->oc + cuts - 1) / cuts + LANES - 1) / LANES * LANES;
	size_t spans = (s->pixels + SPAN - 1) / SPAN;
	spans = least((spans + threads - 1) / threads * threads, panels);
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < spans * cuts; j++) {
		size_t q = j / cuts, from = panels * q / spans * GEMM_WIDE;
		struct part job = {.from = from,
				   .count = least(s->pixels, panels * (q + 1) / spans * GEMM_WIDE) -
					    from,
				   .o0 = j % cuts * each,
				   .o1 = least(s->oc, (j % cuts + 1) * each)};
		if (job.o0 < job.o1)
			forward_part(d, s, a, &job, own);
	}
}

/* A job is some outputs of all pixels. */
#define OUTPUTS 32
#define FEW_DEEP 512

GEMM_AVX512 static void forward_few(const struct conv_desc *d, const struct shape *s,
				    const struct conv_args *a, float *patch)
{
#pragma omp for schedule(static)
	for (size_t g = 0; g < s->groups; g++)
		for (size_t p = 0; p < s->pixels; p++) {
			size_t n = least(s->ic - g * LANES, LANES);
			ptrdiff_t at[TAPS];
			__m512 r[LANES];
			taps_of(d, p, 0, d->in[1], at);
			gather(a->x, at, g * LANES, n, r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				if (i < n)
					_mm512_storeu_ps(patch + p * s->k + g * GROUP + i * TAPS,
							 r[i]);
		}
#pragma omp for schedule(static)
	for (size_t o = 0; o < s->oc; o += OUTPUTS) {
		size_t n = least(s->oc - o, OUTPUTS);
		for (size_t p = 0; p < s->pixels; p++)
			for (size_t i = 0; i < n; i++)
				a->y[p * s->oc + o + i] = a->bias ? a->bias[o + i] : 0;
		for (size_t k = 0; k < s->k; k += FEW_DEEP)
			gemm_nt(s->pixels, n, least(s->k - k, FEW_DEEP), patch + k, s->k,
				a->w + o * s->k + k, s->k, a->y + o, s->oc);
		for (size_t p = 0; d->relu && p < s->pixels; p++)
			for (size_t i = 0; i < n; i++) {
				float *v = a->y + p * s->oc + o + i;
				*v = *v <= 0 ? 0.0f : *v; /* NaN stays */
			}
	}
}

/* ---- backward ------------------------------------------------------------------------------- */

/* Groups of channels are jobs; where they are few, each is cut in so many. */
static size_t cuts_of(const struct shape *s, int threads)
{
	return s->groups >= 4 * (size_t)threads || s->groups % threads == 0 ? 1 : (size_t)threads;
}

/* gw of group g, outputs [o0, o1). */
GEMM_AVX512 static void weights_part(const struct conv_desc *d, const struct shape *s,
				     const struct conv_args *a, size_t g, size_t o0, size_t o1,
				     float *own)
{
	size_t n = least(s->ic - g * LANES, LANES);
	for (size_t from = 0; from < s->pixels; from += STRETCH) {
		size_t count = least(s->pixels - from, STRETCH);
		for (size_t p = 0; p < count; p++) {
			ptrdiff_t at[TAPS];
			__m512 r[LANES];
			taps_of(d, from + p, 0, d->in[1], at);
			gather(a->x, at, g * LANES, n, r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				_mm512_storeu_ps(own + (i / 4 * STRETCH + p) * GEMM_WIDE +
							 i % 4 * TAPS,
						 r[i]);
		}
		for (size_t k = 0; k < n * TAPS; k += GEMM_WIDE)
			gemm_panel(o1 - o0, least(n * TAPS - k, GEMM_WIDE), count,
				   a->y + from * s->oc + o0, 1, s->oc, own + k * STRETCH, GEMM_WIDE,
				   a->gw + o0 * s->k + g * GROUP + k, s->k, 1);
	}
}

static void backward_weights(const struct conv_desc *d, const struct shape *s,
			     const struct conv_args *a, float *own)
{
	size_t cuts = cuts_of(s, d->threads);
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < s->groups * cuts; j++) {
		size_t cut = j % cuts;
		weights_part(d, s, a, j / cuts, s->oc * cut / cuts, s->oc * (cut + 1) / cuts, own);
	}
}

/* Rows [y0, y1) of a plane of x, group g. */
struct band {
	size_t g, plane;
	int y0, y1;
};

/* Outputs' rows whose patches meet a band. */
static void rows_of(const struct conv_desc *d, const struct band *b, size_t *from, size_t *end)
{
	int stride = d->stride[1], low = b->y0 + d->lo[1] - d->k[1] + 1,
	    high = b->y1 - 1 + d->lo[1];
	low = low <= 0 ? 0 : (low + stride - 1) / stride;
	high = high / stride + 1;
	*from = b->plane * d->out[1] * d->out[2] + (size_t)low * d->out[2];
	*end = b->plane * d->out[1] * d->out[2] + (size_t)least(high, d->out[1]) * d->out[2];
}

GEMM_AVX512 static void data_part(const struct conv_desc *d, const struct shape *s,
				  const struct conv_args *a, const struct band *b, float *own)
{
	size_t n = least(s->ic - b->g * LANES, LANES), columns = n * TAPS, from, end;
	float *panel = own + (size_t)STRETCH * GROUP, *x = a->x + b->g * LANES;
	for (size_t i = 0; i < (size_t)(b->y1 - b->y0) * d->in[2]; i++)
		memset(x + ((b->plane * d->in[1] + b->y0) * d->in[2] + i) * s->ic, 0,
		       n * sizeof *x);
	/* Rows stand a page and more apart: together they are read faster, and often. */
	for (size_t o = 0; o < s->oc; o++)
		for (size_t k = 0; k < columns; k += GEMM_WIDE) {
			for (size_t i = 0; i < GEMM_WIDE; i += LANES)
				__builtin_prefetch(a->w + (o + AHEAD) * s->k + b->g * GROUP + k +
						   i);
			memcpy(panel + k * s->oc + o * GEMM_WIDE,
			       a->w + o * s->k + b->g * GROUP + k,
			       least(columns - k, GEMM_WIDE) * sizeof *panel);
		}
	rows_of(d, b, &from, &end);
	for (size_t p; from < end; from += p) {
		size_t count = least(end - from, STRETCH);
		for (size_t k = 0; k < columns; k += GEMM_WIDE)
			for (size_t o = 0; o < s->oc; o += DEEP)
				gemm_panel(count, least(columns - k, GEMM_WIDE),
					   least(s->oc - o, DEEP), a->y + from * s->oc + o, s->oc,
					   1, panel + k * s->oc + o * GEMM_WIDE, GEMM_WIDE,
					   own + k * STRETCH, GEMM_WIDE, o > 0);
		for (p = 0; p < count; p++) {
			ptrdiff_t at[TAPS];
			__m512 r[LANES];
			taps_of(d, from + p, b->y0, b->y1, at);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				r[i] = i < n ? _mm512_loadu_ps(own +
							       (i / 4 * STRETCH + p) * GEMM_WIDE +
							       i % 4 * TAPS)
					     : _mm512_setzero_ps();
			scatter(r, at, b->g * LANES, n, a->x);
		}
	}
}

static void backward_data(const struct conv_desc *d, const struct shape *s,
			  const struct conv_args *a, float *own)
{
	size_t cuts = least(cuts_of(s, d->threads), d->in[1]), planes = (size_t)d->n * d->in[0];
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < s->groups * planes * cuts; j++) {
		int cut = (int)(j % cuts), rows = d->in[1];
		struct band b = {.g = j / cuts / planes,
				 .plane = j / cuts % planes,
				 .y0 = rows * cut / (int)cuts,
				 .y1 = rows * (cut + 1) / (int)cuts};
		data_part(d, s, a, &b, own);
	}
}

static enum sm_status run(const struct conv_plan *plan, const struct conv_args *a,
			  struct sm_err *err)
{
	const struct conv_desc *d = &plan->d;
	const struct shape s = shape_of(d);
	size_t shared = shared_floats(&s, plan->pass), each = own_floats(&s, plan->pass);
	(void)err;
#pragma omp parallel num_threads(d->threads)
	{
		float *own = (float *)a->ws + shared + (size_t)omp_get_thread_num() * each;
		if (plan->pass == SM_BACKWARD_WEIGHTS)
			backward_weights(d, &s, a, own);
		else if (plan->pass == SM_BACKWARD_DATA)
			backward_data(d, &s, a, own);
		else if (s.pixels <= FEW)
			forward_few(d, &s, a, a->ws);
		else
			forward(d, &s, a, own);
	}
	return SM_OK;
}

const struct conv_kernel conv_columns = {.name = "columns",
					 .fits = fits,
					 .create = create,
					 .run = run,
					 .destroy = conv_destroy_none};

#else

const struct conv_kernel conv_columns = {
	.name = "columns", .fits = conv_fits_none, .destroy = conv_destroy_none};

#endif
