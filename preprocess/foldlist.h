/* SPDX-License-Identifier: Apache-2.0
 *
 * The split as the stages behind it use it: the fold of each case, and config.json, which lists
 * outputs by fold. Shared by tile, slice and pair.
 */
#ifndef SM_PREPROCESS_FOLDLIST_H
#define SM_PREPROCESS_FOLDLIST_H

#include "core/stage.h"
#include "manifests/folds.h"
#include "preprocess/cases.h"

/* Reads the ledger of split in dir; every case must stand in it with a fold (SM_INPUT), or with
 * fold "none": split leaves it out, and so does this, from cases->records. SM_INPUT, too, when
 * patients or images of these cases (as their own records tell them) stand in two folds, however
 * the ledger came to say so, or when it names another patient for a case than the case's own record
 * does. The caller clears it. */
enum sm_status sm_folds_read(struct sm_run *run, const char *dir, struct sm_cases *cases,
			     struct sm_ledger *split, struct sm_err *err);

/* What a stage that cuts samples begins with: sm_cases_open, the check of the operations when it is
 * ingest's folder, for they will run then, and sm_folds_read of `dir` (NULL = no split). The caller
 * clears both, also on failure. */
enum sm_status sm_folds_open(struct sm_run *run, const char *dir, struct sm_cases *cases,
			     struct sm_ledger *split, struct sm_err *err);

/* The fold of a case that sm_folds_read has checked; SM_FOLDS, too, when the ledger cannot be read
 * any more. */
enum sm_fold sm_folds_of(const struct sm_ledger *split, const char *key);

/* {"train": [], "test": [], "valid": []}, a new reference; NULL when out of memory. */
json_t *sm_config_new(void);

/* Writes config.json into run->out and names it in the ledger's header, since it belongs to no
 * case. Takes the reference, also on failure. */
enum sm_status sm_config_write(struct sm_run *run, json_t *config, struct sm_err *err);

/* Warns of folds of which the stage was given cases (good and rejected ones), but no sample came.
 * Not with --only. */
void sm_folds_warn(struct sm_run *run, const size_t cases[SM_FOLDS],
		   const size_t samples[SM_FOLDS]);

/* sm_config_write of the file names of all outputs by the fold of their case; prints cases and
 * samples by fold on stdout, and warns as sm_folds_warn does. `samples` tells how many a good
 * record has; a fold's cases are those that sm_folds_warn speaks of. */
enum sm_status sm_config_outputs(struct sm_run *run, const struct sm_ledger *split,
				 size_t (*samples)(const json_t *record), struct sm_err *err);

#endif
