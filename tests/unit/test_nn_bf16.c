/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16 between the operators: conversion, every operator and convolution kernel against
 * float32, the gradient of a small network, a short training, bits over threads and over a restart.
 * On a CPU without such convolutions only the refusal is tested. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/field.h"
#include "core/rng.h"
#include "tests/unit/nn_cases.h"
#include "train/nn/conv.h"

/* Relative L2 distances of one operator between rounded tensors: an element is off by at most 2^-9,
 * and three of them meet. A unit that flips at a kink counts in gradients. */
#define CLOSE_VALUES 0.01
#define CLOSE_GRADIENTS 0.03
/* Of a network, median over its parameters. */
#define CLOSE_NETWORK 0.02

static float rounded(float x)
{
	elem_half h;
	float y;
	elem_move(&h, ELEM_BF16, 0, &x, ELEM_F32, 0, 1);
	elem_move(&y, ELEM_F32, 0, &h, ELEM_BF16, 0, 1);
	return y;
}

/* First, while oneDNN has not looked at the CPU: without AVX-512 it is one clear sentence. */
static void test_refused_without_code(void **state)
{
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		struct sm_graph *g = sm_graph_create();
		struct sm_net *net = NULL;
		struct sm_err err = {0};
		setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
		sm_g_conv(g, sm_g_input(g, "x", S(1, 2, 2, 2, 4)), "c", CONV(.out = 4));
		struct sm_net_opt opt = {.threads = 1, .bf16 = true};
		bool said = sm_net_plan(g, &opt, &net, &err) == SM_USAGE &&
			    strstr(err.text, "precision bf16 needs a CPU with AVX-512");
		_exit(said ? 0 : 1);
	}
	int status = 1;
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_rounding(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 3, "test", "bf16", 0, 0);
	assert_true(rounded(1.0f) == 1.0f && rounded(-0.0f) == 0.0f && signbit(rounded(-0.0f)));
	assert_true(rounded(1.00390625f) == 1.0f);      /* half way: to even, down */
	assert_true(rounded(1.01171875f) == 1.015625f); /* half way: to even, up */
	assert_true(rounded(3.4e38f) == INFINITY && rounded(-INFINITY) == -INFINITY);
	assert_true(isnan(rounded(NAN)));
	/* Its low bits are all that makes it NaN. */
	assert_true(isnan(rounded(vm_float(0x7f800001u))));
	assert_true(isnan(rounded(vm_float(0xffffffffu))));
	assert_true(rounded(vm_float(1u << 16)) == vm_float(1u << 16)); /* denormal */
	float x[1031], y[1031];
	elem_half h[1031];
	for (size_t i = 0; i < SM_COUNT(x); i++)
		x[i] = vm_float(sm_rng_u32(&rng));
	elem_convert(h, ELEM_BF16, x, ELEM_F32, SM_COUNT(x), 2);
	elem_convert(y, ELEM_F32, h, ELEM_BF16, SM_COUNT(x), 2);
	for (size_t i = 0; i < SM_COUNT(x); i++) {
		uint32_t u = vm_bits(x[i]), low = u & 0xffffu, down = u & 0xffff0000u;
		bool up = low > 0x8000u || (low == 0x8000u && (u >> 16 & 1u));
		if (isnan(x[i]))
			assert_true(isnan(y[i]));
		else
			assert_int_equal(vm_bits(y[i]), up ? down + 0x10000u : down);
	}
	elem_move(h, ELEM_BF16, 0, (float[]){1, 2, 3}, ELEM_F32, 0, 3);
	elem_add(h, ELEM_BF16, (float[]){0.5f, 0.25f, 1}, ELEM_F32, 3, 1);
	elem_move(y, ELEM_F32, 0, h, ELEM_BF16, 0, 3);
	assert_true(y[0] == 1.5f && y[1] == 2.25f && y[2] == 4);
}

static struct sm_net *ready(struct sm_graph *g, struct sm_net_opt opt)
{
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	opt.train = true;
	opt.seed = 5;
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 3);
	for (int i = 0; i < net->g->tensors; i++) {
		struct tensor *t = &net->g->tensor[i];
		if (net->g->node[t->producer].kind != OP_KIND_input)
			continue;
		assert_int_equal(t->elem, ELEM_F32);
		nn_fill_apart(t->a, t->count, 17 + i, "bf16");
		for (size_t k = 0; k < t->count; k++)
			t->a[k] = strcmp(t->name, "target") == 0 ? (float)(t->a[k] > 0)
								 : rounded(t->a[k] * 0.5f);
	}
	return net;
}

static double distance(const float *a, const float *b, size_t n)
{
	double d = 0, s = 0;
	for (size_t i = 0; i < n; i++) {
		d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
		s += (double)b[i] * (double)b[i];
	}
	return s > 0 ? sqrt(d / s) : sqrt(d);
}

/* An operator between copies that are stored as the precision says, and a loss behind it. */
static struct sm_graph *around(const struct grad_case *c, struct sm_shape *const shape)
{
	struct sm_graph *g = sm_graph_create();
	int in[2] = {-1, -1};
	for (int i = 0; i < c->inputs; i++)
		in[i] = sm_g_leaky_relu(
			g, nn_variable(g, i ? "x1" : "x0", shape ? shape[i] : c->shape[i]), 1.0f);
	/* Twice, so that gradients are added too. */
	int y = c->build(g, in), z = c->build(g, in);
	y = sm_g_output(g, sm_g_leaky_relu(g, sm_g_add(g, y, z), 1.0f), "y");
	sm_g_loss(g, &(struct sm_loss_opt){.name = "bce"},
		  &(struct sm_heads){.logits = {y}, .count = 1, .prob = y});
	return g;
}

static void compare(const struct grad_case *c, const char *kernel)
{
	struct sm_net *net[2];
	int half = 0;
	for (int b = 0; b < 2; b++) {
		net[b] = ready(around(c, NULL),
			       (struct sm_net_opt){.threads = 2, .bf16 = b, .kernel = kernel});
		nn_loss_of(net[b]);
	}
	for (int i = 0; i < net[1]->g->tensors; i++)
		half += net[1]->g->tensor[i].elem == ELEM_BF16;
	assert_true(half >= (op_row(c->kind)->flags & OP_FLOAT ? 1 : 3));
	struct sm_shape s;
	const float *y = sm_net_buffer(net[1], "y", &s);
	double value = distance(y, sm_net_buffer(net[0], "y", NULL), sm_shape_count(s));
	double weights = distance(sm_net_gradients(net[1]), sm_net_gradients(net[0]),
				  sm_net_weight_count(net[0]));
	bool graded = !(op_row(c->kind)->flags & OP_NO_GRAD);
	assert_true(graded == net[0]->g->tensor[0].gets_grad);
	double input = graded ? distance(net[1]->g->tensor[0].g, net[0]->g->tensor[0].g,
					 net[0]->g->tensor[0].count)
			      : 0;
	if (!(value < CLOSE_VALUES && weights < CLOSE_GRADIENTS && input < CLOSE_GRADIENTS))
		fail_msg("%s %s (%s): values %g, gradients %g and %g off", op_row(c->kind)->name,
			 c->name, kernel ? kernel : "by rule", value, weights, input);
	sm_net_free(net[0]);
	sm_net_free(net[1]);
}

static void needs_bf16(void)
{
	if (!conv_lib_bf16())
		skip();
}

static void test_every_operator(void **state)
{
	(void)state;
	needs_bf16();
	bool seen[OP_KINDS] = {false};
	for (size_t i = 0; i < nn_case_count; i++) {
		seen[nn_cases[i].kind] = true;
		if (nn_cases[i].kind != OP_KIND_loss)
			compare(&nn_cases[i], NULL);
	}
	for (int k = 0; k < OP_KINDS; k++)
		assert_true(seen[k] || (op_row(k)->flags & OP_NO_GRAD));
}

static int b_wide(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 32, .k = {3, 3, 3}, .fuse = SM_FUSE_RELU));
}
static int b_narrow(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 20, .k = {1, 3, 3}));
}
static int b_five(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 16, .k = {5, 5, 5}));
}
static int b_strided(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 32, .k = {3, 3, 3}, .stride = {2, 2, 2}));
}
static int b_up(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 16, .k = {2, 2, 2}, .stride = {2, 2, 2},
					 .fuse = SM_FUSE_RELU));
}
static int b_head(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 3));
}
static int b_many(struct sm_graph *g, const int *x)
{
	return sm_g_norm(g, x[0], "n", (struct sm_norm){.eps = 1e-3f});
}

static void test_every_kernel(void **state)
{
	(void)state;
	needs_bf16();
	static const struct grad_case wide[] = {
	    {OP_KIND_conv, "16 to 32", b_wide, 1, {{1, 5, 13, 14, 16}}},
	    {OP_KIND_conv, "12 to 20", b_narrow, 1, {{2, 3, 13, 14, 12}}},
	    {OP_KIND_conv, "5x5x5", b_five, 1, {{1, 5, 9, 10, 16}}},
	    {OP_KIND_conv, "stride 2", b_strided, 1, {{2, 4, 8, 10, 16}}},
	    {OP_KIND_conv_t, "16 to 16", b_up, 1, {{2, 2, 4, 5, 16}}},
	    {OP_KIND_conv, "head", b_head, 1, {{2, 2, 4, 5, 16}}},
	};
	for (size_t k = 0; conv_kernel_at(k); k++)
		for (size_t i = 0; i < SM_COUNT(wide); i++) {
			struct sm_net *net = NULL;
			struct sm_err err = {0};
			const char *name = conv_kernel_at(k)->name;
			struct sm_net_opt opt = {.train = true, .threads = 2, .kernel = name};
			/* Not every kernel does every layer. */
			if (sm_net_plan(around(&wide[i], NULL), &opt, &net, &err) == SM_OK)
				compare(&wide[i], name);
			sm_net_free(net);
			if (k == 0)
				compare(&wide[i], NULL);
		}
	/* Lines longer than a piece that is converted. */
	compare(&(struct grad_case){OP_KIND_instance_norm, "many channels", b_many, 1,
				    {{1, 1, 3, 3, 60}}}, NULL);
}

/* Convolution, norm, activation. */
static int block(struct sm_graph *g, int x, const char *name, int out, bool smooth)
{
	char norm[32];
	snprintf(norm, sizeof norm, "%s.norm", name);
	x = sm_g_conv(g, x, name, CONV(.out = out, .k = {3, 3, 3}));
	return sm_g_norm(g, x, norm,
			 (struct sm_norm){.eps = 1e-5f,
					  .fuse = smooth ? SM_FUSE_NONE : SM_FUSE_RELU});
}

/* A U-Net of two levels with a residual; smooth: without ReLU, whose flips at zero a gradient
 * shows. */
static struct sm_net *network(bool bf16, int threads, const struct sm_optim *optim, bool smooth)
{
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(2, 4, 16, 16, 2));
	int a = block(g, block(g, x, "a1", 16, smooth), "a2", 16, smooth);
	int b = block(g, sm_g_max_pool(g, a, 1, 2, 2), "b1", 32, smooth);
	b = sm_g_add(g, block(g, b, "b2", 32, smooth), b);
	b = sm_g_conv_transposed(g, b, "up", CONV(.out = 16, .k = {1, 2, 2}, .stride = {1, 2, 2}));
	int y = block(g, sm_g_concat(g, (int[]){b, a}, 2), "c", 16, smooth);
	y = sm_g_conv(g, y, "head", CONV(.out = 3));
	sm_g_loss(g, &(struct sm_loss_opt){.name = "dice_ce", .softmax = true},
		  &(struct sm_heads){.input = x, .logits = {y}, .count = 1});
	struct sm_net *net = ready(g, (struct sm_net_opt){.threads = threads, .bf16 = bf16,
							  .optim = optim, .recompute = SM_RECOMPUTE_CHEAP});
	struct sm_shape s;
	float *in = sm_net_buffer(net, "x", &s), *t = sm_net_buffer(net, "target", NULL);
	/* Something to learn: a ball, its shell, the rest. */
	for (size_t i = 0; i < op_rows(s); i++) {
		int w = (int)(i % 16) - 8, h = (int)(i / 16 % 16) - 8, d = (int)(i / 256 % 4) - 2;
		int r = w * w + h * h + 4 * d * d, label = r < 16 ? 1 : r < 36 ? 2 : 0;
		memset(t + i * 3, 0, 3 * sizeof *t);
		t[i * 3 + label] = 1;
		in[i * 2] = 0.3f * in[i * 2] + (float)label;
	}
	return net;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void test_gradient_of_a_network(void **state)
{
	(void)state;
	needs_bf16();
	struct sm_net *f = network(false, 2, NULL, true), *h = network(true, 2, NULL, true);
	struct sm_net *one = network(true, 1, NULL, true);
	double loss = nn_loss_of(f), half = nn_loss_of(h), off[256];
	size_t params, bytes = sm_net_weight_count(f) * sizeof(float);
	assert_true(fabs(half - loss) < 0.005 * fabs(loss));
	assert_true(nn_loss_of(one) == half);
	assert_memory_equal(sm_net_gradients(one), sm_net_gradients(h), bytes);
	const struct sm_param *p = sm_net_params(f, &params);
	assert_true(params <= SM_COUNT(off));
	for (size_t i = 0; i < params; i++)
		off[i] = distance(sm_net_gradients(h) + p[i].offset,
				  sm_net_gradients(f) + p[i].offset, p[i].count);
	qsort(off, params, sizeof *off, ascending);
	if (!(off[params / 2] < CLOSE_NETWORK))
		fail_msg("gradients: median %g, largest %g off", off[params / 2], off[params - 1]);
	/* Values and gradients need half, workspaces the same. */
	struct sm_forecast a = sm_net_forecast(f), b = sm_net_forecast(h);
	assert_true(b.arena < a.arena && b.params == a.params && b.optim == a.optim);
	sm_net_free(f);
	sm_net_free(h);
	sm_net_free(one);
}

static double train(struct sm_net *net, int from, int to)
{
	double loss = 0;
	struct sm_err err = {0};
	for (int i = from; i < to; i++) {
		assert_good(sm_net_step(net, (uint64_t)i, &loss, &err), err);
		assert_good(sm_net_update(net, 3e-3, NULL, &err), err);
	}
	return loss;
}

static void test_training(void **state)
{
	(void)state;
	needs_bf16();
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net *f = network(false, 2, &adam, false), *h = network(true, 2, &adam, false);
	struct sm_net *again = network(true, 1, &adam, false);
	size_t bytes = sm_net_weight_count(f) * sizeof(float);
	double first = train(f, 0, 1), loss = train(f, 1, 60);
	train(h, 0, 20);
	/* A new process has what a checkpoint has: weights and the optimiser's arrays, float32. */
	memcpy(sm_net_weights(again), sm_net_weights(h), bytes);
	for (int i = 0; i < 2; i++)
		memcpy(sm_net_optim_array(again, i, NULL), sm_net_optim_array(h, i, NULL), bytes);
	*sm_net_optim_steps(again) = *sm_net_optim_steps(h);
	sm_net_touch(again);
	double half = train(h, 20, 60);
	assert_true(train(again, 20, 60) == half);
	assert_memory_equal(sm_net_weights(again), sm_net_weights(h), bytes);
	if (!(loss < 0.6 * first && fabs(half - loss) < 0.01 * fabs(loss)))
		fail_msg("loss %g at first, then %g, with bf16 %g", first, loss, half);
	sm_net_free(f);
	sm_net_free(h);
	sm_net_free(again);
}

static void test_nonfinite_is_found(void **state)
{
	(void)state;
	needs_bf16();
	char what[SM_NET_WHAT];
	struct sm_err err = {0};
	struct sm_net *net = network(true, 2, NULL, false);
	sm_net_buffer(net, "x", NULL)[5] = NAN;
	assert_true(isnan(nn_loss_of(net)));
	assert_good(sm_net_find_nonfinite(net, true, what, &err), err);
	assert_string_equal(what, "input x");
	sm_net_free(net);
	net = network(true, 2, NULL, false);
	assert_true(isfinite(nn_loss_of(net)));
	assert_good(sm_net_find_nonfinite(net, true, what, &err), err);
	assert_string_equal(what, "");
	sm_net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused_without_code), cmocka_unit_test(test_rounding),
	    cmocka_unit_test(test_every_operator),	  cmocka_unit_test(test_every_kernel),
	    cmocka_unit_test(test_gradient_of_a_network), cmocka_unit_test(test_training),
	    cmocka_unit_test(test_nonfinite_is_found),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_bf16", tests, NULL, NULL);
}
