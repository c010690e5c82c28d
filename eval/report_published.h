/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of papers (report.published of the manifest) beside one's own: a grid that its three
 * printers know, of segmentations and of made images alike.
 */
#ifndef SM_EVAL_REPORT_PUBLISHED_H
#define SM_EVAL_REPORT_PUBLISHED_H

#include "eval/report.h"

/* Of one's own over the cases: mean and sd NaN where there is none; infinite: no finite value, and
 * an infinite one. */
struct sm_published_value {
	double mean, sd;
	bool infinite;
};

/* Two entries of the manifest are of one column when region and metric agree. */
struct sm_published_column {
	size_t region, column; /* as the scores number them; column SM_NONE: not measured here */
	const char *metric;    /* its key */
	const char *head[2];   /* region and metric, in words */
	int decimals;
};

struct sm_published_model {
	const char *name;
	size_t cases;
};

/* Rows are names with their source, then one's own models; columns pairs of region and metric, both
 * in the manifest's order. Memory of the run's arena. */
struct sm_published {
	size_t rows, columns, sources, models;
	size_t cases;                           /* that one's own numbers are means of */
	size_t block;                           /* columns side by side in LaTeX; 0 = all */
	const struct sm_report_published **row; /* the first entry of each row */
	size_t *source;                         /* number of each row's source */
	const char **source_text;
	struct sm_published_column *column;
	const struct sm_report_published **at; /* rows x columns; NULL = nothing printed */
	struct sm_published_model *model;
	struct sm_published_value *own; /* models x columns */
};

/* Which column an entry is of. SM_USAGE when its region or metric does not exist: one sentence with
 * those allowed. */
typedef enum sm_status sm_published_find(const void *scores, const struct sm_report_published *e,
					 struct sm_published_column *out, struct sm_err *err);

/* The grid of the manifest's numbers; model is all 0 and own all NaN, for the caller to fill. rows
 * and models are 0 when the manifest has none. SM_USAGE: from find, a number twice. SM_BUDGET. */
enum sm_status sm_published_grid(const struct sm_report *report, sm_published_find *find,
				 const void *scores, size_t models, struct sm_published *out,
				 struct sm_err *err);

/* report_published_regions.c: of segmentations, filled. As sm_published_grid. */
enum sm_status sm_published_make(const struct sm_report *report, struct sm_published *out,
				 struct sm_err *err);

/* Text inside of a cell of a Markdown table: no bars, no line ends. */
void sm_report_md_text(struct sm_text *out, const char *text);

/* A section of the page, tables for papers; nothing without rows. */
void sm_published_html(const struct sm_published *p, struct sm_text *out);
void sm_published_md(const struct sm_published *p, struct sm_text *out);
void sm_published_tex(const struct sm_published *p, struct sm_text *out);

#endif
