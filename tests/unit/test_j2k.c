/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged JPEG 2000 that breaks an assertion of OpenJPEG (scripts/golden_j2k_seeds.py).
 */
#include "tests/unit/tap.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ingest/dicom/j2k.h"
#include "ingest/dicom/j2k_guard.h"

/* OpenJPEG loses the job that it was at: some hundred bytes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libopenjp2";
}

/* OpenJPEG asserts what this stream breaks: that ends the picture, not the program. */
static void test_failed_assertion(void **state)
{
	(void)state;
	unsigned char b[512], out[9 * 9 * 2];
	const struct sm_pixel_format f = {.rows = 9,
					  .columns = 9,
					  .samples = 1,
					  .frames = 1,
					  .bits_allocated = 16,
					  .bits_stored = 16};
	struct sm_stream about;
	struct sm_err err = {0};
	FILE *file = fopen("tests/fuzz/seeds/fuzz_j2k/assertion", "rb");
	assert_non_null(file);
	size_t n = fread(b, 1, sizeof b, file);
	fclose(file);
	assert_refused(sm_j2k_decode(b + 3, n - 3, &f, NULL, out, &about, &err), SM_INPUT, err,
		       "damaged");
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void break_off(void *arg)
{
	int n = 0;
	assert_true(sm_assertions_hold(count, &n));
	assert_int_equal(n, 1);
	count(arg);
	__assert_fail("1 == 2", "file", 3, "break_off");
}

static void test_guard(void **state)
{
	(void)state;
	int n = 0;
	assert_false(sm_assertions_hold(break_off, &n));
	assert_int_equal(n, 1);
	assert_true(sm_assertions_hold(count, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failed_assertion),
		cmocka_unit_test(test_guard),
	};
	return run_tap(tests);
}
