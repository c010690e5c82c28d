/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions that read the source of an up-sampling: every instruction set against a plain sum in
 * double, bits over thread counts and sets; networks with the up-sampled tensor made and not made,
 * their gradients against finite differences; which layers the rule takes. */
#include "tests/unit/nn_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/conv_cases.h"

/* Bounds on the largest error over the largest result, and on root mean square over root mean
 * square (of a sum of up to 512 products); measured on these shapes are up to 1.2e-6 and 5.3e-7. */
#define WORST 4e-6
#define RMS 2e-6

static const struct conv_kernel *const sets[] = {&conv_up_avx512, &conv_up_avx2, &conv_up_portable};
#define SETS 3

static size_t count_of(const struct conv_desc *d, char what)
{
	size_t planes = (size_t)d->n * d->in[0];
	size_t x = planes * (d->in[1] / 2) * (d->in[2] / 2) * d->ic;
	size_t y = planes * d->out[1] * d->out[2] * d->oc, w = (size_t)d->ic * d->oc * 4;
	return what == 'x' ? x : what == 'y' ? y : w;
}

static char result_of(enum sm_pass pass)
{
	return pass == SM_FORWARD ? 'y' : pass == SM_BACKWARD_DATA ? 'x' : 'w';
}

static struct conv_desc layer(int n, int d, int h, int w, int ic, int oc)
{
	return (struct conv_desc){.n = n,
				  .ic = ic,
				  .oc = oc,
				  .in = {d, 2 * h, 2 * w},
				  .out = {d, 2 * h, 2 * w},
				  .k = {1, 2, 2},
				  .stride = {1, 1, 1},
				  .hi = {0, 1, 1},
				  .up = true,
				  .threads = 2};
}

struct operands {
	float *x, *y, *w, *b, *gw;
};

static struct operands operands(const struct conv_desc *d)
{
	return (struct operands){.x = case_block(count_of(d, 'x'), "x"),
				 .y = case_block(count_of(d, 'y'), "y"),
				 .w = case_block(count_of(d, 'w'), "w"),
				 .b = case_block((size_t)d->oc, "b"),
				 .gw = case_block(count_of(d, 'w'), "gw")};
}

static void drop(struct operands *o)
{
	free(o->x);
	free(o->y);
	free(o->w);
	free(o->b);
	free(o->gw);
}

static float *result(const struct operands *o, enum sm_pass pass)
{
	return pass == SM_FORWARD ? o->y : pass == SM_BACKWARD_DATA ? o->x : o->gw;
}

/* The pass straight from the definition: taps read pixel (row / 2, column / 2) of the source. */
static double *plain(const struct conv_desc *d, enum sm_pass pass, const struct operands *o)
{
	size_t n = count_of(d, result_of(pass)), outs = count_of(d, 'y') / d->oc;
	double *r = calloc(n, sizeof *r);
	for (size_t i = 0; pass == SM_BACKWARD_WEIGHTS && i < n; i++)
		r[i] = (double)o->gw[i];
	for (size_t i = 0; pass == SM_FORWARD && d->bias && i < n; i++)
		r[i] = (double)o->b[i % d->oc];
	for (size_t q = 0; q < outs; q++)
		for (int t = 0; t < 4; t++) {
			int w = (int)(q % d->out[2]) + t % 2,
			    h = (int)(q / d->out[2] % d->out[1]) + t / 2;
			size_t plane = q / d->out[2] / d->out[1];
			if (h >= d->in[1] || w >= d->in[2])
				continue;
			size_t in = (plane * (d->in[1] / 2) + h / 2) * (d->in[2] / 2) + w / 2;
			for (int c = 0; c < d->oc; c++)
				for (int i = 0; i < d->ic; i++) {
					size_t k = ((size_t)c * d->ic + i) * 4 + t;
					double x = (double)o->x[in * d->ic + i];
					double y = (double)o->y[q * d->oc + c];
					if (pass == SM_FORWARD)
						r[q * d->oc + c] += x * (double)o->w[k];
					else if (pass == SM_BACKWARD_DATA)
						r[in * d->ic + i] += y * (double)o->w[k];
					else
						r[k] += x * y;
				}
		}
	for (size_t i = 0; pass == SM_FORWARD && d->relu && i < n; i++)
		r[i] = r[i] > 0 ? r[i] : 0;
	return r;
}

/* Runs a pass; guards behind packed weights and workspace must stay. */
static void run(const struct conv_kernel *kernel, const struct conv_desc *d, enum sm_pass pass,
		struct operands *o)
{
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	if (conv_plan_create(NULL, d, pass, kernel->name, &p, &err) != SM_OK)
		fail_msg("%s", err.text);
	char *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	char *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	memset(packed, 0x7f, p->packed + 64);
	memset(ws, 0x7f, p->ws + 64);
	void *half[2] = {case_stored(d->xe, o->x, count_of(d, 'x')),
			 case_stored(d->ye, o->y, count_of(d, 'y'))};
	struct conv_args a = {.x = half[0] ? half[0] : o->x,
			      .y = half[1] ? half[1] : o->y,
			      .w = o->w,
			      .bias = d->bias ? o->b : NULL,
			      .gw = o->gw,
			      .packed = packed,
			      .ws = ws};
	if (p->packed)
		assert_int_equal(p->kernel->pack(p, &a, &err), SM_OK);
	assert_int_equal(conv_plan_run(p, &a, &err), SM_OK);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(packed[p->packed + i], 0x7f);
		assert_int_equal(ws[p->ws + i], 0x7f);
	}
	if (half[0])
		elem_convert(o->x, ELEM_F32, half[0], ELEM_BF16, count_of(d, 'x'), 1);
	if (half[1])
		elem_convert(o->y, ELEM_F32, half[1], ELEM_BF16, count_of(d, 'y'), 1);
	free(half[0]);
	free(half[1]);
	free(packed);
	free(ws);
	conv_plan_free(p);
}

static void compare(const char *name, const struct conv_desc *d, enum sm_pass pass,
		    const float *got, const double *want)
{
	double worst = 0, top = 0, ee = 0, rr = 0;
	size_t n = count_of(d, result_of(pass));
	enum elem e = pass == SM_FORWARD ? d->ye : pass == SM_BACKWARD_DATA ? d->xe : ELEM_F32;
	double more = e == ELEM_BF16 ? 1.0 / 256 : 0;
	for (size_t i = 0; i < n; i++) {
		double err = fabs((double)got[i] - want[i]);
		assert_false(isnan(err));
		worst = fmax(worst, err);
		top = fmax(top, fabs(want[i]));
		ee += err * err;
		rr += want[i] * want[i];
	}
	if (worst > (WORST + more) * top || sqrt(ee) > (RMS + more) * sqrt(rr))
		fail_msg("%s pass %d: off by %g of %g at %d>%d %dx%dx%d n%d", name, pass, worst,
			 top, d->ic, d->oc, d->in[0], d->in[1], d->in[2], d->n);
}

/* Sources of 1 to 17 pixels a side, channels 16 to 96, both types of storage on either side. */
static struct conv_desc random_layer(uint64_t i)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 3, "test", "up", 0, i);
	int size[7];
	static const uint32_t most[7] = {2, 3, 9, 17, 6, 6, 3};
	for (int k = 0; k < 7; k++)
		size[k] = 1 + (int)sm_rng_below(&rng, most[k]);
	struct conv_desc d = layer(size[0], size[1], size[2], size[3], 16 * size[4], 16 * size[5]);
	d.threads = size[6];
	d.bias = sm_rng_below(&rng, 2);
	d.relu = sm_rng_below(&rng, 2);
	d.xe = i % 3 == 1 ? ELEM_BF16 : ELEM_F32;
	d.ye = i % 5 == 2 || i % 3 == 1 ? ELEM_BF16 : ELEM_F32;
	return d;
}

/* Visibly left out on a CPU without that instruction set. */
static void set_equals_the_definition(const struct conv_kernel *kernel)
{
	struct conv_desc any = layer(1, 1, 4, 4, 16, 16);
	if (!kernel->fits(&any, SM_FORWARD))
		skip();
	for (uint64_t i = 0; i < 36; i++) {
		struct conv_desc d = random_layer(i);
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct operands o = operands(&d);
			free(case_stored(d.xe, o.x, count_of(&d, 'x')));
			free(case_stored(d.ye, o.y, count_of(&d, 'y')));
			double *want = plain(&d, pass, &o);
			assert_true(kernel->fits(&d, pass));
			run(kernel, &d, pass, &o);
			compare(kernel->name, &d, pass, result(&o, pass), want);
			drop(&o);
			free(want);
		}
	}
}

static void test_avx512_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(sets[0]);
}

static void test_avx2_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(sets[1]);
}

static void test_portable_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(sets[2]);
}

/* Same bits for 1, 2 and 3 threads and, since lanes never meet, for AVX-512 and AVX2; among them a
 * layer in groups of channels and one whose output is streamed past the caches. */
static void test_bits_do_not_depend_on_threads(void **state)
{
	(void)state;
	const struct conv_desc layers[] = {layer(1, 2, 15, 15, 512, 256),
					   layer(2, 1, 70, 61, 32, 32), layer(1, 3, 7, 5, 48, 80)};
	for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct operands first = {0};
			size_t bytes = count_of(&layers[l], result_of(pass)) * sizeof(float);
			for (int i = 0; i < 6; i++) {
				struct conv_desc d = layers[l];
				d.threads = 1 + i % 3;
				if (!sets[i / 3]->fits(&d, pass))
					continue;
				struct operands o = operands(&d);
				run(sets[i / 3], &d, pass, &o);
				if (!first.x) {
					first = o;
					continue;
				}
				assert_memory_equal(result(&o, pass), result(&first, pass), bytes);
				drop(&o);
			}
			drop(&first);
		}
}

static void test_rule(void **state)
{
	(void)state;
	struct conv_desc good = layer(1, 2, 6, 6, 32, 16), d[10];
	for (int i = 0; i < 10; i++)
		d[i] = good;
	d[0].up = false;
	d[1].ic = 24;
	d[2].oc = 4;
	d[3].lo[1] = 1, d[3].hi[1] = 0;
	d[4].hi[2] = 0, d[4].out[2]--;
	d[5].k[2] = 3, d[5].lo[2] = 1;
	d[6].stride[1] = 2, d[6].out[1] = 6;
	d[7].k[0] = 2, d[7].hi[0] = 1;
	d[8].k[1] = 1, d[8].hi[1] = 0;
	d[9].in[2] = d[9].out[2] = 11;
	for (int pass = 0; pass < SM_PASSES; pass++) {
		assert_true(conv_up_portable.fits(&good, pass));
		for (int i = 0; i < 10; i++) {
			assert_false(conv_up_portable.fits(&d[i], pass));
			const struct conv_kernel *k = conv_kernel_for(&d[i], pass, NULL);
			/* Nothing else reads the source as if it were the up-sampled tensor. */
			assert_true(i == 0 ? k && !k->up : !k);
		}
		const struct conv_kernel *k = conv_kernel_for(&good, pass, NULL);
		assert_true(!k || k->up);
		assert_null(conv_kernel_for(&good, pass, "portable"));
	}
}

/* ---- networks ------------------------------------------------------------------------------- */

enum variant {
	NOT_MADE,
	SMOOTH,  /* not made either; nothing but convolutions behind it */
	MADE,    /* the up-sampled tensor is an output of the graph */
	OTHER,   /* it has a reader that is no convolution */
	FACTORS, /* 2x2x2 */
	FEW,     /* 8 channels */
	VARIANTS
};

/* What is up-sampled has another reader, and two convolutions read what comes of it. */
static struct sm_net *make(enum variant how, const struct sm_net_opt *opt)
{
	struct sm_graph *g = sm_graph_create();
	const struct sm_shape s = S(2, 2, 15, 17, 3);
	int c = how == FEW ? 8 : 32;
	int x = nn_variable(g, "x", s);
	int a = sm_g_conv(g, x, "a", CONV(.out = c, .k = {1, 3, 3}));
	a = sm_g_instance_norm(g, a, "n", 1e-3f);
	int u = sm_g_upsample(g, a, how == FACTORS ? 2 : 1, 2, 2);
	int v = u;
	if (how == MADE)
		sm_g_output(g, u, "u");
	if (how == OTHER)
		v = sm_g_leaky_relu(g, u, 0.5f);
	int down = how == FACTORS ? 2 : 1;
	enum sm_fuse fuse = how == SMOOTH ? SM_FUSE_NONE : SM_FUSE_RELU;
	int y = sm_g_conv(g, u, "y", CONV(.out = 16, .k = {1, 2, 2}, .fuse = fuse));
	int z = sm_g_conv(g, v, "z", CONV(.out = 48, .k = {1, 2, 2}, .no_bias = true));
	y = sm_g_concat(g, (int[]){y, z}, 2);
	if (how == SMOOTH)
		y = sm_g_conv(g, y, "down", CONV(.out = 16, .k = {1, 2, 2}, .stride = {1, 2, 2}));
	else
		y = sm_g_max_pool(g, y, down, 2, 2);
	y = sm_g_conv(g, sm_g_concat(g, (int[]){y, a}, 2), "head", CONV(.out = 2));
	sm_g_loss(g, &(struct sm_loss_opt){.name = "bce"},
		  &(struct sm_heads){.logits = {y}, .count = 1, .prob = y});
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
	sm_net_init(net, 1);
	nn_fill_apart(sm_net_buffer(net, "x", NULL), sm_shape_count(s), 2, "x");
	struct sm_shape t;
	float *target = sm_net_buffer(net, "target", &t);
	nn_fill_apart(target, sm_shape_count(t), 2, "t");
	return net;
}

static bool joined(const struct sm_net *net)
{
	for (int i = 0; i < net->g->nodes; i++)
		if (net->g->node[i].kind == OP_KIND_upsample)
			return net->g->node[i].joined;
	return false;
}

static bool own_kernel(void)
{
	struct conv_desc any = layer(1, 1, 4, 4, 16, 16);
	return sets[0]->fits(&any, SM_FORWARD) || sets[1]->fits(&any, SM_FORWARD);
}

static float *gradients(struct sm_net *net, double *loss, size_t *n)
{
	*loss = nn_loss_of(net);
	*n = sm_net_weight_count(net);
	float *g = malloc(*n * sizeof *g);
	memcpy(g, sm_net_gradients(net), *n * sizeof *g);
	return g;
}

/* With the up-sampled tensor and without it, trained or not, outputs of norms forgotten or not: the
 * same to rounding, and without it less memory; the number of threads changes no bit. */
static void test_networks_without_the_tensor(void **state)
{
	(void)state;
	if (!own_kernel())
		skip();
	for (int i = 0; i < 4; i++) {
		struct sm_net_opt opt = {
			.train = true, .threads = 2, .recompute = i & 1 ? SM_RECOMPUTE_CHEAP : 0, .bf16 = i & 2};
		if (opt.bf16 && !conv_lib_bf16())
			continue;
		struct sm_net *made = make(MADE, &opt), *without = make(NOT_MADE, &opt);
		opt.threads = 1;
		struct sm_net *alone = make(NOT_MADE, &opt);
		double loss[3], top = 0, worst = 0, bound = opt.bf16 ? 0.03 : 1e-5;
		size_t n;
		float *g[] = {gradients(made, &loss[0], &n), gradients(without, &loss[1], &n),
			      gradients(alone, &loss[2], &n)};
		assert_false(joined(made));
		assert_true(joined(without) && joined(alone));
		assert_true(sm_net_forecast(without).arena < sm_net_forecast(made).arena);
		assert_true(fabs(loss[0] - loss[1]) <= bound * loss[0]);
		assert_true(loss[1] == loss[2]);
		for (size_t k = 0; k < n; k++) {
			top = fmax(top, fabs((double)g[0][k]));
			worst = fmax(worst, fabs((double)g[0][k] - (double)g[1][k]));
		}
		if (!(worst <= bound * top))
			fail_msg("options %d: gradients differ by %g of %g", i, worst, top);
		assert_memory_equal(g[1], g[2], n * sizeof *g[1]);
		for (int k = 0; k < 3; k++)
			free(g[k]);
		sm_net_free(made);
		sm_net_free(without);
		sm_net_free(alone);
	}
}

static void test_networks_that_infer(void **state)
{
	(void)state;
	if (!own_kernel())
		skip();
	double loss[2];
	for (int i = 0; i < 2; i++) {
		struct sm_net_opt opt = {.threads = 2};
		struct sm_err err = {0};
		struct sm_net *net = make(i ? MADE : NOT_MADE, &opt);
		assert_int_equal(joined(net), i == 0);
		assert_int_equal(sm_net_eval(net, &loss[i], &err), SM_OK);
		double again = loss[i]; /* with the packed weights that are kept */
		assert_int_equal(sm_net_eval(net, &loss[i], &err), SM_OK);
		assert_true(loss[i] == again);
		sm_net_free(net);
	}
	assert_true(fabs(loss[0] - loss[1]) <= 1e-6 * loss[0]);
}

/* Directions over all weights and over the input: the loss along them against the gradient. */
static void test_gradients_are_differences(void **state)
{
	(void)state;
	struct sm_net_opt opt = {.train = true, .threads = 2};
	struct sm_net *net = make(SMOOTH, &opt);
	assert_int_equal(joined(net), own_kernel());
	size_t n = sm_net_weight_count(net), nx;
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s), *w = sm_net_weights(net);
	nx = sm_shape_count(s);
	for (int i = 0; i < 8; i++) {
		bool input = i % 4 == 3;
		size_t count = input ? nx : n;
		float *p = input ? x : w, *keep = malloc(count * sizeof *keep);
		float *way = case_block(count, i & 1 ? "one way" : i & 2 ? "another" : "a third");
		double slope = 0, side[2], eps = input ? 0.03 : 1e-3;
		nn_loss_of(net);
		const float *g = input ? net->g->tensor[0].g : sm_net_gradients(net);
		for (size_t k = 0; k < count; k++) {
			way[k] *= k % 8 == (size_t)i ? 4 : 1;
			slope += (double)way[k] * (double)g[k];
		}
		memcpy(keep, p, count * sizeof *p);
		for (int k = 0; k < 2; k++) {
			for (size_t q = 0; q < count; q++)
				p[q] = keep[q] + (k ? -1.0f : 1.0f) * (float)eps * way[q];
			side[k] = nn_loss_of(net);
		}
		memcpy(p, keep, count * sizeof *p);
		double numeric = (side[0] - side[1]) / (2 * eps);
		if (!(fabs(numeric - slope) <= 5e-3 * fabs(slope) + 1e-4))
			fail_msg("direction %d: %g, by differences %g", i, slope, numeric);
		free(keep);
		free(way);
	}
	sm_net_free(net);
}

static void test_networks_that_make_it(void **state)
{
	(void)state;
	struct sm_net_opt opt = {.train = true, .threads = 2};
	for (enum variant v = MADE; v < VARIANTS; v++) {
		struct sm_net *net = make(v, &opt);
		assert_false(joined(net));
		assert_true(isfinite(nn_loss_of(net)));
		sm_net_free(net);
	}
	opt.kernel = "portable";
	struct sm_net *net = make(NOT_MADE, &opt);
	assert_false(joined(net));
	sm_net_free(net);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_avx512_equals_the_definition),
		cmocka_unit_test(test_avx2_equals_the_definition),
		cmocka_unit_test(test_portable_equals_the_definition),
		cmocka_unit_test(test_bits_do_not_depend_on_threads),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_networks_without_the_tensor),
		cmocka_unit_test(test_networks_that_infer),
		cmocka_unit_test(test_gradients_are_differences),
		cmocka_unit_test(test_networks_that_make_it),
	};
	return run_tap(tests);
}
