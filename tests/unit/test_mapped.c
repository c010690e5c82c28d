/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name that stand for memory. */
#include "tests/unit/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "core/mapped.h"
#include "tests/unit/folder.h"

enum { MIB = 1 << 20 };

static struct sm_err err;

/* KiB of /proc/self/status that begin with this key: memory in use, or the most of it so far. */
static long status_kib(const char *key)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtol(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static size_t files_in_folder(void)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	const struct dirent *e;
	assert_non_null(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static int open_files(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void it_is_zero_and_keeps_what_is_written(void **state)
{
	(void)state;
	struct sm_mapped m;
	size_t n = 3 * MIB + 17;
	assert_good(sm_mapped_open(&m, dir, n, "spool", &err), err);
	assert_int_equal(m.bytes, n);
	unsigned char *p = m.data;
	for (size_t i = 0; i < n; i++)
		if (p[i])
			fail_msg("byte %zu is %d", i, p[i]);
	/* By memory and by file, over a page's border and up to the last byte. */
	p[0] = 1;
	p[4095] = 2;
	assert_good(sm_mapped_put(&m, 4096, "abc", 3, "spool", &err), err);
	assert_good(sm_mapped_put(&m, n - 4, "last", 4, "spool", &err), err);
	assert_good(sm_mapped_put(&m, 5, "never", 0, "spool", &err), err);
	assert_true(p[0] == 1 && p[4095] == 2 && p[5] == 0);
	assert_memory_equal(p + 4096, "abc", 3);
	assert_memory_equal(p + n - 4, "last", 4);
	sm_mapped_let_go(&m);
	assert_true(p[0] == 1 && p[4095] == 2 && p[4099] == 0);
	assert_memory_equal(p + n - 4, "last", 4);
	sm_mapped_close(&m);
}

static void no_name_and_no_file_is_left(void **state)
{
	(void)state;
	struct sm_mapped m;
	int before = open_files();
	assert_good(sm_mapped_open(&m, dir, 100, "spool", &err), err);
	assert_int_equal(files_in_folder(), 0);
	assert_int_equal(open_files(), before + 1);
	sm_mapped_close(&m);
	assert_true(!m.data && !m.fd && !m.bytes);
	sm_mapped_close(&m); /* twice, and never opened: nothing */
	struct sm_mapped never = {0};
	sm_mapped_let_go(&never);
	sm_mapped_close(&never);
	assert_int_equal(open_files(), before);
}

static void what_is_let_go_takes_no_memory(void **state)
{
	(void)state;
	enum { PIECE = 8 * MIB, PIECES = 8 };
	struct sm_mapped m;
	if (status_kib("RssShmem:") < 0)
		skip();
	assert_good(sm_mapped_open(&m, dir, (size_t)PIECE * PIECES, "spool", &err), err);
	long before = status_kib("VmRSS:");
	for (int i = 0; i < PIECES; i++) {
		memset((char *)m.data + (size_t)i * PIECE, 'a' + i, PIECE);
		assert_true(status_kib("VmRSS:") - before > PIECE / 2048);
		sm_mapped_let_go(&m);
		if (status_kib("VmRSS:") - before > PIECE / 4096)
			fail_msg("%ld KiB more than before", status_kib("VmRSS:") - before);
	}
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(((char *)m.data)[(size_t)(i + 1) * PIECE - 1], 'a' + i);
	sm_mapped_close(&m);
}

/* No room is told when the file is made, not by a signal when it is written. */
static void no_room_is_told_at_once(void **state)
{
	(void)state;
	struct sm_mapped m;
	struct rlimit old, low;
	int before = open_files();
	getrlimit(RLIMIT_FSIZE, &old);
	low = (struct rlimit){MIB, old.rlim_max};
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &low);
	enum sm_status st = sm_mapped_open(&m, dir, 5 * MIB, "case 7", &err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, handler);
	assert_refused(st, SM_IO, err, "case 7: no room for a temporary file of 5 MiB: ");
	assert_true(!m.data && !m.fd && !m.bytes);
	assert_int_equal(open_files(), before);
	assert_int_equal(files_in_folder(), 0);
}

static void a_write_that_fails_is_told(void **state)
{
	(void)state;
	struct sm_mapped m;
	assert_good(sm_mapped_open(&m, dir, 100, "case 7", &err), err);
	close(m.fd - 1);
	m.fd = open("/dev/null", O_RDONLY) + 1;
	assert_refused(sm_mapped_put(&m, 0, "x", 1, "case 7", &err), SM_IO, err,
		       "case 7: cannot write to a temporary file: ");
	sm_mapped_close(&m);
}

static void a_folder_that_is_none_is_told(void **state)
{
	(void)state;
	struct sm_mapped m;
	int before = open_files();
	assert_refused(sm_mapped_open(&m, at("nowhere"), 100, "case 7", &err), SM_IO, err,
		       "case 7: cannot make a temporary file beside the outputs: No such file");
	assert_true(!m.data && !m.fd);
	assert_int_equal(open_files(), before);
}

static int make(void **state)
{
	(void)state;
	return folder_make();
}

static int drop(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_zero_and_keeps_what_is_written),
		cmocka_unit_test(no_name_and_no_file_is_left),
		cmocka_unit_test(what_is_let_go_takes_no_memory),
		cmocka_unit_test(no_room_is_told_at_once),
		cmocka_unit_test(a_write_that_fails_is_told),
		cmocka_unit_test(a_folder_that_is_none_is_told),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, make, drop);
}
