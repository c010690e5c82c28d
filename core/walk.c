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

struct walk {
	const char *root;
	bool partials; /* only names that end in .partial; else only the others */
	visit_fn visit;
	void *ctx;
	struct sm_paths *left_out; /* counts; NULL: what cannot be read is an error */
};

static enum sm_status visit_dir(const struct walk *w, const char *relative, int depth,
				struct sm_err *err);

/* Something is there, and what it is or holds cannot be seen. */
static enum sm_status visit_closed(const struct walk *w, const char *full, const char *relative,
				   struct sm_err *err)
{
	if (!w->left_out)
		return SM_OK;
	w->left_out->closed++;
	return w->visit(w->ctx, full, relative, err);
}

static enum sm_status visit_link(const struct walk *w, const char *full, const char *below,
				 struct stat *s, struct sm_err *err)
{
	struct sm_paths none = {0}, *count = w->left_out ? w->left_out : &none;
	if (stat(full, s) == 0) {
		if (S_ISDIR(s->st_mode))
			count->linked++;
		return SM_OK;
	}
	*s = (struct stat){0};
	if (errno == EACCES || errno == EIO)
		return visit_closed(w, full, below, err);
	count->broken++;
	return SM_OK;
}

static enum sm_status visit_entry(const struct walk *w, const char *relative, const char *name,
				  int depth, struct sm_err *err)
{
	struct sm_paths none = {0}, *count = w->left_out ? w->left_out : &none;
	enum sm_status st = SM_OK;
	char *below = *relative ? sm_path_join(relative, name) : sm_strf("%s", name);
	char *full = below ? sm_path_join(w->root, below) : NULL;
	struct stat s = {0};
	bool partial = sm_ends_with(name, ".partial");
	/* What a stage keeps for its own speed: no input and no output. */
	bool cache = name[0] == '.' && sm_ends_with(name, ".cache");
	if (!full) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->root);
		goto out;
	}
	if (lstat(full, &s) != 0) {
		/* A file that vanished meanwhile is none. */
		if (errno != ENOENT)
			st = visit_closed(w, full, below, err);
		goto out;
	}
	bool link = S_ISLNK(s.st_mode);
	if (link)
		st = visit_link(w, full, below, &s, err);
	if (S_ISDIR(s.st_mode) && !link && name[0] != '.')
		st = visit_dir(w, below, depth + 1, err);
	else if (S_ISDIR(s.st_mode) && !link)
		count->hidden++;
	else if (S_ISREG(s.st_mode) && partial == w->partials && !cache)
		st = w->visit(w->ctx, full, below, err);
	else if (s.st_mode && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode))
		count->special++;
out:
	free(full);
	free(below);
	return st;
}

static enum sm_status visit_dir(const struct walk *w, const char *relative, int depth,
				struct sm_err *err)
{
	if (depth > MAX_DEPTH)
		return SM_FAIL(err, SM_INPUT, "%s: folders nested deeper than %d", w->root,
			       MAX_DEPTH);
	char *dir = *relative ? sm_path_join(w->root, relative) : sm_strf("%s", w->root);
	if (!dir)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->root);
	DIR *d = opendir(dir);
	if (!d) {
		/* Names below root may be those of persons. */
		bool scarce = errno == EMFILE || errno == ENFILE;
		enum sm_status st =
			*relative && w->left_out && !scarce
				? visit_closed(w, dir, relative, err)
				: SM_FAIL(err, SM_IO, "%s: %sfolder cannot be read: %s", w->root,
					  *relative ? "a " : "", strerror(errno));
		free(dir);
		return st;
	}
	enum sm_status st = SM_OK;
	struct dirent *e;
	while (st == SM_OK && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			st = visit_entry(w, relative, e->d_name, depth, err);
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
	struct walk w = {.root = root, .visit = collect_one, .ctx = &c, .left_out = out};
	enum sm_status st = visit_dir(&w, "", 0, err);
	if (st != SM_OK) {
		sm_paths_clear(out);
		return st;
	}
	if (out->count)
		qsort(out->path, out->count, sizeof *out->path, by_bytes);
	return SM_OK;
}

bool sm_paths_left_out(const struct sm_paths *paths, char *out, size_t n)
{
	const struct {
		size_t count;
		const char *one, *many;
	} rows[] = {
		{paths->hidden, "hidden folder", "hidden folders"},
		{paths->linked, "link to a folder", "links to folders"},
		{paths->broken, "broken link", "broken links"},
		{paths->special, "pipe, socket or device", "pipes, sockets or devices"},
	};
	size_t used = 0;
	*out = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!rows[i].count || used >= n)
			continue;
		int k = snprintf(out + used, n - used, "%s%zu %s", used ? ", " : "", rows[i].count,
				 rows[i].count == 1 ? rows[i].one : rows[i].many);
		used += k > 0 ? (size_t)k : 0;
	}
	return used > 0;
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
	struct walk w = {.root = root,
			 .partials = true,
			 .visit = remove_one,
			 .ctx = (void *)(uintptr_t)keep};
	return visit_dir(&w, "", 0, err);
}

static void remove_empty(const char *dir, int depth, bool itself)
{
	DIR *d = depth <= MAX_DEPTH ? opendir(dir) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat s;
		char *full = e->d_name[0] != '.' ? sm_path_join(dir, e->d_name) : NULL;
		if (full && lstat(full, &s) == 0 && S_ISDIR(s.st_mode))
			remove_empty(full, depth + 1, true);
		free(full);
	}
	if (d)
		closedir(d);
	if (itself)
		rmdir(dir);
}

void sm_remove_empty_folders(const char *root)
{
	remove_empty(root, 0, false);
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
