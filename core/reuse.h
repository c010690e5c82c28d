/* SPDX-License-Identifier: Apache-2.0
 *
 * Which outputs of an earlier run an item may keep (part of core/item.c): those whose bytes are the ones that were
 * written, of inputs that are still what the item's record says.
 */
#ifndef SM_CORE_REUSE_H
#define SM_CORE_REUSE_H

#include "core/stage.h"

/* True when an earlier run's record fits the item (its inputs declared, its fingerprint made) and its outputs, byte
 * for byte, and the inputs are still what they were. The hashes of the bytes are noted in the item then. */
bool sm_reuse_fits(struct sm_item *item, const json_t *earlier);

/* Before a good item's files get their names: notes the hash of the bytes of each output that lacks one, in the item
 * and in the journal. */
enum sm_status sm_reuse_note(struct sm_item *item, struct sm_err *err);

/* Before the items: reads the list of bytes of a folder that has their inputs. */
void sm_reuse_parent(struct sm_run *run, const struct sm_ledger *parent, const char *dir);

#endif
