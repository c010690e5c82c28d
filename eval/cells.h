/* SPDX-License-Identifier: Apache-2.0
 *
 * Where every figure of a table comes from. cells.jsonl beside the report: one line a model, a case
 * and a cell, which `scanmill trace --cell ROW/MODEL/METRIC` follows down to the scans; and the
 * same as a section of the page, to which the figures link.
 */
#ifndef SM_EVAL_CELLS_H
#define SM_EVAL_CELLS_H

#include "core/text.h"
#include "eval/report.h"

#define SM_CELLS_NAME "cells.jsonl"
#define SM_CELLS_SCHEMA 1

/* Name of a cell in the page, as an id and behind '#': "cell-wt-unet3d-dice". All three are keys or
 * names as in the tables; what is no letter or digit of them becomes '_', capitals small letters.
 */
void sm_cell_anchor(struct sm_text *out, const char *row, const char *model, const char *column);

/* <a href="#cell-..."> for a figure of a table; the caller adds what stands inside and "</a>". */
void sm_cell_link(const struct sm_report *report, size_t model, size_t row, size_t column,
		  struct sm_text *out);

/* cells.jsonl. Line 1: {"kind": "cells", "schema", "models"}. A model: {"kind": "model", "model",
 * "name", "ledger" (SHA-256 of its evaluate ledger), "cases"}. A case: {"kind": "case", "model",
 * "case" (number), "key", "files": [{"role", "path", "sha256"}]}. A cell: {"kind": "cell", "cell":
 * "wt/UNet3D/dice", "row", "row_name", "model", "model_name", "metric",
 * "metric_name", "unit", "tolerance_mm" (where it has one), "mean",
 * "median", "n", "infinite", "left_out", "situations" {"full", "both_empty", "truth_empty",
 * "prediction_empty"}, "values" [a number or null for each of the model's cases, in their order],
 * "why" {case number: word} for those that are no plain value}. A test between models: {"kind":
 * "test", "row", "metric", "a", "b" (numbers of models), "n", "left_out", "no_number", "infinite"
 * (of those left out), "difference", "wilcoxon_p_holm", "permutation_p_holm"}. */
enum sm_status sm_cells_write(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err);

/* The page's section: every cell with its cases and how to trace it, and the files of every case.
 */
enum sm_status sm_cells_section(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);

#endif
