/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/text_strokes.h"

#include <string.h>

#define REACH 10         /* strokes are at most this wide, pixels */
#define STROKES_SHARE 16 /* at most one stroke pixel for so many is kept */
#define SPIKE \
	1 /* a value is at least so often as those beside it, both sides, twice as wide each */
#define LEAST_EVEN 24 /* pixels of one value on strokes: four small letters */
/* Of these at least CROWD stand together in 3 x 3 cells somewhere, and are at least one of SHARE
 * strokes there: tissue's strokes have many values. No letter is MARGIN rows or more from them.
 * Measured by scripts/measure_burned_text.py. */
#define CROWD 10
#define SHARE 2
#define CELL_X 32
#define CELL_Y 8
#define MARGIN 32

/* Rows of running minima: of two, four and eight rows from one on. A ring each. */
#define RING_2 4
#define RING_4 8
#define RING_8 16

enum sm_status sm_text_strokes_init(struct sm_text_work *work, size_t pixels, struct sm_mem *mem,
				    struct sm_err *err)
{
	static const char what[] = "search for burned-in text";
	size_t rows = RING_2 + RING_4 + RING_8;
	work->strokes_most = (int)(pixels / STROKES_SHARE + 256);
	if ((work->rows = sm_alloc(mem, rows, SM_TEXT_SIDE * sizeof *work->rows, what, err)) &&
	    (work->tally = sm_calloc(mem, SM_TEXT_WHITE + 1, sizeof *work->tally, what, err)) &&
	    (work->values = sm_alloc(mem, SM_TEXT_WHITE + 1, sizeof *work->values, what, err)) &&
	    (work->strokes =
		     sm_alloc(mem, (size_t)work->strokes_most, sizeof *work->strokes, what, err)))
		return SM_OK;
	return SM_BUDGET;
}

void sm_text_strokes_clear(struct sm_text_work *work)
{
	sm_free(work->rows);
	sm_free(work->tally);
	sm_free(work->values);
	sm_free(work->strokes);
}

static inline int16_t lesser(int16_t a, int16_t b)
{
	return a < b ? a : b;
}

static inline int16_t greater(int16_t a, int16_t b)
{
	return a > b ? a : b;
}

SM_TEXT_CLONES static void lesser_of(const int16_t *restrict a, const int16_t *restrict b, int w,
				     int16_t *restrict out)
{
	for (int x = 0; x < w; x++)
		out[x] = lesser(a[x], b[x]);
}

/* out = how far each pixel of a row stands above the higher of the lowest grounds left and right of
 * it, or above and below (two windows of eight rows make ten, each side); no ground on one side
 * (the picture's edge) is no stroke. */
SM_TEXT_CLONES static void stand_out(const int16_t *restrict row, const int16_t *const up[2],
				     const int16_t *const down[2], int w, int16_t *restrict out)
{
	const int16_t *restrict a = up[0], *restrict b = up[1];
	const int16_t *restrict c = down[0], *restrict d = down[1];
	/* The lowest of four pixels from x, x + 4 and x + 6 on is the lowest of ten. */
	_Static_assert(REACH == 10, "three windows of four make ten");
	int16_t wide[SM_TEXT_SIDE + 2 * REACH + 8], four[SM_TEXT_SIDE + 2 * REACH + 8];
	int n = w + 2 * REACH - 3;
	for (int x = 0; x < REACH; x++)
		wide[x] = wide[x + REACH + w] = SM_TEXT_WHITE;
	memcpy(wide + REACH, row, (size_t)w * sizeof *row);
	for (int x = 0; x < n; x++)
		four[x] = lesser(lesser(wide[x], wide[x + 1]), lesser(wide[x + 2], wide[x + 3]));
	const int16_t *end = four + REACH + 1;
	for (int x = 0; x < w; x++) {
		int16_t left = lesser(lesser(four[x], four[x + 4]), four[x + 6]);
		int16_t right = lesser(lesser(end[x], end[x + 4]), end[x + 6]);
		int16_t high = greater(lesser(a[x], b[x]), lesser(c[x], d[x]));
		out[x] = (int16_t)(row[x] - lesser(high, greater(left, right)));
	}
}

/* 1 for stroke pixels that have no brighter and at least two equal neighbours beside, above, below:
 * text has one value, tissue has many. Without branches: vector code. */
SM_TEXT_CLONES static void mark_strokes(const int16_t *restrict row, ptrdiff_t w, int contrast,
					int even, const int16_t *restrict s, uint8_t *restrict out)
{
	int16_t e = (int16_t)even, least = (int16_t)contrast;
	for (ptrdiff_t x = 1; x < w - 1; x++) {
		int16_t v = row[x], l = (int16_t)(row[x - 1] - v), r = (int16_t)(row[x + 1] - v);
		int16_t u = (int16_t)(row[x - w] - v), d = (int16_t)(row[x + w] - v);
		int16_t most = greater(greater(l, r), greater(u, d)), f = (int16_t)-e;
		int16_t same = (int16_t)((l >= f) + (r >= f) + (u >= f) + (d >= f));
		out[x] = (uint8_t)((s[x] >= least) & (most <= e) & (same >= 2));
	}
}

/* Counts the values of stroke pixels, and keeps their places as long as there is room. */
static void count_strokes(const struct sm_text_plane *p, int y, const uint8_t *marked,
			  struct sm_text_work *work)
{
	const int16_t *v = p->v + (size_t)y * p->width;
	for (int from = 0; from < p->width; from += 64)
		for (uint64_t bits = sm_text_bits(marked + from); bits; bits &= bits - 1) {
			int x = from + __builtin_ctzll(bits);
			work->tally[v[x]]++;
			work->low = v[x] < work->low ? v[x] : work->low;
			work->high = v[x] > work->high ? v[x] : work->high;
			if (work->strokes_n < work->strokes_most)
				work->strokes[work->strokes_n] =
					(struct sm_text_stroke){(int16_t)x, (int16_t)y, v[x]};
			work->strokes_n++;
		}
}

void sm_text_strokes_find(const struct sm_text_plane *p, int contrast, int even,
			  struct sm_text_work *work)
{
	int w = p->width, h = p->height, rings = RING_2 + RING_4 + RING_8;
	int16_t *two = work->rows, *four = two + RING_2 * w, *eight = four + RING_4 * w;

	int16_t white[SM_TEXT_SIDE];
	uint8_t marked[SM_TEXT_SIDE + SM_TEXT_PAD] = {0};
	for (int v = work->low; v <= work->high; v++)
		work->tally[v] = 0;
	work->low = SM_TEXT_WHITE;
	work->high = work->strokes_n = 0;
	for (int x = 0; x < w; x++)
		white[x] = SM_TEXT_WHITE;
	for (int i = 0; i < rings * w; i++)
		work->rows[i] = SM_TEXT_WHITE;
		/* Ring places of row numbers that may be below 0. */
#define TWO(k) (two + ((k) & (RING_2 - 1)) * w)
#define FOUR(k) (four + ((k) & (RING_4 - 1)) * w)
#define EIGHT(k) (eight + ((k) & (RING_8 - 1)) * w)
#define ROW(k) ((k) >= 0 && (k) < h ? p->v + (ptrdiff_t)(k)*w : white)
	for (int y = -REACH; y < h; y++) {
		lesser_of(ROW(y + 9), ROW(y + 10), w, TWO(y + 9));
		lesser_of(TWO(y + 7), TWO(y + 9), w, FOUR(y + 7));
		lesser_of(FOUR(y + 3), FOUR(y + 7), w, EIGHT(y + 3));
		if (y >= 0)
			stand_out(ROW(y), (const int16_t *[]){EIGHT(y - 10), EIGHT(y - 8)},
				  (const int16_t *[]){EIGHT(y + 1), EIGHT(y + 3)}, w,
				  work->side + (ptrdiff_t)y * w);
		if (y <= 0 || y == h - 1)
			continue;
		mark_strokes(ROW(y), w, contrast, even, work->side + (ptrdiff_t)y * w, marked);
		count_strokes(p, y, marked, work);
	}
#undef TWO
#undef FOUR
#undef EIGHT
#undef ROW
}

/* How many strokes have a value from low to high. */
static int strokes_in(const int *tally, int low, int high)
{
	int sum = 0;
	for (int v = low < 0 ? 0 : low; v <= high && v <= SM_TEXT_WHITE; v++)
		sum += tally[v];
	return sum;
}

/* Values with strokes, in order; their number. */
static int list_values(struct sm_text_work *work)
{
	int n = 0;
	for (int v = work->low; v <= work->high; v++)
		if (work->tally[v])
			work->values[n++] = (int16_t)v;
	return n;
}

/* The value with most of the strokes within `even` of it, the lowest of such values. */
static int most_frequent(const struct sm_text_work *work, int n, int even, int *at)
{
	const int16_t *v = work->values;
	int best = 0, sum = 0, first = 0;
	*at = -1;
	for (int i = 0; i < n; i++) {
		int middle = v[i] - even > v[0] ? v[i] - even : v[0];
		sum += work->tally[v[i]];
		while (v[first] < middle - even)
			sum -= work->tally[v[first++]];
		/* The sum is the middle's own when no later value belongs to it. */
		bool whole = i + 1 == n || v[i + 1] > middle + even;
		if (whole && sum > best) {
			best = sum;
			*at = middle;
		}
	}
	return best;
}

int sm_text_inks_choose(struct sm_text_work *work, int even, int inks[SM_TEXT_INKS])
{
	int n = 0, width = 2 * even + 1, *tally = work->tally, values = list_values(work);
	for (int tries = 0; tries < 2 * SM_TEXT_INKS && n < SM_TEXT_INKS; tries++) {
		int at, best = most_frequent(work, values, even, &at);
		if (best < LEAST_EVEN)
			break;
		int below = strokes_in(tally, at - even - 2 * width, at - even - 1);
		int above = strokes_in(tally, at + even + 1, at + even + 2 * width);
		if (best * 2 > (below + above) * SPIKE)
			inks[n++] = at;
		for (int v = at - even; v <= at + even; v++)
			if (v >= 0 && v <= SM_TEXT_WHITE)
				tally[v] = 0;
	}
	return n;
}

bool sm_text_strokes_crowd(const struct sm_text_work *work, int ink, int even, int height,
			   int rows[2])
{
	/* Cells of the plane, and one around it. */
	uint16_t all[SM_TEXT_SIDE / CELL_Y + 2][SM_TEXT_SIDE / CELL_X + 2] = {{0}};
	uint16_t of_ink[SM_TEXT_SIDE / CELL_Y + 2][SM_TEXT_SIDE / CELL_X + 2] = {{0}};
	int first = height, last = -1;
	rows[0] = 0;
	rows[1] = height - 1;
	if (work->strokes_n > work->strokes_most)
		return true;
	for (int i = 0; i < work->strokes_n; i++) {
		const struct sm_text_stroke *s = &work->strokes[i];
		int y = s->y / CELL_Y + 1, x = s->x / CELL_X + 1;
		all[y][x]++;
		of_ink[y][x] += sm_text_alike(s->v, ink, even);
	}
	for (int y = 1; y <= (height - 1) / CELL_Y + 1; y++)
		for (int x = 1; x <= SM_TEXT_SIDE / CELL_X; x++) {
			int n = 0, most = 0;
			for (int k = 0; k < 9 && of_ink[y][x]; k++) {
				n += of_ink[y - 1 + k / 3][x - 1 + k % 3];
				most += all[y - 1 + k / 3][x - 1 + k % 3];
			}
			if (n < CROWD || n * SHARE < most)
				continue;
			first = y < first ? y : first;
			last = y;
		}
	if (last < 0)
		return false;
	first = (first - 2) * CELL_Y - MARGIN;
	last = (last + 1) * CELL_Y - 1 + MARGIN;
	rows[0] = first > 0 ? first : 0;
	rows[1] = last < rows[1] ? last : rows[1];
	return true;
}
