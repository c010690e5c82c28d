/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/match.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

const char *const sm_match_keys[SM_MATCH_RULES] = {
	[SM_MATCH_OVERLAP] = "overlap", [SM_MATCH_IOU] = "iou", [SM_MATCH_CENTROID] = "centroid"};
const char *const sm_match_words[SM_MATCH_RULES] = {
	[SM_MATCH_OVERLAP] = "any voxel shared",
	[SM_MATCH_IOU] = "one to one, intersection over union at least the threshold",
	[SM_MATCH_CENTROID] = "centroid of the predicted component in the true one"};

static int by_truth(const void *a, const void *b)
{
	const struct sm_shared *x = a, *y = b;
	if (x->truth != y->truth)
		return x->truth < y->truth ? -1 : 1;
	return x->prediction < y->prediction ? -1 : x->prediction > y->prediction;
}

/* An entry for each two runs that meet, of those of one pair that follow each other one, into out
 * (NULL = count only). */
static size_t runs_that_meet(const struct sm_components *t, const struct sm_components *p,
			     struct sm_shared *out)
{
	size_t n = 0;
	struct sm_shared last = {NONE, NONE, 0};
	for (size_t row = 0; row < t->rows; row++) {
		size_t i = t->row[row], j = p->row[row];
		while (i < t->row[row + 1] && j < p->row[row + 1]) {
			const struct sm_run_of_voxels *a = &t->run[i], *b = &p->run[j];
			int32_t end_a = a->start + a->length, end_b = b->start + b->length;
			int32_t from = a->start > b->start ? a->start : b->start;
			int32_t to = end_a < end_b ? end_a : end_b;
			if (from < to && (a->part != last.truth || b->part != last.prediction)) {
				last = (struct sm_shared){a->part, b->part, 0};
				if (out)
					out[n] = last;
				n++;
			}
			if (from < to && out)
				out[n - 1].voxels += to - from;
			if (end_a < end_b)
				i++;
			else
				j++;
		}
	}
	return n;
}

enum sm_status sm_overlap_find(struct sm_overlap *o, const uint8_t *truth,
			       const uint8_t *prediction, const int64_t n[3],
			       enum sm_neighbours neighbours, struct sm_mem *mem,
			       struct sm_err *err)
{
	uint8_t member[256];
	enum sm_status st;
	memset(member, 1, sizeof member);
	member[0] = 0;
	*o = (struct sm_overlap){0};
	SM_GOTO(st, sm_components_find(&o->truth, truth, n, member, neighbours, mem, err));
	SM_GOTO(st,
		sm_components_find(&o->prediction, prediction, n, member, neighbours, mem, err));
	size_t all = runs_that_meet(&o->truth, &o->prediction, NULL);
	o->shared = sm_alloc(mem, all + 1, sizeof *o->shared, "shares of components", err);
	if (!o->shared) {
		st = SM_BUDGET;
		goto out;
	}
	runs_that_meet(&o->truth, &o->prediction, o->shared);
	qsort(o->shared, all, sizeof *o->shared, by_truth);
	for (size_t i = 0; i < all; i++)
		if (o->n && by_truth(&o->shared[o->n - 1], &o->shared[i]) == 0)
			o->shared[o->n - 1].voxels += o->shared[i].voxels;
		else
			o->shared[o->n++] = o->shared[i];
out:
	if (st != SM_OK)
		sm_overlap_clear(o);
	return st;
}

void sm_overlap_clear(struct sm_overlap *o)
{
	sm_components_clear(&o->truth);
	sm_components_clear(&o->prediction);
	sm_free(o->shared);
	*o = (struct sm_overlap){0};
}

/* ---- one to one ------------------------------------------------------------------------------ */

struct candidate {
	double iou;
	size_t shared;
};

static double iou_of(const struct sm_overlap *o, const struct sm_shared *s)
{
	return (double)s->voxels /
	       (double)(o->truth.size[s->truth] + o->prediction.size[s->prediction] - s->voxels);
}

static int best_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->iou != y->iou)
		return x->iou > y->iou ? -1 : 1;
	return x->shared < y->shared ? -1 : x->shared > y->shared;
}

enum sm_status sm_match_pairs(const struct sm_overlap *o, double iou, struct sm_mem *mem,
			      size_t *pair, size_t *pairs, struct sm_err *err)
{
	enum sm_status st = SM_BUDGET;
	struct candidate *list = sm_alloc(mem, o->n + 1, sizeof *list, "pairs of components", err);
	uint8_t *taken = sm_calloc(mem, o->truth.count + o->prediction.count + 1, 1,
				   "pairs of components", err);
	*pairs = 0;
	if (!list || !taken)
		goto out;
	st = SM_OK;
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++) {
		double v = iou_of(o, &o->shared[i]);
		if (v >= iou)
			list[n++] = (struct candidate){v, i};
	}
	qsort(list, n, sizeof *list, best_first);
	for (size_t i = 0; i < n; i++) {
		const struct sm_shared *s = &o->shared[list[i].shared];
		uint8_t *t = &taken[s->truth], *p = &taken[o->truth.count + s->prediction];
		if (!*t && !*p) {
			*t = *p = 1;
			pair[(*pairs)++] = list[i].shared;
		}
	}
out:
	sm_free(list);
	sm_free(taken);
	return st;
}

/* ---- centroids ------------------------------------------------------------------------------- */

/* Number of the component at a voxel, NONE outside. */
static uint32_t component_at(const struct sm_components *c, const int64_t n[3], const int64_t at[3])
{
	size_t row = (size_t)(at[2] * n[1] + at[1]), low = c->row[row], high = c->row[row + 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct sm_run_of_voxels *run = &c->run[middle];
		if (at[0] < run->start)
			high = middle;
		else if (at[0] >= run->start + run->length)
			low = middle + 1;
		else
			return run->part;
	}
	return NONE;
}

/* Sums of the coordinates of each component's voxels, three a component. */
static void sum_coordinates(const struct sm_components *c, const int64_t n[3], int64_t *sum)
{
	for (size_t row = 0; row < c->rows; row++)
		for (size_t i = c->row[row]; i < c->row[row + 1]; i++) {
			const struct sm_run_of_voxels *r = &c->run[i];
			int64_t *s = sum + 3 * (size_t)r->part, length = r->length;
			s[0] += length * r->start + length * (length - 1) / 2;
			s[1] += length * (int64_t)(row % (size_t)n[1]);
			s[2] += length * (int64_t)(row / (size_t)n[1]);
		}
}

/* Marks true components that hold a centroid, and predicted ones whose centroid is held. */
static enum sm_status mark_centroids(const struct sm_overlap *o, const int64_t n[3],
				     struct sm_mem *mem, uint8_t *found, uint8_t *right,
				     struct sm_err *err)
{
	int64_t *sum = sm_calloc(mem, o->prediction.count + 1, 3 * sizeof *sum,
				 "centroids of components", err);
	if (!sum)
		return SM_BUDGET;
	sum_coordinates(&o->prediction, n, sum);
	for (size_t p = 0; p < o->prediction.count; p++) {
		int64_t at[3], size = o->prediction.size[p];
		for (int k = 0; k < 3; k++) /* the nearest voxel, upwards from a half */
			at[k] = (2 * sum[3 * p + (size_t)k] + size) / (2 * size);
		uint32_t t = component_at(&o->truth, n, at);
		if (t != NONE)
			found[t] = right[p] = 1;
	}
	sm_free(sum);
	return SM_OK;
}

/* ---- detection ------------------------------------------------------------------------------- */

static enum sm_status mark_pairs(const struct sm_overlap *o, double iou, struct sm_mem *mem,
				 uint8_t *found, uint8_t *right, struct sm_err *err)
{
	size_t pairs, *pair = sm_alloc(mem, o->n + 1, sizeof *pair, "pairs of components", err);
	if (!pair)
		return SM_BUDGET;
	enum sm_status st = sm_match_pairs(o, iou, mem, pair, &pairs, err);
	for (size_t i = 0; i < pairs; i++) {
		found[o->shared[pair[i]].truth] = 1;
		right[o->shared[pair[i]].prediction] = 1;
	}
	sm_free(pair);
	return st;
}

static uint32_t marked(const uint8_t *mark, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += mark[i];
	return sum;
}

static double share(uint32_t part, uint32_t rest)
{
	return part + rest ? (double)part / ((double)part + (double)rest) : NAN;
}

enum sm_status sm_detect(const struct sm_overlap *o, const int64_t n[3], enum sm_match_rule rule,
			 double iou, struct sm_mem *mem, struct sm_detection *out,
			 struct sm_err *err)
{
	size_t truths = o->truth.count, predictions = o->prediction.count;
	uint8_t *found = sm_calloc(mem, truths + predictions + 1, 1, "found components", err);
	uint8_t *right = found ? found + truths : NULL;
	enum sm_status st = SM_OK;
	if (!found)
		return SM_BUDGET;
	switch (rule) {
	case SM_MATCH_IOU:
		st = mark_pairs(o, iou, mem, found, right, err);
		break;
	case SM_MATCH_CENTROID:
		st = mark_centroids(o, n, mem, found, right, err);
		break;
	default:
		for (size_t i = 0; i < o->n; i++)
			found[o->shared[i].truth] = right[o->shared[i].prediction] = 1;
	}
	*out = (struct sm_detection){.found = marked(found, truths),
				     .right = marked(right, predictions)};
	out->missed = (uint32_t)truths - out->found;
	out->wrong = (uint32_t)predictions - out->right;
	out->precision = share(out->right, out->wrong);
	out->recall = share(out->found, out->missed);
	double sum = out->precision + out->recall;
	out->f1 = truths + predictions == 0 ? NAN
		  : sum > 0                 ? 2 * out->precision * out->recall / sum
					    : 0; /* NaN is not above 0 either: one side is empty */
	sm_free(found);
	return st;
}
