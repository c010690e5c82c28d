/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "train/nn/op.h"

/* Orders that plan_improve tries. */
#define PLAN_ROUNDS 200

/* Blocks under consideration: larger first, then earlier, then by index, so that the order is
 * total. */
struct ranked {
	const struct plan_block *b;
	size_t index;
};

static int by_size(const void *x, const void *y)
{
	const struct ranked *p = x, *q = y;
	if (p->b->size != q->b->size)
		return p->b->size < q->b->size ? 1 : -1;
	if (p->b->first != q->b->first)
		return p->b->first < q->b->first ? -1 : 1;
	return p->index < q->index ? -1 : 1;
}

/* Lowest offset at which b meets no placed block that lives at the same time. Every hit moves it up
 * to that block's end, so the loop ends. */
static size_t place(const struct plan_block *b, const struct plan_block *all,
		    const struct ranked *placed, size_t n)
{
	size_t at = 0;
	for (bool moved = true; moved;) {
		moved = false;
		for (size_t i = 0; i < n; i++) {
			const struct plan_block *o = &all[placed[i].index];
			bool alive = o->first <= b->last && b->first <= o->last;
			if (alive && o->offset < at + b->size && at < o->offset + o->size) {
				at = o->offset + o->size;
				moved = true;
			}
		}
	}
	return at;
}

/* Places all blocks in this order; the end of the highest, whose place in the order is *top. */
static size_t place_all(struct plan_block *block, const struct ranked *order, size_t n, size_t *top)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++) {
		struct plan_block *b = &block[order[i].index];
		b->offset = place(b, block, order, i);
		if (b->offset + b->size > total) {
			total = b->offset + b->size;
			*top = i;
		}
	}
	return total;
}

static struct ranked *in_order(struct plan_block *block, size_t n, struct sm_err *err)
{
	struct ranked *order = calloc(n ? n : 1, sizeof *order);
	if (!order) {
		SM_FAIL(err, SM_BUDGET, "memory plan: out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		block[i].size = (block[i].size + 63) / 64 * 64;
		order[i] = (struct ranked){&block[i], i};
	}
	qsort(order, n, sizeof *order, by_size);
	return order;
}

size_t plan_solve(struct plan_block *block, size_t n, struct sm_err *err)
{
	size_t top = 0, total = 0;
	struct ranked *order = in_order(block, n, err);
	if (order)
		total = place_all(block, order, n, &top);
	free(order);
	return total;
}

size_t plan_improve(struct plan_block *block, size_t n, size_t total, struct sm_err *err)
{
	struct ranked *order = in_order(block, n, err);
	size_t *best = calloc(n ? n : 1, sizeof *best);
	if (!order || !best) {
		free(order);
		free(best);
		SM_FAIL(err, SM_BUDGET, "memory plan: out of memory");
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		best[i] = block[i].offset;
	for (int round = 0; round < PLAN_ROUNDS && n; round++) {
		size_t top = 0, now = place_all(block, order, n, &top);
		if (now < total) {
			total = now;
			for (size_t i = 0; i < n; i++)
				best[i] = block[i].offset;
		}
		struct ranked first = order[top];
		memmove(order + 1, order, top * sizeof *order);
		order[0] = first;
	}
	for (size_t i = 0; i < n; i++)
		block[i].offset = best[i];
	free(order);
	free(best);
	return total;
}
