/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/text_lines.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/burned/text_strokes.h"

#define RUNS_SHARE 8 /* at most one run of ink for so many pixels, else the plane is no text */
#define MARKS 4000   /* more letters than a full page has: a texture */
#define LOWEST 5     /* letters are this high at least, pixels */
#define HIGHEST 160
#define LEAST_MARKS 3

/* What counts as ink in one pass. */
struct ink {
	int value; /* brightness of the strokes; -1 = any: letters with soft edges on an even ground
		    */
	int least; /* how far ink stands above its ground at least; for value -1 */
	int contrast, even;
};

/* Neighbouring ink pixels of one row, and the mark they belong to. */
struct run {
	int16_t y, x0, x1;
	int16_t open; /* pixels without ink above them: columns' runs begin there */
	int parent;   /* union-find over runs */
};

/* Connected ink, before it is known whether it has a letter's size: most has not, so this is small.
 */
struct box {
	int16_t x0, y0, x1, y1;
	int across, down;
	int area; /* afterwards the number of its mark; -1: none */
};

/* Connected ink of a letter's size: a letter, or letters that touch. */
struct mark {
	int x0, y0, x1, y1;
	int area, even;   /* pixels; those of the ink's very value */
	int across, down; /* runs in rows, in columns */
	int hot, sharp; /* neighbours that are brighter than ink; ends of runs that fall within two
			   pixels */
	int stand;      /* how far its highest pixel stands above the ground */
	int next;       /* letter on the same line, -1 */
};

enum sm_status sm_text_work_init(struct sm_text_work *work, size_t pixels, struct sm_mem *mem,
				 struct sm_err *err)
{
	static const char what[] = "search for burned-in text";
	size_t most = pixels / RUNS_SHARE + 256;
	memset(work, 0, sizeof *work);
	work->runs_most = (int)most;
	if ((work->side = sm_alloc(mem, pixels, sizeof *work->side, what, err)) &&
	    (work->ink = sm_calloc(mem, pixels + SM_TEXT_PAD, 1, what, err)) &&
	    (work->runs = sm_alloc(mem, most, sizeof(struct run), what, err)) &&
	    (work->boxes = sm_alloc(mem, most, sizeof(struct box), what, err)) &&
	    /* A letter has a run in each of its rows. */
	    (work->marks = sm_alloc(mem, most / LOWEST + 1, sizeof(struct mark), what, err)) &&
	    sm_text_strokes_init(work, pixels, mem, err) == SM_OK)
		return SM_OK;
	sm_text_work_clear(work);
	return SM_BUDGET;
}

void sm_text_work_clear(struct sm_text_work *work)
{
	sm_free(work->side);
	sm_free(work->ink);
	sm_free(work->runs);
	sm_free(work->boxes);
	sm_free(work->marks);
	sm_text_strokes_clear(work);
	memset(work, 0, sizeof *work);
}

/* Ink: brighter than half way from the ground to the strokes' value, so that soft edges belong to
 * it. */
SM_TEXT_CLONES static void mark_ink(const struct sm_text_plane *p, const struct ink *k,
				    const int16_t *side, uint8_t *restrict ink)
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

/* Where runs of a row begin and end, one after the other, from a byte for each pixel: 64 pixels at
 * a time as the bits of a word. */
static int find_ends(const uint8_t *row, int width, int16_t ends[SM_TEXT_SIDE + 2])
{
	int n = 0;
	uint64_t before = 0;
	for (int x = 0; x < width; x += 64) {
		uint64_t bits = sm_text_bits(row + x);
		if (width - x < 64)
			bits &= ((uint64_t)1 << (width - x)) - 1;
		for (uint64_t change = bits ^ (bits << 1 | before); change; change &= change - 1)
			ends[n++] = (int16_t)(x + __builtin_ctzll(change));
		before = bits >> 63;
	}
	if (n % 2)
		ends[n++] = (int16_t)width;
	return n;
}

/* Runs of ink, those that touch (corners too) joined under their first run; 0 when there are too
 * many. */
static int find_runs(const struct sm_text_plane *p, const uint8_t *ink, struct run *runs, int most)
{
	int16_t ends[SM_TEXT_SIDE + 2];
	int n = 0, above = 0, above_end = 0;
	for (int y = 0; y < p->height; y++) {
		int first = n, k = above;
		int m = find_ends(ink + (size_t)y * p->width, p->width, ends);
		if (m / 2 > most - n)
			return 0;
		for (int i = 0; i < m; i += 2, n++) {
			int x0 = ends[i], x = ends[i + 1];
			runs[n] = (struct run){(int16_t)y, (int16_t)x0, (int16_t)(x - 1),
					       (int16_t)(x - x0), n};
			while (k < above_end && runs[k].x1 < x0 - 1)
				k++;
			for (int j = k; j < above_end && runs[j].x0 <= x; j++) {
				int a = root_of(runs, j), b = root_of(runs, n);
				int from = runs[j].x0 > x0 ? runs[j].x0 : x0;
				int end = runs[j].x1 < x ? runs[j].x1 + 1 : x;
				if (end > from)
					runs[n].open = (int16_t)(runs[n].open - (end - from));
				runs[a > b ? a : b].parent = a > b ? b : a;
			}
		}
		above = first;
		above_end = n;
	}
	return n;
}

/* A stroke's width: the smaller of the mean lengths of runs in rows and in columns. */
static double stroke_of(int area, int across, int down)
{
	double by_rows = (double)area / across, by_columns = (double)area / down;
	return by_rows < by_columns ? by_rows : by_columns;
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
		m->even += sm_text_alike(v[x], k->value, k->even);
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

/* Could a mark of this box be a letter? What the picture's edge cuts is none. Most ink is tissue of
 * other sizes, and a closer look at it costs more than all the rest. */
static bool has_size(const struct sm_text_plane *p, const struct box *b)
{
	int w = b->x1 - b->x0 + 1, h = b->y1 - b->y0 + 1;
	return h >= LOWEST && h <= HIGHEST && w <= 8 * h &&
	       (2 * w < h || b->area * 100 < 85 * w * h) && b->x0 > 0 && b->y0 > 0 &&
	       b->x1 < p->width - 1 && b->y1 < p->height - 1 &&
	       stroke_of(b->area, b->across, b->down) <= h * 0.45;
}

/* Boxes of connected ink in the order of their first runs, and marks for those of a letter's size;
 * the number of marks. Afterwards each run names its box, each box its mark. */
static int find_marks(const struct sm_text_plane *p, struct sm_text_work *work, int n)
{
	struct run *runs = work->runs;
	struct box *boxes = work->boxes;
	struct mark *marks = work->marks;
	int count = 0, sized = 0;
	for (int i = 0; i < n; i++) {
		struct run *r = &runs[i];
		/* Parents come first: theirs is the box's number by now. */
		int at = r->parent == i ? count++ : runs[r->parent].parent;
		struct box *b = &boxes[at];
		if (r->parent == i)
			*b = (struct box){.x0 = r->x0, .y0 = r->y, .x1 = r->x1};
		r->parent = at;
		b->x0 = r->x0 < b->x0 ? r->x0 : b->x0;
		b->x1 = r->x1 > b->x1 ? r->x1 : b->x1;
		b->y1 = r->y;
		b->area += r->x1 - r->x0 + 1;
		b->across++;
		b->down += r->open;
	}
	for (int i = 0; i < count; i++) {
		struct box *b = &boxes[i];
		if (has_size(p, b)) {
			marks[sized] = (struct mark){.x0 = b->x0,
						     .y0 = b->y0,
						     .x1 = b->x1,
						     .y1 = b->y1,
						     .area = b->area,
						     .across = b->across,
						     .down = b->down};
			b->area = sized++;
		} else {
			b->area = -1;
		}
	}
	return sized;
}

/* Letters among the runs, compacted; their number. */
static int find_letters(const struct sm_text_plane *p, const struct ink *k, const int16_t *side,
			struct sm_text_work *work, int n)
{
	struct mark *marks = work->marks;
	const struct box *boxes = work->boxes;
	int count = find_marks(p, work, n), kept = 0;
	for (int i = 0; i < n; i++) {
		const struct run *r = (struct run *)work->runs + i;
		int at = boxes[r->parent].area;
		if (at >= 0)
			look_around(p, r, k, side, &marks[at]);
	}
	for (int i = 0; i < count && kept < MARKS; i++)
		if (k->value < 0 || marks[i].even * 20 >= marks[i].area)
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
#define CLOSE 6 /* tenths of the height: most letters of a word are not farther apart */

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
					bad += !sm_text_alike(v, (int)mean, stand / 5);
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
	int apart = 0;
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
		stroke += stroke_of(m->area, m->across, m->down) / n;
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
		level += sm_text_alike(chain[i]->y1, base, slack);
		hang += sm_text_alike(chain[i]->y0, roof, slack);
		apart += i > 0 && (chain[i]->x0 - chain[i - 1]->x1 - 1) * 10 > high * CLOSE;
	}
	/* NIfTI rows often run upwards: the line stands on its head. */
	level = hang > level ? hang : level;
	out->letters = letters;
	out->marks = n;
	out->letter_height = high;
	if (n < LEAST_MARKS || letters < 3 || (n < 4 && letters > 3 && letters < 6) ||
	    bars * 2 > n || apart * 2 > n - 1 || stroke * 12 < high ||
	    out->high[1] - out->low[1] + 1 > high * 2 + 2 ||
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

/* Lines of one ink in some rows of the plane. */
static void find_lines(const struct sm_text_plane *whole, const int rows[2], const struct ink *k,
		       struct sm_text_work *work, struct sm_text_line *best)
{
	const struct mark *chain[LONGEST];
	struct mark *marks = work->marks;
	size_t from = (size_t)rows[0] * (size_t)whole->width;
	const int16_t *side = work->side + from;
	const struct sm_text_plane part = {whole->v + from, whole->width, rows[1] - rows[0] + 1};
	mark_ink(&part, k, side, work->ink);
	int n = find_runs(&part, work->ink, work->runs, work->runs_most);
	n = find_letters(&part, k, side, work, n);
	qsort(work->marks, (size_t)n, sizeof *marks, by_place);
	for (int i = 0; i < n; i++)
		marks[i].next = next_letter(marks, n, i);
	for (int i = 0; i < n; i++) {
		int m = 0;
		struct sm_text_line line;
		for (int j = i; j >= 0 && m < LONGEST; j = marks[j].next)
			chain[m++] = &marks[j];
		if (m < LEAST_MARKS || !judge(chain, m, k, &part, work->ink, &line) ||
		    line.letters <= best->letters)
			continue;
		*best = line;
		best->low[1] += rows[0];
		best->high[1] += rows[0];
	}
}

bool sm_text_line_find(const struct sm_text_plane *plane, int contrast, int even, bool soft,
		       struct sm_text_work *work, struct sm_text_line *out)
{
	int inks[SM_TEXT_INKS], rows[2], all[2] = {0, plane->height - 1};
	*out = (struct sm_text_line){0};
	sm_text_strokes_find(plane, contrast, even, work);
	int n = sm_text_inks_choose(work, even, inks);
	for (int i = 0; i < n; i++)
		if (sm_text_strokes_crowd(work, inks[i], even, plane->height, rows))
			find_lines(plane, rows, &(struct ink){inks[i], 0, contrast, even}, work,
				   out);
	for (int i = 1; soft && i <= 2; i++)
		find_lines(plane, all, &(struct ink){-1, contrast * 3 / i, contrast, even}, work,
			   out);
	return out->letters > 0;
}
