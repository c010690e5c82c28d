/* SPDX-License-Identifier: Apache-2.0
 *
 * Four small cases of tiles as shards and as files, with their ledgers, for the tests of the
 * loader.
 */
#ifndef SM_TESTS_LOADER_CASES_H
#define SM_TESTS_LOADER_CASES_H

#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/rng.h"
#include "train/loader.h"

enum { CASES = 4, TILES = 5, CHANNELS = 2, VOXELS = 3 * 4 * 5, CLASSES = 3 };
enum { VALID_STEPS = 2 }; /* TILES by threes */

static const struct sm_tile_shape shape = {TILES, CHANNELS, 3, 4, 5, 0, 0}; /* Z 3, Y 4, X 5 */
static const char *const folds[CASES] = {"train", "valid", "train", "test"};
static struct sm_err err;
static struct sm_task task;
static float xs[CASES][TILES][CHANNELS * VOXELS];
static uint8_t ys[CASES][TILES][VOXELS];
static struct sm_ledger split, shards, files;

static json_t *output(const char *role, const char *name, const char *sha)
{
	return json_pack("{s:s, s:s, s:s}", "role", role, "path", name, "sha256", sha);
}

static inline void add(struct sm_ledger *ledger, const char *key, json_t *fields)
{
	json_object_set_new(fields, "key", json_string(key));
	json_object_set_new(fields, "status", json_string("ok"));
	assert_good(sm_records_add(ledger->records, fields, NULL, &err), err);
	json_decref(fields);
}

/* The first n records, of which one output of one has another path (NULL = none). */
static inline struct sm_ledger changed(const struct sm_ledger *from, size_t n, size_t which,
				       size_t file, const char *path)
{
	struct sm_ledger to = {.records = sm_records_new(NULL)};
	for (size_t i = 0; i < n; i++) {
		json_t *record = sm_records_get(from->records, i);
		if (path && i == which)
			json_object_set_new(
				json_array_get(json_object_get(record, "outputs"), file), "path",
				json_string(path));
		assert_good(sm_records_add(to.records, record, NULL, &err), err);
		json_decref(record);
	}
	return to;
}

static void write_shard(const char *name, const char *key, int c, char content[65])
{
	struct sm_shard *s;
	assert_good(sm_shard_create(at(name), &shape, key, 1, &s, &err), err);
	for (int k = 0; k < TILES; k++) {
		const int32_t start[3] = {k, 0, c};
		assert_good(sm_shard_put(s, k, xs[c][k], ys[c][k], start, &err), err);
	}
	assert_good(sm_shard_commit(s, content, &err), err);
}

static void write_case(int c)
{
	char key[16], name[32], sha[65];
	struct sm_tile_shape one = shape;
	one.tiles = 1;
	snprintf(key, sizeof key, "case_%d", c);
	add(&split, key, json_pack("{s:s}", "fold", folds[c]));
	snprintf(name, sizeof name, "%s.h5", key);
	write_shard(name, key, c, sha);
	add(&shards, key, json_pack("{s:[o]}", "outputs", output("shard", name, sha)));
	json_t *list = json_array();
	for (int k = 0; k < TILES; k++) {
		snprintf(name, sizeof name, "%s_%d.h5", key, k);
		assert_good(sm_tilefile_write(at(name), &one, xs[c][k], ys[c][k], 1, sha, &err),
			    err);
		json_array_append_new(list, output("tile", name, sha));
	}
	add(&files, key, json_pack("{s:o}", "outputs", list));
}

static int setup(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.loader", "", 0, 0);
	split.records = sm_records_new(NULL);
	shards.records = sm_records_new(NULL);
	files.records = sm_records_new(NULL);
	for (int c = 0; c < CASES; c++) {
		for (int k = 0; k < TILES; k++) {
			for (int i = 0; i < CHANNELS * VOXELS; i++)
				xs[c][k][i] = sm_rng_f32(&rng);
			for (int i = 0; i < VOXELS; i++)
				ys[c][k][i] = (uint8_t)sm_rng_below(&rng, CLASSES + 1);
		}
		write_case(c);
	}
	return 0;
}

static inline struct sm_tiles *list(const struct sm_ledger *ledger, const char *fold)
{
	struct sm_tiles *t;
	assert_good(sm_tiles_list(dir, ledger, &split, fold, NULL, &t, &err), err);
	return t;
}

static inline struct sm_loader_opt options(struct sm_tiles *train, struct sm_tiles *valid)
{
	assert_good(sm_task_classes(&task, CLASSES, false, &err), err);
	return (struct sm_loader_opt){.train = train,
				      .valid = valid,
				      .task = &task,
				      .batch = 3,
				      .seed = 11,
				      .last_epoch = 3,
				      .threads = 1};
}

/* Runs the tests in a folder of their own with the cases in it. */
#define run_in_folder(tests) run_in_folder_(tests, sizeof(tests) / sizeof *(tests))
static inline int run_in_folder_(const struct CMUnitTest *tests, size_t count)
{
	if (folder_make())
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = _cmocka_run_group_tests(__FILE__, tests, count, setup, NULL);
	folder_remove();
	sm_ledger_clear(&split);
	sm_ledger_clear(&shards);
	sm_ledger_clear(&files);
	return failed;
}

#endif
