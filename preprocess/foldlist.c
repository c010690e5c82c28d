/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/foldlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "preprocess/op_table.h"
#include "preprocess/split_cases.h"

/* A ledger is a text that anybody can change: what split promises is looked at again. */
static enum sm_status check_leaks(const struct sm_cases *cases, const struct sm_ledger *split,
				  struct sm_err *err)
{
	struct sm_arena arena = {0};
	struct sm_split_case *c = calloc(cases->count + 1, sizeof *c);
	enum sm_status st = c ? sm_split_cases_of(cases, &arena, c, err)
			      : SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; st == SM_OK && i < cases->count; i++) {
		json_t *record = sm_ledger_get(split, c[i].key);
		const char *name = sm_json_text(record, "fold");
		c[i].fold = name ? (enum sm_fold)sm_fold_of(name) : SM_FOLDS;
		c[i].fold_index = sm_split_index_of(record);
		json_decref(record);
	}
	if (st == SM_OK)
		st = sm_records_check(split->records, err);
	if (st == SM_OK)
		st = sm_split_check(c, cases->count, err);
	sm_arena_clear(&arena);
	free(c);
	return st;
}

/* Whether both ledgers are still what was read. */
static enum sm_status check_both(const struct sm_cases *cases, const struct sm_ledger *split,
				 struct sm_err *err)
{
	SM_TRY(sm_records_check(cases->parent.records, err));
	return sm_records_check(split->records, err);
}

/* Folds were drawn by the patients that the split knew: where those are not the cases' own, it is
 * another data set's. */
static enum sm_status check_patients(struct sm_cases *cases, const struct sm_ledger *split,
				     struct sm_err *err)
{
	enum sm_status st = SM_OK;
	for (size_t i = 0; st == SM_OK && i < cases->count; i++) {
		const char *key = sm_cases_key(cases, i);
		char *own = sm_ledger_text(&cases->parent, key, "patient"),
		     *its = sm_ledger_text(split, key, "patient");
		if (!own || !its)
			st = check_both(cases, split, err);
		if (st == SM_OK && (!own || !its || strcmp(own, its) != 0))
			st = SM_FAIL(err, SM_INPUT,
				     "%s: its patient in the split is %s, in %s it is %s, allowed "
				     "is the same: run split again",
				     key, its ? its : "missing",
				     cases->preprocessed ? "preprocess" : "ingest",
				     own ? own : "missing");
		free(own);
		free(its);
	}
	return st;
}

enum sm_status sm_folds_read(struct sm_run *run, const char *dir, struct sm_cases *cases,
			     struct sm_ledger *split, struct sm_err *err)
{
	size_t kept = 0;
	SM_TRY(sm_run_parent(run, dir, "split", split, err));
	for (size_t i = 0; i < cases->count; i++) {
		enum sm_status st = SM_OK;
		char *fold = sm_ledger_text(split, sm_cases_key(cases, i), "fold");
		if (!fold)
			st = sm_records_check(split->records, err);
		if (st == SM_OK &&
		    (!fold || (strcmp(fold, "none") != 0 && sm_fold_of(fold) == SM_FOLDS)))
			st = SM_FAIL(
				err, SM_INPUT,
				"%s: its fold in the split is %s, allowed are train, test, valid "
				"and none: run split again",
				sm_cases_key(cases, i), fold ? fold : "missing");
		else if (st == SM_OK && strcmp(fold, "none") != 0)
			cases->at[kept++] = cases->at[i];
		free(fold);
		SM_TRY(st);
	}
	if (kept < cases->count)
		sm_info(&run->log, NULL, "%zu cases that split leaves out are left out",
			cases->count - kept);
	if (!kept)
		return SM_FAIL(err, SM_INPUT, "%s: split leaves out every case", dir);
	cases->count = kept;
	SM_TRY(check_leaks(cases, split, err));
	return check_patients(cases, split, err);
}

enum sm_status sm_folds_open(struct sm_run *run, const char *dir, struct sm_cases *cases,
			     struct sm_ledger *split, struct sm_err *err)
{
	const struct sm_preprocess_section *p =
		((const struct sm_manifest_root *)run->manifest)->preprocess;
	SM_TRY(sm_cases_open(run, cases, err));
	if (!cases->preprocessed)
		SM_TRY(sm_ops_check(&p->steps, p->upto, SM_ALL_LEARNT, err));
	return dir ? sm_folds_read(run, dir, cases, split, err) : SM_OK;
}

enum sm_fold sm_folds_of(const struct sm_ledger *split, const char *key)
{
	char *text = sm_ledger_text(split, key, "fold");
	enum sm_fold fold = text ? (enum sm_fold)sm_fold_of(text) : SM_FOLDS;
	free(text);
	return fold;
}

json_t *sm_config_new(void)
{
	json_t *config = json_object();
	for (int f = 0; config && f < SM_FOLDS; f++)
		json_object_set_new(config, sm_fold_name((enum sm_fold)f), json_array());
	return config;
}

/* config.json belongs to no item: the header names it. */
static void name_config(struct sm_run *run, const char *hex)
{
	json_object_set_new(run->ledger.header, "outputs",
			    json_pack("[{s:s, s:s, s:s}]", "path", "config.json", "role", "config",
				      "sha256", hex));
}

enum sm_status sm_config_write(struct sm_run *run, json_t *config, struct sm_err *err)
{
	char hex[65];
	char *text = config ? json_dumps(config, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	char *path = sm_path_join(run->out, "config.json");
	enum sm_status st = text && path ? sm_file_write(path, text, strlen(text), err)
					 : SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
	if (st == SM_OK) {
		sm_sha256_bytes(text, strlen(text), hex);
		name_config(run, hex);
	}
	free(path);
	free(text);
	json_decref(config);
	return st;
}

void sm_folds_warn(struct sm_run *run, const size_t cases[SM_FOLDS], const size_t samples[SM_FOLDS])
{
	for (int f = 0; !run->only_count && f < SM_FOLDS; f++)
		if (cases[f] && !samples[f])
			sm_warn(&run->log, NULL,
				"fold %s has no sample: none of its %zu cases gave one",
				sm_fold_name((enum sm_fold)f), cases[f]);
}

/* The good records of one fold, their outputs as a list of paths. */
static enum sm_status write_fold(struct sm_records *records, const uint8_t *folds,
				 enum sm_fold fold, FILE *f, struct sm_err *err)
{
	size_t k, n = 0;
	json_t *output;
	bool good = fprintf(f, "\"%s\": [", sm_fold_name(fold)) > 0;
	for (size_t i = 0; i < sm_records_count(records); i++) {
		json_t *record = folds[i] == fold ? sm_records_get(records, i) : NULL;
		json_array_foreach(json_object_get(record, "outputs"), k, output)
		{
			char *path = json_dumps(json_object_get(output, "path"), JSON_ENCODE_ANY);
			good = good && path && fprintf(f, "%s\n  %s", n++ ? "," : "", path) > 0;
			free(path);
		}
		json_decref(record);
	}
	good = good && fputs(n ? "\n ]" : "]", f) >= 0;
	return good ? sm_records_check(records, err)
		    : SM_FAIL(err, SM_IO, "config.json: writing failed");
}

/* As sm_config_write does it, with one record in memory at a time. */
static enum sm_status write_config(struct sm_run *run, const uint8_t *folds, struct sm_err *err)
{
	static const enum sm_fold order[SM_FOLDS] = {SM_TEST, SM_TRAIN,
						     SM_VALID}; /* of their names */
	struct sm_outfile out = {0};
	char hex[65], *path = sm_path_join(run->out, "config.json");
	bool good = true;
	enum sm_status st;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	for (int f = 0; f < SM_FOLDS; f++) {
		good = good && fputs(f ? ",\n " : "{\n ", out.stream) >= 0;
		SM_GOTO(st, write_fold(run->ledger.records, folds, order[f], out.stream, err));
	}
	good = good && fputs("\n}", out.stream) >= 0;
	if (!good)
		SM_GOTO(st, SM_FAIL(err, SM_IO, "config.json: writing failed"));
	SM_GOTO(st, sm_outfile_commit(&out, err));
	SM_GOTO(st, sm_sha256_file(path, hex, err));
	name_config(run, hex);
out:
	sm_outfile_abandon(&out);
	free(path);
	return st;
}

enum sm_status sm_config_outputs(struct sm_run *run, const struct sm_ledger *split,
				 size_t (*samples)(const json_t *record), struct sm_err *err)
{
	struct sm_records *records = run->ledger.records;
	size_t i, cases[SM_FOLDS] = {0}, count[SM_FOLDS] = {0};
	json_t *record;
	uint8_t *folds = malloc(sm_records_count(records) + 1);
	if (!folds)
		return SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
	sm_records_foreach(records, i, record)
	{
		const bool good = sm_record_ok(record);
		const enum sm_fold fold = sm_folds_of(split, sm_record_key(record));
		folds[i] = (uint8_t)(good ? fold : SM_FOLDS);
		if (fold == SM_FOLDS)
			continue;
		cases[fold]++;
		count[fold] += good ? samples(record) : 0;
	}
	printf("fold\tcases\tsamples\n");
	for (int f = 0; f < SM_FOLDS; f++)
		printf("%s\t%zu\t%zu\n", sm_fold_name((enum sm_fold)f), cases[f], count[f]);
	sm_folds_warn(run, cases, count);
	enum sm_status st = sm_records_check(records, err);
	if (st == SM_OK)
		st = sm_records_check(split->records, err);
	if (st == SM_OK)
		st = write_config(run, folds, err);
	free(folds);
	return st;
}
