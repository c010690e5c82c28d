/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>

#include "core/elementary.h"
#include "core/rng.h"

#define ONE_BY_SQRT_2PI 0.39894228040143267794
#define PI 3.14159265358979323846

static double density(double z)
{
	/* z = a + b with a * a exact: far out, rounding z * z would be felt in the exponent. */
	double a = (double)(float)z, b = z - a;
	return ONE_BY_SQRT_2PI * sm_exp(-a * a / 2) * sm_exp(-(a + z) * b / 2);
}

/* P(0 < Z < z): density times z + z^3/3 + z^5/(3*5) + ... (Abramowitz and Stegun 26.2.11). */
static double inner(double z)
{
	double term = z, sum = z;
	for (int k = 3; fabs(term) > 1e-18 * fabs(sum); k += 2) {
		term *= z * z / k;
		sum += term;
	}
	return density(z) * sum;
}

/* P(Z > z), z > 0: Mills' ratio as the continued fraction 1/(z + 1/(z + 2/(z + 3/...))), from its
 * tail. 200 levels are enough from z = 2 on. */
static double outer(double z)
{
	double f = z;
	for (int k = 200; k >= 1; k--)
		f = z + k / f;
	return density(z) / f;
}

double sm_normal_above(double z)
{
	if (isnan(z))
		return z;
	if (z > 38.6)
		return 0;
	if (z > 2)
		return outer(z);
	return z < -2 ? 1 - sm_normal_above(-z) : 0.5 - inner(z);
}

double sm_normal_cdf(double z)
{
	return sm_normal_above(-z);
}

/* atan x: halved twice, then the series, so that it has the same bits everywhere. */
static double arctan(double x)
{
	if (fabs(x) > 1)
		return (x > 0 ? PI / 2 : -PI / 2) - arctan(1 / x);
	double y = x / (1 + sqrt(1 + x * x));
	y = y / (1 + sqrt(1 + y * y));
	double square = y * y, sum = 0;
	for (int k = 41; k >= 1; k -= 2)
		sum = 1.0 / k - square * sum;
	return 4 * y * sum;
}

/* P(|T| < t), t >= 0: Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums for whole degrees. */
static double student_inner(double t, size_t degrees)
{
	double v = (double)degrees, cos2 = v / (v + t * t), sin = t / sqrt(v + t * t);
	bool odd = degrees & 1;
	double term = odd ? sqrt(cos2) : 1, sum = 0;
	for (size_t k = odd ? 1 : 0; k + 2 <= degrees; k += 2) {
		sum += term;
		term *= cos2 * (double)(k + 1) / (double)(k + 2);
	}
	return odd ? 2 / PI * (arctan(t / sqrt(v)) + sin * sum) : sin * sum;
}

double sm_student_cdf(double t, size_t degrees)
{
	double half = student_inner(fabs(t), degrees) / 2;
	return t < 0 ? 0.5 - half : 0.5 + half;
}

/* Far from few degrees the expansion of Cornish and Fisher (A&S 26.7.5) is exact to 1e-12. */
static double student_expanded(double p, double v)
{
	double z = sm_normal_quantile(p), s = z * z;
	double g1 = z * (s + 1) / 4, g2 = z * ((5 * s + 16) * s + 3) / 96;
	double g3 = z * (((3 * s + 19) * s + 17) * s - 15) / 384;
	double g4 = z * ((((79 * s + 776) * s + 1482) * s - 1920) * s - 945) / 92160;
	return z + (g1 + (g2 + (g3 + g4 / v) / v) / v) / v;
}

double sm_student_quantile(double p, size_t degrees)
{
	if (degrees > 400)
		return student_expanded(p, (double)degrees);
	double low = 0, high = 1, q = p < 0.5 ? 1 - p : p;
	while (sm_student_cdf(high, degrees) < q && high < 1e9)
		high *= 2;
	for (int i = 0; i < 200 && low < high; i++) {
		double middle = low + (high - low) / 2;
		if (middle <= low || middle >= high)
			break;
		if (sm_student_cdf(middle, degrees) < q)
			low = middle;
		else
			high = middle;
	}
	return p < 0.5 ? -high : high;
}
