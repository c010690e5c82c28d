/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices that share their positions, put in order of time (see dcm_stack.h). An element orders them
 * when its values rise strictly at every position and the time points they make do not overlap.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/dcm_stack.h"

static double temporal(const struct sm_dcm_frame *f)
{
	return f->temporal > 0 ? (double)f->temporal : NAN;
}
static double trigger(const struct sm_dcm_frame *f)
{
	return f->trigger;
}
static double reference(const struct sm_dcm_frame *f)
{
	return f->reference;
}
static double acquisition(const struct sm_dcm_frame *f)
{
	return (double)f->acquisition;
}
static double time_of_day(const struct sm_dcm_frame *f)
{
	return f->time;
}
static double instance(const struct sm_dcm_frame *f)
{
	return (double)f->instance;
}

enum when { MS, SECONDS, NO_CLOCK };

/* What may order time points, the surest first. */
static const struct key {
	const char *name;
	double (*value)(
		const struct sm_dcm_frame *f); /* NULL: number of the direction of diffusion */
	enum when when;
	bool constant; /* one value for each time point, not a range */
	bool any;      /* time points may overlap: the last resort */
} keys[] = {
	{"TemporalPositionIdentifier", temporal, NO_CLOCK, true, false},
	{"TriggerTime", trigger, MS, false, false},
	{"FrameReferenceTime", reference, MS, false, false},
	{"AcquisitionNumber", acquisition, NO_CLOCK, true, false},
	{"AcquisitionTime", time_of_day, SECONDS, false, false},
	{"DiffusionBValue", NULL, NO_CLOCK, true, false},
	{"InstanceNumber", instance, NO_CLOCK, false, true},
};
#define KEYS (sizeof keys / sizeof *keys)

static int by_place_and_value(const void *a, const void *b)
{
	const struct sm_slot *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	int c = strcmp(x->head->sop, y->head->sop);
	return c ? c : (x->slice.frame > y->slice.frame) - (x->slice.frame < y->slice.frame);
}

static int by_diffusion(const void *a, const void *b)
{
	const struct sm_dcm_frame *f = ((const struct sm_slot *)a)->frame;
	const struct sm_dcm_frame *g = ((const struct sm_slot *)b)->frame;
	if (f->b_value != g->b_value)
		return f->b_value < g->b_value ? -1 : 1;
	for (int r = 0; r < 3; r++)
		if (f->b_vector[r] != g->b_vector[r])
			return f->b_vector[r] < g->b_vector[r] ? -1 : 1;
	return (f->instance > g->instance) - (f->instance < g->instance);
}

static bool same_diffusion(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g)
{
	if (fabs(f->b_value - g->b_value) > 1)
		return false;
	for (int r = 0; r < 3; r++)
		if (fabs(f->b_vector[r] - g->b_vector[r]) > 1e-3)
			return false;
	return true;
}

/* Slots of one direction, one after the other. */
struct direction {
	size_t first, end;
	long number; /* InstanceNumber of its first slice */
};

static int by_number(const void *a, const void *b)
{
	const struct direction *x = a, *y = b;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* Numbers the directions: by b-value, those of one b-value in the order they come in the series.
 * False when out of memory. */
static bool number_directions(struct sm_slot *slot, size_t n)
{
	struct direction *d = malloc(n * sizeof *d);
	size_t count = 0;
	if (!d)
		return false;
	qsort(slot, n, sizeof *slot, by_diffusion);
	for (size_t i = 0; i < n; i++) {
		if (!i || !same_diffusion(slot[i].frame, slot[i - 1].frame))
			d[count++] = (struct direction){i, i, slot[i].frame->instance};
		d[count - 1].end = i + 1;
		if (slot[i].frame->instance < d[count - 1].number)
			d[count - 1].number = slot[i].frame->instance;
	}
	for (size_t k = 0, end; k < count; k = end) {
		for (end = k + 1; end < count; end++)
			if (slot[d[end].first].frame->b_value -
				    slot[d[end - 1].first].frame->b_value > 1)
				break;
		qsort(d + k, end - k, sizeof *d, by_number);
	}
	for (size_t k = 0; k < count; k++)
		for (size_t i = d[k].first; i < d[k].end; i++)
			slot[i].value = (double)k;
	free(d);
	return true;
}

/* Fills value; false when a slice has none. Slots may change their order. */
static bool fill(const struct key *key, struct sm_slot *slot, size_t n)
{
	if (!key->value) {
		for (size_t i = 0; i < n; i++)
			if (!isfinite(slot[i].frame->b_value))
				return false;
		return number_directions(slot, n);
	}
	for (size_t i = 0; i < n; i++) {
		slot[i].value = key->value(slot[i].frame);
		if (!isfinite(slot[i].value))
			return false;
	}
	return true;
}

/* True when the m slots of each place rise strictly and, for all but the last resort, the k-th of
 * all places end before the next ones begin. Slots are sorted by place and value. */
static bool orders(const struct key *key, const struct sm_slot *slot, size_t places, size_t m)
{
	double end = -INFINITY;
	for (size_t t = 0; t < m; t++) {
		double lo = INFINITY, hi = -INFINITY;
		for (size_t p = 0; p < places; p++) {
			double v = slot[p * m + t].value;
			if (t && !(v > slot[p * m + t - 1].value))
				return false;
			lo = v < lo ? v : lo;
			hi = v > hi ? v : hi;
		}
		if (!key->any && (!(lo > end) || (key->constant && lo != hi)))
			return false;
		end = hi;
	}
	return true;
}

/* Slots sorted by place and value to [t * places + p]. */
static enum sm_status transpose(struct sm_slot *slot, size_t places, size_t m, struct sm_err *err)
{
	size_t n = places * m;
	struct sm_slot *copy = malloc(n * sizeof *copy);
	if (!copy)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	memcpy(copy, slot, n * sizeof *copy);
	for (size_t p = 0; p < places; p++)
		for (size_t t = 0; t < m; t++)
			slot[t * places + p] = copy[p * m + t];
	free(copy);
	return SM_OK;
}

static bool is_diffusion(const struct sm_slot *slot, size_t places, size_t m)
{
	bool differ = false;
	for (size_t t = 0; t < m; t++)
		for (size_t p = 0; p < places; p++) {
			const struct sm_dcm_frame *f = slot[t * places + p].frame;
			const struct sm_dcm_frame *first = slot[t * places].frame;
			if (!isfinite(f->b_value) || !same_diffusion(f, first))
				return false;
			differ = differ || !same_diffusion(f, slot[0].frame);
		}
	return differ;
}

/* Start of each time point by one clock; false when it does not tell, or does not rise. */
static bool read_clock(const struct sm_slot *slot, size_t places, size_t m,
		       double (*clock)(const struct sm_dcm_frame *), double unit, double *out)
{
	for (size_t t = 0; t < m; t++) {
		double start = INFINITY;
		for (size_t p = 0; p < places; p++) {
			double v = clock(slot[t * places + p].frame) * unit;
			if (!isfinite(v))
				return false;
			start = v < start ? v : start;
		}
		out[t] = start;
		if (t && !(out[t] > out[t - 1]))
			return false;
	}
	for (size_t t = m; t-- > 0;)
		out[t] -= out[0];
	return true;
}

static enum sm_status set_clock(struct sm_series *s, const struct key *key,
				const struct sm_slot *slot, size_t places, size_t m,
				struct sm_err *err)
{
	double *time = malloc(m * sizeof *time);
	if (!time)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu time points", m);
	bool known = key->when != NO_CLOCK &&
		     read_clock(slot, places, m, key->value, key->when == MS ? 1e-3 : 1, time);
	known = known || read_clock(slot, places, m, reference, 1e-3, time) ||
		read_clock(slot, places, m, time_of_day, 1, time) ||
		read_clock(slot, places, m, trigger, 1e-3, time);
	if (known)
		s->time_s = time;
	else
		free(time);
	return SM_OK;
}

static enum sm_status accept(struct sm_series *s, const struct key *key, struct sm_slot *slot,
			     size_t places, size_t m, struct sm_err *err)
{
	s->depth = places;
	s->times = m;
	s->ordered_by = key->name;
	SM_TRY(transpose(slot, places, m, err));
	if (is_diffusion(slot, places, m)) {
		s->fourth = SM_FOURTH_DIFFUSION;
		return SM_OK;
	}
	SM_TRY(set_clock(s, key, slot, places, m, err));
	s->fourth = s->time_s || key == keys ? SM_FOURTH_TIME : SM_FOURTH_OTHER;
	return SM_OK;
}

static int by_value(const void *a, const void *b)
{
	double x = ((const struct sm_slot *)a)->value, y = ((const struct sm_slot *)b)->value;
	return (x > y) - (x < y);
}

/* Some positions lack a time point: true when an element has as many values as the fullest position
 * has slices, none of them twice at one position; the sentence counts. */
static bool judge_incomplete(struct sm_series *s, struct sm_slot *slot, size_t n, size_t places,
			     size_t most)
{
	for (size_t k = 0; k + 1 < KEYS; k++) {
		const struct key *key = &keys[k];
		if (key->any || !fill(key, slot, n))
			continue;
		qsort(slot, n, sizeof *slot, by_place_and_value);
		bool twice = false;
		for (size_t i = 1; i < n && !twice; i++)
			twice = slot[i].place == slot[i - 1].place &&
				slot[i].value == slot[i - 1].value;
		qsort(slot, n, sizeof *slot, by_value);
		size_t values = 1, run = 1, least = n, at = 0;
		for (size_t i = 1; i <= n; i++, run++) {
			if (i < n && slot[i].value == slot[i - 1].value)
				continue;
			if (run < least) {
				least = run;
				at = values;
			}
			values += i < n;
			run = 0;
		}
		if (twice || values != most)
			continue;
		sm_series_judge(s, SM_VERDICT_INCOMPLETE,
				"time point %zu of %zu (by %s) has %zu of %zu slices; allowed is "
				"every slice at every time point",
				at, values, key->name, least, places);
		return true;
	}
	return false;
}

static void judge_repeats(struct sm_series *s, struct sm_slot *slot, size_t n, size_t places,
			  size_t least, size_t most)
{
	if (least == most)
		sm_series_judge(s, SM_VERDICT_REPEATED,
				"%zu slices at each of %zu positions, and no element tells their "
				"order in time; allowed is one slice a position",
				most, places);
	else if (!judge_incomplete(s, slot, n, places, most))
		sm_series_judge(s, SM_VERDICT_DUPLICATE,
				"%zu of %zu slices share their position with another one (%zu to "
				"%zu at a position); allowed is one slice a position",
				n - places, n, least, most);
}

enum sm_status sm_series_times(struct sm_series *s, struct sm_slot *slot, size_t n, size_t places,
			       struct sm_err *err)
{
	size_t least = n, most = 0, run = 0;
	for (size_t i = 0; i < n; i++) {
		run++;
		if (i + 1 < n && slot[i + 1].place == slot[i].place)
			continue;
		least = run < least ? run : least;
		most = run > most ? run : most;
		run = 0;
	}
	s->depth = n;
	s->times = 1;
	for (size_t k = 0; k < KEYS && least == most; k++) {
		if (!fill(&keys[k], slot, n))
			continue;
		qsort(slot, n, sizeof *slot, by_place_and_value);
		if (orders(&keys[k], slot, places, most))
			return accept(s, &keys[k], slot, places, most, err);
	}
	judge_repeats(s, slot, n, places, least, most);
	return SM_OK;
}
