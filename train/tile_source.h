/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles straight from the volumes of preprocess, without stage tile: each case is read once and
 * unpacked into a file without a name ($TMPDIR, or /tmp), out of which tiles are cut as they are
 * needed. Where they lie is the rule of the manifest's section tile. Those of epoch 0 are the ones
 * that stage tile would write; each later epoch draws new ones (not of rule grid, which draws
 * nothing).
 */
#ifndef SM_TRAIN_TILE_SOURCE_H
#define SM_TRAIN_TILE_SOURCE_H

#include "core/stage.h"
#include "train/loader.h"

struct sm_tile_source;

/* The cases of dir, a folder of preprocess, whose labels may be 0 to most; reads no volume yet. run
 * and its manifest must outlive *out. The caller closes it. */
enum sm_status sm_tile_source_open(struct sm_run *run, const char *dir, int most,
				   struct sm_tile_source **out, struct sm_err *err);
void sm_tile_source_close(struct sm_tile_source *source); /* NULL is fine */

/* The ledger of that folder, borrowed. */
const struct sm_ledger *sm_tile_source_ledger(const struct sm_tile_source *source);
/* Names of the channels, borrowed; NULL before the first case. */
const json_t *sm_tile_source_channels(const struct sm_tile_source *source);

/* What lists of tiles take (train/loader.h), borrowed.
 * add: reads and unpacks the case, unless it is there already. SM_INPUT: no such case, what
 * sm_cases_load and sm_tile_make_ready refuse, other channels than those of the cases before, a
 * label above `most`, no position for a tile. SM_IO: no room for it. For one thread.
 * read: when the rule finds fewer positions than in epoch 0 they come round again; when it finds
 * none they are those of epoch 0. The result depends on key, seed, epoch, rule and volumes alone.
 * bytes: of the cases added so far. */
const struct sm_tile_feed *sm_tile_source_feed(const struct sm_tile_source *source);

/* MiB that the process had taken at most when the last case was unpacked. */
double sm_tile_source_peak(const struct sm_tile_source *source);

/* Bytes of the cases added so far, unpacked on disk. */
uint64_t sm_tile_source_unpacked(const struct sm_tile_source *source);

#endif
