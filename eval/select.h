/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles of many numbers without sorting them.
 */
#ifndef SM_EVAL_SELECT_H
#define SM_EVAL_SELECT_H

#include <stddef.h>

/* The q-quantile (0..1) of v[0..n), n at least 1, linear between two neighbours (numpy's type 7).
 * Reorders v. */
double sm_quantile(double *v, size_t n, double q);

struct sm_weighted {
	double value, weight;
};

/* The least value at and below which at least q of `total`, the sum of all weights, lie. Reorders
 * v; n at least 1. */
double sm_weighted_quantile(struct sm_weighted *v, size_t n, double q, double total);

#endif
