/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/rng.h"

#define K 9
#define VOXELS (4 * 6 * 5) /* Z, Y, X */
#define C 2

static const struct sm_tile_shape shape = {K, C, 4, 6, 5, 0, 0};
static struct sm_mem mem;
static struct sm_err err;
static float xs[K][C * VOXELS];
static uint8_t ys[K][VOXELS];

extern char **environ;

static void fill(void)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.h5tile", "", 0, 0);
	for (int k = 0; k < K; k++) {
		for (int i = 0; i < C * VOXELS; i++)
			xs[k][i] = i % 3 ? sm_rng_f32(&rng) - 0.5f : 0;
		for (int i = 0; i < VOXELS; i++)
			ys[k][i] = (uint8_t)sm_rng_below(&rng, 4);
	}
}

static enum sm_status put(void *shard, size_t i, struct sm_err *e)
{
	const int32_t start[3] = {(int32_t)i, 10 + (int32_t)i, 20};
	return sm_shard_put(shard, (int64_t)i, xs[i], ys[i], start, e);
}

static enum sm_status put_backwards(void *shard, size_t i, struct sm_err *e)
{
	return put(shard, K - 1 - i, e);
}

static void write_shard(const char *path, int level, int jobs, sm_par_body body, char content[65])
{
	struct sm_shard *shard;
	assert_good(sm_shard_create(path, &shape, "case_007", level, &shard, &err), err);
	assert_good(sm_par_for(K, jobs, body, shard, &err), err);
	assert_good(sm_shard_commit(shard, content, &err), err);
}

static void test_h5_shuffle_is_undone(void **state)
{
	(void)state;
	unsigned char in[4 * 77], mid[4 * 77], out[4 * 77];
	for (size_t n = 0; n <= 77; n++) {
		for (size_t i = 0; i < 4 * n; i++)
			in[i] = (unsigned char)(i * 37 + 11);
		sm_shuffle4(in, mid, n);
		for (size_t i = 0; i < n; i++)
			for (size_t p = 0; p < 4; p++)
				assert_int_equal(mid[p * n + i], in[4 * i + p]);
		sm_unshuffle4(mid, out, n);
		assert_memory_equal(in, out, 4 * n);
	}
}

static void test_h5_shard_returns_what_was_put(void **state)
{
	(void)state;
	static const int levels[] = {0, 1, 6, 12};
	char first[65] = "";
	for (int l = 0; l < 4; l++) {
		char content[65], again[65], key[128];
		struct sm_shard *shard;
		struct sm_tile_shape found;
		char *path = at("a.h5");
		write_shard(path, levels[l], 1, put, content);
		assert_good(sm_content_sha256(path, &mem, again, &err), err);
		assert_string_equal(content, again);
		/* the slow way, through the library's filters, must find the same */
		assert_good(sm_h5_identity(path, "a.h5", NULL, 0, &mem, again, &err), err);
		assert_string_equal(content, again);
		if (l)
			assert_string_equal(content, first); /* whatever the compression */
		memcpy(first, content, 65);
		assert_good(sm_shard_open(path, &shard, &found, key, &err), err);
		assert_string_equal(key, "case_007");
		assert_memory_equal(&found, &shape, sizeof shape);
		for (int k = K - 1; k >= 0; k--) {
			float x[C * VOXELS];
			uint8_t y[VOXELS];
			int32_t start[3];
			assert_good(sm_shard_read(shard, k, x, y, start, &err), err);
			assert_memory_equal(x, xs[k], sizeof x);
			assert_memory_equal(y, ys[k], sizeof y);
			assert_true(start[0] == k && start[1] == 10 + k && start[2] == 20);
			assert_good(sm_shard_read(shard, k, NULL, y, NULL, &err), err);
		}
		assert_int_equal(sm_shard_read(shard, K, NULL, NULL, NULL, &err), SM_INTERNAL);
		sm_shard_close(shard);
	}
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_h5_shard_bytes_do_not_depend_on_order_or_threads(void **state)
{
	(void)state;
	char hash[4][65], content[65];
	write_shard(at("a.h5"), 1, 1, put, content);
	write_shard(at("b.h5"), 1, 1, put_backwards, content);
	write_shard(at("c.h5"), 1, 3, put, content);
	write_shard(at("d.h5"), 1, 4, put_backwards, content);
	assert_good(sm_sha256_file(at("a.h5"), hash[0], &err), err);
	assert_good(sm_sha256_file(at("b.h5"), hash[1], &err), err);
	assert_good(sm_sha256_file(at("c.h5"), hash[2], &err), err);
	assert_good(sm_sha256_file(at("d.h5"), hash[3], &err), err);
	for (int i = 1; i < 4; i++)
		assert_string_equal(hash[0], hash[i]);
}

static void test_h5_identity_sees_every_value_and_attribute(void **state)
{
	(void)state;
	char one[65], two[65];
	struct sm_shard *shard;
	write_shard(at("a.h5"), 1, 1, put, one);
	xs[4][17] += 1;
	write_shard(at("a.h5"), 1, 1, put, two);
	xs[4][17] -= 1;
	assert_string_not_equal(one, two);
	ys[8][VOXELS - 1] ^= 1;
	write_shard(at("a.h5"), 1, 1, put, two);
	ys[8][VOXELS - 1] ^= 1;
	assert_string_not_equal(one, two);
	assert_good(sm_shard_create(at("a.h5"), &shape, "case_008", 1, &shard, &err), err);
	assert_good(sm_par_for(K, 1, put, shard, &err), err);
	assert_good(sm_shard_commit(shard, two, &err), err);
	assert_string_not_equal(one, two);
	fill();
	write_shard(at("a.h5"), 1, 1, put, two);
	assert_string_equal(one, two);
}

static void test_h5_unfinished_shard_leaves_nothing(void **state)
{
	(void)state;
	struct sm_shard *shard;
	char content[65], *path = at("half.h5");
	assert_good(sm_shard_create(path, &shape, "case_007", 1, &shard, &err), err);
	for (size_t k = 0; k < K; k++)
		if (k != 5)
			assert_good(put(shard, k, &err), err);
	assert_refused(sm_shard_commit(shard, content, &err), SM_INTERNAL, err,
		       "tile 5 of 9 never came");
	assert_false(sm_file_exists(path));
	assert_int_equal(access(at(".half.h5.partial"), F_OK), -1);
	assert_good(sm_shard_create(path, &shape, "case_007", 1, &shard, &err), err);
	assert_good(put(shard, 2, &err), err);
	assert_refused(put(shard, 2, &err), SM_INTERNAL, err, "twice");
	sm_shard_abandon(shard);
	assert_int_equal(access(at(".half.h5.partial"), F_OK), -1);
	sm_shard_abandon(NULL);
	assert_int_equal(sm_shard_create(at("no/where.h5"), &shape, "case_007", 1, &shard, &err),
			 SM_IO);
	assert_int_equal(sm_shard_create(path, &shape, "../x", 1, &shard, &err), SM_INTERNAL);
	assert_null(shard);
}

static void test_h5_full_disk_is_a_sentence(void **state)
{
	(void)state;
	struct sm_shard *shard;
	struct rlimit old, tight;
	char *path = at("full.h5"), content[65];
	getrlimit(RLIMIT_FSIZE, &old);
	tight = old;
	signal(SIGXFSZ, SIG_IGN);
	/* room for nothing, for some tiles, for all tiles but not for what stands behind them */
	for (rlim_t room = 0; room < 15000; room += room < 12000 ? 4000 : 500) {
		tight.rlim_cur = room;
		setrlimit(RLIMIT_FSIZE, &tight);
		enum sm_status st = sm_shard_create(path, &shape, "case_007", 0, &shard, &err);
		if (st == SM_OK) {
			sm_par_for(K, 1, put, shard, &err);
			st = sm_shard_commit(shard, content, &err);
		}
		setrlimit(RLIMIT_FSIZE, &old);
		assert_refused(st, SM_IO, err, "File too large");
		assert_false(sm_file_exists(path));
		assert_int_equal(access(at(".full.h5.partial"), F_OK), -1);
	}
	write_shard(at("after.h5"), 1, 1, put, content); /* the library works on */
}

static void test_h5_tile_file_of_the_original_layout(void **state)
{
	(void)state;
	const struct sm_tile_shape one = {1, C, 4, 6, 5, 0, 0};
	char content[65], again[65], *path = at("case_total.nii_0_x0_y10_z20.h5");
	struct sm_tile_shape found;
	for (int level = 0; level < 3; level++) {
		float x[C * VOXELS];
		uint8_t y[VOXELS];
		assert_good(sm_tilefile_write(path, &one, xs[3], ys[3], level, content, &err), err);
		assert_good(sm_content_sha256(path, &mem, again, &err), err);
		assert_string_equal(content, again);
		assert_good(sm_tilefile_read(path, &found, NULL, NULL, &err), err);
		assert_memory_equal(&found, &one, sizeof one);
		assert_good(sm_tilefile_read(path, &found, x, y, &err), err);
		assert_memory_equal(x, xs[3], sizeof x);
		assert_memory_equal(y, ys[3], sizeof y);
	}
	found.width++;
	float x[C * VOXELS];
	assert_int_equal(sm_tilefile_read(path, &found, x, NULL, &err), SM_INPUT);
	uint8_t four[VOXELS] = {4};
	assert_refused(sm_tilefile_write(path, &one, xs[3], four, 1, NULL, &err), SM_INPUT, err,
		       "above 3");
	const struct sm_tile_shape single = {1, 1, 4, 6, 5, 0, 0}; /* one channel: one slab */
	for (int level = 0; level < 3; level++) {
		assert_good(sm_tilefile_write(path, &single, xs[3], ys[3], level, content, &err),
			    err);
		assert_good(sm_content_sha256(path, &mem, again, &err), err);
		assert_string_equal(content, again);
	}
}

/* What tile tells of a file's bytes without reading them again is what they are. */
static void test_h5_tile_file_tells_the_hash_of_its_bytes(void **state)
{
	(void)state;
	const struct sm_tile_shape one = {1, C, 4, 6, 5, 0, 0};
	char content[65], bytes[65], again[65], *path = at("bytes.h5");
	for (int level = 0; level < 3; level++) {
		struct sm_tilefile *t = NULL;
		assert_good(sm_tilefile_begin(path, &one, &t, &err), err);
		for (int64_t c = 0; c < C; c++)
			sm_tilefile_put_channel(t, c, xs[2] + (size_t)c * (VOXELS));
		assert_good(sm_tilefile_put_labels(t, ys[2], &err), err);
		assert_good(sm_tilefile_end(t, NULL, level, content, bytes, &err), err);
		assert_good(sm_sha256_file(path, again, &err), err);
		assert_string_equal(bytes, again);
	}
}

/* h5py must find the axes as documented, without plugins. */
static void test_h5_python_reads_both_layouts(void **state)
{
	(void)state;
	static const char script[] =
	    "import sys\n"
	    "try:\n"
	    "    import h5py, numpy as np\n"
	    "except ImportError:\n"
	    "    sys.exit(77)\n"
	    "s = h5py.File(sys.argv[1], 'r'); t = h5py.File(sys.argv[2], 'r')\n"
	    "x, y = s['x'][3], s['y'][3]\n"
	    "assert s['x'].shape == (9, 2, 4, 6, 5) and s['x'].dtype == np.float32\n"
	    "assert s['y'].dtype == np.uint8 and list(s['start'][3]) == [3, 13, 20]\n"
	    "assert s.attrs['case'] == b'case_007'\n"
	    "assert (t['x'][()] == x.transpose(0, 3, 2, 1)).all() and t['x'].shape == (2, 5, 6, "
	    "4)\n"
	    "hot = np.stack([y == k for k in (1, 2, 3)]).transpose(0, 3, 2, 1)\n"
	    "assert (t['y'][()] == hot).all() and x.any() and hot.any()\n";
	const struct sm_tile_shape one = {1, C, 4, 6, 5, 0, 0};
	char content[65], *shard = at("py.h5"), *tile = at("pyt.h5");
	write_shard(shard, 1, 1, put, content);
	assert_good(sm_tilefile_write(tile, &one, xs[3], ys[3], 1, NULL, &err), err);
	char *argv[] = {"python3", "-c", (char *)(uintptr_t)script, shard, tile, NULL};
	pid_t pid;
	int status = 0;
	if (posix_spawn(&pid, "/usr/bin/python3", NULL, NULL, argv, environ))
		skip();
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
		skip();
	assert_int_equal(status, 0);
}

static int begin(void **state)
{
	(void)state;
	sm_mem_init(&mem, 256 << 20);
	fill();
	return folder_make();
}

static int end(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_h5_shuffle_is_undone),
	    cmocka_unit_test(test_h5_shard_returns_what_was_put),
	    cmocka_unit_test(test_h5_shard_bytes_do_not_depend_on_order_or_threads),
	    cmocka_unit_test(test_h5_identity_sees_every_value_and_attribute),
	    cmocka_unit_test(test_h5_unfinished_shard_leaves_nothing),
	    cmocka_unit_test(test_h5_full_disk_is_a_sentence),
	    cmocka_unit_test(test_h5_tile_file_of_the_original_layout),
	    cmocka_unit_test(test_h5_tile_file_tells_the_hash_of_its_bytes),
	    cmocka_unit_test(test_h5_python_reads_both_layouts),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
