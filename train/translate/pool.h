/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool of generated images (Shrivastava et al. 2017): the discriminator sees, half of the time,
 * an image of an earlier round in place of the newest, so that it does not forget.
 */
#ifndef SM_TRANSLATE_POOL_H
#define SM_TRANSLATE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

struct sm_pool {
	float *image;     /* room x count */
	int room, filled; /* room 0: no pool */
	size_t count;     /* values of an image */
};

enum sm_status sm_pool_open(struct sm_pool *pool, int room, size_t count, struct sm_mem *mem,
			    struct sm_err *err);
void sm_pool_close(struct sm_pool *pool);

/* Puts the image that the discriminator is to see into `image`, which holds the newest one: itself
 * while the pool fills; then with probability 1/2 one of the pool, which takes the newest in its
 * place. Drawn from (seed, "pool", name, round, index). */
void sm_pool_exchange(struct sm_pool *pool, float *image, uint64_t seed, const char *name,
		      uint64_t round, uint64_t index);

#endif
