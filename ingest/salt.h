/* SPDX-License-Identifier: Apache-2.0
 *
 * Names without persons: keys and hashes made from DICOM identifiers by HMAC-SHA-256 under a salt
 * that the user keeps. With an empty salt anyone who knows an identifier can confirm its hash.
 */
#ifndef SM_INGEST_SALT_H
#define SM_INGEST_SALT_H

#include <stddef.h>

#include "core/err.h"
#include "core/mem.h"

struct sm_salt {
	unsigned char *bytes; /* owned */
	size_t n;
};

/* Reads the salt file (1..4096 bytes, taken as they are; another size is SM_USAGE). path NULL gives
 * the empty salt. */
enum sm_status sm_salt_read(const char *path, struct sm_salt *out, struct sm_err *err);
void sm_salt_clear(struct sm_salt *salt);

/* 64 hex digits of HMAC-SHA-256(salt, text). */
void sm_salt_hash(const struct sm_salt *salt, const char *text, char hex[65]);

/* First 12 hex digits of the salted hash of a file's path relative to the root: how sentences call
 * a file whose path may name a person. */
void sm_file_alias(const struct sm_salt *salt, const char *path, char out[13]);

#endif
