/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text_lines.h"

#include <stdlib.h>
#include <string.h>

#define REACH 10     /* strokes are at most this wide, pixels */
#define RUNS_SHARE 8 /* at most one run of ink for so many pixels, else the plane is no text */
#define MARKS 4000   /* more letters than a full page has: a texture */
#define INKS 6       /* the most frequent stroke values that are tried */
#define LOWEST 5     /* letters are this high at least, pixels */
#define HIGHEST 160
#define SPIKE \
	1 /* a value is at least so often as those beside it, both sides, twice as wide each */
#define LEAST_EVEN 24 /* pixels of one value on strokes: four small letters */

/* What counts as ink in one pass. */
struct ink {
	int value; /* brightness of the strokes; -1 = any: letters with soft edges on an even ground
		    */
	int least; /* how far ink stands above its ground at least; for value -1 */
	int contrast, even;
};

/* Neighbouring ink pixels of one row, and the mark they belong to. */
struct run {
	int y, x0, x1;
	int parent; /* union-find over runs */
};

/* Connected ink: a letter, or letters that touch. */
struct mark {
	int x0, y0, x1, y1;
	int area, even;   /* pixels; those of the ink's very value */
	int across, down; /* runs in rows, in columns */
	int hot, sharp; /* neighbours that are brighter than ink; ends of runs that fall within two
			   pixels */
	int stand;      /* how far its highest pixel stands above the ground */
};

enum sm_status sm_text_work_init(struct sm_text_work *work, size_t pixels, struct sm_mem *mem,
				 struct sm_err *err)
{
	static const char what[] = "search for burned-in text";
	size_t most = pixels / RUNS_SHARE + 256;
	memset(work, 0, sizeof *work);
	work->pixels = pixels;
	work->runs_most = (int)most;
	work->side = sm_alloc(mem, pixels, sizeof *work->side, what, err);
	work->ink = work->side ? sm_alloc(mem, pixels, 1, what, err) : NULL;
	work->tally =
		work->ink ? sm_alloc(mem, SM_TEXT_WHITE + 1, sizeof *work->tally, what, err) : NULL;
	work->runs = work->tally ? sm_alloc(mem, most, sizeof(struct run), what, err) : NULL;
	work->marks = work->runs ? sm_alloc(mem, most, sizeof(struct mark), what, err) : NULL;
	if (work->marks)
		return SM_OK;
	sm_text_work_clear(work);
	return SM_BUDGET;
}

void sm_text_work_clear(struct sm_text_work *work)
{
	sm_free(work->side);
	sm_free(work->ink);
	sm_free(work->tally);
	sm_free(work->runs);
	sm_free(work->marks);
	memset(work, 0, sizeof *work);
}

static inline int16_t lesser(int16_t a, int16_t b)
{
	return a < b ? a : b;
}

static inline int16_t greater(int16_t a, int16_t b)
{
	return a > b ? a : b;
}

/* out = how far each pixel of row y stands above the higher of the lowest grounds left and right of
 * it, or above and below; no ground on one side (the picture's edge) is no stroke. */
static void stand_out(const struct sm_text_plane *p, int y, int16_t *restrict out)
{
	int w = p->width;
	const int16_t *row = p->v + (size_t)y * w;
	int up = y < REACH ? y : REACH,
	    down = p->height - 1 - y < REACH ? p->height - 1 - y : REACH;
	int16_t low[2][SM_TEXT_SIDE];
	for (int x = 0; x < w; x++)
		low[0][x] = low[1][x] = SM_TEXT_WHITE;
	for (int k = 1; k <= up; k++)
		for (int x = 0; x < w; x++)
			low[0][x] = lesser(low[0][x], row[x - (ptrdiff_t)k * w]);
	for (int k = 1; k <= down; k++)
		for (int x = 0; x < w; x++)
			low[1][x] = lesser(low[1][x], row[x + (ptrdiff_t)k * w]);
	for (int x = 0; x < w; x++)
		out[x] = (int16_t)(row[x] - greater(low[0][x], low[1][x]));
	/* The lowest of eight pixels from x on, twice, is the lowest of ten. */
	_Static_assert(REACH == 10, "two windows of eight make ten");
	int16_t wide[SM_TEXT_SIDE + 2 * REACH + 8], two[sizeof wide / 2], four[sizeof wide / 2];
	int n = w + 2 * REACH;
	for (int x = 0; x < REACH; x++)
		wide[x] = wide[x + REACH + w] = SM_TEXT_WHITE;
	memcpy(wide + REACH, row, (size_t)w * sizeof *row);
	for (int x = 0; x < n - 1; x++)
		two[x] = lesser(wide[x], wide[x + 1]);
	for (int x = 0; x < n - 3; x++)
		four[x] = lesser(two[x], two[x + 2]);
	for (int x = 0; x < n - 7; x++)
		two[x] = lesser(four[x], four[x + 4]);
	for (int x = 0; x < w; x++) {
		int16_t left = lesser(two[x], two[x + 2]);
		int16_t right = lesser(two[x + REACH + 1], two[x + REACH + 3]);
		out[x] = greater(out[x], (int16_t)(row[x] - greater(left, right)));
	}
}

static inline bool alike(int a, int b, int even)
{
	return a - b <= even && b - a <= even;
}

/* 1 for stroke pixels that have no brighter and at least two equal neighbours beside, above, below:
 * text has one value, tissue has many. Without branches: vector code. */
static void mark_strokes(const struct sm_text_plane *p, int y, int contrast, int even,
			 const int16_t *side, uint8_t *restrict out)
{
	ptrdiff_t w = p->width;
	const int16_t *row = p->v + y * w, *s = side + y * w;
	int16_t e = (int16_t)even, least = (int16_t)contrast;
	for (ptrdiff_t x = 1; x < w - 1; x++) {
		int16_t v = row[x], l = (int16_t)(row[x - 1] - v), r = (int16_t)(row[x + 1] - v);
		int16_t u = (int16_t)(row[x - w] - v), d = (int16_t)(row[x + w] - v);
		int16_t most = greater(greater(l, r), greater(u, d)), f = (int16_t)-e;
		int16_t same = (int16_t)((l >= f) + (r >= f) + (u >= f) + (d >= f));
		out[x] = (uint8_t)((s[x] >= least) & (most <= e) & (same >= 2));
	}
}

/* Counts the values of stroke pixels. */
static void tally_strokes(const struct sm_text_plane *p, int contrast, int even,
			  const int16_t *side, uint8_t *row, int *tally)
{
	memset(tally, 0, (SM_TEXT_WHITE + 1) * sizeof *tally);
	memset(row, 0, (size_t)p->width);
	for (int y = 1; y < p->height - 1; y++) {
		const int16_t *v = p->v + (size_t)y * p->width;
		mark_strokes(p, y, contrast, even, side, row);
		for (int x = 0; x < p->width; x++) {
			const uint8_t *hit = memchr(row + x, 1, (size_t)(p->width - x));
			if (!hit)
				break;
			x = (int)(hit - row);
			tally[v[x]]++;
		}
	}
}

/* How many strokes have a value from low to high. */
static int strokes_in(const int *tally, int low, int high)
{
	int sum = 0;
	for (int v = low < 0 ? 0 : low; v <= high && v <= SM_TEXT_WHITE; v++)
		sum += tally[v];
	return sum;
}

/* The most frequent values, at most INKS, each with the neighbours `even` around it; erases them. A
 * value must stand out among those beside it: tissue's values are spread. */
static int choose_inks(int *tally, int even, int inks[INKS])
{
	int n = 0, width = 2 * even + 1, low = 0, high = SM_TEXT_WHITE;
	while (low < SM_TEXT_WHITE && !tally[low])
		low++;
	while (high > low && !tally[high])
		high--;
	for (int tries = 0; tries < 2 * INKS && n < INKS; tries++) {
		int best = 0, at = -1, sum = 0;
		for (int v = low - even; v <= high; v++) {
			sum += v + even <= high ? tally[v + even] : 0;
			sum -= v - even - 1 >= low ? tally[v - even - 1] : 0;
			if (v >= low && sum > best) {
				best = sum;
				at = v;
			}
		}
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

/* Ink: brighter than half way from the ground to the strokes' value, so that soft edges belong to
 * it. */
static void mark_ink(const struct sm_text_plane *p, const struct ink *k, const int16_t *side,
		     uint8_t *restrict ink)
{
	size_t n = (size_t)p->width * (size_t)p->height;
	int16_t least = (int16_t)(k->value < 0 ? k->least : (k->contrast + 1) / 2);
	int16_t most =
		(int16_t)(k->value + k->even < SM_TEXT_WHITE ? k->value + k->even : SM_TEXT_WHITE);
	int16_t value = (int16_t)k->value;
	if (k->value < 0)
		for (size_t i = 0; i < n; i++)
			ink[i] = side[i] >= least;
	else
		for (size_t i = 0; i < n; i++)
			ink[i] = (uint8_t)((p->v[i] <= most) &
					   ((int16_t)(value - p->v[i]) <= side[i]) &
					   (side[i] >= least));
}

static int root_of(struct run *runs, int i)
{
	while (runs[i].parent != i) {
		runs[i].parent = runs[runs[i].parent].parent;
		i = runs[i].parent;
	}
	return i;
}

/* Runs of ink, those that touch (corners too) joined under their first run; 0 when there are too
 * many. */
static int find_runs(const struct sm_text_plane *p, const uint8_t *ink, struct run *runs, int most)
{
	int n = 0, above = 0, above_end = 0;
	for (int y = 0; y < p->height; y++) {
		const uint8_t *row = ink + (size_t)y * p->width;
		int first = n, k = above;
		for (int x = 0; x < p->width; x++) {
			const uint8_t *hit = memchr(row + x, 1, (size_t)(p->width - x));
			if (!hit)
				break;
			int x0 = x = (int)(hit - row);
			while (x < p->width && row[x])
				x++;
			if (n == most)
				return 0;
			runs[n] = (struct run){y, x0, x - 1, n};
			while (k < above_end && runs[k].x1 < x0 - 1)
				k++;
			for (int j = k; j < above_end && runs[j].x0 <= x; j++) {
				int a = root_of(runs, j), b = root_of(runs, n);
				runs[a > b ? a : b].parent = a > b ? b : a;
			}
			n++;
		}
		above = first;
		above_end = n;
	}
	return n;
}

/* A stroke's width: the smaller of the mean lengths of runs in rows and in columns. */
static double stroke_of(const struct mark *m)
{
	double across = (double)m->area / m->across, down = (double)m->area / m->down;
	return across < down ? across : down;
}

static bool is_letter(const struct mark *m, const struct ink *k)
{
	int w = m->x1 - m->x0 + 1, h = m->y1 - m->y0 + 1;
	if (h < LOWEST || h > HIGHEST || w > 8 * h || (k->value >= 0 && m->even * 20 < m->area))
		return false;
	if (stroke_of(m) > h * 0.45)
		return false;
	return 2 * w < h || m->area * 100 < 85 * w * h;
}

/* What stands beside a run: ink is the brightest of its neighbourhood, and its edges are drawn, not
 * blurred. */
static void look_around(const struct sm_text_plane *p, const struct run *r, const struct ink *k,
			const int16_t *side, struct mark *m)
{
	const int16_t *v = p->v + (size_t)r->y * p->width;
	int left = r->x0 > 1 ? r->x0 - 2 : 0,
	    right = r->x1 < p->width - 2 ? r->x1 + 2 : p->width - 1;
	int stand = 0, peak = 0, most = k->value + k->even;
	side += (size_t)r->y * p->width;
	for (int x = r->x0; x <= r->x1; x++) {
		m->hot += r->y > 0 && v[x - p->width] > most;
		m->hot += r->y < p->height - 1 && v[x + p->width] > most;
		m->even += alike(v[x], k->value, k->even);
		stand = side[x] > stand ? side[x] : stand;
		peak = v[x] > peak ? v[x] : peak;
	}
	m->hot +=
		(r->x0 > 0 && v[r->x0 - 1] > most) + (r->x1 < p->width - 1 && v[r->x1 + 1] > most);
	peak = k->value < 0 ? peak : k->value;
	m->sharp += (peak - v[left]) * 10 >= stand * 7;
	m->sharp += (peak - v[right]) * 10 >= stand * 7;
	m->stand = stand > m->stand ? stand : m->stand;
}

/* Could a mark of this box be a letter? What the picture's edge cuts is none. Most ink is tissue of other
 * sizes, and a closer look at it costs more than all the rest. */
static bool has_size(const struct sm_text_plane *p, const struct mark *m)
{
	int w = m->x1 - m->x0 + 1, h = m->y1 - m->y0 + 1;
	return h >= LOWEST && h <= HIGHEST && w <= 8 * h &&
	       (2 * w < h || m->area * 100 < 85 * w * h) && m->x0 > 0 && m->y0 > 0 &&
	       m->x1 < p->width - 1 && m->y1 < p->height - 1;
}

/* Boxes and areas of marks, each at the place of its first run; those of other sizes get no area. Afterwards
 * each run names its mark. */
static void find_marks(const struct sm_text_plane *p, struct run *runs, struct mark *marks, int n)
{
	for (int i = 0; i < n; i++) {
		const struct run *r = &runs[i];
		struct mark *m = &marks[root_of(runs, i)];
		runs[i].parent = (int)(m - marks);
		if (m == &marks[i]) /* a mark's first run is its root */
			*m = (struct mark){.x0 = r->x0, .y0 = r->y, .x1 = r->x1, .y1 = r->y};
		else
			marks[i].area = 0;
		m->x0 = r->x0 < m->x0 ? r->x0 : m->x0;
		m->x1 = r->x1 > m->x1 ? r->x1 : m->x1;
		m->y1 = r->y > m->y1 ? r->y : m->y1;
		m->area += r->x1 - r->x0 + 1;
		m->across++;
	}
	for (int i = 0; i < n; i++)
		if (marks[i].area && !has_size(p, &marks[i]))
			marks[i].area = 0;
}

/* Letters among the runs, compacted; their number. */
static int find_letters(const struct sm_text_plane *p, const struct ink *k,
			struct sm_text_work *work, int n)
{
	struct mark *marks = work->marks;
	find_marks(p, work->runs, marks, n);
	for (int i = 0; i < n; i++) {
		const struct run *r = (struct run *)work->runs + i;
		struct mark *m = &marks[r->parent];
		const uint8_t *row = work->ink + (size_t)r->y * p->width;
		if (!m->area)
			continue;
		look_around(p, r, k, work->side, m);
		for (int x = r->x0; x <= r->x1; x++)
			m->down += r->y == 0 || !row[x - p->width];
	}
	int kept = 0;
	for (int i = 0; i < n && kept < MARKS; i++)
		if (marks[i].area && is_letter(&marks[i], k))
			marks[kept++] = marks[i];
	return kept;
}

static int by_place(const void *a, const void *b)
{
	const struct mark *p = a, *q = b;
	if (p->x0 != q->x0)
		return p->x0 < q->x0 ? -1 : 1;
	return p->y0 < q->y0 ? -1 : p->y0 > q->y0;
}

/* Letters that a mark may stand for: touching ones are as many as their width and strokes allow. */
static int letters_of(const struct mark *m)
{
	int w = m->x1 - m->x0 + 1, h = m->y1 - m->y0 + 1;
	double rows = (double)m->across / h; /* strokes that a row meets */
	int by_width = (int)(w / (0.8 * h) + 0.5), by_strokes = (int)(rows / 1.1 + 0.5);
	int n = by_width < by_strokes ? by_width : by_strokes;
	return n > 1 ? n : 1;
}

/* The next letter to the right on the same line, -1 when there is none. */
static int next_letter(const struct mark *marks, int n, int i)
{
	const struct mark *a = &marks[i];
	int ah = a->y1 - a->y0 + 1, best = -1, best_gap = 0;
	for (int j = i + 1; j < n; j++) {
		const struct mark *b = &marks[j];
		int bh = b->y1 - b->y0 + 1, high = ah > bh ? ah : bh, low = ah > bh ? bh : ah;
		int gap = b->x0 - a->x1 - 1;
		if (b->x0 - a->x1 > 2 * HIGHEST)
			break;
		int top = a->y0 > b->y0 ? a->y0 : b->y0, bottom = a->y1 < b->y1 ? a->y1 : b->y1;
		if (gap < -low / 3 || gap * 10 > high * 16 || high * 10 > low * 22 ||
		    2 * (bottom - top + 1) < low)
			continue;
		if (best < 0 || gap < best_gap) {
			best = j;
			best_gap = gap;
		}
	}
	return best;
}

static int by_number(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static int median(int *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_number);
	return v[n / 2];
}

#define LONGEST 128

/* What a line must show, one of these, in per cent; more when it is short. Measured by
 * scripts/measure_burned_text.py: tissue has brighter neighbours, edges that fall slowly, and few
 * pixels of one value. */
struct proof {
	int letters; /* holds for lines of at least so many */
	int level;   /* marks that stand on the line */
	int even;    /* pixels of the ink's very value */
	int hot; /* at most so many neighbours that are brighter than ink, for 100 pixels of ink */
	int sharp; /* sharp ends of runs */
};
#define SOFT_LEVEL 66
#define SOFT_SHARP 75
static const struct proof proofs[] = {
	{8, 50, 20, 15, 50},
	{4, 66, 30, 8, 65},
	{6, 80, 90, 30, 55}, /* one value: drawn, even where brighter tissue touches it */
	{3, 100, 50, 5, 75}, /* and an even ground */
};

/* Is the ground between and around soft letters even? Tissue is not. */
static bool ground_is_even(const struct sm_text_plane *p, const uint8_t *ink, int stand,
			   const struct sm_text_line *line)
{
	int w = p->width, h = p->height, margin = 3;
	int x0 = line->low[0] > margin ? line->low[0] - margin : 1;
	int y0 = line->low[1] > margin ? line->low[1] - margin : 1;
	int x1 = line->high[0] + margin < w - 1 ? line->high[0] + margin : w - 2;
	int y1 = line->high[1] + margin < h - 1 ? line->high[1] + margin : h - 2;
	int64_t sum = 0, n = 0, bad = 0, mean = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (int y = y0; y <= y1; y++)
			for (int x = x0; x <= x1; x++) {
				bool near = false;
				for (int b = -1; b <= 1; b++)
					for (int a = -1; a <= 1; a++)
						near |= ink[(size_t)(y + b) * w + x + a];
				int v = p->v[(size_t)y * w + x];
				if (near)
					continue;
				if (pass)
					bad += !alike(v, (int)mean, stand / 5);
				n += !pass;
				sum += pass ? 0 : v;
			}
		if (!n)
			return false;
		mean = sum / n;
	}
	return bad * 20 <= n;
}

/* Are these marks a line of text? Most stand on one line, and they are not all the same bar. */
static bool judge(const struct mark *const *chain, int n, const struct ink *k,
		  const struct sm_text_plane *plane, const uint8_t *ink, struct sm_text_line *out)
{
	int top[LONGEST], bottom[LONGEST], height[LONGEST], letters = 0, level = 0, bars = 0;
	int least = SM_TEXT_WHITE, stand = 0;
	double stroke = 0;
	long area = 0, even = 0, hot = 0, sharp = 0, ends = 0;
	*out = (struct sm_text_line){.low = {1 << 30, 1 << 30}, .high = {-1, -1}, .ink = k->value};
	for (int i = 0; i < n; i++) {
		const struct mark *m = chain[i];
		top[i] = m->y0;
		bottom[i] = m->y1;
		height[i] = m->y1 - m->y0 + 1;
		letters += letters_of(m);
		area += m->area;
		even += m->even;
		hot += m->hot;
		sharp += m->sharp;
		ends += 2L * m->across;
		stroke += stroke_of(m) / n;
		least = m->stand < least ? m->stand : least;
		stand = m->stand > stand ? m->stand : stand;
		bars += m->area * 100 >= 80 * height[i] * (m->x1 - m->x0 + 1);
		out->low[0] = m->x0 < out->low[0] ? m->x0 : out->low[0];
		out->low[1] = m->y0 < out->low[1] ? m->y0 : out->low[1];
		out->high[0] = m->x1 > out->high[0] ? m->x1 : out->high[0];
		out->high[1] = m->y1 > out->high[1] ? m->y1 : out->high[1];
	}
	int base = median(bottom, n), roof = median(top, n), high = median(height, n);
	int slack = high / 8 > 1 ? high / 8 : 1, hang = 0;
	for (int i = 0; i < n; i++) {
		level += alike(chain[i]->y1, base, slack);
		hang += alike(chain[i]->y0, roof, slack);
	}
	/* NIfTI rows often run upwards: the line stands on its head. */
	level = hang > level ? hang : level;
	out->letters = letters;
	out->letter_height = high;
	if (n < 3 || letters < 3 || (n < 4 && letters > 3 && letters < 6) || bars * 2 > n ||
	    stroke * 12 < high || out->high[1] - out->low[1] + 1 > high * 2 + 2 ||
	    (out->high[0] - out->low[0] + 1) * 10 < high * 18)
		return false;
	if (k->value < 0)
		return letters > 3 && 2 * least >= stand && level * 100 >= n * SOFT_LEVEL &&
		       sharp * 100 >= ends * SOFT_SHARP && ground_is_even(plane, ink, stand, out);
	for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
		const struct proof *p = &proofs[i];
		if (letters >= p->letters && level * 100 >= n * p->level &&
		    even * 100 >= area * p->even && hot * 100 <= area * p->hot &&
		    sharp * 100 >= ends * p->sharp &&
		    (p->letters > 3 || ground_is_even(plane, ink, stand, out)))
			return true;
	}
	return false;
}

static void find_lines(const struct sm_text_plane *plane, const struct ink *k,
		       struct sm_text_work *work, struct sm_text_line *best)
{
	const struct mark *chain[LONGEST], *marks = work->marks;
	mark_ink(plane, k, work->side, work->ink);
	int n = find_letters(plane, k, work,
			     find_runs(plane, work->ink, work->runs, work->runs_most));
	qsort(work->marks, (size_t)n, sizeof *marks, by_place);
	for (int i = 0; i < n; i++) {
		int m = 0;
		struct sm_text_line line;
		for (int j = i; j >= 0 && m < LONGEST; j = next_letter(marks, n, j))
			chain[m++] = &marks[j];
		if (judge(chain, m, k, plane, work->ink, &line) && line.letters > best->letters)
			*best = line;
	}
}

bool sm_text_line_find(const struct sm_text_plane *plane, int contrast, int even, bool soft,
		       struct sm_text_work *work, struct sm_text_line *out)
{
	int inks[INKS];
	*out = (struct sm_text_line){0};
	for (int y = 0; y < plane->height; y++)
		stand_out(plane, y, work->side + (size_t)y * plane->width);
	tally_strokes(plane, contrast, even, work->side, work->ink, work->tally);
	int n = choose_inks(work->tally, even, inks);
	for (int i = 0; i < n; i++)
		find_lines(plane, &(struct ink){inks[i], 0, contrast, even}, work, out);
	for (int i = 1; soft && i <= 2; i++)
		find_lines(plane, &(struct ink){-1, contrast * 3 / i, contrast, even}, work, out);
	return out->letters > 0;
}
