/* SPDX-License-Identifier: Apache-2.0
 *
 * remove_background: voxels above a threshold form objects (6 neighbours); the largest one (the
 * first in voxel order among equals) without its holes is the foreground. All volumes become `fill`
 * outside it, and it stays as the case's mask, which can be looked at. The threshold is a given
 * value, a share of the maximum, or Otsu's (N. Otsu, IEEE Trans. SMC 9, 1979) on a histogram of
 * 1024 bins from minimum to maximum.
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/case.h"
#include "preprocess/op_table.h"

#define BINS 1024

struct remove_background {
	int threshold;
	double value, fill;
	bool largest, fill_holes;
	char *role;
};
enum { OTSU, VALUE, SHARE };

#define AT(member) .offset = offsetof(struct remove_background, member)
static const struct sm_field fields[] = {
	{"threshold", SM_F_CHOICE, AT(threshold), "otsu", .choices = "otsu|value|share",
	 .doc = "how the threshold is found: Otsu, `value` itself, or `value` times the maximum"},
	{"value", SM_F_FLOAT, AT(value), "0", -1e9, 1e9,
	 .doc = "threshold, or share of the maximum"},
	{"fill", SM_F_FLOAT, AT(fill), "0", -1e9, 1e9, .doc = "intensity outside the foreground"},
	{"largest", SM_F_BOOL, AT(largest), "true", .doc = "keep only the largest object"},
	{"fill_holes", SM_F_BOOL, AT(fill_holes), "true", .doc = "holes belong to the foreground"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume or channel that decides; absent = the first"},
};
const struct sm_fieldset sm_op_remove_background_fields =
	SM_FIELDSET("remove_background", struct remove_background, fields, "background to 0");

static double otsu(const float *v, size_t n, double lo, double hi)
{
	size_t bins[BINS] = {0};
	double total = 0, below = 0, weight = 0, best = -1;
	int at = 0;
	for (size_t i = 0; i < n; i++) {
		int b = (int)(((double)v[i] - lo) / (hi - lo) * BINS);
		bins[b < BINS ? b : BINS - 1]++;
	}
	for (int b = 0; b < BINS; b++)
		total += (double)b * (double)bins[b];
	for (int b = 0; b < BINS - 1; b++) {
		weight += (double)bins[b];
		below += (double)b * (double)bins[b];
		double rest = (double)n - weight;
		if (weight == 0 || rest == 0)
			continue;
		double gap = below / weight - (total - below) / rest;
		double between = weight * rest * gap * gap;
		if (between > best) {
			best = between;
			at = b;
		}
	}
	return lo + (hi - lo) * (double)(at + 1) / BINS;
}

struct grid {
	int64_t n[3];
	size_t count;
	uint32_t *queue;
};

/* Marks what hangs together with voxel `start` and has the mark `from` with `to`; returns how
 * many voxels. */
static size_t flood(const struct grid *g, uint8_t *mark, size_t start, uint8_t from, uint8_t to)
{
	size_t head = 0, tail = 0;
	const int64_t nx = g->n[0], ny = g->n[1], nz = g->n[2];
	mark[start] = to;
	g->queue[tail++] = (uint32_t)start;
	while (head < tail) {
		int64_t i = g->queue[head++], x = i % nx, y = i / nx % ny, z = i / nx / ny;
		const int64_t next[6] = {x > 0 ? i - 1 : -1,       x < nx - 1 ? i + 1 : -1,
					 y > 0 ? i - nx : -1,      y < ny - 1 ? i + nx : -1,
					 z > 0 ? i - nx * ny : -1, z < nz - 1 ? i + nx * ny : -1};
		for (int k = 0; k < 6; k++)
			if (next[k] >= 0 && mark[next[k]] == from) {
				mark[next[k]] = to;
				g->queue[tail++] = (uint32_t)next[k];
			}
	}
	return tail;
}

enum { OUTSIDE, ABOVE, SEEN, BIGGEST, AIR };

static void keep_largest(const struct grid *g, uint8_t *mark)
{
	size_t best = 0, best_at = 0;
	for (size_t i = 0; i < g->count; i++)
		if (mark[i] == ABOVE) {
			size_t size = flood(g, mark, i, ABOVE, SEEN);
			if (size > best) {
				best = size;
				best_at = i;
			}
		}
	if (best)
		flood(g, mark, best_at, SEEN, BIGGEST);
	for (size_t i = 0; i < g->count; i++)
		mark[i] = mark[i] == BIGGEST ? ABOVE : OUTSIDE;
}

/* Whatever the outside cannot reach from the grid's faces is a hole. */
static void close_holes(const struct grid *g, uint8_t *mark)
{
	for (size_t i = 0; i < g->count; i++) {
		int64_t x = (int64_t)i % g->n[0], y = (int64_t)i / g->n[0] % g->n[1],
			z = (int64_t)i / g->n[0] / g->n[1];
		bool face =
			!x || !y || !z || x == g->n[0] - 1 || y == g->n[1] - 1 || z == g->n[2] - 1;
		if (face && mark[i] == OUTSIDE)
			flood(g, mark, i, OUTSIDE, AIR);
	}
	for (size_t i = 0; i < g->count; i++)
		mark[i] = mark[i] == AIR ? OUTSIDE : ABOVE;
}

static enum sm_status find_threshold(const struct sm_case *c, const struct remove_background *p,
				     const struct sm_block *b, size_t n, double *out,
				     struct sm_err *err)
{
	double lo = (double)b->v[0], hi = lo;
	for (size_t i = 1; i < n; i++) {
		lo = (double)b->v[i] < lo ? (double)b->v[i] : lo;
		hi = (double)b->v[i] > hi ? (double)b->v[i] : hi;
	}
	if (p->threshold == OTSU && lo == hi)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s is %g everywhere: there is nothing to separate", c->key,
			       b->name, lo);
	*out = p->threshold == OTSU    ? otsu(b->v, n, lo, hi)
	       : p->threshold == SHARE ? p->value * hi
				       : p->value;
	return SM_OK;
}

static enum sm_status make_mask(struct sm_case *c, const struct remove_background *p,
				const struct sm_block *b, struct sm_err *err)
{
	struct sm_vol mask = {0};
	const int64_t dim[4] = {b->nx, b->ny, b->nz, 1};
	struct grid g = {.n = {b->nx, b->ny, b->nz}, .count = (size_t)(b->nx * b->ny * b->nz)};
	enum sm_status st;
	double threshold = 0;
	size_t inside = 0;
	if (g.count > UINT32_MAX)
		return SM_FAIL(err, SM_BUDGET, "%s: %zu voxels, allowed are 4294967295", c->key,
			       g.count);
	SM_GOTO(st, find_threshold(c, p, b, g.count, &threshold, err));
	SM_GOTO(st, sm_vol_init(&mask, dim, SM_U8, c->mem, c->key, err));
	g.queue = sm_alloc(c->mem, g.count, sizeof *g.queue, "queue of a flood fill", err);
	if (!g.queue) {
		st = SM_BUDGET;
		goto out;
	}
	uint8_t *mark = mask.data;
	for (size_t i = 0; i < g.count; i++)
		mark[i] = (double)b->v[i] > threshold ? ABOVE : OUTSIDE;
	if (p->largest)
		keep_largest(&g, mark);
	if (p->fill_holes)
		close_holes(&g, mark);
	for (size_t i = 0; i < g.count; i++)
		inside += mark[i] == ABOVE;
	if (!inside) {
		st = SM_FAIL(err, SM_INPUT, "%s: no voxel of %s is above the threshold %g", c->key,
			     b->name, threshold);
		goto out;
	}
	memcpy(mask.affine, c->vols[0].vol.affine, sizeof mask.affine);
	mask.form_code = c->vols[0].vol.form_code;
	mask.meaning = SM_MEANING_LABEL;
	sm_vol_clear(&c->mask);
	c->mask = mask;
	mask = (struct sm_vol){0};
	sm_case_fact(c, "remove_background",
		     json_pack("{s:f, s:I, s:s}", "threshold", threshold, "voxels",
			       (json_int_t)inside, "from", b->name));
out:
	sm_free(g.queue);
	sm_vol_clear(&mask);
	return st;
}

enum sm_status sm_op_remove_background(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct remove_background *p = params;
	struct sm_block *blocks = NULL;
	size_t n = 0, decides = 0;
	enum sm_status st;
	SM_TRY(sm_case_one_size(c, err));
	for (size_t i = 0; i < c->count; i++)
		if (!c->stacked && c->vols[i].vol.dim[3] != 1)
			return SM_FAIL(err, SM_INPUT, "%s: %s has %lld frames, allowed is 1",
				       c->key, c->vols[i].role, (long long)c->vols[i].vol.dim[3]);
	SM_TRY(sm_case_blocks(c, &blocks, &n, err));
	while (p->role && decides < n && strcmp(blocks[decides].name, p->role) != 0)
		decides++;
	if (decides == n) {
		st = SM_FAIL(err, SM_INPUT, "%s: has no volume or channel '%s'", c->key, p->role);
		goto out;
	}
	SM_GOTO(st, make_mask(c, p, &blocks[decides], err));
	const uint8_t *mask = c->mask.data;
	for (size_t b = 0; b < n; b++)
		for (size_t i = 0; i < (size_t)(blocks[b].nx * blocks[b].ny * blocks[b].nz); i++)
			if (!mask[i])
				blocks[b].v[i] = (float)p->fill;
out:
	free(blocks);
	return st;
}
