/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of one group's slices in space and in time, its verdict, and the names of a series'
 * groups: the parts of dcm_series.h that dcm_group.c puts together.
 */
#ifndef SM_INGEST_SERIES_DCM_STACK_H
#define SM_INGEST_SERIES_DCM_STACK_H

#include <string.h>

#include "ingest/series/dcm_series.h"

/* A slice on its way to its place. */
struct sm_slot {
	double along; /* mm along the normal */
	const struct sm_dcm_head *head;
	const struct sm_dcm_frame *frame;
	struct sm_slice slice;
	size_t place; /* number of its position, from the lowest */
	double clock; /* s: time of the frame, over midnight when all tell that it passed; NAN = no
			 use */
	double value; /* of the element that is being tried as the order in time */
};

/* What the file, or else the frame, says of a slice; that a picture is flat is no fault. */
static inline enum sm_verdict sm_slice_verdict(const struct sm_dcm_head *heads,
					       struct sm_slice slice)
{
	const struct sm_dcm_head *h = &heads[slice.head];
	const struct sm_dcm_frame *f = sm_slice_frame(heads, slice);
	if (h->verdict != SM_VERDICT_OK && h->verdict != SM_VERDICT_FLAT)
		return h->verdict;
	if (!f)
		return SM_VERDICT_BAD_FRAMES;
	return f->verdict == SM_VERDICT_FLAT ? SM_VERDICT_OK : f->verdict;
}

/* Sets the verdict and its sentence unless an earlier one stands. */
void sm_series_judge(struct sm_series *series, enum sm_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sorts series->slice by time and along the normal, fills depth, times, stack, verdict and notes.
 * SM_BUDGET when out of memory. */
enum sm_status sm_series_order(struct sm_series *series, const struct sm_dcm_head *heads,
			       const struct sm_series_rules *rules, struct sm_err *err);

/* Orders n slots that share their positions (place 0..places-1, ascending) as time points: slot
 * [t * places + p]. Sets depth, times, fourth, ordered_by, time_s, or a verdict when no element
 * orders them. SM_BUDGET when out of memory. */
enum sm_status sm_series_times(struct sm_series *series, struct sm_slot *slot, size_t n,
			       size_t places, struct sm_err *err);

/* Orders slices by what their frames say (acquisition, instance, place, contrast, times); only
 * frames that say the same in all of that are ordered by hash and place in the list. */
int sm_slice_compare(const struct sm_dcm_head *heads, struct sm_slice a, struct sm_slice b);
/* The same for frames, 0 when they say the same. NULL comes last. */
int sm_frame_compare(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g);

/* Sets the stack's axes and spacing to the mean of n slots' (to their own, bit for bit, when all
 * are the same); *spread: how far a slot's unit vectors lie off. SM_BUDGET when out of memory. */
enum sm_status sm_stack_axes(struct sm_stack *stack, const struct sm_slot *slot, size_t n,
			     double *spread, struct sm_err *err);

/* True when the slices differ in what is set once for a whole scan (sm_dcm_frame.setting): no two
 * of one time point may, where nothing surer than their numbers makes it. */
static inline bool sm_settings_differ(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g)
{
	return strcmp(f->setting, g->setting) != 0;
}

/* Judges the n ordered groups of one series by the planes they lie in: localisers, stray slices. */
void sm_series_judge_planes(struct sm_series *series, size_t n, const struct sm_dcm_head *heads);

/* Judges an ordered group whose slices differ in what their numbers mean (dcm_volume.c). */
void sm_series_judge_meaning(struct sm_series *series, const struct sm_dcm_head *heads);

/* Gives the n groups of one series names that tell them apart (series.name). */
void sm_series_name(struct sm_series *series, size_t n, const struct sm_dcm_head *heads);

/* Place of a frame along the stack's normal, mm. */
double sm_stack_along(const struct sm_stack *stack, const struct sm_dcm_frame *frame);

#endif
