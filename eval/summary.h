/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of many cases: statistics by row of the label map and by column, their JSON in ledgers,
 * and the tables that evaluate writes. Columns, names and decimals come from the table of metrics
 * (eval/column.h); beside every mean stand the cases behind it.
 */
#ifndef SM_EVAL_SUMMARY_H
#define SM_EVAL_SUMMARY_H

#include <jansson.h>

#include "core/file.h"
#include "core/text.h"
#include "eval/column.h"
#include "eval/policy.h"
#include "eval/scorebook.h"
#include "eval/scores.h"
#include "eval/stats/stats.h"
#include "manifests/label_map.h"

enum { SM_WORST = 5 };
/* One row and column. situation[s]: cases in enum sm_situation s; they are the row's, whatever the
 * column. worst: numbers of the worst cases, the worst first (infinite ones before all, then by
 * what is better of the metric, then in the order of cases); SM_NONE behind the last. */
struct sm_summary_cell {
	struct sm_spread s;
	size_t situation[SM_SITUATIONS];
	size_t worst[SM_WORST];
};

struct sm_summary {
	size_t cases, patients; /* patients = cases where no patient has two */
	size_t rows, columns;
	size_t resamples;            /* as asked for */
	struct sm_summary_cell *at;  /* rows x columns, row by row; owned */
	struct sm_agreement *volume; /* of each row: predicted - true volume, mL; owned */
};

/* Settings of the intervals; name is not looked at. */
struct sm_summary_settings {
	uint64_t seed;
	size_t resamples; /* SM_RESAMPLES; 0 = no intervals */
	int jobs;         /* threads; the numbers do not depend on them */
};

/* Statistics of all cases of the book. SM_BUDGET, SM_IO; *out is empty then. */
enum sm_status sm_summarise(const struct sm_scorebook *book, const struct sm_label_map *map,
			    const struct sm_columns *columns,
			    const struct sm_summary_settings *settings, struct sm_summary *out,
			    struct sm_err *err);
void sm_summary_clear(struct sm_summary *summary);
const struct sm_summary_cell *sm_summary_at(const struct sm_summary *summary, size_t row,
					    size_t column);

/* The header's `summary`: {"cases", "patients", "intervals": {...}, "regions": {"wt": {"cases":
 * {"full", "both_empty", "truth_empty", "prediction_empty"}, "volume": {...}, "columns": {"dice":
 * {"mean", "sd", "median", "q1", "q3", "min", "max", "low95", "high95", "n", "infinite",
 * "left_out", "units", "resamples", "no_interval", "worst": [keys]}, ...}}}}. No number is null.
 * New reference. */
json_t *sm_summary_to_json(const struct sm_summary *summary, const struct sm_scorebook *book,
			   const struct sm_label_map *map, const struct sm_columns *columns);

/* summary_json.c: nnU-Net's summary.json, a case at a time: metric_per_case, mean, foreground_mean;
 * valid JSON, so what is no number is null; "prediction_missing": true of a case scored without a
 * prediction. records (may be NULL) are those of evaluate: the paths
 * of their inputs, relative to the stage's folder, are the file names; without them it is the key.
 * Writes to out->stream. SM_IO, SM_BUDGET. */
enum sm_status sm_summary_nnunet(struct sm_scorebook *book, struct sm_records *records,
				 const struct sm_label_map *map, const struct sm_columns *columns,
				 struct sm_outfile *out, struct sm_err *err);

/* A cell: its number, "inf", or `missing`. */
void sm_text_cell(struct sm_text *out, const struct sm_cell *cell, int decimals,
		  const char *missing);

/* "1,2,4" */
enum { SM_REGION_LABELS = 4 * SM_MAP_CLASSES };
void sm_region_labels(const struct sm_label_map *map, size_t row, char out[SM_REGION_LABELS]);

/* summary_tables.c. Plain-text table of a summary, and of one case, for a terminal. */
void sm_summary_print(const struct sm_label_map *map, const struct sm_columns *columns,
		      struct sm_text *out, const struct sm_summary *summary);
void sm_scores_print(const struct sm_label_map *map, const struct sm_columns *columns,
		     struct sm_text *out, const struct sm_case_scores *scores);

/* summary.csv: region,labels,metric,unit,mean,sd,median,q1,q3,min,max,ci_low,ci_high,n,both_empty,
 * truth_empty,prediction_empty,infinite,left_out,no_interval. */
void sm_summary_csv(const struct sm_label_map *map, const struct sm_columns *columns,
		    struct sm_text *out, const struct sm_summary *summary);

/* worst.csv: region,metric,rank,case,value. Reads the book for the values. */
enum sm_status sm_worst_csv(const struct sm_scorebook *book, const struct sm_label_map *map,
			    const struct sm_columns *columns, const struct sm_summary *summary,
			    struct sm_text *out, struct sm_err *err);

/* volumes.csv: region,labels,n,bias_ml,...,patients: agreement of predicted with true volumes. */
void sm_volumes_csv(const struct sm_label_map *map, struct sm_text *out,
		    const struct sm_summary *summary);

/* scores.csv: its head, and one case: case,region,labels,<columns>,situation,tp,fp,fn,tn. */
void sm_scores_csv_head(const struct sm_columns *columns, struct sm_text *out);
void sm_scores_csv(const struct sm_label_map *map, const struct sm_columns *columns,
		   struct sm_text *out, const char *key, const struct sm_case_scores *scores);

#endif
