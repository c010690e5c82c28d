/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

/* Up to here exact: pairs without zeros and ties, pairs with them. scipy's limits. */
enum { EXACT = 50, EXACT_TIED = 13 };

struct difference {
	double size;
	bool positive;
};

static int by_size(const void *a, const void *b)
{
	double x = ((const struct difference *)a)->size, y = ((const struct difference *)b)->size;
	return (x > y) - (x < y);
}

struct ranks {
	size_t n;             /* differences that are not 0 */
	uint64_t *twice;      /* twice the rank of each: ranks of ties are halves */
	uint64_t plus, minus; /* twice the rank sums */
	double tied;          /* sum of t^3 - t over groups of t ties */
	size_t ties;
};

double sm_paired_slack(const double *a, const double *b, size_t n)
{
	double most = 0;
	for (size_t i = 0; i < n; i++) {
		most = isfinite(a[i]) && fabs(a[i]) > most ? fabs(a[i]) : most;
		most = isfinite(b[i]) && fabs(b[i]) > most ? fabs(b[i]) : most;
	}
	return 1e-10 * most;
}

static void rank(struct difference *d, double slack, struct ranks *r)
{
	qsort(d, r->n, sizeof *d, by_size);
	for (size_t i = 0, end; i < r->n; i = end) {
		/* A sum, as infinite - infinite would be none. */
		for (end = i + 1; end < r->n && d[end].size <= d[i].size + slack;)
			end++;
		double t = (double)(end - i);
		r->tied += t * t * t - t;
		r->ties += end - i > 1 ? end - i : 0;
		for (size_t k = i; k < end; k++) {
			r->twice[k] = i + 1 + end;
			*(d[k].positive ? &r->plus : &r->minus) += r->twice[k];
		}
	}
}

/* Both sides over all 2^n signs, counted in whole numbers: ways[s] = signs whose positive ranks sum
 * up to s / 2. n is at most 50, so that every count fits. */
static enum sm_status exact(const struct ranks *r, double *p, struct sm_err *err)
{
	size_t most = (size_t)(r->plus + r->minus), top = 0;
	uint64_t *ways = sm_calloc(NULL, most + 1, sizeof *ways, "signed ranks", err);
	uint64_t below = 0, above = 0;
	if (!ways)
		return SM_BUDGET;
	ways[0] = 1;
	for (size_t i = 0; i < r->n; i++) {
		size_t rank = (size_t)r->twice[i];
		top += rank;
		for (size_t s = top; s >= rank; s--)
			ways[s] += ways[s - rank];
	}
	for (size_t s = 0; s <= most; s++) {
		below += s <= r->plus ? ways[s] : 0;
		above += s >= r->plus ? ways[s] : 0;
	}
	sm_free(ways);
	*p = 2 * (double)(below < above ? below : above) / (double)((uint64_t)1 << r->n);
	*p = *p > 1 ? 1 : *p;
	return SM_OK;
}

static double normal(const struct ranks *r)
{
	double n = (double)r->n, mean = n * (n + 1) / 4;
	double var = (n * (n + 1) * (2 * n + 1) - r->tied / 2) / 24;
	return 2 * sm_normal_above(fabs((double)r->plus / 2 - mean) / sqrt(var));
}

enum sm_status sm_wilcoxon(const double *a, const double *b, size_t n, struct sm_paired *out,
			   struct sm_err *err)
{
	*out = (struct sm_paired){.statistic = NAN, .p = NAN};
	struct ranks r = {0};
	enum sm_status st = SM_OK;
	struct difference *d = sm_alloc(NULL, n + 1, sizeof *d, "signed ranks", err);
	r.twice = d ? sm_alloc(NULL, n + 1, sizeof *r.twice, "signed ranks", err) : NULL;
	if (!r.twice) {
		st = SM_BUDGET;
		goto out;
	}
	const double slack = sm_paired_slack(a, b, n);
	for (size_t i = 0; i < n; i++) {
		/* Equal infinities have no difference, and no number either. */
		double v = isinf(a[i]) && a[i] == b[i] ? 0 : a[i] - b[i];
		if (isnan(v))
			continue;
		out->n++;
		out->infinite += isinf(a[i]) || isinf(b[i]);
		if (fabs(v) > slack)
			d[r.n++] = (struct difference){fabs(v), v > 0};
		else
			out->zero++;
	}
	if (!out->n)
		goto out;
	rank(d, slack, &r);
	out->ties = r.ties;
	out->statistic = (double)(r.plus < r.minus ? r.plus : r.minus) / 2;
	out->exact = out->n <= (out->zero || r.ties ? EXACT_TIED : EXACT);
	if (!r.n)
		out->p = 1;
	else if (out->exact)
		st = exact(&r, &out->p, err);
	else
		out->p = normal(&r);
out:
	sm_free(r.twice);
	sm_free(d);
	return st;
}
