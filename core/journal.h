/* SPDX-License-Identifier: Apache-2.0
 *
 * What an earlier run of a stage finished, so that --resume can go on: the records of its ledger,
 * or of the journal that a killed run left (.journal.partial, one record a line, appended as
 * items finish). Used by core/stage.c and core/item.c.
 */
#ifndef SM_CORE_JOURNAL_H
#define SM_CORE_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/ledger.h"

struct sm_journal;

/* Reads what an earlier run of `stage` left in dir (a cut last line is ignored) and changes
 * nothing. SM_USAGE when dir holds another stage's outputs, or files but neither ledger nor
 * journal: a wrong --out must not cost anybody a data set. */
enum sm_status sm_journal_open(const char *dir, const char *stage, struct sm_journal **out,
			       struct sm_err *err);

/* Called before the first output is written; again is fine. Starts a new journal with the same
 * records (atomically; `only` is the new ledger's list of keys, NULL = all items), removes every
 * other `.partial` file that a killed run left, and the old ledger: from now on the stage counts as
 * unfinished. */
enum sm_status sm_journal_begin(struct sm_journal *journal, const json_t *only, struct sm_err *err);

/* True when an earlier run has left something there. *partial: it worked on some items only
 * (--only). */
bool sm_journal_found(const struct sm_journal *journal, bool *partial);

/* The earlier record of key, a new reference; NULL when there is none. Thread-safe. */
json_t *sm_journal_find(struct sm_journal *journal, const char *key);

/* The hashes of the bytes of its outputs, an object path -> hash (new reference) of those that
 * files.sha256 or the journal has; with it alone damage of a file is told from what was written.
 * Thread-safe. */
json_t *sm_journal_bytes(struct sm_journal *journal, const char *key);

/* Appends the outputs of records whose files get their names next, and has that on the disk:
 * whatever happens between a name and its record, the next run knows the file and sweeps it away
 * when nobody wants it. Thread-safe. */
enum sm_status sm_journal_intend(struct sm_journal *journal, const json_t *const *records, size_t n,
				 struct sm_err *err);

/* Appends a finished record, whose files are on the disk already, and the hashes of their bytes (an
 * object path -> hash; may be NULL). The record itself gets there within about a second of further
 * records: a killed run loses none, a power cut at worst the last ones, whose work is done again.
 * Thread-safe. */
enum sm_status sm_journal_add(struct sm_journal *journal, const json_t *record, json_t *bytes,
			      struct sm_err *err);

/* Before the new ledger is written: removes outputs of the earlier run, recorded or only intended,
 * that `ledger` (its records sorted) names no more. */
enum sm_status sm_journal_sweep(struct sm_journal *journal, const struct sm_ledger *ledger,
				struct sm_err *err);

/* After it was written: removes the journal. */
enum sm_status sm_journal_finish(struct sm_journal *journal, struct sm_err *err);

/* Closes and frees, leaving the journal file in place for the next --resume; NULL is fine. */
void sm_journal_close(struct sm_journal *journal);

#endif
