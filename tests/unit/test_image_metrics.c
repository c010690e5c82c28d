/* SPDX-License-Identifier: Apache-2.0
 *
 * Image scores: closed forms, properties that must hold for any image, and what is refused.
 */
#include "tests/unit/tap.h"
#include "tests/unit/image_pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

static float noise[2][N];

static void draw(void)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 6, "test.image", "", 0, 0);
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < N; i++)
			noise[k][i] =
				100 * sm_rng_f32(&rng) + (float)(i / W % H) * 10 * (float)(1 - k);
	for (int i = 0; i < N; i++)
		noise[1][i] = noise[0][i] + noise[1][i] / 4;
}

static void near(double v, double expected, double tolerance)
{
	if (!(fabs(v - expected) <= tolerance))
		fail_msg("%.17g is not %.17g", v, expected);
}

static void an_offset_is_what_the_errors_measure(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	for (int i = 0; i < N; i++) {
		t[i] = (float)(i % 37 + i / PLANE);
		x[i] = t[i] + 7;
	}
	struct sm_image_pair pair = pair_of(x, t);
	struct sm_image_scores out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_MAE) == 7);
	assert_true(own(&out, SM_IMAGE_RMSE) == 7);
	assert_true(own(&out, SM_IMAGE_BIAS) == 7);
	near(own(&out, SM_IMAGE_PSNR), 20 * log10(400.0 / 7), 1e-12);
	near(own(&out, SM_IMAGE_NCC), 1, 1e-15);
	assert_true(own(&out, SM_IMAGE_JUMP) == 1);
	s.rule = SM_RANGE_TRUTH;
	out = score(&pair, &s);
	assert_true(out.range == 36 + D - 1);
	near(own(&out, SM_IMAGE_PSNR), 20 * log10(out.range / 7), 1e-12);
	pair = pair_of(t, x);
	out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_BIAS) == -7 && own(&out, SM_IMAGE_MAE) == 7);
}

static void an_image_equals_itself(void **state)
{
	(void)state;
	struct sm_image_settings s = all();
	const struct sm_image_pair pair = pair_of(noise[0], noise[0]);
	struct sm_image_scores out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_MAE) == 0 && own(&out, SM_IMAGE_RMSE) == 0);
	assert_true(own(&out, SM_IMAGE_SSIM) == 1 && own(&out, SM_IMAGE_SSIM3D) == 1);
	assert_true(own(&out, SM_IMAGE_BONE) == 1 && own(&out, SM_IMAGE_JUMP) == 1);
	near(own(&out, SM_IMAGE_NCC), 1, 1e-15);
	assert_true(isinf(own(&out, SM_IMAGE_PSNR)) && own(&out, SM_IMAGE_PSNR) > 0);
	assert_int_equal(why(&out, SM_IMAGE_PSNR), SM_WHY_EQUAL);
}

/* Both images constant: only the first factor of SSIM is left. */
static void constant_images_have_a_known_ssim(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	const double a = (double)0.1f, b = (double)0.3f, c1 = 0.01 * 0.01;
	for (int i = 0; i < N; i++) {
		t[i] = 0.1f;
		x[i] = 0.3f;
	}
	const struct sm_image_pair pair = pair_of(x, t);
	s.range = 1;
	struct sm_image_scores out = score(&pair, &s);
	near(own(&out, SM_IMAGE_SSIM), (2 * a * b + c1) / (a * a + b * b + c1), 1e-12);
	near(own(&out, SM_IMAGE_SSIM3D), (2 * a * b + c1) / (a * a + b * b + c1), 1e-12);
	near(own(&out, SM_IMAGE_PSNR), -20 * log10(b - a), 1e-12);
	assert_true(isnan(own(&out, SM_IMAGE_NCC)) && why(&out, SM_IMAGE_NCC) == SM_WHY_CONSTANT);
	assert_true(isnan(own(&out, SM_IMAGE_JUMP)) && why(&out, SM_IMAGE_JUMP) == SM_WHY_STILL);
	assert_true(isnan(own(&out, SM_IMAGE_BONE)) && why(&out, SM_IMAGE_BONE) == SM_WHY_NO_BONE);
	assert_true(own(&out, SM_IMAGE_MI) == 0);
	s.rule = SM_RANGE_TRUTH;
	out = score(&pair, &s);
	assert_true(out.range == 0);
	assert_int_equal(why(&out, SM_IMAGE_PSNR), SM_WHY_NO_RANGE);
	assert_int_equal(why(&out, SM_IMAGE_SSIM), SM_WHY_NO_RANGE);
	assert_int_equal(why(&out, SM_IMAGE_SSIM3D), SM_WHY_NO_RANGE);
	assert_true(isnan(own(&out, SM_IMAGE_PSNR)) && isnan(own(&out, SM_IMAGE_SSIM)));
	near(own(&out, SM_IMAGE_MAE), b - a, 1e-15);
	/* One constant image alone has no correlation either. */
	const struct sm_image_pair half = pair_of(noise[0], t);
	s.rule = SM_RANGE_GIVEN;
	out = score(&half, &s);
	assert_int_equal(why(&out, SM_IMAGE_NCC), SM_WHY_CONSTANT);
	assert_true(own(&out, SM_IMAGE_SSIM) < 0.1);
}

static void a_scale_changes_errors_alone(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(noise[1], noise[0]);
	struct sm_image_scores one = score(&pair, &s), four;
	for (int i = 0; i < N; i++) {
		t[i] = 4 * noise[0][i];
		x[i] = 4 * noise[1][i];
	}
	pair = pair_of(x, t);
	s.range *= 4;
	four = score(&pair, &s);
	near(own(&four, SM_IMAGE_MAE), 4 * own(&one, SM_IMAGE_MAE), 1e-12);
	near(own(&four, SM_IMAGE_RMSE), 4 * own(&one, SM_IMAGE_RMSE), 1e-12);
	static const int same[] = {SM_IMAGE_PSNR, SM_IMAGE_SSIM, SM_IMAGE_SSIM3D, SM_IMAGE_NCC,
				   SM_IMAGE_JUMP};
	for (size_t k = 0; k < sizeof same / sizeof *same; k++)
		near(own(&four, same[k]), own(&one, same[k]), 1e-12);
}

static void similarity_has_no_direction(void **state)
{
	(void)state;
	struct sm_image_settings s = all();
	const struct sm_image_pair ab = pair_of(noise[1], noise[0]),
				   ba = pair_of(noise[0], noise[1]);
	struct sm_image_scores p = score(&ab, &s), q = score(&ba, &s);
	static const int same[] = {SM_IMAGE_MAE,    SM_IMAGE_RMSE, SM_IMAGE_PSNR, SM_IMAGE_SSIM,
				   SM_IMAGE_SSIM3D, SM_IMAGE_NCC,  SM_IMAGE_BONE};
	for (size_t k = 0; k < sizeof same / sizeof *same; k++)
		assert_true(own(&p, same[k]) == own(&q, same[k]));
	assert_true(own(&p, SM_IMAGE_BIAS) == -own(&q, SM_IMAGE_BIAS));
	near(own(&p, SM_IMAGE_JUMP) * own(&q, SM_IMAGE_JUMP), 1, 1e-12);
}

static void flip(const float *in, float *out, int axis)
{
	for (int i = 0; i < N; i++) {
		int x = i % W, y = i / W % H, z = i / PLANE;
		int at = axis == 0   ? (z * H + y) * W + W - 1 - x
			 : axis == 1 ? (z * H + H - 1 - y) * W + x
				     : ((D - 1 - z) * H + y) * W + x;
		out[at] = in[i];
	}
}

static void flips_change_nothing(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(noise[1], noise[0]);
	const struct sm_image_scores plain = score(&pair, &s);
	for (int axis = 0; axis < 3; axis++) {
		flip(noise[0], t, axis);
		flip(noise[1], x, axis);
		pair = pair_of(x, t);
		struct sm_image_scores out = score(&pair, &s);
		for (int m = 0; m < SM_IMAGE_METRICS; m++) {
			assert_int_equal(why(&out, m), why(&plain, m));
			if (!isnan(own(&plain, m)))
				near(own(&out, m), own(&plain, m), 1e-11);
		}
	}
}

/* Slices across another axis: the same as the turned volume. */
static void slices_may_lie_across_any_axis(void **state)
{
	(void)state;
	static float t[2][N];
	static uint8_t mask[N], turned[N];
	static const int order[3][3] = {{1, 2, 0}, {0, 2, 1}, {0, 1, 2}};
	const int64_t dim[3] = {W, H, D}, step[3] = {1, W, PLANE};
	for (int i = 0; i < N; i++)
		mask[i] = i % W > 1 && i / W % H > 2 && i / PLANE > 0;
	for (int axis = 0; axis < 3; axis++) {
		const int *a = order[axis];
		const int64_t n[3] = {dim[a[0]], dim[a[1]], dim[a[2]]};
		struct sm_image_settings s = all();
		for (int64_t i = 0; i < N; i++) {
			int64_t from = i % n[0] * step[a[0]] + i / n[0] % n[1] * step[a[1]] +
				       i / n[0] / n[1] * step[a[2]];
			t[0][i] = noise[0][from];
			t[1][i] = noise[1][from];
			turned[i] = mask[from];
		}
		struct sm_image_pair plain = pair_of(noise[1], noise[0]),
				     other = pair_of(t[1], t[0]);
		memcpy(other.dim, n, sizeof n);
		plain.mask = mask;
		other.mask = turned;
		struct sm_image_scores q = score(&other, &s);
		s.axis = axis;
		struct sm_image_scores p = score(&plain, &s);
		assert_memory_equal(&p, &q, sizeof p);
		assert_true(isfinite(own(&p, SM_IMAGE_SSIM)) && isfinite(own(&p, SM_IMAGE_SSIM3D)));
	}
}

static void threads_change_no_bit(void **state)
{
	(void)state;
	static uint8_t mask[N];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(noise[1], noise[0]);
	struct sm_image_scores one;
	for (int i = 0; i < N; i++)
		mask[i] = i % 5 != 0;
	pair.mask = mask;
	s.window[0] = 20;
	s.window[1] = 250;
	one = score(&pair, &s);
	for (s.jobs = 2; s.jobs < 9; s.jobs += 3) {
		struct sm_image_scores many = score(&pair, &s);
		assert_memory_equal(&one, &many, sizeof one);
	}
}

static void a_mask_restricts_and_may_be_everything(void **state)
{
	(void)state;
	static float x[N];
	static uint8_t mask[N];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(x, noise[0]);
	memcpy(x, noise[1], sizeof x);
	memset(mask, 1, sizeof mask);
	pair.mask = mask;
	struct sm_image_scores out = score(&pair, &s);
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (m != SM_IMAGE_MS_SSIM)
			assert_true(out.value[0][SM_IMAGE_BODY][m] ==
				    out.value[0][SM_IMAGE_WHOLE][m]);
	assert_true(out.body == N && out.voxels == N);
	/* What lies outside the mask is of no concern to errors, NCC, MI, bone and jump. */
	for (int i = 0; i < N; i++)
		mask[i] = i % W > 3;
	struct sm_image_scores before = score(&pair, &s);
	for (int i = 0; i < N; i++)
		x[i] += mask[i] ? 0.0f : 1000.0f;
	struct sm_image_scores after = score(&pair, &s);
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (m != SM_IMAGE_SSIM && m != SM_IMAGE_SSIM3D && m != SM_IMAGE_MS_SSIM)
			near(after.value[0][SM_IMAGE_BODY][m], before.value[0][SM_IMAGE_BODY][m],
			     1e-11);
	assert_true(own(&after, SM_IMAGE_MAE) > own(&before, SM_IMAGE_MAE) + 100);
	memset(mask, 0, sizeof mask);
	out = score(&pair, &s);
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		assert_true(isnan(out.value[0][SM_IMAGE_BODY][m]));
		assert_int_equal(out.why[0][SM_IMAGE_BODY][m],
				 m == SM_IMAGE_MS_SSIM ? SM_WHY_SMALL_MS : SM_WHY_EMPTY_MASK);
	}
	pair.mask = NULL;
	out = score(&pair, &s);
	assert_int_equal(out.why[0][SM_IMAGE_BODY][SM_IMAGE_MAE], SM_WHY_NO_MASK);
}

/* A voxel in the middle of the only window. */
static void one_window_is_its_formula(void **state)
{
	(void)state;
	float t[121] = {0}, x[121] = {0};
	double w = 0, g[11];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(x, t);
	pair.dim[0] = pair.dim[1] = 11;
	pair.dim[2] = 1;
	t[60] = 8;
	x[60] = 8;
	x[0] = 100;
	for (int i = 0; i < 11; i++)
		w += g[i] = exp(-(i - 5) * (i - 5) / 4.5);
	const double c = g[5] / w * (g[5] / w), e = g[0] / w * (g[0] / w), L = s.range;
	const double mx = 8 * c + 100 * e, my = 8 * c, c1 = 1e-4 * L * L, c2 = 9e-4 * L * L;
	const double sxx = 64 * c + 1e4 * e - mx * mx, syy = 64 * c - my * my,
		     sxy = 64 * c - mx * my;
	struct sm_image_scores out = score(&pair, &s);
	near(own(&out, SM_IMAGE_SSIM),
	     (2 * mx * my + c1) * (2 * sxy + c2) / ((mx * mx + my * my + c1) * (sxx + syy + c2)),
	     1e-14);
	assert_int_equal(why(&out, SM_IMAGE_JUMP), SM_WHY_ONE_SLICE);
	assert_int_equal(why(&out, SM_IMAGE_SSIM3D), SM_WHY_SMALL);
	pair.dim[0] = 10;
	out = score(&pair, &s);
	assert_true(isnan(own(&out, SM_IMAGE_SSIM)) && why(&out, SM_IMAGE_SSIM) == SM_WHY_SMALL);
}

static void five_scales_are_five_or_none(void **state)
{
	(void)state;
	enum { SIDE = 176 };
	struct sm_image_settings s = all();
	float *t = calloc(2 * SIDE * SIDE, sizeof *t), *x = t + SIDE * SIDE;
	assert_non_null(t);
	for (int i = 0; i < SIDE * SIDE; i++) {
		t[i] = noise[0][i % N];
		x[i] = 300 - t[i];
	}
	s.which = SM_IMAGE_BIT(SM_IMAGE_MS_SSIM);
	struct sm_image_pair pair = pair_of(t, t);
	pair.dim[0] = pair.dim[1] = SIDE;
	pair.dim[2] = 1;
	struct sm_image_scores out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_MS_SSIM) == 1);
	assert_int_equal(why(&out, SM_IMAGE_SSIM), SM_WHY_NOT_ASKED);
	assert_true(isnan(own(&out, SM_IMAGE_SSIM)));
	/* The negative: its contrast is below 0, which counts as 0 and is no NaN. */
	pair.test = x;
	out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_MS_SSIM) == 0 && why(&out, SM_IMAGE_MS_SSIM) == SM_WHY_NONE);
	pair.dim[1] = SIDE - 1;
	out = score(&pair, &s);
	assert_true(isnan(own(&out, SM_IMAGE_MS_SSIM)));
	assert_int_equal(why(&out, SM_IMAGE_MS_SSIM), SM_WHY_SMALL_MS);
	assert_non_null(strstr(sm_image_reasons[SM_WHY_SMALL_MS], "176 x 176"));
	free(t);
}

/* SSIM knows where 0 is: from_low is what scikit-image says of images less low; nothing else moves.
 * (Its agreement with scikit-image is test_image_golden's.) */
static void ssim_may_count_from_the_lowest_value(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	const struct sm_image_pair pair = pair_of(noise[1], noise[0]), moved = pair_of(x, t);
	for (int i = 0; i < N; i++) {
		t[i] = noise[0][i] + 1024;
		x[i] = noise[1][i] + 1024;
	}
	s.window[0] = -1024;
	s.window[1] = 3071;
	s.range = 4095;
	s.low = -1024;
	const struct sm_image_scores zero = score(&pair, &s), want = score(&moved, &s);
	s.from_low = true;
	const struct sm_image_scores low = score(&pair, &s);
	static const int those[] = {SM_IMAGE_SSIM, SM_IMAGE_SSIM3D};
	for (size_t k = 0; k < 2; k++) {
		const int m = those[k];
		assert_true(fabs(own(&zero, m) - own(&want, m)) > 1e-4);
		near(own(&low, m), own(&want, m), 1e-6); /* float32 of + 1024 */
		/* The same line, the same range: one number in both units. */
		near(low.value[SM_IMAGE_NORMALISED][0][m], own(&low, m), 1e-5);
	}
	assert_true(own(&low, SM_IMAGE_MAE) == own(&zero, SM_IMAGE_MAE));
	assert_true(own(&low, SM_IMAGE_PSNR) == own(&zero, SM_IMAGE_PSNR));
}

static void flicker_is_a_jump_above_one(void **state)
{
	(void)state;
	static float t[N], x[N];
	static uint8_t mask[N];
	double made[D - 1], truth[D - 1];
	struct sm_err err = {0};
	struct sm_image_settings s = all();
	for (int i = 0; i < N; i++) {
		int z = i / PLANE;
		t[i] = (float)(10 * z);
		x[i] = t[i] + (float)(z % 2 * 25);
		mask[i] = i % W < 6;
	}
	struct sm_image_pair pair = pair_of(x, t);
	struct sm_image_scores out = score(&pair, &s);
	/* Steps of 35 and -15 in turn: six of one, five of the other. */
	near(own(&out, SM_IMAGE_JUMP), (6 * 35 + 5 * 15) / 110.0, 1e-12);
	assert_good(sm_image_jumps(&pair, 3, made, truth, &err), err);
	for (int z = 0; z < D - 1; z++)
		assert_true(truth[z] == 10 && made[z] == (z % 2 ? 15 : 35));
	memset(mask + PLANE * 4, 0, PLANE);
	pair.mask = mask;
	assert_good(sm_image_jumps(&pair, 1, made, truth, &err), err);
	assert_true(isnan(made[3]) && isnan(truth[4]) && made[5] == 15);
	out = score(&pair, &s);
	near(out.value[0][SM_IMAGE_BODY][SM_IMAGE_JUMP], (5 * 35 + 4 * 15) / 90.0, 1e-12);
}

static void a_window_gives_normalised_units(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	struct sm_image_pair pair = pair_of(noise[1], noise[0]);
	struct sm_image_scores out = score(&pair, &s);
	assert_int_equal(out.why[SM_IMAGE_NORMALISED][0][SM_IMAGE_MAE], SM_WHY_NO_WINDOW);
	s.window[0] = -100;
	s.window[1] = 300; /* all truth lies within */
	s.clip = false;
	out = score(&pair, &s);
	const double *v = out.value[SM_IMAGE_NORMALISED][SM_IMAGE_WHOLE];
	near(v[SM_IMAGE_MAE], own(&out, SM_IMAGE_MAE) / 200, 1e-8);
	near(v[SM_IMAGE_RMSE], own(&out, SM_IMAGE_RMSE) / 200, 1e-8);
	near(v[SM_IMAGE_PSNR], own(&out, SM_IMAGE_PSNR), 1e-5); /* ranges: 400 and 2 */
	assert_int_equal(out.why[SM_IMAGE_NORMALISED][0][SM_IMAGE_NCC], SM_WHY_NOT_ASKED);
	assert_true(out.beyond == 0);
	for (int i = 0; i < N; i++) {
		t[i] = i < 100 ? 1300 : 100;
		x[i] = 200;
	}
	pair = pair_of(x, t);
	s.clip = true;
	out = score(&pair, &s);
	assert_true(out.beyond == 100);
	near(v[SM_IMAGE_BIAS], (100 * -0.5 + (N - 100) * 0.5) / N, 1e-12);
	s.clip = false;
	out = score(&pair, &s);
	near(v[SM_IMAGE_BIAS], (100 * -5.5 + (N - 100) * 0.5) / N, 1e-12);
}

static void information_is_shared_or_not(void **state)
{
	(void)state;
	static float t[N], x[N], y[N];
	struct sm_image_settings s = all();
	s.which = SM_IMAGE_BIT(SM_IMAGE_MI);
	for (int i = 0; i < N; i++) {
		t[i] = (float)(i % 4);
		x[i] = (float)(3 - i % 4); /* a relabelling */
		y[i] = (float)(i / 4 % 4); /* all pairs equally often */
	}
	const struct sm_image_pair same = pair_of(x, t), apart = pair_of(y, t);
	struct sm_image_scores p = score(&same, &s), q = score(&apart, &s);
	near(own(&p, SM_IMAGE_MI), log(4), 1e-14);
	near(own(&q, SM_IMAGE_MI), 0, 1e-14);
	s.bins = 2;
	p = score(&same, &s);
	near(own(&p, SM_IMAGE_MI), log(2), 1e-14);
	s.window[0] = 10;
	s.window[1] = 20; /* everything below it: one bin */
	p = score(&same, &s);
	assert_true(own(&p, SM_IMAGE_MI) == 0);
}

static void numbers_that_are_none_are_refused(void **state)
{
	(void)state;
	static float x[N];
	struct sm_err err = {0};
	struct sm_image_settings s = all();
	struct sm_image_scores out;
	struct sm_image_pair pair = pair_of(x, noise[0]);
	memcpy(x, noise[0], sizeof x);
	x[(7 * H + 3) * W + 5] = NAN;
	x[(9 * H + 3) * W + 5] = INFINITY;
	s.jobs = 2;
	assert_refused(sm_image_score(&pair, &s, &out, &err), SM_INPUT, err,
		       "made: the value at voxel (5, 3, 7) of channel 0 is NaN");
	assert_true(out.voxels == 0);
	x[(7 * H + 3) * W + 5] = 0;
	pair = pair_of(noise[0], x);
	assert_refused(sm_image_score(&pair, &s, &out, &err), SM_INPUT, err,
		       "true: the value at voxel (5, 3, 9) of channel 0 is infinite");
	double jump[D - 1];
	assert_refused(sm_image_jumps(&pair, 1, jump, jump, &err), SM_INPUT, err, "infinite");
}

static void settings_are_checked(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_image_settings s = sm_image_settings_default();
	assert_good(sm_image_settings_check(&s, &err), err);
	assert_false(s.which & (SM_IMAGE_BIT(SM_IMAGE_SSIM3D) | SM_IMAGE_BIT(SM_IMAGE_BONE)));
	s.rule = SM_RANGE_GIVEN;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "range is 0");
	s = all();
	s.window[0] = 3;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "window is 3 to 0");
	s = all();
	s.bins = 1;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "bins is 1");
	s = all();
	s.axis = 3;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "axis is 3");
	s = all();
	s.bone = NAN;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "bone threshold");
	s = all();
	s.ink = NAN;
	assert_refused(sm_image_settings_check(&s, &err), SM_USAGE, err, "ink threshold");
}

static void every_metric_and_reason_has_its_words(void **state)
{
	(void)state;
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		const struct sm_image_metric *k = &sm_image_metrics[m];
		assert_true(k->key && *k->key && k->name && *k->name && k->formula && *k->formula);
		for (int j = 0; j < m; j++)
			assert_string_not_equal(k->key, sm_image_metrics[j].key);
	}
	for (int w = 1; w < SM_IMAGE_REASONS; w++)
		assert_true(sm_image_reasons[w] && *sm_image_reasons[w]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offset_is_what_the_errors_measure),
		cmocka_unit_test(an_image_equals_itself),
		cmocka_unit_test(constant_images_have_a_known_ssim),
		cmocka_unit_test(a_scale_changes_errors_alone),
		cmocka_unit_test(similarity_has_no_direction),
		cmocka_unit_test(flips_change_nothing),
		cmocka_unit_test(slices_may_lie_across_any_axis),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(a_mask_restricts_and_may_be_everything),
		cmocka_unit_test(one_window_is_its_formula),
		cmocka_unit_test(five_scales_are_five_or_none),
		cmocka_unit_test(ssim_may_count_from_the_lowest_value),
		cmocka_unit_test(flicker_is_a_jump_above_one),
		cmocka_unit_test(a_window_gives_normalised_units),
		cmocka_unit_test(information_is_shared_or_not),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(every_metric_and_reason_has_its_words),
	};
	draw();
	return run_tap(tests);
}
