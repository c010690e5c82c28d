/* SPDX-License-Identifier: Apache-2.0
 *
 * Overlap scores of two label volumes on one grid. One pass counts every pair (true label,
 * predicted label) in whole numbers; regions and metrics are two tables over these counts, so the
 * scores are exact and equal for any number of threads.
 */
#ifndef SM_EVAL_METRICS_H
#define SM_EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/schema.h"

#define SM_LABELS 16 /* label values 0..15 are counted */

/* n[t][p] = voxels whose true label is t and whose predicted label is p. */
struct sm_joint {
	uint64_t n[SM_LABELS][SM_LABELS];
};

/* Counts n voxels on up to `jobs` threads. allowed = bit set of label values (bit 4 = label 4);
 * SM_INPUT names the volume ("truth" or "prediction"), the value found and the values allowed.
 * *out is zero on failure. Thread-safe. */
enum sm_status sm_joint_count(const uint8_t *truth, const uint8_t *prediction, size_t n,
			      uint32_t allowed, int jobs, struct sm_joint *out, struct sm_err *err);

/* Label values of BraTS files: 0 background, 1 necrosis and non-enhancing core, 2 oedema,
 * 4 enhancing tumour. */
#define SM_BRATS_LABELS 0x17u

/* A region is a union of labels. */
struct sm_region {
	const char *key;   /* in ledgers and CSV: "wt" */
	const char *name;  /* in tables: "WT" */
	const char *words; /* what it is, for people */
	uint32_t labels;   /* bit set */
	bool original;     /* a convention of the original study, not of BraTS */
};

/* Rows: whole tumour, tumour core and enhancing tumour of BraTS, the original's core, each label.
 */
enum { SM_WT, SM_TC, SM_ET, SM_TC_ORIGINAL, SM_LABEL_1, SM_LABEL_2, SM_LABEL_4, SM_REGIONS };
extern const struct sm_region sm_regions[SM_REGIONS];

/* Voxels inside both (tp), in the prediction alone (fp), in the truth alone (fn), in neither (tn).
 */
struct sm_counts {
	uint64_t tp, fp, fn, tn;
};

struct sm_counts sm_joint_region(const struct sm_joint *joint, uint32_t labels);

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

/* All scores of one case. */
struct sm_scores {
	struct sm_counts counts[SM_REGIONS];
	double value[SM_REGIONS][SM_METRICS]; /* NaN = undefined or left out */
};

void sm_scores_from_joint(const struct sm_joint *joint, enum sm_empty policy,
			  struct sm_scores *out);

/* True when the region is empty in the truth, in the prediction. */
bool sm_truth_empty(const struct sm_counts *counts);
bool sm_prediction_empty(const struct sm_counts *counts);

#endif
