/* SPDX-License-Identifier: Apache-2.0
 *
 * Which slices are samples and in which fold they stand.
 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "preprocess/pair.h"

#define N 97

static struct sm_err err;
static int64_t index_[N];
static uint8_t fold[N];

static struct sm_pair_rule rule_of(enum sm_pair_split split)
{
	return (struct sm_pair_rule){.split = split,
				     .shares = {[SM_TRAIN] = 60, [SM_TEST] = 25, [SM_VALID] = 15},
				     .seed = 1,
				     .block = 7,
				     .gap = 3,
				     .fold = SM_VALID};
}

static void count(size_t n, size_t counts[SM_FOLDS + 1])
{
	memset(counts, 0, (SM_FOLDS + 1) * sizeof *counts);
	for (size_t k = 0; k < n; k++)
		counts[fold[k] == SM_PAIR_GAP ? SM_FOLDS : fold[k]]++;
}

static void test_patient_and_first_have_one_fold(void **state)
{
	(void)state;
	struct sm_pair_rule rule = rule_of(SM_BY_PATIENT);
	size_t counts[SM_FOLDS + 1];
	assert_good(sm_pair_folds(&rule, "case", 0, index_, N, fold, &err), err);
	count(N, counts);
	assert_int_equal(counts[SM_VALID], N);
	rule.split = SM_BY_FIRST;
	assert_good(sm_pair_folds(&rule, "case", 0, index_, N, fold, &err), err);
	count(N, counts);
	assert_int_equal(counts[SM_TRAIN], N);
}

static void test_slices_have_the_shares_asked_for(void **state)
{
	(void)state;
	struct sm_pair_rule rule = rule_of(SM_BY_SLICES);
	size_t counts[SM_FOLDS + 1], all[SM_FOLDS] = {0};
	char key[32];
	uint8_t first[N];
	for (size_t n = 1; n <= N; n++) {
		assert_good(sm_pair_folds(&rule, "case", 0, index_, n, fold, &err), err);
		count(n, counts);
		for (int f = 0; f < SM_FOLDS; f++) {
			double gap = (double)counts[f] - (double)n * rule.shares[f] / 100;
			assert_true(gap > -1 && gap < 1);
		}
	}
	memcpy(first, fold, N);
	assert_good(sm_pair_folds(&rule, "case", 'b', index_, N, fold, &err), err);
	assert_memory_not_equal(first, fold, N); /* each domain draws by itself */
	/* single slices, as pictures are: right on average, though none can be right by itself */
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "case_%d", i);
		assert_good(sm_pair_folds(&rule, key, 0, index_, 1, fold, &err), err);
		all[fold[0]]++;
	}
	assert_in_range(all[SM_TRAIN], 1130, 1270);
	assert_in_range(all[SM_TEST], 440, 560);
	assert_in_range(all[SM_VALID], 250, 350);
	rule.shares[SM_TEST] = 0;
	assert_good(sm_pair_folds(&rule, "case", 0, index_, N, fold, &err), err);
	count(N, counts);
	assert_int_equal(counts[SM_TEST], 0);
}

static void test_blocks_keep_their_distance(void **state)
{
	(void)state;
	struct sm_pair_rule rule = rule_of(SM_BY_BLOCKS);
	size_t counts[SM_FOLDS + 1];
	for (int step = 1; step <= 3; step++)
		for (uint64_t seed = 1; seed <= 20; seed++) {
			rule.seed = seed;
			for (int k = 0; k < N; k++)
				index_[k] = 5 + step * k + (k > 40 ? 2 : 0);
			assert_good(sm_pair_folds(&rule, "case", 0, index_, N, fold, &err), err);
			for (int i = 0; i < N; i++)
				for (int k = i + 1; k < N; k++)
					if (fold[i] != SM_PAIR_GAP && fold[k] != SM_PAIR_GAP &&
					    fold[i] != fold[k])
						assert_true(index_[k] - index_[i] > rule.gap);
			count(N, counts);
			/* 14 blocks: 8 or 9, 3 or 4, 2 or 3 */
			assert_in_range(counts[SM_TRAIN], 8 * 7 - 8 * 3, 9 * 7);
			assert_true(counts[SM_TEST] >= 3 * 4 - 6 && counts[SM_VALID] > 0);
			assert_true(step > rule.gap || counts[SM_FOLDS] > 0);
		}
}

static struct sm_vol volume(int64_t nx, int64_t ny, int64_t nz)
{
	struct sm_vol v;
	const int64_t dim[4] = {nx, ny, nz, 1};
	assert_good(sm_vol_init(&v, dim, SM_F32, NULL, "test", &err), err);
	memset(v.data, 0, sm_vol_count(&v) * sizeof(float));
	return v;
}

static void test_triplets_need_both_neighbours(void **state)
{
	(void)state;
	struct sm_pair_section s = {.mode = SM_PAIR_TRIPLETS, .first = 1, .last = -1};
	struct sm_pair_rule rule = rule_of(SM_BY_PATIENT);
	struct sm_case c;
	assert_good(sm_case_init(&c, "case", NULL, 1, &err), err);
	struct sm_vol v = volume(2, 2, 12);
	assert_good(sm_case_take(&c, "ct", &v, &err), err);
	c.vols[0].keep = calloc(12, 1);
	memset(c.vols[0].keep, 1, 12);
	c.vols[0].keep[6] = 0;
	struct sm_pair_set set = {.s = &s, .c = &c};
	sm_pair_find(&c, NULL, &set.x);
	set.b = set.x;
	assert_good(sm_pair_choose(&set, &rule, &err), err);
	/* 1..11 without 6: the middles are 2, 3, 4 and 8, 9, 10 */
	assert_int_equal(set.n, 6);
	assert_memory_equal(set.index, ((const int64_t[]){2, 3, 4, 8, 9, 10}), 6 * sizeof(int64_t));
	sm_pair_set_clear(&set);
	s.first = 5;
	s.last = 7;
	set = (struct sm_pair_set){.s = &s, .c = &c};
	sm_pair_find(&c, "ct", &set.x);
	assert_int_equal(sm_pair_choose(&set, &rule, &err), SM_INPUT);
	assert_string_equal(err.text,
			    "case: ct has no three consecutive slices left among the slices that "
			    "preprocess keeps and pair.first and pair.last ask for");
	sm_pair_set_clear(&set);
	sm_case_clear(&c);
}

static void test_sides_by_role_channel_and_modality(void **state)
{
	(void)state;
	struct sm_case c;
	struct sm_pair_side side;
	assert_good(sm_case_init(&c, "case", NULL, 1, &err), err);
	struct sm_vol v = volume(2, 2, 2);
	assert_good(sm_case_take(&c, "image", &v, &err), err);
	snprintf(c.modality, sizeof c.modality, "PT");
	sm_pair_find(&c, "pet", &side);
	assert_ptr_equal(side.vol, &c.vols[0].vol);
	assert_string_equal(side.name, "pet");
	sm_pair_find(&c, "ct", &side);
	assert_null(side.vol);
	v = volume(2, 2, 2);
	assert_good(sm_case_take(&c, "ct", &v, &err), err);
	sm_pair_find(&c, "ct", &side);
	assert_ptr_equal(side.vol, &c.vols[0].vol);
	sm_pair_find(&c, NULL, &side);
	assert_null(side.vol); /* two: which? */
	sm_case_clear(&c);

	assert_good(sm_case_init(&c, "case", NULL, 1, &err), err);
	const int64_t dim[4] = {2, 2, 2, 3};
	assert_good(sm_vol_init(&v, dim, SM_F32, NULL, "test", &err), err);
	assert_good(sm_case_take(&c, "image", &v, &err), err);
	c.stacked = true;
	for (int i = 0; i < 3; i++)
		snprintf(c.channels[i], SM_ROLE_MAX, "c%d", i);
	sm_pair_find(&c, "c2", &side);
	assert_true(side.vol && side.first == 2 && side.channels == 1);
	sm_pair_find(&c, "image", &side);
	assert_true(side.vol && side.first == 0 && side.channels == 3);
	sm_case_clear(&c);
}

static void test_grids_are_compared_in_mm(void **state)
{
	(void)state;
	struct sm_case c;
	struct sm_vol a = volume(4, 4, 4), b = volume(4, 4, 4);
	struct sm_pair_side x = {.vol = &a, .name = "ct"}, y = {.vol = &b, .name = "mr"};
	assert_good(sm_case_init(&c, "case", NULL, 1, &err), err);
	assert_good(sm_pair_same_grid(&c, &x, &y, 0, &err), err);
	b.affine[0][0] = 1.01; /* 0.03 mm at the far corners */
	assert_good(sm_pair_same_grid(&c, &x, &y, 0.031, &err), err);
	assert_int_equal(sm_pair_same_grid(&c, &x, &y, 0.029, &err), SM_INPUT);
	assert_string_equal(
		err.text,
		"case: the voxels of ct lie up to 0.03 mm away from those of mr, allowed are 0.029 "
		"mm (pair.grid_tolerance): the step `resample: {like: mr}` brings them together");
	c.pictures = true; /* pictures have no place in mm */
	assert_good(sm_pair_same_grid(&c, &x, &y, 0.01, &err), err);
	sm_vol_clear(&b);
	b = volume(4, 5, 4);
	assert_int_equal(sm_pair_same_grid(&c, &x, &y, 10, &err), SM_INPUT);
	assert_string_equal(err.text,
			    "case: ct is 4 x 4 pixels, mr is 4 x 5: must be equal (the step resize "
			    "makes them so)");
	sm_vol_clear(&a);
	sm_vol_clear(&b);
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patient_and_first_have_one_fold),
		cmocka_unit_test(test_slices_have_the_shares_asked_for),
		cmocka_unit_test(test_blocks_keep_their_distance),
		cmocka_unit_test(test_triplets_need_both_neighbours),
		cmocka_unit_test(test_sides_by_role_channel_and_modality),
		cmocka_unit_test(test_grids_are_compared_in_mm),
	};
	for (int k = 0; k < N; k++)
		index_[k] = k;
	return run_tap(tests);
}
