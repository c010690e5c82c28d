/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of a training (model_history_log.csv): a header line of column names, then one line of
 * numbers an epoch.
 */
#ifndef SM_EVAL_HISTORY_H
#define SM_EVAL_HISTORY_H

#include <stddef.h>

#include "core/err.h"

#define SM_HISTORY_NAME "model_history_log.csv"
#define SM_HISTORY_COLUMNS 64

/* Zero-initialise; free with sm_history_clear. Values are stored by column. */
struct sm_history {
	size_t columns, rows;
	char *name[SM_HISTORY_COLUMNS];
	double *column[SM_HISTORY_COLUMNS];
};

/* Parses text (zero-terminated, n bytes). An empty field or "nan" is NaN. SM_INPUT names `what`, the
 * line, and what is wrong: another number of fields, no number, a column name twice. */
enum sm_status sm_history_parse(const char *text, size_t n, const char *what,
				struct sm_history *out, struct sm_err *err);

/* The column's values, or NULL. */
const double *sm_history_find(const struct sm_history *history, const char *name);

void sm_history_clear(struct sm_history *history);

#endif
