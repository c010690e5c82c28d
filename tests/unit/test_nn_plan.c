/* SPDX-License-Identifier: Apache-2.0 */
/* The memory planner: no two blocks that live at the same time overlap, and reuse is near the
 * bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/rng.h"
#include "train/nn/op.h"

#define N 200

/* The largest sum of sizes alive at one time: no plan can be smaller. */
static size_t bound(const struct plan_block *b, size_t n, int times)
{
	size_t best = 0;
	for (int t = 0; t < times; t++) {
		size_t sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += b[i].first <= t && t <= b[i].last ? b[i].size : 0;
		best = sum > best ? sum : best;
	}
	return best;
}

static void check(const struct plan_block *b, size_t n, size_t total)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(b[i].offset % 64, 0);
		assert_true(b[i].offset + b[i].size <= total);
		for (size_t k = 0; k < i; k++) {
			bool alive = b[i].first <= b[k].last && b[k].first <= b[i].last;
			bool apart = b[i].offset + b[i].size <= b[k].offset ||
				     b[k].offset + b[k].size <= b[i].offset;
			assert_true(!alive || apart);
		}
	}
}

static void test_live_blocks_never_overlap(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 50; round++) {
		struct plan_block b[N];
		struct sm_rng rng;
		struct sm_err err = {0};
		size_t sum = 0;
		sm_rng_init(&rng, 3, "test", "plan", round, 0);
		for (int i = 0; i < N; i++) {
			int first = (int)sm_rng_below(&rng, 100);
			b[i] = (struct plan_block){.size = 1 + sm_rng_below(&rng, 100000),
						   .first = first,
						   .last = first + (int)sm_rng_below(&rng, 30)};
			sum += b[i].size;
		}
		size_t total = plan_solve(b, N, &err);
		check(b, N, total);
		assert_true(total >= bound(b, N, 130));
		assert_true(total * 2 < sum);
		assert_true(total <= bound(b, N, 130) * 13 / 10);
	}
}

static void test_disjoint_lives_share_and_touching_lives_do_not(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct plan_block apart[] = {{.size = 640, .first = 0, .last = 3},
				     {.size = 600, .first = 4, .last = 9}};
	assert_int_equal(plan_solve(apart, 2, &err), 640);
	struct plan_block touch[] = {{.size = 640, .first = 0, .last = 4},
				     {.size = 600, .first = 4, .last = 9}};
	assert_int_equal(plan_solve(touch, 2, &err), 1280);
	assert_int_equal(plan_solve(NULL, 0, &err), 0);
}

/* The same blocks give the same offsets: a plan does not depend on addresses or on qsort's choices.
 */
static void test_plan_is_a_function_of_its_input(void **state)
{
	(void)state;
	struct plan_block a[N], b[N];
	struct sm_err err = {0};
	for (int i = 0; i < N; i++)
		a[i] = b[i] = (struct plan_block){.size = 1024, .first = i % 7, .last = i % 7 + 2};
	assert_int_equal(plan_solve(a, N, &err), plan_solve(b, N, &err));
	for (int i = 0; i < N; i++)
		assert_int_equal(a[i].offset, b[i].offset);
	check(a, N, 1u << 30);
}

/* Never larger, never below what must be there, and still no overlap. */
static void test_improved_plans_are_plans(void **state)
{
	(void)state;
	int better = 0;
	for (uint64_t round = 0; round < 10; round++) {
		struct plan_block b[N];
		struct sm_rng rng;
		struct sm_err err = {0};
		sm_rng_init(&rng, 4, "test", "plan", round, 0);
		for (int i = 0; i < N; i++) {
			int first = (int)sm_rng_below(&rng, 100);
			b[i] = (struct plan_block){.size = 1 + sm_rng_below(&rng, 100000),
						   .first = first,
						   .last = first + (int)sm_rng_below(&rng, 30)};
		}
		size_t before = plan_solve(b, N, &err), total = plan_improve(b, N, before, &err);
		check(b, N, total);
		assert_true(total <= before && total >= bound(b, N, 130));
		better += total < before;
	}
	assert_true(better > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_live_blocks_never_overlap),
	    cmocka_unit_test(test_disjoint_lives_share_and_touching_lives_do_not),
	    cmocka_unit_test(test_plan_is_a_function_of_its_input),
	    cmocka_unit_test(test_improved_plans_are_plans),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_plan", tests, NULL, NULL);
}
