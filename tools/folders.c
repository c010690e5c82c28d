/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

static bool has_ledger(const char *dir)
{
	char *path = sm_path_join(dir, SM_LEDGER_NAME);
	bool has = path && sm_file_exists(path);
	free(path);
	return has;
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
	f->v[f->n] = (struct sm_folder){.dir = strdup(dir), .whole = whole};
	if (!f->v[f->n].dir)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	f->n++;
	return SM_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum sm_status add_tree(struct sm_folders *f, const char *dir, struct sm_err *err)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name);
	if (n < 0)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir, strerror(errno));
	size_t before = f->n;
	enum sm_status st = SM_OK;
	for (int i = 0; i < n; i++) {
		char *below = sm_path_join(dir, list[i]->d_name);
		if (st == SM_OK && !below)
			st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		if (st == SM_OK && list[i]->d_name[0] != '.' && has_ledger(below))
			st = add(f, below, true, err);
		free(below);
		free(list[i]);
	}
	free(list);
	if (st == SM_OK && f->n == before)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: neither it nor a folder in it has a %s: no stage has finished there", dir,
			     SM_LEDGER_NAME);
	return st;
}

enum sm_status sm_folders_add(struct sm_folders *f, const char *path, struct sm_err *err)
{
	if (sm_ends_with(path, ".jsonl") && sm_file_exists(path))
		return add(f, path, false, err);
	if (!sm_is_dir(path))
		return SM_FAIL(err, SM_USAGE, "%s: is no folder", path);
	return has_ledger(path) ? add(f, path, false, err) : add_tree(f, path, err);
}

enum sm_status sm_folders_load(struct sm_folders *f, struct sm_err *err)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].ledger.header)
			SM_TRY(sm_ledger_read_head(f->v[i].dir, &f->v[i].ledger, err));
	return SM_OK;
}

void sm_folders_close(struct sm_folders *f)
{
	for (size_t i = 0; i < f->n; i++) {
		json_decref(f->v[i].ledger.records);
		f->v[i].ledger.records = NULL;
	}
}

enum sm_status sm_folders_open(struct sm_folders *f, const struct sm_folder *folder, struct sm_err *err)
{
	return sm_folders_open_like(f, folder, NULL, err);
}

enum sm_status sm_folders_open_like(struct sm_folders *f, const struct sm_folder *folder,
				    const struct sm_ledger *like, struct sm_err *err)
{
	struct sm_ledger *ledger = &f->v[folder - f->v].ledger, now;
	if (ledger->records)
		return SM_OK;
	sm_folders_close(f);
	SM_TRY(sm_ledger_read_facts(folder->dir, f->facts, like, &now, err));
	bool same = strcmp(now.sha256, ledger->sha256) == 0;
	if (same)
		ledger->records = json_incref(now.records);
	sm_ledger_clear(&now);
	return same ? SM_OK
		    : SM_FAIL(err, SM_INPUT, "%s: " SM_LEDGER_NAME " changed while it was read", folder->dir);
}

void sm_folders_clear(struct sm_folders *f)
{
	for (size_t i = 0; i < f->n; i++) {
		sm_ledger_clear(&f->v[i].ledger);
		free(f->v[i].dir);
	}
	free(f->v);
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
