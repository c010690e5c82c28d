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
#include "tests/unit/placed.h"
#include "train/fit.h"
#include "train/infer.h"
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
				  .norm = "auto",
				  .activation = "auto",
				  .dropout = -1,
				  .deep_supervision = -1,
				  .size = {16, 8, 8},
				  .standardise = how,
				  .channels = json_array(),
				  .optimiser = "adam",
				  .epoch = 1,
				  .best_epoch = 1,
				  .fingerprint = "x"};
	memset(c.split, '0', 64);
	memset(c.preprocess, '0', 64);
	const double row[SM_HISTORY_FIXED + 3] = {1};
	struct sm_optim adam = sm_optim_default("adam");
	const struct sm_loss_opt dice = {.name = "dice"};
	const struct sm_network_opt opt = {
		.batch = 1, .threads = 1, .loss = &dice, .optim = &adam};
	struct sm_net *net;
	assert_good(sm_task_classes(&c.task, 3, false, &err), err);
	assert_good(sm_history_begin(&c.history, SM_HISTORY_FIXED_NAMES ",a,b,c", &err), err);
	assert_good(sm_history_add(&c.history, row, &err), err);
	assert_good(sm_network_plan(&c, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	c.parameters = (int64_t)sm_net_weight_count(net);
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

/* Changes the weights of the checkpoint at path. */
static void change(void (*to)(const struct sm_param *p, float *w))
{
	struct sm_infer f;
	size_t n;
	assert_good(sm_infer_open(&f, path, 1, 1, NULL, &err), err);
	const struct sm_param *p = sm_net_params(f.net, &n);
	for (size_t i = 0; i < n; i++)
		to(p + i, sm_net_weights(f.net) + p[i].offset);
	assert_good(sm_checkpoint_write(path, f.net, &f.about, NULL, &err), err);
	sm_infer_close(&f);
}

/* First channel through the skip of the first level into every output, all else 0. */
static void to_identity(const struct sm_param *p, float *w)
{
	memset(w, 0, p->count * sizeof *w);
	if (p->rank == 5 && strcmp(p->name, "head.weight") == 0)
		for (int i = 0; i < p->shape[0]; i++)
			w[i * p->shape[1]] = (float)(i + 1);
	else if (p->rank == 5 && (strstr(p->name, "enc0.") || strstr(p->name, "dec0.")))
		w[13] = 1; /* the middle of 3 x 3 x 3 of input 0 */
}

static void test_blending_of_an_identity_is_exact(void **state)
{
	(void)state;
	static const int64_t dims[][3] = {{16, 8, 8}, {23, 12, 9}, {16, 9, 20}, {5, 15, 3}};
	const float bias[3] = {0};
	constant_network(bias, SM_STANDARDISE_NONE);
	change(to_identity);
	for (int batch = 1; batch <= 3; batch += 2)
		for (int i = 0; i < 4; i++)
			for (unsigned mirror = 0; mirror < 8; mirror += 7) {
				struct sm_infer f;
				assert_good(sm_infer_open(&f, path, batch, 1, NULL, &err), err);
				f.overlap = 0.6;
				f.gaussian = true;
				f.mirror = mirror;
				struct sm_vol image = image_of(dims[i]), prob;
				assert_good(sm_infer_volume(&f, &image, NULL, &prob, &err), err);
				size_t n = sm_vol_frame_count(&prob);
				for (size_t c = 0; c < 3; c++)
					for (size_t k = 0; k < n; k++) {
						double x = (double)((float *)image.data)[k];
						double want = 1 / (1 + exp(-(double)(c + 1) * x));
						double got =
							(double)((float *)prob.data)[c * n + k];
						assert_true(fabs(got - want) < 5e-6);
					}
				sm_vol_clear(&image);
				sm_vol_clear(&prob);
				sm_infer_close(&f);
			}
}

/* Each kernel the mean of itself and its flips. */
static void to_symmetric(const struct sm_param *p, float *w)
{
	float flipped[27];
	for (size_t k = 0; p->rank == 5 && p->shape[4] == 3 && k < p->count / 27; k++)
		for (int axis = 1; axis <= 9; axis *= 3) {
			for (int i = 0; i < 27; i++)
				flipped[i] =
					w[k * 27 + (size_t)(i + (2 - 2 * (i / axis % 3)) * axis)];
			for (int i = 0; i < 27; i++)
				w[k * 27 + (size_t)i] = (w[k * 27 + (size_t)i] + flipped[i]) / 2;
		}
}

static void to_steep(const struct sm_param *p, float *w)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 7, "test.steep", p->name, 0, 0);
	for (size_t i = 0; i < p->count; i++)
		w[i] = p->rank == 5 ? 0.8f * (sm_rng_f32(&rng) - 0.3f) : 0.05f;
}

/* Largest difference between the probabilities with these flips and those without. */
static double gap_of(unsigned mirror, const char *second, int seconds)
{
	static const int64_t dim[3] = {20, 12, 11};
	struct sm_vol image = image_of(dim), prob[2];
	struct sm_infer f;
	double gap = 0;
	for (int i = 0; i < 2; i++) {
		assert_good(sm_infer_open(&f, path, 2, 1 + i, NULL, &err), err);
		for (int k = 0; i && k < seconds; k++)
			assert_good(sm_infer_add(&f, second, NULL, &err), err);
		f.overlap = 0.5;
		f.gaussian = true;
		f.mirror = i ? mirror : 0;
		assert_good(sm_infer_volume(&f, &image, NULL, prob + i, &err), err);
		sm_infer_close(&f);
	}
	for (size_t k = 0; k < sm_vol_count(prob); k++)
		gap = fmax(gap,
			   fabs((double)(((float *)prob[0].data)[k] - ((float *)prob[1].data)[k])));
	for (int i = 0; i < 2; i++)
		sm_vol_clear(prob + i);
	sm_vol_clear(&image);
	return gap;
}

static void test_mirrors_of_a_symmetric_network_change_nothing(void **state)
{
	(void)state;
	const float bias[3] = {0.1f, 0, -0.1f};
	constant_network(bias, SM_STANDARDISE_NONE);
	change(to_steep);
	for (unsigned mirror = 1; mirror < 8; mirror += mirror < 4 ? mirror : 3)
		assert_true(gap_of(mirror, NULL, 0) > 1e-4);
	change(to_symmetric);
	for (unsigned mirror = 1; mirror < 8; mirror += mirror < 4 ? mirror : 3)
		assert_true(gap_of(mirror, NULL, 0) < 1e-5);
}

static void test_an_ensemble_of_one_network_is_that_network(void **state)
{
	(void)state;
	const float bias[3] = {0.1f, 0, -0.1f};
	constant_network(bias, SM_STANDARDISE_NONE);
	change(to_steep);
	assert_true(gap_of(0, path, 1) < 1e-6);
	assert_true(gap_of(0, path, 4) < 1e-6);
}

static void test_members_of_an_ensemble_must_be_alike(void **state)
{
	(void)state;
	char first[] = "/tmp/sm_infer_XXXXXX";
	const float bias[3] = {0.5f, 1, 0}, other[3] = {-0.5f, 1, 2};
	const int64_t dim[3] = {16, 8, 8};
	struct sm_infer f;
	struct sm_vol image = image_of(dim), prob;
	constant_network(bias, SM_STANDARDISE_NONE);
	int fd = mkstemp(first);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rename(path, first), 0);
	constant_network(other, SM_STANDARDISE_NONE);
	assert_good(sm_infer_open(&f, first, 1, 1, NULL, &err), err);
	assert_good(sm_infer_add(&f, path, NULL, &err), err);
	f.overlap = 0.5;
	assert_good(sm_infer_volume(&f, &image, NULL, &prob, &err), err);
	for (int c = 0; c < 3; c++) {
		double want =
			0.5 / (1 + exp(-(double)bias[c])) + 0.5 / (1 + exp(-(double)other[c]));
		assert_true(fabs((double)((float *)prob.data)[c * 1024] - want) < 1e-6);
	}
	constant_network(other, SM_STANDARDISE_TILE);
	assert_refused(sm_infer_add(&f, path, NULL, &err), SM_INPUT, err,
		       "has another standardise than the first checkpoint");
	sm_infer_close(&f);
	sm_vol_clear(&prob);
	sm_vol_clear(&image);
	unlink(first);
}

static void to_nan(const struct sm_param *p, float *w)
{
	if (strcmp(p->name, "head.bias") == 0)
		w[1] = NAN;
}

static void test_nan_of_the_network_is_told(void **state)
{
	(void)state;
	const float bias[3] = {0};
	const int64_t dim[3] = {30, 20, 17};
	struct sm_vol image = image_of(dim), prob;
	struct sm_infer f;
	constant_network(bias, SM_STANDARDISE_NONE);
	change(to_nan);
	for (unsigned mirror = 0; mirror < 2; mirror++) {
		assert_good(sm_infer_open(&f, path, 1, 1, NULL, &err), err);
		f.mirror = mirror;
		assert_refused(
			sm_infer_volume(&f, &image, NULL, &prob, &err), SM_INPUT, err,
			"the network's output is NaN or infinite in the window at voxel 0, 0, 0");
		sm_infer_close(&f);
	}
	sm_vol_clear(&image);
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
		{"unet3d", 16, 4096, 64, {4096, 4096, 4096}},
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
		assert_good(sm_infer_open(&f, path, 1, 1, NULL, &err), err);
		assert_good(sm_checkpoint_open(path, &c, &err), err);
		snprintf(c.model, sizeof c.model, "%s", absurd[i].model);
		c.width = absurd[i].width;
		c.in_channels = absurd[i].in_channels;
		assert_good(sm_task_classes(&c.task, absurd[i].classes, false, &err), err);
		memcpy(c.size, absurd[i].size, sizeof c.size);
		assert_good(sm_checkpoint_write(path, f.net, &c, NULL, &err), err);
		sm_infer_close(&f);
		sm_mem_init(&mem, (size_t)1 << 30);
		enum sm_status st = sm_infer_open(&f, path, 1, 1, &mem, &err);
		/* The file says how many weights there are: most are refused by that. */
		assert_true(st == SM_BUDGET || st == SM_USAGE || st == SM_INPUT);
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
	struct sm_way_back way = {.dim = {5, 2, 3},
				  .way = {{1, 0, 0, -1}, {0, 1, 0, 1}, {0, 0, 1, 0}},
				  .pairs = pairs,
				  .pair_count = 1};
	struct sm_vol prob, out, map;
	uint8_t original[256];
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
	placed(&prob, &way, 0.5, 1, &out, &map);
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
				assert_int_equal(original[l[(z * 2 + y) * 5 + x]], want);
			}
	const float *q = map.data;
	assert_true(q[1] == 0.6f && q[0] == 0 && q[30 + (1 * 2 + 1) * 5 + 4] == 0.8f);
	assert_true(q[(2 * 2 + 0) * 5 + 2] == 0); /* behind the preprocessed grid */
	sm_vol_clear(&prob);
	sm_vol_clear(&out);
	sm_vol_clear(&map);
}

static void test_a_source_that_lies_outside_stays_empty(void **state)
{
	(void)state;
	const int64_t dim[4] = {4, 4, 4, 1};
	struct sm_way_back way = {.dim = {3, 3, 3},
				  .way = {{1, 0, 0, 10}, {0, 1, 0, -20}, {0, 0, 1, 0}}};
	struct sm_vol prob, out, map;
	assert_good(sm_vol_init(&prob, dim, SM_F32, NULL, "prob", &err), err);
	for (size_t i = 0; i < 64; i++)
		((float *)prob.data)[i] = 1;
	placed(&prob, &way, 0.5, 4, &out, &map);
	for (size_t i = 0; i < 27; i++)
		assert_true(((float *)map.data)[i] == 0 && ((uint8_t *)out.data)[i] == 0);
	sm_vol_clear(&map);
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
		cmocka_unit_test(test_blending_of_an_identity_is_exact),
		cmocka_unit_test(test_mirrors_of_a_symmetric_network_change_nothing),
		cmocka_unit_test(test_an_ensemble_of_one_network_is_that_network),
		cmocka_unit_test(test_members_of_an_ensemble_must_be_alike),
		cmocka_unit_test(test_nan_of_the_network_is_told),
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
