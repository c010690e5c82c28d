/* SPDX-License-Identifier: Apache-2.0
 *
 * A case made ready for tiles, and the manifest's rule: shared by stage tile and by a training that
 * cuts its tiles out of volumes itself.
 */
#ifndef SM_PREPROCESS_TILE_CASE_H
#define SM_PREPROCESS_TILE_CASE_H

#include "core/stage.h"
#include "preprocess/case.h"
#include "preprocess/tile.h"

/* The rule of section tile of the run's manifest; the option --seed goes before the section's. It
 * borrows from the manifest. */
struct sm_tile_rule sm_tile_rule_of(const struct sm_run *run);

/* Checks that tiles can be cut from the case and, with tile.small pad, brings volumes and label to
 * the size of a tile; pad receives the voxels of zeros added on the low sides (x, y, z). SM_INPUT:
 * volumes that are not stacked, no label, other sizes, an image of one single value, a value beyond
 * float32. A case that is too small is sm_tile_choose's to refuse. */
enum sm_status sm_tile_make_ready(struct sm_case *c, const struct sm_tile_section *s,
				  int32_t pad[3], struct sm_err *err);

/* The name of channel i of such a case. */
const char *sm_tile_channel(const struct sm_case *c, int64_t i);

/* SM_INPUT and the sentence when no position was chosen. */
enum sm_status sm_tile_check_count(const struct sm_tile_starts *at, const struct sm_tile_rule *rule,
				   const char *key, struct sm_err *err);

#endif
