/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of convolution kernels share: operands by the shape alone, passes of a plan on
 * them, and the sum in double that a kernel is held against.
 */
#ifndef SM_TESTS_CONV_CASES_H
#define SM_TESTS_CONV_CASES_H

#include "train/nn/conv.h"

/* Values of a tensor of c channels, of the weights, and of what a pass writes. */
size_t case_volume(const struct conv_desc *d, const int *size, int c);
size_t case_weights(const struct conv_desc *d);
size_t case_out_size(const struct conv_desc *d, enum sm_pass pass);

/* Numbers in [-1, 1) by `what` and n; to be freed. */
float *case_block(size_t n, const char *what);

/* The n values of x as bfloat16 (to be freed), and x itself rounded; NULL when it stays float. */
void *case_stored(enum elem e, float *x, size_t n);

/* Runs a pass of a plan on fixed random operands; returns what it wrote, as floats (to be freed).
 * want: the same in double, straight from the definition, or NULL. Fails when the plan writes
 * behind its workspace. */
float *case_run(const struct conv_plan *p, double *want);

/* 1: equal to the definition, 0: the kernel does not do this shape. Fails when it is not equal. */
int case_compare(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
		 const char *kernel);

/* One kernel and shape in every pass it does: against the definition, and one, two and three
 * threads alike; how many passes that were. */
int case_every_pass(struct conv_lib *lib, struct conv_desc d, const struct conv_kernel *kernel);

/* k x k x k over d x hw x hw, as large in as out, two threads. */
struct conv_desc case_cube(int ic, int oc, int d, int hw, int k);
struct conv_lib *case_library(void);

#endif
