/* SPDX-License-Identifier: Apache-2.0
 *
 * Brain Imaging Data Structure, raw part (see layout.h). Its JSON sidecars are in bids_fields.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nii.h"
#include "ingest/cases/bids_fields.h"
#include "ingest/cases/layout.h"

#define MAX_TABLE (64u << 20)

static const char *const kinds[] = {"anat", "func", "dwi", "pet", "fmap", "perf"};
static const char *const label_suffixes[] = {"dseg", "mask", "roi"};
/* Folders beside the subjects that hold other things than raw scans. */
static const char *const aside[] = {"derivatives", "sourcedata", "code", "stimuli", "phenotype"};

/* One NIfTI file of the raw part. */
struct scan {
	const char *path, *patient, *name, *role; /* name: "sub-1_ses-2", of the case */
	const char *problem;
	bool label;
};

struct tree {
	const struct sm_layout_job *job;
	struct sm_raw_cases *out;
	struct scan *scan;
	size_t n;
	json_t *left; /* folder -> number of NIfTI files left out */
};

static enum sm_status out_of_memory(struct sm_err *err)
{
	return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
}

static size_t component(const char *path)
{
	return strcspn(path, "/");
}

static bool is_one_of(const char *text, size_t n, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == n && strncmp(list[i], text, n) == 0)
			return true;
	return false;
}

static void leave_out(struct tree *t, const char *path)
{
	size_t n = component(path);
	char name[64] = "elsewhere";
	if (path[n] == '/' && is_one_of(path, n, aside, SM_COUNT(aside)))
		snprintf(name, sizeof name, "%.*s", (int)n, path);
	json_int_t so_far = json_integer_value(json_object_get(t->left, name));
	json_object_set_new(t->left, name, json_integer(so_far + 1));
}

/* "sub-" or "ses-" and letters and digits; the length of the component, 0 = it is none. */
static size_t entity(const char *path, const char *prefix)
{
	size_t n = component(path);
	if (strncmp(path, prefix, 4) != 0 || n < 5 || path[n] != '/')
		return 0;
	/* '+' since version 1.10 */
	return strspn(path + 4,
		      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+") == n - 4
		       ? n
		       : 0;
}

/* Takes the name apart; s->problem tells when it does not fit its folders. */
static enum sm_status name_scan(struct tree *t, struct scan *s, size_t subject, size_t session,
				struct sm_err *err)
{
	struct sm_arena *arena = &t->out->arena;
	const char *path = s->path, *base = sm_path_base(path);
	const char *ses = path + subject + 1;
	s->patient = sm_arena_strf(arena, "%.*s", (int)subject, path);
	s->name = session ? sm_arena_strf(arena, "%.*s_%.*s", (int)subject, path, (int)session, ses)
			  : s->patient;
	if (!s->patient || !s->name)
		return out_of_memory(err);
	size_t head = strlen(s->name), end = sm_nii_stem(base);
	if (strncmp(base, s->name, head) != 0 || base[head] != '_' || end <= head + 1) {
		s->role = "";
		s->problem = sm_arena_strf(
			arena, "case %s: %s does not begin with %s_, the names of its folders",
			s->name, path, s->name);
		return s->problem ? SM_OK : out_of_memory(err);
	}
	s->role = sm_raw_key(arena,
			     sm_arena_strf(arena, "%.*s", (int)(end - head - 1), base + head + 1));
	if (!s->role)
		return out_of_memory(err);
	const char *last = strrchr(s->role, '_');
	last = last ? last + 1 : s->role;
	s->label = is_one_of(last, strlen(last), label_suffixes, SM_COUNT(label_suffixes));
	return SM_OK;
}

static enum sm_status add_path(struct tree *t, const char *path, struct sm_err *err)
{
	if (!sm_raw_is_nifti(path) || sm_raw_is_hidden(path))
		return SM_OK;
	size_t subject = entity(path, "sub-"),
	       session = subject ? entity(path + subject + 1, "ses-") : 0;
	const char *rest = path + subject + (subject > 0) + session + (session > 0);
	size_t kind = component(rest);
	if (!subject || rest[kind] != '/' || strchr(rest + kind + 1, '/') ||
	    !is_one_of(rest, kind, kinds, SM_COUNT(kinds))) {
		leave_out(t, path);
		return SM_OK;
	}
	struct scan *s = &t->scan[t->n++];
	s->path = path;
	return name_scan(t, s, subject, session, err);
}

static int by_name(const void *a, const void *b)
{
	const struct scan *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	if (!c)
		c = strcmp(x->role, y->role);
	return c ? c : strcmp(x->path, y->path);
}

/* Numbers of the sidecars, and the gradient table of a diffusion scan. */
static enum sm_status add_fields(struct tree *t, const struct sm_bids_fields *fields,
				 struct sm_raw_case *c, struct sm_raw_file *f, struct sm_err *err)
{
	struct sm_arena *arena = &t->out->arena;
	json_t *table = NULL;
	if (sm_ends_with(f->role, "dwi")) {
		SM_TRY(sm_bids_gradients(t->job->root, t->job->paths, f->path, t->job->mem, &table,
					 err));
		if (!table && !c->warning) {
			c->warning =
				sm_arena_strf(arena,
					      "%s: no gradient table: .bval or .bvec beside it is "
					      "missing or damaged",
					      f->path);
			if (!c->warning)
				return out_of_memory(err);
		}
	}
	enum sm_status st = sm_bids_fields_of(fields, f->path, table, arena, &f->fields, err);
	json_decref(table);
	return st;
}

static enum sm_status fill_case(struct tree *t, const struct sm_bids_fields *fields,
				const struct scan *s, size_t n, struct sm_raw_case *c,
				struct sm_err *err)
{
	struct sm_arena *arena = &t->out->arena;
	c->key = sm_raw_key(arena, s->name);
	c->patient = sm_raw_key(arena, s->patient);
	c->file = sm_arena_alloc(arena, (n + 1) * sizeof *c->file);
	c->own_grids = true;
	if (!c->key || !c->patient || !c->file)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++) {
		struct sm_raw_file *f = &c->file[c->n++];
		*f = (struct sm_raw_file){
			.role = s[i].role, .path = s[i].path, .label = s[i].label};
		if (!c->problem)
			c->problem = s[i].problem;
		if (i && !c->problem && strcmp(s[i].role, s[i - 1].role) == 0) {
			c->problem = sm_arena_strf(arena,
						   "case %s: %s and %s are both %s, allowed is one",
						   c->key, s[i - 1].path, s[i].path, s[i].role);
			if (!c->problem)
				return out_of_memory(err);
		}
		SM_TRY(add_fields(t, fields, c, f, err));
	}
	return SM_OK;
}

static enum sm_status make_cases(struct tree *t, const struct sm_bids_fields *fields,
				 struct sm_err *err)
{
	struct sm_raw_cases *out = t->out;
	if (t->n)
		qsort(t->scan, t->n, sizeof *t->scan, by_name);
	out->v = sm_arena_alloc(&out->arena, (t->n + 1) * sizeof *out->v);
	if (!out->v)
		return out_of_memory(err);
	for (size_t i = 0, run; i < t->n; i += run) {
		run = 1;
		while (i + run < t->n && strcmp(t->scan[i].name, t->scan[i + run].name) == 0)
			run++;
		SM_TRY(fill_case(t, fields, t->scan + i, run, &out->v[out->n++], err));
	}
	return sm_raw_cases_sort(out, err);
}

static bool has_subject(const struct tree *t, const char *id, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->scan[i].patient) == n && strncmp(t->scan[i].patient, id, n) == 0)
			return true;
	return false;
}

/* True when a line of the table after its head begins with id. */
static bool table_has(const char *table, const char *id)
{
	for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n'))
		if (strncmp(line + 1, id, strlen(id)) == 0 &&
		    strchr("\t\r\n", line[1 + strlen(id)]))
			return true;
	return false;
}

/* Subjects of the table and subjects of the folders must be the same; ids are all that is looked
 * at. */
static enum sm_status compare_table(struct tree *t, const char *table, struct sm_err *err)
{
	if (strncmp(table, "participant_id", 14) != 0 || !strchr("\t\r\n", table[14]))
		return sm_raw_cases_warn(
			t->out, err,
			"participants.tsv: its first column is not participant_id; it was "
			"not compared with the subjects");
	char first[41] = "";
	size_t without = 0;
	for (const char *line = strchr(table, '\n'); line; line = strchr(line, '\n')) {
		line++;
		size_t n = strcspn(line, "\t\r\n");
		if (!n || has_subject(t, line, n) || without++)
			continue;
		/* A cell that is no id may be anything: it is not shown. */
		snprintf(first, sizeof first, "%.*s", (int)(n < 40 ? n : 40), line);
		if (strncmp(first, "sub-", 4) != 0 || !sm_key_is_safe(first))
			snprintf(first, sizeof first, "no name of the form sub-NAME");
	}
	if (without)
		SM_TRY(sm_raw_cases_warn(
			t->out, err,
			"participants.tsv lists %zu subjects of whom there is no scan (the "
			"first is %s)",
			without, first));
	const char *missing = NULL;
	size_t count = 0;
	for (size_t i = 0; i < t->n; i++) {
		const char *id = t->scan[i].patient;
		if ((i && strcmp(id, t->scan[i - 1].patient) == 0) || table_has(table, id))
			continue;
		missing = missing ? missing : id;
		count++;
	}
	if (!count)
		return SM_OK;
	return sm_raw_cases_warn(
		t->out, err,
		"participants.tsv does not list %zu subjects who have scans (the first is %s)",
		count, missing);
}

static enum sm_status check_participants(struct tree *t, struct sm_err *err)
{
	unsigned char *table;
	size_t n;
	char *path = sm_path_join(t->job->root, "participants.tsv");
	if (!path)
		return out_of_memory(err);
	enum sm_status st = SM_OK;
	if (sm_file_exists(path)) {
		st = sm_file_read(path, MAX_TABLE, t->job->mem, &table, &n, err);
		if (st == SM_OK) {
			/* text behind a zero byte, and a mark of byte order, are no ids */
			const char *text = (const char *)table;
			st = compare_table(
				t, strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text, err);
			sm_free(table);
		}
	}
	free(path);
	return st;
}

static enum sm_status note_left(struct tree *t, struct sm_err *err)
{
	const char *folder;
	json_t *n;
	if (json_object_size(t->left))
		json_object_set(t->out->dataset, "nifti_left_out", t->left);
	json_object_foreach(t->left, folder, n) SM_TRY(sm_raw_cases_warn(
		t->out, err, "%lld NIfTI files %s%s are left out", (long long)json_integer_value(n),
		strcmp(folder, "elsewhere") == 0 ? "" : "below ",
		strcmp(folder, "elsewhere") == 0
			? "outside sub-NAME/[ses-NAME/](anat|func|dwi|pet|fmap|perf)"
			: folder));
	return SM_OK;
}

enum sm_status sm_layout_bids(const struct sm_layout_job *job, struct sm_raw_cases *out,
			      struct sm_err *err)
{
	*out = (struct sm_raw_cases){.dataset = json_object()};
	struct tree t = {.job = job, .out = out, .left = json_object()};
	struct sm_bids_fields fields = {0};
	enum sm_status st = SM_OK;
	t.scan = calloc(job->paths->count + 1, sizeof *t.scan);
	if (!t.scan || !t.left || !out->dataset)
		SM_GOTO(st, out_of_memory(err));
	json_object_set_new(out->dataset, "layout", json_string("bids"));
	for (size_t i = 0; i < job->paths->count; i++)
		SM_GOTO(st, add_path(&t, job->paths->path[i], err));
	SM_GOTO(st, sm_bids_fields_read(&fields, job->root, job->paths, job->mem, err));
	SM_GOTO(st, make_cases(&t, &fields, err));
	if (fields.broken)
		SM_GOTO(st, sm_raw_cases_warn(
				    out, err,
				    "%zu JSON sidecars are damaged and left out (the first is %s)",
				    fields.broken, fields.first_broken));
	SM_GOTO(st, check_participants(&t, err));
	SM_GOTO(st, note_left(&t, err));
out:
	sm_bids_fields_clear(&fields);
	json_decref(t.left);
	free(t.scan);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}
