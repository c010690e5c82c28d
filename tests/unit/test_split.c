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
		c[i] = (struct sm_split_case){
			.key = keys[i], .patient = patients[i], .fold_index = -1};
	}
}

/* By shares alone. */
static enum sm_status assign(struct sm_split_case *c, size_t n, const double shares[SM_FOLDS],
			     uint64_t seed, size_t counts[SM_FOLDS], struct sm_err *e)
{
	struct sm_split_rule rule = {.seed = seed};
	memcpy(rule.shares, shares, sizeof rule.shares);
	return sm_split_assign(c, n, &rule, counts, e);
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
	assert_good(assign(c, 300, usual, 1, counts, &err), err);
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
	assert_good(assign(a, 60, usual, 5, NULL, &err), err);
	assert_good(assign(b, 60, usual, 5, NULL, &err), err);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(b[i].fold, a[(i * 7 + 3) % 60].fold);
	memcpy(b, a, sizeof a);
	assert_good(assign(b, 60, usual, 6, NULL, &err), err);
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

static void test_k_folds_are_equal_and_rotate(void **state)
{
	(void)state;
	struct sm_split_case c[46], d[46];
	size_t counts[SM_FOLDS], of[5] = {0};
	struct sm_split_rule rule = {.folds = 5, .fold = 1, .seed = 3};
	cohort(c, 46, 2); /* 23 patients */
	assert_good(sm_split_assign(c, 46, &rule, counts, &err), err);
	for (size_t i = 0; i < 46; i++) {
		assert_in_range(c[i].fold_index, 0, 4);
		assert_int_equal(c[i].fold, c[i].fold_index == 1   ? SM_TEST
					    : c[i].fold_index == 2 ? SM_VALID
								   : SM_TRAIN);
		assert_int_equal(c[i].fold_index, c[i ^ 1].fold_index);
		of[c[i].fold_index]++;
	}
	for (int f = 0; f < 5; f++)
		assert_in_range(of[f], 8, 10); /* 4 or 5 patients of two cases */
	assert_int_equal(counts[SM_TRAIN] + counts[SM_TEST] + counts[SM_VALID], 23);
	rule.fold = 4; /* the same folds, another tests */
	cohort(d, 46, 2);
	assert_good(sm_split_assign(d, 46, &rule, NULL, &err), err);
	for (size_t i = 0; i < 46; i++) {
		assert_int_equal(c[i].fold_index, d[i].fold_index);
		assert_true((d[i].fold == SM_TEST) == (d[i].fold_index == 4));
		assert_true((d[i].fold == SM_VALID) == (d[i].fold_index == 0));
	}
	rule = (struct sm_split_rule){.folds = 2, .seed = 1};
	assert_good(sm_split_assign(d, 46, &rule, counts, &err), err);
	assert_int_equal(counts[SM_VALID], 0);
	rule.folds = 24;
	assert_refused(sm_split_assign(d, 46, &rule, counts, &err), SM_INPUT, err,
		       "24 folds, allowed for 23 patients");
}

static void test_strata_keep_shares_in_each_and_in_all(void **state)
{
	(void)state;
	static const char *const names[3] = {"HGG", "LGG", "rare"};
	struct sm_split_case c[100];
	size_t counts[SM_FOLDS], in[3][SM_FOLDS] = {{0}}, folds[3][5] = {{0}}, all[SM_FOLDS];
	struct sm_split_rule rule = {.shares = {68, 15, 17}, .seed = 9};
	cohort(c, 100, 1);
	for (size_t i = 0; i < 100; i++)
		c[i].stratum = names[i % 10 < 6 ? 0 : i < 98 ? 1 : 2]; /* 60, 38, 2 */
	assert_good(sm_split_assign(c, 100, &rule, counts, &err), err);
	assert_good(sm_split_counts(100, rule.shares, all, &err), err);
	assert_memory_equal(counts, all, sizeof all);
	for (size_t i = 0; i < 100; i++)
		for (int s = 0; s < 3; s++)
			in[s][c[i].fold] += c[i].stratum == names[s];
	/* 60: 40.8 9 10.2; 38: 25.84 5.7 6.46; 2: 1.36 0.3 0.34 */
	assert_true(in[0][SM_TRAIN] >= 40 && in[0][SM_TRAIN] <= 41 && in[0][SM_TEST] == 9);
	assert_true(in[1][SM_TRAIN] >= 25 && in[1][SM_TRAIN] <= 26 && in[1][SM_TEST] >= 5 &&
		    in[1][SM_TEST] <= 6);
	assert_true(in[2][SM_TRAIN] >= 1);
	rule = (struct sm_split_rule){.folds = 5, .seed = 9};
	assert_good(sm_split_assign(c, 100, &rule, counts, &err), err);
	for (size_t i = 0; i < 100; i++)
		for (int s = 0; s < 3; s++)
			folds[s][c[i].fold_index] += c[i].stratum == names[s];
	for (int f = 0; f < 5; f++) {
		assert_int_equal(folds[0][f], 12);
		assert_in_range(folds[1][f], 7, 8);
		assert_int_equal(folds[0][f] + folds[1][f] + folds[2][f], 20);
	}
}

static void test_strata_counts_add_up(void **state)
{
	(void)state;
	for (size_t a = 0; a < 12; a++)
		for (size_t b = 0; b < 12; b++)
			for (size_t d = 0; d < 4; d++) {
				const size_t n[3] = {a, b, d};
				size_t counts[3][SM_FOLDS], all[SM_FOLDS], sum[SM_FOLDS] = {0};
				assert_good(sm_split_strata_counts(3, n, usual, counts, &err), err);
				assert_good(sm_split_counts(a + b + d, usual, all, &err), err);
				for (int s = 0; s < 3; s++) {
					size_t row = 0;
					for (int f = 0; f < SM_FOLDS; f++) {
						row += counts[s][f];
						sum[f] += counts[s][f];
					}
					assert_int_equal(row, n[s]);
				}
				assert_memory_equal(sum, all, sizeof all);
			}
}

static void test_joined_patients_stay_together(void **state)
{
	(void)state;
	struct sm_split_case c[60];
	for (uint64_t seed = 1; seed < 30; seed++) {
		size_t counts[SM_FOLDS];
		struct sm_split_rule rule = {.shares = {68, 15, 17}, .seed = seed};
		cohort(c, 60, 1);
		sm_split_join(c, 60, 3, 40);
		sm_split_join(c, 60, 7, 8);
		sm_split_join(c, 60, 8, 40); /* all four are one */
		sm_split_join(c, 60, 20, 21);
		assert_good(sm_split_assign(c, 60, &rule, counts, &err), err);
		assert_true(c[3].fold == c[40].fold && c[7].fold == c[8].fold &&
			    c[8].fold == c[40].fold);
		assert_int_equal(c[20].fold, c[21].fold);
		assert_int_equal(counts[0] + counts[1] + counts[2], 60);
		assert_true(counts[SM_TRAIN] >= 40 && counts[SM_TRAIN] <= 42); /* 40.8 */
		rule = (struct sm_split_rule){.folds = 4, .seed = seed};
		assert_good(sm_split_assign(c, 60, &rule, counts, &err), err);
		assert_true(c[3].fold_index == c[7].fold_index &&
			    c[20].fold_index == c[21].fold_index);
		assert_int_equal(counts[SM_TEST], 15);
	}
}

static void test_groups_must_be_as_many_as_folds(void **state)
{
	(void)state;
	struct sm_split_case c[6];
	const struct sm_split_rule rule = {.folds = 4, .seed = 1};
	size_t counts[SM_FOLDS];
	cohort(c, 6, 1);
	for (size_t i = 1; i < 4; i++)
		sm_split_join(c, 6, 0, i);
	assert_refused(
		sm_split_assign(c, 6, &rule, counts, &err), SM_INPUT, err,
		"split.folds: found 4 folds, but the 6 patients make 3 groups that stay together");
	const struct sm_split_rule fewer = {.folds = 3, .seed = 1};
	assert_good(sm_split_assign(c, 6, &fewer, counts, &err), err);
	assert_true(counts[SM_TRAIN] && counts[SM_TEST] && counts[SM_VALID]);
}

static void test_equal_images_can_be_joined(void **state)
{
	(void)state;
	struct sm_split_case c[40];
	const char *x[] = {"x"};
	cohort(c, 40, 1);
	c[2].images = c[30].images = c[31].images = x;
	c[2].image_count = c[30].image_count = c[31].image_count = 1;
	assert_good(sm_split_join_equal(c, 40, &err), err);
	assert_true(c[2].joined && c[2].joined == c[30].joined && c[30].joined == c[31].joined);
	assert_good(assign(c, 40, usual, 5, NULL, &err), err);
	assert_good(sm_split_check(c, 40, &err), err);
}

static void test_cases_left_out_stand_in_no_fold(void **state)
{
	(void)state;
	struct sm_split_case c[20];
	size_t counts[SM_FOLDS];
	cohort(c, 20, 2);
	c[4].left_out = c[5].left_out = c[6].left_out =
		true; /* a whole patient and half of another */
	assert_good(assign(c, 20, usual, 5, counts, &err), err);
	assert_int_equal(counts[0] + counts[1] + counts[2], 9);
	assert_true(c[4].fold == SM_FOLDS && c[6].fold == SM_FOLDS && c[7].fold != SM_FOLDS);
	assert_good(sm_split_check(c, 20, &err), err);
}

static void test_lists_place_every_patient_once(void **state)
{
	(void)state;
	struct sm_split_case c[8];
	size_t counts[SM_FOLDS];
	char *train[] = {"p000", "p001", "p003"}, *test[] = {"p002"}, *twice[] = {"p002", "p001"},
	     *strange[] = {"p002", "p009"};
	struct sm_split_lists lists = {.train = {train, 3}, .test = {test, 1}};
	cohort(c, 8, 2);
	assert_good(sm_split_by_lists(c, 8, &lists, NULL, counts, &err), err);
	assert_true(c[0].fold == SM_TRAIN && c[1].fold == SM_TRAIN && c[4].fold == SM_TEST &&
		    c[5].fold == SM_TEST);
	assert_true(counts[SM_TRAIN] == 3 && counts[SM_TEST] == 1 && counts[SM_VALID] == 0);
	lists.test = (struct sm_strings){twice, 2};
	assert_refused(sm_split_by_lists(c, 8, &lists, NULL, counts, &err), SM_INPUT, err,
		       "patient p001 stands in train and again in test");
	lists.test = (struct sm_strings){strange, 2};
	assert_refused(sm_split_by_lists(c, 8, &lists, NULL, counts, &err), SM_INPUT, err,
		       "split.lists.test: patient p009 is in no case");
	char *lost[] = {"p009"};
	const struct sm_strings gone = {lost, 1};
	assert_good(sm_split_by_lists(c, 8, &lists, &gone, counts, &err),
		    err); /* known, and rejected before */
	lists.test = (struct sm_strings){0};
	assert_refused(sm_split_by_lists(c, 8, &lists, NULL, counts, &err), SM_INPUT, err,
		       "patient p002 stands in none of train, test and valid");
	c[4].left_out = c[5].left_out = true;
	assert_good(sm_split_by_lists(c, 8, &lists, NULL, counts, &err), err);
	assert_int_equal(c[4].fold, SM_FOLDS);
}

static void test_a_leak_between_numbered_folds_is_found(void **state)
{
	(void)state;
	struct sm_split_case c[4];
	const char *x[] = {"x"};
	cohort(c, 4, 1);
	for (size_t i = 0; i < 4; i++)
		c[i].fold_index = (int64_t)i; /* all of them in fold train */
	assert_good(sm_split_check(c, 4, &err), err);
	c[1].images = c[3].images = x;
	c[1].image_count = c[3].image_count = 1;
	assert_refused(sm_split_check(c, 4, &err), SM_INPUT, err,
		       "case case_001 in fold 1 (train) and case case_003 in fold 3 (train): leave "
		       "one of them out, or keep them together");
	c[3].fold_index = -1;
	c[3].fold = SM_TEST;
	assert_refused(
		sm_split_check(c, 4, &err), SM_INPUT, err,
		"case_003 in test: leave one of them out, or name both in test_cases or none");
	c[1].image_count = 0;
	c[1].patient = c[2].patient;
	assert_refused(sm_split_check(c, 4, &err), SM_INPUT, err,
		       "case case_001 in fold 1 (train) and case case_002 in fold 2");
}

static void test_a_test_list_stands_beside_k_folds(void **state)
{
	(void)state;
	static const char *const names[2] = {"HGG", "LGG"};
	for (uint64_t seed = 1; seed < 20; seed++) {
		struct sm_split_case c[120], d[120];
		size_t counts[SM_FOLDS], in[2][5] = {{0}}, tests = 0;
		char *list[] = {"p003", "case_000", "case_001", "p050"}; /* 2 cases a patient */
		const struct sm_strings test = {list, 4};
		struct sm_split_rule rule = {.folds = 5, .fold = 2, .held = true, .seed = seed};
		cohort(c, 120, 2);
		for (size_t i = 0; i < 120; i++)
			c[i].stratum = names[i >= 70];
		c[8].left_out = c[100].left_out = true; /* the second is half of p050 */
		assert_good(sm_split_name_tests(c, 120, &test, NULL, &err), err);
		assert_good(sm_split_assign(c, 120, &rule, counts, &err), err);
		assert_good(sm_split_check(c, 120, &err), err);
		for (size_t i = 0; i < 120; i++) {
			if (c[i].left_out) {
				assert_true(c[i].fold == SM_FOLDS && c[i].fold_index == -1);
				continue;
			}
			tests += c[i].tests;
			assert_int_equal(c[i].tests, i < 2 || i == 6 || i == 7 || i == 101);
			assert_int_equal(c[i].fold, c[i].tests             ? SM_TEST
						    : c[i].fold_index == 2 ? SM_VALID
									   : SM_TRAIN);
			assert_int_equal(c[i].fold_index < 0, c[i].tests);
			assert_int_equal(c[i].fold_index,
					 c[i ^ 1].left_out ? c[i].fold_index : c[i ^ 1].fold_index);
			for (int s = 0; s < 2 && !c[i].tests && i % 2; s++)
				in[s][c[i].fold_index] += c[i].stratum == names[s];
		}
		assert_int_equal(tests, 5);
		assert_int_equal(counts[SM_TEST], 3);
		assert_int_equal(counts[SM_TRAIN] + counts[SM_VALID], 57);
		for (int f = 0; f < 5; f++) { /* 33 and 24 patients */
			assert_in_range(in[0][f], 6, 7);
			assert_in_range(in[1][f], 4, 5);
		}
		rule.fold = 0; /* the same folds and the same list, another validates */
		memcpy(d, c, sizeof d);
		assert_good(sm_split_assign(d, 120, &rule, NULL, &err), err);
		for (size_t i = 0; i < 120; i++)
			assert_true(d[i].fold_index == c[i].fold_index &&
				    (d[i].fold == SM_TEST) == (c[i].fold == SM_TEST));
		rule.folds = 58;
		assert_refused(sm_split_assign(d, 120, &rule, NULL, &err), SM_INPUT, err,
			       "58 folds, allowed for 57 patients beside the test list");
	}
}

static void test_names_of_a_test_list_are_looked_at(void **state)
{
	(void)state;
	static const struct {
		char *names[2], *says;
	} bad[] = {
		{{"p001", "p001"}, "split.test_cases: found p001 twice, allowed is once"},
		{{"p001", "case_003"},
		 "split.test_cases: case_003 names case case_003, which is named before"},
		{{"case_003", "p001"},
		 "split.test_cases: p001 names case case_003, which is named before"},
		{{"p001", "p009"}, "split.test_cases: p009 is no case and no patient here"},
		{{"p002", "case_003"},
		 "split.test_cases: case case_003 of patient p001 is named, but not the patient's "
		 "case case_002: name all"},
		{{"p002", "case_000"},
		 "case case_000 of patient p000 is named, but not the patient's case case_001"},
	};
	struct sm_split_case c[8];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct sm_strings list = {(char **)(uintptr_t)bad[i].names, 2};
		cohort(c, 8, 2);
		assert_refused(sm_split_name_tests(c, 8, &list, NULL, &err), SM_INPUT, err,
			       bad[i].says);
	}
	char *names[] = {"case_003", "p009"}, *lost[] = {"case_099", "p009"};
	const struct sm_strings list = {names, 2}, gone = {lost, 2};
	cohort(c, 8, 2);
	c[2].left_out = true; /* the rest of its patient */
	assert_good(sm_split_name_tests(c, 8, &list, &gone, &err), err);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(c[i].tests, i == 3);
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
		cmocka_unit_test(test_k_folds_are_equal_and_rotate),
		cmocka_unit_test(test_strata_keep_shares_in_each_and_in_all),
		cmocka_unit_test(test_strata_counts_add_up),
		cmocka_unit_test(test_joined_patients_stay_together),
		cmocka_unit_test(test_groups_must_be_as_many_as_folds),
		cmocka_unit_test(test_equal_images_can_be_joined),
		cmocka_unit_test(test_cases_left_out_stand_in_no_fold),
		cmocka_unit_test(test_lists_place_every_patient_once),
		cmocka_unit_test(test_a_leak_between_numbered_folds_is_found),
		cmocka_unit_test(test_a_test_list_stands_beside_k_folds),
		cmocka_unit_test(test_names_of_a_test_list_are_looked_at),
	};
	return run_tap(tests);
}
