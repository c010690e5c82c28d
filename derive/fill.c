/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/par.h"
#include "derive/interleave.h"

#define MOST_DEPTH 4                       /* 2^4 >= 10 */
#define MOST_NODES ((1 << MOST_DEPTH) + 1) /* slices of the finest halving, ends included */

int sm_interleave_depth(int factor)
{
	int depth = 0;
	while (1 << depth < factor)
		depth++;
	return depth;
}

/* ---- of neighbours --------------------------------------------------------------------------- */

static bool is_slice(const struct sm_interleave *il, int64_t k)
{
	return k >= 0 && k < il->from.count && !(il->none && il->none[k]);
}

/* Slice k of those around a gap as real values; where there is none the continuation beyond the
 * gap's own two. */
static void neighbour(const struct sm_interleave *il, int64_t gap, int64_t k, float *out,
		      float *scratch)
{
	const struct sm_planes *p = &il->from;
	size_t n = (size_t)(p->width * p->height);
	if (is_slice(il, k)) {
		sm_planes_get(il->source, p, k, out);
		return;
	}
	int64_t end = k < gap ? gap : gap + 1, in = k < gap ? 1 : -1;
	bool line = !is_slice(il, end + 2 * in);
	const double weight[3] = {line ? 2 : 3, line ? -1 : -3, line ? 0 : 1};
	double sum;
	float *first = scratch, *second = scratch + n, *third = scratch + 2 * n;
	sm_planes_get(il->source, p, end, first);
	sm_planes_get(il->source, p, end + in, second);
	if (line)
		memset(third, 0, n * sizeof *third);
	else
		sm_planes_get(il->source, p, end + 2 * in, third);
	for (size_t i = 0; i < n; i++) {
		sum = weight[0] * first[i] + weight[1] * second[i] + weight[2] * third[i];
		out[i] = (float)sum;
	}
}

static void weights(enum sm_fill method, double t, double w[4])
{
	w[0] = w[1] = w[2] = w[3] = 0;
	switch (method) {
	case SM_FILL_NEAREST:
		w[t < 0.5 ? 1 : 2] = 1;
		return;
	case SM_FILL_LINEAR:
		w[1] = 1 - t;
		w[2] = t;
		return;
	default:
		w[0] = ((2 - t) * t - 1) * t / 2;
		w[1] = ((3 * t - 5) * t * t + 2) / 2;
		w[2] = ((4 - 3 * t) * t + 1) * t / 2;
		w[3] = (t - 1) * t * t / 2;
		return;
	}
}

static enum sm_status fill_weighted(struct sm_interleave *il, int64_t k, enum sm_fill method,
				    struct sm_mem *mem, struct sm_err *err)
{
	size_t n = (size_t)(il->from.width * il->from.height);
	float *near = sm_alloc(mem, n, 8 * sizeof *near, "slices of a gap", err);
	if (!near)
		return SM_BUDGET;
	int first = method == SM_FILL_CUBIC ? 0 : 1, last = 3 - first;
	float *out = near + 4 * n;
	for (int i = first; i <= last; i++)
		neighbour(il, k, k - 1 + i, near + (size_t)i * n, near + 5 * n);
	for (int j = 1; j < il->factor; j++) {
		double w[4];
		weights(method, (double)j / il->factor, w);
		for (size_t i = 0; i < n; i++) {
			double sum = 0;
			for (int m = first; m <= last; m++)
				sum += w[m] == 0 ? 0 : w[m] * near[(size_t)m * n + i];
			out[i] = (float)sum;
		}
		sm_planes_put(&il->out, &il->to, k * il->factor + j, out);
	}
	sm_free(near);
	return SM_OK;
}

/* ---- by halving ------------------------------------------------------------------------------ */

/* The slices of one gap at i / 2^depth; node[i] is NULL until it is made. */
struct halving {
	const struct sm_interleave *il;
	const struct sm_filler *filler;
	int depth;
	size_t n;
	float *room, *node[MOST_NODES];
	size_t used; /* slices of room */
};

static enum sm_status make(struct halving *h, int i, struct sm_err *err)
{
	if (h->node[i])
		return SM_OK;
	int half = i & -i; /* the distance to the two slices that i is the middle of */
	SM_TRY(make(h, i - half, err));
	SM_TRY(make(h, i + half, err));
	h->node[i] = h->room + h->used++ * h->n;
	return h->filler->middle(h->filler->ctx, h->node[i - half], h->node[i + half], h->node[i],
				 h->il->from.width, h->il->from.height, err);
}

static enum sm_status fill_halving(struct sm_interleave *il, int64_t k,
				   const struct sm_filler *filler, struct sm_mem *mem,
				   struct sm_err *err)
{
	struct halving h = {.il = il,
			    .filler = filler,
			    .depth = sm_interleave_depth(il->factor),
			    .n = (size_t)(il->from.width * il->from.height)};
	int nodes = 1 << h.depth;
	enum sm_status st = SM_OK;
	h.room = sm_alloc(mem, h.n, ((size_t)nodes + 2) * sizeof *h.room, "slices of a gap", err);
	if (!h.room)
		return SM_BUDGET;
	float *out = h.room + ((size_t)nodes + 1) * h.n;
	h.node[0] = h.room;
	h.node[nodes] = h.room + h.n;
	h.used = 2;
	sm_planes_get(il->source, &il->from, k, h.node[0]);
	sm_planes_get(il->source, &il->from, k + 1, h.node[nodes]);
	for (int j = 1; j < il->factor; j++) {
		int below = j * nodes / il->factor, rest = j * nodes % il->factor;
		SM_GOTO(st, make(&h, below, err));
		const float *a = h.node[below], *c = a;
		if (rest) {
			SM_GOTO(st, make(&h, below + 1, err));
			c = h.node[below + 1];
		}
		double t = (double)rest / il->factor;
		for (size_t i = 0; i < h.n; i++)
			out[i] = rest ? (float)((1 - t) * a[i] + t * c[i]) : a[i];
		sm_planes_put(&il->out, &il->to, k * il->factor + j, out);
	}
out:
	sm_free(h.room);
	return st;
}

/* ---- all gaps -------------------------------------------------------------------------------- */

/* Beside a slice that holds nothing there is nothing. */
static enum sm_status fill_with_nothing(struct sm_interleave *il, int64_t k, struct sm_mem *mem,
					struct sm_err *err)
{
	size_t n = (size_t)(il->from.width * il->from.height);
	float *plane = sm_alloc(mem, n, sizeof *plane, "a slice", err);
	if (!plane)
		return SM_BUDGET;
	sm_planes_get(il->source, &il->from, il->none[k] ? k : k + 1, plane);
	for (int j = 1; j < il->factor; j++)
		sm_planes_put(&il->out, &il->to, k * il->factor + j, plane);
	sm_free(plane);
	return SM_OK;
}

enum sm_status sm_interleave_gap(struct sm_interleave *il, int64_t k,
				 const struct sm_filler *filler, struct sm_mem *mem,
				 struct sm_err *err)
{
	if (il->none && (il->none[k] || il->none[k + 1]))
		return fill_with_nothing(il, k, mem, err);
	return filler->method == SM_FILL_MIDDLE ? fill_halving(il, k, filler, mem, err)
						: fill_weighted(il, k, filler->method, mem, err);
}

struct filling {
	struct sm_interleave *il;
	const struct sm_filler *filler;
	struct sm_mem *mem;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	struct filling *f = ctx;
	return sm_interleave_gap(f->il, (int64_t)i, f->filler, f->mem, err);
}

enum sm_status sm_interleave_fill(struct sm_interleave *il, const struct sm_filler *filler,
				  int jobs, struct sm_mem *mem, struct sm_err *err)
{
	struct filling f = {il, filler, mem};
	return sm_par_for((size_t)il->from.count - 1, filler->method == SM_FILL_MIDDLE ? 1 : jobs,
			  one, &f, err);
}
