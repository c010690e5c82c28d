/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/edt.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "eval/edt_plane.h"

/* Rows that a point looks along before it is left to its plane. A look costs a few nanoseconds, a
 * plane ten or so a point of the box: that many looks for each point of the box are shared out
 * among the points that search, and a slab stops when its share, or a twelfth of it in vain, is
 * spent; a few points may always fail. */
#define ROWS_NEAR 700
#define LOOKS_A_POINT 12
#define LOOKS_A_SLAB (64 * ROWS_NEAR)
#define SLAB_POINTS 2048 /* asked for, at least, a piece of work */

#define FAR (-1.0)

static int nearer_first(const void *a, const void *b)
{
	const struct sm_row_near *p = a, *q = b;
	if (p->square != q->square)
		return p->square < q->square ? -1 : 1;
	if (p->dz != q->dz)
		return p->dz < q->dz ? -1 : 1;
	return (p->dy > q->dy) - (p->dy < q->dy);
}

enum sm_status sm_rows_near_init(struct sm_rows_near *rows, const double spacing[3],
				 const int64_t n[3], struct sm_mem *mem, struct sm_err *err)
{
	const bool equal = spacing[0] == spacing[1] && spacing[0] == spacing[2];
	*rows = (struct sm_rows_near){.scale = equal ? spacing[0] : 1};
	for (int a = 0; a < 3; a++) {
		if (!(spacing[a] > 0) || isinf(spacing[a]))
			return SM_FAIL(err, SM_INTERNAL, "distances: spacing %g mm is no length",
				       spacing[a]);
		rows->step[a] = equal ? 1 : spacing[a];
	}
	/* An ellipse of so many rows, in whole steps, no wider than the grid. */
	const double sy = rows->step[1], sz = rows->step[2];
	const double wide = (double)(n[1] - 1), deep = (double)(n[2] - 1);
	rows->reach = ROWS_NEAR / 3.141592653589793 * sy * sz;
	const double radius = sqrt(rows->reach);
	const double ry = fmin(fmin(floor(radius / sy), wide), ROWS_NEAR);
	const double rz = fmin(fmin(floor(radius / sz), deep), ROWS_NEAR);
	const size_t most = (size_t)(2 * ry + 1) * (size_t)(2 * rz + 1);
	rows->row = sm_alloc(mem, most, sizeof *rows->row, "rows near a point", err);
	if (!rows->row)
		return SM_BUDGET;
	/* What lies beyond a cut within the grid is out of reach as well. */
	const double past_y = ry < wide ? (ry + 1) * sy : INFINITY,
		     past_z = rz < deep ? (rz + 1) * sz : INFINITY;
	rows->reach = fmin(rows->reach, fmin(past_y * past_y, past_z * past_z));
	if (wide * sy * (wide * sy) + deep * sz * (deep * sz) < rows->reach)
		rows->reach = INFINITY;
	for (int32_t dz = -(int32_t)rz; dz <= (int32_t)rz; dz++)
		for (int32_t dy = -(int32_t)ry; dy <= (int32_t)ry; dy++) {
			const double y = dy * sy, z = dz * sz, square = y * y + z * z;
			if (square < rows->reach)
				rows->row[rows->count++] = (struct sm_row_near){square, dy, dz};
		}
	qsort(rows->row, rows->count, sizeof *rows->row, nearer_first);
	return SM_OK;
}

void sm_rows_near_clear(struct sm_rows_near *rows)
{
	sm_free(rows->row);
	*rows = (struct sm_rows_near){0};
}

/* Consecutive planes of z of one search. */
struct slab {
	const struct sm_search *search;
	int64_t from, to;
	size_t first; /* its first point's number */
	size_t points, far;
	double looks; /* its share */
};

/* A point that a plane has to find. */
struct far_point {
	uint32_t row, number;
};

/* The far points of one search and one x. */
struct sheet {
	const struct sm_search *search;
	const struct far_point *point;
	size_t count;
	int64_t x;
};

struct work {
	const struct sm_rows_near *near;
	struct sm_mem *mem;
	double *square[3];  /* of whole steps, units, for the largest grid */
	double *inverse[3]; /* 1 / (2 steps), in units, of the same */
	struct slab *slab;
	size_t slabs;
	struct sheet *sheet;
	size_t sheets;
};

/* Squared units from (x, y, z) to the nearest set bit, or FAR. */
static double look_around(const struct work *w, const struct sm_bits *to, int64_t x, int64_t y,
			  int64_t z, size_t *looks)
{
	const struct sm_row_near *row = w->near->row, *end = row + w->near->count;
	const uint64_t ny = (uint64_t)to->n[1], nz = (uint64_t)to->n[2];
	double best = INFINITY;
	for (; row < end && row->square < best; row++) {
		const uint64_t yy = (uint64_t)(y + row->dy), zz = (uint64_t)(z + row->dz);
		if (yy >= ny || zz >= nz)
			continue;
		const int64_t d =
			sm_row_nearest(to->bit + (zz * ny + yy) * to->words, to->words, x);
		if (d < 0)
			continue;
		const double here = w->square[0][d] + row->square;
		if (here < best)
			best = here;
	}
	*looks = (size_t)(row - w->near->row);
	return row < end || best <= w->near->reach ? best : FAR;
}

static inline double in_mm(const struct sm_search *s, const struct sm_rows_near *near,
			   double square)
{
	return s->squared ? near->scale * near->scale * square : near->scale * sqrt(square);
}

static enum sm_status search_slab(void *ctx, size_t i, struct sm_err *err)
{
	(void)err;
	const struct work *w = ctx;
	struct slab *s = &w->slab[i];
	const struct sm_bits *from = s->search->from, *to = s->search->to;
	double *out = s->search->out + s->first;
	double left_looks = s->looks + LOOKS_A_SLAB, in_vain = s->looks / 12 + LOOKS_A_SLAB;
	size_t word = (size_t)(s->from * from->n[1]) * from->words;
	for (int64_t z = s->from; z < s->to; z++)
		for (int64_t y = 0; y < from->n[1]; y++)
			for (size_t k = 0; k < from->words; k++, word++)
				for (uint64_t left = from->bit[word]; left; left &= left - 1) {
					const int64_t x = (int64_t)k * 64 + __builtin_ctzll(left);
					double square = FAR;
					size_t looks = 0;
					/* A site itself, as most points of two good masks are. */
					if (left & -left & to->bit[word])
						square = 0;
					else if (left_looks > 0 && in_vain > 0)
						square = look_around(w, to, x, y, z, &looks);
					left_looks -= (double)looks;
					if (square < 0) {
						in_vain -= (double)looks;
						s->far++;
						*out++ = FAR;
					} else {
						*out++ = in_mm(s->search, w->near, square);
					}
				}
	return SM_OK;
}

static enum sm_status solve_sheet(void *ctx, size_t i, struct sm_err *err)
{
	const struct work *w = ctx;
	const struct sheet *s = &w->sheet[i];
	const struct sm_bits *to = s->search->to;
	const uint32_t ny = (uint32_t)to->n[1];
	struct sm_edt_plane plane = {.n = {to->n[0], to->n[1], to->n[2]}};
	uint8_t *wanted = sm_calloc(w->mem, ny, 1, "lines of a plane", err);
	enum sm_status st = wanted ? SM_OK : SM_BUDGET;
	for (int a = 0; a < 3; a++) {
		plane.square[a] = w->square[a];
		plane.inverse[a] = w->inverse[a];
	}
	if (st == SM_OK)
		st = sm_edt_plane_init(&plane, w->mem, err);
	if (st == SM_OK) {
		for (size_t k = 0; k < s->count; k++)
			wanted[s->point[k].row % ny] = 1;
		sm_edt_plane_solve(&plane, to, s->x, wanted);
		for (size_t k = 0; k < s->count; k++) {
			const size_t y = s->point[k].row % ny, z = s->point[k].row / ny;
			s->search->out[s->point[k].number] =
				in_mm(s->search, w->near, plane.at[y * (size_t)to->n[2] + z]);
		}
	}
	sm_edt_plane_clear(&plane);
	sm_free(wanted);
	return st;
}

/* The far points of one search by x; appends a sheet for each. */
static void sort_far(struct work *w, const struct sm_search *search, struct far_point *point,
		     size_t *at)
{
	const struct sm_bits *from = search->from;
	const uint32_t rows = (uint32_t)(from->n[1] * from->n[2]);
	size_t total = 0;
	for (int pass = 0; pass < 2; pass++) {
		size_t number = 0;
		for (uint32_t r = 0; r < rows; r++)
			for (size_t k = 0; k < from->words; k++)
				for (uint64_t left = from->bit[r * from->words + k]; left;
				     left &= left - 1, number++) {
					const size_t x = k * 64 + (size_t)__builtin_ctzll(left);
					if (search->out[number] >= 0)
						continue;
					if (pass)
						point[at[x]++] =
							(struct far_point){r, (uint32_t)number};
					else
						at[x]++;
				}
		for (int64_t x = 0; !pass && x < from->n[0]; x++) {
			const size_t count = at[x];
			at[x] = total;
			if (count)
				w->sheet[w->sheets++] =
					(struct sheet){search, point + total, count, x};
			total += count;
		}
	}
}

static enum sm_status search_far(struct work *w, const struct sm_search *search, size_t n, int jobs,
				 struct sm_err *err)
{
	size_t far = 0, most = 0, longest = 0, done = 0;
	for (size_t i = 0; i < w->slabs; i++)
		far += w->slab[i].far;
	if (!far)
		return SM_OK;
	for (size_t i = 0; i < n; i++) {
		const size_t nx = (size_t)search[i].from->n[0];
		most += nx;
		longest = nx > longest ? nx : longest;
	}
	enum sm_status st = SM_BUDGET;
	struct far_point *point = sm_alloc(w->mem, far, sizeof *point, "far points", err);
	size_t *at = sm_alloc(w->mem, longest, sizeof *at, "far points", err);
	w->sheet = sm_alloc(w->mem, most, sizeof *w->sheet, "far points", err);
	if (point && at && w->sheet) {
		for (size_t i = 0, s = 0; i < n; i++) {
			size_t here = 0;
			for (; s < w->slabs && w->slab[s].search == &search[i]; s++)
				here += w->slab[s].far;
			if (!here)
				continue;
			memset(at, 0, longest * sizeof *at);
			sort_far(w, &search[i], point + done, at);
			done += here;
		}
		st = sm_par_for(w->sheets, jobs, solve_sheet, w, err);
	}
	sm_free(point);
	sm_free(at);
	sm_free(w->sheet);
	return st;
}

/* Cuts the searches into slabs; points without any site are infinite at once. */
static void cut_slabs(struct work *w, const struct sm_search *search, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sm_bits *from = search[i].from, *to = search[i].to;
		const size_t ny = (size_t)from->n[1];
		const size_t first_slab = w->slabs;
		size_t number = 0;
		struct slab s = {.search = &search[i]};
		if (!sm_bits_count(to, 0, (size_t)(to->n[1] * to->n[2]))) {
			number = sm_bits_count(from, 0, ny * (size_t)from->n[2]);
			while (number)
				search[i].out[--number] = INFINITY;
			continue;
		}
		for (int64_t z = 0; z < from->n[2]; z++) {
			s.points += sm_bits_count(from, (size_t)z * ny, ((size_t)z + 1) * ny);
			if (s.points < SLAB_POINTS && z + 1 < from->n[2])
				continue;
			s.to = z + 1;
			w->slab[w->slabs++] = s;
			number += s.points;
			s = (struct slab){.search = &search[i], .from = z + 1, .first = number};
		}
		const double looks = LOOKS_A_POINT * (double)(from->n[0] * from->n[1] * from->n[2]);
		for (size_t k = first_slab; number && k < w->slabs; k++)
			w->slab[k].looks = looks * (double)w->slab[k].points / (double)number;
	}
}

static enum sm_status make_squares(struct work *w, const struct sm_search *search, size_t n,
				   struct sm_err *err)
{
	for (int a = 0; a < 3; a++) {
		int64_t most = 1;
		for (size_t i = 0; i < n; i++)
			most = search[i].from->n[a] > most ? search[i].from->n[a] : most;
		w->square[a] = sm_alloc(w->mem, (size_t)most, sizeof **w->square, "squares", err);
		w->inverse[a] = sm_alloc(w->mem, (size_t)most, sizeof **w->inverse, "squares", err);
		if (!w->square[a] || !w->inverse[a])
			return SM_BUDGET;
		const double step = w->near->step[a];
		for (int64_t i = 0; i < most; i++) {
			const double d = (double)i * step;
			w->square[a][i] = d * d;
			w->inverse[a][i] = i ? 1 / (2 * step * d) : 0;
		}
	}
	return SM_OK;
}

enum sm_status sm_search_all(const struct sm_search *search, size_t n,
			     const struct sm_rows_near *near, struct sm_mem *mem, int jobs,
			     struct sm_err *err)
{
	struct work w = {.near = near, .mem = mem};
	enum sm_status st = SM_OK;
	size_t planes = 0;
	for (size_t i = 0; i < n; i++) {
		const int64_t *d = search[i].from->n;
		planes += (size_t)d[2];
		if ((double)d[0] * (double)d[1] * (double)d[2] > (double)UINT32_MAX)
			return SM_FAIL(
				err, SM_BUDGET,
				"distances: a box of %lld x %lld x %lld points; at most 2^32 "
				"are allowed",
				(long long)d[0], (long long)d[1], (long long)d[2]);
	}
	if (!n)
		return SM_OK;
	w.slab = sm_alloc(mem, planes, sizeof *w.slab, "pieces of a search", err);
	if (!w.slab)
		return SM_BUDGET;
	SM_GOTO(st, make_squares(&w, search, n, err));
	cut_slabs(&w, search, n);
	SM_GOTO(st, sm_par_for(w.slabs, jobs, search_slab, &w, err));
	SM_GOTO(st, search_far(&w, search, n, jobs, err));
out:
	for (int a = 0; a < 3; a++) {
		sm_free(w.square[a]);
		sm_free(w.inverse[a]);
	}
	sm_free(w.slab);
	return st;
}

/* A grid with every voxel set, or those of where alone. */
static enum sm_status set_points(struct sm_bits *bits, const struct sm_edt_grid *g,
				 const uint32_t *where, size_t count, struct sm_err *err)
{
	SM_TRY(sm_bits_init(bits, g->n, g->mem, err));
	const int64_t plane = g->n[0] * g->n[1];
	const size_t all = (size_t)(plane * g->n[2]);
	for (size_t i = 0; i < (where ? count : all); i++) {
		const int64_t v = where ? where[i] : (int64_t)i;
		const int64_t x = v % g->n[0] + 1, y = v % plane / g->n[0] + 1, z = v / plane + 1;
		if (v >= (int64_t)all)
			return SM_FAIL(err, SM_INTERNAL, "distances: voxel number %lld of %zu",
				       (long long)v, all);
		bits->bit[(size_t)(z * bits->n[1] + y) * bits->words + (size_t)(x >> 6)] |=
			UINT64_C(1) << (x & 63);
	}
	return SM_OK;
}

static enum sm_status squared_from(const uint8_t *site, const struct sm_edt_grid *g,
				   const struct sm_bits *from, double *out, struct sm_err *err)
{
	uint8_t member[256];
	const struct sm_box box = {.n = {g->n[0], g->n[1], g->n[2]}};
	struct sm_bits to = {0};
	struct sm_rows_near near = {0};
	memset(member, 1, sizeof member);
	member[0] = 0;
	enum sm_status st = sm_bits_init(&to, g->n, g->mem, err);
	if (st == SM_OK)
		st = sm_rows_near_init(&near, g->spacing, from->n, g->mem, err);
	if (st == SM_OK) {
		sm_bits_cut(&to, site, g->n, &box, member);
		const struct sm_search search = {
			.from = from, .to = &to, .out = out, .squared = true};
		st = sm_search_all(&search, 1, &near, g->mem, g->jobs, err);
	}
	sm_rows_near_clear(&near);
	sm_bits_clear(&to);
	return st;
}

enum sm_status sm_edt_squared(const uint8_t *site, const struct sm_edt_grid *g, double *out,
			      struct sm_err *err)
{
	struct sm_bits from = {0};
	enum sm_status st = set_points(&from, g, NULL, 0, err);
	if (st == SM_OK)
		st = squared_from(site, g, &from, out, err);
	sm_bits_clear(&from);
	return st;
}

enum sm_status sm_edt_at(const uint8_t *site, const struct sm_edt_grid *g, const uint32_t *where,
			 size_t count, double *squared, struct sm_err *err)
{
	struct sm_bits from = {0};
	double *found = NULL;
	size_t *before = NULL; /* points in earlier rows */
	enum sm_status st;
	SM_GOTO(st, set_points(&from, g, where, count, err));
	const size_t rows = (size_t)(from.n[1] * from.n[2]);
	const int64_t plane = g->n[0] * g->n[1];
	st = SM_BUDGET;
	before = sm_alloc(g->mem, rows + 1, sizeof *before, "points asked for", err);
	found = sm_alloc(g->mem, count ? count : 1, sizeof *found, "points asked for", err);
	if (!before || !found)
		goto out;
	before[0] = 0;
	for (size_t r = 0; r < rows; r++)
		before[r + 1] = before[r] + sm_bits_count(&from, r, r + 1);
	SM_GOTO(st, squared_from(site, g, &from, found, err));
	for (size_t i = 0; i < count; i++) {
		const int64_t v = where[i], x = v % g->n[0] + 1;
		const size_t r = (size_t)((v / plane + 1) * from.n[1] + v % plane / g->n[0] + 1);
		size_t at = before[r];
		for (int64_t k = 0; k < x; k++)
			at += from.bit[r * from.words + (size_t)(k >> 6)] >> (k & 63) & 1;
		squared[i] = found[at];
	}
out:
	sm_free(found);
	sm_free(before);
	sm_bits_clear(&from);
	return st;
}
