/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_stack.h"

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

double sm_stack_along(const struct sm_stack *stack, const struct sm_dcm_frame *frame)
{
	return sm_dot3(stack->normal, frame->position);
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

static int by_place(const void *a, const void *b)
{
	const struct sm_slot *x = a, *y = b;
	/* Exact, because a tolerance would be no order: only equal places go on to the ties below.
	 */
	if (x->along != y->along)
		return x->along < y->along ? -1 : 1;
	int c = sm_frame_compare(x->frame, y->frame);
	if (c == 0)
		c = strcmp(x->head->sop, y->head->sop);
	if (c)
		return c;
	return x->slice.head != y->slice.head
		       ? (x->slice.head > y->slice.head ? 1 : -1)
		       : (x->slice.frame > y->slice.frame) - (x->slice.frame < y->slice.frame);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
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
static void measure_line(const struct sm_stack *k, const struct sm_slot *slot, size_t n,
			 double *along, double *aside)
{
	*along = *aside = 0;
	for (size_t i = 0; i < n; i++) {
		double d[3], t = sm_dot3(k->normal, k->step), off;
		for (int r = 0; r < 3; r++)
			d[r] = slot[i].frame->position[r] - k->origin[r];
		double s = sm_dot3(k->normal, d);
		off = fabs(s - (double)i * t);
		*along = off > *along ? off : *along;
		for (int r = 0; r < 3; r++)
			d[r] -= k->step[r] * (t > 0 ? s / t : 0);
		off = length(d);
		*aside = off > *aside ? off : *aside;
	}
}

static void judge_spacing(struct sm_series *s, const struct sm_slot *slot, double *gap)
{
	struct sm_stack *k = &s->stack;
	size_t n = s->depth - 1;
	double along, aside;
	for (size_t i = 0; i < n; i++)
		gap[i] = slot[i + 1].along - slot[i].along;
	qsort(gap, n, sizeof *gap, by_value);
	k->gap_min = gap[0];
	k->gap_max = gap[n - 1];
	k->gap_typical = typical_gap(gap, n);
	measure_line(k, slot, s->depth, &along, &aside);
	k->uneven_mm = along;
	double mean = (slot[n].along - slot[0].along) / (double)n;
	double share = SM_EVEN_SHARE * mean, allowed = share > SM_EVEN_MM ? share : SM_EVEN_MM;
	size_t lost = missing(gap, n, k->gap_typical);
	/* More lost than here: no grid with holes, but some slices too close to each other. */
	if (along > allowed && lost && lost <= s->depth)
		sm_series_judge(
			s, SM_VERDICT_GAP,
			"%zu slice%s missing: slice distances from %.4g to %.4g mm, allowed "
			"is one distance within %.2g mm (ingest.uneven: regrid interpolates)",
			lost, lost == 1 ? " is" : "s are", k->gap_min, k->gap_max, allowed);
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

static void judge_tilt(struct sm_series *s, const struct sm_slot *slot,
		       const struct sm_series_rules *rules)
{
	struct sm_stack *k = &s->stack;
	double along = sm_dot3(k->normal, k->step),
	       total = slot[s->depth - 1].along - slot[0].along;
	double side[3];
	for (int r = 0; r < 3; r++)
		side[r] = k->step[r] - along * k->normal[r];
	double shift = length(side) / along;
	k->tilt_degrees = atan(shift) * (180 / 3.14159265358979323846);
	if (!(shift * total > SM_TILT_MM && k->tilt_degrees > SM_TILT_DEGREES)) {
		k->tilt_degrees = 0;
		return;
	}
	s->notes |= 1ul << SM_VERDICT_TILT;
	if (!rules->keep_tilt)
		sm_series_judge(s, SM_VERDICT_TILT,
				"the stack is tilted by %.2f degrees: its slices shift sideways, "
				"allowed is %.1f degrees (ingest.uneven: regrid straightens it, "
				"ingest.tilt: keep keeps it with a sheared affine)",
				k->tilt_degrees, SM_TILT_DEGREES);
}

/* Where the chain of nearly the same directions is too long for one direction. */
static void judge_spread(struct sm_series *s, double spread)
{
	const double degrees = 180 / 3.14159265358979323846;
	if (spread > SM_SAME_DIRECTION)
		sm_series_judge(
			s, SM_VERDICT_MIXED_ORIENTATION,
			"the slices' orientations drift: one lies %.3g degrees off their mean, "
			"allowed is %.2g",
			spread * degrees, SM_SAME_DIRECTION * degrees);
}

/* One slice has no neighbour: the header's own slice distance or thickness is all there is. */
static void single_slice(struct sm_series *s, const struct sm_dcm_frame *h)
{
	double depth = h->slice_step > 0 ? h->slice_step : h->thickness;
	if (!(depth > 1e-6 && depth < 1e4)) {
		sm_series_judge(
			s, SM_VERDICT_ONE_SLICE,
			"one slice, and neither SpacingBetweenSlices nor SliceThickness is a "
			"positive number of mm");
		return;
	}
	s->notes |= 1ul << SM_VERDICT_ONE_SLICE;
	memcpy(s->stack.origin, h->position, sizeof s->stack.origin);
	s->stack.gap_min = s->stack.gap_max = s->stack.gap_typical = depth;
	for (int r = 0; r < 3; r++)
		s->stack.step[r] = depth * s->stack.normal[r];
}

/* The distance that half of the stack's length has at most: distances of slices that should share a
 * position are many but short. */
static double usual_distance(const struct sm_slot *slot, size_t n, double *gap)
{
	double half = 0;
	for (size_t i = 0; i + 1 < n; i++)
		gap[i] = slot[i + 1].along - slot[i].along;
	qsort(gap, n - 1, sizeof *gap, by_value);
	double total = slot[n - 1].along - slot[0].along;
	for (size_t i = 0; i + 1 < n; i++) {
		half += gap[i];
		if (half >= total / 2)
			return gap[i];
	}
	return 0;
}

/* Numbers the positions; returns how many there are. */
static size_t number_places(struct sm_slot *slot, size_t n, double *gap)
{
	size_t place = 0;
	double same = n > 1 ? SM_SAME_SHARE * usual_distance(slot, n, gap) : 0;
	same = same > SM_EVEN_MM ? SM_EVEN_MM : same;
	same = same < SM_SAME_MM ? SM_SAME_MM : same;
	for (size_t i = 1; i < n; i++) {
		place += slot[i].along - slot[i - 1].along >= same;
		slot[i].place = place;
	}
	return place + 1;
}

/* Slices of one height must lie upon each other, or they are no time points of one place. */
static void judge_sideways(struct sm_series *s, const struct sm_slot *slot)
{
	const double *mm = s->stack.spacing;
	double allowed = 0.1 * (mm[0] < mm[1] ? mm[0] : mm[1]), most = 0;
	for (size_t i = 1; i < s->n; i++) {
		double d[3];
		if (slot[i].place != slot[i - 1].place)
			continue;
		for (int r = 0; r < 3; r++)
			d[r] = slot[i].frame->position[r] - slot[i - 1].frame->position[r];
		most = length(d) > most ? length(d) : most;
	}
	if (most > allowed)
		sm_series_judge(
			s, SM_VERDICT_DUPLICATE,
			"slices at the same height lie %.3g mm beside each other, allowed is "
			"%.2g mm",
			most, allowed);
}

static void judge_count(struct sm_series *s, const struct sm_dcm_head *h,
			const struct sm_series_rules *rules)
{
	size_t allowed = rules->min_slices ? rules->min_slices : 1;
	size_t declared = h->slices_declared > 0 ? (size_t)h->slices_declared : 0;
	if (declared && declared < allowed)
		allowed = declared;
	/* One place over time (cine, a bolus) is no stray slice; pictures of it that only their
	 * numbers order may be copies of each other. */
	bool in_time = s->fourth == SM_FOURTH_TIME || s->fourth == SM_FOURTH_DIFFUSION;
	if (s->depth < allowed && !(in_time && s->n >= allowed))
		sm_series_judge(s, SM_VERDICT_FEW_SLICES,
				"%zu slice%s, allowed are %zu and more (ingest.min_slices)",
				s->depth, s->depth == 1 ? "" : "s", allowed);
	if (s->depth < declared)
		s->notes |= 1ul << SM_VERDICT_INCOMPLETE;
}

static enum sm_status order(struct sm_series *s, struct sm_slot *slot, double *gap,
			    const struct sm_series_rules *rules, struct sm_err *err)
{
	struct sm_stack *k = &s->stack;
	enum sm_status st = SM_OK;
	qsort(slot, s->n, sizeof *slot, by_place);
	size_t places = number_places(slot, s->n, gap);
	s->depth = places;
	s->times = 1;
	if (places < s->n) {
		judge_sideways(s, slot);
		s->depth = s->n;
		if (s->verdict == SM_VERDICT_OK)
			st = sm_series_times(s, slot, s->n, places, err);
	}
	for (size_t i = 0; i < s->n; i++)
		s->slice[i] = slot[i].slice;
	if (st != SM_OK || s->verdict != SM_VERDICT_OK)
		return st;
	judge_count(s, slot[0].head, rules);
	if (s->depth == 1) {
		single_slice(s, slot[0].frame);
		return SM_OK;
	}
	memcpy(k->origin, slot[0].frame->position, sizeof k->origin);
	for (int r = 0; r < 3; r++)
		k->step[r] = (slot[s->depth - 1].frame->position[r] - k->origin[r]) /
			     (double)(s->depth - 1);
	judge_spacing(s, slot, gap);
	judge_tilt(s, slot, rules);
	return SM_OK;
}

/* A flat picture: its pixels' size is all that is known of its place. */
static void lay_flat(struct sm_series *s, const struct sm_dcm_frame *f)
{
	struct sm_stack *k = &s->stack;
	s->notes |= 1ul << SM_VERDICT_FLAT;
	for (int a = 0; a < 2; a++)
		k->spacing[a] = f->has_spacing ? f->spacing[a] : 1;
	/* Negative in LPS: index axes along +x and +y of RAS. */
	k->across[0] = -1;
	k->down[1] = -1;
	k->normal[2] = k->step[2] = 1;
}

static void note_heads(struct sm_series *s, const struct sm_dcm_head *heads)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct sm_dcm_head *h = &heads[s->slice[i].head];
		const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[i]);
		if (strcmp(h->modality, "CT") == 0 && f->scale == SM_SCALE_NONE)
			s->notes |= 1ul << SM_VERDICT_NO_RESCALE;
		if (h->burned_in)
			s->notes |= 1ul << SM_VERDICT_BURNED_IN;
	}
}

enum sm_status sm_series_order(struct sm_series *s, const struct sm_dcm_head *heads,
			       const struct sm_series_rules *rules, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	const struct sm_dcm_head *first = &heads[s->slice[0].head];
	const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[0]);
	enum sm_verdict own = sm_slice_verdict(heads, s->slice[0]);
	s->depth = s->n;
	s->times = 1;
	if (own != SM_VERDICT_OK) {
		s->verdict = own;
		snprintf(s->why, sizeof s->why, "%s", *first->why ? first->why : "a frame says so");
		return SM_OK;
	}
	note_heads(s, heads);
	if (first->kind == SM_DCM_FLAT) {
		lay_flat(s, f);
		return SM_OK;
	}
	struct sm_slot *slot = calloc(s->n, sizeof *slot);
	double *gap = calloc(s->n, sizeof *gap);
	double spread = 0;
	if (!slot || !gap)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", s->n));
	for (size_t i = 0; i < s->n; i++)
		slot[i] = (struct sm_slot){.head = &heads[s->slice[i].head],
					   .frame = sm_slice_frame(heads, s->slice[i]),
					   .slice = s->slice[i]};
	SM_GOTO(st, sm_stack_axes(&s->stack, slot, s->n, &spread, err));
	for (size_t i = 0; i < s->n; i++)
		slot[i].along = sm_stack_along(&s->stack, slot[i].frame);
	judge_spread(s, spread);
	st = order(s, slot, gap, rules, err);
out:
	free(gap);
	free(slot);
	return st;
}
