/* SPDX-License-Identifier: Apache-2.0
 *
 * Baseline and extended sequential JPEG (T.81 annexes A and F), Huffman coded.
 */
#include "ingest/dicom/jpeg_in.h"

static const uint8_t zigzag[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
				   12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
				   35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
				   58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* cos(k pi / 16) / 2 for k = 1..7; C0 = sqrt(1/8). In numbers, for libm's differ between machines.
 */
#define C0 0.35355339059327376220
#define C1 0.49039264020161522456
#define C2 0.46193976625564337806
#define C3 0.41573480615127261854
#define C4 0.35355339059327376220
#define C5 0.27778511650980111237
#define C6 0.19134171618254488586
#define C7 0.09754516100806413392

/* waves[u][x]: share of frequency u in place x. */
static const double waves[8][8] = {
	{C0, C0, C0, C0, C0, C0, C0, C0},     {C1, C3, C5, C7, -C7, -C5, -C3, -C1},
	{C2, C6, -C6, -C2, -C2, -C6, C6, C2}, {C3, -C7, -C1, -C5, C5, C1, C7, -C3},
	{C4, -C4, -C4, C4, C4, -C4, -C4, C4}, {C5, -C1, C7, C3, -C3, -C7, C1, -C5},
	{C6, -C2, C2, -C6, -C6, C2, -C2, C6}, {C7, -C5, C3, -C1, C1, -C3, C5, -C7}};

/* Inverse DCT of one block to samples. The sums run in one order on every machine. */
static void samples(const double coefficient[64], int precision, uint16_t *out, size_t stride)
{
	double half[64], most = (double)((1 << precision) - 1),
			 middle = (double)(1 << (precision - 1));
	for (int v = 0; v < 8; v++)
		for (int x = 0; x < 8; x++) {
			double sum = 0;
			for (int u = 0; u < 8; u++)
				sum += coefficient[8 * v + u] * waves[u][x];
			half[8 * v + x] = sum;
		}
	for (int y = 0; y < 8; y++)
		for (int x = 0; x < 8; x++) {
			double sum = middle + 0.5;
			for (int v = 0; v < 8; v++)
				sum += half[8 * v + x] * waves[v][y];
			sum = sum < 0 ? 0 : sum > most ? most : sum;
			out[(size_t)y * stride + (size_t)x] = (uint16_t)sum;
		}
}

/* The same for a block without any wave: by the same operations, less the zeros. */
static void one_sample(double mean, int precision, uint16_t *out, size_t stride)
{
	double most = (double)((1 << precision) - 1), middle = (double)(1 << (precision - 1));
	double sum = middle + 0.5 + mean * C0 * C0;
	sum = sum < 0 ? 0 : sum > most ? most : sum;
	for (int y = 0; y < 8; y++, out += stride)
		for (int x = 0; x < 8; x++)
			out[x] = (uint16_t)sum;
}

static bool block(struct jpeg *j, struct component *c, int bx, int by)
{
	double coefficient[64] = {0};
	bool flat = true;
	const uint16_t *q = j->quant[c->table];
	int n = jpeg_symbol(&j->bits, &j->dc[c->dc]);
	if (n < 0 || n > 15)
		return false;
	c->before += jpeg_difference(&j->bits, n);
	if (c->before > 1 << 20 || c->before < -(1 << 20))
		return false;
	coefficient[0] = (double)c->before * q[0];
	for (int k = 1; k < 64; k++) {
		int both = jpeg_symbol(&j->bits, &j->ac[c->ac]);
		if (both < 0)
			return false;
		n = both & 15;
		if (!n && both != 0xf0)
			break;
		k += both >> 4;
		if (!n)
			continue;
		if (k > 63)
			return false;
		flat = false;
		coefficient[zigzag[k]] = (double)jpeg_difference(&j->bits, n) * q[k];
	}
	size_t stride = 8 * (size_t)c->blocks_across;
	uint16_t *out = c->plane + 8 * ((size_t)by * stride + (size_t)bx);
	if (flat)
		one_sample(coefficient[0], j->precision, out, stride);
	else
		samples(coefficient, j->precision, out, stride);
	return true;
}

/* The blocks of one MCU; mx, my its place among those of the scan. */
static bool mcu(struct jpeg *j, int mx, int my)
{
	if (j->scan_count == 1)
		return block(j, j->scan[0], mx, my);
	for (int s = 0; s < j->scan_count; s++) {
		struct component *c = j->scan[s];
		for (int v = 0; v < c->v; v++)
			for (int h = 0; h < c->h; h++)
				if (!block(j, c, mx * c->h + h, my * c->v + v))
					return false;
	}
	return true;
}

static int ceil_div(int a, int b)
{
	return (a + b - 1) / b;
}

bool sm_jpeg_blocks(struct jpeg *j)
{
	int across = ceil_div(j->columns, 8 * j->h_most), down = ceil_div(j->rows, 8 * j->v_most);
	/* Se must be 63 and is 0 in samples of NEMA; it means nothing here. */
	if (j->ss != 0 || j->al != 0)
		return false;
	for (int s = 0; s < j->scan_count; s++) {
		struct component *c = j->scan[s];
		if (!j->dc[c->dc].there || !j->ac[c->ac].there || !j->quant_there[c->table])
			return false;
		c->before = 0;
	}
	if (j->scan_count == 1) {
		/* A.2.2: not interleaved, without the blocks that fill up MCUs. */
		const struct component *c = j->scan[0];
		across = ceil_div(ceil_div(j->columns * c->h, j->h_most), 8);
		down = ceil_div(ceil_div(j->rows * c->v, j->v_most), 8);
	}
	long done = 0;
	for (int y = 0; y < down; y++)
		for (int x = 0; x < across; x++, done++) {
			if (j->restart && done && done % j->restart == 0) {
				if (!sm_jpeg_restart(&j->bits, done / j->restart - 1))
					return false;
				for (int s = 0; s < j->scan_count; s++)
					j->scan[s]->before = 0;
			}
			if (!mcu(j, x, y) || jpeg_overrun(&j->bits))
				return false;
		}
	return true;
}

void sm_jpeg_planes(const struct jpeg *j, const struct sm_pixel_format *f, void *out)
{
	size_t step = (size_t)j->count;
	for (int s = 0; s < j->count; s++) {
		const struct component *c = &j->comp[s];
		size_t stride = 8 * (size_t)c->blocks_across, i = (size_t)s;
		for (int y = 0; y < j->rows; y++) {
			const uint16_t *from = c->plane + (size_t)(y * c->v / j->v_most) * stride;
			for (int x = 0; x < j->columns; x++, i += step) {
				uint16_t v = from[x * c->h / j->h_most];
				if (f->bits_allocated == 8)
					((uint8_t *)out)[i] = (uint8_t)v;
				else
					((uint16_t *)out)[i] = v;
			}
		}
	}
}
