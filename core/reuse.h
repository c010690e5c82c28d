/* SPDX-License-Identifier: Apache-2.0
 *
 * Which outputs of an earlier run an item may keep (part of core/item.c): those whose bytes are the
 * ones that were written, of inputs that are still what the item's record
 * says. */
#ifndef SM_CORE_REUSE_H
#define SM_CORE_REUSE_H

#include "core/stage.h"

/* True when an earlier run's record fits the item (its inputs declared, its fingerprint made) and
 * its outputs, byte for byte, and the inputs are still what they were. The hashes of the bytes are
 * noted in the item then. */
bool sm_reuse_fits(struct sm_item *item, const json_t *earlier);

/* Before a good item's files get their names: notes the hash of the bytes of each output that lacks
 * one in the item. */
enum sm_status sm_reuse_note(struct sm_item *item, struct sm_err *err);

/* A folder that has inputs of the items. */
struct sm_parent {
	const char *dir;
	struct sm_records *records; /* shared with the stage's own ledger */
	struct sm_sums *sums;       /* may be NULL: not needed, or not of this ledger */
	struct sm_parent *next;
};

/* Keeps hold of a parent's ledger; with --resume of its list of bytes, too. */
enum sm_status sm_reuse_parent(struct sm_run *run, const struct sm_ledger *parent, const char *dir,
			       struct sm_err *err);
/* SM_IO when a parent's ledger was changed while it was read: what was made of it is nothing
 * worth. */
enum sm_status sm_reuse_check(const struct sm_run *run, struct sm_err *err);
void sm_reuse_clear(struct sm_run *run);

#endif
