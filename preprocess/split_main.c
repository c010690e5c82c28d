/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage split: a fold for each case, by patient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stage.h"
#include "manifests/schema.h"
#include "manifests/roles.h"
#include "preprocess/cases.h"
#include "preprocess/split.h"

struct options {
	char *check;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"check", SM_F_STRING, AT(check), .path = true,
	 .doc = "only check the split in this folder for leakage, make none"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("split", struct options, fields, "options of split");

/* The cases and what their pointers point to. */
struct table {
	struct sm_split_case *cases;
	size_t count;
	struct sm_arena arena;
};

static enum sm_status table_init(struct table *t, size_t n, struct sm_err *err)
{
	*t = (struct table){.cases = calloc(n + 1, sizeof *t->cases), .count = n};
	return t->cases ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
}

static void table_clear(struct table *t)
{
	free(t->cases);
	sm_arena_clear(&t->arena);
}

/* Adds the hashes of a record's images; labels may be equal by chance (all empty). */
static void add_images(const json_t *list, const char **images, size_t *n,
		       const json_t *header)
{
	size_t i;
	json_t *file;
	json_array_foreach(list, i, file)
	{
		const char *role = sm_json_text(file, "role"), *sha = sm_json_text(file, "sha256");
		if (role && sha && sm_role_is_volume(role) && !sm_role_is_label(header, role) &&
		    strcmp(role, "mask") != 0)
			images[(*n)++] = sha;
	}
}

static enum sm_status fill(struct table *t, const struct sm_cases *cases, struct sm_err *err)
{
	SM_TRY(table_init(t, cases->count, err));
	for (size_t i = 0; i < cases->count; i++) {
		const json_t *record = cases->records[i];
		json_t *in = json_object_get(record, "inputs"),
		       *out = json_object_get(record, "outputs");
		struct sm_split_case *c = &t->cases[i];
		const char **images =
			sm_arena_alloc(&t->arena, (json_array_size(in) + json_array_size(out) + 1) *
							  sizeof *images);
		if (!images)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
		c->key = sm_record_key(record);
		c->patient = sm_json_text(record, "patient");
		if (!c->patient)
			return SM_FAIL(err, SM_INPUT, "%s: its record names no patient", c->key);
		add_images(out, images, &c->image_count, cases->parent.header);
		if (cases->preprocessed) /* what was made from one scan in two ways is one scan */
			add_images(in, images, &c->image_count, cases->parent.header);
		c->images = images;
	}
	return SM_OK;
}

static enum sm_status add_records(struct sm_run *run, const struct table *t, struct sm_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct sm_split_case *c = &t->cases[i];
		json_t *images = json_array();
		for (size_t k = 0; k < c->image_count; k++)
			json_array_append_new(images, json_string(c->images[k]));
		json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:o}", "key", c->key, "status",
					   "ok", "patient", c->patient, "fold",
					   sm_fold_name(c->fold), "images", images);
		if (!record || json_array_append_new(run->ledger.records, record) != 0)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	return SM_OK;
}

/* Patients and cases a fold, as a table on stdout. */
static void print(const struct table *t, const size_t patients[SM_FOLDS])
{
	printf("fold\tpatients\tcases\n");
	for (int f = 0; f < SM_FOLDS; f++) {
		size_t cases = 0;
		for (size_t i = 0; i < t->count; i++)
			cases += (int)t->cases[i].fold == f;
		printf("%s\t%zu\t%zu\n", sm_fold_name((enum sm_fold)f), patients[f], cases);
	}
}

static enum sm_status make(struct sm_run *run, struct sm_err *err)
{
	const struct sm_split_section *s = ((const struct sm_manifest_root *)run->manifest)->split;
	const double shares[SM_FOLDS] = {
		[SM_TRAIN] = s->train, [SM_TEST] = s->test, [SM_VALID] = s->valid};
	uint64_t seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed;
	struct sm_cases cases = {0};
	struct table t = {0};
	size_t patients[SM_FOLDS];
	enum sm_status st;
	SM_GOTO(st, sm_cases_open(run, &cases, err));
	SM_GOTO(st, fill(&t, &cases, err));
	SM_GOTO(st, sm_split_assign(t.cases, t.count, shares, seed, patients, err));
	SM_GOTO(st, sm_split_check(t.cases, t.count, err));
	for (int f = 0; f < SM_FOLDS; f++)
		if (shares[f] > 0 && !patients[f])
			sm_warn(&run->log, NULL,
				"fold %s has share %g but no patient: too few patients",
				sm_fold_name((enum sm_fold)f), shares[f]);
	print(&t, patients);
	st = add_records(run, &t, err);
out:
	table_clear(&t);
	sm_cases_close(&cases);
	return st;
}

static enum sm_status load_split(struct table *t, const struct sm_ledger *ledger,
				 struct sm_err *err)
{
	size_t i, k;
	json_t *record, *image;
	SM_TRY(table_init(t, json_array_size(ledger->records), err));
	json_array_foreach(ledger->records, i, record)
	{
		struct sm_split_case *c = &t->cases[i];
		json_t *list = json_object_get(record, "images");
		const char *fold = sm_json_text(record, "fold");
		const char **images =
			sm_arena_alloc(&t->arena, (json_array_size(list) + 1) * sizeof *images);
		c->key = sm_record_key(record);
		c->patient = sm_json_text(record, "patient");
		if (!images)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
		if (!c->patient || !fold || sm_fold_of(fold) == SM_FOLDS)
			return SM_FAIL(err, SM_INPUT,
				       "%s: patient is %s, fold is %s, allowed are a patient and "
				       "train, test or valid",
				       c->key, c->patient ? c->patient : "missing",
				       fold ? fold : "missing");
		c->fold = (enum sm_fold)sm_fold_of(fold);
		json_array_foreach(list, k, image) if (json_is_string(image))
			images[c->image_count++] = json_string_value(image);
		c->images = images;
	}
	return SM_OK;
}

static enum sm_status check(const char *dir, struct sm_err *err)
{
	struct sm_ledger ledger = {0};
	struct table t = {0};
	enum sm_status st;
	SM_GOTO(st, sm_ledger_read(dir, "split", &ledger, err));
	SM_GOTO(st, load_split(&t, &ledger, err));
	SM_GOTO(st, sm_split_check(t.cases, t.count, err));
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
		return check(o->check, err);
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
		   "code 3).\n"
		   "  scanmill split --manifest m.yaml --in work/preprocess --out work/split\n"
		   "  scanmill split --check work/split",
	.version = 1,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
