/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing by a ball: squared distances to the mask, axis by axis (the lowest of the parabolas over
 * a column), as in Saito and Toriwaki's transform (Pattern Recognition 27, 1994). Components: runs
 * of rows joined by union-find, so that working memory goes with runs, not voxels.
 */
#include "preprocess/morphology.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"

#define FAR 1e30f

static size_t voxels(const struct sm_grid *g)
{
	return (size_t)(g->n[0] * g->n[1] * g->n[2]);
}

size_t sm_mask_count(const uint8_t *mask, const struct sm_grid *g)
{
	size_t n = 0;
	for (size_t i = 0; i < voxels(g); i++)
		n += mask[i] != 0;
	return n;
}

#define STRIP 64 /* columns that go through an axis together */
#define MANY \
	16 /* voxels of reach from which one pass over a column is faster than all neighbours */

struct grow {
	const struct sm_grid *g;
	uint8_t *mask;
	uint8_t value; /* voxels of this truth value grow */
	double radius;
	float *squares; /* mm^2 to the nearest growing voxel, as far as the axes done say */
	int axis;       /* 1 or 2 */
};

/* Squared distances along x of the rows of one z plane. */
static enum sm_status grow_rows(void *ctx, size_t z, struct sm_err *err)
{
	const struct grow *w = ctx;
	const int64_t nx = w->g->n[0], ny = w->g->n[1];
	const double mm = w->g->spacing[0];
	(void)err;
	for (int64_t y = (int64_t)z * ny; y < ((int64_t)z + 1) * ny; y++) {
		const uint8_t *m = w->mask + y * nx;
		float *d = w->squares + y * nx;
		int64_t last = -1;
		for (int64_t x = 0; x < nx; x++) {
			if ((m[x] != 0) == w->value)
				last = x;
			d[x] = last < 0 ? FAR : (float)((double)(x - last) * mm);
		}
		last = -1;
		for (int64_t x = nx - 1; x >= 0; x--) {
			if ((m[x] != 0) == w->value)
				last = x;
			float back = last < 0 ? FAR : (float)((double)(last - x) * mm);
			d[x] = back < d[x] ? back : d[x];
			d[x] = d[x] < FAR ? d[x] * d[x] : FAR;
		}
	}
	return SM_OK;
}

/* out[i] = the least of a[i + k] + (k mm)^2, |k| <= reach; n places of STRIP columns. */
static void lowest_near(const float *a, float *out, int64_t n, int64_t reach, double mm)
{
	memcpy(out, a, (size_t)(n * STRIP) * sizeof *out);
	for (int64_t k = 1; k <= reach && k < n; k++) {
		float step = (float)((double)(k * k) * mm * mm);
		for (int64_t i = 0; i < (n - k) * STRIP; i++) {
			float ahead = a[i + k * STRIP] + step, behind = a[i] + step;
			out[i] = ahead < out[i] ? ahead : out[i];
			out[i + k * STRIP] =
				behind < out[i + k * STRIP] ? behind : out[i + k * STRIP];
		}
	}
}

/* The same for any reach, column by column, by the lower envelope of the parabolas (P. F.
 * Felzenszwalb and D. P. Huttenlocher, Theory of Computing 8, 2012). site and from: memory for n +
 * 1 values each. */
static void lowest_far(const float *a, float *out, int64_t n, double mm, int64_t *site,
		       double *from)
{
	const double square = mm * mm;
	for (int64_t c = 0; c < STRIP; c++) {
		int64_t last = -1;
		for (int64_t i = 0; i < n; i++) {
			double f = (double)a[i * STRIP + c], start = -1;
			if (f >= (double)FAR)
				continue;
			while (last >= 0) {
				int64_t p = site[last];
				double g = (double)a[p * STRIP + c];
				/* Where the new parabola goes below the last one. */
				start = ((f - g) / square + (double)(i * i - p * p)) /
					(double)(2 * (i - p));
				if (start > from[last])
					break;
				last--;
			}
			site[++last] = i;
			from[last] = last ? start : -1;
		}
		for (int64_t i = 0, k = 0; i < n; i++) {
			while (k < last && from[k + 1] < (double)i)
				k++;
			int64_t gap = last < 0 ? 0 : i - site[k];
			out[i * STRIP + c] =
				last < 0 ? FAR
					 : a[site[k] * STRIP + c] +
						   (float)((double)(gap * gap) * square);
		}
	}
}

/* Ties of the metric are not lost to the last bits of mm^2. */
static float limit_of(double radius)
{
	return (float)(radius * radius * (1 + 1e-6));
}

/* One axis of a strip of columns that share the third index: item = strip + strips * third index.
 * After the last axis the mask is decided. */
static enum sm_status grow_strip(void *ctx, size_t item, struct sm_err *err)
{
	const struct grow *w = ctx;
	const int64_t nx = w->g->n[0], ny = w->g->n[1], n = w->g->n[w->axis];
	const int64_t strips = (nx + STRIP - 1) / STRIP, x0 = (int64_t)item % strips * STRIP;
	const int64_t third = (int64_t)item / strips, step = w->axis == 1 ? nx : nx * ny;
	const int64_t start = (w->axis == 1 ? third * nx * ny : third * nx) + x0;
	const int64_t wide = nx - x0 < STRIP ? nx - x0 : STRIP;
	const double mm = w->g->spacing[w->axis];
	const int64_t reach = (int64_t)(w->radius / mm + 1e-6);
	const float limit = limit_of(w->radius);
	float *a = sm_alloc(w->g->mem, (size_t)(2 * n * STRIP), sizeof *a, "distances", err);
	double *from =
		a ? sm_alloc(w->g->mem, (size_t)(2 * n + 2), sizeof *from, "distances", err) : NULL;
	if (!from) {
		sm_free(a);
		return SM_BUDGET;
	}
	float *out = a + n * STRIP;
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < STRIP; c++)
			a[i * STRIP + c] = c < wide ? w->squares[start + i * step + c] : FAR;
	if (reach < MANY)
		lowest_near(a, out, n, reach, mm);
	else
		lowest_far(a, out, n, mm, (int64_t *)(from + n + 1), from);
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < wide; c++) {
			int64_t at = start + i * step + c;
			w->squares[at] = out[i * STRIP + c];
			if (w->axis == 2)
				w->mask[at] = out[i * STRIP + c] <= limit ? w->value : !w->value;
		}
	sm_free(from);
	sm_free(a);
	return SM_OK;
}

static enum sm_status grow(uint8_t *mask, const struct sm_grid *g, double radius, uint8_t value,
			   struct sm_err *err)
{
	struct grow w = {.g = g, .mask = mask, .value = value, .radius = radius};
	const size_t strips = (size_t)((g->n[0] + STRIP - 1) / STRIP);
	enum sm_status st;
	if (!(radius > 0))
		return SM_OK;
	w.squares = sm_alloc(g->mem, voxels(g), sizeof *w.squares, "distances to a mask", err);
	if (!w.squares)
		return SM_BUDGET;
	SM_GOTO(st, sm_par_for((size_t)g->n[2], g->jobs, grow_rows, &w, err));
	w.axis = 1;
	SM_GOTO(st, sm_par_for(strips * (size_t)g->n[2], g->jobs, grow_strip, &w, err));
	w.axis = 2;
	if (g->n[2] == 1) { /* a picture: nothing lies along z */
		for (size_t i = 0; i < voxels(g); i++)
			mask[i] = w.squares[i] <= limit_of(radius) ? value : !value;
		goto out;
	}
	SM_GOTO(st, sm_par_for(strips * (size_t)g->n[1], g->jobs, grow_strip, &w, err));
out:
	sm_free(w.squares);
	return st;
}

enum sm_status sm_mask_dilate(uint8_t *mask, const struct sm_grid *g, double radius,
			      struct sm_err *err)
{
	return grow(mask, g, radius, 1, err);
}

enum sm_status sm_mask_erode(uint8_t *mask, const struct sm_grid *g, double radius,
			     struct sm_err *err)
{
	return grow(mask, g, radius, 0, err);
}

enum sm_status sm_mask_open(uint8_t *mask, const struct sm_grid *g, double radius,
			    struct sm_err *err)
{
	SM_TRY(grow(mask, g, radius, 0, err));
	return grow(mask, g, radius, 1, err);
}

enum sm_status sm_mask_close(uint8_t *mask, const struct sm_grid *g, double radius,
			     struct sm_err *err)
{
	struct sm_grid wide = *g;
	int64_t pad[3];
	enum sm_status st;
	if (!(radius > 0))
		return SM_OK;
	for (int a = 0; a < 3; a++) {
		pad[a] = g->n[a] > 1 ? (int64_t)(radius / g->spacing[a] + 1e-6) + 1 : 0;
		wide.n[a] += 2 * pad[a];
	}
	uint8_t *copy = sm_calloc(g->mem, voxels(&wide), 1, "mask with a margin", err);
	if (!copy)
		return SM_BUDGET;
	for (int64_t z = 0; z < g->n[2]; z++)
		for (int64_t y = 0; y < g->n[1]; y++)
			memcpy(copy + ((z + pad[2]) * wide.n[1] + y + pad[1]) * wide.n[0] + pad[0],
			       mask + (z * g->n[1] + y) * g->n[0], (size_t)g->n[0]);
	SM_GOTO(st, grow(copy, &wide, radius, 1, err));
	SM_GOTO(st, grow(copy, &wide, radius, 0, err));
	for (int64_t z = 0; z < g->n[2]; z++)
		for (int64_t y = 0; y < g->n[1]; y++)
			memcpy(mask + (z * g->n[1] + y) * g->n[0],
			       copy + ((z + pad[2]) * wide.n[1] + y + pad[1]) * wide.n[0] + pad[0],
			       (size_t)g->n[0]);
out:
	sm_free(copy);
	return st;
}

/* Voxels first <= x < past of one row. */
struct run {
	int64_t first, past;
	uint32_t parent; /* a run before it or itself */
	uint32_t mark;   /* of roots: for the caller */
	size_t size;     /* of roots: voxels */
};

struct runs {
	struct run *v;
	size_t n;
	size_t *start; /* of each row, and one more */
};

static uint32_t root(struct run *v, uint32_t i)
{
	while (v[i].parent != i) {
		v[i].parent = v[v[i].parent].parent;
		i = v[i].parent;
	}
	return i;
}

/* The earlier root stays root: it holds the component's first voxel. */
static void join(struct run *v, uint32_t a, uint32_t b)
{
	a = root(v, a);
	b = root(v, b);
	if (a < b)
		v[b].parent = a;
	else
		v[a].parent = b;
}

static void join_rows(struct runs *r, size_t a, size_t b)
{
	size_t i = r->start[a], j = r->start[b];
	while (i < r->start[a + 1] && j < r->start[b + 1]) {
		if (r->v[i].first < r->v[j].past && r->v[j].first < r->v[i].past)
			join(r->v, (uint32_t)i, (uint32_t)j);
		if (r->v[i].past < r->v[j].past)
			i++;
		else
			j++;
	}
}

static size_t scan_row(const uint8_t *m, int64_t nx, bool inside, struct run *out)
{
	size_t n = 0;
	for (int64_t x = 0; x < nx;) {
		while (x < nx && (m[x] != 0) != inside)
			x++;
		int64_t first = x;
		while (x < nx && (m[x] != 0) == inside)
			x++;
		if (x > first) {
			if (out)
				out[n] = (struct run){.first = first, .past = x};
			n++;
		}
	}
	return n;
}

/* Runs of the voxels that are inside, or outside, joined; the parents of all are their roots. */
static enum sm_status find_runs(const uint8_t *mask, const struct sm_grid *g, bool inside,
				struct runs *r, struct sm_err *err)
{
	const int64_t nx = g->n[0], ny = g->n[1], rows = ny * g->n[2];
	*r = (struct runs){0};
	r->start = sm_alloc(g->mem, (size_t)rows + 1, sizeof *r->start, "rows of a mask", err);
	if (!r->start)
		return SM_BUDGET;
	for (int64_t y = 0; y < rows; y++) {
		r->start[y] = r->n;
		r->n += scan_row(mask + y * nx, nx, inside, NULL);
	}
	r->start[rows] = r->n;
	if (r->n > UINT32_MAX)
		return SM_FAIL(err, SM_BUDGET,
			       "a mask has %zu runs of voxels, allowed are 4294967295", r->n);
	r->v = sm_alloc(g->mem, r->n ? r->n : 1, sizeof *r->v, "runs of a mask", err);
	if (!r->v)
		return SM_BUDGET;
	for (int64_t y = 0; y < rows; y++)
		scan_row(mask + y * nx, nx, inside, r->v + r->start[y]);
	for (size_t i = 0; i < r->n; i++)
		r->v[i].parent = (uint32_t)i;
	for (int64_t y = 0; y < rows; y++) {
		if (y % ny)
			join_rows(r, (size_t)(y - 1), (size_t)y);
		if (y >= ny)
			join_rows(r, (size_t)(y - ny), (size_t)y);
	}
	for (size_t i = 0; i < r->n; i++) {
		r->v[i].parent = root(r->v, (uint32_t)i);
		r->v[r->v[i].parent].size += (size_t)(r->v[i].past - r->v[i].first);
	}
	return SM_OK;
}

static void free_runs(struct runs *r)
{
	sm_free(r->v);
	sm_free(r->start);
}

enum sm_status sm_mask_components(const uint8_t *mask, uint8_t value, const struct sm_grid *g,
				  uint32_t *labels, size_t *count, struct sm_err *err)
{
	struct runs r;
	uint32_t found = 0;
	uint8_t *is = sm_alloc(g->mem, voxels(g), 1, "voxels of one value", err);
	enum sm_status st;
	*count = 0;
	if (!is)
		return SM_BUDGET;
	for (size_t i = 0; i < voxels(g); i++)
		is[i] = mask[i] == value;
	SM_GOTO(st, find_runs(is, g, true, &r, err));
	memset(labels, 0, voxels(g) * sizeof *labels);
	for (int64_t y = 0; y < g->n[1] * g->n[2]; y++)
		for (size_t i = r.start[y]; i < r.start[y + 1]; i++) {
			if (r.v[i].parent == i)
				r.v[i].mark = ++found;
			for (int64_t x = r.v[i].first; x < r.v[i].past; x++)
				labels[y * g->n[0] + x] = r.v[r.v[i].parent].mark;
		}
	*count = found;
out:
	free_runs(&r);
	sm_free(is);
	return st;
}

/* Sets the voxels of the runs whose root has the mark. */
static void paint(uint8_t *mask, const struct sm_grid *g, const struct runs *r, uint32_t mark)
{
	for (int64_t y = 0; y < g->n[1] * g->n[2]; y++)
		for (size_t i = r->start[y]; i < r->start[y + 1]; i++)
			if (r->v[r->v[i].parent].mark == mark)
				memset(mask + y * g->n[0] + r->v[i].first, 1,
				       (size_t)(r->v[i].past - r->v[i].first));
}

enum sm_status sm_mask_largest(uint8_t *mask, const struct sm_grid *g, size_t *kept,
			       struct sm_err *err)
{
	struct runs r;
	size_t best = 0;
	enum sm_status st;
	if (kept)
		*kept = 0;
	SM_GOTO(st, find_runs(mask, g, true, &r, err));
	for (size_t i = 1; i < r.n; i++)
		if (r.v[i].parent == i && r.v[i].size > r.v[best].size)
			best = i;
	memset(mask, 0, voxels(g));
	if (!r.n)
		goto out;
	r.v[best].mark = 1;
	paint(mask, g, &r, 1);
	if (kept)
		*kept = r.v[best].size;
out:
	free_runs(&r);
	return st;
}

enum sm_status sm_mask_fill(uint8_t *mask, const struct sm_grid *g, struct sm_err *err)
{
	const int64_t nx = g->n[0], ny = g->n[1], nz = g->n[2];
	struct runs r;
	enum sm_status st;
	SM_GOTO(st, find_runs(mask, g, false, &r, err));
	for (int64_t y = 0; y < ny * nz; y++) {
		bool face = (ny > 1 && (y % ny == 0 || y % ny == ny - 1)) ||
			    (nz > 1 && (y / ny == 0 || y / ny == nz - 1));
		for (size_t i = r.start[y]; i < r.start[y + 1]; i++)
			if (face || (nx > 1 && (r.v[i].first == 0 || r.v[i].past == nx)))
				r.v[r.v[i].parent].mark = 1;
	}
	for (size_t i = 0; i < voxels(g); i++)
		mask[i] = mask[i] != 0;
	paint(mask, g, &r, 0);
out:
	free_runs(&r);
	return st;
}

struct planes {
	const struct sm_grid *g;
	uint8_t *mask;
	int axis;
};

static enum sm_status fill_plane(void *ctx, size_t at, struct sm_err *err)
{
	const struct planes *p = ctx;
	const int64_t step[3] = {1, p->g->n[0], p->g->n[0] * p->g->n[1]};
	const int u = p->axis == 0 ? 1 : 0, v = p->axis == 2 ? 1 : 2;
	struct sm_grid flat = {.n = {p->g->n[u], p->g->n[v], 1}, .mem = p->g->mem, .jobs = 1};
	uint8_t *from = p->mask + (int64_t)at * step[p->axis];
	uint8_t *copy = sm_alloc(flat.mem, voxels(&flat), 1, "plane of a mask", err);
	if (!copy)
		return SM_BUDGET;
	for (int64_t b = 0; b < flat.n[1]; b++)
		for (int64_t a = 0; a < flat.n[0]; a++)
			copy[b * flat.n[0] + a] = from[a * step[u] + b * step[v]];
	enum sm_status st = sm_mask_fill(copy, &flat, err);
	for (int64_t b = 0; st == SM_OK && b < flat.n[1]; b++)
		for (int64_t a = 0; a < flat.n[0]; a++)
			from[a * step[u] + b * step[v]] = copy[b * flat.n[0] + a];
	sm_free(copy);
	return st;
}

enum sm_status sm_mask_fill_planes(uint8_t *mask, const struct sm_grid *g, int axis,
				   struct sm_err *err)
{
	struct planes p = {.g = g, .mask = mask, .axis = axis};
	return sm_par_for((size_t)g->n[axis], g->jobs, fill_plane, &p, err);
}
