/* SPDX-License-Identifier: Apache-2.0
 *
 * Finished items on their way to the disk: a thread of its own notes in the journal which names
 * come, syncs their files, gives them these names and then notes the items in the journal, while
 * the items after them are at
 * work. */
#ifndef SM_CORE_SETTLE_H
#define SM_CORE_SETTLE_H

#include <jansson.h>

#include "core/err.h"
#include "core/file.h"
#include "core/journal.h"

struct sm_settler;

/* The journal is borrowed. SM_BUDGET. */
enum sm_status sm_settler_begin(struct sm_journal *journal, struct sm_settler **out,
				struct sm_err *err);

/* Takes over the files of an item, which is empty afterwards, and its record and the hashes of its
 * bytes (sm_journal_add), also on failure. Waits while many items are on their way. Once an earlier
 * item has failed: its error, and the files are removed. Thread-safe. */
enum sm_status sm_settler_add(struct sm_settler *settler, struct sm_outset *files, json_t *record,
			      json_t *bytes, struct sm_err *err);

/* Waits for all items and frees; NULL is fine. The first failure. */
enum sm_status sm_settler_end(struct sm_settler *settler, struct sm_err *err);

#endif
