/* SPDX-License-Identifier: Apache-2.0
 *
 * High-throughput JPEG 2000 against a closed form: the files were made by another library
 * (scripts/golden_htj2k.py).
 */
#include "tests/unit/tap.h"

#include <stdio.h>

#include "ingest/dicom/dcm_codec.h"

#define COLUMNS 37
#define ROWS 23

static int expected(int x, int y, bool sign)
{
	return (((7 * x + 13 * y) ^ (x * y)) & 0xfff) - (sign ? 1024 : 0);
}

static void check_file(const char *last, bool sign)
{
	struct sm_mem mem;
	struct sm_err err = {0};
	struct sm_dicom *dcm = NULL;
	char path[200];
	int16_t out[ROWS * COLUMNS];
	struct sm_pixel_format format = {.rows = ROWS,
					 .columns = COLUMNS,
					 .samples = 1,
					 .frames = 1,
					 .bits_allocated = 16,
					 .bits_stored = 16,
					 .high_bit = 15,
					 .is_signed = sign,
					 .photometric = "MONOCHROME2"};
	snprintf(path, sizeof path, "tests/golden/htj2k_%s_%s.dcm", last, sign ? "i16" : "u16");
	sm_mem_init(&mem, 1 << 26);
	assert_good(sm_dicom_open(path, SM_DICOM_WHOLE, &mem, &dcm, &err), err);
	const struct sm_syntax *syntax = sm_syntax_find(sm_dicom_syntax(dcm));
	assert_non_null(syntax);
	assert_int_equal(syntax->way, SM_SYNTAX_J2K);
	assert_good(sm_frames_check(dcm, syntax, &format, &err), err);
	assert_good(sm_frame_decode(dcm, syntax, &format, 0, &mem, out, &err), err);
	for (int y = 0; y < ROWS; y++)
		for (int x = 0; x < COLUMNS; x++)
			assert_int_equal(out[y * COLUMNS + x], expected(x, y, sign));
	sm_dicom_close(dcm);
}

static void lossless(void **state)
{
	(void)state;
	check_file("201", false);
	check_file("201", true);
	check_file("202", false);
	check_file("202", true);
	check_file("203", false);
	check_file("203", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lossless)};
	return run_tap(tests);
}
