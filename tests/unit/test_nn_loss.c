/* SPDX-License-Identifier: Apache-2.0 */
/* Losses: PyTorch's values and gradients, batches that count in part, threads, values that are not
 * finite, extreme logits, deep supervision. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/net.h"
#include "train/nn/vmath.h"

#define GOLDEN "tests/golden/loss.txt"
#define S(...) ((struct sm_shape){__VA_ARGS__})

enum { N = 2, C = 3, D = 8, H = 32, W = 40 };

static const float weights[C] = {0.5f, 2.0f, 1.25f};

/* The hash of scripts/golden_loss.py. */
static float hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static void fill_logits(float *z, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		z[i] = hashed(start + (uint32_t)i) * 8 - 4;
}

static void fill_target(float *t, size_t rows, bool softmax)
{
	for (size_t i = 0; i < rows; i++) {
		double u[C];
		for (int c = 0; c < C; c++)
			u[c] = (double)hashed((uint32_t)(20000000 + i * C + c));
		int label = (int)(u[0] * u[1] * 3.99);
		label = label < C ? label : C - 1;
		for (int c = 0; c < C; c++)
			t[i * C + c] = softmax ? c == label : u[c] * u[c] < 0.1;
	}
}

/* An input whose gradient is wanted, as a head. */
static int head(struct sm_graph *g, const char *name, struct sm_shape s)
{
	int x = sm_g_input(g, name, s);
	g->node[g->tensor[x].producer].attr.value[0] = 1;
	return x;
}

static struct sm_net *plan(struct sm_graph *g, int threads)
{
	struct sm_net_opt opt = {.train = true, .threads = threads};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
	return net;
}

static struct sm_loss_opt option(const char *text, char name[32])
{
	struct sm_loss_opt o = sm_loss_default(name);
	sscanf(text, "%31[^:]", name);
	const char *extra = strchr(text, ':');
	extra = extra ? extra + 1 : "";
	o.class_weight = strcmp(extra, "weights") == 0 ? weights : NULL;
	o.batch_dice = strcmp(extra, "batch") == 0;
	o.background = strcmp(extra, "background") == 0;
	if (strcmp(extra, "gamma") == 0)
		o.gamma = 1.5f;
	if (strcmp(extra, "alpha") == 0) {
		o.alpha = 0.8f;
		o.beta = 0.5f;
	}
	return o;
}

static struct sm_net *make(const struct sm_loss_opt *o, int threads, bool heads)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads h = {.count = 1};
	h.logits[0] = head(g, "z0", S(N, D, H, W, C));
	if (heads) {
		h.logits[1] = head(g, "z1", S(N, D / 2, H / 4, W / 3, C));
		h.logits[2] = head(g, "z2", S(N, D / 4, H / 8, W / 8, C));
		h.count = 3;
	}
	sm_g_loss(g, o, &h);
	struct sm_net *net = plan(g, threads);
	static const uint32_t start[] = {10000000, 30000000, 40000000};
	for (int i = 0; i < h.count; i++) {
		struct tensor *t = &net->g->tensor[h.logits[i]];
		fill_logits(t->a, t->count, start[i]);
	}
	fill_target(sm_net_buffer(net, "target", NULL), (size_t)N * D * H * W, o->softmax);
	return net;
}

static double step(struct sm_net *net)
{
	double loss = 0;
	struct sm_err err = {0};
	if (sm_net_step(net, 0, &loss, &err) != SM_OK)
		fail_msg("%s", err.text);
	return loss;
}

/* Norm and five values, as one group of a golden line; returns what stands behind it. */
static const char *check_gradient(const char *line, const char *at, const struct tensor *t)
{
	double norm, v[5], sum = 0;
	int used = 0;
	if (sscanf(at, "%lf %lf %lf %lf %lf %lf%n", &norm, &v[0], &v[1], &v[2], &v[3], &v[4],
		   &used) != 6)
		fail_msg("bad golden line %s", line);
	for (size_t i = 0; i < t->count; i++)
		sum += (double)t->g[i] * (double)t->g[i];
	double rms = norm / sqrt((double)t->count);
	if (!(fabs(sqrt(sum) - norm) <= 1e-6 * norm))
		fail_msg("%.30s: gradient norm %.9g, PyTorch %.9g", line, sqrt(sum), norm);
	for (int q = 0; q < 5; q++) {
		double got = (double)t->g[q * t->count / 5 + q];
		if (!(fabs(got - v[q]) <= 2e-6 * (rms + fabs(v[q]))))
			fail_msg("%.30s: gradient %d is %.9g, PyTorch %.9g", line, q, got, v[q]);
	}
	return at + used;
}

static void test_values_and_gradients_equal_pytorch(void **state)
{
	(void)state;
	FILE *f = fopen(GOLDEN, "r");
	char line[1024];
	int lines = 0;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char text[64], name[32];
		int softmax, used = 0;
		double want;
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%63s %d %lf%n", text, &softmax, &want, &used) != 3)
			fail_msg("bad golden line %s", line);
		struct sm_loss_opt o = option(text, name);
		bool heads = strstr(text, ":heads");
		o.softmax = softmax;
		struct sm_net *net = make(&o, 2, heads);
		double got = step(net);
		if (!(fabs(got - want) <= 1e-6 * fabs(want)))
			fail_msg("%s: %.12g, PyTorch %.12g", text, got, want);
		const char *at = check_gradient(line, line + used, &net->g->tensor[0]);
		if (heads) {
			check_gradient(line, at, &net->g->tensor[1]);
			assert_false(net->g->tensor[2].gets_grad);
		}
		sm_net_free(net);
		lines++;
	}
	fclose(f);
	assert_int_equal(lines, 23);
}

/* Every row of the table is in the golden file's cases, and bits do not hang on the threads. */
static void test_threads_do_not_change_a_bit(void **state)
{
	(void)state;
	for (size_t i = 0; sm_loss_name(i); i++)
		for (int softmax = 0; softmax < 2; softmax++) {
			const char *name = sm_loss_name(i);
			bool point = strcmp(name, "ce") == 0;
			bool sigmoid = strstr(name, "bce");
			if (softmax ? sigmoid : point)
				continue;
			struct sm_loss_opt o = sm_loss_default(name);
			o.softmax = softmax;
			struct sm_net *a = make(&o, 1, false), *b = make(&o, 3, false);
			assert_true(step(a) == step(b));
			const struct tensor *p = &a->g->tensor[0], *q = &b->g->tensor[0];
			assert_memory_equal(p->g, q->g, p->count * sizeof *p->g);
			sm_net_free(a);
			sm_net_free(b);
		}
}

/* A sample that does not count may hold anything, and has no gradient. */
static void test_only_samples_that_count(void **state)
{
	(void)state;
	for (int batch = 0; batch < 2; batch++) {
		struct sm_loss_opt o = {.name = "dice_ce", .softmax = true, .batch_dice = batch};
		struct sm_net *net = make(&o, 2, false);
		struct tensor *t = &net->g->tensor[0];
		size_t half = t->count / 2;
		sm_net_set_valid(net, 1);
		double clean = step(net);
		for (size_t i = half; i < t->count; i++)
			t->a[i] = NAN;
		assert_true(step(net) == clean && isfinite(clean));
		double inside = 0;
		for (size_t i = 0; i < half; i++)
			inside += fabs((double)t->g[i]);
		for (size_t i = half; i < t->count; i++)
			assert_true(t->g[i] == 0);
		assert_true(inside > 0);
		sm_net_free(net);
	}
}

/* The mean over samples of the batch's Dice is that Dice, and both samples have a part in it. */
static void test_batch_dice_is_of_the_batch(void **state)
{
	(void)state;
	struct sm_loss_opt o = {.name = "soft_dice", .batch_dice = true};
	struct sm_net *net = make(&o, 2, false);
	double loss = step(net);
	const double *each = net->sample;
	assert_true(each[0] == loss && each[1] == loss);
	sm_net_free(net);
}

/* Numbers that are allowed mean what they say, 0 too. */
static void test_zeros_are_no_defaults(void **state)
{
	(void)state;
	for (int softmax = 0; softmax < 2; softmax++) {
		struct sm_loss_opt o = sm_loss_default("dice_focal"),
				   ce = sm_loss_default("dice_ce");
		o.softmax = ce.softmax = softmax;
		o.gamma = 0;
		struct sm_net *a = make(&o, 2, false), *b = make(&ce, 2, false);
		assert_true(step(a) == step(b));
		const struct tensor *p = &a->g->tensor[0], *q = &b->g->tensor[0];
		assert_memory_equal(p->g, q->g, p->count * sizeof *p->g);
		sm_net_free(a);
		sm_net_free(b);
		o = sm_loss_default("tversky");
		o.softmax = softmax;
		o.alpha = o.beta = 0; /* (I + e) / (I + e) */
		a = make(&o, 2, false);
		assert_true(fabs(step(a)) < 1e-12);
		sm_net_free(a);
		o.alpha = 0.3f;
		a = make(&o, 2, false);
		double only_alpha = step(a);
		sm_net_free(a);
		o.beta = 0.7f;
		a = make(&o, 2, false);
		assert_true(only_alpha > 1e-3 && only_alpha < step(a) - 1e-3);
		sm_net_free(a);
	}
}

static void test_values_that_are_not_finite_show(void **state)
{
	(void)state;
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	for (size_t i = 0; sm_loss_name(i); i++)
		for (size_t k = 0; k < 3; k++) {
			const char *name = sm_loss_name(i);
			struct sm_loss_opt o = sm_loss_default(name);
			o.softmax = !strstr(name, "bce");
			struct sm_net *net = make(&o, 2, false);
			struct tensor *t = &net->g->tensor[0];
			/* A softmax takes any infinity; a sigmoid is right to: p is 0 or 1. */
			t->a[100 * C + 1] = o.softmax && bad[k] < 0 ? NAN : bad[k];
			if (o.softmax || k == 0)
				assert_false(isfinite(step(net)));
			sm_net_free(net);
		}
}

/* Logits of +-200: exact limits, no overflow. */
static void test_extreme_logits(void **state)
{
	(void)state;
	struct sm_loss_opt o = {.name = "ce", .softmax = true};
	struct sm_net *net = make(&o, 2, false);
	struct tensor *t = &net->g->tensor[0];
	const float *target = sm_net_buffer(net, "target", NULL);
	for (size_t i = 0; i < t->count; i++)
		t->a[i] = target[i] > 0 ? -200.0f : 0.0f;
	/* -log p = 200 + log(2 + e^-200) */
	assert_true(fabs(step(net) - (200 + log(2.0))) < 1e-4);
	for (size_t i = 0; i < t->count; i++)
		t->a[i] = target[i] > 0 ? 200.0f : -200.0f;
	assert_true(fabs(step(net)) < 1e-12);
	sm_net_free(net);
	o = (struct sm_loss_opt){.name = "dice_bce"};
	net = make(&o, 2, false);
	t = &net->g->tensor[0];
	target = sm_net_buffer(net, "target", NULL);
	for (size_t i = 0; i < t->count; i++)
		t->a[i] = target[i] > 0 ? -200.0f : 200.0f;
	assert_true(fabs(step(net) - 201) < 1e-3);
	sm_net_free(net);
}

/* An empty target: no division by zero, no pull on absent classes to infinity. */
static void test_empty_targets(void **state)
{
	(void)state;
	for (size_t i = 0; sm_loss_name(i); i++) {
		const char *name = sm_loss_name(i);
		struct sm_loss_opt o = sm_loss_default(name);
		o.softmax = !strstr(name, "bce");
		struct sm_net *net = make(&o, 2, false);
		struct tensor *t = &net->g->tensor[0];
		memset(sm_net_buffer(net, "target", NULL), 0, t->count * sizeof(float));
		double loss = step(net);
		if (!isfinite(loss) || loss < 0)
			fail_msg("%s of an empty target is %g", name, loss);
		for (size_t k = 0; k < t->count; k++)
			assert_true(isfinite(t->g[k]));
		sm_net_free(net);
	}
}

static void test_vector_functions_are_accurate(void **state)
{
	(void)state;
	double worst[4] = {0};
	for (int i = 0; i <= 200000; i++) {
		float x = -87.0f + 175.0f * (float)i / 200000.0f, y = 1e-6f + (float)i * 0.01f;
		double e = exp((double)x), l = log((double)y),
		       p = log1p((double)x * (double)x * 1e-6);
		worst[0] = fmax(worst[0], fabs((double)vm_exp(x) - e) / e);
		worst[1] = fmax(worst[1], fabs((double)vm_log(y) - l) / fmax(fabs(l), 0.1));
		worst[2] =
			fmax(worst[2], fabs((double)vm_log1p(x * x * 1e-6f) - p) / fmax(p, 1e-9));
		double s = 1 / (1 + exp(-(double)x));
		worst[3] = fmax(worst[3], fabs((double)vm_sigmoid(x, vm_exp(-vm_abs(x))) - s) / s);
	}
	for (int k = 0; k < 4; k++)
		if (!(worst[k] < 4e-7))
			fail_msg("function %d is off by %g", k, worst[k]);
	assert_true(isnan(vm_exp(NAN)) && isnan(vm_log(NAN)) && isnan(vm_log1p(NAN)));
	assert_true(vm_exp(0) == 1 && vm_log(1) == 0 && vm_log1p(0) == 0);
}

static uint64_t fnv(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

/* Loss and gradient of the losses with the most arithmetic: no library function, no contraction,
 * the same order of sums in AVX-512, AVX2 and SSE2. */
static void test_bits_do_not_hang_on_the_cpu(void **state)
{
	(void)state;
	static const struct sm_loss_opt all[] = {
		{.name = "dice_ce", .softmax = true},
		{.name = "dice_focal", .softmax = true, .gamma = 1.5f},
		{.name = "dice_focal", .gamma = 1.5f},
		{.name = "soft_dice"},
	};
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct sm_net *net = make(&all[i], 2, false);
		double loss = step(net);
		h = fnv(h, &loss, sizeof loss);
		h = fnv(h, net->g->tensor[0].g, net->g->tensor[0].count * sizeof(float));
		sm_net_free(net);
	}
	if (h != 0x01082ab132fc0097u)
		fail_msg("hash %016llx", (unsigned long long)h);
}

/* PyTorch's nearest-exact: 5 -> 2 takes 1 and 3, 4 -> 2 takes 1 and 3, 2 -> 4 takes 0 0 1 1. */
static void test_sample_takes_the_nearest(void **state)
{
	(void)state;
	static const struct {
		int in, out, want[4];
	} cases[] = {{5, 2, {1, 3}}, {4, 2, {1, 3}}, {2, 4, {0, 0, 1, 1}}, {3, 3, {0, 1, 2}}};
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
		for (int axis = 0; axis < 3; axis++) {
			int in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
			in[axis] = cases[k].in;
			out[axis] = cases[k].out;
			struct sm_graph *g = sm_graph_create();
			int x = sm_g_input(g, "x", S(1, in[0], in[1], in[2], 2));
			sm_g_output(g, sm_g_sample(g, x, out[0], out[1], out[2]), "y");
			struct sm_net *net = NULL;
			struct sm_net_opt opt = {.threads = 1};
			struct sm_err err = {0};
			assert_good(sm_net_plan(g, &opt, &net, &err), err);
			assert_good(sm_net_alloc(net, NULL, &err), err);
			for (int i = 0; i < 2 * cases[k].in; i++)
				sm_net_buffer(net, "x", NULL)[i] = (float)i;
			assert_good(sm_net_forward(net, &err), err);
			for (int i = 0; i < 2 * cases[k].out; i++)
				assert_true(sm_net_buffer(net, "y", NULL)[i] ==
					    (float)(2 * cases[k].want[i / 2] + i % 2));
			sm_net_free(net);
		}
}

static void refused(struct sm_loss_opt o, int channels, const char *part)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_err err = {0};
	int x = sm_g_input(g, "x", S(1, 1, 2, 2, channels));
	assert_int_equal(sm_g_loss(g, &o, &(struct sm_heads){.logits = {x}, .count = 1}), -1);
	assert_refused(sm_graph_status(g, &err), SM_USAGE, err, part);
	sm_graph_free(g);
}

static void test_mistakes_are_told(void **state)
{
	(void)state;
	static const float minus[] = {1, -1}, first[] = {1, 0}, none[] = {0, 0};
	refused((struct sm_loss_opt){.name = "hinge"}, 2, "known are soft_dice, dice");
	refused((struct sm_loss_opt){.name = "ce"}, 2, "\"ce\" needs softmax outputs");
	refused((struct sm_loss_opt){.name = "bce", .softmax = true}, 2, "needs sigmoid outputs");
	refused((struct sm_loss_opt){.name = "ce", .softmax = true}, 1, "softmax over one channel");
	refused((struct sm_loss_opt){.name = "bce"}, 65, "65 channels, must be at most 64");
	refused((struct sm_loss_opt){.name = "bce", .class_weight = minus}, 2, "class weight -1");
	refused((struct sm_loss_opt){.name = "bce", .class_weight = none}, 2, "weights are 0");
	refused((struct sm_loss_opt){.name = "dice", .softmax = true, .class_weight = first}, 2,
		"weights are 0");
	refused((struct sm_loss_opt){.name = "tversky", .alpha = -1}, 2, "must be >= 0");
	refused((struct sm_loss_opt){.name = "dice_focal", .gamma = NAN}, 2, "gamma nan");
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_gradients_equal_pytorch),
		cmocka_unit_test(test_threads_do_not_change_a_bit),
		cmocka_unit_test(test_only_samples_that_count),
		cmocka_unit_test(test_batch_dice_is_of_the_batch),
		cmocka_unit_test(test_zeros_are_no_defaults),
		cmocka_unit_test(test_values_that_are_not_finite_show),
		cmocka_unit_test(test_extreme_logits),
		cmocka_unit_test(test_empty_targets),
		cmocka_unit_test(test_vector_functions_are_accurate),
		cmocka_unit_test(test_bits_do_not_hang_on_the_cpu),
		cmocka_unit_test(test_sample_takes_the_nearest),
		cmocka_unit_test(test_mistakes_are_told),
	};
	return run_tap(tests);
}
