/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions with stride 2 (conv_stride.c): every instruction set against a plain sum in double
 * and over thread counts, the bits of two sets, and which layers the rule takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/conv_cases.h"
#include "tests/unit/tap.h"

static const struct conv_kernel *const sets[] = {&conv_stride_avx512, &conv_stride_avx2,
						 &conv_stride_portable};
#define SETS 3
#define PASSES 3

static int between(struct sm_rng *rng, int lo, int hi)
{
	return lo + (int)sm_rng_below(rng, (uint32_t)(hi - lo + 1));
}

/* Kernels of 1 to 3 with any padding below them, stride 1 or 2 but along the width, odd and even
 * sizes, taps that meet nothing but padding. */
static struct conv_desc random_desc(uint64_t i)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 11, "test", "stride", 0, i);
	struct conv_desc d = {.n = between(&rng, 1, 2),
			      .ic = 16 * between(&rng, 1, 4),
			      .oc = 16 * between(&rng, 1, 5),
			      .in = {between(&rng, 1, 5), between(&rng, 1, 12),
				     between(&rng, 1, 40)},
			      .bias = between(&rng, 0, 1),
			      .relu = between(&rng, 0, 1),
			      .xe = i / 2 % 3 == 1 ? ELEM_BF16 : ELEM_F32,
			      .ye = i / 4 % 3 == 1 ? ELEM_BF16 : ELEM_F32,
			      .threads = 2};
	for (int a = 0; a < 3; a++) {
		d.k[a] = between(&rng, 0, 2) ? 3 : between(&rng, 1, 2);
		d.stride[a] = a < 2 ? between(&rng, 1, 2) : 2;
		bool usual = between(&rng, 0, 3);
		d.lo[a] = usual ? (d.k[a] - 1) / 2 : between(&rng, 0, d.k[a] - 1);
		d.hi[a] = usual ? d.lo[a] : between(&rng, 0, d.k[a] - 1);
		while (d.in[a] + d.lo[a] + d.hi[a] < d.k[a])
			d.in[a]++;
		d.out[a] = (d.in[a] + d.lo[a] + d.hi[a] - d.k[a]) / d.stride[a] + 1;
	}
	return d;
}

static struct conv_desc halved(int n, int ic, int oc, int depth, int h, int w)
{
	struct conv_desc d = {.n = n, .ic = ic, .oc = oc, .in = {depth, h, w}, .threads = 2};
	for (int a = 0; a < 3; a++) {
		d.k[a] = 3;
		d.stride[a] = 2;
		d.lo[a] = d.hi[a] = 1;
		d.out[a] = (d.in[a] - 1) / 2 + 1;
	}
	return d;
}

static void equals_the_definition(const struct conv_kernel *kernel)
{
	struct conv_lib *lib = case_library();
	struct conv_desc one = halved(1, 16, 16, 2, 4, 8);
	if (!kernel->fits(&one, SM_BACKWARD_WEIGHTS)) {
		conv_lib_free(lib);
		skip();
	}
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(case_every_pass(lib, random_desc(i), kernel), PASSES);
	/* several chunks of rows a range; several groups of channels; fewer rows than ranges; more
	 * rows than a chunk may have */
	const struct conv_desc large[] = {
		halved(1, 16, 16, 1, 340, 6),
		halved(2, 32, 48, 5, 30, 123), halved(1, 64, 80, 3, 12, 12),
		halved(1, 16, 16, 1, 3, 200), halved(1, 128, 96, 2, 5, 5)};
	for (size_t i = 0; i < sizeof large / sizeof *large; i++)
		assert_int_equal(case_every_pass(lib, large[i], kernel), PASSES);
	conv_lib_free(lib);
}

static void test_avx512_equals_the_definition(void **state)
{
	(void)state;
	equals_the_definition(sets[0]);
}

static void test_avx2_equals_the_definition(void **state)
{
	(void)state;
	equals_the_definition(sets[1]);
}

static void test_portable_equals_the_definition(void **state)
{
	(void)state;
	equals_the_definition(sets[2]);
}

/* Lanes never meet: AVX-512 and AVX2 give the same bits. */
static void test_sets_have_the_same_bits(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	struct conv_desc d = halved(2, 32, 48, 5, 30, 61);
	struct sm_err err = {0};
	int compared = 0;
	for (int pass = 0; pass < SM_PASSES; pass++) {
		float *got[2] = {NULL, NULL};
		for (int s = 0; s < 2; s++) {
			struct conv_plan *p = NULL;
			if (!sets[s]->fits(&d, pass))
				continue;
			assert_int_equal(conv_plan_create(lib, &d, pass, sets[s]->name, &p, &err),
					 SM_OK);
			got[s] = case_run(p, NULL);
			conv_plan_free(p);
		}
		if (got[0] && got[1]) {
			assert_memory_equal(got[0], got[1],
					    case_out_size(&d, pass) * sizeof(float));
			compared++;
		}
		free(got[0]);
		free(got[1]);
	}
	conv_lib_free(lib);
	if (!compared)
		skip();
}

/* A NaN in an operand is seen in what depends on it, with ReLU too: voxel (2, 6, 6) of the input is
 * read by one output alone, (1, 3, 3), which reads 27 inputs. */
static void nan_shows_up(struct conv_lib *lib, const struct conv_kernel *k, enum sm_pass pass)
{
	struct conv_desc d = halved(1, 32, 64, 4, 12, 12);
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	d.bias = d.relu = pass == SM_FORWARD;
	assert_int_equal(conv_plan_create(lib, &d, pass, k->name, &p, &err), SM_OK);
	size_t nx = case_volume(&d, d.in, d.ic), ny = case_volume(&d, d.out, d.oc), seen = 0;
	float *x = case_block(nx, "x"), *y = case_block(ny, "y"), *b = case_block(64, "b");
	float *w = case_block(case_weights(&d), "w"), *gw = calloc(case_weights(&d), sizeof *gw);
	void *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	void *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	struct conv_args a = {.x = x, .y = y, .w = w, .bias = b, .gw = gw, .packed = packed,
			      .ws = ws};
	if (pass == SM_BACKWARD_DATA)
		y[((1 * 6 + 3) * 6 + 3) * 64 + 7] = NAN;
	else
		x[((2 * 12 + 6) * 12 + 6) * 32 + 7] = NAN;
	if (p->packed)
		assert_int_equal(p->kernel->pack(p, &a, &err), SM_OK);
	assert_int_equal(conv_plan_run(p, &a, &err), SM_OK);
	const float *out = pass == SM_FORWARD ? y : pass == SM_BACKWARD_DATA ? x : gw;
	for (size_t i = 0; i < case_out_size(&d, pass); i++)
		seen += isnan(out[i]) != 0;
	assert_int_equal(seen, pass == SM_FORWARD ? 64 : pass == SM_BACKWARD_DATA ? 27 * 32 : 64);
	float *all[] = {x, y, b, w, gw};
	for (size_t i = 0; i < 5; i++)
		free(all[i]);
	free(packed);
	free(ws);
	conv_plan_free(p);
}

static void test_nan_shows_up(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	const struct conv_desc d = halved(1, 32, 64, 4, 12, 12);
	for (int s = 0; s < SETS; s++)
		for (int pass = 0; pass < SM_PASSES && sets[s]->fits(&d, pass); pass++)
			nan_shows_up(lib, sets[s], pass);
	conv_lib_free(lib);
}

/* Taken for what halves the width, of whole blocks of channels, but for gradients of inputs by one
 * tap and outputs of a few pixels; not for other strides or larger kernels. */
static void test_rule(void **state)
{
	(void)state;
	struct conv_desc d = halved(1, 32, 64, 8, 32, 32), few = halved(1, 32, 64, 2, 16, 16);
	for (int pass = 0; pass < SM_PASSES; pass++)
		assert_true(conv_stride_portable.fits(&d, pass));
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && !__builtin_cpu_supports("avx512f")) {
		const struct conv_kernel *k = &conv_stride_avx2;
		for (int pass = 0; pass < SM_PASSES; pass++)
			assert_ptr_equal(conv_kernel_for(&d, pass, NULL), k);
		assert_ptr_not_equal(conv_kernel_for(&few, SM_FORWARD, NULL), k);
		assert_ptr_equal(conv_kernel_for(&few, SM_BACKWARD_DATA, NULL), k);
		for (int a = 0; a < 3; a++) {
			d.k[a] = 1;
			d.lo[a] = d.hi[a] = 0;
		}
		assert_ptr_equal(conv_kernel_for(&d, SM_FORWARD, NULL), k);
		assert_ptr_not_equal(conv_kernel_for(&d, SM_BACKWARD_DATA, NULL), k);
		d = halved(1, 32, 64, 8, 32, 32);
	}
#endif
	(void)few;
	d.ic = 20;
	assert_false(conv_stride_portable.fits(&d, SM_BACKWARD_WEIGHTS));
	d = halved(1, 32, 64, 8, 32, 32);
	d.stride[2] = 1;
	assert_false(conv_stride_portable.fits(&d, SM_BACKWARD_WEIGHTS));
	d.stride[2] = 3;
	assert_false(conv_stride_portable.fits(&d, SM_BACKWARD_WEIGHTS));
	d.stride[2] = 2;
	d.k[1] = 4;
	assert_false(conv_stride_portable.fits(&d, SM_BACKWARD_WEIGHTS));
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_avx512_equals_the_definition),
		cmocka_unit_test(test_avx2_equals_the_definition),
		cmocka_unit_test(test_portable_equals_the_definition),
		cmocka_unit_test(test_sets_have_the_same_bits),
		cmocka_unit_test(test_nan_shows_up),
		cmocka_unit_test(test_rule),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_stride", tests, NULL, NULL);
}
