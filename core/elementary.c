/* SPDX-License-Identifier: Apache-2.0 */
#include "core/elementary.h"

/* ln 2 in two parts: the first has 32 bits, so that a multiple up to 2^20 of it is exact. */
static const double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
static const double TWO_54 = 0x1p54;

static double from_bits(uint64_t bits)
{
	double x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static uint64_t to_bits(double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* 2^k for -1022 <= k <= 1023. */
static double power_of_two(int k)
{
	return from_bits((uint64_t)(k + 1023) << 52);
}

double sm_exp(double x)
{
	if (x != x)
		return x;
	if (x > 709.782712893384)
		return from_bits(0x7ff0000000000000u);
	if (x < -745.2)
		return 0;
	double scaled = x * 0x1.71547652b82fep0;
	int k = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
	double high = x - k * LN2_HIGH, low = k * LN2_LOW;
	double r = high - low;
	double q = 1.0 / 6227020800;
	q = q * r + 1.0 / 479001600;
	q = q * r + 1.0 / 39916800;
	q = q * r + 1.0 / 3628800;
	q = q * r + 1.0 / 362880;
	q = q * r + 1.0 / 40320;
	q = q * r + 1.0 / 5040;
	q = q * r + 1.0 / 720;
	q = q * r + 1.0 / 120;
	q = q * r + 1.0 / 24;
	q = q * r + 1.0 / 6;
	q = q * r + 0.5;
	/* What rounding took from r comes back with the small terms. */
	double y = 1 + (high - (low - q * (r * r)));
	/* Two steps, since 2^k alone may lie beyond the exponents. */
	int half = k / 2;
	return k > -1022 && k < 1024 ? y * power_of_two(k)
				     : y * power_of_two(half) * power_of_two(k - half);
}

double sm_log(double x)
{
	if (x != x || x < 0)
		return from_bits(0x7ff8000000000000u);
	if (x == 0)
		return from_bits(0xfff0000000000000u);
	if (to_bits(x) == 0x7ff0000000000000u)
		return x;
	int k = 0;
	if (x < 0x1p-1022) {
		x *= TWO_54;
		k = -54;
	}
	uint64_t bits = to_bits(x);
	k += (int)(bits >> 52) - 1023;
	double m = from_bits((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
	if (m > 0x1.6a09e667f3bcdp0) {
		m /= 2;
		k++;
	}
	/* log(1 + f) = f - f^2/2 + s (f^2/2 + R), s = f / (2 + f): the large term f is exact. */
	double f = m - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
	double q = 2.0 / 23;
	q = q * z + 2.0 / 21;
	q = q * z + 2.0 / 19;
	q = q * z + 2.0 / 17;
	q = q * z + 2.0 / 15;
	q = q * z + 2.0 / 13;
	q = q * z + 2.0 / 11;
	q = q * z + 2.0 / 9;
	q = q * z + 2.0 / 7;
	q = q * z + 2.0 / 5;
	q = q * z + 2.0 / 3;
	double rest = s * (half + q * z) + k * LN2_LOW;
	return k * LN2_HIGH - ((half - rest) - f);
}

double sm_sinpi(double x)
{
	double sign = 1;
	if (x - x != 0)
		return from_bits(0x7ff8000000000000u);
	if (x < 0) {
		x = -x;
		sign = -1;
	}
	if (x >= 0x1p52)
		return 0;
	int64_t whole = (int64_t)x;
	double f = x - (double)whole;
	if (whole & 1)
		sign = -sign;
	if (f > 0.5)
		f = 1 - f;
	/* pi f = high + low, with pi in two parts of which the first leaves room for the product.
	 * */
	if (f <= 0.25) {
		double high = 0x1.921fb5p1, low = 0x1.110b4611a6263p-25;
		double t = f * 0x1.921fb54442d18p1, z = t * t;
		double cut = (double)(float)f,
		       error = (cut * high - t) + (f - cut) * high + f * low;
		double q = -1.0 / 121645100408832000;
		q = q * z + 1.0 / 355687428096000;
		q = q * z - 1.0 / 1307674368000;
		q = q * z + 1.0 / 6227020800;
		q = q * z - 1.0 / 39916800;
		q = q * z + 1.0 / 362880;
		q = q * z - 1.0 / 5040;
		q = q * z + 1.0 / 120;
		q = q * z - 1.0 / 6;
		return sign * (t + (t * (z * q) + error));
	}
	/* sin(pi f) = cos(pi (1/2 - f)), the difference exact. */
	double t = (0.5 - f) * 0x1.921fb54442d18p1, z = t * t;
	double q = 1.0 / 6402373705728000;
	q = -q * z + 1.0 / 20922789888000;
	q = q * z - 1.0 / 87178291200;
	q = q * z + 1.0 / 479001600;
	q = q * z - 1.0 / 3628800;
	q = q * z + 1.0 / 40320;
	q = q * z - 1.0 / 720;
	q = q * z + 1.0 / 24;
	return sign * (1 - (0.5 * z - z * z * q));
}
