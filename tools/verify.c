/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/verify.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/sorter.h"
#include "core/sums.h"
#include "tools/strange.h"

struct check {
	struct sm_verify *v;
	struct sm_mem *mem;
	struct sm_sums *sums; /* NULL when there is no such list */
	struct sm_sorter *names; /* of all outputs */
	json_t **said; /* by record: its complaints, NULL = none */
	int jobs;      /* threads inside a record */
	pthread_mutex_t lock;
};

/* One output of a record or header. */
struct entry {
	const char *path, *sha256; /* borrowed; NULL when the ledger lacks one of them */
	size_t bytes;
	char why[SM_ERR_TEXT + 32]; /* "" = good */
};

/* The outputs of one record or of the header. */
struct group {
	struct check *c;
	struct entry *entries;
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

/* Compares the bytes with the list. False when they differ (why is filled): a file that is not what
 * we wrote is only parsed where the parser is ours. */
static bool same_bytes(const struct check *c, struct entry *e, const char *full)
{
	struct sm_err why = {0};
	char hex[65];
	char wanted[65];
	if (!c->sums)
		return true; /* said once for the folder */
	if (!sm_sums_find(c->sums, e->path, wanted))
		snprintf(e->why, sizeof e->why, "is not in " SM_SUMS_NAME);
	else if (sm_sha256_file(full, hex, &why) != SM_OK)
		snprintf(e->why, sizeof e->why, "cannot be checked: %s", why.text);
	else if (strcmp(hex, wanted) != 0)
		snprintf(e->why, sizeof e->why,
			 "has changed: SHA-256 of its bytes found %.12s..., in " SM_SUMS_NAME
			 " %.12s...",
			 hex, wanted);
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
			 "has changed: SHA-256 found %.12s..., in the ledger %.12s...", hex,
			 e->sha256);
	else if (!same)
		snprintf(e->why, sizeof e->why, "has other bytes around the same content");
}

static enum sm_status check_entry(void *ctx, size_t i, struct sm_err *err)
{
	const struct group *g = ctx;
	const struct check *c = g->c;
	struct entry *e = &g->entries[i];
	struct stat s;
	if (!e->path || !e->sha256)
		return SM_OK; /* said when the others of the record are */
	SM_TRY(sm_sorter_add(c->names, e->path, "", err));
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

/* What there is to say of the outputs of a record or header, called `owner`; NULL in *said when
 * that is nothing. */
static enum sm_status check_outputs(struct check *c, const json_t *record, const char *owner,
				    json_t **said, struct sm_err *err)
{
	json_t *list = json_object_get(record, "outputs"), *output;
	size_t k, n = json_array_size(list), bytes = 0, outputs = 0;
	struct group g = {.c = c,
			  .entries = sm_calloc(c->mem, n + 1, sizeof *g.entries, owner, err)};
	json_t *complaints = json_array();
	enum sm_status st = g.entries ? SM_OK : SM_BUDGET;
	if (st != SM_OK)
		goto out;
	json_array_foreach(list, k, output)
	{
		g.entries[k].path = sm_json_text(output, "path");
		g.entries[k].sha256 = sm_json_text(output, "sha256");
	}
	SM_GOTO(st, sm_par_for(n, c->jobs, check_entry, &g, err));
	for (k = 0; k < n; k++) {
		const struct entry *e = &g.entries[k];
		bytes += e->bytes;
		outputs += e->path && e->sha256;
		if (!e->path || !e->sha256)
			sm_complain(complaints, "%s: an output without path or sha256", owner);
		else if (e->why[0])
			sm_complain(complaints, "%s: %s", e->path, e->why);
	}
	pthread_mutex_lock(&c->lock);
	c->v->bytes += bytes;
	c->v->outputs += outputs;
	pthread_mutex_unlock(&c->lock);
	*said = json_array_size(complaints) ? json_incref(complaints) : NULL;
out:
	json_decref(complaints);
	sm_free(g.entries);
	return st;
}

static enum sm_status check_record(void *ctx, size_t i, struct sm_err *err)
{
	struct check *c = ctx;
	json_t *record = sm_records_get(c->v->ledger.records, i);
	enum sm_status st =
		record ? check_outputs(c, record, sm_record_key(record), &c->said[i], err)
		       : sm_records_check(c->v->ledger.records, err);
	json_decref(record);
	return st;
}

/* The header's outputs (files that belong to no item, such as tile's config.json), then all
 * records'. */
static enum sm_status check_all(struct check *c, int jobs, struct sm_err *err)
{
	struct sm_verify *v = c->v;
	size_t n = sm_records_count(v->ledger.records);
	json_t *said = NULL;
	c->jobs = jobs;
	SM_TRY(check_outputs(c, v->ledger.header, "header", &said, err));
	json_array_extend(v->complaints, said);
	json_decref(said);
	/* Few records with many files share the threads between them. */
	c->jobs = n && n < (size_t)jobs ? jobs / (int)n : 1;
	SM_TRY(sm_par_for(n, jobs, check_record, c, err));
	for (size_t i = 0; i < n; i++) {
		v->rejected += !sm_records_ok(v->ledger.records, i);
		if (c->said[i])
			json_array_extend(v->complaints, c->said[i]);
	}
	return SM_OK;
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

/* The next name that the ledger gives, NULL behind the last; complains about those that stand
 * twice. */
static enum sm_status next_name(struct check *c, char **last, const char **name, struct sm_err *err)
{
	const char *unused;
	for (;;) {
		SM_TRY(sm_sorter_next(c->names, name, &unused, err));
		if (!*name || !*last || strcmp(*last, *name) != 0)
			break;
		sm_complain(c->v->complaints, "%s: is named twice", *name);
	}
	free(*last);
	*last = *name ? strdup(*name) : NULL;
	return !*name || *last ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->v->dir);
}

/* Complains about files that no record names, and about names that stand twice: both lists are
 * sorted. */
static enum sm_status check_extra(struct check *c, struct sm_err *err)
{
	struct sm_paths paths;
	json_t *extra = json_array();
	const char *name;
	char *last = NULL;
	SM_TRY(sm_walk(c->v->dir, &paths, err));
	enum sm_status st = next_name(c, &last, &name, err);
	for (size_t i = 0; st == SM_OK && (name || i < paths.count);) {
		int order = !name ? 1 : i == paths.count ? -1 : strcmp(name, paths.path[i]);
		if (order > 0 && strcmp(paths.path[i], SM_LEDGER_NAME) != 0 &&
		    strcmp(paths.path[i], SM_SUMS_NAME) != 0)
			sm_complain(extra, "%s: is not in the ledger", paths.path[i]);
		i += order >= 0;
		if (order <= 0)
			st = next_name(c, &last, &name, err);
	}
	json_array_extend(c->v->complaints, extra);
	json_decref(extra);
	free(last);
	sm_paths_clear(&paths);
	return st;
}

/* The ledger against the list of bytes. */
static void check_list(struct check *c)
{
	struct sm_verify *v = c->v;
	struct sm_err why = {0};
	if (sm_sums_open(v->dir, &c->sums, &why) != SM_OK)
		sm_complain(v->complaints, "%s", why.text);
	else if (strcmp(sm_sums_ledger(c->sums), v->ledger.sha256) != 0)
		sm_complain(v->complaints,
			    SM_LEDGER_NAME ": has changed: it is not what " SM_SUMS_NAME " lists");
}

enum sm_status sm_verify_folder(struct sm_verify *v, struct sm_mem *mem, int jobs,
				struct sm_err *err)
{
	struct check c = {.v = v, .mem = mem, .lock = PTHREAD_MUTEX_INITIALIZER};
	enum sm_status st = SM_OK;
	SM_TRY(sm_ledger_read(v->dir, NULL, &v->ledger, err));
	size_t n = sm_records_count(v->ledger.records);
	v->complaints = json_array();
	c.names = sm_sorter_new(NULL, 0);
	c.said = sm_calloc(mem, n + 1, sizeof *c.said, v->dir, err);
	if (!c.said)
		SM_GOTO(st, SM_BUDGET);
	if (!c.names)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", v->dir));
	check_settings(v);
	check_list(&c);
	SM_GOTO(st, check_all(&c, jobs, err));
	SM_GOTO(st, check_extra(&c, err));
	st = sm_strange(v->dir, v->complaints, err);
out:
	for (size_t i = 0; c.said && i < n; i++)
		json_decref(c.said[i]);
	sm_free(c.said);
	sm_sorter_free(c.names);
	sm_sums_close(c.sums);
	pthread_mutex_destroy(&c.lock);
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
		if (!found && v->whole && !sm_folders_closed(all, stage))
			sm_complain(v->complaints, "the folder of its parent stage %s is missing",
				    stage);
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
