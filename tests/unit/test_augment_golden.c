/* SPDX-License-Identifier: Apache-2.0 */
/* Moves and filters of augmentation against scipy.ndimage (tests/golden/augment.txt, made by
 * scripts/golden_augment.py), and the exact moves. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/elementary.h"
#include "core/rng.h"
#include "train/augment_filter.h"
#include "train/augment_warp.h"

enum { MOST = 600 };

static int64_t size[3];
static int voxels;
static float picture[MOST], moved[MOST], spare[MOST], filter_work[4096];
static uint8_t labels[MOST], moved_labels[MOST];
static double control[3 * MOST];
static char work[1 << 16];

/* The script's picture and labels. */
static void make_sample(void)
{
	int i = 0;
	for (int z = 0; z < size[0]; z++)
		for (int y = 0; y < size[1]; y++)
			for (int x = 0; x < size[2]; x++, i++) {
				picture[i] = (float)((7 * z + 13 * y + 29 * x + 3 * z * x + y * y) %
						     101) /
					     100;
				labels[i] = (uint8_t)((z / 2 + y / 3 + x / 4) % 4);
			}
	voxels = i;
}

static double number(FILE *f)
{
	double v;
	if (fscanf(f, "%lf", &v) != 1)
		fail_msg("golden file ends early");
	return v;
}

static void compare(FILE *f, const float *values, const char *name)
{
	for (int i = 0; i < voxels; i++) {
		double v = number(f);
		if (fabs(v - (double)values[i]) > 2e-6)
			fail_msg("%s: voxel %d is %.7g, not %.7g", name, i, (double)values[i], v);
	}
}

static void one_move(FILE *f, const char *name)
{
	struct sm_warp w = {.control = control};
	int clear = 0, points;
	sm_warp_reset(&w);
	w.zero = number(f) > 0;
	w.spacing = number(f);
	for (int a = 0; a < 3; a++)
		w.grid[a] = (int)number(f);
	for (int k = 0; k < 9; k++)
		w.m[k / 3][k % 3] = number(f);
	for (int a = 0; a < 3; a++)
		w.t[a] = number(f);
	points = 3 * w.grid[0] * w.grid[1] * w.grid[2];
	assert_true(points <= (int)(sizeof control / sizeof *control));
	for (int k = 0; k < points; k++)
		control[k] = number(f);
	assert_true(sm_warp_work(size[2], w.grid[2]) <= sizeof work);
	sm_warp_run(&w, size, 1, picture, labels, moved, moved_labels, work);
	compare(f, moved, name);
	for (int i = 0; i < voxels; i++) {
		int label = (int)number(f);
		clear += label >= 0;
		if (label >= 0 && label != moved_labels[i])
			fail_msg("%s: label of voxel %d is %d, not %d", name, i, moved_labels[i],
				 label);
	}
	assert_true(clear > voxels * 2 / 3);
}

static void test_moves_and_filters_equal_scipy(void **state)
{
	(void)state;
	char name[64];
	int cases = 0;
	FILE *f = fopen("tests/golden/augment.txt", "r");
	assert_non_null(f);
	for (int a = 0; a < 3; a++)
		size[a] = (int64_t)number(f);
	make_sample();
	for (; fscanf(f, "%63s", name) == 1; cases++) {
		memcpy(moved, picture, sizeof moved);
		if (strcmp(name, "blur") == 0) {
			sm_filter_gaussian(moved, size, number(f), false, spare, filter_work);
			compare(f, moved, name);
		} else if (strcmp(name, "lower") == 0) {
			sm_filter_low_resolution(moved, size, number(f), false, false, spare,
						 filter_work);
			compare(f, moved, name);
		} else {
			one_move(f, name);
		}
	}
	fclose(f);
	assert_int_equal(cases, 14);
}

/* A resampling by quarter turns, kept from being taken for one, equals the exact copy. */
static void test_a_quarter_turn_by_resampling_is_the_exact_one(void **state)
{
	(void)state;
	const int64_t cube[3] = {7, 7, 7};
	float x[343], exact[343], near[343];
	uint8_t y[343], exact_y[343], near_y[343];
	struct sm_rng rng;
	sm_rng_init(&rng, 3, "test.augment", "", 0, 0);
	for (int i = 0; i < 343; i++) {
		x[i] = sm_rng_f32(&rng);
		y[i] = (uint8_t)sm_rng_below(&rng, 4);
	}
	for (int axis = 0; axis < 3; axis++)
		for (int quarters = 1; quarters < 4; quarters++) {
			int b = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
			double turn = quarters * 0.5, slightly = 1e-9;
			struct sm_warp w;
			double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, t[3] = {0, 0, 0};
			m[b][b] = m[c][c] = sm_sinpi(turn + 0.5);
			m[b][c] = -sm_sinpi(turn);
			m[c][b] = sm_sinpi(turn);
			sm_warp_reset(&w);
			w.zero = false;
			sm_warp_then(&w, m, t);
			sm_warp_run(&w, cube, 1, x, y, exact, exact_y, work);
			t[0] = slightly;
			sm_warp_then(&w, (double[3][3]){{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, t);
			sm_warp_run(&w, cube, 1, x, y, near, near_y, work);
			for (int i = 0; i < 343; i++)
				assert_true(fabsf(exact[i] - near[i]) < 1e-5f);
			assert_memory_equal(exact_y, near_y, sizeof near_y);
			assert_memory_not_equal(exact, x, sizeof x);
		}
}

/* The determinant of the map's derivative stays above 0 whatever is drawn: coordinates themselves
 * are the picture. */
static void test_the_largest_displacements_do_not_fold(void **state)
{
	(void)state;
	enum { N = 24, ALL = N * N * N };
	const int64_t cube[3] = {N, N, N};
	static float x[3 * ALL], out[3 * ALL];
	static uint8_t y[ALL], out_y[ALL];
	static double knots[3 * 9 * 9 * 9];
	static char room[1 << 16];
	struct sm_rng rng;
	for (int i = 0; i < ALL; i++) {
		x[i] = (float)(i / (N * N));
		x[ALL + i] = (float)(i / N % N);
		x[2 * ALL + i] = (float)(i % N);
	}
	for (int draw = 0; draw < 5; draw++) {
		struct sm_warp w = {.spacing = 8, .control = knots};
		sm_rng_init(&rng, 3, "test.augment", "fold", 0, (uint64_t)draw);
		sm_warp_reset(&w);
		for (int a = 0; a < 3; a++)
			w.grid[a] = sm_warp_points(N, 8);
		int points = w.grid[0] * w.grid[1] * w.grid[2];
		assert_true(points <= 729);
		for (int i = 0; i < 3 * points; i++) /* only the bound itself, either way */
			knots[i] = sm_rng_below(&rng, 2) ? 3.2 : -3.2;
		sm_warp_run(&w, cube, 3, x, y, out, out_y, room);
		int looked_at = 0;
		for (int i = 0; i < ALL; i++) {
			double j[3][3];
			bool inside = i / (N * N) < N - 1 && i / N % N < N - 1 && i % N < N - 1;
			const int step[3] = {N * N, N, 1};
			for (int a = 0; a < 3 && inside; a++)
				for (int b = 0; b < 3; b++) {
					double from = (double)out[a * ALL + i],
					       to = (double)out[a * ALL + i + step[b]];
					inside = inside && from > 1e-3 && from < N - 1.001 &&
						 to > 1e-3 && to < N - 1.001; /* not cut */
					j[a][b] = to - from;
				}
			if (!inside)
				continue;
			looked_at++;
			assert_true(j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1]) -
					    j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0]) +
					    j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0]) >
				    0);
		}
		assert_true(looked_at > ALL / 2);
	}
}

static void test_a_point_is_blurred_to_a_gaussian(void **state)
{
	(void)state;
	enum { N = 31 };
	static float x[N * N * N], room[N * N * N], buffer[2 * 65 * N + N + 65];
	const int64_t cube[3] = {N, N, N};
	double sigma = 1.5, sum = 0, norm = 0;
	x[N * N * N / 2] = 1;
	sm_filter_gaussian(x, cube, sigma, false, room, buffer);
	for (int k = -6; k <= 6; k++)
		norm += exp(-0.5 * k * k / (sigma * sigma));
	for (int i = 0; i < N * N * N; i++) {
		int a = i / (N * N) - N / 2, b = i / N % N - N / 2, c = i % N - N / 2;
		bool near = abs(a) <= 6 && abs(b) <= 6 && abs(c) <= 6;
		double wanted =
			exp(-0.5 * (a * a + b * b + c * c) / (sigma * sigma)) / pow(norm, 3);
		sum += (double)x[i];
		assert_true(fabs((double)x[i] - (near ? wanted : 0)) < 1e-7);
	}
	assert_true(fabs(sum - 1) < 1e-5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves_and_filters_equal_scipy),
		cmocka_unit_test(test_a_quarter_turn_by_resampling_is_the_exact_one),
		cmocka_unit_test(test_the_largest_displacements_do_not_fold),
		cmocka_unit_test(test_a_point_is_blurred_to_a_gaussian),
	};
	return run_tap(tests);
}
