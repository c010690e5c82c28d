/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop's items shared out to threads by place: thread t of T begins with the t-th part of the
 * items, and when that is done takes from whoever has most left. Loops over large tensors whose
 * items are in the same order, by height, so let a thread read what it wrote or read itself, which
 * is faster than what another core had last, though the cores have their last cache in common
 * (docs/benchmarks.md: norms).
 */
#ifndef SM_TRAIN_SHARE_H
#define SM_TRAIN_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SHARE_PARTS 64

struct share {
	int parts;
	bool backwards; /* each thread's part from its end on */
	_Atomic uint64_t left[SHARE_PARTS]; /* first << 32 | behind the last */
};

/* Items [0, n) for so many threads; more than SHARE_PARTS have parts in common. */
void share_begin(struct share *s, int n, int threads, bool backwards);
/* An item for thread `thread`, -1 = none is left. All threads may call it at the same time. */
int share_take(struct share *s, int thread);

#endif
