/* SPDX-License-Identifier: Apache-2.0
 *
 * The builders behind the rows of models.c.
 */
#ifndef SM_TRAIN_BUILDERS_H
#define SM_TRAIN_BUILDERS_H

#include "train/models/models.h"

void sm_build_unet3d(struct sm_graph *g, const struct sm_model_opt *opt, struct sm_heads *heads);

#endif
