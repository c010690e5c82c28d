/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of pictures (see layout.h).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/cases/layout.h"

/* Kinds that the reader refuses are taken too: they must be told, not passed over. */
static const char *const ends[] = {".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".pnm",
				   ".pbm", ".tif", ".tiff", ".bmp", ".gif", ".webp"};

/* Length of the name without its end; 0 = no picture. */
static size_t stem_of(const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t k = strlen(ends[i]);
		if (n > k && strcasecmp(name + n - k, ends[i]) == 0)
			return n - k;
	}
	return 0;
}

bool sm_layout_is_picture(const char *path)
{
	return stem_of(sm_path_base(path)) > 0;
}

enum sm_status sm_layout_mark_pictures(struct sm_raw_cases *list, struct sm_err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		struct sm_raw_case *c = &list->v[i];
		size_t pictures = 0;
		for (size_t k = 0; k < c->n; k++)
			pictures += sm_layout_is_picture(c->file[k].path);
		c->pictures = c->n && pictures == c->n;
		if (!pictures || c->pictures || c->problem)
			continue;
		c->problem = sm_arena_strf(
			&list->arena,
			"case %s: %zu of its %zu files are pictures, allowed are all or none",
			c->key, pictures, c->n);
		if (!c->problem)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	}
	return SM_OK;
}

/* One picture: its folder (number in order of paths), its name without end. */
struct picture {
	const char *path, *name;
	size_t folder;
};

struct pictures {
	struct picture *v;
	size_t n;
	char **folder, **role; /* of each folder: path ("" = the top), role */
	size_t folders;
	json_t *number; /* of each folder, by its path */
	struct sm_arena *arena;
};

static bool add_picture(struct pictures *list, const char *path)
{
	const char *base = sm_path_base(path);
	size_t stem = stem_of(base), dir = base > path ? (size_t)(base - path) - 1 : 0, f;
	if (!stem || sm_raw_is_hidden(path))
		return true;
	const json_t *known = json_object_getn(list->number, path, dir);
	f = known ? (size_t)json_integer_value(known) : list->folders;
	if (!known) {
		char **more = realloc(list->folder, (f + 1) * sizeof *more);
		if (!more)
			return false;
		list->folder = more;
		more[f] = sm_arena_strf(list->arena, "%.*s", (int)dir, path);
		if (!more[f] || json_object_setn_new_nocheck(list->number, path, dir,
							     json_integer((json_int_t)f)) != 0)
			return false;
		list->folders++;
	}
	char *name = sm_arena_strf(list->arena, "%.*s", (int)stem, base);
	list->v[list->n++] = (struct picture){path, name, f};
	return name;
}

/* The folder's own name, or its whole path when two share that. */
static bool name_roles(struct pictures *list)
{
	json_t *times = json_object(); /* of each name */
	bool good = times;
	list->role = sm_arena_alloc(list->arena, (list->folders + 1) * sizeof *list->role);
	for (size_t f = 0; good && f < list->folders; f++) {
		const char *name = sm_path_base(list->folder[f]);
		json_int_t n = json_integer_value(json_object_get(times, name));
		good = json_object_set_new_nocheck(times, name, json_integer(n + 1)) == 0;
	}
	for (size_t f = 0; good && list->role && f < list->folders; f++) {
		const char *name = sm_path_base(list->folder[f]);
		if (json_integer_value(json_object_get(times, name)) > 1)
			name = list->folder[f];
		list->role[f] =
			sm_raw_key(list->arena, *name && list->folders > 1 ? name : "image");
		good = list->role[f];
	}
	json_decref(times);
	return good && list->role;
}

static int by_name(const void *a, const void *b)
{
	const struct picture *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	if (c)
		return c;
	if (x->folder != y->folder)
		return x->folder < y->folder ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* One case of the pictures of one name. */
static bool fill_pair(const struct pictures *list, const struct picture *p, size_t n,
		      struct sm_raw_case *c)
{
	struct sm_arena *arena = list->arena;
	c->key = c->patient = sm_raw_key(arena, p->name);
	c->file = sm_arena_alloc(arena, (n + 1) * sizeof *c->file);
	if (!c->key || !c->file)
		return false;
	for (size_t f = 0, i = 0; f < list->folders; f++) {
		if (i == n || p[i].folder != f) {
			c->problem = sm_arena_strf(
				arena,
				"case %s: no picture of this name in folder '%s', while "
				"%s is there (pictures that are no pairs: "
				"ingest.pairing: none)",
				c->key, list->folder[f], p[i ? i - 1 : 0].path);
			if (!c->problem)
				return false;
			continue;
		}
		c->file[c->n++] = (struct sm_raw_file){.role = list->role[f], .path = p[i++].path};
		for (; i < n && p[i].folder == f; i++) {
			c->problem =
				sm_arena_strf(arena,
					      "case %s: %s and %s have the same name but for their "
					      "ends, allowed is one",
					      c->key, p[i - 1].path, p[i].path);
			if (!c->problem)
				return false;
		}
	}
	return true;
}

static bool fill_single(const struct pictures *list, const struct picture *p, struct sm_raw_case *c)
{
	const char *folder = list->role[p->folder];
	c->key = c->patient =
		list->folders > 1 ? sm_raw_key(list->arena,
					       sm_arena_strf(list->arena, "%s_%s", folder, p->name))
				  : sm_raw_key(list->arena, p->name);
	c->file = sm_arena_alloc(list->arena, sizeof *c->file);
	if (!c->key || !c->file)
		return false;
	c->file[c->n++] = (struct sm_raw_file){.role = folder, .path = p->path};
	return true;
}

static enum sm_status check_folders(const struct pictures *list, struct sm_err *err)
{
	if (list->folders <= 2)
		return SM_OK;
	return SM_FAIL(
		err, SM_INPUT,
		"pictures lie in %zu folders ('%s', '%s', '%s', ...), allowed are one folder, two "
		"folders of pairs, patterns in ingest.sources, or ingest.pairing: none",
		list->folders, list->folder[0], list->folder[1], list->folder[2]);
}

static enum sm_status make_cases(struct pictures *list, bool pairs, struct sm_raw_cases *out,
				 struct sm_err *err)
{
	bool good = name_roles(list);
	if (list->n)
		qsort(list->v, list->n, sizeof *list->v, by_name);
	out->v = sm_arena_alloc(&out->arena, (list->n + 1) * sizeof *out->v);
	for (size_t i = 0, run; good && out->v && i < list->n; i += run) {
		run = 1;
		while (pairs && i + run < list->n &&
		       strcmp(list->v[i].name, list->v[i + run].name) == 0)
			run++;
		struct sm_raw_case *c = &out->v[out->n++];
		good = pairs ? fill_pair(list, list->v + i, run, c)
			     : fill_single(list, list->v + i, c);
		c->pictures = true;
	}
	if (!good || !out->v)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu pictures", list->n);
	return sm_raw_cases_sort(out, err);
}

/* ---- a folder that should have held pictures ------------------------------------------------- */

/* True when the walk found a file below the folder that is not hidden. */
static bool holds_files(const struct sm_paths *paths, const char *folder)
{
	size_t n = strlen(folder);
	for (size_t i = 0; i < paths->count; i++)
		if (strncmp(paths->path[i], folder, n) == 0 && paths->path[i][n] == '/' &&
		    *sm_path_base(paths->path[i]) != '.')
			return true;
	return false;
}

/* Of the folders beside `folder` the first one by name without a file; *out is NULL when there is
 * none. */
static enum sm_status find_empty(const struct sm_layout_job *job, const char *folder,
				 struct sm_arena *arena, const char **out, struct sm_err *err)
{
	int above = (int)(sm_path_base(folder) - folder); /* with its slash */
	char *where = sm_strf("%s/%.*s", job->root, above, folder);
	DIR *d = where ? opendir(where) : NULL;
	enum sm_status st = where ? SM_OK : SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	*out = NULL;
	for (struct dirent *e; d && st == SM_OK && (e = readdir(d));) {
		char *beside = sm_arena_strf(arena, "%.*s%s", above, folder, e->d_name);
		char *full = beside ? sm_path_join(job->root, beside) : NULL;
		if (!full)
			st = SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
		else if (*e->d_name != '.' && sm_is_dir(full) && !holds_files(job->paths, beside) &&
			 (!*out || strcmp(beside, *out) < 0))
			*out = beside;
		free(full);
	}
	if (d)
		closedir(d);
	free(where);
	return st;
}

/* Two folders of which one is empty are no cohort of one folder: the other side of each picture is
 * missing, and the role of those that are there would be another one. */
static enum sm_status check_empty(const struct sm_layout_job *job, const struct pictures *list,
				  struct sm_raw_cases *out, struct sm_err *err)
{
	const char *empty = NULL;
	if (list->folders != 1 || !*list->folder[0])
		return SM_OK;
	SM_TRY(find_empty(job, list->folder[0], &out->arena, &empty, err));
	for (size_t i = 0; empty && i < out->n; i++) {
		struct sm_raw_case *c = &out->v[i];
		if (c->problem)
			continue;
		c->problem = sm_arena_strf(&out->arena,
					   "case %s: folder '%s' holds 0 pictures, while %s is "
					   "there (pictures without another side: a tree without "
					   "the empty folder)",
					   c->key, empty, c->file[0].path);
		if (!c->problem)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	}
	return SM_OK;
}

/* A pair of domains of which one has a single picture can train nothing. */
static enum sm_status check_domains(struct sm_raw_cases *out, struct sm_err *err)
{
	json_t *count = json_object();
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < out->n; i++)
		for (size_t k = 0; k < out->v[i].n; k++) {
			const char *role = out->v[i].file[k].role;
			json_int_t n = json_integer_value(json_object_get(count, role));
			json_object_set_new(count, role, json_integer(n + 1));
		}
	for (size_t i = 0; i < out->n && json_object_size(count) > 1; i++)
		for (size_t k = 0; k < out->v[i].n; k++) {
			struct sm_raw_case *c = &out->v[i];
			const char *role = c->file[k].role;
			if (c->problem || json_integer_value(json_object_get(count, role)) > 1)
				continue;
			c->problem = sm_arena_strf(
				&out->arena,
				"case %s: role %s has 1 picture in all, allowed are 2 or "
				"more",
				c->key, role);
			if (!c->problem)
				st = SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
		}
	json_decref(count);
	return st;
}

static enum sm_status by_folders(const struct sm_layout_job *job, struct sm_raw_cases *out,
				 struct sm_err *err)
{
	struct pictures list = {.arena = &out->arena, .number = json_object()};
	bool pairs = job->section->pairing == SM_PAIR_BY_NAME, good = true;
	enum sm_status st = SM_OK;
	list.v = calloc(job->paths->count + 1, sizeof *list.v);
	good = list.number;
	for (size_t i = 0; list.v && good && i < job->paths->count; i++)
		good = add_picture(&list, job->paths->path[i]);
	if (!list.v || !good)
		st = SM_FAIL(err, SM_BUDGET, "ingest: out of memory for pictures");
	if (st == SM_OK && pairs)
		st = check_folders(&list, err);
	if (st == SM_OK)
		st = make_cases(&list, pairs, out, err);
	if (st == SM_OK)
		st = check_empty(job, &list, out, err);
	out->unmatched = job->paths->count - list.n;
	json_decref(list.number);
	free(list.folder);
	free(list.v);
	return st;
}

enum sm_status sm_layout_images(const struct sm_layout_job *job, struct sm_raw_cases *out,
				struct sm_err *err)
{
	const struct sm_ingest_section *m = job->section;
	enum sm_status st;
	*out = (struct sm_raw_cases){0};
	if (m->sources.n) {
		SM_TRY(sm_raw_cases_find(job->paths, m->sources.items, m->sources.n, out, err));
		for (size_t i = 0; i < out->n; i++)
			out->v[i].pictures = true;
		st = SM_OK;
	} else {
		st = by_folders(job, out, err);
	}
	if (st == SM_OK)
		st = check_domains(out, err);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}
