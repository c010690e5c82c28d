/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on intensities: what they refuse, constant volumes, and values worked out by hand.
 * Real scans against other implementations: test_op_golden.c.
 */
#include "tests/unit/ops_yaml.h"

#include "preprocess/learn.h"
#include "preprocess/quantile.h"

static struct sm_case with(size_t n, const float *values)
{
	struct sm_case c = fresh();
	add_f32(&c, "a", (int64_t)n, 1, 1, values);
	return c;
}

#define CASE(...) with(sizeof((float[]){__VA_ARGS__}) / sizeof(float), (const float[]){__VA_ARGS__})

static void gives(struct sm_case c, const char *step, size_t n, const float *wanted)
{
	assert_good(steps(&c, step), err);
	assert_values(values(&c, 0), wanted, n);
	sm_case_clear(&c);
}

#define GIVES(c, step, ...) \
	gives(c, step, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (const float[]){__VA_ARGS__})

static void refuses(struct sm_case c, const char *step, enum sm_status status, const char *part)
{
	assert_refused(steps(&c, step), status, err, part);
	sm_case_clear(&c);
}

static void test_normalise_by_the_maximum(void **state)
{
	(void)state;
	GIVES(CASE(-2, 0, 4), "normalise: {method: max, range: [0, 255]}", -127.5f, 0, 255);
	GIVES(CASE(5, 5), "normalise: {method: max}", 1, 1);
	GIVES(CASE(0, -3), "normalise: {method: max}", 0, 0);
	refuses(CASE(0, -3), "normalise: {method: max, constant: reject}", SM_INPUT,
		"no contrast in the scope (2 voxels, -3 to 0)");
}

static void test_normalise_clip_keeps_the_scale(void **state)
{
	(void)state;
	GIVES(CASE(0, 10, 20, 30, 100), "normalise: {method: clip, percentiles: [25, 75]}", 10, 10,
	      20, 30, 30);
	GIVES(CASE(7, 7), "normalise: {method: clip}", 7, 7);
	/* nothing in the scope: nothing to clip with */
	GIVES(CASE(0, 0), "normalise: {method: clip, scope: nonzero, outside: scale}", 0, 0);
}

static void test_normalise_outside_the_scope(void **state)
{
	(void)state;
	GIVES(CASE(0, 4, 8), "normalise: {scope: nonzero, range: [1, 3]}", 1, 1, 3);
	GIVES(CASE(0, 4, 8), "normalise: {scope: nonzero, range: [1, 3], outside: scale}", 1, 1, 3);
	GIVES(CASE(0, 4, 8),
	      "normalise: {scope: nonzero, range: [1, 3], outside: scale, method: percentile, "
	      "percentiles: [0, 100], clip: false}",
	      -1, 1, 3);
	/* mean 3: only 8 and 4 lie above */
	GIVES(CASE(0, 0, 4, 8), "normalise: {scope: above_mean, method: zscore}", 0, 0, -1, 1);
}

static void test_normalise_constant_volumes(void **state)
{
	(void)state;
	GIVES(CASE(5, 5, 5), "normalise: {range: [-1, 1]}", -1, -1, -1);
	GIVES(CASE(5, 5, 5), "normalise: {method: zscore}", 0, 0, 0);
	GIVES(CASE(0, 0, 0, 9), "normalise: {method: percentile, percentiles: [0, 50]}", 0, 0, 0,
	      0);
	refuses(CASE(5, 5), "normalise: {constant: reject}", SM_INPUT,
		"case_1: a has no contrast in the scope (2 voxels, 5 to 5), and constant is "
		"reject");
	refuses(CASE(0, 0), "normalise: {scope: nonzero, constant: reject}", SM_INPUT,
		"no voxel of a lies in the scope");
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 2, (const float[]){1, 2, 3, 3});
	refuses(c, "normalise: {scope: slice, constant: reject}", SM_INPUT, "slice 1 of a");
}

static void test_normalise_of_some_roles(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 1, 1, (const float[]){1, 3});
	add_f32(&c, "b", 2, 1, 1, (const float[]){1, 3});
	assert_good(steps(&c, "normalise: {roles: [b]}"), err);
	assert_values(values(&c, 0), (const float[]){1, 3}, 2);
	assert_values(values(&c, 1), (const float[]){0, 1}, 2);
	refuses(c, "normalise: {roles: [b, x]}", SM_INPUT, "no volume 'x'");
}

static void test_parameters_are_checked_without_a_case(void **state)
{
	(void)state;
	static const struct {
		const char *step, *part;
	} bad[] = {
		{"normalise: {range: [1, 0]}", "range is 1 to 0"},
		{"normalise: {method: percentile, percentiles: [9, 9]}", "percentiles are 9 and 9"},
		{"stack: {roles: [a, b, a]}", "roles lists 'a' twice"},
		{"stack: {roles: []}", "empty list"},
		{"scale: {divide: 0}", "divide is 0"},
		{"scale: {clip: [1, 1]}", "clip is 1 to 1"},
		{"remove_band: {low: 3, high: 2}", "low 3 is above high 2"},
		{"window: {to: [1, 1]}", "to is 1 to 1"},
		{"window: {range: [4, 2]}", "range is 4 to 2"},
		{"window: {preset: brain, range: [1, 2]}", "preset and range"},
		{"nyul: {percentiles: [1, 50, 50]}", "percentiles lists 50 behind 50"},
		{"nyul: {percentiles: [50]}", "percentiles lists 1 values"},
		{"nyul: {range: [1, 1]}", "range is 1 to 1"},
		{"nyul: {percentiles: [1, 99], scales: [{role: a, values: [1]}]}",
		 "scales of 'a' lists 1 values, allowed are 2"},
		{"nyul: {percentiles: [1, 99], scales: [{role: a, values: [2, 1]}]}",
		 "falls from 2 to 1"},
		{"nyul: {percentiles: [1, 99], scales: [{role: a, values: [1, 2]}, {role: a, "
		 "values: [1, 2]}]}",
		 "'a' twice"},
		{"match_histogram: {reference: b, quantiles: [{role: a, values: [1, 2]}]}",
		 "both given"},
		{"match_histogram: {quantiles: [{role: a, values: [1]}]}", "2 and more"},
		{"match_histogram: {quantiles: [{role: a}]}", "values: is missing"},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_manifest m;
		assert_refused(read_steps(bad[i].step, &m), SM_USAGE, err, bad[i].part);
	}
}

static void test_scale(void **state)
{
	(void)state;
	GIVES(CASE(0, 127.5f, 255), "scale: {divide: 127.5, add: -1}", -1, 0, 1);
	GIVES(CASE(0, 128, 300), "scale: {divide: 128, add: -1, clip: [-1, 1]}", -1, 0, 1);
	GIVES(CASE(2), "scale: {multiply: 3, add: -1}", 5);
	refuses(CASE(1, 3e38f), "scale: {multiply: 10}", SM_INPUT,
		"1 values of a lie beyond float32");
}

static void test_window_takes_ends_too(void **state)
{
	(void)state;
	GIVES(CASE(-2000, -1024, 512, 2048, 3000), "window: {range: [-1024, 2048], to: [-1, 1]}",
	      -1, -1, 0, 1, 1);
	GIVES(CASE(-125, 50, 225), "window: {preset: mediastinum}", 0, 0.5f, 1);
}

static void two(struct sm_case *c, const float *b, size_t n)
{
	add_f32(c, "b", (int64_t)n, 1, 1, b);
}

static void test_match_histogram_by_hand(void **state)
{
	(void)state;
	struct sm_case c = CASE(5, 1, 3, 3);
	two(&c, (const float[]){10, 20, 30, 40}, 4);
	/* shares 1/4 (1), 3/4 (3), 1 (5) of a are 10, 30, 40 of b */
	assert_good(steps(&c, "match_histogram: {reference: b}"), err);
	assert_values(values(&c, 0), (const float[]){40, 10, 30, 30}, 4);
	assert_values(values(&c, 1), (const float[]){10, 20, 30, 40}, 4);
	sm_case_clear(&c);
	/* other sizes: below the first share the first value */
	c = CASE(1, 2, 3, 4);
	two(&c, (const float[]){7, 9}, 2);
	assert_good(steps(&c, "match_histogram: {reference: b}"), err);
	assert_values(values(&c, 0), (const float[]){7, 7, 8, 9}, 4);
	sm_case_clear(&c);
	/* a constant volume has its only value at share 1; -0 is 0 */
	GIVES(CASE(-0.0f, 0), "match_histogram: {quantiles: [{role: a, values: [1, 5]}]}", 5, 5);
	GIVES(CASE(1, 2, 3, 4), "match_histogram: {quantiles: [{role: a, values: [0, 10, 30]}]}", 5,
	      10, 20, 30);
}

static void test_match_histogram_refuses(void **state)
{
	(void)state;
	refuses(CASE(1, 2), "match_histogram: {reference: b}", SM_INPUT, "has no volume 'b'");
	refuses(CASE(1, 2), "match_histogram: {}", SM_USAGE, "preprocess --learn");
	refuses(CASE(1, 2), "match_histogram: {quantiles: [{role: b, values: [1, 2]}]}", SM_INPUT,
		"quantiles lists no volume 'a'");
	refuses(CASE(0, 0),
		"match_histogram: {scope: nonzero, quantiles: [{role: a, values: [1, 2]}]}",
		SM_INPUT, "no voxel of a lies in the scope");
	refuses(CASE(0, 0),
		"match_histogram: {scope: mask, quantiles: [{role: a, values: [1, 2]}]}", SM_INPUT,
		"the case has none");
}

static void test_nyul_by_hand(void **state)
{
	(void)state;
#define SCALE "percentiles: [0, 50, 100], scope: volume, scales: [{role: a, values: [0, 10, 100]}]"
	GIVES(CASE(1, 2, 3, 5, 7), "nyul: {" SCALE "}", 0, 5, 10, 55, 100);
	/* foreground 4, 6, 8: values below go on along the first line, or end */
	GIVES(CASE(0, 4, 6, 8),
	      "nyul: {percentiles: [0, 50, 100], scope: nonzero, scales: [{role: a, "
	      "values: [0, 10, 100]}]}",
	      -20, 0, 10, 100);
	GIVES(CASE(0, 4, 6, 8),
	      "nyul: {percentiles: [0, 50, 100], scope: nonzero, tails: clip, "
	      "scales: [{role: a, values: [0, 10, 100]}]}",
	      0, 0, 10, 100);
	GIVES(CASE(0, 4, 6, 8),
	      "nyul: {percentiles: [0, 50, 100], scope: nonzero, outside: keep, "
	      "scales: [{role: a, values: [5, 10, 100]}]}",
	      0, 5, 10, 100);
	/* the first two landmarks coincide at 3: its place is the mean of theirs */
	GIVES(CASE(3, 3, 3, 5, 7), "nyul: {" SCALE "}", 5, 5, 5, 52.5f, 100);
	refuses(CASE(3, 3), "nyul: {" SCALE "}", SM_INPUT, "all landmarks of a are 3");
	refuses(CASE(3, 4), "nyul: {percentiles: [0, 100]}", SM_USAGE, "preprocess --learn");
	refuses(CASE(0, 0), "nyul: {percentiles: [0, 100], scales: [{role: a, values: [0, 1]}]}",
		SM_INPUT, "no voxel of a lies in the scope");
#undef SCALE
}

/* The step as --learn prints it, read again, gives what was learnt. */
static void test_learning_prints_what_the_manifest_reads(void **state)
{
	(void)state;
	struct sm_manifest m, back;
	struct sm_learning all = {0}, one;
	const char *text =
		"nyul: {percentiles: [0, 40, 100], range: [0, 3], scope: volume, roles: [a]}\n"
		"      when: a";
	assert_good(read_steps(text, &m), err);
	const struct sm_step *step = ((struct yaml_root *)m.root)->steps.v;
	for (int i = 0; i < 3; i++) {
		struct sm_case c = CASE(0, 1, 4.25f, 10);
		((float *)c.vols[0].vol.data)[1] += (float)i;
		two(&c, (const float[]){1, 1, 1, 1}, 4);
		assert_good(sm_learn_case(&c, step, &one, &err), err);
		assert_int_equal(one.count, 1);
		assert_good(sm_learning_add(&all, &one, &err), err);
		sm_learning_clear(&one);
		sm_case_clear(&c);
	}
	char *yaml = sm_learning_yaml(&all, step);
	assert_non_null(yaml);
	assert_non_null(strstr(yaml, "      when: a\n"));
	/* as an entry of a list */
	const char *entry = strchr(yaml, '-') + 2;
	assert_good(read_steps(entry, &back), err);
	const struct sm_step *again = ((struct yaml_root *)back.root)->steps.v;
	const struct sm_floats *v = sm_learnt_find(again->params, "a");
	assert_int_equal(v->n, 3);
	for (size_t k = 0; k < 3; k++)
		assert_true(v->v[k] == all.roles[0].sum[k] / 3);
	assert_string_equal(again->when, "a");
	struct sm_case c = CASE(2, 2);
	assert_refused(sm_learn_case(&c, step, &one, &err), SM_INPUT, err,
		       "case_1: a: its first and last landmark are both 2");
	sm_learning_clear(&one);
	sm_case_clear(&c);
	free(yaml);
	sm_learning_clear(&all);
	sm_manifest_clear(&m);
	sm_manifest_clear(&back);
}

static void test_ranks_are_stable(void **state)
{
	(void)state;
	const float v[] = {2, -1, 0, -0.0f, 2, -3e38f, 1e-40f};
	const uint32_t wanted[] = {5, 1, 2, 3, 6, 0, 4};
	struct sm_ranked *r;
	assert_good(sm_rank_f32(v, NULL, 7, 7, NULL, &r, &err), err);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(r[i].index, wanted[i]);
		assert_true(sm_ranked_value(r[i]) == v[wanted[i]]);
	}
	sm_free(r);
	float *sorted;
	assert_good(
		sm_sort_f32(v, (const uint8_t[]){1, 0, 1, 0, 0, 1, 0}, 7, 3, NULL, &sorted, &err),
		err);
	assert_values(sorted, (const float[]){-3e38f, 0, 2}, 3);
	sm_free(sorted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalise_by_the_maximum),
		cmocka_unit_test(test_normalise_clip_keeps_the_scale),
		cmocka_unit_test(test_normalise_outside_the_scope),
		cmocka_unit_test(test_normalise_constant_volumes),
		cmocka_unit_test(test_normalise_of_some_roles),
		cmocka_unit_test(test_parameters_are_checked_without_a_case),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_window_takes_ends_too),
		cmocka_unit_test(test_match_histogram_by_hand),
		cmocka_unit_test(test_match_histogram_refuses),
		cmocka_unit_test(test_nyul_by_hand),
		cmocka_unit_test(test_learning_prints_what_the_manifest_reads),
		cmocka_unit_test(test_ranks_are_stable),
	};
	return run_tap(tests);
}
