/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>

#include "core/mem.h"

#define Z 1.95996398454005423552 /* normal quantile 0.975 */

/* Differences and means of the pairs that count. */
static size_t pairs_of(const double *a, const double *b, size_t n, double *d, double *mean)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(a[i]) && isfinite(b[i])) {
			d[m] = a[i] - b[i];
			mean[m++] = (a[i] + b[i]) / 2;
		}
	return m;
}

static void limits(struct sm_agreement *g)
{
	double n = (double)g->n, t = sm_student_quantile(0.975, g->n - 1);
	double half = t * g->sd / sqrt(n);
	double out = t * g->sd * sqrt(1 / n + Z * Z / (2 * (n - 1)));
	g->low = g->bias - Z * g->sd;
	g->high = g->bias + Z * g->sd;
	for (int k = 0; k < 2; k++) {
		double sign = k ? 1 : -1;
		g->bias_ci[k] = g->bias + sign * half;
		g->low_ci[k] = g->low + sign * out;
		g->high_ci[k] = g->high + sign * out;
	}
}

enum sm_status sm_bland_altman(const double *a, const double *b, size_t n, struct sm_agreement *g,
			       struct sm_err *err)
{
	*g = (struct sm_agreement){.bias = NAN,
				   .sd = NAN,
				   .low = NAN,
				   .high = NAN,
				   .bias_ci = {NAN, NAN},
				   .low_ci = {NAN, NAN},
				   .high_ci = {NAN, NAN},
				   .slope = NAN};
	double *d = sm_alloc(NULL, 3 * n + 1, sizeof *d, "agreement", err);
	if (!d)
		return SM_BUDGET;
	double *mean = d + n, *term = mean + n;
	g->n = pairs_of(a, b, n, d, mean);
	if (g->n)
		g->bias = sm_sum_f64(d, g->n) / (double)g->n;
	if (g->n > 1) {
		double middle = sm_sum_f64(mean, g->n) / (double)g->n, across;
		for (size_t i = 0; i < g->n; i++)
			term[i] = (d[i] - g->bias) * (d[i] - g->bias);
		g->sd = sqrt(sm_sum_f64(term, g->n) / (double)(g->n - 1));
		for (size_t i = 0; i < g->n; i++)
			term[i] = (d[i] - g->bias) * (mean[i] - middle);
		across = sm_sum_f64(term, g->n);
		for (size_t i = 0; i < g->n; i++)
			term[i] = (mean[i] - middle) * (mean[i] - middle);
		double along = sm_sum_f64(term, g->n);
		g->slope = along > 0 ? across / along : NAN;
		limits(g);
	}
	sm_free(d);
	return SM_OK;
}
