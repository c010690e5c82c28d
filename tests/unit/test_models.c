/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the networks' table against scripts/golden_models.py: parameters at full width,
 * losses of ten Adam steps, the first step's gradients and how far each parameter has moved after
 * one and after ten steps of a narrow one; with oneDNN's kernels alone and with those that the rule
 * takes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "train/models/models.h"
#include "train/nn/nn.h"

#define GOLDEN "tests/golden/models.txt"
#define STEPS 10
#define LR 1e-3
#define EPS 1e-4 /* of Adam: about as large as the gradients, so that it shows */

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

/* The network at work, and what was found so far. */
struct run {
	struct golden t;
	struct sm_net *net;
	float *start, *first; /* weights before and after the first update */
	int updates, losses, grads, moves, counts;
	double worst_loss, worst_grad, worst_first, worst_last;
};

/* How far off losses may be, and the moves of one and of ten steps, as a share. */
struct bounds {
	double loss, first, last;
};

/* Units of some cross their kinks on the way, where rounding decides when: a tensor
 * that stood still would show, more does not. */
static struct bounds bounds_of(const char *model)
{
	static const char *const crossing[] = {"unet2d", "nnunet3d", "basic_unet3d"};
	for (size_t i = 0; i < sizeof crossing / sizeof *crossing; i++)
		if (strcmp(model, crossing[i]) == 0)
			return (struct bounds){5e-4, 2e-4, 0.3};
	return (struct bounds){5e-6, 2e-4, 1e-3};
}

static struct sm_net *plan(const char *model, const struct sm_model_opt *o, const char *loss,
			   const char *kernel)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	struct sm_optim adam = sm_optim_default("adam");
	adam.eps = EPS;
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

static const struct sm_param *find(struct run *r, const char *name)
{
	size_t count;
	const struct sm_param *p = sm_net_params(r->net, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(p[i].name, name) == 0)
			return &p[i];
	fail_msg("%s: no parameter %s", r->t.model, name);
	return NULL;
}

/* Norm of v - from (of v where from is NULL) and its product with the hash, against PyTorch's; how
 * far off as a share of the norm. `floor` is what rounding alone may make of it. */
static double measure(const struct run *r, const char *what, const struct sm_param *p,
		      const float *v, const float *from, const double want[2], double within,
		      double floor)
{
	double sum = 0, prod = 0;
	for (size_t k = 0; k < p->count; k++) {
		double d = (double)v[p->offset + k] - (from ? (double)from[p->offset + k] : 0);
		sum += d * d;
		prod += d * ((double)hashed((uint32_t)(30000000 + k)) * 2 - 1);
	}
	double off = fmax(fabs(sqrt(sum) - want[0]), fabs(prod - want[1]));
	if (!(off <= within * want[0] + floor))
		fail_msg("%s %s: %s of %s: norm %g, product %g; PyTorch %g, %g (off by %.1e)",
			 r->t.model, r->t.norm, what, p->name, sqrt(sum), prod, want[0], want[1],
			 off / want[0]);
	return want[0] > 1e3 * floor ? off / want[0] : 0;
}

static void update(struct run *r)
{
	struct sm_err err = {0};
	size_t n = sm_net_weight_count(r->net);
	if (sm_net_update(r->net, LR, NULL, &err) != SM_OK)
		fail_msg("%s: %s", r->t.model, err.text);
	if (!r->updates++)
		memcpy(r->first, sm_net_weights(r->net), n * sizeof *r->first);
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

/* Step `at`; the update of the step before comes first. */
static void check_loss(struct run *r, int at, double want, double within)
{
	struct sm_err err = {0};
	double loss = 0;
	assert_int_equal(at, r->losses++);
	if (at)
		update(r);
	if (sm_net_step(r->net, (uint64_t)at, &loss, &err) != SM_OK)
		fail_msg("%s: %s", r->t.model, err.text);
	if (!(fabs(loss - want) <= (at ? within : 1e-6) * fabs(want)))
		fail_msg("%s %s step %d: loss %.8f, PyTorch %.8f", r->t.model, r->t.norm, at, loss,
			 want);
	r->worst_loss = fmax(r->worst_loss, fabs(loss / want - 1));
}

/* A float32 weight of about 1 moves by steps of 6e-8, and a bias before a norm, which has no
 * gradient but rounding, by less than 1e-6. */
static void check_move(struct run *r, const struct sm_param *p, const double v[4], struct bounds b)
{
	double floor = 6e-8 * sqrt((double)p->count) + 1e-6;
	if (r->updates < STEPS)
		update(r);
	assert_int_equal(r->updates, STEPS);
	r->worst_first = fmax(r->worst_first,
			      measure(r, "first move", p, r->first, r->start, v, b.first, floor));
	r->worst_last =
		fmax(r->worst_last, measure(r, "move of ten steps", p, sm_net_weights(r->net),
					    r->start, v + 2, b.last, 2 * floor));
	r->moves++;
}

static void begin(struct run *r, const char *line, const char *kernel)
{
	*r = (struct run){0};
	assert_true(read_net(line, &r->t));
	r->net = start(&r->t, kernel);
	size_t n = sm_net_weight_count(r->net);
	r->start = malloc(n * sizeof *r->start);
	r->first = malloc(n * sizeof *r->first);
	memcpy(r->start, sm_net_weights(r->net), n * sizeof *r->start);
}

/* All that the file must hold of a network was there. */
static void finish(struct run *r)
{
	size_t params;
	if (!r->net)
		return;
	sm_net_params(r->net, &params);
	assert_int_equal(r->losses, STEPS);
	assert_int_equal(r->grads, params);
	assert_int_equal(r->moves, params);
	assert_int_equal(r->counts, 1);
	print_message("# %-13s %-9s gradients within %.1e, losses %.1e, moves %.1e and %.1e\n",
		      r->t.model, r->t.norm, r->worst_grad, r->worst_loss, r->worst_first,
		      r->worst_last);
	sm_net_free(r->net);
	free(r->start);
	free(r->first);
}

static void ten_steps(const char *kernel)
{
	FILE *f = fopen(GOLDEN, "r");
	struct run r = {0};
	char line[256], name[64];
	int nets = 0, at, in, out;
	if (!f)
		fail_msg("cannot open " GOLDEN);
	while (fgets(line, sizeof line, f)) {
		size_t n;
		double v[4];
		if (line[0] == '#')
			continue;
		if (sscanf(line, "loss %d %lf", &at, &v[0]) == 2) {
			check_loss(&r, at, v[0], bounds_of(r.t.model).loss);
		} else if (sscanf(line, "grad %63s %zu %lf %lf", name, &n, &v[0], &v[1]) == 4) {
			const struct sm_param *p = find(&r, name);
			assert_int_equal(p->count, n);
			/* Biases before a norm have no gradient but rounding. */
			r.worst_grad = fmax(r.worst_grad,
					    measure(&r, "gradient", p, sm_net_gradients(r.net),
						    NULL, v, 1e-4, 3e-7));
			r.grads++;
		} else if (sscanf(line, "move %63s %lf %lf %lf %lf", name, &v[0], &v[1], &v[2],
				  &v[3]) == 5) {
			check_move(&r, find(&r, name), v, bounds_of(r.t.model));
		} else if (sscanf(line, "count %d %d %zu", &in, &out, &n) == 3) {
			if (kernel)
				check_count(&r.t, in, out, n);
			r.counts++;
		} else {
			finish(&r);
			begin(&r, line, kernel);
			nets++;
		}
	}
	finish(&r);
	fclose(f);
	assert_int_equal(nets, 10);
}

static void test_ten_steps_with_onednn(void **state)
{
	(void)state;
	ten_steps("dnnl");
}

static void test_ten_steps_with_the_kernels_of_the_rule(void **state)
{
	(void)state;
	ten_steps(NULL);
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
