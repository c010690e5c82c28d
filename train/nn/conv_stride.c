/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions with stride 2 (conv_stride.h), rows of the kernels' table one for each instruction
 * set: plans, rows by classes, forward and backward-data. A value is one sum in a fixed order, so
 * that chunks may follow the number of threads. */
#include "train/nn/conv_stride.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/nn/op.h"
#include "train/nn/sizes.h"

#define CACHE ((size_t)448 << 10) /* bytes of what a chunk reads and computes */
#define FEW 128                   /* outputs, below which the library is faster */
#define LEAST 56                  /* pixels of a chunk: weights, or sums, are read once for them */

/* ---- what is taken -------------------------------------------------------------------------- */

static bool shape_fits(const struct conv_desc *d)
{
	if (d->up || d->stride[2] != STRIDE_MOST)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] > STRIDE_K || d->stride[i] > STRIDE_MOST)
			return false;
	return d->ic % WINO_LANES == 0 && d->oc % WINO_LANES == 0;
}

static bool fits_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return wino_has_avx512() && shape_fits(d);
}

static bool fits_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return wino_has_avx2() && shape_fits(d);
}

static bool fits_portable(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return shape_fits(d);
}

/* ---- taps ----------------------------------------------------------------------------------- */

int stride_shift(const struct conv_desc *d, int axis, int k, int *which)
{
	int at = k - d->lo[axis], s = d->stride[axis];
	*which = (at + STRIDE_K * s) % s;
	return (at - *which) / s;
}

/* Backward to data: whether inputs of a class meet tap k, and from what output on. */
static bool back_shift(const struct conv_desc *d, int axis, int k, int which, int *shift)
{
	int at = which + d->lo[axis] - k, s = d->stride[axis];
	*shift = at / s;
	return at % s == 0;
}

int stride_plane(const struct stride_priv *q, const struct conv_desc *d, int z, int k)
{
	int at = z * d->stride[0] + k - d->lo[0], s = d->stride[0];
	if (!q->back)
		return at >= 0 && at < d->in[0] ? at : -1;
	at = z + d->lo[0] - k;
	return at >= 0 && at % s == 0 && at / s < d->out[0] ? at / s : -1;
}

size_t stride_place(const struct stride_priv *q, int k, const int which[2], const int shift[2])
{
	size_t at = ((size_t)k * q->step[0] + which[0]) * q->step[1] + which[1];
	int row = shift[0] - q->first[0][which[0]], pixel = shift[1] - q->first[1][which[1]];
	return ((at * q->all_rows + row) * q->pitch + pixel) * WINO_LANES;
}

/* ---- the plan ------------------------------------------------------------------------------- */

/* Shifts of a class of an axis: the first, and how far the last is from it. */
static void widen(struct stride_priv *q, int axis, int which, int shift, int last[STRIDE_MOST])
{
	int *first = &q->first[axis - 1][which];
	bool *met = &q->met[axis - 1][which];
	*first = !*met || shift < *first ? shift : *first;
	last[which] = !*met || shift > last[which] ? shift : last[which];
	*met = true;
	int margin = last[which] - *first;
	q->margin[axis - 1] = margin > q->margin[axis - 1] ? margin : q->margin[axis - 1];
}

static void set_classes(struct stride_priv *q, const struct conv_desc *d)
{
	for (int axis = 1; axis < 3; axis++) {
		int last[STRIDE_MOST] = {0}, which, shift;
		q->step[axis - 1] = q->back ? 1 : d->stride[axis];
		for (int k = 0; k < d->k[axis]; k++) {
			if (!q->back) {
				shift = stride_shift(d, axis, k, &which);
				widen(q, axis, which, shift, last);
				continue;
			}
			for (which = 0; which < d->stride[axis]; which++)
				if (back_shift(d, axis, k, which, &shift))
					widen(q, axis, 0, shift, last);
		}
	}
}

static size_t met_classes(const struct stride_priv *q, int axis)
{
	return (size_t)q->met[axis][0] + q->met[axis][1];
}

/* As many lines at a time as the cache holds, but pixels enough. */
static void set_chunk(struct stride_priv *q, const struct conv_desc *d, int most)
{
	size_t classes = (size_t)d->k[0] * q->step[0] * q->step[1];
	size_t met = (size_t)d->k[0] * met_classes(q, 0) * met_classes(q, 1);
	size_t cbs = ceil_div(q->cb, q->groups), obs = ceil_div(q->ob, q->parts);
	q->pitch = q->width + q->margin[1];
	most = most < q->lines ? most : q->lines;
	most = most < STRIDE_ROWS ? most : STRIDE_ROWS;
	for (q->rows = 1; q->rows < most; q->rows++) {
		size_t v = cbs * met * (q->rows + 1 + q->margin[0]) * q->pitch;
		size_t m = obs * (q->rows + 1) * q->pitch;
		if ((v + m) * WINO_LANES * sizeof(float) > CACHE && q->rows * q->width >= LEAST)
			break;
	}
	q->rows = ceil_div(most, ceil_div(most, q->rows));
	q->all_rows = q->rows + q->margin[0];
	q->v_cbs = spread(classes * q->all_rows * q->pitch * WINO_LANES);
	q->v_size = cbs * q->v_cbs;
	q->m_obs = spread((size_t)q->rows * q->pitch * WINO_LANES);
	q->m_size = obs * q->m_obs;
}

/* Where chunks are few, threads share out the outputs' channels too. */
static void set_parts(struct stride_priv *q, const struct conv_desc *d)
{
	q->groups = q->parts = 1;
	set_chunk(q, d, q->lines);
	int chunks = q->planes * ceil_div(q->lines, q->rows);
	if (d->threads > 1 && chunks < 8 * d->threads)
		q->parts = ceil_div(8 * d->threads, chunks);
	q->parts = q->parts < q->ob ? q->parts : q->ob;
	set_chunk(q, d, q->lines);
}

static enum sm_status create(struct conv_plan *p, const struct wino_isa *isa, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	struct stride_priv *q = p->priv = calloc(1, sizeof *q);
	bool grad = p->pass == SM_BACKWARD_WEIGHTS;
	if (!q)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	q->isa = isa;
	q->back = p->pass == SM_BACKWARD_DATA;
	q->cb = (q->back ? d->oc : d->ic) / WINO_LANES;
	q->ob = (q->back ? d->ic : d->oc) / WINO_LANES;
	q->taps = d->k[0] * d->k[1] * d->k[2];
	q->planes = d->n * (q->back ? d->in[0] : d->out[0]);
	q->lines = q->back ? ceil_div(d->in[1], d->stride[1]) : d->out[1];
	q->width = q->back ? ceil_div(d->in[2], d->stride[2]) : d->out[2];
	q->u_obs = (size_t)q->cb * WINO_LANES * WINO_LANES;
	q->u_ks = spread(q->ob * q->u_obs);
	q->u_size = q->taps * q->u_ks;
	set_classes(q, d);
	if (grad) {
		q->parts = 1;
		stride_set_items(q);
		set_chunk(q, d, ceil_div(q->planes * q->lines, q->ranges));
	} else {
		set_parts(q, d);
	}
	p->packed = grad ? 0 : q->u_size * sizeof(float);
	p->ws = (d->threads * (q->v_size + q->m_size) + q->ranges * q->u_size) * sizeof(float);
	snprintf(p->impl, sizeof p->impl, "stride %d %s", d->stride[2], isa->name);
	return SM_OK;
}

static void destroy(struct conv_plan *p)
{
	free(p->priv);
	p->priv = NULL;
}

/* [tap][block of outputs][input][16], as it runs, from PyTorch's (O,I,taps). */
static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct stride_priv *q = p->priv;
	size_t taps = (size_t)q->taps, ic = (size_t)p->d.ic;
	size_t from_out = q->back ? taps : ic * taps, from_in = q->back ? ic * taps : taps;
	float *u = a->packed;
#pragma omp parallel for collapse(2) schedule(static) num_threads(p->d.threads)
	for (int ob = 0; ob < q->ob; ob++)
		for (int i = 0; i < q->cb * WINO_LANES; i++) {
			const float *w = a->w + ob * WINO_LANES * from_out + i * from_in;
			float *to = u + ob * q->u_obs + (size_t)i * WINO_LANES;
			for (size_t tap = 0; tap < taps; tap++)
				for (size_t l = 0; l < WINO_LANES; l++)
					to[tap * q->u_ks + l] = w[l * from_out + tap];
		}
	return SM_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* What is read, and how large a plane of it is. */
struct source {
	const void *x;
	enum elem e;
	int c, size[3];
};

static struct source source_of(const struct stride_priv *q, const struct conv_desc *d,
			       const void *x)
{
	struct source s = {x, q->back ? d->ye : d->xe, q->back ? d->oc : d->ic, {0}};
	memcpy(s.size, q->back ? d->out : d->in, sizeof s.size);
	return s;
}

/* A row (its first pixel is number `line`; none: zeros) by one class of pixels to v. */
SM_CLONES static void put_row(const struct stride_priv *q, const struct source *s, bool there,
			      size_t line, int which, int c0, int c1, float *v)
{
	for (int i = 0; i < q->pitch; i++, v += WINO_LANES) {
		int w = (q->first[1][which] + i) * q->step[1] + which;
		if (there && w >= 0 && w < s->size[2])
			stride_put(v, q->v_cbs, s->x, s->e, (line + (size_t)w) * s->c, c0, c1);
		else
			for (int cb = 0; cb < c1 - c0; cb++)
				memset(v + cb * q->v_cbs, 0, WINO_LANES * sizeof *v);
	}
}

void stride_rows(const struct stride_priv *q, const struct conv_desc *d, const void *x,
		 const struct stride_chunk *c, int c0, int c1, float *v)
{
	const struct source s = source_of(q, d, x);
	for (int k = 0; k < d->k[0]; k++) {
		int z = stride_plane(q, d, c->z, k);
		if (z < 0)
			continue;
		size_t plane = ((size_t)c->n * s.size[0] + z) * s.size[1];
		for (int i = 0; i < q->step[0] * q->step[1] * (c->rows + q->margin[0]); i++) {
			int row = i / (q->step[0] * q->step[1]);
			const int which[2] = {i / q->step[1] % q->step[0], i % q->step[1]};
			if (!q->met[0][which[0]] || !q->met[1][which[1]])
				continue; /* a kernel smaller than its stride */
			int h = (c->y0 + q->first[0][which[0]] + row) * q->step[0] + which[0];
			const int at[2] = {q->first[0][which[0]] + row, q->first[1][which[1]]};
			put_row(q, &s, h >= 0 && h < s.size[1], (plane + (size_t)h) * s.size[2],
				which[1], c0, c1, v + stride_place(q, k, which, at));
		}
	}
}

/* ---- forward and backward-data -------------------------------------------------------------- */

/* Adds the products of tap number `tap`, whose pixels begin at v, to those that wait. */
static void add_tap(const struct stride_priv *q, struct wino_gemm *g, const float *v,
		    const float *u)
{
	if (g->taps == WINO_MAX_KD) {
		q->isa->products(g, 1);
		g->add = true;
		g->taps = 0;
	}
	g->v[g->taps] = v;
	g->u[g->taps++] = u;
}

/* Where tap k along an axis begins for this class of what is computed; false = does not meet it. */
static bool meets(const struct stride_priv *q, const struct conv_desc *d, int axis, int k,
		  int to_class, int *which, int *shift)
{
	*which = 0;
	if (q->back)
		return back_shift(d, axis, k, to_class, shift);
	*shift = stride_shift(d, axis, k, which);
	return true;
}

/* Sums of a class of what is computed, blocks of outputs from ob0 on, into m. */
static void chunk_products(const struct stride_priv *q, const struct conv_desc *d,
			   const struct stride_chunk *c, const int to[2], int ob0, int obs,
			   const float *v, const float *u, float *m)
{
	struct wino_gemm g = {.ic = q->cb * WINO_LANES,
			      .tiles = c->rows * q->pitch - q->margin[1],
			      .obs = obs,
			      .v_cbs = q->v_cbs,
			      .u_obs = q->u_obs,
			      .m_obs = q->m_obs,
			      .m = m};
	for (int tap = 0; tap < q->taps; tap++) {
		int k0 = tap / (d->k[1] * d->k[2]), which[2], shift[2];
		if (stride_plane(q, d, c->z, k0) < 0 ||
		    !meets(q, d, 1, tap / d->k[2] % d->k[1], to[0], &which[0], &shift[0]) ||
		    !meets(q, d, 2, tap % d->k[2], to[1], &which[1], &shift[1]))
			continue;
		add_tap(q, &g, v + stride_place(q, k0, which, shift),
			u + tap * q->u_ks + ob0 * q->u_obs);
	}
	if (g.taps)
		q->isa->products(&g, 1);
	else
		memset(m, 0, obs * q->m_obs * sizeof *m);
}

/* What is written: a plane of size[1] x size[2] pixels of c channels. */
struct result {
	void *y;
	enum elem e;
	int c, size[3];
	const float *bias; /* or NULL */
	bool relu;
};

/* Blocks [ob0, ob0 + obs) of a pixel. */
SM_INLINE void put_sums(const struct result *y, size_t at, int ob0, int obs, const float *m,
			size_t m_obs)
{
	for (int ob = ob0; ob < ob0 + obs; ob++, m += m_obs) {
		float sum[WINO_LANES];
		size_t to = at + (size_t)ob * WINO_LANES;
		for (int l = 0; l < WINO_LANES; l++)
			sum[l] = m[l] + (y->bias ? y->bias[ob * WINO_LANES + l] : 0.0f);
		for (int l = 0; y->relu && l < WINO_LANES; l++)
			sum[l] = sum[l] <= 0 ? 0.0f : sum[l]; /* NaN stays */
		if (y->e == ELEM_BF16)
			elem_narrow(sum, (elem_half *)y->y + to, WINO_LANES);
		else
			memcpy((float *)y->y + to, sum, sizeof sum);
	}
}

SM_CLONES static void chunk_output(const struct stride_priv *q, const struct result *y,
				   const struct stride_chunk *c, const int step[2],
				   const int to[2], int ob0, int obs, const float *m)
{
	size_t plane = ((size_t)c->n * y->size[0] + c->z) * y->size[1];
	for (int r = 0; r < c->rows; r++) {
		int h = (c->y0 + r) * step[0] + to[0];
		size_t line = (plane + (size_t)h) * y->size[2];
		for (int i = 0; i < q->width && h < y->size[1]; i++) {
			int w = i * step[1] + to[1];
			if (w < y->size[2])
				put_sums(y, (line + (size_t)w) * y->c, ob0, obs,
					 m + ((size_t)r * q->pitch + i) * WINO_LANES, q->m_obs);
		}
	}
}

static void item(const struct conv_plan *p, const struct conv_args *a, int number, float *v)
{
	const struct stride_priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	int part = number % q->parts, chunks = ceil_div(q->lines, q->rows);
	int chunk = number / q->parts % chunks, plane = number / q->parts / chunks;
	int ob0 = q->ob * part / q->parts, obs = q->ob * (part + 1) / q->parts - ob0;
	struct result y = {.y = q->back ? a->x : a->y,
			   .e = q->back ? d->xe : d->ye,
			   .c = q->back ? d->ic : d->oc,
			   .bias = d->bias && !q->back ? a->bias : NULL,
			   .relu = d->relu && !q->back};
	memcpy(y.size, q->back ? d->in : d->out, sizeof y.size);
	struct stride_chunk c = {.n = plane / y.size[0],
				 .z = plane % y.size[0],
				 .y0 = chunk * q->rows,
				 .rows = q->lines - chunk * q->rows};
	c.rows = c.rows < q->rows ? c.rows : q->rows;
	const int step[2] = {q->back ? d->stride[1] : 1, q->back ? d->stride[2] : 1};
	float *m = v + q->v_size;
	stride_rows(q, d, q->back ? a->y : a->x, &c, 0, q->cb, v);
	for (int i = 0; i < step[0] * step[1]; i++) {
		const int to[2] = {i / step[1], i % step[1]};
		chunk_products(q, d, &c, to, ob0, obs, v, a->packed, m);
		chunk_output(q, &y, &c, step, to, ob0, obs, m);
	}
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct stride_priv *q = p->priv;
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		stride_backward_weights(p, a);
		return SM_OK;
	}
#pragma omp parallel num_threads(p->d.threads)
	{
		float *own = (float *)a->ws + omp_get_thread_num() * (q->v_size + q->m_size);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->planes * ceil_div(q->lines, q->rows) * q->parts; i++)
			item(p, a, i, own);
	}
	return SM_OK;
}

/* One tap leaves seven of eight gradients of inputs zero (three strides of 2; of fewer strides it
 * was not measured): writing them is all there is to do, and the library takes half the time. So it
 * does where outputs are so few that all there is to do is putting weights into order
 * (bench/conv.sh 2 rule 5 " s2"). */
static bool wins_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	if (pass == SM_FORWARD)
		return (size_t)d->n * d->out[0] * d->out[1] * d->out[2] >= FEW;
	return pass != SM_BACKWARD_DATA || d->k[0] * d->k[1] * d->k[2] > 1;
}

#define KERNEL(isa, rule) \
	static enum sm_status create_##isa(struct conv_plan *p, struct sm_err *err) \
	{ \
		return create(p, wino_isa_##isa, err); \
	} \
	const struct conv_kernel conv_stride_##isa = {.name = "stride_" #isa, \
						      .fits = fits_##isa, \
						      .create = create_##isa, \
						      .pack = pack, \
						      .run = run, \
						      .destroy = destroy, \
						      .wins = rule, \
						      .bf16 = true}
/* Not measured yet against the library's code for AVX-512. */
KERNEL(avx512, conv_fits_none);
KERNEL(avx2, wins_avx2);
/* The portable one is never chosen: it is for tests. */
KERNEL(portable, conv_fits_none);
