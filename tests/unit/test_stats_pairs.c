/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics of pairs: what is a tie, infinite values in ranks, and agreement where patients have
 * several cases. Numbers of scipy's are those of whole numbers: it ranks what it is given.
 */
#include "tests/unit/tap.h"

#include <math.h>

#include "eval/stats/stats.h"

/* Volumes of so many voxels, of so many mL each: in binary, most differences of n voxels are not
 * n times that of one. */
enum { PAIRS = 12 };
static const int voxels_apart[PAIRS] = {1, 1, -1, 2, 2, -2, 3, 3, -3, 4, 4, 5};

static void volumes_of(double ml, double *a, double *b, size_t zeros)
{
	for (size_t i = 0; i < PAIRS + zeros; i++) {
		const int n = 107 + (int)(i * 37 % 300), apart = i < PAIRS ? voxels_apart[i] : 0;
		/* Zeros: one product against one sum, as the same volume comes out of two ways. */
		a[i] = (double)(n + apart) * ml;
		b[i] = i < PAIRS ? (double)n * ml : (double)(n - 7) * ml + 7 * ml;
	}
}

static void rounding_makes_no_ranks(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paired p;
	struct sm_resampling how = {.name = "x", .resamples = 999, .jobs = 1};
	/* 1 mm, 0.7 mm, 0.1 mL; tiny and huge; BraTS's own 1e-3 times a factor that is no power. */
	static const double sizes[] = {1e-3, 0.343e-3, 0.1, 1e-300, 1e300, 0.9 * 0.9 * 3 / 1000, 7};
	bool apart = false, none = false;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		double a[PAIRS + 2], b[PAIRS + 2];
		volumes_of(sizes[k], a, b, 2);
		apart |= fabs(a[0] - b[0]) != fabs(a[1] - b[1]);
		none |= a[PAIRS] != b[PAIRS] || a[PAIRS + 1] != b[PAIRS + 1];
		/* scipy.stats.wilcoxon and permutation_test of the whole numbers. */
		assert_good(sm_wilcoxon(a, b, PAIRS, &p, &err), err);
		assert_true(p.exact && p.statistic == 15 && p.p == 0.064453125);
		assert_true(p.ties == 11 && p.zero == 0);
		assert_good(sm_wilcoxon(b, a, PAIRS, &p, &err), err);
		assert_true(p.statistic == 15 && p.p == 0.064453125);
		assert_good(sm_wilcoxon(a, b, PAIRS + 2, &p, &err), err);
		assert_true(!p.exact && p.zero == 2 && fabs(p.p - 0.058464382710925585) < 1e-14);
		assert_good(sm_permutation(a, b, PAIRS, &how, &p, &err), err);
		assert_true(p.exact && p.p == 0.06884765625);
		assert_good(sm_permutation(a, b, PAIRS + 2, &how, &p, &err), err);
		assert_true(p.zero == 2 && p.draws == 1 << PAIRS && p.p == 0.06884765625);
	}
	assert_true(apart && none); /* else the sizes show nothing */
}

/* A run of ties reaches as far as the slack from its first, not from one to the next. */
static void ties_are_no_chains(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paired p;
	double a[9], b[9];
	/* Values up to 1: slack 1e-10. Steps of 0.6e-10: two and two are ties, not all eight. */
	for (size_t i = 0; i < 8; i++) {
		a[i] = 0.25 + 0.6e-10 * (double)i;
		b[i] = 0;
	}
	a[8] = b[8] = 1;
	b[8] = 0.5;
	assert_true(sm_paired_slack(a, b, 9) == 1e-10 && sm_paired_slack(b, a, 9) == 1e-10);
	b[8] = 1;
	for (size_t i = 0; i < 8; i += 2) {
		/* Pairs i and i + 1 share rank i + 1.5: turned round, each takes it. */
		for (size_t k = 0; k < 2; k++) {
			double x = a[i + k];
			a[i + k] = -x;
			assert_good(sm_wilcoxon(a, b, 9, &p, &err), err);
			assert_true(p.statistic == (double)i + 1.5 && p.ties == 8 && p.zero == 1);
			a[i + k] = x;
		}
	}
	/* Below the slack of 0 is 0, at any size of the difference above it is not. */
	a[0] = 0.9e-10;
	a[1] = 1.2e-10;
	assert_good(sm_wilcoxon(a, b, 9, &p, &err), err);
	assert_int_equal(p.zero, 2);
	assert_int_equal(sm_paired_slack(a, b, 0), 0);
	b[0] = -INFINITY;
	a[1] = NAN;
	assert_true(sm_paired_slack(a, b, 9) == 1e-10);
}

static void infinite_is_farther_than_all(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_paired p, q;
	struct sm_resampling how = {.name = "x", .resamples = 999, .jobs = 1};
	/* scipy of 1, -2, 3, 4, 100, 100, -100: ranks of the far ones are 6 each. */
	const double a[] = {2, 1, 4, 9, INFINITY, INFINITY, 7, INFINITY, NAN, 3};
	const double b[] = {1, 3, 1, 5, 2, 50, INFINITY, INFINITY, INFINITY, NAN};
	assert_good(sm_wilcoxon(a, b, 7, &p, &err), err);
	assert_true(p.n == 7 && p.infinite == 3 && p.zero == 0 && p.ties == 3 && p.exact);
	assert_true(p.statistic == 8 && p.p == 0.359375);
	assert_good(sm_wilcoxon(b, a, 7, &q, &err), err);
	assert_true(q.statistic == 8 && q.p == p.p);
	/* Infinite against infinite is no difference; NaN is no pair. */
	assert_good(sm_wilcoxon(a, b, 10, &p, &err), err);
	assert_true(p.n == 8 && p.infinite == 4 && p.zero == 1 && p.ties == 3);
	assert_good(sm_permutation(a, b, 10, &how, &p, &err), err);
	assert_true(p.n == 4 && p.infinite == 0 && p.statistic == 1.5);
	/* A model that misses what the other finds is the worse one, whatever the rest. */
	const double found[] = {1, 1, 1, 1, 1, 1, 1, 1};
	const double missed[] = {1, 1, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
	assert_good(sm_wilcoxon(missed, found, 8, &p, &err), err);
	assert_true(p.p == 2 / 64.0 && p.zero == 2 && p.infinite == 6);
}

/* numpy's numbers (mean squares as of scipy.stats.f_oneway): bias, sd, limits, their intervals, sd inside patients. */
static void agreement_of_repeated_scans(void **state)
{
	(void)state;
	enum { N = 12, EVEN = 8, NUMBERS = 11 };
	struct sm_err err = {0};
	static const double d[N] = {3, 5, 4, 10, 12, 7, -2, 0, 1, -1, 8, 6};
	static const uint32_t of[N] = {0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 4};
	/* Patients alike, scans not: the component between them is below 0, so 0. */
	static const double even[EVEN] = {1, 9, 2, 8, 3, 7, 0, 10};
	static const uint32_t pairs[EVEN] = {0, 0, 1, 1, 2, 2, 3, 3};
	static const double wanted[2][NUMBERS] = {
		{4.416666666666667, 4.8094873771711715, -5.009755376688836, 13.843088710022169,
		 -1.9276450329655326, 10.760978366298867, -15.941902872157232, 5.922392118779562,
		 2.9109412145537714, 24.775236205490565, 1.2535663410560174},
		{5.0, 5.196152422706632, -5.184271606685545, 15.184271606685545,
		 -0.8465271863129988, 10.846527186312999, -13.370171153070798, 3.0016279396997074,
		 6.998372060300293, 23.3701711530708, 5.196152422706632}};
	for (int k = 0; k < 2; k++) {
		const size_t n = k ? EVEN : N;
		double a[N + 2], b[N + 2];
		uint32_t patient[N + 2];
		/* In another order of cases, with other numbers of patients, and gaps. */
		for (size_t i = 0; i < n; i++) {
			const size_t from = i * 5 % n;
			b[i] = (double)(i * i % 17);
			a[i] = b[i] + (k ? even : d)[from];
			patient[i] = 1000003 * (9 - (k ? pairs : of)[from]);
		}
		a[n] = NAN;
		b[n] = 1;
		a[n + 1] = 1;
		b[n + 1] = INFINITY;
		patient[n] = patient[n + 1] = 77;
		struct sm_agreement g;
		assert_good(sm_bland_altman(a, b, patient, n + 2, &g, &err), err);
		const double found[NUMBERS] = {g.bias,       g.sd,         g.low,
					       g.high,       g.bias_ci[0], g.bias_ci[1],
					       g.low_ci[0],  g.low_ci[1],  g.high_ci[0],
					       g.high_ci[1], g.within};
		assert_true(g.n == n && g.patients == (k ? 4 : 5));
		for (size_t i = 0; i < NUMBERS; i++)
			if (!(fabs(found[i] - wanted[k][i]) < 1e-11))
				fail_msg("%d, %zu: %.17g, not %.17g", k, i, found[i], wanted[k][i]);
	}
}

/* A patient twice, with the same scan: no more is known than of him once, but for the sd of few. */
static void agreement_counts_patients(void **state)
{
	(void)state;
	enum { N = 20 };
	struct sm_err err = {0};
	struct sm_agreement once, twice, naive, alone;
	double a[2 * N], b[2 * N];
	uint32_t patient[2 * N], single[2 * N];
	for (size_t i = 0; i < 2 * N; i++) {
		a[i] = (double)(i % N * 7919 % 1009) / 1009;
		b[i] = (double)(i % N * 613 % 997) / 997;
		patient[i] = (uint32_t)(i % N);
		single[i] = (uint32_t)(2 * N - i);
	}
	assert_good(sm_bland_altman(a, b, NULL, N, &once, &err), err);
	assert_good(sm_bland_altman(a, b, patient, 2 * N, &twice, &err), err);
	assert_true(twice.n == 2 * N && twice.patients == N && twice.within == 0);
	const double *x = &once.bias, *y = &twice.bias;
	for (size_t i = 0; i < 10; i++) /* bias to the last interval */
		assert_true(fabs(x[i] - y[i]) < 1e-13);
	assert_good(sm_bland_altman(a, b, NULL, 2 * N, &naive, &err), err);
	assert_true(naive.bias_ci[1] - naive.bias_ci[0] <
		    0.75 * (twice.bias_ci[1] - twice.bias_ci[0]));
	/* A case a patient: the same bits as without patients. */
	assert_good(sm_bland_altman(a, b, single, 2 * N, &alone, &err), err);
	assert_memory_equal(&alone, &naive, offsetof(struct sm_agreement, within));
	assert_true(isnan(alone.within) && alone.patients == 2 * N);
	/* One patient alone has a bias and a slope, no limits. */
	for (size_t i = 0; i < 2 * N; i++)
		patient[i] = 5;
	assert_good(sm_bland_altman(a, b, patient, N, &alone, &err), err);
	assert_true(alone.patients == 1 && alone.bias == once.bias && alone.slope == once.slope &&
		    isnan(alone.sd) && isnan(alone.low) && isnan(alone.bias_ci[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounding_makes_no_ranks),
		cmocka_unit_test(ties_are_no_chains),
		cmocka_unit_test(infinite_is_farther_than_all),
		cmocka_unit_test(agreement_of_repeated_scans),
		cmocka_unit_test(agreement_counts_patients),
	};
	return run_tap(tests);
}
