/* SPDX-License-Identifier: Apache-2.0
 *
 * one_hot, regions and select_slices (relabel: test_relabel.c).
 */
#include "tests/unit/ops_yaml.h"

static struct sm_case labelled(void)
{
	struct sm_case c = fresh();
	add_f32(&c, "a", 6, 1, 1, (const float[]){0, 0, 0, 0, 0, 0});
	add_label(&c, 6, 1, 1, (const uint8_t[]){0, 1, 2, 4, 4, 0});
	c.label.affine[0][3] = c.vols[0].vol.affine[0][3] = 7;
	return c;
}

static void test_one_hot_in_the_listed_order(void **state)
{
	(void)state;
	struct sm_case c = labelled();
	assert_good(steps(&c, "one_hot: {labels: [4, 1, 2]}"), err);
	assert_int_equal(c.regions.dim[3], 3);
	assert_memory_equal(
		c.regions.data,
		((const uint8_t[]){0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}), 18);
	assert_string_equal(c.region_names[0], "label_4");
	assert_string_equal(c.region_names[2], "label_2");
	assert_true(c.regions.affine[0][3] == 7);
	assert_int_equal(((uint8_t *)c.label.data)[3], 4);
	assert_refused(steps(&c, "one_hot: {labels: [4, 1, 2]}"), SM_INPUT, err,
		       "has regions already");
	sm_case_clear(&c);
	c = labelled();
	assert_good(steps(&c, "one_hot: {labels: [0, 4], names: [back, ET], others: ignore}"), err);
	assert_memory_equal(c.regions.data, ((const uint8_t[]){1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0}),
			    12);
	assert_string_equal(c.region_names[1], "ET");
	sm_case_clear(&c);
}

static void test_regions_may_overlap(void **state)
{
	(void)state;
	struct sm_case c = labelled();
	assert_good(steps(&c,
			  "regions: {unions: [{name: WT, labels: [1, 2, 4]}, {name: TC, labels: "
			  "[1, 4]}, {name: ET, labels: [4]}]}"),
		    err);
	assert_memory_equal(
		c.regions.data,
		((const uint8_t[]){0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0}), 18);
	assert_string_equal(c.region_names[1], "TC");
	sm_case_clear(&c);
}

static void test_labels_outside_the_map_are_named_and_counted(void **state)
{
	(void)state;
	struct sm_case c = labelled();
	assert_refused(steps(&c, "one_hot: {labels: [1]}"), SM_INPUT, err,
		       "case_1: labels 2 (1 voxel), 4 (2 voxels) belong to no region");
	assert_refused(steps(&c, "regions: {unions: [{name: x, labels: [1, 2]}]}"), SM_INPUT, err,
		       "case_1: label 4 (2 voxels) belongs to no region");
	assert_null(c.regions.data);
	sm_case_clear(&c);
	/* to be predicted only: no truth, no regions */
	c = fresh();
	add_f32(&c, "a", 1, 1, 1, (const float[]){0});
	assert_good(steps(&c, "one_hot: {labels: [1]}"), err);
	assert_null(c.regions.data);
	sm_case_clear(&c);
}

static void test_parameters_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *step, *part;
	} bad[] = {
		{"one_hot: {labels: []}", "labels"},
		{"one_hot: {}", "labels: is missing"},
		{"one_hot: {labels: [1, 1]}", "1 twice"},
		{"one_hot: {labels: [1, 2], names: [a]}", "must be equal"},
		{"one_hot: {labels: [1, 2], names: [a, a]}", "'a' stands twice"},
		{"one_hot: {labels: [1], names: [../a]}", "allowed are names"},
		{"one_hot: {labels: [256]}", "256"},
		{"regions: {unions: []}", "unions"},
		{"regions: {}", "unions: is missing"},
		{"regions: {unions: [{name: a, labels: []}]}", "labels"},
		{"regions: {unions: [{name: a, labels: [1, 1]}]}", "1 twice"},
		{"regions: {unions: [{labels: [1]}]}", "name: is missing"},
		{"select_slices: {first: 5, last: 4}", "first 5 is above last 4"},
		{"select_slices: {min_entropy: 1, foreground: label}", "without min_foreground"},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_manifest m;
		assert_refused(read_steps(bad[i].step, &m), SM_USAGE, err, bad[i].part);
	}
}

/* Four slices of four voxels: empty, one bright, two bright, all different. */
static struct sm_case slices(void)
{
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 2, 4, (const float[]){0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 9, 0, 1, 2, 3, 4});
	return c;
}

static void keeps(const char *step, const char *wanted)
{
	struct sm_case c = slices();
	assert_good(steps(&c, step), err);
	for (size_t z = 0; z < 4; z++)
		if (c.vols[0].keep[z] != wanted[z] - '0')
			fail_msg("%s: slice %zu is %d", step, z, c.vols[0].keep[z]);
	sm_case_clear(&c);
}

static void test_select_slices_by_range_foreground_and_entropy(void **state)
{
	(void)state;
	keeps("select_slices: {first: 1, last: 2}", "0110");
	keeps("select_slices: {first: 2}", "0011");
	keeps("select_slices: {first: 2, last: 90, beyond: cut}", "0011");
	keeps("select_slices: {first: 2, last: 90, beyond: all}", "0011");
	keeps("select_slices: {first: 50, last: 90, beyond: all}", "1111");
	keeps("select_slices: {min_foreground: 0.25}", "0111");
	keeps("select_slices: {min_foreground: 0.5}", "0011");
	keeps("select_slices: {min_foreground: 0.5, foreground: above, above: 3.5}", "0010");
	keeps("select_slices: {min_entropy: 0.8}", "0111"); /* 0, 0.811, 1, 2 bits */
	keeps("select_slices: {min_entropy: 0.82}", "0011");
	keeps("select_slices: {min_entropy: 2}", "0001");
	keeps("select_slices: {first: 1};;select_slices: {last: 2}", "0110");
	keeps("select_slices: {first: 1, last: 2, min_foreground: 0.5}", "0010");
}

static void test_select_slices_looks_at_mask_and_label(void **state)
{
	(void)state;
	struct sm_case c = slices();
	add_label(&c, 2, 2, 4, (const uint8_t[]){0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0});
	assert_good(steps(&c, "select_slices: {min_foreground: 0.25, foreground: label}"), err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){1, 0, 1, 0}), 4);
	assert_refused(steps(&c, "select_slices: {min_foreground: 0.1, foreground: mask}"),
		       SM_INPUT, err, "the case has none");
	c.mask = volume(2, 2, 4, 1, SM_U8);
	((uint8_t *)c.mask.data)[8] = 1;
	assert_good(steps(&c, "select_slices: {min_foreground: 0.1}"), err); /* auto: the mask */
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 0, 1, 0}), 4);
	assert_refused(steps(&c, "select_slices: {last: 1}"), SM_INPUT, err, "no slice of 4");
	sm_case_clear(&c);
}

static void test_select_slices_of_several_volumes(void **state)
{
	(void)state;
	struct sm_case c = slices();
	struct sm_vol v = volume(2, 2, 4, 2, SM_I16); /* two frames: one of them will do */
	((int16_t *)v.data)[4] = ((int16_t *)v.data)[16 + 8] = 5;
	assert_good(sm_case_take(&c, "b", &v, &err), err);
	assert_good(steps(&c, "select_slices: {min_foreground: 0.25, roles: [b]}"), err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 1, 1, 0}), 4);
	assert_int_equal(c.vols[1].vol.dtype, SM_I16);
	assert_good(steps(&c, "select_slices: {min_foreground: 0.5, roles: [a]}"), err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 0, 1, 0}), 4);
	assert_refused(steps(&c, "select_slices: {min_foreground: 0.5, roles: [x]}"), SM_INPUT, err,
		       "no volume 'x'");
	assert_refused(steps(&c, "select_slices: {first: 2, last: 4}"), SM_INPUT, err,
		       "has slices 0 to 3, but the range reaches 4");
	sm_case_clear(&c);
	c = slices(); /* channels: all of them */
	add_f32(&c, "b", 2, 2, 4, (const float[]){1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1});
	assert_good(steps(&c, "stack: {roles: [a, b]};;select_slices: {min_foreground: 0.25}"),
		    err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 1, 0, 0}), 4);
	sm_case_clear(&c);
	c = slices();
	add_f32(&c, "b", 1, 1, 3, (const float[]){1, 2, 3});
	assert_refused(steps(&c, "select_slices: {first: 1}"), SM_INPUT, err,
		       "b has 1 voxels along x, a has 2");
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_hot_in_the_listed_order),
		cmocka_unit_test(test_regions_may_overlap),
		cmocka_unit_test(test_labels_outside_the_map_are_named_and_counted),
		cmocka_unit_test(test_parameters_are_checked),
		cmocka_unit_test(test_select_slices_by_range_foreground_and_entropy),
		cmocka_unit_test(test_select_slices_looks_at_mask_and_label),
		cmocka_unit_test(test_select_slices_of_several_volumes),
	};
	return run_tap(tests);
}
