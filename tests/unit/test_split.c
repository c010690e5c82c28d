/* SPDX-License-Identifier: Apache-2.0
 *
 * Folds: exact counts, order independence, leakage.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "preprocess/split.h"

#define MAX 400

static struct sm_err err;
static const double usual[SM_FOLDS] = {[SM_TRAIN] = 68, [SM_TEST] = 15, [SM_VALID] = 17};
static char keys[MAX][16], patients[MAX][16];

/* n cases of n / per patients. */
static void cohort(struct sm_split_case *c, size_t n, size_t per)
{
	for (size_t i = 0; i < n; i++) {
		snprintf(keys[i], sizeof keys[i], "case_%03zu", i);
		snprintf(patients[i], sizeof patients[i], "p%03zu", i / per);
		c[i] = (struct sm_split_case){.key = keys[i], .patient = patients[i]};
	}
}

static void test_counts_are_exact_largest_remainders(void **state)
{
	(void)state;
	size_t counts[SM_FOLDS];
	assert_good(sm_split_counts(12, usual, counts, &err), err); /* 8.16 1.8 2.04 */
	assert_true(counts[SM_TRAIN] == 8 && counts[SM_TEST] == 2 && counts[SM_VALID] == 2);
	assert_good(sm_split_counts(369, usual, counts, &err), err); /* 250.92 55.35 62.73 */
	assert_true(counts[SM_TRAIN] == 251 && counts[SM_TEST] == 55 && counts[SM_VALID] == 63);
	const double thirds[SM_FOLDS] = {1, 1, 1}, tenths[SM_FOLDS] = {0.1, 0.2, 0.7};
	assert_good(sm_split_counts(4, thirds, counts, &err), err);
	assert_true(counts[0] == 2 && counts[1] == 1 &&
		    counts[2] == 1); /* the earlier fold among equals */
	assert_good(sm_split_counts(10, tenths, counts, &err), err);
	assert_true(counts[0] == 1 && counts[1] == 2 && counts[2] == 7);
}

static void test_counts_add_up_and_stay_within_one(void **state)
{
	(void)state;
	const double shares[][SM_FOLDS] = {{68, 15, 17},
					   {1, 0, 0},
					   {0.3, 0.3, 0.4},
					   {1e6, 1e-6, 3}};
	for (size_t s = 0; s < 4; s++)
		for (size_t n = 0; n < 500; n++) {
			size_t counts[SM_FOLDS], sum = 0;
			double all = shares[s][0] + shares[s][1] + shares[s][2];
			assert_good(sm_split_counts(n, shares[s], counts, &err), err);
			for (int f = 0; f < SM_FOLDS; f++) {
				double quota = (double)n * shares[s][f] / all,
				       gap = (double)counts[f] - quota;
				assert_true(gap < 1 && gap > -1);
				assert_true(shares[s][f] > 0 || counts[f] == 0);
				sum += counts[f];
			}
			assert_int_equal(sum, n);
		}
}

static void test_counts_refuse_bad_shares(void **state)
{
	(void)state;
	size_t counts[SM_FOLDS];
	assert_refused(sm_split_counts(3, (const double[]){0, 0, 0}, counts, &err), SM_USAGE, err,
		       "all shares are 0");
	assert_refused(sm_split_counts(3, (const double[]){1, -1, 0}, counts, &err), SM_USAGE, err,
		       "split.test");
	assert_refused(sm_split_counts(2000000, usual, counts, &err), SM_USAGE, err, "1000000");
}

static void test_assign_fills_the_counts_by_patient(void **state)
{
	(void)state;
	struct sm_split_case c[MAX];
	size_t counts[SM_FOLDS], seen[SM_FOLDS] = {0};
	cohort(c, 300, 3);
	assert_good(sm_split_assign(c, 300, usual, 1, counts, &err), err);
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(c[i].fold, c[i / 3 * 3].fold);
		seen[c[i].fold]++;
	}
	for (int f = 0; f < SM_FOLDS; f++)
		assert_int_equal(seen[f], 3 * counts[f]);
	assert_int_equal(counts[SM_TRAIN], 68);
	assert_good(sm_split_check(c, 300, &err), err);
}

static void test_assign_depends_on_patients_and_seed_alone(void **state)
{
	(void)state;
	struct sm_split_case a[60], b[60];
	size_t differ = 0;
	cohort(a, 60, 1);
	memcpy(b, a, sizeof a);
	for (size_t i = 0; i < 60; i++)
		b[i] = a[(i * 7 + 3) % 60];
	assert_good(sm_split_assign(a, 60, usual, 5, NULL, &err), err);
	assert_good(sm_split_assign(b, 60, usual, 5, NULL, &err), err);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(b[i].fold, a[(i * 7 + 3) % 60].fold);
	memcpy(b, a, sizeof a);
	assert_good(sm_split_assign(b, 60, usual, 6, NULL, &err), err);
	for (size_t i = 0; i < 60; i++)
		differ += a[i].fold != b[i].fold;
	assert_true(differ > 5);
}

static void test_check_finds_patients_and_images_in_two_folds(void **state)
{
	(void)state;
	struct sm_split_case c[4];
	const char *x[] = {"hash_x"}, *y[] = {"hash_y", "hash_x"};
	cohort(c, 4, 1);
	c[3].fold = SM_TEST;
	assert_good(sm_split_check(c, 4, &err), err);
	c[3].patient = c[1].patient;
	assert_refused(sm_split_check(c, 4, &err), SM_INPUT, err,
		       "case_001 in train and case case_003 in test");
	cohort(c, 4, 1);
	c[0].images = x;
	c[0].image_count = 1;
	c[2].images = y;
	c[2].image_count = 2;
	assert_good(sm_split_check(c, 4, &err), err); /* a duplicate within one fold is no leak */
	c[2].fold = SM_VALID;
	assert_refused(sm_split_check(c, 4, &err), SM_INPUT, err, "same image");
	assert_non_null(strstr(err.text, "case_000 in train and case case_002 in valid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_are_exact_largest_remainders),
		cmocka_unit_test(test_counts_add_up_and_stay_within_one),
		cmocka_unit_test(test_counts_refuse_bad_shares),
		cmocka_unit_test(test_assign_fills_the_counts_by_patient),
		cmocka_unit_test(test_assign_depends_on_patients_and_seed_alone),
		cmocka_unit_test(test_check_finds_patients_and_images_in_two_folds),
	};
	return run_tap(tests);
}
