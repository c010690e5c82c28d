/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of the weights of convolutions with stride 2, rows of the kernels' table one for each
 * instruction set. Along the width a tap meets every second pixel: rows of the input are put down
 * as their even and their odd pixels (as many classes as the stride), each [block of 16
 * channels][pixel][16], so that what a tap meets stands side by side, and the products are those of
 * the Winograd gradient at one point (conv_wino.h). Ranges of output rows and groups of input
 * channels follow from the shape alone, the ranges' sums are added in order: bits do not depend on
 * the number of threads. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/conv.h"
#include "train/nn/conv_wino.h"
#include "train/nn/op.h"

#define MAX_STRIDE 2
#define MAX_K 3
#define MAX_TAPS (MAX_K * MAX_K * MAX_K)
#define CACHE ((size_t)448 << 10)      /* bytes of the rows of a chunk */
#define LEAST 56                       /* pixels of a chunk: sums are read once for them */
#define MAX_ROWS 64                    /* of a chunk */
#define GRAD_ITEMS 16                  /* ranges of rows times groups of channels, about */
#define GRAD_CACHE ((size_t)512 << 10) /* bytes of the sums of one of them */

struct priv {
	const struct wino_isa *isa;
	int cb, ob, taps; /* blocks of channels */
	size_t lines;     /* output rows of all planes */
	int rows, x_rows; /* a chunk's output rows, and the input rows that these meet a plane */
	/* A row by classes: the place of the first pixel of each, its number in the row, how many. */
	int at[MAX_STRIDE], first[MAX_STRIDE], count[MAX_STRIDE], pixels;
	size_t x_cbs, x_size, y_obs, y_size, u_obs, u_ks, u_size;
	int groups, ranges;
};

/* Floats made an odd number of blocks, so that streams that far apart do not meet in the caches. */
static size_t spread(size_t floats)
{
	return (floats / WINO_LANES | 1) * WINO_LANES;
}

static int ceil_div(size_t a, size_t b)
{
	return (int)((a + b - 1) / b);
}

/* ---- what is taken -------------------------------------------------------------------------- */

static bool shape_fits(const struct conv_desc *d, enum sm_pass pass)
{
	if (pass != SM_BACKWARD_WEIGHTS || d->up || d->stride[2] != MAX_STRIDE)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] > MAX_K || d->stride[i] > MAX_STRIDE)
			return false;
	return d->ic % WINO_LANES == 0 && d->oc % WINO_LANES == 0;
}

static bool fits_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	return wino_has_avx512() && shape_fits(d, pass);
}

static bool fits_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	return wino_has_avx2() && shape_fits(d, pass);
}

static bool fits_portable(const struct conv_desc *d, enum sm_pass pass)
{
	return shape_fits(d, pass);
}

/* ---- the plan ------------------------------------------------------------------------------- */

/* Tap k along the width meets pixel stride * (x + shift) + class of output x. */
static int class_of(const struct conv_desc *d, int k)
{
	return (k - d->lo[2] + MAX_K * d->stride[2]) % d->stride[2];
}

static int shift_of(const struct conv_desc *d, int k)
{
	return (k - d->lo[2] - class_of(d, k)) / d->stride[2];
}

static void set_classes(struct priv *q, const struct conv_desc *d)
{
	for (int c = 0; c < d->stride[2]; c++) {
		q->at[c] = q->pixels;
		for (int k = 0; k < d->k[2]; k++) {
			if (class_of(d, k) != c)
				continue;
			/* Taps of a class come with rising shifts. */
			int last = shift_of(d, k);
			q->first[c] = q->count[c] ? q->first[c] : last;
			q->count[c] = d->out[2] + last - q->first[c];
		}
		q->pixels += q->count[c];
	}
}

static void set_items(struct priv *q, const struct conv_desc *d)
{
	int groups = ceil_div(q->u_size * sizeof(float), GRAD_CACHE);
	int least = ceil_div(q->lines * d->out[2], LEAST);
	groups = groups < q->cb ? groups : q->cb;
	q->ranges = GRAD_ITEMS / groups < 1 ? 1 : GRAD_ITEMS / groups;
	q->ranges = q->ranges < least ? q->ranges : least;
	q->ranges = (size_t)q->ranges < q->lines ? q->ranges : (int)q->lines;
	groups = groups * q->ranges < GRAD_ITEMS ? ceil_div(GRAD_ITEMS, q->ranges) : groups;
	q->groups = groups < q->cb ? groups : q->cb;
}

/* As many rows at a time as the cache holds, but pixels enough. */
static void set_chunk(struct priv *q, const struct conv_desc *d)
{
	size_t cbs = ceil_div(q->cb, q->groups), x_row = cbs * q->pixels, y_row = q->ob * d->out[2];
	int most = (int)(q->lines / q->ranges) < d->out[1] ? ceil_div(q->lines, q->ranges) : d->out[1];
	most = most < MAX_ROWS ? most : MAX_ROWS;
	for (q->rows = 1; q->rows < most; q->rows++) {
		size_t blocks = d->k[0] * (q->rows * d->stride[1] + d->k[1]) * x_row +
				(q->rows + 1) * y_row;
		if (blocks * WINO_LANES * sizeof(float) > CACHE && q->rows * d->out[2] >= LEAST)
			break;
	}
	q->x_rows = (q->rows - 1) * d->stride[1] + d->k[1];
	q->x_cbs = spread((size_t)d->k[0] * q->x_rows * q->pixels * WINO_LANES);
	q->x_size = cbs * q->x_cbs;
	q->y_obs = spread((size_t)q->rows * d->out[2] * WINO_LANES);
	q->y_size = q->ob * q->y_obs;
}

static enum sm_status create(struct conv_plan *p, const struct wino_isa *isa, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	struct priv *q = p->priv = calloc(1, sizeof *q);
	if (!q)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	q->isa = isa;
	q->cb = d->ic / WINO_LANES;
	q->ob = d->oc / WINO_LANES;
	q->taps = d->k[0] * d->k[1] * d->k[2];
	q->lines = (size_t)d->n * d->out[0] * d->out[1];
	q->u_obs = (size_t)d->ic * WINO_LANES;
	q->u_ks = spread(q->ob * q->u_obs);
	q->u_size = q->taps * q->u_ks;
	set_classes(q, d);
	set_items(q, d);
	set_chunk(q, d);
	p->ws = (d->threads * (q->x_size + q->y_size) + q->ranges * q->u_size) * sizeof(float);
	snprintf(p->impl, sizeof p->impl, "stride %d %s", d->stride[2], isa->name);
	return SM_OK;
}

static void destroy(struct conv_plan *p)
{
	free(p->priv);
	p->priv = NULL;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Output rows [y0, y0 + rows) of depth z of sample n; blocks [c0, c1) of input channels. */
struct chunk {
	int n, z, y0, rows, c0, c1;
};

/* The input plane that depth tap k meets, the input row that row tap k of the chunk's output row r
 * does; behind either end: none. */
static int plane_of(const struct conv_desc *d, const struct chunk *c, int k)
{
	return c->z * d->stride[0] + k - d->lo[0];
}

static int row_of(const struct conv_desc *d, const struct chunk *c, int r, int k)
{
	return (c->y0 + r) * d->stride[1] + k - d->lo[1];
}

/* Blocks of 16 channels [c0, c1) of a pixel, each to its place, cbs apart. */
SM_INLINE void put_pixel(float *to, size_t cbs, const void *x, enum elem e, size_t at, int c0,
			 int c1)
{
	for (int cb = c0; cb < c1; cb++, to += cbs) {
		size_t from = at + (size_t)cb * WINO_LANES;
		if (e == ELEM_BF16)
			elem_widen((const elem_half *)x + from, to, WINO_LANES);
		else
			memcpy(to, (const float *)x + from, WINO_LANES * sizeof *to);
	}
}

SM_INLINE void put_zeros(float *to, size_t cbs, int c0, int c1)
{
	for (int cb = c0; cb < c1; cb++, to += cbs)
		memset(to, 0, WINO_LANES * sizeof *to);
}

/* A row of the input (its first pixel is number `line`) by classes to v. */
SM_CLONES static void x_row(const struct priv *q, const struct conv_desc *d, const void *x,
			    size_t line, const struct chunk *c, float *v)
{
	for (int k = 0; k < d->stride[2]; k++)
		for (int i = 0; i < q->count[k]; i++) {
			int w = (q->first[k] + i) * d->stride[2] + k;
			float *to = v + (size_t)(q->at[k] + i) * WINO_LANES;
			if (w < 0 || w >= d->in[2])
				put_zeros(to, q->x_cbs, c->c0, c->c1);
			else
				put_pixel(to, q->x_cbs, x, d->xe, (line + (size_t)w) * d->ic, c->c0,
					  c->c1);
		}
}

SM_CLONES static void y_rows(const struct priv *q, const struct conv_desc *d, const void *gy,
			     const struct chunk *c, float *y)
{
	size_t line = ((size_t)c->n * d->out[0] + c->z) * d->out[1] + c->y0;
	for (size_t i = 0; i < (size_t)c->rows * d->out[2]; i++)
		put_pixel(y + i * WINO_LANES, q->y_obs, gy, d->ye,
			  (line * d->out[2] + i) * d->oc, 0, q->ob);
}

/* All input rows that the chunk meets. */
static void x_rows(const struct priv *q, const struct conv_desc *d, const void *x,
		   const struct chunk *c, float *v)
{
	for (int k = 0; k < d->k[0]; k++) {
		int z = plane_of(d, c, k);
		if (z < 0 || z >= d->in[0])
			continue;
		for (int r = 0; r < (c->rows - 1) * d->stride[1] + d->k[1]; r++) {
			int h = row_of(d, c, 0, r);
			size_t line = ((size_t)c->n * d->in[0] + z) * d->in[1] + h;
			if (h >= 0 && h < d->in[1])
				x_row(q, d, x, line * d->in[2], c,
				      v + ((size_t)k * q->x_rows + r) * q->pixels * WINO_LANES);
		}
	}
}

/* ---- products ------------------------------------------------------------------------------- */

/* Where the rows of a chunk stand that tap (k0, k1, k2) meets, and those of the outputs. */
struct runs {
	size_t x[MAX_ROWS], y[MAX_ROWS];
	int count;
};

static void find_runs(const struct priv *q, const struct conv_desc *d, const struct chunk *c,
		      const int k[3], struct runs *s)
{
	int z = plane_of(d, c, k[0]), class = class_of(d, k[2]);
	int pixel = q->at[class] + shift_of(d, k[2]) - q->first[class];
	s->count = 0;
	if (z < 0 || z >= d->in[0])
		return;
	for (int r = 0; r < c->rows; r++) {
		int h = row_of(d, c, r, k[1]);
		if (h < 0 || h >= d->in[1])
			continue;
		size_t row = (size_t)k[0] * q->x_rows + r * d->stride[1] + k[1];
		s->x[s->count] = (row * q->pixels + pixel) * WINO_LANES;
		s->y[s->count++] = (size_t)r * d->out[2] * WINO_LANES;
	}
}

/* A tap's products over the chunk's rows. */
static void tap_products(const struct priv *q, const struct conv_desc *d, const struct chunk *c,
			 const struct runs *s, bool add, const float *v, const float *y, float *sum)
{
	struct wino_grad g = {.v_at = s->x,
			      .y_at = s->y,
			      .runs = s->count,
			      .tiles = d->out[2],
			      .ic = WINO_LANES};
	for (int ob = 0; ob < q->ob; ob += g.pairs) {
		g.pairs = q->ob - ob < WINO_GRAD_PAIRS ? q->ob - ob : WINO_GRAD_PAIRS;
		for (int cb = c->c0; cb < c->c1; cb++) {
			for (int k = 0; k < g.pairs; k++) {
				g.y[k] = y + (ob + k) * q->y_obs;
				g.a[k] = sum + (ob + k) * q->u_obs +
					 (size_t)cb * WINO_LANES * WINO_LANES;
				g.add[k] = add;
			}
			q->isa->grad(&g, v + (cb - c->c0) * q->x_cbs);
		}
	}
}

/* added: by tap, whether the item has sums of it. */
static void chunk_products(const struct priv *q, const struct conv_desc *d, const struct chunk *c,
			   bool *added, const float *v, const float *y, float *sum)
{
	struct runs s;
	for (int tap = 0; tap < q->taps; tap++) {
		const int k[3] = {tap / (d->k[1] * d->k[2]), tap / d->k[2] % d->k[1], tap % d->k[2]};
		find_runs(q, d, c, k, &s);
		if (!s.count)
			continue;
		tap_products(q, d, c, &s, added[tap], v, y, sum + tap * q->u_ks);
		added[tap] = true;
	}
}

/* A range of rows for a group of input channels. */
static void grad_item(const struct conv_plan *p, const struct conv_args *a, int item, float *sums,
		      float *v)
{
	const struct priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	int range = item / q->groups, group = item % q->groups;
	struct chunk c = {.c0 = q->cb * group / q->groups, .c1 = q->cb * (group + 1) / q->groups};
	size_t end = q->lines * (range + 1) / q->ranges;
	float *sum = sums + range * q->u_size, *y = v + q->x_size;
	bool added[MAX_TAPS] = {false};
	for (size_t line = q->lines * range / q->ranges; line < end; line += c.rows) {
		size_t plane = line / d->out[1], left = end - line;
		c.y0 = (int)(line % d->out[1]);
		c.n = (int)(plane / d->out[0]);
		c.z = (int)(plane % d->out[0]);
		c.rows = q->rows < d->out[1] - c.y0 ? q->rows : d->out[1] - c.y0;
		c.rows = (size_t)c.rows < left ? c.rows : (int)left;
		x_rows(q, d, a->x, &c, v);
		y_rows(q, d, a->y, &c, y);
		chunk_products(q, d, &c, added, v, y, sum);
	}
	/* Taps that met nothing but padding. */
	size_t from = (size_t)c.c0 * WINO_LANES, n = (c.c1 - c.c0) * WINO_LANES * WINO_LANES;
	for (int tap = 0; tap < q->taps; tap++)
		for (int ob = 0; ob < q->ob && !added[tap]; ob++)
			memset(sum + tap * q->u_ks + ob * q->u_obs + from * WINO_LANES, 0,
			       n * sizeof *sum);
}

/* gw (O,I,taps) += the ranges' sums, of output block ob and input channel i. */
SM_CLONES static void add_ranges(const struct priv *q, const struct conv_desc *d, const float *sums,
				 int ob, int i, float *gw)
{
	float all[MAX_TAPS][WINO_LANES];
	for (int tap = 0; tap < q->taps; tap++) {
		const float *s = sums + tap * q->u_ks + ob * q->u_obs + (size_t)i * WINO_LANES;
		memcpy(all[tap], s, sizeof all[tap]);
		for (int r = 1; r < q->ranges; r++)
			for (int l = 0; l < WINO_LANES; l++)
				all[tap][l] += s[r * q->u_size + l];
	}
	for (int l = 0; l < WINO_LANES; l++) {
		size_t o = (size_t)ob * WINO_LANES + l;
		float *to = gw + (o * d->ic + i) * q->taps;
		for (int tap = 0; tap < q->taps; tap++)
			to[tap] += all[tap][l];
	}
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct priv *q = p->priv;
	float *sums = a->ws, *own = sums + q->ranges * q->u_size;
#pragma omp parallel num_threads(p->d.threads)
	{
		float *scratch = own + omp_get_thread_num() * (q->x_size + q->y_size);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->ranges * q->groups; i++)
			grad_item(p, a, i, sums, scratch);
#pragma omp for collapse(2) schedule(static)
		for (int ob = 0; ob < q->ob; ob++)
			for (int i = 0; i < p->d.ic; i++)
				add_ranges(q, &p->d, sums, ob, i, a->gw);
	}
	return SM_OK;
}

#define KERNEL(isa, rule) \
	static enum sm_status create_##isa(struct conv_plan *p, struct sm_err *err) \
	{ \
		return create(p, wino_isa_##isa, err); \
	} \
	const struct conv_kernel conv_stride_##isa = {.name = "stride_" #isa, \
						      .fits = fits_##isa, \
						      .create = create_##isa, \
						      .run = run, \
						      .destroy = destroy, \
						      .wins = rule, \
						      .bf16 = true}
/* Not measured yet against the library's code for AVX-512. */
KERNEL(avx512, conv_fits_none);
KERNEL(avx2, NULL);
/* The portable one is never chosen: it is for tests. */
KERNEL(portable, conv_fits_none);
