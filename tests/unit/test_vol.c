/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "core/vol.h"

static struct sm_mem mem;
static struct sm_err err;

static void make(struct sm_vol *vol, int64_t x, int64_t y, int64_t z, int64_t t, enum sm_dtype type)
{
	const int64_t dim[4] = {x, y, z, t};
	assert_good(sm_vol_init(vol, dim, type, &mem, "test", &err), err);
}

static void test_vol_sizes_meet_a_sentence_not_the_kernel(void **state)
{
	(void)state;
	struct sm_vol vol;
	assert_refused(sm_vol_init(&vol, (int64_t[4]){4, 0, 1, 1}, SM_U8, &mem, "a", &err),
		       SM_INPUT, err, "axis 2");
	assert_refused(sm_vol_init(&vol, (int64_t[4]){INT64_MAX, 3, 3, 1}, SM_U8, &mem, "a", &err),
		       SM_BUDGET, err, "overflow");
	assert_refused(
	    sm_vol_init(&vol, (int64_t[4]){1 << 20, 1 << 20, 1, 1}, SM_F64, &mem, "a", &err),
	    SM_BUDGET, err, "budget");
	assert_null(vol.data);
	sm_vol_clear(&vol);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_vol_axes_are_a_permutation_even_when_oblique(void **state)
{
	(void)state;
	struct sm_vol vol;
	char axes[4];
	make(&vol, 2, 2, 2, 1, SM_U8);
	sm_vol_axes(&vol, axes);
	assert_string_equal(axes, "RAS");
	double lps[4][4] = {{-1, 0, 0, 0}, {0, -2, 0, 0}, {0, 0, 3, 0}, {0, 0, 0, 1}};
	memcpy(vol.affine, lps, sizeof lps);
	sm_vol_axes(&vol, axes);
	assert_string_equal(axes, "LPS");
	double spacing[3];
	sm_vol_spacing(&vol, spacing);
	assert_true(spacing[0] == 1 && spacing[1] == 2 && spacing[2] == 3);
	double sagittal[4][4] = {{0, 0, 1, 0}, {-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 0, 1}};
	memcpy(vol.affine, sagittal, sizeof sagittal);
	sm_vol_axes(&vol, axes);
	assert_string_equal(axes, "PIR");
	/* both first columns lean to R: only one of them may get it */
	double lean[4][4] = {{0.8, 0.75, 0, 0}, {-0.6, 0.66, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
	memcpy(vol.affine, lean, sizeof lean);
	sm_vol_axes(&vol, axes);
	assert_string_equal(axes, "RAS");
	sm_vol_clear(&vol);
}

static void test_vol_every_type_becomes_float(void **state)
{
	(void)state;
	for (int type = SM_U8; type <= SM_F64; type++) {
		struct sm_vol one, two;
		make(&one, 301, 300, 3, 1, (enum sm_dtype)type);
		size_t n = sm_vol_count(&one);
		memset(one.data, 0, n * sm_dtype_size(one.dtype));
		/* 100 at the last voxel, in whatever type */
		double d = 100;
		float f = 100;
		unsigned char *last =
		    (unsigned char *)one.data + (n - 1) * sm_dtype_size(one.dtype);
		if (type == SM_F64)
			memcpy(last, &d, 8);
		else if (type == SM_F32)
			memcpy(last, &f, 4);
		else
			*last = 100;
		one.slope = -0.5;
		one.inter = 3;
		assert_good(sm_vol_copy(&two, &one, &mem, &err), err);
		assert_true(sm_vol_at(&one, n - 1) == -47);
		assert_good(sm_vol_to_f32(&one, &mem, 1, &err), err);
		assert_good(sm_vol_to_f32(&two, &mem, 3, &err), err);
		assert_int_equal(one.dtype, SM_F32);
		assert_true(((float *)one.data)[n - 1] == -47.0f && ((float *)one.data)[0] == 3.0f);
		assert_memory_equal(one.data, two.data, n * sizeof(float));
		double lo, hi;
		size_t bad;
		sm_vol_range(&one, &lo, &hi, &bad);
		assert_true(lo == -47 && hi == 3 && bad == 0);
		sm_vol_clear(&one);
		sm_vol_clear(&two);
	}
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_vol_labels_name_the_first_wrong_voxel(void **state)
{
	(void)state;
	struct sm_vol vol;
	make(&vol, 3, 2, 2, 1, SM_F32);
	float *v = vol.data;
	for (int i = 0; i < 12; i++)
		v[i] = (float)(i % 4);
	v[10] = 2.5f;
	assert_refused(sm_vol_to_labels(&vol, &mem, "case_1_seg", &err), SM_INPUT, err,
		       "case_1_seg: value 2.5 at voxel (1, 1, 1)");
	v[10] = NAN;
	assert_int_equal(sm_vol_to_labels(&vol, &mem, "s", &err), SM_INPUT);
	v[10] = -1;
	assert_int_equal(sm_vol_to_labels(&vol, &mem, "s", &err), SM_INPUT);
	v[10] = 256;
	assert_int_equal(sm_vol_to_labels(&vol, &mem, "s", &err), SM_INPUT);
	v[10] = 255;
	assert_good(sm_vol_to_labels(&vol, &mem, "s", &err), err);
	assert_int_equal(vol.dtype, SM_U8);
	assert_int_equal(vol.meaning, SM_MEANING_LABEL);
	assert_int_equal(((uint8_t *)vol.data)[10], 255);
	assert_int_equal(((uint8_t *)vol.data)[7], 3);
	sm_vol_clear(&vol);
}

static void test_vol_same_grid_measures_corners(void **state)
{
	(void)state;
	struct sm_vol a, b;
	make(&a, 11, 5, 5, 1, SM_U8);
	make(&b, 11, 5, 5, 2, SM_U8);
	assert_good(sm_vol_same_grid(&a, "t1", &b, "seg", 0.01, &err), err);
	b.affine[0][0] = 1.005; /* ten steps: 0.05 mm at the far corner */
	assert_good(sm_vol_same_grid(&a, "t1", &b, "seg", 0.051, &err), err);
	assert_refused(sm_vol_same_grid(&a, "t1", &b, "seg", 0.049, &err), SM_INPUT, err,
		       "0.05 mm");
	b.affine[0][0] = NAN;
	assert_int_equal(sm_vol_same_grid(&a, "t1", &b, "seg", 1, &err), SM_INPUT);
	b.affine[0][0] = 1;
	b.dim[1] = 4;
	assert_refused(sm_vol_same_grid(&a, "t1", &b, "seg", 1, &err), SM_INPUT, err,
		       "seg: size along y is 4, but t1 has 5");
	sm_vol_clear(&a);
	sm_vol_clear(&b);
}

static void test_vol_range_counts_what_is_not_finite(void **state)
{
	(void)state;
	struct sm_vol vol;
	double lo, hi;
	size_t bad;
	make(&vol, 4, 1, 1, 1, SM_F64);
	double *v = vol.data;
	v[0] = NAN, v[1] = -3, v[2] = INFINITY, v[3] = 8;
	vol.slope = -2;
	vol.inter = 1;
	sm_vol_range(&vol, &lo, &hi, &bad);
	assert_true(lo == -15 && hi == 7 && bad == 2);
	v[1] = v[3] = -INFINITY;
	sm_vol_range(&vol, &lo, &hi, &bad);
	assert_true(lo == 0 && hi == 0 && bad == 4);
	sm_vol_clear(&vol);
	make(&vol, 2, 1, 1, 1, SM_I64);
	((int64_t *)vol.data)[0] = 5;
	((int64_t *)vol.data)[1] = -7;
	sm_vol_range(&vol, &lo, &hi, &bad);
	assert_true(lo == -7 && hi == 5 && bad == 0);
	sm_vol_clear(&vol);
}

int main(void)
{
	sm_mem_init(&mem, 64 << 20);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vol_sizes_meet_a_sentence_not_the_kernel),
	    cmocka_unit_test(test_vol_axes_are_a_permutation_even_when_oblique),
	    cmocka_unit_test(test_vol_every_type_becomes_float),
	    cmocka_unit_test(test_vol_labels_name_the_first_wrong_voxel),
	    cmocka_unit_test(test_vol_same_grid_measures_corners),
	    cmocka_unit_test(test_vol_range_counts_what_is_not_finite),
	};
	return run_tap(tests);
}
