/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue's three forms, and the cache of headers between two index runs.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "ingest/catalogue.h"
#include "ingest/head_cache.h"

static const char records[] =
	"[{\"key\":\"ct-1\",\"status\":\"ok\",\"usable\":false,\"kind\":\"series\",\"modality\":"
	"\"CT\","
	"\"dim\":[512,512,28],\"pixel_mm\":[0.488281,0.488281],\"slice_mm\":[1.0812,6.9994],"
	"\"files\":28,\"tilt_degrees\":18.5,\"verdict\":\"uneven\","
	"\"verdict_reason\":\"distances, \\\"odd\\\"\"},"
	"{\"key\":\"file-2\",\"status\":\"rejected\",\"kind\":\"broken\",\"reason\":\"is empty\"}]";

static char *render(enum sm_catalogue_format format)
{
	struct sm_err err = {0};
	struct sm_records *list = sm_records_new(NULL);
	json_t *r = json_loads(records, 0, NULL), *files = json_pack("{s:i}", "dicom", 28), *record;
	char *text = NULL;
	size_t n, i;
	FILE *stream = open_memstream(&text, &n);
	json_array_foreach(r, i, record)
		assert_good(sm_records_add(list, record, NULL, &err), err);
	assert_good(sm_catalogue_write(list, files, format, stream, NULL, &err), err);
	/* The document is the one that a writer of all at once makes. */
	if (format == SM_CATALOGUE_JSON) {
		json_t *all = json_pack("{s:i, s:O, s:O}", "schema", 1, "files", files, "items", r);
		char *whole =
			json_dumps(all, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(15));
		fflush(stream);
		assert_int_equal(strncmp(text, whole, strlen(whole)), 0);
		free(whole);
		json_decref(all);
	}
	fclose(stream);
	sm_records_free(list);
	json_decref(r);
	json_decref(files);
	return text;
}

static void test_catalogue_forms(void **state)
{
	(void)state;
	char *table = render(SM_CATALOGUE_TABLE);
	assert_non_null(strstr(table, "\nct-1 "));
	assert_non_null(strstr(table, " 512x512x28 "));
	assert_non_null(strstr(table, " 0.4883x0.4883x1.081..6.999 uneven: distances, \"odd\"\n"));
	assert_non_null(strstr(table, " file     - "));
	assert_non_null(strstr(table, " broken: is empty\n"));
	assert_non_null(strstr(table, "28 dicom files\n"));
	free(table);
	char *csv = render(SM_CATALOGUE_CSV);
	assert_non_null(strstr(csv, "key,patient,kind,modality,size,"));
	assert_non_null(strstr(csv, ",uneven,no,\"distances, \"\"odd\"\"\"\n"));
	assert_non_null(strstr(csv, "file-2,,broken,,,,,,,,,,broken,no,is empty\n"));
	free(csv);
	char *text = render(SM_CATALOGUE_JSON);
	json_t *json = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "items")), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "files"), "dicom")), 28);
	json_decref(json);
	free(text);
}

#define STAMP "0123456789012345678901234567890123456789012345678901234567890123"

static struct sm_cached named(char digit, int64_t size)
{
	struct sm_cached e;
	struct stat st = {.st_size = size, .st_mtim = {.tv_sec = 5, .tv_nsec = 7},
			  .st_ctim = {.tv_sec = 6, .tv_nsec = 8}, .st_ino = 9};
	char hex[65];
	memset(&e, 0, sizeof e);
	memset(hex, digit, 64);
	hex[64] = '\0';
	sm_cached_name(&e, hex, &st);
	return e;
}

static bool of(void *ctx, size_t i, struct sm_cached *entry)
{
	*entry = ((const struct sm_cached *)ctx)[i];
	return true;
}

static void test_cache_finds_what_did_not_change(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_head_cache *cache;
	struct sm_dcm_frame frame[2] = {{.slope = 2}, {.slope = 3}};
	char dir[] = "/tmp/scanmill-cache.XXXXXX";
	assert_non_null(mkdtemp(dir));
	struct sm_cached e[3] = {named('c', 30), named('a', 10), named('b', 20)};
	e[0].has_head = true;
	e[0].head.frame_count = 2;
	e[0].head.frame = frame;
	memcpy(e[0].head.syntax_uid, "1.2.840.10008.1.2", 18);
	memcpy(e[1].why, "is empty", 9);
	assert_good(sm_head_cache_save(dir, STAMP, 3, of, e, &err), err);
	assert_good(sm_head_cache_load(dir, STAMP, &cache, &err), err);
	assert_non_null(cache);
	struct sm_cached got = named('c', 30);
	assert_true(sm_head_cache_find(cache, &got));
	assert_int_equal(got.head.frame_count, 2);
	assert_true(got.head.frame[1].slope == 3);
	assert_ptr_equal(got.head.syntax, sm_syntax_find("1.2.840.10008.1.2"));
	free(got.head.frame);
	got = named('a', 10);
	assert_true(sm_head_cache_find(cache, &got));
	assert_string_equal(got.why, "is empty");
	got = named('a', 11);
	assert_false(sm_head_cache_find(cache, &got));
	got = named('d', 10);
	assert_false(sm_head_cache_find(cache, &got));
	got = named('b', 20);
	assert_true(sm_head_cache_find(cache, &got));
	got = named('b', 20);
	got.changed_ns++;
	assert_false(sm_head_cache_find(cache, &got));
	/* cp -p and rsync -t set the time of the content back, not that of the inode */
	got = named('b', 20);
	got.inode_ns++;
	assert_false(sm_head_cache_find(cache, &got));
	got = named('b', 20);
	got.inode++;
	assert_false(sm_head_cache_find(cache, &got));
	sm_head_cache_free(cache);

	char other[] = STAMP;
	other[0] = 'f';
	assert_good(sm_head_cache_load(dir, other, &cache, &err), err);
	assert_null(cache);
	char *path = sm_path_join(dir, SM_HEAD_CACHE_NAME);
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	fseek(f, 300, SEEK_SET);
	int byte = fgetc(f);
	fseek(f, 300, SEEK_SET);
	fputc(byte ^ 1, f);
	fclose(f);
	assert_good(sm_head_cache_load(dir, STAMP, &cache, &err), err);
	assert_null(cache);
	assert_false(sm_head_cache_find(cache, &got));
	unlink(path);
	free(path);
	assert_good(sm_head_cache_load(dir, STAMP, &cache, &err), err);
	assert_null(cache);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_catalogue_forms),
		cmocka_unit_test(test_cache_finds_what_did_not_change),
	};
	return run_tap(tests);
}
