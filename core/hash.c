/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
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

/* struct sm_sha256 is libcrypto's context under our name. */
static EVP_MD_CTX *ctx_of(struct sm_sha256 *h)
{
	return (EVP_MD_CTX *)(void *)h;
}

struct sm_sha256 *sm_sha256_begin(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return (struct sm_sha256 *)(void *)ctx;
}

void sm_sha256_add(struct sm_sha256 *h, const void *bytes, size_t n)
{
	if (h && n)
		EVP_DigestUpdate(ctx_of(h), bytes, n);
}

void sm_sha256_end(struct sm_sha256 *h, char hex[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	if (h) {
		EVP_DigestFinal_ex(ctx_of(h), digest, NULL);
		EVP_MD_CTX_free(ctx_of(h));
	}
	to_hex(digest, hex);
}

void sm_sha256_bytes(const void *bytes, size_t n, char hex[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL);
	to_hex(digest, hex);
}

enum sm_status sm_sha256_file(const char *path, char hex[65], struct sm_err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", path, strerror(errno));
	struct sm_sha256 *h = sm_sha256_begin();
	unsigned char block[1 << 16];
	size_t n;
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		sm_sha256_add(h, block, n);
	int failed = ferror(f);
	fclose(f);
	sm_sha256_end(h, hex);
	if (failed)
		return SM_FAIL(err, SM_IO, "%s: reading failed", path);
	return SM_OK;
}

void sm_hmac_sha256(const void *salt, size_t salt_n, const void *text, size_t n, char hex[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	HMAC(EVP_sha256(), salt, (int)salt_n, text, n, digest, NULL);
	to_hex(digest, hex);
}
