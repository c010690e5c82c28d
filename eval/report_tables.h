/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of a report for papers and for other programs.
 */
#ifndef SM_EVAL_REPORT_TABLES_H
#define SM_EVAL_REPORT_TABLES_H

#include "eval/report.h"
#include "eval/report_published.h"

/* table.csv: one model's is summary.csv of evaluate; of several each line begins with the model.
 * table.json: {"columns", "empty", "models": [{"name", "ledger", "rejected", ... as the summary in
 * evaluate's ledger}]}. tests.csv: a line for each pair of models, region and metric. */
void sm_report_csv(const struct sm_report *report, struct sm_text *out);
void sm_report_tests_csv(const struct sm_report *report, struct sm_text *out);
enum sm_status sm_report_json(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err);
/* table.tex (booktabs) and table.md: blocks of metrics side by side, tests, published numbers. */
void sm_report_tex(const struct sm_report *report, const struct sm_published *published,
		   struct sm_text *out);
void sm_report_md(const struct sm_report *report, const struct sm_published *published,
		  struct sm_text *out);

#endif
