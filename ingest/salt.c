/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/salt.h"

#include <string.h>

#include "core/file.h"
#include "core/hash.h"

enum sm_status sm_salt_read(const char *path, struct sm_salt *out, struct sm_err *err)
{
	*out = (struct sm_salt){0};
	if (!path)
		return SM_OK;
	struct sm_err why = {0};
	enum sm_status st = sm_file_read(path, 4096, NULL, &out->bytes, &out->n, &why);
	if (st != SM_OK)
		return SM_FAIL(err, st == SM_INPUT ? SM_USAGE : st, "--salt-file: %s", why.text);
	if (out->n == 0) {
		sm_salt_clear(out);
		return SM_FAIL(err, SM_USAGE,
			       "--salt-file: the file is empty, allowed are 1..4096 bytes");
	}
	return SM_OK;
}

void sm_salt_clear(struct sm_salt *salt)
{
	sm_free(salt->bytes);
	*salt = (struct sm_salt){0};
}

void sm_salt_hash(const struct sm_salt *salt, const char *text, char hex[65])
{
	sm_hmac_sha256(salt->bytes, salt->n, text, strlen(text), hex);
}

void sm_file_alias(const struct sm_salt *salt, const char *path, char out[13])
{
	char hex[65];
	sm_salt_hash(salt, path, hex);
	memcpy(out, hex, 12);
	out[12] = '\0';
}
