/* SPDX-License-Identifier: Apache-2.0
 *
 * The stage frame: ledgers, resume, names, what it removes and what it refuses.
 */
#include "tests/unit/stage_made.h"

static void test_stage_good_run_writes_ledger_and_exits_0(void **state)
{
	(void)state;
	struct sm_ledger l;
	struct sm_err err = {0};
	assert_int_equal(stage_main("--jobs 2"), 0);
	assert_good(sm_ledger_read(out, "teststage", &l, &err), err);
	assert_int_equal(sm_records_count(l.records), 5);
	assert_int_equal(sm_records_find(l.records, "i3"), 3);
	assert_int_equal(sm_records_find(l.records, "i9"), SM_NONE);
	assert_null(sm_ledger_get(&l, "i9"));
	char first[65];
	memcpy(first, l.sha256, sizeof first);
	sm_ledger_clear(&l);
	assert_false(there(".journal.partial"));
	assert_int_equal(stage_main("--jobs 1"), 0);
	assert_good(sm_ledger_read(out, "teststage", &l, &err), err);
	assert_string_equal(first, l.sha256);
	sm_ledger_clear(&l);
	assert_refused(sm_ledger_read(out, "other", &l, &err), SM_INPUT, err,
		       "written by stage 'teststage'");
}

static void test_ledger_head_is_that_of_the_whole(void **state)
{
	(void)state;
	struct sm_ledger all, head;
	struct sm_err err = {0};
	assert_int_equal(stage_main("--jobs 1"), 0);
	assert_good(sm_ledger_read(out, NULL, &all, &err), err);
	assert_good(sm_ledger_read_head(out, &head, &err), err);
	assert_null(head.records);
	assert_true(json_equal(head.header, all.header));
	assert_string_equal(head.sha256, all.sha256);
	sm_ledger_clear(&head);
	sm_ledger_clear(&all);
}

static void test_stage_rejected_item_is_recorded_and_exits_1(void **state)
{
	(void)state;
	struct sm_ledger l;
	struct sm_err err = {0};
	assert_int_equal(stage_main("--bad 2"), 1);
	assert_good(sm_ledger_read(out, NULL, &l, &err), err);
	json_t *r = sm_ledger_get(&l, "i2");
	assert_string_equal(sm_json_text(r, "status"), "rejected");
	assert_string_equal(sm_json_text(r, "reason"), "item 2: field is 7, allowed is 8");
	assert_null(json_object_get(r, "outputs"));
	json_decref(r);
	assert_false(there("i2.txt"));
	assert_true(there("i1.txt"));
	sm_ledger_clear(&l);
	assert_int_equal(stage_main("--bad 2 --strict"), 3);
	assert_false(there("ledger.jsonl"));
	assert_int_equal(stage_main("--bad 0 --items 1"), 3);
	assert_true(there("ledger.jsonl"));
}

static void test_stage_resume_redoes_only_what_changed(void **state)
{
	(void)state;
	assert_int_equal(stage_main(""), 0);
	assert_int_equal(worked(), 5);
	assert_int_equal(stage_main("--resume"), 0);
	assert_int_equal(worked(), 0);
	char *path = sm_path_join(out, "i4.txt");
	assert_int_equal(sm_file_write(path, "changed by hand", 15, NULL), SM_OK);
	assert_int_equal(stage_main("--resume"), 0);
	assert_int_equal(worked(), 1);
	unlink(path);
	free(path);
	assert_int_equal(stage_main("--resume"), 0);
	assert_int_equal(worked(), 1);
	assert_int_equal(stage_main("--resume --text other"), 0);
	assert_int_equal(worked(), 5);
}

/* Hashed before or while it works: the same ledger, for good items, bad ones, and unreadable
 * ones. */
static void test_stage_late_inputs_give_the_same_ledger(void **state)
{
	(void)state;
	static const char *const lines[] = {"--declares", "--declares --bad 2",
					    "--declares --bad 3", "--declares --unread 1",
					    "--declares --unread 2"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct sm_ledger late, early;
		struct sm_err err = {0};
		char *again = sm_strf("%s --resume", lines[i]);
		int bad = i > 0;
		assert_int_equal(stage_main(lines[i]), bad);
		assert_int_equal(worked(), 5);
		assert_good(sm_ledger_read(out, "teststage", &late, &err), err);
		/* Good items have their fingerprint; the rejected one is looked at again, inputs
		 * first. */
		assert_int_equal(stage_main(again), bad);
		assert_int_equal(worked(), bad && i < 3);
		assert_good(sm_ledger_read(out, "teststage", &early, &err), err);
		assert_string_equal(late.sha256, early.sha256);
		json_t *r = sm_ledger_get(&late, i == 3 ? "i1" : "i2");
		assert_int_equal(json_array_size(json_object_get(r, "inputs")), i < 3);
		if (i >= 3) {
			assert_non_null(strstr(sm_json_text(r, "reason"), "input cannot be read"));
			assert_null(json_object_get(r, "begun"));
		}
		json_decref(r);
		sm_ledger_clear(&late);
		sm_ledger_clear(&early);
		free(again);
	}
}

static void test_stage_that_failed_goes_on_from_its_journal(void **state)
{
	(void)state;
	assert_int_equal(stage_main("--jobs 1 --broken 3"), 4);
	assert_int_equal(worked(), 4);
	assert_false(there("ledger.jsonl"));
	assert_true(there(".journal.partial"));
	/* --broken is an option and so part of the fingerprint: run the same settings again. */
	assert_int_equal(stage_main("--jobs 1 --broken 3 --resume"), 4);
	assert_int_equal(worked(), 1);
}

static void test_stage_gives_files_their_names_when_the_item_is_done(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_sums *sums;
	char hex[65];
	for (int jobs = 1; jobs < 4; jobs++) {
		char *line = sm_strf("--late --bad 2 --items 9 --jobs %d", jobs);
		assert_int_equal(stage_main(line), 1);
		free(line);
		assert_true(there("i0.txt") && there("i8.txt"));
		assert_false(there("i2.txt") || there(".i2.txt.partial"));
		assert_good(sm_sums_open(out, &sums, &err), err);
		assert_int_equal(sm_sums_count(sums), 9); /* the ledger and eight */
		assert_true(sm_sums_find(sums, "i0.txt", hex));
		assert_int_equal(strspn(hex, "f"), 64);
		sm_sums_close(sums);
	}
	worked();
	assert_int_equal(stage_main("--late --jobs 1 --broken 3"), 4);
	assert_true(there("i2.txt") && there(".journal.partial"));
	assert_false(there(".i3.txt.partial"));
	worked();
	/* What the journal names is there, but its bytes are not those of the hash that was
	 * told. */
	assert_int_equal(stage_main("--late --jobs 1 --broken 3 --resume"), 4);
	assert_int_equal(worked(), 4);
}

static void test_stage_begins_with_the_longest_item(void **state)
{
	(void)state;
	assert_int_equal(stage_main("--jobs 1 --broken 3"), 4);
	assert_int_equal(worked(), 4);
	assert_int_equal(stage_main("--jobs 1 --broken 3 --heavy 3"), 4);
	assert_int_equal(worked(), 1);
}

static void test_stage_tight_budget_gives_the_same_on_any_threads(void **state)
{
	(void)state;
	assert_int_equal(stage_main("--block 6 --memory 8 --jobs 4"), 0);
	assert_int_equal(stage_main("--block 6 --memory 8 --jobs 1"), 0);
	assert_int_equal(stage_main("--block 9 --memory 8 --jobs 4"), 3);
	assert_int_equal(stage_main("--block 9 --memory 8 --jobs 1"), 3);
}

static void test_stage_removes_outputs_that_no_record_names(void **state)
{
	(void)state;
	assert_int_equal(stage_main("--items 6"), 0);
	assert_true(there("i5.txt"));
	assert_int_equal(stage_main("--items 4"), 0);
	assert_true(there("i3.txt"));
	assert_false(there("i5.txt"));
	assert_false(there("i4.txt"));
}

/* A run that was killed between the names of files and their records: the next knows them. */
static void test_stage_removes_named_files_without_a_record(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_journal *j;
	json_t *record = json_pack("{s:s, s:s, s:[{s:s}]}", "key", "i7", "status", "ok", "outputs",
				   "path", "i7.txt");
	const json_t *const records[] = {record};
	char *path = sm_path_join(out, "i7.txt"), *other = sm_path_join(out, "i8.txt");
	assert_int_equal(stage_main("--items 2"), 0);
	assert_good(sm_journal_open(out, "teststage", &j, &err), err);
	assert_good(sm_journal_begin(j, NULL, &err), err);
	assert_good(sm_journal_intend(j, records, 1, &err), err);
	sm_journal_close(j);
	assert_good(sm_file_write(path, "whole", 5, &err), err);
	assert_good(sm_file_write(other, "mine", 4, &err), err);
	/* Another run that fails, too: it is not forgotten. */
	assert_int_equal(stage_main("--items 2 --broken 0 --jobs 1"), 4);
	assert_true(there("i7.txt"));
	assert_int_equal(stage_main("--items 2 --resume"), 0);
	assert_false(there("i7.txt"));
	assert_true(there("i0.txt") && there("i8.txt"));
	assert_false(there(".journal.partial"));
	unlink(other);
	json_decref(record);
	free(path);
	free(other);
}

static void test_stage_refuses_a_folder_that_is_not_its_own(void **state)
{
	(void)state;
	char *path = sm_path_join(out, "notes.txt"), *ledger = sm_path_join(out, "ledger.jsonl");
	const char *other =
		"{\"schema\":1,\"stage\":\"ingest\"}\n"
		"{\"key\":\"a\",\"outputs\":[{\"path\":\"notes.txt\"}],\"status\":\"ok\"}\n";
	assert_int_equal(sm_mkdirs(out, NULL), SM_OK);
	assert_int_equal(sm_file_write(path, "mine", 4, NULL), SM_OK);
	assert_int_equal(stage_main(""), 2);
	assert_int_equal(sm_file_write(ledger, other, strlen(other), NULL), SM_OK);
	assert_int_equal(stage_main(""), 2);
	assert_true(there("notes.txt"));
	assert_true(there("ledger.jsonl"));
	unlink(path);
	unlink(ledger);
	assert_int_equal(stage_main(""), 0);
	char *both = sm_strf("--in %s", out);
	assert_int_equal(stage_main(both), 2);
	assert_true(there("ledger.jsonl"));
	free(both);
	free(path);
	free(ledger);
}

static void test_stage_keeps_its_ledger_when_it_fails_before_any_work(void **state)
{
	(void)state;
	assert_int_equal(stage_main(""), 0);
	assert_int_equal(stage_main("--early true"), 2); /* flags take no value: a stray argument */
	assert_int_equal(stage_main("--early"), 3);
	assert_true(there("ledger.jsonl"));
	assert_false(there(".journal.partial"));
}

static void test_stage_lists_the_bytes_of_its_outputs(void **state)
{
	(void)state;
	struct sm_sums *sums;
	char hex[65];
	struct sm_err err = {0};
	assert_int_equal(stage_main("--items 2"), 0);
	assert_good(sm_sums_open(out, &sums, &err), err);
	assert_int_equal(sm_sums_count(sums), 3); /* and the ledger */
	/* SHA-256 of "hello". */
	assert_true(sm_sums_find(sums, "i1.txt", hex));
	assert_string_equal(hex,
			    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	sm_sums_close(sums);
	char *path = sm_path_join(out, "files.sha256");
	assert_int_equal(sm_file_write(path, "nonsense\n", 9, NULL), SM_OK);
	assert_refused(sm_sums_open(out, &sums, &err), SM_INPUT, err, "line 1");
	free(path);
}

static void test_stage_usage_errors_exit_2_and_touch_nothing(void **state)
{
	(void)state;
	assert_int_equal(stage_main(""), 0);
	assert_int_equal(stage_main("--no-such-option"), 2);
	assert_int_equal(stage_main("--items many"), 2);
	assert_int_equal(stage_main("--items 1 --items 2"), 2);
	assert_int_equal(stage_main("stray"), 2);
	assert_int_equal(stage_main("--in /no/such/folder"), 2);
	assert_int_equal(stage_main("--manifest x.yaml"), 2);
	assert_true(there("ledger.jsonl"));
	char *argv[] = {"teststage", "--log", "error", NULL};
	assert_int_equal(sm_stage_main(&stage, 3, argv), 2); /* --out is missing */
	assert_int_equal(stage_main("--dry-run --items 2"), 0);
	assert_true(there("i4.txt"));
}

/* Numbers have the fewest digits that read back as the same; what looks like one in a text
 * stays. */
static void test_stage_ledger_numbers_are_short(void **state)
{
	(void)state;
	static const char *const lines[][2] = {
		{"[16.260000000000002,0.10000000000000001,-2.2000000000000002]",
		 "[16.26,0.1,-2.2]"},
		{"[0.30000000000000004,0.33333333333333331]",
		 "[0.30000000000000004,0.3333333333333333]"},
		{"[1.0,3,1234567890123456789,1e-20,true,null]",
		 "[1.0,3,1234567890123456789,9.9999999999999995e-21,true,null]"},
		{"{\"a\\\"16.260000000000002\":\"0.10000000000000001\"}",
		 "{\"a\\\"16.260000000000002\":\"0.10000000000000001\"}"},
	};
	for (size_t i = 0; i < SM_COUNT(lines); i++) {
		json_t *value = json_loads(lines[i][0], 0, NULL);
		char *line = sm_json_line(value);
		json_t *again = line ? json_loads(line, 0, NULL) : NULL;
		assert_non_null(line);
		assert_string_equal(line, lines[i][1]);
		assert_true(json_equal(value, again));
		json_decref(value);
		json_decref(again);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(test_stage_good_run_writes_ledger_and_exits_0),
		CASE(test_ledger_head_is_that_of_the_whole),
		CASE(test_stage_rejected_item_is_recorded_and_exits_1),
		CASE(test_stage_resume_redoes_only_what_changed),
		CASE(test_stage_late_inputs_give_the_same_ledger),
		CASE(test_stage_that_failed_goes_on_from_its_journal),
		CASE(test_stage_gives_files_their_names_when_the_item_is_done),
		CASE(test_stage_begins_with_the_longest_item),
		CASE(test_stage_tight_budget_gives_the_same_on_any_threads),
		CASE(test_stage_removes_outputs_that_no_record_names),
		CASE(test_stage_removes_named_files_without_a_record),
		CASE(test_stage_refuses_a_folder_that_is_not_its_own),
		CASE(test_stage_keeps_its_ledger_when_it_fails_before_any_work),
		CASE(test_stage_lists_the_bytes_of_its_outputs),
		CASE(test_stage_usage_errors_exit_2_and_touch_nothing),
		CASE(test_stage_ledger_numbers_are_short),
	};
	return run_tap(tests);
}
