/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/h5tile.h"

/* Apart from test_h5tile because the HDF5 library loses some memory when it refuses a damaged file,
 * which the leak checkers of the other tests would report. */
#define K 9
#define VOXELS (4 * 6 * 5) /* Z, Y, X */
#define C 2

static const struct sm_tile_shape shape = {K, C, 4, 6, 5, 0, 0};
static struct sm_mem mem;
static struct sm_err err;
static char path[] = "/tmp/sm_h5d_XXXXXX";
static float xs[K][C * VOXELS];
static uint8_t ys[K][VOXELS];

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

static void fill(void)
{
	for (int k = 0; k < K; k++) {
		for (int i = 0; i < C * VOXELS; i++)
			xs[k][i] = (float)((i * 37 + k * 11) % 101) * 0.37f;
		for (int i = 0; i < VOXELS; i++)
			ys[k][i] = (uint8_t)((i + k) % 4);
	}
}

static void write_shard(int level)
{
	struct sm_shard *shard;
	assert_good(sm_shard_create(path, &shape, "case_007", level, &shard, &err), err);
	for (int32_t k = 0; k < K; k++)
		assert_good(sm_shard_put(shard, k, xs[k], ys[k], (int32_t[3]){k, 1, 2}, &err), err);
	assert_good(sm_shard_commit(shard, NULL, &err), err);
}

/* Reads all tiles of bytes that were written to a file; the worst status of opening and reading. */
static enum sm_status read_all(void)
{
	struct sm_shard *shard;
	struct sm_tile_shape found;
	enum sm_status st = sm_shard_open(path, &shard, &found, NULL, &err);
	if (st != SM_OK)
		return st;
	if (memcmp(&found, &shape, sizeof shape) != 0)
		st = SM_INPUT;
	for (int k = 0; st == SM_OK && k < K; k++) {
		float x[C * VOXELS];
		uint8_t y[VOXELS];
		int32_t start[3];
		st = sm_shard_read(shard, k, x, y, start, &err);
		if (st == SM_OK && (memcmp(x, xs[k], sizeof x) || memcmp(y, ys[k], sizeof y) ||
				    start[0] != k || start[1] != 1 || start[2] != 2))
			st = SM_INTERNAL; /* wrong values under a good status */
	}
	sm_shard_close(shard);
	return st;
}

static void overwrite(const unsigned char *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void test_h5_damage_is_never_read_as_data(void **state)
{
	(void)state;
	unsigned char *bytes;
	size_t n, refused = 0, tried = 0;
	for (int level = 0; level < 2; level++) {
		write_shard(level);
		assert_good(sm_file_read(path, 0, &mem, &bytes, &n, &err), err);
		for (size_t cut = 1; cut < n; cut += 1201) {
			overwrite(bytes, cut);
			assert_int_equal(read_all(), SM_INPUT);
		}
		for (size_t i = 0; i < n; i += 29) {
			bytes[i] ^= 8;
			overwrite(bytes, n);
			enum sm_status st = read_all();
			assert_int_not_equal(st, SM_INTERNAL);
			refused += st != SM_OK;
			tried++;
			bytes[i] ^= 8;
		}
		sm_free(bytes);
	}
	/* the rest are unused bytes of HDF5's own structures */
	assert_true(refused * 2 > tried);
}

int main(void)
{
	sm_mem_init(&mem, 16 << 20);
	fill();
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_h5_damage_is_never_read_as_data),
	};
	int failed = run_tap(tests);
	unlink(path);
	return failed;
}
