/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dcm_stack.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double length(const double a[3])
{
	return sqrt(sm_dot3(a, a));
}

void sm_series_judge(struct sm_series *series, enum sm_verdict verdict, const char *fmt, ...)
{
	if (series->verdict != SM_VERDICT_OK)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(series->why, sizeof series->why, fmt, args);
	va_end(args);
	series->verdict = verdict;
}

bool sm_verdict_can_regrid(enum sm_verdict verdict)
{
	return verdict == SM_VERDICT_GAP || verdict == SM_VERDICT_UNEVEN ||
	       verdict == SM_VERDICT_CROOKED;
}

double sm_stack_along(const struct sm_stack *stack, const struct sm_dcm_head *head)
{
	return sm_dot3(stack->normal, head->position);
}

void sm_stack_affine(const struct sm_stack *stack, double affine[4][4])
{
	/* LPS to RAS: the first two world axes change sign. */
	static const double sign[3] = {-1, -1, 1};
	for (int r = 0; r < 3; r++) {
		affine[r][0] = sign[r] * stack->across[r] * stack->spacing[0];
		affine[r][1] = sign[r] * stack->down[r] * stack->spacing[1];
		affine[r][2] = sign[r] * stack->step[r];
		affine[r][3] = sign[r] * stack->origin[r];
		affine[3][r] = 0;
		for (int c = 0; c < 4; c++)
			affine[r][c] += 0.0; /* no negative zeros */
	}
	affine[3][3] = 1;
}

struct slot {
	double along;
	const struct sm_dcm_head *head;
	size_t index;
};

static int by_place(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;
	/* Exact, because a tolerance would be no order: only equal places go on to the ties below. */
	if (x->along != y->along)
		return x->along < y->along ? -1 : 1;
	if (x->head->acquisition != y->head->acquisition)
		return x->head->acquisition < y->head->acquisition ? -1 : 1;
	if (x->head->instance != y->head->instance)
		return x->head->instance < y->head->instance ? -1 : 1;
	int c = strcmp(x->head->sop, y->head->sop);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* True when the slots fall into runs of exactly m equal places, m > 1. */
static size_t repeats(const struct slot *slot, size_t n)
{
	size_t m = 0, run = 1;
	for (size_t k = 1; k <= n; k++) {
		if (k < n && slot[k].along - slot[k - 1].along < SM_SAME_MM) {
			run++;
			continue;
		}
		if (m && run != m)
			return 0;
		m = run;
		run = 1;
	}
	return m > 1 ? m : 0;
}

/* Counts missing slices when every gap is a whole multiple of the typical one; 0 when not. */
static size_t missing(const double *gap, size_t n, double typical)
{
	size_t lost = 0;
	for (size_t k = 0; k < n; k++) {
		double times = floor(gap[k] / typical + 0.5);
		if (times < 1 || fabs(gap[k] - times * typical) > SM_EVEN_SHARE * typical)
			return 0;
		lost += (size_t)times - 1;
	}
	return lost;
}

static void judge_duplicates(struct sm_series *s, const struct slot *slot)
{
	size_t same = 0, m = repeats(slot, s->n);
	for (size_t k = 1; k < s->n; k++)
		same += slot[k].along - slot[k - 1].along < SM_SAME_MM;
	if (!same)
		return;
	if (m)
		sm_series_judge(s, SM_VERDICT_REPEATED,
				"%zu slices at each of %zu positions (several acquisitions or time "
				"points); allowed is one slice a position",
				m, s->n / m);
	else
		sm_series_judge(
			s, SM_VERDICT_DUPLICATE,
			"%zu of %zu slices share their position with another one; allowed is "
			"one slice a position",
			same, s->n);
}

/* The smallest gap that at least two and a tenth of all gaps share (within SM_EVEN_SHARE), so that
 * a single odd pair does not set the grid of the whole stack; the median when there is none. */
static double typical_gap(double *sorted, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		size_t alike = 0;
		while (k + alike < n && sorted[k + alike] <= sorted[k] * (1 + SM_EVEN_SHARE))
			alike++;
		if (alike >= 2 && 10 * alike >= n && sorted[k] >= SM_SAME_MM)
			return sorted[k + alike / 2];
	}
	return sorted[n / 2];
}

/* Distances of the slices from their even places: along the normal, and sideways from the line
 * between the first and the last slice. */
static void measure_line(const struct sm_stack *k, const struct slot *slot, size_t n, double *along,
			 double *aside)
{
	*along = *aside = 0;
	for (size_t i = 0; i < n; i++) {
		double d[3], t = sm_dot3(k->normal, k->step), off;
		for (int r = 0; r < 3; r++)
			d[r] = slot[i].head->position[r] - k->origin[r];
		double s = sm_dot3(k->normal, d);
		off = fabs(s - (double)i * t);
		*along = off > *along ? off : *along;
		for (int r = 0; r < 3; r++)
			d[r] -= k->step[r] * (t > 0 ? s / t : 0);
		off = length(d);
		*aside = off > *aside ? off : *aside;
	}
}

static void judge_spacing(struct sm_series *s, const struct slot *slot, double *gap)
{
	struct sm_stack *k = &s->stack;
	size_t n = s->n - 1;
	double along, aside;
	for (size_t i = 0; i < n; i++)
		gap[i] = slot[i + 1].along - slot[i].along;
	qsort(gap, n, sizeof *gap, by_value);
	k->gap_min = gap[0];
	k->gap_max = gap[n - 1];
	k->gap_typical = typical_gap(gap, n);
	measure_line(k, slot, s->n, &along, &aside);
	k->uneven_mm = along;
	double mean = (slot[n].along - slot[0].along) / (double)n;
	double share = SM_EVEN_SHARE * mean, allowed = share > SM_EVEN_MM ? share : SM_EVEN_MM;
	size_t lost = missing(gap, n, k->gap_typical);
	if (along > allowed && lost)
		sm_series_judge(
			s, SM_VERDICT_GAP,
			"%zu slices are missing: slice distances from %.4g to %.4g mm, allowed "
			"is one distance within %.2g mm (ingest.uneven: regrid interpolates)",
			lost, k->gap_min, k->gap_max, allowed);
	else if (along > allowed)
		sm_series_judge(
			s, SM_VERDICT_UNEVEN,
			"slice distances from %.4g to %.4g mm (a slice lies %.3g mm off an even "
			"grid), allowed is %.2g mm (ingest.uneven: regrid interpolates)",
			k->gap_min, k->gap_max, along, allowed);
	double side = 0.1 * (k->spacing[0] < k->spacing[1] ? k->spacing[0] : k->spacing[1]);
	side = side > SM_EVEN_MM ? side : SM_EVEN_MM;
	if (aside > side)
		sm_series_judge(
			s, SM_VERDICT_CROOKED,
			"a slice lies %.3g mm beside the line of the stack, allowed is %.2g mm "
			"(ingest.uneven: regrid interpolates)",
			aside, side);
}

static void note_tilt(struct sm_series *s, const struct slot *slot)
{
	struct sm_stack *k = &s->stack;
	double along = sm_dot3(k->normal, k->step), total = slot[s->n - 1].along - slot[0].along;
	double side[3];
	for (int r = 0; r < 3; r++)
		side[r] = k->step[r] - along * k->normal[r];
	double shift = length(side) / along;
	k->tilt_degrees = atan(shift) * (180 / 3.14159265358979323846);
	if (shift * total > SM_TILT_MM && k->tilt_degrees > SM_TILT_DEGREES)
		s->notes |= 1u << SM_VERDICT_TILT;
	else
		k->tilt_degrees = 0;
}

static void set_axes(struct sm_stack *k, const struct sm_dcm_head *h)
{
	memcpy(k->across, h->across, sizeof k->across);
	memcpy(k->down, h->down, sizeof k->down);
	memcpy(k->spacing, h->spacing, sizeof k->spacing);
	k->normal[0] = h->across[1] * h->down[2] - h->across[2] * h->down[1];
	k->normal[1] = h->across[2] * h->down[0] - h->across[0] * h->down[2];
	k->normal[2] = h->across[0] * h->down[1] - h->across[1] * h->down[0];
	double size = length(k->normal);
	for (int r = 0; r < 3; r++)
		k->normal[r] /= size;
}

/* One slice has no neighbour: the header's own slice distance or thickness is all there is. */
static void single_slice(struct sm_series *s, const struct sm_dcm_head *h)
{
	double depth = h->slice_step > 0 ? h->slice_step : h->thickness;
	if (!(depth > 1e-6 && depth < 1e4)) {
		sm_series_judge(
			s, SM_VERDICT_ONE_SLICE,
			"one slice, and neither SpacingBetweenSlices nor SliceThickness is a "
			"positive number of mm");
		return;
	}
	s->notes |= 1u << SM_VERDICT_ONE_SLICE;
	memcpy(s->stack.origin, h->position, sizeof s->stack.origin);
	s->stack.gap_min = s->stack.gap_max = s->stack.gap_typical = depth;
	for (int r = 0; r < 3; r++)
		s->stack.step[r] = depth * s->stack.normal[r];
}

static void order(struct sm_series *s, struct slot *slot, double *gap)
{
	struct sm_stack *k = &s->stack;
	qsort(slot, s->n, sizeof *slot, by_place);
	for (size_t i = 0; i < s->n; i++)
		s->head[i] = slot[i].index;
	if (s->n == 1) {
		single_slice(s, slot[0].head);
		return;
	}
	memcpy(k->origin, slot[0].head->position, sizeof k->origin);
	for (int r = 0; r < 3; r++)
		k->step[r] = (slot[s->n - 1].head->position[r] - k->origin[r]) / (double)(s->n - 1);
	judge_duplicates(s, slot);
	if (s->verdict != SM_VERDICT_OK)
		return;
	judge_spacing(s, slot, gap);
	note_tilt(s, slot);
}

enum sm_status sm_series_order(struct sm_series *s, const struct sm_dcm_head *heads,
			       struct sm_err *err)
{
	enum sm_status st = SM_OK;
	const struct sm_dcm_head *first = &heads[s->head[0]];
	if (first->verdict != SM_VERDICT_OK) {
		s->verdict = first->verdict;
		snprintf(s->why, sizeof s->why, "%s", first->why);
		return SM_OK;
	}
	struct slot *slot = calloc(s->n, sizeof *slot);
	double *gap = calloc(s->n, sizeof *gap);
	if (slot && gap) {
		set_axes(&s->stack, first);
		for (size_t i = 0; i < s->n; i++) {
			const struct sm_dcm_head *h = &heads[s->head[i]];
			if (strcmp(h->modality, "CT") == 0 && !h->has_rescale)
				s->notes |= 1u << SM_VERDICT_NO_RESCALE;
			slot[i] = (struct slot){sm_stack_along(&s->stack, h), h, s->head[i]};
		}
		order(s, slot, gap);
	} else {
		st = SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", s->n);
	}
	free(gap);
	free(slot);
	return st;
}
