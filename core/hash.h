/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 by libcrypto; digests are 64 lower-case hex digits and a zero byte.
 */
#ifndef SM_CORE_HASH_H
#define SM_CORE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* A running hash; the words are libcrypto's. */
struct sm_sha256 {
	uint64_t state[16];
};

/* One that the caller holds: needs no memory and cannot fail. */
void sm_sha256_init(struct sm_sha256 *h);
void sm_sha256_final(struct sm_sha256 *h, char hex[65]);

/* NULL when out of memory, which the caller has to tell. sm_sha256_end frees it; of NULL it makes
 * 64 zeros. */
struct sm_sha256 *sm_sha256_begin(void);
void sm_sha256_add(struct sm_sha256 *h, const void *bytes, size_t n);
/* The same bytes to two hashes, in little more time than to one where both have had a multiple of
 * 64 bytes and the CPU has instructions for it. */
void sm_sha256_add_pair(struct sm_sha256 *a, struct sm_sha256 *b, const void *bytes, size_t n);
void sm_sha256_end(struct sm_sha256 *h, char hex[65]);

void sm_sha256_bytes(const void *bytes, size_t n, char hex[65]);

/* Of a file's bytes as they stand. */
enum sm_status sm_sha256_file(const char *path, char hex[65], struct sm_err *err);

/* HMAC-SHA-256 of text under a salt: patient keys, UID hashes. */
void sm_hmac_sha256(const void *salt, size_t salt_n, const void *text, size_t n, char hex[65]);

/* Identity of an output of scanmill: of .nii.gz the inflated bytes, of .h5 the datasets'
 * uncompressed content, of .png the pixels (sm_image_sha256), of anything else the file's bytes. Of
 * .h5 only in a program that brings core/h5hash.c, SM_INTERNAL in others. */
struct sm_mem;
enum sm_status sm_content_sha256(const char *path, struct sm_mem *mem, char hex[65],
				 struct sm_err *err);

/* True when the identity of an output of this name is the hash of the file's bytes as they
 * stand. */
bool sm_content_is_bytes(const char *path);

#endif
