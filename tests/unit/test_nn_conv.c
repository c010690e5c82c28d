/* SPDX-License-Identifier: Apache-2.0 */
/* Every convolution kernel against a plain sum in double over random shapes; the choice of kernels;
 * the guard against oneDNN's reference code; thread counts. */
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

static size_t volume(const struct conv_desc *d, const int *size, int c)
{
	return (size_t)d->n * size[0] * size[1] * size[2] * c;
}

static size_t weights(const struct conv_desc *d)
{
	return (size_t)d->ic * d->oc * d->k[0] * d->k[1] * d->k[2];
}

/* y, x gradient or weight gradient in double, straight from the definition. */
static void plain(const struct conv_desc *d, enum sm_pass pass, const struct conv_args *a,
		  double *r)
{
	int taps = d->k[0] * d->k[1] * d->k[2];
	size_t outs = volume(d, d->out, 1);
	for (size_t q = 0; pass == SM_FORWARD && q < outs * d->oc; q++)
		r[q] = a->bias ? (double)a->bias[q % d->oc] : 0;
	for (size_t q = 0; q < outs; q++) {
		int ow = (int)(q % d->out[2]), oh = (int)(q / d->out[2] % d->out[1]);
		int od = (int)(q / d->out[2] / d->out[1] % d->out[0]);
		size_t n = q / d->out[2] / d->out[1] / d->out[0];
		for (int t = 0; t < taps; t++) {
			int w = ow * d->stride[2] + t % d->k[2] - d->lo[2];
			int h = oh * d->stride[1] + t / d->k[2] % d->k[1] - d->lo[1];
			int z = od * d->stride[0] + t / d->k[2] / d->k[1] - d->lo[0];
			if (w < 0 || h < 0 || z < 0 || w >= d->in[2] || h >= d->in[1] ||
			    z >= d->in[0])
				continue;
			size_t in = ((n * d->in[0] + z) * d->in[1] + h) * d->in[2] + w;
			for (int o = 0; o < d->oc; o++)
				for (int i = 0; i < d->ic; i++) {
					size_t k = ((size_t)o * d->ic + i) * taps + t;
					double x = (double)a->x[in * d->ic + i],
					       y = (double)a->y[q * d->oc + o];
					if (pass == SM_FORWARD)
						r[q * d->oc + o] += x * (double)a->w[k];
					else if (pass == SM_BACKWARD_DATA)
						r[in * d->ic + i] += y * (double)a->w[k];
					else
						r[k] += x * y;
				}
		}
	}
	for (size_t q = 0; pass == SM_FORWARD && d->relu && q < outs * d->oc; q++)
		r[q] = r[q] > 0 ? r[q] : 0;
}

static float *random_block(size_t n, const char *what)
{
	struct sm_rng rng;
	float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
	sm_rng_init(&rng, 1, "test", what, 0, n);
	for (size_t i = 0; i < n; i++)
		p[i] = 2 * sm_rng_f32(&rng) - 1;
	return p;
}

/* x as bfloat16, and itself rounded; NULL when it stays float. */
static void *stored(enum elem e, float *x, size_t n)
{
	if (e == ELEM_F32)
		return NULL;
	void *half = aligned_alloc(64, (n * sizeof(elem_half) + 63) / 64 * 64);
	elem_convert(half, ELEM_BF16, x, ELEM_F32, n, 1);
	elem_convert(x, ELEM_F32, half, ELEM_BF16, n, 1);
	return half;
}

/* Runs a pass of a plan on fixed random operands; returns the block it wrote (to be freed). */
static float *run(const struct conv_plan *p, double *want)
{
	const struct conv_desc *d = &p->d;
	size_t nx = volume(d, d->in, d->ic), ny = volume(d, d->out, d->oc), nw = weights(d);
	float *x = random_block(nx, "x"), *y = random_block(ny, "y"), *w = random_block(nw, "w");
	float *b = random_block((size_t)d->oc, "b"), *gw = calloc(nw, sizeof *gw);
	void *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	void *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	char *ws_end = (char *)ws + p->ws;
	struct conv_args a = {.x = x,
			      .y = y,
			      .w = w,
			      .bias = d->bias ? b : NULL,
			      .gw = gw,
			      .packed = packed,
			      .ws = ws};
	struct sm_err err = {0};
	void *half[2] = {stored(d->xe, x, nx), stored(d->ye, y, ny)};
	if (want)
		plain(d, p->pass, &a, want);
	a.x = half[0] ? half[0] : x;
	a.y = half[1] ? half[1] : y;
	if (p->packed)
		assert_int_equal(p->kernel->pack(p, &a, &err), SM_OK);
	memset(ws_end, 0x7f, 64);
	assert_int_equal(conv_plan_run(p, &a, &err), SM_OK);
	for (int i = 0; i < 64; i++)
		assert_int_equal(ws_end[i], 0x7f);
	if (half[0])
		elem_convert(x, ELEM_F32, half[0], ELEM_BF16, nx, 1);
	if (half[1])
		elem_convert(y, ELEM_F32, half[1], ELEM_BF16, ny, 1);
	free(half[0]);
	free(half[1]);
	float *out = p->pass == SM_FORWARD ? y : p->pass == SM_BACKWARD_DATA ? x : gw;
	float *all[] = {x, y, w, b, gw};
	for (int i = 0; i < 5; i++)
		if (all[i] != out)
			free(all[i]);
	free(packed);
	free(ws);
	return out;
}

static size_t out_size(const struct conv_desc *d, enum sm_pass pass)
{
	return pass == SM_FORWARD         ? volume(d, d->out, d->oc)
	       : pass == SM_BACKWARD_DATA ? volume(d, d->in, d->ic)
					  : weights(d);
}

/* 1: compared, 0: the kernel does not do this shape. */
static int compare(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
		   const char *kernel)
{
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	if (conv_plan_create(lib, d, pass, kernel, &p, &err) != SM_OK)
		return 0;
	assert_null(strstr(p->impl, "ref"));
	size_t n = out_size(d, pass);
	double *want = calloc(n, sizeof *want), top = 0, worst = 0;
	float *got = run(p, want);
	for (size_t i = 0; i < n; i++) {
		double e = fabs((double)got[i] - want[i]);
		worst = e > worst ? e : worst;
		top = fabs(want[i]) > top ? fabs(want[i]) : top;
	}
	enum elem e = pass == SM_FORWARD ? d->ye : pass == SM_BACKWARD_DATA ? d->xe : ELEM_F32;
	if (!(worst <= (e == ELEM_BF16 ? 1.0 / 256 : 2e-5) * top + 1e-6))
		fail_msg("%s (%s) pass %d: off by %g of %g at %d>%d k%dx%dx%d s%dx%dx%d",
			 p->kernel->name, p->impl, pass, worst, top, d->ic, d->oc, d->k[0], d->k[1],
			 d->k[2], d->stride[0], d->stride[1], d->stride[2]);
	free(want);
	free(got);
	conv_plan_free(p);
	return 1;
}

static struct conv_desc random_desc(uint64_t i)
{
	static const int channels[] = {1, 2, 3, 4, 7, 8, 16, 17, 24, 32, 48, 64};
	struct sm_rng rng;
	sm_rng_init(&rng, 11, "test", "desc", 0, i);
	struct conv_desc d = {.n = 1 + (int)sm_rng_below(&rng, 2),
			      .ic = channels[sm_rng_below(&rng, 12)],
			      .oc = channels[sm_rng_below(&rng, 12)],
			      .bias = sm_rng_below(&rng, 2),
			      .relu = sm_rng_below(&rng, 2),
			      .threads = 2};
	bool flat = sm_rng_below(&rng, 3) == 0;
	for (int k = 0; k < 3; k++) {
		d.in[k] = flat && k == 0 ? 1 : 3 + (int)sm_rng_below(&rng, 8);
		d.k[k] = flat && k == 0 ? 1 : 1 + (int)sm_rng_below(&rng, 5);
		d.k[k] = d.k[k] > d.in[k] ? d.in[k] : d.k[k];
		d.stride[k] = flat && k == 0 ? 1 : 1 + (int)sm_rng_below(&rng, 2);
		d.lo[k] = (int)sm_rng_below(&rng, (uint32_t)d.k[k]);
		d.hi[k] = (int)sm_rng_below(&rng, (uint32_t)d.k[k]);
		d.out[k] = (d.in[k] + d.lo[k] + d.hi[k] - d.k[k]) / d.stride[k] + 1;
	}
	return d;
}

static struct conv_desc cube(int ic, int oc, int d, int hw, int k)
{
	return (struct conv_desc){.n = 1,
				  .ic = ic,
				  .oc = oc,
				  .in = {d, hw, hw},
				  .out = {d, hw, hw},
				  .k = {k, k, k},
				  .stride = {1, 1, 1},
				  .lo = {k / 2, k / 2, k / 2},
				  .hi = {k / 2, k / 2, k / 2},
				  .threads = 2};
}

static struct conv_lib *library(void)
{
	struct conv_lib *lib = NULL;
	struct sm_err err = {0};
	assert_int_equal(conv_lib_create(&lib, &err), SM_OK);
	return lib;
}

static void test_kernels_equal_the_definition(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	omp_set_num_threads(2);
	for (size_t k = 0; conv_kernel_at(k); k++) {
		int done = 0, tried = 0;
		if (strstr(conv_kernel_at(k)->name, "wino") || /* test_nn_wino.c */
		    conv_kernel_at(k)->up ||		       /* test_nn_up.c */
		    conv_kernel_at(k) == &conv_patch || conv_kernel_at(k) == &conv_point ||
		    conv_kernel_at(k) == &conv_columns)
			continue;
		for (uint64_t i = 0; i < 40; i++) {
			struct conv_desc d = random_desc(i);
			for (int p = 0; p < SM_PASSES; p++) {
				tried += conv_kernel_at(k)->fits(&d, p);
				done += compare(lib, &d, p, conv_kernel_at(k)->name);
			}
		}
		/* The portable one does everything; a library may refuse, but not often: where it
		 * has products of matrices alone (which CPU it is decides) dnnl leaves the work to
		 * dnnl_cut. */
		if (conv_kernel_at(k) == &conv_portable)
			assert_int_equal(tried, 40 * SM_PASSES);
		assert_true(tried >= 30 && done <= tried);
		if (conv_kernel_at(k) == &conv_dnnl)
			continue;
		if (done * 5 < tried * (conv_kernel_at(k) == &conv_portable ? 5 : 4))
			fail_msg("%s does %d of %d shapes", conv_kernel_at(k)->name, done, tried);
	}
	conv_lib_free(lib);
}

/* One kernel and shape in every pass it does: against the definition, and one and two threads
 * alike. */
static int every_pass(struct conv_lib *lib, struct conv_desc d, const struct conv_kernel *kernel)
{
	int done = 0;
	for (int p = 0; p < SM_PASSES; p++) {
		struct conv_plan *plan[2] = {NULL, NULL};
		struct sm_err err = {0};
		float *out[2];
		if (!kernel->fits(&d, p))
			continue;
		assert_int_equal(compare(lib, &d, p, kernel->name), 1);
		for (int t = 0; t < 2; t++) {
			d.threads = 1 + t;
			assert_int_equal(conv_plan_create(lib, &d, p, kernel->name, &plan[t], &err),
					 SM_OK);
			out[t] = run(plan[t], NULL);
			conv_plan_free(plan[t]);
		}
		assert_memory_equal(out[0], out[1], out_size(&d, p) * sizeof(float));
		free(out[0]);
		free(out[1]);
		done++;
	}
	return done;
}

static void needs_avx512(void)
{
	struct conv_desc d = cube(16, 16, 1, 1, 1);
	if (!conv_patch.fits(&d, SM_FORWARD))
		skip();
}

/* Kernels as large as their stride, lines of 1 to 40 outputs, channels that are no whole vectors
 * where a pass allows it; both types of storage. */
static void test_patches_equal_the_definition(void **state)
{
	(void)state;
	static const int kernel[][3] = {{2, 2, 2}, {1, 2, 2}, {3, 2, 1}, {1, 1, 1}};
	static const int ic[] = {16, 32, 64, 4, 48}, oc[] = {16, 32, 48, 64, 3, 21, 80};
	needs_avx512();
	struct conv_lib *lib = library();
	int done = 0;
	for (int i = 0; i < 64; i++) {
		struct conv_desc d = {.n = 1 + i % 2,
				      .ic = ic[i % 5],
				      .oc = oc[i % 7],
				      .bias = i % 2,
				      .relu = i % 3 == 0,
				      .xe = i / 2 % 2 ? ELEM_BF16 : ELEM_F32,
				      .ye = i / 4 % 2 ? ELEM_BF16 : ELEM_F32,
				      .threads = 2};
		for (int k = 0; k < 3; k++) {
			d.k[k] = d.stride[k] = kernel[i % 4][k];
			d.out[k] = k < 2 ? 1 + (i + k) % 4 : 1 + i * 7 % 100;
			d.in[k] = d.out[k] * d.k[k];
		}
		done += every_pass(lib, d, &conv_patch);
	}
	/* Large enough to be streamed past the caches, in float and in bfloat16. */
	for (int e = ELEM_F32; e <= ELEM_BF16; e++) {
		struct conv_desc d = {.n = 1, .ic = 16, .oc = 32, .out = {2, 64, 65},
				      .in = {4, 128, 130}, .k = {2, 2, 2}, .stride = {2, 2, 2},
				      .xe = e, .ye = e, .threads = 2};
		done += every_pass(lib, d, &conv_patch);
	}
	assert_true(done >= 120);
	conv_lib_free(lib);
}

/* 1x1x1 to few channels, every remainder of four voxels. */
static void test_points_equal_the_definition(void **state)
{
	(void)state;
	needs_avx512();
	struct conv_lib *lib = library();
	for (int i = 0; i < 48; i++) {
		struct conv_desc d = cube(16 << i % 3, 1 + i % 8, 1 + i % 2, 1, 1);
		d.in[2] = d.out[2] = 1 + i * 13 % 61;
		d.in[1] = d.out[1] = 1 + i % 31;
		d.bias = i % 3 > 0;
		d.relu = i % 5 == 0;
		d.xe = i / 2 % 2 ? ELEM_BF16 : ELEM_F32;
		d.ye = i / 4 % 2 ? ELEM_BF16 : ELEM_F32;
		assert_int_equal(every_pass(lib, d, &conv_point), 1);
	}
	for (int oc = 4; oc <= 8; oc += 4) /* streamed */
		assert_int_equal(every_pass(lib, cube(16, oc, 3, 299, 1), &conv_point), 1);
	conv_lib_free(lib);
}

/* Sixteen taps, any strides and padding, from one pixel to several pieces. */
static void test_columns_equal_the_definition(void **state)
{
	(void)state;
	static const int kernel[][2] = {{4, 4}, {4, 4}, {4, 4}, {2, 8}, {16, 1}};
	static const int ic[] = {3, 16, 1, 20, 48, 6, 33}, oc[] = {1, 3, 16, 22, 64, 37};
	needs_avx512();
	struct conv_lib *lib = library();
	struct sm_rng rng;
	sm_rng_init(&rng, 12, "test", "columns", 0, 0);
	int done = 0;
	for (int i = 0; i < 60; i++) {
		struct conv_desc d = {.n = 1 + i % 2,
				      .ic = ic[i % 7],
				      .oc = oc[i % 6],
				      .in = {1 + i % 3, 0, 0},
				      .out = {1 + i % 3, 0, 0},
				      .k = {1, kernel[i % 5][0], kernel[i % 5][1]},
				      .stride = {1, 1 + i % 2, 1 + i / 2 % 2},
				      .bias = i % 2,
				      .relu = i % 3 == 0,
				      .threads = 2};
		for (int k = 1; k < 3; k++) {
			d.lo[k] = (int)sm_rng_below(&rng, (uint32_t)d.k[k]);
			d.hi[k] = (int)sm_rng_below(&rng, (uint32_t)d.k[k]);
			d.in[k] = d.k[k] + (int)sm_rng_below(&rng, 9);
			d.out[k] = (d.in[k] + d.lo[k] + d.hi[k] - d.k[k]) / d.stride[k] + 1;
		}
		done += every_pass(lib, d, &conv_columns);
	}
	assert_int_equal(done, 60 * SM_PASSES);
	/* One pixel of many channels, and more pixels than a piece takes. */
	struct conv_desc deep = {.n = 1, .ic = 256, .oc = 130, .in = {1, 2, 2}, .out = {1, 1, 1},
				 .k = {1, 4, 4}, .stride = {1, 2, 2}, .lo = {0, 1, 1},
				 .hi = {0, 1, 1}, .threads = 2};
	assert_int_equal(every_pass(lib, deep, &conv_columns), SM_PASSES);
	struct conv_desc wide = {.n = 1, .ic = 17, .oc = 5, .in = {1, 90, 70}, .out = {1, 45, 35},
				 .k = {1, 4, 4}, .stride = {1, 2, 2}, .lo = {0, 1, 1},
				 .hi = {0, 1, 1}, .threads = 2};
	assert_int_equal(every_pass(lib, wide, &conv_columns), SM_PASSES);
	struct conv_desc three = cube(16, 16, 1, 8, 3);
	assert_false(conv_columns.fits(&three, SM_FORWARD));
	conv_lib_free(lib);
}

/* The layers that fell to oneDNN's scalar code in other layouts have a real kernel in every pass.
 */
static void test_unet_layers_have_fast_kernels(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	const struct conv_desc layers[] = {cube(4, 32, 16, 160, 3),  cube(4, 8, 16, 160, 3),
					   cube(64, 3, 16, 160, 1),  cube(16, 3, 16, 160, 1),
					   cube(256, 512, 2, 20, 3), cube(128, 128, 2, 20, 3)};
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			struct conv_plan *plan = NULL;
			struct sm_err err = {0};
			assert_int_equal(conv_plan_create(lib, &layers[i], p, NULL, &plan, &err),
					 SM_OK);
			assert_ptr_not_equal(plan->kernel, &conv_portable);
			conv_plan_free(plan);
		}
	conv_lib_free(lib);
}

/* Which layers of kernels as large as their stride the rule gives to `patch`, by number of weights,
 * and which not. */
static void test_patches_are_taken_up_to_a_size(void **state)
{
	(void)state;
	static const struct {
		int ic, oc;
		enum sm_pass pass;
		bool taken;
	} cases[] = {{16, 32, SM_FORWARD, true},           {32, 64, SM_FORWARD, false},
		     {32, 64, SM_BACKWARD_DATA, true},     {256, 512, SM_BACKWARD_DATA, true},
		     {512, 512, SM_BACKWARD_DATA, false},  {32, 128, SM_BACKWARD_WEIGHTS, true},
		     {64, 128, SM_BACKWARD_WEIGHTS, true},  {64, 256, SM_BACKWARD_WEIGHTS, false}};
	needs_avx512();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conv_desc d = {.n = 1, .ic = cases[i].ic, .oc = cases[i].oc,
				      .in = {4, 20, 20}, .out = {2, 10, 10}, .k = {2, 2, 2},
				      .stride = {2, 2, 2}, .threads = 2};
		bool taken = conv_kernel_for(&d, cases[i].pass, NULL) == &conv_patch;
		if (taken != cases[i].taken)
			fail_msg("case %zu: taken %d", i, taken);
	}
}

static void test_unknown_kernel_and_bad_shapes_are_refused(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	struct conv_desc d = cube(4, 4, 4, 8, 3);
	struct conv_plan *p = (void *)1;
	struct sm_err err = {0};
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, "magic", &p, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "magic"));
	assert_null(p);
	d.out[1]++;
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, NULL, &p, &err), SM_USAGE);
	d = cube(4, 4, 4, 8, 3);
	d.lo[0] = 3;
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, NULL, &p, &err), SM_USAGE);
	conv_lib_free(lib);
}

/* By hand: 1x4x4 image, 3x3 kernel, padding 1: per axis 2 + 3 + 3 + 2 = 10 of 12 taps. */
static void test_flops_leave_padding_out(void **state)
{
	(void)state;
	struct conv_desc d = cube(5, 7, 1, 4, 3);
	d.k[0] = 1;
	d.lo[0] = d.hi[0] = 0;
	assert_true(conv_flops(&d) == 2.0 * 5 * 7 * 10 * 10);
}

/* 1 = same bits with 1 and 2 threads. */
static int same_bits(struct conv_lib *lib, struct conv_desc d, enum sm_pass pass,
		     const char *kernel)
{
	float *out[2];
	for (int t = 1; t <= 2; t++) {
		struct conv_plan *p = NULL;
		struct sm_err err = {0};
		omp_set_num_threads(t);
		d.threads = t;
		assert_int_equal(conv_plan_create(lib, &d, pass, kernel, &p, &err), SM_OK);
		out[t - 1] = run(p, NULL);
		conv_plan_free(p);
	}
	omp_set_num_threads(2);
	int same = memcmp(out[0], out[1], out_size(&d, pass) * sizeof(float)) == 0;
	free(out[0]);
	free(out[1]);
	return same;
}

/* Whether a kernel does a shape: a library may refuse it. */
static bool conv_does(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
		      const char *kernel)
{
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	enum sm_status st = conv_plan_create(lib, d, pass, kernel, &p, &err);
	assert_true(st == SM_OK || st == SM_USAGE);
	conv_plan_free(p);
	return st == SM_OK;
}

/* What docs/determinism.md says: the kernels chosen by rule give the same bits for any number of
 * threads, though oneDNN's own backward-weights would not; the portable kernel never depends on
 * them. */
static void test_thread_dependence_is_as_documented(void **state)
{
	(void)state;
	struct conv_lib *lib = library();
	struct conv_desc d[] = {cube(4, 16, 8, 24, 3), cube(16, 32, 8, 20, 3),
				cube(48, 16, 8, 20, 3), cube(64, 64, 2, 10, 3),
				cube(16, 3, 8, 24, 1),	cube(3, 64, 4, 20, 5),
				cube(64, 1, 4, 20, 5)};
	for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
		for (int p = 0; p < SM_BACKWARD_WEIGHTS; p++) {
			if (conv_does(lib, &d[i], p, "dnnl"))
				assert_true(same_bits(lib, d[i], p, "dnnl"));
			if (conv_does(lib, &d[i], p, "dnnl_cut"))
				assert_true(same_bits(lib, d[i], p, "dnnl_cut"));
			assert_true(same_bits(lib, d[i], p, NULL));
		}
		assert_true(same_bits(lib, d[i], SM_BACKWARD_WEIGHTS, NULL));
	}
	struct conv_desc flat = cube(8, 8, 1, 24, 3);
	assert_true(same_bits(lib, flat, SM_BACKWARD_WEIGHTS, NULL));
	flat.n = 11;
	assert_true(same_bits(lib, flat, SM_BACKWARD_WEIGHTS, NULL));
	/* One plane of outputs, made of two: no slabs. */
	struct conv_desc deep = {.n = 1,
				 .ic = 128,
				 .oc = 64,
				 .in = {2, 12, 12},
				 .out = {1, 6, 6},
				 .k = {2, 2, 2},
				 .stride = {2, 2, 2},
				 .threads = 2};
	assert_true(same_bits(lib, deep, SM_BACKWARD_WEIGHTS, NULL));
	assert_true(same_bits(lib, deep, SM_BACKWARD_WEIGHTS, "dnnl_slab"));
	for (int p = 0; p < SM_PASSES; p++)
		assert_true(same_bits(lib, d[1], p, "portable"));
	conv_lib_free(lib);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kernels_equal_the_definition),
	    cmocka_unit_test(test_columns_equal_the_definition),
	    cmocka_unit_test(test_patches_equal_the_definition),
	    cmocka_unit_test(test_points_equal_the_definition),
	    cmocka_unit_test(test_patches_are_taken_up_to_a_size),
	    cmocka_unit_test(test_unet_layers_have_fast_kernels),
	    cmocka_unit_test(test_unknown_kernel_and_bad_shapes_are_refused),
	    cmocka_unit_test(test_flops_leave_padding_out),
	    cmocka_unit_test(test_thread_dependence_is_as_documented),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_conv", tests, NULL, NULL);
}
