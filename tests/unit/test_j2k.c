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
#include "ingest/dicom/j2k_head.h"

/* What OpenJPEG held at a failed assertion is lost on purpose. */
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
		       "damaged: they break an assertion");
}

/* The only component has another number of levels than COD says. */
static void test_other_number_of_levels(void **state)
{
	(void)state;
	unsigned char b[1024];
	uint16_t out[17 * 17];
	const struct sm_pixel_format f = {.rows = 17,
					  .columns = 17,
					  .samples = 1,
					  .frames = 1,
					  .bits_allocated = 16,
					  .bits_stored = 16};
	struct sm_stream about;
	struct sm_err err = {0};
	struct sm_j2k_head h;
	FILE *file = fopen("tests/fuzz/seeds/fuzz_j2k/coc", "rb");
	assert_non_null(file);
	size_t n = fread(b, 1, sizeof b, file);
	fclose(file);
	assert_good(sm_j2k_decode(b + 3, n - 3, &f, NULL, out, &about, &err), err);
	for (int y = 0; y < 17; y++)
		for (int x = 0; x < 17; x++)
			assert_int_equal(out[17 * y + x], x * y % 19 * 50);
	assert_int_equal(about.used, n - 3);
	/* The level that COD does not have is in no precincts of one sample: 17 * 17 of them. */
	assert_good(sm_j2k_head_read(b + 3, n - 3, &h, &err), err);
	assert_in_range(h.packets, 2, 16);
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
		cmocka_unit_test(test_other_number_of_levels),
		cmocka_unit_test(test_guard),
	};
	return run_tap(tests);
}
