/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: positions against counting voxel by voxel, cutting and standardising by hand.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "preprocess/constant.h"
#include "preprocess/tile.h"

static struct sm_err err;

static struct sm_vol volume(int64_t x, int64_t y, int64_t z, int64_t c, enum sm_dtype dtype)
{
	struct sm_vol v;
	const int64_t dim[4] = {x, y, z, c};
	assert_good(sm_vol_init(&v, dim, dtype, NULL, "test", &err), err);
	memset(v.data, 0, sm_vol_count(&v) * sm_dtype_size(dtype));
	return v;
}

/* Labels 1 in a ball. */
static struct sm_vol ball(int64_t n, int64_t at, int64_t r)
{
	struct sm_vol v = volume(n, n, n, 1, SM_U8);
	uint8_t *p = v.data;
	for (int64_t z = 0; z < n; z++)
		for (int64_t y = 0; y < n; y++)
			for (int64_t x = 0; x < n; x++, p++)
				*p = (x - at) * (x - at) + (y - at) * (y - at) +
					     (z - at) * (z - at) <=
				     r * r;
	return v;
}

static double background(const struct sm_vol *v, const int32_t at[3], const int64_t size[3])
{
	int64_t zero = 0;
	for (int64_t z = at[2]; z < at[2] + size[2]; z++)
		for (int64_t y = at[1]; y < at[1] + size[1]; y++)
			for (int64_t x = at[0]; x < at[0] + size[0]; x++)
				zero += !((uint8_t *)v->data)[(z * v->dim[1] + y) * v->dim[0] + x];
	return (double)zero / (double)(size[0] * size[1] * size[2]);
}

static const struct sm_tile_rule usual = {
	.size = {8, 6, 4}, .per_case = 25, .max_background = 0.7, .tries = 1000, .seed = 1};

static void test_choose_keeps_the_background_rule(void **state)
{
	(void)state;
	struct sm_vol label = ball(24, 12, 7);
	struct sm_tile_starts at;
	assert_good(sm_tile_choose(&label, "c", &usual, NULL, &at, &err), err);
	assert_int_equal(at.count, 25);
	assert_true(at.tries >= 25 && at.tries <= 1000);
	for (int64_t k = 0; k < at.count; k++)
		assert_true(background(&label, at.start[k], usual.size) < 0.7);
	assert_true(at.least_background <= background(&label, at.start[0], usual.size));
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_choose_reaches_every_start_and_no_more(void **state)
{
	(void)state;
	struct sm_vol label = volume(10, 6, 5, 1, SM_U8); /* starts x 0..2, y 0, z 0..1 */
	struct sm_tile_rule rule = usual;
	struct sm_tile_starts at;
	size_t hits[3][2] = {{0}};
	rule.max_background = 1.01;
	rule.per_case = rule.tries = 600;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 600);
	for (int64_t k = 0; k < 600; k++) {
		assert_in_range(at.start[k][0], 0, 2);
		assert_int_equal(at.start[k][1], 0);
		assert_in_range(at.start[k][2], 0, 1);
		hits[at.start[k][0]][at.start[k][2]]++;
	}
	for (int i = 0; i < 6; i++) /* 100 expected, standard deviation 9 */
		assert_in_range(hits[i / 2][i % 2], 60, 140);
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_choose_gives_up_after_its_tries(void **state)
{
	(void)state;
	struct sm_vol label = ball(24, 12, 1);
	struct sm_tile_rule rule = usual;
	struct sm_tile_starts at;
	rule.tries = 37;
	rule.max_background = 0.1;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 0);
	assert_int_equal(at.tries, 37);
	assert_true(at.least_background > 0.9);
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_choose_centres_a_share_on_labels(void **state)
{
	(void)state;
	struct sm_vol label = volume(24, 24, 24, 1, SM_U8);
	struct sm_tile_rule rule = usual;
	struct sm_tile_starts at;
	((uint8_t *)label.data)[(20 * 24 + 1) * 24 + 12] = 3; /* one voxel near two faces */
	rule.tumour_share = 0.5;
	rule.max_background = 1.01;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 25);
	assert_int_equal(at.tumour, 13);
	for (int64_t k = 0; k < at.tumour; k++) {
		assert_int_equal(at.start[k][0], 8);
		assert_int_equal(at.start[k][1], 0);
		assert_int_equal(at.start[k][2], 18);
	}
	assert_int_equal(at.tries, 12);
	sm_tile_starts_clear(&at);
	memset(label.data, 0, sm_vol_count(&label)); /* nothing to centre on: all are uniform */
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.tumour, 0);
	assert_int_equal(at.count, 25);
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_choose_draws_centres_uniformly(void **state)
{
	(void)state;
	struct sm_vol label = volume(16, 16, 16, 1, SM_U8);
	struct sm_tile_rule rule = {
		.size = {1, 1, 1}, .per_case = 900, .tries = 1, .tumour_share = 1, .seed = 2};
	struct sm_tile_starts at;
	static const int spots[3] = {5, 16 * 16 * 3 + 7, 4095};
	size_t hits[3] = {0};
	for (int i = 0; i < 3; i++)
		((uint8_t *)label.data)[spots[i]] = 1;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	for (int64_t k = 0; k < at.count; k++) {
		int i = 0, v = (at.start[k][2] * 16 + at.start[k][1]) * 16 + at.start[k][0];
		while (i < 3 && spots[i] != v)
			i++;
		assert_in_range(i, 0, 2);
		hits[i]++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(hits[i], 230, 370);
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_choose_depends_on_case_and_seed(void **state)
{
	(void)state;
	struct sm_vol label = ball(24, 12, 7);
	struct sm_tile_rule other = usual;
	struct sm_tile_starts a, b, c, d;
	other.seed = 2;
	assert_good(sm_tile_choose(&label, "c", &usual, NULL, &a, &err), err);
	assert_good(sm_tile_choose(&label, "c", &usual, NULL, &b, &err), err);
	assert_good(sm_tile_choose(&label, "d", &usual, NULL, &c, &err), err);
	assert_good(sm_tile_choose(&label, "c", &other, NULL, &d, &err), err);
	size_t bytes = 25 * sizeof *a.start;
	assert_memory_equal(a.start, b.start, bytes);
	assert_memory_not_equal(a.start, c.start, bytes);
	assert_memory_not_equal(a.start, d.start, bytes);
	sm_tile_starts_clear(&a);
	sm_tile_starts_clear(&b);
	sm_tile_starts_clear(&c);
	sm_tile_starts_clear(&d);
	sm_vol_clear(&label);
}

static void test_choose_refuses_small_volumes(void **state)
{
	(void)state;
	struct sm_vol label = volume(8, 5, 4, 1, SM_U8);
	struct sm_tile_starts at;
	assert_refused(sm_tile_choose(&label, "c", &usual, NULL, &at, &err), SM_INPUT, err,
		       "c: has 5 voxels along y, a tile needs 6");
	assert_null(at.start);
	sm_vol_clear(&label);
}

static void test_cut_copies_the_window(void **state)
{
	(void)state;
	struct sm_vol image = volume(5, 4, 3, 2, SM_F32), label = volume(5, 4, 3, 1, SM_U8);
	const int64_t size[3] = {2, 3, 2};
	const int32_t start[3] = {3, 1, 1};
	float x[24];
	uint8_t y[12];
	for (int i = 0; i < 120; i++)
		((float *)image.data)[i] = (float)i;
	for (int i = 0; i < 60; i++)
		((uint8_t *)label.data)[i] = (uint8_t)i;
	sm_tile_cut(&image, &label, size, start, SM_STANDARDISE_NONE, x, y);
	for (int c = 0, i = 0; c < 2; c++)
		for (int z = 0; z < 2; z++)
			for (int r = 0; r < 3; r++)
				for (int k = 0; k < 2; k++, i++) {
					int v = ((z + 1) * 4 + r + 1) * 5 + k + 3;
					assert_true(x[i] == (float)(c * 60 + v));
					assert_true(c || y[i] == v);
				}
	sm_vol_clear(&image);
	sm_vol_clear(&label);
}

/* One channel of 2 slices of 2 x 1: values {1, 3} and {7, 7}. */
static void cut_small(enum sm_standardise how, float x[4])
{
	struct sm_vol image = volume(2, 1, 2, 1, SM_F32), label = volume(2, 1, 2, 1, SM_U8);
	uint8_t y[4];
	memcpy(image.data, (const float[]){1, 3, 7, 7}, 16);
	sm_tile_cut(&image, &label, (const int64_t[]){2, 1, 2}, (const int32_t[]){0, 0, 0}, how, x,
		    y);
	sm_vol_clear(&image);
	sm_vol_clear(&label);
}

static void test_cut_standardises_in_each_way(void **state)
{
	(void)state;
	float x[4];
	cut_small(SM_STANDARDISE_NONE, x);
	assert_memory_equal(x, ((const float[]){1, 3, 7, 7}), sizeof x);
	cut_small(SM_STANDARDISE_SLICE, x);
	assert_memory_equal(x, ((const float[]){-1, 1, 0, 0}), sizeof x);
	cut_small(SM_STANDARDISE_UNIT, x);
	assert_true(x[0] == 0 && x[2] == 1 && fabsf(x[1] - 1.0f / 3) < 1e-7f);
	cut_small(SM_STANDARDISE_TILE,
		  x); /* mean 4.5, variance (12.25 + 2.25 + 2 * 6.25) / 4 = 6.75 */
	assert_true(fabs((double)x[0] + 3.5 / sqrt(6.75)) < 1e-7 &&
		    fabs((double)x[2] - 2.5 / sqrt(6.75)) < 1e-7);
}

static void test_cut_constant_slice_is_0_whatever_its_value(void **state)
{
	(void)state;
	struct sm_vol image = volume(7, 3, 1, 1, SM_F32), label = volume(7, 3, 1, 1, SM_U8);
	float x[21];
	uint8_t y[21];
	for (int i = 0; i < 21; i++)
		((float *)image.data)[i] = 0.1f; /* its mean rounds */
	sm_tile_cut(&image, &label, (const int64_t[]){7, 3, 1}, (const int32_t[]){0, 0, 0},
		    SM_STANDARDISE_SLICE, x, y);
	for (int i = 0; i < 21; i++)
		assert_true(x[i] == 0);
	sm_vol_clear(&image);
	sm_vol_clear(&label);
}

static void test_grid_covers_every_voxel(void **state)
{
	(void)state;
	static const double overlaps[] = {0, 0.25, 0.5, 0.9};
	for (size_t o = 0; o < 4; o++) {
		struct sm_vol label = volume(21, 13, 9, 1, SM_U8);
		struct sm_tile_rule rule = {.size = {8, 6, 4},
					    .choice = SM_TILES_GRID,
					    .overlap = overlaps[o],
					    .max_background = 0.95};
		struct sm_tile_starts at;
		uint8_t *v = label.data;
		int64_t last[3] = {0};
		assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
		for (int64_t k = 0; k < at.count; k++)
			for (int64_t i = 0; i < 8 * 6 * 4; i++)
				v[((at.start[k][2] + i / 48) * 13 + at.start[k][1] + i / 8 % 6) *
					  21 +
				  at.start[k][0] + i % 8] = 1;
		assert_null(memchr(v, 0, 21 * 13 * 9));
		for (int64_t k = 0; k < at.count; k++)
			for (int a = 0; a < 3; a++) {
				assert_in_range(at.start[k][a], 0, label.dim[a] - rule.size[a]);
				last[a] = at.start[k][a] > last[a] ? at.start[k][a] : last[a];
			}
		assert_true(last[0] == 13 && last[1] == 7 &&
			    last[2] == 5); /* flush with the edges */
		if (o == 0)
			assert_int_equal(at.count, 3 * 3 * 3);
		if (o == 2)
			assert_int_equal(at.count, 5 * 4 * 4);
		sm_tile_starts_clear(&at);
		sm_vol_clear(&label);
	}
}

static void test_grid_can_skip_background(void **state)
{
	(void)state;
	struct sm_vol label = volume(16, 12, 8, 1, SM_U8);
	struct sm_tile_rule rule = {
		.size = {8, 6, 4}, .choice = SM_TILES_GRID, .max_background = 1};
	struct sm_tile_starts at;
	((uint8_t *)label.data)[(5 * 12 + 7) * 16 + 3] = 2;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 8);
	sm_tile_starts_clear(&at);
	rule.skip_background = true;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 1);
	assert_int_equal(at.tries, 8);
	assert_true(at.start[0][0] == 0 && at.start[0][1] == 6 && at.start[0][2] == 4);
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
}

static void test_balanced_gives_each_label_its_share(void **state)
{
	(void)state;
	struct sm_vol label = ball(24, 12, 7);
	static const double shares[4] = {0.2, 0.3, 0.5, 1}; /* label 3 is not there */
	struct sm_tile_rule rule = {.size = {3, 3, 3}, .choice = SM_TILES_BALANCED, .per_case = 25,
				    .class_shares = shares, .classes = 4, .seed = 4};
	struct sm_tile_starts at, again;
	uint8_t *v = label.data;
	v[(12 * 24 + 12) * 24 + 12] = v[(3 * 24 + 4) * 24 + 5] = 2;
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), err);
	assert_int_equal(at.count, 25);
	assert_true(at.of_class[0] == 5 && at.of_class[1] == 8 && at.of_class[2] == 12 &&
		    at.of_class[3] == 0);
	for (int64_t k = 0; k < 25; k++) {
		int label_there = v[((at.start[k][2] + 1) * 24 + at.start[k][1] + 1) * 24 +
				    at.start[k][0] + 1];
		bool edge = false;
		for (int a = 0; a < 3; a++)
			edge = edge || at.start[k][a] == 0 || at.start[k][a] == 21;
		if (!edge) /* a tile at the edge is not centred */
			assert_int_equal(label_there, k < 5 ? 0 : k < 13 ? 1 : 2);
	}
	assert_good(sm_tile_choose(&label, "c", &rule, NULL, &again, &err), err);
	assert_memory_equal(at.start, again.start, 25 * sizeof *at.start);
	sm_tile_starts_clear(&at);
	sm_tile_starts_clear(&again);
	rule.classes = 2;
	assert_refused(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), SM_INPUT, err,
		       "c: has label 2, but tile.class_shares ends at label 1");
	assert_null(at.start);
	static const double rare[4] = {0, 0, 0, 1};
	rule.class_shares = rare;
	rule.classes = 4;
	assert_refused(sm_tile_choose(&label, "c", &rule, NULL, &at, &err), SM_INPUT, err,
		       "no voxel of any label");
	sm_vol_clear(&label);
}

static void test_constant_channels_are_found(void **state)
{
	(void)state;
	char names[2][SM_ROLE_MAX] = {"t1", "t2"};
	struct sm_role_vol v = {.role = "image", .vol = volume(4, 3, 2, 2, SM_I16)};
	struct sm_case c = {.key = "case_1", .vols = &v, .count = 1, .channels = names};
	assert_refused(sm_case_shows(&c, &v.vol, 0, 2, "pet", &err), SM_INPUT, err,
		       "case_1: pet has the same value in every voxel");
	((int16_t *)v.vol.data)[5] = 1;
	/* an empty frame is none of its own, an empty channel is */
	assert_good(sm_case_shows(&c, &v.vol, 0, 2, "pet", &err), err);
	c.stacked = true;
	assert_refused(sm_case_shows(&c, &v.vol, 0, 2, "image", &err), SM_INPUT, err,
		       "case_1: t2 has the same value in every voxel");
	assert_good(sm_case_shows(&c, &v.vol, 0, 1, "image", &err), err);
	((int16_t *)v.vol.data)[47] = 256;
	assert_good(sm_case_shows(&c, &v.vol, 0, 2, "image", &err), err);
	sm_vol_clear(&v.vol);
}

static void test_cut_takes_stored_integers(void **state)
{
	(void)state;
	struct sm_vol image = volume(4, 3, 2, 1, SM_I16), label = volume(4, 3, 2, 1, SM_U8);
	const int64_t size[3] = {2, 2, 1};
	const int32_t start[3] = {1, 1, 1};
	float x[4];
	uint8_t y[4];
	for (int i = 0; i < 24; i++)
		((int16_t *)image.data)[i] = (int16_t)(i - 12);
	image.slope = 0.5;
	image.inter = 3;
	sm_tile_cut(&image, &label, size, start, SM_STANDARDISE_NONE, x, y);
	assert_true(x[0] == 0.5f * 5 + 3 && x[1] == 0.5f * 6 + 3 && x[2] == 0.5f * 9 + 3 &&
		    x[3] == 0.5f * 10 + 3);
	sm_vol_clear(&image);
	sm_vol_clear(&label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose_keeps_the_background_rule),
		cmocka_unit_test(test_choose_reaches_every_start_and_no_more),
		cmocka_unit_test(test_choose_gives_up_after_its_tries),
		cmocka_unit_test(test_choose_centres_a_share_on_labels),
		cmocka_unit_test(test_choose_draws_centres_uniformly),
		cmocka_unit_test(test_choose_depends_on_case_and_seed),
		cmocka_unit_test(test_choose_refuses_small_volumes),
		cmocka_unit_test(test_cut_copies_the_window),
		cmocka_unit_test(test_cut_standardises_in_each_way),
		cmocka_unit_test(test_cut_constant_slice_is_0_whatever_its_value),
		cmocka_unit_test(test_grid_covers_every_voxel),
		cmocka_unit_test(test_grid_can_skip_background),
		cmocka_unit_test(test_balanced_gives_each_label_its_share),
		cmocka_unit_test(test_constant_channels_are_found),
		cmocka_unit_test(test_cut_takes_stored_integers),
	};
	return run_tap(tests);
}
