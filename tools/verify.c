/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/sums.h"
#include "tools/strange.h"

/* One output of one record. */
struct entry {
	const char *path, *sha256; /* borrowed from the ledger */
	size_t bytes;
	char why[SM_ERR_TEXT + 32]; /* "" = good */
};

struct check {
	const struct sm_verify *v;
	struct sm_mem *mem;
	struct entry *entries;
	json_t *sums; /* path -> hash of the bytes; NULL when there is no such list */
};

void sm_complain(json_t *list, const char *fmt, ...)
{
	char text[SM_ERR_TEXT + 256];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	/* File names of the folder may hold anything: nothing that steers a terminal is printed. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	json_t *sentence = json_string(text);
	json_array_append_new(list, sentence ? sentence : json_string("a name is not UTF-8"));
}

/* Compares the bytes with the list. False when they differ (why is filled): a file that is not what we wrote is
 * only parsed where the parser is ours. */
static bool same_bytes(const struct check *c, struct entry *e, const char *full)
{
	struct sm_err why = {0};
	char hex[65];
	const char *wanted = sm_json_text(c->sums, e->path);
	if (!c->sums)
		return true; /* said once for the folder */
	if (!wanted)
		snprintf(e->why, sizeof e->why, "is not in " SM_SUMS_NAME);
	else if (sm_sha256_file(full, hex, &why) != SM_OK)
		snprintf(e->why, sizeof e->why, "cannot be checked: %s", why.text);
	else if (strcmp(hex, wanted) != 0)
		snprintf(e->why, sizeof e->why,
			 "has changed: SHA-256 of its bytes found %.12s..., in " SM_SUMS_NAME " %.12s...", hex,
			 wanted);
	return !e->why[0];
}

/* The identity of the content; replaces what same_bytes said where it knows better. */
static void check_content(const struct check *c, struct entry *e, const char *full, bool same)
{
	struct sm_err why = {0};
	char hex[65];
	bool hdf5 = sm_ends_with(full, ".h5") || sm_ends_with(full, ".hdf5");
	if (!same && hdf5)
		return; /* libhdf5 is not proof against damaged files */
	if (sm_content_sha256(full, c->mem, hex, &why) != SM_OK)
		snprintf(e->why, sizeof e->why, "cannot be checked: %s", why.text);
	else if (strcmp(hex, e->sha256) != 0)
		snprintf(e->why, sizeof e->why,
			 "has changed: SHA-256 found %.12s..., in the ledger %.12s...", hex, e->sha256);
	else if (!same)
		snprintf(e->why, sizeof e->why, "has other bytes around the same content");
}

static enum sm_status check_entry(void *ctx, size_t i, struct sm_err *err)
{
	struct check *c = ctx;
	struct entry *e = &c->entries[i];
	struct stat s;
	/* A ledger is data: a path that leaves its folder is not followed. */
	if (!sm_path_is_inside(e->path)) {
		snprintf(e->why, sizeof e->why, "lies outside the folder");
		return SM_OK;
	}
	char *full = sm_path_join(c->v->dir, e->path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", e->path);
	if (lstat(full, &s) != 0) {
		snprintf(e->why, sizeof e->why, "is missing");
	} else if (!sm_file_is_own(c->v->dir, e->path)) {
		/* What it is tools/strange.c says; behind a link may be anybody's file. */
		snprintf(e->why, sizeof e->why, "is no regular file of this folder, needed is one");
	} else {
		e->bytes = (size_t)s.st_size;
		check_content(c, e, full, same_bytes(c, e, full));
	}
	free(full);
	return SM_OK;
}

/* Adds the entries of a list of outputs; `owner` is the record's key. */
static void collect_list(struct sm_verify *v, json_t *list, const char *owner,
			 struct entry *entries, size_t *n)
{
	size_t k;
	json_t *output;
	json_array_foreach(list, k, output)
	{
		const char *path = sm_json_text(output, "path");
		const char *sha256 = sm_json_text(output, "sha256");
		if (!path || !sha256) {
			sm_complain(v->complaints, "%s: an output without path or sha256", owner);
			continue;
		}
		if (entries)
			entries[*n] = (struct entry){.path = path, .sha256 = sha256};
		(*n)++;
	}
}

/* Fills entries (room for all) from the header (files that belong to no item, such as tile's
 * config.json) and the records; returns how many, complains about the rest. */
static size_t collect(struct sm_verify *v, struct entry *entries)
{
	size_t i, n = 0;
	json_t *record;
	collect_list(v, json_object_get(v->ledger.header, "outputs"), "header", entries, &n);
	json_array_foreach(v->ledger.records, i, record)
	{
		v->rejected += !sm_record_ok(record);
		collect_list(v, json_object_get(record, "outputs"), sm_record_key(record), entries,
			     &n);
	}
	return n;
}

static void check_settings(struct sm_verify *v)
{
	const char *wanted = sm_json_text(v->ledger.header, "settings_sha256");
	json_t *settings = json_object_get(v->ledger.header, "settings");
	char *line = settings ? sm_json_line(settings) : NULL, hex[65];
	sm_sha256_bytes(line ? line : "", line ? strlen(line) : 0, hex);
	free(line);
	if (!wanted || strcmp(wanted, hex) != 0)
		sm_complain(v->complaints,
			 "ledger.jsonl: the settings have changed: SHA-256 found %.12s..., in the "
			 "ledger %.12s...",
			 hex, wanted ? wanted : "none");
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* Complains about files that no record names, and about names that stand twice. entries are
 * sorted here. */
static enum sm_status check_extra(struct sm_verify *v, struct entry *entries, size_t n,
				  struct sm_err *err)
{
	struct sm_paths paths;
	SM_TRY(sm_walk(v->dir, &paths, err));
	if (n)
		qsort(entries, n, sizeof *entries, by_path);
	for (size_t i = 1; i < n; i++)
		if (by_path(&entries[i - 1], &entries[i]) == 0)
			sm_complain(v->complaints, "%s: is named twice", entries[i].path);
	for (size_t i = 0; i < paths.count; i++) {
		struct entry wanted = {.path = paths.path[i]};
		if (strcmp(paths.path[i], SM_LEDGER_NAME) == 0 || strcmp(paths.path[i], SM_SUMS_NAME) == 0)
			continue;
		if (!n || !bsearch(&wanted, entries, n, sizeof *entries, by_path))
			sm_complain(v->complaints, "%s: is not in the ledger", paths.path[i]);
	}
	sm_paths_clear(&paths);
	return SM_OK;
}

enum sm_status sm_verify_folder(struct sm_verify *v, struct sm_mem *mem, int jobs,
				struct sm_err *err)
{
	struct check c = {.v = v, .mem = mem};
	enum sm_status st = SM_OK;
	static const char *const facts[] = {"key", "status", "outputs", NULL};
	SM_TRY(sm_ledger_read_facts(v->dir, facts, NULL, &v->ledger, err));
	v->complaints = json_array();
	size_t n = collect(v, NULL);
	/* Once more with room for all; the first pass only counted. */
	json_array_clear(v->complaints);
	v->rejected = 0;
	c.entries = sm_calloc(mem, n ? n : 1, sizeof *c.entries, v->dir, err);
	if (!c.entries)
		return SM_BUDGET;
	v->outputs = collect(v, c.entries);
	check_settings(v);
	struct sm_err why = {0};
	if (sm_sums_read(v->dir, &c.sums, &why) != SM_OK)
		sm_complain(v->complaints, "%s", why.text);
	const char *ledger = c.sums ? sm_json_text(c.sums, SM_LEDGER_NAME) : v->ledger.sha256;
	if (!ledger || strcmp(ledger, v->ledger.sha256) != 0)
		sm_complain(v->complaints, SM_LEDGER_NAME ": has changed: it is not what " SM_SUMS_NAME " lists");
	SM_GOTO(st, sm_par_for(n, jobs, check_entry, &c, err));
	for (size_t i = 0; i < n; i++) {
		v->bytes += c.entries[i].bytes;
		if (c.entries[i].why[0])
			sm_complain(v->complaints, "%s: %s", c.entries[i].path, c.entries[i].why);
	}
	SM_GOTO(st, check_extra(v, c.entries, n, err));
	st = sm_strange(v->dir, v->complaints, err);
out:
	json_decref(c.sums);
	sm_free(c.entries);
	return st;
}

void sm_verify_parents(struct sm_verify *v, const struct sm_folders *all)
{
	const char *stage;
	json_t *sha256;
	json_object_foreach(json_object_get(v->ledger.header, "parents"), stage, sha256)
	{
		const char *wanted = json_string_value(sha256), *found = NULL;
		bool good = false;
		for (size_t i = 0; i < all->n; i++) {
			if (strcmp(sm_folder_stage(&all->v[i]), stage) != 0)
				continue;
			found = all->v[i].ledger.sha256;
			good = good || (wanted && strcmp(wanted, found) == 0);
		}
		if (!found && v->whole)
			sm_complain(v->complaints, "the folder of its parent stage %s is missing", stage);
		if (found && !good)
			sm_complain(v->complaints,
				 "was made from another run of stage %s: ledger SHA-256 found "
				 "%.12s..., "
				 "needed %.12s...",
				 stage, found, wanted ? wanted : "none");
	}
}

void sm_verify_clear(struct sm_verify *v)
{
	sm_ledger_clear(&v->ledger);
	json_decref(v->complaints);
	v->complaints = NULL;
}
