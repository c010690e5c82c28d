/* SPDX-License-Identifier: Apache-2.0
 *
 * files.sha256 beside a ledger: the hash of every output's bytes as they stand on this disk, in the form
 * that `sha256sum -c` reads. The ledger holds identities (of uncompressed content), which another version of
 * a compressor does not change; this list finds any changed byte.
 */
#ifndef SM_CORE_SUMS_H
#define SM_CORE_SUMS_H

#include "core/ledger.h"

#define SM_SUMS_NAME "files.sha256"

/* Writes DIR/files.sha256 into the set (core/file.h; NULL = at once): the ledger to be (its records must be
 * sorted), then the outputs that it names by path. `known` (may be NULL) is an object path -> hash of files written
 * just now; others are hashed, on up to jobs threads. */
struct sm_outset;
enum sm_status sm_sums_write(const struct sm_ledger *ledger, const char *dir, const json_t *known, int jobs,
			     struct sm_outset *set, struct sm_err *err);

/* Reads DIR/files.sha256 as an object path -> hash (new reference). SM_INPUT when it is missing or a
 * line is not "HASH  PATH". */
enum sm_status sm_sums_read(const char *dir, json_t **sums, struct sm_err *err);

#endif
