/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/dcm_series.h"
#include "ingest/dcm_volume.h"

#define MOST 24

/* An axial CT slice at (x, y, z). */
static struct sm_dcm_head slice(const char *series, int number, double x, double y, double z)
{
	struct sm_dcm_head h = {
		.modality = "CT",
		.rows = 8,
		.columns = 6,
		.samples = 1,
		.frames = 1,
		.has_pixels_size = true,
		.has_orientation = true,
		.has_position = true,
		.has_spacing = true,
		.across = {1, 0, 0},
		.down = {0, 1, 0},
		.position = {x, y, z},
		.spacing = {0.5, 0.75},
		.thickness = 3,
		.slope = 1,
		.instance = number,
		.bits_allocated = 16,
		.bits_stored = 16,
		.high_bit = 15,
		.is_signed = true,
	};
	snprintf(h.series, sizeof h.series, "%s", series);
	snprintf(h.sop, sizeof h.sop, "%s.%d", series, number);
	return h;
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

static struct sm_series_list group(const struct sm_dcm_head *heads, size_t n)
{
	struct sm_series_list list;
	struct sm_err err = {0};
	assert_good(sm_series_group(heads, n, all_differ, NULL, &list, &err), err);
	return list;
}

/* One stack at the given heights, in the given order. */
static struct sm_series_list stack_of(const double *z, size_t n)
{
	struct sm_dcm_head heads[MOST];
	for (size_t i = 0; i < n; i++)
		heads[i] = slice("1.2", (int)i, -10, 20, z[i]);
	struct sm_series_list list = group(heads, n);
	assert_int_equal(list.n, 1);
	return list;
}

static void expect(const double *z, size_t n, enum sm_verdict verdict, const char *part)
{
	struct sm_series_list list = stack_of(z, n);
	if (list.series[0].verdict != verdict)
		fail_msg("verdict %s: %s", sm_verdict_code(list.series[0].verdict),
			 list.series[0].why);
	if (!strstr(list.series[0].why, part))
		fail_msg("'%s' lacks '%s'", list.series[0].why, part);
	sm_series_list_clear(&list);
}

static void test_series_sorts_along_the_normal(void **state)
{
	(void)state;
	const double z[] = {6, -3, 0, 3, 9};
	const size_t order[] = {1, 2, 3, 0, 4};
	struct sm_series_list list = stack_of(z, 5);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	for (size_t k = 0; k < 5; k++)
		assert_int_equal(list.series[0].head[k], order[k]);
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
	struct sm_dcm_head heads[3];
	double m[4][4];
	for (int i = 0; i < 3; i++) {
		heads[i] = slice("1.2", i, 4.0 * i, 1, 2);
		/* across = towards the back, down = towards the feet: normal = across x down = (-1,
		 * 0, 0). */
		const double across[3] = {0, 1, 0}, down[3] = {0, 0, -1};
		memcpy(heads[i].across, across, sizeof across);
		memcpy(heads[i].down, down, sizeof down);
	}
	struct sm_series_list list = group(heads, 3);
	assert_int_equal(list.series[0].head[0], 2);
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
	const double times[] = {0, 3, 6, 0, 3, 6}, one[] = {5};
	expect(even, 5, SM_VERDICT_OK, "");
	expect(gap, 6, SM_VERDICT_GAP, "1 slices are missing: slice distances from 3 to 6 mm");
	expect(uneven, 8, SM_VERDICT_UNEVEN, "slice distances from 1.1 to 7 mm");
	expect(twice, 5, SM_VERDICT_DUPLICATE, "1 of 5 slices share their position");
	expect(times, 6, SM_VERDICT_REPEATED, "2 slices at each of 3 positions");
	expect(one, 1, SM_VERDICT_OK, "");
}

static void test_series_tilt_and_crooked(void **state)
{
	(void)state;
	struct sm_dcm_head heads[5];
	for (int i = 0; i < 5; i++)
		heads[i] = slice("1.2", i, 0, 1.0 * i, 4.0 * i);
	struct sm_series_list list = group(heads, 5);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	assert_true(list.series[0].notes >> SM_VERDICT_TILT & 1);
	assert_true(fabs(list.series[0].stack.tilt_degrees - 14.036243467926479) < 1e-9);
	sm_series_list_clear(&list);
	heads[2].position[0] = 1.5;
	list = group(heads, 5);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_CROOKED);
	sm_series_list_clear(&list);
}

static void test_series_stacks_are_kept_apart(void **state)
{
	(void)state;
	struct sm_dcm_head heads[9];
	for (int i = 0; i < 9; i++)
		heads[i] = slice(i < 7 ? "1.2" : "1.3", i, 0, 0, i);
	heads[5].across[1] = heads[6].across[1] = 1; /* another orientation */
	heads[5].across[0] = heads[6].across[0] = 0;
	heads[5].down[0] = heads[6].down[0] = 1;
	heads[5].down[1] = heads[6].down[1] = 0;
	heads[4].rows = 9; /* another size */
	struct sm_series_list list = group(heads, 9);
	assert_int_equal(list.n, 4);
	const size_t n[] = {4, 2, 1, 2}, part[] = {1, 2, 3, 1}, parts[] = {3, 3, 3, 1};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(list.series[i].n, n[i]);
		assert_int_equal(list.series[i].part, part[i]);
		assert_int_equal(list.series[i].parts, parts[i]);
	}
	sm_series_list_clear(&list);
	/* Two persons under one SeriesInstanceUID never become one volume. */
	for (int i = 0; i < 4; i++)
		heads[i] = slice("1.2", i, 0, 0, i);
	snprintf(heads[3].patient, sizeof heads[3].patient, "other");
	list = group(heads, 4);
	assert_int_equal(list.n, 2);
	sm_series_list_clear(&list);
}

static void test_series_mr_echoes_and_kinds(void **state)
{
	(void)state;
	struct sm_dcm_head heads[6];
	for (int i = 0; i < 6; i++) {
		heads[i] = slice("1.2", i, 0, 0, i / 2 * 4.0);
		snprintf(heads[i].modality, sizeof heads[i].modality, "MR");
		heads[i].echo_time = i % 2 ? 20 : 80;
	}
	struct sm_series_list list = group(heads, 6);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	assert_int_equal(list.series[1].verdict, SM_VERDICT_OK);
	sm_series_list_clear(&list);
}

static void test_series_copies_and_clashes(void **state)
{
	(void)state;
	struct sm_dcm_head heads[4];
	struct sm_series_list list;
	struct sm_err err = {0};
	for (int i = 0; i < 4; i++)
		heads[i] = slice("1.2", i % 3, 0, 0, i % 3);
	assert_good(sm_series_group(heads, 4, all_same, NULL, &list, &err), err);
	assert_int_equal(list.series[0].n, 3);
	assert_int_equal(list.series[0].copies, 1);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	sm_series_list_clear(&list);
	list = group(heads, 4);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_CLASH);
	sm_series_list_clear(&list);
}

static void test_series_order_of_files_does_not_matter(void **state)
{
	(void)state;
	struct sm_dcm_head heads[12], turned[12];
	for (int i = 0; i < 12; i++)
		heads[i] = slice(i % 3 ? "1.2" : "1.3", i, 0, 0, 2.0 * i);
	for (int i = 0; i < 12; i++)
		turned[i] = heads[(7 * i + 5) % 12];
	struct sm_series_list a = group(heads, 12), b = group(turned, 12);
	assert_int_equal(a.n, b.n);
	for (size_t s = 0; s < a.n; s++) {
		assert_int_equal(a.series[s].n, b.series[s].n);
		assert_string_equal(a.series[s].why, b.series[s].why);
		for (size_t k = 0; k < a.series[s].n; k++)
			assert_string_equal(heads[a.series[s].head[k]].sop,
					    turned[b.series[s].head[k]].sop);
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
	struct sm_dcm_head heads[7];
	const struct sm_dcm_head *sorted[7];
	struct sm_err err = {0};
	for (int i = 0; i < 7; i++) {
		heads[i] = slice("1.2", i, -1, 2 + 0.3 * z[i], z[i]); /* tilted and uneven */
		sorted[i] = &heads[i];
	}
	struct sm_series_list list = group(heads, 7);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_UNEVEN);
	struct sm_series_volume v = {0};
	const int64_t dim[4] = {6, 8, 7, 1};
	assert_good(sm_vol_init(&v.vol, dim, SM_F32, NULL, "test", &err), err);
	for (int k = 0; k < 7; k++)
		for (int j = 0; j < 8; j++)
			for (int i = 0; i < 6; i++) {
				const double ras[3] = {-(heads[k].position[0] + 0.5 * i),
						       -(heads[k].position[1] + 0.75 * j),
						       heads[k].position[2]};
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
		cmocka_unit_test(test_series_tilt_and_crooked),
		cmocka_unit_test(test_series_stacks_are_kept_apart),
		cmocka_unit_test(test_series_mr_echoes_and_kinds),
		cmocka_unit_test(test_series_copies_and_clashes),
		cmocka_unit_test(test_series_order_of_files_does_not_matter),
		cmocka_unit_test(test_regrid_gives_back_a_ramp),
	};
	return run_tap(tests);
}
