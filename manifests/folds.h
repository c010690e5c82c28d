/* SPDX-License-Identifier: Apache-2.0
 *
 * The folds of a split: what stage split writes and tile, train and predict read.
 */
#ifndef SM_MANIFESTS_FOLDS_H
#define SM_MANIFESTS_FOLDS_H

enum sm_fold { SM_TRAIN, SM_TEST, SM_VALID, SM_FOLDS };

/* "train", "test", "valid". */
const char *sm_fold_name(enum sm_fold fold);

/* The fold of a name; SM_FOLDS when it is none. */
int sm_fold_of(const char *name);

#endif
