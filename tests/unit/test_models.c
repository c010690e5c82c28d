/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the networks' table against scripts/golden_models.py: parameters at full width,
 * losses of ten Adam steps and the first step's gradients of a narrow one; with oneDNN's kernels
 * alone and with those that the rule takes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "train/models/models.h"
#include "train/nn/nn.h"

#define GOLDEN "tests/golden/models.txt"
#define STEPS 10

/* The hash of the script. */
static float hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static uint32_t fnv(const char *text)
{
	uint32_t h = 2166136261u;
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

/* A "net" line of the golden file. */
struct golden {
	char model[32], norm[16], loss[16];
	struct sm_model_opt opt;
	uint32_t offset;
};

static struct sm_net *plan(const char *model, const struct sm_model_opt *o, const char *loss,
			   const char *kernel)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {
		.train = loss, .threads = 1, .optim = loss ? &adam : NULL, .kernel = kernel};
	if (sm_model_build(model, o, g, &heads, &err) == SM_OK && loss)
		sm_g_loss(g, &(struct sm_loss_opt){.name = loss, .softmax = o->softmax}, &heads);
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK)
		fail_msg("%s: %s", model, err.text);
	return net;
}

static void fill_weights(struct sm_net *net, uint32_t offset)
{
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	float *w = sm_net_weights(net);
	for (size_t i = 0; i < count; i++) {
		double fan = 1;
		for (int a = 1; a < p[i].rank; a++)
			fan *= p[i].shape[a];
		float base = 0, scale = p[i].rank > 1 ? (float)sqrt(6.0 / fan) : 0.05f;
		if (p[i].rank == 1 && strstr(p[i].name, ".weight")) {
			bool norm = strstr(p[i].name, ".norm");
			base = norm ? 1.0f : 0.25f;
			scale = norm ? 0.2f : 0.1f;
		}
		uint32_t at = fnv(p[i].name) + offset;
		for (size_t k = 0; k < p[i].count; k++)
			w[p[i].offset + k] = base + scale * (hashed(at + (uint32_t)k) * 2 - 1);
	}
	sm_net_touch(net);
}

/* Input, and labels of which each voxel has one; sigmoid networks have no channel for label 0. */
static void fill_data(struct sm_net *net, const struct golden *t)
{
	const struct sm_model_opt *o = &t->opt;
	size_t n = (size_t)o->d * o->h * o->w, c = (size_t)o->in_channels, k = (size_t)o->channels;
	float *x = sm_net_buffer(net, "x", NULL), *y = sm_net_buffer(net, "target", NULL);
	float *first = malloc(n * c * sizeof *first);
	for (size_t b = 0; b < (size_t)o->batch; b++) {
		for (size_t i = 0; i < n * c; i++)
			first[i] = hashed((uint32_t)(10000000 + t->offset + b * n * c + i)) * 4 - 2;
		sm_to_channels_last(first, (int)c, n, x + b * n * c);
		for (size_t i = 0; i < n; i++) {
			float u = hashed((uint32_t)(20000000 + t->offset + b * n + i));
			size_t label = (size_t)(u * (float)(k + !o->softmax));
			for (size_t j = 0; j < k; j++)
				y[(b * n + i) * k + j] = j + !o->softmax == label ? 1.0f : 0.0f;
		}
	}
	free(first);
}

static void check_count(const struct golden *t, int in, int out, size_t want)
{
	struct sm_model_opt o = t->opt;
	o.batch = 1;
	o.in_channels = in;
	o.channels = out;
	o.width = 1;
	o.d = 16;
	o.h = o.w = strcmp(t->model, "nnunet3d") == 0 ? 160 : 32;
	struct sm_net *net = plan(t->model, &o, NULL, "dnnl");
	if (sm_net_weight_count(net) != want)
		fail_msg("%s %s: %zu parameters, PyTorch %zu", t->model, t->norm,
			 sm_net_weight_count(net), want);
	sm_net_free(net);
}

/* Norm of a parameter's gradient, and its product with the hash. */
static double check_gradient(struct sm_net *net, const struct golden *t, const char *name, size_t n,
			     double norm, double dot)
{
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(p[i].name, name) != 0)
			continue;
		const float *g = sm_net_gradients(net) + p[i].offset;
		double sum = 0, prod = 0;
		assert_int_equal(p[i].count, n);
		for (size_t k = 0; k < n; k++) {
			sum += (double)g[k] * (double)g[k];
			prod += (double)g[k] * ((double)hashed((uint32_t)(30000000 + k)) * 2 - 1);
		}
		double off = fmax(fabs(sqrt(sum) - norm), fabs(prod - dot));
		/* Biases before a norm have no gradient but rounding. */
		if (!(off <= 1e-4 * norm + 3e-7))
			fail_msg("%s %s: gradient of %s: norm %g, product %g; PyTorch %g, %g",
				 t->model, t->norm, name, sqrt(sum), prod, norm, dot);
		return norm > 1e-4 ? off / norm : 0;
	}
	fail_msg("%s: no parameter %s", t->model, name);
	return 0;
}

static bool read_net(const char *line, struct golden *t)
{
	t->opt = sm_model_default();
	struct sm_model_opt *o = &t->opt;
	if (sscanf(line, "net %31s %15s %15s %d %d %d %d %d %d %lf %lf %lf %lf %u", t->model,
		   t->norm, t->loss, &o->batch, &o->in_channels, &o->channels, &o->d, &o->h, &o->w,
		   &o->width, &o->spacing[0], &o->spacing[1], &o->spacing[2], &t->offset) != 14)
		return false;
	o->softmax = strcmp(t->loss, "soft_dice") != 0;
	o->norm = t->norm;
	o->dropout = 0;
	if (sm_model_find(t->model)->dropout < 0)
		o->dropout = -1;
	return true;
}

static struct sm_net *start(const struct golden *t, const char *kernel)
{
	struct sm_err err = {0};
	struct sm_net *net = plan(t->model, &t->opt, t->loss, kernel);
	if (sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s: %s", t->model, err.text);
	sm_net_init(net, 1);
	fill_weights(net, t->offset);
	fill_data(net, t);
	return net;
}

/* Step `at`; the update of the step before comes first. Adam divides by the gradient's own size:
 * where it is zero but for rounding, the weight moves by rounding, and units cross their kinks
 * elsewhere. oneDNN's zeros are mostly exact as PyTorch's, a Winograd kernel's are not: `within` is
 * wider. */
static double check_loss(struct sm_net *net, const struct golden *t, int at, double want,
			 double within)
{
	struct sm_err err = {0};
	double loss = 0;
	if ((at && sm_net_update(net, 1e-3, NULL, &err) != SM_OK) ||
	    sm_net_step(net, (uint64_t)at, &loss, &err) != SM_OK)
		fail_msg("%s: %s", t->model, err.text);
	if (!(fabs(loss - want) <= (at ? within : 1e-6) * fabs(want)))
		fail_msg("%s %s step %d: loss %.8f, PyTorch %.8f", t->model, t->norm, at, loss,
			 want);
	return fabs(loss / want - 1);
}

static void report(const struct sm_net *net, const struct golden *t, double grad, double loss)
{
	if (net)
		print_message("# %-13s %-9s gradients within %.1e, losses within %.1e\n", t->model,
			      t->norm, grad, loss);
}

static void ten_steps(const char *kernel, double within)
{
	FILE *f = fopen(GOLDEN, "r");
	struct golden t = {0};
	struct sm_net *net = NULL;
	char line[256], name[64];
	int nets = 0, steps = 0, at, in, out;
	double worst_loss = 0, worst_grad = 0;
	if (!f)
		fail_msg("cannot open " GOLDEN);
	while (fgets(line, sizeof line, f)) {
		size_t n;
		double a, b;
		if (line[0] == '#')
			continue;
		if (sscanf(line, "loss %d %lf", &at, &a) == 2) {
			steps++;
			worst_loss = fmax(worst_loss, check_loss(net, &t, at, a, within));
		} else if (sscanf(line, "grad %63s %zu %lf %lf", name, &n, &a, &b) == 4) {
			worst_grad = fmax(worst_grad, check_gradient(net, &t, name, n, a, b));
		} else if (sscanf(line, "count %d %d %zu", &in, &out, &n) == 3) {
			if (kernel)
				check_count(&t, in, out, n);
		} else {
			report(net, &t, worst_grad, worst_loss);
			sm_net_free(net);
			assert_true(read_net(line, &t));
			net = start(&t, kernel);
			worst_loss = worst_grad = 0;
			nets++;
		}
	}
	report(net, &t, worst_grad, worst_loss);
	sm_net_free(net);
	fclose(f);
	assert_int_equal(nets, 10);
	assert_int_equal(steps, nets * STEPS);
}

static void test_ten_steps_with_onednn(void **state)
{
	(void)state;
	ten_steps("dnnl", 2e-4);
}

static void test_ten_steps_with_the_kernels_of_the_rule(void **state)
{
	(void)state;
	ten_steps(NULL, 1e-3);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_steps_with_onednn),
		cmocka_unit_test(test_ten_steps_with_the_kernels_of_the_rule),
	};
	return run_tap(tests);
}
