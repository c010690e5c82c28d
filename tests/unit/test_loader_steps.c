/* SPDX-License-Identifier: Apache-2.0 */
/* How steps are made of samples: parts of a batch, a case a step, samples changed on their way,
 * folds by number, slices. */
#include "tests/unit/loader_cases.h"

/* One batch is taken apart into parts of two samples, with the same samples in the same order. */
static void test_a_step_comes_in_parts(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *whole, *parts;
	struct sm_batch a, b;
	assert_good(sm_loader_start(&o, NULL, &whole, &err), err);
	o.micro = 2;
	o.threads = 2;
	assert_true(sm_loader_bytes(&o) > 0);
	assert_good(sm_loader_start(&o, NULL, &parts, &err), err);
	assert_int_equal(sm_loader_train_steps(parts), 4);
	for (int i = 0; i < 3 * 6; i++) {
		assert_good(sm_loader_next(whole, &a, &err), err);
		assert_true(a.first && a.last);
		for (int done = 0; done < a.n; done += b.n) {
			assert_good(sm_loader_next(parts, &b, &err), err);
			assert_true(b.valid == a.valid && b.epoch == a.epoch && b.n <= 2);
			assert_true(b.first == (done == 0) && b.last == (done + b.n == a.n));
			assert_true(b.end == (a.end && b.last));
			assert_memory_equal(b.x, a.x + done * VOXELS * CHANNELS,
					    (size_t)b.n * VOXELS * CHANNELS * sizeof(float));
			assert_memory_equal(b.target, a.target + done * VOXELS * CLASSES,
					    (size_t)b.n * VOXELS * CLASSES * sizeof(float));
		}
		assert_int_equal(a.end, i % 6 == 3 || i % 6 == 5);
	}
	sm_loader_stop(whole);
	sm_loader_stop(parts);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

/* Of several ranks each gets its parts of every step, at least an empty one; together they are
 * those of one loader, in its order. */
static void check_ranks(struct sm_loader_opt o, int ranks)
{
	struct sm_loader *one, *many[8];
	struct sm_batch a, b;
	bool over = false;
	assert_good(sm_loader_start(&o, NULL, &one, &err), err);
	o.ranks = ranks;
	o.threads = 2;
	for (o.rank = 0; o.rank < ranks; o.rank++)
		assert_good(sm_loader_start(&o, NULL, &many[o.rank], &err), err);
	for (int step = 0; !over; step++) {
		int parts = 0, before = 0;
		for (int r = 0; r < ranks; r++) {
			b = (struct sm_batch){0};
			for (int own = 0; !b.last; own++) {
				assert_good(sm_loader_next(many[r], &b, &err), err);
				assert_true(b.first == (own == 0) &&
					    (b.n > 0 || (b.first && b.last)));
				if (b.n == 0)
					continue;
				assert_good(sm_loader_next(one, &a, &err), err);
				assert_true(a.first == (parts == 0) && a.n == b.n &&
					    a.valid == b.valid);
				assert_true(b.part == parts && b.before == before &&
					    b.parts == a.parts);
				assert_memory_equal(
					b.x, a.x, (size_t)b.n * VOXELS * CHANNELS * sizeof(float));
				parts++;
				before += b.n;
			}
		}
		assert_true(a.last && b.end == a.end && parts == a.parts);
		over = a.end && a.valid && a.epoch == o.last_epoch - 1;
	}
	assert_int_equal(sm_loader_next(many[0], &b, &err), SM_INTERNAL);
	sm_loader_stop(one);
	for (int r = 0; r < ranks; r++)
		sm_loader_stop(many[r]);
}

static void test_ranks_share_each_step(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	for (int ranks = 1; ranks <= 5; ranks++)
		for (o.micro = 1; o.micro <= 3; o.micro++) {
			o.by_case = false;
			check_ranks(o, ranks);
			o.by_case = true;
			check_ranks(o, ranks);
		}
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_a_step_may_be_a_case(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *l;
	struct sm_batch b;
	o.by_case = true; /* five tiles, three at once */
	for (int64_t steps = 0; steps <= 3; steps += 3) {
		int cases = steps ? 3 : 2;
		o.steps = steps;
		assert_good(sm_loader_start(&o, NULL, &l, &err), err);
		assert_int_equal(sm_loader_train_steps(l), cases);
		for (int epoch = 0; epoch < 3; epoch++) {
			for (int i = 0; i < cases; i++) {
				assert_good(sm_loader_next(l, &b, &err), err);
				assert_true(b.n == 3 && b.first && !b.last && !b.valid);
				/* the case that the first value is of; its tiles follow in order */
				int c = b.x[0] == xs[0][0][0] ? 0 : 2;
				assert_true(b.x[2 * VOXELS * CHANNELS] == xs[c][2][0]);
				assert_good(sm_loader_next(l, &b, &err), err);
				assert_true(b.n == 2 && !b.first && b.last);
				assert_int_equal(b.end, i == cases - 1);
				assert_true(b.x[0] == xs[c][3][0]);
			}
			for (int i = 0; i < 2; i++) {
				assert_good(sm_loader_next(l, &b, &err), err);
				assert_true(b.valid && b.last && b.end == (i == 1));
			}
		}
		assert_int_equal(sm_loader_next(l, &b, &err), SM_INTERNAL);
		sm_loader_stop(l);
	}
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static enum sm_status add_sample(const void *ctx, uint64_t seed, int64_t epoch, uint64_t sample,
				 const struct sm_tile_shape *s, float *x, uint8_t *y, void *scratch,
				 struct sm_err *e)
{
	if (*(const int *)ctx == 7 && sample == 4)
		return SM_FAIL(e, SM_INPUT, "sample 4 cannot be changed");
	assert_true(seed == 11 && s->channels == CHANNELS && s->depth == 3);
	memset(scratch, 1, 100);
	x[0] = (float)(100 * epoch + (int64_t)sample);
	y[0] = (uint8_t)(sample % 4);
	return SM_OK;
}

static void test_samples_can_be_changed_before_the_network(void **state)
{
	(void)state;
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_loader *l;
	struct sm_batch b;
	int what = 0;
	o.hook = (struct sm_loader_hook){.ctx = &what, .scratch = 100, .apply = add_sample};
	o.threads = 3;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	for (int i = 0, sample = 0; i < 12; i++) {
		assert_good(sm_loader_next(l, &b, &err), err);
		sample = i % 6 ? sample : 0;
		for (int k = 0; k < b.n && !b.valid; k++, sample++) {
			assert_true(b.x[k * VOXELS * CHANNELS] == (float)(100 * b.epoch + sample));
			for (int c = 0; c < CLASSES; c++)
				assert_true(b.target[k * VOXELS * CLASSES + c] ==
					    (sample % 4 == c + 1));
		}
		for (int k = 0; k < b.n && b.valid; k++)
			assert_true(b.x[k * VOXELS * CHANNELS] == xs[1][3 * (i % 6 - 4) + k][0]);
	}
	sm_loader_stop(l);
	what = 7;
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	assert_good(sm_loader_next(l, &b, &err), err);
	assert_refused(sm_loader_next(l, &b, &err), SM_INPUT, err, "sample 4 cannot be changed");
	sm_loader_stop(l);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_folds_by_number(void **state)
{
	(void)state;
	struct sm_ledger k = {.records = sm_records_new(NULL)};
	const struct sm_tiles_fold in = {NULL, 1, false}, out = {NULL, 1, true},
				   none = {NULL, 5, false};
	struct sm_tiles *t;
	json_t *beside = json_pack("{s:s}", "fold",
				   "test"); /* of a test list beside the folds: in none of them */
	assert_false(sm_tiles_fold_has(&in, beside) || sm_tiles_fold_has(&out, beside));
	json_decref(beside);
	assert_refused(sm_tiles_list_fold(dir, &shards, &split, &in, NULL, &t, &err), SM_INPUT, err,
		       "case_0: has tiles, but stands in no fold");
	for (size_t i = 0; i < CASES; i++) {
		json_t *record = sm_records_get(split.records, i);
		json_object_set_new(record, "fold_index", json_integer(i % 2));
		if (i == 3)
			json_object_set_new(record, "fold", json_string("none"));
		assert_good(sm_records_add(k.records, record, NULL, &err), err);
		json_decref(record);
	}
	assert_good(sm_tiles_list_fold(dir, &shards, &k, &in, NULL, &t, &err), err);
	assert_int_equal(sm_tiles_count(t), TILES); /* case 1; case 3 is left out */
	sm_tiles_free(t);
	assert_good(sm_tiles_list_fold(dir, &shards, &k, &out, NULL, &t, &err), err);
	assert_int_equal(sm_tiles_count(t), 2 * TILES);
	assert_int_equal(sm_tiles_case(t, TILES - 1), 0);
	assert_int_equal(sm_tiles_case(t, TILES), 1);
	sm_tiles_free(t);
	assert_refused(sm_tiles_list_fold(dir, &shards, &k, &none, NULL, &t, &err), SM_INPUT, err,
		       "fold 5: has 0 tiles in it, needed is at least 1");
	sm_ledger_clear(&k);
}

/* A shard of two slices, with labels or without, or of a pair. */
static void write_slices(const char *name, bool labels, bool pair, char sha[65])
{
	struct sm_tile_shape s = {.tiles = 2,
				  .channels = CHANNELS,
				  .depth = 1,
				  .height = 4,
				  .width = 5,
				  .b_channels = pair,
				  .parts = SM_SHARD_INDEX};
	struct sm_shard *shard;
	if (!labels)
		s.parts |= SM_SHARD_UNLABELLED;
	assert_good(sm_shard_create(at(name), &s, "case_0", 1, &shard, &err), err);
	for (int k = 0; k < 2; k++) {
		struct sm_shard_sample sample = {
			.x = xs[0][k], .y = ys[0][k], .b = xs[1][k], .place = {k, 0}};
		assert_good(sm_shard_put_sample(shard, k, &sample, &err), err);
	}
	assert_good(sm_shard_commit(shard, sha, &err), err);
}

static void test_slices_are_samples_of_depth_one(void **state)
{
	(void)state;
	static const char *const told[] = {NULL, "its slices have no labels",
					   "is a shard of pairs"};
	for (int i = 0; i < 3; i++) {
		char sha[65];
		struct sm_tiles *t;
		struct sm_ledger ledger = {.records = sm_records_new(NULL)};
		float x[CHANNELS * VOXELS];
		uint8_t y[VOXELS];
		write_slices("slices.h5", i == 0, i == 2, sha);
		add(&ledger, "case_0",
		    json_pack("{s:[o]}", "outputs", output("shard", "slices.h5", sha)));
		enum sm_status st = sm_tiles_list(dir, &ledger, &split, "train", NULL, &t, &err);
		if (told[i]) {
			assert_refused(st, SM_INPUT, err, told[i]);
		} else {
			size_t found;
			assert_good(st, err);
			struct sm_tile_shape s = sm_tiles_shape(t);
			assert_true(sm_tiles_count(t) == 2 && s.depth == 1 && s.width == 5);
			assert_good(sm_tiles_read(t, 1, x, y, &err), err);
			assert_memory_equal(x, xs[0][1], 20 * CHANNELS * sizeof *x);
			assert_memory_equal(y, ys[0][1], 20);
			assert_good(sm_tiles_find_label(t, 9, &found, &err), err);
			assert_int_equal(found, 0);
			sm_tiles_free(t);
		}
		sm_ledger_clear(&ledger);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_comes_in_parts),
		cmocka_unit_test(test_ranks_share_each_step),
		cmocka_unit_test(test_a_step_may_be_a_case),
		cmocka_unit_test(test_samples_can_be_changed_before_the_network),
		cmocka_unit_test(test_folds_by_number),
		cmocka_unit_test(test_slices_are_samples_of_depth_one),
	};
	return run_in_folder(tests);
}
