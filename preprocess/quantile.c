/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/quantile.h"

#include <math.h>
#include <string.h>

/* Maps a float to an integer of the same order; -0 and +0 become neighbours. */
static uint32_t order_key(float f)
{
	uint32_t u;
	memcpy(&u, &f, sizeof u);
	return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static float key_value(uint32_t key)
{
	uint32_t u = key & 0x80000000u ? key & 0x7fffffffu : ~key;
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

float sm_select_f32(const float *v, const uint8_t *keep, size_t n, size_t k)
{
	static const int shifts[] = {21, 10, 0}, widths[] = {11, 11, 10};
	uint32_t prefix = 0, mask = 0;
	size_t bins[2048];
	for (int pass = 0; pass < 3; pass++) {
		uint32_t digit = (1u << widths[pass]) - 1, b = 0;
		memset(bins, 0, sizeof bins);
		for (size_t i = 0; i < n; i++) {
			uint32_t key = order_key(v[i]);
			if ((!keep || keep[i]) && (key & mask) == prefix)
				bins[key >> shifts[pass] & digit]++;
		}
		while (b < digit && k >= bins[b])
			k -= bins[b++];
		prefix |= b << shifts[pass];
		mask |= digit << shifts[pass];
	}
	return key_value(prefix);
}

double sm_percentile_f32(const float *v, const uint8_t *keep, size_t n, size_t kept, double p)
{
	double h = p / 100 * (double)(kept - 1), below = floor(h);
	size_t k = (size_t)below;
	double a = (double)sm_select_f32(v, keep, n, k);
	if (k + 1 >= kept || h == below)
		return a;
	double b = (double)sm_select_f32(v, keep, n, k + 1);
	return a + (h - below) * (b - a);
}
