/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "eval/translate.h"

const char *sm_made_lacks(const struct sm_translations *t,
			  const struct sm_training_targets *targets, const struct sm_made *c,
			  int which)
{
	/* Midway between two slices a line is their mean: one row tells of both. */
	if (sm_baselines[which].between != t->triplets || which == SM_BASE_LINEAR)
		return "";
	if (which == SM_BASE_WHITE && t->unpaired)
		return "";
	if (which == SM_BASE_CONSTANT && !t->unpaired)
		return "";
	if (sm_baselines[which].body && !c->mask)
		return "";
	if (which == SM_BASE_IDENTITY && c->source_channels != c->channels)
		return "source and target have different numbers of channels";
	if (which == SM_BASE_IDENTITY || which == SM_BASE_WHITE || t->triplets)
		return NULL;
	if (!targets)
		return "no training targets are given (--pairs)";
	if (!targets->images)
		return targets->why;
	if (sm_baselines[which].body && targets->no_body)
		return targets->no_body;
	if (which == SM_BASE_CONSTANT || which == SM_BASE_BODY_CONSTANT)
		return NULL;
	if (!targets->mean)
		return targets->why;
	if (targets->width != c->width || targets->height != c->height ||
	    targets->channels != c->channels)
		return "the training targets have another size than this case's slices";
	return NULL;
}

/* From [-1, 1] to the own unit. */
static double own(const struct sm_translations *t, double v)
{
	return t->range[0] + (v + 1) * (t->range[1] - t->range[0]) / 2;
}

static void mean_image(const struct sm_translations *t, const struct sm_training_targets *targets,
		       const struct sm_made *c, float *out)
{
	const size_t plane = (size_t)(c->width * c->height);
	for (int64_t k = 0; k < c->channels; k++) {
		float *first = out + (size_t)(k * c->n) * plane;
		for (size_t i = 0; i < plane; i++)
			first[i] = (float)own(t, targets->mean[(size_t)k * plane + i]);
		for (int64_t z = 1; z < c->n; z++)
			memcpy(first + (size_t)z * plane, first, plane * sizeof *first);
	}
}

static void body_mean_image(const struct sm_training_targets *targets, const struct sm_made *c,
			    float *out)
{
	const size_t plane = (size_t)(c->width * c->height);
	for (int64_t z = 0; z < c->n; z++)
		memcpy(out + (size_t)z * plane, targets->body_mean, plane * sizeof *out);
}

/* The slice before or behind each one that counts, of one channel. */
static const float *beside(const struct sm_made *c, int64_t channel, int64_t k, int step)
{
	const size_t plane = (size_t)(c->width * c->height);
	return c->whole + (size_t)(channel * c->count + c->slice[k] + step) * plane;
}

static void average(const struct sm_made *c, float *out)
{
	const size_t plane = (size_t)(c->width * c->height);
	for (int64_t ch = 0; ch < c->channels; ch++)
		for (int64_t k = 0; k < c->n; k++)
			sm_baseline_average(beside(c, ch, k, -1), beside(c, ch, k, 1), plane,
					    out + (size_t)(ch * c->n + k) * plane);
}

/* Every second slice is known, those of the parity of A and C: a slice is interpolated from what
 * lies at odd distances on both sides, never from itself. */
struct comb {
	const struct sm_made *c;
	int64_t channel, parity, known;
	float *v;      /* known slices */
	double *place; /* of the slices that are asked for, among the known ones */
	int64_t *k;    /* their numbers among all that count */
	int64_t n;
};

static void gather(struct comb *b)
{
	const struct sm_made *c = b->c;
	const size_t plane = (size_t)(c->width * c->height);
	b->known = b->n = 0;
	for (int64_t z = b->parity; z < c->count; z += 2)
		memcpy(b->v + (size_t)b->known++ * plane,
		       c->whole + (size_t)(b->channel * c->count + z) * plane,
		       plane * sizeof *b->v);
	for (int64_t k = 0; k < c->n; k++) {
		const int64_t before = c->slice[k] - 1 - b->parity;
		if (before % 2 != 0)
			continue;
		b->k[b->n] = k;
		b->place[b->n++] = (double)(before / 2) + 0.5;
	}
}

static enum sm_status between(const struct sm_made *c, int method, struct sm_mem *mem, int jobs,
			      float *out, struct sm_err *err)
{
	const size_t plane = (size_t)(c->width * c->height), half = (size_t)(c->count / 2 + 1);
	struct comb b = {.c = c};
	enum sm_status st = SM_BUDGET;
	float *made = sm_alloc(mem, plane, (size_t)c->n * sizeof *made, "slices between", err);
	b.v = made ? sm_alloc(mem, plane, half * sizeof *b.v, "known slices", err) : NULL;
	b.place = b.v ? sm_alloc(mem, (size_t)c->n, sizeof *b.place, "places", err) : NULL;
	b.k = b.place ? sm_alloc(mem, (size_t)c->n, sizeof *b.k, "places", err) : NULL;
	if (!b.k)
		goto out;
	st = SM_OK;
	for (int64_t turn = 0; turn < 2 * c->channels; turn++) {
		b.channel = turn / 2;
		b.parity = turn % 2;
		gather(&b);
		if (!b.n)
			continue;
		const int64_t dim[3] = {c->width, c->height, b.known};
		SM_GOTO(st, sm_slices_at(b.v, dim, b.place, b.n, method, mem, jobs, made, err));
		for (int64_t i = 0; i < b.n; i++)
			memcpy(out + (size_t)(b.channel * c->n + b.k[i]) * plane,
			       made + (size_t)i * plane, plane * sizeof *out);
	}
out:
	sm_free(made);
	sm_free(b.v);
	sm_free(b.place);
	sm_free(b.k);
	return st;
}

enum sm_status sm_made_base(const struct sm_translations *t,
			    const struct sm_training_targets *targets, const struct sm_made *c,
			    int which, int jobs, float *out, struct sm_err *err)
{
	static const double from[2] = {-1, 1};
	const size_t n = (size_t)(c->width * c->height * c->n * c->channels);
	switch (which) {
	case SM_BASE_IDENTITY:
		return sm_baseline_identity(c->source, n, from, t->range, true, out, err);
	case SM_BASE_MEAN:
		mean_image(t, targets, c, out);
		return SM_OK;
	case SM_BASE_WHITE:
		sm_baseline_white((float)t->range[1], n, out);
		return SM_OK;
	case SM_BASE_CONSTANT:
		sm_baseline_white((float)own(t, targets->constant), n, out);
		return SM_OK;
	case SM_BASE_BODY_MEAN:
		body_mean_image(targets, c, out);
		return SM_OK;
	case SM_BASE_BODY_CONSTANT:
		sm_baseline_white((float)targets->body_constant, n, out);
		return SM_OK;
	case SM_BASE_AVERAGE:
		average(c, out);
		return SM_OK;
	default:
		return between(c, sm_baselines[which].method, &t->run->mem, jobs, out, err);
	}
}
