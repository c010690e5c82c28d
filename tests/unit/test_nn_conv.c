/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution kernels that are not tested on their own against a plain sum in double over random
 * shapes; the choice of kernels; the guard against oneDNN's reference code; thread counts. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/conv_cases.h"
#include "tests/unit/tap.h"

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

static void test_kernels_equal_the_definition(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	omp_set_num_threads(2);
	for (size_t k = 0; conv_kernel_at(k); k++) {
		int done = 0, tried = 0;
		if (strstr(conv_kernel_at(k)->name, "wino") || /* test_nn_wino.c */
		    conv_kernel_at(k)->up ||		       /* test_nn_up.c */
		    strstr(conv_kernel_at(k)->name, "patch") ||
		    strstr(conv_kernel_at(k)->name, "point") ||
		    strstr(conv_kernel_at(k)->name, "columns") ||
		    strstr(conv_kernel_at(k)->name, "stride")) /* test_nn_stride.c */
			continue;
		for (uint64_t i = 0; i < 40; i++) {
			struct conv_desc d = random_desc(i);
			for (int p = 0; p < SM_PASSES; p++) {
				tried += conv_kernel_at(k)->fits(&d, p);
				done += case_compare(lib, &d, p, conv_kernel_at(k)->name);
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

/* The layers that fell to oneDNN's scalar code in other layouts have a real kernel in every pass.
 */
static void test_unet_layers_have_fast_kernels(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	const struct conv_desc layers[] = {case_cube(4, 32, 16, 160, 3),  case_cube(4, 8, 16, 160, 3),
					   case_cube(64, 3, 16, 160, 1),  case_cube(16, 3, 16, 160, 1),
					   case_cube(256, 512, 2, 20, 3), case_cube(128, 128, 2, 20, 3)};
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

static void test_unknown_kernel_and_bad_shapes_are_refused(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	struct conv_desc d = case_cube(4, 4, 4, 8, 3);
	struct conv_plan *p = (void *)1;
	struct sm_err err = {0};
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, "magic", &p, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "magic"));
	assert_null(p);
	d.out[1]++;
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, NULL, &p, &err), SM_USAGE);
	d = case_cube(4, 4, 4, 8, 3);
	d.lo[0] = 3;
	assert_int_equal(conv_plan_create(lib, &d, SM_FORWARD, NULL, &p, &err), SM_USAGE);
	conv_lib_free(lib);
}

/* By hand: 1x4x4 image, 3x3 kernel, padding 1: per axis 2 + 3 + 3 + 2 = 10 of 12 taps. */
static void test_flops_leave_padding_out(void **state)
{
	(void)state;
	struct conv_desc d = case_cube(5, 7, 1, 4, 3);
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
		out[t - 1] = case_run(p, NULL);
		conv_plan_free(p);
	}
	omp_set_num_threads(2);
	int same = memcmp(out[0], out[1], case_out_size(&d, pass) * sizeof(float)) == 0;
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
	struct conv_lib *lib = case_library();
	struct conv_desc d[] = {case_cube(4, 16, 8, 24, 3), case_cube(16, 32, 8, 20, 3),
				case_cube(48, 16, 8, 20, 3), case_cube(64, 64, 2, 10, 3),
				case_cube(16, 3, 8, 24, 1),	case_cube(3, 64, 4, 20, 5),
				case_cube(64, 1, 4, 20, 5)};
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
	struct conv_desc flat = case_cube(8, 8, 1, 24, 3);
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

/* What the rule takes for random shapes and for narrow networks of five taps, where oneDNN has only
 * reference code for pieces smaller than their kernel and for one or two channels. */
static void test_the_rule_never_takes_what_depends_on_threads(void **state)
{
	(void)state;
	struct conv_lib *lib = case_library();
	struct conv_desc d[64] = {case_cube(4, 4, 16, 24, 5), case_cube(8, 8, 8, 12, 5),
				  case_cube(2, 2, 16, 24, 5), case_cube(4, 1, 16, 24, 5),
				  case_cube(3, 4, 2, 24, 5)};
	for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
		struct conv_plan *plan = NULL;
		struct sm_err err = {0};
		if (i >= 5)
			d[i] = random_desc(100 + i);
		else
			d[i].n = 2 - (int)(i & 1);
		assert_int_equal(
			conv_plan_create(lib, &d[i], SM_BACKWARD_WEIGHTS, NULL, &plan, &err),
			SM_OK);
		assert_ptr_not_equal(plan->kernel, &conv_dnnl);
		conv_plan_free(plan);
		for (int p = 0; p < SM_PASSES; p++)
			assert_true(same_bits(lib, d[i], p, NULL));
	}
	conv_lib_free(lib);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kernels_equal_the_definition),
	    cmocka_unit_test(test_unet_layers_have_fast_kernels),
	    cmocka_unit_test(test_unknown_kernel_and_bad_shapes_are_refused),
	    cmocka_unit_test(test_flops_leave_padding_out),
	    cmocka_unit_test(test_thread_dependence_is_as_documented),
	    cmocka_unit_test(test_the_rule_never_takes_what_depends_on_threads),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("nn_conv", tests, NULL, NULL);
}
