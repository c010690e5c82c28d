/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics over the scores of cases. Pure functions: doubles in, numbers out, no files, no state;
 * all may be called by several threads. Random draws come from named streams (core/rng.h), sums run
 * over a fixed tree, logarithms and exponentials are those of core/elementary.h: the same bits on
 * every machine and for any number of threads.
 */
#ifndef SM_EVAL_STATS_H
#define SM_EVAL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Sum of v[0..n): in order inside blocks of 4096, then a binary tree over blocks. */
double sm_sum_f64(const double *v, size_t n);

/* Quantile q (0..1) of v[0..n), sorted upwards without NaN: between order statistics by straight
 * lines, numpy's default (type 7 of Hyndman and Fan 1996). NaN for n 0. */
double sm_quantile_sorted(const double *v, size_t n, double q);
/* Sorts upwards, NaN last. */
void sm_sort_f64(double *v, size_t n);

/* Standard normal distribution: P(Z <= z), P(Z > z), exact to a few units in the 15th digit also
 * far out; the inverse is sm_normal_quantile (core/rng.h). */
double sm_normal_cdf(double z);
double sm_normal_above(double z);
/* P(T <= t) of Student's t with whole degrees of freedom (>= 1), and its inverse for 0 < p < 1. */
double sm_student_cdf(double t, size_t degrees);
double sm_student_quantile(double p, size_t degrees);

/* How intervals are drawn. The stream is named "bootstrap", `name` and the number of the resample;
 * the draws depend on it and on the number of units alone, so that no interval depends on which
 * others are asked for. */
struct sm_resampling {
	uint64_t seed;
	const char *name; /* "wt/dice": what is resampled */
	size_t resamples; /* at most; 0 = no interval. See sm_resamples_for */
	double level;     /* 0.95 */
	int jobs;
};
enum { SM_RESAMPLES = 10000 };

/* Resamples that are drawn of so many units: all that are asked for up to 2000 units, then as many
 * as keep resamples x units at 2e7, at least 1000 (or what is asked for, if that is less). */
size_t sm_resamples_for(size_t asked, size_t units);

enum sm_interval {
	SM_INTERVAL_DRAWN,
	SM_INTERVAL_NOT_ASKED,
	SM_INTERVAL_TOO_FEW, /* below SM_INTERVAL_UNITS cases, or patients */
	SM_INTERVAL_EQUAL,   /* all means that can be drawn are one */
	SM_INTERVAL_OUTSIDE, /* the mean lies outside of all that was drawn: BCa is not defined */
	SM_INTERVALS,
};
enum { SM_INTERVAL_UNITS = 3 };
extern const char *const sm_interval_words[SM_INTERVALS]; /* "fewer than 3 cases" */

/* Bootstrap interval of the mean, bias-corrected and accelerated (Efron 1987; acceleration by the
 * jackknife, percentiles as scipy.stats.bootstrap, method "BCa"). v has no NaN and no infinity;
 * cluster[i] (NULL: each value on its own) names the patient of value i by any number: whole
 * patients are drawn, and the mean is that of all their values. *low and *high are NaN unless the
 * return is SM_OK and *why SM_INTERVAL_DRAWN. SM_BUDGET. */
enum sm_status sm_bootstrap_bca(const double *v, const uint32_t *cluster, size_t n,
				const struct sm_resampling *how, double *low, double *high,
				enum sm_interval *why, struct sm_err *err);

/* The same of several columns, which share the draws: v[c][i] is value i of column c, and all have
 * the same n and clusters. Each column's interval is what it would be alone. */
struct sm_bounds {
	double low, high; /* NaN unless why is SM_INTERVAL_DRAWN */
	enum sm_interval why;
	size_t units, resamples; /* patients (or cases), and draws of the interval */
};
enum sm_status sm_bootstrap_bca_columns(const double *const *v, size_t columns,
					const uint32_t *cluster, size_t n,
					const struct sm_resampling *how, struct sm_bounds *out,
					struct sm_err *err);

/* Over the finite values. sd is the sample's (n - 1), NaN below 2 values; all are NaN without
 * values; low95 and high95 are NaN without an interval. */
struct sm_spread {
	double mean, sd, median, q1, q3, min, max, low95, high95;
	size_t n, infinite, left_out; /* values that count; infinite ones; NaN */
	size_t units, resamples;      /* patients (or cases) and draws of the interval */
	uint8_t why_no_interval;      /* enum sm_interval */
};

/* Of v[0..n) in any order; cluster as above (NULL: none). SM_BUDGET. */
enum sm_status sm_spread_of(const double *v, const uint32_t *cluster, size_t n,
			    const struct sm_resampling *how, struct sm_spread *out,
			    struct sm_err *err);

/* Of several columns of the same n cases (v[c][i]); those with finite values of the same cases
 * share their draws. Each spread is what it would be alone. */
enum sm_status sm_spreads_of(const double *const *v, size_t columns, const uint32_t *cluster,
			     size_t n, const struct sm_resampling *how, struct sm_spread *out,
			     struct sm_err *err);

/* What rounding can make of equal differences a - b: 1e-10 of the largest finite |a| or |b|. Scores
 * are quotients and multiples of whole numbers (1 voxel = 0.343 mm3), so that differences which are
 * one are apart, and those which are none are not 0, by the rounding of the values; of that size
 * must the measure be, not of the differences'. A test without it ranks noise, and its p changes
 * with the voxel size. */
double sm_paired_slack(const double *a, const double *b, size_t n);

/* A test of two paired samples, two-sided. Pairs with NaN are left out. Differences within the
 * slack (above) of 0 are none. */
struct sm_paired {
	size_t n;         /* pairs that count */
	size_t infinite;  /* of these, with an infinite value (Wilcoxon; else they do not count) */
	size_t zero;      /* of these, without difference */
	size_t ties;      /* of the others, pairs whose |difference| another pair has too */
	double statistic; /* Wilcoxon: the smaller rank sum; permutation: mean of a - b */
	double p;         /* NaN without pairs */
	bool exact;       /* over all 2^n signs; else by the normal distribution, or drawn */
	size_t draws;     /* signs that were tried by the permutation test */
};

/* Signed-rank test as scipy.stats.wilcoxon(a, b) 1.15 with its defaults: differences of 0 are left
 * out; exact up to 50 pairs without zeros and ties, exact up to 13 pairs with them, else the normal
 * distribution with tie correction and without continuity correction. All differences 0: p 1.
 * Ties: upwards by size, a run of ties is the smallest |difference| that has no rank yet and all
 * within the slack of it, which is its first and not its neighbour: no chain of small steps makes
 * far differences one. An infinite value is farther than every finite one: such differences are
 * ties above all others, equal infinities no difference. SM_BUDGET. */
enum sm_status sm_wilcoxon(const double *a, const double *b, size_t n, struct sm_paired *out,
			   struct sm_err *err);

/* Test of the mean difference under changes of sign: all 2^n of them up to SM_SIGNS_EXACT pairs
 * that differ, else `resamples` draws of the stream ("permutation", name), p = (1 + as far or
 * farther) / (1 + draws). Means within the slack are as far. Pairs with an infinite value are left
 * out: there is no mean of them. */
enum { SM_SIGNS_EXACT = 16 };
enum sm_status sm_permutation(const double *a, const double *b, size_t n,
			      const struct sm_resampling *how, struct sm_paired *out,
			      struct sm_err *err);

/* Holm's adjustment (1979) of n p values, in place: step down, never decreasing, at most 1. NaN is
 * no test and stays. SM_BUDGET. */
enum sm_status sm_holm(double *p, size_t n, struct sm_err *err);

/* Agreement of two measurements of the same cases (Bland and Altman 1986, 1999): differences a - b.
 * Limits at bias +- 1.96 sd; intervals of 95 % by Student's t, those of the limits with variance
 * sd^2 (1/n + 1.96^2 / (2 (n - 1))). slope: of difference on mean, NaN when all means are one.
 *
 * cluster[i] (NULL: each case on its own) names the patient. Where one has several cases, whose
 * true values differ, by Bland and Altman 1999, 2007 (section 3): sd^2 = between + within, the
 * components of a one-way analysis of variance of the differences (below 0: 0). bias is the mean
 * over cases; its standard error is that of the components, and t has patients - 1 degrees of
 * freedom. */
struct sm_agreement {
	double bias, sd, low, high;
	double bias_ci[2], low_ci[2], high_ci[2];
	double slope;
	double within;      /* sd inside patients; NaN where none has two cases */
	size_t n, patients; /* pairs with both finite, and whose they are. bias needs a pair, slope
			       two, the others two patients */
};
enum sm_status sm_bland_altman(const double *a, const double *b, const uint32_t *cluster, size_t n,
			       struct sm_agreement *out, struct sm_err *err);

/* Spread over groups: folds, or trainings of other seeds. group[i] < groups. A group without finite
 * value has n 0 and takes no part. */
struct sm_group {
	double mean;
	size_t n;
};
struct sm_between {
	double mean, sd, min, max; /* of the groups' means; each group counts once; sd n - 1 */
	double within;             /* pooled sd inside groups */
	size_t groups;             /* that have values */
};
enum sm_status sm_between_groups(const double *v, const uint32_t *group, size_t n, size_t groups,
				 struct sm_group *each, struct sm_between *out, struct sm_err *err);

/* Means of a and of b by cluster, over the pairs with both finite: what tests of paired samples
 * take where a patient has several cases. Writes at most n means to each; *out_n of them, in the
 * order of each cluster's first pair. cluster NULL: the finite pairs themselves. SM_BUDGET. */
enum sm_status sm_cluster_means(const double *a, const double *b, const uint32_t *cluster, size_t n,
				double *out_a, double *out_b, size_t *out_n, struct sm_err *err);
/* The same over the pairs without NaN: what Wilcoxon's test takes. A mean with an infinite value is
 * infinite. */
enum sm_status sm_cluster_means_infinite(const double *a, const double *b, const uint32_t *cluster,
					 size_t n, double *out_a, double *out_b, size_t *out_n,
					 struct sm_err *err);

#endif
