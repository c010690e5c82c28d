/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for patches, points and columns (conv_patch.c, conv_point.c, conv_columns.c), every
 * instruction set that this CPU has: against a plain sum in double, to the bit against one in the
 * order that all sets keep, and which layers they take. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/conv_cases.h"
#include "tests/unit/tap.h"

static bool runs(const struct conv_kernel *k)
{
	struct conv_desc d = case_cube(16, 16, 1, 1, 1);
	d.oc = k == &conv_point_avx512 || k == &conv_point_avx2 ? 8 : 16;
	if (k == &conv_columns_avx512 || k == &conv_columns_avx2)
		d.k[1] = d.k[2] = d.in[1] = d.in[2] = 4;
	return k->fits(&d, SM_FORWARD);
}

static const struct conv_kernel *const patches[] = {&conv_patch_avx512, &conv_patch_avx2};
static const struct conv_kernel *const points[] = {&conv_point_avx512, &conv_point_avx2};
static const struct conv_kernel *const columns[] = {&conv_columns_avx512, &conv_columns_avx2};

/* A test of every instruction set that this CPU has. */
static void each_set(const struct conv_kernel *const sets[2],
		     void (*test)(struct conv_lib *lib, const struct conv_kernel *kernel))
{
	struct conv_lib *lib = case_library();
	int done = 0;
#ifdef __x86_64__
	/* what the CPU can must have been compiled */
	assert_true(runs(sets[0]) == !!__builtin_cpu_supports("avx512f"));
	assert_true(runs(sets[1]) ==
		    (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
#endif
	for (int i = 0; i < 2; i++)
		if (runs(sets[i])) {
			test(lib, sets[i]);
			done++;
		}
	conv_lib_free(lib);
	if (!done)
		skip();
}

/* Kernels as large as their stride, lines of 1 to 100 outputs, channels that are no whole vectors
 * where a pass allows it; both types of storage. */
static void patches_equal(struct conv_lib *lib, const struct conv_kernel *patch)
{
	static const int kernel[][3] = {{2, 2, 2}, {1, 2, 2}, {3, 2, 1}, {1, 1, 1}};
	static const int ic[] = {16, 32, 64, 4, 48}, oc[] = {16, 32, 48, 64, 3, 21, 80};
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
		done += case_every_pass(lib, d, patch);
	}
	/* Every number of rows that stand in the registers, and of broadcast channels. */
	for (int i = 1; i <= 24; i++) {
		struct conv_desc d = {.n = 1, .ic = 16, .oc = 16 + i, .out = {1, 1, i},
				      .in = {1, 2, 2 * i}, .k = {1, 2, 2}, .stride = {1, 2, 2},
				      .threads = 2};
		assert_int_equal(case_every_pass(lib, d, patch), d.oc % 16 ? 2 : 3);
		d.oc = 48;
		assert_int_equal(case_every_pass(lib, d, patch), 3);
	}
	/* Large enough to be streamed past the caches, in float and in bfloat16. */
	for (int e = ELEM_F32; e <= ELEM_BF16; e++) {
		struct conv_desc d = {.n = 1, .ic = 16, .oc = 32, .out = {2, 64, 65},
				      .in = {4, 128, 130}, .k = {2, 2, 2}, .stride = {2, 2, 2},
				      .xe = e, .ye = e, .threads = 2};
		done += case_every_pass(lib, d, patch);
		d.oc = 144; /* forward too; the last panel is half a one */
		done += case_every_pass(lib, d, patch);
	}
	assert_true(done >= 126);
}

static void test_patches_equal_the_definition(void **state)
{
	(void)state;
	each_set(patches, patches_equal);
}

/* 1x1x1 to few channels, every remainder of four voxels. */
static void points_equal(struct conv_lib *lib, const struct conv_kernel *point)
{
	for (int i = 0; i < 48; i++) {
		struct conv_desc d = case_cube(16 << i % 3, 1 + i % 8, 1 + i % 2, 1, 1);
		d.in[2] = d.out[2] = 1 + i * 13 % 61;
		d.in[1] = d.out[1] = 1 + i % 31;
		d.bias = i % 3 > 0;
		d.relu = i % 5 == 0;
		d.xe = i / 2 % 2 ? ELEM_BF16 : ELEM_F32;
		d.ye = i / 4 % 2 ? ELEM_BF16 : ELEM_F32;
		assert_int_equal(case_every_pass(lib, d, point), 1);
	}
	for (int oc = 4; oc <= 8; oc += 4) /* streamed */
		assert_int_equal(case_every_pass(lib, case_cube(16, oc, 3, 299, 1), point), 1);
}

static void test_points_equal_the_definition(void **state)
{
	(void)state;
	each_set(points, points_equal);
}

/* Output q, input value q, or weight q as the kernels sum it up: one rounding a product, channels
 * (of a patch: through its taps; rows) one behind the other, or, a head's, four sums of every
 * fourth group of four channels. */
static float in_order(const struct conv_desc *d, enum sm_pass pass, const struct conv_args *a,
		      size_t q, bool point)
{
	const int taps = d->k[2], ic = d->ic, oc = d->oc; /* of one line */
	float s[4] = {0};
	if (pass == SM_FORWARD) {
		size_t o = q % oc, v = q / oc;
		s[0] = d->bias && !point ? a->bias[o] : 0;
		for (int j = 0; j < taps * ic; j++) {
			float w = a->w[(o * ic + j % ic) * taps + j / ic];
			int k = point ? j / 4 % 4 : 0;
			s[k] = fmaf(a->x[v * taps * ic + j], w, s[k]);
		}
		if (point)
			s[0] = ((s[0] + s[2]) + (s[1] + s[3])) + (d->bias ? a->bias[o] : 0);
		return d->relu && s[0] <= 0 ? 0 : s[0];
	}
	if (pass == SM_BACKWARD_DATA) {
		size_t i = q % ic, t = q / ic % taps, v = q / ic / taps;
		for (int o = 0; o < oc; o++)
			s[0] = fmaf(a->y[v * oc + o], a->w[((size_t)o * ic + i) * taps + t], s[0]);
		return s[0];
	}
	size_t t = q % taps, i = q / taps % ic, o = q / taps / ic;
	for (int v = 0; v < d->out[2]; v++)
		s[0] = fmaf(a->y[v * oc + o], a->x[(v * taps + t) * ic + i], s[0]);
	return s[0];
}

/* Pixel of x (one plane) that tap t of output pixel p reads, -1 in the padding. */
static ptrdiff_t tap_of(const struct conv_desc *d, int p, int t)
{
	int h = p / d->out[2] * d->stride[1] + t / d->k[2] - d->lo[1];
	int w = p % d->out[2] * d->stride[2] + t % d->k[2] - d->lo[2];
	bool in = h >= 0 && h < d->in[1] && w >= 0 && w < d->in[2];
	return in ? (ptrdiff_t)h * d->in[2] + w : -1;
}

/* Output (pixel p, o) of sixteen taps: one sum through channels and their taps, or, of few pixels,
 * pieces of 512, each 16 sums that are halved. */
static float column_output(const struct conv_desc *d, const struct conv_args *a, int p, int o)
{
	const int k = d->ic * 16, pixels = d->out[1] * d->out[2], piece = pixels <= 32 ? 512 : k;
	const int lanes = pixels <= 32 ? 16 : 1;
	const float bias = d->bias ? a->bias[o] : 0;
	float y = pixels <= 32 ? bias : 0;
	for (int from = 0; from < k; from += piece) {
		float s[16] = {0};
		for (int j = from; j < k && j < from + piece; j++) {
			ptrdiff_t at = tap_of(d, p, j % 16);
			float x = at < 0 ? 0 : a->x[at * d->ic + j / 16];
			s[j % lanes] = fmaf(x, a->w[(size_t)o * k + j], s[j % lanes]);
		}
		for (int half = lanes / 2; half; half /= 2)
			for (int l = 0; l < half; l++)
				s[l] += s[l + half];
		y += s[0];
	}
	y += pixels <= 32 ? 0 : bias;
	return d->relu && y <= 0 ? 0 : y;
}

/* As in_order, of sixteen taps. */
static float column_in_order(const struct conv_desc *d, enum sm_pass pass,
			     const struct conv_args *a, size_t q)
{
	const int ic = d->ic, oc = d->oc, pixels = d->out[1] * d->out[2];
	float s = 0;
	if (pass == SM_FORWARD)
		return column_output(d, a, (int)(q / oc), (int)(q % oc));
	if (pass == SM_BACKWARD_WEIGHTS) {
		size_t t = q % 16, i = q / 16 % ic, o = q / 16 / ic;
		for (int p = 0; p < pixels; p++) {
			ptrdiff_t at = tap_of(d, p, (int)t);
			s = fmaf(a->y[(size_t)p * oc + o], at < 0 ? 0 : a->x[at * ic + i], s);
		}
		return s;
	}
	for (int p = 0; p < pixels; p++)
		for (int t = 0; t < 16; t++) {
			float g = 0;
			if (tap_of(d, p, t) != (ptrdiff_t)(q / ic))
				continue;
			for (int o = 0; o < oc; o++)
				g = fmaf(a->y[(size_t)p * oc + o],
					 a->w[((size_t)o * ic + q % ic) * 16 + t], g);
			s += g;
		}
	return s;
}

/* Not only near: the very bits that every instruction set is to give. Inputs hold NaN, infinity and
 * whole lines of zero, with sums of -0 that a ReLU makes +0. */
static void same_as_in_order(struct conv_lib *lib, const struct conv_kernel *kernel,
			     struct conv_desc d, enum sm_pass pass)
{
	size_t nx = case_volume(&d, d.in, d.ic), ny = case_volume(&d, d.out, d.oc), nw = case_weights(&d);
	float *x = case_block(nx, "x"), *y = case_block(ny, "y"), *w = case_block(nw, "w");
	float *b = case_block((size_t)d.oc, "b"), *gw = calloc(nw, sizeof *gw);
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	assert_int_equal(conv_plan_create(lib, &d, pass, kernel->name, &p, &err), SM_OK);
	void *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	void *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	x[nx / 2] = y[ny / 2] = NAN;
	x[nx / 3] = y[ny / 3] = INFINITY;
	for (size_t i = 0; i < nx / 4; i++)
		x[i] = 0;
	b[0] = -0.0f; /* and products of -0: the sum is -0 */
	for (size_t i = 0; i < nw / d.oc; i++)
		w[i] = -fabsf(w[i]);
	struct conv_args a = {.x = x, .y = y, .w = w, .bias = d.bias ? b : NULL, .gw = gw,
			      .packed = packed, .ws = ws};
	float *out = pass == SM_FORWARD ? y : pass == SM_BACKWARD_DATA ? x : gw;
	size_t n = case_out_size(&d, pass), nans = 0;
	float *want = malloc(n * sizeof *want);
	for (size_t i = 0; i < n; i++)
		want[i] = kernel == columns[0] || kernel == columns[1]
				  ? column_in_order(&d, pass, &a, i)
				  : in_order(&d, pass, &a, i,
					     kernel == points[0] || kernel == points[1]);
	if (p->packed)
		assert_int_equal(kernel->pack(p, &a, &err), SM_OK);
	assert_int_equal(conv_plan_run(p, &a, &err), SM_OK);
	for (size_t i = 0; i < n; i++) {
		bool nan = want[i] != want[i];
		nans += nan;
		if (nan ? out[i] == out[i] : memcmp(&out[i], &want[i], sizeof *out) != 0)
			fail_msg("%s pass %d %d>%d, value %zu: %.9g, not %.9g", kernel->name, pass,
				 d.ic, d.oc, i, (double)out[i], (double)want[i]);
	}
	assert_true(nans > 0 && nans < n);
	float *all[] = {x, y, w, b, gw, want};
	for (int i = 0; i < 6; i++)
		free(all[i]);
	free(packed);
	free(ws);
	conv_plan_free(p);
}

static struct conv_desc line_of(int ic, int oc, int outs, int taps)
{
	return (struct conv_desc){.n = 1, .ic = ic, .oc = oc, .in = {1, 1, outs * taps},
				  .out = {1, 1, outs}, .k = {1, 1, taps}, .stride = {1, 1, taps},
				  .threads = 2};
}

static void patches_in_order(struct conv_lib *lib, const struct conv_kernel *patch)
{
	for (int i = 0; i < 12; i++) {
		struct conv_desc d = line_of(16 << i % 3, 16 + 16 * (i % 5), 40 + i, 1 + i % 3);
		same_as_in_order(lib, patch, d, SM_BACKWARD_DATA);
		d.bias = i & 1;
		d.relu = i / 2 & 1;
		same_as_in_order(lib, patch, d, SM_FORWARD);
	}
	/* So many weights that the rows are in one part. */
	struct conv_desc large = line_of(256, 200, 13, 2);
	same_as_in_order(lib, patch, large, SM_BACKWARD_WEIGHTS);
}

static void points_in_order(struct conv_lib *lib, const struct conv_kernel *point)
{
	for (int i = 0; i < 32; i++) {
		struct conv_desc d = line_of(16 << i % 3, 1 + i % 8, 50 + i, 1);
		d.bias = i & 1;
		d.relu = i / 8 & 1;
		same_as_in_order(lib, point, d, SM_FORWARD);
	}
}

/* Outputs of 4x4 taps over a square of `side`, padded by one. */
static struct conv_desc square_of(int ic, int oc, int side, int stride)
{
	int out = (side - 2) / stride + 1;
	return (struct conv_desc){.n = 1, .ic = ic, .oc = oc, .in = {1, side, side},
				  .out = {1, out, out}, .k = {1, 4, 4}, .stride = {1, stride, stride},
				  .lo = {0, 1, 1}, .hi = {0, 1, 1}, .threads = 3};
}

/* Few pixels and many, up to several jobs, sums and weights of more than a piece. */
static void columns_in_order(struct conv_lib *lib, const struct conv_kernel *set)
{
	static const int sizes[][4] = {{64, 37, 10, 2}, {70, 7, 11, 2}, {5, 33, 6, 1},
				       {64, 22, 14, 2}, {33, 80, 9, 1}, {3, 16, 24, 1},
				       {17, 5, 26, 1},  {16, 150, 13, 2}};
	for (int i = 0; i < 8; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			struct conv_desc d = square_of(sizes[i][0], sizes[i][1], sizes[i][2],
						       sizes[i][3]);
			d.bias = p == SM_FORWARD && i % 3;
			d.relu = p == SM_FORWARD && i % 2;
			same_as_in_order(lib, set, d, p);
		}
}

static void test_sums_are_in_the_same_order_in_every_set(void **state)
{
	(void)state;
	each_set(patches, patches_in_order);
	each_set(points, points_in_order);
	each_set(columns, columns_in_order);
}

/* Sixteen taps, any strides and padding, from one pixel to several pieces. */
static void columns_equal(struct conv_lib *lib, const struct conv_kernel *set)
{
	static const int kernel[][2] = {{4, 4}, {4, 4}, {4, 4}, {2, 8}, {16, 1}};
	static const int ic[] = {3, 16, 1, 20, 48, 6, 33}, oc[] = {1, 3, 16, 22, 64, 37};
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
		done += case_every_pass(lib, d, set);
	}
	assert_int_equal(done, 60 * SM_PASSES);
	/* One pixel of many channels, and more pixels than a piece takes. */
	struct conv_desc deep = {.n = 1, .ic = 256, .oc = 130, .in = {1, 2, 2}, .out = {1, 1, 1},
				 .k = {1, 4, 4}, .stride = {1, 2, 2}, .lo = {0, 1, 1},
				 .hi = {0, 1, 1}, .threads = 2};
	assert_int_equal(case_every_pass(lib, deep, set), SM_PASSES);
	struct conv_desc wide = {.n = 1, .ic = 17, .oc = 5, .in = {1, 90, 70}, .out = {1, 45, 35},
				 .k = {1, 4, 4}, .stride = {1, 2, 2}, .lo = {0, 1, 1},
				 .hi = {0, 1, 1}, .threads = 2};
	assert_int_equal(case_every_pass(lib, wide, set), SM_PASSES);
	/* Every number of pixels that takes the way of few, and the first that do not; every number
	 * of rows and dots that stand in the registers. */
	for (int i = 1; i <= 36; i++) {
		struct conv_desc d = {.n = 1, .ic = 40, .oc = i, .in = {1, 4, i + 3},
				      .out = {1, 1, i}, .k = {1, 4, 4}, .stride = {1, 1, 1},
				      .bias = i % 2, .threads = 2};
		assert_int_equal(case_every_pass(lib, d, set), SM_PASSES);
	}
	struct conv_desc three = case_cube(16, 16, 1, 8, 3);
	assert_false(set->fits(&three, SM_FORWARD));
}

static void test_columns_equal_the_definition(void **state)
{
	(void)state;
	each_set(columns, columns_equal);
}

/* Which layers of kernels as large as their stride the rule of an instruction set gives to its own
 * kernel, by number of weights, and which not. */
static void test_patches_are_taken_up_to_a_size(void **state)
{
	(void)state;
	static const struct {
		int ic, oc, k;
		enum sm_pass pass;
		bool taken[2]; /* AVX-512, AVX2 */
	} cases[] = {{16, 32, 2, SM_FORWARD, {true, true}},
		     {32, 64, 2, SM_FORWARD, {false, true}},
		     {256, 320, 2, SM_FORWARD, {false, true}},
		     {256, 512, 2, SM_FORWARD, {false, false}},
		     {32, 64, 2, SM_BACKWARD_DATA, {true, true}},
		     {256, 512, 2, SM_BACKWARD_DATA, {true, false}},
		     {512, 512, 2, SM_BACKWARD_DATA, {false, false}},
		     {32, 128, 2, SM_BACKWARD_WEIGHTS, {true, true}},
		     {64, 128, 2, SM_BACKWARD_WEIGHTS, {true, true}},
		     {64, 256, 2, SM_BACKWARD_WEIGHTS, {false, true}},
		     {128, 256, 2, SM_BACKWARD_WEIGHTS, {false, false}},
		     {256, 512, 2, SM_BACKWARD_WEIGHTS, {false, false}},
		     {4, 16, 1, SM_FORWARD, {true, false}},
		     {16, 4, 1, SM_BACKWARD_DATA, {true, false}},
		     {64, 3, 1, SM_BACKWARD_DATA, {true, true}},
		     {16, 4, 1, SM_BACKWARD_WEIGHTS, {true, true}},
		     {64, 32, 1, SM_BACKWARD_WEIGHTS, {false, true}},
		     {32, 64, 1, SM_BACKWARD_WEIGHTS, {false, false}}};
	const int set = runs(patches[0]) ? 0 : 1;
	if (!runs(patches[set]))
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const int k = cases[i].k;
		struct conv_desc d = {.n = 1, .ic = cases[i].ic, .oc = cases[i].oc,
				      .in = {2 * k, 10 * k, 10 * k}, .out = {2, 10, 10},
				      .k = {k, k, k}, .stride = {k, k, k}, .threads = 2};
		const struct conv_kernel *got = conv_kernel_for(&d, cases[i].pass, NULL);
		if ((got == patches[set]) != cases[i].taken[set] || got == patches[!set])
			fail_msg("case %zu: %s", i, got->name);
	}
	/* A layer that the library could not share out among threads. */
	struct conv_desc deep = {.n = 1, .ic = 256, .oc = 512, .in = {2, 20, 20},
				 .out = {1, 10, 10}, .k = {2, 2, 2}, .stride = {2, 2, 2},
				 .threads = 2};
	assert_ptr_equal(conv_kernel_for(&deep, SM_BACKWARD_WEIGHTS, NULL),
			 set ? &conv_stride_avx2 : patches[0]);
	/* Heads: of more than four outputs AVX2 has too few registers, where inputs are few. */
	struct conv_desc head = case_cube(16, 4, 2, 10, 1);
	assert_ptr_equal(conv_kernel_for(&head, SM_FORWARD, NULL), points[set]);
	head.oc = 8;
	assert_int_equal(conv_kernel_for(&head, SM_FORWARD, NULL) == points[set], set == 0);
	head.ic = 128;
	assert_ptr_equal(conv_kernel_for(&head, SM_FORWARD, NULL), points[set]);
}

/* AVX-512 does all layers of sixteen taps by its own kernel, AVX2 those of many channels. */
static void test_columns_are_taken_by_channels(void **state)
{
	(void)state;
	static const struct {
		int ic, oc;
		bool avx2[SM_PASSES];
	} cases[] = {{3, 64, {[SM_BACKWARD_WEIGHTS] = true}},
		     {16, 32, {false}},
		     {32, 64, {[SM_BACKWARD_WEIGHTS] = true}},
		     {128, 3, {[SM_BACKWARD_WEIGHTS] = true}},
		     {512, 1, {[SM_FORWARD] = true, [SM_BACKWARD_WEIGHTS] = true}},
		     {64, 128, {true, true, true}},
		     {512, 512, {true, true, true}}};
	const int set = runs(columns[0]) ? 0 : 1;
	if (!runs(columns[set]))
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			struct conv_desc d = square_of(cases[i].ic, cases[i].oc, 32, 2);
			const struct conv_kernel *got = conv_kernel_for(&d, p, NULL);
			if ((got == columns[set]) != (set == 0 || cases[i].avx2[p]) ||
			    got == columns[!set])
				fail_msg("case %zu, pass %d: %s", i, p, got->name);
		}
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_patches_equal_the_definition),
	    cmocka_unit_test(test_points_equal_the_definition),
	    cmocka_unit_test(test_sums_are_in_the_same_order_in_every_set),
	    cmocka_unit_test(test_columns_equal_the_definition),
	    cmocka_unit_test(test_patches_are_taken_up_to_a_size),
	    cmocka_unit_test(test_columns_are_taken_by_channels),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_conv_sets", tests, NULL, NULL);
}
