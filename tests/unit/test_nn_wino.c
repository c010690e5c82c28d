/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolutions of every instruction set against a plain sum in double, with the error
 * bound stated; bits over thread counts and sets; NaN and infinity; the rule. */
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "train/nn/conv.h"

/* Bounds on the largest error over the largest result, and on root mean square over root mean
 * square; measured on these shapes are up to 1.0e-5 and 3.6e-6 with taps one by one along the
 * depth, up to 1.2e-5 and 6.2e-6 (without fused multiply-add 1.6e-5 and 6.4e-6) with five in
 * pairs. */
#define WORST 2e-5
#define RMS 1e-5

static const char *const names[] = {"wino_avx512", "wino_avx2", "wino_portable"};

static const struct conv_kernel *kernel_of(const char *name)
{
	for (size_t i = 0; conv_kernel_at(i); i++)
		if (strcmp(conv_kernel_at(i)->name, name) == 0)
			return conv_kernel_at(i);
	return NULL;
}

static size_t x_count(const struct conv_desc *d)
{
	return (size_t)d->n * d->in[0] * d->in[1] * d->in[2] * d->ic;
}

static size_t y_count(const struct conv_desc *d)
{
	return (size_t)d->n * d->out[0] * d->out[1] * d->out[2] * d->oc;
}

static size_t w_count(const struct conv_desc *d)
{
	return (size_t)d->ic * d->oc * d->k[0] * d->k[1] * d->k[2];
}

static size_t out_count(const struct conv_desc *d, enum sm_pass pass)
{
	return pass == SM_FORWARD ? y_count(d) : pass == SM_BACKWARD_DATA ? x_count(d) : w_count(d);
}

struct operands {
	float *x, *y, *w, *b, *gw;
};

static float *block(size_t n, const char *what, uint64_t key)
{
	struct sm_rng rng;
	float *p = malloc(n * sizeof *p);
	sm_rng_init(&rng, 1, "test", what, 0, key);
	for (size_t i = 0; i < n; i++)
		p[i] = 2 * sm_rng_f32(&rng) - 1;
	return p;
}

static struct operands operands(const struct conv_desc *d)
{
	return (struct operands){.x = block(x_count(d), "x", 1),
				 .y = block(y_count(d), "y", 2),
				 .w = block(w_count(d), "w", 3),
				 .b = block((size_t)d->oc, "b", 4),
				 .gw = block(w_count(d), "gw", 5)};
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

/* One tap for all pixels of a line: r += the products, in double. */
static void plain_tap(const struct conv_desc *d, enum sm_pass pass, const struct operands *a,
		      size_t out, size_t in, int tap, double *r)
{
	int taps = d->k[0] * d->k[1] * d->k[2];
	for (int o = 0; o < d->oc; o++)
		for (int i = 0; i < d->ic; i++) {
			size_t k = ((size_t)o * d->ic + i) * taps + tap;
			double x = (double)a->x[in * d->ic + i], y = (double)a->y[out * d->oc + o];
			if (pass == SM_FORWARD)
				r[out * d->oc + o] += x * (double)a->w[k];
			else if (pass == SM_BACKWARD_DATA)
				r[in * d->ic + i] += y * (double)a->w[k];
			else
				r[k] += x * y;
		}
}

static double *plain(const struct conv_desc *d, enum sm_pass pass, const struct operands *a)
{
	size_t outs = y_count(d) / d->oc, n = out_count(d, pass);
	double *r = calloc(n, sizeof *r);
	for (size_t i = 0; pass == SM_BACKWARD_WEIGHTS && i < n; i++)
		r[i] = (double)a->gw[i];
	for (size_t i = 0; pass == SM_FORWARD && d->bias && i < n; i++)
		r[i] = (double)a->b[i % d->oc];
	for (size_t q = 0; q < outs; q++)
		for (int t = 0; t < d->k[0] * d->k[1] * d->k[2]; t++) {
			int w = (int)(q % d->out[2]) + t % d->k[2] - d->lo[2];
			int h = (int)(q / d->out[2] % d->out[1]) + t / d->k[2] % d->k[1] - d->lo[1];
			size_t plane = q / d->out[2] / d->out[1];
			int z = (int)(plane % d->out[0]) + t / d->k[2] / d->k[1] - d->lo[0];
			if (w < 0 || h < 0 || z < 0 || w >= d->in[2] || h >= d->in[1] ||
			    z >= d->in[0])
				continue;
			size_t in = plane / d->out[0] * d->in[0] + z;
			plain_tap(d, pass, a, q, (in * d->in[1] + h) * d->in[2] + w, t, r);
		}
	for (size_t i = 0; pass == SM_FORWARD && d->relu && i < n; i++)
		r[i] = r[i] > 0 ? r[i] : 0;
	return r;
}

/* Runs a pass; guards behind packed weights and workspace must stay. */
static void run(struct conv_lib *lib, const char *name, const struct conv_desc *d,
		enum sm_pass pass, const struct operands *o, char *impl)
{
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	if (conv_plan_create(lib, d, pass, name, &p, &err) != SM_OK)
		fail_msg("%s", err.text);
	char *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	char *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	memset(packed, 0x7f, p->packed + 64);
	memset(ws, 0x7f, p->ws + 64);
	struct conv_args a = {.x = o->x,
			      .y = o->y,
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
	if (impl)
		snprintf(impl, sizeof p->impl, "%s", p->impl);
	free(packed);
	free(ws);
	conv_plan_free(p);
}

static int between(struct sm_rng *rng, int lo, int hi)
{
	return lo + (int)sm_rng_below(rng, (uint32_t)(hi - lo + 1));
}

/* Odd sizes, planes below a tile, channels 1 to 67, any padding. */
static struct conv_desc random_desc(uint64_t i)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 7, "test", "wino", 0, i);
	int k = between(&rng, 0, 2) ? 3 : 5;
	struct conv_desc d = {
		.n = between(&rng, 1, 3),
		.ic = between(&rng, 1, between(&rng, 0, 2) ? 36 : 67),
		.oc = between(&rng, 1, between(&rng, 0, 2) ? 36 : 67),
		.in = {between(&rng, 1, 5), between(&rng, 1, 13), between(&rng, 1, 13)},
		.k = {between(&rng, 0, 1)   ? k
		      : between(&rng, 0, 1) ? 1
					    : 2,
		      k, k},
		.stride = {1, 1, 1},
		.bias = between(&rng, 0, 1),
		.relu = between(&rng, 0, 1),
		.threads = between(&rng, 1, 3)};
	for (int a = 0; a < 3; a++) {
		d.lo[a] = d.hi[a] = (d.k[a] - 1) / 2;
		if (between(&rng, 0, 3) == 0) {
			d.lo[a] = between(&rng, 0, d.k[a] - 1);
			d.hi[a] = between(&rng, 0, d.k[a] - 1);
		}
		while (d.in[a] + d.lo[a] + d.hi[a] < d.k[a])
			d.in[a]++;
		d.out[a] = d.in[a] + d.lo[a] + d.hi[a] - d.k[a] + 1;
	}
	if (i % 8 == 0)
		d.ic = d.oc = 48; /* whole blocks, so that pairs and single ones are met */
	return d;
}

static struct conv_desc layer(int n, int ic, int oc, int depth, int hw, int kd, int k)
{
	return (struct conv_desc){.n = n,
				  .ic = ic,
				  .oc = oc,
				  .in = {depth, hw, hw},
				  .out = {depth, hw, hw},
				  .k = {kd, k, k},
				  .stride = {1, 1, 1},
				  .lo = {kd / 2, k / 2, k / 2},
				  .hi = {kd / 2, k / 2, k / 2},
				  .threads = 2};
}

static struct conv_lib *library(void)
{
	struct conv_lib *lib = NULL;
	struct sm_err err = {0};
	assert_int_equal(conv_lib_create(&lib, &err), SM_OK);
	return lib;
}

static void compare(const char *name, const struct conv_desc *d, enum sm_pass pass,
		    const float *got, const double *want)
{
	double worst = 0, top = 0, ee = 0, rr = 0;
	size_t n = out_count(d, pass);
	for (size_t i = 0; i < n; i++) {
		double e = fabs((double)got[i] - want[i]);
		assert_false(isnan(e));
		worst = e > worst ? e : worst;
		top = fabs(want[i]) > top ? fabs(want[i]) : top;
		ee += e * e;
		rr += want[i] * want[i];
	}
	if (worst > WORST * top + 1e-6 || sqrt(ee) > RMS * sqrt(rr) + 1e-6)
		fail_msg("%s pass %d: off by %g of %g at %d>%d %dx%dx%d k%dx%dx%d pad %d %d %d n%d",
			 name, pass, worst, top, d->ic, d->oc, d->in[0], d->in[1], d->in[2],
			 d->k[0], d->k[1], d->k[2], d->lo[0], d->lo[1], d->lo[2], d->n);
}

/* Gradients with several slabs a worker, in parts of the depth, with several chunks of a whole plan
 * (the last one of fewer samples), and with its larger parts of one tap; outputs in slabs over
 * several planes, and of too few tiles for them; slabs of which the last are cut: against oneDNN;
 * same bits for 1 and 3 threads. */
static void test_large_layers(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	const struct {
		struct conv_desc d;
		enum sm_pass pass;
		const char *scheme;
	} layers[] = {
		{layer(2, 48, 64, 1, 78, 1, 3), SM_BACKWARD_WEIGHTS, "slab"},
		{layer(1, 16, 32, 19, 80, 3, 3), SM_BACKWARD_WEIGHTS, "slab"},
		{layer(4, 128, 128, 3, 26, 3, 3), SM_BACKWARD_WEIGHTS, "whole"},
		{layer(2, 256, 272, 2, 14, 1, 3), SM_BACKWARD_WEIGHTS, "whole"},
		{layer(3, 128, 144, 2, 19, 1, 3), SM_FORWARD, "flat"},
		{layer(3, 136, 128, 2, 19, 1, 3), SM_BACKWARD_DATA, "flat"},
		{layer(1, 128, 128, 2, 19, 1, 3), SM_FORWARD, "whole"},
		/* the last slabs in two where there are several threads */
		{layer(1, 16, 32, 4, 101, 3, 3), SM_FORWARD, "slab pairs"},
		{layer(2, 32, 48, 3, 83, 3, 3), SM_FORWARD, "slab"},
		{layer(2, 48, 32, 3, 83, 3, 3), SM_BACKWARD_DATA, "slab"},
	};
	for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
		struct conv_desc d = layers[l].d;
		enum sm_pass pass = layers[l].pass;
		const char *name = kernel_of(names[0])->fits(&d, pass)   ? names[0]
				   : kernel_of(names[1])->fits(&d, pass) ? names[1]
									 : names[2];
		struct operands ref = operands(&d), one = operands(&d), three = operands(&d);
		size_t n = out_count(&d, pass);
		double *want = malloc(n * sizeof *want);
		char impl[48] = "";
		run(lib, "dnnl", &d, pass, &ref, NULL);
		d.threads = 1;
		run(lib, name, &d, pass, &one, impl);
		d.threads = 3;
		run(lib, name, &d, pass, &three, NULL);
		for (size_t i = 0; i < n; i++)
			want[i] = (double)result(&ref, pass)[i];
		compare(name, &d, pass, result(&one, pass), want);
		assert_memory_equal(result(&one, pass), result(&three, pass), n * sizeof(float));
		if (!strstr(impl, layers[l].scheme))
			fail_msg("layer %zu: %s", l, impl);
		free(want);
		drop(&ref);
		drop(&one);
		drop(&three);
	}
	conv_lib_free(lib);
}

/* Visibly left out on a CPU without that instruction set. */
static void set_equals_the_definition(const char *name)
{
	const struct conv_kernel *kernel = kernel_of(name);
	struct conv_desc any = layer(1, 16, 16, 4, 40, 3, 3);
	if (!kernel->fits(&any, SM_FORWARD))
		skip();
	struct conv_lib *lib = library();
	int whole = 0, slab = 0;
	for (uint64_t i = 0; i < 64; i++) {
		struct conv_desc d = random_desc(i);
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct operands o = operands(&d);
			double *want = plain(&d, pass, &o);
			char impl[48] = "";
			assert_true(kernel->fits(&d, pass));
			run(lib, name, &d, pass, &o, impl);
			compare(name, &d, pass, result(&o, pass), want);
			whole += strstr(impl, "whole") != NULL;
			slab += strstr(impl, "slab") != NULL;
			drop(&o);
			free(want);
		}
	}
	assert_true(whole > 10 && slab > 10);
	conv_lib_free(lib);
}

static void test_avx512_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(names[0]);
}

static void test_avx2_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(names[1]);
}

static void test_portable_equals_the_definition(void **state)
{
	(void)state;
	set_equals_the_definition(names[2]);
}

/* Winograd's scheme along the depth too, with V-Net's channels and more than one piece of a row of
 * tiles and of the depth, an odd depth, and parts of blocks. Not for two or three slices, nor for
 * five taps of 3x3, nor for the gradient of the weights. */
static void test_depth_in_pairs(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	struct conv_desc layers[] = {layer(1, 32, 32, 9, 42, 5, 5), layer(1, 64, 32, 8, 18, 5, 5),
				     layer(2, 20, 33, 7, 28, 5, 3), layer(1, 24, 32, 5, 28, 3, 3)};
	layers[0].in[1] = layers[0].out[1] = 6;
	layers[3].lo[0] = 2, layers[3].out[0] = 6;
	for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
		for (int pass = 0; pass < SM_BACKWARD_WEIGHTS; pass++) {
			const struct conv_desc *d = &layers[l];
			struct operands ref = operands(d);
			double *want = plain(d, pass, &ref);
			for (int s = 0; s < 3; s++) {
				struct operands o = operands(d);
				char impl[48] = "";
				if (kernel_of(names[s])->fits(d, pass)) {
					run(lib, names[s], d, pass, &o, impl);
					compare(names[s], d, pass, result(&o, pass), want);
					assert_int_equal(strstr(impl, "pairs") != NULL, l != 2);
				}
				drop(&o);
			}
			free(want);
			drop(&ref);
		}
	for (int depth = 1; depth <= 8; depth++)
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct conv_desc d = layer(1, 32, 32, depth, 60, 5, 5);
			struct conv_plan *p = NULL;
			struct sm_err err = {0};
			assert_int_equal(conv_plan_create(lib, &d, pass, names[2], &p, &err),
					 SM_OK);
			bool pairs = strstr(p->impl, "pairs") != NULL;
			assert_int_equal(pairs, pass != SM_BACKWARD_WEIGHTS && depth >= 4 &&
							depth != 5);
			conv_plan_free(p);
		}
	conv_lib_free(lib);
}

/* Same bits for any number of threads, fewer and more than there are workers; and, since lanes never
 * meet, for AVX-512 and AVX2. */
static void test_bits_do_not_depend_on_threads(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	const struct conv_desc layers[] = {
		layer(1, 16, 16, 4, 40, 3, 3), layer(2, 4, 20, 3, 19, 3, 3),
		layer(1, 64, 48, 2, 10, 3, 3), layer(3, 33, 32, 1, 21, 1, 3),
		layer(1, 16, 32, 3, 20, 5, 5), layer(1, 20, 40, 6, 44, 5, 5),
		layer(1, 16, 32, 4, 101, 3, 3), /* the last slabs in two */
		layer(1, 16, 16, 16, 26, 3, 3),
		/* rows of the weight gradient in parts of the depth towards the end */
		layer(1, 16, 16, 13, 80, 3, 3), layer(1, 16, 16, 12, 44, 5, 5),
		layer(1, 16, 16, 12, 132, 3, 3)};
	const int threads[] = {1, 2, 3, 5, 9};
	for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct operands first[3];
			for (int s = 0; s < 3; s++) {
				struct conv_desc d = layers[l];
				if (!kernel_of(names[s])->fits(&d, pass)) {
					first[s] = operands(&d);
					continue;
				}
				for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
					struct operands o = operands(&d);
					d.threads = threads[t];
					run(lib, names[s], &d, pass, &o, NULL);
					if (t == 0) {
						first[s] = o;
						continue;
					}
					assert_memory_equal(result(&o, pass),
							    result(&first[s], pass),
							    out_count(&d, pass) * sizeof(float));
					drop(&o);
				}
			}
			if (kernel_of(names[0])->fits(&layers[l], pass))
				assert_memory_equal(result(&first[0], pass),
						    result(&first[1], pass),
						    out_count(&layers[l], pass) * sizeof(float));
			for (int s = 0; s < 3; s++)
				drop(&first[s]);
		}
	conv_lib_free(lib);
}

/* A NaN or infinity anywhere in an operand must be seen in what depends on it, ReLU or not. */
static void test_bad_values_show_up(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	struct conv_desc d = layer(1, 20, 18, 3, 9, 3, 3);
	d.bias = d.relu = true;
	const float bad[] = {NAN, INFINITY, -INFINITY};
	for (int s = 0; s < 3; s++)
		for (int pass = 0; pass < SM_PASSES && kernel_of(names[s])->fits(&d, pass); pass++)
			for (int b = 0; b < 3; b++) {
				struct operands o = operands(&d);
				size_t centre = ((size_t)1 * 9 + 4) * 9 + 4;
				if (pass == SM_BACKWARD_DATA)
					o.y[centre * 18 + 7] = bad[b];
				else
					o.x[centre * 20 + 7] = bad[b];
				run(lib, names[s], &d, pass, &o, NULL);
				size_t n = out_count(&d, pass), seen = 0;
				for (size_t i = 0; i < n; i++)
					seen += !isfinite(result(&o, pass)[i]);
				/* Each of the outputs that read it (with ReLU, minus infinity may
				 * come out as 0). */
				assert_true(seen >= 27 * 18);
				drop(&o);
			}
	conv_lib_free(lib);
}

/* The rule: Winograd for the networks' inner layers, not for those with few channels or few tiles,
 * other strides or kernels; and the layer table says so. */
static void test_rule(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	struct conv_desc strided = layer(1, 32, 32, 4, 40, 3, 3),
			 d[] = {layer(1, 32, 32, 8, 80, 3, 3),
				layer(1, 64, 64, 1, 60, 1, 3),
				layer(1, 16, 16, 8, 40, 5, 5),
				layer(1, 4, 16, 8, 40, 5, 5),
				layer(1, 4, 16, 1, 64, 1, 3),
				layer(1, 64, 64, 1, 4, 1, 3),
				layer(1, 16, 4, 4, 40, 1, 1),
				strided};
	d[7].out[2] = 20;
	d[7].stride[2] = 2;
	for (size_t i = 0; i < sizeof d / sizeof *d; i++)
		for (int pass = 0; pass < SM_PASSES; pass++) {
			struct conv_plan *p = NULL;
			struct sm_err err = {0};
			assert_int_equal(conv_plan_create(lib, &d[i], pass, NULL, &p, &err), SM_OK);
			bool taken = i < 4 && kernel_of("wino_avx2")->fits(&d[i], pass);
			if (i == 5 && pass == SM_BACKWARD_WEIGHTS)
				taken = strstr(p->impl, "wino") != NULL;
			assert_int_equal(strstr(p->impl, "wino F(") != NULL, taken);
			if (taken && i < 4)
				assert_non_null(
					strstr(p->impl, i >= 2 ? "F(2x2,5x5)" : "F(4x4,3x3)"));
			conv_plan_free(p);
		}
	assert_false(kernel_of("wino_portable")->fits(&d[7], SM_FORWARD));
	conv_lib_free(lib);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_avx512_equals_the_definition),
		cmocka_unit_test(test_avx2_equals_the_definition),
		cmocka_unit_test(test_portable_equals_the_definition),
		cmocka_unit_test(test_depth_in_pairs),
		cmocka_unit_test(test_large_layers),
		cmocka_unit_test(test_bits_do_not_depend_on_threads),
		cmocka_unit_test(test_bad_values_show_up),
		cmocka_unit_test(test_rule),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_wino", tests, NULL, NULL);
}
