/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"
#include "core/rng.h"

const char *const sm_interval_words[SM_INTERVALS] = {
	[SM_INTERVAL_DRAWN] = "",
	[SM_INTERVAL_NOT_ASKED] = "not asked for",
	[SM_INTERVAL_TOO_FEW] = "fewer than 3 cases or patients",
	[SM_INTERVAL_EQUAL] = "all values are one",
	[SM_INTERVAL_OUTSIDE] = "the mean lies outside of all that was drawn",
};

size_t sm_resamples_for(size_t asked, size_t units)
{
	enum { LEAST = 1000, WORK = 20000000 };
	size_t most = units ? WORK / units : asked;
	most = most < LEAST ? LEAST : most;
	return asked < most ? asked : most;
}

/* What is drawn: units, each with the number of its values and, of each column, their sum. */
struct units {
	size_t n, columns;
	double *count, *sum; /* sum: n of the first column, n of the second, ... */
	bool single;         /* every count is 1 */
	double values;
};

enum { SLICE = 32 }; /* resamples that one thread takes at a time */

struct draw {
	const struct units *units;
	const struct sm_resampling *how;
	size_t resamples;
	double *mean; /* resamples of the first column, of the second, ... */
};

/* How often each unit is drawn, with the numbers that sm_rng_below gives: words below the floor
 * are not used. */
static void draw_weights(struct sm_rng *rng, size_t n, double *weight)
{
	enum { MANY = 512 };
	const uint32_t units = (uint32_t)n, lowest = -units % units;
	uint32_t word[MANY];
	memset(weight, 0, n * sizeof *weight);
	for (size_t left = n; left;) {
		size_t words = left < MANY ? left : MANY;
		sm_rng_fill(rng, word, words);
		for (size_t i = 0; i < words; i++) {
			uint64_t m = (uint64_t)word[i] * units;
			bool used = (uint32_t)m >= lowest;
			weight[m >> 32] += used;
			left -= used;
		}
	}
}

/* In four lanes, so that the compiler can use vectors. */
static double dot(const double *restrict a, const double *restrict b, size_t n)
{
	double sum[4] = {0};
	size_t i = 0;
	for (; i + 4 <= n; i += 4)
		for (size_t k = 0; k < 4; k++)
			sum[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static enum sm_status draw_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct draw *d = ctx;
	const struct units *u = d->units;
	double *weight = sm_alloc(NULL, u->n, sizeof *weight, "bootstrap", err);
	if (!weight)
		return SM_BUDGET;
	for (size_t b = slice * SLICE; b < (slice + 1) * SLICE && b < d->resamples; b++) {
		struct sm_rng rng;
		sm_rng_init(&rng, d->how->seed, "bootstrap", d->how->name, 0, b);
		draw_weights(&rng, u->n, weight);
		double count = u->single ? (double)u->n : dot(weight, u->count, u->n);
		for (size_t c = 0; c < u->columns; c++)
			d->mean[c * d->resamples + b] =
				dot(weight, u->sum + c * u->n, u->n) / count;
	}
	sm_free(weight);
	return SM_OK;
}

struct numbered {
	uint32_t cluster;
	size_t i;
};

static int by_cluster(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

/* The values in the order of their units' numbers, and how many units these are. */
static size_t order_units(const uint32_t *cluster, size_t n, struct numbered *order)
{
	size_t units = 0;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct numbered){cluster ? cluster[i] : (uint32_t)i, i};
	if (cluster)
		qsort(order, n, sizeof *order, by_cluster);
	for (size_t k = 0; k < n; k++)
		units += !k || order[k].cluster != order[k - 1].cluster;
	return units;
}

static enum sm_status gather(const double *const *v, const uint32_t *cluster, size_t n,
			     struct units *u, struct sm_err *err)
{
	struct numbered *order = sm_alloc(NULL, n, sizeof *order, "bootstrap", err);
	size_t cells;
	enum sm_status st = SM_BUDGET;
	if (!order)
		return SM_BUDGET;
	u->n = order_units(cluster, n, order);
	u->single = u->n == n;
	u->values = (double)n;
	if (!sm_mul(u->n, u->columns + 1, &cells))
		goto out;
	u->count = sm_calloc(NULL, cells, sizeof *u->count, "bootstrap", err);
	if (!u->count)
		goto out;
	st = SM_OK;
	u->sum = u->count + u->n;
	for (size_t k = 0, at = 0; k < n; k++) {
		at += k && order[k].cluster != order[k - 1].cluster;
		u->count[at]++;
		for (size_t c = 0; c < u->columns; c++)
			u->sum[c * u->n + at] += v[c][order[k].i];
	}
out:
	sm_free(order);
	return st;
}

/* True when every draw has the same mean, but for rounding. */
static bool all_one(const struct units *u, const double *sum)
{
	double low = INFINITY, high = -INFINITY, size = 0;
	for (size_t k = 0; k < u->n; k++) {
		double mean = sum[k] / u->count[k];
		low = mean < low ? mean : low;
		high = mean > high ? mean : high;
		size = fabs(mean) > size ? fabs(mean) : size;
	}
	return high - low <= 1e-14 * size;
}

/* Acceleration from the means without each unit. 0 where these are all one. */
static double acceleration(const struct units *u, const double *sum, double total, double *without)
{
	double cubes = 0, squares = 0;
	for (size_t k = 0; k < u->n; k++)
		without[k] = (total - sum[k]) / (u->values - u->count[k]);
	double middle = sm_sum_f64(without, u->n) / (double)u->n;
	for (size_t k = 0; k < u->n; k++) {
		double d = middle - without[k];
		squares += d * d;
		cubes += d * d * d;
	}
	return squares > 0 ? cubes / (6 * squares * sqrt(squares)) : 0;
}

/* Share of the drawn means below the mean itself, equal ones by half. Equal but for rounding is
 * equal: draws add in another order. */
static double share_below(const double *drawn, size_t n, double mean)
{
	double near = 1e-14 * (fabs(mean) + fabs(drawn[0]) + fabs(drawn[n - 1]));
	size_t below = 0, equal = 0;
	for (size_t i = 0; i < n; i++) {
		below += drawn[i] < mean - near;
		equal += fabs(drawn[i] - mean) <= near;
	}
	return ((double)below + (double)equal / 2) / (double)n;
}

static double adjusted(double z0, double a, double z)
{
	double w = z0 + z;
	return sm_normal_cdf(z0 + w / (1 - a * w));
}

struct finish {
	const struct draw *draw;
	struct sm_bounds *out;
};

/* The interval of a column from its drawn means. */
static enum sm_status finish_column(void *ctx, size_t column, struct sm_err *err)
{
	const struct finish *f = ctx;
	const struct units *u = f->draw->units;
	const double *sum = u->sum + column * u->n, total = sm_sum_f64(sum, u->n);
	double *drawn = f->draw->mean + column * f->draw->resamples;
	const size_t n = f->draw->resamples;
	struct sm_bounds *out = &f->out[column];
	if (all_one(u, sum)) {
		out->why = SM_INTERVAL_EQUAL;
		return SM_OK;
	}
	sm_sort_f64(drawn, n);
	double share = share_below(drawn, n, total / u->values);
	out->why = share > 0 && share < 1 ? SM_INTERVAL_DRAWN : SM_INTERVAL_OUTSIDE;
	if (out->why != SM_INTERVAL_DRAWN)
		return SM_OK;
	double *without = sm_alloc(NULL, u->n, sizeof *without, "bootstrap", err);
	if (!without)
		return SM_BUDGET;
	double z0 = sm_normal_quantile(share), a = acceleration(u, sum, total, without);
	double z = sm_normal_quantile((1 - f->draw->how->level) / 2);
	out->low = sm_quantile_sorted(drawn, n, adjusted(z0, a, z));
	out->high = sm_quantile_sorted(drawn, n, adjusted(z0, a, -z));
	out->resamples = n;
	sm_free(without);
	return SM_OK;
}

static void no_bounds(struct sm_bounds *out, size_t columns, size_t units, enum sm_interval why)
{
	for (size_t c = 0; c < columns; c++)
		out[c] = (struct sm_bounds){NAN, NAN, why, units, 0};
}

enum sm_status sm_bootstrap_bca_columns(const double *const *v, size_t columns,
					const uint32_t *cluster, size_t n,
					const struct sm_resampling *how, struct sm_bounds *out,
					struct sm_err *err)
{
	struct units u = {.columns = columns};
	struct draw d = {.units = &u, .how = how};
	struct finish f = {&d, out};
	size_t cells;
	enum sm_status st = SM_OK;
	no_bounds(out, columns, 0, SM_INTERVAL_TOO_FEW);
	if (!n)
		goto out;
	if (n > UINT32_MAX)
		return SM_FAIL(err, SM_INPUT, "bootstrap: %zu values, at most %u are allowed", n,
			       UINT32_MAX);
	SM_GOTO(st, gather(v, cluster, n, &u, err));
	no_bounds(out, columns, u.n, how->resamples ? SM_INTERVAL_TOO_FEW : SM_INTERVAL_NOT_ASKED);
	if (u.n < SM_INTERVAL_UNITS || !how->resamples)
		goto out;
	d.resamples = sm_resamples_for(how->resamples, u.n);
	if (!sm_mul(d.resamples, columns, &cells))
		st = SM_FAIL(err, SM_BUDGET, "bootstrap: too many resamples");
	d.mean = st == SM_OK ? sm_alloc(NULL, cells, sizeof *d.mean, "bootstrap", err) : NULL;
	if (!d.mean) {
		st = SM_BUDGET;
		goto out;
	}
	SM_GOTO(st, sm_par_for((d.resamples + SLICE - 1) / SLICE, how->jobs, draw_slice, &d, err));
	st = sm_par_for(columns, how->jobs, finish_column, &f, err);
out:
	sm_free(d.mean);
	sm_free(u.count);
	return st;
}

enum sm_status sm_bootstrap_bca(const double *v, const uint32_t *cluster, size_t n,
				const struct sm_resampling *how, double *low, double *high,
				enum sm_interval *why, struct sm_err *err)
{
	struct sm_bounds bounds;
	enum sm_status st = sm_bootstrap_bca_columns(&v, 1, cluster, n, how, &bounds, err);
	*low = bounds.low;
	*high = bounds.high;
	*why = bounds.why;
	return st;
}
