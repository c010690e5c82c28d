/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage split: a fold for each case, by patient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stage.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/split.h"
#include "preprocess/split_cases.h"
#include "preprocess/split_near.h"
#include "preprocess/split_table.h"

struct options {
	char *check, *table;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"check", SM_F_STRING, AT(check), .path = true,
	 .doc = "only check the split in this folder for leakage, make none"},
	{"table", SM_F_STRING, AT(table), .path = true,
	 .doc = "CSV with a column key (case) or patient, and the column that split.stratify "
		"names"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("split", struct options, fields, "options of split");

/* The cases and what their pointers point to. */
struct table {
	struct sm_split_case *cases;
	struct sm_near_store near; /* hashes by case; empty = not looked for */
	size_t count;
	struct sm_near_pairs pairs;
	struct sm_arena arena;
};

static enum sm_status table_init(struct table *t, size_t n, struct sm_err *err)
{
	*t = (struct table){.cases = calloc(n + 1, sizeof *t->cases), .count = n};
	return t->cases ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
}

static void table_clear(struct table *t)
{
	sm_near_store_clear(&t->near);
	free(t->pairs.v);
	free(t->cases);
	sm_arena_clear(&t->arena);
}

static enum sm_status fill(struct table *t, const struct sm_cases *cases, struct sm_err *err)
{
	SM_TRY(table_init(t, cases->count, err));
	return sm_split_cases_of(cases, &t->arena, t->cases, err);
}

static void leave_out(struct sm_run *run, struct table *t, const struct sm_strings *keys)
{
	for (size_t k = 0; k < keys->n; k++) {
		size_t found = 0;
		for (size_t i = 0; i < t->count; i++) {
			struct sm_split_case *c = &t->cases[i];
			if (strcmp(c->key, keys->v[k]) != 0 && strcmp(c->patient, keys->v[k]) != 0)
				continue;
			c->left_out = true;
			found++;
		}
		if (!found)
			sm_info(&run->log, NULL, "leave_out: %s is no case and no patient here",
				keys->v[k]);
	}
}

/* What the header says of each group, in order of their first cases; keys only where a pair does
 * not tell all. */
static enum sm_status note_groups(const struct table *t, const struct sm_near_groups *g,
				  json_t *list, struct sm_err *err)
{
	json_t **keys = calloc(t->count + 1, sizeof *keys);
	enum sm_status st = keys ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; st == SM_OK && i < t->count; i++) {
		const struct sm_near_pair *p = g->nearest[i];
		if (g->cases[g->lead[i]] > 2 && keys[g->lead[i]])
			json_array_append_new(keys[g->lead[i]], json_string(t->cases[i].key));
		if (!p)
			continue;
		json_t *entry = json_pack("{s:s, s:s, s:s, s:f, s:i}", "a", t->cases[p->a].key, "b",
					  t->cases[p->b].key, "role", p->role, "distance",
					  p->distance, "flip", (int)p->flip);
		if (json_array_append_new(list, entry) != 0)
			st = SM_FAIL(err, SM_BUDGET, "split: out of memory");
		if (st != SM_OK || g->cases[i] == 2)
			continue;
		keys[i] = json_pack("[s]", t->cases[i].key);
		json_object_set_new(entry, "cases", keys[i]); /* filled by the cases to come */
		json_object_set_new(entry, "pairs", json_integer((json_int_t)g->pairs[i]));
	}
	free(keys);
	return st;
}

#define GROUPS_TOLD 20 /* lines of the log; the header has them all */

static void tell_groups(struct sm_run *run, const struct table *t, const struct sm_near_groups *g,
			bool warn)
{
	const enum sm_log_level level = warn ? SM_LOG_WARN : SM_LOG_INFO;
	size_t told = 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct sm_near_pair *p = g->nearest[i];
		if (!p || ++told > GROUPS_TOLD)
			continue;
		const char *a = t->cases[p->a].key, *b = t->cases[p->b].key;
		if (g->cases[i] == 2)
			sm_log_at(&run->log, level, NULL,
				  "cases %s and %s look alike: %s, %.3f of the bits differ%s", a, b,
				  p->role, p->distance, sm_near_flip_text(p->flip));
		else
			sm_log_at(&run->log, level, NULL,
				  "%zu cases look alike, %s and others, in %zu pairs; the nearest "
				  "are %s and %s: %s, %.3f of the bits differ%s",
				  g->cases[i], t->cases[i].key, g->pairs[i], a, b, p->role,
				  p->distance, sm_near_flip_text(p->flip));
	}
	if (told > GROUPS_TOLD)
		sm_log_at(&run->log, level, NULL,
			  "%zu more groups of look-alike cases stand in the ledger's header",
			  told - GROUPS_TOLD);
	sm_info(&run->log, NULL,
		"%zu pairs of look-alike cases of different patients, in %zu groups", t->pairs.n,
		told);
}

/* Finds look-alike cases, lists them in the header, and joins or warns of them. */
static enum sm_status find_near(struct sm_run *run, const struct sm_cases *cases, struct table *t,
				const struct sm_split_section *s, struct sm_err *err)
{
	const double limit[2] = {s->near_distance, s->near_distance_flat};
	json_t *list = json_array();
	struct sm_near_groups g = {0};
	json_object_set_new(run->ledger.header, "near_duplicates", list);
	if (!list)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	SM_TRY(sm_near_store_init(&t->near, run->dry_run ? NULL : run->out, t->count, err));
	SM_TRY(sm_split_near_read(cases, t->cases, &t->near, err));
	SM_TRY(sm_split_near_pairs(t->cases, &t->near, limit, run->jobs, &t->pairs, err));
	SM_TRY(sm_split_near_groups(&t->pairs, t->count, &g, err));
	enum sm_status st = note_groups(t, &g, list, err);
	if (st == SM_OK)
		tell_groups(run, t, &g, s->near_duplicates == SM_NEAR_WARN);
	if (st == SM_OK && s->near_duplicates == SM_NEAR_JOIN)
		st = sm_split_join_equal(t->cases, t->count, err);
	for (size_t i = 0; s->near_duplicates == SM_NEAR_JOIN && i < t->count; i++)
		if (g.lead[i] != i)
			sm_split_join(t->cases, t->count, g.lead[i], i);
	sm_split_near_groups_clear(&g);
	return st;
}

static json_t *near_record(const struct sm_near_case *near)
{
	json_t *hashes = json_object();
	char text[SM_NEAR_TEXT];
	for (size_t k = 0; k < near->count; k++) {
		sm_near_to_text(&near->images[k].hash, text);
		json_object_set_new(hashes, near->images[k].role, json_string(text));
	}
	return hashes;
}

static enum sm_status add_near(struct table *t, size_t i, json_t *record, struct sm_err *err)
{
	struct sm_near_case near;
	enum sm_status st = sm_near_store_get(&t->near, i, &near, err);
	if (st == SM_OK)
		json_object_set_new(record, "near", near_record(&near));
	sm_split_near_clear(&near);
	return st;
}

static enum sm_status add_records(struct sm_run *run, struct table *t, struct sm_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct sm_split_case *c = &t->cases[i];
		json_t *images = json_array();
		for (size_t k = 0; k < c->image_count; k++)
			json_array_append_new(images, json_string(c->images[k]));
		json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:o}", "key", c->key, "status",
					   "ok", "patient", c->patient, "fold",
					   sm_split_fold_name(c->fold), "images", images);
		if (!record)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
		if (c->fold_index >= 0)
			json_object_set_new(record, "fold_index", json_integer(c->fold_index));
		if (c->stratum)
			json_object_set_new(record, "stratum", json_string(c->stratum));
		enum sm_status st = SM_OK;
		if (t->near.of && !c->left_out)
			st = add_near(t, i, record, err);
		if (st == SM_OK)
			st = sm_records_add(run->ledger.records, record, NULL, err);
		json_decref(record);
		SM_TRY(st);
	}
	return SM_OK;
}

/* Patients and cases a fold, as a table on stdout. */
static void print(const struct table *t, const size_t patients[SM_FOLDS])
{
	size_t cases[SM_FOLDS + 1] = {0};
	printf("fold\tpatients\tcases\n");
	for (size_t i = 0; i < t->count; i++)
		cases[t->cases[i].fold]++;
	for (int f = 0; f < SM_FOLDS; f++)
		printf("%s\t%zu\t%zu\n", sm_fold_name((enum sm_fold)f), patients[f], cases[f]);
	if (cases[SM_FOLDS])
		printf("none (left out)\t-\t%zu\n", cases[SM_FOLDS]);
}

/* Cases a stratum and fold: strata in the order of their names. */
static int by_stratum(const void *a, const void *b)
{
	return strcmp((*(const struct sm_split_case *const *)a)->stratum,
		      (*(const struct sm_split_case *const *)b)->stratum);
}

static enum sm_status print_strata(const struct table *t, const char *column, struct sm_err *err)
{
	const struct sm_split_case **all = malloc((t->count + 1) * sizeof *all);
	size_t n = 0, cases[SM_FOLDS + 1] = {0};
	if (!all)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < t->count; i++)
		if (t->cases[i].stratum)
			all[n++] = &t->cases[i];
	qsort(all, n, sizeof *all, by_stratum);
	printf("\ncases by %s\ttrain\ttest\tvalid\n", column);
	for (size_t i = 0; i < n; i++) {
		cases[all[i]->fold]++;
		if (i + 1 < n && strcmp(all[i]->stratum, all[i + 1]->stratum) == 0)
			continue;
		printf("%s\t%zu\t%zu\t%zu\n", all[i]->stratum, cases[SM_TRAIN], cases[SM_TEST],
		       cases[SM_VALID]);
		memset(cases, 0, sizeof cases);
	}
	free(all);
	return SM_OK;
}

/* The strata of --table; its hash stands in the header. */
static enum sm_status take_table(struct sm_run *run, struct table *t,
				 const struct sm_split_section *s, struct sm_err *err)
{
	const char *path = ((const struct options *)run->options)->table;
	char hex[65];
	if (!s->stratify && !path)
		return SM_OK;
	if (!s->stratify || !path)
		return SM_FAIL(err, SM_USAGE, "%s",
			       path ? "--table: is given, but split.stratify names no column of it"
				    : "split.stratify: is given, but --table is missing");
	SM_TRY(sm_split_table(path, s->stratify, t->cases, t->count, &t->arena, hex, err));
	json_object_set_new(run->ledger.header, "table_sha256", json_string(hex));
	return SM_OK;
}

/* Who stands in a list, but has lost all cases before. */
static void warn_gone(struct sm_run *run, const struct table *t, const struct sm_strings *list,
		      enum sm_fold fold, const struct sm_strings *gone, size_t patients)
{
	size_t lost = 0;
	for (size_t i = 0; i < list->n; i++) {
		size_t k = 0;
		while (k < t->count && strcmp(t->cases[k].patient, list->v[i]) != 0)
			k++;
		if (k < t->count || !sm_split_is_gone(gone, list->v[i]))
			continue;
		sm_warn(&run->log, NULL,
			"split.lists.%s: all cases of patient %s were rejected before",
			sm_fold_name(fold), list->v[i]);
		lost++;
	}
	if (lost && !patients)
		sm_warn(&run->log, NULL, "fold %s has no patient left", sm_fold_name(fold));
}

/* Keys and patients (or those alone) of cases that were rejected before; v is malloc memory, its
 * strings the header's. */
static enum sm_status gone_of(const struct sm_run *run, bool keys, struct sm_strings *gone,
			      struct sm_err *err)
{
	const json_t *before = json_object_get(run->ledger.header, "rejected_before");
	*gone = (struct sm_strings){.v = calloc(2 * json_array_size(before) + 1, sizeof *gone->v)};
	if (!gone->v)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < json_array_size(before); i++) {
		char *patient =
			(char *)(uintptr_t)sm_json_text(json_array_get(before, i), "patient");
		char *key = (char *)(uintptr_t)sm_json_text(json_array_get(before, i), "key");
		if (patient)
			gone->v[gone->n++] = patient;
		if (key && keys)
			gone->v[gone->n++] = key;
	}
	return SM_OK;
}

/* Whether a name of the test list is a case or a patient here. */
static bool is_here(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->cases[i].key, name) == 0 || strcmp(t->cases[i].patient, name) == 0)
			return true;
	return false;
}

static enum sm_status name_tests(struct sm_run *run, struct table *t,
				 const struct sm_strings *names, struct sm_err *err)
{
	struct sm_strings gone;
	size_t tests = 0;
	if (!names->n)
		return SM_OK;
	SM_TRY(gone_of(run, true, &gone, err));
	enum sm_status st = sm_split_name_tests(t->cases, t->count, names, &gone, err);
	for (size_t i = 0; st == SM_OK && i < names->n; i++)
		if (!is_here(t, names->v[i]))
			sm_warn(&run->log, NULL, "split.test_cases: %s was rejected before",
				names->v[i]);
	for (size_t i = 0; i < t->count; i++)
		tests += t->cases[i].tests && !t->cases[i].left_out;
	if (st == SM_OK && !tests)
		sm_warn(&run->log, NULL, "fold test has no case left");
	free(gone.v);
	return st;
}

static enum sm_status assign_lists(struct sm_run *run, const struct table *t,
				   const struct sm_split_lists *lists, size_t patients[SM_FOLDS],
				   struct sm_err *err)
{
	const struct sm_strings *const list[SM_FOLDS] = {
		[SM_TRAIN] = &lists->train, [SM_TEST] = &lists->test, [SM_VALID] = &lists->valid};
	struct sm_strings gone;
	SM_TRY(gone_of(run, false, &gone, err));
	enum sm_status st = sm_split_by_lists(t->cases, t->count, lists, &gone, patients, err);
	for (int f = 0; st == SM_OK && f < SM_FOLDS; f++)
		warn_gone(run, t, list[f], (enum sm_fold)f, &gone, patients[f]);
	free(gone.v);
	return st;
}

static enum sm_status assign(struct sm_run *run, struct table *t, const struct sm_split_section *s,
			     size_t patients[SM_FOLDS], struct sm_err *err)
{
	const struct sm_split_rule rule = {
		.shares = {[SM_TRAIN] = s->train, [SM_TEST] = s->test, [SM_VALID] = s->valid},
		.folds = s->folds,
		.fold = s->fold,
		.held = s->test_cases.n > 0,
		.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed,
	};
	if (s->lists)
		return assign_lists(run, t, s->lists, patients, err);
	SM_TRY(sm_split_assign(t->cases, t->count, &rule, patients, err));
	for (int f = 0; f < SM_FOLDS; f++)
		if (!s->folds && rule.shares[f] > 0 && !patients[f])
			sm_warn(&run->log, NULL,
				"fold %s has share %g but no patient: too few patients",
				sm_fold_name((enum sm_fold)f), rule.shares[f]);
	return SM_OK;
}

static enum sm_status make(struct sm_run *run, struct sm_err *err)
{
	const struct sm_split_section *s = ((const struct sm_manifest_root *)run->manifest)->split;
	struct sm_cases cases = {0};
	struct table t = {0};
	size_t patients[SM_FOLDS];
	enum sm_status st;
	SM_GOTO(st, sm_cases_open(run, &cases, err));
	SM_GOTO(st, fill(&t, &cases, err));
	leave_out(run, &t, &s->leave_out);
	SM_GOTO(st, name_tests(run, &t, &s->test_cases, err));
	SM_GOTO(st, take_table(run, &t, s, err));
	if (s->near_duplicates != SM_NEAR_OFF)
		SM_GOTO(st, find_near(run, &cases, &t, s, err));
	SM_GOTO(st, assign(run, &t, s, patients, err));
	SM_GOTO(st, sm_split_check(t.cases, t.count, err));
	if (s->near_duplicates == SM_NEAR_REFUSE || s->near_duplicates == SM_NEAR_JOIN)
		SM_GOTO(st, sm_split_near_check(t.cases, &t.pairs, err));
	print(&t, patients);
	if (s->stratify)
		SM_GOTO(st, print_strata(&t, s->stratify, err));
	st = add_records(run, &t, err);
out:
	table_clear(&t);
	sm_cases_close(&cases);
	return st;
}

static enum sm_status load_hashes(struct sm_near_case *near, const char *key, const json_t *hashes,
				  struct sm_err *err)
{
	const char *role;
	json_t *text;
	json_object_foreach((json_t *)(uintptr_t)hashes, role, text)
	{
		struct sm_near_image *image = &near->images[near->count++];
		if (strlen(role) >= sizeof image->role || !json_is_string(text) ||
		    !sm_near_of_text(json_string_value(text), &image->hash))
			return SM_FAIL(err, SM_INPUT, "%s: its hash of %s is damaged", key, role);
		memcpy(image->role, role, strlen(role) + 1);
	}
	return SM_OK;
}

static enum sm_status load_near(struct table *t, size_t i, const json_t *hashes, struct sm_err *err)
{
	struct sm_near_case near = {
		.images = calloc(json_object_size(hashes) + 1, sizeof *near.images)};
	if (!near.images)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	enum sm_status st = load_hashes(&near, t->cases[i].key, hashes, err);
	if (st == SM_OK)
		st = sm_near_store_put(&t->near, i, &near, err);
	sm_split_near_clear(&near);
	return st;
}

static enum sm_status load_case(struct table *t, size_t i, const json_t *record, struct sm_err *err)
{
	size_t k;
	json_t *image, *list = json_object_get(record, "images");
	struct sm_split_case *c = &t->cases[i];
	const char *fold = sm_json_text(record, "fold"), *patient = sm_json_text(record, "patient");
	const char **images =
		sm_arena_alloc(&t->arena, (json_array_size(list) + 1) * sizeof *images);
	c->left_out = fold && strcmp(fold, sm_split_fold_name(SM_FOLDS)) == 0;
	if (!patient || !fold || (!c->left_out && sm_fold_of(fold) == SM_FOLDS))
		return SM_FAIL(err, SM_INPUT,
			       "%s: patient is %s, fold is %s, allowed are a patient and "
			       "train, test, valid or none",
			       c->key, patient ? patient : "missing", fold ? fold : "missing");
	c->patient = sm_arena_strdup(&t->arena, patient);
	c->fold = (enum sm_fold)sm_fold_of(fold);
	c->fold_index = sm_split_index_of(record);
	c->images = images;
	if (!images || !c->patient)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	json_array_foreach(list, k, image)
	{
		if (!json_is_string(image))
			continue;
		images[c->image_count] = sm_arena_strdup(&t->arena, json_string_value(image));
		if (!images[c->image_count++])
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	return load_near(t, i, json_object_get(record, "near"), err);
}

static enum sm_status load_split(struct table *t, const struct sm_ledger *ledger,
				 struct sm_err *err)
{
	size_t i;
	json_t *record;
	SM_TRY(table_init(t, sm_records_count(ledger->records), err));
	SM_TRY(sm_near_store_init(&t->near, NULL, t->count, err));
	sm_records_foreach(ledger->records, i, record)
	{
		t->cases[i].key = sm_records_key(ledger->records, i);
		enum sm_status st = load_case(t, i, record, err);
		if (st == SM_OK)
			continue;
		json_decref(record);
		return st;
	}
	return sm_records_check(ledger->records, err);
}

/* The distances up to which images look alike; false when the split was not made with
 * near_duplicates refuse or join. */
static bool checked_distance(const struct sm_ledger *ledger, double limit[2])
{
	const json_t *s = json_object_get(
		json_object_get(json_object_get(ledger->header, "settings"), "manifest"), "split");
	const char *mode = sm_json_text(s, "near_duplicates");
	if (!mode || (strcmp(mode, "refuse") != 0 && strcmp(mode, "join") != 0))
		return false;
	limit[0] = json_number_value(json_object_get(s, "near_distance"));
	limit[1] = json_number_value(json_object_get(s, "near_distance_flat"));
	return true;
}

static enum sm_status check(const struct sm_run *run, const char *dir, struct sm_err *err)
{
	struct sm_ledger ledger = {0};
	struct table t = {0};
	double limit[2];
	enum sm_status st;
	SM_GOTO(st, sm_ledger_read(dir, "split", &ledger, err));
	SM_GOTO(st, load_split(&t, &ledger, err));
	SM_GOTO(st, sm_split_check(t.cases, t.count, err));
	if (checked_distance(&ledger, limit)) {
		SM_GOTO(st, sm_split_near_pairs(t.cases, &t.near, limit, run->jobs, &t.pairs, err));
		SM_GOTO(st, sm_split_near_check(t.cases, &t.pairs, err));
	}
	printf("%zu cases: no patient and no image stands in two folds\n", t.count);
out:
	table_clear(&t);
	sm_ledger_clear(&ledger);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	if (o->check && run->out)
		return SM_FAIL(err, SM_USAGE,
			       "--out: not allowed with --check, which writes nothing");
	if (o->check)
		return check(run, o->check, err);
	if (!run->in || !run->out)
		return SM_FAIL(err, SM_USAGE, "%s: is missing (--help lists the options)",
			       run->in ? "--out" : "--in");
	return make(run, err);
}

static const char *const sections[] = {"split", NULL};

static const struct sm_stage stage = {
	.name = "split",
	.summary = "train, test and validation folds by patient",
	.details = "Reads the folder of preprocess (or ingest); writes a ledger with a fold for "
		   "each case.\n"
		   "Patients never cross folds, and the same image in two folds is a failure (exit "
		   "code 3);\n"
		   "with split.near_duplicates look-alike images are found, too.\n"
		   "  scanmill split --manifest m.yaml --in work/preprocess --out work/split\n"
		   "  scanmill split --check work/split",
	.version = 2,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
