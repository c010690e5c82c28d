/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cases/cases.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nii.h"

#define NAME_SIZE sizeof ((struct sm_names *)0)->name

/* One file that one source took, by its alternative number `which`. */
struct hit {
	struct sm_names is;
	size_t source, path;
	int which;
};

struct hits {
	struct hit *v;
	size_t n, room;
};

static enum sm_status add_hit(struct hits *hits, const struct sm_names *is, size_t source,
			      size_t path, int which, struct sm_err *err)
{
	if (hits->n == hits->room) {
		size_t room = hits->room ? hits->room * 2 : 64;
		struct hit *more = realloc(hits->v, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu files", room);
		hits->v = more;
		hits->room = room;
	}
	hits->v[hits->n++] = (struct hit){
		.is = *is, .source = source, .path = path, .which = which};
	return SM_OK;
}

static int by_case(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int c = strcmp(x->is.name, y->is.name);
	if (c)
		return c;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->which != y->which)
		return x->which < y->which ? -1 : 1;
	return (x->path > y->path) - (x->path < y->path);
}

char *sm_raw_key(struct sm_arena *arena, const char *name)
{
	if (!name)
		return NULL;
	char *key = sm_arena_strf(arena, "%s%s", *name == '.' || *name == '-' ? "_" : "", name);
	for (char *c = key; c && *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
			*c = '_';
	return key;
}

static size_t count_names(const struct hits *hits)
{
	size_t names = 0;
	for (size_t i = 0; i < hits->n; i++)
		names += !i || strcmp(hits->v[i].is.name, hits->v[i - 1].is.name) != 0;
	return names;
}

/* Files of patterns without {case} go to the only case there is. */
static enum sm_status settle_nameless(struct hits *hits, const struct sm_source *sources,
				      struct sm_err *err)
{
	size_t nameless = 0, names;
	while (nameless < hits->n && !*hits->v[nameless].is.name)
		nameless++; /* sorted first */
	names = count_names(hits) - (nameless > 0);
	if (!nameless)
		return SM_OK;
	if (names != 1)
		return SM_FAIL(
			err, SM_USAGE,
			"ingest.sources: the pattern '%s' of role %s has no {case}, which is "
			"allowed only with exactly one case; %zu were found",
			sources[hits->v[0].source].pattern, sources[hits->v[0].source].role, names);
	for (size_t i = 0; i < nameless; i++)
		memcpy(hits->v[i].is.name, hits->v[nameless].is.name, NAME_SIZE);
	qsort(hits->v, hits->n, sizeof *hits->v, by_case);
	return SM_OK;
}

/* The part of BraTS-GLI-00005-001 before the time point; 0 when the name is not of that form. */
static size_t brats_patient(const char *name)
{
	const char *p = name + 6;
	if (strncmp(name, "BraTS-", 6) != 0)
		return 0;
	for (int part = 0; part < 2; part++, p++) { /* collection, patient */
		size_t n = 0;
		while (isalnum((unsigned char)p[n]))
			n++;
		p += n;
		if (!n || *p != '-')
			return 0;
	}
	size_t digits = strspn(p, "0123456789");
	return digits && !p[digits] ? (size_t)(p - name) - 1 : 0;
}

/* Follow-up scans of one patient must not look like several patients: split would put them into
 * different folds. */
static bool fill_patient(struct sm_raw_cases *list, struct sm_raw_case *c, const struct hit *hit,
			 size_t n)
{
	const char *named = NULL;
	size_t part = brats_patient(hit->is.name);
	for (size_t i = 0; i < n; i++) {
		const char *here = hit[i].is.patient;
		if (named && *here && strcmp(named, here) != 0 && !c->problem)
			c->problem = sm_arena_strf(&list->arena,
						   "case %s: its files name the patients %s and "
						   "%s, allowed is one",
						   c->key, named, here);
		named = *here ? here : named;
	}
	if (named)
		c->patient = sm_raw_key(&list->arena, named);
	else if (part)
		c->patient = sm_arena_strf(&list->arena, "%.*s", (int)part, hit->is.name);
	else
		c->patient = c->key;
	return c->patient;
}

/* Of the files of one role those of the first alternative that has any count; the others are noted.
 * A role with several files, or without the one it needs, becomes the case's problem. */
static bool fill_role(struct sm_raw_cases *list, struct sm_raw_case *c, const struct hit *hit,
		      size_t n, const struct sm_source *source, const struct sm_paths *paths)
{
	size_t found = 0;
	while (found < n && hit[found].which == hit->which)
		found++;
	if (found > 1 && !c->problem)
		c->problem = sm_arena_strf(
			&list->arena, "case %s: %zu files fit role %s (%s, %s), allowed is one",
			c->key, found, source->role, paths->path[hit->path],
			paths->path[hit[1].path]);
	if (!found && !source->optional && !c->problem)
		c->problem =
			sm_arena_strf(&list->arena, "case %s: no file for role %s (pattern '%s')",
				      c->key, source->role, source->pattern);
	if (found)
		c->file[c->n++] = (struct sm_raw_file){.role = source->role,
						       .path = paths->path[hit->path],
						       .label = source->label};
	for (size_t i = found; i < n; i++) {
		const char *other = paths->path[hit[i].path];
		c->left[c->left_n++] = (struct sm_raw_file){
			.role = source->role, .path = other, .label = source->label};
		c->warning = sm_arena_strf(&list->arena,
					   "%s%srole %s: %s was taken; %s, which fits a later "
					   "alternative of the pattern, was not",
					   c->warning ? c->warning : "", c->warning ? "; " : "",
					   source->role, paths->path[hit->path], other);
		if (!c->warning)
			return false;
	}
	bool wrong = found > 1 || (!found && !source->optional);
	return !wrong || c->problem;
}

/* Fills one case from hits[0..n), which share its name and are sorted by source. */
static bool fill_case(struct sm_raw_cases *list, struct sm_raw_case *c, const struct hit *hit,
		      size_t n, const struct sm_source *sources, size_t source_count,
		      const struct sm_paths *paths)
{
	c->file = sm_arena_alloc(&list->arena, (source_count + 1) * sizeof *c->file);
	c->left = sm_arena_alloc(&list->arena, (n + 1) * sizeof *c->left);
	c->key = sm_raw_key(&list->arena, hit->is.name);
	if (!c->file || !c->left || !c->key || !fill_patient(list, c, hit, n))
		return false;
	for (size_t s = 0, first = 0, run; s < source_count; s++, first += run) {
		for (run = 0; first + run < n && hit[first + run].source == s;)
			run++;
		if (!fill_role(list, c, hit + first, run, &sources[s], paths))
			return false;
	}
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct sm_raw_case *)a)->key, ((const struct sm_raw_case *)b)->key);
}

enum sm_status sm_raw_cases_sort(struct sm_raw_cases *list, struct sm_err *err)
{
	if (list->n)
		qsort(list->v, list->n, sizeof *list->v, by_key);
	for (size_t i = 0; i < list->n; i++) {
		const char *key = list->v[i].key;
		if (i && strcmp(key, list->v[i - 1].key) == 0)
			return SM_FAIL(
				err, SM_INPUT,
				"two case names become the same key %s; allowed in names are "
				"letters, digits, '_', '-' and '.'",
				key);
		if (!sm_key_is_safe(key))
			return SM_FAIL(
				err, SM_INPUT,
				"the case name '%.40s...' has %zu bytes, allowed are 1 to 100", key,
				strlen(key));
		if (list->v[i].problem || !sm_key_is_reserved(key))
			continue;
		list->v[i].problem =
			sm_arena_strf(&list->arena,
				      "the name %s ends as those of the stages' own files do "
				      "(" SM_KEYS_RESERVED "): allowed are other names",
				      key);
		if (!list->v[i].problem)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	}
	return SM_OK;
}

enum sm_status sm_raw_cases_warn(struct sm_raw_cases *list, struct sm_err *err, const char *fmt,
				 ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!list->dataset)
		list->dataset = json_object();
	json_t *all = json_object_get(list->dataset, "warnings");
	if (!all) {
		json_object_set_new(list->dataset, "warnings", json_array());
		all = json_object_get(list->dataset, "warnings");
	}
	/* A sentence cut within a letter is no JSON text: its bytes above 127 become '?'. */
	if (json_array_append_new(all, json_string(text)) == 0)
		return SM_OK;
	for (char *c = text; *c; c++)
		*c = (unsigned char)*c > 126 ? '?' : *c;
	if (json_array_append_new(all, json_string(text)) == 0)
		return SM_OK;
	return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
}

bool sm_raw_is_hidden(const char *path)
{
	return sm_path_base(path)[0] == '.';
}

bool sm_raw_is_nifti(const char *path)
{
	return sm_nii_stem(path) > 0;
}

static enum sm_status group(const struct hits *hits, const struct sm_source *sources, size_t n,
			    const struct sm_paths *paths, struct sm_raw_cases *out,
			    struct sm_err *err)
{
	size_t names = count_names(hits);
	out->v = sm_arena_alloc(&out->arena, (names + 1) * sizeof *out->v);
	for (size_t i = 0; out->v && i < hits->n;) {
		size_t run = 1;
		while (i + run < hits->n &&
		       strcmp(hits->v[i + run].is.name, hits->v[i].is.name) == 0)
			run++;
		if (!fill_case(out, &out->v[out->n++], hits->v + i, run, sources, n, paths))
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu cases",
				       names);
		i += run;
	}
	if (!out->v)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu cases", names);
	SM_TRY(sm_raw_cases_sort(out, err));
	out->unmatched = paths->count > hits->n ? paths->count - hits->n : 0;
	return SM_OK;
}

static enum sm_status check_pattern(const struct sm_source *source, struct sm_err *err)
{
	const char *rest = source->pattern, *part;
	size_t n;
	while ((part = sm_pattern_part(&rest, &n))) {
		if (!n)
			return SM_FAIL(err, SM_USAGE,
				       "ingest.sources: the pattern '%s' of role %s has an empty "
				       "alternative, allowed are patterns with | between",
				       source->pattern, source->role);
		if (sm_pattern_has(part, n, "{patient}") && !sm_pattern_has(part, n, "{case}"))
			return SM_FAIL(err, SM_USAGE,
				       "ingest.sources: the pattern '%.*s' of role %s has "
				       "{patient} without {case}, allowed is beside it",
				       (int)n, part, source->role);
	}
	return SM_OK;
}

enum sm_status sm_raw_cases_find(const struct sm_paths *paths, const struct sm_source *sources,
				 size_t n, struct sm_raw_cases *out, struct sm_err *err)
{
	*out = (struct sm_raw_cases){0};
	struct hits hits = {0};
	enum sm_status st = SM_OK;
	struct sm_names is;
	for (size_t s = 0; s < n; s++) {
		SM_GOTO(st, check_pattern(&sources[s], err));
		for (size_t i = 0; i < paths->count; i++) {
			int which =
				sm_raw_is_hidden(paths->path[i])
					? -1
					: sm_pattern_which(sources[s].pattern, paths->path[i], &is);
			if (which >= 0)
				SM_GOTO(st, add_hit(&hits, &is, s, i, which, err));
		}
	}
	if (hits.n)
		qsort(hits.v, hits.n, sizeof *hits.v, by_case);
	SM_GOTO(st, settle_nameless(&hits, sources, err));
	SM_GOTO(st, group(&hits, sources, n, paths, out, err));
out:
	free(hits.v);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}

/* Roles in the channel order of the original study; each with the file endings of its years. */
static const struct brats_role {
	const char *role;
	const char *pattern[2];
	bool label;
} brats_roles[] = {
	{"flair", {"{case}/{case}_flair.nii*", "{case}/{case}-t2f.nii*"}, false},
	{"t1ce", {"{case}/{case}_t1ce.nii*", "{case}/{case}-t1c.nii*"}, false},
	{"t1", {"{case}/{case}_t1.nii*", "{case}/{case}-t1n.nii*"}, false},
	{"t2", {"{case}/{case}_t2.nii*", "{case}/{case}-t2w.nii*"}, false},
	{"seg", {"{case}/{case}_seg.nii*", "{case}/{case}-seg.nii*"}, true},
};
#define BRATS_ROLES (sizeof brats_roles / sizeof *brats_roles)

/* The last two parts of a path: folder and file. */
static const char *tail(const char *path)
{
	const char *file = strrchr(path, '/');
	if (!file)
		return path;
	while (file > path && file[-1] != '/')
		file--;
	return file;
}

static enum sm_status brats_hits(const struct sm_paths *paths, struct hits *hits,
				 struct sm_err *err)
{
	struct sm_names is;
	for (size_t i = 0; i < paths->count; i++)
		for (size_t s = 0; s < BRATS_ROLES; s++)
			for (int k = 0; k < 2; k++)
				if (sm_pattern_match(brats_roles[s].pattern[k],
						     tail(paths->path[i]), &is))
					SM_TRY(add_hit(hits, &is, s, i, 0, err));
	if (hits->n)
		qsort(hits->v, hits->n, sizeof *hits->v, by_case);
	return SM_OK;
}

/* The only file named *Segm.nii* in the folder of the case's first file; NULL when there is none or
 * several. */
static const char *stray_label(const struct sm_raw_case *c, const struct sm_paths *paths)
{
	const char *known = c->file[0].path, *found = NULL, *slash = strrchr(known, '/');
	size_t folder = slash ? (size_t)(slash - known) + 1 : 0, n = 0, low = 0,
	       high = paths->count;
	/* Paths are sorted: those of one folder stand together. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strncmp(paths->path[mid], known, folder) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low; i < paths->count; i++) {
		const char *p = paths->path[i];
		struct sm_names is;
		if (strncmp(p, known, folder) != 0)
			break;
		if (!sm_pattern_match("*Segm.nii*", p + folder, &is))
			continue;
		found = p;
		n++;
	}
	return n == 1 ? found : NULL;
}

static enum sm_status settle_labels(struct sm_raw_cases *out, const struct sm_paths *paths,
				    bool any, struct sm_err *err)
{
	for (size_t i = 0; i < out->n; i++) {
		struct sm_raw_case *c = &out->v[i];
		if (c->problem || c->file[c->n - 1].label)
			continue;
		const char *stray = stray_label(c, paths);
		if (stray) {
			c->file[c->n++] =
				(struct sm_raw_file){.role = "seg", .path = stray, .label = true};
			out->unmatched -= out->unmatched > 0;
			c->warning = sm_arena_strf(
				&out->arena,
				"the label file has another name than %s_seg.nii; the only "
				"*Segm.nii* file of the folder was taken",
				c->key);
		} else if (any) {
			c->problem = sm_arena_strf(&out->arena,
						   "case %s: no file for role seg (pattern '%s'), "
						   "while other cases have one",
						   c->key, brats_roles[BRATS_ROLES - 1].pattern[0]);
		}
		if ((stray || any) && !c->problem && !c->warning)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	}
	return SM_OK;
}

enum sm_status sm_raw_cases_brats(const struct sm_paths *paths, struct sm_raw_cases *out,
				  struct sm_err *err)
{
	*out = (struct sm_raw_cases){0};
	struct hits hits = {0};
	struct sm_source sources[BRATS_ROLES] = {0};
	enum sm_status st = SM_OK;
	bool any = false;
	for (size_t s = 0; s < BRATS_ROLES; s++)
		sources[s] = (struct sm_source){(char *)brats_roles[s].role,
						(char *)brats_roles[s].pattern[0],
						brats_roles[s].label, brats_roles[s].label};
	SM_GOTO(st, brats_hits(paths, &hits, err));
	for (size_t i = 0; i < hits.n; i++)
		any = any || brats_roles[hits.v[i].source].label;
	SM_GOTO(st, group(&hits, sources, BRATS_ROLES, paths, out, err));
	SM_GOTO(st, settle_labels(out, paths, any, err));
out:
	free(hits.v);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}

void sm_raw_cases_clear(struct sm_raw_cases *list)
{
	json_decref(list->dataset);
	sm_arena_clear(&list->arena);
	*list = (struct sm_raw_cases){0};
}
