/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/burned_text.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "ingest/burned/text_lines.h"
#include "ingest/burned/text_strokes.h"

#define BLOCK 8         /* slices that are looked at as one: their brightest picture */
#define BLOCKS_MANY 16  /* more blocks than these: twice as many slices in each */
#define STRIP 2048      /* pixels that are projected at a time: they stay in the nearest cache */
#define SAMPLES 16384   /* stored numbers that the range is taken from */
#define STEP 768        /* large pictures: planes of SM_TEXT_SIDE that begin every STEP pixels */
#define UPRIGHT_LEAST 6 /* letters: upright lines are rarer than things that look like them */
#define LEAST_SIDE 24
#define LEAST_CONSTANT 4 /* slices, for "alike in every slice" to mean something */

static const char bright[] = "bright letters", dark[] = "dark letters",
		  upright[] = "letters of an upright line",
		  alike[] = "letters alike in every slice";

/* Stored number -> brightness: (v - low) * scale, cut at 0 and SM_TEXT_WHITE. */
struct levels {
	double low, scale;
	int contrast, even;
};

/* Memory of one block at work: two pictures, the cut of a large one, the search's own. */
struct buffers {
	struct buffers *next;
	int16_t *picture[2], *cut;
	struct sm_text_work work;
};

struct search {
	const struct sm_vol *vol;
	struct sm_mem *mem;
	struct levels levels;
	int64_t slices, blocks, block; /* slices in all, blocks, slices of one */
	size_t pixels;
	int16_t *brightest, *darkest;  /* of all slices */
	struct sm_text_finding *found; /* one a block */
	struct buffers *free;          /* those that no thread uses */
	int made;                      /* buffers in all */
	pthread_mutex_t lock;
	pthread_cond_t given;
};

static double number_at(const struct sm_vol *vol, size_t i)
{
	switch (vol->dtype) {
	case SM_U8:
		return ((const uint8_t *)vol->data)[i];
	case SM_I8:
		return ((const int8_t *)vol->data)[i];
	case SM_I16:
		return ((const int16_t *)vol->data)[i];
	case SM_U16:
		return ((const uint16_t *)vol->data)[i];
	case SM_I32:
		return ((const int32_t *)vol->data)[i];
	case SM_U32:
		return ((const uint32_t *)vol->data)[i];
	case SM_I64:
		return (double)((const int64_t *)vol->data)[i];
	case SM_U64:
		return (double)((const uint64_t *)vol->data)[i];
	case SM_F32:
		return ((const float *)vol->data)[i];
	case SM_F64:
		return ((const double *)vol->data)[i];
	}
	return 0;
}

/* What v[at] would be in order; moves the numbers. Sorting them all costs more than all the rest of
 * a small picture. */
static double number_in_order(double *v, size_t n, size_t at)
{
	size_t from = 0, end = n;
	while (end - from > 1) {
		double pivot =
			v[from + (end - from - 1) / 2]; /* never the last: the parts shrink */
		size_t i = from, j = end - 1;
		for (;;) {
			while (v[i] < pivot)
				i++;
			while (pivot < v[j])
				j--;
			if (i >= j)
				break;
			double swap = v[i];
			v[i++] = v[j];
			v[j--] = swap;
		}
		/* from..j is not above the pivot, j + 1..end - 1 not below it. */
		if (at <= j)
			end = j + 1;
		else
			from = j + 1;
	}
	return v[at];
}

/* The same for whole numbers from low to low + most: counted. */
static double counted_in_order(const uint16_t *counts, double low, int most, size_t at)
{
	size_t below = 0;
	int k = 0;
	while (k < most && below + counts[k] <= at)
		below += counts[k++];
	return low + k;
}

/* How far the sample's inner 99 per cent reach; moves the numbers. */
static enum sm_status inner_range(double *v, size_t n, double low, double range, bool whole,
				  struct sm_mem *mem, double *out, struct sm_err *err)
{
	size_t first = n / 200, last = n - 1 - n / 200;
	if (whole && range <= UINT16_MAX) {
		uint16_t *counts = sm_calloc(mem, (size_t)range + 1, sizeof *counts,
					     "search for burned-in text", err);
		if (!counts)
			return SM_BUDGET;
		for (size_t i = 0; i < n; i++)
			counts[(size_t)(v[i] - low)]++;
		*out = counted_in_order(counts, low, (int)range, last) -
		       counted_in_order(counts, low, (int)range, first);
		sm_free(counts);
		return SM_OK;
	}
	*out = number_in_order(v, n, last);
	*out -= number_in_order(v, n, first);
	return SM_OK;
}

/* The range of a sample: numbers beyond it become black and white, which leaves text what it is. */
static enum sm_status find_levels(const struct sm_vol *vol, struct sm_mem *mem,
				  struct levels *levels, struct sm_err *err)
{
	size_t count = sm_vol_count(vol), step = count / SAMPLES + 1, n = 0;
	step += step > 1 && step % 2 == 0; /* not always the same columns */
	double *v = sm_alloc(mem, SAMPLES + 1, sizeof *v, "search for burned-in text", err);
	if (!v)
		return SM_BUDGET;
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < count && n <= SAMPLES; i += step) {
		v[n] = number_at(vol, i);
		n += isfinite(v[n]) != 0;
	}
	*levels = (struct levels){0};
	if (n > 1) {
		double low = v[0], high = v[0];
		for (size_t i = 1; i < n; i++) {
			low = v[i] < low ? v[i] : low;
			high = v[i] > high ? v[i] : high;
		}
		double range = high - low, inner;
		bool whole = vol->dtype != SM_F32 && vol->dtype != SM_F64;
		SM_GOTO(st, inner_range(v, n, low, range, whole, mem, &inner, err));
		levels->low = low;
		if (inner <= 0)
			inner = range;
		if (range > 0 && isfinite(range)) {
			levels->scale = !whole || range > 2 * SM_TEXT_WHITE + 1
						? SM_TEXT_WHITE / range
					: range > SM_TEXT_WHITE ? 0.5
								: 1;
			levels->contrast = (int)(inner * levels->scale / 8);
			levels->even = levels->contrast / 16;
			if (levels->contrast < 2)
				levels->contrast = 2;
		}
	}
out:
	sm_free(v);
	return st;
}

static inline int16_t level(double v, const struct levels *levels)
{
	double b = (v - levels->low) * levels->scale;
	return (int16_t)(b >= SM_TEXT_WHITE ? SM_TEXT_WHITE : b > 0 ? b : 0);
}

/* The same for numbers of up to 16 bits: a shift in the place of the factor. */
static inline int16_t small_level(int v, int low, int shift)
{
	int b = (v - low) >> shift;
	return (int16_t)(b >= SM_TEXT_WHITE ? SM_TEXT_WHITE : b > 0 ? b : 0);
}
#define LARGE(v) level((double)(v), levels)
#define SMALL(v) small_level(v, low, shift)

#define MORE(a, b) ((b) > (a) || (a) != (a) ? (b) : (a))
#define LESS(a, b) ((b) < (a) || (a) != (a) ? (b) : (a))

/* Brightest and darkest number of each pixel over slices first..last, as brightness. Projected in
 * the stored type and three slices at a time, which the compiler turns into vector code; NaN loses
 * against every number. */
#define PROJECT(type, LEVEL) \
	for (size_t at = 0; at < n; at += STRIP) { \
		const type *data = (const type *)vol->data + (size_t)first * n + at; \
		size_t m = n - at < STRIP ? n - at : STRIP; \
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
			brightest[at + i] = LEVEL(hi[i]); \
			darkest[at + i] = LEVEL(lo[i]); \
		} \
	}

SM_TEXT_CLONES
static void project(const struct sm_vol *vol, const struct levels *levels, size_t n, int64_t first,
		    int64_t last, int16_t *restrict brightest, int16_t *restrict darkest)
{
	int low = (int)levels->low, shift = levels->scale < 1;
	switch (vol->dtype) {
	case SM_U8:
		PROJECT(uint8_t, SMALL);
		break;
	case SM_I8:
		PROJECT(int8_t, SMALL);
		break;
	case SM_I16:
		PROJECT(int16_t, SMALL);
		break;
	case SM_U16:
		PROJECT(uint16_t, SMALL);
		break;
	case SM_I32:
		PROJECT(int32_t, LARGE);
		break;
	case SM_U32:
		PROJECT(uint32_t, LARGE);
		break;
	case SM_I64:
		PROJECT(int64_t, LARGE);
		break;
	case SM_U64:
		PROJECT(uint64_t, LARGE);
		break;
	case SM_F32:
		PROJECT(float, LARGE);
		break;
	case SM_F64:
		PROJECT(double, LARGE);
		break;
	}
}

/* One picture, cut into planes when it is large; the line with most letters. */
static bool look(const int16_t *picture, int64_t width, int64_t height, const struct levels *levels,
		 bool soft, struct buffers *buffers, struct sm_text_line *best)
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
			int v = level(number_at(s->vol, i), &s->levels);
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

static void note(const struct search *s, const struct sm_text_line *line, int64_t first,
		 int64_t last, const char *why, struct sm_text_finding *out)
{
	if (out->found && line->letters <= out->letters)
		return;
	*out = (struct sm_text_finding){.found = true,
					.slice = {first, last},
					.low = {line->low[0], line->low[1]},
					.high = {line->high[0], line->high[1]},
					.letters = line->letters,
					.height = line->letter_height,
					.why = why};
	if (why != alike)
		narrow(s, line, why == dark, out);
}

static void buffers_free(struct buffers *b)
{
	if (!b)
		return;
	sm_free(b->picture[0]);
	sm_free(b->picture[1]);
	sm_free(b->cut);
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
	if ((b->picture[0] = sm_alloc(s->mem, s->pixels, 2, what, err)) &&
	    (b->picture[1] = sm_alloc(s->mem, s->pixels, 2, what, err)) &&
	    (part == s->pixels || (b->cut = sm_alloc(s->mem, part, 2, what, err))) &&
	    sm_text_work_init(&b->work, part, s->mem, err) == SM_OK)
		return b;
	buffers_free(b);
	return NULL;
}

/* Those that are free, or new ones, or when there is no memory for more those of another thread,
 * which are waited for: whether the search fails does not depend on the number of threads. */
static struct buffers *buffers_take(struct search *s, struct sm_err *err)
{
	pthread_mutex_lock(&s->lock);
	struct buffers *b = s->free ? NULL : buffers_make(s, err);
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

static enum sm_status look_at_block(void *ctx, size_t i, struct sm_err *err)
{
	struct search *s = ctx;
	const int64_t *dim = s->vol->dim;
	int64_t first = (int64_t)i * s->block;
	int64_t last = first + s->block < s->slices ? first + s->block - 1 : s->slices - 1;
	struct sm_text_line line;
	struct buffers *b = buffers_take(s, err);
	if (!b)
		return SM_BUDGET;
	project(s->vol, &s->levels, s->pixels, first, last, b->picture[0], b->picture[1]);
	pthread_mutex_lock(&s->lock);
	spread(b->picture[0], b->picture[1], s->pixels, s->brightest, s->darkest);
	pthread_mutex_unlock(&s->lock);
	if (look(b->picture[0], dim[0], dim[1], &s->levels, false, b, &line))
		note(s, &line, first, last, bright, &s->found[i]);
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
	int16_t *v = b->picture[0];
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
		found = found && line.letters >= UPRIGHT_LEAST;
		swap(line.low);
		swap(line.high);
	}
	if (found)
		note(s, &line, 0, s->slices - 1, name, &all->found[way]);
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
			   .pixels = (size_t)vol->dim[0] * (size_t)vol->dim[1],
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .given = PTHREAD_COND_INITIALIZER};
	enum sm_status st = SM_OK;
	*out = (struct sm_text_finding){0};
	s.block = s.slices > BLOCK * BLOCKS_MANY ? 2 * BLOCK : BLOCK;
	s.blocks = (s.slices + s.block - 1) / s.block;
	if (vol->dim[0] < LEAST_SIDE || vol->dim[1] < LEAST_SIDE)
		return SM_OK;
	SM_TRY(find_levels(vol, mem, &s.levels, err));
	if (s.levels.scale <= 0)
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
		else if (f->found && f->low[0] <= out->high[0] && f->high[0] >= out->low[0] &&
			 f->low[1] <= out->high[1] && f->high[1] >= out->low[1])
			out->slice[1] = f->slice[1];
	}
	if (!out->found)
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
		 (long long)f->low[1], (long long)f->high[1],
		 f->slice[0] == f->slice[1] ? "" : "s", (long long)f->slice[0]);
	size_t n = strlen(text);
	if (f->slice[0] != f->slice[1])
		snprintf(text + n, 200 - n, " to %lld", (long long)f->slice[1]);
}
