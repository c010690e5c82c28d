/* SPDX-License-Identifier: Apache-2.0 */
/* What gradients do not show: running statistics of batch norm, inference against training, and
 * NaN, which must come through every operator that compares. */
#include "tests/unit/tap.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "train/nn/net.h"

#define S(...) ((struct sm_shape){__VA_ARGS__})
#define CONV(...) ((struct sm_conv){__VA_ARGS__})

/* A net for training of an operator that ends in y, and a loss behind it. */
static struct sm_net *small_net(struct sm_graph *g, int y)
{
	struct sm_net *net = NULL;
	struct sm_net_opt opt = {.train = true, .threads = 2, .seed = 5};
	struct sm_err err = {0};
	sm_g_output(g, y, "y");
	sm_g_loss_bce(g, y, sm_g_input(g, "t", sm_graph_shape(g, y)), 1);
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
	sm_net_init(net, 1);
	return net;
}

static void near(double got, double want, const char *what)
{
	if (!(fabs(got - want) <= 2e-6 * (1 + fabs(want))))
		fail_msg("%s is %.9g, should be %.9g", what, got, want);
}

/* PyTorch's definition: running = (1 - momentum) running + momentum batch, the batch's variance
 * with Bessel's factor n / (n - 1); from mean 0 and variance 1. n = 6 is small enough to tell the
 * factor from 1. Two steps on different batches, one with a sample that does not count. */
static void test_batch_norm_keeps_running_statistics(void **state)
{
	(void)state;
	enum { N = 3, V = 2, C = 2 };
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(N, 1, 1, V, C));
	struct sm_net *net = small_net(g, sm_g_batch_norm(g, x, "n", 1e-3f, 0.25f));
	struct sm_err err = {0};
	size_t count;
	const struct sm_param *s = sm_net_states(net, &count);
	assert_int_equal(count, 2);
	assert_string_equal(s[0].name, "n.running_mean");
	assert_string_equal(s[1].name, "n.running_var");
	float *running_mean = sm_net_state_values(net) + s[0].offset,
	      *running_var = sm_net_state_values(net) + s[1].offset;
	float *in = sm_net_buffer(net, "x", NULL);
	double mean[C] = {0, 0}, var[C] = {1, 1};
	for (int step = 0; step < 2; step++) {
		int valid = step ? N - 1 : N, rows = valid * V;
		double loss;
		for (int i = 0; i < N * V * C; i++)
			in[i] = (float)((i * i * 7 + step * 5) % 11) / 4 - 1 + (float)(i % C);
		sm_net_set_valid(net, valid);
		assert_int_equal(sm_net_step(net, (uint64_t)step, &loss, &err), SM_OK);
		for (int c = 0; c < C; c++) {
			double m = 0, v = 0;
			for (int i = 0; i < rows; i++)
				m += (double)in[i * C + c] / rows;
			for (int i = 0; i < rows; i++)
				v += ((double)in[i * C + c] - m) * ((double)in[i * C + c] - m);
			mean[c] = 0.75 * mean[c] + 0.25 * m;
			var[c] = 0.75 * var[c] + 0.25 * v / (rows - 1);
			near((double)running_mean[c], mean[c], "running mean");
			near((double)running_var[c], var[c], "running variance");
		}
	}
	/* Inference scales by them, not by the batch's own, and leaves them as they are. */
	float *w = sm_net_weights(net);
	for (int c = 0; c < C; c++) {
		w[c] = 1.5f + (float)c;
		w[C + c] = 0.25f - (float)c;
	}
	sm_net_touch(net);
	sm_net_set_valid(net, N);
	assert_int_equal(sm_net_forward(net, &err), SM_OK);
	const float *y = sm_net_buffer(net, "y", NULL);
	for (int i = 0; i < N * V * C; i++) {
		int c = i % C;
		double want =
			(1.5 + c) * ((double)in[i] - mean[c]) / sqrt(var[c] + 1e-3) + 0.25 - c;
		near((double)y[i], want, "output in inference");
	}
	for (int c = 0; c < C; c++) {
		near((double)running_mean[c], mean[c], "running mean after inference");
		near((double)running_var[c], var[c], "running variance after inference");
	}
	sm_net_free(net);
}

static void test_dropout_is_off_in_inference(void **state)
{
	(void)state;
	enum { COUNT = 4000 };
	struct sm_graph *g = sm_graph_create();
	int x = sm_g_input(g, "x", S(1, 1, 40, 50, 2));
	struct sm_net *net = small_net(g, sm_g_dropout(g, x, 0.25f));
	struct sm_err err = {0};
	float *in = sm_net_buffer(net, "x", NULL);
	for (int i = 0; i < COUNT; i++)
		in[i] = (float)(i + 1);
	double loss;
	assert_int_equal(sm_net_step(net, 9, &loss, &err), SM_OK);
	const float *y = sm_net_buffer(net, "y", NULL);
	int gone = 0;
	for (int i = 0; i < COUNT; i++) {
		gone += y[i] == 0;
		if (y[i] != 0)
			near((double)y[i], (double)in[i] / 0.75, "a value that stays");
	}
	assert_true(gone > COUNT * 0.21 && gone < COUNT * 0.29);
	assert_int_equal(sm_net_forward(net, &err), SM_OK);
	assert_memory_equal(sm_net_buffer(net, "y", NULL), in, COUNT * sizeof *in);
	assert_int_equal(sm_net_eval(net, &loss, &err), SM_OK);
	assert_memory_equal(sm_net_buffer(net, "y", NULL), in, COUNT * sizeof *in);
	sm_net_free(net);
}

/* NaN at each of the eight places of a window, between larger and smaller values and infinity. */
static void test_nan_wins_in_a_pool(void **state)
{
	(void)state;
	for (int at = 0; at < 8; at++) {
		struct sm_graph *g = sm_graph_create();
		int x = sm_g_input(g, "x", S(1, 2, 2, 2, 3));
		struct sm_net *net = small_net(g, sm_g_max_pool(g, x, 2, 2, 2));
		struct sm_err err = {0};
		float *in = sm_net_buffer(net, "x", NULL);
		for (int i = 0; i < 24; i++)
			in[i] = i / 3 == 7 - at ? INFINITY : (float)((i * 5) % 8);
		in[at * 3 + 1] = NAN;
		assert_int_equal(sm_net_forward(net, &err), SM_OK);
		const float *y = sm_net_buffer(net, "y", NULL);
		assert_true(isinf(y[0]) && isnan(y[1]) && isinf(y[2]));
		sm_net_free(net);
	}
}

/* Nor does any kernel's fused ReLU turn it into 0. */
static void test_nan_goes_through_relu(void **state)
{
	(void)state;
	static const char *const kernels[] = {NULL, "portable"};
	for (int i = 0; i < 6; i++) {
		struct sm_graph *g = sm_graph_create();
		int x = sm_g_input(g, "x", S(1, 1, 1, 20, 16)), kind = i / 2;
		struct sm_conv c = CONV(.out = 16, .fuse = kind ? SM_FUSE_RELU : SM_FUSE_NONE);
		int y = kind == 2 ? sm_g_conv_transposed(g, x, "c", c) : sm_g_conv(g, x, "c", c);
		sm_g_output(g, kind ? y : sm_g_relu(g, y), "y");
		struct sm_net_opt opt = {.threads = 1, .kernel = kernels[i % 2]};
		struct sm_net *net = NULL;
		struct sm_err err = {0};
		assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
		assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
		sm_net_init(net, 1);
		float *in = sm_net_buffer(net, "x", NULL);
		for (int j = 0; j < 320; j++)
			in[j] = (float)(j * 7 % 11) - 5;
		in[5 * 16 + 3] = NAN;
		assert_int_equal(sm_net_forward(net, &err), SM_OK);
		const float *out = sm_net_buffer(net, "y", NULL);
		for (int j = 0; j < 320; j++)
			assert_true(j / 16 == 5 ? isnan(out[j]) : out[j] >= 0);
		sm_net_free(net);
	}
}

#if defined(__x86_64__)
/* Subnormal numbers cost a step most of its speed: none is read or made while a net runs, in any
 * thread, and outside of runs the caller's and the team's arithmetic is what it was. */
static void test_subnormals_are_zero_in_runs_alone(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	struct sm_shape shape = S(1, 16, 32, 32, 16);
	sm_g_output(g, sm_g_leaky_relu(g, sm_g_input(g, "x", shape), 0.5f), "y");
	struct sm_net_opt opt = {.threads = 2};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
	float *in = sm_net_buffer(net, "x", NULL);
	size_t n = sm_shape_count(shape);
	for (size_t i = 0; i < n; i++)
		in[i] = i % 3 ? -1e-40f : -1.5e-38f; /* the second is normal, its half is not */
	assert_int_equal(sm_net_forward(net, &err), SM_OK);
	const float *out = sm_net_buffer(net, "y", NULL);
	for (size_t i = 0; i < n; i++)
		assert_true(fpclassify(out[i]) == FP_ZERO);
	volatile float tiny = 1e-40f;
	int kept[2] = {0, 0};
#pragma omp parallel num_threads(2)
	kept[omp_get_thread_num()] = fpclassify(tiny * 0.5f) == FP_SUBNORMAL;
	assert_true(kept[0]);
	assert_true(kept[1]);
	sm_net_free(net);
}
#endif

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_norm_keeps_running_statistics),
		cmocka_unit_test(test_dropout_is_off_in_inference),
		cmocka_unit_test(test_nan_wins_in_a_pool),
		cmocka_unit_test(test_nan_goes_through_relu),
#if defined(__x86_64__)
		cmocka_unit_test(test_subnormals_are_zero_in_runs_alone),
#endif
	};
	return run_tap(tests);
}
