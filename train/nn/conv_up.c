/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of up-sampled planes from their source (conv_up.h), rows of the kernels' table one
 * for each instruction set. Pixels of all planes are cut into chunks whose points and products stay
 * in the second-level cache. Forward and backward-data: a value is one sum in a fixed order, so
 * that chunks may follow the number of threads. Weight gradients: ranges of pixels and groups of
 * input channels that the shape alone decides, the ranges' sums added in order. */
#include "train/nn/conv_up.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/nn/conv.h"
#include "train/nn/conv_wino.h"
#include "train/nn/sizes.h"
#include "train/nn/stream.h"

#define CACHE ((size_t)448 << 10)      /* bytes of a chunk's points and products */
#define LEAST 56                       /* pixels of a chunk: weights are read once for them */
#define GRAD_ITEMS 16                  /* ranges of pixels times groups of channels, about */
#define GRAD_CACHE ((size_t)512 << 10) /* bytes of the sums of one of them */

struct up_priv {
	const struct wino_isa *isa;
	int ic, oc, cb, ob; /* channels and their blocks, in the direction in which it runs */
	int h, w;           /* of the source */
	size_t pixels;      /* of all planes */
	size_t chunk;       /* pixels at a time, at most */
	int chunks;         /* not for the weight gradient */
	size_t v_fs, v_cbs, v_size; /* what is read, at the points */
	size_t m_fs, m_obs, m_size; /* products; weight gradient: the gradients at the points */
	size_t u_fs, u_obs, u_size; /* weights, or their gradients */
	int groups, ranges;         /* weight gradient */
};

/* ---- what is taken -------------------------------------------------------------------------- */

static bool shape_fits(const struct conv_desc *d)
{
	if (!d->up || d->k[0] != 1 || d->lo[0] || d->hi[0] || d->stride[0] != 1)
		return false;
	for (int i = 1; i < 3; i++)
		if (d->k[i] != 2 || d->stride[i] != 1 || d->lo[i] || d->hi[i] != 1 || d->in[i] % 2)
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

/* ---- the plan ------------------------------------------------------------------------------- */

static void set_items(struct up_priv *q)
{
	size_t all = q->u_size * sizeof(float), least = ceil_div_size(q->pixels, LEAST);
	size_t ranges, groups = ceil_div_size(all, GRAD_CACHE), cb = (size_t)q->cb;
	groups = groups < cb ? groups : cb;
	ranges = GRAD_ITEMS / groups < 1 ? 1 : GRAD_ITEMS / groups;
	ranges = ranges < least ? ranges : least;
	groups = groups * ranges < GRAD_ITEMS ? ceil_div_size(GRAD_ITEMS, ranges) : groups;
	q->groups = (int)(groups < cb ? groups : cb);
	q->ranges = (int)ranges;
}

/* Pixels at a time; forward and backward-data: in even parts, as many for each thread. */
static void set_chunks(struct up_priv *q, enum sm_pass pass, int threads)
{
	size_t m_points = pass == SM_BACKWARD_DATA ? 1 : UP_POINTS;
	size_t pixel = (UP_POINTS * q->cb + m_points * q->ob) * WINO_LANES * sizeof(float);
	size_t most = CACHE / pixel > LEAST ? CACHE / pixel : LEAST;
	size_t n = ceil_div_size(q->pixels, most);
	size_t all = q->pixels;
	if (pass == SM_BACKWARD_WEIGHTS) {
		all = ceil_div_size(q->pixels, q->ranges);
	} else {
		n = ceil_div_size(n, threads) * threads;
		q->chunks = (int)(n < q->pixels ? n : q->pixels);
		most = ceil_div_size(q->pixels, q->chunks);
	}
	q->chunk = most < all ? most : all;
	q->v_cbs = spread(q->chunk * WINO_LANES);
	q->v_fs = spread(q->cb * q->v_cbs);
	q->v_size = UP_POINTS * q->v_fs;
	q->m_obs = spread(q->chunk * WINO_LANES);
	q->m_fs = spread(q->ob * q->m_obs);
	q->m_size = m_points * q->m_fs;
}

static size_t thread_floats(const struct up_priv *q)
{
	return q->v_size + q->m_size;
}

static enum sm_status create(struct conv_plan *p, const struct wino_isa *isa, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	struct up_priv *q = p->priv = calloc(1, sizeof *q);
	bool flip = p->pass == SM_BACKWARD_DATA, grad = p->pass == SM_BACKWARD_WEIGHTS;
	if (!q)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	q->isa = isa;
	q->ic = flip ? d->oc : d->ic;
	q->oc = flip ? d->ic : d->oc;
	q->cb = q->ic / WINO_LANES;
	q->ob = q->oc / WINO_LANES;
	q->h = d->in[1] / 2;
	q->w = d->in[2] / 2;
	q->pixels = (size_t)d->n * d->in[0] * q->h * q->w;
	q->u_obs = (size_t)q->ic * WINO_LANES;
	q->u_fs = spread(q->ob * q->u_obs);
	q->u_size = UP_POINTS * q->u_fs;
	if (grad)
		set_items(q);
	set_chunks(q, p->pass, d->threads);
	p->packed = grad ? 0 : q->u_size * sizeof(float);
	p->ws = (d->threads * thread_floats(q) + q->ranges * q->u_size) * sizeof(float);
	snprintf(p->impl, sizeof p->impl, "up-sampled F(2x2,2x2) %s", isa->name);
	return SM_OK;
}

static enum sm_status create_avx512(struct conv_plan *p, struct sm_err *err)
{
	return create(p, wino_isa_avx512, err);
}

static enum sm_status create_avx2(struct conv_plan *p, struct sm_err *err)
{
	return create(p, wino_isa_avx2, err);
}

static enum sm_status create_portable(struct conv_plan *p, struct sm_err *err)
{
	return create(p, wino_isa_portable, err);
}

static void destroy(struct conv_plan *p)
{
	free(p->priv);
	p->priv = NULL;
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct up_priv *q = p->priv;
	const struct up_weights how = {
		.ic = q->ic, .oc = q->oc, .flip = p->pass == SM_BACKWARD_DATA, .fs = q->u_fs};
	float *u = a->packed;
#pragma omp parallel for collapse(2) schedule(static) num_threads(p->d.threads)
	for (int ob = 0; ob < q->ob; ob++)
		for (int i = 0; i < q->ic; i += WINO_LANES)
			q->isa->up.weights(&how, a->w, ob, i, i + WINO_LANES,
					   u + ob * q->u_obs + (size_t)i * WINO_LANES);
	return SM_OK;
}

/* ---- runs of pixels ------------------------------------------------------------------------- */

/* Part of the pixels [at, end) that lies in one row. */
struct segment {
	size_t plane;
	int row, x0, x1;
};

static struct segment segment_at(const struct up_priv *q, size_t at, size_t end)
{
	size_t line = at / q->w;
	struct segment s = {
		.plane = line / q->h, .row = (int)(line % q->h), .x0 = (int)(at % q->w)};
	size_t left = end - at, rest = (size_t)(q->w - s.x0);
	s.x1 = s.x0 + (int)(left < rest ? left : rest);
	return s;
}

typedef void rows_fn(const struct up_plane *p, const void *src, int row, int x0, int x1, float *v);

/* Pixels [at, end) to points. of: values of a plane of src. */
static void to_points(const struct up_priv *q, rows_fn *rows, const struct up_plane *p, size_t of,
		      const void *src, size_t at, size_t end, float *v)
{
	for (size_t i = at; i < end;) {
		struct segment s = segment_at(q, i, end);
		rows(p, elem_at(src, p->e, s.plane * of), s.row, s.x0, s.x1,
		     v + (i - at) * WINO_LANES);
		i += s.x1 - s.x0;
	}
}

static struct up_plane plane_of(const struct up_priv *q, enum elem e, int c, int n, size_t fs,
				size_t cbs)
{
	return (struct up_plane){
		.e = e, .h = q->h, .w = q->w, .c = c, .n = n, .fs = fs, .cbs = cbs};
}

/* Values of a plane of the source, of its convolution's output. */
static size_t x_plane(const struct up_priv *q, int c)
{
	return (size_t)q->h * q->w * c;
}

static size_t y_plane(const struct up_priv *q, int c)
{
	return 4 * x_plane(q, c);
}

static void forward(const struct conv_plan *p, const struct conv_args *a, size_t at, size_t end,
		    float *v)
{
	const struct up_priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	float *m = v + q->v_size;
	struct up_plane px = plane_of(q, d->xe, q->ic, q->ic, q->v_fs, q->v_cbs);
	struct up_out o = {.p = plane_of(q, d->ye, q->oc, q->oc, q->m_fs, q->m_obs),
			   .bias = d->bias ? a->bias : NULL,
			   .relu = d->relu,
			   .stream = 4 * q->pixels * q->oc >= STREAM_MIN};
	struct wino_gemm g = {.v = {v},
			      .u = {a->packed},
			      .taps = 1,
			      .ic = q->ic,
			      .tiles = (int)(end - at),
			      .obs = q->ob,
			      .v_fs = q->v_fs,
			      .v_cbs = q->v_cbs,
			      .u_fs = q->u_fs,
			      .u_obs = q->u_obs,
			      .m_fs = q->m_fs,
			      .m_obs = q->m_obs,
			      .m = m};
	to_points(q, q->isa->up.data, &px, x_plane(q, q->ic), a->x, at, end, v);
	q->isa->products(&g, UP_POINTS);
	for (size_t i = at; i < end;) {
		struct segment s = segment_at(q, i, end);
		q->isa->up.output(&o, m + (i - at) * WINO_LANES, s.row, s.x0, s.x1,
				  elem_at(a->y, d->ye, s.plane * y_plane(q, q->oc)));
		i += s.x1 - s.x0;
	}
}

/* The four points are as taps of one product. */
static void backward_data(const struct conv_plan *p, const struct conv_args *a, size_t at,
			  size_t end, float *v)
{
	const struct up_priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	const float *u = a->packed;
	float *m = v + q->v_size;
	struct up_plane py = plane_of(q, d->ye, q->ic, q->ic, q->v_fs, q->v_cbs);
	struct up_out o = {.p = plane_of(q, d->xe, q->oc, q->oc, q->m_fs, q->m_obs),
			   .stream = q->pixels * q->oc >= STREAM_MIN};
	struct wino_gemm g = {.taps = UP_POINTS,
			      .ic = q->ic,
			      .tiles = (int)(end - at),
			      .obs = q->ob,
			      .v_cbs = q->v_cbs,
			      .u_obs = q->u_obs,
			      .m_obs = q->m_obs,
			      .m = m};
	for (int f = 0; f < UP_POINTS; f++) {
		g.v[f] = v + f * q->v_fs;
		g.u[f] = u + f * q->u_fs;
	}
	to_points(q, q->isa->up.back, &py, y_plane(q, q->ic), a->y, at, end, v);
	q->isa->products(&g, 1);
	for (size_t i = at; i < end;) {
		struct segment s = segment_at(q, i, end);
		q->isa->up.copy(&o, m + (i - at) * WINO_LANES, s.row, s.x0, s.x1,
				elem_at(a->x, d->xe, s.plane * x_plane(q, q->oc)));
		i += s.x1 - s.x0;
	}
}

static void pixels(const struct conv_plan *p, const struct conv_args *a)
{
	const struct up_priv *q = p->priv;
#pragma omp parallel num_threads(p->d.threads)
	{
		float *scratch = (float *)a->ws + omp_get_thread_num() * thread_floats(q);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->chunks; i++) {
			size_t at = q->pixels * i / q->chunks,
			       end = q->pixels * (i + 1) / q->chunks;
			if (p->pass == SM_FORWARD)
				forward(p, a, at, end, scratch);
			else
				backward_data(p, a, at, end, scratch);
		}
	}
}

/* ---- the gradient of the weights ------------------------------------------------------------ */

/* Blocks [c0, c1) of input channels over `count` pixels, whose points stand in v and y. */
static void grad_products(const struct up_priv *q, int c0, int c1, size_t count, bool add,
			  const float *v, const float *y, float *sum)
{
	const size_t zero = 0;
	struct wino_grad g = {
		.v_at = &zero, .y_at = &zero, .runs = 1, .tiles = (int)count, .ic = WINO_LANES};
	for (int f = 0; f < UP_POINTS; f++)
		for (int ob = 0; ob < q->ob; ob += g.pairs) {
			g.pairs = q->ob - ob < WINO_GRAD_PAIRS ? q->ob - ob : WINO_GRAD_PAIRS;
			for (int cb = c0; cb < c1; cb++) {
				for (int k = 0; k < g.pairs; k++) {
					g.y[k] = y + f * q->m_fs + (ob + k) * q->m_obs;
					g.a[k] = sum + f * q->u_fs + (ob + k) * q->u_obs +
						 (size_t)cb * WINO_LANES * WINO_LANES;
					g.add[k] = add;
				}
				q->isa->grad(&g, v + f * q->v_fs + (cb - c0) * q->v_cbs);
			}
		}
}

static void grad_item(const struct conv_plan *p, const struct conv_args *a, int item, float *sums,
		      float *v)
{
	const struct up_priv *q = p->priv;
	const struct conv_desc *d = &p->d;
	int range = item / q->groups, group = item % q->groups;
	int c0 = q->cb * group / q->groups, c1 = q->cb * (group + 1) / q->groups;
	size_t first = q->pixels * range / q->ranges, end = q->pixels * (range + 1) / q->ranges;
	size_t chunks = ceil_div_size(end - first, q->chunk), count = end - first;
	float *sum = sums + range * q->u_size, *y = v + q->v_size;
	struct up_plane px = plane_of(q, d->xe, q->ic, (c1 - c0) * WINO_LANES, q->v_fs, q->v_cbs);
	struct up_plane py = plane_of(q, d->ye, q->oc, q->oc, q->m_fs, q->m_obs);
	const void *x = elem_at(a->x, d->xe, (size_t)c0 * WINO_LANES);
	for (size_t i = 0; i < chunks; i++) {
		size_t at = first + count * i / chunks, to = first + count * (i + 1) / chunks;
		to_points(q, q->isa->up.data, &px, x_plane(q, q->ic), x, at, to, v);
		to_points(q, q->isa->up.grad, &py, y_plane(q, q->oc), a->y, at, to, y);
		grad_products(q, c0, c1, to - at, i > 0, v, y, sum);
	}
}

static void backward_weights(const struct conv_plan *p, const struct conv_args *a)
{
	const struct up_priv *q = p->priv;
	const struct up_weights how = {.ic = q->ic, .oc = q->oc, .fs = q->u_fs};
	float *sums = a->ws, *own = sums + q->ranges * q->u_size;
#pragma omp parallel num_threads(p->d.threads)
	{
		float *scratch = own + omp_get_thread_num() * thread_floats(q);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->ranges * q->groups; i++)
			grad_item(p, a, i, sums, scratch);
#pragma omp for collapse(2) schedule(static)
		for (int ob = 0; ob < q->ob; ob++)
			for (int i = 0; i < q->ic; i += WINO_LANES)
				q->isa->up.weights_back(
					&how, sums + ob * q->u_obs + (size_t)i * WINO_LANES,
					q->ranges, q->u_size, ob, i, i + WINO_LANES, a->gw);
	}
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	if (p->pass == SM_BACKWARD_WEIGHTS)
		backward_weights(p, a);
	else
		pixels(p, a);
	return SM_OK;
}

#define KERNEL(isa, rule) \
	const struct conv_kernel conv_up_##isa = {.name = "up_" #isa, \
						  .fits = fits_##isa, \
						  .create = create_##isa, \
						  .pack = pack, \
						  .run = run, \
						  .destroy = destroy, \
						  .wins = rule, \
						  .bf16 = true, \
						  .up = true}
KERNEL(avx512, NULL);
KERNEL(avx2, NULL);
/* The portable one is never chosen: it is for tests, oneDNN has vector code for the CPUs that the
 * others do not know. */
KERNEL(portable, conv_fits_none);
