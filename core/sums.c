/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sums.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"

#define MAX_SUMS ((size_t)1 << 28)

struct sum {
	const char *path, *identity; /* borrowed from the ledger */
	char hex[65];
};

struct sums {
	const char *dir;
	const json_t *written; /* path -> hash of the bytes, of some */
	struct sum *v;
	size_t n;
};

static size_t add_outputs(struct sum *v, size_t n, const json_t *record)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), k, output)
	{
		const char *path = sm_json_text(output, "path");
		if (path && v)
			v[n] = (struct sum){.path = path, .identity = sm_json_text(output, "sha256")};
		n += path != NULL;
	}
	return n;
}

static size_t collect(const struct sm_ledger *ledger, struct sum *v)
{
	size_t i, n = add_outputs(v, 0, ledger->header);
	json_t *record;
	json_array_foreach(ledger->records, i, record)
		n = add_outputs(v, n, record);
	return n;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct sum *)a)->path, ((const struct sum *)b)->path);
}

static enum sm_status hash_one(void *ctx, size_t i, struct sm_err *err)
{
	struct sums *s = ctx;
	const char *path = s->v[i].path, *known = sm_json_text(s->written, path);
	char *full = sm_path_join(s->dir, s->v[i].path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->v[i].path);
	/* Where the hash of the bytes is known already, they need not be read again, but must be there. */
	enum sm_status st = SM_OK;
	if (!known && sm_content_is_bytes(path))
		known = s->v[i].identity;
	if (known && strlen(known) == 64 && sm_file_exists(full))
		memcpy(s->v[i].hex, known, sizeof s->v[i].hex);
	else
		st = sm_sha256_file(full, s->v[i].hex, err);
	free(full);
	return st;
}

enum sm_status sm_sums_write(const struct sm_ledger *ledger, const char *dir, const json_t *known, int jobs,
			     struct sm_outset *set, struct sm_err *err)
{
	enum sm_status st;
	struct sm_outfile out = {0};
	struct sums s = {.dir = dir, .written = known, .n = collect(ledger, NULL)};
	char *path = sm_path_join(dir, SM_SUMS_NAME);
	s.v = calloc(s.n ? s.n : 1, sizeof *s.v);
	if (!s.v || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		goto out;
	}
	collect(ledger, s.v);
	qsort(s.v, s.n, sizeof *s.v, by_path);
	SM_GOTO(st, sm_par_for(s.n, jobs, hash_one, &s, err));
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	/* The ledger itself comes first; it is not on the disk yet. */
	char hex[65];
	SM_GOTO(st, sm_ledger_hash(ledger, hex, err));
	bool good = fprintf(out.stream, "%s  " SM_LEDGER_NAME "\n", hex) > 0;
	for (size_t i = 0; i < s.n && good; i++)
		good = fprintf(out.stream, "%s  %s\n", s.v[i].hex, s.v[i].path) > 0;
	st = good ? sm_outset_add(set, &out, err) : SM_FAIL(err, SM_IO, "%s: writing failed", path);
out:
	sm_outfile_abandon(&out);
	free(s.v);
	free(path);
	return st;
}

/* Adds one line "HASH  PATH"; false when it is not one. */
static bool take_line(json_t *sums, const char *line, size_t n)
{
	if (n < 67 || strspn(line, "0123456789abcdef") != 64 || line[64] != ' ' || line[65] != ' ')
		return false;
	json_t *hex = json_stringn(line, 64);
	char *path = sm_strf("%.*s", (int)(n - 66), line + 66);
	bool good = hex && path && json_object_set(sums, path, hex) == 0;
	free(path);
	json_decref(hex);
	return good;
}

enum sm_status sm_sums_read(const char *dir, json_t **sums, struct sm_err *err)
{
	unsigned char *text = NULL;
	size_t size = 0, line = 1;
	char *path = sm_path_join(dir, SM_SUMS_NAME);
	enum sm_status st;
	*sums = NULL;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	if (!sm_file_exists(path)) {
		st = SM_FAIL(err, SM_INPUT, "%s: is missing", SM_SUMS_NAME);
		goto out;
	}
	SM_GOTO(st, sm_file_read(path, MAX_SUMS, NULL, &text, &size, err));
	*sums = json_object();
	for (const char *p = (char *)text; *p && st == SM_OK; line++) {
		size_t n = strcspn(p, "\n");
		if (p[n] != '\n' || !take_line(*sums, p, n))
			st = SM_FAIL(err, SM_INPUT, "%s: line %zu: is not 'HASH  PATH'", SM_SUMS_NAME, line);
		p += n + (p[n] == '\n');
	}
out:
	if (st != SM_OK) {
		json_decref(*sums);
		*sums = NULL;
	}
	sm_free(text);
	free(path);
	return st;
}
