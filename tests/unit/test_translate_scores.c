/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the scores of image translation: held-out slices, baselines of a case, settings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/translate.h"
#include "tests/unit/tap.h"

static json_t *entry(const char *file, const char *domain, int slice)
{
	json_t *e = json_pack("{s:s, s:i, s:i}", "file", file, "slice", slice, "sample", slice);
	if (domain)
		json_object_set_new(e, "domain", json_string(domain));
	return e;
}

static json_t *config(void)
{
	json_t *c = json_pack("{s:[], s:[], s:[]}", "train", "test", "valid");
	json_t *train = json_object_get(c, "train"), *test = json_object_get(c, "test"),
	       *valid = json_object_get(c, "valid");
	json_array_append_new(train, entry("A/p1.h5", "a", 0));
	json_array_append_new(test, entry("A/p1.h5", "a", 1));
	json_array_append_new(valid, entry("A/p1.h5", "a", 2));
	json_array_append_new(test, entry("A/p1.h5", "a", 3));
	json_array_append_new(train, entry("B/p1.h5", "b", 3)); /* its answer was trained on */
	json_array_append_new(test, entry("B/p1.h5", "b", 0));
	json_array_append_new(test, entry("A/p11.h5", "a", 4)); /* another case */
	json_array_append_new(test, entry("A/p1.h5", "a", 99)); /* beyond the volume */
	return c;
}

static void asked(const struct sm_pairs *p, const char *key, enum sm_scored held, const char *want)
{
	uint8_t use[6];
	size_t n = 0, found = sm_pairs_slices(p, key, held, use, 6);
	for (int z = 0; z < 6; z++) {
		assert_int_equal(use[z], want[z] == 'x');
		n += use[z];
	}
	assert_int_equal(n, found);
}

static void held_out(void **state)
{
	(void)state;
	struct sm_pairs p = {.config = config(), .source = 'a', .target = 'b'};
	asked(&p, "p1", SM_SCORE_HELD_OUT, ".xx...");
	asked(&p, "p1", SM_SCORE_TEST, ".x....");
	asked(&p, "p1", SM_SCORE_VALID, "..x...");
	asked(&p, "p1", SM_SCORE_TRAIN, "x.....");
	asked(&p, "p1", SM_SCORE_ALL, "xxxx..");
	asked(&p, "p11", SM_SCORE_HELD_OUT, "....x.");
	asked(&p, "p", SM_SCORE_ALL, "......");
	p.source = 'b';
	p.target = 'a';
	asked(&p, "p1", SM_SCORE_HELD_OUT, "......"); /* slice 0 of a was trained on */
	asked(&p, "p1", SM_SCORE_TRAIN, "...x..");
	json_decref(p.config);
}

/* Triplets of a stack whose slice z is a function of z: 4 pixels each. */
enum { SLICES = 9, PLANE = 4 };

static void fill(struct sm_made *c, double (*f)(double), float *whole, int64_t *slice)
{
	*c = (struct sm_made){
		.width = 2, .height = 2, .channels = 1, .n = SLICES - 2, .count = SLICES};
	for (int z = 0; z < SLICES; z++)
		for (int i = 0; i < PLANE; i++)
			whole[z * PLANE + i] = (float)(f(z) + i);
	for (int k = 0; k < SLICES - 2; k++)
		slice[k] = k + 1;
	c->whole = whole;
	c->slice = slice;
}

static double line(double z)
{
	return 3 * z - 5;
}

static double parabola(double z)
{
	return z * z;
}

static void check(const float *made, double (*f)(double), double gap, int from, int to)
{
	for (int z = from; z <= to; z++)
		for (int i = 0; i < PLANE; i++)
			assert_true(fabs(made[(z - 1) * PLANE + i] - (f(z) + i) - gap) < 1e-4);
}

static void interpolations(void **state)
{
	(void)state;
	static const int exact[] = {SM_BASE_AVERAGE, SM_BASE_CATMULL_ROM, SM_BASE_SPLINE};
	struct sm_run run = {.jobs = 1};
	const struct sm_translations t = {.run = &run, .triplets = true, .range = {-1, 1}};
	struct sm_made c;
	float whole[SLICES * PLANE], out[SLICES * PLANE];
	int64_t slice[SLICES];
	struct sm_err err = {0};
	sm_mem_init(&run.mem, 1 << 20);
	fill(&c, line, whole, slice);
	for (size_t i = 0; i < SM_COUNT(exact); i++) {
		assert_int_equal(sm_made_base(&t, NULL, &c, exact[i], 1, out, &err), SM_OK);
		check(out, line, 0, 1, SLICES - 2);
	}
	/* The slice behind: of two equally near ones the later. */
	assert_int_equal(sm_made_base(&t, NULL, &c, SM_BASE_NEAREST, 1, out, &err), SM_OK);
	check(out, line, 3, 1, SLICES - 2);
	/* (z - 1)^2 and (z + 1)^2 have the mean z^2 + 1; a cubic through slices z - 3, z - 1, z + 1
	 * and z + 3 has z^2, and neither looks at slice z. */
	fill(&c, parabola, whole, slice);
	assert_int_equal(sm_made_base(&t, NULL, &c, SM_BASE_AVERAGE, 1, out, &err), SM_OK);
	check(out, parabola, 1, 1, SLICES - 2);
	assert_int_equal(sm_made_base(&t, NULL, &c, SM_BASE_CATMULL_ROM, 1, out, &err), SM_OK);
	check(out, parabola, 0, 1, SLICES - 2);
	whole[4 * PLANE] = 1e6f;
	assert_int_equal(sm_made_base(&t, NULL, &c, SM_BASE_SPLINE, 1, out, &err), SM_OK);
	assert_true(fabs(out[3 * PLANE] - 16) < 2);
	/* Some slices alone, in any order of parities. */
	fill(&c, parabola, whole, slice);
	slice[0] = 2;
	slice[1] = 5;
	c.n = 2;
	assert_int_equal(sm_made_base(&t, NULL, &c, SM_BASE_CATMULL_ROM, 1, out, &err), SM_OK);
	assert_true(fabs(out[0] - 4) < 1e-4 && fabs(out[PLANE] - 25) < 1e-4);
}

static void of_training(void **state)
{
	(void)state;
	float mean[2] = {-1, 0.5f}, source[4] = {-1, 1, 0, 3}, out[4];
	const struct sm_training_targets targets = {.width = 2,
						    .height = 1,
						    .channels = 1,
						    .mean = mean,
						    .constant = -0.25,
						    .images = 3};
	struct sm_run run = {.jobs = 1};
	struct sm_translations t = {.run = &run, .range = {-1000, 1000}};
	struct sm_made c = {.width = 2,
			    .height = 1,
			    .channels = 1,
			    .source_channels = 1,
			    .n = 2,
			    .count = 2,
			    .source = source};
	struct sm_err err = {0};
	assert_int_equal(sm_made_base(&t, &targets, &c, SM_BASE_MEAN, 1, out, &err), SM_OK);
	for (int i = 0; i < 4; i++)
		assert_true(out[i] == (i % 2 ? 500 : -1000));
	assert_int_equal(sm_made_base(&t, &targets, &c, SM_BASE_CONSTANT, 1, out, &err), SM_OK);
	assert_true(out[3] == -250);
	assert_int_equal(sm_made_base(&t, &targets, &c, SM_BASE_IDENTITY, 1, out, &err), SM_OK);
	assert_true(out[0] == -1000 && out[1] == 1000 && out[2] == 0 && out[3] == 1000);
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_WHITE));
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_CONSTANT), "");
	t.unpaired = true;
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_CONSTANT));
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_WHITE), "");
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_SPLINE), "");
	assert_non_null(strstr(sm_made_lacks(&t, NULL, &c, SM_BASE_MEAN), "--pairs"));
	c.width = 1;
	assert_non_null(strstr(sm_made_lacks(&t, &targets, &c, SM_BASE_MEAN), "another size"));
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_CONSTANT));
	c.source_channels = 3;
	assert_non_null(strstr(sm_made_lacks(&t, &targets, &c, SM_BASE_IDENTITY), "channels"));
}

/* Two cases of 4 x 2 pixels, HU = 1000 * value: the body is what lies above -300, the largest part.
 */
static void of_body(void **state)
{
	(void)state;
	static const float air = -1;
	const float first[2][8] = {{air, 0.1f, 0.1f, air, air, air, air, 0.9f},
				   {air, 0.3f, air, air, air, air, air, air}};
	const float second[8] = {air, 0.2f, air, air, air, air, air, air};
	struct sm_body_sum b = {.rules = {.how = {.rule = SM_BODY_AUTO, .axis = 2},
					  .meaning = SM_MEANING_HU,
					  .name = "ct",
					  .range = {-1000, 1000}}};
	struct sm_training_targets targets = {.width = 4, .height = 2, .channels = 1, .images = 3};
	struct sm_run run = {.jobs = 1};
	struct sm_translations t = {.run = &run, .range = {-1000, 1000}};
	float out[16];
	uint8_t mask[16] = {1};
	struct sm_err err = {0};
	sm_mem_init(&run.mem, 1 << 20);
	assert_int_equal(sm_body_sum_begin(&b, 4, 2, 2, &run.mem, &err), SM_OK);
	sm_body_sum_add(&b, first[0]);
	sm_body_sum_add(&b, first[1]);
	assert_int_equal(sm_body_sum_end(&b, 1, &err), SM_OK);
	assert_int_equal(sm_body_sum_begin(&b, 4, 2, 1, &run.mem, &err), SM_OK);
	sm_body_sum_add(&b, second);
	assert_int_equal(sm_body_sum_end(&b, 1, &err), SM_OK);
	assert_int_equal(sm_body_sum_end(&b, 1, &err), SM_OK); /* nothing is added twice */
	assert_int_equal(b.voxels, 4);
	assert_int_equal(sm_body_sum_get(&b, &targets.body_mean, &targets.body_constant, &err),
			 SM_OK);
	assert_true(fabs(targets.body_constant - 175) < 1e-3);
	float mean[8] = {0};
	targets.mean = mean;
	struct sm_made c = {.width = 4, .height = 2, .channels = 1, .n = 2, .count = 2};
	t.unpaired = true;
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_MEAN), "");
	c.mask = mask;
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_MEAN));
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_CONSTANT));
	assert_int_equal(sm_made_base(&t, &targets, &c, SM_BASE_BODY_MEAN, 1, out, &err), SM_OK);
	/* Pixel 1 lies in three bodies, pixel 2 in one, the others in none; 900 HU is another
	 * part. */
	for (int i = 0; i < 16; i++)
		assert_true(fabs(out[i] - (i % 8 == 1 ? 200 : i % 8 == 2 ? 100 : 175)) < 1e-3);
	assert_int_equal(sm_made_base(&t, &targets, &c, SM_BASE_BODY_CONSTANT, 1, out, &err),
			 SM_OK);
	assert_true(fabs(out[15] - 175) < 1e-3);
	t.unpaired = false;
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_CONSTANT));
	c.width = 5;
	assert_non_null(strstr(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_MEAN), "another size"));
	assert_null(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_CONSTANT));
	targets.no_body = "none";
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_CONSTANT), "none");
	t.triplets = true;
	assert_string_equal(sm_made_lacks(&t, &targets, &c, SM_BASE_BODY_CONSTANT), "");
	sm_body_sum_clear(&b);
	sm_training_targets_clear(&(struct sm_training_targets){.body_mean = targets.body_mean});
}

static void settings(void **state)
{
	(void)state;
	struct sm_run run = {.jobs = 1};
	struct sm_translations t = {.run = &run, .unit = "HU", .range = {-1000, 3000}};
	struct sm_evaluate_section s = {.bone = 200};
	struct sm_image_settings out;
	struct sm_err err = {0};
	assert_int_equal(sm_translate_score_settings(&t, &s, false, &out, &err), SM_OK);
	assert_true(out.range == 4000 && out.rule == SM_RANGE_GIVEN && out.bone == 200);
	assert_true(out.window[0] == -1000 && out.window[1] == 3000);
	assert_true(out.which & SM_IMAGE_BIT(SM_IMAGE_BONE) &&
		    out.which & SM_IMAGE_BIT(SM_IMAGE_JUMP));
	assert_false(out.which & SM_IMAGE_BIT(SM_IMAGE_SSIM3D));
	s.range = -1;
	assert_int_equal(sm_translate_score_settings(&t, &s, false, &out, &err), SM_OK);
	assert_int_equal(out.rule, SM_RANGE_TRUTH);
	t.unit = "1";
	t.range[0] = -1;
	t.range[1] = 1;
	s.range = 0;
	assert_int_equal(sm_translate_score_settings(&t, &s, true, &out, &err), SM_OK);
	assert_true(out.range == 2 && out.window[0] == out.window[1]);
	assert_false(out.which & (SM_IMAGE_BIT(SM_IMAGE_BONE) | SM_IMAGE_BIT(SM_IMAGE_JUMP)));
	/* Ink of pictures: as predict masked them, unless evaluate says otherwise. */
	assert_false(out.which & SM_IMAGE_BIT(SM_IMAGE_INK));
	t.unit = "grey";
	t.range[0] = 0;
	t.range[1] = 255;
	s.ink_tone = SM_INK_AUTO;
	t.predict.header = json_pack("{s:f, s:s}", "mask_threshold", 99.5, "mask_ink", "bright");
	assert_int_equal(sm_translate_score_settings(&t, &s, true, &out, &err), SM_OK);
	assert_true(out.which & SM_IMAGE_BIT(SM_IMAGE_INK) && out.ink == 99.5 && out.bright_ink);
	s.ink = 200;
	s.ink_tone = SM_INK_DARK;
	assert_int_equal(sm_translate_score_settings(&t, &s, true, &out, &err), SM_OK);
	assert_true(out.ink == 200 && !out.bright_ink);
	json_decref(t.predict.header);
	t.predict.header = NULL;
	s.ink = 0;
	assert_int_equal(sm_translate_score_settings(&t, &s, true, &out, &err), SM_OK);
	assert_true(out.ink == 128 && !(out.which & SM_IMAGE_BIT(SM_IMAGE_INK)));
	char *names[] = {"ssim_3d", "maes"};
	s.metrics = (struct sm_strings){names, 1};
	assert_int_equal(sm_translate_score_settings(&t, &s, false, &out, &err), SM_OK);
	assert_int_equal(out.which, SM_IMAGE_BIT(SM_IMAGE_SSIM3D));
	s.metrics.n = 2;
	assert_int_equal(sm_translate_score_settings(&t, &s, false, &out, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "found 'maes', allowed are mae, rmse"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_out),    cmocka_unit_test(interpolations),
		cmocka_unit_test(of_training), cmocka_unit_test(of_body),
		cmocka_unit_test(settings),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
