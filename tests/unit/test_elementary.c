/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log and sin of core/elementary.h against libm in long double.
 */
#include "tests/unit/tap.h"

#include <math.h>

#include "core/elementary.h"

/* Distance in units of the last place of `wanted` as a double. */
static double ulps(double got, long double wanted)
{
	int e;
	frexp((double)wanted, &e);
	return (double)(fabsl((long double)got - wanted) /
			ldexpl(1, e - 53 < -1074 ? -1074 : e - 53));
}

static double spread(uint32_t *s, double lo, double hi)
{
	*s = *s * 1664525u + 1013904223u;
	return lo + (hi - lo) * (double)*s / 4294967296.0;
}

#define COUNT 200000

static void test_exp_is_within_one_unit(void **state)
{
	(void)state;
	uint32_t s = 1;
	double worst = 0;
	for (int i = 0; i < COUNT; i++) {
		double x = i % 3 == 0   ? spread(&s, -708, 709)
			   : i % 3 == 1 ? spread(&s, -1, 1)
					: spread(&s, -1e-3, 1e-3);
		worst = fmax(worst, ulps(sm_exp(x), expl((long double)x)));
	}
	print_message("# largest error of exp: %.3f ulp\n", worst);
	assert_true(worst < 1);
	assert_true(sm_exp(0) == 1 && sm_exp(-746) == 0 && isinf(sm_exp(710)) &&
		    isnan(sm_exp(NAN)));
	assert_true(sm_exp(-INFINITY) == 0 && isinf(sm_exp(INFINITY)));
	assert_true(ulps(sm_exp(-740), expl(-740)) <= 1); /* subnormal */
	assert_true(ulps(sm_exp(709.7), expl((long double)709.7)) < 1);
}

static void test_log_is_within_one_unit(void **state)
{
	(void)state;
	uint32_t s = 2;
	double worst = 0;
	for (int i = 0; i < COUNT; i++) {
		double x = i % 2 ? spread(&s, 0.5, 2)
				 : ldexp(spread(&s, 1, 2), (int)spread(&s, -1074, 1023));
		if (x != 1)
			worst = fmax(worst, ulps(sm_log(x), logl((long double)x)));
	}
	print_message("# largest error of log: %.3f ulp\n", worst);
	assert_true(worst < 1);
	assert_true(sm_log(1) == 0 && sm_log(0) == -INFINITY && isnan(sm_log(-1)) &&
		    isnan(sm_log(NAN)));
	assert_true(isinf(sm_log(INFINITY)));
}

static void test_sinpi_is_within_one_and_a_half_units(void **state)
{
	(void)state;
	const long double pi = 3.14159265358979323846264338327950288L;
	uint32_t s = 3;
	double worst = 0;
	for (int i = 0; i < COUNT; i++) {
		double x = i % 3 == 0   ? spread(&s, -50, 50)
			   : i % 3 == 1 ? spread(&s, -1, 1)
					: spread(&s, -1e-3, 1e-3);
		double y = x - 2 * rint(x / 2); /* exact */
		if (fabs(y) > 0.5)
			y = copysign(1, y) - y;
		worst = fmax(worst, ulps(sm_sinpi(x), sinl(pi * (long double)y)));
	}
	print_message("# largest error of sinpi: %.3f ulp\n", worst);
	assert_true(worst < 1.5);
	assert_true(sm_sinpi(0.5) == 1 && sm_sinpi(-0.5) == -1 && sm_sinpi(3) == 0 &&
		    sm_sinpi(1e300) == 0);
	assert_true(isnan(sm_sinpi(INFINITY)));
}

static void test_float_exp_for_weights(void **state)
{
	(void)state;
	uint32_t s = 4;
	double worst = 0;
	for (int i = 0; i < COUNT; i++) {
		float x = (float)(i % 2 ? spread(&s, -87, 88) : spread(&s, -1, 0));
		double wanted = exp((double)x);
		worst = fmax(worst, fabs((double)sm_expf_weight(x) - wanted) / wanted);
	}
	print_message("# largest relative error of the float exp: %.3g\n", worst);
	assert_true(worst < 1.5e-7);
	assert_true(sm_expf_weight(0) == 1 && sm_expf_weight(-87.5f) == 0 &&
		    sm_expf_weight(-INFINITY) == 0);
}

/* The same bits on every processor: a fold over many results, worked out once. */
static void test_bits_are_fixed(void **state)
{
	(void)state;
	uint32_t s = 5;
	uint64_t fold = 0;
	for (int i = 0; i < 1000; i++) {
		double x = spread(&s, -30, 30),
		       y[4] = {sm_exp(x), sm_log(x * x + 1e-9), sm_sinpi(x),
			       (double)sm_expf_weight((float)x)};
		for (int k = 0; k < 4; k++) {
			uint64_t bits;
			memcpy(&bits, &y[k], sizeof bits);
			fold = (fold ^ bits) * 1099511628211u;
		}
	}
	print_message("# fold %016llx\n", (unsigned long long)fold);
	assert_true(fold == 0xc4584e253edf8287u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exp_is_within_one_unit),
		cmocka_unit_test(test_log_is_within_one_unit),
		cmocka_unit_test(test_sinpi_is_within_one_and_a_half_units),
		cmocka_unit_test(test_float_exp_for_weights),
		cmocka_unit_test(test_bits_are_fixed),
	};
	return run_tap(tests);
}
