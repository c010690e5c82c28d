/* SPDX-License-Identifier: Apache-2.0
 *
 * Image scores of many cases: rows are models and baselines, a column is a metric. For each metric
 * a model is held against the baseline that does best beside it, case by case, and the tables say
 * plainly when it is not better.
 */
#ifndef SM_EVAL_IMAGE_SUMMARY_H
#define SM_EVAL_IMAGE_SUMMARY_H

#include <jansson.h>

#include "core/text.h"
#include "eval/image_metrics.h"
#include "eval/stats/stats.h"

/* Borrowed. scores[i] is of case i, the same case in every row. */
struct sm_image_row {
	const char *key, *name; /* "pix2pix"; of a baseline those of sm_baselines */
	bool baseline;
	const struct sm_image_scores *scores;
};

/* Statistics over the finite values; besides them cases whose value is infinite (PSNR of equal
 * images) and cases without one. */
struct sm_image_cell {
	struct sm_spread stat;
	size_t infinite, missing;
};

enum sm_image_outcome {
	SM_OUTCOME_NONE,       /* a baseline's own row, or no case in common with any baseline */
	SM_OUTCOME_BETTER,     /* than every baseline */
	SM_OUTCOME_NOT_BETTER, /* than `against`: worse or equal */
};
extern const char *const sm_image_outcomes[]; /* "none", "better", "not_better" */

/* The mean over the cases that both have; an infinite PSNR is better than any number. `against` is
 * the baseline that is furthest ahead, or least behind. Compared are values, or their distances
 * from 1 (jump), from 0 (bias). The outcome is a difference of means, whatever the tests say; wins
 * says in how many of the cases the model is better. */
struct sm_image_verdict {
	enum sm_image_outcome outcome;
	size_t against; /* row */
	size_t cases, wins;
	double model, baseline; /* means of what is compared; NaN when all are infinite */
	size_t unmatched;       /* baselines without a case in common */
	/* Over the cases where both are finite, of patients with several cases by their means: by
	 * how much the model is ahead (above 0 = better), its bootstrap interval, and two paired
	 * tests; holm_*: adjusted for all counted scores of the model in these units and this
	 * region, NaN of others. */
	double lead, lead_interval[2];
	struct sm_paired wilcoxon, permutation;
	double holm_wilcoxon, holm_permutation;
};

/* Of one row; indices: scale, region, metric. */
struct sm_image_cells {
	struct sm_image_cell at[SM_IMAGE_SCALES][SM_IMAGE_REGIONS][SM_IMAGE_METRICS];
	struct sm_image_verdict verdict[SM_IMAGE_SCALES][SM_IMAGE_REGIONS][SM_IMAGE_METRICS];
};

struct sm_image_table {
	const struct sm_image_row *row;
	const char *const *key;  /* of cases */
	const uint32_t *patient; /* of cases, by any number; NULL = each case is one */
	size_t rows, cases;
	const struct sm_image_settings *settings;
	struct sm_image_cells *cells; /* one a row; owned */
};

/* Summary of rows x cases; row, key, patient and settings stay the caller's and must outlive the
 * table. SM_BUDGET. */
enum sm_status sm_image_table_make(const struct sm_image_row *row, size_t rows,
				   const char *const *key, const uint32_t *patient, size_t cases,
				   const struct sm_image_settings *settings,
				   struct sm_image_table *out, struct sm_err *err);
void sm_image_table_clear(struct sm_image_table *table);

/* True when a table has a column for it: asked for, in units and a region that are there. */
bool sm_image_shown(const struct sm_image_table *table, int scale, int region, int metric);

/* True when a row has a line in the table of these units and this region: not an image that is made
 * for another region, or of no case. */
bool sm_image_row_shown(const struct sm_image_table *table, size_t row, int scale, int region);

/* The unit of a metric ("HU", "dB", "" for none). */
const char *sm_image_unit(const struct sm_image_settings *settings, int scale, int metric);

/* Decimals that tell two means apart, up to four more than the table's. */
int sm_image_telling(double a, double b, int decimals);

/* Scores of one case: {"own": {"whole": {"mae": 12.5, "psnr": null, ...}}, "missing": {"own":
 * {"whole": {"psnr": sentence}}}, "range", "voxels", "body", "beyond"}; what was not asked for is
 * absent. The reader gives SM_INPUT naming `what` and the field. */
json_t *sm_image_scores_to_json(const struct sm_image_scores *scores);
enum sm_status sm_image_scores_from_json(const json_t *json, const char *what,
					 struct sm_image_scores *out, struct sm_err *err);

/* The whole table: settings, rows with mean, its interval, sd, median, quartiles, ends, n,
 * infinite, missing, verdicts with their tests. NaN is null. */
json_t *sm_image_table_to_json(const struct sm_image_table *table);

/* row,baseline,units,region,metric,mean,sd,median,n,infinite,missing,outcome,against,wins,cases,
 * ci_low,ci_high,q1,q3,min,max,lead,lead_low,lead_high,wilcoxon_p,wilcoxon_holm,permutation_p,
 * permutation_holm */
void sm_image_table_csv(const struct sm_image_table *table, struct sm_text *out);
/* case,row,units,region,<metrics>,why: of every case; why lists metrics without a number. */
void sm_image_cases_csv(const struct sm_image_table *table, struct sm_text *out);
/* Why a model's verdict is SM_OUTCOME_NONE, a part of a sentence: no case has the score, and what
 * it lacks; or none in common with a baseline. */
void sm_image_table_no_duel(const struct sm_image_table *table, size_t row, int scale, int region,
			    int metric, struct sm_text *out);
/* "; ahead by 3.10, 95 % 1.02 to 5.20; Wilcoxon p 0.031, by Holm 0.22; permutation ...": what
 * stands behind a verdict; the p values of counted scores alone. */
void sm_image_tests_words(const struct sm_image_verdict *verdict, bool counted, int digits,
			  struct sm_text *out);
/* A table for each units and region, what each model beats and what not, and what the columns mean.
 */
void sm_image_table_md(const struct sm_image_table *table, struct sm_text *out);

#endif
