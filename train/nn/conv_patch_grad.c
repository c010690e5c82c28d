/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of the weights of conv_patch.c. Lanes are channels of the patches (or of the
 * outputs, when those of the input are no whole vectors), the other tensor's values are broadcast.
 * The rows are cut into parts and the channels into groups by the shape alone, each with sums of
 * its own. */
#include "train/nn/conv_patch.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>

#define ITEMS 16                     /* parts times groups, at least */
#define MOST_PARTS ((size_t)1 << 17) /* values of all parts together */
#define RUN 96                       /* rows whose patches stay in the first cache */
#define DEPTH 8                      /* broadcast channels in one block of registers */
#define STAGE ((size_t)8192)         /* broadcast values of a run as floats */
#define AVX512 __attribute__((target("avx512f")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f")))

/* A run of rows: lane channel c of row v is lanes[v * step + column], broadcast o b[v * nb + o]. */
struct sides {
	const float *lanes, *b; /* tensors, of types le, be */
	enum elem le, be;
	size_t columns; /* lane channels, of all taps */
	size_t nb;      /* broadcast channels */
	size_t step;
	bool swapped; /* lanes are the outputs' */
};

static struct sides sides_of(const struct conv_desc *d, const struct conv_args *a)
{
	bool swapped = d->ic % PATCH_LANES != 0;
	size_t patch = (size_t)patch_taps(d) * d->ic;
	return (struct sides){.lanes = a ? swapped ? a->y : a->x : NULL,
			      .b = a ? swapped ? a->x : a->y : NULL,
			      .le = swapped ? d->ye : d->xe,
			      .be = swapped ? d->xe : d->ye,
			      .columns = swapped ? (size_t)d->oc : patch,
			      .nb = swapped ? (size_t)d->ic : (size_t)d->oc,
			      .step = swapped ? (size_t)d->oc : patch_step(d),
			      .swapped = swapped};
}

static size_t panels_of(const struct sides *s)
{
	return (s->columns + PATCH_PANEL - 1) / PATCH_PANEL;
}

/* Values of one part: (panel, broadcast channel, 32). */
static size_t part_size(const struct sides *s)
{
	return panels_of(s) * s->nb * PATCH_PANEL;
}

static size_t parts_of(const struct sides *s)
{
	size_t n = MOST_PARTS / part_size(s);
	return n < 1 ? 1 : n > ITEMS ? ITEMS : n;
}

/* Groups of panels, each an item of work of its own where parts are few. */
static size_t groups_of(const struct sides *s)
{
	size_t n = ITEMS / parts_of(s);
	return n < panels_of(s) ? n : panels_of(s);
}

bool patch_grad_fits(const struct conv_desc *d)
{
	struct sides s = sides_of(d, NULL);
	return s.columns % PATCH_LANES == 0 && s.nb <= STAGE && (!s.swapped || patch_taps(d) == 1);
}

size_t patch_grad_bytes(const struct conv_desc *d)
{
	struct sides s = sides_of(d, NULL);
	return parts_of(&s) * part_size(&s) * sizeof(float);
}

AVX512_INLINE __m512 load(const void *p, size_t at, const bool half)
{
	if (!half)
		return _mm512_loadu_ps((const float *)p + at);
	__m256i h = _mm256_loadu_si256((const __m256i *)(const void *)((const elem_half *)p + at));
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

struct tile {
	const void *lanes[2]; /* of the first row */
	const float *b;
	size_t step, nb;
	int n, cols;
	const char *ahead; /* a line asked for meanwhile; with each 1 << slow rows the next one, */
	size_t stride;     /* so many bytes on */
	int slow;
	float *to; /* (broadcast channel, 32) */
};

/* `count` broadcast channels by one or two vectors over n rows. */
AVX512_INLINE void tile_of(const struct tile *t, const int count, const int cols, const bool half)
{
	__m512 s[DEPTH][2];
	const float *b = t->b;
	_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		_Pragma("GCC unroll 2") for (int i = 0; i < cols; i++) s[o][i] =
			_mm512_loadu_ps(t->to + o * PATCH_PANEL + i * PATCH_LANES);
	for (int v = 0; v < t->n; v++, b += t->nb) {
		__m512 x0 = load(t->lanes[0], v * t->step, half);
		__m512 x1 = cols > 1 ? load(t->lanes[1], v * t->step, half) : x0;
		__builtin_prefetch(t->ahead + (size_t)(v >> t->slow) * t->stride);
		_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		{
			__m512 g = _mm512_set1_ps(b[o]);
			s[o][0] = _mm512_fmadd_ps(g, x0, s[o][0]);
			if (cols > 1)
				s[o][1] = _mm512_fmadd_ps(g, x1, s[o][1]);
		}
	}
	_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		_Pragma("GCC unroll 2") for (int i = 0; i < cols; i++)
			_mm512_storeu_ps(t->to + o * PATCH_PANEL + i * PATCH_LANES, s[o][i]);
}

#define SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TILE(count) \
	AVX512 static void tile_##count(const struct tile *t, bool half) \
	{ \
		if (t->cols > 1 && half) \
			tile_of(t, count, 2, true); \
		else if (t->cols > 1) \
			tile_of(t, count, 2, false); \
		else if (half) \
			tile_of(t, count, 1, true); \
		else \
			tile_of(t, count, 1, false); \
	}
SIZES(TILE)

static void tile(const struct tile *t, size_t count, bool half)
{
#define CASE(count) \
	case count: \
		tile_##count(t, half); \
		break;
	switch (count) {
		SIZES(CASE)
	default:
		break;
	}
}

/* The lines of a panel that is read later, two a row, are asked for by blocks of broadcast channels
 * in equal shares: block `block` of `blocks`. */
static void ask_ahead(struct tile *t, const char *from, size_t block, size_t blocks)
{
	size_t shares = 1;
	for (t->slow = 0; 4 * shares <= blocks; shares *= 2)
		t->slow++;
	size_t first = t->n * (block % shares) / shares;
	bool asks = block < 2 * shares;
	t->ahead = asks ? from + block / shares * 64 + first * t->stride : t->lanes[0];
}

static size_t lane_at(const struct conv_desc *d, const struct sides *s, const size_t *tap, size_t c)
{
	return s->swapped ? c : tap[c / d->ic] + c % d->ic;
}

/* Adds n rows, from value `lane` and `b` of the tensors on, to panels [q0, q1) of a part; `next` is
 * where the lanes of the next run begin. */
static void add_run(const struct conv_desc *d, const struct sides *s, const size_t *tap,
		    size_t lane, size_t b, int n, size_t next, size_t q0, size_t q1, float *part)
{
	float stage[STAGE];
	const float *values = elem_read(s->b, s->be, b, n * s->nb, stage);
	bool half = s->le == ELEM_BF16;
	for (size_t q = q0; q < q1; q++) {
		size_t c = q * PATCH_PANEL, e = c + PATCH_LANES;
		size_t after = q + 1 < q1 ? lane + lane_at(d, s, tap, c + PATCH_PANEL)
					  : next + lane_at(d, s, tap, q0 * PATCH_PANEL);
		struct tile t = {.step = s->step,
				 .nb = s->nb,
				 .n = n,
				 .stride = s->step * elem_size(s->le),
				 .cols = e < s->columns ? 2 : 1};
		for (int i = 0; i < t.cols; i++, c = e)
			t.lanes[i] = elem_at(s->lanes, s->le, lane + lane_at(d, s, tap, c));
		for (size_t o = 0; o < s->nb; o += DEPTH) {
			ask_ahead(&t, elem_at(s->lanes, s->le, after), o / DEPTH, s->nb / DEPTH);
			t.b = values + o;
			t.to = part + (q * s->nb + o) * PATCH_PANEL;
			tile(&t, s->nb - o < DEPTH ? s->nb - o : DEPTH, half);
		}
	}
}

/* First value of run i of the input or, y, of the outputs. */
static size_t run_start(const struct conv_desc *d, size_t i, size_t runs, bool y)
{
	size_t width = (size_t)d->out[2], line = i / runs, w = width * (i % runs) / runs;
	return y ? (line * width + w) * d->oc : patch_line(d, line) + w * patch_step(d);
}

static void add_part(const struct conv_desc *d, const struct sides *s, size_t k, size_t g,
		     float *part)
{
	size_t tap[PATCH_MOST_TAPS], parts = parts_of(s), groups = groups_of(s);
	size_t q0 = panels_of(s) * g / groups, q1 = panels_of(s) * (g + 1) / groups;
	size_t each = RUN; /* rows of a run */
	while (each > 1 && each * s->nb > STAGE)
		each /= 2;
	size_t width = (size_t)d->out[2], runs = (width + each - 1) / each;
	size_t items = patch_lines(d) * runs;
	patch_taps_at(d, tap);
	memset(part + q0 * s->nb * PATCH_PANEL, 0, (q1 - q0) * s->nb * PATCH_PANEL * sizeof *part);
	for (size_t i = items * k / parts; i < items * (k + 1) / parts; i++) {
		size_t b = i % runs, w = width * b / runs;
		int n = (int)(width * (b + 1) / runs - w);
		size_t at[2] = {run_start(d, i, runs, false), run_start(d, i, runs, true)};
		size_t next =
			i + 1 < items ? run_start(d, i + 1, runs, s->swapped) : at[s->swapped];
		add_run(d, s, tap, at[s->swapped], at[!s->swapped], n, next, q0, q1, part);
	}
}

/* gw += the sum over the parts, in their order, of broadcast channel b. */
static void add_parts(const struct conv_desc *d, const struct sides *s, const float *part, size_t b,
		      float *gw)
{
	size_t parts = parts_of(s), size = part_size(s), taps = (size_t)patch_taps(d);
	size_t ic = (size_t)d->ic, each = s->columns / taps, c = 0; /* lane channels of a tap */
	for (size_t t = 0; t < taps; t++)
		for (size_t l = 0; l < each; l += PATCH_LANES, c += PATCH_LANES) {
			size_t at = (c / PATCH_PANEL * s->nb + b) * PATCH_PANEL + c % PATCH_PANEL;
			float sum[PATCH_LANES] = {0};
			for (size_t k = 0; k < parts; k++)
#pragma omp simd
				for (size_t j = 0; j < PATCH_LANES; j++)
					sum[j] += part[k * size + at + j];
			for (size_t j = 0; j < PATCH_LANES; j++)
				gw[s->swapped ? (l + j) * ic + b : (b * ic + l + j) * taps + t] +=
				    sum[j];
		}
}

void patch_grad(const struct conv_desc *d, const struct conv_args *a)
{
	struct sides s = sides_of(d, a);
	size_t parts = parts_of(&s), groups = groups_of(&s), size = part_size(&s);
	float *part = a->ws;
#pragma omp parallel for schedule(dynamic, 1) num_threads(d->threads)
	for (size_t i = 0; i < parts * groups; i++)
		add_part(d, &s, i / groups, i % groups, part + i / groups * size);
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t b = 0; b < s.nb; b++)
		add_parts(d, &s, part, b, a->gw);
}

#else

bool patch_grad_fits(const struct conv_desc *d)
{
	(void)d;
	return false;
}

size_t patch_grad_bytes(const struct conv_desc *d)
{
	(void)d;
	return 0;
}

void patch_grad(const struct conv_desc *d, const struct conv_args *a)
{
	(void)d;
	(void)a;
}

#endif
