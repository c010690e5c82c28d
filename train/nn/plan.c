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

/* What is placed already, by offset: kept together, since every block looks through it. */
struct placed {
	size_t at, end;
	int first, last;
};

/* Lowest offset at which b meets no placed block that lives at the same time. */
static size_t place(const struct plan_block *b, const struct placed *p, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n && p[i].at < at + b->size; i++)
		if (p[i].first <= b->last && b->first <= p[i].last && p[i].end > at)
			at = p[i].end;
	return at;
}

static void keep_sorted(struct placed *p, size_t n, const struct plan_block *b)
{
	size_t i = n;
	for (; i && p[i - 1].at > b->offset; i--)
		p[i] = p[i - 1];
	p[i] = (struct placed){b->offset, b->offset + b->size, b->first, b->last};
}

/* Places all blocks in this order; the end of the highest, whose place in the order is *top. p:
 * room for n. */
static size_t place_all(struct plan_block *block, const struct ranked *order, size_t n,
			struct placed *p, size_t *top)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++) {
		struct plan_block *b = &block[order[i].index];
		b->offset = place(b, p, i);
		keep_sorted(p, i, b);
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
	struct placed *p = calloc(n ? n : 1, sizeof *p);
	if (order && p)
		total = place_all(block, order, n, p, &top);
	else if (order)
		SM_FAIL(err, SM_BUDGET, "memory plan: out of memory");
	free(order);
	free(p);
	return total;
}

size_t plan_improve(struct plan_block *block, size_t n, size_t total, struct sm_err *err)
{
	struct ranked *order = in_order(block, n, err);
	struct placed *p = calloc(n ? n : 1, sizeof *p);
	size_t *best = calloc(n ? n : 1, sizeof *best);
	if (!order || !best || !p) {
		SM_FAIL(err, SM_BUDGET, "memory plan: out of memory");
		total = 0;
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		best[i] = block[i].offset;
	for (int round = 0; round < PLAN_ROUNDS && n; round++) {
		size_t top = 0, now = place_all(block, order, n, p, &top);
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
out:
	free(order);
	free(p);
	free(best);
	return total;
}
