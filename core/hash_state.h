/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the hashes: core/hash.c and core/hash_pair.c. Not for other modules.
 */
#ifndef SM_CORE_HASH_STATE_H
#define SM_CORE_HASH_STATE_H

/* libcrypto's EVP would do the same, but its first digest costs 1.8 MiB of resident memory and some
 * milliseconds (providers, openssl.cnf), in every program of the house: SHA256_* has neither. */
#define OPENSSL_API_COMPAT 10101
#include <openssl/sha.h>

#include "core/hash.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sm_sha256), "the context fits");

static inline SHA256_CTX *sm_sha256_context(struct sm_sha256 *h)
{
	return (SHA256_CTX *)(void *)h->state;
}

#endif
