/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/dcm_series.h"
#include "ingest/dcm_volume.h"

#define MOST 24
#define FRAMES 12

/* Files with one frame each, or as many as a test gives them. */
struct tree {
	struct sm_dcm_head heads[MOST];
	struct sm_dcm_frame frames[MOST][FRAMES];
};

static const struct sm_series_rules any_number = {.min_slices = 1};
static const struct sm_series_rules usual = {.min_slices = 3};

/* An axial CT slice at (x, y, z). */
static struct sm_dcm_frame frame(int number, double x, double y, double z)
{
	return (struct sm_dcm_frame){
		.has_orientation = true,
		.has_position = true,
		.has_spacing = true,
		.across = {1, 0, 0},
		.down = {0, 1, 0},
		.position = {x, y, z},
		.spacing = {0.5, 0.75},
		.thickness = 3,
		.slope = 1,
		.scale = SM_SCALE_RESCALE,
		.instance = number,
		.echo_time = NAN,
		.inversion_time = NAN,
		.trigger = NAN,
		.time = NAN,
		.reference = NAN,
		.duration = NAN,
		.decay_factor = NAN,
		.b_value = NAN,
	};
}

static void slice(struct tree *t, size_t i, const char *series, int number, double x, double y,
		  double z)
{
	struct sm_dcm_head h = {
		.modality = "CT",
		.format = {.rows = 8,
			   .columns = 6,
			   .samples = 1,
			   .frames = 1,
			   .bits_allocated = 16,
			   .bits_stored = 16,
			   .high_bit = 15,
			   .is_signed = true},
		.tile_rows = 8,
		.tile_columns = 6,
		.frame_count = 1,
		.frame = t->frames[i],
	};
	snprintf(h.series, sizeof h.series, "%s", series);
	snprintf(h.sop, sizeof h.sop, "%s.%03d", series, number);
	t->frames[i][0] = frame(number, x, y, z);
	t->heads[i] = h;
}

static enum sm_status all_differ(void *ctx, size_t a, size_t b, bool *same, struct sm_err *err)
{
	(void)ctx, (void)a, (void)b, (void)err;
	*same = false;
	return SM_OK;
}

static enum sm_status all_same(void *ctx, size_t a, size_t b, bool *same, struct sm_err *err)
{
	(void)ctx, (void)a, (void)b, (void)err;
	*same = true;
	return SM_OK;
}

static struct sm_series_list group_by(const struct tree *t, size_t n,
				      const struct sm_series_rules *rules)
{
	struct sm_series_list list;
	struct sm_err err = {0};
	assert_good(sm_series_group(t->heads, n, rules, all_differ, NULL, &list, &err), err);
	return list;
}

static struct sm_series_list group(const struct tree *t, size_t n)
{
	return group_by(t, n, &any_number);
}

static void expect_one(const struct sm_series_list *list, enum sm_verdict verdict, const char *part)
{
	assert_int_equal(list->n, 1);
	if (list->series[0].verdict != verdict)
		fail_msg("verdict %s: %s", sm_verdict_code(list->series[0].verdict),
			 list->series[0].why);
	if (!strstr(list->series[0].why, part))
		fail_msg("'%s' lacks '%s'", list->series[0].why, part);
}

/* One stack at the given heights, in the given order. */
static void stack(struct tree *t, const double *z, size_t n)
{
	for (size_t i = 0; i < n; i++)
		slice(t, i, "1.2", (int)i, -10, 20, z[i]);
}

static void expect(const double *z, size_t n, enum sm_verdict verdict, const char *part)
{
	struct tree t;
	stack(&t, z, n);
	struct sm_series_list list = group(&t, n);
	expect_one(&list, verdict, part);
	sm_series_list_clear(&list);
}

static void test_series_sorts_along_the_normal(void **state)
{
	(void)state;
	const double z[] = {6, -3, 0, 3, 9};
	const uint32_t order[] = {1, 2, 3, 0, 4};
	struct tree t;
	stack(&t, z, 5);
	struct sm_series_list list = group(&t, 5);
	expect_one(&list, SM_VERDICT_OK, "");
	assert_int_equal(list.series[0].depth, 5);
	assert_int_equal(list.series[0].times, 1);
	assert_string_equal(list.series[0].name, "");
	for (size_t k = 0; k < 5; k++)
		assert_int_equal(list.series[0].slice[k].head, order[k]);
	double m[4][4];
	sm_stack_affine(&list.series[0].stack, m);
	const double want[4][4] = {
		{-0.5, 0, 0, 10}, {0, -0.75, 0, -20}, {0, 0, 3, -3}, {0, 0, 0, 1}};
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 4; c++)
			assert_true(fabs(m[r][c] - want[r][c]) < 1e-12);
	sm_series_list_clear(&list);
}

static void test_series_normal_of_sagittal_slices(void **state)
{
	(void)state;
	struct tree t;
	double m[4][4];
	for (size_t i = 0; i < 3; i++) {
		slice(&t, i, "1.2", (int)i, 4.0 * (double)i, 1, 2);
		/* across = towards the back, down = towards the feet: normal = across x down = (-1,
		 * 0, 0). */
		const double across[3] = {0, 1, 0}, down[3] = {0, 0, -1};
		memcpy(t.frames[i]->across, across, sizeof across);
		memcpy(t.frames[i]->down, down, sizeof down);
	}
	struct sm_series_list list = group(&t, 3);
	assert_int_equal(list.series[0].slice[0].head, 2);
	sm_stack_affine(&list.series[0].stack, m);
	/* Left of the patient is +x in DICOM and -x in RAS. */
	assert_true(fabs(m[0][2] - 4) < 1e-12 && fabs(m[0][3] + 8) < 1e-12);
	assert_true(fabs(m[1][0] + 0.5) < 1e-12 && fabs(m[2][1] + 0.75) < 1e-12);
	sm_series_list_clear(&list);
}

static void test_series_spacing_verdicts(void **state)
{
	(void)state;
	const double even[] = {0, 3.02, 6.01, 9, 11.98}, gap[] = {0, 3, 6, 12, 15, 18};
	const double uneven[] = {0, 4, 8, 12, 13.1, 20, 27, 34}, twice[] = {0, 3, 3, 6, 9};
	const double one[] = {5};
	expect(even, 5, SM_VERDICT_OK, "");
	expect(gap, 6, SM_VERDICT_GAP, "1 slices are missing: slice distances from 3 to 6 mm");
	expect(uneven, 8, SM_VERDICT_UNEVEN, "slice distances from 1.1 to 7 mm");
	expect(twice, 5, SM_VERDICT_DUPLICATE, "1 of 5 slices share their position");
	expect(one, 1, SM_VERDICT_OK, "");
}

static void test_series_too_few_slices(void **state)
{
	(void)state;
	const double z[] = {0, 3, 6};
	struct tree t;
	stack(&t, z, 3);
	struct sm_series_list list = group_by(&t, 3, &usual);
	expect_one(&list, SM_VERDICT_OK, "");
	sm_series_list_clear(&list);
	list = group_by(&t, 2, &usual);
	expect_one(&list, SM_VERDICT_FEW_SLICES, "2 slices, allowed are 3 and more");
	sm_series_list_clear(&list);
	t.heads[0].slices_declared = t.heads[1].slices_declared = 2;
	list = group_by(&t, 2, &usual);
	expect_one(&list, SM_VERDICT_OK, "");
	sm_series_list_clear(&list);
	/* Two and two of another orientation; three and two. */
	for (size_t i = 0; i < 5; i++) {
		slice(&t, i, "1.2", (int)i, i < 3 ? 0 : (double)i, 0, i < 3 ? 4.0 * (double)i : 0);
		if (i >= 3)
			memcpy(t.frames[i]->across, (const double[3]){0, 0, 1}, 3 * sizeof(double));
	}
	list = group_by(&t, 5, &usual);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	assert_int_equal(list.series[1].verdict, SM_VERDICT_MIXED_ORIENTATION);
	assert_non_null(strstr(list.series[1].why, "slices of 2 orientations, and 2 positions"));
	sm_series_list_clear(&list);
}

static void test_series_tilt_and_crooked(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 5; i++)
		slice(&t, i, "1.2", (int)i, 0, 1.0 * (double)i, 4.0 * (double)i);
	struct sm_series_list list = group(&t, 5);
	expect_one(&list, SM_VERDICT_OK, "");
	assert_true(list.series[0].notes >> SM_VERDICT_TILT & 1);
	assert_true(fabs(list.series[0].stack.tilt_degrees - 14.036243467926479) < 1e-9);
	sm_series_list_clear(&list);
	t.frames[2]->position[0] = 1.5;
	list = group(&t, 5);
	expect_one(&list, SM_VERDICT_CROOKED, "1.5 mm beside the line");
	sm_series_list_clear(&list);
}

static void test_series_stacks_are_kept_apart(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 9; i++)
		slice(&t, i, i < 7 ? "1.2" : "1.3", (int)i, 0, 0, (double)i);
	for (size_t i = 5; i < 7; i++) { /* another orientation */
		memcpy(t.frames[i]->across, (const double[3]){0, 1, 0}, 3 * sizeof(double));
		memcpy(t.frames[i]->down, (const double[3]){1, 0, 0}, 3 * sizeof(double));
	}
	t.heads[4].tile_rows = 9; /* another size */
	struct sm_series_list list = group(&t, 9);
	assert_int_equal(list.n, 4);
	const size_t n[] = {4, 2, 1, 2}, part[] = {1, 2, 3, 1}, parts[] = {3, 3, 3, 1};
	const char *const name[] = {"1", "2", "3", ""};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(list.series[i].n, n[i]);
		assert_int_equal(list.series[i].part, part[i]);
		assert_int_equal(list.series[i].parts, parts[i]);
		assert_string_equal(list.series[i].name, name[i]);
	}
	sm_series_list_clear(&list);
	/* Two persons, or two frames of reference, under one SeriesInstanceUID never become one
	 * volume. */
	for (size_t i = 0; i < 4; i++)
		slice(&t, i, "1.2", (int)i, 0, 0, (double)i);
	snprintf(t.heads[3].patient, sizeof t.heads[3].patient, "other");
	snprintf(t.heads[1].frame_of_reference, sizeof t.heads[1].frame_of_reference, "moved");
	list = group(&t, 4);
	assert_int_equal(list.n, 3);
	sm_series_list_clear(&list);
}

static void make_mr(struct tree *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		slice(t, i, "1.2", (int)i, 0, 0, (double)(i / 2) * 4.0);
		snprintf(t->heads[i].modality, sizeof t->heads[i].modality, "MR");
		snprintf(t->frames[i]->image_kind, sizeof t->frames[i]->image_kind, "M");
	}
}

/* The two volumes of a series by their names, whichever comes first. */
static void expect_names(const struct sm_series_list *list, const char *a, const char *b)
{
	assert_int_equal(list->n, 2);
	bool turned = strcmp(list->series[0].name, a) != 0;
	assert_string_equal(list->series[turned].name, a);
	assert_string_equal(list->series[!turned].name, b);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(list->series[i].verdict, SM_VERDICT_OK);
}

static void test_series_named_by_contrast(void **state)
{
	(void)state;
	struct tree t;
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i++)
		t.frames[i]->echo_time = i % 2 ? 20 : 80;
	struct sm_series_list list = group(&t, 6);
	expect_names(&list, "e1", "e2");
	assert_true(t.frames[list.series[0].slice[0].head]->echo_time ==
		    (strcmp(list.series[0].name, "e1") ? 80 : 20));
	sm_series_list_clear(&list);
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i += 2)
		t.frames[i]->component = SM_PHASE;
	list = group(&t, 6);
	expect_names(&list, "ph", "mag");
	sm_series_list_clear(&list);
	for (size_t i = 0; i < 6; i += 2) {
		t.frames[i]->component = SM_DERIVED_MAP;
		snprintf(t.frames[i]->image_kind, sizeof t.frames[i]->image_kind, "ADC");
	}
	list = group(&t, 6);
	expect_names(&list, "adc", "mag");
	sm_series_list_clear(&list);
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i++)
		t.frames[i]->inversion_time = i % 2 ? 900 : 2500;
	list = group(&t, 6);
	expect_names(&list, "i1", "i2");
	sm_series_list_clear(&list);
}

static void test_series_flat_pictures_are_one_each(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 2; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 0);
		t.heads[i].kind = SM_DCM_FLAT;
		t.frames[i]->has_position = t.frames[i]->has_orientation = false;
	}
	t.heads[1].frame_count = 2;
	t.frames[1][1] = t.frames[1][0];
	t.frames[1][1].picture = 1;
	struct sm_series_list list = group_by(&t, 2, &usual);
	assert_int_equal(list.n, 3);
	for (size_t i = 0; i < 3; i++) {
		double m[4][4];
		assert_int_equal(list.series[i].verdict, SM_VERDICT_OK);
		assert_int_equal(list.series[i].depth, 1);
		assert_true(list.series[i].notes >> SM_VERDICT_FLAT & 1);
		sm_stack_affine(&list.series[i].stack, m);
		assert_true(m[0][0] == 0.5 && m[1][1] == 0.75 && m[2][2] == 1 && m[0][3] == 0);
	}
	sm_series_list_clear(&list);
}

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

static void test_series_verdicts_of_files_keep_together(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 5; i++)
		slice(&t, i, "1.2", (int)i, 0, 0, (double)i);
	t.heads[3].verdict = SM_VERDICT_LOCALISER;
	snprintf(t.heads[3].why, sizeof t.heads[3].why, "it says so");
	t.heads[4].verdict = SM_VERDICT_NOT_IMAGE;
	t.heads[4].frame_count = 0;
	t.heads[4].frame = NULL;
	struct sm_series_list list = group(&t, 5);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	assert_int_equal(list.series[1].verdict, SM_VERDICT_LOCALISER);
	assert_string_equal(list.series[1].why, "it says so");
	assert_int_equal(list.series[2].verdict, SM_VERDICT_NOT_IMAGE);
	sm_series_list_clear(&list);
}

static void test_series_copies_and_clashes(void **state)
{
	(void)state;
	struct tree t;
	struct sm_series_list list;
	struct sm_err err = {0};
	for (size_t i = 0; i < 4; i++)
		slice(&t, i, "1.2", (int)(i % 3), 0, 0, (double)(i % 3));
	assert_good(sm_series_group(t.heads, 4, &usual, all_same, NULL, &list, &err), err);
	assert_int_equal(list.series[0].n, 3);
	assert_int_equal(list.series[0].copies, 1);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	sm_series_list_clear(&list);
	list = group(&t, 4);
	expect_one(&list, SM_VERDICT_CLASH, "two different files have the same SOPInstanceUID");
	sm_series_list_clear(&list);
}

static void test_series_order_of_files_does_not_matter(void **state)
{
	(void)state;
	struct tree one, turned;
	for (size_t i = 0; i < 12; i++)
		slice(&one, i, i % 3 ? "1.2" : "1.3", (int)i, 0, 0, 2.0 * (double)i);
	for (size_t i = 0; i < 12; i++)
		turned.heads[i] = one.heads[(7 * i + 5) % 12];
	struct sm_series_list a = group(&one, 12), b = group(&turned, 12);
	assert_int_equal(a.n, b.n);
	for (size_t s = 0; s < a.n; s++) {
		assert_int_equal(a.series[s].n, b.series[s].n);
		assert_string_equal(a.series[s].why, b.series[s].why);
		for (size_t k = 0; k < a.series[s].n; k++)
			assert_string_equal(one.heads[a.series[s].slice[k].head].sop,
					    turned.heads[b.series[s].slice[k].head].sop);
	}
	sm_series_list_clear(&a);
	sm_series_list_clear(&b);
}

/* A linear function of place, which linear interpolation must give back everywhere inside. */
static double ramp(const double ras[3])
{
	return 100 + 3 * ras[0] - 2 * ras[1] + 5 * ras[2];
}

static void test_regrid_gives_back_a_ramp(void **state)
{
	(void)state;
	const double z[] = {0, 2, 4, 7, 8, 10, 13};
	struct tree t;
	const struct sm_dcm_frame *sorted[7];
	struct sm_err err = {0};
	for (size_t i = 0; i < 7; i++) {
		slice(&t, i, "1.2", (int)i, -1, 2 + 0.3 * z[i], z[i]); /* tilted and uneven */
		sorted[i] = t.frames[i];
	}
	struct sm_series_list list = group(&t, 7);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_UNEVEN);
	struct sm_series_volume v;
	memset(&v, 0, sizeof v);
	const int64_t dim[4] = {6, 8, 7, 1};
	assert_good(sm_vol_init(&v.vol, dim, SM_F32, NULL, "test", &err), err);
	for (int k = 0; k < 7; k++)
		for (int j = 0; j < 8; j++)
			for (int i = 0; i < 6; i++) {
				const double ras[3] = {-(sorted[k]->position[0] + 0.5 * i),
						       -(sorted[k]->position[1] + 0.75 * j),
						       sorted[k]->position[2]};
				((float *)v.vol.data)[(k * 8 + j) * 6 + i] = (float)ramp(ras);
			}
	assert_good(sm_stack_regrid(&v, &list.series[0].stack, sorted, NULL, 2, &err), err);
	assert_true(v.regridded && fabs(v.grid_mm - 2) < 1e-9);
	assert_int_equal(v.vol.dim[2], 7); /* 0, 2, ... 12 mm */
	assert_true(v.vol.dim[1] > 8 && v.vol.dim[0] == 6);
	assert_true(v.filled > 0);
	size_t n = sm_vol_count(&v.vol), same = 0;
	for (size_t at = 0; at < n; at++) {
		double ijk[3] = {(double)(at % 6), (double)(at / 6 % (size_t)v.vol.dim[1]),
				 (double)(at / 6 / (size_t)v.vol.dim[1])},
		       ras[3];
		for (int r = 0; r < 3; r++)
			ras[r] = v.vol.affine[r][0] * ijk[0] + v.vol.affine[r][1] * ijk[1] +
				 v.vol.affine[r][2] * ijk[2] + v.vol.affine[r][3];
		same += fabs(((float *)v.vol.data)[at] - ramp(ras)) < 1e-3;
	}
	/* All but the voxels that lie outside an old slice they need. */
	assert_true(same >= n - v.filled);
	assert_true(fabs(v.vol.affine[1][2]) < 1e-12); /* no shear is left */
	sm_series_volume_clear(&v);
	sm_series_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_sorts_along_the_normal),
		cmocka_unit_test(test_series_normal_of_sagittal_slices),
		cmocka_unit_test(test_series_spacing_verdicts),
		cmocka_unit_test(test_series_too_few_slices),
		cmocka_unit_test(test_series_tilt_and_crooked),
		cmocka_unit_test(test_series_stacks_are_kept_apart),
		cmocka_unit_test(test_series_named_by_contrast),
		cmocka_unit_test(test_series_flat_pictures_are_one_each),
		cmocka_unit_test(test_times_by_the_surest_element),
		cmocka_unit_test(test_times_that_overlap_are_none),
		cmocka_unit_test(test_times_diffusion),
		cmocka_unit_test(test_times_incomplete),
		cmocka_unit_test(test_frames_of_several_files_are_pooled),
		cmocka_unit_test(test_series_verdicts_of_files_keep_together),
		cmocka_unit_test(test_series_copies_and_clashes),
		cmocka_unit_test(test_series_order_of_files_does_not_matter),
		cmocka_unit_test(test_regrid_gives_back_a_ramp),
	};
	return run_tap(tests);
}
