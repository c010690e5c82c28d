/* SPDX-License-Identifier: Apache-2.0
 *
 * Grouping of frames into volumes (see dcm_series.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ingest/dcm_stack.h"

struct grouping {
	const struct sm_dcm_head *heads;
	const struct sm_series_rules *rules;
	sm_same_file same;
	void *ctx;
	struct sm_series_list *out;
	size_t room;  /* of out->series */
	size_t first; /* of the series at work: its groups stand from here on */
};

static bool close3(const double a[3], const double b[3], double tol)
{
	return fabs(a[0] - b[0]) <= tol && fabs(a[1] - b[1]) <= tol && fabs(a[2] - b[2]) <= tol;
}

/* Two absent numbers are the same. */
static bool close1(double a, double b, double tol)
{
	return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : fabs(a - b) < tol;
}

static bool same_orientation(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g)
{
	return close3(f->across, g->across, 1e-3) && close3(f->down, g->down, 1e-3);
}

static bool same_contrast(const struct sm_dcm_head *a, const struct sm_dcm_frame *f,
			  const struct sm_dcm_frame *g)
{
	if (f->component != g->component || f->stack != g->stack)
		return false;
	return strcmp(a->modality, "MR") != 0 ||
	       (close1(f->echo_time, g->echo_time, 1e-3) &&
		close1(f->inversion_time, g->inversion_time, 1e-3) &&
		strcmp(f->image_kind, g->image_kind) == 0);
}

/* Objects with a verdict of their own keep together by verdict, so that each reason is told. */
static bool same_group(const struct sm_dcm_head *heads, struct sm_slice x, struct sm_slice y)
{
	const struct sm_dcm_head *a = &heads[x.head], *b = &heads[y.head];
	const struct sm_dcm_frame *f = sm_slice_frame(heads, x), *g = sm_slice_frame(heads, y);
	enum sm_verdict verdict = sm_slice_verdict(heads, x);
	if (verdict != sm_slice_verdict(heads, y) || strcmp(a->modality, b->modality) != 0 ||
	    strcmp(a->patient, b->patient) != 0 || strcmp(a->study, b->study) != 0)
		return false;
	if (verdict != SM_VERDICT_OK)
		return true;
	if (a->kind == SM_DCM_FLAT || b->kind == SM_DCM_FLAT)
		return false;
	if (a->tile_rows != b->tile_rows || a->tile_columns != b->tile_columns ||
	    a->format.is_float != b->format.is_float)
		return false;
	if (fabs(f->spacing[0] - g->spacing[0]) > 1e-4 * f->spacing[0] ||
	    fabs(f->spacing[1] - g->spacing[1]) > 1e-4 * f->spacing[1])
		return false;
	return same_orientation(f, g) &&
	       strcmp(a->frame_of_reference, b->frame_of_reference) == 0 && same_contrast(a, f, g);
}

struct sorter {
	const struct sm_dcm_head *head;
	size_t index;
};

/* Series, then SOP instance; files without either by their place in the list, which is the order
 * of paths. */
static int by_identity(const void *a, const void *b)
{
	const struct sorter *x = a, *y = b;
	int c = strcmp(x->head->series, y->head->series);
	if (c == 0)
		c = strcmp(x->head->sop, y->head->sop);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* Largest first; of equals the one whose numbers begin first (kept in depth until it is ordered),
 * because the order of hashes depends on the salt. */
static int by_part(const void *a, const void *b)
{
	const struct sm_series *x = a, *y = b;
	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	if (x->depth != y->depth)
		return x->depth > y->depth ? 1 : -1;
	return (x->part > y->part) - (x->part < y->part);
}

static enum sm_status add_group(struct grouping *g, struct sm_series **made, struct sm_err *err)
{
	struct sm_series_list *out = g->out;
	if (out->n == g->room) {
		g->room = g->room ? g->room * 2 : 16;
		struct sm_series *more = realloc(out->series, g->room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		out->series = more;
	}
	*made = &out->series[out->n++];
	**made = (struct sm_series){0};
	return SM_OK;
}

/* Growth by doubling: a group's room is the power of two at or above its count. */
static enum sm_status add_member(struct sm_series *group, struct sm_slice slice, struct sm_err *err)
{
	if ((group->n & (group->n - 1)) == 0) {
		size_t room = group->n ? group->n * 2 : 1;
		struct sm_slice *more = realloc(group->slice, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		group->slice = more;
	}
	group->slice[group->n++] = slice;
	return SM_OK;
}

/* The object with the same SOPInstanceUID right before this one, if any: a copy is left out and
 * counted, anything else under the same UID spoils the groups of the first. */
static enum sm_status check_twin(struct grouping *g, size_t last, size_t index, bool *copy,
				 struct sm_err *err)
{
	const struct sm_dcm_head *heads = g->heads;
	*copy = false;
	if (last == index || !*heads[index].sop || strcmp(heads[last].sop, heads[index].sop) != 0)
		return SM_OK;
	SM_TRY(g->same(g->ctx, last, index, copy, err));
	for (size_t i = g->first; i < g->out->n; i++) {
		struct sm_series *group = &g->out->series[i];
		if (group->slice[group->n - 1].head != last)
			continue;
		if (*copy)
			group->copies++;
		else
			sm_series_judge(group, SM_VERDICT_CLASH,
					"two different files have the same SOPInstanceUID");
	}
	return SM_OK;
}

static enum sm_status place(struct grouping *g, struct sm_slice slice, struct sm_err *err)
{
	struct sm_series *group = NULL;
	/* Backwards: a slice mostly belongs where the one before it went. */
	for (size_t i = g->out->n; i > g->first && !group; i--)
		if (same_group(g->heads, g->out->series[i - 1].slice[0], slice))
			group = &g->out->series[i - 1];
	if (!group)
		SM_TRY(add_group(g, &group, err));
	return add_member(group, slice, err);
}

static enum sm_status place_file(struct grouping *g, size_t index, struct sm_err *err)
{
	const struct sm_dcm_head *h = &g->heads[index];
	bool whole = h->frame_count == 0 ||
		     (h->verdict != SM_VERDICT_OK && h->verdict != SM_VERDICT_FLAT);
	size_t n = whole ? 1 : h->frame_count;
	for (size_t k = 0; k < n; k++) {
		struct sm_slice slice = {(uint32_t)index, (uint32_t)k};
		struct sm_series *group = NULL;
		if (whole || h->kind != SM_DCM_FLAT) {
			SM_TRY(place(g, slice, err));
			continue;
		}
		SM_TRY(add_group(g, &group, err));
		SM_TRY(add_member(group, slice, err));
	}
	return SM_OK;
}

static size_t first_number(const struct sm_series *s, const struct sm_dcm_head *heads)
{
	size_t least = SIZE_MAX;
	for (size_t k = 0; k < s->n; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[k]);
		if (f && f->instance >= 0 && (size_t)f->instance < least)
			least = (size_t)f->instance;
	}
	return least;
}

/* Too few slices of one orientation beside those of another: that is what is wrong with them. */
static void judge_mixed(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	size_t orientations = 0;
	for (size_t i = 0; i < n; i++) {
		const struct sm_dcm_frame *f = sm_slice_frame(heads, s[i].slice[0]);
		bool seen = !f || !f->has_orientation || sm_series_is_flat(&s[i], heads);
		for (size_t k = 0; k < i && !seen; k++) {
			const struct sm_dcm_frame *g = sm_slice_frame(heads, s[k].slice[0]);
			seen = g && g->has_orientation && same_orientation(f, g);
		}
		orientations += !seen;
		if (orientations > 1000) /* enough to say so; the search is quadratic */
			break;
	}
	for (size_t i = 0; i < n && orientations > 1; i++) {
		if (s[i].verdict != SM_VERDICT_FEW_SLICES)
			continue;
		size_t depth = s[i].depth;
		s[i].verdict = SM_VERDICT_OK;
		sm_series_judge(
			&s[i], SM_VERDICT_MIXED_ORIENTATION,
			"the series mixes slices of %zu orientations, and %zu positions are "
			"too few for a volume of this one (ingest.min_slices)",
			orientations, depth);
	}
}

/* Numbers the groups of one series, largest first, orders, judges and names them. */
static enum sm_status finish_series(struct grouping *g, struct sm_err *err)
{
	struct sm_series *s = g->out->series + g->first;
	size_t n = g->out->n - g->first;
	for (size_t i = 0; i < n; i++) {
		s[i].part = (unsigned)i;
		s[i].depth = first_number(&s[i], g->heads);
	}
	if (n)
		qsort(s, n, sizeof *s, by_part);
	for (size_t i = 0; i < n; i++) {
		s[i].part = (unsigned)i + 1;
		s[i].parts = (unsigned)n;
		SM_TRY(sm_series_order(&s[i], g->heads, g->rules, err));
	}
	if (n) {
		judge_mixed(s, n, g->heads);
		sm_series_name(s, n, g->heads);
	}
	g->first = g->out->n;
	return SM_OK;
}

enum sm_status sm_series_group(const struct sm_dcm_head *heads, size_t n,
			       const struct sm_series_rules *rules, sm_same_file same, void *ctx,
			       struct sm_series_list *out, struct sm_err *err)
{
	*out = (struct sm_series_list){0};
	struct grouping g = {.heads = heads, .rules = rules, .same = same, .ctx = ctx, .out = out};
	enum sm_status st = SM_OK;
	struct sorter *sorted = calloc(n ? n : 1, sizeof *sorted);
	if (!sorted)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu headers", n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct sorter){&heads[i], i};
	qsort(sorted, n, sizeof *sorted, by_identity);
	size_t last = 0;
	for (size_t i = 0; i < n; i++) {
		size_t index = sorted[i].index;
		bool copy = false;
		if (i && strcmp(sorted[i].head->series, sorted[i - 1].head->series) != 0)
			SM_GOTO(st, finish_series(&g, err));
		else if (i)
			SM_GOTO(st, check_twin(&g, last, index, &copy, err));
		if (copy)
			continue;
		SM_GOTO(st, place_file(&g, index, err));
		last = index;
	}
	st = finish_series(&g, err);
out:
	free(sorted);
	if (st != SM_OK)
		sm_series_list_clear(out);
	return st;
}

void sm_series_list_clear(struct sm_series_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->series[i].slice);
		free(list->series[i].time_s);
	}
	free(list->series);
	*list = (struct sm_series_list){0};
}
