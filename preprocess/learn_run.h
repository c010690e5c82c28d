/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill preprocess --learn N: runs the steps before step N on the training cases and prints that
 * step with the numbers learnt from them.
 */
#ifndef SM_PREPROCESS_LEARN_RUN_H
#define SM_PREPROCESS_LEARN_RUN_H

#include "preprocess/cases.h"

/* Prints step `number` (from 1) of the manifest as YAML on stdout. With split (a folder of stage
 * split) only cases of its fold train count, else all. Cases that the steps reject are left out
 * with a warning each, or with --strict stop it; the sums go in the order of the keys, so that the
 * numbers do not depend on --jobs. SM_USAGE when the step learns nothing, SM_INPUT when no case is
 * left. */
enum sm_status sm_learn_run(struct sm_run *run, struct sm_cases *cases, int64_t number,
			    const char *split, struct sm_err *err);

#endif
