/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of a training (model_history_log.csv): a header line of column names, then one line of
 * numbers an epoch.
 */
#ifndef SM_EVAL_TRAINLOG_H
#define SM_EVAL_TRAINLOG_H

#include <stddef.h>

#include "core/err.h"

#define SM_TRAINLOG_NAME "model_history_log.csv" /* but train.csv_name may say another */
#define SM_TRAINLOG_COLUMNS 1024

/* Zero-initialise; free with sm_trainlog_clear. Values are stored by column. */
struct sm_trainlog {
	size_t columns, rows;
	char *name[SM_TRAINLOG_COLUMNS];
	double *column[SM_TRAINLOG_COLUMNS];
};

/* Parses text (zero-terminated, n bytes). An empty field or "nan" is NaN. SM_INPUT names `what`,
 * the line, and what is wrong: another number of fields, no number, a column name twice. */
enum sm_status sm_trainlog_parse(const char *text, size_t n, const char *what,
				 struct sm_trainlog *out, struct sm_err *err);

/* The column's values, or NULL. */
const double *sm_trainlog_find(const struct sm_trainlog *history, const char *name);

void sm_trainlog_clear(struct sm_trainlog *history);

#endif
