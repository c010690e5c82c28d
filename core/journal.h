/* SPDX-License-Identifier: Apache-2.0
 *
 * What an earlier run of a stage finished, so that --resume can go on: the records of its ledger,
 * or of the journal that a killed run left (.journal.partial, one record a line, appended and
 * synced as items finish). Used by core/stage.c and core/item.c.
 */
#ifndef SM_CORE_JOURNAL_H
#define SM_CORE_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"

struct sm_journal;

/* Reads what stands in dir (a cut last line is ignored), then removes every `.partial` file that a
 * killed run left there, starts a new journal with the same records, and removes the old ledger: from now on the stage counts as unfinished. */
enum sm_status sm_journal_open(const char *dir, struct sm_journal **out, struct sm_err *err);

/* The earlier record of key, borrowed; NULL when there is none. */
const json_t *sm_journal_find(const struct sm_journal *journal, const char *key);

/* Appends a finished record and syncs it. Thread-safe. */
enum sm_status sm_journal_add(struct sm_journal *journal, const json_t *record, struct sm_err *err);

/* After the new ledger was written: removes outputs of earlier records that no record of `records`
 * names any more, and the journal itself. */
enum sm_status sm_journal_finish(struct sm_journal *journal, const json_t *records,
				 struct sm_err *err);

/* Closes and frees, leaving the journal file in place for the next --resume; NULL is fine. */
void sm_journal_close(struct sm_journal *journal);

#endif
