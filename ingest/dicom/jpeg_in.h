/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of jpeg.h: tables and bits that both kinds of JPEG use.
 */
#ifndef SM_INGEST_DICOM_JPEG_IN_H
#define SM_INGEST_DICOM_JPEG_IN_H

#include <string.h>

#include "ingest/dicom/jpeg.h"

#define FAST_BITS 9

struct huffman {
	bool there;
	uint16_t fast[1 << FAST_BITS]; /* length << 8 | symbol; 0: longer than FAST_BITS */
	int32_t least[17], most[17];   /* codes of each length; most < least: none */
	uint16_t first[17];            /* index of the symbol of the least code */
	uint8_t symbols[256];
};

/* Bits, highest first; FF 00 stands for FF. Before a marker and behind the end come zeros. */
struct jpeg_bits {
	const unsigned char *at, *end;
	uint64_t cache; /* the next bits, at the top */
	int have;       /* how many of them */
	int beyond;     /* how many of them stand behind the data */
};

struct component {
	int id, h, v, table; /* sampling; quantisation table */
	int dc, ac;          /* Huffman tables of the scan */
	int32_t before;      /* DC of the block before */
	/* sequential: plane of whole MCUs */
	int blocks_across, blocks_down;
	uint16_t *plane;
};

struct jpeg {
	const unsigned char *bytes;
	size_t n;
	int kind; /* 0, 1 or 3: SOF0, SOF1, SOF3 */
	int precision, rows, columns, count;
	int h_most, v_most, restart;
	struct component comp[4];
	uint16_t quant[4][64]; /* in the order of coding */
	bool quant_there[4];
	struct huffman dc[4], ac[4];
	/* of the scan */
	int scan_count;
	struct component *scan[4];
	int ss, se, al;
	struct jpeg_bits bits;
};

static inline void jpeg_refill(struct jpeg_bits *b)
{
	while (b->have <= 56) {
		unsigned v = 0;
		if (b->at < b->end && (b->at[0] != 0xff || (b->at + 1 < b->end && b->at[1] == 0))) {
			v = *b->at;
			b->at += v == 0xff ? 2 : 1;
		} else {
			b->beyond += 8;
		}
		b->cache |= (uint64_t)v << (56 - b->have);
		b->have += 8;
	}
}

/* n <= 16 bits; the caller has refilled. */
static inline int jpeg_take(struct jpeg_bits *b, int n)
{
	if (!n)
		return 0;
	int v = (int)(b->cache >> (64 - n));
	b->cache <<= n;
	b->have -= n;
	return v;
}

static inline bool jpeg_overrun(const struct jpeg_bits *b)
{
	return b->beyond > b->have;
}

/* The next symbol, -1 for no code. Leaves at least 32 bits in the cache. */
static inline int jpeg_symbol(struct jpeg_bits *b, const struct huffman *t)
{
	if (b->have < 48)
		jpeg_refill(b);
	unsigned entry = t->fast[b->cache >> (64 - FAST_BITS)];
	if (entry) {
		b->cache <<= entry >> 8;
		b->have -= (int)(entry >> 8);
		return (int)(entry & 0xff);
	}
	for (int n = FAST_BITS + 1; n <= 16; n++) {
		int32_t code = (int32_t)(b->cache >> (64 - n));
		if (code <= t->most[n] && code >= t->least[n]) {
			b->cache <<= n;
			b->have -= n;
			return t->symbols[t->first[n] + (code - t->least[n])];
		}
	}
	return -1;
}

/* The difference of a category (F.2.2.1): n extra bits, the highest 0 for negative ones. */
static inline int jpeg_difference(struct jpeg_bits *b, int n)
{
	if (!n)
		return 0;
	if (n == 16)
		return 32768;
	int v = jpeg_take(b, n);
	return v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
}

/* Steps over restart marker number `interval` (0..; the markers count modulo 8); false when it is
 * not there, or when data are left in front of it. */
bool sm_jpeg_restart(struct jpeg_bits *b, long interval);

/* jpeg_lossless.c: one scan into out. False for damaged data. */
bool sm_jpeg_lossless(struct jpeg *j, const struct sm_pixel_format *f, void *out);
/* jpeg_dct.c: one scan into the planes; then the planes into out. */
bool sm_jpeg_blocks(struct jpeg *j);
void sm_jpeg_planes(const struct jpeg *j, const struct sm_pixel_format *f, void *out);

#endif
