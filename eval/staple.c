/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/fuse.h"

#define START 0.99999 /* of the paper and of ITK */
#define STILL 1e-7    /* the largest move of a parameter at which it has settled */
#define EQUAL 1e-12   /* probabilities that differ by less are a tie */

/* ---- two classes ----------------------------------------------------------------------------- */

/* Voxels of the region for rater r, of pattern k. */
static bool says(const struct sm_patterns *p, const uint8_t *member, size_t k, size_t r)
{
	return member[p->at[k].label[r]];
}

static double mean_share(const struct sm_patterns *p, const uint8_t *member)
{
	uint64_t votes = 0; /* at most 32 x 2^40 */
	for (size_t k = 0; k < p->n; k++)
		for (size_t r = 0; r < p->raters; r++)
			votes += says(p, member, k, r) ? p->at[k].voxels : 0;
	return (double)votes / ((double)p->voxels * (double)p->raters);
}

/* E step: equation 15 of the paper. */
static void expect(const struct sm_patterns *p, const uint8_t *member, double prior,
		   const struct sm_staple *s, double *w)
{
	for (size_t k = 0; k < p->n; k++) {
		double a = prior, b = 1 - prior;
		for (size_t r = 0; r < p->raters; r++) {
			bool yes = says(p, member, k, r);
			a *= yes ? s->sensitivity[r] : 1 - s->sensitivity[r];
			b *= yes ? 1 - s->specificity[r] : s->specificity[r];
		}
		/* Neither is possible: as likely as before. */
		w[k] = a + b > 0 ? a / (a + b) : prior;
	}
}

/* M step: equations 18 and 19. True when no parameter moved by more than STILL. */
static bool maximise(const struct sm_patterns *p, const uint8_t *member, const double *w,
		     struct sm_staple *s)
{
	double inside = 0, outside = 0;
	bool still = true;
	for (size_t k = 0; k < p->n; k++) {
		inside += w[k] * (double)p->at[k].voxels;
		outside += (1 - w[k]) * (double)p->at[k].voxels;
	}
	for (size_t r = 0; r < p->raters; r++) {
		double hit = 0, spared = 0;
		for (size_t k = 0; k < p->n; k++)
			*(says(p, member, k, r) ? &hit : &spared) +=
				(says(p, member, k, r) ? w[k] : 1 - w[k]) * (double)p->at[k].voxels;
		double sensitivity = inside > 0 ? hit / inside : s->sensitivity[r];
		double specificity = outside > 0 ? spared / outside : s->specificity[r];
		still &= fabs(sensitivity - s->sensitivity[r]) <= STILL &&
			 fabs(specificity - s->specificity[r]) <= STILL;
		s->sensitivity[r] = sensitivity;
		s->specificity[r] = specificity;
	}
	return still;
}

/* All raters say the same of every voxel: nothing to estimate. */
static void nothing_to_estimate(const struct sm_patterns *p, double share, double *w,
				struct sm_staple *s)
{
	for (size_t r = 0; r < p->raters; r++) {
		s->sensitivity[r] = share > 0 ? 1 : NAN;
		s->specificity[r] = share > 0 ? NAN : 1;
	}
	for (size_t k = 0; k < p->n; k++)
		w[k] = share > 0;
	s->converged = true;
}

enum sm_status sm_staple_of(const struct sm_patterns *p, const uint8_t member[256], double prior,
			    int most, double *w, struct sm_staple *out, struct sm_err *err)
{
	if (!isnan(prior) && !(prior > 0 && prior < 1))
		return SM_FAIL(err, SM_USAGE, "prior: found %g, allowed is between 0 and 1", prior);
	double share = p->voxels ? mean_share(p, member) : 0;
	out->prior = isnan(prior) ? share : prior;
	out->iterations = 0;
	out->converged = false;
	if (share == 0 || share == 1) {
		nothing_to_estimate(p, share, w, out);
		return SM_OK;
	}
	for (size_t r = 0; r < p->raters; r++)
		out->sensitivity[r] = out->specificity[r] = START;
	while (!out->converged && out->iterations < most) {
		expect(p, member, out->prior, out, w);
		out->converged = maximise(p, member, w, out);
		out->iterations++;
	}
	return SM_OK;
}

enum sm_status sm_fuse_staple(const uint8_t *const *rater, size_t raters, size_t n, double prior,
			      int most, struct sm_mem *mem, float *probability,
			      struct sm_staple *out, struct sm_err *err)
{
	struct sm_patterns p;
	uint8_t member[256];
	enum sm_status st = SM_BUDGET;
	memset(member, 1, sizeof member);
	member[0] = 0;
	SM_TRY(sm_patterns_count(&p, rater, raters, n, mem, err));
	double *w = sm_alloc(mem, p.n + 1, sizeof *w, "STAPLE", err);
	if (!w)
		goto out;
	SM_GOTO(st, sm_staple_of(&p, member, prior, most, w, out, err));
	for (size_t i = 0; probability && i < n; i++) {
		struct sm_pattern key = {{0}, 0};
		for (size_t r = 0; r < raters; r++)
			key.label[r] = rater[r][i];
		probability[i] = (float)w[sm_pattern_number(&p, key.label)];
	}
out:
	sm_free(w);
	sm_patterns_clear(&p);
	return st;
}

/* ---- several classes ------------------------------------------------------------------------- */

struct estimate {
	const struct sm_patterns *p;
	struct sm_staple_labels *s;
	uint8_t class_of[256];
	double *w;    /* of pattern k and class c: w[k * classes + c] */
	double *next; /* like the matrix */
};

static size_t cell(const struct estimate *e, size_t rater, size_t said, size_t truth)
{
	return (rater * e->s->classes + said) * e->s->classes + truth;
}

static size_t said(const struct estimate *e, size_t k, size_t rater)
{
	return e->class_of[e->p->at[k].label[rater]];
}

/* The classes that occur, their shares, and the first matrices. */
static void find_classes(struct estimate *e)
{
	uint64_t votes[256] = {0};
	struct sm_staple_labels *s = e->s;
	for (size_t k = 0; k < e->p->n; k++)
		for (size_t r = 0; r < e->p->raters; r++)
			votes[e->p->at[k].label[r]] += e->p->at[k].voxels;
	for (size_t v = 0; v < 256; v++)
		if (votes[v]) {
			e->class_of[v] = (uint8_t)s->classes;
			s->value[s->classes] = (uint8_t)v;
			s->prior[s->classes++] =
				(double)votes[v] / ((double)e->p->voxels * (double)e->p->raters);
		}
}

static void begin(struct estimate *e)
{
	size_t classes = e->s->classes;
	for (size_t r = 0; r < e->p->raters; r++)
		for (size_t j = 0; j < classes; j++)
			for (size_t c = 0; c < classes; c++)
				e->s->matrix[cell(e, r, j, c)] =
					classes == 1 ? 1
					: j == c     ? START
						     : (1 - START) / (double)(classes - 1);
}

static void expect_labels(struct estimate *e)
{
	size_t classes = e->s->classes;
	for (size_t k = 0; k < e->p->n; k++) {
		double *w = e->w + k * classes, sum = 0;
		for (size_t c = 0; c < classes; c++) {
			w[c] = e->s->prior[c];
			for (size_t r = 0; r < e->p->raters; r++)
				w[c] *= e->s->matrix[cell(e, r, said(e, k, r), c)];
			sum += w[c];
		}
		for (size_t c = 0; c < classes; c++)
			w[c] = sum > 0 ? w[c] / sum : e->s->prior[c];
	}
}

static bool maximise_labels(struct estimate *e)
{
	size_t classes = e->s->classes, cells = e->p->raters * classes * classes;
	double total[256] = {0};
	bool still = true;
	memset(e->next, 0, cells * sizeof *e->next);
	for (size_t k = 0; k < e->p->n; k++)
		for (size_t c = 0; c < classes; c++) {
			double v = e->w[k * classes + c] * (double)e->p->at[k].voxels;
			total[c] += v;
			for (size_t r = 0; r < e->p->raters; r++)
				e->next[cell(e, r, said(e, k, r), c)] += v;
		}
	for (size_t i = 0; i < cells; i++) {
		double sum = total[i % classes], v = sum > 0 ? e->next[i] / sum : e->s->matrix[i];
		still &= fabs(v - e->s->matrix[i]) <= STILL;
		e->s->matrix[i] = v;
	}
	return still;
}

/* The label of pattern k; counts its voxels when several are as likely. */
static uint8_t decide(struct estimate *e, size_t k, enum sm_ties ties)
{
	const double *w = e->w + k * e->s->classes;
	size_t best = 0, winners = 0;
	for (size_t c = 1; c < e->s->classes; c++)
		best = w[c] > w[best] ? c : best;
	for (size_t c = 0; c < e->s->classes; c++)
		winners += w[c] >= w[best] - EQUAL;
	if (winners == 1)
		return e->s->value[best];
	e->s->tied += e->p->at[k].voxels;
	for (size_t r = 0; ties == SM_TIES_FIRST && r < e->p->raters; r++)
		if (w[said(e, k, r)] >= w[best] - EQUAL)
			return e->p->at[k].label[r];
	return 0;
}

enum sm_status sm_staple_labels(const struct sm_patterns *p, int most, enum sm_ties ties,
				struct sm_mem *mem, uint8_t *of_pattern,
				struct sm_staple_labels *out, struct sm_err *err)
{
	struct estimate e = {.p = p, .s = out};
	enum sm_status st = SM_BUDGET;
	*out = (struct sm_staple_labels){0};
	if (!p->voxels)
		return SM_OK;
	find_classes(&e);
	size_t classes = out->classes, cells = p->raters * classes * classes;
	out->matrix = sm_alloc(mem, cells, sizeof *out->matrix, "STAPLE", err);
	e.next = out->matrix ? sm_alloc(mem, cells, sizeof *e.next, "STAPLE", err) : NULL;
	e.w = e.next ? sm_alloc(mem, p->n, classes * sizeof *e.w, "STAPLE", err) : NULL;
	if (!e.w)
		goto out;
	st = SM_OK;
	begin(&e);
	while (!out->converged && out->iterations < most) {
		expect_labels(&e);
		out->converged = maximise_labels(&e);
		out->iterations++;
	}
	for (size_t k = 0; k < p->n; k++)
		of_pattern[k] = decide(&e, k, ties);
out:
	sm_free(e.next);
	sm_free(e.w);
	if (st != SM_OK)
		sm_staple_labels_clear(out);
	return st;
}

void sm_staple_labels_clear(struct sm_staple_labels *s)
{
	sm_free(s->matrix);
	*s = (struct sm_staple_labels){0};
}
