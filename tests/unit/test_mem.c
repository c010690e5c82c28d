/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static void test_mem_budget_refuses_before_allocating(void **state)
{
	(void)state;
	struct sm_mem mem;
	struct sm_err err = {0};
	sm_mem_init(&mem, 1 << 20);
	void *half = sm_alloc(&mem, 1 << 19, 1, "first", &err);
	assert_non_null(half);
	assert_int_equal((uintptr_t)half % 64, 0);
	assert_null(sm_alloc(&mem, 1 << 20, 1, "second volume", &err));
	assert_int_equal(err.code, SM_BUDGET);
	assert_non_null(strstr(err.text, "second volume"));
	sm_free(half);
	assert_int_equal(atomic_load(&mem.used), 0);
	assert_true(atomic_load(&mem.peak) >= 1 << 19);
}

static void test_mem_overflowing_product_is_refused(void **state)
{
	(void)state;
	struct sm_err err = {0};
	size_t n;
	assert_null(sm_alloc(NULL, SIZE_MAX / 2, 3, "claim", &err));
	assert_int_equal(err.code, SM_BUDGET);
	assert_null(sm_alloc(NULL, SIZE_MAX, 1, "claim", &err));
	assert_false(sm_mul(SIZE_MAX, 2, &n));
	assert_false(sm_mul3(SIZE_MAX / 4, 2, 4, &n));
	assert_true(sm_mul3(3, 5, 7, &n) && n == 105);
}

static void test_mem_calloc_is_zero_and_free_takes_null(void **state)
{
	(void)state;
	struct sm_err err = {0};
	unsigned char *p = sm_calloc(NULL, 100, 3, "zeroes", &err);
	assert_non_null(p);
	for (int i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
	sm_free(p);
	sm_free(NULL);
}

static void test_arena_keeps_everything_until_cleared(void **state)
{
	(void)state;
	struct sm_arena arena = {0};
	char *kept[3000];
	for (int i = 0; i < 3000; i++)
		kept[i] = sm_arena_strf(&arena, "text number %d", i);
	void *large = sm_arena_alloc(&arena, 1 << 20);
	assert_non_null(large);
	assert_int_equal((uintptr_t)large % 16, 0);
	for (int i = 0; i < 3000; i++) {
		char want[40];
		snprintf(want, sizeof want, "text number %d", i);
		assert_string_equal(kept[i], want);
	}
	sm_arena_clear(&arena);
	assert_null(arena.chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_budget_refuses_before_allocating),
		cmocka_unit_test(test_mem_overflowing_product_is_refused),
		cmocka_unit_test(test_mem_calloc_is_zero_and_free_takes_null),
		cmocka_unit_test(test_arena_keeps_everything_until_cleared),
	};
	return run_tap(tests);
}
