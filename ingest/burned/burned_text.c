/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/burned_text.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "ingest/burned/text_levels.h"
#include "ingest/burned/text_lines.h"
#include "ingest/burned/text_screen.h"
#include "ingest/burned/text_strokes.h"

#define BLOCK 8        /* slices that one thread reads at a time */
#define BLOCKS_MANY 16 /* more blocks than these: twice as many slices in each */
#define SLICES_EACH 32 /* slices for each of several buffers, which take as much as six slices */
#define SCREEN_EVEN 64 /* of the contrast, within that stems of letters are even in one slice */
#define SCREEN_MARGIN \
	24              /* rows around those that may hold letters: the rest of them, and ground \
			 */
#define STRIP 2048      /* pixels that are projected at a time: they stay in the nearest cache */
#define STEP 768        /* large pictures: planes of SM_TEXT_SIDE that begin every STEP pixels */
#define UPRIGHT_LEAST 6 /* separate marks: upright lines are rarer than what looks like them */
#define LEAST_SIDE 24
#define LEAST_CONSTANT 4 /* slices, for "alike in every slice" to mean something */

static const char bright[] = "bright letters", dark[] = "dark letters",
		  upright[] = "letters of an upright line",
		  alike[] = "letters alike in every slice",
		  hole[] = "letters of NaN or infinities, or among them,";

/* Memory of one block at work: its picture, the cut of a large one, the search's own. */
struct buffers {
	struct buffers *next;
	int16_t *picture, *cut;
	uint8_t *bands; /* of each slice, what it may hold */
	struct sm_text_work work;
};

struct search {
	const struct sm_vol *vol;
	struct sm_mem *mem;
	struct sm_text_levels levels;
	int64_t slices, blocks, block; /* slices in all, blocks, slices of one */
	int64_t bands;                 /* of SM_TEXT_BAND rows */
	size_t pixels;
	int16_t *brightest, *darkest;  /* of all slices */
	struct sm_text_finding *found; /* one a block */
	struct buffers *free;          /* those that no thread uses */
	int made;                      /* buffers in all */
	pthread_mutex_t lock;
	pthread_cond_t given;
};

static inline int16_t level(double v, const struct sm_text_levels *levels)
{
	double b = (v - levels->low) * levels->scale;
	return (int16_t)(b >= SM_TEXT_WHITE ? SM_TEXT_WHITE : b > 0 ? b : 0);
}

/* The same for numbers of up to 16 bits: shifts in the place of the factor. */
static inline int16_t small_level(int v, int low, int up, int down)
{
	int b = (int)((unsigned)(v - low) << up) >> down;
	return (int16_t)(b >= SM_TEXT_WHITE ? SM_TEXT_WHITE : b > 0 ? b : 0);
}
#define LARGE(v) level((double)(v), levels)
#define SMALL(v) small_level(v, low, up, down)

#define MORE(a, b) ((b) > (a) ? (b) : (a))
#define LESS(a, b) ((b) < (a) ? (b) : (a))
#define MORE_REAL(a, b) ((b) > (a) || (a) != (a) ? (b) : (a))
#define LESS_REAL(a, b) ((b) < (a) || (a) != (a) ? (b) : (a))

/* Brightest and darkest number of `m` pixels from `at` on over slices first..last, as brightness.
 * Projected in the stored type and three slices at a time, which the compiler turns into vector
 * code; with `holes` NaN loses against every number. */
#define PROJECT(type, LEVEL, MORE, LESS) \
	{ \
		const type *data = (const type *)vol->data + (size_t)first * n + at; \
		type hi[STRIP], lo[STRIP]; \
		memcpy(hi, data, m * sizeof *hi); \
		memcpy(lo, data, m * sizeof *lo); \
		for (int64_t left = last - first; left > 0; left -= 3, data += 3 * n) { \
			const type *one = data + n, *two = one + (left > 1 ? n : 0); \
			const type *three = two + (left > 2 ? n : 0); \
			for (size_t i = 0; i < m; i++) { \
				type a = MORE(hi[i], one[i]), b = MORE(two[i], three[i]); \
				type c = LESS(lo[i], one[i]), d = LESS(two[i], three[i]); \
				hi[i] = MORE(a, b); \
				lo[i] = LESS(c, d); \
			} \
		} \
		for (size_t i = 0; i < m; i++) { \
			brightest[i] = LEVEL(hi[i]); \
			darkest[i] = LEVEL(lo[i]); \
		} \
	}

SM_TEXT_CLONES
static void project(const struct sm_vol *vol, const struct sm_text_levels *levels, size_t at,
		    size_t m, int64_t first, int64_t last, bool holes, int16_t *restrict brightest,
		    int16_t *restrict darkest)
{
	size_t n = (size_t)vol->dim[0] * (size_t)vol->dim[1];
	int low = (int)levels->low, down = levels->scale < 1, up = 0;
	while (2 << up <= levels->scale && up < 14)
		up++;
	switch (vol->dtype) {
	case SM_U8:
		PROJECT(uint8_t, SMALL, MORE, LESS);
		break;
	case SM_I8:
		PROJECT(int8_t, SMALL, MORE, LESS);
		break;
	case SM_I16:
		PROJECT(int16_t, SMALL, MORE, LESS);
		break;
	case SM_U16:
		PROJECT(uint16_t, SMALL, MORE, LESS);
		break;
	case SM_I32:
		PROJECT(int32_t, LARGE, MORE, LESS);
		break;
	case SM_U32:
		PROJECT(uint32_t, LARGE, MORE, LESS);
		break;
	case SM_I64:
		PROJECT(int64_t, LARGE, MORE, LESS);
		break;
	case SM_U64:
		PROJECT(uint64_t, LARGE, MORE, LESS);
		break;
	case SM_F32:
		if (holes)
			PROJECT(float, LARGE, MORE_REAL, LESS_REAL)
		else
			PROJECT(float, LARGE, MORE, LESS)
		break;
	case SM_F64:
		if (holes)
			PROJECT(double, LARGE, MORE_REAL, LESS_REAL)
		else
			PROJECT(double, LARGE, MORE, LESS)
		break;
	}
}

/* One picture, cut into planes when it is large; the line with most letters. */
static bool look(const int16_t *picture, int64_t width, int64_t height,
		 const struct sm_text_levels *levels, bool soft, struct buffers *buffers,
		 struct sm_text_line *best)
{
	int16_t *cut = buffers->cut;
	*best = (struct sm_text_line){0};
	for (int64_t y = 0; y == 0 || y + SM_TEXT_SIDE - STEP < height; y += STEP)
		for (int64_t x = 0; x == 0 || x + SM_TEXT_SIDE - STEP < width; x += STEP) {
			int64_t w = width - x < SM_TEXT_SIDE ? width - x : SM_TEXT_SIDE;
			int64_t h = height - y < SM_TEXT_SIDE ? height - y : SM_TEXT_SIDE;
			struct sm_text_plane plane = {cut ? cut : picture, (int)w, (int)h};
			struct sm_text_line line;
			for (int64_t k = 0; cut && k < h; k++)
				memcpy(cut + k * w, picture + (y + k) * width + x,
				       (size_t)w * sizeof *cut);
			if (!sm_text_line_find(&plane, levels->contrast, levels->even, soft,
					       &buffers->work, &line) ||
			    line.letters <= best->letters)
				continue;
			*best = line;
			for (int a = 0; a < 2; a++) {
				best->low[a] += (int)(a ? y : x);
				best->high[a] += (int)(a ? y : x);
			}
		}
	return best->letters > 0;
}

/* Pixels of the box that have the ink's brightness in one slice. */
static size_t ink_in_slice(const struct search *s, const struct sm_text_finding *f, int ink,
			   bool black, int64_t slice)
{
	size_t n = 0;
	for (int64_t y = f->low[1]; y <= f->high[1]; y++)
		for (int64_t x = f->low[0]; x <= f->high[0]; x++) {
			size_t i = (size_t)slice * s->pixels + (size_t)(y * s->vol->dim[0] + x);
			int v = level(sm_text_stored(s->vol->data, s->vol->dtype, i), &s->levels);
			v = (black ? SM_TEXT_WHITE - v : v) - ink;
			n += v <= s->levels.even && -v <= s->levels.even;
		}
	return n;
}

/* Narrows the slices to those that show at least half as much of the ink as the one that shows
 * most. */
static void narrow(const struct search *s, const struct sm_text_line *line, bool black,
		   struct sm_text_finding *out)
{
	size_t most = 0;
	int64_t first = -1, last = -1;
	if (line->ink < 0)
		return;
	for (int64_t k = out->slice[0]; k <= out->slice[1]; k++) {
		size_t n = ink_in_slice(s, out, line->ink, black, k);
		most = n > most ? n : most;
	}
	for (int64_t k = out->slice[0]; k <= out->slice[1] && most; k++)
		if (2 * ink_in_slice(s, out, line->ink, black, k) >= most) {
			first = first < 0 ? k : first;
			last = k;
		}
	if (first >= 0) {
		out->slice[0] = first;
		out->slice[1] = last;
	}
}

static bool same_place(const struct sm_text_finding *a, const struct sm_text_finding *b)
{
	return a->low[0] <= b->high[0] && a->high[0] >= b->low[0] && a->low[1] <= b->high[1] &&
	       a->high[1] >= b->low[1];
}

static struct sm_text_finding finding(const struct sm_text_line *line, int64_t first, int64_t last,
				      const char *why)
{
	return (struct sm_text_finding){.found = true,
					.slice = {first, last},
					.low = {line->low[0], line->low[1]},
					.high = {line->high[0], line->high[1]},
					.letters = line->letters,
					.height = line->letter_height,
					.why = why};
}

/* The line with most letters stays, and in how many slices it stands. Slices come in order. */
static void note(const struct sm_text_finding *new, struct sm_text_finding *out)
{
	bool again = out->found && same_place(new, out);
	int64_t first = out->slice[0];
	if (again)
		out->slice[1] = new->slice[1];
	if (out->found && new->letters <= out->letters)
		return;
	*out = *new;
	if (again)
		out->slice[0] = first;
}

static void buffers_free(struct buffers *b)
{
	if (!b)
		return;
	sm_free(b->picture);
	sm_free(b->cut);
	sm_free(b->bands);
	sm_text_work_clear(&b->work);
	sm_free(b);
}

static struct buffers *buffers_make(const struct search *s, struct sm_err *err)
{
	static const char what[] = "search for burned-in text";
	int64_t w = s->vol->dim[0], h = s->vol->dim[1];
	size_t part = (size_t)(w < SM_TEXT_SIDE ? w : SM_TEXT_SIDE) *
		      (size_t)(h < SM_TEXT_SIDE ? h : SM_TEXT_SIDE);
	struct buffers *b = sm_calloc(s->mem, 1, sizeof *b, what, err);
	if (!b)
		return NULL;
	if ((b->picture = sm_alloc(s->mem, s->pixels, 2, what, err)) &&
	    (part == s->pixels || (b->cut = sm_alloc(s->mem, part, 2, what, err))) &&
	    (b->bands = sm_alloc(s->mem, (size_t)s->block, (size_t)s->bands, what, err)) &&
	    sm_text_work_init(&b->work, part, s->mem, err) == SM_OK)
		return b;
	buffers_free(b);
	return NULL;
}

/* Those that are free, or new ones, or when there is no memory for more those of another thread,
 * which are waited for: whether the search fails does not depend on the number of threads. Of a
 * small volume with large slices one is all there may be. */
static struct buffers *buffers_take(struct search *s, struct sm_err *err)
{
	pthread_mutex_lock(&s->lock);
	bool more = !s->free && (!s->made || s->slices > SLICES_EACH * s->made);
	struct buffers *b = more ? buffers_make(s, err) : NULL;
	if (b) {
		s->made++;
	} else if (s->made) {
		while (!s->free)
			pthread_cond_wait(&s->given, &s->lock);
		b = s->free;
		s->free = b->next;
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

static void buffers_give(struct search *s, struct buffers *b)
{
	pthread_mutex_lock(&s->lock);
	b->next = s->free;
	s->free = b;
	pthread_cond_signal(&s->given);
	pthread_mutex_unlock(&s->lock);
}

SM_TEXT_CLONES static void spread(const int16_t *restrict hi, const int16_t *restrict lo, size_t n,
				  int16_t *restrict brightest, int16_t *restrict darkest)
{
	for (size_t k = 0; k < n; k++) {
		brightest[k] = hi[k] > brightest[k] ? hi[k] : brightest[k];
		darkest[k] = lo[k] < darkest[k] ? lo[k] : darkest[k];
	}
}

/* Letters in rows first..last of one slice. */
static void look_at_rows(struct search *s, int64_t slice, int64_t first, int64_t last,
			 const char *name, struct buffers *b, struct sm_text_finding *out)
{
	int64_t w = s->vol->dim[0];
	struct sm_text_line line;
	size_t from = (size_t)(first * w), end = (size_t)((last + 1) * w);
	int16_t *v = b->picture, other[STRIP];
	for (size_t at = from; at < end; at += STRIP)
		project(s->vol, &s->levels, at, end - at < STRIP ? end - at : STRIP, slice, slice,
			false, v + (at - from), other);
	for (size_t i = 0; i < end - from && name == dark; i++)
		v[i] = (int16_t)(SM_TEXT_WHITE - v[i]);
	if (!look(v, w, last - first + 1, &s->levels, false, b, &line))
		return;
	line.low[1] += (int)first;
	line.high[1] += (int)first;
	const struct sm_text_finding f = finding(&line, slice, slice, name);
	note(&f, out);
}

/* First and last row around the next bands from *i on that the first look did not rule out. */
static bool next_rows(const struct search *s, const uint8_t *bands, int bit, int64_t *i,
		      int64_t rows[2])
{
	int64_t h = s->vol->dim[1];
	while (*i < s->bands && !(bands[*i] & bit))
		++*i;
	rows[0] = *i * SM_TEXT_BAND - SCREEN_MARGIN;
	if (*i == s->bands)
		return false;
	while (*i < s->bands && bands[*i] & bit)
		++*i;
	rows[1] = *i * SM_TEXT_BAND - 1 + SCREEN_MARGIN;
	rows[0] = rows[0] > 0 ? rows[0] : 0;
	rows[1] = rows[1] < h ? rows[1] : h - 1;
	return true;
}

static void look_at_slice(struct search *s, int64_t slice, const uint8_t *bands, struct buffers *b,
			  struct sm_text_finding *out)
{
	int64_t rows[2];
	for (int bit = SM_TEXT_BRIGHT; bit <= SM_TEXT_DARK; bit *= 2)
		for (int64_t i = 0; next_rows(s, bands, bit, &i, rows);)
			look_at_rows(s, slice, rows[0], rows[1],
				     bit == SM_TEXT_DARK ? dark : bright, b, out);
}

/* Brightest and darkest picture of a block's rows, into those of all slices. */
static void spread_rows(struct search *s, size_t from, size_t end, int64_t first, int64_t last,
			bool holes)
{
	int16_t brightest[STRIP], darkest[STRIP];
	for (size_t at = from; at < end; at += STRIP) {
		size_t m = end - at < STRIP ? end - at : STRIP;
		project(s->vol, &s->levels, at, m, first, last, holes, brightest, darkest);
		pthread_mutex_lock(&s->lock);
		spread(brightest, darkest, m, s->brightest + at, s->darkest + at);
		pthread_mutex_unlock(&s->lock);
	}
}

/* Letters of what is no finite number in one slice, or of numbers among it. */
static void look_at_holes(struct search *s, int64_t slice, uint8_t *bands, struct buffers *b,
			  struct sm_text_finding *out)
{
	int64_t w = s->vol->dim[0], h = s->vol->dim[1], rows[2];
	const struct sm_text_levels levels = {.contrast = SM_TEXT_WHITE / 8,
					      .even = SM_TEXT_WHITE / 128};
	struct sm_text_line line;
	sm_text_holes(s->vol, (size_t)slice * s->pixels, s->pixels, b->picture);
	for (int64_t k = 0; k < s->bands; k++)
		bands[k] = w < SM_TEXT_NARROW
				   ? SM_TEXT_BRIGHT | SM_TEXT_DARK
				   : sm_text_screen(b->picture, SM_I16, w, h, k * SM_TEXT_BAND,
						    levels.contrast, levels.even);
	for (int bit = SM_TEXT_BRIGHT; bit <= SM_TEXT_DARK; bit *= 2) {
		for (size_t i = 0; i < s->pixels && bit == SM_TEXT_DARK; i++)
			b->picture[i] = (int16_t)(SM_TEXT_WHITE - b->picture[i]);
		for (int64_t i = 0; next_rows(s, bands, bit, &i, rows);) {
			if (!look(b->picture + rows[0] * w, w, rows[1] - rows[0] + 1, &levels,
				  false, b, &line))
				continue;
			line.low[1] += (int)rows[0];
			line.high[1] += (int)rows[0];
			const struct sm_text_finding f = finding(&line, slice, slice, hole);
			note(&f, out);
		}
	}
}

/* Rows y..end - 1 of the slices of a block: into the pictures of all slices, and which of them may
 * hold letters (bands), or numbers that are not finite (holes). */
static void screen_rows(struct search *s, int64_t first, int64_t last, int64_t k, struct buffers *b,
			bool holes[])
{
	const struct sm_vol *vol = s->vol;
	const int64_t w = vol->dim[0], h = vol->dim[1], y = k * SM_TEXT_BAND;
	const size_t from = (size_t)(y * w);
	const size_t end = y + SM_TEXT_BAND < h ? from + (size_t)(SM_TEXT_BAND * w) : s->pixels;
	const size_t size = s->pixels * sm_dtype_size(vol->dtype);
	const bool whole = vol->dtype != SM_F32 && vol->dtype != SM_F64;
	const double contrast = s->levels.contrast / s->levels.scale;
	const double even = contrast / SCREEN_EVEN;
	bool any = false;
	for (int64_t z = first; z <= last && !whole; z++)
		if (sm_text_has_holes(vol, (size_t)z * s->pixels + from, end - from))
			any = holes[z - first] = true;
	if (!(s->levels.scale > 0))
		return;
	spread_rows(s, from, end, first, last, any);
	for (int64_t z = first; z <= last; z++)
		b->bands[(z - first) * s->bands + k] =
			sm_text_screen((const char *)vol->data + (size_t)z * size, vol->dtype, w, h,
				       y, contrast, whole ? floor(even) : even);
}

/* Band by band, so that the stored numbers come from the main memory once. */
static enum sm_status look_at_block(void *ctx, size_t i, struct sm_err *err)
{
	struct search *s = ctx;
	bool holes[2 * BLOCK] = {false};
	int64_t first = (int64_t)i * s->block;
	int64_t last = first + s->block < s->slices ? first + s->block - 1 : s->slices - 1;
	struct buffers *b = buffers_take(s, err);
	if (!b)
		return SM_BUDGET;
	for (int64_t k = 0; k < s->bands; k++)
		screen_rows(s, first, last, k, b, holes);
	for (int64_t z = first; z <= last; z++) {
		uint8_t *bands = b->bands + (z - first) * s->bands;
		if (s->levels.scale > 0)
			look_at_slice(s, z, bands, b, &s->found[i]);
		if (holes[z - first])
			look_at_holes(s, z, bands, b, &s->found[i]);
	}
	buffers_give(s, b);
	return SM_OK;
}

static void swap(int v[2])
{
	int first = v[0];
	v[0] = v[1];
	v[1] = first;
}

/* All slices as one picture, in several ways. */
struct whole {
	struct search *s;
	struct sm_text_finding found[4];
};

/* Soft and dark letters, lines that run up or down, and what never changes from slice to slice. */
static enum sm_status look_at_whole(void *ctx, size_t way, struct sm_err *err)
{
	static const char *const names[] = {bright, alike, upright, dark};
	struct whole *all = ctx;
	struct search *s = all->s;
	int64_t w = s->vol->dim[0], h = s->vol->dim[1];
	const char *name = names[way];
	struct sm_text_line line;
	if (name == alike && s->slices < LEAST_CONSTANT)
		return SM_OK;
	struct buffers *b = buffers_take(s, err);
	if (!b)
		return SM_BUDGET;
	int16_t *v = b->picture;
	for (size_t k = 0; k < s->pixels && name == alike; k++)
		v[k] = (int16_t)(SM_TEXT_WHITE - (s->brightest[k] - s->darkest[k]));
	for (size_t k = 0; k < s->pixels && name == dark; k++)
		v[k] = (int16_t)(SM_TEXT_WHITE - s->darkest[k]);
	for (int64_t x = 0; x < w && name == upright; x++)
		for (int64_t y = 0; y < h; y++)
			v[x * h + y] = s->brightest[y * w + x];
	bool found = look(name == bright ? s->brightest : v, name == upright ? h : w,
			  name == upright ? w : h, &s->levels, name != alike, b, &line);
	if (name == upright) {
		found = found && line.marks >= UPRIGHT_LEAST;
		swap(line.low);
		swap(line.high);
	}
	if (found) {
		all->found[way] = finding(&line, 0, s->slices - 1, name);
		if (name != alike)
			narrow(s, &line, name == dark, &all->found[way]);
	}
	buffers_give(s, b);
	return SM_OK;
}

static enum sm_status look_at_all(struct search *s, int jobs, struct sm_text_finding *out,
				  struct sm_err *err)
{
	struct whole all = {.s = s};
	SM_TRY(sm_par_for(sizeof all.found / sizeof *all.found, jobs, look_at_whole, &all, err));
	for (size_t i = 0; i < sizeof all.found / sizeof *all.found; i++)
		if (all.found[i].found && all.found[i].letters > out->letters)
			*out = all.found[i];
	return SM_OK;
}

enum sm_status sm_burned_text_find(const struct sm_vol *vol, struct sm_mem *mem, int jobs,
				   struct sm_text_finding *out, struct sm_err *err)
{
	struct search s = {.vol = vol,
			   .mem = mem,
			   .slices = vol->dim[2] * vol->dim[3],
			   .bands = (vol->dim[1] + SM_TEXT_BAND - 1) / SM_TEXT_BAND,
			   .pixels = (size_t)vol->dim[0] * (size_t)vol->dim[1],
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .given = PTHREAD_COND_INITIALIZER};
	enum sm_status st = SM_OK;
	*out = (struct sm_text_finding){0};
	s.block = s.slices > BLOCK * BLOCKS_MANY ? 2 * BLOCK : BLOCK;
	s.blocks = (s.slices + s.block - 1) / s.block;
	if (vol->dim[0] < LEAST_SIDE || vol->dim[1] < LEAST_SIDE)
		return SM_OK;
	SM_TRY(sm_text_levels_find(vol, mem, &s.levels, err));
	if (s.levels.scale <= 0 && vol->dtype != SM_F32 && vol->dtype != SM_F64)
		return SM_OK;
	if (!(s.brightest = sm_calloc(mem, s.pixels, 2, "search for burned-in text", err)) ||
	    !(s.darkest = sm_alloc(mem, s.pixels, 2, "search for burned-in text", err)) ||
	    !(s.found = sm_calloc(mem, (size_t)s.blocks, sizeof *s.found,
				  "search for burned-in text", err)))
		SM_GOTO(st, SM_BUDGET);
	for (size_t i = 0; i < s.pixels; i++)
		s.darkest[i] = SM_TEXT_WHITE;
	SM_GOTO(st, sm_par_for((size_t)s.blocks, jobs, look_at_block, &s, err));
	for (int64_t i = 0; i < s.blocks; i++) {
		const struct sm_text_finding *f = &s.found[i];
		if (!out->found)
			*out = *f;
		else if (f->found && same_place(f, out))
			out->slice[1] = f->slice[1];
	}
	if (!out->found && s.levels.scale > 0)
		st = look_at_all(&s, jobs, out, err);
out:
	while (s.free) {
		struct buffers *next = s.free->next;
		buffers_free(s.free);
		s.free = next;
	}
	sm_free(s.brightest);
	sm_free(s.darkest);
	sm_free(s.found);
	sm_mem_trim();
	pthread_cond_destroy(&s.given);
	pthread_mutex_destroy(&s.lock);
	return st;
}

void sm_burned_text_say(const struct sm_text_finding *f, char text[200])
{
	snprintf(text, 200,
		 "text-like marks in the pixels: %d %s about %.0f pixels high in columns %lld to "
		 "%lld, rows %lld to "
		 "%lld, slice%s %lld",
		 f->letters, f->why, f->height, (long long)f->low[0], (long long)f->high[0],
		 (long long)f->low[1], (long long)f->high[1], f->slice[0] == f->slice[1] ? "" : "s",
		 (long long)f->slice[0]);
	size_t n = strlen(text);
	if (f->slice[0] != f->slice[1])
		snprintf(text + n, 200 - n, " to %lld", (long long)f->slice[1]);
}
