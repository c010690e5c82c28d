/* SPDX-License-Identifier: Apache-2.0
 *
 * Every operation against values worked out by hand (relabel: test_relabel.c).
 */
#include "tests/unit/ops_case.h"

#include "preprocess/quantile.h"

static void test_table_rows_are_complete(void **state)
{
	(void)state;
	assert_int_equal(sm_ops_fieldset.count, SM_OP_COUNT);
	for (size_t i = 0; i < SM_OP_COUNT; i++) {
		assert_string_equal(sm_ops[i].name, sm_ops_fieldset.fields[i].key);
		assert_string_equal(sm_ops[i].name, sm_ops[i].params->name);
		assert_ptr_equal(sm_ops[i].params, sm_ops_fieldset.fields[i].of);
		assert_ptr_equal(sm_op_find(sm_ops[i].name), &sm_ops[i]);
		for (size_t f = 0; f < sm_ops[i].params->count; f++)
			assert_non_null(sm_ops[i].params->fields[f].doc);
	}
	assert_null(sm_op_find("no_such"));
}

static void test_stack_orders_channels_and_keeps_integers(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	const char *roles[] = {"t2", "flair", "t1", "t1ce"};
	for (int i = 0; i < 4; i++) {
		struct sm_vol v = volume(2, 1, 1, 1, SM_I16);
		((int16_t *)v.data)[1] = (int16_t)(i + 1);
		v.affine[0][3] = 7;
		assert_good(sm_case_take(&c, roles[i], &v, &err), err);
	}
	assert_good(op(&c, "stack", NULL), err);
	const int16_t wanted[] = {0, 2, 0, 4, 0, 3, 0, 1}; /* flair t1ce t1 t2 */
	assert_int_equal(c.count, 1);
	assert_int_equal(c.vols[0].vol.dtype, SM_I16);
	assert_memory_equal(c.vols[0].vol.data, wanted, sizeof wanted);
	assert_string_equal(c.channels[1], "t1ce");
	assert_true(c.vols[0].vol.affine[0][3] == 7 && c.source_affine[0][3] == 7);
	assert_refused(op(&c, "stack", NULL), SM_INPUT, err, "stacked already");
	sm_case_clear(&c);
}

static void test_stack_makes_mixed_types_real_values(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol a = volume(1, 1, 1, 1, SM_I16), b = volume(1, 1, 1, 1, SM_U8);
	*(int16_t *)a.data = 3;
	a.slope = 2;
	a.inter = 1;
	*(uint8_t *)b.data = 5;
	assert_good(sm_case_take(&c, "a", &a, &err), err);
	assert_good(sm_case_take(&c, "b", &b, &err), err);
	assert_good(op(&c, "stack", "roles", "b a", NULL), err);
	assert_values(values(&c, 0), (const float[]){5, 7}, 2);
	sm_case_clear(&c);
}

static void test_stack_refuses_missing_roles_and_other_grids(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol a = volume(2, 2, 2, 1, SM_F32), b = volume(2, 2, 2, 1, SM_F32);
	b.affine[2][3] = 0.5;
	assert_good(sm_case_take(&c, "a", &a, &err), err);
	assert_good(sm_case_take(&c, "b", &b, &err), err);
	assert_refused(op(&c, "stack", "roles", "a t1ce", NULL), SM_INPUT, err, "no volume 't1ce'");
	assert_refused(op(&c, "stack", "roles", "a b", NULL), SM_INPUT, err, "0.5 mm");
	assert_refused(op(&c, "stack", "roles", "a a", NULL), SM_USAGE, err, "twice");
	assert_good(op(&c, "stack", "roles", "a b", "tolerance", "1", NULL), err);
	sm_case_clear(&c);
}

static void test_normalise_min_max_reaches_each_range(void **state)
{
	(void)state;
	static const struct {
		const char *range;
		float wanted[4];
	} cases[] = {{"0 1", {0, 0.25f, 0.5f, 1}},
		     {"0 255", {0, 63.75f, 127.5f, 255}},
		     {"-1 1", {-1, -0.5f, 0, 1}}};
	for (size_t i = 0; i < 3; i++) {
		struct sm_case c = fresh();
		add_f32(&c, "a", 4, 1, 1, (const float[]){10, 20, 30, 50});
		assert_good(op(&c, "normalise", "range", cases[i].range, NULL), err);
		assert_values(values(&c, 0), cases[i].wanted, 4);
		sm_case_clear(&c);
	}
	struct sm_case c = fresh();
	add_f32(&c, "a", 1, 1, 1, (const float[]){1});
	assert_refused(op(&c, "normalise", "range", "1 0", NULL), SM_USAGE, err, "low < high");
	sm_case_clear(&c);
}

static void test_normalise_scopes(void **state)
{
	(void)state;
	const float two_slices[] = {1, 3, 10, 10};
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 2, two_slices);
	assert_good(op(&c, "normalise", "scope", "slice", "method", "zscore", NULL), err);
	assert_values(values(&c, 0), (const float[]){-1, 1, 0, 0},
		      4); /* constant slice becomes 0 */
	sm_case_clear(&c);

	c = fresh();
	add_f32(&c, "a", 4, 1, 1, (const float[]){0, 2, 4, 100});
	assert_refused(op(&c, "normalise", "scope", "mask", NULL), SM_INPUT, err, "has none");
	c.mask = volume(4, 1, 1, 1, SM_U8);
	memcpy(c.mask.data, (const uint8_t[]){1, 1, 1, 0}, 4);
	assert_good(op(&c, "normalise", "scope", "mask", NULL), err);
	assert_values(values(&c, 0), (const float[]){0, 0.5f, 1, 0}, 4);
	sm_case_clear(&c);

	c = fresh();
	add_f32(&c, "a", 4, 1, 1, (const float[]){0, 5, 7, 0});
	assert_good(op(&c, "normalise", "scope", "nonzero", "method", "zscore", NULL), err);
	assert_values(values(&c, 0), (const float[]){0, -1, 1, 0}, 4);
	sm_case_clear(&c);
}

static void test_normalise_works_channel_by_channel(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){1, 2});
	add_f32(&c, "b", 2, 1, 1, (const float[]){100, 300});
	assert_good(op(&c, "stack", "roles", "a b", NULL), err);
	assert_good(op(&c, "normalise", NULL), err);
	assert_values(values(&c, 0), (const float[]){0, 1, 0, 1}, 4);
	assert_int_equal(json_array_size(c.facts), 1);
	sm_case_clear(&c);
}

static void test_normalise_percentile_clips(void **state)
{
	(void)state;
	float v[101];
	for (int i = 0; i <= 100; i++)
		v[i] = (float)(100 - i); /* unsorted on purpose */
	struct sm_case c = fresh();
	add_f32(&c, "a", 101, 1, 1, v);
	assert_good(op(&c, "normalise", "method", "percentile", "percentiles", "10 60", NULL), err);
	assert_true(values(&c, 0)[100] == 0);
	assert_true(values(&c, 0)[90] == 0);
	assert_true(values(&c, 0)[65] == 0.5f);
	assert_true(values(&c, 0)[0] == 1);
	sm_case_clear(&c);
	c = fresh();
	add_f32(&c, "a", 101, 1, 1, v);
	assert_good(op(&c, "normalise", "method", "percentile", "percentiles", "10 60", "clip",
		       "false", NULL),
		    err);
	assert_true(fabsf(values(&c, 0)[0] - 1.8f) < 1e-6f);
	sm_case_clear(&c);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void test_quantile_equals_sorting(void **state)
{
	(void)state;
	float v[1000], sorted[1000];
	uint32_t x = 12345;
	for (int i = 0; i < 1000; i++) {
		x = x * 1664525u + 1013904223u;
		v[i] = ((float)(x >> 8) - 8e6f) * (i % 7 ? 1e-3f : 1e20f);
		if (i % 50 == 0)
			v[i] = 0;
	}
	memcpy(sorted, v, sizeof v);
	qsort(sorted, 1000, sizeof *sorted, by_value);
	for (size_t k = 0; k < 1000; k++)
		assert_true(sm_select_f32(v, NULL, 1000, k) == sorted[k]);
	assert_true(sm_percentile_f32(v, NULL, 1000, 1000, 0) == (double)sorted[0]);
	assert_true(sm_percentile_f32(v, NULL, 1000, 1000, 100) == (double)sorted[999]);
	const float four[] = {4, 1, 3, 2};
	assert_true(sm_percentile_f32(four, NULL, 4, 4, 50) == 2.5);
	const uint8_t keep[] = {1, 0, 1, 1};
	assert_true(sm_percentile_f32(four, keep, 4, 3, 50) == 3);
}

static void test_window_by_numbers_and_by_name(void **state)
{
	(void)state;
	const float hu[] = {-1000, 0, 40, 60, 80, 1000};
	struct sm_case c = fresh();
	add_f32(&c, "ct", 6, 1, 1, hu);
	assert_good(op(&c, "window", "preset", "brain", NULL), err); /* 0..80 */
	assert_values(values(&c, 0), (const float[]){0, 0, 0.5f, 0.75f, 1, 1}, 6);
	sm_case_clear(&c);
	c = fresh();
	add_f32(&c, "ct", 6, 1, 1, hu);
	assert_good(op(&c, "window", "centre", "0", "width", "2000", "to", "-1 1", NULL), err);
	assert_values(values(&c, 0), (const float[]){-1, 0, 0.04f, 0.06f, 0.08f, 1}, 6);
	sm_case_clear(&c);
	static const struct {
		const char *name;
		float low, high; /* HU at the ends */
	} named[] = {{"bone", -500, 1300}, {"lung", -1350, 150}, {"soft_tissue", -150, 250}};
	for (int i = 0; i < 3; i++) {
		c = fresh();
		add_f32(&c, "ct", 4, 1, 1,
			(const float[]){named[i].low,
					named[i].low + (named[i].high - named[i].low) / 4,
					named[i].high, named[i].high + 1});
		assert_good(op(&c, "window", "preset", named[i].name, NULL), err);
		assert_values(values(&c, 0), (const float[]){0, 0.25f, 1, 1}, 4);
		sm_case_clear(&c);
	}
}

static void test_pad_crop_keeps_places(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol v = volume(3, 2, 2, 1, SM_F32);
	for (int i = 0; i < 12; i++)
		((float *)v.data)[i] = (float)i;
	v.affine[0][0] = -2;
	v.affine[0][3] = 10;
	v.affine[2][1] = 3;
	assert_good(sm_case_take(&c, "a", &v, &err), err);
	add_label(&c, 3, 2, 2, (const uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
	/* x 3 -> 6 (1 before), y 2 -> 1 (floor(1/2) = 0 lost before), z stays */
	assert_good(op(&c, "pad_crop", "size", "6 1 0", "fill", "-1", NULL), err);
	assert_values(values(&c, 0), (const float[]){-1, 0, 1, 2, -1, -1, -1, 6, 7, 8, -1, -1}, 12);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 1, 2, 3, 0, 0, 0, 7, 8, 9, 0, 0}),
			    12);
	assert_true(c.way[0][3] == 1);
	assert_true(c.way[1][3] == 0);
	assert_true(c.vols[0].vol.affine[0][3] == 12);
	/* and a cut on the low side: y had 2, a cut of x by 5 loses 2 before */
	assert_good(op(&c, "pad_crop", "size", "1 0 0", NULL), err);
	assert_true(c.way[0][3] == -1);
	assert_true(c.vols[0].vol.affine[0][3] == 8); /* voxel 1 of the source: 10 - 2 */
	assert_values(values(&c, 0), (const float[]){1, 7}, 2);
	assert_int_equal(c.source_dim[0], 3);
	sm_case_clear(&c);
}

static void test_pad_crop_at_corner_and_integers(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol v = volume(2, 1, 1, 1, SM_I16);
	memcpy(v.data, (const int16_t[]){5, 6}, 4);
	assert_good(sm_case_take(&c, "a", &v, &err), err);
	assert_good(op(&c, "pad_crop", "size", "4 1 1", "at", "corner", NULL), err);
	assert_int_equal(c.vols[0].vol.dtype, SM_I16);
	assert_memory_equal(c.vols[0].vol.data, ((const int16_t[]){5, 6, 0, 0}), 8);
	assert_true(c.way[0][3] == 0);
	struct sm_vol other = volume(2, 1, 1, 1, SM_I16);
	assert_good(sm_case_take(&c, "b", &other, &err), err);
	assert_refused(op(&c, "pad_crop", "size", "4 1 1", NULL), SM_INPUT, err, "must be equal");
	sm_case_clear(&c);
}

/* What was cut before stack, also at the high side alone where the offset stays 0, must come
 * back. */
static void test_stack_after_a_cut_keeps_the_source_grid(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		struct sm_case c = fresh();
		for (int i = 0; i < 2; i++) {
			struct sm_vol v = volume(4, 3, 2, 1, SM_F32);
			((float *)v.data)[way == 2 ? 1 : 0] = 1;
			v.affine[0][3] = i ? 5 : 4;
			assert_good(sm_case_take(&c, i ? "b" : "a", &v, &err), err);
		}
		c.grid_tolerance = 2;
		if (way == 0)
			assert_good(op(&c, "pad_crop", "size", "3 2 1", "at", "corner", NULL), err);
		else
			assert_good(op(&c, "crop_foreground", NULL), err);
		assert_true(c.way[0][3] == (way == 2 ? -1 : 0));
		/* the first channel's, not the first role's */
		assert_good(op(&c, "stack", "roles", "b a", "tolerance", "2", NULL), err);
		assert_int_equal(c.vols[0].vol.dim[0], way == 0 ? 3 : 1);
		assert_true(c.source_dim[0] == 4 && c.source_dim[1] == 3 && c.source_dim[2] == 2);
		assert_true(c.source_affine[0][3] == 5);
		sm_case_clear(&c);
	}
}

static void test_crop_foreground_finds_the_box(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	float v[125] = {0};
	v[(1 * 5 + 2) * 5 + 3] = 1; /* x 3, y 2, z 1 */
	v[(2 * 5 + 2) * 5 + 1] = 1; /* x 1, y 2, z 2 */
	add_f32(&c, "a", 5, 5, 5, v);
	assert_good(op(&c, "crop_foreground", "margin", "1", NULL), err);
	const int64_t *d = c.vols[0].vol.dim;
	assert_true(d[0] == 5 && d[1] == 3 && d[2] == 4);
	assert_true(c.way[0][3] == 0 && c.way[1][3] == -1 && c.way[2][3] == 0);
	assert_true(c.vols[0].vol.affine[1][3] == 1);
	sm_case_clear(&c);
	c = fresh(); /* frames share one box; the mask, when there is one, decides alone */
	struct sm_vol pet = volume(3, 1, 2, 2, SM_F32);
	((float *)pet.data)[2] = ((float *)pet.data)[6] = 1;
	assert_good(sm_case_take(&c, "pet", &pet, &err), err);
	assert_good(op(&c, "crop_foreground", NULL), err);
	assert_true(c.vols[0].vol.dim[0] == 3 && c.vols[0].vol.dim[2] == 1 &&
		    c.vols[0].vol.dim[3] == 2);
	c.mask = volume(3, 1, 1, 1, SM_U8);
	((uint8_t *)c.mask.data)[1] = 1;
	assert_good(op(&c, "crop_foreground", NULL), err);
	assert_true(c.vols[0].vol.dim[0] == 1 && c.way[0][3] == -1);
	sm_case_clear(&c);
	c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){0, 0});
	assert_refused(op(&c, "crop_foreground", NULL), SM_INPUT, err, "no foreground");
	sm_case_clear(&c);
}

static void test_sum_frames_mean_and_sum(void **state)
{
	(void)state;
	for (int sum = 0; sum < 2; sum++) {
		struct sm_case c = fresh();
		struct sm_vol v = volume(2, 1, 1, 4, SM_I16);
		memcpy(v.data, (const int16_t[]){1, 2, 3, 4, 5, 6, 7, 8}, 16);
		v.frame_seconds = 60;
		v.affine[1][3] = 9;
		assert_good(sm_case_take(&c, "pet", &v, &err), err);
		assert_good(op(&c, "sum_frames", "method", sum ? "sum" : "mean", NULL), err);
		assert_values(values(&c, 0), sum ? (const float[]){16, 20} : (const float[]){4, 5},
			      2);
		assert_int_equal(c.vols[0].vol.dim[3], 1);
		assert_true(c.vols[0].vol.frame_seconds == 0 && c.vols[0].vol.affine[1][3] == 9);
		assert_refused(op(&c, "sum_frames", NULL), SM_INPUT, err, "1 frame");
		sm_case_clear(&c);
	}
}

/* A hollow box of 8 with a hole inside, and a single bright voxel far away. */
static void hollow(float *v, int64_t n)
{
	for (int64_t z = 2; z < 7; z++)
		for (int64_t y = 2; y < 7; y++)
			for (int64_t x = 2; x < 7; x++)
				v[(z * n + y) * n + x] = x == 4 && y == 4 && z == 4 ? 1 : 100;
	v[0] = 90;
}

static void test_remove_background_largest_object_without_holes(void **state)
{
	(void)state;
	float v[729] = {0};
	hollow(v, 9);
	v[728] = 3; /* noise below the threshold */
	for (int way = 0; way < 3; way++) {
		static const char *const how[] = {"otsu", "value", "share"}, *const value[] = {
										     "0", "50",
										     "0.5"};
		struct sm_case c = fresh();
		add_f32(&c, "a", 9, 9, 9, v);
		assert_good(op(&c, "remove_background", "threshold", how[way], "value", value[way],
			       NULL),
			    err);
		const float *got = values(&c, 0);
		const uint8_t *mask = c.mask.data;
		size_t inside = 0;
		for (int i = 0; i < 729; i++)
			inside += mask[i];
		assert_int_equal(inside, 125);
		assert_true(got[0] == 0 && got[728] == 0);
		assert_true(got[(4 * 9 + 4) * 9 + 4] == 1); /* the hole's own value stays */
		sm_case_clear(&c);
	}
	struct sm_case c = fresh();
	add_f32(&c, "a", 9, 9, 9, v);
	assert_good(op(&c, "remove_background", "largest", "false", "fill_holes", "false", "fill",
		       "-5", NULL),
		    err);
	assert_true(values(&c, 0)[0] == 90 && values(&c, 0)[(4 * 9 + 4) * 9 + 4] == -5);
	sm_case_clear(&c);
	c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){4, 4});
	assert_refused(op(&c, "remove_background", NULL), SM_INPUT, err, "nothing to separate");
	sm_case_clear(&c);
}

static void test_remove_band_includes_its_ends(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "a", 5, 1, 1, (const float[]){79.5f, 80, 100, 110, 110.5f});
	assert_good(op(&c, "remove_band", NULL), err);
	assert_values(values(&c, 0), (const float[]){79.5f, 0, 0, 0, 110.5f}, 5);
	assert_refused(op(&c, "remove_band", "low", "5", "high", "4", NULL), SM_USAGE, err,
		       "above high");
	sm_case_clear(&c);
}

static void test_steps_run_a_prefix_and_name_the_step(void **state)
{
	(void)state;
	struct sm_arena arena = {0};
	struct sm_step v[2] = {{.which = SM_OP_normalise}, {.which = SM_OP_stack}};
	struct sm_steps steps = {v, 2};
	for (int i = 0; i < 2; i++) {
		v[i].params = sm_arena_alloc(&arena, sm_ops[v[i].which].params->size);
		assert_good(sm_fields_default(sm_ops[v[i].which].params, v[i].params, &arena, &err),
			    err);
	}
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){3, 5});
	assert_good(sm_ops_run(&c, &steps, 1, &err), err);
	assert_values(values(&c, 0), (const float[]){0, 1}, 2);
	assert_refused(sm_ops_run(&c, &steps, 0, &err), SM_INPUT, err, "step 2 (stack): case_1");
	assert_refused(sm_ops_run(&c, &steps, 3, &err), SM_USAGE, err, "0 to 2");
	assert_refused(sm_ops_check(&steps, 3, 0, &err), SM_USAGE, err, "0 to 2");
	assert_good(sm_ops_check(&steps, 0, 0, &err), err);
	sm_case_clear(&c);
	sm_arena_clear(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_rows_are_complete),
		cmocka_unit_test(test_stack_orders_channels_and_keeps_integers),
		cmocka_unit_test(test_stack_makes_mixed_types_real_values),
		cmocka_unit_test(test_stack_refuses_missing_roles_and_other_grids),
		cmocka_unit_test(test_normalise_min_max_reaches_each_range),
		cmocka_unit_test(test_normalise_scopes),
		cmocka_unit_test(test_normalise_works_channel_by_channel),
		cmocka_unit_test(test_normalise_percentile_clips),
		cmocka_unit_test(test_quantile_equals_sorting),
		cmocka_unit_test(test_window_by_numbers_and_by_name),
		cmocka_unit_test(test_pad_crop_keeps_places),
		cmocka_unit_test(test_pad_crop_at_corner_and_integers),
		cmocka_unit_test(test_crop_foreground_finds_the_box),
		cmocka_unit_test(test_sum_frames_mean_and_sum),
		cmocka_unit_test(test_remove_background_largest_object_without_holes),
		cmocka_unit_test(test_stack_after_a_cut_keeps_the_source_grid),
		cmocka_unit_test(test_remove_band_includes_its_ends),
		cmocka_unit_test(test_steps_run_a_prefix_and_name_the_step),
	};
	return run_tap(tests);
}
