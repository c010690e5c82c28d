/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/text_screen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/burned/text_levels.h"
#include "ingest/burned/text_strokes.h"

#define NEAR 3 /* the ground beside a stem is looked for so far from each of its pixels, */
#define FAR 9  /* and so far: one of the two is neither the stem nor the next letter's */
#define STEP 3 /* every third row: a letter of seven has two of them */
#define TILE 64
#define LEAST_STEMS \
	10 /* pixels of stems in two tiles side by side; three small letters have more */
/* Of these so many have one value, and one in so many. */
#define LEAST_ALIKE 9
#define SHARE_ALIKE 4

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Differences as unsigned numbers of the same size, which hold them all. */
#define APART(utype, more, less, least) \
	(((more) > (less)) & ((utype)((utype)(more) - (utype)(less)) >= (least)))
#define SAME(utype, a, b, even) ((utype)((utype)(a) - (utype)(b) + (even)) <= (utype)(2 * (even)))
#define APART_REAL(utype, more, less, least) ((utype)((more) - (less)) >= (least))
#define SAME_REAL(utype, a, b, even) (((a) - (b) <= (even)) & ((b) - (a) <= (even)))

/* Pixels of bright stems and of dark ones in each of some columns. */
struct tile {
	uint8_t stems[2][TILE];
	int sum[2];
	int64_t x;
};

/* Stems in TILE columns of some rows. Plain loops of one type and of fixed length: vector code. */
#define SCREEN(name, type, utype, count, IS_APART, IS_SAME) \
	SM_TEXT_CLONES static void name(const type *at, ptrdiff_t width, int rows, utype contrast, \
					utype even, struct tile *t) \
	{ \
		count stems[2][TILE] = {{0}}; \
		for (int r = 0; r < rows; r++, at += STEP * width) \
			for (int x = 0; x < TILE; x++) { \
				type v = at[x], up = at[x - width], down = at[x + width]; \
				type a = at[x - NEAR], b = at[x - FAR]; \
				type c = at[x + NEAR], d = at[x + FAR]; \
				type low = MAX(MIN(a, b), MIN(c, d)); \
				type high = MIN(MAX(a, b), MAX(c, d)); \
				count same = IS_SAME(utype, v, up, even) & \
					     IS_SAME(utype, v, down, even); \
				count one = same & IS_APART(utype, v, low, contrast); \
				count two = same & IS_APART(utype, high, v, contrast); \
				stems[0][x] = (count)(stems[0][x] + one); \
				stems[1][x] = (count)(stems[1][x] + two); \
			} \
		for (int k = 0; k < 2; k++) { \
			uint16_t sum = 0; \
			for (int x = 0; x < TILE; x++) { \
				t->stems[k][x] = (uint8_t)stems[k][x]; \
				sum = (uint16_t)(sum + (uint8_t)stems[k][x]); \
			} \
			t->sum[k] = sum; \
		} \
	}

SCREEN(screen_u8, uint8_t, uint8_t, uint8_t, APART, SAME)
SCREEN(screen_i8, int8_t, uint8_t, uint8_t, APART, SAME)
SCREEN(screen_u16, uint16_t, uint16_t, uint16_t, APART, SAME)
SCREEN(screen_i16, int16_t, uint16_t, uint16_t, APART, SAME)
SCREEN(screen_u32, uint32_t, uint32_t, uint32_t, APART, SAME)
SCREEN(screen_i32, int32_t, uint32_t, uint32_t, APART, SAME)
SCREEN(screen_u64, uint64_t, uint64_t, uint64_t, APART, SAME)
SCREEN(screen_i64, int64_t, uint64_t, uint64_t, APART, SAME)
SCREEN(screen_f32, float, float, uint32_t, APART_REAL, SAME_REAL)
SCREEN(screen_f64, double, double, uint64_t, APART_REAL, SAME_REAL)

static void screen(const void *slice, enum sm_dtype dtype, size_t at, ptrdiff_t width, int rows,
		   double contrast, double even, struct tile *t)
{
#define CASE(which, name, type, utype) \
	case which: \
		name((const type *)slice + at, width, rows, (utype)contrast, (utype)even, t); \
		break
	switch (dtype) {
		CASE(SM_U8, screen_u8, uint8_t, uint8_t);
		CASE(SM_I8, screen_i8, int8_t, uint8_t);
		CASE(SM_U16, screen_u16, uint16_t, uint16_t);
		CASE(SM_I16, screen_i16, int16_t, uint16_t);
		CASE(SM_U32, screen_u32, uint32_t, uint32_t);
		CASE(SM_I32, screen_i32, int32_t, uint32_t);
		CASE(SM_U64, screen_u64, uint64_t, uint64_t);
		CASE(SM_I64, screen_i64, int64_t, uint64_t);
		CASE(SM_F32, screen_f32, float, float);
		CASE(SM_F64, screen_f64, double, double);
	}
#undef CASE
}

static int by_size(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

/* Have enough stems in two tiles one value? Letters have; edges of tissue have not. */
static bool have_one_value(const void *slice, enum sm_dtype dtype, int64_t width, int64_t y,
			   int rows, const struct tile t[2], int dark, double contrast, double even)
{
	double v[2 * TILE * (SM_TEXT_BAND / STEP + 1)];
	int n = 0, most = 0;
	for (int i = 0; i < 2 * TILE; i++)
		for (int r = 0; t[i / TILE].stems[dark][i % TILE] && r < rows; r++) {
			static const int away[4] = {-NEAR, -FAR, NEAR, FAR};
			int64_t at = (y + r * STEP) * width + t[i / TILE].x + i % TILE;
			double p = sm_text_stored(slice, dtype, (size_t)at), side[4];
			double up = sm_text_stored(slice, dtype, (size_t)(at - width));
			double down = sm_text_stored(slice, dtype, (size_t)(at + width));
			if (!(fabs(p - up) <= even && fabs(p - down) <= even))
				continue;
			for (int k = 0; k < 4; k++) {
				side[k] = p - sm_text_stored(slice, dtype, (size_t)(at + away[k]));
				side[k] = dark ? -side[k] : side[k];
			}
			if (fmax(side[0], side[1]) >= contrast &&
			    fmax(side[2], side[3]) >= contrast)
				v[n++] = p;
		}
	qsort(v, (size_t)n, sizeof *v, by_size);
	for (int i = 0, first = 0; i < n; i++) {
		while (v[i] - v[first] > even)
			first++;
		most = i - first + 1 > most ? i - first + 1 : most;
	}
	return most >= LEAST_ALIKE && SHARE_ALIKE * most >= n;
}

/* The first `skip` columns belong to the tile before. */
static void leave_out(struct tile *t, int64_t x, int skip)
{
	t->x = x;
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < skip; i++) {
			t->sum[k] -= t->stems[k][i];
			t->stems[k][i] = 0;
		}
}

uint8_t sm_text_screen(const void *slice, enum sm_dtype dtype, int64_t width, int64_t height,
		       int64_t y, double contrast, double even)
{
	static const uint8_t bits[2] = {SM_TEXT_BRIGHT, SM_TEXT_DARK};
	int64_t first = y > 0 ? y : 1;
	int64_t end = y + SM_TEXT_BAND < height - 1 ? y + SM_TEXT_BAND : height - 1;
	int rows = first < end ? (int)((end - first + STEP - 1) / STEP) : 0;
	_Static_assert(SM_TEXT_NARROW == TILE + 2 * FAR, "a tile and the ground beside it");
	if (width < SM_TEXT_NARROW)
		return 0;
	struct tile t[2] = {0}, *now = t; /* one after the other */
	uint8_t verdict = 0;
	for (int64_t x = FAR; rows && x < width - FAR; x += TILE) {
		int64_t last = width - FAR - TILE, from = x < last ? x : last;
		screen(slice, dtype, (size_t)(first * width + from), (ptrdiff_t)width, rows,
		       contrast, even, now);
		leave_out(now, from, (int)(x - from));
		for (int k = 0; k < 2; k++)
			if (!(verdict & bits[k]) && t[0].sum[k] + t[1].sum[k] >= LEAST_STEMS &&
			    have_one_value(slice, dtype, width, first, rows, t, k, contrast, even))
				verdict |= bits[k];
		now = now == t ? t + 1 : t;
	}
	return verdict;
}
