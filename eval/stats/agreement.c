/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

#define Z 1.95996398454005423552 /* normal quantile 0.975 */

struct pair {
	uint32_t cluster;
	size_t i;
	double d;
};

static int by_cluster(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	return (a->i > b->i) - (a->i < b->i);
}

/* Differences and means of the pairs that count, and the differences by patient. */
static size_t pairs_of(const double *a, const double *b, const uint32_t *cluster, size_t n,
		       double *d, double *mean, struct pair *pair)
{
	size_t m = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(a[i]) && isfinite(b[i])) {
			d[m] = a[i] - b[i];
			pair[m] = (struct pair){cluster ? cluster[i] : (uint32_t)i, i, d[m]};
			mean[m++] = (a[i] + b[i]) / 2;
		}
	if (cluster)
		qsort(pair, m, sizeof *pair, by_cluster);
	return m;
}

/* Half the intervals of the bias and of the limits. */
struct halves {
	double bias, limit;
};

/* One difference a patient. */
static struct halves alone(struct sm_agreement *g, const double *d, double t, double *term)
{
	double n = (double)g->n;
	for (size_t i = 0; i < g->n; i++)
		term[i] = (d[i] - g->bias) * (d[i] - g->bias);
	g->sd = sqrt(sm_sum_f64(term, g->n) / (n - 1));
	return (struct halves){t * g->sd / sqrt(n),
			       t * g->sd * sqrt(1 / n + Z * Z / (2 * (n - 1)))};
}

/* The analysis of variance: `between` and `within` are sums of squares, squares that of the numbers
 * of cases of the patients. Mean squares have variance 2 MS^2 / degrees of freedom; that of the sd
 * follows from it as of a root. */
static struct halves repeated(struct sm_agreement *g, const struct pair *p, double t)
{
	double n = (double)g->n, k = (double)g->patients, squares = 0, between = 0, within = 0;
	for (size_t i = 0, end; i < g->n; i = end) {
		double sum = 0;
		for (end = i; end < g->n && p[end].cluster == p[i].cluster; end++)
			sum += p[end].d;
		double m = (double)(end - i), mean = sum / m;
		squares += m * m;
		between += m * (mean - g->bias) * (mean - g->bias);
		for (size_t j = i; j < end; j++)
			within += (p[j].d - mean) * (p[j].d - mean);
	}
	between /= k - 1;
	within /= n - k;
	double cases = (n - squares / n) / (k - 1); /* of a patient, as the mean squares have it */
	double patient = between > within ? (between - within) / cases : 0;
	double total = patient + within, rest = 1 - 1 / cases;
	double of_total = between * between / (cases * cases * (k - 1)) +
			  rest * rest * within * within / (n - k);
	g->within = sqrt(within);
	g->sd = sqrt(total);
	double of_bias = patient * squares / (n * n) + within / n;
	double of_sd = total > 0 ? of_total / (2 * total) : 0;
	return (struct halves){t * sqrt(of_bias), t * sqrt(of_bias + Z * Z * of_sd)};
}

static void limits(struct sm_agreement *g, struct halves half)
{
	g->low = g->bias - Z * g->sd;
	g->high = g->bias + Z * g->sd;
	for (int k = 0; k < 2; k++) {
		double sign = k ? 1 : -1;
		g->bias_ci[k] = g->bias + sign * half.bias;
		g->low_ci[k] = g->low + sign * half.limit;
		g->high_ci[k] = g->high + sign * half.limit;
	}
}

/* Of the difference on the mean; term has room for n. */
static double slope(const struct sm_agreement *g, const double *d, const double *mean, double *term)
{
	double middle = sm_sum_f64(mean, g->n) / (double)g->n;
	for (size_t i = 0; i < g->n; i++)
		term[i] = (d[i] - g->bias) * (mean[i] - middle);
	double across = sm_sum_f64(term, g->n);
	for (size_t i = 0; i < g->n; i++)
		term[i] = (mean[i] - middle) * (mean[i] - middle);
	double along = sm_sum_f64(term, g->n);
	return along > 0 ? across / along : NAN;
}

enum sm_status sm_bland_altman(const double *a, const double *b, const uint32_t *cluster, size_t n,
			       struct sm_agreement *g, struct sm_err *err)
{
	*g = (struct sm_agreement){.bias = NAN,
				   .sd = NAN,
				   .low = NAN,
				   .high = NAN,
				   .bias_ci = {NAN, NAN},
				   .low_ci = {NAN, NAN},
				   .high_ci = {NAN, NAN},
				   .slope = NAN,
				   .within = NAN};
	double *d = sm_alloc(NULL, 3 * n + 1, sizeof *d, "agreement", err);
	struct pair *pair = d ? sm_alloc(NULL, n + 1, sizeof *pair, "agreement", err) : NULL;
	if (!pair) {
		sm_free(d);
		return SM_BUDGET;
	}
	double *mean = d + n, *term = mean + n;
	g->n = pairs_of(a, b, cluster, n, d, mean, pair);
	for (size_t i = 0; i < g->n; i++)
		g->patients += !i || pair[i].cluster != pair[i - 1].cluster;
	if (g->n)
		g->bias = sm_sum_f64(d, g->n) / (double)g->n;
	if (g->n > 1)
		g->slope = slope(g, d, mean, term);
	/* Of one patient it cannot be told how patients differ. */
	if (g->patients > 1) {
		double t = sm_student_quantile(0.975, g->patients - 1);
		limits(g, g->patients == g->n ? alone(g, d, t, term) : repeated(g, pair, t));
	}
	sm_free(pair);
	sm_free(d);
	return SM_OK;
}
