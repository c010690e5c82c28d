/* SPDX-License-Identifier: Apache-2.0
 *
 * The DICOM reader on byte streams made by hand: numbers, private elements, fragments.
 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/dicom_stream.h"

static void test_private_vr_by_creator(void **state)
{
	(void)state;
	struct stream *s = start(ILE);
	text(s, 0x20050010, "LO", "SOMEBODY ELSE");
	text(s, 0x20050011, "LO", "Philips MR Imaging DD 001");
	head(s, 0x2005100e, "FL", 4);
	raw(s, "\0\0\x80\x3f", 4);
	head(s, 0x2005110e, "FL", 4);
	raw(s, "\0\0\x80\x3f", 4);
	struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
	struct sm_dataset set = sm_dicom_data(dcm);
	uint32_t t = sm_dataset_private(&set, 0x2005, "Philips MR Imaging DD 001", 0x0e);
	assert_int_equal(t, 0x2005110e);
	assert_true(sm_dataset_number_or(&set, t, 0) == 1);
	assert_true(sm_dataset_number_or(&set, 0x2005100e, 7) == 7);
	sm_dicom_close(dcm);
	free(s);
}

static void test_decimals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int count;
		double first;
	} rows[] = {{"1.5\\-2e1\\ 3 ", 3, 1.5},
		    {"0.1", 1, 0.1},
		    {" -1234567890123456.7 ", 1, -1234567890123456.7},
		    {"+.5E-3", 1, .5e-3},
		    {"5.", 1, 5},
		    {"1e308", 1, 1e308},
		    {"0.000001234", 1, 1.234e-6},
		    {"123456789012345678901234567890", 1, 123456789012345678901234567890.0},
		    {"2.2250738585072014e-308", 1, 2.2250738585072014e-308},
		    {"9007199254740993", 1, 9007199254740992.0},
		    {"1\\2\\3\\4\\5", 5, 1},
		    {"", 0, -7},
		    {"  ", 0, -7},
		    {"nan", -1, -7},
		    {"inf", -1, -7},
		    {"0x10", -1, -7},
		    {"1,5", -1, -7},
		    {"1 2", -1, -7},
		    {"1\\\\2", -1, -7},
		    {"abc", -1, -7},
		    {"1e999", -1, -7},
		    {"--1", -1, -7},
		    {".", -1, -7},
		    {"1e", -1, -7},
		    {"\\1", -1, -7},
		    {"1\\", -1, -7}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct stream *s = start(LE);
		double v[4] = {-7, -7, -7, -7};
		text(s, 0x00281053, "DS", rows[i].text);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		struct sm_dataset set = sm_dicom_data(dcm);
		int count = sm_dataset_numbers(&set, 0x00281053, v, 4);
		if (count != rows[i].count || (count > 0 && v[0] != rows[i].first))
			fail_msg("'%s' gave %d numbers, %.17g", rows[i].text, count, v[0]);
		sm_dicom_close(dcm);
		free(s);
	}
}

static void test_binary_numbers(void **state)
{
	(void)state;
	for (int big = 0; big < 2; big++) {
		struct stream *s = start(big ? BE : LE);
		char got[64];
		double v[3];
		head(s, 0x00189087, "FD", 8);
		num(s, 0x408f400000000000u, 8); /* 1000 */
		head(s, 0x00280009, "AT", 4);
		tag(s, 0x00181063);
		us(s, 0x00280103, 1);
		head(s, 0x00280106, "SS", 4);
		num(s, 0xfffe, 2);
		num(s, 5, 2);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		struct sm_dataset set = sm_dicom_data(dcm);
		assert_true(sm_dataset_number_or(&set, 0x00189087, 0) == 1000);
		assert_int_equal(sm_dataset_numbers(&set, 0x00280106, v, 3), 2);
		assert_true(v[0] == -2 && v[1] == 5);
		assert_true(sm_dataset_text(&set, 0x00280106, got, sizeof got));
		assert_string_equal(got, "-2\\5");
		assert_true(sm_dataset_text(&set, 0x00280009, got, sizeof got));
		assert_string_equal(got, "00181063");
		sm_dicom_close(dcm);
		free(s);
	}
}

/* US or SS in a file without VRs: as PixelRepresentation says. */
static void test_us_or_ss(void **state)
{
	(void)state;
	for (unsigned is_signed = 0; is_signed < 2; is_signed++) {
		struct stream *s = start(ILE);
		us(s, 0x00280103, is_signed);
		us(s, 0x00280106, 0xfffe);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		struct sm_dataset set = sm_dicom_data(dcm);
		assert_true(sm_dataset_number_or(&set, 0x00280106, 0) == (is_signed ? -2 : 65534));
		sm_dicom_close(dcm);
		free(s);
	}
}

static void frame_is(const struct sm_dicom *dcm, size_t frame, size_t frames, const char *want)
{
	struct sm_err err = {0};
	const unsigned char *bytes;
	unsigned char *owned;
	size_t n;
	assert_good(sm_dicom_frame_bytes(dcm, frame, frames, NULL, &bytes, &n, &owned, &err), err);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(bytes, want, n);
	sm_free(owned);
}

static void frame_refused(const struct sm_dicom *dcm, size_t frame, size_t frames, const char *part)
{
	struct sm_err err = {0};
	const unsigned char *bytes;
	unsigned char *owned;
	size_t n;
	assert_refused(sm_dicom_frame_bytes(dcm, frame, frames, NULL, &bytes, &n, &owned, &err),
		       SM_INPUT, err, part);
}

static struct stream *fragments(const char *table, size_t table_n, const char *const *part,
				size_t n)
{
	struct stream *s = start(JPEG);
	body(s);
	head(s, 0x7fe00010, "OB", 0xffffffffu);
	item(s, 0xfffee000, (uint32_t)table_n);
	raw(s, table, table_n);
	for (size_t i = 0; i < n; i++) {
		item(s, 0xfffee000, (uint32_t)strlen(part[i]));
		raw(s, part[i], strlen(part[i]));
	}
	item(s, 0xfffee0dd, 0);
	return s;
}

static void test_fragments(void **state)
{
	(void)state;
	const char *const part[] = {"\xff\xd8\xff"
				    "a",
				    "bb",
				    "\xff\xd8\xff"
				    "c"};
	struct stream *s = fragments("", 0, part, 3);
	struct sm_dicom *dcm = parse(s, SM_DICOM_WHOLE);
	assert_int_equal(sm_dicom_pixel_bytes(dcm), 10);
	frame_is(dcm, 0, 3, part[0]);
	frame_is(dcm, 1, 3, "bb");
	frame_is(dcm, 0, 1,
		 "\xff\xd8\xff"
		 "abb\xff\xd8\xff"
		 "c");
	/* Fewer frames than fragments: by the beginnings of the streams. */
	frame_is(dcm, 0, 2,
		 "\xff\xd8\xff"
		 "abb");
	frame_is(dcm, 1, 2, part[2]);
	frame_refused(dcm, 0, 4, "cannot be told apart as 4 frames");
	frame_refused(dcm, 2, 2, "frame 3 was asked for");
	sm_dicom_close(dcm);
	free(s);
	s = fragments("\0\0\0\0\x16\0\0\0", 8, part, 3);
	dcm = parse(s, SM_DICOM_WHOLE);
	frame_is(dcm, 0, 2,
		 "\xff\xd8\xff"
		 "abb");
	frame_is(dcm, 1, 2, part[2]);
	frame_refused(dcm, 0, 3, "has 2 entries for 3 frames");
	sm_dicom_close(dcm);
	free(s);
	s = fragments("\0\0\0\0\x15\0\0\0", 8, part, 3);
	dcm = parse(s, SM_DICOM_WHOLE);
	frame_refused(dcm, 0, 2, "no fragment for frame 1");
	sm_dicom_close(dcm);
	free(s);
}

static void test_extended_offsets(void **state)
{
	(void)state;
	struct stream *s = start(JPEG);
	body(s);
	head(s, 0x7fe00001, "OV", 16);
	num(s, 0, 8);
	num(s, 12, 8);
	head(s, 0x7fe00002, "OV", 16);
	num(s, 4, 8);
	num(s, 2, 8);
	head(s, 0x7fe00010, "OB", 0xffffffffu);
	item(s, 0xfffee000, 0);
	item(s, 0xfffee000, 4);
	raw(s, "abcd", 4);
	item(s, 0xfffee000, 2);
	raw(s, "ef", 2);
	size_t cut = s->n;
	item(s, 0xfffee0dd, 0);
	struct sm_dicom *dcm = parse(s, SM_DICOM_WHOLE);
	frame_is(dcm, 0, 2, "abcd");
	frame_is(dcm, 1, 2, "ef");
	sm_dicom_close(dcm);
	s->n = cut;
	refused(s, "ends in fragment 3 of PixelData");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_vr_by_creator),
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_binary_numbers),
		cmocka_unit_test(test_us_or_ss),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_extended_offsets),
	};
	return run_tap(tests);
}
