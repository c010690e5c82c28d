/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "core/rng.h"

struct trace {
	size_t seen[1000], order[1000], n;
	size_t fail_at[2];
	atomic_int calls;
};

static enum sm_status work(void *ctx, size_t i, struct sm_err *err)
{
	struct trace *t = ctx;
	atomic_fetch_add(&t->calls, 1);
	t->seen[i]++;
	for (int k = 0; k < 2; k++)
		if (t->fail_at[k] == i + 1)
			return SM_FAIL(err, SM_INPUT, "item %zu is bad", i);
	return SM_OK;
}

static enum sm_status commit(void *ctx, size_t i, struct sm_err *err)
{
	(void)err;
	struct trace *t = ctx;
	t->order[t->n++] = i;
	return SM_OK;
}

static void test_for_visits_each_index_once_on_any_threads(void **state)
{
	(void)state;
	for (int jobs = 0; jobs <= 5; jobs++) {
		struct trace t = {0};
		struct sm_err err = {0};
		assert_good(sm_par_for(1000, jobs, work, &t, &err), err);
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(t.seen[i], 1);
	}
	assert_int_equal(sm_par_for(0, 4, work, NULL, NULL), SM_OK);
}

static void test_for_reports_the_lowest_failing_index(void **state)
{
	(void)state;
	for (int jobs = 1; jobs <= 4; jobs++) {
		struct trace t = {.fail_at = {701, 33}};
		struct sm_err err = {0};
		assert_refused(sm_par_for(1000, jobs, work, &t, &err), SM_INPUT, err,
			       "item 32 is bad");
	}
}

static void test_ordered_commits_in_index_order(void **state)
{
	(void)state;
	for (int jobs = 1; jobs <= 4; jobs++) {
		struct trace t = {0};
		struct sm_err err = {0};
		assert_good(sm_par_ordered(1000, jobs, work, commit, &t, &err), err);
		assert_int_equal(t.n, 1000);
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(t.order[i], i);
	}
}

static void test_ordered_stops_before_the_failed_item(void **state)
{
	(void)state;
	for (int jobs = 1; jobs <= 4; jobs++) {
		struct trace t = {.fail_at = {50, 900}};
		struct sm_err err = {0};
		assert_refused(sm_par_ordered(1000, jobs, work, commit, &t, &err), SM_INPUT, err,
			       "item 49");
		assert_true(t.n <= 49);
		assert_true(atomic_load(&t.calls) < 1000);
	}
}

static void test_sum_has_the_same_bits_on_any_threads(void **state)
{
	(void)state;
	for (size_t n = 0; n < 70000; n = n * 3 + 1) {
		float *x = malloc((n + 1) * sizeof *x);
		struct sm_rng r;
		double plain = 0;
		sm_rng_init(&r, 1, "sum", "", n, 0);
		for (size_t i = 0; i < n; i++) {
			x[i] = sm_rng_f32(&r) - 0.5f;
			plain += (double)x[i];
		}
		double one = sm_sum_f32(x, n, 1);
		for (int jobs = 2; jobs < 6; jobs++) {
			double many = sm_sum_f32(x, n, jobs);
			assert_memory_equal(&one, &many, sizeof one);
		}
		assert_true(one - plain < 1e-9 && plain - one < 1e-9);
		free(x);
	}
}

static void test_tree_sum_of_integers_is_exact(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300; n++) {
		double partial[300];
		for (size_t i = 0; i < n; i++)
			partial[i] = (double)(i + 1);
		assert_true(sm_sum_tree(partial, n) == (double)(n * (n + 1) / 2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_for_visits_each_index_once_on_any_threads),
		cmocka_unit_test(test_for_reports_the_lowest_failing_index),
		cmocka_unit_test(test_ordered_commits_in_index_order),
		cmocka_unit_test(test_ordered_stops_before_the_failed_item),
		cmocka_unit_test(test_sum_has_the_same_bits_on_any_threads),
		cmocka_unit_test(test_tree_sum_of_integers_is_exact),
	};
	return run_tap(tests);
}
