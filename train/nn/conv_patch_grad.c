/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of the weights of conv_patch.c. Lanes are channels of the patches (or of the
 * outputs, when those of the input are no whole vectors), the other tensor's values are broadcast.
 * The rows are cut into parts and the channels into groups by the shape alone, each with sums of
 * its own. */
#include "train/nn/conv_patch.h"

#include <string.h>

#define ITEMS 16                     /* parts times groups, at least */
#define MOST_PARTS ((size_t)1 << 17) /* values of all parts together */
#define RUN 96                       /* rows whose patches stay in the first cache */
#define STAGE ((size_t)8192)         /* broadcast values of a run as floats */

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

/* The lines of a panel that is read later, two a row, are asked for by the tiles of a panel in
 * equal shares: tile `block` of `blocks`. */
static void ask_ahead(struct patch_tile *t, const char *from, size_t block, size_t blocks)
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

/* n rows, from value `lane` and `b` of the tensors on; `next` is where the lanes of the next run
 * begin. */
struct rows {
	size_t lane, b, next;
	int n;
};

/* Adds them to panel q of a part, whose broadcast values stand at `values`; `after`: the lanes that
 * are read later. */
static void add_panel(const struct sides *s, const struct patch_isa *isa, const struct rows *r,
		      const void *const lanes[2], const char *after, const float *values, int cols,
		      float *part)
{
	size_t depth = (size_t)isa->depth, deep = (s->nb + depth - 1) / depth;
	size_t across = (size_t)(cols + isa->blocks - 1) / isa->blocks;
	struct patch_tile t = {.step = s->step,
			       .nb = s->nb,
			       .n = r->n,
			       .stride = s->step * elem_size(s->le)};
	for (size_t i = 0; i < deep * across; i++) {
		size_t o = s->nb * (i / across) / deep, end = s->nb * (i / across + 1) / deep;
		int c = (int)(i % across) * isa->blocks;
		t.cols = cols - c < isa->blocks ? cols - c : isa->blocks;
		for (int k = 0; k < t.cols; k++)
			t.lanes[k] = lanes[c + k];
		ask_ahead(&t, after, i, deep * across);
		t.b = values + o;
		t.to = part + o * PATCH_PANEL + c * PATCH_LANES;
		isa->tile(&t, (int)(end - o), s->le == ELEM_BF16);
	}
}

/* Adds them to panels [q0, q1) of a part. */
static void add_run(const struct conv_desc *d, const struct sides *s, const struct patch_isa *isa,
		    const size_t *tap, const struct rows *r, size_t q0, size_t q1, float *part)
{
	float stage[STAGE];
	const float *values = elem_read(s->b, s->be, r->b, r->n * s->nb, stage);
	for (size_t q = q0; q < q1; q++) {
		size_t c = q * PATCH_PANEL, e = c + PATCH_LANES;
		size_t after = q + 1 < q1 ? r->lane + lane_at(d, s, tap, c + PATCH_PANEL)
					  : r->next + lane_at(d, s, tap, q0 * PATCH_PANEL);
		int cols = e < s->columns ? 2 : 1;
		const void *lanes[2];
		for (int i = 0; i < cols; i++, c = e)
			lanes[i] = elem_at(s->lanes, s->le, r->lane + lane_at(d, s, tap, c));
		add_panel(s, isa, r, lanes, elem_at(s->lanes, s->le, after), values, cols,
			  part + q * s->nb * PATCH_PANEL);
	}
}

/* First value of run i of the input or, y, of the outputs. */
static size_t run_start(const struct conv_desc *d, size_t i, size_t runs, bool y)
{
	size_t width = (size_t)d->out[2], line = i / runs, w = width * (i % runs) / runs;
	return y ? (line * width + w) * d->oc : patch_line(d, line) + w * patch_step(d);
}

static void add_part(const struct conv_desc *d, const struct sides *s, const struct patch_isa *isa,
		     size_t k, size_t g, float *part)
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
		struct rows r = {.lane = at[s->swapped], .b = at[!s->swapped], .n = n};
		r.next = i + 1 < items ? run_start(d, i + 1, runs, s->swapped) : r.lane;
		add_run(d, s, isa, tap, &r, q0, q1, part);
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

void patch_grad(const struct conv_desc *d, const struct conv_args *a, const struct patch_isa *isa)
{
	struct sides s = sides_of(d, a);
	size_t parts = parts_of(&s), groups = groups_of(&s), size = part_size(&s);
	float *part = a->ws;
#pragma omp parallel for schedule(dynamic, 1) num_threads(d->threads)
	for (size_t i = 0; i < parts * groups; i++)
		add_part(d, &s, isa, i / groups, i % groups, part + i / groups * size);
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t b = 0; b < s.nb; b++)
		add_parts(d, &s, part, b, a->gw);
}
