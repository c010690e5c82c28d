/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of exported tensors: those of the MONAI network that a network of train/models is most
 * like, by a table of rules; our own ("enc0.conv1.weight"), which are PyTorch-like, where MONAI has
 * none.
 */
#ifndef SM_TRAIN_EXPORT_NAMES_H
#define SM_TRAIN_EXPORT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* The MONAI network whose names `model` gets, or NULL. */
const char *sm_export_like(const char *model);

/* Name of the tensor `own` of `model`; deepest: largest # of its stages "enc#" (0 without one).
 * False when no rule of the model's names it: out is then `own`. */
bool sm_export_name(const char *model, const char *own, int deepest, char *out, size_t room);

#endif
