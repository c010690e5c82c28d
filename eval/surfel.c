/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/surfel.h"

#include <math.h>

void sm_surfel_areas(const double spacing[3], double area[256])
{
	const double face[3] = {spacing[1] * spacing[2] / 8, spacing[0] * spacing[2] / 8,
				spacing[0] * spacing[1] / 8};
	for (int code = 0; code < 256; code++) {
		area[code] = 0;
		for (int k = 0; k < SM_SURFEL_PIECES; k++) {
			double sum = 0;
			for (int a = 0; a < 3; a++) {
				const double part = sm_surfel_normals[code][k][a] * face[a];
				sum += part * part;
			}
			area[code] += sqrt(sum);
		}
	}
}

/* Voxels x - 1 and x of a row as two bits, x - 1 the higher; x is at least 1. */
static inline unsigned two_at(const uint64_t *row, int64_t x)
{
	const unsigned high = (unsigned)(row[(x - 1) >> 6] >> ((x - 1) & 63)) & 1;
	return high << 1 | (unsigned)((row[x >> 6] >> (x & 63)) & 1);
}

void sm_surfels_weigh(const struct sm_bits *mask, const struct sm_bits *corner,
		      const double area[256], double *weight)
{
	/* Two bits along x to their places in the code: x - 1 is a = 0, worth 16 times x. */
	static const uint8_t place[4] = {0, 1, 16, 17};
	const size_t words = mask->words, plane = words * (size_t)mask->n[1];
	for (int64_t z = 1; z < mask->n[2]; z++)
		for (int64_t y = 1; y < mask->n[1]; y++) {
			const size_t at = (size_t)z * plane + (size_t)y * words;
			const uint64_t *m = mask->bit + at;
			for (size_t k = 0; k < words; k++)
				for (uint64_t left = corner->bit[at + k]; left; left &= left - 1) {
					const int64_t x = (int64_t)k * 64 + __builtin_ctzll(left);
					const unsigned code =
						place[two_at(m - plane - words, x)] * 8u +
						place[two_at(m - words, x)] * 4u +
						place[two_at(m - plane, x)] * 2u +
						place[two_at(m, x)];
					*weight++ = area[code];
				}
		}
}
