/* SPDX-License-Identifier: Apache-2.0
 *
 * A file without a name for what grows with the number of cases: written at its end, read anywhere,
 * gone with the process. It is made when the first byte
 * comes. */
#ifndef SM_CORE_SPOOL_H
#define SM_CORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct sm_spool {
	const char *dir; /* borrowed: where it stands; NULL = $TMPDIR, or /tmp */
	int fd;
	bool made;
	uint64_t end;    /* bytes in it */
};

/* Adds n bytes; *at (may be NULL) is where they begin. SM_IO. One thread at a time. */
enum sm_status sm_spool_add(struct sm_spool *spool, const void *bytes, size_t n, uint64_t *at,
			    struct sm_err *err);
void sm_spool_clear(struct sm_spool *spool);

/* Exactly n bytes of a file from `at` on; `name` begins the sentence. SM_IO when the file is
 * shorter by now. Thread-safe. */
enum sm_status sm_read_at(int fd, uint64_t at, void *bytes, size_t n, const char *name,
			  struct sm_err *err);

#endif
