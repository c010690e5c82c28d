/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/surface.h"

#include <math.h>
#include <string.h>

#include "core/par.h"
#include "eval/edt.h"
#include "eval/select.h"
#include "eval/surfel.h"

/* Regions in boxes of so many points take a millisecond or two: a thread measures one all alone.
 * Of larger ones each is measured by all threads, one after the other. */
#define SMALL_POINTS ((int64_t)1 << 20)

/* One region of one pair; [0] truth, [1] prediction. */
struct part {
	const uint8_t *value[2];
	uint8_t member[256];
	int64_t dim[3];
	bool flat[3];
	struct sm_box box;
	struct sm_bits mask[2], edge[2], corner[2];
	size_t edges[2], corners[2];
	double *mm;        /* edge voxels of the truth, then of the prediction */
	double *corner_mm; /* the same of corner points */
	double sum[2];
	size_t near[2][SM_TOLERANCES]; /* edge voxels within each tolerance */
	double area_near[2][SM_TOLERANCES];
	struct sm_surface *out;
};

/* What all regions of a call share. */
struct common {
	const struct sm_surface_settings *settings;
	struct part *part;
	struct sm_rows_near near;
	double area[256];
};

struct pair {
	const struct common *common;
	struct part *part;
};

static bool asked(const struct common *c, enum sm_family family)
{
	return c->settings->families >> family & 1;
}

/* Mask, edge voxels and corner points of the truth or the prediction. */
static enum sm_status outline(void *ctx, size_t k, struct sm_err *err)
{
	const struct pair *pair = ctx;
	struct part *p = pair->part;
	struct sm_mem *mem = pair->common->settings->mem;
	SM_TRY(sm_bits_init(&p->mask[k], p->box.n, mem, err));
	sm_bits_cut(&p->mask[k], p->value[k], p->dim, &p->box, p->member);
	sm_bits_flatten(&p->mask[k], p->flat);
	const size_t rows = (size_t)(p->mask[k].n[1] * p->mask[k].n[2]);
	if (asked(pair->common, SM_FROM_SURFACE)) {
		SM_TRY(sm_bits_init(&p->edge[k], p->box.n, mem, err));
		sm_bits_edge(&p->mask[k], &p->edge[k]);
		p->edges[k] = sm_bits_count(&p->edge[k], 0, rows);
	}
	if (asked(pair->common, SM_FROM_SURFELS)) {
		SM_TRY(sm_bits_init(&p->corner[k], p->box.n, mem, err));
		sm_bits_corners(&p->mask[k], &p->corner[k]);
		p->corners[k] = sm_bits_count(&p->corner[k], 0, rows);
	}
	return SM_OK;
}

static double within(double tolerance)
{
	return tolerance * (1 + SM_TOLERANCE_SLACK);
}

/* One direction's numbers. */
static void edge_side(const struct common *c, struct part *p, size_t k)
{
	const struct sm_surface_settings *s = c->settings;
	double *mm = p->mm + (k ? p->edges[0] : 0), far = 0;
	for (size_t i = 0; i < p->edges[k]; i++) {
		p->sum[k] += mm[i];
		far = mm[i] > far ? mm[i] : far;
		for (size_t t = 0; t < s->tolerances; t++)
			p->near[k][t] += mm[i] <= within(s->tolerance_mm[t]);
	}
	p->out->n[k] = p->edges[k];
	p->out->hd[k] = far;
	p->out->mean[k] = p->sum[k] / (double)p->edges[k];
	p->out->hd95[k] = sm_quantile(mm, p->edges[k], 0.95);
}

static enum sm_status corner_side(const struct common *c, struct part *p, size_t k,
				  struct sm_err *err)
{
	const struct sm_surface_settings *s = c->settings;
	const double *mm = p->corner_mm + (k ? p->corners[0] : 0);
	double sum = 0, area = 0, far = 0;
	struct sm_weighted *v = sm_alloc(s->mem, p->corners[k], sizeof *v, "surface elements", err);
	double *weight =
		sm_alloc(s->mem, p->corners[k], sizeof *weight, "areas of surface elements", err);
	enum sm_status st = v && weight ? SM_OK : SM_BUDGET;
	if (st == SM_OK) {
		sm_surfels_weigh(&p->mask[k], &p->corner[k], c->area, weight);
		for (size_t i = 0; i < p->corners[k]; i++) {
			v[i] = (struct sm_weighted){mm[i], weight[i]};
			sum += mm[i] * weight[i];
			area += weight[i];
			far = mm[i] > far ? mm[i] : far;
			for (size_t t = 0; t < s->tolerances; t++)
				p->area_near[k][t] +=
					mm[i] <= within(s->tolerance_mm[t]) ? weight[i] : 0;
		}
		p->out->surfel_hd[k] = far;
		p->out->surfel_area[k] = area;
		p->out->surfel_mean[k] = sum / area;
		p->out->surfel_hd95[k] = sm_weighted_quantile(v, p->corners[k], 0.95, area);
	}
	sm_free(v);
	sm_free(weight);
	return st;
}

static enum sm_status side(void *ctx, size_t k, struct sm_err *err)
{
	const struct pair *pair = ctx;
	if (asked(pair->common, SM_FROM_SURFACE))
		edge_side(pair->common, pair->part, k);
	return asked(pair->common, SM_FROM_SURFELS) ? corner_side(pair->common, pair->part, k, err)
						    : SM_OK;
}

/* What is of both directions together. */
static void both_sides(const struct common *c, struct part *p)
{
	struct sm_surface *out = p->out;
	const size_t edges = p->edges[0] + p->edges[1];
	const double area = out->surfel_area[0] + out->surfel_area[1];
	if (asked(c, SM_FROM_SURFACE)) {
		out->pooled_mean = (p->sum[0] + p->sum[1]) / (double)edges;
		out->pooled95 = sm_quantile(p->mm, edges, 0.95);
	}
	for (size_t t = 0; t < c->settings->tolerances; t++) {
		if (asked(c, SM_FROM_SURFACE))
			out->nsd[t] = (double)(p->near[0][t] + p->near[1][t]) / (double)edges;
		if (asked(c, SM_FROM_SURFELS))
			out->surfel_nsd[t] = (p->area_near[0][t] + p->area_near[1][t]) / area;
	}
}

static void clear_part(struct part *p)
{
	for (int k = 0; k < 2; k++) {
		sm_bits_clear(&p->mask[k]);
		sm_bits_clear(&p->edge[k]);
		sm_bits_clear(&p->corner[k]);
	}
	sm_free(p->mm);
	sm_free(p->corner_mm);
	p->mm = p->corner_mm = NULL;
}

/* Both directions of one definition; *mm is made. */
static enum sm_status add_searches(struct sm_search *search, size_t *n, const struct sm_bits at[2],
				   const size_t points[2], double **mm, struct sm_mem *mem,
				   struct sm_err *err)
{
	*mm = sm_alloc(mem, points[0] + points[1], sizeof **mm, "surface distances", err);
	if (!*mm)
		return SM_BUDGET;
	search[(*n)++] = (struct sm_search){.from = &at[0], .to = &at[1], .out = *mm};
	search[(*n)++] = (struct sm_search){.from = &at[1], .to = &at[0], .out = *mm + points[0]};
	return SM_OK;
}

static enum sm_status measure(const struct common *c, struct part *p, int jobs, struct sm_err *err)
{
	const struct sm_surface_settings *s = c->settings;
	struct pair pair = {c, p};
	struct sm_search search[4];
	size_t n = 0;
	enum sm_status st;
	SM_GOTO(st, sm_par_for(2, jobs, outline, &pair, err));
	if (asked(c, SM_FROM_SURFACE))
		SM_GOTO(st, add_searches(search, &n, p->edge, p->edges, &p->mm, s->mem, err));
	if (asked(c, SM_FROM_SURFELS))
		SM_GOTO(st, add_searches(search, &n, p->corner, p->corners, &p->corner_mm, s->mem,
					 err));
	SM_GOTO(st, sm_search_all(search, n, &c->near, s->mem, jobs, err));
	SM_GOTO(st, sm_par_for(2, jobs, side, &pair, err));
	both_sides(c, p);
out:
	clear_part(p);
	return st;
}

static bool is_small(const struct part *p)
{
	return p->box.n[0] * p->box.n[1] * p->box.n[2] <= SMALL_POINTS;
}

static enum sm_status measure_small(void *ctx, size_t i, struct sm_err *err)
{
	const struct common *c = ctx;
	return is_small(&c->part[i]) ? measure(c, &c->part[i], 1, err) : SM_OK;
}

static enum sm_status measure_parts(struct part *part, size_t n,
				    const struct sm_surface_settings *settings, struct sm_err *err)
{
	struct common c = {.settings = settings, .part = part};
	int64_t most[3] = {1, 1, 1};
	enum sm_status st = SM_OK;
	if (settings->tolerances > SM_TOLERANCES)
		return SM_FAIL(err, SM_INTERNAL, "surface: %zu tolerances, at most %d",
			       settings->tolerances, SM_TOLERANCES);
	for (size_t i = 0; i < n; i++)
		for (int a = 0; a < 3; a++)
			most[a] = part[i].box.n[a] + 2 > most[a] ? part[i].box.n[a] + 2 : most[a];
	SM_GOTO(st, sm_rows_near_init(&c.near, settings->spacing, most, settings->mem, err));
	sm_surfel_areas(settings->spacing, c.area);
	for (size_t i = 0; i < n; i++)
		if (!is_small(&part[i]))
			SM_GOTO(st, measure(&c, &part[i], settings->jobs, err));
	SM_GOTO(st, sm_par_for(n, settings->jobs, measure_small, &c, err));
out:
	sm_rows_near_clear(&c.near);
	return st;
}

enum sm_status sm_surface_measure(const uint8_t *truth, const uint8_t *prediction,
				  const int64_t n[3], const struct sm_surface_settings *settings,
				  struct sm_surface *out, struct sm_err *err)
{
	const struct sm_box t = sm_box_of(truth, n), p = sm_box_of(prediction, n);
	struct part part = {.value = {truth, prediction},
			    .dim = {n[0], n[1], n[2]},
			    .box = sm_box_join(&t, &p),
			    .out = out};
	*out = (struct sm_surface){0};
	if (!t.n[0] || !p.n[0])
		return SM_FAIL(err, SM_INTERNAL, "surface: the %s is empty",
			       t.n[0] ? "prediction" : "truth");
	memcpy(part.flat, settings->flat, sizeof part.flat);
	memset(part.member, 1, sizeof part.member);
	part.member[0] = 0;
	return measure_parts(&part, 1, settings, err);
}

enum sm_status sm_surface_regions(const struct sm_label_map *map, const uint8_t *truth,
				  const uint8_t *prediction, const int64_t dim[3],
				  const struct sm_regions *regions,
				  const struct sm_surface_settings *settings,
				  struct sm_surface *out, struct sm_err *err)
{
	size_t same[SM_MAP_ROWS], n = 0;
	memset(out, 0, map->n * sizeof *out);
	struct part *part = sm_calloc(NULL, map->n ? map->n : 1, sizeof *part, "regions", err);
	if (!part)
		return SM_BUDGET;
	for (size_t r = 0; r < map->n; r++) {
		same[r] = 0;
		while (map->row[same[r]].members != map->row[r].members)
			same[r]++;
		if (same[r] < r || !regions->truth[r].n[0] || !regions->prediction[r].n[0])
			continue;
		struct part *p = &part[n++];
		*p = (struct part){.value = {truth, prediction},
				   .dim = {dim[0], dim[1], dim[2]},
				   .flat = {dim[0] == 1, dim[1] == 1, dim[2] == 1},
				   .box = regions->both[r],
				   .out = &out[r]};
		sm_region_members(map, r, p->member);
	}
	enum sm_status st = measure_parts(part, n, settings, err);
	for (size_t r = 0; r < map->n; r++)
		out[r] = out[same[r]];
	sm_free(part);
	return st;
}

/* Where the number of a metric stands: a field, or the larger or the mean of a pair. */
enum how { VALUE, LARGER, MIDDLE, PER_TOLERANCE };

static const struct {
	const char *key;
	enum how how;
	size_t offset;
} fields[] = {
	{"hd", LARGER, offsetof(struct sm_surface, hd)},
	{"hd95", LARGER, offsetof(struct sm_surface, hd95)},
	{"hd95_pooled", VALUE, offsetof(struct sm_surface, pooled95)},
	{"assd", VALUE, offsetof(struct sm_surface, pooled_mean)},
	{"assd_mean", MIDDLE, offsetof(struct sm_surface, mean)},
	{"masd_truth", VALUE, offsetof(struct sm_surface, mean[0])},
	{"masd_prediction", VALUE, offsetof(struct sm_surface, mean[1])},
	{"nsd", PER_TOLERANCE, offsetof(struct sm_surface, nsd)},
	{"hd_surfel", LARGER, offsetof(struct sm_surface, surfel_hd)},
	{"hd95_surfel", LARGER, offsetof(struct sm_surface, surfel_hd95)},
	{"asd_surfel_truth", VALUE, offsetof(struct sm_surface, surfel_mean[0])},
	{"asd_surfel_prediction", VALUE, offsetof(struct sm_surface, surfel_mean[1])},
	{"nsd_surfel", PER_TOLERANCE, offsetof(struct sm_surface, surfel_nsd)},
};

double sm_surface_value(const struct sm_column *column, const struct sm_surface *s)
{
	const bool surfels = column->metric->family == SM_FROM_SURFELS;
	if (surfels ? !(s->surfel_area[0] > 0) : !s->n[0])
		return NAN;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (strcmp(fields[i].key, column->metric->key) != 0)
			continue;
		const double *v = (const double *)((const char *)s + fields[i].offset);
		switch (fields[i].how) {
		case VALUE:
			return v[0];
		case LARGER:
			return fmax(v[0], v[1]);
		case MIDDLE:
			return (v[0] + v[1]) / 2;
		case PER_TOLERANCE:
			return v[column->tolerance];
		}
	}
	return NAN;
}

enum sm_status sm_surface_spacing(const struct sm_vol *vol, const char *name, double spacing[3],
				  struct sm_err *err)
{
	sm_vol_spacing(vol, spacing);
	for (int a = 0; a < 3; a++)
		for (int b = a + 1; b < 3; b++) {
			double dot = 0;
			for (int k = 0; k < 3; k++)
				dot += vol->affine[k][a] * vol->affine[k][b];
			if (!(fabs(dot) <= SM_SQUARE_AXES * spacing[a] * spacing[b]))
				return SM_FAIL(
					err, SM_INPUT,
					"%s: axes %c and %c of the grid are not at right angles "
					"(cosine %.6f, allowed %g), so surface distances have no "
					"spacing to go by",
					name, "xyz"[a], "xyz"[b], dot / (spacing[a] * spacing[b]),
					SM_SQUARE_AXES);
		}
	return SM_OK;
}
