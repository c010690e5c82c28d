/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/lesions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "eval/column.h"
#include "eval/edge.h"
#include "eval/shared_surface.h"
#include "eval/surface.h"

#define NONE UINT32_MAX

/* Lesions whose joint box with their prediction has so many voxels, and is so many times their own,
 * are measured against components that are prepared once, if there are so many of them. */
#define SHARED_VOXELS ((int64_t)1 << 18)
#define SHARED_TIMES 8
#define SHARED_LESIONS 3
/* A pair of a site and a cell costs a nanosecond, a voxel of the joint box ten times as much. */
#define SHARED_PAIRS_A_VOXEL 8

/* ---- the challenge's lesions ----------------------------------------------------------------- */

struct lesion {
	struct sm_component_box box;
	int64_t voxels, hit, predicted; /* of the truth; of them predicted; of its prediction */
	size_t from, to;                /* its entries in struct work.touch */
	double hd95;
};

/* A lesion and a predicted component that touches its dilation. */
struct touch {
	uint32_t lesion, component;
};

struct work {
	const struct sm_overlap *parts; /* as they are */
	struct sm_components grown;     /* of the dilated truth: number = the lesion's */
	const struct sm_lesion_rule *rule;
	const int64_t *n;
	double spacing[3];
	bool flat[3]; /* as in struct sm_surface_settings */
	struct lesion *lesion;
	struct touch *touch;
	size_t touches;
	uint32_t *lesion_of; /* of each component of the truth */
	struct sm_component_box *box_of;  /* of each predicted component */
	uint8_t *right;      /* predicted components that touch a lesion */
	struct sm_shared_surface shared;
	bool is_shared; /* it is made */
	struct sm_mem *mem;
	int jobs;  /* within one lesion */
	bool list; /* small ones are measured, too */
};

static void widen(struct sm_component_box *b, const struct sm_run_of_voxels *r, size_t row, const int64_t n[3])
{
	int64_t at[3] = {r->start, (int64_t)(row % (size_t)n[1]), (int64_t)(row / (size_t)n[1])};
	for (int k = 0; k < 3; k++) {
		int64_t end = at[k] + (k == 0 ? r->length : 1);
		b->low[k] = at[k] < b->low[k] ? at[k] : b->low[k];
		b->high[k] = end > b->high[k] ? end : b->high[k];
	}
}

static const struct sm_component_box nothing = {{INT64_MAX, INT64_MAX, INT64_MAX}, {0, 0, 0}};

static int by_lesion(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	if (x->lesion != y->lesion)
		return x->lesion < y->lesion ? -1 : 1;
	return x->component < y->component ? -1 : x->component > y->component;
}

/* An entry for each two runs of the dilated truth and the prediction that meet, of those of one
 * pair that follow each other one. */
static size_t runs_that_touch(const struct sm_components *grown, const struct sm_components *p,
			      struct touch *out)
{
	size_t count = 0;
	struct touch last = {NONE, NONE};
	for (size_t row = 0; row < p->rows; row++) {
		size_t i = grown->row[row], j = p->row[row];
		while (i < grown->row[row + 1] && j < p->row[row + 1]) {
			const struct sm_run_of_voxels *a = &grown->run[i], *b = &p->run[j];
			int32_t end_a = a->start + a->length, end_b = b->start + b->length;
			if (a->start < end_b && b->start < end_a &&
			    (a->part != last.lesion || b->part != last.component)) {
				last = (struct touch){a->part, b->part};
				if (out)
					out[count] = last;
				count++;
			}
			if (end_a < end_b)
				i++;
			else
				j++;
		}
	}
	return count;
}

/* Lesions of the runs of the truth, boxes of both sides. A run of the truth lies in one run of its
 * dilation. */
static void group(struct work *w)
{
	const struct sm_components *t = &w->parts->truth, *p = &w->parts->prediction;
	for (size_t l = 0; l < w->grown.count; l++)
		w->lesion[l].box = nothing;
	for (size_t c = 0; c < p->count; c++)
		w->box_of[c] = nothing;
	for (size_t row = 0; row < t->rows; row++) {
		size_t g = w->grown.row[row];
		for (size_t i = t->row[row]; i < t->row[row + 1]; i++) {
			const struct sm_run_of_voxels *r = &t->run[i];
			while (w->grown.run[g].start + w->grown.run[g].length <= r->start)
				g++;
			uint32_t l = w->grown.run[g].part;
			w->lesion_of[r->part] = l;
			w->lesion[l].voxels += r->length;
			widen(&w->lesion[l].box, r, row, w->n);
		}
		for (size_t i = p->row[row]; i < p->row[row + 1]; i++)
			widen(&w->box_of[p->run[i].part], &p->run[i], row, w->n);
	}
}

/* Which components are a lesion's prediction. */
static enum sm_status touch_all(struct work *w, struct sm_err *err)
{
	const struct sm_components *p = &w->parts->prediction;
	size_t all = runs_that_touch(&w->grown, p, NULL), l = 0;
	w->touch = sm_alloc(w->mem, all + 1, sizeof *w->touch, "lesions", err);
	if (!w->touch)
		return SM_BUDGET;
	runs_that_touch(&w->grown, p, w->touch);
	qsort(w->touch, all, sizeof *w->touch, by_lesion);
	for (size_t i = 0; i < all; i++)
		if (!w->touches || by_lesion(&w->touch[w->touches - 1], &w->touch[i]) != 0)
			w->touch[w->touches++] = w->touch[i];
	for (size_t i = 0; i < w->touches; i++) {
		const struct touch *t = &w->touch[i];
		for (; l < t->lesion; l++)
			w->lesion[l + 1].from = w->lesion[l].to = i;
		w->right[t->component] = 1;
		w->lesion[l].predicted += p->size[t->component];
	}
	for (; l < w->grown.count; l++) {
		w->lesion[l].to = w->touches;
		if (l + 1 < w->grown.count)
			w->lesion[l + 1].from = w->touches;
	}
	for (size_t i = 0; i < w->parts->n; i++)
		w->lesion[w->lesion_of[w->parts->shared[i].truth]].hit +=
			w->parts->shared[i].voxels;
	return SM_OK;
}

static double mm3_of(const struct work *w, const struct lesion *l)
{
	return (double)l->voxels * (w->spacing[0] * w->spacing[1] * w->spacing[2]);
}

/* Voxels of a turned grid are not quite as large as those of a straight one. */
static bool is_small(const struct work *w, const struct lesion *l)
{
	return mm3_of(w, l) <= w->rule->min_mm3 * (1 + SM_LESION_SLACK);
}

/* ---- the distance of one lesion -------------------------------------------------------------- */

static bool is_prediction_of(const struct work *w, const struct lesion *l, uint32_t component)
{
	size_t low = l->from, high = l->to;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (w->touch[middle].component < component)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->to && w->touch[low].component == component;
}

/* Writes the runs that belong to the lesion into its own box, one voxel of background around. */
static void paint(const struct work *w, const struct lesion *l, const struct sm_component_box *b,
		  const int64_t n[3], uint8_t *truth, uint8_t *prediction)
{
	const struct sm_components *side[2] = {&w->parts->truth, &w->parts->prediction};
	const uint32_t number = (uint32_t)(l - w->lesion);
	for (int64_t z = b->low[2]; z < b->high[2]; z++)
		for (int64_t y = b->low[1]; y < b->high[1]; y++) {
			size_t row = (size_t)(z * w->n[1] + y);
			int64_t to = ((z - b->low[2] + 1) * n[1] + y - b->low[1] + 1) * n[0] + 1 -
				     b->low[0];
			for (int s = 0; s < 2; s++)
				for (size_t i = side[s]->row[row]; i < side[s]->row[row + 1]; i++) {
					const struct sm_run_of_voxels *r = &side[s]->run[i];
					if (s ? is_prediction_of(w, l, r->part)
					      : w->lesion_of[r->part] == number)
						memset((s ? prediction : truth) + to + r->start, 1,
						       (size_t)r->length);
				}
		}
}

static struct sm_component_box joint_box(const struct work *w, const struct lesion *l)
{
	struct sm_component_box b = l->box;
	for (size_t k = l->from; k < l->to; k++)
		for (int a = 0; a < 3; a++) {
			const struct sm_component_box *c = &w->box_of[w->touch[k].component];
			b.low[a] = c->low[a] < b.low[a] ? c->low[a] : b.low[a];
			b.high[a] = c->high[a] > b.high[a] ? c->high[a] : b.high[a];
		}
	return b;
}

static int64_t voxels_of(const struct sm_component_box *b)
{
	return (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]) * (b->high[2] - b->low[2]);
}

static bool is_measured(const struct work *w, const struct lesion *l)
{
	return l->from < l->to && (w->list || !is_small(w, l));
}

/* Whether the lesion is little of what it would be measured with. */
static bool is_lost(const struct work *w, const struct lesion *l)
{
	const struct sm_component_box joint = joint_box(w, l);
	const int64_t voxels = voxels_of(&joint);
	return voxels >= SHARED_VOXELS && voxels_of(&l->box) <= voxels / SHARED_TIMES;
}

/* Prepares the predictions of such lesions, if there are several. */
static enum sm_status share_predictions(struct work *w, struct sm_err *err)
{
	size_t lost = 0;
	if (w->rule->neighbours != SM_CORNERS || w->flat[0] || w->flat[1] || w->flat[2] ||
	    w->grown.count < SHARED_LESIONS)
		return SM_OK;
	uint8_t *needed =
		sm_calloc(w->mem, w->parts->prediction.count + 1, 1, "shared components", err);
	if (!needed)
		return SM_BUDGET;
	for (size_t i = 0; i < w->grown.count; i++) {
		const struct lesion *l = &w->lesion[i];
		if (!is_measured(w, l) || !is_lost(w, l))
			continue;
		lost++;
		for (size_t k = l->from; k < l->to; k++)
			needed[w->touch[k].component] = 1;
	}
	w->is_shared = lost >= SHARED_LESIONS;
	enum sm_status st = !w->is_shared
				    ? SM_OK
				    : sm_shared_surface_init(&w->shared, &w->parts->prediction,
							     w->box_of, needed, w->n, w->spacing,
							     w->mem, err);
	sm_free(needed);
	return st;
}

/* The corner points of a lesion: mask and corner are made for its box. */
static enum sm_status list_sites(const struct work *w, const struct lesion *l, struct sm_bits *mask,
				 struct sm_bits *corner, struct sm_site **site, size_t *sites,
				 struct sm_err *err)
{
	const struct sm_components *t = &w->parts->truth;
	const struct sm_component_box *b = &l->box;
	const int64_t n[3] = {b->high[0] - b->low[0], b->high[1] - b->low[1],
			      b->high[2] - b->low[2]};
	size_t at = 0;
	SM_TRY(sm_bits_init(mask, n, w->mem, err));
	SM_TRY(sm_bits_init(corner, n, w->mem, err));
	for (int64_t z = 0; z < n[2]; z++)
		for (int64_t y = 0; y < n[1]; y++) {
			size_t row = (size_t)((z + b->low[2]) * w->n[1] + y + b->low[1]);
			uint64_t *m = mask->bit +
				      (size_t)((z + 1) * mask->n[1] + y + 1) * mask->words;
			for (size_t i = t->row[row]; i < t->row[row + 1]; i++) {
				const struct sm_run_of_voxels *r = &t->run[i];
				int64_t x = r->start - b->low[0] + 1, end = x + r->length;
				for (; w->lesion_of[r->part] == l - w->lesion && x < end; x++)
					m[x >> 6] |= UINT64_C(1) << (x & 63);
			}
		}
	sm_bits_corners(mask, corner);
	*sites = sm_bits_count(corner, 0, (size_t)(corner->n[1] * corner->n[2]));
	*site = sm_alloc(w->mem, *sites + 1, sizeof **site + 1, "sites", err);
	if (!*site)
		return SM_BUDGET;
	uint8_t *code = (uint8_t *)(*site + *sites + 1); /* behind the sites */
	sm_surfels_list(mask, corner, code);
	for (int32_t z = 0; z < corner->n[2]; z++)
		for (int32_t y = 0; y < corner->n[1]; y++)
			for (int32_t x = 0; x < corner->n[0]; x++)
				if (sm_bits_at(corner, x, y, z)) {
					(*site)[at] = (struct sm_site){
						{(int32_t)b->low[0] + x - 1,
						 (int32_t)b->low[1] + y - 1,
						 (int32_t)b->low[2] + z - 1},
						code[at]};
					at++;
				}
	return SM_OK;
}

/* By the prepared components, if that is less work; *done tells. */
static enum sm_status measure_shared(const struct work *w, struct lesion *l, bool *done,
				     struct sm_err *err)
{
	const size_t parts = l->to - l->from;
	const struct sm_component_box joint = joint_box(w, l);
	struct sm_bits mask = {0}, corner = {0};
	struct sm_site *site = NULL;
	size_t sites = 0;
	double hd95 = 0;
	enum sm_status st = SM_BUDGET;
	uint32_t *part = sm_alloc(w->mem, parts, sizeof *part, "shared components", err);
	if (!part)
		goto out;
	for (size_t k = 0; k < parts; k++)
		part[k] = w->touch[l->from + k].component;
	SM_GOTO(st, list_sites(w, l, &mask, &corner, &site, &sites, err));
	if ((double)sites * (double)sm_shared_surface_cells(&w->shared, part, parts) <=
	    SHARED_PAIRS_A_VOXEL * (double)voxels_of(&joint))
		st = sm_shared_surface_hd95(&w->shared, part, parts, site, sites, &hd95, done, err);
	if (*done)
		l->hd95 = hd95;
out:
	sm_bits_clear(&mask);
	sm_bits_clear(&corner);
	sm_free(site);
	sm_free(part);
	return st;
}

static enum sm_status measure_distance(void *ctx, size_t i, struct sm_err *err)
{
	struct work *w = ctx;
	struct lesion *l = &w->lesion[i];
	int64_t n[3];
	bool done = false;
	l->hd95 = w->rule->penalty_mm;
	if (!is_measured(w, l))
		return SM_OK;
	if (w->is_shared && is_lost(w, l))
		SM_TRY(measure_shared(w, l, &done, err));
	if (done)
		return SM_OK;
	const struct sm_component_box b = joint_box(w, l);
	for (int a = 0; a < 3; a++)
		n[a] = b.high[a] - b.low[a] + 2;
	size_t voxels = (size_t)(n[0] * n[1] * n[2]); /* of a part of the image, and its rim */
	uint8_t *mask = sm_calloc(w->mem, voxels, 2, "a lesion's box", err);
	if (!mask)
		return SM_BUDGET;
	paint(w, l, &b, n, mask, mask + voxels);
	struct sm_surface s;
	struct sm_surface_settings settings = {
		.families = 1u << SM_FROM_SURFELS, .mem = w->mem, .jobs = w->jobs};
	memcpy(settings.spacing, w->spacing, sizeof settings.spacing);
	memcpy(settings.flat, w->flat, sizeof settings.flat);
	enum sm_status st = sm_surface_measure(mask, mask + voxels, n, &settings, &s, err);
	if (st == SM_OK)
		l->hd95 = fmax(s.surfel_hd95[0], s.surfel_hd95[1]);
	sm_free(mask);
	return st;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static double lesion_dice(const struct lesion *l)
{
	return 2 * (double)l->hit / (double)(l->voxels + l->predicted);
}

static void sum_up(const struct work *w, struct sm_lesions *out)
{
	double dice = 0, hd95 = 0;
	size_t counted = 0;
	out->truth = (uint32_t)w->grown.count;
	out->predicted = (uint32_t)w->parts->prediction.count;
	for (size_t c = 0; c < w->parts->prediction.count; c++)
		out->fp += !w->right[c];
	for (size_t i = 0; i < w->grown.count; i++) {
		const struct lesion *l = &w->lesion[i];
		if (is_small(w, l)) {
			out->filtered++;
			continue;
		}
		counted++;
		*(l->from < l->to ? &out->tp : &out->fn) += 1;
		dice += lesion_dice(l);
		hd95 += l->hd95;
	}
	double all = (double)counted + out->fp;
	out->dice = all > 0 ? dice / all : 1;
	out->hd95 = all > 0 ? (hd95 + w->rule->penalty_mm * out->fp) / all : 0;
}

static enum sm_status list_lesions(const struct work *w, struct sm_lesion **list,
				   struct sm_err *err)
{
	const struct sm_components *t = &w->parts->truth;
	*list = sm_calloc(w->mem, w->grown.count + 1, sizeof **list, "list of lesions", err);
	if (!*list)
		return SM_BUDGET;
	for (size_t i = 0; i < w->grown.count; i++) {
		const struct lesion *l = &w->lesion[i];
		(*list)[i] = (struct sm_lesion){.first = {-1},
						.mm3 = mm3_of(w, l),
						.dice = lesion_dice(l),
						.hd95 = l->hd95,
						.components = (uint32_t)(l->to - l->from),
						.filtered = is_small(w, l)};
	}
	for (size_t row = 0; row < t->rows; row++)
		for (size_t i = t->row[row]; i < t->row[row + 1]; i++) {
			struct sm_lesion *l = &(*list)[w->lesion_of[t->run[i].part]];
			if (l->first[0] >= 0)
				continue;
			l->first[0] = t->run[i].start;
			l->first[1] = (int64_t)(row % (size_t)w->n[1]);
			l->first[2] = (int64_t)(row / (size_t)w->n[1]);
		}
	return SM_OK;
}

/* The challenge's part: lesions, their predictions, dice and distance. */
static enum sm_status by_rule(struct work *w, int jobs, struct sm_lesions *out,
			      struct sm_lesion **list, struct sm_err *err)
{
	const size_t voxels = (size_t)(w->n[0] * w->n[1] * w->n[2]);
	const size_t predictions = w->parts->prediction.count;
	uint8_t member[256] = {0, 1};
	enum sm_status st = SM_BUDGET;
	uint8_t *grown = sm_calloc(w->mem, voxels + 1, 1, "dilated lesions", err);
	w->lesion_of =
		sm_calloc(w->mem, w->parts->truth.count + 1, sizeof *w->lesion_of, "lesions", err);
	w->box_of = sm_calloc(w->mem, predictions + 1, sizeof *w->box_of, "lesions", err);
	w->right = sm_calloc(w->mem, predictions + 1, 1, "lesions", err);
	if (!grown || !w->lesion_of || !w->box_of || !w->right)
		goto out;
	SM_GOTO(st, sm_lesions_dilate(&w->parts->truth, w->rule, w->n, grown, jobs, err));
	SM_GOTO(st, sm_components_find(&w->grown, grown, w->n, member, w->rule->neighbours, w->mem,
				       err));
	w->lesion = sm_calloc(w->mem, w->grown.count + 1, sizeof *w->lesion, "lesions", err);
	if (!w->lesion) {
		st = SM_BUDGET;
		goto out;
	}
	group(w);
	SM_GOTO(st, touch_all(w, err));
	sm_free(grown);
	grown = NULL;
	SM_GOTO(st, share_predictions(w, err));
	w->jobs = w->grown.count > 1 ? 1 : jobs;
	SM_GOTO(st, sm_par_for(w->grown.count, w->grown.count > 1 ? jobs : 1, measure_distance, w,
			       err));
	sum_up(w, out);
	if (list)
		st = list_lesions(w, list, err);
out:
	sm_free(grown);
	sm_components_clear(&w->grown);
	sm_shared_surface_clear(&w->shared);
	sm_free(w->lesion);
	sm_free(w->touch);
	sm_free(w->lesion_of);
	sm_free(w->box_of);
	sm_free(w->right);
	return st;
}

enum sm_status sm_lesions_list(const uint8_t *truth, const uint8_t *prediction, const int64_t n[3],
			       const double spacing[3], const bool flat[3],
			       const struct sm_lesion_rule *rule, double iou, int jobs,
			       struct sm_mem *mem, struct sm_lesions *out, struct sm_lesion **list,
			       struct sm_err *err)
{
	struct sm_overlap parts;
	struct sm_panoptic panoptic;
	enum sm_status st;
	*out = (struct sm_lesions){0};
	if (list)
		*list = NULL;
	SM_TRY(sm_overlap_find(&parts, truth, prediction, n, rule->neighbours, mem, err));
	struct work w = {.parts = &parts, .rule = rule, .n = n, .mem = mem, .list = list};
	memcpy(w.spacing, spacing, sizeof w.spacing);
	memcpy(w.flat, flat, sizeof w.flat);
	out->components = (uint32_t)parts.truth.count;
	for (int r = 0; r < SM_MATCH_RULES; r++)
		SM_GOTO(st, sm_detect(&parts, n, (enum sm_match_rule)r, iou, mem,
				      &out->detection[r], err));
	SM_GOTO(st, sm_panoptic_measure(&parts, iou, mem, &panoptic, err));
	out->precision = out->detection[SM_MATCH_OVERLAP].precision;
	out->recall = out->detection[SM_MATCH_OVERLAP].recall;
	out->f1 = out->detection[SM_MATCH_OVERLAP].f1;
	out->pq = panoptic.pq;
	out->sq = panoptic.sq;
	out->rq = panoptic.rq;
	SM_GOTO(st, by_rule(&w, jobs, out, list, err));
out:
	sm_overlap_clear(&parts);
	return st;
}

enum sm_status sm_lesions_measure(const uint8_t *truth, const uint8_t *prediction,
				  const int64_t n[3], const double spacing[3],
				  const struct sm_lesion_rule *rule, double iou, int jobs,
				  struct sm_mem *mem, struct sm_lesions *out, struct sm_err *err)
{
	const bool flat[3] = {false};
	return sm_lesions_list(truth, prediction, n, spacing, flat, rule, iou, jobs, mem, out, NULL,
			       err);
}

double sm_lesions_value(const char *key, const struct sm_lesions *s)
{
	const struct sm_detection *d = s->detection;
	const struct {
		const char *key;
		double v;
	} value[] = {
		{"lesion_dice", s->dice},
		{"lesion_hd95", s->hd95},
		{"lesion_tp", s->tp},
		{"lesion_fp", s->fp},
		{"lesion_fn", s->fn},
		{"lesions_filtered", s->filtered},
		{"lesions_truth", s->truth},
		{"lesions_prediction", s->predicted},
		{"detection_precision", s->precision},
		{"detection_recall", s->recall},
		{"detection_f1", s->f1},
		{"detection_precision_iou", d[SM_MATCH_IOU].precision},
		{"detection_recall_iou", d[SM_MATCH_IOU].recall},
		{"detection_f1_iou", d[SM_MATCH_IOU].f1},
		{"detection_precision_centroid", d[SM_MATCH_CENTROID].precision},
		{"detection_recall_centroid", d[SM_MATCH_CENTROID].recall},
		{"detection_f1_centroid", d[SM_MATCH_CENTROID].f1},
		{"pq", s->pq},
		{"sq", s->sq},
		{"rq", s->rq},
	};
	for (size_t i = 0; i < sizeof value / sizeof *value; i++)
		if (strcmp(value[i].key, key) == 0)
			return value[i].v;
	return NAN;
}
