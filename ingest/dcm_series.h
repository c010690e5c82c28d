/* SPDX-License-Identifier: Apache-2.0
 *
 * From the headers of a tree to series that can become volumes: grouping, order along the normal,
 * and the verdict on each. Nothing is guessed: what does not fit is named.
 */
#ifndef SM_INGEST_DCM_SERIES_H
#define SM_INGEST_DCM_SERIES_H

#include "ingest/dcm_head.h"

/* Slices may lie this far from even places: the larger of a share of the slice distance and of a
 * length in mm (positions are often written with one decimal). */
#define SM_EVEN_SHARE 0.05
#define SM_EVEN_MM 0.06
/* Slices closer than this share the same position. */
#define SM_SAME_MM 1e-3
/* A stack is called tilted when its slices shift sideways by more than this over the whole stack,
 * in mm, and by more than this angle. */
#define SM_TILT_MM 0.1
#define SM_TILT_DEGREES 0.1

/* How a stack of slices lies in space; lengths in mm, places in LPS. */
struct sm_stack {
	double across[3], down[3], normal[3]; /* unit vectors */
	double spacing[2];                    /* between columns, between rows */
	double origin[3];                     /* centre of the first slice's first pixel */
	double step[3];                       /* from slice to slice when evenly spaced */
	double gap_min, gap_max, gap_typical; /* distances of neighbours along the normal */
	double tilt_degrees;                  /* between step and normal */
	double uneven_mm;                     /* largest distance of a slice from its even place */
};

struct sm_series {
	size_t n;
	size_t *head;         /* indices of the caller's heads, sorted along the normal; owned */
	size_t copies;        /* files left out because they are byte for byte another one's copy */
	unsigned part, parts; /* one SeriesInstanceUID may hold several stacks: 1..parts */
	enum sm_verdict verdict;
	char why[400];  /* the sentence of the verdict, without full stop; "" when OK */
	unsigned notes; /* bit 1 << enum sm_verdict: what is odd but no reason to refuse */
	struct sm_stack stack;
};

struct sm_series_list {
	struct sm_series *series;
	size_t n;
};

/* Tells whether two files are the same byte for byte; for objects with the same SOPInstanceUID. */
typedef enum sm_status (*sm_same_file)(void *ctx, size_t a, size_t b, bool *same,
				       struct sm_err *err);

/* Groups heads[0..n) into stacks: same SeriesInstanceUID, size, spacing, orientation, and for MR
 * echo time and image kind; then orders and judges each. Sorted by SeriesInstanceUID, then by
 * number of slices (largest first). The result depends on the set of heads, not on their order, but
 * for ties. */
enum sm_status sm_series_group(const struct sm_dcm_head *heads, size_t n, sm_same_file same,
			       void *ctx, struct sm_series_list *out, struct sm_err *err);
void sm_series_list_clear(struct sm_series_list *list);

/* True when the stack can be made regular by interpolation (uneven, gap, crooked). */
bool sm_verdict_can_regrid(enum sm_verdict verdict);

/* The affine of an even stack: voxel (column, row, slice) to RAS+ mm. */
void sm_stack_affine(const struct sm_stack *stack, double affine[4][4]);

#endif
