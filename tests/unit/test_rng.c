/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"

/* Known answers of philox4x32 with 10 rounds, published with the paper's code (Random123,
 * kat_vectors). */
static void test_philox_gives_the_published_answers(void **state)
{
	(void)state;
	static const struct {
		uint32_t ctr[4], key[2], out[4];
	} known[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		uint32_t out[4];
		sm_philox(known[i].ctr, known[i].key, out);
		assert_memory_equal(out, known[i].out, sizeof out);
	}
}

static void test_streams_differ_by_every_part_of_their_name(void **state)
{
	(void)state;
	struct sm_rng r[6];
	sm_rng_init(&r[0], 1, "tile.start", "a", 0, 0);
	sm_rng_init(&r[1], 2, "tile.start", "a", 0, 0);
	sm_rng_init(&r[2], 1, "tile.noise", "a", 0, 0);
	sm_rng_init(&r[3], 1, "tile.start", "b", 0, 0);
	sm_rng_init(&r[4], 1, "tile.start", "a", 1, 0);
	sm_rng_init(&r[5], 1, "tile.start", "a", 0, 1);
	uint32_t first[6];
	for (int i = 0; i < 6; i++)
		first[i] = sm_rng_u32(&r[i]);
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(first[i], first[j]);
	struct sm_rng again;
	sm_rng_init(&again, 1, "tile.start", "a", 0, 0);
	assert_int_equal(sm_rng_u32(&again), first[0]);
}

static void test_below_is_uniform_and_in_range(void **state)
{
	(void)state;
	struct sm_rng r;
	size_t count[7] = {0};
	sm_rng_init(&r, 3, "test", "", 0, 0);
	for (int i = 0; i < 70000; i++) {
		uint32_t v = sm_rng_below(&r, 7);
		assert_true(v < 7);
		count[v]++;
	}
	/* Five standard deviations of a binomial with p = 1/7. */
	for (int i = 0; i < 7; i++)
		assert_true(fabs((double)count[i] - 10000) < 5 * sqrt(70000.0 * 6 / 49));
	assert_int_equal(sm_rng_below(&r, 1), 0);
}

static void test_normal_has_the_moments_and_tails_of_a_normal(void **state)
{
	(void)state;
	struct sm_rng r;
	const int n = 200000;
	double m1 = 0, m2 = 0, m4 = 0;
	int beyond2 = 0;
	sm_rng_init(&r, 5, "test", "", 0, 0);
	for (int i = 0; i < n; i++) {
		double x = sm_rng_normal(&r);
		assert_true(isfinite(x));
		m1 += x;
		m2 += x * x;
		m4 += x * x * x * x;
		beyond2 += fabs(x) > 1.9599639845400545;
	}
	assert_true(fabs(m1 / n) < 5 / sqrt(n));
	assert_true(fabs(m2 / n - 1) < 5 * sqrt(2.0 / n));
	assert_true(fabs(m4 / n - 3) < 5 * sqrt(96.0 / n));
	assert_true(fabs((double)beyond2 / n - 0.05) < 5 * sqrt(0.05 * 0.95 / n));
}

static void test_permutation_holds_every_index_once(void **state)
{
	(void)state;
	struct sm_rng r;
	size_t order[100];
	unsigned char seen[100] = {0};
	sm_rng_init(&r, 7, "test", "", 0, 0);
	sm_rng_permutation(&r, order, 100);
	int moved = 0;
	for (size_t i = 0; i < 100; i++) {
		assert_true(order[i] < 100 && !seen[order[i]]);
		seen[order[i]] = 1;
		moved += order[i] != i;
	}
	assert_true(moved > 80);
}

static void many_words_are_the_words_one_by_one(void **state)
{
	(void)state;
	for (unsigned skip = 0; skip < 5; skip++)
		for (size_t n = 0; n < 200; n += n < 40 ? 1 : 27) {
			struct sm_rng a, b;
			uint32_t words[200];
			sm_rng_init(&a, 9, "fill", "", 0, 0);
			/* The counter's low half overflows within the words. */
			a.ctr[0] = UINT32_MAX - 4;
			for (unsigned i = 0; i < skip; i++)
				sm_rng_u32(&a);
			b = a;
			sm_rng_fill(&a, words, n);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(words[i], sm_rng_u32(&b));
			assert_int_equal(sm_rng_u32(&a), sm_rng_u32(&b));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_philox_gives_the_published_answers),
		cmocka_unit_test(test_streams_differ_by_every_part_of_their_name),
		cmocka_unit_test(test_below_is_uniform_and_in_range),
		cmocka_unit_test(test_normal_has_the_moments_and_tails_of_a_normal),
		cmocka_unit_test(test_permutation_holds_every_index_once),
		cmocka_unit_test(many_words_are_the_words_one_by_one),
	};
	return run_tap(tests);
}
