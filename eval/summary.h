/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of many cases: mean, spread and median by region and metric, their JSON in ledgers, and
 * the tables that evaluate writes. Rows are those of the label map, the same one for every call.
 */
#ifndef SM_EVAL_SUMMARY_H
#define SM_EVAL_SUMMARY_H

#include <jansson.h>

#include "core/text.h"
#include "eval/metrics.h"

/* Over the values that are not NaN. sd is the sample's (n - 1), NaN below 2 values; mean and median
 * are NaN without values. */
struct sm_stat {
	double mean, sd, median;
	size_t n;
};

/* Sorts v[0..n) (NaN last) and computes its statistics; sums run in the order given. */
void sm_stat_of(double *v, size_t n, struct sm_stat *out);

struct sm_summary {
	size_t cases;
	struct sm_stat stat[SM_MAP_ROWS][SM_METRICS];
	size_t empty_truth[SM_MAP_ROWS];      /* cases whose truth lacks the region */
	size_t empty_both[SM_MAP_ROWS];       /* of these, cases whose prediction lacks it too */
	size_t empty_prediction[SM_MAP_ROWS]; /* cases with the region in the truth and none
						predicted */
};

/* Summary over n cases, in their order. */
enum sm_status sm_summarise(const struct sm_label_map *map, const struct sm_scores *scores,
			    size_t n, struct sm_summary *out, struct sm_err *err);

/* {"wt": {"dice", ..., "tp", "fp", "fn", "tn", "empty_truth", "empty_prediction"}, ...}; NaN is
 * null. New references; the reader gives SM_INPUT naming `what` and the field that is missing. */
json_t *sm_scores_to_json(const struct sm_label_map *map, const struct sm_scores *scores);
enum sm_status sm_scores_from_json(const struct sm_label_map *map, const json_t *json,
				   const char *what, struct sm_scores *out, struct sm_err *err);
json_t *sm_summary_to_json(const struct sm_label_map *map, const struct sm_summary *summary);

/* A number with `decimals` digits, or `missing` for NaN. */
void sm_text_number(struct sm_text *out, double v, int decimals, const char *missing);

/* "1,2,4" */
enum { SM_REGION_LABELS = 4 * SM_MAP_CLASSES };
void sm_region_labels(const struct sm_label_map *map, size_t row, char out[SM_REGION_LABELS]);

/* Plain-text table of a summary, and of one case, for a terminal. */
void sm_summary_print(const struct sm_label_map *map, struct sm_text *out,
		      const struct sm_summary *summary);
void sm_scores_print(const struct sm_label_map *map, struct sm_text *out,
		     const struct sm_scores *scores);

/* summary.csv: region,labels,metric,mean,sd,median,n,empty_truth,empty_both,empty_prediction. */
void sm_summary_csv(const struct sm_label_map *map, struct sm_text *out,
		    const struct sm_summary *summary);

/* scores.csv: its head, and one case: case,region,labels,<metrics>,tp,fp,fn,tn. */
void sm_scores_csv_head(struct sm_text *out);
void sm_scores_csv(const struct sm_label_map *map, struct sm_text *out, const char *key,
		   const struct sm_scores *scores);

#endif
