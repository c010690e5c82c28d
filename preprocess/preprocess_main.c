/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage preprocess: the manifest's operations on each case, in memory one after another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stage.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/learn_run.h"
#include "preprocess/op_table.h"
#include "preprocess/sidecar.h"

struct options {
	int64_t upto, learn;
	char *split;
	bool describe_ops;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"upto", SM_F_INT, AT(upto), "0", 0, 1000,
	 .doc = "run only the first n steps, to look at a prefix; 0 = as the manifest says"},
	{"learn", SM_F_INT, AT(learn), "0", 0, 1000, .no_setting = true,
	 .doc = "print step n (match_histogram or nyul) with numbers learnt from the cases as the "
		"steps before it leave them; writes nothing"},
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split: --learn then uses its training cases alone"},
	{"describe_ops", SM_F_BOOL, AT(describe_ops), "false",
	 .doc = "print the table of operations as JSON"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("preprocess", struct options, fields, "options of preprocess");

static enum sm_status describe_ops(struct sm_err *err)
{
	json_t *all = json_array();
	for (size_t i = 0; i < SM_OP_COUNT; i++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "name", sm_ops[i].name,
						     "doc", sm_ops[i].doc, "parameters",
						     sm_fields_describe(sm_ops[i].params)));
	char *text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "table of operations: out of memory");
	puts(text);
	free(text);
	return SM_OK;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_cases *cases = ctx;
	const struct sm_manifest_root *m = item->run->manifest;
	const struct options *o = item->run->options;
	struct sm_case c = {0};
	sm_cases_patient(cases, i, item->record);
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	json_t *places = sm_sidecars_places(&c); /* now: stacked volumes lose theirs */
	if (places)
		json_object_set_new(item->record, "scans", places);
	enum sm_status st =
		sm_ops_run(&c, &m->preprocess->steps, o->upto ? o->upto : m->preprocess->upto, err);
	sm_case_warnings(&c, item);
	if (st == SM_OK)
		st = sm_case_save(&c, item->run->out, m->preprocess->compression, item, err);
	sm_case_clear(&c);
	return st;
}

static bool was_skipped(const json_t *record, const char *op, const char *when)
{
	size_t i;
	json_t *fact;
	json_array_foreach(json_object_get(record, "facts"), i, fact)
	{
		const char *name = sm_json_text(fact, "op");
		const char *not_for = sm_json_text(fact, "not_for_this_case");
		if (name && not_for && strcmp(name, op) == 0 && strcmp(not_for, when) == 0)
			return true;
	}
	return false;
}

/* A misspelt `when` would otherwise leave its step out of every case without a word. */
static enum sm_status warn_idle(struct sm_run *run, const struct sm_steps *steps, size_t n,
				struct sm_err *err)
{
	size_t i, k, good = 0, rejected = 0, whens = 0;
	char others[64] = "";
	json_t *record;
	for (i = 0; i < n; i++)
		whens += steps->v[i].when != NULL;
	if (!whens)
		return SM_OK;
	size_t *skipped = calloc(n, sizeof *skipped);
	if (!skipped)
		return SM_FAIL(err, SM_BUDGET, "steps: out of memory");
	sm_records_foreach(run->ledger.records, k, record)
	{
		if (!sm_record_ok(record)) {
			rejected++; /* the step may have been theirs */
			continue;
		}
		good++;
		for (i = 0; i < n; i++)
			skipped[i] += steps->v[i].when &&
				      was_skipped(record, sm_ops[steps->v[i].which].name,
						  steps->v[i].when);
	}
	if (rejected)
		snprintf(others, sizeof others, " but perhaps of the %zu rejected", rejected);
	for (i = 0; i < n; i++)
		if (steps->v[i].when && good && skipped[i] == good)
			sm_warn(&run->log, NULL, "step %zu (%s): when: %s is true of no case%s",
				i + 1, sm_ops[steps->v[i].which].name, steps->v[i].when, others);
	free(skipped);
	return sm_records_check(run->ledger.records, err);
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_preprocess_section *s =
		((const struct sm_manifest_root *)run->manifest)->preprocess;
	struct sm_cases cases = {0};
	if (o->describe_ops)
		return describe_ops(err);
	if (o->split && !o->learn)
		return SM_FAIL(err, SM_USAGE, "--split: allowed only with --learn");
	if (o->learn && run->out)
		return SM_FAIL(err, SM_USAGE, "--out: --learn writes nothing, allowed is none");
	if (!run->in || (!run->out && !o->learn))
		return SM_FAIL(err, SM_USAGE, "%s: is missing (--help lists the options)",
			       run->in ? "--out" : "--in");
	SM_TRY(sm_ops_check(&s->steps, o->upto ? o->upto : s->upto,
			    o->learn ? (size_t)o->learn - 1 : SM_ALL_LEARNT, err));
	enum sm_status st = sm_cases_open(run, &cases, err);
	if (st == SM_OK && cases.preprocessed)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: ledger is of stage 'preprocess', allowed is ingest", run->in);
	if (st == SM_OK && o->learn)
		st = sm_learn_run(run, &cases, o->learn, o->split, err);
	struct sm_items items = {.count = cases.count,
				 .noun = "cases",
				 .ctx = &cases,
				 .key = sm_cases_key,
				 .inputs = sm_cases_inputs,
				 .work = work};
	if (st == SM_OK && !o->learn)
		st = sm_run_items(run, &items, err);
	int64_t upto = o->upto ? o->upto : s->upto;
	if (st == SM_OK && !o->learn)
		st = warn_idle(run, &s->steps, upto ? (size_t)upto : s->steps.n, err);
	sm_cases_close(&cases);
	return st;
}

/* ingest: its sources say which role is the label. */
static const char *const sections[] = {"ingest", "preprocess", NULL};

static const struct sm_stage stage = {
	.name = "preprocess",
	.summary = "run the manifest's operations on each case",
	.details =
		"Reads the folder of ingest; writes <case>/image.nii.gz (x,y,z,channel), "
		"label.nii.gz,\n"
		"mask.nii.gz and regions.nii.gz where there are such. The ledger holds what is "
		"needed to bring a "
		"prediction\n"
		"back to the source's grid and label numbers.\n"
		"  scanmill preprocess --manifest m.yaml --in work/ingest --out work/preprocess\n"
		"  scanmill preprocess --describe-ops\n"
		"Learning a standard scale from the training cases (paste it over step 3):\n"
		"  scanmill preprocess --manifest m.yaml --in work/ingest --split work/split "
		"--learn 3",
	.version = 4, /* 4: scans */
	.needs = SM_BY_ITEM,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
