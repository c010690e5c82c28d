/* SPDX-License-Identifier: Apache-2.0
 *
 * denoise, masks, thresholds and bias_field against scipy, scikit-image, SimpleITK and numpy
 * (tests/golden/denoise.txt, made by scripts/golden_denoise.py), and against closed forms.
 */
#include "tests/unit/ops_yaml.h"

#include "core/hash.h"
#include "preprocess/morphology.h"
#include "preprocess/threshold.h"

static double uniform(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return (double)(*s >> 8) / 16777216.0;
}

/* The volumes of scripts/golden_denoise.py. */
static struct sm_vol grain(void)
{
	struct sm_vol v = volume(14, 12, 10, 1, SM_F32);
	uint32_t s = 1;
	size_t i = 0;
	v.affine[2][2] = 2;
	for (int z = 0; z < 10; z++)
		for (int y = 0; y < 12; y++)
			for (int x = 0; x < 14; x++) {
				int r = (x - 6) * (x - 6) + (y - 5) * (y - 5) + (z - 4) * (z - 4);
				((float *)v.data)[i++] =
					(float)((r < 20 ? 100 : 20) + 2.0 * x + 20 * uniform(&s));
			}
	return v;
}

static double shade(size_t i)
{
	double x = (double)(i % 36) * 2 / 35 - 1, y = (double)(i / 36 % 32) * 2 / 31 - 1,
	       z = (double)(i / 36 / 32) * 2 / 27 - 1;
	return 1 + 0.3 * x - 0.2 * y * z + 0.15 * z * z;
}

static struct sm_vol shaded(void)
{
	struct sm_vol v = volume(36, 32, 28, 1, SM_F32);
	uint32_t s = 7;
	for (size_t i = 0; i < 36 * 32 * 28; i++) {
		double x = (double)(i % 36) * 2 / 35 - 1, y = (double)(i / 36 % 32) * 2 / 31 - 1,
		       z = (double)(i / 36 / 32) * 2 / 27 - 1, r = x * x + y * y + z * z;
		double tissue = r < 0.2 ? 140 : r < 0.55 ? 100 : r < 0.9 ? 60 : 0;
		double u = uniform(&s), field = shade(i);
		((float *)v.data)[i] = tissue > 0 ? (float)(tissue * field + 4 * u) : 0;
	}
	return v;
}

static struct sm_case case_of(struct sm_vol vol)
{
	struct sm_case c = fresh();
	assert_good(sm_case_take(&c, "a", &vol, &err), err);
	return c;
}

static char *part(char **rest)
{
	char *at = *rest, *end = strstr(at, " | ");
	assert_non_null(end);
	*end = 0;
	*rest = end + 3;
	return at;
}

static void near(double got, double wanted, double allowed, const char *what, size_t i)
{
	if (!(fabs(got - wanted) <= allowed))
		fail_msg("%s: value %zu is %.9g, wanted %.9g within %g", what, i, got, wanted,
			 allowed);
}

static void check_grain(const char *text, double tolerance, char *numbers)
{
	struct sm_case c = case_of(grain());
	assert_good(steps(&c, text), err);
	const float *v = values(&c, 0);
	for (size_t i = 0; i < 14 * 12 * 10; i += 7)
		near((double)v[i], strtod(numbers, &numbers), tolerance > 0 ? tolerance : 1e-6,
		     text, i);
	sm_case_clear(&c);
}

static void check_thresholds(char *numbers)
{
	struct sm_vol v = grain();
	double lo, hi;
	const size_t n = sm_vol_count(&v);
	sm_value_range(v.data, n, &lo, &hi);
	near(sm_threshold_otsu(v.data, n, lo, hi), strtod(numbers, &numbers), 1e-5, "otsu", 0);
	near(sm_threshold_triangle(v.data, n, lo, hi), strtod(numbers, &numbers), 1e-5, "triangle",
	     0);
	sm_vol_clear(&v);
}

/* A mask of the file: most significant bit first, voxels in order. */
static void same_mask(const uint8_t *mask, const char *hex, const char *what)
{
	for (size_t i = 0; i < 14 * 12 * 10; i++) {
		char c = hex[i / 4];
		int digit = c <= '9' ? c - '0' : c - 'a' + 10, bit = digit >> (3 - i % 4) & 1;
		if (mask[i] != bit)
			fail_msg("%s: voxel %zu is %d, wanted %d", what, i, mask[i], bit);
	}
}

static void check_mask(const char *what, const char *where, const char *hex)
{
	struct sm_vol v = grain();
	struct sm_grid g = {.n = {14, 12, 10}, .spacing = {1, 1, 1}, .jobs = 2};
	uint8_t mask[14 * 12 * 10];
	double radius = 0;
	bool ragged = strcmp(what, "largest") == 0 || strcmp(what, "fill") == 0;
	for (size_t i = 0; i < sizeof mask; i++)
		mask[i] = ((float *)v.data)[i] > (ragged ? 45 : 70) ? 7 : 0;
	if (!ragged)
		assert_int_equal(sscanf(where, "%lf %lf %lf %lf", g.spacing, g.spacing + 1,
					g.spacing + 2, &radius),
				 4);
	if (strcmp(what, "dilate") == 0)
		assert_good(sm_mask_dilate(mask, &g, radius, &err), err);
	else if (strcmp(what, "erode") == 0)
		assert_good(sm_mask_erode(mask, &g, radius, &err), err);
	else if (strcmp(what, "open") == 0)
		assert_good(sm_mask_open(mask, &g, radius, &err), err);
	else if (strcmp(what, "close") == 0)
		assert_good(sm_mask_close(mask, &g, radius, &err), err);
	else if (strcmp(what, "largest") == 0) {
		uint32_t labels[14 * 12 * 10], most = 0;
		size_t count;
		assert_good(sm_mask_components(mask, 7, &g, labels, &count, &err), err);
		assert_int_equal(count, strtol(where, NULL, 10));
		for (size_t i = 0; i < sizeof mask; i++) {
			assert_true((labels[i] != 0) == (mask[i] == 7) && labels[i] <= most + 1);
			most = labels[i] > most ? labels[i] : most;
		}
		assert_int_equal(most, count);
		assert_good(sm_mask_largest(mask, &g, NULL, &err), err);
	} else if (strcmp(where, "volume") == 0)
		assert_good(sm_mask_fill(mask, &g, &err), err);
	else
		assert_good(sm_mask_fill_planes(mask, &g, where[0] - 'x', &err), err);
	same_mask(mask, hex, what);
	sm_vol_clear(&v);
}

/* A reach of many voxels takes another way to the same ball. */
static void test_wide_balls(void **state)
{
	(void)state;
	enum { N = 60 };
	struct sm_grid g = {.n = {N, N, 6}, .spacing = {1, 0.9, 7}, .jobs = 2};
	static uint8_t mask[N * N * 6], wanted[N * N * 6];
	const int at[3][3] = {{5, 7, 0}, {40, 30, 3}, {41, 59, 5}};
	for (int i = 0; i < N * N * 6; i++) {
		double x = i % N, y = i / N % N, z = i / N / N;
		for (int k = 0; k < 3; k++) {
			double dx = x - at[k][0], dy = (y - at[k][1]) * 0.9,
			       dz = (z - at[k][2]) * 7;
			wanted[i] |= dx * dx + dy * dy + dz * dz <= 18.001 * 18.001;
		}
	}
	for (int k = 0; k < 3; k++)
		mask[(at[k][2] * N + at[k][1]) * N + at[k][0]] = 1;
	assert_good(sm_mask_dilate(mask, &g, 18.001, &err), err);
	assert_memory_equal(mask, wanted, sizeof mask);
	for (int i = 0; i < N * N * 6; i++)
		mask[i] = !mask[i];
	assert_good(sm_mask_dilate(mask, &g, 0, &err), err);
	assert_true(mask[0] == !wanted[0]);
	memset(mask, 0, sizeof mask);
	assert_good(sm_mask_dilate(mask, &g, 30, &err), err);
	assert_int_equal(sm_mask_count(mask, &g), 0);
	assert_good(sm_mask_erode(mask, &g, 30, &err), err);
	memset(mask, 1, sizeof mask);
	assert_good(sm_mask_erode(mask, &g, 30, &err), err);
	assert_int_equal(sm_mask_count(mask, &g), N * N * 6);
}

static void check_shaded(const char *text, double tolerance, char *numbers)
{
	struct sm_vol before = shaded();
	struct sm_case c = case_of(shaded());
	double mean = 0, worst = 0;
	size_t n = 0, at = 0;
	c.mask = volume(36, 32, 28, 1, SM_U8);
	for (size_t i = 0; i < sm_vol_count(&before); i++)
		((uint8_t *)c.mask.data)[i] = ((float *)before.data)[i] > 0;
	assert_good(steps(&c, text), err);
	const float *x = before.data, *y = values(&c, 0);
	for (size_t i = 0; i < sm_vol_count(&before); i++)
		if (x[i] > 0) {
			mean += log((double)x[i] / (double)y[i]);
			n++;
		}
	mean /= (double)n;
	assert_true(fabs(mean) < 1e-5);
	/* numpy's order of a boolean index: z fastest */
	for (size_t i = 0; i < 36 * 32 * 28; i++) {
		size_t k = (i % 28 * 32 + i / 28 % 32) * 36 + i / 28 / 32;
		if (!(x[k] > 0) || at++ % 97)
			continue;
		double got = log((double)x[k] / (double)y[k]) - mean,
		       wanted = strtod(numbers, &numbers);
		near(got, wanted, tolerance, text, k);
		worst = fmax(worst, fabs(got - wanted));
	}
	/* And the field that was put in. */
	double sums[5] = {0};
	for (size_t i = 0; i < 36 * 32 * 28; i++) {
		if (!(x[i] > 0))
			continue;
		double a = log((double)x[i] / (double)y[i]), b = log(shade(i));
		const double all[5] = {a, b, a * a, b * b, a * b};
		for (int k = 0; k < 5; k++)
			sums[k] += all[k] / (double)n;
	}
	double together = (sums[4] - sums[0] * sums[1]) /
			  sqrt((sums[2] - sums[0] * sums[0]) * (sums[3] - sums[1] * sums[1]));
	print_message("# correlation with the known field: %.4f\n", together);
	assert_true(together > 0.98);
	print_message("# log field, largest difference to N4: %.6f\n", worst);
	sm_vol_clear(&before);
	sm_case_clear(&c);
}

static void test_golden(void **state)
{
	(void)state;
	static char line[1 << 16];
	FILE *f = fopen("tests/golden/denoise.txt", "r");
	int lines = 0;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char *rest = line;
		if (line[0] == '#')
			continue;
		char *what = part(&rest), *how = part(&rest);
		double tolerance = strtod(part(&rest), NULL);
		part(&rest);
		if (strcmp(what, "grain") == 0)
			check_grain(how, tolerance, rest);
		else if (strcmp(what, "thresholds") == 0)
			check_thresholds(rest);
		else if (strcmp(what, "shaded") == 0)
			check_shaded(how, tolerance, rest);
		else
			check_mask(what, how, rest);
		lines++;
	}
	fclose(f);
	assert_int_equal(lines, 36);
}

/* What no number of threads and no processor changes. */
static void test_bits_are_fixed(void **state)
{
	(void)state;
	static const struct {
		const char *steps, *sha256;
	} runs[] = {
		{"denoise: {search: 2, rician: true}",
		 "090c84d4e7e32807537e3988328a84e5a4fbb41187d69c6618196d6a34a53353"},
		{"denoise: {method: bilateral, sigma: [1], unit: voxel}",
		 "d06754c40de8fe870f372bd41a872b6ebf0a6fb4a8cfacc134690eeb29fc8475"},
		{"denoise: {method: gaussian, sigma: [1.5]}",
		 "088bf5eba7f6d60a53c771df19b06ae40c51a73864da9446de3a7c0222ff9410"},
		{"bias_field: {shrink: 2, levels: 2, iterations: 5}",
		 "4116219bdde6e452e4cd7888891792004757fd9b6a977b242fce29a6e2f724af"},
	};
	for (size_t r = 0; r < SM_COUNT(runs); r++)
		for (int jobs = 1; jobs <= 3; jobs++) {
			struct sm_case c = case_of(r == 3 ? shaded() : grain());
			char hex[65];
			c.jobs = jobs;
			assert_good(steps(&c, runs[r].steps), err);
			sm_sha256_bytes(c.vols[0].vol.data,
					sm_vol_count(&c.vols[0].vol) * sizeof(float), hex);
			if (strcmp(hex, runs[r].sha256) != 0)
				fail_msg("%s with %d threads: %s", runs[r].steps, jobs, hex);
			sm_case_clear(&c);
		}
}

static void test_blocks_leave_no_seam(void **state)
{
	(void)state;
	/* Larger than a block in y and z: the middle of a periodic volume repeats bit for bit. */
	struct sm_vol v = volume(20, 72, 36, 1, SM_F32);
	uint32_t s = 3;
	float tile[12 * 6 * 20];
	for (size_t i = 0; i < SM_COUNT(tile); i++)
		tile[i] = (float)(100 * uniform(&s));
	for (int z = 0; z < 36; z++)
		for (int y = 0; y < 72; y++)
			for (int x = 0; x < 20; x++)
				((float *)v.data)[(z * 72 + y) * 20 + x] =
					tile[(z % 6 * 12 + y % 12) * 20 + x];
	struct sm_case c = case_of(v);
	assert_good(steps(&c, "denoise: {search: 3, noise: 20}"), err);
	const float *got = values(&c, 0);
	for (int z = 6; z < 24; z++)
		for (int y = 12; y < 48; y++)
			for (int x = 0; x < 20; x++)
				assert_true(got[(z * 72 + y) * 20 + x] ==
					    got[((z + 6) * 72 + y + 12) * 20 + x]);
	sm_case_clear(&c);
}

static void test_closed_forms(void **state)
{
	(void)state;
	/* Two values far apart against h: nothing mixes. Equal values: nothing changes. */
	float v[512];
	for (int i = 0; i < 512; i++)
		v[i] = i % 8 < 4 ? 10 : 1000;
	for (int way = 0; way < 3; way++) {
		static const char *const how[] = {"denoise: {noise: 1, search: 1}",
						  "denoise: {method: median, radius: 1}",
						  "denoise: {method: bilateral, range: 1}"};
		struct sm_case c = fresh();
		add_f32(&c, "a", 8, 8, 8, v);
		assert_good(steps(&c, how[way]), err);
		for (int i = 0; i < 512; i++)
			near((double)values(&c, 0)[i], (double)v[i], 0, how[way], (size_t)i);
		sm_case_clear(&c);
	}
	/* A flat volume has no noise, and nothing happens to it; Rician: sqrt(x^2 - 2 noise^2). */
	for (int i = 0; i < 512; i++)
		v[i] = 50;
	struct sm_case c = fresh();
	add_f32(&c, "a", 8, 8, 8, v);
	assert_good(steps(&c, "denoise: {};;denoise: {method: bilateral}"), err);
	assert_values(values(&c, 0), v, 512);
	assert_good(steps(&c, "denoise: {noise: 20, rician: true}"), err);
	for (int i = 0; i < 512; i++)
		assert_true(fabs((double)values(&c, 0)[i] - sqrt(2500 - 800)) < 1e-4);
	assert_good(steps(&c, "denoise: {noise: 60, rician: true}"), err);
	assert_true(values(&c, 0)[100] == 0);
	sm_case_clear(&c);
}

/* Sum of twelve uniform numbers, less 6: mean 0, standard deviation 1. */
static double normal(uint32_t *s)
{
	double sum = -6;
	for (int i = 0; i < 12; i++)
		sum += uniform(s);
	return sum;
}

static void test_noise_is_estimated_and_removed(void **state)
{
	(void)state;
	enum { N = 40 };
	struct sm_vol v = volume(N, N, N, 1, SM_F32);
	uint32_t s = 9;
	for (size_t i = 0; i < N * N * N; i++) {
		int x = (int)(i % N), y = (int)(i / N % N);
		double clean = x < 6 ? 0 : y < 20 ? 200 : 260;
		((float *)v.data)[i] = (float)(clean + 8 * normal(&s));
	}
	struct sm_case c = case_of(v);
	assert_good(steps(&c, "denoise: {search: 3}"), err);
	double noise = json_real_value(
		json_array_get(json_object_get(json_array_get(c.facts, 0), "noise"), 0));
	assert_true(noise > 7.8 && noise < 8.8); /* edges make it larger */
	double left = 0, n = 0;
	for (size_t i = 0; i < N * N * N; i++) {
		int x = (int)(i % N), y = (int)(i / N % N);
		if (x < 8 || abs(y - 20) < 3)
			continue;
		double d = (double)values(&c, 0)[i] - (y < 20 ? 200 : 260);
		left += d * d;
		n++;
	}
	print_message("# noise 8 estimated as %.2f; after: %.2f\n", noise, sqrt(left / n));
	assert_true(sqrt(left / n) < 2.5);
	sm_case_clear(&c);
}

static void test_small_and_flat_grids(void **state)
{
	(void)state;
	static const int64_t dims[][3] = {{1, 1, 1}, {1, 9, 1},  {2, 1, 3},
					  {3, 4, 1}, {17, 2, 2}, {5, 6, 7}};
	static const char *const all[] = {
		"denoise: {noise: 3, search: 4, patch: 3}",
		"denoise: {}",
		"denoise: {method: median, radius: 3}",
		"denoise: {method: gaussian, sigma: [3]}",
		"denoise: {method: bilateral, sigma: [2], range: 9}",
		"bias_field: {shrink: 1, levels: 2, iterations: 3}",
		"bias_field: {shrink: 8}",
		"remove_background: {preset: head}",
		"remove_background: {preset: brain}",
		"remove_background: {preset: breast}",
	};
	for (size_t d = 0; d < SM_COUNT(dims); d++)
		for (size_t k = 0; k < SM_COUNT(all); k++) {
			struct sm_vol v = volume(dims[d][0], dims[d][1], dims[d][2], 1, SM_F32);
			uint32_t s = 11;
			for (size_t i = 0; i < sm_vol_count(&v); i++)
				((float *)v.data)[i] = (float)(10 + 90 * uniform(&s));
			struct sm_case c = case_of(v);
			enum sm_status st = steps(&c, all[k]);
			if (st != SM_OK && st != SM_INPUT)
				fail_msg("%s: %s", all[k], err.text);
			if (strncmp(all[k], "denoise", 7) == 0)
				assert_int_equal(st, SM_OK);
			for (size_t i = 0; i < sm_vol_count(&c.vols[0].vol); i++)
				assert_true(isfinite(values(&c, 0)[i]));
			sm_case_clear(&c);
		}
}

static void test_parameters_are_checked(void **state)
{
	(void)state;
	struct sm_case c = case_of(grain());
	assert_refused(steps(&c, "denoise: {method: gaussian, sigma: [1, 2]}"), SM_USAGE, err,
		       "allowed are 1 or 3");
	assert_refused(steps(&c, "denoise: {method: median, rician: true}"), SM_USAGE, err,
		       "only with method nlm");
	assert_refused(steps(&c, "bias_field: {mesh: [64, 1, 1], levels: 8}"), SM_USAGE, err,
		       "cells");
	for (size_t i = 0; i < sm_vol_count(&c.vols[0].vol); i++)
		((float *)c.vols[0].vol.data)[i] = -3;
	assert_refused(steps(&c, "bias_field: {}"), SM_INPUT, err, "everywhere");
	((float *)c.vols[0].vol.data)[5] = -2;
	assert_refused(steps(&c, "bias_field: {}"), SM_INPUT, err, "above 0");
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_wide_balls),
		cmocka_unit_test(test_bits_are_fixed),
		cmocka_unit_test(test_blocks_leave_no_seam),
		cmocka_unit_test(test_closed_forms),
		cmocka_unit_test(test_noise_is_estimated_and_removed),
		cmocka_unit_test(test_small_and_flat_grids),
		cmocka_unit_test(test_parameters_are_checked),
	};
	return run_tap(tests);
}
