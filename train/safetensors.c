/* SPDX-License-Identifier: Apache-2.0 */
#include "train/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/ledger.h"

#define META_NAME "__metadata__"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sm_safetensor *)a)->name,
		      ((const struct sm_safetensor *)b)->name);
}

/* The header as one line of JSON, keys sorted; NULL when out of memory. */
static char *header_of(const struct sm_safetensor *t, size_t n, const json_t *meta)
{
	json_t *all = json_object();
	bool good = !meta || json_object_set_new(all, META_NAME, json_deep_copy(meta)) == 0;
	int64_t at = 0;
	for (size_t i = 0; good && i < n; i++) {
		const int64_t place[2] = {at, at + (int64_t)(t[i].count * sizeof(float))};
		json_t *one = json_pack("{s:s, s:o, s:o}", "dtype", "F32", "shape",
					sm_json_ints(t[i].dims, (size_t)t[i].rank), "data_offsets",
					sm_json_ints(place, 2));
		good = one && json_object_set_new(all, t[i].name, one) == 0;
		at = place[1];
	}
	char *line = good ? json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	json_decref(all);
	return line;
}

static bool put(FILE *to, const void *bytes, size_t n)
{
	return n == 0 || fwrite(bytes, 1, n, to) == n;
}

enum sm_status sm_safetensors_write(const char *path, struct sm_safetensor *t, size_t n,
				    const json_t *meta, struct sm_err *err)
{
	struct sm_outfile out = {0};
	unsigned char size[8];
	enum sm_status st;
	if (n)
		qsort(t, n, sizeof *t, by_name);
	for (size_t i = 1; i < n; i++)
		if (strcmp(t[i].name, t[i - 1].name) == 0)
			return SM_FAIL(err, SM_INTERNAL, "%s: two tensors are called %s", path,
				       t[i].name);
	char *header = header_of(t, n, meta);
	if (!header)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	size_t length = strlen(header), padded = (length + 7) / 8 * 8;
	for (int i = 0; i < 8; i++)
		size[i] = (unsigned char)(padded >> (8 * i) & 0xff);
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	errno = 0;
	bool good = put(out.stream, size, sizeof size) && put(out.stream, header, length) &&
		    put(out.stream, "       ", padded - length);
	for (size_t i = 0; good && i < n; i++)
		good = put(out.stream, t[i].data, t[i].count * sizeof(float));
	st = good ? sm_outfile_commit(&out, err)
		  : SM_FAIL(err, SM_IO, "%s: cannot be written: %s", path, strerror(errno));
out:
	sm_outfile_abandon(&out);
	free(header);
	return st;
}
