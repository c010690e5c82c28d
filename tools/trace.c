/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/trace.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

#define DEEPEST 16 /* stages in a chain: more means that the ledgers name each other */

/* A folder that another one was made from. */
struct parent {
	const char *stage;
	const struct sm_folder *folder; /* NULL: not here */
	const char *rater; /* of compare, which has several of one stage: the role of its inputs */
};
enum { PARENTS = 64 };

static const struct sm_folder *folder_of(const struct sm_folders *f, const char *sha256)
{
	for (size_t k = 0; k < f->n; k++)
		if (strcmp(f->v[k].ledger.sha256, sha256) == 0)
			return &f->v[k];
	return NULL;
}

/* All that the folder's header names. */
static size_t parents_of(const struct sm_folders *f, const struct sm_folder *folder,
			 struct parent out[PARENTS])
{
	const json_t *header = folder->ledger.header;
	const char *stage;
	json_t *v;
	size_t i, n = 0;
	json_object_foreach(json_object_get(header, "parents"), stage, v) if (n < PARENTS)
		out[n++] = (struct parent){stage, sm_folders_parent(f, folder, stage, NULL), NULL};
	json_array_foreach(json_object_get(header, "members"), i, v)
	{
		const char *sha = sm_json_text(v, "ledger_sha256"), *kind = sm_json_text(v, "kind");
		if (sha && kind && strcmp(kind, "rater") == 0 && n < PARENTS)
			out[n++] = (struct parent){"predict", folder_of(f, sha),
						   sm_json_text(v, "name")};
	}
	return n;
}

/* An output of the record by content, and by path when that fits, too. */
static json_t *output_of(const json_t *record, const char *path, const char *sha256)
{
	size_t i;
	json_t *output, *found = NULL;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *p = sm_json_text(output, "path"), *s = sm_json_text(output, "sha256");
		if (!p || !s || strcmp(s, sha256) != 0)
			continue;
		if (path && strcmp(p, path) == 0)
			return output;
		found = found ? found : output;
	}
	return found;
}

static bool same_path(const json_t *output, const char *path)
{
	const char *p = sm_json_text(output, "path");
	return p && path && strcmp(p, path) == 0;
}

/* What made an input. */
struct maker {
	json_t *record, *output; /* owned; NULL = nothing yet */
	bool exact;              /* path and content fit; else the content alone */
};

/* Looks at a record for the inputs that nobody made yet (`made`) and that have no exact maker here;
 * returns how many still have none. */
static size_t look_for(json_t *record, const json_t *inputs, const bool *made, bool exact_only,
		       struct maker *makers)
{
	size_t i, left = 0;
	json_t *input;
	json_array_foreach(inputs, i, input)
	{
		struct maker *m = &makers[i];
		if (made[i])
			continue;
		const char *path = sm_json_text(input, "path"),
			   *sha = sm_json_text(input, "sha256");
		json_t *output = sha && !m->exact ? output_of(record, path, sha) : NULL;
		bool exact = output && same_path(output, path);
		if (exact || (output && !exact_only && !m->record)) {
			json_decref(m->record);
			json_decref(m->output);
			*m = (struct maker){json_incref(record), json_incref(output), exact};
		}
		left += sha && !m->exact;
	}
	return left;
}

static json_t *node_of(const struct sm_folder *folder, const json_t *record)
{
	json_t *node = json_object(), *patient = json_object_get(record, "patient");
	json_object_set_new(node, "stage", json_string(sm_folder_stage(folder)));
	json_object_set_new(node, "item", json_string(sm_record_key(record)));
	if (patient)
		json_object_set(node, "patient", patient);
	json_object_set_new(node, "outputs", json_array());
	json_object_set_new(node, "from", json_array());
	json_object_set_new(node, "raw", json_array());
	json_object_set_new(node, "ledgers", json_array());
	json_object_set_new(node, "unresolved", json_array());
	json_object_set_new(node, "missing", json_array());
	if (!sm_record_ok(record))
		json_object_set(node, "reason", json_object_get(record, "reason"));
	/* A checkpoint has no inputs of its own: it was made of all that its parents list. */
	if (!json_array_size(json_object_get(record, "inputs")) &&
	    strcmp(sm_folder_stage(folder), "train") == 0)
		json_object_set(node, "parents", json_object_get(folder->ledger.header, "parents"));
	return node;
}

/* The nodes that a record came from, and of each its record and its folder's place in f. */
struct origins {
	json_t *nodes, *records, *folders;
};

/* The node of a record among them; added when it is not there yet. */
static json_t *node_in(const struct origins *o, const struct sm_folders *f,
		       const struct parent *parent, json_t *record)
{
	const json_int_t place = parent->folder - f->v;
	size_t i;
	json_t *node;
	json_array_foreach(o->nodes, i, node)
	if (strcmp(sm_json_text(node, "item"), sm_record_key(record)) == 0 &&
	    json_integer_value(json_array_get(o->folders, i)) == place)
		return node;
	node = node_of(parent->folder, record);
	if (parent->rater)
		json_object_set_new(node, "rater", json_string(parent->rater));
	json_array_append_new(o->nodes, node);
	json_array_append(o->records, record);
	json_array_append_new(o->folders, json_integer(place));
	return node;
}

static void add_once(json_t *list, json_t *value)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	if (json_equal(v, value))
		return;
	json_array_append(list, value);
}

/* Inputs that are no files but decide an output all the same (a case's fold): their hash is that of
 * their name. */
static bool is_word(const char *path, const char *sha)
{
	char hex[65];
	if (!path || !sha)
		return false;
	sm_sha256_bytes(path, strlen(path), hex);
	return strcmp(hex, sha) == 0;
}

/* How the makers of inputs are looked for, one after the other. As a rule it is the record of the
 * same key, of the same path and content, or one of a few (a checkpoint); then any record. Equal
 * content under another path (two empty masks) counts only where nobody else made it. */
enum search { OF_THE_SAME_KEY, OF_THE_SAME_PATH, OF_THE_SAME_CONTENT, SEARCHES };
enum { FEW_RECORDS = 64 };

static enum sm_status find_makers(const struct sm_folder *parent, const char *key,
				  const json_t *inputs, const bool *made, enum search search,
				  struct maker *makers, struct sm_err *err)
{
	struct sm_records *records = parent->ledger.records;
	size_t i;
	json_t *record, *twin = sm_ledger_get(&parent->ledger, key);
	size_t left = look_for(twin, inputs, made, true, makers);
	json_decref(twin);
	if (search == OF_THE_SAME_KEY && sm_records_count(records) > FEW_RECORDS)
		return sm_records_check(records, err);
	sm_records_foreach(records, i, record)
	{
		left = left ? look_for(record, inputs, made, search != OF_THE_SAME_CONTENT, makers)
			    : 0;
		if (left)
			continue;
		json_decref(record);
		break;
	}
	return sm_records_check(records, err);
}

/* Whether a parent may have made an input: a rater's run makes that rater's alone. */
static bool may_make(const struct parent *parent, const json_t *input)
{
	const char *role = sm_json_text(input, "role");
	return !parent->rater || (role && strcmp(role, parent->rater) == 0);
}

/* What the open parent made of the record's inputs. */
static enum sm_status follow_parent(const struct sm_folders *f, const struct parent *from,
				    json_t *node, const json_t *record, const struct origins *o,
				    enum search search, bool *made, struct sm_err *err)
{
	const struct sm_folder *parent = from->folder;
	json_t *inputs = json_object_get(record, "inputs");
	size_t n = json_array_size(inputs);
	char *fold = sm_ledger_text(&parent->ledger, sm_record_key(record), "fold");
	struct maker *makers = calloc(n + 1, sizeof *makers);
	bool *skip = calloc(n + 1, sizeof *skip);
	enum sm_status st = makers && skip
				    ? SM_OK
				    : SM_FAIL(err, SM_BUDGET, "%s: out of memory", parent->dir);
	if (fold && strcmp(sm_folder_stage(parent), "split") == 0)
		json_object_set_new(node, "fold", json_string(fold));
	for (size_t i = 0; skip && i < n; i++)
		skip[i] = made[i] || !may_make(from, json_array_get(inputs, i));
	if (st == SM_OK && n)
		st = find_makers(parent, sm_record_key(record), inputs, skip, search, makers, err);
	for (size_t i = 0; makers && i < n; i++) {
		struct maker *m = &makers[i];
		if (m->record) {
			json_t *child = node_in(o, f, from, m->record);
			add_once(json_object_get(child, "outputs"), m->output);
			made[i] = true;
		}
		json_decref(m->record);
		json_decref(m->output);
	}
	free(makers);
	free(skip);
	free(fold);
	return st;
}

/* Whether what no record made is a raw scan: only index, and the stage behind it, read such. */
static bool reads_raw(const struct sm_folder *folder)
{
	const char *stage;
	size_t i;
	json_t *hash;
	json_object_foreach(json_object_get(folder->ledger.header, "parents"), stage, hash)
		if (strcmp(stage, "index") != 0)
			return false;
	json_array_foreach(json_object_get(folder->ledger.header, "members"), i, hash)
		if (json_object_get(hash, "ledger_sha256"))
			return false;
	return true;
}

/* The parent whose ledger an input is (a report reads some as a whole); NULL when it is none. */
static const char *parent_read(const struct sm_folder *folder, const json_t *input)
{
	const char *stage, *sha = sm_json_text(input, "sha256");
	json_t *hash;
	size_t i;
	json_t *model;
	json_object_foreach(json_object_get(folder->ledger.header, "parents"), stage, hash)
		if (sha && json_is_string(hash) && strcmp(json_string_value(hash), sha) == 0)
			return stage;
	/* A report of several models has more than one run of evaluate. */
	json_array_foreach(json_object_get(folder->ledger.header, "models"), i, model)
	{
		stage = sm_json_text(model, "ledger");
		if (sha && stage && strcmp(stage, sha) == 0)
			return "evaluate";
	}
	return NULL;
}

/* Inputs that no record made. */
static void name_others(const struct sm_folder *folder, json_t *node, const json_t *inputs,
			const bool *made)
{
	size_t i;
	json_t *input, *others = json_object_get(node, reads_raw(folder) ? "raw" : "unresolved");
	json_array_foreach(inputs, i, input)
	{
		const char *sha = sm_json_text(input, "sha256"),
			   *parent = parent_read(folder, input);
		if (made[i] || is_word(sm_json_text(input, "path"), sha))
			continue;
		if (!parent) {
			add_once(others, input);
			continue;
		}
		json_t *ledger = json_pack("{s:s, s:s, s:s}", "stage", parent, "path",
					   SM_LEDGER_NAME, "sha256", sha);
		add_once(json_object_get(node, "ledgers"), ledger);
		json_decref(ledger);
	}
}

/* Whether some input that is a file has no maker yet. */
static bool lacks_maker(const json_t *inputs, const bool *made)
{
	size_t i;
	json_t *input;
	json_array_foreach(inputs, i, input)
		if (!made[i] &&
		    !is_word(sm_json_text(input, "path"), sm_json_text(input, "sha256")))
			return true;
	return false;
}

/* The parents that are here; one that lists raw scans makes none. */
static enum sm_status follow_parents(struct sm_folders *f, const struct parent *parent, size_t n,
				     json_t *node, const json_t *record, const struct origins *o,
				     bool *made, struct sm_err *err)
{
	const json_t *inputs = json_object_get(record, "inputs");
	for (int search = 0; search < SEARCHES; search++)
		for (size_t k = 0; k < n; k++) {
			const bool list = strcmp(parent[k].stage, "index") == 0;
			if (!parent[k].folder || (search && (list || !lacks_maker(inputs, made))))
				continue;
			SM_TRY(sm_folders_open(f, parent[k].folder, err));
			SM_TRY(follow_parent(f, &parent[k], node, record, o, (enum search)search,
					     made, err));
		}
	return SM_OK;
}

/* The caller holds `record`: other ledgers are opened here. */
static enum sm_status follow(struct sm_folders *f, const struct sm_folder *folder, json_t *node,
			     const json_t *record, int depth, struct sm_err *err)
{
	struct origins o = {json_object_get(node, "from"), json_array(), json_array()};
	size_t i;
	json_t *child, *inputs = json_object_get(record, "inputs");
	struct parent parent[PARENTS];
	const size_t parents = parents_of(f, folder, parent);
	bool *made = calloc(json_array_size(inputs) + 1, sizeof *made);
	enum sm_status st = SM_OK;
	if (!made || !o.records || !o.folders) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", folder->dir);
		goto out;
	}
	for (size_t k = 0; k < parents; k++) {
		if (parent[k].folder)
			continue;
		SM_GOTO(st, sm_folders_need(f, parent[k].stage, err));
		json_t *stage = json_string(parent[k].stage);
		add_once(json_object_get(node, "missing"), stage);
		json_decref(stage);
	}
	/* What belongs to no item was made of all: its ledgers are named, not followed. */
	if (record)
		SM_GOTO(st, follow_parents(f, parent, parents, node, record, &o, made, err));
	name_others(folder, node, inputs, made);
	json_array_foreach(o.nodes, i, child)
	{
		const size_t place = (size_t)json_integer_value(json_array_get(o.folders, i));
		if (depth < DEEPEST)
			SM_GOTO(st, follow(f, &f->v[place], child, json_array_get(o.records, i),
					   depth + 1, err));
	}
out:
	free(made);
	json_decref(o.records);
	json_decref(o.folders);
	return st;
}

/* True when `later` was made from `earlier`, directly or not. */
static bool made_from(const struct sm_folders *f, const struct sm_folder *later,
		      const struct sm_folder *earlier, int depth)
{
	struct parent parent[PARENTS];
	const size_t n = parents_of(f, later, parent);
	for (size_t k = 0; k < n; k++) {
		const struct sm_folder *p = parent[k].folder;
		if (p && (p == earlier || (depth < DEEPEST && made_from(f, p, earlier, depth + 1))))
			return true;
	}
	return false;
}

/* What is behind "dir/" at the start of path; NULL when it does not start so. */
static const char *below_of(const char *dir, const char *path)
{
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	return n && strncmp(path, dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* Leaves out "." and empty components, and "NAME/.." pairs: what a ledger names has none. In place;
 * as long or shorter. */
static void tidy(char *path)
{
	char *start = path + (*path == '/'), *out = start;
	for (const char *p = start; *p;) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && memcmp(p, "..", 2) == 0;
		char *last = out;
		while (last > start && last[-1] != '/')
			last--;
		bool goes = out > start && !(out - last == 2 && memcmp(last, "..", 2) == 0);
		if (up && goes) {
			out = last > start ? last - 1 : start;
		} else if (n && !(n == 1 && *p == '.') && !(up && start > path)) {
			if (out > start)
				*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n + (p[n] == '/');
	}
	*out = '\0';
}

/* A path as it stands in the folder's ledger: `what` may begin with the folder or the stage.
 * *named: it does. `room` has PATH_MAX bytes for the answer, `clean` is `what` after tidy. */
static const char *path_in(const struct sm_folder *folder, const char *what, const char *clean,
			   bool *named, char *room)
{
	char dir[PATH_MAX];
	const char *below = below_of(sm_folder_stage(folder), clean);
	if (!below) {
		snprintf(dir, sizeof dir, "%s", folder->dir);
		tidy(dir);
		below = below_of(dir, clean);
	}
	/* Links may lead elsewhere than the words say. */
	if (!below && realpath(what, room) && realpath(folder->dir, dir))
		below = below_of(dir, room);
	*named = below;
	return below ? below : clean;
}

static json_t *output_named(const json_t *owner, const char *path)
{
	size_t i;
	json_t *o;
	json_array_foreach(json_object_get(owner, "outputs"), i, o)
	if (same_path(o, path))
		return o;
	return NULL;
}

/* What an item or path was found to be. */
struct found {
	const struct sm_folder *folder; /* NULL = nothing yet */
	json_t *record;                 /* owned; NULL = the output belongs to no item */
	json_t *output;                 /* owned; NULL = the item was named */
	size_t items;                   /* of the stage */
	bool page;                      /* of a stage that shows data and makes none */
};

/* The record that has an output of this path, a new reference, and the output, borrowed from it. */
static json_t *record_naming(const struct sm_folder *folder, const char *path, json_t **output)
{
	size_t i;
	json_t *record;
	sm_records_foreach(folder->ledger.records, i, record)
	{
		*output = output_named(record, path);
		if (*output)
			return record;
	}
	return NULL;
}

/* Looks in the open folder; takes what is there when it is nearer to the end of the road than what
 * was found. */
static void look(const struct sm_folders *f, const struct sm_folder *folder, const char *what,
		 const char *clean, struct found *found)
{
	char room[PATH_MAX];
	bool named;
	const char *stage = sm_folder_stage(folder),
		   *path = path_in(folder, what, clean, &named, room);
	bool page = !named && (strcmp(stage, "explore") == 0 || strcmp(stage, "report") == 0);
	json_t *record = sm_ledger_get(&folder->ledger, path), *output = NULL;
	if (!record)
		output = output_named(folder->ledger.header, path);
	if (!record && !output)
		record = record_naming(folder, path, &output);
	if ((!record && !output) ||
	    (found->folder && (page > found->page ||
			       (page == found->page && made_from(f, found->folder, folder, 0))))) {
		json_decref(record);
		return;
	}
	json_decref(found->record);
	json_decref(found->output);
	*found = (struct found){.folder = folder, .record = record, .output = json_incref(output),
				.items = sm_records_count(folder->ledger.records), .page = page};
}

/* The node of an output of no item, such as config.json. */
static json_t *node_of_all(const struct found *found)
{
	json_t *node = json_object(),
	       *parents = json_object_get(found->folder->ledger.header, "parents");
	json_object_set_new(node, "stage", json_string(sm_folder_stage(found->folder)));
	json_object_set(node, "item", json_object_get(found->output, "path"));
	json_object_set_new(node, "items", json_integer((json_int_t)found->items));
	json_object_set_new(node, "parents", json_copy(parents));
	json_object_set_new(node, "outputs", json_array());
	json_object_set_new(node, "from", json_array());
	json_object_set_new(node, "raw", json_array());
	json_object_set_new(node, "ledgers", json_array());
	json_object_set_new(node, "unresolved", json_array());
	json_object_set_new(node, "missing", json_array());
	return node;
}

enum sm_status sm_trace(struct sm_folders *f, const char *what, json_t **out, struct sm_err *err)
{
	struct found found = {0};
	enum sm_status st = SM_OK;
	json_t *node = NULL;
	char *clean = strdup(what);
	*out = NULL;
	if (!clean)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	tidy(clean);
	for (size_t k = 0; k < (f->own ? f->own : f->n); k++) {
		SM_GOTO(st, sm_folders_open(f, &f->v[k], err));
		look(f, &f->v[k], what, clean, &found);
		SM_GOTO(st, sm_records_check(f->v[k].ledger.records, err));
	}
	if (!found.folder) {
		SM_GOTO(st, sm_folders_need(f, NULL, err));
		st = SM_FAIL(err, SM_USAGE,
			     "%s: no ledger here knows it, allowed is an item's key or the path of "
			     "an output",
			     what);
		goto out;
	}
	node = found.record ? node_of(found.folder, found.record) : node_of_all(&found);
	if (found.output)
		json_array_append(json_object_get(node, "outputs"), found.output);
	else
		json_array_extend(json_object_get(node, "outputs"),
				  json_object_get(found.record, "outputs"));
	SM_GOTO(st, follow(f, found.folder, node, found.record, 0, err));
	*out = json_incref(node);
out:
	json_decref(node);
	json_decref(found.record);
	json_decref(found.output);
	free(clean);
	return st;
}

enum sm_status sm_trace_item(struct sm_folders *f, const struct sm_folder *folder, const char *key,
			     json_t **out, struct sm_err *err)
{
	json_t *record = NULL, *node = NULL;
	enum sm_status st;
	*out = NULL;
	SM_GOTO(st, sm_folders_open(f, folder, err));
	record = sm_ledger_get(&folder->ledger, key);
	SM_GOTO(st, sm_records_check(folder->ledger.records, err));
	if (!record) {
		st = SM_FAIL(err, SM_INPUT, "%s: its ledger has no item %s", folder->dir, key);
		goto out;
	}
	node = node_of(folder, record);
	json_array_extend(json_object_get(node, "outputs"), json_object_get(record, "outputs"));
	SM_GOTO(st, follow(f, folder, node, record, 0, err));
	*out = json_incref(node);
out:
	json_decref(node);
	json_decref(record);
	return st;
}
