/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/png.h"

static char *dir;

/* The linker sends our library's calls of malloc here, not libc's own. */
static bool no_memory;
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return no_memory ? NULL : __real_malloc(n);
}

static char *at(const char *name)
{
	return sm_path_join(dir, name);
}

static int make_dir(void **state)
{
	(void)state;
	char path[] = "/tmp/sm-file-XXXXXX";
	dir = strdup(mkdtemp(path));
	return dir ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	struct sm_paths p;
	if (sm_walk(dir, &p, NULL) == SM_OK) {
		for (size_t i = 0; i < p.count; i++) {
			char *full = at(p.path[i]);
			unlink(full);
			free(full);
		}
		sm_paths_clear(&p);
	}
	const char *folders[] = {"b/.hidden", "b", "a.d", "deep/er", "deep"};
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		char *full = at(folders[i]);
		rmdir(full);
		free(full);
	}
	rmdir(dir);
	free(dir);
	return 0;
}

static void test_file_write_then_read_gives_the_bytes(void **state)
{
	(void)state;
	struct sm_err err = {0};
	char *path = at("x.bin");
	unsigned char *data;
	size_t n;
	assert_good(sm_file_write(path, "a\0b", 3, &err), err);
	assert_good(sm_file_read(path, 0, NULL, &data, &n, &err), err);
	assert_int_equal(n, 3);
	assert_memory_equal(data, "a\0b", 4);
	sm_free(data);
	assert_refused(sm_file_read(path, 2, NULL, &data, &n, &err), SM_INPUT, err, "3 bytes long");
	assert_refused(sm_file_read(dir, 0, NULL, &data, &n, &err), SM_INPUT, err,
		       "not a regular file");
	unlink(path);
	assert_refused(sm_file_read(path, 0, NULL, &data, &n, &err), SM_IO, err, "No such file");
	free(path);
}

static void test_file_appears_only_when_committed(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_outfile out;
	char *path = at("late.txt");
	assert_good(sm_outfile_begin(&out, path, true, &err), err);
	assert_true(fputs("half", out.stream) >= 0);
	assert_false(sm_file_exists(path));
	assert_true(sm_file_exists(out.temp));
	sm_outfile_abandon(&out);
	assert_false(sm_file_exists(path));
	assert_good(sm_outfile_begin(&out, path, true, &err), err);
	assert_good(sm_outfile_commit(&out, &err), err);
	assert_true(sm_file_exists(path));
	sm_outfile_abandon(&out); /* fine after a commit */
	assert_true(sm_file_exists(path));
	unlink(path);
	free(path);
}

static void test_files_of_a_set_get_their_names_together(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_outset set = {0}, other = {0};
	char *a = at("set_a"), *b = at("set_b"), *c = at("set_c"), *temp = at(".set_c.partial");
	assert_good(sm_outset_write(&set, a, "a", 1, &err), err);
	assert_good(sm_outset_write(&other, b, "b", 1, &err), err);
	assert_good(sm_outset_move(&set, &other, &err), err);
	assert_int_equal(other.n, 0);
	assert_false(sm_file_exists(a) || sm_file_exists(b));
	assert_good(sm_outset_commit(&set, &err), err);
	assert_true(sm_file_exists(a) && sm_file_exists(b));
	assert_int_equal(set.n, 0);
	unlink(a);
	unlink(b);
	/* b is a folder: what comes after it gets no name and leaves nothing. */
	assert_int_equal(mkdir(b, 0700), 0);
	assert_good(sm_outset_write(&set, a, "a", 1, &err), err);
	assert_good(sm_outset_write(&set, b, "b", 1, &err), err);
	assert_good(sm_outset_write(&set, c, "c", 1, &err), err);
	assert_true(sm_file_exists(temp));
	assert_refused(sm_outset_commit(&set, &err), SM_IO, err, "cannot be put in place");
	assert_false(sm_file_exists(c) || sm_file_exists(temp));
	assert_good(sm_outset_write(&set, c, "c", 1, &err), err);
	sm_outset_abandon(&set);
	assert_false(sm_file_exists(c) || sm_file_exists(temp));
	rmdir(b);
	unlink(a);
	free(a);
	free(b);
	free(c);
	free(temp);
}

/* Files that wait for their names hold no descriptors; where these run out is told as such. */
static void test_few_descriptors(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_outset set = {0};
	struct rlimit old, small;
	char *first = at("set_0"), *last = NULL;
	int taken[64], n = 0;
	getrlimit(RLIMIT_NOFILE, &old);
	small = old;
	small.rlim_cur = 24;
	setrlimit(RLIMIT_NOFILE, &small);
	for (int i = 0; i < 60; i++) {
		free(last);
		char *name = sm_strf("set_%d", i);
		last = at(name);
		free(name);
		assert_good(sm_outset_write(&set, last, "a", 1, &err), err);
	}
	assert_good(sm_outset_commit(&set, &err), err);
	assert_true(sm_file_exists(first) && sm_file_exists(last));
	while (n < 64 && (taken[n] = dup(0)) >= 0)
		n++;
	char hex[65];
	struct sm_paths paths;
	enum sm_status st = sm_sha256_file(first, hex, &err);
	bool scarce = err.scarce;
	enum sm_status told = sm_fail_unreadable(&err, "scan");
	struct sm_err walk = {0};
	enum sm_status walked = sm_walk(dir, &paths, &walk);
	while (n)
		close(taken[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(st, SM_IO);
	assert_true(scarce);
	assert_int_equal(told, SM_IO);
	assert_string_equal(err.text, "scan: too many files are open");
	assert_int_equal(walked, SM_IO);
	for (int i = 0; i < 60; i++) {
		char *name = sm_strf("set_%d", i), *path = at(name);
		unlink(path);
		free(path);
		free(name);
	}
	/* Any other trouble is the file's. */
	assert_int_equal(sm_sha256_file(first, hex, &err), SM_IO);
	assert_int_equal(sm_fail_unreadable(&err, NULL), SM_INPUT);
	assert_string_equal(err.text, "cannot be read");
	free(first);
	free(last);
}

/* A full disk, without one: the kernel's limit on file sizes. */
static void test_file_too_large_for_the_disk_leaves_nothing(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct rlimit old, small;
	char *path = at("big.bin"), *temp = at(".big.bin.partial");
	char *bytes = calloc(1, 200000);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 100000;
	setrlimit(RLIMIT_FSIZE, &small);
	enum sm_status st = sm_file_write(path, bytes, 200000, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_refused(st, SM_IO, err, "big.bin");
	assert_false(sm_file_exists(path));
	assert_false(sm_file_exists(temp));
	free(bytes);
	free(temp);
	free(path);
}

static void touch(const char *name)
{
	struct sm_err err = {0};
	char *path = at(name);
	assert_good(sm_file_write(path, "", 0, &err), err);
	free(path);
}

static void test_walk_is_sorted_and_skips_hidden_and_partial(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paths p;
	char *b = at("b/.hidden"), *a = at("a.d"), *link = at("a.d/loop");
	assert_good(sm_mkdirs(b, &err), err);
	assert_good(sm_mkdirs(a, &err), err);
	assert_int_equal(symlink("..", link), 0);
	touch("b/2");
	touch("b/10");
	touch("b/.hidden/no");
	touch("a.d/z");
	touch("a");
	char *partial = at("b/.2.partial"), *deep = at("b/x/y"), *empty = at("b/empty");
	int fd = open(partial, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_good(sm_mkdirs(deep, &err), err);
	assert_good(sm_mkdirs(empty, &err), err);
	touch("b/x/y/.3.partial");
	touch("b/x/y/.4.partial");
	assert_good(sm_walk(dir, &p, &err), err);
	const char *want[] = {"a", "a.d/z", "b/10", "b/2"};
	assert_int_equal(p.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(p.path[i], want[i]);
	sm_paths_clear(&p);
	assert_good(sm_remove_partials(dir, NULL, &err), err);
	assert_false(sm_file_exists(partial));
	/* Folders that hold nothing any more go together, and no others. */
	char *made = at("b/x");
	assert_true(sm_is_dir(deep));
	sm_remove_empty_folders(dir);
	assert_false(sm_is_dir(made) || sm_is_dir(empty));
	assert_true(sm_is_dir(b));
	free(made), free(deep), free(empty);
	char *no = at("b/.hidden/no");
	unlink(no);
	unlink(link);
	free(no), free(partial), free(link), free(a), free(b);
}

/* Nothing vanishes: what cannot be seen is a path like the others, the rest is counted. */
static void test_walk_counts_what_it_leaves_out(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paths p;
	char text[200];
	const char *folders[] = {"w/.git", "w/.h", "w/SHUT", "w/HALF", "w/open"};
	char *root = at("w");
	for (size_t i = 0; i < 5; i++) {
		char *full = at(folders[i]);
		assert_good(sm_mkdirs(full, &err), err);
		free(full);
	}
	touch("w/SHUT/no");
	touch("w/HALF/seen");
	touch("w/open/file");
	char *shut = at("w/SHUT"), *half = at("w/HALF"), *gone = at("w/gone"), *to = at("w/to"),
	     *pipe_ = at("w/pipe");
	assert_int_equal(symlink("nowhere", gone), 0);
	assert_int_equal(symlink("open", to), 0);
	assert_int_equal(mkfifo(pipe_, 0600), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(shut, 0), 0);
	assert_int_equal(chmod(half, 0644), 0);
	/* Root may read everything. */
	bool user = geteuid() != 0 || seteuid(65534) == 0;
	enum sm_status st = sm_walk(root, &p, &err);
	bool back = getuid() != 0 || seteuid(0) == 0;
	chmod(shut, 0700);
	chmod(half, 0700);
	assert_true(user && back);
	assert_good(st, err);
	const char *want[] = {"HALF/seen", "SHUT", "open/file"};
	assert_int_equal(p.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(p.path[i], want[i]);
	assert_int_equal(p.closed, 2);
	assert_true(sm_paths_left_out(&p, text, sizeof text));
	assert_string_equal(text, "2 hidden folders, 1 link to a folder, 1 broken link, "
				  "1 pipe, socket or device");
	sm_paths_clear(&p);
	assert_false(sm_paths_left_out(&p, text, sizeof text));
	unlink(gone);
	unlink(to);
	unlink(pipe_);
	const char *files[] = {"w/SHUT/no", "w/HALF/seen", "w/open/file"};
	for (size_t i = 0; i < 3; i++) {
		char *full = at(files[i]);
		unlink(full);
		free(full);
	}
	for (size_t i = 0; i < 5; i++) {
		char *full = at(folders[i]);
		rmdir(full);
		free(full);
	}
	rmdir(root);
	free(root), free(shut), free(half), free(gone), free(to), free(pipe_);
}

static void test_keys_that_are_safe_as_names(void **state)
{
	(void)state;
	assert_true(sm_key_is_safe("BraTS20_Training_001"));
	assert_true(sm_key_is_reserved("files.sha256") && sm_key_is_reserved("a.H5"));
	assert_false(sm_key_is_reserved("sub-1.nii.gz") || sm_key_is_reserved("h5"));
	const char *bad[] = {"", ".", "..", ".x", "-rf", "a/b", "a b", "a\n", "\xc3\xa4", "a:b"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(sm_key_is_safe(bad[i]));
}

/* FIPS 180-4 examples and RFC 4231 test case 2. */
static void test_hashes_are_the_published_ones(void **state)
{
	(void)state;
	struct sm_err err = {0};
	char hex[65];
	sm_sha256_bytes("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sm_sha256_bytes("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sm_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, hex);
	assert_string_equal(hex,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	char *path = at("abc");
	assert_good(sm_file_write(path, "abc", 3, &err), err);
	assert_good(sm_sha256_file(path, hex, &err), err);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	unlink(path);
	free(path);
	/* RFC 4231, case 6: a key longer than a block. */
	unsigned char key[131];
	memset(key, 0xaa, sizeof key);
	sm_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First",
		       54, hex);
	assert_string_equal(hex,
			    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_hash_of_a_file_needs_no_memory(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_image image = {
		.width = 3, .height = 1, .channels = 1, .bits = 8, .data = (unsigned char *)dir};
	char hex[65], with[65], *path = at("abc");
	assert_good(sm_file_write(path, "abc", 3, &err), err);
	sm_image_sha256(&image, with);
	no_memory = true;
	struct sm_sha256 *none = sm_sha256_begin();
	enum sm_status st = sm_sha256_file(path, hex, &err);
	no_memory = false;
	assert_null(none);
	assert_good(st, err);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	no_memory = true;
	sm_image_sha256(&image, hex);
	no_memory = false;
	assert_string_equal(hex, with);
	unlink(path);
	free(path);
}

/* This program has no code for tile files: it must not need HDF5 and must say so. */
static void test_content_of_names(void **state)
{
	(void)state;
	struct sm_err err = {0};
	char hex[65];
	assert_true(sm_content_is_bytes("a/image.nii"));
	assert_true(sm_content_is_bytes("image.json"));
	assert_false(sm_content_is_bytes("image.nii.gz"));
	assert_false(sm_content_is_bytes("a/tile.h5"));
	assert_false(sm_content_is_bytes("model.hdf5"));
	assert_refused(sm_content_sha256("a/tile.h5", NULL, hex, &err), SM_INTERNAL, err,
		       "tile.h5");
	assert_string_equal(hex, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_write_then_read_gives_the_bytes),
		cmocka_unit_test(test_file_appears_only_when_committed),
		cmocka_unit_test(test_files_of_a_set_get_their_names_together),
		cmocka_unit_test(test_file_too_large_for_the_disk_leaves_nothing),
		cmocka_unit_test(test_walk_is_sorted_and_skips_hidden_and_partial),
		cmocka_unit_test(test_walk_counts_what_it_leaves_out),
		cmocka_unit_test(test_keys_that_are_safe_as_names),
		cmocka_unit_test(test_hashes_are_the_published_ones),
		cmocka_unit_test(test_hash_of_a_file_needs_no_memory),
		cmocka_unit_test(test_few_descriptors),
		cmocka_unit_test(test_content_of_names),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, make_dir, remove_dir);
}
