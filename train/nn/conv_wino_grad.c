/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution, gradient of the weights: summed at the points, one transform back at the
 * end. Bits do not depend on the number of threads: slabs belong to a fixed number of workers whose
 * sums are added in order; in a whole plan each element is one thread's sum over all tiles. */
#include "train/nn/conv_wino_plan.h"

#include <omp.h>

struct wino_plane wino_grad_plane(const struct wino_priv *q)
{
	return (struct wino_plane){.e = q->ye,
				   .h = q->out[1],
				   .w = q->out[2],
				   .c = q->oc,
				   .step = q->step,
				   .tw = q->tw,
				   .fs = q->y_fs,
				   .cbs = q->y_cbs};
}

struct job {
	const struct wino_priv *q;
	struct wino_side x;
	const void *gy;
	float *gw;
};

static const void *y_plane(const struct job *j, int plane)
{
	const struct wino_priv *q = j->q;
	return elem_at(j->gy, q->ye, (size_t)plane * q->out[1] * q->out[2] * q->oc);
}

static int block_width(const struct wino_priv *q, int cb)
{
	int left = q->ic - cb * WINO_LANES;
	return left < WINO_LANES ? left : WINO_LANES;
}

/* ---- slab ----------------------------------------------------------------------------------- */

/* The fewest slices of rows that are taken at a time. */
#define LEAST_SLICES 4

/* Rows of tiles of one sample, from row0 on, that a worker adds at slices [z0, z1); of the worker's
 * the first rows. */
struct rows {
	int worker, n, row0, rows, z0, z1;
	bool first;
};

/* The first of the gradients that meet slice z. */
static int first_depth(const struct wino_priv *q, int z)
{
	int d = z + q->lo[0] - (q->kd1 - 1);
	return d > 0 ? d : 0;
}

/* What comes next of them: data of slice z, gradients of depth d. */
static struct wino_ahead next_slices(const struct job *j, struct rows s, int z, int d)
{
	const struct wino_priv *q = j->q;
	struct wino_ahead a = {.pieces = 0};
	if (!s.rows)
		return a;
	if (d < q->out[0]) {
		int y0 = s.row0 * q->step, y1 = y0 + s.rows * q->step;
		size_t row = (size_t)q->out[2] * q->oc, width = row * elem_size(q->ye);
		size_t line = ((size_t)s.n * q->out[0] + d) * q->out[1] + y0;
		y1 = y1 < q->out[1] ? y1 : q->out[1];
		wino_ahead_add(&a, elem_at(j->gy, q->ye, line * row), y1 - y0, width, width);
	}
	if (z < q->in[0])
		wino_ahead_slice(q, j->x,
				 (struct wino_row){(size_t)s.n * q->in[0] + z, s.row0, 0, q->tw},
				 s.rows, &a);
	size_t pairs = (size_t)q->ob * (q->kd1 - q->kd0);
	size_t groups = (pairs + WINO_GRAD_PAIRS - 1) / WINO_GRAD_PAIRS;
	wino_ahead_share(&a, WINO_POINTS * q->cb * groups);
	return a;
}

/* Slice z (its points in v) times the gradients that it meets, which the ring holds; first: of the
 * worker's sums. */
static void slab_slice(const struct job *j, int z, int tiles, bool first, const float *v,
		       const float *ring, float *sum, struct wino_ahead *ahead)
{
	const struct wino_priv *q = j->q;
	const size_t zero = 0;
	struct wino_grad g = {
		.v_at = &zero, .y_at = &zero, .runs = 1, .tiles = tiles, .ahead = ahead};
	for (int f = 0; f < WINO_POINTS; f++) {
		for (int cb = 0; cb < q->cb; cb++) {
			const float *from = v + f * q->v_fs + cb * q->v_cbs;
			g.ic = block_width(q, cb);
			for (int ob = 0; ob < q->ob; ob++)
				for (int k = q->kd0; k < q->kd1; k++) {
					int d = z + q->lo[0] - k;
					if (d < 0 || d >= q->out[0])
						continue;
					g.y[g.pairs] = ring + d % q->ring * q->y_size +
						       f * q->y_fs + ob * q->y_cbs;
					g.a[g.pairs] = sum + f * q->u_fs + ob * q->u_obs +
						       (k - q->kd0) * q->u_ks +
						       (size_t)cb * WINO_LANES * WINO_LANES;
					g.add[g.pairs++] = !first || (z > 0 && d > 0);
					if (g.pairs == WINO_GRAD_PAIRS) {
						q->isa->grad(&g, from);
						g.pairs = 0;
					}
				}
			if (g.pairs)
				q->isa->grad(&g, from);
			g.pairs = 0;
		}
	}
}

/* What the workers have yet to add: rows [row, end), counted over samples, of the first of them
 * from slice z on. A worker's rows come in order, some at a time, each time by the thread that is free:
 * if threads kept their workers, one that the machine's other work holds up would let all wait (as
 * it still does in small layers, which have no more workers than there are threads). */
struct todo {
	const struct wino_priv *q;
	int threads;
	int row[WINO_WORKERS], end[WINO_WORKERS], z[WINO_WORKERS];
	bool held[WINO_WORKERS]; /* by the thread that adds its rows */
};

static int first_row(const struct wino_priv *q, int worker)
{
	return (int)((int64_t)q->n * q->th * worker / q->workers);
}

static struct todo todo_of(const struct wino_priv *q, int threads)
{
	struct todo s = {.q = q, .threads = threads};
	for (int w = 0; w < q->workers; w++) {
		s.row[w] = first_row(q, w);
		s.end[w] = first_row(q, w + 1);
	}
	return s;
}

/* Rows that worker w adds at a time, from those that it has come to on. */
static int rows_of(const struct todo *s, int w)
{
	const struct wino_priv *q = s->q;
	int row = s->row[w], end = s->end[w], next = (row / q->th + 1) * q->th;
	int left = (next < end ? next : end) - row, parts = (left + q->rows - 1) / q->rows;
	return left ? (left + parts - 1) / parts : 0;
}

/* Slices of rows. */
static int left_of(const struct todo *s, int w)
{
	return (s->end[w] - s->row[w]) * s->q->in[0] - rows_of(s, w) * s->z[w];
}

/* The worker with the most left of those that nobody holds, if there are at least `least` such; or
 * -1. Of several it is one of the thread's own part of the workers, who stand in the order of
 * heights (share.h). all: what they have left together. */
static int choose(const struct todo *s, int least, int *all)
{
	int most = 0, count = 0, worker = -1, thread = omp_get_thread_num();
	bool mine = false;
	*all = 0;
	for (int w = 0; w < s->q->workers; w++) {
		int left = left_of(s, w);
		if (s->held[w] || !left)
			continue;
		count++;
		*all += left;
		bool own = w * s->threads / s->q->workers == thread;
		if (left > most || (left == most && own && !mine)) {
			most = left;
			mine = own;
			worker = w;
		}
	}
	return count < least ? -1 : worker;
}

/* Slices that are taken at a time: all of them, towards the end fewer, since who comes last lets
 * all wait. Each time costs some transforms of gradients, for nothing where each thread has a
 * worker to itself, whose rows nobody else could take over in the meantime. */
static int slices_at_once(const struct todo *s, int rows, int all)
{
	int even = all / (2 * s->threads * rows);
	bool alone = s->threads == 1 || s->threads >= s->q->workers;
	return alone ? s->q->in[0] : even > LEAST_SLICES ? even : LEAST_SLICES;
}

/* Takes rows of a worker (see choose); none: rows 0. */
static struct rows take(struct todo *s, int least)
{
	const struct wino_priv *q = s->q;
	struct rows r = {.worker = -1};
#pragma omp critical(wino_todo)
	{
		int all, w = choose(s, least, &all);
		if (w >= 0) {
			int rows = rows_of(s, w), z1 = s->z[w] + slices_at_once(s, rows, all);
			s->held[w] = true;
			r = (struct rows){.worker = w,
					  .n = s->row[w] / q->th,
					  .row0 = s->row[w] % q->th,
					  .rows = rows,
					  .z0 = s->z[w],
					  .z1 = z1 + LEAST_SLICES > q->in[0] ? q->in[0] : z1,
					  .first = s->row[w] == first_row(q, w)};
		}
	}
	return r;
}

static void give_back(struct todo *s, struct rows r)
{
#pragma omp critical(wino_todo)
	{
		bool last = r.z1 == s->q->in[0];
		s->row[r.worker] += last ? r.rows : 0;
		s->z[r.worker] = last ? 0 : r.z1;
		s->held[r.worker] = false;
	}
}

/* Slice by slice: its data and the gradients of all taps that meet it. Before the last one takes
 * the rows that come next, to ask for them ahead, while there is enough for all; returns them. */
static struct rows slab(const struct job *j, struct todo *todo, struct rows s, float *sum,
			float *scratch)
{
	const struct wino_priv *q = j->q;
	struct wino_plane py = wino_grad_plane(q);
	float *v = scratch, *ring = v + q->v_size;
	struct rows then = {.rows = 0};
	int next = first_depth(q, s.z0);
	for (int z = s.z0; z < s.z1; z++) {
		for (; next < q->out[0] && next <= z + q->lo[0]; next++)
			for (int r = 0; r < s.rows; r++)
				q->isa->grad_row(&py, y_plane(j, s.n * q->out[0] + next),
						 s.row0 + r,
						 ring + next % q->ring * q->y_size +
							 (size_t)r * q->tw * WINO_LANES);
		for (int r = 0; r < s.rows; r++)
			wino_data_row(q, j->x,
				      (struct wino_row){(size_t)s.n * q->in[0] + z, s.row0 + r, 0,
							q->tw},
				      v + (size_t)r * q->tw * WINO_LANES);
		bool last = z + 1 == s.z1;
		if (last)
			then = take(todo, todo->threads);
		struct wino_ahead ahead =
			last ? next_slices(j, then, then.z0, first_depth(q, then.z0))
			     : next_slices(j, s, z + 1, next);
		slab_slice(j, z, s.rows * q->tw, s.first, v, ring, sum, &ahead);
	}
	return then;
}

static void slabs_work(const struct job *j, struct todo *s, float *sums, float *scratch)
{
	for (struct rows r = take(s, 1), then; r.rows; r = then.rows ? then : take(s, 1)) {
		then = slab(j, s, r, sums + r.worker * j->q->u_size, scratch);
		give_back(s, r);
	}
}

static void slabs(const struct job *j, void *ws, int threads)
{
	const struct wino_priv *q = j->q;
	float *sums = ws;
	char *own = (char *)ws + wino_shared_bytes(q, SM_BACKWARD_WEIGHTS);
	size_t bytes = wino_thread_bytes(q, SM_BACKWARD_WEIGHTS);
	struct wino_weights how = wino_weights_of(q, false);
	struct todo todo = todo_of(q, threads);
#pragma omp parallel num_threads(threads)
	{
		float *scratch = (float *)(void *)(own + omp_get_thread_num() * bytes);
		slabs_work(j, &todo, sums, scratch);
#pragma omp barrier
#pragma omp for collapse(2) schedule(static)
		for (int ob = 0; ob < q->ob; ob++)
			for (int i0 = 0; i0 < q->ic; i0 += WINO_SOME_IC) {
				int i1 = i0 + WINO_SOME_IC < q->ic ? i0 + WINO_SOME_IC : q->ic;
				q->isa->weights_back(&how,
						     sums + ob * q->u_obs + (size_t)i0 * WINO_LANES,
						     q->workers, q->u_size, ob, i0, i1, j->gw);
			}
	}
}

/* ---- whole ---------------------------------------------------------------------------------- */

/* What is transformed at a time: samples [n0, n0 + n), rows of tiles [r0, r0 + rows). */
struct chunk {
	int n0, n, r0, rows;
	bool first, last;
};

static struct chunk chunk_at(const struct wino_priv *q, int i)
{
	int by_rows = (q->th + q->part_rows - 1) / q->part_rows;
	struct chunk c = {.n0 = i / by_rows * q->part_n,
			  .r0 = i % by_rows * q->part_rows,
			  .first = i == 0,
			  .last = i == q->chunks - 1};
	c.n = q->n - c.n0 < q->part_n ? q->n - c.n0 : q->part_n;
	c.rows = q->th - c.r0 < q->part_rows ? q->th - c.r0 : q->part_rows;
	return c;
}

/* Row i of the chunk's data, or behind them of its gradients. */
static void transform(const struct job *j, const struct chunk *c, int i, float *v, float *y)
{
	const struct wino_priv *q = j->q;
	int data = c->n * q->in[0] * c->rows, row = i % c->rows, from = (i < data ? i : i - data);
	int plane = from / c->rows;
	size_t at = ((size_t)plane * q->part_rows + row) * q->tw * WINO_LANES;
	if (i < data) {
		wino_data_row(q, j->x,
			      (struct wino_row){(size_t)c->n0 * q->in[0] + plane, c->r0 + row, 0,
						q->tw},
			      v + at);
	} else {
		struct wino_plane p = wino_grad_plane(q);
		q->isa->grad_row(&p, y_plane(j, c->n0 * q->out[0] + plane), c->r0 + row, y + at);
	}
}

/* Output blocks from ob0 and input channels from i0 on: over the chunk's tiles, then back. */
static void part(const struct job *j, const struct chunk *c, int ob0, int i0, const float *v,
		 const float *y, float *sum)
{
	const struct wino_priv *q = j->q;
	int ob1 = ob0 + q->ob_part < q->ob ? ob0 + q->ob_part : q->ob;
	int i1 = i0 + q->ic_part < q->ic ? i0 + q->ic_part : q->ic;
	size_t most = (size_t)q->part_n * q->out[0];
	struct wino_weights how = wino_weights_of(q, false);
	struct wino_grad g = {.tiles = c->rows * q->tw, .pairs = ob1 - ob0};
	for (int at = 0; at < g.pairs; at++)
		g.add[at] = !c->first;
	for (int f = 0; f < WINO_POINTS; f++) {
		for (int k = q->kd0; k < q->kd1; k++) {
			g.v_at = q->run_v + k * most;
			g.y_at = q->run_y + k * most;
			g.runs = q->runs[k] / q->part_n * c->n;
			for (int cb = i0 / WINO_LANES; cb * WINO_LANES < i1; cb++) {
				g.ic = block_width(q, cb);
				for (int at = 0; at < g.pairs; at++) {
					g.y[at] = y + f * q->y_fs + (ob0 + at) * q->y_cbs;
					g.a[at] = sum + f * q->u_fs + at * q->u_obs +
						  (k - q->kd0) * q->u_ks +
						  (size_t)(cb * WINO_LANES - i0) * WINO_LANES;
				}
				q->isa->grad(&g, v + f * q->v_fs + cb * q->v_cbs);
			}
		}
	}
	for (int ob = ob0; ob < ob1 && c->last; ob++)
		q->isa->weights_back(&how, sum + (ob - ob0) * q->u_obs, 1, 0, ob, i0, i1, j->gw);
}

static void whole(const struct job *j, void *ws, int threads)
{
	const struct wino_priv *q = j->q;
	float *v = ws, *y = v + q->v_size, *sums = y + q->y_size;
	char *own = (char *)ws + wino_shared_bytes(q, SM_BACKWARD_WEIGHTS);
	size_t bytes = wino_thread_bytes(q, SM_BACKWARD_WEIGHTS);
	int parts = (q->ic + q->ic_part - 1) / q->ic_part;
#pragma omp parallel num_threads(threads)
	for (int n = 0; n < q->chunks; n++) {
		struct chunk c = chunk_at(q, n);
		float *scratch = (float *)(void *)(own + omp_get_thread_num() * bytes);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < c.n * (q->in[0] + q->out[0]) * c.rows; i++)
			transform(j, &c, i, v, y);
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < (int)wino_parts(q); i++)
			part(j, &c, i / parts * q->ob_part, i % parts * q->ic_part, v, y,
			     q->chunks > 1 ? sums + i * q->u_size : scratch);
	}
}

void wino_backward_weights(const struct wino_priv *q, struct wino_side x, const void *gy, float *gw,
			   void *ws, int threads)
{
	const struct job j = {q, x, gy, gw};
	if (q->whole)
		whole(&j, ws, threads);
	else
		slabs(&j, ws, threads);
}
