/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of a ledger as they stand in a file, a line each. In memory are only their keys and
 * places, about 100 bytes a record however long it is: a record is parsed while it is looked at.
 * The file is a ledger or journal that was read, or a spool (core/spool.h) to which records go as
 * they are
 * made. */
#ifndef SM_CORE_RECORDS_H
#define SM_CORE_RECORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct sm_records;

/* No record. */
#define SM_NONE ((size_t)-1)

/* An empty list whose records shall go to a spool in `dir` (copied; NULL = $TMPDIR or /tmp). NULL
 * when out of memory. */
struct sm_records *sm_records_new(const char *dir);
/* An empty list of records in a file that is being read; takes fd over, also on failure. `name`
 * begins the sentences. */
struct sm_records *sm_records_in(int fd, const char *name);
/* Another owner of the same list; NULL is fine. Not thread-safe. */
struct sm_records *sm_records_share(struct sm_records *r);
/* Frees when this was the last owner; NULL is fine. */
void sm_records_free(struct sm_records *r);

/* Adds a record, and `note`, an object that belongs to it and to no ledger (may be NULL).
 * Thread-safe. */
enum sm_status sm_records_add(struct sm_records *r, const json_t *record, const json_t *note,
			      struct sm_err *err);
/* Notes that line[0..n), without its end, stands at byte `at` of the file and is this record; the
 * note_n bytes before it are its note. */
enum sm_status sm_records_place(struct sm_records *r, const json_t *record, const char *line,
				size_t n, uint64_t at, size_t note_n, struct sm_err *err);

/* Sorts by key; of records of one key the earlier one goes first. */
void sm_records_sort(struct sm_records *r);
/* A key that stands twice in a sorted list, or NULL. */
const char *sm_records_twice(const struct sm_records *r);

/* All of these take NULL for an empty list, and may be called by several threads while none adds or
 * sorts. */
size_t sm_records_count(const struct sm_records *r);
/* Borrowed, as long as the list lives. */
const char *sm_records_key(const struct sm_records *r, size_t i);
bool sm_records_ok(const struct sm_records *r, size_t i);
/* The number of a key in a sorted list, of several the last; SM_NONE. */
size_t sm_records_find(const struct sm_records *r, const char *key);
/* A new reference; NULL for i beyond the last, and when the file is no longer what was read:
 * sm_records_check tells. */
json_t *sm_records_get(struct sm_records *r, size_t i);
json_t *sm_records_note(struct sm_records *r, size_t i);
/* The record's line as it stands in the file, with its end and a zero byte behind it; malloc
 * memory. NULL as above. */
char *sm_records_line(struct sm_records *r, size_t i, size_t *n);
/* The first failure of sm_records_get, _note and _line. */
enum sm_status sm_records_check(struct sm_records *r, struct sm_err *err);

/* Each record in turn. Who leaves the loop early has to json_decref(record); a list that cannot be
 * read ends it early, too. */
#define sm_records_foreach(records, i, record)                                     \
	for ((i) = 0, (record) = sm_records_get((records), 0); (record);           \
	     json_decref(record), (record) = sm_records_get((records), ++(i)))

#endif
