/* SPDX-License-Identifier: Apache-2.0
 *
 * sum_frames, select_frames and suv with what ingest's sidecars say.
 */
#include "tests/unit/ops_yaml.h"

/* Two voxels, four frames, with the sidecar in JSON (single quotes). */
static struct sm_case pet(const char *sidecar)
{
	struct sm_case c = fresh();
	struct sm_vol v = volume(2, 1, 1, 4, SM_I16);
	memcpy(v.data, (const int16_t[]){1, 2, 3, 4, 5, 6, 7, 8}, 16);
	v.frame_seconds = 60;
	v.slope = 2;
	v.affine[1][3] = 9;
	assert_good(sm_case_take(&c, "pet", &v, &err), err);
	char text[400];
	snprintf(text, sizeof text, "%s", sidecar);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	c.vols[0].sidecar = json_loads(text, 0, NULL);
	return c;
}

#define TIMES \
	"{'Modality': 'PT', 'FrameTimesStart': [0, 10, 30, 60], 'FrameDuration': [10, 20, 30, " \
	"40]}"

static void test_weighted_mean_takes_the_durations(void **state)
{
	(void)state;
	struct sm_case c = pet(TIMES);
	assert_good(steps(&c, "sum_frames: {method: weighted}"), err);
	/* 2 * (1*10 + 3*20 + 5*30 + 7*40) / 100 */
	assert_values(values(&c, 0), (const float[]){10, 12}, 2);
	assert_true(c.vols[0].vol.affine[1][3] == 9 && c.vols[0].vol.dim[3] == 1);
	assert_null(json_object_get(c.vols[0].sidecar, "FrameDuration"));
	sm_case_clear(&c);
	c = pet("{}");
	assert_good(steps(&c, "sum_frames: {method: weighted, durations: [10, 20, 30, 40]}"), err);
	assert_values(values(&c, 0), (const float[]){10, 12}, 2);
	sm_case_clear(&c);
	c = pet("{}");
	assert_refused(steps(&c, "sum_frames: {method: weighted}"), SM_INPUT, err,
		       "FrameDuration of pet is not known: ingest's sidecar lacks it");
	assert_refused(steps(&c, "sum_frames: {method: weighted, durations: [1, 2]}"), SM_INPUT,
		       err, "pet has 4 frames, but durations lists 2");
	assert_refused(steps(&c, "sum_frames: {durations: [1, 2, 3, 4]}"), SM_USAGE, err,
		       "only with method weighted");
	sm_case_clear(&c);
	c = pet("{'FrameDuration': [1, 2, 3]}");
	assert_refused(steps(&c, "sum_frames: {method: weighted}"), SM_INPUT, err,
		       "holds 3 values, needed are 4");
	sm_case_clear(&c);
	c = pet("{'FrameDuration': [1, 2, 3, 0]}");
	assert_refused(steps(&c, "sum_frames: {method: weighted}"), SM_INPUT, err,
		       "frame 3 of pet lasts 0 s");
	sm_case_clear(&c);
}

static void test_single_frames_may_pass(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "a", 1, 1, 1, (const float[]){3});
	assert_refused(steps(&c, "sum_frames: {}"), SM_INPUT, err, "single: keep");
	assert_good(steps(&c, "sum_frames: {single: keep}"), err);
	assert_values(values(&c, 0), (const float[]){3}, 1);
	sm_case_clear(&c);
	c = pet("{}");
	c.pictures = true;
	assert_refused(steps(&c, "sum_frames: {}"), SM_INPUT, err, "colour, not time");
	assert_refused(steps(&c, "select_frames: {first: 1}"), SM_INPUT, err, "colour, not time");
	sm_case_clear(&c);
}

static void selects(const char *step, size_t n, const int16_t *first, double step_seconds)
{
	struct sm_case c = pet(TIMES);
	assert_good(steps(&c, step), err);
	const struct sm_vol *v = &c.vols[0].vol;
	assert_int_equal(v->dim[3], n);
	assert_int_equal(v->dtype, SM_I16);
	assert_true(v->slope == 2 && v->affine[1][3] == 9);
	for (size_t f = 0; f < n; f++)
		assert_int_equal(((int16_t *)v->data)[2 * f], first[f]);
	assert_true(v->frame_seconds == step_seconds);
	assert_int_equal(json_array_size(json_object_get(c.vols[0].sidecar, "FrameDuration")), n);
	sm_case_clear(&c);
}

static void test_select_frames(void **state)
{
	(void)state;
	selects("select_frames: {frames: [0, 2]}", 2, (const int16_t[]){1, 5}, 120);
	selects("select_frames: {frames: [0, 1, 3]}", 3, (const int16_t[]){1, 3, 7}, 0);
	selects("select_frames: {first: 1, last: 2}", 2, (const int16_t[]){3, 5}, 60);
	selects("select_frames: {first: 3}", 1, (const int16_t[]){7}, 0);
	selects("select_frames: {seconds: [10, 60]}", 2, (const int16_t[]){3, 5}, 60);
	struct sm_case c = pet(TIMES); /* what is left keeps its own durations */
	assert_good(steps(&c, "select_frames: {frames: [1, 3]};;sum_frames: {method: weighted}"),
		    err);
	assert_true(fabs((double)values(&c, 0)[0] - 2 * (3 * 20 + 7 * 40) / 60.0) < 1e-6);
	assert_refused(steps(&c, "select_frames: {first: 1}"), SM_INPUT, err, "more than 1 frame");
	sm_case_clear(&c);
}

static void test_select_frames_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *step, *part;
		enum sm_status status;
	} bad[] = {
		{"select_frames: {frames: [0, 4]}", "has 4 frames, frame 4", SM_INPUT},
		{"select_frames: {first: 1, last: 4}", "frame 4", SM_INPUT},
		{"select_frames: {first: 7}", "frame 7", SM_INPUT},
		{"select_frames: {seconds: [11, 12]}", "no frame of pet lies between 11 and 12 s",
		 SM_INPUT},
		{"select_frames: {role: x}", "no volume 'x'", SM_INPUT},
		{"select_frames: {frames: [2, 1]}", "lists 1 behind 2", SM_USAGE},
		{"select_frames: {frames: [1], first: 1}", "more than one of", SM_USAGE},
		{"select_frames: {first: 2, last: 1}", "above last", SM_USAGE},
		{"select_frames: {seconds: [2, 1]}", "low < high", SM_USAGE},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_case c = pet(TIMES);
		assert_refused(steps(&c, bad[i].step), bad[i].status, err, bad[i].part);
		sm_case_clear(&c);
	}
}

static void test_suv_converts_once(void **state)
{
	(void)state;
	struct sm_case c = pet("{'Modality': 'PT', 'Meaning': 'Bq/ml', 'SUVbwFactor': 0.25}");
	add_f32(&c, "ct", 2, 1, 1, (const float[]){5, 6});
	assert_good(steps(&c, "suv: {}"), err);
	assert_values(values(&c, 1), (const float[]){0.5f, 1, 1.5f, 2, 2.5f, 3, 3.5f, 4}, 8);
	assert_values(values(&c, 0), (const float[]){5, 6}, 2);
	assert_int_equal(c.vols[1].vol.meaning, SM_MEANING_SUV);
	assert_refused(steps(&c, "suv: {}"), SM_INPUT, err, "pet is SUV already");
	assert_good(steps(&c, "suv: {already: keep}"), err);
	assert_true(values(&c, 1)[0] == 0.5f);
	assert_good(steps(&c, "sum_frames: {role: pet}"), err); /* the unit survives a mean */
	assert_refused(steps(&c, "suv: {}"), SM_INPUT, err, "SUV already");
	sm_case_clear(&c);
}

static void test_suv_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *sidecar, *steps, *part;
	} bad[] = {
		{"{'Modality': 'PT', 'Meaning': 'SUV', 'SUVbwFactor': 1}", "suv: {}",
		 "SUV already"},
		{"{'Modality': 'PT', 'SUVbwApplied': true}", "suv: {}", "SUV already"},
		{"{'Modality': 'PT', 'Units': 'g/mL', 'SUVbwFactor': 1}", "suv: {}", "SUV already"},
		{"{'Modality': 'PT', 'SUVbwMissing': 'PatientWeight is missing'}", "suv: {}",
		 "pet has no SUV factor: PatientWeight is missing"},
		{"{'Modality': 'PT'}", "suv: {}", "lacks SUVbwFactor"},
		{"{'Modality': 'PT', 'SUVbwFactor': -1}", "suv: {}", "SUVbwFactor of pet is -1"},
		{"{'Modality': 'MR'}", "suv: {}", "no volume is PET"},
		{"{}", "suv: {role: x}", "no volume 'x'"},
		{"{'Modality': 'PT', 'SUVbwFactor': 2}", "normalise: {};;suv: {}",
		 "an earlier step changed the intensities"},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_case c = pet(bad[i].sidecar);
		assert_refused(steps(&c, bad[i].steps), SM_INPUT, err, bad[i].part);
		sm_case_clear(&c);
	}
	struct sm_case c = fresh();
	add_f32(&c, "pet", 1, 1, 1, (const float[]){5});
	assert_refused(steps(&c, "suv: {role: pet}"), SM_INPUT, err, "has no sidecar");
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weighted_mean_takes_the_durations),
		cmocka_unit_test(test_single_frames_may_pass),
		cmocka_unit_test(test_select_frames),
		cmocka_unit_test(test_select_frames_refuses),
		cmocka_unit_test(test_suv_converts_once),
		cmocka_unit_test(test_suv_refuses),
	};
	return run_tap(tests);
}
