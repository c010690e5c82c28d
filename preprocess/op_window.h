/* SPDX-License-Identifier: Apache-2.0
 *
 * The named windows of operation window, for those who ask what its numbers were before.
 */
#ifndef SM_PREPROCESS_OP_WINDOW_H
#define SM_PREPROCESS_OP_WINDOW_H

#include <stdbool.h>

/* Low and high end, HU, of the window of that name; false for "none", NULL and what is none. */
bool sm_window_preset(const char *name, double range[2]);

#endif
