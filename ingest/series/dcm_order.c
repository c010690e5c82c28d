/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices that share their positions, put in order of time (see dcm_stack.h). An element orders them
 * when its values rise strictly at every position and the time points they make do not overlap.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_stack.h"

static double temporal(const struct sm_slot *s)
{
	return s->frame->temporal > 0 ? (double)s->frame->temporal : NAN;
}
static double trigger(const struct sm_slot *s)
{
	return s->frame->trigger;
}
static double reference(const struct sm_slot *s)
{
	return s->frame->reference;
}
static double acquisition(const struct sm_slot *s)
{
	return (double)s->frame->acquisition;
}
static double time_of_day(const struct sm_slot *s)
{
	return s->clock;
}
static double dimension(const struct sm_slot *s)
{
	return s->frame->dimension > 0 ? (double)s->frame->dimension : NAN;
}
static double instance(const struct sm_slot *s)
{
	return (double)s->frame->instance;
}

enum when { MS, SECONDS, NO_CLOCK };
enum points {
	CONSTANT, /* one value for each time point */
	APART,    /* a range, which ends before the next time point's begins */
	ANY,      /* time points may overlap */
};

/* What may order time points, the surest first. */
static const struct key {
	const char *name;
	double (*value)(const struct sm_slot *s); /* NULL: number of the direction of diffusion */
	enum when when;
	enum points points;
} keys[] = {
	{"TemporalPositionIdentifier", temporal, NO_CLOCK, CONSTANT},
	{"TriggerTime", trigger, MS, APART},
	{"FrameReferenceTime", reference, MS, APART},
	{"AcquisitionNumber", acquisition, NO_CLOCK, CONSTANT},
	{"AcquisitionTime", time_of_day, SECONDS, APART},
	{"DimensionIndexValues", dimension, NO_CLOCK, CONSTANT},
	{"DiffusionBValue", NULL, NO_CLOCK, CONSTANT},
	/* A heart's phases: each slice has a beat of its own. */
	{"TriggerTime", trigger, MS, ANY},
	{"InstanceNumber", instance, NO_CLOCK, ANY},
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

#define DAY 86400.0

/* Clocks of slots. An undated time is one of a nameless day: when all of them lie within 12 hours
 * around midnight, those after it belong to the next day. Dated and undated ones do not mix. */
static void set_clocks(struct sm_slot *slot, size_t n)
{
	size_t dated = 0;
	double before = INFINITY, after = -INFINITY;
	for (size_t i = 0; i < n; i++) {
		double t = slot[i].clock = slot[i].frame->time;
		dated += slot[i].frame->dated;
		if (t < DAY / 2)
			after = t > after ? t : after;
		else if (t < before)
			before = t;
	}
	for (size_t i = 0; i < n && dated < n; i++) {
		if (dated)
			slot[i].clock = NAN;
		else if (before - after > DAY / 2 && slot[i].clock < DAY / 2)
			slot[i].clock += DAY;
	}
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

/* The k-th pictures of one direction at all places. */
struct direction {
	long number; /* the smallest InstanceNumber */
	size_t id; /* its number by b-value and direction, then its rank in the order of numbers */
};

static int by_number(const void *a, const void *b)
{
	const struct direction *x = a, *y = b;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* The instance numbers of one direction and place rise. */
static int by_place_and_number(const void *a, const void *b)
{
	const struct sm_slot *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->frame->instance > y->frame->instance) -
	       (x->frame->instance < y->frame->instance);
}

/* Gives the slots of one direction, sorted by place and number, the ids of their volumes from
 * `first` on; returns how many volumes these are. *told: numbers tell which is which. */
static size_t number_repeats(struct sm_slot *slot, size_t n, size_t first, struct direction *d,
			     bool *told)
{
	size_t volumes = 0, k = 0;
	for (size_t i = 0; i < n; i++) {
		bool again = i && slot[i].place == slot[i - 1].place;
		if (again && slot[i].frame->instance == slot[i - 1].frame->instance)
			*told = false;
		k = again ? k + 1 : 0;
		if (k == volumes)
			d[first + volumes++] =
				(struct direction){slot[i].frame->instance, first + k};
		if (slot[i].frame->instance < d[first + k].number)
			d[first + k].number = slot[i].frame->instance;
		slot[i].value = (double)(first + k);
	}
	return volumes;
}

/* Numbers volumes as they were acquired: b-value and direction only tell them apart, and pictures
 * that have both in common follow each other by InstanceNumber. Not told when there is one
 * direction only. */
static enum sm_status number_directions(struct sm_slot *slot, size_t n, bool *told,
					struct sm_err *err)
{
	struct direction *d = calloc(n, sizeof *d);
	size_t *rank = calloc(n, sizeof *rank);
	size_t count = 0;
	if (!d || !rank) {
		free(d);
		free(rank);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	}
	qsort(slot, n, sizeof *slot, by_diffusion);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n; end++)
			if (!same_diffusion(slot[end].frame, slot[end - 1].frame))
				break;
		*told = *told && end - i < n;
		qsort(slot + i, end - i, sizeof *slot, by_place_and_number);
		count += number_repeats(slot + i, end - i, count, d, told);
	}
	qsort(d, count, sizeof *d, by_number);
	for (size_t k = 0; k < count; k++)
		rank[d[k].id] = k;
	for (size_t i = 0; i < n; i++)
		slot[i].value = (double)rank[(size_t)slot[i].value];
	free(d);
	free(rank);
	return SM_OK;
}

/* Fills value; *all is false when a slice has none. Slots may change their order. */
static enum sm_status fill(const struct key *key, struct sm_slot *slot, size_t n, bool *all,
			   struct sm_err *err)
{
	*all = true;
	for (size_t i = 0; i < n && *all; i++) {
		slot[i].value = key->value ? key->value(&slot[i]) : slot[i].frame->b_value;
		*all = isfinite(slot[i].value);
	}
	return *all && !key->value ? number_directions(slot, n, all, err) : SM_OK;
}

/* What all slices of a time point must have alike; numbers alone are no reason to overlook any of
 * it. */
static bool same_content(const struct key *key, const struct sm_dcm_frame *f,
			 const struct sm_dcm_frame *g)
{
	bool diffusion = isfinite(f->b_value) && isfinite(g->b_value);
	if (key->value == instance && (f->temporal != g->temporal || f->dimension != g->dimension ||
				       sm_settings_differ(f, g)))
		return false;
	return !diffusion || same_diffusion(f, g);
}

/* True when no time point mixes what its slices show and, by a clock without a date, InstanceNumber
 * does not say the contrary at any place. */
static bool coherent(const struct key *key, const struct sm_slot *slot, size_t places, size_t m)
{
	for (size_t p = 0; p < places; p++)
		for (size_t t = 0; t < m; t++) {
			const struct sm_dcm_frame *f = slot[p * m + t].frame;
			if (!same_content(key, f, slot[t].frame))
				return false;
			if (t && key->when == SECONDS && !f->dated &&
			    f->instance < slot[p * m + t - 1].frame->instance)
				return false;
		}
	return true;
}

/* True when the m slots of each place rise strictly and the k-th of all places are what the key
 * asks of a time point. Slots are sorted by place and value. */
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
		if (key->points != ANY && (!(lo > end) || (key->points == CONSTANT && lo != hi)))
			return false;
		end = hi;
	}
	return coherent(key, slot, places, m);
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

/* Times to microseconds: those of dates are large. */
static double micro(double seconds)
{
	return floor(seconds * 1e6 + 0.5) / 1e6;
}

/* Start of each time point by one clock, that of its first slice; false when it does not tell, or
 * does not rise. */
static bool read_clock(const struct sm_slot *slot, size_t places, size_t m,
		       double (*clock)(const struct sm_slot *s), double unit, double *out)
{
	for (size_t t = 0; t < m; t++) {
		double start = INFINITY;
		for (size_t p = 0; p < places; p++) {
			double v = clock(&slot[t * places + p]) * unit;
			if (!isfinite(v))
				return false;
			start = v < start ? v : start;
		}
		out[t] = start;
		if (t && !(out[t] > out[t - 1]))
			return false;
	}
	for (size_t t = m; t-- > 0;)
		out[t] = micro(out[t] - out[0]);
	return true;
}

/* Trigger times count from a beat of each slice's own: they are times of the volume, the mean over
 * its slices, only when all have the same within 5 % and 1 ms (they may be rounded). */
static bool mean_trigger(const struct sm_slot *slot, size_t places, size_t m, double *out)
{
	for (size_t t = 0; t < m; t++) {
		double first = trigger(&slot[t * places]) - trigger(&slot[0]), sum = 0;
		for (size_t p = 0; p < places; p++) {
			double own = trigger(&slot[t * places + p]) - trigger(&slot[p]);
			if (!(fabs(own - first) <= 0.05 * first + 1))
				return false;
			sum += own;
		}
		out[t] = micro(sum / (double)places * 1e-3);
	}
	return true;
}

/* RepetitionTime as the step, when all slices have the same and it can be that of a whole volume of
 * slices: not that of one line of a quick sequence. */
#define LEAST_REPETITION_MS 100
static bool read_repetition(const struct sm_slot *slot, size_t places, size_t m, double *out)
{
	double ms = slot->frame->repetition;
	for (size_t i = 0; i < places * m; i++)
		if (!(slot[i].frame->repetition == ms && ms >= LEAST_REPETITION_MS))
			return false;
	for (size_t t = 0; t < m; t++)
		out[t] = micro((double)t * ms * 1e-3);
	return true;
}

static const struct clock {
	const char *name;
	double (*value)(const struct sm_slot *s);
	double unit;
} clocks[] = {{"FrameReferenceTime", reference, 1e-3},
	      {"AcquisitionTime", time_of_day, 1},
	      {"TriggerTime", trigger, 1e-3}};
#define CLOCKS (sizeof clocks / sizeof *clocks)

static void try_clock(struct sm_series *s, const struct clock *c, const struct sm_slot *slot,
		      size_t places, size_t m, double *time)
{
	if (s->time_from || s->steps_differ ||
	    !read_clock(slot, places, m, c->value, c->unit, time))
		return;
	if (c->value == trigger && !mean_trigger(slot, places, m, time))
		s->steps_differ = true;
	else
		s->time_from = c->name;
}

/* The clock that ordered the time points goes before the others. */
static enum sm_status set_clock(struct sm_series *s, const struct key *key,
				const struct sm_slot *slot, size_t places, size_t m,
				struct sm_err *err)
{
	double *time = malloc(m * sizeof *time);
	if (!time)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu time points", m);
	for (size_t c = 0; c < CLOCKS; c++)
		if (clocks[c].value == key->value)
			try_clock(s, &clocks[c], slot, places, m, time);
	for (size_t c = 0; c < CLOCKS; c++)
		try_clock(s, &clocks[c], slot, places, m, time);
	bool temporal_series = key->value == temporal || slot->head->kind == SM_DCM_MOSAIC;
	if (!s->time_from && !s->steps_differ && temporal_series &&
	    read_repetition(slot, places, m, time))
		s->time_from = "RepetitionTime";
	if (s->time_from)
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
	bool time = s->time_s || s->steps_differ || key->value == temporal;
	s->fourth = time ? SM_FOURTH_TIME : SM_FOURTH_OTHER;
	return SM_OK;
}

static int by_value(const void *a, const void *b)
{
	double x = ((const struct sm_slot *)a)->value, y = ((const struct sm_slot *)b)->value;
	return (x > y) - (x < y);
}

/* Some positions lack a time point: *told when an element has as many values as the fullest
 * position has slices, none of them twice at one position; the sentence counts. */
static enum sm_status judge_incomplete(struct sm_series *s, struct sm_slot *slot, size_t n,
				       size_t places, size_t most, bool *told, struct sm_err *err)
{
	*told = false;
	for (size_t k = 0; k < KEYS; k++) {
		const struct key *key = &keys[k];
		bool all;
		if (key->points == ANY)
			continue;
		SM_TRY(fill(key, slot, n, &all, err));
		if (!all)
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
		*told = true;
		return SM_OK;
	}
	return SM_OK;
}

static enum sm_status judge_repeats(struct sm_series *s, struct sm_slot *slot, size_t n,
				    size_t places, size_t least, size_t most, struct sm_err *err)
{
	bool told = false;
	if (least == most)
		sm_series_judge(s, SM_VERDICT_REPEATED,
				"%zu slices at each of %zu positions, and no element tells their "
				"order in time; allowed is one slice a position",
				most, places);
	else
		SM_TRY(judge_incomplete(s, slot, n, places, most, &told, err));
	if (least != most && !told)
		sm_series_judge(s, SM_VERDICT_DUPLICATE,
				"%zu of %zu slices %s position with another one (%zu to %zu at a "
				"position); allowed is one slice a position",
				n - places, n, n - places == 1 ? "shares its" : "share their",
				least, most);
	return SM_OK;
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
	set_clocks(slot, n);
	for (size_t k = 0; k < KEYS && least == most; k++) {
		bool all;
		SM_TRY(fill(&keys[k], slot, n, &all, err));
		if (!all)
			continue;
		qsort(slot, n, sizeof *slot, by_place_and_value);
		if (orders(&keys[k], slot, places, most))
			return accept(s, &keys[k], slot, places, most, err);
	}
	return judge_repeats(s, slot, n, places, least, most, err);
}
