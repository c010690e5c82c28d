/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/share.h"

void share_begin(struct share *s, int n, int threads, bool backwards)
{
	s->parts = threads < SHARE_PARTS ? threads : SHARE_PARTS;
	s->backwards = backwards;
	for (int t = 0; t < s->parts; t++) {
		uint64_t first = (uint64_t)n * t / s->parts, end = (uint64_t)n * (t + 1) / s->parts;
		atomic_init(&s->left[t], first << 32 | end);
	}
}

static int count(uint64_t left)
{
	return (int)((left & UINT32_MAX) - (left >> 32));
}

/* From the part's first item on, or from its last; -1 = empty. */
static int take(_Atomic uint64_t *part, bool first)
{
	uint64_t left = atomic_load(part);
	while (count(left) > 0) {
		uint64_t next = first ? left + ((uint64_t)1 << 32) : left - 1;
		if (atomic_compare_exchange_weak(part, &left, next))
			return (int)(first ? left >> 32 : next & UINT32_MAX);
	}
	return -1;
}

int share_take(struct share *s, int thread)
{
	int i = take(&s->left[thread % s->parts], !s->backwards);
	while (i < 0) {
		int most = 0, from = 0;
		for (int t = 0; t < s->parts; t++) {
			int n = count(atomic_load(&s->left[t]));
			if (n > most) {
				most = n;
				from = t;
			}
		}
		if (!most)
			return -1;
		i = take(&s->left[from], s->backwards);
	}
	return i;
}
