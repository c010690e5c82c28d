/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 4096, TREE = 64 };

static double block_sum(const double *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum;
}

/* The tree of sm_sum_tree over the blocks, without room for all of them: a subtree of 2^k blocks is
 * one sum, kept where bit k of the number of blocks done is set, as the digits of a counter. */
double sm_sum_f64(const double *v, size_t n)
{
	double level[TREE];
	size_t done = 0;
	for (size_t at = 0; at < n; at += BLOCK, done++) {
		double sum = block_sum(v + at, n - at < BLOCK ? n - at : BLOCK);
		size_t k = 0;
		for (; done >> k & 1; k++)
			sum = level[k] + sum;
		level[k] = sum;
	}
	double total = 0;
	bool any = false;
	for (size_t k = 0; k < TREE; k++)
		if (done >> k & 1) {
			total = any ? level[k] + total : level[k];
			any = true;
		}
	return total;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	if (isnan(x) || isnan(y))
		return !!isnan(x) - !!isnan(y);
	return (x > y) - (x < y);
}

void sm_sort_f64(double *v, size_t n)
{
	qsort(v, n, sizeof *v, by_value);
}

double sm_quantile_sorted(const double *v, size_t n, double q)
{
	if (!n)
		return NAN;
	double at = q * (double)(n - 1), below = floor(at), t = at - below;
	size_t i = (size_t)below;
	if (i + 1 >= n)
		return v[n - 1];
	/* numpy's two forms: exact at both ends, never beyond them. */
	double step = v[i + 1] - v[i];
	return t < 0.5 ? v[i] + step * t : v[i + 1] - step * (1 - t);
}
