/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sections of the report's page share: cells, heads, units. Each adds HTML to a text.
 */
#ifndef SM_EVAL_REPORT_PARTS_H
#define SM_EVAL_REPORT_PARTS_H

#include "eval/report.h"

/* A coloured square and a name. */
void sm_report_key(struct sm_text *out, const char *colour, const char *name);

/* <th> of a column; of numbers: to the right. */
void sm_report_head(struct sm_text *out, const char *words, bool number);
/* <td> of a number, a dash for what is not finite; of a p value. */
void sm_report_number(struct sm_text *out, double v, int decimals);
void sm_report_p(struct sm_text *out, double p);

/* Opens a table up to the inside of its caption; kind: its class, NULL = none. It ends with
 * "</table></div>\n". */
void sm_report_table(struct sm_text *out, const char *kind);

/* ", mm"; nothing for shares of 1. */
void sm_report_unit(const struct sm_column *column, struct sm_text *out);
/* "higher is better" */
const char *sm_report_better(const struct sm_metric *metric);

#endif
