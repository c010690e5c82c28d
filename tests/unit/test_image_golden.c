/* SPDX-License-Identifier: Apache-2.0
 *
 * Image scores against scikit-image, scikit-learn, torchmetrics and scipy:
 * scripts/golden_image_scores.py makes the same images from whole numbers and wrote
 * tests/golden/image_scores.txt.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/image_baselines.h"
#include "eval/image_metrics.h"
#include "preprocess/resample.h"

#define FILE_NAME "tests/golden/image_scores.txt"

struct images {
	int64_t dim[3], channels;
	size_t lines; /* that the file must hold of it */
	float *test, *truth;
	uint8_t *mask;
	struct sm_image_scores scores;
};

static int64_t blocks(int64_t x, int64_t y, int64_t z, int64_t c)
{
	return (x / 9 + (y + z) / 7 + 3 * c) % 8 * 230 - 1000;
}

static void make(struct images *m)
{
	const int64_t nx = m->dim[0], ny = m->dim[1], nz = m->dim[2];
	const size_t n = (size_t)(nx * ny * nz * m->channels);
	m->test = calloc(n, sizeof *m->test);
	m->truth = calloc(n, sizeof *m->truth);
	m->mask = calloc(n, 1);
	assert_true(m->test && m->truth && m->mask);
	for (size_t i = 0; i < n; i++) {
		int64_t x = (int64_t)i % nx, y = (int64_t)i / nx % ny,
			z = (int64_t)i / nx / ny % nz;
		int64_t c = (int64_t)i / nx / ny / nz;
		m->truth[i] = (float)(blocks(x, y, z, c) +
				      (x * 7919 + y * 104729 + z * 15485 + c * 31) % 101);
		m->test[i] = (float)(blocks(x + 1, y, z, c) +
				     (x * 6421 + y * 3571 + z * 9973 + c * 17) % 173 + 7);
		m->mask[i] = (2 * x - nx) * (2 * x - nx) * ny * ny +
				     (2 * y - ny) * (2 * y - ny) * nx * nx <
			     nx * nx * ny * ny * 7 / 10;
	}
}

static void score(struct images *m, int jobs)
{
	struct sm_err err = {0};
	struct sm_image_settings s = sm_image_settings_default();
	struct sm_image_pair pair = {.test = m->test,
				     .truth = m->truth,
				     .test_name = "test",
				     .truth_name = "truth",
				     .mask = m->mask,
				     .dim = {m->dim[0], m->dim[1], m->dim[2]},
				     .channels = m->channels};
	s.which = SM_IMAGE_ALL;
	s.rule = SM_RANGE_GIVEN;
	s.range = 2000;
	s.window[0] = -1000;
	s.window[1] = 600;
	s.jobs = jobs;
	assert_good(sm_image_score(&pair, &s, &m->scores, &err), err);
}

/* Mean |interpolated - truth| where every second slice is known. */
static double between(const struct images *m, int method)
{
	struct sm_err err = {0};
	const size_t plane = (size_t)(m->dim[0] * m->dim[1]);
	const int64_t dim[3] = {m->dim[0], m->dim[1], (m->dim[2] + 1) / 2};
	float *known = calloc(plane * (size_t)dim[2], sizeof *known);
	float *made = calloc(plane * (size_t)m->dim[2], sizeof *made);
	double sum = 0;
	assert_true(known && made);
	for (int64_t z = 0; z < dim[2]; z++)
		memcpy(known + (size_t)z * plane, m->truth + 2 * (size_t)z * plane,
		       plane * sizeof *known);
	assert_good(sm_slices_between(known, dim, 2, method, NULL, 2, made, &err), err);
	for (int64_t z = 0; z < dim[2]; z++)
		assert_memory_equal(made + 2 * (size_t)z * plane, known + (size_t)z * plane,
				    plane * sizeof *known);
	for (size_t i = 0; i < plane * (size_t)m->dim[2]; i++)
		sum += fabs((double)made[i] - (double)m->truth[i]);
	free(known);
	free(made);
	return sum / (double)(plane * (size_t)m->dim[2]);
}

static double body_voxels(const struct images *m)
{
	struct sm_err err = {0};
	struct sm_body body;
	const struct sm_body_settings s = {.axis = 2};
	uint8_t *mask = calloc((size_t)(m->dim[0] * m->dim[1] * m->dim[2]), 1);
	assert_non_null(mask);
	assert_good(sm_body_mask(m->truth, m->dim, (double[]){1, 1, 1}, SM_MEANING_HU, "truth", &s,
				 NULL, 2, mask, &body, &err),
		    err);
	assert_true(body.hu && body.threshold == -300);
	free(mask);
	return (double)body.voxels;
}

static int find(const char *const *keys, int n, const char *key)
{
	for (int i = 0; i < n; i++)
		if (strcmp(keys[i], key) == 0)
			return i;
	fail_msg("%s: no such word as '%s'", FILE_NAME, key);
	return 0;
}

static double ours(const struct images *m, const char *units, const char *region,
		   const char *metric)
{
	int s = find(sm_image_scale_keys, SM_IMAGE_SCALES, units);
	int r = find(sm_image_region_keys, SM_IMAGE_REGIONS, region);
	for (int k = 0; k < SM_IMAGE_METRICS; k++)
		if (strcmp(sm_image_metrics[k].key, metric) == 0) {
			assert_int_equal(m->scores.why[s][r][k], SM_WHY_NONE);
			return m->scores.value[s][r][k];
		}
	fail_msg("%s: no such metric as '%s'", FILE_NAME, metric);
	return 0;
}

static void scores_are_those_of_other_programs(void **state)
{
	(void)state;
	struct images set[] = {{.dim = {40, 34, 13}, .channels = 1, .lines = 32},
			       {.dim = {181, 190, 2}, .channels = 1, .lines = 32},
			       {.dim = {30, 26, 1}, .channels = 3, .lines = 26}};
	const char *const names[] = {"volume", "slices", "colours"};
	FILE *f = fopen(FILE_NAME, "r");
	char name[16], units[16], region[16], metric[16];
	double expected, largest = 0;
	size_t seen[3] = {0}, others = 0;
	assert_non_null(f);
	for (int k = 0; k < 3; k++) {
		make(&set[k]);
		score(&set[k], k + 1);
	}
	while (fscanf(f, "%15s %15s %15s %15s %lf", name, units, region, metric, &expected) == 5) {
		double v;
		/* Normalised images, halved slices and slices between are float32 here, double
		 * there. */
		bool rounded = strcmp(units, "own") || strcmp(metric, "ms_ssim") == 0;
		if (strcmp(name, "between") == 0) {
			v = between(&set[0], strcmp(metric, "linear") ? SM_CUBIC : SM_LINEAR);
			rounded = true;
			others++;
		} else if (strcmp(name, "body") == 0) {
			v = body_voxels(&set[0]);
			others++;
		} else {
			int k = find(names, 3, name);
			v = ours(&set[k], units, region, metric);
			seen[k]++;
		}
		double gap = fabs(v - expected) / (fabs(expected) > 1 ? fabs(expected) : 1);
		if (!(gap < (rounded ? 5e-8 : 1e-12)))
			fail_msg("%s %s %s %s is %.15g, expected %.15g", name, units, region,
				 metric, v, expected);
		largest = gap > largest ? gap : largest;
	}
	fclose(f);
	print_message("# largest difference %.3g\n", largest);
	assert_int_equal(others, 3);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(seen[k], set[k].lines);
		free(set[k].test);
		free(set[k].truth);
		free(set[k].mask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_are_those_of_other_programs),
	};
	return run_tap(tests);
}
