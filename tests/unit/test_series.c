/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/series_tree.h"

#include "ingest/series/dcm_volume.h"

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
	expect(gap, 6, SM_VERDICT_GAP, "1 slice is missing: slice distances from 3 to 6 mm");
	expect(uneven, 8, SM_VERDICT_UNEVEN, "slice distances from 1.1 to 7 mm");
	expect(twice, 5, SM_VERDICT_DUPLICATE, "1 of 5 slices shares its");
	/* A hundredth of the distance is no distance; more is, and no count of thousands. */
	const double near[] = {0, 3, 3.0015, 6, 9},
		     nearer[] = {0, 3, 3.05, 6.05, 9.05, 9.1, 12.1, 15.1};
	expect(near, 5, SM_VERDICT_DUPLICATE, "1 of 5 slices shares its");
	expect(nearer, 8, SM_VERDICT_UNEVEN, "slice distances from 0.05 to 3 mm");
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
	const struct sm_series_rules keep = {.min_slices = 1, .keep_tilt = true};
	struct sm_series_list list = group(&t, 5);
	expect_one(&list, SM_VERDICT_TILT,
		   "tilted by 14.04 degrees: its slices shift sideways, allowed is 0.1 degrees");
	assert_non_null(strstr(list.series[0].why, "ingest.uneven: regrid"));
	assert_non_null(strstr(list.series[0].why, "ingest.tilt: keep"));
	assert_true(sm_verdict_can_regrid(list.series[0].verdict));
	sm_series_list_clear(&list);
	list = group_by(&t, 5, &keep);
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

/* Every number of the orientation drifts or jitters: no slice is a reference. */
static void test_series_do_not_depend_on_the_salt(void **state)
{
	(void)state;
	struct tree t, other;
	for (int drift = 0; drift < 2; drift++) {
		for (size_t i = 0; i < 24; i++) {
			double e =
				drift ? 1.6e-3 * (double)i / 23 : 1e-5 * ((double)(i * 13 % 7) - 3);
			slice(&t, i, "1.2", (int)i, 0, 0, 2.0 * (double)i);
			memcpy(t.frames[i]->across, (const double[3]){1, e, 0}, 3 * sizeof(double));
			memcpy(t.frames[i]->down, (const double[3]){-e, 1, 0}, 3 * sizeof(double));
		}
		struct sm_series_list list = group(&t, 24);
		expect_one(&list, SM_VERDICT_OK, "");
		assert_int_equal(list.series[0].depth, 24);
		sm_series_list_clear(&list);
		other = t;
		for (size_t i = 0; i < 24; i++)
			other.heads[i].frame = other.frames[i];
		resalt(&other, 24);
		expect_same_volumes(&t, &other, 24);
	}
	/* Volumes of one size change their order with the hashes of their slices. */
	for (size_t i = 0; i < 24; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, (double)(i % 8));
		t.heads[i].tile_rows = (int)(8 + i / 8);
	}
	other = t;
	for (size_t i = 0; i < 24; i++)
		other.heads[i].frame = other.frames[i];
	resalt(&other, 24);
	expect_same_volumes(&t, &other, 24);
}

static void test_series_that_turn_are_no_stack(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 24; i++) {
		double e = 9e-4 *
			   (double)i; /* each near the next, the last 1.2 degrees off the first */
		slice(&t, i, "1.2", (int)i, 0, 0, 2.0 * (double)i);
		memcpy(t.frames[i]->across, (const double[3]){1, e, 0}, 3 * sizeof(double));
		memcpy(t.frames[i]->down, (const double[3]){-e, 1, 0}, 3 * sizeof(double));
	}
	struct sm_series_list list = group(&t, 24);
	expect_one(&list, SM_VERDICT_MIXED_ORIENTATION, "orientations drift: one lies 0.59");
	sm_series_list_clear(&list);
}

static const double planes[3][6] = {{1, 0, 0, 0, 1, 0}, {1, 0, 0, 0, 0, -1}, {0, 1, 0, 0, 0, -1}};

/* n slices in each of the first `count` planes. */
static void make_planes(struct tree *t, const char *modality, size_t count, size_t n)
{
	for (size_t i = 0; i < count * n; i++) {
		slice(t, i, "1.2", (int)i, 0, 0, 0);
		snprintf(t->heads[i].modality, sizeof t->heads[i].modality, "%s", modality);
		memcpy(t->frames[i]->across, planes[i / n], 3 * sizeof(double));
		memcpy(t->frames[i]->down, planes[i / n] + 3, 3 * sizeof(double));
		t->frames[i]->position[2 - i / n] = 10.0 * (double)(i % n);
	}
}

static void test_series_scout_by_its_planes(void **state)
{
	(void)state;
	struct tree t;
	const struct {
		const char *modality;
		size_t planes, n;
		enum sm_verdict verdict;
	} rows[] = {{"MR", 3, 3, SM_VERDICT_LOCALISER},
		    {"MR", 3, 1, SM_VERDICT_LOCALISER},
		    {"CT", 3, 3, SM_VERDICT_OK},
		    {"MR", 2, 3, SM_VERDICT_OK}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_planes(&t, rows[i].modality, rows[i].planes, rows[i].n);
		struct sm_series_list list = group_by(&t, rows[i].planes * rows[i].n, &usual);
		assert_int_equal(list.n, rows[i].planes);
		for (size_t k = 0; k < list.n; k++)
			assert_int_equal(list.series[k].verdict, rows[i].verdict);
		sm_series_list_clear(&list);
	}
	/* One plane with a volume's slices. */
	make_planes(&t, "MR", 3, 1);
	for (size_t i = 3; i < MOST; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 2.0 * (double)(i - 2));
		snprintf(t.heads[i].modality, sizeof t.heads[i].modality, "MR");
	}
	struct sm_series_list list = group(&t, MOST);
	assert_int_equal(list.series[0].verdict, SM_VERDICT_OK);
	sm_series_list_clear(&list);
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

/* Whole numbers with a factor give the bytes of their real values, in memory for the new grid and
 * for the whole numbers only; several time points; slices that were let go are not missed. */
static void test_regrid_of_whole_numbers(void **state)
{
	(void)state;
	struct tree t;
	const struct sm_dcm_frame *sorted[MOST];
	struct sm_err err = {0};
	const size_t nz = MOST, times = 2;
	for (size_t i = 0; i < nz; i++) {
		double z = 2.0 * (double)i + (i % 3 ? 0 : 0.7);
		slice(&t, i, "1.2", (int)i, -1, 2 + 0.1 * z, z);
		sorted[i] = t.frames[i];
	}
	struct sm_series_list list = group(&t, nz);
	const int64_t dim[4] = {61, 67, (int64_t)nz, (int64_t)times};
	struct sm_series_volume one[3]; /* real, whole on three threads, whole on one */
	size_t n = 0;
	for (int way = 0; way < 3; way++) {
		struct sm_series_volume *v = &one[way];
		struct sm_mem mem;
		sm_mem_init(&mem, 0);
		memset(v, 0, sizeof *v);
		assert_good(sm_vol_init(&v->vol, dim, SM_I16, &mem, "test", &err), err);
		n = sm_vol_count(&v->vol);
		for (size_t i = 0; i < n; i++)
			((int16_t *)v->vol.data)[i] = (int16_t)(i * 2654435761u >> 13);
		v->vol.slope = -0.37;
		v->vol.inter = 11;
		if (way == 0)
			assert_good(sm_vol_to_f32(&v->vol, &mem, 1, &err), err);
		assert_good(sm_stack_regrid(v, &list.series[0].stack, sorted, &mem,
					    way == 1 ? 3 : 1, &err),
			    err);
		size_t made = sm_vol_count(&v->vol) * sizeof(float);
		assert_true(v->regridded && v->filled > 0);
		if (way)
			assert_in_range(atomic_load(&mem.peak), 0,
					made + n * sizeof(int16_t) + 4096);
		v->vol.meaning = SM_MEANING_ARBITRARY;
		assert_int_equal(made, sm_vol_count(&one[0].vol) * sizeof(float));
		assert_memory_equal(v->vol.data, one[0].vol.data, made);
		assert_true(v->fill == one[0].fill && v->filled == one[0].filled);
		/* The budget does not outlive this turn. */
		struct sm_vol copy;
		assert_good(sm_vol_copy(&copy, &v->vol, NULL, &err), err);
		sm_vol_clear(&v->vol);
		v->vol = copy;
	}
	for (int way = 0; way < 3; way++)
		sm_series_volume_clear(&one[way]);
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
		cmocka_unit_test(test_series_flat_pictures_are_one_each),
		cmocka_unit_test(test_series_verdicts_of_files_keep_together),
		cmocka_unit_test(test_series_copies_and_clashes),
		cmocka_unit_test(test_series_order_of_files_does_not_matter),
		cmocka_unit_test(test_series_do_not_depend_on_the_salt),
		cmocka_unit_test(test_series_that_turn_are_no_stack),
		cmocka_unit_test(test_series_scout_by_its_planes),
		cmocka_unit_test(test_regrid_gives_back_a_ramp),
		cmocka_unit_test(test_regrid_of_whole_numbers),
	};
	return run_tap(tests);
}
