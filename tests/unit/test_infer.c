/* SPDX-License-Identifier: Apache-2.0 */
/* Whole volumes: windows that cover, blending that leaves a constant constant, labels and their way
 * back. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "train/fit.h"
#include "train/infer.h"
#include "train/way_back.h"
#include "train/network.h"
#include "train/window.h"

static struct sm_err err;
static char path[] = "/tmp/sm_infer_XXXXXX";

static void check_axis(const struct sm_window_axis *a, int64_t dim, int64_t size, double overlap)
{
	int64_t whole = dim > size ? dim : size,
		step = (int64_t)floor((double)size * (1 - overlap));
	step = step < 1 ? 1 : step;
	assert_int_equal(a->pad, (whole - dim) / 2);
	assert_int_equal(a->start[0], 0);
	assert_int_equal(a->start[a->count - 1], whole - size);
	for (int64_t k = 1; k < a->count; k++) {
		int64_t d = a->start[k] - a->start[k - 1];
		assert_true(d >= 1 && d <= step); /* at least the asked overlap */
	}
	for (int64_t i = 0; i < whole; i++) {
		double sum = 0;
		for (int64_t k = 0; k < a->count; k++)
			if (i >= a->start[k] && i < a->start[k] + size)
				sum += (double)a->weight[i - a->start[k]];
		assert_true(sum > 0 && fabs(sum - (double)a->total[i]) < 1e-6);
	}
}

static void test_windows_cover_any_volume(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.window", "", 0, 0);
	for (int round = 0; round < 300; round++) {
		int64_t dim[3], size[3], start[3];
		double overlap = 0.9 * sm_rng_f64(&rng);
		struct sm_windows w;
		for (int a = 0; a < 3; a++) {
			dim[a] = 1 + sm_rng_below(&rng, 90);
			size[a] = 1 + sm_rng_below(&rng, 40);
		}
		assert_good(sm_windows_init(&w, dim, size, overlap, round % 2, &err), err);
		for (int a = 0; a < 3; a++)
			check_axis(&w.axis[a], dim[a], size[a], overlap);
		assert_int_equal(w.count, w.axis[0].count * w.axis[1].count * w.axis[2].count);
		sm_windows_start(&w, w.count - 1, start);
		for (int a = 0; a < 3; a++)
			assert_int_equal(start[a], dim[a] > size[a] ? dim[a] - size[a] : 0);
		sm_windows_clear(&w);
	}
}

static void test_brats_windows(void **state)
{
	(void)state;
	const int64_t dim[3] = {240, 240, 155}, size[3] = {160, 160, 16};
	struct sm_windows w;
	assert_good(sm_windows_init(&w, dim, size, 0.5, true, &err), err);
	assert_true(w.axis[0].count == 2 && w.axis[1].count == 2 && w.axis[2].count == 19);
	for (int i = 0; i < 160; i++) { /* the Gaussian is that of the formula, and even */
		double d = (i - 79.5) / 20;
		assert_true(fabs((double)w.axis[0].weight[i] - exp(-d * d / 2)) < 1e-7);
		assert_true(w.axis[0].weight[i] == w.axis[0].weight[159 - i]);
	}
	sm_windows_clear(&w);
}

/* A checkpoint of a network whose head has only its bias. */
static void constant_network(const float bias[3], enum sm_standardise how)
{
	struct sm_checkpoint c = {.model = "unet3d",
				  .width = 1.0 / 32,
				  .in_channels = 2,
				  .classes = 3,
				  .size = {16, 8, 8},
				  .standardise = how,
				  .channels = json_array(),
				  .parameters = 1,
				  .optimiser = "adam",
				  .epoch = 1,
				  .best_epoch = 1,
				  .fingerprint = "x"};
	memset(c.split, '0', 64);
	memset(c.preprocess, '0', 64);
	const double row[SM_HISTORY_FIXED + 3] = {1};
	struct sm_optim adam = sm_optim_default("adam");
	const struct sm_network_opt opt = {
		.batch = 1, .threads = 1, .loss = "dice", .optim = &adam};
	struct sm_net *net;
	c.history.columns = SM_HISTORY_FIXED + 3;
	assert_good(sm_history_add(&c.history, row, &err), err);
	assert_good(sm_network_plan(&c, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	size_t n;
	const struct sm_param *p = sm_net_params(net, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(p[i].name, "head.weight") == 0)
			memset(sm_net_weights(net) + p[i].offset, 0, p[i].count * sizeof(float));
		else if (strcmp(p[i].name, "head.bias") == 0)
			memcpy(sm_net_weights(net) + p[i].offset, bias, 3 * sizeof(float));
	assert_good(sm_checkpoint_write(path, net, &c, NULL, &err), err);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

static struct sm_vol image_of(const int64_t dim[3])
{
	const int64_t full[4] = {dim[0], dim[1], dim[2], 2};
	struct sm_vol v;
	struct sm_rng rng;
	sm_rng_init(&rng, 3, "test.infer", "", 0, 0);
	assert_good(sm_vol_init(&v, full, SM_F32, NULL, "image", &err), err);
	for (size_t i = 0; i < sm_vol_count(&v); i++)
		((float *)v.data)[i] = sm_rng_f32(&rng);
	return v;
}

static void test_blending_leaves_a_constant_constant(void **state)
{
	(void)state;
	static const int64_t dims[][3] = {{16, 8, 8}, {33, 20, 17}, {5, 30, 3}, {1, 1, 1}};
	const float bias[3] = {0.5f, -2, 0};
	constant_network(bias, SM_STANDARDISE_SLICE);
	for (int batch = 1; batch <= 3; batch += 2) {
		struct sm_infer f;
		assert_good(sm_infer_open(&f, path, batch, 2, NULL, &err), err);
		f.overlap = 0.5;
		f.gaussian = true;
		for (int i = 0; i < 4; i++) {
			struct sm_vol image = image_of(dims[i]), prob;
			assert_good(sm_infer_volume(&f, &image, NULL, &prob, &err), err);
			size_t n = sm_vol_frame_count(&prob);
			assert_int_equal(prob.dim[3], 3);
			for (size_t c = 0; c < 3; c++)
				for (size_t k = 0; k < n; k++) {
					double want = 1 / (1 + exp(-(double)bias[c]));
					assert_true(fabs((double)((float *)prob.data)[c * n + k] -
							 want) < 1e-6);
				}
			sm_vol_clear(&image);
			sm_vol_clear(&prob);
		}
		sm_infer_close(&f);
	}
}

static void test_wrong_channels_are_refused(void **state)
{
	(void)state;
	const int64_t dim[4] = {16, 8, 8, 4};
	const float bias[3] = {0};
	struct sm_vol image, prob;
	struct sm_infer f;
	constant_network(bias, SM_STANDARDISE_NONE);
	assert_good(sm_infer_open(&f, path, 1, 1, NULL, &err), err);
	assert_good(sm_vol_init(&image, dim, SM_F32, NULL, "image", &err), err);
	assert_refused(sm_infer_volume(&f, &image, NULL, &prob, &err), SM_INPUT, err,
		       "image has 4 channels, the network takes 2");
	assert_null(prob.data);
	sm_vol_clear(&image);
	sm_infer_close(&f);
	struct sm_mem little;
	sm_mem_init(&little, 1 << 20);
	assert_int_equal(sm_infer_open(&f, path, 1, 1, &little, &err), SM_BUDGET);
	sm_infer_close(&f);
}

/* A checkpoint is a file like any other: what it says of the network may be anything. */
static void test_absurd_networks_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *model;
		double width;
		int in_channels, classes, size[3];
	} absurd[] = {
		{"unet3d", 16, 4096, 255, {4096, 4096, 4096}},
		{"unet3d", 1, 4, 3, {4096, 4096, 8}},
		{"unet3d", 1, 2, 3, {15, 8, 8}},
		{"unet9d", 1, 2, 3, {16, 8, 8}},
		{"", 1, 2, 3, {16, 8, 8}},
	};
	const float bias[3] = {0};
	constant_network(bias, SM_STANDARDISE_NONE);
	for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
		struct sm_infer f;
		struct sm_mem mem;
		struct sm_checkpoint c;
		const double row[SM_HISTORY_FIXED + 255] = {1};
		assert_good(sm_infer_open(&f, path, 1, 1, NULL, &err), err);
		assert_good(sm_checkpoint_open(path, &c, &err), err);
		snprintf(c.model, sizeof c.model, "%s", absurd[i].model);
		c.width = absurd[i].width;
		c.in_channels = absurd[i].in_channels;
		c.classes = absurd[i].classes;
		memcpy(c.size, absurd[i].size, sizeof c.size);
		sm_history_clear(&c.history);
		c.history.columns = SM_HISTORY_FIXED + (size_t)c.classes;
		assert_good(sm_history_add(&c.history, row, &err), err);
		assert_good(sm_checkpoint_write(path, f.net, &c, NULL, &err), err);
		sm_infer_close(&f);
		sm_mem_init(&mem, (size_t)1 << 30);
		enum sm_status st = sm_infer_open(&f, path, 1, 1, &mem, &err);
		assert_true(st == SM_BUDGET || st == SM_USAGE);
		assert_true(strlen(err.text) > 10);
		sm_infer_close(&f);
		sm_checkpoint_clear(&c);
		constant_network(bias, SM_STANDARDISE_NONE);
	}
}

static void test_labels_get_their_numbers_back(void **state)
{
	(void)state;
	uint8_t original[256];
	int brats[][2] = {{4, 3}}, swap[][2] = {{1, 2}, {2, 1}}, merge[][2] = {{2, 1}, {4, 1}};
	struct sm_way_back way = {.pairs = brats, .pair_count = 1};
	assert_int_equal(sm_way_back_labels(&way, 3, original), -1);
	assert_true(original[0] == 0 && original[1] == 1 && original[2] == 2 && original[3] == 4);
	way = (struct sm_way_back){.pairs = swap, .pair_count = 2};
	assert_int_equal(sm_way_back_labels(&way, 3, original), -1);
	assert_true(original[1] == 2 && original[2] == 1 && original[3] == 3);
	way = (struct sm_way_back){.pairs = merge, .pair_count = 2};
	assert_int_equal(sm_way_back_labels(&way, 3, original), 1);
	assert_true(original[1] == 1 && original[2] == 2);
	/* 1 was merged into 2, which was a label itself, and 4 dropped to the background. */
	int into[][2] = {{1, 2}, {2, 2}, {4, 0}, {0, 0}};
	way = (struct sm_way_back){.pairs = into, .pair_count = 4};
	assert_int_equal(sm_way_back_labels(&way, 3, original), 2);
	assert_true(original[0] == 0 && original[1] == 1 && original[2] == 2);
}

static void test_labels_stand_at_their_place(void **state)
{
	(void)state;
	const int64_t dim[4] = {4, 3, 2, 2};
	int pairs[][2] = {{4, 2}};
	/* cut at the low x side, padded at the low y side, source longer along z */
	struct sm_way_back way = {
		.dim = {5, 2, 3}, .way = {{1, 0, 0, -1}, {0, 1, 0, 1}, {0, 0, 1, 0}}, .pairs = pairs, .pair_count = 1};
	struct sm_vol prob, out, placed;
	uint8_t original[256];
	int64_t counts[256];
	for (int i = 0; i < 4; i++)
		way.affine[i][i] = i + 2;
	assert_good(sm_vol_init(&prob, dim, SM_F32, NULL, "prob", &err), err);
	float *p = prob.data;
	for (size_t i = 0; i < 48; i++)
		p[i] = 0.5f;                /* not above the threshold */
	p[(0 * 3 + 1) * 4 + 0] = 0.6f;      /* class 1 at (0,1,0): source (1,0,0) */
	p[(1 * 3 + 2) * 4 + 3] = 0.7f;      /* class 1 at (3,2,1) ... */
	p[24 + (1 * 3 + 2) * 4 + 3] = 0.8f; /* ... but class 2 is more probable: source (4,1,1) */
	p[(0 * 3 + 0) * 4 + 2] = 0.9f;      /* y 0 is padding: not in the source */
	p[(0 * 3 + 2) * 4 + 1] = p[24 + 9] = 0.75f; /* equal: the first class, source (2,1,0) */
	sm_way_back_labels(&way, 2, original);
	assert_good(sm_infer_labels(&prob, &way, 0.5, original, NULL, &out, counts, &err), err);
	const uint8_t *l = out.data;
	assert_true(out.dim[0] == 5 && out.dim[1] == 2 && out.dim[2] == 3 && out.dim[3] == 1);
	assert_true(out.affine[1][1] == 3 && out.dtype == SM_U8);
	for (int z = 0; z < 3; z++)
		for (int y = 0; y < 2; y++)
			for (int x = 0; x < 5; x++) {
				int want = x == 1 && y == 0 && z == 0   ? 1
					   : x == 4 && y == 1 && z == 1 ? 4
					   : x == 2 && y == 1 && z == 0 ? 1
									: 0;
				assert_int_equal(l[(z * 2 + y) * 5 + x], want);
			}
	assert_true(counts[0] == 27 && counts[1] == 2 && counts[4] == 1);
	assert_good(sm_infer_place(&prob, &way, NULL, &placed, &err), err);
	const float *q = placed.data;
	assert_true(q[1] == 0.6f && q[0] == 0 && q[30 + (1 * 2 + 1) * 5 + 4] == 0.8f);
	assert_true(q[(2 * 2 + 0) * 5 + 2] == 0); /* behind the preprocessed grid */
	sm_vol_clear(&prob);
	sm_vol_clear(&out);
	sm_vol_clear(&placed);
}

static void test_a_source_that_lies_outside_stays_empty(void **state)
{
	(void)state;
	const int64_t dim[4] = {4, 4, 4, 1};
	struct sm_way_back way = {.dim = {3, 3, 3},
				  .way = {{1, 0, 0, 10}, {0, 1, 0, -20}, {0, 0, 1, 0}}};
	struct sm_vol prob, out;
	uint8_t original[256];
	int64_t counts[256];
	assert_good(sm_vol_init(&prob, dim, SM_F32, NULL, "prob", &err), err);
	for (size_t i = 0; i < 64; i++)
		((float *)prob.data)[i] = 1;
	sm_way_back_labels(&way, 1, original);
	assert_good(sm_infer_labels(&prob, &way, 0.5, original, NULL, &out, counts, &err), err);
	assert_int_equal(counts[0], 27);
	sm_vol_clear(&out);
	assert_good(sm_infer_place(&prob, &way, NULL, &out, &err), err);
	for (size_t i = 0; i < 27; i++)
		assert_true(((float *)out.data)[i] == 0);
	sm_vol_clear(&out);
	sm_vol_clear(&prob);
}

/* Fractions, where a square is not the value itself. With t = 1 on a quarter of the voxels and p =
 * 0.25 on all: sums 0.25 V/4, 0.25 V and V/4: (V/8 + e) / (V/2 + e).
 * Class 1: sum p = 625, sum t = 500, sum t p = 312.5. */
static void test_dice_sums_are_not_squared(void **state)
{
	(void)state;
	enum { V = 1000, K = 2 };
	static float p[V * K], t[V * K];
	static double work[SM_DICE_WORK * K];
	double sum[K] = {0};
	for (int i = 0; i < V; i++) {
		p[i * K] = 0.25f;
		t[i * K] = i % 4 == 0;
		p[i * K + 1] = i % 2 ? 0.75f : 0.5f;
		t[i * K + 1] = 0.5f;
	}
	sm_batch_dice(p, t, 1, V, K, 2, work, sum);
	assert_true(fabs(sum[0] - (125 + 1e-5) / (500 + 1e-5)) < 1e-12);
	assert_true(fabs(sum[1] - (625 + 1e-5) / (1125 + 1e-5)) < 1e-12);
}

static void test_dice_of_a_batch(void **state)
{
	(void)state;
	enum { N = 2, V = 1000, K = 2 };
	static float p[N * V * K], t[N * V * K];
	static double work[SM_DICE_WORK * K];
	double one[K] = {0}, two[K] = {0};
	/* sample 0: class 0 half right, class 1 both empty; sample 1: class 0 disjoint, class 1 the
	 * same */
	for (int i = 0; i < V; i++) {
		p[i * K] = i < 100;
		t[i * K] = i >= 50 && i < 150;
		p[(V + i) * K] = i < 10;
		t[(V + i) * K] = i >= 500;
		p[(V + i) * K + 1] = t[(V + i) * K + 1] = i % 3 == 0;
	}
	sm_batch_dice(p, t, N, V, K, 1, work, one);
	sm_batch_dice(p, t, N, V, K, 3, work, two);
	assert_memory_equal(one, two, sizeof one);
	assert_true(fabs(one[0] - 0.5 - 1e-5 / 510) < 1e-7);
	assert_true(fabs(one[1] - 2) < 1e-12);
	sm_batch_dice(p, t, 1, V, K, 1, work, one); /* adds */
	assert_true(fabs(one[0] - 1 - 1e-5 / 510) < 1e-7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_cover_any_volume),
		cmocka_unit_test(test_brats_windows),
		cmocka_unit_test(test_blending_leaves_a_constant_constant),
		cmocka_unit_test(test_wrong_channels_are_refused),
		cmocka_unit_test(test_absurd_networks_are_refused),
		cmocka_unit_test(test_labels_get_their_numbers_back),
		cmocka_unit_test(test_labels_stand_at_their_place),
		cmocka_unit_test(test_a_source_that_lies_outside_stays_empty),
		cmocka_unit_test(test_dice_of_a_batch),
		cmocka_unit_test(test_dice_sums_are_not_squared),
	};
	int fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	int failed = run_tap(tests);
	unlink(path);
	return failed;
}
