/* SPDX-License-Identifier: Apache-2.0
 *
 * What a score is worth where the truth, the prediction or both lack a region: four policies by
 * name, one table of policy, kind of metric and situation. docs/metrics.md tells them.
 */
#ifndef SM_EVAL_POLICY_H
#define SM_EVAL_POLICY_H

#include "eval/column.h"
#include "eval/metrics.h"

/* In the order of the manifest's choices (evaluate.empty). */
enum sm_policy {
	SM_POLICY_BRATS2020,
	SM_POLICY_NNUNET,
	SM_POLICY_STRICT,
	SM_POLICY_SEED,
	SM_POLICIES
};
enum sm_situation {
	SM_BOTH_FULL,
	SM_BOTH_EMPTY,
	SM_TRUTH_EMPTY,      /* the prediction is not */
	SM_PREDICTION_EMPTY, /* the truth is not */
	SM_SITUATIONS
};
/* What a cell's value is, or why it has none. */
enum sm_why {
	SM_HAS_VALUE,   /* by the formula */
	SM_NOT_DEFINED, /* the formula has none, and no policy speaks of it */
	SM_LEFT_OUT,    /* the policy leaves the case out of the mean */
	SM_IS_INFINITE, /* a distance from or to nothing: counted, never averaged */
	SM_BY_POLICY,   /* a value that the policy sets */
	SM_CELL_WHYS
};

/* The challenge's distance for a missed or invented region: sqrt(240^2 + 240^2 + 155^2), the
 * diagonal of its grid in mm; of other grids too. */
#define SM_BRATS_DISTANCE_MM 373.1286641361127

enum sm_situation sm_situation_of(const struct sm_counts *counts);

/* *v holds the formula's value, NaN where it has none; the value under the policy is put there
 * (NaN unless SM_HAS_VALUE or SM_BY_POLICY). */
enum sm_why sm_policy_value(enum sm_policy policy, const struct sm_metric *metric,
			    enum sm_situation situation, double *v);

extern const char *const sm_policy_names[SM_POLICIES], *const sm_policy_words[SM_POLICIES];
extern const char *const sm_situation_keys[SM_SITUATIONS];  /* "full", "both_empty", ... */
extern const char *const sm_situation_names[SM_SITUATIONS]; /* "both empty", for tables */
extern const char *const sm_why_keys[SM_CELL_WHYS]; /* in JSON: "value", "undefined", "left_out",
						       "infinite", "policy" */

#endif
