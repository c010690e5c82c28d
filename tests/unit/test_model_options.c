/* SPDX-License-Identifier: Apache-2.0 */
/* Options and sizes of the networks: what each takes builds, runs and says what it is; what it does
 * not have is refused with a sentence. nnU-Net's rule of levels against its own numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "train/models/models.h"
#include "train/nn/nn.h"

static const char *const norms[] = {"none", "batch", "instance", "depth"};
static const char *const acts[] = {"relu", "leaky_relu", "prelu"};

/* The smallest input that every network takes with more than one voxel at its bottom. */
static struct sm_model_opt small(const char *model)
{
	struct sm_model_opt o = sm_model_default();
	bool flat = strcmp(model, "unet2d") == 0;
	o.in_channels = 2;
	o.d = flat ? 1 : 16;
	o.h = 16;
	o.w = 32;
	o.width = 0.125;
	return o;
}

static int build(const char *model, const struct sm_model_opt *o, struct sm_graph **g,
		 struct sm_heads *heads, struct sm_err *err)
{
	*g = sm_graph_create();
	assert_non_null(*g);
	return sm_model_build(model, o, *g, heads, err);
}

/* Plans, runs one training step and checks that loss and outputs are numbers. Returns the number
 * of parameters. */
static size_t run(const char *model, const struct sm_model_opt *o, double *loss)
{
	struct sm_graph *g;
	struct sm_heads heads;
	struct sm_err err = {0};
	struct sm_net *net = NULL;
	struct sm_shape s;
	struct sm_net_opt opt = {.train = true, .threads = 1, .seed = 3};
	assert_good(build(model, o, &g, &heads, &err), err);
	sm_g_loss(g, &(struct sm_loss_opt){.name = "soft_dice", .softmax = o->softmax}, &heads);
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 5);
	float *x = sm_net_buffer(net, "x", &s);
	for (size_t i = 0; i < sm_shape_count(s); i++)
		x[i] = sinf((float)i * 1.7f);
	float *t = sm_net_buffer(net, "target", &s);
	for (size_t i = 0; i < sm_shape_count(s); i++)
		t[i] = i % 3 == 0;
	assert_good(sm_net_step(net, 0, loss, &err), err);
	assert_true(isfinite(*loss) && *loss > 0);
	const float *p = sm_net_buffer(net, "p", &s);
	assert_true(s.n == o->batch && s.d == o->d && s.h == o->h && s.w == o->w &&
		    s.c == o->channels);
	for (int c = 0, n = s.c; c < n; c++)
		assert_true(p[c] >= 0 && p[c] <= 1);
	if (o->softmax)
		assert_true(fabsf(p[0] + p[1] + p[2] - 1) < 1e-5f);
	size_t count = sm_net_weight_count(net);
	sm_net_free(net);
	return count;
}

static bool has(const char *list, const char *word)
{
	const char *at = strstr(list, word);
	size_t n = strlen(word);
	/* relu stands inside leaky_relu and prelu */
	while (at && ((at > list && at[-1] != '|') || (at[n] && at[n] != '|')))
		at = strstr(at + 1, word);
	return at;
}

static void refused(const char *model, const struct sm_model_opt *o, const char *part)
{
	struct sm_graph *g;
	struct sm_heads heads;
	struct sm_err err = {0}, checked = {0};
	assert_refused(build(model, o, &g, &heads, &err), SM_USAGE, err, part);
	assert_int_equal(sm_model_check(model, o, &checked), SM_USAGE);
	assert_string_equal(checked.text, err.text);
	sm_graph_free(g);
}

static void test_each_norm_runs_or_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; sm_model_at(i); i++) {
		const struct sm_model *m = sm_model_at(i);
		struct sm_model_opt o = small(m->name);
		double own, loss;
		size_t params = run(m->name, &o, &own), none = 0;
		for (size_t k = 0; k < 4; k++) {
			o.norm = norms[k];
			if (!has(m->norms, norms[k])) {
				refused(m->name, &o, "norm \"");
				continue;
			}
			size_t n = run(m->name, &o, &loss);
			if (k == 0)
				none = n;
			else
				assert_true(n != none);
			/* The first choice is what "auto" is. */
			if (strncmp(m->norms, norms[k], strlen(norms[k])) == 0)
				assert_true(n == params && loss == own);
		}
	}
}

static void test_each_activation_runs_or_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; sm_model_at(i); i++) {
		const struct sm_model *m = sm_model_at(i);
		struct sm_model_opt o = small(m->name);
		double loss[3];
		o.softmax = true;
		o.dropout = m->dropout < 0 ? -1 : 0;
		for (size_t k = 0; k < 3; k++) {
			o.activation = acts[k];
			if (has(m->activations, acts[k]))
				run(m->name, &o, &loss[k]);
			else
				refused(m->name, &o, "activation \"");
		}
		assert_true(loss[0] != loss[1] && loss[1] != loss[2]);
	}
}

static void test_dropout_is_the_models_own_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; sm_model_at(i); i++) {
		const struct sm_model *m = sm_model_at(i);
		struct sm_model_opt o = small(m->name);
		double own, same, none, loss;
		run(m->name, &o, &own);
		o.dropout = 0;
		run(m->name, &o, &none);
		assert_true((own != none) == (m->dropout > 0));
		o.dropout = 0.5;
		if (m->dropout < 0) {
			refused(m->name, &o, "dropout 0.5, but it has none");
			continue;
		}
		run(m->name, &o, &loss);
		assert_true(loss != own && loss != none);
		o.dropout = m->dropout;
		run(m->name, &o, &same);
		assert_true(same == own);
		o.dropout = 1;
		refused(m->name, &o, "dropout 1, must be below 1");
	}
}

static void test_deep_supervision(void **state)
{
	(void)state;
	for (size_t i = 0; sm_model_at(i); i++) {
		const struct sm_model *m = sm_model_at(i);
		struct sm_model_opt o = small(m->name);
		struct sm_graph *g;
		struct sm_heads heads;
		struct sm_err err = {0};
		o.deep_supervision = 1;
		if (m->deep_supervision < 0) {
			refused(m->name, &o, "deep_supervision is asked for, but it has none");
			continue;
		}
		assert_good(build(m->name, &o, &g, &heads, &err), err);
		assert_int_equal(heads.count, 2);
		for (int h = 1; h < heads.count; h++) {
			struct sm_shape a = sm_graph_shape(g, heads.logits[h - 1]),
					b = sm_graph_shape(g, heads.logits[h]);
			assert_true(b.w * 2 == a.w && b.c == a.c);
		}
		sm_graph_free(g);
		o.deep_supervision = 0;
		assert_good(build(m->name, &o, &g, &heads, &err), err);
		assert_int_equal(heads.count, 1);
		sm_graph_free(g);
	}
}

static void test_sizes_that_do_not_fit(void **state)
{
	(void)state;
	struct sm_model_opt o = small("unet3d");
	o.d = 12;
	refused("unet3d", &o,
		"input size D is 12, must be a multiple of 8; the nearest are 8 and 16");
	refused("vnet", &o, "must be a multiple of 16; the nearest is 16");
	o.d = 0;
	refused("resunet3d", &o, "input size D is 0, must be a multiple of 8; the nearest is 8");
	o = small("unet2d");
	o.w = 250;
	refused("unet2d", &o,
		"input size W is 250, must be a multiple of 16; the nearest are 240 and 256");
	o = small("vnet_paper");
	o.in_channels = 3;
	refused("vnet_paper", &o, "3 input channels");
	o.in_channels = 4; /* more than the first stage has at this width */
	refused("vnet_paper", &o, "train.width 0.125 gives 2 channels to its first stage, ");
	refused("vnet_paper", &o, "of the 4 input channels fill; the nearest widths are 0.25");
	o.width = 0.6;
	refused("vnet_paper", &o, "the nearest widths are 0.5 and 0.75");

	o = small("unet3d");
	o.width = NAN;
	refused("unet3d", &o, "width");
	o = small("unet3d");
	o.batch = 0;
	refused("unet3d", &o, "batch 0");
	refused("unet4d", &o, "unknown; known are unet3d, resunet3d, vnet,");
	o = small("unet3d");
	o.norm = "group";
	refused("unet3d", &o, "norm \"group\", allowed are none|batch|instance|depth");
}

/* Levels fit each other at every width: each channel count is a multiple of the first one's. */
static void test_widths(void **state)
{
	static const double widths[] = {1.0 / 64, 0.03, 0.09, 0.1, 0.2, 0.3, 0.7};
	double loss;
	(void)state;
	for (size_t m = 0; sm_model_at(m); m++)
		for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
			struct sm_model_opt o = small(sm_model_at(m)->name);
			struct sm_graph *g;
			struct sm_heads heads;
			struct sm_err err = {0};
			o.width = widths[i];
			o.in_channels = 1;
			if (i < 4)
				assert_true(run(sm_model_at(m)->name, &o, &loss) > 0);
			else if (build(sm_model_at(m)->name, &o, &g, &heads, &err) != SM_OK)
				assert_non_null(strstr(err.text, "the nearest widths are"));
			if (i >= 4)
				sm_graph_free(g);
		}
}

static void test_nnunet_sizes(void **state)
{
	(void)state;
	struct sm_model_opt o = small("nnunet3d");
	struct sm_err err = {0};
	o.h = 161;
	o.w = 32;
	refused("nnunet3d", &o,
		"input size H is 161, must be divisible as often as it is halved, by 16; the "
		"nearest "
		"are 160 and 176");
	o.h = 7; /* too small to be halved at all */
	assert_good(sm_model_check("nnunet3d", &o, &err), err);
	o.h = 9;
	refused("nnunet3d", &o, "by 2; the nearest are 8 and 10");
}

/* Widths and kernel of a level of the way down. */
static void level_is(struct sm_net *net, int level, int kd, int kh, int kw, int channels)
{
	char name[32];
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	snprintf(name, sizeof name, "enc%d.conv2.weight", level);
	for (size_t i = 0; i < count; i++)
		if (strcmp(p[i].name, name) == 0) {
			if (p[i].shape[0] != channels || p[i].shape[2] != kd ||
			    p[i].shape[3] != kh || p[i].shape[4] != kw)
				fail_msg("%s is %dx%dx%dx%dx%d", name, p[i].shape[0], p[i].shape[1],
					 p[i].shape[2], p[i].shape[3], p[i].shape[4]);
			return;
		}
	fail_msg("no %s", name);
}

/* Strides between level and level + 1, which are the kernel on the way back up. */
static void up_is(struct sm_net *net, int level, int sd, int sh, int sw)
{
	char name[32];
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	snprintf(name, sizeof name, "up%d.weight", level);
	for (size_t i = 0; i < count; i++)
		if (strcmp(p[i].name, name) == 0) {
			assert_true(p[i].shape[2] == sd && p[i].shape[3] == sh &&
				    p[i].shape[4] == sw);
			return;
		}
	assert_int_equal(sd, 0); /* 0: there is no such level */
}

static struct sm_net *nnunet(int d, int h, int w, double sd, double sh, double sw)
{
	struct sm_model_opt o = sm_model_default();
	struct sm_graph *g;
	struct sm_heads heads;
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	o.d = d;
	o.h = h;
	o.w = w;
	o.width = 1.0 / 32;
	o.spacing[0] = sd;
	o.spacing[1] = sh;
	o.spacing[2] = sw;
	assert_good(build("nnunet3d", &o, &g, &heads, &err), err);
	assert_good(sm_net_plan(g, &(struct sm_net_opt){.threads = 1}, &net, &err), err);
	return net;
}

/* As nnU-Net's own get_pool_and_conv_props answers for these. */
static void test_nnunet_levels(void **state)
{
	(void)state;
	/* Hippocampus' 40x56x40: 3 poolings, 5 voxels left. */
	struct sm_net *net = nnunet(40, 56, 40, 1, 1, 1);
	for (int l = 0; l < 3; l++)
		up_is(net, l, 2, 2, 2);
	up_is(net, 3, 0, 0, 0);
	level_is(net, 3, 3, 3, 3, 8);
	sm_net_free(net);
	/* 16x160x160 at 1 mm: depth stops at 4, rows and columns go on to 5. */
	net = nnunet(16, 160, 160, 0, 0, 0);
	up_is(net, 0, 2, 2, 2);
	up_is(net, 1, 2, 2, 2);
	for (int l = 2; l < 5; l++)
		up_is(net, l, 1, 2, 2);
	up_is(net, 5, 0, 0, 0);
	level_is(net, 0, 3, 3, 3, 1);
	level_is(net, 5, 3, 3, 3, 10);
	sm_net_free(net);
	/* Prostate's 20x320x256 at 3.6x0.6x0.6 mm: flat kernels and poolings first. */
	net = nnunet(16, 320, 256, 3.6, 0.6, 0.6);
	level_is(net, 0, 1, 3, 3, 1);
	level_is(net, 1, 1, 3, 3, 2);
	level_is(net, 2, 3, 3, 3, 4);
	up_is(net, 0, 1, 2, 2);
	up_is(net, 1, 1, 2, 2);
	up_is(net, 2, 2, 2, 2);
	up_is(net, 3, 2, 2, 2);
	up_is(net, 4, 1, 2, 2);
	sm_net_free(net);
}

#define SLICES 4
#define SLICE 60 /* 3 rows, 4 columns, 5 channels */

/* Depth norm on two samples, the loss a plain sum of squares away from 0: y is what counts. */
static struct sm_net *depth_net(float momentum)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	struct sm_shape s = {2, SLICES, 3, 4, 5};
	int y = sm_g_depth_norm(g, sm_g_input(g, "x", s), "n", 1e-3f, momentum);
	sm_g_loss_bce(g, sm_g_output(g, y, "y"), sm_g_input(g, "t", s), 1);
	struct sm_net_opt opt = {.train = true, .threads = 1};
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	float *x = sm_net_buffer(net, "x", NULL);
	for (int i = 0; i < 2 * SLICES * SLICE; i++)
		x[i] = sinf((float)i * 0.7f) * (float)(1 + i / SLICE % SLICES) + (float)(i / SLICE);
	return net;
}

static void test_depth_norm_statistics(void **state)
{
	(void)state;
	struct sm_net *net = depth_net(1);
	struct sm_err err = {0};
	double loss;
	float seen[2 * SLICES * SLICE];
	const float *y = sm_net_buffer(net, "y", NULL);
	assert_good(sm_net_step(net, 0, &loss, &err), err);
	memcpy(seen, y, sizeof seen);
	for (int d = 0; d < SLICES; d++) {
		double sum = 0, square = 0;
		for (int n = 0; n < 2; n++)
			for (int i = 0; i < SLICE; i++) {
				double v = (double)y[(n * SLICES + d) * SLICE + i];
				sum += v;
				square += v * v;
			}
		assert_true(fabs(sum / 120) < 1e-5 && fabs(square / 120 - 1) < 4e-3);
	}
	/* Momentum 1: the running values are the last step's, the variance with Bessel's factor. */
	assert_good(sm_net_forward(net, &err), err);
	for (int i = 0; i < 2 * SLICES * SLICE; i++)
		assert_true(fabsf(y[i] - seen[i]) <= 5e-3f * fabsf(seen[i]) + 1e-5f);
	/* A sample that does not count changes nothing of the one that does. */
	sm_net_set_valid(net, 1);
	assert_good(sm_net_step(net, 1, &loss, &err), err);
	memcpy(seen, y, sizeof seen);
	double first = loss;
	float *x = sm_net_buffer(net, "x", NULL);
	for (int i = SLICES * SLICE; i < 2 * SLICES * SLICE; i++)
		x[i] *= -3;
	assert_good(sm_net_step(net, 2, &loss, &err), err);
	assert_true(loss == first);
	assert_memory_equal(y, seen, sizeof seen / 2);
	sm_net_free(net);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_norm_runs_or_is_refused),
		cmocka_unit_test(test_each_activation_runs_or_is_refused),
		cmocka_unit_test(test_dropout_is_the_models_own_or_refused),
		cmocka_unit_test(test_deep_supervision),
		cmocka_unit_test(test_sizes_that_do_not_fit),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_nnunet_sizes),
		cmocka_unit_test(test_nnunet_levels),
		cmocka_unit_test(test_depth_norm_statistics),
	};
	return run_tap(tests);
}
