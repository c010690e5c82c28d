/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/field.h"
#include "core/file.h"
#include "core/nii.h"
#include "ingest/dicom/dicom_write.h"
#include "ingest/phantom/phantom.h"
#include "ingest/phantom/phantom_shape.h"

static void remove_tree(const char *dir)
{
	struct sm_paths paths;
	assert_int_equal(sm_walk(dir, &paths, NULL), SM_OK);
	for (size_t i = 0; i < paths.count; i++) {
		char *full = sm_path_join(dir, paths.path[i]);
		assert_int_equal(unlink(full), 0);
		*strrchr(full, '/') = 0;
		rmdir(full);
		free(full);
	}
	sm_paths_clear(&paths);
	rmdir(dir);
}

static void test_shape_ellipsoid_volume(void **state)
{
	(void)state;
	struct sm_rng rng;
	struct sm_ellipsoid e;
	const double centre[3] = {0.3, -0.2, 0.1}, semi[3] = {5, 8, 11};
	double q[4];
	sm_rng_init(&rng, 7, "test.ellipsoid", "", 0, 0);
	sm_quaternion_draw(q, &rng);
	assert_true(fabs(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3] - 1) < 1e-12);
	sm_ellipsoid_set(&e, centre, semi, q);
	size_t inside = 0;
	for (int z = -14; z <= 14; z++)
		for (int y = -14; y <= 14; y++)
			for (int x = -14; x <= 14; x++) {
				const double p[3] = {x, y, z};
				inside += sm_ellipsoid_at(&e, p) < 1;
			}
	/* 4/3 pi a b c = 1843.1; counting voxels errs by less than 2 %. */
	assert_true(fabs((double)inside - 1843.1) < 37);
}

static void test_shape_ellipsoid_axes(void **state)
{
	(void)state;
	struct sm_ellipsoid e;
	const double centre[3] = {1, 2, 3}, semi[3] = {2, 4, 8};
	/* A quarter turn about z brings the first semi-axis onto -y and the second onto x. */
	const double q[4] = {sqrt(0.5), 0, 0, sqrt(0.5)};
	const double on_x[3] = {5, 2, 3}, on_y[3] = {1, 4, 3}, on_z[3] = {1, 2, 11};
	sm_ellipsoid_set(&e, centre, semi, q);
	assert_true(sm_ellipsoid_at(&e, centre) == 0);
	assert_true(fabs(sm_ellipsoid_at(&e, on_x) - 1) < 1e-12);
	assert_true(fabs(sm_ellipsoid_at(&e, on_y) - 1) < 1e-12);
	assert_true(fabs(sm_ellipsoid_at(&e, on_z) - 1) < 1e-12);
}

static void test_shape_lattice_passes_through_its_values(void **state)
{
	(void)state;
	static struct sm_lattice l;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.lattice", "", 0, 0);
	sm_lattice_draw(&l, &rng);
	for (int i = 0; i < 50; i++) {
		int x = i % SM_LATTICE, y = (3 * i) % SM_LATTICE, z = (5 * i) % SM_LATTICE;
		const double p[3] = {x, y, z}, halfway[3] = {x + 0.5, y, z};
		double a = l.v[z][y][x], b = l.v[z][y][(x + 1) % SM_LATTICE];
		assert_true(sm_lattice_at(&l, p, 1, 0) == a);
		assert_true(fabs(sm_lattice_at(&l, halfway, 1, 0) - (a + b) / 2) < 1e-12);
		const double period[3] = {x + SM_LATTICE, y - SM_LATTICE, z};
		assert_true(sm_lattice_at(&l, period, 1, 0) == a);
	}
}

static void test_shape_smooth_is_bounded(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct sm_rng rng;
		struct sm_smooth s;
		const double zero[3] = {0, 0, 0};
		double largest = 0;
		sm_rng_init(&rng, seed, "test.smooth", "", 0, 0);
		sm_smooth_draw(&s, &rng);
		assert_true(sm_smooth_at(&s, zero) == 0);
		for (int i = 0; i < 27; i++) {
			const double p[3] = {i % 3 - 1, i / 3 % 3 - 1, i / 9 - 1};
			largest = fmax(largest, fabs(sm_smooth_at(&s, p)));
		}
		assert_true(largest <= 1);
		assert_true(largest > 0.1);
	}
}

static void test_shape_soft_step(void **state)
{
	(void)state;
	assert_true(sm_soft_step(-3, 2) == 0);
	assert_true(sm_soft_step(0, 2) == 0.5);
	assert_true(sm_soft_step(1, 2) == 0.75);
	assert_true(sm_soft_step(2, 2) == 1);
}

static void test_dicom_uid_is_valid(void **state)
{
	(void)state;
	char a[65], b[65], again[65];
	sm_dcm_uid("one", a);
	sm_dcm_uid("two", b);
	sm_dcm_uid("one", again);
	assert_string_equal(a, again);
	assert_string_not_equal(a, b);
	assert_memory_equal(a, "2.25.", 5);
	assert_true(strlen(a) <= 44 && strspn(a, "0123456789.") == strlen(a) && a[5] != '0');
}

static void test_dicom_bytes(void **state)
{
	(void)state;
	char dir[] = "/tmp/sm_dcm_XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *path = sm_path_join(dir, "a.dcm");
	struct sm_dcm d = {0};
	struct sm_err err = {0};
	const uint16_t words[] = {1, 0x0203};
	const double v[2] = {-0.1, 1.0 / 3};
	sm_dcm_text(&d, SM_DCM_TAG(0x08, 0x60), "CS", "CT1");
	sm_dcm_numbers(&d, SM_DCM_TAG(0x28, 0x30), v, 2);
	sm_dcm_u16(&d, SM_DCM_TAG(0x28, 0x100), 16);
	sm_dcm_words(&d, SM_DCM_TAG(0x7fe0, 0x10), words, 2);
	static const unsigned char wanted[] = "\x08\0\x60\0CS\4\0CT1 "
					      "\x28\0\x30\0DS\x16\0-0.1\\0.33333333333333 "
					      "\x28\0\0\1US\2\0\x10\0"
					      "\xe0\x7f\x10\0OW\0\0\4\0\0\0\1\0\3\2";
	/* 22 = 4 + 1 + 16, padded to even: DS values hold at most 16 characters. */
	assert_int_equal(d.size, sizeof wanted - 1);
	assert_memory_equal(d.bytes, wanted, d.size);
	assert_good(sm_dcm_write(&d, path, "1.2.3", "1.2.3.4", &err), err);
	unsigned char *file;
	size_t n;
	assert_good(sm_file_read(path, 0, NULL, &file, &n, &err), err);
	assert_memory_equal(file + 128, "DICM\2\0\0\0UL\4\0", 12);
	/* The group length leads exactly to the data set. */
	size_t group = file[140] | (size_t)file[141] << 8;
	assert_int_equal(144 + group + d.size, n);
	assert_memory_equal(file + 144 + group, wanted, d.size);
	sm_free(file);
	sm_dcm_clear(&d);
	free(path);
	remove_tree(dir);
}

static void test_dicom_refuses_disorder(void **state)
{
	(void)state;
	struct sm_dcm d = {0};
	struct sm_err err = {0};
	sm_dcm_int(&d, SM_DCM_TAG(0x20, 0x13), 5);
	sm_dcm_text(&d, SM_DCM_TAG(0x08, 0x60), "CS", "CT");
	assert_int_equal(sm_dcm_write(&d, "/nonexistent/x", "1", "2", &err), SM_INTERNAL);
	assert_non_null(strstr(err.text, "(0008,0060)"));
	sm_dcm_clear(&d);
}

static struct sm_phantom small_cohort(void)
{
	return (struct sm_phantom){
		.cases = 5,
		.size = {32, 32, 20},
		.spacing = {2, 2, 3},
		.empty_et = 0.4,
		.noise = 0.04,
		.bias = 0.15,
		.seed = 11,
		.jobs = 2,
	};
}

static int64_t fact(const json_t *facts, const char *region)
{
	return json_integer_value(json_object_get(json_object_get(facts, "voxels"), region));
}

static void check_case(const char *dir, const json_t *facts)
{
	static const char *const roles[] = {"flair", "t1", "t1ce", "t2"};
	const char *key = json_string_value(json_object_get(facts, "key"));
	struct sm_err err = {0};
	struct sm_vol seg, image;
	int64_t count[5] = {0};
	char *path = sm_strf("%s/%s/%s_seg.nii.gz", dir, key, key);
	assert_good(sm_nii_read(path, NULL, &seg, NULL, &err), err);
	free(path);
	assert_int_equal(seg.dtype, SM_U8);
	const uint8_t *label = seg.data;
	for (size_t i = 0; i < sm_vol_count(&seg); i++) {
		assert_true(label[i] <= 4 && label[i] != 3);
		count[label[i]]++;
	}
	assert_int_equal(fact(facts, "ncr"), count[1]);
	assert_int_equal(fact(facts, "ed"), count[2]);
	assert_int_equal(fact(facts, "et"), count[4]);
	assert_int_equal(fact(facts, "tc"), count[1] + count[4]);
	assert_int_equal(fact(facts, "wt"), count[1] + count[2] + count[4]);
	assert_true(count[1] > 0 && count[2] > 0);
	double mm3 = json_real_value(json_object_get(json_object_get(facts, "mm3"), "ed"));
	assert_true(mm3 == (double)count[2] * 12);
	for (int m = 0; m < 4; m++) {
		int64_t brain = 0;
		path = sm_strf("%s/%s/%s_%s.nii.gz", dir, key, key, roles[m]);
		assert_good(sm_nii_read(path, NULL, &image, NULL, &err), err);
		free(path);
		assert_int_equal(image.dtype, SM_I16);
		assert_good(sm_vol_same_grid(&seg, "seg", &image, roles[m], 0, &err), err);
		const int16_t *v = image.data;
		for (size_t i = 0; i < sm_vol_count(&image); i++) {
			assert_true(v[i] >= 0);
			assert_true(v[i] > 0 || label[i] == 0);
			brain += v[i] > 0;
		}
		assert_int_equal(fact(facts, "brain"), brain);
		sm_vol_clear(&image);
	}
	sm_vol_clear(&seg);
}

static void test_brats_truth_is_what_the_files_hold(void **state)
{
	(void)state;
	char dir[] = "/tmp/sm_phantom_XXXXXX";
	assert_non_null(mkdtemp(dir));
	struct sm_phantom p = small_cohort();
	struct sm_err err = {0};
	json_t *facts, *one;
	size_t i, empty = 0;
	assert_good(sm_phantom_brats(&p, dir, &facts, &err), err);
	assert_int_equal(json_array_size(facts), 5);
	json_array_foreach(facts, i, one)
	{
		check_case(dir, one);
		empty += fact(one, "et") == 0;
	}
	assert_int_equal(empty, 2); /* 0.4 of 5, exactly */
	json_decref(facts);
	remove_tree(dir);
}

static void test_brats_share_of_empty_rims_is_exact(void **state)
{
	(void)state;
	static const struct {
		double share;
		int64_t cases;
		size_t wanted;
	} rows[] = {{0, 4, 0}, {1, 4, 4}, {0.2, 7, 1}, {0.25, 6, 2}, {0.1, 4, 0}};
	for (size_t r = 0; r < SM_COUNT(rows); r++) {
		char dir[] = "/tmp/sm_phantom_XXXXXX";
		assert_non_null(mkdtemp(dir));
		struct sm_phantom p = small_cohort();
		struct sm_err err = {0};
		json_t *facts, *one;
		size_t i, empty = 0;
		p.size[0] = p.size[1] = 24;
		p.size[2] = 16;
		p.empty_et = rows[r].share;
		p.cases = rows[r].cases;
		assert_good(sm_phantom_brats(&p, dir, &facts, &err), err);
		json_array_foreach(facts, i, one) empty += fact(one, "et") == 0;
		assert_int_equal(empty, rows[r].wanted);
		json_decref(facts);
		remove_tree(dir);
	}
}

static void test_ct_slices_and_defects(void **state)
{
	(void)state;
	static const size_t files[] = {
		[SM_DEFECT_NONE] = 9,        [SM_DEFECT_GAP] = 8,  [SM_DEFECT_DUPLICATE] = 10,
		[SM_DEFECT_TWO_SERIES] = 14, [SM_DEFECT_TILT] = 9, [SM_DEFECT_UNEVEN] = 9,
	};
	for (size_t d = 0; d < SM_COUNT(files); d++) {
		char dir[] = "/tmp/sm_phantom_XXXXXX";
		assert_non_null(mkdtemp(dir));
		struct sm_phantom p = small_cohort();
		struct sm_err err = {0};
		struct sm_paths paths;
		json_t *facts;
		p.cases = 1;
		p.size[2] = 9;
		p.defect = (enum sm_phantom_defect)d;
		assert_good(sm_phantom_ct(&p, dir, &facts, &err), err);
		assert_good(sm_walk(dir, &paths, &err), err);
		assert_int_equal(paths.count, files[d]);
		assert_true(fact(json_array_get(facts, 0), "skull") > 0);
		assert_true(fact(json_array_get(facts, 0), "brain") > 0);
		sm_paths_clear(&paths);
		json_decref(facts);
		remove_tree(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape_ellipsoid_volume),
		cmocka_unit_test(test_shape_ellipsoid_axes),
		cmocka_unit_test(test_shape_lattice_passes_through_its_values),
		cmocka_unit_test(test_shape_smooth_is_bounded),
		cmocka_unit_test(test_shape_soft_step),
		cmocka_unit_test(test_dicom_uid_is_valid),
		cmocka_unit_test(test_dicom_bytes),
		cmocka_unit_test(test_dicom_refuses_disorder),
		cmocka_unit_test(test_brats_truth_is_what_the_files_hold),
		cmocka_unit_test(test_brats_share_of_empty_rims_is_exact),
		cmocka_unit_test(test_ct_slices_and_defects),
	};
	return run_tap(tests);
}
