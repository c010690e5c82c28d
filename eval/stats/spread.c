/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

/* Sample's standard deviation about a mean; scratch has room for n. */
static double deviation(const double *v, size_t n, double mean, double *scratch)
{
	if (n < 2)
		return NAN;
	for (size_t i = 0; i < n; i++)
		scratch[i] = (v[i] - mean) * (v[i] - mean);
	return sqrt(sm_sum_f64(scratch, n) / (double)(n - 1));
}

static void describe(double *v, double *scratch, struct sm_spread *out)
{
	size_t n = out->n;
	out->mean = sm_sum_f64(v, n) / (double)n;
	out->sd = deviation(v, n, out->mean, scratch);
	sm_sort_f64(v, n);
	out->min = v[0];
	out->max = v[n - 1];
	/* Rounding must not carry a mean out of what it is the mean of. */
	out->mean = out->mean < out->min ? out->min : out->mean > out->max ? out->max : out->mean;
	out->q1 = sm_quantile_sorted(v, n, 0.25);
	out->median = sm_quantile_sorted(v, n, 0.5);
	out->q3 = sm_quantile_sorted(v, n, 0.75);
}

/* Columns whose finite values are of the same cases. */
struct alike {
	size_t columns, n;    /* n: their finite values */
	size_t *column;       /* their numbers */
	const double **value; /* of each: its finite values, in `room` */
	double *room;
	uint32_t *cluster; /* of the finite values */
	struct sm_bounds *bounds;
};

static bool same_cases(const double *a, const double *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(a[i]) != !isfinite(b[i]))
			return false;
	return true;
}

/* The finite values of the columns that are like `first` and not done yet. */
static void collect(const double *const *v, size_t columns, const uint32_t *cluster, size_t n,
		    size_t first, bool *done, struct alike *a)
{
	a->columns = a->n = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(v[first][i]))
			a->cluster[a->n++] = cluster ? cluster[i] : 0;
	for (size_t c = first; c < columns; c++) {
		if (done[c] || !same_cases(v[first], v[c], n))
			continue;
		double *to = a->room + a->columns * a->n;
		size_t kept = 0;
		for (size_t i = 0; i < n; i++)
			if (isfinite(v[c][i]))
				to[kept++] = v[c][i];
		done[c] = true;
		a->value[a->columns] = to;
		a->column[a->columns++] = c;
	}
}

/* All that is said of a column. Its finite values are sorted in place. */
static void finish(const double *v, size_t n, const struct sm_bounds *bounds, double *finite,
		   size_t kept, double *scratch, struct sm_spread *out)
{
	*out = (struct sm_spread){.mean = NAN,
				  .sd = NAN,
				  .median = NAN,
				  .q1 = NAN,
				  .q3 = NAN,
				  .min = NAN,
				  .max = NAN,
				  .low95 = bounds->low,
				  .high95 = bounds->high,
				  .n = kept,
				  .units = bounds->units,
				  .resamples = bounds->resamples,
				  .why_no_interval = (uint8_t)bounds->why};
	for (size_t i = 0; i < n; i++) {
		out->left_out += isnan(v[i]);
		out->infinite += isinf(v[i]) != 0;
	}
	if (kept)
		describe(finite, scratch, out);
}

enum sm_status sm_spreads_of(const double *const *v, size_t columns, const uint32_t *cluster,
			     size_t n, const struct sm_resampling *how, struct sm_spread *out,
			     struct sm_err *err)
{
	struct alike a = {0};
	size_t cells = 0;
	bool *done = sm_calloc(NULL, columns + 1, sizeof *done, "scores", err);
	double *scratch = sm_alloc(NULL, n + 1, sizeof *scratch, "scores", err);
	enum sm_status st = SM_BUDGET;
	a.column = sm_alloc(NULL, columns + 1, sizeof *a.column, "scores", err);
	a.value = sm_alloc(NULL, columns + 1, sizeof *a.value, "scores", err);
	a.bounds = sm_alloc(NULL, columns + 1, sizeof *a.bounds, "scores", err);
	a.cluster = sm_alloc(NULL, n + 1, sizeof *a.cluster, "scores", err);
	a.room = sm_mul(columns, n, &cells)
			 ? sm_alloc(NULL, cells + 1, sizeof *a.room, "scores", err)
			 : NULL;
	if (!done || !scratch || !a.column || !a.value || !a.bounds || !a.cluster || !a.room)
		goto out;
	st = SM_OK;
	for (size_t first = 0; first < columns; first++) {
		if (done[first])
			continue;
		collect(v, columns, cluster, n, first, done, &a);
		SM_GOTO(st, sm_bootstrap_bca_columns(a.value, a.columns, cluster ? a.cluster : NULL,
						     a.n, how, a.bounds, err));
		for (size_t k = 0; k < a.columns; k++)
			finish(v[a.column[k]], n, &a.bounds[k], a.room + k * a.n, a.n, scratch,
			       &out[a.column[k]]);
	}
out:
	sm_free(a.room);
	sm_free(a.cluster);
	sm_free(a.bounds);
	sm_free(a.value);
	sm_free(a.column);
	sm_free(scratch);
	sm_free(done);
	return st;
}

enum sm_status sm_spread_of(const double *v, const uint32_t *cluster, size_t n,
			    const struct sm_resampling *how, struct sm_spread *out,
			    struct sm_err *err)
{
	return sm_spreads_of(&v, 1, cluster, n, how, out, err);
}

enum sm_status sm_between_groups(const double *v, const uint32_t *group, size_t n, size_t groups,
				 struct sm_group *each, struct sm_between *out, struct sm_err *err)
{
	*out = (struct sm_between){NAN, NAN, NAN, NAN, NAN, 0};
	double *room =
		sm_alloc(NULL, 2 * (n > groups ? n : groups) + 1, sizeof *room, "groups", err);
	if (!room)
		return SM_BUDGET;
	double *scratch = room + (n > groups ? n : groups), squares = 0;
	size_t values = 0;
	for (size_t g = 0; g < groups; g++) {
		size_t m = 0;
		for (size_t i = 0; i < n; i++)
			if (group[i] == g && isfinite(v[i]))
				room[m++] = v[i];
		each[g] = (struct sm_group){m ? sm_sum_f64(room, m) / (double)m : NAN, m};
		double sd = deviation(room, m, each[g].mean, scratch);
		squares += m > 1 ? sd * sd * (double)(m - 1) : 0;
		values += m;
	}
	for (size_t g = 0; g < groups; g++)
		if (each[g].n)
			room[out->groups++] = each[g].mean;
	if (out->groups) {
		out->mean = sm_sum_f64(room, out->groups) / (double)out->groups;
		out->sd = deviation(room, out->groups, out->mean, scratch);
		sm_sort_f64(room, out->groups);
		out->min = room[0];
		out->max = room[out->groups - 1];
	}
	if (values > out->groups)
		out->within = sqrt(squares / (double)(values - out->groups));
	sm_free(room);
	return SM_OK;
}

struct member {
	uint32_t cluster;
	size_t i;
};

static int by_cluster(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	return (a->i > b->i) - (a->i < b->i);
}

static int by_first(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	return (a->i > b->i) - (a->i < b->i);
}

static enum sm_status means(const double *a, const double *b, const uint32_t *cluster, size_t n,
			    bool infinite, double *out_a, double *out_b, size_t *out_n,
			    struct sm_err *err)
{
	struct member *m = sm_alloc(NULL, n + 1, sizeof *m, "patients", err);
	double *mean = m ? sm_alloc(NULL, 2 * n + 1, sizeof *mean, "patients", err) : NULL;
	size_t kept = 0, heads = 0;
	*out_n = 0;
	if (!mean) {
		sm_free(m);
		return SM_BUDGET;
	}
	for (size_t i = 0; i < n; i++)
		if (infinite ? !isnan(a[i]) && !isnan(b[i]) : isfinite(a[i]) && isfinite(b[i]))
			m[kept++] = (struct member){cluster ? cluster[i] : (uint32_t)i, i};
	if (cluster)
		qsort(m, kept, sizeof *m, by_cluster);
	for (size_t k = 0, end; k < kept; k = end) {
		double sum[2] = {0};
		for (end = k; end < kept && m[end].cluster == m[k].cluster; end++) {
			sum[0] += a[m[end].i];
			sum[1] += b[m[end].i];
		}
		/* Kept by the number of the cluster's first pair, which is its smallest. */
		size_t first = m[k].i;
		mean[2 * first] = sum[0] / (double)(end - k);
		mean[2 * first + 1] = sum[1] / (double)(end - k);
		m[heads++] = (struct member){0, first};
	}
	qsort(m, heads, sizeof *m, by_first);
	for (size_t k = 0; k < heads; k++) {
		out_a[k] = mean[2 * m[k].i];
		out_b[k] = mean[2 * m[k].i + 1];
	}
	*out_n = heads;
	sm_free(mean);
	sm_free(m);
	return SM_OK;
}

enum sm_status sm_cluster_means(const double *a, const double *b, const uint32_t *cluster, size_t n,
				double *out_a, double *out_b, size_t *out_n, struct sm_err *err)
{
	return means(a, b, cluster, n, false, out_a, out_b, out_n, err);
}

enum sm_status sm_cluster_means_infinite(const double *a, const double *b, const uint32_t *cluster,
					 size_t n, double *out_a, double *out_b, size_t *out_n,
					 struct sm_err *err)
{
	return means(a, b, cluster, n, true, out_a, out_b, out_n, err);
}
