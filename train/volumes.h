/* SPDX-License-Identifier: Apache-2.0
 *
 * Validation on whole volumes: the network of a training over each validation case, as stage
 * predict would run it, and the Dice of its outputs against the case's label.
 */
#ifndef SM_TRAIN_VOLUMES_H
#define SM_TRAIN_VOLUMES_H

#include "core/stage.h"
#include "train/fit.h"

struct sm_volumes;

/* Takes the cases of `dir` (folder of preprocess) that stand in the fold and plans a network like
 * that of c for them; c is borrowed. *bytes is what that takes of the budget, with the largest
 * case. SM_INPUT when there is no such case. */
enum sm_status sm_volumes_open(struct sm_run *run, const char *dir, const struct sm_ledger *split,
			       const struct sm_tiles_fold *fold, const struct sm_checkpoint *c,
			       struct sm_volumes **out, size_t *bytes, struct sm_err *err);
void sm_volumes_close(struct sm_volumes *v); /* NULL is fine */

/* Mean over the cases of the Dice 2 |P and T| / (|P| + |T|) of each channel but the background
 * into dice: P = output above 0.5 (softmax: the largest), T = target; both empty is 1. A struct
 * sm_volumes is ctx of struct sm_fit's hook. */
enum sm_status sm_volumes_dice(void *ctx, struct sm_net *net, double *dice, struct sm_err *err);

#endif
