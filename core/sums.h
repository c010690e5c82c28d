/* SPDX-License-Identifier: Apache-2.0
 *
 * files.sha256 beside a ledger: the hash of every output's bytes as they stand on this disk, in the
 * form that `sha256sum -c` reads. The ledger holds identities (of uncompressed content), which
 * another version of a compressor does not change; this list finds any changed
 * byte. */
#ifndef SM_CORE_SUMS_H
#define SM_CORE_SUMS_H

#include "core/ledger.h"

#define SM_SUMS_NAME "files.sha256"

/* Writes DIR/files.sha256 into the set (core/file.h; NULL = at once): the ledger to be (its records
 * must be sorted), then the outputs that it names by path. A record's note (core/records.h; may be
 * missing) is an object path -> hash of files written just now; others are hashed, on up to jobs
 * threads. */
struct sm_outset;
enum sm_status sm_sums_write(const struct sm_ledger *ledger, const char *dir, int jobs,
			     struct sm_outset *set, struct sm_err *err);

/* A list that stands on the disk; in memory is a number for every 64 lines. */
struct sm_sums;

/* Reads DIR/files.sha256, which stays open. SM_INPUT when it is missing, a line is not "HASH PATH",
 * or the paths are not in order. */
enum sm_status sm_sums_open(const char *dir, struct sm_sums **out, struct sm_err *err);
/* The hash of the ledger that the list belongs to, "" when it names none. */
const char *sm_sums_ledger(const struct sm_sums *sums);
/* The hash of an output's bytes; false when the list has it not. sums may be NULL. Thread-safe. */
bool sm_sums_find(const struct sm_sums *sums, const char *path, char hex[65]);
size_t sm_sums_count(const struct sm_sums *sums); /* lines, with the ledger's */
void sm_sums_close(struct sm_sums *sums); /* NULL is fine */

#endif
