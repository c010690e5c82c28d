/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/rederive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/rng.h"
#include "core/text.h"
#include "tools/child.h"
#include "tools/verify.h"

/* How a stage of a data set is called. Adding one: one row. */
static const struct recipe {
	const char *stage;
	const char *in[2];            /* stages that --in may be; none = the raw scans */
	const char *option, *of;      /* a second folder and the stage that makes it */
	bool by_item;                 /* takes --only */
} recipes[] = {
	{"index", {NULL}, NULL, NULL, false},
	{"ingest", {NULL}, "--index", "index", true},
	{"preprocess", {"ingest"}, NULL, NULL, true},
	{"split", {"preprocess", "ingest"}, NULL, NULL, false},
	{"tile", {"preprocess", "ingest"}, "--split", "split", true},
	{"slice", {"preprocess", "ingest"}, "--split", "split", true},
	{"pair", {"preprocess", "ingest"}, "--split", "split", true},
};

/* Longest list of keys: the system takes 128 KiB in one word of a command line. */
#define MAX_ONLY 100000

struct job {
	const struct sm_rederive_how *how;
	const struct sm_folders *f;
	const struct sm_folder *folder;
	const struct recipe *recipe;
	struct sm_rederived *out;
	struct sm_command command;
	char *scratch, *dir, *log;
	bool *chosen; /* by record of the ledger; NULL = all */
};

static const struct recipe *recipe_of(const char *stage)
{
	for (size_t i = 0; i < SM_COUNT(recipes); i++)
		if (strcmp(recipes[i].stage, stage) == 0)
			return &recipes[i];
	return NULL;
}

/* The folder of a parent stage, when this one has such a parent; that it is another run is said by
 * sm_verify_parents. */
static const char *parent_dir(const struct job *j, const char *stage)
{
	if (!stage || !json_object_get(json_object_get(j->folder->ledger.header, "parents"), stage))
		return NULL;
	const struct sm_folder *right = sm_folders_parent(j->f, j->folder, stage, NULL);
	if (right)
		return right->dir;
	for (size_t i = 0; i < j->f->n; i++)
		if (strcmp(sm_folder_stage(&j->f->v[i]), stage) == 0)
			return j->f->v[i].dir;
	return NULL;
}

/* One word for a value of the ledger's options; NULL when it says nothing. */
static char *word_of(const json_t *value)
{
	struct sm_text text = {0};
	size_t i;
	json_t *v;
	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_number(value))
		return sm_json_line(value);
	if (!json_is_array(value) || !json_array_size(value))
		return NULL;
	json_array_foreach(value, i, v)
	{
		char *one = word_of(v);
		sm_text_str(&text, i ? "," : "");
		sm_text_str(&text, one);
		free(one);
	}
	return text.data;
}

/* The stage's own options and the seed, as the ledger names them. */
static void add_settings(struct job *j)
{
	const char *key;
	json_t *value, *settings = json_object_get(j->folder->ledger.header, "settings");
	json_object_foreach(json_object_get(settings, "options"), key, value)
	{
		char *option = sm_strf("--%s", key), *word = word_of(value);
		for (char *c = option; c && *c; c++)
			*c = *c == '_' ? '-' : *c;
		if (option && json_is_true(value))
			sm_command_add(&j->command, option);
		else if (option && word)
			sm_command_option(&j->command, option, word);
		free(option);
		free(word);
	}
	if (json_is_true(json_object_get(settings, "seed_given"))) {
		char *word = word_of(json_object_get(settings, "seed"));
		if (word)
			sm_command_option(&j->command, "--seed", word);
		free(word);
	}
}

/* Draws the sample and adds it to the command; nothing when all items are wanted. */
static enum sm_status add_sample(struct job *j, struct sm_err *err)
{
	const struct sm_records *records = j->folder->ledger.records;
	size_t n = sm_records_count(records), want = (size_t)j->how->sample, added = 0;
	struct sm_text only = {0};
	struct sm_rng rng;
	j->out->items = j->out->derived = n;
	if (!want || want >= n || !j->recipe->by_item)
		return SM_OK;
	size_t *order = calloc(n, sizeof *order);
	j->chosen = calloc(n, sizeof *j->chosen);
	if (order && j->chosen) {
		sm_rng_init(&rng, j->how->seed, "verify.sample", j->recipe->stage, 0, 0);
		sm_rng_permutation(&rng, order, n);
		for (size_t i = 0; i < want; i++)
			j->chosen[order[i]] = true;
	}
	for (size_t i = 0; j->chosen && i < n; i++)
		if (j->chosen[i])
			sm_text_f(&only, "%s%s", added++ ? "," : "", sm_records_key(records, i));
	enum sm_status st = SM_OK;
	if (!order || !j->chosen || only.failed)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", j->recipe->stage);
	else if (only.n > MAX_ONLY)
		st = SM_FAIL(err, SM_USAGE, "--sample: found %zu, too many to name; 0 derives all",
			     want);
	else
		sm_command_option(&j->command, "--only", only.data);
	j->out->derived = want;
	sm_text_clear(&only);
	free(order);
	return st;
}

static void cannot(struct job *j, const char *why)
{
	snprintf(j->out->why_not, sizeof j->out->why_not, "%s", why);
}

/* The table that a split's strata came from: it must be the one of then. */
static enum sm_status check_table(struct job *j, struct sm_err *err)
{
	const char *wanted = sm_json_text(j->folder->ledger.header, "table_sha256");
	char hex[65];
	if (!wanted || j->out->why_not[0])
		return SM_OK;
	if (!j->how->table) {
		cannot(j, "--table is missing, from which it took its strata");
		return SM_OK;
	}
	SM_TRY(sm_sha256_file(j->how->table, hex, err));
	if (strcmp(hex, wanted) != 0) {
		j->out->items = sm_records_count(j->folder->ledger.records);
		j->out->complaints = json_array();
		sm_complain(j->out->complaints,
			    "the table is another one than then: SHA-256 %.12s..., in the ledger "
			    "%.12s...",
			    hex, wanted);
		return SM_OK;
	}
	return SM_OK;
}

/* The command line; why_not or complaints is filled when the stage cannot be run. */
static enum sm_status plan(struct job *j, struct sm_err *err)
{
	const struct recipe *r = j->recipe;
	const char *in = r->in[0] ? NULL : j->how->raw, *second = parent_dir(j, r->of);
	char jobs[16];
	for (size_t i = 0; !in && i < SM_COUNT(r->in); i++)
		in = parent_dir(j, r->in[i]);
	if (json_object_get(j->folder->ledger.header, "only"))
		cannot(j, "it holds some items only (--only)");
	else if (!in)
		cannot(j, r->in[0] ? "the folder of its parent stage is not there"
				   : "--raw is missing");
	else if (r->of && !second &&
		 json_object_get(json_object_get(j->folder->ledger.header, "parents"), r->of))
		cannot(j, "the folder of a parent stage is not there");
	SM_TRY(check_table(j, err));
	if (j->out->why_not[0] || j->out->complaints)
		return SM_OK;
	snprintf(jobs, sizeof jobs, "%d", j->how->jobs);
	sm_command_add(&j->command, r->stage);
	sm_command_option(&j->command, "--manifest", j->how->manifest);
	sm_command_option(&j->command, "--log", "error");
	sm_command_option(&j->command, "--jobs", jobs);
	sm_command_option(&j->command, "--in", in);
	sm_command_option(&j->command, "--out", j->dir);
	if (second)
		sm_command_option(&j->command, r->option, second);
	if (!r->in[0] && j->how->salt_file)
		sm_command_option(&j->command, "--salt-file", j->how->salt_file);
	if (json_object_get(j->folder->ledger.header, "table_sha256"))
		sm_command_option(&j->command, "--table", j->how->table);
	add_settings(j);
	return add_sample(j, err);
}

/* The last line that the program logged. */
static void complain_failed(struct job *j, int code)
{
	unsigned char *bytes = NULL;
	size_t size = 0;
	const char *line = "it says nothing";
	if (sm_file_read(j->log, 0, NULL, &bytes, &size, NULL) == SM_OK && size) {
		char *text = (char *)bytes;
		while (size && text[size - 1] == '\n')
			text[--size] = '\0';
		char *last = strrchr(text, '\n');
		line = last ? last + 1 : text;
	}
	sm_complain(j->out->complaints, "cannot be derived again (exit code %d): %.600s", code,
		    line);
	sm_free(bytes);
}

static size_t compare_facts(json_t *complaints, const char *owner, const char *name, json_t *then,
			    json_t *now, const char *const *without);

static const char *hash_of(const json_t *list, const char *path)
{
	size_t i;
	json_t *output;
	json_array_foreach(list, i, output)
	{
		const char *p = sm_json_text(output, "path");
		if (p && strcmp(p, path) == 0)
			return sm_json_text(output, "sha256");
	}
	return NULL;
}

/* Two lists of outputs, of an item or of a header. Returns the number of differences. */
static size_t compare_outputs(json_t *complaints, const char *owner, const json_t *then,
			      const json_t *now)
{
	size_t i, bad = 0;
	json_t *output;
	json_array_foreach(then, i, output)
	{
		const char *path = sm_json_text(output, "path"),
			   *old = sm_json_text(output, "sha256");
		const char *new = path ? hash_of(now, path) : NULL;
		if (!path || !old || (new && strcmp(old, new) == 0))
			continue;
		bad++;
		if (new)
			sm_complain(complaints,
				    "%s: %s: is derived with other content: SHA-256 %.12s..., in "
				    "the ledger %.12s...",
				    owner, path, new, old);
		else
			sm_complain(complaints, "%s: %s: is not made any more", owner, path);
	}
	json_array_foreach(now, i, output)
	{
		const char *path = sm_json_text(output, "path");
		if (!path || hash_of(then, path))
			continue;
		bad++;
		sm_complain(complaints, "%s: %s: is made now, and not in the ledger", owner, path);
	}
	return bad;
}

/* Inputs may have no path (files of a DICOM series): they are compared in their order. */
static size_t compare_inputs(json_t *complaints, const char *owner, const json_t *then,
			     const json_t *now)
{
	size_t n = json_array_size(then), bad = n != json_array_size(now);
	if (bad)
		sm_complain(complaints, "%s: has %zu inputs now, in the ledger %zu", owner,
			    json_array_size(now), n);
	for (size_t i = 0; !bad && i < n; i++) {
		const json_t *a = json_array_get(then, i), *b = json_array_get(now, i);
		const char *role = sm_json_text(a, "role"), *path = sm_json_text(a, "path");
		const char *old = sm_json_text(a, "sha256"), *new = sm_json_text(b, "sha256");
		if (json_equal(a, b))
			continue;
		bad++;
		sm_complain(
			complaints,
			"%s: input %s%s%s: has changed: SHA-256 %.12s..., in the ledger %.12s...",
			owner, role ? role : "", path ? " " : "", path ? path : "",
			new ? new : "none", old ? old : "none");
	}
	return bad;
}

/* Two values of one key. Of objects only the keys that differ are named. */
static size_t compare_value(json_t *complaints, const char *owner, const char *name, json_t *then,
			    json_t *now)
{
	char *old = then ? sm_json_line(then) : NULL, *new = now ? sm_json_line(now) : NULL;
	/* As text: that is how numbers stand in a ledger. */
	size_t bad = !old || !new || strcmp(old, new) != 0;
	if (bad && json_is_object(then) && json_is_object(now)) {
		static const char *const none[] = {NULL};
		bad = compare_facts(complaints, owner, name, then, now, none);
	} else if (bad) {
		sm_complain(complaints, "%s: %s: is %.100s, in the ledger %.100s", owner, name,
			    new ? new : "absent", old ? old : "absent");
	}
	free(old);
	free(new);
	return bad;
}

/* All keys of two objects but those of `without`; `name` (may be NULL) is what the objects are
 * called. */
static size_t compare_facts(json_t *complaints, const char *owner, const char *name, json_t *then,
			    json_t *now, const char *const *without)
{
	json_t *all = json_object(), *unused;
	const char *key;
	size_t bad = 0;
	json_object_update(all, then);
	json_object_update(all, now);
	for (const char *const *k = without; *k; k++)
		json_object_del(all, *k);
	json_object_foreach(all, key, unused)
	{
		char *full = sm_strf("%s%s%s", name ? name : "", name ? "." : "", key);
		bad += compare_value(complaints, owner, full ? full : key,
				     json_object_get(then, key), json_object_get(now, key));
		free(full);
	}
	json_decref(all);
	return bad;
}

/* Options, seed and sections of the manifest. */
static size_t compare_settings(json_t *complaints, json_t *then, json_t *now)
{
	static const char *const none[] = {NULL};
	return compare_facts(complaints, "settings", NULL, then, now, none);
}

static enum sm_status compare(struct job *j, struct sm_ledger *now, struct sm_err *err)
{
	/* Of the settings the fingerprint tells nothing new. */
	static const char *const of_item[] = {"inputs", "outputs", "fingerprint", NULL};
	static const char *const of_header[] = {"outputs", "settings", "settings_sha256",
						"parents", "only",     NULL};
	struct sm_ledger *then = (struct sm_ledger *)&j->folder->ledger;
	json_t *complaints = j->out->complaints, *record;
	size_t i;
	if (compare_settings(complaints, json_object_get(then->header, "settings"),
			     json_object_get(now->header, "settings"))) {
		/* Every item may differ then, and that would say nothing. */
		j->out->other_settings = true;
		return SM_OK;
	}
	if (!j->chosen) {
		compare_facts(complaints, "header", NULL, then->header, now->header, of_header);
		compare_outputs(complaints, "header", json_object_get(then->header, "outputs"),
				json_object_get(now->header, "outputs"));
	}
	sm_records_foreach(then->records, i, record)
	{
		const char *key = sm_record_key(record);
		if (j->chosen && !j->chosen[i])
			continue;
		json_t *twin = sm_ledger_get(now, key);
		if (!twin) {
			sm_complain(complaints, "%s: is no item any more", key);
			continue;
		}
		size_t bad = compare_facts(complaints, key, NULL, record, twin, of_item);
		bad += compare_inputs(complaints, key, json_object_get(record, "inputs"),
				      json_object_get(twin, "inputs"));
		bad += compare_outputs(complaints, key, json_object_get(record, "outputs"),
				       json_object_get(twin, "outputs"));
		j->out->equal += !bad;
		json_decref(twin);
	}
	for (i = 0; i < sm_records_count(now->records); i++) {
		const char *key = sm_records_key(now->records, i);
		if (sm_records_find(then->records, key) == SM_NONE)
			sm_complain(complaints, "%s: is an item now, and not in the ledger", key);
	}
	SM_TRY(sm_records_check(then->records, err));
	return sm_records_check(now->records, err);
}

static enum sm_status derive(struct job *j, struct sm_err *err)
{
	struct sm_ledger now = {0};
	enum sm_status st = SM_OK;
	int code = 0;
	SM_TRY(plan(j, err));
	if (j->out->why_not[0] || j->out->complaints)
		return SM_OK;
	j->out->complaints = json_array();
	SM_TRY(sm_child_run(j->recipe->stage, &j->command, j->log, &code, err));
	if (code >= 4)
		return SM_FAIL(err, SM_IO, "%s: could not be derived again in %s (exit code %d)",
			       j->recipe->stage, j->scratch, code);
	/* 1 and 3 are those of a run with rejected items, too: then there is a ledger. */
	if (code == 2 || sm_ledger_read(j->dir, j->recipe->stage, &now, NULL) != SM_OK)
		complain_failed(j, code);
	else
		st = compare(j, &now, err);
	sm_ledger_clear(&now);
	return st;
}

enum sm_status sm_rederive(const struct sm_rederive_how *how, const struct sm_folders *f,
			   const struct sm_folder *folder, struct sm_rederived *out,
			   struct sm_err *err)
{
	struct job j = {.how = how, .f = f, .folder = folder, .out = out};
	*out = (struct sm_rederived){0};
	j.recipe = recipe_of(sm_folder_stage(folder));
	if (!j.recipe) {
		cannot(&j, "it is no stage of a data set");
		return SM_OK;
	}
	enum sm_status st = sm_scratch_make(how->scratch, &j.scratch, err);
	if (st == SM_OK) {
		j.dir = sm_path_join(j.scratch, j.recipe->stage);
		j.log = sm_path_join(j.scratch, "log");
		st = j.dir && j.log ? derive(&j, err)
				    : SM_FAIL(err, SM_BUDGET, "%s: out of memory", how->manifest);
	}
	sm_scratch_remove(j.scratch);
	sm_command_clear(&j.command);
	free(j.chosen);
	free(j.dir);
	free(j.log);
	return st;
}

void sm_rederived_clear(struct sm_rederived *r)
{
	json_decref(r->complaints);
	r->complaints = NULL;
}
