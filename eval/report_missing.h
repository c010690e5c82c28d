/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases that a report's means do not hold, or hold without a prediction: what the ledgers tell of
 * them, in words.
 */
#ifndef SM_EVAL_REPORT_MISSING_H
#define SM_EVAL_REPORT_MISSING_H

#include "eval/report.h"

/* One reason of a header's `not_predicted`, and its cases by name. */
struct sm_lack {
	const char *key, *words; /* "no_file", "without a predicted file of their name" */
	const json_t *names;
	bool folded; /* of other folds: not to be predicted, so nothing is missing */
	bool before_split, before_ingest; /* lost before these stages' good cases are counted */
};
enum { SM_MISSINGS = 16 };

/* All reasons with at least one case; a reason that is not known here has its key as words.
 * Returns their number. */
size_t sm_missing_list(const json_t *header, struct sm_lack out[SM_MISSINGS]);
/* Their cases without those of other folds. */
size_t sm_missing_count(const json_t *header);

/* " (a, b)": at most 20 names, then how many there are more. */
void sm_missing_names(const json_t *names, struct sm_text *out);
/* Names of the cases of a ledger of evaluate that could not be scored, and of those scored without
 * a prediction. New references. */
json_t *sm_missing_rejected(const struct sm_ledger *evaluate);
json_t *sm_missing_assumed(const struct sm_ledger *evaluate);

/* "13 held-out cases"; of several models with different ones "11 to 13 cases, not the same ones for
 * every model". */
void sm_report_case_words(const struct sm_report *report, struct sm_text *out);
/* "; 2 cases without a prediction are scored as empty ones", of several models each one's number;
 * nothing where there is none. */
void sm_report_assumed_words(const struct sm_report *report, struct sm_text *out);

#endif
