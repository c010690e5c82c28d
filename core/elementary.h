/* SPDX-License-Identifier: Apache-2.0
 *
 * exp, log and sin made of + - * / and bit operations only, so that their bits are the same on
 * every processor and with every C library (libm chooses its code by the processor). No table, no
 * state; safe from any thread.
 */
#ifndef SM_CORE_ELEMENTARY_H
#define SM_CORE_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

/* e^x, error below 1 unit in the last place; +inf above 709.78, 0 below -745.2 (with gradual
 * underflow between), NaN for NaN. Argument reduced by multiples of ln 2 in two parts, Taylor's
 * series to the 13th power. */
double sm_exp(double x);

/* Natural logarithm, error below 1 unit in the last place; -inf for 0, NaN below 0 and for NaN.
 * log(1 + f) = 2 artanh(f / (2 + f)), series to the 23rd power. */
double sm_log(double x);

/* sin(pi x), error below 1.5 units in the last place; 0 for whole numbers and for |x| >= 2^52, NaN
 * for NaN and infinities. cos(pi x) = sm_sinpi(x + 0.5) where x + 0.5 is exact. */
double sm_sinpi(double x);

/* e^x in float for weights, -87 <= x <= 88; relative error below 1.5e-7. Inline and without
 * branches, so that loops over it become vector code; the bits do not depend on that. The
 * polynomial has the least largest error of degree 6. */
static inline float sm_expf_near(float x)
{
	/* Adding and taking off 1.5 * 2^23 rounds to a whole number. */
	float whole = x * 1.44269504f + 12582912.0f - 12582912.0f;
	float r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
	float p = 0x1.6a1f62p-10f * r + 0x1.123ccap-7f;
	p = p * r + 0x1.555904p-5f;
	p = p * r + 0x1.55548ep-3f;
	p = p * r + 0x1.fffffcp-2f;
	p = p * (r * r) + r + 1.0f;
	union {
		int32_t i;
		float f;
	} scale = {.i = (int32_t)whole * 8388608 + 1065353216};
	return p * scale.f;
}

/* The same for any x <= 88: 0 below -87. */
static inline float sm_expf_weight(float x)
{
	float e = sm_expf_near(x < -87.0f ? -87.0f : x);
	return x < -87.0f ? 0.0f : e;
}

#endif
