/* SPDX-License-Identifier: Apache-2.0 */
/* Items shared out to threads: each is given once, one's own part comes first, and who is done
 * helps whoever has most left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <omp.h>

#include "core/rng.h"
#include "train/nn/share.h"

#define MOST 5000

static void test_every_item_is_given_once(void **state)
{
	(void)state;
	static int given[MOST];
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "share", "items", 0, 0);
	for (int k = 0; k < 300; k++) {
		int n = (int)sm_rng_below(&rng, k % 3 ? 40 : MOST);
		int threads = 1 + (int)sm_rng_below(&rng, 5), wrong = 0;
		struct share s;
		share_begin(&s, n, threads, k % 2);
		for (int i = 0; i < n; i++)
			given[i] = 0;
#pragma omp parallel num_threads(threads)
		for (int i; (i = share_take(&s, omp_get_thread_num())) >= 0;) {
			if (i >= n)
#pragma omp atomic
				wrong++;
			else
#pragma omp atomic
				given[i]++;
		}
		assert_int_equal(wrong, 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(given[i], 1);
	}
}

/* Three threads of 4, 4 and 5 of 13 items. */
static void test_own_part_first_then_the_fullest(void **state)
{
	(void)state;
	struct share s;
	static const int forth[] = {4, 5, 6, 7, 12, 3, 11, 2, 10, 1, 9, 0, 8, -1, -1};
	share_begin(&s, 13, 3, false);
	for (size_t i = 0; i < sizeof forth / sizeof *forth; i++)
		assert_int_equal(share_take(&s, 1), forth[i]);
	static const int back[] = {12, 11, 10, 9, 8, 0, 4, 1, 5, 2, 6, 3, 7, -1};
	share_begin(&s, 13, 3, true);
	for (size_t i = 0; i < sizeof back / sizeof *back; i++)
		assert_int_equal(share_take(&s, 2), back[i]);
}

static void test_more_threads_than_parts(void **state)
{
	(void)state;
	struct share s;
	int count = 0;
	share_begin(&s, 100, 4 * SHARE_PARTS, false);
	assert_int_equal(s.parts, SHARE_PARTS);
	while (share_take(&s, 3 * SHARE_PARTS + 1) >= 0)
		count++;
	assert_int_equal(count, 100);
	share_begin(&s, 0, 2, false);
	assert_int_equal(share_take(&s, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_item_is_given_once),
	    cmocka_unit_test(test_own_part_first_then_the_fullest),
	    cmocka_unit_test(test_more_threads_than_parts),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_share", tests, NULL, NULL);
}
