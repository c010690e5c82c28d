/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/dicom/dicom_write.h"
#include "ingest/series/sidecar.h"
#include "ingest/series/words.h"

static bool maker(const char *text)
{
	return sm_words_allow(SM_WORDS_MAKER, NULL, text, strlen(text));
}

static void test_words_of_makers_pass(void **state)
{
	static const char *const good[] = {
		"SIEMENS",
		"GE MEDICAL SYSTEMS",
		"Philips Medical Systems",
		"Discovery ST",
		"HiSpeed Dual",
		"Ingenia Elition X",
		"SOMATOM Definition AS+",
		"LightSpeed16",
		"5.7.1",
		"5.7.1.1",
		"36.14",
		"syngo MR E11",
		"syngo MR 2004V 4VB11D",
		"XYZ Gauss6.00",
		"B30s",
		"Br40f",
		"STD+",
		"FC08",
		"OSEM2D 2i8s",
		"HeadNeck_20_TCS",
		"*epfid2d1_64",
		"*tfl3d1_16ns",
		"MULTI COIL",
		"V3.51*P25",
		"27",
		"Model-based",
		"DISCOVERY MR750",
		"TOSHIBA_MEC",
		"syngo CT 2011A",
		"R1.0.D",
	};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!maker(good[i]))
			fail_msg("'%s' was refused", good[i]);
}

static void test_names_and_dates_do_not(void **state)
{
	static const char *const bad[] = {
		"Zaphod",
		"Doe^John",
		"DOE JOHN",
		"John 3",
		"Mueller-7",
		"Li Wu",
		"JD",
		"Jo",
		"SMITH2",
		"x Ray Kim",
		"1950.01.02",
		"02.01.1950",
		"2010/06/30",
		"02-01-50",
		"19500102",
		"123456",
		"12:30:45",
		"Dr. Who",
		"ACME St. Mary",
		"",
		"a\x01",
		"M\xfcller",
		"John",
		"scanner of Jane",
		"Skyra Jane",
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
		"[2010/06/30]",
		"Vida, Lea",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (maker(bad[i]))
			fail_msg("'%s' was let through", bad[i]);
}

static void test_codes_are_whole_words(void **state)
{
	(void)state;
	assert_true(sm_words_allow(SM_WORDS_CODES, "HEAD|NECK", "NECK", 4));
	assert_true(sm_words_allow(SM_WORDS_CODES, "HEAD|NECK", "HEADX", 4));
	assert_false(sm_words_allow(SM_WORDS_CODES, "HEAD|NECK", "HEA", 3));
	assert_false(sm_words_allow(SM_WORDS_CODES, "HEAD|NECK", "HEAD|NECK", 9));
	assert_false(sm_words_allow(SM_WORDS_CODES, "HEAD|NECK", "", 0));
}

/* The sidecar of a header that holds names wherever a text may stand. */
static void test_sidecar_leaves_names_behind(void **state)
{
	(void)state;
	static const struct {
		uint16_t group, element;
		const char *vr, *text;
	} planted[] = {
		{0x08, 0x08, "CS",
		 "ORIGINAL\\DOE\\DIXON\\LABEL\\CONTROL\\VMI\\CT_SOM7 SPI DUAL\\AXIAL"},
		{0x08, 0x60, "CS", "DOE"},
		{0x08, 0x70, "LO", "Doe Inc"},
		{0x08, 0x103e, "LO", "Doe"},
		{0x08, 0x1090, "LO", "Skyra Doe"},
		{0x18, 0x15, "CS", "DOE"},
		{0x18, 0x20, "CS", "SE\\DOE"},
		{0x18, 0x22, "CS", "DOE"},
		{0x18, 0x24, "SH", "doe3d"},
		{0x18, 0x1020, "LO", "5.1\\Doe"},
		{0x18, 0x1210, "SH", "DOE"},
		{0x18, 0x1250, "SH", "Doe_20"},
		{0x18, 0x5100, "CS", "DOE"},
		{0x28, 0x04, "CS", "DOE"},
		{0x28, 0x1054, "LO", "DOE"},
		{0x54, 0x1100, "CS", "DOE"},
		{0x54, 0x1101, "LO", "Doe, measured"},
		{0x54, 0x1103, "LO", "Doe"},
		{0x54, 0x1105, "LO", "Doe"},
	};
	struct sm_dcm d = {0};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_sidecar side = {0};
	sm_mem_init(&mem, 1 << 20);
	for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
		sm_dcm_text(&d, SM_TAG(planted[i].group, planted[i].element), planted[i].vr,
			    planted[i].text);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	sm_sidecar_read(&side, dcm, NULL, 0);
	json_t *o = json_object();
	assert_good(sm_sidecar_add(o, &side, NULL, &err), err);
	char *text = json_dumps(o, 0);
	assert_null(strcasestr(text, "doe"));
	assert_non_null(strstr(text, "[\"ORIGINAL\", \"DIXON\", \"LABEL\", \"CONTROL\", \"VMI\", "
				     "\"CT_SOM7 SPI DUAL\", \"AXIAL\"]"));
	assert_non_null(strstr(text, "\"ScanningSequence\": [\"SE\"]"));
	/* All but SeriesDescription, which has no row. */
	assert_int_equal(json_array_size(json_object_get(o, "LeftOut")),
			 sizeof planted / sizeof *planted - 1);
	free(text);
	json_decref(o);
	sm_dicom_close(dcm);
	sm_dcm_clear(&d);
}

/* Element `tag` in the group `group` of one functional groups' item. */
static void put_group(struct sm_dcm *item, uint32_t group, uint32_t tag, double v)
{
	struct sm_dcm inner = {0};
	sm_dcm_numbers(&inner, tag, &v, 1);
	sm_dcm_sequence(item, group, &inner, 1);
	sm_dcm_clear(&inner);
}

static void test_sidecar_joins_in_any_order(void **state)
{
	(void)state;
	static const double thickness[3] = {2, 2, 3};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_sidecar one[3], ab = {0}, ba = {0};
	sm_mem_init(&mem, 1 << 20);
	for (int i = 0; i < 3; i++) {
		struct sm_dcm d = {0}, shared = {0};
		struct sm_dicom *dcm;
		sm_dcm_text(&d, SM_TAG(0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4.1");
		sm_dcm_text(&d, SM_TAG(0x18, 0x22), "CS", "FS");
		sm_dcm_numbers(&d, SM_TAG(0x18, 0x50), &thickness[i], 1);
		put_group(&shared, SM_TAG(0x18, 0x9112), SM_TAG(0x18, 0x80), 2000);
		sm_dcm_sequence(&d, SM_TAG(0x5200, 0x9229), &shared, 1);
		assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
		one[i] = (struct sm_sidecar){0};
		sm_sidecar_read(&one[i], dcm, NULL, 0);
		sm_dicom_close(dcm);
		sm_dcm_clear(&shared);
		sm_dcm_clear(&d);
	}
	for (int i = 0; i < 3; i++) {
		sm_sidecar_join(&ab, &one[i]);
		sm_sidecar_join(&ba, &one[2 - i]);
	}
	json_t *x = json_object(), *y = json_object();
	assert_good(sm_sidecar_add(x, &ab, NULL, &err), err);
	assert_good(sm_sidecar_add(y, &ba, NULL, &err), err);
	assert_true(json_equal(x, y));
	assert_true(json_real_value(json_object_get(x, "RepetitionTime")) == 2);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(x, "VaryingFields"), 0)),
		"SliceThickness");
	assert_null(json_object_get(x, "SliceThickness"));
	json_decref(x);
	json_decref(y);
}

static void test_fields_of_chosen_frames(void **state)
{
	(void)state;
	static const double echo[3] = {10, 20, 20}, angle = 30;
	static const uint32_t last[2] = {1, 2};
	struct sm_dcm d = {0}, frame[3] = {{0}};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	sm_mem_init(&mem, 1 << 20);
	sm_dcm_text(&d, SM_TAG(0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4.1");
	for (int i = 0; i < 3; i++) {
		put_group(&frame[i], SM_TAG(0x18, 0x9112), SM_TAG(0x18, 0x1314), angle);
		put_group(&frame[i], SM_TAG(0x18, 0x9114), SM_TAG(0x18, 0x9082), echo[i]);
	}
	sm_dcm_sequence(&d, SM_TAG(0x5200, 0x9230), frame, 3);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	struct sm_sidecar all = {0}, some = {0};
	sm_sidecar_read(&all, dcm, NULL, 0);
	sm_sidecar_read(&some, dcm, last, 2);
	json_t *x = json_object(), *y = json_object();
	assert_good(sm_sidecar_add(x, &all, NULL, &err), err);
	assert_good(sm_sidecar_add(y, &some, NULL, &err), err);
	assert_null(json_object_get(x, "EchoTime"));
	assert_int_equal(json_array_size(json_object_get(x, "VaryingFields")), 1);
	assert_true(json_real_value(json_object_get(y, "EchoTime")) == 0.02);
	assert_null(json_object_get(y, "VaryingFields"));
	assert_true(json_number_value(json_object_get(x, "FlipAngle")) == 30);
	json_decref(x);
	json_decref(y);
	sm_dicom_close(dcm);
	for (int i = 0; i < 3; i++)
		sm_dcm_clear(&frame[i]);
	sm_dcm_clear(&d);
}

/* One value is allowed: none of several is the field's, whatever the way they are written. */
static void test_several_values_are_none(void **state)
{
	(void)state;
	static const double two[2] = {500, 400};
	struct sm_dcm d = {0}, shared = {0}, inner = {0};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_sidecar side = {0};
	struct sm_sidecar_times by_time;
	sm_mem_init(&mem, 1 << 20);
	sm_dcm_text(&d, SM_TAG(0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4.1");
	sm_dcm_text(&d, SM_TAG(0x18, 0x22), "CS", "FS\\SAT1");
	sm_dcm_text(&d, SM_TAG(0x18, 0x23), "CS", "2D\\3D");
	sm_dcm_text(&d, SM_TAG(0x18, 0x50), "DS", "2.5");
	sm_dcm_text(&d, SM_TAG(0x18, 0x81), "DS", "0\\5");
	sm_dcm_text(&d, SM_TAG(0x18, 0x83), "DS", "1\\1");
	sm_dcm_text(&d, SM_TAG(0x18, 0x1314), "DS", "3\\4");
	sm_dcm_numbers(&inner, SM_TAG(0x18, 0x9098), two, 2);
	sm_dcm_sequence(&shared, SM_TAG(0x18, 0x9006), &inner, 1);
	sm_dcm_sequence(&d, SM_TAG(0x5200, 0x9229), &shared, 1);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	sm_sidecar_read(&side, dcm, NULL, 0);
	assert_good(sm_sidecar_times_init(&by_time, 2, &mem, &err), err);
	for (uint32_t time = 0; time < 2; time++)
		sm_sidecar_times_read(&by_time, &side, dcm, (uint32_t[]){0}, &time, 1);
	for (int lists = 0; lists < 2; lists++) {
		json_t *o = json_object();
		assert_good(sm_sidecar_add(o, &side, lists ? &by_time : NULL, &err), err);
		char *text = json_dumps(json_object_get(o, "VaryingFields"), 0);
		assert_string_equal(text,
				    "[\"ImagingFrequency\", \"MRAcquisitionType\", \"EchoTime\", "
				    "\"FlipAngle\", \"NumberOfAverages\"]");
		assert_null(json_object_get(o, "FlipAngle"));
		assert_null(json_object_get(o, "ImagingFrequency"));
		assert_null(json_object_get(o, "LeftOut"));
		assert_true(json_number_value(json_object_get(o, "SliceThickness")) == 2.5);
		assert_int_equal(json_array_size(json_object_get(o, "ScanOptions")), 2);
		free(text);
		json_decref(o);
	}
	sm_sidecar_times_clear(&by_time);
	sm_dicom_close(dcm);
	struct sm_dcm *all[] = {&d, &shared, &inner};
	for (size_t i = 0; i < 3; i++)
		sm_dcm_clear(all[i]);
}

static void same_list(const json_t *o, const char *name, const double *want, size_t n)
{
	const json_t *list = json_object_get(o, name);
	if (json_array_size(list) != n)
		fail_msg("%s has %zu numbers, wanted %zu", name, json_array_size(list), n);
	for (size_t i = 0; i < n; i++)
		if (json_number_value(json_array_get(list, i)) != want[i])
			fail_msg("%s[%zu] is %g", name, i,
				 json_number_value(json_array_get(list, i)));
}

static bool varies(const json_t *o, const char *name)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(o, "VaryingFields"), i, one) {
		if (strcmp(json_string_value(one), name) == 0)
			return !json_object_get(o, name);
	}
	return false;
}

/* Two slices each of three time points in one enhanced object, slices of a place side by side. */
static void test_numbers_by_time_point_of_an_object(void **state)
{
	(void)state;
	static const double flip[3] = {5, 10, 20.5}, trigger[3] = {0, 250, 500}, thickness = 2;
	static const uint32_t number[6] = {0, 1, 2, 3, 4, 5}, time[6] = {0, 1, 2, 0, 1, 2};
	struct sm_dcm d = {0}, frame[6] = {{0}};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_sidecar side = {0};
	struct sm_sidecar_times by_time;
	sm_mem_init(&mem, 1 << 20);
	sm_dcm_text(&d, SM_TAG(0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4.1");
	for (int i = 0; i < 6; i++) {
		put_group(&frame[i], SM_TAG(0x18, 0x9112), SM_TAG(0x18, 0x1314), flip[i % 3]);
		put_group(&frame[i], SM_TAG(0x18, 0x9114), SM_TAG(0x18, 0x9082), 10 + i);
		put_group(&frame[i], SM_TAG(0x18, 0x9118), SM_TAG(0x20, 0x9153), trigger[i % 3]);
		if (i) /* one frame has none */
			put_group(&frame[i], SM_TAG(0x18, 0x9119), SM_TAG(0x18, 0x83), i % 3 + 1);
		put_group(&frame[i], SM_TAG(0x28, 0x9110), SM_TAG(0x18, 0x50), thickness);
	}
	sm_dcm_sequence(&d, SM_TAG(0x5200, 0x9230), frame, 6);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	assert_good(sm_sidecar_times_init(&by_time, 3, &mem, &err), err);
	sm_sidecar_read(&side, dcm, number, 6);
	sm_sidecar_times_read(&by_time, &side, dcm, number, time, 6);
	json_t *o = json_object();
	assert_good(sm_sidecar_add(o, &side, &by_time, &err), err);
	same_list(o, "FlipAngle", flip, 3);
	same_list(o, "TriggerTime", (const double[]){0, 0.25, 0.5}, 3);
	assert_true(json_is_integer(json_array_get(json_object_get(o, "FlipAngle"), 0)));
	assert_true(json_number_value(json_object_get(o, "SliceThickness")) == 2);
	assert_true(varies(o, "EchoTime") && varies(o, "NumberOfAverages"));
	assert_int_equal(json_array_size(json_object_get(o, "VaryingFields")), 2);
	json_decref(o);
	sm_sidecar_times_clear(&by_time);
	sm_dicom_close(dcm);
	for (int i = 0; i < 6; i++)
		sm_dcm_clear(&frame[i]);
	sm_dcm_clear(&d);
}

/* Classic files, one a slice, in either order: the same numbers however they are spelled. */
static void test_numbers_by_time_point_of_files(void **state)
{
	(void)state;
	static const char *const flip[4] = {"5", "30", "5.0", "30.00"};
	static const double echo[4] = {10, 20, 10, 21};
	struct sm_mem mem;
	struct sm_err err;
	json_t *both[2];
	sm_mem_init(&mem, 1 << 20);
	for (int turned = 0; turned < 2; turned++) {
		struct sm_sidecar side = {0};
		struct sm_sidecar_times by_time;
		assert_good(sm_sidecar_times_init(&by_time, 2, &mem, &err), err);
		for (int n = 0; n < 4; n++) {
			int i = turned ? 3 - n : n;
			struct sm_sidecar one = {0};
			struct sm_dcm d = {0};
			struct sm_dicom *dcm;
			sm_dcm_text(&d, SM_TAG(0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4");
			sm_dcm_numbers(&d, SM_TAG(0x18, 0x81), &echo[i], 1);
			sm_dcm_text(&d, SM_TAG(0x18, 0x1314), "DS", flip[i]);
			assert_string_equal(d.bad, "");
			assert_good(
				sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err),
				err);
			sm_sidecar_read(&one, dcm, &(uint32_t){0}, 1);
			sm_sidecar_times_read(&by_time, &one, dcm, &(uint32_t){0},
					      &(uint32_t){(uint32_t)i % 2}, 1);
			sm_sidecar_join(&side, &one);
			sm_dicom_close(dcm);
			sm_dcm_clear(&d);
		}
		both[turned] = json_object();
		assert_good(sm_sidecar_add(both[turned], &side, &by_time, &err), err);
		sm_sidecar_times_clear(&by_time);
	}
	assert_true(json_equal(both[0], both[1]));
	same_list(both[0], "FlipAngle", (const double[]){5, 30}, 2);
	assert_true(varies(both[0], "EchoTime"));
	json_decref(both[0]);
	json_decref(both[1]);
}

static void test_phase_encoding(void **state)
{
	(void)state;
	struct sm_sidecar_plane plane = {
		.columns = 64, .rows = 72, .across = {1}, .down = {0, 1}, .polarity = 0};
	json_t *o = json_object();
	json_object_set_new(o, "InPlanePhaseEncodingDirectionDICOM", json_string("COLUMN"));
	json_object_set_new(o, "BandwidthPerPixelPhaseEncode", json_real(25));
	sm_sidecar_plane(o, &plane);
	assert_string_equal(json_string_value(json_object_get(o, "PhaseEncodingDirection")), "j-");
	assert_string_equal(
		json_string_value(json_object_get(o, "InPlanePhaseEncodingDirectionDICOM")), "COL");
	assert_true(fabs(json_real_value(json_object_get(o, "EffectiveEchoSpacing")) - 1 / 1800.) <
		    1e-15);
	assert_true(fabs(json_real_value(json_object_get(o, "TotalReadoutTime")) - 71 / 1800.) <
		    1e-15);
	json_object_clear(o);
	plane.polarity = -1;
	json_object_set_new(o, "InPlanePhaseEncodingDirectionDICOM", json_string("ROW"));
	sm_sidecar_plane(o, &plane);
	assert_string_equal(json_string_value(json_object_get(o, "PhaseEncodingAxis")), "i");
	assert_null(json_object_get(o, "PhaseEncodingDirection"));
	assert_int_equal(json_integer_value(json_object_get(o, "ReconMatrixPE")), 64);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_makers_pass),
		cmocka_unit_test(test_names_and_dates_do_not),
		cmocka_unit_test(test_codes_are_whole_words),
		cmocka_unit_test(test_sidecar_leaves_names_behind),
		cmocka_unit_test(test_sidecar_joins_in_any_order),
		cmocka_unit_test(test_fields_of_chosen_frames),
		cmocka_unit_test(test_several_values_are_none),
		cmocka_unit_test(test_numbers_by_time_point_of_an_object),
		cmocka_unit_test(test_numbers_by_time_point_of_files),
		cmocka_unit_test(test_phase_encoding),
	};
	return run_tap(tests);
}
