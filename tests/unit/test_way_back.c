/* SPDX-License-Identifier: Apache-2.0
 *
 * Predictions come back to the source's grid: the preprocess operations move a volume, way_back
 * moves it back.
 */
#include "tests/unit/ops_case.h"

#include "train/way_back.h"

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
		struct sm_vol out;
		add_smooth(&c, 7, 5, 4);
		struct sm_vol old;
		assert_good(sm_vol_copy(&old, &c.vols[0].vol, NULL, &err), err);
		assert_good(op(&c, "orient", "axes", "IPL", NULL), err);
		assert_good(op(&c, "rotate90", "k", "1", NULL), err);
		assert_good(op(&c, "pad_crop", "size", pad ? "9 9 9" : "4 3 4", NULL), err);
		assert_good(op(&c, "orient", "axes", "RAS", NULL), err);
		struct sm_way_back way = back_of(&c);
		assert_true(sm_way_back_exact(&way));
		assert_good(sm_infer_place(&c.vols[0].vol, &way, NULL, &out, &err), err);
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
		sm_vol_clear(&out);
		sm_case_clear(&c);
	}
}

static void test_resampled_probabilities_are_interpolated(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	struct sm_vol out, labels;
	uint8_t original[256];
	int64_t counts[256];
	add_smooth(&c, 20, 16, 12);
	assert_good(op(&c, "orient", "axes", "RAS", NULL), err);
	assert_good(op(&c, "resample", "spacing", "0.8 0.7 1.9", NULL), err);
	assert_good(op(&c, "pad_crop", "size", "20 30 16", NULL), err);
	struct sm_way_back way = back_of(&c);
	assert_false(sm_way_back_exact(&way));
	assert_good(sm_infer_place(&c.vols[0].vol, &way, NULL, &out, &err), err);
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
	sm_way_back_labels(&way, 1, original);
	assert_good(sm_infer_labels(&c.vols[0].vol, &way, 0.4, original, NULL, &labels, counts,
				    &err),
		    err);
	for (size_t i = 0; i < sm_vol_count(&labels); i++)
		assert_int_equal(((uint8_t *)labels.data)[i], p[i] > 0.4f);
	assert_int_equal(counts[0] + counts[1], 20 * 16 * 12);
	sm_vol_clear(&out);
	sm_vol_clear(&labels);
	sm_case_clear(&c);
}

static void test_outside_of_an_interpolated_grid_is_nothing(void **state)
{
	(void)state;
	struct sm_vol prob = volume(2, 2, 2, 1, SM_F32), out;
	for (int i = 0; i < 8; i++)
		((float *)prob.data)[i] = 1;
	/* source x 0..3 at 0.8 x - 1: -1 and 1.4 (3) -> inside are x = 1, 2, 3 */
	struct sm_way_back way = {.dim = {4, 1, 2},
				  .way = {{0.8, 0, 0, -1}, {0, 1, 0, 0.25}, {0, 0, 1, 0}}};
	assert_good(sm_infer_place(&prob, &way, NULL, &out, &err), err);
	for (int i = 0; i < 8; i++)
		assert_true(((float *)out.data)[i] == (i % 4 == 0 ? 0.0f : 1.0f));
	sm_vol_clear(&out);
	sm_vol_clear(&prob);
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
		cmocka_unit_test(test_what_counts_as_exact),
	};
	return run_tap(tests);
}
