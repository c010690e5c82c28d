/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of ingest or preprocess as split sees them: patient and content hashes of images.
 */
#ifndef SM_PREPROCESS_SPLIT_CASES_H
#define SM_PREPROCESS_SPLIT_CASES_H

#include "core/mem.h"
#include "preprocess/cases.h"
#include "preprocess/split.h"

/* Fills out[cases->count], which may hold anything before: no fold, nothing joined. Strings are
 * borrowed from the records, lists of images live in the arena. SM_INPUT when a record names no
 * patient. */
enum sm_status sm_split_cases_of(const struct sm_cases *cases, struct sm_arena *arena,
				 struct sm_split_case *out, struct sm_err *err);

/* The number of the fold among k that a record of the split tells; -1 = none. */
int64_t sm_split_index_of(const json_t *record);

#endif
