/* SPDX-License-Identifier: Apache-2.0
 *
 * Records that stand in a file: a list that is made, one that is read, and what happens when its
 * file changes; texts that are sorted outside memory; the list of
 * bytes. */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/par.h"
#include "core/sorter.h"
#include "core/sums.h"

static struct sm_err err;

static json_t *made(const char *key, size_t length)
{
	char *text = calloc(1, length + 1);
	memset(text, 'x', length);
	json_t *record = json_pack("{s:s, s:s, s:s}", "key", key, "status", "ok", "text", text);
	free(text);
	return record;
}

static void add(struct sm_records *r, const char *key, size_t length, const char *note)
{
	json_t *record = made(key, length), *about = note ? json_pack("{s:s}", "note", note) : NULL;
	assert_good(sm_records_add(r, record, about, &err), err);
	json_decref(record);
	json_decref(about);
}

static size_t length_of(struct sm_records *r, const char *key)
{
	json_t *record = sm_records_get(r, sm_records_find(r, key));
	size_t n = json_string_length(json_object_get(record, "text"));
	json_decref(record);
	return n;
}

static void test_records_come_back_sorted_with_their_notes(void **state)
{
	(void)state;
	static const char *const order[] = {"a", "b", "c"};
	struct sm_records *r = sm_records_new(dir);
	size_t i;
	json_t *record;
	assert_int_equal(sm_records_count(r), 0);
	assert_null(sm_records_get(r, 0));
	add(r, "b", 1, NULL);
	add(r, "c", 3 << 20, "of c"); /* longer than any buffer */
	add(r, "a", 70000, NULL);
	sm_records_sort(r);
	assert_null(sm_records_twice(r));
	sm_records_foreach(r, i, record)
	{
		assert_string_equal(sm_record_key(record), order[i]);
		assert_string_equal(sm_records_key(r, i), order[i]);
	}
	assert_int_equal(i, 3);
	assert_int_equal(length_of(r, "c"), 3 << 20);
	assert_int_equal(length_of(r, "a"), 70000);
	json_t *note = sm_records_note(r, 2);
	assert_string_equal(sm_json_text(note, "note"), "of c");
	json_decref(note);
	assert_null(sm_records_note(r, 0));
	assert_int_equal(sm_records_find(r, "bb"), SM_NONE);
	assert_good(sm_records_check(r, &err), err);
	struct sm_records *same = sm_records_share(r);
	sm_records_free(r);
	assert_int_equal(sm_records_count(same), 3);
	sm_records_free(same);
}

static void test_a_key_that_stands_twice_is_told(void **state)
{
	(void)state;
	struct sm_records *r = sm_records_new(NULL);
	struct sm_ledger l = {.header = json_object(), .records = r};
	add(r, "b", 5, NULL);
	add(r, "a", 1, NULL);
	add(r, "b", 9, NULL);
	assert_refused(sm_ledger_sort(&l, &err), SM_INTERNAL, err, "key 'b' stands twice");
	assert_int_equal(length_of(r, "b"), 9); /* the later one */
	sm_ledger_clear(&l);
}

static enum sm_status add_one(void *ctx, size_t i, struct sm_err *why)
{
	char key[16];
	snprintf(key, sizeof key, "k%03zu", i);
	json_t *record = made(key, i * 37);
	enum sm_status st = sm_records_add(ctx, record, NULL, why);
	json_decref(record);
	return st;
}

static enum sm_status look_at_one(void *ctx, size_t i, struct sm_err *why)
{
	char key[16];
	snprintf(key, sizeof key, "k%03zu", i);
	return length_of(ctx, key) == i * 37 ? SM_OK : SM_FAIL(why, SM_INTERNAL, "%s", key);
}

static void test_threads_add_and_look(void **state)
{
	(void)state;
	struct sm_records *r = sm_records_new(dir);
	assert_good(sm_par_for(200, 4, add_one, r, &err), err);
	sm_records_sort(r);
	assert_good(sm_par_for(200, 4, look_at_one, r, &err), err);
	sm_records_free(r);
}

/* A ledger of three records, of which one is long. */
static void write_ledger(const char *path)
{
	struct sm_ledger l = {
		.header = json_pack("{s:i, s:s}", "schema", SM_LEDGER_SCHEMA, "stage", "some"),
		.records = sm_records_new(NULL)};
	add(l.records, "a", 10, NULL);
	add(l.records, "b", 200000, NULL);
	add(l.records, "c", 10, NULL);
	assert_good(sm_ledger_write(&l, dir, &err), err);
	assert_string_equal(path, at(SM_LEDGER_NAME));
	sm_ledger_clear(&l);
}

static void test_another_ledger_of_the_same_name_changes_nothing(void **state)
{
	(void)state;
	struct sm_ledger l;
	const char *path = at(SM_LEDGER_NAME);
	write_ledger(path);
	assert_good(sm_ledger_read(dir, "some", &l, &err), err);
	assert_good(sm_file_write(path, "nothing", 7, &err), err);
	assert_int_equal(length_of(l.records, "b"), 200000);
	assert_good(sm_records_check(l.records, &err), err);
	sm_ledger_clear(&l);
}

static void test_a_ledger_changed_in_place_is_told(void **state)
{
	(void)state;
	struct sm_ledger l;
	const char *path = at(SM_LEDGER_NAME);
	for (int cut = 0; cut < 2; cut++) {
		write_ledger(path);
		assert_good(sm_ledger_read(dir, "some", &l, &err), err);
		FILE *f = fopen(path, "r+");
		fseek(f, 100000, SEEK_SET);
		assert_int_equal(cut ? ftruncate(fileno(f), 100000) : fputc('y', f) != 'y', 0);
		fclose(f);
		assert_int_equal(length_of(l.records, "a"), 10);
		assert_int_equal(length_of(l.records, "b"), 0);
		assert_refused(sm_records_check(l.records, &err), SM_IO, err,
			       cut ? "became shorter" : "'b' has changed");
		sm_ledger_clear(&l);
	}
}

static enum sm_status look_and_check(void *ctx, size_t i, struct sm_err *why)
{
	struct sm_err told = {0};
	json_t *record = sm_records_get(ctx, i % 2);
	enum sm_status st = sm_records_check(ctx, &told);
	json_decref(record);
	/* Whoever is told is told the whole sentence; who just failed is told. */
	bool whole = strstr(told.text, "'b' has changed while it was read");
	return (st == SM_IO) == whole && (i % 2 == 0 || (!record && whole))
		       ? SM_OK
		       : SM_FAIL(why, SM_INTERNAL, "%zu: '%s'", i, told.text);
}

static void test_threads_are_told_of_a_change(void **state)
{
	(void)state;
	struct sm_ledger l;
	const char *path = at(SM_LEDGER_NAME);
	write_ledger(path);
	assert_good(sm_ledger_read(dir, "some", &l, &err), err);
	FILE *f = fopen(path, "r+");
	fseek(f, 100000, SEEK_SET);
	fputc('y', f);
	fclose(f);
	assert_good(sm_par_for(200, 4, look_and_check, l.records, &err), err);
	sm_ledger_clear(&l);
}

static void test_ledgers_that_are_none_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *lines, *why;
	} bad[] = {
		{"", "is empty"},
		{"{\"schema\":1}\n", "'stage' is missing"},
		{"{\"schema\":1,\"stage\":\"s\"}\n{\"key\":\"a\",\"status\":\"ok\"}",
		 "line 2: is cut short"},
		{"{\"schema\":1,\"stage\":\"s\"}\n[1]\n", "line 2: is not a JSON object"},
		{"{\"schema\":1,\"stage\":\"s\"}\n{\"key\":\"a\"}\n", "line 2: is no record"},
		{"{\"schema\":1,\"stage\":\"s\"}\n{\"key\":\"b\",\"status\":\"ok\"}\n{\"key\":"
		 "\"a\",\"status\":\"ok\"}\n",
		 "line 3: key 'a' is a duplicate or out of order"},
		{"{\"schema\":1,\"stage\":\"s\"}\n{\"key\":\"b\",\"status\":\"ok\"}\n{\"key\":"
		 "\"b\",\"status\":\"ok\"}\n",
		 "line 3: key 'b' is a duplicate or out of order"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct sm_ledger l;
		assert_good(
			sm_file_write(at(SM_LEDGER_NAME), bad[i].lines, strlen(bad[i].lines), &err),
			err);
		assert_refused(sm_ledger_read(dir, NULL, &l, &err), SM_INPUT, err, bad[i].why);
		assert_null(l.records);
	}
}

/* Entries by a number that jumps about; half of the keys stand twice. */
static void fill(struct sm_sorter *s, size_t n)
{
	char key[32], text[32];
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof key, "key%05zu", i * 7919 % n / 2);
		snprintf(text, sizeof text, "%05zu", i * 7919 % n);
		assert_good(sm_sorter_add(s, key, text, &err), err);
	}
}

static void test_sorter_is_the_same_in_any_room(void **state)
{
	(void)state;
	static const size_t rooms[] = {0, 64, 1000};
	for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
		struct sm_sorter *s = sm_sorter_new(dir, rooms[k]);
		const char *key, *text;
		char wanted[32];
		fill(s, 2000);
		for (size_t i = 0; i < 2000; i++) {
			assert_good(sm_sorter_next(s, &key, &text, &err), err);
			assert_non_null(key);
			snprintf(wanted, sizeof wanted, "key%05zu", i / 2);
			assert_string_equal(key, wanted);
			snprintf(wanted, sizeof wanted, "%05zu", i);
			assert_string_equal(text, wanted);
		}
		assert_good(sm_sorter_next(s, &key, &text, &err), err);
		assert_null(key);
		sm_sorter_free(s);
	}
}

static void test_sorter_takes_what_is_longer_than_its_room(void **state)
{
	(void)state;
	struct sm_sorter *s = sm_sorter_new(dir, 100);
	const char *key, *text;
	char *longer = calloc(1, 20001);
	memset(longer, 'z', 20000);
	assert_good(sm_sorter_add(s, "b", longer, &err), err);
	assert_good(sm_sorter_add(s, longer, "", &err), err);
	assert_good(sm_sorter_add(s, "a", "", &err), err);
	assert_good(sm_sorter_next(s, &key, &text, &err), err);
	assert_string_equal(key, "a");
	assert_good(sm_sorter_next(s, &key, &text, &err), err);
	assert_string_equal(key, "b");
	assert_int_equal(strlen(text), 20000);
	assert_good(sm_sorter_next(s, &key, &text, &err), err);
	assert_int_equal(strlen(key), 20000);
	sm_sorter_free(s);
	s = sm_sorter_new(dir, 0);
	assert_good(sm_sorter_next(s, &key, &text, &err), err);
	assert_null(key);
	sm_sorter_free(s);
	free(longer);
}

static void test_sums_are_found_in_lists_of_any_length(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 63, 64, 65, 1000};
	struct sm_sums *sums;
	char hex[65], path[32];
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		FILE *f = fopen(at(SM_SUMS_NAME), "w");
		fprintf(f, "%064d  " SM_LEDGER_NAME "\n", 7);
		for (size_t i = 0; i < lengths[k]; i++)
			fprintf(f, "%064zu  f%05zu.txt\n", i, 2 * i);
		fclose(f);
		assert_good(sm_sums_open(dir, &sums, &err), err);
		assert_int_equal(sm_sums_count(sums), lengths[k] + 1);
		assert_int_equal(strtol(sm_sums_ledger(sums), NULL, 10), 7);
		for (size_t i = 0; i < 2 * lengths[k]; i++) {
			snprintf(path, sizeof path, "f%05zu.txt", i);
			assert_int_equal(sm_sums_find(sums, path, hex), i % 2 == 0);
			if (i % 2 == 0)
				assert_int_equal(strtoul(hex, NULL, 10), i / 2);
		}
		assert_false(sm_sums_find(sums, "a", hex) || sm_sums_find(sums, "z", hex));
		sm_sums_close(sums);
	}
	const char *swapped =
		"0000000000000000000000000000000000000000000000000000000000000000  b\n"
		"0000000000000000000000000000000000000000000000000000000000000000  a\n";
	assert_good(sm_file_write(at(SM_SUMS_NAME), swapped, strlen(swapped), &err), err);
	assert_refused(sm_sums_open(dir, &sums, &err), SM_INPUT, err,
		       "line 2: its path is out of order");
	assert_false(sm_sums_find(NULL, "a", hex));
}

static int setup(void **state)
{
	(void)state;
	return folder_make();
}

static int teardown(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_come_back_sorted_with_their_notes),
		cmocka_unit_test(test_a_key_that_stands_twice_is_told),
		cmocka_unit_test(test_threads_add_and_look),
		cmocka_unit_test(test_another_ledger_of_the_same_name_changes_nothing),
		cmocka_unit_test(test_a_ledger_changed_in_place_is_told),
		cmocka_unit_test(test_threads_are_told_of_a_change),
		cmocka_unit_test(test_ledgers_that_are_none_are_refused),
		cmocka_unit_test(test_sorter_is_the_same_in_any_room),
		cmocka_unit_test(test_sorter_takes_what_is_longer_than_its_room),
		cmocka_unit_test(test_sums_are_found_in_lists_of_any_length),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, setup, teardown);
}
