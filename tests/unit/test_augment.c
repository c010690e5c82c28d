/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation: each operation's closed form, what it leaves alone, how often it is drawn, and the
 * same bits whatever the threads and the epoch that a run goes on from. */
#include "tests/unit/loader_cases.h"

#include <math.h>

#include "core/manifest.h"
#include "manifests/schema.h"
#include "train/augment_rows.h"

enum { D = 6, H = 12, W = 16, N = D * H * W, C = 3 };

static const struct sm_tile_shape solid = {1, C, D, H, W, 0, 0};
static float x0[C * N], x1[C * N];
static uint8_t l0[N], l1[N];

static void make_sample(void)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 2, "test.augment", "", 0, 0);
	for (int i = 0; i < C * N; i++)
		x0[i] = (float)sm_rng_normal(&rng) + (float)(i / N);
	for (int i = 0; i < N; i++)
		l0[i] = (uint8_t)(i / W % H / 4 == 1 ? 1 + 2 * (i % W / 8) : 0); /* 0, 1 and 3 */
}

/* Applies one operation to a copy of the sample. */
static void one(enum sm_augment_id id, struct sm_augment_params p, uint64_t sample,
		const struct sm_tile_shape *s)
{
	struct sm_augment_step step = {id, &p, 0};
	struct sm_augment a = {&step, 1, false};
	void *scratch = malloc(sm_augment_scratch(&a, s));
	memcpy(x1, x0, sizeof x1);
	memcpy(l1, l0, sizeof l1);
	sm_augment_apply(&a, 5, 1, sample, s, x1, l1, scratch);
	free(scratch);
}

/* range is of n numbers, as the manifest's. */
static struct sm_augment_params with(double lo, double hi)
{
	static double v[32][2];
	static int turn;
	turn = (turn + 1) % 32;
	v[turn][0] = lo;
	v[turn][1] = hi;
	return (struct sm_augment_params){
		.p = 1, .p_channel = 1, .range = {v[turn], 2}, .axes = SM_AXES_ALL};
}

static void figures(const float *x, double *mean, double *deviation)
{
	double sum = 0, squares = 0;
	for (int i = 0; i < N; i++)
		sum += (double)x[i];
	*mean = sum / N;
	for (int i = 0; i < N; i++)
		squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
	*deviation = sqrt(squares / N);
}

static void test_no_strength_changes_no_bit(void **state)
{
	(void)state;
	struct sm_augment_params still[SM_AUGMENT_COUNT];
	for (int id = 0; id < SM_AUGMENT_COUNT; id++)
		still[id] = with(1, 1);
	still[SM_AUGMENT_flip].p = 0;
	still[SM_AUGMENT_rotate90].p = 0;
	still[SM_AUGMENT_channel_dropout].p = 0;
	still[SM_AUGMENT_elastic].spacing = 8;
	still[SM_AUGMENT_shift] = still[SM_AUGMENT_gaussian_noise] = with(0, 0);
	still[SM_AUGMENT_gaussian_blur] = with(0, 0);
	make_sample();
	x0[7] = -0.0f;
	for (int id = 0; id < SM_AUGMENT_COUNT; id++) {
		one((enum sm_augment_id)id, still[id], 3, &solid);
		if (memcmp(x0, x1, sizeof x0) != 0 || memcmp(l0, l1, sizeof l0) != 0)
			fail_msg("%s changed the sample", sm_augment_name((enum sm_augment_id)id));
	}
}

static void test_flips_are_exact_and_undo_themselves(void **state)
{
	(void)state;
	struct sm_augment_params p = {.p = 1, .axes = SM_AXES_ALL};
	make_sample();
	one(SM_AUGMENT_flip, p, 0, &solid);
	for (int i = 0; i < N; i++) {
		assert_int_equal(l1[i], l0[N - 1 - i]);
		for (int c = 0; c < C; c++)
			assert_true(x1[c * N + i] == x0[c * N + N - 1 - i]);
	}
	float kept[C * N];
	memcpy(kept, x0, sizeof kept);
	memcpy(x0, x1, sizeof x0);
	memcpy(l0, l1, sizeof l0);
	one(SM_AUGMENT_flip, p, 0, &solid);
	assert_memory_equal(x1, kept, sizeof kept);
	make_sample();
	p.axes = SM_AXES_PLANE;
	one(SM_AUGMENT_flip, p, 0, &solid);
	for (int i = 0; i < N; i++)
		assert_true(x1[i] == x0[i / (H * W) * (H * W) + H * W - 1 - i % (H * W)]);
}

static void test_quarter_turns_keep_every_value(void **state)
{
	(void)state;
	const struct sm_tile_shape square = {1, 1, 4, 12, 12, 0, 0};
	struct sm_augment_params p = {.p = 1, .axes = SM_AXES_PLANE};
	int n = 4 * 12 * 12, seen[4] = {0};
	make_sample();
	for (uint64_t sample = 0; sample < 60; sample++) {
		bool match[4] = {true, true, true, true};
		one(SM_AUGMENT_rotate90, p, sample, &square);
		for (int i = 0; i < n; i++) {
			int z = i / 144 * 144, r = i / 12 % 12, c = i % 12;
			const int from[4] = {i, z + c * 12 + 11 - r, z + (11 - r) * 12 + 11 - c,
					     z + (11 - c) * 12 + r};
			for (int k = 0; k < 4; k++)
				match[k] = match[k] && x1[i] == x0[from[k]] && l1[i] == l0[from[k]];
		}
		assert_int_equal(match[0] + match[1] + match[2] + match[3], 1);
		for (int k = 0; k < 4; k++)
			seen[k] += match[k];
	}
	assert_true(!seen[0] && seen[1] > 8 && seen[2] > 8 && seen[3] > 8);
	one(SM_AUGMENT_rotate90, p, 0, &solid); /* 12 x 16: half turns alone */
	for (int i = 0; i < H * W; i++)
		assert_true(x1[i] == x0[H * W - 1 - i]);
}

static void test_shift_brightness_and_contrast_have_their_closed_forms(void **state)
{
	(void)state;
	double mean, sd;
	make_sample();
	one(SM_AUGMENT_shift, with(0.25, 0.25), 0, &solid);
	for (int c = 0; c < C; c++) {
		figures(x0 + c * N, &mean, &sd);
		for (int i = c * N; i < (c + 1) * N; i++)
			assert_true(fabs((double)x1[i] - (double)x0[i] - 0.25 * sd) < 1e-5);
	}
	one(SM_AUGMENT_brightness, with(1.25, 1.25), 0, &solid);
	for (int i = 0; i < C * N; i++)
		assert_true(x1[i] == x0[i] * 1.25f);
	one(SM_AUGMENT_contrast, with(1.4, 1.4), 0, &solid);
	for (int c = 0; c < C; c++) {
		float low = INFINITY, high = -INFINITY;
		figures(x0 + c * N, &mean, &sd);
		for (int i = c * N; i < (c + 1) * N; i++) {
			low = fminf(low, x0[i]);
			high = fmaxf(high, x0[i]);
		}
		for (int i = c * N; i < (c + 1) * N; i++) {
			double v = ((double)x0[i] - mean) * 1.4 + mean;
			v = fmin(fmax(v, (double)low), (double)high);
			assert_true(fabs((double)x1[i] - v) < 1e-5);
			assert_true(x1[i] >= low && x1[i] <= high);
		}
	}
	assert_memory_equal(l0, l1, sizeof l0);
}

static void test_gamma_is_a_power_and_retains_mean_and_deviation(void **state)
{
	(void)state;
	make_sample();
	for (int invert = 0; invert < 2; invert++)
		for (int retain = 0; retain < 2; retain++) {
			struct sm_augment_params p = with(1.5, 1.5);
			p.invert = invert;
			p.retain = retain;
			one(SM_AUGMENT_gamma, p, 0, &solid);
			for (int c = 0; c < C; c++) {
				const float *a = x0 + c * N, *b = x1 + c * N;
				double m0, s0, m1, s1, low = INFINITY, high = -INFINITY;
				figures(a, &m0, &s0);
				figures(b, &m1, &s1);
				for (int i = 0; i < N; i++) {
					low = fmin(low, (double)a[i]);
					high = fmax(high, (double)a[i]);
				}
				if (retain) {
					assert_true(fabs(m0 - m1) < 1e-5 && fabs(s0 - s1) < 1e-5);
					continue;
				}
				for (int i = 0; i < N; i++) {
					double u = ((double)a[i] - low) / (high - low);
					double v = invert ? 1 - pow(1 - u, 1.5) : pow(u, 1.5);
					assert_true(fabs((double)b[i] - (v * (high - low) + low)) <
						    2e-5);
				}
			}
		}
	memset(x0, 0, sizeof x0); /* nothing to take a power of */
	one(SM_AUGMENT_gamma, with(1.5, 1.5), 0, &solid);
	assert_memory_equal(x0, x1, sizeof x0);
}

static void test_noise_is_normal_and_independent(void **state)
{
	(void)state;
	double all = 0, squares = 0, fourth = 0, beside = 0, between = 0, mean, sd[C];
	int n = 0;
	make_sample();
	for (int c = 0; c < C; c++)
		figures(x0 + c * N, &mean, &sd[c]);
	for (uint64_t sample = 0; sample < 100; sample++) {
		one(SM_AUGMENT_gaussian_noise, with(0.5, 0.5), sample, &solid);
		for (int i = 0; i < C * N; i++) {
			double v = ((double)x1[i] - (double)x0[i]) / (0.5 * sd[i / N]);
			double w =
				((double)x1[(i + 1) % N] - (double)x0[(i + 1) % N]) / (0.5 * sd[0]);
			double u = ((double)x1[i % N] - (double)x0[i % N]) / (0.5 * sd[0]);
			all += v;
			squares += v * v;
			fourth += v * v * v * v;
			beside += i < N ? v * w : 0;
			between += i >= N ? v * u : 0;
			n++;
		}
	}
	/* 345600 numbers: four standard errors */
	assert_true(fabs(all / n) < 4 / sqrt((double)n));
	assert_true(fabs(squares / n - 1) < 4 * sqrt(2.0 / n));
	assert_true(fabs(fourth / n - 3) < 4 * sqrt(96.0 / n));
	assert_true(fabs(beside / (n / 3.0)) < 4 / sqrt(n / 3.0));
	assert_true(fabs(between / (2 * n / 3.0)) < 4 / sqrt(2 * n / 3.0));
}

static void test_moves_bring_no_new_label_and_stay_in_range(void **state)
{
	(void)state;
	make_sample();
	for (int id = SM_AUGMENT_flip; id <= SM_AUGMENT_elastic; id++)
		for (uint64_t sample = 0; sample < 20; sample++) {
			struct sm_augment_params p = with(0.5, 2);
			int changed = 0;
			p.degrees = 40;
			p.plane_degrees = -1;
			p.share = 0.2;
			p.spacing = 8;
			p.magnitude = 2;
			p.axes = sample % 2 ? SM_AXES_PLANE : SM_AXES_ALL;
			one((enum sm_augment_id)id, p, sample, &solid);
			for (int i = 0; i < N; i++) {
				assert_true(l1[i] == 0 || l1[i] == 1 || l1[i] == 3);
				changed += x1[i] != x0[i];
			}
			assert_true(changed > N / 2);
		}
}

static void test_flat_samples_stay_in_their_plane(void **state)
{
	(void)state;
	const struct sm_tile_shape flat = {1, C, 1, H, W, 0, 0};
	struct sm_augment a;
	make_sample();
	assert_good(sm_augment_init(&a, SM_AUGMENT_NNUNET, NULL, SM_BORDER_EDGE, &err), err);
	void *scratch = malloc(sm_augment_scratch(&a, &flat));
	for (uint64_t sample = 0; sample < 200; sample++) {
		memcpy(x1, x0, sizeof x1);
		memcpy(l1, l0, sizeof l1);
		sm_augment_apply(&a, 5, 1, sample, &flat, x1, l1, scratch);
		for (int i = 0; i < C * H * W; i++)
			assert_true(isfinite(x1[i]));
		/* what lies behind is not touched */
		assert_memory_equal(x1 + C * H * W, x0 + C * H * W,
				    (C * N - C * H * W) * sizeof *x0);
	}
	free(scratch);
	sm_augment_clear(&a);
	/* thin samples: auto is the plane alone, so every slice is moved alike */
	const struct sm_tile_shape thin = {1, 1, 3, H, W, 0, 0};
	for (int i = 0; i < 3 * H * W; i++)
		x0[i] = x0[i % (H * W)];
	struct sm_augment_params p = {
		.p = 1, .spacing = 6, .magnitude = 2, .degrees = 30, .plane_degrees = -1};
	for (int k = 0; k < 2; k++) {
		one(k ? SM_AUGMENT_elastic : SM_AUGMENT_rotation, p, 0, &thin);
		assert_memory_equal(x1, x1 + H * W, H * W * sizeof *x1);
		assert_memory_equal(x1, x1 + 2 * H * W, H * W * sizeof *x1);
	}
}

static void test_each_is_drawn_as_often_as_it_says(void **state)
{
	(void)state;
	enum { TIMES = 4000 };
	int changed[C] = {0}, both = 0, dropped[C] = {0};
	struct sm_augment_params p = with(2, 2);
	const struct sm_tile_shape small = {1, C, 1, 2, 2, 0, 0};
	p.p = 0.3;
	p.p_channel = 0.5;
	make_sample();
	for (uint64_t sample = 0; sample < TIMES; sample++) {
		one(SM_AUGMENT_brightness, p, sample, &small);
		for (int c = 0; c < C; c++)
			changed[c] += x1[c * 4] != x0[c * 4];
		both += x1[0] != x0[0] && x1[4] != x0[4];
		one(SM_AUGMENT_channel_dropout, (struct sm_augment_params){.p = 0.6}, sample,
		    &small);
		int left = 0;
		for (int c = 0; c < C; c++) {
			dropped[c] += x1[c * 4] == 0;
			left += x1[c * 4] != 0;
		}
		assert_true(left > 0);
	}
	for (int c = 0; c < C; c++) {
		assert_true(fabs(changed[c] / (double)TIMES - 0.15) <
			    4 * sqrt(0.15 * 0.85 / TIMES));
		/* of the 0.216 in which all would go, one stays: 0.6 - 0.072 */
		assert_true(fabs(dropped[c] / (double)TIMES - 0.528) <
			    4 * sqrt(0.528 * 0.472 / TIMES));
	}
	assert_true(fabs(both / (double)TIMES - 0.075) < 4 * sqrt(0.075 * 0.925 / TIMES));
}

/* Hash of the batches of epochs first..2 with the preset and every operation in a list. */
static void run_hash(const struct sm_augment *a, int threads, int64_t first, char hex[3][65])
{
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	const struct sm_tile_shape s = sm_tiles_shape(train);
	struct sm_loader *l;
	struct sm_batch b;
	o.threads = threads;
	o.first_epoch = first;
	o.hook = sm_augment_hook(a, &s);
	assert_good(sm_loader_start(&o, NULL, &l, &err), err);
	for (int64_t e = first; e < 3; e++) {
		struct sm_sha256 *h = sm_sha256_begin();
		int64_t all = sm_loader_train_steps(l) + VALID_STEPS;
		for (int64_t i = 0; i < all; i++) {
			assert_good(sm_loader_next(l, &b, &err), err);
			sm_sha256_add(h, b.x, 3 * VOXELS * CHANNELS * sizeof(float));
			sm_sha256_add(h, b.target, 3 * VOXELS * CLASSES * sizeof(float));
		}
		sm_sha256_end(h, hex[e]);
	}
	sm_loader_stop(l);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_threads_and_a_resumed_run_change_nothing(void **state)
{
	(void)state;
	struct sm_augment a;
	char plain[3][65], want[3][65], hex[3][65];
	assert_good(sm_augment_init(&a, SM_AUGMENT_NNUNET, NULL, SM_BORDER_ZERO, &err), err);
	run_hash(&a, 1, 0, want);
	for (int threads = 1; threads <= 3; threads++)
		for (int64_t first = 0; first < 3; first++) {
			run_hash(&a, threads, first, hex);
			for (int64_t e = first; e < 3; e++)
				assert_string_equal(hex[e], want[e]);
		}
	sm_augment_clear(&a);
	assert_good(sm_augment_init(&a, SM_AUGMENT_NONE, NULL, SM_BORDER_ZERO, &err), err);
	run_hash(&a, 1, 0, plain);
	for (int e = 0; e < 3; e++)
		assert_string_not_equal(plain[e], want[e]);
	sm_augment_clear(&a);
}

/* Every operation once and twice, three samples: the same bits on every processor and with every
 * compiler. */
static void test_bits_are_these_on_every_machine(void **state)
{
	(void)state;
	struct sm_augment_params p[SM_AUGMENT_COUNT];
	struct sm_step v[2 * SM_AUGMENT_COUNT] = {0};
	struct sm_steps steps = {v, SM_COUNT(v)};
	struct sm_augment a;
	char hex[65];
	make_sample();
	for (int i = 0; i < SM_AUGMENT_COUNT; i++) {
		p[i] = with(0.6, 0.95);
		p[i].degrees = 25;
		p[i].plane_degrees = -1;
		p[i].share = 0.1;
		p[i].spacing = 6;
		p[i].magnitude = 1;
		p[i].retain = true;
		p[i].order = i % 2;
		v[i] = v[2 * SM_AUGMENT_COUNT - 1 - i] = (struct sm_step){(size_t)i, &p[i], NULL};
	}
	p[SM_AUGMENT_channel_dropout].p = 0.2;
	assert_good(sm_augment_init(&a, SM_AUGMENT_NONE, &steps, SM_BORDER_EDGE, &err), err);
	assert_int_equal(a.step[SM_COUNT(v) - 1].again, 1);
	void *scratch = malloc(sm_augment_scratch(&a, &solid));
	struct sm_sha256 *h = sm_sha256_begin();
	for (uint64_t sample = 0; sample < 3; sample++) {
		memcpy(x1, x0, sizeof x1);
		memcpy(l1, l0, sizeof l1);
		sm_augment_apply(&a, 5, 1, sample, &solid, x1, l1, scratch);
		sm_sha256_add(h, x1, sizeof x1);
		sm_sha256_add(h, l1, sizeof l1);
	}
	sm_sha256_end(h, hex);
	assert_string_equal(hex,
			    "1c50310e55bc5a62f6d2ccdad4e5def8237ae16884a21683eecba61741c52ce5");
	free(scratch);
	sm_augment_clear(&a);
}

static enum sm_status load(const char *lines)
{
	char yaml[512];
	struct sm_manifest m;
	snprintf(yaml, sizeof yaml, "schema: 1\nname: t\ntrain:\n%s", lines);
	assert_good(sm_file_write(at("m.yaml"), yaml, strlen(yaml), &err), err);
	enum sm_status st = sm_manifest_load(at("m.yaml"), &sm_manifest_schema, &m, &err);
	if (st == SM_OK)
		sm_manifest_clear(&m);
	return st;
}

static void test_wrong_parameters_are_told(void **state)
{
	(void)state;
	assert_good(load("  augment: nnunet\n"), err);
	assert_good(
		load("  augmentations:\n    - {rotation: {degrees: 30, p: 0.2}}\n    - flip: {}\n"),
		err);
	assert_refused(load("  augment: nnunet\n  augmentations: [{flip: {}}]\n"), SM_USAGE, err,
		       "train.augmentations: is given, but counts only with augment none");
	assert_refused(load("  augmentations: [{rotation: {p: 1.2}}]\n"), SM_USAGE, err,
		       "augmentations[0].rotation.p: found '1.2'");
	assert_refused(load("  augmentations: [{gamma: {range: [2, 1]}}]\n"), SM_USAGE, err,
		       "range: found 2 to 1, allowed is the lower number first");
	assert_refused(load("  augmentations: [{elastic: {magnitude: 20}}]\n"), SM_USAGE, err,
		       "magnitude: found 20, allowed is at most 0.4 spacing");
	assert_refused(load("  augmentations: [{rotate: {p: 1}}]\n"), SM_USAGE, err,
		       "unknown key 'rotate' (did you mean 'rotate90'?)");
	assert_refused(load("  augmentations: [{flip: {}, when: ct}]\n"), SM_USAGE, err,
		       "augmentations[0].when: found 'ct'");
	assert_refused(load("  augment: all\n"), SM_USAGE, err, "train.augment: found 'all'");
}

static int begin(void **state)
{
	return folder_make() || setup(state);
}

static int end(void **state)
{
	(void)state;
	sm_ledger_clear(&split);
	sm_ledger_clear(&shards);
	sm_ledger_clear(&files);
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_strength_changes_no_bit),
		cmocka_unit_test(test_flips_are_exact_and_undo_themselves),
		cmocka_unit_test(test_quarter_turns_keep_every_value),
		cmocka_unit_test(test_shift_brightness_and_contrast_have_their_closed_forms),
		cmocka_unit_test(test_gamma_is_a_power_and_retains_mean_and_deviation),
		cmocka_unit_test(test_noise_is_normal_and_independent),
		cmocka_unit_test(test_moves_bring_no_new_label_and_stay_in_range),
		cmocka_unit_test(test_flat_samples_stay_in_their_plane),
		cmocka_unit_test(test_each_is_drawn_as_often_as_it_says),
		cmocka_unit_test(test_threads_and_a_resumed_run_change_nothing),
		cmocka_unit_test(test_bits_are_these_on_every_machine),
		cmocka_unit_test(test_wrong_parameters_are_told),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
