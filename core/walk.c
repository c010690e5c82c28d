/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorted walks of a folder (see core/file.h).
 */
#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deeper trees are refused: no scan archive needs them, and recursion stays bounded. */
#define MAX_DEPTH 64

typedef enum sm_status (*visit_fn)(void *ctx, const char *full, const char *relative,
				   struct sm_err *err);

static enum sm_status visit_dir(const char *root, const char *relative, int depth, bool partials,
				visit_fn visit, void *ctx, struct sm_err *err);

static enum sm_status visit_entry(const char *root, const char *relative, const char *name,
				  int depth, bool partials, visit_fn visit, void *ctx,
				  struct sm_err *err)
{
	enum sm_status st = SM_OK;
	char *below = *relative ? sm_path_join(relative, name) : sm_strf("%s", name);
	char *full = below ? sm_path_join(root, below) : NULL;
	struct stat s;
	bool partial = sm_ends_with(name, ".partial");
	/* What a stage keeps for its own speed: no input and no output. */
	bool cache = name[0] == '.' && sm_ends_with(name, ".cache");
	if (!full) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", root);
		goto out;
	}
	if (lstat(full, &s) != 0)
		goto out; /* vanished, or unreadable: opening it later says so */
	bool link = S_ISLNK(s.st_mode);
	if (link && stat(full, &s) != 0)
		goto out;
	if (S_ISDIR(s.st_mode) && !link && name[0] != '.')
		st = visit_dir(root, below, depth + 1, partials, visit, ctx, err);
	else if (S_ISREG(s.st_mode) && partial == partials && !cache)
		st = visit(ctx, full, below, err);
out:
	free(full);
	free(below);
	return st;
}

static enum sm_status visit_dir(const char *root, const char *relative, int depth, bool partials,
				visit_fn visit, void *ctx, struct sm_err *err)
{
	if (depth > MAX_DEPTH)
		return SM_FAIL(err, SM_INPUT, "%s: folders nested deeper than %d", root, MAX_DEPTH);
	char *dir = *relative ? sm_path_join(root, relative) : sm_strf("%s", root);
	if (!dir)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", root);
	DIR *d = opendir(dir);
	if (!d) {
		enum sm_status st = SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir,
					    strerror(errno));
		free(dir);
		return st;
	}
	enum sm_status st = SM_OK;
	struct dirent *e;
	while (st == SM_OK && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			st = visit_entry(root, relative, e->d_name, depth, partials, visit, ctx, err);
	closedir(d);
	free(dir);
	return st;
}

struct collect {
	struct sm_paths *out;
	size_t room;
};

static enum sm_status collect_one(void *ctx, const char *full, const char *relative,
				  struct sm_err *err)
{
	struct collect *c = ctx;
	if (c->out->count == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		char **more = realloc(c->out->path, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", full);
		c->out->path = more;
		c->room = room;
	}
	char *copy = sm_strf("%s", relative);
	if (!copy)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", full);
	c->out->path[c->out->count++] = copy;
	return SM_OK;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum sm_status sm_walk(const char *root, struct sm_paths *out, struct sm_err *err)
{
	*out = (struct sm_paths){0};
	struct collect c = {.out = out};
	enum sm_status st = visit_dir(root, "", 0, false, collect_one, &c, err);
	if (st != SM_OK) {
		sm_paths_clear(out);
		return st;
	}
	if (out->count)
		qsort(out->path, out->count, sizeof *out->path, by_bytes);
	return SM_OK;
}

void sm_paths_clear(struct sm_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->path[i]);
	free(paths->path);
	*paths = (struct sm_paths){0};
}

static enum sm_status remove_one(void *ctx, const char *full, const char *relative,
				 struct sm_err *err)
{
	const char *keep = ctx;
	/* Only our own temporary names: a leading dot and the suffix. */
	if (sm_path_base(relative)[0] != '.' || (keep && strcmp(full, keep) == 0))
		return SM_OK;
	if (unlink(full) != 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", full, strerror(errno));
	return SM_OK;
}

enum sm_status sm_remove_partials(const char *root, const char *keep, struct sm_err *err)
{
	return visit_dir(root, "", 0, true, remove_one, (void *)(uintptr_t)keep, err);
}

bool sm_path_is_inside(const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n + (p[n] == '/');
	}
	return *path != 0;
}
