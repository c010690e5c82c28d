/* SPDX-License-Identifier: Apache-2.0 */
/* The initialisers' table: each row's moments against their closed form, threads, seeds, names. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/op.h"

enum { N = 400000, IN = 54, OUT = 20 };

static float w[N], again[N];

static struct param row(const char *init, const char *name, size_t n)
{
	struct param p = {.init = init_find(init), .fan_in = IN, .fan_out = OUT};
	p.pub.count = n;
	p.name = (char *)name;
	if (!p.init)
		fail_msg("no row %s", init);
	return p;
}

/* Variance, and the widest value; NAN = none (normal). All means are 0. */
static const struct {
	const char *name;
	double variance, width;
} rows[] = {
	{"he_normal", 2.0 / IN, NAN},
	{"he_uniform", 2.0 / IN, 6.0 / IN},
	{"xavier_normal", 2.0 / (IN + OUT), NAN},
	{"xavier_uniform", 2.0 / (IN + OUT), 6.0 / (IN + OUT)},
	{"normal_0.02", 4e-4, NAN},
};

/* The mean of n draws of x^k wavers by sqrt((m_2k - m_k^2) / n); five of that are allowed. */
static void near(const char *name, const char *what, double got, double want, double variance)
{
	double within = 5 * sqrt(variance / N);
	if (!(fabs(got - want) <= within))
		fail_msg("%s: %s %g, closed form %g, allowed off by %g", name, what, got, want,
			 within);
}

static void moments_are_the_closed_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *name = rows[i].name;
		double v = rows[i].variance, sum[5] = {0}, far = 0, beyond = 0;
		bool normal = isnan(rows[i].width);
		struct param p = row(name, "w", N);
		init_fill(&p, 1, w, 2);
		for (size_t k = 0; k < N; k++) {
			double x = (double)w[k], power = 1;
			for (int m = 0; m < 5; m++, power *= x)
				sum[m] += power / N;
			far = fmax(far, fabs(x));
			beyond += fabs(x) > 2 * sqrt(v);
		}
		/* E x^4 is 3 v^2 of a normal and 9/5 v^2 of a uniform draw, E x^6 15 and 27/7 v^3,
		 * E x^8 105 and 9 v^4. */
		double m4 = normal ? 3 : 1.8, m6 = normal ? 15 : 27.0 / 7, m8 = normal ? 105 : 9;
		near(name, "mean", sum[1], 0, v);
		near(name, "variance", sum[2], v, (m4 - 1) * v * v);
		near(name, "third moment", sum[3], 0, m6 * v * v * v);
		near(name, "fourth moment", sum[4], m4 * v * v, (m8 - m4 * m4) * v * v * v * v);
		/* A normal one is not cut off at two sigma (Keras' is): 4.55 % lie beyond. */
		double share = normal ? erfc(sqrt(2.0)) : 0;
		near(name, "share beyond two sigma", beyond / N, share, share * (1 - share));
		if (!normal && !(far <= sqrt(rows[i].width) && far > 0.9999 * sqrt(rows[i].width)))
			fail_msg("%s: widest %g, closed form %g", name, far, sqrt(rows[i].width));
		if (normal && !(far > 4 * sqrt(v) && far < 7 * sqrt(v)))
			fail_msg("%s: widest %g of sigma %g", name, far, sqrt(v));
	}
}

static void constants_are_constant(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		float value;
	} all[] = {{"zeros", 0}, {"ones", 1}, {"quarter", 0.25f}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct param p = row(all[i].name, "w", 40000);
		init_fill(&p, 1, w, 2);
		for (size_t k = 0; k < p.pub.count; k++)
			assert_true(w[k] == all[i].value);
	}
	assert_null(init_find("orthogonal"));
}

/* Neighbours and the pieces that threads share are not alike: correlations are those of chance. */
static void draws_are_apart(void **state)
{
	(void)state;
	static const size_t lags[] = {1, 2, 16384, 2 * 16384};
	struct param p = row("he_normal", "w", N);
	init_fill(&p, 1, w, 1);
	for (size_t i = 0; i < sizeof lags / sizeof *lags; i++) {
		double sum = 0, v = 2.0 / IN;
		for (size_t k = 0; k + lags[i] < N; k++)
			sum += (double)w[k] * (double)w[k + lags[i]];
		near("he_normal", "correlation", sum / N, 0, v * v);
	}
}

static void seed_and_name_decide_and_nothing_else(void **state)
{
	(void)state;
	struct param p = row("he_normal", "enc0.weight", N),
		     other = row("he_normal", "enc1.weight", N);
	init_fill(&p, 1, w, 1);
	init_fill(&p, 1, again, 3);
	assert_memory_equal(w, again, sizeof w);
	/* The first part of a shorter one is the same. */
	p.pub.count = 20001;
	memset(again, 0, sizeof again);
	init_fill(&p, 1, again, 2);
	assert_memory_equal(w, again, 20001 * sizeof *w);
	assert_true(again[20001] == 0);
	init_fill(&p, 2, again, 2);
	assert_memory_not_equal(w, again, 100 * sizeof *w);
	init_fill(&other, 1, again, 2);
	assert_memory_not_equal(w, again, 100 * sizeof *w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_the_closed_form),
		cmocka_unit_test(constants_are_constant),
		cmocka_unit_test(draws_are_apart),
		cmocka_unit_test(seed_and_name_decide_and_nothing_else),
	};
	return run_tap(tests);
}
