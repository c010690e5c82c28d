/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/pool.h"

#include <string.h>

#include "core/rng.h"

enum sm_status sm_pool_open(struct sm_pool *pool, int room, size_t count, struct sm_mem *mem,
			    struct sm_err *err)
{
	*pool = (struct sm_pool){.room = room, .count = count};
	if (!room)
		return SM_OK;
	pool->image =
		sm_calloc(mem, (size_t)room * count, sizeof *pool->image, "pool of images", err);
	return pool->image ? SM_OK : err->code;
}

void sm_pool_close(struct sm_pool *pool)
{
	sm_free(pool->image);
	*pool = (struct sm_pool){0};
}

static void swap(float *a, float *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float t = a[i];
		a[i] = b[i];
		b[i] = t;
	}
}

void sm_pool_exchange(struct sm_pool *pool, float *image, uint64_t seed, const char *name,
		      uint64_t round, uint64_t index)
{
	struct sm_rng rng;
	if (!pool->room)
		return;
	if (pool->filled < pool->room) {
		memcpy(pool->image + (size_t)pool->filled++ * pool->count, image,
		       pool->count * sizeof *image);
		return;
	}
	sm_rng_init(&rng, seed, "pool", name, round, index);
	if (sm_rng_f32(&rng) < 0.5)
		swap(pool->image + sm_rng_below(&rng, (uint32_t)pool->room) * pool->count, image,
		     pool->count);
}
