/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of papers (report.published of the manifest) beside one's own.
 */
#ifndef SM_EVAL_REPORT_PUBLISHED_H
#define SM_EVAL_REPORT_PUBLISHED_H

#include "eval/report.h"

/* Rows are names with their source, columns pairs of region and metric, both in the manifest's
 * order. Memory of the run's arena. */
struct sm_published {
	size_t rows, columns, sources;
	const struct sm_report_published **row; /* the first entry of each row */
	size_t *source;                         /* number of each row's source */
	const char **source_text;
	struct sm_published_column {
		size_t row, column; /* of map and columns; column SM_NONE: not measured here */
		const char *metric;
	} * column;
	const struct sm_report_published **at; /* rows x columns; NULL = nothing printed */
};

/* rows 0 when the manifest has none. SM_USAGE: a region or metric that does not exist, a number
 * twice. SM_BUDGET. */
enum sm_status sm_published_make(const struct sm_report *report, struct sm_published *out,
				 struct sm_err *err);
/* Text inside of a cell of a Markdown table: no bars, no line ends. */
void sm_report_md_text(struct sm_text *out, const char *text);

/* Tables for papers; nothing without rows. */
void sm_published_md(const struct sm_report *report, const struct sm_published *p,
		     struct sm_text *out);
void sm_published_tex(const struct sm_report *report, const struct sm_published *p,
		      struct sm_text *out);

#endif
