/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/shared_surface.h"

#include <math.h>
#include <string.h>

#include "eval/edge.h"
#include "eval/select.h"

/* Points of a cell along an axis, of a part of it; places of points go part by part. */
enum { CELL = 16, PART = 4, PLACES = CELL * CELL * CELL, PART_PLACES = PART * PART * PART };

/* Sums of weights may be wrong by this share of the total, whatever the order of their terms. */
#define SUM_ERROR 1e-8

struct sm_shared_cell {
	int32_t at[3];
	uint32_t points;
	size_t first; /* its points */
	double weight;
};

/* ---- the components' points ------------------------------------------------------------------ */

/* Runs through the points of one component, once to count, once to write. */
struct sweep {
	struct sm_shared_surface *s;
	const struct sm_bits *mask;
	int64_t low[3], cells[3]; /* of the component */
	size_t first;             /* its first cell */
	bool write;
};

static void add_point(const struct sweep *w, const int64_t at[3], unsigned code)
{
	uint32_t cell[3], part[3], in[3];
	for (int a = 0; a < 3; a++) {
		const uint32_t d = (uint32_t)(at[a] - w->low[a]);
		cell[a] = d / CELL;
		part[a] = d % CELL / PART;
		in[a] = d % PART;
	}
	struct sm_shared_cell *c =
		&w->s->cell[w->first +
			    ((size_t)cell[2] * (size_t)w->cells[1] + cell[1]) * (size_t)w->cells[0] +
			    cell[0]];
	const uint32_t per = CELL / PART;
	const uint32_t place = ((part[2] * per + part[1]) * per + part[0]) * PART_PLACES +
			       (in[2] * PART + in[1]) * PART + in[0];
	if (w->write)
		w->s->point[c->first + c->points] = place << 8 | code;
	c->points++;
}

/* The points around a run in the row of points (y, z), y and z being 0 or 1 behind its own. Each is
 * the first row's of the four around that has a voxel there. */
static void add_row(const struct sweep *w, const struct sm_run_of_voxels *r, int64_t y, int64_t z,
		    unsigned own)
{
	const size_t words = w->mask->words, plane = words * (size_t)w->mask->n[1];
	const uint64_t *m = w->mask->bit + (size_t)(z + 1) * plane + (size_t)(y + 1) * words;
	const uint64_t *row[4] = {m - plane - words, m - words, m - plane, m};
	unsigned before = 0;
	for (int64_t x = r->start - 1; x <= r->start + r->length; x++) {
		unsigned half = 0; /* of voxel x, which is bit x + 1 */
		for (int k = 0; k < 4; k++)
			half = half << 1 |
			       (unsigned)(row[k][(size_t)(x + 1) >> 6] >> ((x + 1) & 63) & 1);
		const unsigned code = before << 4 | half, any = before | half;
		before = half;
		if (x >= r->start && any < 2 * own && code != 255)
			add_point(w, (const int64_t[3]){x, y, z}, code);
	}
}

static void add_run(const struct sweep *w, const struct sm_run_of_voxels *r, int64_t y, int64_t z)
{
	add_row(w, r, y, z, 1);
	add_row(w, r, y, z + 1, 2);
	add_row(w, r, y + 1, z, 4);
	add_row(w, r, y + 1, z + 1, 8);
}

static void add_all(struct sweep *w, const struct sm_components *of,
		    const struct sm_component_box *box, const uint8_t *needed, const int64_t n[3])
{
	for (size_t row = 0; row < of->rows; row++)
		for (size_t i = of->row[row]; i < of->row[row + 1]; i++) {
			const struct sm_run_of_voxels *r = &of->run[i];
			if (!needed[r->part])
				continue;
			for (int a = 0; a < 3; a++) {
				w->low[a] = box[r->part].low[a];
				w->cells[a] = (box[r->part].high[a] - w->low[a]) / CELL + 1;
			}
			w->first = w->s->first[r->part];
			add_run(w, r, (int64_t)row % n[1], (int64_t)row / n[1]);
		}
}

/* Points by their places, and the weight of all. */
static void finish_cell(struct sm_shared_surface *s, struct sm_shared_cell *c)
{
	uint8_t code[PLACES] = {0};
	uint32_t n = 0, *point = s->point + c->first;
	for (uint32_t i = 0; i < c->points; i++)
		code[point[i] >> 8] = point[i] & 255;
	for (uint32_t place = 0; place < PLACES; place++) {
		if (!code[place]) /* no surface has that */
			continue;
		point[n++] = place << 8 | code[place];
		c->weight += s->area[code[place]];
	}
}

static enum sm_status make_cells(struct sm_shared_surface *s, const struct sm_components *of,
				 const struct sm_component_box *box, const uint8_t *needed,
				 struct sm_err *err)
{
	size_t cells = 0;
	s->first = sm_alloc(s->mem, of->count + 1, sizeof *s->first, "cells of points", err);
	if (!s->first)
		return SM_BUDGET;
	for (size_t c = 0; c < of->count; c++) {
		s->first[c] = cells;
		size_t here = needed[c];
		for (int a = 0; a < 3; a++)
			here *= (size_t)(box[c].high[a] - box[c].low[a]) / CELL + 1;
		cells += here;
	}
	s->first[of->count] = cells;
	s->cell = sm_calloc(s->mem, cells + 1, sizeof *s->cell, "cells of points", err);
	if (!s->cell)
		return SM_BUDGET;
	for (size_t c = 0; c < of->count; c++) {
		const int64_t nx = (box[c].high[0] - box[c].low[0]) / CELL + 1,
			      ny = (box[c].high[1] - box[c].low[1]) / CELL + 1;
		for (size_t i = s->first[c]; i < s->first[c + 1]; i++) {
			const int64_t k = (int64_t)(i - s->first[c]),
				      at[3] = {k % nx, k / nx % ny, k / nx / ny};
			for (int a = 0; a < 3; a++)
				s->cell[i].at[a] = (int32_t)(box[c].low[a] + CELL * at[a]);
		}
	}
	return SM_OK;
}

static void set_runs(struct sm_bits *mask, const struct sm_components *of, const uint8_t *needed,
		     const int64_t n[3])
{
	for (size_t row = 0; row < of->rows; row++) {
		const size_t y = row % (size_t)n[1] + 1, z = row / (size_t)n[1] + 1;
		uint64_t *m = mask->bit + (z * (size_t)mask->n[1] + y) * mask->words;
		for (size_t i = of->row[row]; i < of->row[row + 1]; i++) {
			const struct sm_run_of_voxels *r = &of->run[i];
			for (int32_t x = r->start + 1; needed[r->part] && x <= r->start + r->length;
			     x++)
				m[x >> 6] |= UINT64_C(1) << (x & 63);
		}
	}
}

enum sm_status sm_shared_surface_init(struct sm_shared_surface *s, const struct sm_components *of,
				      const struct sm_component_box *box, const uint8_t *needed,
				      const int64_t n[3], const double spacing[3],
				      struct sm_mem *mem, struct sm_err *err)
{
	const bool equal = spacing[0] == spacing[1] && spacing[0] == spacing[2];
	struct sm_bits mask = {0};
	size_t points = 0;
	enum sm_status st;
	*s = (struct sm_shared_surface){.scale = equal ? spacing[0] : 1, .mem = mem};
	for (int a = 0; a < 3; a++)
		s->step[a] = equal ? 1 : spacing[a];
	sm_surfel_areas(spacing, s->area);
	SM_GOTO(st, make_cells(s, of, box, needed, err));
	SM_GOTO(st, sm_bits_init(&mask, n, mem, err));
	set_runs(&mask, of, needed, n);
	struct sweep w = {.s = s, .mask = &mask};
	add_all(&w, of, box, needed, n);
	const size_t cells = s->first[of->count];
	for (size_t i = 0; i < cells; i++) {
		s->cell[i].first = points;
		points += s->cell[i].points;
		s->cell[i].points = 0;
	}
	s->point = sm_alloc(mem, points + 1, sizeof *s->point, "surface elements", err);
	if (!s->point) {
		st = SM_BUDGET;
		goto out;
	}
	w.write = true;
	add_all(&w, of, box, needed, n);
	for (size_t i = 0; i < cells; i++)
		finish_cell(s, &s->cell[i]);
out:
	sm_bits_clear(&mask);
	return st;
}

void sm_shared_surface_clear(struct sm_shared_surface *s)
{
	sm_free(s->cell);
	sm_free(s->point);
	sm_free(s->first);
	*s = (struct sm_shared_surface){0};
}

size_t sm_shared_surface_cells(const struct sm_shared_surface *s, const uint32_t *component,
			       size_t components)
{
	size_t n = 0;
	for (size_t i = 0; i < components; i++)
		n += s->first[component[i] + 1] - s->first[component[i]];
	return n;
}

/* ---- one lesion ------------------------------------------------------------------------------ */

/* A cell, or a part of one: what its points weigh, and bounds of the squares of their distances.
 * Bounds are made like the squares themselves, so rounding keeps their order. */
struct block {
	double low, high, weight;
	const struct sm_shared_cell *cell;
	uint32_t first, points; /* of the cell's */
};

struct query {
	const struct sm_shared_surface *s;
	const struct sm_site *site;
	size_t sites;
	struct block *cell, *part;
	size_t cells, parts;
	struct sm_weighted *v;
	uint32_t *near, *nearer; /* sites that can be the nearest of a cell, of a part */
	size_t nears, nearers;
	double total, below; /* weight: of all; of what lies below the percentile for certain */
};

static double square_of(const struct sm_shared_surface *s, int64_t dx, int64_t dy, int64_t dz)
{
	const double x = (double)dx * s->step[0], y = (double)dy * s->step[1],
		     z = (double)dz * s->step[2];
	return x * x + (y * y + z * z);
}

/* Least and largest square from a cube of `edge` points to a site. */
static void bounds(const struct sm_shared_surface *s, const int32_t at[3], int32_t edge,
		   const struct sm_site *site, double *low, double *high)
{
	int32_t least[3], most[3];
	for (int a = 0; a < 3; a++) {
		const int32_t before = at[a] - site->at[a], behind = before + edge - 1;
		least[a] = before > 0 ? before : behind < 0 ? -behind : 0;
		most[a] = -before > behind ? -before : behind;
	}
	*low = square_of(s, least[0], least[1], least[2]);
	*high = square_of(s, most[0], most[1], most[2]);
}

/* Of the sites from[0..n) (NULL: all) those that can be the nearest of a point of a cube. */
static size_t nearest_sites(const struct query *q, const int32_t at[3], int32_t edge,
			    const uint32_t *from, size_t n, uint32_t *out, struct block *b)
{
	size_t count = 0;
	double low, high;
	b->low = b->high = INFINITY;
	for (size_t i = 0; i < n; i++) {
		bounds(q->s, at, edge, &q->site[from ? from[i] : i], &low, &high);
		b->low = low < b->low ? low : b->low;
		b->high = high < b->high ? high : b->high;
	}
	for (size_t i = 0; i < n; i++) {
		const uint32_t k = from ? from[i] : (uint32_t)i;
		bounds(q->s, at, edge, &q->site[k], &low, &high);
		if (low <= b->high)
			out[count++] = k;
	}
	return count;
}

static double percentile(struct query *q, const struct block *b, size_t n, bool high, double weight)
{
	for (size_t i = 0; i < n; i++)
		q->v[i] = (struct sm_weighted){high ? b[i].high : b[i].low, b[i].weight};
	return sm_weighted_quantile(q->v, n, 1, weight);
}

/* Keeps the blocks that the percentile may lie in; returns how many. */
static size_t keep_between(struct query *q, struct block *b, size_t n)
{
	const double wanted = 0.95 * q->total - q->below, error = SUM_ERROR * q->total;
	const double least = percentile(q, b, n, false, wanted - error),
		     most = percentile(q, b, n, true, wanted + error);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (b[i].high < least)
			q->below += b[i].weight;
		else if (b[i].low <= most)
			b[kept++] = b[i];
	return kept;
}

static void origin(const struct block *b, uint32_t place, int32_t at[3])
{
	const uint32_t per = CELL / PART, part = place / PART_PLACES,
		       in[3] = {part % per, part / per % per, part / per / per};
	for (int a = 0; a < 3; a++)
		at[a] = b->cell->at[a] + (int32_t)(in[a] * PART);
}

static void position(const struct block *b, uint32_t place, int32_t at[3])
{
	const uint32_t in[3] = {place % PART, place / PART % PART, place % PART_PLACES / PART / PART};
	origin(b, place, at);
	for (int a = 0; a < 3; a++)
		at[a] += (int32_t)in[a];
}

static enum sm_status cut_parts(struct query *q, struct sm_err *err)
{
	const size_t most = q->cells * (PLACES / PART_PLACES);
	size_t points = 0;
	for (size_t i = 0; i < q->cells; i++)
		points += q->cell[i].points;
	sm_free(q->v);
	q->part = sm_alloc(q->s->mem, points < most ? points : most, sizeof *q->part,
			   "surface elements", err);
	q->v = NULL;
	if (!q->part)
		return SM_BUDGET;
	for (size_t i = 0; i < q->cells; i++) {
		const struct block *c = &q->cell[i];
		const uint32_t *point = q->s->point + c->cell->first;
		struct block of_cell;
		q->nears = nearest_sites(q, c->cell->at, CELL, NULL, q->sites, q->near, &of_cell);
		for (uint32_t k = 0; k < c->points;) {
			struct block b = {.cell = c->cell, .first = k};
			const uint32_t place = point[k] >> 8, part = place / PART_PLACES;
			int32_t at[3];
			for (; k < c->points && (point[k] >> 8) / PART_PLACES == part; k++)
				b.weight += q->s->area[point[k] & 255];
			b.points = k - b.first;
			origin(&b, place, at);
			nearest_sites(q, at, PART, q->near, q->nears, q->nearer, &b);
			q->part[q->parts++] = b;
		}
	}
	q->v = sm_alloc(q->s->mem, q->parts, sizeof *q->v, "surface elements", err);
	return q->v ? SM_OK : SM_BUDGET;
}

/* Squares of the points of the parts that are left. */
static enum sm_status measure_points(struct query *q, size_t *n, struct sm_err *err)
{
	const struct sm_shared_cell *last = NULL;
	size_t points = 0;
	for (size_t i = 0; i < q->parts; i++)
		points += q->part[i].points;
	sm_free(q->v);
	q->v = sm_alloc(q->s->mem, points + 1, sizeof *q->v, "surface elements", err);
	if (!q->v)
		return SM_BUDGET;
	*n = 0;
	for (size_t i = 0; i < q->parts; i++) {
		struct block b = q->part[i], of_cell;
		const uint32_t *point = q->s->point + b.cell->first + b.first;
		int32_t at[3];
		if (b.cell != last)
			q->nears = nearest_sites(q, b.cell->at, CELL, NULL, q->sites, q->near,
						 &of_cell);
		last = b.cell;
		origin(&b, point[0] >> 8, at);
		q->nearers = nearest_sites(q, at, PART, q->near, q->nears, q->nearer, &b);
		for (uint32_t k = 0; k < b.points; k++) {
			double best = INFINITY;
			position(&b, point[k] >> 8, at);
			for (size_t j = 0; j < q->nearers; j++) {
				const int32_t *to = q->site[q->nearer[j]].at;
				const double here = square_of(q->s, at[0] - to[0], at[1] - to[1],
							      at[2] - to[2]);
				best = here < best ? here : best;
			}
			q->v[(*n)++] = (struct sm_weighted){best, q->s->area[point[k] & 255]};
		}
	}
	return SM_OK;
}

/* The percentile of v[0..n) and what lies below it, and whether it is the same however the weights
 * are summed. */
static double pick(struct query *q, size_t n, bool *sure)
{
	const double wanted = 0.95 * q->total, error = SUM_ERROR * q->total;
	double less = q->below, upto = q->below;
	const double out = sm_weighted_quantile(q->v, n, 1, wanted - q->below);
	for (size_t i = 0; i < n; i++) {
		less += q->v[i].value < out ? q->v[i].weight : 0;
		upto += q->v[i].value <= out ? q->v[i].weight : 0;
	}
	*sure = less < wanted - error && upto > wanted + error;
	return out;
}

/* From the components to the lesion. */
static enum sm_status percentile_back(struct query *q, double *out, bool *sure, struct sm_err *err)
{
	size_t n;
	q->cells = keep_between(q, q->cell, q->cells);
	SM_TRY(cut_parts(q, err));
	q->parts = keep_between(q, q->part, q->parts);
	SM_TRY(measure_points(q, &n, err));
	*out = pick(q, n, sure);
	return SM_OK;
}

/* The nearest point of all cells; near[] is one of them, or best a bound of its square. */
static double nearest_point(const struct query *q, const struct sm_site *site, double best,
			    int32_t near[3])
{
	double low, high;
	for (size_t i = 0; i < q->cells; i++) {
		const struct block *c = &q->cell[i];
		const uint32_t *point = q->s->point + c->cell->first;
		bounds(q->s, c->cell->at, CELL, site, &low, &high);
		for (uint32_t k = 0; low <= best && k < c->points; k++) {
			int32_t at[3];
			position(c, point[k] >> 8, at);
			const double here =
				square_of(q->s, at[0] - site->at[0], at[1] - site->at[1],
					  at[2] - site->at[2]);
			if (here <= best) {
				best = here;
				memcpy(near, at, sizeof at);
			}
		}
	}
	return best;
}

/* From the lesion to the components: the longest, and the percentile. */
static enum sm_status percentile_there(struct query *q, double *longest, double *out, bool *sure,
				       struct sm_err *err)
{
	int32_t near[3] = {0};
	double best = INFINITY, low, high;
	struct query there = {.total = 0};
	there.v = sm_alloc(q->s->mem, q->sites, sizeof *there.v, "surface elements", err);
	if (!there.v)
		return SM_BUDGET;
	for (size_t i = 0; i < q->cells; i++) {
		bounds(q->s, q->cell[i].cell->at, CELL, q->site, &low, &high);
		best = high < best ? high : best;
	}
	*longest = 0;
	for (size_t i = 0; i < q->sites; i++) {
		const struct sm_site *site = &q->site[i];
		if (i) /* where the one before ended is not far */
			best = square_of(q->s, near[0] - site->at[0], near[1] - site->at[1],
					 near[2] - site->at[2]);
		best = nearest_point(q, site, best, near);
		there.v[i] = (struct sm_weighted){best, q->s->area[site->code]};
		there.total += there.v[i].weight;
		*longest = best > *longest ? best : *longest;
	}
	*out = pick(&there, q->sites, sure);
	sm_free(there.v);
	return SM_OK;
}

static enum sm_status list_cells(struct query *q, const uint32_t *component, size_t components,
				 struct sm_err *err)
{
	const struct sm_shared_surface *s = q->s;
	const size_t all = sm_shared_surface_cells(s, component, components);
	q->cell = sm_alloc(s->mem, all + 1, sizeof *q->cell, "cells of points", err);
	q->v = sm_alloc(s->mem, all + 1, sizeof *q->v, "cells of points", err);
	q->near = sm_alloc(s->mem, q->sites, 2 * sizeof *q->near, "sites", err);
	if (!q->cell || !q->v || !q->near)
		return SM_BUDGET;
	q->nearer = q->near + q->sites;
	for (size_t i = 0; i < components; i++)
		for (size_t k = s->first[component[i]]; k < s->first[component[i] + 1]; k++) {
			struct block b = {.cell = &s->cell[k],
					  .points = s->cell[k].points,
					  .weight = s->cell[k].weight};
			if (!b.points)
				continue;
			nearest_sites(q, b.cell->at, CELL, NULL, q->sites, q->near, &b);
			q->cell[q->cells++] = b;
			q->total += b.weight;
		}
	return SM_OK;
}

enum sm_status sm_shared_surface_hd95(const struct sm_shared_surface *s, const uint32_t *component,
				      size_t components, const struct sm_site *site, size_t sites,
				      double *hd95, bool *sure, struct sm_err *err)
{
	struct query q = {.s = s, .site = site, .sites = sites};
	double back = 0, there = 0, longest = 0;
	bool sure_back = false, sure_there = false;
	enum sm_status st;
	SM_GOTO(st, list_cells(&q, component, components, err));
	SM_GOTO(st, percentile_there(&q, &longest, &there, &sure_there, err));
	SM_GOTO(st, percentile_back(&q, &back, &sure_back, err));
	*sure = sure_back && (sure_there || longest <= back);
	*hd95 = s->scale * sqrt(sure_there && there > back ? there : back);
out:
	sm_free(q.cell);
	sm_free(q.part);
	sm_free(q.v);
	sm_free(q.near);
	return st;
}
