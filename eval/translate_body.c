/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the body: of a true volume, and of the training targets, for the images that
 * anything inside is held against. A mean over air and padding says nothing there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/translate.h"

bool sm_body_rules(const struct sm_translations *t, const struct sm_evaluate_section *s,
		   bool pictures, struct sm_body_rules *out)
{
	static const enum sm_body_rule rules[] = {
		[SM_BODY_BY_KIND] = SM_BODY_AUTO,
		[SM_BODY_BY_OTSU] = SM_BODY_OTSU,
		[SM_BODY_BY_VALUE] = SM_BODY_VALUE,
	};
	*out = (struct sm_body_rules){.meaning = strcmp(t->unit, "HU") == 0 ? SM_MEANING_HU
									    : SM_MEANING_ARBITRARY,
				      .name = t->target,
				      .range = {t->range[0], t->range[1]}};
	if (s->body == SM_BODY_NONE || (s->body == SM_BODY_BY_KIND && pictures))
		return false;
	out->how = (struct sm_body_settings){
		.rule = rules[s->body], .value = s->body_threshold, .axis = 2};
	return true;
}

enum sm_status sm_made_body(const struct sm_translations *t, const struct sm_evaluate_section *s,
			    int jobs, struct sm_made *c, struct sm_err *err)
{
	struct sm_body_rules rules;
	if (!sm_body_rules(t, s, c->pictures, &rules))
		return SM_OK;
	if (c->channels != 1) {
		c->no_mask = sm_strf("%s has %lld channels, a body mask needs 1", t->target,
				     (long long)c->channels);
		return c->no_mask ? SM_OK : SM_FAIL(err, SM_BUDGET, "body mask: out of memory");
	}
	struct sm_mem *mem = &t->run->mem;
	const size_t plane = (size_t)(c->width * c->height);
	const int64_t dim[3] = {c->width, c->height, c->count};
	const double spacing[3] = {c->view.pixel_mm[0], c->view.pixel_mm[1], c->view.slice_mm};
	struct sm_body found;
	struct sm_err why = {0};
	uint8_t *mask = sm_alloc(mem, plane, (size_t)c->count, "body mask", err);
	if (!mask)
		return SM_BUDGET;
	enum sm_status st = sm_body_mask(c->whole, dim, spacing, rules.meaning, rules.name,
					 &rules.how, mem, jobs, mask, &found, &why);
	if (st == SM_OK) {
		for (int64_t k = 0; k < c->n; k++) /* slice[k] >= k: nothing unread is lost */
			memmove(mask + (size_t)k * plane, mask + (size_t)c->slice[k] * plane,
				plane);
		c->mask = mask;
		c->threshold = found.threshold;
		return SM_OK;
	}
	sm_free(mask);
	if (st != SM_INPUT) {
		*err = why;
		return st;
	}
	c->no_mask = sm_strf("%s", why.text);
	return c->no_mask ? SM_OK : SM_FAIL(err, SM_BUDGET, "body mask: out of memory");
}

/* ---- of the training targets ----------------------------------------------------------------- */

enum sm_status sm_body_sum_begin(struct sm_body_sum *b, int64_t width, int64_t height,
				 size_t images, struct sm_mem *mem, struct sm_err *err)
{
	const size_t plane = (size_t)(width * height);
	b->dim[0] = width;
	b->dim[1] = height;
	b->dim[2] = 0;
	b->mem = mem;
	sm_free(b->stack);
	b->stack =
		sm_alloc(mem, plane, images * sizeof *b->stack, "training images of a case", err);
	if (!b->stack)
		return SM_BUDGET;
	if (!b->sum) {
		b->plane = plane;
		b->sum = sm_calloc(mem, plane, sizeof *b->sum, "mean image of the body", err);
		b->count = b->sum ? sm_calloc(mem, plane, sizeof *b->count,
					      "mean image of the body", err)
				  : NULL;
	}
	return b->count ? SM_OK : SM_BUDGET;
}

void sm_body_sum_add(struct sm_body_sum *b, const float *image)
{
	const size_t plane = (size_t)(b->dim[0] * b->dim[1]);
	const double half = (b->rules.range[1] - b->rules.range[0]) / 2;
	float *to = b->stack + (size_t)b->dim[2]++ * plane;
	for (size_t i = 0; i < plane; i++)
		to[i] = (float)(b->rules.range[0] + ((double)image[i] + 1) * half);
}

enum sm_status sm_body_sum_end(struct sm_body_sum *b, int jobs, struct sm_err *err)
{
	static const double spacing[3] = {1, 1, 1}; /* nothing is opened: it decides nothing */
	const size_t plane = (size_t)(b->dim[0] * b->dim[1]), n = plane * (size_t)b->dim[2];
	struct sm_body found;
	struct sm_err why = {0};
	if (!n)
		return SM_OK;
	uint8_t *mask = sm_alloc(b->mem, n, 1, "body mask", err);
	if (!mask)
		return SM_BUDGET;
	enum sm_status st = sm_body_mask(b->stack, b->dim, spacing, b->rules.meaning, b->rules.name,
					 &b->rules.how, b->mem, jobs, mask, &found, &why);
	for (size_t i = 0; st == SM_OK && i < n; i++) {
		if (!mask[i])
			continue;
		b->total += b->stack[i];
		b->voxels++;
		if (plane == b->plane) {
			b->sum[i % plane] += b->stack[i];
			b->count[i % plane]++;
		}
	}
	sm_free(mask);
	b->dim[2] = 0;
	if (st == SM_OK || st == SM_INPUT)
		return SM_OK; /* a case without a body adds nothing */
	*err = why;
	return st;
}

enum sm_status sm_body_sum_get(const struct sm_body_sum *b, float **mean, double *constant,
			       struct sm_err *err)
{
	*mean = NULL;
	*constant = b->total / (double)b->voxels;
	if (!b->voxels)
		return SM_OK;
	*mean = sm_alloc(b->mem, b->plane, sizeof **mean, "mean image of the body", err);
	if (!*mean)
		return SM_BUDGET;
	for (size_t i = 0; i < b->plane; i++)
		(*mean)[i] = (float)(b->count[i] ? b->sum[i] / (double)b->count[i] : *constant);
	return SM_OK;
}

void sm_body_sum_clear(struct sm_body_sum *b)
{
	sm_free(b->stack);
	sm_free(b->sum);
	sm_free(b->count);
	*b = (struct sm_body_sum){0};
}
