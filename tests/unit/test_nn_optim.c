/* SPDX-License-Identifier: Apache-2.0 */
/* From gradients to weights: PyTorch's optimisers, moving average, accumulated gradients, and the
 * search for values that are not finite. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/net.h"

#define GOLDEN "tests/golden/optim.txt"
#define S(...) ((struct sm_shape){__VA_ARGS__})
#define CONV(...) ((struct sm_conv){__VA_ARGS__})

enum { WEIGHTS = 15, STEPS = 10 };

/* The hash of scripts/golden_optim.py. */
static float hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static void fill(float *x, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		x[i] = hashed(start + (uint32_t)i) * 2 - 1;
}

static struct sm_net *planned(struct sm_graph *g, const struct sm_optim *o, int threads)
{
	struct sm_net_opt opt = {.train = true, .threads = threads, .optim = o, .seed = 3};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
	sm_net_init(net, 1);
	return net;
}

/* 12 weights and 3 biases, whatever the input. */
static struct sm_net *small(const struct sm_optim *o)
{
	struct sm_graph *g = sm_graph_create();
	int y = sm_g_conv(g, sm_g_input(g, "x", S(1, 1, 2, 2, 4)), "c", CONV(.out = 3));
	sm_g_loss(g, &(struct sm_loss_opt){.name = "bce"},
		  &(struct sm_heads){.logits = {y}, .count = 1});
	struct sm_net *net = planned(g, o, 2);
	assert_int_equal(sm_net_weight_count(net), WEIGHTS);
	return net;
}

static struct sm_optim settings(const char *text, char name[16])
{
	sscanf(text, "%15[^:]", name);
	struct sm_optim o = sm_optim_default(name);
	const char *extra = strchr(text, ':');
	extra = extra ? extra + 1 : "";
	bool decay = strcmp(extra, "decay") == 0, partly = strcmp(extra, "partly") == 0;
	o.weight_decay = decay || partly ? 0.1 : 0;
	o.decay_norm = !partly;
	if (strcmp(text, "sgd:plain") == 0)
		o.momentum = 0;
	o.nesterov = strcmp(extra, "nesterov") == 0 || strcmp(text, "sgd:decay") == 0;
	o.clip_norm = strcmp(extra, "clip") == 0 || strcmp(text, "sgd:decay") == 0 ? 0.7 : 0;
	o.clip_norm = strcmp(extra, "mild") == 0 ? 2.2 : o.clip_norm;
	if (strcmp(extra, "betas") == 0) {
		o.beta1 = 0.8;
		o.beta2 = 0.95;
		o.eps = 1e-3;
	}
	o.ema_decay = 0.5;
	return o;
}

static void same(const char *label, const char *numbers, const float *w)
{
	for (int i = 0; i < WEIGHTS; i++) {
		int used = 0;
		double want;
		if (sscanf(numbers, "%lf%n", &want, &used) != 1)
			fail_msg("bad golden line of %s", label);
		numbers += used;
		if (!(fabs((double)w[i] - want) <= 1e-6 * fabs(want) + 1e-7))
			fail_msg("%s: weight %d is %.9g, PyTorch %.9g", label, i, (double)w[i],
				 want);
	}
}

/* Ten updates by settings; the weights after the first, the last, and their average. */
static void run(const char *label, float w[3][WEIGHTS])
{
	char name[16];
	struct sm_optim o = settings(label, name);
	struct sm_net *net = small(&o);
	struct sm_err err = {0};
	fill(sm_net_weights(net), WEIGHTS, 100);
	memcpy(net->ema, sm_net_weights(net), WEIGHTS * sizeof(float));
	for (int s = 0; s < STEPS; s++) {
		fill(sm_net_gradients(net), WEIGHTS, 1000 * ((uint32_t)s + 1));
		assert_good(sm_net_update(net, 0.01 * (1 - s / 20.0), NULL, &err), err);
		if (s == 0)
			memcpy(w[0], sm_net_weights(net), sizeof w[0]);
	}
	memcpy(w[1], sm_net_weights(net), sizeof w[1]);
	sm_net_ema_swap(net);
	memcpy(w[2], sm_net_weights(net), sizeof w[2]);
	sm_net_ema_swap(net);
	assert_memory_equal(w[1], sm_net_weights(net), sizeof w[1]);
	sm_net_free(net);
}

static void test_updates_equal_pytorch(void **state)
{
	(void)state;
	FILE *f = fopen(GOLDEN, "r");
	char line[512], before[32] = "";
	float w[3][WEIGHTS];
	int lines = 0;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char label[32], when[8];
		int used = 0;
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%31s %7s%n", label, when, &used) != 2)
			fail_msg("bad golden line %s", line);
		if (strcmp(label, before) != 0)
			run(label, w);
		memcpy(before, label, sizeof before);
		same(label, line + used, w[strcmp(when, "1") == 0 ? 0 : when[0] == 'e' ? 2 : 1]);
		lines++;
	}
	fclose(f);
	assert_int_equal(lines, 39);
}

/* A chunk border inside a parameter, and biases without decay between weights with it. */
static void test_decay_keeps_to_its_parameters(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 1, 1, 200));
	x = sm_g_conv(g, x, "a", CONV(.out = 200));
	x = sm_g_prelu(g, sm_g_instance_norm(g, x, "n", 1e-3f), "s");
	x = sm_g_conv(g, x, "b", CONV(.out = 200));
	x = sm_g_conv(g, x, "c", CONV(.out = 3));
	sm_g_loss_bce(g, x, sm_g_input(g, "t", S(1, 1, 1, 1, 3)), 1);
	struct sm_optim o = sm_optim_default("sgd");
	o.weight_decay = 0.5;
	o.decay_norm = false;
	struct sm_net *net = planned(g, &o, 2);
	struct sm_err err = {0};
	size_t count, n = sm_net_weight_count(net);
	assert_true(n > 65536);
	for (size_t i = 0; i < n; i++)
		sm_net_weights(net)[i] = 1;
	memset(sm_net_gradients(net), 0, n * sizeof(float));
	assert_good(sm_net_update(net, 0.5, NULL, &err), err);
	const struct sm_param *p = sm_net_params(net, &count);
	assert_int_equal(count, 9);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < p[i].count; k++)
			assert_true(sm_net_weights(net)[p[i].offset + k] ==
				    (p[i].rank > 1 ? 0.75f : 1.0f));
	sm_net_free(net);
}

/* A little net with norm and two heads for the rest. */
static struct sm_net *net_of(int batch, const struct sm_optim *o)
{
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(batch, 4, 6, 6, 2));
	x = sm_g_conv(g, x, "first", CONV(.out = 5, .k = {3, 3, 3}));
	x = sm_g_leaky_relu(g, sm_g_instance_norm(g, x, "norm", 1e-5f), 0.01f);
	int half = sm_g_conv(g, sm_g_max_pool(g, x, 2, 2, 2), "coarse", CONV(.out = 3));
	int full = sm_g_conv(g, x, "head", CONV(.out = 3, .k = {1, 3, 3}));
	sm_g_loss(g, &(struct sm_loss_opt){.name = "dice_ce", .softmax = true},
		  &(struct sm_heads){.logits = {full, half}, .count = 2});
	return planned(g, o, 2);
}

/* Samples from `first` on. */
static void feed(struct sm_net *net, int first)
{
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s);
	size_t one = sm_shape_count(s) / s.n;
	for (size_t i = 0; i < sm_shape_count(s); i++)
		x[i] = hashed((uint32_t)(first * one + i)) * 2 - 1;
	float *t = sm_net_buffer(net, "target", &s);
	size_t rows = sm_shape_count(s) / s.c, each = rows / s.n;
	for (size_t i = 0; i < rows; i++)
		for (int c = 0; c < 3; c++)
			t[i * 3 + c] =
				c == (int)(hashed((uint32_t)(900000 + first * each + i)) * 3);
}

static double step(struct sm_net *net, bool more)
{
	double loss = 0;
	struct sm_err err = {0};
	assert_good(more ? sm_net_accumulate(net, 0, &loss, &err)
			 : sm_net_step(net, 0, &loss, &err),
		    err);
	return loss;
}

/* 2 + 2 + 1 samples, one of which is in a partial batch, against the five at once. */
static void test_accumulated_gradients_are_those_of_the_big_batch(void **state)
{
	(void)state;
	struct sm_net *big = net_of(5, NULL), *small_net = net_of(2, NULL);
	feed(big, 0);
	double want = step(big, false), got = 0;
	static const int valid[] = {2, 2, 1};
	/* Gradients of an earlier update are gone. */
	feed(small_net, 40);
	step(small_net, false);
	for (int k = 0; k < 3; k++) {
		feed(small_net, 2 * k);
		sm_net_set_valid(small_net, valid[k]);
		got += step(small_net, k > 0) * valid[k] / 5;
	}
	assert_int_equal(sm_net_grad_samples(small_net), 5);
	assert_true(fabs(got - want) <= 1e-6 * want);
	double top = 0;
	for (size_t i = 0; i < sm_net_weight_count(big); i++)
		top = fmax(top, fabs((double)big->grads[i]));
	for (size_t i = 0; i < sm_net_weight_count(big); i++)
		if (!(fabs((double)(big->grads[i] - small_net->grads[i])) <= 2e-6 * top))
			fail_msg("gradient %zu is %g, of the big batch %g", i,
				 (double)small_net->grads[i], (double)big->grads[i]);
	sm_net_free(big);
	sm_net_free(small_net);
}

static void test_average_is_state_of_the_optimiser(void **state)
{
	(void)state;
	struct sm_optim o = sm_optim_default("adamw");
	struct sm_err err = {0};
	struct sm_net *plain = net_of(1, &o);
	o.ema_decay = 0.99;
	struct sm_net *net = net_of(1, &o);
	const char *name;
	double loss;
	size_t n = sm_net_weight_count(net);
	assert_null(sm_net_optim_array(plain, 2, NULL));
	assert_non_null(sm_net_optim_array(net, 2, &name));
	assert_string_equal(name, "ema");
	assert_null(sm_net_optim_array(net, 3, NULL));
	assert_int_equal(sm_net_forecast(net).optim,
			 sm_net_forecast(plain).optim + n * sizeof(float));
	feed(net, 0);
	feed(plain, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(step(net, false) == step(plain, false));
		assert_good(sm_net_update(net, 0.01, NULL, &err), err);
		assert_good(sm_net_update(plain, 0.01, NULL, &err), err);
	}
	assert_memory_equal(sm_net_weights(net), sm_net_weights(plain), n * sizeof(float));
	double before, averaged;
	assert_good(sm_net_eval(net, &before, &err), err);
	sm_net_ema_swap(net);
	assert_good(sm_net_eval(net, &averaged, &err), err);
	assert_true(averaged > before);
	assert_refused(sm_net_step(net, 0, &loss, &err), SM_INTERNAL, err, "moving average");
	assert_refused(sm_net_update(net, 0.1, NULL, &err), SM_INTERNAL, err, "moving average");
	/* What is validated is searched as it is. */
	char what[SM_NET_WHAT];
	float *w = sm_net_weights(net), kept = w[0];
	w[0] = NAN;
	sm_net_touch(net);
	assert_good(sm_net_eval(net, &averaged, &err), err);
	assert_false(isfinite(averaged));
	assert_good(sm_net_find_nonfinite(net, false, what, &err), err);
	assert_non_null(strstr(what, "parameter "));
	w[0] = kept;
	sm_net_touch(net);
	assert_good(sm_net_find_nonfinite(net, false, what, &err), err);
	assert_string_equal(what, "");
	sm_net_ema_swap(net);
	assert_memory_equal(sm_net_weights(net), sm_net_weights(plain), n * sizeof(float));
	sm_net_free(net);
	sm_net_free(plain);
}

/* The same steps with updates inside of backward: the same bits, and no array of gradients. */
static void test_fused_updates_are_the_same(void **state)
{
	(void)state;
	for (size_t o = 0; sm_optim_name(o); o++) {
		struct sm_net *net[2];
		double loss[2];
		struct sm_err err = {0};
		for (int k = 0; k < 2; k++) {
			struct sm_graph *g = sm_graph_create();
			struct sm_optim opt = sm_optim_default(sm_optim_name(o));
			opt.weight_decay = 0.01;
			opt.decay_norm = false;
			struct sm_net_opt settings = {
				.train = true, .threads = 1 + k, .optim = &opt, .fused = k == 1};
			int x = sm_g_input(g, "x", S(2, 2, 6, 6, 3));
			x = sm_g_conv(g, x, "a",
				      CONV(.out = 16, .k = {3, 3, 3}, .fuse = SM_FUSE_RELU));
			x = sm_g_instance_norm(g, x, "n", 1e-5f);
			x = sm_g_conv(g, x, "b", CONV(.out = 2, .k = {1, 3, 3}));
			sm_g_loss_bce(g, x, sm_g_input(g, "t", S(2, 2, 6, 6, 2)), 1);
			assert_good(sm_net_plan(g, &settings, &net[k], &err), err);
			assert_good(sm_net_alloc(net[k], NULL, &err), err);
			sm_net_init(net[k], 5);
		}
		for (uint64_t step = 0; step < 4; step++) {
			for (int k = 0; k < 2; k++) {
				struct sm_shape s;
				float *x = sm_net_buffer(net[k], "x", &s);
				for (size_t i = 0; i < sm_shape_count(s); i++)
					x[i] = (float)((i * 7 + step) % 11) - 5;
				float *t = sm_net_buffer(net[k], "t", &s);
				for (size_t i = 0; i < sm_shape_count(s); i++)
					t[i] = (float)(i % 2);
				assert_good(sm_net_train(net[k], step, 0.01, &loss[k], &err), err);
			}
			assert_true(loss[0] == loss[1]);
		}
		assert_memory_equal(sm_net_weights(net[0]), sm_net_weights(net[1]),
				    sm_net_weight_count(net[0]) * sizeof(float));
		assert_null(sm_net_gradients(net[1]));
		assert_int_equal(sm_net_forecast(net[1]).grads, 0);
		assert_refused(sm_net_update(net[1], 0.1, NULL, &err), SM_INTERNAL, err,
			       "sm_net_train");
		sm_net_buffer(net[1], "x", NULL)[3] = INFINITY;
		double before = (double)sm_net_weights(net[1])[0];
		assert_good(sm_net_train(net[1], 9, 0.01, &loss[1], &err), err);
		assert_false(isfinite(loss[1]));
		assert_true((double)sm_net_weights(net[1])[0] == before);
		assert_int_equal(*sm_net_optim_steps(net[1]), 4);
		assert_refused(sm_net_step(net[1], 0, &loss[1], &err), SM_INTERNAL, err,
			       "sm_net_train");
		sm_net_free(net[0]);
		sm_net_free(net[1]);
	}
	struct sm_graph *g = sm_graph_create();
	struct sm_optim opt = sm_optim_default("adam");
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	opt.clip_norm = 1;
	sm_g_loss_bce(g, sm_g_conv(g, sm_g_input(g, "x", S(1, 1, 2, 2, 1)), "a", CONV(.out = 1)),
		      sm_g_input(g, "t", S(1, 1, 2, 2, 1)), 1);
	struct sm_net_opt settings = {.train = true, .threads = 1, .optim = &opt, .fused = true};
	assert_refused(sm_net_plan(g, &settings, &net, &err), SM_USAGE, err, "clip_norm");
}

/* What the search says. */
static void found(struct sm_net *net, const char *want)
{
	char what[SM_NET_WHAT];
	struct sm_err err = {0};
	assert_good(sm_net_find_nonfinite(net, true, what, &err), err);
	if (!strstr(what, want) || (!*want && what[0]))
		fail_msg("said \"%s\", should be \"%s\"", what, want);
}

static void test_first_value_that_is_not_finite_is_named(void **state)
{
	(void)state;
	struct sm_net *net = net_of(2, NULL);
	feed(net, 0);
	step(net, false);
	found(net, "");
	sm_net_buffer(net, "x", NULL)[20] = NAN;
	found(net, "input x");
	feed(net, 0);
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	float *w = sm_net_weights(net);
	for (size_t i = 0; i < count; i++) {
		float keep = w[p[i].offset];
		w[p[i].offset] = INFINITY;
		found(net, p[i].name);
		w[p[i].offset] = keep;
	}
	/* Large but finite weights: the product overflows. */
	float keep[8];
	memcpy(keep, w, sizeof keep);
	for (int i = 0; i < 8; i++)
		w[i] = 3e38f;
	sm_net_touch(net);
	found(net, "output of first (conv)");
	memcpy(w, keep, sizeof keep);
	sm_net_touch(net);
	found(net, "");
	/* A sample that does not count may hold anything. */
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s);
	for (size_t i = sm_shape_count(s) / 2; i < sm_shape_count(s); i++)
		x[i] = 1e30f;
	sm_net_set_valid(net, 1);
	found(net, "");
	sm_net_free(net);
}

/* A gradient that overflows behind a finite loss. */
static void test_gradient_that_is_not_finite_is_named(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 2, 2, 1));
	int a = sm_g_conv(g, x, "a", CONV(.out = 1, .no_bias = true));
	int b = sm_g_conv(g, a, "b", CONV(.out = 1, .no_bias = true));
	sm_g_loss_bce(g, b, sm_g_input(g, "t", S(1, 1, 2, 2, 1)), 1e6f);
	struct sm_net *net = planned(g, NULL, 1);
	struct sm_err err = {0};
	double loss;
	for (int i = 0; i < 4; i++) {
		sm_net_buffer(net, "x", NULL)[i] = 1;
		sm_net_buffer(net, "t", NULL)[i] = 0;
	}
	sm_net_weights(net)[0] = 1e-35f;
	sm_net_weights(net)[1] = 3e35f;
	sm_net_touch(net);
	assert_good(sm_net_step(net, 0, &loss, &err), err);
	assert_true(isfinite(loss));
	char what[SM_NET_WHAT];
	assert_good(sm_net_find_nonfinite(net, true, what, &err), err);
	assert_non_null(strstr(what, "gradient"));
	sm_net_free(net);
}

/* Running statistics that only the evaluation uses: a training step would find nothing. */
static void test_search_runs_what_failed(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 4, 4, 1));
	x = sm_g_conv(g, x, "a", CONV(.out = 1, .no_bias = true));
	x = sm_g_batch_norm(g, x, "n", 1e-3f, 0.1f);
	sm_g_loss_bce(g, x, sm_g_input(g, "t", S(1, 1, 4, 4, 1)), 1);
	struct sm_net *net = planned(g, NULL, 1);
	struct sm_err err = {0};
	char what[SM_NET_WHAT];
	double loss;
	for (int i = 0; i < 16; i++) {
		sm_net_buffer(net, "x", NULL)[i] = (float)i;
		sm_net_buffer(net, "t", NULL)[i] = 0;
	}
	sm_net_state_values(net)[0] = -3e38f;
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] = 10;
	sm_net_touch(net);
	assert_good(sm_net_eval(net, &loss, &err), err);
	assert_false(isfinite(loss));
	assert_good(sm_net_find_nonfinite(net, false, what, &err), err);
	assert_string_equal(what, "output of n (batch_norm)");
	assert_good(sm_net_find_nonfinite(net, true, what, &err), err);
	assert_string_equal(what, "");
	/* A failed step leaves statistics that are not finite, which are not its cause. */
	sm_net_buffer(net, "x", NULL)[3] = NAN;
	assert_good(sm_net_step(net, 0, &loss, &err), err);
	assert_false(isfinite(sm_net_state_values(net)[0]));
	found(net, "input x");
	sm_net_free(net);
}

/* Running statistics are as before the search. */
static void test_search_leaves_running_statistics(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(2, 1, 2, 2, 2));
	x = sm_g_conv(g, sm_g_batch_norm(g, x, "n", 1e-3f, 0.1f), "c", CONV(.out = 1));
	sm_g_loss_bce(g, x, sm_g_input(g, "t", S(2, 1, 2, 2, 1)), 1);
	struct sm_net *net = planned(g, NULL, 1);
	float before[4];
	for (int i = 0; i < 16; i++)
		sm_net_buffer(net, "x", NULL)[i] = hashed((uint32_t)i);
	step(net, false);
	memcpy(before, sm_net_state_values(net), sizeof before);
	found(net, "");
	assert_memory_equal(before, sm_net_state_values(net), sizeof before);
	sm_net_state_values(net)[3] = NAN;
	found(net, "running statistics n.running_var");
	sm_net_free(net);
}

static void refused(struct sm_optim o, const char *part)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_net *net;
	struct sm_err err = {0};
	sm_g_input(g, "x", S(1, 1, 1, 1, 1));
	struct sm_net_opt opt = {.threads = 1, .optim = &o};
	assert_refused(sm_net_plan(g, &opt, &net, &err), SM_USAGE, err, part);
}

static void test_mistakes_are_told(void **state)
{
	(void)state;
	struct sm_optim o = sm_optim_default("lion");
	refused(o, "\"lion\" is unknown; known are adam, adamw, sgd");
	o = sm_optim_default("sgd");
	o.momentum = 1;
	refused(o, "momentum is 1, must be at least 0 and below 1");
	o.momentum = 0;
	o.nesterov = true;
	refused(o, "nesterov needs a momentum");
	o = sm_optim_default("adam");
	o.weight_decay = -1;
	refused(o, "weight_decay is -1");
	o = sm_optim_default("adam");
	o.ema_decay = NAN;
	refused(o, "ema_decay is nan");
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_updates_equal_pytorch),
		cmocka_unit_test(test_decay_keeps_to_its_parameters),
		cmocka_unit_test(test_accumulated_gradients_are_those_of_the_big_batch),
		cmocka_unit_test(test_average_is_state_of_the_optimiser),
		cmocka_unit_test(test_first_value_that_is_not_finite_is_named),
		cmocka_unit_test(test_gradient_that_is_not_finite_is_named),
		cmocka_unit_test(test_search_runs_what_failed),
		cmocka_unit_test(test_fused_updates_are_the_same),
		cmocka_unit_test(test_search_leaves_running_statistics),
		cmocka_unit_test(test_mistakes_are_told),
	};
	return run_tap(tests);
}
