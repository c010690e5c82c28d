/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/picture.h"
#include "ingest/phantom/phantom.h"
#include "ingest/phantom/phantom_frames.h"
#include "ingest/phantom/phantom_head.h"

static char *make_dir(void)
{
	char *dir = sm_strf("/tmp/sm_kinds_XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static void remove_dir(char *dir)
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
	free(dir);
}

static struct sm_phantom cohort(int64_t x, int64_t y, int64_t z)
{
	return (struct sm_phantom){.cases = 2,
				   .size = {x, y, z},
				   .spacing = {4, 4, 5},
				   .frames = 11,
				   .noise = 0.04,
				   .bias = 0.15,
				   .seed = 3,
				   .jobs = 2};
}

static int64_t fact(const json_t *facts, const char *region)
{
	json_t *n = json_object_get(json_object_get(facts, "voxels"), region);
	assert_true(json_is_integer(n));
	return json_integer_value(n);
}

static void read_volume(const char *dir, const char *path, struct sm_vol *vol)
{
	struct sm_err err = {0};
	char *full = sm_path_join(dir, path);
	assert_good(sm_nii_read(full, NULL, vol, NULL, &err), err);
	assert_int_equal(vol->dtype, SM_I16);
	free(full);
}

/* As published: start + ln(x / (1 - e^-x)) / l and 2^(t / half-life). */
static void test_frames_of_a_dynamic_pet(void **state)
{
	(void)state;
	static const struct {
		int start, duration;
		const char *day, *clock, *reference, *factor;
	} rows[] = {
		{0, 30, "20000101", "235900.000", "14996.053", "1.00157947"},
		{30, 30, "20000101", "235930.000", "44996.053", "1.00474672"},
		{60, 60, "20000102", "000000.000", "89984.214", "1.00951513"},
		{120, 120, "20000102", "000100.000", "179936.855", "1.01911742"},
		{240, 240, "20000102", "000300.000", "359747.420", "1.03858651"},
	};
	struct sm_frame f;
	for (size_t t = 0; t < 5; t++) {
		sm_frame_at(t, &f);
		assert_int_equal(f.start, rows[t].start);
		assert_int_equal(f.duration, rows[t].duration);
		assert_string_equal(f.day, rows[t].day);
		assert_string_equal(f.clock, rows[t].clock);
		assert_string_equal(f.reference, rows[t].reference);
		assert_string_equal(f.factor, rows[t].factor);
	}
	for (size_t t = 5; t < SM_FRAMES_MAX; t++) {
		const double l = log(2) / 6586.2;
		sm_frame_at(t, &f);
		assert_int_equal(f.start, 480 + 300 * ((int)t - 5));
		assert_int_equal(f.duration, 300);
		double x = l * 300, at = f.start + log(x / (1 - exp(-x))) / l;
		assert_true(fabs(strtod(f.reference, NULL) - 1000 * at) < 0.0006);
		assert_true(fabs(strtod(f.factor, NULL) - exp(l * at)) < 6e-9);
		/* Fits 16 bits with the smallest slope. */
		assert_true(f.lesion / 0.75 < 32767);
	}
}

static double number(const json_t *facts, const char *table, const char *region)
{
	return json_number_value(json_object_get(json_object_get(facts, table), region));
}

static void test_sums_of_frames_are_exact(void **state)
{
	(void)state;
	static const int64_t frames[] = {5, 11, 20};
	/* 23500 in the first five frames, then 4900, 4800, ... */
	static const double body[] = {23500, 23500 + 27900, 23500 + 63000};
	for (size_t k = 0; k < 3; k++) {
		struct sm_phantom p = cohort(24, 20, 10);
		struct sm_err err = {0};
		struct sm_vol vol;
		json_t *facts;
		char *dir = make_dir();
		p.cases = 1;
		p.frames = frames[k];
		assert_good(sm_phantom_pet_ct(&p, dir, &facts, &err), err);
		assert_int_equal(json_array_size(facts), 2);
		const json_t *one = json_array_get(facts, 0);
		assert_true(number(one, "frame_sums", "body") == body[k]);
		assert_true(number(one, "frame_sums", "white") == 2 * body[k]);
		assert_true(number(one, "frame_sums", "grey") == 4 * body[k]);
		assert_true(number(one, "frame_means", "grey") == 4 * body[k] / (double)frames[k]);
		read_volume(dir, "PET_001/pet.nii.gz", &vol);
		assert_int_equal(vol.dim[3], frames[k]);
		assert_int_equal(json_array_size(json_object_get(one, "frames")), frames[k]);
		size_t n = sm_vol_frame_count(&vol);
		for (size_t t = 0; t < (size_t)frames[k]; t++) {
			const json_t *row = json_array_get(json_object_get(one, "frames"), t);
			double sum = 0;
			for (size_t i = 0; i < n; i++)
				sum += ((const int16_t *)vol.data)[t * n + i];
			assert_true(sum == json_number_value(json_object_get(row, "sum")));
			assert_true(sum > 0);
		}
		sm_vol_clear(&vol);
		json_decref(facts);
		remove_dir(dir);
	}
}

static void test_mr_has_noise_around_the_head(void **state)
{
	(void)state;
	struct sm_phantom p = cohort(40, 28, 20);
	struct sm_err err = {0};
	struct sm_vol vol[2];
	json_t *facts;
	char *dir = make_dir();
	const char *paths[] = {"MR_001/mr.nii.gz", "MR_002/mr.nii.gz"};
	assert_good(sm_phantom_mr_ct(&p, dir, &facts, &err), err);
	assert_int_equal(json_array_size(facts), 4);
	for (size_t k = 0; k < 2; k++) {
		char axes[4];
		read_volume(dir, paths[k], &vol[k]);
		sm_vol_axes(&vol[k], axes);
		assert_string_equal(axes, "ALS");
		const int16_t *v = vol[k].data;
		size_t corner = 0, zero = 0;
		double sum = 0;
		for (int64_t z = 0; z < 20; z++) /* a column of air at the grid's edge */
			for (int64_t x = 0; x < 3; x++, corner++) {
				sum += v[x + 40 * 28 * z];
				zero += v[x + 40 * 28 * z] == 0;
			}
		/* White matter is at least 0.7 * 420: 4 % of it times sqrt(pi / 2). */
		assert_true(sum / (double)corner > 0.6 * 0.04 * 294 * 1.2533);
		assert_true(sum / (double)corner < 1.6 * 0.04 * 588 * 1.2533);
		assert_true(zero < corner / 10); /* a magnitude is hardly ever 0 */
		for (int r = 0; r < SM_TISSUES - 1; r++)
			assert_true(fact(json_array_get(facts, k), sm_tissue_names[r]) > 0);
	}
	/* The other patient's head is another one. */
	size_t differ = 0, n = sm_vol_count(&vol[0]);
	for (size_t i = 0; i < n; i++)
		differ += abs(((int16_t *)vol[0].data)[i] - ((int16_t *)vol[1].data)[i]) > 100;
	assert_true(differ > n / 20);
	for (size_t k = 0; k < 2; k++)
		sm_vol_clear(&vol[k]);
	json_decref(facts);
	remove_dir(dir);
}

static void test_ct_beside_mr_has_its_own_grid(void **state)
{
	(void)state;
	static const int64_t given[2][3] = {{0, 0, 0}, {30, 20, 12}};
	static const size_t files[] = {20, 12};
	for (size_t k = 0; k < 2; k++) {
		struct sm_phantom p = cohort(40, 28, 20);
		struct sm_err err = {0};
		struct sm_paths paths;
		json_t *facts;
		char *dir = make_dir();
		p.cases = 1;
		memcpy(p.ct_size, given[k], sizeof p.ct_size);
		assert_good(sm_phantom_mr_ct(&p, dir, &facts, &err), err);
		assert_good(sm_walk(dir, &paths, &err), err);
		assert_int_equal(paths.count, files[k] + 1);
		/* The same field of view, 160 mm wide and 100 mm high. */
		const json_t *ct = json_array_get(facts, 1);
		assert_string_equal(json_string_value(json_object_get(ct, "key")), "CT_001");
		double voxel = number(ct, "mm3", "white") / (double)fact(ct, "white");
		double want = k ? 160.0 / 30 * 8 * 100 / 12 : 2.0 * 2 * 5;
		assert_true(fabs(voxel - want) < 1e-9);
		sm_paths_clear(&paths);
		json_decref(facts);
		remove_dir(dir);
	}
}

static void test_pair_is_one_head_on_one_grid(void **state)
{
	(void)state;
	struct sm_phantom p = cohort(40, 28, 20);
	struct sm_err err = {0};
	struct sm_vol mr, ct;
	json_t *facts;
	char *dir = make_dir();
	p.noise = 0;
	p.bias = 0;
	assert_good(sm_phantom_mr_ct_pair(&p, dir, &facts, &err), err);
	read_volume(dir, "PAIR_001/mr.nii.gz", &mr);
	read_volume(dir, "PAIR_001/ct.nii.gz", &ct);
	assert_good(sm_vol_same_grid(&mr, "mr", &ct, "ct", 0, &err), err);
	/* Without noise what is air in one is air in the other, and bone is dark in the MR. */
	const json_t *one = json_array_get(facts, 0);
	int64_t bone = 0, bright = 0;
	const int16_t *m = mr.data, *c = ct.data;
	for (size_t i = 0; i < sm_vol_count(&mr); i++) {
		assert_true((m[i] == 0) == (c[i] == -1000 || c[i] == -880 || c[i] == -180));
		bone += c[i] > 600;
		bright += c[i] > 600 && m[i] > 0.5 * 588;
	}
	assert_int_equal(bone, fact(one, "skull"));
	assert_int_equal(bright, 0);
	sm_vol_clear(&mr);
	sm_vol_clear(&ct);
	json_decref(facts);
	remove_dir(dir);
}

/* The middle one of three neighbouring slices is not the mean of the others. */
static void test_anatomy_changes_from_slice_to_slice(void **state)
{
	(void)state;
	static struct sm_head h;
	struct sm_head_slice slice[3];
	struct sm_head_point at;
	const double extent[3] = {256, 256, 180};
	double plain = 0, far = 0;
	sm_head_draw(&h, 1, "CT", 0, "CT_001", extent);
	for (int k = 0; k < 3; k++)
		sm_head_slice(&h, 20 + 0.75 * (k - 1), &slice[k]);
	for (double y = -120; y < 120; y += 1.5)
		for (double x = -120; x < 120; x += 1.5) {
			double hu[3];
			for (int k = 0; k < 3; k++) {
				sm_head_at(&h, &slice[k], x, y, &at);
				hu[k] = sm_head_hu(&h, &at);
			}
			double mean = 0.5 * (hu[0] + hu[2]), error = fabs(mean - hu[1]);
			plain += error;
			far = error > far ? error : far;
		}
	/* Vessels move, edges shift: differences are there but rare. */
	assert_true(far > 40);
	assert_true(plain / (160 * 160) > 0.2 && plain / (160 * 160) < 50);
}

/* Pixels that cannot be reached from the picture's edge without crossing the line of this colour,
 * or any line (NULL): those of the shape. */
static int64_t inside_of(const struct sm_image *image, const uint8_t line[3])
{
	int64_t w = image->width, h = image->height, n = w * h, top = 0, out = 0;
	const uint8_t *rgb = image->data;
	uint8_t *seen = calloc((size_t)n, 1);
	int64_t *stack = calloc((size_t)n * 5 + 1, sizeof *stack);
	assert_non_null(seen);
	assert_non_null(stack);
	for (int64_t i = 0; i < n; i++)
		if (i % w == 0 || i % w == w - 1 || i < w || i >= n - w)
			stack[top++] = i;
	while (top) {
		int64_t i = stack[--top], x = i % w, y = i / w;
		bool white = rgb[3 * i] == 255 && rgb[3 * i + 1] == 255 && rgb[3 * i + 2] == 255;
		if (seen[i] || (line ? memcmp(rgb + 3 * i, line, 3) == 0 : !white))
			continue;
		seen[i] = 1;
		out++;
		if (x > 0)
			stack[top++] = i - 1;
		if (x + 1 < w)
			stack[top++] = i + 1;
		if (y > 0)
			stack[top++] = i - w;
		if (y + 1 < h)
			stack[top++] = i + w;
	}
	free(seen);
	free(stack);
	return n - out;
}

static void test_drawing_encloses_what_the_radiograph_shows(void **state)
{
	(void)state;
	static const uint8_t red[3] = {255, 0, 0};
	struct sm_phantom p = cohort(128, 160, 1);
	struct sm_err err = {0};
	json_t *facts, *one;
	size_t i;
	char *dir = make_dir();
	p.cases = 6;
	p.noise = 0;
	assert_good(sm_phantom_mammo(&p, dir, &facts, &err), err);
	json_array_foreach(facts, i, one)
	{
		struct sm_image a, b;
		char *path = sm_strf("%s/A/%zu.png", dir, i + 1);
		assert_good(sm_picture_read(path, NULL, &a, NULL, &err), err);
		free(path);
		path = sm_strf("%s/B/%zu.png", dir, i + 1);
		assert_good(sm_picture_read(path, NULL, &b, NULL, &err), err);
		free(path);
		assert_int_equal(a.channels, 3);
		assert_int_equal(a.width, 128);
		assert_int_equal(a.height, 160);
		int64_t breast = 0;
		const uint8_t *v = a.data;
		for (int64_t k = 0; k < 128 * 160; k++) {
			assert_true(v[3 * k] == v[3 * k + 1] && v[3 * k] == v[3 * k + 2]);
			breast += v[3 * k] > 8;
		}
		assert_int_equal(breast, fact(one, "breast"));
		assert_int_equal(inside_of(&b, red), fact(one, "mass"));
		/* Closed along the chest wall as well. */
		assert_int_equal(inside_of(&b, NULL), fact(one, "breast"));
		assert_true(fact(one, "mass") > 0 && fact(one, "gland") > 0);
		sm_image_clear(&a);
		sm_image_clear(&b);
	}
	json_decref(facts);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_of_a_dynamic_pet),
		cmocka_unit_test(test_sums_of_frames_are_exact),
		cmocka_unit_test(test_mr_has_noise_around_the_head),
		cmocka_unit_test(test_ct_beside_mr_has_its_own_grid),
		cmocka_unit_test(test_pair_is_one_head_on_one_grid),
		cmocka_unit_test(test_anatomy_changes_from_slice_to_slice),
		cmocka_unit_test(test_drawing_encloses_what_the_radiograph_shows),
	};
	return run_tap(tests);
}
