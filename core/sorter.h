/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts by key, sorted, any number of them in constant memory: what does not fit goes to a spool
 * (core/spool.h) in sorted runs, which are merged when they are asked
 * for. */
#ifndef SM_CORE_SORTER_H
#define SM_CORE_SORTER_H

#include <stddef.h>

#include "core/err.h"

struct sm_sorter;

/* `dir` as for a spool, borrowed. room: bytes kept in memory, 0 = 256 KiB. NULL when out of
 * memory. */
struct sm_sorter *sm_sorter_new(const char *dir, size_t room);
void sm_sorter_free(struct sm_sorter *s); /* NULL is fine */

/* Adds a key and what belongs to it. Thread-safe, before the first sm_sorter_next. */
enum sm_status sm_sorter_add(struct sm_sorter *s, const char *key, const char *text,
			     struct sm_err *err);

/* The next in the order of keys, then of texts; *key is NULL behind the last. Both are valid until
 * the next call. */
enum sm_status sm_sorter_next(struct sm_sorter *s, const char **key, const char **text,
			      struct sm_err *err);

#endif
