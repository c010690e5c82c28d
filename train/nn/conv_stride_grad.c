/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of the weights of convolutions with stride 2 (conv_stride.h). Ranges of lines and
 * groups of input channels follow from the shape alone, the ranges' sums are added in order: bits
 * do not depend on the number of threads. */
#include "train/nn/conv_stride.h"

#include <omp.h>

#include "train/nn/op.h"
#include "train/nn/sizes.h"

#define GRAD_ITEMS 16                  /* ranges of lines times groups of channels, about */
#define GRAD_LEAST 56                  /* pixels of a range */
#define GRAD_CACHE ((size_t)512 << 10) /* bytes of the sums of an item */

static int least(int a, int b)
{
	return a < b ? a : b;
}

void stride_set_items(struct stride_priv *q)
{
	size_t bytes = q->u_size * sizeof(float), pixels = (size_t)q->planes * q->lines * q->width;
	int groups = (int)ceil_div_size(bytes, GRAD_CACHE);
	groups = least(groups, q->cb);
	q->ranges = GRAD_ITEMS / groups < 1 ? 1 : GRAD_ITEMS / groups;
	q->ranges = least(q->ranges, (int)ceil_div_size(pixels, GRAD_LEAST));
	q->ranges = least(q->ranges, q->planes * q->lines);
	if (groups * q->ranges < GRAD_ITEMS)
		groups = ceil_div(GRAD_ITEMS, q->ranges);
	q->groups = least(groups, q->cb);
}

/* Gradients of a chunk's outputs to y, line by line. */
SM_CLONES static void y_rows(const struct stride_priv *q, const struct conv_desc *d, const void *gy,
			     const struct stride_chunk *c, float *y)
{
	size_t line = ((size_t)c->n * d->out[0] + c->z) * d->out[1] + c->y0;
	for (size_t i = 0; i < (size_t)c->rows * d->out[2]; i++)
		stride_put(y + i * WINO_LANES, q->m_obs, gy, d->ye,
			   (line * d->out[2] + i) * d->oc, 0, q->ob);
}

/* Where the rows of a chunk stand that a tap meets, and those of the outputs. */
struct runs {
	size_t x[STRIDE_ROWS], y[STRIDE_ROWS];
	int count;
};

/* Lines that meet padding stay out. */
static void find_runs(const struct stride_priv *q, const struct conv_desc *d,
		      const struct stride_chunk *c, int tap, struct runs *s)
{
	int k0 = tap / (d->k[1] * d->k[2]), k1 = tap / d->k[2] % d->k[1], class[2];
	const int shift[2] = {stride_shift(d, 1, k1, &class[0]),
			      stride_shift(d, 2, tap % d->k[2], &class[1])};
	s->count = 0;
	if (stride_plane(q, d, c->z, k0) < 0)
		return;
	for (int r = 0; r < c->rows; r++) {
		int h = (c->y0 + r) * d->stride[1] + k1 - d->lo[1];
		if (h < 0 || h >= d->in[1])
			continue;
		s->x[s->count] = stride_place(q, k0, class, shift) +
				 (size_t)r * q->pitch * WINO_LANES;
		s->y[s->count++] = (size_t)r * d->out[2] * WINO_LANES;
	}
}

/* A tap's products over the chunk's lines for input blocks [c0, c1). */
static void tap_products(const struct stride_priv *q, const struct runs *s, int c0, int c1,
			 bool add, const float *v, const float *y, float *sum)
{
	struct wino_grad g = {.v_at = s->x,
			      .y_at = s->y,
			      .runs = s->count,
			      .tiles = q->width,
			      .ic = WINO_LANES};
	for (int ob = 0; ob < q->ob; ob += g.pairs) {
		g.pairs = least(q->ob - ob, WINO_GRAD_PAIRS);
		for (int cb = c0; cb < c1; cb++) {
			for (int k = 0; k < g.pairs; k++) {
				g.y[k] = y + (ob + k) * q->m_obs;
				g.a[k] = sum + (ob + k) * q->u_obs +
					 (size_t)cb * WINO_LANES * WINO_LANES;
				g.add[k] = add;
			}
			q->isa->grad(&g, v + (cb - c0) * q->v_cbs);
		}
	}
}

/* The lines of a range from `line` on that make a chunk. */
static struct stride_chunk chunk_at(const struct stride_priv *q, const struct conv_desc *d,
				    int line, int end)
{
	int plane = line / q->lines, y0 = line % q->lines;
	return (struct stride_chunk){.n = plane / d->out[0],
				     .z = plane % d->out[0],
				     .y0 = y0,
				     .rows = least(least(q->rows, q->lines - y0), end - line)};
}

/* A range of lines for a group of input channels. */
static void grad_item(const struct conv_plan *p, const struct conv_args *a, int item, float *sums,
		      float *v)
{
	const struct stride_priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	int range = item / q->groups, group = item % q->groups;
	int c0 = q->cb * group / q->groups, c1 = q->cb * (group + 1) / q->groups;
	int64_t lines = (int64_t)q->planes * q->lines;
	int line = (int)(lines * range / q->ranges), end = (int)(lines * (range + 1) / q->ranges);
	float *sum = sums + range * q->u_size, *y = v + q->v_size;
	bool added[STRIDE_TAPS] = {false};
	for (struct stride_chunk c; line < end; line += c.rows) {
		c = chunk_at(q, d, line, end);
		stride_rows(q, d, a->x, &c, c0, c1, v);
		y_rows(q, d, a->y, &c, y);
		for (int tap = 0; tap < q->taps; tap++) {
			struct runs s;
			find_runs(q, d, &c, tap, &s);
			if (!s.count)
				continue;
			tap_products(q, &s, c0, c1, added[tap], v, y, sum + tap * q->u_ks);
			added[tap] = true;
		}
	}
	/* Taps that met nothing but padding. */
	size_t from = (size_t)c0 * WINO_LANES * WINO_LANES;
	size_t n = (size_t)(c1 - c0) * WINO_LANES * WINO_LANES;
	for (int tap = 0; tap < q->taps; tap++)
		for (int ob = 0; ob < q->ob && !added[tap]; ob++)
			memset(sum + tap * q->u_ks + ob * q->u_obs + from, 0, n * sizeof *sum);
}

/* gw (O,I,taps) += the ranges' sums, of output block ob and input channel i. */
SM_CLONES static void add_ranges(const struct stride_priv *q, size_t ic, const float *sums, int ob,
				 int i, float *gw)
{
	float all[STRIDE_TAPS][WINO_LANES];
	for (int tap = 0; tap < q->taps; tap++) {
		const float *s = sums + tap * q->u_ks + ob * q->u_obs + (size_t)i * WINO_LANES;
		memcpy(all[tap], s, sizeof all[tap]);
		for (int r = 1; r < q->ranges; r++)
			for (int l = 0; l < WINO_LANES; l++)
				all[tap][l] += s[r * q->u_size + l];
	}
	for (int l = 0; l < WINO_LANES; l++) {
		size_t o = (size_t)ob * WINO_LANES + l;
		float *to = gw + (o * ic + i) * q->taps;
		for (int tap = 0; tap < q->taps; tap++)
			to[tap] += all[tap][l];
	}
}

void stride_backward_weights(const struct conv_plan *p, const struct conv_args *a)
{
	const struct stride_priv *q = p->priv;
	float *sums = a->ws, *own = sums + q->ranges * q->u_size;
#pragma omp parallel num_threads(p->d.threads)
	{
		float *scratch = own + omp_get_thread_num() * (q->v_size + q->m_size);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->ranges * q->groups; i++)
			grad_item(p, a, i, sums, scratch);
#pragma omp for collapse(2) schedule(static)
		for (int ob = 0; ob < q->ob; ob++)
			for (int i = 0; i < p->d.ic; i++)
				add_ranges(q, (size_t)p->d.ic, sums, ob, i, a->gw);
	}
}
