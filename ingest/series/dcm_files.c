/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"

enum sm_status sm_raw_file_sha256(const char *root, const char *path, const char *name,
				  char hex[65], struct sm_err *err)
{
	char *full = sm_path_join(root, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = sm_sha256_file(full, hex, err);
	free(full);
	return st == SM_IO ? sm_fail_unreadable(err, name) : st;
}

/* Slices of one file stand together but in enhanced objects with several time points. */
enum sm_status sm_series_files_list(const struct sm_series *s, struct sm_series_files *out,
				    struct sm_err *err)
{
	size_t most = 0;
	for (size_t k = 0; k < s->n; k++)
		most = s->slice[k].head > most ? s->slice[k].head : most;
	*out = (struct sm_series_files){
		.head = calloc(s->n, sizeof *out->head),
		.at = calloc(most + 1, sizeof *out->at),
		.hex = calloc(s->n, sizeof *out->hex),
	};
	if (!out->head || !out->at || !out->hex)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	for (size_t h = 0; h <= most; h++)
		out->at[h] = SIZE_MAX;
	for (size_t k = 0; k < s->n; k++) {
		size_t head = s->slice[k].head;
		if (out->at[head] != SIZE_MAX)
			continue;
		out->at[head] = out->n;
		out->head[out->n++] = head;
	}
	return SM_OK;
}

void sm_series_files_clear(struct sm_series_files *files)
{
	free(files->head);
	free(files->at);
	free(files->hex);
	*files = (struct sm_series_files){0};
}

struct hashing {
	struct sm_series_files *files;
	const char *root;
	const struct sm_scan *scan;
	const struct sm_salt *salt;
};

static enum sm_status hash_one(void *ctx, size_t i, struct sm_err *err)
{
	const struct hashing *h = ctx;
	const char *path = sm_scan_path(h->scan, h->files->head[i]);
	char alias[13], name[24];
	if (*h->files->hex[i])
		return SM_OK;
	sm_file_alias(h->salt, path, alias);
	snprintf(name, sizeof name, "file-%s", alias);
	return sm_raw_file_sha256(h->root, path, name, h->files->hex[i], err);
}

enum sm_status sm_series_files_hash(struct sm_series_files *files, const char *root,
				    const struct sm_scan *scan, const struct sm_salt *salt,
				    int jobs, struct sm_err *err)
{
	struct hashing h = {files, root, scan, salt};
	return sm_par_for(files->n, jobs, hash_one, &h, err);
}

enum sm_status sm_series_files_sum(const struct sm_series_files *files, char hex[65],
				   struct sm_err *err)
{
	struct sm_sha256 *h = sm_sha256_begin();
	if (!h)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	for (size_t i = 0; i < files->n; i++)
		sm_sha256_add(h, files->hex[i], 64);
	sm_sha256_end(h, hex);
	return SM_OK;
}
