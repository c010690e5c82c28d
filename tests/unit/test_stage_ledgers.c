/* SPDX-License-Identifier: Apache-2.0
 *
 * The stage frame and ledgers that are not what they should be: changed while they are read, pipes,
 * folders.
 */
#include "tests/unit/stage_made.h"

static void test_stage_tells_a_ledger_that_changes_from_a_bad_one(void **state)
{
	(void)state;
	char *parent = sm_path_join(top, "parent"), *ledger = sm_path_join(parent, SM_LEDGER_NAME);
	char *with = sm_strf("--in %s --spoil", parent),
	     *dry = sm_strf("--in %s --spoil --dry-run", parent);
	struct sm_ledger l;
	assert_int_equal(stage_main(""), 0);
	rename(out, parent);
	assert_int_equal(stage_main(with), 4);
	change(parent, SM_LEDGER_NAME); /* back */
	assert_int_equal(stage_main(dry), 4);
	change(parent, SM_LEDGER_NAME);
	assert_int_equal(sm_ledger_read(parent, NULL, &l, NULL), SM_OK);
	sm_ledger_clear(&l);
	free(parent);
	free(ledger);
	free(with);
	free(dry);
}

/* A pipe would keep us waiting; a folder is read as if it were empty. */
static void test_stage_refuses_a_ledger_or_journal_that_is_no_file(void **state)
{
	(void)state;
	static const char *const names[] = {"ledger.jsonl", ".journal.partial"};
	for (size_t i = 0; i < SM_COUNT(names); i++)
		for (int folder = 0; folder < 2; folder++) {
			struct sm_journal *j;
			struct sm_err err = {0};
			assert_int_equal(sm_mkdirs(out, NULL), SM_OK);
			char *path = sm_path_join(out, names[i]);
			assert_int_equal(folder ? mkdir(path, 0700) : mkfifo(path, 0600), 0);
			alarm(20);
			assert_int_equal(stage_main(""), 3);
			assert_refused(sm_journal_open(out, "teststage", &j, &err), SM_INPUT, err,
				       folder ? "is a folder, not a regular file"
					      : "is a pipe, not a regular file");
			if (!i) {
				struct sm_ledger l;
				assert_refused(sm_ledger_read(out, NULL, &l, &err), SM_INPUT, err,
					       folder ? "is a folder" : "is a pipe");
			}
			alarm(0);
			assert_int_equal(folder ? rmdir(path) : unlink(path), 0);
			free(path);
		}
	/* Its successor is ours to replace, whatever it is. */
	char *path = sm_path_join(out, ".journal-new.partial");
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(20);
	assert_int_equal(stage_main(""), 0);
	alarm(0);
	free(path);
}

static void test_journal_tells_a_record_that_changed_from_a_full_disk(void **state)
{
	(void)state;
	struct sm_journal *j;
	struct sm_err err = {0};
	assert_int_equal(stage_main(""), 0);
	assert_good(sm_journal_open(out, "teststage", &j, &err), err);
	change(out, SM_LEDGER_NAME);
	assert_refused(sm_journal_begin(j, NULL, &err), SM_IO, err,
		       "the record of 'i4' has changed while it was read");
	sm_journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(test_stage_tells_a_ledger_that_changes_from_a_bad_one),
		CASE(test_stage_refuses_a_ledger_or_journal_that_is_no_file),
		CASE(test_journal_tells_a_record_that_changed_from_a_full_disk),
	};
	return run_tap(tests);
}
