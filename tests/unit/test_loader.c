/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles and loader: which tiles a fold has, the order of an epoch, batches equal whatever the
 * number of threads and the layout of the files, and every bad tile told when its batch is asked
 * for. */
#include "tests/unit/loader_cases.h"

static void test_a_fold_holds_its_tiles_in_order(void **state)
{
	(void)state;
	const struct sm_ledger *ledgers[] = {&shards, &files};
	for (int l = 0; l < 2; l++) {
		struct sm_tiles *t = list(ledgers[l], "train");
		struct sm_tile_shape s = sm_tiles_shape(t);
		float x[CHANNELS * VOXELS];
		uint8_t y[VOXELS];
		assert_int_equal(sm_tiles_count(t), 2 * TILES);
		assert_int_equal(sm_tiles_cases(t), 2);
		assert_true(s.tiles == 1 && s.channels == CHANNELS && s.depth == 3 &&
			    s.height == 4 && s.width == 5);
		for (size_t i = 0; i < 2 * TILES; i++) {
			assert_good(sm_tiles_read(t, i, x, y, &err), err);
			assert_memory_equal(x, xs[i < TILES ? 0 : 2][i % TILES], sizeof x);
			assert_memory_equal(y, ys[i < TILES ? 0 : 2][i % TILES], sizeof y);
		}
		sm_tiles_free(t);
	}
}

static void test_batches_hold_what_the_order_says(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *l;
	struct sm_batch b;
	size_t order[2 * TILES];
	o.first_epoch = 1;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	assert_int_equal(sm_loader_train_steps(l), 4); /* 10 tiles by threes */
	assert_int_equal(sm_loader_epoch_samples(l), 15);
	for (int64_t epoch = 1; epoch < 3; epoch++) {
		assert_good(sm_loader_order(o.seed, epoch, 2 * TILES, order, 2 * TILES, &err), err);
		for (size_t step = 0; step < 6; step++) {
			assert_good(sm_loader_next(l, &b, &err), err);
			bool is_valid = step >= 4;
			size_t first = 3 * (is_valid ? step - 4 : step),
			       all = is_valid ? TILES : 2 * TILES;
			assert_int_equal(b.epoch, epoch);
			assert_int_equal(b.valid, is_valid);
			assert_int_equal(b.n, all - first < 3 ? all - first : 3);
			for (size_t s = 0; s < 3; s++) {
				size_t t = s < (size_t)b.n ? is_valid ? first + s : order[first + s]
							   : 0;
				int c = is_valid ? 1 : t < TILES ? 0 : 2;
				for (size_t v = 0; v < VOXELS; v++) {
					bool here = s < (size_t)b.n;
					for (size_t ch = 0; ch < CHANNELS; ch++)
						assert_true(
							b.x[(s * VOXELS + v) * CHANNELS + ch] ==
							(here ? xs[c][t % TILES][ch * VOXELS + v]
							      : 0));
					for (int k = 0; k < CLASSES; k++)
						assert_true(b.target[(s * VOXELS + v) * CLASSES +
								     (size_t)k] ==
							    (here && ys[c][t % TILES][v] == k + 1));
				}
			}
		}
	}
	assert_refused(sm_loader_next(l, &b, &err), SM_INTERNAL, err, "asked for batch 13 of 12");
	sm_loader_stop(l);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

/* Hash of every batch of a whole run. */
static void run_hash(const struct sm_ledger *ledger, int threads, int64_t steps, char hex[65])
{
	struct sm_tiles *train = list(ledger, "train"), *valid = list(ledger, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_sha256 *h = sm_sha256_begin();
	struct sm_loader *l;
	struct sm_batch b;
	o.threads = threads;
	o.steps = steps;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	int64_t all = 3 * (sm_loader_train_steps(l) + VALID_STEPS);
	for (int64_t i = 0; i < all; i++) {
		assert_good(sm_loader_next(l, &b, &err), err);
		sm_sha256_add(h, &b.n, sizeof b.n);
		sm_sha256_add(h, b.x, 3 * VOXELS * CHANNELS * sizeof(float));
		sm_sha256_add(h, b.target, 3 * VOXELS * CLASSES * sizeof(float));
	}
	sm_sha256_end(h, hex);
	sm_loader_stop(l);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_threads_and_layout_change_nothing(void **state)
{
	(void)state;
	char one[65], hex[65], wrapped[65];
	run_hash(&shards, 1, 0, one);
	for (int threads = 2; threads <= 5; threads++) {
		run_hash(&shards, threads, 0, hex);
		assert_string_equal(hex, one);
	}
	run_hash(&files, 3, 0, hex);
	assert_string_equal(hex, one);
	run_hash(&shards, 1, 7, wrapped); /* 21 samples of 10 tiles */
	run_hash(&files, 4, 7, hex);
	assert_string_equal(hex, wrapped);
	assert_string_not_equal(hex, one);
}

static void test_an_epoch_is_a_permutation_and_goes_round(void **state)
{
	(void)state;
	size_t a[25], b[25], first[10];
	assert_good(sm_loader_order(1, 0, 10, a, 25, &err), err);
	for (int round = 0; round < 2; round++) {
		int seen[10] = {0};
		for (int i = 0; i < 10; i++)
			seen[a[10 * round + i]]++;
		for (int i = 0; i < 10; i++)
			assert_int_equal(seen[i], 1);
	}
	assert_memory_not_equal(a, a + 10, 10 * sizeof *a);
	assert_good(sm_loader_order(1, 0, 10, first, 10, &err), err);
	assert_memory_equal(a, first, sizeof first);
	assert_good(sm_loader_order(1, 1, 10, b, 25, &err), err);
	assert_memory_not_equal(a, b, sizeof a);
	assert_good(sm_loader_order(2, 0, 10, b, 25, &err), err);
	assert_memory_not_equal(a, b, sizeof a);
}

static void test_validation_may_be_a_fixed_choice(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *l;
	struct sm_batch b;
	float kept[2][VOXELS * CHANNELS];
	o.valid_tiles = 2;
	o.steps = 1;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	for (int epoch = 0; epoch < 3; epoch++) {
		assert_good(sm_loader_next(l, &b, &err), err);
		assert_false(b.valid);
		assert_good(sm_loader_next(l, &b, &err), err);
		assert_true(b.valid && b.n == 2);
		if (epoch == 0)
			memcpy(kept, b.x, sizeof kept);
		assert_memory_equal(kept, b.x, sizeof kept);
	}
	sm_loader_stop(l);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_stopping_early_is_fine(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *l;
	struct sm_batch b;
	o.last_epoch = 1000;
	o.threads = 3;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	assert_good(sm_loader_next(l, &b, &err), err);
	sm_loader_stop(l);
	sm_loader_stop(NULL);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_folds_that_cannot_be_used(void **state)
{
	(void)state;
	struct sm_tiles *t;
	struct sm_ledger less = changed(&split, 1, 0, 0, NULL);
	assert_refused(sm_tiles_list(dir, &shards, &split, "nobody", NULL, &t, &err), SM_INPUT, err,
		       "fold nobody: has 0 tiles, needed is at least 1");
	assert_null(t);
	assert_refused(sm_tiles_list(dir, &shards, &less, "train", NULL, &t, &err), SM_INPUT, err,
		       "case_1: has tiles, but stands in no fold");
	sm_ledger_clear(&less);
}

static void test_a_shard_that_was_replaced_is_refused(void **state)
{
	(void)state;
	struct sm_tiles *t;
	char sha[65];
	struct sm_ledger ledger = changed(&shards, CASES, 0, 0, "swapped.h5");
	write_shard("swapped.h5", "case_0", 1, sha); /* the tiles of another case */
	assert_refused(sm_tiles_list(dir, &ledger, &split, "train", NULL, &t, &err), SM_INPUT, err,
		       "swapped.h5: content is not what the ledger of tile says");
	sm_ledger_clear(&ledger);
}

static void test_a_tile_file_that_was_replaced_is_refused(void **state)
{
	(void)state;
	struct sm_ledger ledger = changed(&files, CASES, 0, 0, "case_1_0.h5");
	float x[CHANNELS * VOXELS];
	uint8_t y[VOXELS];
	struct sm_tiles *t = list(&ledger, "train");
	assert_refused(sm_tiles_read(t, 0, x, y, &err), SM_INPUT, err,
		       "case_1_0.h5: content is not");
	assert_good(sm_tiles_read(t, 1, x, y, &err), err);
	sm_tiles_free(t);
	sm_ledger_clear(&ledger);
}

static void test_shapes_must_agree(void **state)
{
	(void)state;
	struct sm_tile_shape other = {1, CHANNELS, 3, 5, 4, 0, 0};
	struct sm_tiles *t;
	struct sm_ledger ledger = changed(&files, CASES, 2, 3, "odd.h5");
	assert_good(sm_tilefile_write(at("odd.h5"), &other, xs[0][0], ys[0][0], 1, NULL, &err),
		    err);
	assert_refused(
		sm_tiles_list(dir, &ledger, &split, "train", NULL, &t, &err), SM_INPUT, err,
		"odd.h5: tiles are 4 x 5 x 3 with 2 channels, those of case_0_0.h5 are 5 x 4 x 3");
	sm_ledger_clear(&ledger);
}

/* Which batch of the first epoch fails, and how. */
static int first_bad_batch(struct sm_loader_opt *o)
{
	struct sm_loader *l;
	struct sm_batch b;
	int bad = -1;
	assert_good(sm_loader_start(o, NULL, &l, &err), err);
	for (int i = 0; i < 6 && bad < 0; i++)
		if (sm_loader_next(l, &b, &err) != SM_OK)
			bad = i;
	sm_loader_stop(l);
	return bad;
}

static void test_a_label_above_the_classes_is_told(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	assert_good(sm_task_classes(&task, 2, false, &err), err);
	o.threads = 4;
	assert_int_equal(first_bad_batch(&o), 0);
	assert_int_equal(err.code, SM_INPUT);
	assert_non_null(strstr(err.text, "holds label 3, allowed are 0 to 2"));
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_a_damaged_tile_is_told_at_its_batch(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	size_t order[2 * TILES], n, place = 0;
	unsigned char *bytes;
	char sha[65];
	assert_good(sm_loader_order(o.seed, 0, 2 * TILES, order, 2 * TILES, &err), err);
	while (order[place] != TILES) /* tile 0 of case_2 */
		place++;
	assert_good(sm_file_read(at("case_2.h5"), 0, NULL, &bytes, &n, &err), err);
	/* the first chunk of the file is x of tile 0: a zlib stream begins with 0x78 */
	unsigned char *stream = memmem(bytes, n, "\x78\x01", 2);
	assert_non_null(stream);
	stream[40] ^= 0xff;
	assert_good(sm_file_write(at("case_2.h5"), bytes, n, &err), err);
	for (int threads = 1; threads <= 3; threads += 2) {
		o.threads = threads;
		assert_int_equal(first_bad_batch(&o), place / 3);
		assert_non_null(strstr(err.text, "case_2.h5: x of tile 0 is damaged"));
	}
	sm_free(bytes);
	sm_tiles_free(train);
	sm_tiles_free(valid);
	write_shard("case_2.h5", "case_2", 2, sha);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fold_holds_its_tiles_in_order),
		cmocka_unit_test(test_batches_hold_what_the_order_says),
		cmocka_unit_test(test_threads_and_layout_change_nothing),
		cmocka_unit_test(test_an_epoch_is_a_permutation_and_goes_round),
		cmocka_unit_test(test_validation_may_be_a_fixed_choice),
		cmocka_unit_test(test_stopping_early_is_fine),
		cmocka_unit_test(test_folds_that_cannot_be_used),
		cmocka_unit_test(test_a_shard_that_was_replaced_is_refused),
		cmocka_unit_test(test_a_tile_file_that_was_replaced_is_refused),
		cmocka_unit_test(test_shapes_must_agree),
		cmocka_unit_test(test_a_label_above_the_classes_is_told),
		cmocka_unit_test(test_a_damaged_tile_is_told_at_its_batch),
	};
	return run_in_folder(tests);
}
