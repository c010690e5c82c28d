/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution, forward and (with flipped weights) backward-data. An output is the same sum
 * in the same order however the work is cut, so that pieces may follow the number of threads. */
#include "train/nn/conv_wino_plan.h"

#include <omp.h>

#include "train/nn/share.h"
#include "train/nn/stream.h"

struct wino_plane wino_data_plane(const struct wino_priv *q)
{
	return (struct wino_plane){.e = q->xe,
				   .h = q->in[1],
				   .w = q->in[2],
				   .c = q->ic,
				   .lo_h = q->lo[1],
				   .lo_w = q->lo[2],
				   .step = q->step,
				   .tw = q->tw,
				   .fs = q->v_fs,
				   .cbs = q->v_cbs};
}

size_t wino_parts(const struct wino_priv *q)
{
	return (size_t)((q->ob + q->ob_part - 1) / q->ob_part) *
	       ((q->ic + q->ic_part - 1) / q->ic_part);
}

size_t wino_shared_bytes(const struct wino_priv *q, enum sm_pass pass)
{
	size_t floats = q->whole ? q->v_size : 0;
	if (pass == SM_BACKWARD_WEIGHTS)
		floats = q->whole ? q->v_size + q->y_size +
					    (q->chunks > 1 ? wino_parts(q) * q->u_size : 0)
				  : q->workers * q->u_size;
	return floats * sizeof(float);
}

size_t wino_thread_bytes(const struct wino_priv *q, enum sm_pass pass)
{
	size_t floats;
	if (pass == SM_BACKWARD_WEIGHTS)
		floats = !q->whole       ? q->v_size + q->ring * q->y_size
			 : q->chunks > 1 ? 0
					 : q->u_size;
	else
		floats = (q->deep ? 2 * q->pairs : 1) * q->m_size + q->mix +
			 (q->whole ? q->u_size : q->ring * q->v_size);
	return floats * sizeof(float);
}

void wino_data_row(const struct wino_priv *q, struct wino_side src, struct wino_row at, float *v)
{
	struct wino_plane p = wino_data_plane(q);
	size_t first = at.plane * q->in[1] * q->in[2];
	p.t0 = at.t0;
	p.tw = at.tiles;
	for (int i = 0; i < src.parts; i++, v += p.c / WINO_LANES * p.cbs) {
		p.c = src.part[i].c;
		q->isa->data_row(&p, elem_at(src.part[i].x, q->xe, first * p.c), at.row, v);
	}
}

struct job {
	const struct wino_priv *q;
	struct wino_side src;
	const float *w, *u, *bias;
	struct wino_side dst;
	bool relu, flip;
};

static struct wino_out out_of(const struct job *j)
{
	const struct wino_priv *q = j->q;
	return (struct wino_out){.e = q->ye,
				 .h = q->out[1],
				 .w = q->out[2],
				 .c = q->oc,
				 .step = q->step,
				 .tw = q->tw,
				 .m_fs = q->m_fs,
				 .m_obs = q->m_obs,
				 .bias = j->bias,
				 .relu = j->relu,
				 .stream = (size_t)q->n * q->out[0] * q->out[1] * q->out[2] *
						   q->oc >= STREAM_MIN};
}

/* Blocks [ob0, ob1) of the outputs of plane `plane`, each part's into its own tensor. */
static void output(const struct job *j, const float *m, size_t plane, int t0, int tiles, int ob0,
		   int ob1)
{
	const struct wino_priv *q = j->q;
	struct wino_out o = out_of(j);
	size_t at = plane * q->out[1] * q->out[2];
	for (int i = 0, first = 0, end; i < j->dst.parts; i++, first = end) {
		struct conv_part part = j->dst.part[i];
		end = first + (part.c + WINO_LANES - 1) / WINO_LANES;
		int from = ob0 > first ? ob0 : first, to = ob1 < end ? ob1 : end;
		if (from >= to || !part.x)
			continue;
		o.c = part.c;
		o.bias = j->bias ? j->bias + (size_t)first * WINO_LANES : NULL;
		q->isa->output(&o, m + (from - ob0) * q->m_obs, t0, tiles, from - first, to - first,
			       elem_at(part.x, q->ye, at * part.c));
	}
}

/* ---- slab ----------------------------------------------------------------------------------- */

/* Of sample n, `rows` rows of tiles from row0 on, or of one row `cols` tiles from t0 on. */
struct slab {
	int n, row0, rows, t0, cols;
};

/* Outputs at depth d of a slab; ring holds the slices around d. */
static void slab_depth(const struct job *j, const struct slab *s, int d, const float *ring,
		       float *m, struct wino_ahead *ahead)
{
	const struct wino_priv *q = j->q;
	struct wino_gemm g = {.ic = q->ic,
			      .tiles = s->rows * s->cols,
			      .obs = q->ob,
			      .v_fs = q->v_fs,
			      .v_cbs = q->v_cbs,
			      .u_fs = q->u_fs,
			      .u_obs = q->u_obs,
			      .m_fs = q->m_fs,
			      .m_obs = q->m_obs,
			      .m = m,
			      .ahead = ahead};
	for (int k = 0; k < q->kd; k++) {
		int z = d + k - q->lo[0];
		if (z < 0 || z >= q->in[0])
			continue;
		g.v[g.taps] = ring + z % q->ring * q->v_size;
		g.u[g.taps++] = j->u + (k - q->kd0) * q->u_ks;
	}
	q->isa->gemm(&g);
	output(j, m, (size_t)s->n * q->out[0] + d, s->row0 * q->tw + s->t0, g.tiles, 0, q->ob);
}

/* The same at depths [d, d1), in pairs. */
static void slab_pairs(const struct job *j, const struct slab *s, int d, int d1, const float *ring,
		       float *m, struct wino_ahead *ahead)
{
	const struct wino_priv *q = j->q;
	struct wino_pair g = {.pairs = (d1 - d + 1) / 2,
			      .points = q->deep,
			      .ic = q->ic,
			      .tiles = s->rows * s->cols,
			      .obs = q->ob,
			      .part = q->mix_tiles,
			      .part_ic = q->mix_ic,
			      .u = j->u,
			      .v_fs = q->v_fs,
			      .v_cbs = q->v_cbs,
			      .u_fs = q->u_fs,
			      .u_obs = q->u_obs,
			      .u_zs = q->u_ks,
			      .m_fs = q->m_fs,
			      .m_obs = q->m_obs,
			      .m_ds = q->m_size,
			      .w_cbs = (size_t)q->mix_tiles * WINO_LANES,
			      .w_zs = (size_t)q->mix_ic * q->mix_tiles,
			      .m = m,
			      .w = m + 2 * q->pairs * q->m_size,
			      .ahead = ahead};
	for (int k = 0; k < q->deep + 2 * (g.pairs - 1); k++) {
		int z = d + k - q->lo[0];
		g.v[k] = z >= 0 && z < q->in[0] ? ring + z % q->ring * q->v_size : NULL;
	}
	q->isa->pair(&g);
	for (int k = 0; k < d1 - d; k++)
		output(j, m + k * q->m_size, (size_t)s->n * q->out[0] + d + k,
		       s->row0 * q->tw + s->t0, g.tiles, 0, q->ob);
}

void wino_ahead_add(struct wino_ahead *a, const void *at, int rows, size_t stride, size_t width)
{
	if (a->pieces == WINO_AHEAD || rows <= 0)
		return;
	a->at[a->pieces] = at;
	a->rows[a->pieces] = rows;
	a->stride[a->pieces] = stride;
	a->width[a->pieces++] = width;
}

void wino_ahead_slice(const struct wino_priv *q, struct wino_side src, struct wino_row at, int rows,
		      struct wino_ahead *a)
{
	int h0 = at.row * q->step - q->lo[1], h1 = h0 + (rows - 1) * q->step + 6;
	int w0 = at.t0 * q->step - q->lo[2], w1 = w0 + (at.tiles - 1) * q->step + 6;
	h0 = h0 > 0 ? h0 : 0;
	h1 = h1 < q->in[1] ? h1 : q->in[1];
	w0 = w0 > 0 ? w0 : 0;
	w1 = w1 < q->in[2] ? w1 : q->in[2];
	for (int i = 0; i < src.parts && h0 < h1 && w0 < w1; i++) {
		struct conv_part part = src.part[i];
		size_t first = ((at.plane * q->in[1] + h0) * q->in[2] + w0) * part.c;
		size_t pixel = part.c * elem_size(q->xe);
		wino_ahead_add(a, elem_at(part.x, q->xe, first), h1 - h0, q->in[2] * pixel,
			       (w1 - w0) * pixel);
	}
}

/* What a slab reads of `count` slices from z on. */
static struct wino_ahead next_slices(const struct job *j, const struct slab *s, int z, int count)
{
	const struct wino_priv *q = j->q;
	struct wino_ahead a = {.pieces = 0};
	for (int last = z + count; z < last && z < q->in[0]; z++)
		wino_ahead_slice(q, j->src,
				 (struct wino_row){(size_t)s->n * q->in[0] + z, s->row0, s->t0,
						   s->cols},
				 s->rows, &a);
	return a;
}

/* Whole slabs. Behind them come the pieces of the last ones, two each. */
static int slab_items(const struct wino_priv *q)
{
	return (q->n * q->slabs * q->cuts - q->tail) * q->deeps;
}

static struct slab slab_at(const struct wino_priv *q, int item)
{
	int cut = item % q->cuts, at = item / q->cuts;
	int t0 = q->tw * cut / q->cuts, t1 = q->tw * (cut + 1) / q->cuts;
	int piece = item - (q->n * q->slabs - q->tail);
	if (q->tail && piece >= 0) {
		/* First the larger parts of all. */
		bool rest = piece >= q->tail;
		at = item - piece + piece % q->tail;
		t0 = rest ? q->tail_tiles : 0;
		t1 = rest ? q->tw : q->tail_tiles;
	}
	/* By height, as all loops over tensors are (share.h). */
	int row0 = at / q->n * q->rows;
	return (struct slab){.n = at % q->n,
			     .row0 = row0,
			     .rows = q->th - row0 < q->rows ? q->th - row0 : q->rows,
			     .t0 = t0,
			     .cols = t1 - t0};
}

static void slab(const struct job *j, int item, float *scratch)
{
	const struct wino_priv *q = j->q;
	int deep = item % q->deeps;
	const struct slab s = slab_at(q, item / q->deeps);
	float *ring = scratch, *m = ring + q->ring * q->v_size;
	int step = q->deep ? 2 * q->pairs : 1, steps = (q->out[0] + step - 1) / step;
	int d0 = steps * deep / q->deeps * step, d1 = steps * (deep + 1) / q->deeps * step;
	int next = d0 > q->lo[0] ? d0 - q->lo[0] : 0;
	for (int d = d0; d < d1; d += step) {
		for (; next < q->in[0] && next < d - q->lo[0] + q->kd + step - 1; next++)
			for (int r = 0; r < s.rows; r++)
				wino_data_row(q, j->src,
					      (struct wino_row){(size_t)s.n * q->in[0] + next,
								s.row0 + r, s.t0, s.cols},
					      ring + next % q->ring * q->v_size +
						      (size_t)r * s.cols * WINO_LANES);
		struct wino_ahead ahead = next_slices(j, &s, next, d + step < d1 ? step : 0);
		if (q->deep)
			slab_pairs(j, &s, d, d + step < q->out[0] ? d + step : q->out[0], ring, m,
				   &ahead);
		else
			slab_depth(j, &s, d, ring, m, &ahead);
	}
}

/* ---- flat ----------------------------------------------------------------------------------- */

/* Rows of tiles [r0, r1), counted over all planes. */
static void flat(const struct job *j, int item, float *scratch)
{
	const struct wino_priv *q = j->q;
	int total = q->n * q->in[0] * q->th;
	int r0 = (int)((int64_t)total * item / q->chunks);
	int r1 = (int)((int64_t)total * (item + 1) / q->chunks);
	float *v = scratch, *m = v + q->v_size;
	struct wino_gemm g = {.v = {v},
			      .u = {j->u},
			      .taps = 1,
			      .ic = q->ic,
			      .tiles = (r1 - r0) * q->tw,
			      .obs = q->ob,
			      .v_fs = q->v_fs,
			      .v_cbs = q->v_cbs,
			      .u_fs = q->u_fs,
			      .u_obs = q->u_obs,
			      .m_fs = q->m_fs,
			      .m_obs = q->m_obs,
			      .m = m};
	size_t row = (size_t)q->tw * WINO_LANES;
	for (int r = r0; r < r1; r++)
		wino_data_row(q, j->src,
			      (struct wino_row){(size_t)(r / q->th), r % q->th, 0, q->tw},
			      v + (r - r0) * row);
	q->isa->gemm(&g);
	for (int r = r0, rows; r < r1; r += rows) {
		int first = r % q->th;
		rows = q->th - first < r1 - r ? q->th - first : r1 - r;
		output(j, m + (r - r0) * row, (size_t)(r / q->th), first * q->tw, rows * q->tw, 0,
		       q->ob);
	}
}

/* ---- whole ---------------------------------------------------------------------------------- */

/* Adds channels [i0, i1) to the products of tiles [t0, t1), which are cut at planes. */
static void whole_part(const struct job *j, const float *v, const float *u, float *m, int t0,
		       int t1, int obs, int i0, int i1)
{
	const struct wino_priv *q = j->q;
	struct wino_gemm g = {.ic = i1 - i0,
			      .obs = obs,
			      .v_fs = q->v_fs,
			      .v_cbs = q->v_cbs,
			      .u_fs = q->u_fs,
			      .u_obs = q->u_obs,
			      .m_fs = q->m_fs,
			      .m_obs = q->m_obs,
			      .add = i0 > 0};
	for (int t = t0; t < t1; t += g.tiles) {
		int plane = t / q->tiles, first = t % q->tiles, n = plane / q->out[0];
		g.tiles = q->tiles - first < t1 - t ? q->tiles - first : t1 - t;
		g.taps = 0;
		for (int k = q->kd0; k < q->kd1; k++) {
			int z = plane % q->out[0] + k - q->lo[0];
			if (z < 0 || z >= q->in[0])
				continue;
			size_t at = ((size_t)n * q->in[0] + z) * q->tiles + first;
			g.v[g.taps] = v + i0 / WINO_LANES * q->v_cbs + at * WINO_LANES;
			g.u[g.taps++] = u + (k - q->kd0) * q->u_ks;
		}
		g.m = m + (size_t)(t - t0) * WINO_LANES;
		q->isa->gemm(&g);
	}
}

static void whole(const struct job *j, int item, const float *v, float *scratch)
{
	const struct wino_priv *q = j->q;
	int total = q->n * q->out[0] * q->tiles, chunk = item % q->chunks;
	int t0 = (int)((int64_t)total * chunk / q->chunks);
	int t1 = (int)((int64_t)total * (chunk + 1) / q->chunks);
	int ob0 = item / q->chunks * q->ob_part;
	int ob1 = ob0 + q->ob_part < q->ob ? ob0 + q->ob_part : q->ob;
	struct wino_weights how = wino_weights_of(q, j->flip);
	float *u = scratch, *m = u + q->u_size;
	for (int i0 = 0; i0 < q->ic; i0 += q->ic_part) {
		int i1 = i0 + q->ic_part < q->ic ? i0 + q->ic_part : q->ic;
		for (int ob = ob0; ob < ob1; ob++)
			q->isa->weights(&how, j->w, ob, i0, i1, u + (ob - ob0) * q->u_obs);
		whole_part(j, v, u, m, t0, t1, ob1 - ob0, i0, i1);
	}
	for (int t = t0, count; t < t1; t += count) {
		int plane = t / q->tiles, first = t % q->tiles;
		count = q->tiles - first < t1 - t ? q->tiles - first : t1 - t;
		output(j, m + (size_t)(t - t0) * WINO_LANES, (size_t)plane, first, count, ob0, ob1);
	}
}

void wino_forward(const struct wino_priv *q, struct wino_side src, const float *w, const float *u,
		  const float *bias, bool relu, bool flip, struct wino_side dst, void *ws,
		  int threads)
{
	const struct job job = {q, src, w, u, bias, dst, relu, flip}, *j = &job;
	float *shared = ws;
	int pairs = (q->ob + q->ob_part - 1) / q->ob_part;
	char *own = (char *)ws + wino_shared_bytes(q, SM_FORWARD);
	size_t bytes = wino_thread_bytes(q, SM_FORWARD);
	struct share share;
	share_begin(&share, slab_items(q), threads, false);
#pragma omp parallel num_threads(threads)
	{
		int thread = omp_get_thread_num();
		float *scratch = (float *)(void *)(own + thread * bytes);
		if (q->whole) {
#pragma omp for schedule(dynamic, 1)
			for (int i = 0; i < q->n * q->in[0] * q->th; i++) {
				int plane = i / q->th, row = i % q->th;
				size_t at = (size_t)plane * q->tiles + (size_t)row * q->tw;
				wino_data_row(q, j->src,
					      (struct wino_row){(size_t)plane, row, 0, q->tw},
					      shared + at * WINO_LANES);
			}
#pragma omp for schedule(dynamic, 1)
			for (int i = 0; i < q->chunks * pairs; i++)
				whole(j, i, shared, scratch);
		} else if (q->flat) {
#pragma omp for schedule(dynamic, 1)
			for (int i = 0; i < q->chunks; i++)
				flat(j, i, scratch);
		} else {
			for (int i; (i = share_take(&share, thread)) >= 0;)
				slab(j, i, scratch);
#pragma omp for schedule(dynamic, 1) nowait
			for (int i = 0; i < 2 * q->tail * q->deeps; i++)
				slab(j, slab_items(q) + i, scratch);
		}
	}
}
