/* SPDX-License-Identifier: Apache-2.0
 *
 * What stage pair says of its samples: a case's record, and over all cases config.json, counts and
 * leakage in the ledger's header.
 */
#ifndef SM_PREPROCESS_PAIR_CONFIG_H
#define SM_PREPROCESS_PAIR_CONFIG_H

#include "preprocess/pair.h"

/* Adds to record["sets"]: domain ("" or "a", "b"), images (names), slices, folds ({"train": [sample
 * numbers], ...}; absent with SM_BY_FIRST, where they depend on other cases), left_out, size
 * (width, height), pixel_mm, slice_mm, and windows of pictures. */
void sm_pair_note(const struct sm_pair_set *set, json_t *record);

/* After all cases: with SM_BY_FIRST gives the first held_out samples of each domain (cases by key,
 * slices in order) to the fold test; writes config.json; prints samples by domain and fold; notes
 * in the header "counts" and "shared_patients" (patients in several folds), with a warning where
 * figures will be too good. `split` is the ledger of the folds with SM_BY_PATIENT, else NULL: folds
 * that get no sample though they have cases are warned of. SM_INPUT when a domain of unpaired has
 * fewer than 2 samples. */
enum sm_status sm_pair_finish(struct sm_run *run, const struct sm_pair_section *s,
			      const double shares[SM_FOLDS], const struct sm_ledger *split,
			      struct sm_err *err);

/* What the samples of a finished stage pair are, whatever was before it: SHA-256 over config.json's
 * hash (folds and slices) and path and content hash of each output, in the ledger's order. Ledgers
 * that differ in their parents alone have the same. SM_IO when the ledger cannot be read any
 * more. */
enum sm_status sm_pair_samples_sha256(const struct sm_ledger *pair, char sha256[65],
				      struct sm_err *err);

#endif
