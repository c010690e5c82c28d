/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill diff: what differs between two runs, and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stage.h"
#include "tools/diff.h"
#include "tools/folders.h"

struct options {
	bool json;
	int64_t limit;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"json", SM_F_BOOL, AT(json), "false", .doc = "print the comparison as JSON"},
	{"limit", SM_F_INT, AT(limit), "20", 0, 1e9, .doc = "items listed a stage; 0 = all"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("diff", struct options, fields, NULL);

/* Twelve digits of a hash, or what a setting is. */
static void print_value(const json_t *v)
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *s = json_is_string(v) ? json_string_value(v) : json_is_null(v) ? "none" : text;
	printf("%s", s ? s : "");
	free(text);
}

static void print_hash(const json_t *v)
{
	const char *hex = json_string_value(v);
	printf("%.12s", hex ? hex : "none");
}

static void print_files(const json_t *list, const char *what)
{
	size_t i;
	json_t *file;
	json_array_foreach(list, i, file)
	{
		const char *path = sm_json_text(file, "path"), *role = sm_json_text(file, "role");
		printf("    %-7s %s: ", what, path ? path : role ? role : "file");
		print_hash(json_object_get(file, "a"));
		printf(" -> ");
		print_hash(json_object_get(file, "b"));
		printf("\n");
	}
}

/* Facts may be long lists: their beginning is enough. */
static void print_facts(const json_t *list, const char *margin)
{
	size_t i;
	json_t *fact;
	json_array_foreach(list, i, fact)
	{
		char *a = json_dumps(json_object_get(fact, "a"), JSON_ENCODE_ANY | JSON_COMPACT);
		char *b = json_dumps(json_object_get(fact, "b"), JSON_ENCODE_ANY | JSON_COMPACT);
		printf("%s%s: %.60s%s -> %.60s%s\n", margin, sm_json_text(fact, "key"), a ? a : "",
		       a && strlen(a) > 60 ? "..." : "", b ? b : "",
		       b && strlen(b) > 60 ? "..." : "");
		free(a);
		free(b);
	}
}

static const char *cause_of(const json_t *row)
{
	const char *cause = sm_json_text(row, "why");
	return cause && strcmp(cause, "unexplained") == 0
		       ? "nothing that the ledgers know: the stage did not repeat itself"
		       : cause;
}

static void print_keys(const json_t *list, const char *where, int64_t limit)
{
	size_t i;
	json_t *key;
	json_array_foreach(list, i, key)
	{
		if (limit && (int64_t)i >= limit) {
			printf("  ... %zu more %s\n", json_array_size(list) - i, where);
			return;
		}
		printf("  %s: %s\n", where, json_string_value(key));
	}
}

static void print_changed(const json_t *list, int64_t limit)
{
	size_t i;
	json_t *row;
	json_array_foreach(list, i, row)
	{
		if (limit && (int64_t)i >= limit) {
			printf("  ... %zu more changed\n", json_array_size(list) - i);
			return;
		}
		json_t *status = json_object_get(row, "status");
		printf("  changed: %s, because of %s\n", sm_json_text(row, "key"), cause_of(row));
		if (status)
			printf("    status  %s -> %s\n",
			       json_string_value(json_array_get(status, 0)),
			       json_string_value(json_array_get(status, 1)));
		print_files(json_object_get(row, "inputs"), "input");
		print_files(json_object_get(row, "outputs"), "output");
		print_facts(json_object_get(row, "facts"), "    ");
	}
}

static void print_diff(const json_t *diff, int64_t limit)
{
	size_t i;
	json_t *row, *version = json_object_get(diff, "version");
	printf("%-12s %lld items the same, %zu changed, %zu only in the first, %zu only in the "
	       "second\n",
	       sm_json_text(diff, "stage"),
	       (long long)json_integer_value(json_object_get(diff, "same")),
	       json_array_size(json_object_get(diff, "changed")),
	       json_array_size(json_object_get(diff, "only_a")),
	       json_array_size(json_object_get(diff, "only_b")));
	if (version)
		printf("  version of the stage: %lld -> %lld\n",
		       (long long)json_integer_value(json_array_get(version, 0)),
		       (long long)json_integer_value(json_array_get(version, 1)));
	json_array_foreach(json_object_get(diff, "settings"), i, row)
	{
		printf("  setting %s: ", sm_json_text(row, "key"));
		print_value(json_object_get(row, "a"));
		printf(" -> ");
		print_value(json_object_get(row, "b"));
		printf("\n");
	}
	print_keys(json_object_get(diff, "only_a"), "only in the first", limit);
	print_keys(json_object_get(diff, "only_b"), "only in the second", limit);
	print_changed(json_object_get(diff, "changed"), limit);
	if (!cause_of(diff))
		return;
	printf("  changed: what belongs to no item, because of %s\n", cause_of(diff));
	json_array_foreach(json_object_get(diff, "parents"), i, row)
	{
		printf("    parent  %s: ", sm_json_text(row, "key"));
		print_hash(json_object_get(row, "a"));
		printf(" -> ");
		print_hash(json_object_get(row, "b"));
		printf("\n");
	}
	print_files(json_object_get(diff, "outputs"), "output");
	print_facts(json_object_get(diff, "facts"), "    ");
}

static const struct sm_folder *find_stage(const struct sm_folders *f, const char *stage)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(sm_folder_stage(&f->v[i]), stage) == 0)
			return &f->v[i];
	return NULL;
}

/* A row for a stage that only one side has. */
static void lone_stages(const struct sm_folders *here, const struct sm_folders *there,
			const char *where, bool print, json_t *all)
{
	for (size_t i = 0; i < here->n; i++) {
		const char *stage = sm_folder_stage(&here->v[i]);
		if (find_stage(there, stage) || sm_folders_closed(there, stage))
			continue;
		json_array_append_new(all,
				      json_pack("{s:s, s:s}", "stage", stage, "only_in", where));
		if (print)
			printf("%-12s only in the %s\n", stage, where);
	}
}

static enum sm_status open_side(struct sm_folders *f, const char *path, struct sm_err *err)
{
	SM_TRY(sm_folders_add(f, path, err));
	return sm_folders_load(f, err);
}

/* Stages of both sides in the order of the first one's folders; *found counts those that differ. */
static enum sm_status compare(struct sm_folders *a, struct sm_folders *b, const struct options *o,
			      json_t *all, size_t *found, struct sm_err *err)
{
	bool single = a->n == 1 && b->n == 1;
	for (size_t i = 0; i < a->n; i++) {
		const struct sm_folder *twin =
			single ? &b->v[0] : find_stage(b, sm_folder_stage(&a->v[i]));
		json_t *diff;
		if (!twin)
			continue;
		sm_folders_close(b);
		SM_TRY(sm_folders_open(a, &a->v[i], err));
		SM_TRY(sm_folders_open(b, twin, err));
		SM_TRY(sm_diff_ledgers(&a->v[i].ledger, &twin->ledger, &diff, err));
		*found += sm_diff_found(diff);
		if (o->json) {
			json_array_append_new(all, diff);
			continue;
		}
		print_diff(diff, o->limit);
		json_decref(diff);
	}
	sm_folders_close(a);
	sm_folders_close(b);
	size_t before = json_array_size(all);
	lone_stages(a, b, "first", !o->json, all);
	lone_stages(b, a, "second", !o->json, all);
	*found += json_array_size(all) - before;
	return SM_OK;
}

/* A folder that may not be looked at is passed over when the other side has no such stage, and
 * needed when it has. */
static enum sm_status check_closed(struct sm_run *run, const struct sm_folders *here,
				   const struct sm_folders *there, struct sm_err *err)
{
	size_t i;
	json_t *closed;
	json_array_foreach(here->closed, i, closed)
	{
		const char *stage = sm_json_text(closed, "stage");
		if (find_stage(there, stage) || sm_folders_closed(there, stage))
			return sm_folders_need(here, stage, err);
		sm_warn(&run->log, NULL, "passed over: %s", sm_json_text(closed, "why"));
	}
	return SM_OK;
}

static enum sm_status run_diff(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_folders a = {0}, b = {0};
	json_t *all = json_array();
	size_t found = 0;
	enum sm_status st = SM_OK;
	if (run->arg_count != 2) {
		st = SM_FAIL(
			err, SM_USAGE,
			"found %zu arguments, needed are 2 ledgers or folders (--help shows how)",
			run->arg_count);
		goto out;
	}
	SM_GOTO(st, open_side(&a, run->args[0], err));
	SM_GOTO(st, open_side(&b, run->args[1], err));
	SM_GOTO(st, compare(&a, &b, o, all, &found, err));
	if (o->json) {
		char *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS);
		puts(text ? text : "");
		free(text);
	}
	SM_GOTO(st, check_closed(run, &a, &b, err));
	SM_GOTO(st, check_closed(run, &b, &a, err));
	/* Exit code 1, as diff(1) has it. */
	run->rejected = found;
out:
	json_decref(all);
	sm_folders_clear(&a);
	sm_folders_clear(&b);
	return st;
}

static const struct sm_stage stage = {
	.name = "diff",
	.summary = "what differs between two runs, and which input or setting is why",
	.details = "Takes two ledgers, folders of one stage, or work folders. For each stage: "
		   "settings that\n"
		   "differ, items that one side lacks, items with other outputs or facts (fold, "
		   "number of\n"
		   "tiles, ...) and the input or setting that explains them. Exit code 0 when all "
		   "of that is the same,\n"
		   "1 when not.\n"
		   "\n"
		   "  scanmill diff old/tile/ledger.jsonl new/tile/ledger.jsonl\n"
		   "  scanmill diff work/before work/after",
	.args = "A B",
	.version = 1,
	.needs = SM_NO_LEDGER,
	.options = &option_set,
	.run = run_diff,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
