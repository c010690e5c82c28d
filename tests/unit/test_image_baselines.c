/* SPDX-License-Identifier: Apache-2.0
 *
 * Images that need no learning: each by its formula, and slices between slices by what each method
 * must reproduce.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/image_baselines.h"
#include "preprocess/resample.h"

enum { W = 5, H = 4, PLANE = W * H };

static const int methods[] = {SM_NEAREST, SM_LINEAR, SM_CATMULL_ROM, SM_CUBIC};
enum { METHODS = sizeof methods / sizeof *methods };

static void rows_of_the_table_are_whole(void **state)
{
	(void)state;
	for (int i = 0; i < SM_BASELINES; i++) {
		assert_true(sm_baselines[i].key && sm_baselines[i].name && sm_baselines[i].what);
		assert_true(sm_baselines[i].method < 0 || sm_baselines[i].between);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(sm_baselines[i].key, sm_baselines[j].key);
	}
	assert_int_equal(sm_baselines[SM_BASE_SPLINE].method, SM_CUBIC);
	assert_int_equal(sm_baselines[SM_BASE_CATMULL_ROM].method, SM_CATMULL_ROM);
	assert_int_equal(sm_baselines[SM_BASE_NEAREST].method, SM_NEAREST);
}

static void identity_goes_to_the_range_of_the_target(void **state)
{
	(void)state;
	struct sm_err err = {0};
	const float v[4] = {0, 100, 50, 200};
	const double from[2] = {0, 100}, to[2] = {-1, 1}, down[2] = {1, -1}, none[2] = {3, 3};
	float out[4];
	assert_good(sm_baseline_identity(v, 4, from, to, true, out, &err), err);
	assert_true(out[0] == -1 && out[1] == 1 && out[2] == 0 && out[3] == 1);
	assert_good(sm_baseline_identity(v, 4, from, to, false, out, &err), err);
	assert_true(out[3] == 3);
	assert_good(sm_baseline_identity(v, 4, from, down, true, out, &err), err);
	assert_true(out[0] == 1 && out[1] == -1 && out[3] == -1);
	assert_refused(sm_baseline_identity(v, 4, none, to, true, out, &err), SM_USAGE, err,
		       "range 3 to 3");
	assert_refused(sm_baseline_identity(v, 4, (double[]){0, NAN}, to, true, out, &err),
		       SM_USAGE, err, "cannot be mapped");
}

static void white_and_average_are_what_they_say(void **state)
{
	(void)state;
	float out[3], a[3] = {1, 2, 3e38f}, c[3] = {2, -2, 3e38f};
	sm_baseline_white(255, 3, out);
	assert_true(out[0] == 255 && out[2] == 255);
	sm_baseline_average(a, c, 3, out);
	assert_true(out[0] == 1.5f && out[1] == 0 && out[2] == 3e38f);
}

static void the_mean_image_is_the_mean(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_mean_image mean = {0};
	const float v[3][2] = {{1, 10}, {2, 20}, {6, -30}}, bad[2] = {0, INFINITY};
	float out[2];
	sm_mean_image_clear(&mean);
	assert_good(sm_mean_image_init(&mean, 2, NULL, &err), err);
	assert_refused(sm_mean_image_get(&mean, out, &err), SM_INPUT, err, "no training image");
	for (int i = 0; i < 3; i++)
		assert_good(sm_mean_image_add(&mean, v[i], 2, "image", &err), err);
	assert_refused(sm_mean_image_add(&mean, v[0], 1, "odd one", &err), SM_INPUT, err,
		       "odd one: has 1 values");
	assert_refused(sm_mean_image_add(&mean, bad, 2, "b", &err), SM_INPUT, err,
		       "b: value number 1 is infinite");
	assert_good(sm_mean_image_get(&mean, out, &err), err);
	assert_true(out[0] == 3 && out[1] == 0 && mean.images == 3);
	sm_mean_image_clear(&mean);
	assert_null(mean.sum);
}

/* a + b z + c z^2 at every pixel, with numbers of its own. */
static double curve(size_t i, double z, double square)
{
	return (double)(i % 7) + (double)(i % 3 + 1) * z + square * (double)(i % 2 + 1) * z * z;
}

static void fill(float *v, int64_t nz, double square)
{
	for (int64_t z = 0; z < nz; z++)
		for (size_t i = 0; i < PLANE; i++)
			v[(size_t)z * PLANE + i] = (float)curve(i, (double)z, square);
}

/* Known slices are copied; a line is reproduced by all but the nearest, ends included. */
static void lines_are_reproduced(void **state)
{
	(void)state;
	enum { NZ = 30, FACTOR = 4, MANY = (NZ - 1) * FACTOR + 1 };
	static float v[NZ * PLANE], out[MANY * PLANE];
	const int64_t dim[3] = {W, H, NZ};
	struct sm_err err = {0};
	fill(v, NZ, 0);
	for (int k = 0; k < METHODS; k++) {
		assert_good(sm_slices_between(v, dim, FACTOR, methods[k], NULL, k, out, &err), err);
		for (size_t z = 0; z < NZ; z++)
			assert_memory_equal(out + z * FACTOR * PLANE, v + z * PLANE,
					    PLANE * sizeof *v);
		for (int z = 0; z < MANY; z++)
			for (size_t i = 0; i < PLANE; i++) {
				double at = methods[k] == SM_NEAREST
						    ? floor((double)z / FACTOR + 0.5)
						    : (double)z / FACTOR;
				double gap = (double)out[(size_t)z * PLANE + i] - curve(i, at, 0);
				assert_true(fabs(gap) < 1e-5);
			}
	}
}

/* Cubic methods follow a parabola, Keys' up to the ends; a line does not: its error midway is a
 * quarter of the square's. */
static void cubic_follows_a_parabola(void **state)
{
	(void)state;
	enum { NZ = 40, MANY = 2 * NZ - 1 };
	static float v[NZ * PLANE], out[MANY * PLANE];
	const int64_t dim[3] = {W, H, NZ};
	struct sm_err err = {0};
	fill(v, NZ, 1);
	for (int k = 1; k < METHODS; k++) {
		const int z = NZ | 1; /* in the middle, between two known ones */
		assert_good(sm_slices_between(v, dim, 2, methods[k], NULL, 1, out, &err), err);
		for (size_t i = 0; i < PLANE; i++) {
			double gap = (double)out[(size_t)z * PLANE + i] - curve(i, z / 2.0, 1);
			double expected = methods[k] == SM_LINEAR ? 0.25 * (double)(i % 2 + 1) : 0;
			assert_true(fabs(gap - expected) < 2e-4);
			gap = (double)out[PLANE + i] - curve(i, 0.5, 1);
			assert_true(methods[k] != SM_CATMULL_ROM || fabs(gap) < 1e-5);
			gap = (double)out[(MANY - 2) * PLANE + i] - curve(i, NZ - 1.5, 1);
			assert_true(methods[k] != SM_CATMULL_ROM || fabs(gap) < 1e-3);
		}
	}
}

/* Midway, Catmull-Rom weighs -1 9 9 -1 sixteenths, beside an end 6 12 -2 (3 f0 - 3 f1 + f2 is the
 * missing one). */
static void midway_weights_are_known(void **state)
{
	(void)state;
	const float v[4] = {16, 160, 1600, 17};
	const int64_t dim[3] = {1, 1, 4};
	const double place[3] = {1.5, 0.5, 2};
	struct sm_err err = {0};
	float out[3];
	assert_good(sm_slices_at(v, dim, place, 3, SM_CATMULL_ROM, NULL, 1, out, &err), err);
	assert_true(fabs((double)out[0] - (-16 + 9 * 160 + 9 * 1600 - 17) / 16.0) < 1e-4);
	assert_true(fabs((double)out[1] - (6 * 16 + 12 * 160 - 2 * 1600) / 16.0) < 1e-4);
	assert_true(out[2] == 1600);
	assert_good(sm_slices_at(v, dim, place, 3, SM_LINEAR, NULL, 1, out, &err), err);
	assert_true(out[0] == 880 && out[1] == 88);
	float average;
	sm_baseline_average(&v[1], &v[2], 1, &average);
	assert_true(average == out[0]);
	assert_good(sm_slices_at(v, dim, place, 3, SM_NEAREST, NULL, 1, out, &err), err);
	assert_true(out[0] == 1600 && out[1] == 160); /* the later of two */
}

static void threads_change_no_bit(void **state)
{
	(void)state;
	enum { NZ = 7, MANY = (NZ - 1) * 3 + 1 };
	static float v[NZ * PLANE], one[MANY * PLANE], many[MANY * PLANE];
	const int64_t dim[3] = {W, H, NZ};
	struct sm_err err = {0};
	for (size_t i = 0; i < NZ * PLANE; i++)
		v[i] = (float)(i * 7919 % 1009) / 7;
	for (int k = 0; k < METHODS; k++) {
		assert_good(sm_slices_between(v, dim, 3, methods[k], NULL, 1, one, &err), err);
		assert_good(sm_slices_between(v, dim, 3, methods[k], NULL, 5, many, &err), err);
		assert_memory_equal(one, many, sizeof one);
	}
}

static void what_has_no_answer_is_refused(void **state)
{
	(void)state;
	const float v[2] = {1, 2};
	const int64_t dim[3] = {1, 1, 2}, single[3] = {1, 1, 1};
	struct sm_err err = {0};
	float out[2];
	assert_refused(sm_slices_at(v, dim, (double[]){1.1}, 1, SM_LINEAR, NULL, 1, out, &err),
		       SM_INPUT, err, "place 1.1, allowed are 0 to 1");
	assert_refused(sm_slices_at(v, dim, (double[]){NAN}, 1, SM_LINEAR, NULL, 1, out, &err),
		       SM_INPUT, err, "place nan");
	assert_refused(sm_slices_at(v, dim, (double[]){0}, 1, SM_SINC, NULL, 1, out, &err),
		       SM_USAGE, err, "method number");
	assert_refused(sm_slices_between(v, dim, 0, SM_LINEAR, NULL, 1, out, &err), SM_USAGE, err,
		       "factor is 0");
	for (int k = 0; k < METHODS; k++) { /* one slice gives itself */
		out[0] = 0;
		assert_good(sm_slices_between(v, single, 10, methods[k], NULL, 1, out, &err), err);
		assert_true(out[0] == 1);
		/* two slices are enough for any method */
		assert_good(
			sm_slices_at(v, dim, (double[]){0.5}, 1, methods[k], NULL, 1, out, &err),
			err);
		assert_true(methods[k] == SM_NEAREST ? out[0] == 2
						     : fabs((double)out[0] - 1.5) < 1e-6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_the_table_are_whole),
		cmocka_unit_test(identity_goes_to_the_range_of_the_target),
		cmocka_unit_test(white_and_average_are_what_they_say),
		cmocka_unit_test(the_mean_image_is_the_mean),
		cmocka_unit_test(lines_are_reproduced),
		cmocka_unit_test(cubic_follows_a_parabola),
		cmocka_unit_test(midway_weights_are_known),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(what_has_no_answer_is_refused),
	};
	return run_tap(tests);
}
