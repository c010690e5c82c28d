/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of a salt file: it is a secret. Who has it beside the data can confirm any identifier.
 */
#ifndef SM_INGEST_SALT_FILE_H
#define SM_INGEST_SALT_FILE_H

#include "core/log.h"
#include "ingest/salt.h"

/* Salts shorter than this can be guessed. */
#define SM_SALT_LEAST 16

/* Reads the salt file (see sm_salt_read; path NULL gives the empty salt). SM_USAGE when it lies
 * below the folder `in` or `out` (each may be NULL), where it would travel with the data. Warns in
 * the log about a salt of fewer than SM_SALT_LEAST bytes and about a file that everybody on the
 * machine may read. */
enum sm_status sm_salt_open(const char *path, const char *in, const char *out, struct sm_log *log,
			    struct sm_salt *salt, struct sm_err *err);

#endif
