/* SPDX-License-Identifier: Apache-2.0
 *
 * The network of a training, planned from its settings, and its memory held against the budget
 * before any of it is taken.
 */
#ifndef SM_TRAIN_TRAINING_PLAN_H
#define SM_TRAIN_TRAINING_PLAN_H

#include "train/training.h"

/* Bytes of the process without a network, batches and oneDNN at work, lists of cases that are there
 * included. */
size_t sm_training_program(void);

/* Plans fit.net for loader.micro samples at once and sets fit.state.parameters and forecast (MiB);
 * fit.state, loader and volume_bytes are set before. SM_BUDGET when it does not fit, with the
 * largest train.micro_batch that does. sm_training_close frees the network. */
enum sm_status sm_training_plan(struct sm_training *t, struct sm_err *err);

#endif
