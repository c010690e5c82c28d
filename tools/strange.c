/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/strange.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "tools/verify.h"

/* sm_walk, which goes through the same folders, refuses deeper ones with a sentence. */
#define MAX_DEPTH 64

struct names {
	char **v;
	size_t n, room;
};

static bool add(struct names *names, char *name)
{
	if (name && names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		char **more = realloc(names->v, room * sizeof *more);
		if (more) {
			names->v = more;
			names->room = room;
		}
	}
	if (!name || names->n == names->room) {
		free(name);
		return false;
	}
	names->v[names->n++] = name;
	return true;
}

static void clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All entries of a folder, as paths relative to the top, sorted. */
static enum sm_status list(const char *full, const char *relative, struct names *names,
			   struct sm_err *err)
{
	DIR *d = opendir(full);
	bool good = true;
	if (!d)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", full, strerror(errno));
	for (struct dirent *e; good && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			good = add(names, *relative ? sm_path_join(relative, e->d_name)
						    : sm_strf("%s", e->d_name));
	closedir(d);
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, by_bytes);
	return good ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", full);
}

static enum sm_status visit(const char *top, const char *relative, int depth, json_t *complaints,
			    struct sm_err *err);

static enum sm_status look(const char *top, const char *path, int depth, json_t *complaints,
			   struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct stat s;
	char *full = sm_path_join(top, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	if (lstat(full, &s) != 0)
		sm_complain(complaints, "%s: cannot be looked at: %s", path, strerror(errno));
	else if (S_ISLNK(s.st_mode))
		sm_complain(complaints, "%s: is a link, needed is the file or folder itself", path);
	else if (S_ISDIR(s.st_mode) && sm_path_base(path)[0] == '.')
		sm_complain(complaints, "%s: is a hidden folder, which no stage makes", path);
	else if (S_ISDIR(s.st_mode))
		st = visit(top, path, depth + 1, complaints, err);
	else if (!S_ISREG(s.st_mode))
		sm_complain(complaints, "%s: is a %s, which no stage makes", path,
			    S_ISFIFO(s.st_mode)	  ? "pipe"
			    : S_ISSOCK(s.st_mode) ? "socket"
						  : "device");
	free(full);
	return st;
}

static enum sm_status visit(const char *top, const char *relative, int depth, json_t *complaints,
			    struct sm_err *err)
{
	struct names names = {0};
	char *full = *relative ? sm_path_join(top, relative) : sm_strf("%s", top);
	enum sm_status st = full ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", top);
	if (st == SM_OK && depth <= MAX_DEPTH)
		st = list(full, relative, &names, err);
	if (st == SM_OK && !names.n && *relative)
		sm_complain(complaints, "%s: is an empty folder", relative);
	for (size_t i = 0; st == SM_OK && i < names.n; i++)
		st = look(top, names.v[i], depth, complaints, err);
	clear(&names);
	free(full);
	return st;
}

enum sm_status sm_strange(const char *dir, json_t *complaints, struct sm_err *err)
{
	return visit(dir, "", 0, complaints, err);
}
