/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/edge.h"

#include <stdbool.h>
#include <string.h>

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define LOW_BITS UINT64_C(0x7f7f7f7f7f7f7f7f)
#define FEW_VALUES 6

enum sm_status sm_bits_init(struct sm_bits *bits, const int64_t n[3], struct sm_mem *mem,
			    struct sm_err *err)
{
	size_t words;
	*bits = (struct sm_bits){.n = {n[0] + 2, n[1] + 2, n[2] + 2}};
	bits->words = ((size_t)bits->n[0] + 63) / 64;
	if (!sm_mul3(bits->words, (size_t)bits->n[1], (size_t)bits->n[2], &words))
		return SM_FAIL(err, SM_BUDGET, "mask: the box is larger than memory can be");
	bits->bit = sm_calloc(mem, words, sizeof *bits->bit, "mask of a region", err);
	return bits->bit ? SM_OK : SM_BUDGET;
}

void sm_bits_clear(struct sm_bits *bits)
{
	sm_free(bits->bit);
	*bits = (struct sm_bits){0};
}

/* The values of a region: a few can be compared with 8 voxels at once. */
struct members {
	const uint8_t *is;
	size_t few; /* 0: too many */
	uint64_t each[FEW_VALUES];
};

static struct members members_of(const uint8_t member[256])
{
	struct members m = {.is = member};
	for (unsigned v = 0; v < 256; v++) {
		if (!member[v])
			continue;
		if (m.few == FEW_VALUES) {
			m.few = 0;
			break;
		}
		m.each[m.few++] = v * EACH_BYTE;
	}
	return m;
}

/* Bits of 8 values. Background and inner voxels are told by one comparison. */
static inline uint64_t pack_eight(const uint8_t *v, const struct members *m)
{
	uint64_t w, out = 0;
	memcpy(&w, v, 8);
	if (w == v[0] * EACH_BYTE)
		return m->is[v[0]] ? 0xff : 0;
	if (!m->few) {
		for (int k = 0; k < 8; k++)
			out |= (uint64_t)(m->is[v[k]] != 0) << k;
		return out;
	}
	for (size_t i = 0; i < m->few; i++) {
		/* The highest bit of a byte stays 0 where the byte is the value. */
		const uint64_t other = w ^ m->each[i];
		out |= ~(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS);
	}
	/* Bit 8 k to bit 56 + k: no two of the products' bits meet. */
	return (out >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

void sm_bits_cut(struct sm_bits *bits, const uint8_t *value, const int64_t dim[3],
		 const struct sm_box *box, const uint8_t member[256])
{
	const struct members m = members_of(member);
	const int64_t n = box->n[0];
	for (int64_t z = 0; z < box->n[2]; z++)
		for (int64_t y = 0; y < box->n[1]; y++) {
			const uint8_t *in =
				value + ((box->low[2] + z) * dim[1] + box->low[1] + y) * dim[0] +
				box->low[0];
			uint64_t *row =
				bits->bit + (size_t)((z + 1) * bits->n[1] + y + 1) * bits->words;
			int64_t x = 0;
			for (; x + 8 <= n; x += 8) {
				const uint64_t eight = pack_eight(in + x, &m);
				const int64_t at = x + 1, shift = at & 63;
				row[at >> 6] |= eight << shift;
				if (shift > 56)
					row[(at >> 6) + 1] |= eight >> (64 - shift);
			}
			for (; x < n; x++)
				row[(x + 1) >> 6] |= (uint64_t)(member[in[x]] != 0)
						     << ((x + 1) & 63);
		}
}

void sm_bits_flatten(struct sm_bits *bits, const bool flat[3])
{
	const size_t row = bits->words, plane = row * (size_t)bits->n[1];
	const size_t all = plane * (size_t)bits->n[2];
	if (flat[0] && flat[1] && flat[2])
		return;
	for (size_t i = 0; flat[0] && i < all; i += row)
		bits->bit[i] |= bits->bit[i] << 1 | bits->bit[i] >> 1;
	for (size_t i = 0; flat[1] && i < all; i += plane) {
		memcpy(bits->bit + i, bits->bit + i + row, row * sizeof *bits->bit);
		memcpy(bits->bit + i + 2 * row, bits->bit + i + row, row * sizeof *bits->bit);
	}
	if (flat[2]) {
		memcpy(bits->bit, bits->bit + plane, plane * sizeof *bits->bit);
		memcpy(bits->bit + 2 * plane, bits->bit + plane, plane * sizeof *bits->bit);
	}
}

/* Word i of a row moved up by one voxel: bit x holds what was at x - 1. */
static inline uint64_t from_below(const uint64_t *row, size_t i)
{
	return row[i] << 1 | (i ? row[i - 1] >> 63 : 0);
}

static inline uint64_t from_above(const uint64_t *row, size_t i, size_t words)
{
	return row[i] >> 1 | (i + 1 < words ? row[i + 1] << 63 : 0);
}

void sm_bits_edge(const struct sm_bits *mask, struct sm_bits *edge)
{
	const size_t words = mask->words, plane = words * (size_t)mask->n[1];
	for (int64_t z = 1; z + 1 < mask->n[2]; z++)
		for (int64_t y = 1; y + 1 < mask->n[1]; y++) {
			const size_t at = (size_t)z * plane + (size_t)y * words;
			const uint64_t *m = mask->bit + at;
			for (size_t i = 0; i < words; i++) {
				if (!m[i])
					continue;
				const uint64_t inner = from_below(m, i) & from_above(m, i, words) &
						       m[i - words] & m[i + words] & m[i - plane] &
						       m[i + plane];
				edge->bit[at + i] = m[i] & ~inner;
			}
			/* The margin itself, which is set where the image is flat. */
			edge->bit[at] &= ~UINT64_C(1);
			edge->bit[at + words - 1] &= ~(UINT64_C(1) << ((mask->n[0] - 1) & 63));
		}
}

void sm_bits_corners(const struct sm_bits *mask, struct sm_bits *corner)
{
	const size_t words = mask->words, plane = words * (size_t)mask->n[1];
	for (int64_t z = 1; z < mask->n[2]; z++)
		for (int64_t y = 1; y < mask->n[1]; y++) {
			const size_t at = (size_t)z * plane + (size_t)y * words;
			const uint64_t *m = mask->bit + at;
			uint64_t any_before = 0, all_before = 0;
			for (size_t i = 0; i < words; i++) {
				const uint64_t a = m[i], b = m[i - words], c = m[i - plane],
					       d = m[i - plane - words];
				const uint64_t any = a | b | c | d, all = a & b & c & d;
				corner->bit[at + i] = (any | any << 1 | any_before >> 63) &
						      ~(all & (all << 1 | all_before >> 63));
				any_before = any;
				all_before = all;
			}
			/* Beside the margin of a flat image lies nothing. */
			corner->bit[at] &= ~UINT64_C(1);
			if (mask->n[0] & 63)
				corner->bit[at + words - 1] &=
					(UINT64_C(1) << (mask->n[0] & 63)) - 1;
		}
}

size_t sm_bits_count(const struct sm_bits *bits, size_t from, size_t to)
{
	size_t n = 0;
	for (size_t i = from * bits->words; i < to * bits->words; i++)
		n += (size_t)__builtin_popcountll(bits->bit[i]);
	return n;
}
