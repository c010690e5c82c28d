/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/surface.h"

#include <math.h>
#include <string.h>

#include "core/par.h"
#include "eval/edt.h"
#include "eval/rings.h"
#include "eval/select.h"
#include "eval/surfel.h"

/* Regions in boxes of so many points take a millisecond or two: a thread measures one all alone.
 * Of larger ones each is measured by all threads, one after the other. */
#define SMALL_POINTS ((int64_t)1 << 20)

/* The surface of one mask by one definition, and how far it is from the other mask's. */
struct side {
	struct sm_bits at; /* its points */
	size_t n;
	struct sm_ring_search near; /* counts of the distances of most */
	double *mm;                 /* of the others, longer than any ring; borrowed */
	uint8_t *code;              /* surface elements: which, of the same points; owned */
	size_t others;
	double ring[SM_RINGS]; /* weight of each ring's points */
	double weight;         /* mm2; edge voxels weigh 1 */
	double sum;            /* of weighted distances */
	double far;
	double within[SM_TOLERANCES]; /* weight within each tolerance */
};

/* One region of one pair; [0] truth, [1] prediction. */
struct part {
	const uint8_t *value[2];
	uint8_t member[256];
	int64_t dim[3];
	bool flat[3];
	struct sm_box box;
	struct sm_bits mask[2];
	struct side edge[2], corner[2];
	double *mm[2]; /* of both sides: edge voxels, corner points */
	struct sm_surface *out;
};

/* What all regions of a call share. */
struct common {
	const struct sm_surface_settings *settings;
	struct part *part;
	struct sm_rows_near near;
	struct sm_rings rings;
	double area[SM_SURFEL_CODES];
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
		SM_TRY(sm_bits_init(&p->edge[k].at, p->box.n, mem, err));
		sm_bits_edge(&p->mask[k], &p->edge[k].at);
		p->edge[k].n = sm_bits_count(&p->edge[k].at, 0, rows);
	}
	if (asked(pair->common, SM_FROM_SURFELS)) {
		SM_TRY(sm_bits_init(&p->corner[k].at, p->box.n, mem, err));
		sm_bits_corners(&p->mask[k], &p->corner[k].at);
		p->corner[k].n = sm_bits_count(&p->corner[k].at, 0, rows);
	}
	return SM_OK;
}

static double within(double tolerance)
{
	return tolerance * (1 + SM_TOLERANCE_SLACK);
}

static void add_up(struct side *s, double mm, double weight, const struct sm_surface_settings *set)
{
	s->weight += weight;
	s->sum += mm * weight;
	s->far = mm > s->far ? mm : s->far;
	for (size_t t = 0; t < set->tolerances; t++)
		s->within[t] += mm <= within(set->tolerance_mm[t]) ? weight : 0;
}

/* One direction's sums. Edge voxels: area of one code, 1. */
static void sum_side(const struct common *c, struct side *s, const double *area)
{
	const size_t kinds = sm_ring_kinds(&s->near);
	for (size_t r = 0; r < c->rings.count; r++) {
		const uint64_t *count = s->near.count + r * kinds;
		for (size_t k = 0; k < kinds; k++)
			s->ring[r] += (double)count[k] * area[k];
		if (s->ring[r] > 0)
			add_up(s, c->rings.mm[r], s->ring[r], c->settings);
	}
	for (size_t i = 0; i < s->others; i++)
		add_up(s, s->mm[i], area[s->code ? s->code[i] : 0], c->settings);
}

static void edge_side(const struct common *c, struct part *p, size_t k)
{
	static const double one = 1;
	struct side *s = &p->edge[k];
	sum_side(c, s, &one);
	const struct sm_counted all = {c->rings.mm, s->near.count, c->rings.count, s->mm,
				       s->others};
	p->out->n[k] = s->n;
	p->out->hd[k] = s->far;
	p->out->mean[k] = s->sum / s->weight;
	p->out->hd95[k] = sm_quantile(&all, 0.95);
}

static enum sm_status corner_side(const struct common *c, struct part *p, size_t k,
				  struct sm_err *err)
{
	struct sm_mem *mem = c->settings->mem;
	struct side *s = &p->corner[k];
	size_t n = 0;
	s->code = sm_alloc(mem, s->others, sizeof *s->code, "surface elements", err);
	if (!s->code)
		return SM_BUDGET;
	sm_surfels_list(&p->mask[k], &s->near.rest, s->code);
	sum_side(c, s, c->area);
	struct sm_weighted *v =
		sm_alloc(mem, c->rings.count + s->others, sizeof *v, "surface elements", err);
	if (!v)
		return SM_BUDGET;
	for (size_t r = 0; r < c->rings.count; r++)
		if (s->ring[r] > 0)
			v[n++] = (struct sm_weighted){c->rings.mm[r], s->ring[r]};
	for (size_t i = 0; i < s->others; i++)
		v[n++] = (struct sm_weighted){s->mm[i], c->area[s->code[i]]};
	p->out->surfel_hd[k] = s->far;
	p->out->surfel_area[k] = s->weight;
	p->out->surfel_mean[k] = s->sum / s->weight;
	p->out->surfel_hd95[k] = sm_weighted_quantile(v, n, 0.95, s->weight);
	sm_free(v);
	return SM_OK;
}

static enum sm_status side(void *ctx, size_t k, struct sm_err *err)
{
	const struct pair *pair = ctx;
	if (asked(pair->common, SM_FROM_SURFACE))
		edge_side(pair->common, pair->part, k);
	return asked(pair->common, SM_FROM_SURFELS) ? corner_side(pair->common, pair->part, k, err)
						    : SM_OK;
}

/* The 95th percentile of the edge voxels of both sides, whose distances stand side by side. */
static double pooled(const struct common *c, struct part *p)
{
	struct side *a = &p->edge[0];
	const struct side *b = &p->edge[1];
	const struct sm_counted all = {c->rings.mm, a->near.count, c->rings.count, a->mm,
				       a->others + b->others};
	for (size_t r = 0; r < c->rings.count; r++)
		a->near.count[r] += b->near.count[r];
	return sm_quantile(&all, 0.95);
}

/* What is of both directions together. */
static void both_sides(const struct common *c, struct part *p)
{
	struct sm_surface *out = p->out;
	const struct side *e = p->edge, *s = p->corner;
	for (size_t t = 0; t < c->settings->tolerances; t++) {
		if (asked(c, SM_FROM_SURFACE))
			out->nsd[t] = (e[0].within[t] + e[1].within[t]) /
				      (e[0].weight + e[1].weight);
		if (asked(c, SM_FROM_SURFELS))
			out->surfel_nsd[t] = (s[0].within[t] + s[1].within[t]) /
					     (s[0].weight + s[1].weight);
	}
	if (asked(c, SM_FROM_SURFACE)) {
		out->pooled_mean = (e[0].sum + e[1].sum) / (e[0].weight + e[1].weight);
		out->pooled95 = pooled(c, p);
	}
}

static void clear_side(struct side *s)
{
	sm_bits_clear(&s->at);
	sm_ring_search_clear(&s->near);
	sm_free(s->code);
	s->code = NULL;
}

static void clear_part(struct part *p)
{
	for (int k = 0; k < 2; k++) {
		sm_bits_clear(&p->mask[k]);
		clear_side(&p->edge[k]);
		clear_side(&p->corner[k]);
		sm_free(p->mm[k]);
		p->mm[k] = NULL;
	}
}

/* Both directions of the definitions asked for: the rings, then what they left. */
static enum sm_status find_distances(const struct common *c, struct part *p, int jobs,
				     struct sm_err *err)
{
	struct sm_mem *mem = c->settings->mem;
	struct sm_ring_search ring[4];
	struct sm_search search[4];
	struct side *of[4];
	size_t n = 0, far = 0;
	for (size_t k = 0; asked(c, SM_FROM_SURFACE) && k < 2; k++, n++) {
		of[n] = &p->edge[k];
		ring[n] = (struct sm_ring_search){.from = &of[n]->at, .to = &p->edge[1 - k].at};
	}
	for (size_t k = 0; asked(c, SM_FROM_SURFELS) && k < 2; k++, n++) {
		of[n] = &p->corner[k];
		ring[n] = (struct sm_ring_search){
			.from = &of[n]->at, .to = &p->corner[1 - k].at, .mask = &p->mask[k]};
	}
	enum sm_status st = sm_rings_all(ring, n, &c->rings, mem, jobs, err);
	for (size_t i = 0; i < n; i++)
		of[i]->near = ring[i];
	for (size_t i = 0; st == SM_OK && i < n; i += 2) {
		if (!(ring[i].left + ring[i + 1].left))
			continue;
		double *mm = sm_alloc(mem, ring[i].left + ring[i + 1].left, sizeof *mm,
				      "surface distances", err);
		p->mm[i / 2] = mm;
		st = mm ? SM_OK : SM_BUDGET;
		for (size_t k = i; mm && k < i + 2; mm += ring[k++].left) {
			of[k]->mm = mm;
			of[k]->others = ring[k].left;
			search[far++] = (struct sm_search){
				.from = &of[k]->near.rest, .to = ring[k].to, .out = mm};
		}
	}
	return st == SM_OK ? sm_search_all(search, far, &c->near, mem, jobs, err) : st;
}

static enum sm_status measure(const struct common *c, struct part *p, int jobs, struct sm_err *err)
{
	struct pair pair = {c, p};
	enum sm_status st;
	SM_GOTO(st, sm_par_for(2, jobs, outline, &pair, err));
	SM_GOTO(st, find_distances(c, p, jobs, err));
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
	sm_rings_init(&c.rings, &c.near);
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
