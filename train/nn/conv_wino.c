/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolutions as rows of the kernels' table, one for each instruction set: the rule that
 * says which layers they take, and the plan of sizes and blocks. */
#include "train/nn/conv_wino_plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "train/nn/sizes.h"

/* ---- what is taken -------------------------------------------------------------------------- */

static bool shape_fits(const struct conv_desc *d)
{
	int k = d->k[1];
	return (k == 3 || k == 5) && d->k[2] == k && d->k[0] <= WINO_MAX_KD && d->stride[0] == 1 &&
	       d->stride[1] == 1 && d->stride[2] == 1;
}

bool wino_has_avx512(void)
{
#ifdef __x86_64__
	return wino_isa_avx512 && __builtin_cpu_supports("avx512f");
#else
	return false;
#endif
}

bool wino_has_avx2(void)
{
#ifdef __x86_64__
	return wino_isa_avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
	return false;
#endif
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

/* Where it is faster than oneDNN, by bench/conv.sh. Below a block of channels most lanes of the
 * transforms are empty: only a depth of as many taps makes up for them. Below 8 tiles turning the
 * weights into points costs more than is saved, but for their gradient, which oneDNN sums slowly
 * there. */
static bool wins(const struct conv_desc *d, enum sm_pass pass)
{
	int step = 7 - d->k[1];
	int tiles = ceil_div(d->out[1], step) * ceil_div(d->out[2], step) * d->out[0] * d->n;
	if (d->ic < WINO_LANES || d->oc < WINO_LANES)
		return d->k[0] == d->k[1] && d->in[0] > 1 && d->ic + d->oc >= 20 &&
		       tiles >= 100;
	return tiles >= (pass == SM_BACKWARD_WEIGHTS ? 4 : 8) && d->out[1] > 2 && d->out[2] > 2;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static void set_geometry(struct wino_priv *q, const struct conv_desc *d, enum sm_pass pass)
{
	bool flip = pass == SM_BACKWARD_DATA;
	q->xe = flip ? d->ye : d->xe;
	q->ye = flip ? d->xe : d->ye;
	q->n = d->n;
	q->ic = flip ? d->oc : d->ic;
	q->oc = flip ? d->ic : d->oc;
	q->cb = ceil_div(q->ic, WINO_LANES);
	q->ob = ceil_div(q->oc, WINO_LANES);
	for (int i = 0; i < 3; i++) {
		q->in[i] = flip ? d->out[i] : d->in[i];
		q->out[i] = flip ? d->in[i] : d->out[i];
		q->lo[i] = flip ? d->k[i] - 1 - d->lo[i] : d->lo[i];
	}
	q->kd = d->k[0];
	q->kd0 = q->lo[0] - (q->out[0] - 1) > 0 ? q->lo[0] - (q->out[0] - 1) : 0;
	q->kd1 = q->in[0] + q->lo[0] < q->kd ? q->in[0] + q->lo[0] : q->kd;
	q->k = d->k[1];
	q->step = 7 - q->k;
	q->th = ceil_div(q->out[1], q->step);
	q->tw = ceil_div(q->out[2], q->step);
	q->tiles = q->th * q->tw;
}

/* Tiles of a slab when five taps along the depth go by Winograd's scheme. */
#define DEEP_TILES 14

/* Sizes of the weights (or their gradient) at the points: obs blocks of ic channels. */
static void set_weights(struct wino_priv *q, int obs, int ic)
{
	size_t made = q->deep ? (size_t)q->deep : (size_t)(q->kd1 - q->kd0);
	q->ob_part = obs;
	q->ic_part = ic;
	q->u_ks = (size_t)ic * WINO_LANES;
	q->u_obs = made * q->u_ks;
	q->u_fs = spread(obs * made * ic * WINO_LANES);
	q->u_size = WINO_POINTS * q->u_fs;
}

/* Sizes of data and gradients at the points, `from` and `to` tiles at a time. */
static void set_tiles(struct wino_priv *q, size_t from, size_t to)
{
	q->v_cbs = from * WINO_LANES;
	q->v_fs = spread(q->cb * from * WINO_LANES);
	q->v_size = WINO_POINTS * q->v_fs;
	q->y_cbs = to * WINO_LANES;
	q->y_fs = spread(q->ob * to * WINO_LANES);
	q->y_size = WINO_POINTS * q->y_fs;
}

static void set_products(struct wino_priv *q, int tiles, int obs)
{
	q->m_tiles = tiles;
	q->m_obs_count = obs;
	q->m_obs = (size_t)tiles * WINO_LANES;
	q->m_fs = spread((size_t)tiles * obs * WINO_LANES);
	q->m_size = WINO_POINTS * q->m_fs;
}

/* Rows of tiles a slab, or pieces of a row. Transformed slices of some 0.3 MB stay in the
 * second-level cache; of five taps along the depth there are more, and their weights at six
 * points come from beyond that cache too: there a slab is small (14 tiles are two full groups of
 * registers) and walks in large steps, so that weights once read serve several pairs of depths. */
static void set_slab_tiles(struct wino_priv *q)
{
	size_t row = (size_t)WINO_POINTS * WINO_LANES * q->tw * sizeof(float);
	size_t want = ((size_t)320 << 10) / (row * q->cb * q->ring);
	if (q->deep == 6)
		want = DEEP_TILES / (size_t)q->tw;
	want = want < 1 ? 1 : want;
	q->rows = want > (size_t)q->th ? q->th : (int)want;
	q->slabs = ceil_div(q->th, q->rows);
	q->rows = ceil_div(q->th, q->slabs);
	q->slabs = ceil_div(q->th, q->rows);
	q->cuts = q->deep == 6 && q->rows == 1 ? (q->tw + DEEP_TILES / 2) / DEEP_TILES : 1;
	q->cuts = q->cuts < 1 ? 1 : q->cuts;
}

/* What is mixed at a time, for the first cache: some 14 KB, besides weights of two blocks. */
static void set_mix(struct wino_priv *q)
{
	int cb = q->deep == 6 && q->cb > 2 ? 2 : q->cb;
	q->mix_ic = cb * WINO_LANES;
	q->mix_tiles = 56 / cb > 14 ? 56 / cb : 14;
	q->mix = (size_t)q->deep * q->mix_ic * q->mix_tiles;
}

/* Bytes of weights at the points up to which the last slabs are cut: each piece reads them all. */
#define TAIL_WEIGHTS ((size_t)1 << 20)

/* Few slabs of a row each: the last one of each thread goes out in two pieces, so that threads end
 * together, also when the machine's other work slows one of them down. The cut is where a group of
 * tiles that the registers hold ends: short groups cost as much as is gained. */
static void set_tail(struct wino_priv *q, int threads)
{
	int slabs = q->n * q->slabs, group = q->isa->group;
	bool cut = threads > 1 && q->rows == 1 && q->cuts == 1 && q->deeps == 1;
	q->tail_tiles = ceil_div(ceil_div(q->tw, 2), group) * group;
	cut = cut && 2 * (q->tw - q->tail_tiles) >= group &&
	      q->u_size * sizeof(float) <= TAIL_WEIGHTS;
	q->tail = cut && slabs < 64 * threads ? (slabs < threads ? slabs : threads) : 0;
}

static void set_slab(struct wino_priv *q, int threads)
{
	int pairs = ceil_div(q->out[0], 2);
	q->pairs = q->deep < 6 ? 1 : pairs < WINO_MAX_PAIRS ? pairs : WINO_MAX_PAIRS;
	q->ring = q->deep ? q->deep + 2 * (q->pairs - 1) : q->kd;
	q->ring = q->ring < q->in[0] ? q->ring : q->in[0];
	set_slab_tiles(q);
	int items = q->n * q->slabs * q->cuts, tiles = q->rows * ceil_div(q->tw, q->cuts);
	int depths = q->deep ? ceil_div(q->out[0], 2 * q->pairs) : q->out[0];
	/* Few items: cut along the depth too, at the price of transforming the seams twice. */
	q->deeps = 1;
	while (q->deeps * 2 <= depths && items * q->deeps < 8 * threads &&
	       items * q->deeps % threads)
		q->deeps++;
	set_tiles(q, tiles, tiles);
	set_weights(q, q->ob, q->ic);
	set_tail(q, threads);
	set_products(q, tiles, q->ob);
	if (q->deep)
		set_mix(q);
}

/* Tiles a slab of the weight gradient takes at least, since its sums are read and written once a
 * slice, and the second-level cache that sums and transformed slices may fill. */
#define GRAD_TILES 80
#define GRAD_CACHE ((size_t)1536 << 10)

/* Rows of tiles of all samples are shared out to the workers evenly: to 8, to fewer when each had
 * less than half a slab, to no less than 2. */
static void set_slab_grad(struct wino_priv *q)
{
	int total = q->n * q->th;
	q->ring = q->kd < q->out[0] ? q->kd : q->out[0];
	q->workers = WINO_WORKERS;
	while (q->workers > 2 && total / q->workers * q->tw < GRAD_TILES / 2)
		q->workers /= 2;
	q->workers = q->workers < total ? q->workers : total;
	set_weights(q, q->ob, q->ic);
	size_t row = (size_t)WINO_POINTS * WINO_LANES * q->tw * sizeof(float) *
		     ((size_t)q->ob * q->ring + q->cb);
	size_t sums = q->u_size * sizeof(float);
	int want = sums < GRAD_CACHE ? (int)((GRAD_CACHE - sums) / row) : 1;
	int least = ceil_div(GRAD_TILES, q->tw), most = ceil_div(total, q->workers);
	want = want < least ? least : want;
	most = most < q->th ? most : q->th;
	q->rows = ceil_div(most, ceil_div(most, want));
	set_tiles(q, (size_t)q->rows * q->tw, (size_t)q->rows * q->tw);
}

/* Tiles of a flat slab, about, and the bytes of weights at the points from which on it is taken:
 * those of the second-level cache. From bench/conv.sh. */
#define FLAT_TILES 64
#define FLAT_WEIGHTS ((size_t)2 << 20)
/* Bytes of weights a tile at most: with more, making them all costs more than is gained. */
#define FLAT_TILE_WEIGHTS ((size_t)160 << 10)

/* One tap along the depth, all of it met, and tiles for more than one slab. */
static bool choose_flat(const struct wino_priv *q)
{
	size_t weights = (size_t)q->cb * q->ob * WINO_LANES * WINO_LANES;
	size_t bytes = weights * WINO_POINTS * sizeof(float);
	size_t tiles = (size_t)q->n * q->in[0] * q->tiles;
	return q->kd == 1 && q->in[0] == q->out[0] && q->lo[0] == 0 && bytes >= FLAT_WEIGHTS &&
	       bytes <= tiles * FLAT_TILE_WEIGHTS && tiles >= 2 * FLAT_TILES;
}

static void set_flat(struct wino_priv *q, int threads)
{
	int total = q->n * q->in[0] * q->th;
	int rows = FLAT_TILES / q->tw > 1 ? FLAT_TILES / q->tw : 1;
	q->chunks = ceil_div(ceil_div(total, rows), threads) * threads;
	q->chunks = q->chunks < total ? q->chunks : total;
	size_t tiles = (size_t)ceil_div(total, q->chunks) * q->tw;
	q->ring = q->pairs = 1;
	set_tiles(q, tiles, tiles);
	set_weights(q, q->ob, q->ic);
	set_products(q, (int)tiles, q->ob);
}

static void set_whole(struct wino_priv *q, int threads)
{
	int from = q->n * q->in[0] * q->tiles, to = q->n * q->out[0] * q->tiles;
	set_tiles(q, from, to);
	set_weights(q, q->ob < 2 ? q->ob : 2, q->ic < 2 * WINO_LANES ? q->ic : 2 * WINO_LANES);
	int pairs = ceil_div(q->ob, q->ob_part);
	q->chunks = ceil_div(to, 400);
	while (q->chunks * pairs < 2 * threads && to / q->chunks > 56)
		q->chunks++;
	set_products(q, ceil_div(to, q->chunks), q->ob_part);
}

/* Samples and rows of tiles that are transformed at a time: data and gradients of some 16 MB. */
static enum sm_status set_whole_grad(struct wino_priv *q, struct sm_err *err)
{
	size_t row = ((size_t)q->in[0] * q->cb + (size_t)q->out[0] * q->ob) * q->tw * WINO_LANES *
		     WINO_POINTS * sizeof(float);
	size_t want = ((size_t)16 << 20) / row;
	want = want < 1 ? 1 : want;
	q->part_rows = want < (size_t)q->th ? (int)want : q->th;
	q->part_rows = ceil_div(q->th, ceil_div(q->th, q->part_rows));
	q->part_n = (int)(want / q->th);
	q->part_n = q->part_n < 1 ? 1 : q->part_n < q->n ? q->part_n : q->n;
	q->chunks = ceil_div(q->th, q->part_rows) * ceil_div(q->n, q->part_n);
	int tiles = q->part_rows * q->tw;
	set_tiles(q, (size_t)q->part_n * q->in[0] * tiles, (size_t)q->part_n * q->out[0] * tiles);
	int ic = q->ic < 2 * WINO_LANES ? q->ic : 2 * WINO_LANES;
	if (ceil_div(q->ob, 2) * ceil_div(q->ic, ic) < 16)
		ic = q->ic < WINO_LANES ? q->ic : WINO_LANES;
	/* With one tap sums of larger parts fit the cache too, which then are fewer: data and
	 * gradients at the points are read once for each. */
	int obs = WINO_GRAD_PAIRS, ics = 4 * WINO_LANES;
	if (q->kd1 - q->kd0 == 1 && ceil_div(q->ob, obs) * ceil_div(q->ic, ics) >= 12)
		set_weights(q, obs, ics);
	else
		set_weights(q, q->ob < 2 ? q->ob : 2, ic);
	size_t most = (size_t)q->part_n * q->out[0], plane = (size_t)tiles * WINO_LANES;
	q->run_v = calloc(most * WINO_MAX_KD, sizeof *q->run_v);
	q->run_y = calloc(most * WINO_MAX_KD, sizeof *q->run_y);
	if (!q->run_v || !q->run_y)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	for (int k = 0; k < q->kd; k++)
		for (int n = 0; n < q->part_n; n++)
			for (int d = 0; d < q->out[0]; d++) {
				int z = d + k - q->lo[0];
				if (z < 0 || z >= q->in[0])
					continue;
				size_t at = k * most + q->runs[k]++;
				q->run_v[at] = ((size_t)n * q->in[0] + z) * plane;
				q->run_y[at] = ((size_t)n * q->out[0] + d) * plane;
			}
	return SM_OK;
}

/* Forward: transformed weights are read once a slice of a slab: no slabs when they are many for the
 * tiles there are. Gradient: the same of the sums, of which moreover each worker has its own: up to
 * 6 MB. Both numbers are from bench/conv.sh. */
static bool choose_whole(const struct wino_priv *q, enum sm_pass pass)
{
	size_t weights = (size_t)q->cb * q->ob * WINO_LANES * (q->kd1 - q->kd0);
	size_t tiles = (size_t)q->n * q->in[0] * q->tiles;
	size_t bytes = weights * WINO_LANES * WINO_POINTS * sizeof(float);
	if (pass == SM_BACKWARD_WEIGHTS)
		return bytes > (size_t)6 << 20 || tiles < 64 * bytes >> 20;
	return tiles * q->cb <= 2 * weights;
}

/* Points along the depth, or 0 for taps one by one. Mixing costs some eighth of the products. Three
 * taps: only with one block of outputs, where broadcasts keep the core busy, not multiply-adds, or
 * two while weights are few (bench/conv.sh; the gradient of the weights lost a tenth). Five taps of
 * 3x3: errors add up to more than 2e-5 of the largest output. */
static int depth_points(const struct wino_priv *q)
{
	int met = 0;
	for (int d = 0; d < q->out[0]; d++)
		for (int k = 0; k < q->kd; k++)
			met += d + k >= q->lo[0] && d + k - q->lo[0] < q->in[0];
	bool few = q->ob == 1 || (q->ob == 2 && q->cb <= 2);
	bool fits = q->kd == 5 ? q->k == 5 : q->kd == 3 && few;
	bool fewer = 9 * (q->kd + 1) * ceil_div(q->out[0], 2) < 8 * met;
	fits = fits && fewer && q->kd0 == 0 && q->kd1 == q->kd && q->ic >= WINO_LANES;
	return fits ? q->kd + 1 : 0;
}

static enum sm_status create(struct conv_plan *p, const struct wino_isa *isa, struct sm_err *err)
{
	struct wino_priv *q = p->priv = calloc(1, sizeof *q);
	if (!q)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	q->isa = isa;
	set_geometry(q, &p->d, p->pass);
	q->flat = p->pass != SM_BACKWARD_WEIGHTS && choose_flat(q);
	q->whole = !q->flat && choose_whole(q, p->pass);
	q->deep = !q->whole && p->pass != SM_BACKWARD_WEIGHTS ? depth_points(q) : 0;
	if (p->pass == SM_BACKWARD_WEIGHTS && q->whole)
		SM_TRY(set_whole_grad(q, err));
	else if (p->pass == SM_BACKWARD_WEIGHTS)
		set_slab_grad(q);
	else if (q->flat)
		set_flat(q, p->d.threads);
	else if (!q->whole)
		set_slab(q, p->d.threads);
	else
		set_whole(q, p->d.threads);
	if (!q->whole && p->pass != SM_BACKWARD_WEIGHTS)
		p->packed = q->u_size * sizeof(float);
	p->ws = wino_shared_bytes(q, p->pass) + p->d.threads * wino_thread_bytes(q, p->pass);
	snprintf(p->impl, sizeof p->impl, "wino F(%dx%d,%dx%d) %s %s", q->step, q->step, q->k, q->k,
		 isa->name,
		 q->whole  ? "whole"
		 : q->flat ? "flat"
		 : q->deep ? "slab pairs"
			   : "slab");
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
	struct wino_priv *q = p->priv;
	if (!q)
		return;
	free(q->run_v);
	free(q->run_y);
	free(q);
	p->priv = NULL;
}

struct wino_weights wino_weights_of(const struct wino_priv *q, bool flip)
{
	return (struct wino_weights){.ic = q->ic,
				     .oc = q->oc,
				     .kd = q->kd,
				     .k = q->k,
				     .kd0 = q->kd0,
				     .kd1 = q->kd1,
				     .flip = flip,
				     .deep = q->deep,
				     .u_fs = q->u_fs,
				     .u_obs = q->u_obs,
				     .u_ks = q->u_ks};
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct wino_priv *q = p->priv;
	struct wino_weights how = wino_weights_of(q, p->pass == SM_BACKWARD_DATA);
	float *u = a->packed;
#pragma omp parallel for collapse(2) schedule(static) num_threads(p->d.threads)
	for (int ob = 0; ob < q->ob; ob++)
		for (int i = 0; i < q->ic; i += WINO_SOME_IC)
			q->isa->weights(&how, a->w, ob, i,
					i + WINO_SOME_IC < q->ic ? i + WINO_SOME_IC : q->ic,
					u + ob * q->u_obs + (size_t)i * WINO_LANES);
	return SM_OK;
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	const struct conv_part all_x = {a->x, d->ic}, all_y = {a->y, d->oc};
	const struct wino_side y = {&all_y, 1};
	const struct wino_side x = {a->parts ? a->part : &all_x, a->parts ? a->parts : 1};
	if (p->pass == SM_FORWARD)
		wino_forward(p->priv, x, a->w, a->packed, d->bias ? a->bias : NULL, d->relu, false,
			     y, a->ws, d->threads);
	else if (p->pass == SM_BACKWARD_DATA)
		wino_forward(p->priv, y, a->w, a->packed, NULL, false, true, x, a->ws, d->threads);
	else
		wino_backward_weights(p->priv, x, a->y, a->gw, a->ws, d->threads);
	return SM_OK;
}

#define KERNEL(isa, rule) \
	const struct conv_kernel conv_wino_##isa = {.name = "wino_" #isa, \
						    .fits = fits_##isa, \
						    .create = create_##isa, \
						    .pack = pack, \
						    .run = run, \
						    .destroy = destroy, \
						    .wins = rule, \
						    .bf16 = true, \
						    .parts = true}
KERNEL(avx512, wins);
KERNEL(avx2, wins);
/* The portable one is never chosen: it is for tests, oneDNN has vector code for the CPUs that the
 * others do not know. */
KERNEL(portable, conv_fits_none);
