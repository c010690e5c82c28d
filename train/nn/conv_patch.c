/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions whose kernel is as large as their stride (2x2x2 by 2 down, and transposed up): every
 * input voxel belongs to one output, so that each pass is one matrix product between the rows of
 * outputs and those of patches, done on the tensors where they lie.
 * AVX-512 only; lanes are channels, sums run over channels or rows in order, weight gradients over
 * fixed parts of the rows: bits do not depend on the number of threads. */
#include "train/nn/conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/op.h"
#include "train/nn/stream.h"

#ifdef __x86_64__
#include <immintrin.h>

#define LANES 16
#define VOXELS 12 /* outputs in one block of registers, by two vectors of channels */
#define WORKERS 16
#define MOST_PARTS ((size_t)1 << 19) /* values of the workers' gradients together */
#define MOST_TAPS 64
#define RUN 48 /* outputs whose patches stay in the first cache */
#define AVX512 __attribute__((target("avx512f")))

static int taps_of(const struct conv_desc *d)
{
	return d->k[0] * d->k[1] * d->k[2];
}

static size_t weights_of(const struct conv_desc *d)
{
	return (size_t)taps_of(d) * d->ic * d->oc;
}

/* Parts into which the sum over the rows is cut, each with a gradient of its own. */
static int workers_of(const struct conv_desc *d)
{
	size_t n = MOST_PARTS / weights_of(d);
	return n < 2 ? 2 : n > WORKERS ? WORKERS : (int)n;
}

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	if (!__builtin_cpu_supports("avx512f") || taps_of(d) == 1 || taps_of(d) > MOST_TAPS ||
	    d->ic % LANES || d->oc % LANES)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] != d->stride[i] || d->lo[i] || d->hi[i] ||
		    d->in[i] != d->out[i] * d->k[i])
			return false;
	return weights_of(d) <= INT32_MAX;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	(void)err;
	size_t bytes = weights_of(&p->d) * sizeof(float);
	p->packed = p->pass == SM_BACKWARD_WEIGHTS ? 0 : bytes;
	p->ws = p->pass == SM_BACKWARD_WEIGHTS ? workers_of(&p->d) * bytes : 0;
	snprintf(p->impl, sizeof p->impl, "patches avx512");
	return SM_OK;
}

/* Forward reads (tap, ic, oc), backward-data (tap, oc, ic): the channels written are innermost. */
static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	size_t taps = (size_t)taps_of(d), ic = (size_t)d->ic, oc = (size_t)d->oc;
	bool fwd = p->pass == SM_FORWARD;
	float *to = a->packed;
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t o = 0; o < oc; o++)
		for (size_t i = 0; i < ic; i++)
			for (size_t t = 0; t < taps; t++)
				to[fwd ? (t * ic + i) * oc + o : (t * oc + o) * ic + i] =
				    a->w[(o * ic + i) * taps + t];
	return SM_OK;
}

/* First value of the patch of output (line, 0); line = (n, od, oh). */
static size_t patch_line(const struct conv_desc *d, size_t line)
{
	size_t h = line % d->out[1], q = line / d->out[1];
	return ((q * d->k[0] * d->in[1]) + h * d->k[1]) * d->in[2] * d->ic;
}

/* Where each tap stands in a patch. */
static void taps_at(const struct conv_desc *d, size_t *at)
{
	for (int t = 0; t < taps_of(d); t++) {
		int w = t % d->k[2], h = t / d->k[2] % d->k[1], z = t / d->k[2] / d->k[1];
		at[t] = (((size_t)z * d->in[1] + h) * d->in[2] + w) * d->ic;
	}
}

/* One register block: sums over taps and k of a[v * lda + at[tap] + k] times rows of two columns. */
struct product {
	const float *a, *b0, *b1; /* rows, and the columns' weights: (tap, k) by ldb */
	size_t lda, ldb, n;       /* n values of k a tap */
	const size_t *at;
	int taps;
};

#define PRODUCT(count) \
	AVX512 static void product_##count(const struct product *p, __m512 (*acc)[2]) \
	{ \
		__m512 s[count][2]; \
		const float *b0 = p->b0, *b1 = p->b1; \
		size_t lda = p->lda, ldb = p->ldb; \
		_Pragma("GCC unroll 12") for (int v = 0; v < count; v++) \
		{ \
			s[v][0] = acc[v][0]; \
			s[v][1] = acc[v][1]; \
		} \
		for (int t = 0; t < p->taps; t++) { \
			const float *a = p->a + p->at[t]; \
			for (size_t k = 0; k < p->n; k++, b0 += ldb, b1 += ldb) { \
				__m512 w0 = _mm512_loadu_ps(b0), w1 = _mm512_loadu_ps(b1); \
				_Pragma("GCC unroll 12") for (int v = 0; v < count; v++) \
				{ \
					__m512 x = _mm512_set1_ps(a[v * lda + k]); \
					s[v][0] = _mm512_fmadd_ps(x, w0, s[v][0]); \
					s[v][1] = _mm512_fmadd_ps(x, w1, s[v][1]); \
				} \
			} \
		} \
		_Pragma("GCC unroll 12") for (int v = 0; v < count; v++) \
		{ \
			acc[v][0] = s[v][0]; \
			acc[v][1] = s[v][1]; \
		} \
	}
#define SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
SIZES(PRODUCT)

AVX512 static void product(const struct product *p, int rows, __m512 (*acc)[2])
{
#define CASE(count) \
	case count: \
		product_##count(p, acc); \
		break;
	switch (rows) {
		SIZES(CASE)
	default:
		break;
	}
}

/* Outputs [w, w + n) of a line: y = bias + sum over taps and ic. */
AVX512 static void gather(const struct conv_plan *p, const struct conv_args *a, const size_t *tap,
			  size_t line, int w, int n)
{
	const struct conv_desc *d = &p->d;
	size_t oc = (size_t)d->oc, step = d->k[2] * d->ic;
	float *y = a->y + (line * d->out[2] + w) * oc;
	const __m512 zero = _mm512_setzero_ps();
	for (size_t o = 0; o < oc; o += 2 * LANES) {
		size_t second = o + LANES < oc ? LANES : 0;
		const float *weight = (const float *)a->packed + o;
		const struct product m = {.a = a->x + patch_line(d, line) + w * step,
					  .b0 = weight,
					  .b1 = weight + second,
					  .lda = step,
					  .ldb = oc,
					  .n = (size_t)d->ic,
					  .at = tap,
					  .taps = taps_of(d)};
		__m512 acc[VOXELS][2];
		for (int v = 0; v < n; v++)
			for (size_t i = 0; i < 2; i++)
				acc[v][i] = d->bias ? _mm512_loadu_ps(a->bias + o + i * second)
						    : zero;
		product(&m, n, acc);
		for (int v = 0; v < n; v++)
			for (size_t i = 0; i < 2; i++) {
				__m512 r = acc[v][i];
				if (d->relu) /* NaN stays */
					r = _mm512_mask_mov_ps(
					    r, _mm512_cmp_ps_mask(r, zero, _CMP_LE_OQ), zero);
				_mm512_storeu_ps(y + v * oc + o + i * second, r);
			}
	}
}

/* A column is 16 input channels of a tap; column c's first value in a patch. */
static size_t column_at(const struct conv_desc *d, const size_t *tap, size_t c)
{
	size_t each = (size_t)d->ic / LANES;
	return tap[c / each] + c % each * LANES;
}

/* And its first value in (tap, oc, ic). */
static size_t column_weight(const struct conv_desc *d, size_t c)
{
	size_t each = (size_t)d->ic / LANES;
	return c / each * d->oc * d->ic + c % each * LANES;
}

/* Patches of outputs [w, w + n) of a line: x = sum over oc, two columns at a time. */
AVX512 static void scatter(const struct conv_plan *p, const struct conv_args *a, const size_t *tap,
			   size_t line, int w, int n)
{
	const struct conv_desc *d = &p->d;
	const size_t none = 0, columns = (size_t)taps_of(d) * d->ic / LANES;
	size_t oc = (size_t)d->oc, step = d->k[2] * d->ic;
	float *x = a->x + patch_line(d, line) + w * step;
	const float *weight = a->packed;
	bool stream = (size_t)d->n * d->in[0] * d->in[1] * d->in[2] * d->ic >= STREAM_MIN &&
		      step % LANES == 0 && stream_fits(a->x, LANES);
	for (size_t c = 0; c < columns; c += 2) {
		size_t e = c + 1 < columns ? c + 1 : c;
		const struct product m = {.a = a->y + (line * d->out[2] + w) * oc,
					  .b0 = weight + column_weight(d, c),
					  .b1 = weight + column_weight(d, e),
					  .lda = oc,
					  .ldb = (size_t)d->ic,
					  .n = oc,
					  .at = &none,
					  .taps = 1};
		__m512 acc[VOXELS][2];
		for (int v = 0; v < n; v++)
			acc[v][0] = acc[v][1] = _mm512_setzero_ps();
		product(&m, n, acc);
		float *x0 = x + column_at(d, tap, c), *x1 = x + column_at(d, tap, e);
		for (int v = 0; v < n; v++) {
			if (stream) {
				_mm512_stream_ps(x0 + v * step, acc[v][0]);
				_mm512_stream_ps(x1 + v * step, acc[v][1]);
			} else {
				_mm512_storeu_ps(x0 + v * step, acc[v][0]);
				_mm512_storeu_ps(x1 + v * step, acc[v][1]);
			}
		}
	}
	if (stream)
		stream_end();
}

/* Two columns of 8 oc over n outputs; g0 and g1 may be the same. */
AVX512 static void grad_tile(const float *y, size_t oc, const float *x0, const float *x1,
			     size_t step, int n, float *g0, float *g1, size_t ic)
{
	__m512 s[8][2];
	_Pragma("GCC unroll 8") for (int o = 0; o < 8; o++)
	{
		s[o][0] = _mm512_loadu_ps(g0 + o * ic);
		s[o][1] = _mm512_loadu_ps(g1 + o * ic);
	}
	for (int v = 0; v < n; v++) {
		__m512 a = _mm512_loadu_ps(x0 + v * step), b = _mm512_loadu_ps(x1 + v * step);
		_Pragma("GCC unroll 8") for (int o = 0; o < 8; o++)
		{
			__m512 g = _mm512_set1_ps(y[v * oc + o]);
			s[o][0] = _mm512_fmadd_ps(g, a, s[o][0]);
			s[o][1] = _mm512_fmadd_ps(g, b, s[o][1]);
		}
	}
	_Pragma("GCC unroll 8") for (int o = 0; o < 8; o++)
	{
		_mm512_storeu_ps(g0 + o * ic, s[o][0]);
		_mm512_storeu_ps(g1 + o * ic, s[o][1]);
	}
}

/* Adds outputs [w, w + n) of a line to the worker's gradient (tap, oc, ic). */
static void grad_run(const struct conv_plan *p, const struct conv_args *a, const size_t *tap,
		     size_t line, int w, int n, float *gw)
{
	const struct conv_desc *d = &p->d;
	const size_t columns = (size_t)taps_of(d) * d->ic / LANES;
	size_t ic = (size_t)d->ic, oc = (size_t)d->oc, step = d->k[2] * d->ic;
	const float *x = a->x + patch_line(d, line) + w * step;
	const float *y = a->y + (line * d->out[2] + w) * oc;
	for (size_t c = 0; c < columns; c += 2) {
		size_t e = c + 1 < columns ? c + 1 : c;
		float *g0 = gw + column_weight(d, c), *g1 = gw + column_weight(d, e);
		for (size_t o = 0; o < oc; o += 8)
			grad_tile(y + o, oc, x + column_at(d, tap, c), x + column_at(d, tap, e),
				  step, n, g0 + o * ic, g1 + o * ic, ic);
	}
}

static void grad(const struct conv_plan *p, const struct conv_args *a)
{
	const struct conv_desc *d = &p->d;
	size_t lines = (size_t)d->n * d->out[0] * d->out[1], count = weights_of(d);
	size_t taps = (size_t)taps_of(d), ic = (size_t)d->ic, oc = (size_t)d->oc;
	float *part = a->ws;
	size_t tap[MOST_TAPS];
	int workers = workers_of(d);
	taps_at(d, tap);
#pragma omp parallel for schedule(dynamic, 1) num_threads(d->threads)
	for (int k = 0; k < workers; k++) {
		memset(part + k * count, 0, count * sizeof *part);
		for (size_t l = lines * k / workers; l < lines * (k + 1) / workers; l++)
			for (int w = 0; w < d->out[2]; w += RUN)
				grad_run(p, a, tap, l, w,
					 d->out[2] - w < RUN ? d->out[2] - w : RUN,
					 part + k * count);
	}
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t o = 0; o < oc; o++)
		for (size_t t = 0; t < taps; t++)
			for (size_t i = 0; i < ic; i++) {
				size_t at = (t * oc + o) * ic + i;
				float sum = part[at];
				for (int k = 1; k < workers; k++)
					sum += part[k * count + at];
				a->gw[(o * ic + i) * taps + t] += sum;
			}
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		grad(p, a);
		return SM_OK;
	}
	size_t lines = (size_t)d->n * d->out[0] * d->out[1], tap[MOST_TAPS];
	int blocks = (d->out[2] + VOXELS - 1) / VOXELS;
	taps_at(d, tap);
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t l = 0; l < lines; l++)
		for (int b = 0; b < blocks; b++) {
			int w = d->out[2] * b / blocks, e = d->out[2] * (b + 1) / blocks;
			if (p->pass == SM_FORWARD)
				gather(p, a, tap, l, w, e - w);
			else
				scatter(p, a, tap, l, w, e - w);
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
	return SM_FAIL(err, SM_USAGE, "convolution: patches need AVX-512");
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)p;
	(void)a;
	(void)err;
	return SM_OK;
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	return pack(p, a, err);
}

#endif

static void destroy(struct conv_plan *p)
{
	(void)p;
}

/* Up to where weights stay in the first cache; oneDNN's blocks are better behind that, if it may use
 * more than one thread (conv_slab.c). */
static bool wins(const struct conv_desc *d, enum sm_pass pass)
{
	static const size_t most[SM_PASSES] = {
	    [SM_FORWARD] = 1 << 13, [SM_BACKWARD_DATA] = 1 << 20, [SM_BACKWARD_WEIGHTS] = 1 << 14};
	size_t weights = (size_t)d->ic * d->oc * d->k[0] * d->k[1] * d->k[2];
	bool alone = pass == SM_BACKWARD_WEIGHTS && d->n == 1 && d->out[0] == 1;
	return weights <= most[pass] || alone;
}

const struct conv_kernel conv_patch = {
    .name = "patch", .fits = fits, .create = create, .pack = pack, .run = run, .destroy = destroy,
    .wins = wins};
