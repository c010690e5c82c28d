/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of generated images: fills first, then exchanges about half of the time, by the round
 * alone. */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "train/translate/pool.h"

#define ROOM 50
#define COUNT 3
#define ROUNDS 20000

static struct sm_err err;

static void number(float *image, uint64_t round)
{
	for (int i = 0; i < COUNT; i++)
		image[i] = (float)round + 0.25f * (float)i;
}

/* The round in which an image was made; it must be whole. */
static uint64_t born(const float *image)
{
	for (int i = 1; i < COUNT; i++)
		assert_true(image[i] == image[0] + 0.25f * (float)i);
	return (uint64_t)image[0];
}

static void test_exchange_and_its_statistics(void **state)
{
	(void)state;
	struct sm_pool pool;
	float image[COUNT];
	int taken = 0, place[ROOM] = {0};
	assert_good(sm_pool_open(&pool, ROOM, COUNT, NULL, &err), err);
	for (uint64_t r = 0; r < ROOM; r++) {
		number(image, r);
		sm_pool_exchange(&pool, image, 7, "fake_b", r, 0);
		assert_int_equal(born(image), r); /* itself while the pool fills */
	}
	for (uint64_t r = ROOM; r < ROOM + ROUNDS; r++) {
		float before[ROOM * COUNT];
		memcpy(before, pool.image, sizeof before);
		number(image, r);
		sm_pool_exchange(&pool, image, 7, "fake_b", r, 0);
		int changed = -1;
		for (int i = 0; i < ROOM; i++) {
			if (memcmp(before + i * COUNT, pool.image + i * COUNT, sizeof image) == 0)
				continue;
			assert_int_equal(changed, -1); /* one place at most */
			changed = i;
		}
		if (changed < 0) {
			assert_int_equal(born(image), r);
			continue;
		}
		/* The old one goes out, the newest has its place. */
		assert_memory_equal(image, before + changed * COUNT, sizeof image);
		assert_int_equal(born(pool.image + changed * COUNT), r);
		taken++;
		place[changed]++;
	}
	/* Six standard deviations of binomial draws. */
	assert_in_range(taken, ROUNDS / 2 - 425, ROUNDS / 2 + 425);
	for (int i = 0; i < ROOM; i++)
		assert_in_range(place[i], 200 - 85, 200 + 85);
	sm_pool_close(&pool);
}

/* Number of rounds of 200 in which two runs hand out different images. */
static int differing(uint64_t seed, const char *name, uint64_t index)
{
	struct sm_pool a, b;
	float x[COUNT], y[COUNT];
	int differ = 0;
	assert_good(sm_pool_open(&a, 5, COUNT, NULL, &err), err);
	assert_good(sm_pool_open(&b, 5, COUNT, NULL, &err), err);
	for (uint64_t r = 0; r < 200; r++) {
		number(x, r);
		number(y, r);
		sm_pool_exchange(&a, x, 7, "fake_b", r, 0);
		sm_pool_exchange(&b, y, seed, name, r, index);
		differ += memcmp(x, y, sizeof x) != 0;
	}
	sm_pool_close(&a);
	sm_pool_close(&b);
	return differ;
}

static void test_draws_hang_on_seed_name_and_index(void **state)
{
	(void)state;
	assert_int_equal(differing(7, "fake_b", 0), 0);
	assert_in_range(differing(8, "fake_b", 0), 80, 190);
	assert_in_range(differing(7, "fake_a", 0), 80, 190);
	assert_in_range(differing(7, "fake_b", 1), 80, 190);
}

/* Rounds are not counted in the pool: whoever restores its images goes on as before. */
static void test_a_restored_pool_goes_on(void **state)
{
	(void)state;
	struct sm_pool a, b;
	float x[COUNT], y[COUNT];
	assert_good(sm_pool_open(&a, 5, COUNT, NULL, &err), err);
	assert_good(sm_pool_open(&b, 5, COUNT, NULL, &err), err);
	for (uint64_t r = 0; r < 100; r++) {
		number(x, r);
		sm_pool_exchange(&a, x, 1, "fake_b", r, 0);
	}
	memcpy(b.image, a.image, 5 * COUNT * sizeof *a.image);
	b.filled = a.filled;
	for (uint64_t r = 100; r < 200; r++) {
		number(x, r);
		number(y, r);
		sm_pool_exchange(&a, x, 1, "fake_b", r, 0);
		sm_pool_exchange(&b, y, 1, "fake_b", r, 0);
		assert_memory_equal(x, y, sizeof x);
	}
	sm_pool_close(&a);
	sm_pool_close(&b);
}

static void test_without_a_pool_images_pass(void **state)
{
	(void)state;
	struct sm_pool pool;
	float x[COUNT];
	assert_good(sm_pool_open(&pool, 0, COUNT, NULL, &err), err);
	for (uint64_t r = 0; r < 100; r++) {
		number(x, r);
		sm_pool_exchange(&pool, x, 1, "fake_b", r, 0);
		assert_int_equal(born(x), r);
	}
	sm_pool_close(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange_and_its_statistics),
		cmocka_unit_test(test_draws_hang_on_seed_name_and_index),
		cmocka_unit_test(test_a_restored_pool_goes_on),
		cmocka_unit_test(test_without_a_pool_images_pass),
	};
	return run_tap(tests);
}
