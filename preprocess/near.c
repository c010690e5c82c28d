/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/near.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/elementary.h"

#define CELLS 34 /* a window of 32 at three places along each axis */
#define WINDOW 32
#define LOW 16
#define BITS (LOW * LOW - 1)
#define LEAST 8 /* voxels along an axis of a plane */
#define FAR 0.4 /* unshifted distance beyond which no shift brings two hashes near */

/* axes[p]: columns, rows and normal of plane p. */
static const int axes[SM_NEAR_PLANES][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};

/* The mid slices of one plane, averaged: a picture of dim[u] columns and dim[v] rows. */
static void average(const struct sm_vol *vol, int64_t first, int64_t frames, int plane, double *out)
{
	const int *a = axes[plane];
	const int64_t *d = vol->dim;
	const int64_t step[3] = {1, d[0], d[0] * d[1]}, frame = d[0] * d[1] * d[2];
	int64_t n = d[a[2]], thick = n / 8 > 1 ? n / 8 : 1;
	thick += (n - thick) % 2 &&
		 thick < n; /* as many slices on both sides: mirrored it is the same slab */
	int64_t from = (n - thick) / 2;
	memset(out, 0, (size_t)(d[a[0]] * d[a[1]]) * sizeof *out);
	for (int64_t f = first; f < first + frames; f++)
		for (int64_t k = from; k < from + thick; k++)
			for (int64_t v = 0; v < d[a[1]]; v++) {
				size_t at = (size_t)(f * frame + k * step[a[2]] + v * step[a[1]]);
				double *row = out + v * d[a[0]];
				for (int64_t u = 0; u < d[a[0]]; u++, at += (size_t)step[a[0]])
					row[u] += sm_vol_at(vol, at);
			}
}

/* Means of `cells` equal parts of n values `step` apart; borders may cut a value. */
static void part_means(const double *in, int64_t n, int64_t step, double *out, int64_t out_step)
{
	for (int64_t i = 0; i < CELLS; i++) {
		double low = (double)(i * n) / CELLS, high = (double)((i + 1) * n) / CELLS, sum = 0;
		for (int64_t k = i * n / CELLS; k < n && (double)k < high; k++) {
			double from = low > (double)k ? low : (double)k,
			       to = high < (double)(k + 1) ? high : (double)(k + 1);
			sum += (to - from) * in[k * step];
		}
		out[i * out_step] = sum / (high - low);
	}
}

/* To CELLS x CELLS; false when the picture is constant. `lines` holds CELLS values a row. */
static bool shrink(const double *picture, int64_t width, int64_t height, double *lines,
		   double cells[CELLS][CELLS])
{
	bool same = true;
	for (int64_t i = 1; same && i < width * height; i++)
		same = picture[i] == picture[0];
	if (same)
		return false;
	for (int64_t v = 0; v < height; v++)
		part_means(picture + v * width, width, 1, lines + v * CELLS, 1);
	for (int64_t u = 0; u < CELLS; u++)
		part_means(lines + u, height, CELLS, &cells[0][u], CELLS);
	return true;
}

/* Cosine basis: wave[k][i] = cos(pi k (2 i + 1) / 64). */
static void make_waves(double wave[LOW][WINDOW])
{
	for (int k = 0; k < LOW; k++)
		for (int i = 0; i < WINDOW; i++)
			wave[k][i] = sm_sinpi((double)(k * (2 * i + 1)) / (2 * WINDOW) + 0.5);
}

/* Signs of the low frequencies of one window. */
static void signs(double cells[CELLS][CELLS], int du, int dv, double wave[LOW][WINDOW],
		  uint64_t bits[SM_NEAR_WORDS])
{
	double rows[WINDOW][LOW];
	memset(bits, 0, SM_NEAR_WORDS * sizeof *bits);
	for (int v = 0; v < WINDOW; v++)
		for (int k = 0; k < LOW; k++) {
			double sum = 0;
			for (int u = 0; u < WINDOW; u++)
				sum += wave[k][u] * cells[v + dv][u + du];
			rows[v][k] = sum;
		}
	for (int l = 0; l < LOW; l++)
		for (int k = 0; k < LOW; k++) {
			double sum = 0;
			for (int v = 0; v < WINDOW; v++)
				sum += wave[l][v] * rows[v][k];
			int bit = l * LOW + k;
			if (bit && sum > 0)
				bits[bit / 64] |= (uint64_t)1 << (bit % 64);
		}
}

enum sm_status sm_near_hash(const struct sm_vol *vol, int64_t first, int64_t frames,
			    struct sm_mem *mem, struct sm_near_hash *out, struct sm_err *err)
{
	const int64_t *d = vol->dim;
	double wave[LOW][WINDOW], cells[CELLS][CELLS];
	size_t most = 0;
	*out = (struct sm_near_hash){0};
	for (int p = 0; p < SM_NEAR_PLANES; p++) {
		size_t n = (size_t)(d[axes[p][0]] * d[axes[p][1]] + d[axes[p][1]] * CELLS);
		most = n > most ? n : most;
	}
	double *room = sm_alloc(mem, most, sizeof *room, "mid slices", err);
	if (!room)
		return SM_BUDGET;
	make_waves(wave);
	for (int p = 0; p < SM_NEAR_PLANES; p++) {
		int64_t width = d[axes[p][0]], height = d[axes[p][1]];
		if (width < LEAST || height < LEAST)
			continue;
		average(vol, first, frames, p, room);
		out->has[p] = shrink(room, width, height, room + width * height, cells);
		for (int s = 0; out->has[p] && s < SM_NEAR_SHIFTS; s++)
			signs(cells, s % 3, s / 3, wave, out->bits[p][s]);
	}
	sm_free(room);
	return SM_OK;
}

/* Mirroring a picture changes the sign of its odd frequencies: odd columns are every second bit,
 * odd rows every second 16 bits. The same in each word. */
static uint64_t mirror_mask(int plane, unsigned flip)
{
	uint64_t columns = flip >> axes[plane][0] & 1 ? 0xaaaaaaaaaaaaaaaa : 0,
		 rows = flip >> axes[plane][1] & 1 ? 0xffff0000ffff0000 : 0;
	return columns ^ rows;
}

/* Bits of four words. (The compiler's own count is a call where the processor's instruction is not
 * sure to be there.) */
static int count4(const uint64_t v[SM_NEAR_WORDS])
{
	uint64_t bytes = 0;
	for (int w = 0; w < SM_NEAR_WORDS; w++) {
		uint64_t x = v[w] - (v[w] >> 1 & 0x5555555555555555);
		x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
		bytes += (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	}
	/* up to 32 a byte, 256 in all: one more than fits into the product's highest byte */
	bytes = (bytes & 0x00ff00ff00ff00ff) + (bytes >> 8 & 0x00ff00ff00ff00ff);
	return (int)(bytes * 0x0001000100010001 >> 48);
}

static int differ(const uint64_t *a, const uint64_t *b, uint64_t mask)
{
	uint64_t v[SM_NEAR_WORDS];
	for (int w = 0; w < SM_NEAR_WORDS; w++)
		v[w] = a[w] ^ b[w] ^ mask;
	return count4(v);
}

/* Least number of bits over the shifts of either. */
static int differ_shifted(const uint64_t (*a)[SM_NEAR_WORDS], const uint64_t (*b)[SM_NEAR_WORDS],
			  uint64_t mask)
{
	int least = BITS;
	for (int s = 0; s < SM_NEAR_SHIFTS; s++) {
		int one = differ(a[s], b[SM_NEAR_MIDDLE], mask),
		    other = differ(a[SM_NEAR_MIDDLE], b[s], mask);
		least = one < least ? one : least;
		least = other < least ? other : least;
	}
	return least;
}

int sm_near_planes(const struct sm_near_hash *a, const struct sm_near_hash *b)
{
	int n = 0;
	for (int p = 0; p < SM_NEAR_PLANES; p++)
		n += a->has[p] && b->has[p];
	return n;
}

double sm_near_distance(const struct sm_near_hash *a, const struct sm_near_hash *b, unsigned *flip)
{
	double best = 1;
	for (unsigned f = 0; f < 8; f++) {
		int planes = 0, bits = 0;
		for (int p = 0; p < SM_NEAR_PLANES; p++) {
			if (!a->has[p] || !b->has[p])
				continue;
			bits += differ(a->bits[p][SM_NEAR_MIDDLE], b->bits[p][SM_NEAR_MIDDLE],
				       mirror_mask(p, f));
			planes++;
		}
		if (!planes || bits > FAR * BITS * planes)
			continue;
		bits = 0;
		for (int p = 0; p < SM_NEAR_PLANES; p++)
			if (a->has[p] && b->has[p])
				bits += differ_shifted(a->bits[p], b->bits[p], mirror_mask(p, f));
		double distance = (double)bits / (BITS * planes);
		if (distance < best) {
			best = distance;
			if (flip)
				*flip = f;
		}
	}
	if (best == 1 && flip)
		*flip = 0;
	return best;
}

void sm_near_to_text(const struct sm_near_hash *hash, char text[SM_NEAR_TEXT])
{
	size_t n = 0;
	for (int p = 0; p < SM_NEAR_PLANES; p++) {
		if (!hash->has[p])
			text[n++] = '-';
		for (int w = 0; hash->has[p] && w < SM_NEAR_WORDS; w++, n += 16)
			snprintf(text + n, 17, "%016llx",
				 (unsigned long long)hash->bits[p][SM_NEAR_MIDDLE][w]);
	}
	text[n] = 0;
}

bool sm_near_of_text(const char *text, struct sm_near_hash *out)
{
	*out = (struct sm_near_hash){0};
	for (int p = 0; p < SM_NEAR_PLANES; p++) {
		if (*text == '-') {
			text++;
			continue;
		}
		if (strspn(text, "0123456789abcdef") < SM_NEAR_WORDS * 16)
			return false;
		out->has[p] = true;
		for (int w = 0; w < SM_NEAR_WORDS; w++) {
			uint64_t v = 0;
			for (int i = 0; i < 16; i++, text++)
				v = v << 4 |
				    (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
			for (int s = 0; s < SM_NEAR_SHIFTS; s++)
				out->bits[p][s][w] = v;
		}
	}
	return *text == 0;
}
