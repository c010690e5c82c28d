/* SPDX-License-Identifier: Apache-2.0
 *
 * Grouping of headers into stacks (see dcm_series.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ingest/dcm_stack.h"

static bool close3(const double a[3], const double b[3], double tol)
{
	return fabs(a[0] - b[0]) <= tol && fabs(a[1] - b[1]) <= tol && fabs(a[2] - b[2]) <= tol;
}

/* Objects with a verdict of their own keep together by verdict, so that each reason is told. */
static bool same_stack(const struct sm_dcm_head *a, const struct sm_dcm_head *b)
{
	if (a->verdict != b->verdict || strcmp(a->modality, b->modality) != 0 ||
	    strcmp(a->patient, b->patient) != 0 || strcmp(a->study, b->study) != 0)
		return false;
	if (a->verdict != SM_VERDICT_OK)
		return true;
	if (a->rows != b->rows || a->columns != b->columns)
		return false;
	if (fabs(a->spacing[0] - b->spacing[0]) > 1e-4 * a->spacing[0] ||
	    fabs(a->spacing[1] - b->spacing[1]) > 1e-4 * a->spacing[1])
		return false;
	if (!close3(a->across, b->across, 1e-3) || !close3(a->down, b->down, 1e-3))
		return false;
	if (strcmp(a->frame_of_reference, b->frame_of_reference) != 0)
		return false;
	if (strcmp(a->modality, "MR") == 0)
		return fabs(a->echo_time - b->echo_time) < 1e-3 &&
		       strcmp(a->image_kind, b->image_kind) == 0;
	return true;
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

static int by_part(const void *a, const void *b)
{
	const struct sm_series *x = a, *y = b;
	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return (x->part > y->part) - (x->part < y->part);
}

static enum sm_status add_group(struct sm_series_list *out, size_t *room, struct sm_series **made,
				struct sm_err *err)
{
	if (out->n == *room) {
		*room = *room ? *room * 2 : 16;
		struct sm_series *more = realloc(out->series, *room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		out->series = more;
	}
	*made = &out->series[out->n++];
	**made = (struct sm_series){0};
	return SM_OK;
}

/* Growth by doubling: a group's room is the power of two at or above its count. */
static enum sm_status add_member(struct sm_series *group, size_t index, struct sm_err *err)
{
	if ((group->n & (group->n - 1)) == 0) {
		size_t room = group->n ? group->n * 2 : 1;
		size_t *more = realloc(group->head, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		group->head = more;
	}
	group->head[group->n++] = index;
	return SM_OK;
}

/* The object with the same SOPInstanceUID right before this one, if any: a copy is left out and
 * counted, anything else under the same UID spoils the group. */
static enum sm_status check_twin(struct sm_series *group, const struct sm_dcm_head *heads,
				 size_t index, sm_same_file same, void *ctx, bool *copy,
				 struct sm_err *err)
{
	size_t last = group->n ? group->head[group->n - 1] : index;
	*copy = false;
	if (last == index || !*heads[index].sop || strcmp(heads[last].sop, heads[index].sop) != 0)
		return SM_OK;
	SM_TRY(same(ctx, last, index, copy, err));
	if (*copy)
		group->copies++;
	else
		sm_series_judge(group, SM_VERDICT_CLASH,
				"two different files have the same SOPInstanceUID");
	return SM_OK;
}

static enum sm_status place(const struct sorter *sorted, const struct sm_dcm_head *heads, size_t i,
			    struct sm_series_list *out, size_t first, size_t *room,
			    sm_same_file same, void *ctx, struct sm_err *err)
{
	struct sm_series *group = NULL;
	bool copy;
	for (size_t g = first; g < out->n && !group; g++)
		if (same_stack(&heads[out->series[g].head[0]], sorted[i].head))
			group = &out->series[g];
	if (!group)
		SM_TRY(add_group(out, room, &group, err));
	SM_TRY(check_twin(group, heads, sorted[i].index, same, ctx, &copy, err));
	return copy ? SM_OK : add_member(group, sorted[i].index, err);
}

/* Numbers the stacks of one series, largest first, and judges them. */
static enum sm_status finish_series(struct sm_series_list *out, size_t first,
				    const struct sm_dcm_head *heads, struct sm_err *err)
{
	size_t n = out->n - first;
	for (size_t g = 0; g < n; g++)
		out->series[first + g].part = (unsigned)g;
	if (n)
		qsort(out->series + first, n, sizeof *out->series, by_part);
	for (size_t g = 0; g < n; g++) {
		struct sm_series *s = &out->series[first + g];
		s->part = (unsigned)g + 1;
		s->parts = (unsigned)n;
		SM_TRY(sm_series_order(s, heads, err));
	}
	return SM_OK;
}

enum sm_status sm_series_group(const struct sm_dcm_head *heads, size_t n, sm_same_file same,
			       void *ctx, struct sm_series_list *out, struct sm_err *err)
{
	*out = (struct sm_series_list){0};
	enum sm_status st = SM_OK;
	size_t room = 0, first = 0;
	struct sorter *sorted = calloc(n ? n : 1, sizeof *sorted);
	if (!sorted)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu headers", n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct sorter){&heads[i], i};
	qsort(sorted, n, sizeof *sorted, by_identity);
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(sorted[i].head->series, sorted[i - 1].head->series) != 0) {
			SM_GOTO(st, finish_series(out, first, heads, err));
			first = out->n;
		}
		SM_GOTO(st, place(sorted, heads, i, out, first, &room, same, ctx, err));
	}
	st = finish_series(out, first, heads, err);
out:
	free(sorted);
	if (st != SM_OK)
		sm_series_list_clear(out);
	return st;
}

void sm_series_list_clear(struct sm_series_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->series[i].head);
	free(list->series);
	*list = (struct sm_series_list){0};
}
