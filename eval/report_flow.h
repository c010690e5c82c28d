/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of the cases from the raw data to the table, counted from the ledgers: for the page's
 * drawing and for the checklist.
 */
#ifndef SM_EVAL_REPORT_FLOW_H
#define SM_EVAL_REPORT_FLOW_H

#include "eval/report.h"

enum { SM_FLOW_STEPS = 6, SM_FLOW_FOLDS = 3, SM_FLOW_WORDS = 480 };

/* One step: what is there, and what did not go on to the next one. Texts are words with counts. */
struct sm_flow_step {
	const char *name;
	size_t cases, patients;     /* patients 0 = not known */
	char detail[SM_FLOW_WORDS]; /* "8 training, 2 validation, 2 test"; "" = none */
	char lost[SM_FLOW_WORDS];   /* "2 rejected by ingest"; "" = none */
	size_t gone;                /* cases in `lost`: cases - gone go on */
};
struct sm_flow {
	size_t n;
	struct sm_flow_step step[SM_FLOW_STEPS];
};

/* Counts what the ledgers given tell; of the main model. A case is lost once, at the first stage
 * that did not let it go on. SM_INPUT, SM_IO: a ledger cannot be read any more. SM_BUDGET. */
enum sm_status sm_flow_count(const struct sm_report *report, struct sm_flow *out,
			     struct sm_err *err);

/* Scored cases of the main model by their fold in the split (training, validation, test), where
 * predict was asked for all of them; false: it was not, or the split is not given. */
bool sm_flow_folds(const struct sm_report *report, size_t of[SM_FLOW_FOLDS]);

#endif
