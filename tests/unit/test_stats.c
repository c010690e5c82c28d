/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics: closed forms, the coverage of bootstrap intervals in a simulation, and scipy's and
 * numpy's numbers, which scripts/golden_stats.py wrote to tests/golden/stats.txt from the same
 * samples and the same draws.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "core/rng.h"
#include "eval/stats/stats.h"

#define FILE_NAME "tests/golden/stats.txt"
enum { MOST = 256 };

/* As golden_stats.py's sample(). */
static void sample(double *v, long n, long which, long steps)
{
	for (long i = 0; i < n; i++) {
		long x = (i * (7919 + 613 * which) + i * i * (31 + 17 * which) + which * 104729) %
			 1009;
		v[i] = steps ? (double)(x * (steps + 1) / 1009) / (double)steps : (double)x / 1009;
	}
}

/* A line of the file: what, then numbers. */
struct line {
	char what[16];
	double v[20];
	size_t n;
};

static bool next_line(FILE *f, struct line *line)
{
	char text[1024];
	do
		if (!fgets(text, sizeof text, f))
			return false;
	while (text[0] == '#');
	char *at = strchr(text, ' ');
	assert_non_null(at);
	snprintf(line->what, sizeof line->what, "%.*s", (int)(at - text), text);
	for (line->n = 0; line->n < 20; line->n++) {
		char *end;
		line->v[line->n] = strtod(at, &end);
		if (end == at)
			break;
		at = end;
	}
	return true;
}

static void near(double found, double wanted, double tolerance, const struct line *line)
{
	if (isnan(wanted) ? !isnan(found)
			  : !(fabs(found - wanted) <= tolerance * (1 + fabs(wanted))))
		fail_msg("%s %g %g: %.17g, not %.17g", line->what, line->v[0], line->v[1], found,
			 wanted);
}

static void check_tests(const struct line *l)
{
	double a[MOST], b[MOST];
	struct sm_err err = {0};
	struct sm_paired p;
	const long n = (long)l->v[0], steps = (long)l->v[1];
	if (strcmp(l->what, "wilcoxon") == 0) {
		sample(a, n, 1, steps);
		sample(b, n, 5, steps);
		for (long i = 0; n == 3 && i < n; i++)
			b[i] = 0;
		assert_good(sm_wilcoxon(a, b, (size_t)n, &p, &err), err);
		near(p.statistic, l->v[2], 0, l);
		near(p.p, l->v[3], 1e-13, l);
		return;
	}
	sample(a, n, 2, strcmp(l->what, "signs") == 0 ? steps : 0);
	sample(b, n, 9, strcmp(l->what, "signs") == 0 ? steps : 0);
	bool drawn = strcmp(l->what, "drawn") == 0;
	for (long i = 0; drawn && i < n; i++)
		a[i] *= 0.8;
	struct sm_resampling how = {.seed = 7, .name = "wt/dice", .resamples = 2000, .jobs = 2};
	assert_good(sm_permutation(a, b, (size_t)n, &how, &p, &err), err);
	near(p.statistic, l->v[2], 1e-14, l);
	near(p.p, l->v[3], 1e-14, l);
	assert_int_equal(p.exact, !drawn);
}

static void check_intervals(const struct line *l)
{
	double v[MOST], low, high;
	uint32_t cluster[MOST];
	struct sm_err err = {0};
	enum sm_interval why;
	const long n = (long)l->v[0];
	const bool patients = strcmp(l->what, "clusters") == 0;
	struct sm_resampling how = {.seed = (uint64_t)l->v[patients ? 2 : 1],
				    .name = patients ? "et/hd95" : "wt/dice",
				    .resamples = (size_t)l->v[patients ? 3 : 2],
				    .level = 0.95,
				    .jobs = 1};
	sample(v, n, 3, 0);
	for (long i = 0; i < n; i++) {
		v[i] = patients ? v[i] : v[i] * v[i];
		cluster[i] = patients ? (uint32_t)((i * 7 + 3) % (long)l->v[1]) : 0;
	}
	for (how.jobs = 1; how.jobs < 4; how.jobs++) {
		assert_good(sm_bootstrap_bca(v, patients ? cluster : NULL, (size_t)n, &how, &low,
					     &high, &why, &err),
			    err);
		assert_int_equal(why, SM_INTERVAL_DRAWN);
		near(low, l->v[patients ? 4 : 3], 1e-12, l);
		near(high, l->v[patients ? 5 : 4], 1e-12, l);
	}
}

static void check_spread(const struct line *l)
{
	double a[MOST], b[MOST];
	struct sm_err err = {0};
	const long n = (long)l->v[0];
	sample(a, n, l->what[0] == 's' ? 6 : 1, 0);
	sample(b, n, 4, 0);
	if (l->what[0] == 's') {
		struct sm_resampling how = {.name = ""};
		struct sm_spread s;
		assert_good(sm_spread_of(a, NULL, (size_t)n, &how, &s, &err), err);
		const double found[] = {s.mean, s.sd, s.median, s.q1, s.q3, s.min, s.max};
		for (size_t k = 0; k < 7; k++)
			near(found[k], l->v[1 + k], 1e-14, l);
		assert_int_equal(s.why_no_interval, SM_INTERVAL_NOT_ASKED);
		return;
	}
	for (long i = 0; i < n; i++) {
		b[i] += a[i] * 100;
		a[i] *= 90;
	}
	struct sm_agreement g;
	assert_good(sm_bland_altman(a, b, NULL, (size_t)n, &g, &err), err);
	const double found[] = {g.bias,       g.sd,         g.low,       g.high,
				g.bias_ci[0], g.bias_ci[1], g.low_ci[0], g.low_ci[1],
				g.high_ci[0], g.high_ci[1], g.slope};
	for (size_t k = 0; k < 11; k++)
		near(found[k], l->v[1 + k], 1e-11, l);
}

static void check_line(const struct line *l)
{
	double v[MOST];
	if (strcmp(l->what, "quantile") == 0) {
		sample(v, (long)l->v[0], 1, 0);
		sm_sort_f64(v, (size_t)l->v[0]);
		near(sm_quantile_sorted(v, (size_t)l->v[0], l->v[1]), l->v[2], 0, l);
	} else if (strcmp(l->what, "normal") == 0) {
		near(sm_normal_cdf(l->v[0]) / l->v[1], 1, 1e-14, l);
		near(sm_normal_above(l->v[0]) / l->v[2], 1, 1e-14, l);
	} else if (strcmp(l->what, "student") == 0) {
		near(sm_student_quantile(l->v[1], (size_t)l->v[0]), l->v[2], 1e-11, l);
		near(sm_student_quantile(1 - l->v[1], (size_t)l->v[0]), -l->v[2], 1e-10, l);
	} else if (strcmp(l->what, "bca") == 0 || strcmp(l->what, "clusters") == 0) {
		check_intervals(l);
	} else if (strcmp(l->what, "spread") == 0 || strcmp(l->what, "agreement") == 0) {
		check_spread(l);
	} else {
		check_tests(l);
	}
}

static void golden(void **state)
{
	(void)state;
	FILE *f = fopen(FILE_NAME, "r");
	struct line line;
	size_t lines = 0;
	assert_non_null(f);
	for (; next_line(f, &line); lines++)
		check_line(&line);
	fclose(f);
	assert_int_equal(lines, 152);
}

static void sums(void **state)
{
	(void)state;
	enum { N = 13 * 4096 + 77 };
	float *f = malloc(N * sizeof *f);
	double *v = malloc(N * sizeof *v);
	assert_true(f && v);
	for (size_t i = 0; i < N; i++) {
		f[i] = (float)(i * 7919 % 1009) / 1009 + (i % 3 ? 1e4F : 0);
		v[i] = f[i];
	}
	/* The tree of core/par.h: the same bits, whatever the number of blocks. */
	for (size_t n = 0; n <= N; n += n % 4096 == 1 ? 4095 : 1 + n / 8 * 5)
		assert_true(sm_sum_f64(v, n) == sm_sum_f32(f, n, 2));
	assert_true(sm_sum_f64(v, N) == sm_sum_f32(f, N, 1));
	free(v);
	free(f);
}

static void spread_kinds(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_spread s;
	const double v[] = {1, NAN, 3, INFINITY, 2, -INFINITY, 4, NAN, 10};
	struct sm_resampling how = {.name = "x", .resamples = 500, .level = 0.95, .jobs = 1};
	assert_good(sm_spread_of(v, NULL, 9, &how, &s, &err), err);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.infinite, 2);
	assert_int_equal(s.left_out, 2);
	assert_true(s.mean == 4 && s.median == 3 && s.q1 == 2 && s.q3 == 4 && s.min == 1 &&
		    s.max == 10);
	assert_true(fabs(s.sd - sqrt(12.5)) < 1e-15);
	assert_int_equal(s.why_no_interval, SM_INTERVAL_DRAWN);
	assert_true(s.low95 < s.mean && s.high95 > s.mean && s.low95 >= 1 && s.high95 <= 10);
	assert_int_equal(s.resamples, 500);
	assert_good(sm_spread_of(v, NULL, 2, &how, &s, &err), err);
	assert_true(s.n == 1 && s.mean == 1 && isnan(s.sd) && isnan(s.low95));
	assert_int_equal(s.why_no_interval, SM_INTERVAL_TOO_FEW);
	assert_good(sm_spread_of(v, NULL, 0, &how, &s, &err), err);
	assert_true(s.n == 0 && isnan(s.mean) && isnan(s.median) && isnan(s.min));
	/* 0.1 ten times: the mean of equal values is that value, and there is no interval. */
	const double same[] = {.1, .1, .1, .1, .1, .1, .1, .1, .1, .1};
	assert_good(sm_spread_of(same, NULL, 10, &how, &s, &err), err);
	assert_true(s.mean == 0.1 && isnan(s.low95) && s.sd < 1e-16);
	assert_int_equal(s.why_no_interval, SM_INTERVAL_EQUAL);
}

static void clusters_are_patients(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_spread s, t;
	struct sm_resampling how = {.name = "x", .resamples = 2000, .level = 0.95, .jobs = 2};
	double v[64];
	uint32_t patient[64], single[64];
	/* Eight patients of eight equal cases: as wide an interval as eight values have, whatever
	 * the numbers of the patients. */
	for (size_t i = 0; i < 64; i++) {
		patient[i] = (uint32_t)(i % 8 * 1000003);
		single[i] = (uint32_t)i;
		v[i] = (double)(i % 8);
	}
	assert_good(sm_spread_of(v, patient, 64, &how, &s, &err), err);
	assert_int_equal(s.units, 8);
	assert_int_equal(s.n, 64);
	assert_good(sm_spread_of(v, NULL, 8, &how, &t, &err), err);
	assert_true(s.mean == t.mean && fabs(s.low95 - t.low95) < 1e-12 &&
		    fabs(s.high95 - t.high95) < 1e-12);
	assert_good(sm_spread_of(v, single, 64, &how, &s, &err), err);
	assert_good(sm_spread_of(v, NULL, 64, &how, &t, &err), err);
	assert_true(s.low95 == t.low95 && s.high95 == t.high95 && s.units == 64);
	for (size_t i = 0; i < 64; i++)
		patient[i] = i % 2;
	assert_good(sm_spread_of(v, patient, 64, &how, &s, &err), err);
	assert_int_equal(s.why_no_interval, SM_INTERVAL_TOO_FEW);
}

static void columns_are_what_they_would_be_alone(void **state)
{
	(void)state;
	enum { N = 50, COLUMNS = 9 };
	struct sm_err err = {0};
	double values[COLUMNS][N];
	const double *v[COLUMNS];
	uint32_t patient[N];
	struct sm_spread all[COLUMNS], alone;
	struct sm_resampling how = {
		.seed = 5, .name = "x", .resamples = 300, .level = 0.95, .jobs = 2};
	for (size_t c = 0; c < COLUMNS; c++) {
		sample(values[c], N, (long)c, 0);
		v[c] = values[c];
	}
	/* Two gaps, one of them twice; a column without values, one of two, one of equal ones. */
	for (size_t c = 2; c < 5; c++)
		values[c][c == 3 ? 7 : 11] = c == 4 ? INFINITY : NAN;
	for (size_t i = 0; i < N; i++) {
		values[5][i] = NAN;
		values[6][i] = i < 2 ? 1.5 * (double)i : NAN;
		values[7][i] = 0.3;
		patient[i] = (uint32_t)(i * 7 % 19);
	}
	for (int patients = 0; patients < 2; patients++) {
		const uint32_t *cluster = patients ? patient : NULL;
		assert_good(sm_spreads_of(v, COLUMNS, cluster, N, &how, all, &err), err);
		for (size_t c = 0; c < COLUMNS; c++) {
			assert_good(sm_spread_of(v[c], cluster, N, &how, &alone, &err), err);
			/* The rest of the last word is not compared. */
			assert_memory_equal(&all[c], &alone,
					    offsetof(struct sm_spread, why_no_interval));
			assert_int_equal(all[c].why_no_interval, alone.why_no_interval);
		}
		assert_true(all[0].units == (patients ? 19 : N) && all[0].resamples == 300);
		assert_true(all[4].infinite == 1 && all[4].n == N - 1 &&
			    all[4].low95 < all[4].mean);
		assert_int_equal(all[5].why_no_interval, SM_INTERVAL_TOO_FEW);
		assert_int_equal(all[6].why_no_interval, SM_INTERVAL_TOO_FEW);
		assert_int_equal(all[7].why_no_interval, SM_INTERVAL_EQUAL);
	}
	assert_good(sm_spreads_of(NULL, 0, NULL, 0, &how, NULL, &err), err);
}

/* Of many samples of a skewed distribution, about 95 in 100 intervals hold its mean: 93 to 97 with
 * 40 values (a percentile interval of so few falls short of that). */
static void coverage(void **state)
{
	(void)state;
	enum { TRIALS = 1000, N = 40 };
	struct sm_err err = {0};
	size_t held = 0, below = 0;
	for (size_t t = 0; t < TRIALS; t++) {
		struct sm_rng rng;
		struct sm_resampling how = {
			.seed = t, .name = "coverage", .resamples = 600, .level = 0.95, .jobs = 2};
		double v[N], low, high;
		enum sm_interval why;
		sm_rng_init(&rng, 20261122, "sample", "", 0, t);
		for (size_t i = 0; i < N; i++) {
			double z = sm_rng_normal(&rng);
			v[i] = 1 - z * z / 12; /* like a Dice with a tail; mean 11/12 */
		}
		assert_good(sm_bootstrap_bca(v, NULL, N, &how, &low, &high, &why, &err), err);
		held += low <= 11.0 / 12 && high >= 11.0 / 12;
		below += high < 11.0 / 12;
	}
	if (held < 915 || held > 970)
		fail_msg("%zu of %d intervals hold the mean (%zu below)", held, TRIALS, below);
}

static void resamples(void **state)
{
	(void)state;
	assert_int_equal(sm_resamples_for(10000, 2000), 10000);
	assert_int_equal(sm_resamples_for(10000, 4000), 5000);
	assert_int_equal(sm_resamples_for(10000, 1000000), 1000);
	assert_int_equal(sm_resamples_for(500, 1000000), 500);
	assert_int_equal(sm_resamples_for(10000, 0), 10000);
}

static void paired_closed_forms(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paired p;
	struct sm_resampling how = {.name = "x", .resamples = 999, .jobs = 1};
	double a[40], b[40];
	for (size_t i = 0; i < 40; i++) {
		a[i] = (double)(i + 1);
		b[i] = 0;
	}
	/* All differences on one side: 2 / 2^n. */
	assert_good(sm_wilcoxon(a, b, 6, &p, &err), err);
	assert_true(p.exact && p.p == 2 / 64.0 && p.statistic == 0 && p.ties == 0);
	assert_good(sm_wilcoxon(b, a, 40, &p, &err), err);
	assert_true(p.exact && p.p == ldexp(1, -39));
	assert_good(sm_permutation(a, b, 8, &how, &p, &err), err);
	assert_true(p.exact && p.p == 2 / 256.0 && p.draws == 256 && p.statistic == 4.5);
	assert_good(sm_permutation(a, b, 40, &how, &p, &err), err);
	assert_true(!p.exact && p.p == 1 / 1000.0);
	/* No difference at all; no pairs at all. */
	assert_good(sm_wilcoxon(a, a, 40, &p, &err), err);
	assert_true(p.p == 1 && p.zero == 40 && p.statistic == 0);
	assert_good(sm_permutation(a, a, 40, &how, &p, &err), err);
	assert_true(p.p == 1 && p.exact);
	b[0] = NAN;
	a[1] = INFINITY;
	assert_good(sm_wilcoxon(a, b, 2, &p, &err), err);
	assert_true(p.n == 1 && p.infinite == 1 && p.p == 1); /* the infinite pair has a rank */
	assert_good(sm_permutation(a, b, 2, &how, &p, &err), err);
	assert_true(isnan(p.p) && p.n == 0);
	assert_good(sm_wilcoxon(a, b, 1, &p, &err), err);
	assert_true(isnan(p.p) && p.n == 0);
	assert_good(sm_permutation(a, b, 5, &how, &p, &err), err);
	assert_true(p.n == 3 && p.infinite == 0);
}

static void permutation_by_jobs(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paired p, q;
	double a[30], b[30];
	sample(a, 30, 2, 0);
	sample(b, 30, 9, 0);
	struct sm_resampling how = {.name = "x", .resamples = 10000, .jobs = 1};
	assert_good(sm_permutation(a, b, 30, &how, &p, &err), err);
	how.jobs = 3;
	assert_good(sm_permutation(a, b, 30, &how, &q, &err), err);
	assert_true(p.p == q.p && p.p > 0 && p.p <= 1);
	/* The order of the two samples does not matter. */
	assert_good(sm_permutation(b, a, 30, &how, &q, &err), err);
	assert_true(p.p == q.p && p.statistic == -q.statistic);
}

static void holm(void **state)
{
	(void)state;
	struct sm_err err = {0};
	double p[] = {0.01, NAN, 0.04, 0.03, 0.005};
	const double wanted[] = {0.03, NAN, 0.06, 0.06, 0.02}; /* R: p.adjust(., "holm") */
	assert_good(sm_holm(p, 5, &err), err);
	for (size_t i = 0; i < 5; i++)
		assert_true(isnan(wanted[i]) ? isnan(p[i]) : fabs(p[i] - wanted[i]) < 1e-15);
	double large[] = {0.9, 0.6, 0.7};
	assert_good(sm_holm(large, 3, &err), err);
	assert_true(large[0] == 1 && large[1] == 1 && large[2] == 1);
	assert_good(sm_holm(NULL, 0, &err), err);
}

static void agreement_kinds(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_agreement g;
	const double a[] = {3, NAN, 5, 7}, b[] = {1, 2, INFINITY, 5};
	assert_good(sm_bland_altman(a, b, NULL, 1, &g, &err), err);
	assert_true(g.n == 1 && g.bias == 2 && isnan(g.sd) && isnan(g.low));
	assert_good(sm_bland_altman(a, b, NULL, 4, &g, &err), err);
	assert_true(g.n == 2 && g.bias == 2 && g.sd == 0 && g.low == 2 && g.high == 2 &&
		    g.slope == 0);
	assert_good(sm_bland_altman(a, b, NULL, 0, &g, &err), err);
	assert_true(g.n == 0 && isnan(g.bias));
}

static void groups(void **state)
{
	(void)state;
	struct sm_err err = {0};
	const double v[] = {1, 2, 3, 10, NAN, 20, INFINITY};
	const uint32_t fold[] = {0, 0, 0, 1, 1, 3, 3};
	struct sm_group each[5];
	struct sm_between b;
	assert_good(sm_between_groups(v, fold, 7, 5, each, &b, &err), err);
	assert_true(b.groups == 3 && each[0].mean == 2 && each[1].n == 1 && each[2].n == 0 &&
		    isnan(each[2].mean) && each[3].mean == 20);
	assert_true(fabs(b.mean - 32.0 / 3) < 1e-14 && b.min == 2 && b.max == 20);
	assert_true(fabs(b.sd - sqrt((676.0 + 4 + 784) / 9 / 2)) < 1e-13);
	assert_true(b.within == 1);
	assert_good(sm_between_groups(v, fold, 0, 0, each, &b, &err), err);
	assert_true(b.groups == 0 && isnan(b.mean) && isnan(b.within));
}

static void means_of_patients(void **state)
{
	(void)state;
	struct sm_err err = {0};
	const double a[] = {1, 2, 3, 4, NAN, 6}, b[] = {10, 20, 30, 40, 50, INFINITY};
	const uint32_t patient[] = {9, 4, 9, 4, 2, 2};
	double x[6], y[6];
	size_t n;
	assert_good(sm_cluster_means(a, b, patient, 6, x, y, &n, &err), err);
	assert_int_equal(n, 2);
	assert_true(x[0] == 2 && y[0] == 20 && x[1] == 3 && y[1] == 30);
	assert_good(sm_cluster_means(a, b, NULL, 6, x, y, &n, &err), err);
	assert_int_equal(n, 4);
	assert_true(x[3] == 4 && y[3] == 40);
	/* With infinite values, which make the mean infinite; NaN leaves its pair out. */
	assert_good(sm_cluster_means_infinite(a, b, patient, 6, x, y, &n, &err), err);
	assert_int_equal(n, 3);
	assert_true(x[0] == 2 && y[0] == 20 && x[2] == 6 && y[2] == INFINITY);
	const uint32_t two[] = {1, 1, 1, 1, 1, 1};
	assert_good(sm_cluster_means_infinite(a, b, two, 6, x, y, &n, &err), err);
	assert_true(n == 1 && fabs(x[0] - 16 / 5.0) < 1e-15 && y[0] == INFINITY);
	assert_good(sm_cluster_means_infinite(a, b, NULL, 6, x, y, &n, &err), err);
	assert_int_equal(n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(sums),
		cmocka_unit_test(spread_kinds),
		cmocka_unit_test(clusters_are_patients),
		cmocka_unit_test(columns_are_what_they_would_be_alone),
		cmocka_unit_test(coverage),
		cmocka_unit_test(resamples),
		cmocka_unit_test(paired_closed_forms),
		cmocka_unit_test(permutation_by_jobs),
		cmocka_unit_test(holm),
		cmocka_unit_test(agreement_kinds),
		cmocka_unit_test(groups),
		cmocka_unit_test(means_of_patients),
	};
	return run_tap(tests);
}
