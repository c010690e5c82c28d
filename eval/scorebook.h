/* SPDX-License-Identifier: Apache-2.0
 *
 * The cells of all cases in a file without a name: written case by case, read a column at a time or
 * a case at a time. In memory are the keys (about 100 bytes a case) and one or two blocks of cases,
 * whatever their number.
 */
#ifndef SM_EVAL_SCOREBOOK_H
#define SM_EVAL_SCOREBOOK_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/records.h"
#include "eval/column.h"
#include "eval/scores.h"

struct sm_scorebook;

/* An empty book of rows x columns cells a case; its file goes to folder dir (copied; NULL = $TMPDIR
 * or /tmp) when the first block is full. SM_BUDGET. */
enum sm_status sm_scorebook_open(const char *dir, size_t rows, size_t columns,
				 struct sm_scorebook **out, struct sm_err *err);

/* Adds a case. Cases of one patient (NULL or "" = not known) form a cluster; a case without patient
 * is its own. SM_INTERNAL when the scores have another shape or the key is in the book twice in a
 * row; SM_IO, SM_BUDGET. One thread at a time, none reading. */
enum sm_status sm_scorebook_add(struct sm_scorebook *book, const char *key, const char *patient,
				const struct sm_case_scores *scores, struct sm_err *err);

/* Adds every good record of a ledger of stage evaluate (fields key, patient, scores), in their
 * order. SM_INPUT names the record and the field. */
enum sm_status sm_scorebook_read(struct sm_scorebook *book, struct sm_records *records,
				 const struct sm_label_map *map, const struct sm_columns *columns,
				 struct sm_err *err);

/* These may be called by several threads while none adds. */
size_t sm_scorebook_cases(const struct sm_scorebook *book);
size_t sm_scorebook_rows(const struct sm_scorebook *book);
size_t sm_scorebook_columns(const struct sm_scorebook *book);
const char *sm_scorebook_key(const struct sm_scorebook *book, size_t i); /* borrowed */
/* The case of a key; SM_NONE. */
size_t sm_scorebook_find(const struct sm_scorebook *book, const char *key);

/* The cluster of each case, numbered from 0 by first appearance; NULL when no patient has two
 * cases, so that each case stands for itself. Borrowed. Sets *patients (may be NULL) to the number
 * of clusters. */
const uint32_t *sm_scorebook_clusters(const struct sm_scorebook *book, size_t *patients);

/* One cell of every case, one number a case of a row. out has room for all cases. SM_IO. */
enum sm_status sm_scorebook_column(const struct sm_scorebook *book, size_t row, size_t column,
				   struct sm_cell *out, struct sm_err *err);
enum sm_status sm_scorebook_counts(const struct sm_scorebook *book, size_t row,
				   struct sm_counts *out, struct sm_err *err);
enum sm_status sm_scorebook_situations(const struct sm_scorebook *book, size_t row, uint8_t *out,
				       struct sm_err *err);
enum sm_status sm_scorebook_voxels(const struct sm_scorebook *book, double *voxel_mm3,
				   struct sm_err *err);

/* A whole case into scores of the book's shape (sm_case_scores_init); quick in the order of cases.
 * One thread at a time. SM_IO, SM_BUDGET. */
enum sm_status sm_scorebook_case(struct sm_scorebook *book, size_t i, struct sm_case_scores *out,
				 struct sm_err *err);

/* The value of a cell as statistics take it: NaN without one, infinity for SM_IS_INFINITE. */
double sm_cell_number(const struct sm_cell *cell);

void sm_scorebook_close(struct sm_scorebook *book); /* NULL is fine */

#endif
