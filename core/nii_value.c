/* SPDX-License-Identifier: Apache-2.0
 *
 * The stored values of a NIfTI payload: byte order, float128, counts (see core/nii_head.h).
 */
#include <math.h>
#include <string.h>

#include "core/nii_head.h"

static void swap_values(void *data, size_t count, size_t size)
{
	if (size == 2) {
		uint16_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap16(p[i]);
	} else if (size == 4) {
		uint32_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap32(p[i]);
	} else if (size == 8) {
		uint64_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap64(p[i]);
	} else if (size == 16) {
		uint64_t *p = data;
		for (size_t i = 0; i < count; i++) {
			uint64_t first = __builtin_bswap64(p[2 * i]);
			p[2 * i] = __builtin_bswap64(p[2 * i + 1]);
			p[2 * i + 1] = first;
		}
	}
}

static size_t count_not_finite(const void *data, size_t n, enum sm_dtype dtype)
{
	size_t bad = 0;
	if (dtype == SM_F32) {
		const float *p = data;
		for (size_t i = 0; i < n; i++)
			bad += p[i] - p[i] != 0;
	} else if (dtype == SM_F64) {
		const double *p = data;
		for (size_t i = 0; i < n; i++)
			bad += p[i] - p[i] != 0;
	}
	return bad;
}

static size_t count_beyond_2_53(const void *data, size_t n, enum sm_dtype dtype)
{
	const uint64_t limit = (uint64_t)1 << 53;
	const uint64_t *p = data;
	size_t beyond = 0;
	if (dtype == SM_U64)
		for (size_t i = 0; i < n; i++)
			beyond += p[i] > limit;
	else if (dtype == SM_I64)
		for (size_t i = 0; i < n; i++)
			beyond += p[i] + limit > 2 * limit; /* out of -limit..limit, modulo 2^64 */
	return beyond;
}

/* IEEE binary128, halves in machine order: sign, 15 bits of exponent, 112 of fraction. *rounded
 * grows when double cannot hold the number; false when it is finite and too large for double. */
static bool quad_to_double(uint64_t low, uint64_t high, double *out, size_t *rounded)
{
	int exponent = (int)(high >> 48 & 0x7fff) - 16383;
	uint64_t top = high & 0xffffffffffff;
	double v;
	if (exponent == 16384) {
		v = top | low ? (double)NAN : (double)INFINITY;
	} else if (exponent == -16383) { /* zero, or below the smallest double by far */
		v = 0;
		*rounded += (top | low) != 0;
	} else {
		/* 63 bits of the number, the last of them set when any was cut: so the one rounding
		 * that the conversion does is the right one. */
		uint64_t m = (uint64_t)1 << 62 | top << 14 | low >> 50;
		bool cut = (low & (((uint64_t)1 << 50) - 1)) != 0;
		v = ldexp((double)(m | cut), exponent - 62);
		if (isinf(v))
			return false;
		*rounded += cut || m & 0x3ff || exponent < -1022;
	}
	*out = high >> 63 ? -v : v;
	return true;
}

/* The 80-bit numbers of x86 fill 16 bytes too: their upper 48 bits are nothing, the leading bit of
 * the fraction is explicit. True when that is what all of them look like. */
static bool looks_like_x87(const uint64_t *p, size_t count)
{
	bool any = false;
	for (size_t i = 0; i < count; i++) {
		if (p[2 * i + 1] >> 16 || (p[2 * i + 1] & 0x7fff && !(p[2 * i] >> 63)))
			return false;
		any = any || p[2 * i];
	}
	return any;
}

static enum sm_status quads(void *data, size_t count, const char *name, struct sm_nii_info *info,
			    struct sm_err *err)
{
	const unsigned char *from = data;
	unsigned char *to = data;
	const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	if (!big && looks_like_x87(data, count))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: datatype 1536 holds 80-bit numbers of x86, allowed is float128 of "
			"IEEE 754 (store float64 instead)",
			name);
	for (size_t i = 0; i < count; i++) {
		uint64_t half[2];
		double v;
		memcpy(half, from + 16 * i, 16);
		if (!quad_to_double(half[big], half[!big], &v, &info->rounded))
			return SM_FAIL(err, SM_INPUT,
				       "%s: float128 value number %zu is too large for float64, "
				       "allowed are numbers up to 1.8e308",
				       name, i);
		memcpy(to + 8 * i, &v, 8);
	}
	return SM_OK;
}

enum sm_status sm_nii_values(void *data, size_t count, size_t width, const char *name,
			     const struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	if (info->swapped)
		swap_values(data, count, width);
	if (width == 16)
		SM_TRY(quads(data, count, name, info, err));
	info->not_finite = count_not_finite(data, count, vol->dtype);
	info->beyond_2_53 = count_beyond_2_53(data, count, vol->dtype);
	return SM_OK;
}
