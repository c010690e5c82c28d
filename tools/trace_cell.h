/* SPDX-License-Identifier: Apache-2.0
 *
 * From a figure of a report's tables back to the scans: the report's cells.jsonl names the cases
 * behind it, the ledgers do the rest.
 */
#ifndef SM_TOOLS_TRACE_CELL_H
#define SM_TOOLS_TRACE_CELL_H

#include "core/field.h"
#include "tools/folders.h"

#define SM_CELLS_NAME "cells.jsonl"

/* The figure ROW/MODEL[/METRIC] (keys or names of the tables, capitals do not count; METRIC is
 * dice, or the report's first, when left out) as JSON (new reference in *out): the line of the cell
 * as the report wrote it without `values` and `why`, with "report" (SHA-256 of the report's
 * ledger), "cells" (of cells.jsonl), "ledger" (of the model's evaluate ledger), "here" (whether
 * that run of evaluate is among f) and "of" [{"key", "value" (null: none), "why" (where it is no
 * plain value), "files": [{"role","path","sha256"}], "chain" (as of sm_trace; when it is here)}].
 * only (NULL: all) are the keys of the cases wanted. f must be loaded; of several reports the first
 * folder's counts. SM_USAGE when the report has no such figure: the sentence tells what it has.
 * SM_INPUT when no report is here, its file is not the one that its ledger knows, or a case of
 * `only` is not behind the figure. */
enum sm_status sm_trace_cell(struct sm_folders *f, const char *what, const struct sm_strings *only,
			     json_t **out, struct sm_err *err);

/* The folder in `work` whose report has the figure, for who names none: `work` itself when stages
 * stand in it. malloc memory in *out. SM_USAGE when there is none, or more than one. */
enum sm_status sm_trace_cell_where(const char *work, const char *what, char **out,
				   struct sm_err *err);

#endif
