/* SPDX-License-Identifier: Apache-2.0
 *
 * Repeated positions in the order of time.
 */
#include "tests/unit/series_tree.h"

#include <math.h>

#include "ingest/series/dcm_clock.h"

/* Four positions at three times in the order of a bad sort. */
static void make_times(struct tree *t)
{
	for (size_t i = 0; i < 12; i++) {
		slice(t, i, "1.2", (int)(i * 5 % 12), 0, 0, (double)(i % 4) * 3);
		t->frames[i]->time = 1000 - 10 * (double)(i / 4) + 0.5 * (double)(i % 4);
	}
}

static void expect_times(const struct tree *t, size_t n, const char *by, enum sm_fourth fourth,
			 double second)
{
	struct sm_series_list list = group_by(t, n, &usual);
	expect_one(&list, SM_VERDICT_OK, "");
	const struct sm_series *s = &list.series[0];
	assert_string_equal(s->ordered_by, by);
	assert_int_equal(s->depth, 4);
	assert_int_equal(s->times, 3);
	assert_int_equal(s->fourth, fourth);
	for (size_t k = 0; k < 12; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(t->heads, s->slice[k]);
		assert_true(f->position[2] == 3.0 * (double)(k % 4));
	}
	if (isnan(second))
		assert_null(s->time_s);
	else
		assert_true(s->time_s && s->time_s[0] == 0 && fabs(s->time_s[1] - second) < 1e-9);
	sm_series_list_clear(&list);
}

static void test_times_by_the_surest_element(void **state)
{
	(void)state;
	struct tree t;
	make_times(&t);
	expect_times(&t, 12, "AcquisitionTime", SM_FOURTH_TIME, 10);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->acquisition = 3 - (long)(i / 4);
	expect_times(&t, 12, "AcquisitionNumber", SM_FOURTH_TIME, 10);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->reference = 250.0 * (double)(i / 4);
	expect_times(&t, 12, "FrameReferenceTime", SM_FOURTH_TIME, 0.25);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->temporal = 1 + (long)(i / 4);
	expect_times(&t, 12, "TemporalPositionIdentifier", SM_FOURTH_TIME, 0.25);
	/* Nothing but numbers: taken, and the axis is called other. */
	make_times(&t);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->time = NAN;
	expect_times(&t, 12, "InstanceNumber", SM_FOURTH_OTHER, NAN);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->instance = 7;
	struct sm_series_list list = group(&t, 12);
	expect_one(&list, SM_VERDICT_REPEATED, "3 slices at each of 4 positions");
	sm_series_list_clear(&list);
}

static void test_times_that_overlap_are_none(void **state)
{
	(void)state;
	struct tree t;
	make_times(&t);
	/* The last slice of one time point is younger than the first of the next: the clock does
	 * not tell them apart, the number does. */
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->time = (double)(i / 4) + 2 * (double)(i % 4);
	expect_times(&t, 12, "InstanceNumber", SM_FOURTH_OTHER, NAN);
}

static void test_times_diffusion(void **state)
{
	(void)state;
	struct tree t;
	make_times(&t);
	for (size_t i = 0; i < 12; i++) {
		t.frames[i]->time = NAN;
		t.frames[i]->b_value = i / 4 ? 1000 : 0;
		t.frames[i]->b_vector[i / 4 == 1 ? 0 : 1] = i / 4 ? 1 : 0;
	}
	expect_times(&t, 12, "DiffusionBValue", SM_FOURTH_DIFFUSION, NAN);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->acquisition = 3 - (long)(i / 4);
	expect_times(&t, 12, "AcquisitionNumber", SM_FOURTH_DIFFUSION, NAN);
}

static void test_times_incomplete(void **state)
{
	(void)state;
	struct tree t;
	make_times(&t);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->temporal = 1 + (long)(i / 4);
	struct sm_series_list list = group(&t, 11);
	expect_one(&list, SM_VERDICT_INCOMPLETE,
		   "time point 3 of 3 (by TemporalPositionIdentifier) has 3 of 4 slices");
	sm_series_list_clear(&list);
}

/* Three files of four frames each are pooled; a mosaic's tiles are slices too. */
static void test_frames_of_several_files_are_pooled(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 3; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 0);
		t.heads[i].kind = SM_DCM_ENHANCED;
		t.heads[i].frame_count = 4;
		for (size_t k = 0; k < 4; k++) {
			t.frames[i][k] = frame((int)k + 1, 0, 0, 3.0 * (double)((k * 3) % 4));
			t.frames[i][k].picture = (uint32_t)k;
			t.frames[i][k].acquisition = 3 - (long)i;
		}
	}
	expect_times(&t, 3, "AcquisitionNumber", SM_FOURTH_OTHER, NAN);
	struct sm_series_list list = group(&t, 3);
	const uint32_t order[] = {0, 3, 2, 1};
	for (size_t k = 0; k < 12; k++) {
		assert_int_equal(list.series[0].slice[k].head, 2 - k / 4);
		assert_int_equal(list.series[0].slice[k].frame, order[k % 4]);
	}
	sm_series_list_clear(&list);
}

/* Positions that scatter by some thousandths of a mm are the same at all times. */
static void test_times_of_jittered_positions(void **state)
{
	(void)state;
	struct tree t;
	make_times(&t);
	for (size_t i = 0; i < 12; i++) {
		t.frames[i]->temporal = 1 + (long)(i / 4);
		t.frames[i]->position[2] += 0.004 * ((double)(i * 7 % 3) - 1);
	}
	struct sm_series_list list = group_by(&t, 12, &usual);
	expect_one(&list, SM_VERDICT_OK, "");
	assert_int_equal(list.series[0].depth, 4);
	assert_int_equal(list.series[0].times, 3);
	sm_series_list_clear(&list);
}

/* A slice over time is no stray slice; a few pictures of it are too few. */
static void test_times_of_one_position(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 8; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 5);
		t.frames[i]->trigger = 40.0 * (double)i;
	}
	struct sm_series_list list = group_by(&t, 8, &usual);
	expect_one(&list, SM_VERDICT_OK, "");
	assert_int_equal(list.series[0].depth, 1);
	assert_int_equal(list.series[0].times, 8);
	assert_true(list.series[0].notes >> SM_VERDICT_ONE_SLICE & 1);
	sm_series_list_clear(&list);
	list = group_by(&t, 2, &usual);
	expect_one(&list, SM_VERDICT_FEW_SLICES, "1 slice, allowed are 3 and more");
	sm_series_list_clear(&list);
	for (size_t i = 0; i < 8; i++)
		t.frames[i]->trigger = NAN; /* numbers alone */
	list = group_by(&t, 8, &usual);
	expect_one(&list, SM_VERDICT_FEW_SLICES, "1 slice, allowed are 3 and more");
	sm_series_list_clear(&list);
}

/* Numbers alone do not make a time point of pictures that were taken differently. */
static void test_times_do_not_mix_settings(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 8; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, (double)(i / 2) * 3);
		memcpy(t.frames[i]->setting, (i + i / 2) % 2 ? "00000001" : "00000002", 9);
	}
	struct sm_series_list list = group(&t, 8);
	expect_one(&list, SM_VERDICT_REPEATED, "2 slices at each of 4 positions");
	sm_series_list_clear(&list);
	for (size_t i = 0; i < 8; i++)
		memcpy(t.frames[i]->setting, i % 2 ? "00000001" : "00000002", 9);
	list = group(&t, 8);
	expect_one(&list, SM_VERDICT_OK, "");
	sm_series_list_clear(&list);
}

static void test_clocks_and_days(void **state)
{
	(void)state;
	assert_true(sm_dicom_day("19700101") == 0);
	assert_true(sm_dicom_day("20000301") - sm_dicom_day("20000228") == 2);
	assert_true(sm_dicom_day("19000301") - sm_dicom_day("19000228") == 1);
	assert_true(sm_dicom_day("2001.09.02") == sm_dicom_day("20010902"));
	assert_true(isnan(sm_dicom_day("20010229")) && isnan(sm_dicom_day("2001090")) &&
		    isnan(sm_dicom_day("00000000")) && isnan(sm_dicom_day("20011301")));
	assert_true(sm_dicom_clock("235959.500000") == 86399.5);
	assert_true(sm_dicom_clock("1315") == 13 * 3600 + 15 * 60 &&
		    sm_dicom_clock("07") == 7 * 3600);
	assert_true(sm_dicom_clock("01:02:03") == 3723);
	assert_true(isnan(sm_dicom_clock("24")) && isnan(sm_dicom_clock("")) &&
		    isnan(sm_dicom_clock("1")) && isnan(sm_dicom_clock("12:")) &&
		    isnan(sm_dicom_clock("126000")) && isnan(sm_dicom_clock("120000.x")));
	double noon = sm_dicom_day("20000102") * 86400 + 43200;
	assert_true(sm_dicom_moment("20000102120000.0", "") == noon);
	assert_true(sm_dicom_moment("20000102120000.0+0100", "+0100") == noon);
	assert_true(sm_dicom_moment("20000102110000.0+0000", "+0100") == noon);
	assert_true(isnan(sm_dicom_moment("20000102110000.0+0000", "")) &&
		    isnan(sm_dicom_moment("20000102", "")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks_and_days),
		cmocka_unit_test(test_times_by_the_surest_element),
		cmocka_unit_test(test_times_that_overlap_are_none),
		cmocka_unit_test(test_times_diffusion),
		cmocka_unit_test(test_times_incomplete),
		cmocka_unit_test(test_frames_of_several_files_are_pooled),
		cmocka_unit_test(test_times_of_jittered_positions),
		cmocka_unit_test(test_times_of_one_position),
		cmocka_unit_test(test_times_do_not_mix_settings),
	};
	return run_tap(tests);
}
