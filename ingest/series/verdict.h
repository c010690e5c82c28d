/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of what can be wrong or odd with a file, a frame or a series: one table (verdict.c).
 */
#ifndef SM_INGEST_SERIES_VERDICT_H
#define SM_INGEST_SERIES_VERDICT_H

#include <stdbool.h>

/* In order of severity: the first of several stands. */
enum sm_verdict {
	SM_VERDICT_OK,
	SM_VERDICT_NOT_IMAGE,
	SM_VERDICT_LOCALISER,
	SM_VERDICT_COLOUR,
	SM_VERDICT_SEGMENTATION, /* 1-bit SEG objects */
	SM_VERDICT_SYNTAX,
	SM_VERDICT_BITS,
	SM_VERDICT_NO_SIZE,
	SM_VERDICT_NO_PIXELS,
	SM_VERDICT_NO_SERIES,
	SM_VERDICT_BAD_FRAMES, /* functional groups, mosaic header: missing or contradictory */
	SM_VERDICT_NO_SPACING,
	SM_VERDICT_NO_ORIENTATION,
	SM_VERDICT_NO_POSITION,
	SM_VERDICT_BAD_RESCALE,
	SM_VERDICT_MIXED_ORIENTATION,
	SM_VERDICT_FEW_SLICES, /* too few to be a volume; see dcm_series.h */
	SM_VERDICT_ONE_SLICE,
	SM_VERDICT_CLASH,
	SM_VERDICT_DUPLICATE,
	SM_VERDICT_REPEATED,   /* repeated positions that no known element orders, or not equally
				  often */
	SM_VERDICT_INCOMPLETE, /* fewer slices than the header declares */
	SM_VERDICT_GAP,
	SM_VERDICT_UNEVEN,
	SM_VERDICT_CROOKED,
	SM_VERDICT_TILT,
	SM_VERDICT_NO_RESCALE,
	SM_VERDICT_FLAT,      /* note: a picture without place in the patient */
	SM_VERDICT_BURNED_IN, /* text in the pixels */
	SM_VERDICT_NO_SUV,    /* ingest.pet_units asks for SUV, and the header does not suffice */
	SM_VERDICT_COUNT
};

/* The verdict's code for records ("gap"). */
const char *sm_verdict_code(enum sm_verdict verdict);

/* True for things that are no scan at all (reports, plans, localisers): they are listed, and do not
 * count as rejected scans. */
bool sm_verdict_is_skip(enum sm_verdict verdict);

/* True when the stack can be made regular by interpolation (uneven, gap, crooked, tilt). */
bool sm_verdict_can_regrid(enum sm_verdict verdict);

#endif
