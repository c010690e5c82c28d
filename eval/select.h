/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles of many numbers without sorting them.
 */
#ifndef SM_EVAL_SELECT_H
#define SM_EVAL_SELECT_H

#include <stddef.h>
#include <stdint.h>

/* Numbers most of which are few values: value[i] stands count[i] times, ascending; v[0..n) are all
 * larger. */
struct sm_counted {
	const double *value;
	const uint64_t *count;
	size_t values;
	double *v;
	size_t n;
};

/* The q-quantile (0..1) of at least one number, linear between two neighbours (numpy's type 7).
 * Reorders v. */
double sm_quantile(const struct sm_counted *c, double q);

struct sm_weighted {
	double value, weight;
};

/* The least value at and below which at least q of `total`, the sum of all weights, lie. Reorders
 * v; n at least 1. */
double sm_weighted_quantile(struct sm_weighted *v, size_t n, double q, double total);

#endif
