/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash_state.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void to_hex(const unsigned char *digest, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < 32; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[64] = 0;
}

void sm_sha256_init(struct sm_sha256 *h)
{
	SHA256_Init(sm_sha256_context(h));
}

void sm_sha256_final(struct sm_sha256 *h, char hex[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH] = {0};
	SHA256_Final(digest, sm_sha256_context(h));
	to_hex(digest, hex);
}

struct sm_sha256 *sm_sha256_begin(void)
{
	struct sm_sha256 *h = malloc(sizeof *h);
	if (h)
		sm_sha256_init(h);
	return h;
}

void sm_sha256_add(struct sm_sha256 *h, const void *bytes, size_t n)
{
	if (h && n)
		SHA256_Update(sm_sha256_context(h), bytes, n);
}

void sm_sha256_end(struct sm_sha256 *h, char hex[65])
{
	unsigned char none[SHA256_DIGEST_LENGTH] = {0};
	if (h)
		sm_sha256_final(h, hex);
	else
		to_hex(none, hex);
	free(h);
}

void sm_sha256_bytes(const void *bytes, size_t n, char hex[65])
{
	SHA256_CTX ctx;
	unsigned char digest[SHA256_DIGEST_LENGTH] = {0};
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, bytes, n);
	SHA256_Final(digest, &ctx);
	to_hex(digest, hex);
}

enum sm_status sm_sha256_file(const char *path, char hex[65], struct sm_err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", path, strerror(errno));
	struct sm_sha256 h;
	sm_sha256_init(&h);
	unsigned char block[1 << 16];
	size_t n;
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		sm_sha256_add(&h, block, n);
	int failed = ferror(f);
	fclose(f);
	sm_sha256_final(&h, hex);
	if (failed)
		return SM_FAIL(err, SM_IO, "%s: reading failed", path);
	return SM_OK;
}

/* HMAC of RFC 2104 with SHA-256. */
void sm_hmac_sha256(const void *salt, size_t salt_n, const void *text, size_t n, char hex[65])
{
	unsigned char key[SHA256_CBLOCK] = {0}, inner[SHA256_DIGEST_LENGTH],
		      digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;
	if (salt_n > sizeof key) {
		SHA256_Init(&ctx);
		SHA256_Update(&ctx, salt, salt_n);
		SHA256_Final(key, &ctx);
	} else if (salt_n) {
		memcpy(key, salt, salt_n);
	}
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= 0x36;
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, key, sizeof key);
	SHA256_Update(&ctx, text, n);
	SHA256_Final(inner, &ctx);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, key, sizeof key);
	SHA256_Update(&ctx, inner, sizeof inner);
	SHA256_Final(digest, &ctx);
	OPENSSL_cleanse(key, sizeof key); /* the salt */
	to_hex(digest, hex);
}
