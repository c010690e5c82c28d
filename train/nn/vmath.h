/* SPDX-License-Identifier: Apache-2.0
 *
 * exp and log for plain loops that the compiler turns into vector code. The same bits on every CPU
 * (no library, no contraction); NaN stays NaN. Polynomials of Cephes (expf, logf), within 2 units
 * of the last place.
 */
#ifndef SM_TRAIN_VMATH_H
#define SM_TRAIN_VMATH_H

#include <stdint.h>
#include <string.h>

#define SM_INLINE static inline __attribute__((always_inline))

SM_INLINE uint32_t vm_bits(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

SM_INLINE float vm_float(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* e^x for x <= 88; below -87.3 it is 0. Conditions here and below are arithmetic: from a choice
 * between constants the compiler makes branches, and then no vector code. */
SM_INLINE float vm_exp(float x)
{
	/* Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits. */
	float round = x * 1.44269504f + 12582912.0f, n = round - 12582912.0f;
	float r = x - n * 0.693359375f + n * 2.12194440e-4f;
	float y = 1.9875691500e-4f;
	y = y * r + 1.3981999507e-3f;
	y = y * r + 8.3334519073e-3f;
	y = y * r + 4.1665795894e-2f;
	y = y * r + 1.6666665459e-1f;
	y = y * r + 5.0000001201e-1f;
	y = y * (r * r) + r + 1.0f;
	y *= vm_float((vm_bits(round) << 23) + 0x3f800000u);
	return vm_float(vm_bits(y) & (0u - (uint32_t) !(x < -87.3f)));
}

/* Natural logarithm of a normal x > 0. */
SM_INLINE float vm_log(float x)
{
	uint32_t u = vm_bits(x) - 0x3f3504f3u; /* mantissa from sqrt(1/2) on */
	float e = (float)((int32_t)u >> 23);
	float m = vm_float((u & 0x7fffffu) + 0x3f3504f3u) - 1.0f, z = m * m;
	float y = 7.0376836292e-2f;
	y = y * m - 1.1514610310e-1f;
	y = y * m + 1.1676998740e-1f;
	y = y * m - 1.2420140846e-1f;
	y = y * m + 1.4249322787e-1f;
	y = y * m - 1.6668057665e-1f;
	y = y * m + 2.0000714765e-1f;
	y = y * m - 2.4999993993e-1f;
	y = y * m + 3.3333331174e-1f;
	y = y * m * z - 2.12194440e-4f * e - 0.5f * z;
	return m + y + 0.693359375f * e + x * 0.0f;
}

/* log(1 + e) for e >= 0, exact for small e too. */
SM_INLINE float vm_log1p(float e)
{
	float u = 1.0f + e;
	return vm_log(u) + (e - (u - 1.0f)) / u;
}

/* 1 / (1 + e^-x) with e^-|x| given. */
SM_INLINE float vm_sigmoid(float x, float e)
{
	return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

SM_INLINE float vm_abs(float x)
{
	return vm_float(vm_bits(x) & 0x7fffffffu);
}

/* Hyperbolic tangent: near 0 the polynomial of Cephes (tanhf), else by e^-2|x|. */
SM_INLINE float vm_tanh(float x)
{
	float a = vm_abs(x), z = x * x;
	float p = -5.70498872745e-3f;
	p = p * z + 2.06390887954e-2f;
	p = p * z - 5.37397155531e-2f;
	p = p * z + 1.33314422036e-1f;
	p = p * z - 3.33332819422e-1f;
	float e = vm_exp(-2.0f * a), far = (1.0f - e) / (1.0f + e), near = p * z * a + a;
	uint32_t is_near = 0u - (uint32_t)(a < 0.625f);
	uint32_t y = (vm_bits(near) & is_near) | (vm_bits(far) & ~is_near);
	return vm_float(y | (vm_bits(x) & 0x80000000u));
}

#endif
