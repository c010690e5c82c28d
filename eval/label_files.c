/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/label_files.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"

size_t sm_label_stem(const char *path)
{
	/* What other systems put beside a file (._case.nii.gz) begins with a dot. */
	return strchr(path, '/') || *path == '.' ? 0 : sm_nii_stem(path);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct sm_named *)a)->key, ((const struct sm_named *)b)->key);
}

static bool name_it(struct sm_named *one, const char *path, size_t stem, struct sm_arena *arena)
{
	char hex[65];
	one->file = sm_arena_strdup(arena, path);
	one->key = sm_arena_strf(arena, "%.*s", (int)stem, path);
	one->misnamed = one->key && (!sm_key_is_safe(one->key) || sm_key_is_reserved(one->key));
	if (one->misnamed) {
		sm_sha256_bytes(one->key, stem, hex);
		one->key = sm_arena_strf(arena, "misnamed-%.12s", hex);
	}
	return one->file && one->key;
}

enum sm_status sm_label_files(const char *dir, const char *where, struct sm_arena *arena,
			      struct sm_named **out, size_t *n, struct sm_err *err)
{
	struct sm_paths paths = {0};
	enum sm_status st;
	*n = 0;
	SM_GOTO(st, sm_walk(dir, &paths, err));
	*out = sm_arena_alloc(arena, (paths.count + 1) * sizeof **out);
	if (!*out)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "list of cases: out of memory"));
	for (size_t i = 0; i < paths.count; i++) {
		size_t stem = sm_label_stem(paths.path[i]);
		if (stem && !name_it(&(*out)[(*n)++], paths.path[i], stem, arena))
			SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "list of cases: out of memory"));
	}
	qsort(*out, *n, sizeof **out, by_key);
	for (size_t i = 1; i < *n; i++)
		if (strcmp((*out)[i - 1].key, (*out)[i].key) == 0)
			SM_GOTO(st, SM_FAIL(err, SM_INPUT,
					    "%s: has both %s and %s, allowed is one of them", where,
					    (*out)[i - 1].file, (*out)[i].file));
	if (!*n)
		st = SM_FAIL(err, SM_INPUT, "%s: has no file whose name ends in .nii or .nii.gz",
			     where);
out:
	sm_paths_clear(&paths);
	return st;
}

const struct sm_named *sm_label_file(const struct sm_named *files, size_t n, const char *key)
{
	struct sm_named want = {.key = key};
	return n ? bsearch(&want, files, n, sizeof want, by_key) : NULL;
}

enum sm_status sm_misnamed(const struct sm_named *file, const char *where, struct sm_err *err)
{
	return SM_FAIL(err, SM_INPUT,
		       "%s: the name %s is no name of a case: allowed are 1 to 100 letters, digits, "
		       "'_', '-' and '.', not first, and no ending %s",
		       where, file->file, SM_KEYS_RESERVED);
}
