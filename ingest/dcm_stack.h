/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a stack's slices and the verdict on it: the part of dcm_series.h that looks at one
 * stack.
 */
#ifndef SM_INGEST_DCM_STACK_H
#define SM_INGEST_DCM_STACK_H

#include "ingest/dcm_series.h"

/* Sets the verdict and its sentence unless an earlier one stands. */
void sm_series_judge(struct sm_series *series, enum sm_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sorts series->head along the normal, fills series->stack, verdict and notes. SM_BUDGET when out
 * of memory. */
enum sm_status sm_series_order(struct sm_series *series, const struct sm_dcm_head *heads,
			       struct sm_err *err);

/* Place of a head along the stack's normal, mm. */
double sm_stack_along(const struct sm_stack *stack, const struct sm_dcm_head *head);

#endif
