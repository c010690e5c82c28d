/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds of every operation: no key is swallowed, no step does nothing, no value leaves
 * float32, numbers keep their type, interpolation keeps constants, and what is wrong for all cases
 * is found before the
 * first. */
#include "tests/unit/ops_yaml.h"

#include <stdio.h>

#include "preprocess/resample.h"
#include "preprocess/sidecar.h"
#include "preprocess/slice.h"

static void test_no_key_is_swallowed(void **state)
{
	static const char *const swallowed[][2] = {
		{"remove_background: {value: 100.5}",
		 "value: is given, but counts only with threshold"},
		{"remove_background: {threshold: otsu, value: 1}", "value: is given"},
		{"remove_background: {fill_holes: false, holes: planes}", "holes: is given"},
		{"remove_background: {only_mask: true, fill: 3}", "fill: is given"},
		{"window: {preset: brain, centre: 60, width: 10}", "centre: is given"},
		{"window: {preset: brain, width: 10}", "counts only with preset none, no range"},
		{"window: {centre: 10, range: [0, 1]}", "centre: is given"},
		{"resample: {spacing: [1, 1, 2], lobes: 8}", "lobes: is given"},
		{"resize: {size: [4, 4], method: cubic, lobes: 2}", "lobes: is given"},
		{"denoise: {method: median, sigma: [3]}", "sigma: is given"},
		{"denoise: {method: gaussian, radius: 3}", "radius: is given"},
		{"denoise: {sigma: [2]}", "counts only with method gaussian|bilateral"},
		{"denoise: {method: gaussian, unit: mm, noise: 3}", "noise: is given"},
		{"denoise: {method: bilateral, range: 5, noise: 3}",
		 "noise: is given beside range"},
		{"denoise: {h: 5, noise: 3}", "noise: is given beside h"},
		{"normalise: {method: max, range: [5, 10]}", "allowed low is 0"},
		{"normalise: {method: zscore, range: [0, 2]}", "range: is given"},
		{"normalise: {method: zscore, percentiles: [1, 99]}", "percentiles: is given"},
		{"normalise: {method: max, clip: false}", "clip: is given"},
		{"normalise: {outside: scale}", "outside: is given"},
		{"select_slices: {above: 5, min_foreground: 0.1}", "above: is given"},
		{"select_slices: {beyond: cut, min_foreground: 0.1}", "beyond: is given"},
		{"match_histogram: {reference: a, points: 7}", "points: is given"},
		{"sum_frames: {durations: [1, 2]}", "durations: is given"},
	};
	static const char *const used[] = {
		"remove_background: {threshold: share, value: 0.1}",
		"window: {preset: none, centre: 60, width: 10}",
		"resample: {spacing: [1, 1, 2], method: sinc, lobes: 8}",
		"denoise: {method: bilateral, sigma: [3], range: 5}",
		"denoise: {h: 5, noise: 3, subtract: true}",
		"normalise: {method: max, range: [0, 255]}",
		"normalise: {scope: nonzero, outside: scale}",
		"select_slices: {foreground: above, above: 5, min_foreground: 0.1}",
		"match_histogram: {points: 7}",
		"sum_frames: {method: weighted, durations: [1, 2]}",
	};
	struct sm_manifest m;
	(void)state;
	for (size_t i = 0; i < SM_COUNT(swallowed); i++)
		assert_refused(read_steps(swallowed[i][0], &m), SM_USAGE, err, swallowed[i][1]);
	for (size_t i = 0; i < SM_COUNT(used); i++) {
		assert_good(read_steps(used[i], &m), err);
		sm_manifest_clear(&m);
	}
	/* Each condition names fields of its own set, each choice one that exists. */
	for (size_t i = 0; i < SM_OP_COUNT; i++)
		for (size_t k = 0; k < sm_ops[i].params->count; k++) {
			const char *only = sm_ops[i].params->fields[k].only;
			for (const char *p = only; p && *p; p += strspn(p, ", ")) {
				size_t n = strcspn(p, ","), found = 0;
				const char *key = strncmp(p, "no ", 3) == 0 ? p + 3 : p;
				size_t length = strcspn(key, " ,");
				for (size_t j = 0; j < sm_ops[i].params->count; j++)
					found +=
						strlen(sm_ops[i].params->fields[j].key) == length &&
						memcmp(sm_ops[i].params->fields[j].key, key,
						       length) == 0;
				assert_int_equal(found, 1);
				p += n;
			}
		}
}

static void test_no_step_does_nothing(void **state)
{
	static const char *const idle[] = {
		"pad_crop: {size: [0, 0, 0]}",
		"resample: {spacing: [0, 0, 0]}",
		"resize: {size: [0, 0]}",
		"resize: {size: [0, 0, 0]}",
		"select_slices: {}",
		"rotate90: {k: 0}",
		"scale: {}",
	};
	struct sm_manifest m;
	(void)state;
	for (size_t i = 0; i < SM_COUNT(idle); i++)
		assert_int_equal(read_steps(idle[i], &m), SM_USAGE);
	assert_good(read_steps("resize: {size: [0, 0, 4]} ;; scale: {clip: [0, 1]}", &m), err);
	sm_manifest_clear(&m);
}

/* What the manifest alone tells is found before any case. */
static void test_foreseen(void **state)
{
	static const struct {
		const char *text;
		size_t learnt;
		const char *says; /* NULL = good */
	} list[] = {
		{"one_hot: {labels: [1]} ;; regions: {unions: [{name: a, labels: [1]}]}", 0,
		 "step 2 (regions): step 1"},
		{"regions: {unions: [{name: a, labels: [1]}]} ;; one_hot: {labels: [1]}", 0,
		 "allowed is one"},
		{"nyul: {percentiles: [1, 99]}", SM_ALL_LEARNT, "step 1 (nyul): scales is missing"},
		{"match_histogram: {}", SM_ALL_LEARNT, "neither reference nor quantiles"},
		{"nyul: {percentiles: [1, 99]}", 0, NULL},
		{"match_histogram: {} ;; nyul: {percentiles: [1, 99]}", 1,
		 "step 1 (match_histogram)"},
		{"match_histogram: {reference: a} ;; nyul: {percentiles: [1, 99]}", 1, NULL},
	};
	(void)state;
	for (size_t i = 0; i < SM_COUNT(list); i++) {
		struct sm_manifest m;
		enum sm_status st = read_steps(list[i].text, &m);
		if (st == SM_OK) {
			st = sm_ops_check(&((struct yaml_root *)m.root)->steps, 0, list[i].learnt,
					  &err);
			sm_manifest_clear(&m);
		}
		if (list[i].says)
			assert_refused(st, SM_USAGE, err, list[i].says);
		else
			assert_good(st, err);
	}
}

static struct sm_case constant(float value, int64_t n)
{
	struct sm_case c = fresh();
	struct sm_vol v = volume(n, n, n, 1, SM_F32);
	for (size_t i = 0; i < sm_vol_count(&v); i++)
		((float *)v.data)[i] = value;
	assert_good(sm_case_take(&c, "a", &v, &err), err);
	return c;
}

static void test_values_stay_finite(void **state)
{
	static const char *const breaks[] = {
		"denoise: {method: bilateral, sigma: [1], range: 1.0e-30}",
		"denoise: {h: 1.0e-30, search: 1}",
		"resample: {spacing: [0.7, 0.7, 0.7], method: cubic}",
		"resample: {spacing: [0.7, 0.7, 0.7], method: catmull_rom}",
	};
	(void)state;
	for (size_t i = 0; i < SM_COUNT(breaks); i++) {
		struct sm_case c = constant(3.3e38f, 8);
		for (size_t k = 0; k < 512; k += 3)
			((float *)c.vols[0].vol.data)[k] = -3.3e38f;
		assert_refused(steps(&c, breaks[i]), SM_INPUT, err, "NaN or infinite");
		assert_non_null(strstr(err.text, "step 1 ("));
		sm_case_clear(&c);
	}
	/* A picture of such a value is defined, too. */
	uint8_t pixels[3];
	const float v[3] = {NAN, INFINITY, -INFINITY};
	struct sm_image image = {.width = 3, .height = 1, .channels = 1, .bits = 8, .data = pixels};
	sm_slice_paint(v, 0, 1, &image);
	assert_true(pixels[0] == 0 && pixels[1] == 255 && pixels[2] == 0);
}

/* One case's spacing rejects that case, it does not stop the stage. */
static void test_spacing_rejects_the_case(void **state)
{
	(void)state;
	struct sm_case c = constant(1, 4);
	((float *)c.vols[0].vol.data)[0] = 2;
	c.vols[0].vol.affine[0][0] = 0.01;
	assert_refused(steps(&c, "denoise: {method: bilateral, sigma: [1], range: 5}"), SM_INPUT,
		       err, "along x");
	sm_case_clear(&c);
}

/* Interpolation sums in double: a constant stays what it is to the last bit. */
static void test_constants(void **state)
{
	static const char *const moves[] = {
		"resample: {spacing: [0.7, 0.9, 1.3], method: METHOD}",
		"resample: {spacing: [1.7, 0.9, 2.3], method: METHOD, antialias: ALIAS}",
		"resize: {size: [7, 13, 5], method: METHOD, antialias: ALIAS}",
		"resize: {size: [23, 19], method: METHOD}",
	};
	static const char *const ways[][2] = {{"linear", "none"},	{"linear", "kernel"},
					      {"linear", "area"},	{"linear", "gaussian"},
					      {"cubic", "none"},	{"cubic", "gaussian"},
					      {"catmull_rom", "kernel"}, {"sinc", "none"},
					      {"sinc", "kernel"}};
	static const float constants[] = {-7, 0.1f, 1e-35f, 12345.678f};
	(void)state;
	for (size_t i = 0; i < SM_COUNT(moves); i++)
		for (size_t w = 0; w < SM_COUNT(ways); w++)
			for (size_t k = 0; k < SM_COUNT(constants); k++) {
				char text[200] = "", *to = text;
				for (const char *p = moves[i]; *p;) {
					int at = strncmp(p, "METHOD", 6) == 0  ? 0
						 : strncmp(p, "ALIAS", 5) == 0 ? 1
									       : -1;
					if (at < 0) {
						*to++ = *p++;
						continue;
					}
					to += snprintf(to, 20, "%s", ways[w][at]);
					p += at ? 5 : 6;
				}
				*to = 0;
				struct sm_case c = constant(constants[k], 12);
				assert_good(steps(&c, text), err);
				const struct sm_vol *v = &c.vols[0].vol;
				for (size_t x = 0; x < sm_vol_count(v); x++)
					assert_true(((float *)v->data)[x] == constants[k]);
				sm_case_clear(&c);
			}
	/* Axes that do not line up. */
	for (int m = SM_LINEAR; m <= SM_SINC; m++)
		for (int alias = 0; alias < 2; alias++) {
			const struct sm_resample how = {.method = m,
							.lobes = 3,
							.antialias = alias ? SM_ALIAS_GAUSSIAN
									   : SM_ALIAS_NONE,
							.fill = -7};
			struct sm_case c = constant(-7, 12);
			struct sm_vol *v = &c.vols[0].vol;
			const int64_t dim[3] = {9, 9, 9};
			double map[4][4] = {{1.6, 0.2, 0, 0},
					    {-0.2, 1.1, 0.1, 1},
					    {0, 0.1, 1.2, 0},
					    {0, 0, 0, 1}};
			struct sm_target t;
			sm_target_map(v, dim, map, &t);
			assert_good(sm_vol_resample(v, &t, &how, NULL, 2, &err), err);
			for (size_t x = 0; x < sm_vol_count(v); x++)
				assert_true(((float *)v->data)[x] == -7);
			sm_case_clear(&c);
		}
}

/* Rounded once: linear interpolation of three axes against the definition in double. */
static void test_rounded_once(void **state)
{
	(void)state;
	enum { N = 6 };
	struct sm_case c = constant(0, N);
	float in[N * N * N];
	uint32_t x = 1;
	for (int i = 0; i < N * N * N; i++) {
		x = x * 1664525u + 1013904223u;
		in[i] = (float)(x >> 8) / 1000.0f;
	}
	memcpy(c.vols[0].vol.data, in, sizeof in);
	assert_good(steps(&c, "resize: {size: [11, 11, 11]}"), err);
	const float *out = c.vols[0].vol.data;
	for (int k = 0; k < 11; k++)
		for (int j = 0; j < 11; j++)
			for (int i = 0; i < 11; i++) {
				const int at[3] = {i, j, k};
				double f[3], sum = 0;
				int low[3];
				for (int a = 0; a < 3; a++) {
					double u = ((double)at[a] + 0.5) * N / 11 - 0.5;
					u = u < 0 ? 0 : u > N - 1 ? N - 1 : u;
					low[a] = u >= N - 1 ? N - 2 : (int)u;
					f[a] = u - low[a];
				}
				for (int n = 0; n < 8; n++) {
					double w = 1;
					int index = 0, step = 1;
					for (int a = 0; a < 3; a++, step *= N) {
						w *= n >> a & 1 ? f[a] : 1 - f[a];
						index += (low[a] + (n >> a & 1)) * step;
					}
					sum += w * (double)in[index];
				}
				/* half a step of float32, and the double's own rounding */
				double got = (double)out[(k * 11 + j) * 11 + i];
				assert_true(fabs(got - sum) <= fabs(sum) * 0x1.00001p-24);
			}
	sm_case_clear(&c);
}

static void test_crop_keeps_numbers(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct sm_case c = fresh();
		struct sm_vol a = volume(5, 5, 5, 1, SM_U8), b = volume(5, 5, 5, 1, SM_I16);
		((uint8_t *)a.data)[31] = 200;		/* 1 1 1 */
		b.slope = 0.5;
		b.inter = k ? 3 : 0;
		for (int i = 0; i < 125; i++)
			((int16_t *)b.data)[i] = k ? -6 : 0; /* 0 in truth */
		((int16_t *)b.data)[93] = 7;		/* 3 3 3 */
		assert_good(sm_case_take(&c, "a", &a, &err), err);
		assert_good(sm_case_take(&c, "b", &b, &err), err);
		assert_good(steps(&c, "crop_foreground: {}"), err);
		assert_int_equal(c.vols[0].vol.dtype, SM_U8);
		assert_int_equal(c.vols[1].vol.dtype, SM_I16);
		assert_true(c.vols[1].vol.slope == 0.5);
		for (int i = 0; i < 3; i++)
			assert_int_equal(c.vols[1].vol.dim[i], 3);
		assert_int_equal(((uint8_t *)c.vols[0].vol.data)[0], 200);
		assert_int_equal(((int16_t *)c.vols[1].vol.data)[26], 7);
		sm_case_clear(&c);
	}
}

/* A head of 40 HU in air, noisy enough for the triangle to say something else. */
static struct sm_case head(const char *role)
{
	struct sm_case c = fresh();
	struct sm_vol v = volume(24, 24, 24, 1, SM_F32);
	for (int i = 0; i < 24 * 24 * 24; i++) {
		int x = i % 24 - 12, y = i / 24 % 24 - 12, z = i / 576 - 12;
		((float *)v.data)[i] = x * x + y * y + z * z <= 64 ? 40 : -1000 + (float)(i % 17);
	}
	assert_good(sm_case_take(&c, role, &v, &err), err);
	return c;
}

static const char *rule_of(const struct sm_case *c)
{
	return json_string_value(
		json_object_get(json_array_get(c->facts, json_array_size(c->facts) - 1), "rule"));
}

static void test_hounsfield_by_role(void **state)
{
	static const struct {
		const char *role, *modality, *said, *before, *rule;
	} list[] = {
		{"ct", "", NULL, "", "HU"},
		{"CT", "", NULL, "", "HU"},
		{"image", "CT", NULL, "", "HU"},
		{"image", "", "HU", "", "HU"},
		{"ct", "", "arbitrary", "", "triangle"},
		{"mr", "", NULL, "", "triangle"},
		{"ct", "", NULL, "scale: {add: 1024} ;; ", "triangle"},
		{"ct", "", NULL, "orient: {axes: LPS} ;; ", "HU"},
	};
	(void)state;
	for (size_t i = 0; i < SM_COUNT(list); i++) {
		char text[200];
		struct sm_case c = head(list[i].role);
		snprintf(c.modality, sizeof c.modality, "%s", list[i].modality);
		if (list[i].said)
			c.vols[0].sidecar = json_pack("{s:s}", "Meaning", list[i].said);
		sm_case_meanings(&c);
		snprintf(text, sizeof text, "%sremove_background: {preset: head}", list[i].before);
		assert_good(steps(&c, text), err);
		assert_string_equal(rule_of(&c), list[i].rule);
		sm_case_clear(&c);
	}
	/* Values from 0 up are no HU, whatever the role says. */
	struct sm_case c = constant(24, 8);
	((float *)c.vols[0].vol.data)[0] = 0;
	snprintf(c.vols[0].role, sizeof c.vols[0].role, "ct");
	sm_case_meanings(&c);
	assert_refused(steps(&c, "remove_background: {preset: head}"), SM_INPUT, err,
		       "holds no air");
	assert_good(
		steps(&c,
		      "remove_background: {preset: head, threshold: value, value: 5, opening: 0}"),
		err);
	assert_string_equal(rule_of(&c), "value");
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_key_is_swallowed),
		cmocka_unit_test(test_no_step_does_nothing),
		cmocka_unit_test(test_foreseen),
		cmocka_unit_test(test_values_stay_finite),
		cmocka_unit_test(test_spacing_rejects_the_case),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_rounded_once),
		cmocka_unit_test(test_crop_keeps_numbers),
		cmocka_unit_test(test_hounsfield_by_role),
	};
	return run_tap(tests);
}
