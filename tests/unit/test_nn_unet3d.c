/* SPDX-License-Identifier: Apache-2.0 */
/* UNet3D and the net as a whole: parameter counts, memory forecast against resident memory, budget,
 * seeds, checkpoints' state, partial batches. PyTorch's numbers are in test_models.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "train/models/models.h"
#include "train/nn/net.h"

/* Wang's hash. */
static float hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static struct sm_model_opt small_opt(int batch)
{
	struct sm_model_opt o = sm_model_default();
	o.batch = batch;
	o.d = 8;
	o.h = o.w = 16;
	o.width = 0.125;
	return o;
}

static struct sm_net *make(const struct sm_model_opt *o, bool train, int threads,
			   struct sm_mem *mem, struct sm_err *err)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {.train = train, .threads = threads, .optim = train ? &adam : NULL};
	if (sm_model_build("unet3d", o, g, &heads, err) == SM_OK && train)
		sm_g_loss(g, &(struct sm_loss_opt){.name = "soft_dice"}, &heads);
	if (sm_net_plan(g, &opt, &net, err) != SM_OK)
		return NULL;
	if (sm_net_alloc(net, mem, err) != SM_OK) {
		sm_net_free(net);
		return NULL;
	}
	sm_net_init(net, 7);
	return net;
}

/* Weights, input and target of the hash; targets only where the net has one. */
static void fill(struct sm_net *net)
{
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	float *w = sm_net_weights(net);
	for (size_t i = 0; i < count; i++) {
		double fan = (double)p[i].shape[1] * p[i].shape[2] * p[i].shape[3] * p[i].shape[4];
		float scale = (float)(p[i].rank > 1 ? sqrt(6.0 / fan) : 0.05);
		for (size_t k = p[i].offset; k < p[i].offset + p[i].count; k++)
			w[k] = (hashed((uint32_t)k) * 2 - 1) * scale;
	}
	sm_net_touch(net);
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s), *t;
	size_t n = (size_t)s.d * s.h * s.w;
	float *first = malloc(n * 4 * sizeof *first);
	for (int b = 0; b < s.n; b++) {
		for (size_t i = 0; i < 4 * n; i++)
			first[i] = hashed((uint32_t)(10000000 + b * 4 * n + i)) * 4 - 2;
		sm_to_channels_last(first, 4, n, x + b * 4 * n);
	}
	t = sm_net_buffer(net, "target", NULL);
	for (int b = 0; t && b < s.n; b++) {
		for (size_t i = 0; i < 3 * n; i++)
			first[i] =
			    hashed((uint32_t)(20000000 + b * 3 * n + i)) < 0.3f ? 1.0f : 0.0f;
		sm_to_channels_last(first, 3, n, t + b * 3 * n);
	}
	free(first);
}

static double step(struct sm_net *net, uint64_t i)
{
	double loss = 0;
	struct sm_err err = {0};
	if (sm_net_step(net, i, &loss, &err) != SM_OK)
		fail_msg("%s", err.text);
	return loss;
}

static void update(struct sm_net *net, double lr)
{
	struct sm_err err = {0};
	if (sm_net_update(net, lr, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
}

/* Counted by hand: 27 in out + out for each 3x3x3 layer, 64 * 3 + 3 for the head. */
static void test_full_width_parameter_count(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(1);
	o.width = 1;
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	assert_int_equal(sm_model_build("unet3d", &o, g, &heads, &err), SM_OK);
	struct sm_shape p = sm_graph_shape(g, heads.prob);
	assert_true(p.n == 1 && p.d == 8 && p.h == 16 && p.w == 16 && p.c == 3);
	struct sm_net_opt opt = {.threads = 1};
	struct sm_net *net = NULL;
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_weight_count(net), 16318307);
	size_t count;
	const struct sm_param *q = sm_net_params(net, &count);
	assert_int_equal(count, 30);
	assert_string_equal(q[16].name, "dec2.conv1.weight");
	assert_int_equal(q[16].shape[1], 768);
	sm_net_free(net);
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory is resident too */
/* Resident bytes of this process. */
static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long total = 0, pages = 0;
	if (f && fscanf(f, "%ld %ld", &total, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* In a child of its own, so that memory of other tests does not count. */
static void test_forecast_is_what_is_used(void **state)
{
	(void)state;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct sm_err err = {0};
		struct sm_model_opt o = small_opt(2);
		o.d = 16;
		o.h = o.w = 96;
		o.width = 0.25;
		struct sm_net *net = make(&o, true, 1, NULL, &err);
		if (!net)
			_exit(1);
		fill(net);
		step(net, 0);
		update(net, 1e-3);
		double used = resident(), want = (double)sm_net_forecast(net).total;
		bool good = fabs(used / want - 1) < 0.1;
		if (!good)
			fprintf(stderr, "resident %.1f MiB, forecast %.1f MiB\n", used / 1048576,
				want / 1048576);
		_exit(good ? 0 : 2);
	}
	int status = 0;
	assert_true(pid > 0);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static void count_line(void *ctx, const char *line)
{
	int *lines = ctx;
	assert_non_null(strstr(line, ": portable (c)"));
	++*lines;
}

static struct sm_net *planned(const char *model, const struct sm_model_opt *o, const char *kernel,
			      bool train)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	const struct sm_net_opt opt = {.train = train, .threads = 2, .kernel = kernel};
	if (sm_model_build(model, o, g, &heads, &err) == SM_OK && train)
		sm_g_loss(g, &(struct sm_loss_opt){.name = "soft_dice", .softmax = o->softmax},
			  &heads);
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK)
		fail_msg("%s: %s", model, err.text);
	return net;
}

/* Which kernel runs what, and the passes that none is made for: of plain loops alone all of them,
 * the largest by name. */
static void test_slow_passes_are_named(void **state)
{
	(void)state;
	const struct sm_model_opt o = small_opt(1);
	char text[1000], little[20];
	for (int train = 0; train < 2; train++) {
		int lines = 0, convolutions = 0;
		struct sm_net *net = planned("unet3d", &o, "portable", train);
		for (size_t i = 0; i < sm_net_layers(net); i++)
			convolutions += sm_net_profile(net, i).kernel[SM_FORWARD][0] != 0;
		sm_net_tell_kernels(net, count_line, &lines);
		/* The first layer's input wants no gradient. */
		assert_int_equal(lines, train ? 3 * convolutions - 1 : convolutions);
		assert_true(fabs(sm_net_slow(net, text, sizeof text) - 1) < 1e-9);
		assert_non_null(strstr(text, "dec0.conv1 (conv 3x3x3 stride 1x1x1, 1x8x16x16x24 to "
					     "1x8x16x16x8), forward; "));
		assert_non_null(strstr(text, train ? "; and 40 more" : "; and 11 more"));
		sm_net_slow(net, little, sizeof little);
		assert_int_equal(strncmp(little, text, sizeof little - 1), 0);
		sm_net_free(net);
	}
}

#ifdef __x86_64__
/* No network of ours leaves work worth a word to plain loops, however narrow it is. */
static void test_no_network_is_slow(void **state)
{
	(void)state;
	static const double width[] = {1, 0.5, 0.25, 0.125, 0.0625};
	char text[1000];
	for (size_t m = 0; sm_model_at(m); m++)
		for (size_t w = 0; w < sizeof width / sizeof *width; w++) {
			const char *name = sm_model_at(m)->name;
			struct sm_model_opt o = sm_model_default();
			const bool flat = strcmp(name, "unet2d") == 0;
			o.d = flat ? 1 : 16;
			o.h = o.w = 64;
			o.softmax = flat;
			o.channels = flat ? 4 : 3;
			o.width = width[w];
			if (sm_model_check(name, &o, NULL) != SM_OK)
				continue;
			struct sm_net *net = planned(name, &o, NULL, true);
			const double share = sm_net_slow(net, text, sizeof text);
			if (share >= 0.01)
				fail_msg("%s at width %g: %g: %s", name, width[w], share, text);
			sm_net_free(net);
		}
}
#endif

static void test_budget_refuses_before_allocating(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_mem mem;
	struct sm_model_opt o = small_opt(8);
	o.d = 16;
	o.h = o.w = 160;
	sm_mem_init(&mem, (size_t)300 << 20);
	assert_null(make(&o, true, 1, &mem, &err));
	assert_int_equal(err.code, SM_BUDGET);
	assert_non_null(strstr(err.text, "batch 8 needs"));
	assert_non_null(strstr(err.text, "largest batch that fits is about"));
	assert_int_equal(atomic_load(&mem.peak), 0);
}

/* The arena of training is far below the sum of its blocks, that of inference below training's. */
static void test_arena_reuses_memory(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(1);
	struct sm_net *train = make(&o, true, 1, NULL, &err),
		      *infer = make(&o, false, 1, NULL, &err);
	struct sm_forecast t = sm_net_forecast(train), i = sm_net_forecast(infer);
	assert_true(t.arena * 10 < t.unplanned * 7);
	assert_true(i.arena * 2 < t.arena);
	sm_net_free(train);
	sm_net_free(infer);
}

static void run_forward(struct sm_net *net)
{
	struct sm_err err = {0};
	if (sm_net_forward(net, &err) != SM_OK)
		fail_msg("%s", err.text);
}

/* Inference plan, training plan in eval, and inference after changed weights: the same outputs. */
static void test_inference_equals_training_forward(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(2);
	struct sm_net *a = make(&o, true, 2, NULL, &err), *b = make(&o, false, 2, NULL, &err);
	size_t n = (size_t)2 * 8 * 16 * 16 * 3;
	fill(a);
	run_forward(b); /* packs the first weights */
	fill(b);
	run_forward(a);
	run_forward(b);
	assert_memory_equal(sm_net_buffer(a, "p", NULL), sm_net_buffer(b, "p", NULL),
			    n * sizeof(float));
	double loss = 0, step_loss = step(a, 0);
	assert_int_equal(sm_net_eval(a, &loss, &err), SM_OK);
	assert_true(loss == step_loss);
	sm_net_free(a);
	sm_net_free(b);
}

static void test_repeated_runs_have_the_same_bits(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(2);
	struct sm_net *a = make(&o, true, 2, NULL, &err), *b = make(&o, true, 2, NULL, &err);
	size_t n = sm_net_weight_count(a) * sizeof(float);
	fill(a);
	fill(b);
	for (uint64_t i = 0; i < 3; i++) {
		step(a, i);
		update(a, 1e-3);
	}
	/* b stops after two updates and goes on in a fresh net, as after a resume. */
	for (uint64_t i = 0; i < 2; i++) {
		step(b, i);
		update(b, 1e-3);
	}
	struct sm_net *c = make(&o, true, 2, NULL, &err);
	fill(c);
	memcpy(sm_net_weights(c), sm_net_weights(b), n);
	for (int k = 0; sm_net_optim_array(b, k, NULL); k++)
		memcpy(sm_net_optim_array(c, k, NULL), sm_net_optim_array(b, k, NULL), n);
	*sm_net_optim_steps(c) = *sm_net_optim_steps(b);
	sm_net_touch(c);
	step(c, 2);
	update(c, 1e-3);
	assert_memory_equal(sm_net_weights(a), sm_net_weights(c), n);
	sm_net_free(a);
	sm_net_free(b);
	sm_net_free(c);
}

static void test_threads_do_not_change_training(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(2);
	struct sm_net *net[3];
	for (int k = 0; k < 3; k++) {
		net[k] = make(&o, true, k + 1, NULL, &err);
		fill(net[k]);
	}
	for (uint64_t i = 0; i < 3; i++) {
		double loss = step(net[0], i);
		update(net[0], 1e-3);
		for (int k = 1; k < 3; k++) {
			assert_true(step(net[k], i) == loss);
			update(net[k], 1e-3);
		}
	}
	for (int k = 1; k < 3; k++)
		assert_memory_equal(sm_net_weights(net[0]), sm_net_weights(net[k]),
				    sm_net_weight_count(net[0]) * sizeof(float));
	for (int k = 0; k < 3; k++)
		sm_net_free(net[k]);
}

/* Wherever a value is not finite, in a weight of any layer or in the input, the loss is not finite
 * in validation, and loss or gradient in training: that is what stops the fit loop. */
static void test_not_finite_values_reach_the_loss(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(1);
	struct sm_net *net = make(&o, true, 2, NULL, &err);
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i <= count; i++) {
		double loss = 0;
		fill(net);
		/* The middle tap: the bottom's first ones see only padding. */
		int tap = i < count && p[i].rank > 1
				  ? p[i].shape[2] * p[i].shape[3] * p[i].shape[4] / 2
				  : 0;
		if (i < count)
			sm_net_weights(net)[p[i].offset + tap] = NAN;
		else
			sm_net_buffer(net, "x", NULL)[4321] = NAN;
		sm_net_touch(net);
		assert_int_equal(sm_net_eval(net, &loss, &err), SM_OK);
		if (isfinite(loss))
			fail_msg("NaN in %s is not seen", i < count ? p[i].name : "x");
		assert_false(isfinite(step(net, 0)));
	}
	fill(net);
	sm_net_buffer(net, "x", NULL)[4321] = INFINITY;
	if (isfinite(step(net, 0)))
		assert_int_equal(sm_net_update(net, 1e-3, NULL, &err), SM_INPUT);
	sm_net_free(net);
}

/* A batch of 2 of which 1 counts has the loss and gradient of that one alone. */
static void test_partial_batch(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o1 = small_opt(1), o2 = small_opt(2);
	struct sm_net *one = make(&o1, true, 1, NULL, &err), *two = make(&o2, true, 1, NULL, &err);
	fill(one);
	fill(two);
	double whole = step(two, 0);
	sm_net_set_valid(two, 1);
	double a = step(one, 0), b = step(two, 0);
	assert_true(a == b && a != whole);
	assert_true(a == two->sample[0]);
	const float *p = sm_net_gradients(one), *q = sm_net_gradients(two);
	for (size_t i = 0; i < sm_net_weight_count(one); i++)
		assert_true(fabsf(p[i] - q[i]) <= 1e-6f + 1e-4f * fabsf(p[i]));
	sm_net_free(one);
	sm_net_free(two);
}

static void test_initial_weights_follow_seed_and_name(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(1);
	o.width = 0.5;
	struct sm_net *a = make(&o, false, 1, NULL, &err), *b = make(&o, false, 2, NULL, &err);
	size_t count, bytes = sm_net_weight_count(a) * sizeof(float);
	assert_memory_equal(sm_net_weights(a), sm_net_weights(b), bytes);
	sm_net_init(b, 8);
	assert_memory_not_equal(sm_net_weights(a), sm_net_weights(b), bytes);
	const struct sm_param *p = sm_net_params(a, &count);
	for (size_t i = 0; i < count; i++) {
		const float *w = sm_net_weights(a) + p[i].offset;
		double s = 0,
		       fan = (double)p[i].shape[1] * p[i].shape[2] * p[i].shape[3] * p[i].shape[4];
		for (size_t k = 0; k < p[i].count; k++)
			s += (double)w[k] * (double)w[k];
		if (p[i].rank == 1)
			assert_true(s == 0);
		else if (p[i].count > 10000)
			assert_true(fabs(s / (double)p[i].count * fan / 2 - 1) < 0.05);
	}
	sm_net_free(a);
	sm_net_free(b);
}

static void test_clipping_and_sgd(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_model_opt o = small_opt(1);
	float *moved[2];
	double norm = 0;
	for (int clip = 0; clip < 2; clip++) {
		struct sm_graph *g = sm_graph_create();
		struct sm_heads h;
		struct sm_net *net = NULL;
		struct sm_optim sgd = sm_optim_default("sgd");
		sgd.clip_norm = clip ? norm / 4 : 0;
		struct sm_net_opt opt = {.train = true, .threads = 2, .optim = &sgd};
		assert_int_equal(sm_model_build("unet3d", &o, g, &h, &err), SM_OK);
		sm_g_loss(g, &(struct sm_loss_opt){.name = "dice_bce"}, &h);
		assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
		assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
		fill(net);
		size_t n = sm_net_weight_count(net);
		moved[clip] = malloc(n * sizeof(float));
		memcpy(moved[clip], sm_net_weights(net), n * sizeof(float));
		step(net, 0);
		assert_int_equal(sm_net_update(net, 0.5, &norm, &err), SM_OK);
		for (size_t i = 0; i < n; i++)
			moved[clip][i] -= sm_net_weights(net)[i];
		for (size_t i = 0; clip && i < n; i++)
			assert_true(fabsf(moved[0][i] - 4 * moved[1][i]) < 2e-6f);
		for (size_t i = 0; !clip && i < n; i++)
			assert_true(fabsf(moved[0][i] - 0.5f * sm_net_gradients(net)[i]) < 1e-6f);
		sm_net_free(net);
	}
	free(moved[0]);
	free(moved[1]);
}

static void refused(const char *name, struct sm_model_opt o, const char *words)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_err err = {0};
	assert_int_equal(sm_model_build(name, &o, g, &heads, &err), SM_USAGE);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	sm_graph_free(g);
}

static void test_model_options_are_checked(void **state)
{
	(void)state;
	struct sm_model_opt o = small_opt(1);
	refused("unet4d", o, "unknown; known are unet3d");
	o.d = 12;
	refused("unet3d", o, "input size D is 12, must be a multiple of 8");
	o = small_opt(1);
	o.width = NAN;
	refused("unet3d", o, "width");
	o = small_opt(0);
	refused("unet3d", o, "batch 0");
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(test_forecast_is_what_is_used),
#endif
	    cmocka_unit_test(test_full_width_parameter_count),
	    cmocka_unit_test(test_slow_passes_are_named),
#ifdef __x86_64__
	    cmocka_unit_test(test_no_network_is_slow),
#endif
	    cmocka_unit_test(test_budget_refuses_before_allocating),
	    cmocka_unit_test(test_arena_reuses_memory),
	    cmocka_unit_test(test_inference_equals_training_forward),
	    cmocka_unit_test(test_repeated_runs_have_the_same_bits),
	    cmocka_unit_test(test_threads_do_not_change_training),
	    cmocka_unit_test(test_not_finite_values_reach_the_loss),
	    cmocka_unit_test(test_partial_batch),
	    cmocka_unit_test(test_initial_weights_follow_seed_and_name),
	    cmocka_unit_test(test_clipping_and_sgd),
	    cmocka_unit_test(test_model_options_are_checked),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_unet3d", tests, NULL, NULL);
}
