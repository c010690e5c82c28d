/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "train/nn/op.h"

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

size_t plan_solve(struct plan_block *block, size_t n, struct sm_err *err)
{
	struct ranked *order = calloc(n ? n : 1, sizeof *order);
	size_t total = 0;
	if (!order) {
		SM_FAIL(err, SM_BUDGET, "memory plan: out of memory");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		block[i].size = (block[i].size + 63) / 64 * 64;
		order[i] = (struct ranked){&block[i], i};
	}
	qsort(order, n, sizeof *order, by_size);
	for (size_t i = 0; i < n; i++) {
		struct plan_block *b = &block[order[i].index];
		b->offset = place(b, block, order, i);
		if (b->offset + b->size > total)
			total = b->offset + b->size;
	}
	free(order);
	return total;
}
