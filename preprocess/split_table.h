/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of cases or patients (CSV, RFC 4180) for stratified splits.
 */
#ifndef SM_PREPROCESS_SPLIT_TABLE_H
#define SM_PREPROCESS_SPLIT_TABLE_H

#include "core/mem.h"
#include "preprocess/split.h"

/* Reads the table and sets the stratum of every case that is not left out to the value of `column`
 * in the row of its case key (column "key") or else of its patient (column "patient"); strings live
 * in the arena. sha256 receives the hash of the file's bytes. Rows of nobody are passed over.
 * SM_USAGE when a column is missing; SM_INPUT for damage, a key that stands twice, a case without a
 * row or with an empty value, and a patient whose cases disagree. */
enum sm_status sm_split_table(const char *path, const char *column, struct sm_split_case *cases,
			      size_t n, struct sm_arena *arena, char sha256[65],
			      struct sm_err *err);

#endif
