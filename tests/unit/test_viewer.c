/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cases the report shows, and what of them the viewer gets: part, gray values, differences,
 * and the place in the patient.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nii.h"
#include "eval/viewer.h"

#define V(value) \
	{ \
		value, SM_HAS_VALUE \
	}
static const struct sm_cell infinite = {NAN, SM_IS_INFINITE}, without = {NAN, SM_LEFT_OUT};

/* "3 0 5m": numbers in their order, m = about the median. */
static const char *chosen_of(const struct sm_cell *cell, size_t n, size_t worst, size_t median,
			     size_t most, enum sm_better better)
{
	static char text[256];
	struct sm_choice how = {worst, median, most, better};
	struct sm_chosen c;
	struct sm_err err;
	text[0] = '\0';
	assert_good(sm_choose_cases(cell, n, &how, &c, &err), err);
	for (size_t i = 0; i < c.n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%zu%s", i ? " " : "",
			 c.at[i].index, c.at[i].median ? "m" : "");
	return text;
}

static void worst_and_median_cases_are_chosen(void **state)
{
	(void)state;
	const struct sm_cell cell[] = {V(0.9), V(0.2), V(0.5), V(0.7), V(0.6)};
	assert_string_equal(chosen_of(cell, 5, 1, 1, 9, SM_IS_HIGH), "1 4m");
	assert_string_equal(chosen_of(cell, 5, 2, 1, 9, SM_IS_HIGH), "1 2 4m");
	assert_string_equal(chosen_of(cell, 5, 0, 3, 9, SM_IS_HIGH), "2m 4m 3m");
	assert_string_equal(chosen_of(cell, 5, 1, 1, 9, SM_IS_LOW), "0 4m");
	assert_string_equal(chosen_of(cell, 5, 0, 0, 9, SM_IS_LOW), "");
}

static void none_is_chosen_twice_or_too_many(void **state)
{
	(void)state;
	const struct sm_cell cell[] = {V(0.9), V(0.2), V(0.5)};
	assert_string_equal(chosen_of(cell, 3, 5, 5, 9, SM_IS_HIGH), "1 2 0m");
	assert_string_equal(chosen_of(cell, 3, 5, 1, 2, SM_IS_HIGH), "1 2m");
	assert_string_equal(chosen_of(cell, 3, 5, 0, 2, SM_IS_HIGH), "1 2");
	assert_string_equal(chosen_of(cell, 3, 1, 1, 1, SM_IS_HIGH), "2m");
	assert_string_equal(chosen_of(cell, 3, 1, 1, 0, SM_IS_HIGH), "");
	assert_string_equal(chosen_of(cell, 0, 1, 1, 9, SM_IS_HIGH), "");
	assert_string_equal(chosen_of(cell, 1, 1, 1, 9, SM_IS_HIGH), "0m");
}

static void infinite_is_worst_and_no_value_is_no_case(void **state)
{
	(void)state;
	const struct sm_cell cell[] = {V(3), without, V(30), infinite, V(3)};
	assert_string_equal(chosen_of(cell, 5, 4, 0, 9, SM_IS_LOW), "3 2 0 4");
	const struct sm_cell difference[] = {V(-9), V(2), V(0), V(8)};
	assert_string_equal(chosen_of(difference, 4, 2, 0, 9, SM_IS_ZERO), "0 3");
}

/* A scan of 12 x 10 x 8 voxels whose value is 10 x + y where 2 <= x < 10, else 0. */
static void make_scene(struct sm_scene *s, struct sm_err *err)
{
	const int64_t dim[4] = {12, 10, 8, 1};
	*s = (struct sm_scene){.role = "flair", .low = 0, .high = 255};
	assert_good(sm_vol_init(&s->image, dim, SM_F32, NULL, "image", err), *err);
	assert_good(sm_vol_init(&s->truth, dim, SM_U8, NULL, "truth", err), *err);
	assert_good(sm_vol_init(&s->prediction, dim, SM_U8, NULL, "prediction", err), *err);
	const double affine[3][4] = {{0, -2, 0, 50}, {1, 0, 0, -20}, {0, 0, 3, 7}};
	memcpy(s->image.affine, affine, sizeof affine);
	for (int64_t z = 0; z < 8; z++)
		for (int64_t y = 0; y < 10; y++)
			for (int64_t x = 0; x < 12; x++) {
				size_t i = (size_t)(x + 12 * (y + 10 * z));
				((float *)s->image.data)[i] =
					x >= 2 && x < 10 ? (float)(10 * x + y) : 0;
				((uint8_t *)s->truth.data)[i] = x == 5 && y == 4 && z >= 3 && z < 5;
				((uint8_t *)s->prediction.data)[i] =
					x == 5 && y == 4 && z == 4 ? 2 : x == 6 && y == 4 && z == 4;
			}
}

static void the_part_is_the_scan_or_the_labels(void **state)
{
	(void)state;
	struct sm_scene s;
	struct sm_err err;
	make_scene(&s, &err);
	struct sm_viewer_part p = sm_viewer_choose_part(&s, 12 * 10 * 8);
	assert_int_equal(p.low[0], 0);
	assert_int_equal(p.n[0], 12);
	assert_int_equal(p.n[1], 10);
	assert_int_equal(p.step, 1);
	/* Too many: 25 mm around the labels, 13 voxels of 2 mm, is the grid: every second voxel. */
	p = sm_viewer_choose_part(&s, 12 * 10 * 8 - 1);
	assert_int_equal(p.step, 2);
	assert_int_equal(p.n[0], 6);
	assert_int_equal(p.n[1], 5);
	assert_int_equal(p.n[2], 4);
	memset(s.image.data, 0, sm_vol_count(&s.image) * sizeof(float));
	p = sm_viewer_choose_part(&s, 12 * 10 * 8);
	assert_int_equal(p.low[0], 3);
	assert_int_equal(p.n[0], 6);
	assert_int_equal(p.low[2], 1);
	assert_int_equal(p.n[2], 6);
	sm_scene_clear(&s);
}

static void place_of(const struct sm_vol *v, double x, double y, double z, double out[3])
{
	for (int r = 0; r < 3; r++)
		out[r] = v->affine[r][0] * x + v->affine[r][1] * y + v->affine[r][2] * z +
			 v->affine[r][3];
}

static void a_part_stays_in_its_place(void **state)
{
	(void)state;
	struct sm_scene s;
	struct sm_err err;
	struct sm_vol v[SM_VIEWER_VOLUMES];
	double here[3], there[3];
	make_scene(&s, &err);
	struct sm_viewer_part part = {{3, 2, 1}, {6, 5, 5}, 1};
	assert_good(sm_viewer_cut(&s, &part, NULL, v, &err), err);
	place_of(&v[SM_VIEWER_TRUTH], 2, 2, 3, here);
	place_of(&s.image, 5, 4, 4, there);
	for (int r = 0; r < 3; r++)
		assert_true(fabs(here[r] - there[r]) < 1e-12);
	size_t i = 2 + 6 * (2 + 5 * 3);
	assert_int_equal(((uint8_t *)v[SM_VIEWER_SCAN].data)[i], 54);
	assert_int_equal(((uint8_t *)v[SM_VIEWER_TRUTH].data)[i], 1);
	assert_int_equal(((uint8_t *)v[SM_VIEWER_PREDICTION].data)[i], 2);
	/* Another label, the prediction alone, the truth alone, nothing. */
	const uint8_t *d = v[SM_VIEWER_DIFFERENCE].data;
	assert_int_equal(d[i], 2);
	assert_int_equal(d[i + 1], 3);
	assert_int_equal(d[i - 30], 4);
	assert_int_equal(d[0], 0);
	for (int k = 0; k < SM_VIEWER_VOLUMES; k++)
		sm_vol_clear(&v[k]);
	/* Blocks of two: the mean of the scan, in the middle of the block. */
	part = (struct sm_viewer_part){{2, 0, 0}, {4, 5, 4}, 2};
	assert_good(sm_viewer_cut(&s, &part, NULL, v, &err), err);
	/* x 2 and 3, y 0 and 1: 20, 30, 21, 31. */
	assert_int_equal(((uint8_t *)v[SM_VIEWER_SCAN].data)[0], 26);
	place_of(&v[SM_VIEWER_SCAN], 0, 0, 0, here);
	place_of(&s.image, 2.5, 0.5, 0.5, there);
	for (int r = 0; r < 3; r++)
		assert_true(fabs(here[r] - there[r]) < 1e-12);
	for (int k = 0; k < SM_VIEWER_VOLUMES; k++)
		sm_vol_clear(&v[k]);
	sm_scene_clear(&s);
}

static void bytes_for_the_page_are_a_volume(void **state)
{
	(void)state;
	struct sm_scene s;
	struct sm_err err;
	struct sm_vol back;
	unsigned char *bytes[2];
	size_t n[2];
	make_scene(&s, &err);
	for (int jobs = 1; jobs <= 2; jobs++)
		assert_good(sm_nii_encode(&s.image, "page", 9, jobs, &bytes[jobs - 1], &n[jobs - 1],
					  &err),
			    err);
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(bytes[0], bytes[1], n[0]);
	assert_good(sm_nii_parse(bytes[0], n[0], "page.nii.gz", NULL, &back, NULL, &err), err);
	assert_memory_equal(back.data, s.image.data, sm_vol_count(&back) * sizeof(float));
	assert_good(sm_vol_same_grid(&back, "page", &s.image, "scan", 1e-5, &err), err);
	free(bytes[0]);
	free(bytes[1]);
	sm_vol_clear(&back);
	sm_scene_clear(&s);
}

static void grays_end_at_black_and_white(void **state)
{
	(void)state;
	struct sm_scene s = {.low = 100, .high = 200};
	assert_int_equal(sm_scene_gray(&s, 50), 0);
	assert_int_equal(sm_scene_gray(&s, 100), 0);
	assert_int_equal(sm_scene_gray(&s, 150), 128);
	assert_int_equal(sm_scene_gray(&s, 1e9f), 255);
	assert_int_equal(sm_scene_gray(&s, NAN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worst_and_median_cases_are_chosen),
		cmocka_unit_test(none_is_chosen_twice_or_too_many),
		cmocka_unit_test(infinite_is_worst_and_no_value_is_no_case),
		cmocka_unit_test(the_part_is_the_scan_or_the_labels),
		cmocka_unit_test(a_part_stays_in_its_place),
		cmocka_unit_test(bytes_for_the_page_are_a_volume),
		cmocka_unit_test(grays_end_at_black_and_white),
	};
	return run_tap(tests);
}
