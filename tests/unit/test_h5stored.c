/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets of one stored chunk that never stand in memory: the bytes are those of the library's
 * way, each way reads what the other wrote, a small budget is enough for a large one, and a damaged
 * byte and a full disk are noticed. */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

static struct sm_err err;

/* Sizes about a block of the stream (65535 bytes), in float32 of so many rows and columns. */
static const hsize_t sizes[][2] = {{1, 1},     {1, 7},     {16383, 1}, {16384, 1}, {2, 16384},
				   {1, 65535}, {32767, 2}, {65535, 1}, {3, 100003}};
#define SIZES (sizeof sizes / sizeof *sizes)

static float *values(const hsize_t dims[2])
{
	size_t n = (size_t)(dims[0] * dims[1]);
	float *v = malloc(n * sizeof *v);
	assert_non_null(v);
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(i * 31 % 1009) / 7;
	return v;
}

/* As it was done before: the whole stream in memory, written by the library. */
static bool put_packed(hid_t file, const char *name, const hsize_t dims[2], const void *data,
		       int level)
{
	const hsize_t zero[2] = {0};
	unsigned char *packed = NULL;
	size_t n = 0;
	assert_good(sm_chunk_pack(data, (size_t)(dims[0] * dims[1]) * sizeof(float), false, level,
				  &packed, &n, &err),
		    err);
	hid_t set = sm_h5_chunked(file, name, H5T_IEEE_F32LE, 2, dims, dims, false, level);
	bool good = set >= 0 && H5Dwrite_chunk(set, H5P_DEFAULT, 0, zero, n, packed) >= 0 &&
		    H5Dclose(set) >= 0;
	sm_free(packed);
	return good;
}

/* What a file holds: level -1 = in pieces. */
struct way {
	const hsize_t *dims;
	int level;
};

static enum sm_status put(hid_t file, const char *name, void *arg, struct sm_err *e)
{
	const struct way *w = arg;
	float *v = values(w->dims);
	hid_t list = H5Pcreate(H5P_GROUP_CREATE);
	bool good = H5Pset_obj_track_times(list, false) >= 0;
	hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, list, H5P_DEFAULT);
	good = good && group >= 0;
	H5Pclose(list);
	/* One at the root, one in a group, as the players of a translation write theirs. */
	for (int i = 0; i < 2; i++)
		good = good &&
		       (w->level < 0 ? sm_h5_put_stored(i ? group : file, "v", H5T_IEEE_F32LE, 2,
							w->dims, v)
				     : put_packed(i ? group : file, "v", w->dims, v, w->level));
	if (group >= 0)
		H5Gclose(group);
	free(v);
	return good ? SM_OK : SM_FAIL(e, SM_IO, "%s: no", name);
}

static enum sm_status make(const char *name, const hsize_t dims[2], int level, char content[65])
{
	return sm_h5_write_file(at(name), put, &(struct way){dims, level}, content, &err);
}

static unsigned char *slurp(const char *name, size_t *n)
{
	unsigned char *bytes = NULL;
	assert_good(sm_file_read(at(name), 0, NULL, &bytes, n, &err), err);
	return bytes;
}

static void test_the_bytes_are_the_librarys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		char a[65], b[65], c[65];
		size_t n, m;
		assert_good(make("a.h5", sizes[i], -1, a), err);
		assert_good(make("b.h5", sizes[i], 0, b), err);
		assert_good(make("c.h5", sizes[i], 1, c), err);
		unsigned char *got = slurp("a.h5", &n), *want = slurp("b.h5", &m);
		assert_int_equal(n, m);
		assert_memory_equal(got, want, n);
		assert_string_equal(a, b);
		/* read by the library alone, as it is compressed */
		assert_string_equal(a, c);
		sm_free(got);
		sm_free(want);
	}
}

struct pieces {
	unsigned char *to;
	size_t n, most;
};

static void take(void *ctx, const void *piece, size_t n)
{
	struct pieces *p = ctx;
	memcpy(p->to + p->n, piece, n);
	p->n += n;
	p->most = n > p->most ? n : p->most;
}

/* By the library, and in pieces; false where it cannot be had so. */
static void read_both(const char *name, const hsize_t dims[2], bool by_library, bool in_pieces)
{
	size_t bytes = (size_t)(dims[0] * dims[1]) * sizeof(float);
	float *want = values(dims), *got = malloc(bytes);
	struct pieces p = {.to = malloc(bytes)};
	assert_true(got && p.to);
	hid_t file = sm_h5_open(at(name)), set = H5Dopen2(file, "g/v", H5P_DEFAULT);
	assert_true(set >= 0);
	bool read = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, got) >= 0;
	assert_int_equal(read, by_library);
	if (read)
		assert_memory_equal(got, want, bytes);
	assert_int_equal(sm_h5_read_stored(set, H5T_IEEE_F32LE, take, &p), in_pieces);
	if (in_pieces) {
		assert_int_equal(p.n, bytes);
		assert_memory_equal(p.to, want, bytes);
		assert_true(p.most <= 65536);
		assert_false(sm_h5_read_stored(set, H5T_STD_I32LE, take, &p));
	}
	H5Dclose(set);
	H5Fclose(file);
	free(want);
	free(got);
	free(p.to);
}

static void test_each_reads_what_the_other_wrote(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		assert_good(make("a.h5", sizes[i], -1, NULL), err);
		assert_good(make("b.h5", sizes[i], 0, NULL), err);
		assert_good(make("c.h5", sizes[i], 1, NULL), err);
		read_both("a.h5", sizes[i], true, true);
		read_both("b.h5", sizes[i], true, true);
		/* What deflating would make larger is stored by it, too. */
		read_both("c.h5", sizes[i], true, sizes[i][1] < 10 && sizes[i][0] == 1);
	}
}

static void test_a_small_budget_is_enough(void **state)
{
	(void)state;
	const hsize_t dims[2] = {3, 700001};
	char want[65], got[65];
	struct sm_mem mem;
	sm_mem_init(&mem, (size_t)256 << 10);
	assert_good(make("a.h5", dims, -1, want), err);
	assert_good(sm_h5_content_sha256(at("a.h5"), &mem, got, &err), err);
	assert_string_equal(got, want);
	/* What has to be inflated needs all of it. */
	assert_good(make("a.h5", dims, 1, want), err);
	assert_refused(sm_h5_content_sha256(at("a.h5"), &mem, got, &err), SM_BUDGET, err,
		       "a.h5: needs 8.0 MiB");
}

static long peak_mib(void)
{
	struct rusage usage;
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss >> 10;
}

/* 24 MiB of values, which stand in memory once. */
static void test_a_large_one_takes_no_memory(void **state)
{
	(void)state;
	const hsize_t dims[2] = {24, 1 << 18};
	size_t n = (size_t)(dims[0] * dims[1]);
	float *v = values(dims);
	int error = 0;
	long before = peak_mib();
	hid_t file = sm_h5_create(at("a.h5"), &error);
	assert_true(sm_h5_put_stored(file, "v", H5T_IEEE_F32LE, 2, dims, v));
	assert_true(H5Fclose(file) >= 0);
	assert_int_equal(error, 0);
	assert_true(peak_mib() - before < 8);
	memset(v, 0, n * sizeof *v);
	struct pieces p = {.to = (unsigned char *)v};
	file = sm_h5_open(at("a.h5"));
	hid_t set = H5Dopen2(file, "v", H5P_DEFAULT);
	assert_true(sm_h5_read_stored(set, H5T_IEEE_F32LE, take, &p));
	H5Dclose(set);
	H5Fclose(file);
	assert_true(peak_mib() - before < 8);
	for (size_t i = 0; i < n; i += 997)
		assert_true(v[i] == (float)(i * 31 % 1009) / 7);
	free(v);
}

static void test_any_damaged_byte_is_noticed(void **state)
{
	(void)state;
	const hsize_t dims[2] = {2, 16384};
	float *v = values(dims);
	size_t n, bytes = 2 * 16384 * sizeof *v;
	char hex[65];
	assert_good(make("a.h5", dims, -1, NULL), err);
	unsigned char *file = slurp("a.h5", &n), *first = memmem(file, n, v, 4096);
	assert_non_null(first);
	unsigned char *second = memmem(first + bytes, n - (size_t)(first + bytes - file), v, 4096);
	assert_non_null(second);
	/* Of the dataset in the group: head, block heads, values, sum. */
	unsigned char *base = second - 7;
	const size_t where[] = {
		1, 2, 3, 4, 5, 6, 7, 1000, 7 + 65535, 7 + 65535 + 2, 80000, 7 + 5 * 2 + bytes + 1};
	for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
		base[where[i]] ^= 4;
		assert_good(sm_file_write(at("bad.h5"), file, n, &err), err);
		read_both("bad.h5", dims, false, false);
		assert_refused(sm_h5_content_sha256(at("bad.h5"), NULL, hex, &err), SM_INPUT, err,
			       "dataset /g/v is damaged");
		base[where[i]] ^= 4;
	}
	free(v);
	sm_free(file);
}

static void test_a_full_disk_is_told(void **state)
{
	(void)state;
	const hsize_t dims[2] = {3, 100003};
	struct rlimit old, small;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	/* In the head of the file, in the first stream, in the second. */
	static const rlim_t most[] = {1000, 90000, 1300000};
	for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
		small.rlim_cur = most[i];
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		enum sm_status st = make("full.h5", dims, -1, NULL);
		setrlimit(RLIMIT_FSIZE, &old);
		assert_int_equal(st, SM_IO);
		assert_non_null(strstr(err.text, "full.h5: cannot be written: File too large"));
		assert_false(sm_file_exists(at("full.h5")));
	}
	assert_good(make("full.h5", dims, -1, NULL), err);
}

static int begin(void **state)
{
	(void)state;
	sm_h5_quiet();
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
		cmocka_unit_test(test_the_bytes_are_the_librarys),
		cmocka_unit_test(test_each_reads_what_the_other_wrote),
		cmocka_unit_test(test_a_small_budget_is_enough),
		cmocka_unit_test(test_a_large_one_takes_no_memory),
		cmocka_unit_test(test_any_damaged_byte_is_noticed),
		cmocka_unit_test(test_a_full_disk_is_told),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
