/* SPDX-License-Identifier: Apache-2.0
 *
 * What conv_columns.c does with a share of the work, written once over the vectors of an
 * instruction set (simd_*.h, gemm.h) that each conv_columns_<set>.c includes before this; that file
 * also says how many sums fit the registers (GEMM_VECS, DOT_*), how much the first cache (DEEP,
 * STRETCH: no bit hangs on them, a sum that waits in memory goes on where it stood), and what 16
 * floats are (row16, row_*, row_mask of the first n; row_turn). Lanes never meet but in gemm_sum,
 * whose order is fixed, so that both sets give the same bits.
 */
#ifdef SM_TRAIN_CONV_COLUMNS_BODY_H
#error "included once by each instruction set"
#endif
#define SM_TRAIN_CONV_COLUMNS_BODY_H

#include <string.h>

#define TAPS COLUMNS_TAPS
#define LANES COLUMNS_LANES
#define GROUP COLUMNS_GROUP
#define SPAN COLUMNS_SPAN
#define AHEAD 8 /* rows of weights that are asked for before they are copied */

_Static_assert(GEMM_WIDE == COLUMNS_WIDE && STRETCH <= COLUMNS_STRETCH, "sizes");

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
			row16 r[LANES])
{
	const row_mask m = row_first(n);
	GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		r[t] = at[t] < 0 ? row_zero() : row_load_n(x + at[t] + c, m);
	row_turn(r);
}

/* The reverse, added; r: of each channel its taps. */
GEMM_INLINE void scatter(row16 r[LANES], const ptrdiff_t at[TAPS], size_t c, size_t n, float *x)
{
	const row_mask m = row_first(n);
	row_turn(r);
	GEMM_UNROLL
	for (int t = 0; t < TAPS; t++)
		if (at[t] >= 0) {
			float *to = x + at[t] + c;
			row_store_n(to, row_add(row_load_n(to, m), r[t]), m);
		}
}

/* ---- forward -------------------------------------------------------------------------------- */

/* Channels [c, c + n) of `count` pixels: columns in rows of 64 pixels, a panel behind the other. */
static void columns_of(const float *x, const ptrdiff_t *at, size_t count, size_t c, size_t n,
		       float *to)
{
	const row_mask m = row_first(n);
	for (size_t p = 0; p < count; p += LANES) {
		float *panel = to + p / GEMM_WIDE * GROUP * GEMM_WIDE + p % GEMM_WIDE;
		for (size_t t = 0; t < TAPS; t++) {
			row16 r[LANES];
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++) {
				ptrdiff_t a = p + i < count ? at[(p + i) * TAPS + t] : -1;
				r[i] = a < 0 ? row_zero() : row_load_n(x + a + c, m);
			}
			row_turn(r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				if (i < n)
					row_store(panel + (i * TAPS + t) * GEMM_WIDE, r[i]);
		}
	}
}

/* Sums of a part, outputs in rows of pixels, to y with what comes behind them. */
static void write_part(const struct columns_shape *s, const struct columns_part *job,
		       const float *sum, const float *bias, bool relu, float *y)
{
	size_t outputs = job->o1 - job->o0;
	for (size_t p = 0; p < job->count; p += LANES) {
		const float *panel = sum + p / GEMM_WIDE * outputs * GEMM_WIDE + p % GEMM_WIDE;
		for (size_t o = 0; o < outputs; o += LANES) {
			size_t n = least(outputs - o, LANES);
			const row_mask m = row_first(n);
			row16 r[LANES], b = row_zero();
			if (bias)
				b = row_load_n(bias + job->o0 + o, m);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				r[i] = i < n ? row_load(panel + (o + i) * GEMM_WIDE) : row_zero();
			row_turn(r);
			for (size_t i = 0; i < LANES && p + i < job->count; i++) {
				row16 v = row_add(r[i], b);
				if (relu)
					v = row_positive(v);
				row_store_n(y + (job->from + p + i) * s->oc + job->o0 + o, v, m);
			}
		}
	}
}

static void forward_part(const struct conv_desc *d, const struct columns_shape *s,
			 const struct conv_args *a, const struct columns_part *job, float *own)
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

/* A job is some outputs of all pixels. */
#define OUTPUTS 32
#define FEW_DEEP 512

static void forward_few(const struct conv_desc *d, const struct columns_shape *s,
			const struct conv_args *a, float *patch)
{
#pragma omp for schedule(static)
	for (size_t g = 0; g < s->groups; g++)
		for (size_t p = 0; p < s->pixels; p++) {
			size_t n = least(s->ic - g * LANES, LANES);
			ptrdiff_t at[TAPS];
			row16 r[LANES];
			taps_of(d, p, 0, d->in[1], at);
			gather(a->x, at, g * LANES, n, r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				if (i < n)
					row_store(patch + p * s->k + g * GROUP + i * TAPS, r[i]);
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

/* gw of group g, outputs [o0, o1). */
static void weights_part(const struct conv_desc *d, const struct columns_shape *s,
			 const struct conv_args *a, size_t g, size_t o0, size_t o1, float *own)
{
	size_t n = least(s->ic - g * LANES, LANES);
	for (size_t from = 0; from < s->pixels; from += STRETCH) {
		size_t count = least(s->pixels - from, STRETCH);
		for (size_t p = 0; p < count; p++) {
			ptrdiff_t at[TAPS];
			row16 r[LANES];
			taps_of(d, from + p, 0, d->in[1], at);
			gather(a->x, at, g * LANES, n, r);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				row_store(own + (i / 4 * STRETCH + p) * GEMM_WIDE + i % 4 * TAPS,
					  r[i]);
		}
		for (size_t k = 0; k < n * TAPS; k += GEMM_WIDE)
			gemm_panel(o1 - o0, least(n * TAPS - k, GEMM_WIDE), count,
				   a->y + from * s->oc + o0, 1, s->oc, own + k * STRETCH, GEMM_WIDE,
				   a->gw + o0 * s->k + g * GROUP + k, s->k, 1);
	}
}

/* Outputs' rows whose patches meet a band. */
static void rows_of(const struct conv_desc *d, const struct columns_band *b, size_t *from,
		    size_t *end)
{
	int stride = d->stride[1], low = b->y0 + d->lo[1] - d->k[1] + 1,
	    high = b->y1 - 1 + d->lo[1];
	low = low <= 0 ? 0 : (low + stride - 1) / stride;
	high = high / stride + 1;
	*from = b->plane * d->out[1] * d->out[2] + (size_t)low * d->out[2];
	*end = b->plane * d->out[1] * d->out[2] + (size_t)least(high, d->out[1]) * d->out[2];
}

static void data_part(const struct conv_desc *d, const struct columns_shape *s,
		      const struct conv_args *a, const struct columns_band *b, float *own)
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
			row16 r[LANES];
			taps_of(d, from + p, b->y0, b->y1, at);
			GEMM_UNROLL
			for (size_t i = 0; i < LANES; i++)
				r[i] = i < n ? row_load(own + (i / 4 * STRETCH + p) * GEMM_WIDE +
							i % 4 * TAPS)
					     : row_zero();
			scatter(r, at, b->g * LANES, n, a->x);
		}
	}
}

#define COLUMNS_ISA(set) \
	{.name = set, \
	 .forward = forward_part, \
	 .few = forward_few, \
	 .weights = weights_part, \
	 .data = data_part}
