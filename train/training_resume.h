/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a training: what decides its weights, and an earlier training in its folder.
 */
#ifndef SM_TRAIN_TRAINING_RESUME_H
#define SM_TRAIN_TRAINING_RESUME_H

#include "train/training.h"

#define SM_RESUME_CANNOT "--resume cannot go on (--restart starts from the beginning)"

/* Fills fit.state.settings and fingerprint: settings but those that decide no weight, data, fold.
 * SM_USAGE: longer than a checkpoint can hold. */
enum sm_status sm_training_fingerprint(struct sm_training *t, struct sm_err *err);

/* Looks for an earlier training in the folder. With --resume it becomes fit.state, and fit.fresh is
 * false; SM_USAGE, with the setting that differs, when it is another training: nothing is touched.
 * Without it, or with --restart, it will be replaced (fit.fresh, fit.replaced), and that is said.
 */
enum sm_status sm_training_look(struct sm_training *t, struct sm_err *err);

#endif
