/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/surfel.h"

#include <math.h>

void sm_surfel_areas(const double spacing[3], double area[SM_SURFEL_CODES])
{
	const double face[3] = {spacing[1] * spacing[2] / 8, spacing[0] * spacing[2] / 8,
				spacing[0] * spacing[1] / 8};
	for (int code = 0; code < SM_SURFEL_CODES; code++) {
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

/* The code of the point before voxel x of a row m. */
static inline uint8_t code_at(const uint64_t *m, size_t words, size_t plane, int64_t x)
{
	/* Two bits along x to their places in the code: x - 1 is a = 0, worth 16 times x. */
	static const uint8_t place[4] = {0, 1, 16, 17};
	return (uint8_t)(place[two_at(m - plane - words, x)] * 8u +
			 place[two_at(m - words, x)] * 4u + place[two_at(m - plane, x)] * 2u +
			 place[two_at(m, x)]);
}

void sm_surfels_list(const struct sm_bits *mask, const struct sm_bits *corner, uint8_t *code)
{
	const size_t words = mask->words, plane = words * (size_t)mask->n[1];
	for (int64_t z = 1; z < mask->n[2]; z++)
		for (int64_t y = 1; y < mask->n[1]; y++) {
			const size_t at = (size_t)z * plane + (size_t)y * words;
			for (size_t k = 0; k < words; k++)
				for (uint64_t left = corner->bit[at + k]; left; left &= left - 1)
					*code++ = code_at(mask->bit + at, words, plane,
							  (int64_t)k * 64 + __builtin_ctzll(left));
		}
}

/* Bit i of 16 to bit 4 i. */
static inline uint64_t spread(uint64_t v)
{
	v = (v | v << 24) & UINT64_C(0x000000ff000000ff);
	v = (v | v << 12) & UINT64_C(0x000f000f000f000f);
	v = (v | v << 6) & UINT64_C(0x0303030303030303);
	return (v | v << 3) & UINT64_C(0x1111111111111111);
}

/* The last hexadecimal digit to the first. */
static inline uint64_t turned(uint64_t v)
{
	v = __builtin_bswap64(v);
	return (v >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
}

/* The lower half of the code of a point is the four voxels at x; the upper half, those at x - 1, is
 * the lower half of the point before: one digit a point, and each code is two that stand side by
 * side. */
void sm_surfels_count(const struct sm_bits *mask, size_t row, size_t k, uint64_t set,
		      uint32_t count[SM_SURFEL_CODES])
{
	const size_t words = mask->words, plane = words * (size_t)mask->n[1];
	const uint64_t *m = mask->bit + row * words;
	/* A look at all of a word costs as much as some fifteen points one by one. */
	if (__builtin_popcountll(set) < 16) {
		for (; set; set &= set - 1)
			count[code_at(m, words, plane, (int64_t)k * 64 + __builtin_ctzll(set))]++;
		return;
	}
	const uint64_t *line[4] = {m - plane - words, m - words, m - plane, m};
	uint64_t before = 0;
	for (int b = 0; b < 4 && k; b++)
		before = before << 1 | line[b][k - 1] >> 63;
	for (int part = 0; part < 64; part += 16, set >>= 16) {
		uint64_t halves = 0;
		for (int b = 0; b < 4; b++)
			halves = halves << 1 | spread(line[b][k] >> part & 0xffff);
		halves = turned(halves);
		count[before << 4 | halves >> 60] += set & 1;
#pragma GCC unroll 15
		for (int i = 1; i < 16; i++)
			count[halves >> (60 - 4 * i) & 255] += set >> i & 1;
		before = halves & 15;
	}
}
