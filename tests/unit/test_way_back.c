/* SPDX-License-Identifier: Apache-2.0
 *
 * Predictions come back to the source's grid: the preprocess operations move a volume, way_back
 * moves it back.
 */
#include "tests/unit/ops_case.h"

#include "core/rng.h"
#include "tests/unit/placed.h"

/* The way back of a case, with no label map. */
static struct sm_way_back back_of(const struct sm_case *c)
{
	struct sm_way_back way = {0};
	memcpy(way.dim, c->source_dim, sizeof way.dim);
	memcpy(way.affine, c->source_affine, sizeof way.affine);
	memcpy(way.way, c->way, sizeof way.way);
	return way;
}

static void add_smooth(struct sm_case *c, int64_t nx, int64_t ny, int64_t nz)
{
	struct sm_vol v = volume(nx, ny, nz, 1, SM_F32);
	for (int64_t z = 0; z < nz; z++)
		for (int64_t y = 0; y < ny; y++)
			for (int64_t x = 0; x < nx; x++)
				((float *)v.data)[(z * ny + y) * nx + x] =
					(float)(0.01 * (double)x + 0.02 * (double)y +
						0.03 * (double)z);
	v.affine[0][1] = -1; /* x and y swapped */
	v.affine[1][0] = 1;
	v.affine[0][0] = v.affine[1][1] = 0;
	v.affine[2][2] = 2.5;
	v.affine[2][3] = -7;
	assert_good(sm_case_take(c, "a", &v, &err), err);
}

static void test_flips_swaps_and_cuts_are_undone_exactly(void **state)
{
	(void)state;
	for (int pad = 0; pad < 2; pad++) {
		struct sm_case c = fresh();
		struct sm_vol out, labels;
		add_smooth(&c, 7, 5, 4);
		struct sm_vol old;
		assert_good(sm_vol_copy(&old, &c.vols[0].vol, NULL, &err), err);
		assert_good(op(&c, "orient", "axes", "IPL", NULL), err);
		assert_good(op(&c, "rotate90", "k", "1", NULL), err);
		assert_good(op(&c, "pad_crop", "size", pad ? "9 9 9" : "4 3 4", NULL), err);
		assert_good(op(&c, "orient", "axes", "RAS", NULL), err);
		struct sm_way_back way = back_of(&c);
		assert_true(sm_way_back_exact(&way));
		placed(&c.vols[0].vol, &way, 0.5, pad ? 2 : 1, &labels, &out);
		assert_true(out.dim[0] == 7 && out.dim[1] == 5 && out.dim[2] == 4);
		assert_memory_equal(out.affine, old.affine, sizeof old.affine);
		size_t same = 0;
		for (size_t i = 0; i < 140; i++) {
			float was = ((float *)old.data)[i], is = ((float *)out.data)[i];
			assert_true(is == was || (!pad && is == 0));
			same += is == was;
		}
		assert_true(pad ? same == 140 : same >= 48 && same < 60);
		sm_vol_clear(&old);
		sm_vol_clear(&labels);
		sm_vol_clear(&out);
		sm_case_clear(&c);
	}
}

static void test_resampled_probabilities_are_interpolated(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol out, labels;
	add_smooth(&c, 20, 16, 12);
	assert_good(op(&c, "orient", "axes", "RAS", NULL), err);
	assert_good(op(&c, "resample", "spacing", "0.8 0.7 1.9", NULL), err);
	assert_good(op(&c, "pad_crop", "size", "20 30 16", NULL), err);
	struct sm_way_back way = back_of(&c);
	assert_false(sm_way_back_exact(&way));
	placed(&c.vols[0].vol, &way, 0.4, 16, &labels, &out);
	const float *p = out.data;
	size_t inner = 0;
	for (int64_t z = 1; z < 11; z++)
		for (int64_t y = 1; y < 15; y++)
			for (int64_t x = 1; x < 19; x++, inner++) {
				double want = 0.01 * (double)x + 0.02 * (double)y +
					      0.03 * (double)z;
				double got = (double)p[(z * 16 + y) * 20 + x];
				assert_true(fabs(got - want) < 1e-5);
			}
	assert_int_equal(inner, 10 * 14 * 18);
	for (size_t i = 0; i < sm_vol_count(&labels); i++)
		assert_int_equal(((uint8_t *)labels.data)[i], (double)p[i] > 0.4);
	assert_int_equal(sm_vol_count(&labels), 20 * 16 * 12);
	for (int64_t planes = 1; planes < 8; planes++) { /* however many planes come at once */
		struct sm_vol again, map;
		placed(&c.vols[0].vol, &way, 0.4, planes, &again, &map);
		assert_memory_equal(map.data, out.data, sm_vol_count(&out) * sizeof(float));
		assert_memory_equal(again.data, labels.data, sm_vol_count(&labels));
		sm_vol_clear(&again);
		sm_vol_clear(&map);
	}
	sm_vol_clear(&out);
	sm_vol_clear(&labels);
	sm_case_clear(&c);
}

static void test_outside_of_an_interpolated_grid_is_nothing(void **state)
{
	(void)state;
	struct sm_vol prob = volume(2, 2, 2, 1, SM_F32), out, labels;
	for (int i = 0; i < 8; i++)
		((float *)prob.data)[i] = 1;
	/* source x 0..3 at 0.8 x - 1: -1 and 1.4 (3) -> inside are x = 1, 2, 3 */
	struct sm_way_back way = {.dim = {4, 1, 2},
				  .way = {{0.8, 0, 0, -1}, {0, 1, 0, 0.25}, {0, 0, 1, 0}}};
	placed(&prob, &way, 0.5, 1, &labels, &out);
	sm_vol_clear(&labels);
	for (int i = 0; i < 8; i++)
		assert_true(((float *)out.data)[i] == (i % 4 == 0 ? 0.0f : 1.0f));
	sm_vol_clear(&out);
	sm_vol_clear(&prob);
}

/* Any affine, planes in any portions: the same bits as all planes at once. */
static void test_oblique_ways_do_not_depend_on_portions(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 5, "test.oblique", "", 0, 0);
	for (int round = 0; round < 40; round++) {
		struct sm_vol prob = volume(9, 7, 8, 2, SM_F32), whole, map;
		struct sm_way_back way = {.dim = {11, 6, 9}};
		for (size_t i = 0; i < sm_vol_count(&prob); i++)
			((float *)prob.data)[i] = sm_rng_f32(&rng);
		for (int a = 0; a < 3; a++)
			for (int k = 0; k < 4; k++)
				way.way[a][k] = 2 * sm_rng_f64(&rng) - 1 + (k == 3 ? 2 : 0);
		if (round % 4 == 0) /* turned: z of the source runs along x */
			memcpy(way.way, (double[4][4]){{0, 0, 1, -1}, {0, -1, 0, 5}, {-1, 0, 0, 8}},
			       sizeof way.way);
		placed(&prob, &way, 0.5, 8, &whole, &map);
		for (int64_t planes = 1; planes < 8; planes++) {
			struct sm_vol label, part;
			placed(&prob, &way, 0.5, planes, &label, &part);
			assert_memory_equal(part.data, map.data,
					    sm_vol_count(&map) * sizeof(float));
			assert_memory_equal(label.data, whole.data, sm_vol_count(&whole));
			sm_vol_clear(&label);
			sm_vol_clear(&part);
		}
		sm_vol_clear(&whole);
		sm_vol_clear(&map);
		sm_vol_clear(&prob);
	}
}

static void test_what_counts_as_exact(void **state)
{
	(void)state;
	const struct {
		double way[4][4];
		bool exact;
	} rows[] = {
		{{{1, 0, 0, 5}, {0, 1, 0, -3}, {0, 0, 1, 0}}, true},
		{{{0, -1, 0, 5}, {1, 0, 0, 0}, {0, 0, -1, 9}}, true},
		{{{1, 0, 0, 0.5}, {0, 1, 0, 0}, {0, 0, 1, 0}}, false},
		{{{2, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}, false},
		{{{1, 0, 0, 0}, {1, 0, 0, 0}, {0, 0, 1, 0}}, false},
		{{{1, 1, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_way_back way = {0};
		memcpy(way.way, rows[i].way, sizeof way.way);
		assert_int_equal(sm_way_back_exact(&way), rows[i].exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips_swaps_and_cuts_are_undone_exactly),
		cmocka_unit_test(test_resampled_probabilities_are_interpolated),
		cmocka_unit_test(test_outside_of_an_interpolated_grid_is_nothing),
		cmocka_unit_test(test_oblique_ways_do_not_depend_on_portions),
		cmocka_unit_test(test_what_counts_as_exact),
	};
	return run_tap(tests);
}
