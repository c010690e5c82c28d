/* SPDX-License-Identifier: Apache-2.0
 *
 * The scores of one case: a cell for each row of the label map and each column, with the counts
 * beside them, and their form in ledgers.
 */
#ifndef SM_EVAL_SCORES_H
#define SM_EVAL_SCORES_H

#include <jansson.h>

#include "eval/column.h"
#include "eval/policy.h"
#include "manifests/label_map.h"

/* v is NaN unless why is SM_HAS_VALUE or SM_BY_POLICY. */
struct sm_cell {
	double v;
	uint8_t why; /* enum sm_why */
};

/* rows x columns cells, row by row: cell[row * columns + column]. */
struct sm_case_scores {
	size_t rows, columns;
	struct sm_counts *counts; /* one a row */
	struct sm_cell *cell;
	uint8_t *situation;           /* enum sm_situation, one a row */
	double voxel_mm3, spacing[3]; /* 0 where a ledger does not tell */
};

/* Room for rows x columns, all undefined and empty; the caller clears it. SM_BUDGET. */
enum sm_status sm_case_scores_init(struct sm_case_scores *scores, size_t rows, size_t columns,
				   struct sm_err *err);
void sm_case_scores_clear(struct sm_case_scores *scores);

/* A record's field `scores`: {"wt": {"dice": 0.9, "hd95": null, ..., "tp", "fp", "fn", "tn",
 * "situation": "truth_empty", "why": {"hd95": "infinite"}}, ...}. A cell without value is null and
 * stands in `why`; so does a value set by policy. New reference. */
json_t *sm_case_scores_to_json(const struct sm_label_map *map, const struct sm_columns *columns,
			       const struct sm_case_scores *scores);

/* The same back from a record (its fields scores, voxel_mm3, spacing), into fresh memory; ledgers
 * before version 3 have no `why`: null is then what is left out. SM_INPUT names `what` and the
 * field that is missing. */
enum sm_status sm_case_scores_from_json(const struct sm_label_map *map,
					const struct sm_columns *columns, const json_t *record,
					const char *what, struct sm_case_scores *out,
					struct sm_err *err);

#endif
