/* SPDX-License-Identifier: Apache-2.0 */
/* Updates inside of backward: kernels whose gradient is computed late, at their last use, and
 * gradients that are not finite. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/net.h"

#define S(...) ((struct sm_shape){__VA_ARGS__})
#define CONV(...) ((struct sm_conv){__VA_ARGS__})

enum { WIDE = 64, STEPS = 3 };

/* ---- late gradients ------------------------------------------------------------------------- */

/* The kernel that is used several times, 3x3 of 64 to 64 channels. */
static int wide(struct sm_graph *g, int x, bool relu)
{
	struct sm_conv kernel = CONV(.out = WIDE, .k = {1, 3, 3});
	kernel.fuse = relu ? SM_FUSE_RELU : SM_FUSE_NONE;
	return sm_g_conv(g, x, "k", kernel);
}

/* A picture as 64 channels, of which a gradient is wanted. */
static int widened(struct sm_graph *g, const char *input, const char *conv, int side)
{
	int x = sm_g_input(g, input, S(1, 1, side, side, 3));
	return sm_g_conv(g, x, conv, CONV(.out = WIDE, .no_bias = true));
}

/* A loss of y, with a head and a target of its own. */
static void judged(struct sm_graph *g, int y, const char *head, const char *target, float weight)
{
	y = sm_g_conv(g, y, head, CONV(.out = 2));
	sm_g_loss_bce(g, y, sm_g_input(g, target, sm_graph_shape(g, y)), weight);
}

static void twice_on_one_input(struct sm_graph *g, int side)
{
	int x = widened(g, "x", "in", side);
	judged(g, wide(g, x, false), "a", "ta", 1);
	judged(g, wide(g, x, false), "b", "tb", 3);
}

/* Enough for the order of the sums to show in the last bit. */
static void four_times_on_one_input(struct sm_graph *g, int side)
{
	int x = widened(g, "x", "in", side);
	judged(g, wide(g, x, true), "a", "ta", 1);
	judged(g, wide(g, x, false), "b", "tb", 3);
	judged(g, sm_g_add(g, wide(g, x, true), x), "c", "tc", 0.5f);
	judged(g, sm_g_add(g, x, wide(g, x, false)), "d", "td", 2);
}

static void on_two_inputs(struct sm_graph *g, int side)
{
	int x = widened(g, "x", "in", side), u = widened(g, "u", "in2", side);
	judged(g, wide(g, x, false), "a", "ta", 1);
	judged(g, wide(g, u, false), "b", "tb", 3);
}

/* On its own output, too; the shared sums stand in one place with what is added to them. */
static void on_three_inputs(struct sm_graph *g, int side)
{
	int x = widened(g, "x", "in", side), u = widened(g, "u", "in2", side);
	int y = wide(g, x, true);
	judged(g, sm_g_add(g, y, wide(g, y, true)), "a", "ta", 1);
	judged(g, sm_g_relu(g, sm_g_instance_norm(g, wide(g, u, false), "n", 1e-5f)), "b", "tb", 3);
}

struct late_case {
	const char *name;
	void (*build)(struct sm_graph *g, int side);
	int side;
	bool late; /* whether inputs and outputs of all uses are smaller than the kernel */
};
static const struct late_case late_cases[] = {
	{"twice on one input", twice_on_one_input, 4, true},
	{"four times on one input", four_times_on_one_input, 4, true},
	{"on two inputs", on_two_inputs, 4, true},
	{"on three inputs", on_three_inputs, 4, true},
	{"on a larger picture", twice_on_one_input, 16, false},
};

static struct sm_net *planned(struct sm_graph *g, const struct sm_optim *o, int threads, bool fused)
{
	struct sm_net_opt opt = {
		.train = true, .threads = threads, .seed = 3, .optim = o, .fused = fused};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 5);
	return net;
}

static const struct param *param_of(const struct sm_net *net, const char *name)
{
	for (int i = 0; i < net->g->params; i++)
		if (strcmp(net->g->param[i].name, name) == 0)
			return &net->g->param[i];
	fail_msg("no parameter %s", name);
	return NULL;
}

static void feed(struct sm_net *net, uint64_t step)
{
	static const char *const inputs[] = {"x", "u", "ta", "tb", "tc", "td"};
	for (int k = 0; k < 6; k++) {
		struct sm_shape s;
		float *v = sm_net_buffer(net, inputs[k], &s);
		for (size_t i = 0; v && i < sm_shape_count(s); i++)
			v[i] = k < 2 ? sinf(0.37f * (float)i + (float)step + (float)k)
				     : (float)((i * 7 + step + (size_t)k) % 3 == 0);
	}
}

/* After a few steps on so many threads: losses, then weights. */
static float *learnt(const struct late_case *c, int threads, bool fused, size_t *count)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_err err = {0};
	c->build(g, c->side);
	struct sm_net *net = planned(g, &adam, threads, fused);
	size_t n = sm_net_weight_count(net);
	float *got = malloc((STEPS + n) * sizeof *got);
	assert_non_null(got);
	for (int i = 0; i < net->g->params; i++)
		assert_true(net->g->param[i].late ==
			    (fused && c->late && &net->g->param[i] == param_of(net, "k.weight")));
	for (uint64_t step = 0; step < STEPS; step++) {
		double loss;
		feed(net, step);
		if (fused) {
			assert_good(sm_net_train(net, step, 0.003, &loss, &err), err);
		} else {
			assert_good(sm_net_step(net, step, &loss, &err), err);
			assert_good(sm_net_update(net, 0.003, NULL, &err), err);
		}
		assert_true(isfinite(loss));
		got[step] = (float)loss;
	}
	memcpy(got + STEPS, sm_net_weights(net), n * sizeof *got);
	sm_net_free(net);
	*count = STEPS + n;
	return got;
}

static void test_late_gradients_have_the_same_bits(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof late_cases / sizeof *late_cases; c++) {
		size_t n, m;
		float *want = learnt(&late_cases[c], 1, false, &n);
		for (int k = 1; k < 4; k++) {
			int threads = 1 + k % 2;
			bool fused = k > 1;
			float *got = learnt(&late_cases[c], threads, fused, &m);
			assert_int_equal(n, m);
			for (size_t i = 0; i < n; i++)
				if (memcmp(&got[i], &want[i], sizeof *got) != 0)
					fail_msg("%s, %d threads, fused %d: %s %zu: %.9g, not %.9g",
						 late_cases[c].name, threads, fused,
						 i < STEPS ? "loss" : "weight",
						 i < STEPS ? i : i - STEPS, (double)got[i],
						 (double)want[i]);
			free(got);
		}
		free(want);
	}
}

/* ---- parameters without a gradient ---------------------------------------------------------- */

/* A head that no loss judges, as nnU-Net's lowest, with a norm of its own; large enough for several
 * threads. */
static void with_idle_head(struct sm_graph *g, int side)
{
	int x = widened(g, "x", "in", side);
	int y = sm_g_relu(g, sm_g_instance_norm(g, wide(g, x, false), "n", 1e-5f));
	int idle = sm_g_conv(g, y, "idle", CONV(.out = WIDE, .k = {1, 3, 3}));
	judged(g, y, "a", "ta", 1);
	sm_g_output(g, sm_g_instance_norm(g, idle, "idle_norm", 1e-5f), "coarse");
}

/* Weights and the optimiser's arrays after a few steps, from arrays that are not zero: those of a
 * training whose parameters once had a gradient. */
static float *decayed(const struct sm_optim *o, int threads, bool fused, size_t *count)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_err err = {0};
	with_idle_head(g, 4);
	struct sm_net *net = planned(g, o, threads, fused);
	size_t n = sm_net_weight_count(net), arrays = 0;
	const struct param *idle = param_of(net, "idle.weight");
	while (sm_net_optim_array(net, (int)arrays, NULL))
		arrays++;
	for (size_t a = 0; a < arrays; a++)
		for (size_t i = 0; i < n; i++)
			sm_net_optim_array(net, (int)a, NULL)[i] = 1e-4f * (float)(i % 17);
	float *got = malloc((1 + arrays) * n * sizeof *got);
	assert_non_null(got);
	for (uint64_t step = 0; step < STEPS; step++) {
		double loss;
		float before = sm_net_weights(net)[idle->pub.offset];
		feed(net, step);
		assert_good(sm_net_train(net, step, 0.003, &loss, &err), err);
		assert_true(sm_net_weights(net)[idle->pub.offset] != before);
	}
	memcpy(got, sm_net_weights(net), n * sizeof *got);
	for (size_t a = 0; a < arrays; a++)
		memcpy(got + (1 + a) * n, sm_net_optim_array(net, (int)a, NULL), n * sizeof *got);
	sm_net_free(net);
	*count = (1 + arrays) * n;
	return got;
}

static void test_parameters_without_a_gradient_move_alike(void **state)
{
	(void)state;
	for (size_t c = 0; c < 6; c++) {
		struct sm_optim o = sm_optim_default(sm_optim_name(c / 2));
		size_t n, m;
		o.weight_decay = 0.1;
		o.decay_norm = c % 2 == 0;
		float *want = decayed(&o, 1, false, &n);
		for (int threads = 1; threads <= 2; threads++) {
			float *got = decayed(&o, threads, true, &m);
			assert_int_equal(n, m);
			for (size_t i = 0; i < n; i++)
				if (memcmp(&got[i], &want[i], sizeof *got) != 0)
					fail_msg("%s, decay_norm %d, %d threads: value %zu: %.9g, "
						 "not %.9g",
						 o.name, o.decay_norm, threads, i, (double)got[i],
						 (double)want[i]);
			free(got);
		}
		free(want);
	}
}

/* ---- gradients that are not finite ---------------------------------------------------------- */

/* Three factors in a row, for an input of ones. */
static struct sm_net *factors(void)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_optim sgd = sm_optim_default("sgd");
	int x = sm_g_input(g, "x", S(1, 1, 2, 2, 1));
	x = sm_g_conv(g, x, "low", CONV(.out = 1, .no_bias = true));
	x = sm_g_conv(g, x, "middle", CONV(.out = 1, .no_bias = true));
	x = sm_g_conv(g, x, "high", CONV(.out = 1, .no_bias = true));
	sm_g_loss_bce(g, x, sm_g_input(g, "t", S(1, 1, 2, 2, 1)), 1e6f);
	sgd.momentum = 0;
	sgd.weight_decay = 0.5;
	struct sm_net *net = planned(g, &sgd, 2, true);
	for (int i = 0; i < 4; i++) {
		sm_net_buffer(net, "x", NULL)[i] = 1;
		sm_net_buffer(net, "t", NULL)[i] = 0;
	}
	return net;
}

static void set_factors(struct sm_net *net, float low, float middle, float high)
{
	float *w = sm_net_weights(net);
	w[0] = low;
	w[1] = middle;
	w[2] = high;
	sm_net_touch(net);
}

/* The first of them in the order of backward, with the updates that went well before it. */
static void test_a_bad_gradient_is_named(void **state)
{
	(void)state;
	struct sm_net *net = factors();
	struct sm_err err = {0};
	const float *w = sm_net_weights(net);
	double loss;
	assert_null(sm_net_bad_gradient(net));
	set_factors(net, 1, 0.5f, 0.25f);
	assert_good(sm_net_train(net, 0, 1e-9, &loss, &err), err);
	assert_null(sm_net_bad_gradient(net));

	/* The loss is finite; high times its gradient, what reaches middle and low, is not. */
	set_factors(net, 1, 1e-35f, 3e35f);
	assert_refused(sm_net_train(net, 1, 1, &loss, &err), SM_INPUT, err,
		       "the gradient of middle.weight is not finite after 1 updates");
	assert_true(isfinite(loss));
	assert_string_equal(sm_net_bad_gradient(net), "middle.weight");
	/* What is behind it has moved, it and what is before it have not. */
	assert_true(w[0] == 1.0f && w[1] == 1e-35f);
	assert_true(w[2] > 1.4e35f && w[2] < 1.6e35f);

	/* Now only what reaches low. */
	set_factors(net, 1e-20f, 1e18f, 1e18f);
	assert_refused(sm_net_train(net, 2, 1e-9, &loss, &err), SM_INPUT, err,
		       "the gradient of low.weight is not finite after 2 updates");
	assert_string_equal(sm_net_bad_gradient(net), "low.weight");

	set_factors(net, 1, 0.5f, 0.25f);
	assert_good(sm_net_train(net, 3, 1e-9, &loss, &err), err);
	assert_null(sm_net_bad_gradient(net));
	sm_net_free(net);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_gradients_have_the_same_bits),
		cmocka_unit_test(test_parameters_without_a_gradient_move_alike),
		cmocka_unit_test(test_a_bad_gradient_is_named),
	};
	return run_tap(tests);
}
