/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/field.h"
#include "core/sums.h"

static bool leads_nowhere(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static enum sm_status no_look(const char *path, struct sm_err *err)
{
	return SM_FAIL(err, SM_IO, "%s: cannot be examined: %s", path, strerror(errno));
}

/* Whether something called ledger.jsonl stands in a folder; *regular: it is a file. SM_IO when
 * nobody lets us look. */
static enum sm_status has_ledger(const char *dir, bool *has, bool *regular, struct sm_err *err)
{
	char *path = sm_path_join(dir, SM_LEDGER_NAME);
	struct stat s;
	enum sm_status st = SM_OK;
	*has = *regular = false;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	if (stat(path, &s) == 0) {
		*has = true;
		*regular = S_ISREG(s.st_mode);
		int fd = *regular ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
		if (*regular && fd < 0)
			st = no_look(path, err);
		else if (fd >= 0)
			close(fd);
	} else if (!leads_nowhere(errno)) {
		st = no_look(path, err);
	} else {
		*has = lstat(path, &s) == 0; /* a link that leads nowhere */
	}
	free(path);
	return st;
}

/* What stands there tells of a stage: the list of bytes, or the journal of a run that was
 * killed. */
static const char *stage_file(const char *dir)
{
	static const char *const names[] = {SM_SUMS_NAME, ".journal.partial"};
	for (size_t i = 0; i < SM_COUNT(names); i++) {
		char *path = sm_path_join(dir, names[i]);
		bool there = path && sm_file_exists(path);
		free(path);
		if (there)
			return names[i];
	}
	return NULL;
}

static bool has_stage_name(const char *dir)
{
	static const char *const stages[] = {"index",   "ingest",   "preprocess", "split",
					     "tile",    "slice",    "pair",       "train",
					     "predict", "evaluate", "report",     "explore",
					     "compare"};
	for (size_t i = 0; i < SM_COUNT(stages); i++)
		if (strcmp(sm_path_base(dir), stages[i]) == 0)
			return true;
	return false;
}

/* *any: it is a folder that has files. */
static enum sm_status holds_files(const char *dir, bool *any, struct sm_err *err)
{
	*any = false;
	DIR *d = opendir(dir);
	if (!d)
		return leads_nowhere(errno) ? SM_OK : no_look(dir, err);
	for (struct dirent *e; !*any && (e = readdir(d));)
		*any = e->d_name[0] != '.';
	closedir(d);
	return SM_OK;
}

static bool is_link(const char *path)
{
	struct stat s;
	return lstat(path, &s) == 0 && S_ISLNK(s.st_mode);
}

static enum sm_status add(struct sm_folders *f, const char *dir, bool whole, struct sm_err *err)
{
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct sm_folder *more = realloc(f->v, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		f->v = more;
		f->room = room;
	}
	f->v[f->n] = (struct sm_folder){
		.dir = strdup(dir), .whole = whole, .link = whole && is_link(dir)};
	if (!f->v[f->n].dir)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	f->n++;
	return SM_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void note(struct sm_folders *f, const char *dir, const char *what, const char *file)
{
	char text[512];
	snprintf(text, sizeof text, "%.200s: %s%s", sm_path_base(dir), what, file);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	json_t *sentence = json_string(text);
	f->strange = f->strange ? f->strange : json_array();
	json_array_append_new(f->strange, sentence ? sentence : json_string("a name is not UTF-8"));
}

/* What may not be looked at stops nobody who does not need it. */
static void note_closed(struct sm_folders *f, const char *dir, const struct sm_err *why)
{
	json_t *sentence = json_string(why->text);
	f->closed = f->closed ? f->closed : json_array();
	json_array_append_new(
		f->closed,
		json_pack("{s:s, s:o}", "stage", sm_path_base(dir), "why",
			  sentence ? sentence : json_string("a folder cannot be examined")));
}

/* What is no stage's folder, but is called as one. */
static enum sm_status add_strange(struct sm_folders *f, const char *below, bool has,
				  struct sm_err *err)
{
	const char *file;
	struct stat s;
	bool any;
	if (is_link(below) && stat(below, &s) != 0 && leads_nowhere(errno)) {
		note(f, below,
		     "is a link that leads nowhere, needed is the folder that the stage made", "");
	} else if (has) {
		note(f, below, "its " SM_LEDGER_NAME " is no regular file, needed is one", "");
	} else if ((file = stage_file(below))) {
		note(f, below, "has no " SM_LEDGER_NAME ", but a ", file);
	} else {
		SM_TRY(holds_files(below, &any, err));
		if (any)
			note(f, below, "holds files, but no " SM_LEDGER_NAME, "");
	}
	return SM_OK;
}

/* One name in a work folder. Other people's things may stand there, too: only a stage's name
 * tells. */
static enum sm_status add_below(struct sm_folders *f, const char *below, struct sm_err *err)
{
	bool has, regular;
	struct sm_err why = {0};
	enum sm_status st = has_ledger(below, &has, &regular, &why);
	if (st == SM_OK && regular)
		return add(f, below, true, err);
	if (st == SM_OK && has_stage_name(below))
		st = add_strange(f, below, has, &why);
	if (st == SM_IO && has_stage_name(below))
		note_closed(f, below, &why);
	if (st == SM_OK || st == SM_IO)
		return SM_OK;
	*err = why;
	return st;
}

static enum sm_status add_tree(struct sm_folders *f, const char *dir, struct sm_err *err)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name);
	if (n < 0)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir, strerror(errno));
	size_t before = f->n, strange = json_array_size(f->strange),
	       closed = json_array_size(f->closed);
	enum sm_status st = SM_OK;
	for (int i = 0; i < n; i++) {
		char *below = sm_path_join(dir, list[i]->d_name);
		if (st == SM_OK && !below)
			st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		if (st == SM_OK && list[i]->d_name[0] != '.')
			st = add_below(f, below, err);
		free(below);
		free(list[i]);
	}
	free(list);
	if (st == SM_OK && f->n == before && json_array_size(f->closed) > closed)
		st = SM_FAIL(err, SM_IO, "%s",
			     sm_json_text(json_array_get(f->closed, closed), "why"));
	else if (st == SM_OK && f->n == before && json_array_size(f->strange) > strange)
		st = SM_FAIL(err, SM_INPUT, "%s: no stage has finished there: %s", dir,
			     json_string_value(json_array_get(f->strange, strange)));
	else if (st == SM_OK && f->n == before)
		st = SM_FAIL(
			err, SM_INPUT,
			"%s: neither it nor a folder in it has a %s: no stage has finished there",
			dir, SM_LEDGER_NAME);
	return st;
}

enum sm_status sm_folders_add(struct sm_folders *f, const char *path, struct sm_err *err)
{
	if (sm_ends_with(path, ".jsonl") && sm_file_exists(path))
		return add(f, path, false, err);
	if (!sm_is_dir(path))
		return SM_FAIL(err, SM_USAGE, "%s: is no folder", path);
	bool has, regular;
	const char *file;
	SM_TRY(has_ledger(path, &has, &regular, err));
	if (regular)
		return add(f, path, false, err);
	if (has)
		return SM_FAIL(err, SM_INPUT,
			       "%s: its " SM_LEDGER_NAME " is no regular file, needed is one",
			       path);
	enum sm_status st = add_tree(f, path, err);
	/* A list of somebody's own may stand beside the stages' folders. */
	if (st == SM_INPUT && (file = stage_file(path)))
		return SM_FAIL(err, SM_INPUT,
			       "%s: has no " SM_LEDGER_NAME
			       ", but a %s: no stage has finished there",
			       path, file);
	return st;
}

enum sm_status sm_folders_load(struct sm_folders *f, struct sm_err *err)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].ledger.header)
			SM_TRY(sm_ledger_read_head(f->v[i].dir, &f->v[i].ledger, err));
	return SM_OK;
}

bool sm_folders_closed(const struct sm_folders *f, const char *stage)
{
	return sm_folders_need(f, stage, NULL) != SM_OK;
}

enum sm_status sm_folders_need(const struct sm_folders *f, const char *stage, struct sm_err *err)
{
	size_t i;
	json_t *closed;
	json_array_foreach(f->closed, i, closed)
	if (!stage || strcmp(sm_json_text(closed, "stage"), stage) == 0)
		return SM_FAIL(err, SM_IO, "%s", sm_json_text(closed, "why"));
	return SM_OK;
}

void sm_folders_close(struct sm_folders *f)
{
	for (size_t i = 0; i < f->n; i++) {
		sm_records_free(f->v[i].ledger.records);
		f->v[i].ledger.records = NULL;
	}
}

enum sm_status sm_folders_open(struct sm_folders *f, const struct sm_folder *folder,
			       struct sm_err *err)
{
	struct sm_ledger *ledger = &f->v[folder - f->v].ledger, now;
	if (ledger->records)
		return SM_OK;
	if (!f->keep)
		sm_folders_close(f);
	SM_TRY(sm_ledger_read(folder->dir, NULL, &now, err));
	bool same = strcmp(now.sha256, ledger->sha256) == 0;
	if (same)
		ledger->records = sm_records_share(now.records);
	sm_ledger_clear(&now);
	return same ? SM_OK
		    : SM_FAIL(err, SM_INPUT, "%s: " SM_LEDGER_NAME " changed while it was read",
			      folder->dir);
}

void sm_folders_clear(struct sm_folders *f)
{
	for (size_t i = 0; i < f->n; i++) {
		sm_ledger_clear(&f->v[i].ledger);
		free(f->v[i].dir);
	}
	free(f->v);
	json_decref(f->strange);
	json_decref(f->closed);
	*f = (struct sm_folders){0};
}

const char *sm_folder_stage(const struct sm_folder *folder)
{
	return sm_json_text(folder->ledger.header, "stage");
}

const struct sm_folder *sm_folders_parent(const struct sm_folders *f, const struct sm_folder *child,
					  const char *stage, bool *stale)
{
	const char *wanted = sm_json_text(json_object_get(child->ledger.header, "parents"), stage);
	if (stale)
		*stale = false;
	for (size_t i = 0; wanted && i < f->n; i++) {
		if (strcmp(sm_folder_stage(&f->v[i]), stage) != 0)
			continue;
		if (strcmp(f->v[i].ledger.sha256, wanted) == 0)
			return &f->v[i];
		if (stale)
			*stale = true;
	}
	return NULL;
}
