/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Two blocks in use, as two threads have them: each that is freed serves the next of its size. */
static void test_mem_freed_blocks_are_used_again(void **state)
{
	(void)state;
	struct sm_err err = {0};
	const size_t n = 100000; /* below what glibc maps by itself */
	void *two[2] = {sm_alloc(NULL, n, 1, "a file", &err), sm_alloc(NULL, n, 1, "a file", &err)};
	size_t before = mallinfo2().arena;
	for (int i = 0; i < 100; i++) {
		sm_free(two[i % 2]);
		two[i % 2] = sm_alloc(NULL, n, 1, "a file", &err);
		assert_non_null(two[i % 2]);
		assert_int_equal((uintptr_t)two[i % 2] % 64, 0);
	}
	assert_true(mallinfo2().arena <= before + n / 2);
	sm_free(two[0]);
	sm_free(two[1]);
	sm_mem_trim();
}

/* What was let go is lost, its neighbours are not, and the block can be written again. */
static void test_mem_let_go(void **state)
{
	(void)state;
	struct sm_err err = {0};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 16 * page;
	unsigned char *p = sm_alloc(NULL, n, 1, "a picture", &err);
	assert_non_null(p);
	memset(p, 7, n);
	errno = 0;
	sm_let_go(p + 3 * page + 1, 5 * page);
	sm_let_go(p + 10 * page, 10); /* no whole page */
	assert_int_equal(errno, 0);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		kept += p[i] == 7;
		assert_true(p[i] == 7 || (i > 3 * page && i < 8 * page + 1));
	}
	assert_in_range(kept, n - 5 * page, n - 4 * page);
	memset(p, 8, n);
	assert_true(p[0] == 8 && p[n - 1] == 8 && p[5 * page] == 8);
	sm_free(p);
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

static void test_mib_are_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(sm_mib_up(0), 0);
	assert_int_equal(sm_mib_up(1), 1);
	assert_int_equal(sm_mib_up((size_t)850 << 20), 850);
	assert_int_equal(sm_mib_up(((size_t)850 << 20) + 1), 851);
	assert_int_equal(sm_mib_up(SIZE_MAX), (SIZE_MAX >> 20) + 1);
}

/* Small blocks and those that are mapped on their own. */
static void test_the_heap_is_counted(void **state)
{
	(void)state;
	static const size_t sizes[] = {10000, (size_t)40 << 20};
	/* Under valgrind and the sanitizers nothing is told. */
	for (size_t i = 0; i < 2 && sm_mem_heap(); i++) {
		size_t before = sm_mem_heap();
		char *block = malloc(sizes[i]);
		assert_non_null(block);
		*(volatile char *)block = 1;
		size_t more = sm_mem_heap() - before;
		free(block);
		assert_true(more >= sizes[i] && more < sizes[i] + 8192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_budget_refuses_before_allocating),
		cmocka_unit_test(test_mem_overflowing_product_is_refused),
		cmocka_unit_test(test_mem_calloc_is_zero_and_free_takes_null),
		cmocka_unit_test(test_mem_freed_blocks_are_used_again),
		cmocka_unit_test(test_mem_let_go),
		cmocka_unit_test(test_arena_keeps_everything_until_cleared),
		cmocka_unit_test(test_mib_are_rounded_up),
		cmocka_unit_test(test_the_heap_is_counted),
	};
	return run_tap(tests);
}
