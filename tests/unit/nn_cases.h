/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient cases of the operators (nn_cases.c), their float64 reference (nn_reference.c), and
 * what the tests that walk them share.
 */
#ifndef SM_TESTS_NN_CASES_H
#define SM_TESTS_NN_CASES_H

#include "tests/unit/tap.h"
#include "train/nn/net.h"

#define S(...) ((struct sm_shape){__VA_ARGS__})
#define CONV(...) ((struct sm_conv){__VA_ARGS__})

struct grad_case {
	enum op_kind kind;
	const char *name;
	int (*build)(struct sm_graph *g, const int *x); /* one operator on 1 or 2 inputs */
	int inputs;
	struct sm_shape shape[2];
};
extern const struct grad_case nn_cases[];
extern const size_t nn_case_count;

/* Values in double of what an operator reads and writes: inputs, parameters, output (of a loss one
 * value a sample). */
struct nn_values {
	double *x[2], *w[2], *y;
};

/* y of node n in float64, by the definition and plain loops; false when there is no reference of
 * this operator. Dropout keeps what is not 0 in `mask`, the engine's output. */
bool nn_reference(const struct sm_graph *g, const struct node *n, const float *mask,
		  const struct nn_values *v);

/* An input whose gradient is wanted. */
int nn_variable(struct sm_graph *g, const char *name, struct sm_shape s);

/* Distinct values in a random order, none within 0.015 of 0 or of another: away from every kink. */
void nn_fill_apart(float *x, size_t n, uint64_t seed, const char *what);

/* A training step's loss, with packed weights made anew; fails the test on an error. */
double nn_loss_of(struct sm_net *net);

#endif
