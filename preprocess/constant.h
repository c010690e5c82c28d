/* SPDX-License-Identifier: Apache-2.0
 *
 * Images that show nothing: one rule for all stages that cut samples.
 */
#ifndef SM_PREPROCESS_CONSTANT_H
#define SM_PREPROCESS_CONSTANT_H

#include "preprocess/case.h"

/* SM_INPUT with a sentence when one of the n channels of a stacked image from `first` on, or a
 * whole other volume (its frames or colours together: one of them may be empty), has the same
 * stored value in every voxel. `name` is the volume's role. */
enum sm_status sm_case_shows(const struct sm_case *c, const struct sm_vol *vol, int64_t first,
			     int64_t n, const char *name, struct sm_err *err);

#endif
