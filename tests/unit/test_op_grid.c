/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that move voxels, on numbers worked out by hand: values, places in mm, ways back, what
 * moves along, what is refused. Real scans: test_grid_golden.c.
 */
#include "tests/unit/ops_case.h"

#include "preprocess/grid.h"

/* 0, 1, 2, ... along x, then y, then z, with an affine of 2, 3, 4 mm that flips x. */
static void add_count(struct sm_case *c, const char *role, int64_t x, int64_t y, int64_t z,
		      enum sm_dtype dtype)
{
	struct sm_vol v = volume(x, y, z, 1, dtype);
	for (int64_t i = 0; i < x * y * z; i++) {
		if (dtype == SM_F32)
			((float *)v.data)[i] = (float)i;
		else
			((int16_t *)v.data)[i] = (int16_t)i;
	}
	v.affine[0][0] = -2;
	v.affine[1][1] = 3;
	v.affine[2][2] = 4;
	v.affine[0][3] = 10;
	assert_good(sm_case_take(c, role, &v, &err), err);
}

/* A label on the grid of volume i: its values modulo 7. */
static void label_like(struct sm_case *c, size_t i)
{
	const struct sm_vol *v = &c->vols[i].vol;
	c->label = volume(v->dim[0], v->dim[1], v->dim[2], 1, SM_U8);
	memcpy(c->label.affine, v->affine, sizeof v->affine);
	for (size_t k = 0; k < sm_vol_count(&c->label); k++)
		((uint8_t *)c->label.data)[k] = (uint8_t)(k % 7);
}

static void assert_way(const struct sm_case *c, const double wanted[12])
{
	for (int i = 0; i < 12; i++)
		if (c->way[i / 4][i % 4] != wanted[i])
			fail_msg("way[%d] is %.17g, wanted %.17g", i, c->way[i / 4][i % 4],
				 wanted[i]);
}

/* Today's affine times the way is the source's affine. */
static void assert_places(const struct sm_case *c)
{
	for (size_t i = 0; i < c->count; i++) {
		double affine[4][4], way[4][4], both[4][4];
		memcpy(affine, c->vols[i].vol.affine, sizeof affine);
		memcpy(way, c->vols[i].way, sizeof way);
		sm_affine_product(affine, way, both);
		for (int k = 0; k < 16; k++)
			assert_true(fabs(both[k / 4][k % 4] -
					 c->vols[i].source_affine[k / 4][k % 4]) < 1e-9);
	}
}

static void test_orient_swaps_and_flips(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_count(&c, "a", 3, 2, 2, SM_I16);
	label_like(&c, 0);
	/* LAS now. x of the new grid grows to I: it is old z flipped; y grows to R, z to A. */
	assert_good(op(&c, "orient", "axes", "IRA", NULL), err);
	const struct sm_vol *v = &c.vols[0].vol;
	assert_true(v->dim[0] == 2 && v->dim[1] == 3 && v->dim[2] == 2 && v->dtype == SM_I16);
	/* new (i, j, k) = old (2 - j, k, 1 - i) */
	for (int k = 0; k < 2; k++)
		for (int j = 0; j < 3; j++)
			for (int i = 0; i < 2; i++) {
				int old = ((1 - i) * 2 + k) * 3 + 2 - j, now = (k * 3 + j) * 2 + i;
				assert_int_equal(((const int16_t *)v->data)[now], old);
				assert_int_equal(((const uint8_t *)c.label.data)[now], old % 7);
			}
	assert_way(&c, (const double[]){0, 0, -1, 1, -1, 0, 0, 2, 0, 1, 0, 0});
	assert_places(&c);
	char axes[4];
	sm_vol_axes(v, axes);
	assert_string_equal(axes, "IRA");
	assert_memory_equal(c.label.affine, v->affine, sizeof v->affine);
	/* and back: every voxel where it was */
	assert_good(op(&c, "orient", "axes", "LAS", NULL), err);
	for (int i = 0; i < 12; i++)
		assert_int_equal(((const int16_t *)c.vols[0].vol.data)[i], i);
	assert_way(&c, (const double[]){1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
	assert_memory_equal(c.vols[0].vol.affine, c.source_affine, sizeof c.source_affine);
	static const char *const wrong[] = {"RAR", "RA", "RASI", "ras", "RAX", "LRS"};
	for (size_t i = 0; i < 6; i++)
		assert_refused(op(&c, "orient", "axes", wrong[i], NULL), SM_USAGE, err,
			       "three letters");
	sm_case_clear(&c);
}

static void test_rotate90_turns_as_numpy(void **state)
{
	(void)state;
	/* numpy.rot90(numpy.arange(6).reshape(2, 3).T, k) as (x, y), written x fastest */
	static const float wanted[4][6] = {
		{0, 1, 2, 3, 4, 5}, {3, 0, 4, 1, 5, 2}, {5, 4, 3, 2, 1, 0}, {2, 5, 1, 4, 0, 3}};
	for (int k = -3; k <= 3; k++) {
		struct sm_case c = fresh();
		char text[4];
		snprintf(text, sizeof text, "%d", k);
		add_count(&c, "a", 3, 2, 1, SM_F32);
		assert_good(op(&c, "rotate90", "k", text, NULL), err);
		assert_values(values(&c, 0), wanted[(k + 4) % 4], 6);
		assert_int_equal(c.vols[0].vol.dim[0], k % 2 ? 2 : 3);
		assert_places(&c);
		sm_case_clear(&c);
	}
}

static void test_resize_has_half_pixel_centres(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){0, 8});
	assert_good(op(&c, "resize", "size", "4 0", NULL), err);
	/* old index (i + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75, 1.25 */
	assert_values(values(&c, 0), (const float[]){0, 2, 6, 8}, 4);
	assert_true(c.vols[0].vol.affine[0][0] == 0.5 && c.vols[0].vol.affine[0][3] == -0.25);
	assert_true(c.way[0][0] == 2 && c.way[0][3] == 0.5);
	assert_good(op(&c, "resize", "size", "2 1 1", "antialias", "area", NULL), err);
	assert_values(values(&c, 0), (const float[]){1, 7}, 2);
	assert_way(&c, (const double[]){1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
	sm_case_clear(&c);
	c = fresh(); /* without antialias every second voxel pair is left out */
	add_f32(&c, "a", 8, 1, 1, (const float[]){9, 0, 2, 9, 9, 4, 6, 9});
	assert_good(op(&c, "resize", "size", "2 1", NULL), err);
	assert_values(values(&c, 0), (const float[]){1, 5}, 2);
	assert_refused(op(&c, "resize", "size", "4", NULL), SM_USAGE, err, "2 or 3");
	assert_refused(op(&c, "resize", "size", "4 4", "antialias", "kernel", "method", "cubic",
			  NULL),
		       SM_USAGE, err, "kernel with method cubic");
	assert_refused(op(&c, "resize", "size", "4 4", "antialias", "area", "method", "nearest",
			  NULL),
		       SM_USAGE, err, "must be none");
	sm_case_clear(&c);
}

static void test_resample_to_spacing(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_count(&c, "a", 4, 1, 2, SM_I16);
	/* 4 voxels of 2 mm -> round(8 / 3) = 3 of 3 mm about the same middle */
	assert_good(op(&c, "resample", "spacing", "3 0 0", NULL), err);
	const struct sm_vol *v = &c.vols[0].vol;
	assert_true(v->dim[0] == 3 && v->dim[1] == 1 && v->dim[2] == 2);
	/* old index 1.5 i + 0; the affine flips x */
	assert_values(values(&c, 0), (const float[]){0, 1.5f, 3, 4, 5.5f, 7}, 6);
	assert_true(v->affine[0][0] == -3 && v->affine[0][3] == 10);
	assert_places(&c);
	/* the same spacing again changes nothing, not even the type */
	sm_case_clear(&c);
	c = fresh();
	add_count(&c, "a", 4, 1, 2, SM_I16);
	assert_good(op(&c, "resample", "spacing", "2 3 4", NULL), err);
	assert_int_equal(c.vols[0].vol.dtype, SM_I16);
	assert_refused(op(&c, "resample", NULL), SM_USAGE, err, "neither is given");
	assert_refused(op(&c, "resample", "spacing", "1 1 1", "like", "a", NULL), SM_USAGE, err,
		       "both are given");
	assert_refused(op(&c, "resample", "like", "b", NULL), SM_INPUT, err, "no volume 'b'");
	assert_refused(op(&c, "resample", "spacing", "0.0001 0 0", NULL), SM_INPUT, err,
		       "80000 voxels at 0.0001 mm, allowed are 16384");
	sm_case_clear(&c);
}

static void test_kernels_reproduce_what_they_should(void **state)
{
	(void)state;
	static const char *const methods[] = {"linear", "cubic", "catmull_rom", "sinc"};
	for (int m = 0; m < 4; m++) {
		struct sm_case c = fresh();
		float ramp[12 * 4], flat[12 * 4];
		for (int i = 0; i < 48; i++) {
			ramp[i] = (float)(i % 12);
			flat[i] = 100;
		}
		add_f32(&c, "flat", 12, 4, 1, flat);
		add_f32(&c, "ramp", 12, 4, 1, ramp);
		assert_good(op(&c, "resize", "size", "29 5", "method", methods[m], NULL), err);
		for (int i = 0; i < 145; i++)
			assert_true(fabs((double)values(&c, 0)[i] - 100) < 1e-4);
		/* a straight line stays straight away from the ends, but for the sinc's ripple */
		for (int i = 11; i < 18; i++) {
			double u = (i + 0.5) * 12 / 29 - 0.5;
			double off = fabs((double)values(&c, 1)[2 * 29 + i] - u);
			assert_true(off < (m == 3 ? 0.05 : m == 1 ? 2e-3 : 1e-5));
		}
		sm_case_clear(&c);
	}
	struct sm_resample how = {.method = SM_SINC, .lobes = 4};
	assert_true(sm_kernel(&how, 0) == 1 && fabs(sm_kernel(&how, 1)) < 1e-15);
	assert_true(fabs(sm_kernel(&how, 0.5) - 0.62036) < 1e-4 && sm_kernel(&how, 4) == 0);
	how.method = SM_CUBIC;
	assert_true(fabs(sm_kernel(&how, 0) - 2.0 / 3) < 1e-15);
	assert_true(fabs(sm_kernel(&how, 1) - 1.0 / 6) < 1e-15);
}

/* B-spline coefficients give back the samples, also on axes of 2 and 3 voxels. */
static void test_cubic_interpolates(void **state)
{
	(void)state;
	for (int64_t n = 2; n < 40; n += n < 5 ? 1 : 17) {
		struct sm_case c = fresh();
		struct sm_vol v = volume(n, 3, n, 1, SM_F32);
		size_t count = sm_vol_count(&v);
		float *old = malloc(count * sizeof *old);
		for (size_t i = 0; i < count; i++)
			old[i] = ((float *)v.data)[i] = (float)((i * 7919) % 97);
		assert_good(sm_case_take(&c, "a", &v, &err), err);
		/* three times as many voxels: each third one is an old one */
		char size[32];
		snprintf(size, sizeof size, "%d 9 %d", (int)(3 * n), (int)(3 * n));
		assert_good(op(&c, "resize", "size", size, "method", "cubic", NULL), err);
		for (int64_t z = 0; z < n; z++)
			for (int64_t y = 0; y < 3; y++)
				for (int64_t x = 0; x < n; x++) {
					float got = values(&c, 0)[((3 * z + 1) * 9 + 3 * y + 1) *
									  3 * n +
								  3 * x + 1];
					float want = old[(z * 3 + y) * n + x];
					assert_true(fabs((double)(got - want)) < 1e-4);
				}
		free(old);
		sm_case_clear(&c);
	}
}

static void test_like_brings_every_volume_and_the_label(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_count(&c, "ct", 4, 3, 2, SM_I16);
	struct sm_vol v = volume(5, 5, 5, 1, SM_F32);
	for (int i = 0; i < 125; i++)
		((float *)v.data)[i] = (float)i;
	for (int a = 0; a < 3; a++) {
		v.affine[a][a] = 2;
		v.affine[a][3] = -1;
	}
	assert_good(sm_case_take(&c, "mr", &v, &err), err);
	label_like(&c, 1);
	assert_good(op(&c, "resample", "like", "ct", "fill", "-5", NULL), err);
	assert_true(c.vols[1].vol.dim[0] == 4 && c.vols[1].vol.dim[1] == 3 &&
		    c.vols[1].vol.dim[2] == 2);
	assert_memory_equal(c.vols[1].vol.affine, c.vols[0].vol.affine, sizeof v.affine);
	assert_memory_equal(c.label.affine, c.vols[0].vol.affine, sizeof v.affine);
	/* ct voxel (3, 1, 1) lies at (4, 3, 4) mm: mr (2.5, 2, 2.5), between values 2.5 + 10 +
	 * 62.5 */
	assert_true(values(&c, 1)[(1 * 3 + 1) * 4 + 3] == 75);
	/* (0, 0, 0) lies at (10, 0, 0): mr x 5.5 is outside, the last centre is at 4 */
	assert_true(values(&c, 1)[0] == -5 && ((uint8_t *)c.label.data)[0] == 0);
	/* the nearest of (2.5, 2, 2.5) is the voxel at the floor of + 0.5 */
	assert_int_equal(((uint8_t *)c.label.data)[(1 * 3 + 1) * 4 + 3], (3 * 25 + 2 * 5 + 3) % 7);
	assert_places(&c);
	assert_int_equal(c.vols[0].vol.dtype, SM_I16);
	sm_case_clear(&c);
}

static void test_vote_takes_the_largest_share(void **state)
{
	(void)state;
	for (int vote = 0; vote < 2; vote++) {
		struct sm_case c = fresh();
		add_f32(&c, "a", 2, 2, 1, (const float[]){0, 0, 0, 0});
		add_label(&c, 2, 2, 1, (const uint8_t[]){3, 1, 1, 2});
		assert_good(op(&c, "resize", "size", "6 6", "labels", vote ? "vote" : "nearest",
			       NULL),
			    err);
		const uint8_t *l = c.label.data;
		/* old (1/3, 1/3): 3 has 4/9, the two 1 have 2/9 each and win no more than by the
		 * tie */
		assert_int_equal(l[2 * 6 + 2], vote ? 1 : 3);
		assert_int_equal(l[0], 3);
		assert_int_equal(l[35], 2);
		/* (1/3, 2/3): 1 has 4/9 + 1/9 */
		assert_int_equal(l[3 * 6 + 2], 1);
		/* regions and masks are never voted on; here they are not there */
		assert_null(c.mask.data);
		sm_case_clear(&c);
	}
}

static void test_mask_regions_and_kept_slices_move_along(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_count(&c, "a", 2, 1, 4, SM_F32);
	label_like(&c, 0);
	c.mask = volume(2, 1, 4, 1, SM_U8);
	c.regions = volume(2, 1, 4, 2, SM_U8);
	memcpy(c.mask.affine, c.label.affine, sizeof c.label.affine);
	memcpy(c.regions.affine, c.label.affine, sizeof c.label.affine);
	((uint8_t *)c.mask.data)[7] = 1;
	((uint8_t *)c.regions.data)[8 + 6] = 1;
	c.vols[0].keep = calloc(4, 1);
	c.vols[0].keep[3] = 1;
	assert_good(op(&c, "orient", "axes", "RAI", NULL), err); /* x and z flip */
	assert_int_equal(((uint8_t *)c.mask.data)[0], 1);
	assert_int_equal(((uint8_t *)c.regions.data)[8 + 1], 1);
	assert_true(c.vols[0].keep[0] == 1 && c.vols[0].keep[3] == 0);
	assert_good(op(&c, "pad_crop", "size", "0 0 6", NULL), err);
	assert_true(c.vols[0].keep[0] == 0 && c.vols[0].keep[1] == 1 && c.vols[0].keep[5] == 0);
	assert_int_equal(((uint8_t *)c.mask.data)[2], 1);
	assert_good(op(&c, "resize", "size", "0 0 12", NULL), err);
	assert_true(!c.vols[0].keep[1] && c.vols[0].keep[2] && c.vols[0].keep[3] &&
		    !c.vols[0].keep[4]);
	assert_int_equal(c.regions.dim[3], 2);
	assert_refused(op(&c, "orient", "axes", "SAR", NULL), SM_INPUT, err, "chosen along z");
	sm_case_clear(&c);
}

static void test_a_label_elsewhere_is_refused_with_help(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	const struct sm_steps none = {0};
	add_count(&c, "t1", 3, 3, 3, SM_F32);
	label_like(&c, 0);
	assert_good(sm_ops_run(&c, &none, 0, &err), err);
	c.label.affine[1][3] += 0.009;
	assert_good(sm_ops_run(&c, &none, 0, &err), err);
	c.label.affine[1][3] += 1.5;
	assert_refused(sm_ops_run(&c, &none, 0, &err), SM_INPUT, err,
		       "case_1: the label lies on no volume's grid: its voxels are up to 1.509 mm "
		       "away from those of t1, allowed are 0.01 mm (a step `resample: {like: t1}`");
	assert_refused(op(&c, "resample", "spacing", "1 1 1", NULL), SM_INPUT, err, "like: t1");
	assert_good(op(&c, "resample", "like", "t1", NULL), err);
	assert_good(sm_ops_run(&c, &none, 0, &err), err);
	sm_vol_clear(&c.label);
	c.label = volume(2, 3, 3, 1, SM_U8);
	assert_refused(sm_ops_run(&c, &none, 0, &err), SM_INPUT, err,
		       "it has 2 x 3 x 3 voxels, t1 has 3 x 3 x 3");
	sm_case_clear(&c);
}

/* Voxel by voxel and axis by axis are two ways to the same values. */
static void test_oblique_and_lined_up_agree(void **state)
{
	(void)state;
	for (int m = SM_LINEAR; m <= SM_SINC; m++) {
		const struct sm_resample how = {.method = m, .lobes = 3, .fill = -7};
		double map[4][4] = {
			{0.7, 0, 0, -1.2}, {0, -1.3, 0, 8.1}, {0, 0, 0.25, 0.5}, {0, 0, 0, 1}};
		const int64_t dim[3] = {19, 8, 12};
		struct sm_vol v[2];
		for (int k = 0; k < 2; k++) {
			struct sm_target t;
			v[k] = volume(11, 9, 4, 2, SM_F32);
			for (int i = 0; i < 792; i++)
				((float *)v[k].data)[i] = (float)((i * 7919) % 101);
			map[0][1] = k ? 1e-13 : 0; /* what is not 0 does not line up */
			sm_target_map(&v[k], dim, map, &t);
			assert_good(sm_vol_resample(&v[k], &t, &how, NULL, 2, &err), err);
		}
		int outside = 0;
		for (size_t i = 0; i < sm_vol_count(&v[0]); i++) {
			float a = ((float *)v[0].data)[i], b = ((float *)v[1].data)[i];
			if (!(fabs((double)(a - b)) < 1e-3))
				fail_msg("method %d, voxel %zu: %g and %g", m, i, (double)a,
					 (double)b);
			outside += a == -7;
		}
		assert_true(outside > 50);
		sm_vol_clear(&v[0]);
		sm_vol_clear(&v[1]);
	}
}

/* One thread and several: the same bits, for each way through the code. */
static void test_threads_change_nothing(void **state)
{
	(void)state;
	static const char *const methods[] = {"nearest", "linear", "cubic", "catmull_rom", "sinc"};
	for (int m = 0; m < 5; m++) {
		uint8_t *bytes[2] = {NULL, NULL};
		size_t n = 0;
		for (int jobs = 1; jobs <= 3; jobs += 2) {
			struct sm_case c = fresh();
			c.jobs = jobs;
			add_count(&c, "a", 17, 19, 5, SM_F32);
			struct sm_vol v = volume(9, 11, 7, 1, SM_I16);
			v.affine[0][1] = 0.3; /* oblique */
			v.affine[1][0] = -0.3;
			v.affine[2][2] = 3;
			assert_good(sm_case_take(&c, "b", &v, &err), err);
			assert_good(op(&c, "resize", "size", "31 7 9", "method", methods[m], NULL),
				    err);
			assert_good(op(&c, "resample", "like", "b", "method", methods[m], NULL),
				    err);
			n = sm_vol_count(&c.vols[0].vol) * 4;
			bytes[jobs / 2] = malloc(n);
			memcpy(bytes[jobs / 2], c.vols[0].vol.data, n);
			sm_case_clear(&c);
		}
		assert_memory_equal(bytes[0], bytes[1], n);
		free(bytes[0]);
		free(bytes[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orient_swaps_and_flips),
		cmocka_unit_test(test_rotate90_turns_as_numpy),
		cmocka_unit_test(test_resize_has_half_pixel_centres),
		cmocka_unit_test(test_resample_to_spacing),
		cmocka_unit_test(test_kernels_reproduce_what_they_should),
		cmocka_unit_test(test_cubic_interpolates),
		cmocka_unit_test(test_like_brings_every_volume_and_the_label),
		cmocka_unit_test(test_vote_takes_the_largest_share),
		cmocka_unit_test(test_mask_regions_and_kept_slices_move_along),
		cmocka_unit_test(test_a_label_elsewhere_is_refused_with_help),
		cmocka_unit_test(test_oblique_and_lined_up_agree),
		cmocka_unit_test(test_threads_change_nothing),
	};
	return run_tap(tests);
}
