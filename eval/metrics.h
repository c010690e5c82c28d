/* SPDX-License-Identifier: Apache-2.0
 *
 * Overlap scores of two label volumes on one grid. One pass counts every pair (true label,
 * predicted label) in whole numbers; regions (manifests/label_map.h) and metrics are two tables
 * over these counts, so the scores are exact and equal for any number of
 * threads. */
#ifndef SM_EVAL_METRICS_H
#define SM_EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/label_map.h"

/* n[t][p] = voxels whose true class is t and whose predicted class is p (struct sm_label_map). */
struct sm_joint {
	uint64_t n[SM_MAP_CLASSES][SM_MAP_CLASSES];
};

/* Counts n voxels of label values on up to `jobs` threads. SM_INPUT names the volume by what it is
 * called, the value found and the values allowed. *out is zero on failure. Thread-safe. */
enum sm_status sm_joint_count(const struct sm_label_map *map, const uint8_t *truth,
			      const char *truth_name, const uint8_t *prediction,
			      const char *prediction_name, size_t n, int jobs, struct sm_joint *out,
			      struct sm_err *err);

/* Voxels inside both (tp), in the prediction alone (fp), in the truth alone (fn), in neither (tn).
 */
struct sm_counts {
	uint64_t tp, fp, fn, tn;
};

struct sm_counts sm_joint_region(const struct sm_joint *joint, uint64_t members);

/* What a metric is worth where the region is empty in the truth. */
enum sm_empty_rule {
	SM_EMPTY_AS_USUAL,  /* the formula holds */
	SM_EMPTY_BY_POLICY, /* enum sm_empty of the manifest decides */
};

struct sm_metric {
	const char *key, *name, *unit;
	const char *formula;                          /* in words, with counts TP FP FN TN */
	double (*of)(const struct sm_counts *counts); /* NaN where undefined */
	int decimals;                                 /* shown in tables */
	enum sm_empty_rule rule;
};

enum { SM_DICE, SM_SENSITIVITY, SM_SPECIFICITY, SM_METRICS };
extern const struct sm_metric sm_metrics[SM_METRICS];

/* A metric under an empty-region policy. SM_EMPTY_BRATS: truth and prediction empty = 1, only truth
 * empty = 0. SM_EMPTY_SKIP: truth empty = NaN, to be left out of the mean. */
double sm_metric_value(const struct sm_metric *metric, const struct sm_counts *counts,
		       enum sm_empty policy);

/* All scores of one case; of the rows of the map that it was made with. */
struct sm_scores {
	struct sm_counts counts[SM_MAP_ROWS];
	double value[SM_MAP_ROWS][SM_METRICS]; /* NaN = undefined or left out */
};

void sm_scores_from_joint(const struct sm_label_map *map, const struct sm_joint *joint,
			  enum sm_empty policy, struct sm_scores *out);

/* True when the region is empty in the truth, in the prediction. */
bool sm_truth_empty(const struct sm_counts *counts);
bool sm_prediction_empty(const struct sm_counts *counts);

#endif
