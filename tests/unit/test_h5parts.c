/* SPDX-License-Identifier: Apache-2.0
 *
 * Shards with other parts than tiles: no labels, a second image, index, fold.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

#define K 6
#define PIXELS (6 * 5)
#define C 3
#define CB 2

static struct sm_mem mem;
static struct sm_err err;
static char path[] = "/tmp/sm_h5p_XXXXXX";
static float xs[K][C * PIXELS], bs[K][CB * PIXELS];
static uint8_t ys[K][PIXELS];

static struct sm_tile_shape shape_of(int64_t parts, int64_t b)
{
	return (struct sm_tile_shape){.tiles = K,
				      .channels = C,
				      .depth = 1,
				      .height = 6,
				      .width = 5,
				      .b_channels = b,
				      .parts = parts};
}

static struct sm_shard_sample sample_of(int k)
{
	return (struct sm_shard_sample){.x = xs[k],
					.y = ys[k],
					.b = bs[k],
					.place = {10 + k, k % 3, 7},
					.fold = (uint8_t)(k % 3)};
}

static void write_shard(int64_t parts, int64_t b, int level, char content[65])
{
	struct sm_tile_shape shape = shape_of(parts, b);
	struct sm_shard *s;
	assert_good(sm_shard_create(path, &shape, "case_007", level, &s, &err), err);
	for (int k = K - 1; k >= 0; k--) { /* the last first: order does not matter */
		struct sm_shard_sample sample = sample_of(k);
		assert_good(sm_shard_put_sample(s, k, &sample, &err), err);
	}
	assert_good(sm_shard_commit(s, content, &err), err);
}

static void check_shard(int64_t parts, int64_t b)
{
	struct sm_tile_shape shape = shape_of(parts, b), found;
	struct sm_shard *s;
	bool labelled = !(parts & SM_SHARD_UNLABELLED);
	float x[C * PIXELS], second[CB * PIXELS];
	uint8_t y[PIXELS];
	assert_good(sm_shard_open(path, &s, &found, NULL, &err), err);
	assert_memory_equal(&found, &shape, sizeof shape);
	for (int k = 0; k < K; k++) {
		struct sm_shard_room room = {
			.x = x, .y = labelled ? y : NULL, .b = b ? second : NULL};
		assert_good(sm_shard_read_sample(s, k, &room, &err), err);
		assert_memory_equal(x, xs[k], sizeof x);
		if (labelled)
			assert_memory_equal(y, ys[k], sizeof y);
		if (b)
			assert_memory_equal(second, bs[k], sizeof second);
		assert_int_equal(room.place[0], 10 + k);
		assert_int_equal(room.place[1], k % 3);
		assert_int_equal(room.place[2], parts & SM_SHARD_INDEX ? 0 : 7);
		assert_int_equal(room.fold, parts & SM_SHARD_FOLD ? k % 3 : 0);
	}
	struct sm_shard_room none = {.y = y, .b = second};
	if (!labelled || !b)
		assert_int_equal(sm_shard_read_sample(s, 0, &none, &err), SM_INTERNAL);
	sm_shard_close(s);
}

static void test_h5_parts_return_what_was_put(void **state)
{
	(void)state;
	char first[65], content[65], again[65];
	for (int64_t parts = 0; parts <= SM_SHARD_PARTS; parts++)
		for (int64_t b = 0; b <= CB; b += CB)
			for (int level = parts < SM_SHARD_PARTS; level < 2; level++) {
				write_shard(parts, b, level, content);
				check_shard(parts, b);
				assert_good(sm_h5_content_sha256(path, &mem, again, &err), err);
				assert_string_equal(content, again);
				assert_good(sm_shard_named_sha256(path, &mem, again, &err), err);
				assert_string_equal(content, again);
				/* the slow way, through the library's filters */
				assert_good(sm_h5_identity(path, "p", NULL, 0, &mem, again, &err),
					    err);
				assert_string_equal(content, again);
				if (parts == SM_SHARD_PARTS && level) /* whatever the compression */
					assert_string_equal(content, first);
				memcpy(first, content, 65);
			}
}

static void test_h5_missing_part_is_refused(void **state)
{
	(void)state;
	struct sm_tile_shape shape = shape_of(SM_SHARD_INDEX, CB);
	struct sm_shard *s;
	struct sm_shard_sample sample = sample_of(0);
	sample.b = NULL;
	assert_good(sm_shard_create(path, &shape, "case_007", 1, &s, &err), err);
	assert_int_equal(sm_shard_put_sample(s, 0, &sample, &err), SM_INTERNAL);
	sm_shard_abandon(s);
	shape.parts = SM_SHARD_PARTS + 1;
	assert_int_equal(sm_shard_create(path, &shape, "case_007", 1, &s, &err), SM_INTERNAL);
}

/* Inverts one byte at `at`; the worst status of opening and reading all. */
static enum sm_status damaged(const unsigned char *bytes, size_t n, size_t at)
{
	FILE *f = fopen(path, "wb");
	struct sm_shard *s;
	struct sm_tile_shape found, shape = shape_of(SM_SHARD_INDEX | SM_SHARD_FOLD, CB);
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, at, f), at);
	fputc(bytes[at] ^ 0x21, f);
	assert_int_equal(fwrite(bytes + at + 1, 1, n - at - 1, f), n - at - 1);
	fclose(f);
	enum sm_status st = sm_shard_open(path, &s, &found, NULL, &err);
	if (st != SM_OK)
		return st;
	/* a name may be what was damaged: then a part is not there any more */
	if (memcmp(&found, &shape, sizeof shape) != 0)
		st = SM_INPUT;
	for (int k = 0; st == SM_OK && k < K; k++) {
		float x[C * PIXELS], b[CB * PIXELS];
		uint8_t y[PIXELS];
		struct sm_shard_room room = {.x = x, .y = y, .b = b};
		st = sm_shard_read_sample(s, k, &room, &err);
		if (st == SM_OK &&
		    (memcmp(x, xs[k], sizeof x) || memcmp(y, ys[k], sizeof y) ||
		     memcmp(b, bs[k], sizeof b) || room.place[0] != 10 + k || room.fold != k % 3))
			st = SM_INTERNAL; /* wrong values under a good status */
	}
	sm_shard_close(s);
	return st;
}

static void test_h5_damaged_parts_are_never_read_as_data(void **state)
{
	(void)state;
	unsigned char *bytes;
	size_t n, refused = 0;
	write_shard(SM_SHARD_INDEX | SM_SHARD_FOLD, CB, 1, NULL);
	assert_good(sm_file_read(path, 0, &mem, &bytes, &n, &err), err);
	for (size_t at = 0; at < n; at += 7) {
		enum sm_status st = damaged(bytes, n, at);
		assert_true(st == SM_OK || st == SM_INPUT || st == SM_IO);
		refused += st != SM_OK;
	}
	assert_true(refused > n / 7 / 4);
	sm_free(bytes);
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h5_parts_return_what_was_put),
		cmocka_unit_test(test_h5_missing_part_is_refused),
		cmocka_unit_test(test_h5_damaged_parts_are_never_read_as_data),
	};
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	sm_mem_init(&mem, 0);
	for (int k = 0; k < K; k++) {
		for (int i = 0; i < C * PIXELS; i++)
			xs[k][i] = (float)((i * 37 + k * 11) % 101) * 0.37f;
		for (int i = 0; i < CB * PIXELS; i++)
			bs[k][i] = (float)((i * 17 + k * 13) % 103) - 50;
		for (int i = 0; i < PIXELS; i++)
			ys[k][i] = (uint8_t)((i + k) % 4);
	}
	int failed = run_tap(tests);
	unlink(path);
	return failed;
}
