/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the operators' table against finite differences, alone and with its input used twice
 * (sums of gradients), and with 1 and 2 threads bit for bit. A row without a case fails. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "train/nn/net.h"

#define S(...) ((struct sm_shape){__VA_ARGS__})
#define CONV(...) ((struct sm_conv){__VA_ARGS__})

typedef int (*build_fn)(struct sm_graph *g, const int *x);

static int b_conv3(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 3, .k = {3, 3, 3}));
}
static int b_conv1(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .no_bias = true));
}
static int b_conv5(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .k = {1, 5, 5}));
}
static int b_conv_s2(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .k = {2, 4, 3}, .stride = {2, 2, 2}));
}
static int b_conv_pad(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c",
			 CONV(.out = 2, .k = {1, 3, 2}, .stride = {1, 2, 1}, .pad = SM_PAD_EXPLICIT,
			      .pad_lo = {0, 2, 0}, .pad_hi = {0, 1, 1}));
}
static int b_conv_t2(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 3, .k = {2, 2, 2}, .stride = {2, 2, 2}));
}
static int b_conv_t4(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 2, .k = {1, 4, 4}, .stride = {1, 2, 2}));
}
static int b_conv_t_pad(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 2, .k = {1, 3, 3}, .stride = {1, 2, 2},
					 .no_bias = true, .pad = SM_PAD_EXPLICIT,
					 .pad_lo = {0, 1, 0}, .pad_hi = {0, 0, 1}));
}
static int b_batch(struct sm_graph *g, const int *x)
{
	return sm_g_batch_norm(g, x[0], "n", 1e-3f, 0.1f);
}
static int b_instance(struct sm_graph *g, const int *x)
{
	return sm_g_instance_norm(g, x[0], "n", 1e-3f);
}
static int b_pool(struct sm_graph *g, const int *x)
{
	return sm_g_max_pool(g, x[0], 2, 2, 2);
}
static int b_pool13(struct sm_graph *g, const int *x)
{
	return sm_g_max_pool(g, x[0], 1, 3, 2);
}
static int b_up(struct sm_graph *g, const int *x)
{
	return sm_g_upsample(g, x[0], 2, 2, 2);
}
static int b_up13(struct sm_graph *g, const int *x)
{
	return sm_g_upsample(g, x[0], 1, 3, 2);
}
static int b_concat(struct sm_graph *g, const int *x)
{
	return sm_g_concat(g, x, 2);
}
static int b_add(struct sm_graph *g, const int *x)
{
	return sm_g_add(g, x[0], x[1]);
}
static int b_relu(struct sm_graph *g, const int *x)
{
	return sm_g_relu(g, x[0]);
}
static int b_leaky(struct sm_graph *g, const int *x)
{
	return sm_g_leaky_relu(g, x[0], 0.3f);
}
static int b_sigmoid(struct sm_graph *g, const int *x)
{
	return sm_g_sigmoid(g, x[0]);
}
static int b_softmax(struct sm_graph *g, const int *x)
{
	return sm_g_softmax(g, x[0]);
}
static int b_dropout(struct sm_graph *g, const int *x)
{
	return sm_g_dropout(g, x[0], 0.4f);
}
static int b_dice(struct sm_graph *g, const int *x)
{
	return sm_g_loss_dice(g, x[0], x[1], 1.5f);
}
static int b_bce(struct sm_graph *g, const int *x)
{
	return sm_g_loss_bce(g, x[0], x[1], 20.0f);
}

static const struct grad_case {
	enum op_kind kind;
	const char *name;
	build_fn build;
	int inputs;
	struct sm_shape shape[2];
} cases[] = {
    {OP_KIND_conv, "3x3x3 same", b_conv3, 1, {{2, 3, 3, 2, 2}}},
    {OP_KIND_conv, "1x1x1", b_conv1, 1, {{1, 2, 3, 3, 4}}},
    {OP_KIND_conv, "2-D 5x5 same", b_conv5, 1, {{2, 1, 4, 5, 2}}},
    {OP_KIND_conv, "2x4x3 stride 2", b_conv_s2, 1, {{1, 4, 5, 4, 2}}},
    {OP_KIND_conv, "explicit uneven padding", b_conv_pad, 1, {{1, 2, 4, 4, 3}}},
    {OP_KIND_conv_t, "2x2x2 stride 2", b_conv_t2, 1, {{1, 2, 2, 3, 4}}},
    {OP_KIND_conv_t, "2-D 4x4 stride 2", b_conv_t4, 1, {{2, 1, 3, 3, 2}}},
    {OP_KIND_conv_t, "explicit padding", b_conv_t_pad, 1, {{1, 2, 3, 3, 2}}},
    {OP_KIND_batch_norm, "", b_batch, 1, {{3, 1, 4, 3, 2}}},
    {OP_KIND_instance_norm, "", b_instance, 1, {{2, 2, 4, 3, 2}}},
    {OP_KIND_max_pool, "2x2x2 odd sizes", b_pool, 1, {{1, 3, 4, 5, 2}}},
    {OP_KIND_max_pool, "1x3x2", b_pool13, 1, {{2, 1, 6, 4, 3}}},
    {OP_KIND_upsample, "2x2x2", b_up, 1, {{1, 2, 2, 3, 3}}},
    {OP_KIND_upsample, "1x3x2", b_up13, 1, {{2, 1, 3, 3, 2}}},
    {OP_KIND_concat, "", b_concat, 2, {{1, 2, 2, 3, 2}, {1, 2, 2, 3, 5}}},
    {OP_KIND_add, "", b_add, 2, {{2, 1, 3, 3, 3}, {2, 1, 3, 3, 3}}},
    {OP_KIND_relu, "", b_relu, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_leaky_relu, "", b_leaky, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_sigmoid, "", b_sigmoid, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_softmax, "", b_softmax, 1, {{1, 2, 3, 3, 4}}},
    {OP_KIND_dropout, "", b_dropout, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_loss_dice, "", b_dice, 2, {{2, 2, 3, 3, 3}, {2, 2, 3, 3, 3}}},
    {OP_KIND_loss_bce, "", b_bce, 2, {{2, 2, 3, 3, 2}, {2, 2, 3, 3, 2}}},
};
#define CASES (sizeof cases / sizeof *cases)

/* An input whose gradient is wanted. */
static int variable(struct sm_graph *g, const char *name, struct sm_shape s)
{
	int x = sm_g_input(g, name, s);
	if (x >= 0)
		g->node[g->tensor[x].producer].attr.value[0] = 1;
	return x;
}

/* Distinct values in a random order, none within 0.015 of 0 or of another: away from every kink. */
static void fill_apart(float *x, size_t n, uint64_t seed, const char *what)
{
	struct sm_rng rng;
	size_t *order = malloc(n * sizeof *order);
	sm_rng_init(&rng, seed, "test", what, 0, 0);
	sm_rng_permutation(&rng, order, n);
	for (size_t i = 0; i < n; i++)
		x[i] =
		    ((float)order[i] - (float)(n / 2) + 0.5f) * (n < 130 ? 3.9f / (float)n : 0.03f);
	free(order);
}

/* The case's operator (twice = two uses of the same input, added) before a smooth loss. */
static struct sm_net *make(const struct grad_case *c, bool twice, int threads, const char *kernel)
{
	struct sm_graph *g = sm_graph_create();
	bool loss = op_row(c->kind)->flags & OP_LOSS;
	int x[2] = {variable(g, "x0", c->shape[0]), -1};
	if (c->inputs > 1)
		x[1] = loss ? sm_g_input(g, "x1", c->shape[1]) : variable(g, "x1", c->shape[1]);
	int y = c->build(g, x);
	if (twice && loss)
		c->build(g, x);
	else if (twice)
		y = sm_g_add(g, y, c->build(g, x));
	if (!loss) {
		struct sm_shape s = sm_graph_shape(g, y);
		sm_g_output(g, y, "y");
		int t = sm_g_input(g, "t", s);
		sm_g_loss_bce(g, y, t, (float)(sm_shape_count(s) / s.n * s.n));
	}
	struct sm_net_opt opt = {.train = true, .threads = threads, .seed = 5, .kernel = kernel};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s %s: %s", op_row(c->kind)->name, c->name, err.text);
	sm_net_init(net, 3);
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] += 0.1f * (float)(i % 7) - 0.3f;
	static const char *const names[] = {"x0", "x1", "t"};
	for (int i = 0; i < 3; i++) {
		struct sm_shape s;
		float *p = sm_net_buffer(net, names[i], &s);
		if (p)
			fill_apart(p, sm_shape_count(s), 17, names[i]);
	}
	return net;
}

static double loss_of(struct sm_net *net)
{
	double loss = 0;
	struct sm_err err = {0};
	sm_net_touch(net);
	if (sm_net_step(net, 9, &loss, &err) != SM_OK)
		fail_msg("%s", err.text);
	return loss;
}

/* Largest |numeric - analytic| over p[0..n), against the largest analytic value. */
static void compare(struct sm_net *net, const struct grad_case *c, const char *what, float *p,
		    const float *grad, size_t n)
{
	float *g = malloc(n * sizeof *g), worst = 0, top = 0;
	const float eps = 0.01f;
	memcpy(g, grad, n * sizeof *g);
	for (size_t i = 0; i < n; i++) {
		float keep = p[i];
		p[i] = keep + eps;
		double up = loss_of(net), span = (double)p[i];
		p[i] = keep - eps;
		double down = loss_of(net);
		span -= (double)p[i];
		p[i] = keep;
		float numeric = (float)((up - down) / span), d = fabsf(numeric - g[i]);
		worst = d > worst ? d : worst;
		top = fabsf(g[i]) > top ? fabsf(g[i]) : top;
	}
	free(g);
	if (!(worst <= 3e-3f * top + 1e-4f))
		fail_msg("%s %s: gradient of %s off by %g of %g", op_row(c->kind)->name, c->name,
			 what, (double)worst, (double)top);
	if (!(top > 1e-3f))
		fail_msg("%s %s: gradient of %s is all zero", op_row(c->kind)->name, c->name, what);
}

static void check_case(const struct grad_case *c, bool twice, const char *kernel)
{
	struct sm_net *net = make(c, twice, 2, kernel);
	loss_of(net);
	for (int i = 0; i < net->g->tensors; i++) {
		struct tensor *t = &net->g->tensor[i];
		if (!t->gets_grad || net->g->node[t->producer].kind != OP_KIND_input)
			continue;
		loss_of(net);
		compare(net, c, t->name, t->a, t->g, t->count);
	}
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i < count; i++) {
		loss_of(net);
		compare(net, c, p[i].name, sm_net_weights(net) + p[i].offset,
			sm_net_gradients(net) + p[i].offset, p[i].count);
	}
	sm_net_free(net);
}

static void test_every_row_has_a_case(void **state)
{
	(void)state;
	for (int k = 0; k < OP_KINDS; k++) {
		int found = (op_row(k)->flags & OP_NO_GRAD) != 0;
		for (size_t i = 0; i < CASES; i++)
			found += (int)cases[i].kind == k;
		if (!found)
			fail_msg("operator %s has no gradient case", op_row(k)->name);
		assert_true((op_row(k)->impl->backward == NULL) ==
			    !!(op_row(k)->flags & OP_NO_GRAD));
	}
}

static void test_gradients_match_finite_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		check_case(&cases[i], false, NULL);
}

static void test_gradients_of_portable_kernel(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		if (op_row(cases[i].kind)->flags & OP_KERNEL)
			check_case(&cases[i], false, "portable");
}

static void test_gradients_add_up_over_two_uses(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		check_case(&cases[i], true, NULL);
}

static void test_threads_do_not_change_a_bit(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct sm_net *a = make(&cases[i], true, 1, "portable");
		struct sm_net *b = make(&cases[i], true, 2, "portable");
		assert_true(loss_of(a) == loss_of(b));
		for (int t = 0; t < a->g->tensors; t++) {
			const struct tensor *p = &a->g->tensor[t], *q = &b->g->tensor[t];
			if (p->is_output)
				assert_memory_equal(p->a, q->a, p->count * sizeof(float));
			if (p->gets_grad && a->g->node[p->producer].kind == OP_KIND_input)
				assert_memory_equal(p->g, q->g, p->count * sizeof(float));
		}
		if (a->g->param_count)
			assert_memory_equal(a->grads, b->grads, a->g->param_count * sizeof(float));
		sm_net_free(a);
		sm_net_free(b);
	}
}

/* Loss and gradients of conv -> relu, in one pass or in two operators. */
static void relu_step(bool transposed, bool fused, float *grads, double *loss)
{
	struct sm_graph *g = sm_graph_create();
	int x = variable(g, "x", S(2, 3, 4, 5, 3));
	struct sm_conv c =
	    CONV(.out = 5, .k = {3, 3, 3}, .fuse = fused ? SM_FUSE_RELU : SM_FUSE_NONE);
	int y = transposed ? sm_g_conv_transposed(g, x, "c", c) : sm_g_conv(g, x, "c", c);
	y = fused ? y : sm_g_relu(g, y);
	sm_g_loss(g, "bce", y, y);
	struct sm_net_opt opt = {.train = true, .threads = 2};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
	sm_net_init(net, 1);
	fill_apart(sm_net_buffer(net, "x", NULL), 360, 2, "x");
	fill_apart(sm_net_buffer(net, "target", NULL), 600, 2, "t");
	*loss = loss_of(net);
	memcpy(grads, sm_net_gradients(net), sm_net_weight_count(net) * sizeof(float));
	memcpy(grads + 500, net->g->tensor[0].g, 360 * sizeof(float));
	sm_net_free(net);
}

static void test_fused_relu_equals_two_operators(void **state)
{
	(void)state;
	for (int t = 0; t < 2; t++) {
		float a[860] = {0}, b[860] = {0};
		double la, lb;
		relu_step(t, true, a, &la);
		relu_step(t, false, b, &lb);
		assert_true(fabs(la - lb) < 1e-6 * fabs(lb));
		for (int i = 0; i < 860; i++)
			assert_true(fabsf(a[i] - b[i]) <= 1e-6f);
	}
}

static void test_detach_stops_gradients(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 2, 2, 2));
	int a = sm_g_conv(g, x, "before", CONV(.out = 2));
	int b = sm_g_conv(g, sm_g_detach(g, a), "after", CONV(.out = 2));
	sm_g_loss(g, "bce", b, b);
	struct sm_net_opt opt = {.train = true, .threads = 1};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
	sm_net_init(net, 1);
	fill_apart(sm_net_buffer(net, "x", NULL), 8, 2, "x");
	loss_of(net);
	float before = 0, after = 0;
	for (int i = 0; i < 6; i++) {
		before += fabsf(net->grads[i]);
		after += fabsf(net->grads[6 + i]);
	}
	assert_true(before == 0 && after > 0);
	sm_net_free(net);
}

static void test_shared_parameters_sum_their_gradients(void **state)
{
	(void)state;
	float single[2][6], both[6];
	for (int mode = 0; mode < 3; mode++) {
		struct sm_graph *g = sm_graph_create();
		int x = sm_g_input(g, "x", S(1, 1, 3, 3, 2)),
		    z = sm_g_input(g, "z", S(1, 1, 3, 3, 2));
		if (mode != 1) {
			int y = sm_g_conv(g, x, "w", CONV(.out = 2));
			sm_g_loss_bce(g, y, sm_g_input(g, "t0", S(1, 1, 3, 3, 2)), 1);
		}
		if (mode != 0) {
			int y = sm_g_conv(g, z, "w", CONV(.out = 2));
			sm_g_loss_bce(g, y, sm_g_input(g, "t1", S(1, 1, 3, 3, 2)), 1);
		}
		struct sm_net_opt opt = {.train = true, .threads = 1};
		struct sm_net *net = NULL;
		struct sm_err err = {0};
		assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
		assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
		sm_net_init(net, 1);
		fill_apart(sm_net_buffer(net, "x", NULL), 18, 2, "x");
		fill_apart(sm_net_buffer(net, "z", NULL), 18, 2, "z");
		loss_of(net);
		assert_int_equal(sm_net_weight_count(net), 6);
		memcpy(mode == 2 ? both : single[mode], net->grads, sizeof both);
		sm_net_free(net);
	}
	for (int i = 0; i < 6; i++)
		assert_true(fabsf(both[i] - single[0][i] - single[1][i]) < 1e-6f);
}

/* Output of a 2-D layer with one channel and given weights on x = 1..n. */
static void output_of(bool transposed, struct sm_conv c, const float *w, int n, float *y, int ny)
{
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 1, n, 1));
	sm_g_output(g, transposed ? sm_g_conv_transposed(g, x, "c", c) : sm_g_conv(g, x, "c", c),
		    "y");
	struct sm_net_opt opt = {.threads = 1};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	struct sm_shape s;
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
	memcpy(sm_net_weights(net), w, sm_net_weight_count(net) * sizeof *w);
	for (int i = 0; i < n; i++)
		sm_net_buffer(net, "x", NULL)[i] = (float)(i + 1);
	assert_int_equal(sm_net_forward(net, &err), SM_OK);
	const float *out = sm_net_buffer(net, "y", &s);
	assert_int_equal(s.w, ny);
	memcpy(y, out, ny * sizeof *y);
	sm_net_free(net);
}

static void equal(const float *got, const float *want, int n)
{
	for (int i = 0; i < n; i++)
		assert_true(fabsf(got[i] - want[i]) < 1e-6f);
}

/* TensorFlow's rule: the odd zero stands behind. By hand for even kernels and strides. */
static void test_same_padding_by_hand(void **state)
{
	(void)state;
	float y[8], pick[] = {0, 1}, four[] = {1, 10, 100, 1000};
	output_of(false, CONV(.out = 1, .k = {1, 1, 2}, .no_bias = true), pick, 4, y, 4);
	equal(y, (float[]){2, 3, 4, 0}, 4);
	output_of(false, CONV(.out = 1, .k = {1, 1, 4}, .no_bias = true), four, 4, y, 4);
	equal(y, (float[]){3210, 4321, 432, 43}, 4);
	output_of(false, CONV(.out = 1, .k = {1, 1, 3}, .stride = {1, 1, 2}, .no_bias = true), four,
		  4, y, 2);
	equal(y, (float[]){321, 43}, 2);
	output_of(true, CONV(.out = 1, .k = {1, 1, 3}, .stride = {1, 1, 2}, .no_bias = true), four,
		  2, y, 4);
	equal(y, (float[]){1, 10, 102, 20}, 4);
}

/* A graph with one mistake: the sentence must hold the given words. */
static void refused(int (*build)(struct sm_graph *g, int x), const char *words)
{
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 2, 4, 4, 3));
	assert_int_equal(build(g, x), -1);
	assert_int_equal(sm_g_relu(g, x), -1);
	struct sm_net *net = (void *)1;
	struct sm_net_opt opt = {.threads = 1};
	struct sm_err err = {0};
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_USAGE);
	assert_null(net);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static int m_channels(struct sm_graph *g, int x)
{
	return sm_g_conv(g, x, "c", CONV(.k = {3, 3, 3}));
}
static int m_small(struct sm_graph *g, int x)
{
	return sm_g_conv(g, x, "c", CONV(.out = 1, .k = {5, 1, 1}, .pad = SM_PAD_EXPLICIT));
}
static int m_shared(struct sm_graph *g, int x)
{
	return sm_g_conv(g, sm_g_conv(g, x, "c", CONV(.out = 4)), "c", CONV(.out = 4));
}
static int m_pool(struct sm_graph *g, int x)
{
	return sm_g_max_pool(g, x, 4, 2, 2);
}
static int m_concat(struct sm_graph *g, int x)
{
	return sm_g_concat(g, (int[]){x, sm_g_upsample(g, x, 2, 2, 2)}, 2);
}
static int m_add(struct sm_graph *g, int x)
{
	return sm_g_add(g, x, sm_g_conv(g, x, "c", CONV(.out = 4)));
}
static int m_drop(struct sm_graph *g, int x)
{
	return sm_g_dropout(g, x, 1.0f);
}
static int m_loss(struct sm_graph *g, int x)
{
	return sm_g_loss(g, "hinge", x, x);
}
static int m_tensor(struct sm_graph *g, int x)
{
	return sm_g_relu(g, x + 40);
}
static int m_input(struct sm_graph *g, int x)
{
	(void)x;
	return sm_g_input(g, "huge", S(1 << 30, 1 << 30, 1 << 30, 1, 1));
}

static void test_mistakes_are_told(void **state)
{
	(void)state;
	refused(m_channels, "0 output channels");
	refused(m_small, "axis of size 2 is too small for kernel 5");
	refused(m_shared, "used before with another shape");
	refused(m_pool, "input 2x4x4 is smaller than its window 4x2x2");
	refused(m_concat, "input 1 is 1x4x8x8");
	refused(m_add, "differ");
	refused(m_drop, "must be in [0, 1)");
	refused(m_loss, "loss \"hinge\" is unknown; known are dice");
	refused(m_tensor, "is not a tensor");
	refused(m_input, "too large");
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_row_has_a_case),
	    cmocka_unit_test(test_gradients_match_finite_differences),
	    cmocka_unit_test(test_gradients_of_portable_kernel),
	    cmocka_unit_test(test_gradients_add_up_over_two_uses),
	    cmocka_unit_test(test_threads_do_not_change_a_bit),
	    cmocka_unit_test(test_fused_relu_equals_two_operators),
	    cmocka_unit_test(test_detach_stops_gradients),
	    cmocka_unit_test(test_shared_parameters_sum_their_gradients),
	    cmocka_unit_test(test_same_padding_by_hand),
	    cmocka_unit_test(test_mistakes_are_told),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_ops", tests, NULL, NULL);
}
